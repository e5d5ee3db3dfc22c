//! The book of transfers: what was handed to the link, what the visitor's connection took, and how
//! each one ended. It does no IO and asks no clock.
//!
//! How a transfer ends:
//!
//! | what is known | end |
//! | --- | --- |
//! | the final receipt says complete, and all bytes were delivered | complete |
//! | the final receipt says cut, or the body was dropped on a living link | cut by the visitor |
//! | the owner stopped it | cut by the owner, unless the receipt says that all had arrived |
//! | the site's body ended with an error | cut by the file |
//! | the link ended | cut by the connection, unless all bytes were delivered |
//! | everything was handed over and no receipt ever came | unconfirmed |
//!
//! A gateway that does not number its transactions sends no receipts: its transfers end as
//! unconfirmed with nothing delivered, as nobody knows better.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::Waker,
    time::{Duration, Instant, SystemTime},
};

use crosstalk::control::{Receipt, ReceiptState, Receipts};
use futures_util::task::AtomicWaker;

use crate::{
    model::{Ended, SiteId, TransferEnd, TransferId, TransferRecord, TransferState},
    rate::Rate,
    store::{MAX_VISITORS, VisitorKey},
};

/// How many transfers are followed at once. More are answered all the same, and only counted: a
/// gateway carries at most 256 at a time over one link, so this leaves room for many that wait for
/// their last receipt.
pub(crate) const MAX_UNDER_WAY: usize = 4096;

/// How much may happen between two looks of the engine (a quarter of a second). What is beyond is
/// counted and not recorded.
const MAX_HAPPENINGS: usize = 16_384;

/// How long to wait for the last receipt of a transfer that was cut. The gateway knows of it by
/// then and sends receipts every quarter of a second.
const CUT_SETTLES: Duration = Duration::from_secs(5);

/// The same when the owner asked: the window shows the end within a second.
const STOP_SETTLES: Duration = Duration::from_millis(500);

/// How long to wait for the first receipt after everything was handed over. Over reversed HTTP/1.1
/// it comes only when a slow visitor has taken what the systems on the way had room for.
const FIRST_RECEIPT: Duration = Duration::from_secs(2 * 60);

/// How long to wait for the next receipt after everything was handed over and some came: a visitor
/// may stall for minutes on the last bytes, and the gateway cuts it in the end.
const NEXT_RECEIPT: Duration = Duration::from_secs(10 * 60);

/// One moment, by both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    pub(crate) monotonic: Instant,
    pub(crate) wall: SystemTime,
}

impl Now {
    pub(crate) fn read() -> Self {
        Self { monotonic: Instant::now(), wall: SystemTime::now() }
    }
}

/// A transfer that begins.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    /// Over which link.
    pub(crate) link: u64,
    /// The gateway's number, if it sends receipts.
    pub(crate) transaction: Option<u64>,
    pub(crate) site: SiteId,
    pub(crate) site_name: Arc<str>,
    pub(crate) file: String,
    pub(crate) visitor: Option<IpAddr>,
    pub(crate) agent: String,
    pub(crate) size: u64,
}

/// What a body and the book share.
#[derive(Debug)]
pub(crate) struct Flow {
    pub(crate) id: TransferId,
    /// How many bytes there are.
    pub(crate) size: u64,
    sent: AtomicU64,
    stopped: AtomicBool,
    /// Whether the gateway saw only what its own connection took, not what the visitor's program read.
    only_taken: AtomicBool,
    waker: AtomicWaker,
}

impl Flow {
    /// Notes bytes that were handed to the link.
    pub(crate) fn add(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Returns how many bytes were handed to the link.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Returns whether the gateway said that it saw only what its own connection took.
    pub(crate) fn is_only_taken(&self) -> bool {
        self.only_taken.load(Ordering::Relaxed)
    }

    /// Returns whether the owner stopped the transfer, and wakes this task when she does.
    pub(crate) fn is_stopped(&self, waker: &Waker) -> bool {
        self.waker.register(waker);
        self.stopped.load(Ordering::Acquire)
    }

    fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.waker.wake();
    }
}

/// How a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyEnd {
    /// Nobody wanted the rest.
    Dropped,
    /// The site could not go on.
    Failed,
    /// All of it was handed to the link.
    Whole,
}

/// What the engine has to tell and to keep.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Happening {
    /// A transfer is over.
    Ended(TransferRecord),
    /// A transfer began; the second is the site's title.
    Started(TransferState),
    /// Somebody was here for the first time; `first` when nobody was before.
    Visitor { site: SiteId, key: VisitorKey, first: bool },
}

#[derive(Debug)]
struct Entry {
    start: Start,
    flow: Arc<Flow>,
    since: SystemTime,
    delivered: u64,
    rate: Rate,
    body: Option<(BodyEnd, Instant)>,
    stopped: Option<Instant>,
    receipt: Option<Instant>,
}

/// The book.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    under_way: BTreeMap<TransferId, Entry>,
    numbers: HashMap<(u64, u64), TransferId>,
    visitors: HashMap<SiteId, HashSet<VisitorKey>>,
    happenings: Vec<Happening>,
    last: i64,
    missed: u64,
}

