//! How fast something moves, over the last seconds. It asks no clock.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// The rate is over this long.
const WINDOW: Duration = Duration::from_secs(5);

/// A rate over less than this says nothing.
const MINIMUM: Duration = Duration::from_millis(250);

/// How many samples a rate needs at most: receipts come four times a second.
const MAX_SAMPLES: usize = 32;

/// How far something was at some moments.
#[derive(Debug)]
pub(crate) struct Rate {
    samples: VecDeque<(Instant, u64)>,
}

impl Rate {
    /// Begins here.
    pub(crate) fn new(bytes: u64, now: Instant) -> Self {
        Self { samples: VecDeque::from([(now, bytes)]) }
    }

    /// Notes how far it is.
    pub(crate) fn note(&mut self, bytes: u64, now: Instant) {
        self.samples.push_back((now, bytes));
        // One sample before the window is where the rate begins.
        while self.samples.len() > MAX_SAMPLES
            || self.samples.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= WINDOW)
        {
            self.samples.pop_front();
        }
    }

    /// Returns the bytes a second of something that is here now.
    pub(crate) fn read(&self, bytes: u64, now: Instant) -> u64 {
        let recent = |sample: &&(Instant, u64)| now.duration_since(sample.0) >= WINDOW;
        let Some((since, before)) = self.samples.iter().rev().find(recent).or(self.samples.front())
        else {
            return 0;
        };
        let elapsed = now.duration_since(*since).max(MINIMUM);
        let bytes = u128::from(bytes.saturating_sub(*before));
        u64::try_from(bytes * 1000 / elapsed.as_millis().max(1)).unwrap_or(u64::MAX)
    }
}
