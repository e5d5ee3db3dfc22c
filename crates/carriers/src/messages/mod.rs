//! Links that move messages: what TAXI, Petrichor and the poll share.
//!
//! A carrier brings a [`Transport`] (its framing on its connection); this module drives
//! [`Transactions`](crosstalk::transactions::Transactions) over it: at the gateway as a [`Link`], at
//! the peer by handing requests to a [`Handler`]. Either end can do both.

use std::{io, sync::Arc, time::Duration};

use crosstalk::{
    transaction::{Body, Handler},
    transactions::{Config, Message},
};
use futures_util::{Sink, Stream};
use http::{Request, Response};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{Carrier, Link, LinkEnd, Unsent, line::LineHandle, link::Inner};

/// A connection as messages, in both directions.
///
/// `start_send` only puts a message into a buffer of limited size (`poll_ready` says whether there is
/// room); `poll_flush` writes everything that is there at once, in one vectored write where it can.
/// The stream ends with `None` when the other end closed in order, and with an error of kind
/// `InvalidData` when what came is against the rules of the wire.
pub(crate) trait Transport:
    Stream<Item = io::Result<Message>> + Sink<Message, Error = io::Error> + Send + Unpin + 'static
{
}

impl<T> Transport for T where
    T: Stream<Item = io::Result<Message>>
        + Sink<Message, Error = io::Error>
        + Send
        + Unpin
        + 'static
{
}

/// What a carrier says of its link.
pub(crate) struct Setup {
    pub(crate) carrier: Carrier,
    pub(crate) config: Config,
    /// The connection below the transport: bytes that arrive there are signs of life, even when
    /// they are no whole message yet.
    pub(crate) line: LineHandle,
    /// Whether visitors' WebSockets can be carried; otherwise they get [`crate::SendError::Unsupported`].
    pub(crate) websockets: bool,
}

/// The end of a link from which requests are sent.
pub(crate) struct Messages {}

impl Messages {
    pub(crate) fn is_open(&self) -> bool {
        unimplemented!()
    }

    pub(crate) fn drain(&self) {
        unimplemented!()
    }

    pub(crate) async fn send(
        &self,
        inner: &Arc<Inner>,
        permit: OwnedSemaphorePermit,
        request: Request<Body>,
    ) -> Result<Response<Body>, Unsent> {
        let _ = (inner, permit, request);
        unimplemented!()
    }
}

/// Makes a transport a link: something that answers requests. What the other end opens goes to
/// `answers`; without it, it is refused.
pub(crate) fn link(
    transport: impl Transport,
    setup: Setup,
    answers: Option<Handler>,
    tasks: &TaskTracker,
) -> Link {
    let _ = (transport, setup, answers, tasks);
    unimplemented!()
}

/// Answers what the other end opens until the link ends; see [`crate::Served::run`].
pub(crate) async fn serve(
    transport: impl Transport,
    setup: Setup,
    handler: Handler,
    stop: CancellationToken,
    grace: Duration,
) -> LinkEnd {
    let _ = (transport, setup, handler, stop, grace);
    unimplemented!()
}
