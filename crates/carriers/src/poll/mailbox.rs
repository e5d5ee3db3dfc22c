//! The gateway's books of one session, without input or output.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use crosstalk::{
    hop,
    limits::STREAM_WINDOW,
    poll::{self, Dialect, MAX_CLASSIC_BODY, MessageId, Object, PollError, Report},
    transactions::{AbortCode, Bye, Message, TransactionId},
};
use http::{HeaderValue, Method, StatusCode, header, request, response};
use tokio::time::Instant;

use super::{
    answer::Answer,
    letters::{Letters, Unacknowledged},
};

/// How large the document of one answer may grow before no further object goes in.
pub(super) const DOCUMENT_TARGET: usize = 256 * 1024;

/// How long a request waits for a poll while none is there. A peer polls again at once, so by then
/// it is gone; its visitor is told rather than kept.
pub(super) const HEAD_PATIENCE: Duration = Duration::from_secs(10);

/// The books of a session.
pub(super) struct Mailbox {
    dialect: Dialect,
    exchanges: BTreeMap<u64, Exchange>,
    /// Whose letters wait, in turns. Some may be listed in vain.
    turns: VecDeque<u64>,
    /// Who has something for the link, in turns. Some may be listed in vain.
    ready: VecDeque<u64>,
    /// What goes to the link before everything else.
    urgent: VecDeque<Message>,
    bye: Option<Bye>,
    /// The number of the newest poll.
    polls: u64,
}

/// One transaction.
struct Exchange {
    id: MessageId,
    is_head: bool,
    letters: Letters,
    /// A classic request whose body is not complete yet.
    unfinished: Option<(Box<request::Parts>, BytesMut)>,
    /// Whether the last of the request is among the letters, or was.
    asked: bool,
    /// How much of the request's body the link gave, and how much the peer took of it.
    given: u64,
    peer_took: u64,
    answer: Answer,
    /// Why nobody wants the rest of the request, once the link has the whole response.
    enough: Option<AbortCode>,
    over: bool,
}

/// What became of an object of the peer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// It was taken, or was here before.
    Taken,
    /// Its transaction is over, or never was.
    Gone,
}

/// Why an object of the peer's cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    /// An earlier one is missing.
    #[error("a part of an answer came before the one before it")]
    Early,
    /// It means nothing here.
    #[error("this is nothing that a peer says")]
    Senseless,
}

/// The letters in the answer to a poll: transactions and numbers.
pub(super) type Enclosed = Vec<(u64, u64)>;

