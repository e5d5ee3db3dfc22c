//! Petrichor: pairs of TNetstrings over TCP, TLS, or an upgraded connection. The fast lane.

pub mod accept;
pub mod dial;
pub mod echo;
pub mod primitives;
