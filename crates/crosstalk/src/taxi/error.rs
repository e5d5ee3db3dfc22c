//! What can be wrong with a TAXI message.

use super::{MAX_HEADER, MAX_ITEMS};

/// Why bytes are no TAXI message, or why one cannot be written.
///
/// None of them repeats text of the other side, so they can be logged and shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TaxiError {
    /// The header has no semicolon: it is a part of one, or of something else.
    #[error("the header has no end")]
    NoEnd,
    /// More than [`MAX_HEADER`].
    #[error("the header is longer than {MAX_HEADER} bytes")]
    TooLong,
    /// More than [`MAX_ITEMS`].
    #[error("a list has more than {MAX_ITEMS} items")]
    TooManyItems,
    /// The header is not UTF-8.
    #[error("the header is not text")]
    NotText,
    /// Something stands where the grammar allows nothing of its kind.
    #[error("the header cannot be read at byte {0}")]
    Syntax(usize),
    /// The same key twice: nobody can say which one counts.
    #[error("a key comes twice, at byte {0}")]
    Duplicate(usize),
    /// A list where there can be one value only.
    #[error("{0} has more than one value")]
    NotOne(&'static str),
    /// `p` is not a number.
    #[error("p is not a number")]
    Number,
    /// `p` is neither the length of the message nor that of its body.
    #[error("p is not the length of the message")]
    Length,
    /// A name that no further key can have: one of the draft's, or one with other characters than
    /// letters and digits.
    #[error("this is not the name of a further key")]
    Key,
}
