//! The two accounts of a link over XMPP: the gateway's and the owner's.

use anyhow::Context as _;
use carriers::xmpp::{Account, Login};
use gateway::{XmppAccount, XmppAdmission, XmppAdmit, XmppState};
use tokio::{sync::watch, time::timeout};

use crate::{prosody::Prosody, waiting::PATIENCE};

/// The server or the servers on which they are.
pub struct Accounts {
    /// The gateway's server.
    pub server: Prosody,
    /// The owner's, where that is another one.
    pub owners: Option<Prosody>,
    /// Where the gateway logs in instead of at its server: at somebody in between.
    pub gateway_port: Option<u16>,
    /// Where the owner does.
    pub owner_port: Option<u16>,
}

impl Accounts {
    /// Both on one server.
    #[must_use]
    pub fn together(server: Prosody) -> Self {
        Self { server, owners: None, gateway_port: None, owner_port: None }
    }

    /// Each on a server of its own; the servers find each other.
    ///
    /// # Errors
    /// When the servers cannot be told.
    pub fn apart(server: Prosody, owners: Prosody) -> anyhow::Result<Self> {
        server.federate(&owners)?;
        Ok(Self { owners: Some(owners), ..Self::together(server) })
    }

    /// Returns how the gateway logs in, and that everybody may publish there.
    ///
    /// # Errors
    /// See [`Prosody::login`].
    pub fn gateway(&self) -> anyhow::Result<XmppAccount> {
        let admission = XmppAdmission { admit: XmppAdmit::Open, ..XmppAdmission::default() };
        let login = through(self.server.login("gateway")?, self.gateway_port);
        Ok(XmppAccount { login, admission })
    }

    /// Returns how the owner of the sites logs in.
    ///
    /// # Errors
    /// See [`Prosody::login`].
    pub fn owner(&self) -> anyhow::Result<Login> {
        let login = self.owners.as_ref().unwrap_or(&self.server).login("owner")?;
        Ok(through(login, self.owner_port))
    }

    /// Returns the owner's account; each call begins a session of its own.
    ///
    /// # Errors
    /// See [`Prosody::login`].
    pub fn account(&self) -> anyhow::Result<Account> {
        Ok(Account::new(self.owner()?))
    }
}

fn through(mut login: Login, port: Option<u16>) -> Login {
    if let (Some((_, old)), Some(port)) = (&mut login.server, port) {
        *old = port;
    }
    login
}

/// Waits until peers can knock at a gateway's account.
///
/// # Errors
/// When they cannot in time.
pub async fn online(mut state: watch::Receiver<XmppState>) -> anyhow::Result<()> {
    let online = state.wait_for(|state| *state == XmppState::Online);
    timeout(PATIENCE, online).await.context("the gateway's account is not online in time")??;
    Ok(())
}
