//! The gateway's side of a link.

use std::fmt;

use crosstalk::transaction::{Body, BodyError};
use http::{Request, Response};
use hyper::upgrade::OnUpgrade;

/// Which wire a link uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// Reversed HTTP/1.1 after an upgrade; one transaction at a time.
    PtthHttp1,
    /// Reversed HTTP/2 after an upgrade.
    PtthHttp2,
}

impl fmt::Display for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PtthHttp1 => "reversed HTTP/1.1",
            Self::PtthHttp2 => "reversed HTTP/2",
        })
    }
}

/// A live link to a peer: something that answers requests. Cheap to clone; all clones are the
/// same link.
///
/// A link takes as many transactions as it has [places](Link::room). A reversed HTTP/2 link has
/// fewer of them than the peer allows streams, so no visitor ever waits unseen inside HTTP/2; a few
/// more are kept for [control transactions](crosstalk::control), which stalled visitors therefore
/// cannot hold up. A reversed HTTP/1.1 link has one place.
#[derive(Clone)]
pub struct Link {}

/// A place on a link for one transaction. It is free again when the place is dropped, or when the
/// response that [`Place::send`] returned has ended or is dropped.
#[must_use = "the place is free again when this is dropped"]
pub struct Place {}

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
    /// The request as it came, if nothing of it has left: it can be sent over another link.
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
}

/// The peer's end of an upgraded connection (a WebSocket), out of a 101 response. It keeps its
/// place on the link.
pub struct Tunnel {}

impl Link {
    /// Returns which wire the link uses.
    #[must_use]
    pub fn carrier(&self) -> Carrier {
        unimplemented!()
    }

    /// Returns whether the link takes requests.
    #[must_use]
    pub fn is_open(&self) -> bool {
        unimplemented!()
    }

    /// Returns how many more transactions the link could carry now.
    #[must_use]
    pub fn room(&self) -> usize {
        unimplemented!()
    }

    /// Takes a place if one is free.
    ///
    /// # Errors
    /// [`SendError::Busy`] or [`SendError::Closed`].
    pub fn try_reserve(&self) -> Result<Place, SendError> {
        unimplemented!()
    }

    /// Waits for a place; who waits longest comes first. There is no deadline in here.
    ///
    /// # Errors
    /// [`SendError::Closed`].
    pub async fn reserve(&self) -> Result<Place, SendError> {
        unimplemented!()
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
        let _ = request;
        unimplemented!()
    }

    /// Takes no more requests and ends the link when those under way are done. There is no deadline
    /// in here: wait for [`Link::ended`] with one, then [`Link::close`].
    pub fn drain(&self) {
        unimplemented!()
    }

    /// Ends the link now; transactions under way are cut.
    pub fn close(&self) {
        unimplemented!()
    }

    /// Waits until the link has ended.
    pub async fn ended(&self) -> LinkEnd {
        unimplemented!()
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
    /// A `GET` with `Upgrade: websocket` is carried too; the 101 response has an
    /// [`OnUpgrade`] of its own in its extensions. Take it out with [`Tunnel::take`], which keeps
    /// the place as long as the WebSocket lives. Any other `Upgrade` is ignored, as RFC 9110 §7.8
    /// allows.
    ///
    /// # Errors
    /// See [`SendError`]; never [`SendError::Busy`].
    pub async fn send(self, request: Request<Body>) -> Result<Response<Body>, Unsent> {
        let _ = request;
        unimplemented!()
    }
}

impl Tunnel {
    /// Takes the upgraded connection out of a 101 response that came over a link.
    #[must_use]
    pub fn take(response: &mut Response<Body>) -> Option<Self> {
        let _ = response;
        unimplemented!()
    }

    /// Passes bytes between the visitor and the peer until both directions have ended, and returns
    /// how many went to the peer and how many to the visitor. There is no deadline in here: a
    /// WebSocket may rest for hours. Dropping the future ends both connections.
    ///
    /// # Errors
    /// When one of the two connections breaks.
    pub async fn join(self, visitor: OnUpgrade) -> std::io::Result<(u64, u64)> {
        let _ = visitor;
        unimplemented!()
    }
}
