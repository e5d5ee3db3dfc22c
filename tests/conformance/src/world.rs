//! A gateway, a link over one carrier, the provoking site, and visitors with real sockets.

use std::{fmt, time::Duration};

use anyhow::{Context as _, Result, ensure};
use bytes::{Bytes, BytesMut};
use carriers::{
    DialError, DialOptions, Served, Timing, petrichor, poll,
    ptth::{Protocol, Token, dial::dial_with},
    taxi,
    tls::Roots,
    xmpp::{self, Account},
};
use crosstalk::{address::GatewayAddress, label::Label, proof::PrivateKey, transaction::Body};
use gateway::XmppState;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use testkit::{
    accounts::{self, Accounts},
    prosody::Prosody,
};
use tokio::{
    net::TcpStream,
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::site::{self, Noticed};

/// How long anything in a case may take before the case has failed.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// The name of the site in all cases.
pub const LABEL: &str = "photos";

/// How many reversed HTTP/1.1 connections the peer holds: each carries one transaction, and the
/// case with the most stalled visitors needs one more than that.
const HTTP1_LINKS: usize = 40;

/// The carriers under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// Petrichor by `Upgrade: petrichor/1`.
    Petrichor,
    /// Reversed HTTP/2 by `Upgrade: ptth`.
    PtthHttp2,
    /// Reversed HTTP/1.1 by `Upgrade: ptth`.
    PtthHttp1,
    /// Reversed HTTP/1.1 by the wiki's first token, `PTTH/1.0`.
    Ptth10,
    /// Reversed HTTP/1.1 by the wiki's later token, `PTTH/0.9`.
    Ptth09,
    /// TAXI on a WebSocket.
    Taxi,
    /// JSON by long poll.
    Poll,
    /// CrossTalk in stanzas, through a real Prosody.
    Xmpp,
}

impl Wire {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Petrichor,
        Self::PtthHttp2,
        Self::PtthHttp1,
        Self::Ptth10,
        Self::Ptth09,
        Self::Taxi,
        Self::Poll,
        Self::Xmpp,
    ];

    /// Returns whether one link carries many transactions at once.
    #[must_use]
    pub fn multiplexes(self) -> bool {
        match self {
            Self::Petrichor | Self::PtthHttp2 | Self::Taxi | Self::Poll | Self::Xmpp => true,
            Self::PtthHttp1 | Self::Ptth10 | Self::Ptth09 => false,
        }
    }

    async fn dial(self, options: &DialOptions) -> Result<Served, DialError> {
        let timing = Timing::default();
        let (token, protocol) = match self {
            Self::Petrichor => return petrichor::dial::dial_with(options, timing).await,
            Self::Taxi => return taxi::dial::dial_with(options, timing).await,
            Self::Poll => return poll::dial::dial_with(options, timing).await,
            Self::Xmpp => return xmpp::dial::dial(options).await,
            Self::PtthHttp2 => (Token::Ptth, Protocol::Http2),
            Self::PtthHttp1 => (Token::Ptth, Protocol::Http1),
            Self::Ptth10 => (Token::Ptth10, Protocol::Http1),
            Self::Ptth09 => (Token::Ptth09, Protocol::Http1),
        };
        dial_with(options, token, &[protocol], timing).await
    }
}

impl fmt::Display for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Petrichor => "Petrichor",
            Self::PtthHttp2 => "reversed HTTP/2",
            Self::PtthHttp1 => "reversed HTTP/1.1",
            Self::Ptth10 => "`PTTH/1.0`",
            Self::Ptth09 => "`PTTH/0.9`",
            Self::Taxi => "TAXI",
            Self::Poll => "long poll",
            Self::Xmpp => "XMPP",
        })
    }
}

/// Everything one case needs. Dropping it ends all of it.
pub struct World {
    /// Somebody who visits the site.
    pub visitor: Visitor,
    /// The identity that owns the site's name.
    pub key: PrivateKey,
    /// What the peer's links are.
    pub wire: Wire,
    /// The servers that carry the link, where it is over XMPP.
    pub accounts: Option<Accounts>,
    /// The owner's account, where the link is over XMPP.
    pub account: Option<Account>,
    /// How fast the newest link is, where it is measured.
    pub rate: Option<watch::Receiver<Option<u64>>>,
    online: Option<watch::Receiver<XmppState>>,
    noticed: mpsc::Receiver<Noticed>,
    address: GatewayAddress,
    notices: mpsc::Sender<Noticed>,
    links: JoinSet<()>,
}

