//! Reading in place.

use std::{collections::BTreeSet, mem, str};

use super::{
    Finite, Kind, MAX_DEPTH, MAX_FLOAT, TnetstringError,
    measure::{Size, size},
};

/// A value where it stands in the bytes: its kind and its payload.
///
/// Nothing of the payload is looked at before it is asked for: who leaves an element alone does not
/// know whether it could be read, unless [`Element::check`] says so.
#[derive(Clone, Copy, Debug)]
pub struct Element<'a> {
    kind: Kind,
    payload: &'a [u8],
    /// How many lists and dictionaries it is in.
    depth: usize,
}

impl<'a> Element<'a> {
    /// Reads bytes that are one value and nothing else.
    ///
    /// # Errors
    /// When they are not.
    pub fn whole(mut bytes: &'a [u8]) -> Result<Self, TnetstringError> {
        let element = Self::split(&mut bytes)?;
        if bytes.is_empty() { Ok(element) } else { Err(TnetstringError::Trailing) }
    }

    /// Takes the first value off `bytes`, where it must be whole.
    ///
    /// # Errors
    /// When the first bytes are no value; `bytes` is then as it was.
    pub fn split(bytes: &mut &'a [u8]) -> Result<Self, TnetstringError> {
        Self::split_at_depth(bytes, 0)
    }

    pub(super) fn outermost(kind: Kind, payload: &'a [u8]) -> Self {
        Self { kind, payload, depth: 0 }
    }

    fn split_at_depth(bytes: &mut &'a [u8], depth: usize) -> Result<Self, TnetstringError> {
        // What a size claims beyond the bytes that are here is no error of size but an end too
        // soon; the limit only keeps the sum below from overflowing.
        let Size::Known { start, length } = size(bytes, super::MAX_SIZE)? else {
            return Err(TnetstringError::Cut);
        };
        let behind = start + length;
        let kind = Kind::read(*bytes.get(behind).ok_or(TnetstringError::Cut)?)?;
        let payload = &bytes[start..behind];
        *bytes = &bytes[behind + 1..];
        Ok(Self { kind, payload, depth })
    }

    /// Returns what it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns whether it is a null, with or without the payload that it must not have.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.kind == Kind::Null
    }

    /// Returns the bytes of a string.
    ///
    /// # Errors
    /// When it is of another kind.
    pub fn string(&self) -> Result<&'a [u8], TnetstringError> {
        self.payload_of(Kind::String)
    }

    /// Returns an integer.
    ///
    /// # Errors
    /// When it is of another kind, or not in the only form that integers have.
    pub fn integer(&self) -> Result<i64, TnetstringError> {
        let payload = self.payload_of(Kind::Integer)?;
        let digits = payload.strip_prefix(b"-").unwrap_or(payload);
        let canonical = match digits {
            [b'0'] => digits.len() == payload.len(),
            [b'1'..=b'9', more @ ..] => more.iter().all(u8::is_ascii_digit),
            _ => false,
        };
        let text = str::from_utf8(payload).ok().filter(|_| canonical);
        text.and_then(|text| text.parse().ok()).ok_or(TnetstringError::Integer)
    }

    /// Returns a float.
    ///
    /// # Errors
    /// When it is of another kind, not finite, or not in the grammar of JSON.
    pub fn float(&self) -> Result<Finite, TnetstringError> {
        let payload = self.payload_of(Kind::Float)?;
        let text = str::from_utf8(payload).ok().filter(|_| is_json_number(payload));
        let number = text.and_then(|text| text.parse().ok()).and_then(Finite::new);
        number.ok_or(TnetstringError::Float)
    }

    /// Returns a boolean.
    ///
    /// # Errors
    /// When it is of another kind, or neither `true` nor `false`.
    pub fn boolean(&self) -> Result<bool, TnetstringError> {
        match self.payload_of(Kind::Boolean)? {
            b"true" => Ok(true),
            b"false" => Ok(false),
            _ => Err(TnetstringError::Boolean),
        }
    }

    /// Reads a null.
    ///
    /// # Errors
    /// When it is of another kind, or has a payload.
    pub fn null(&self) -> Result<(), TnetstringError> {
        if self.payload_of(Kind::Null)?.is_empty() { Ok(()) } else { Err(TnetstringError::Null) }
    }

    /// Returns the elements of a list.
    ///
    /// # Errors
    /// When it is of another kind, or nested too deep.
    pub fn list(&self) -> Result<Elements<'a>, TnetstringError> {
        let rest = self.payload_of(Kind::List)?;
        Ok(Elements { rest, depth: self.deeper()? })
    }

    /// Returns the keys and values of a dictionary.
    ///
    /// # Errors
    /// When it is of another kind, or nested too deep.
    pub fn dictionary(&self) -> Result<Entries<'a>, TnetstringError> {
        let rest = self.payload_of(Kind::Dictionary)?;
        Ok(Entries { rest, depth: self.deeper()?, seen: Seen::default() })
    }

    /// Reads all of it, and all that is in it.
    ///
    /// # Errors
    /// When anything is wrong.
    pub fn check(&self) -> Result<(), TnetstringError> {
        match self.kind {
            Kind::String => Ok(()),
            Kind::Integer => self.integer().map(drop),
            Kind::Float => self.float().map(drop),
            Kind::Boolean => self.boolean().map(drop),
            Kind::Null => self.null(),
            Kind::List => self.list()?.try_for_each(|element| element?.check()),
            Kind::Dictionary => self.dictionary()?.try_for_each(|entry| entry?.1.check()),
        }
    }

    fn payload_of(&self, kind: Kind) -> Result<&'a [u8], TnetstringError> {
        if self.kind == kind { Ok(self.payload) } else { Err(TnetstringError::Not(kind)) }
    }

    fn deeper(&self) -> Result<usize, TnetstringError> {
        if self.depth < MAX_DEPTH { Ok(self.depth + 1) } else { Err(TnetstringError::Depth) }
    }
}

