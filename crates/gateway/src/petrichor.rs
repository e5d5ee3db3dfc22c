//! A port of its own for Petrichor, beside the ordinary one: for computers of one's own, and for
//! networks where nothing speaks HTTP.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use carriers::{certificate::Certificate, petrichor::accept::Greeted};
use crosstalk::{
    address::GatewayAddress,
    label::Label,
    petrichor::{Denial, Hello},
    transaction::{Body, Handler},
};
use http::{Request, StatusCode};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tower::util::BoxCloneSyncService;
use url::Host;

use crate::{
    addresses::Share,
    hosts::Hosts,
    limits,
    links::Berth,
    own,
    refusal::Refusal,
    serve,
    shared::{Connection, ConnectionPlace, Shared},
};

/// How to open a port for Petrichor.
#[derive(Clone, Debug)]
pub struct PetrichorPort {
    /// Where to listen. Without a certificate only on this computer, where a program in front may
    /// speak TLS for it.
    pub listen: SocketAddr,
    /// What the port answers TLS with.
    pub certificate: Option<Certificate>,
    /// The address that peers use, where it cannot be known from the others: another port or name
    /// in front.
    pub address: Option<GatewayAddress>,
}

/// Why a port for Petrichor cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// The address is taken or not ours.
    #[error("cannot listen on {0}")]
    Listen(SocketAddr, #[source] std::io::Error),
    /// Other computers could reach a port that has no certificate.
    #[error(
        "{0} can be reached from other computers, and what they send there could be read on the \
         way: give a certificate and its key, or listen on 127.0.0.1"
    )]
    Readable(SocketAddr),
}

/// A port that is open.
pub(crate) struct OpenPort {
    listener: TcpListener,
    pub(crate) local: SocketAddr,
    pub(crate) address: GatewayAddress,
    certificate: Option<Certificate>,
}

impl OpenPort {
    pub(crate) async fn open(port: PetrichorPort, hosts: &Hosts) -> Result<Self, PortError> {
        let PetrichorPort { listen, certificate, address } = port;
        if certificate.is_none() && !listen.ip().is_loopback() {
            return Err(PortError::Readable(listen));
        }
        let cannot_listen = |error| PortError::Listen(listen, error);
        let listener = TcpListener::bind(listen).await.map_err(cannot_listen)?;
        let local = listener.local_addr().map_err(cannot_listen)?;
        let own = || {
            // Without a certificate, and for others: TLS is in front.
            let secure = certificate.is_some() || !hosts.is_this_computer();
            GatewayAddress::petrichor(secure, hosts.address().host().clone(), local.port())
        };
        let address = address.unwrap_or_else(own);
        Ok(Self { listener, local, address, certificate })
    }

    /// Returns the origins that a proof of identity may name here: the port's own address, and those
    /// under which it can be reached by whoever is near.
    pub(crate) fn audiences(&self, hosts: &Hosts) -> Vec<String> {
        let mut names = vec![hosts.address().host().clone()];
        let ip = self.local.ip();
        if ip.is_loopback() || ip.is_unspecified() {
            names.push(Host::Domain("localhost".to_owned()));
            names.push(Host::Ipv4(Ipv4Addr::LOCALHOST));
            names.push(Host::Ipv6(Ipv6Addr::LOCALHOST));
        }
        if !ip.is_unspecified() {
            names.push(match ip {
                IpAddr::V4(ip) => Host::Ipv4(ip),
                IpAddr::V6(ip) => Host::Ipv6(ip),
            });
        }
        let mut audiences = vec![self.address.origin()];
        for name in names {
            for secure in [true, false] {
                let address = GatewayAddress::petrichor(secure, name.clone(), self.local.port());
                audiences.push(address.origin());
            }
        }
        audiences
    }

    /// Takes connections until `stop` is cancelled.
    pub(crate) async fn accept(self, shared: Arc<Shared>, stop: CancellationToken) {
        let permits = Arc::new(Semaphore::new(limits::MAX_GREETINGS));
        let certificate = self.certificate;
        serve::accept_each(&self.listener, &permits, &stop, |permit, stream, address| {
            let Some(connection) = connection(&shared, permit, address.ip()) else { return };
            let (certificate, stop) = (certificate.clone(), stop.clone());
            shared.visitors.spawn(async move {
                let cut = connection.shared.cut.clone();
                cut.run_until_cancelled(greet(stream, certificate, connection, stop)).await;
            });
        })
        .await;
    }
}

