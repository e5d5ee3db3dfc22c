//! `Forwarded`: no visitor writes his own address into it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crosstalk::forwarded;
use http::HeaderValue;

/// Whatever host name the visitor claims, the value stays one header value and names the address
/// that the gateway saw.
pub fn target(bytes: &[u8]) {
    let host = String::from_utf8_lossy(bytes);
    let claimed = forwarded::visitor(&host);
    let seen = [
        IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)),
        IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
    ];
    for ip in seen.into_iter().chain(claimed) {
        for secure in [false, true] {
            let value = forwarded::format(ip, &host, secure);
            assert_eq!(forwarded::visitor(&value), Some(ip), "{value:?}");
            assert!(HeaderValue::from_str(&value).is_ok(), "{value:?} is no header value");
            assert_eq!(value.matches('"').count() % 2, 0, "{value:?}");
            assert!(value.ends_with(if secure { ";proto=https" } else { ";proto=http" }));
        }
    }
}
