//! A response that a polling peer sends, until the link has it.

use std::collections::VecDeque;

use bytes::Bytes;
use crosstalk::{
    limits::STREAM_WINDOW,
    transactions::{MAX_DATA, Message, TransactionId},
};
use http::response;

/// The response, on its way from the peer to the link.
#[derive(Default)]
pub(super) struct Answer {
    /// The number of the peer's next object.
    pub(super) next: u64,
    pub(super) head: Option<Box<response::Parts>>,
    pub(super) pieces: VecDeque<Bytes>,
    /// How many bytes came, how many the link has, how many it has room for.
    pub(super) came: u64,
    pub(super) passed: u64,
    pub(super) credit: u64,
    /// Whether all of it came.
    pub(super) complete: bool,
    /// Whether the link has all of it.
    pub(super) done: bool,
}

impl Answer {
    /// Returns how much of what came the link has passed on.
    pub(super) fn taken(&self) -> u64 {
        self.credit.saturating_sub(u64::from(STREAM_WINDOW))
    }

    /// Returns what the link gets next.
    pub(super) fn next_message(&mut self, id: TransactionId) -> Option<Message> {
        if self.done {
            return None;
        }
        let room = usize::try_from(self.credit - self.passed).unwrap_or(usize::MAX);
        let bytes = self.piece(room.min(MAX_DATA));
        let end = self.complete && self.pieces.is_empty();
        if let Some(head) = self.head.take() {
            self.done = end;
            return Some(Message::Head { id, head, body: bytes, end });
        }
        if self.next == 0 || (bytes.is_empty() && !end) {
            return None;
        }
        self.done = end;
        Some(Message::Data { id, bytes, end })
    }

    fn piece(&mut self, most: usize) -> Bytes {
        let Some(first) = self.pieces.front_mut() else { return Bytes::new() };
        let piece = first.split_to(first.len().min(most));
        if first.is_empty() {
            self.pieces.pop_front();
        }
        self.passed += piece.len() as u64;
        piece
    }
}
