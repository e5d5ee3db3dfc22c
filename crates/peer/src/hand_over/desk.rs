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
    time::timeout,
};
use tokio_util::task::TaskTracker;

use super::book::{Book, Way, Wish};
use crate::{
    ledger::{Happening, Ledger, Now},
    meter::{Caller, Meter},
    model::{HandOver, HandOverId, HandOverTrouble, SiteId, TransferState},
};

/// How long a visitor waits until her ticket, or the name that her file is about to get, is on the disk.
/// After that she gets it all the same: it is good while the program runs.
const KEEP_TIMEOUT: Duration = Duration::from_secs(10);

/// How many requests wait for the owner's answer at once, of all hand-overs; who finds no place is told at
/// once, and asks again after a moment.
const MAX_WAITS: usize = 32;

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

    /// Waits until what is in the book now is on the disk, but not for long.
    pub(crate) async fn kept(&self) {
        let version = self.book().version();
        let mut kept = self.kept.subscribe();
        if timeout(KEEP_TIMEOUT, kept.wait_for(|kept| *kept >= version)).await.is_err() {
            tracing::debug!("A hand-over is not on the disk yet");
        }
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

    /// Follows a response with (a part of) the content. `None` when another visitor has it right now, or
    /// it is over.
    pub(crate) fn follow(
        &self,
        link: u64,
        id: HandOverId,
        wish: Wish,
        caller: &Caller,
        delivery: Delivery,
        response: Response<Body>,
    ) -> Option<Response<Body>> {
        let now = Now::read();
        // Whoever begins and whoever is cut for it change in one go.
        let flow = self.change(|book| {
            // One that is delivered already is not cut: it counts.
            let mut ledger = self.meter.ledger();
            bring(book, &mut ledger, now);
            let old = match book.way(id, &wish) {
                Way::AfterCutting(old) => Some(old),
                Way::Free => None,
                Way::Taken => return None,
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
