//! Reversed HTTP/1.1.

use std::{
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crosstalk::{
    limits::{MAX_LINK_HEAD_BYTES, MAX_LINK_HEADERS},
    transaction::{self, Body, Handler},
};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version, header};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::{
    body::Incoming,
    client::conn::http1::{self as client, SendRequest},
    server::conn::http1 as server,
    service::service_fn,
    upgrade::Upgraded,
};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, mpsc},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::h2::answer;
use crate::{
    Carrier, Link, LinkEnd, SendError, Unsent,
    accept::LinkError,
    body::{Cut, Ending, Outgoing, Received, Release},
    line::{Line, LineHandle},
    link::{Hold, Inner, Places, Status, Wire},
    shape::{self, Departing},
    websocket,
};

/// How much of a response that nobody wants any more is read to its end. HTTP/1.1 cannot cancel;
/// dialling again takes about as long as this does on a home line.
const DRAIN_BYTES: u64 = 64 * 1024;
/// How long that may take; the handler learns within a second that its visitor left.
const DRAIN_WITHIN: Duration = Duration::from_millis(500);

/// How much of a request that the site does not read is thrown away at the peer. Closing the connection
/// on it would reset it, and its response could be lost on its way (RFC 9112 §9.6).
const UNREAD_BYTES: u64 = 16 * 1024 * 1024;
/// How long nothing of it may come: longer than [`READY_WITHIN`], so that it is the gateway who ends the
/// link, when it has the response. All of it may take as long as it comes: a visitor who sends everything
/// before reading keeps the response from ending, and both would wait for each other.
const UNREAD_WITHIN: Duration = Duration::from_secs(10);

/// How long the rest of a request's body may take after its response has ended.
const READY_WITHIN: Duration = Duration::from_secs(5);

/// How long a WebSocket's site may take to notice that the link ended.
const WIND_DOWN: Duration = Duration::from_secs(1);

/// The gateway's end. It has one place, and who has the place takes the sender.
pub(crate) struct Http1 {
    slot: Arc<Mutex<Slot>>,
    returns: mpsc::Sender<Return>,
}

struct Slot {
    sender: Option<SendRequest<Outgoing>>,
    drains: bool,
}

/// What comes back to the link when a response is over.
struct Return {
    sender: SendRequest<Outgoing>,
    permit: OwnedSemaphorePermit,
    /// What is still to be read and thrown away.
    rest: Option<Incoming>,
}

/// Makes a connection that was turned around a link.
pub(crate) async fn link(
    line: Line<Upgraded>,
    handle: LineHandle,
    tasks: &TaskTracker,
) -> Result<Link, LinkError> {
    let guard = handle.cut_on_drop();
    let mut builder = client::Builder::new();
    builder.max_header_size(MAX_LINK_HEAD_BYTES).max_headers(MAX_LINK_HEADERS);
    let (sender, connection) =
        builder.handshake(line).await.map_err(|error| LinkError::Protocol(Some(error)))?;
    // There is one sender, so at most one can come back.
    let (returns, returned) = mpsc::channel(1);
    let slot = Arc::new(Mutex::new(Slot { sender: Some(sender), drains: false }));
    let status = Arc::new(Status::new(handle, Places::new(1, 0)));
    tasks.spawn(drive(
        connection.with_upgrades(),
        Arc::clone(&status),
        Arc::clone(&slot),
        returned,
    ));
    guard.keep();
    Ok(Link::new(Carrier::PtthHttp1, status, Wire::Http1(Http1 { slot, returns })))
}

async fn drive<C>(
    connection: C,
    status: Arc<Status>,
    slot: Arc<Mutex<Slot>>,
    mut returned: mpsc::Receiver<Return>,
) where
    C: Future<Output = hyper::Result<()>>,
{
    let line = &status.line;
    {
        let mut connection = pin!(connection);
        let take_back = async {
            while let Some(returned) = returned.recv().await {
                if !take_back(returned, &slot, &status).await {
                    return;
                }
            }
            std::future::pending().await
        };
        tokio::select! {
            ended = connection.as_mut() => if let Err(error) = ended {
                tracing::debug!(%error, "The link broke");
            },
            () = take_back => {
                status.note_closed();
                line.cut();
            }
            () = line.was_cut() => {}
        }
    }
    // After an upgrade the connection lives on.
    tokio::select! {
        () = line.gone() => {}
        () = line.was_cut() => {}
    }
    status.finish(LinkEnd::Lost);
}

