//! CrossTalk's objects from the other side: read or refused, and what was read is a head that HTTP
//! can carry.

use crosstalk::{
    limits,
    object::{ObjectError, RequestObject, ResponseObject},
};
use http::HeaderMap;

/// An object that was read obeys the limits, is written as itself, and makes no header line of its
/// own.
pub fn target(bytes: &[u8]) {
    if let Ok(object) = RequestObject::parse(bytes) {
        let written = object.to_json();
        assert_eq!(RequestObject::parse(written.as_bytes()).as_ref(), Ok(&object), "{written}");
        let surroundings = object.surroundings().clone();
        let parts = object.clone().into_parts();
        assert_eq!(limits::check_request(&parts), Ok(()));
        check_lines(&parts.headers);
        let path = parts.uri.path();
        assert!(path.starts_with('/') || path == "*", "{path:?}");
        assert!(!parts.uri.to_string().contains(['\r', '\n', ' ', '#']));
        assert!(path.starts_with(&surroundings.script_name));
        assert_eq!(RequestObject::new(&parts, surroundings).as_ref(), Ok(&object));
    }
    if let Ok(object) = ResponseObject::parse(bytes) {
        let written = object.to_json();
        assert_eq!(ResponseObject::parse(written.as_bytes()).as_ref(), Ok(&object), "{written}");
        let parts = object.clone().into_parts();
        assert_eq!(limits::check_response(&parts), Ok(()));
        check_lines(&parts.headers);
        assert_eq!(ResponseObject::new(&parts).as_ref(), Ok(&object));
    }
    if bytes.len() > limits::MAX_OBJECT_BYTES {
        assert_eq!(RequestObject::parse(bytes), Err(ObjectError::TooLong));
    }
}

fn check_lines(headers: &HeaderMap) {
    for value in headers.values() {
        let breaks = value.as_bytes().iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0));
        assert!(!breaks, "{value:?} ends its line");
    }
}