impl Mailbox {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            exchanges: BTreeMap::new(),
            turns: VecDeque::new(),
            ready: VecDeque::new(),
            urgent: VecDeque::new(),
            bye: None,
            polls: 0,
        }
    }

    /// Takes a message of the link's.
    pub(super) fn send(&mut self, message: Message, now: Instant) {
        match message {
            Message::Open { id, head, body, end } => self.open(id, head, body, end, now),
            Message::Data { id, bytes, end } => self.data(id, bytes, end, now),
            Message::Abort { id, code } => {
                let Some(exchange) = self.exchanges.get_mut(&id.0) else { return };
                exchange.over = true;
                exchange.answer = Answer::default();
                exchange.letters.abort(now, &exchange.id, code);
                if self.dialect == Dialect::Classic || exchange.letters.is_empty() {
                    self.exchanges.remove(&id.0);
                } else {
                    self.turns.push_back(id.0);
                }
            }
            Message::Credit { id, bytes } => {
                let Some(exchange) = self.exchanges.get_mut(&id.0) else { return };
                if exchange.over {
                    return;
                }
                exchange.answer.credit += u64::from(bytes);
                self.ready.push_back(id.0);
                let taken = exchange.answer.taken();
                if self.dialect == Dialect::Second && !exchange.answer.complete {
                    exchange.letters.taken(now, &exchange.id, taken);
                    self.turns.push_back(id.0);
                }
            }
            Message::Bye(bye) => self.bye = (self.dialect == Dialect::Second).then_some(bye),
            // Signs of life are between the session and the link.
            Message::Head { .. } | Message::Ping | Message::Pong => {}
        }
    }

    fn open(
        &mut self,
        id: TransactionId,
        head: Box<request::Parts>,
        body: Bytes,
        end: bool,
        now: Instant,
    ) {
        let mut exchange = Exchange {
            id: id.0.into(),
            is_head: head.method == Method::HEAD,
            letters: Letters::default(),
            unfinished: None,
            asked: false,
            given: 0,
            peer_took: 0,
            answer: Answer { credit: STREAM_WINDOW.into(), ..Answer::default() },
            enough: None,
            over: false,
        };
        match self.dialect {
            Dialect::Second => {
                exchange.given = body.len() as u64;
                exchange.asked = end;
                exchange.letters.head(now, &exchange.id, head, body, !end);
                self.exchanges.insert(id.0, exchange);
                self.turns.push_back(id.0);
            }
            Dialect::Classic => {
                let length = head.headers.get(header::CONTENT_LENGTH);
                let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
                if length.is_some_and(|length| length > MAX_CLASSIC_BODY as u64) {
                    self.urgent.push_back(Message::Abort { id, code: AbortCode::TooLarge });
                    return;
                }
                exchange.unfinished = Some((head, BytesMut::new()));
                self.exchanges.insert(id.0, exchange);
                self.data(id, body, end, now);
            }
        }
    }

    fn data(&mut self, id: TransactionId, bytes: Bytes, end: bool, now: Instant) {
        let Some(exchange) = self.exchanges.get_mut(&id.0) else { return };
        if self.dialect == Dialect::Second {
            exchange.given += bytes.len() as u64;
            exchange.asked |= end;
            exchange.letters.data(now, &exchange.id, bytes, end);
            self.turns.push_back(id.0);
            return;
        }
        let Some((_, body)) = &mut exchange.unfinished else { return };
        if body.len() + bytes.len() > MAX_CLASSIC_BODY {
            self.give_up(id.0, AbortCode::TooLarge, now);
            return;
        }
        body.extend_from_slice(&bytes);
        if !end {
            // It is as good as taken: it is here.
            let bytes = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            self.urgent.push_back(Message::Credit { id, bytes });
            return;
        }
        if let Some((head, body)) = exchange.unfinished.take() {
            if std::str::from_utf8(&body).is_err() {
                self.give_up(id.0, AbortCode::Unsupported, now);
                return;
            }
            exchange.asked = true;
            exchange.letters.head(now, &exchange.id, head, body.freeze(), false);
            self.turns.push_back(id.0);
        }
    }

    /// Ends a transaction for both ends.
    fn give_up(&mut self, id: u64, code: AbortCode, now: Instant) {
        self.urgent.push_back(Message::Abort { id: TransactionId(id), code });
        self.send(Message::Abort { id: TransactionId(id), code }, now);
    }

    /// Returns the next message for the link.
    pub(super) fn next(&mut self) -> Option<Message> {
        if let Some(urgent) = self.urgent.pop_front() {
            return Some(urgent);
        }
        while let Some(id) = self.ready.pop_front() {
            let Some(exchange) = self.exchanges.get_mut(&id) else { continue };
            let Some(message) = exchange.answer.next_message(TransactionId(id)) else { continue };
            self.ready.push_back(id);
            self.forget_if_done(id);
            return Some(message);
        }
        None
    }

    /// Returns whether [`Mailbox::next`] may have something.
    pub(super) fn has_news(&self) -> bool {
        !self.urgent.is_empty() || !self.ready.is_empty()
    }

    fn forget_if_done(&mut self, id: u64) {
        let Some(exchange) = self.exchanges.get_mut(&id) else { return };
        if exchange.answer.done {
            if let Some(code) = exchange.enough {
                self.exchanges.remove(&id);
                self.urgent.push_back(Message::Abort { id: TransactionId(id), code });
                return;
            }
            exchange.letters.acknowledge_all();
        }
        let nothing_left = exchange.letters.is_empty();
        if nothing_left && (exchange.over || (exchange.answer.done && exchange.asked)) {
            self.exchanges.remove(&id);
        }
    }

    /// Begins a poll; the ones before it do not wait any more. Returns its number.
    pub(super) fn begin_poll(&mut self, now: Instant) -> u64 {
        self.polls += 1;
        let ids: Vec<u64> = self.exchanges.keys().copied().collect();
        for id in ids {
            let Some(exchange) = self.exchanges.get_mut(&id) else { continue };
            match exchange.letters.unacknowledged() {
                Unacknowledged::Nothing => {}
                Unacknowledged::Again => self.turns.push_back(id),
                Unacknowledged::Lost => self.give_up(id, AbortCode::Failed, now),
            }
        }
        self.polls
    }

    /// Returns whether no newer poll came.
    pub(super) fn is_newest(&self, poll: u64) -> bool {
        self.polls == poll
    }

    /// Puts the letters that wait into a document, as many as belong into one.
    pub(super) fn collect(&mut self, poll: u64, now: Instant) -> Option<(Vec<u8>, Enclosed)> {
        let (mut document, mut enclosed) = (Vec::new(), Enclosed::new());
        let mut objects = 0;
        if self.dialect == Dialect::Second {
            document.push(b'[');
            if let Some(bye) = self.bye.take() {
                // It always has a form.
                let _ = poll::write(&mut document, &Object::Bye(bye), self.dialect);
                objects += 1;
            }
        }
        while let Some(id) = self.turns.pop_front() {
            let Some(exchange) = self.exchanges.get_mut(&id) else { continue };
            let Some((seq, object)) = exchange.letters.next_waiting(poll) else { continue };
            let before = document.len();
            if objects > 0 {
                document.push(b',');
            }
            match poll::write(&mut document, object, self.dialect) {
                Ok(()) => {}
                Err(error) => {
                    document.truncate(before);
                    let code = match error {
                        PollError::NotText => AbortCode::Unsupported,
                        PollError::TooLong
                        | PollError::Json
                        | PollError::Missing(_)
                        | PollError::Value(_)
                        | PollError::Mixed
                        | PollError::Dialect(_)
                        | PollError::Body
                        | PollError::Head(_) => AbortCode::Failed,
                    };
                    self.give_up(id, code, now);
                    continue;
                }
            }
            exchange.letters.leaves(seq, poll);
            if exchange.letters.any_waits() {
                self.turns.push_back(id);
            }
            enclosed.push((id, seq));
            objects += 1;
            let is_full = document.len() >= DOCUMENT_TARGET || objects >= poll::MAX_OBJECTS;
            if is_full || self.dialect == Dialect::Classic {
                break;
            }
        }
        if self.dialect == Dialect::Second {
            document.push(b']');
        }
        (objects > 0).then_some((document, enclosed))
    }

    /// The HTTP library took these letters.
    pub(super) fn left(&mut self, enclosed: &Enclosed) {
        for (id, seq) in enclosed {
            if let Some(exchange) = self.exchanges.get_mut(id) {
                exchange.letters.left(*seq, self.dialect);
                if exchange.letters.any_waits() {
                    self.turns.push_back(*id);
                }
            }
            self.forget_if_done(*id);
        }
    }

    /// Nothing of these letters left.
    pub(super) fn came_back(&mut self, enclosed: &Enclosed) {
        // In front, so that they keep their place in the line.
        for (id, seq) in enclosed.iter().rev() {
            if let Some(exchange) = self.exchanges.get_mut(id) {
                exchange.letters.came_back(*seq);
                self.turns.push_front(*id);
            }
        }
    }

    /// Takes what the peer knows of what was sent to it.
    pub(super) fn report(&mut self, report: &Report) {
        for ack in &report.acks {
            let Some(id) = self.find(&ack.id) else { continue };
            if let Some(exchange) = self.exchanges.get_mut(&id) {
                exchange.letters.acknowledge(ack.seq);
            }
            self.forget_if_done(id);
        }
        for (id, bytes) in &report.taken {
            self.peer_took(id, *bytes);
        }
    }

    fn peer_took(&mut self, id: &MessageId, bytes: u64) -> Received {
        let Some(id) = self.find(id) else { return Received::Gone };
        let Some(exchange) = self.exchanges.get_mut(&id) else { return Received::Gone };
        // Nobody takes what was not given.
        let bytes = bytes.min(exchange.given);
        if let Some(more) = bytes.checked_sub(exchange.peer_took).filter(|more| *more > 0) {
            exchange.peer_took = bytes;
            let bytes = u32::try_from(more).unwrap_or(u32::MAX);
            self.urgent.push_back(Message::Credit { id: TransactionId(id), bytes });
        }
        Received::Taken
    }

    /// Takes an object of the peer's that is about one transaction.
    pub(super) fn receive(&mut self, object: Object, now: Instant) -> Result<Received, Refused> {
        match object {
            Object::Response { id, head, body, more } => self.answered(&id, head, body, more, now),
            Object::Chunk { id, seq, body, more } => self.chunk(&id, seq, body, more, now),
            Object::Taken { id, bytes, .. } => Ok(self.peer_took(&id, bytes)),
            Object::Abort { id, code, .. } => {
                let Some(id) = self.live(&id) else { return Ok(Received::Gone) };
                if let Some(exchange) = self.exchanges.get_mut(&id)
                    && exchange.answer.complete
                {
                    exchange.enough = Some(code);
                    self.forget_if_done(id);
                    return Ok(Received::Taken);
                }
                self.exchanges.remove(&id);
                self.urgent.push_back(Message::Abort { id: TransactionId(id), code });
                Ok(Received::Taken)
            }
            Object::Report(report) => {
                self.report(&report);
                Ok(Received::Taken)
            }
            Object::Bye(bye) => {
                self.urgent.push_back(Message::Bye(bye));
                Ok(Received::Taken)
            }
            Object::Request { .. } => Err(Refused::Senseless),
        }
    }

    fn answered(
        &mut self,
        name: &MessageId,
        mut head: Box<response::Parts>,
        body: Bytes,
        more: bool,
        now: Instant,
    ) -> Result<Received, Refused> {
        let Some(id) = self.live(name) else { return Ok(Received::Gone) };
        let Some(exchange) = self.exchanges.get_mut(&id) else { return Ok(Received::Gone) };
        exchange.letters.acknowledge(0);
        if exchange.answer.next > 0 {
            return Ok(Received::Taken);
        }
        if head.status.is_informational() {
            // Neither a 100 in between nor a WebSocket can be carried here.
            self.give_up(id, AbortCode::Failed, now);
            return Ok(Received::Gone);
        }
        hop::strip(&mut head.headers);
        if self.dialect == Dialect::Classic {
            measure(&mut head, exchange.is_head, body.len());
        }
        let answer = &mut exchange.answer;
        answer.head = Some(head);
        Ok(self.body(id, body, more, now))
    }

    fn chunk(
        &mut self,
        name: &MessageId,
        seq: u64,
        body: Bytes,
        more: bool,
        now: Instant,
    ) -> Result<Received, Refused> {
        let Some(id) = self.live(name) else { return Ok(Received::Gone) };
        let Some(exchange) = self.exchanges.get_mut(&id) else { return Ok(Received::Gone) };
        let answer = &exchange.answer;
        if seq < answer.next {
            return Ok(Received::Taken);
        }
        if answer.complete {
            self.give_up(id, AbortCode::Failed, now);
            return Ok(Received::Gone);
        }
        if seq > answer.next {
            return Err(Refused::Early);
        }
        Ok(self.body(id, body, more, now))
    }

    fn body(&mut self, id: u64, body: Bytes, more: bool, now: Instant) -> Received {
        let Some(exchange) = self.exchanges.get_mut(&id) else { return Received::Gone };
        let answer = &mut exchange.answer;
        let came = answer.came + body.len() as u64;
        // A classic body comes as a whole, and was measured when it was read.
        if self.dialect == Dialect::Second && came > answer.credit {
            self.give_up(id, AbortCode::Failed, now);
            return Received::Gone;
        }
        answer.came = came;
        answer.next += 1;
        answer.complete = !more;
        if !body.is_empty() {
            answer.pieces.push_back(body);
        }
        self.ready.push_back(id);
        Received::Taken
    }

    /// Returns how much the link took of a response, or `None` when it is over.
    pub(super) fn taken(&mut self, name: &MessageId) -> Option<u64> {
        let id = self.live(name)?;
        let exchange = self.exchanges.get_mut(&id)?;
        // Whoever asks here need not be told by a letter; who gets no answer asks again.
        exchange.letters.take_back_taken();
        Some(exchange.answer.taken())
    }

    /// Returns whether the peer may send this many bytes more of a response; also when nobody wants
    /// any.
    pub(super) fn has_room(&self, name: &MessageId, bytes: u64) -> bool {
        let exchange = self.live(name).and_then(|id| self.exchanges.get(&id));
        let answer = exchange.map(|exchange| &exchange.answer);
        answer.is_none_or(|answer| answer.complete || answer.came + bytes <= answer.credit)
    }

    /// Gives up requests that wait for a poll for too long, and returns when to look again.
    pub(super) fn give_up_waiting(&mut self, now: Instant) -> Option<Instant> {
        let since = |exchange: &Exchange| exchange.letters.head_waits_since();
        let late: Vec<u64> = self
            .exchanges
            .iter()
            .filter(|(_, exchange)| since(exchange).is_some_and(|at| at + HEAD_PATIENCE <= now))
            .map(|(id, _)| *id)
            .collect();
        for id in late {
            self.give_up(id, AbortCode::TimedOut, now);
        }
        self.exchanges.values().filter_map(since).min().map(|since| since + HEAD_PATIENCE)
    }

    /// Returns whether anything is under way.
    pub(super) fn is_busy(&self) -> bool {
        self.exchanges.values().any(|exchange| !exchange.over)
    }

    /// Returns the number of a transaction that is known and goes on.
    fn live(&self, name: &MessageId) -> Option<u64> {
        self.find(name).filter(|id| self.exchanges.get(id).is_some_and(|exchange| !exchange.over))
    }

    fn find(&self, name: &MessageId) -> Option<u64> {
        let id: u64 = name.as_str().parse().ok()?;
        // `+2` and `02` are other names.
        self.exchanges.get(&id).filter(|exchange| exchange.id == *name).map(|_| id)
    }
}

