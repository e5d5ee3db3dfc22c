//! Petrichor over real sockets.

#![expect(clippy::unwrap_used, reason = "a test fails where something is missing")]
#![expect(clippy::print_stdout, reason = "a figure is part of what a test says")]

#[expect(dead_code, reason = "it is there for the other carriers too")]
#[path = "../common/mod.rs"]
mod common;
mod handshake;
mod port;
mod saving;
mod transactions;
mod world;
