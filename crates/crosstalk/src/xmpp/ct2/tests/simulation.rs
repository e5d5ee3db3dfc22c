//! Two multiplexers with their codecs, a way with delay and narrow places, and users who read, write,
//! leave and fall asleep as they like.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::*;
use crate::transactions::{Config, Event, Read, Transactions};

/// How many steps everything may take after the last one woke up.
const LONG: u64 = 60_000;

/// One transaction.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) by: usize,
    pub(super) start: u64,
    /// Of the request and the response: the length, how much is written at once, and when reading
    /// begins.
    pub(super) bodies: [(usize, usize, u64); 2],
    /// Which end aborts it and when.
    pub(super) abort: Option<(usize, u64)>,
}

/// The link.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) chunk: usize,
    /// How many bytes leave an end in a step.
    pub(super) width: usize,
    /// How many steps a stanza takes at most.
    pub(super) delay: u64,
    /// Which of the stanzas with a body is doubled or bounced.
    pub(super) fault: Option<(Fault, u64)>,
    pub(super) seed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Doubled,
    Bounced,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Complete,
    Cut,
}

struct Half {
    plan: usize,
    response: bool,
    rest: Bytes,
    wrote_all: bool,
    answered: bool,
    got: usize,
    read_all: bool,
}

struct End {
    machine: Transactions,
    codec: Codec,
    halves: BTreeMap<TransactionId, Half>,
    wire: VecDeque<(u64, Stanza)>,
    /// The bytes of each stanza that this end sent and that is not answered.
    unanswered: HashMap<Place, usize>,
}

pub(super) struct Simulation<'a> {
    world: &'a World,
    plans: &'a [Plan],
    /// The request and the response of each plan.
    bodies: Vec<[Bytes; 2]>,
    ends: [End; 2],
    outcomes: Vec<Option<Outcome>>,
    /// The number of the transaction that the fault hit.
    hit: Option<u64>,
    hit_plan: Option<usize>,
    bodies_sent: u64,
    now: u64,
    random: u64,
}

/// What a direction of a plan says.
fn body(plan: usize, response: bool, length: usize) -> Bytes {
    let first = plan * 2 + usize::from(response);
    let byte = |place: usize| u8::try_from((first * 131 + place * 7 + (place >> 6)) % 251);
    (0..length).map(|place| byte(place).unwrap()).collect()
}

fn bodies((index, plan): (usize, &Plan)) -> [Bytes; 2] {
    [body(index, false, plan.bodies[0].0), body(index, true, plan.bodies[1].0)]
}

impl<'a> Simulation<'a> {
    pub(super) fn new(world: &'a World, plans: &'a [Plan]) -> Self {
        let window = window(world.chunk);
        let end = |numbers| End {
            machine: Transactions::new(
                Config {
                    max_opened: plans.len(),
                    max_accepted: plans.len(),
                    window,
                    send_buffer: window as usize,
                    ..Config::new(numbers)
                },
                at(0),
            ),
            codec: Codec::new(Settings { numbers, chunk: world.chunk, max_payload: 64 * 1024 }),
            halves: BTreeMap::new(),
            wire: VecDeque::new(),
            unanswered: HashMap::new(),
        };
        Self {
            world,
            plans,
            bodies: plans.iter().enumerate().map(bodies).collect(),
            ends: [end(Numbers::Even), end(Numbers::Odd)],
            outcomes: vec![None; plans.len()],
            hit: None,
            hit_plan: None,
            bodies_sent: 0,
            now: 0,
            random: world.seed | 1,
        }
    }

    /// Runs to the end, and tells what became of the plans and which of them the fault hit.
    pub(super) fn run(mut self) -> (Vec<Outcome>, Option<usize>) {
        let awake = |plan: &Plan| {
            let asleep = plan.bodies.iter().map(|(_, _, asleep)| *asleep).max();
            plan.start.max(asleep.unwrap_or(0)).max(plan.abort.map_or(0, |(_, time)| time))
        };
        let last = self.plans.iter().map(awake).max().unwrap_or_default();
        while !self.is_over(last) {
            self.now += 1;
            assert!(self.now < last + LONG, "nothing moves any more: {:?}", self.outcomes);
            for end in 0..2 {
                self.step(end);
                self.check_credit(end);
            }
        }
        for end in &self.ends {
            assert_eq!((end.machine.opened(), end.machine.accepted()), (0, 0));
            assert!(end.unanswered.is_empty(), "{:?} were never answered", end.unanswered);
            assert_eq!(end.codec.remembered(), 0);
        }
        let outcomes = self.outcomes.iter().map(|outcome| outcome.unwrap());
        (outcomes.collect(), self.hit_plan)
    }

