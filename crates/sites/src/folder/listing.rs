//! The page that lists what is in a folder.

use std::{cmp::Ordering, time::SystemTime};

use maud::{Markup, html};

use super::{
    disk::Entry,
    media::path_part,
    pages::frame,
    path::{SitePath, printable},
};
use crate::note;

/// How many entries are listed: a page of about 4 MB, which a phone still shows.
pub(super) const MAX_ENTRIES: usize = 10_000;

/// Returns the page. `title` is the folder's own name, `is_cut` says that there are more entries
/// than these, `has_note` that the visitor may write to the owner.
pub(super) fn page(
    title: &str,
    path: &SitePath,
    mut entries: Vec<Entry>,
    is_cut: bool,
    has_note: bool,
) -> Markup {
    sort(&mut entries);
    let here = path.names().last().map_or_else(|| title.to_owned(), |name| printable(name));
    let folders = entries.iter().filter(|entry| entry.is_folder).count();
    frame(
        &here,
        html! {
            svg.shapes aria-hidden="true" {
                symbol id="file" viewBox="0 0 20 20" { path d="M5 2.5h6.5L15.5 6.5v11H5zM11.5 2.5v4h4" {} }
                symbol id="folder" viewBox="0 0 20 20" { path d="M2.5 4.5h5l2 2h8v9.5h-15z" {} }
                symbol id="get" viewBox="0 0 20 20" { path d="M10 3v9.5M6 9l4 4 4-4M4 16.5h12" {} }
            }
            main {
                @if !path.names().is_empty() { (breadcrumb(title, path)) }
                h1 { bdi { (here) } }
                @if entries.is_empty() {
                    p.empty {
                        strong { "This folder is empty." }
                        "Perhaps files are still being put into it: look again later, or ask whoever sent you the link."
                    }
                } @else {
                    p.count { (count(folders, entries.len() - folders)) }
                    ul.entries {
                        @for entry in &entries { (line(entry)) }
                    }
                }
                @if is_cut {
                    p.more {
                        "There is more in this folder than the " (entries.len())
                        " entries that this page can show. What is missing opens at its own address."
                    }
                }
                @if has_note { (note::aside()) }
            }
        },
    )
}

fn breadcrumb(title: &str, path: &SitePath) -> Markup {
    let depth = path.names().len();
    html! {
        nav aria-label="Folders above" {
            ol {
                li { a href=("../".repeat(depth)) { bdi { (title) } } }
                @for (index, name) in path.names().iter().enumerate().take(depth - 1) {
                    li { a href=("../".repeat(depth - 1 - index)) { bdi { (printable(name)) } } }
                }
            }
        }
    }
}

fn line(entry: &Entry) -> Markup {
    let address = path_part(&entry.name);
    let shown = printable(&entry.name);
    let date = entry.modified.and_then(date);
    html! {
        @if entry.is_folder {
            li.folder {
                svg aria-hidden="true" { use href="#folder" {} }
                a.name href={ (address) "/" } { bdi { (shown) } }
                span.size {}
                (day(date.as_ref()))
                span {}
            }
        } @else {
            li {
                svg aria-hidden="true" { use href="#file" {} }
                a.name href=(address) { bdi { (shown) } }
                span.size { (size(entry.size)) }
                (day(date.as_ref()))
                a.get href={ (address) "?download" } aria-label={ "Download " (shown) } title="Download" {
                    svg aria-hidden="true" { use href="#get" {} }
                }
            }
        }
    }
}

fn day(date: Option<&(String, String)>) -> Markup {
    html! {
        @match date {
            Some((day, time)) => span.date title={ (day) ", " (time) " UTC" } { (day) },
            None => span.date {},
        }
    }
}

/// Returns day and time of a date that people and headers can write.
fn date(at: SystemTime) -> Option<(String, String)> {
    let year_9999 = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(253_402_300_799);
    if at < SystemTime::UNIX_EPOCH || at > year_9999 {
        return None;
    }
    // `Sat, 21 Nov 2026 08:00:00 GMT`
    let whole = httpdate::fmt_http_date(at);
    let day = whole.get(5..16)?.trim_start_matches('0');
    Some((day.to_owned(), whole.get(17..22)?.to_owned()))
}

fn count(folders: usize, files: usize) -> String {
    let several = |count: usize, one: &str, many: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        _ => Some(format!("{count} {many}")),
    };
    let parts = [several(folders, "folder", "folders"), several(files, "file", "files")];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Returns a size as file managers write it, in steps of 1000.
pub(crate) fn size(bytes: u64) -> String {
    if bytes == 1 {
        return String::from("1 byte");
    }
    if bytes < 1000 {
        return format!("{bytes} bytes");
    }
    // Tenths, rounded, so that nothing is lost on the way to a number with a point.
    let mut unit = 1000_u64;
    let mut name = "KB";
    for larger in ["MB", "GB", "TB", "PB", "EB"] {
        // 999.95 of this unit is written as 1.0 of the larger one.
        if bytes < unit * 1000 - unit / 20 {
            break;
        }
        unit *= 1000;
        name = larger;
    }
    let tenths = (u128::from(bytes) * 10 + u128::from(unit) / 2) / u128::from(unit);
    if tenths >= 100 {
        // Rounded once: 123.46 is 123, though 123.5 is 124.
        let whole = (u128::from(bytes) + u128::from(unit) / 2) / u128::from(unit);
        format!("{whole} {name}")
    } else {
        format!("{}.{} {name}", tenths / 10, tenths % 10)
    }
}

