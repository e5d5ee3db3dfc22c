//! What a visitor sees of a hand-over.

use crosstalk::transaction::Body;
use http::{HeaderMap, Response};

use super::ParcelFile;

pub use super::wish::{SCRIPT_PATH, Wish, script, wish};

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

/// Returns the landing page of something that is sent.
#[must_use]
pub fn offer(request: &HeaderMap, offer: &Offer<'_>) -> Response<Body> {
    let _ = (request, offer);
    Response::new(crosstalk::transaction::empty())
}

/// Returns a page of a few words; as text for programs that do not show pages.
#[must_use]
pub fn word(request: &HeaderMap, word: &Word<'_>) -> Response<Body> {
    let _ = (request, word);
    Response::new(crosstalk::transaction::empty())
}
