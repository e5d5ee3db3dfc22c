//! PTTH: HTTP turned around on an upgraded connection.

/// The HTTP that is spoken in reverse once the connection is upgraded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/2: many transactions at once, cancellation.
    Http2,
    /// HTTP/1.1: one transaction at a time.
    Http1,
}
