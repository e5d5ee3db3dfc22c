//! The header.

use std::collections::BTreeMap;

use super::{
    MAX_HEADER, TaxiError,
    parse::{self, Pairs},
    value::{Item, Recipients, Value, write_short},
};

/// The part of a message before the semicolon, without `p`, which belongs to the message as a
/// whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// `a`: who sent the message. Worth something only behind [`Header::augmented_by`].
    pub actor: Option<String>,
    /// `c`: what is to be done with the body.
    pub command: Option<String>,
    /// `g`: the groups that shall have it.
    pub groups: Option<Recipients>,
    /// `s`: the nodes that passed it on, the newest first.
    pub path: Vec<String>,
    /// `t`: which browser tab of the actor or of the recipient; what an answer is found by. No
    /// router changes it.
    pub tab: Option<String>,
    /// `u`: the users that shall have it. Without `u` and `g` the message is for the server itself.
    pub users: Option<Recipients>,
    /// The keys that the draft does not have.
    pub further: Further,
}

/// Keys that the draft does not have. They are passed on as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Further(Pairs);

impl Header {
    /// Returns a header with this command and nothing else.
    #[must_use]
    pub fn command(command: impl Into<String>) -> Self {
        Self { command: Some(command.into()), ..Self::default() }
    }

    /// Reads a header without its semicolon, as prose quotes it. `p` is left out.
    ///
    /// # Errors
    /// See [`TaxiError`].
    pub fn parse(text: &str) -> Result<Self, TaxiError> {
        Ok(Self::read(parse::fragment(text)?)?.0)
    }

    /// Returns whether the message is for the server that got it: it names nobody.
    #[must_use]
    pub fn is_for_server(&self) -> bool {
        self.users.is_none() && self.groups.is_none()
    }

    /// Returns whether the message asks for everybody, which not everybody may.
    #[must_use]
    pub fn names_everybody(&self) -> bool {
        [&self.users, &self.groups].into_iter().flatten().any(|to| to.everybody)
    }

    /// Makes a header of pairs; also returns `p`.
    pub(super) fn read(mut pairs: Pairs) -> Result<(Self, Option<u64>), TaxiError> {
        let mut one = |key: &'static str| match pairs.remove(key) {
            None => Ok(None),
            Some(value) => {
                let text = value.as_text().ok_or(TaxiError::NotOne(key))?;
                Ok(Some(text.to_owned()))
            }
        };
        let (actor, command, tab) = (one("a")?, one("c")?, one("t")?);
        let length = match one("p")? {
            Some(text) => Some(parse::number(&text).ok_or(TaxiError::Number)?),
            None => None,
        };
        let groups = pairs.remove("g").map(Recipients::read);
        let users = pairs.remove("u").map(Recipients::read);
        let nodes = pairs.remove("s").map(Value::into_items).unwrap_or_default();
        let path = nodes.iter().map(|node| node.text().to_owned()).collect();
        Ok((Self { actor, command, groups, path, tab, users, further: Further(pairs) }, length))
    }

    /// Writes the header, keys in their order, with the `p` of a message that has this body.
    pub(super) fn write(&self, body: usize) -> Result<String, TaxiError> {
        // What comes before `p` in the alphabet, and what comes behind it.
        let mut halves = [String::new(), String::new()];
        for (key, value) in self.pairs()? {
            let half = &mut halves[usize::from(key > "p")];
            half.push_str(key);
            half.push('=');
            half.push_str(&value);
            half.push(',');
        }
        let [before, mut behind] = halves;
        // The last pair has a semicolon for its comma; `p` always is there.
        let rest = before.len() + "p=".len() + 1 + behind.len() + body;
        let separator = if behind.pop().is_some() { "," } else { "" };
        let header = format!("{before}p={}{separator}{behind};", total(rest));
        if header.len() > MAX_HEADER { Err(TaxiError::TooLong) } else { Ok(header) }
    }

    fn pairs(&self) -> Result<BTreeMap<&str, String>, TaxiError> {
        let mut pairs = BTreeMap::new();
        for (key, text) in [("a", &self.actor), ("c", &self.command), ("t", &self.tab)] {
            if let Some(text) = text {
                let mut written = String::new();
                Value::text(text.as_str()).write(&mut written)?;
                pairs.insert(key, written);
            }
        }
        for (key, recipients) in [("g", &self.groups), ("u", &self.users)] {
            if let Some(recipients) = recipients {
                let mut written = String::new();
                recipients.write(&mut written)?;
                pairs.insert(key, written);
            }
        }
        if !self.path.is_empty() {
            let nodes: Vec<Item> = self.path.iter().cloned().map(Item::Name).collect();
            let mut written = String::new();
            write_short(&nodes, &mut written)?;
            pairs.insert("s", written);
        }
        for (key, value) in &self.further.0 {
            let mut written = String::new();
            value.write(&mut written)?;
            pairs.insert(key.as_str(), written);
        }
        Ok(pairs)
    }
}

impl Further {
    /// Returns a key's value.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// Sets a key: a small letter, then letters and digits, and none of the draft's.
    ///
    /// # Errors
    /// [`TaxiError::Key`].
    pub fn set(&mut self, key: &str, value: Value) -> Result<(), TaxiError> {
        let first = key.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
        let others = key.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !first || !others || matches!(key, "a" | "c" | "g" | "p" | "s" | "t" | "u") {
            return Err(TaxiError::Key);
        }
        self.0.insert(key.to_owned(), value);
        Ok(())
    }
}

/// Returns the length of a message that has this many bytes besides the digits of that very length.
/// Where two numbers would be right (with 9 and 8 bytes before 10, ...), the smaller one.
fn total(rest: usize) -> usize {
    let digits = |number: usize| number.checked_ilog10().unwrap_or_default() as usize + 1;
    let first = rest + 1;
    // One digit more makes the number larger by one, and then at most one digit longer again.
    (first..).find(|total| rest + digits(*total) == *total).unwrap_or(first)
}
