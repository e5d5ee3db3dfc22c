//! The peer's side of the handshake.

use std::time::Duration;

use crosstalk::{
    address::GatewayAddress,
    transaction::{Body, Handler},
};
use http::{Request, Response};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Account;
use crate::{DialError, DialOptions, LinkEnd, SendError, Served};

/// A link that is up and not yet served.
pub(crate) struct Dialled {
    rate: watch::Receiver<Option<u64>>,
}

impl Dialled {
    /// See [`Served::run`].
    pub(crate) async fn run(
        self,
        _handler: Handler,
        _stop: CancellationToken,
        _grace: Duration,
    ) -> LinkEnd {
        LinkEnd::Lost
    }

    /// See [`Served::rate`].
    pub(crate) fn rate(&self) -> watch::Receiver<Option<u64>> {
        self.rate.clone()
    }
}

/// Dials a gateway at its account, over the owner's.
///
/// # Errors
/// See [`DialError`].
pub async fn dial(_options: &DialOptions) -> Result<Served, DialError> {
    Err(DialError::NotAGateway)
}

/// A conversation in which the gateway itself is asked. It ends when this is dropped.
pub struct Questions {}

/// Begins to ask a gateway. The invitation is for one that does not know the account yet: who may not
/// publish there may not ask for names either.
///
/// # Errors
/// See [`DialError`].
pub async fn ask(
    _gateway: &GatewayAddress,
    _account: &Account,
    _invite: Option<&str>,
) -> Result<Questions, DialError> {
    Err(DialError::NotAGateway)
}

impl Questions {
    /// Sends a request for the gateway's own host. The deadline is the caller's.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn send(&self, _request: Request<Body>) -> Result<Response<Body>, SendError> {
        Err(SendError::Closed)
    }
}
