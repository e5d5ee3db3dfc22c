//! The loop that owns everything.

mod asks;
mod hand_over;
mod notes;
mod notice;

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use carriers::Carrier;
use crosstalk::proof::PrivateKey;
use tokio::{
    sync::{Notify, broadcast, mpsc, watch},
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep_until, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::hand_over::{Counter, Kept};
use super::{
    Ask, Config,
    goods::Found,
    site::{Disk, Site, Where},
};
use crate::{
    approach::Approach,
    front::{Front, Routes},
    keeper::{Gateway, Keeper, Memory, News, Scope, Signals},
    ledger::{Ledger, Now},
    meter::Meter,
    model::{Event, HandOverId, LinkState, SiteId, Snapshot, TransferRecord},
    names::Wanted,
    notes::{Book, Letterbox},
    store::{Change, Contents, Release, Store},
};

/// How soon a transfer's begin and end are told: at once, and no more than twenty times a second.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// How often what nobody waits for is written: one write to the disk for all of a second.
const KEEP: Duration = Duration::from_secs(1);

/// How often transfers under way are written, so that a crash does not hide them.
const KEEP_RUNNING: Duration = Duration::from_secs(5);

/// How often to look whether the folders are there.
const LOOK_AT_FOLDERS: Duration = Duration::from_secs(3);

/// How long links may take to end; it is a little longer than they take themselves.
const LINKS_END: Duration = Duration::from_secs(2);

/// How much the keeper has to tell at most before it waits: one line for each site and some.
const NEWS: usize = 64;

/// What can happen.
enum Tick {
    Asked(Option<Ask>),
    Folder(SiteId, Disk),
    Heard(Option<(u64, News)>),
    Goods(HandOverId, Found),
    HandOverNews,
    HandOversKept(Kept),
    KeepTime,
    KeepRunningTime,
    LookAtFolders,
    LookAtTransfers,
    NoteNews,
    ReplySent,
    Thrown,
    TransferNews,
}

/// The engine's own state.
pub(super) struct Core {
    key: Arc<PrivateKey>,
    identity: String,
    carrier: Option<Carrier>,
    scope: Scope,
    /// The gateway of now, and how it is reached.
    approach: Approach,
    store: Store,
    meter: Arc<Meter>,
    letterbox: Arc<Letterbox>,
    /// Answers to notes on their way.
    replies: JoinSet<()>,
    counter: Counter,
    sites: Vec<Site>,
    releases: Vec<Release>,
    rungs: Memory,
    paused: bool,
    link: LinkState,
    /// Whether the last thing that listeners heard of the link was that it is up.
    told_up: Option<bool>,
    history: VecDeque<TransferRecord>,
    pending: Vec<Change>,
    /// How much of the history is missing because too much happened, or the disk was too slow.
    left_out: u64,
    routes: watch::Sender<Arc<Routes>>,
    wanted: watch::Sender<Arc<Wanted>>,
    signals: Arc<Signals>,
    snapshots: watch::Sender<Snapshot>,
    events: broadcast::Sender<Event>,
    keepers: TaskTracker,
    keeper_stop: CancellationToken,
    /// News of a keeper before the last `use_gateway` is old.
    keeper_number: u64,
    news: mpsc::Sender<(u64, News)>,
    heard: mpsc::Receiver<(u64, News)>,
    links: Arc<AtomicU64>,
    folders: JoinSet<(SiteId, Disk)>,
    look_at: Option<Instant>,
    looked: Instant,
}

impl Core {
    pub(super) fn new(
        config: Config,
        scope: Scope,
        store: Store,
        contents: Contents,
        snapshots: watch::Sender<Snapshot>,
        events: broadcast::Sender<Event>,
    ) -> Self {
        let mut ledger = Ledger::new(contents.last_transfer);
        let mut sites = Vec::new();
        for mut stored in contents.sites {
            ledger.add_site(stored.id.clone(), std::mem::take(&mut stored.visitors));
            sites.push(Site::new(stored, Disk::Unknown));
        }
        let (news, heard) = mpsc::channel(NEWS);
        let key = Arc::new(config.key);
        Self {
            identity: key.public().to_string(),
            key,
            carrier: config.carrier,
            scope,
            approach: Approach {
                gateway: config.gateway,
                roots: config.roots,
                account: config.account,
                invite: config.invite,
            },
            store,
            meter: Arc::new(Meter::new(ledger)),
            letterbox: Arc::new(Letterbox::new(Book::new(contents.notes, contents.blocked))),
            replies: JoinSet::new(),
            counter: Counter::new(contents.hand_overs, contents.desks, contents.paused),
            sites,
            releases: contents.releases,
            rungs: Memory::new(contents.rungs),
            paused: contents.paused,
            link: LinkState::Dialling,
            told_up: None,
            history: contents.history.into(),
            pending: Vec::new(),
            left_out: 0,
            routes: watch::Sender::new(Arc::default()),
            wanted: watch::Sender::new(Arc::default()),
            signals: Arc::new(Signals { retry: Notify::new(), links: watch::Sender::new(0) }),
            snapshots,
            events,
            keepers: TaskTracker::new(),
            keeper_stop: CancellationToken::new(),
            keeper_number: 0,
            news,
            heard,
            links: Arc::new(AtomicU64::new(1)),
            folders: JoinSet::new(),
            look_at: None,
            looked: Instant::now(),
        }
    }

    pub(super) async fn run(mut self, mut asks: mpsc::Receiver<Ask>) {
        self.start_keeper();
        let mut keep = ticks(KEEP);
        let mut keep_running = ticks(KEEP_RUNNING);
        let mut look_at_folders = ticks(LOOK_AT_FOLDERS);
        let (meter, letterbox) = (Arc::clone(&self.meter), Arc::clone(&self.letterbox));
        let desk = Arc::clone(&self.counter.desk);
        loop {
            let look = async {
                match self.look_at {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let tick = tokio::select! {
                biased;
                ask = asks.recv() => Tick::Asked(ask),
                () = look => Tick::LookAtTransfers,
                news = self.heard.recv() => Tick::Heard(news),
                Some(Ok((site, disk))) = self.folders.join_next() => Tick::Folder(site, disk),
                () = meter.news() => Tick::TransferNews,
                () = desk.meter.news() => Tick::TransferNews,
                () = desk.news() => Tick::HandOverNews,
                Some(Ok((id, found))) = self.counter.looking.join_next() => {
                    Tick::Goods(id, found)
                }
                Some(Ok(kept)) = self.counter.keeping.join_next() => Tick::HandOversKept(kept),
                Some(_) = self.counter.throwing.join_next() => Tick::Thrown,
                () = letterbox.news() => Tick::NoteNews,
                Some(_) = self.replies.join_next() => Tick::ReplySent,
                _ = keep.tick() => Tick::KeepTime,
                _ = keep_running.tick() => Tick::KeepRunningTime,
                _ = look_at_folders.tick() => Tick::LookAtFolders,
            };
            match tick {
                Tick::Asked(None | Some(Ask::Shutdown)) => break,
                Tick::Asked(Some(ask)) => self.asked(ask).await,
                Tick::Folder(site, disk) => self.found(&site, disk),
                Tick::Heard(Some((keeper, news))) if keeper == self.keeper_number => {
                    self.heard(news);
                }
                Tick::Heard(_) => {}
                Tick::Goods(id, found) => self.found_goods(id, found),
                Tick::HandOverNews => self.look_at_hand_overs(),
                Tick::HandOversKept(kept) => self.hand_overs_kept(kept),
                Tick::KeepTime => {
                    self.keep_soon();
                    self.expire_hand_overs();
                }
                Tick::KeepRunningTime => {
                    self.keep_running();
                    self.keep_running_hand_overs();
                }
                Tick::LookAtFolders => {
                    self.look_at_folders();
                    self.look_at_goods();
                }
                Tick::LookAtTransfers => self.look_at_transfers(),
                Tick::NoteNews => self.look_at_notes(),
                Tick::ReplySent | Tick::Thrown => {}
                Tick::TransferNews => {
                    let at = (self.looked + LOOK_AGAIN).max(Instant::now());
                    self.look_at = Some(self.look_at.map_or(at, |planned| planned.min(at)));
                }
            }
        }
        self.end(asks).await;
    }

    fn make(&mut self, id: &SiteId, make: impl FnOnce(&mut Site)) {
        if let Some(site) = self.sites.iter_mut().find(|site| site.id() == id) {
            make(site);
        }
    }

    fn site(&self, id: &SiteId) -> Option<&Site> {
        self.sites.iter().find(|site| site.id() == id)
    }

    /// Ends the keeper, if there is one, and starts one for the gateway of now.
    fn start_keeper(&mut self) {
        self.keeper_stop.cancel();
        self.keeper_stop = CancellationToken::new();
        self.keeper_number += 1;
        let number = self.keeper_number;
        self.place_desk();
        self.update_wanted();
        self.update_routes();
        let (tell, mut told) = mpsc::channel(NEWS);
        let keeper = Keeper {
            gateway: Gateway::new(self.approach.clone(), Arc::clone(&self.key)),
            scope: self.scope,
            front: Front {
                routes: self.routes.subscribe(),
                meter: Arc::clone(&self.meter),
                letterbox: Arc::clone(&self.letterbox),
                desk: Arc::clone(&self.counter.desk),
            },
            wanted: self.wanted.subscribe(),
            carrier: self.carrier,
            rungs: self.rungs.clone(),
            signals: Arc::clone(&self.signals),
            news: tell,
            numbers: Arc::clone(&self.links),
            stop: self.keeper_stop.clone(),
        };
        let news = self.news.clone();
        self.keepers.spawn(async move {
            let pass_on = async {
                while let Some(what) = told.recv().await {
                    // Nobody listens any more only when everything ends.
                    if news.send((number, what)).await.is_err() {
                        return;
                    }
                }
            };
            tokio::join!(keeper.run(), pass_on);
        });
    }

    /// Tells everybody about a change of state.
    pub(super) fn changed(&self) {
        self.update_wanted();
        self.update_routes();
        self.show();
    }

    fn update_wanted(&self) {
        let gateway = self.approach.gateway.origin();
        let at = Where { gateway: &gateway, identity: &self.identity };
        let sites = self.sites.iter().map(|site| site.wanted(&at));
        let wanted = Wanted {
            names: sites.chain(self.counter.wanted(&at)).collect(),
            releases: self
                .releases
                .iter()
                .filter(|release| release.gateway == gateway && release.identity == self.identity)
                .cloned()
                .collect(),
        };
        self.wanted.send_if_modified(|current| {
            let is_new = **current != wanted;
            if is_new {
                *current = Arc::new(wanted);
            }
            is_new
        });
    }

    fn update_routes(&self) {
        let gateway = self.approach.gateway.origin();
        let at = Where { gateway: &gateway, identity: &self.identity };
        let places = self.sites.iter().filter_map(|site| site.place(&at, self.paused));
        self.routes.send_replace(Arc::new(places.collect()));
    }

    /// Cuts what is under way, ends the links, and keeps everything.
    async fn end(mut self, mut asks: mpsc::Receiver<Ask>) {
        asks.close();
        self.meter.ledger().stop_all(None, Now::read());
        self.counter.stop_all(Now::read());
        self.keeper_stop.cancel();
        self.keepers.close();
        // Someone must go on listening while the keepers end.
        let (keepers, heard) = (self.keepers.clone(), &mut self.heard);
        let ended = async {
            let ignore = async { while heard.recv().await.is_some() {} };
            tokio::select! {
                () = keepers.wait() => {}
                () = ignore => {}
            }
        };
        if timeout(LINKS_END, ended).await.is_err() {
            tracing::debug!("The links did not end in time");
        }
        self.meter.ledger().quit(Now::read());
        self.look_at_transfers();
        let mut rest = std::mem::take(&mut self.pending);
        rest.extend(self.counter.quit(&self.store, Now::read()).await);
        let keep = async {
            if !rest.is_empty()
                && let Err(error) = self.store.apply(rest).await
            {
                tracing::warn!(%error, "The end of the history cannot be kept");
            }
            self.store.close().await;
        };
        if timeout(LINKS_END, keep).await.is_err() {
            tracing::warn!("The disk does not answer; the end of the history may be lost");
        }
    }
}

fn ticks(every: Duration) -> tokio::time::Interval {
    let mut ticks = interval(every);
    // After a pause one look is enough.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

#[cfg(test)]
mod tests;
