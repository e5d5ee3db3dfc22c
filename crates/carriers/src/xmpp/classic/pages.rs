//! What visitors read when this wire cannot carry what they want.

use crosstalk::transaction::{self, Body};
use http::{HeaderValue, Response, StatusCode, header};

/// A status, and what visitors read.
pub(super) type Sentence = (StatusCode, &'static str);

/// The visitor asks for something that only exists since.
pub(super) const METHOD: Sentence = (
    StatusCode::NOT_IMPLEMENTED,
    "This site is reached over a wire of 2008, which knows only GET, HEAD and POST.\n",
);

/// The visitor sends bytes.
pub(super) const BINARY_REQUEST: Sentence = (
    StatusCode::NOT_IMPLEMENTED,
    "This site is reached over a wire of 2008, which carries only text in UTF-8. What you sent is not \
     text; nothing of it was passed on.\n",
);

/// The visitor's headers have other characters than ASCII.
pub(super) const FOREIGN_HEAD: Sentence = (
    StatusCode::NOT_IMPLEMENTED,
    "This site is reached over a wire of 2008, which carries only plain ASCII in addresses and \
     headers.\n",
);

/// The visitor's head does not fit into a message.
pub(super) const LARGE_HEAD: Sentence = (
    StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
    "The head of the request is larger than the wire to this site carries. Removing cookies may help.\n",
);

/// The request is none for a site.
pub(super) const BAD_REQUEST: Sentence =
    (StatusCode::BAD_REQUEST, "This request cannot be passed on to the site.\n");

/// The site answers with bytes.
pub(super) const BINARY_RESPONSE: Sentence = (
    StatusCode::BAD_GATEWAY,
    "This file is not text in UTF-8. The gateway that you use is of 2008 and carries only text. Ask \
     whoever gave you this link for one over another gateway.\n",
);

/// The site's head has other characters than ASCII, or is too large.
pub(super) const RESPONSE_HEAD: Sentence = (
    StatusCode::BAD_GATEWAY,
    "The head of the site's answer is nothing that the gateway of 2008 which you use can carry.\n",
);

/// The site's answer broke off before anything was sent.
pub(super) const BROKEN_RESPONSE: Sentence =
    (StatusCode::BAD_GATEWAY, "The site's answer broke off. Try again.\n");

/// A body that is longer than is kept.
pub(super) const LARGE_REQUEST: Sentence = (
    StatusCode::PAYLOAD_TOO_LARGE,
    "What you sent is longer than this site takes over a gateway of 2008.\n",
);

/// Too much at once.
pub(super) const BUSY: Sentence =
    (StatusCode::SERVICE_UNAVAILABLE, "Too many people ask at once. Try again in a minute.\n");

/// Makes the page. Plain text: the words say it all.
pub(super) fn page((status, sentence): Sentence) -> Response<Body> {
    let mut response = Response::new(transaction::full(sentence));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONTENT_LENGTH, sentence.len().into());
    response
}
