//! Links over a transport in memory: both ends against each other.

mod endings;
mod endurance;
mod transactions;
mod websockets;

#[path = "../../../tests/common/mod.rs"]
pub(crate) mod common;

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use crosstalk::{
    transaction::{Body, Handler},
    transactions::{Config, Message, Numbers},
};
use futures_util::{Sink, Stream};
use http::{Request, Response};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::{
    sync::{CancellationToken, PollSender},
    task::TaskTracker,
};

use self::common::{bytes, get, soon};
use super::{Setup, link, serve};
use crate::{Carrier, Link, LinkEnd, line::LineHandle};

/// How many messages a wire holds.
const WIRE: usize = 64;

/// How long a peer of the tests finishes what is under way.
const GRACE: Duration = Duration::from_secs(2);

/// One end of a connection in memory.
struct Wire {
    incoming: mpsc::Receiver<Message>,
    outgoing: PollSender<Message>,
    line: LineHandle,
    /// Whether nothing passes any more, and nobody is told.
    silent: Arc<AtomicBool>,
}

impl Wire {
    fn pair(silent: &Arc<AtomicBool>) -> (Self, Self) {
        let (to_left, at_left) = mpsc::channel(WIRE);
        let (to_right, at_right) = mpsc::channel(WIRE);
        let end = |incoming, outgoing| Self {
            incoming,
            outgoing: PollSender::new(outgoing),
            line: LineHandle::alone(),
            silent: Arc::clone(silent),
        };
        (end(at_left, to_right), end(at_right, to_left))
    }

    fn setup(&self, config: Config) -> Setup {
        Setup { carrier: Carrier::Petrichor, config, line: self.line.clone(), websockets: true }
    }
}

impl Stream for Wire {
    type Item = io::Result<Message>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.silent.load(Ordering::SeqCst) {
            return Poll::Pending;
        }
        let message = ready!(self.incoming.poll_recv(cx));
        self.line.hear();
        Poll::Ready(message.map(Ok))
    }
}

impl Sink<Message> for Wire {
    type Error = io::Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.silent.load(Ordering::SeqCst) {
            return Poll::Pending;
        }
        self.outgoing.poll_reserve(cx).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> io::Result<()> {
        self.outgoing.send_item(message).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outgoing.close();
        Poll::Ready(Ok(()))
    }
}

/// A gateway with a peer on a link.
struct Pair {
    link: Link,
    tasks: TaskTracker,
    peer: JoinSet<LinkEnd>,
    stop: CancellationToken,
    silent: Arc<AtomicBool>,
}

impl Pair {
    fn new(handler: Handler) -> Self {
        Self::with(handler, Config::new(Numbers::Even), Config::new(Numbers::Odd))
    }

    fn with(handler: Handler, gateway: Config, peer: Config) -> Self {
        let silent = Arc::new(AtomicBool::new(false));
        let (near, far) = Wire::pair(&silent);
        let tasks = TaskTracker::new();
        let setup = near.setup(gateway);
        let link = link(near, setup, None, &tasks);
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let setup = far.setup(peer);
        let mut peer = JoinSet::new();
        peer.spawn(serve(far, setup, handler, stopped, GRACE));
        Self { link, tasks, peer, stop, silent }
    }

    /// Waits until the peer's end says how the link ended.
    async fn peer_end(&mut self) -> LinkEnd {
        soon(self.peer.join_next()).await.unwrap().unwrap()
    }

    /// Sends when the link has a place, as the gateway does.
    async fn fetch(&self, request: Request<Body>) -> Response<Body> {
        let place = soon(self.link.reserve()).await.unwrap();
        soon(place.send(request)).await.unwrap()
    }

    /// Tells whether a small request is answered, and how fast.
    async fn ping(&self) -> Duration {
        let begun = Instant::now();
        let response = self.fetch(get("/ping")).await;
        assert_eq!(bytes(response).await.unwrap(), "pong");
        begun.elapsed()
    }

    /// Ends the link and checks that nothing is left of it.
    async fn finish(mut self) {
        self.link.close();
        soon(self.link.ended()).await;
        self.peer_end().await;
        self.tasks.close();
        drop(self.link);
        soon(self.tasks.wait()).await;
    }
}
