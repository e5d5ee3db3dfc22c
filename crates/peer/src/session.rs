//! Who may enter a site: the secret of a session, and the guard at the door.
//!
//! A session URL is `<site origin>/s/<token>`. Opening it sets a cookie and leads to the clean
//! path, so that the secret stands neither in the visitor's address bar nor in what pages of the
//! site can read. Programs send `Authorization: Bearer <token>` instead.

use std::fmt;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue, Uri, header};
use subtle::ConstantTimeEq as _;

/// What the path of a session URL begins with.
const PREFIX: &str = "/s/";

/// How long a browser remembers that it was let in: a month, as people come back to a link that
/// they were given. Opening the session URL again begins a new month.
const COOKIE_LIFETIME_SECONDS: u32 = 30 * 24 * 60 * 60;

/// The characters of a token: 128 bits in base64url.
const TOKEN_LENGTH: usize = 22;

/// The secret of a session. Prints nothing and is compared in constant time.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token(String);

impl Token {
    /// Makes a new one from the system's randomness.
    pub(crate) fn generate() -> Self {
        Self(BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>()))
    }

    /// Reads what [`Token::secret`] gave.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        (text.len() == TOKEN_LENGTH && bytes.len() == 16).then(|| Self(text.to_owned()))
    }

    /// Returns the secret, for the store and the session URL.
    pub(crate) fn secret(&self) -> &str {
        &self.0
    }

    /// Returns the session URL at this origin.
    pub(crate) fn url(&self, origin: &str) -> String {
        format!("{origin}{PREFIX}{}", self.0)
    }

    /// Compares in constant time.
    pub(crate) fn is(&self, offered: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(offered).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// What the guard needs to know of a site.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    tokens: Vec<Token>,
    cookie: String,
    secure: bool,
}

/// What the guard decides.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The request goes on to the site.
    Allowed,
    /// The secret is right: remember the visitor and lead to the clean path.
    Enter {
        /// The value of `Set-Cookie`; a secret.
        cookie: HeaderValue,
        /// The value of `Location`.
        location: HeaderValue,
    },
    /// Nobody learns whether there is something.
    Refused,
}

impl Door {
    /// Makes the guard of a site. `id` keeps sites apart that share a host; `secure` is whether
    /// visitors come by `https`.
    pub(crate) fn new(tokens: Vec<Token>, id: &str, secure: bool) -> Self {
        // With this prefix the browser makes sure that the cookie came from this very host by
        // https (RFC 6265bis §4.1.3.2).
        let cookie = format!("{}veranda-{id}", if secure { "__Host-" } else { "" });
        Self { tokens, cookie, secure }
    }

    /// Judges a request.
    pub(crate) fn judge(&self, uri: &Uri, headers: &HeaderMap) -> Verdict {
        if let Some((offered, rest)) = session_path(uri.path()) {
            return match self.find(offered.as_bytes()) {
                Some(token) => self.enter(token, rest, uri.query()),
                None => Verdict::Refused,
            };
        }
        let by_cookie =
            || cookies(headers, &self.cookie).any(|offered| self.find(offered).is_some());
        if bearer(headers).is_some_and(|offered| self.find(offered).is_some()) || by_cookie() {
            Verdict::Allowed
        } else {
            Verdict::Refused
        }
    }

    /// Removes what was for the guard from a request that goes on to the site.
    pub(crate) fn strip(&self, headers: &mut HeaderMap) {
        if bearer(headers).is_some_and(|offered| self.find(offered).is_some()) {
            headers.remove(header::AUTHORIZATION);
        }
        if cookies(headers, &self.cookie).next().is_none() {
            return;
        }
        let others: Vec<HeaderValue> = headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| {
                let left: Vec<&[u8]> = crumbs(value)
                    .filter(|crumb| cookie_value(crumb, &self.cookie).is_none())
                    .collect();
                // Parts of a header's value are a header's value.
                HeaderValue::from_bytes(&left.join(&b"; "[..])).ok()
            })
            .filter(|value| !value.is_empty())
            .collect();
        headers.remove(header::COOKIE);
        for value in others {
            headers.append(header::COOKIE, value);
        }
    }

    /// Looks at every token, so that the time tells nothing.
    fn find(&self, offered: &[u8]) -> Option<&Token> {
        self.tokens
            .iter()
            .fold(None, |found, token| if token.is(offered) { Some(token) } else { found })
    }

    fn enter(&self, token: &Token, rest: &str, query: Option<&str>) -> Verdict {
        let secure = if self.secure { "; Secure" } else { "" };
        let cookie = format!(
            "{}={}; Path=/; Max-Age={COOKIE_LIFETIME_SECONDS}; HttpOnly; SameSite=Lax{secure}",
            self.cookie,
            token.secret()
        );
        // Browsers take `//host` and `/\host` for another host: one slash, whatever was there.
        let mut location = format!("/{}", rest.trim_start_matches(['/', '\\']));
        if let Some(query) = query {
            location.push('?');
            location.push_str(query);
        }
        match (HeaderValue::from_str(&cookie), HeaderValue::from_str(&location)) {
            (Ok(mut cookie), Ok(location)) => {
                cookie.set_sensitive(true);
                Verdict::Enter { cookie, location }
            }
            // A URI with raw bytes beyond ASCII in it: nothing that we ever gave out.
            (Err(_), _) | (_, Err(_)) => Verdict::Refused,
        }
    }
}

