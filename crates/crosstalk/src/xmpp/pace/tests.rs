//! A way in simulated time: a server that takes everything and passes on what its rate allows.

use super::*;

const CHUNK: usize = 16 * 1024;

fn micros(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

/// A way in one direction, as the sender sees it.
struct Way {
    pace: Pace,
    now: Duration,
    /// Bytes a second, and the burst that passes at once.
    rate: f64,
    burst: f64,
    /// What is left of the burst, at `now`.
    tokens: f64,
    tokens_at: Duration,
    round_trip: Duration,
    /// When the last stanza has passed.
    busy_until: Duration,
    /// Pings, and when their answers are back; none once the way is lost.
    answers: VecDeque<(u64, Duration)>,
    pings: u64,
    lost: bool,
    arrived: u64,
}

impl Way {
    fn new(rate: u64, burst: u64, round_trip: Duration) -> Self {
        Self {
            pace: Pace::new(),
            now: Duration::ZERO,
            rate: rate as f64,
            burst: burst as f64,
            tokens: burst as f64,
            tokens_at: Duration::ZERO,
            round_trip,
            busy_until: Duration::ZERO,
            answers: VecDeque::new(),
            pings: 0,
            lost: false,
            arrived: 0,
        }
    }

    /// Passes bytes on, and returns when the last has passed.
    fn pass(&mut self, bytes: usize) -> Duration {
        let begun = self.busy_until.max(self.now);
        let idle = begun.saturating_sub(self.tokens_at).as_secs_f64();
        self.tokens = (self.tokens + idle * self.rate).min(self.burst) - bytes as f64;
        self.tokens_at = begun;
        let debt = if self.burst > 0.0 { (-self.tokens).max(0.0) } else { bytes as f64 };
        let took = Duration::from_secs_f64(debt / self.rate);
        self.busy_until = begun + took;
        if self.burst > 0.0 && debt > 0.0 {
            self.tokens = 0.0;
            self.tokens_at = self.busy_until;
        }
        self.busy_until
    }

    fn ping(&mut self) {
        self.pings += 1;
        self.pace.pinged(self.pings, self.now);
        let passed = self.pass(150);
        if !self.lost {
            self.answers.push_back((self.pings, passed + self.round_trip));
        }
    }

    /// Sends bodies without an end until this time.
    fn send_until(&mut self, end: Duration) {
        while self.now < end {
            while self.answers.front().is_some_and(|(_, at)| *at <= self.now) {
                let (number, _) = self.answers.pop_front().unwrap();
                self.pace.answered(number, self.now);
            }
            while let Some(length) = self.pace.body(CHUNK) {
                self.pace.sent(length, self.now);
                self.pass(length);
                assert!(self.pace.in_flight() <= self.pace.limit());
                if self.pace.wants_ping(CHUNK, false) {
                    self.ping();
                }
                self.arrived += length as u64;
            }
            // Whatever is full has been asked about, or nothing would ever move again.
            assert!(!self.answers.is_empty() || self.lost);
            let next = self.answers.front().map_or(end, |(_, at)| *at);
            self.now = next.min(end);
        }
    }

    /// Returns how long a head would take that is sent now, and sends it.
    fn head(&mut self) -> Duration {
        assert!(self.pace.head(), "a head waits for bodies");
        self.pace.sent(600, self.now);
        self.pass(600) + self.round_trip - self.now
    }

    /// Sends for this long, and returns how many bytes a second passed.
    fn use_for(&mut self, time: Duration) -> f64 {
        let (from, before) = (self.now, self.arrived);
        self.send_until(self.now + time);
        (self.arrived - before) as f64 / (self.now - from).as_secs_f64()
    }

    fn assert_estimate(&self) {
        let rate = self.pace.rate().unwrap() as f64;
        assert!((rate / self.rate - 1.0).abs() < 0.25, "{rate} instead of {}", self.rate);
    }
}

#[test]
fn a_slow_server_is_used_and_a_head_waits_seconds_at_most() {
    // Prosody's and ejabberd's stock limits, without what XML and base64 add.
    for (rate, burst) in [(7_600, 20_000), (7_600, 0), (2_250, 15_000)] {
        let mut way = Way::new(rate, burst, micros(50_000));
        way.send_until(Duration::from_secs(30));
        let mut longest = Duration::ZERO;
        for _ in 0..50 {
            way.use_for(Duration::from_millis(3_100));
            longest = longest.max(way.head());
        }
        let bound = Duration::from_secs_f64(4.0 * (7_600.0 / rate as f64).max(1.0));
        assert!(longest <= bound, "{longest:?} at {rate}");
        let used = way.use_for(Duration::from_secs(300));
        assert!(used > 0.9 * way.rate, "{used} of {rate}");
        way.assert_estimate();
    }
}

#[test]
fn the_estimate_of_a_slow_server_is_good_after_a_hundred_kilobytes() {
    let mut way = Way::new(7_600, 20_000, micros(50_000));
    way.send_until(Duration::from_secs(14));
    way.assert_estimate();
}

#[test]
fn a_fast_way_is_used_and_a_head_hardly_waits() {
    for rate in [2_400_000_u64, 20_000_000] {
        for round_trip in [300, 1_000, 10_000, 50_000] {
            let mut way = Way::new(rate, 0, micros(round_trip));
            way.send_until(Duration::from_secs(1));
            let used = way.use_for(Duration::from_secs(2));
            // At 20 MB/s and 50 ms the highest limit is all that is on the way.
            assert!(used > 0.85 * way.rate, "{used} of {rate} at {round_trip}, {:?}", way.pace);
            let head = way.head();
            assert!(head < micros(round_trip * 6 + 120_000), "{head:?} at {rate}, {round_trip}");
            if (rate, round_trip) != (20_000_000, 50_000) {
                way.assert_estimate();
            }
        }
    }
}

#[test]
fn a_way_that_becomes_slow_is_noticed_when_what_is_on_it_has_drained() {
    let mut way = Way::new(2_400_000, 0, micros(1_000));
    way.send_until(Duration::from_secs(2));
    let backlog = way.pace.in_flight();
    assert!(backlog < 300_000, "{backlog}");
    way.rate = 7_600.0;
    way.use_for(Duration::from_secs(60));
    assert_eq!(way.pace.limit(), MIN_LIMIT);
    assert!(way.head() < Duration::from_secs(4));
    way.use_for(Duration::from_secs(20));
    way.assert_estimate();
    // And fast again.
    way.rate = 2_400_000.0;
    way.use_for(Duration::from_secs(5));
    let used = way.use_for(Duration::from_secs(2));
    assert!(used > 0.85 * way.rate, "{used}");
    way.assert_estimate();
}

#[test]
fn on_a_lost_way_nothing_more_than_the_limit_is_sent() {
    let mut way = Way::new(2_400_000, 0, micros(1_000));
    way.send_until(Duration::from_secs(1));
    way.lost = true;
    way.answers.clear();
    let used = way.use_for(Duration::from_secs(60));
    assert!(used * 60.0 <= MAX_LIMIT as f64);
    assert!(way.pace.in_flight() <= way.pace.limit());
    assert!(way.pace.body(CHUNK).is_none());
}

#[test]
fn who_hears_nothing_asks_again() {
    let mut pace = Pace::new();
    let second = Duration::from_secs(1);
    assert!(!pace.is_overdue(100 * second), "nothing was asked");
    pace.sent(MIN_LIMIT, second);
    pace.pinged(1, second);
    assert!(!pace.is_overdue(30 * second) && pace.is_overdue(31 * second));
    pace.pinged(2, 31 * second);
    assert!(!pace.is_overdue(32 * second));
    pace.answered(2, 33 * second);
    assert_eq!(pace.in_flight(), 0);
    assert!(!pace.is_overdue(100 * second));
}

#[test]
fn who_sends_little_is_not_taken_for_a_slow_way() {
    let mut way = Way::new(2_400_000, 0, micros(1_000));
    way.send_until(Duration::from_secs(1));
    let rate = way.pace.rate().unwrap();
    for _ in 0..100 {
        // What is on the way arrives, and for a while nothing is sent.
        while let Some((number, at)) = way.answers.pop_front() {
            way.now = way.now.max(at);
            way.pace.answered(number, way.now);
        }
        way.now += Duration::from_secs(1);
        way.pace.sent(2_000, way.now);
        way.pass(2_000);
        assert!(way.pace.wants_ping(CHUNK, true));
        way.ping();
    }
    let now = way.pace.rate().unwrap();
    assert!(now >= rate, "{now} after {rate}");
}
