//! The gateway's end: a session answers the POSTs of one peer.

use std::{
    fmt,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Waker,
    time::Duration,
};

use bytes::Bytes;
use crosstalk::{
    limits::STREAM_WINDOW,
    poll::{self, Dialect, MAX_DOCUMENT, MessageId, Object, PollError, Report},
    registry::{Reason, Refused},
    transaction::{self, Body},
    transactions::{Config, Numbers},
};
use futures_util::task::AtomicWaker;
use http::{HeaderValue, Response, StatusCode, header, request::Parts};
use http_body_util::{BodyExt as _, Limited};
use tokio::{
    sync::{Notify, Semaphore},
    time::{Instant, timeout, timeout_at},
};
use tokio_util::task::TaskTracker;

use super::{
    LONGEST_ROOM_WAIT, LONGEST_WAIT, Preferences,
    departing::Departing,
    mailbox::{self, Mailbox, Received},
    transport::Transport,
};
use crate::{
    Carrier, Link,
    line::LineHandle,
    messages::{self, Setup},
};

/// How many transactions a classic peer gets at the same time. Their bodies are in memory as a
/// whole, and few peers of ten lines answer more than one at a time.
const CLASSIC_TRANSACTIONS: usize = 16;

/// How many transactions any other peer gets at the same time: with 256 KiB in each direction, this
/// is 32 MiB for a session that does its worst.
const TRANSACTIONS: usize = 64;

/// How many documents of one session are read at the same time. Browsers send six at most.
const DOCUMENTS: usize = 8;

/// How long a POST waits until fewer documents are read.
const DOCUMENT_TURN: Duration = Duration::from_secs(10);

/// How long the body of a POST may take: 2 MiB in half a minute, on a slow line.
const DOCUMENT_WITHIN: Duration = Duration::from_secs(30);

/// How long a session on which a visitor waits lives without any sign of its peer, which polls again
/// as soon as it has read what the last poll brought: enough for [`mailbox::DOCUMENT_TARGET`] over a
/// line of 100 kbit/s.
const ABSENCE: Duration = Duration::from_secs(20);

/// How long an idle session lives without any sign of its peer: this, and then
/// [`SILENCE_TIMEOUT`]. Together a minute, in which a laptop changes its network.
const SILENCE: Duration = Duration::from_secs(45);

/// See [`SILENCE`].
const SILENCE_TIMEOUT: Duration = Duration::from_secs(15);

/// After what time without a poll a session counts as abandoned, if another one begins for the same
/// identity: a live peer polls again at once.
const ABANDONED_AFTER: Duration = Duration::from_secs(3);

/// When a peer shall come back that is told to, in seconds.
const RETRY_SECONDS: u64 = 10;

/// How patient a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// The longest wait of a poll.
    pub poll: Duration,
    /// How long a session lives without a poll while somebody waits for an answer.
    pub absence: Duration,
    /// How long it lives without a poll while nobody does.
    pub silence: Duration,
}

/// One peer's mailbox: it answers the peer's POSTs, and is the connection of a [`Link`]. Cheap to
/// clone.
#[derive(Clone)]
pub struct Session(Arc<Shared>);

/// Why a session ends, for the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Farewell {
    /// Its name was released.
    Released,
    /// The gateway stops.
    Stopping,
}

/// What the link, and all POSTs that are under way, share.
pub(super) struct Shared {
    dialect: Dialect,
    patience: Patience,
    mailbox: Mutex<Mailbox>,
    farewell: Mutex<Option<Farewell>>,
    over: AtomicBool,
    /// Told when something changed for a POST that waits.
    changed: Notify,
    /// The link, when it waits for a message.
    link: AtomicWaker,
    line: LineHandle,
    pinged: AtomicBool,
    waiting: AtomicUsize,
    heard: Mutex<Instant>,
    documents: Semaphore,
}

/// A poll that waits, until this is dropped.
struct Waiting<'a>(&'a Shared);

impl Default for Patience {
    fn default() -> Self {
        Self { poll: LONGEST_WAIT, absence: ABSENCE, silence: SILENCE + SILENCE_TIMEOUT }
    }
}

