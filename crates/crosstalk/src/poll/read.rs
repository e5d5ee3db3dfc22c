//! Reading documents.

use std::{borrow::Cow, fmt, marker::PhantomData, time::Duration};

use base64::{
    Engine as _,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, SeqAccess, Visitor},
};

use super::{
    Acknowledgement, Dialect, MAX_CHUNK, MAX_CLASSIC_BODY, MAX_DOCUMENT, MAX_ENTRIES, MAX_OBJECTS,
    MessageId, Object, PollError, Report,
};
use crate::{
    limits::{self, MAX_LINK_HEADERS},
    object::{fields, request::read_target},
    transactions::{AbortCode, Bye},
};

/// The usual alphabet; the padding at the end may be missing.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The longest sentence of a [`Bye`], in characters.
const MAX_SENTENCE: usize = 300;

/// Reads a document: nothing, an object, or (in the second dialect) an array of objects.
///
/// Everything is counted and measured before memory is taken for it. Members that are not known
/// are ignored.
///
/// # Errors
/// See [`PollError`].
pub fn read(document: &[u8], dialect: Dialect) -> Result<Vec<Object>, PollError> {
    if document.len() > MAX_DOCUMENT {
        return Err(PollError::TooLong);
    }
    let first = document.iter().find(|byte| !byte.is_ascii_whitespace());
    let raw = match (first, dialect) {
        (None, _) => return Ok(Vec::new()),
        (Some(b'['), Dialect::Second) => {
            let list: List<Raw<'_>, MAX_OBJECTS> =
                serde_json::from_slice(document).map_err(|_| PollError::Json)?;
            list.0
        }
        (Some(b'['), Dialect::Classic) => return Err(PollError::Dialect("an array")),
        (Some(_), _) => vec![serde_json::from_slice(document).map_err(|_| PollError::Json)?],
    };
    raw.into_iter().map(|raw| raw.object(dialect)).collect()
}

/// All members of all objects.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", bound(deserialize = "'de: 'a"))]
struct Raw<'a> {
    message_id: Option<Text<'a>>,
    seq: Option<u64>,
    method: Option<Text<'a>>,
    request_uri: Option<Text<'a>>,
    http_version: Option<Text<'a>>,
    status: Option<Status>,
    reason: Option<Text<'a>>,
    headers: Option<List<Pair<'a>, MAX_LINK_HEADERS>>,
    body: Option<Text<'a>>,
    body_encoding: Option<Text<'a>>,
    more: Option<bool>,
    abort: Option<Text<'a>>,
    taken: Option<Taken<'a>>,
    ack: Option<List<Text<'a>, MAX_ENTRIES>>,
    gone: Option<List<Text<'a>, MAX_ENTRIES>>,
    bye: Option<Text<'a>>,
    retry_after: Option<u32>,
}

/// What an object is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Request,
    Response,
    Chunk,
    Taken,
    Abort,
    Report,
    Bye,
}

