//! The shape of requests and responses on a link, whichever carrier it has: what [`depart`] and
//! [`answer`] make of them before they go onto it, and [`arrive`] when they come off it.

use crosstalk::{
    hop,
    limits::{MAX_LINK_HEAD_BYTES, MAX_LINK_HEADERS},
    transaction::{self, Body},
};
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header, request,
    uri,
};
use http_body::Body as _;
use hyper::upgrade::OnUpgrade;

use crate::websocket;

/// The longest head on a link as HTTP/2 counts it: 32 bytes more for each line (RFC 9113 §6.5.2),
/// and five pseudo-headers.
pub(crate) const MAX_LINK_HEADER_LIST: usize = MAX_LINK_HEAD_BYTES + 32 * (MAX_LINK_HEADERS + 5);

/// How many lines are written into a head after it was measured, at most: `Host`, and
/// `Content-Length` or both that announce a WebSocket. A head that is too long only then would end
/// a link of messages for everybody.
const OWN_LINES: usize = 3;

/// The bytes of a line's `: ` and its end.
const LINE_OVERHEAD: usize = 4;
/// The bytes of a request's or status line besides method and URI. On links of messages, which have
/// no such line, there is room in it for [`OWN_LINES`] without the host, which is counted.
const FIRST_LINE_OVERHEAD: usize = 64;

fn fits(first_line: usize, headers: &HeaderMap) -> bool {
    let lines =
        headers.iter().map(|(name, value)| name.as_str().len() + value.len() + LINE_OVERHEAD);
    headers.len() + OWN_LINES <= MAX_LINK_HEADERS
        && first_line + FIRST_LINE_OVERHEAD + lines.sum::<usize>() <= MAX_LINK_HEAD_BYTES
}

/// Returns whether the other end will take this request's head.
pub(crate) fn request_fits(request: &Request<Body>) -> bool {
    let uri = request.uri();
    let authority = uri.authority().map_or(0, |authority| authority.as_str().len() + 8);
    let path = uri.path_and_query().map_or(0, |path| path.as_str().len());
    fits(request.method().as_str().len() + authority + path, request.headers())
}

/// A request that is ready for a link, and what is kept of it for its response.
pub(crate) struct Departing {
    pub(crate) request: Request<Body>,
    pub(crate) is_head: bool,
    pub(crate) websocket: Option<WebSocket>,
}

/// What is kept of a WebSocket's request for its response.
pub(crate) struct WebSocket {
    pub(crate) key: Option<HeaderValue>,
}

/// Makes a visitor's request one for a link: absolute for HTTP/2, in origin form for everything else,
/// and without what is for one hop only. Gives it back if it does not say for which host it is.
pub(crate) fn depart(
    request: Request<Body>,
    version: Version,
) -> Result<Departing, Box<Request<Body>>> {
    let Some(authority) = authority(&request) else { return Err(Box::new(request)) };
    let (mut parts, body) = request.into_parts();
    let websocket = websocket::is_request(&parts.method, &parts.headers)
        .then(|| WebSocket { key: parts.headers.get(header::SEC_WEBSOCKET_KEY).cloned() });
    parts.extensions.remove::<OnUpgrade>();
    hop::strip(&mut parts.headers);
    if version == Version::HTTP_2 {
        parts.headers.remove(header::HOST);
        let scheme = parts.uri.scheme().cloned().unwrap_or(uri::Scheme::HTTP);
        let mut absolute = uri::Parts::default();
        absolute.scheme = Some(scheme);
        absolute.path_and_query = Some(path_and_query(&parts.uri));
        absolute.authority = Some(authority);
        let Ok(absolute) = Uri::from_parts(absolute) else {
            return Err(Box::new(Request::from_parts(parts, body)));
        };
        parts.uri = absolute;
        if websocket.is_some() {
            websocket::to_connect(&mut parts);
        }
    } else {
        if let Ok(host) = HeaderValue::from_str(authority.as_str()) {
            parts.headers.insert(header::HOST, host);
        }
        parts.uri = Uri::from(path_and_query(&parts.uri));
        if websocket.is_some() {
            websocket::announce(&mut parts.headers);
        }
    }
    parts.version = version;
    let is_head = parts.method == Method::HEAD;
    Ok(Departing { request: Request::from_parts(parts, body), is_head, websocket })
}

