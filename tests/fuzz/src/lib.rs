//! Fuzz targets: what reads bytes of somebody else, and what must be true of it whatever the bytes
//! are.
//!
//! A target is a plain function that panics when its property does not hold. `tests/replay.rs`
//! runs each over its folder in `corpus/`; `libfuzzer/` lets a fuzzer run them (see README.md).

mod targets;

pub use targets::{
    address, classic, ct2, folder, forwarded, head, label, object, petrichor, poll, proof, ptth,
    taxi, tnetstring, transactions,
};

/// A target: a function that takes any bytes and panics when a property does not hold.
pub type Target = fn(&[u8]);

/// Every target with its name, which is also that of its corpus.
pub const TARGETS: &[(&str, Target)] = &[
    ("address", address::target),
    ("classic", classic::target),
    ("ct2", ct2::target),
    ("folder", folder::target),
    ("forwarded", forwarded::target),
    ("head", head::target),
    ("label", label::target),
    ("object", object::target),
    ("petrichor", petrichor::target),
    ("poll", poll::target),
    ("proof", proof::target),
    ("ptth", ptth::target),
    ("taxi", taxi::target),
    ("tnetstring", tnetstring::target),
    ("transactions", transactions::target),
];
