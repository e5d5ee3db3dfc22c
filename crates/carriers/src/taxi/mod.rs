//! TAXI on WebSockets.

pub mod accept;
pub mod dial;
