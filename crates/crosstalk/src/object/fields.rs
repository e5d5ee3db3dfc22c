//! Reading and writing single keys.

use http::{HeaderMap, HeaderName, HeaderValue, Version};
use serde_json::Value;

use super::{Dictionary, ObjectError};
use crate::limits::{HeadError, MAX_LINK_HEADERS, MAX_OBJECT_BYTES};

/// The key of the list of headers, in both objects.
pub(super) const HEADERS: &str = "headers";

/// Reads a JSON object.
pub(super) fn parse(json: &[u8]) -> Result<Dictionary, ObjectError> {
    if json.len() > MAX_OBJECT_BYTES {
        return Err(ObjectError::TooLong);
    }
    serde_json::from_slice(json).map_err(|_| ObjectError::NotAnObject)
}

/// Returns a key's text. A whole number counts as its digits, since old peers and gateways differ
/// in what they quote; null counts as nothing.
pub(super) fn text(
    dictionary: &Dictionary,
    key: &'static str,
) -> Result<Option<String>, ObjectError> {
    match dictionary.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => as_text(value).map(Some).ok_or(ObjectError::Value(key)),
    }
}

/// Returns a key's text, when it has one that is not empty: old gateways write "" for nothing.
pub(super) fn filled(
    dictionary: &Dictionary,
    key: &'static str,
) -> Result<Option<String>, ObjectError> {
    Ok(text(dictionary, key)?.filter(|text| !text.is_empty()))
}

/// Returns what a key's text says, when it has one that is not empty.
pub(super) fn read<T: std::str::FromStr>(
    dictionary: &Dictionary,
    key: &'static str,
) -> Result<Option<T>, ObjectError> {
    let text = filled(dictionary, key)?;
    text.map(|text| text.parse().map_err(|_| ObjectError::Value(key))).transpose()
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => number.as_u64().map(|number| number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Writes headers as a list of pairs.
pub(super) fn write_headers(headers: &HeaderMap) -> Value {
    let pair = |(name, value): (&HeaderName, &HeaderValue)| {
        Value::from(vec![name.as_str().to_owned(), characters(value.as_bytes())])
    };
    headers.iter().map(pair).collect()
}

/// Reads the list of pairs, if there is one.
pub(super) fn read_headers(dictionary: &Dictionary) -> Result<Option<HeaderMap>, ObjectError> {
    let pairs = match dictionary.get(HEADERS) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Array(pairs)) => pairs,
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
            return Err(ObjectError::Value(HEADERS));
        }
    };
    let mut headers = HeaderMap::new();
    for pair in pairs {
        let Some([Value::String(name), value]) = pair.as_array().map(Vec::as_slice) else {
            return Err(ObjectError::Value(HEADERS));
        };
        add_header(&mut headers, name, &as_text(value).ok_or(ObjectError::Value(HEADERS))?)?;
    }
    Ok(Some(headers))
}

/// Adds one header behind those of the same name.
pub(crate) fn add_header(
    headers: &mut HeaderMap,
    name: &str,
    value: &str,
) -> Result<(), ObjectError> {
    // Counted while reading: a map of headers has an end of its own, and panics there.
    if headers.len() >= MAX_LINK_HEADERS {
        return Err(HeadError::Lines.into());
    }
    let name = name.parse::<HeaderName>().map_err(|_| ObjectError::Header)?;
    let value = bytes(value).ok_or(ObjectError::Header)?;
    headers.append(name, HeaderValue::from_bytes(&value).map_err(|_| ObjectError::Header)?);
    Ok(())
}

/// Returns each byte as the character with its number.
pub(crate) fn characters(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// Returns each character as the byte with its number.
fn bytes(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|character| u8::try_from(character).ok()).collect()
}

/// Writes a version as `SERVER_PROTOCOL` has it. A version that HTTP does not have yet is not
/// made by anyone; it would count as 1.1, which every version can be translated to.
pub(super) fn write_version(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "HTTP/0.9",
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        Version::HTTP_3 => "HTTP/3.0",
        _ => "HTTP/1.1",
    }
}

/// Reads a version; HTTP/1.1 when nothing is said.
pub(super) fn read_version(
    dictionary: &Dictionary,
    key: &'static str,
) -> Result<Version, ObjectError> {
    match filled(dictionary, key)?.as_deref() {
        None | Some("HTTP/1.1") => Ok(Version::HTTP_11),
        Some("HTTP/0.9") => Ok(Version::HTTP_09),
        Some("HTTP/1.0") => Ok(Version::HTTP_10),
        Some("HTTP/2" | "HTTP/2.0") => Ok(Version::HTTP_2),
        Some("HTTP/3" | "HTTP/3.0") => Ok(Version::HTTP_3),
        Some(_) => Err(ObjectError::Value(key)),
    }
}
