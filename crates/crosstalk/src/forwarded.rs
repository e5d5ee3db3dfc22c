//! Who the visitor is, as the gateway tells the peer (RFC 7239).
//!
//! The gateway overwrites whatever the visitor sent, so the peer may believe the header.

use std::net::{IpAddr, Ipv6Addr};

/// The name of the header.
pub const HEADER: http::HeaderName = http::header::FORWARDED;

/// Writes the header's value: `for=192.0.2.7;host="a.example";proto=https`.
#[must_use]
pub fn format(visitor: IpAddr, host: &str, secure: bool) -> String {
    let node = match visitor {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("\"[{ip}]\""),
    };
    // What is in no host name could end the value, or the header's line.
    let host: String =
        host.chars().filter(|c| c.is_ascii_graphic() && !matches!(c, '"' | '\\')).collect();
    format!("for={node};host=\"{host}\";proto={}", if secure { "https" } else { "http" })
}

/// Reads the visitor's address from a value that [`format()`] wrote.
#[must_use]
pub fn visitor(value: &str) -> Option<IpAddr> {
    let node = value.split(';').find_map(|pair| pair.trim().strip_prefix("for="))?;
    let node = node.trim_matches('"');
    match node.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(ip) => ip.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => node.parse().ok(),
    }
}

/// Reads the host that the visitor asked, with its port, from a value that [`format()`] wrote.
#[must_use]
pub fn host(value: &str) -> Option<&str> {
    let host = value.split(';').find_map(|pair| pair.trim().strip_prefix("host="))?;
    Some(host.trim_matches('"')).filter(|host| !host.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for ip in ["192.0.2.7", "2001:db8::1", "::1"] {
            let ip: IpAddr = ip.parse().unwrap();
            let value = format(ip, "a.example:80", true);
            assert_eq!((visitor(&value), host(&value)), (Some(ip), Some("a.example:80")));
        }
        assert_eq!(host("for=192.0.2.7;host=\"\""), None);
        assert_eq!(visitor("for=unknown"), None);
        assert_eq!(visitor(""), None);
    }

    #[test]
    fn a_host_that_is_none_does_not_leave_its_place() {
        let ip = IpAddr::from([192, 0, 2, 7]);
        assert_eq!(
            format(ip, "a\r\n\";for=203.0.113.9;\\\u{fc}", false),
            "for=192.0.2.7;host=\"a;for=203.0.113.9;\";proto=http"
        );
    }
}
