//! The peer's connections towards a gateway, with and without TLS.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use crosstalk::address::GatewayAddress;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::DialError;

/// How long name, connection and TLS together may take.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// Which certificates a peer believes.
#[derive(Clone, Debug, Default)]
pub enum Roots {
    /// Those of the operating system.
    #[default]
    System,
    /// Only these, for gateways with a certificate of their own (DER).
    Only(Vec<rustls::pki_types::CertificateDer<'static>>),
}

/// A connection to a gateway.
#[derive(Debug)]
pub struct Stream {}

/// Connects to a gateway: TCP, and TLS when the address is `https`.
///
/// TLS offers `http/1.1` only, since an upgrade cannot begin on HTTP/2. Names below `localhost`
/// are this computer (RFC 6761 §6.3), whatever the system's resolver thinks.
///
/// # Errors
/// [`DialError::Unreachable`], [`DialError::Certificate`], [`DialError::NotAGateway`] (what
/// answers does not speak TLS) or [`DialError::TimedOut`].
pub async fn connect(gateway: &GatewayAddress, roots: &Roots) -> Result<Stream, DialError> {
    let _ = (gateway, roots);
    unimplemented!()
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        _buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        unimplemented!()
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        _buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        unimplemented!()
    }
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        unimplemented!()
    }
    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        unimplemented!()
    }
}
