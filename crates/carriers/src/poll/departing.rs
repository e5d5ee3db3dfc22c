//! The answer to a poll on its way out.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::{accept::Shared, mailbox::Enclosed};

/// The body of the answer to a poll. It notes whether the HTTP library took it, as a whole, or let
/// it go.
pub(super) struct Departing {
    shared: Arc<Shared>,
    document: Option<Bytes>,
    enclosed: Enclosed,
}

impl Departing {
    pub(super) fn new(shared: Arc<Shared>, document: Vec<u8>, enclosed: Enclosed) -> Self {
        Self { shared, document: Some(document.into()), enclosed }
    }
}

impl http_body::Body for Departing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let document = self.document.take();
        if document.is_some() {
            self.shared.with(|mailbox| mailbox.left(&self.enclosed));
        }
        Poll::Ready(document.map(|document| Ok(Frame::data(document))))
    }

    fn is_end_stream(&self) -> bool {
        self.document.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.document.as_ref().map_or(0, Bytes::len) as u64)
    }
}

impl Drop for Departing {
    fn drop(&mut self) {
        if self.document.is_some() {
            self.shared.with(|mailbox| mailbox.came_back(&self.enclosed));
        }
    }
}
