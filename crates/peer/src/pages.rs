//! The few pages that the peer itself shows to visitors.

use std::sync::LazyLock;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use crosstalk::transaction::{self, Body};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use maud::{DOCTYPE, html};
use sha2::{Digest as _, Sha256};

/// Rides inside the page, and is allowed there by its digest alone.
const STYLE: &str = "\
body{font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:15vh auto;padding:0 1.5rem;\
color-scheme:light dark}h1{font-size:1.5rem}";

/// Allows nothing but [`STYLE`].
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let digest = BASE64_STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"))
});

/// The page for everybody without the right link. It is the same whether there is a site or not.
pub(crate) fn no_entry() -> Response<Body> {
    page(
        StatusCode::NOT_FOUND,
        "Nothing to see here",
        "There is nothing at this address, or it needs the whole link. Open the link exactly as \
         you were given it; if it still leads here, ask the person who gave it to you for a new one.",
    )
}

/// The page for a visitor with the right link while the site is switched off.
pub(crate) fn switched_off() -> Response<Body> {
    page(
        StatusCode::SERVICE_UNAVAILABLE,
        "Switched off for now",
        "Your link is right, but its owner has switched it off for now. Try again later.",
    )
}

/// The page for a visitor with the right link while the folder cannot be read.
pub(crate) fn folder_gone() -> Response<Body> {
    page(
        StatusCode::SERVICE_UNAVAILABLE,
        "Not available right now",
        "Your link is right, but the files are not there at the moment: perhaps a drive is \
         unplugged. Try again later, or tell the person who gave you the link.",
    )
}

/// Leads a visitor whose secret was right to the clean path.
pub(crate) fn enter(cookie: HeaderValue, location: HeaderValue) -> Response<Body> {
    let mut response = Response::new(transaction::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    response.headers_mut().insert(header::LOCATION, location);
    guarded(response.headers_mut());
    response
}

/// An answer without a page, for programs.
pub(crate) fn bare(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(transaction::empty());
    *response.status_mut() = status;
    guarded(response.headers_mut());
    response
}

/// An answer of one sentence, for the gateway to pass on.
pub(crate) fn sentence(status: StatusCode, sentence: &str) -> Response<Body> {
    let mut response = Response::new(transaction::full(sentence.to_owned()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    guarded(headers);
    response
}

fn page(status: StatusCode, title: &str, text: &str) -> Response<Body> {
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                title { (title) }
                style { (maud::PreEscaped(STYLE)) }
            }
            body { main { h1 { (title) } p { (text) } } }
        }
    };
    let mut response = Response::new(transaction::full(markup.into_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY.clone());
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    guarded(headers);
    response
}

/// What must not be kept by anybody, nor tell where the visitor came from.
fn guarded(headers: &mut HeaderMap) {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert("x-robots-tag", HeaderValue::from_static("noindex"));
}

/// Adds to a site's response what follows from its being for invited visitors only.
pub(crate) fn invited_only(headers: &mut HeaderMap) {
    // A cache between us and the visitor would give it to others who were not invited.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("private"));
    headers.entry(header::REFERRER_POLICY).or_insert(HeaderValue::from_static("same-origin"));
    headers.insert("x-robots-tag", HeaderValue::from_static("noindex"));
    // To a browser all sites of a gateway are one "site", so it sends the cookie for whatever a page of
    // another one loads: that page could run a script from here, and so read what is in it.
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn the_policy_allows_the_style_that_the_page_has() {
        let page = no_entry();
        let policy = page.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
        let body = page.into_body().collect().await.unwrap().to_bytes();
        let html = String::from_utf8(body.to_vec()).unwrap();
        let (_, style) = html.split_once("<style>").unwrap();
        let (style, _) = style.split_once("</style>").unwrap();
        let digest = BASE64_STANDARD.encode(Sha256::digest(style));
        assert!(policy.contains(&format!("style-src 'sha256-{digest}'")), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
    }
}
