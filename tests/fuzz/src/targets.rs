//! One module a target.

pub mod address;
pub mod classic;
pub mod ct2;
pub mod folder;
pub mod forwarded;
pub mod head;
pub mod label;
pub mod object;
pub mod petrichor;
pub mod poll;
pub mod proof;
pub mod ptth;
pub mod taxi;
pub mod tnetstring;
pub mod transactions;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version, request};

/// Returns the bytes as text, when they are text.
fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// Reads `METHOD target` or `METHOD target HTTP/1.0` on the first line, `name:value` on the others.
/// Not as a server does: whatever `http` can express is let through.
fn request(bytes: &[u8]) -> Option<request::Parts> {
    let (first, headers) = lines(bytes);
    let mut words = first.split(|byte| *byte == b' ');
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.method = Method::from_bytes(words.next()?).ok()?;
    parts.uri = Uri::try_from(words.next()?).ok()?;
    parts.version = match words.next() {
        Some(b"HTTP/0.9") => Version::HTTP_09,
        Some(b"HTTP/1.0") => Version::HTTP_10,
        Some(b"HTTP/2") => Version::HTTP_2,
        Some(b"HTTP/3") => Version::HTTP_3,
        Some(_) | None => Version::HTTP_11,
    };
    parts.headers = headers;
    Some(parts)
}

/// Splits a head into its first line and its headers; lines that are no headers are left out.
fn lines(bytes: &[u8]) -> (&[u8], HeaderMap) {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or_default();
    let header = |line: &[u8]| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        Some((name, HeaderValue::from_bytes(&line[colon + 1..]).ok()?))
    };
    (first, lines.filter_map(header).collect())
}
