//! Which headers pass between visitor and peer.

use std::net::IpAddr;

use crosstalk::{control, forwarded, hop};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

/// Headers of a peer that would reach beyond its own site, or that are for the gateway alone.
///
/// - `Alt-Svc` could send the visitors of one site, by its port, past the gateway.
/// - `Clear-Site-Data` with `"cookies"` clears those of all sites below the same domain.
/// - `Service-Worker-Allowed` widens where a service worker may act.
const NOT_FROM_PEERS: &[&str] = &["alt-svc", "clear-site-data", "service-worker-allowed"];

/// How orders to a web server in front of the gateway begin (nginx, Apache, lighttpd, LiteSpeed, H2O): answer
/// with a file or a page of your own instead of this, keep it, delete that file.
const ORDERS: &[&str] =
    &["x-accel-", "x-lighttpd-send-", "x-litespeed-", "x-reproxy-", "x-sendfile"];

/// Headers by which a visitor could pretend to come from elsewhere, or that are for the gateway
/// alone (`Expect` is answered here; `Proxy` becomes a setting in CGI programs).
const NOT_FROM_VISITORS: &[&str] = &["forwarded", "x-real-ip", "expect", "proxy", "http2-settings"];

/// What a request needs besides its own headers.
pub(crate) struct Visit<'a> {
    /// Where the visitor is.
    pub(crate) visitor: IpAddr,
    /// The site's authority.
    pub(crate) authority: &'a str,
    /// Whether the visitor came by TLS.
    pub(crate) secure: bool,
}

/// Makes a visitor's headers fit for a peer.
pub(crate) fn for_peer(headers: &mut HeaderMap, visit: &Visit<'_>) {
    hop::strip(headers);
    hop::remove(headers, |name| {
        // To programs behind CGI or WSGI both are the same letter.
        let name = name.as_str().replace('_', "-");
        NOT_FROM_VISITORS.contains(&&*name)
            || name.starts_with("veranda-")
            || name.starts_with("x-forwarded-")
    });
    let forwarded = forwarded::format(visit.visitor, visit.authority, visit.secure);
    for (name, value) in [(header::HOST, visit.authority), (forwarded::HEADER, forwarded.as_str())]
    {
        // Both are made of checked host names and addresses, which are always valid values.
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
}

/// Which receipts a peer asked for with a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Receipts {
    /// None.
    No,
    /// Of what the visitor's connection takes.
    Taken,
    /// Of what the visitor's program reads.
    Read,
}

/// Makes a peer's headers fit for a visitor, and returns which receipts it asked for.
pub(crate) fn for_visitor(headers: &mut HeaderMap) -> Receipts {
    let receipts = match headers.get(control::RECEIPT_HEADER) {
        None => Receipts::No,
        Some(value) if value == control::RECEIPT_READ => Receipts::Read,
        Some(_) => Receipts::Taken,
    };
    hop::strip(headers);
    hop::remove(headers, |name| {
        let name = name.as_str();
        NOT_FROM_PEERS.contains(&name)
            || name.starts_with("veranda-")
            || ORDERS.iter().any(|order| name.starts_with(order))
    });
    keep_cookies_at_home(headers);
    receipts
}

/// Returns whether a request asks for a WebSocket, the one upgrade that is passed on. Must be
/// asked before the headers are changed.
pub(crate) fn is_websocket(method: &Method, headers: &HeaderMap) -> bool {
    let says = |name: HeaderName, word: &str| {
        headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|token| token.trim().eq_ignore_ascii_case(word))
    };
    method == Method::GET
        && says(header::UPGRADE, "websocket")
        && says(header::CONNECTION, "upgrade")
}

/// Returns whether the page that asks is of the host that it asks. Browsers always say whose page it is,
/// of what a page could not just read; a program can say what it likes, and has nobody's cookies.
pub(crate) fn is_of_the_host(headers: &HeaderMap) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let (Some(origin), None) = (origins.next(), origins.next()) else { return false };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    match (origin, host) {
        (Some((scheme @ ("http" | "https"), authority)), Some(host)) => {
            let port = if scheme == "https" { ":443" } else { ":80" };
            let bare = |authority: &str| {
                let authority = authority.to_ascii_lowercase();
                authority.strip_suffix(port).map(str::to_owned).unwrap_or(authority)
            };
            bare(authority) == bare(host)
        }
        (Some(_) | None, _) => false,
    }
}

