//! JSON by long poll: for networks that pass nothing but short requests, and for browser tabs.

pub mod dial;
