//! Each rule of its own, without time or a wire.

mod flow;
mod over;
mod properties;
mod simulation;

use http::{Request, Response};

use super::*;

const T0: Duration = Duration::ZERO;

/// A link in memory: what one end says the other hears at once, unless a test holds it back.
struct Pair {
    gateway: Transactions,
    peer: Transactions,
}

fn config(numbers: Numbers) -> Config {
    Config {
        numbers,
        max_opened: 4,
        max_accepted: 4,
        window: 1000,
        send_buffer: 1000,
        ping_every: Duration::from_secs(20),
        ping_timeout: Duration::from_secs(10),
    }
}

fn request() -> Box<request::Parts> {
    Box::new(Request::new(()).into_parts().0)
}

fn response() -> Box<response::Parts> {
    Box::new(Response::new(()).into_parts().0)
}

fn bytes(length: usize) -> Bytes {
    (0..=u8::MAX).cycle().take(length).collect()
}

fn gateway() -> Transactions {
    Transactions::new(config(Numbers::Even), T0)
}

fn peer() -> Transactions {
    Transactions::new(config(Numbers::Odd), T0)
}

impl Pair {
    fn new() -> Self {
        Self { gateway: gateway(), peer: peer() }
    }

    /// A pair, and a transaction that the gateway opened and the peer knows of.
    fn opened(end: bool) -> (Self, TransactionId) {
        let mut pair = Self::new();
        let id = pair.gateway.open(request(), Bytes::new(), end).unwrap();
        pair.settle();
        assert_eq!(opened(&mut pair.peer), id);
        if end {
            assert_eq!(pair.peer.read(id), Read::End);
        }
        (pair, id)
    }

    /// As `opened`, and the peer has begun to answer.
    fn answered(end: bool) -> (Self, TransactionId) {
        let (mut pair, id) = Self::opened(end);
        pair.peer.respond(id, response(), Bytes::new(), false);
        pair.settle();
        assert!(matches!(pair.gateway.poll_event(), Some(Event::Answered { .. })));
        (pair, id)
    }

    /// Carries messages until there are none.
    fn settle(&mut self) {
        loop {
            let mut moved = false;
            while let Some(message) = self.gateway.poll_message() {
                self.peer.receive(message, T0).unwrap();
                moved = true;
            }
            while let Some(message) = self.peer.poll_message() {
                self.gateway.receive(message, T0).unwrap();
                moved = true;
            }
            if !moved {
                assert!(!self.gateway.wants_to_send() && !self.peer.wants_to_send());
                return;
            }
        }
    }

    fn assert_over(&self) {
        assert_eq!((self.gateway.opened(), self.gateway.accepted()), (0, 0));
        assert_eq!((self.peer.opened(), self.peer.accepted()), (0, 0));
    }
}

fn opened(end: &mut Transactions) -> TransactionId {
    match end.poll_event() {
        Some(Event::Opened { id, .. }) => id,
        other => panic!("{other:?}"),
    }
}

/// Reads all there is. Returns how much, and what ended it.
fn read(end: &mut Transactions, id: TransactionId) -> (Vec<u8>, Read) {
    let mut all = Vec::new();
    loop {
        match end.read(id) {
            Read::Data(bytes) => all.extend_from_slice(&bytes),
            last @ (Read::End | Read::Blocked | Read::Aborted(_)) => return (all, last),
        }
    }
}

/// Checks that every count is what it counts, and that every queue holds each number once.
fn assert_sound(end: &Transactions) {
    let count = |is: &dyn Fn(TransactionId, &Transaction) -> bool| {
        end.all.iter().filter(|(id, transaction)| is(**id, transaction)).count()
    };
    assert_eq!(end.opened, count(&|id, _| end.is_own(id)));
    assert_eq!(end.accepted, count(&|id, _| !end.is_own(id)));
    assert_eq!(end.lingering, count(&|id, transaction| !end.is_own(id) && transaction.lingers));
    assert_eq!(
        end.unsent,
        count(&|_, transaction| { matches!(transaction.outgoing.head, Some(Head::Request(_))) })
    );
    assert_eq!(end.turns.len(), count(&|_, transaction| transaction.in_turn));
    assert_eq!(end.credits.len(), count(&|_, transaction| transaction.incoming.credit_waits));
    assert!(end.turns.iter().all(|id| end.all[id].in_turn && end.all[id].outgoing.has_to_say()));
    assert!(end.credits.iter().all(|id| end.all[id].incoming.credit_waits));
    let of_accepted = end.aborts.iter().filter(|(id, _)| !end.is_own(*id)).count();
    assert_eq!(end.aborts_of_accepted, of_accepted);
}

/// Shows events and messages so that tests can compare them.
fn shown(value: impl fmt::Debug) -> String {
    let text = format!("{value:?}");
    text.split(" head:").next().unwrap_or_default().to_owned()
}

fn events(end: &mut Transactions) -> Vec<String> {
    std::iter::from_fn(|| end.poll_event()).map(shown).collect()
}

fn messages(end: &mut Transactions) -> Vec<Message> {
    std::iter::from_fn(|| end.poll_message()).collect()
}

fn open_message(number: u64, body: Bytes) -> Message {
    Message::Open { id: TransactionId(number), head: request(), body, end: false }
}

fn data(number: u64, length: usize, end: bool) -> Message {
    Message::Data { id: TransactionId(number), bytes: bytes(length), end }
}

fn head(number: u64, length: usize, end: bool) -> Message {
    Message::Head { id: TransactionId(number), head: response(), body: bytes(length), end }
}

fn abort(number: u64, code: AbortCode) -> Message {
    Message::Abort { id: TransactionId(number), code }
}

fn number(message: &Message) -> Option<TransactionId> {
    match message {
        Message::Open { id, .. }
        | Message::Head { id, .. }
        | Message::Data { id, .. }
        | Message::Abort { id, .. }
        | Message::Credit { id, .. } => Some(*id),
        Message::Ping | Message::Pong | Message::Bye(_) => None,
    }
}
