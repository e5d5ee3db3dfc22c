//! The gateway's side of a link.

use std::{
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crosstalk::{
    control,
    transaction::{Body, BodyError},
};
use http::{Request, Response, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::{
    io::copy_bidirectional,
    sync::{OwnedSemaphorePermit, Semaphore, watch},
};

use crate::{
    line::LineHandle,
    messages::{Channel, Messages, Offered},
    ptth::{Http1, Http2},
    shape::request_fits,
};

/// Which wire a link uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// Petrichor: pairs of TNetstrings, in batches; many transactions at once.
    Petrichor,
    /// Reversed HTTP/2 after an upgrade; many transactions at once.
    PtthHttp2,
    /// Reversed HTTP/1.1 after an upgrade; one transaction at a time.
    PtthHttp1,
    /// TAXI on a WebSocket; many transactions at once.
    Taxi,
    /// JSON by long poll: nothing but short HTTP requests; a few transactions at once, no WebSockets.
    Poll,
    /// CrossTalk over XMPP, between two accounts; many transactions at once.
    Xmpp,
}

impl Carrier {
    /// All carriers that a gateway offers at its own address, the best first: the order in which a
    /// peer tries them.
    pub const LADDER: [Self; 5] =
        [Self::Petrichor, Self::PtthHttp2, Self::PtthHttp1, Self::Taxi, Self::Poll];

    /// Returns whether one link carries many transactions at once.
    #[must_use]
    pub fn multiplexes(self) -> bool {
        match self {
            Self::Petrichor | Self::PtthHttp2 | Self::Taxi | Self::Poll | Self::Xmpp => true,
            Self::PtthHttp1 => false,
        }
    }

    /// Returns a short name that stays the same, for files and command lines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Petrichor => "petrichor",
            Self::PtthHttp2 => "ptth-h2",
            Self::PtthHttp1 => "ptth-h1",
            Self::Taxi => "taxi",
            Self::Poll => "poll",
            Self::Xmpp => "xmpp",
        }
    }

    /// Reads a [`Carrier::name`].
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let mut all = Self::LADDER.into_iter().chain([Self::Xmpp]);
        all.find(|carrier| carrier.name() == name)
    }
}

impl fmt::Display for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Petrichor => "Petrichor",
            Self::PtthHttp2 => "reversed HTTP/2",
            Self::PtthHttp1 => "reversed HTTP/1.1",
            Self::Taxi => "TAXI on a WebSocket",
            Self::Poll => "long poll",
            Self::Xmpp => "CrossTalk over XMPP",
        })
    }
}

/// A live link to a peer: something that answers requests. Cheap to clone; all clones are the
/// same link.
///
/// A link takes as many transactions as it has [places](Link::room). One that carries many at once
/// has fewer of them than the peer takes, so no visitor ever waits unseen inside the link; a few more
/// are kept for [control transactions](crosstalk::control), which stalled visitors therefore cannot
/// hold up. A reversed HTTP/1.1 link has one place.
#[derive(Clone)]
pub struct Link(Arc<Inner>);

/// A place on a link for one transaction. It is free again when the place is dropped, or when the
/// response that [`Place::send`] returned has ended or is dropped; but when a response ends before its
/// request and the peer still reads that, a carrier of messages keeps the place until it is sent.
#[must_use = "the place is free again when this is dropped"]
pub struct Place {
    link: Arc<Inner>,
    permit: OwnedSemaphorePermit,
}

/// Why a request got no answer over a link.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// All transactions that the link can carry are under way; another link may have room.
    #[error("the link carries as many transactions as it can")]
    Busy,
    /// The link ended before the peer took the request: it is safe to send it over another link.
    #[error("the link is closed")]
    Closed,
    /// The link ended, or the peer gave up, after the request was on its way.
    #[error("the peer went away in the middle of the request")]
    Lost(#[source] BodyError),
    /// The head is larger than the peer takes; see [`crosstalk::limits::MAX_HEAD_BYTES`].
    #[error("the request's head is too large")]
    TooLarge,
    /// The peer cannot do this (a WebSocket over a carrier or to a peer that has none).
    #[error("the link cannot carry this kind of request")]
    Unsupported,
}

