//! How much of each response one visitor's connection took.
//!
//! What hyper was given and what the socket took differ by hyper's buffer, so both ends are
//! counted: [`Counted`](crate::body::Counted) tells what left the body, and [`MeteredIo`] what the
//! socket accepted. In between, positions in the outgoing stream tie the two together.
//!
//! Every byte of a body has a position in that stream that is known from above: what was written
//! when everything before it was flushed, plus all heads, framing and bodies since, heads rounded
//! up. If `end` is that bound for the last byte a body gave, then at most `end - written` of its
//! bytes are still in hyper's buffer, so at least the others were taken by the socket: the figure
//! is never too high. And whenever hyper flushes, its buffer is empty, so everything given was
//! taken: then the figure is exact, and positions are exact again.
//!
//! What the socket took may still lie in the system. [`crate::socket`] keeps that little, and who
//! has to know more looks at the socket itself ([`Meter::lend`]).

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use crosstalk::control::ReceiptState;
use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::{
    net::TcpStream,
    sync::oneshot,
    time::{Sleep, sleep},
};

use crate::{body::Framing, limits};

mod ending;

pub(crate) use ending::{Ending, LAST_CHUNK};

/// Whoever wants to know how much of one response was taken. Dropped unfinished, it was cut.
pub(crate) trait Report: Send {
    /// Notes how much was delivered up to now.
    fn delivered(&self, bytes: u64);

    /// Notes how it ended.
    fn finish(self: Box<Self>, delivered: u64, state: ReceiptState);
}

/// What the visitor's connection took, by transaction.
#[derive(Default)]
pub(crate) struct Meter {
    stream: Mutex<Stream>,
    /// Grows with everything that is read or written, to tell an idle connection.
    activity: AtomicU64,
    /// How much was read, and how often the connection said that there is no more.
    heard: AtomicU64,
    /// Whether the connection broke instead of ending.
    broken: AtomicBool,
    /// Whether the socket is being read or written: what went wrong with it may be known to nobody else
    /// until it is noted.
    busy: AtomicBool,
    /// Whether the connection is about to become a link.
    link: AtomicBool,
    /// Whether somebody waits in `lend`.
    lends: AtomicBool,
    lend: Mutex<Lend>,
    pub(crate) ending: Ending,
}

/// Who waits for another handle of the socket.
#[derive(Default)]
struct Lend {
    waiting: Vec<oneshot::Sender<TcpStream>>,
    /// Whether there is no socket any more.
    gone: bool,
}

/// The outgoing stream of a connection.
#[derive(Default)]
struct Stream {
    /// How many bytes the socket took.
    written: u64,
    /// The highest position at which the last byte that hyper was given can be.
    end: u64,
    /// The responses that were begun and not wholly written, in order.
    open: VecDeque<Response>,
    /// The number of the next response.
    next: u64,
}

struct Response {
    number: u64,
    /// How much left the body.
    given: u64,
    /// The highest position at which the last of it can be.
    end: u64,
    /// How much of it the socket took at least.
    delivered: u64,
    /// Whether the body ended as it should.
    complete: bool,
    /// How the body is framed. One that lasts until the connection ends looks complete whenever the
    /// connection ends in order.
    framing: Framing,
    report: Option<Box<dyn Report>>,
}

/// One response of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Number(u64);

impl Meter {
    fn stream(&self) -> MutexGuard<'_, Stream> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a response begins with a head of at most `head` bytes. Must be the last thing
    /// before hyper is given the response, since it writes the head in the same turn.
    pub(crate) fn begin(
        &self,
        head: u64,
        framing: Framing,
        report: Option<Box<dyn Report>>,
    ) -> Number {
        let mut stream = self.stream();
        stream.end += head;
        let (number, end) = (stream.next, stream.end);
        stream.next += 1;
        let (given, delivered, complete) = (0, 0, false);
        let response = Response { number, given, end, delivered, complete, framing, report };
        stream.open.push_back(response);
        Number(number)
    }

