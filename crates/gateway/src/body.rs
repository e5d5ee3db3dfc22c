//! Bodies on their way through the gateway.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use crosstalk::transaction::{Body, BodyError};
use http_body::{Body as _, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::task::TaskTracker;

use crate::{
    limits,
    meter::{LAST_CHUNK, Meter, Number},
};

/// Why a body ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CutBody {
    #[error("the body is shorter than was announced")]
    Short,
    #[error("nothing came for too long")]
    Idle,
}

/// How a body is framed on the visitor's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is none, whatever the headers say (`HEAD`, 204, 304).
    None,
    /// By its length.
    Length(u64),
    /// In chunks.
    Chunks,
    /// By the end of the connection (HTTP/1.0): only a reset shows that it was cut.
    Connection,
}

/// A response's body that tells a [`Meter`] what it gives, and ends with an error unless it is
/// exactly what its head announced.
pub(crate) struct Counted {
    /// The body while it goes on.
    inner: Option<Body>,
    /// Whatever shall live as long as the body: places and turns.
    held: Option<Box<dyn Send>>,
    framing: Framing,
    left: u64,
    /// Whether a trailer says that the body is not complete, and whether it did.
    may_end_early: bool,
    ends_early: bool,
    meter: Arc<Meter>,
    number: Number,
    idle: Idle,
    tasks: TaskTracker,
}

impl Counted {
    pub(crate) fn new(
        inner: Body,
        held: Option<Box<dyn Send>>,
        framing: Framing,
        meter: Arc<Meter>,
        number: Number,
        tasks: TaskTracker,
    ) -> Self {
        let left = match framing {
            Framing::None => 0,
            Framing::Length(length) => length,
            Framing::Chunks | Framing::Connection => u64::MAX,
        };
        let idle = Idle::new(limits::RESPONSE_IDLE);
        let mut counted = Self {
            inner: Some(inner),
            held,
            framing,
            left,
            may_end_early: false,
            ends_early: false,
            meter,
            number,
            idle,
            tasks,
        };
        if matches!(framing, Framing::None | Framing::Length(0))
            || counted
                .inner
                .as_ref()
                .is_some_and(|body| body.is_end_stream() && !framing.is_length())
        {
            counted.complete();
        }
        counted
    }

    /// Lets a trailer of the body, whatever it says, become `X-Complete: no` for the visitor, if the
    /// body goes out in chunks; else it is cut.
    pub(crate) fn ending_early(mut self, may: bool) -> Self {
        self.may_end_early = may;
        self
    }

    fn complete(&mut self) {
        let framing = if self.framing == Framing::Chunks { LAST_CHUNK.len() as u64 } else { 0 };
        self.meter.completed(self.number, framing);
        let (Some(inner), held) = (self.inner.take(), self.held.take()) else { return };
        if self.framing != Framing::None && !inner.is_end_stream() {
            see_off(inner, held, &self.tasks);
        }
    }

    fn cut(&mut self, why: BodyError) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.inner = None;
        self.held = None;
        Poll::Ready(Some(Err(why)))
    }
}

impl Framing {
    fn is_length(self) -> bool {
        matches!(self, Self::Length(_))
    }
}

/// Returns how much hyper writes around a chunk: its length in hexadecimal and two line ends.
fn around_chunk(length: u64) -> u64 {
    u64::from(length.checked_ilog(16).unwrap_or(0) + 1) + 4
}

