//! The wire of 2008, for counterparts of that time: chat messages between two accounts (see
//! [`crosstalk::xmpp::classic`]). It is spoken with accounts that somebody named, and with nobody else.
//!
//! Each end logs in once more for it, with a session of its own: chat messages go to an account, not
//! to one of its sessions, and to reach this one it has to be announced to everybody on the account's
//! list, which the other wire avoids.
//!
//! [`Desk`] is the gateway's end: each counterpart that is there is a [`Link`](crate::Link). [`serve`] is the peer's.

mod batches;
mod conversation;
mod desk;
mod front;
mod pages;
mod peer;
mod prefix;
#[cfg(test)]
mod tests;
mod wire;

use std::time::Duration;

use crosstalk::xmpp::BareJid;

pub use self::{desk::Desk, peer::serve};

/// How many transactions are under way with one counterpart at once. Programs of 2008 answer one
/// after the other.
const MAX_BATCHES: usize = 32;

/// The longest body of a request. The programs of 2008 keep all of it in memory, and so do both ends
/// here, since nothing may be sent of a body that turns out to be no text.
const MAX_REQUEST: usize = 1024 * 1024;

/// How much of one response waits until the visitor takes it. Nothing slows the counterpart down, so
/// whoever takes more slowly than that is cut.
const MAX_WAITING: usize = 4 * 1024 * 1024;

/// How much of all responses of one counterpart waits.
const MAX_WAITING_TOGETHER: usize = 32 * 1024 * 1024;

/// How much of a response is read to see whether it is text, before its head is sent.
const LOOK_AHEAD: usize = 256 * 1024;

/// How long nothing may come of a batch that has begun. The wire cannot say that a batch broke off, so
/// silence has to.
const MAX_SILENCE: Duration = Duration::from_secs(60);

/// How often that is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How many messages wait between the session and a conversation. Programs of 2008 send one for each
/// line of a page, and a conversation gets its turn only after all that came at once.
const HEARD_QUEUE: usize = 4096;

/// How many bytes of them.
const HEARD_BYTES: usize = 4 * 1024 * 1024;

/// How many messages wait to be sent: enough that the session's writer always has the next.
const SENT_QUEUE: usize = 4;

/// A chat message, to or from a counterpart.
#[derive(Clone, Debug)]
struct Chat {
    /// The account at the other end.
    with: BareJid,
    thread: Option<String>,
    body: String,
}
