//! Bodies that go onto a link.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use crosstalk::transaction::{self, Body, BodyError};
use http::{HeaderMap, header};
use http_body::{Body as _, Frame, SizeHint};

use super::shared::{Handle, State};

/// What is left of a body that goes onto a link.
pub(super) struct Outflow {
    body: Body,
    /// What came of the body and did not fit yet.
    rest: Bytes,
    /// Whether nothing comes after the rest.
    last: bool,
    /// How many bytes the link took as there was credit.
    taken: u64,
}

/// How a body went.
#[derive(Debug)]
pub(super) enum Flowed {
    /// All of it is on its way.
    Complete,
    /// Nobody wants the rest of it.
    Stopped,
    /// It broke off.
    Broken(BodyError),
}

impl Outflow {
    pub(super) fn new(body: Body) -> Self {
        let last = body.is_end_stream();
        Self { body, rest: Bytes::new(), last, taken: 0 }
    }

    /// Writes the body's length into its head, if it is known and not there yet. That there is no
    /// body is written only where one could be expected.
    pub(super) fn announce(&self, could_be: bool, headers: &mut HeaderMap) {
        if let Some(length) = self.body.size_hint().exact()
            && (length > 0 || could_be)
        {
            headers.entry(header::CONTENT_LENGTH).or_insert(length.into());
        }
    }

    /// Takes what there is of the body, if nothing waits to be sent.
    pub(super) fn fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        while self.rest.is_empty() && !self.last {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    // No carrier of messages has trailers; hardly any site sends some.
                    self.rest = frame.into_data().unwrap_or_default();
                    self.last = self.body.is_end_stream();
                }
                Some(Err(error)) => return Poll::Ready(Err(error)),
                None => self.last = true,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Takes the beginning, and whether it is everything, to go along with a head.
    pub(super) fn first(&mut self, most: usize) -> (Bytes, bool) {
        let first = self.rest.split_to(self.rest.len().min(most));
        (first, self.is_complete())
    }

    /// Returns whether all of it was taken.
    pub(super) fn is_complete(&self) -> bool {
        self.last && self.rest.is_empty()
    }

    /// Returns how many bytes the link took as there was credit for them.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Returns whether something waits for credit.
    pub(super) fn waits(&self) -> bool {
        !self.rest.is_empty()
    }

    /// Puts the body together again of what was taken of it, what waits, and what is to come.
    pub(super) fn put_back(self, taken: impl IntoIterator<Item = Bytes>) -> Body {
        let pieces = taken.into_iter().chain([self.rest]).filter(|piece| !piece.is_empty());
        let pieces: VecDeque<Bytes> = pieces.collect();
        if pieces.is_empty() {
            return self.body;
        }
        transaction::boxed(PutBack { pieces, body: self.body })
    }

    /// Sends the body as it comes and as the other end takes it.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, handle: &Handle) -> Poll<Flowed> {
        loop {
            if let Err(error) = ready!(self.fill(cx)) {
                return Poll::Ready(Flowed::Broken(error));
            }
            let flowed = handle.shared.with(|state| self.write(cx, state, handle));
            if let Some(flowed) = ready!(flowed) {
                return Poll::Ready(flowed);
            }
        }
    }

    fn write(
        &mut self,
        cx: &Context<'_>,
        state: &mut State,
        handle: &Handle,
    ) -> Poll<Option<Flowed>> {
        let unwanted = state.exchange(handle.id).is_none_or(|exchange| exchange.unwanted);
        if unwanted || state.is_over(handle.id) {
            return Poll::Ready(Some(Flowed::Stopped));
        }
        let before = self.rest.len();
        state.transactions.write(handle.id, &mut self.rest, self.last);
        self.taken += (before - self.rest.len()) as u64;
        if self.rest.is_empty() {
            return Poll::Ready(self.last.then_some(Flowed::Complete));
        }
        if let Some(exchange) = state.exchange(handle.id) {
            exchange.wake_writer_with(cx);
        }
        Poll::Pending
    }
}

/// A body whose beginning was taken and comes back.
struct PutBack {
    pieces: VecDeque<Bytes>,
    body: Body,
}

impl http_body::Body for PutBack {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.pieces.pop_front() {
            Some(piece) => Poll::Ready(Some(Ok(Frame::data(piece)))),
            None if self.body.is_end_stream() => Poll::Ready(None),
            None => Pin::new(&mut self.body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let taken: u64 = self.pieces.iter().map(|piece| piece.len() as u64).sum();
        let left = self.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(left.lower() + taken);
        if let Some(upper) = left.upper() {
            hint.set_upper(upper + taken);
        }
        hint
    }
}
