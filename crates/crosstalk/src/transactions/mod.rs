//! The one multiplexer of all carriers that move messages.
//!
//! [`Transactions`] is one end of a link, the same for both ends. It is told what came in
//! ([`Transactions::receive`]), what its user wants ([`Transactions::open`],
//! [`Transactions::write`], [`Transactions::read`], ...) and what time it is, and it says what has
//! to go out ([`Transactions::poll_message`]), what happened ([`Transactions::poll_event`]) and
//! when it wants to be asked again ([`Transactions::next_deadline`]). It reads no socket and no
//! clock. In shape it follows what QUIC implementations do without input and output.
//!
//! # Flow control
//!
//! Each direction of each transaction begins with a credit of [`Config::window`] bytes. Who sends
//! uses it up; who receives gives it back when its user has taken the bytes
//! ([`Transactions::read`]), in portions, not for every message. More than the credit is a
//! [`Violation`] and ends the link. There is no credit for the link as a whole: what a link can
//! hold is the window times the transactions it allows.
//!
//! # Order and fairness
//!
//! [`Transactions::poll_message`] gives aborts, credits, signs of life first, then what the
//! transactions have to say, in turns, one message each. The messages of one transaction keep
//! their order. A head whose body is there already takes it along.
//!
//! # When a transaction is over
//!
//! When both bodies have ended and what came in is read to its end ([`Read::End`]) or not wanted
//! ([`Transactions::stop_reading`]); or when either end aborts it. Whoever opened it or got it
//! therefore has to come to one of these three, or the transaction stays.
//!
//! An abort cuts what comes in at once, also what waits here to be read, and whatever is said to
//! a transaction that is over does nothing. There is one exception: when the response is complete
//! at the end that opened, an abort takes nothing away from it and only says that the rest of the
//! request is not wanted ([`Event::Unwanted`]). The end that answered sends such an abort when it
//! has sent its whole response and has stopped reading.
//!
//! # Memory
//!
//! Of each direction of each transaction at most a window waits to be read, and at most
//! [`Config::send_buffer`] to be sent (or what was handed over with a head). A transaction stands
//! at most once in each queue. Events wait until they are asked for; a message brings three at
//! most.

mod chunks;
mod message;
mod numbers;
mod pulse;
mod receive;
mod send;
mod state;
#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    time::Duration,
};

use bytes::Bytes;
use http::{request, response};

pub use self::message::{AbortCode, Bye, Message, TransactionId};
use self::{
    numbers::BuildNumberHasher,
    pulse::Pulse,
    state::{Head, Sending, Standing, Transaction},
};
use crate::limits;

/// The most bytes of a body in one message that we write. Who reads takes as much as the credit
/// allows; a wire may have a limit of its own.
pub const MAX_DATA: usize = 64 * 1024;

/// What one end allows, and how patient it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The numbers with which this end opens; the other end uses the others.
    pub numbers: Numbers,
    /// How many transactions this end opens at most at the same time.
    pub max_opened: usize,
    /// How many transactions the other end may have open at the same time; one more is refused.
    pub max_accepted: usize,
    /// The credit with which each direction of a transaction begins, in both directions.
    pub window: u32,
    /// How many bytes this end keeps of one body until they can be sent.
    pub send_buffer: usize,
    /// After how much silence the other end is asked for a sign of life.
    pub ping_every: Duration,
    /// How much more silence ends the link.
    pub ping_timeout: Duration,
}

/// The numbers with which an end opens transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// 2, 4, 6, ...: the gateway.
    Even,
    /// 1, 3, 5, ...: the peer, where it asks the gateway something.
    Odd,
}

