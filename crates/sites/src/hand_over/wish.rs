//! The page on which visitors send files, and its script.

use crosstalk::transaction::Body;
use http::{HeaderMap, Response};

/// What is asked for, as its landing page shows it.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// What the owner wrote.
    pub note: &'a str,
    /// The most bytes of one file.
    pub largest: u64,
    /// How many files may still come.
    pub files_left: u32,
    /// Whether the owner has to be asked, and was not yet: then there is only a button, whose form is
    /// posted to `take`.
    pub asks_first: bool,
    /// Where that form is posted.
    pub take: &'a str,
    /// Where uploads begin, by tus.
    pub uploads: &'a str,
}

/// Returns the landing page of something that is asked for.
#[must_use]
pub fn wish(request: &HeaderMap, wish: &Wish<'_>) -> Response<Body> {
    let _ = (request, wish);
    Response::new(crosstalk::transaction::empty())
}

/// Where the script of [`wish`] is; no file of anybody is ever there.
pub const SCRIPT_PATH: &str = "/.well-known/veranda/hand-over.js";

/// Returns that script.
#[must_use]
pub fn script() -> Response<Body> {
    Response::new(crosstalk::transaction::empty())
}
