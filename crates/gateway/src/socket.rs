//! The options of a visitor's socket.
//!
//! "Delivered" is what the socket took. Where the system lets us, only little may lie in it unsent
//! ([`crate::limits::UNSENT_BYTES`]), so that the figure is near to what the visitor has; elsewhere
//! the system's whole send buffer may be in between (some hundred KiB, a few MiB on a fast line),
//! and the figure is as much ahead of the visitor.

use std::{io, time::Duration};

use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::net::TcpStream;

use crate::meter::Socket;

/// Prepares the socket of a visitor.
pub(crate) fn prepare(socket: &TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    limit_unsent(socket)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn limit_unsent(socket: &TcpStream) -> io::Result<()> {
    SockRef::from(socket).set_tcp_notsent_lowat(crate::limits::UNSENT_BYTES)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn limit_unsent(_socket: &TcpStream) -> io::Result<()> {
    Ok(())
}

impl Socket for TokioIo<TcpStream> {
    fn become_link(&mut self) {
        if let Err(error) = carriers::socket::prepare(self.inner()) {
            tracing::debug!(%error, "The system does not take an option for a link");
        }
    }

    fn reset_at_end(&mut self) {
        // If it fails, the connection is gone already.
        let _ = SockRef::from(self.inner()).set_linger(Some(Duration::ZERO));
    }

    fn duplicate(&self) -> io::Result<TcpStream> {
        let socket = SockRef::from(self.inner()).try_clone()?;
        TcpStream::from_std(socket.into())
    }
}
