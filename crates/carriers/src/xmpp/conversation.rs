//! What two sessions say to each other under one token: a stream of what comes, a sink for what goes.
//!
//! Both directions are bounded in bytes. What comes is bounded by the credit that its owner grants,
//! so a partner that sends more has broken the rules, and the reader of the session never waits.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use crosstalk::xmpp::FullJid;
use futures_util::{Sink, Stream};
use xmpp_parsers::{minidom::Element, stanza_error::DefinedCondition};

use super::{session::Core, stanza, writer::Outbox};

/// How many bytes of one conversation wait for the session's writer. Two chunks of the largest size:
/// the writer takes one while its owner makes the next.
pub(super) const OUTBOX: usize = 256 * 1024;

/// What a stanza costs at least in a conversation's capacity, for the memory around its bytes.
pub const STANZA_COST: usize = 512;

/// A stanza of a conversation that came in.
#[derive(Debug)]
pub enum Incoming {
    /// A request of the partner's, which wants [`Outgoing::Result`] or [`Outgoing::Refuse`].
    Set {
        /// To be repeated in the answer.
        id: String,
        /// The one child.
        payload: Element,
    },
    /// The partner has done what [`Outgoing::Set`] asked.
    Result {
        /// Which one.
        id: String,
    },
    /// The partner, or a server on the way, has not.
    Refused {
        /// Which one.
        id: String,
        /// Why (RFC 6120 §8.3.3).
        condition: DefinedCondition,
    },
}

/// A stanza of a conversation that goes out.
#[derive(Debug)]
pub enum Outgoing {
    /// Asks the partner to take a payload. The id begins with the conversation's token and `.`.
    Set {
        /// By which the answer is known.
        id: String,
        /// The one child.
        payload: Element,
    },
    /// Answers [`Incoming::Set`].
    Result {
        /// Of what.
        id: String,
    },
    /// Answers [`Incoming::Set`] with an error.
    Refuse {
        /// Of what.
        id: String,
        /// Why (RFC 6120 §8.3.3).
        condition: DefinedCondition,
    },
}

/// Why a conversation has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConversationEnd {
    /// The partner's session is over: its unavailable presence came.
    PartnerLeft,
    /// Our own session is over.
    SessionEnded,
    /// The partner sent more than it was given credit for.
    Overflowed,
}

/// A conversation. It keeps its session logged in, and ends when it is dropped.
pub struct Conversation {
    core: Arc<Core>,
    pipe: Arc<Pipe>,
}

/// Both directions of a conversation, as its owner, the reader and the writer see them.
pub(super) struct Pipe {
    pub(super) partner: FullJid,
    pub(super) token: String,
    capacity: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    inbox: VecDeque<(Incoming, usize)>,
    inbox_bytes: usize,
    reader: Option<Waker>,
    outbox: VecDeque<Bytes>,
    outbox_bytes: usize,
    /// Who waits for room; of what is said outside of conversations, several.
    writers: Vec<Waker>,
    /// Whether the session's writer has this conversation in its round.
    queued: bool,
    end: Option<ConversationEnd>,
}

impl Conversation {
    pub(super) fn new(core: Arc<Core>, pipe: Arc<Pipe>) -> Self {
        Self { core, pipe }
    }

    /// Returns with whom this is.
    pub fn partner(&self) -> &FullJid {
        &self.pipe.partner
    }

    /// Returns the largest stanza that may be sent, in bytes with everything around the payload.
    pub fn max_stanza(&self) -> usize {
        self.core.shared.max_stanza
    }

    /// Returns why the conversation has ended, if it has.
    pub fn end(&self) -> Option<ConversationEnd> {
        self.pipe.lock().end
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        self.core.shared.forget(&self.pipe);
    }
}

