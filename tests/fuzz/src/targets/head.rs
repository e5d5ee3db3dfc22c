//! CrossTalk's objects from our side: every head that `http` has travels without loss.

use crosstalk::object::{RequestObject, ResponseObject, Surroundings};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri};

/// Takes the bytes as a head (`METHOD target` or a status on the first line, `name:value` on the
/// others) and sends it there and back.
pub fn target(bytes: &[u8]) {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or_default();
    let headers: HeaderMap = lines.filter_map(header).collect();
    if let Ok(status) = http::StatusCode::from_bytes(first) {
        let (mut parts, ()) = Response::new(()).into_parts();
        parts.status = status;
        parts.headers.clone_from(&headers);
        let Ok(object) = ResponseObject::new(&parts) else { return };
        let Ok(back) = ResponseObject::parse(object.to_json().as_bytes()) else {
            panic!("what was written cannot be read: {parts:?}");
        };
        let back = back.into_parts();
        assert_eq!(back.status, status);
        assert_eq!(back.headers, headers);
        return;
    }
    let mut words = first.splitn(2, |byte| *byte == b' ');
    let method = words.next().and_then(|word| Method::from_bytes(word).ok());
    let uri = words.next().and_then(|word| Uri::try_from(word).ok());
    let (Some(method), Some(uri)) = (method, uri) else { return };
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.method = method;
    parts.uri = uri;
    parts.headers.clone_from(&headers);
    let Ok(object) = RequestObject::new(&parts, Surroundings::default()) else { return };
    let Ok(back) = RequestObject::parse(object.to_json().as_bytes()) else {
        panic!("what was written cannot be read: {parts:?}");
    };
    let back = back.into_parts();
    assert_eq!((back.method, back.uri.to_string()), (parts.method, parts.uri.to_string()));
    assert_eq!(back.headers, headers);
}

fn header(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let name = HeaderName::from_bytes(&line[..colon]).ok()?;
    Some((name, HeaderValue::from_bytes(&line[colon + 1..]).ok()?))
}
