//! A folder as visitors meet it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by failing")]

mod outside;
mod place;
mod reading;
mod serving;
