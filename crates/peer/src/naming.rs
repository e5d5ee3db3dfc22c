//! Titles of sites, and the names that gateways know them by.

use std::path::Path;

use crosstalk::label::{self, Label};

/// The most characters of a title.
pub(crate) const MAX_TITLE: usize = 60;

/// How many random characters end a label: with 28^5 possibilities two people with the same folder
/// name hardly ever meet, and the label still can be read aloud.
const SUFFIX_LENGTH: usize = 5;

/// What the suffix is made of: no vowels that make words, nothing that looks like something else.
const SUFFIX_ALPHABET: &[u8] = b"23456789bcdfghjkmnpqrstvwxyz";

/// What stands before the suffix when nothing of the title can.
const FALLBACK: &str = "folder";

/// Returns the title that a folder gets: its own name.
pub(crate) fn title(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy();
    readable(&name).unwrap_or_else(|| FALLBACK.to_owned())
}

/// Makes a title printable and short; `None` when nothing is left.
pub(crate) fn readable(title: &str) -> Option<String> {
    let printable: String = title.chars().filter(|c| !is_deceptive(*c)).take(MAX_TITLE).collect();
    let printable = printable.trim();
    (!printable.is_empty()).then(|| printable.to_owned())
}

/// Controls, and what changes the direction or hides in a line.
pub(crate) fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fffd}')
}

/// Returns a new label for a site with this title: a readable part and a random one.
pub(crate) fn label(title: &str) -> Label {
    loop {
        let suffix: String = (0..SUFFIX_LENGTH)
            .map(|_| char::from(SUFFIX_ALPHABET[rand::random_range(0..SUFFIX_ALPHABET.len())]))
            .collect();
        // A slug and a suffix always make a label; the loop ends at once.
        if let Ok(label) = Label::parse(&format!("{}-{suffix}", slug(title))) {
            return label;
        }
    }
}

/// Returns the ASCII of a title: small letters and digits with single dashes between.
fn slug(title: &str) -> String {
    let longest = label::MAX_LENGTH - SUFFIX_LENGTH - 1;
    let mut slug = String::new();
    for c in title.chars() {
        let plain = match c {
            'ä' | 'Ä' | 'æ' | 'Æ' => "ae",
            'ö' | 'Ö' | 'ø' | 'Ø' | 'œ' | 'Œ' => "oe",
            'ü' | 'Ü' => "ue",
            'ß' => "ss",
            'à'..='å' | 'À'..='Å' => "a",
            'ç' | 'Ç' => "c",
            'è'..='ë' | 'È'..='Ë' => "e",
            'ì'..='ï' | 'Ì'..='Ï' => "i",
            'ñ' | 'Ñ' => "n",
            'ò'..='õ' | 'Ò'..='Õ' => "o",
            'ù'..='û' | 'Ù'..='Û' => "u",
            _ if c.is_ascii_alphanumeric() => {
                slug.push(c.to_ascii_lowercase());
                continue;
            }
            _ if slug.ends_with('-') || slug.is_empty() => continue,
            _ => "-",
        };
        slug.push_str(plain);
    }
    slug.truncate(longest);
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { FALLBACK.to_owned() } else { slug.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_is_what_a_person_would_write() {
        for (title, expected) in [
            ("Photos", "photos"),
            ("Ferien 2026 – Süßes & Saures", "ferien-2026-suesses-saur"),
            ("crème brûlée", "creme-brulee"),
            ("  --a__b--  ", "a-b"),
            ("写真", "folder"),
            ("写真 2026", "2026"),
            ("", "folder"),
            ("...", "folder"),
            ("aaaaaaaaaaaaaaaaaaaaaaa bbb", "aaaaaaaaaaaaaaaaaaaaaaa"),
        ] {
            assert_eq!(slug(title), expected, "{title}");
        }
    }

    #[test]
    fn every_title_makes_a_label_and_no_two_are_the_same() {
        for title in ["Photos", "写真", "www", "a", &"x-".repeat(100), "\u{202e}\u{0}"] {
            let one = label(title);
            assert!(one.as_str().starts_with(&slug(title)));
            assert_ne!(one, label(title));
        }
    }

    #[test]
    fn a_title_is_printable_and_short() {
        for (folder, expected) in [
            ("/home/me/Ferien 2026", "Ferien 2026"),
            ("/home/me/a\u{202e}gpj.exe", "agpj.exe"),
            ("/home/me/a\u{61c}b", "ab"),
            ("/home/me/line\nbreak", "linebreak"),
            ("/home/me/ \u{200b} ", "folder"),
            ("/", "/"),
        ] {
            assert_eq!(title(Path::new(folder)), expected);
        }
        assert_eq!(readable(&"x".repeat(1000)).map(|title| title.len()), Some(MAX_TITLE));
        assert_eq!(readable(" \n "), None);
    }
}
