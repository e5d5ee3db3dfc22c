//! Bodies that come off a link.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use crosstalk::{
    transaction::{self, Body, BodyError},
    transactions::{AbortCode, Read, TransactionId},
};
use http::{HeaderMap, header};
use http_body::{Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;

use super::shared::{Handle, State, Told};
use crate::{body::Cut, link::Inner};

/// What a transaction occupies at the end that opened it.
pub(super) struct Occupied {
    _permit: OwnedSemaphorePermit,
    _inner: Arc<Inner>,
}

impl Occupied {
    pub(super) fn new(permit: OwnedSemaphorePermit, inner: &Arc<Inner>) -> Arc<Self> {
        Arc::new(Self { _permit: permit, _inner: Arc::clone(inner) })
    }
}

/// A body that comes off a link. It ends with an error if it was cut, or if its length is not what
/// its head says.
pub(super) struct Received {
    /// `None` when nothing more can come.
    handle: Option<Handle>,
    length: Length,
    /// What was read already.
    next: Option<Bytes>,
    /// Whether the next thing to come is an error.
    cut: bool,
    /// At the end that opened the transaction: what it occupies there.
    occupied: Option<Arc<Occupied>>,
}

/// How much of a body is still to come, by its head, as far as that says.
#[derive(Clone, Copy)]
pub(super) struct Length(Option<u64>);

/// What came of a body.
enum Came {
    Data(Bytes),
    /// Data, and nothing after it.
    Last(Bytes),
    End,
    Cut,
}

impl Length {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let length = headers.get(header::CONTENT_LENGTH);
        Self(length.and_then(|length| length.to_str().ok()?.trim().parse().ok()))
    }

    /// Counts bytes that came, and says whether there may be that many.
    fn take(&mut self, bytes: usize) -> bool {
        let Some(left) = &mut self.0 else { return true };
        match left.checked_sub(bytes as u64) {
            Some(fewer) => *left = fewer,
            None => return false,
        }
        true
    }

    /// Says whether the body may end here.
    fn may_end(self) -> bool {
        self.0.is_none_or(|left| left == 0)
    }
}

/// How a body begins.
pub(super) enum Beginning {
    /// With everything: the transaction has no more of it.
    Whole(Bytes),
    /// With this, if anything; more may come.
    Part(Option<Bytes>),
    /// With bytes that its head does not allow.
    Cut,
}

/// Takes the beginning of a body that is here as a whole, so that a small one needs nobody to wait
/// for it.
pub(super) fn beginning(state: &mut State, id: TransactionId, mut length: Length) -> Beginning {
    let Some(rest) = state.transactions.unread(id) else { return Beginning::Part(None) };
    let bytes = match state.transactions.read(id) {
        Read::Data(bytes) if bytes.len() == rest => {
            let _ = state.transactions.read(id);
            bytes
        }
        // Several pieces stay pieces: putting them together would be a copy.
        Read::Data(bytes) => return Beginning::Part(Some(bytes)),
        Read::End => Bytes::new(),
        Read::Blocked | Read::Aborted(_) => return Beginning::Cut,
    };
    if length.take(bytes.len()) && length.may_end() {
        Beginning::Whole(bytes)
    } else {
        Beginning::Cut
    }
}

/// Makes a body of one that is here as a whole.
pub(super) fn body(bytes: Bytes) -> Body {
    if bytes.is_empty() { transaction::empty() } else { transaction::full(bytes) }
}

impl Received {
    /// A request's body at the end that answers.
    pub(super) fn request(handle: Handle, length: Length, next: Option<Bytes>) -> Self {
        Self { handle: Some(handle), length, next, cut: false, occupied: None }
    }

    /// A response's body at the end that asked. Whoever drops it gives up the transaction.
    pub(super) fn response(
        handle: Handle,
        length: Length,
        next: Option<Bytes>,
        occupied: Arc<Occupied>,
    ) -> Self {
        Self { handle: Some(handle), length, next, cut: false, occupied: Some(occupied) }
    }

    fn finish(&mut self) {
        self.handle = None;
        self.occupied = None;
    }

    /// Ends with an error, and gives up what may still be under way.
    fn cut_off(&mut self) -> Option<Result<Frame<Bytes>, BodyError>> {
        self.cut = false;
        if let Some(handle) = &self.handle {
            handle.abort(AbortCode::Failed);
        }
        self.finish();
        Some(Err(Cut.into()))
    }
}

fn read(cx: &Context<'_>, state: &mut State, id: TransactionId) -> Poll<Came> {
    if state.was_aborted_here(id) {
        return Poll::Ready(Came::Cut);
    }
    Poll::Ready(match state.transactions.read(id) {
        Read::Data(bytes) if state.transactions.unread(id) == Some(0) => {
            let _ = state.transactions.read(id);
            Came::Last(bytes)
        }
        Read::Data(bytes) => Came::Data(bytes),
        Read::End => Came::End,
        Read::Aborted(_) => Came::Cut,
        Read::Blocked if state.is_over(id) => Came::Cut,
        Read::Blocked => {
            if let Some(exchange) = state.exchange(id) {
                exchange.wake_reader_with(cx);
            }
            return Poll::Pending;
        }
    })
}

impl http_body::Body for Received {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if this.cut {
            return Poll::Ready(this.cut_off());
        }
        let Some(handle) = &this.handle else { return Poll::Ready(None) };
        let came = match this.next.take() {
            Some(bytes) => Came::Data(bytes),
            None => ready!(handle.shared.with(|state| read(cx, state, handle.id))),
        };
        Poll::Ready(match came {
            Came::Data(bytes) | Came::Last(bytes) if !this.length.take(bytes.len()) => {
                this.cut_off()
            }
            Came::Data(bytes) => Some(Ok(Frame::data(bytes))),
            Came::Last(bytes) => {
                if this.length.may_end() {
                    this.finish();
                } else {
                    this.cut = true;
                }
                Some(Ok(Frame::data(bytes)))
            }
            Came::End if this.length.may_end() => {
                this.finish();
                None
            }
            Came::End | Came::Cut => this.cut_off(),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.handle.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        if self.handle.is_none() {
            return SizeHint::with_exact(0);
        }
        self.length.0.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        let Some(handle) = &self.handle else { return };
        let told = handle.shared.with(|state| {
            if self.occupied.is_some() {
                // Nobody wants the response, so nobody wants the transaction.
                return state.abort(handle.id, AbortCode::Cancelled);
            }
            state.transactions.stop_reading(handle.id);
            Told::default()
        });
        told.tell();
    }
}
