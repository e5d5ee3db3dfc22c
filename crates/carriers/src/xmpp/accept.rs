//! The gateway's side of the handshake.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crosstalk::{
    label::Label,
    petrichor::Denial,
    registry::{Reason, Refused},
    transaction::Handler,
    transactions::Numbers,
    xmpp::{
        BareJid, FullJid,
        ct2::{self, Token},
    },
};
use futures_util::StreamExt as _;
use http::StatusCode;
use tokio::time::{Instant, timeout_at};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use xmpp_parsers::stanza_error::DefinedCondition;

use super::{
    Login, LoginError, Session,
    arrivals::{Arrival, Arrivals, Request},
    conversation::Conversation,
    greeting::{self, GREETING_TIMEOUT, GreetingError, Welcome},
    roster::Roster,
    transport::{Agreed, CAPACITY, Transport, chunk, setup, timing},
};
use crate::{Link, LinkEnd, accept::LinkError, line::LineHandle, messages, petrichor};

/// How many hellos wait for the gateway's word at the same time.
const MAX_KNOCKS: usize = 64;

/// How many of them may be of one account: a peer says one for each of its links, and asks besides.
const MAX_KNOCKS_OF_ONE: usize = 4;

/// How long the gateway's word may take; the peer does not wait longer.
const WORD_WITHIN: Duration = Duration::from_secs(10);

/// When those come again who found too many others before them.
const BUSY: Duration = Duration::from_secs(10);

/// A gateway's account, at which peers knock.
pub struct Door {
    session: Session,
    arrivals: Arrivals,
    waiting: Arc<Waiting>,
}

/// Who waits for an answer.
#[derive(Default)]
struct Waiting(Mutex<HashMap<BareJid, usize>>);

/// The place of one of them, until it is dropped.
struct Place {
    waiting: Arc<Waiting>,
    of: BareJid,
}

/// A peer that has said who it is, and waits for an answer.
pub struct Knock {
    session: Session,
    from: FullJid,
    hello: Hello,
    max_chunk: usize,
    request: Request,
    deadline: Instant,
    place: Place,
}

/// What a peer says of itself.
#[derive(Clone, Default)]
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

impl std::fmt::Debug for Hello {
    /// Without the proof and the invitation: who reads them could use them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hello")
            .field("label", &self.label)
            .field("asks", &self.asks)
            .finish_non_exhaustive()
    }
}

impl Door {
    /// Logs in and says that a gateway is here.
    ///
    /// # Errors
    /// See [`LoginError`].
    pub async fn open(login: &Login) -> Result<Self, LoginError> {
        let session = Session::log_in(login).await?;
        let arrivals = session.arrivals();
        session.announce();
        Ok(Self { session, arrivals, waiting: Arc::default() })
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
    ///
    /// Who is not understood, or comes in a crowd, is answered here.
    pub async fn next(&mut self) -> Option<Knock> {
        loop {
            match self.arrivals.next().await? {
                Arrival::Set(request) => {
                    if let Some(knock) = self.hear(request) {
                        return Some(knock);
                    }
                }
                // Nobody has to be on anybody's list to publish, and whoever chats with a gateway
                // has mistaken the address.
                Arrival::Presence { .. } | Arrival::Chat { .. } => {}
            }
        }
    }

    fn hear(&self, request: Request) -> Option<Knock> {
        let Ok(from) = request.from().try_as_full().cloned() else {
            refuse(request, &unreadable("only a session can begin a link"));
            return None;
        };
        let (hello, max_chunk) = match greeting::read_hello(request.payload()) {
            Ok(hello) => hello,
            Err(error) => {
                tracing::debug!(%error, "A hello cannot be read");
                refuse(request, &not_understood(error));
                return None;
            }
        };
        let Some(place) = Waiting::take(&self.waiting, from.to_bare()) else {
            refuse(request, &busy());
            return None;
        };
        let deadline = Instant::now() + WORD_WITHIN;
        let session = self.session.clone();
        Some(Knock { session, from, hello, max_chunk, request, deadline, place })
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
    #[expect(clippy::unused_async, reason = "all words of a gateway to a peer are awaited")]
    pub async fn deny(self, denial: Denial) {
        refuse(self.request, &denial);
    }

    /// Says yes, and makes the conversation a link. Its tasks belong to `tasks` and end with it.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn link(self, sentence: String, tasks: &TaskTracker) -> Result<Link, LinkError> {
        let (transport, agreed, line) = self.allow(sentence).await?;
        let setup = setup(&agreed, line, timing(), true);
        Ok(messages::link(transport, setup, None, tasks))
    }

    /// Says yes, and answers what the peer asks ([`Hello::asks`]) until it leaves, or `stop` is
    /// cancelled and `grace` is over.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn answer(
        self,
        handler: Handler,
        stop: CancellationToken,
        grace: Duration,
    ) -> Result<LinkEnd, LinkError> {
        let (transport, agreed, line) = self.allow(String::new()).await?;
        let mut setup = setup(&agreed, line, timing(), false);
        setup.config.max_accepted = petrichor::accept::MAX_QUESTIONS;
        Ok(messages::serve(transport, setup, handler, stop, grace).await)
    }

