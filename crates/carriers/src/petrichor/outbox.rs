//! What waits to be written.

use std::{collections::VecDeque, io::IoSlice};

use bytes::{Buf, BufMut as _, Bytes, BytesMut};
use crosstalk::tnetstring::{STRING_END, prefix};

/// Bodies from this size on are written from where they lie; copying smaller ones costs less than
/// one more part of a vectored write.
const OWN_PART: usize = 8 * 1024;

/// What the buffer for heads and small bodies may keep when nothing waits.
const RESTING_BUFFER: usize = 16 * 1024;

/// Bytes in the order in which they go out: heads and small bodies together in one buffer, large
/// bodies as they are.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    parts: VecDeque<Bytes>,
    /// What comes after all parts.
    tail: BytesMut,
    waiting: usize,
}

impl Outbox {
    /// Returns how many bytes wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Adds what `write` appends to the buffer.
    pub(super) fn append<E>(
        &mut self,
        write: impl FnOnce(&mut BytesMut) -> Result<(), E>,
    ) -> Result<(), E> {
        let before = self.tail.len();
        write(&mut self.tail)?;
        self.waiting += self.tail.len() - before;
        Ok(())
    }

    /// Adds a string of these bytes.
    pub(super) fn string(&mut self, bytes: Bytes) {
        let size = prefix(bytes.len());
        self.waiting += size.len() + bytes.len() + STRING_END.len();
        self.tail.put_slice(&size);
        if bytes.len() >= OWN_PART {
            self.parts.push_back(self.tail.split().freeze());
            self.parts.push_back(bytes);
        } else {
            self.tail.put_slice(&bytes);
        }
        self.tail.put_slice(STRING_END);
    }

    /// Gives back memory when nothing waits.
    pub(super) fn rest(&mut self) {
        // The capacity alone does not count what is in front of what was written.
        if self.waiting == 0 && self.tail.try_reclaim(RESTING_BUFFER + 1) {
            self.tail = BytesMut::new();
        }
    }
}

impl Buf for Outbox {
    fn remaining(&self) -> usize {
        self.waiting
    }

    fn chunk(&self) -> &[u8] {
        self.parts.front().map_or(&self.tail, |part| part)
    }

    fn chunks_vectored<'a>(&'a self, into: &mut [IoSlice<'a>]) -> usize {
        let mut used = 0;
        let tail = std::iter::once(&self.tail[..]).filter(|tail| !tail.is_empty());
        let parts = self.parts.iter().map(|part| &part[..]);
        for (place, part) in into.iter_mut().zip(parts.chain(tail)) {
            *place = IoSlice::new(part);
            used += 1;
        }
        used
    }

    fn advance(&mut self, mut count: usize) {
        self.waiting -= count;
        while let Some(part) = self.parts.front_mut() {
            if count < part.len() {
                part.advance(count);
                return;
            }
            count -= part.len();
            self.parts.pop_front();
        }
        self.tail.advance(count);
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn filled() -> (Outbox, Vec<u8>) {
        let mut outbox = Outbox::default();
        let mut expected = Vec::new();
        for (number, length) in [0, 10, OWN_PART, 5, 3 * OWN_PART, OWN_PART - 1].iter().enumerate()
        {
            let head = format!("head {number}");
            let _ = outbox.append(|out| {
                out.put_slice(head.as_bytes());
                Ok::<_, Infallible>(())
            });
            let body = vec![number as u8; *length];
            outbox.string(Bytes::from(body.clone()));
            expected.extend(head.as_bytes());
            expected.extend(format!("{length}:").as_bytes());
            expected.extend(body);
            expected.push(b',');
        }
        (outbox, expected)
    }

    #[test]
    fn everything_goes_out_in_order_however_little_is_taken_at_once() {
        for step in [1, 7, 4096, OWN_PART, usize::MAX] {
            let (mut outbox, expected) = filled();
            assert_eq!(outbox.waiting(), expected.len());
            let mut taken: Vec<u8> = Vec::new();
            while outbox.has_remaining() {
                let mut places = [IoSlice::new(&[]); 64];
                let used = outbox.chunks_vectored(&mut places);
                let there: Vec<u8> = places[..used].concat_parts();
                assert_eq!(there.len(), outbox.remaining());
                let step = step.min(there.len());
                taken.extend(&there[..step]);
                outbox.advance(step);
            }
            assert_eq!(taken, expected);
            outbox.rest();
            assert!(outbox.tail.capacity() <= RESTING_BUFFER);
        }
    }

    trait ConcatParts {
        fn concat_parts(&self) -> Vec<u8>;
    }

    impl ConcatParts for [IoSlice<'_>] {
        fn concat_parts(&self) -> Vec<u8> {
            self.iter().flat_map(|part| part.iter().copied()).collect()
        }
    }

    #[test]
    fn a_buffer_that_was_nearly_full_is_given_back_like_any_other() {
        for length in (100..7000).step_by(97) {
            let mut outbox = Outbox::default();
            while outbox.waiting() < 256 * 1024 {
                outbox.string(Bytes::from(vec![1; length]));
            }
            outbox.advance(outbox.waiting());
            outbox.rest();
            assert!(!outbox.tail.try_reclaim(RESTING_BUFFER + 1), "{length}");
        }
    }

    #[test]
    fn large_bodies_are_not_copied() {
        let mut outbox = Outbox::default();
        let body = Bytes::from(vec![1; OWN_PART]);
        outbox.string(body.clone());
        assert!(outbox.parts.iter().any(|part| part.as_ptr() == body.as_ptr()));
    }
}
