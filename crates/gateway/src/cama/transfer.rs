//! One body on its way from a sender to a receiver, and how much of it arrived.
//!
//! The sender's body becomes the body of the receiver's response as it is, so nothing is copied and
//! nothing is read before the receiver takes it. What counts as delivered:
//!
//! - A body that went out whole is delivered when the receiver's system has acknowledged the last byte
//!   and its program has shown that it read it: it asked again, or ended the connection in order. A
//!   program that was killed ends its connection with a reset while something is unread. One that shows
//!   neither for [`limits::RELAY_SETTLE`] is believed by its acknowledgement and its window. Of one on this
//!   computer nothing is believed: its system says what it has not read, and when its socket is gone, the
//!   connection says in a moment how.
//! - Of a body that was cut, only what the program must have read counts. For a receiver on this
//!   computer, its system says what it has not read. Another computer tells how much it acknowledged and
//!   how much more it has room for: both together, less all the room it has, is what was read. All its
//!   room is taken for [`ROOM`] times the most that it ever offered, since systems enlarge it as they go.
//!
//!   What a program has in hand before it writes ([`IN_HAND`]) does not count.
//!
//! So a cut body's figure is too low by that and by what the last look missed, or by a few windows.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use crosstalk::{
    control::ReceiptState,
    transaction::{Body, BodyError},
};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Frame, SizeHint};
use socket2::SockRef;
use tokio::{
    io::Interest,
    net::TcpStream,
    sync::oneshot,
    time::{Instant, sleep},
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::{
    session::Ticket,
    sessions::{Seat, UnderWay},
    socket::{Facts, look},
};
use crate::{
    limits,
    meter::{Meter, Report},
};

/// The trailer of a body whose sender went away.
pub(super) const COMPLETE: HeaderName = HeaderName::from_static("x-complete");

/// How many of the largest window that it ever offered a receiver may have in all. Linux doubles its
/// buffer when its program keeps up, and offers what it has since then only bit by bit.
const ROOM: u64 = 4;

/// How much a program may have read that it has not written anywhere: curl reads 100 KiB at once, and
/// what a killed one has in hand is lost.
const IN_HAND: u64 = 256 * 1024;

/// What a sender offers.
pub(super) struct Parcel {
    pub(super) sender: Ticket,
    pub(super) content_type: Option<HeaderValue>,
    /// `None` for a body in chunks.
    pub(super) length: Option<u64>,
    pub(super) body: Body,
    pub(super) started: oneshot::Sender<Started>,
}

/// What a sender is told when a receiver takes its parcel.
pub(super) struct Started {
    meter: Arc<Meter>,
    lent: oneshot::Receiver<TcpStream>,
    taken: Arc<AtomicU64>,
    finished: oneshot::Receiver<(u64, ReceiptState)>,
    early: Early,
}

/// Whether a body ended early, although the receiver's response ended in order: with a trailer.
#[derive(Clone, Default)]
pub(super) struct Early(Arc<AtomicBool>);

/// What became of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    /// How much was delivered.
    pub(super) bytes: u64,
    /// How much the receiver's connection took.
    pub(super) taken: u64,
    pub(super) complete: bool,
}

/// How far a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// How much would count if it were cut now.
    pub(super) certain: u64,
    /// How much the receiver's connection took.
    pub(super) taken: u64,
}

/// What the connection's meter tells of the receiver's response. A clone of it rides on the response
/// until the response goes out.
#[derive(Clone)]
pub(crate) struct Receipt(Arc<Mutex<Option<Taken>>>);

struct Taken {
    taken: Arc<AtomicU64>,
    finished: oneshot::Sender<(u64, ReceiptState)>,
}

impl Receipt {
    /// Returns whom to tell, once.
    pub(crate) fn report(&self) -> Option<Box<dyn Report>> {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        taken.map(|taken| Box::new(taken) as Box<dyn Report>)
    }
}

impl Report for Taken {
    fn delivered(&self, bytes: u64) {
        self.taken.store(bytes, Ordering::Relaxed);
    }

    fn finish(self: Box<Self>, delivered: u64, state: ReceiptState) {
        if self.finished.send((delivered, state)).is_err() {
            tracing::debug!("The sender left before its receiver was done");
        }
    }
}

/// Begins a transfer: what the sender is told, and what goes with the receiver's response, on whose
/// connection the meter is.
pub(super) fn begin(meter: &Arc<Meter>) -> (Started, Receipt, Early) {
    let (sender, finished) = oneshot::channel();
    let taken = Arc::<AtomicU64>::default();
    let receipt = Taken { taken: taken.clone(), finished: sender };
    let early = Early::default();
    let (meter, lent) = (meter.clone(), meter.lend());
    let started = Started { meter, lent, taken, finished, early: early.clone() };
    (started, Receipt(Arc::new(Mutex::new(Some(receipt)))), early)
}

/// A sender's body as the receiver gets it.
pub(super) struct Relayed {
    body: Body,
    may_trail: bool,
    over: Pin<Box<WaitForCancellationFutureOwned>>,
    ended: bool,
    early: Early,
    _seat: Option<Seat>,
}

