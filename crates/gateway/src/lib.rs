//! The gateway: turns each visitor's request into a transaction for a peer.
//!
//! A connection comes in (`serve`), its requests are for the gateway itself (`own`) or for a site
//! (`hosts`, `visit`); a site's requests go over one of its owner's links (`names`, `links`) and
//! what the visitor took of the answer is counted (`meter`, `body`) and told to the peer
//! (`receipts`). Visitors who write to owners are members (`members`). Programs that make nothing but
//! requests meet in relay sessions (`cama`). Every number is in [`limits`].

mod addresses;
mod arriving;
mod auth;
mod body;
mod cama;
mod classic;
mod headers;
mod hosts;
pub mod limits;
mod links;
mod members;
mod meter;
mod names;
mod own;
mod pages;
mod petrichor;
mod polls;
mod publish;
mod receipts;
mod refusal;
mod serve;
mod shared;
mod socket;
mod visit;
mod xmpp;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

pub use auth::Admission;
pub use cama::{OriginError, RelayOrigin};
pub use classic::{Classic, ClassicError, ClassicSite};
use crosstalk::address::GatewayAddress;
pub use petrichor::{PetrichorPort, PortError};
use tokio::{net::TcpListener, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
pub use xmpp::{ListError, Reached, XmppAccount, XmppAdmission, XmppAdmit, XmppError, XmppState};

use crate::{
    addresses::Addresses, auth::Auth, cama::Sessions, classic::OpenClassic, hosts::Hosts,
    links::Links, members::Members, names::Names, petrichor::OpenPort, polls::Polls,
    shared::Shared, xmpp::OpenAccount,
};

/// How to run a gateway.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen for visitors and peers.
    pub listen: SocketAddr,
    /// The gateway's own host name; sites are below it. `localhost` for this computer only.
    pub domain: String,
    /// Whether a proxy in front speaks TLS to visitors: addresses are `https` without a port, and
    /// the last entry of `X-Forwarded-For` is the visitor.
    pub behind_proxy: bool,
    /// Where the names are kept; `None` keeps them in memory (tests).
    pub data: Option<PathBuf>,
}

/// A gateway that listens.
pub struct Gateway {
    listener: TcpListener,
    local: SocketAddr,
    petrichor: Option<OpenPort>,
    classic: Option<OpenClassic>,
    xmpp: Option<OpenAccount>,
    shared: Shared,
    set_aside: Option<PathBuf>,
}

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken or not ours.
    #[error("cannot listen on {0}")]
    Listen(SocketAddr, #[source] std::io::Error),
    /// The data folder or the database in it cannot be used.
    #[error("cannot use the data folder {0}: {1}")]
    Data(PathBuf, String),
    /// The domain is not a host name.
    #[error("{0:?} is not a host name")]
    Domain(String),
}

