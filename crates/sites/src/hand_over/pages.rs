//! What a visitor sees of a hand-over.

use std::{fmt::Write as _, sync::LazyLock};

use crosstalk::transaction::{self, Body};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use maud::{Markup, html};

use super::ParcelFile;
use crate::folder::{
    answer::{RETRY_AFTER, reads_pages},
    listing::size,
    pages::{STYLE, by_digest, frame_styled, frame_with},
    path::printable,
};

pub use super::wish::{Wish, wish};

/// A parcel, as its landing page shows it. All text is the owner's.
#[derive(Clone, Copy, Debug)]
pub struct Offer<'a> {
    /// What the visitor saves.
    pub name: &'a str,
    /// How many bytes she fetches.
    pub size: u64,
    /// What is inside; one file for a parcel that is no archive.
    pub files: &'a [ParcelFile],
    /// What the owner wrote.
    pub note: &'a str,
    /// Whether the owner is asked first.
    pub asks_first: bool,
    /// Where the button's form is posted.
    pub take: &'a str,
}

/// What a page of a hand-over says that has nothing to take or to give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word<'a> {
    /// The owner is being asked. The page asks again by itself at `again`.
    Asking {
        /// Where.
        again: &'a str,
    },
    /// The owner said yes: the download begins by itself, and there is a link to it.
    Allowed {
        /// Where the content is.
        content: &'a str,
        /// What is saved.
        name: &'a str,
    },
    /// The owner said no.
    Refused,
    /// The owner did not answer in time. The visitor may ask again at `landing`.
    Unanswered {
        /// The landing page.
        landing: &'a str,
    },
    /// Too many are asking.
    TooMany,
    /// It is for somebody else: the owner let another visitor have it, or this is another address.
    NotYours,
    /// It is being fetched right now (HTTP 409).
    Busy,
    /// It was fetched, completely, or all files came that were asked for (HTTP 410).
    Done,
    /// The files are not there at the moment, or are not what they were (HTTP 503).
    Away,
    /// The owner switched everything off for now (HTTP 503).
    Off,
}

/// By which search engines are told (<https://www.rfc-editor.org/rfc/rfc9309> knows only a file).
const ROBOTS: HeaderName = HeaderName::from_static("x-robots-tag");

/// How many files of an archive its page lists; a phone shows more than that only to people who
/// look for something, and then the archive is the better place.
const MOST_LISTED: usize = 50;

/// How many seconds a page waits before it asks again: the answer itself is awaited at the other end.
const ASK_AGAIN: u32 = 2;

/// What only these pages need.
const OWN_STYLE: &str = include_str!("pages.css");

/// Allows the style of our pages, and forms to go to where the page came from.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let [ours, own] = [STYLE, OWN_STYLE].map(by_digest);
    let policy = format!(
        "default-src 'none'; style-src {ours} {own}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"))
});

/// Returns the landing page of something that is sent; as text for programs that do not show pages.
#[must_use]
pub fn offer(request: &HeaderMap, offer: &Offer<'_>) -> Response<Body> {
    if reads_pages(request) {
        page(StatusCode::OK, offer_page(offer))
    } else {
        text(StatusCode::OK, offer_text(offer))
    }
}

fn offer_page(offer: &Offer<'_>) -> Markup {
    let several = offer.files.len() > 1;
    frame_styled(
        &printed(offer.name),
        OWN_STYLE,
        html! {
            main.hand {
                @if several {
                    h1 { (offer.files.len()) " files for you" }
                    p.count { bdi { (printed(offer.name)) } ", " (size(offer.size)) }
                } @else {
                    p.hand-lead { "A file for you" }
                    h1 { bdi { (printed(offer.name)) } }
                    p.count { (size(offer.size)) }
                }
                @if !offer.note.trim().is_empty() {
                    p.hand-note dir="auto" { (offer.note.trim()) }
                }
                form.hand-do method="post" action=(offer.take) {
                    button type="submit" { @if offer.asks_first { "Ask for it" } @else { "Download" } }
                }
                @if several {
                    p.hand-hint { "The files come packed in one (zip): open it to get them out." }
                }
                p.hand-hint { (offer_hint(offer)) }
                @if several { (inside(offer.files)) }
            }
        },
    )
}

