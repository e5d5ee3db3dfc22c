//! Bytes that wait, in the pieces in which they came.

use std::{collections::VecDeque, mem};

use bytes::{Bytes, BytesMut};

/// From so many pieces on they are put together when they are small on average.
const MANY: usize = 256;

/// What a piece has at least on average when there are [`MANY`] of them.
///
/// A piece costs memory of its own (its handle, and the buffer that it keeps alive). Without this,
/// somebody who sends one byte a message fills many times the window.
const SMALL: usize = 1024;

/// A shorter piece of what the other end says is copied.
///
/// It keeps all of the buffer alive into which it was read, 64 KiB or more, and whatever else came
/// in there counts nowhere. A quarter of that costs next to nothing to copy, and bounds what one
/// window of bytes can hold to a few.
const SHORT: usize = 16 * 1024;

/// A queue of bytes. They leave as they came, without a copy, unless they came in crumbs.
///
/// The first piece has a place of its own, so that a small body needs no allocation here.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    first: Bytes,
    more: VecDeque<Bytes>,
    length: usize,
}

impl Chunks {
    /// Returns how many bytes there are.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Puts bytes at the end.
    pub(super) fn push(&mut self, bytes: Bytes) {
        self.length += bytes.len();
        if self.first.is_empty() {
            self.first = bytes;
        } else if !bytes.is_empty() {
            self.more.push_back(bytes);
            if self.more.len() >= MANY && self.length < self.more.len() * SMALL {
                self.join();
            }
        }
    }

    /// Puts bytes at the end that are part of a buffer of nobody knows what size.
    pub(super) fn push_alone(&mut self, bytes: Bytes) {
        self.push(if bytes.len() < SHORT { Bytes::copy_from_slice(&bytes) } else { bytes });
    }

    /// Takes the next piece, or this much of it. Returns none when there are none.
    pub(super) fn take(&mut self, most: usize) -> Bytes {
        let piece = if self.first.len() <= most {
            let next = self.more.pop_front().unwrap_or_default();
            mem::replace(&mut self.first, next)
        } else {
            self.first.split_to(most)
        };
        self.length -= piece.len();
        piece
    }

    /// Drops everything.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Returns how many pieces there are.
    #[cfg(test)]
    pub(super) fn pieces(&self) -> usize {
        self.more.len() + usize::from(!self.first.is_empty())
    }

    fn join(&mut self) {
        let mut whole = BytesMut::with_capacity(self.length);
        whole.extend_from_slice(&self.first);
        for piece in self.more.drain(..) {
            whole.extend_from_slice(&piece);
        }
        self.first = whole.freeze();
    }
}
