//! The books of both ends against each other, over a line that loses answers.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use crosstalk::{
    limits::STREAM_WINDOW,
    poll::{self, Dialect, MessageId, Object},
    transactions::{AbortCode, MAX_DATA, Message, TransactionId},
};
use http::{Request, Response};
use proptest::prelude::*;
use tokio::time::Instant;

use super::{
    desk::{Batch, Desk},
    mailbox::Mailbox,
};

/// What becomes of a POST and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Both arrive.
    Arrives,
    /// The POST arrives, and its answer never leaves.
    NeverLeaves,
    /// The POST arrives, and its answer leaves and is lost.
    AnswerLost,
    /// The POST does not arrive.
    PostLost,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// A visitor comes with this many bytes, for as many as that.
    Visit(u32, u32),
    /// A visitor leaves.
    Leave(usize),
    Poll(Fate),
    Answer(Fate),
    /// Both ends do what they can.
    Work,
}

/// One transaction as both ends have it.
#[derive(Debug, Default)]
struct Visit {
    asks: u32,
    wants: u32,
    left: bool,
    /// The gateway's end of the link.
    given: u32,
    request_credit: u32,
    got: u32,
    answered: bool,
    complete: bool,
    aborted: bool,
}

/// The peer's end of the link, of one transaction.
#[derive(Debug, Default)]
struct Serving {
    path: String,
    got: u32,
    asked: bool,
    answered: bool,
    given: u32,
    credit: u32,
    over: bool,
}

struct World {
    mailbox: Mailbox,
    desk: Desk,
    visits: BTreeMap<u64, Visit>,
    serving: BTreeMap<u64, Serving>,
    batch: Option<Batch>,
    /// Whose heads left the gateway.
    left: BTreeSet<MessageId>,
    lost: bool,
}

fn piece(from: u32, length: u32) -> Bytes {
    (from..from + length).map(|at| (at % 251) as u8).collect()
}

fn check(bytes: &Bytes, from: u32) -> u32 {
    let length = u32::try_from(bytes.len()).unwrap();
    assert_eq!(*bytes, piece(from, length), "bytes at {from} are not those that were sent");
    from + length
}

impl World {
    fn new() -> Self {
        Self {
            mailbox: Mailbox::new(Dialect::Second),
            desk: Desk::default(),
            visits: BTreeMap::new(),
            serving: BTreeMap::new(),
            batch: None,
            left: BTreeSet::new(),
            lost: false,
        }
    }

    fn visit(&mut self, asks: u32, wants: u32) {
        let number = 2 * (self.visits.len() as u64 + 1);
        let first = asks.min(MAX_DATA as u32);
        let visit = Visit {
            asks,
            wants,
            given: first,
            request_credit: STREAM_WINDOW - first,
            ..Visit::default()
        };
        let (head, ()) = Request::post(format!("/{number}")).body(()).unwrap().into_parts();
        let open = Message::Open {
            id: TransactionId(number),
            head: Box::new(head),
            body: piece(0, first),
            end: first == asks,
        };
        self.visits.insert(number, visit);
        self.mailbox.send(open, Instant::now());
    }

    fn leave(&mut self, which: usize) {
        let count = self.visits.len().max(1);
        let Some((number, visit)) = self.visits.iter_mut().nth(which % count) else { return };
        if !visit.complete && !visit.aborted && !visit.left {
            visit.left = true;
            let id = TransactionId(*number);
            self.mailbox.send(Message::Abort { id, code: AbortCode::Cancelled }, Instant::now());
        }
    }

    fn poll(&mut self, fate: Fate) {
        let (document, acks) = self.desk.poll();
        if fate == Fate::PostLost {
            return;
        }
        for object in poll::read(&document, Dialect::Second).unwrap() {
            let Object::Report(report) = object else { panic!("{object:?}") };
            self.mailbox.report(&report);
        }
        let number = self.mailbox.begin_poll(Instant::now());
        let Some((document, enclosed)) = self.mailbox.collect(number, Instant::now()) else {
            if fate == Fate::Arrives {
                self.desk.acknowledged(acks);
            }
            return;
        };
        assert!(document.len() <= poll::MAX_DOCUMENT);
        if matches!(fate, Fate::Arrives | Fate::AnswerLost) {
            for object in poll::read(&document, Dialect::Second).unwrap() {
                if let Object::Request { id, .. } = object {
                    assert!(self.left.insert(id), "a head left twice");
                }
            }
        }
        match fate {
            Fate::Arrives => {
                self.mailbox.left(&enclosed);
                self.desk.acknowledged(acks);
                self.desk.receive(poll::read(&document, Dialect::Second).unwrap());
            }
            Fate::AnswerLost => {
                self.mailbox.left(&enclosed);
                self.lost = true;
            }
            Fate::NeverLeaves | Fate::PostLost => self.mailbox.came_back(&enclosed),
        }
    }

