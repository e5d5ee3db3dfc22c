//! How a link begins: the dialer says who it is, the gateway says whether it may.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::StatusCode;

use super::{MAX_HELLO, MAX_SENTENCE, WireError, sentence};
use crate::{
    label::Label,
    registry::{Reason, Refused},
    tnetstring::{self, DictionaryWriter, Element},
};

/// The version of the protocol, and its name in `Upgrade`: `petrichor/1`.
pub const PROTOCOL: &str = "1";

/// The longest text of a hello that is taken: a proof.
const MAX_TEXT: usize = crate::proof::MAX_LENGTH;

const VERSION: &[u8] = b"version";
const IDENT: &[u8] = b"ident";
const USER: &[u8] = b"user";
const TOKEN: &[u8] = b"token";
const LABEL: &[u8] = b"label";
const ASKS: &[u8] = b"asks";
const COMPRESS: &[u8] = b"compress";
const ZSTD: &[u8] = b"zstd";
const DEDUPE: &[u8] = b"dedupe";
const ALLOWED: &[u8] = b"allowed";
const STATUS: &[u8] = b"status";
const REASON: &[u8] = b"reason";
const RETRY_AFTER: &[u8] = b"retry-after";

/// The longest wait that a denial can ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60 * 60);

/// What the dialer says first. Its body is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    /// Program and version, for people: `veranda-peer/0.1.0`.
    pub ident: String,
    /// Who it is, for people. Nothing is decided by it.
    pub user: Option<String>,
    /// The proof of identity. After an upgrade it was in the request.
    pub token: Option<Token>,
    /// Only this name, instead of all names of the identity. After an upgrade it was in the request.
    pub label: Option<Label>,
    /// The connection is for questions to the gateway: it carries no visitors, and the dialer opens
    /// the transactions. A proof is not needed.
    pub asks: bool,
    /// The dialer reads bodies in Zstandard, and would like to write some.
    pub compress: bool,
    /// How many bytes of received bodies the dialer keeps, so that they need not be sent again; 0 is
    /// none. `None` also forbids the dialer's own use of what the gateway offers to keep.
    pub dedupe: Option<usize>,
}

/// A proof on its way; it prints as nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// What the gateway answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// `allowed` is true.
    Allowed(Welcome),
    /// `allowed` is anything else: here, unlike among the six primitives, its absence is a no.
    Denied(Denial),
}

/// The link is up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Welcome {
    /// Program and version, for people: `veranda-gateway/0.1.0`.
    pub ident: String,
    /// Both ends may write bodies in Zstandard.
    pub compress: bool,
    /// How many bytes of received bodies the gateway keeps, so that they need not be sent again.
    pub dedupe: usize,
    /// One sentence for a person.
    pub sentence: String,
}

/// The link will not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// What an HTTP answer would have as its status.
    pub status: StatusCode,
    /// Why, and a sentence for a person.
    pub refused: Refused,
    /// When to try again.
    pub retry_after: Option<Duration>,
}

impl Token {
    /// Takes a proof.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the proof.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

impl Hello {
    /// Returns the pair.
    #[must_use]
    pub fn to_pair(&self) -> Bytes {
        pair("", |header| {
            header.string(VERSION, PROTOCOL.as_bytes()).string(IDENT, self.ident.as_bytes());
            if let Some(user) = &self.user {
                header.string(USER, user.as_bytes());
            }
            if let Some(token) = &self.token {
                header.string(TOKEN, token.0.as_bytes());
            }
            if let Some(label) = &self.label {
                header.string(LABEL, label.as_str().as_bytes());
            }
            if self.asks {
                header.boolean(ASKS, true);
            }
            write_compress(header, self.compress);
            if let Some(dedupe) = self.dedupe {
                header.integer(DEDUPE, i64::try_from(dedupe).unwrap_or(i64::MAX));
            }
        })
    }

    /// Reads a pair: the header with its size and type, and the bytes of the body's string.
    ///
    /// # Errors
    /// See [`WireError`].
    pub fn read(header: &[u8], body: &[u8]) -> Result<Self, WireError> {
        let keys = Keys::read(header)?;
        if keys.version.as_deref() != Some(PROTOCOL) {
            return Err(WireError::Version);
        }
        if !body.is_empty() {
            return Err(WireError::Body);
        }
        let label = keys.label.map(|label| Label::parse(&label)).transpose();
        Ok(Self {
            ident: keys.ident,
            user: keys.user,
            token: keys.token.map(Token),
            label: label.map_err(|_| WireError::Value("label"))?,
            asks: keys.asks,
            compress: keys.compress,
            dedupe: keys.dedupe,
        })
    }
}

impl Answer {
    /// Returns the pair.
    #[must_use]
    pub fn to_pair(&self) -> Bytes {
        match self {
            Self::Allowed(welcome) => pair(&welcome.sentence, |header| {
                header.boolean(ALLOWED, true);
                header.string(VERSION, PROTOCOL.as_bytes());
                header.string(IDENT, welcome.ident.as_bytes());
                write_compress(header, welcome.compress);
                header.integer(DEDUPE, i64::try_from(welcome.dedupe).unwrap_or(i64::MAX));
            }),
            Self::Denied(denial) => pair(&denial.refused.sentence, |header| {
                header.boolean(ALLOWED, false);
                header.string(VERSION, PROTOCOL.as_bytes());
                header.integer(STATUS, denial.status.as_u16().into());
                header.string(REASON, denial.refused.reason.name().as_bytes());
                if let Some(wait) = denial.retry_after {
                    let wait = wait.min(MAX_RETRY_AFTER).as_secs();
                    header.integer(RETRY_AFTER, i64::try_from(wait).unwrap_or(i64::MAX));
                }
            }),
        }
    }

