//! The live links, and which of them a visitor gets.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use carriers::{Link, LinkEnd, Place};
use crosstalk::{label::Label, proof::PublicKey};
use futures_util::future::select_all;
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    addresses::Turn,
    limits,
    receipts::{Reporter, Ticket},
};

/// All links of a gateway. Cheap to clone.
///
/// A peer that has a berth but no link is about to come, or was here a moment ago; its visitors wait
/// for it a little.
#[derive(Clone)]
pub(crate) struct Links {
    peers: Arc<Mutex<HashMap<PublicKey, Peer>>>,
    berths: Arc<Semaphore>,
    tasks: TaskTracker,
    /// The tasks that send receipts.
    reports: TaskTracker,
    /// Cancelled when links have to end now.
    cut: CancellationToken,
}

/// The links of one identity.
struct Peer {
    /// From the oldest to the newest.
    links: VecDeque<Arc<PeerLink>>,
    /// How many links are there or about to come.
    berths: usize,
    /// How many visitors wait for room or for the peer's comeback.
    waiting: usize,
    /// Told when a link comes.
    came: Arc<Notify>,
    hand_overs: Arc<Semaphore>,
}

impl Default for Peer {
    fn default() -> Self {
        Self {
            links: VecDeque::new(),
            berths: 0,
            waiting: 0,
            came: Arc::default(),
            hand_overs: Arc::new(Semaphore::new(limits::HAND_OVERS_PER_OWNER)),
        }
    }
}

/// One link of a peer.
pub(crate) struct PeerLink {
    link: Link,
    /// The one name that the link carries; `None` carries all names of the identity.
    label: Option<Label>,
    transactions: AtomicU64,
    reporter: Reporter,
    /// Of which its identity has so many, over all its links.
    hand_overs: Arc<Semaphore>,
}

/// Why a visitor gets no place on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoPlace {
    /// The peer has no link.
    Away,
    /// All its links are full, and too many wait already or this one waited for too long.
    Busy,
}

/// The right to one of the gateway's links. From here on visitors wait for its peer.
pub(crate) struct Berth {
    links: Links,
    key: PublicKey,
    _permit: OwnedSemaphorePermit,
    _turn: Turn,
}

/// What the links of a peer say to a visitor right now.
enum Look {
    Place(Arc<PeerLink>, Place),
    AllBusy(Vec<Arc<PeerLink>>),
    GoneForNow(Arc<Notify>),
}

impl PeerLink {
    /// Returns the number of the next transaction.
    pub(crate) fn next_transaction(&self) -> u64 {
        self.transactions.fetch_add(1, Ordering::Relaxed)
    }

    /// Begins to send receipts of a transaction.
    pub(crate) fn ticket(&self, transaction: u64) -> Ticket {
        self.reporter.begin(transaction)
    }

    /// Takes one of the identity's turns to hand something over; `None` when none is left.
    pub(crate) fn hand_over(&self) -> Option<OwnedSemaphorePermit> {
        self.hand_overs.clone().try_acquire_owned().ok()
    }

    fn carries(&self, label: &Label) -> bool {
        self.label.as_ref().is_none_or(|own| own == label)
    }
}

impl Links {
    pub(crate) fn new(tasks: TaskTracker) -> Self {
        let berths = Arc::new(Semaphore::new(limits::MAX_LINKS));
        let (reports, cut) = (TaskTracker::new(), CancellationToken::new());
        Self { peers: Arc::default(), berths, tasks, reports, cut }
    }

    fn peers(&self) -> MutexGuard<'_, HashMap<PublicKey, Peer>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for the right to one more link of this peer, which is one of its address's.
    pub(crate) fn berth(&self, key: PublicKey, turn: Turn) -> Option<Berth> {
        let permit = self.berths.clone().try_acquire_owned().ok()?;
        self.peers().entry(key).or_default().berths += 1;
        Some(Berth { links: self.clone(), key, _permit: permit, _turn: turn })
    }

