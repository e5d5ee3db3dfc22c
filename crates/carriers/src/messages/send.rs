//! Requests that go onto a link, and their responses.

use std::{
    future::poll_fn,
    mem,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use crosstalk::{
    hop,
    transaction::{self, Body, BodyError},
    transactions::{AbortCode, OpenError},
};
use http::{Extensions, Method, Request, Response, StatusCode, Version, header, request, response};
use tokio::{sync::OwnedSemaphorePermit, time::timeout};
use tokio_util::task::TaskTracker;

use super::{
    outflow::{Flowed, Outflow},
    received::{self, Beginning, Length, Occupied, Received},
    shared::{Handle, Over, Shared, State},
    tunnel::{Channel, Offered},
};
use crate::{
    SendError, Unsent,
    body::Cut,
    link::{Hold, Inner},
    shape::{self, Departing},
    websocket,
};

/// The end of a link from which requests are sent.
pub(crate) struct Messages {
    pub(super) shared: Arc<Shared>,
    pub(super) websockets: bool,
    pub(super) tasks: TaskTracker,
}

/// How long the other end may take nothing of a request whose response is over, before it counts as not
/// wanting the rest. It should say so itself; until then the visitor waits with the upload. Longer than
/// half a window takes over the slowest wire, a server that passes on 10 kB a second.
const UNTAKEN: Duration = Duration::from_secs(15);

/// A request on its way, until its response begins. Dropping it gives the transaction up.
struct Asking {
    /// `None` when somebody else has the transaction.
    handle: Option<Handle>,
    outflow: Outflow,
    /// Whether there is more of the body to be sent.
    sends: bool,
    /// What came with the request and did not travel.
    extensions: Extensions,
}

/// What came of a request.
enum Outcome {
    Answered(Box<response::Parts>, Beginning),
    Aborted(AbortCode),
    /// The link ended before anything of the request left it: its head, and what was taken of its
    /// body.
    TakenBack(Box<request::Parts>, Vec<Bytes>),
    Broken(BodyError),
    Lost,
}

/// What has a bearing on how a response is read.
#[derive(Clone, Copy)]
struct Asked {
    is_head: bool,
    is_websocket: bool,
}

impl Messages {
    pub(crate) fn is_open(&self) -> bool {
        self.shared.is_open()
    }

    pub(crate) fn drain(&self) {
        self.shared.close();
    }

    pub(crate) async fn send(
        &self,
        inner: &Arc<Inner>,
        permit: OwnedSemaphorePermit,
        request: Request<Body>,
    ) -> Result<Response<Body>, Unsent> {
        if !self.is_open() {
            return Err(Unsent::new(SendError::Closed, request));
        }
        let Departing { request, is_head, websocket } = shape::depart(request, Version::HTTP_11)
            .map_err(|request| Unsent::new(SendError::Unsupported, *request))?;
        if websocket.is_some() && !self.websockets {
            return Err(Unsent::new(SendError::Unsupported, shape::call_back(request)));
        }
        let (mut head, body) = request.into_parts();
        // They do not travel, and whatever they are must not be dropped under the lock.
        let extensions = mem::take(&mut head.extensions);
        let asked = Asked { is_head, is_websocket: websocket.is_some() };
        let mut outflow = Outflow::new(body);
        if asked.is_websocket {
            // Its body is the WebSocket, which has no length.
            head.headers.remove(header::CONTENT_LENGTH);
        } else {
            let could_be = matches!(head.method, Method::POST | Method::PUT | Method::PATCH);
            outflow.announce(could_be, &mut head.headers);
            // What there is of the body already goes along with the head.
            if let Poll::Ready(Err(error)) = poll_fn(|cx| Poll::Ready(outflow.fill(cx))).await {
                return Err(Unsent { error: SendError::Lost(error), request: None });
            }
        }
        let (first, complete) = outflow.first(self.shared.largest_first);
        // What goes to a WebSocket's site comes with the WebSocket.
        let end = complete && !asked.is_websocket;
        let opened = self.shared.with(|state| {
            let opened = state.transactions.open(Box::new(head), first.clone(), end);
            opened.inspect(|id| state.begin(*id, 1))
        });
        let id = match opened {
            Ok(id) => id,
            Err((error @ OpenError::Closing, head)) => {
                tracing::debug!(%error, "A request comes back");
                return Err(taken_back(*head, extensions, outflow.put_back([first])));
            }
            Err((error @ OpenError::Full, _)) => {
                // The peer answers without taking what it is asked. There was a place, and may be
                // again: whoever got the request back would come here with it again and again.
                tracing::debug!(%error, "A request fails");
                return Err(Unsent { error: SendError::Busy, request: None });
            }
        };
        drop(first);
        let mut asking = Asking {
            handle: Some(Handle::begun(&self.shared, id)),
            sends: !end && !asked.is_websocket,
            outflow,
            extensions,
        };
        let outcome = poll_fn(|cx| asking.poll(cx, asked)).await;
        asking.conclude(outcome, inner, permit, &self.tasks)
    }
}

impl Asking {
    /// Sends the request's body until its response begins.
    fn poll(&mut self, cx: &mut Context<'_>, asked: Asked) -> Poll<Outcome> {
        let Some(handle) = &self.handle else { return Poll::Ready(Outcome::Lost) };
        if self.sends {
            match self.outflow.poll(cx, handle) {
                Poll::Ready(Flowed::Complete | Flowed::Stopped) => self.sends = false,
                Poll::Ready(Flowed::Broken(error)) => {
                    return Poll::Ready(Outcome::Broken(error));
                }
                Poll::Pending => {}
            }
        }
        handle.shared.with(|state| outcome(cx, state, handle, asked))
    }

    fn conclude(
        mut self,
        outcome: Outcome,
        inner: &Arc<Inner>,
        permit: OwnedSemaphorePermit,
        tasks: &TaskTracker,
    ) -> Result<Response<Body>, Unsent> {
        let failed = |error| Err(Unsent { error, request: None });
        let (head, beginning) = match outcome {
            Outcome::Answered(head, beginning) => (*head, beginning),
            Outcome::Aborted(code) => return failed(send_error(code)),
            Outcome::TakenBack(head, taken) => {
                let extensions = mem::take(&mut self.extensions);
                return Err(taken_back(*head, extensions, self.into_outflow().put_back(taken)));
            }
            Outcome::Broken(error) => {
                self.abort(AbortCode::Failed);
                return failed(SendError::Lost(error));
            }
            Outcome::Lost => return failed(SendError::Lost(Cut.into())),
        };
        let Some(handle) = self.handle.take() else {
            return failed(SendError::Lost(Cut.into()));
        };
        // All of the body, or its first bytes if there are any.
        let came = match beginning {
            Beginning::Whole(bytes) => Ok(bytes),
            Beginning::Part(next) => Err(next),
            Beginning::Cut => {
                handle.abort(AbortCode::Failed);
                return failed(SendError::Lost(Cut.into()));
            }
        };
        let mut response = Response::from_parts(head, ());
        // The words of somebody else, of which some are none that a server could pass on.
        *response.version_mut() = Version::HTTP_11;
        hop::strip(response.headers_mut());
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            response.headers_mut().remove(header::CONTENT_LENGTH);
            websocket::announce(response.headers_mut());
            let extensions = response.extensions_mut();
            extensions.insert(Hold::new(Arc::clone(inner), permit));
            extensions.insert(Offered::new(Channel::new(handle, None, false)));
            return Ok(response.map(|()| transaction::empty()));
        }
        let length = Length::of(response.headers());
        if let (Ok(bytes), false) = (&came, self.sends) {
            // All of it is here: nothing is occupied any more.
            return Ok(response.map(|()| received::body(bytes.clone())));
        }
        let occupied = Occupied::new(permit, inner);
        if self.sends {
            send_rest(self.into_outflow(), &handle, Arc::clone(&occupied), tasks);
        }
        let body = match came {
            Ok(bytes) => received::body(bytes),
            Err(next) => transaction::boxed(Received::response(handle, length, next, occupied)),
        };
        Ok(response.map(|()| body))
    }

    fn into_outflow(mut self) -> Outflow {
        mem::replace(&mut self.outflow, Outflow::new(transaction::empty()))
    }

    fn abort(&mut self, code: AbortCode) {
        if let Some(handle) = self.handle.take() {
            handle.abort(code);
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.abort(AbortCode::Cancelled);
    }
}

fn outcome(cx: &Context<'_>, state: &mut State, handle: &Handle, asked: Asked) -> Poll<Outcome> {
    let id = handle.id;
    let has_ended = state.has_ended();
    let Some(exchange) = state.exchange(id) else { return Poll::Ready(Outcome::Lost) };
    if let Some(head) = exchange.head.take() {
        return Poll::Ready(answered(state, handle, head, asked));
    }
    match exchange.over {
        Some(Over::There(code)) => Poll::Ready(Outcome::Aborted(code)),
        Some(Over::Here) => Poll::Ready(Outcome::Lost),
        None if has_ended => Poll::Ready(match state.transactions.take_back(id) {
            Some((head, taken)) => Outcome::TakenBack(head, taken),
            None => Outcome::Lost,
        }),
        None => {
            exchange.wake_reader_with(cx);
            Poll::Pending
        }
    }
}

fn answered(
    state: &mut State,
    handle: &Handle,
    head: Box<response::Parts>,
    asked: Asked,
) -> Outcome {
    let id = handle.id;
    if asked.is_websocket {
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            return Outcome::Answered(head, Beginning::Part(None));
        }
        // Nothing will go to the site.
        state.transactions.write(id, &mut Bytes::new(), true);
    }
    if head.status.is_informational() {
        return Outcome::Answered(head, Beginning::Cut);
    }
    let has_no_body =
        asked.is_head || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if has_no_body {
        state.transactions.stop_reading(id);
        return Outcome::Answered(head, Beginning::Whole(Bytes::new()));
    }
    let length = Length::of(&head.headers);
    let beginning = received::beginning(state, id, length);
    Outcome::Answered(head, beginning)
}

