//! Whole values in memory.

use bytes::{Bytes, BytesMut};

use super::{Element, Kind, MAX_DEPTH, TnetstringError, write};

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// True or false.
    Boolean(bool),
    /// An integer.
    Integer(i64),
    /// A number with a fraction.
    Float(Finite),
    /// Any bytes.
    String(Bytes),
    /// Values.
    List(Vec<Value>),
    /// Values with names.
    Dictionary(Dictionary),
}

/// A float that is a number.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Finite(f64);

impl Finite {
    /// Returns it unless it is infinite or not a number.
    #[must_use]
    pub fn new(value: f64) -> Option<Self> {
        value.is_finite().then_some(Self(value))
    }

    /// Returns the number.
    #[must_use]
    pub fn value(self) -> f64 {
        self.0
    }
}

/// Values with names, in the order in which they were added. Names are bytes, and each is there
/// once.
///
/// For the few entries that a greeting has: looking one up goes through all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dictionary(Vec<(Bytes, Value)>);

impl Dictionary {
    /// Returns an empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the value with this name.
    #[must_use]
    pub fn value(&self, key: &[u8]) -> Option<&Value> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// Adds a value, or puts it in the place of the one with the same name.
    pub fn insert(&mut self, key: impl Into<Bytes>, value: impl Into<Value>) {
        let key = key.into();
        let value = value.into();
        match self.0.iter_mut().find(|(name, _)| *name == key) {
            Some((_, old)) => *old = value,
            None => self.0.push((key, value)),
        }
    }

    /// Returns the names and values in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Bytes, &Value)> {
        self.0.iter().map(|(key, value)| (key, value))
    }

    /// Returns how many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<K: Into<Bytes>, V: Into<Value>, const N: usize> From<[(K, V); N]> for Dictionary {
    fn from(entries: [(K, V); N]) -> Self {
        let mut dictionary = Self::new();
        for (key, value) in entries {
            dictionary.insert(key, value);
        }
        dictionary
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<Finite> for Value {
    fn from(value: Finite) -> Self {
        Self::Float(value)
    }
}

impl From<Bytes> for Value {
    fn from(value: Bytes) -> Self {
        Self::String(value)
    }
}

impl From<&'static str> for Value {
    fn from(value: &'static str) -> Self {
        Self::String(Bytes::from_static(value.as_bytes()))
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::String(value.into())
    }
}

impl From<Vec<Value>> for Value {
    fn from(value: Vec<Value>) -> Self {
        Self::List(value)
    }
}

impl From<Dictionary> for Value {
    fn from(value: Dictionary) -> Self {
        Self::Dictionary(value)
    }
}

impl Value {
    /// Reads bytes that are one value and nothing else.
    ///
    /// The strings of the value are parts of these bytes, not copies: they stay in memory as long
    /// as any of them does.
    ///
    /// # Errors
    /// When anything is wrong with them.
    pub fn parse(bytes: &Bytes) -> Result<Self, TnetstringError> {
        Self::read(bytes, Element::whole(bytes)?)
    }

    /// Reads an element of `bytes`.
    pub(super) fn read(bytes: &Bytes, element: Element<'_>) -> Result<Self, TnetstringError> {
        Ok(match element.kind() {
            Kind::String => Self::String(bytes.slice_ref(element.string()?)),
            Kind::Integer => Self::Integer(element.integer()?),
            Kind::Float => Self::Float(element.float()?),
            Kind::Boolean => Self::Boolean(element.boolean()?),
            Kind::Null => element.null().map(|()| Self::Null)?,
            Kind::List => {
                let elements = element.list()?.map(|element| Self::read(bytes, element?));
                Self::List(elements.collect::<Result<_, _>>()?)
            }
            Kind::Dictionary => {
                let entries = element.dictionary()?.map(|entry| {
                    let (key, value) = entry?;
                    Ok((bytes.slice_ref(key), Self::read(bytes, value)?))
                });
                Self::Dictionary(Dictionary(entries.collect::<Result<_, _>>()?))
            }
        })
    }

    /// Writes it, with a payload of at most `max` bytes.
    ///
    /// # Errors
    /// [`TnetstringError::TooLarge`], and [`TnetstringError::Depth`] when nobody would read it.
    pub fn to_bytes(&self, max: usize) -> Result<Bytes, TnetstringError> {
        let mut out = BytesMut::new();
        self.write(&mut out, max)?;
        Ok(out.freeze())
    }

    /// The same, to the end of a buffer.
    ///
    /// # Errors
    /// As above; the buffer is then as it was.
    pub fn write(&self, out: &mut BytesMut, max: usize) -> Result<(), TnetstringError> {
        if self.payload_length(0)? > max.min(super::MAX_SIZE) {
            return Err(TnetstringError::TooLarge);
        }
        self.append(out);
        Ok(())
    }

    /// Returns how long the payload will be.
    fn payload_length(&self, depth: usize) -> Result<usize, TnetstringError> {
        if depth == MAX_DEPTH && matches!(self, Self::List(_) | Self::Dictionary(_)) {
            return Err(TnetstringError::Depth);
        }
        let inner = |value: &Self| value.payload_length(depth + 1).map(write::written_length);
        match self {
            Self::Null => Ok(0),
            Self::Boolean(true) => Ok(4),
            Self::Boolean(false) => Ok(5),
            Self::Integer(value) => Ok(value.to_string().len()),
            Self::Float(value) => Ok(write::float_text(*value).len()),
            Self::String(bytes) => Ok(bytes.len()),
            Self::List(values) => values.iter().try_fold(0, |sum, value| Ok(sum + inner(value)?)),
            Self::Dictionary(values) => values.iter().try_fold(0, |sum, (key, value)| {
                Ok(sum + write::written_length(key.len()) + inner(value)?)
            }),
        }
    }

    fn append(&self, out: &mut BytesMut) {
        match self {
            Self::Null => write::null(out),
            Self::Boolean(value) => write::boolean(out, *value),
            Self::Integer(value) => write::integer(out, *value),
            Self::Float(value) => write::float(out, *value),
            Self::String(bytes) => write::string(out, bytes),
            Self::List(values) => write::list(out, |list| {
                for value in values {
                    value.append(list.element());
                }
            }),
            Self::Dictionary(values) => write::dictionary(out, |dictionary| {
                for (key, value) in values.iter() {
                    value.append(dictionary.key(key));
                }
            }),
        }
    }
}
