//! The name that a file gets on somebody else's computer: one that every system can keep, that shows
//! what it is, and that does nothing by itself.

use std::collections::HashSet;

use crate::folder::path::{is_hidden_name, is_invisible_order, is_windows_name};

/// The longest name, in bytes, with its number: what all systems keep (most: 255), also where
/// letters are stored in a longer way.
const LONGEST: usize = 200;

/// The longest one where [`LONGEST`] was refused: encrypted home folders keep 143 bytes.
const LONGEST_IN_NEED: usize = 100;

/// The longest ending that is kept when a name is shortened.
const LONGEST_ENDING: usize = 20;

/// What an empty name becomes.
const NAMELESS: &str = "file";

/// What systems run or obey because of its name; what they only hide, [`is_hidden_name`] knows.
const OBEYED: [&str; 1] = ["autorun.inf"];

/// A name, safe everywhere, in two parts between which a number fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SafeName {
    stem: String,
    /// With its dot, or empty.
    ending: String,
    longest: usize,
}

impl SafeName {
    /// Makes a name safe.
    pub(super) fn new(name: &str) -> Self {
        Self::with_longest(name, LONGEST)
    }

    /// The same, for a folder that does not keep long names. `None` when that is what this is already.
    pub(super) fn shorter(&self) -> Option<Self> {
        (self.longest > LONGEST_IN_NEED)
            .then(|| Self::with_longest(&self.numbered(1), LONGEST_IN_NEED))
    }

    /// Returns the `number`th name, from 1 on: the second is `name (2).txt`.
    pub(super) fn numbered(&self, number: u32) -> String {
        let number = if number > 1 { format!(" ({number})") } else { String::new() };
        let room = self.longest.saturating_sub(number.len() + self.ending.len());
        format!("{}{number}{}", shorten(&self.stem, room), self.ending)
    }

    fn with_longest(name: &str, longest: usize) -> Self {
        let name = harmless(name);
        let (stem, ending) = split(&name);
        Self { stem: stem.to_owned(), ending: ending.to_owned(), longest }
    }
}

/// Returns a file's name in an archive, unlike those that are `taken` even where the size of letters
/// does not count, and adds it to them.
pub(super) fn unlike(name: &SafeName, taken: &mut HashSet<String>) -> String {
    let mut number = 1;
    loop {
        let shown = name.numbered(number);
        if taken.insert(shown.to_lowercase()) {
            return shown;
        }
        number += 1;
    }
}

/// Returns the name of an archive that has this file first, and `others` more.
pub(super) fn of_archive(first: &str, others: usize) -> String {
    let (stem, _) = split(first);
    let stem = shorten(stem, LONGEST / 2);
    SafeName::new(&format!("{stem} and {others} more.zip")).numbered(1)
}

fn harmless(name: &str) -> String {
    // Browsers and programs of all systems send whole paths.
    let last = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let mut kept = String::with_capacity(last.len());
    for letter in last.chars() {
        match letter {
            // Windows does not keep these.
            '<' | '>' | ':' | '"' | '|' | '?' | '*' => kept.push('_'),
            // One space is enough: many of them push the ending out of sight.
            _ if letter.is_whitespace() => {
                if !kept.ends_with(' ') {
                    kept.push(' ');
                }
            }
            _ if letter.is_control() || is_invisible_order(letter) => {}
            _ => kept.push(letter),
        }
    }
    // Leading dots hide a file; Windows does not keep the last ones. Joiners show nothing there, and
    // HFS+ does not see them.
    let dull = |letter| matches!(letter, '.' | ' ' | '\u{200c}' | '\u{200d}');
    let kept = kept.trim_matches(dull);
    if kept.is_empty() {
        return NAMELESS.to_owned();
    }
    let is_obeyed = OBEYED.contains(&kept.to_ascii_lowercase().as_str());
    if is_obeyed || is_hidden_name(kept.as_bytes()) || !is_windows_name(kept.as_bytes()) {
        return format!("_{kept}");
    }
    kept.to_owned()
}

/// Cuts a name before its ending; `.tar.gz` is one.
fn split(name: &str) -> (&str, &str) {
    let Some(dot) = name.rfind('.').filter(|&dot| dot > 0) else { return (name, "") };
    let inner = name[..dot].len().saturating_sub(".tar".len());
    let is_tar =
        inner > 0 && name.is_char_boundary(inner) && name[inner..dot].eq_ignore_ascii_case(".tar");
    let dot = if is_tar { inner } else { dot };
    if name.len() - dot > LONGEST_ENDING { (name, "") } else { name.split_at(dot) }
}

