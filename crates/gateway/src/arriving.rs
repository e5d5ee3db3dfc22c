//! Bodies of requests, and what becomes of the rest when an answer does not need it.

use std::{
    pin::{Pin, pin},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, header};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::{runtime::Handle, time::timeout};
use tokio_util::task::TaskTracker;

use crate::limits;

/// A request's body as it arrives. Whoever drops it before its end wants no more of it, and the rest is
/// then read and thrown away, within limits.
///
/// Many programs send all of a request before they look for the answer. Nobody would read what they
/// send, and closing the connection instead would reset it: the answer could be lost on its way (RFC
/// 9112 §9.6).
pub(crate) struct Arriving<B: http_body::Body<Data = Bytes> + Send + Unpin + 'static> {
    /// `None` when it is over.
    body: Option<B>,
    /// Whether the rest will come: a visitor who waits for a `100 Continue` that nobody gave may ask
    /// the next thing instead.
    comes: bool,
    tasks: TaskTracker,
}

impl<B: http_body::Body<Data = Bytes> + Send + Unpin + 'static> Arriving<B> {
    /// Takes a body, with the headers that came before it. `tasks` owns what reads the rest.
    pub(crate) fn new(body: B, headers: &HeaderMap, tasks: TaskTracker) -> Self {
        let body = (!body.is_end_stream()).then_some(body);
        Self { body, comes: !headers.contains_key(header::EXPECT), tasks }
    }
}

impl<B: http_body::Body<Data = Bytes> + Send + Unpin + 'static> http_body::Body for Arriving<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        // Asking for it is what makes hyper say `100 Continue`.
        self.comes = true;
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let polled = Pin::new(body).poll_frame(context);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.body = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), http_body::Body::size_hint)
    }
}

impl<B: http_body::Body<Data = Bytes> + Send + Unpin + 'static> Drop for Arriving<B> {
    fn drop(&mut self) {
        let rest = self.body.take().filter(|body| self.comes && !body.is_end_stream());
        // Without a runtime the connection is gone, too.
        if let (Some(rest), Ok(runtime)) = (rest, Handle::try_current()) {
            self.tasks.spawn_on(throw_away(rest), &runtime);
        }
    }
}

/// Reads a body to its end, if that comes within the limits. A body that is dropped before its end ends
/// its connection.
async fn throw_away<B: http_body::Body<Data = Bytes> + Unpin>(mut rest: B) {
    let mut left = limits::UNREAD_BYTES;
    let reading = pin!(async {
        // hyper may tell the end only when the next request comes.
        while !rest.is_end_stream()
            && let Ok(Some(Ok(frame))) = timeout(limits::UNREAD_IDLE, rest.frame()).await
        {
            let length = frame.data_ref().map_or(0, |data| data.len() as u64);
            let Some(fewer) = left.checked_sub(length) else { return };
            left = fewer;
        }
    });
    // Either way the connection knows by itself how it goes on.
    let _: Result<(), _> = timeout(limits::UNREAD_TIME, reading).await;
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        sync::{
            Arc,
            atomic::{AtomicU64, Ordering},
        },
        time::Duration,
    };

    use futures_util::{StreamExt as _, stream};
    use http_body_util::StreamBody;
    use tokio::time::{Instant, sleep};

    use super::*;

    const PIECE: u64 = 64 * 1024;

    /// Drops a body without an end, of which a piece comes in each such time, and returns how much of
    /// it was read, and for how long.
    async fn check(headers: &HeaderMap, pace: Duration) -> (u64, Duration) {
        let taken = Arc::new(AtomicU64::new(0));
        let count = taken.clone();
        let pieces = stream::repeat(Bytes::from(vec![0; PIECE as usize])).then(move |piece| {
            count.fetch_add(1, Ordering::Relaxed);
            async move {
                sleep(pace).await;
                Ok::<_, Infallible>(Frame::data(piece))
            }
        });
        let (tasks, begun) = (TaskTracker::new(), Instant::now());
        let body = StreamBody::new(Box::pin(pieces));
        drop(Arriving::new(body, headers, tasks.clone()));
        tasks.close();
        tasks.wait().await;
        (taken.load(Ordering::Relaxed), begun.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_is_thrown_away_than_the_limits_say() {
        let none = HeaderMap::new();
        let (pieces, _) = check(&none, Duration::ZERO).await;
        assert_eq!(pieces, limits::UNREAD_BYTES / PIECE + 1);
        let (_, time) = check(&none, Duration::from_secs(1)).await;
        assert!(time.abs_diff(limits::UNREAD_TIME) < Duration::from_millis(10), "{time:?}");
        let (pieces, time) = check(&none, limits::UNREAD_IDLE + Duration::from_secs(1)).await;
        assert_eq!(pieces, 1);
        assert!(time.abs_diff(limits::UNREAD_IDLE) < Duration::from_millis(10), "{time:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_asked_of_a_visitor_who_waits_to_be_asked() {
        let waits = HeaderMap::from_iter([(header::EXPECT, "100-continue".parse().unwrap())]);
        assert_eq!(check(&waits, Duration::ZERO).await, (0, Duration::ZERO));
    }
}
