//! How a gateway is reached, and asking one who it is.

use std::fmt;

use carriers::{
    DialError,
    tls::Roots,
    xmpp::{Account, LoginError, Session},
};
use crosstalk::{
    address::{GatewayAddress, Invitation},
    registry::{GatewayInfo, Reason},
};

use crate::{
    fault::{LinkFault, LoginFault},
    keeper,
    model::LinkTrouble,
    registry::Registry,
};

/// How a gateway is reached.
#[derive(Clone)]
pub(crate) struct Approach {
    pub(crate) gateway: GatewayAddress,
    pub(crate) roots: Roots,
    /// The owner's account, for a gateway that is reached over XMPP.
    pub(crate) account: Option<Account>,
    /// What lets the owner in there. Kept after it was used up, since the gateway knows the account
    /// from then on and does not look at it.
    pub(crate) invite: Option<String>,
}

impl Approach {
    /// Reaches a gateway on the web.
    pub(crate) fn web(gateway: &GatewayAddress, roots: &Roots) -> Self {
        Self { gateway: gateway.clone(), roots: roots.clone(), account: None, invite: None }
    }
}

/// Asks a gateway who it is, before anything is switched over to it.
///
/// At the address of an account, or of a port for Petrichor, the answer's origin is that address, which
/// is what proofs name there.
///
/// # Errors
/// When nobody answers in time, it is no gateway, or it does not let the account in.
pub async fn ask_gateway(
    gateway: &Invitation,
    roots: &Roots,
    account: Option<&Account>,
) -> Result<GatewayInfo, LinkTrouble> {
    let asked = ask(gateway, roots, account).await;
    asked.map_err(|error| keeper::trouble(&error, &gateway.gateway))
}

async fn ask(
    gateway: &Invitation,
    roots: &Roots,
    account: Option<&Account>,
) -> Result<GatewayInfo, DialError> {
    let approach = Approach {
        gateway: gateway.gateway.clone(),
        roots: roots.clone(),
        account: account.cloned(),
        invite: gateway.invite.clone(),
    };
    Registry::connect(&approach).await?.info().await
}

/// What is the matter with an account, as the first step that failed. Written out, it is a sentence
/// with what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountTrouble {
    /// Which step.
    pub step: AccountStep,
    /// What is the matter.
    pub fault: LinkFault,
    /// Whether it may heal by itself.
    pub heals: bool,
}

impl fmt::Display for AccountTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fault.fmt(f)
    }
}

/// The steps from an account to a gateway, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountStep {
    /// The server's name was not found.
    Name,
    /// The server was not reached.
    Network,
    /// What answered speaks no XMPP.
    Server,
    /// No encrypted connection.
    Encryption,
    /// The certificate is wrong or unknown.
    Certificate,
    /// The name or the password is wrong.
    Password,
    /// The server lets the account not log in although the password may be right, or knows no way to
    /// log in that this program knows.
    Login,
    /// The gateway's account is not online, or its server is not reached.
    GatewayOffline,
    /// That account is online and is no gateway.
    NotAGateway,
    /// The gateway does not let this account publish.
    NotAdmitted,
    /// The gateway answered with something else that is no yes.
    Gateway,
}

/// Logs in to an account, and asks the gateway who it is if one is given.
///
/// Where the gateway wants an invitation and this is one, it is used up by this.
///
/// # Errors
/// With the step that failed.
pub async fn test_account(
    account: &Account,
    gateway: Option<&Invitation>,
) -> Result<Option<GatewayInfo>, AccountTrouble> {
    let Some(gateway) = gateway.filter(|gateway| gateway.gateway.xmpp().is_some()) else {
        let session = Session::log_in(account.login()).await;
        return session.map(|_| None).map_err(|error| AccountTrouble {
            step: login_step(&error),
            fault: LinkFault::Account(LoginFault::of(&error)),
            heals: error.is_worth_retrying(),
        });
    };
    let info = ask(gateway, &account.login().roots, Some(account)).await;
    info.map(Some).map_err(|error| {
        let LinkTrouble { fault, heals, .. } = keeper::trouble(&error, &gateway.gateway);
        AccountTrouble { step: step(&error), fault, heals }
    })
}

fn step(error: &DialError) -> AccountStep {
    match error {
        DialError::Account(error) => login_step(error),
        DialError::NoAccount => AccountStep::Login,
        DialError::TimedOut | DialError::Unreachable(_) => AccountStep::GatewayOffline,
        DialError::Certificate(_) => AccountStep::Certificate,
        DialError::NotAGateway => AccountStep::NotAGateway,
        DialError::Refused { refused, .. } if refused.reason == Reason::NotAdmitted => {
            AccountStep::NotAdmitted
        }
        DialError::Moved(_) | DialError::Refused { .. } => AccountStep::Gateway,
    }
}

fn login_step(error: &LoginError) -> AccountStep {
    match error {
        LoginError::NoServer(_) => AccountStep::Name,
        LoginError::Unreachable(_) | LoginError::TimedOut => AccountStep::Network,
        LoginError::NotXmpp => AccountStep::Server,
        LoginError::NoTls => AccountStep::Encryption,
        LoginError::Certificate(_) => AccountStep::Certificate,
        LoginError::Password => AccountStep::Password,
        LoginError::Refused(_) | LoginError::NoMechanism | LoginError::Busy => AccountStep::Login,
    }
}
