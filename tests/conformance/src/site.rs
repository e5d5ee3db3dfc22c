//! A site that provokes carriers: bodies of any size, cuts, silence, early answers, upgrades.

use std::{convert::Infallible, io, sync::LazyLock, time::Duration};

use bytes::Bytes;
use crosstalk::transaction::{Body, BodyError, Handler, boxed, empty, full};
use futures_util::stream;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::mpsc,
};
use tokio_util::task::TaskTracker;
use tower::util::BoxCloneSyncService;

/// The size of the pieces in which the site sends.
const PIECE: usize = 16 * 1024;

/// The longest body that a case asks for.
pub const LONGEST: usize = 20 * 1024 * 1024;

/// Computed once: computing it for each of hundreds of visitors would measure this loop.
static PATTERN: LazyLock<Bytes> =
    LazyLock::new(|| (0..LONGEST).map(|i| (i ^ (i >> 8) ^ (i >> 16)) as u8).collect());

/// Returns the bytes that `/bytes/<n>` and `/stream/<n>` answer: every value of a byte, in an order
/// in which a lost or doubled piece shows. No more than [`LONGEST`].
#[must_use]
pub fn pattern(length: usize) -> Bytes {
    PATTERN.slice(..length.min(LONGEST))
}

/// What the site noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Noticed {
    /// A request for `/hang` arrived.
    Arrived(String),
    /// A transaction was dropped before it ended, at this path.
    Cancelled(String),
}

/// Says that a transaction was dropped, unless it ended first.
struct Watch {
    path: String,
    notices: mpsc::Sender<Noticed>,
    ended: bool,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.ended {
            // The channel holds more than any case provokes; a lost notice fails that case.
            let _ = self.notices.try_send(Noticed::Cancelled(std::mem::take(&mut self.path)));
        }
    }
}

/// Returns the site. Tasks of upgraded connections are owned by `tasks`.
#[must_use]
pub fn handler(notices: mpsc::Sender<Noticed>, tasks: TaskTracker) -> Handler {
    BoxCloneSyncService::new(tower::service_fn(move |request: Request<Body>| {
        let (notices, tasks) = (notices.clone(), tasks.clone());
        async move { Ok::<_, Infallible>(answer(request, notices, &tasks).await) }
    }))
}

async fn answer(
    mut request: Request<Body>,
    notices: mpsc::Sender<Noticed>,
    tasks: &TaskTracker,
) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let mut watch = Watch { path: path.clone(), notices, ended: false };
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let number = |at: usize| parts.get(at).and_then(|n| n.parse::<usize>().ok()).unwrap_or(0);
    let response = match parts.first().copied().unwrap_or_default() {
        "hello" => Response::new(full("hello")),
        // Exact length, no chunks.
        "bytes" => {
            let body =
                if request.method() == Method::HEAD { empty() } else { pieces(number(1), None) };
            let mut response = Response::new(body);
            response.headers_mut().insert(header::CONTENT_LENGTH, number(1).into());
            response
        }
        "stream" => Response::new(pieces(number(1), None)),
        // Announces more than it gives, then fails.
        "cut" => {
            let mut response = Response::new(pieces(number(2), Some("the site broke")));
            response.headers_mut().insert(header::CONTENT_LENGTH, number(1).into());
            response
        }
        "cut-stream" => Response::new(pieces(number(1), Some("the site broke"))),
        "echo" => Response::new(request.into_body()),
        "early" => {
            // The head and the first bytes leave before the request has ended; then the request.
            let first =
                stream::iter([Ok::<_, BodyError>(Frame::data(Bytes::from_static(b"early;")))]);
            let rest = request.into_body().into_data_stream();
            let rest = futures_util::StreamExt::map(rest, |piece| piece.map(Frame::data));
            Response::new(boxed(StreamBody::new(futures_util::StreamExt::chain(first, rest))))
        }
        "heads" => heads(&request),
        "seen" => seen(&request),
        "status" => {
            let status = u16::try_from(number(1)).ok().and_then(|n| StatusCode::from_u16(n).ok());
            let mut response = Response::new(empty());
            *response.status_mut() = status.unwrap_or(StatusCode::BAD_REQUEST);
            response
        }
        // Never answers; whoever waits has to leave.
        "hang" => {
            let watch = watch;
            let _ = watch.notices.try_send(Noticed::Arrived(path));
            std::future::pending::<()>().await;
            return Response::new(empty());
        }
        // Never ends.
        "endless" => return Response::new(endless(watch)),
        "sink" => {
            let mut body = request.into_body();
            let mut seen = 0;
            while let Some(Ok(frame)) = body.frame().await {
                seen += frame.data_ref().map_or(0, Bytes::len);
            }
            Response::new(full(seen.to_string()))
        }
        "socket" => socket(&mut request, tasks),
        _ => {
            let mut response = Response::new(full("no such page"));
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    };
    watch.ended = true;
    response
}

