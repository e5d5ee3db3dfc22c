//! Messages as pairs.

use std::{fmt, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, request,
    response,
};

use super::{MAX_BODY, MAX_HEADER, WireError, sentence};
use crate::{
    limits,
    tnetstring::{self, DictionaryWriter, Element},
    transactions::{AbortCode, Bye, Message, TransactionId},
};

/// How long a [`struct@Hash`] is.
pub const HASH_BYTES: usize = 32;

/// The most header lines that are read: those of a head and what a gateway adds.
const MAX_LINES: usize = limits::MAX_HEADERS + 16;

/// The longest wait that a bye can ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60 * 60);

const TYPE: &[u8] = b"type";
const ID: &[u8] = b"id";
const END: &[u8] = b"end";
const METHOD: &[u8] = b"method";
const TARGET: &[u8] = b"target";
const STATUS: &[u8] = b"status";
const HEADERS: &[u8] = b"headers";
const CODE: &[u8] = b"code";
const CREDIT: &[u8] = b"n";
const RETRY_AFTER: &[u8] = b"retry-after";
const ZSTD: &[u8] = b"zstd";
const KEEP: &[u8] = b"keep";
const SAME: &[u8] = b"same";

/// The name of a piece of a body: its BLAKE3 hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash(pub [u8; HASH_BYTES]);

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({:02x}{:02x}..)", self.0[0], self.0[1])
    }
}

/// How the bytes of a message's body travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// As they are. The receiver keeps them under this name, if there is one.
    Plain {
        /// The name.
        keep: Option<Hash>,
    },
    /// As one frame of Zstandard (RFC 8878).
    Zstd {
        /// How many bytes they are when they are unpacked, at most [`MAX_BODY`].
        size: usize,
        /// The name, as above; the unpacked bytes are kept.
        keep: Option<Hash>,
    },
    /// Not at all: the receiver kept them under this name.
    Same(Hash),
}

/// What one pair says.
#[derive(Debug)]
pub struct Frame {
    /// The message, with the body as it travelled.
    pub message: Message,
    /// What has to be done with the body first.
    pub packing: Packing,
}

impl Packing {
    /// Nothing is done with the body.
    pub const NONE: Self = Self::Plain { keep: None };
}

/// Returns the bytes of a body that a message carries.
#[must_use]
pub fn body(message: &Message) -> Option<&Bytes> {
    match message {
        Message::Open { body, .. } | Message::Head { body, .. } => Some(body),
        Message::Data { bytes, .. } => Some(bytes),
        Message::Abort { .. }
        | Message::Credit { .. }
        | Message::Ping
        | Message::Pong
        | Message::Bye(_) => None,
    }
}

/// The same for changing them.
#[must_use]
pub fn body_mut(message: &mut Message) -> Option<&mut Bytes> {
    match message {
        Message::Open { body, .. } | Message::Head { body, .. } => Some(body),
        Message::Data { bytes, .. } => Some(bytes),
        Message::Abort { .. }
        | Message::Credit { .. }
        | Message::Ping
        | Message::Pong
        | Message::Bye(_) => None,
    }
}

/// Appends the header of a message. The body follows as a TNetstring of its own: the (packed) bytes
/// of [`body`], the sentence of a bye, or nothing.
///
/// # Errors
/// When the header is longer than [`MAX_HEADER`], or a number is larger than the wire's;
/// the buffer is then as it was.
pub fn write_header(
    out: &mut BytesMut,
    message: &Message,
    packing: Packing,
) -> Result<(), WireError> {
    let id = match message {
        Message::Open { id, .. }
        | Message::Head { id, .. }
        | Message::Data { id, .. }
        | Message::Abort { id, .. }
        | Message::Credit { id, .. } => id.0,
        Message::Ping | Message::Pong | Message::Bye(_) => 0,
    };
    let id = i64::try_from(id).map_err(|_| WireError::Value("id"))?;
    let start = out.len();
    tnetstring::dictionary(out, |header| {
        match message {
            Message::Open { head, end, .. } => {
                begin(header, b"request", id, *end);
                header.string(METHOD, head.method.as_str().as_bytes());
                let target = head.uri.path_and_query().map_or("*", |target| target.as_str());
                header.string(TARGET, target.as_bytes());
                write_lines(header, &head.headers);
            }
            Message::Head { head, end, .. } => {
                begin(header, b"response", id, *end);
                header.integer(STATUS, head.status.as_u16().into());
                write_lines(header, &head.headers);
            }
            Message::Data { end, .. } => begin(header, b"data", id, *end),
            Message::Abort { code, .. } => {
                begin(header, b"abort", id, false);
                header.string(CODE, code.as_str().as_bytes());
            }
            Message::Credit { bytes, .. } => {
                begin(header, b"credit", id, false);
                header.integer(CREDIT, (*bytes).into());
            }
            Message::Ping => {
                header.string(TYPE, b"ping");
            }
            Message::Pong => {
                header.string(TYPE, b"pong");
            }
            Message::Bye(bye) => {
                header.string(TYPE, b"bye");
                if let Some(wait) = bye.retry_after {
                    let wait = wait.min(MAX_RETRY_AFTER).as_secs();
                    header.integer(RETRY_AFTER, i64::try_from(wait).unwrap_or(i64::MAX));
                }
            }
        }
        write_packing(header, packing);
    });
    if out.len() - start > tnetstring::written_length(MAX_HEADER) {
        out.truncate(start);
        return Err(WireError::Head);
    }
    Ok(())
}

