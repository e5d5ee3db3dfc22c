//! Reversed HTTP/2.

use std::{
    convert::Infallible,
    future::poll_fn,
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
    time::Duration,
};

use crosstalk::{
    limits,
    transaction::{self, Body, Handler},
};
use http::{Request, Response, StatusCode, Version};
use hyper::{
    body::Incoming,
    client::conn::http2::{self as client, SendRequest},
    server::conn::http2 as server,
    service::service_fn,
    upgrade::Upgraded,
};
use hyper_util::rt::TokioTimer;
use tokio::{sync::OwnedSemaphorePermit, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::Service as _;

use crate::{
    Carrier, Link, LinkEnd, SendError, Timing, Unsent,
    accept::LinkError,
    body::{Answer, Ending, Outgoing, Received, Release},
    line::{Line, LineHandle},
    link::{Hold, Inner, Places, Status, Wire},
    shape::{self, Departing, MAX_LINK_HEADER_LIST},
    websocket,
};

/// How many transactions that visitors gave up may wait for the peer's notice. h2's default of 20
/// takes 200 visitors who leave at once for an attack and ends the link.
const MAX_PENDING_RESETS: usize = 4096;
/// How many transactions that were given up are remembered, and for how long, because bytes of
/// theirs are still on the way.
const MAX_REMEMBERED_RESETS: usize = 4096;
const REMEMBER_RESETS_FOR: Duration = Duration::from_secs(10);

/// How long the answer to a ping may take while other bytes arrive: on a slow line it waits behind
/// them. Silence is noticed sooner, by [`LineHandle::silent`].
const PONG_PATIENCE: Duration = Duration::from_secs(120);

/// How long tasks of a link that ended may take to notice.
const WIND_DOWN: Duration = Duration::from_secs(1);

/// Stands for "the peer's settings have not arrived": what a peer that sets no limit allows is one
/// more.
const UNSETTLED: usize = usize::MAX - 1;

/// Runs hyper's tasks; the tracker is their owner.
#[derive(Clone)]
struct Tasks(TaskTracker);

impl<F> hyper::rt::Executor<F> for Tasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, task: F) {
        self.0.spawn(task);
    }
}

/// The gateway's end.
pub(crate) struct Http2 {
    /// `None` when the link drains.
    sender: Mutex<Option<SendRequest<Outgoing>>>,
    carries_websockets: bool,
}

/// Makes a connection that was turned around a link.
pub(crate) async fn link(
    line: Line<Upgraded>,
    handle: LineHandle,
    tasks: &TaskTracker,
    timing: Timing,
) -> Result<Link, LinkError> {
    let guard = handle.cut_on_drop();
    let mut builder = client::Builder::new(Tasks(tasks.clone()));
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(limits::STREAM_WINDOW)
        .initial_connection_window_size(limits::LINK_WINDOW)
        .initial_max_send_streams(UNSETTLED)
        .max_header_list_size(u32::try_from(MAX_LINK_HEADER_LIST).unwrap_or(u32::MAX))
        .max_send_buf_size(limits::STREAM_WINDOW as usize)
        .max_concurrent_reset_streams(MAX_REMEMBERED_RESETS)
        .reset_stream_duration(REMEMBER_RESETS_FOR)
        // Counted over the life of a link, so any limit would end every link some day.
        .max_local_error_reset_streams(None)
        .keep_alive_interval(timing.ping_every)
        .keep_alive_timeout(PONG_PATIENCE)
        .keep_alive_while_idle(true);
    let (sender, connection) =
        builder.handshake(line).await.map_err(|error| LinkError::Protocol(Some(error)))?;
    let mut connection = Box::pin(connection);

    // The peer's settings say how much it takes at once. Until they are here there is no link.
    let streams = poll_fn(|cx| {
        handle.wake_when_digested(cx.waker());
        if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
            return Poll::Ready(Err(LinkError::Protocol(ended.err())));
        }
        match connection.current_max_send_streams() {
            UNSETTLED => Poll::Pending,
            streams => Poll::Ready(Ok(streams)),
        }
    })
    .await?;
    let streams = streams.min(limits::MAX_TRANSACTIONS_PER_LINK as usize);
    if streams == 0 {
        return Err(LinkError::Protocol(None));
    }
    let status = Arc::new(Status::new(handle, Places::of(streams)));
    let wire = Http2 {
        sender: Mutex::new(Some(sender)),
        carries_websockets: connection.is_extended_connect_protocol_enabled(),
    };
    tasks.spawn(drive(connection, Arc::clone(&status), timing));
    guard.keep();
    Ok(Link::new(Carrier::PtthHttp2, status, Wire::Http2(wire)))
}

async fn drive<C>(connection: Pin<Box<C>>, status: Arc<Status>, timing: Timing)
where
    C: Future<Output = hyper::Result<()>>,
{
    let line = &status.line;
    let life = async {
        let ended = connection.await;
        // hyper keeps the connection itself in another task until the last transaction is over.
        line.gone().await;
        ended
    };
    let end = tokio::select! {
        ended = life => match ended {
            Err(error) if error.is_timeout() => LinkEnd::Silent,
            Ok(()) | Err(_) => LinkEnd::Lost,
        },
        () = line.silent(timing) => {
            line.cut();
            LinkEnd::Silent
        }
    };
    status.finish(end);
}

impl Http2 {
    pub(crate) fn is_open(&self) -> bool {
        self.sender().as_ref().is_some_and(|sender| !sender.is_closed())
    }

    pub(crate) fn drain(&self) {
        self.sender().take();
    }

