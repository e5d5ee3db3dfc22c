//! Holds the names of the sites and of the desk at a gateway: claims them, claims them again after the gateway was
//! away, and gives back those of removed sites.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, SystemTime},
};

use carriers::DialError;
use crosstalk::{
    label::Label,
    registry::{GatewayInfo, Reason},
};
use tokio::{
    sync::{mpsc, watch},
    time::sleep,
};

use crate::{
    backoff::Backoff,
    fault::{GatewayFault, LinkFault},
    keeper::{self, Gateway, News, Signals},
    model::{HandOverTrouble, LinkTrouble, SiteId, SiteTrouble},
    naming,
    registry::{self, Registry},
    store::Release,
};

/// How many names are tried for a new site before the gateway gets some rest. With a random ending
/// of 28^5 the second one hardly ever happens.
const MAX_TRIES: usize = 5;

/// How long to leave a gateway alone that does not want us. The owner can ask sooner.
const SELDOM: Duration = Duration::from_secs(10 * 60);

/// What should be held at a gateway.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) names: Vec<WantedName>,
    pub(crate) releases: Vec<Release>,
}

/// What a name is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Whose {
    /// All that is handed over.
    Desk,
    Site(SiteId),
}

/// Something that wants a name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WantedName {
    pub(crate) whose: Whose,
    pub(crate) title: String,
    /// The name to ask for first.
    pub(crate) label: Label,
    /// Whether the links that people have depend on this very name.
    pub(crate) settled: bool,
}

/// How far the name is that a link for one site waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum First {
    /// It cannot be had now.
    Failed {
        trouble: LinkTrouble,
        /// After which wait it is asked for again; `None` when the owner has to do something.
        again_in: Option<Duration>,
    },
    /// The gateway gave it.
    Held(Label),
    #[default]
    Unknown,
}

/// What a pass over the wanted names left to do.
#[derive(Debug, PartialEq, Eq)]
enum Left {
    /// Nothing.
    Nothing,
    /// Something that may work later.
    Later,
}

