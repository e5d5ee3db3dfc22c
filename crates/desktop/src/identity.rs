//! The name that stands beside the identity.

use crate::printable::printable;

/// The longest name of an identity or a site, in characters.
pub(crate) const MAX_NAME: usize = 60;

/// Returns a name as it is kept: without space around it, printable; `None` when it is empty or too
/// long.
#[must_use]
pub(crate) fn name(text: &str) -> Option<String> {
    let name = printable(text.trim(), MAX_NAME + 1);
    let length = name.chars().count();
    (1..=MAX_NAME).contains(&length).then_some(name)
}

/// Returns the name that the first identity gets: the person's, as the system knows it, else the
/// account's, else the computer's, else `fallback`.
#[must_use]
pub(crate) fn default_name(fallback: impl FnOnce() -> String) -> String {
    let known = [whoami::realname(), whoami::username(), whoami::devicename()];
    let known: Vec<String> = known.into_iter().flatten().collect();
    first_good(known.iter().map(String::as_str)).unwrap_or_else(fallback)
}

fn first_good<'a>(mut known: impl Iterator<Item = &'a str>) -> Option<String> {
    // Unix keeps office and telephone behind commas (GECOS).
    let person = |text: &'a str| name(text.split(',').next().unwrap_or_default());
    let whole = |name: &String| !name.contains(char::REPLACEMENT_CHARACTER);
    known.find_map(|text| person(text).filter(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_to_sixty_characters() {
        assert_eq!(name("  Ada \n"), Some("Ada".to_owned()));
        assert_eq!(name(" \t "), None);
        assert_eq!(name(&"é".repeat(60)).map(|name| name.chars().count()), Some(60));
        assert_eq!(name(&"é".repeat(61)), None);
        assert_eq!(name("A\u{202E}da"), Some("A\u{FFFD}da".to_owned()));
    }

    #[test]
    fn the_first_name_is_the_persons() {
        let check = |known: &[&str], name: Option<&str>| {
            assert_eq!(first_good(known.iter().copied()).as_deref(), name);
        };
        check(&["", " ,,,", "ada"], Some("ada"));
        check(&["Ada Lovelace,Room 3,", "ada"], Some("Ada Lovelace"));
        check(&["", "\u{0}", "ada"], Some("ada"));
        check(&[], None);
    }

    #[test]
    fn there_always_is_a_first_name() {
        assert!(name(&default_name(|| "Me".to_owned())).is_some());
    }
}
