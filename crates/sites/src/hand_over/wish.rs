//! The page on which visitors send files, and its script.
//!
//! The script sends by tus 1.0.0 (<https://tus.io/protocols/resumable-upload>): core, creation and
//! termination. Beyond that it relies on this: an upload of no bytes is finished by its creation; the
//! place of one that is finished keeps answering HEAD with all of its bytes, as the answer to the last
//! PATCH may have been lost; and a PATCH may bring less than the rest.

use std::{fmt::Write as _, sync::LazyLock};

use crosstalk::transaction::{self, Body};
use http::{HeaderMap, HeaderValue, Response, header};
use maud::{Markup, PreEscaped, html};

use super::pages::shield;
use crate::folder::{
    answer::reads_pages,
    listing::size,
    pages::{STYLE, by_digest, frame_styled},
    path::printable,
};

/// It rides inside the page, so that the page runs where it is opened and not only where the peer thinks
/// that it is: behind something that forwards a port, those differ.
const SCRIPT: &str = include_str!("hand-over.js");

/// What only this page needs, after what all pages of hand-overs need.
const OWN_STYLE: &str = concat!(include_str!("pages.css"), include_str!("wish.css"));

/// Allows our style, this one script, and to talk to where the page came from.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let [ours, own, script] = [STYLE, OWN_STYLE, SCRIPT].map(by_digest);
    let policy = format!(
        "default-src 'none'; style-src {ours} {own}; script-src {script}; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"))
});

/// What is asked for, as its landing page shows it.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// What the owner wrote.
    pub note: &'a str,
    /// The most bytes of one file.
    pub largest: u64,
    /// How many files may still come.
    pub files_left: u32,
    /// Whether the owner has to be asked, and was not yet: then there is only a button, whose form is
    /// posted to `take`.
    pub asks_first: bool,
    /// Where that form is posted.
    pub take: &'a str,
    /// Where uploads begin, by tus: a path that ends in `/files`, beside which `PUT` takes files by their
    /// names.
    pub uploads: &'a str,
}

/// Returns the landing page of something that is asked for; as text for programs that do not show
/// pages.
#[must_use]
pub fn wish(request: &HeaderMap, wish: &Wish<'_>) -> Response<Body> {
    let host = host(request);
    let (kind, text) = if reads_pages(request) {
        ("text/html; charset=utf-8", page(wish, host).into_string())
    } else {
        ("text/plain; charset=utf-8", text(wish, host))
    };
    let length = text.len();
    let mut response = Response::new(transaction::full(text));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY.clone());
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    shield(headers);
    response
}

fn page(wish: &Wish<'_>, host: Option<&str>) -> Markup {
    let note = wish.note.trim();
    let content = html! {
        main.hand.wish data-uploads=(wish.uploads) data-largest=(wish.largest) data-left=(wish.files_left) {
            p.hand-lead { "You are asked for something" }
            h1 { (title(wish)) }
            @if !note.is_empty() { p.hand-note dir="auto" { (note) } }
            p.hand-hint { (limits(wish)) }
            @if wish.asks_first {
                form.hand-do method="post" action=(wish.take) { button type="submit" { "Ask to send" } }
                p.hand-hint { (ASKED_FIRST) }
            } @else {
                (picker(wish, host))
            }
        }
    };
    frame_styled(title(wish), OWN_STYLE, content)
}

/// Closed until the script opens it.
fn picker(wish: &Wish<'_>, host: Option<&str>) -> Markup {
    let several = wish.files_left > 1;
    html! {
        div.wish-box hidden {
            label.wish-drop {
                div {
                    strong { @if several { "Choose files" } @else { "Choose a file" } }
                    span { @if several { "or drop them here" } @else { "or drop it here" } }
                }
                input type="file" multiple[several];
            }
        }
        div.wish-plain {
            p { "To send files, this page needs JavaScript, which does not run here. Allow it and load the page again. Or send a file with a program:" }
            p { code { (command(wish, host)) } }
        }
        p.wish-why role="alert" {}
        p.wish-state role="status" {}
        ul.wish-files aria-label="Your files" {}
        p.hand-hint { (STRAIGHT) }
        script { (PreEscaped(SCRIPT)) }
    }
}

fn text(wish: &Wish<'_>, host: Option<&str>) -> String {
    let mut text = format!("{}\n{}\n", title(wish), limits(wish));
    // Writing to a string does not fail.
    if !wish.note.trim().is_empty() {
        text.push('\n');
        for line in wish.note.trim().lines() {
            let _ = writeln!(text, "> {}", printable(line.as_bytes()));
        }
    }
    let _ = if wish.asks_first {
        writeln!(text, "\n{ASKED_FIRST} Open this address in a browser.")
    } else {
        writeln!(text, "\n{STRAIGHT}\n\nTo send a file:\n  {}", command(wish, host))
    };
    text
}

const ASKED_FIRST: &str = "Whoever gave you this link is asked first, and sees your address and the name of your browser. If the answer is yes, you can choose what to send.";

const STRAIGHT: &str = "What you send goes straight to the computer of whoever gave you this link. It is kept nowhere else.";

