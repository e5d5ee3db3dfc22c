//! CrossTalk over XMPP: gateway and peer each have an account, and stanzas carry the transactions.
//!
//! `session` is one login of an account, with all conversations that go over it; [`dial`] begins a
//! link as a peer, [`accept`] as a gateway.

pub mod accept;
mod arrivals;
pub mod classic;
mod connect;
mod conversation;
pub mod dial;
mod dns;
pub mod given;
mod greeting;
mod login;
#[cfg(test)]
mod page;
mod payload;
mod presence;
pub mod roster;
mod router;
mod session;
mod stanza;
mod stream;
mod swallow;
#[cfg(test)]
mod tests;
mod transport;
mod writer;

use std::{
    fmt, io,
    sync::{Arc, Weak},
    time::Instant,
};

use crosstalk::xmpp::BareJid;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

pub use self::{
    conversation::{Conversation, ConversationEnd, Incoming, Outgoing, STANZA_COST},
    presence::MeetError,
    session::{Ask, RequestError, Session, SessionEnd},
};
use crate::tls::Roots;

/// The namespace of what two ends of CrossTalk say to each other (profile ct2).
pub(crate) const CROSSTALK: &str = "urn:veranda:crosstalk:2";

/// An account, and the one session that all links of this process over it share. Cheap to clone;
/// all clones are the same.
///
/// The session begins with the first link and ends with the last.
#[derive(Clone)]
pub struct Account(Arc<Inner>);

struct Inner {
    login: Login,
    /// Held while somebody logs in, so that all who ask meanwhile get the same session.
    session: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    session: Weak<session::Core>,
    /// The last login that failed, and when it had.
    failure: Option<(Instant, LoginError)>,
}

/// How to log in.
#[derive(Clone)]
pub struct Login {
    /// The account, `name@server.example`.
    pub jid: BareJid,
    /// Its password.
    pub password: Password,
    /// Where the server is, when DNS does not say (RFC 6120 §3.2.1): a name or address, and a port.
    pub server: Option<(String, u16)>,
    /// Which certificates to believe. Without TLS only servers on this computer are spoken to.
    pub roots: Roots,
}

/// A password: never printed, wiped when dropped.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

/// Why an account cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// DNS knows no such server.
    #[error("there is no server with this name")]
    NoServer(#[source] io::Error),
    /// DNS says that the domain has no XMPP (a target of `.`, RFC 6120 §3.2.1), or what answers there
    /// speaks something else.
    #[error("there is no XMPP at this server")]
    NotXmpp,
    /// No connection: no network, nobody listens, a firewall.
    #[error("the server cannot be reached")]
    Unreachable(#[source] io::Error),
    /// The server offers no encryption, or breaks it off.
    #[error("the server offers no encrypted connection")]
    NoTls,
    /// The certificate is wrong or unknown.
    #[error("the server's certificate is not valid")]
    Certificate(#[source] io::Error),
    /// Wrong name or password.
    #[error("the name or the password is wrong")]
    Password,
    /// The account is switched off, or may not log in just now; in the server's words if it has any.
    #[error("the server lets this account not log in: {0}")]
    Refused(String),
    /// Nothing that both know to log in by.
    #[error("the server offers no way to log in that this program knows")]
    NoMechanism,
    /// Too many sessions or too many tries; later it may work.
    #[error("the server is busy")]
    Busy,
    /// No answer in time.
    #[error("the server did not answer in time")]
    TimedOut,
}

impl Account {
    /// Names an account; nothing is dialled yet.
    #[must_use]
    pub fn new(login: Login) -> Self {
        Self(Arc::new(Inner { login, session: Mutex::default() }))
    }

    /// Returns the session of this account: the one that is there, or a new login. Whoever asks while
    /// one is under way waits for it, and hears of its failure too: the links of an account do not
    /// try a wrong password one after the other.
    ///
    /// # Errors
    /// See [`LoginError`].
    pub async fn session(&self) -> Result<Session, LoginError> {
        let asked = Instant::now();
        let mut kept = self.0.session.lock().await;
        if let Some(session) = Session::revive(&kept.session) {
            return Ok(session);
        }
        if let Some((_, error)) = kept.failure.as_ref().filter(|(when, _)| *when >= asked) {
            return Err(error.repeated());
        }
        match Session::log_in(&self.0.login).await {
            Ok(session) => {
                *kept = Kept { session: session.downgrade(), failure: None };
                Ok(session)
            }
            Err(error) => {
                kept.failure = Some((Instant::now(), error.repeated()));
                Err(error)
            }
        }
    }

    /// Returns how to log in.
    #[must_use]
    pub fn login(&self) -> &Login {
        &self.0.login
    }
}

impl Password {
    /// Returns the text, for the server and the keychain and nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Password {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Account").field(&self.0.login.jid.as_str()).finish()
    }
}

impl LoginError {
    /// The same for somebody else who waited.
    fn repeated(&self) -> Self {
        let again = |error: &io::Error| io::Error::new(error.kind(), error.to_string());
        match self {
            Self::NoServer(error) => Self::NoServer(again(error)),
            Self::NotXmpp => Self::NotXmpp,
            Self::Unreachable(error) => Self::Unreachable(again(error)),
            Self::NoTls => Self::NoTls,
            Self::Certificate(error) => Self::Certificate(again(error)),
            Self::Password => Self::Password,
            Self::Refused(why) => Self::Refused(why.clone()),
            Self::NoMechanism => Self::NoMechanism,
            Self::Busy => Self::Busy,
            Self::TimedOut => Self::TimedOut,
        }
    }

    /// Returns whether trying again can help without anyone doing anything.
    #[must_use]
    pub fn is_worth_retrying(&self) -> bool {
        match self {
            // Without a network no name is known.
            Self::NoServer(_) | Self::Unreachable(_) | Self::Busy | Self::TimedOut => true,
            // A login page of a hotel comes and goes.
            Self::Certificate(_) | Self::NotXmpp | Self::NoTls => true,
            Self::Password | Self::Refused(_) | Self::NoMechanism => false,
        }
    }
}
