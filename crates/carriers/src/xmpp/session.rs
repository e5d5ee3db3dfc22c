//! One login of an account, and the conversations over it.

use std::{
    collections::{HashMap, HashSet},
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use crosstalk::xmpp::{BareJid, FullJid, Jid};
use futures_util::future::poll_fn;
use tokio::{
    io::split,
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};
use xmpp_parsers::{minidom::Element, ns, stanza_error::DefinedCondition};

use super::{
    Login, LoginError,
    arrivals::{ARRIVALS, Arrival, Arrivals, COUNTERPART_ARRIVALS, PresenceKind},
    connect::{self, Network, Times},
    conversation::{Conversation, ConversationEnd, OUTBOX, Pipe},
    login::{self, LoggedIn},
    presence::{self, MeetError, Seen},
    router, stanza,
    writer::{Outbox, Writer},
};

/// How long logging out may take, with what is still to be sent.
const GOODBYE: Duration = Duration::from_secs(2);

/// The priority of a gateway's presence: below zero, no chat lands here (RFC 6121 §8.5.2.1.1).
const GATEWAY_PRIORITY: &str = "-1";

/// An account that is logged in. Cheap to clone; all clones are the same. It logs out when the last
/// of them and of its conversations is gone.
#[derive(Clone)]
pub struct Session(Arc<Core>);

/// What keeps a session logged in.
pub(super) struct Core {
    pub(super) shared: Arc<Shared>,
    stop: CancellationToken,
    _log_out: DropGuard,
}

/// What all handles of a session share with its task.
pub(super) struct Shared {
    pub(super) jid: FullJid,
    pub(super) max_stanza: usize,
    pub(super) outbox: Outbox,
    /// What is said outside of conversations takes its turn with them.
    chat: Arc<Pipe>,
    routes: Mutex<Routes>,
    end: watch::Sender<Option<SessionEnd>>,
    /// The task of the session, which ends with it.
    tasks: TaskTracker,
}

/// Who waits for what comes in.
#[derive(Default)]
pub(super) struct Routes {
    pub(super) conversations: HashMap<FullJid, HashMap<String, Arc<Pipe>>>,
    pub(super) requests: HashMap<String, Waiting>,
    pub(super) meetings: Vec<(BareJid, mpsc::Sender<Seen>)>,
    pub(super) arrivals: Option<mpsc::Sender<Arrival>>,
    /// Of whom alone something arrives; `None` of everybody.
    pub(super) counterparts: Option<HashSet<BareJid>>,
    pub(super) is_gateway: bool,
}

/// A request whose answer is not here yet.
pub(super) struct Waiting {
    pub(super) to: Option<Jid>,
    pub(super) answer: oneshot::Sender<Result<Option<Element>, RequestError>>,
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
pub enum RequestError {
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
pub enum Ask {
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
    pub async fn log_in(login: &Login) -> Result<Self, LoginError> {
        Self::log_in_over(login, &Network::system()).await
    }

    /// Logs in over this network.
    pub(super) async fn log_in_over(login: &Login, network: &Network) -> Result<Self, LoginError> {
        let logged_in = timeout(network.times.login, async {
            let connected = connect::connect(login, network).await?;
            login::log_in(connected, login).await
        });
        let logged_in = logged_in.await.unwrap_or(Err(LoginError::TimedOut))?;
        tracing::debug!("Logged in at an XMPP server");
        Ok(Self::start(logged_in, network.times))
    }

    fn start(logged_in: LoggedIn, times: Times) -> Self {
        let LoggedIn { stream, jid, max_stanza } = logged_in;
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            chat: Pipe::new(jid.clone(), "", 0),
            jid,
            max_stanza,
            outbox: Outbox::default(),
            routes: Mutex::default(),
            end: watch::Sender::new(None),
            tasks: TaskTracker::new(),
        });
        let task = Arc::clone(&shared);
        let stopped = stop.clone();
        let over = Over(Arc::clone(&shared));
        shared.tasks.spawn(async move {
            let over = over;
            let mut write = None;
            let mut stream = stream.map(|io| {
                let (reader, writer) = split(io);
                write = Some(writer);
                reader
            });
            let Some(write) = write else { return };
            let mut writer = Writer::new(write);
            let (heard, silence) = watch::channel(Instant::now());
            let end = tokio::select! {
                biased;
                () = stopped.cancelled() => SessionEnd::Closed,
                end = router::read(&mut stream, &task, heard) => end,
                error = writer.run(&task.outbox) => {
                    tracing::debug!(%error, "The line to an XMPP server broke");
                    SessionEnd::Lost
                }
                () = watch_silence(&task, silence, times) => SessionEnd::Lost,
            };
            if end == SessionEnd::Closed {
                // What is left out now, nobody would have waited for.
                let _ = timeout(GOODBYE, writer.finish(&task.outbox)).await;
            } else {
                tracing::debug!(?end, "A session at an XMPP server has ended");
            }
            over.0.finish(end);
        });
        shared.tasks.close();
        Self(Arc::new(Core { shared, _log_out: stop.clone().drop_guard(), stop }))
    }

    pub(super) fn downgrade(&self) -> Weak<Core> {
        Arc::downgrade(&self.0)
    }

    /// Returns the session again, if it is still logged in.
    pub(super) fn revive(core: &Weak<Core>) -> Option<Self> {
        let core = core.upgrade()?;
        let is_over = core.stop.is_cancelled() || core.shared.end.borrow().is_some();
        (!is_over).then_some(Self(core))
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.0.shared
    }

    /// Returns the address of this session.
    #[must_use]
    pub fn jid(&self) -> &FullJid {
        &self.shared().jid
    }

    /// Waits until the session is over, for whatever reason.
    pub async fn ended(&self) -> SessionEnd {
        let mut end = self.shared().end.subscribe();
        match end.wait_for(Option::is_some).await {
            Ok(end) => end.clone().unwrap_or(SessionEnd::Lost),
            Err(_) => SessionEnd::Lost,
        }
    }

    /// Returns whether the session is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.shared().end.borrow().is_some()
    }

    /// Logs out, whoever still uses the session.
    pub fn close(&self) {
        self.0.stop.cancel();
    }

    /// Returns the largest stanza the server takes, in bytes with everything around the payload.
    #[must_use]
    pub fn max_stanza(&self) -> usize {
        self.shared().max_stanza
    }

    /// Says that a gateway is here: presence for the contacts, with a negative priority so that no
    /// chat lands here (RFC 6121 §8.5.2.1.1). From then on whoever greets is greeted back.
    pub fn announce(&self) {
        self.shared().routes().is_gateway = true;
        let priority = Element::builder("priority", ns::JABBER_CLIENT);
        let children = [priority.append(GATEWAY_PRIORITY).build(), presence::caps(true)];
        self.shared().outbox.push_own(stanza::presence(None, None, children));
    }

    /// Says to one account or session, and to nobody else, that we are here and what we are.
    pub fn greet(&self, to: &Jid) {
        self.shared().outbox.push_own(self.shared().greeting(to));
    }

    /// Takes it back.
    pub fn leave(&self, to: &Jid) {
        self.send_presence(to, PresenceKind::Unavailable);
    }

    /// Sends a presence of this kind without anything in it, as subscriptions need it.
    pub(crate) fn send_presence(&self, to: &Jid, kind: PresenceKind) {
        self.shared().outbox.push_own(stanza::presence(Some(to), kind.name(), []));
    }

    /// Greets an account and waits for a session of it that is a gateway.
    ///
    /// # Errors
    /// See [`MeetError`].
    pub async fn meet(&self, to: &BareJid, deadline: Duration) -> Result<FullJid, MeetError> {
        presence::meet(self, to, deadline).await
    }

    /// Tells the presences of an account, until nobody listens.
    pub(super) fn watch(
        &self,
        account: BareJid,
        tell: mpsc::Sender<Seen>,
    ) -> Result<(), SessionEnd> {
        let mut routes = self.shared().routes();
        if let Some(end) = &*self.shared().end.borrow() {
            return Err(end.clone());
        }
        routes.meetings.retain(|(_, tell)| !tell.is_closed());
        routes.meetings.push((account, tell));
        Ok(())
    }

    /// Sends an IQ and waits for its answer; without `to` our own server is asked.
    ///
    /// # Errors
    /// See [`RequestError`].
    pub async fn request(
        &self,
        to: Option<&Jid>,
        ask: Ask,
        payload: &Element,
        deadline: Duration,
    ) -> Result<Option<Element>, RequestError> {
        let id = format!("{:032x}", rand::random::<u128>());
        let address = to.map(Jid::as_str);
        let bytes = match ask {
            Ask::Get => stanza::get(address, &id, payload),
            Ask::Set => stanza::set(address, &id, payload),
        };
        let (answer, answered) = oneshot::channel();
        {
            let mut routes = self.shared().routes();
            if self.shared().end.borrow().is_some() {
                return Err(RequestError::Ended);
            }
            routes.requests.insert(id.clone(), Waiting { to: to.cloned(), answer });
        }
        let _forget = Forget { shared: self.shared(), id };
        if bytes.as_ref().is_ok_and(|bytes| bytes.len() > self.max_stanza())
            || !self.shared().outbox.push_own(bytes)
        {
            return Err(RequestError::Refused {
                condition: DefinedCondition::ResourceConstraint,
                text: None,
                extra: None,
            });
        }
        match timeout(deadline, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(RequestError::Ended),
            Err(_) => Err(RequestError::TimedOut),
        }
    }

    /// Begins a conversation with another session under a token. `capacity` is the number of bytes
    /// of stanzas (each at least [`super::conversation::STANZA_COST`]) that the partner can have
    /// credit for at once: whatever comes beyond it ends the conversation.
    ///
    /// The end that learns the token from an answer must speak first: what the other one sent before
    /// this is called would be refused as `item-not-found`.
    pub fn converse(&self, partner: FullJid, token: &str, capacity: usize) -> Conversation {
        let pipe = Pipe::new(partner.clone(), token, capacity);
        let mut routes = self.shared().routes();
        if self.shared().end.borrow().is_some() {
            pipe.finish(ConversationEnd::SessionEnded);
        } else {
            let tokens = routes.conversations.entry(partner).or_default();
            tokens.insert(token.to_owned(), Arc::clone(&pipe));
        }
        drop(routes);
        Conversation::new(Arc::clone(&self.0), pipe)
    }

    /// Takes what belongs to no conversation. Who takes it next has it then; while nobody does,
    /// requests are answered with `service-unavailable`, subscriptions are declined and the rest is
    /// dropped.
    pub(crate) fn arrivals(&self) -> Arrivals {
        self.take_arrivals(ARRIVALS, None)
    }

    /// Takes what is of these accounts, for who has to miss nothing of it: when more comes than is
    /// taken, nothing is left out in silence, but the arrivals end. Of others nothing arrives.
    pub(crate) fn arrivals_of(&self, counterparts: HashSet<BareJid>) -> Arrivals {
        self.take_arrivals(COUNTERPART_ARRIVALS, Some(counterparts))
    }

    fn take_arrivals(&self, most: usize, counterparts: Option<HashSet<BareJid>>) -> Arrivals {
        let (tell, arrivals) = mpsc::channel(most);
        let mut routes = self.shared().routes();
        if self.shared().end.borrow().is_none() {
            routes.arrivals = Some(tell);
            routes.counterparts = counterparts;
        }
        Arrivals(arrivals)
    }

    /// Sends a `<message>`, in turn with the conversations. It must carry `to`; `from` is the
    /// server's to set.
    ///
    /// # Errors
    /// [`std::io::ErrorKind::InvalidInput`] for one above [`Self::max_stanza`],
    /// [`std::io::ErrorKind::NotConnected`] after the session's end.
    pub async fn say(&self, message: &Element) -> io::Result<()> {
        let shared = self.shared();
        let bytes = stanza::bytes(message)?;
        shared.check_size(&bytes)?;
        poll_fn(|cx| shared.chat.poll_below(cx, OUTBOX)).await?;
        shared.chat.push_out(&shared.outbox, bytes)
    }
}

