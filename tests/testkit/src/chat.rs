//! A gateway that is reached over XMPP, and the server between it and its peers.

use std::{fs, net::Ipv4Addr, time::Duration};

use anyhow::Context as _;
use crosstalk::address::GatewayAddress;
use gateway::{Config, Gateway, XmppAccount, XmppAdmission, XmppAdmit, XmppState};
use tempfile::TempDir;
use tokio::{task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    prosody::{Prosody, Setup},
    waiting::PATIENCE,
};

/// How long the gateway may take to stop.
const STOP: Duration = Duration::from_secs(20);

/// The name of the gateway's account.
const GATEWAY: &str = "gateway";

/// What lets somebody in, once.
pub const INVITE: &str = "first-visit";

/// A gateway that runs, and its XMPP server. Whoever is to publish needs [`INVITE`].
pub struct Chat {
    /// The server.
    pub server: Prosody,
    address: GatewayAddress,
    port: u16,
    stop: CancellationToken,
    running: JoinSet<()>,
    _data: TempDir,
}

impl Chat {
    /// Starts both, and returns when peers can come.
    ///
    /// # Errors
    /// When one of them does not start in time.
    pub async fn start(server: Setup) -> anyhow::Result<Self> {
        let server = server.start().await?;
        let data = TempDir::with_prefix("gateway-")?;
        let invites = data.path().join("invites");
        fs::write(&invites, format!("{INVITE}\n"))?;
        let config = Config {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            domain: "localhost".to_owned(),
            behind_proxy: false,
            data: Some(data.path().to_owned()),
        };
        let admission =
            XmppAdmission { admit: XmppAdmit::Invite, allow: None, invites: Some(invites) };
        let account = XmppAccount { login: server.login(GATEWAY)?, admission };
        let gateway = Gateway::bind(config).await?.with_xmpp(account)?;
        let port = gateway.local_addr().port();
        let reached = gateway.xmpp().context("it has an account")?;
        let stop = CancellationToken::new();
        let mut running = JoinSet::new();
        running.spawn(gateway.run(stop.clone()));
        let address = reached.address;
        let mut state = reached.state;
        let online = state.wait_for(|state| matches!(state, XmppState::Online));
        timeout(PATIENCE, online).await.context("the gateway is not online in time")??;
        Ok(Self { server, address, port, stop, running, _data: data })
    }

    /// Returns the address that peers use.
    #[must_use]
    pub fn address(&self) -> &GatewayAddress {
        &self.address
    }

    /// Returns what somebody pastes who was invited.
    #[must_use]
    pub fn invitation(&self) -> String {
        format!("{}?invite={INVITE}", self.address)
    }

    /// Returns the port for visitors.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Stops the gateway.
    pub async fn stop(mut self) {
        self.stop.cancel();
        // What does not end in time ends with the set.
        let _ = timeout(STOP, self.running.join_next()).await;
    }
}
