//! The peer's books of one session, without input or output.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use bytes::Bytes;
use crosstalk::{
    limits::STREAM_WINDOW,
    poll::{self, Acknowledgement, Dialect, MessageId, Object, Report},
    transactions::{AbortCode, Bye, MAX_DATA, Message, TransactionId},
};

/// How large a document of answers may grow before no further object goes in. Smaller documents
/// would mean more requests, larger ones that a small answer waits behind a large one.
const DOCUMENT_TARGET: usize = 384 * 1024;

/// How many transactions that are over are remembered, so that a request that comes twice does not
/// begin twice. Far more than a gateway has under way, and than it can send again.
const REMEMBERED: usize = 1024;

/// The books of a session.
#[derive(Default)]
pub(super) struct Desk {
    /// Our numbers of the gateway's transactions.
    numbers: HashMap<MessageId, u64>,
    exchanges: BTreeMap<u64, Exchange>,
    next_number: u64,
    /// The names of transactions that are over, the newest last.
    remembered: VecDeque<MessageId>,
    known: HashSet<MessageId>,
    /// For the link.
    inbox: VecDeque<Message>,
    /// What arrived, for the next poll.
    acks: Vec<Acknowledgement>,
    /// Who has something to send, in turns. Some may be listed in vain.
    turns: VecDeque<u64>,
    bye: Option<Bye>,
    batches: usize,
}

struct Exchange {
    id: MessageId,
    /// The number of the gateway's last object.
    last_seq: u64,
    /// How much of the request's body the link took, and whether the gateway has to be told.
    took: u64,
    tell_taken: bool,
    /// Whether all of the request came.
    asked: bool,
    letters: VecDeque<Object>,
    next_seq: u64,
    /// Whether a POST with its letters is under way: they have to arrive in order.
    busy: bool,
    /// How much of the response the gateway took.
    taken: u64,
    /// Whether the last of the response is among the letters, or was.
    answered: bool,
}

/// The letters of one POST, and whose they are.
pub(super) struct Batch {
    pub(super) document: Vec<u8>,
    members: Vec<u64>,
}

impl Desk {
    /// Takes a message of the link's.
    pub(super) fn send(&mut self, message: Message) {
        match message {
            Message::Head { id, head, body, end } => {
                let Some(exchange) = self.exchanges.get_mut(&id.0) else { return };
                let name = exchange.id.clone();
                exchange.letters.push_back(Object::Response { id: name, head, body, more: !end });
                exchange.next_seq = 1;
                exchange.answered = end;
                self.turns.push_back(id.0);
            }
            Message::Data { id, bytes, end } => {
                let Some(exchange) = self.exchanges.get_mut(&id.0) else { return };
                let (name, seq) = (exchange.id.clone(), exchange.next_seq);
                exchange.letters.push_back(Object::Chunk {
                    id: name,
                    seq,
                    body: bytes,
                    more: !end,
                });
                exchange.next_seq += 1;
                exchange.answered = end;
                self.turns.push_back(id.0);
            }
            Message::Credit { id, bytes } => {
                let Some(exchange) = self.exchanges.get_mut(&id.0) else { return };
                exchange.took += u64::from(bytes);
                exchange.tell_taken = !exchange.asked;
                self.turns.push_back(id.0);
            }
            Message::Abort { id, code } => {
                let Some(exchange) = self.exchanges.get_mut(&id.0) else { return };
                if !exchange.answered {
                    exchange.letters.clear();
                }
                // A whole response goes first: then this only says that nobody reads the request.
                let name = exchange.id.clone();
                exchange.letters.push_back(Object::Abort { id: name, seq: None, code });
                exchange.answered = true;
                exchange.asked = true;
                exchange.tell_taken = false;
                self.turns.push_back(id.0);
            }
            Message::Ping => self.inbox.push_back(Message::Pong),
            Message::Bye(bye) => self.bye = Some(bye),
            Message::Open { .. } | Message::Pong => {}
        }
    }

    /// Returns the next message for the link.
    pub(super) fn next(&mut self) -> Option<Message> {
        self.inbox.pop_front()
    }

    /// Returns whether the link has taken everything that came.
    pub(super) fn is_read(&self) -> bool {
        self.inbox.is_empty()
    }

    /// Returns whether everything that the link sent has arrived.
    pub(super) fn is_sent(&self) -> bool {
        self.batches == 0
            && self.bye.is_none()
            && self.exchanges.values().all(|exchange| exchange.letters.is_empty())
    }