    /// Reads a pair: the header with its size and type, and the bytes of the body's string.
    ///
    /// A denial needs no version: it may say that this one is not spoken.
    ///
    /// # Errors
    /// See [`WireError`].
    pub fn read(header: &[u8], body: &[u8]) -> Result<Self, WireError> {
        let keys = Keys::read(header)?;
        let sentence = sentence(body);
        if !keys.allowed {
            let status = keys.status.and_then(|status| u16::try_from(status).ok());
            let status = status.and_then(|status| StatusCode::from_u16(status).ok());
            let status =
                status.filter(|status| status.is_client_error() || status.is_server_error());
            let retry_after = keys.retry_after.and_then(|wait| u64::try_from(wait).ok());
            return Ok(Self::Denied(Denial {
                status: status.unwrap_or(StatusCode::FORBIDDEN),
                refused: Refused {
                    reason: keys.reason.map_or(Reason::NotAdmitted, |name| Reason::read(&name)),
                    sentence,
                },
                retry_after: retry_after.map(|wait| Duration::from_secs(wait).min(MAX_RETRY_AFTER)),
            }));
        }
        if keys.version.as_deref() != Some(PROTOCOL) {
            return Err(WireError::Version);
        }
        Ok(Self::Allowed(Welcome {
            ident: keys.ident,
            compress: keys.compress,
            dedupe: keys.dedupe.unwrap_or(0),
            sentence,
        }))
    }
}

fn pair(sentence: &str, fill: impl FnOnce(&mut DictionaryWriter<'_>)) -> Bytes {
    let mut out = BytesMut::new();
    tnetstring::dictionary(&mut out, fill);
    let mut end = sentence.len().min(MAX_SENTENCE);
    while !sentence.is_char_boundary(end) {
        end -= 1;
    }
    tnetstring::string(&mut out, &sentence.as_bytes()[..end]);
    out.freeze()
}

fn write_compress(header: &mut DictionaryWriter<'_>, compress: bool) {
    if compress {
        header.list(COMPRESS, |names| {
            names.string(ZSTD);
        });
    }
}

/// What a hello or its answer says, in whatever order.
#[derive(Default)]
struct Keys {
    version: Option<String>,
    ident: String,
    user: Option<String>,
    token: Option<String>,
    label: Option<String>,
    asks: bool,
    compress: bool,
    dedupe: Option<usize>,
    allowed: bool,
    status: Option<i64>,
    reason: Option<String>,
    retry_after: Option<i64>,
}

impl Keys {
    fn read(header: &[u8]) -> Result<Self, WireError> {
        let mut keys = Self::default();
        if header.len() > tnetstring::written_length(MAX_HELLO) {
            return Err(WireError::Head);
        }
        for entry in Element::whole(header)?.dictionary()? {
            let (key, value) = entry?;
            match key {
                VERSION => keys.version = Some(text(value, "version")?),
                IDENT => keys.ident = sentence(text(value, "ident")?.as_bytes()),
                USER => keys.user = Some(sentence(text(value, "user")?.as_bytes())),
                TOKEN => keys.token = Some(text(value, "token")?),
                LABEL => keys.label = Some(text(value, "label")?),
                ASKS => keys.asks = value.boolean()?,
                COMPRESS => {
                    for name in value.list()? {
                        keys.compress |= name?.string()? == ZSTD;
                    }
                }
                DEDUPE => {
                    let size = usize::try_from(value.integer()?);
                    keys.dedupe = Some(size.map_err(|_| WireError::Value("dedupe"))?);
                }
                ALLOWED => keys.allowed = value.boolean()?,
                STATUS => keys.status = Some(value.integer()?),
                REASON => keys.reason = Some(text(value, "reason")?),
                RETRY_AFTER => keys.retry_after = Some(value.integer()?),
                _ => value.check()?,
            }
        }
        Ok(keys)
    }
}

fn text(value: Element<'_>, key: &'static str) -> Result<String, WireError> {
    let bytes = value.string()?;
    if bytes.len() > MAX_TEXT {
        return Err(WireError::Value(key));
    }
    String::from_utf8(bytes.to_vec()).map_err(|_| WireError::Value(key))
}