impl Session {
    /// Begins a session; the link's tasks belong to `tasks`.
    #[must_use]
    pub fn begin(dialect: Dialect, tasks: &TaskTracker) -> (Self, Link) {
        Self::begin_with(dialect, Patience::default(), tasks)
    }

    /// The same with times of one's own.
    #[must_use]
    pub fn begin_with(dialect: Dialect, patience: Patience, tasks: &TaskTracker) -> (Self, Link) {
        let line = LineHandle::alone();
        let shared = Arc::new(Shared {
            dialect,
            patience,
            mailbox: Mutex::new(Mailbox::new(dialect)),
            farewell: Mutex::new(None),
            over: AtomicBool::new(false),
            changed: Notify::new(),
            link: AtomicWaker::new(),
            line: line.clone(),
            pinged: AtomicBool::new(false),
            waiting: AtomicUsize::new(0),
            heard: Mutex::new(Instant::now()),
            documents: Semaphore::new(DOCUMENTS),
        });
        let config = Config {
            max_opened: match dialect {
                Dialect::Classic => CLASSIC_TRANSACTIONS,
                Dialect::Second => TRANSACTIONS,
            },
            max_accepted: 0,
            window: STREAM_WINDOW,
            ping_every: patience.silence / 4 * 3,
            ping_timeout: patience.silence / 4,
            ..Config::new(Numbers::Even)
        };
        let setup = Setup { carrier: Carrier::Poll, config, line, websockets: false };
        let link = messages::link(Transport::new(Arc::clone(&shared)), setup, None, tasks);
        (Self(shared), link)
    }

    /// Returns what the peer understands.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.0.dialect
    }

    /// Returns whether the session has ended.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.0.is_over()
    }

    /// Returns whether the peer seems to be gone: no poll waits, and none did a moment ago.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.0.waiting.load(Ordering::SeqCst) == 0
            && lock(&self.0.heard).elapsed() > ABANDONED_AFTER
    }

    /// Says what the peer is told when the session has ended.
    pub fn say(&self, farewell: Farewell) {
        *lock(&self.0.farewell) = Some(farewell);
    }

    /// Ends the session now; polls that wait are answered.
    pub fn end(&self, farewell: Option<Farewell>) {
        if let Some(farewell) = farewell {
            self.say(farewell);
        }
        self.0.line.cut();
        self.0.end();
    }

    /// Answers one POST of the peer, whom the caller knows.
    pub async fn answer<B>(&self, head: &Parts, body: B) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes>,
        B::Error: Into<transaction::BodyError>,
    {
        let shared = &self.0;
        if shared.is_over() {
            return shared.ended();
        }
        shared.hear();
        let preferences = Preferences::read(&head.headers);
        let objects = match shared.read(head, body).await {
            Ok(objects) => objects,
            Err(response) => return response,
        };
        let is_poll = objects.iter().all(|object| matches!(object, Object::Report(_)));
        if is_poll {
            for object in &objects {
                if let Object::Report(report) = object {
                    shared.with(|mailbox| mailbox.report(report));
                }
            }
            shared.poll(preferences.wait).await
        } else {
            shared.take(objects, preferences.wait.unwrap_or_default()).await
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("dialect", &self.0.dialect).finish_non_exhaustive()
    }
}

impl Shared {
    /// Does something with the mailbox, and wakes everybody for whom that may matter.
    pub(super) fn with<R>(&self, act: impl FnOnce(&mut Mailbox) -> R) -> R {
        let result = act(&mut lock(&self.mailbox));
        self.changed.notify_waiters();
        self.link.wake();
        result
    }

    /// Does something with the mailbox that nobody has to hear of.
    pub(super) fn look<R>(&self, act: impl FnOnce(&mut Mailbox) -> R) -> R {
        act(&mut lock(&self.mailbox))
    }

    /// Does something with the mailbox for the link itself.
    pub(super) fn with_from_link<R>(&self, act: impl FnOnce(&mut Mailbox) -> R) -> R {
        let mut mailbox = lock(&self.mailbox);
        let result = act(&mut mailbox);
        let has_news = mailbox.has_news();
        drop(mailbox);
        self.changed.notify_waiters();
        if has_news {
            // It has read already, and would not look again.
            self.link.wake();
        }
        result
    }

