//! Where requests and the engine meet.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crosstalk::{control::RECEIPT_READ, transaction::Body};
use http::Response;
use sites::Delivery;
use tokio::{
    sync::{Notify, Semaphore, watch},
    time::{Instant, timeout, timeout_at},
};
use tokio_util::task::TaskTracker;

use super::{
    book::{Book, Way, Wish},
    turns::Turns,
};
use crate::{
    ledger::{Happening, Ledger, Now},
    meter::{Caller, Meter},
    model::{HandOver, HandOverId, HandOverTrouble, SiteId, TransferId, TransferState},
};

/// How long a visitor waits until her ticket, or the name that her file is about to get, is on the disk.
/// After that she gets the ticket all the same: it is good while the program runs. The file waits for the
/// next time that she asks.
const KEEP_TIMEOUT: Duration = Duration::from_secs(10);

/// How many requests wait for the owner's answer at once, of all hand-overs; who finds no place is told at
/// once, and asks again after a moment.
const MAX_WAITS: usize = 32;

/// How long nothing moves on a connection before another one with the same ticket takes its place: longer
/// than receipts of one that lives are apart, shorter than a person waits before trying again.
pub(crate) const STILL_AFTER: Duration = Duration::from_secs(3);

/// How long a request waits for another one with the same ticket. What was on its way when a connection died
/// moves for a while.
pub(crate) const TURN_TIMEOUT: Duration = Duration::from_secs(9);

/// All that is handed over, shared by everybody who works with it. The book is held for moments only.
#[derive(Debug)]
pub(crate) struct Desk {
    /// Follows what is fetched.
    pub(crate) meter: Arc<Meter>,
    book: Mutex<Book>,
    news: Notify,
    /// The book's version, for who waits for a change of it.
    changes: watch::Sender<u64>,
    /// Up to which version it is on the disk.
    kept: watch::Sender<u64>,
    /// Requests that wait for the owner's answer.
    pub(crate) waits: Semaphore,
    /// Requests that wait for another one with the same ticket.
    turns: Turns,
    /// Files that get their names.
    pub(super) tasks: TaskTracker,
}

impl Desk {
    pub(crate) fn new(book: Book) -> Self {
        Self {
            meter: Arc::new(Meter::new(Ledger::new(0))),
            book: Mutex::new(book),
            news: Notify::new(),
            changes: watch::Sender::new(0),
            kept: watch::Sender::new(0),
            waits: Semaphore::new(MAX_WAITS),
            turns: Turns::default(),
            tasks: TaskTracker::new(),
        }
    }

    /// Opens the book, to read in it.
    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        // Each entry is written whole before the next; a panic elsewhere leaves a readable book.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes in the book, and wakes who waits for that.
    pub(crate) fn change<T>(&self, write: impl FnOnce(&mut Book) -> T) -> T {
        let mut book = self.book();
        let written = write(&mut book);
        let version = book.version();
        drop(book);
        let is_new = self.changes.send_if_modified(|known| {
            let is_new = version > *known;
            *known = version.max(*known);
            is_new
        });
        if is_new {
            self.news.notify_one();
        }
        written
    }

    /// Waits until something was written in the book; what the meter sees has to be settled first.
    pub(crate) async fn news(&self) {
        self.news.notified().await;
    }

    /// Returns what wakes up at each change.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Everything up to this version of the book is on the disk.
    pub(crate) fn note_kept(&self, version: u64) {
        self.kept.send_if_modified(|known| {
            let is_new = version > *known;
            *known = version.max(*known);
            is_new
        });
    }

    /// Waits until what is in the book now is on the disk, but not for long. Returns whether it is.
    pub(crate) async fn kept(&self) -> bool {
        let version = self.book().version();
        let mut kept = self.kept.subscribe();
        let is_kept = timeout(KEEP_TIMEOUT, kept.wait_for(|kept| *kept >= version)).await;
        if is_kept.is_err() {
            tracing::debug!("A hand-over is not on the disk yet");
        }
        is_kept.is_ok_and(|kept| kept.is_ok())
    }