impl Gateway {
    /// Opens the names and listens; nothing is served before [`Gateway::run`].
    ///
    /// A damaged list of names is an error, because without it anybody could claim anybody's name.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn bind(config: Config) -> Result<Self, StartError> {
        Self::open(config, false).await
    }

    /// The same for a gateway whose peers are all this computer's own: a damaged list of names is
    /// moved aside and a new one begun, because its only owner claims the names again at once; see
    /// [`Gateway::set_aside`]. Not for one that is then reached by Petrichor or XMPP, too; and where
    /// the domain, the address it listens on or a proxy lets in others, it is an error all the same.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn bind_for_this_computer(config: Config) -> Result<Self, StartError> {
        Self::open(config, true).await
    }

    async fn open(config: Config, for_this_computer: bool) -> Result<Self, StartError> {
        let Config { listen, domain, behind_proxy, data } = config;
        let cannot_listen = |error| StartError::Listen(listen, error);
        let listener = TcpListener::bind(listen).await.map_err(cannot_listen)?;
        let local = listener.local_addr().map_err(cannot_listen)?;
        let hosts = Hosts::new(&domain, local.port(), behind_proxy);
        let hosts = hosts.ok_or(StartError::Domain(domain))?;
        let (visitors, tasks) = (TaskTracker::new(), TaskTracker::new());
        let may_begin_anew = for_this_computer
            && hosts.is_this_computer()
            && local.ip().is_loopback()
            && !behind_proxy;
        let opened = Names::open(data.clone(), may_begin_anew, &tasks).await;
        let (names, set_aside) =
            opened.map_err(|e| StartError::Data(data.unwrap_or_default(), e.to_string()))?;
        if let Some(set_aside) = &set_aside {
            tracing::error!(kept = %set_aside.display(), "The list of names was damaged");
        }
        let shared = Shared {
            behind_proxy,
            auth: Auth::new(hosts.audiences(), Admission::default(), names.clone()),
            hosts,
            names,
            links: Links::new(tasks.clone()),
            members: Members::new(),
            polls: Polls::default(),
            connections: Addresses::new(limits::CONNECTIONS_PER_ADDRESS),
            transactions: Addresses::new(limits::TRANSACTIONS_PER_ADDRESS),
            links_of_addresses: Addresses::new(limits::LINKS_PER_ADDRESS),
            proofs_of_addresses: Addresses::new(limits::PROOFS_PER_ADDRESS),
            sessions: Sessions::default(),
            sessions_of_addresses: Addresses::new(limits::SESSIONS_PER_ADDRESS),
            relay_origins: Vec::new(),
            router: own::router(),
            visitors,
            tasks,
            cut: CancellationToken::new(),
        };
        Ok(Self { listener, local, petrichor: None, classic: None, xmpp: None, shared, set_aside })
    }

    /// Opens a port of its own for Petrichor, too.
    ///
    /// # Errors
    /// See [`PortError`].
    pub async fn with_petrichor(mut self, port: PetrichorPort) -> Result<Self, PortError> {
        let port = OpenPort::open(port, &self.shared.hosts).await?;
        self.shared.auth.also(port.audiences(&self.shared.hosts));
        self.petrichor = Some(port);
        Ok(self)
    }

    /// Lets pages of these origins use the relay from a browser, besides programs.
    #[must_use]
    pub fn with_relay_origins(mut self, origins: Vec<RelayOrigin>) -> Self {
        self.shared.relay_origins = origins;
        self
    }

    /// Leads visitors of some names to counterparts of 2008, over XMPP. The gateway logs in when it runs,
    /// and again when it has to.
    ///
    /// # Errors
    /// See [`ClassicError`].
    pub fn with_classic(mut self, classic: Classic) -> Result<Self, ClassicError> {
        self.classic = Some(OpenClassic::open(classic, &self.shared.names)?);
        Ok(self)
    }

    /// Returns where it listens for Petrichor, with the real port, and the address that peers use.
    #[must_use]
    pub fn petrichor(&self) -> Option<(SocketAddr, &GatewayAddress)> {
        self.petrichor.as_ref().map(|port| (port.local, &port.address))
    }

    /// Is reached over XMPP, too, as this account. Nothing is dialled before [`Gateway::run`]; a server
    /// that is away or refuses the account keeps nobody from the other ways.
    ///
    /// # Errors
    /// See [`XmppError`].
    pub fn with_xmpp(mut self, account: XmppAccount) -> Result<Self, XmppError> {
        let account = OpenAccount::open(account, self.shared.names.clone())?;
        self.shared.auth.also(vec![account.reached().address.origin()]);
        self.xmpp = Some(account);
        Ok(self)
    }

    /// Returns the address that peers use over XMPP, and whether they can.
    #[must_use]
    pub fn xmpp(&self) -> Option<Reached> {
        self.xmpp.as_ref().map(OpenAccount::reached)
    }

    /// Returns the address it listens on, with the real port.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Returns the address that peers use.
    #[must_use]
    pub fn address(&self) -> GatewayAddress {
        self.shared.hosts.address().clone()
    }

    /// Returns where a damaged list of names was put when a new one was begun.
    #[must_use]
    pub fn set_aside(&self) -> Option<&Path> {
        self.set_aside.as_deref()
    }

    /// Serves until `stop` is cancelled, then finishes what is under way: visitors within
    /// [`limits::STOP_GRACE`], links within [`limits::LINK_GRACE`] after the last of them.
    pub async fn run(self, stop: CancellationToken) {
        let Self { listener, petrichor, classic, xmpp, shared, .. } = self;
        let shared = Arc::new(shared);
        // The account stays logged in until the links over it have ended.
        let (accounts, log_out) = (TaskTracker::new(), CancellationToken::new());
        if let Some(account) = xmpp {
            accounts.spawn(account.keep(shared.clone(), stop.clone(), log_out.clone()));
        }
        let beside = async {
            if let Some(port) = petrichor {
                port.accept(shared.clone(), stop.clone()).await;
            }
        };
        let counterparts = async {
            if let Some(classic) = classic {
                classic.keep(shared.clone(), stop.clone()).await;
            }
        };
        let accepting = serve::accept(listener, shared.clone(), stop.clone());
        tokio::join!(accepting, beside, counterparts, shared.sessions.sweep(stop.clone()));
        shared.sessions.stop();
        shared.members.close();
        shared.polls.stop();
        shared.visitors.close();
        if timeout(limits::STOP_GRACE, shared.visitors.wait()).await.is_err() {
            tracing::info!(left = shared.visitors.len(), "Some visitors were not done in time");
            shared.cut.cancel();
            shared.visitors.wait().await;
        }
        let (links, tasks) = (shared.links.clone(), shared.tasks.clone());
        // With the last of these goes the last who asks for names, and then their owner.
        drop(shared);
        links.stop().await;
        log_out.cancel();
        accounts.close();
        if timeout(limits::LINK_GRACE, accounts.wait()).await.is_err() {
            tracing::warn!("The XMPP account does not log out");
        }
        tasks.close();
        if timeout(limits::LINK_GRACE, tasks.wait()).await.is_err() {
            tracing::warn!(left = tasks.len(), "Some tasks do not end");
        }
    }
}