    pub(super) fn register(&self, waker: &Waker) {
        self.link.register(waker);
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    pub(super) fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
        self.changed.notify_waiters();
        self.link.wake();
    }

    /// The link wants a sign of life.
    pub(super) fn ping(&self) {
        self.pinged.store(true, Ordering::SeqCst);
    }

    /// Returns whether a sign of life is wanted, and there is one.
    pub(super) fn take_ping(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0 && self.pinged.swap(false, Ordering::SeqCst)
    }

    /// Returns when the peer counts as gone if it says nothing until then, as long as somebody waits.
    pub(super) fn gone_at(&self) -> Option<Instant> {
        let is_there = self.waiting.load(Ordering::SeqCst) > 0;
        (!is_there && lock(&self.mailbox).is_busy())
            .then(|| *lock(&self.heard) + self.patience.absence)
    }

    fn hear(&self) {
        *lock(&self.heard) = Instant::now();
        self.line.hear();
    }

    async fn read<B>(&self, head: &Parts, body: B) -> Result<Vec<Object>, Response<Body>>
    where
        B: http_body::Body<Data = Bytes>,
        B::Error: Into<transaction::BodyError>,
    {
        if body.is_end_stream() {
            return Ok(Vec::new());
        }
        let length = head.headers.get(header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if length.is_some_and(|length| length > MAX_DOCUMENT) {
            return Err(unreadable(PollError::TooLong));
        }
        let turn = timeout(DOCUMENT_TURN, self.documents.acquire()).await;
        let Ok(Ok(_turn)) = turn else {
            return Err(busy("too much comes from this peer at once"));
        };
        let body = timeout(DOCUMENT_WITHIN, Limited::new(body, MAX_DOCUMENT).collect()).await;
        let document = match body {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
                return Err(unreadable(PollError::TooLong));
            }
            Ok(Err(_)) => return Err(unreadable(PollError::Json)),
            Err(_) => {
                let sentence = "the body of the request did not come in time";
                return Err(refusal(StatusCode::REQUEST_TIMEOUT, Reason::BadRequest, sentence));
            }
        };
        poll::read(&document, self.dialect).map_err(unreadable)
    }

