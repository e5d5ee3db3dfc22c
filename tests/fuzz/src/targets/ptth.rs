//! The handshakes of PTTH and of TAXI: who may turn a connection around.

use carriers::{
    accept::{self, Refusal},
    ptth::accept::{Offer, read},
    taxi,
};
use crosstalk::registry::Refused;
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderName, Method, StatusCode, Version, header, request};
use http_body_util::BodyExt as _;

/// What is granted was asked for, in a request that nothing can hide in; what is refused says why.
pub fn target(bytes: &[u8]) {
    let Some(parts) = super::request(bytes) else { return };
    let asks = members(&parts.headers, &header::UPGRADE)
        .iter()
        .any(|token| ["ptth", "ptth/1.0", "ptth/0.9"].contains(&token.as_str()));
    match read(&parts) {
        Ok(Some(offer)) => {
            assert!(asks, "nobody asked for a link");
            check_offer(&parts, &offer);
        }
        Ok(None) => assert!(!asks, "a request for a link goes on as a visitor's"),
        Err(refusal) => {
            assert!(asks, "a visitor is refused");
            check_refusal(refusal);
        }
    }
    if let Ok(Some(offer)) = taxi::accept::read(&parts) {
        check_websocket(&parts, &offer);
    }
    if let Some(proof) = accept::credentials(&parts.headers) {
        assert!(!proof.is_empty());
        assert_eq!(parts.headers.get_all(header::AUTHORIZATION).iter().count(), 1);
    }
}

fn check_offer(parts: &request::Parts, offer: &Offer) {
    assert_eq!(parts.version, Version::HTTP_11);
    assert!(parts.method == Method::GET || parts.method == Method::POST);
    assert!(!parts.headers.contains_key(header::TRANSFER_ENCODING));
    let lengths = parts.headers.get_all(header::CONTENT_LENGTH);
    assert!(lengths.iter().all(|length| length == "0"), "a body would be the first reversed bytes");

    let answer = offer.response();
    assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
    let chosen = members(answer.headers(), &header::UPGRADE);
    let asked = members(&parts.headers, &header::UPGRADE);
    assert!(chosen.len() == 1 && asked.contains(&chosen[0]), "{chosen:?} of {asked:?}");
    let alpn = HeaderName::from_static("alpn");
    let named = members(answer.headers(), &alpn);
    assert_eq!(named.is_empty(), !parts.headers.contains_key(&alpn));
    assert!(named.len() <= 1);
}

fn check_websocket(parts: &request::Parts, offer: &taxi::accept::Offer) {
    assert_eq!((parts.version, &parts.method), (Version::HTTP_11, &Method::GET));
    assert!(!parts.headers.contains_key(header::TRANSFER_ENCODING));
    let lengths = parts.headers.get_all(header::CONTENT_LENGTH);
    assert!(lengths.iter().all(|length| length == "0"), "a body would be the first frame");
    assert!(members(&parts.headers, &header::SEC_WEBSOCKET_PROTOCOL).contains(&"taxi".to_owned()));
    let answer = offer.response();
    assert_eq!(answer.headers()[header::SEC_WEBSOCKET_PROTOCOL], "taxi");
    assert_eq!(answer.headers().len(), 4, "nothing else was agreed on");
}

fn check_refusal(refusal: Refusal) {
    assert_ne!(refusal, Refusal::NoUpgrade);
    let answer = refusal.response();
    assert!(answer.status().is_client_error());
    let Some(Ok(body)) = answer.into_body().collect().now_or_never() else {
        panic!("the answer is not at hand");
    };
    let refused: Result<Refused, _> = serde_json::from_slice(&body.to_bytes());
    assert_eq!(refused.ok(), Some(refusal.refused()));
}

/// Returns the members of a header that is a list, in small letters.
fn members(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let texts = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).map(|text| text.trim().to_ascii_lowercase()).collect()
}
