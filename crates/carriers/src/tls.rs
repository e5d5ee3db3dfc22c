//! The peer's connections towards a gateway, with and without TLS.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Duration,
};

use crosstalk::address::GatewayAddress;
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use url::Host;

use crate::{
    DialError,
    certificate::{self, CertificateError},
    socket,
};

/// How long name, connection and TLS together may take.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// How long one address may be tried alone before the next one is tried beside it (RFC 8305 §5).
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

/// How many addresses of one name are tried; more than that is no gateway's.
const MAX_ADDRESSES: usize = 8;

/// The name of Petrichor in TLS, the same as in `Upgrade`.
pub(crate) const PETRICHOR_ALPN: &[u8] = b"petrichor/1";

/// Which certificates a peer believes.
#[derive(Clone, Debug, Default)]
pub enum Roots {
    /// Those of the operating system.
    #[default]
    System,
    /// Only these, for gateways with a certificate of their own (DER).
    Only(Vec<rustls::pki_types::CertificateDer<'static>>),
}

impl Roots {
    /// Reads certificates that are to be believed, and no others: a PEM file.
    ///
    /// # Errors
    /// [`CertificateError::Unreadable`], [`CertificateError::Empty`].
    pub fn read(file: &Path) -> Result<Self, CertificateError> {
        certificate::read_chain(file).map(Self::Only)
    }
}

/// A connection to a gateway.
#[derive(Debug)]
pub struct Stream(Kind);

#[derive(Debug)]
enum Kind {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Connects to a gateway: TCP, and TLS when the address is `https` or `petrichor+tls`.
///
/// TLS offers `http/1.1` only, since an upgrade cannot begin on HTTP/2; to a port for Petrichor it
/// offers that instead, so that no web server takes the connection by mistake. Names below `localhost`
/// are this computer (RFC 6761 §6.3), whatever the system's resolver thinks.
///
/// # Errors
/// [`DialError::Unreachable`], [`DialError::Certificate`], [`DialError::NotAGateway`] (what
/// answers does not speak TLS) or [`DialError::TimedOut`].
pub async fn connect(gateway: &GatewayAddress, roots: &Roots) -> Result<Stream, DialError> {
    let connected = timeout(CONNECT_TIMEOUT, async {
        let addresses = resolve(gateway).await.map_err(DialError::Unreachable)?;
        let socket = first_connected(addresses).await.map_err(DialError::Unreachable)?;
        socket::prepare(&socket).map_err(DialError::Unreachable)?;
        if !gateway.is_secure() {
            return Ok(Stream(Kind::Plain(socket)));
        }
        let name = match gateway.host().clone() {
            Host::Domain(name) => ServerName::try_from(name)
                .map_err(|error| DialError::Unreachable(io::Error::other(error)))?,
            Host::Ipv4(ip) => ServerName::IpAddress(IpAddr::V4(ip).into()),
            Host::Ipv6(ip) => ServerName::IpAddress(IpAddr::V6(ip).into()),
        };
        let mut config = config(roots).map_err(DialError::Certificate)?;
        if gateway.is_petrichor() {
            Arc::make_mut(&mut config).alpn_protocols = vec![PETRICHOR_ALPN.to_vec()];
        }
        let connector = TlsConnector::from(config);
        let stream = connector.connect(name, socket).await.map_err(tls_error)?;
        Ok(Stream(Kind::Tls(Box::new(stream))))
    });
    connected.await.unwrap_or(Err(DialError::TimedOut))
}

impl Stream {
    /// Without TLS.
    pub(crate) fn plain(socket: TcpStream) -> Self {
        Self(Kind::Plain(socket))
    }

    /// Returns the connection itself, if it is without TLS.
    pub(crate) fn into_plain(self) -> Option<TcpStream> {
        match self.0 {
            Kind::Plain(socket) => Some(socket),
            Kind::Tls(_) => None,
        }
    }

