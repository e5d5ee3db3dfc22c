//! Keeps the link to a gateway: dials, serves, notices the end, dials again.

mod failure;

use std::{
    collections::HashSet,
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use carriers::{
    Carrier, DialError, DialOptions, LinkEnd, Served,
    ptth::{DEFAULT_POOL, LARGEST_POOL, Protocol, dial},
    tls::Roots,
};
use crosstalk::{address::GatewayAddress, label::Label, proof::PrivateKey, registry::GatewayInfo};
use futures_util::FutureExt as _;
use tokio::{
    sync::{Notify, mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

pub(crate) use self::failure::sentence;
use self::failure::{Failure, Wait};
use crate::{
    backoff::Backoff,
    busy::Busy,
    front::Front,
    model::{LinkState, LinkTrouble, SiteId, SiteTrouble},
    names::{self, First, Wanted},
    registry::Registry,
    store::Release,
};

/// A link that lived this long was a good one: after its loss the next dial comes at once. One that
/// ends sooner counts as a failure, lest a gateway that throws us out be hammered.
const GOOD_AFTER: Duration = Duration::from_secs(10);

/// How long transactions under way may go on when the engine ends. Their owner waits for it.
const GRACE: Duration = Duration::from_millis(500);

/// How long those of an old link may go on when a new one takes over.
const HANDOVER: Duration = Duration::from_secs(60);

/// How often to look whether the computer slept.
const SLEEP_CHECK: Duration = Duration::from_secs(5);

/// By how much the clocks may differ from it before we believe so.
const SLEEP_MINIMUM: Duration = Duration::from_secs(20);

/// How long a whole dial may take; the carriers have shorter times for its parts.
const DIAL_TIMEOUT: Duration = Duration::from_secs(60);

/// A gateway, and who we are to it.
pub(crate) struct Gateway {
    pub(crate) address: GatewayAddress,
    pub(crate) roots: Roots,
    pub(crate) key: Arc<PrivateKey>,
    info: Mutex<Option<GatewayInfo>>,
}

impl Gateway {
    pub(crate) fn new(address: GatewayAddress, roots: Roots, key: Arc<PrivateKey>) -> Self {
        Self { address, roots, key, info: Mutex::new(None) }
    }

    /// Returns what the gateway says of itself; asks when it is not known.
    pub(crate) async fn info(&self, registry: &mut Registry) -> Result<GatewayInfo, DialError> {
        if let Some(info) = self.known_info() {
            return Ok(info);
        }
        let info = registry.info().await?;
        *self.info.lock().unwrap_or_else(PoisonError::into_inner) = Some(info.clone());
        Ok(info)
    }

    /// Asks again the next time: it may be another gateway by now.
    pub(crate) fn forget_info(&self) {
        *self.info.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn known_info(&self) -> Option<GatewayInfo> {
        self.info.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes a fresh proof of identity for this gateway.
    async fn proof(&self) -> Result<String, DialError> {
        let info = match self.known_info() {
            Some(info) => info,
            None => self.info(&mut Registry::connect(&self.address, &self.roots).await?).await?,
        };
        Ok(self.key.prove(&info.origin, SystemTime::now()))
    }
}

/// Makes a fresh proof of identity for a gateway, which it says how to address: for programs that
/// speak to it themselves, good for one use within a minute.
///
/// # Errors
/// When the gateway cannot be asked; with a sentence for the owner.
pub async fn prove(
    key: Arc<PrivateKey>,
    address: &GatewayAddress,
    roots: &Roots,
) -> Result<String, LinkTrouble> {
    let gateway = Gateway::new(address.clone(), roots.clone(), key);
    gateway.proof().await.map_err(|error| LinkTrouble {
        sentence: sentence(&error, address),
        heals: error.is_worth_retrying(),
    })
}

/// What the keeper tells the engine.
#[derive(Debug)]
pub(crate) enum News {
    /// The link changed.
    Link(LinkState),
    /// The gateway gave a site its name.
    Named { site: SiteId, label: Label, origin: String },
    /// A name was given back.
    Released(Release),
    /// The gateway gives a site no name.
    Trouble { site: SiteId, trouble: SiteTrouble },
}

/// What wakes the keeper's parts.
#[derive(Debug)]
pub(crate) struct Signals {
    /// The owner wants another try at once.
    pub(crate) retry: Notify,
    /// How many times a lost link came back.
    pub(crate) links: watch::Sender<u64>,
}

/// Which names a link carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// All names of the identity: one peer per identity at a gateway.
    #[default]
    Identity,
    /// Only the name of this peer's one site: several peers may share an identity.
    Site,
}

/// Keeps a link to one gateway.
pub(crate) struct Keeper {
    pub(crate) gateway: Gateway,
    pub(crate) scope: Scope,
    pub(crate) front: Front,
    pub(crate) wanted: watch::Receiver<Arc<Wanted>>,
    pub(crate) signals: Arc<Signals>,
    pub(crate) news: mpsc::Sender<News>,
    /// Numbers the links of this run.
    pub(crate) numbers: Arc<AtomicU64>,
    pub(crate) stop: CancellationToken,
}

/// Links that serve together: one that multiplexes, or a pool of those that do not.
struct Team {
    carrier: Carrier,
    busy: Busy,
    stop: CancellationToken,
    grace: watch::Sender<Duration>,
    alive: HashSet<u64>,
    /// Pool members that ended while others live on; their transfers may still be confirmed.
    ended: Vec<u64>,
}

/// How serving came to its end.
enum Outcome {
    /// All links of the team are gone.
    Lost(LinkEnd),
    /// The computer slept: the links are probably dead and do not know it yet.
    Slept,
    Stopped,
}

type Links = JoinSet<(u64, LinkEnd)>;

impl Keeper {
    /// Keeps the link until the engine stops it; returns when all of its links have ended.
    pub(crate) async fn run(self) {
        let (first, named) = watch::channel(First::Unknown);
        let stop = self.stop.clone();
        let names =
            names::keep(&self.gateway, self.wanted.clone(), &self.signals, &self.news, &first);
        let names = stop.run_until_cancelled(names);
        tokio::join!(names, self.link(named));
    }

    async fn link(&self, mut named: watch::Receiver<First>) {
        let mut links = Links::new();
        let mut backoff = Backoff::default();
        let mut came_up = false;
        loop {
            let label = match self.scope {
                Scope::Identity => None,
                Scope::Site => match self.label(&mut named).await {
                    Some(label) => Some(label),
                    None => break,
                },
            };
            self.tell(LinkState::Dialling).await;
            let dialled = self.until_stopped(&mut links, self.dial(label.clone())).await;
            let failure = match dialled {
                None => break,
                Some(Ok(served)) => {
                    if came_up {
                        self.signals.links.send_modify(|links| *links += 1);
                    }
                    came_up = true;
                    let since = Instant::now();
                    match self.serve(&mut links, served, label.as_ref()).await {
                        Outcome::Stopped => break,
                        Outcome::Slept => {
                            backoff.reset();
                            continue;
                        }
                        Outcome::Lost(end) => {
                            tracing::info!(?end, "The link is lost");
                            self.gateway.forget_info();
                            Failure::lost(end, since.elapsed() >= GOOD_AFTER)
                        }
                    }
                }
                Some(Err(error)) => {
                    tracing::debug!(%error, "No link");
                    // Perhaps it is another gateway by now, with another origin.
                    self.gateway.forget_info();
                    Failure::dial(&error, &self.gateway.address)
                }
            };
            if self.rest(&mut links, failure, &mut backoff).await.is_none() {
                break;
            }
        }
        // Whatever is left after that is cut when the set is dropped.
        let rest = async {
            while let Some(ended) = links.join_next().await {
                self.note(ended);
            }
        };
        let _ = timeout(GRACE * 2, rest).await;
    }

    /// Dials once: HTTP/2 if the gateway has it, else HTTP/1.1.
    async fn dial(&self, label: Option<Label>) -> Result<Served, DialError> {
        let dial = async {
            let options = DialOptions {
                gateway: self.gateway.address.clone(),
                proof: self.gateway.proof().await?,
                label,
                roots: self.gateway.roots.clone(),
            };
            dial::dial(&options, &[Protocol::Http2, Protocol::Http1]).await
        };
        timeout(DIAL_TIMEOUT, dial).await.unwrap_or(Err(DialError::TimedOut))
    }

    /// Waits for the name of the one site, and says why it does not come. `None` when the engine
    /// stops.
    async fn label(&self, named: &mut watch::Receiver<First>) -> Option<Label> {
        loop {
            let first = named.borrow_and_update().clone();
            match first {
                First::Held(label) => return Some(label),
                First::Failed { trouble, again_in } => {
                    let retry_at = again_in.map(|wait| SystemTime::now() + wait);
                    self.tell(LinkState::Down { trouble, retry_at }).await;
                }
                First::Unknown => self.tell(LinkState::Dialling).await,
            }
            self.stop.run_until_cancelled(named.changed()).await?.ok()?;
        }
    }

    /// Serves over this link, and over its sisters when it cannot multiplex.
    async fn serve(&self, links: &mut Links, served: Served, label: Option<&Label>) -> Outcome {
        let carrier = served.carrier();
        let mut team = Team {
            carrier,
            busy: Busy::default(),
            stop: CancellationToken::new(),
            grace: watch::Sender::new(HANDOVER),
            alive: HashSet::new(),
            ended: Vec::new(),
        };
        self.join(links, &mut team, served);
        tracing::info!(%carrier, "Link is up");
        self.tell(LinkState::Up { carrier, since: SystemTime::now() }).await;
        let mut backoff = Backoff::default();
        let mut pause = Duration::ZERO;
        let slept = slept();
        tokio::pin!(slept);
        let mut busy = team.busy.watch();
        loop {
            // A visitor who reads slowly holds a whole link of the pool: others get new ones.
            let size = if carrier.multiplexes() {
                1
            } else {
                LARGEST_POOL.min(DEFAULT_POOL + *busy.borrow_and_update())
            };
            let missing = team.alive.len() < size;
            let sister = async {
                sleep(pause).await;
                self.dial(label.cloned()).await
            };
            tokio::select! {
                biased;
                () = self.stop.cancelled() => {
                    team.grace.send_replace(GRACE);
                    team.stop.cancel();
                    return Outcome::Stopped;
                }
                () = &mut slept => {
                    tracing::info!("The computer slept; dialling again");
                    // Should the old link live after all, what is under way goes on over it.
                    team.stop.cancel();
                    return Outcome::Slept;
                }
                Some(ended) = links.join_next() => {
                    let Ok((number, end)) = ended else { continue };
                    if !team.alive.remove(&number) {
                        self.front.meter.link_ended(number);
                        continue;
                    }
                    team.ended.push(number);
                    if team.alive.is_empty() {
                        for number in team.ended {
                            self.front.meter.link_ended(number);
                        }
                        return Outcome::Lost(end);
                    }
                    pause = Duration::ZERO;
                }
                // Only to compute the size again; a dial under way would begin anew.
                Ok(()) = busy.changed(), if !missing => {}
                dialled = sister, if missing => match dialled {
                    Ok(served) if served.carrier() == team.carrier => {
                        backoff.reset();
                        pause = Duration::ZERO;
                        self.join(links, &mut team, served);
                    }
                    // The gateway learnt something better: the next round uses it.
                    Ok(_) => pause = crate::backoff::LONGEST,
                    Err(error) => {
                        tracing::debug!(%error, "A link for the pool cannot be made now");
                        pause = backoff.next();
                    }
                },
            }
        }
    }

    /// Takes a link into the team.
    fn join(&self, links: &mut Links, team: &mut Team, served: Served) {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        team.alive.insert(number);
        let handler = self.front.handler(number);
        let handler = if team.carrier.multiplexes() { handler } else { team.busy.count(handler) };
        let (stop, grace) = (team.stop.clone(), team.grace.subscribe());
        links.spawn(async move { (number, ended(run(served, handler, stop, grace)).await) });
    }

    /// Waits before the next dial. Returns `None` when the engine stops.
    async fn rest(&self, links: &mut Links, failure: Failure, backoff: &mut Backoff) -> Option<()> {
        let retry = self.signals.retry.notified();
        let wait = match failure.wait {
            Wait::AtOnce => {
                backoff.reset();
                Some(Duration::ZERO)
            }
            Wait::Backoff { at_least } => Some(backoff.next().max(at_least)),
            Wait::ForOwner => None,
        };
        let retry_at = wait.map(|wait| SystemTime::now() + wait);
        self.tell(LinkState::Down { trouble: failure.trouble, retry_at }).await;
        let pause = async {
            match wait {
                Some(wait) => sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        self.until_stopped(links, async {
            tokio::select! {
                () = retry => backoff.reset(),
                () = slept() => backoff.reset(),
                () = pause => {}
            }
        })
        .await
    }

    /// Waits for this, noting meanwhile how old links end. `None` when the engine stops.
    async fn until_stopped<T>(
        &self,
        links: &mut Links,
        what: impl Future<Output = T>,
    ) -> Option<T> {
        tokio::pin!(what);
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return None,
                Some(ended) = links.join_next() => self.note(ended),
                done = &mut what => return Some(done),
            }
        }
    }

    fn note(&self, ended: Result<(u64, LinkEnd), tokio::task::JoinError>) {
        if let Ok((number, _)) = ended {
            self.front.meter.link_ended(number);
        }
    }

    async fn tell(&self, state: LinkState) {
        // Nobody listens any more only when everything ends.
        let _ = self.news.send(News::Link(state)).await;
    }
}

/// Waits for the end of a link. One that panics is lost: were it not noticed, nothing would ever
/// be dialled in its place.
async fn ended(link: impl Future<Output = LinkEnd>) -> LinkEnd {
    AssertUnwindSafe(link).catch_unwind().await.unwrap_or(LinkEnd::Lost)
}

/// Runs a link with the grace that is meant when it is stopped.
async fn run(
    served: Served,
    handler: crosstalk::transaction::Handler,
    stop: CancellationToken,
    mut grace: watch::Receiver<Duration>,
) -> LinkEnd {
    // The longest is given to the link; a shorter one cuts it from outside.
    let served = served.run(handler, stop.clone(), HANDOVER);
    let short = async {
        stop.cancelled().await;
        let wanted = *grace.borrow_and_update();
        sleep(wanted).await;
    };
    tokio::select! {
        biased;
        end = served => end,
        () = short => LinkEnd::Closed,
    }
}

/// Returns when the computer has slept.
async fn slept() {
    loop {
        let (monotonic, wall) = (Instant::now(), SystemTime::now());
        sleep(SLEEP_CHECK).await;
        let wall = SystemTime::now().duration_since(wall).unwrap_or_default();
        if is_sleep(monotonic.elapsed(), wall) {
            return;
        }
    }
}

/// Some systems stop the monotonic clock during sleep and others do not; either way one of the two
/// clocks ran on much longer than the check takes.
fn is_sleep(monotonic: Duration, wall: Duration) -> bool {
    monotonic.max(wall) >= SLEEP_CHECK + SLEEP_MINIMUM
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_link_that_panics_is_lost() {
        assert_eq!(ended(async { panic!("a defect") }).await, LinkEnd::Lost);
        assert_eq!(ended(async { LinkEnd::Closed }).await, LinkEnd::Closed);
    }

    #[test]
    fn sleep_is_seen_by_whichever_clock_ran_on() {
        let (short, hour) = (Duration::from_secs(6), Duration::from_secs(3600));
        assert!(!is_sleep(short, short));
        assert!(is_sleep(short, hour));
        assert!(is_sleep(hour, hour));
        // A clock that was set back says nothing.
        assert!(!is_sleep(short, Duration::ZERO));
    }
}
