//! Who is there, and what it can do: directed presence with caps (XEP-0115), and disco#info (XEP-0030).

/// What another end says it is (XEP-0115 §4). Only a claim, and of a hash of which many are guessable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Software {
    /// The address of the program's kind.
    pub(crate) node: String,
    /// The hash of what it can do, in base64.
    pub(crate) ver: String,
}

/// Why an account's gateway cannot be talked to.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum MeetError {
    /// Nobody answered: it is not logged in, or not reachable just now.
    #[error("the gateway is not online")]
    Offline,
    /// Somebody is there who does not speak CrossTalk.
    #[error("what answers at this address is not a gateway")]
    NotAGateway,
    /// The servers do not reach each other, or forbid it; in a server's words if it has any.
    #[error("the servers do not let this through: {0}")]
    Unreachable(String),
    /// Our own session has ended meanwhile.
    #[error("the own connection to the server is gone")]
    Ended,
}
