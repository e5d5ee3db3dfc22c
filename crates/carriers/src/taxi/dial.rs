//! The peer's side of the handshake.

use std::time::Duration;

use crosstalk::transaction::Handler;
use tokio_util::sync::CancellationToken;

use crate::{DialError, DialOptions, LinkEnd, Served, Timing};

/// A link that is up and not yet served.
pub(crate) struct Dialled {}

impl Dialled {
    /// See [`Served::run`].
    pub(crate) async fn run(
        self,
        handler: Handler,
        stop: CancellationToken,
        grace: Duration,
    ) -> LinkEnd {
        let _ = (handler, stop, grace);
        unimplemented!()
    }
}

/// Dials a gateway.
///
/// # Errors
/// See [`DialError`].
pub async fn dial(options: &DialOptions) -> Result<Served, DialError> {
    dial_with(options, Timing::default()).await
}

/// The same with times of one's own.
///
/// # Errors
/// See [`DialError`].
pub async fn dial_with(options: &DialOptions, timing: Timing) -> Result<Served, DialError> {
    let _ = (options, timing);
    Err(DialError::NotAGateway)
}