impl Ledger {
    /// Opens the book after this transfer.
    pub(crate) fn new(last: i64) -> Self {
        Self { last, ..Self::default() }
    }

    /// Makes room for the visitors of a site.
    pub(crate) fn add_site(&mut self, site: SiteId, visitors: HashSet<VisitorKey>) {
        self.visitors.insert(site, visitors);
    }

    /// Forgets the visitors of a site.
    pub(crate) fn remove_site(&mut self, site: &SiteId) {
        self.visitors.remove(site);
    }

    /// Returns how many visitors a site had.
    pub(crate) fn visitors(&self, site: &SiteId) -> u32 {
        let count = self.visitors.get(site).map_or(0, HashSet::len);
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Notes that somebody was let in and got something. Returns whether that is news.
    pub(crate) fn visit(&mut self, site: &SiteId, visitor: Option<IpAddr>) -> bool {
        let key = VisitorKey::new(visitor);
        // The site may have been removed a moment ago.
        let Some(visitors) = self.visitors.get_mut(site) else { return false };
        if visitors.len() >= MAX_VISITORS || !visitors.insert(key) {
            return false;
        }
        let first = visitors.len() == 1;
        self.happened(Happening::Visitor { site: site.clone(), key, first });
        true
    }

    /// Begins to follow a transfer, if there is room.
    pub(crate) fn begin(&mut self, start: Start, now: Now) -> Option<Arc<Flow>> {
        if self.under_way.len() >= MAX_UNDER_WAY {
            self.missed += 1;
            return None;
        }
        self.last += 1;
        let id = TransferId(self.last);
        let flow = Arc::new(Flow {
            id,
            size: start.size,
            sent: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
            only_taken: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        });
        if let Some(transaction) = start.transaction {
            self.numbers.insert((start.link, transaction), id);
        }
        let entry = Entry {
            start,
            flow: Arc::clone(&flow),
            since: now.wall,
            delivered: 0,
            rate: Rate::new(0, now.monotonic),
            body: None,
            stopped: None,
            receipt: None,
        };
        self.happened(Happening::Started(entry.state(now)));
        self.under_way.insert(id, entry);
        Some(flow)
    }

    /// Notes how a body ended.
    pub(crate) fn body_ended(&mut self, id: TransferId, end: BodyEnd, now: Now) {
        let Some(entry) = self.under_way.get_mut(&id) else { return };
        entry.body = Some((end, now.monotonic));
        if entry.start.transaction.is_none() {
            // No receipt will come: there is nothing to wait for.
            let end = entry.cut_by_itself().map_or(Ended::Unconfirmed, |cut| cut);
            self.finish(id, TransferEnd::Cut(end), now);
        }
    }

    /// Takes the gateway's word, which came over this link.
    pub(crate) fn receipts(&mut self, link: u64, receipts: &Receipts, now: Now) {
        for receipt in &receipts.receipts {
            // Numbers count within a link.
            if let Some(id) = self.numbers.get(&(link, receipt.transaction)) {
                self.receipt(*id, *receipt, now);
            }
        }
    }

    /// Ends what was under way over this link.
    pub(crate) fn link_ended(&mut self, link: u64, now: Now) {
        self.finish_all(now, |entry| {
            (entry.start.link == link).then(|| match entry.cut_by_itself() {
                Some(Ended::Visitor) | None if entry.is_delivered() => TransferEnd::Complete,
                Some(end @ (Ended::File | Ended::Owner)) => TransferEnd::Cut(end),
                // Bodies are dropped when a link breaks: that was not the visitor.
                Some(_) | None => TransferEnd::Cut(Ended::Connection),
            })
        });
    }

    /// Cuts a transfer.
    pub(crate) fn stop(&mut self, id: TransferId, now: Now) {
        if let Some(entry) = self.under_way.get_mut(&id) {
            entry.stop(now);
        }
    }

    /// Cuts the transfers of one site, or all.
    pub(crate) fn stop_all(&mut self, site: Option<&SiteId>, now: Now) {
        for entry in self.under_way.values_mut() {
            if site.is_none_or(|site| entry.start.site == *site) {
                entry.stop(now);
            }
        }
    }

    /// Ends at once what is still under way, as the owner quits.
    pub(crate) fn quit(&mut self, now: Now) {
        self.stop_all(None, now);
        self.finish_all(now, |_| Some(TransferEnd::Cut(Ended::Owner)));
    }

    /// Gives up waiting where it took too long.
    pub(crate) fn handle_timeout(&mut self, now: Now) {
        self.finish_all(now, |entry| entry.overdue(now.monotonic).map(TransferEnd::Cut));
    }

    /// Returns what happened since the last call, oldest first, and how much more was missed.
    pub(crate) fn take_happenings(&mut self) -> (Vec<Happening>, u64) {
        (std::mem::take(&mut self.happenings), std::mem::take(&mut self.missed))
    }

    /// Returns whether nothing is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Returns what is under way, newest first.
    pub(crate) fn states(&self, now: Now) -> Vec<TransferState> {
        self.under_way.values().rev().map(|entry| entry.state(now)).collect()
    }

    /// Returns what has been under way for this long, with the titles of the sites.
    pub(crate) fn older_than(&self, age: Duration, now: Now) -> Vec<(TransferState, String)> {
        self.under_way
            .values()
            .filter(|entry| now.wall.duration_since(entry.since).is_ok_and(|lived| lived >= age))
            .map(|entry| (entry.state(now), entry.start.site_name.to_string()))
            .collect()
    }

    fn receipt(&mut self, id: TransferId, receipt: Receipt, now: Now) {
        let Some(entry) = self.under_way.get_mut(&id) else { return };
        entry.receipt = Some(now.monotonic);
        if let Some(read) = receipt.read {
            entry.flow.only_taken.store(!read, Ordering::Relaxed);
        }
        entry.deliver(receipt.delivered, now.monotonic);
        let end = match receipt.state {
            ReceiptState::Running => return,
            ReceiptState::Complete if entry.is_delivered() => TransferEnd::Complete,
            // Complete for the gateway and yet too short: the body ended early, or worse.
            ReceiptState::Complete | ReceiptState::Cut => {
                TransferEnd::Cut(entry.cut_by_itself().unwrap_or(Ended::Visitor))
            }
        };
        self.finish(id, end, now);
    }

    fn finish_all(&mut self, now: Now, end: impl Fn(&Entry) -> Option<TransferEnd>) {
        let over: Vec<_> =
            self.under_way.iter().filter_map(|(id, entry)| Some((*id, end(entry)?))).collect();
        for (id, end) in over {
            self.finish(id, end, now);
        }
    }

    fn finish(&mut self, id: TransferId, end: TransferEnd, now: Now) {
        let Some(entry) = self.under_way.remove(&id) else { return };
        if let Some(transaction) = entry.start.transaction {
            let number = (entry.start.link, transaction);
            if self.numbers.get(&number) == Some(&id) {
                self.numbers.remove(&number);
            }
        }
        self.happened(Happening::Ended(entry.record(end, now)));
    }

    fn happened(&mut self, happening: Happening) {
        if self.happenings.len() < MAX_HAPPENINGS {
            self.happenings.push(happening);
        } else {
            self.missed += 1;
        }
    }
}

impl Entry {
    fn is_delivered(&self) -> bool {
        self.delivered >= self.start.size
    }