fn connection(
    shared: &Arc<Shared>,
    permit: OwnedSemaphorePermit,
    partner: IpAddr,
) -> Option<Connection> {
    let partner = partner.to_canonical();
    let turn = if partner.is_loopback() {
        shared.connections.uncounted()
    } else {
        shared.connections.enter(partner)?
    };
    Some(Connection {
        shared: shared.clone(),
        meter: Arc::default(),
        partner,
        proofs: None,
        place: Arc::new(ConnectionPlace { _permit: permit, _turn: turn }),
    })
}

/// Hears who is there, and lets them in or tells them why not.
async fn greet(
    stream: TcpStream,
    certificate: Option<Certificate>,
    connection: Connection,
    stop: CancellationToken,
) {
    if let Err(error) = carriers::socket::prepare(&stream) {
        tracing::debug!(%error, "The system does not take an option for a connection");
    }
    // Whoever has not said anything when the gateway stops need not be waited for.
    let heard = stop.run_until_cancelled(timeout(limits::GREETING, hear(stream, certificate)));
    let Some(Ok(Some(greeted))) = heard.await else {
        tracing::debug!("A connection to the port for Petrichor never introduced itself");
        return;
    };
    if greeted.hello().asks {
        answer(greeted, connection, stop).await;
        return;
    }
    let (berth, label) = match admit(&connection, greeted.hello()).await {
        Ok(admitted) => admitted,
        Err(refusal) => {
            greeted.deny(refusal.into()).await;
            return;
        }
    };
    let (links, tasks) = (connection.shared.links.clone(), connection.shared.tasks.clone());
    let sentence = format!("Welcome to {}.", connection.shared.hosts.address());
    let owner = tasks.clone();
    // From here on it is a link, and its place among the connections is for the next one.
    drop(connection);
    owner.spawn(async move {
        match greeted.link(sentence, &tasks).await {
            Ok(link) => {
                drop(tasks);
                own::keep(links, berth, label, link).await;
            }
            Err(error) => tracing::debug!(%error, "A link did not begin"),
        }
    });
}

async fn hear(stream: TcpStream, certificate: Option<Certificate>) -> Option<Greeted> {
    let greeted = match certificate {
        Some(certificate) => match certificate.accept(stream).await {
            Ok(stream) => Greeted::hear(stream).await,
            Err(error) => {
                tracing::debug!(%error, "A connection did not come to TLS");
                return None;
            }
        },
        None => Greeted::hear(stream).await,
    };
    greeted.inspect_err(|error| tracing::debug!(%error, "A hello could not be read")).ok()
}

/// Decides whether a peer may have a link, as for one that begins with a request.
async fn admit(connection: &Connection, hello: &Hello) -> Result<(Berth, Option<Label>), Refusal> {
    let shared = &connection.shared;
    let token = hello.token.as_ref().map(crosstalk::petrichor::Token::as_str);
    // Neither a proxy nor its headers are in front of this port.
    let (partner, links) = (connection.partner, &shared.links_of_addresses);
    let is_this_computer = partner.is_loopback();
    let proofs = match is_this_computer {
        true => Share::boundless(),
        false => shared.proofs_of_addresses.share(partner),
    };
    let key = shared.auth.identify_by(token, proofs).await?;
    let turn = if is_this_computer { Some(links.uncounted()) } else { links.enter(partner) };
    let turn = turn.ok_or_else(|| Refusal::busy("too many links come from this network"))?;
    let berth = shared.let_in(key, turn, hello.label.as_ref()).await?;
    Ok((berth, hello.label.clone()))
}

/// Answers questions to the gateway itself, for a limited time.
async fn answer(greeted: Greeted, connection: Connection, stop: CancellationToken) {
    let enough = stop.child_token();
    let answered = greeted.answer(handler(connection), enough.clone(), limits::ANSWER_GRACE);
    tokio::pin!(answered);
    let ended = tokio::select! {
        ended = &mut answered => ended,
        () = tokio::time::sleep(limits::QUESTIONS) => {
            enough.cancel();
            answered.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "Nobody waited for the answers");
    }
}

fn handler(connection: Connection) -> Handler {
    BoxCloneSyncService::new(tower::service_fn(move |request: Request<Body>| {
        let connection = connection.clone();
        async move {
            let (mut parts, body) = request.into_parts();
            // Only a proxy in front may say for whom it speaks, and there is none here.
            parts.headers.remove("x-forwarded-for");
            Ok(own::answer(&connection, parts, body).await)
        }
    }))
}

impl From<Refusal> for Denial {
    fn from(refusal: Refusal) -> Self {
        let Refusal { status, refused } = refusal;
        let retry_after = (status == StatusCode::SERVICE_UNAVAILABLE)
            .then_some(Duration::from_secs(limits::RETRY_SECONDS));
        Self { status, refused, retry_after }
    }
}