/// A request that got no answer.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Unsent {
    /// Why.
    #[source]
    pub error: SendError,
    /// The request as it came, if it can be sent over another link: nothing of it has left.
    pub request: Option<Box<Request<Body>>>,
}

/// How a link ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkEnd {
    /// The gateway closed it in order, or at the peer: `stop` was cancelled.
    Closed,
    /// The peer closed it, or the network broke.
    Lost,
    /// The other side did not answer a ping in time.
    Silent,
    /// At the peer, over XMPP: its session at its own server is over, so nobody knows of the gateway.
    ServerLost,
}

/// The peer's end of an upgraded connection (a WebSocket), out of a 101 response. It keeps its
/// place on the link.
pub struct Tunnel {
    far: Far,
    hold: Hold,
}

/// What a tunnel leads to.
enum Far {
    Upgrade(OnUpgrade),
    Channel(Channel),
}

/// What all clones of a link share. Without any of them the link drains.
pub(crate) struct Inner {
    carrier: Carrier,
    pub(crate) status: Arc<Status>,
    wire: Wire,
}

pub(crate) enum Wire {
    Http1(Http1),
    Http2(Http2),
    Messages(Messages),
}

/// What a link shares with the task that drives it.
pub(crate) struct Status {
    pub(crate) line: LineHandle,
    places: Places,
    closed_here: AtomicBool,
    end: watch::Sender<Option<LinkEnd>>,
}

/// How many transactions a link carries at once.
pub(crate) struct Places {
    visitors: Arc<Semaphore>,
    control: Arc<Semaphore>,
}

/// The place of an upgraded connection, in the extensions of its 101 response.
#[derive(Clone)]
pub(crate) struct Hold {
    link: Arc<Inner>,
    _permit: Arc<OwnedSemaphorePermit>,
}

impl Link {
    pub(crate) fn new(carrier: Carrier, status: Arc<Status>, wire: Wire) -> Self {
        Self(Arc::new(Inner { carrier, status, wire }))
    }

    /// Returns which wire the link uses.
    #[must_use]
    pub fn carrier(&self) -> Carrier {
        self.0.carrier
    }

    /// Returns whether the link takes requests. A peer that is about to leave may be noticed only
    /// by the next request, which then ends with [`SendError::Closed`].
    #[must_use]
    pub fn is_open(&self) -> bool {
        let status = &self.0.status;
        let open = match &self.0.wire {
            Wire::Http1(_) => true,
            Wire::Http2(wire) => wire.is_open(),
            Wire::Messages(wire) => wire.is_open(),
        };
        let taken_down = status.closed_here.load(Ordering::SeqCst) || status.end.borrow().is_some();
        open && !taken_down && !status.places.visitors.is_closed()
    }

    /// Returns how many more transactions the link could carry now.
    #[must_use]
    pub fn room(&self) -> usize {
        if self.is_open() { self.0.status.places.visitors.available_permits() } else { 0 }
    }

    /// Takes a place if one is free.
    ///
    /// # Errors
    /// [`SendError::Busy`] or [`SendError::Closed`].
    pub fn try_reserve(&self) -> Result<Place, SendError> {
        if !self.is_open() {
            return Err(SendError::Closed);
        }
        match Arc::clone(&self.0.status.places.visitors).try_acquire_owned() {
            Ok(permit) => Ok(self.place(permit)),
            Err(tokio::sync::TryAcquireError::NoPermits) => Err(SendError::Busy),
            Err(tokio::sync::TryAcquireError::Closed) => Err(SendError::Closed),
        }
    }

    /// Waits for a place; who waits longest comes first. There is no deadline in here.
    ///
    /// # Errors
    /// [`SendError::Closed`].
    pub async fn reserve(&self) -> Result<Place, SendError> {
        self.wait_for(&self.0.status.places.visitors).await
    }