/// Why a relayed body ends early.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the session is over")]
struct Over;

impl Relayed {
    pub(super) fn new(
        body: Body,
        may_trail: bool,
        over: WaitForCancellationFutureOwned,
        early: Early,
        seat: Option<Seat>,
    ) -> Self {
        Self { body, may_trail, over: Box::pin(over), ended: false, early, _seat: seat }
    }

    fn cut(&mut self, why: BodyError) -> Result<Frame<Bytes>, BodyError> {
        self.ended = true;
        self.early.0.store(true, Ordering::Relaxed);
        if self.may_trail {
            let complete = [(COMPLETE, HeaderValue::from_static("no"))];
            Ok(Frame::trailers(HeaderMap::from_iter(complete)))
        } else {
            Err(why)
        }
    }
}

impl http_body::Body for Relayed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if this.ended {
            return Poll::Ready(None);
        }
        if this.over.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(this.cut(Over.into())));
        }
        loop {
            return Poll::Ready(
                match std::task::ready!(Pin::new(&mut this.body).poll_frame(context)) {
                    None => None,
                    Some(Err(error)) => Some(this.cut(error)),
                    // Nothing but the content is carried.
                    Some(Ok(frame)) if frame.is_trailers() => continue,
                    Some(Ok(frame)) => Some(Ok(frame)),
                },
            );
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Follows a transfer to its end, or until `cut` is cancelled, and tells after each look how far it is.
pub(super) async fn follow(
    started: Started,
    cut: &CancellationToken,
    under_way: &UnderWay,
    tell: &(dyn Fn(Seen) + Sync),
) -> Outcome {
    let Started { meter, mut lent, taken, mut finished, early } = started;
    let mut receiver = Receiver::new(meter, tell);
    let ended = loop {
        let looks = receiver.socket.is_some();
        tokio::select! {
            biased;
            ended = &mut finished => break ended,
            () = cut.cancelled() => return receiver.cut(taken.load(Ordering::Relaxed)),
            socket = &mut lent, if !looks && !lent.is_terminated() => {
                receiver.socket = socket.ok().and_then(Handle::new);
            }
            () = sleep(under_way.pause()), if looks => {
                let _ = receiver.look(taken.load(Ordering::Relaxed));
            }
        }
    };
    if receiver.socket.is_none() {
        receiver.socket = lent.try_recv().ok().and_then(Handle::new);
    }
    match ended {
        Ok((bytes, _)) if early.0.load(Ordering::Relaxed) => receiver.cut(bytes),
        Ok((bytes, ReceiptState::Complete)) => receiver.settle(bytes, under_way).await,
        Ok((bytes, ReceiptState::Running | ReceiptState::Cut)) => receiver.cut(bytes),
        // The response never began to go out.
        Err(_) => Outcome { bytes: 0, taken: 0, complete: false },
    }
}

/// The receiver's end of a transfer.
struct Receiver<'a> {
    meter: Arc<Meter>,
    socket: Option<Handle>,
    /// The largest window it offered.
    most: u64,
    /// How much of the body its program has read for certain.
    certain: u64,
    /// Whether the system has told what its program had not read, as it does of this computer's.
    is_known: bool,
    tell: &'a (dyn Fn(Seen) + Sync),
}

/// A second handle of a socket.
struct Handle {
    socket: TcpStream,
    local: SocketAddr,
    remote: SocketAddr,
    /// Whether the other end is on this computer.
    is_here: bool,
}

impl Handle {
    fn new(socket: TcpStream) -> Option<Self> {
        let (local, remote) = (socket.local_addr().ok()?, socket.peer_addr().ok()?);
        let ip = remote.ip().to_canonical();
        let is_here = ip.is_loopback() || ip == local.ip().to_canonical();
        Some(Self { socket, local, remote, is_here })
    }
}

impl<'a> Receiver<'a> {
    fn new(meter: Arc<Meter>, tell: &'a (dyn Fn(Seen) + Sync)) -> Self {
        Self { meter, socket: None, most: 0, certain: 0, is_known: false, tell }
    }

    /// Looks at the socket, which took at least `taken` bytes of the body.
    fn look(&mut self, taken: u64) -> Option<Facts> {
        let facts = self.facts(taken);
        (self.tell)(Seen { certain: self.counts(taken), taken });
        facts
    }

    fn facts(&mut self, taken: u64) -> Option<Facts> {
        let handle = self.socket.as_ref()?;
        let written = self.meter.written();
        let facts = look(handle.local, handle.remote)?;
        let window = facts.window.unwrap_or(0);
        self.most = self.most.max(window);
        self.is_known |= facts.unread.is_some();
        let read = match facts.read() {
            Some(read) => read,
            // Its program is gone.
            None if handle.is_here => return Some(facts),
            None => (facts.acknowledged + window).saturating_sub(ROOM * self.most),
        };
        self.certain = self.certain.max(taken.saturating_sub(written.saturating_sub(read)));
        Some(facts)
    }

    fn cut(&mut self, taken: u64) -> Outcome {
        let _ = self.look(taken);
        Outcome { bytes: self.counts(taken), taken, complete: false }
    }

