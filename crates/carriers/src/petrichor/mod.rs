//! Petrichor: pairs of TNetstrings over TCP, TLS, or an upgraded connection. The fast lane.
//!
//! A link reads many messages at once and writes many at once (`wire`, `outbox`); on the way to
//! another computer bodies are compressed, and those that the gateway has already are not sent again
//! (`pack`). The bytes are in `docs/protocols/petrichor.md`.

pub mod accept;
pub mod dial;
pub mod echo;
mod greeting;
mod outbox;
mod pack;
pub mod primitives;
mod wire;

use hyper::rt::{Read, Write};
use hyper_util::rt::TokioIo;

use crate::line::{Line, LineHandle};

/// The name of the protocol in `Upgrade`.
const UPGRADE_TOKEN: &str = "petrichor/1";

/// Any connection that a link can have.
trait Socket: Read + Write + Send + Unpin {}

impl<T: Read + Write + Send + Unpin> Socket for T {}

/// The connection of a link, whatever it is made of: one more call for each of the large reads and
/// writes.
type Connection = TokioIo<Line<Box<dyn Socket>>>;

fn connection(socket: impl Socket + 'static) -> (Connection, LineHandle) {
    let (line, handle) = Line::new(Box::new(socket) as Box<dyn Socket>);
    (TokioIo::new(line), handle)
}
