//! The gateway's side of the handshake.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use crosstalk::{
    taxi::SUBPROTOCOL,
    transaction::{self, Body},
    transactions::Numbers,
};
use http::{HeaderValue, Response, StatusCode, Version, header, request::Parts};
use hyper::upgrade::OnUpgrade;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::{VERSION, transport::Transport};
use crate::{
    Link, Timing,
    accept::{LinkError, Refusal, list},
    line::Line,
    messages, websocket,
};

/// How long the 101 may take: the rest of a handshake that went well.
const LINK_WITHIN: Duration = Duration::from_secs(10);

/// The bytes of a key (RFC 6455 §4.1).
const KEY_BYTES: usize = 16;

/// A peer's wish for a link by `Upgrade: websocket` with the sub-protocol `taxi`, read and found good.
#[derive(Clone, Debug)]
pub struct Offer {
    accept: HeaderValue,
}

/// Reads a request for a link. `None` is any other request, a WebSocket for something else too.
///
/// # Errors
/// When it is a request for a link and cannot be granted.
pub fn read(request: &Parts) -> Result<Option<Offer>, Refusal> {
    let headers = &request.headers;
    // The names of sub-protocols are compared letter for letter (RFC 6455 §11.3.4).
    let offers = list(headers, header::SEC_WEBSOCKET_PROTOCOL).any(|name| name == SUBPROTOCOL);
    if !offers || !websocket::is_request(&request.method, headers) {
        return Ok(None);
    }
    if request.version != Version::HTTP_11 {
        return Err(Refusal::Version);
    }
    // What follows the head would be taken for the first frame.
    let empty = headers.get_all(header::CONTENT_LENGTH).iter().all(|length| length == "0");
    if !empty || headers.contains_key(header::TRANSFER_ENCODING) {
        return Err(Refusal::Body);
    }
    let mut connection = list(headers, header::CONNECTION);
    if !connection.any(|name| name.eq_ignore_ascii_case("upgrade")) {
        return Err(Refusal::Connection);
    }
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != VERSION) {
        return Err(Refusal::WebSocketVersion);
    }
    let mut keys = headers.get_all(header::SEC_WEBSOCKET_KEY).iter();
    let (Some(key), None) = (keys.next(), keys.next()) else {
        return Err(Refusal::WebSocketKey);
    };
    if BASE64_STANDARD.decode(key).ok().is_none_or(|key| key.len() != KEY_BYTES) {
        return Err(Refusal::WebSocketKey);
    }
    let accept = websocket::accept(key).ok_or(Refusal::WebSocketKey)?;
    Ok(Some(Offer { accept }))
}

impl Offer {
    /// Returns the answer that turns the connection around. No extension is agreed on: compressed
    /// together, a secret and what a visitor chose can be told from the length.
    #[must_use]
    pub fn response(&self) -> Response<Body> {
        let mut response = Response::new(transaction::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        websocket::announce(headers);
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, self.accept.clone());
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
        response
    }

    /// Waits until [`Offer::response`] was sent and makes the connection a link.
    ///
    /// The link's tasks belong to `tasks`; they end with the link.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn link_with(
        self,
        upgrade: OnUpgrade,
        tasks: &TaskTracker,
        timing: Timing,
    ) -> Result<Link, LinkError> {
        let upgraded = timeout(LINK_WITHIN, upgrade).await.map_err(|_| LinkError::TimedOut)?;
        let (line, handle) = Line::new(upgraded.map_err(LinkError::Lost)?);
        let transport = Transport::new(line, Numbers::Even).await;
        let setup = super::setup(Numbers::Even, handle, timing);
        Ok(messages::link(transport, setup, None, tasks))
    }
}