/// What happened; see [`Transactions::poll_event`]. The transaction may be over by the time it is
/// told.
#[derive(Debug)]
pub enum Event {
    /// The other end opened a transaction. Its body is read with [`Transactions::read`].
    Opened {
        /// Its number.
        id: TransactionId,
        /// The request's head.
        head: Box<request::Parts>,
    },
    /// The head of a response is here. Its body is read with [`Transactions::read`].
    Answered {
        /// Which transaction.
        id: TransactionId,
        /// The response's head.
        head: Box<response::Parts>,
    },
    /// [`Transactions::read`] has something to say again that it had not at its last
    /// [`Read::Blocked`].
    Readable(TransactionId),
    /// [`Transactions::room`] is no longer 0.
    Writable(TransactionId),
    /// The transaction is over before its time: the other end aborted it. No response came, or
    /// what comes of a body ends with [`Read::Aborted`]; what is written is dropped.
    Aborted {
        /// Which transaction.
        id: TransactionId,
        /// Why.
        code: AbortCode,
    },
    /// The other end has sent its whole response and wants no more of the request:
    /// [`Transactions::room`] stays 0 and what is written is dropped. Nothing failed; the response
    /// stays readable to its end.
    Unwanted(TransactionId),
    /// The other end takes and opens no more. What was opened here but not sent yet is told as
    /// [`Event::Aborted`] with [`AbortCode::Refused`].
    Bye(Bye),
    /// Both or either said bye ([`Transactions::close`]) and the last transaction is over: the link
    /// can be closed once everything is sent.
    Drained,
}

/// What there is to read of a body.
#[derive(Debug, PartialEq, Eq)]
pub enum Read {
    /// The next bytes, never none.
    Data(Bytes),
    /// The body is complete.
    End,
    /// Nothing now; an [`Event::Readable`] or [`Event::Aborted`] will say when.
    Blocked,
    /// The body was cut.
    Aborted(AbortCode),
}

/// Why a transaction cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// As many are under way as may be.
    #[error("the link carries as many transactions as it can")]
    Full,
    /// One of the ends said bye.
    #[error("the link takes no more transactions")]
    Closing,
}

/// The other end broke the rules: the link has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A transaction was opened with a number of ours, or with an old one.
    #[error("a transaction was opened with number {0}, which is not new or not the sender's")]
    Number(TransactionId),
    /// A message for a transaction that was never opened.
    #[error("a message for transaction {0}, which was never opened")]
    Unknown(TransactionId),
    /// A second head, a head from the end that opened, or a body before its head.
    #[error("a message of transaction {0} came out of order")]
    Order(TransactionId),
    /// More bytes than the credit allows.
    #[error("more bytes of transaction {0} than were allowed")]
    Credit(TransactionId),
    /// A transaction was opened after the sender's own bye, or refusals pile up unread: the sender
    /// opens more and more without listening.
    #[error("the other end opens transactions after it was told not to")]
    AfterBye,
}

impl Config {
    /// Returns what both ends of a link use unless a carrier needs something else.
    #[must_use]
    pub fn new(numbers: Numbers) -> Self {
        let transactions = limits::MAX_TRANSACTIONS_PER_LINK as usize;
        Self {
            numbers,
            max_opened: transactions,
            max_accepted: transactions,
            window: limits::STREAM_WINDOW,
            send_buffer: limits::STREAM_WINDOW as usize,
            ping_every: limits::PING_EVERY,
            ping_timeout: limits::PING_TIMEOUT,
        }
    }
}

/// One end of a link. Times are counted from any moment that stays the same.
pub struct Transactions {
    config: Config,
    /// All that are under way here.
    all: HashMap<TransactionId, Transaction, BuildNumberHasher>,
    /// The next number of ours; none when they are used up.
    next: Option<u64>,
    /// The last number of ours that was sent.
    sent: u64,
    /// The last number of the other end's that came.
    seen: u64,
    opened: usize,
    accepted: usize,
    /// How many of the accepted are over for the other end and only unread here.
    lingering: usize,
    /// How many of the opened were not sent yet.
    unsent: usize,
    /// Those that have something to say, each once.
    turns: VecDeque<TransactionId>,
    /// Those for which credit has to be given, each once.
    credits: VecDeque<TransactionId>,
    /// Those that were aborted here; see `say_abort` for how many there can be.
    aborts: VecDeque<(TransactionId, AbortCode)>,
    aborts_of_accepted: usize,
    /// Those that were refused; at most `MAX_REFUSALS`.
    refusals: VecDeque<TransactionId>,
    events: VecDeque<Event>,
    pulse: Pulse,
    /// Whether this end takes and opens no more.
    closing: bool,
    /// What has to be said about it.
    bye: Option<Bye>,
    other_said_bye: bool,
    /// Whether [`Event::Drained`] was told.
    drained: bool,
}

