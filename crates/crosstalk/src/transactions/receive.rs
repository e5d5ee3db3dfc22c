//! What comes in.

use std::time::Duration;

use bytes::Bytes;
use http::{request, response};

use super::{
    AbortCode, Bye, Event, Message, TransactionId, Transactions, Violation,
    state::{Head, Receiving, Sending, Transaction},
};

/// How many refusals wait to be sent at most. An end that opens so many more than it may without
/// reading that it may not, floods.
pub(super) const MAX_REFUSALS: usize = 1024;

impl Transactions {
    /// Takes a message of the other end. Ask for events ([`Transactions::poll_event`]) afterwards:
    /// a message brings three at most, and they wait until somebody does.
    ///
    /// A message for a transaction that is over is ignored: it was sent before the other end knew.
    /// Nothing is remembered of such transactions; the numbers only rise.
    ///
    /// # Errors
    /// When the other end broke the rules: the link has to end.
    pub fn receive(&mut self, message: Message, now: Duration) -> Result<(), Violation> {
        self.heard(now);
        match message {
            Message::Open { id, head, body, end } => self.receive_open(id, head, body, end),
            Message::Head { id, head, body, end } => self.receive_head(id, head, body, end),
            Message::Data { id, bytes, end } => self.receive_data(id, bytes, end),
            Message::Abort { id, code } => self.receive_abort(id, code),
            Message::Credit { id, bytes } => self.receive_credit(id, bytes),
            Message::Ping => {
                self.pulse.pong_waits = true;
                Ok(())
            }
            Message::Pong => Ok(()),
            Message::Bye(bye) => {
                self.receive_bye(bye);
                Ok(())
            }
        }
    }

    fn receive_open(
        &mut self,
        id: TransactionId,
        head: Box<request::Parts>,
        body: Bytes,
        end: bool,
    ) -> Result<(), Violation> {
        if self.is_own(id) || id.0 <= self.seen {
            return Err(Violation::Number(id));
        }
        if self.other_said_bye {
            return Err(Violation::AfterBye);
        }
        self.seen = id.0;
        if self.closing || !self.has_place() {
            // Nothing else is kept of it: what still comes for it is for a number that was seen.
            if self.refusals.len() >= MAX_REFUSALS {
                return Err(Violation::AfterBye);
            }
            self.refusals.push_back(id);
            return Ok(());
        }
        let mut transaction = Transaction::accepted(self.config.window);
        if !transaction.incoming.receive(body, end) {
            return Err(Violation::Credit(id));
        }
        self.all.insert(id, transaction);
        self.accepted += 1;
        self.events.push_back(Event::Opened { id, head });
        Ok(())
    }

    fn receive_head(
        &mut self,
        id: TransactionId,
        head: Box<response::Parts>,
        body: Bytes,
        end: bool,
    ) -> Result<(), Violation> {
        let Some(transaction) = self.known(id)? else { return Ok(()) };
        let incoming = &mut transaction.incoming;
        if incoming.stage != Receiving::Headless {
            return Err(Violation::Order(id));
        }
        incoming.stage = Receiving::Flowing;
        if !incoming.receive(body, end) {
            return Err(Violation::Credit(id));
        }
        let readable = incoming.take_readable();
        self.events.push_back(Event::Answered { id, head });
        self.after_body(id, readable, end);
        Ok(())
    }

    fn receive_data(
        &mut self,
        id: TransactionId,
        bytes: Bytes,
        end: bool,
    ) -> Result<(), Violation> {
        let Some(transaction) = self.known(id)? else { return Ok(()) };
        let incoming = &mut transaction.incoming;
        if incoming.stage != Receiving::Flowing {
            return Err(Violation::Order(id));
        }
        if !incoming.receive(bytes, end) {
            return Err(Violation::Credit(id));
        }
        let readable = incoming.take_readable();
        self.after_body(id, readable, end);
        Ok(())
    }

    fn after_body(&mut self, id: TransactionId, readable: bool, end: bool) {
        if readable {
            self.events.push_back(Event::Readable(id));
        }
        if end {
            self.drop_credit(id);
            self.settle(id);
        }
    }

    fn receive_credit(&mut self, id: TransactionId, bytes: u32) -> Result<(), Violation> {
        let buffer = self.config.send_buffer;
        let Some(transaction) = self.known(id)? else { return Ok(()) };
        transaction.outgoing.add_credit(bytes);
        if transaction.outgoing.take_writable(buffer) {
            self.events.push_back(Event::Writable(id));
        }
        self.take_turn(id);
        Ok(())
    }

    fn receive_abort(&mut self, id: TransactionId, code: AbortCode) -> Result<(), Violation> {
        let own = self.is_own(id);
        let Some(transaction) = self.known(id)? else { return Ok(()) };
        if own && transaction.incoming.is_complete() {
            // The response is complete: only the rest of the request is not wanted.
            let writes = transaction.outgoing.stage == Sending::Flowing;
            transaction.outgoing.give_up();
            if writes {
                self.events.push_back(Event::Unwanted(id));
            }
            self.leave_turn(id);
            self.settle(id);
        } else {
            self.events.push_back(Event::Aborted { id, code });
            self.remove(id);
        }
        Ok(())
    }

    fn receive_bye(&mut self, bye: Bye) {
        if self.other_said_bye {
            return;
        }
        self.other_said_bye = true;
        self.events.push_back(Event::Bye(bye));
        // What was not sent yet would only be refused.
        let unsent = |id: &TransactionId| {
            let head = self.all.get(id).and_then(|transaction| transaction.outgoing.head.as_ref());
            matches!(head, Some(Head::Request(_)))
        };
        let unsent: Vec<TransactionId> = self.turns.iter().copied().filter(unsent).collect();
        for id in unsent {
            self.events.push_back(Event::Aborted { id, code: AbortCode::Refused });
            self.remove(id);
        }
        self.check_drained();
    }

    /// Finds a transaction that a message is for. There is none when it is over.
    fn known(&mut self, id: TransactionId) -> Result<Option<&mut Transaction>, Violation> {
        let last = if self.is_own(id) { self.sent } else { self.seen };
        if id.0 == 0 || id.0 > last {
            return Err(Violation::Unknown(id));
        }
        Ok(self.all.get_mut(&id))
    }

    /// Returns whether the other end may open one more.
    ///
    /// What it cannot know yet takes places: an abort that waits to be sent. What it believes to
    /// be over takes none: what is only unread here; but of that there are not more than of the
    /// others, whatever our reader does.
    fn has_place(&self) -> bool {
        let places = self.config.max_accepted;
        self.accepted - self.lingering + self.aborts_of_accepted < places
            && self.accepted < places.saturating_mul(2)
    }
}
