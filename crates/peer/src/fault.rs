//! What is the matter with a link or a folder: a kind with its data for whoever says it in another
//! language, and an English sentence.

use std::{fmt, io};

use carriers::{DialError, LinkEnd, xmpp::LoginError};
use crosstalk::{address::GatewayAddress, registry::Reason};

use crate::{
    model::{HandOverTrouble, SiteTrouble},
    registry,
};

/// Why there is no link. Written out, it is a sentence with what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkFault {
    /// The owner's XMPP account cannot be used.
    Account(LoginFault),
    /// A link that was there ended.
    Ended(LinkEnd),
    /// The gateway at this address, or the way to it.
    Gateway(GatewayAddress, GatewayFault),
}

/// What is the matter with a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GatewayFault {
    /// Its certificate is not valid.
    Certificate,
    /// It gives the desk no name, at which all hand-overs are.
    Desk(HandOverTrouble),
    /// It is at another address now.
    Moved(GatewayAddress),
    /// It gives a site no name.
    Name(SiteTrouble),
    /// It is reached over XMPP, and there is no account to reach it by.
    NoAccount,
    /// It does not let the owner publish; in its words, printable.
    NotAdmitted(String),
    /// Something else answers there, or something on the way blocks the connection.
    NotAGateway,
    /// The XMPP account at this address is not that of a gateway.
    NotItsAccount,
    /// Its XMPP account is not online, or its server is not reached from the owner's.
    Offline,
    /// It does not believe who the owner is; in its words, printable.
    ProofRefused(String),
    /// It says no for another reason; in its words, printable.
    Refused(String),
    /// It does not answer in time.
    TimedOut,
    /// No connection.
    Unreachable,
}

/// Why an XMPP account cannot be used; see [`LoginError`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginFault {
    /// The server is busy.
    Busy,
    /// The server's certificate is not valid.
    Certificate,
    /// The server offers no safe way to log in.
    NoMechanism,
    /// DNS knows no such server.
    NoServer,
    /// The server offers no encryption.
    NoTls,
    /// No XMPP at this server.
    NotXmpp,
    /// Wrong name or password.
    Password,
    /// The server does not let it log in; in its words, printable, and empty when it has none.
    Refused(String),
    /// The server does not answer in time.
    TimedOut,
    /// No connection.
    Unreachable,
}

impl LinkFault {
    /// Says what a dial to this gateway failed of.
    pub(crate) fn of(error: &DialError, gateway: &GatewayAddress) -> Self {
        let over_xmpp = gateway.xmpp().is_some();
        let fault = match error {
            DialError::Account(error) => return Self::Account(LoginFault::of(error)),
            DialError::Unreachable(_) | DialError::TimedOut if over_xmpp => GatewayFault::Offline,
            DialError::NotAGateway if over_xmpp => GatewayFault::NotItsAccount,
            DialError::Unreachable(_) => GatewayFault::Unreachable,
            DialError::TimedOut => GatewayFault::TimedOut,
            DialError::Certificate(_) => GatewayFault::Certificate,
            DialError::Moved(address) => GatewayFault::Moved(address.clone()),
            DialError::NotAGateway => GatewayFault::NotAGateway,
            DialError::NoAccount => GatewayFault::NoAccount,
            DialError::Refused { refused, .. } => {
                let words = registry::printable(&refused.sentence);
                match refused.reason {
                    Reason::NotAdmitted => GatewayFault::NotAdmitted(words),
                    Reason::ProofRefused => GatewayFault::ProofRefused(words),
                    Reason::BadRequest
                    | Reason::Busy
                    | Reason::NotFound
                    | Reason::ProofMissing
                    | Reason::Taken
                    | Reason::Unknown
                    | Reason::UpgradeRequired => GatewayFault::Refused(words),
                }
            }
        };
        Self::Gateway(gateway.clone(), fault)
    }
}

