//! What can be wrong with a TNetstring.

use super::{Kind, MAX_DEPTH};

/// Why bytes are no TNetstring, or not the wanted one.
///
/// None of them repeats text of the other side, so they can be logged and shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TnetstringError {
    /// The size is not one to nine digits without leading zeros and a colon.
    #[error("a size is not a plain number with a colon")]
    Size,
    /// The size is more than the reader takes, or the writer may write.
    #[error("a value is larger than allowed")]
    TooLarge,
    /// The bytes end before the value does.
    #[error("a value is cut off")]
    Cut,
    /// Something follows the value.
    #[error("something follows the value")]
    Trailing,
    /// The byte behind the payload is none of the seven.
    #[error("a value has an unknown type")]
    Type,
    /// Not an integer of 64 bits in its only form.
    #[error("an integer cannot be read")]
    Integer,
    /// Not a finite number in the grammar of JSON.
    #[error("a float cannot be read")]
    Float,
    /// Neither `true` nor `false`.
    #[error("a boolean is neither true nor false")]
    Boolean,
    /// A null that has a payload.
    #[error("a null is not empty")]
    Null,
    /// A key that is no string.
    #[error("a key is not a string")]
    Key,
    /// A key without a value.
    #[error("a key has no value")]
    Value,
    /// A key that is there twice.
    #[error("a key occurs twice")]
    Duplicate,
    /// Nested more than [`MAX_DEPTH`] deep.
    #[error("lists and dictionaries are nested more than {MAX_DEPTH} deep")]
    Depth,
    /// The value is of another kind than the one that is wanted.
    #[error("a value is not a {}", name(*.0))]
    Not(Kind),
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::String => "string",
        Kind::Integer => "integer",
        Kind::Float => "float",
        Kind::Boolean => "boolean",
        Kind::Null => "null",
        Kind::Dictionary => "dictionary",
        Kind::List => "list",
    }
}
