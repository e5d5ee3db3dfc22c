//! What a visitor's path names inside a folder, decided before the disk is touched.

use std::{
    ffi::OsString,
    fmt::Write as _,
    path::{Path, PathBuf},
};

/// The longest path that is looked up; no system opens longer ones.
pub(super) const MAX_PATH: usize = 4096;

/// Whose rules for file names apply. Both sets are known everywhere, so that both are tested
/// everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum System {
    /// A name is any bytes but `/` and NUL.
    Unix,
    /// Names are text, and many of them mean something other than a file.
    Windows,
}

impl System {
    /// The system this was built for.
    pub(super) const HERE: Self = if cfg!(windows) { Self::Windows } else { Self::Unix };
}

/// Why a path is not looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PathError {
    /// No browser makes such a path: damaged, or an attempt to leave the folder.
    Malformed,
    /// No file of this system can have this name.
    Nowhere,
}

/// A path below the folder: names without a separator, a NUL, `.` or `..` in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SitePath {
    names: Vec<Vec<u8>>,
    slash: bool,
}

impl SitePath {
    /// Reads the raw path of a request. Each name is percent-decoded once, after the path was cut
    /// at its slashes, so an encoded separator never separates.
    pub(super) fn parse(raw: &str, system: System) -> Result<Self, PathError> {
        let below = raw.strip_prefix('/').ok_or(PathError::Malformed)?;
        if below.len() > MAX_PATH {
            return Err(PathError::Nowhere);
        }
        let (below, slash) = match below.strip_suffix('/') {
            Some(below) => (below, true),
            None => (below, below.is_empty()),
        };
        if below.is_empty() {
            // `//` would be a name without letters.
            return if raw == "/" {
                Ok(Self { names: Vec::new(), slash })
            } else {
                Err(PathError::Nowhere)
            };
        }
        let mut names = Vec::new();
        for part in below.split('/') {
            let name = decode(part).ok_or(PathError::Malformed)?;
            if name == b"." || name == b".." || name.iter().any(|&byte| byte == b'/' || byte == 0) {
                return Err(PathError::Malformed);
            }
            if name.is_empty() || (system == System::Windows && !is_windows_name(&name)) {
                return Err(PathError::Nowhere);
            }
            names.push(name);
        }
        Ok(Self { names, slash })
    }

    /// Returns whether the path ends in a slash, and so asks for a folder.
    pub(super) fn ends_in_slash(&self) -> bool {
        self.slash
    }

    /// Returns the names, outermost first.
    pub(super) fn names(&self) -> &[Vec<u8>] {
        &self.names
    }

    /// Returns whether any name on the way is hidden.
    pub(super) fn is_hidden(&self) -> bool {
        self.names.iter().any(|name| is_hidden_name(name))
    }

    /// Returns the path for the disk, relative to the folder; `.` for the folder itself. `None`
    /// when this system cannot express a name.
    pub(super) fn on_disk(&self) -> Option<PathBuf> {
        if self.names.is_empty() {
            return Some(PathBuf::from("."));
        }
        self.names.iter().map(|name| os_name(name)).collect()
    }

    /// Returns the path for people.
    pub(crate) fn printable(&self) -> String {
        let names: Vec<_> = self.names.iter().map(|name| printable(name)).collect();
        names.join("/")
    }
}

