//! Writing to the end of a buffer.

use std::ops::Deref;

use bytes::{BufMut as _, BytesMut};

use super::{Finite, Kind};

/// What stands behind the bytes of a string.
pub const STRING_END: &[u8] = b",";

/// `SIZE:`, which stands before a payload.
#[derive(Clone, Copy, Debug)]
pub struct Prefix {
    /// Written from the end.
    bytes: [u8; Prefix::MAX],
    start: usize,
}

impl Prefix {
    /// The digits of the largest `usize`, and the colon.
    const MAX: usize = 21;
}

impl Deref for Prefix {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
}

/// Returns what stands before a payload of `size` bytes. With [`STRING_END`] behind it, a body need
/// not be copied to be sent.
///
/// Nobody reads sizes above [`MAX_SIZE`](super::MAX_SIZE); to send less is the caller's to see to.
#[must_use]
pub fn prefix(size: usize) -> Prefix {
    let mut prefix = Prefix { bytes: [b':'; Prefix::MAX], start: Prefix::MAX - 1 };
    let mut rest = size;
    loop {
        prefix.start -= 1;
        // A digit always fits.
        prefix.bytes[prefix.start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            return prefix;
        }
    }
}

/// Returns how many bytes a value with a payload of `size` bytes has, with its size and its type.
#[must_use]
pub const fn written_length(size: usize) -> usize {
    let digits = match size.checked_ilog10() {
        Some(digits) => digits as usize + 1,
        None => 1,
    };
    digits + 1 + size + 1
}

fn value(out: &mut BytesMut, kind: Kind, payload: &[u8]) {
    out.reserve(written_length(payload.len()));
    out.put_slice(&prefix(payload.len()));
    out.put_slice(payload);
    out.put_u8(kind.byte());
}

/// Appends a string.
pub fn string(out: &mut BytesMut, bytes: &[u8]) {
    value(out, Kind::String, bytes);
}

/// Appends an integer.
pub fn integer(out: &mut BytesMut, integer: i64) {
    // The digits of the smallest, and its sign.
    let mut text = [0; 20];
    let mut start = text.len();
    let mut rest = integer.unsigned_abs();
    loop {
        start -= 1;
        text[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if integer < 0 {
        start -= 1;
        text[start] = b'-';
    }
    value(out, Kind::Integer, &text[start..]);
}

/// Appends a float: as few digits as tell it apart, always with a point, never with an exponent.
pub fn float(out: &mut BytesMut, float: Finite) {
    value(out, Kind::Float, float_text(float).as_bytes());
}

pub(super) fn float_text(float: Finite) -> String {
    let mut text = float.value().to_string();
    if !text.contains('.') {
        text.push_str(".0");
    }
    text
}

/// Appends a boolean.
pub fn boolean(out: &mut BytesMut, boolean: bool) {
    out.put_slice(if boolean { b"4:true!" } else { b"5:false!" });
}

/// Appends a null.
pub fn null(out: &mut BytesMut) {
    out.put_slice(b"0:~");
}

/// Appends a dictionary of what `fill` writes.
///
/// That no key is written twice, and that nothing is nested deeper than
/// [`MAX_DEPTH`](super::MAX_DEPTH), is the caller's to see to.
pub fn dictionary(out: &mut BytesMut, fill: impl FnOnce(&mut DictionaryWriter<'_>)) {
    enclosed(out, Kind::Dictionary, |out| fill(&mut DictionaryWriter { out }));
}

/// Appends a list of what `fill` writes.
///
/// That nothing is nested deeper than [`MAX_DEPTH`](super::MAX_DEPTH) is the caller's to see to.
pub fn list(out: &mut BytesMut, fill: impl FnOnce(&mut ListWriter<'_>)) {
    enclosed(out, Kind::List, |out| fill(&mut ListWriter { out }));
}

/// Writes a payload and then its size before it, where room for the likely number of digits was
/// left. Heads are short, so if it was another number, moving them costs less than measuring first.
fn enclosed(out: &mut BytesMut, kind: Kind, fill: impl FnOnce(&mut BytesMut)) {
    /// Of payloads of 100 to 999 bytes, as heads have.
    const LIKELY: usize = "100:".len();
    let start = out.len();
    out.put_bytes(0, LIKELY);
    fill(out);
    let end = out.len();
    let prefix = prefix(end - start - LIKELY);
    if prefix.len() > LIKELY {
        out.put_bytes(0, prefix.len() - LIKELY);
    }
    if prefix.len() != LIKELY {
        out.copy_within(start + LIKELY..end, start + prefix.len());
        out.truncate(end - LIKELY + prefix.len());
    }
    out[start..start + prefix.len()].copy_from_slice(&prefix);
    out.put_u8(kind.byte());
}

/// Writes the entries of a [`dictionary`].
#[derive(Debug)]
pub struct DictionaryWriter<'a> {
    out: &'a mut BytesMut,
}

impl DictionaryWriter<'_> {
    /// Writes a key; what the caller appends next is its value.
    pub fn key(&mut self, key: &[u8]) -> &mut BytesMut {
        string(self.out, key);
        self.out
    }

    /// Adds a string.
    pub fn string(&mut self, key: &[u8], value: &[u8]) -> &mut Self {
        string(self.key(key), value);
        self
    }

    /// Adds an integer.
    pub fn integer(&mut self, key: &[u8], value: i64) -> &mut Self {
        integer(self.key(key), value);
        self
    }

    /// Adds a boolean.
    pub fn boolean(&mut self, key: &[u8], value: bool) -> &mut Self {
        boolean(self.key(key), value);
        self
    }

    /// Adds a dictionary inside this one.
    pub fn dictionary(
        &mut self,
        key: &[u8],
        fill: impl FnOnce(&mut DictionaryWriter<'_>),
    ) -> &mut Self {
        dictionary(self.key(key), fill);
        self
    }

    /// Adds a list inside this one.
    pub fn list(&mut self, key: &[u8], fill: impl FnOnce(&mut ListWriter<'_>)) -> &mut Self {
        list(self.key(key), fill);
        self
    }
}

/// Writes the elements of a [`list`].
#[derive(Debug)]
pub struct ListWriter<'a> {
    out: &'a mut BytesMut,
}

impl ListWriter<'_> {
    /// Returns where the caller appends the next element.
    pub fn element(&mut self) -> &mut BytesMut {
        self.out
    }

    /// Adds a string.
    pub fn string(&mut self, value: &[u8]) -> &mut Self {
        string(self.out, value);
        self
    }

    /// Adds an integer.
    pub fn integer(&mut self, value: i64) -> &mut Self {
        integer(self.out, value);
        self
    }

    /// Adds a list inside this one.
    pub fn list(&mut self, fill: impl FnOnce(&mut ListWriter<'_>)) -> &mut Self {
        list(self.out, fill);
        self
    }
}