    /// Waits until there is something for the peer, at most for the time it wants.
    async fn poll(self: &Arc<Self>, wait: Option<Duration>) -> Response<Body> {
        let deadline =
            Instant::now() + wait.map_or(self.patience.poll, |w| w.min(self.patience.poll));
        let number = self.with(|mailbox| mailbox.begin_poll(Instant::now()));
        let _waiting = Waiting::new(self);
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            if self.is_over() {
                return self.ended();
            }
            let collected = {
                let mut mailbox = lock(&self.mailbox);
                if !mailbox.is_newest(number) {
                    return nothing();
                }
                mailbox.collect(number, Instant::now())
            };
            // What could not be written is the link's to hear of.
            self.link.wake();
            if let Some((document, enclosed)) = collected {
                let body = Departing::new(Arc::clone(self), document, enclosed);
                return json(StatusCode::OK, transaction::boxed(body));
            }
            if timeout_at(deadline, changed).await.is_err() {
                return nothing();
            }
        }
    }

    /// Takes what the peer answers.
    async fn take(&self, objects: Vec<Object>, wait: Duration) -> Response<Body> {
        let mut names: Vec<(MessageId, u64)> = Vec::new();
        let mut gone: Vec<MessageId> = Vec::new();
        let mut refused = None;
        for object in objects {
            let about = about(&object);
            match self.with(|mailbox| mailbox.receive(object, Instant::now())) {
                Ok(Received::Taken) => {
                    let Some((name, bytes)) = about else { continue };
                    match names.iter_mut().find(|(known, _)| *known == name) {
                        Some((_, more)) => *more += bytes,
                        None => names.push((name, bytes)),
                    }
                }
                Ok(Received::Gone) => gone.extend(about.map(|(name, _)| name)),
                Err(why) => {
                    refused = Some(why);
                    break;
                }
            }
        }
        if let Some(why) = refused {
            let status = match why {
                mailbox::Refused::Early => StatusCode::CONFLICT,
                mailbox::Refused::Senseless => StatusCode::BAD_REQUEST,
            };
            return refusal(status, Reason::BadRequest, &why.to_string());
        }
        if self.dialect == Dialect::Classic {
            return if gone.is_empty() {
                json(StatusCode::OK, transaction::full(&b"{}"[..]))
            } else {
                let sentence = "nobody waits for this answer (any more)";
                refusal(StatusCode::NOT_FOUND, Reason::NotFound, sentence)
            };
        }
        self.wait_for_room(&names, wait.min(LONGEST_ROOM_WAIT)).await;
        let mut report = Report::default();
        for (name, _) in names {
            // One that is complete is not there any more, and has nothing to say.
            if let Some(taken) = lock(&self.mailbox).taken(&name) {
                report.taken.push((name, taken));
            }
        }
        report.gone = gone;
        let mut document = Vec::new();
        // A report always has a form.
        let _ = poll::write(&mut document, &Object::Report(report), self.dialect);
        json(StatusCode::OK, transaction::full(document))
    }

    /// Waits until each of these may bring as much again.
    async fn wait_for_room(&self, names: &[(MessageId, u64)], wait: Duration) {
        let room = async {
            loop {
                let mut changed = pin!(self.changed.notified());
                changed.as_mut().enable();
                let there = {
                    let mailbox = lock(&self.mailbox);
                    names.iter().all(|(name, bytes)| mailbox.has_room(name, *bytes))
                };
                if there || self.is_over() {
                    return;
                }
                changed.await;
            }
        };
        // Whoever waited in vain is told how much was taken.
        let _ = timeout(wait, room).await;
    }

    fn ended(&self) -> Response<Body> {
        match *lock(&self.farewell) {
            Some(Farewell::Stopping) => busy("the gateway stops; come back in a moment"),
            Some(Farewell::Released) => {
                refusal(StatusCode::GONE, Reason::NotFound, "the name was released")
            }
            None => over(),
        }
    }
}

impl<'a> Waiting<'a> {
    fn new(shared: &'a Shared) -> Self {
        shared.waiting.fetch_add(1, Ordering::SeqCst);
        shared.link.wake();
        Self(shared)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.hear();
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
        // From now on time runs.
        self.0.link.wake();
    }
}

/// Returns the answer to a POST with the token of a session that is not there (any more).
#[must_use]
pub fn over() -> Response<Body> {
    let sentence = "there is no such session any more; begin a new one with a proof of identity";
    refusal(StatusCode::GONE, Reason::NotFound, sentence)
}

/// Which transaction an object answers, and with how many bytes.
fn about(object: &Object) -> Option<(MessageId, u64)> {
    match object {
        Object::Response { id, body, .. } | Object::Chunk { id, body, .. } => {
            Some((id.clone(), body.len() as u64))
        }
        Object::Request { .. }
        | Object::Taken { .. }
        | Object::Abort { .. }
        | Object::Report(_)
        | Object::Bye(_) => None,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn json(status: StatusCode, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn nothing() -> Response<Body> {
    let mut response = Response::new(transaction::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn unreadable(error: PollError) -> Response<Body> {
    let status = match error {
        PollError::TooLong | PollError::Body => StatusCode::PAYLOAD_TOO_LARGE,
        PollError::Json
        | PollError::Missing(_)
        | PollError::Value(_)
        | PollError::Mixed
        | PollError::Dialect(_)
        | PollError::NotText
        | PollError::Head(_) => StatusCode::BAD_REQUEST,
    };
    let mut response = refusal(status, Reason::BadRequest, &error.to_string());
    if error == PollError::TooLong {
        // More follows on this connection that nobody reads.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn busy(sentence: &str) -> Response<Body> {
    let mut response = refusal(StatusCode::SERVICE_UNAVAILABLE, Reason::Busy, sentence);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_SECONDS));
    response
}

fn refusal(status: StatusCode, reason: Reason, sentence: &str) -> Response<Body> {
    let refused = Refused { reason, sentence: sentence.to_owned() };
    // A struct of two strings always has a JSON form.
    json(status, transaction::full(serde_json::to_vec(&refused).unwrap_or_default()))
}
