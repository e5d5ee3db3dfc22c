//! PTTH: HTTP turned around on an upgraded connection.
//!
//! The peer dials the gateway and asks for an upgrade; from then on the gateway is the HTTP client
//! and the peer the HTTP server. The bytes are in `docs/protocols/ptth.md`.

pub mod accept;
pub mod dial;
mod h1;
mod h2;

pub(crate) use h1::{Http1, serve as serve_http1};
pub(crate) use h2::{Http2, serve as serve_http2};

use crate::Carrier;

/// How many idle HTTP/1.1 links a peer keeps, as each carries one transaction at a time: this many
/// visitors can come at once without waiting for a dial.
pub const DEFAULT_POOL: usize = 4;

/// How many HTTP/1.1 links a peer has at most. Every visitor who reads slowly holds one; gateways
/// take some more than this, so that a peer may change networks.
pub const LARGEST_POOL: usize = 48;

/// The HTTP that is spoken in reverse once the connection is upgraded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/2: many transactions at once, cancellation.
    Http2,
    /// HTTP/1.1: one transaction at a time.
    Http1,
}

/// The names of the protocol in `Upgrade`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Token {
    /// `ptth`, of the IETF drafts; needs `ALPN`.
    Ptth,
    /// `PTTH/1.0`, of 2008 and most programs since.
    Ptth10,
    /// `PTTH/0.9`, of the same page's examples.
    Ptth09,
}

impl Protocol {
    /// Returns its name in `ALPN` (RFC 7639: percent-encoded).
    fn alpn(self) -> &'static str {
        match self {
            Self::Http2 => "h2",
            Self::Http1 => "http%2F1.1",
        }
    }

    /// Reads the protocols that a value of `ALPN` names, as far as we know them.
    fn read_alpn(value: &str) -> impl Iterator<Item = Self> {
        value.split(',').filter_map(|name| {
            let name: Vec<u8> = percent_encoding::percent_decode_str(name.trim()).collect();
            match name.as_slice() {
                b"h2" => Some(Self::Http2),
                b"http/1.1" => Some(Self::Http1),
                _ => None,
            }
        })
    }
}

impl From<Protocol> for Carrier {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Http2 => Self::PtthHttp2,
            Protocol::Http1 => Self::PtthHttp1,
        }
    }
}

impl Token {
    const ALL: [Self; 3] = [Self::Ptth, Self::Ptth10, Self::Ptth09];

    /// Returns the token as it is in `Upgrade`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ptth => "ptth",
            Self::Ptth10 => "PTTH/1.0",
            Self::Ptth09 => "PTTH/0.9",
        }
    }

    /// Reads a token; upper and lower case are the same.
    fn read(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|token| token.as_str().eq_ignore_ascii_case(text))
    }
}