/// Waits for the end of a body whose last byte has come. Its end may be a message of its own, and
/// dropping the body before it would tell the peer that the visitor left.
fn see_off(mut body: Body, held: Option<Box<dyn Send>>, tasks: &TaskTracker) {
    let mut context = Context::from_waker(std::task::Waker::noop());
    if Pin::new(&mut body).poll_frame(&mut context).is_ready() {
        return;
    }
    tasks.spawn(async move {
        let _held = held;
        let end = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context));
        let _ = tokio::time::timeout(limits::BODY_END_TIMEOUT, end).await;
    });
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        loop {
            if this.ends_early {
                ready!(this.meter.ending.poll_prepare(context));
                this.ends_early = false;
                this.inner = None;
                this.complete();
                return Poll::Ready(None);
            }
            let Some(inner) = &mut this.inner else { return Poll::Ready(None) };
            let frame = match Pin::new(inner).poll_frame(context) {
                Poll::Pending if this.idle.is_over(context) => {
                    return this.cut(CutBody::Idle.into());
                }
                Poll::Pending => return Poll::Pending,
                Poll::Ready(frame) => frame,
            };
            this.idle.restart();
            let frame = match frame {
                None if this.framing.is_length() && this.left > 0 => {
                    return this.cut(CutBody::Short.into());
                }
                None => {
                    this.complete();
                    return Poll::Ready(None);
                }
                Some(Err(error)) => return this.cut(error),
                Some(Ok(frame)) => frame,
            };
            if this.may_end_early && frame.is_trailers() {
                if this.framing != Framing::Chunks {
                    return this.cut(CutBody::Short.into());
                }
                this.ends_early = true;
                continue;
            }
            // Trailers are for one hop; hyper would need `Trailer`, which is stripped.
            let Ok(mut data) = frame.into_data() else { continue };
            data.truncate(usize::try_from(this.left).unwrap_or(usize::MAX));
            if data.is_empty() {
                continue;
            }
            let length = data.len() as u64;
            let framing = if this.framing == Framing::Chunks { around_chunk(length) } else { 0 };
            this.meter.gave(this.number, length, framing);
            let over = this.inner.as_ref().is_some_and(http_body::Body::is_end_stream);
            if this.framing.is_length() {
                this.left -= length;
                if this.left == 0 {
                    this.complete();
                }
            } else if over {
                this.complete();
            }
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match self.framing {
            Framing::None => SizeHint::with_exact(0),
            Framing::Length(_) => SizeHint::with_exact(self.left),
            Framing::Chunks | Framing::Connection => SizeHint::default(),
        }
    }
}

/// How far a request's body is.
#[derive(Default)]
pub(crate) struct Progress {
    /// Grows whenever the link takes some of it.
    taken: AtomicU64,
    broken: AtomicBool,
    stalled: AtomicBool,
}

impl Progress {
    /// Returns a number that grows whenever the link takes some of the body; 0 at its beginning.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Returns whether the visitor's connection gave something that is no body, or ended within it.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    /// Returns whether nothing more of it came for too long.
    pub(crate) fn is_stalled(&self) -> bool {
        self.stalled.load(Ordering::Acquire)
    }
}

/// A request's body that ends with an error when the visitor sends nothing for too long.
pub(crate) struct Upload<B> {
    inner: B,
    idle: Idle,
    progress: Arc<Progress>,
    over: bool,
}

impl<B> Upload<B> {
    pub(crate) fn new(inner: B, progress: Arc<Progress>) -> Self {
        Self { inner, idle: Idle::new(limits::REQUEST_IDLE), progress, over: false }
    }
}

impl<B> http_body::Body for Upload<B>
where
    B: http_body::Body<Data = Bytes, Error: Into<BodyError>> + Unpin,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.over {
            return Poll::Ready(None);
        }
        match Pin::new(&mut self.inner).poll_frame(context) {
            Poll::Pending if self.idle.is_over(context) => {
                self.over = true;
                self.progress.stalled.store(true, Ordering::Release);
                Poll::Ready(Some(Err(CutBody::Idle.into())))
            }
            Poll::Pending => Poll::Pending,
            Poll::Ready(frame) => {
                self.idle.restart();
                self.progress.taken.fetch_add(1, Ordering::Relaxed);
                if matches!(frame, Some(Err(_))) {
                    // Before the link hears of it, and with it whoever waits for the answer.
                    self.progress.broken.store(true, Ordering::Release);
                }
                Poll::Ready(frame.map(|result| result.map_err(Into::into)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.over || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A timer that only exists once something had to be waited for.
struct Idle {
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

impl Idle {
    fn new(limit: Duration) -> Self {
        Self { limit, timer: None, waiting: false }
    }

    /// Returns whether this wait took too long; the first call begins it.
    fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        let limit = self.limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(limit)));
        if !self.waiting {
            self.waiting = true;
            timer.as_mut().reset(Instant::now() + limit);
        }
        timer.as_mut().poll(context).is_ready()
    }

    fn restart(&mut self) {
        self.waiting = false;
    }
}
