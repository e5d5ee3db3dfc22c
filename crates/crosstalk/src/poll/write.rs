//! Writing documents.

use std::io;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{HeaderMap, header};
use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};

use super::{Dialect, Object, PollError};
use crate::object::fields;

/// The version in objects of the classic dialect, as the page of 2008 has it.
const CLASSIC_VERSION: &str = "PTTH/1.0";

/// The version in objects of the second dialect.
const VERSION: &str = "HTTP/1.1";

/// Adds an object to a document. Between the objects of an array the caller puts the commas.
///
/// # Errors
/// [`PollError::NotText`] when the dialect carries text only and the body is none, and
/// [`PollError::Dialect`] when it has no such object. The document is then as it was.
pub fn write(document: &mut Vec<u8>, object: &Object, dialect: Dialect) -> Result<(), PollError> {
    let (fields, body) = Fields::new(object, dialect);
    match dialect {
        Dialect::Classic => write_classic(document, fields, body),
        Dialect::Second => {
            to_json(document, &fields, CompactFormatter);
            if let Some(body) = body.filter(|body| !body.is_empty()) {
                write_body(document, body);
            }
            Ok(())
        }
    }
}

fn write_classic<'a>(
    document: &mut Vec<u8>,
    mut fields: Fields<'a>,
    body: Option<&'a [u8]>,
) -> Result<(), PollError> {
    let is_head = fields.method.is_some() || fields.status.is_some();
    let is_empty_report = fields.message_id.is_none() && fields.ack.is_none();
    match body {
        Some(body) if is_head && fields.more.is_none() => {
            fields.body = Some(std::str::from_utf8(body).map_err(|_| PollError::NotText)?);
        }
        Some(_) => return Err(PollError::Dialect("more")),
        None if is_empty_report && fields.bye.is_none() && fields.taken_of.is_none() => {}
        None => return Err(PollError::Dialect("this object")),
    }
    to_json(document, &fields, Spaced);
    Ok(())
}

/// Writes a body behind the other members, as text where that is not longer than base64.
fn write_body(document: &mut Vec<u8>, body: &[u8]) {
    // The brace at the end; every object with a body has other members before it.
    document.pop();
    let escaped = |byte: &&u8| **byte < 0x20 || matches!(**byte, b'"' | b'\\' | 0x7f);
    let text = std::str::from_utf8(body).ok();
    let text = text.filter(|_| body.iter().filter(escaped).count() * 15 <= body.len());
    match text {
        Some(text) => {
            document.extend_from_slice(b",\"body\":");
            to_json(document, &text, CompactFormatter);
            document.push(b'}');
        }
        None => {
            document.extend_from_slice(b",\"body\":\"");
            let begin = document.len();
            document.resize(begin + body.len().div_ceil(3) * 4, 0);
            // It has exactly the room that it needs.
            let written = BASE64_STANDARD.encode_slice(body, &mut document[begin..]);
            document.truncate(begin + written.unwrap_or(0));
            document.extend_from_slice(b"\",\"body-encoding\":\"base64\"}");
        }
    }
}

/// The members of an object but its body, in the order of the page of 2008.
#[derive(Default, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Fields<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http_version: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<Vec<(String, String)>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    more: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    taken: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    abort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ack: Option<Vec<String>>,
    #[serde(rename = "taken", skip_serializing_if = "Option::is_none")]
    taken_of: Option<serde_json::Map<String, serde_json::Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gone: Option<Vec<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bye: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
}

impl<'a> Fields<'a> {
    fn new(object: &'a Object, dialect: Dialect) -> (Self, Option<&'a [u8]>) {
        let head_seq = (dialect == Dialect::Second).then_some(0);
        let http_version = Some(match dialect {
            Dialect::Classic => CLASSIC_VERSION,
            Dialect::Second => VERSION,
        });
        match object {
            Object::Request { id, head, body, more } => (
                Self {
                    message_id: Some(id.as_str()),
                    seq: head_seq,
                    method: Some(head.method.as_str()),
                    request_uri: Some(head.uri.to_string()),
                    http_version,
                    headers: Some(pairs(&head.headers, dialect)),
                    more: more.then_some(true),
                    ..Self::default()
                },
                Some(body),
            ),
            Object::Response { id, head, body, more } => (
                Self {
                    message_id: Some(id.as_str()),
                    seq: head_seq,
                    http_version,
                    status: Some(head.status.as_u16()),
                    reason: head.status.canonical_reason(),
                    headers: Some(pairs(&head.headers, dialect)),
                    more: more.then_some(true),
                    ..Self::default()
                },
                Some(body),
            ),
            Object::Chunk { id, seq, body, more } => (
                Self {
                    message_id: Some(id.as_str()),
                    seq: Some(*seq),
                    more: Some(*more),
                    ..Self::default()
                },
                Some(body),
            ),
            Object::Taken { id, seq, bytes } => (
                Self {
                    message_id: Some(id.as_str()),
                    seq: *seq,
                    taken: Some(*bytes),
                    ..Self::default()
                },
                None,
            ),
            Object::Abort { id, seq, code } => (
                Self {
                    message_id: Some(id.as_str()),
                    seq: *seq,
                    abort: Some(code.as_str()),
                    ..Self::default()
                },
                None,
            ),
            Object::Report(report) => {
                let acks = report.acks.iter().map(ToString::to_string).collect::<Vec<_>>();
                let taken =
                    report.taken.iter().map(|(id, bytes)| (id.to_string(), (*bytes).into()));
                let taken: serde_json::Map<_, _> = taken.collect();
                let gone = report.gone.iter().map(|id| id.as_str()).collect::<Vec<_>>();
                (
                    Self {
                        ack: Some(acks).filter(|acks| !acks.is_empty()),
                        taken_of: Some(taken).filter(|taken| !taken.is_empty()),
                        gone: Some(gone).filter(|gone| !gone.is_empty()),
                        ..Self::default()
                    },
                    None,
                )
            }
            Object::Bye(bye) => (
                Self {
                    bye: Some(&bye.sentence),
                    retry_after: bye.retry_after.map(|wait| wait.as_secs()),
                    ..Self::default()
                },
                None,
            ),
        }
    }
}

/// Writes headers as pairs; for classic peers with the capitals of 2008, which some scripts look for.
fn pairs(headers: &HeaderMap, dialect: Dialect) -> Vec<(String, String)> {
    let pair = |(name, value): (&header::HeaderName, &header::HeaderValue)| {
        let name = match dialect {
            Dialect::Classic => capitals(name.as_str()),
            Dialect::Second => name.as_str().to_owned(),
        };
        (name, fields::characters(value.as_bytes()))
    };
    headers.iter().map(pair).collect()
}

fn capitals(name: &str) -> String {
    let mut begins = true;
    let letter = |letter: char| {
        let written = if begins { letter.to_ascii_uppercase() } else { letter };
        begins = letter == '-';
        written
    };
    name.chars().map(letter).collect()
}

/// Writes JSON into memory, where nothing can fail: all keys are strings.
fn to_json(document: &mut Vec<u8>, value: &impl Serialize, formatter: impl Formatter) {
    let written = value.serialize(&mut Serializer::with_formatter(document, formatter));
    debug_assert!(written.is_ok(), "a value without a JSON form");
}

/// One blank after each comma and colon, as the page of 2008 has it.
struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        to: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first { Ok(()) } else { to.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        to: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first { Ok(()) } else { to.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, to: &mut W) -> io::Result<()> {
        to.write_all(b": ")
    }
}