/// Makes the link ready for its next request, or returns `false` if that cannot be.
async fn take_back(returned: Return, slot: &Mutex<Slot>, status: &Status) -> bool {
    let Return { mut sender, permit, rest } = returned;
    if let Some(rest) = rest
        && !matches!(timeout(DRAIN_WITHIN, drain(rest, DRAIN_BYTES)).await, Ok(true))
    {
        return false;
    }
    match timeout(READY_WITHIN, sender.ready()).await {
        Ok(Ok(())) => {}
        // The peer ended the connection in order, which the connection knows itself.
        Ok(Err(_)) => {
            status.take_no_more();
            return true;
        }
        Err(_) => return false,
    }
    let mut slot = lock(slot);
    if !slot.drains {
        slot.sender = Some(sender);
        drop(slot);
        drop(permit);
    }
    true
}

/// Reads the rest of a body and throws it away. Returns whether it ended within so many bytes.
async fn drain(mut rest: Incoming, bytes: u64) -> bool {
    let mut left = bytes;
    while let Some(frame) = rest.frame().await {
        let Ok(frame) = frame else { return false };
        let length = frame.data_ref().map_or(0, |data| data.len() as u64);
        let Some(fewer) = left.checked_sub(length) else { return false };
        left = fewer;
    }
    true
}

fn lock(slot: &Mutex<Slot>) -> MutexGuard<'_, Slot> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Http1 {
    pub(crate) fn drain(&self) {
        let mut slot = lock(&self.slot);
        slot.drains = true;
        slot.sender = None;
    }

    pub(crate) async fn send(
        &self,
        inner: &Arc<Inner>,
        permit: OwnedSemaphorePermit,
        request: Request<Body>,
    ) -> Result<Response<Body>, Unsent> {
        let sender = lock(&self.slot).sender.take();
        let Some(mut sender) = sender else {
            return Err(Unsent::new(SendError::Closed, request));
        };
        let Departing { mut request, is_head, websocket } =
            match shape::depart(request, Version::HTTP_11) {
                Ok(departing) => departing,
                Err(request) => {
                    let mut slot = lock(&self.slot);
                    if !slot.drains {
                        slot.sender = Some(sender);
                    }
                    return Err(Unsent::new(SendError::Unsupported, *request));
                }
            };
        if websocket.is_none() {
            delimit(&mut request);
        }
        let (request, _) = Outgoing::request(request);
        // Until the head is here, giving up ends the connection.
        let giving_up = NoteClosed(Some(Arc::clone(&inner.status)));
        let sent = sender.try_send_request(request).await;
        giving_up.forget();
        let response = sent.map_err(|mut error| {
            inner.status.take_no_more();
            match error.take_message() {
                Some(request) => Unsent::new(
                    SendError::Closed,
                    shape::call_back(request.map(Outgoing::into_inner)),
                ),
                None => Unsent { error: SendError::Lost(error.into_error().into()), request: None },
            }
        })?;
        let (mut parts, body) = response.into_parts();
        if parts.status == StatusCode::SWITCHING_PROTOCOLS {
            if websocket.is_none() {
                inner.status.take_no_more();
                inner.status.line.cut();
                return Err(Unsent { error: SendError::Lost(Cut.into()), request: None });
            }
            crosstalk::hop::strip(&mut parts.headers);
            websocket::announce(&mut parts.headers);
            parts.extensions.insert(Hold::new(Arc::clone(inner), permit));
            return Ok(Response::from_parts(parts, transaction::empty()));
        }
        let has_end = is_head
            || matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
            || tells_its_end(&parts.headers);
        crosstalk::hop::strip(&mut parts.headers);
        let ending =
            if has_end { Ending::Framed(inner.status.line.clone()) } else { Ending::Unknown };
        let occupied =
            Occupied { sender, permit, returns: self.returns.clone(), inner: Arc::clone(inner) };
        let body = Received::new(body, &parts.headers, ending, occupied);
        Ok(Response::from_parts(parts, transaction::boxed(body)))
    }
}

/// Says in the head that a body of unknown length comes in chunks. hyper does it by itself except for the
/// methods that hardly ever have a body, and sends none of it where nobody says so.
fn delimit(request: &mut Request<Body>) {
    let body = request.body();
    let is_unknown = !body.is_end_stream() && body.size_hint().exact().is_none();
    if is_unknown && !request.headers().contains_key(header::CONTENT_LENGTH) {
        let chunked = HeaderValue::from_static("chunked");
        request.headers_mut().insert(header::TRANSFER_ENCODING, chunked);
    }
}

