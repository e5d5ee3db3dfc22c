//! TAXI on WebSockets: what passes where nothing else does.
//!
//! The peer dials as a browser would, `Upgrade: websocket` with the sub-protocol `taxi`; each
//! message of the link is one of the WebSocket. The bytes are in `docs/protocols/taxi.md`.

pub mod accept;
pub mod dial;
mod transport;

use crosstalk::transactions::{Config, Numbers};

use crate::{Carrier, Timing, line::LineHandle, messages::Setup};

/// The version of RFC 6455.
const VERSION: &str = "13";

fn setup(numbers: Numbers, line: LineHandle, timing: Timing) -> Setup {
    let Timing { ping_every, ping_timeout } = timing;
    let config = Config { ping_every, ping_timeout, ..Config::new(numbers) };
    Setup { carrier: Carrier::Taxi, config, line, websockets: true }
}