/// Percent-decodes; `None` when a `%` is not followed by two hexadecimal digits.
fn decode(part: &str) -> Option<Vec<u8>> {
    let mut rest = part.as_bytes();
    let mut name = Vec::with_capacity(rest.len());
    while let [first, after @ ..] = rest {
        if *first == b'%' {
            let [high, low, after @ ..] = after else { return None };
            name.push(hex(*high)? << 4 | hex(*low)?);
            rest = after;
        } else {
            name.push(*first);
            rest = after;
        }
    }
    Some(name)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Returns whether Windows stores a file under exactly this name.
///
/// It refuses separators, drive letters and streams (`C:`, `file:stream`), wildcards, control
/// characters, names that lose their last letters (`secret.`, `secret `), and device names with
/// any ending, also with superscript digits (`COM¹.txt`).
/// <https://learn.microsoft.com/windows/win32/fileio/naming-a-file>
pub(crate) fn is_windows_name(name: &[u8]) -> bool {
    let Ok(name) = std::str::from_utf8(name) else { return false };
    if name.is_empty() || name.ends_with(['.', ' ']) {
        return false;
    }
    if name.chars().any(|letter| letter < ' ' || r#"<>:"/\|?*"#.contains(letter)) {
        return false;
    }
    let stem = name.split('.').next().unwrap_or(name).trim_end_matches(' ').to_ascii_uppercase();
    if ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$"].contains(&stem.as_str()) {
        return false;
    }
    let numbered = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT"));
    !numbered.is_some_and(|number| {
        let mut digits = number.chars();
        matches!((digits.next(), digits.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
    })
}

/// What systems leave in folders without being asked.
const DROPPINGS: [&str; 8] = [
    "$recycle.bin",
    "desktop.ini",
    "ehthumbs.db",
    "ehthumbs_vista.db",
    "icon\r",
    "system volume information",
    "thumbs.db",
    "thumbs.db:encryptable",
];

/// Returns whether a name is one that people do not see in their folders.
pub(crate) fn is_hidden_name(name: &[u8]) -> bool {
    // HFS+ does not see these letters, so `<U+200C>.env` opens `.env` there.
    let shown = String::from_utf8_lossy(name);
    let seen: String = shown
        .chars()
        .filter(|letter| {
            !matches!(letter, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}')
        })
        .collect();
    seen.starts_with('.')
        || DROPPINGS.contains(&seen.to_ascii_lowercase().as_str())
        || (System::HERE == System::Windows && is_short_name(&seen))
}

/// Returns whether a name looks like the second, short one that Windows gives to files: `ENV~1`
/// opens `.env` there. <https://learn.microsoft.com/windows/win32/fileio/naming-a-file>
fn is_short_name(name: &str) -> bool {
    let (stem, ending) = name.split_once('.').unwrap_or((name, ""));
    let is_numbered = stem.rsplit_once('~').is_some_and(|(letters, number)| {
        !letters.is_empty()
            && !number.is_empty()
            && number.bytes().all(|digit| digit.is_ascii_digit())
    });
    is_numbered && stem.chars().count() <= 8 && ending.chars().count() <= 3
}

#[cfg(unix)]
pub(super) fn os_name(name: &[u8]) -> Option<OsString> {
    use std::os::unix::ffi::OsStringExt as _;
    Some(OsString::from_vec(name.to_vec()))
}

#[cfg(not(unix))]
pub(super) fn os_name(name: &[u8]) -> Option<OsString> {
    std::str::from_utf8(name).ok().map(OsString::from)
}

/// Returns the bytes that a path needs to name this file; `None` when none can.
#[cfg(unix)]
pub(crate) fn name_bytes(name: &std::ffi::OsStr) -> Option<Vec<u8>> {
    use std::os::unix::ffi::OsStrExt as _;
    Some(name.as_bytes().to_vec())
}

#[cfg(not(unix))]
pub(crate) fn name_bytes(name: &std::ffi::OsStr) -> Option<Vec<u8>> {
    name.to_str().map(|name| name.as_bytes().to_vec())
}

/// Returns a name as people may see it: nothing in it moves the cursor, ends the line or turns
/// the direction of writing around.
pub(crate) fn printable(name: &[u8]) -> String {
    let mut shown = String::with_capacity(name.len());
    for letter in String::from_utf8_lossy(name).chars() {
        match letter {
            // The symbols that Unicode has for these.
            '\0'..='\u{1f}' => shown.push(
                char::from_u32(0x2400 + u32::from(letter)).unwrap_or(char::REPLACEMENT_CHARACTER),
            ),
            '\u{7f}' => shown.push('\u{2421}'),
            _ if letter.is_control() || is_invisible_order(letter) => {
                // Writing to a string does not fail.
                let _ = write!(shown, "<U+{:04X}>", u32::from(letter));
            }
            _ => shown.push(letter),
        }
    }
    shown
}

/// Returns whether a letter shows nothing and changes how the others are shown.
pub(crate) fn is_invisible_order(letter: char) -> bool {
    matches!(
        letter,
        '\u{061c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    )
}

/// Returns a folder's own name, for its pages.
pub(super) fn title(path: &Path) -> String {
    match path.file_name() {
        Some(name) => printable(name.to_string_lossy().as_bytes()),
        None => String::from("Files"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &str, system: System, expected: Result<&[&[u8]], PathError>) {
        let found = SitePath::parse(raw, system);
        let expected = expected.map(|names| names.iter().map(|name| name.to_vec()).collect());
        assert_eq!(found.map(|path| path.names), expected, "{raw:?} on {system:?}");
    }

    #[test]
    fn knows_the_short_names_of_windows() {
        for short in ["ENV~1", "env~1", "HTACCE~1", "GITIG~12", "HT1A2B~1", "A~1.LOC", "ENV~1.lo"] {
            assert!(is_short_name(short), "{short}");
        }
        for other in ["a", "~1", "a~", "a~b", "notes.txt~", "holiday~2026", "a~1.jpeg", "~$a.doc"] {
            assert!(!is_short_name(other), "{other}");
        }
        assert_eq!(is_hidden_name(b"ENV~1"), System::HERE == System::Windows);
    }

    #[test]
    fn reads_names_on_every_system() {
        for system in [System::Unix, System::Windows] {
            check("/", system, Ok(&[]));
            check("/a", system, Ok(&[b"a"]));
            check("/a/", system, Ok(&[b"a"]));
            check("/a/b%20c.txt", system, Ok(&[b"a", b"b c.txt"]));
            check("/%61%2E%74xt", system, Ok(&[b"a.txt"]));
            check("/gr%C3%BC%C3%9Fe.txt", system, Ok(&["grüße.txt".as_bytes()]));
            check("/...", System::Unix, Ok(&[b"..."]));
            check("/a..b", system, Ok(&[b"a..b"]));
            // Decoded once: the name has a percent sign in it.
            check("/%252e%252e", system, Ok(&[b"%2e%2e"]));
            check("/%25%32%65", system, Ok(&[b"%2e"]));
        }
        check("/%FF%FE", System::Unix, Ok(&[b"\xff\xfe"]));
        check("/a%5Cb", System::Unix, Ok(&[b"a\\b"]));
        check("/a:b", System::Unix, Ok(&[b"a:b"]));
        check("/nul", System::Unix, Ok(&[b"nul"]));
    }

    #[test]
    fn refuses_what_leaves_on_every_system() {
        for system in [System::Unix, System::Windows] {
            for raw in [
                "",
                "*",
                "a",
                "..",
                "\\",
                "/.",
                "/..",
                "/../",
                "/a/..",
                "/a/../b",
                "/./a",
                "/%2e%2e",
                "/.%2e/",
                "/%2E%2E/x",
                "/..%2fetc",
                "/a%2fb",
                "/%2f",
                "/%2fetc/passwd",
                "/%00",
                "/a%00.txt",
                "/%",
                "/%4",
                "/%zz",
                "/%u002e",
                "/a%",
                "/..%2F..%2F",
                "/%2e%2e%2f",
            ] {
                check(raw, system, Err(PathError::Malformed));
            }
            for raw in ["//", "///", "//etc/passwd", "/a//b", "//a/", "/a//"] {
                check(raw, system, Err(PathError::Nowhere));
            }
        }
        let long = format!("/{}", "a/".repeat(MAX_PATH));
        check(&long, System::Unix, Err(PathError::Nowhere));
    }

    #[test]
    fn refuses_what_windows_reads_differently() {
        for raw in [
            "/C:",
            "/C:/Windows/win.ini",
            "/a/C:/b",
            "/c%3A%5Cx",
            "/..%5C..%5Cx",
            "/%5C%5Cserver%5Cshare",
            "/a%5Cb",
            "/file.txt::$DATA",
            "/file:stream",
            "/secret.",
            "/secret%20",
            "/secret.txt...",
            "/a.%20/b",
            "/nul",
            "/NUL.txt",
            "/con",
            "/aux.tar.gz",
            "/prn",
            "/com1",
            "/COM0",
            "/lpt9.x",
            "/COM%C2%B9",
            "/com%C2%B2.txt",
            "/LPT%C2%B3",
            "/conin$",
            "/CONOUT$",
            "/nul%20.txt",
            "/a%3Fb",
            "/a%2Ab",
            "/a%7Cb",
            "/a%3Cb",
            "/%01",
            "/%FF",
            "/%C0%AE%C0%AE",
            "/%E0%80%AE%E0%80%AE",
            "/...",
            "/%C0%AF",
        ] {
            check(raw, System::Windows, Err(PathError::Nowhere));
        }
        for raw in
            ["/console", "/com", "/com10", "/common.txt", "/lpt", "/null", "/auxiliary", "/.a"]
        {
            assert!(SitePath::parse(raw, System::Windows).is_ok(), "{raw}");
        }
    }

    #[test]
    fn knows_hidden_names() {
        for raw in [
            "/.env",
            "/a/.git/config",
            "/%2Eenv",
            "/.a/b",
            "/desktop.ini",
            "/Desktop.INI",
            "/x/Thumbs.db",
            "/.DS_Store",
            "/%E2%80%8C.env",
            "/$RECYCLE.BIN/x",
            "/Icon%0D",
        ] {
            assert!(SitePath::parse(raw, System::Unix).unwrap().is_hidden(), "{raw}");
        }
        for raw in ["/", "/a.b", "/a./b", "/thumbs.db.txt", "/icon"] {
            assert!(!SitePath::parse(raw, System::Unix).unwrap().is_hidden(), "{raw}");
        }
    }

    #[test]
    fn shows_hostile_names() {
        assert_eq!(printable(b"a\nb\x1b[31m\x7f"), "a\u{240a}b\u{241b}[31m\u{2421}");
        assert_eq!(printable("photo\u{202e}gpj.exe".as_bytes()), "photo<U+202E>gpj.exe");
        assert_eq!(printable(b"\xff"), "\u{fffd}");
        assert_eq!(printable("\u{85}\u{2028}".as_bytes()), "<U+0085><U+2028>");
        assert_eq!(printable("👩\u{200d}💻 grüße".as_bytes()), "👩\u{200d}💻 grüße");
    }
}
