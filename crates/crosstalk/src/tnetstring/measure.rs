//! How long a value is, from its first bytes, and how to take it off a buffer.

use bytes::{Bytes, BytesMut};

use super::{Element, Kind, MAX_DIGITS, TnetstringError, Value};

/// What the first bytes say of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// It is not there whole: at least this many bytes more are needed, never 0.
    Missing(usize),
    /// It is the first this many bytes.
    Whole(usize),
}

/// A size and its colon.
#[derive(Clone, Copy)]
pub(super) enum Size {
    /// The colon is not there yet; so many bytes are missing of the value at least.
    Missing(usize),
    /// The payload begins at `start` and has `length` bytes.
    Known { start: usize, length: usize },
}

/// Reads a size, of at most `max`.
pub(super) fn size(bytes: &[u8], max: usize) -> Result<Size, TnetstringError> {
    let mut length = 0;
    for (place, byte) in bytes.iter().take(MAX_DIGITS + 1).enumerate() {
        match byte {
            b'0'..=b'9' if place < MAX_DIGITS && !(place == 1 && length == 0) => {
                length = length * 10 + usize::from(byte - b'0');
                // Before the next digit: it would only make it more.
                if length > max {
                    return Err(TnetstringError::TooLarge);
                }
            }
            b':' if place > 0 => return Ok(Size::Known { start: place + 1, length }),
            _ => return Err(TnetstringError::Size),
        }
    }
    // The colon, the payload as far as its size is known, and the type; of the empty value a digit.
    Ok(Size::Missing(length + 2 + usize::from(bytes.is_empty())))
}

/// Returns how long the first value in `bytes` is, whose payload may have at most `max` bytes.
///
/// Only its size and its type are looked at, not its payload.
///
/// # Errors
/// As soon as the first bytes can be no such value.
pub fn measure(bytes: &[u8], max: usize) -> Result<Measure, TnetstringError> {
    let (start, length) = match size(bytes, max)? {
        Size::Missing(missing) => return Ok(Measure::Missing(missing)),
        Size::Known { start, length } => (start, length),
    };
    match bytes.get(start + length) {
        Some(byte) => Kind::read(*byte).map(|_| Measure::Whole(start + length + 1)),
        None => Ok(Measure::Missing(start + length + 1 - bytes.len())),
    }
}

/// What [`take`] found.
#[derive(Clone, Debug)]
pub enum Taken {
    /// The value is not there whole, and the buffer is as it was: at least this many bytes more
    /// are needed, never 0.
    Missing(usize),
    /// The value, which is no longer in the buffer.
    Whole(Whole),
}

/// Takes the first value off a buffer of what arrived, without copying it. Its payload may have at
/// most `max` bytes.
///
/// Only its size and its type are looked at, not its payload.
///
/// # Errors
/// As soon as the first bytes can be no such value.
pub fn take(buffer: &mut BytesMut, max: usize) -> Result<Taken, TnetstringError> {
    let (start, length) = match size(buffer, max)? {
        Size::Missing(missing) => return Ok(Taken::Missing(missing)),
        Size::Known { start, length } => (start, length),
    };
    let Some(byte) = buffer.get(start + length) else {
        return Ok(Taken::Missing(start + length + 1 - buffer.len()));
    };
    let kind = Kind::read(*byte)?;
    let bytes = buffer.split_to(start + length + 1).freeze();
    Ok(Taken::Whole(Whole { bytes, start, kind }))
}

/// One value with the bytes that it is made of.
#[derive(Clone, Debug)]
pub struct Whole {
    bytes: Bytes,
    start: usize,
    kind: Kind,
}

impl Whole {
    /// Takes the first value off `bytes`, where it must be whole, without copying it.
    ///
    /// Only its size and its type are looked at, not its payload.
    ///
    /// # Errors
    /// When the first bytes are no value; `bytes` is then as it was.
    pub fn split(bytes: &mut Bytes) -> Result<Self, TnetstringError> {
        let Size::Known { start, length } = size(bytes, bytes.len())? else {
            return Err(TnetstringError::Cut);
        };
        let byte = bytes.get(start + length).ok_or(TnetstringError::Cut)?;
        let kind = Kind::read(*byte)?;
        Ok(Self { bytes: bytes.split_to(start + length + 1), start, kind })
    }

    /// Returns what it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns it for reading in place.
    #[must_use]
    pub fn element(&self) -> Element<'_> {
        Element::outermost(self.kind, &self.bytes[self.start..self.bytes.len() - 1])
    }

    /// Returns the payload of a string: the same bytes, not copied.
    ///
    /// # Errors
    /// When it is of another kind.
    pub fn into_string(self) -> Result<Bytes, TnetstringError> {
        if self.kind != Kind::String {
            return Err(TnetstringError::Not(Kind::String));
        }
        Ok(self.bytes.slice(self.start..self.bytes.len() - 1))
    }

    /// Reads all of it; the strings in it are parts of the same bytes, not copied.
    ///
    /// # Errors
    /// When anything in it is wrong.
    pub fn into_value(self) -> Result<Value, TnetstringError> {
        Value::read(&self.bytes, self.element())
    }
}
