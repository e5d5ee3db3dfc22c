//! The promises of ARCHITECTURE.md and of the house rules.
//!
//! These tests read the repository as text and build nothing. Each says, when it fails, what to do.

mod dependencies;
mod documents;
mod repository;
mod sources;
mod window;

/// Fails with every place where a promise is broken, and with what to do about it.
#[track_caller]
fn expect_none(broken: &[String], what_to_do: &str) {
    assert!(broken.is_empty(), "{what_to_do}\n\n    {}\n", broken.join("\n    "));
}
