//! Whose number it is, and a fast hash of it.

use std::hash::{BuildHasherDefault, Hasher};

use super::{Numbers, TransactionId};

/// Builds the hash of the table of transactions.
pub(super) type BuildNumberHasher = BuildHasherDefault<NumberHasher>;

impl Numbers {
    /// Returns whether an end with these numbers opens with this one.
    pub(super) fn has(self, id: TransactionId) -> bool {
        let even = id.0.is_multiple_of(2);
        match self {
            Self::Even => even,
            Self::Odd => !even,
        }
    }

    /// Returns the first number; 0 is nobody's, so that it can stand for "none yet".
    pub(super) fn first(self) -> u64 {
        match self {
            Self::Even => 2,
            Self::Odd => 1,
        }
    }
}

/// A hash of numbers that follow each other: one multiplication and one fold.
///
/// The other end chooses its numbers and can make them collide. That costs a walk over the table,
/// which never holds more than a few hundred, so that a keyed hash would only make every message
/// dearer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        // 2^64 divided by the golden ratio: spreads neighbours over the high bits. The fold brings
        // them down to the low bits, which choose the place.
        let spread = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = spread ^ (spread >> 32);
    }
}
