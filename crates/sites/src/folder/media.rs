//! What a file is called on its way: its type, and its name when it is to be kept.

use std::fmt::Write as _;

use http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use super::path::is_invisible_order;

/// What stays as it is in a path: the unreserved characters of RFC 3986.
const KEPT_IN_PATHS: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What stays as it is in an extended header parameter: `attr-char` of RFC 8187.
const KEPT_IN_PARAMETERS: &AsciiSet = &KEPT_IN_PATHS
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'^')
    .remove(b'`')
    .remove(b'|');

/// Returns a name as one part of a path.
pub(super) fn path_part(name: &[u8]) -> String {
    percent_encode(name, KEPT_IN_PATHS).to_string()
}

/// Returns the `Content-Type` of a file with this name.
pub(super) fn content_type(name: &[u8]) -> HeaderValue {
    let name = String::from_utf8_lossy(name);
    let guess = mime_guess::from_path(&*name).first_raw();
    let essence = guess.unwrap_or("application/octet-stream");
    let is_text = essence.starts_with("text/") || essence == "application/javascript";
    let text = if is_text { format!("{essence}; charset=utf-8") } else { essence.to_owned() };
    HeaderValue::try_from(text)
        .unwrap_or_else(|_| HeaderValue::from_static("application/octet-stream"))
}

/// Returns `Content-Disposition` for a file that is to be kept under this name (RFC 6266).
pub(crate) fn attachment(name: &[u8]) -> HeaderValue {
    let harmless: String = String::from_utf8_lossy(name)
        .chars()
        .map(|letter| {
            if letter.is_control() || is_invisible_order(letter) || r#"/\"#.contains(letter) {
                '_'
            } else {
                letter
            }
        })
        .collect();
    // Some programs decode `%41` in a plain name, others do not: so it has none.
    let plain: String = harmless
        .chars()
        .map(|letter| match letter {
            '"' | '%' => '_',
            ' '..='~' => letter,
            _ => '_',
        })
        .collect();
    let mut value = format!("attachment; filename=\"{plain}\"");
    if plain != harmless {
        // Writing to a string does not fail.
        let _ = write!(
            value,
            "; filename*=UTF-8''{}",
            percent_encode(harmless.as_bytes(), KEPT_IN_PARAMETERS)
        );
    }
    HeaderValue::try_from(value).unwrap_or_else(|_| HeaderValue::from_static("attachment"))
}

/// Returns whether a query asks for a file to be kept: `?download`, alone or among others.
pub(super) fn wants_download(query: Option<&str>) -> bool {
    query.is_some_and(|query| {
        query.split('&').any(|pair| pair.split('=').next() == Some("download"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_types() {
        for (name, expected) in [
            ("a.html", "text/html; charset=utf-8"),
            ("a.HTM", "text/html; charset=utf-8"),
            ("a.txt", "text/plain; charset=utf-8"),
            ("a.css", "text/css; charset=utf-8"),
            ("a.js", "text/javascript; charset=utf-8"),
            ("a.mjs", "application/javascript; charset=utf-8"),
            ("a.json", "application/json"),
            ("a.svg", "image/svg+xml"),
            ("a.webp", "image/webp"),
            ("a.avif", "image/avif"),
            ("a.mp4", "video/mp4"),
            ("a.pdf", "application/pdf"),
            ("a.wasm", "application/wasm"),
            ("a.tar.gz", "application/gzip"),
            ("a.webmanifest", "application/manifest+json"),
            ("grüße.MD", "text/markdown; charset=utf-8"),
            ("a", "application/octet-stream"),
            ("a.", "application/octet-stream"),
            ("a.nobody-knows", "application/octet-stream"),
            ("", "application/octet-stream"),
        ] {
            assert_eq!(content_type(name.as_bytes()), expected, "{name}");
        }
        assert_eq!(content_type(b"\xff.png"), "image/png");
    }

    #[test]
    fn names_downloads_without_harm() {
        for (name, expected) in [
            ("a.txt".as_bytes(), r#"attachment; filename="a.txt""#),
            (b"a b;c=d.txt", r#"attachment; filename="a b;c=d.txt""#),
            (b"a\"b.txt", r#"attachment; filename="a_b.txt"; filename*=UTF-8''a%22b.txt"#),
            (b"a\\b/c", r#"attachment; filename="a_b_c""#),
            (b"a\r\nSet-Cookie: x", r#"attachment; filename="a__Set-Cookie: x""#),
            (b"100%41", r#"attachment; filename="100_41"; filename*=UTF-8''100%2541"#),
            (
                "grüße.txt".as_bytes(),
                "attachment; filename=\"gr__e.txt\"; filename*=UTF-8''gr%C3%BC%C3%9Fe.txt",
            ),
            ("x\u{202e}gpj.exe".as_bytes(), r#"attachment; filename="x_gpj.exe""#),
            (b"\xff.bin", "attachment; filename=\"_.bin\"; filename*=UTF-8''%EF%BF%BD.bin"),
        ] {
            assert_eq!(attachment(name), expected, "{name:?}");
        }
    }

    #[test]
    fn asks_for_a_download_by_its_whole_name() {
        for (query, expected) in [
            (None, false),
            (Some(""), false),
            (Some("download"), true),
            (Some("download=1"), true),
            (Some("a=b&download"), true),
            (Some("downloads"), false),
            (Some("x=download"), false),
        ] {
            assert_eq!(wants_download(query), expected, "{query:?}");
        }
    }
}
