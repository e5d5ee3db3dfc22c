//! What requests to the relay say, and the parts of its answers that need care.

use std::{
    net::IpAddr,
    time::{Duration, SystemTime},
};

use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts};

use super::{
    PATH,
    session::{Permission, Side},
    sessions::{Entry, Secret},
};
use crate::limits;

pub(super) const TYPE: HeaderName = HeaderName::from_static("x-type");
pub(super) const TIMEOUT: HeaderName = HeaderName::from_static("x-timeout");
pub(super) const PEER_ADDRESS: HeaderName = HeaderName::from_static("x-peer-address");
pub(super) const BYTES_DELIVERED: HeaderName = HeaderName::from_static("x-bytes-delivered");
pub(super) const BYTES_RELAYED: HeaderName = HeaderName::from_static("x-bytes-relayed");

/// A request that is answered with a status and a sentence.
#[derive(Debug)]
pub(super) struct Misuse(pub(super) StatusCode, pub(super) String);

impl Misuse {
    pub(super) fn bad(sentence: &str) -> Self {
        Self(StatusCode::BAD_REQUEST, sentence.to_owned())
    }

    pub(super) fn response(self) -> Response {
        (self.0, format!("{}\n", self.1)).into_response()
    }
}

/// Returns an answer without a body.
pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = status.into_response();
    if status != StatusCode::NO_CONTENT {
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    response
}

/// Reads of which type a session shall be: the header `X-Type`, or `secure` in the query.
pub(super) fn permission(parts: &Parts) -> Result<Permission, Misuse> {
    let basic = Permission::Anybody;
    if let Some(kind) = parts.headers.get(TYPE) {
        return match kind.to_str().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "basic" => Ok(basic),
            "secure" => Ok(Permission::Only(None)),
            _ => Err(Misuse::bad("X-Type is basic or secure")),
        };
    }
    match query(parts, "secure") {
        Some("true") => Ok(Permission::Only(None)),
        None | Some("false") => Ok(basic),
        Some(_) => Err(Misuse::bad("secure is true or false")),
    }
}

/// Reads how long a session shall last, or a request shall wait: the header `X-Timeout`, or `timeout`
/// in the query, in seconds; `default` when there is none or it is no number.
pub(super) fn time(parts: &Parts, default: Duration) -> Result<Duration, Misuse> {
    let text = match parts.headers.get(TIMEOUT) {
        Some(value) => value.to_str().ok(),
        None => query(parts, "timeout"),
    };
    let text = text.unwrap_or_default().trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(default);
    }
    // More digits than that are more than any limit.
    let seconds = digits.parse().unwrap_or(u64::from(u32::MAX));
    if negative && seconds > 0 {
        return Err(Misuse::bad("a timeout is not negative"));
    }
    Ok(Duration::from_secs(seconds))
}

/// Reads how long a request shall wait.
pub(super) fn wait(parts: &Parts) -> Result<Duration, Misuse> {
    time(parts, limits::RELAY_WAIT).map(|wait| wait.min(limits::RELAY_WAIT))
}

/// Reads whom the host of a secure session lets in.
pub(super) fn peer_address(parts: &Parts) -> Result<IpAddr, Misuse> {
    let mut values = parts.headers.get_all(PEER_ADDRESS).iter();
    let (value, more) = (values.next(), values.next());
    let text = value.and_then(|value| value.to_str().ok()).unwrap_or_default().trim();
    let text = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    match (text.parse(), more) {
        (Ok(address), None) => Ok(address),
        (Ok(_) | Err(_), _) => Err(Misuse::bad("X-Peer-Address is one IPv4 or IPv6 address")),
    }
}

fn query<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    let pairs = parts.uri.query().unwrap_or_default().split('&');
    pairs.filter_map(|pair| pair.split_once('=')).find(|(found, _)| *found == name).map(|(_, v)| v)
}

/// Who asks, and how they showed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asker {
    pub(super) side: Side,
    pub(super) by_cookie: bool,
}