/// A visitor of the site, with a socket for every request. Clones visit the same site.
#[derive(Clone)]
pub struct Visitor {
    gateway: std::net::SocketAddr,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl World {
    /// Starts a gateway and links the provoking site to it.
    ///
    /// # Errors
    /// When any part does not start in time.
    pub async fn start(wire: Wire) -> Result<Self> {
        let mut world = Self::without_link(wire).await?;
        world.link().await?;
        Ok(world)
    }

    /// The same over XMPP by these accounts, instead of two on a fast server.
    ///
    /// # Errors
    /// When any part does not start in time.
    pub async fn start_over(accounts: Accounts) -> Result<Self> {
        let mut world = Self::with_gateway(Wire::Xmpp, Some(accounts)).await?;
        world.link().await?;
        Ok(world)
    }

    /// Starts a gateway to which nobody is linked yet.
    ///
    /// # Errors
    /// When the gateway does not start.
    pub async fn without_link(wire: Wire) -> Result<Self> {
        let accounts = match wire {
            Wire::Xmpp => Some(Accounts::together(Prosody::tuned().start().await?)),
            Wire::Petrichor
            | Wire::PtthHttp2
            | Wire::PtthHttp1
            | Wire::Ptth10
            | Wire::Ptth09
            | Wire::Taxi
            | Wire::Poll => None,
        };
        Self::with_gateway(wire, accounts).await
    }

    async fn with_gateway(wire: Wire, accounts: Option<Accounts>) -> Result<Self> {
        let gateway = gateway::Gateway::bind(gateway::Config {
            listen: ([127, 0, 0, 1], 0).into(),
            domain: "localhost".to_owned(),
            behind_proxy: false,
            data: None,
        })
        .await?;
        let gateway = match &accounts {
            Some(accounts) => gateway.with_xmpp(accounts.gateway()?)?,
            None => gateway,
        };
        let (notices, noticed) = mpsc::channel(1024);
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let (xmpp, local) = (gateway.xmpp(), gateway.local_addr());
        let address = xmpp.as_ref().map_or(gateway.address(), |xmpp| xmpp.address.clone());
        tasks.spawn(gateway.run(stop.clone()));
        let (links, key) = (JoinSet::new(), PrivateKey::generate());
        let visitor = Visitor { gateway: local, tasks, stop };
        let account = accounts.as_ref().map(Accounts::account).transpose()?;
        let (online, rate) = (xmpp.map(|xmpp| xmpp.state), None);
        Ok(Self {
            visitor,
            key,
            wire,
            accounts,
            account,
            rate,
            online,
            noticed,
            address,
            notices,
            links,
        })
    }

    /// Dials over the wire and waits until the gateway routes to the site.
    ///
    /// # Errors
    /// When a dial is refused or the site does not answer in time.
    pub async fn link(&mut self) -> Result<()> {
        if let Some(state) = &self.online {
            accounts::online(state.clone()).await?;
        }
        let count = if self.wire.multiplexes() { 1 } else { HTTP1_LINKS };
        for _ in 0..count {
            let options = DialOptions {
                gateway: self.address.clone(),
                proof: self.proof(),
                label: Some(Label::parse(LABEL)?),
                roots: Roots::default(),
                account: self.account.clone(),
                invite: None,
            };
            let dial = self.wire.dial(&options);
            let served = timeout(DEADLINE, dial).await.context("the dial took too long")??;
            self.rate = served.rate();
            let handler = site::handler(self.notices.clone(), self.visitor.tasks.clone());
            let stop = self.visitor.stop.clone();
            self.links.spawn(async move {
                served.run(handler, stop, Duration::from_secs(1)).await;
            });
        }
        self.until_routed(count).await
    }

    /// Waits until so many requests at once reach the site.
    async fn until_routed(&self, count: usize) -> Result<()> {
        let late = Instant::now() + DEADLINE;
        let mut answered = 0;
        while answered < count {
            ensure!(Instant::now() < late, "the site is not reachable in time");
            let answer = self.visitor.get("/hello").await?;
            answered = if answer.status == StatusCode::OK { answered + 1 } else { 0 };
        }
        Ok(())
    }

    /// Ends the links at once, as when the owner's computer loses power.
    pub async fn lose_links(&mut self) {
        self.links.shutdown().await;
    }

    /// Returns the gateway's address.
    #[must_use]
    pub fn address(&self) -> &GatewayAddress {
        &self.address
    }

    /// Returns a fresh proof of the site's owner.
    #[must_use]
    pub fn proof(&self) -> String {
        self.key.prove(&self.address.origin(), std::time::SystemTime::now())
    }

    /// Waits until the site notices exactly this.
    ///
    /// # Errors
    /// When it notices something else, or nothing within `limit`.
    pub async fn until(&mut self, what: &Noticed, limit: Duration) -> Result<()> {
        let noticed = timeout(limit, self.noticed.recv()).await.context("nothing was noticed")?;
        ensure!(noticed.as_ref() == Some(what), "noticed {noticed:?} instead of {what:?}");
        Ok(())
    }
}

impl Visitor {
    /// Returns the port at which the gateway listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.gateway.port()
    }

