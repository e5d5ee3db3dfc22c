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

/// How many bytes of answers to strangers may wait; above it, one is dropped, since whoever asks that
/// fast is not waiting for answers.
const MAX_ANSWERS: usize = 128 * 1024;

/// All that waits for the line.
#[derive(Default)]
pub(super) struct Outbox {
    waiting: Mutex<Waiting>,
    more: Notify,
}

#[derive(Default)]
struct Waiting {
    own: Queue,
    /// Anybody can cause them, so that they take turns with the conversations.
    answers: Queue,
    /// Who has something to send, each once.
    round: VecDeque<Turn>,
}

#[derive(Default)]
struct Queue {
    stanzas: VecDeque<Bytes>,
    bytes: usize,
}

/// Whose turn it is.
enum Turn {
    Answers,
    Conversation(Arc<Pipe>),
}

/// The line's writing end, with what has been taken and is not yet written.
pub(super) struct Writer<Io> {
    io: Io,
    taken: BytesMut,
}

impl Outbox {
    /// Gives a conversation that has something to send its place in the round.
    pub(super) fn join_round(&self, pipe: Arc<Pipe>) {
        self.lock().round.push_back(Turn::Conversation(pipe));
        self.more.notify_one();
    }

    /// Queues a stanza of the session's own; whether there was room.
    pub(super) fn push_own(&self, bytes: io::Result<Bytes>) -> bool {
        let Some(bytes) = written(bytes) else { return false };
        let has_room = self.lock().own.push(bytes, MAX_OWN);
        self.more.notify_one();
        has_room
    }

    /// Queues an answer to somebody else's stanza; whether there was room.
    pub(super) fn push_answer(&self, bytes: io::Result<Bytes>) -> bool {
        let Some(bytes) = written(bytes) else { return false };
        let mut waiting = self.lock();
        let is_first = waiting.answers.stanzas.is_empty();
        let has_room = waiting.answers.push(bytes, MAX_ANSWERS);
        if is_first && has_room {
            // A greeting does not wait for a round of chunks; whoever asks much does.
            waiting.round.push_front(Turn::Answers);
        }
        drop(waiting);
        self.more.notify_one();
        has_room
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what is to be written next: the session's own stanzas, then one of each conversation and
    /// one of the answers in turn.
    fn take(&self, into: &mut BytesMut) {
        let mut waiting = self.lock();
        while into.len() < BATCH {
            if let Some(own) = waiting.own.pop() {
                into.extend_from_slice(&own);
            } else if let Some(turn) = waiting.round.pop_front() {
                let (stanza, has_more) = match &turn {
                    Turn::Answers => {
                        let answer = waiting.answers.pop();
                        (answer, !waiting.answers.stanzas.is_empty())
                    }
                    Turn::Conversation(pipe) => pipe.take_out(),
                };
                into.extend_from_slice(&stanza.unwrap_or_default());
                if has_more {
                    waiting.round.push_back(turn);
                }
            } else {
                return;
            }
        }
    }
}

impl Queue {
    fn push(&mut self, bytes: Bytes, limit: usize) -> bool {
        if self.bytes + bytes.len() > limit {
            tracing::debug!("A stanza of the session's own was dropped: too many wait");
            return false;
        }
        self.bytes += bytes.len();
        self.stanzas.push_back(bytes);
        true
    }

    fn pop(&mut self) -> Option<Bytes> {
        let stanza = self.stanzas.pop_front()?;
        self.bytes -= stanza.len();
        Some(stanza)
    }
}

fn written(bytes: io::Result<Bytes>) -> Option<Bytes> {
    bytes.inspect_err(|error| tracing::debug!(%error, "A stanza cannot be written")).ok()
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

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicBool, Ordering},
        task::{Context, Wake, Waker},
    };

    use crosstalk::xmpp::FullJid;

    use super::*;

    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    #[test]
    fn all_who_wait_for_room_hear_of_it() {
        let outbox = Outbox::default();
        let pipe = Pipe::new(FullJid::new("gate@far.example/1").unwrap(), "", 0);
        pipe.push_out(&outbox, Bytes::from_static(b"stanza")).unwrap();
        let waiting = [(); 2].map(|()| Arc::new(Woken(AtomicBool::new(false))));
        for woken in &waiting {
            let waker = Waker::from(Arc::clone(woken));
            assert!(pipe.poll_below(&mut Context::from_waker(&waker), 1).is_pending());
        }
        outbox.take(&mut BytesMut::new());
        assert!(waiting.iter().all(|woken| woken.0.load(Ordering::SeqCst)));
    }

    #[test]
    fn whoever_asks_much_takes_no_more_than_a_turn() {
        let outbox = Outbox::default();
        let partner = FullJid::new("gate@far.example/1").unwrap();
        let pipe = Pipe::new(partner, "token", 0);
        for _ in 0..2 {
            pipe.push_out(&outbox, Bytes::from_static(b"chunk ")).unwrap();
        }
        while outbox.push_answer(Ok(Bytes::from_static(b"answer "))) {}
        assert!(outbox.push_own(Ok(Bytes::from_static(b"own "))), "strangers leave room");
        let mut taken = BytesMut::new();
        outbox.take(&mut taken);
        assert!(taken.starts_with(b"own answer chunk answer chunk answer answer "));
        // All of them leave, and then the line is free.
        while outbox.lock().round.front().is_some() {
            taken.clear();
            outbox.take(&mut taken);
        }
        assert!(outbox.push_answer(Ok(Bytes::from_static(b"answer"))));
    }
}
