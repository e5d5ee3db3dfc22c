//! JSON by long poll: for networks that pass nothing but short requests, and for browser tabs.
//!
//! The wire is in `docs/protocols/poll.md`, its objects in [`crosstalk::poll`]. At the gateway a
//! [`accept::Session`] is a mailbox: on one side the transport (`messages`) of a link, on the
//! other something that answers the peer's POSTs. At the peer a few workers make these POSTs, each
//! on a connection of its own.

pub mod accept;
mod answer;
mod caller;
mod departing;
mod desk;
pub mod dial;
mod letters;
mod mailbox;
#[cfg(test)]
mod properties;
mod transport;
mod workers;

use std::time::Duration;

use http::{HeaderMap, HeaderName};

use crate::accept::list;

/// The header with the session's token, in both directions.
pub const SESSION: HeaderName = HeaderName::from_static("ptth-session");

/// The longest that a poll waits for something to do: proxies cut what is silent for 30 s and more.
pub const LONGEST_WAIT: Duration = Duration::from_secs(25);

/// The longest that a POST of answers waits for room; short enough for every proxy.
pub const LONGEST_ROOM_WAIT: Duration = Duration::from_secs(5);

/// What a request prefers (RFC 7240), as far as this wire knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Preferences {
    /// `ptth-json=2`.
    pub second: bool,
    /// `wait=<seconds>`.
    pub wait: Option<Duration>,
}

impl Preferences {
    /// Reads them; what is not known or cannot be read is ignored, as the RFC has it. Of one that
    /// is there twice the first counts.
    #[must_use]
    pub fn read(headers: &HeaderMap) -> Self {
        let mut found = Self::default();
        for preference in list(headers, HeaderName::from_static("prefer")) {
            let preference = preference.split(';').next().unwrap_or_default();
            let Some((name, value)) = preference.split_once('=') else { continue };
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "ptth-json" => found.second |= value == "2",
                "wait" if found.wait.is_none() => {
                    found.wait = value.parse().ok().map(Duration::from_secs);
                }
                _ => {}
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences_are_read_and_others_are_ignored() {
        for (lines, second, wait) in [
            (&["ptth-json=2, wait=5"][..], true, Some(5)),
            (&["respond-async", "Wait = \"0\"; x=y", "PTTH-JSON=2"], true, Some(0)),
            (&["wait=1, wait=9, ptth-json=3"], false, Some(1)),
            (&["wait=soon, wait=-1"], false, None),
            (&[], false, None),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("prefer", line.parse().unwrap());
            }
            let wait = wait.map(Duration::from_secs);
            assert_eq!(Preferences::read(&headers), Preferences { second, wait }, "{lines:?}");
        }
    }
}
