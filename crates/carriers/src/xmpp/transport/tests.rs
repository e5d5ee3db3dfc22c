//! Links between two sessions in memory, through a server that is as slow as a test wants, in simulated
//! time.

use crosstalk::transaction::{self, Body, Handler};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tokio_util::{
    sync::{CancellationToken, PollSender},
    task::TaskTracker,
};

use super::*;
use crate::{
    Link, LinkEnd, messages,
    messages::tests::common::{endless, get, handler, pattern},
};

/// How many stanzas a session's writer holds.
const WRITER: usize = 8;

/// How many stanzas a server holds: more than anybody sends who keeps to the pace.
const SERVER: usize = 4096;

/// One end of a conversation.
struct Wire {
    incoming: mpsc::Receiver<Incoming>,
    outgoing: PollSender<Outgoing>,
}

impl Stream for Wire {
    type Item = Incoming;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Incoming>> {
        self.incoming.poll_recv(cx)
    }
}

impl Sink<Outgoing> for Wire {
    type Error = io::Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outgoing.poll_reserve(cx).map_err(|_| io::ErrorKind::NotConnected.into())
    }

    fn start_send(mut self: Pin<&mut Self>, stanza: Outgoing) -> io::Result<()> {
        self.outgoing.send_item(stanza).map_err(|_| io::ErrorKind::NotConnected.into())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Passes on what one end says, so many bytes of XML a second, each stanza this much later.
async fn pass(
    mut from: mpsc::Receiver<Outgoing>,
    to: mpsc::Sender<Incoming>,
    rate: f64,
    delay: Duration,
) {
    // What the server has passed on, and is on its way to the other end.
    let (passed, mut on_its_way) = mpsc::channel::<(Instant, Incoming)>(SERVER);
    let serve = async move {
        let mut free = Instant::now();
        while let Some(stanza) = from.recv().await {
            let (stanza, length) = match stanza {
                Outgoing::Set { id, payload } => {
                    let length = 150 + String::from(&payload).len();
                    (Incoming::Set { id, payload }, length)
                }
                Outgoing::Result { id } => (Incoming::Result { id }, 120),
                Outgoing::Refuse { id, condition } => (Incoming::Refused { id, condition }, 200),
            };
            free = free.max(Instant::now()) + Duration::from_secs_f64(length as f64 / rate);
            // The clock of the tests goes in steps of a millisecond.
            if free > Instant::now() + Duration::from_millis(2) {
                sleep_until(free).await;
            }
            if passed.send((free + delay, stanza)).await.is_err() {
                return;
            }
        }
    };
    let deliver = async move {
        while let Some((due, stanza)) = on_its_way.recv().await {
            sleep_until(due).await;
            if to.send(stanza).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(serve, deliver);
}

struct World {
    link: Link,
    tasks: TaskTracker,
    peer: JoinSet<LinkEnd>,
    servers: JoinSet<()>,
    stop: CancellationToken,
    rate: watch::Receiver<Option<u64>>,
}

impl World {
    fn new(rate: f64, delay: Duration, handler: Handler) -> Self {
        let token = Token::random();
        let agreed = |numbers| Agreed {
            token,
            settings: Settings { numbers, chunk: CHUNK, max_payload: 250_000 },
        };
        let mut servers = JoinSet::new();
        let mut way = || {
            let (say, said) = mpsc::channel(WRITER);
            let (pass_on, heard) = mpsc::channel(SERVER);
            servers.spawn(pass(said, pass_on, rate, delay));
            (PollSender::new(say), heard)
        };
        let ((up, up_end), (down, down_end)) = (way(), way());
        let gateway = Wire { incoming: up_end, outgoing: down };
        let peer_wire = Wire { incoming: down_end, outgoing: up };

        let tasks = TaskTracker::new();
        let (ours, line) = (agreed(Numbers::Even), LineHandle::alone());
        let gateway = Transport::new(gateway, ours.clone(), line.clone(), None);
        let link = messages::link(gateway, setup(&ours, line, timing(), true), None, &tasks);
        let (told, rate) = watch::channel(None);
        let (theirs, line) = (agreed(Numbers::Odd), LineHandle::alone());
        let transport = Transport::new(peer_wire, theirs.clone(), line.clone(), Some(told));
        let stop = CancellationToken::new();
        let (stopped, grace) = (stop.clone(), Duration::from_secs(60));
        let setup = setup(&theirs, line, timing(), true);
        let mut peer = JoinSet::new();
        peer.spawn(messages::serve(transport, setup, handler, stopped, grace));
        Self { link, tasks, peer, servers, stop, rate }
    }

    async fn fetch(&self, request: Request<Body>) -> Response<Body> {
        self.link.reserve().await.unwrap().send(request).await.unwrap()
    }

    async fn ping(&self) -> Duration {
        let begun = Instant::now();
        let response = self.fetch(get("/ping")).await;
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "pong");
        begun.elapsed()
    }

    async fn finish(mut self) {
        self.stop.cancel();
        assert_eq!(self.peer.join_next().await.unwrap().unwrap(), LinkEnd::Closed);
        self.link.ended().await;
        self.tasks.close();
        drop(self.link);
        self.tasks.wait().await;
        while self.servers.join_next().await.is_some() {}
    }
}

/// `/<n>` is a body of so many bytes, `/endless` one without an end.
fn site() -> Handler {
    handler(async |request: Request<Body>| {
        let path = request.uri().path();
        if path == "/endless" {
            let pieces = (0..64).map(|at| pattern(at * 32_000, (at + 1) * 32_000));
            return Response::new(endless(pieces.collect()));
        }
        let length = path[1..].parse().unwrap();
        Response::new(transaction::full(pattern(0, length)))
    })
}

async fn all(response: Response<Body>, length: usize) {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert!(body == pattern(0, length), "{} of {length}", body.len());
}

#[tokio::test(start_paused = true)]
async fn through_a_server_with_stock_limits_nothing_waits_long_and_nothing_times_out() {
    let mut world = World::new(10_240.0, Duration::from_millis(40), site());
    let rate = world.rate.wait_for(Option::is_some).await.unwrap().unwrap();
    assert!((5_700..9_500).contains(&rate), "{rate}");
    let begun = Instant::now();
    let photo = world.fetch(get("/1000000")).await;
    let download = all(photo, 1_000_000);
    let pings = async {
        let mut longest = Duration::ZERO;
        for _ in 0..10 {
            longest = longest.max(world.ping().await);
        }
        longest
    };
    let ((), longest) = tokio::join!(download, pings);
    assert!(longest < Duration::from_secs(6), "a small page took {longest:?}");
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(160), "{took:?}");
    // Nothing happens for a long time.
    tokio::time::sleep(Duration::from_secs(1_000)).await;
    world.ping().await;
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn visitors_who_take_nothing_stall_only_themselves() {
    let world = World::new(2_400_000.0, Duration::from_millis(1), site());
    let mut stalled = Vec::new();
    for _ in 0..30 {
        stalled.push(world.fetch(get("/endless")).await);
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    let ping = world.ping().await;
    assert!(ping < Duration::from_millis(50), "{ping:?}");
    let begun = Instant::now();
    let response = world.fetch(get("/1000000")).await;
    all(response, 1_000_000).await;
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(1), "{took:?}");
    drop(stalled);
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_fast_way_is_measured_and_used() {
    let mut world = World::new(20_000_000.0, Duration::from_millis(10), site());
    let rate = world.rate.wait_for(Option::is_some).await.unwrap().unwrap();
    assert!(rate > 500_000, "{rate}");
    let begun = Instant::now();
    let response = world.fetch(get("/20000000")).await;
    all(response, 20_000_000).await;
    let second = 20_000_000.0 / begun.elapsed().as_secs_f64();
    // The window of one transaction and its round trip: 128 KiB in 20 ms and a little.
    assert!(second > 4_000_000.0, "{second} bytes a second");
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn the_end_of_either_session_ends_the_link() {
    let mut world = World::new(1_000_000.0, Duration::from_millis(1), site());
    let response = world.fetch(get("/endless")).await;
    world.servers.shutdown().await;
    assert_eq!(world.peer.join_next().await.unwrap().unwrap(), LinkEnd::Lost);
    assert_eq!(world.link.ended().await, LinkEnd::Lost);
    assert!(response.into_body().collect().await.is_err(), "a cut that is not seen");
}

#[tokio::test(start_paused = true)]
async fn a_link_that_is_closed_is_closed_at_the_other_end_too() {
    let mut world = World::new(1_000_000.0, Duration::from_millis(1), site());
    world.ping().await;
    world.link.close();
    let end = world.peer.join_next().await.unwrap().unwrap();
    assert!(matches!(end, LinkEnd::Closed | LinkEnd::Lost), "{end:?}");
}