    fn is_over(&self, last: u64) -> bool {
        self.now > last
            && self.outcomes.iter().all(Option::is_some)
            && self.ends.iter().all(|end| {
                end.halves.is_empty()
                    && end.wire.is_empty()
                    && end.codec.is_idle()
                    && !end.machine.wants_to_send()
            })
    }

    fn step(&mut self, end: usize) {
        self.deliver(end);
        self.tell(end);
        self.open(end);
        self.abort(end);
        let ids: Vec<TransactionId> = self.ends[end].halves.keys().copied().collect();
        for id in ids {
            self.use_half(end, id);
        }
        self.tell(end);
        let End { machine, codec, .. } = &mut self.ends[end];
        while let Some(message) = machine.poll_message() {
            codec.write(message);
        }
        self.hear(end);
        self.send(end);
    }

    fn deliver(&mut self, end: usize) {
        while self.ends[end].wire.front().is_some_and(|(time, _)| *time <= self.now) {
            let (_, stanza) = self.ends[end].wire.pop_front().unwrap();
            if let Stanza::Result(place) | Stanza::Error(place, _) = &stanza {
                self.ends[end].unanswered.remove(place);
            }
            self.ends[end].codec.receive(stanza).unwrap();
            self.hear(end);
        }
    }

    fn hear(&mut self, end: usize) {
        let End { machine, codec, .. } = &mut self.ends[end];
        while let Some(message) = codec.poll_message() {
            machine.receive(message, at(self.now)).unwrap();
        }
    }

    fn send(&mut self, end: usize) {
        let mut left = self.world.width;
        loop {
            let body = (left > 0).then(|| left.min(self.world.chunk));
            let room = Room { head: left > 0, body };
            let Some(stanza) = self.ends[end].codec.poll_stanza(room) else { break };
            left = left.saturating_sub(stanza.length());
            self.random ^= self.random << 13;
            self.random ^= self.random >> 7;
            self.random ^= self.random << 17;
            let arrives = self.now + 1 + self.random % self.world.delay;
            let mut copies = 1;
            if let Stanza::Set(payload) = &stanza {
                let place = payload.place();
                let length = match payload {
                    Payload::Request(head) | Payload::Response(head) => head.body.len(),
                    Payload::Data { bytes, .. } => bytes.len(),
                    Payload::Signal { .. } | Payload::Ping { .. } => 0,
                    Payload::Bye(_) | Payload::Gone => panic!("nobody says that here"),
                };
                self.ends[end].unanswered.insert(place, length);
                if let Payload::Data { number, .. } = payload {
                    self.bodies_sent += 1;
                    if let Some((fault, at)) = self.world.fault
                        && at == self.bodies_sent
                    {
                        copies = self.fault(end, fault, *number, place, arrives);
                    }
                }
            }
            for _ in 0..copies {
                self.put(1 - end, arrives, stanza.clone());
            }
        }
    }

    /// Lets something go wrong. Returns how often the stanza arrives.
    fn fault(&mut self, end: usize, fault: Fault, number: u64, place: Place, time: u64) -> usize {
        self.hit = Some(number);
        let id = TransactionId(number);
        let half = self.ends[end].halves.get(&id).or(self.ends[1 - end].halves.get(&id));
        self.hit_plan = half.map(|half| half.plan);
        match fault {
            Fault::Doubled => 2,
            Fault::Bounced => {
                self.put(end, time, Stanza::Error(place, Condition::Other));
                0
            }
        }
    }

    fn put(&mut self, to: usize, arrives: u64, stanza: Stanza) {
        let wire = &mut self.ends[to].wire;
        let arrives = wire.back().map_or(arrives, |(before, _)| arrives.max(*before));
        wire.push_back((arrives, stanza));
    }

    fn check_credit(&self, end: usize) {
        let mut sums: HashMap<u64, usize> = HashMap::new();
        for (place, length) in &self.ends[end].unanswered {
            if let Place::Part { number, .. } = place {
                *sums.entry(*number).or_default() += length;
            }
        }
        let window = window(self.world.chunk) as usize;
        assert!(sums.values().all(|sum| *sum <= window), "more than the window is under way");
    }