    fn sender(&self) -> std::sync::MutexGuard<'_, Option<SendRequest<Outgoing>>> {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) async fn send(
        &self,
        inner: &Arc<Inner>,
        permit: OwnedSemaphorePermit,
        request: Request<Body>,
    ) -> Result<Response<Body>, Unsent> {
        let sender = self.sender().clone();
        let Some(mut sender) = sender else {
            return Err(Unsent::new(SendError::Closed, request));
        };
        let Departing { request, websocket, .. } = shape::depart(request, Version::HTTP_2)
            .map_err(|request| Unsent::new(SendError::Unsupported, *request))?;
        if websocket.is_some() && !self.carries_websockets {
            return Err(Unsent::new(SendError::Unsupported, shape::call_back(request)));
        }
        let (request, recall) = Outgoing::request(request);
        let response = sender.try_send_request(request).await.map_err(|mut error| {
            match error.take_message() {
                Some(request) => {
                    let request = shape::call_back(request.map(Outgoing::into_inner));
                    Unsent::new(SendError::Closed, request)
                }
                None => Unsent { error: send_error(error.into_error()), request: None },
            }
        })?;
        let (mut parts, body) = response.into_parts();
        crosstalk::hop::strip(&mut parts.headers);
        if let Some(websocket) = websocket
            && parts.status.is_success()
        {
            if parts.status != StatusCode::OK {
                return Err(Unsent { error: SendError::Unsupported, request: None });
            }
            websocket::to_switching(&mut parts, websocket.key.as_ref());
            parts.extensions.insert(Hold::new(Arc::clone(inner), permit));
            return Ok(Response::from_parts(parts, transaction::empty()));
        }
        let occupied = Occupied { _permit: permit, _inner: Arc::clone(inner) };
        let body = Received::new(body, &parts.headers, Ending::Stream(recall), occupied);
        Ok(Response::from_parts(parts, transaction::boxed(body)))
    }
}

/// A stream in use. Dropping the body resets the stream, so there is nothing else to do.
struct Occupied {
    _permit: OwnedSemaphorePermit,
    _inner: Arc<Inner>,
}

impl Release for Occupied {
    fn complete(self) {}
    fn abandon(self, _: Incoming, _: Option<u64>) {}
}

fn send_error(error: hyper::Error) -> SendError {
    let cause = std::error::Error::source(&error).and_then(|cause| cause.downcast_ref());
    // Both mean that the peer did not begin with the request (RFC 9113 §6.8, §8.7).
    let untouched = cause.is_some_and(|cause: &h2::Error| {
        cause.is_remote()
            && (cause.is_go_away() || cause.reason() == Some(h2::Reason::REFUSED_STREAM))
    });
    if untouched { SendError::Closed } else { SendError::Lost(error.into()) }
}

/// Answers requests at the peer until the link ends.
pub(crate) async fn serve(
    upgraded: Upgraded,
    timing: Timing,
    handler: Handler,
    stop: CancellationToken,
    grace: Duration,
) -> LinkEnd {
    let (line, handle) = Line::new(upgraded);
    let tasks = TaskTracker::new();
    let mut builder = server::Builder::new(Tasks(tasks.clone()));
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(limits::STREAM_WINDOW)
        .initial_connection_window_size(limits::LINK_WINDOW)
        .max_concurrent_streams(limits::MAX_TRANSACTIONS_PER_LINK)
        .max_header_list_size(u32::try_from(MAX_LINK_HEADER_LIST).unwrap_or(u32::MAX))
        .max_send_buf_size(limits::STREAM_WINDOW as usize)
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .max_local_error_reset_streams(None)
        .keep_alive_interval(timing.ping_every)
        .keep_alive_timeout(PONG_PATIENCE)
        .enable_connect_protocol();
    // A stream can be given up without its connection.
    let service = service_fn(|request: Request<Incoming>| {
        answer(handler.clone(), handle.clone(), request, ())
    });
    let end = {
        let mut connection = pin!(builder.serve_connection(line, service));
        tokio::select! {
            ended = connection.as_mut() => link_end(ended),
            () = handle.silent(timing) => LinkEnd::Silent,
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                let rest = async {
                    tokio::select! {
                        _ = connection => {}
                        () = handle.silent(timing) => {}
                    }
                };
                // Who is not done by then was told the time.
                let _ = timeout(grace, rest).await;
                LinkEnd::Closed
            }
        }
    };
    tasks.close();
    if timeout(WIND_DOWN, tasks.wait()).await.is_err() {
        tracing::debug!(left = tasks.len(), "Handlers go on after their link has ended");
    }
    end
}

fn link_end(ended: hyper::Result<()>) -> LinkEnd {
    match ended {
        Ok(()) => LinkEnd::Closed,
        Err(error) if error.is_timeout() => LinkEnd::Silent,
        Err(error) => {
            tracing::debug!(%error, "The link broke");
            LinkEnd::Lost
        }
    }
}

/// Answers one request at the peer, on either protocol. `release` gets what the handler leaves of the
/// request's body.
pub(super) async fn answer(
    mut handler: Handler,
    line: LineHandle,
    request: Request<Incoming>,
    release: impl Release,
) -> Result<Response<Answer>, Infallible> {
    let (mut parts, body) = request.into_parts();
    match shape::arrive(&mut parts) {
        Err(response) => Ok(response.map(Answer)),
        Ok(arrival) => {
            let ending = match arrival.version {
                Version::HTTP_2 => Ending::Stream(None),
                _ => Ending::Framed(line),
            };
            let body = transaction::boxed(Received::new(body, &parts.headers, ending, release));
            let request = Request::from_parts(parts, body);
            poll_fn(|cx| handler.poll_ready(cx)).await?;
            let response = handler.call(request).await?;
            Ok(shape::answer(response, &arrival).map(Answer))
        }
    }
}
