//! Links that move messages: what TAXI, Petrichor and the poll share.
//!
//! A carrier brings a [`Transport`] (its framing on its connection); this module drives
//! [`Transactions`](crosstalk::transactions::Transactions) over it: at the gateway as a [`Link`], at
//! the peer by handing requests to a [`Handler`]. Either end can do both.

mod answers;
mod driver;
mod hop;
mod outflow;
mod questions;
mod received;
mod send;
mod shared;
#[cfg(test)]
pub(crate) mod tests;
mod tunnel;

use std::{io, sync::Arc, time::Duration};

use crosstalk::{
    transaction::Handler,
    transactions::{AbortCode, Config, Message},
};
use futures_util::{Sink, Stream};
use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::questions::Questions;
use self::{
    answers::Answers,
    driver::{Driver, Ended},
    shared::Shared,
};
pub(crate) use self::{
    send::Messages,
    tunnel::{Channel, Offered},
};
use crate::{
    Carrier, Link, LinkEnd,
    line::LineHandle,
    link::{Places, Status, Wire},
};

/// How long it may take to tell the other end what was given up when the time was over.
const FAREWELL_WITHIN: Duration = Duration::from_secs(1);

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

/// Makes a transport a link: something that answers requests. What the other end opens goes to
/// `answers`; without it, it is refused.
pub(crate) fn link(
    transport: impl Transport,
    setup: Setup,
    answers: Option<Handler>,
    tasks: &TaskTracker,
) -> Link {
    let Setup { carrier, mut config, line, websockets } = setup;
    if answers.is_none() {
        config.max_accepted = 0;
    }
    let patience = config.ping_timeout;
    let status = Arc::new(Status::new(line.clone(), Places::of(config.max_opened)));
    let shared = Shared::new(config, line);
    let answers = answers.map(|handler| Answers::new(handler, websockets));
    let driver =
        Driver::new(transport, Arc::clone(&shared), patience, Some(Arc::clone(&status)), answers);
    tasks.spawn(drive(driver, Arc::clone(&shared), Arc::clone(&status)));
    Link::new(
        carrier,
        status,
        Wire::Messages(Messages { shared, websockets, tasks: tasks.clone() }),
    )
}

async fn drive(mut driver: Driver<impl Transport>, shared: Arc<Shared>, status: Arc<Status>) {
    let end = EndOnDrop { shared, status: Some(Arc::clone(&status)) };
    let ended = tokio::select! {
        biased;
        () = status.line.was_cut() => Ended::Broken,
        ended = driver.run() => ended,
    };
    status.line.cut();
    status.finish(match ended {
        Ended::InOrder | Ended::Broken => LinkEnd::Lost,
        Ended::Silent => LinkEnd::Silent,
    });
    drop(end);
    if let Some(answers) = &mut driver.answers {
        answers.wind_down().await;
    }
}

/// Answers what the other end opens until the link ends; see [`crate::Served::run`].
pub(crate) async fn serve(
    transport: impl Transport,
    setup: Setup,
    handler: Handler,
    stop: CancellationToken,
    grace: Duration,
) -> LinkEnd {
    let Setup { config, line, websockets, .. } = setup;
    let patience = config.ping_timeout;
    let shared = Shared::new(config, line.clone());
    let answers = Answers::new(handler, websockets);
    let mut driver = Driver::new(transport, Arc::clone(&shared), patience, None, Some(answers));
    let end = EndOnDrop { shared: Arc::clone(&shared), status: None };
    let ended = tokio::select! {
        biased;
        () = line.was_cut() => LinkEnd::Lost,
        () = stop.cancelled() => {
            shared.close();
            tokio::select! {
                biased;
                () = line.was_cut() => {}
                stopped = timeout(grace, driver.run()) => if stopped.is_err() {
                    // Who is not done by now was told the time.
                    shared.abort_all(AbortCode::Failed);
                    let _ = timeout(FAREWELL_WITHIN, driver.run()).await;
                }
            }
            LinkEnd::Closed
        }
        ended = driver.run() => match ended {
            Ended::InOrder => LinkEnd::Closed,
            Ended::Broken => LinkEnd::Lost,
            Ended::Silent => LinkEnd::Silent,
        },
    };
    drop(end);
    if let Some(answers) = &mut driver.answers {
        answers.wind_down().await;
    }
    ended
}

/// Ends everything when the driver does, even when it panics or is dropped.
struct EndOnDrop {
    shared: Arc<Shared>,
    status: Option<Arc<Status>>,
}

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.shared.end();
        if let Some(status) = &self.status {
            status.finish(LinkEnd::Lost);
        }
    }
}
