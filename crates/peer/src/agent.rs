//! The visitor's program, as its owner reads it.

/// The most characters of a name that we do not know.
const MAX_CHARACTERS: usize = 24;

/// The marks of browsers, most telling first: most of them also claim to be the ones below.
const BROWSERS: &[(&str, &str)] = &[
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];

/// The marks of systems, most telling first.
const SYSTEMS: &[(&str, &str)] = &[
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Macintosh", "Mac"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
];

/// A browser that we do not know.
const SOME_BROWSER: &str = "a browser";

/// What stands between a browser and its system.
const ON: &str = " on ";

/// Shortens a `User-Agent` to `Firefox on Windows` or `curl`. The header is whatever the visitor
/// wrote: what comes out of it is a word we know, or a few plain characters; nothing if there are
/// none.
pub(crate) fn short(user_agent: Option<&[u8]>) -> String {
    let text = String::from_utf8_lossy(user_agent.unwrap_or_default());
    let find = |marks: &[(&str, &'static str)]| {
        marks.iter().find(|(mark, _)| text.contains(mark)).map(|(_, name)| *name)
    };
    if text.starts_with("Mozilla/") {
        return match (find(BROWSERS), find(SYSTEMS)) {
            (Some(browser), Some(system)) => format!("{browser}{ON}{system}"),
            (Some(browser), None) => browser.to_owned(),
            (None, Some(system)) => format!("{SOME_BROWSER}{ON}{system}"),
            (None, None) => SOME_BROWSER.to_owned(),
        };
    }
    let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+');
    text.chars().take_while(plain).take(MAX_CHARACTERS).collect()
}

/// A visitor's program out of what is kept of it (the `agent` of a transfer and its like), for whoever
/// says it in another language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program<'a> {
    /// A browser.
    Browser {
        /// Which, if that is known.
        name: Option<&'a str>,
        /// On which system, if that is known.
        system: Option<&'a str>,
    },
    /// Something else, by its own name; empty when it does not say.
    Other(&'a str),
}

impl<'a> Program<'a> {
    /// Reads it. A program of another name has no space in it, so the two cannot be mistaken.
    #[must_use]
    pub fn of(agent: &'a str) -> Self {
        let (name, system) = match agent.split_once(ON) {
            Some((name, system)) => (name, Some(system)),
            None => (agent, None),
        };
        match (name, system) {
            (SOME_BROWSER, system) => Self::Browser { name: None, system },
            (name, Some(system)) => Self::Browser { name: Some(name), system: Some(system) },
            (_, None) => Self::Other(agent),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_can_be_read() {
        let browser = |name, system| Program::Browser { name, system };
        for (agent, program) in [
            ("Firefox on Windows", browser(Some("Firefox"), Some("Windows"))),
            ("Samsung Internet on Android", browser(Some("Samsung Internet"), Some("Android"))),
            ("a browser on Linux", browser(None, Some("Linux"))),
            ("a browser", browser(None, None)),
            ("curl", Program::Other("curl")),
            ("", Program::Other("")),
        ] {
            assert_eq!(Program::of(agent), program);
        }
        let linux = short(Some(b"Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0"));
        assert_eq!(Program::of(&linux), browser(Some("Firefox"), Some("Linux")));
        assert_eq!(Program::of(&short(Some(b"Mozilla/5.0"))), browser(None, None));
    }

    #[test]
    fn says_what_people_call_their_program() {
        for (user_agent, name) in [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0",
                "Firefox on Windows",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15",
                "Safari on Mac",
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
                "Chrome on Linux",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/140.0 Mobile/15E148 Safari/604.1",
                "Chrome on iPhone",
            ),
            (
                "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0 Mobile Safari/537.36",
                "Samsung Internet on Android",
            ),
            ("Mozilla/5.0", "a browser"),
            ("curl/8.5.0", "curl"),
            ("Wget/1.21.4", "Wget"),
            ("python-requests/2.32", "python-requests"),
            ("", ""),
            ("\u{202e}txt.exe", ""),
            ("<script>alert(1)</script>", ""),
            ("a\nb", "a"),
        ] {
            assert_eq!(short(Some(user_agent.as_bytes())), name);
        }
        assert_eq!(short(None), "");
        assert_eq!(short(Some(&[0xff, 0xfe])), "");
        assert_eq!(short(Some(&[b'x'; 5000])).len(), MAX_CHARACTERS);
    }
}