/// What a visitor has to know before she presses the button.
fn offer_hint(offer: &Offer<'_>) -> &'static str {
    if offer.asks_first {
        "Whoever gave you this link is asked first, and sees your address and the name of your browser. If the answer is yes, the download begins by itself."
    } else {
        "It comes straight from the computer of whoever gave you this link, which has to stay on until all of it is here. Then the link is used up."
    }
}

fn inside(files: &[ParcelFile]) -> Markup {
    html! {
        section.hand-files {
            h2 { "Inside" }
            ul {
                @for file in files.iter().take(MOST_LISTED) {
                    li { bdi { (printed(&file.name)) } span { (size(file.size)) } }
                }
            }
            @if files.len() > MOST_LISTED {
                p.hand-hint { "And " (files.len() - MOST_LISTED) " more." }
            }
        }
    }
}

fn offer_text(offer: &Offer<'_>) -> String {
    let mut text = format!("{}\n{}\n", printed(offer.name), size(offer.size));
    if offer.files.len() > 1 {
        text.push_str("\nInside:\n");
        for file in offer.files.iter().take(MOST_LISTED) {
            // Writing to a string does not fail.
            let _ = writeln!(text, "  {} ({})", printed(&file.name), size(file.size));
        }
        if offer.files.len() > MOST_LISTED {
            let _ = writeln!(text, "  and {} more", offer.files.len() - MOST_LISTED);
        }
    }
    if !offer.note.trim().is_empty() {
        text.push('\n');
        for line in offer.note.trim().lines() {
            let _ = writeln!(text, "> {}", printed(line));
        }
    }
    let _ = write!(
        text,
        "\n{}\n\nTo fetch it, send a form without fields to {} on this host:\n  curl -L -O -J -d \"\" <address of this page>/take\n",
        offer_hint(offer),
        offer.take
    );
    text
}

/// Returns a page of a few words; as text for programs that do not show pages.
#[must_use]
pub fn word(request: &HeaderMap, word: &Word<'_>) -> Response<Body> {
    let said = Said::of(word);
    let mut response = if reads_pages(request) {
        page(said.status, said.page())
    } else {
        text(said.status, said.text())
    };
    let headers = response.headers_mut();
    match word {
        Word::TooMany => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
        }
        Word::Busy | Word::Away | Word::Off => {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        Word::Asking { .. }
        | Word::Allowed { .. }
        | Word::Refused
        | Word::Unanswered { .. }
        | Word::NotYours
        | Word::Done => {}
    }
    response
}

/// A word, as it is said.
struct Said<'a> {
    status: StatusCode,
    title: &'static str,
    sentence: &'static str,
    /// What it is about.
    name: Option<&'a str>,
    /// Where to go from here, and what the link says.
    link: Option<(&'a str, &'static str)>,
    /// Whether there is nothing to do but to go there.
    is_button: bool,
    /// After how many seconds the page goes there by itself.
    goes_after: Option<u32>,
}

