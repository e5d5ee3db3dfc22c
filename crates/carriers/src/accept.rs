//! Where links begin at the gateway: a request on its own host that asks for an upgrade.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use crosstalk::{
    registry::{Reason, Refused},
    transaction::{self, Body},
};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header, request::Parts};
use hyper::upgrade::OnUpgrade;
use tokio_util::task::TaskTracker;

use crate::{Carrier, Link, Timing, petrichor, ptth, taxi};

/// The longest `Authorization` that is read; a proof is a tenth of it.
const MAX_CREDENTIALS: usize = 8 * 1024;

/// A peer's wish to make a connection a link, read and found good.
#[derive(Clone, Debug)]
pub enum Offer {
    /// `Upgrade: petrichor/1`.
    Petrichor(petrichor::accept::Offer),
    /// `Upgrade: ptth` and its older names.
    Ptth(ptth::accept::Offer),
    /// `Upgrade: websocket` with the sub-protocol `taxi`.
    Taxi(taxi::accept::Offer),
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
    /// An `Upgrade` without `Connection: upgrade`.
    #[error("a request for a link needs the header Connection: Upgrade")]
    Connection,
    /// `Upgrade: ptth` without `ALPN`.
    #[error("a request for a link by ptth needs the header ALPN")]
    AlpnMissing,
    /// `ALPN` names nothing that the gateway speaks, or cannot be read.
    #[error("the header ALPN names neither h2 nor http%2F1.1")]
    AlpnUnknown,
    /// `Upgrade: websocket` without `Sec-WebSocket-Key`, or with one that is none.
    #[error("a request for a WebSocket needs a Sec-WebSocket-Key of 16 bytes")]
    WebSocketKey,
    /// `Upgrade: websocket` by another version than RFC 6455.
    #[error("the gateway speaks version 13 of WebSockets")]
    WebSocketVersion,
}

/// Why an accepted offer did not become a link.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The connection ended before it was turned around.
    #[error("the connection ended before it was turned around")]
    Lost(#[source] hyper::Error),
    /// The peer does not speak the protocol that was agreed on.
    #[error("the peer does not speak the protocol that was agreed on")]
    Protocol(#[source] Option<hyper::Error>),
    /// The connection broke, or what came over it is not in order.
    #[error("the peer and the gateway did not come to an understanding")]
    Broken(#[source] std::io::Error),
    /// The peer was silent after the upgrade.
    #[error("the peer was silent after the upgrade")]
    TimedOut,
}

/// Reads a request for a link. `None` is any other request.
///
/// # Errors
/// When it is a request for a link and cannot be granted.
pub fn read(request: &Parts) -> Result<Option<Offer>, Refusal> {
    if let Some(offer) = petrichor::accept::read(request)? {
        return Ok(Some(Offer::Petrichor(offer)));
    }
    if let Some(offer) = ptth::accept::read(request)? {
        return Ok(Some(Offer::Ptth(offer)));
    }
    Ok(taxi::accept::read(request)?.map(Offer::Taxi))
}

impl Offer {
    /// Returns which carrier the link will use.
    #[must_use]
    pub fn carrier(&self) -> Carrier {
        match self {
            Self::Petrichor(_) => Carrier::Petrichor,
            Self::Ptth(offer) => offer.protocol().into(),
            Self::Taxi(_) => Carrier::Taxi,
        }
    }

    /// Returns the answer that turns the connection around.
    #[must_use]
    pub fn response(&self) -> Response<Body> {
        match self {
            Self::Petrichor(offer) => offer.response(),
            Self::Ptth(offer) => offer.response(),
            Self::Taxi(offer) => offer.response(),
        }
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
        match self {
            Self::Petrichor(offer) => offer.link_with(upgrade, tasks, timing).await,
            Self::Ptth(offer) => offer.link_with(upgrade, tasks, timing).await,
            Self::Taxi(offer) => offer.link_with(upgrade, tasks, timing).await,
        }
    }
}

/// Reads the proof of identity: `Authorization: Bearer <proof>`, or `Basic` with the proof as the
/// password (or as the user when the password is empty), for programs that have nothing else.
///
/// `None` is also an answer to more than one `Authorization`: nobody can say which one counts.
#[must_use]
pub fn credentials(headers: &HeaderMap) -> Option<String> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    if value.len() > MAX_CREDENTIALS {
        return None;
    }
    let (scheme, rest) = value.to_str().ok()?.split_once(' ')?;
    let rest = rest.trim();
    let proof = if scheme.eq_ignore_ascii_case("bearer") {
        rest.to_owned()
    } else if scheme.eq_ignore_ascii_case("basic") {
        let pair = String::from_utf8(BASE64_STANDARD.decode(rest).ok()?).ok()?;
        let (user, password) = pair.split_once(':')?;
        if password.is_empty() { user.to_owned() } else { password.to_owned() }
    } else {
        return None;
    };
    (!proof.is_empty()).then_some(proof)
}

/// Returns the members of a header that is a list, over all its lines.
pub(crate) fn list(headers: &HeaderMap, name: header::HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).into_iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).map(str::trim)
}

impl Refusal {
    /// Returns the status of the answer.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::NoUpgrade | Self::Version | Self::WebSocketVersion => {
                StatusCode::UPGRADE_REQUIRED
            }
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Body
            | Self::Connection
            | Self::AlpnMissing
            | Self::AlpnUnknown
            | Self::WebSocketKey => StatusCode::BAD_REQUEST,
        }
    }

    /// Returns what the answer's body says.
    #[must_use]
    pub fn refused(self) -> Refused {
        let reason = match self {
            Self::NoUpgrade | Self::Version | Self::WebSocketVersion => Reason::UpgradeRequired,
            Self::Method
            | Self::Body
            | Self::Connection
            | Self::AlpnMissing
            | Self::AlpnUnknown
            | Self::WebSocketKey => Reason::BadRequest,
        };
        Refused { reason, sentence: self.to_string() }
    }

    /// Returns the answer: [`Refusal::refused`] as JSON, with `Upgrade` and `Allow` where they
    /// belong. It closes the connection, on which a body may follow that nobody reads.
    #[must_use]
    pub fn response(self) -> Response<Body> {
        // A struct of two strings always has a JSON form.
        let json = serde_json::to_vec(&self.refused()).unwrap_or_default();
        let mut response = Response::new(transaction::full(json));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        match self {
            Self::NoUpgrade | Self::Version => {
                headers.insert(header::UPGRADE, HeaderValue::from_static("ptth"));
                headers.insert(header::CONNECTION, HeaderValue::from_static("close, Upgrade"));
            }
            Self::Method => {
                headers.insert(header::ALLOW, HeaderValue::from_static("GET, POST"));
            }
            Self::WebSocketVersion => {
                headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
                headers.insert(header::CONNECTION, HeaderValue::from_static("close, Upgrade"));
                headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            }
            Self::Body
            | Self::Connection
            | Self::AlpnMissing
            | Self::AlpnUnknown
            | Self::WebSocketKey => {}
        }
        response
    }
}
