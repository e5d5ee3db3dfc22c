//! Keeps the link to a gateway: dials, serves, notices the end, dials again.

mod failure;
mod gateway;
mod ladder;
mod network;
mod run;
mod speed;

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use carriers::{
    Carrier, DialError, DialOptions, LinkEnd, Served,
    ptth::{DEFAULT_POOL, LARGEST_POOL},
};
use crosstalk::label::Label;
use tokio::{
    sync::{Notify, mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

pub use self::gateway::prove;
pub(crate) use self::{
    failure::trouble,
    gateway::Gateway,
    ladder::{MAX_REMEMBERED, Memory},
};
use self::{
    failure::{Failure, Wait},
    ladder::Ladder,
    run::{ended, run, slept},
    speed::Speed,
};
use crate::{
    approach::Approach,
    backoff::Backoff,
    busy::Busy,
    front::Front,
    model::{LinkState, Obstacle, SiteTrouble},
    names::{self, First, Wanted, Whose},
    store::{Release, StoredRung},
};

/// A link that lived this long was a good one: after its loss the next dial comes at once. One that
/// ends sooner counts as a failure, lest a gateway that throws us out be hammered.
const GOOD_AFTER: Duration = Duration::from_secs(10);

/// A link that is found silent before this was of no use from the start; a dead partner shows within
/// half a minute. Later it is the network that is gone, whatever the carrier.
const SILENT_FROM_THE_START: Duration = Duration::from_secs(60);

/// How long transactions under way may go on when the engine ends. Their owner waits for it.
const GRACE: Duration = Duration::from_millis(500);

/// How long those of an old link may go on when a new one takes over.
const HANDOVER: Duration = Duration::from_secs(60);

/// How long a dial by one carrier may take; the carriers have shorter times for its parts. When
/// nothing gets through but the last, the owner waits for all of them once, then it is remembered.
const DIAL_TIMEOUT: Duration = Duration::from_secs(12);

/// The same over XMPP, where the account has to log in first, and a server may let 10 KB a second
/// through.
const XMPP_DIAL_TIMEOUT: Duration = Duration::from_secs(45);

/// What the keeper tells the engine.
#[derive(Debug)]
pub(crate) enum News {
    /// The link changed.
    Link(LinkState),
    /// The gateway gave a name.
    Named { whose: Whose, label: Label, origin: String },
    /// A name was given back.
    Released(Release),
    /// A carrier worked that did not work here before.
    Rung(StoredRung),
    /// The gateway gives no name.
    Trouble { whose: Whose, trouble: SiteTrouble },
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
    /// Only this carrier.
    pub(crate) carrier: Option<Carrier>,
    /// What worked where.
    pub(crate) rungs: Memory,
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
    /// A better carrier works by now.
    Better(Box<Served>),
    /// All links of the team are gone.
    Lost(LinkEnd),
    /// The computer slept: the links are probably dead and do not know it yet.
    Slept,
    Stopped,
}

/// How serving came to its end, whatever the carrier was.
enum Ended {
    Lost(Failure),
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
        let mut ladder = Ladder::new(self.gateway.address(), self.carrier, self.rungs.clone());
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
            let climbed = self.climb(&mut ladder, label.as_ref());
            let failure = match self.until_stopped(&mut links, climbed).await {
                None => break,
                Some(Ok(served)) => {
                    if came_up {
                        self.signals.links.send_modify(|links| *links += 1);
                    }
                    came_up = true;
                    match self.serve_the_best(&mut links, &mut ladder, served, label.as_ref()).await
                    {
                        Ended::Stopped => break,
                        Ended::Slept => {
                            backoff.reset();
                            continue;
                        }
                        Ended::Lost(failure) => failure,
                    }
                }
                Some(Err(error)) => {
                    tracing::debug!(%error, "No link");
                    Failure::dial(&error, self.gateway.address())
                }
            };
            // Perhaps it is another gateway by now, with another origin.
            self.gateway.forget_info();
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

    /// Serves over this link, and over better ones as they are found, until none is left.
    async fn serve_the_best(
        &self,
        links: &mut Links,
        ladder: &mut Ladder,
        mut served: Served,
        label: Option<&Label>,
    ) -> Ended {
        loop {
            let carrier = served.carrier();
            let since = Instant::now();
            match self.serve(links, ladder, served, label).await {
                Outcome::Better(better) => served = *better,
                Outcome::Slept => return Ended::Slept,
                Outcome::Stopped => return Ended::Stopped,
                Outcome::Lost(end) => {
                    tracing::info!(?end, %carrier, "The link is lost");
                    let good = since.elapsed() >= GOOD_AFTER;
                    match end {
                        // A proxy that lets a connection begin and then passes nothing on.
                        LinkEnd::Silent if since.elapsed() < SILENT_FROM_THE_START => {
                            ladder.fall(carrier, Obstacle::Silent);
                        }
                        LinkEnd::Lost if !good => {
                            ladder.fall(carrier, Obstacle::Cut);
                        }
                        LinkEnd::Closed | LinkEnd::Lost | LinkEnd::ServerLost | LinkEnd::Silent => {
                            if good {
                                ladder.served();
                            }
                        }
                    }
                    return Ended::Lost(Failure::lost(end, good));
                }
            }
        }
    }

    /// Dials by one carrier after the other until one works.
    async fn climb(&self, ladder: &mut Ladder, label: Option<&Label>) -> Result<Served, DialError> {
        // Who cannot be asked at all is not reached by any carrier.
        self.gateway.ensure_info().await?;
        let mut first_error = None;
        for carrier in ladder.climb() {
            match self.dial(carrier, label.cloned()).await {
                Ok(served) => {
                    self.reached(ladder, carrier).await;
                    return Ok(served);
                }
                Err(error) if ladder::may_work_otherwise(&error) => {
                    tracing::debug!(%error, %carrier, "No link by this carrier");
                    ladder.miss(carrier, ladder::obstacle(&error));
                    first_error.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        Err(first_error.unwrap_or(DialError::NotAGateway))
    }

    async fn reached(&self, ladder: &mut Ladder, carrier: Carrier) {
        if let Some(rung) = ladder.reach(carrier) {
            // Nobody listens any more only when everything ends.
            let _ = self.news.send(News::Rung(rung)).await;
        }
    }

    /// Waits, then tries the carriers above this one; returns the first that works, and why the
    /// others do not.
    async fn look_up(
        &self,
        above: &[Carrier],
        after: Duration,
        label: Option<&Label>,
    ) -> (Option<Served>, Vec<(Carrier, Obstacle)>) {
        tokio::select! {
            () = sleep(after) => {}
            // The owner wants to know.
            () = self.signals.retry.notified() => {}
        }
        let mut missed = Vec::new();
        for &carrier in above {
            match self.dial(carrier, label.cloned()).await {
                Ok(served) => return (Some(served), missed),
                Err(error) => missed.push((carrier, ladder::obstacle(&error))),
            }
        }
        (None, missed)
    }

    /// Dials once, by this carrier.
    async fn dial(&self, carrier: Carrier, label: Option<Label>) -> Result<Served, DialError> {
        let dial = async {
            let proof = self.gateway.proof().await?;
            let Approach { gateway, roots, account, invite } = self.gateway.approach.clone();
            let options = DialOptions { gateway, proof, label, roots, account, invite };
            carriers::dial(&options, carrier).await
        };
        let patience = if carrier == Carrier::Xmpp { XMPP_DIAL_TIMEOUT } else { DIAL_TIMEOUT };
        timeout(patience, dial).await.unwrap_or(Err(DialError::TimedOut))
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
    async fn serve(
        &self,
        links: &mut Links,
        ladder: &mut Ladder,
        served: Served,
        label: Option<&Label>,
    ) -> Outcome {
        let carrier = served.carrier();
        let mut team = Team {
            carrier,
            busy: Busy::default(),
            stop: CancellationToken::new(),
            grace: watch::Sender::new(HANDOVER),
            alive: HashSet::new(),
            ended: Vec::new(),
        };
        let mut speed = Speed::of(&served);
        self.join(links, &mut team, served);
        tracing::info!(%carrier, "Link is up");
        let since = SystemTime::now();
        let rate = speed.now();
        let missed = ladder.why_not_better(carrier);
        self.tell(LinkState::Up { carrier, since, missed, rate }).await;
        let mut backoff = Backoff::default();
        let mut pause = Duration::ZERO;
        let slept = slept();
        tokio::pin!(slept);
        let mut busy = team.busy.watch();
        let above = ladder.above(carrier).to_vec();
        let mut look_up = Box::pin(self.look_up(&above, ladder.next_look(), label));
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
                self.dial(carrier, label.cloned()).await
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
                    self.end_all(&team.ended);
                    return Outcome::Slept;
                }
                Some(ended) = links.join_next() => {
                    let Ok((number, end)) = ended else { continue };
                    if !team.alive.remove(&number) {
                        self.front.link_ended(number);
                        continue;
                    }
                    team.ended.push(number);
                    if team.alive.is_empty() {
                        self.end_all(&team.ended);
                        return Outcome::Lost(end);
                    }
                    pause = Duration::ZERO;
                }
                (better, missed) = &mut look_up, if !above.is_empty() => {
                    for (carrier, obstacle) in missed {
                        ladder.miss(carrier, obstacle);
                    }
                    if let Some(better) = better {
                        self.reached(ladder, better.carrier()).await;
                        // What is under way goes on over the old link.
                        team.stop.cancel();
                        self.end_all(&team.ended);
                        return Outcome::Better(Box::new(better));
                    }
                    let (missed, rate) = (ladder.why_not_better(carrier), speed.now());
                    self.tell(LinkState::Up { carrier, since, missed, rate }).await;
                    ladder.look_later();
                    look_up = Box::pin(self.look_up(&above, ladder.next_look(), label));
                }
                rate = speed.changed() => {
                    let (missed, rate) = (ladder.why_not_better(carrier), Some(rate));
                    self.tell(LinkState::Up { carrier, since, missed, rate }).await;
                }
                // Only to compute the size again; a dial under way would begin anew.
                Ok(()) = busy.changed(), if !missing => {}
                dialled = sister, if missing => match dialled {
                    Ok(served) => {
                        backoff.reset();
                        pause = Duration::ZERO;
                        self.join(links, &mut team, served);
                    }
                    Err(error) => {
                        tracing::debug!(%error, "A link for the pool cannot be made now");
                        pause = backoff.next();
                    }
                },
            }
        }
    }

    /// Ends what was under way over links that are gone, once nobody of their team is left to
    /// confirm it.
    fn end_all(&self, links: &[u64]) {
        for link in links {
            self.front.link_ended(*link);
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
            self.front.link_ended(number);
        }
    }

    async fn tell(&self, state: LinkState) {
        // Nobody listens any more only when everything ends.
        let _ = self.news.send(News::Link(state)).await;
    }
}
