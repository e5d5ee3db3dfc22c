//! The wires between peer and gateway.
//!
//! Every carrier is a module with the same two functions: `dial` for the peer, `accept` for the
//! gateway. What comes out is the same for all of them: at the gateway a [`Link`] that answers
//! requests, at the peer a [`Served`] link that hands requests to a
//! [`Handler`](crosstalk::transaction::Handler) until it ends.

pub mod accept;
mod body;
pub mod certificate;
mod dialled;
mod line;
mod link;
mod messages;
pub mod petrichor;
pub mod poll;
pub mod ptth;
mod shape;
pub mod socket;
pub mod taxi;
mod timing;
pub mod tls;
mod upgrade;
mod websocket;
pub mod xmpp;

pub use dialled::{DialError, DialOptions, Served, dial};
pub use link::{Carrier, Link, LinkEnd, Place, SendError, Tunnel, Unsent};
pub use messages::Questions;
pub use timing::Timing;
