//! How soon a dead partner is noticed.

use std::time::Duration;

use crosstalk::limits;

/// How a link finds out that its partner is gone without a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long a link may be silent before the partner is asked for a sign of life.
    pub ping_every: Duration,
    /// How long the partner may then stay silent.
    pub ping_timeout: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self { ping_every: limits::PING_EVERY, ping_timeout: limits::PING_TIMEOUT }
    }
}