/// Asks a proxy in front to pass a response on as it comes. nginx would take up to a gigabyte as fast as it
/// can, and what it took would count as delivered; it removes the header itself, others do not know it.
pub(crate) fn pass_on_at_once(headers: &mut HeaderMap) {
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
}

/// Returns the length of a body as its headers declare it; an error when they contradict
/// themselves.
pub(crate) fn content_length(headers: &HeaderMap) -> Result<Option<u64>, InvalidLength> {
    let mut length = None;
    for value in headers.get_all(header::CONTENT_LENGTH) {
        let text = value.to_str().map_err(|_| InvalidLength)?;
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(InvalidLength);
        }
        let value: u64 = text.parse().map_err(|_| InvalidLength)?;
        if length.is_some_and(|length| length != value) {
            return Err(InvalidLength);
        }
        length = Some(value);
    }
    Ok(length)
}

/// A `Content-Length` that is no number, or two that differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InvalidLength;

/// Takes `Domain` out of cookies: a site may set them for itself, never for its neighbours.
fn keep_cookies_at_home(headers: &mut HeaderMap) {
    let header::Entry::Occupied(mut cookies) = headers.entry(header::SET_COOKIE) else { return };
    for cookie in cookies.iter_mut() {
        let is_domain = |attribute: &&[u8]| {
            let name = attribute.split(|b| *b == b'=').next().unwrap_or_default();
            name.trim_ascii().eq_ignore_ascii_case(b"domain")
        };
        let mut parts = cookie.as_bytes().split(|b| *b == b';');
        let pair = parts.next().unwrap_or_default();
        let attributes: Vec<&[u8]> = parts.collect();
        if !attributes.iter().any(is_domain) {
            continue;
        }
        let mut kept = pair.to_vec();
        for attribute in attributes.iter().filter(|attribute| !is_domain(attribute)) {
            kept.push(b';');
            kept.extend_from_slice(attribute);
        }
        // It consists of parts of a valid value.
        if let Ok(value) = HeaderValue::from_bytes(&kept) {
            *cookie = value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn lines(headers: &HeaderMap) -> Vec<(&str, &str)> {
        headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect()
    }

    #[test]
    fn a_visitor_cannot_pretend() {
        let mut headers = headers(&[
            ("host", "PHOTOS.gateway.example:1"),
            ("forwarded", "for=10.0.0.1"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-forwarded-anything", "x"),
            ("x-real-ip", "10.0.0.1"),
            ("x_forwarded-for", "10.0.0.1"),
            ("x_real_ip", "10.0.0.1"),
            ("veranda_transaction", "7"),
            ("veranda-transaction", "7"),
            ("veranda-anything", "x"),
            ("connection", "x-secret-flag, keep-alive"),
            ("x-secret-flag", "1"),
            ("upgrade", "h2c"),
            ("te", "trailers"),
            ("expect", "100-continue"),
            ("proxy", "http://evil.example"),
            ("cookie", "a=b"),
            ("x_own", "1"),
            ("accept", "*/*"),
            ("accept", "text/html"),
        ]);
        let visit = Visit {
            visitor: "192.0.2.7".parse().unwrap(),
            authority: "photos.gateway.example",
            secure: true,
        };
        for_peer(&mut headers, &visit);
        let mut left = lines(&headers);
        left.sort_unstable();
        assert_eq!(
            left,
            [
                ("accept", "*/*"),
                ("accept", "text/html"),
                ("cookie", "a=b"),
                ("forwarded", r#"for=192.0.2.7;host="photos.gateway.example";proto=https"#),
                ("host", "photos.gateway.example"),
                ("x_own", "1"),
            ]
        );
    }

    #[test]
    fn a_peer_cannot_reach_beyond_its_site() {
        let mut headers = headers(&[
            ("veranda-receipt", "1"),
            ("veranda-other", "1"),
            ("alt-svc", "h3=\":443\""),
            ("clear-site-data", "\"cookies\""),
            ("service-worker-allowed", "/"),
            ("x-accel-redirect", "/private/backup.tar"),
            ("x-accel-expires", "3600"),
            ("x-sendfile", "/etc/passwd"),
            ("x-sendfile-temporary", "/var/lib/precious"),
            ("x-lighttpd-send-file", "/etc/passwd"),
            ("x-reproxy-url", "http://10.0.0.1/"),
            ("connection", "close"),
            ("set-cookie", "a=1; Path=/; domain=gateway.example; HttpOnly"),
            ("set-cookie", "b=domain; Secure"),
            ("set-cookie", "c=2;DOMAIN = .example"),
            ("set-cookie", "d=3; Domain"),
            ("content-type", "text/plain"),
        ]);
        assert_eq!(for_visitor(&mut headers), Receipts::Taken);
        let cookies: Vec<_> = headers.get_all("set-cookie").iter().collect();
        assert_eq!(cookies, ["a=1; Path=/; HttpOnly", "b=domain; Secure", "c=2", "d=3"]);
        assert_eq!(headers.len(), cookies.len() + 1);
        assert_eq!(headers["content-type"], "text/plain");
        assert_eq!(for_visitor(&mut headers), Receipts::No);
        headers.insert("veranda-receipt", HeaderValue::from_static("read"));
        assert_eq!(for_visitor(&mut headers), Receipts::Read);
        assert!(!headers.contains_key("veranda-receipt"));
    }

    #[test]
    fn only_a_websocket_is_an_upgrade() {
        for (method, lines, expected) in [
            (Method::GET, vec![("upgrade", "WebSocket"), ("connection", "Upgrade")], true),
            (
                Method::GET,
                vec![("upgrade", "websocket"), ("connection", "keep-alive, upgrade")],
                true,
            ),
            (Method::POST, vec![("upgrade", "websocket"), ("connection", "upgrade")], false),
            (Method::GET, vec![("upgrade", "websocket")], false),
            (Method::GET, vec![("upgrade", "h2c"), ("connection", "upgrade")], false),
            (Method::GET, vec![], false),
        ] {
            assert_eq!(is_websocket(&method, &headers(&lines)), expected, "{lines:?}");
        }
    }

    #[test]
    fn only_pages_of_the_very_host_are_of_the_host() {
        for (origin, host, expected) in [
            ("http://photos.localhost:8080", "photos.localhost:8080", true),
            ("http://photos.localhost:8080", "PHOTOS.localhost:8080", true),
            ("https://photos.g.example", "photos.g.example:443", true),
            ("http://photos.localhost:8081", "photos.localhost:8080", false),
            ("http://music.localhost:8080", "photos.localhost:8080", false),
            ("http://localhost:8080", "photos.localhost:8080", false),
            ("https://photos.g.example.evil.example", "photos.g.example", false),
            ("https://photos.g.example@evil.example", "photos.g.example", false),
            ("ftp://photos.g.example", "photos.g.example", false),
            ("null", "photos.g.example", false),
            ("", "photos.g.example", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            assert!(!is_of_the_host(&headers), "without an origin");
            headers.insert(header::ORIGIN, origin.parse().unwrap());
            assert_eq!(is_of_the_host(&headers), expected, "{origin} at {host}");
            headers.append(header::ORIGIN, origin.parse().unwrap());
            assert!(!is_of_the_host(&headers), "two origins");
        }
    }

    #[test]
    fn lengths_that_contradict_are_no_lengths() {
        for (values, expected) in [
            (vec![], Ok(None)),
            (vec!["5"], Ok(Some(5))),
            (vec!["5", "5"], Ok(Some(5))),
            (vec!["5", "6"], Err(InvalidLength)),
            (vec!["5, 5"], Err(InvalidLength)),
            (vec!["+5"], Err(InvalidLength)),
            (vec!["-1"], Err(InvalidLength)),
            (vec![""], Err(InvalidLength)),
            (vec!["99999999999999999999"], Err(InvalidLength)),
        ] {
            let lines: Vec<_> = values.iter().map(|value| ("content-length", *value)).collect();
            assert_eq!(content_length(&headers(&lines)), expected, "{values:?}");
        }
    }
}
