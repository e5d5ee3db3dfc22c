//! The way to an account's server: its place, TCP, TLS, and the stream's features.

use std::{io, net::IpAddr, sync::Arc, time::Duration};

use rustls::{ProtocolVersion, pki_types::ServerName};
use socket2::{SockRef, TcpKeepalive};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};
use url::Host;
use xmpp_parsers::{minidom::Element, ns};

use super::{
    Login, LoginError,
    dns::{self, Resolver, Target},
    stanza,
    stream::XmlStream,
};
use crate::tls::{self, Stream};

/// How long one server may take until its features are there; then the next one is tried.
const SERVER_TIMEOUT: Duration = Duration::from_secs(12);

/// The ports where TLS usually begins at once: registered by use, and the one that every firewall
/// lets through.
const DIRECT_PORTS: [u16; 2] = [5223, 443];

/// The name of XMPP's clients in TLS (XEP-0368 §2).
const ALPN: &[u8] = b"xmpp-client";

/// For how long bytes may stay unacknowledged. A server that limits the rate may well keep its window
/// shut for half a minute, and Linux counts that as well.
#[cfg(any(target_os = "linux", target_os = "android"))]
const USER_TIMEOUT: Duration = Duration::from_secs(180);

/// How many bytes wait in the system for a server that takes them slowly. What is written later, as a
/// ping, waits behind them: at 3 kB/s these are twenty seconds.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNSENT: u32 = 64 * 1024;

/// What the way to a server depends on.
pub(super) struct Network {
    /// Who is asked for SRV records.
    pub(super) resolver: Resolver,
    /// Which addresses are this computer's own, where nobody is in between.
    pub(super) is_here: fn(IpAddr) -> bool,
    /// See [`Times`].
    pub(super) times: Times,
}

/// How long what may take.
#[derive(Clone, Copy)]
pub(super) struct Times {
    /// A whole login, with all servers of the domain.
    pub(super) login: Duration,
    /// Silence of the line, until the server is asked for a sign of life (XEP-0199).
    pub(super) ping_after: Duration,
    /// And from then on until the line is given up. A server that limits the rate to 10 kB/s reads
    /// the question half a minute late, and answers in the order in which it reads.
    pub(super) answer: Duration,
}

/// A stream to the right server, on which nobody can listen, and its features.
pub(super) struct Connected {
    pub(super) stream: XmlStream<Stream>,
    pub(super) features: Element,
    /// What ties a login to this connection (RFC 9266), where TLS is new enough.
    pub(super) binding: Option<Vec<u8>>,
}

impl Network {
    /// As the operating system has it.
    pub(super) fn system() -> Self {
        Self {
            resolver: Resolver::System,
            is_here: |ip| ip.to_canonical().is_loopback(),
            times: Times {
                login: Duration::from_secs(30),
                ping_after: Duration::from_secs(25),
                answer: Duration::from_secs(90),
            },
        }
    }
}

/// Finds the account's server and opens a stream to it.
pub(super) async fn connect(login: &Login, network: &Network) -> Result<Connected, LoginError> {
    let domain = login.jid.domain().as_str();
    let no_server =
        |error| LoginError::NoServer(io::Error::new(io::ErrorKind::InvalidInput, error));
    let host = Host::parse(domain).map_err(no_server)?;
    let targets = match &login.server {
        Some((host, port)) => {
            let target = |direct| Target { host: host.clone(), port: *port, direct };
            let direct = DIRECT_PORTS.contains(port);
            vec![target(direct), target(!direct)]
        }
        None => dns::targets(&host.to_string(), &network.resolver).await?,
    };
    let mut problem = None;
    for target in targets {
        // The other way of the same address only when the first was not understood.
        if login.server.is_some() && !problem.as_ref().is_none_or(is_not_understood) {
            break;
        }
        let attempt = timeout(SERVER_TIMEOUT, open(&target, login, &host, network));
        match attempt.await.unwrap_or(Err(LoginError::TimedOut)) {
            Ok(connected) => return Ok(connected),
            Err(error) => {
                tracing::debug!(direct = target.direct, %error, "A server of the account did not answer");
                problem = Some(match problem {
                    Some(before) if tells_more(&before, &error) => before,
                    _ => error,
                });
            }
        }
    }
    Err(problem.unwrap_or(LoginError::NotXmpp))
}

/// Returns whether the server may speak TLS where we did not, or the other way round.
fn is_not_understood(problem: &LoginError) -> bool {
    // Who closes without reading what came resets the connection.
    let is_reset = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionReset;
    matches!(problem, LoginError::NotXmpp)
        || matches!(problem, LoginError::Unreachable(error) if is_reset(error))
}

/// Of the problems with several servers, the one of the server that got farthest is told.
fn tells_more(one: &LoginError, other: &LoginError) -> bool {
    let how_far = |error: &LoginError| match error {
        LoginError::NoServer(_) => 0,
        LoginError::Unreachable(_) => 1,
        LoginError::TimedOut => 2,
        LoginError::NotXmpp => 3,
        LoginError::NoTls => 4,
        LoginError::Certificate(_) => 5,
        LoginError::Busy
        | LoginError::Password
        | LoginError::Refused(_)
        | LoginError::NoMechanism => 6,
    };
    how_far(one) >= how_far(other)
}