impl<'a> Said<'a> {
    fn of(word: &Word<'a>) -> Self {
        let plain = |status, title, sentence| Self {
            status,
            title,
            sentence,
            name: None,
            link: None,
            is_button: true,
            goes_after: None,
        };
        match word {
            Word::Asking { again } => Self {
                link: Some((again, "Look again now")),
                is_button: false,
                goes_after: Some(ASK_AGAIN),
                ..plain(
                    StatusCode::OK,
                    "Waiting for an answer",
                    "Whoever gave you this link is being asked. Leave this page open: it goes on by itself as soon as there is an answer.",
                )
            },
            Word::Allowed { content, name } => Self {
                name: Some(name),
                link: Some((content, "Download")),
                goes_after: Some(0),
                ..plain(
                    StatusCode::OK,
                    "The answer is yes",
                    "The download begins by itself. If it does not, press the button.",
                )
            },
            Word::Refused => plain(
                StatusCode::FORBIDDEN,
                "The answer is no",
                "Whoever gave you this link decided not to go on. If you think that this is a mistake, talk to them.",
            ),
            // Not 408: after that, browsers ask again without being told to.
            Word::Unanswered { landing } => Self {
                link: Some((landing, "Back, to ask again")),
                ..plain(
                    StatusCode::OK,
                    "Nobody has answered",
                    "Perhaps nobody is at the computer right now. You can ask again at any time.",
                )
            },
            Word::TooMany => plain(
                StatusCode::TOO_MANY_REQUESTS,
                "Too many are asking",
                "Several people are waiting for an answer at the same time. Try again in a few minutes.",
            ),
            Word::NotYours => plain(
                StatusCode::FORBIDDEN,
                "This is for somebody else",
                "This link is for one person, and was opened from another place before. Perhaps that was you, on another device or another network: go back there, or ask for a new link.",
            ),
            Word::Busy => plain(
                StatusCode::CONFLICT,
                "It is being fetched right now",
                "Only one download at a time goes through this link. Wait until the other one is over, then try again.",
            ),
            Word::Done => plain(
                StatusCode::GONE,
                "This link is used up",
                "Everything that it was made for has arrived. If you need more, ask whoever gave it to you for a new one.",
            ),
            Word::Away => plain(
                StatusCode::SERVICE_UNAVAILABLE,
                "Not there at the moment",
                "The files were moved or changed, or are on a drive that is not plugged in. Try again later, or tell whoever gave you this link.",
            ),
            Word::Off => plain(
                StatusCode::SERVICE_UNAVAILABLE,
                "Paused",
                "Whoever gave you this link has stopped everything for now. Try again later.",
            ),
        }
    }

    fn page(&self) -> Markup {
        let goes =
            self.goes_after.zip(self.link).map(|(after, (to, _))| format!("{after};url={to}"));
        let head =
            html! { @if let Some(goes) = goes { meta http-equiv="refresh" content=(goes); } };
        frame_with(
            self.title,
            head,
            OWN_STYLE,
            html! {
                main.hand {
                    @if self.status != StatusCode::OK { p.hand-lead { (self.status.as_str()) } }
                    h1 { (self.title) }
                    @if let Some(name) = self.name { p { bdi { (printed(name)) } } }
                    p { (self.sentence) }
                    @if let Some((to, words)) = self.link { p.hand-do { a.hand-go[self.is_button] href=(to) { (words) } } }
                }
            },
        )
    }

    fn text(&self) -> String {
        let mut text = format!("{} {}\n{}\n", self.status.as_str(), self.title, self.sentence);
        if let Some((to, words)) = self.link {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{words}: {to}");
        }
        text
    }
}

/// Returns a page of a hand-over.
fn page(status: StatusCode, page: Markup) -> Response<Body> {
    whole(status, "text/html; charset=utf-8", page.into_string())
}

fn text(status: StatusCode, text: String) -> Response<Body> {
    whole(status, "text/plain; charset=utf-8", text)
}

