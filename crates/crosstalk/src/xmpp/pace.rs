//! How much may be on the way, and how fast the way is.
//!
//! A server that lets through ten kilobytes a second takes megabytes at once and keeps them: whatever
//! is sent next waits behind. So who sends keeps what is on the way small enough, by pings that the
//! other end answers at once and whatever its readers do: what stands before a ping has arrived when
//! its answer comes.
//!
//! The limit grows while answers come fast and it is in the way, up to what the way carries in
//! `BACKLOG` and a few round trips; it falls when an answer takes longer than [`SLOW`]. Told the
//! time, like everything here.

use std::{collections::VecDeque, time::Duration};

/// The limit with which a link begins, and the lowest: what a server that lets through 10 kB a second
/// carries in two seconds, so that a head waits no longer behind bodies. In stanzas of half of it the
/// way is never idle.
pub const MIN_LIMIT: usize = 16 * 1024;

/// The highest limit: 20 MB a second with a round trip of 50 ms.
pub const MAX_LIMIT: usize = 1024 * 1024;

/// An answer that comes later shows that bytes are kept on the way.
pub const SLOW: Duration = Duration::from_secs(1);

/// An answer that comes sooner shows that there is room for more.
const FAST: Duration = Duration::from_millis(250);

/// How much more than round trips may be on the way, as a time: what hides the pauses of a busy
/// server. If the way becomes slow all at once, this is what has to drain first.
const BACKLOG: Duration = Duration::from_millis(50);

/// How many round trips may be on the way.
const ROUND_TRIPS: u32 = 4;

/// How many pings are on the way at most when the limit is reached.
const PINGS: usize = 16;

/// The smallest stanza of a body: smaller ones would be mostly frame.
const MIN_PIECE: usize = 4 * 1024;

/// What a stanza costs at least: its frame is about as long.
const MIN_COST: usize = 256;

/// Of fewer bytes nobody asks whether they arrived: a head without a body, some answers.
const UNASKED: usize = 1024;

/// The rate is that of so many bytes at least: several times the bursts that servers let through.
const MEASURED: u64 = 128 * 1024;

/// But a measurement on a slow way is good after this time.
const LONG: Duration = Duration::from_secs(5);

/// After so long without an answer another ping is sent: while visitors come in the other direction no
/// silence does it, and what waits for room would wait for ever. A slow server keeps an answer as long.
const OVERDUE: Duration = Duration::from_secs(30);

/// How many measurements are kept at most.
const SAMPLES: usize = 64;

/// What one end knows of its way to the other.
#[derive(Debug)]
pub struct Pace {
    limit: usize,
    sent: u64,
    arrived: u64,
    marks: VecDeque<Mark>,
    /// When the first of the bytes was sent that stand behind the last ping.
    unasked_since: Duration,
    /// Whether more could have been sent since the last answer, had the limit allowed it.
    limited: bool,
    /// When the last answer came.
    answered: Duration,
    /// When the limit fell last.
    fell: Duration,
    round_trip: Option<Duration>,
    samples: VecDeque<Sample>,
    rate: Option<u64>,
}

/// A ping on its way.
#[derive(Clone, Copy, Debug)]
struct Mark {
    number: u64,
    /// How much was sent before it in all.
    sent: u64,
    /// When the first of the bytes was sent that stand between the ping before and this one.
    begun: Duration,
    at: Duration,
    /// Whether the limit was reached.
    full: bool,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    bytes: u64,
    took: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self::new()
    }
}

impl Pace {
    /// Begins with the lowest limit.
    #[must_use]
    pub fn new() -> Self {
        Self {
            limit: MIN_LIMIT,
            sent: 0,
            arrived: 0,
            marks: VecDeque::new(),
            unasked_since: Duration::ZERO,
            limited: false,
            answered: Duration::ZERO,
            fell: Duration::ZERO,
            round_trip: None,
            samples: VecDeque::new(),
            rate: None,
        }
    }

