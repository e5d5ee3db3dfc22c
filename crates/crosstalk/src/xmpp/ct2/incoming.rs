//! A body that comes in, as far as its stanzas wait for answers.

use std::{collections::VecDeque, ops::Range};

/// The stanzas of one body that the other end sends.
///
/// They are answered when credit covers their bytes. What is smaller than a chunk is answered
/// together, in runs of a chunk's bytes at most: so a body in crumbs needs no more memory here than
/// one in chunks, and what is held back is still less than a chunk, with which the sender always gets
/// on: of a window of two chunks or more it hears of half at least.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    /// The next number; 0 before the head.
    next: u64,
    last: bool,
    /// The first that is not answered.
    first: u64,
    runs: VecDeque<Run>,
    /// Credit that does not cover a run yet.
    credit: u64,
}

#[derive(Debug)]
struct Run {
    parts: u64,
    bytes: u64,
}

impl Incoming {
    /// Returns whether the head is here.
    pub(super) fn has_begun(&self) -> bool {
        self.next > 0
    }

    /// Returns whether everything is here, or nothing more is wanted.
    pub(super) fn is_complete(&self) -> bool {
        self.last
    }

    /// Takes a stanza. Returns `false` when it is not the next one.
    pub(super) fn take(&mut self, seq: u64, length: usize, last: bool, chunk: usize) -> bool {
        if self.last || seq != self.next {
            return false;
        }
        self.next += 1;
        self.last = last;
        let bytes = length as u64;
        match self.runs.back_mut() {
            Some(run) if run.bytes + bytes <= chunk as u64 => {
                run.parts += 1;
                run.bytes += bytes;
            }
            Some(_) | None => self.runs.push_back(Run { parts: 1, bytes }),
        }
        true
    }

    /// Wants nothing more.
    pub(super) fn finish(&mut self) {
        self.last = true;
    }

    /// Adds credit. Returns which stanzas are to be answered now.
    pub(super) fn credit(&mut self, bytes: u64) -> Range<u64> {
        self.credit += bytes;
        let from = self.first;
        while let Some(run) = self.runs.front().filter(|run| run.bytes <= self.credit) {
            self.credit -= run.bytes;
            self.first += run.parts;
            self.runs.pop_front();
        }
        from..self.first
    }

    /// Returns all that are not answered: they are to be answered now.
    pub(super) fn rest(&mut self) -> Range<u64> {
        self.runs.clear();
        let from = std::mem::replace(&mut self.first, self.next);
        from..self.next
    }
}
