//! The path below which an old gateway shows a site (`SCRIPT_NAME`), taken off requests and put onto
//! what leads back.

use http::{HeaderMap, HeaderValue, Uri, header, uri::PathAndQuery};

/// Takes the prefix off a request's target; `None` when nothing is left, not even the slash against
/// which the site's own links are read.
pub(super) fn strip(target: &Uri, prefix: &str) -> Option<Uri> {
    let whole = target.path_and_query().map_or("/", PathAndQuery::as_str);
    let rest = whole.strip_prefix(prefix)?;
    rest.starts_with('/').then(|| rest.parse().ok()).flatten()
}

/// Puts the prefix before `Location` and the `Path` of cookies, where they are paths of this site.
pub(super) fn add(headers: &mut HeaderMap, prefix: &str) {
    if prefix.is_empty() {
        return;
    }
    if let Some(location) = headers.get_mut(header::LOCATION) {
        let bytes = location.as_bytes();
        // What begins with two slashes is another host.
        if bytes.starts_with(b"/") && !bytes.starts_with(b"//") {
            let moved = [prefix.as_bytes(), bytes].concat();
            replace(location, &moved);
        }
    }
    let header::Entry::Occupied(mut cookies) = headers.entry(header::SET_COOKIE) else { return };
    for cookie in cookies.iter_mut() {
        let parts = cookie.as_bytes().split(|byte| *byte == b';').enumerate();
        let parts = parts.map(|(place, part)| match path_of(part).filter(|_| place > 0) {
            // The site's start is the prefix itself: `/name/` would not match `/name`.
            Some(b"/") => [b" Path=".as_slice(), prefix.as_bytes()].concat(),
            Some(path) => [b" Path=".as_slice(), prefix.as_bytes(), path].concat(),
            None => part.to_vec(),
        });
        let moved = parts.collect::<Vec<_>>().join(b";".as_slice());
        replace(cookie, &moved);
    }
}

/// Returns the path of a `Path` attribute that has one.
fn path_of(attribute: &[u8]) -> Option<&[u8]> {
    let mut halves = attribute.splitn(2, |byte| *byte == b'=');
    let name = halves.next().unwrap_or_default().trim_ascii();
    let value = halves.next().unwrap_or_default().trim_ascii();
    (name.eq_ignore_ascii_case(b"path") && value.starts_with(b"/")).then_some(value)
}

/// Replaces a value by one that is made of it, and stays a secret if it was one.
fn replace(value: &mut HeaderValue, by: &[u8]) {
    if let Ok(mut by) = HeaderValue::from_bytes(by) {
        by.set_sensitive(value.is_sensitive());
        *value = by;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_loses_its_prefix_and_nothing_else() {
        for (target, prefix, left) in [
            ("/mine/a?b=/mine", "/mine", Some("/a?b=/mine")),
            ("/mine/", "/mine", Some("/")),
            ("/mine//evil.example/", "/mine", Some("//evil.example/")),
            ("/mine", "/mine", None),
            ("/mine?x", "/mine", None),
            ("/minerals", "/mine", None),
            ("/a", "", Some("/a")),
        ] {
            let stripped = strip(&target.parse().unwrap(), prefix);
            assert_eq!(stripped.map(|uri| uri.to_string()).as_deref(), left, "{target}");
        }
    }

    #[test]
    fn what_leads_back_gets_the_prefix() {
        for (name, value, moved) in [
            ("location", "/a/b", "/mine/a/b"),
            ("location", "//other.example/", "//other.example/"),
            ("location", "https://other.example/", "https://other.example/"),
            ("location", "b", "b"),
            ("set-cookie", "a=/x; Path=/; HttpOnly", "a=/x; Path=/mine; HttpOnly"),
            ("set-cookie", "a=b;path = /x ;Max-Age=1", "a=b; Path=/mine/x;Max-Age=1"),
            ("set-cookie", "path=/", "path=/"),
            ("set-cookie", "a=b", "a=b"),
            ("x-other", "/a", "/a"),
        ] {
            let mut headers = HeaderMap::new();
            let mut value = HeaderValue::from_static(value);
            value.set_sensitive(true);
            headers.insert(name, value.clone());
            add(&mut headers, "");
            assert_eq!(headers[name], value);
            add(&mut headers, "/mine");
            assert_eq!(headers[name], moved);
            assert!(headers[name].is_sensitive());
        }
    }
}