    /// Says yes, and waits for the peer's first word: whatever is said before it would find nobody.
    async fn allow(
        self,
        sentence: String,
    ) -> Result<(Transport<Conversation>, Agreed, LineHandle), LinkError> {
        let Self { session, from, hello: _, max_chunk, request, deadline, place } = self;
        if Instant::now() >= deadline {
            return Err(LinkError::TimedOut);
        }
        let ours = chunk(session.max_stanza(), session.jid(), &from).unwrap_or(0);
        let Some(chunk) = ct2::agree(ours, max_chunk) else {
            refuse(request, &unreadable("one of the servers takes only very small stanzas"));
            return Err(LinkError::Protocol(None));
        };
        let agreed = Agreed::new(&session, &from, Token::random(), Numbers::Even, chunk);
        let token = agreed.token;
        let mut conversation = session.converse(from, &token.to_string(), CAPACITY);
        let welcome = Welcome { token, max_chunk: ours, sentence };
        request.accept(Some(&greeting::welcome(&welcome)));
        let first = timeout_at(Instant::now() + GREETING_TIMEOUT, conversation.next()).await;
        let first = first.map_err(|_| LinkError::TimedOut)?;
        let first = first.ok_or_else(|| LinkError::Broken(io::ErrorKind::NotConnected.into()))?;
        drop(place);
        let line = LineHandle::alone();
        let mut transport = Transport::new(conversation, agreed.clone(), line.clone(), None);
        transport.hear(first).map_err(LinkError::Broken)?;
        Ok((transport, agreed, line))
    }
}

impl Waiting {
    fn take(waiting: &Arc<Self>, of: BareJid) -> Option<Place> {
        // Nothing in here panics halfway through a change.
        let mut all = waiting.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.values().sum::<usize>() >= MAX_KNOCKS {
            return None;
        }
        let count = all.entry(of.clone()).or_default();
        if *count >= MAX_KNOCKS_OF_ONE {
            return None;
        }
        *count += 1;
        Some(Place { waiting: Arc::clone(waiting), of })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.waiting.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = all.get_mut(&self.of) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.of);
            }
        }
    }
}

fn refuse(request: Request, denial: &Denial) {
    let condition = match denial.status {
        StatusCode::BAD_REQUEST => DefinedCondition::BadRequest,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            DefinedCondition::ResourceConstraint
        }
        _ => DefinedCondition::Forbidden,
    };
    request.refuse(condition, &denial.refused.sentence, Some(&greeting::denied(denial)));
}

fn unreadable(sentence: &str) -> Denial {
    let refused = Refused { reason: Reason::BadRequest, sentence: sentence.to_owned() };
    Denial { status: StatusCode::BAD_REQUEST, refused, retry_after: None }
}

fn not_understood(error: GreetingError) -> Denial {
    match error {
        GreetingError::Version => {
            unreadable("the gateway speaks version 2 of CrossTalk over XMPP; update one of the two")
        }
        GreetingError::Value(_) => unreadable("the gateway does not understand the greeting"),
    }
}

fn busy() -> Denial {
    let sentence = "too many others are at the door; try again soon".to_owned();
    let refused = Refused { reason: Reason::Busy, sentence };
    Denial { status: StatusCode::TOO_MANY_REQUESTS, refused, retry_after: Some(BUSY) }
}
