//! Pages of other origins that may use the relay (CORS). None may unless who runs the gateway names it.

use axum::{Extension, extract::Request, middleware::Next, response::Response};
use http::{HeaderName, HeaderValue, Method, header};
use url::{Host, Url};

use crate::shared::Connection;

/// What a page may do besides what every page may do anyway.
const METHODS: &str = "DELETE, GET, POST, PUT";

/// What it may say.
const MAY_SAY: &str = "Authorization, Content-Type, X-Peer-Address, X-Timeout, X-Type";

/// What it may read of an answer.
const MAY_READ: &str = "Location, Retry-After, X-Bytes-Delivered, X-Bytes-Relayed, X-Type";

/// How long a browser may remember that, in seconds: an origin that is named no more is let in no
/// longer than this.
const REMEMBERED: &str = "600";

/// An origin whose pages may use the relay, as browsers write it in the header `Origin` (RFC 6454 §7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayOrigin(HeaderValue);

/// A text is not an origin whose pages may use the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "an origin is https://NAME or https://NAME:PORT, with nothing behind it; http:// only for this computer"
)]
pub struct OriginError;

impl RelayOrigin {
    /// Reads an origin that somebody wrote.
    ///
    /// # Errors
    /// It is none, has a path, or its pages come without TLS from another computer: whoever is on the way
    /// could put anything into them.
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        let url = Url::parse(text.trim()).map_err(|_| OriginError)?;
        let is_bare = url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        let is_here = match url.host() {
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_here);
        if !is_bare || !is_safe {
            return Err(OriginError);
        }
        let text = url.origin().ascii_serialization();
        HeaderValue::from_str(&text).map(Self).map_err(|_| OriginError)
    }
}

/// Tells browsers which pages may use the relay.
pub(super) async fn tell(
    Extension(connection): Extension<Connection>,
    request: Request,
    next: Next,
) -> Response {
    let origins = &connection.shared.relay_origins;
    if origins.is_empty() {
        return next.run(request).await;
    }
    let mut named = request.headers().get_all(header::ORIGIN).iter();
    let one = named.next().filter(|_| named.next().is_none());
    let origin = origins.iter().find(|origin| one == Some(&origin.0)).cloned();
    let asks_first = request.method() == Method::OPTIONS;
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    let Some(RelayOrigin(origin)) = origin else { return response };
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    let always = [
        (header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true"),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, MAY_READ),
    ];
    let first = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, MAY_SAY),
        (header::ACCESS_CONTROL_MAX_AGE, REMEMBERED),
    ];
    let told: &[(HeaderName, &'static str)] = if asks_first { &first } else { &[] };
    for (name, value) in always.iter().chain(told) {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_as_browsers_write_them() {
        for (text, expected) in [
            ("https://app.example", Some("https://app.example")),
            ("https://App.Example:443/", Some("https://app.example")),
            (" https://app.example:8443 ", Some("https://app.example:8443")),
            ("https://bücher.example", Some("https://xn--bcher-kva.example")),
            ("http://localhost:5173", Some("http://localhost:5173")),
            ("http://127.0.0.1:5173", Some("http://127.0.0.1:5173")),
            ("http://[::1]:5173", Some("http://[::1]:5173")),
            ("http://app.example", None),
            ("http://localhost.example", None),
            ("https://app.example/page", None),
            ("https://app.example?", None),
            ("https://app.example#", None),
            ("https://me@app.example", None),
            ("app.example", None),
            ("file:///page", None),
            ("null", None),
            ("*", None),
            ("", None),
        ] {
            let read = RelayOrigin::parse(text).ok();
            let read = read.as_ref().map(|origin| origin.0.to_str().unwrap());
            assert_eq!(read, expected, "{text:?}");
        }
    }
}
