//! TAXI over real sockets: both ends against each other, and each against bytes written by hand.

#![expect(clippy::unwrap_used, reason = "a test fails where something is missing")]

#[path = "../common/mod.rs"]
mod common;
mod handshake;
mod links;
mod peer;
mod raw;
mod wire;
mod world;