    /// With TLS.
    pub(crate) fn secure(stream: TlsStream<TcpStream>) -> Self {
        Self(Kind::Tls(Box::new(stream)))
    }
}

async fn resolve(gateway: &GatewayAddress) -> io::Result<Vec<SocketAddr>> {
    resolve_host(gateway.host(), gateway.port()).await
}

/// Returns the addresses of a host, in the order in which they are to be tried.
pub(crate) async fn resolve_host(host: &Host, port: u16) -> io::Result<Vec<SocketAddr>> {
    let ips: Vec<IpAddr> = match host {
        Host::Ipv4(ip) => vec![(*ip).into()],
        Host::Ipv6(ip) => vec![(*ip).into()],
        Host::Domain(name) if is_localhost(name) => {
            vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
        }
        Host::Domain(name) => {
            let found = tokio::net::lookup_host((name.as_str(), port)).await?;
            alternate(found.map(|address| address.ip()))
        }
    };
    Ok(ips.into_iter().take(MAX_ADDRESSES).map(|ip| SocketAddr::new(ip, port)).collect())
}

pub(crate) fn is_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

/// Lets the two families take turns, beginning with the one the system put first (RFC 8305 §4).
fn alternate(ips: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let ips: Vec<IpAddr> = ips.collect();
    let starts_with_v6 = ips.first().is_some_and(IpAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        ips.into_iter().partition(|ip| ip.is_ipv6() == starts_with_v6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut turns = Vec::new();
    loop {
        match (first.next(), second.next()) {
            (None, None) => return turns,
            (one, other) => turns.extend(one.into_iter().chain(other)),
        }
    }
}

/// Connects to the first address that answers, giving each a head start over the next.
pub(crate) async fn first_connected(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut waiting = addresses.into_iter();
    let mut attempts = FuturesUnordered::new();
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    loop {
        if attempts.is_empty() {
            let Some(address) = waiting.next() else { return Err(failure) };
            attempts.push(TcpStream::connect(address));
        }
        tokio::select! {
            Some(attempt) = attempts.next() => match attempt {
                Ok(stream) => return Ok(stream),
                Err(error) => {
                    failure = error;
                    attempts.extend(waiting.next().map(TcpStream::connect));
                }
            },
            () = sleep(NEXT_ADDRESS_AFTER), if waiting.len() > 0 => {
                attempts.extend(waiting.next().map(TcpStream::connect));
            }
        }
    }
}

/// Returns how TLS is spoken; what `alpn_protocols` it offers is HTTP/1.1's.
pub(crate) fn config(roots: &Roots) -> io::Result<Arc<ClientConfig>> {
    static SYSTEM: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    match roots {
        Roots::System => {
            // Reading the system's certificates takes tens of milliseconds, and links are dialled
            // again and again.
            if let Some(config) = SYSTEM.get() {
                return Ok(Arc::clone(config));
            }
            let config = builder()?.with_platform_verifier().map_err(io::Error::other)?;
            let config = finish(config.with_no_client_auth());
            Ok(Arc::clone(SYSTEM.get_or_init(|| config)))
        }
        Roots::Only(certificates) => {
            let mut store = RootCertStore::empty();
            for certificate in certificates {
                store.add(certificate.clone()).map_err(io::Error::other)?;
            }
            Ok(finish(builder()?.with_root_certificates(store).with_no_client_auth()))
        }
    }
}

fn builder() -> io::Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>> {
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)
}

fn finish(mut config: ClientConfig) -> Arc<ClientConfig> {
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

fn tls_error(error: io::Error) -> DialError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => {
            DialError::Certificate(error)
        }
        Some(rustls::Error::InvalidMessage(_)) => DialError::NotAGateway,
        _ => DialError::Unreachable(error),
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Kind::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Kind::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Kind::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Kind::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Kind::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, parts),
            Kind::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.0 {
            Kind::Plain(stream) => stream.is_write_vectored(),
            Kind::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Kind::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Kind::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Kind::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Kind::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let ips = ["2001:db8::1", "2001:db8::2", "2001:db8::3", "192.0.2.1"];
        let ips = ips.map(|ip| ip.parse::<IpAddr>().unwrap());
        assert_eq!(alternate(ips.into_iter()), [ips[0], ips[3], ips[1], ips[2]]);
    }

    #[tokio::test]
    async fn names_below_localhost_are_this_computer() {
        for name in ["localhost", "photos.localhost"] {
            let gateway = GatewayAddress::parse(&format!("http://{name}:81")).unwrap();
            let found = resolve(&gateway).await.unwrap();
            assert!(found.iter().all(|address| address.ip().is_loopback() && address.port() == 81));
            assert_eq!(found.len(), 2);
        }
    }

    #[tokio::test]
    async fn an_address_that_refuses_does_not_hide_the_next() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap();
        let closed = {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            listener.local_addr().unwrap()
        };
        let stream = first_connected(vec![closed, open]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), open);
        assert!(first_connected(vec![closed]).await.is_err());
    }
}
