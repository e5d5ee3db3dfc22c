//! The pings of both ends.
//!
//! A server delivers what one session says to another in order (RFC 6120 §10.1), so pings and their
//! answers come in the order of their numbers. When one is missing, something was lost on the way: a
//! connection between two servers broke, and what was in it is gone without a word. Answers to parts
//! of a body may have been in it too, for which their sender would wait for ever. So then the link
//! ends, and the next one begins with nothing missing.

use super::LinkError;

/// The pings of one link, as one end knows them.
#[derive(Debug, Default)]
pub(super) struct Pings {
    sent: u64,
    answered: u64,
    heard: u64,
    /// The one that was answered last, until somebody asks.
    pong: Option<u64>,
}

impl Pings {
    /// Returns the number of a ping that leaves now.
    pub(super) fn next(&mut self) -> u64 {
        self.sent += 1;
        self.sent
    }

    /// Returns the ping that was answered last, once.
    pub(super) fn poll_pong(&mut self) -> Option<u64> {
        self.pong.take()
    }

    /// Notes an answer. Returns whether it is one that was missing.
    ///
    /// # Errors
    /// When one before it is missing.
    pub(super) fn answered(&mut self, number: u64) -> Result<bool, LinkError> {
        if number <= self.answered || number > self.sent {
            return Ok(false);
        }
        if number > self.answered + 1 {
            return Err(LinkError::Lost);
        }
        self.answered = number;
        self.pong = Some(number);
        Ok(true)
    }

    /// Notes a ping of the other end.
    ///
    /// # Errors
    /// When one before it is missing, or it came already.
    pub(super) fn heard(&mut self, number: u64) -> Result<(), LinkError> {
        if self.heard.checked_add(1) != Some(number) {
            return Err(LinkError::Lost);
        }
        self.heard = number;
        Ok(())
    }
}