/// Splits `/s/<token>[/<rest>]` into the token and the rest. What cannot be a token is a path of
/// the site, which may have a folder `s`.
fn session_path(path: &str) -> Option<(&str, &str)> {
    let path = path.strip_prefix(PREFIX)?;
    let (offered, rest) = path.split_once('/').unwrap_or((path, ""));
    Token::parse(offered).map(|_| (offered, rest))
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

fn crumbs(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    value.as_bytes().split(|byte| *byte == b';').map(<[u8]>::trim_ascii)
}

fn cookie_value<'a>(crumb: &'a [u8], name: &str) -> Option<&'a [u8]> {
    crumb.strip_prefix(name.as_bytes())?.strip_prefix(b"=")
}

fn cookies<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    let values = headers.get_all(header::COOKIE).iter();
    values.flat_map(crumbs).filter_map(move |crumb| cookie_value(crumb, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "AAECAwQFBgcICQoLDA0ODw";
    const OTHER: &str = "_____________________w";

    fn door(secure: bool) -> Door {
        let tokens = [TOKEN, OTHER].map(|token| Token::parse(token).unwrap());
        Door::new(tokens.to_vec(), "k3f9", secure)
    }

    /// Judges `GET uri` with these headers.
    fn check(uri: &str, headers: &[(&str, &str)]) -> Verdict {
        let mut request = http::Request::get(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap();
        door(false).judge(request.uri(), request.headers())
    }

    fn location(uri: &str) -> String {
        match check(uri, &[]) {
            Verdict::Enter { location, .. } => location.to_str().unwrap().to_owned(),
            other @ (Verdict::Allowed | Verdict::Refused) => panic!("{uri}: {other:?}"),
        }
    }

    #[test]
    fn the_session_url_leads_to_the_clean_path_on_the_same_host() {
        for (rest, clean) in [
            ("", "/"),
            ("/", "/"),
            ("/a/b.txt", "/a/b.txt"),
            ("/a%20b/%C3%BC?x=1&y=%2F", "/a%20b/%C3%BC?x=1&y=%2F"),
            ("?download=1", "/?download=1"),
            ("/?", "/?"),
            ("//evil.example", "/evil.example"),
            ("///evil.example/x", "/evil.example/x"),
            (r"/\evil.example", "/evil.example"),
            (r"/\/\/evil.example", "/evil.example"),
            ("/%2F/evil.example", "/%2F/evil.example"),
            ("/%5Cevil.example", "/%5Cevil.example"),
            ("/https://evil.example", "/https://evil.example"),
            ("/..//evil.example", "/..//evil.example"),
            ("/s/again", "/s/again"),
        ] {
            assert_eq!(location(&format!("/s/{TOKEN}{rest}")), clean, "{rest}");
        }
    }

    #[test]
    fn the_redirect_stays_on_the_site_as_a_browser_reads_it() {
        let base = url::Url::parse("https://photos.gateway.example/s/x").unwrap();
        for rest in [
            "//evil.example",
            r"/\evil.example",
            r"/\/\evil.example",
            "/..//evil.example",
            "/.//evil.example",
            "/%2e%2e//evil.example",
            "/@evil.example",
            "/:80",
        ] {
            let target = base.join(&location(&format!("/s/{TOKEN}{rest}"))).unwrap();
            assert_eq!(target.origin(), base.origin(), "{rest}");
        }
    }

    #[test]
    fn the_cookie_is_for_this_host_and_for_no_script() {
        let cookie = |secure| {
            let uri = format!("/s/{TOKEN}").parse().unwrap();
            match door(secure).judge(&uri, &HeaderMap::new()) {
                Verdict::Enter { cookie, .. } => cookie,
                other @ (Verdict::Allowed | Verdict::Refused) => panic!("{other:?}"),
            }
        };
        let plain =
            format!("veranda-k3f9={TOKEN}; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax");
        assert_eq!(cookie(false), plain);
        assert_eq!(cookie(true), format!("__Host-{plain}; Secure"));
        assert!(cookie(true).is_sensitive());
    }

    #[test]
    fn only_the_secret_opens_the_door() {
        let wrong = TOKEN.replace('A', "B");
        for uri in [
            "/".to_owned(),
            "/s".to_owned(),
            "/s/".to_owned(),
            "/s//".to_owned(),
            format!("/s/{wrong}"),
            format!("/s/{}", &TOKEN[..21]),
            format!("/s/{TOKEN}A"),
            format!("/s/{TOKEN}%2F"),
            format!("/S/{TOKEN}"),
            format!("/%73/{TOKEN}"),
            format!("/s%2F{TOKEN}"),
            format!("//s/{TOKEN}"),
            format!("/x/../s/{TOKEN}"),
            format!("/?/s/{TOKEN}"),
        ] {
            assert_eq!(check(&uri, &[]), Verdict::Refused, "{uri}");
        }
        for (name, value) in [
            ("cookie", format!("veranda-k3f9={wrong}")),
            ("cookie", format!("veranda-k3f9={}", &TOKEN[..21])),
            ("cookie", format!("veranda={TOKEN}")),
            ("cookie", format!("xveranda-k3f9={TOKEN}")),
            ("cookie", format!("__Host-veranda-k3f9={TOKEN}")),
            ("cookie", "veranda-k3f9=".to_owned()),
            ("authorization", format!("Bearer {wrong}")),
            ("authorization", format!("Basic {TOKEN}")),
            ("authorization", TOKEN.to_owned()),
            ("authorization", "Bearer".to_owned()),
            ("authorization", String::new()),
        ] {
            assert_eq!(check("/a", &[(name, &value)]), Verdict::Refused, "{name}: {value}");
        }
        // A visitor who is let in still cannot open a session that does not exist.
        let cookie = format!("veranda-k3f9={TOKEN}");
        assert_eq!(check(&format!("/s/{wrong}"), &[("cookie", &cookie)]), Verdict::Refused);
    }

    #[test]
    fn who_was_let_in_stays_in() {
        for (name, value) in [
            ("cookie", format!("veranda-k3f9={TOKEN}")),
            ("cookie", format!("veranda-k3f9={OTHER}")),
            ("cookie", format!("a=b;veranda-k3f9={TOKEN};c=d")),
            ("cookie", format!("veranda-k3f9=stale; veranda-k3f9={TOKEN}")),
            ("authorization", format!("Bearer {TOKEN}")),
            ("authorization", format!("bearer  {TOKEN}")),
        ] {
            assert_eq!(check("/a?b", &[(name, &value)]), Verdict::Allowed, "{name}: {value}");
        }
        // HTTP/2 may split a cookie header.
        let ours = format!("veranda-k3f9={TOKEN}");
        assert_eq!(check("/", &[("cookie", "a=b"), ("cookie", &ours)]), Verdict::Allowed);
    }

    #[test]
    fn a_site_may_have_a_folder_of_the_same_name() {
        let cookie = format!("veranda-k3f9={TOKEN}");
        for uri in ["/s", "/s/", "/s/a.txt", "/s/2026/a.txt", "/s//", "/s/%41"] {
            assert_eq!(check(uri, &[("cookie", &cookie)]), Verdict::Allowed, "{uri}");
        }
    }

    #[test]
    fn the_site_never_sees_the_secret() {
        let mut headers = HeaderMap::new();
        for value in [
            format!("a=b; veranda-k3f9={TOKEN}; c=\u{fc}"),
            format!("veranda-k3f9={TOKEN}"),
            "d=e".to_owned(),
        ] {
            headers.append("cookie", HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers.insert("authorization", format!("Bearer {TOKEN}").parse().unwrap());
        door(false).strip(&mut headers);
        let left: Vec<&[u8]> =
            headers.get_all("cookie").iter().map(HeaderValue::as_bytes).collect();
        assert_eq!(left, ["a=b; c=\u{fc}".as_bytes(), b"d=e"]);
        assert!(!headers.contains_key("authorization"));
        // What is the site's own business stays.
        headers.insert("authorization", "Bearer of-the-site".parse().unwrap());
        door(false).strip(&mut headers);
        assert_eq!(headers["authorization"], "Bearer of-the-site");
    }

    #[test]
    fn tokens_have_128_bits_and_print_nothing() {
        let token = Token::generate();
        assert_eq!(token.secret().len(), TOKEN_LENGTH);
        assert_eq!(Token::parse(token.secret()), Some(token.clone()));
        assert_ne!(Token::generate(), token);
        assert_eq!(format!("{token:?}"), "Token(..)");
        assert_eq!(
            token.url("https://a.example"),
            format!("https://a.example/s/{}", token.secret())
        );
        for bad in ["", "AAAA", &format!("{TOKEN}A"), &TOKEN.replace('A', "+")] {
            assert_eq!(Token::parse(bad), None, "{bad}");
        }
    }
}
