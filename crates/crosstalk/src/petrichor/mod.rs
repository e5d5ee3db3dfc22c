//! Petrichor as a carrier: the wire form of [messages](crate::transactions::Message), and the hello
//! with which a link begins.
//!
//! The wire is a sequence of pairs HEADER, BODY of [TNetstrings](crate::tnetstring) with nothing in
//! between. The header is a dictionary; the body of a message is a string of bytes. All keys but
//! those of the hello are ours. The bytes are in `docs/protocols/petrichor.md`.
//!
//! Heads are small: a request is its method, its target and its header lines, each once. CrossTalk's
//! dictionary of the environment says the target four times and every header twice, for programs
//! that read one like CGI; whoever speaks this wire reads `http` heads.

mod frame;
mod hello;
mod mirror;
#[cfg(test)]
mod tests;

use crate::{limits, tnetstring::TnetstringError};

pub use self::{
    frame::{Frame, HASH_BYTES, Hash, Packing, body, body_mut, read, write_header},
    hello::{Answer, Denial, Hello, PROTOCOL, Token, Welcome},
    mirror::{ENTRY_COST, Mirror},
};

/// The longest header that is read: a head of [`limits::MAX_HEAD_BYTES`] with what the gateway adds,
/// whose 272 lines take at most 24 bytes of framing each.
pub const MAX_HEADER: usize = limits::MAX_HEAD_BYTES + 32 * 1024;

/// The longest body of one pair that is read. We write at most
/// [`MAX_DATA`](crate::transactions::MAX_DATA); a program of forty lines may send larger parts, as
/// far as its credit goes.
pub const MAX_BODY: usize = 1024 * 1024;

/// The longest header of a hello or its answer: a proof, a label, and room.
pub const MAX_HELLO: usize = 8 * 1024;

/// The longest sentence for a person, in bytes; it is the body of a hello's answer and of a bye.
pub const MAX_SENTENCE: usize = 1024;

/// Why bytes are no message, or no hello. The link ends: there is no way to find the next message.
///
/// None of them repeats text of the other side, so they can be logged and shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// It is not made of TNetstrings, or a value is of the wrong kind.
    #[error(transparent)]
    Tnetstring(#[from] TnetstringError),
    /// The type is none that this version knows.
    #[error("a message has an unknown type")]
    Type,
    /// A key that every message of this type has is not there.
    #[error("a message has no {0:?}")]
    Missing(&'static str),
    /// The value of a key cannot be.
    #[error("the value of {0:?} cannot be read")]
    Value(&'static str),
    /// The message has more header lines than anybody accepts, or its header is too long.
    #[error("a head is larger than allowed")]
    Head,
    /// A message that has no body has one, or one that must have one has none.
    #[error("a message and its body do not fit together")]
    Body,
    /// The hello is of another version.
    #[error("the other side speaks another version of the protocol")]
    Version,
}

/// Makes somebody else's sentence one that can be shown: one line, not too long.
fn sentence(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_SENTENCE)]);
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    line.trim().to_owned()
}
