//! A gateway and a peer that the tests put together.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use carriers::{
    Carrier, DialError, DialOptions, Link, LinkEnd, Served, Timing,
    accept::{self, LinkError},
    petrichor::{
        accept::Greeted,
        dial::{self, Wishes},
    },
    tls::Roots,
};
use crosstalk::{
    address::GatewayAddress,
    petrichor::{Denial, Hello},
    transaction::{Body, Handler},
};
use http::{Request, Response};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::common::{bytes, get, soon};

/// How long a peer of the tests finishes what is under way.
pub(crate) const GRACE: std::time::Duration = std::time::Duration::from_secs(2);

/// Which way a link begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Upgrade,
    Port,
}

pub(crate) const BOTH: [Way; 2] = [Way::Upgrade, Way::Port];

/// A server that makes links of what dials it.
pub(crate) struct TestGateway {
    pub(crate) socket_address: SocketAddr,
    pub(crate) address: GatewayAddress,
    pub(crate) links: mpsc::Receiver<Result<Link, LinkError>>,
    pub(crate) hellos: mpsc::Receiver<Hello>,
    pub(crate) tasks: TaskTracker,
    pub(crate) received: Arc<AtomicUsize>,
    _accepting: JoinSet<()>,
}

/// What a test's port answers.
pub(crate) type Judge = Arc<dyn Fn(&Hello) -> Option<Denial> + Send + Sync>;

impl TestGateway {
    pub(crate) async fn start(way: Way, timing: Timing, judge: Judge) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket_address = listener.local_addr().unwrap();
        let tasks = TaskTracker::new();
        let (found, links) = mpsc::channel(16);
        let (say, hellos) = mpsc::channel(16);
        let received = Arc::new(AtomicUsize::new(0));
        let mut accepting = JoinSet::new();
        let (owner, count) = (tasks.clone(), received.clone());
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                socket.set_nodelay(true).unwrap();
                let socket = Counting { socket, received: count.clone() };
                let (found, owner) = (found.clone(), owner.clone());
                let (say, judge) = (say.clone(), judge.clone());
                connections.spawn(async move {
                    match way {
                        Way::Upgrade => upgrade(socket, found, owner, timing).await,
                        Way::Port => greet(socket, found, say, judge, owner, timing).await,
                    }
                });
            }
        });
        let scheme = if way == Way::Port { "petrichor+tcp" } else { "http" };
        let address = GatewayAddress::parse(&format!("{scheme}://{socket_address}")).unwrap();
        Self { socket_address, address, links, hellos, tasks, received, _accepting: accepting }
    }

    pub(crate) async fn open(way: Way) -> Self {
        Self::start(way, Timing::default(), Arc::new(|_| None)).await
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

    pub(crate) async fn dial(&self) -> Result<Served, DialError> {
        soon(dial::dial(&self.options())).await
    }
}

async fn upgrade(
    socket: Counting,
    found: mpsc::Sender<Result<Link, LinkError>>,
    tasks: TaskTracker,
    timing: Timing,
) {
    let service = service_fn(move |mut request: Request<hyper::body::Incoming>| {
        let (found, tasks) = (found.clone(), tasks.clone());
        async move {
            let upgrade = hyper::upgrade::on(&mut request);
            let (parts, _) = request.into_parts();
            Ok::<_, Infallible>(match accept::read(&parts) {
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
    let builder = hyper::server::conn::http1::Builder::new();
    let _ = builder.serve_connection(TokioIo::new(socket), service).with_upgrades().await;
}

async fn greet(
    socket: Counting,
    found: mpsc::Sender<Result<Link, LinkError>>,
    say: mpsc::Sender<Hello>,
    judge: Judge,
    tasks: TaskTracker,
    timing: Timing,
) {
    let greeted = match Greeted::hear(socket).await {
        Ok(greeted) => greeted,
        Err(error) => {
            let _ = found.send(Err(error)).await;
            return;
        }
    };
    let _ = say.try_send(greeted.hello().clone());
    match judge(greeted.hello()) {
        Some(denial) => greeted.deny(denial).await,
        None => {
            let link = greeted.link_with("Welcome.".to_owned(), &tasks, timing).await;
            let _ = found.send(link).await;
        }
    }
}

/// A connection that counts what comes in over it.
struct Counting {
    socket: TcpStream,
    received: Arc<AtomicUsize>,
}

impl AsyncRead for Counting {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.socket).poll_read(cx, buffer);
        self.received.fetch_add(buffer.filled().len() - before, Ordering::Relaxed);
        polled
    }
}

impl AsyncWrite for Counting {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

/// A gateway with a peer on a link.
pub(crate) struct Pair {
    pub(crate) gateway: TestGateway,
    pub(crate) link: Link,
    pub(crate) peer: JoinSet<LinkEnd>,
    pub(crate) stop: CancellationToken,
}

impl Pair {
    pub(crate) async fn new(way: Way, handler: Handler) -> Self {
        let plain = Wishes { compress: false, dedupe: false };
        Self::with(way, handler, Timing::default(), plain).await
    }

    pub(crate) async fn with(way: Way, handler: Handler, timing: Timing, wishes: Wishes) -> Self {
        let mut gateway = TestGateway::start(way, timing, Arc::new(|_| None)).await;
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let mut peer = JoinSet::new();
        let options = gateway.options();
        let served = soon(dial::dial_wishing(&options, timing, wishes)).await.unwrap();
        assert_eq!(served.carrier(), Carrier::Petrichor);
        peer.spawn(async move { served.run(handler, stopped, GRACE).await });
        let link = soon(gateway.links.recv()).await.unwrap().unwrap();
        assert_eq!(link.carrier(), Carrier::Petrichor);
        Self { gateway, link, peer, stop }
    }

    /// Sends when the link has a place, as the gateway does.
    pub(crate) async fn fetch(&self, request: Request<Body>) -> Response<Body> {
        let place = soon(self.link.reserve()).await.unwrap();
        soon(place.send(request)).await.unwrap()
    }

    /// Checks that a small request is answered.
    pub(crate) async fn ping(&self) {
        assert_eq!(bytes(self.fetch(get("/ping")).await).await.unwrap(), "pong");
    }

    /// Waits until the peer's end says how the link ended.
    pub(crate) async fn peer_end(&mut self) -> LinkEnd {
        soon(self.peer.join_next()).await.unwrap().unwrap()
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