    async fn wait_for(&self, places: &Arc<Semaphore>) -> Result<Place, SendError> {
        let permit = Arc::clone(places).acquire_owned().await.map_err(|_| SendError::Closed)?;
        if self.is_open() { Ok(self.place(permit)) } else { Err(SendError::Closed) }
    }

    #[cfg(test)]
    pub(crate) fn line(&self) -> LineHandle {
        self.0.status.line.clone()
    }

    fn place(&self, permit: OwnedSemaphorePermit) -> Place {
        Place { link: Arc::clone(&self.0), permit }
    }

    /// Sends a request and returns the head of its response; both bodies stream. Takes a place
    /// ([`Link::try_reserve`]) and sends with it ([`Place::send`]).
    ///
    /// A request for [`crosstalk::control::AUTHORITY`] takes one of the places that are kept for
    /// control transactions, and waits for it.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn send(&self, request: Request<Body>) -> Result<Response<Body>, SendError> {
        let place = if is_control(&request) {
            self.wait_for(&self.0.status.places.control).await?
        } else {
            self.try_reserve()?
        };
        place.send(request).await.map_err(|unsent| unsent.error)
    }

    /// Takes no more requests and ends the link when those under way are done. There is no deadline
    /// in here: wait for [`Link::ended`] with one, then [`Link::close`].
    pub fn drain(&self) {
        self.0.status.note_closed();
        self.0.status.take_no_more();
        self.0.wire.drain();
    }

    /// Ends the link now; transactions under way are cut.
    pub fn close(&self) {
        self.drain();
        self.0.status.line.cut();
    }

    /// Waits until the link has ended.
    pub async fn ended(&self) -> LinkEnd {
        let mut end = self.0.status.end.subscribe();
        match end.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(end)) => *end,
            // The sender is in `self`, so it outlives the wait.
            Ok(None) | Err(_) => LinkEnd::Lost,
        }
    }
}

fn is_control(request: &Request<Body>) -> bool {
    match request.uri().host() {
        Some(host) => host == control::AUTHORITY,
        None => request
            .headers()
            .get(header::HOST)
            .is_some_and(|host| host.as_bytes() == control::AUTHORITY.as_bytes()),
    }
}

impl Place {
    /// Sends a request and returns the head of its response; both bodies stream.
    ///
    /// Dropping the future or the response body cancels the transaction at the peer (on reversed
    /// HTTP/1.1 that ends the link, unless only a little was left). There is no deadline in here:
    /// the caller has one.
    ///
    /// The URI may be in origin form with a `Host` header, or absolute. Headers that are for one
    /// hop only are removed here and from the response. A body that was cut ends with an error.
    ///
    /// A `GET` with `Upgrade: websocket` is carried too; the 101 response has a
    /// connection of its own in its extensions. Take it out with [`Tunnel::take`], which keeps the
    /// place as long as the WebSocket lives. Any other `Upgrade` is ignored, as RFC 9110 §7.8
    /// allows.
    ///
    /// # Errors
    /// See [`SendError`]. [`SendError::Busy`] only when a peer answers many requests without taking
    /// them to their end; the request does not come back then.
    pub async fn send(self, request: Request<Body>) -> Result<Response<Body>, Unsent> {
        let Self { link, permit } = self;
        if !request_fits(&request) {
            return Err(Unsent::new(SendError::TooLarge, request));
        }
        match &link.wire {
            Wire::Http1(wire) => wire.send(&link, permit, request).await,
            Wire::Http2(wire) => wire.send(&link, permit, request).await,
            Wire::Messages(wire) => wire.send(&link, permit, request).await,
        }
    }
}

impl Unsent {
    pub(crate) fn new(error: SendError, request: Request<Body>) -> Self {
        Self { error, request: Some(Box::new(request)) }
    }
}

