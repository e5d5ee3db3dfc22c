//! What belongs to no conversation: hellos, presence of others, and chat.

use std::sync::Arc;

use crosstalk::xmpp::Jid;
use tokio::sync::mpsc;
use xmpp_parsers::{minidom::Element, stanza_error::DefinedCondition};

use super::{session::Shared, stanza};

/// How many arrivals wait for their taker. A gateway's knocks come one at a time; more is a flood.
pub(super) const ARRIVALS: usize = 64;

/// How many wait of accounts that were named: what one read of the session brings, however short the
/// messages are.
pub(super) const COUNTERPART_ARRIVALS: usize = 1024;

/// All that comes to a session outside of conversations. One at a time has it.
pub(crate) struct Arrivals(pub(super) mpsc::Receiver<Arrival>);

/// One of them.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// An IQ set with a payload of our namespace that names no conversation. It wants an answer.
    Set(Request),
    /// Somebody has come, gone, or asks something.
    Presence {
        /// Whose.
        from: Jid,
        /// What kind.
        kind: PresenceKind,
    },
    /// A `<message>` of type `chat` or `normal` with a body. Not an answer to be trusted: anybody
    /// can send one.
    Chat {
        /// From whom, as the server vouches.
        from: Jid,
        /// The conversation it says it belongs to.
        thread: Option<String>,
        /// All `<body>` elements, one after the other.
        body: String,
    },
}

/// What a presence says (RFC 6121 §4.7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PresenceKind {
    /// Somebody is there.
    Available,
    /// And not any more.
    Unavailable,
    /// Somebody asks to see our presence; answered by [`super::Session::send_presence`].
    Subscribe,
    /// We may see theirs.
    Subscribed,
    /// Somebody does not want to see ours any more.
    Unsubscribe,
    /// We may not see theirs (any more).
    Unsubscribed,
}

impl PresenceKind {
    /// Returns the value of `type`; availability has none.
    pub(super) fn name(self) -> Option<&'static str> {
        match self {
            Self::Available => None,
            Self::Unavailable => Some("unavailable"),
            Self::Subscribe => Some("subscribe"),
            Self::Subscribed => Some("subscribed"),
            Self::Unsubscribe => Some("unsubscribe"),
            Self::Unsubscribed => Some("unsubscribed"),
        }
    }
}

/// An IQ set that wants an answer. Unanswered, its sender waits in vain.
pub(crate) struct Request {
    pub(super) shared: Arc<Shared>,
    pub(super) from: Jid,
    pub(super) id: String,
    pub(super) payload: Element,
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request").field("payload", &self.payload.name()).finish_non_exhaustive()
    }
}

impl Arrivals {
    /// Waits for the next; `None` when the session has ended.
    pub(crate) async fn next(&mut self) -> Option<Arrival> {
        self.0.recv().await
    }
}

impl Request {
    /// Returns whose it is, as the server vouches.
    pub(crate) fn from(&self) -> &Jid {
        &self.from
    }

    /// Returns what is asked.
    pub(crate) fn payload(&self) -> &Element {
        &self.payload
    }

    /// Answers with a result.
    pub(crate) fn accept(self, payload: Option<&Element>) {
        self.shared.outbox.push_own(stanza::result(Some(self.from.as_str()), &self.id, payload));
    }

    /// Answers with an error, a sentence for a person, and more for the program at the other end.
    pub(crate) fn refuse(self, condition: DefinedCondition, text: &str, extra: Option<&Element>) {
        let to = Some(self.from.as_str());
        let refusal = stanza::refusal(to, &self.id, condition, Some(text), extra);
        self.shared.outbox.push_answer(refusal);
    }
}
