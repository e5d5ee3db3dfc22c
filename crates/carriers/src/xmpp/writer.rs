//! What goes out: the conversations take turns, and one writer empties them all.

use std::sync::Arc;

use bytes::Bytes;

use super::conversation::Pipe;

/// All that waits for the line.
#[derive(Default)]
pub(super) struct Outbox {}

impl Outbox {
    /// Gives a conversation that has something to send its place in the round.
    pub(super) fn join_round(&self, _pipe: Arc<Pipe>) {}

    /// Queues a stanza of the session's own.
    pub(super) fn push_own(&self, _bytes: Bytes) {}
}
