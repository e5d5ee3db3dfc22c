//! Heads as JSON, and how long they are.

use http::{header, request};

use super::MAX_DEPTH;
use crate::{
    forwarded,
    object::{ObjectError, RequestObject, Surroundings},
    transactions::AbortCode,
};

/// Writes the head of a request as CrossTalk has it, with what `Forwarded` says of the visitor.
pub(super) fn request_json(head: request::Parts) -> Result<String, AbortCode> {
    let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
    let mut surroundings = Surroundings::default();
    if let Some(host) = text(header::HOST) {
        host.split(':').next().unwrap_or_default().clone_into(&mut surroundings.server_name);
    }
    surroundings.remote_addr = text(forwarded::HEADER).and_then(forwarded::visitor);
    RequestObject::new(&head, surroundings).map(|object| object.to_json()).map_err(code_of)
}

pub(super) fn code_of(error: ObjectError) -> AbortCode {
    match error {
        ObjectError::Head(_) | ObjectError::TooLong => AbortCode::TooLarge,
        ObjectError::Target | ObjectError::Prefix => AbortCode::Unsupported,
        ObjectError::NotAnObject
        | ObjectError::Missing(_)
        | ObjectError::Value(_)
        | ObjectError::Header => AbortCode::Failed,
    }
}

/// Returns the text when it is not nested too deep to be read.
pub(super) fn checked(json: &str) -> Result<&str, ObjectError> {
    let mut depth = 0_usize;
    let mut in_text = false;
    let mut bytes = json.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' if in_text => drop(bytes.next()),
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => depth += 1,
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(ObjectError::NotAnObject);
        }
    }
    Ok(json)
}

/// Returns how long a text is in XML, at most: some servers write quotation marks anew as entities.
pub(super) fn in_xml(text: &str) -> usize {
    let entity = |byte: u8| match byte {
        b'"' | b'\'' => 6,
        b'&' => 5,
        b'<' | b'>' => 4,
        _ => 1,
    };
    text.bytes().map(entity).sum()
}

pub(super) fn base64_length(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}
