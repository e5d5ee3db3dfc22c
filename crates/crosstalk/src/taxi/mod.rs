//! TAXI (Transfer And eXchange Interface, informal draft of 2015-09-18): a short header in front of
//! any data, which says who sent it, what it is for, and who shall have it.
//!
//! ```text
//! a=john,c=text,p=61,s=gate,t=1,u={jim,"Ann; Bob"};hey you guys
//! ```
//!
//! [`TaxiMessage`] is such a message and [`Header`] the part before the semicolon. A router passes
//! messages on with [`Header::augmented_by`] and [`Header::forwarded_by`]. [`wire`] has the messages
//! in which a link's [transactions](crate::transactions) travel.
//!
//! The draft is one page of prose with examples that contradict it here and there. What it leaves
//! open is decided in `docs/protocols/taxi.md`, and every example of it is a fixture of the tests.

mod error;
mod header;
mod message;
mod parse;
mod route;
#[cfg(test)]
mod tests;
mod value;
pub mod wire;

pub use error::TaxiError;
pub use header::{Further, Header};
pub use message::{PayloadLength, TaxiMessage};
pub use route::Dropped;
pub use value::{Item, Recipients, Value};

/// The longest header, with its semicolon. Whoever has more to say than who, what and to whom says
/// it in the body.
pub const MAX_HEADER: usize = 8 * 1024;

/// The most items in a list: so many users or groups one message can name.
pub const MAX_ITEMS: usize = 64;

/// The most nodes that pass a message on, one to the next. Networks of gateways are small; a longer
/// way is an error of somebody who set them up.
pub const MAX_PATH: usize = 8;

/// The sub-protocol of a WebSocket that carries TAXI. The draft names none.
pub const SUBPROTOCOL: &str = "taxi";
