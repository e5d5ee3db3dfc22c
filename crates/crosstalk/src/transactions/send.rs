//! What goes out, and whose turn it is.

use super::{
    AbortCode, Event, Message, TransactionId, Transactions,
    state::{Head, Standing, Transaction},
};

impl Transactions {
    /// Returns the next message that has to go out. Ask only when the wire can take it, so that
    /// what waits can still be aborted, and takes turns.
    pub fn poll_message(&mut self) -> Option<Message> {
        self.poll_control().or_else(|| self.poll_turn())
    }

    /// Returns whether [`Transactions::poll_message`] has something.
    #[must_use]
    pub fn wants_to_send(&self) -> bool {
        !self.turns.is_empty()
            || !self.aborts.is_empty()
            || !self.refusals.is_empty()
            || !self.credits.is_empty()
            || self.pulse.pong_waits
            || self.pulse.ping_waits
            || self.bye.is_some()
    }

    fn poll_control(&mut self) -> Option<Message> {
        if let Some((id, code)) = self.aborts.pop_front() {
            if !self.is_own(id) {
                self.aborts_of_accepted -= 1;
            }
            return Some(Message::Abort { id, code });
        }
        if let Some(id) = self.refusals.pop_front() {
            return Some(Message::Abort { id, code: AbortCode::Refused });
        }
        while let Some(id) = self.credits.pop_front() {
            // Always there: who leaves the table leaves this queue.
            if let Some(transaction) = self.all.get_mut(&id) {
                return Some(Message::Credit { id, bytes: transaction.incoming.take_credit() });
            }
        }
        if std::mem::take(&mut self.pulse.pong_waits) {
            return Some(Message::Pong);
        }
        if std::mem::take(&mut self.pulse.ping_waits) {
            return Some(Message::Ping);
        }
        // What was opened before goes out before: after it nothing may be opened.
        if self.unsent == 0 {
            return self.bye.take().map(Message::Bye);
        }
        None
    }

    fn poll_turn(&mut self) -> Option<Message> {
        while let Some(id) = self.turns.pop_front() {
            // Always there, and with something to say: see `leave_turn`.
            let Some(transaction) = self.all.get_mut(&id) else { continue };
            let outgoing = &mut transaction.outgoing;
            let (head, bytes, end) = outgoing.next();
            transaction.in_turn = outgoing.has_to_say();
            if transaction.in_turn {
                self.turns.push_back(id);
            }
            if outgoing.take_writable(self.config.send_buffer) {
                self.events.push_back(Event::Writable(id));
            }
            let message = match head {
                Some(Head::Request(head)) => {
                    self.sent = id.0;
                    self.unsent -= 1;
                    Message::Open { id, head, body: bytes, end }
                }
                Some(Head::Response(head)) => Message::Head { id, head, body: bytes, end },
                None => Message::Data { id, bytes, end },
            };
            if end {
                self.settle(id);
            }
            return Some(message);
        }
        None
    }

    /// Puts a transaction into the queue of those that have something to say, when it has.
    pub(super) fn take_turn(&mut self, id: TransactionId) {
        let Some(transaction) = self.all.get_mut(&id) else { return };
        if !transaction.in_turn && transaction.outgoing.has_to_say() {
            transaction.in_turn = true;
            self.turns.push_back(id);
        }
    }

    /// Takes a transaction out of that queue when it has nothing to say any more, so that every
    /// number in it is there once and is one of the table's.
    pub(super) fn leave_turn(&mut self, id: TransactionId) {
        let Some(transaction) = self.all.get_mut(&id) else { return };
        if transaction.in_turn && !transaction.outgoing.has_to_say() {
            transaction.in_turn = false;
            self.turns.retain(|other| *other != id);
        }
    }

    /// Gives no more credit: the body is complete, or nobody reads it.
    pub(super) fn drop_credit(&mut self, id: TransactionId) {
        let Some(transaction) = self.all.get_mut(&id) else { return };
        if std::mem::take(&mut transaction.incoming.credit_waits) {
            self.credits.retain(|other| *other != id);
        }
    }

    /// Queues an abort. There is at most one for each transaction, since it has just left the
    /// table. Of ours that were sent there are `max_opened` at most: the next one is only sent when
    /// this queue is empty. Of the other end's there are `max_accepted`: they keep their place.
    pub(super) fn say_abort(&mut self, id: TransactionId, code: AbortCode) {
        if !self.is_own(id) {
            self.aborts_of_accepted += 1;
        }
        self.aborts.push_back((id, code));
    }

    /// Lets a transaction go when it is over, after an end of a body was sent, received or read.
    pub(super) fn settle(&mut self, id: TransactionId) {
        let Some(transaction) = self.all.get_mut(&id) else { return };
        match transaction.standing() {
            Standing::UnderWay => {}
            Standing::Unread => {
                if !std::mem::replace(&mut transaction.lingers, true) && !self.is_own(id) {
                    self.lingering += 1;
                }
            }
            Standing::Over => self.remove(id),
            Standing::Unwanted => {
                self.say_abort(id, AbortCode::Cancelled);
                self.remove(id);
            }
        }
    }

    /// Forgets a transaction and everything that waits because of it.
    pub(super) fn remove(&mut self, id: TransactionId) {
        let own = self.is_own(id);
        let Some(Transaction { outgoing, incoming, in_turn, lingers }) = self.all.remove(&id)
        else {
            return;
        };
        if in_turn {
            self.turns.retain(|other| *other != id);
        }
        if incoming.credit_waits {
            self.credits.retain(|other| *other != id);
        }
        if own {
            self.opened -= 1;
            self.unsent -= usize::from(matches!(outgoing.head, Some(Head::Request(_))));
        } else {
            self.accepted -= 1;
            self.lingering -= usize::from(lingers);
        }
        self.check_drained();
    }

    pub(super) fn check_drained(&mut self) {
        let over = self.all.is_empty() && (self.closing || self.other_said_bye);
        if over && !std::mem::replace(&mut self.drained, true) {
            self.events.push_back(Event::Drained);
        }
    }
}
