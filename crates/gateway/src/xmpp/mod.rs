//! The gateway's XMPP account, beside its ordinary port: peers that have nothing but an account of
//! their own reach it there.
//!
//! One task keeps the account logged in (`account`), each peer that knocks is heard in a task of its
//! own (`greet`), and the operator's files and the roster say who may come in (`policy`, `list`).

mod account;
mod counts;
mod greet;
mod list;
mod policy;

use std::path::PathBuf;

use carriers::xmpp::Login;
use crosstalk::address::GatewayAddress;
use tokio::sync::watch;

pub(crate) use self::account::OpenAccount;
pub use self::list::ListError;

/// How a gateway is reached over XMPP.
#[derive(Clone)]
pub struct XmppAccount {
    /// The gateway's own account.
    pub login: Login,
    /// Who may publish.
    pub admission: XmppAdmission,
}

/// Who may publish over XMPP.
///
/// Contacts in the roster of the gateway's account are always let in, since only its operator can add
/// them. Who stands in `allow` with a `!` never is.
#[derive(Clone, Debug, Default)]
pub struct XmppAdmission {
    /// Who else.
    pub admit: XmppAdmit,
    /// A file with accounts and servers, `anna@chat.example` or `chat.example`, one a line; what is
    /// behind `#` is a remark, and a line that begins with `!` says who may never publish. It is read
    /// again when it changes.
    pub allow: Option<PathBuf>,
    /// A file with codes, one a line, each good for one account; only for [`XmppAdmit::Invite`]. It is
    /// read again when it changes.
    pub invites: Option<PathBuf>,
}

/// Who may publish besides the operator's contacts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum XmppAdmit {
    /// Who is in the list.
    #[default]
    List,
    /// Those, and who brings a code that nobody used before.
    Invite,
    /// Everybody.
    Open,
}

/// Why a gateway cannot use an account.
#[derive(Debug, thiserror::Error)]
pub enum XmppError {
    /// The server of the account is no host name, so peers have no address to dial.
    #[error("{0} is no address that peers can use")]
    Address(String),
    /// A file that says who may publish cannot be used.
    #[error(transparent)]
    List(#[from] ListError),
}

/// Whether the gateway is reached over XMPP at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum XmppState {
    /// It logs in for the first time.
    Connecting,
    /// Peers can knock.
    Online,
    /// They cannot.
    Offline {
        /// Why, and what the operator can do.
        sentence: String,
        /// Whether it may heal by itself. Otherwise it is tried again too, but seldom.
        heals: bool,
    },
}

/// The gateway's account as others see it.
#[derive(Clone, Debug)]
pub struct Reached {
    /// The address that peers use: `xmpp:gateway@chat.example`.
    pub address: GatewayAddress,
    /// Whether they can at the moment.
    pub state: watch::Receiver<XmppState>,
}
