//! The response object.

use http::{HeaderMap, Response, StatusCode, Version, header, response::Parts};
use serde_json::Value;

use super::{Dictionary, ObjectError, fields};
use crate::limits;

/// Key of the version. The original has none; it is written only when it is not HTTP/1.1.
const PROTOCOL: &str = "SERVER_PROTOCOL";
/// Key of the status.
const STATUS: &str = "statuscode";

/// The head of a response as the first answer of a CrossTalk transaction has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseObject {
    status: StatusCode,
    version: Version,
    headers: HeaderMap,
}

impl ResponseObject {
    /// Takes the head of a response.
    ///
    /// # Errors
    /// When the head is larger than the [limits].
    pub fn new(parts: &Parts) -> Result<Self, ObjectError> {
        limits::check_response(parts)?;
        Ok(Self { status: parts.status, version: parts.version, headers: parts.headers.clone() })
    }

    /// Returns the head as `http` has it, without extensions.
    #[must_use]
    pub fn into_parts(self) -> Parts {
        let (mut parts, ()) = Response::new(()).into_parts();
        parts.status = self.status;
        parts.version = self.version;
        parts.headers = self.headers;
        parts
    }

    /// Reads the JSON of a response object.
    ///
    /// # Errors
    /// See [`Self::from_dictionary`]; also when the text is too long or no JSON object.
    pub fn parse(json: &[u8]) -> Result<Self, ObjectError> {
        Self::from_dictionary(&fields::parse(json)?)
    }

    /// Reads a response object. The status may be `"200 OK"`, `"200"` or `200`; what old peers
    /// say in `content-type` or `type` and in `length` counts where `headers` is silent. Other
    /// keys are left alone.
    ///
    /// # Errors
    /// When the status is missing or none, when a header cannot be read, or when the head is
    /// larger than the [limits].
    pub fn from_dictionary(dictionary: &Dictionary) -> Result<Self, ObjectError> {
        let status = fields::text(dictionary, STATUS)?.ok_or(ObjectError::Missing(STATUS))?;
        // The words behind the number mean nothing (RFC 9112 §4).
        let digits = status.split(' ').next().unwrap_or_default();
        let status =
            StatusCode::from_bytes(digits.as_bytes()).map_err(|_| ObjectError::Value(STATUS))?;
        let mut headers = fields::read_headers(dictionary)?.unwrap_or_default();
        for (key, name) in [
            ("content-type", header::CONTENT_TYPE),
            ("type", header::CONTENT_TYPE),
            ("length", header::CONTENT_LENGTH),
        ] {
            if headers.contains_key(&name) {
                continue;
            }
            if let Some(value) = fields::filled(dictionary, key)? {
                fields::add_header(&mut headers, name.as_str(), &value)?;
            }
        }
        limits::check(0, &headers)?;
        Ok(Self { status, version: fields::read_version(dictionary, PROTOCOL)?, headers })
    }

    /// Writes the object.
    #[must_use]
    pub fn to_dictionary(&self) -> Dictionary {
        let number = self.status.as_str();
        let status = match self.status.canonical_reason() {
            Some(reason) => format!("{number} {reason}"),
            None => number.to_owned(),
        };
        let mut dictionary = Dictionary::new();
        dictionary.insert(STATUS.to_owned(), Value::from(status));
        dictionary.insert(fields::HEADERS.to_owned(), fields::write_headers(&self.headers));
        if self.version != Version::HTTP_11 {
            let version = fields::write_version(self.version);
            dictionary.insert(PROTOCOL.to_owned(), Value::from(version));
        }
        dictionary
    }

    /// Writes the object as JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        Value::Object(self.to_dictionary()).to_string()
    }
}
