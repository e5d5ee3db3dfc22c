//! What happens between several connections.

/// What happens in a case. `{S}` is the session's path, `{T}` its token.
pub(super) enum Do {
    /// Allocates the session of the case, with these headers.
    Allocate(&'static str),
    /// Says something on a connection, which is made if it is not there: the request's first line
    /// without the version, more header lines, and a body with `Content-Length`.
    Ask(&'static str, &'static str, &'static str, Option<&'static str>),
    /// Asks by this method at the session, with these header lines and body, and waits until the place
    /// is taken.
    Wait(&'static str, &'static str, &'static str, Option<&'static str>),
    /// Says bytes.
    Say(&'static str, &'static str),
    /// Waits for an answer: its status, when, what its head must have, and its body. Chunks are seen
    /// as they are on the wire.
    Hear(&'static str, u16, When, &'static [&'static str], &'static str),
    /// Waits until an answer begins.
    Begins(&'static str),
    /// Waits until somebody has the place for which this request asks. Whoever receives there must not
    /// be waiting, since the request that finds the place free would reach them.
    Taken(&'static str, &'static str),
    /// The same request must find the place free soon.
    Free(&'static str, &'static str),
    /// Ends a connection.
    Leave(&'static str),
    /// Ends the sending side of a connection.
    Shut(&'static str),
    /// The connection ends, in order or not, and nothing comes before.
    Ends(&'static str),
}

/// When an answer must come.
#[derive(Clone, Copy, Debug)]
pub(super) enum When {
    /// At once.
    Now,
    /// After this many seconds and not much later.
    After(u64),
}

use super::answers::NO_SESSION;
use Do::{Allocate, Ask, Begins, Ends, Free, Hear, Leave, Say, Shut, Taken, Wait};
use When::{After, Now};

const HOST: &str = "cookie: token={T}\r\n";
const TEXT: &str = "content-type: text/plain\r\n";
const CHUNKS: &str = "content-type: application/binary\r\ntransfer-encoding: chunked\r\n";
const NONE: &[&str] = &[];

pub(super) const CASES: &[(&str, &[Do])] = &[
    (
        "A8: a body where sessions are made is no harm",
        &[
            Ask("a", "PUT /cama/session", "", Some("ignored")),
            Hear("a", 201, Now, &["location: /cama/session/"], ""),
            Ask("a", "GET /cama/session/no-such", "", None),
            Hear("a", 404, Now, NONE, NO_SESSION),
        ],
    ),
    (
        "README 4, D1: a GET that waits in vain, by query and by header",
        &[
            Allocate(""),
            Ask("a", "GET {S}?timeout=1", "", None),
            Hear("a", 504, After(1), &["content-length: 0"], ""),
            Ask("a", "GET {S}", "x-timeout: 1\r\n", None),
            Hear("a", 504, After(1), &["content-length: 0"], ""),
            Ask("a", "GET {S}?timeout=9", "x-timeout: 1\r\n", None),
            Hear("a", 504, After(1), &["content-length: 0"], ""),
        ],
    ),
    (
        "README 3: a guest's message reaches the host that waits",
        &[
            Allocate(""),
            Wait("host", "GET", HOST, None),
            Ask("guest", "POST {S}", TEXT, Some("Hello")),
            Hear(
                "host",
                200,
                Now,
                &["content-type: text/plain", "content-length: 5", "set-cookie: token={T}"],
                "Hello",
            ),
            Hear(
                "guest",
                200,
                Now,
                &["x-bytes-delivered: 5", "content-length: 0", "!x-bytes-relayed"],
                "",
            ),
        ],
    ),
    (
        "README 3 the other way round, and the sender first",
        &[
            Allocate(""),
            Ask(
                "host",
                "POST {S}",
                "cookie: token={T}\r\ncontent-type: image/x-odd; a=\"b\"\r\nx-other: 1\r\n",
                Some("Hello"),
            ),
            Taken("POST", HOST),
            Ask("guest", "GET {S}", "", None),
            Hear(
                "guest",
                200,
                Now,
                &[
                    "content-type: image/x-odd; a=\"b\"",
                    "content-length: 5",
                    "!x-other",
                    "!set-cookie",
                    "content-security-policy: default-src 'none'; sandbox",
                ],
                "Hello",
            ),
            Hear("host", 200, Now, &["x-bytes-delivered: 5"], ""),
        ],
    ),
    (
        "2.4.3: whatever is there comes although there is no wait",
        &[
            Allocate(""),
            Wait("host", "POST", HOST, Some("Hello")),
            Ask("guest", "GET {S}?timeout=0", "", None),
            Hear("guest", 200, Now, NONE, "Hello"),
            Hear("host", 200, Now, &["x-bytes-delivered: 5"], ""),
        ],
    ),
    (
        "both directions at once",
        &[
            Allocate(""),
            Wait("a", "GET", HOST, None),
            Wait("b", "GET", "", None),
            Ask("c", "POST {S}", HOST, Some("to the guest")),
            Hear("b", 200, Now, NONE, "to the guest"),
            Ask("d", "POST {S}", "", Some("to the host")),
            Hear("a", 200, Now, NONE, "to the host"),
            Hear("c", 200, Now, &["x-bytes-delivered: 12"], ""),
            Hear("d", 200, Now, &["x-bytes-delivered: 11"], ""),
        ],
    ),
    (
        "2.4.6: an empty message is one, and has no type of its own",
        &[
            Allocate(""),
            Wait("a", "GET", HOST, None),
            Ask("b", "POST {S}", "", Some("")),
            Hear("a", 200, Now, &["content-length: 0", "!content-type"], ""),
            Hear("b", 200, Now, &["x-bytes-delivered: 0"], ""),
        ],
    ),
    (
        "README 5: chunks as they come",
        &[
            Allocate(""),
            Wait("host", "GET", HOST, None),
            Ask("guest", "POST {S}", CHUNKS, None),
            Say("guest", "6\r\nHello \r\n5\r\nworld\r\n0\r\n\r\n"),
            Hear(
                "host",
                200,
                Now,
                &[
                    "content-type: application/binary",
                    "transfer-encoding: chunked",
                    "!content-length",
                ],
                "6\r\nHello \r\n5\r\nworld\r\n0\r\n\r\n",
            ),
            Hear(
                "guest",
                200,
                Now,
                &["x-bytes-relayed: 11", "x-bytes-delivered: 11", "content-length: 0"],
                "",
            ),
        ],
    ),
    (
        "README 6: a sender that goes in the middle of its chunks",
        &[
            Allocate(""),
            Wait("host", "GET", HOST, None),
            Ask("guest", "POST {S}", CHUNKS, None),
            Say("guest", "5\r\nHello\r\n5\r\nwo"),
            Leave("guest"),
            Hear(
                "host",
                200,
                Now,
                &["trailer: x-complete"],
                "5\r\nHello\r\n2\r\nwo\r\n0\r\nX-Complete: no\r\n\r\n",
            ),
            // The connection goes on after it.
            Ask("host", "GET {S}?timeout=0", HOST, None),
            Hear("host", 504, Now, NONE, ""),
        ],
    ),
    (
        "2.4.5: a sender that goes in the middle of a length",
        &[
            Allocate(""),
            Wait("host", "GET", HOST, None),
            Ask("guest", "POST {S}", "content-length: 10\r\n", None),
            Say("guest", "Hello"),
            Leave("guest"),
            Hear("host", 200, Now, &["content-length: 10"], "Hello<cut>"),
        ],
    ),
    (
        "E1, E2: the second of a kind",
        &[
            Allocate(""),
            Wait("a", "GET", "", None),
            Ask("b", "GET {S}", "", None),
            Hear("b", 409, Now, NONE, "there can be only one receiver at a time\n"),
            Ask("b", "GET {S}?timeout=1", HOST, None),
            Hear("b", 504, After(1), NONE, ""),
            Wait("c", "POST", "", Some("first")),
            Ask("d", "POST {S}", "", Some("second")),
            Hear("d", 409, Now, NONE, "there can be only one sender at a time\n"),
        ],
    ),
    (
        "E7, 2.4.4: who leaves gives the place back at once",
        &[
            Allocate(""),
            Wait("a", "GET", "", None),
            Leave("a"),
            Free("GET", ""),
            Wait("b", "POST", HOST, Some("Hello")),
            Leave("b"),
            Free("POST", HOST),
            Ask("c", "POST {S}", "transfer-encoding: chunked\r\n", None),
            Say("c", "5\r\nHello\r\n"),
            Taken("POST", ""),
            Leave("c"),
            Free("POST", ""),
        ],
    ),
    (
        "who half-closes has left: a killed program looks the same",
        &[
            Allocate(""),
            Wait("a", "GET", "", None),
            Shut("a"),
            Free("GET", ""),
            Ends("a"),
            Ask("b", "GET {S}?timeout=0", "", None),
            Hear("b", 504, Now, NONE, ""),
        ],
    ),
    (
        "a message whose sender half-closes after it arrives all the same",
        &[
            Allocate(""),
            Wait("host", "GET", HOST, None),
            Ask("guest", "POST {S}", TEXT, Some("Hello")),
            Shut("guest"),
            Hear("host", 200, Now, NONE, "Hello"),
        ],
    ),
    (
        "who pipelines is answered in order",
        &[
            Allocate(""),
            Ask("a", "GET {S}?timeout=1", "", None),
            Ask("a", "POST {S}?timeout=0", HOST, Some("x")),
            Ask("a", "OPTIONS {S}", "", None),
            Hear("a", 504, After(1), NONE, ""),
            Hear("a", 504, Now, &["x-bytes-delivered: 0"], ""),
        ],
    ),
    (
        "two messages in one go reach two requests in one go",
        &[
            Allocate(""),
            Ask("a", "GET {S}", HOST, None),
            Wait("a", "GET", HOST, None),
            Ask("b", "POST {S}", "", Some("one")),
            Ask("b", "POST {S}", "", Some("two")),
            Hear("a", 200, Now, NONE, "one"),
            Hear("a", 200, Now, NONE, "two"),
            Hear("b", 200, Now, &["x-bytes-delivered: 3"], ""),
            Hear("b", 200, Now, &["x-bytes-delivered: 3"], ""),
        ],
    ),
    (
        "who pipelines and leaves gives the place back at once, too",
        &[
            Allocate(""),
            Wait("a", "GET", "", None),
            Ask("a", "GET {S}", "", None),
            Leave("a"),
            Free("GET", ""),
        ],
    ),
    (
        "a message that nobody got waits for the next receiver",
        &[
            Allocate(""),
            Wait("a", "GET", "", None),
            Leave("a"),
            Free("GET", ""),
            Ask("b", "POST {S}", HOST, Some("Hello")),
            Ask("c", "GET {S}", "", None),
            Hear("c", 200, Now, NONE, "Hello"),
            Hear("b", 200, Now, &["x-bytes-delivered: 5"], ""),
        ],
    ),
    (
        "README 8: the host ends the session and everybody who waits in it",
        &[
            Allocate(""),
            Wait("a", "GET", "", None),
            Wait("b", "POST", "", Some("Hello")),
            Ask("g", "DELETE {S}", "", None),
            Hear("g", 403, Now, NONE, "only the session's host may do this\n"),
            Ask("h", "DELETE {S}", HOST, None),
            Hear(
                "h",
                200,
                Now,
                &["set-cookie: token=; Path={S}; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT"],
                "",
            ),
            Hear("a", 410, Now, &["content-length: 0"], ""),
            Hear("b", 410, Now, &["x-bytes-delivered: 0"], ""),
            Ask("g", "GET {S}", "", None),
            Hear("g", 404, Now, NONE, NO_SESSION),
        ],
    ),
    (
        "2.4.8: what is being relayed ends with the session",
        &[
            Allocate(""),
            Wait("host", "GET", HOST, None),
            Ask("guest", "POST {S}", CHUNKS, None),
            Say("guest", "5\r\nHello\r\n"),
            Begins("host"),
            Ask("h", "DELETE {S}", "authorization: Bearer {T}\r\n", None),
            Hear("h", 200, Now, NONE, ""),
            Hear("guest", 410, Now, &["x-bytes-delivered: "], ""),
            Hear("host", 200, Now, NONE, "5\r\nHello\r\n0\r\nX-Complete: no\r\n\r\n"),
        ],
    ),
];
