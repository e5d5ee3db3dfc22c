//! What goes out: the conversations take turns, and one writer empties them all.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncWrite, AsyncWriteExt as _},
    sync::Notify,
};

use super::conversation::Pipe;

/// How many bytes are taken in one go: four chunks of the usual size, so that what becomes ready
/// meanwhile is not far behind.
const BATCH: usize = 64 * 1024;

/// How many bytes of the session's own stanzas may wait: greetings, questions and their like.
const MAX_OWN: usize = 1024 * 1024;

/// How many of them when an answer to somebody else's stanza joins them; above it, it is dropped,
/// since whoever asks that fast is not waiting for answers.
const MAX_ANSWERS: usize = 128 * 1024;

/// All that waits for the line.
#[derive(Default)]
pub(super) struct Outbox {
    waiting: Mutex<Waiting>,
    more: Notify,
}

#[derive(Default)]
struct Waiting {
    own: VecDeque<Bytes>,
    own_bytes: usize,
    /// The conversations that have something to send, each once.
    round: VecDeque<Arc<Pipe>>,
}

/// The line's writing end, with what has been taken and is not yet written.
pub(super) struct Writer<Io> {
    io: Io,
    taken: BytesMut,
}

impl Outbox {
    /// Gives a conversation that has something to send its place in the round.
    pub(super) fn join_round(&self, pipe: Arc<Pipe>) {
        self.lock().round.push_back(pipe);
        self.more.notify_one();
    }

    /// Queues a stanza of the session's own; whether there was room.
    pub(super) fn push_own(&self, bytes: io::Result<Bytes>) -> bool {
        self.push(bytes, MAX_OWN)
    }

    /// Queues an answer to somebody else's stanza; whether there was room.
    pub(super) fn push_answer(&self, bytes: io::Result<Bytes>) -> bool {
        self.push(bytes, MAX_ANSWERS)
    }

    fn push(&self, bytes: io::Result<Bytes>, limit: usize) -> bool {
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(error) => {
                tracing::debug!(%error, "A stanza cannot be written");
                return false;
            }
        };
        let mut waiting = self.lock();
        if waiting.own_bytes + bytes.len() > limit {
            tracing::debug!("A stanza of the session's own was dropped: too many wait");
            return false;
        }
        waiting.own_bytes += bytes.len();
        waiting.own.push_back(bytes);
        drop(waiting);
        self.more.notify_one();
        true
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what is to be written next: the session's own stanzas, then one of each conversation in
    /// turn.
    fn take(&self, into: &mut BytesMut) {
        let mut waiting = self.lock();
        while into.len() < BATCH {
            if let Some(own) = waiting.own.pop_front() {
                waiting.own_bytes -= own.len();
                into.extend_from_slice(&own);
            } else if let Some(pipe) = waiting.round.pop_front() {
                let (stanza, has_more) = pipe.take_out();
                into.extend_from_slice(&stanza.unwrap_or_default());
                if has_more {
                    waiting.round.push_back(pipe);
                }
            } else {
                return;
            }
        }
    }
}

impl<Io: AsyncWrite + Unpin> Writer<Io> {
    pub(super) fn new(io: Io) -> Self {
        Self { io, taken: BytesMut::new() }
    }

    /// Writes until the line fails. Dropped before, it has lost nothing, and can go on.
    pub(super) async fn run(&mut self, outbox: &Outbox) -> io::Error {
        loop {
            if let Err(error) = self.drain(outbox).await {
                return error;
            }
            outbox.more.notified().await;
        }
    }

    /// Writes all that waits, and then flushes once.
    async fn drain(&mut self, outbox: &Outbox) -> io::Result<()> {
        loop {
            outbox.take(&mut self.taken);
            if self.taken.is_empty() {
                return self.io.flush().await;
            }
            if self.io.write_buf(&mut self.taken).await? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
    }

    /// Writes what still waits, and says goodbye (RFC 6120 §4.4).
    pub(super) async fn finish(mut self, outbox: &Outbox) -> io::Result<()> {
        self.drain(outbox).await?;
        self.io.write_all(b"<presence type='unavailable'/></stream:stream>").await?;
        self.io.flush().await?;
        self.io.shutdown().await
    }
}
