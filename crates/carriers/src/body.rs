//! Bodies that come off a link, and bodies that go onto one.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use crosstalk::transaction::{Body, BodyError};
use futures_util::task::AtomicWaker;
use http::{HeaderMap, Request, header};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use crate::line::LineHandle;

/// A body that ended early without saying so.
#[derive(Debug, thiserror::Error)]
#[error("the message was cut")]
pub(crate) struct Cut;

/// How the end of a body is told from a cut.
pub(crate) enum Ending {
    /// HTTP/2: by the flag on the last frame. hyper ends a body in silence when the stream is reset
    /// with `NO_ERROR`, so its word is not enough. With the string on the request's body, if that
    /// has any bytes to come.
    Stream(Option<Arc<Recall>>),
    /// HTTP/1.1 with a length or in chunks: hyper reports a cut, after which this line is of no use.
    Framed(LineHandle),
    /// HTTP/1.1 until the connection ends: nobody can tell, so it counts as cut.
    Unknown,
}

/// What is done when a body is over.
pub(crate) trait Release: Send + Unpin + 'static {
    /// The body ended as it should.
    fn complete(self);
    /// Nobody wants the rest of the body; `left` is how much that is, where it is known.
    fn abandon(self, rest: Incoming, left: Option<u64>);
}

impl Release for () {
    fn complete(self) {}
    fn abandon(self, _: Incoming, _: Option<u64>) {}
}

/// A body that comes off a link. It ends with an error if it was cut.
pub(crate) struct Received<R: Release> {
    body: Option<Incoming>,
    ending: Ending,
    left: Option<u64>,
    release: Option<R>,
}

impl<R: Release> Received<R> {
    pub(crate) fn new(body: Incoming, headers: &HeaderMap, ending: Ending, release: R) -> Self {
        let length = headers.get(header::CONTENT_LENGTH);
        let left = length.and_then(|length| length.to_str().ok()?.trim().parse().ok());
        let mut received = Self { body: Some(body), ending, left, release: Some(release) };
        if received.is_end_stream() {
            received.complete();
        }
        received
    }

    fn complete(&mut self) {
        if let Some(release) = self.release.take() {
            release.complete();
        }
    }

    fn was_cut(&self) -> bool {
        match &self.ending {
            Ending::Stream(_) => !self.body.as_ref().is_some_and(Incoming::is_end_stream),
            Ending::Framed(_) => false,
            Ending::Unknown => true,
        }
    }
}

impl<R: Release> http_body::Body for Received<R> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        match ready!(Pin::new(body).poll_frame(cx)) {
            Some(Ok(frame)) => {
                if let (Some(left), Some(data)) = (&mut this.left, frame.data_ref()) {
                    *left = left.saturating_sub(data.len() as u64);
                }
                if this.is_end_stream() {
                    this.complete();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => {
                if let Ending::Framed(line) = &this.ending {
                    // Where the next message begins is lost. hyper itself would wait for a handler
                    // that has nobody to answer.
                    line.cut();
                }
                this.body = None;
                this.release = None;
                Poll::Ready(Some(Err(error.into())))
            }
            None if this.release.is_some() && this.was_cut() => {
                this.body = None;
                this.release = None;
                Poll::Ready(Some(Err(Cut.into())))
            }
            None => {
                this.complete();
                this.body = None;
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        let ended = self.body.as_ref().is_none_or(Incoming::is_end_stream);
        ended && !matches!(self.ending, Ending::Unknown)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Incoming::size_hint)
    }
}

impl<R: Release> Drop for Received<R> {
    fn drop(&mut self) {
        if let Ending::Stream(Some(recall)) = &self.ending
            && self.release.is_some()
        {
            recall.recall();
        }
        if let (Some(release), Some(body)) = (self.release.take(), self.body.take()) {
            release.abandon(body, self.left);
        }
    }
}

/// Why a body that goes onto a link broke off. Without the cause: hyper looks for a reason of HTTP/2
/// in it, and `NO_ERROR` of another connection would make a cut look like an end.
#[derive(Debug, thiserror::Error)]
#[error("the message broke off: {0}")]
struct BrokenOff(String);

fn broken_off(
    polled: Poll<Option<Result<Frame<Bytes>, BodyError>>>,
) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
    polled.map(|frame| frame.map(|frame| frame.map_err(|e| BrokenOff(e.to_string()).into())))
}

/// The string on a request's body by which it is called back when nobody wants the response:
/// HTTP/2 cancels a transaction only when both directions are given up.
#[derive(Default)]
pub(crate) struct Recall {
    recalled: AtomicBool,
    waker: AtomicWaker,
}

impl Recall {
    fn recall(&self) {
        self.recalled.store(true, Ordering::SeqCst);
        self.waker.wake();
    }
}

/// The body of a request that goes onto a link.
pub(crate) struct Outgoing {
    body: Body,
    recall: Option<Arc<Recall>>,
}

impl Outgoing {
    /// Wraps a request's body, and returns the string on it if it has any bytes to come.
    pub(crate) fn request(request: Request<Body>) -> (Request<Self>, Option<Arc<Recall>>) {
        let recall = (!request.body().is_end_stream()).then(|| Arc::new(Recall::default()));
        (request.map(|body| Self { body, recall: recall.clone() }), recall)
    }

    pub(crate) fn into_inner(self) -> Body {
        self.body
    }
}

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if let Some(recall) = &this.recall {
            recall.waker.register(cx.waker());
            if recall.recalled.load(Ordering::SeqCst) {
                return Poll::Ready(Some(Err(Cut.into())));
            }
        }
        broken_off(Pin::new(&mut this.body).poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of a handler's response.
pub(crate) struct Answer(pub(crate) Body);

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        broken_off(Pin::new(&mut self.0).poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
