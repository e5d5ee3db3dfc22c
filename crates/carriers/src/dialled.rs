//! The peer's side of a link.

use std::{io, time::Duration};

use crosstalk::{address::GatewayAddress, label::Label, registry::Refused};
use tokio_util::sync::CancellationToken;

use crate::{
    link::{Carrier, LinkEnd},
    tls::Roots,
};

/// How to reach a gateway.
#[derive(Clone, Debug)]
pub struct DialOptions {
    /// Where the gateway is.
    pub gateway: GatewayAddress,
    /// A fresh proof of identity, for `Authorization: Bearer`.
    pub proof: String,
    /// Only this name, instead of all names of the identity.
    pub label: Option<Label>,
    /// Which certificates to believe.
    pub roots: Roots,
}

/// A link that is up: requests come in as soon as [`Served::run`] is polled.
pub struct Served {}

impl Served {
    /// Returns which wire the link uses.
    #[must_use]
    pub fn carrier(&self) -> Carrier {
        unimplemented!()
    }

    /// Answers requests with the handler until the link ends. When `stop` is cancelled, takes no
    /// more requests, finishes those under way (at most `grace`), and closes.
    pub async fn run(
        self,
        handler: crosstalk::transaction::Handler,
        stop: CancellationToken,
        grace: Duration,
    ) -> LinkEnd {
        let _ = (handler, stop, grace);
        unimplemented!()
    }
}

/// Why there is no link.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// No connection: wrong address, no network, nobody listens.
    #[error("the gateway cannot be reached")]
    Unreachable(#[source] io::Error),
    /// The connection is not private: the certificate is wrong or unknown.
    #[error("the gateway's certificate is not valid")]
    Certificate(#[source] io::Error),
    /// The gateway answered no; see [`Refused::reason`].
    #[error("the gateway refused: {}", .refused.sentence)]
    Refused {
        /// Status of the answer.
        status: http::StatusCode,
        /// Why.
        refused: Refused,
        /// When to try again, if the gateway said so.
        retry_after: Option<Duration>,
    },
    /// The gateway names another one to use.
    #[error("the gateway moved to {0}")]
    Moved(GatewayAddress),
    /// Something answered that is no gateway, or a proxy in between removed the upgrade.
    #[error("what answers there is not a gateway, or something on the way blocks the connection")]
    NotAGateway,
    /// No answer in time.
    #[error("the gateway did not answer in time")]
    TimedOut,
}

impl DialError {
    /// Returns whether trying again can help without anyone doing anything.
    #[must_use]
    pub fn is_worth_retrying(&self) -> bool {
        unimplemented!()
    }
}
