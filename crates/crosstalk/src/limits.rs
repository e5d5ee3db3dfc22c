//! Every size that both ends know, with its reason.

use std::time::Duration;

use http::{HeaderMap, Uri, request, response};

/// The longest head (request or response, names and values together) that anybody accepts from a
/// visitor or a site.
///
/// Cookies of large applications reach 16 KiB, hyper's default, and break there; nobody is known
/// to need four times that.
pub const MAX_HEAD_BYTES: usize = 64 * 1024;

/// The most header lines in a head.
pub const MAX_HEADERS: usize = 256;

/// The longest head on a link: a visitor's, and 4 KiB for what the gateway writes into it.
pub const MAX_LINK_HEAD_BYTES: usize = MAX_HEAD_BYTES + 4 * 1024;

/// The most header lines on a link: a visitor's, and 16 that the gateway writes.
pub const MAX_LINK_HEADERS: usize = MAX_HEADERS + 16;

/// The longest JSON of a request or response [object](crate::object).
///
/// A head of [`MAX_LINK_HEAD_BYTES`] grows when it is written as one: the target stands there four
/// times, a header twice, and a quotation mark or a byte above 127 takes two bytes each time.
/// Sixteen times is twice what that comes to.
pub const MAX_OBJECT_BYTES: usize = 16 * MAX_LINK_HEAD_BYTES;

/// How many transactions may be under way on one link that multiplexes.
///
/// Times [`STREAM_WINDOW`] this is the memory that one link can hold for its visitors.
pub const MAX_TRANSACTIONS_PER_LINK: u32 = 256;

/// How much of one transaction's body may be under way without the receiver having taken it.
pub const STREAM_WINDOW: u32 = 256 * 1024;

/// How much of all bodies on one link may be under way: every transaction can be stalled at its
/// full window and the next one still moves.
pub const LINK_WINDOW: u32 = STREAM_WINDOW * MAX_TRANSACTIONS_PER_LINK;

/// How often an idle link is asked whether it is alive. Proxies cut idle tunnels after 60 s.
pub const PING_EVERY: Duration = Duration::from_secs(20);

/// How long the answer to a ping may take; with [`PING_EVERY`] a dead partner shows within 30 s.
pub const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a head is more than a link carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// More than [`MAX_LINK_HEAD_BYTES`].
    #[error("the head is longer than {MAX_LINK_HEAD_BYTES} bytes")]
    Bytes,
    /// More than [`MAX_LINK_HEADERS`].
    #[error("the head has more than {MAX_LINK_HEADERS} lines")]
    Lines,
}

/// Measures the head of a request: method, target, names and values.
///
/// # Errors
/// When it is more than a link carries.
pub fn check_request(head: &request::Parts) -> Result<(), HeadError> {
    check(head.method.as_str().len() + target_bytes(&head.uri), &head.headers)
}

/// Measures the head of a response: names and values.
///
/// # Errors
/// When it is more than a link carries.
pub fn check_response(head: &response::Parts) -> Result<(), HeadError> {
    check(0, &head.headers)
}

/// Measures headers together with what stands before them.
pub(crate) fn check(before: usize, headers: &HeaderMap) -> Result<(), HeadError> {
    if headers.len() > MAX_LINK_HEADERS {
        return Err(HeadError::Lines);
    }
    let lines = headers.iter().map(|(name, value)| name.as_str().len() + value.len());
    if before + lines.sum::<usize>() > MAX_LINK_HEAD_BYTES {
        return Err(HeadError::Bytes);
    }
    Ok(())
}

/// Returns how long a target is.
pub(crate) fn target_bytes(target: &Uri) -> usize {
    target.scheme_str().map_or(0, str::len)
        + target.authority().map_or(0, |authority| authority.as_str().len())
        + target.path_and_query().map_or(0, |path| path.as_str().len())
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Request};

    use super::*;

    fn request(target: &str, values: &[usize]) -> request::Parts {
        let mut request = Request::get(target).body(()).unwrap();
        for length in values {
            let value = HeaderValue::from_str(&"v".repeat(*length)).unwrap();
            request.headers_mut().append("n", value);
        }
        request.into_parts().0
    }

    #[test]
    fn a_head_is_measured_to_the_byte_and_to_the_line() {
        let room = MAX_LINK_HEAD_BYTES - "GET".len() - "/a?b".len() - "n".len();
        assert_eq!(check_request(&request("/a?b", &[room])), Ok(()));
        assert_eq!(check_request(&request("/a?b", &[room + 1])), Err(HeadError::Bytes));
        assert_eq!(check_request(&request("/", &[0; MAX_LINK_HEADERS])), Ok(()));
        assert_eq!(check_request(&request("/", &[0; MAX_LINK_HEADERS + 1])), Err(HeadError::Lines));
    }
}
