//! What one end says to the other.

use std::{fmt, time::Duration};

use bytes::Bytes;
use http::{request, response};

/// The number of a transaction on its link.
///
/// Each end opens with numbers of its own parity ([`Numbers`](super::Numbers)), always larger ones,
/// and never the same twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId(pub u64);

/// What one end says to the other. Each carrier has a wire form for it.
///
/// Messages of one link arrive in the order in which they were sent, or the link ends.
#[derive(Clone, Debug)]
pub enum Message {
    /// Begins a transaction. `body` is the beginning of the request's body, within the credit that
    /// every transaction begins with; `end` says that this is all of it.
    Open {
        /// A new number.
        id: TransactionId,
        /// The request's head: target in origin form, `Host` among the headers, nothing that is
        /// for one hop only, except `Upgrade` and `Connection` of a WebSocket.
        head: Box<request::Parts>,
        /// The first bytes of the body.
        body: Bytes,
        /// Whether these are all.
        end: bool,
    },
    /// Answers a transaction, once. `body` and `end` as in [`Message::Open`].
    ///
    /// A 101 answers a WebSocket; from here on both bodies are the bytes of the WebSocket.
    Head {
        /// Which transaction.
        id: TransactionId,
        /// The response's head.
        head: Box<response::Parts>,
        /// The first bytes of the body.
        body: Bytes,
        /// Whether these are all.
        end: bool,
    },
    /// More of a body: of the request from the end that opened, of the response from the other.
    Data {
        /// Which transaction.
        id: TransactionId,
        /// The next bytes, at most [`MAX_DATA`](super::MAX_DATA) where we write them; none only
        /// with `end`.
        bytes: Bytes,
        /// Whether these are the last.
        end: bool,
    },
    /// Ends a transaction at once, in both directions. Whatever comes later for it is ignored.
    Abort {
        /// Which transaction.
        id: TransactionId,
        /// Why.
        code: AbortCode,
    },
    /// The receiver of a body took this many bytes more of it.
    Credit {
        /// Which transaction.
        id: TransactionId,
        /// How many bytes more may be sent.
        bytes: u32,
    },
    /// Asks for a sign of life.
    Ping,
    /// Gives one.
    Pong,
    /// The sender opens no more transactions and takes no more; those under way go on.
    Bye(Bye),
}

/// Why a transaction ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AbortCode {
    /// Nobody wants it any more: the visitor left, or the response is complete and the rest of the
    /// request is not needed. After the end of a response it takes nothing away from it.
    Cancelled,
    /// The other end has no room and has not begun with it: it is safe to send it again.
    Refused,
    /// Something took too long.
    TimedOut,
    /// A head or a body is larger than the other end takes.
    TooLarge,
    /// The other end cannot do this (a WebSocket where there is none).
    Unsupported,
    /// The other end failed, or a body broke off.
    Failed,
}

/// Why a link ends in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bye {
    /// When to come back, if the sender knows.
    pub retry_after: Option<Duration>,
    /// One sentence for the owner's log; may be empty.
    pub sentence: String,
}

impl AbortCode {
    /// All codes.
    pub const ALL: [Self; 6] = [
        Self::Cancelled,
        Self::Refused,
        Self::TimedOut,
        Self::TooLarge,
        Self::Unsupported,
        Self::Failed,
    ];

    /// Returns the code as all wires write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Refused => "refused",
            Self::TimedOut => "timed-out",
            Self::TooLarge => "too-large",
            Self::Unsupported => "unsupported",
            Self::Failed => "failed",
        }
    }

    /// Reads a code. One that this version does not know is a failure.
    #[must_use]
    pub fn read(text: &str) -> Self {
        Self::ALL.into_iter().find(|code| code.as_str() == text).unwrap_or(Self::Failed)
    }
}

impl fmt::Display for AbortCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