    fn answer(&mut self, fate: Fate) {
        // One that got no answer is made again, as it was.
        let Some(batch) = self.batch.take().or_else(|| self.desk.batch()) else { return };
        if fate == Fate::PostLost {
            self.batch = Some(batch);
            return;
        }
        let (mut report, mut names) = (poll::Report::default(), Vec::new());
        for object in poll::read(&batch.document, Dialect::Second).unwrap() {
            if let Object::Response { id, .. } | Object::Chunk { id, .. } = &object {
                names.push(id.clone());
            }
            let name = names.last().cloned();
            match self.mailbox.receive(object, Instant::now()).unwrap() {
                super::mailbox::Received::Taken => {}
                super::mailbox::Received::Gone => report.gone.extend(name),
            }
        }
        for name in names {
            report.taken.extend(self.mailbox.taken(&name).map(|taken| (name, taken)));
        }
        if fate == Fate::Arrives {
            self.desk.report(&report);
            self.desk.sent(&batch);
        } else {
            self.batch = Some(batch);
        }
    }

    fn work(&mut self) {
        while let Some(message) = self.mailbox.next() {
            self.hear_at_gateway(message);
        }
        for (number, visit) in &mut self.visits {
            while visit.given < visit.asks && !visit.left && !visit.aborted {
                let length =
                    (visit.asks - visit.given).min(MAX_DATA as u32).min(visit.request_credit);
                if length == 0 {
                    break;
                }
                visit.request_credit -= length;
                let bytes = piece(visit.given, length);
                visit.given += length;
                let end = visit.given == visit.asks;
                let id = TransactionId(*number);
                self.mailbox.send(Message::Data { id, bytes, end }, Instant::now());
            }
        }
        while let Some(message) = self.desk.next() {
            self.hear_at_peer(message);
        }
        for (number, serving) in &mut self.serving {
            let wants = self.visits[&serving.path[1..].parse::<u64>().unwrap()].wants;
            while serving.asked && !serving.over && (!serving.answered || serving.given < wants) {
                let length = (wants - serving.given).min(MAX_DATA as u32).min(serving.credit);
                if length == 0 && (wants > 0 || serving.answered) {
                    break;
                }
                serving.credit -= length;
                let bytes = piece(serving.given, length);
                serving.given += length;
                let (id, end) = (TransactionId(*number), serving.given == wants);
                let message = if serving.answered {
                    Message::Data { id, bytes, end }
                } else {
                    serving.answered = true;
                    let (head, ()) = Response::new(()).into_parts();
                    Message::Head { id, head: Box::new(head), body: bytes, end }
                };
                self.desk.send(message);
            }
        }
    }

    fn hear_at_gateway(&mut self, message: Message) {
        match message {
            Message::Head { id, body, end, .. } => {
                let visit = self.visits.get_mut(&id.0).unwrap();
                assert!(!visit.answered && !visit.left, "a second answer, or one for nobody");
                visit.answered = true;
                self.body_at_gateway(id, &body, end);
            }
            Message::Data { id, bytes, end } => {
                assert!(self.visits[&id.0].answered, "a body before its head");
                self.body_at_gateway(id, &bytes, end);
            }
            Message::Credit { id, bytes } => {
                let visit = self.visits.get_mut(&id.0).unwrap();
                visit.request_credit += bytes;
                assert!(visit.request_credit <= STREAM_WINDOW, "more credit than was used");
            }
            Message::Abort { id, .. } => {
                // Only what was lost for good may end a visit.
                assert!(self.lost, "a visit was given up without need");
                self.visits.get_mut(&id.0).unwrap().aborted = true;
            }
            other @ (Message::Open { .. } | Message::Ping | Message::Pong | Message::Bye(_)) => {
                panic!("{other:?}")
            }
        }
    }

