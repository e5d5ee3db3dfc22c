//! The session below: who is there, and what they say.

use std::collections::{HashMap, HashSet};

use crosstalk::xmpp::{BareJid, Jid};
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use xmpp_parsers::minidom::rxml::xml_ncname;
use xmpp_parsers::{minidom::Element, ns, stanza_error::DefinedCondition};

use super::{Chat, SENT_QUEUE};
use crate::xmpp::{
    Login, LoginError, Session,
    arrivals::{Arrival, Arrivals, PresenceKind},
};

/// The most sessions of one account that are told apart; servers allow a dozen or so.
const MAX_SESSIONS: usize = 64;

/// What happens on a session, of the counterparts and of nobody else.
#[derive(Debug)]
pub(super) enum Event {
    Chat(Chat),
    /// The first session of a counterpart came.
    Here(BareJid),
    /// The last of them went.
    Gone(BareJid),
}

/// A session as this carrier uses it.
pub(super) struct Wire {
    pub(super) events: Events,
    /// What is sent. The session ends when nobody has it any more.
    pub(super) sent: mpsc::Sender<Chat>,
}

/// What comes over a session.
pub(super) struct Events {
    arrivals: Arrivals,
    /// The counterparts, and the resources of those that are there.
    here: HashMap<BareJid, HashSet<String>>,
    /// Answers subscriptions; `None` in tests.
    session: Option<Session>,
    /// Cancelled when nothing can be sent any more.
    ended: CancellationToken,
}

impl Wire {
    /// Logs in and introduces itself to the counterparts.
    pub(super) async fn open(
        login: &Login,
        counterparts: &[BareJid],
        tasks: &TaskTracker,
    ) -> Result<Self, LoginError> {
        let session = Session::log_in(login).await?;
        let arrivals = session.arrivals_of(counterparts.iter().cloned().collect());
        let (sent, queue) = mpsc::channel(SENT_QUEUE);
        let events = Events::new(arrivals, counterparts, Some(session.clone()));
        for counterpart in counterparts {
            session.send_presence(&counterpart.clone().into(), PresenceKind::Subscribe);
        }
        if session.say(&presence()).await.is_err() {
            return Err(LoginError::Busy);
        }
        tasks.spawn(write(session, queue, events.ended.clone()));
        Ok(Self { events, sent })
    }
}

/// Sends what is said until nobody says anything any more or the session has ended.
async fn write(session: Session, mut queue: mpsc::Receiver<Chat>, ended: CancellationToken) {
    let _ended = ended.drop_guard();
    loop {
        let chat = tokio::select! {
            biased;
            _ = session.ended() => return,
            chat = queue.recv() => chat,
        };
        let Some(chat) = chat else { break };
        if let Err(error) = session.say(&message(&chat)).await {
            tracing::debug!(%error, "A chat message cannot be sent");
            return;
        }
    }
    session.close();
}

impl Events {
    pub(super) fn new(
        arrivals: Arrivals,
        counterparts: &[BareJid],
        session: Option<Session>,
    ) -> Self {
        let here = counterparts.iter().map(|jid| (jid.clone(), HashSet::new())).collect();
        Self { arrivals, here, session, ended: CancellationToken::new() }
    }

    /// Waits for the next; `None` when the session has ended.
    pub(super) async fn next(&mut self) -> Option<Event> {
        let ended = self.ended.clone();
        loop {
            let arrival = ended.run_until_cancelled(self.arrivals.next()).await??;
            if let Some(event) = self.read(arrival) {
                return Some(event);
            }
        }
    }

    /// Reads what came, if it is of a counterpart: the server vouches for `from`.
    fn read(&mut self, arrival: Arrival) -> Option<Event> {
        match arrival {
            Arrival::Chat { from, thread, body } => {
                let with = from.to_bare();
                let known = self.here.contains_key(&with);
                known.then_some(Event::Chat(Chat { with, thread, body }))
            }
            Arrival::Presence { from, kind } => self.presence(&from, kind),
            Arrival::Set(request) => {
                let condition = DefinedCondition::ServiceUnavailable;
                request.refuse(condition, "This session is for chat messages only.", None);
                None
            }
        }
    }

    fn presence(&mut self, from: &Jid, kind: PresenceKind) -> Option<Event> {
        let who = from.to_bare();
        let resources = self.here.get_mut(&who)?;
        match kind {
            PresenceKind::Available => {
                let resource = from.resource()?.to_string();
                let first = resources.is_empty();
                if resources.len() < MAX_SESSIONS {
                    resources.insert(resource);
                }
                first.then_some(Event::Here(who))
            }
            PresenceKind::Unavailable => {
                let was_here = !resources.is_empty();
                match from.resource() {
                    Some(resource) => {
                        resources.remove(resource.as_str());
                    }
                    None => resources.clear(),
                }
                (was_here && resources.is_empty()).then_some(Event::Gone(who))
            }
            // The programs of 2008 ask to see us, and wait until they do.
            PresenceKind::Subscribe => {
                if let Some(session) = &self.session {
                    let them = Jid::from(who);
                    session.send_presence(&them, PresenceKind::Subscribed);
                    session.send_presence(&them, PresenceKind::Subscribe);
                }
                None
            }
            // Whoever does not show itself any more is unavailable first (RFC 6121 §3.2.3).
            PresenceKind::Subscribed | PresenceKind::Unsubscribe | PresenceKind::Unsubscribed => {
                None
            }
        }
    }
}

/// Says to everybody on the account's list that it is there, and takes chat messages (RFC 6121 §8.5.2.1:
/// those for the account go to sessions with a priority that is not negative).
fn presence() -> Element {
    let priority = Element::builder("priority", ns::JABBER_CLIENT).append("0").build();
    Element::builder("presence", ns::JABBER_CLIENT).append(priority).build()
}

/// Makes a chat message as those of 2008 were. Their ids were numbers by which nothing was found.
fn message(chat: &Chat) -> Element {
    let body = Element::builder("body", ns::JABBER_CLIENT).append(chat.body.as_str()).build();
    let thread = chat.thread.as_deref().unwrap_or_default();
    let thread = Element::builder("thread", ns::JABBER_CLIENT).append(thread).build();
    Element::builder("message", ns::JABBER_CLIENT)
        .attr(xml_ncname!("id").into(), rand::random::<u64>().to_string())
        .attr(xml_ncname!("type").into(), "chat")
        .attr(xml_ncname!("to").into(), chat.with.as_str())
        .append(body)
        .append(thread)
        .append(Element::bare("x", "jabber:x:event"))
        .build()
}