async fn open(
    target: &Target,
    login: &Login,
    domain: &Host,
    network: &Network,
) -> Result<Connected, LoginError> {
    let host = Host::parse(&target.host).or_else(|_| parse_address(&target.host));
    let host = host.map_err(|error| LoginError::NoServer(io::Error::other(error)))?;
    let addresses = tls::resolve_host(&host, target.port).await.map_err(LoginError::NoServer)?;
    let socket = tls::first_connected(addresses).await.map_err(LoginError::Unreachable)?;
    prepare(&socket).map_err(LoginError::Unreachable)?;
    let to = login.jid.domain().as_str();
    if target.direct {
        let secure = encrypt(socket, login, domain, Some(ALPN)).await?;
        return open_secure(secure, to).await;
    }
    let peer = socket.peer_addr().map_err(LoginError::Unreachable)?;
    let mut stream = XmlStream::new(Stream::plain(socket));
    let features = stream.open(to).await.map_err(stream_problem)?;
    let features = expect_features(features)?;
    if features.has_child("starttls", ns::TLS) {
        let request = b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
        stream.send(request).await.map_err(stream_problem)?;
        if !stream.element().await.map_err(stream_problem)?.is("proceed", ns::TLS) {
            return Err(LoginError::NoTls);
        }
        let socket = stream.into_inner().map_err(stream_problem)?.into_plain();
        let socket = socket.ok_or(LoginError::NoTls)?;
        let secure = encrypt(socket, login, domain, None).await?;
        return open_secure(secure, to).await;
    }
    if (network.is_here)(peer.ip()) {
        Ok(Connected { stream, features, binding: None })
    } else {
        Err(LoginError::NoTls)
    }
}

/// `Host` wants brackets around addresses of version 6; people leave them out.
fn parse_address(text: &str) -> Result<Host, url::ParseError> {
    text.parse().map(Host::Ipv6).map_err(|_| url::ParseError::InvalidIpv6Address)
}

async fn open_secure(secure: TlsStream<TcpStream>, to: &str) -> Result<Connected, LoginError> {
    let binding = exporter(&secure);
    let mut stream = XmlStream::new(Stream::secure(secure));
    let features = stream.open(to).await.map_err(stream_problem)?;
    Ok(Connected { stream, features: expect_features(features)?, binding })
}

/// What ties a login to this connection: only with TLS 1.3 it is unique without more (RFC 9266 §4.2).
fn exporter(secure: &TlsStream<TcpStream>) -> Option<Vec<u8>> {
    let (_, connection) = secure.get_ref();
    if connection.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
        return None;
    }
    let label = b"EXPORTER-Channel-Binding";
    connection.export_keying_material(vec![0; 32], label, None).ok()
}

/// TLS with a certificate for the account's domain, whatever DNS or a person said about the place
/// (RFC 6120 §13.7.2.1).
async fn encrypt(
    socket: TcpStream,
    login: &Login,
    domain: &Host,
    alpn: Option<&[u8]>,
) -> Result<TlsStream<TcpStream>, LoginError> {
    let name = match domain.clone() {
        Host::Domain(name) => ServerName::try_from(name)
            .map_err(|error| LoginError::Certificate(io::Error::other(error)))?,
        Host::Ipv4(ip) => ServerName::IpAddress(IpAddr::V4(ip).into()),
        Host::Ipv6(ip) => ServerName::IpAddress(IpAddr::V6(ip).into()),
    };
    let mut config = tls::config(&login.roots).map_err(LoginError::Certificate)?;
    Arc::make_mut(&mut config).alpn_protocols = alpn.map(<[u8]>::to_vec).into_iter().collect();
    TlsConnector::from(config).connect(name, socket).await.map_err(|error| {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => {
                LoginError::Certificate(error)
            }
            // No TLS, or none that both know.
            Some(_) => LoginError::NotXmpp,
            None if error.kind() == io::ErrorKind::UnexpectedEof => LoginError::NotXmpp,
            None => LoginError::Unreachable(error),
        }
    })
}

/// What it means when a stream cannot be opened.
pub(super) fn stream_problem(error: io::Error) -> LoginError {
    if matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) {
        LoginError::NotXmpp
    } else {
        LoginError::Unreachable(error)
    }
}

/// Returns the element if it is what a stream begins with; a stream's error says why not.
pub(super) fn expect_features(element: Element) -> Result<Element, LoginError> {
    if element.is("features", ns::STREAM) {
        return Ok(element);
    }
    Err(if element.is("error", ns::STREAM) { stream_error(&element) } else { LoginError::NotXmpp })
}

/// What a stream's error means before the login is done (RFC 6120 §4.9.3).
pub(super) fn stream_error(error: &Element) -> LoginError {
    let mut text = None;
    let mut condition = String::new();
    for child in error.children().filter(|child| child.has_ns(ns::XMPP_STREAMS)) {
        if child.name() == "text" {
            text = Some(stanza::sentence(&child.text()));
        } else {
            condition = stanza::sentence(child.name());
        }
    }
    match condition.as_str() {
        "policy-violation"
        | "resource-constraint"
        | "connection-timeout"
        | "system-shutdown"
        | "internal-server-error"
        | "remote-connection-failed"
        | "reset" => LoginError::Busy,
        "not-authorized" | "see-other-host" => LoginError::Refused(text.unwrap_or(condition)),
        // The server is for other domains, or does not understand us.
        _ => LoginError::NotXmpp,
    }
}

/// As [`crate::socket::prepare`], with the patience that a server wants which limits the rate.
fn prepare(socket: &TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let options = SockRef::from(socket);
    let every = Duration::from_secs(30);
    options.set_tcp_keepalive(&TcpKeepalive::new().with_time(every).with_interval(every))?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        options.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
        options.set_tcp_notsent_lowat(UNSENT)?;
    }
    Ok(())
}