    fn open(&mut self, end: usize) {
        for (index, plan) in self.plans.iter().enumerate() {
            if plan.by != end || plan.start != self.now {
                continue;
            }
            let mut head = request();
            head.uri = format!("/{index}").parse().unwrap();
            let mut rest = self.bodies[index][0].clone();
            let first = rest.split_to(rest.len().min(plan.bodies[0].1));
            let whole = rest.is_empty();
            let id = self.ends[end].machine.open(head, first, whole).unwrap();
            let mut half = Half::new(index, false, rest);
            half.answered = true;
            half.wrote_all = whole;
            self.ends[end].halves.insert(id, half);
        }
    }

    fn abort(&mut self, end: usize) {
        let due = |half: &Half| self.plans[half.plan].abort == Some((end, self.now));
        let halves = &self.ends[end].halves;
        let ids = halves.iter().filter(|(_, half)| due(half)).map(|(id, _)| *id);
        for id in ids.collect::<Vec<_>>() {
            self.ends[end].machine.abort(id, AbortCode::TimedOut);
            self.cut(end, id);
        }
    }

    fn use_half(&mut self, end: usize, id: TransactionId) {
        let End { machine, halves, .. } = &mut self.ends[end];
        let Some(half) = halves.get_mut(&id) else { return };
        let plan = &self.plans[half.plan];
        if !half.answered {
            half.answered = true;
            let first = half.rest.split_to(half.rest.len().min(plan.bodies[1].1));
            half.wrote_all = half.rest.is_empty();
            machine.respond(id, response(), first, half.wrote_all);
        } else if !half.wrote_all {
            let (_, piece, _) = plan.bodies[usize::from(half.response)];
            let mut piece = half.rest.slice(..half.rest.len().min(piece));
            let before = piece.len();
            let last = before == half.rest.len();
            machine.write(id, &mut piece, last);
            let taken = before - piece.len();
            let _ = half.rest.split_to(taken);
            half.wrote_all = last && piece.is_empty();
        }
        // It reads what the other one says.
        let (length, _, asleep_until) = plan.bodies[usize::from(!half.response)];
        while self.now >= asleep_until && !half.read_all {
            match machine.read(id) {
                Read::Data(bytes) => {
                    let whole = &self.bodies[half.plan][usize::from(!half.response)];
                    assert!(whole[half.got..].starts_with(&bytes), "other bytes, or too many");
                    half.got += bytes.len();
                }
                Read::End => {
                    assert_eq!(half.got, length, "silently short");
                    half.read_all = true;
                    if !half.response {
                        self.outcomes[half.plan] = Some(Outcome::Complete);
                    }
                }
                Read::Blocked => break,
                Read::Aborted(code) => panic!("{code} that nobody told of"),
            }
        }
        if half.read_all && half.wrote_all {
            halves.remove(&id);
        }
    }

    fn cut(&mut self, end: usize, id: TransactionId) {
        let Some(half) = self.ends[end].halves.remove(&id) else { return };
        if !half.response {
            self.outcomes[half.plan].get_or_insert(Outcome::Cut);
        }
    }

    fn tell(&mut self, end: usize) {
        while let Some(event) = self.ends[end].machine.poll_event() {
            match event {
                Event::Opened { id, head } => {
                    let plan: usize = head.uri.path()[1..].parse().unwrap();
                    let rest = self.bodies[plan][1].clone();
                    let half = Half::new(plan, true, rest);
                    assert!(self.ends[end].halves.insert(id, half).is_none());
                }
                Event::Aborted { id, code } => {
                    assert_ne!(code, AbortCode::Refused);
                    if let Some(half) = self.ends[end].halves.get(&id) {
                        let planned = self.plans[half.plan].abort.is_some();
                        assert!(planned || self.hit == Some(id.0), "nobody aborted this");
                    }
                    self.cut(end, id);
                }
                Event::Unwanted(id) => {
                    let half = self.ends[end].halves.get_mut(&id);
                    half.into_iter().for_each(|half| half.wrote_all = true);
                }
                Event::Answered { .. } | Event::Readable(_) | Event::Writable(_) => {}
                Event::Bye(_) | Event::Drained => panic!("nobody said bye"),
            }
        }
    }
}

impl Half {
    fn new(plan: usize, response: bool, rest: Bytes) -> Self {
        Self { plan, response, rest, wrote_all: false, answered: false, got: 0, read_all: false }
    }
}
