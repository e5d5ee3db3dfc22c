//! The peer's side of the handshake.

use http::{HeaderMap, HeaderValue, Method, header};

use super::{Protocol, Token};
use crate::{
    DialError, DialOptions, Served, Timing,
    dialled::Kind,
    upgrade::{unfit, upgrade},
};

/// Dials a gateway by `Upgrade: ptth`. `protocols` are offered in this order; the gateway chooses.
///
/// # Errors
/// See [`DialError`].
pub async fn dial(options: &DialOptions, protocols: &[Protocol]) -> Result<Served, DialError> {
    dial_with(options, Token::Ptth, protocols, Timing::default()).await
}

/// The same with another name of the protocol and times of one's own.
///
/// The old names say nothing of HTTP/2, so `ALPN` goes with them only if `protocols` has it.
///
/// # Errors
/// See [`DialError`].
pub async fn dial_with(
    options: &DialOptions,
    token: Token,
    protocols: &[Protocol],
    timing: Timing,
) -> Result<Served, DialError> {
    let offered = if protocols.is_empty() { &[Protocol::Http1] } else { protocols };
    let mut headers = HeaderMap::new();
    headers.insert(header::UPGRADE, HeaderValue::from_static(token.as_str()));
    if token == Token::Ptth || offered.contains(&Protocol::Http2) {
        let names: Vec<&str> = offered.iter().map(|protocol| protocol.alpn()).collect();
        headers.insert("alpn", HeaderValue::from_str(&names.join(", ")).map_err(unfit)?);
    }
    let method = match token {
        Token::Ptth => Method::GET,
        Token::Ptth10 | Token::Ptth09 => Method::POST,
    };
    let agreed = |headers: &HeaderMap| agreed(headers, token, offered);
    let (protocol, connection) = upgrade(options, method, headers, agreed).await?;
    Ok(Served(Kind::Ptth { protocol, connection, timing }))
}

/// Reads which protocol the gateway chose, and refuses what was not offered.
fn agreed(headers: &HeaderMap, asked: Token, offered: &[Protocol]) -> Result<Protocol, DialError> {
    let upgrade = headers.get(header::UPGRADE).and_then(|token| token.to_str().ok());
    // SL's page answers PTTH/1.0 to PTTH/0.9; both say the same.
    let fits = upgrade
        .and_then(Token::read)
        .is_some_and(|token| (token == Token::Ptth) == (asked == Token::Ptth));
    let chosen = match headers.get("alpn") {
        None => Some(Protocol::Http1),
        Some(value) => value.to_str().ok().and_then(|value| Protocol::read_alpn(value).next()),
    };
    match chosen {
        Some(protocol) if fits && offered.contains(&protocol) => Ok(protocol),
        Some(_) | None => Err(DialError::NotAGateway),
    }
}