impl Shared {
    /// Holds who waits for what comes in. Never while waiting for anything.
    pub(super) fn routes(&self) -> MutexGuard<'_, Routes> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Presence for one other, with what we are.
    pub(super) fn greeting(&self, to: &Jid) -> io::Result<bytes::Bytes> {
        let is_gateway = self.routes().is_gateway;
        stanza::presence(Some(to), None, [presence::caps(is_gateway)])
    }

    pub(super) fn check_size(&self, bytes: &[u8]) -> io::Result<()> {
        if bytes.len() <= self.max_stanza {
            return Ok(());
        }
        let problem = format!("a stanza of {} bytes is more than the server takes", bytes.len());
        Err(io::Error::new(io::ErrorKind::InvalidInput, problem))
    }

    /// Takes a conversation out, if it is still this one that goes by its token.
    pub(super) fn forget(&self, pipe: &Arc<Pipe>) {
        let mut routes = self.routes();
        let Some(tokens) = routes.conversations.get_mut(&pipe.partner) else { return };
        if tokens.get(&pipe.token).is_some_and(|known| Arc::ptr_eq(known, pipe)) {
            tokens.remove(&pipe.token);
        }
        if tokens.is_empty() {
            routes.conversations.remove(&pipe.partner);
        }
    }

    /// Tells everybody who waits that nothing more comes.
    fn finish(&self, end: SessionEnd) {
        let mut routes = self.routes();
        self.end.send_if_modified(|first| {
            let is_first = first.is_none();
            first.get_or_insert(end);
            is_first
        });
        let Routes { conversations, requests, meetings, arrivals, counterparts: _, is_gateway: _ } =
            std::mem::take(&mut *routes);
        drop(routes);
        for pipe in conversations.into_values().flat_map(HashMap::into_values) {
            pipe.finish(ConversationEnd::SessionEnded);
        }
        self.chat.finish(ConversationEnd::SessionEnded);
        // Whoever holds the other ends sees that these are gone.
        drop((requests, meetings, arrivals));
    }
}

/// Ends a session for all who wait, also when its task has panicked or went with its runtime: a
/// session that is over and does not know it would be shared for ever.
struct Over(Arc<Shared>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.finish(SessionEnd::Lost);
    }
}

/// Takes back a request for whose answer nobody waits any more.
struct Forget<'session> {
    shared: &'session Shared,
    id: String,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.shared.routes().requests.remove(&self.id);
    }
}

/// Asks the server for a sign of life when the line is silent (XEP-0199 §4.2), and returns when it
/// gives none.
async fn watch_silence(shared: &Shared, mut heard: watch::Receiver<Instant>, times: Times) {
    loop {
        let last = *heard.borrow_and_update();
        sleep_until(last + times.ping_after).await;
        if *heard.borrow() != last {
            continue;
        }
        let ping = Element::bare("ping", ns::PING);
        shared.outbox.push_own(stanza::get(None, "ping", &ping));
        match timeout(times.answer, heard.changed()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => {
                tracing::debug!("An XMPP server gives no sign of life");
                return;
            }
        }
    }
}
