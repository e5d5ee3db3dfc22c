//! A body that goes out.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::value::Payload;

/// Stands for a stanza that was answered before those in front of it.
const ANSWERED: u32 = u32::MAX;

/// What waits to be sent of one body, and which of its stanzas are not answered.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    /// The head, until it is sent.
    pub(super) head: Option<Payload>,
    queue: VecDeque<Bytes>,
    length: usize,
    /// Whether nothing is added any more.
    end: bool,
    /// The number of the next stanza; 0 before the head is sent.
    next: u64,
    last_sent: bool,
    /// How many bytes each stanza has from `first` on.
    unanswered: VecDeque<u32>,
    first: u64,
    /// Whether the transaction stands in the queue of those that have something to say.
    pub(super) in_turn: bool,
}

impl Outgoing {
    /// Adds what comes next.
    pub(super) fn push(&mut self, bytes: Bytes, end: bool) {
        self.length += bytes.len();
        self.end |= end;
        if !bytes.is_empty() {
            self.queue.push_back(bytes);
        }
    }

    /// Returns whether nothing of it has left.
    pub(super) fn has_not_begun(&self) -> bool {
        self.next == 0
    }

    /// Returns whether everything is here or sent.
    pub(super) fn is_complete(&self) -> bool {
        self.end
    }

    /// Returns whether everything is sent.
    pub(super) fn is_sent(&self) -> bool {
        self.last_sent
    }

    /// Returns whether everything that was sent is answered.
    pub(super) fn is_answered(&self) -> bool {
        self.unanswered.is_empty()
    }

    /// Returns whether there is something to be sent behind the head.
    pub(super) fn has_to_say(&self) -> bool {
        self.next > 0 && !self.last_sent && (self.length > 0 || self.end)
    }

    /// Notes that the head is sent, with so many bytes of the body.
    pub(super) fn sent_head(&mut self, length: usize, last: bool) {
        self.end |= last;
        self.sent(length, last);
    }

    /// Takes the next stanza: its number, bytes, and whether they are the last.
    pub(super) fn take(&mut self, most: usize) -> (u64, Bytes, bool) {
        let bytes = self.cut(most);
        let last = self.end && self.length == 0;
        let seq = self.next;
        self.sent(bytes.len(), last);
        (seq, bytes, last)
    }

    fn sent(&mut self, length: usize, last: bool) {
        // A chunk is far smaller.
        self.unanswered.push_back(u32::try_from(length).unwrap_or(0));
        self.next += 1;
        self.last_sent = last;
    }

    /// Takes up to this many bytes, of as many pieces as it needs.
    fn cut(&mut self, most: usize) -> Bytes {
        let length = self.length.min(most);
        self.length -= length;
        let Some(first) = self.queue.front_mut() else { return Bytes::new() };
        if first.len() > length {
            return first.split_to(length);
        }
        if first.len() == length {
            return self.queue.pop_front().unwrap_or_default();
        }
        let mut bytes = BytesMut::with_capacity(length);
        while bytes.len() < length {
            let Some(piece) = self.queue.front_mut() else { break };
            let part = piece.len().min(length - bytes.len());
            bytes.extend_from_slice(&piece.split_to(part));
            if piece.is_empty() {
                self.queue.pop_front();
            }
        }
        bytes.freeze()
    }

    /// Notes an answer. Returns how many bytes the stanza had; none when it was not sent or is
    /// answered already.
    pub(super) fn answered(&mut self, seq: u64) -> Option<u32> {
        let place = usize::try_from(seq.checked_sub(self.first)?).ok()?;
        let length = self.unanswered.get_mut(place)?;
        let length = std::mem::replace(length, ANSWERED);
        while self.unanswered.front() == Some(&ANSWERED) {
            self.unanswered.pop_front();
            self.first += 1;
        }
        (length != ANSWERED).then_some(length)
    }
}
