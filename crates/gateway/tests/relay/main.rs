//! The relay under load and accidents, and the programs of its page: whole processes, whole files.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]
#![expect(clippy::print_stdout, reason = "the figures are part of what these tests show")]

mod killed;
mod page;
mod truth;
mod volume;
mod world;
