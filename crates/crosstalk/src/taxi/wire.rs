//! The messages of a link: [`Message`] as TAXI.
//!
//! ```text
//! c=request,e=1,p=235,t=2;{"REQUEST_METHOD":"GET",..}         a head without a body
//! c=response,e=1,h=65,p=99,t=2;{"statuscode":"200 OK",..}hello       a head and a body
//! c=data,d=r,p=65559,t=4;..       c=end,d=r,p=21,t=4;..       c=credit,p=24,t=4;131072
//! c=abort,p=26,t=6;cancelled      c=ping,p=12;                c=pong,p=12;
//! c=bye,p=50;{"retry-after":30,"sentence":"restart"}
//! ```
//!
//! `t` is the number of the transaction: a visitor is to the gateway what a tab is to the draft's
//! server. To the draft's keys come three: `d` says whether bytes are of the request (`q`) or of the
//! response (`r`), `h` how long a head is that has the first bytes of its body behind it (without
//! `h` there are none), `e=1` that these are all. Whoever cannot do all that sends each thing in a
//! message of its own: the head, `data`, `end`.
//!
//! A link has two ends and nobody to route to, so `u` and `g` are refused here; `a`, `s` and keys
//! that nobody knows mean nothing.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Header, TaxiError, TaxiMessage, Value, parse::number};
use crate::{
    limits::{MAX_OBJECT_BYTES, STREAM_WINDOW},
    object::{ObjectError, RequestObject, ResponseObject, Surroundings},
    transactions::{AbortCode, Bye, MAX_DATA, Message, Numbers, TransactionId},
};

/// The longest message of a link: a head, and with it all of a body that may be sent unasked.
pub const MAX_MESSAGE: usize = super::MAX_HEADER + MAX_OBJECT_BYTES + STREAM_WINDOW as usize;

/// The longest sentence of a `bye` that is read, in characters.
const MAX_SENTENCE: usize = 300;

/// The longest time for which a `bye` can send somebody away.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60 * 60);