impl Transactions {
    /// Begins, at this time.
    #[must_use]
    pub fn new(config: Config, now: Duration) -> Self {
        Self {
            all: HashMap::default(),
            next: Some(config.numbers.first()),
            sent: 0,
            seen: 0,
            opened: 0,
            accepted: 0,
            lingering: 0,
            unsent: 0,
            turns: VecDeque::new(),
            credits: VecDeque::new(),
            aborts: VecDeque::new(),
            aborts_of_accepted: 0,
            refusals: VecDeque::new(),
            events: VecDeque::new(),
            pulse: Pulse::new(&config, now),
            closing: false,
            bye: None,
            other_said_bye: false,
            drained: false,
            config,
        }
    }

    /// Opens a transaction. `end` says that the request has no body beyond these bytes, of which
    /// there are at most [`Config::window`].
    ///
    /// # Errors
    /// See [`OpenError`]; the head comes back.
    pub fn open(
        &mut self,
        head: Box<request::Parts>,
        body: Bytes,
        end: bool,
    ) -> Result<TransactionId, (OpenError, Box<request::Parts>)> {
        if self.closing || self.other_said_bye {
            return Err((OpenError::Closing, head));
        }
        let Some(number) = self.next.filter(|_| self.opened < self.config.max_opened) else {
            return Err((OpenError::Full, head));
        };
        self.next = number.checked_add(2);
        let id = TransactionId(number);
        let mut transaction = Transaction::opened(head, self.config.window);
        transaction.outgoing.begin(body, end, self.config.send_buffer);
        transaction.in_turn = true;
        self.turns.push_back(id);
        self.all.insert(id, transaction);
        self.opened += 1;
        self.unsent += 1;
        Ok(id)
    }

    /// Answers a transaction that the other end opened, with the beginning of the body, at most
    /// [`Config::window`] bytes. Does nothing when the transaction is over or has its answer.
    pub fn respond(
        &mut self,
        id: TransactionId,
        head: Box<response::Parts>,
        body: Bytes,
        end: bool,
    ) {
        let Some(transaction) = self.all.get_mut(&id) else { return };
        let outgoing = &mut transaction.outgoing;
        if outgoing.stage != Sending::Unanswered {
            return;
        }
        outgoing.head = Some(Head::Response(head));
        outgoing.begin(body, end, self.config.send_buffer);
        self.take_turn(id);
    }

    /// Returns how many bytes [`Transactions::write`] would take now: what the credit and
    /// [`Config::send_buffer`] leave. 0 before the answer, after the end, and when the transaction
    /// is over.
    #[must_use]
    pub fn room(&self, id: TransactionId) -> usize {
        self.all
            .get(&id)
            .map_or(0, |transaction| transaction.outgoing.room(self.config.send_buffer))
    }

    /// Takes more of the body that this end sends, and says whether this is the last of it. What
    /// does not fit ([`Transactions::room`]) stays in `bytes`, and `end` then does not count.
    /// Everything is dropped after the end, and when the transaction is over.
    pub fn write(&mut self, id: TransactionId, bytes: &mut Bytes, end: bool) {
        let Some(transaction) = self.all.get_mut(&id) else {
            bytes.clear();
            return;
        };
        transaction.outgoing.write(bytes, end, self.config.send_buffer);
        self.take_turn(id);
    }

