//! A link over XMPP, through a real Prosody: what a link has to carry, and who may disturb whom.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use carriers::{
    Carrier, DialError, DialOptions, Link, LinkEnd, dial,
    tls::Roots,
    xmpp::{Account, accept::Door, dial::ask},
};
use conformance::cases::CANCEL_WITHIN;
use crosstalk::{
    address::GatewayAddress,
    petrichor::Denial,
    registry::{Reason, Refused},
    transaction::{self, Body, Handler},
};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use testkit::prosody::Prosody;
use tokio::{sync::watch, task::JoinSet, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::util::BoxCloneSyncService;

/// How long anything may take that is not measured.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a hundred bytes and a megabyte may take beside visitors that take nothing. Generous, because
/// the machine may be busy; behind those visitors they would never come.
const SMALL_WITHIN: Duration = Duration::from_secs(30);
const LARGE_WITHIN: Duration = Duration::from_secs(60);

/// One megabyte.
const MEGABYTE: usize = 1_000_000;

/// What a body of this length has in it: bytes of all values, no two stretches alike.
fn pattern(length: usize) -> Bytes {
    (0..length).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

fn endless() -> Body {
    let pieces =
        futures_util::stream::repeat_with(|| Ok::<_, Infallible>(Frame::data(pattern(32_000))));
    transaction::boxed(StreamBody::new(pieces))
}

/// Counts how many endless bodies are alive.
struct Alive(Arc<AtomicUsize>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// `/<n>` is a body of so many bytes; `/endless` never ends; a POST is answered with its own body.
fn site(endless_bodies: Arc<AtomicUsize>) -> Handler {
    BoxCloneSyncService::new(tower::service_fn(move |request: Request<Body>| {
        let count = Arc::clone(&endless_bodies);
        async move {
            let path = request.uri().path()[1..].to_owned();
            let body = if request.method() == "POST" {
                let length = request.headers().get("content-length").cloned();
                let mut response = Response::new(request.into_body());
                if let Some(length) = length {
                    response.headers_mut().insert("content-length", length);
                }
                return Ok(response);
            } else if path == "endless" {
                count.fetch_add(1, Ordering::SeqCst);
                let alive = Alive(count);
                let body = endless().map_frame(move |frame| {
                    let _alive = &alive;
                    frame
                });
                transaction::boxed(body)
            } else {
                transaction::full(pattern(path.parse().unwrap_or(0)))
            };
            Ok::<_, Infallible>(Response::new(body))
        }
    }))
}

fn request(method: &str, path: &str, body: Body) -> anyhow::Result<Request<Body>> {
    Ok(Request::builder().method(method).uri(path).header("host", "site.example").body(body)?)
}

async fn fetch(
    link: &Link,
    method: &str,
    path: &str,
    body: Body,
) -> anyhow::Result<Response<Body>> {
    let place = timeout(PATIENCE, link.reserve()).await??;
    let sent = timeout(PATIENCE, place.send(request(method, path, body)?)).await?;
    Ok(sent.map_err(|unsent| unsent.error)?)
}

async fn bytes(response: Response<Body>) -> anyhow::Result<Bytes> {
    let body = timeout(PATIENCE, response.into_body().collect()).await?;
    Ok(body.map_err(|error| anyhow::anyhow!("{error}"))?.to_bytes())
}

async fn get(link: &Link, length: usize) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    let body =
        bytes(fetch(link, "GET", &format!("/{length}"), transaction::empty()).await?).await?;
    ensure!(body == pattern(length), "{} bytes of {length}, or others", body.len());
    Ok(begun.elapsed())
}

fn options(prosody: &Prosody, gateway: &str, peer: &str) -> anyhow::Result<DialOptions> {
    Ok(DialOptions {
        gateway: GatewayAddress::parse(&format!("xmpp:{gateway}@{}", prosody.host()))?,
        proof: "a.b.c".to_owned(),
        label: None,
        roots: Roots::default(),
        account: Some(Account::new(prosody.login(peer)?)),
        invite: Some("come in".to_owned()),
    })
}

/// A gateway and a peer with a link through a server.
struct World {
    prosody: Prosody,
    door: Door,
    link: Link,
    tasks: TaskTracker,
    peer: JoinSet<LinkEnd>,
    stop: CancellationToken,
    endless_bodies: Arc<AtomicUsize>,
    /// How fast the peer finds the way, in bytes a second.
    rate: watch::Receiver<Option<u64>>,
}

impl World {
    async fn new(prosody: Prosody) -> anyhow::Result<Self> {
        let mut door = Door::open(&prosody.login("gateway")?).await?;
        let options = options(&prosody, "gateway", "peer")?;
        let tasks = TaskTracker::new();
        let (served, link) =
            tokio::join!(timeout(PATIENCE, dial(&options, Carrier::Xmpp)), async {
                let knock = timeout(PATIENCE, door.next()).await?.context("the session ended")?;
                ensure!(knock.hello().proof == "a.b.c" && !knock.hello().asks);
                ensure!(knock.hello().invite.as_deref() == Some("come in"));
                ensure!(knock.from().as_str().starts_with("peer@"));
                Ok(knock.link("Hello.".to_owned(), &tasks).await?)
            });
        let (served, link) = (served??, link?);
        ensure!(served.carrier() == Carrier::Xmpp && link.carrier() == Carrier::Xmpp);
        let stop = CancellationToken::new();
        let endless_bodies = Arc::default();
        let handler = site(Arc::clone(&endless_bodies));
        let mut rate = served.rate().context("a link over XMPP has a rate")?;
        let mut peer = JoinSet::new();
        peer.spawn(served.run(handler, stop.clone(), Duration::from_secs(5)));
        timeout(PATIENCE, rate.wait_for(Option::is_some)).await?.context("it is not measured")?;
        Ok(Self { prosody, door, link, tasks, peer, stop, endless_bodies, rate })
    }

    /// Waits until the endless bodies are so many.
    async fn endless_bodies(&self, count: usize) -> anyhow::Result<()> {
        let counted = async {
            while self.endless_bodies.load(Ordering::SeqCst) != count {
                tokio::task::yield_now().await;
            }
        };
        let alive = timeout(PATIENCE, counted).await;
        alive.with_context(|| format!("{} alive", self.endless_bodies.load(Ordering::SeqCst)))
    }

    /// Ends the link at the peer, and checks that nothing is left.
    async fn finish(mut self) -> anyhow::Result<()> {
        self.stop.cancel();
        let end = timeout(PATIENCE, self.peer.join_next()).await?.context("no peer")??;
        ensure!(end == LinkEnd::Closed, "{end:?}");
        timeout(PATIENCE, self.link.ended()).await?;
        self.tasks.close();
        drop(self.link);
        timeout(PATIENCE, self.tasks.wait()).await?;
        drop((self.door, self.prosody));
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_carries_megabytes_both_ways_and_a_hundred_at_once() -> anyhow::Result<()> {
    let mut world = World::new(Prosody::tuned().start().await?).await?;
    get(&world.link, MEGABYTE).await?;
    let body = transaction::full(pattern(MEGABYTE));
    let echo = bytes(fetch(&world.link, "POST", "/echo", body).await?).await?;
    ensure!(echo == pattern(MEGABYTE), "{} bytes came back", echo.len());
    get(&world.link, 20 * MEGABYTE).await?;
    // What was measured at the beginning was of a few bytes, which a busy machine makes slow.
    let fast = world.rate.wait_for(|rate| rate.is_some_and(|rate| rate > 100_000));
    drop(timeout(PATIENCE, fast).await.context("the way is found slow")??);

    let mut all = JoinSet::new();
    for number in 0..100 {
        let link = world.link.clone();
        all.spawn(async move { get(&link, 10_000 + 317 * number).await });
    }
    while let Some(one) = timeout(PATIENCE, all.join_next()).await? {
        one??;
    }
    world.finish().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_is_noticed_at_once() -> anyhow::Result<()> {
    let world = World::new(Prosody::tuned().start().await?).await?;
    let response = fetch(&world.link, "GET", "/endless", transaction::empty()).await?;
    let mut body = response.into_body();
    let first = timeout(PATIENCE, body.frame()).await?.context("no body")?;
    ensure!(first.is_ok());
    ensure!(world.endless_bodies.load(Ordering::SeqCst) == 1);
    let begun = Instant::now();
    drop(body);
    world.endless_bodies(0).await?;
    ensure!(begun.elapsed() < CANCEL_WITHIN, "{:?}", begun.elapsed());
    get(&world.link, 1000).await?;
    world.finish().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_ones_own_server_is_not_taken_for_the_gateways() -> anyhow::Result<()> {
    let mut world = World::new(Prosody::tuned().start().await?).await?;
    get(&world.link, 1000).await?;
    world.prosody.kill();
    let end = timeout(PATIENCE, world.peer.join_next()).await?.context("no peer")??;
    ensure!(end == LinkEnd::ServerLost, "{end:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_visitors_that_take_nothing_slow_no_other() -> anyhow::Result<()> {
    let world = World::new(Prosody::tuned().start().await?).await?;
    let mut stalled = Vec::new();
    for _ in 0..30 {
        stalled.push(fetch(&world.link, "GET", "/endless", transaction::empty()).await?);
    }
    world.endless_bodies(30).await?;
    let small = get(&world.link, 100).await?;
    let large = get(&world.link, MEGABYTE).await?;
    ensure!(small < SMALL_WITHIN && large < LARGE_WITHIN, "{small:?}, {large:?}");
    drop(stalled);
    world.endless_bodies(0).await?;
    world.finish().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_no_has_its_reason_a_gateway_that_is_away_is_away_and_questions_are_answered()
-> anyhow::Result<()> {
    let prosody = Prosody::tuned().start().await?;
    let options = options(&prosody, "gateway", "peer")?;
    let away = timeout(PATIENCE, dial(&options, Carrier::Xmpp)).await?;
    ensure!(matches!(&away, Err(DialError::Unreachable(_))), "{:?}", away.err());

    let mut door = Door::open(&prosody.login("gateway")?).await?;
    let refused = Refused { reason: Reason::NotAdmitted, sentence: "Not you.".to_owned() };
    let retry_after = Some(Duration::from_secs(60));
    let denial = Denial { status: StatusCode::FORBIDDEN, refused, retry_after };
    let (dialled, heard) = tokio::join!(dial(&options, Carrier::Xmpp), async {
        let knock = timeout(PATIENCE, door.next()).await?.context("the session ended")?;
        knock.deny(denial.clone()).await;
        anyhow::Ok(())
    });
    heard?;
    let no = dialled.err().context("refused, and yet a link")?;
    let DialError::Refused { status, refused, retry_after } = no else { anyhow::bail!("{no:?}") };
    ensure!((status, &refused) == (denial.status, &denial.refused), "{refused:?}");
    ensure!(retry_after == denial.retry_after);

    let account = options.account.clone().context("an account")?;
    let mut answering = JoinSet::new();
    answering.spawn(async move {
        let knock = door.next().await.context("the session ended")?;
        ensure!(knock.hello().asks && knock.hello().proof.is_empty());
        let (stop, grace) = (CancellationToken::new(), Duration::from_secs(1));
        Ok(knock.answer(site(Arc::default()), stop, grace).await?)
    });
    let questions = timeout(PATIENCE, ask(&options.gateway, &account, None)).await??;
    let response = questions.send(request("GET", "/300", transaction::empty())?).await?;
    ensure!(bytes(response).await? == pattern(300));
    drop(questions);
    let end = timeout(PATIENCE, answering.join_next()).await?.context("nobody answered")???;
    ensure!(end == LinkEnd::Closed || end == LinkEnd::Lost, "{end:?}");
    Ok(())
}
