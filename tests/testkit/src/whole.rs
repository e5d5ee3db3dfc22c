//! A gateway, a peer and a folder, in this process and on loopback only.

use std::{net::SocketAddr, path::Path, time::Duration};

use anyhow::Context as _;
use carriers::tls::Roots;
use crosstalk::{address::GatewayAddress, proof::PrivateKey};
use gateway::Gateway;
use peer::{Peer, Snapshot};
use tempfile::TempDir;
use tokio::{task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    accounts::{self, Accounts},
    proxy::{Passes, Proxy},
    waiting::PATIENCE,
};

/// How long a gateway may take to stop.
const STOP: Duration = Duration::from_secs(20);

/// Everything between a folder and a visitor. Both ends can be stopped and started again; names,
/// key and port stay.
pub struct Whole {
    folder: TempDir,
    data: TempDir,
    key: [u8; 32],
    listen: SocketAddr,
    address: GatewayAddress,
    /// What stands between peer and gateway; visitors do not pass it.
    proxy: Option<Proxy>,
    /// What carries the link instead of the gateway's port.
    accounts: Option<Accounts>,
    gateway: Option<(CancellationToken, JoinSet<()>)>,
    peer: Option<Peer>,
}

impl Whole {
    /// Starts both, with an empty folder that is not published yet.
    ///
    /// # Errors
    /// When one of them does not start.
    pub async fn start() -> anyhow::Result<Self> {
        let mut whole = Self::without_peer(None).await?;
        whole.start_peer().await?;
        Ok(whole)
    }

    /// The same over XMPP: the peer reaches the gateway by these accounts only.
    ///
    /// # Errors
    /// When one of the two does not start.
    pub async fn start_over(accounts: Accounts) -> anyhow::Result<Self> {
        let mut whole = Self::without_peer(Some(accounts)).await?;
        whole.start_peer().await?;
        Ok(whole)
    }

    /// The same with a proxy between the peer and the gateway.
    ///
    /// # Errors
    /// When one of the three does not start.
    pub async fn start_behind(passes: Passes) -> anyhow::Result<Self> {
        let mut whole = Self::without_peer(None).await?;
        whole.proxy = Some(Proxy::start(whole.listen, passes).await?);
        whole.start_peer().await?;
        Ok(whole)
    }

    async fn without_peer(accounts: Option<Accounts>) -> anyhow::Result<Self> {
        let data = TempDir::new()?;
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut whole = Self {
            folder: TempDir::with_prefix("published-")?,
            data,
            key: *PrivateKey::generate().to_bytes(),
            listen,
            address: GatewayAddress::parse("http://localhost:1")?,
            proxy: None,
            accounts,
            gateway: None,
            peer: None,
        };
        whole.start_gateway().await?;
        Ok(whole)
    }

    /// Returns the folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Publishes the folder and returns its session URL.
    ///
    /// # Errors
    /// When the peer refuses, or the gateway does not confirm the name in time.
    pub async fn publish(&self) -> anyhow::Result<String> {
        self.peer()?.publish(self.folder.path()).await?;
        self.session_url().await
    }

    /// Returns the session URL of the only site, once the link is up and the name confirmed.
    ///
    /// # Errors
    /// When that does not happen in time.
    pub async fn session_url(&self) -> anyhow::Result<String> {
        let ready = self.until("the session URL", |snapshot| {
            matches!(snapshot.link, peer::LinkState::Up { .. })
                && snapshot.sites.iter().any(|site| site.url.is_some())
        });
        let snapshot = ready.await?;
        snapshot.sites.into_iter().find_map(|site| site.url).context("no session URL")
    }

    /// Waits for a snapshot of the peer.
    ///
    /// # Errors
    /// When it does not come in time.
    pub async fn until(
        &self,
        what: &str,
        wanted: impl FnMut(&Snapshot) -> bool,
    ) -> anyhow::Result<Snapshot> {
        self.until_within(PATIENCE, what, wanted).await
    }

    /// The same with a patience of one's own.
    ///
    /// # Errors
    /// When it does not come in time.
    pub async fn until_within(
        &self,
        patience: Duration,
        what: &str,
        wanted: impl FnMut(&Snapshot) -> bool,
    ) -> anyhow::Result<Snapshot> {
        let mut snapshots = self.peer()?.snapshots();
        let last = snapshots.clone();
        let waited = timeout(patience, snapshots.wait_for(wanted)).await;
        match waited {
            Ok(snapshot) => Ok(snapshot.context("the peer ended")?.clone()),
            Err(_) => anyhow::bail!("waited in vain for {what}; it is {:?}", *last.borrow()),
        }
    }

    /// Returns the peer.
    ///
    /// # Errors
    /// While it is stopped.
    pub fn peer(&self) -> anyhow::Result<&Peer> {
        self.peer.as_ref().context("the peer is stopped")
    }

    /// Returns the servers of the link's accounts, to kill them and start them again.
    ///
    /// # Errors
    /// When it is not over XMPP.
    pub fn accounts_mut(&mut self) -> anyhow::Result<&mut Accounts> {
        self.accounts.as_mut().context("this is not over XMPP")
    }

    /// Returns the address of the gateway.
    #[must_use]
    pub fn gateway_address(&self) -> &GatewayAddress {
        &self.address
    }

    /// Starts the peer, with what it published before.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start_peer(&mut self) -> anyhow::Result<()> {
        let config = peer::Config {
            store: Some(self.data.path().join("peer.sqlite")),
            key: PrivateKey::from_bytes(&self.key),
            gateway: match &self.proxy {
                Some(proxy) => GatewayAddress::parse(&format!("http://{}", proxy.address()))?,
                None => self.address.clone(),
            },
            roots: Roots::System,
            account: self.accounts.as_ref().map(Accounts::account).transpose()?,
            invite: None,
            carrier: None,
        };
        self.peer = Some(Peer::start(config).await?);
        Ok(())
    }

    /// Stops the peer in an orderly way: the owner's computer is away.
    pub async fn stop_peer(&mut self) {
        if let Some(peer) = self.peer.take() {
            peer.shutdown().await;
        }
    }

    /// Starts the gateway, on the port that it had before.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start_gateway(&mut self) -> anyhow::Result<()> {
        let gateway = Gateway::bind(gateway::Config {
            listen: self.listen,
            domain: "localhost".to_owned(),
            behind_proxy: false,
            data: Some(self.data.path().join("gateway")),
        })
        .await?;
        let gateway = match &self.accounts {
            Some(accounts) => gateway.with_xmpp(accounts.gateway()?)?,
            None => gateway,
        };
        self.listen = gateway.local_addr();
        let reached = gateway.xmpp();
        self.address = reached.as_ref().map_or(gateway.address(), |xmpp| xmpp.address.clone());
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(gateway.run(stop.clone()));
        self.gateway = Some((stop, tasks));
        if let Some(xmpp) = reached {
            accounts::online(xmpp.state).await?;
        }
        Ok(())
    }

    /// Stops the gateway in an orderly way.
    ///
    /// # Errors
    /// When it does not stop in time.
    pub async fn stop_gateway(&mut self) -> anyhow::Result<()> {
        if let Some((stop, tasks)) = self.gateway.take() {
            stop.cancel();
            timeout(STOP, tasks.join_all()).await.context("the gateway does not stop")?;
        }
        Ok(())
    }
}
