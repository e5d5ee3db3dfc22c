//! The page that makes a browser tab a peer, at `/publish` on the gateway's own host.
//!
//! Its sources are in `ui/src/tab`. What they make is committed in `assets/publish`, so that the
//! gateway builds without Node; `cargo xtask check window` fails when it is not fresh.

use axum::{
    Router,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderValue, header};

/// Where the page is.
pub(crate) const PATH: &str = "/publish";

const PAGE: &str = include_str!("../assets/publish/publish.html");
const SCRIPT: &str = include_str!("../assets/publish/publish.js");
const STYLE: &str = include_str!("../assets/publish/publish.css");

/// Allows the page's own script and style and requests to this gateway: nothing inline, nothing
/// from elsewhere, nothing evaluated.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
);

/// Takes from the page what it does not need, should a script of others ever run in it.
const PERMISSIONS: HeaderValue =
    HeaderValue::from_static("camera=(), geolocation=(), microphone=(), payment=(), usb=()");

/// Returns the routes of the page and of what it loads.
pub(crate) fn router() -> Router {
    Router::new()
        .route(PATH, get(|| asset(PAGE, "text/html; charset=utf-8")))
        .route("/publish/publish.js", get(|| asset(SCRIPT, "text/javascript; charset=utf-8")))
        .route("/publish/publish.css", get(|| asset(STYLE, "text/css; charset=utf-8")))
}

async fn asset(text: &'static str, kind: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::HeaderName::from_static("permissions-policy"), PERMISSIONS),
        // The links that the page opens shall not be able to reach back into it.
        (
            header::HeaderName::from_static("cross-origin-opener-policy"),
            HeaderValue::from_static("same-origin"),
        ),
    ];
    (headers, text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_nothing_inline_and_nothing_from_elsewhere() {
        for inline in ["<style", " style=", " onload=", "<script>", "javascript:", "://"] {
            assert!(!PAGE.contains(inline), "{inline}");
        }
        assert_eq!(PAGE.matches("<script").count(), 1);
        assert!(PAGE.contains("src=\"/publish/publish.js\""));
        assert!(PAGE.contains("href=\"/publish/publish.css\""));
        assert!(!STYLE.contains("url("), "the policy would stop it");
        assert!(!POLICY.to_str().unwrap().contains("unsafe"));
    }
}
