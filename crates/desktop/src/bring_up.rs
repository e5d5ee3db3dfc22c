//! Starts what runs behind the window: the embedded gateway, and the peer.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use carriers::{tls::Roots, xmpp::Account};
use crosstalk::{
    address::{GatewayAddress, Invitation},
    proof::PublicKey,
};
use gateway::Gateway;
use peer::{Event, Peer, Snapshot};
use tokio::{
    sync::{broadcast, watch},
    time::{Instant, sleep, timeout},
};

use crate::{
    account::{KeptAccount, NoPassword, Safe},
    keychain::{Found, KeptIn},
    words::Words,
};

/// The port of the embedded gateway, if it is free: registered for nobody, and outside the ranges
/// that systems give to outgoing connections.
pub const FIRST_PORT: u16 = 28260;

/// How many ports from [`FIRST_PORT`] on are tried before the system chooses one.
pub(crate) const PORTS_TRIED: u16 = 16;

/// How long a port that stands in links may stay taken before another one is used: an app that was
/// just quit may still be on its way out.
pub const PORT_PATIENCE: Duration = Duration::from_secs(2);

/// How often a taken port is tried again.
const PORT_RETRY: Duration = Duration::from_millis(100);

/// How long the stores may take to open; a network drive can hang for ever.
pub(crate) const START_TIMEOUT: Duration = Duration::from_secs(30);

/// The peer's store in the data folder.
const STORE_FILE: &str = "veranda.sqlite";

/// The embedded gateway's folder in the data folder.
const GATEWAY_FOLDER: &str = "gateway";

/// The embedded gateway, before it serves.
pub(crate) struct Embedded {
    pub(crate) gateway: Gateway,
    pub(crate) address: GatewayAddress,
    pub(crate) port: u16,
}

/// What runs.
pub(crate) struct Engine {
    pub(crate) peer: Peer,
    pub(crate) snapshots: watch::Receiver<Snapshot>,
    pub(crate) events: broadcast::Receiver<Event>,
    pub(crate) public: PublicKey,
    pub(crate) kept_in: KeptIn,
}

/// What a start brings up.
pub(crate) struct Up {
    pub(crate) engine: Engine,
    pub(crate) embedded: Option<Embedded>,
    pub(crate) account: Unlocked,
}

/// The owner's account, if there is one and its password was found; else why not.
pub(crate) type Unlocked = Result<Option<Account>, NoPassword>;

/// What a start needs.
#[derive(Clone)]
pub(crate) struct Wanted {
    pub(crate) data: PathBuf,
    pub(crate) remote: Option<Invitation>,
    pub(crate) account: Option<KeptAccount>,
    pub(crate) safe: Safe,
    pub(crate) port: Option<u16>,
    pub(crate) words: Words,
}

/// Starts the embedded gateway, if no other is wanted, and the peer.
///
/// # Errors
/// With a chain that a person can read.
pub(crate) async fn bring_up(wanted: Wanted, found: Found) -> anyhow::Result<Up> {
    let words = wanted.words;
    // The keychain may ask its owner, and has a deadline of its own.
    let account = unlock(wanted.account.as_ref(), &wanted.safe).await;
    timeout(START_TIMEOUT, bring_up_slowly(wanted, found, account))
        .await
        .with_context(|| words.start_takes_long())?
}

/// Gets the password of the account from where it is kept.
pub(crate) async fn unlock(account: Option<&KeptAccount>, safe: &Safe) -> Unlocked {
    let Some(account) = account else { return Ok(None) };
    match safe.load(&account.jid).await {
        Ok(Some(password)) => Ok(Some(account.with(password))),
        Ok(None) => Err(NoPassword::Gone),
        Err(error) => Err(NoPassword::Refused(error)),
    }
}

async fn bring_up_slowly(wanted: Wanted, found: Found, account: Unlocked) -> anyhow::Result<Up> {
    let (gateway, embedded) = match wanted.remote {
        Some(gateway) => (gateway, None),
        None => {
            let embedded = embed(&wanted.data, wanted.port).await?;
            (Invitation::from(embedded.address.clone()), Some(embedded))
        }
    };
    let usable = account.as_ref().ok().cloned().flatten();
    let engine = start_peer(&wanted.data, found, gateway, usable).await?;
    Ok(Up { engine, embedded, account })
}

async fn start_peer(
    data: &Path,
    found: Found,
    gateway: Invitation,
    account: Option<Account>,
) -> anyhow::Result<Engine> {
    let Found { key, kept_in } = found;
    let public = key.public();
    let store = Some(data.join(STORE_FILE));
    let Invitation { gateway, invite } = gateway;
    let roots = Roots::System;
    let config = peer::Config { store, key, gateway, roots, account, invite, carrier: None };
    let peer = Peer::start(config).await?;
    let (snapshots, events) = (peer.snapshots(), peer.events());
    Ok(Engine { peer, snapshots, events, public, kept_in })
}

/// Binds the embedded gateway, to the port that stands in the links if that is possible.
///
/// # Errors
/// When no port can be had, or the names cannot be opened.
pub(crate) async fn embed(data: &Path, kept: Option<u16>) -> anyhow::Result<Embedded> {
    if let Some(port) = kept {
        let patience = Instant::now() + PORT_PATIENCE;
        loop {
            match bind(data, port).await {
                Ok(embedded) => return Ok(embedded),
                Err(gateway::StartError::Listen(..)) if Instant::now() < patience => {
                    sleep(PORT_RETRY).await;
                }
                Err(gateway::StartError::Listen(..)) => break,
                Err(error @ (gateway::StartError::Data(..) | gateway::StartError::Domain(..))) => {
                    return Err(error.into());
                }
            }
        }
    }
    let fixed = FIRST_PORT..FIRST_PORT + PORTS_TRIED;
    for port in fixed.filter(|port| Some(*port) != kept) {
        match bind(data, port).await {
            Ok(embedded) => return Ok(embedded),
            Err(gateway::StartError::Listen(..)) => {}
            Err(error @ (gateway::StartError::Data(..) | gateway::StartError::Domain(..))) => {
                return Err(error.into());
            }
        }
    }
    Ok(bind(data, 0).await?)
}

async fn bind(data: &Path, port: u16) -> Result<Embedded, gateway::StartError> {
    let config = gateway::Config {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        domain: "localhost".to_owned(),
        behind_proxy: false,
        data: Some(data.join(GATEWAY_FOLDER)),
    };
    let gateway = Gateway::bind_for_this_computer(config).await?;
    let (address, port) = (gateway.address(), gateway.local_addr().port());
    Ok(Embedded { gateway, address, port })
}
