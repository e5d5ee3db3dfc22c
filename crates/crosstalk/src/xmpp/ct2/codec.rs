//! Between the multiplexer's messages and the stanzas of a link.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;

use super::{
    LinkError, MAX_ANSWERS, MAX_REMEMBERED, SMALL_BODY,
    answers::Answers,
    heads::{base64_length, checked, code_of, in_xml, request_json},
    incoming::Incoming,
    outgoing::Outgoing,
    pings::Pings,
    value::{Condition, Head, Payload, Place, Signal, Stanza},
};
use crate::{
    object::{RequestObject, ResponseObject},
    transactions::{AbortCode, Bye, Message, Numbers, TransactionId},
};

/// What both ends agreed on, and which of them this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The numbers with which this end opens.
    pub numbers: Numbers,
    /// The most bytes of a body in one stanza, in both directions.
    pub chunk: usize,
    /// The most inside an IQ, in XML: what the server takes, without addresses and [`FRAME`](super::FRAME).
    pub max_payload: usize,
}

/// How much may be sent now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// Whether a head may.
    pub head: bool,
    /// How many bytes of a body may, if any.
    pub body: Option<usize>,
}

/// One end of a link.
///
/// It takes everything that the multiplexer gives ([`Codec::write`]): the multiplexer's credit bounds
/// what can wait here. Which of it leaves next is decided when something can leave
/// ([`Codec::poll_stanza`]): answers, what concerns the link and aborts at once; then heads; then
/// bodies, in turns.
#[derive(Debug)]
pub struct Codec {
    settings: Settings,
    all: HashMap<u64, State>,
    /// The last number of the other end's that came.
    seen: u64,
    answers: Answers,
    urgent: VecDeque<Payload>,
    /// Those whose head waits, each once.
    heads: VecDeque<u64>,
    /// Those that have something to say behind their head, each once.
    turns: VecDeque<u64>,
    bye: Option<Bye>,
    /// The multiplexer wants a sign of life; the ping gets its number when it leaves.
    asked: bool,
    pings: Pings,
    came: VecDeque<Message>,
}

/// One transaction.
#[derive(Debug, Default)]
struct State {
    incoming: Incoming,
    outgoing: Outgoing,
    /// What the other end hears when it has the whole response: the rest of the request is not wanted.
    farewell: Option<AbortCode>,
}

