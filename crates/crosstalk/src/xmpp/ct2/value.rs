//! Stanzas as values.

use std::fmt;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;

use super::LinkError;
use crate::transactions::{AbortCode, Bye};

/// What names a link: 128 random bits of the gateway, as 22 characters. Who does not know it can put
/// nothing into the link.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token([u8; 16]);

/// A stanza of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stanza {
    /// An IQ of type `set`; its place is [`Payload::place`].
    Set(Payload),
    /// An IQ of type `result`: what stood there arrived, and of a body was taken.
    Result(Place),
    /// An IQ of type `error`: what stood there is not wanted, or did not arrive.
    Error(Place, Condition),
}

/// Which stanza of a link: the `id` of the IQ, after the token and a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// `<number>.<seq>`: a head has the number 0, what follows of its body 1, 2, ...
    Part {
        /// The number of the transaction.
        number: u64,
        /// Which of the stanzas with its body.
        seq: u64,
    },
    /// `<number>.signal`
    Signal(u64),
    /// `ping.<number>`
    Ping(u64),
    /// `bye`
    Bye,
    /// `gone`
    Gone,
}

/// What an IQ of type `set` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// The head of a request.
    Request(Head),
    /// The head of a response.
    Response(Head),
    /// More of a body.
    Data {
        /// The number of the transaction.
        number: u64,
        /// 1, 2, ...
        seq: u64,
        /// The next bytes; none only with `last`.
        bytes: Bytes,
        /// Whether these are the last.
        last: bool,
    },
    /// Something about a transaction.
    Signal {
        /// The number of the transaction.
        number: u64,
        /// What.
        signal: Signal,
    },
    /// Is answered at once, and so tells how long that takes. The padding measures the way.
    Ping {
        /// 1, 2, ...
        number: u64,
        /// Nothing in particular, at most a chunk of it.
        padding: Bytes,
    },
    /// The sender opens no more and takes no more.
    Bye(Bye),
    /// The link is over at once, with everything under way.
    Gone,
}

/// A head with the beginning of its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The number of the transaction.
    pub number: u64,
    /// The [object](crate::object).
    pub json: String,
    /// The first bytes of the body.
    pub body: Bytes,
    /// Whether these are all.
    pub last: bool,
}

/// CrossTalk's signals, those that mean something here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// `producerFinished`: the body of the sender is complete. We write `last` instead.
    Finished,
    /// `shutdownMicroprocess`: the transaction is over.
    Shutdown(AbortCode),
}

/// Why an IQ was answered with an error (RFC 6120 §8.3.3), as far as it makes a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// `item-not-found`: there is no such transaction any more, or no such link.
    NotFound,
    /// `gone`, `recipient-unavailable`, `remote-server-not-found`, `remote-server-timeout`,
    /// `service-unavailable`: nobody is there to whom it could be said.
    Unavailable,
    /// Anything else: a server that does not like this one.
    Other,
}

impl Token {
    /// Makes a new one from the system's randomness.
    #[must_use]
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// Reads one; `None` when it is not exactly what [`Display`](fmt::Display) writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64_URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Token {
    /// Shows nothing: who knows it can put words into the link.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl Place {
    /// Reads what [`Display`](fmt::Display) writes, and nothing else.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn parse(text: &str) -> Result<Self, LinkError> {
        let place = match text.split_once('.') {
            None if text == "bye" => Some(Self::Bye),
            None if text == "gone" => Some(Self::Gone),
            None => None,
            Some(("ping", number)) => read_number(number).map(Self::Ping),
            Some((number, "signal")) => read_number(number).map(Self::Signal),
            Some((number, seq)) => read_number(number)
                .zip(read_number(seq))
                .map(|(number, seq)| Self::Part { number, seq }),
        };
        place.ok_or(LinkError::Value("id"))
    }
}

/// Reads a number as we write it: no sign, no zero before it.
#[must_use]
pub fn read_number(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let canonical = plain && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| canonical)
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Part { number, seq } => write!(f, "{number}.{seq}"),
            Self::Signal(number) => write!(f, "{number}.signal"),
            Self::Ping(number) => write!(f, "ping.{number}"),
            Self::Bye => f.write_str("bye"),
            Self::Gone => f.write_str("gone"),
        }
    }
}

impl Payload {
    /// Returns where it stands.
    #[must_use]
    pub fn place(&self) -> Place {
        match self {
            Self::Request(head) | Self::Response(head) => {
                Place::Part { number: head.number, seq: 0 }
            }
            Self::Data { number, seq, .. } => Place::Part { number: *number, seq: *seq },
            Self::Signal { number, .. } => Place::Signal(*number),
            Self::Ping { number, .. } => Place::Ping(*number),
            Self::Bye(_) => Place::Bye,
            Self::Gone => Place::Gone,
        }
    }
}

impl Stanza {
    /// Returns how many bytes of what people sent it has: what a way's rate is measured in.
    #[must_use]
    pub fn length(&self) -> usize {
        match self {
            Self::Set(Payload::Request(head) | Payload::Response(head)) => {
                head.json.len() + head.body.len()
            }
            Self::Set(Payload::Data { bytes, .. }) => bytes.len(),
            Self::Set(Payload::Ping { padding, .. }) => padding.len(),
            Self::Set(Payload::Signal { .. } | Payload::Bye(_) | Payload::Gone)
            | Self::Result(_)
            | Self::Error(..) => 0,
        }
    }
}

impl Signal {
    /// Returns CrossTalk's name of it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Finished => "producerFinished",
            Self::Shutdown(_) => "shutdownMicroprocess",
        }
    }

    /// Writes it as CrossTalk's JSON.
    #[must_use]
    pub fn to_json(self) -> String {
        let mut object = serde_json::json!({ "signal": self.name() });
        if let Self::Shutdown(code) = self {
            object["code"] = code.as_str().into();
        }
        object.to_string()
    }

    /// Reads CrossTalk's JSON.
    ///
    /// # Errors
    /// When it is none, or a signal that means nothing here.
    pub fn parse(json: &str) -> Result<Self, LinkError> {
        /// Two words; what a later version may add is small too.
        const MAX_SIGNAL: usize = 1024;
        let error = LinkError::Value("signal");
        if json.len() > MAX_SIGNAL {
            return Err(error);
        }
        let object: crate::object::Dictionary = serde_json::from_str(json).map_err(|_| error)?;
        match object.get("signal").and_then(|name| name.as_str()) {
            Some("producerFinished") => Ok(Self::Finished),
            Some("shutdownMicroprocess") => {
                let code = object.get("code").and_then(|code| code.as_str());
                // The original has no code.
                Ok(Self::Shutdown(code.map_or(AbortCode::Cancelled, AbortCode::read)))
            }
            Some(_) | None => Err(error),
        }
    }
}
