//! Which addresses may be handed to the browser.

use crosstalk::address::GatewayAddress;
use url::{Origin, Url};

/// Returns whether this is a web address of the kind that our links are: `https`, or `http` on this
/// computer. A gateway makes the first half of a link, so it could be anything, and a browser (or
/// whatever the system has for it) opens much more than web pages.
#[must_use]
pub(crate) fn is_web(link: &str) -> bool {
    let plain = link.bytes().all(|byte| byte.is_ascii_graphic());
    let origin = Url::parse(link).map(|url| url.origin());
    // The origin of anything but the web is opaque, and is written `null`.
    let is_gateways = |origin: Origin| {
        origin.is_tuple() && GatewayAddress::parse(&origin.ascii_serialization()).is_ok()
    };
    plain && origin.is_ok_and(is_gateways)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_links_pass_and_nothing_else() {
        for (link, web) in [
            ("http://photos.localhost:28260/s/0123456789abcdefghijkl", true),
            ("https://photos.gateway.example/s/0123456789abcdefghijkl", true),
            ("http://photos.gateway.example/s/0123456789abcdefghijkl", false),
            ("file:///etc/passwd", false),
            ("javascript:alert(1)", false),
            ("https://photos.gateway.example/\u{202E}", false),
            ("https://photos.gateway.example/ --option", false),
            ("--option", false),
            ("", false),
        ] {
            assert_eq!(is_web(link), web, "{link:?}");
        }
    }
}