fn title(wish: &Wish<'_>) -> &'static str {
    if wish.files_left > 1 { "Send files" } else { "Send a file" }
}

fn limits(wish: &Wish<'_>) -> String {
    let largest = size(wish.largest);
    match wish.files_left {
        0 | 1 => format!("One file, of at most {largest}."),
        several => format!("Up to {several} files, of at most {largest} each."),
    }
}

/// Returns what a program sends a file with: `curl -T` adds the file's name to an address that ends in a
/// slash.
fn command(wish: &Wish<'_>, host: Option<&str>) -> String {
    let place = wish.uploads.strip_suffix("files").unwrap_or(wish.uploads);
    match host {
        Some(host) => format!("curl -T FILE {}://{host}{place}", scheme(host)),
        None => format!("curl -T FILE <this host>{place}"),
    }
}

/// Only on its own computer does a gateway speak without TLS.
fn scheme(host: &str) -> &'static str {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let is_here = name == "localhost" || name.ends_with(".localhost");
    if is_here { "http" } else { "https" }
}

/// Returns the host of a request, if it can stand in a command.
fn host(request: &HeaderMap) -> Option<&str> {
    let host = request.get(header::HOST)?.to_str().ok()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':');
    (!host.is_empty() && host.bytes().all(plain)).then_some(host)
}

#[cfg(test)]
mod tests {
    use http::HeaderName;
    use http_body_util::BodyExt as _;

    use super::*;

    const WISH: Wish<'_> = Wish {
        note: "",
        largest: 2_000_000_000,
        files_left: 12,
        asks_first: false,
        take: "/h/token/take",
        uploads: "/h/token/files",
    };

    async fn seen(host: &str, accept: &str, asked: &Wish<'_>) -> (String, String) {
        let pair = |name: HeaderName, value: &str| (name, value.parse().unwrap());
        let request =
            HeaderMap::from_iter([pair(header::HOST, host), pair(header::ACCEPT, accept)]);
        let response = wish(&request, asked);
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        let policy = policy.to_owned();
        for (name, value) in [
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("x-content-type-options", "nosniff"),
        ] {
            assert_eq!(response.headers()[name], value);
        }
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (policy, String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn says_what_is_taken() {
        let (policy, page) = seen("a.localhost:8080", "text/html", &WISH).await;
        assert!(page.contains("Up to 12 files, of at most 2.0 GB each."), "{page}");
        assert!(page.contains("type=\"file\" multiple"), "{page}");
        assert!(page.contains("curl -T FILE http://a.localhost:8080/h/token/<"), "{page}");
        assert!(page.contains(&format!("<script>{SCRIPT}</script>")), "{page}");
        let script = format!("; script-src {}; connect-src 'self'; ", by_digest(SCRIPT));
        assert!(policy.contains(&script), "{policy}");
        assert!(
            policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"),
            "{policy}"
        );

        let one = Wish { files_left: 1, largest: 1, ..WISH };
        let (_, page) = seen("a.localhost", "text/html", &one).await;
        assert!(page.contains("One file, of at most 1 byte."), "{page}");
        assert!(!page.contains(" multiple"), "{page}");
    }

    #[tokio::test]
    async fn who_is_asked_first_sees_only_a_button() {
        let first = Wish { asks_first: true, ..WISH };
        let (_, page) = seen("a.example", "text/html", &first).await;
        assert!(page.contains("action=\"/h/token/take\""), "{page}");
        assert!(!page.contains("<script") && !page.contains("type=\"file\""), "{page}");
        let (_, text) = seen("a.example", "*/*", &first).await;
        assert!(text.contains("asked first") && !text.contains("curl"), "{text}");
    }

    #[tokio::test]
    async fn programs_read_how_to_send() {
        let asked = Wish { note: "Hi\u{1b}[2J\nyou", uploads: "/h/t/u/files", ..WISH };
        let (_, text) = seen("a.example", "*/*", &asked).await;
        assert!(text.contains("  curl -T FILE https://a.example/h/t/u/\n"), "{text}");
        assert!(text.contains("> Hi\u{241b}[2J\n> you\n"), "{text}");
    }

    #[tokio::test]
    async fn what_others_wrote_is_text() {
        let asked = Wish { note: "</p><script>hurt()</script>", ..WISH };
        let (_, page) = seen("a.example", "text/html", &asked).await;
        assert!(page.contains("&lt;/p&gt;&lt;script&gt;"), "{page}");
        let (usual, _) = seen("a.example", "text/html", &WISH).await;
        for strange in ["a;script-src *", "a b", "a,b", "'self'", "$(hurt)", ""] {
            let (policy, page) = seen(strange, "text/html", &WISH).await;
            assert_eq!(policy, usual, "{strange}");
            assert!(page.contains("curl -T FILE &lt;this host&gt;/h/token/<"), "{strange}: {page}");
        }
    }

    #[test]
    fn the_script_can_ride_inside_a_page() {
        for text in [STYLE, OWN_STYLE, SCRIPT] {
            crate::folder::pages::assert_rides(text);
        }
    }
}