    /// Serves a link until it ends: from now on visitors get places on it.
    pub(crate) async fn hold(&self, berth: Berth, label: Option<Label>, link: Link) -> LinkEnd {
        let key = berth.key;
        let added = self.add(key, label, link.clone());
        let end = match self.cut.run_until_cancelled(link.ended()).await {
            Some(end) => end,
            None => {
                link.close();
                link.ended().await
            }
        };
        drop(link);
        if self.remove(&key, &added) {
            drop(added);
            // Visitors who come meanwhile find the peer still known, and wait for it.
            let comeback = tokio::time::sleep(limits::COMEBACK_TIMEOUT);
            self.cut.run_until_cancelled(comeback).await;
        }
        drop(berth);
        end
    }

    fn add(&self, key: PublicKey, label: Option<Label>, link: Link) -> Arc<PeerLink> {
        let reporter = Reporter::new(link.clone(), self.reports.clone());
        let transactions = AtomicU64::new(1);
        let mut peers = self.peers();
        let peer = peers.entry(key).or_default();
        let hand_overs = peer.hand_overs.clone();
        let added = Arc::new(PeerLink { link, label, transactions, reporter, hand_overs });
        peer.links.push_back(added.clone());
        let carrier = added.link.carrier();
        let most = if carrier.multiplexes() {
            limits::LINKS_PER_PEER
        } else {
            limits::SINGLE_LINKS_PER_PEER
        };
        let same =
            |link: &Arc<PeerLink>| link.label == added.label && link.link.carrier() == carrier;
        if peer.links.iter().filter(|link| same(link)).count() > most
            && let Some(oldest) = peer.links.iter().position(same)
            && let Some(oldest) = peer.links.remove(oldest)
        {
            self.retire(oldest.link.clone());
        }
        peer.came.notify_waiters();
        added
    }

    /// Lets a link finish what it carries, for a limited time.
    fn retire(&self, link: Link) {
        link.drain();
        let cut = self.cut.clone();
        self.tasks.spawn(async move {
            let drained = timeout(limits::DRAIN_GRACE, link.ended());
            if !matches!(cut.run_until_cancelled(drained).await, Some(Ok(_))) {
                link.close();
            }
        });
    }

    /// Removes a link that ended, and returns whether it was the last of its peer.
    fn remove(&self, key: &PublicKey, ended: &Arc<PeerLink>) -> bool {
        let mut peers = self.peers();
        let Some(peer) = peers.get_mut(key) else { return false };
        peer.links.retain(|link| !Arc::ptr_eq(link, ended));
        peer.links.is_empty()
    }

    fn forget_if_gone(&self, key: &PublicKey) {
        let mut peers = self.peers();
        if peers.get(key).is_some_and(|peer| peer.berths == 0 && peer.waiting == 0) {
            peers.remove(key);
        }
    }

    /// Ends the links that carry only this name.
    pub(crate) fn release(&self, key: &PublicKey, label: &Label) {
        let mut released = Vec::new();
        if let Some(peer) = self.peers().get_mut(key) {
            peer.links.retain(|link| {
                let is_released = link.label.as_ref() == Some(label);
                if is_released {
                    released.push(link.link.clone());
                }
                !is_released
            });
        }
        for link in released {
            self.retire(link);
        }
    }

    /// Takes a place for a visitor; waits for one when all are taken, if not too many wait.
    pub(crate) async fn place(
        &self,
        key: &PublicKey,
        label: &Label,
    ) -> Result<(Arc<PeerLink>, Place), NoPlace> {
        if let Look::Place(link, place) = self.look(key, label)? {
            return Ok((link, place));
        }
        let _waiting = self.wait_in_line(key)?;
        let wait = timeout(limits::ROOM_TIMEOUT, self.wait_for_place(key, label));
        wait.await.unwrap_or(Err(NoPlace::Busy))
    }

