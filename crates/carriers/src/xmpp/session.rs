//! One login of an account, and the conversations over it.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use crosstalk::xmpp::{BareJid, FullJid, Jid};
use xmpp_parsers::{minidom::Element, stanza_error::DefinedCondition};

use super::{
    Login, LoginError,
    arrivals::{Arrivals, PresenceKind},
    conversation::{Conversation, Pipe},
    presence::MeetError,
    writer::Outbox,
};

/// An account that is logged in. Cheap to clone; all clones are the same. It logs out when the last
/// of them and of its conversations is gone.
#[derive(Clone)]
pub struct Session(Arc<Core>);

/// What all handles of a session share.
pub(super) struct Core {
    jid: FullJid,
    pub(super) max_stanza: usize,
    pub(super) outbox: Outbox,
}

impl Core {
    pub(super) fn forget(&self, _pipe: &Pipe) {}
}

/// Why a session is over. For the log, mostly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionEnd {
    /// We logged out.
    Closed,
    /// The line broke, or was silent for too long.
    Lost,
    /// Another session took our place (RFC 6120 §4.9.3.3).
    Conflict,
    /// We did something the server forbids (RFC 6120 §4.9.3.14), in its words.
    PolicyViolation(String),
    /// The server stops or restarts (RFC 6120 §4.9.3.21).
    Shutdown,
    /// Another stream error, by name.
    Other(String),
}

/// Why a request has no result.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum RequestError {
    /// The other end, or a server on the way, said no.
    #[error("refused: {condition:?}")]
    Refused {
        /// Why (RFC 6120 §8.3.3).
        condition: DefinedCondition,
        /// A sentence for a person; hostile text.
        text: Option<String>,
        /// The error's child of a namespace of its own.
        extra: Option<Element>,
    },
    /// Nobody answered in time.
    #[error("no answer in time")]
    TimedOut,
    /// The session is over.
    #[error("the session is over")]
    Ended,
}

/// What kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Asks for something.
    Get,
    /// Changes something.
    Set,
}

impl Session {
    /// Logs in.
    ///
    /// # Errors
    /// See [`LoginError`].
    pub async fn log_in(_login: &Login) -> Result<Self, LoginError> {
        Err(LoginError::NotXmpp)
    }

    pub(super) fn downgrade(&self) -> Weak<Core> {
        Arc::downgrade(&self.0)
    }

    /// Returns the session again, if it is still logged in.
    pub(super) fn revive(core: &Weak<Core>) -> Option<Self> {
        core.upgrade().map(Self)
    }

    /// Returns the address of this session.
    #[must_use]
    pub fn jid(&self) -> &FullJid {
        &self.0.jid
    }

    /// Waits until the session is over, for whatever reason.
    pub async fn ended(&self) -> SessionEnd {
        SessionEnd::Closed
    }

    /// Logs out, whoever still uses the session.
    pub fn close(&self) {}

    /// Returns the largest stanza the server takes, in bytes with everything around the payload.
    pub(crate) fn max_stanza(&self) -> usize {
        self.0.max_stanza
    }

    /// Says that a gateway is here: presence for the contacts, with a negative priority so that no
    /// chat lands here (RFC 6121 §8.5.2.1.1). From then on whoever greets is greeted back.
    pub(crate) fn announce(&self) {}

    /// Says to one account or session, and to nobody else, that we are here and what we are.
    pub(crate) fn greet(&self, _to: &Jid) {}

    /// Takes it back.
    pub(crate) fn leave(&self, to: &Jid) {
        self.send_presence(to, PresenceKind::Unavailable);
    }

    /// Sends a presence of this kind without anything in it, as subscriptions need it.
    pub(crate) fn send_presence(&self, _to: &Jid, _kind: PresenceKind) {}

    /// Greets an account and waits for a session of it that is a gateway.
    ///
    /// # Errors
    /// See [`MeetError`].
    pub(crate) async fn meet(
        &self,
        _to: &BareJid,
        _deadline: Duration,
    ) -> Result<FullJid, MeetError> {
        Err(MeetError::Offline)
    }

    /// Sends an IQ and waits for its answer; without `to` our own server is asked.
    ///
    /// # Errors
    /// See [`RequestError`].
    pub(crate) async fn request(
        &self,
        _to: Option<&Jid>,
        _ask: Ask,
        _payload: &Element,
        _deadline: Duration,
    ) -> Result<Option<Element>, RequestError> {
        Err(RequestError::Ended)
    }

    /// Begins a conversation with another session under a token. `capacity` is the number of bytes
    /// of stanzas (each at least [`super::conversation::STANZA_COST`]) that the partner can have
    /// credit for at once: whatever comes beyond it ends the conversation.
    ///
    /// The end that learns the token from an answer must speak first: what the other one sent before
    /// this is called would be refused as `item-not-found`.
    pub(crate) fn converse(&self, partner: FullJid, token: &str, capacity: usize) -> Conversation {
        Conversation::new(Arc::clone(&self.0), Pipe::new(partner, token, capacity))
    }

    /// Takes what belongs to no conversation. Who takes it next has it then; while nobody does,
    /// requests are answered with `service-unavailable`, subscriptions are declined and the rest is
    /// dropped.
    pub(crate) fn arrivals(&self) -> Arrivals {
        Arrivals(tokio::sync::mpsc::channel(1).1)
    }

    /// Sends a `<message>`, in turn with the conversations. It must carry `to`; `from` is the
    /// server's to set.
    ///
    /// # Errors
    /// [`std::io::ErrorKind::InvalidInput`] for one above [`Self::max_stanza`],
    /// [`std::io::ErrorKind::NotConnected`] after the session's end.
    pub(crate) async fn say(&self, _message: &Element) -> std::io::Result<()> {
        Err(std::io::ErrorKind::NotConnected.into())
    }
}
