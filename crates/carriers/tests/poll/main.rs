//! The long poll over real sockets.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod bodies;
#[path = "../common/mod.rs"]
#[expect(dead_code, reason = "every carrier's tests use a part of it")]
mod common;
mod dialling;
mod endings;
mod polling;
mod proxies;
mod world;
