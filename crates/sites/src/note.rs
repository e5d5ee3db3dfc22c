//! The box in which a visitor writes to the owner.
//!
//! It stands below a folder's listing when the request has a [`NoteBox`] in its extensions, and on a
//! page of its own ([`page`]) to which any page of a site can link. Without script it is a form
//! ([`PATH`]); with script it writes by TAXI on a WebSocket, and shows the owner's answers.

use crosstalk::{
    members::SITE_PATH,
    transaction::{self, Body},
};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use maud::{Markup, PreEscaped, html};

use crate::folder::pages::{STYLE, by_digest, frame};

/// Where the page with the box is, and where its form goes. No file of a site is ever there (RFC
/// 8615).
pub const PATH: &str = "/.well-known/veranda/note";

/// The longest note, in characters: half a page, so that nobody has to think about it.
pub const MAX_CHARACTERS: usize = 1000;

/// It rides inside the page, so that the box works wherever the page is opened.
const SCRIPT: &str = include_str!("note.js");

/// In the extensions of a request: pages that list a folder have the box.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoteBox;

/// What the page with the box says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing was written yet.
    Blank,
    /// The note arrived.
    Sent,
    /// It did not: why, and what was written, so that nothing is lost.
    Failed {
        /// The status of the response.
        status: StatusCode,
        /// A sentence for the visitor.
        why: String,
        /// What stands in the box again.
        text: String,
    },
    /// There is no box here.
    Closed,
}

/// Returns the page with the box. `request` are the headers of the request, whose host the policy
/// names.
#[must_use]
pub fn page(request: &HeaderMap, state: &State) -> Response<Body> {
    let (status, title) = match state {
        State::Blank => (StatusCode::OK, "Write to the owner"),
        State::Sent => (StatusCode::OK, "Your note has arrived"),
        State::Failed { status, .. } => (*status, "Your note did not arrive"),
        State::Closed => (StatusCode::NOT_FOUND, "No notes here"),
    };
    let content = html! {
        main.note-page {
            h1 { (title) }
            @match state {
                State::Blank => {
                    p { "What you write here appears on the screen of whoever shares this with you." }
                    (form(""))
                }
                State::Sent => {
                    p { "Whoever shares this with you can read it now." }
                    p { a href=(PATH) { "Write another" } }
                }
                State::Failed { why, text, .. } => {
                    p.note-why role="alert" { (why) }
                    (form(text))
                }
                State::Closed => p { "The owner does not take notes here." },
            }
            p { a href="/" { "Go to the start" } }
        }
    };
    let mut response = Response::new(transaction::full(frame(title, content).into_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONTENT_SECURITY_POLICY, policy(request));
    // Not less: without it, the form could not say that it comes from here.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Returns the box for a page that is about something else: closed at first.
pub(crate) fn aside() -> Markup {
    html! {
        details.note {
            summary { "Write to the owner" }
            (form(""))
        }
    }
}

fn form(text: &str) -> Markup {
    html! {
        form.note-form method="post" action=(PATH) accept-charset="utf-8" {
            ol.note-talk aria-label="Your notes" aria-live="polite" hidden {}
            label for="note-text" { "Your note" }
            textarea #note-text name="text" rows="4" maxlength=(MAX_CHARACTERS) required
                aria-describedby="note-hint" { (text) }
            p #note-hint .note-hint { "It goes to whoever shares this with you." }
            div.note-actions {
                button type="submit" { "Send" }
                p.note-status role="status" {}
            }
        }
        script { (PreEscaped(SCRIPT)) }
    }
}

/// Returns the policy of a page with the box: its style and script by their digests, and its WebSocket and
/// form to where the page came from. Safari before 15.4 takes no WebSocket for that, and gets it by its
/// address, where the request names its host.
pub(crate) fn policy(request: &HeaderMap) -> HeaderValue {
    let [style, script] = [STYLE, SCRIPT].map(by_digest);
    let socket = host(request).map_or_else(String::new, |host| {
        format!(" ws://{host}{SITE_PATH} wss://{host}{SITE_PATH}")
    });
    let policy = format!(
        "default-src 'none'; style-src {style}; script-src {script}; connect-src 'self'{socket}; form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
    );
    HeaderValue::try_from(policy).unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"))
}

/// Returns the host of a request, if it can stand in a policy.
fn host(request: &HeaderMap) -> Option<&str> {
    let host = request.get(header::HOST)?.to_str().ok()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':');
    (!host.is_empty() && host.bytes().all(plain)).then_some(host)
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    async fn text(response: Response<Body>) -> String {
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    fn from(host: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::HOST, host.parse().unwrap())])
    }

    #[tokio::test]
    async fn the_page_allows_its_own_script_and_socket_and_nothing_else() {
        let page = page(&from("photos.localhost:8080"), &State::Blank);
        let policy = page.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        let script = format!("; script-src {}; ", by_digest(SCRIPT));
        assert!(policy.contains(&script) && !policy.contains("unsafe"), "{policy}");
        let socket =
            "; connect-src 'self' ws://photos.localhost:8080/.well-known/veranda/taxi wss://photos";
        assert!(policy.contains(socket), "{policy}");
        let page = text(page).await;
        assert!(page.contains(&format!("<script>{SCRIPT}</script>")), "{page}");
    }

    #[test]
    fn a_host_that_could_end_the_policy_is_not_in_it() {
        for strange in ["a;script-src *", "a b", "a,b", "a/b", "'self'", ""] {
            let policy = policy(&from(strange));
            let policy = policy.to_str().unwrap();
            assert!(policy.contains("; connect-src 'self'; form-action"), "{strange}: {policy}");
        }
    }

    #[test]
    fn the_script_can_ride_inside_a_page() {
        for text in [STYLE, SCRIPT] {
            crate::folder::pages::assert_rides(text);
        }
    }

    #[tokio::test]
    async fn what_was_written_comes_back_as_text() {
        let why = "<b>no</b>".to_owned();
        let written = "</textarea><script>alert(1)</script>".to_owned();
        let status = StatusCode::TOO_MANY_REQUESTS;
        let page = page(&from("a.localhost"), &State::Failed { status, why, text: written });
        assert_eq!(page.status(), status);
        let page = text(page).await;
        assert!(page.contains("&lt;/textarea&gt;&lt;script&gt;"), "{page}");
        assert!(page.contains("&lt;b&gt;no&lt;/b&gt;"), "{page}");
    }
}