    /// Returns the next bytes of the body that comes in, and gives credit for them. Long pieces are
    /// as they came, without a copy. Of a transaction that is over this is
    /// [`Read::Aborted`], also after its end was read: it is never taken for complete twice.
    pub fn read(&mut self, id: TransactionId) -> Read {
        let Some(transaction) = self.all.get_mut(&id) else {
            return Read::Aborted(AbortCode::Failed);
        };
        let incoming = &mut transaction.incoming;
        let read = incoming.read();
        if incoming.owes_credit(self.config.window) {
            incoming.credit_waits = true;
            self.credits.push_back(id);
        }
        if read == Read::End {
            self.settle(id);
        }
        read
    }

    /// Returns how many bytes [`Transactions::read`] still has, once the body's end is here and not
    /// read; `None` while more may come, and when the transaction is over.
    #[must_use]
    pub fn unread(&self, id: TransactionId) -> Option<usize> {
        self.all.get(&id)?.incoming.unread()
    }

    /// Takes a transaction back that this end opened and of which nothing has left yet: its head,
    /// and what was written of its body. It is over, and the other end never hears of it.
    pub fn take_back(&mut self, id: TransactionId) -> Option<(Box<request::Parts>, Vec<Bytes>)> {
        let outgoing = &mut self.all.get_mut(&id)?.outgoing;
        if !matches!(outgoing.head, Some(Head::Request(_))) {
            return None;
        }
        let Some(Head::Request(head)) = outgoing.head.take() else { return None };
        let body = outgoing.take_back();
        self.unsent -= 1;
        self.remove(id);
        Some((head, body))
    }

    /// Wants no more of the body that comes in. What is there is dropped, and no more credit is
    /// given. When this end has nothing more to say either, the transaction is over.
    pub fn stop_reading(&mut self, id: TransactionId) {
        let Some(transaction) = self.all.get_mut(&id) else { return };
        transaction.incoming.stop();
        self.drop_credit(id);
        self.settle(id);
    }

    /// Ends a transaction now, in both directions. What waits to be sent of it is dropped. The
    /// other end hears of it, unless it never heard of the transaction or is through with it.
    pub fn abort(&mut self, id: TransactionId, code: AbortCode) {
        let Some(transaction) = self.all.get(&id) else { return };
        let unheard_of = matches!(transaction.outgoing.head, Some(Head::Request(_)));
        let under_way = match transaction.standing() {
            Standing::UnderWay | Standing::Unwanted => true,
            Standing::Unread | Standing::Over => false,
        };
        if under_way && !unheard_of {
            self.say_abort(id, code);
        }
        self.remove(id);
    }

    /// Takes no more transactions and opens none; those under way go on. Only the first time
    /// counts.
    pub fn close(&mut self, bye: Bye) {
        if !self.closing {
            self.closing = true;
            self.bye = Some(bye);
            self.check_drained();
        }
    }

    /// Notes that something of the other end arrived, perhaps only a part of a message.
    pub fn heard(&mut self, now: Duration) {
        self.pulse.heard(now);
    }

    /// Returns what happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Returns when [`Transactions::tick`] is due.
    #[must_use]
    pub fn next_deadline(&self) -> Duration {
        self.pulse.deadline()
    }

    /// Does what is due: asks for a sign of life. Returns `false` when the other end was silent
    /// for too long: the link is dead.
    #[must_use]
    pub fn tick(&mut self, now: Duration) -> bool {
        self.pulse.tick(now)
    }

    /// Returns how many transactions are under way that this end opened.
    #[must_use]
    pub fn opened(&self) -> usize {
        self.opened
    }

    /// Returns how many transactions are under way that the other end opened.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.accepted
    }

    fn is_own(&self, id: TransactionId) -> bool {
        self.config.numbers.has(id)
    }
}

impl fmt::Debug for Transactions {
    /// Shows how many there are, nothing of what visitors say.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transactions")
            .field("opened", &self.opened)
            .field("accepted", &self.accepted)
            .finish_non_exhaustive()
    }
}
