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

mod message;

use std::time::Duration;

use bytes::Bytes;
use http::{request, response};

pub use self::message::{AbortCode, Bye, Message, TransactionId};
use crate::limits;

/// The most bytes of a body in one message that we write. Who reads takes this much.
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

/// What happened; see [`Transactions::poll_event`].
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
    /// The other end takes and opens no more.
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
    /// More bytes than the credit allows, or than one message may have.
    #[error("more bytes of transaction {0} than were allowed")]
    Credit(TransactionId),
    /// More transactions than one end may have aborted or refused, without end.
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
#[derive(Debug)]
pub struct Transactions {
    config: Config,
}

impl Transactions {
    /// Begins, at this time.
    #[must_use]
    pub fn new(config: Config, now: Duration) -> Self {
        let _ = now;
        Self { config }
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
        let _ = (head, body, end, &self.config);
        unimplemented!()
    }

    /// Answers a transaction that the other end opened, with the beginning of the body. Does
    /// nothing when the transaction is over.
    pub fn respond(
        &mut self,
        id: TransactionId,
        head: Box<response::Parts>,
        body: Bytes,
        end: bool,
    ) {
        let _ = (id, head, body, end);
        unimplemented!()
    }

    /// Returns how many bytes [`Transactions::write`] would take now: what the credit and
    /// [`Config::send_buffer`] leave. 0 when the transaction is over.
    #[must_use]
    pub fn room(&self, id: TransactionId) -> usize {
        let _ = id;
        unimplemented!()
    }

    /// Takes more of the body that this end sends, and says whether this is the last of it. What
    /// does not fit ([`Transactions::room`]) stays in `bytes`, and `end` then does not count.
    /// Everything is dropped when the transaction is over.
    pub fn write(&mut self, id: TransactionId, bytes: &mut Bytes, end: bool) {
        let _ = (id, bytes, end);
        unimplemented!()
    }

    /// Returns the next bytes of the body that comes in, and gives credit for them.
    pub fn read(&mut self, id: TransactionId) -> Read {
        let _ = id;
        unimplemented!()
    }

    /// Wants no more of the body that comes in. What is there is dropped, and no more credit is
    /// given. When this end has nothing more to say either, the transaction is over.
    pub fn stop_reading(&mut self, id: TransactionId) {
        let _ = id;
        unimplemented!()
    }

    /// Ends a transaction now, in both directions. What waits to be sent of it is dropped.
    pub fn abort(&mut self, id: TransactionId, code: AbortCode) {
        let _ = (id, code);
        unimplemented!()
    }

    /// Takes no more transactions and opens none; those under way go on.
    pub fn close(&mut self, bye: Bye) {
        let _ = bye;
        unimplemented!()
    }

    /// Takes a message of the other end.
    ///
    /// # Errors
    /// When the other end broke the rules: the link has to end.
    pub fn receive(&mut self, message: Message, now: Duration) -> Result<(), Violation> {
        let _ = (message, now);
        unimplemented!()
    }

    /// Notes that something of the other end arrived, perhaps only a part of a message.
    pub fn heard(&mut self, now: Duration) {
        let _ = now;
        unimplemented!()
    }

    /// Returns the next message that has to go out. Ask only when the wire can take it, so that
    /// what waits can still be aborted, and takes turns.
    pub fn poll_message(&mut self) -> Option<Message> {
        unimplemented!()
    }

    /// Returns whether [`Transactions::poll_message`] has something.
    #[must_use]
    pub fn wants_to_send(&self) -> bool {
        unimplemented!()
    }

    /// Returns what happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        unimplemented!()
    }

    /// Returns when [`Transactions::tick`] is due.
    #[must_use]
    pub fn next_deadline(&self) -> Duration {
        unimplemented!()
    }

    /// Does what is due: asks for a sign of life. Returns `false` when the other end was silent
    /// for too long: the link is dead.
    #[must_use]
    pub fn tick(&mut self, now: Duration) -> bool {
        let _ = now;
        unimplemented!()
    }

    /// Returns how many transactions are under way that this end opened.
    #[must_use]
    pub fn opened(&self) -> usize {
        unimplemented!()
    }

    /// Returns how many transactions are under way that the other end opened.
    #[must_use]
    pub fn accepted(&self) -> usize {
        unimplemented!()
    }
}
