//! Values of keys: one bare word, or a list in braces.

use super::{MAX_ITEMS, TaxiError};

/// A value of a key that the draft does not have. It keeps the form in which it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value(pub(super) Form);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Only characters that need no braces; may be empty.
    Bare(String),
    /// Anything.
    List(Vec<Item>),
}

/// An item of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// `*` without quotation marks: everybody.
    Everybody,
    /// Any other, and `"*"` with quotation marks: somebody whose name that is.
    Name(String),
}

/// To whom a message goes: the value of `u` or `g`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recipients {
    /// Whether `*` is among them. Only nodes and administrators may say so; the router decides.
    pub everybody: bool,
    /// The names, as they were written.
    pub names: Vec<String>,
}

impl Value {
    /// Makes a value of one text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        Self(if text.is_empty() || is_plain(&text) || text == "*" {
            Form::Bare(text)
        } else {
            Form::List(vec![Item::Name(text)])
        })
    }

    /// Makes a list.
    #[must_use]
    pub fn list(items: Vec<Item>) -> Self {
        Self(Form::List(items))
    }

    /// Returns the value when it is one: a bare word and a list of one item are the same, and an
    /// empty list is an empty text.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match &self.0 {
            Form::Bare(text) => Some(text),
            Form::List(items) => match items.as_slice() {
                [] => Some(""),
                [item] => Some(item.text()),
                [_, _, ..] => None,
            },
        }
    }

    /// Returns the items of the list; a bare word is a list of one, and nothing a list of none.
    pub fn into_items(self) -> Vec<Item> {
        match self.0 {
            Form::Bare(text) if text.is_empty() => Vec::new(),
            Form::Bare(text) if text == "*" => vec![Item::Everybody],
            Form::Bare(text) => vec![Item::Name(text)],
            Form::List(items) => items,
        }
    }

    /// Writes the value as it was read.
    pub(super) fn write(&self, out: &mut String) -> Result<(), TaxiError> {
        match &self.0 {
            Form::Bare(text) => out.push_str(text),
            Form::List(items) => write_list(items, out)?,
        }
        Ok(())
    }
}

impl Item {
    /// Returns the item as text, `*` for everybody.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Everybody => "*",
            Self::Name(name) => name,
        }
    }
}

impl Recipients {
    /// Returns everybody.
    #[must_use]
    pub fn everybody() -> Self {
        Self { everybody: true, names: Vec::new() }
    }

    /// Returns one.
    #[must_use]
    pub fn one(name: impl Into<String>) -> Self {
        Self { everybody: false, names: vec![name.into()] }
    }

    /// Returns whether this is nobody at all: `u=`.
    #[must_use]
    pub fn is_nobody(&self) -> bool {
        !self.everybody && self.names.is_empty()
    }

    pub(super) fn read(value: Value) -> Self {
        let mut recipients = Self::default();
        for item in value.into_items() {
            match item {
                Item::Everybody => recipients.everybody = true,
                Item::Name(name) => recipients.names.push(name),
            }
        }
        recipients
    }

    /// Writes the shortest form that reads the same.
    pub(super) fn write(&self, out: &mut String) -> Result<(), TaxiError> {
        let everybody = self.everybody.then_some(Item::Everybody);
        let names = self.names.iter().cloned().map(Item::Name);
        write_short(&everybody.into_iter().chain(names).collect::<Vec<_>>(), out)
    }
}

/// Writes items as the shortest form that reads the same: nothing, one bare word, or a list.
pub(super) fn write_short(items: &[Item], out: &mut String) -> Result<(), TaxiError> {
    match items {
        [] => Ok(()),
        [Item::Everybody] => {
            out.push('*');
            Ok(())
        }
        [Item::Name(name)] if is_plain(name) => {
            out.push_str(name);
            Ok(())
        }
        items => write_list(items, out),
    }
}

fn write_list(items: &[Item], out: &mut String) -> Result<(), TaxiError> {
    if items.len() > MAX_ITEMS {
        return Err(TaxiError::TooManyItems);
    }
    out.push('{');
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        match item {
            Item::Everybody => out.push('*'),
            Item::Name(name) if is_plain(name) => out.push_str(name),
            Item::Name(name) => write_quoted(name, out),
        }
    }
    out.push('}');
    Ok(())
}

fn write_quoted(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            out.push('\\');
        }
        out.push(character);
    }
    out.push('"');
}

/// Returns whether a text means the same with and without braces and quotation marks.
pub(super) fn is_plain(text: &str) -> bool {
    !text.is_empty() && text != "*" && text.bytes().all(is_bare)
}

/// Returns whether a byte may stand in a bare word. All that ends one is ASCII.
pub(super) fn is_bare(byte: u8) -> bool {
    !matches!(byte, b',' | b';' | b'{' | b'}' | b'"' | b'=') && !is_white(byte)
}

/// Returns whether a byte is white space, which counts inside braces only.
pub(super) fn is_white(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}
