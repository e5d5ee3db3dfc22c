//! Signs of life.

use std::time::Duration;

use super::Config;

/// Notices when the other end is silent for too long.
#[derive(Debug)]
pub(super) struct Pulse {
    every: Duration,
    timeout: Duration,
    /// When something was heard last.
    heard: Duration,
    /// When a sign of life was asked for, if nothing was heard since.
    asked: Option<Duration>,
    /// Whether a ping has to go out.
    pub(super) ping_waits: bool,
    /// Whether a pong has to go out; one answers all pings until then.
    pub(super) pong_waits: bool,
}

impl Pulse {
    pub(super) fn new(config: &Config, now: Duration) -> Self {
        Self {
            every: config.ping_every,
            timeout: config.ping_timeout,
            heard: now,
            asked: None,
            ping_waits: false,
            pong_waits: false,
        }
    }

    pub(super) fn heard(&mut self, now: Duration) {
        self.heard = self.heard.max(now);
        self.asked = None;
        self.ping_waits = false;
    }

    pub(super) fn deadline(&self) -> Duration {
        match self.asked {
            // From the question, not from the last word: a computer that slept asks first.
            Some(asked) => asked.saturating_add(self.timeout),
            None => self.heard.saturating_add(self.every),
        }
    }

    /// Asks when it is time. Returns `false` when the answer did not come in time.
    pub(super) fn tick(&mut self, now: Duration) -> bool {
        if now < self.deadline() {
            return true;
        }
        if self.asked.is_some() {
            return false;
        }
        self.asked = Some(now);
        self.ping_waits = true;
        true
    }
}
