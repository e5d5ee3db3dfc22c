//! The promises of ARCHITECTURE.md are in `tests/promises`: `cargo test -p tidy`.