    /// Notes that a body gave some bytes, and hyper adds at most `framing` around them.
    pub(crate) fn gave(&self, number: Number, bytes: u64, framing: u64) {
        let mut stream = self.stream();
        stream.end += bytes + framing;
        let end = stream.end;
        if let Some(response) = stream.response(number) {
            response.given += bytes;
            response.end = end;
        }
    }

    /// Notes that a body ended as it should, and hyper adds at most `framing` after it.
    pub(crate) fn completed(&self, number: Number, framing: u64) {
        let mut stream = self.stream();
        stream.end += framing;
        let end = stream.end;
        if let Some(response) = stream.response(number) {
            response.complete = true;
            response.end = end;
        }
    }

    /// Returns a figure that has grown since, if anything was read or written since.
    pub(crate) fn activity(&self) -> u64 {
        self.activity.load(Ordering::Relaxed)
    }

    /// Returns a figure that has grown since, if the other end said anything since: another request,
    /// or that it has nothing more to say.
    pub(crate) fn heard(&self) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }

    /// Returns whether the connection broke instead of ending; `None` while it is not certain.
    ///
    /// Whoever asked the socket itself must have done so before: it tells an error once, to whoever
    /// comes first.
    pub(crate) fn is_broken(&self) -> Option<bool> {
        // What was begun before the socket was asked is over now, and noted, or it is seen here.
        let is_certain = !self.busy.load(Ordering::SeqCst);
        is_certain.then(|| self.broken.load(Ordering::Relaxed))
    }

    /// Returns how many bytes the socket took since the connection began.
    pub(crate) fn written(&self) -> u64 {
        self.stream().written
    }

    /// Asks for another handle of the connection's socket, to look at and never to read or write; it
    /// keeps the connection open. It comes when hyper flushes next, at the end of its turn; it never
    /// comes when the system has none to give or the connection is gone.
    pub(crate) fn lend(&self) -> oneshot::Receiver<TcpStream> {
        let (sender, receiver) = oneshot::channel();
        let mut lend = self.lend_list();
        if !lend.gone {
            lend.waiting.push(sender);
            self.lends.store(true, Ordering::Relaxed);
        }
        receiver
    }

    fn lend_to_all(&self, duplicate: impl Fn() -> io::Result<TcpStream>) {
        let mut lend = self.lend_list();
        self.lends.store(false, Ordering::Relaxed);
        for sender in lend.waiting.drain(..) {
            match duplicate() {
                // Who does not wait any more needs none.
                Ok(socket) => drop(sender.send(socket)),
                Err(error) => tracing::debug!(%error, "The system gives no second handle"),
            }
        }
    }

    fn lend_list(&self) -> MutexGuard<'_, Lend> {
        self.lend.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_error(&self, error: &io::Error) {
        if !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) {
            self.broken.store(true, Ordering::Relaxed);
        }
    }

    /// Notes that the connection becomes a link with the next thing that is written.
    pub(crate) fn becomes_link(&self) {
        self.link.store(true, Ordering::Relaxed);
    }

    fn wrote(&self, bytes: usize) {
        self.activity.fetch_add(bytes as u64, Ordering::Relaxed);
        let mut stream = self.stream();
        stream.written += bytes as u64;
        let written = stream.written;
        for response in &mut stream.open {
            response.reached(written);
        }
    }

    fn flushed(&self) {
        let mut stream = self.stream();
        stream.end = stream.written;
        let written = stream.written;
        for response in &mut stream.open {
            response.end = written;
            response.reached(written);
        }
        stream.open.retain_mut(|response| {
            if response.complete {
                response.finish(ReceiptState::Complete);
            }
            !response.complete
        });
    }

    /// Notes that the connection is gone, and returns whether it shall be reset, because its
    /// orderly end would look as if a response were complete that is not.
    fn closed(&self) -> bool {
        *self.lend_list() = Lend { waiting: Vec::new(), gone: true };
        let mut looks_complete = false;
        for mut response in self.stream().open.drain(..) {
            looks_complete |= response.framing == Framing::Connection;
            response.finish(ReceiptState::Cut);
        }
        looks_complete
    }
}

impl Stream {
    fn response(&mut self, number: Number) -> Option<&mut Response> {
        // Nearly always the only one.
        self.open.iter_mut().rfind(|response| response.number == number.0)
    }
}

