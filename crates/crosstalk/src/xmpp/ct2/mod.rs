//! Profile ct2: what the stanzas of a link say, and the order in which they do.
//!
//! [`Codec`] stands between one end's [`Transactions`](crate::transactions::Transactions) and its
//! stanzas; [`Stanza`] is a stanza as a value. Namespaces, elements and attributes are the carrier's.
//!
//! Every stanza is an IQ set, and the other end answers each with a result or an error. A result for a
//! part of a body is the credit for its bytes: the receiver owes it until its reader took them. That
//! is what the multiplexer's [`Message::Credit`](crate::transactions::Message::Credit) becomes on this
//! wire, so that no other stanza says it.
//!
//! The numbers of IQs are those of what they carry ([`Place`]), so that neither end has to remember
//! names that the other chose.

mod answers;
mod codec;
mod heads;
mod incoming;
mod outgoing;
mod pings;
#[cfg(test)]
mod tests;
mod value;

pub use self::{
    codec::{Codec, Room, Settings},
    value::{Condition, Head, Payload, Place, Signal, Stanza, Token, read_number},
};

/// The namespace of everything here, and the feature that says that somebody speaks it (XEP-0030).
pub const NAMESPACE: &str = "urn:veranda:crosstalk:2";

/// How many bytes of a body are in one stanza where nothing else was agreed on: in base64 far below
/// what servers take (256 KiB), 7 ms at the slowest server without a limit, and 2 s at one that lets
/// through 10 kB a second.
pub const CHUNK: usize = 16 * 1024;

/// The fewest that can be agreed on: in base64 below the 10 000 bytes that every server takes
/// (RFC 6120 §13.12).
pub const MIN_CHUNK: usize = 6 * 1024;

/// The most that can be agreed on: in base64 half of what servers take.
pub const MAX_CHUNK: usize = 96 * 1024;

/// The longest beginning of a body that rides along with its head.
pub const SMALL_BODY: usize = MIN_CHUNK;

/// How many bytes of a stanza are neither a body nor the JSON of a head, at most, without the two
/// addresses: names of elements and attributes, and the numbers.
pub const FRAME: usize = 512;

/// How deep the JSON of a head is nested at most: a list of pairs in an object, and one more for what
/// a later version may add.
pub const MAX_DEPTH: usize = 4;

/// How many transactions are remembered because the other end has not answered all stanzas of them.
pub(crate) const MAX_REMEMBERED: usize = 4 * crate::limits::MAX_TRANSACTIONS_PER_LINK as usize;

/// How many answers wait at most until they can be sent, those in a row counted once. Who sends more
/// without taking the answers floods.
pub(crate) const MAX_ANSWERS: usize = 4096;

/// Returns how many bytes of a body may be under way without credit, when stanzas have so many: eight
/// stanzas, which keep a fast way busy, but not more than on the other wires. The multiplexer at both
/// ends begins with it.
#[must_use]
pub fn window(chunk: usize) -> u32 {
    let eight = u32::try_from(chunk.saturating_mul(8)).unwrap_or(u32::MAX);
    eight.min(crate::limits::STREAM_WINDOW)
}

/// Returns what both ends use, of what each of them takes; `None` when one of them takes less than
/// anybody can work with.
#[must_use]
pub fn agree(ours: usize, theirs: usize) -> Option<usize> {
    let chunk = ours.min(theirs).min(MAX_CHUNK);
    (chunk >= MIN_CHUNK).then_some(chunk)
}

/// Returns how many bytes of a body fit into a stanza of this size, of which the addresses take some;
/// `None` when it is less than anybody can work with.
#[must_use]
pub fn fits(max_stanza: usize, addresses: usize) -> Option<usize> {
    let chunk = max_stanza.saturating_sub(FRAME + addresses) / 4 * 3;
    (chunk >= MIN_CHUNK).then(|| chunk.min(MAX_CHUNK))
}

/// What the other end said is against the rules, or the other end is gone: the link has to end.
///
/// None of them repeats text of the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// A stanza that this wire does not have, or one with a value that cannot be read.
    #[error("a stanza's {0} cannot be read")]
    Value(&'static str),
    /// A request with a number that is not new or not the sender's.
    #[error("a request has a number that is not new or not the sender's")]
    Number,
    /// More bytes in one stanza than was agreed on.
    #[error("a stanza has more bytes than was agreed on")]
    TooLong,
    /// Something is missing between two pings, or between their answers.
    #[error("something was lost on the way")]
    Lost,
    /// Answers pile up that the other end does not take.
    #[error("the other end does not take its answers")]
    Flood,
    /// The other end does not answer what it is sent, although it goes on.
    #[error("the other end does not answer")]
    Unanswered,
    /// The other end, or the way to it, is no more.
    #[error("the other end is not there any more")]
    Gone,
}