/// Reads who asks. A wrong cookie is a guest's, since a browser sends what it has; a wrong bearer is
/// a mistake that a program wants to know of.
pub(super) fn asker(headers: &HeaderMap, session: &Entry) -> Result<Asker, Misuse> {
    let fits = |text: &str| Secret::parse(text).is_some_and(|token| session.is_token(&token));
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let text = value.to_str().unwrap_or_default();
        let bearer = text.split_once(' ').filter(|(kind, _)| kind.eq_ignore_ascii_case("bearer"));
        return match bearer {
            Some((_, token)) if fits(token.trim()) => {
                Ok(Asker { side: Side::Host, by_cookie: false })
            }
            Some(_) | None => {
                let sentence = "this is not the token of the session's host".to_owned();
                Err(Misuse(StatusCode::FORBIDDEN, sentence))
            }
        };
    }
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut tokens = cookies
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().strip_prefix("token="))
        .map(|value| {
            value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value)
        });
    let by_cookie = tokens.any(fits);
    Ok(Asker { side: if by_cookie { Side::Host } else { Side::Guest }, by_cookie })
}

/// Returns the cookie by which a browser is the host of a session.
pub(super) fn cookie(session: &Entry, is_secure: bool) -> HeaderValue {
    set_cookie(&session.token().text(), session.id, session.lifetime(), is_secure)
}

/// Returns the cookie that makes a browser forget the token.
pub(super) fn no_cookie(id: Secret, is_secure: bool) -> HeaderValue {
    set_cookie("", id, Duration::ZERO, is_secure)
}

fn set_cookie(token: &str, id: Secret, lifetime: Duration, is_secure: bool) -> HeaderValue {
    let expires = match lifetime {
        Duration::ZERO => SystemTime::UNIX_EPOCH,
        lifetime => SystemTime::now() + lifetime,
    };
    let text = format!(
        "token={token}; Path={PATH}/{}; Max-Age={}; Expires={}; HttpOnly; SameSite=Strict{}",
        id.text(),
        lifetime.as_secs(),
        httpdate::fmt_http_date(expires),
        if is_secure { "; Secure" } else { "" },
    );
    // Nothing in it needs escaping.
    let mut value =
        HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("token="));
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(uri: &str, headers: &[(HeaderName, &str)]) -> Parts {
        let mut request = http::Request::get(uri);
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn times_are_seconds_and_the_header_wins() {
        const HOUR: Duration = Duration::from_secs(3600);
        for (uri, header, expected) in [
            ("/", None, Some(3600)),
            ("/?timeout=7", None, Some(7)),
            ("/?a=b&timeout=7", None, Some(7)),
            ("/?timeout=7", Some("8"), Some(8)),
            ("/?timeout=7", Some("soon"), Some(3600)),
            ("/?timeout=soon", None, Some(3600)),
            ("/?timeout=", None, Some(3600)),
            ("/?timeout=-", None, Some(3600)),
            ("/?timeout=1.5", None, Some(3600)),
            ("/?timeout=0", None, Some(0)),
            ("/?timeout=-0", None, Some(0)),
            ("/?timeout=-1", None, None),
            ("/", Some("-7"), None),
            ("/?timeout=99999999999999999999999", None, Some(u64::from(u32::MAX))),
        ] {
            let headers: Vec<_> = header.iter().map(|value| (TIMEOUT, *value)).collect();
            let read = time(&parts(uri, &headers), HOUR).ok().map(|time| time.as_secs());
            assert_eq!(read, expected, "{uri} {header:?}");
        }
    }

    #[test]
    fn types_are_two_and_nothing_else_is_taken_for_one() {
        let (basic, secure) = (Some(Permission::Anybody), Some(Permission::Only(None)));
        for (uri, header, expected) in [
            ("/", None, basic),
            ("/?secure=true", None, secure),
            ("/?secure=false", None, basic),
            ("/?secure=yes", None, None),
            ("/?secure=true", Some("basic"), basic),
            ("/", Some("Secure"), secure),
            ("/", Some("sekure"), None),
        ] {
            let headers: Vec<_> = header.iter().map(|value| (TYPE, *value)).collect();
            assert_eq!(permission(&parts(uri, &headers)).ok(), expected, "{uri} {header:?}");
        }
    }

    #[test]
    fn addresses_are_literal() {
        for (text, fits) in [
            ("192.0.2.7", true),
            ("2001:db8::1", true),
            ("[2001:db8::1]", true),
            ("localhost", false),
            ("192.0.2.7:80", false),
            ("192.0.2.0/24", false),
            ("", false),
        ] {
            assert_eq!(peer_address(&parts("/", &[(PEER_ADDRESS, text)])).is_ok(), fits, "{text}");
        }
        let twice = [(PEER_ADDRESS, "192.0.2.7"), (PEER_ADDRESS, "192.0.2.8")];
        assert!(peer_address(&parts("/", &twice)).is_err());
    }
}
