//! The connection below a link: it can be cut from outside, and it remembers when it last heard
//! from the other side.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures_util::task::AtomicWaker;
use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::Timing;

/// A connection that [`LineHandle`] watches.
pub(crate) struct Line<T> {
    connection: T,
    state: Arc<State>,
    /// Whether something was read since the reader was here last.
    fresh: bool,
}

/// What one can know of a [`Line`], and do to it, while HTTP owns it.
#[derive(Clone)]
pub(crate) struct LineHandle(Arc<State>);

/// Cuts a line when it is dropped.
pub(crate) struct CutOnDrop(Option<LineHandle>);

struct State {
    cut: AtomicBool,
    cut_token: CancellationToken,
    gone: CancellationToken,
    reader: AtomicWaker,
    writer: AtomicWaker,
    digested: AtomicWaker,
    begun: Instant,
    heard_millis: AtomicU64,
}

impl<T> Line<T> {
    pub(crate) fn new(connection: T) -> (Self, LineHandle) {
        let state = Arc::new(State {
            cut: AtomicBool::new(false),
            cut_token: CancellationToken::new(),
            gone: CancellationToken::new(),
            reader: AtomicWaker::new(),
            writer: AtomicWaker::new(),
            digested: AtomicWaker::new(),
            begun: Instant::now(),
            heard_millis: AtomicU64::new(0),
        });
        (Self { connection, state: Arc::clone(&state), fresh: false }, LineHandle(state))
    }
}

impl LineHandle {
    /// Ends the connection: whoever reads or writes it gets an error.
    pub(crate) fn cut(&self) {
        self.0.cut.store(true, Ordering::SeqCst);
        self.0.cut_token.cancel();
        self.0.reader.wake();
        self.0.writer.wake();
    }

    pub(crate) fn cut_on_drop(&self) -> CutOnDrop {
        CutOnDrop(Some(self.clone()))
    }

    /// Waits until somebody calls [`LineHandle::cut`].
    pub(crate) async fn was_cut(&self) {
        self.0.cut_token.cancelled().await;
    }

    /// Waits until nobody owns the connection any more.
    pub(crate) async fn gone(&self) {
        self.0.gone.cancelled().await;
    }

    /// Wakes this task when the reader comes back after it has used what it read.
    pub(crate) fn wake_when_digested(&self, waker: &Waker) {
        self.0.digested.register(waker);
    }

    /// Waits until the other side was silent for longer than the timing allows.
    ///
    /// Any byte counts as a sign of life, not only the answer to a ping: on a slow line that
    /// answer waits behind everything that is being sent.
    pub(crate) async fn silent(&self, timing: Timing) {
        let limit = timing.ping_every + timing.ping_timeout;
        // After a pause of this whole computer, bytes wait that nobody had the time to read.
        let mercy = timing.ping_timeout / 10;
        loop {
            let quiet = self.quiet();
            if quiet + mercy < limit {
                tokio::time::sleep(limit - mercy - quiet).await;
                continue;
            }
            tokio::time::sleep(mercy).await;
            if self.quiet() + mercy / 2 >= limit {
                return;
            }
        }
    }

    fn quiet(&self) -> Duration {
        self.now().saturating_sub(self.heard())
    }

    /// Returns the time since the line began.
    pub(crate) fn now(&self) -> Duration {
        self.0.begun.elapsed()
    }

    /// Returns when, by [`LineHandle::now`], the last sign of life came.
    pub(crate) fn heard(&self) -> Duration {
        Duration::from_millis(self.0.heard_millis.load(Ordering::Relaxed))
    }

    /// Returns this moment by [`LineHandle::now`] as the clock has it.
    pub(crate) fn moment(&self, at: Duration) -> Instant {
        self.0.begun + at
    }

    /// Returns a handle of no connection, for a link that has one after the other: it is cut like
    /// any other, and told of signs of life by [`LineHandle::hear`].
    pub(crate) fn alone() -> Self {
        Line::new(()).1
    }

    /// Notes a sign of life that came some other way than through a [`Line`].
    pub(crate) fn hear(&self) {
        self.0.hear();
    }
}

impl CutOnDrop {
    /// Leaves the line as it is.
    pub(crate) fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for CutOnDrop {
    fn drop(&mut self) {
        if let Some(line) = &self.0 {
            line.cut();
        }
    }
}

impl State {
    fn hear(&self) {
        let now = self.begun.elapsed().as_millis();
        self.heard_millis.store(u64::try_from(now).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn check<R>(
        &self,
        waker: &AtomicWaker,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        let error = || Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        if self.cut.load(Ordering::Relaxed) {
            return error();
        }
        let polled = poll(cx);
        if polled.is_pending() {
            waker.register(cx.waker());
            // The cut may have come between the look above and the registration.
            if self.cut.load(Ordering::SeqCst) {
                return error();
            }
        }
        polled
    }
}

impl<T: Read + Unpin> Read for Line<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { connection, state, fresh } = self.get_mut();
        if std::mem::take(fresh) {
            state.digested.wake();
        }
        let polled =
            state.check(&state.reader, cx, |cx| Pin::new(connection).poll_read(cx, buffer));
        if matches!(polled, Poll::Ready(Ok(()))) {
            state.hear();
            *fresh = true;
        }
        polled
    }
}

impl<T: Write + Unpin> Write for Line<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Self { connection, state, .. } = self.get_mut();
        state.check(&state.writer, cx, |cx| Pin::new(connection).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { connection, state, .. } = self.get_mut();
        state.check(&state.writer, cx, |cx| Pin::new(connection).poll_write_vectored(cx, parts))
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { connection, state, .. } = self.get_mut();
        state.check(&state.writer, cx, |cx| Pin::new(connection).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { connection, state, .. } = self.get_mut();
        state.check(&state.writer, cx, |cx| Pin::new(connection).poll_shutdown(cx))
    }
}

impl<T> Drop for Line<T> {
    fn drop(&mut self) {
        self.state.gone.cancel();
    }
}
