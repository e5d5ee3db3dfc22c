//! Names of sites at a gateway.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The part of a site's host name that its owner chose: 3 to 30 of `a-z`, `0-9` and `-`, neither
/// beginning nor ending with `-`, no `--` (in third and fourth place it is IDNA's, elsewhere hard to
/// read aloud), and none of [`RESERVED`].
///
/// The limit is below DNS's 63 so that a person can read a label aloud.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Label(String);

/// Labels that nobody can have: a visitor would take them for the gateway's own, or a browser or
/// certificate authority treats them in a way of its own.
pub const RESERVED: &[&str] = &[
    "admin",
    "api",
    "app",
    "autoconfig",
    "autodiscover",
    "ftp",
    "gateway",
    "help",
    "imap",
    "localhost",
    "mail",
    "ptth",
    "smtp",
    "status",
    "support",
    "veranda",
    "wpad",
    "www",
];

/// The fewest characters of a label.
pub const MIN_LENGTH: usize = 3;
/// The most characters of a label.
pub const MAX_LENGTH: usize = 30;

/// Why a text is no label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// Shorter than [`MIN_LENGTH`] or longer than [`MAX_LENGTH`].
    #[error("a name has {MIN_LENGTH} to {MAX_LENGTH} characters")]
    Length,
    /// Something other than `a-z`, `0-9`, `-`, or a dash where none may be.
    #[error("a name consists of a-z, 0-9 and single dashes inside")]
    Characters,
    /// One of [`RESERVED`].
    #[error("this name is reserved")]
    Reserved,
}

impl Label {
    /// Reads a label; capital letters are refused, as a host name has none when it is compared.
    ///
    /// # Errors
    /// When the text breaks one of the rules of [`Label`].
    pub fn parse(text: &str) -> Result<Self, LabelError> {
        if !(MIN_LENGTH..=MAX_LENGTH).contains(&text.len()) {
            return Err(LabelError::Length);
        }
        let allowed = text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        if !allowed || text.starts_with('-') || text.ends_with('-') || text.contains("--") {
            return Err(LabelError::Characters);
        }
        if RESERVED.contains(&text) {
            return Err(LabelError::Reserved);
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the label's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Label {
    type Err = LabelError;
    fn from_str(text: &str) -> Result<Self, LabelError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Label {
    type Error = LabelError;
    fn try_from(text: String) -> Result<Self, LabelError> {
        Self::parse(&text)
    }
}

impl From<Label> for String {
    fn from(label: Label) -> Self {
        label.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_fits_into_a_host_name_and_nothing_else() {
        for good in ["abc", "holiday-photos-k3f9", "0-0", &"a".repeat(30)] {
            assert_eq!(Label::parse(good).map(String::from), Ok(good.to_owned()));
        }
        for (bad, why) in [
            ("", LabelError::Length),
            ("ab", LabelError::Length),
            (&"a".repeat(31), LabelError::Length),
            ("-abc", LabelError::Characters),
            ("abc-", LabelError::Characters),
            ("xn--abc", LabelError::Characters),
            ("ABC", LabelError::Characters),
            ("a.b", LabelError::Characters),
            ("a/b", LabelError::Characters),
            ("süß", LabelError::Characters),
            ("www", LabelError::Reserved),
        ] {
            assert_eq!(Label::parse(bad), Err(why), "{bad:?}");
        }
    }
}
