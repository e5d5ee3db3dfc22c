//! Two ends, a wire with delay, and users who read, write, leave and fall asleep as they like.
//!
//! The users wait to be told: they read only after [`Event::Readable`] and write only after
//! [`Event::Writable`], so that an event that does not come is a standstill.

use std::collections::BTreeMap;

use super::*;

/// How many steps everything may take after the last one woke up. The largest plan takes a tenth.
const LONG: u64 = 40_000;

/// One body, who writes it and who reads it.
#[derive(Clone, Debug)]
pub(super) struct Side {
    pub(super) length: usize,
    /// How much is written at once.
    pub(super) piece: usize,
    /// How many pieces are read in a step.
    pub(super) pace: usize,
    /// When reading begins.
    pub(super) asleep_until: u64,
}

/// One transaction.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Which end opens it.
    pub(super) by: usize,
    pub(super) start: u64,
    pub(super) request: Side,
    pub(super) response: Side,
    /// Whether the answer begins before the request is read to its end.
    pub(super) early: bool,
    /// After how many bytes of the request the end that answers reads no more.
    pub(super) enough: Option<usize>,
    /// Which end aborts it and when.
    pub(super) abort: Option<(usize, u64)>,
}

/// The link.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) window: u32,
    pub(super) send_buffer: usize,
    /// How many transactions each end may open.
    pub(super) most: usize,
    /// How many steps a message takes at most.
    pub(super) delay: u64,
    /// How many messages fit into a step in each direction.
    pub(super) batch: usize,
    pub(super) dies: Option<u64>,
    pub(super) closes: Option<(usize, u64)>,
    pub(super) seed: u64,
}

/// What became of a plan, as its opener sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The response was complete, at this time.
    Complete(u64),
    /// It was cut, and its reader knows.
    Cut(AbortCode),
    /// The link took no more.
    NotOpened,
    /// The link died before.
    Lost,
}

/// What one end's user knows of a transaction.
struct Half {
    plan: usize,
    writes: usize,
    written: usize,
    /// Whether a body is written (again) without being told that there is room.
    writable: bool,
    wrote_all: bool,
    answered: bool,
    readable: bool,
    read: usize,
    read_all: bool,
}

struct End {
    machine: Transactions,
    halves: BTreeMap<TransactionId, Half>,
    /// What is on its way to this end, and when it arrives.
    wire: VecDeque<(u64, Message)>,
    drained: bool,
    alive: bool,
}

pub(super) struct Simulation<'a> {
    world: &'a World,
    plans: &'a [Plan],
    /// The request and the response of each plan.
    bodies: Vec<[Bytes; 2]>,
    ends: [End; 2],
    outcomes: Vec<Option<Outcome>>,
    aborted: Vec<bool>,
    now: u64,
    random: u64,
}

/// What a direction of a plan says: no two alike and none with a period that is a power of two, so
/// that mixing up bodies or places shows.
fn body(plan: usize, response: bool, length: usize) -> Bytes {
    let first = plan * 2 + usize::from(response);
    let block: Vec<u8> = (0..4099_usize)
        .map(|place| u8::try_from((first * 131 + place * 7 + (place >> 6)) % 251).unwrap())
        .collect();
    let mut body = block.repeat(length.div_ceil(block.len()));
    body.truncate(length);
    body.into()
}

fn at(step: u64) -> Duration {
    Duration::from_millis(step)
}

impl<'a> Simulation<'a> {
    pub(super) fn new(world: &'a World, plans: &'a [Plan]) -> Self {
        let end = |numbers| End {
            machine: Transactions::new(
                Config {
                    numbers,
                    max_opened: world.most,
                    max_accepted: world.most,
                    window: world.window,
                    send_buffer: world.send_buffer,
                    ping_every: at(200),
                    ping_timeout: at(100),
                },
                T0,
            ),
            halves: BTreeMap::new(),
            wire: VecDeque::new(),
            drained: false,
            alive: true,
        };
        let bodies = plans.iter().enumerate().map(|(index, plan)| {
            [body(index, false, plan.request.length), body(index, true, plan.response.length)]
        });
        Self {
            world,
            plans,
            bodies: bodies.collect(),
            ends: [end(Numbers::Even), end(Numbers::Odd)],
            outcomes: vec![None; plans.len()],
            aborted: vec![false; plans.len()],
            now: 0,
            random: world.seed | 1,
        }
    }

