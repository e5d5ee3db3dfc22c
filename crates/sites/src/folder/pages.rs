//! Pages that a visitor reads: the frame around all of them, and those that say what is wrong.

use std::sync::LazyLock;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderValue, StatusCode};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

/// The style of all pages. It rides inside the page, so that a page needs no second request, and
/// is allowed there by its digest alone.
pub(crate) const STYLE: &str = include_str!("pages.css");

/// Allows nothing but [`STYLE`].
pub(crate) static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let style = by_digest(STYLE);
    let policy = format!(
        "default-src 'none'; style-src {style}; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    );
    HeaderValue::try_from(policy).unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"))
});

/// Returns how a policy allows a style or a script that rides inside a page: this one, letter for letter,
/// and whatever the page's address is (CSP 3 §2.3.1, hash-source).
pub(crate) fn by_digest(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
}

/// Checks that a browser takes the digest of the very same text.
#[cfg(test)]
pub(crate) fn assert_rides(text: &str) {
    let text = text.to_ascii_lowercase();
    // The first three end it or change how it ends; line ends become one `\n`, and nothing is replaced.
    for other in ["</script", "<!--", "</style", "\r", "\0"] {
        assert!(!text.contains(other), "{other:?}");
    }
}

/// What a page says that is no file and no listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(super) status: StatusCode,
    title: &'static str,
    sentence: &'static str,
    /// Whether the start of the site may help.
    offers_start: bool,
}

pub(super) const MALFORMED: Notice = Notice {
    status: StatusCode::BAD_REQUEST,
    title: "This address is damaged",
    sentence: "A part of it was lost or changed on its way to you. Copy the whole link once more, or ask whoever sent it.",
    offers_start: true,
};

pub(crate) const DENIED: Notice = Notice {
    status: StatusCode::FORBIDDEN,
    title: "This cannot be opened",
    sentence: "It is there, but the computer it lies on does not allow it to be read. Whoever shares it can change that.",
    offers_start: true,
};

pub(super) const NOT_FOUND: Notice = Notice {
    status: StatusCode::NOT_FOUND,
    title: "Nothing is here",
    sentence: "There is no file or folder with this name. It may have been renamed or taken away, or the link may have a typing mistake.",
    offers_start: true,
};

pub(crate) const METHOD: Notice = Notice {
    status: StatusCode::METHOD_NOT_ALLOWED,
    title: "This can only be read",
    sentence: "Files here can be looked at and downloaded, but not sent or changed.",
    offers_start: true,
};

pub(super) const CONDITION: Notice = Notice {
    status: StatusCode::PRECONDITION_FAILED,
    title: "This has changed",
    sentence: "It is no longer what your program asked for. Load it again from the beginning.",
    offers_start: false,
};

pub(super) const RANGE: Notice = Notice {
    status: StatusCode::RANGE_NOT_SATISFIABLE,
    title: "This part is not there",
    sentence: "The file is shorter than the part your program asked for. It may have changed: load it again from the beginning.",
    offers_start: false,
};

pub(crate) const DISK: Notice = Notice {
    status: StatusCode::INTERNAL_SERVER_ERROR,
    title: "This cannot be read",
    sentence: "The disk it lies on reports an error. Try again; if it stays like this, tell whoever shares it.",
    offers_start: true,
};

pub(crate) const CHANGING: Notice = Notice {
    status: StatusCode::SERVICE_UNAVAILABLE,
    title: "This is being changed",
    sentence: "Somebody is writing to this file right now. Try again in a moment.",
    offers_start: false,
};

pub(super) const GONE: Notice = Notice {
    status: StatusCode::SERVICE_UNAVAILABLE,
    title: "The folder is away",
    sentence: "The folder behind this link is not there at the moment, perhaps on a drive that is not plugged in. Try again later.",
    offers_start: false,
};

pub(crate) const BUSY: Notice = Notice {
    status: StatusCode::SERVICE_UNAVAILABLE,
    title: "Too much at once",
    sentence: "The disk behind this link is not keeping up. Try again in a moment.",
    offers_start: false,
};

impl Notice {
    /// Returns the same for where a site has no start to go to.
    pub(crate) const fn without_start(self) -> Self {
        Self { offers_start: false, ..self }
    }

    /// Returns it as a page.
    pub(super) fn page(&self) -> Markup {
        frame(
            self.title,
            html! {
                main.notice {
                    p.status { (self.status.as_str()) }
                    h1 { (self.title) }
                    p { (self.sentence) }
                    @if self.offers_start {
                        p { a href="/" { "Go to the start" } }
                    }
                }
            },
        )
    }

    /// Returns it for programs that do not show pages.
    pub(super) fn text(&self) -> String {
        format!("{} {}\n{}\n", self.status.as_str(), self.title, self.sentence)
    }
}

/// Returns a whole page.
pub(crate) fn frame(title: &str, content: Markup) -> Markup {
    frame_styled(title, "", content)
}

/// The same with more style; the page's policy has to allow it by its own digest.
pub(crate) fn frame_styled(title: &str, style: &'static str, content: Markup) -> Markup {
    frame_with(title, html! {}, style, content)
}

/// The same with something more in its head.
pub(crate) fn frame_with(
    title: &str,
    head: Markup,
    style: &'static str,
    content: Markup,
) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (title) }
                (head)
                style { (PreEscaped(STYLE)) }
                @if !style.is_empty() { style { (PreEscaped(style)) } }
            }
            body { (content) }
        }
    }
}
