//! How somebody becomes a member: the handshake of a WebSocket (RFC 6455 §4.2).

use std::sync::Arc;

use axum::response::IntoResponse as _;
use crosstalk::{
    label::Label,
    members::TICKET_PREFIX,
    registry::Reason,
    taxi::SUBPROTOCOL,
    transaction::{self, Body},
};
use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Version, header, request::Parts,
};
use hyper::upgrade::OnUpgrade;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::{Membership, Visit, Who, socket, visitor_name};
use crate::{headers, refusal::Refusal, shared::Connection};

/// The longest ticket: a secret of 128 bits, written in whatever way.
const MAX_TICKET: usize = 64;

/// What of a visitor's handshake the peer judges by.
const FOR_THE_PEER: &[HeaderName] =
    &[header::COOKIE, header::AUTHORIZATION, header::USER_AGENT, header::ACCEPT_LANGUAGE];

/// A handshake that is in order.
struct Handshake {
    upgrade: OnUpgrade,
    accept: String,
}

/// Makes a visitor of a site a member, or says why not. Must be asked with the headers as the
/// visitor sent them.
pub(crate) fn enter_site(
    connection: &Connection,
    label: Label,
    mut parts: Parts,
) -> Response<Body> {
    let entered = visitor(connection, label, &mut parts);
    let response = match entered {
        Ok(response) => return response,
        Err(refusal) => refusal.into_response(),
    };
    response.map(transaction::boxed)
}

fn visitor(
    connection: &Connection,
    label: Label,
    parts: &mut Parts,
) -> Result<Response<Body>, Refusal> {
    if !headers::is_of_the_host(&parts.headers) {
        // A page of somebody else, opened in the visitor's browser, would write in his name.
        return Err(Refusal::new(
            StatusCode::FORBIDDEN,
            Reason::NotAdmitted,
            "only a page of this very site may connect here",
        ));
    }
    if connection.shared.names.owner(&label).is_none() {
        return Err(Refusal::not_found("there is no such site"));
    }
    let name = match ticket(&parts.headers) {
        Some(ticket) => visitor_name(&label, ticket.as_bytes()),
        None => visitor_name(&label, &rand::random::<[u8; 16]>()),
    };
    let visitor = connection.visitor(&parts.headers);
    let mut kept = HeaderMap::new();
    for name in FOR_THE_PEER {
        for value in parts.headers.get_all(name) {
            kept.append(name, value.clone());
        }
    }
    let visit = Arc::new(Visit::new(visitor, kept));
    enter(connection, parts, Who::Visitor { label, name, visit })
}

/// Makes a program of an identity a member.
pub(crate) async fn enter_gateway(
    connection: &Connection,
    parts: &mut Parts,
) -> Result<Response<Body>, Refusal> {
    let key = connection.identify(&parts.headers).await?;
    enter(connection, parts, Who::Identity(key))
}

fn enter(connection: &Connection, parts: &mut Parts, who: Who) -> Result<Response<Body>, Refusal> {
    let handshake = read(parts)?;
    let members = &connection.shared.members;
    let turn = connection.turn(members.addresses(), connection.visitor(&parts.headers));
    let member = turn.and_then(|turn| members.enter(who, turn));
    let member = member.ok_or_else(|| {
        Refusal::busy("there are as many connections of this kind as there can be")
    })?;
    Ok(begin(connection, handshake, member))
}

fn begin(connection: &Connection, handshake: Handshake, member: Membership) -> Response<Body> {
    let (shared, place) = (connection.shared.clone(), connection.place.clone());
    let cut = connection.shared.cut.clone();
    connection.shared.visitors.spawn(async move {
        // It counts as one of the gateway's connections as long as it lasts.
        let _place = place;
        let served = socket::serve(&shared, handshake.upgrade, member);
        cut.run_until_cancelled(served).await;
    });
    let mut response = Response::new(transaction::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    // Base64 is always a valid value.
    if let Ok(accept) = HeaderValue::from_str(&handshake.accept) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    response
}

fn read(parts: &mut Parts) -> Result<Handshake, Refusal> {
    let bad = |sentence: &str| Refusal::new(StatusCode::BAD_REQUEST, Reason::BadRequest, sentence);
    if parts.version != Version::HTTP_11 || !headers::is_websocket(&parts.method, &parts.headers) {
        return Err(Refusal::new(
            StatusCode::UPGRADE_REQUIRED,
            Reason::UpgradeRequired,
            "this address is for WebSockets",
        ));
    }
    if parts.headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(bad("the version of a WebSocket is 13"));
    }
    if !protocols(&parts.headers).any(|protocol| protocol == SUBPROTOCOL) {
        return Err(bad("the sub-protocol here is taxi"));
    }
    let key = parts.headers.get(header::SEC_WEBSOCKET_KEY);
    let key = key.ok_or_else(|| bad("a WebSocket needs a key"))?;
    let accept = derive_accept_key(key.as_bytes());
    let upgrade = parts.extensions.remove::<OnUpgrade>();
    let upgrade = upgrade.ok_or_else(|| bad("this connection cannot become a WebSocket"))?;
    Ok(Handshake { upgrade, accept })
}

fn protocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).map(str::trim)
}

/// Returns the secret by which a visitor is known again.
fn ticket(headers: &HeaderMap) -> Option<&str> {
    let ticket = protocols(headers).find_map(|protocol| protocol.strip_prefix(TICKET_PREFIX))?;
    // One that anybody can guess is none.
    (16..=MAX_TICKET).contains(&ticket.len()).then_some(ticket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_long_enough_to_be_a_secret() {
        for (protocols, expected) in [
            ("taxi", None),
            ("taxi, ticket.AAECAwQFBgcICQoLDA0ODw", Some("AAECAwQFBgcICQoLDA0ODw")),
            ("taxi, ticket.1", None),
            ("taxi, ticket.", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocols.parse().unwrap());
            assert_eq!(ticket(&headers), expected);
        }
    }
}
