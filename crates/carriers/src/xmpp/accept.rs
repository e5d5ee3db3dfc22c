//! The gateway's side of the handshake.

use std::time::Duration;

use crosstalk::{label::Label, petrichor::Denial, transaction::Handler, xmpp::FullJid};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Login, LoginError, Session, roster::Roster};
use crate::{Link, LinkEnd, accept::LinkError};

/// A gateway's account, at which peers knock.
pub struct Door {
    session: Session,
}

/// A peer that has said who it is, and waits for an answer.
pub struct Knock {
    from: FullJid,
    hello: Hello,
}

/// What a peer says of itself.
#[derive(Clone, Debug, Default)]
pub struct Hello {
    /// The proof of identity; empty in a question.
    pub proof: String,
    /// Only this name, instead of all names of the identity.
    pub label: Option<Label>,
    /// It only asks the gateway itself, for names.
    pub asks: bool,
    /// What lets somebody in whom the gateway does not know.
    pub invite: Option<String>,
}

impl Door {
    /// Logs in and says that a gateway is here.
    ///
    /// # Errors
    /// See [`LoginError`].
    pub async fn open(login: &Login) -> Result<Self, LoginError> {
        Ok(Self { session: Session::log_in(login).await? })
    }

    /// Returns the address of this session.
    #[must_use]
    pub fn jid(&self) -> &FullJid {
        self.session.jid()
    }

    /// Returns what the account's contacts are asked with.
    #[must_use]
    pub fn roster(&self) -> Roster {
        Roster::of(self.session.clone())
    }

    /// Waits for the next peer; `None` when the session has ended, with all its links.
    pub async fn next(&mut self) -> Option<Knock> {
        None
    }
}

impl Knock {
    /// Returns whose session it is, as the server vouches for it.
    #[must_use]
    pub fn from(&self) -> &FullJid {
        &self.from
    }

    /// Returns what it said.
    #[must_use]
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// Says no, with a sentence for a person.
    pub async fn deny(self, _denial: Denial) {}

    /// Says yes, and makes the conversation a link. Its tasks belong to `tasks` and end with it.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn link(self, _sentence: String, _tasks: &TaskTracker) -> Result<Link, LinkError> {
        Err(LinkError::TimedOut)
    }

    /// Says yes, and answers what the peer asks ([`Hello::asks`]) until it leaves, or `stop` is
    /// cancelled and `grace` is over.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn answer(
        self,
        _handler: Handler,
        _stop: CancellationToken,
        _grace: Duration,
    ) -> Result<LinkEnd, LinkError> {
        Err(LinkError::TimedOut)
    }
}
