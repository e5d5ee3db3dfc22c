//! A gateway and a peer that the tests put together.

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use carriers::{
    DialOptions, Link, LinkEnd, Timing,
    accept::{self, LinkError},
    ptth::{Protocol, Token, accept::read, dial},
    tls::Roots,
};
use crosstalk::{
    address::GatewayAddress,
    transaction::{Body, Handler},
};
use http::{Request, Response};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::common::{bytes, get, soon};

/// The protocols over which every transaction must behave the same.
pub(crate) const BOTH: [Protocol; 2] = [Protocol::Http2, Protocol::Http1];

/// A server that turns connections around, as the gateway does.
pub(crate) struct TestGateway {
    pub(crate) address: GatewayAddress,
    pub(crate) socket_address: SocketAddr,
    pub(crate) links: mpsc::Receiver<Result<Link, LinkError>>,
    pub(crate) tasks: TaskTracker,
    _accepting: JoinSet<()>,
}

impl TestGateway {
    pub(crate) async fn start(timing: Timing) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket_address = listener.local_addr().unwrap();
        let tasks = TaskTracker::new();
        let (found, links) = mpsc::channel(16);
        let mut accepting = JoinSet::new();
        let owner = tasks.clone();
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                connections.spawn(accept_on(socket, found.clone(), owner.clone(), timing));
            }
        });
        let address = GatewayAddress::parse(&format!("http://{socket_address}")).unwrap();
        Self { address, socket_address, links, tasks, _accepting: accepting }
    }

    pub(crate) fn options(&self) -> DialOptions {
        DialOptions {
            gateway: self.address.clone(),
            proof: "proof".to_owned(),
            label: None,
            roots: Roots::System,
            account: None,
            invite: None,
        }
    }
}

async fn accept_on(
    socket: TcpStream,
    found: mpsc::Sender<Result<Link, LinkError>>,
    tasks: TaskTracker,
    timing: Timing,
) {
    let service = service_fn(move |mut request: Request<hyper::body::Incoming>| {
        let (found, tasks) = (found.clone(), tasks.clone());
        async move {
            let upgrade = hyper::upgrade::on(&mut request);
            let (parts, _) = request.into_parts();
            Ok::<_, Infallible>(match read(&parts) {
                Err(refusal) => refusal.response(),
                Ok(None) => accept::Refusal::NoUpgrade.response(),
                Ok(Some(offer)) => {
                    let response = offer.response();
                    let owner = tasks.clone();
                    tasks.spawn(async move {
                        let _ = found.send(offer.link_with(upgrade, &owner, timing).await).await;
                    });
                    response
                }
            })
        }
    });
    socket.set_nodelay(true).unwrap();
    let builder = hyper::server::conn::http1::Builder::new();
    let _ = builder.serve_connection(TokioIo::new(socket), service).with_upgrades().await;
}

/// A gateway with a peer on a link.
pub(crate) struct Pair {
    pub(crate) gateway: TestGateway,
    pub(crate) link: Link,
    pub(crate) peer: JoinSet<LinkEnd>,
    pub(crate) stop: CancellationToken,
}

/// How long a peer of the tests finishes what is under way.
pub(crate) const GRACE: Duration = Duration::from_secs(2);

impl Pair {
    pub(crate) async fn new(protocol: Protocol, handler: Handler) -> Self {
        Self::with(protocol, handler, Token::Ptth, Timing::default()).await
    }

    pub(crate) async fn with(
        protocol: Protocol,
        handler: Handler,
        token: Token,
        timing: Timing,
    ) -> Self {
        let mut gateway = TestGateway::start(timing).await;
        let options = gateway.options();
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let mut peer = JoinSet::new();
        let served = soon(dial::dial_with(&options, token, &[protocol], timing)).await.unwrap();
        assert_eq!(served.carrier(), protocol.into());
        peer.spawn(async move { served.run(handler, stopped, GRACE).await });
        let link = soon(gateway.links.recv()).await.unwrap().unwrap();
        assert_eq!(link.carrier(), protocol.into());
        Self { gateway, link, peer, stop }
    }

    /// Waits until the peer's end says how the link ended.
    pub(crate) async fn peer_end(&mut self) -> LinkEnd {
        soon(self.peer.join_next()).await.unwrap().unwrap()
    }

    /// Sends when the link has a place, as the gateway does.
    pub(crate) async fn fetch(&self, request: Request<Body>) -> Response<Body> {
        let place = soon(self.link.reserve()).await.unwrap();
        soon(place.send(request)).await.unwrap()
    }

    /// Fails unless a small request is answered. Alone it takes about a millisecond, and beside others a
    /// busy machine makes any second of it luck; but when a stalled visitor holds it up, it takes for
    /// ever.
    pub(crate) async fn ping(&self) {
        let response = self.fetch(get("/ping")).await;
        assert_eq!(bytes(response).await.unwrap(), "pong");
    }

    /// Ends the link and checks that nothing is left of it.
    pub(crate) async fn finish(mut self) {
        self.link.close();
        soon(self.link.ended()).await;
        self.peer_end().await;
        self.gateway.tasks.close();
        drop(self.link);
        soon(self.gateway.tasks.wait()).await;
    }
}