impl Raw<'_> {
    fn kind(&self) -> Result<Kind, PollError> {
        let has_body = self.body.is_some() || self.body_encoding.is_some() || self.more.is_some();
        let count = matches!(self.taken, Some(Taken::Bytes(_)));
        let lists = self.ack.is_some() || self.gone.is_some();
        let report = lists || matches!(self.taken, Some(Taken::Each(_)));
        let kinds = [
            (Kind::Request, self.method.is_some() || self.request_uri.is_some()),
            (Kind::Response, self.status.is_some()),
            (Kind::Taken, count),
            (Kind::Abort, self.abort.is_some()),
            (Kind::Report, report),
            (Kind::Bye, self.bye.is_some()),
        ];
        let mut found = kinds.into_iter().filter(|(_, is)| *is).map(|(kind, _)| kind);
        let kind = match (found.next(), found.next()) {
            (Some(kind), None) => kind,
            (Some(_), Some(_)) => return Err(PollError::Mixed),
            (None, _) if has_body => Kind::Chunk,
            (None, _) if self.message_id.is_some() => return Err(PollError::Missing("status")),
            (None, _) => Kind::Report,
        };
        let is_head = matches!(kind, Kind::Request | Kind::Response);
        let is_head_only = self.headers.is_some() || self.http_version.is_some();
        let is_named = !matches!(kind, Kind::Report | Kind::Bye);
        if (is_head_only && !is_head)
            || (has_body && !is_head && kind != Kind::Chunk)
            || (self.message_id.is_some() && !is_named)
        {
            return Err(PollError::Mixed);
        }
        Ok(kind)
    }

    fn object(self, dialect: Dialect) -> Result<Object, PollError> {
        let kind = self.kind()?;
        if dialect == Dialect::Classic {
            self.check_classic(kind)?;
        }
        let seq = self.seq;
        match kind {
            Kind::Request | Kind::Response if seq.unwrap_or(0) != 0 => Err(PollError::Value("seq")),
            Kind::Request => {
                let (id, more, body) = (self.id()?, self.more(), self.body(dialect)?);
                Ok(Object::Request { id, head: Box::new(self.request()?), body, more })
            }
            Kind::Response => {
                let (id, more, body) = (self.id()?, self.more(), self.body(dialect)?);
                Ok(Object::Response { id, head: Box::new(self.response()?), body, more })
            }
            Kind::Chunk => {
                let seq = seq.ok_or(PollError::Missing("seq"))?;
                if seq == 0 {
                    return Err(PollError::Value("seq"));
                }
                let (id, more, body) = (self.id()?, self.more(), self.body(dialect)?);
                Ok(Object::Chunk { id, seq, body, more })
            }
            Kind::Taken => {
                let bytes = match self.taken {
                    Some(Taken::Bytes(bytes)) => bytes,
                    Some(Taken::Each(_)) | None => return Err(PollError::Value("taken")),
                };
                Ok(Object::Taken { id: self.id()?, seq, bytes })
            }
            Kind::Abort => {
                let code = self.abort.as_ref().map_or("", |abort| abort.0.as_ref());
                Ok(Object::Abort { id: self.id()?, seq, code: AbortCode::read(code) })
            }
            Kind::Report => self.report().map(Object::Report),
            Kind::Bye => {
                let sentence = self.bye.map(|bye| bye.0).unwrap_or_default();
                let visible = sentence.chars().map(|c| if c.is_control() { ' ' } else { c });
                Ok(Object::Bye(Bye {
                    retry_after: self.retry_after.map(|s| Duration::from_secs(s.into())),
                    sentence: visible.take(MAX_SENTENCE).collect(),
                }))
            }
        }
    }

    fn check_classic(&self, kind: Kind) -> Result<(), PollError> {
        let newer = [
            ("seq", self.seq.is_some()),
            ("more", self.more.is_some()),
            ("body-encoding", self.body_encoding.is_some()),
            ("taken", self.taken.is_some()),
            ("ack", self.ack.is_some()),
            ("abort", self.abort.is_some()),
            ("bye", self.bye.is_some()),
        ];
        if let Some((name, _)) = newer.into_iter().find(|(_, is)| *is) {
            return Err(PollError::Dialect(name));
        }
        match kind {
            Kind::Chunk => Err(PollError::Missing("status")),
            Kind::Request
            | Kind::Response
            | Kind::Taken
            | Kind::Abort
            | Kind::Report
            | Kind::Bye => Ok(()),
        }
    }

    fn id(&self) -> Result<MessageId, PollError> {
        let text = self.message_id.as_ref().ok_or(PollError::Missing("message-id"))?;
        MessageId::new(&text.0).ok_or(PollError::Value("message-id"))
    }

    fn more(&self) -> bool {
        self.more.unwrap_or(false)
    }

    fn body(&self, dialect: Dialect) -> Result<Bytes, PollError> {
        let most = match dialect {
            Dialect::Classic => MAX_CLASSIC_BODY,
            Dialect::Second => MAX_CHUNK,
        };
        let text = self.body.as_ref().map_or("", |body| body.0.as_ref());
        match self.body_encoding.as_ref().map(|encoding| encoding.0.as_ref()) {
            None if text.len() > most => Err(PollError::Body),
            None => Ok(Bytes::copy_from_slice(text.as_bytes())),
            Some("base64") if text.len() > most.div_ceil(3) * 4 => Err(PollError::Body),
            Some("base64") => {
                let bytes = BASE64.decode(text).map_err(|_| PollError::Value("body"))?;
                if bytes.len() > most { Err(PollError::Body) } else { Ok(bytes.into()) }
            }
            Some(_) => Err(PollError::Value("body-encoding")),
        }
    }

    fn headers(&self) -> Result<HeaderMap, PollError> {
        let mut headers = HeaderMap::new();
        for Pair(name, value) in self.headers.iter().flat_map(|pairs| &pairs.0) {
            fields::add_header(&mut headers, &name.0, &value.0)?;
        }
        Ok(headers)
    }

    fn check_version(&self) -> Result<(), PollError> {
        let Some(version) = &self.http_version else { return Ok(()) };
        let known = ["HTTP/", "PTTH/"].iter().any(|name| version.0.starts_with(name));
        if known { Ok(()) } else { Err(PollError::Value("http-version")) }
    }

    fn request(&self) -> Result<http::request::Parts, PollError> {
        self.check_version()?;
        let method = self.method.as_ref().ok_or(PollError::Missing("method"))?;
        let target = self.request_uri.as_ref().ok_or(PollError::Missing("request-uri"))?;
        let (mut head, ()) = Request::new(()).into_parts();
        head.method = method.0.parse().map_err(|_| PollError::Value("method"))?;
        head.uri = read_target(&target.0)?;
        head.headers = self.headers()?;
        limits::check_request(&head)?;
        Ok(head)
    }

    fn response(&self) -> Result<http::response::Parts, PollError> {
        self.check_version()?;
        if self.reason.as_ref().is_some_and(|reason| reason.0.len() > limits::MAX_HEAD_BYTES) {
            return Err(PollError::Value("reason"));
        }
        let status = self.status.as_ref().ok_or(PollError::Missing("status"))?;
        let (mut head, ()) = Response::new(()).into_parts();
        head.status = StatusCode::from_u16(status.0).map_err(|_| PollError::Value("status"))?;
        head.headers = self.headers()?;
        limits::check_response(&head)?;
        Ok(head)
    }

    fn report(self) -> Result<Report, PollError> {
        let mut report = Report::default();
        for text in self.ack.into_iter().flat_map(|acks| acks.0) {
            let ack = Acknowledgement::parse(&text.0).ok_or(PollError::Value("ack"))?;
            report.acks.push(ack);
        }
        if let Some(Taken::Each(each)) = self.taken {
            for (id, bytes) in each {
                report.taken.push((MessageId::new(&id.0).ok_or(PollError::Value("taken"))?, bytes));
            }
        }
        for text in self.gone.into_iter().flat_map(|gone| gone.0) {
            report.gone.push(MessageId::new(&text.0).ok_or(PollError::Value("gone"))?);
        }
        Ok(report)
    }
}

