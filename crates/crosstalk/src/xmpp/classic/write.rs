//! Writing, exactly as it was done.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{request, response};
use serde_json::Value;

use super::{Batch, ClassicError, Direction, MAX_BODY, message, text};
use crate::object::{Dictionary, RequestObject, ResponseObject, Surroundings};

/// How hard to pack: half of the way, as zlib does by itself.
const LEVEL: u8 = 6;

/// Writes the first message of a batch. The request's body follows in messages of [`more`], and then
/// [`end`].
///
/// # Errors
/// When the head is no request object, not ASCII, or too large.
pub fn request(
    head: &request::Parts,
    around: Surroundings,
    batch: &Batch,
) -> Result<String, ClassicError> {
    check_ascii(&head.headers)?;
    let mut dictionary = RequestObject::new(head, around)?.to_dictionary();
    // Two keys that only one side of the years knows: ours is left out, theirs is always there.
    dictionary.remove(message::HEADERS);
    dictionary.entry("REMOTE_PORT").or_insert_with(|| Value::from(0));
    if !dictionary.values().all(|value| value.as_str().is_none_or(str::is_ascii)) {
        return Err(ClassicError::NotAscii);
    }
    finish(dictionary, batch)
}

/// Writes the first answer to a batch, with the beginning of the body.
///
/// # Errors
/// When the head is no response object, not ASCII, or too large together with this text.
pub fn response(head: &response::Parts, text: &str, batch: &Batch) -> Result<String, ClassicError> {
    check_ascii(&head.headers)?;
    let mut dictionary = ResponseObject::new(head)?.to_dictionary();
    // Their objects have no version.
    dictionary.retain(|key, _| key == message::STATUS);
    let headers = head.headers.iter().map(|(name, value)| {
        let value = value.to_str().map_err(|_| ClassicError::NotAscii)?;
        Ok(Value::from(vec![capitals(name.as_str()), value.to_owned()]))
    });
    let headers: Result<Value, ClassicError> = headers.collect();
    dictionary.insert(message::HEADERS.to_owned(), headers?);
    dictionary.insert(message::DATA.to_owned(), Value::from(text));
    finish(dictionary, batch)
}

/// Writes more of a body: a piece of [`pieces`](super::pieces).
///
/// # Errors
/// When the text is longer than such a piece.
pub fn more(text: &str, direction: Direction, batch: &Batch) -> Result<String, ClassicError> {
    let (key, text) = match direction {
        Direction::Request => (message::BODY, text::escape(text)),
        Direction::Response => (message::DATA, text.into()),
    };
    let mut dictionary = Dictionary::new();
    dictionary.insert(key.to_owned(), Value::from(text));
    finish(dictionary, batch)
}

/// Writes that nothing more comes.
#[must_use]
pub fn end(batch: &Batch) -> String {
    let mut dictionary = Dictionary::new();
    dictionary.insert(message::SIGNAL.to_owned(), Value::from(message::FINISHED));
    dictionary.insert(message::BATCH.to_owned(), Value::from(batch.as_str()));
    pack(dictionary)
}

fn check_ascii(headers: &http::HeaderMap) -> Result<(), ClassicError> {
    let ascii = headers.values().all(|value| value.as_bytes().is_ascii());
    if ascii { Ok(()) } else { Err(ClassicError::NotAscii) }
}

/// Writes a header's name as people did when names were typed: `Content-Type`.
fn capitals(name: &str) -> String {
    let mut begins = true;
    let capital = |character: char| {
        let written = if begins { character.to_ascii_uppercase() } else { character };
        begins = character == '-';
        written
    };
    name.chars().map(capital).collect()
}

fn finish(mut dictionary: Dictionary, batch: &Batch) -> Result<String, ClassicError> {
    dictionary.insert(message::BATCH.to_owned(), Value::from(batch.as_str()));
    let body = pack(dictionary);
    if body.len() > MAX_BODY { Err(ClassicError::TooLarge) } else { Ok(body) }
}

fn pack(dictionary: Dictionary) -> String {
    let json = ascii(&Value::Object(dictionary).to_string());
    BASE64_STANDARD.encode(miniz_oxide::deflate::compress_to_vec_zlib(json.as_bytes(), LEVEL))
}

/// Writes JSON in ASCII alone: readers of that time differ in what they take other bytes for.
/// Characters beyond stand in strings only, so each can be replaced where it is.
fn ascii(json: &str) -> String {
    use std::fmt::Write as _;
    let mut ascii = String::with_capacity(json.len());
    for character in json.chars() {
        if matches!(character, ' '..='~') {
            ascii.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // A String takes whatever is written.
                let _ = write!(ascii, "\\u{unit:04x}");
            }
        }
    }
    ascii
}