/// Why a message is none of a link, or why one cannot be written. The link has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// It is no TAXI message.
    #[error(transparent)]
    Taxi(#[from] TaxiError),
    /// The head of a request or a response is not in order.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// There is no command, or none of a link.
    #[error("the command is none of a link")]
    Command,
    /// A key that this command needs is missing.
    #[error("the key {0} is missing")]
    Missing(&'static str),
    /// A key has a value that means nothing here, or does not belong here.
    #[error("the key {0} is not in order")]
    Key(&'static str),
    /// The body is not what the command says, or has more bytes than it may.
    #[error("the body is not what the command says")]
    Body,
}

/// Writes and reads the messages of one end of a link.
#[derive(Clone, Copy, Debug)]
pub struct Wire {
    ours: Numbers,
}

/// The body of a `bye`.
#[derive(Serialize, Deserialize)]
struct Farewell {
    /// In seconds.
    #[serde(rename = "retry-after", default, skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    sentence: String,
}

impl Wire {
    /// Begins at the end that opens with these numbers.
    #[must_use]
    pub fn new(ours: Numbers) -> Self {
        Self { ours }
    }

    /// Writes a message.
    ///
    /// # Errors
    /// When a head is larger than the [limits](crate::limits), or its target is none of a request.
    pub fn write(self, message: Message) -> Result<Bytes, WireError> {
        let written = match message {
            Message::Open { id, head, body, end } => {
                let head = RequestObject::new(&head, Surroundings::default())?.to_json();
                opening("request", id, head, &body, end)?
            }
            Message::Head { id, head, body, end } => {
                opening("response", id, ResponseObject::new(&head)?.to_json(), &body, end)?
            }
            Message::Data { id, bytes, end } => {
                let mut header = about(if end { "end" } else { "data" }, id);
                let direction = if self.opened(id) { "q" } else { "r" };
                header.further.set("d", Value::text(direction))?;
                TaxiMessage { header, body: bytes }
            }
            Message::Abort { id, code } => {
                TaxiMessage { header: about("abort", id), body: code.as_str().into() }
            }
            Message::Credit { id, bytes } => {
                TaxiMessage { header: about("credit", id), body: bytes.to_string().into() }
            }
            Message::Ping => Header::command("ping").into(),
            Message::Pong => Header::command("pong").into(),
            Message::Bye(bye) => {
                let retry_after = bye.retry_after.map(|wait| wait.as_secs());
                let farewell = Farewell { retry_after, sentence: bye.sentence };
                // A number and a string always have a JSON form.
                let body = serde_json::to_vec(&farewell).unwrap_or_default();
                TaxiMessage { header: Header::command("bye"), body: body.into() }
            }
        };
        Ok(written.write()?)
    }

    /// Reads a message of the other end.
    ///
    /// # Errors
    /// See [`WireError`].
    pub fn read(self, message: &Bytes) -> Result<Message, WireError> {
        let TaxiMessage { header, body } = TaxiMessage::read(message)?;
        if !header.is_for_server() {
            return Err(WireError::Key("u"));
        }
        let keys = Keys(&header);
        let command = header.command.as_deref().ok_or(WireError::Command)?;
        if !matches!(command, "request" | "response") {
            keys.without("e")?;
            keys.without("h")?;
        }
        if !matches!(command, "data" | "end") {
            keys.without("d")?;
        }
        Ok(match command {
            "request" => {
                let (id, end) = (keys.id()?, keys.end()?);
                let (head, body) = keys.split(&body)?;
                let head = Box::new(RequestObject::parse(&head)?.into_parts());
                Message::Open { id, head, body, end }
            }
            "response" => {
                let (id, end) = (keys.id()?, keys.end()?);
                let (head, body) = keys.split(&body)?;
                let head = Box::new(ResponseObject::parse(&head)?.into_parts());
                Message::Head { id, head, body, end }
            }
            "data" | "end" => {
                let (id, end) = (keys.id()?, command == "end");
                let direction = if self.opened(id) { "r" } else { "q" };
                if keys.text("d")?.ok_or(WireError::Missing("d"))? != direction {
                    return Err(WireError::Key("d"));
                }
                if body.len() > MAX_DATA || (body.is_empty() && !end) {
                    return Err(WireError::Body);
                }
                Message::Data { id, bytes: body, end }
            }
            "abort" => Message::Abort { id: keys.id()?, code: AbortCode::read(text(&body)?) },
            "credit" => {
                let bytes = number(text(&body)?).and_then(|bytes| bytes.try_into().ok());
                Message::Credit { id: keys.id()?, bytes: bytes.ok_or(WireError::Body)? }
            }
            "ping" | "pong" | "bye" if header.tab.is_some() => return Err(WireError::Key("t")),
            "ping" | "pong" if !body.is_empty() => return Err(WireError::Body),
            "ping" => Message::Ping,
            "pong" => Message::Pong,
            "bye" => Message::Bye(farewell(&body)?),
            _ => return Err(WireError::Command),
        })
    }

    /// Returns whether this end opened a transaction.
    fn opened(self, id: TransactionId) -> bool {
        (self.ours == Numbers::Even) == id.0.is_multiple_of(2)
    }
}

fn about(command: &str, id: TransactionId) -> Header {
    Header { tab: Some(id.to_string()), ..Header::command(command) }
}

/// Puts a head and the first bytes of its body into one message.
fn opening(
    command: &str,
    id: TransactionId,
    head: String,
    body: &[u8],
    end: bool,
) -> Result<TaxiMessage, TaxiError> {
    let mut header = about(command, id);
    if end {
        header.further.set("e", Value::text("1"))?;
    }
    if !body.is_empty() {
        header.further.set("h", Value::text(head.len().to_string()))?;
    }
    let mut message = head.into_bytes();
    message.extend_from_slice(body);
    Ok(TaxiMessage { header, body: message.into() })
}

/// The keys of a message that came in.
struct Keys<'a>(&'a Header);

impl Keys<'_> {
    fn text(&self, key: &'static str) -> Result<Option<&str>, WireError> {
        let value = self.0.further.get(key);
        value.map(|value| value.as_text().ok_or(WireError::Key(key))).transpose()
    }

    fn without(&self, key: &'static str) -> Result<(), WireError> {
        if self.0.further.get(key).is_some() { Err(WireError::Key(key)) } else { Ok(()) }
    }

    fn id(&self) -> Result<TransactionId, WireError> {
        let text = self.0.tab.as_deref().ok_or(WireError::Missing("t"))?;
        number(text).map(TransactionId).ok_or(WireError::Key("t"))
    }

    fn end(&self) -> Result<bool, WireError> {
        match self.text("e")? {
            None => Ok(false),
            Some("1") => Ok(true),
            Some(_) => Err(WireError::Key("e")),
        }
    }

    /// Splits a body into a head and what comes behind it.
    fn split(&self, body: &Bytes) -> Result<(Bytes, Bytes), WireError> {
        let Some(length) = self.text("h")? else { return Ok((body.clone(), Bytes::new())) };
        let length = number(length).and_then(|length| usize::try_from(length).ok());
        match length {
            Some(length) if length <= body.len() => {
                Ok((body.slice(..length), body.slice(length..)))
            }
            Some(_) | None => Err(WireError::Key("h")),
        }
    }
}

impl From<Header> for TaxiMessage {
    fn from(header: Header) -> Self {
        Self { header, body: Bytes::new() }
    }
}

fn text(body: &[u8]) -> Result<&str, WireError> {
    std::str::from_utf8(body).map_err(|_| WireError::Body)
}

fn farewell(body: &[u8]) -> Result<Bye, WireError> {
    if body.is_empty() {
        return Ok(Bye::default());
    }
    let farewell: Farewell = serde_json::from_slice(body).map_err(|_| WireError::Body)?;
    let retry_after = farewell.retry_after.map(|s| Duration::from_secs(s).min(MAX_RETRY_AFTER));
    let visible = farewell.sentence.chars().map(|c| if c.is_control() { ' ' } else { c });
    Ok(Bye { retry_after, sentence: visible.take(MAX_SENTENCE).collect() })
}
