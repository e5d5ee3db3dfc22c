//! The relay under load and accidents, and the programs of its page: whole processes, whole files.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]
#![expect(clippy::print_stdout, reason = "the figures are part of what these tests show")]

#[path = "../common/mod.rs"]
mod common;
mod page;
mod truth;
mod volume;
mod world;
