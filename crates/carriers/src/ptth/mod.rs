//! PTTH: HTTP turned around on an upgraded connection.
//!
//! The peer dials the gateway and asks for an upgrade; from then on the gateway is the HTTP client
//! and the peer the HTTP server. The bytes are in `docs/protocols/ptth.md`.

pub mod accept;
pub mod dial;

/// How many HTTP/1.1 links a peer keeps, as each carries one transaction at a time.
pub const DEFAULT_POOL: usize = 4;

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
