//! The wire of 2008: CrossTalk as Kamaelia Publish spoke it, in chat messages.
//!
//! The `<body>` of a message is base64 of zlib (RFC 1950) of one JSON object. A transaction is a
//! **batch**: an object with the head, objects with text, and one with the signal
//! `producerFinished`; `batch` in each of them and `<thread>` (RFC 6121 §5.2.5) of its message name
//! it. Nothing counts the messages, nothing acknowledges them, nothing cancels a batch, and bytes
//! that are no text cannot be said: the objects are characters.
//!
//! The programs of that time end at whatever they do not expect. So what is written here is exactly
//! what they wrote, in plain ASCII, and what is read may differ from it as much as theirs did: line
//! feeds in the base64, JSON that is neither packed nor encoded (2010), a status as a text or a
//! number, a head without text, a signal beside text, keys that nobody knows.

mod error;
mod measure;
mod message;
#[cfg(test)]
mod tests;
mod text;
mod write;

use std::fmt;

pub use self::{
    error::{ClassicError, NotText},
    message::{Ending, Message},
    text::{Texts, pieces},
    write::{end, more, request, response},
};

/// The longest `<body>` that is written. Servers take stanzas of 256 KiB from a client; half of it
/// leaves room for what stands around it, and for servers that take less.
pub const MAX_BODY: usize = 128 * 1024;

/// The longest `<body>` that is read: more than any server passes on (512 KiB between servers).
pub const MAX_READ: usize = 1024 * 1024;

/// The longest JSON of one message. The programs of 2008 put a whole page into one; a page longer
/// than this would not have passed their server unpacked either.
pub const MAX_JSON: usize = 4 * 1024 * 1024;

/// How deep values stand in one another: a list of pairs in an object is three.
pub const MAX_DEPTH: usize = 8;

/// The most values in one message: four times a head with as many headers as a link carries.
pub const MAX_VALUES: usize = 4096;

/// The longest name of a batch that is read. Theirs are short numbers, ours are 32 characters.
pub const MAX_BATCH: usize = 64;

/// Which way a message goes. The two name their text differently, and only one escapes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the gateway to the peer: `body`, escaped as in XML.
    Request,
    /// From the peer to the gateway: `data`, as it is.
    Response,
}

/// The name of a batch: printable ASCII without spaces, at most [`MAX_BATCH`] characters.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Batch(String);

impl Batch {
    /// Makes a name that nobody can guess: 128 random bits, in hexadecimal digits. The programs of
    /// 2008 counted, so that anybody could answer in a peer's place.
    #[must_use]
    pub fn random() -> Self {
        Self(format!("{:032x}", rand::random::<u128>()))
    }

    /// Reads a name; `None` when it is none.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let fits = (1..=MAX_BATCH).contains(&text.len());
        (fits && text.bytes().all(|byte| byte.is_ascii_graphic())).then(|| Self(text.to_owned()))
    }

    /// Returns the name, as `<thread>` and `batch` have it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Who knows a batch can answer it, so it is printed shortened.
impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Batch({:.4}..)", self.0)
    }
}
