//! A real Chromium opens session URLs; the tests are in `tests/visits`: `cargo test -p browser`.
