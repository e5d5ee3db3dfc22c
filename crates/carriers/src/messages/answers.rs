//! What the other end asks for, and the answers.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use crosstalk::{
    transaction::{self, Body, BodyError, Handler},
    transactions::{AbortCode, TransactionId},
};
use http::{Request, Response, StatusCode, Version, header, request, response};
use tokio::{task::JoinSet, time::timeout};
use tower::Service as _;

use super::{
    hop::Hop,
    outflow::{Flowed, Outflow},
    received::{self, Beginning, Length, Received},
    shared::{Handle, Shared, State},
    tunnel::Channel,
};
use crate::shape::{self, Arrival};

/// How long handlers may take to notice that their link has ended.
const WIND_DOWN: Duration = Duration::from_secs(1);

/// Answers with a handler. Whatever works for an answer ends with this.
pub(super) struct Answers {
    handler: Handler,
    websockets: bool,
    tasks: JoinSet<()>,
}

/// A transaction that the other end just opened.
pub(super) struct Opened {
    id: TransactionId,
    head: Box<request::Parts>,
    beginning: Beginning,
}

/// A transaction that is being answered. Dropping it before the response is complete shows the
/// response as cut.
struct Answering {
    handle: Handle,
    complete: bool,
}

impl Opened {
    /// Notes a new transaction.
    pub(super) fn new(state: &mut State, id: TransactionId, head: Box<request::Parts>) -> Self {
        let beginning = received::beginning(state, id, Length::of(&head.headers));
        // One for the response, and one for the request's body.
        state.begin(id, if matches!(beginning, Beginning::Part(_)) { 2 } else { 1 });
        Self { id, head, beginning }
    }

    /// Says whether it is still to be answered, and forgets it if not.
    pub(super) fn is_wanted(&self, state: &mut State) -> bool {
        let is_over = state.is_over(self.id);
        if is_over {
            state.forget(self.id);
        }
        !is_over
    }
}

impl Answers {
    pub(super) fn new(handler: Handler, websockets: bool) -> Self {
        Self { handler, websockets, tasks: JoinSet::new() }
    }

    /// Begins an answer. One that is there at once needs no task of its own.
    pub(super) fn begin(&mut self, shared: &Arc<Shared>, opened: Opened) {
        let id = opened.id;
        let answering = Answering { handle: Handle::begun(shared, id), complete: false };
        let handler = self.handler.clone();
        let mut answer = Box::pin(answer(answering, handler, opened, self.websockets));
        // It is polled again in its own task if it is not ready.
        let mut cx = Context::from_waker(std::task::Waker::noop());
        match catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(&mut cx))) {
            Ok(Poll::Ready(())) => {}
            Ok(Poll::Pending) => {
                let task = self.tasks.spawn(answer);
                shared.with(|state| state.work_for(id, task));
            }
            Err(_) => tracing::warn!("A handler panicked"),
        }
    }

    /// Forgets the answers that are complete.
    pub(super) fn tidy(&mut self) {
        while let Some(done) = self.tasks.try_join_next() {
            if done.is_err_and(|error| error.is_panic()) {
                tracing::warn!("A handler panicked");
            }
        }
    }

    /// Ends all that are not complete.
    pub(super) async fn wind_down(&mut self) {
        if timeout(WIND_DOWN, self.tasks.shutdown()).await.is_err() {
            tracing::debug!(left = self.tasks.len(), "Handlers go on after their link has ended");
        }
    }
}

async fn answer(answering: Answering, handler: Handler, opened: Opened, websockets: bool) {
    let Opened { id, head, beginning } = opened;
    let mut head = *head;
    let length = Length::of(&head.headers);
    head.version = Version::HTTP_11;
    let arrived = shape::arrive(&mut head);
    let handle = || Handle::begun(&answering.handle.shared, id);
    if arrived.as_ref().is_ok_and(|arrival| arrival.is_websocket) {
        let channel = match beginning {
            Beginning::Part(next) => Channel::new(handle(), next, false),
            Beginning::Whole(bytes) => Channel::new(answering.handle.share(), Some(bytes), true),
            Beginning::Cut => return,
        };
        if let (Ok(arrival), true) = (arrived, websockets) {
            // What comes are the bytes of the WebSocket, whatever somebody says of a body.
            head.headers.remove(header::CONTENT_LENGTH);
            let request = Request::from_parts(head, transaction::empty());
            // Large and rare: the others should not carry it.
            return Box::pin(answering.websocket(handler, request, arrival, channel)).await;
        }
        return answering.handle.abort(AbortCode::Unsupported);
    }
    let body = match beginning {
        Beginning::Whole(bytes) => received::body(bytes),
        Beginning::Part(next) => transaction::boxed(Received::request(handle(), length, next)),
        Beginning::Cut => return,
    };
    match arrived {
        Ok(arrival) => {
            let response = call(handler, Request::from_parts(head, body)).await;
            answering.send(response, Some(&arrival)).await;
        }
        Err(response) => answering.send(*response, None).await,
    }
}

/// Asks a handler.
pub(super) async fn call(mut handler: Handler, request: Request<Body>) -> Response<Body> {
    let ready = poll_fn(|cx| handler.poll_ready(cx)).await;
    match ready {
        Ok(()) => match handler.call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        },
        Err(never) => match never {},
    }
}

impl Answering {
    /// Sends a handler's response, or one of ours.
    async fn send(mut self, response: Response<Body>, arrival: Option<&Arrival>) {
        let response = match arrival {
            Some(arrival) => shape::answer(response, arrival),
            None => response,
        };
        let (mut head, body) = response.into_parts();
        let has_no_body = arrival.is_some_and(|arrival| arrival.is_head)
            || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let mut outflow = Outflow::new(if has_no_body { transaction::empty() } else { body });
        outflow.announce(false, &mut head.headers);
        // What there is of the body already goes along with the head.
        if let Poll::Ready(Err(error)) = poll_fn(|cx| Poll::Ready(outflow.fill(cx))).await {
            return broke_off(&error);
        }
        let (first, end) = outflow.first(self.handle.shared.largest_first);
        self.respond(head, first, end);
        if !end {
            match poll_fn(|cx| outflow.poll(cx, &self.handle)).await {
                Flowed::Complete => {}
                Flowed::Stopped => return,
                Flowed::Broken(error) => return broke_off(&error),
            }
        }
        self.complete = true;
    }

    fn respond(&self, head: response::Parts, first: Bytes, end: bool) {
        self.handle.shared.with(|state| {
            state.transactions.respond(self.handle.id, Box::new(head), first, end);
        });
    }

    async fn websocket(
        mut self,
        handler: Handler,
        request: Request<Body>,
        arrival: Arrival,
        channel: Channel,
    ) {
        let (response, hop) = match Hop::ask(handler, request).await {
            Ok(asked) => asked,
            Err(error) => return tracing::debug!(%error, "A WebSocket did not begin"),
        };
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            channel.decline();
            return self.send(response, Some(&arrival)).await;
        }
        let (head, _) = shape::answer(response, &arrival).into_parts();
        self.respond(head, Bytes::new(), false);
        // From here on it is the channel that tells how it went.
        self.complete = true;
        if let Err(error) = hop.pass(channel).await {
            tracing::debug!(%error, "A WebSocket broke off");
        }
    }
}

fn broke_off(error: &BodyError) {
    tracing::debug!(%error, "A response broke off");
}

impl Drop for Answering {
    fn drop(&mut self) {
        if !self.complete {
            self.handle.abort(AbortCode::Failed);
        }
    }
}
