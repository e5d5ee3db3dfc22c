//! The gateway's side of the handshake.

use crosstalk::transaction::{self, Body};
use http::{HeaderValue, Method, Response, StatusCode, Version, header, request::Parts};
use hyper::upgrade::OnUpgrade;
use tokio::time::{Duration, timeout};
use tokio_util::task::TaskTracker;

use super::{Protocol, Token, h1, h2};
use crate::{
    Link, Timing,
    accept::{LinkError, Refusal, list},
    line::Line,
};

/// How long the 101 and what follows at once may take: the rest of a handshake that went well.
const LINK_WITHIN: Duration = Duration::from_secs(10);

/// A peer's wish to turn the connection around, read and found good.
#[derive(Clone, Debug)]
pub struct Offer {
    token: HeaderValue,
    protocol: Protocol,
    names_protocol: bool,
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