    fn body_at_gateway(&mut self, id: TransactionId, bytes: &Bytes, end: bool) {
        let visit = self.visits.get_mut(&id.0).unwrap();
        assert!(!visit.complete && bytes.len() <= MAX_DATA);
        visit.got = check(bytes, visit.got);
        visit.complete = end;
        assert!(!end || visit.got == visit.wants, "a cut looks complete");
        if let Ok(bytes @ 1..) = u32::try_from(bytes.len())
            && !end
        {
            self.mailbox.send(Message::Credit { id, bytes }, Instant::now());
        }
    }

    fn hear_at_peer(&mut self, message: Message) {
        match message {
            Message::Open { id, head, body, end } => {
                let path = head.uri.path().to_owned();
                let twice = self.serving.values().any(|serving| serving.path == path);
                assert!(!twice, "{path} runs twice");
                let serving = Serving { path, credit: STREAM_WINDOW, ..Serving::default() };
                self.serving.insert(id.0, serving);
                self.body_at_peer(id, &body, end);
            }
            Message::Data { id, bytes, end } => self.body_at_peer(id, &bytes, end),
            Message::Credit { id, bytes } => {
                let serving = self.serving.get_mut(&id.0).unwrap();
                serving.credit += bytes;
                assert!(serving.credit <= STREAM_WINDOW, "more credit than was used");
            }
            Message::Abort { id, .. } => self.serving.get_mut(&id.0).unwrap().over = true,
            other @ (Message::Head { .. } | Message::Ping | Message::Pong | Message::Bye(_)) => {
                panic!("{other:?}")
            }
        }
    }

    fn body_at_peer(&mut self, id: TransactionId, bytes: &Bytes, end: bool) {
        let serving = self.serving.get_mut(&id.0).unwrap();
        assert!(!serving.asked, "more after the end");
        serving.got = check(bytes, serving.got);
        serving.asked = end;
        let asks = self.visits[&serving.path[1..].parse::<u64>().unwrap()].asks;
        assert!(!end || serving.got == asks, "a cut looks complete");
        if let Ok(bytes @ 1..) = u32::try_from(bytes.len())
            && !end
        {
            self.desk.send(Message::Credit { id, bytes });
        }
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Visit(asks, wants) if self.visits.len() < 12 => self.visit(asks, wants),
            Step::Visit(..) | Step::Work => self.work(),
            Step::Leave(which) => self.leave(which),
            Step::Poll(fate) => self.poll(fate),
            Step::Answer(fate) => self.answer(fate),
        }
    }
}

fn any_step() -> impl Strategy<Value = Step> {
    let size = || prop_oneof![Just(0), 1..2000u32, 60_000..400_000u32];
    let fate = || {
        prop_oneof![
            4 => Just(Fate::Arrives),
            1 => Just(Fate::NeverLeaves),
            1 => Just(Fate::AnswerLost),
            1 => Just(Fate::PostLost),
        ]
    };
    prop_oneof![
        2 => (size(), size()).prop_map(|(asks, wants)| Step::Visit(asks, wants)),
        1 => any::<usize>().prop_map(Step::Leave),
        4 => fate().prop_map(Step::Poll),
        4 => fate().prop_map(Step::Answer),
        4 => Just(Step::Work),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever is lost: nothing runs twice, bytes come in order and whole, and in the end everybody
    /// has an answer or was told that there is none.
    #[test]
    fn nothing_is_lost_and_nothing_runs_twice(steps in proptest::collection::vec(any_step(), 0..120)) {
        let mut world = World::new();
        for step in steps {
            world.run(step);
        }
        for _ in 0..200 {
            for step in [Step::Work, Step::Poll(Fate::Arrives), Step::Work, Step::Answer(Fate::Arrives)] {
                world.run(step);
            }
        }
        for (number, visit) in &world.visits {
            prop_assert!(visit.complete || visit.left || visit.aborted, "{} {:?}", number, visit);
        }
        prop_assert!(!world.mailbox.is_busy(), "the gateway still has something under way");
        prop_assert!(world.desk.is_sent() && world.desk.is_read());
    }
}