fn pieces(length: usize, then: Option<&'static str>) -> Body {
    let whole = pattern(length);
    let data = (0..length.div_ceil(PIECE))
        .map(move |i| Ok(Frame::data(whole.slice(i * PIECE..length.min((i + 1) * PIECE)))));
    let end = then.map(|why| Err::<Frame<Bytes>, BodyError>(io::Error::other(why).into()));
    boxed(StreamBody::new(stream::iter(data.chain(end))))
}

fn endless(watch: Watch) -> Body {
    let piece = pattern(PIECE);
    boxed(StreamBody::new(stream::unfold(watch, move |watch| {
        let piece = piece.clone();
        async move {
            // Other tasks must get their turn between pieces that are always ready.
            tokio::time::sleep(Duration::from_millis(1)).await;
            Some((Ok::<_, BodyError>(Frame::data(piece)), watch))
        }
    })))
}

/// Answers with headers that a careless hop would merge, reorder or refuse.
fn heads(request: &Request<Body>) -> Response<Body> {
    let mut response = Response::new(full("heads"));
    let headers = response.headers_mut();
    for value in ["a=1", "b=2; Path=/", "c=3"] {
        headers.append(header::SET_COOKIE, HeaderValue::from_static(value));
    }
    headers.append("x-twice", HeaderValue::from_static("first, with comma"));
    headers.append("x-twice", HeaderValue::from_static("second"));
    headers.append("x-empty", HeaderValue::from_static(""));
    if let Ok(value) = HeaderValue::from_bytes("gr\u{fc}\u{df}e".as_bytes()) {
        headers.append("x-utf8", value);
    }
    if let Ok(value) = HeaderValue::from_bytes(b"\xe9t\xe9") {
        headers.append("x-latin1", value);
    }
    let letter = request.headers().get("x-letter").and_then(|v| v.as_bytes().first());
    let letter = letter.copied().unwrap_or(b'v');
    let size = request.headers().get("x-want").and_then(|v| v.to_str().ok()?.parse().ok());
    if let Some(size) = size.filter(|size: &usize| *size < 1024 * 1024)
        && let Ok(value) = HeaderValue::from_bytes(&vec![letter; size])
    {
        headers.append("x-long", value);
    }
    response
}

/// Answers with what arrived: request line, then the headers, one a line.
fn seen(request: &Request<Body>) -> Response<Body> {
    let mut text = format!("{} {}\n", request.method(), request.uri()).into_bytes();
    for (name, value) in request.headers() {
        text.extend_from_slice(name.as_str().as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value.as_bytes());
        text.push(b'\n');
    }
    Response::new(full(text))
}

/// Accepts a WebSocket-like upgrade and echoes its bytes.
fn socket(request: &mut Request<Body>, tasks: &TaskTracker) -> Response<Body> {
    let mut response = Response::new(empty());
    if request.headers().get(header::UPGRADE).is_none_or(|v| v != "websocket") {
        *response.status_mut() = StatusCode::UPGRADE_REQUIRED;
        return response;
    }
    let upgraded = hyper::upgrade::on(request);
    tasks.spawn(async move {
        let Ok(upgraded) = upgraded.await else { return };
        let mut io = TokioIo::new(upgraded);
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = io.read(&mut buffer).await {
            if io.write_all(&buffer[..n]).await.is_err() || io.flush().await.is_err() {
                return;
            }
        }
        let _ = io.shutdown().await;
    });
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    // The example of RFC 6455 §1.3, which the case sends the key of.
    headers.insert(
        header::SEC_WEBSOCKET_ACCEPT,
        HeaderValue::from_static("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
    );
    response
}