    /// Returns what cut the transfer as far as this side knows.
    fn cut_by_itself(&self) -> Option<Ended> {
        match (self.stopped, self.body) {
            (Some(_), _) => Some(Ended::Owner),
            (None, Some((BodyEnd::Failed, _))) => Some(Ended::File),
            (None, Some((BodyEnd::Dropped, _))) => Some(Ended::Visitor),
            (None, Some((BodyEnd::Whole, _)) | None) => None,
        }
    }

    /// Returns how the transfer ends if nobody says anything more, when it is time.
    fn overdue(&self, now: Instant) -> Option<Ended> {
        let (since, patience, end) = match (self.stopped, self.body) {
            (Some(stopped), _) => (stopped, STOP_SETTLES, Ended::Owner),
            (None, None) => return None,
            (None, Some((BodyEnd::Failed, at))) => (at, CUT_SETTLES, Ended::File),
            (None, Some((BodyEnd::Dropped, at))) => (at, CUT_SETTLES, Ended::Visitor),
            (None, Some((BodyEnd::Whole, at))) => match self.receipt {
                None => (at, FIRST_RECEIPT, Ended::Unconfirmed),
                Some(receipt) => (receipt.max(at), NEXT_RECEIPT, Ended::Unconfirmed),
            },
        };
        (now.duration_since(since) >= patience).then_some(end)
    }

    fn stop(&mut self, now: Now) {
        self.stopped.get_or_insert(now.monotonic);
        self.flow.stop();
    }

    /// Notes a receipt: never backwards, and never more than there is.
    fn deliver(&mut self, delivered: u64, now: Instant) {
        self.delivered = delivered.min(self.start.size).max(self.delivered);
        self.rate.note(self.delivered, now);
    }

    fn state(&self, now: Now) -> TransferState {
        TransferState {
            id: self.flow.id,
            site: self.start.site.clone(),
            file: self.start.file.clone(),
            visitor: self.start.visitor,
            agent: self.start.agent.clone(),
            size: self.start.size,
            sent: self.flow.sent(),
            delivered: self.delivered,
            rate: self.rate.read(self.delivered, now.monotonic),
            since: self.since,
        }
    }

    fn record(self, end: TransferEnd, now: Now) -> TransferRecord {
        TransferRecord {
            id: self.flow.id,
            site: self.start.site,
            site_name: self.start.site_name.to_string(),
            file: self.start.file,
            visitor: self.start.visitor,
            agent: self.start.agent,
            size: self.start.size,
            delivered: self.delivered,
            since: self.since,
            // The wall clock may have been set back meanwhile.
            until: now.wall.max(self.since),
            end,
        }
    }
}

#[cfg(test)]
mod tests;
