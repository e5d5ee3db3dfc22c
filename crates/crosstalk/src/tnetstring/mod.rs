//! TNetstrings: values with their length in front, as Petrichor sends them.
//!
//! `SIZE:PAYLOADTYPE`: the size in decimal digits, the payload, and one byte that says what it is
//! ([`Kind`]). `5:hello,` is a string, `8:2:hi,0:~]` a list of two. Strings are bytes.
//!
//! Two layers. [`Element`], [`measure()`] and [`take`] read without building anything, and the
//! writers ([`DictionaryWriter`], [`string`], [`prefix`]) append to a buffer;
//! this is what a carrier uses for each message. [`Value`] is a whole value in memory, for greetings,
//! tests, and whoever is in no hurry.
//!
//! # Strict
//!
//! The format's own programs forgive much, and each forgives something else. Here every value but a
//! float has exactly one form, and everything else is an error: sizes and integers without leading
//! zeros, `+` and `-0`; integers of 64 bits; `true` and `false`, nothing else; keys that are
//! strings, each once; at most [`MAX_DEPTH`] lists and dictionaries inside each other. A size that
//! is more than the reader takes is refused before its bytes arrive.
//! Floats have no canonical form (the reference writes `%f`, others what Python shows), so any
//! finite number in the grammar of JSON (RFC 8259, section 6) is read.

mod error;
mod measure;
mod read;
#[cfg(test)]
mod tests;
mod value;
mod write;

pub use self::{
    error::TnetstringError,
    measure::{Measure, Taken, Whole, measure, take},
    read::{Element, Elements, Entries},
    value::{Dictionary, Finite, Value},
    write::{
        DictionaryWriter, ListWriter, Prefix, STRING_END, boolean, dictionary, float, integer,
        list, null, prefix, string, written_length,
    },
};

/// The largest size that the format can express, in bytes.
pub const MAX_SIZE: usize = 999_999_999;

/// How many digits [`MAX_SIZE`] has.
const MAX_DIGITS: usize = 9;

/// How many lists and dictionaries may stand inside each other. Reading recurses this deep; nobody
/// needs as much.
pub const MAX_DEPTH: usize = 16;

/// The longest text of a float, in bytes. Every `f64` written out in full is shorter (1077 bytes
/// for the smallest).
pub const MAX_FLOAT: usize = 1100;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `,`: any bytes.
    String,
    /// `#`: an integer.
    Integer,
    /// `^`: a number with a fraction.
    Float,
    /// `!`: true or false.
    Boolean,
    /// `~`: nothing.
    Null,
    /// `}`: keys and values in turn.
    Dictionary,
    /// `]`: values.
    List,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 7] = [
        Self::String,
        Self::Integer,
        Self::Float,
        Self::Boolean,
        Self::Null,
        Self::Dictionary,
        Self::List,
    ];

    /// Returns the byte behind a payload of this kind.
    #[must_use]
    pub const fn byte(self) -> u8 {
        match self {
            Self::String => b',',
            Self::Integer => b'#',
            Self::Float => b'^',
            Self::Boolean => b'!',
            Self::Null => b'~',
            Self::Dictionary => b'}',
            Self::List => b']',
        }
    }

    /// Reads the byte behind a payload.
    ///
    /// # Errors
    /// When the format has no such kind.
    pub const fn read(byte: u8) -> Result<Self, TnetstringError> {
        match byte {
            b',' => Ok(Self::String),
            b'#' => Ok(Self::Integer),
            b'^' => Ok(Self::Float),
            b'!' => Ok(Self::Boolean),
            b'~' => Ok(Self::Null),
            b'}' => Ok(Self::Dictionary),
            b']' => Ok(Self::List),
            _ => Err(TnetstringError::Type),
        }
    }
}