    /// Returns the site's authority.
    #[must_use]
    pub fn authority(&self) -> String {
        format!("{LABEL}.localhost:{}", self.gateway.port())
    }

    /// Opens a socket to the gateway, as a visitor.
    ///
    /// # Errors
    /// When the gateway does not take the connection in time.
    pub async fn socket(&self) -> Result<TcpStream> {
        let stream = timeout(DEADLINE, TcpStream::connect(self.gateway)).await??;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// Returns a request for the site.
    pub fn request(&self, method: &str, path: &str) -> http::request::Builder {
        Request::builder().method(method).uri(path).header(header::HOST, self.authority())
    }

    /// Sends a request on a connection of its own and returns the head of the answer; the body
    /// streams.
    ///
    /// # Errors
    /// When there is no answer in time.
    pub async fn send(&self, request: Request<Body>) -> Result<Response<Incoming>> {
        let io = TokioIo::new(self.socket().await?);
        let mut http = hyper::client::conn::http1::Builder::new();
        http.max_headers(crosstalk::limits::MAX_HEADERS);
        let (mut sender, connection) = http.handshake(io).await?;
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => (),
                // How it ended shows in the answer.
                _ = connection.with_upgrades() => (),
            }
        });
        Ok(timeout(DEADLINE, sender.send_request(request)).await.context("no answer in time")??)
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// When there is no answer in time.
    pub async fn fetch(&self, request: Request<Body>) -> Result<Answer> {
        Answer::read(self.send(request).await?).await
    }

    /// Fetches a path.
    ///
    /// # Errors
    /// When there is no answer in time.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.fetch(self.request("GET", path).body(crosstalk::transaction::empty())?).await
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.visitor.stop.cancel();
        self.links.abort_all();
    }
}

/// An answer as a visitor got it.
#[derive(Debug)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// What arrived of the body.
    pub body: Bytes,
    /// Whether the body ended as HTTP says it ends; `false` when it was cut.
    pub complete: bool,
}

impl Answer {
    /// Reads the rest of an answer.
    ///
    /// # Errors
    /// When nothing arrives for too long.
    pub async fn read(response: Response<Incoming>) -> Result<Self> {
        let (head, mut body) = response.into_parts();
        let (mut bytes, mut complete) = (BytesMut::new(), true);
        while let Some(frame) = timeout(DEADLINE, body.frame()).await.context("the body stalled")? {
            match frame {
                Ok(frame) => bytes.extend_from_slice(frame.data_ref().map_or(&[], |data| data)),
                Err(_) => {
                    complete = false;
                    break;
                }
            }
        }
        Ok(Self { status: head.status, headers: head.headers, body: bytes.freeze(), complete })
    }

    /// Returns the body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
