//! A conversation as the messages of a link.

use std::{
    io, mem,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::Bytes;
use crosstalk::{
    transactions::{Config, Message, Numbers},
    xmpp::{
        FullJid,
        ct2::{
            CHUNK, Codec, FRAME, LinkError, Payload, Room, Settings, Stanza, Token, fits, window,
        },
        pace::Pace,
    },
};
use futures_util::{Sink, Stream};
use tokio::sync::watch;

use super::{
    Session,
    conversation::{Incoming, Outgoing},
    payload,
};
use crate::{Carrier, Timing, line::LineHandle, messages::Setup};

/// How long a link may be silent before its other end is asked for a sign of life.
///
/// Each of these costs a stanza at four places (two servers, there and back), so they are rarer than
/// on a connection of our own. A session that ends is told by the servers and needs none.
const PING_EVERY: Duration = Duration::from_secs(60);

/// How long the other end may then stay silent.
///
/// A server with stock limits lets through 10 kB a second of everything that a session sends
/// (Prosody; ejabberd 3 kB): what stands before the answer in the gateway's session, which all its
/// links share, may be 16 KiB of each of them, a hundred seconds' worth of fifty.
const PING_TIMEOUT: Duration = Duration::from_secs(120);

/// How many stanzas are sent before others get their turn.
const BATCH: usize = 64;

/// How much is sent to find out how fast the way is, if nothing else is sent.
const PROBE: usize = 64 * 1024;

/// After so much of it a fast way is known to be fast. Less would be let through at once by servers
/// that slow down whoever goes on: their bursts are 20 kB of XML.
const PROBE_ENOUGH: usize = 32 * 1024;

/// A way that carries so many bytes a second needs no more measuring.
const FAST_RATE: u64 = 100 * 1024;

/// Returns how soon a link notices that its other end is gone without a word.
pub(super) fn timing() -> Timing {
    Timing { ping_every: PING_EVERY, ping_timeout: PING_TIMEOUT }
}

/// How many bytes of stanzas wait at most until a link takes them. A link takes them at once, and its
/// other end has no more of bodies and heads on the way than twice [`MAX_LIMIT`](crosstalk::xmpp::pace::MAX_LIMIT): in base64, and
/// in stanzas as small as they may be, a third of this.
pub(super) const CAPACITY: usize = 16 * 1024 * 1024;

/// What both ends of a link agreed on.
#[derive(Clone, Debug)]
pub(super) struct Agreed {
    pub(super) token: Token,
    pub(super) settings: Settings,
}

impl Agreed {
    pub(super) fn new(
        session: &Session,
        to: &FullJid,
        token: Token,
        numbers: Numbers,
        chunk: usize,
    ) -> Self {
        let frame = FRAME + addresses(session.jid(), to);
        let max_payload = session.max_stanza().saturating_sub(frame);
        Self { token, settings: Settings { numbers, chunk, max_payload } }
    }
}

/// Returns how many bytes of a body this end takes and sends in one stanza.
pub(super) fn chunk(max_stanza: usize, from: &FullJid, to: &FullJid) -> Option<usize> {
    Some(fits(max_stanza, addresses(from, to))?.min(CHUNK))
}

fn addresses(from: &FullJid, to: &FullJid) -> usize {
    from.as_str().len() + to.as_str().len()
}

/// The link's setup, and what watches it.
pub(super) fn setup(agreed: &Agreed, line: LineHandle, timing: Timing, websockets: bool) -> Setup {
    let Timing { ping_every, ping_timeout } = timing;
    let Settings { numbers, chunk, .. } = agreed.settings;
    let window = window(chunk);
    let send_buffer = window as usize;
    let config = Config { ping_every, ping_timeout, window, send_buffer, ..Config::new(numbers) };
    Setup { carrier: Carrier::Xmpp, config, line, websockets }
}

/// The messages of one end of a link. `C` are its stanzas, in order and from the other end alone; its
/// sink says when there is room.
///
/// What the multiplexer gives is taken at once, and leaves at its pace whenever this is polled: its
/// credit bounds how much that can be.
pub(super) struct Transport<C>
where
    C: Stream<Item = Incoming> + Sink<Outgoing, Error = io::Error> + Unpin,
{
    wire: C,
    agreed: Agreed,
    codec: Codec,
    pace: Pace,
    line: LineHandle,
    rate: Option<watch::Sender<Option<u64>>>,
    /// What the probe has sent; [`PROBE`] when there is none, or no more.
    probed: usize,
    /// Whether something was put into the wire and is not flushed.
    unflushed: bool,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// Something is wrong with the wire or the other end; nobody has to be told.
    Over,
}

impl<C> Transport<C>
where
    C: Stream<Item = Incoming> + Sink<Outgoing, Error = io::Error> + Unpin,
{
    /// Begins. With `rate`, the way is measured, and the rate told there.
    pub(super) fn new(
        wire: C,
        agreed: Agreed,
        line: LineHandle,
        rate: Option<watch::Sender<Option<u64>>>,
    ) -> Self {
        let probed = if rate.is_some() { 0 } else { PROBE };
        let codec = Codec::new(agreed.settings);
        Self {
            wire,
            agreed,
            codec,
            pace: Pace::new(),
            line,
            rate,
            probed,
            unflushed: false,
            state: State::Open,
        }
    }

    /// Says the first word, before anybody drives this: the gateway waits for it.
    ///
    /// # Errors
    /// When the conversation is over already.
    pub(super) fn speak(&mut self) -> io::Result<()> {
        let ping = self.codec.ping(Bytes::new());
        self.put(ping)?;
        // It leaves without being asked to again.
        let mut cx = Context::from_waker(Waker::noop());
        match Pin::new(&mut self.wire).poll_flush(&mut cx) {
            Poll::Ready(flushed) => flushed,
            Poll::Pending => Ok(()),
        }
    }

    /// Takes what came before anybody drives this.
    ///
    /// # Errors
    /// When it is against the rules.
    pub(super) fn hear(&mut self, stanza: Incoming) -> io::Result<()> {
        self.take(stanza).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    fn put(&mut self, stanza: Stanza) -> io::Result<()> {
        self.note(&stanza);
        let stanza = payload::write(&self.agreed.token, stanza);
        Pin::new(&mut self.wire).start_send(stanza)?;
        self.unflushed = true;
        Ok(())
    }

    /// Sends what can leave. `Ready` when that is everything and the wire has it.
    fn pump(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.state == State::Over {
            return Poll::Ready(Ok(()));
        }
        let filled = self.fill(cx);
        if mem::take(&mut self.unflushed) {
            match Pin::new(&mut self.wire).poll_flush(cx) {
                Poll::Ready(flushed) => flushed?,
                Poll::Pending => self.unflushed = true,
            }
        }
        match filled {
            Poll::Ready(Ok(())) if self.codec.is_idle() && !self.unflushed => Poll::Ready(Ok(())),
            // An answer, a place on the wire or its flush wakes this task.
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
        }
    }

    /// The same while somebody reads: a head that is too large to leave comes back as a message.
    fn pump_and_tell(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let pumped = self.pump(cx);
        if self.codec.has_messages() {
            cx.waker().wake_by_ref();
        }
        pumped
    }

    fn fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        for _ in 0..BATCH {
            match Pin::new(&mut self.wire).poll_ready(cx) {
                Poll::Ready(ready) => ready?,
                Poll::Pending => return Poll::Pending,
            }
            let Some(stanza) = self.next() else { return Poll::Ready(Ok(())) };
            self.put(stanza)?;
        }
        // There is more, but others have to get their turn.
        cx.waker().wake_by_ref();
        Poll::Ready(Ok(()))
    }

    /// Takes what leaves next.
    fn next(&mut self) -> Option<Stanza> {
        let chunk = self.agreed.settings.chunk;
        let is_idle = self.codec.is_idle();
        if self.pace.wants_ping(chunk, is_idle) || self.pace.is_overdue(self.line.now()) {
            return Some(self.codec.ping(Bytes::new()));
        }
        let head = self.codec.has_heads() && self.pace.head();
        let body = if self.codec.has_bodies() { self.pace.body(chunk) } else { None };
        if let Some(stanza) = self.codec.poll_stanza(Room { head, body }) {
            return Some(stanza);
        }
        // Whatever else there is goes first, and tells the rate as well.
        if self.probed >= PROBE || !self.codec.is_idle() {
            return None;
        }
        let length = self.pace.body(chunk)?;
        Some(self.codec.ping(Bytes::from(vec![0; length])))
    }

    fn note(&mut self, stanza: &Stanza) {
        let now = self.line.now();
        let length = stanza.length();
        match stanza {
            Stanza::Set(Payload::Ping { number, .. }) => {
                if length > 0 {
                    self.pace.sent(length, now);
                }
                self.pace.pinged(*number, now);
            }
            Stanza::Set(Payload::Request(_) | Payload::Response(_) | Payload::Data { .. }) => {
                self.pace.sent(length, now);
            }
            Stanza::Set(Payload::Signal { .. } | Payload::Bye(_) | Payload::Gone)
            | Stanza::Result(_)
            | Stanza::Error(..) => return,
        }
        self.probed = self.probed.saturating_add(length);
    }

    /// Takes a stanza of the other end.
    fn take(&mut self, stanza: Incoming) -> Result<(), LinkError> {
        self.line.hear();
        self.codec.receive(payload::read(&self.agreed.token, stanza)?)?;
        if let Some(number) = self.codec.poll_pong() {
            self.pace.answered(number, self.line.now());
            self.tell_rate();
        }
        Ok(())
    }

    fn tell_rate(&mut self) {
        let (Some(told), Some(rate)) = (&self.rate, self.pace.rate()) else { return };
        let arrived = self.pace.arrived();
        if rate >= FAST_RATE && arrived >= PROBE_ENOUGH as u64 {
            self.probed = PROBE;
        } else if arrived < PROBE as u64 {
            return;
        }
        told.send_if_modified(|before| {
            let same = before.is_some_and(|before| before.abs_diff(rate) < before / 10);
            if !same {
                *before = Some(rate);
            }
            !same
        });
    }

    /// Ends the link with a word to the other end, if there is one that can hear it at once.
    fn leave(&mut self, cx: &mut Context<'_>) {
        if mem::replace(&mut self.state, State::Over) == State::Over {
            return;
        }
        if let Poll::Ready(Ok(())) = Pin::new(&mut self.wire).poll_ready(cx) {
            let gone = Stanza::Set(Payload::Gone);
            let stanza = payload::write(&self.agreed.token, gone);
            if Pin::new(&mut self.wire).start_send(stanza).is_ok() {
                // Who cannot be told finds out by asking.
                let _ = Pin::new(&mut self.wire).poll_flush(cx);
            }
        }
    }
}

impl<C> Stream for Transport<C>
where
    C: Stream<Item = Incoming> + Sink<Outgoing, Error = io::Error> + Unpin,
{
    type Item = io::Result<Message>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(message) = this.codec.poll_message() {
                return Poll::Ready(Some(Ok(message)));
            }
            if this.state == State::Over {
                return Poll::Ready(None);
            }
            match Pin::new(&mut this.wire).poll_next(cx) {
                Poll::Ready(Some(stanza)) => match this.take(stanza) {
                    Ok(()) => {}
                    Err(LinkError::Gone) => this.state = State::Over,
                    Err(error) => {
                        this.leave(cx);
                        let error = io::Error::new(io::ErrorKind::InvalidData, error);
                        return Poll::Ready(Some(Err(error)));
                    }
                },
                Poll::Ready(None) => this.state = State::Over,
                Poll::Pending => break,
            }
        }
        // What came may have answers, or make room.
        match this.pump_and_tell(cx) {
            Poll::Ready(Err(error)) => {
                this.state = State::Over;
                Poll::Ready(Some(Err(error)))
            }
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
        }
    }
}

impl<C> Sink<Message> for Transport<C>
where
    C: Stream<Item = Incoming> + Sink<Outgoing, Error = io::Error> + Unpin,
{
    type Error = io::Error;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> io::Result<()> {
        let this = self.get_mut();
        if this.state == State::Open {
            this.codec.write(message);
        }
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().pump_and_tell(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.pump(cx))?;
        this.leave(cx);
        Pin::new(&mut this.wire).poll_flush(cx)
    }
}

impl<C> Drop for Transport<C>
where
    C: Stream<Item = Incoming> + Sink<Outgoing, Error = io::Error> + Unpin,
{
    fn drop(&mut self) {
        self.leave(&mut Context::from_waker(Waker::noop()));
    }
}

#[cfg(test)]
mod tests;