fn shorten(stem: &str, room: usize) -> &str {
    if stem.len() <= room {
        return stem;
    }
    let end = (0..=room).rev().find(|&end| stem.is_char_boundary(end)).unwrap_or(0);
    stem[..end].trim_end_matches(['.', ' ', '\u{200d}'])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(name: &str, expected: &str) {
        assert_eq!(SafeName::new(name).numbered(1), expected, "{name:?}");
    }

    #[test]
    fn keeps_what_is_harmless() {
        for name in [
            "holiday.jpg",
            "Grüße aus Köln.txt",
            "写真.png",
            "👩\u{200d}💻.gif",
            "שלום.pdf",
            "a.tar.gz",
            "no ending",
            "(1).txt",
            "-rf",
            "~$draft.docx",
            "com10.txt",
        ] {
            check(name, name);
        }
    }

    #[test]
    fn makes_names_safe_for_every_system() {
        check("", "file");
        check("..", "file");
        check("/", "file");
        check(" . ", "file");
        check("\u{200d}", "file");
        check("../../etc/passwd", "passwd");
        check("C:\\Users\\a\\b.txt", "b.txt");
        check("a/b\\c", "c");
        check(".bashrc", "bashrc");
        check("\u{200c}.bashrc", "bashrc");
        check(".veranda-0123456789012345678901.part", "veranda-0123456789012345678901.part");
        check("a:b?.txt", "a_b_.txt");
        check("file.txt::$DATA", "file.txt__$DATA");
        check("nul", "_nul");
        check("COM1.tar.gz", "_COM1.tar.gz");
        check("aux .txt", "_aux .txt");
        check("name. . .", "name");
        check("a\0b\nc\x1b[31m\u{7f}\u{85}", "ab c[31m");
        check("photo\u{202e}gpj.exe", "photogpj.exe");
        check("bill.pdf                                    .exe", "bill.pdf .exe");
        check("a\u{a0}\u{3000}b", "a b");
        check("Desktop.INI", "_Desktop.INI");
        check("AutoRun.inf", "_AutoRun.inf");
        check("thumbs.db", "_thumbs.db");
    }

    #[test]
    fn puts_the_number_before_the_ending() {
        let second = |name: &str| SafeName::new(name).numbered(2);
        assert_eq!(second("a.txt"), "a (2).txt");
        assert_eq!(second("a.tar.gz"), "a (2).tar.gz");
        assert_eq!(second(".tar.gz"), "tar (2).gz");
        assert_eq!(second("a"), "a (2)");
        assert_eq!(second("a.b c d e f g h i j k l m n"), "a.b c d e f g h i j k l m n (2)");
    }

    #[test]
    fn shortens_and_keeps_the_ending() {
        let name = SafeName::new(&format!("{}.jpeg", "ü".repeat(500)));
        assert_eq!(name.numbered(1), format!("{}.jpeg", "ü".repeat(97)));
        assert_eq!(name.numbered(12), format!("{} (12).jpeg", "ü".repeat(95)));
        let short = name.shorter().unwrap();
        assert_eq!(short.numbered(1), format!("{}.jpeg", "ü".repeat(47)));
        assert_eq!(short.shorter(), None);
        let name = SafeName::new(&format!("a.{}", "b".repeat(500)));
        assert_eq!(name.numbered(1), format!("a.{}", "b".repeat(198)));
    }

    #[test]
    fn tells_names_in_an_archive_apart() {
        let mut taken = HashSet::new();
        let names = ["a.txt", "A.TXT", "a (2).txt", "a.txt", "b", "b"];
        assert_eq!(
            names.map(|name| unlike(&SafeName::new(name), &mut taken)),
            ["a.txt", "A (2).TXT", "a (2) (2).txt", "a (3).txt", "b", "b (2)"]
        );
    }

    #[test]
    fn names_archives_after_their_first_file() {
        assert_eq!(of_archive("IMG_1.jpg", 4), "IMG_1 and 4 more.zip");
        assert_eq!(of_archive("a.tar.gz", 1), "a and 1 more.zip");
        assert!(of_archive(&"x".repeat(200), 999).ends_with("x and 999 more.zip"));
    }

    proptest! {
        #[test]
        fn any_text_becomes_a_name(text in any::<String>(), number in 1_u32..100_000) {
            let name = SafeName::new(&text);
            for name in [Some(name.clone()), name.shorter()].into_iter().flatten() {
                let shown = name.numbered(number);
                prop_assert!(!shown.is_empty() && shown.len() <= name.longest, "{shown:?}");
                prop_assert!(is_windows_name(shown.as_bytes()), "{shown:?}");
                prop_assert!(!is_hidden_name(shown.as_bytes()), "{shown:?}");
                let strange = |letter: char| letter.is_control() || is_invisible_order(letter);
                prop_assert!(!shown.contains(strange) && !shown.contains(['/', '\\']), "{shown:?}");
            }
        }
    }
}
