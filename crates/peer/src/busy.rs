//! How many transactions are under way on links that serve together.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use crosstalk::transaction::{Body, BodyError, Handler, boxed};
use http_body::{Frame, SizeHint};
use tokio::sync::watch;
use tower::Service as _;

/// A count of transactions: from the request's arrival to the end of the response's body.
#[derive(Clone, Debug, Default)]
pub(crate) struct Busy(watch::Sender<usize>);

/// One transaction; it is over when this is dropped.
struct Turn(Busy);

impl Busy {
    /// Returns the count, and wakes up at each change.
    pub(crate) fn watch(&self) -> watch::Receiver<usize> {
        self.0.subscribe()
    }

    /// Makes a handler count.
    pub(crate) fn count(&self, handler: Handler) -> Handler {
        let busy = self.clone();
        Handler::new(tower::service_fn(move |request| {
            let turn = busy.begin();
            // A handler is always ready: it has no queue of its own.
            let answer = handler.clone().call(request);
            async move { Ok(answer.await?.map(|body| boxed(Counted { body, _turn: turn }))) }
        }))
    }

    fn begin(&self) -> Turn {
        self.0.send_modify(|count| *count += 1);
        Turn(self.clone())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count -= 1);
    }
}

/// A body that belongs to a turn.
struct Counted {
    body: Body,
    _turn: Turn,
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use crosstalk::transaction;
    use http::{Request, Response};

    use super::*;

    #[tokio::test]
    async fn a_transaction_lasts_until_its_body_is_gone() {
        let busy = Busy::default();
        let site = tower::service_fn(|_| async { Ok(Response::new(transaction::full("hello"))) });
        let mut handler = busy.count(Handler::new(site));
        let first = handler.call(Request::new(transaction::empty())).await.unwrap();
        let second = handler.call(Request::new(transaction::empty()));
        assert_eq!(*busy.watch().borrow(), 2);
        drop(second);
        assert_eq!(*busy.watch().borrow(), 1);
        drop(first);
        assert_eq!(*busy.watch().borrow(), 0);
    }
}