fn whole(status: StatusCode, kind: &'static str, text: String) -> Response<Body> {
    let length = text.len();
    let mut response = Response::new(transaction::full(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY.clone());
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    shield(headers);
    response
}

/// Keeps an answer of a hand-over from being stored, found, told to others or taken for something else:
/// its address is the key to it.
pub(super) fn shield(headers: &mut HeaderMap) {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(ROBOTS, HeaderValue::from_static("noindex, nofollow"));
}

fn printed(text: &str) -> String {
    printable(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    fn browser() -> HeaderMap {
        HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static("text/html,*/*"))])
    }

    async fn read(response: Response<Body>) -> String {
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    fn files(count: usize) -> Vec<ParcelFile> {
        (0..count).map(|number| ParcelFile { name: format!("{number}.jpg"), size: 1000 }).collect()
    }

    fn one(files: &[ParcelFile]) -> Offer<'_> {
        Offer {
            name: "a.zip",
            size: 2_500_000,
            files,
            note: "",
            asks_first: false,
            take: "/h/token/take",
        }
    }

    #[tokio::test]
    async fn an_offer_has_one_button_and_no_script() {
        let files = files(1);
        let response = offer(&browser(), &one(&files));
        assert_eq!(response.status(), StatusCode::OK);
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("form-action 'self'") && !policy.contains("script"), "{policy}");
        for (name, expected) in [
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("x-robots-tag", "noindex, nofollow"),
            ("x-content-type-options", "nosniff"),
        ] {
            assert_eq!(response.headers()[name], expected);
        }
        let page = read(response).await;
        assert!(page.contains("method=\"post\" action=\"/h/token/take\""), "{page}");
        assert!(page.contains(">Download</button>") && page.contains("2.5 MB"), "{page}");
        assert_eq!(page.matches("<button").count(), 1);
        assert!(!page.contains("Inside") && !page.contains("<script"), "{page}");
        let asking = Offer { asks_first: true, ..one(&files) };
        let page = read(offer(&browser(), &asking)).await;
        assert!(page.contains(">Ask for it</button>") && page.contains("is asked first"), "{page}");
    }

    #[tokio::test]
    async fn an_archive_shows_what_is_inside() {
        for (count, more) in [(2, false), (50, false), (51, true), (1000, true)] {
            let files = files(count);
            let page = read(offer(&browser(), &one(&files))).await;
            assert_eq!(page.matches("<li>").count(), count.min(50));
            assert_eq!(page.contains(&format!("And {} more.", count.max(50) - 50)), more);
            assert!(page.contains(&format!("{count} files for you")), "{page}");
            let text = read(offer(&HeaderMap::new(), &one(&files))).await;
            assert_eq!(text.matches(".jpg").count(), count.min(50));
        }
    }

    #[tokio::test]
    async fn what_the_owner_wrote_is_text() {
        let files = [ParcelFile { name: "<i>\u{202e}x".into(), size: 1 }, files(1).remove(0)];
        let hostile = Offer {
            name: "\"><script>alert(1)</script>\u{202e}",
            note: "</p><script>alert(2)</script>\n\u{1b}[31mred",
            ..one(&files)
        };
        let page = read(offer(&browser(), &hostile)).await;
        assert!(!page.contains("<script") && !page.contains("<i>"), "{page}");
        assert!(page.contains("&lt;/p&gt;&lt;script&gt;alert(2)&lt;/script&gt;\n"), "{page}");
        let text = read(offer(&HeaderMap::new(), &hostile)).await;
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
        assert!(text.contains("\n> </p><script>alert(2)</script>\n> "), "{text}");
    }

    #[tokio::test]
    async fn words_have_their_status() {
        let name = "<b>.txt";
        for (said, status, again, goes) in [
            (Word::Asking { again: "/w" }, 200, None, Some("2;url=/w")),
            (Word::Allowed { content: "/c/%3Cb%3E", name }, 200, None, Some("0;url=/c/%3Cb%3E")),
            (Word::Refused, 403, None, None),
            (Word::Unanswered { landing: "/l" }, 200, None, None),
            (Word::TooMany, 429, Some("60"), None),
            (Word::NotYours, 403, None, None),
            (Word::Busy, 409, Some("10"), None),
            (Word::Done, 410, None, None),
            (Word::Away, 503, Some("10"), None),
            (Word::Off, 503, Some("10"), None),
        ] {
            let page = word(&browser(), &said);
            assert_eq!(page.status(), status, "{said:?}");
            let retry =
                page.headers().get(header::RETRY_AFTER).map(|value| value.to_str().unwrap());
            assert_eq!(retry, again, "{said:?}");
            assert_eq!(page.headers()[header::CACHE_CONTROL], "no-store");
            let page = read(page).await;
            let refresh = goes.map(|goes| format!("http-equiv=\"refresh\" content=\"{goes}\""));
            assert_eq!(page.contains("http-equiv"), refresh.is_some(), "{said:?}");
            assert!(refresh.is_none_or(|refresh| page.contains(&refresh)), "{page}");
            assert!(!page.contains("<b>"), "{page}");
            let text = word(&HeaderMap::new(), &said);
            assert_eq!(text.status(), status, "{said:?}");
            assert!(read(text).await.starts_with(&format!("{status} ")), "{said:?}");
        }
    }
}
