//! What can be wrong with a message.

use super::{MAX_BODY, MAX_DEPTH, MAX_JSON, MAX_READ, MAX_VALUES};
use crate::object::ObjectError;

/// Why a message cannot be read or written. None of them repeats text of the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClassicError {
    /// Longer than [`MAX_READ`].
    #[error("the message is longer than {MAX_READ} bytes")]
    TooLong,
    /// Neither base64 nor JSON.
    #[error("the message is not base64")]
    Base64,
    /// Not zlib, cut, or with a wrong sum.
    #[error("the message cannot be unpacked")]
    Zlib,
    /// More than [`MAX_JSON`] when unpacked: a bomb.
    #[error("the message is longer than {MAX_JSON} bytes when it is unpacked")]
    Bomb,
    /// Deeper than [`MAX_DEPTH`].
    #[error("values of the message stand in one another more than {MAX_DEPTH} times")]
    TooDeep,
    /// More than [`MAX_VALUES`].
    #[error("the message has more than {MAX_VALUES} values")]
    TooMany,
    /// Not a JSON object in UTF-8.
    #[error("the message is not a JSON object")]
    NotAnObject,
    /// Text that is no string.
    #[error("the text of the message is not a string")]
    Text,
    /// `batch` is there and no name.
    #[error("the name of the batch cannot be read")]
    Batch,
    /// The head.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// A header or target of a head that is to be written is not ASCII: the programs of 2008 end at
    /// such.
    #[error("the head is not plain ASCII")]
    NotAscii,
    /// A message that is to be written is longer than [`MAX_BODY`].
    #[error("the head is longer than {MAX_BODY} bytes as a message")]
    TooLarge,
}

/// Bytes that are not UTF-8, which this wire cannot carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body is not text in UTF-8")]
pub struct NotText;