/// Undoes [`depart`] as far as it matters for departing once more.
pub(crate) fn call_back(request: Request<Body>) -> Request<Body> {
    let (mut parts, body) = request.into_parts();
    if websocket::is_connect(&parts) {
        websocket::from_connect(&mut parts);
    }
    parts.version = Version::HTTP_11;
    Request::from_parts(parts, body)
}

fn authority<B>(request: &Request<B>) -> Option<uri::Authority> {
    request.uri().authority().cloned().or_else(|| {
        let host = request.headers().get(header::HOST)?;
        uri::Authority::try_from(host.as_bytes()).ok()
    })
}

fn path_and_query(uri: &Uri) -> uri::PathAndQuery {
    uri.path_and_query().cloned().unwrap_or_else(|| uri::PathAndQuery::from_static("/"))
}

/// How a request arrived at the peer, as far as its response depends on it.
pub(crate) struct Arrival {
    pub(crate) version: Version,
    pub(crate) is_head: bool,
    pub(crate) is_websocket: bool,
}

/// Makes what came off a link what a handler expects: in origin form, with `Host`, and a WebSocket
/// in the form of HTTP/1.1. A request that no handler can answer is answered here.
pub(crate) fn arrive(parts: &mut request::Parts) -> Result<Arrival, Box<Response<Body>>> {
    let version = parts.version;
    let is_connect = websocket::is_connect(parts);
    if parts.method == Method::CONNECT && !is_connect {
        return Err(Box::new(sentence(
            StatusCode::NOT_IMPLEMENTED,
            "This is no proxy: CONNECT is for WebSockets only.\n",
        )));
    }
    let is_websocket = is_connect || websocket::is_request(&parts.method, &parts.headers);
    hop::strip(&mut parts.headers);
    if is_connect {
        websocket::from_connect(parts);
    } else if is_websocket {
        websocket::announce(&mut parts.headers);
    } else {
        parts.extensions.remove::<OnUpgrade>();
    }
    rebuild_host(parts);
    parts.version = Version::HTTP_11;
    let is_head = parts.method == Method::HEAD;
    Ok(Arrival { version, is_head, is_websocket })
}

/// What the URI says counts more than the header (RFC 9112 §3.2.2, RFC 9113 §8.3.1).
fn rebuild_host(parts: &mut request::Parts) {
    let authority = parts.uri.authority().map(|authority| authority.as_str().to_owned());
    if let Some(host) =
        authority.and_then(|host| HeaderValue::from_maybe_shared(host.into_bytes()).ok())
    {
        parts.headers.insert(header::HOST, host);
    }
    parts.uri = Uri::from(path_and_query(&parts.uri));
}

/// Makes a handler's response one for the link.
pub(crate) fn answer(response: Response<Body>, arrival: &Arrival) -> Response<Body> {
    let (mut parts, mut body) = response.into_parts();
    let switches = parts.status == StatusCode::SWITCHING_PROTOCOLS;
    let over_http2 = arrival.version == Version::HTTP_2;
    hop::strip(&mut parts.headers);
    if parts.status.is_informational() && !(switches && arrival.is_websocket) {
        return sentence(StatusCode::BAD_GATEWAY, "The site's answer is not in order.\n");
    }
    if !fits(0, &parts.headers) {
        return sentence(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The head of the site's answer is too large.\n",
        );
    }
    if arrival.is_websocket && over_http2 {
        if switches {
            parts.status = StatusCode::OK;
            parts.headers.remove(header::CONTENT_LENGTH);
            body = transaction::empty();
        } else if parts.status.is_success() {
            // It would be taken for a WebSocket that is open.
            return sentence(StatusCode::NOT_IMPLEMENTED, "This address has no WebSocket.\n");
        }
    } else if switches {
        websocket::announce(&mut parts.headers);
        body = transaction::empty();
    }
    if arrival.is_head {
        if let Some(length) = body.size_hint().exact().filter(|length| *length > 0) {
            parts.headers.entry(header::CONTENT_LENGTH).or_insert(length.into());
        }
        // HTTP/2 would send it.
        body = transaction::empty();
    }
    Response::from_parts(parts, body)
}

fn sentence(status: StatusCode, sentence: &'static str) -> Response<Body> {
    let mut response = Response::new(transaction::full(sentence));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}
