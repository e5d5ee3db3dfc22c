//! What comes back at once.

/// A request without a body and its answer: the request's first line without the version, more header
/// lines; the answer's status, what its head must have (or, behind a `!`, not have), and its body.
/// `{S}` is the session's path, `{T}` its token, `{P}` a new proof of identity.
pub(super) type Tried = (&'static str, &'static str, u16, &'static [&'static str], &'static str);

/// A case, the headers by which its session is allocated, and what is asked then, one after the other.
pub(super) type Answers = (&'static str, &'static str, &'static [Tried]);

/// Any body.
pub(super) const ANYTHING: &str = "<anything>";

pub(super) const NO_SESSION: &str = "there is no such session\n";
const WRONG: &str = "this address does not answer this kind of request\n";
const NOT_YOURS: &str = "this session is not for you\n";
const NOT_HOST: &str = "only the session's host may do this\n";
const ONE_ADDRESS: &str = "X-Peer-Address is one IPv4 or IPv6 address\n";
const TOKEN: &str = "this is not the token of the session's host\n";

const NONE: &[&str] = &[];
const WHERE_ALLOCATED: &[&str] = &["allow: OPTIONS, PUT"];
const AT_A_SESSION: &[&str] = &["allow: DELETE, GET, OPTIONS, POST, PUT"];
const RENEWED: &[&str] = &["set-cookie: token={T}; Path={S}; Max-Age=3600"];
const CREATED: &[&str] = &[
    "location: /cama/session/",
    "set-cookie: token=",
    "; Path=/cama/session/",
    "; Max-Age=3600; Expires=",
    "; HttpOnly; SameSite=Strict",
    "x-type: basic",
    "content-length: 0",
];
const FORGET: &[&str] =
    &["set-cookie: token=; Path=/cama/session/AAAAAAAAAAAAAAAAAAAAAA; Max-Age=0;"];

/// Without a wait.
const GET: &str = "GET {S}?timeout=0";
const HOST: &str = "cookie: token={T}\r\n";
const CLOSE: &str = "connection: close\r\n";

/// Of a gateway for this computer.
pub(super) const HERE: &[Answers] = &[
    (
        "README 1, A1, A7: a session is made; a slash more is no harm",
        "",
        &[
            ("PUT /cama/session", "content-length: 0\r\n", 201, CREATED, ""),
            ("PUT /cama/session/", "", 201, CREATED, ""),
        ],
    ),
    (
        "README 7, A2, A3: the type by header and by query; the header wins",
        "",
        &[
            ("PUT /cama/session", "x-type: secure\r\n", 201, &["x-type: secure"], ""),
            ("PUT /cama/session?secure=true", "", 201, &["x-type: secure"], ""),
            ("PUT /cama/session?secure=true", "x-type: basic\r\n", 201, &["x-type: basic"], ""),
            ("PUT /cama/session", "x-type: sekure\r\n", 400, NONE, "X-Type is basic or secure\n"),
        ],
    ),
    (
        "A4, A5, A6: the lifetime by header and by query, cut to what is allowed",
        "",
        &[
            ("PUT /cama/session?timeout=120", "", 201, &["Max-Age=120;"], ""),
            ("PUT /cama/session?timeout=120", "x-timeout: 240\r\n", 201, &["Max-Age=240;"], ""),
            ("PUT /cama/session?timeout=2", "", 201, &["Max-Age=30;"], ""),
            ("PUT /cama/session?timeout=999999999", "", 201, &["Max-Age=86400;"], ""),
            ("PUT /cama/session?timeout=abc", "", 201, &["Max-Age=3600;"], ""),
            ("PUT /cama/session?timeout=-1", "", 400, NONE, "a timeout is not negative\n"),
        ],
    ),
    (
        "A9, 2.4.9: other methods where sessions are made",
        "",
        &[
            ("GET /cama/session", "", 405, WHERE_ALLOCATED, WRONG),
            ("DELETE /cama/session", "", 405, WHERE_ALLOCATED, WRONG),
            ("POST /cama/session", "content-length: 0\r\n", 405, WHERE_ALLOCATED, WRONG),
            ("OPTIONS /cama/session", "", 204, WHERE_ALLOCATED, ""),
        ],
    ),
    (
        "B: nothing elsewhere",
        "",
        &[
            ("GET /cama", CLOSE, 404, NONE, ANYTHING),
            ("GET /cama/foo", CLOSE, 404, NONE, ANYTHING),
            ("GET /cama/session/a/b", CLOSE, 404, NONE, ANYTHING),
        ],
    ),
    (
        "C1, C3: an unknown session is 404 and its cookie goes",
        "",
        &[
            ("GET /cama/session/AAAAAAAAAAAAAAAAAAAAAA", "", 404, FORGET, NO_SESSION),
            ("POST /cama/session/AAAAAAAAAAAAAAAAAAAAAA", "", 404, FORGET, NO_SESSION),
            ("DELETE /cama/session/AAAAAAAAAAAAAAAAAAAAAA", "", 404, FORGET, NO_SESSION),
            ("GET /cama/session/no-such", "", 404, &["!set-cookie"], NO_SESSION),
        ],
    ),
    (
        "2.4.9: other methods at a session",
        "",
        &[
            ("PATCH {S}", "", 405, AT_A_SESSION, WRONG),
            ("OPTIONS {S}", "", 204, AT_A_SESSION, ""),
            ("HEAD {S}", CLOSE, 405, AT_A_SESSION, ""),
        ],
    ),
    (
        "D2, D3: the host's cookie, plain or quoted, is renewed; D4: a wrong one is a guest's",
        "",
        &[
            (GET, "cookie: a=b; token={T}; c=d\r\n", 504, RENEWED, ""),
            (GET, "cookie: token=\"{T}\"\r\n", 504, RENEWED, ""),
            (GET, "cookie: token=AAAAAAAAAAAAAAAAAAAAAA\r\n", 504, &["!set-cookie"], ""),
            (GET, "authorization: Bearer {T}\r\n", 504, &["!set-cookie"], ""),
            (GET, "authorization: Bearer AAAAAAAAAAAAAAAAAAAAAA\r\n", 403, NONE, TOKEN),
        ],
    ),
    (
        "D6, D7: no wait at all, and less than that",
        "",
        &[
            (GET, "", 504, NONE, ""),
            ("GET {S}?timeout=-1", "", 400, NONE, "a timeout is not negative\n"),
            ("POST {S}?timeout=0", "", 504, &["x-bytes-delivered: 0"], ""),
        ],
    ),
    (
        "README 7: a secure session is for the address that the host names",
        "x-type: secure\r\n",
        &[
            (GET, "", 403, NONE, NOT_YOURS),
            ("PUT {S}", "x-peer-address: 127.0.0.1\r\n", 403, NONE, NOT_HOST),
            (GET, HOST, 504, NONE, ""),
            ("PUT {S}", "cookie: token={T}\r\nx-peer-address: 192.0.2.1\r\n", 200, RENEWED, ""),
            (GET, "", 403, NONE, NOT_YOURS),
            ("PUT {S}", "cookie: token={T}\r\nx-peer-address: 127.0.0.1\r\n", 200, RENEWED, ""),
            (GET, "", 504, NONE, ""),
            (
                "PUT {S}",
                "cookie: token={T}\r\nx-peer-address: localhost\r\n",
                400,
                NONE,
                ONE_ADDRESS,
            ),
            ("PUT {S}", HOST, 400, NONE, ONE_ADDRESS),
        ],
    ),
    (
        "2.4.7: a basic session takes no permission",
        "",
        &[(
            "PUT {S}",
            "cookie: token={T}\r\nx-peer-address: 127.0.0.1\r\n",
            409,
            NONE,
            "a permission is for a session of the type secure\n",
        )],
    ),
    (
        "2.4.9: pages of other origins get nothing where none is named",
        "",
        &[
            ("OPTIONS /cama/session", ASKS_FIRST, 204, CLOSED, ""),
            ("OPTIONS {S}", ASKS_FIRST, 204, CLOSED, ""),
            (GET, ORIGIN, 504, CLOSED, ""),
        ],
    ),
];

/// Of a gateway for everybody, without a proxy: from 127.0.0.1, whatever anybody says.
pub(super) const PUBLIC: &[Answers] = &[
    (
        "who allocates proves an identity",
        PROOF,
        &[
            ("PUT /cama/session", "", 401, &["www-authenticate: Bearer"], ANYTHING),
            ("PUT /cama/session", "authorization: Bearer nonsense\r\n", 403, NONE, ANYTHING),
            ("PUT /cama/session", PROOF, 201, CREATED, ""),
            ("PUT /cama/session", "authorization: bearer {P}\r\n", 201, CREATED, ""),
        ],
    ),
    (
        "the host needs the token only, and a proof is none; a guest needs nothing",
        PROOF,
        &[
            (GET, "authorization: Bearer {T}\r\n", 504, NONE, ""),
            (GET, PROOF, 403, NONE, TOKEN),
            (GET, "", 504, NONE, ""),
        ],
    ),
    (
        "2.4.7: without a proxy, nobody can say to be elsewhere",
        SECURE,
        &[
            ("PUT {S}", PERMITS, 200, NONE, ""),
            (GET, "x-forwarded-for: 192.0.2.1\r\n", 403, NONE, NOT_YOURS),
            (GET, "x-peer-address: 192.0.2.1\r\n", 403, NONE, NOT_YOURS),
            ("PUT {S}", "cookie: token={T}\r\nx-peer-address: 127.0.0.1\r\n", 200, NONE, ""),
            (GET, "x-forwarded-for: 192.0.2.1\r\n", 504, NONE, ""),
        ],
    ),
];

/// The same behind a proxy.
pub(super) const PROXIED: &[Answers] = &[
    (
        "2.4.7: behind a proxy, who asks is where the proxy says",
        SECURE,
        &[
            (GET, "x-forwarded-for: 192.0.2.1\r\n", 403, NONE, NOT_YOURS),
            ("PUT {S}", PERMITS, 200, &["; Secure"], ""),
            (GET, "x-forwarded-for: 192.0.2.1\r\n", 504, NONE, ""),
            (GET, "x-forwarded-for: ::ffff:192.0.2.1\r\n", 504, NONE, ""),
            (GET, "x-forwarded-for: 198.51.100.1, 192.0.2.1\r\n", 504, NONE, ""),
            (GET, "x-forwarded-for: 192.0.2.2\r\n", 403, NONE, NOT_YOURS),
        ],
    ),
    (
        "2.4.7: what a guest says to the proxy is not what the proxy says",
        SECURE,
        &[
            ("PUT {S}", PERMITS, 200, NONE, ""),
            (GET, "x-forwarded-for: 192.0.2.1, 198.51.100.1\r\n", 403, NONE, NOT_YOURS),
            (GET, TWO_LINES, 403, NONE, NOT_YOURS),
            (GET, "x-forwarded-for: 192.0.2.1, nonsense\r\n", 403, NONE, NOT_YOURS),
            (GET, "x-peer-address: 192.0.2.1\r\n", 403, NONE, NOT_YOURS),
            (GET, "forwarded: for=192.0.2.1\r\nx-real-ip: 192.0.2.1\r\n", 403, NONE, NOT_YOURS),
            (GET, "", 403, NONE, NOT_YOURS),
            (GET, "cookie: token={T}\r\nx-forwarded-for: 192.0.2.2\r\n", 504, NONE, ""),
        ],
    ),
    (
        "2.4.7: one IPv6 address is one, whatever its network is",
        SECURE,
        &[
            ("PUT {S}", "cookie: token={T}\r\nx-peer-address: [2001:db8::7]\r\n", 200, NONE, ""),
            (GET, "x-forwarded-for: [2001:db8::7]:4711\r\n", 504, NONE, ""),
            (GET, "x-forwarded-for: 2001:db8::8\r\n", 403, NONE, NOT_YOURS),
        ],
    ),
];

/// Of a gateway for everybody whose relay pages of `https://app.example` may use.
pub(super) const SHARED: &[Answers] = &[
    (
        "2.4.9: a page of that origin may ask, and is told what it may",
        PROOF,
        &[
            ("OPTIONS /cama/session", ASKS_FIRST, 204, MAY, ""),
            ("OPTIONS {S}", ASKS_FIRST, 204, MAY, ""),
            ("OPTIONS {S}", ASKS_FIRST, 204, AT_A_SESSION, ""),
        ],
    ),
    (
        "2.4.9: it may read every answer, refusals too",
        PROOF,
        &[
            (
                "PUT /cama/session",
                "origin: https://app.example\r\nauthorization: Bearer {P}\r\n",
                201,
                OPEN,
                "",
            ),
            ("PUT /cama/session", ORIGIN, 401, OPEN, ANYTHING),
            (GET, ORIGIN, 504, OPEN, ""),
            ("DELETE {S}", ORIGIN, 403, OPEN, NOT_HOST),
            ("PATCH {S}", ORIGIN, 405, OPEN, WRONG),
            ("GET /cama/session/AAAAAAAAAAAAAAAAAAAAAA", ORIGIN, 404, OPEN, NO_SESSION),
            ("POST {S}?timeout=0", ORIGIN, 504, OPEN, ""),
        ],
    ),
    (
        "2.4.9: no other page may",
        PROOF,
        &[
            (GET, "origin: http://app.example\r\n", 504, STRANGER, ""),
            (GET, "origin: https://app.example:8443\r\n", 504, STRANGER, ""),
            (GET, "origin: https://app.example.stranger.example\r\n", 504, STRANGER, ""),
            (GET, "origin: https://other.app.example\r\n", 504, STRANGER, ""),
            (GET, "origin: https://gateway.example\r\n", 504, STRANGER, ""),
            (GET, "origin: null\r\n", 504, STRANGER, ""),
            (GET, "origin: https://app.example https://stranger.example\r\n", 504, STRANGER, ""),
            (GET, TWO_ORIGINS, 504, STRANGER, ""),
            (GET, "", 504, STRANGER, ""),
            ("OPTIONS {S}", STRANGER_ASKS_FIRST, 204, STRANGER, ""),
            ("OPTIONS /cama/session", STRANGER_ASKS_FIRST, 204, STRANGER, ""),
        ],
    ),
    (
        "2.4.9: nor do the gateway's other addresses say that it may",
        PROOF,
        &[
            ("GET /veranda/gateway", "origin: https://app.example\r\n", 200, CLOSED, ANYTHING),
            (
                "GET /cama",
                "origin: https://app.example\r\nconnection: close\r\n",
                404,
                &["!access-control-allow-origin"],
                ANYTHING,
            ),
        ],
    ),
];

const PROOF: &str = "authorization: Bearer {P}\r\n";
const SECURE: &str = "authorization: Bearer {P}\r\nx-type: secure\r\n";
const PERMITS: &str = "cookie: token={T}\r\nx-peer-address: 192.0.2.1\r\n";
const TWO_LINES: &str = "x-forwarded-for: 192.0.2.1\r\nx-forwarded-for: 198.51.100.1\r\n";

const ORIGIN: &str = "origin: https://app.example\r\n";
const TWO_ORIGINS: &str = "origin: https://app.example\r\norigin: https://stranger.example\r\n";
const ASKS_FIRST: &str = "origin: https://app.example\r\naccess-control-request-method: PUT\r\n\
    access-control-request-headers: authorization,x-type\r\n";
const STRANGER_ASKS_FIRST: &str = "origin: https://stranger.example\r\n\
    access-control-request-method: PUT\r\naccess-control-request-headers: authorization\r\n";

const OPEN: &[&str] = &[
    "access-control-allow-origin: https://app.example",
    "access-control-allow-credentials: true",
    "access-control-expose-headers: Location, Retry-After, X-Bytes-Delivered, X-Bytes-Relayed, X-Type",
    "vary: Origin",
    "!access-control-allow-methods",
];
const MAY: &[&str] = &[
    "access-control-allow-origin: https://app.example",
    "access-control-allow-credentials: true",
    "access-control-allow-methods: DELETE, GET, POST, PUT",
    "access-control-allow-headers: Authorization, Content-Type, X-Peer-Address, X-Timeout, X-Type",
    "access-control-max-age: 600",
    "vary: Origin",
];
const STRANGER: &[&str] = &[
    "vary: Origin",
    "!access-control-allow-origin",
    "!access-control-allow-credentials",
    "!access-control-allow-methods",
    "!access-control-allow-headers",
];
const CLOSED: &[&str] = &["!vary", "!access-control-allow-origin", "!access-control-allow-methods"];