impl Codec {
    /// Begins.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            all: HashMap::new(),
            seen: 0,
            answers: Answers::default(),
            urgent: VecDeque::new(),
            heads: VecDeque::new(),
            turns: VecDeque::new(),
            bye: None,
            asked: false,
            pings: Pings::default(),
            came: VecDeque::new(),
        }
    }

    /// Takes what the multiplexer says.
    pub fn write(&mut self, message: Message) {
        match message {
            Message::Open { id, head, body, end } => match request_json(*head) {
                Ok(json) => {
                    self.all.insert(id.0, State::default());
                    self.write_head(Head { number: id.0, json, body, last: end }, Payload::Request);
                }
                Err(code) => self.came.push_back(Message::Abort { id, code }),
            },
            Message::Head { id, head, body, end } => {
                if !self.all.contains_key(&id.0) {
                    return;
                }
                match ResponseObject::new(&head) {
                    Ok(object) => {
                        let json = object.to_json();
                        let head = Head { number: id.0, json, body, last: end };
                        self.write_head(head, Payload::Response);
                    }
                    Err(_) => self.give_up(id.0, AbortCode::Failed),
                }
            }
            Message::Data { id, bytes, end } => {
                if let Some(state) = self.all.get_mut(&id.0) {
                    state.outgoing.push(bytes, end);
                    self.take_turn(id.0);
                }
            }
            Message::Abort { id, code } => self.abort(id.0, code),
            Message::Credit { id, bytes } => {
                let Some(state) = self.all.get_mut(&id.0) else { return };
                let seqs = state.incoming.credit(bytes.into());
                self.answers.parts(id.0, seqs, true);
            }
            Message::Ping => self.asked = true,
            // The answer to a ping is the result of its IQ.
            Message::Pong => {}
            Message::Bye(bye) => self.bye = Some(bye),
        }
    }

    /// Returns a stanza that is answered at once, to be sent first; the padding takes its time on the way.
    pub fn ping(&mut self, padding: Bytes) -> Stanza {
        Stanza::Set(Payload::Ping { number: self.pings.next(), padding })
    }

    /// Returns whether [`Self::poll_message`] has something; writing brings it, too: heads that are too large.
    pub fn has_messages(&self) -> bool {
        !self.came.is_empty()
    }

    /// Returns what came for the multiplexer. Ask until there is nothing before the next stanza.
    pub fn poll_message(&mut self) -> Option<Message> {
        self.came.pop_front()
    }

    /// Returns the ping that was answered last, once.
    pub fn poll_pong(&mut self) -> Option<u64> {
        self.pings.poll_pong()
    }

    /// Returns whether a head waits to be sent.
    #[must_use]
    pub fn has_heads(&self) -> bool {
        !self.heads.is_empty()
    }

    /// Returns whether something of a body waits to be sent whose head is sent.
    #[must_use]
    pub fn has_bodies(&self) -> bool {
        !self.turns.is_empty()
    }

    /// Returns whether nothing waits to be sent.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.answers.is_empty()
            && self.urgent.is_empty()
            && !self.asked
            && self.bye.is_none()
            && !self.has_heads()
            && !self.has_bodies()
    }

    /// Returns the next stanza. Ask only when it can leave.
    pub fn poll_stanza(&mut self, room: Room) -> Option<Stanza> {
        if let Some(answer) = self.answers.next() {
            return Some(answer);
        }
        if std::mem::take(&mut self.asked) {
            return Some(self.ping(Bytes::new()));
        }
        if let Some(payload) = self.urgent.pop_front() {
            return Some(Stanza::Set(payload));
        }
        if let Some(bye) = self.bye.take_if(|_| self.heads.is_empty()) {
            return Some(Stanza::Set(Payload::Bye(bye)));
        }
        if room.head
            && let Some(head) = self.next_head()
        {
            return Some(Stanza::Set(head));
        }
        let most = room.body?.min(self.settings.chunk);
        self.next_data(most).map(Stanza::Set)
    }

    /// Takes a stanza of the other end.
    ///
    /// # Errors
    /// When the link has to end.
    pub fn receive(&mut self, stanza: Stanza) -> Result<(), LinkError> {
        match stanza {
            Stanza::Set(payload) => self.receive_set(payload)?,
            Stanza::Result(place) => self.receive_result(place)?,
            Stanza::Error(place, condition) => self.receive_error(place, condition)?,
        }
        if self.answers.len() > MAX_ANSWERS {
            return Err(LinkError::Flood);
        }
        if self.all.len() > MAX_REMEMBERED {
            return Err(LinkError::Unanswered);
        }
        Ok(())
    }

    /// Returns how many transactions are remembered.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.all.len()
    }

    fn write_head(&mut self, mut head: Head, payload: fn(Head) -> Payload) {
        let number = head.number;
        let json = in_xml(&head.json);
        if json > self.settings.max_payload {
            self.give_up(number, AbortCode::TooLarge);
            return;
        }
        let Some(state) = self.all.get_mut(&number) else { return };
        let with_body = json + base64_length(head.body.len());
        if head.body.len() > SMALL_BODY.min(self.settings.chunk)
            || with_body > self.settings.max_payload
        {
            let body = std::mem::take(&mut head.body);
            state.outgoing.push(body, std::mem::take(&mut head.last));
        } else {
            state.outgoing.push(Bytes::new(), head.last);
        }
        state.outgoing.head = Some(payload(head));
        self.heads.push_back(number);
    }

    /// Ends a transaction that this end aborts.
    fn abort(&mut self, number: u64, code: AbortCode) {
        let own = self.is_own(number);
        let Some(state) = self.all.get_mut(&number) else { return };
        if !own && state.outgoing.is_complete() {
            // It comes behind the response, from which it takes nothing away.
            state.farewell = Some(code);
            self.say_farewell(number);
            return;
        }
        // What never left needs no end.
        let unheard_of = own && state.outgoing.head.is_some();
        self.remove(number);
        if !unheard_of {
            self.signal(number, code);
        }
    }

    /// Ends a transaction that went wrong, so that both ends know.
    fn give_up(&mut self, number: u64, code: AbortCode) {
        let Some(state) = self.all.get(&number) else { return };
        let own = self.is_own(number);
        let unheard_of = own && (state.outgoing.head.is_some() || self.never_left(number));
        self.remove(number);
        if !unheard_of {
            // What is too large for a stanza is a failure for whoever waits for it.
            let code = if code == AbortCode::TooLarge { AbortCode::Failed } else { code };
            self.signal(number, code);
        }
        let code = if own || code != AbortCode::TooLarge { code } else { AbortCode::Failed };
        self.came.push_back(Message::Abort { id: TransactionId(number), code });
    }

    fn never_left(&self, number: u64) -> bool {
        self.all.get(&number).is_none_or(|state| state.outgoing.has_not_begun())
    }

    fn signal(&mut self, number: u64, code: AbortCode) {
        let signal = Signal::Shutdown(code);
        self.urgent.push_back(Payload::Signal { number, signal });
    }

    /// Says that the rest of a request is not wanted, when the whole response is sent.
    fn say_farewell(&mut self, number: u64) {
        let Some(state) = self.all.get_mut(&number) else { return };
        if !state.outgoing.is_sent() {
            return;
        }
        let Some(code) = state.farewell.take() else { return };
        state.incoming.finish();
        let rest = state.incoming.rest();
        self.answers.parts(number, rest, true);
        self.signal(number, code);
        self.settle(number);
    }

    fn take_turn(&mut self, number: u64) {
        let Some(state) = self.all.get_mut(&number) else { return };
        if !state.outgoing.in_turn && state.outgoing.has_to_say() {
            state.outgoing.in_turn = true;
            self.turns.push_back(number);
        }
    }

    fn next_head(&mut self) -> Option<Payload> {
        while let Some(number) = self.heads.pop_front() {
            // Always there: who leaves the table leaves this queue.
            let Some(state) = self.all.get_mut(&number) else { continue };
            let Some(payload) = state.outgoing.head.take() else { continue };
            if let Payload::Request(head) | Payload::Response(head) = &payload {
                state.outgoing.sent_head(head.body.len(), head.last);
            }
            self.take_turn(number);
            self.say_farewell(number);
            return Some(payload);
        }
        None
    }

    fn next_data(&mut self, most: usize) -> Option<Payload> {
        while let Some(number) = self.turns.pop_front() {
            let Some(state) = self.all.get_mut(&number) else { continue };
            let (seq, bytes, last) = state.outgoing.take(most);
            state.outgoing.in_turn = false;
            self.take_turn(number);
            self.say_farewell(number);
            return Some(Payload::Data { number, seq, bytes, last });
        }
        None
    }

    fn receive_set(&mut self, payload: Payload) -> Result<(), LinkError> {
        match payload {
            Payload::Request(head) => self.receive_request(head)?,
            Payload::Response(head) => self.receive_response(head)?,
            Payload::Data { number, seq, bytes, last } => {
                self.receive_data(number, seq, bytes, last)?;
            }
            Payload::Signal { number, signal } => {
                self.answers.result(Place::Signal(number));
                self.receive_signal(number, signal);
            }
            Payload::Ping { number, padding } => {
                self.check_length(&padding)?;
                self.pings.heard(number)?;
                self.answers.result(Place::Ping(number));
            }
            Payload::Bye(bye) => {
                self.answers.result(Place::Bye);
                self.came.push_back(Message::Bye(bye));
            }
            Payload::Gone => return Err(LinkError::Gone),
        }
        Ok(())
    }

    fn receive_request(&mut self, head: Head) -> Result<(), LinkError> {
        let Head { number, json, body, last } = head;
        self.check_length(&body)?;
        if number == 0 || self.is_own(number) || number <= self.seen {
            return Err(LinkError::Number);
        }
        self.seen = number;
        let object = checked(&json).and_then(|json| RequestObject::parse(json.as_bytes()));
        let parts = match object {
            Ok(object) => Box::new(object.into_parts()),
            Err(error) => {
                self.answers.parts(number, 0..1, false);
                self.signal(number, code_of(error));
                return Ok(());
            }
        };
        self.all.insert(number, State::default());
        self.take_part(number, 0, body.len(), last);
        let id = TransactionId(number);
        self.came.push_back(Message::Open { id, head: parts, body, end: last });
        Ok(())
    }

    fn receive_response(&mut self, head: Head) -> Result<(), LinkError> {
        let Head { number, json, body, last } = head;
        self.check_length(&body)?;
        let own = self.is_own(number);
        let Some(state) = self.all.get(&number) else {
            self.answers.parts(number, 0..1, false);
            return Ok(());
        };
        let in_order = own && !state.incoming.has_begun() && !self.never_left(number);
        let object = checked(&json).and_then(|json| ResponseObject::parse(json.as_bytes()));
        match object {
            Ok(object) if in_order => {
                self.take_part(number, 0, body.len(), last);
                let id = TransactionId(number);
                let head = Box::new(object.into_parts());
                self.came.push_back(Message::Head { id, head, body, end: last });
                self.settle(number);
            }
            Ok(_) | Err(_) => {
                self.answers.parts(number, 0..1, false);
                self.give_up(number, AbortCode::Failed);
            }
        }
        Ok(())
    }

    fn receive_data(
        &mut self,
        number: u64,
        seq: u64,
        bytes: Bytes,
        last: bool,
    ) -> Result<(), LinkError> {
        self.check_length(&bytes)?;
        if seq == 0 || (bytes.is_empty() && !last) {
            return Err(LinkError::Value("seq"));
        }
        // What was on its way when the transaction ended.
        let ended = |state: &State| state.incoming.is_complete() && state.outgoing.is_sent();
        if self.all.get(&number).is_none_or(ended) {
            self.answers.parts(number, seq..seq.saturating_add(1), false);
        } else if self.take_part(number, seq, bytes.len(), last) {
            let id = TransactionId(number);
            self.came.push_back(Message::Data { id, bytes, end: last });
            self.settle(number);
        } else {
            self.answers.parts(number, seq..seq.saturating_add(1), false);
            self.give_up(number, AbortCode::Failed);
        }
        Ok(())
    }

    /// Takes a part in its turn, and answers what needs no credit.
    fn take_part(&mut self, number: u64, seq: u64, length: usize, last: bool) -> bool {
        let Some(state) = self.all.get_mut(&number) else { return false };
        if !state.incoming.take(seq, length, last, self.settings.chunk) {
            return false;
        }
        // Behind the last one nobody waits for credit.
        let seqs = if last { state.incoming.rest() } else { state.incoming.credit(0) };
        self.answers.parts(number, seqs, true);
        true
    }

    fn receive_signal(&mut self, number: u64, signal: Signal) {
        let Some(state) = self.all.get_mut(&number) else { return };
        let id = TransactionId(number);
        match signal {
            Signal::Finished if state.incoming.has_begun() => {
                if !state.incoming.is_complete() {
                    state.incoming.finish();
                    let rest = state.incoming.rest();
                    self.answers.parts(number, rest, true);
                    self.came.push_back(Message::Data { id, bytes: Bytes::new(), end: true });
                    self.settle(number);
                }
            }
            Signal::Finished => self.give_up(number, AbortCode::Failed),
            Signal::Shutdown(code) => {
                // Whoever opened it and has not sent it was not heard of: nobody can end it.
                if self.is_own(number) && self.never_left(number) {
                    return;
                }
                self.remove(number);
                self.came.push_back(Message::Abort { id, code });
            }
        }
    }

    fn receive_result(&mut self, place: Place) -> Result<(), LinkError> {
        match place {
            Place::Part { number, seq } => {
                let Some(state) = self.all.get_mut(&number) else { return Ok(()) };
                let Some(bytes) = state.outgoing.answered(seq) else { return Ok(()) };
                if bytes > 0 {
                    let id = TransactionId(number);
                    self.came.push_back(Message::Credit { id, bytes });
                }
                self.settle(number);
            }
            Place::Ping(number) => {
                if self.pings.answered(number)? {
                    self.came.push_back(Message::Pong);
                }
            }
            Place::Signal(_) | Place::Bye | Place::Gone => {}
        }
        Ok(())
    }

    fn receive_error(&mut self, place: Place, condition: Condition) -> Result<(), LinkError> {
        match (place, condition) {
            (_, Condition::Unavailable) | (Place::Ping(_), _) => Err(LinkError::Gone),
            (Place::Part { number, seq }, Condition::NotFound | Condition::Other) => {
                let Some(state) = self.all.get_mut(&number) else { return Ok(()) };
                if state.outgoing.answered(seq).is_some() {
                    let code = match condition {
                        Condition::NotFound => AbortCode::Cancelled,
                        Condition::Unavailable | Condition::Other => AbortCode::Failed,
                    };
                    self.give_up(number, code);
                }
                Ok(())
            }
            (Place::Signal(_) | Place::Bye | Place::Gone, _) => Ok(()),
        }
    }

    fn check_length(&self, bytes: &Bytes) -> Result<(), LinkError> {
        if bytes.len() > self.settings.chunk { Err(LinkError::TooLong) } else { Ok(()) }
    }

    /// Forgets a transaction when everything of it is said, and answered: until then an error can
    /// come of which the other end has to hear.
    fn settle(&mut self, number: u64) {
        let Some(State { incoming, outgoing, farewell }) = self.all.get(&number) else { return };
        let said = incoming.is_complete() && outgoing.is_sent() && farewell.is_none();
        if said && outgoing.is_answered() {
            self.remove(number);
        }
    }

    /// Forgets a transaction. What was sent for it and waits for an answer gets one.
    fn remove(&mut self, number: u64) {
        let Some(mut state) = self.all.remove(&number) else { return };
        if state.outgoing.in_turn {
            self.turns.retain(|other| *other != number);
        }
        if state.outgoing.head.is_some() {
            self.heads.retain(|other| *other != number);
        }
        let rest = state.incoming.rest();
        self.answers.parts(number, rest, true);
    }

    fn is_own(&self, number: u64) -> bool {
        number.is_multiple_of(2) == (self.settings.numbers == Numbers::Even)
    }
}