    /// Waits until files that are all there have their names; at the end, when no more come.
    pub(crate) async fn end(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Brings into the book what the meter saw.
    pub(crate) fn settle(&self, now: Now) {
        self.change(|book| bring(book, &mut self.meter.ledger(), now));
    }

    /// Returns what is being fetched.
    pub(crate) fn passing(&self, now: Now) -> Vec<TransferState> {
        self.meter.ledger().states(now)
    }

    /// Returns the state of all.
    pub(crate) fn states(&self, refused: Option<&HandOverTrouble>, now: Now) -> Vec<HandOver> {
        let passing = self.passing(now);
        self.book().states(&passing, refused, now)
    }

    /// Waits until this may begin. Something with the same ticket may be on its way: when it ends, or nothing
    /// of it moves for [`STILL_AFTER`] (a connection can die without a word), this takes its place. But when
    /// it still moves after [`TURN_TIMEOUT`], this does not begin: browsers on phones ask for several parts at
    /// once, to be faster, and go on with the first one when they get no other. What was cut for the next part
    /// would never be known to have arrived.
    pub(crate) async fn turn(&self, id: HandOverId, wish: &Wish) -> Option<Turn> {
        let mut changes = self.changes();
        let Some(mut before) = self.in_the_way(id, wish) else { return Some(Turn::free(id)) };
        let _place = self.turns.enter(id)?;
        let end = Instant::now() + TURN_TIMEOUT;
        while Instant::now() < end {
            let until = Instant::now() + STILL_AFTER;
            while matches!(timeout_at(until, changes.changed()).await, Ok(Ok(()))) {
                if self.in_the_way(id, wish).is_none() {
                    return Some(Turn::free(id));
                }
            }
            match self.in_the_way(id, wish) {
                None => return Some(Turn::free(id)),
                Some(now) if now == before => return Some(Turn { id, instead_of: Some(now.id) }),
                Some(now) => before = now,
            }
        }
        None
    }

    /// Returns what has to end before this can begin, and how far it is.
    fn in_the_way(&self, id: HandOverId, wish: &Wish) -> Option<Moved> {
        let book = self.book();
        let Way::After(transfer) = book.way(id, wish) else { return None };
        let states = self.meter.ledger().states(Now::read());
        let state = states.into_iter().find(|state| state.id == transfer)?;
        Some(Moved { id: transfer, sent: state.sent, delivered: state.delivered })
    }

    /// Follows a response with (a part of) the content, whose `turn` it is. `None` when somebody has it right
    /// now, or it is over.
    pub(crate) fn follow(
        &self,
        link: u64,
        turn: Turn,
        wish: Wish,
        caller: &Caller,
        delivery: Delivery,
        response: Response<Body>,
    ) -> Option<Response<Body>> {
        let now = Now::read();
        let Turn { id, instead_of } = turn;
        // Whoever begins and whoever is cut for it change in one go.
        let flow = self.change(|book| {
            // One that is delivered already is not cut: it counts.
            let mut ledger = self.meter.ledger();
            bring(book, &mut ledger, now);
            let old = match book.way(id, &wish) {
                Way::After(old) if instead_of == Some(old) => Some(old),
                Way::Free => None,
                // Nobody counts it any more, so it is over.
                Way::After(old) if ledger.states(now).iter().all(|state| state.id != old) => None,
                // Others may have begun since.
                Way::After(_) | Way::Taken => return None,
            };
            let entry = book.entry(id).filter(|entry| !entry.is_done() && !book.is_paused())?;
            entry.tickets.find(wish.ticket.secret())?;
            if let Some(old) = old {
                ledger.stop(old, now);
            }
            let start = caller.start(link, SiteId(id.0.to_string()), "".into(), delivery);
            let flow = ledger.begin(start, now)?;
            book.begin(id, wish, Arc::clone(&flow), now);
            Some(flow)
        })?;
        Some(self.meter.wrap(caller, flow, RECEIPT_READ, response))
    }
}

/// That something may begin now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    id: HandOverId,
    /// What it cuts.
    instead_of: Option<TransferId>,
}

impl Turn {
    fn free(id: HandOverId) -> Self {
        Self { id, instead_of: None }
    }
}

/// How far something is that is being fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Moved {
    id: TransferId,
    sent: u64,
    delivered: u64,
}

/// Brings into the book what the meter saw. The book is always taken before the ledger.
fn bring(book: &mut Book, ledger: &mut Ledger, now: Now) {
    ledger.handle_timeout(now);
    for happening in ledger.take_happenings().0 {
        match happening {
            Happening::Ended(record) => book.ended(&record),
            Happening::Started(_) | Happening::Visitor { .. } => {}
        }
    }
}