impl LoginFault {
    /// Says what a login failed of.
    pub(crate) fn of(error: &LoginError) -> Self {
        match error {
            LoginError::NoServer(_) => Self::NoServer,
            LoginError::NotXmpp => Self::NotXmpp,
            LoginError::Unreachable(_) => Self::Unreachable,
            LoginError::NoTls => Self::NoTls,
            LoginError::Certificate(_) => Self::Certificate,
            LoginError::Password => Self::Password,
            LoginError::Refused(words) => {
                Self::Refused(registry::printable(words).trim_end_matches('.').to_owned())
            }
            LoginError::NoMechanism => Self::NoMechanism,
            LoginError::Busy => Self::Busy,
            LoginError::TimedOut => Self::TimedOut,
        }
    }
}

impl fmt::Display for LinkFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(fault) => fault.fmt(f),
            Self::Ended(end) => f.write_str(match end {
                LinkEnd::Closed => "The gateway closed the connection. Veranda connects again.",
                LinkEnd::Lost => "The connection to the gateway was lost. Veranda connects again.",
                LinkEnd::ServerLost => {
                    "The connection to your XMPP server was lost. Veranda connects again."
                }
                LinkEnd::Silent => "The gateway does not answer any more. Veranda connects again.",
            }),
            Self::Gateway(gateway, fault) => fault.say(gateway, f),
        }
    }
}

impl GatewayFault {
    fn say(&self, gateway: &GatewayAddress, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offline => write!(
                f,
                "The gateway {gateway} is not online, or its server cannot be reached from yours. \
                 Check the address, or ask its operator."
            ),
            Self::NotItsAccount => write!(
                f,
                "{gateway} is an account, but not that of a gateway of Veranda. Check the address."
            ),
            Self::Unreachable => write!(
                f,
                "The gateway {gateway} cannot be reached. Check the internet connection and the \
                 address."
            ),
            Self::TimedOut => write!(
                f,
                "The gateway {gateway} does not answer. Check the internet connection and the \
                 address."
            ),
            Self::Certificate => write!(
                f,
                "The certificate of {gateway} is not valid, so somebody else may be answering. \
                 Check the address and the clock of this computer."
            ),
            Self::Moved(address) => {
                write!(f, "The gateway {gateway} moved to {address}. Use that address from now on.")
            }
            Self::NotAGateway => write!(
                f,
                "What answers at {gateway} is not a gateway of Veranda, or something on the way \
                 blocks the connection. Check the address."
            ),
            Self::NoAccount => write!(
                f,
                "The gateway {gateway} is reached over XMPP, and Veranda knows no XMPP account of \
                 yours. Add one."
            ),
            Self::NotAdmitted(words) => write!(
                f,
                "The gateway {gateway} does not admit you: {words}. Ask its operator, or use \
                 another gateway."
            ),
            Self::ProofRefused(words) => write!(
                f,
                "The gateway {gateway} does not believe who you are: {words}. Is the clock of this \
                 computer right?"
            ),
            Self::Refused(words) => write!(f, "The gateway {gateway} refuses: {words}"),
            Self::Desk(HandOverTrouble::Away) => f.write_str("The files are not there."),
            Self::Desk(HandOverTrouble::NameTaken) => write!(
                f,
                "The gateway {gateway} gives the name of your links for files to somebody else. \
                 End all of them and make new ones."
            ),
            Self::Desk(HandOverTrouble::Refused(words)) => {
                write!(f, "The gateway {gateway} gives links for files no name: {words}")
            }
            Self::Name(SiteTrouble::FolderGone) => f.write_str("The folder is not there."),
            Self::Name(SiteTrouble::FolderSilent) => {
                f.write_str("The drive of the folder does not answer.")
            }
            Self::Name(SiteTrouble::NameTaken) => write!(
                f,
                "The gateway {gateway} gives the name of this link to somebody else. Remove the \
                 folder and publish it again to get a new link."
            ),
            Self::Name(SiteTrouble::Refused(words)) => {
                write!(f, "The gateway {gateway} gives no name: {words}")
            }
        }
    }
}