    /// Runs to the end, checks what holds at every step and afterwards, and tells what became of
    /// the plans.
    pub(super) fn run(mut self) -> Vec<Outcome> {
        let awake = |plan: &Plan| {
            let asleep = plan.request.asleep_until.max(plan.response.asleep_until);
            plan.start.max(asleep).max(plan.abort.map_or(0, |(_, time)| time))
        };
        let last = self.plans.iter().map(awake).max().unwrap_or_default();
        let last = last.max(self.world.closes.map_or(0, |(_, time)| time));
        while !self.is_over(last) {
            self.now += 1;
            assert!(self.now < last + LONG, "nothing moves any more: {:?}", self.outcomes);
            for end in 0..2 {
                if self.ends[end].alive {
                    self.step(end);
                    self.check_bounds(end);
                }
            }
        }
        self.check_after();
        self.outcomes.iter().map(|outcome| outcome.unwrap_or(Outcome::Lost)).collect()
    }

    fn is_dead(&self) -> bool {
        self.world.dies.is_some_and(|time| self.now >= time)
    }

    fn is_over(&self, last: u64) -> bool {
        if self.is_dead() {
            return self.ends.iter().all(|end| !end.alive);
        }
        self.now > last
            && self.outcomes.iter().all(Option::is_some)
            && self.ends.iter().all(|end| {
                end.halves.is_empty() && end.wire.is_empty() && !end.machine.wants_to_send()
            })
    }

    fn step(&mut self, end: usize) {
        self.deliver(end);
        self.tell(end);
        self.open(end);
        self.abort(end);
        let ids: Vec<TransactionId> = self.ends[end].halves.keys().copied().collect();
        for id in ids {
            self.answer(end, id);
            self.write(end, id);
            self.read(end, id);
            self.forget(end, id);
        }
        if let Some((closes, time)) = self.world.closes
            && closes == end
            && time == self.now
        {
            self.ends[end].machine.close(Bye::default());
        }
        self.tell(end);
        self.send(end);
        // Later than the ping, its way, the pong's and a step at each end.
        let alive = self.ends[end].machine.tick(at(self.now));
        assert!(alive || self.is_dead(), "a link that works was declared dead");
        self.ends[end].alive = alive;
        if !alive {
            let long = self.now - self.world.dies.unwrap_or_default();
            assert!(long <= 200 + 100 + 2 * self.world.delay + 4, "{long} steps of silence");
        }
    }

    fn deliver(&mut self, end: usize) {
        let End { machine, wire, .. } = &mut self.ends[end];
        while wire.front().is_some_and(|(time, _)| *time <= self.now) {
            let (_, message) = wire.pop_front().unwrap();
            machine.receive(message, at(self.now)).unwrap();
        }
    }

    fn send(&mut self, end: usize) {
        for _ in 0..self.world.batch {
            let wants = self.ends[end].machine.wants_to_send();
            let message = self.ends[end].machine.poll_message();
            assert_eq!(message.is_some(), wants);
            let Some(message) = message else { break };
            self.random ^= self.random << 13;
            self.random ^= self.random >> 7;
            self.random ^= self.random << 17;
            let arrives = self.now + 1 + self.random % self.world.delay;
            if self.is_dead() {
                continue;
            }
            let wire = &mut self.ends[1 - end].wire;
            let arrives = wire.back().map_or(arrives, |(before, _)| arrives.max(*before));
            wire.push_back((arrives, message));
        }
        if self.is_dead() {
            self.ends[1 - end].wire.clear();
        }
    }

    /// Returns how much of a body goes along with its head.
    fn first(&self, side: &Side) -> usize {
        let most = self.world.send_buffer.min(self.world.window as usize);
        side.length.min(side.piece).min(most)
    }