/// Returns whether a response's body says where it ends. It does not with any other last encoding
/// than `chunked`, which also makes its length count for nothing (RFC 9112 §6.3).
fn tells_its_end(headers: &HeaderMap) -> bool {
    match headers.get_all(header::TRANSFER_ENCODING).iter().next_back() {
        Some(encodings) => encodings.to_str().is_ok_and(|encodings| {
            let last = encodings.rsplit(',').next().unwrap_or_default();
            last.trim().eq_ignore_ascii_case("chunked")
        }),
        None => headers.contains_key(header::CONTENT_LENGTH),
    }
}

/// Notes that it was this end that ended the link, unless it is told to forget it.
struct NoteClosed(Option<Arc<Status>>);

impl NoteClosed {
    fn forget(mut self) {
        self.0 = None;
    }
}

impl Drop for NoteClosed {
    fn drop(&mut self) {
        if let Some(status) = &self.0 {
            status.note_closed();
        }
    }
}

/// The link while a response is under way.
pub(crate) struct Occupied {
    sender: SendRequest<Outgoing>,
    permit: OwnedSemaphorePermit,
    returns: mpsc::Sender<Return>,
    inner: Arc<Inner>,
}

impl Occupied {
    fn give_back(self, rest: Option<Incoming>) {
        // The driver is gone only when the connection is.
        let _ = self.returns.try_send(Return { sender: self.sender, permit: self.permit, rest });
    }
}

impl Release for Occupied {
    fn complete(self) {
        self.give_back(None);
    }

    fn abandon(self, rest: Incoming, left: Option<u64>) {
        if left.is_some_and(|left| left > DRAIN_BYTES) {
            self.inner.status.note_closed();
            self.inner.status.line.cut();
        } else {
            self.give_back(Some(rest));
        }
    }
}

/// What a site leaves of requests' bodies. It is read as long as the connection lives, at most.
struct Unread(TaskTracker);

impl Release for Unread {
    fn complete(self) {}

    fn abandon(self, rest: Incoming, _: Option<u64>) {
        // Without a runtime the connection is gone, too.
        if let Ok(runtime) = Handle::try_current() {
            self.0.spawn_on(throw_away(rest), &runtime);
        }
    }
}

/// Reads what is left of a request, as long as it comes.
async fn throw_away(mut rest: Incoming) {
    let mut left = UNREAD_BYTES;
    // hyper may tell the end only when the next request comes.
    while !rest.is_end_stream()
        && let Ok(Some(Ok(frame))) = timeout(UNREAD_WITHIN, rest.frame()).await
    {
        let length = frame.data_ref().map_or(0, |data| data.len() as u64);
        let Some(fewer) = left.checked_sub(length) else { return };
        left = fewer;
    }
}

/// Answers requests at the peer until the link ends.
pub(crate) async fn serve(
    upgraded: Upgraded,
    handler: Handler,
    stop: CancellationToken,
    grace: Duration,
) -> LinkEnd {
    let (line, handle) = Line::new(upgraded);
    let mut builder = server::Builder::new();
    // Without a timer there is no limit on the time between two requests: a link rests.
    builder.max_header_size(MAX_LINK_HEAD_BYTES).max_headers(MAX_LINK_HEADERS);
    let unread = TaskTracker::new();
    let service = service_fn(|request: Request<Incoming>| {
        answer(handler.clone(), handle.clone(), request, Unread(unread.clone()))
    });
    // Ends a WebSocket too, which lives on without the connection.
    let _guard = handle.cut_on_drop();
    let end = {
        let mut connection = pin!(builder.serve_connection(line, service).with_upgrades());
        tokio::select! {
            ended = connection.as_mut() => match ended {
                Ok(()) => LinkEnd::Closed,
                Err(error) => {
                    tracing::debug!(%error, "The link broke");
                    LinkEnd::Lost
                }
            },
            () = handle.was_cut() => LinkEnd::Lost,
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                // Who is not done by then was told the time.
                let _ = timeout(grace, connection).await;
                LinkEnd::Closed
            }
        }
    };
    tokio::select! {
        () = handle.gone() => {}
        () = async {
            stop.cancelled().await;
            tokio::time::sleep(grace).await;
            handle.cut();
            tokio::time::sleep(WIND_DOWN).await;
        } => {}
    }
    // The connection is gone, and with it what is left of requests.
    unread.close();
    if timeout(WIND_DOWN, unread.wait()).await.is_err() {
        tracing::debug!(left = unread.len(), "What is left of requests outlives their link");
    }
    end
}
