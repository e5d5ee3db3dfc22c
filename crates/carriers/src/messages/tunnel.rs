//! WebSockets: transactions whose bodies are raw bytes in both directions.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use crosstalk::transactions::{AbortCode, Read};
use http::Extensions;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::shared::Handle;

/// Both bodies of a transaction as one connection. Dropping it ends the transaction.
pub(crate) struct Channel {
    handle: Handle,
    /// What was read and not yet asked for.
    rest: Bytes,
    read_all: bool,
    wrote_all: bool,
}

/// A [`Channel`] in the extensions of a 101 response, for whoever takes it first.
#[derive(Clone)]
pub(crate) struct Offered(Arc<Mutex<Option<Channel>>>);

impl Offered {
    pub(super) fn new(channel: Channel) -> Self {
        Self(Arc::new(Mutex::new(Some(channel))))
    }

    /// Takes the channel out of a response's extensions.
    pub(crate) fn take(extensions: &mut Extensions) -> Option<Channel> {
        let offered = extensions.remove::<Self>()?;
        offered.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Channel {
    /// Begins with bytes that were read already, and says whether they were the last.
    pub(super) fn new(handle: Handle, rest: Option<Bytes>, read_all: bool) -> Self {
        Self { handle, rest: rest.unwrap_or_default(), read_all, wrote_all: false }
    }

    /// Lets go of the transaction without ending it: there is no WebSocket.
    pub(super) fn decline(mut self) {
        let id = self.handle.id;
        self.handle.shared.with(|state| state.transactions.stop_reading(id));
        (self.read_all, self.wrote_all) = (true, true);
    }

    /// Fills the rest if it is empty and there is more.
    fn poll_rest(&mut self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        if !self.rest.is_empty() || self.read_all {
            return Poll::Ready(Ok(()));
        }
        let id = self.handle.id;
        let read = self.handle.shared.with(|state| {
            if state.was_aborted_here(id) {
                return Read::Aborted(AbortCode::Cancelled);
            }
            let read = state.transactions.read(id);
            if read != Read::Blocked {
                return read;
            }
            if state.is_over(id) {
                return Read::Aborted(AbortCode::Failed);
            }
            if let Some(exchange) = state.exchange(id) {
                exchange.wake_reader_with(cx);
            }
            Read::Blocked
        });
        match read {
            Read::Data(bytes) => self.rest = bytes,
            Read::End => self.read_all = true,
            Read::Blocked => return Poll::Pending,
            Read::Aborted(code) => {
                return Poll::Ready(Err(io::Error::new(
                    io::ErrorKind::ConnectionAborted,
                    code.as_str(),
                )));
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Channel {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_rest(cx))?;
        let length = this.rest.len().min(buffer.remaining());
        buffer.put_slice(&this.rest[..length]);
        this.rest.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Channel {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let id = this.handle.id;
        this.handle.shared.with(|state| {
            if state.is_over(id) || this.wrote_all {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            if state.exchange(id).is_some_and(|exchange| exchange.unwanted) {
                // Who talks to nobody is told so, but not before everything is heard that was said.
                return Poll::Ready(if this.read_all {
                    Err(io::ErrorKind::BrokenPipe.into())
                } else {
                    Ok(bytes.len())
                });
            }
            let length = state.transactions.room(id).min(bytes.len());
            if length == 0 && !bytes.is_empty() {
                if let Some(exchange) = state.exchange(id) {
                    exchange.wake_writer_with(cx);
                }
                return Poll::Pending;
            }
            let mut taken = Bytes::copy_from_slice(&bytes[..length]);
            state.transactions.write(id, &mut taken, false);
            Poll::Ready(Ok(length - taken.len()))
        })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The driver sends what is there without being asked.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.wrote_all {
            this.wrote_all = true;
            let id = this.handle.id;
            this.handle.shared.with(|state| {
                state.transactions.write(id, &mut Bytes::new(), true);
            });
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        if !(self.read_all && self.wrote_all) {
            self.handle.abort(AbortCode::Cancelled);
        }
    }
}
