//! The gateway's side of the handshake.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use crosstalk::{
    registry::{Reason, Refused},
    transaction::{self, Body},
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Version, header, request::Parts};
use hyper::upgrade::OnUpgrade;
use tokio::time::{Duration, timeout};
use tokio_util::task::TaskTracker;

use super::{Protocol, Token, h1, h2};
use crate::{Link, Timing, line::Line};

/// How long the 101 and what follows at once may take: the rest of a handshake that went well.
const LINK_WITHIN: Duration = Duration::from_secs(10);

/// The longest `Authorization` that is read; a proof is a tenth of it.
const MAX_CREDENTIALS: usize = 8 * 1024;

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
    Protocol(#[source] Option<hyper::Error>),
    /// The peer was silent after the upgrade.
    #[error("the peer was silent after the upgrade")]
    TimedOut,
}

/// Reads a request for a link. `None` is any other request.
///
/// # Errors
/// When it is a request for a link and cannot be granted.
pub fn read(request: &Parts) -> Result<Option<Offer>, Refusal> {
    let headers = &request.headers;
    let Some((token, value)) = list(headers, header::UPGRADE)
        .find_map(|text| Token::read(text).map(|token| (token, text)))
    else {
        return Ok(None);
    };
    if request.version != Version::HTTP_11 {
        return Err(Refusal::Version);
    }
    if !matches!(request.method, Method::GET | Method::POST) {
        return Err(Refusal::Method);
    }
    // What follows the head would be taken for the first reversed bytes.
    let empty = headers.get_all(header::CONTENT_LENGTH).iter().all(|length| length == "0");
    if !empty || headers.contains_key(header::TRANSFER_ENCODING) {
        return Err(Refusal::Body);
    }
    let mut connection = list(headers, header::CONNECTION);
    if token == Token::Ptth && !connection.any(|name| name.eq_ignore_ascii_case("upgrade")) {
        return Err(Refusal::Connection);
    }
    let names_protocol = headers.contains_key("alpn");
    let protocol = if names_protocol {
        let offered: Vec<Protocol> = headers
            .get_all("alpn")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(Protocol::read_alpn)
            .collect();
        // Ours to choose, whatever the order: HTTP/2 carries more.
        [Protocol::Http2, Protocol::Http1]
            .into_iter()
            .find(|protocol| offered.contains(protocol))
            .ok_or(Refusal::AlpnUnknown)?
    } else if token == Token::Ptth {
        return Err(Refusal::AlpnMissing);
    } else {
        Protocol::Http1
    };
    // The token came out of a header, so it fits into one.
    let token = HeaderValue::from_str(value).map_err(|_| Refusal::NoUpgrade)?;
    Ok(Some(Offer { token, protocol, names_protocol }))
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
fn list(headers: &HeaderMap, name: header::HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).into_iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).map(str::trim)
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
        let mut response = Response::new(transaction::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        // Letter for letter: there are peers that compare both, and one of them minds the capital.
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, self.token.clone());
        if self.names_protocol {
            headers.insert("alpn", HeaderValue::from_static(self.protocol.alpn()));
        }
        response
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
        let link = timeout(LINK_WITHIN, async {
            let (line, handle) = Line::new(upgrade.await.map_err(LinkError::Lost)?);
            match self.protocol {
                Protocol::Http2 => h2::link(line, handle, tasks, timing).await,
                Protocol::Http1 => h1::link(line, handle, tasks).await,
            }
        });
        link.await.unwrap_or(Err(LinkError::TimedOut))
    }
}

impl Refusal {
    /// Returns the status of the answer.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::NoUpgrade | Self::Version => StatusCode::UPGRADE_REQUIRED,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Body | Self::Connection | Self::AlpnMissing | Self::AlpnUnknown => {
                StatusCode::BAD_REQUEST
            }
        }
    }

    /// Returns what the answer's body says.
    #[must_use]
    pub fn refused(self) -> Refused {
        let reason = match self {
            Self::NoUpgrade | Self::Version => Reason::UpgradeRequired,
            Self::Method
            | Self::Body
            | Self::Connection
            | Self::AlpnMissing
            | Self::AlpnUnknown => Reason::BadRequest,
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
            Self::Body | Self::Connection | Self::AlpnMissing | Self::AlpnUnknown => {}
        }
        response
    }
}