    fn open(&mut self, end: usize) {
        for (index, plan) in self.plans.iter().enumerate() {
            let is_open = |half: &Half| half.plan == index;
            let due = plan.by == end && plan.start <= self.now && self.outcomes[index].is_none();
            if !due || self.ends[end].halves.values().any(is_open) {
                continue;
            }
            let first = self.first(&plan.request);
            let whole = first == plan.request.length;
            let mut head = request();
            head.uri = format!("/{index}").parse().unwrap();
            let machine = &mut self.ends[end].machine;
            match machine.open(head, self.bodies[index][0].slice(..first), whole) {
                Ok(id) => {
                    let mut half = Half::new(index, plan.request.length);
                    half.written = first;
                    half.wrote_all = whole;
                    half.answered = true;
                    half.writable = machine.room(id) > 0;
                    self.ends[end].halves.insert(id, half);
                }
                Err((OpenError::Closing, _)) => self.outcomes[index] = Some(Outcome::NotOpened),
                Err((OpenError::Full, _)) => {
                    assert_eq!(machine.opened(), self.world.most);
                }
            }
        }
    }

    fn abort(&mut self, end: usize) {
        let due = |half: &Half| self.plans[half.plan].abort == Some((end, self.now));
        let halves = &self.ends[end].halves;
        let ids = halves.iter().filter(|(_, half)| due(half)).map(|(id, _)| *id);
        for id in ids.collect::<Vec<_>>() {
            self.ends[end].machine.abort(id, AbortCode::TimedOut);
            self.aborted[self.ends[end].halves[&id].plan] = true;
            self.cut(end, id, AbortCode::TimedOut);
        }
    }

    fn answer(&mut self, end: usize, id: TransactionId) {
        let Some(half) = self.ends[end].halves.get(&id) else { return };
        let plan = &self.plans[half.plan];
        if half.answered || !(plan.early || half.read_all) {
            return;
        }
        let first = self.first(&plan.response);
        let Some(half) = self.ends[end].halves.get_mut(&id) else { return };
        half.answered = true;
        half.written = first;
        half.wrote_all = first == plan.response.length;
        let body = self.bodies[half.plan][1].slice(..first);
        let wrote_all = half.wrote_all;
        self.ends[end].machine.respond(id, response(), body, wrote_all);
        self.ends[end].halves.get_mut(&id).unwrap().writable = self.ends[end].machine.room(id) > 0;
    }

    fn write(&mut self, end: usize, id: TransactionId) {
        let End { machine, halves, .. } = &mut self.ends[end];
        let Some(half) = halves.get_mut(&id) else { return };
        if !half.answered || half.wrote_all || !half.writable {
            return;
        }
        let plan = &self.plans[half.plan];
        let response = plan.by != end;
        let side = if response { &plan.response } else { &plan.request };
        let length = side.piece.min(half.writes - half.written);
        let body = &self.bodies[half.plan][usize::from(response)];
        let mut bytes = body.slice(half.written..half.written + length);
        let last = half.written + length == half.writes;
        machine.write(id, &mut bytes, last);
        half.written += length - bytes.len();
        half.wrote_all = last && bytes.is_empty();
        half.writable = bytes.is_empty() && machine.room(id) > 0;
    }

    fn read(&mut self, end: usize, id: TransactionId) {
        let Some(half) = self.ends[end].halves.get(&id) else { return };
        let plan = &self.plans[half.plan];
        let response = plan.by == end;
        let side = if response { &plan.response } else { &plan.request };
        if self.now < side.asleep_until {
            return;
        }
        for _ in 0..side.pace {
            let End { machine, halves, .. } = &mut self.ends[end];
            let Some(half) = halves.get_mut(&id) else { return };
            if half.read_all || !half.readable {
                return;
            }
            if !response && plan.enough.is_some_and(|enough| half.read >= enough) {
                machine.stop_reading(id);
                half.read_all = true;
                return;
            }
            match machine.read(id) {
                Read::Data(bytes) => {
                    assert!(!bytes.is_empty());
                    let rest = &self.bodies[half.plan][usize::from(response)][half.read..];
                    assert!(rest.starts_with(&bytes), "other bytes, or too many");
                    half.read += bytes.len();
                }
                Read::End => {
                    assert_eq!(half.read, side.length, "silently short");
                    half.read_all = true;
                    if response {
                        self.outcomes[half.plan] = Some(Outcome::Complete(self.now));
                    }
                }
                Read::Blocked => half.readable = false,
                Read::Aborted(code) => panic!("{code} that nobody told of"),
            }
        }
    }