    /// Returns the document of the next poll, and the acknowledgements in it.
    pub(super) fn poll(&self) -> (Vec<u8>, usize) {
        let acks: Vec<_> = self.acks.iter().take(poll::MAX_ENTRIES).cloned().collect();
        if acks.is_empty() {
            return (Vec::new(), 0);
        }
        let (mut document, count) = (Vec::new(), acks.len());
        let report = Object::Report(Report { acks, ..Report::default() });
        // A report always has a form.
        let _ = poll::write(&mut document, &report, Dialect::Second);
        (document, count)
    }

    /// The gateway answered the poll with this many acknowledgements.
    pub(super) fn acknowledged(&mut self, count: usize) {
        self.acks.drain(..count.min(self.acks.len()));
    }

    /// Takes what came in the answer to a poll.
    pub(super) fn receive(&mut self, objects: Vec<Object>) {
        for object in objects {
            match object {
                Object::Request { id, head, body, more } => self.request(id, head, body, more),
                Object::Chunk { id, seq, body, more } => self.chunk(&id, seq, &body, more),
                Object::Taken { id, seq, bytes } => {
                    self.arrived(&id, seq.unwrap_or(u64::MAX));
                    self.gateway_took(&id, bytes);
                }
                Object::Abort { id, seq, code } => {
                    self.arrived(&id, seq.unwrap_or(u64::MAX));
                    self.over(&id, code);
                }
                Object::Report(report) => self.report(&report),
                Object::Bye(bye) => self.inbox.push_back(Message::Bye(bye)),
                // Nobody answers us.
                Object::Response { .. } => {}
            }
        }
    }

    fn request(&mut self, id: MessageId, head: Box<http::request::Parts>, body: Bytes, more: bool) {
        self.acks.push(Acknowledgement { id: id.clone(), seq: 0 });
        if self.numbers.contains_key(&id) || self.known.contains(&id) {
            return;
        }
        self.next_number += 2;
        let number = self.next_number;
        self.numbers.insert(id.clone(), number);
        let exchange = Exchange {
            id,
            last_seq: 0,
            took: 0,
            tell_taken: false,
            asked: !more,
            letters: VecDeque::new(),
            next_seq: 0,
            busy: false,
            taken: 0,
            answered: false,
        };
        self.exchanges.insert(number, exchange);
        let id = TransactionId(number);
        let mut rest = body;
        let first = rest.split_to(rest.len().min(MAX_DATA));
        let end = !more && rest.is_empty();
        self.inbox.push_back(Message::Open { id, head, body: first, end });
        self.pass(id, rest, !more);
    }

