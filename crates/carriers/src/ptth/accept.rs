//! The gateway's side of the handshake.

use crosstalk::{registry::Refused, transaction::Body};
use http::{HeaderMap, HeaderValue, Response, StatusCode, request::Parts};
use hyper::upgrade::OnUpgrade;
use tokio_util::task::TaskTracker;

use super::Protocol;
use crate::{Link, Timing};

/// A peer's wish to turn the connection around, read and found good.
#[derive(Clone, Debug)]
pub struct Offer {
    token: HeaderValue,
    protocol: Protocol,
    names_protocol: bool,
}

/// Why a request for an upgrade is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no `Upgrade`, where one is needed. Never from [`read`]; for the gateway's answer
    /// at the place where links are accepted.
    #[error("this address is for computers that publish something, not for a browser")]
    NoUpgrade,
    /// The request is not HTTP/1.1, so the connection cannot change its protocol.
    #[error("a link begins with HTTP/1.1")]
    Version,
    /// The method is neither `GET` nor `POST`.
    #[error("a link begins with GET or POST")]
    Method,
    /// The request has a body.
    #[error("a request for a link has no body")]
    Body,
    /// `Upgrade: ptth` without `Connection: upgrade`.
    #[error("a request for a link needs the header Connection: Upgrade")]
    Connection,
    /// `Upgrade: ptth` without `ALPN`.
    #[error("a request for a link by ptth needs the header ALPN")]
    AlpnMissing,
    /// `ALPN` names nothing that the gateway speaks, or cannot be read.
    #[error("the header ALPN names neither h2 nor http%2F1.1")]
    AlpnUnknown,
}

/// Why an accepted offer did not become a link.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The connection ended before it was turned around.
    #[error("the connection ended before it was turned around")]
    Lost(#[source] hyper::Error),
    /// The peer does not speak the protocol that was agreed on.
    #[error("the peer does not speak the protocol that was agreed on")]
    Protocol,
    /// The peer was silent after the upgrade.
    #[error("the peer was silent after the upgrade")]
    TimedOut,
}

/// Reads a request for a link. `None` is any other request.
///
/// # Errors
/// When it is a request for a link and cannot be granted.
pub fn read(request: &Parts) -> Result<Option<Offer>, Refusal> {
    let _ = request;
    unimplemented!()
}

/// Reads the proof of identity: `Authorization: Bearer <proof>`, or `Basic` with the proof as the
/// password (or as the user when the password is empty), for programs that have nothing else.
#[must_use]
pub fn credentials(headers: &HeaderMap) -> Option<String> {
    let _ = headers;
    unimplemented!()
}

impl Offer {
    /// Returns the protocol that will be spoken in reverse.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Returns the answer that turns the connection around.
    #[must_use]
    pub fn response(&self) -> Response<Body> {
        let _ = (&self.token, self.names_protocol);
        unimplemented!()
    }

    /// Waits until [`Offer::response`] was sent and makes the connection a link.
    ///
    /// The link's tasks belong to `tasks`; they end with the link.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn link(self, upgrade: OnUpgrade, tasks: &TaskTracker) -> Result<Link, LinkError> {
        self.link_with(upgrade, tasks, Timing::default()).await
    }

    /// The same with times of one's own.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn link_with(
        self,
        upgrade: OnUpgrade,
        tasks: &TaskTracker,
        timing: Timing,
    ) -> Result<Link, LinkError> {
        let _ = (upgrade, tasks, timing);
        unimplemented!()
    }
}

impl Refusal {
    /// Returns the status of the answer.
    #[must_use]
    pub fn status(self) -> StatusCode {
        unimplemented!()
    }

    /// Returns what the answer's body says.
    #[must_use]
    pub fn refused(self) -> Refused {
        unimplemented!()
    }

    /// Returns the answer: [`Refusal::refused`] as JSON, with `Upgrade: ptth` and `Allow` where
    /// they belong.
    #[must_use]
    pub fn response(self) -> Response<Body> {
        unimplemented!()
    }
}