impl Stream for Conversation {
    type Item = Incoming;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Incoming>> {
        let mut state = self.pipe.lock();
        // What came before the end is still told, unless it was too much.
        if state.end != Some(ConversationEnd::Overflowed)
            && let Some((stanza, bytes)) = state.inbox.pop_front()
        {
            state.inbox_bytes -= bytes;
            return Poll::Ready(Some(stanza));
        }
        if state.end.is_some() {
            return Poll::Ready(None);
        }
        state.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Sink<Outgoing> for Conversation {
    type Error = io::Error;

    /// Ready while this conversation's outbox has room.
    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pipe.poll_below(cx, OUTBOX)
    }

    /// Puts the stanza into the outbox.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] for a stanza above [`Conversation::max_stanza`], which ends
    /// nothing; [`io::ErrorKind::NotConnected`] after the end.
    fn start_send(self: Pin<&mut Self>, stanza: Outgoing) -> io::Result<()> {
        let to = self.pipe.partner.as_str();
        let bytes = match stanza {
            Outgoing::Set { id, payload } => stanza::set(Some(to), &id, &payload)?,
            Outgoing::Result { id } => stanza::result(Some(to), &id, None)?,
            Outgoing::Refuse { id, condition } => {
                stanza::refusal(Some(to), &id, condition, None, None)?
            }
        };
        self.core.shared.check_size(&bytes)?;
        self.pipe.push_out(&self.core.shared.outbox, bytes)
    }

    /// Ready when the session's writer has taken all.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pipe.poll_below(cx, 1)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

impl Pipe {
    pub(super) fn new(partner: FullJid, token: &str, capacity: usize) -> Arc<Self> {
        let token = token.to_owned();
        Arc::new(Self { partner, token, capacity, state: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics halfway through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands over what came; too much of it ends the conversation.
    pub(super) fn push_in(&self, stanza: Incoming, bytes: usize) {
        let mut state = self.lock();
        if state.end.is_some() {
            return;
        }
        let bytes = bytes.max(STANZA_COST);
        if state.inbox_bytes + bytes > self.capacity {
            tracing::debug!("A partner sent more than it had credit for");
            state.inbox.clear();
            state.end = Some(ConversationEnd::Overflowed);
        } else {
            state.inbox_bytes += bytes;
            state.inbox.push_back((stanza, bytes));
        }
        state.wake_all();
    }

    /// Ends the conversation; the first reason counts.
    pub(super) fn finish(&self, end: ConversationEnd) {
        let mut state = self.lock();
        state.end.get_or_insert(end);
        state.outbox.clear();
        state.outbox_bytes = 0;
        state.wake_all();
    }

    /// Queues a stanza for the writer.
    pub(super) fn push_out(self: &Arc<Self>, outbox: &Outbox, bytes: Bytes) -> io::Result<()> {
        let mut state = self.lock();
        if state.end.is_some() {
            return Err(io::ErrorKind::NotConnected.into());
        }
        state.outbox_bytes += bytes.len();
        state.outbox.push_back(bytes);
        let queued = std::mem::replace(&mut state.queued, true);
        drop(state);
        if !queued {
            outbox.join_round(Arc::clone(self));
        }
        Ok(())
    }

    /// Waits until less than this waits for the writer.
    pub(super) fn poll_below(&self, cx: &mut Context<'_>, bytes: usize) -> Poll<io::Result<()>> {
        let mut state = self.lock();
        if state.end.is_some() {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        }
        if state.outbox_bytes < bytes {
            return Poll::Ready(Ok(()));
        }
        if !state.writers.iter().any(|writer| writer.will_wake(cx.waker())) {
            state.writers.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Takes the next stanza for the line, and says whether there are more.
    pub(super) fn take_out(&self) -> (Option<Bytes>, bool) {
        let mut state = self.lock();
        let next = state.outbox.pop_front();
        state.outbox_bytes -= next.as_ref().map_or(0, Bytes::len);
        state.queued = !state.outbox.is_empty();
        for waker in state.writers.drain(..) {
            waker.wake();
        }
        (next, state.queued)
    }
}

impl State {
    fn wake_all(&mut self) {
        for waker in self.reader.take().into_iter().chain(self.writers.drain(..)) {
            waker.wake();
        }
    }
}
