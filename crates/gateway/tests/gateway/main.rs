//! The gateway as visitors and peers meet it: over real sockets, with real links.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod cama;
#[path = "../common/mod.rs"]
mod common;
mod hand_overs;
mod hosts;
mod links;
mod members;
mod names;
mod petrichor;
mod polls;
mod program;
mod receipts;
mod stop;
mod unread;
mod visits;
mod world;
