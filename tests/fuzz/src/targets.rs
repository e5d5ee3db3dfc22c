//! One module a target.

pub mod address;
pub mod forwarded;
pub mod head;
pub mod label;
pub mod object;
pub mod proof;

/// Returns the bytes as text, when they are text.
fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}