impl Response {
    fn reached(&mut self, written: u64) {
        let at_least = self.given.saturating_sub(self.end.saturating_sub(written));
        if at_least > self.delivered {
            self.delivered = at_least;
            if let Some(report) = &self.report {
                report.delivered(at_least);
            }
        }
    }

    fn finish(&mut self, state: ReceiptState) {
        if let Some(report) = self.report.take() {
            report.finish(self.delivered, state);
        }
    }
}

/// A visitor's socket that tells a [`Meter`] what it takes, and gives up when it takes nothing
/// for too long.
pub(crate) struct MeteredIo<S: Socket> {
    socket: S,
    meter: Arc<Meter>,
    /// Runs while the socket takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Whether the socket took nothing since everything was written last.
    was_full: bool,
    /// How much of an unusual ending was written.
    ended: usize,
}

/// What a visitor's socket can do.
pub(crate) trait Socket: Read + Write + Unpin + Send + 'static {
    /// Prepares the connection for a peer that stays, instead of a visitor who may stall.
    fn become_link(&mut self);

    /// Makes the end of the connection a reset, so that it looks like an accident.
    fn reset_at_end(&mut self);

    /// Returns another handle of the same socket.
    fn duplicate(&self) -> io::Result<TcpStream>;
}

impl<S: Socket> MeteredIo<S> {
    pub(crate) fn new(socket: S, meter: Arc<Meter>) -> Self {
        Self { socket, meter, stalled: None, was_full: false, ended: 0 }
    }

    /// Reads or writes, and notes what went wrong.
    fn act<T>(
        &mut self,
        act: impl FnOnce(Pin<&mut S>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        self.meter.busy.store(true, Ordering::SeqCst);
        let result = act(Pin::new(&mut self.socket));
        if let Poll::Ready(Err(error)) = &result {
            self.meter.note_error(error);
        }
        self.meter.busy.store(false, Ordering::SeqCst);
        result
    }

    fn note(
        &mut self,
        context: &mut Context<'_>,
        result: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match result {
            Poll::Ready(result) => {
                self.stalled = None;
                if let Ok(bytes) = &result {
                    self.meter.wrote(*bytes);
                }
                Poll::Ready(result)
            }
            Poll::Pending => {
                self.was_full = true;
                let stalled =
                    self.stalled.get_or_insert_with(|| Box::pin(sleep(limits::WRITE_STALL)));
                ready!(stalled.as_mut().poll(context));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl<S: Socket> Drop for MeteredIo<S> {
    fn drop(&mut self) {
        if self.meter.closed() {
            self.socket.reset_at_end();
        }
    }
}

impl<S: Socket> Read for MeteredIo<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let result = self.act(|socket| socket.poll_read(context, buffer));
        if let Poll::Ready(Ok(())) = &result {
            self.meter.activity.fetch_add(1, Ordering::Relaxed);
            self.meter.heard.fetch_add(1, Ordering::Relaxed);
        }
        result
    }
}

impl<S: Socket> Write for MeteredIo<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.meter.ending.is_next() {
            return self.write_ending(context, bytes);
        }
        let result = self.act(|socket| socket.poll_write(context, bytes));
        self.note(context, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.meter.ending.is_next() {
            let first = slices.iter().find(|slice| !slice.is_empty());
            return self.write_ending(context, first.map_or(&[][..], |first| first));
        }
        let result = self.act(|socket| socket.poll_write_vectored(context, slices));
        self.note(context, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.socket).poll_flush(context))?;
        if std::mem::take(&mut self.was_full) {
            // A request whose body ended while the response before it was waiting for this may have been
            // followed by the next head, and hyper then forgets to begin with that one (1.12): its loop
            // has to come round once more.
            context.waker().wake_by_ref();
        }
        self.meter.flushed();
        self.meter.ending.flushed();
        if self.meter.lends.load(Ordering::Relaxed) {
            self.meter.lend_to_all(|| self.socket.duplicate());
        }
        if self.meter.link.swap(false, Ordering::Relaxed) {
            self.socket.become_link();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