    async fn wait_for_place(
        &self,
        key: &PublicKey,
        label: &Label,
    ) -> Result<(Arc<PeerLink>, Place), NoPlace> {
        loop {
            match self.look(key, label)? {
                Look::Place(link, place) => return Ok((link, place)),
                Look::AllBusy(links) => {
                    let places = links.iter().map(|link| Box::pin(link.link.reserve()));
                    let (place, index, _) = select_all(places).await;
                    if let Ok(place) = place {
                        return Ok((links[index].clone(), place));
                    }
                    // The link closed while we waited. It is taken off the list by the task that
                    // holds it, which needs a turn.
                    tokio::task::yield_now().await;
                }
                Look::GoneForNow(came) => {
                    let came = came.notified();
                    tokio::pin!(came);
                    came.as_mut().enable();
                    // It may have come before we listened.
                    if let Look::GoneForNow(_) = self.look(key, label)?
                        && timeout(limits::COMEBACK_TIMEOUT, came).await.is_err()
                    {
                        return Err(NoPlace::Away);
                    }
                }
            }
        }
    }

    fn look(&self, key: &PublicKey, label: &Label) -> Result<Look, NoPlace> {
        let peers = self.peers();
        let peer = peers.get(key).ok_or(NoPlace::Away)?;
        let open = || peer.links.iter().filter(|link| link.carries(label) && link.link.is_open());
        // The emptiest link first, so that one slow link does not collect all visitors.
        if let Some(link) = open().max_by_key(|link| link.link.room())
            && let Ok(place) = link.link.try_reserve()
        {
            return Ok(Look::Place(link.clone(), place));
        }
        let busy: Vec<_> = open().cloned().collect();
        Ok(if busy.is_empty() { Look::GoneForNow(peer.came.clone()) } else { Look::AllBusy(busy) })
    }

    /// Returns a link for control transactions about a site: the one with the most room, since on some
    /// carriers they need a visitor's place.
    pub(crate) fn control(&self, key: &PublicKey, label: &Label) -> Option<Link> {
        let peers = self.peers();
        let links = peers.get(key)?.links.iter();
        let open = links.filter(|link| link.carries(label) && link.link.is_open());
        open.max_by_key(|link| link.link.room()).map(|link| link.link.clone())
    }

    fn wait_in_line<'a>(&'a self, key: &'a PublicKey) -> Result<Waiting<'a>, NoPlace> {
        let mut peers = self.peers();
        let peer = peers.get_mut(key).ok_or(NoPlace::Away)?;
        if peer.waiting >= limits::MAX_WAITING {
            return Err(NoPlace::Busy);
        }
        peer.waiting += 1;
        Ok(Waiting { links: self, key })
    }

    /// Ends all links: first the last receipts leave, then the links drain, then they are cut.
    pub(crate) async fn stop(&self) {
        self.reports.close();
        if timeout(limits::LINK_GRACE, self.reports.wait()).await.is_err() {
            tracing::debug!("Some receipts could not be sent in time");
        }
        // No new link comes any more, as the visitors' connections are gone, where links begin.
        let links: Vec<Link> = {
            let peers = self.peers();
            peers.values().flat_map(|peer| &peer.links).map(|link| link.link.clone()).collect()
        };
        for link in &links {
            link.drain();
        }
        let ended = async {
            for link in &links {
                link.ended().await;
            }
        };
        if timeout(limits::LINK_GRACE, ended).await.is_err() {
            tracing::debug!("Some links did not end in time");
        }
        self.cut.cancel();
    }
}

impl Berth {
    /// Returns whose it is.
    pub(crate) fn key(&self) -> PublicKey {
        self.key
    }
}

impl Drop for Berth {
    fn drop(&mut self) {
        if let Some(peer) = self.links.peers().get_mut(&self.key) {
            peer.berths -= 1;
        }
        self.links.forget_if_gone(&self.key);
    }
}

/// A visitor in the line of a peer, until this is dropped.
struct Waiting<'a> {
    links: &'a Links,
    key: &'a PublicKey,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(peer) = self.links.peers().get_mut(self.key) {
            peer.waiting -= 1;
        }
        self.links.forget_if_gone(self.key);
    }
}