    /// Passes bytes of a body to the link, in pieces that it takes.
    fn pass(&mut self, id: TransactionId, mut bytes: Bytes, end: bool) {
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(MAX_DATA));
            let last = end && bytes.is_empty();
            self.inbox.push_back(Message::Data { id, bytes: piece, end: last });
        }
    }

    fn chunk(&mut self, id: &MessageId, seq: u64, body: &Bytes, more: bool) {
        if !self.arrived(id, seq) {
            return;
        }
        let Some(number) = self.numbers.get(id).copied() else { return };
        if let Some(exchange) = self.exchanges.get_mut(&number) {
            exchange.asked |= !more;
        }
        let id = TransactionId(number);
        if body.is_empty() && !more {
            self.inbox.push_back(Message::Data { id, bytes: Bytes::new(), end: true });
        }
        self.pass(id, body.clone(), !more);
        self.forget_if_done(number);
    }

    /// Notes that an object came, and returns whether it is a new one of a transaction that goes on.
    fn arrived(&mut self, id: &MessageId, seq: u64) -> bool {
        if seq != u64::MAX {
            self.acks.push(Acknowledgement { id: id.clone(), seq });
        }
        let Some(number) = self.numbers.get(id) else { return false };
        let Some(exchange) = self.exchanges.get_mut(number) else { return false };
        let is_new = seq > exchange.last_seq;
        exchange.last_seq = exchange.last_seq.max(seq);
        is_new
    }

    fn gateway_took(&mut self, id: &MessageId, bytes: u64) {
        let Some(number) = self.numbers.get(id).copied() else { return };
        let Some(exchange) = self.exchanges.get_mut(&number) else { return };
        // No more than a window at once, whatever the gateway says.
        let more = bytes.saturating_sub(exchange.taken).min(STREAM_WINDOW.into());
        exchange.taken += more;
        if let Some(bytes) = u32::try_from(more).ok().filter(|more| *more > 0) {
            self.inbox.push_back(Message::Credit { id: TransactionId(number), bytes });
        }
    }

    fn over(&mut self, id: &MessageId, code: AbortCode) {
        let Some(number) = self.numbers.get(id).copied() else { return };
        self.inbox.push_back(Message::Abort { id: TransactionId(number), code });
        self.forget(number);
    }

    /// Takes what the gateway said in the answer to a POST of answers.
    pub(super) fn report(&mut self, report: &Report) {
        for (id, bytes) in &report.taken {
            self.gateway_took(id, *bytes);
        }
        for id in &report.gone {
            let number = self.numbers.get(id).copied();
            let answered = number
                .and_then(|number| self.exchanges.get(&number))
                .is_none_or(|exchange| exchange.answered && exchange.letters.is_empty());
            match number {
                // The last part came twice: it is complete, and so the gateway has forgotten it.
                Some(number) if answered => self.forget(number),
                Some(_) => self.over(id, AbortCode::Cancelled),
                None => {}
            }
        }
    }

    fn forget(&mut self, number: u64) {
        let Some(exchange) = self.exchanges.remove(&number) else { return };
        self.numbers.remove(&exchange.id);
        self.known.insert(exchange.id.clone());
        self.remembered.push_back(exchange.id);
        if self.remembered.len() > REMEMBERED
            && let Some(oldest) = self.remembered.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    /// Puts what waits to be sent into a document.
    pub(super) fn batch(&mut self) -> Option<Batch> {
        let (mut document, mut members) = (b"[".to_vec(), Vec::new());
        let add = |document: &mut Vec<u8>, object: &Object| {
            if document.len() > 1 {
                document.push(b',');
            }
            let before = document.len();
            if poll::write(document, object, Dialect::Second).is_err() {
                document.truncate(before);
            }
        };
        for _ in 0..self.turns.len() {
            let Some(number) = self.turns.pop_front() else { break };
            let Some(exchange) = self.exchanges.get_mut(&number) else { continue };
            if exchange.busy {
                // Its turn comes when its POST is over.
                continue;
            }
            let mut any = false;
            if exchange.tell_taken {
                exchange.tell_taken = false;
                let (id, bytes) = (exchange.id.clone(), exchange.took);
                add(&mut document, &Object::Taken { id, seq: None, bytes });
                any = true;
            }
            while document.len() < DOCUMENT_TARGET
                && let Some(letter) = exchange.letters.pop_front()
            {
                add(&mut document, &letter);
                any = true;
            }
            if any {
                exchange.busy = true;
                members.push(number);
            }
            if document.len() >= DOCUMENT_TARGET || members.len() >= poll::MAX_OBJECTS / 4 {
                break;
            }
        }
        if members.is_empty() && self.bye.is_none() {
            return None;
        }
        if let Some(bye) = self.bye.take() {
            add(&mut document, &Object::Bye(bye));
        }
        document.push(b']');
        self.batches += 1;
        Some(Batch { document, members })
    }

    /// The POST of a batch is over.
    pub(super) fn sent(&mut self, batch: &Batch) {
        self.batches -= 1;
        for number in &batch.members {
            let Some(exchange) = self.exchanges.get_mut(number) else { continue };
            exchange.busy = false;
            if !exchange.letters.is_empty() || exchange.tell_taken {
                self.turns.push_back(*number);
            }
            self.forget_if_done(*number);
        }
    }

    /// Forgets a transaction of which everything came and everything was sent, in either order.
    fn forget_if_done(&mut self, number: u64) {
        let is_done = self.exchanges.get(&number).is_some_and(|exchange| {
            let is_said = exchange.answered && exchange.letters.is_empty() && !exchange.busy;
            is_said && exchange.asked && !exchange.tell_taken
        });
        if is_done {
            self.forget(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asked for more than it read, a site would otherwise cost its owner a little memory for ever.
    #[test]
    fn what_is_answered_before_it_is_asked_to_its_end_is_forgotten_then() {
        let mut desk = Desk::default();
        let (head, ()) = http::Request::new(()).into_parts();
        let id = MessageId::from(2);
        let body = Bytes::from_static(b"one");
        let head = Box::new(head);
        desk.receive(vec![Object::Request {
            id: id.clone(),
            head,
            body: body.clone(),
            more: true,
        }]);
        let Some(Message::Open { id: number, .. }) = desk.next() else { panic!("no request") };
        let (head, ()) = http::Response::new(()).into_parts();
        desk.send(Message::Head {
            id: number,
            head: Box::new(head),
            body: Bytes::new(),
            end: true,
        });
        let batch = desk.batch().unwrap();
        desk.sent(&batch);
        assert_eq!(desk.exchanges.len(), 1, "the rest of the request is still to come");
        desk.receive(vec![Object::Chunk { id: id.clone(), seq: 1, body, more: false }]);
        assert!(desk.exchanges.is_empty() && desk.numbers.is_empty());
        assert!(desk.known.contains(&id), "it could begin anew");
    }
}
