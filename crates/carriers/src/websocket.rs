//! The two forms of a WebSocket's beginning: RFC 6455 over HTTP/1.1, RFC 8441 over HTTP/2.
//!
//! Visitors and sites know the first form only, so it is what [`crate::Link::send`] takes and what a
//! handler sees. Over HTTP/2 the request becomes an extended `CONNECT` and the 101 a 200. RFC 8441
//! does without `Sec-WebSocket-Key` and `-Accept`; ours are passed through as they are, and made
//! where a partner that goes by the letter leaves them out.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request, response};
use hyper::ext::Protocol;
use sha1::{Digest as _, Sha1};

/// The `:protocol` of a WebSocket.
const PROTOCOL: &str = "websocket";

/// What every server appends to the key (RFC 6455 §1.3).
const KEY_SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Returns whether this is the HTTP/1.1 form.
pub(crate) fn is_request(method: &Method, headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::UPGRADE).iter();
    let mut tokens = values.filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(','));
    *method == Method::GET && tokens.any(|token| token.trim().eq_ignore_ascii_case(PROTOCOL))
}

/// Returns whether this is the HTTP/2 form.
pub(crate) fn is_connect(request: &request::Parts) -> bool {
    request.method == Method::CONNECT
        && request.extensions.get::<Protocol>().is_some_and(|protocol| {
            let name: &[u8] = protocol.as_ref();
            name.eq_ignore_ascii_case(PROTOCOL.as_bytes())
        })
}

/// Makes a request of the HTTP/1.1 form one of the HTTP/2 form. Its `Upgrade` is already gone.
pub(crate) fn to_connect(request: &mut request::Parts) {
    request.method = Method::CONNECT;
    request.extensions.insert(Protocol::from_static(PROTOCOL));
}

/// The opposite of [`to_connect`].
pub(crate) fn from_connect(request: &mut request::Parts) {
    request.method = Method::GET;
    request.extensions.remove::<Protocol>();
    announce(&mut request.headers);
    request.headers.entry(header::SEC_WEBSOCKET_VERSION).or_insert(HeaderValue::from_static("13"));
    if !request.headers.contains_key(header::SEC_WEBSOCKET_KEY) {
        let key = BASE64_STANDARD.encode(rand::random::<[u8; 16]>());
        if let Ok(key) = HeaderValue::from_str(&key) {
            request.headers.insert(header::SEC_WEBSOCKET_KEY, key);
        }
    }
}

/// Makes a 200 to an extended `CONNECT` the 101 that a visitor with this key expects.
pub(crate) fn to_switching(response: &mut response::Parts, key: Option<&HeaderValue>) {
    response.status = StatusCode::SWITCHING_PROTOCOLS;
    response.headers.remove(header::CONTENT_LENGTH);
    announce(&mut response.headers);
    if !response.headers.contains_key(header::SEC_WEBSOCKET_ACCEPT)
        && let Some(accept) = key.and_then(accept)
    {
        response.headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
}

/// Writes the two headers of an upgrade to a WebSocket.
pub(crate) fn announce(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static(PROTOCOL));
}

/// Returns the answer to a key: `Sec-WebSocket-Accept`.
pub(crate) fn accept(key: &HeaderValue) -> Option<HeaderValue> {
    let digest = Sha1::new().chain_update(key.as_bytes()).chain_update(KEY_SUFFIX).finalize();
    HeaderValue::from_str(&BASE64_STANDARD.encode(digest)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_the_key_of_the_rfc() {
        let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(accept(&key).unwrap(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