    /// Returns how many bytes may be on the way.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Returns how many bytes are on the way, as far as is known.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        usize::try_from(self.sent - self.arrived).unwrap_or(usize::MAX)
    }

    /// Returns how many bytes of a body may be sent now in one stanza, of which none is to have more
    /// than `chunk`. Call it only with something to send: it notes that the limit is in the way.
    pub fn body(&mut self, chunk: usize) -> Option<usize> {
        let piece = self.piece(chunk);
        let may = self.in_flight() + piece <= self.limit;
        self.limited |= !may;
        may.then_some(piece)
    }

    /// Returns whether a head may be sent now. Heads do not wait for bodies, but there is an end to
    /// what may be on the way of them too. Call it only with something to send.
    pub fn head(&mut self) -> bool {
        let may = self.in_flight() < 2 * self.limit;
        self.limited |= !may;
        may
    }

    /// Returns whether it is time to ask what arrived. `idle`: nothing else waits to be sent.
    #[must_use]
    pub fn wants_ping(&self, chunk: usize, idle: bool) -> bool {
        let unasked = self.unasked();
        let piece = self.piece(chunk);
        let is_full = self.in_flight() + piece > self.limit;
        let share = (self.limit / PINGS).max(piece);
        unasked >= share || (unasked >= UNASKED && idle) || (unasked > 0 && is_full)
    }

    /// Returns whether the last question has waited so long for its answer that it may be lost, so that
    /// another is to be sent: the answer to that one tells as much, or shows that one is missing.
    #[must_use]
    pub fn is_overdue(&self, now: Duration) -> bool {
        self.marks.back().is_some_and(|mark| now.saturating_sub(mark.at) >= OVERDUE)
    }

    /// Notes that a stanza was sent, with so many bytes of what people sent.
    pub fn sent(&mut self, bytes: usize, now: Duration) {
        // What was never asked about says nothing of the way.
        if self.unasked() < UNASKED {
            self.unasked_since = now;
        }
        self.sent += bytes.max(MIN_COST) as u64;
    }

    /// Notes that a ping was sent. Their numbers rise.
    pub fn pinged(&mut self, number: u64, now: Duration) {
        let full = self.in_flight() + self.piece(usize::MAX) > self.limit;
        let begun = if self.unasked() == 0 { now } else { self.unasked_since };
        self.marks.push_back(Mark { number, sent: self.sent, begun, at: now, full });
        self.unasked_since = now;
    }

    /// Notes that a ping was answered, and so were those before it.
    pub fn answered(&mut self, number: u64, now: Duration) {
        let mut last = None;
        let mut begun = None;
        while let Some(mark) = self.marks.front().copied().filter(|mark| mark.number <= number) {
            self.marks.pop_front();
            begun = begun.or(Some(mark.begun));
            last = Some(mark);
        }
        let (Some(mark), Some(begun)) = (last, begun) else { return };
        let bytes = mark.sent - self.arrived;
        self.arrived = mark.sent;
        let round_trip = now.saturating_sub(mark.at);
        self.round_trip = Some(self.round_trip.map_or(round_trip, |least| least.min(round_trip)));
        let took = now.saturating_sub(begun.max(self.answered));
        self.answered = now;
        let at_once = per_second(bytes, took);
        if bytes >= UNASKED as u64 {
            self.measure(Sample { bytes, took }, at_once, mark.full);
        }
        let limited = std::mem::take(&mut self.limited) || mark.full;
        if round_trip > SLOW {
            // What was sent before it fell says nothing new.
            if mark.at >= self.fell {
                self.fell = now;
                let second = usize::try_from(at_once).unwrap_or(usize::MAX);
                self.limit = (self.limit / 2).min(second).max(MIN_LIMIT);
            }
        } else if round_trip <= FAST && limited {
            let grown = self.limit + usize::try_from(bytes).unwrap_or(usize::MAX);
            let most = self.most(at_once.max(self.rate.unwrap_or(0)));
            self.limit = self.limit.max(grown.min(most));
        }
    }

    /// Returns how many bytes a second arrive, once it is known: the rate of what people sent, without
    /// what the wire adds.
    #[must_use]
    pub fn rate(&self) -> Option<u64> {
        self.rate
    }

    /// Returns how many bytes are known to have arrived.
    #[must_use]
    pub fn arrived(&self) -> u64 {
        self.arrived
    }

    /// Returns how fast the fastest answer came.
    #[must_use]
    pub fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    fn unasked(&self) -> usize {
        let asked = self.marks.back().map_or(self.arrived, |mark| mark.sent);
        usize::try_from(self.sent - asked).unwrap_or(usize::MAX)
    }

    /// Two fit into the limit, so that one is on the way while the answer to the other is.
    fn piece(&self, chunk: usize) -> usize {
        chunk.min((self.limit / 2).max(MIN_PIECE))
    }

    /// Returns what is enough for a way of this rate.
    fn most(&self, rate: u64) -> usize {
        let trips = self.round_trip.unwrap_or_default().saturating_mul(ROUND_TRIPS);
        let nanos = (BACKLOG + trips).as_nanos() * u128::from(rate) / 1_000_000_000;
        usize::try_from(nanos).unwrap_or(usize::MAX).clamp(MIN_LIMIT, MAX_LIMIT)
    }

    fn measure(&mut self, sample: Sample, at_once: u64, full: bool) {
        // Who had little to send did not use the way, which is at least as fast as this.
        if !full && self.rate.is_some_and(|rate| at_once <= rate) {
            return;
        }
        self.samples.push_back(sample);
        let sum = |samples: &VecDeque<Sample>| {
            let bytes: u64 = samples.iter().map(|sample| sample.bytes).sum();
            let took: Duration = samples.iter().map(|sample| sample.took).sum();
            (bytes, took)
        };
        loop {
            let (bytes, took) = sum(&self.samples);
            let Some(first) = self.samples.front() else { break };
            let enough = bytes - first.bytes >= MEASURED || took.saturating_sub(first.took) >= LONG;
            if !enough && self.samples.len() <= SAMPLES {
                break;
            }
            self.samples.pop_front();
        }
        let (bytes, took) = sum(&self.samples);
        self.rate = Some(per_second(bytes, took));
    }
}

fn per_second(bytes: u64, took: Duration) -> u64 {
    let nanos = took.as_nanos().max(1);
    u64::try_from(u128::from(bytes) * 1_000_000_000 / nanos).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