/// Keeps the names until the future is dropped.
pub(crate) async fn keep(
    gateway: &Gateway,
    mut wanted: watch::Receiver<Arc<Wanted>>,
    signals: &Signals,
    news: &mpsc::Sender<News>,
    first: &watch::Sender<First>,
) {
    let mut backoff = Backoff::default();
    let mut links = signals.links.subscribe();
    let mut done = Done::default();
    loop {
        let now = Arc::clone(&wanted.borrow_and_update());
        let generation = *links.borrow_and_update();
        if done.generation != generation {
            // The gateway was away: it may be a new one that never heard of us.
            done = Done { generation, ..Done::default() };
        }
        done.held.retain(|(whose, _)| now.names.iter().any(|name| name.whose == *whose));
        let retry = signals.retry.notified();
        let pause = match pass(gateway, &now, &mut done, news, first).await {
            Ok(Left::Later) => Some(backoff.next()),
            Ok(Left::Nothing) => {
                backoff.reset();
                None
            }
            Err(error) => {
                tracing::debug!(%error, "The names cannot be claimed now");
                gateway.forget_info();
                let heals = error.is_worth_retrying();
                // What the gateway refuses as a whole is refused again, so ask it seldom.
                let pause = if heals { backoff.next() } else { SELDOM };
                let trouble = keeper::trouble(&error, gateway.address());
                fail(first, trouble, heals.then_some(pause));
                Some(pause)
            }
        };
        let rest = async {
            match pause {
                Some(pause) => sleep(pause).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = wanted.changed() => if changed.is_err() { return },
            changed = links.changed() => if changed.is_err() { return },
            () = retry => done.refused.clear(),
            () = rest => {}
        }
    }
}

/// What was settled already.
#[derive(Debug, Default)]
struct Done {
    generation: u64,
    /// Names that the gateway gave us.
    held: HashSet<(Whose, Label)>,
    /// Those that it refused, by what was asked for first; only the owner can change that.
    refused: HashSet<(Whose, Label)>,
}

async fn pass(
    gateway: &Gateway,
    wanted: &Wanted,
    done: &mut Done,
    news: &mpsc::Sender<News>,
    first: &watch::Sender<First>,
) -> Result<Left, DialError> {
    let is_open = |name: &&WantedName| {
        !done.refused.contains(&(name.whose.clone(), name.label.clone()))
            && !done.held.iter().any(|(whose, _)| *whose == name.whose)
    };
    let open: Vec<&WantedName> = wanted.names.iter().filter(is_open).collect();
    if open.is_empty() && wanted.releases.is_empty() {
        return Ok(Left::Nothing);
    }
    let mut registry = Registry::connect(&gateway.approach).await?;
    let info = gateway.info(&mut registry).await?;
    let mut left = Left::Nothing;
    for name in open {
        match claim(gateway, &info, &mut registry, name).await? {
            Answer::Held { label, origin } => {
                done.held.insert((name.whose.clone(), label.clone()));
                first.send_replace(First::Held(label.clone()));
                tell(news, News::Named { whose: name.whose.clone(), label, origin }).await;
            }
            Answer::Refused { trouble, heals } => {
                if heals {
                    left = Left::Later;
                } else {
                    done.refused.insert((name.whose.clone(), name.label.clone()));
                }
                let of_desk = || HandOverTrouble::of_desk(&trouble).map(GatewayFault::Desk);
                let refused = match &name.whose {
                    Whose::Desk => of_desk(),
                    Whose::Site(_) => None,
                };
                let refused = refused.unwrap_or_else(|| GatewayFault::Name(trouble.clone()));
                let fault = LinkFault::Gateway(gateway.address().clone(), refused);
                let of_all = LinkTrouble { fault, heals, of_account: false };
                fail(first, of_all, heals.then_some(Duration::ZERO));
                tell(news, News::Trouble { whose: name.whose.clone(), trouble }).await;
            }
        }
    }
    for release in &wanted.releases {
        let proof = gateway.key.prove(&info.origin, SystemTime::now());
        match registry.release(&release.label, &proof).await {
            Ok(()) => tell(news, News::Released(release.clone())).await,
            // Not ours to give back (any more): asking again would not change that.
            Err(DialError::Refused { refused, .. }) if !may_change(refused.reason) => {
                tell(news, News::Released(release.clone())).await;
            }
            Err(DialError::Refused { .. }) => left = Left::Later,
            Err(error) => return Err(error),
        }
    }
    Ok(left)
}

/// What the gateway said to a claim.
enum Answer {
    Held { label: Label, origin: String },
    Refused { trouble: SiteTrouble, heals: bool },
}

async fn claim(
    gateway: &Gateway,
    info: &GatewayInfo,
    registry: &mut Registry,
    name: &WantedName,
) -> Result<Answer, DialError> {
    let mut label = name.label.clone();
    for _ in 0..MAX_TRIES {
        let proof = gateway.key.prove(&info.origin, SystemTime::now());
        match registry.claim(&label, &proof).await {
            Ok(claimed) => return Ok(Answer::Held { label, origin: claimed.origin }),
            Err(DialError::Refused { refused, .. }) => match refused.reason {
                Reason::Taken if name.settled => {
                    return Ok(Answer::Refused { trouble: SiteTrouble::NameTaken, heals: false });
                }
                Reason::Taken => label = naming::label(&name.title),
                reason @ (Reason::BadRequest
                | Reason::Busy
                | Reason::NotAdmitted
                | Reason::NotFound
                | Reason::ProofMissing
                | Reason::ProofRefused
                | Reason::Unknown
                | Reason::UpgradeRequired) => {
                    let trouble = SiteTrouble::Refused(registry::printable(&refused.sentence));
                    let heals = may_change(reason);
                    if heals {
                        gateway.forget_info();
                    }
                    return Ok(Answer::Refused { trouble, heals });
                }
            },
            Err(error) => return Err(error),
        }
    }
    Ok(Answer::Refused { trouble: SiteTrouble::NameTaken, heals: true })
}

/// Notes why there is no name, unless there is one.
fn fail(first: &watch::Sender<First>, trouble: LinkTrouble, again_in: Option<Duration>) {
    first.send_if_modified(|first| {
        let waits = !matches!(first, First::Held(_));
        if waits {
            *first = First::Failed { trouble, again_in };
        }
        waits
    });
}

/// Returns whether the same question may get another answer without anyone doing anything.
fn may_change(reason: Reason) -> bool {
    match reason {
        // A proof is refused when the clocks differ, and clocks are set right by themselves.
        Reason::Busy | Reason::ProofRefused => true,
        Reason::BadRequest
        | Reason::NotAdmitted
        | Reason::NotFound
        | Reason::ProofMissing
        | Reason::Taken
        | Reason::Unknown
        | Reason::UpgradeRequired => false,
    }
}

/// Waits for room: news are few, and the engine always reads on.
async fn tell(news: &mpsc::Sender<News>, what: News) {
    // Nobody listens any more only when everything ends.
    let _ = news.send(what).await;
}