    /// Returns how much counts if it is cut now.
    fn counts(&self, taken: u64) -> u64 {
        self.certain.min(taken).saturating_sub(IN_HAND)
    }

    /// Waits until the receiver has shown that it read everything of a body that went out whole.
    async fn settle(mut self, bytes: u64, under_way: &UnderWay) -> Outcome {
        let (end, heard, began) = (self.meter.written(), self.meter.heard(), Instant::now());
        let (mut moved, mut before) = (began, None);
        let whole = Outcome { bytes, taken: bytes, complete: true };
        let mut pause = Duration::from_millis(1);
        loop {
            let facts = self.look(bytes);
            // Before the next question, since a connection that breaks has ended, too.
            let has_shown = self.has_ended() || self.meter.heard() > heard;
            let is_broken = self.is_broken();
            if is_broken == Some(true) {
                return self.cut(bytes);
            }
            let now = facts.map(|facts| (facts.acknowledged, facts.unread, facts.window));
            if now != before {
                (moved, before) = (Instant::now(), now);
            }
            let has_all = facts.is_none_or(|facts| facts.acknowledged >= end);
            let has_waited = began.elapsed() >= limits::RELAY_SETTLE;
            let has_read = self.has_read(facts, end, has_shown, has_waited);
            if has_all && has_read && is_broken.is_some() {
                return whole;
            }
            // The system's own buffers may hold more than a slow line carries in that time.
            if moved.elapsed() >= limits::RELAY_SETTLE_LONGEST {
                return self.cut(bytes);
            }
            sleep(pause).await;
            pause = (pause * 2).min(under_way.pause());
        }
    }

    /// Returns whether its program has read everything up to `end`, as far as the system knows and as it
    /// has shown.
    fn has_read(&self, facts: Option<Facts>, end: u64, has_shown: bool, has_waited: bool) -> bool {
        if let Some(read) = facts.and_then(|facts| facts.read()) {
            // It may have asked for more before it read this, and what came since is not of this.
            return read >= end;
        }
        // Its socket is gone while ours does not know: what ends it, in order or not, is on its way.
        let is_going = facts.is_some() && self.is_known;
        // Who has read nearly everything offers nearly all its room again.
        let window = facts.and_then(|facts| facts.window);
        let has_room = window.is_none_or(|window| window.saturating_mul(2) >= self.most);
        has_shown || (!is_going && has_room && has_waited)
    }

    /// Returns whether the receiver's connection broke; `None` while that is not certain. A killed program
    /// leaves it so when it had not read everything.
    fn is_broken(&self) -> Option<bool> {
        let error = self.socket.as_ref().map(|handle| SockRef::from(&handle.socket).take_error());
        // In this order: what the socket does not tell here, it told whoever reads and writes.
        if matches!(error, None | Some(Ok(None))) { self.meter.is_broken() } else { Some(true) }
    }

    /// Returns whether the receiver has ended its connection.
    fn has_ended(&self) -> bool {
        let Some(handle) = &self.socket else { return false };
        let ready = handle.socket.ready(Interest::READABLE);
        let mut context = Context::from_waker(std::task::Waker::noop());
        match std::pin::pin!(ready).poll(&mut context) {
            Poll::Ready(Ok(ready)) => {
                forget_readiness(&handle.socket);
                ready.is_read_closed()
            }
            Poll::Ready(Err(_)) => true,
            Poll::Pending => false,
        }
    }
}

/// Makes the next [`TcpStream::ready`] wait for something new, since what is there is for hyper.
fn forget_readiness(socket: &TcpStream) {
    let nothing = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
    drop(socket.try_io(Interest::READABLE, nothing));
}

/// Ends when the other end of a connection has left: it broke, or nothing more will come. A program
/// that was killed and one that only closed its sending side look alike, so both have left.
pub(super) async fn left(lent: oneshot::Receiver<TcpStream>) {
    let Ok(socket) = lent.await else { return std::future::pending().await };
    loop {
        match socket.ready(Interest::READABLE).await {
            Ok(ready) if !ready.is_read_closed() => forget_readiness(&socket),
            Ok(_) | Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: u64 = 1_000_000;

    fn facts(unread: Option<u64>) -> Option<Facts> {
        Some(Facts { acknowledged: END, window: Some(6_000_000), unread })
    }

    #[test]
    fn who_was_killed_a_moment_ago_is_not_believed() {
        let mut receiver = Receiver::new(Arc::default(), &|_| ());
        // Elsewhere, whoever has acknowledged everything and has room for more is believed after a while.
        assert!(!receiver.has_read(facts(None), END, false, false));
        assert!(receiver.has_read(facts(None), END, false, true));
        receiver.is_known = true;
        assert!(receiver.has_read(facts(Some(0)), END, false, false));
        assert!(!receiver.has_read(facts(Some(1)), END, true, true));
        // Its socket is gone, and a reset may be on its way.
        assert!(!receiver.has_read(facts(None), END, false, true));
        assert!(receiver.has_read(facts(None), END, true, true));
        assert!(receiver.has_read(None, END, false, true), "it was no reset");
    }
}
