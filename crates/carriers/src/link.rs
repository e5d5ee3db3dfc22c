//! The gateway's side of a link.

use std::fmt;

use crosstalk::transaction::Body;
use http::{Request, Response};

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
#[derive(Clone)]
pub struct Link {
    // (to be filled in by the carriers)
}

/// Why a request got no answer over a link.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// All transactions that the link can carry are under way; another link may have room.
    #[error("the link carries as many transactions as it can")]
    Busy,
    /// The link ended before the request was on its way: it is safe to send it over another link.
    #[error("the link is closed")]
    Closed,
    /// The link ended, or the peer gave up, after the request was on its way.
    #[error("the peer went away in the middle of the request")]
    Lost(#[source] crosstalk::transaction::BodyError),
    /// The peer cannot do this (an upgrade over a carrier that has none).
    #[error("the link cannot carry this kind of request")]
    Unsupported,
}

/// How a link ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkEnd {
    /// The gateway closed it.
    Closed,
    /// The peer closed it, or the network broke.
    Lost,
    /// The peer did not answer a ping in time.
    Silent,
}

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

    /// Sends a request and returns the head of its response; both bodies stream.
    ///
    /// Takes a place on the link that is given back when the response body ends or is dropped.
    /// Dropping the future or the response body cancels the transaction at the peer. There is no
    /// deadline in here: the caller has one.
    ///
    /// A request with `Upgrade` and `hyper::upgrade::OnUpgrade` in its extensions (a WebSocket)
    /// is carried too; the 101 response then has an `OnUpgrade` of its own in its extensions.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn send(&self, request: Request<Body>) -> Result<Response<Body>, SendError> {
        let _ = request;
        unimplemented!()
    }

    /// Takes no more requests and ends the link when those under way are done.
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
