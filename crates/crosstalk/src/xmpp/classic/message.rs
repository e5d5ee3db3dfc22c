//! Reading, whatever they wrote.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use http::header;
use miniz_oxide::inflate::{TINFLStatus, decompress_to_vec_zlib_with_limit};
use serde_json::Value;

use super::{Batch, ClassicError, Direction, MAX_JSON, MAX_READ, measure::measure, text::unescape};
use crate::object::{Dictionary, RequestObject, ResponseObject};

/// Keys of the objects.
pub(super) const BATCH: &str = "batch";
pub(super) const SIGNAL: &str = "signal";
pub(super) const BODY: &str = "body";
pub(super) const DATA: &str = "data";
pub(super) const STATUS: &str = "statuscode";
pub(super) const HEADERS: &str = "headers";
const METHOD: &str = "REQUEST_METHOD";
const COMPLETE: &str = "complete";

/// The only signal that is written.
pub(super) const FINISHED: &str = "producerFinished";

/// Base64 with and without padding: some cut it off.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A message of the other end.
#[derive(Clone, Debug)]
pub struct Message {
    dictionary: Dictionary,
    batch: Option<Batch>,
}

/// How a batch ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Everything was said.
    Finished,
    /// It broke off: `shutdownMicroprocess`, or a signal that nobody knows. The signals are names of
    /// classes of their programs; one that cannot be understood says at least that something ended.
    Broken,
}

impl Message {
    /// Reads the `<body>` of a chat message.
    ///
    /// # Errors
    /// See [`ClassicError`].
    pub fn read(body: &str) -> Result<Self, ClassicError> {
        if body.len() > MAX_READ {
            return Err(ClassicError::TooLong);
        }
        let trimmed = body.trim_ascii();
        let dictionary = if trimmed.starts_with('{') {
            parse(trimmed.as_bytes())?
        } else {
            parse(&unpack(trimmed)?)?
        };
        let batch = match dictionary.get(BATCH) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(Batch::read(text).ok_or(ClassicError::Batch)?),
            Some(Value::Number(number)) => {
                Some(Batch::read(&number.to_string()).ok_or(ClassicError::Batch)?)
            }
            Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => {
                return Err(ClassicError::Batch);
            }
        };
        Ok(Self { dictionary, batch })
    }

    /// Returns `batch`, which the programs of 2008 answer with as the `<thread>`.
    #[must_use]
    pub fn batch(&self) -> Option<&Batch> {
        self.batch.as_ref()
    }

    /// Returns the request that the message begins, if it begins one.
    ///
    /// # Errors
    /// When its head cannot be read.
    pub fn request(&self) -> Result<Option<RequestObject>, ClassicError> {
        let begins = self.dictionary.contains_key(METHOD);
        Ok(begins.then(|| RequestObject::from_dictionary(&self.dictionary)).transpose()?)
    }

    /// Returns the head of the response that the message begins, if it begins one. With
    /// `complete` its text is all of it, and its length is known.
    ///
    /// # Errors
    /// When the head cannot be read.
    pub fn response(&self) -> Result<Option<ResponseObject>, ClassicError> {
        if !self.dictionary.contains_key(STATUS) {
            return Ok(None);
        }
        let object = ResponseObject::from_dictionary(&self.dictionary)?;
        if !self.is_complete() {
            return Ok(Some(object));
        }
        let mut head = object.into_parts();
        if !head.headers.contains_key(header::CONTENT_LENGTH) {
            let length = self.dictionary.get(DATA).and_then(Value::as_str).map_or(0, str::len);
            head.headers.insert(header::CONTENT_LENGTH, length.into());
        }
        Ok(Some(ResponseObject::new(&head)?))
    }

    /// Takes the text that goes this way out of the message; empty when it has none. Text under the
    /// other way's key is none, as it was for the programs of 2008.
    ///
    /// # Errors
    /// When it is something else than text.
    pub fn take_text(&mut self, direction: Direction) -> Result<String, ClassicError> {
        let key = match direction {
            Direction::Request => BODY,
            Direction::Response => DATA,
        };
        match (self.dictionary.remove(key), direction) {
            (None | Some(Value::Null), _) => Ok(String::new()),
            (Some(Value::String(text)), Direction::Request) => Ok(unescape(text)),
            (Some(Value::String(text)), Direction::Response) => Ok(text),
            (Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)), _) => {
                Err(ClassicError::Text)
            }
        }
    }

    /// Returns whether the message ends its batch, and how. Its head and text come first.
    #[must_use]
    pub fn ending(&self) -> Option<Ending> {
        match self.dictionary.get(SIGNAL) {
            None | Some(Value::Null) => self.is_complete().then_some(Ending::Finished),
            Some(Value::String(name)) if name == FINISHED => Some(Ending::Finished),
            Some(
                Value::String(_)
                | Value::Bool(_)
                | Value::Number(_)
                | Value::Array(_)
                | Value::Object(_),
            ) => Some(Ending::Broken),
        }
    }

    fn is_complete(&self) -> bool {
        self.dictionary.get(COMPLETE) == Some(&Value::Bool(true))
    }
}

fn unpack(text: &str) -> Result<Vec<u8>, ClassicError> {
    let bytes: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let packed = BASE64.decode(bytes).map_err(|_| ClassicError::Base64)?;
    decompress_to_vec_zlib_with_limit(&packed, MAX_JSON).map_err(|error| {
        if error.status == TINFLStatus::HasMoreOutput {
            ClassicError::Bomb
        } else {
            ClassicError::Zlib
        }
    })
}

fn parse(json: &[u8]) -> Result<Dictionary, ClassicError> {
    measure(json)?;
    serde_json::from_slice(json).map_err(|_| ClassicError::NotAnObject)
}