/// Sorts folders before files, and each by name as people count: `2` before `10`.
fn sort(entries: &mut [Entry]) {
    entries.sort_by_cached_key(|entry| {
        (
            !entry.is_folder,
            Natural(String::from_utf8_lossy(&entry.name).to_lowercase()),
            entry.name.clone(),
        )
    });
}

/// A text in lower case, ordered with the numbers in it by their value.
#[derive(PartialEq, Eq)]
struct Natural(String);

impl PartialOrd for Natural {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Natural {
    fn cmp(&self, other: &Self) -> Ordering {
        let (mut left, mut right) = (self.0.as_str(), other.0.as_str());
        loop {
            let (left_digits, left_rest) = leading_digits(left);
            let (right_digits, right_rest) = leading_digits(right);
            if !left_digits.is_empty() && !right_digits.is_empty() {
                let (one, two) =
                    (left_digits.trim_start_matches('0'), right_digits.trim_start_matches('0'));
                let order = one.len().cmp(&two.len()).then_with(|| one.cmp(two));
                if order.is_ne() {
                    return order;
                }
                (left, right) = (left_rest, right_rest);
                continue;
            }
            let (mut one, mut two) = (left.chars(), right.chars());
            match (one.next(), two.next()) {
                (Some(first), Some(second)) if first == second => {
                    (left, right) = (one.as_str(), two.as_str());
                }
                // Equal as people count; the letters decide between `01` and `1`.
                (None, None) => return self.0.cmp(&other.0),
                (first, second) => return first.cmp(&second),
            }
        }
    }
}

fn leading_digits(text: &str) -> (&str, &str) {
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::path::System;

    fn entry(name: &[u8], is_folder: bool) -> Entry {
        Entry { name: name.to_vec(), is_folder, size: 1234, modified: Some(SystemTime::UNIX_EPOCH) }
    }

    #[test]
    fn sorts_as_people_count() {
        let mut names = Vec::from(
            ["b", "a10", "A2", "a1", "a", "10", "9", "009", "Zebra", "é"]
                .map(|name| entry(name.as_bytes(), false)),
        );
        names.push(entry(b"zz", true));
        sort(&mut names);
        let names: Vec<_> =
            names.iter().map(|entry| String::from_utf8_lossy(&entry.name).into_owned()).collect();
        assert_eq!(names, ["zz", "009", "9", "10", "a", "a1", "A2", "a10", "b", "Zebra", "é"]);
    }

    #[test]
    fn writes_sizes() {
        for (bytes, expected) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (999, "999 bytes"),
            (1000, "1.0 KB"),
            (1049, "1.0 KB"),
            (1050, "1.1 KB"),
            (9949, "9.9 KB"),
            (9950, "10 KB"),
            (10_500, "11 KB"),
            (123_456, "123 KB"),
            (999_949, "1000 KB"),
            (999_950, "1.0 MB"),
            (1_500_000, "1.5 MB"),
            (1_073_741_824, "1.1 GB"),
            (u64::MAX, "18 EB"),
        ] {
            assert_eq!(size(bytes), expected, "{bytes}");
        }
    }

    #[test]
    fn writes_dates() {
        assert_eq!(date(SystemTime::UNIX_EPOCH), Some(("1 Jan 1970".into(), "00:00".into())));
        assert_eq!(date(SystemTime::UNIX_EPOCH - std::time::Duration::from_secs(1)), None);
    }

    #[test]
    fn escapes_hostile_names() {
        let path = SitePath::parse("/%3Cb%3E/x/", System::Unix).unwrap();
        let hostile = [
            entry(b"<script>alert(1)</script>", false),
            entry(b"\" onmouseover=\"x", false),
            entry(b"javascript:alert(1)", false),
            entry(b"a?b#c%d&e;f\\g", true),
            entry("x\u{202e}gpj.exe".as_bytes(), false),
            entry(b"\xff\n", false),
        ];
        let page =
            page("Title <i>", &path, hostile.into_iter().collect(), false, false).into_string();
        for gone in
            ["<script>", "<b>", "<i>", "\" onmouseover=\"", "\u{202e}", "href=\"javascript:"]
        {
            assert!(!page.contains(gone), "{gone}");
        }
        for there in [
            "href=\"%3Cscript%3Ealert%281%29%3C%2Fscript%3E\"",
            "href=\"javascript%3Aalert%281%29\"",
            "href=\"a%3Fb%23c%25d%26e%3Bf%5Cg/\"",
            "href=\"%FF%0A\"",
            "<bdi>x&lt;U+202E&gt;gpj.exe</bdi>",
            "<a href=\"../../\"><bdi>Title &lt;i&gt;</bdi></a>",
            "<a href=\"../\"><bdi>&lt;b&gt;</bdi></a>",
        ] {
            assert!(page.contains(there), "{there} in {page}");
        }
    }

    #[test]
    fn says_when_there_is_nothing_and_when_there_is_too_much() {
        let root = SitePath::parse("/", System::Unix).unwrap();
        assert!(
            page("T", &root, Vec::new(), false, false)
                .into_string()
                .contains("This folder is empty.")
        );
        let cut = page("T", &root, [entry(b"a", false)].into(), true, true).into_string();
        assert!(cut.contains("There is more in this folder than the 1 entries"), "{cut}");
    }
}
