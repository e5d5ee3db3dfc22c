//! What a visitor reads when the gateway itself answers.
//!
//! Plain words, no script, and nothing from elsewhere. A program that did not ask for HTML gets
//! the same sentences as text.

use std::sync::LazyLock;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use crosstalk::transaction::{self, Body};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use crate::{limits, publish};

const STYLE: &str = include_str!("style.css");

/// Only the style sheet of the page itself, known by its hash.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = BASE64_STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"))
});

/// A page of the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Page<'a> {
    /// What this is, at the gateway's own address.
    Welcome { example: &'a str },
    /// The owner's computer has no link.
    Away,
    /// All links are full.
    Busy,
    /// No site has this name.
    NoSuchSite,
    /// The gateway itself has no such page.
    NotFound,
    /// The visitor has too much under way.
    TooMany,
    /// The owner's computer went away before it answered.
    Lost,
    /// The owner's computer did not answer.
    TimedOut,
    /// Its answer makes no sense.
    BadAnswer,
    /// It cannot do this (a WebSocket, by an old link).
    Unsupported,
    /// The request is for another host.
    Elsewhere,
    /// The request cannot be read.
    BadRequest { why: &'a str },
    /// The visitor's upload stopped on its way.
    Stalled,
    /// Headers too large for the peer.
    TooLarge,
    /// What the visitor sends is more than the peer takes.
    UploadTooLarge,
    /// A method that is for no site.
    Method,
}

/// The words of a page.
struct Words<'a> {
    status: StatusCode,
    title: &'static str,
    sentences: Vec<&'a str>,
    /// Where a visitor may want to go instead: an address here, and what is there.
    elsewhere: Option<(&'static str, &'static str)>,
    /// Whether the page loads itself again.
    again: bool,
}

impl<'a> Page<'a> {
    /// Returns the page as an answer to a request with these headers.
    pub(crate) fn answer(self, request: &HeaderMap) -> Response<Body> {
        let words = self.words();
        let (kind, text) = if wants_html(request) {
            ("text/html; charset=utf-8", markup(&words).into_string())
        } else {
            ("text/plain; charset=utf-8", plain(&words))
        };
        let mut response = Response::new(transaction::full(text));
        *response.status_mut() = words.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(header::VARY, HeaderValue::from_static("accept"));
        if words.again || words.status == StatusCode::TOO_MANY_REQUESTS {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(limits::RETRY_SECONDS));
        }
        if self == Page::Method {
            headers.insert(header::ALLOW, HeaderValue::from_static(METHODS));
        }
        protect(headers);
        response
    }

    fn words(self) -> Words<'a> {
        let (status, title, sentences) = match self {
            Self::Welcome { example } => (
                StatusCode::OK,
                "This is a Veranda gateway",
                vec![
                    "Through it people publish files from their own computers. Their addresses \
                     look like this:",
                    example,
                    "If somebody sent you a link, open that link.",
                ],
            ),
            Self::Away => (
                StatusCode::SERVICE_UNAVAILABLE,
                "The owner’s computer is away",
                vec![
                    "What you are looking for is on somebody’s own computer, and that computer is \
                     switched off, asleep or offline right now.",
                    "Leave this page open: it tries again by itself.",
                ],
            ),
            Self::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                "Many people are here at once",
                vec![
                    "The owner’s computer is serving as many visitors as it can right now.",
                    "Leave this page open: it tries again by itself.",
                ],
            ),
            Self::NoSuchSite => (
                StatusCode::NOT_FOUND,
                "There is nothing at this address",
                vec![
                    "Maybe a letter of the link got lost on the way, or its owner has taken it \
                     back.",
                    "Ask the person who sent it to you for a new one.",
                ],
            ),
            Self::NotFound => (
                StatusCode::NOT_FOUND,
                "There is nothing at this address",
                vec!["If somebody sent you a link, check that you have all of it."],
            ),
            Self::TooMany => (
                StatusCode::TOO_MANY_REQUESTS,
                "That is a lot at once",
                vec![
                    "Your network is fetching many things from here at the same time.",
                    "Wait until some of them are done, then try again.",
                ],
            ),
            Self::Lost => (
                StatusCode::BAD_GATEWAY,
                "The owner’s computer just left",
                vec!["It went offline before it could answer. Try again in a moment."],
            ),
            Self::TimedOut => (
                StatusCode::GATEWAY_TIMEOUT,
                "The owner’s computer takes too long",
                vec!["It is connected, but did not answer in time. Try again in a moment."],
            ),
            Self::BadAnswer => (
                StatusCode::BAD_GATEWAY,
                "The owner’s computer gave a broken answer",
                vec!["Try again in a moment. If it stays like this, tell the owner."],
            ),
            Self::Unsupported => (
                StatusCode::NOT_IMPLEMENTED,
                "This does not work here",
                vec!["The owner’s computer is connected in a way that cannot carry this."],
            ),
            Self::Elsewhere => (
                StatusCode::MISDIRECTED_REQUEST,
                "This address leads to the wrong place",
                vec![
                    "The name in the address is not one of this gateway’s. Whoever set it up has \
                     pointed it at the wrong computer.",
                ],
            ),
            Self::BadRequest { why } => (
                StatusCode::BAD_REQUEST,
                "This request cannot be read",
                vec!["The program that sent it made a mistake:", why],
            ),
            // Not 408: browsers send the whole request again by themselves when they get that (RFC 9110
            // §15.5.9), also what must not happen twice.
            Self::Stalled => (
                StatusCode::BAD_REQUEST,
                "What you sent did not arrive",
                vec![
                    "It stopped on its way here, and nothing more of it came for half a minute.",
                    "Check your connection, then send it again.",
                ],
            ),
            Self::TooLarge => (
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "This request is too large",
                vec!["Its headers are larger than allowed. Deleting this site’s cookies may help."],
            ),
            Self::UploadTooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "This is too large",
                vec!["The site cannot take as much at once as you wanted to send."],
            ),
            Self::Method => (
                StatusCode::METHOD_NOT_ALLOWED,
                "This does not work here",
                vec!["No site answers this kind of request."],
            ),
        };
        let again = matches!(self, Self::Away | Self::Busy);
        let elsewhere = matches!(self, Self::Welcome { .. })
            .then_some((publish::PATH, "Publish a folder or files from this browser"));
        Words { status, title, sentences, elsewhere, again }
    }
}