/// The elements of a list, in order. Ends after the first error.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    rest: &'a [u8],
    depth: usize,
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<Element<'a>, TnetstringError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let element = Element::split_at_depth(&mut self.rest, self.depth);
        if element.is_err() {
            self.rest = &[];
        }
        Some(element)
    }
}

/// The keys and values of a dictionary, in order. Ends after the first error.
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    rest: &'a [u8],
    depth: usize,
    seen: Seen<'a>,
}

impl<'a> Entries<'a> {
    fn entry(&mut self) -> Result<(&'a [u8], Element<'a>), TnetstringError> {
        let key = Element::split_at_depth(&mut self.rest, self.depth)?;
        let key = key.string().map_err(|_| TnetstringError::Key)?;
        if self.rest.is_empty() {
            return Err(TnetstringError::Value);
        }
        let value = Element::split_at_depth(&mut self.rest, self.depth)?;
        if self.seen.insert(key) { Ok((key, value)) } else { Err(TnetstringError::Duplicate) }
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<(&'a [u8], Element<'a>), TnetstringError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let entry = self.entry();
        if entry.is_err() {
            self.rest = &[];
        }
        Some(entry)
    }
}

/// How many keys are remembered without an allocation: more than a head of Petrichor has.
const FEW_KEYS: usize = 12;

/// The keys that a dictionary had so far.
#[derive(Clone, Debug, Default)]
struct Seen<'a> {
    few: [&'a [u8]; FEW_KEYS],
    count: usize,
    /// All of them, from the first that finds no place above.
    many: BTreeSet<&'a [u8]>,
}

impl<'a> Seen<'a> {
    /// Returns whether it is new.
    fn insert(&mut self, key: &'a [u8]) -> bool {
        if self.count < FEW_KEYS {
            if self.few[..self.count].contains(&key) {
                return false;
            }
            self.few[self.count] = key;
            self.count += 1;
            return true;
        }
        if self.many.is_empty() {
            self.many = mem::take(&mut self.few).into_iter().collect();
        }
        self.many.insert(key)
    }
}

/// RFC 8259, section 6.
fn is_json_number(text: &[u8]) -> bool {
    fn digits(text: &[u8]) -> (&[u8], &[u8]) {
        text.split_at(text.iter().take_while(|byte| byte.is_ascii_digit()).count())
    }
    if text.len() > MAX_FLOAT {
        return false;
    }
    let (integer, mut rest) = digits(text.strip_prefix(b"-").unwrap_or(text));
    if integer.is_empty() || (integer.len() > 1 && integer[0] == b'0') {
        return false;
    }
    if let Some(fraction) = rest.strip_prefix(b".") {
        let (fraction, behind) = digits(fraction);
        if fraction.is_empty() {
            return false;
        }
        rest = behind;
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let exponent =
            exponent.strip_prefix(b"+").or(exponent.strip_prefix(b"-")).unwrap_or(exponent);
        let (exponent, behind) = digits(exponent);
        return !exponent.is_empty() && behind.is_empty();
    }
    rest.is_empty()
}