fn begin(header: &mut DictionaryWriter<'_>, kind: &[u8], id: i64, end: bool) {
    header.string(TYPE, kind).integer(ID, id);
    if end {
        header.boolean(END, true);
    }
}

fn write_lines(header: &mut DictionaryWriter<'_>, headers: &HeaderMap) {
    header.list(HEADERS, |lines| {
        for (name, value) in headers {
            lines.list(|line| {
                line.string(name.as_str().as_bytes()).string(value.as_bytes());
            });
        }
    });
}

fn write_packing(header: &mut DictionaryWriter<'_>, packing: Packing) {
    let keep = match packing {
        Packing::Plain { keep } => keep,
        Packing::Zstd { size, keep } => {
            header.integer(ZSTD, i64::try_from(size).unwrap_or(i64::MAX));
            keep
        }
        Packing::Same(hash) => {
            header.string(SAME, &hash.0);
            None
        }
    };
    if let Some(hash) = keep {
        header.string(KEEP, &hash.0);
    }
}

/// What a header says, in whatever order it says it. Keys that this version does not know are read
/// over.
#[derive(Default)]
struct Keys<'a> {
    kind: Option<&'a [u8]>,
    id: Option<i64>,
    end: bool,
    method: Option<&'a [u8]>,
    target: Option<&'a [u8]>,
    status: Option<i64>,
    headers: Option<Element<'a>>,
    code: Option<&'a [u8]>,
    credit: Option<i64>,
    retry_after: Option<i64>,
    zstd: Option<i64>,
    keep: Option<Hash>,
    same: Option<Hash>,
}

impl<'a> Keys<'a> {
    fn read(header: Element<'a>) -> Result<Self, WireError> {
        let mut keys = Self::default();
        for entry in header.dictionary()? {
            let (key, value) = entry?;
            match key {
                TYPE => keys.kind = Some(value.string()?),
                ID => keys.id = Some(value.integer()?),
                END => keys.end = value.boolean()?,
                METHOD => keys.method = Some(value.string()?),
                TARGET => keys.target = Some(value.string()?),
                STATUS => keys.status = Some(value.integer()?),
                HEADERS => keys.headers = Some(value),
                CODE => keys.code = Some(value.string()?),
                CREDIT => keys.credit = Some(value.integer()?),
                RETRY_AFTER => keys.retry_after = Some(value.integer()?),
                ZSTD => keys.zstd = Some(value.integer()?),
                KEEP => keys.keep = Some(hash(value, "keep")?),
                SAME => keys.same = Some(hash(value, "same")?),
                _ => value.check()?,
            }
        }
        Ok(keys)
    }

    fn id(&self) -> Result<TransactionId, WireError> {
        let id = self.id.ok_or(WireError::Missing("id"))?;
        u64::try_from(id).map(TransactionId).map_err(|_| WireError::Value("id"))
    }

    fn packing(&self, body: &Bytes) -> Result<Packing, WireError> {
        match (self.zstd, self.same) {
            (Some(size), None) => {
                let size = usize::try_from(size).ok().filter(|size| (1..=MAX_BODY).contains(size));
                let size = size.ok_or(WireError::Value("zstd"))?;
                Ok(Packing::Zstd { size, keep: self.keep })
            }
            (None, Some(hash)) if body.is_empty() && self.keep.is_none() => Ok(Packing::Same(hash)),
            (None, None) => Ok(Packing::Plain { keep: self.keep }),
            (Some(_) | None, Some(_)) => Err(WireError::Value("same")),
        }
    }
}

fn hash(value: Element<'_>, key: &'static str) -> Result<Hash, WireError> {
    value.string()?.try_into().map(Hash).map_err(|_| WireError::Value(key))
}

