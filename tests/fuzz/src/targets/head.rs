//! CrossTalk's objects from our side: every head that `http` has travels without loss.

use crosstalk::object::{RequestObject, ResponseObject, Surroundings};
use http::{Response, StatusCode, request, response};

/// Takes the bytes as a head (a request, or a status on the first line) and sends it there and
/// back.
pub fn target(bytes: &[u8]) {
    let (first, headers) = super::lines(bytes);
    if let Ok(status) = StatusCode::from_bytes(first) {
        let (mut parts, ()) = Response::new(()).into_parts();
        parts.status = status;
        parts.headers = headers;
        check_response(parts);
    } else if let Some(parts) = super::request(bytes) {
        check_request(parts);
    }
}

fn check_request(parts: request::Parts) {
    // Too large, or a target that no peer is asked for.
    let Ok(object) = RequestObject::new(&parts, Surroundings::default()) else { return };
    let Ok(back) = RequestObject::parse(object.to_json().as_bytes()) else {
        panic!("what was written cannot be read: {parts:?}");
    };
    let back = back.into_parts();
    assert_eq!((back.method, back.uri.to_string()), (parts.method, parts.uri.to_string()));
    assert_eq!((back.version, back.headers), (parts.version, parts.headers));
}

fn check_response(parts: response::Parts) {
    let Ok(object) = ResponseObject::new(&parts) else { return };
    let Ok(back) = ResponseObject::parse(object.to_json().as_bytes()) else {
        panic!("what was written cannot be read: {parts:?}");
    };
    let back = back.into_parts();
    assert_eq!((back.status, back.headers), (parts.status, parts.headers));
}
