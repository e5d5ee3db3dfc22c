//! A chunked body that ends with a trailer although nobody asked for one.
//!
//! hyper writes trailers only to who said `TE: trailers`. A relayed body whose sender went away must
//! tell everybody, so its last chunk is replaced on its way to the socket: hyper is held until all
//! before it was flushed, so the next thing that it writes is the last chunk.

use std::{
    io,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker, ready},
};

use super::{MeteredIo, Socket};

/// What hyper writes after the last chunk.
pub(crate) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// What is written instead of a body that is not complete.
pub(crate) const NOT_COMPLETE: &[u8] = b"0\r\nX-Complete: no\r\n\r\n";

/// How far a connection is with such an ending.
#[derive(Default)]
pub(crate) struct Ending {
    /// Whether the next thing that is written is the last chunk.
    next: AtomicBool,
    wanted: Mutex<Option<Waker>>,
}

impl Ending {
    /// Waits until everything before the last chunk has gone to the socket. Who was told so must let
    /// hyper write the last chunk next.
    pub(crate) fn poll_prepare(&self, context: &Context<'_>) -> Poll<()> {
        if self.is_next() {
            return Poll::Ready(());
        }
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        *wanted = Some(context.waker().clone());
        Poll::Pending
    }

    pub(super) fn is_next(&self) -> bool {
        self.next.load(Ordering::Relaxed)
    }

    pub(super) fn flushed(&self) {
        let wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = wanted {
            self.next.store(true, Ordering::Relaxed);
            waker.wake();
        }
    }
}

impl<S: Socket> MeteredIo<S> {
    /// Writes the unusual ending where hyper writes the last chunk.
    pub(super) fn write_ending(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if !bytes.starts_with(LAST_CHUNK) {
            // Cannot be; but if it were, a cut is always understood.
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        while self.ended < NOT_COMPLETE.len() {
            let rest = &NOT_COMPLETE[self.ended..];
            let result = self.act(|socket| socket.poll_write(context, rest));
            match ready!(self.note(context, result))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.ended += written,
            }
        }
        self.ended = 0;
        self.meter.ending.next.store(false, Ordering::Relaxed);
        Poll::Ready(Ok(LAST_CHUNK.len()))
    }
}