impl Tunnel {
    /// Takes the upgraded connection out of a 101 response that came over a link.
    #[must_use]
    pub fn take(response: &mut Response<Body>) -> Option<Self> {
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return None;
        }
        let hold = response.extensions_mut().remove::<Hold>()?;
        let far = match response.extensions_mut().remove::<OnUpgrade>() {
            Some(upgrade) => Far::Upgrade(upgrade),
            None => Far::Channel(Offered::take(response.extensions_mut())?),
        };
        Some(Self { far, hold })
    }

    /// Passes bytes between the visitor and the peer until both directions have ended, and returns
    /// how many went to the peer and how many to the visitor. There is no deadline in here: a
    /// WebSocket may rest for hours. Dropping the future ends both connections.
    ///
    /// # Errors
    /// When one of the two connections breaks.
    pub async fn join(self, visitor: OnUpgrade) -> io::Result<(u64, u64)> {
        let Self { far, hold } = self;
        let line = hold.link.status.line.clone();
        let join = async {
            match far {
                Far::Upgrade(upgrade) => {
                    let mut peer = TokioIo::new(upgrade.await.map_err(io::Error::other)?);
                    let mut visitor = TokioIo::new(visitor.await.map_err(io::Error::other)?);
                    copy_bidirectional(&mut visitor, &mut peer).await
                }
                Far::Channel(mut peer) => {
                    let mut visitor = TokioIo::new(visitor.await.map_err(io::Error::other)?);
                    copy_bidirectional(&mut visitor, &mut peer).await
                }
            }
        };
        tokio::select! {
            joined = join => joined,
            // Whoever waits for a slow visitor does not read the link and would not notice.
            () = line.was_cut() => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }
}

impl Wire {
    fn drain(&self) {
        match self {
            Self::Http1(wire) => wire.drain(),
            Self::Http2(wire) => wire.drain(),
            Self::Messages(wire) => wire.drain(),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.status.note_closed();
        self.wire.drain();
    }
}

impl Status {
    pub(crate) fn new(line: LineHandle, places: Places) -> Self {
        Self { line, places, closed_here: AtomicBool::new(false), end: watch::Sender::new(None) }
    }

    /// Notes that it is this end that ends the link.
    pub(crate) fn note_closed(&self) {
        self.closed_here.store(true, Ordering::SeqCst);
    }

    /// Lets nobody begin on the link any more. Whoever finds that it is of no use says so before its
    /// place is free: the driver, which will find the same, may get its turn later than the next
    /// visitor, who would be sent back here again and again.
    pub(crate) fn take_no_more(&self) {
        self.places.close();
    }

    /// Notes that the link has ended, and how if it was not this end that ended it.
    pub(crate) fn finish(&self, end: LinkEnd) {
        let end = if self.closed_here.load(Ordering::SeqCst) { LinkEnd::Closed } else { end };
        self.take_no_more();
        self.end.send_if_modified(|ended| match ended {
            None => {
                *ended = Some(end);
                true
            }
            // How it really ended is known already.
            Some(_) => false,
        });
    }
}

/// How many transactions that the peer would take stay unused, so that one which is just ending at
/// the peer does not make a visitor wait unseen.
const SPARE_PLACES: usize = 12;
/// How many places are kept for control transactions.
const CONTROL_PLACES: usize = 4;

impl Places {
    /// Shares out what a peer takes at once.
    pub(crate) fn of(transactions: usize) -> Self {
        let spare = (CONTROL_PLACES + SPARE_PLACES).min(transactions / 4);
        Self::new(transactions - spare, spare.min(CONTROL_PLACES))
    }

    pub(crate) fn new(visitors: usize, control: usize) -> Self {
        let visitors = Arc::new(Semaphore::new(visitors));
        let control = match control {
            0 => Arc::clone(&visitors),
            control => Arc::new(Semaphore::new(control)),
        };
        Self { visitors, control }
    }

    fn close(&self) {
        self.visitors.close();
        self.control.close();
    }
}

impl Hold {
    pub(crate) fn new(link: Arc<Inner>, permit: OwnedSemaphorePermit) -> Self {
        Self { link, _permit: Arc::new(permit) }
    }
}
