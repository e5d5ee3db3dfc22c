//! PTTH over real sockets: both roles against each other, and each against bytes written by hand.

#![expect(clippy::unwrap_used, reason = "a test fails where something is missing")]

#[path = "../common/mod.rs"]
mod common;
mod dialling;
mod endings;
mod endurance;
mod handshake;
mod transactions;
mod websockets;
mod world;