impl fmt::Display for LoginFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoServer => {
                "The server of your XMPP account is not found. Check what stands behind the @ and \
                 the internet connection."
            }
            Self::Unreachable => {
                "The server of your XMPP account cannot be reached. Check the internet connection; \
                 a firewall may block XMPP (port 5222)."
            }
            Self::TimedOut => {
                "The server of your XMPP account does not answer. Check the internet connection."
            }
            Self::NotXmpp => {
                "There is no XMPP at the server of your account. Check what stands behind the @."
            }
            Self::NoTls => {
                "The server of your XMPP account offers no encrypted connection, so your password \
                 is not sent. Use another server."
            }
            Self::Certificate => {
                "The certificate of your XMPP server is not valid, so somebody else may be \
                 answering. Check what stands behind the @ and the clock of this computer."
            }
            Self::Password => "The name or the password of your XMPP account is wrong. Check both.",
            Self::Refused(words) if words.is_empty() => {
                "Your XMPP server does not let this account log in. Ask its operator."
            }
            Self::Refused(words) => {
                return write!(
                    f,
                    "Your XMPP server does not let this account log in: {words}. Ask its operator."
                );
            }
            Self::NoMechanism => {
                "Your XMPP server offers no way to log in with a password that is safe. Use \
                 another server."
            }
            Self::Busy => "Your XMPP server is busy. Try again later.",
        })
    }
}

/// What is the matter with a folder that is to be published or to take files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FolderFault {
    /// It may not be read.
    Denied,
    /// Its drive is full.
    Full,
    /// It is something else.
    NotAFolder,
    /// Nothing is there.
    NotFound,
    /// It may not be written.
    ReadOnly,
    /// The disk does not answer.
    Silent,
    /// The system says something else, in its words.
    Other(String),
}

impl FolderFault {
    /// Says what the system means that does not let us into a folder.
    pub(crate) fn of(error: &io::Error) -> Self {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "ErrorKind grows; the rest is told as it is"
        )]
        match error.kind() {
            io::ErrorKind::NotADirectory => Self::NotAFolder,
            io::ErrorKind::NotFound => Self::NotFound,
            io::ErrorKind::PermissionDenied => Self::Denied,
            io::ErrorKind::QuotaExceeded | io::ErrorKind::StorageFull => Self::Full,
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly,
            io::ErrorKind::TimedOut => Self::Silent,
            _ => Self::Other(error.to_string()),
        }
    }
}

impl fmt::Display for FolderFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Denied => "it may not be read",
            Self::Full => "the drive is full",
            Self::NotAFolder => "it is not a folder",
            Self::NotFound => "it is not there",
            Self::ReadOnly => "it may not be written",
            Self::Silent => "the disk does not answer",
            Self::Other(words) => words,
        })
    }
}

/// What is the matter with the store, in which everything is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreFault {
    /// We may not use it.
    Denied,
    /// Nobody writes it any more: the engine has ended.
    Ended,
    /// Its drive is full.
    Full,
    /// Another Veranda uses it.
    InUse,
    /// A newer Veranda made it, with this version of the tables; it is left as it is.
    Newer(i64),
    /// Its drive can only be read.
    ReadOnly,
    /// The disk does not answer.
    Silent,
    /// The system or the database says something else, in its words.
    Other(String),
}

impl StoreFault {
    /// Says what the system means that does not let us at the file.
    pub(crate) fn of(error: &io::Error) -> Self {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "ErrorKind grows; the rest is told as it is"
        )]
        match error.kind() {
            io::ErrorKind::PermissionDenied => Self::Denied,
            io::ErrorKind::QuotaExceeded | io::ErrorKind::StorageFull => Self::Full,
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly,
            io::ErrorKind::TimedOut => Self::Silent,
            _ => Self::Other(error.to_string()),
        }
    }
}

impl fmt::Display for StoreFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Denied => "Veranda is not allowed to use it",
            Self::Ended => "the engine has ended",
            Self::Full => "the drive is full",
            Self::InUse => "another Veranda uses it; close that one first",
            Self::Newer(version) => {
                return write!(f, "a newer Veranda made it (version {version}); use that one");
            }
            Self::ReadOnly => "the drive can only be read",
            Self::Silent => "the disk does not answer",
            Self::Other(words) => words,
        })
    }
}
