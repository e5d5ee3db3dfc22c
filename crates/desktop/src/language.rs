//! The language of the app: decided once at the start, for the window, the tray and everything else.

use serde::Serialize;
use ts_rs::TS;

/// A language that the app speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, TS)]
pub enum Language {
    /// English, which also everybody gets whose languages the app does not speak.
    #[default]
    #[serde(rename = "en")]
    English,
    /// German.
    #[serde(rename = "de")]
    German,
}

impl Language {
    /// Every language.
    pub const ALL: [Self; 2] = [Self::English, Self::German];

    /// Returns the first of the owner's languages that the app speaks, else English. They are told as the
    /// system does: `de-AT` (BCP 47), or `de_AT.UTF-8` (POSIX).
    pub fn wanted<Tag: AsRef<str>>(tags: impl IntoIterator<Item = Tag>) -> Self {
        let spoken = |tag: Tag| {
            let name = tag.as_ref().split(['-', '_', '.', '@']).next().unwrap_or_default();
            Self::ALL.into_iter().find(|language| language.tag().eq_ignore_ascii_case(name))
        };
        tags.into_iter().find_map(spoken).unwrap_or_default()
    }

    /// Returns its name (BCP 47), which is also that of its files of words.
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_language_that_the_app_speaks_is_taken() {
        for (tags, language) in [
            (&["de-DE", "en"] as &[&str], Language::German),
            (&["de_AT.UTF-8", "de_AT", "de", "C"], Language::German),
            (&["de@euro"], Language::German),
            (&["DE"], Language::German),
            (&["en-GB", "de"], Language::English),
            (&["fr", "de"], Language::German),
            (&["den", "fr"], Language::English),
            (&["C.UTF-8", "C"], Language::English),
            (&["", "_"], Language::English),
            (&[], Language::English),
        ] {
            assert_eq!(Language::wanted(tags), language, "{tags:?}");
        }
    }

    #[test]
    fn the_window_knows_it_by_the_same_name() {
        for language in Language::ALL {
            assert_eq!(serde_json::to_value(language).unwrap(), language.tag());
        }
    }
}
