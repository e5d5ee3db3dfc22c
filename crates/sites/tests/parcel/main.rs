//! A parcel as visitors meet it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by failing")]

mod place;
mod several;
mod single;
