//! CrossTalk's request and response objects: one visitor's request, and the head of its response,
//! as dictionaries that every wire can carry.
//!
//! The dictionaries are those of Kamaelia Publish (2008), so a peer or gateway of that time reads
//! ours and we read theirs: a request is a flat CGI-like dictionary (`REQUEST_METHOD`,
//! `REQUEST_URI`, `HTTP_ACCEPT`, ..), a response has `statuscode` and `headers`. What belongs to
//! the message around a head (`batch`, `signal`, and the bytes in `body` or `data`) is the wire's
//! to add and to read; here these keys are neither written nor looked at.
//!
//! # Nothing is lost
//!
//! `HTTP_` keys cannot carry every request: they hold one value per name, and `-` and `_` become
//! the same. So a request has one key more than the original, `headers`, in the form that
//! responses always had: a list of `[name, value]` pairs, values of one name in their order. The
//! original leaves keys alone that it does not know. Whoever knows `headers` reads the headers
//! there and nowhere else; the `HTTP_` keys are for those who do not.
//!
//! A header's value is bytes, a JSON string is characters. Everywhere here each byte is the
//! character with the same number (ISO 8859-1, as WSGI has it too: PEP 3333). So every value has
//! exactly one form, ASCII looks like itself, and a character above U+00FF is an error.
//!
//! What does not travel: extensions, the "sensitive" mark of a header value, and the order between
//! headers of different names (which `http` does not promise either).

mod error;
pub(crate) mod fields;
pub(crate) mod request;
mod response;
#[cfg(test)]
mod tests;

pub use error::ObjectError;
pub use request::{RequestObject, Surroundings};
pub use response::ResponseObject;

/// A JSON object before and after it is one of ours.
pub type Dictionary = serde_json::Map<String, serde_json::Value>;
