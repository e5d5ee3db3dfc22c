//! The peer's side of the handshake.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use crosstalk::{taxi::SUBPROTOCOL, transaction::Handler, transactions::Numbers};
use http::{HeaderMap, HeaderValue, Method, header};
use hyper::upgrade::Upgraded;
use tokio_util::sync::CancellationToken;

use super::{VERSION, transport::Transport};
use crate::{
    DialError, DialOptions, LinkEnd, Served, Timing, accept::list, dialled::Kind, line::Line,
    messages, upgrade, websocket,
};

/// A link that is up and not yet served.
pub(crate) struct Dialled {
    connection: Upgraded,
    timing: Timing,
}

impl Dialled {
    /// See [`Served::run`].
    pub(crate) async fn run(
        self,
        handler: Handler,
        stop: CancellationToken,
        grace: Duration,
    ) -> LinkEnd {
        let (line, handle) = Line::new(self.connection);
        let transport = Transport::new(line, Numbers::Odd).await;
        let setup = super::setup(Numbers::Odd, handle, self.timing);
        messages::serve(transport, setup, handler, stop, grace).await
    }
}

/// Dials a gateway by `Upgrade: websocket` with the sub-protocol `taxi`.
///
/// # Errors
/// See [`DialError`].
pub async fn dial(options: &DialOptions) -> Result<Served, DialError> {
    dial_with(options, Timing::default()).await
}

/// The same with times of one's own.
///
/// # Errors
/// See [`DialError`].
pub async fn dial_with(options: &DialOptions, timing: Timing) -> Result<Served, DialError> {
    let key = BASE64_STANDARD.encode(rand::random::<[u8; 16]>());
    let key = HeaderValue::from_str(&key).map_err(upgrade::unfit)?;
    let mut headers = HeaderMap::new();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION));
    headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    headers.insert(header::SEC_WEBSOCKET_KEY, key.clone());
    let agreed = |headers: &HeaderMap| agreed(headers, &key);
    let ((), connection) = upgrade::upgrade(options, Method::GET, headers, agreed).await?;
    Ok(Served(Kind::Taxi(Dialled { connection, timing })))
}

/// Checks that it is the WebSocket that was asked for (RFC 6455 §4.1): of this key, for TAXI, and
/// without extensions, of which none was offered.
fn agreed(headers: &HeaderMap, key: &HeaderValue) -> Result<(), DialError> {
    let upgrade = list(headers, header::UPGRADE).any(|to| to.eq_ignore_ascii_case("websocket"));
    let accept = headers.get(header::SEC_WEBSOCKET_ACCEPT);
    let speaks_taxi = list(headers, header::SEC_WEBSOCKET_PROTOCOL).eq([SUBPROTOCOL]);
    let extended = headers.contains_key(header::SEC_WEBSOCKET_EXTENSIONS);
    if upgrade
        && accept.is_some()
        && accept == websocket::accept(key).as_ref()
        && speaks_taxi
        && !extended
    {
        Ok(())
    } else {
        Err(DialError::NotAGateway)
    }
}
