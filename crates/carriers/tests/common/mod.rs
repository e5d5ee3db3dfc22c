//! Handlers, requests and bodies for tests of links, whatever their carrier.

pub(crate) mod upgrades;

use std::{convert::Infallible, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use crosstalk::transaction::{self, Body, Handler};
use futures_util::StreamExt as _;
use http::{Request, Response};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::timeout,
};
use tower::util::BoxCloneSyncService;

/// How long anything that should happen soon may take on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// Waits for something that should happen soon.
#[track_caller]
pub(crate) fn soon<F: Future>(what: F) -> impl Future<Output = F::Output> {
    let caller = std::panic::Location::caller();
    async move {
        match timeout(SOON, what).await {
            Ok(output) => output,
            Err(_) => panic!("nothing happened within {SOON:?} at {caller}"),
        }
    }
}

/// Makes a handler of a function. `/ping` is answered here.
pub(crate) fn handler<F, A>(answer: F) -> Handler
where
    F: Fn(Request<Body>) -> A + Send + Sync + 'static,
    A: Future<Output = Response<Body>> + Send + 'static,
{
    let answer = Arc::new(answer);
    BoxCloneSyncService::new(tower::service_fn(move |request: Request<Body>| {
        let answer = Arc::clone(&answer);
        async move {
            if request.uri().path() == "/ping" {
                return Ok(Response::new(transaction::full("pong")));
            }
            Ok::<_, Infallible>(answer(request).await)
        }
    }))
}

/// A handler that only answers `/ping`, and everything else with nothing.
pub(crate) fn idle() -> Handler {
    handler(async |_| Response::new(transaction::empty()))
}

pub(crate) fn get(path: &str) -> Request<Body> {
    request("GET", path, transaction::empty())
}

pub(crate) fn request(method: &str, path: &str, body: Body) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", "site.gateway.example")
        .body(body)
        .unwrap()
}

/// Collects a body, or says that it was cut.
pub(crate) async fn bytes(response: Response<Body>) -> Result<Bytes, String> {
    soon(response.into_body().collect())
        .await
        .map(|body| body.to_bytes())
        .map_err(|e| e.to_string())
}

/// A body of this many bytes in pieces, without a length that is known before.
pub(crate) fn stream(length: usize) -> Body {
    let pieces = futures_util::stream::unfold(0, move |at| async move {
        let next = length.min(at + 60_000);
        (at < length).then(|| (pattern(at, next), next))
    });
    transaction::boxed(StreamBody::new(pieces.map(|piece| Ok::<_, Infallible>(Frame::data(piece)))))
}

/// A body that gives these pieces and then never ends.
pub(crate) fn endless(pieces: Vec<Bytes>) -> Body {
    let pieces = futures_util::stream::iter(pieces).chain(futures_util::stream::pending());
    transaction::boxed(StreamBody::new(pieces.map(|piece| Ok::<_, Infallible>(Frame::data(piece)))))
}

/// Something that goes wrong in a body.
#[derive(Debug)]
pub(crate) struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broken")
    }
}

impl std::error::Error for Broken {}

/// A body that breaks off after these pieces.
pub(crate) fn broken(pieces: Vec<Bytes>) -> Body {
    let pieces = pieces.into_iter().map(|piece| Ok(Frame::data(piece)));
    let pieces = pieces.chain([Err(Broken)]);
    // Each piece leaves before the next one comes.
    let pieces = futures_util::stream::iter(pieces).then(|piece| async {
        tokio::task::yield_now().await;
        piece
    });
    transaction::boxed(StreamBody::new(pieces))
}

/// Bytes that tell where they belong.
pub(crate) fn pattern(from: usize, to: usize) -> Bytes {
    (from..to).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

/// Tells when it is dropped.
pub(crate) struct Alarm(pub(crate) Option<oneshot::Sender<()>>);

impl Drop for Alarm {
    fn drop(&mut self) {
        let _ = self.0.take().map(|dropped| dropped.send(()));
    }
}

/// A handler whose answer is `answer`, and which reads the request's body elsewhere, as a writer of
/// files does. Tells when the body begins, and then whether it was cut.
pub(crate) fn reader(answer: fn() -> Option<Response<Body>>) -> (Handler, mpsc::Receiver<bool>) {
    let (tell, told) = mpsc::channel(2);
    let handler = handler(move |request: Request<Body>| {
        let tell = tell.clone();
        async move {
            let mut body = request.into_body();
            let mut readers = JoinSet::new();
            readers.spawn(async move {
                let mut frame = body.frame().await;
                tell.send(false).await.unwrap();
                while let Some(Ok(_)) = frame {
                    frame = body.frame().await;
                }
                tell.send(frame.is_some()).await.unwrap();
            });
            readers.detach_all();
            match answer() {
                Some(answer) => answer,
                None => std::future::pending().await,
            }
        }
    });
    (handler, told)
}