/// A string that is borrowed from the document where nothing in it is escaped.
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyText;
        impl<'de> Visitor<'de> for AnyText {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(AnyText)
    }
}

/// A header: name and value.
#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct Pair<'a>(Text<'a>, Text<'a>);

/// A status: a number, or its digits, since scripts differ in what they quote.
struct Status(u16);

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyStatus;
        impl Visitor<'_> for AnyStatus {
            type Value = Status;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a status")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Status, E> {
                u16::try_from(number).map(Status).map_err(E::custom)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Status, E> {
                let digits = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
                let number = text.parse().ok().filter(|_| digits);
                number.map(Status).ok_or_else(|| E::custom("not three digits"))
            }
        }
        deserializer.deserialize_any(AnyStatus)
    }
}

/// How much was taken: of one body, or of each of several.
enum Taken<'a> {
    Bytes(u64),
    Each(Vec<(Text<'a>, u64)>),
}

impl<'de: 'a, 'a> Deserialize<'de> for Taken<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyTaken;
        impl<'de> Visitor<'de> for AnyTaken {
            type Value = Taken<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of bytes, or an object of such")
            }

            fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<Self::Value, E> {
                Ok(Taken::Bytes(bytes))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut each: Vec<(Text<'de>, u64)> = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    if each.len() >= MAX_ENTRIES {
                        return Err(de::Error::custom("too many"));
                    }
                    each.push(entry);
                }
                Ok(Taken::Each(each))
            }
        }
        deserializer.deserialize_any(AnyTaken)
    }
}

/// A list of limited length.
struct List<T, const MOST: usize>(Vec<T>);

impl<'de, T: Deserialize<'de>, const MOST: usize> Deserialize<'de> for List<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items<T, const MOST: usize>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for Items<T, MOST> {
            type Value = List<T, MOST>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of at most {MOST}")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    if list.len() >= MOST {
                        return Err(de::Error::invalid_length(MOST + 1, &self));
                    }
                    list.push(item);
                }
                Ok(List(list))
            }
        }
        deserializer.deserialize_seq(Items(PhantomData))
    }
}