    /// Forgets a transaction when its user is through with it.
    fn forget(&mut self, end: usize, id: TransactionId) {
        let halves = &mut self.ends[end].halves;
        if halves.get(&id).is_some_and(|half| half.read_all && half.wrote_all && half.answered) {
            halves.remove(&id);
        }
    }

    fn cut(&mut self, end: usize, id: TransactionId, code: AbortCode) {
        let Some(half) = self.ends[end].halves.remove(&id) else { return };
        if self.plans[half.plan].by == end && self.outcomes[half.plan].is_none() {
            self.outcomes[half.plan] = Some(Outcome::Cut(code));
        }
    }

    fn tell(&mut self, end: usize) {
        while let Some(event) = self.ends[end].machine.poll_event() {
            let halves = &mut self.ends[end].halves;
            match event {
                Event::Opened { id, head } => {
                    let plan: usize = head.uri.path()[1..].parse().unwrap();
                    let half = Half::new(plan, self.plans[plan].response.length);
                    assert!(halves.insert(id, half).is_none());
                }
                Event::Answered { .. } => {}
                Event::Readable(id) => {
                    halves.get_mut(&id).into_iter().for_each(|half| half.readable = true);
                }
                Event::Writable(id) => {
                    halves.get_mut(&id).into_iter().for_each(|half| half.writable = true);
                }
                Event::Unwanted(id) => {
                    halves.get_mut(&id).into_iter().for_each(|half| half.wrote_all = true);
                }
                Event::Aborted { id, code: AbortCode::Refused } => {
                    // Safe to send again: the other end has not begun.
                    let half = halves.remove(&id).unwrap();
                    let begun = |other: &Half| other.plan == half.plan;
                    assert!(!self.ends[1 - end].halves.values().any(begun));
                    assert!(self.world.closes.is_some() || self.has_sleepers(), "refused");
                }
                Event::Aborted { id, code } => {
                    if let Some(half) = halves.get(&id) {
                        assert!(self.aborted[half.plan], "nobody aborted this");
                    }
                    self.cut(end, id, code);
                }
                Event::Bye(_) => {}
                Event::Drained => {
                    assert!(!std::mem::replace(&mut self.ends[end].drained, true));
                    assert_eq!(self.ends[end].machine.opened(), 0);
                }
            }
        }
    }

    /// Returns whether requests may stay unread at the end that has answered them.
    fn has_sleepers(&self) -> bool {
        self.plans.iter().any(|plan| plan.early)
    }

    /// Memory is bounded, whatever the users do.
    fn check_bounds(&self, end: usize) {
        let machine = &self.ends[end].machine;
        let World { window, most, send_buffer, .. } = *self.world;
        for transaction in machine.all.values() {
            let (sending, unread) = transaction.held();
            assert!(unread <= window as usize, "{unread} bytes are unread");
            assert!(sending <= send_buffer, "{sending} bytes are unsent");
        }
        assert!(machine.opened() <= most && machine.accepted() <= 2 * most);
        assert_sound(machine);
        assert!(machine.aborts.len() <= 2 * most && machine.refusals.len() <= most);
        // Only what sending brought: news of room, and that the last one is over.
        assert!(machine.events.len() <= machine.all.len() + 1);
    }

    fn check_after(&self) {
        if self.is_dead() {
            return;
        }
        for end in &self.ends {
            assert_eq!((end.machine.opened(), end.machine.accepted()), (0, 0));
            assert!(end.machine.all.is_empty());
            assert_eq!(end.drained, self.world.closes.is_some());
        }
        for (index, outcome) in self.outcomes.iter().enumerate() {
            match outcome {
                Some(Outcome::Complete(_)) => {}
                Some(Outcome::Cut(_)) => assert!(self.aborted[index]),
                Some(Outcome::NotOpened) => assert!(self.world.closes.is_some()),
                Some(Outcome::Lost) | None => panic!("{index} was lost on a link that works"),
            }
        }
    }
}

impl Half {
    fn new(plan: usize, writes: usize) -> Self {
        Self {
            plan,
            writes,
            written: 0,
            writable: true,
            wrote_all: false,
            answered: false,
            readable: true,
            read: 0,
            read_all: false,
        }
    }
}
