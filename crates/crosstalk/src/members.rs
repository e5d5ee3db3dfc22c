//! Messages between people, by TAXI through a gateway: a visitor of a site writes to its owner, and
//! the owner answers.
//!
//! A member of a gateway is a visitor, on a WebSocket at [`SITE_PATH`] of the site, or an identity,
//! on a WebSocket at [`GATEWAY_PATH`] of the gateway's own host with a proof. The sub-protocol is
//! [`taxi::SUBPROTOCOL`](crate::taxi::SUBPROTOCOL). A user is a label, which stands for its owner, or
//! a visitor's name, which the gateway gives; a group is a label, which stands for the visitors who
//! are at that site now.
//!
//! The gateway asks the owner's peer about each message of a visitor with a
//! [control transaction](crate::control) to [`CONTROL_PATH`]. The peer sends its own messages with
//! a `POST` to [`TELL_PATH`].

use http::HeaderValue;

/// Where visitors become members, on the host of the site. A page of the site is never there: the
/// name begins with a dot (RFC 8615).
pub const SITE_PATH: &str = "/.well-known/veranda/taxi";

/// Where identities become members, on the gateway's own host.
pub const GATEWAY_PATH: &str = "/taxi";

/// Where an identity sends one message without becoming a member, on the gateway's own host: a
/// `POST` with a proof, and the message as its body.
pub const TELL_PATH: &str = "/veranda/taxi";

/// Where the gateway asks a peer about a message, at [`control::AUTHORITY`](crate::control::AUTHORITY).
/// `Forwarded` has the visitor and the site; `Cookie`, `Authorization`, `User-Agent` are those of the
/// visitor's handshake. A status of success takes the message; 404, 405 and 501 are those of a peer
/// that knows nothing of messages; with any other, the body is a sentence for the visitor.
pub const CONTROL_PATH: &str = "/taxi";

/// The type of a body that is a TAXI message. The draft names none.
pub const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/x-taxi");

/// What the name of a visitor begins with; sixteen digits follow. A label may look like one: whoever
/// sends to a name that begins like this means a visitor.
pub const VISITOR_PREFIX: &str = "visitor-";

/// What a further sub-protocol begins with by which a visitor is known again: what follows is a
/// secret of the browser, and the visitor's name is made of it.
pub const TICKET_PREFIX: &str = "ticket.";

/// The longest body of a message between members: more than anybody writes into a small box, in any
/// script.
pub const MAX_TEXT: usize = 4 * 1024;

/// The command of a visitor's note to the owner.
pub const NOTE: &str = "note";

/// The command of an owner's answer to a note. Its key [`NUMBER`] says which answer it is; the page
/// says [`RECEIVED`] to the owner, with that number as the body, when it shows the answer.
pub const REPLY: &str = "reply";

/// The key of an answer's number, which nobody but the owner can read anything into.
pub const NUMBER: &str = "n";

/// The command by which a visitor who is back asks for what was written meanwhile.
pub const FETCH: &str = "getTexts";

/// The command of the gateway's first message: `u` says which name the member has.
pub const HELLO: &str = "hello";

/// The command of the gateway's answer to a message that arrived; `t` is the message's.
pub const RECEIVED: &str = "received";

/// The command of the gateway's answer to a message that did not; the body says why.
pub const ERROR: &str = "error";