/// Sends what is left of a request's body although its response has begun.
fn send_rest(outflow: Outflow, handle: &Handle, occupied: Arc<Occupied>, tasks: &TaskTracker) {
    let rest = handle.share();
    let task = tasks.spawn(async move {
        match flow_on(outflow, &rest).await {
            Some(Flowed::Complete | Flowed::Stopped) => {}
            Some(Flowed::Broken(error)) => {
                tracing::debug!(%error, "A request broke off");
                rest.abort(AbortCode::Failed);
            }
            None => {
                tracing::debug!("The other end does not take the rest of a request");
                rest.abort(AbortCode::Cancelled);
            }
        }
        drop(occupied);
    });
    handle.shared.with(|state| state.work_for(handle.id, task.abort_handle()));
}

/// Sends the rest of a body. Returns `None` when nobody takes it for [`UNTAKEN`] although the response
/// is over.
async fn flow_on(mut outflow: Outflow, handle: &Handle) -> Option<Flowed> {
    loop {
        let before = outflow.taken();
        if let Ok(flowed) = timeout(UNTAKEN, poll_fn(|cx| outflow.poll(cx, handle))).await {
            return Some(flowed);
        }
        // While the response goes on, it may be its visitor who takes nothing; and while nothing waits
        // here, it is the visitor who gives nothing.
        let is_stuck = outflow.waits() && outflow.taken() == before;
        if is_stuck && handle.is_the_only_one() {
            return None;
        }
    }
}

fn taken_back(mut head: request::Parts, extensions: Extensions, body: Body) -> Unsent {
    head.extensions = extensions;
    let request = shape::call_back(Request::from_parts(head, body));
    Unsent::new(SendError::Closed, request)
}

fn send_error(code: AbortCode) -> SendError {
    match code {
        AbortCode::Refused => SendError::Closed,
        AbortCode::TooLarge => SendError::TooLarge,
        AbortCode::Unsupported => SendError::Unsupported,
        AbortCode::Cancelled | AbortCode::TimedOut | AbortCode::Failed => {
            SendError::Lost(Aborted(code).into())
        }
    }
}

/// The other end gave a transaction up.
#[derive(Debug, thiserror::Error)]
#[error("the other end gave it up: {0}")]
struct Aborted(AbortCode);
