//! The gateway's side of the handshake.

use crosstalk::transaction::Body;
use http::{Response, request::Parts};
use hyper::upgrade::OnUpgrade;
use tokio_util::task::TaskTracker;

use crate::{
    Link, Timing,
    accept::{LinkError, Refusal},
};

/// A peer's wish for a link by `Upgrade: petrichor/1`, read and found good.
#[derive(Clone, Debug)]
pub struct Offer {}

/// Reads a request for a link. `None` is any other request.
///
/// # Errors
/// When it is a request for a link and cannot be granted.
pub fn read(request: &Parts) -> Result<Option<Offer>, Refusal> {
    let _ = request;
    Ok(None)
}

impl Offer {
    /// Returns the answer that turns the connection around.
    #[must_use]
    pub fn response(&self) -> Response<Body> {
        unimplemented!()
    }

    /// Waits until [`Offer::response`] was sent and makes the connection a link.
    ///
    /// The link's tasks belong to `tasks`; they end with the link.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn link_with(
        self,
        upgrade: OnUpgrade,
        tasks: &TaskTracker,
        timing: Timing,
    ) -> Result<Link, LinkError> {
        let _ = (upgrade, tasks, timing);
        unimplemented!()
    }
}