/// Reads a pair: the header as it came, and the bytes of the body's string. Both were measured
/// before ([`tnetstring::measure`]) and are within [`MAX_HEADER`] and [`MAX_BODY`].
///
/// # Errors
/// See [`WireError`].
pub fn read(header: &[u8], body: Bytes) -> Result<Frame, WireError> {
    let element = Element::whole(header)?;
    let kind = kind(element)?;
    if matches!(kind, Kind::Request | Kind::Response) {
        // One copy of the head instead of one for each line: the lines are parts of it. What the
        // head came in is a large buffer, which must not stay for the sake of a few lines.
        let header = Bytes::copy_from_slice(header);
        let keys = Keys::read(Element::whole(&header)?)?;
        let packing = keys.packing(&body)?;
        let id = keys.id()?;
        let message = if matches!(kind, Kind::Request) {
            let head = Box::new(read_request(&keys, &header)?);
            Message::Open { id, head, body, end: keys.end }
        } else {
            let head = Box::new(read_response(&keys, &header)?);
            Message::Head { id, head, body, end: keys.end }
        };
        return Ok(Frame { message, packing });
    }
    let keys = Keys::read(element)?;
    let packing = keys.packing(&body)?;
    if matches!(kind, Kind::Data) {
        if body.is_empty() && !keys.end && !matches!(packing, Packing::Same(_)) {
            return Err(WireError::Body);
        }
        return Ok(Frame {
            message: Message::Data { id: keys.id()?, bytes: body, end: keys.end },
            packing,
        });
    }
    if packing != Packing::NONE {
        return Err(WireError::Body);
    }
    let message = match kind {
        Kind::Bye => {
            return Ok(Frame { message: Message::Bye(read_bye(&keys, &body)?), packing });
        }
        Kind::Abort => {
            let code = keys.code.ok_or(WireError::Missing("code"))?;
            let code = std::str::from_utf8(code).map_err(|_| WireError::Value("code"))?;
            Message::Abort { id: keys.id()?, code: AbortCode::read(code) }
        }
        Kind::Credit => {
            let bytes = keys.credit.ok_or(WireError::Missing("n"))?;
            let bytes = u32::try_from(bytes).ok().filter(|bytes| *bytes > 0);
            Message::Credit { id: keys.id()?, bytes: bytes.ok_or(WireError::Value("n"))? }
        }
        Kind::Ping => Message::Ping,
        Kind::Pong => Message::Pong,
        Kind::Data | Kind::Request | Kind::Response => return Err(WireError::Type),
    };
    if body.is_empty() { Ok(Frame { message, packing }) } else { Err(WireError::Body) }
}

/// Types of messages.
enum Kind {
    Abort,
    Bye,
    Credit,
    Data,
    Ping,
    Pong,
    Request,
    Response,
}

fn kind(header: Element<'_>) -> Result<Kind, WireError> {
    for entry in header.dictionary()? {
        let (key, value) = entry?;
        if key == TYPE {
            return match value.string()? {
                b"abort" => Ok(Kind::Abort),
                b"bye" => Ok(Kind::Bye),
                b"credit" => Ok(Kind::Credit),
                b"data" => Ok(Kind::Data),
                b"ping" => Ok(Kind::Ping),
                b"pong" => Ok(Kind::Pong),
                b"request" => Ok(Kind::Request),
                b"response" => Ok(Kind::Response),
                _ => Err(WireError::Type),
            };
        }
    }
    Err(WireError::Missing("type"))
}

fn read_request(keys: &Keys<'_>, header: &Bytes) -> Result<request::Parts, WireError> {
    let method = keys.method.ok_or(WireError::Missing("method"))?;
    let target = keys.target.ok_or(WireError::Missing("target"))?;
    let (mut head, ()) = Request::new(()).into_parts();
    head.method = Method::from_bytes(method).map_err(|_| WireError::Value("method"))?;
    if target != b"*" && !target.starts_with(b"/") {
        return Err(WireError::Value("target"));
    }
    let target = header.slice_ref(target);
    head.uri = Uri::from_maybe_shared(target).map_err(|_| WireError::Value("target"))?;
    read_lines(keys, header, &mut head.headers)?;
    Ok(head)
}

fn read_response(keys: &Keys<'_>, header: &Bytes) -> Result<response::Parts, WireError> {
    let status = keys.status.ok_or(WireError::Missing("status"))?;
    let status = u16::try_from(status).ok().and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or(WireError::Value("status"))?;
    if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
        return Err(WireError::Value("status"));
    }
    let (mut head, ()) = Response::new(()).into_parts();
    head.status = status;
    read_lines(keys, header, &mut head.headers)?;
    Ok(head)
}

fn read_lines(keys: &Keys<'_>, header: &Bytes, into: &mut HeaderMap) -> Result<(), WireError> {
    let Some(lines) = keys.headers else { return Ok(()) };
    for (number, line) in lines.list()?.enumerate() {
        if number == MAX_LINES {
            return Err(WireError::Head);
        }
        let mut line = line?.list()?;
        let (Some(name), Some(value), None) = (line.next(), line.next(), line.next()) else {
            return Err(WireError::Value("headers"));
        };
        let name = HeaderName::from_bytes(name?.string()?);
        let name = name.map_err(|_| WireError::Value("headers"))?;
        let value = HeaderValue::from_maybe_shared(header.slice_ref(value?.string()?));
        let value = value.map_err(|_| WireError::Value("headers"))?;
        into.try_append(name, value).map_err(|_| WireError::Head)?;
    }
    Ok(())
}

fn read_bye(keys: &Keys<'_>, body: &[u8]) -> Result<Bye, WireError> {
    let retry_after = match keys.retry_after {
        None => None,
        Some(seconds) => {
            let seconds = u64::try_from(seconds).map_err(|_| WireError::Value("retry-after"))?;
            Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
        }
    };
    Ok(Bye { retry_after, sentence: sentence(body) })
}

impl From<WireError> for std::io::Error {
    fn from(error: WireError) -> Self {
        Self::new(std::io::ErrorKind::InvalidData, error)
    }
}
