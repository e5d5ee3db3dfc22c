//! Names under which visitors save what is sent to them: the owner's, as far as every system can
//! have them.

use std::collections::HashSet;

use crate::folder::path::{is_invisible_order, is_windows_name};

/// The longest name, in bytes: systems have 255, and browsers add to it while a download is not
/// complete, or when the name is taken.
const MAX_NAME: usize = 200;

/// The longest ending that is kept when a name is too long.
const MAX_ENDING: usize = 16;

/// What a name that has nothing in it becomes.
const NAMELESS: &str = "file";

/// Returns a name for one file that every system can store and show: no path, no device, nothing
/// that orders the letters around it.
pub(super) fn safe(name: &[u8]) -> String {
    let harmless: String = String::from_utf8_lossy(name)
        .chars()
        .map(|letter| {
            let is_harmful = letter.is_control()
                || is_invisible_order(letter)
                || r#"<>:"/\|?*"#.contains(letter);
            if is_harmful { '_' } else { letter }
        })
        .collect();
    let mut safe = shortened(trimmed(&harmless), "");
    if safe.is_empty() {
        safe.push_str(NAMELESS);
    }
    if !is_windows_name(safe.as_bytes()) {
        // What is left is a device: `NUL`, `COM1.txt`.
        safe.insert(0, '_');
    }
    safe
}

/// Returns a name like this one that is not among those that are `taken`, whether they differ in
/// the size of letters only, and adds it to them.
pub(super) fn unlike(name: String, taken: &mut HashSet<String>) -> String {
    let mut unlike = name;
    if taken.contains(&unlike.to_lowercase()) {
        let several = (2_u32..).map(|number| shortened(&unlike, &format!(" ({number})")));
        let free = several.into_iter().find(|name| !taken.contains(&name.to_lowercase()));
        unlike = free.unwrap_or_default();
    }
    taken.insert(unlike.to_lowercase());
    unlike
}

/// Returns the name of an archive that has this file first, and `others` more.
pub(super) fn of_archive(first: &str, others: usize) -> String {
    let (stem, _) = halves(first);
    let stem = trimmed(cut(stem, MAX_NAME / 2));
    safe(format!("{stem} and {others} more.zip").as_bytes())
}

/// Returns a name with something added before its ending, and not longer than [`MAX_NAME`].
fn shortened(name: &str, added: &str) -> String {
    let (stem, ending) = halves(name);
    let stem = cut(stem, MAX_NAME - added.len() - ending.len());
    trimmed(&format!("{stem}{added}{ending}")).to_owned()
}

/// Returns a name without what Windows does not store.
fn trimmed(name: &str) -> &str {
    name.trim_start().trim_end_matches(|letter: char| letter == '.' || letter.is_whitespace())
}

/// Cuts a name before its ending, if it has one.
fn halves(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(dot) if dot > 0 && name.len() - dot <= MAX_ENDING => name.split_at(dot),
        Some(_) | None => (name, ""),
    }
}

fn cut(text: &str, length: usize) -> &str {
    text.get(..text.floor_char_boundary(length)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keeps_what_is_harmless() {
        for name in ["a.txt", "grüße.tar.gz", "Ferien 2026 (1).JPG", ".profile", "写真.png"] {
            assert_eq!(safe(name.as_bytes()), name);
        }
    }

    #[test]
    fn leaves_nothing_that_leads_elsewhere() {
        for (name, expected) in [
            ("", "file"),
            (".", "file"),
            ("..", "file"),
            (" . ", "file"),
            ("../../etc/passwd", ".._.._etc_passwd"),
            ("C:\\Windows\\a.dll", "C__Windows_a.dll"),
            ("a\r\nb\0.txt", "a__b_.txt"),
            ("photo\u{202e}gpj.exe", "photo_gpj.exe"),
            ("what?.txt", "what_.txt"),
            ("nul", "_nul"),
            ("COM1.txt", "_COM1.txt"),
            ("end. . ", "end"),
            ("  start", "start"),
        ] {
            assert_eq!(safe(name.as_bytes()), expected, "{name:?}");
        }
        assert_eq!(safe(b"\xff.bin"), "\u{fffd}.bin");
    }

    #[test]
    fn shortens_names_and_keeps_their_ending() {
        let long = format!("{}.jpeg", "ß".repeat(300));
        let short = safe(long.as_bytes());
        assert!(short.len() <= MAX_NAME && short.ends_with("ß.jpeg"), "{short}");
        let mut taken = HashSet::from([short.to_lowercase()]);
        let other = unlike(short, &mut taken);
        assert!(other.len() <= MAX_NAME && other.ends_with("ß (2).jpeg"), "{other}");
    }

    #[test]
    fn tells_names_apart() {
        let mut taken = HashSet::new();
        let names = ["a.txt", "A.TXT", "a (2).txt", "a.txt", "a", "a"];
        let unlike = names.map(|name| unlike(name.to_owned(), &mut taken));
        assert_eq!(unlike, ["a.txt", "A (2).TXT", "a (2) (2).txt", "a (3).txt", "a", "a (2)"]);
    }

    #[test]
    fn names_archives() {
        assert_eq!(of_archive("IMG_1.jpg", 4), "IMG_1 and 4 more.zip");
        assert!(of_archive(&"x".repeat(200), 999).ends_with("x and 999 more.zip"));
    }

    proptest! {
        #[test]
        fn any_name_becomes_one_that_every_system_stores(
            names in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..400), 0..20)
        ) {
            let mut taken = HashSet::new();
            for name in names {
                let name = unlike(safe(&name), &mut taken);
                prop_assert!(is_windows_name(name.as_bytes()), "{name:?}");
                prop_assert!(name.len() <= MAX_NAME + 1, "{name:?}");
                prop_assert!(!name.contains(char::is_control), "{name:?}");
            }
        }
    }
}