/// The methods that are passed to sites.
pub(crate) const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// Sets what protects every answer of the gateway itself.
pub(crate) fn protect(headers: &mut HeaderMap) {
    // A page that brings its own policy has reasons (`publish`).
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert_with(|| POLICY.clone());
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("x-robots-tag"), "noindex"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// Returns whether the request names HTML among what it accepts: browsers do, other programs
/// hardly.
fn wants_html(request: &HeaderMap) -> bool {
    let mut accepted = request.get_all(header::ACCEPT).iter().filter_map(|v| v.to_str().ok());
    accepted.any(|value| {
        value.split(',').any(|range| {
            let kind = range.split(';').next().unwrap_or_default().trim();
            kind.eq_ignore_ascii_case("text/html")
        })
    })
}

fn markup(words: &Words<'_>) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                @if words.again { meta http-equiv="refresh" content=(limits::RETRY_SECONDS); }
                title { (words.title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    h1 { (words.title) }
                    @for sentence in &words.sentences { p { (sentence) } }
                    @if let Some((address, what)) = words.elsewhere {
                        p { a href=(address) { (what) } }
                    }
                    p.aside {
                        "Veranda lets people publish from the computer at home. "
                        "The files stay there; this page only connects you."
                    }
                }
            }
        }
    }
}

fn plain(words: &Words<'_>) -> String {
    let mut text = format!("{}\n\n", words.title);
    for sentence in &words.sentences {
        text.push_str(sentence);
        text.push('\n');
    }
    if let Some((address, what)) = words.elsewhere {
        text.push_str(&format!("{what}: {address}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    async fn text(page: Page<'_>, accept: &str) -> (Response<()>, String) {
        let mut request = HeaderMap::new();
        request.insert(header::ACCEPT, accept.parse().unwrap());
        let (parts, body) = page.answer(&request).into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        (Response::from_parts(parts, ()), String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_browser_gets_a_page_that_loads_itself_again_and_a_program_gets_text() {
        let (response, page) = text(Page::Away, "text/html,application/xhtml+xml;q=0.9").await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()["retry-after"], "10");
        assert!(page.contains(r#"<meta http-equiv="refresh" content="10">"#));
        let (response, page) = text(Page::Away, "*/*").await;
        assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
        assert!(page.starts_with("The owner’s computer is away\n"));
    }

    #[tokio::test]
    async fn nothing_runs_on_our_pages_and_markup_stays_text() {
        let why = "<script>alert(1)</script>";
        let (response, page) = text(Page::BadRequest { why }, "text/html").await;
        assert!(!page.contains("<script"));
        assert!(page.contains("&lt;script&gt;"));
        let policy = response.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"));
        assert!(!policy.contains("unsafe"));
    }

    #[tokio::test]
    async fn the_style_sheet_is_exactly_what_its_hash_says() {
        let (response, page) = text(Page::Away, "text/html").await;
        let inside = page.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
        let hash = BASE64_STANDARD.encode(Sha256::digest(inside));
        let policy = response.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.contains(&format!("'sha256-{hash}'")));
    }
}
