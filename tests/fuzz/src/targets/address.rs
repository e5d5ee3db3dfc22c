//! Addresses of gateways: what a person pastes becomes an origin, or nothing.

use crosstalk::address::GatewayAddress;
use http::Uri;

/// An address that was read is an origin: it reads as itself, every HTTP library sees the same
/// host and port in it, and without encryption it is this computer.
pub fn target(bytes: &[u8]) {
    let Some(text) = super::text(bytes) else { return };
    let Ok(address) = GatewayAddress::parse(text) else { return };
    let origin = address.origin();
    assert_eq!(GatewayAddress::parse(&origin).as_ref(), Ok(&address), "{origin}");
    if let Some(account) = address.xmpp() {
        assert_eq!(origin, format!("xmpp:{account}"));
        assert!(account.node().is_some() && address.is_secure(), "{origin}");
        return;
    }
    let (scheme, rest) = origin.split_once("://").unwrap_or_default();
    let expected = match (address.is_petrichor(), address.is_secure()) {
        (false, true) => "https",
        (false, false) => "http",
        (true, true) => "petrichor+tls",
        (true, false) => "petrichor+tcp",
    };
    assert_eq!(scheme, expected);
    assert_eq!(rest, address.authority());
    assert!(!rest.contains(['/', '?', '#', '@', '\\', ' ']), "more than an origin: {origin}");

    let Ok(uri) = origin.parse::<Uri>() else {
        panic!("{origin:?} is an origin for us and none for HTTP");
    };
    assert_eq!(uri.host(), Some(address.host().to_string().as_str()), "{origin}");
    let usual = match (address.is_petrichor(), address.is_secure()) {
        (false, true) => Some(443),
        (false, false) => Some(80),
        (true, _) => None,
    };
    assert_eq!(uri.port_u16().or(usual), Some(address.port()), "{origin}");
    assert_eq!((uri.path(), uri.query()), ("/", None), "{origin}");

    if !address.is_secure() {
        let host = address.host().to_string();
        let name = host.trim_end_matches('.');
        let ip = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
        let here = ip.is_ok_and(|ip| ip.is_loopback());
        assert!(here || name == "localhost" || name.ends_with(".localhost"), "{origin}");
    }
}