/// Says how long a body is that came as a whole. Scripts count characters, or forget it.
fn measure(head: &mut response::Parts, is_head: bool, length: usize) {
    let bodiless = matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if (is_head || bodiless) && length == 0 {
        return;
    }
    head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
}

#[cfg(test)]
mod tests {
    use crosstalk::transactions::MAX_DATA;

    use super::*;

    /// A letter costs far more memory than a byte: a visitor who uploads byte by byte, faster than
    /// the peer polls, would fill many times the window.
    #[test]
    fn crumbs_of_an_upload_wait_together() {
        let (now, id) = (Instant::now(), TransactionId(2));
        let mut mailbox = Mailbox::new(Dialect::Second);
        let head = Box::new(http::Request::new(()).into_parts().0);
        mailbox.send(Message::Open { id, head, body: Bytes::new(), end: false }, now);
        let crumbs: Vec<u8> = (0..100_000_u32).map(|number| (number % 251) as u8).collect();
        for (at, crumb) in crumbs.iter().enumerate() {
            let end = at + 1 == crumbs.len();
            let bytes = Bytes::copy_from_slice(&[*crumb]);
            mailbox.send(Message::Data { id, bytes, end }, now);
        }
        let poll = mailbox.begin_poll(now);
        let (document, enclosed) = mailbox.collect(poll, now).unwrap();
        assert!(enclosed.len() <= 1 + crumbs.len().div_ceil(MAX_DATA), "{}", enclosed.len());
        let mut got = Vec::new();
        for object in poll::read(&document, Dialect::Second).unwrap() {
            if let Object::Chunk { body, more, .. } = object {
                got.extend_from_slice(&body);
                assert_eq!(more, got.len() < crumbs.len());
            }
        }
        assert_eq!(got, crumbs);
    }
}
