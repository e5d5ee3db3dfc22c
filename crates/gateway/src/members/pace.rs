//! How often something may happen, as how fast a member may send.

use std::time::Duration;

use tokio::time::Instant;

/// Lets some messages through in a row, and then one each time the pace allows.
pub(crate) struct Pace {
    left: u32,
    burst: u32,
    every: Duration,
    counted: Instant,
}

impl Pace {
    pub(crate) fn new(burst: u32, every: Duration, now: Instant) -> Self {
        Self { left: burst, burst, every, counted: now }
    }

    /// Returns whether one more may go through now.
    pub(crate) fn allows(&mut self, now: Instant) -> bool {
        self.fill(now);
        let allowed = self.left > 0;
        self.left = self.left.saturating_sub(1);
        allowed
    }

    /// Returns whether as much may go through now as if nothing ever had.
    pub(crate) fn is_full(&mut self, now: Instant) -> bool {
        self.fill(now);
        self.left == self.burst
    }

    /// Returns whether nothing may go through now.
    pub(crate) fn is_empty(&mut self, now: Instant) -> bool {
        self.fill(now);
        self.left == 0
    }

    fn fill(&mut self, now: Instant) {
        while self.left < self.burst && now.duration_since(self.counted) >= self.every {
            self.left += 1;
            self.counted += self.every;
        }
        if self.left == self.burst {
            self.counted = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_one_at_a_time() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut pace = Pace::new(3, second, start);
        let passed = |pace: &mut Pace, now| (0..10).filter(|_| pace.allows(now)).count();
        assert_eq!(passed(&mut pace, start), 3);
        assert_eq!(passed(&mut pace, start + second / 2), 0);
        assert_eq!(passed(&mut pace, start + second), 1);
        assert_eq!(passed(&mut pace, start + 3 * second), 2);
        assert_eq!(passed(&mut pace, start + 1000 * second), 3);
    }
}
