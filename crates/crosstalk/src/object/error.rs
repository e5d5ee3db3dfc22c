//! What can be wrong with an object.

use crate::limits::HeadError;

/// Why a dictionary is no request or response object, or a head cannot become one.
///
/// None of them repeats text of the other side, so they can be logged and shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// The text is longer than [`MAX_OBJECT_BYTES`](crate::limits::MAX_OBJECT_BYTES).
    #[error("the object is too long")]
    TooLong,
    /// The text is not JSON in UTF-8, or no JSON object.
    #[error("the object is not a JSON object")]
    NotAnObject,
    /// A key is missing without which there is no head.
    #[error("the object has no {0}")]
    Missing(&'static str),
    /// A key has a value of the wrong kind, or one that means nothing.
    #[error("{0} has a value that cannot be read")]
    Value(&'static str),
    /// A header with a name or a value that HTTP does not allow.
    #[error("a header's name or value cannot be read")]
    Header,
    /// The request's target is neither a path, nor `*`, nor a whole URL.
    #[error("the request's target cannot be read")]
    Target,
    /// The path does not begin with the prefix that led to the peer.
    #[error("the request's path does not begin with SCRIPT_NAME")]
    Prefix,
    /// More than anybody accepts.
    #[error(transparent)]
    Head(#[from] HeadError),
}
