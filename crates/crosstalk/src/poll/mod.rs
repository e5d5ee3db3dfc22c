//! The objects of the JSON long poll: what its HTTP requests and responses have in their bodies.
//!
//! The field names are those of a wiki page on Reverse HTTP of 2008; what came later is written
//! only for peers that ask for it ([`Dialect::Second`]). The wire is in `docs/protocols/poll.md`.

mod read;
#[cfg(test)]
mod tests;
mod write;

use std::fmt;

use bytes::Bytes;
use http::{request, response};

pub use self::{read::read, write::write};
use crate::{
    limits::{self, HeadError},
    object::ObjectError,
    transactions::{AbortCode, Bye},
};

/// The most bytes of a body in one object of the second dialect, decoded: what may be under way of
/// one body at all.
pub const MAX_CHUNK: usize = limits::STREAM_WINDOW as usize;

/// The longest body of the classic dialect, in bytes. It is in memory as a whole, as text and as
/// JSON; a page fits, a film does not.
pub const MAX_CLASSIC_BODY: usize = 1024 * 1024;

/// The longest document (the body of a POST, or of the answer to one) that anybody reads: a classic
/// body of text in which every other character needs an escape, or a few chunks in base64.
pub const MAX_DOCUMENT: usize = 2 * 1024 * 1024;

/// The most objects in one document. A document of so many is tens of kilobytes long even if each
/// of them says next to nothing.
pub const MAX_OBJECTS: usize = 512;

/// The most acknowledgements, amounts or names in one object: as many as there are objects in a
/// document.
pub const MAX_ENTRIES: usize = MAX_OBJECTS;

/// The longest [`MessageId`], in bytes: a UUID in any of its forms, twice.
pub const MAX_MESSAGE_ID: usize = 128;

/// What a peer understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// The objects of 2008: one at a time, whole bodies of text.
    Classic,
    /// `Prefer: ptth-json=2`: arrays, chunks, base64, acknowledgements, aborts.
    Second,
}

/// Names one transaction. Whoever made it knows what it says; for the other end it is opaque.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(String);

/// One object of a document.
#[derive(Clone, Debug)]
pub enum Object {
    /// Begins a transaction; from the gateway. Its number is 0.
    Request {
        /// Which transaction.
        id: MessageId,
        /// The head.
        head: Box<request::Parts>,
        /// The beginning of the body.
        body: Bytes,
        /// Whether more of the body follows.
        more: bool,
    },
    /// Answers one; from the peer. Its number is 0.
    Response {
        /// Which transaction.
        id: MessageId,
        /// The head.
        head: Box<response::Parts>,
        /// The beginning of the body.
        body: Bytes,
        /// Whether more of the body follows.
        more: bool,
    },
    /// More of a body.
    Chunk {
        /// Which transaction.
        id: MessageId,
        /// The number among the objects that one end sends for the transaction.
        seq: u64,
        /// The next bytes.
        body: Bytes,
        /// Whether more follows.
        more: bool,
    },
    /// How much of the other's body was taken.
    Taken {
        /// Which transaction.
        id: MessageId,
        /// The number among the objects that the gateway sends for the transaction; a peer gives
        /// none.
        seq: Option<u64>,
        /// Bytes, counted from the beginning of the body.
        bytes: u64,
    },
    /// Ends a transaction at once, in both directions.
    Abort {
        /// Which transaction.
        id: MessageId,
        /// The number among the objects that the gateway sends for the transaction; a peer gives
        /// none.
        seq: Option<u64>,
        /// Why.
        code: AbortCode,
    },
    /// What the sender knows of what the other end sent.
    Report(Report),
    /// The sender begins nothing any more.
    Bye(Bye),
}

/// What one end knows of what the other end sent. `{}` is one too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The objects that arrived; from the peer.
    pub acks: Vec<Acknowledgement>,
    /// How many bytes of which bodies were taken, counted from their beginning.
    pub taken: Vec<(MessageId, u64)>,
    /// The transactions that are over; from the gateway.
    pub gone: Vec<MessageId>,
}

/// One object arrived: `"<message-id>#<seq>"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledgement {
    /// Which transaction.
    pub id: MessageId,
    /// The object's number.
    pub seq: u64,
}

/// Why a document cannot be read, or a head cannot be written.
///
/// None of them repeats text of the other side, so they can be logged and shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PollError {
    /// Longer than [`MAX_DOCUMENT`].
    #[error("the document is longer than {MAX_DOCUMENT} bytes")]
    TooLong,
    /// No JSON, or a member of the wrong kind, or one that is there twice, or too many.
    #[error("the document is not JSON as this wire has it")]
    Json,
    /// A member is missing without which the object means nothing.
    #[error("an object has no {0}")]
    Missing(&'static str),
    /// A member has a value that cannot be read.
    #[error("{0} has a value that cannot be read")]
    Value(&'static str),
    /// Members of two kinds of objects.
    #[error("an object means two things at once")]
    Mixed,
    /// A member that the dialect does not have.
    #[error("{0} needs Prefer: ptth-json=2")]
    Dialect(&'static str),
    /// A body that is longer than one object may have.
    #[error("a body is longer than one object may have")]
    Body,
    /// A body that is not text, where only text can be carried.
    #[error("a body is not text")]
    NotText,
    /// A header or a target that HTTP does not allow, or a head that is too large.
    #[error(transparent)]
    Head(#[from] ObjectError),
}

impl MessageId {
    /// Takes a name: not empty, at most [`MAX_MESSAGE_ID`] bytes, no control characters.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let fits = !text.is_empty() && text.len() <= MAX_MESSAGE_ID;
        (fits && !text.chars().any(char::is_control)).then(|| Self(text.to_owned()))
    }

    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<u64> for MessageId {
    fn from(number: u64) -> Self {
        Self(number.to_string())
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Acknowledgement {
    /// Reads the text of one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (id, seq) = text.rsplit_once('#')?;
        let digits = !seq.is_empty() && seq.bytes().all(|byte| byte.is_ascii_digit());
        let seq = seq.parse().ok().filter(|_| digits)?;
        Some(Self { id: MessageId::new(id)?, seq })
    }
}

impl fmt::Display for Acknowledgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.id, self.seq)
    }
}

impl From<HeadError> for PollError {
    fn from(error: HeadError) -> Self {
        Self::Head(error.into())
    }
}
