//! What the engine notices: news of the link, of folders and of transfers; what it tells about
//! them, and what it keeps.

use std::{mem, sync::Arc, time::Duration};

use crosstalk::label::Label;
use tokio::time::{Instant, timeout};

use super::{
    super::site::{Disk, Site, Where},
    Core, KEEP, LOOK_AGAIN,
};
use crate::{
    fault::StoreFault,
    keeper::News,
    ledger::{Happening, Now},
    model::{Event, LinkState, PublishError, SiteId, Snapshot},
    names::Whose,
    store::{Change, SHOWN_HISTORY, StoredLabel},
};

/// How often figures of transfers are told, and how often waiting for receipts may end.
const FIGURES: Duration = Duration::from_millis(250);

/// How many changes wait to be kept at most, and so how many are written in a second: more than
/// people cause, and little enough for any disk. Beyond that, parts of the history are left out
/// and counted.
const MAX_PENDING: usize = 4096;

/// How long the disk may take for what the owner waits for.
const STORE_TIMEOUT: Duration = Duration::from_secs(10);

impl Core {
    pub(super) fn heard(&mut self, news: News) {
        match news {
            News::Link(state) => {
                let up = match &state {
                    LinkState::Up { .. } => Some(true),
                    LinkState::Dialling => None,
                    LinkState::Down { .. } => Some(false),
                };
                self.link = state;
                if up.is_some() && up != self.told_up {
                    self.told_up = up;
                    self.tell(Event::Link(self.link.clone()));
                }
                // A dial after a failure that the owner has read about changes nothing for him
                // until it succeeds or fails; it is shown all the same.
                self.changed();
            }
            News::Named { whose: Whose::Site(site), label, origin } => {
                self.named(&site, label, origin);
            }
            News::Named { whose: Whose::Desk, label, origin } => self.desk_named(label, origin),
            News::Released(release) => {
                self.releases.retain(|waiting| *waiting != release);
                self.pending.push(Change::DropRelease(release));
                self.changed();
            }
            News::Rung(rung) => self.pending.push(Change::SetRung(rung)),
            News::Trouble { whose: Whose::Desk, trouble } => {
                self.counter.refused = Some(trouble);
                self.changed();
            }
            News::Trouble { whose: Whose::Site(site), trouble } => {
                if let Some(site) = self.sites.iter_mut().find(|found| *found.id() == site) {
                    site.refused = Some(trouble);
                    self.changed();
                }
            }
        }
    }

    pub(super) fn named(&mut self, id: &SiteId, label: Label, origin: String) {
        let gateway = self.approach.gateway.origin();
        let at = Where { gateway: &gateway, identity: &self.identity };
        let Some(site) = self.sites.iter_mut().find(|site| site.id() == id) else { return };
        site.refused = None;
        let new = StoredLabel {
            gateway: gateway.clone(),
            identity: self.identity.clone(),
            label,
            origin: Some(origin),
        };
        let before = site.url(&at);
        if site.label(&at) != Some(&new) {
            site.set_label(new.clone());
            self.pending.push(Change::SetLabel(id.clone(), new));
        }
        let after = site.url(&at);
        self.changed();
        if let (true, Some(url)) = (before != after, after) {
            self.tell(Event::Published { site: id.clone(), url });
            // A link that was shown must hold after a crash.
            self.keep_soon();
        }
    }

    pub(super) fn found(&mut self, id: &SiteId, disk: Disk) {
        let Some(site) = self.sites.iter_mut().find(|site| site.id() == id) else { return };
        let before = matches!(site.disk, Disk::There(_));
        let after = matches!(disk, Disk::There(_));
        let was_known = !matches!(site.disk, Disk::Unknown);
        let is_new = mem::discriminant(&site.disk) != mem::discriminant(&disk);
        site.disk = disk;
        if before && after {
            self.update_routes();
        } else if is_new || !was_known {
            if was_known && before != after {
                tracing::info!(is_there = after, "A published folder changed");
            }
            self.changed();
        }
    }

    pub(super) fn look_at_folders(&mut self) {
        for site in &self.sites {
            // One look at a time at each: a dead drive must neither pile them up nor hold up the others.
            let Ok(turn) = Arc::clone(&site.looking).try_acquire_owned() else { continue };
            let (id, look) = (site.id().clone(), site.look());
            self.folders.spawn(async move {
                let _turn = turn;
                (id, look.await)
            });
        }
    }

    pub(super) fn look_soon(&mut self) {
        self.look_at = Some(self.looked + LOOK_AGAIN);
    }

    /// Sees what happened to transfers, tells it, and plans to keep it.
    pub(super) fn look_at_transfers(&mut self) {
        let now = Now::read();
        let (happenings, missed, idle) = {
            let mut ledger = self.meter.ledger();
            ledger.handle_timeout(now);
            let (happenings, missed) = ledger.take_happenings();
            (happenings, missed, ledger.is_idle())
        };
        self.looked = Instant::now();
        let idle = idle && self.counter.is_idle();
        self.look_at = (!idle).then(|| self.looked + FIGURES);
        self.left_out += missed;
        for happening in happenings {
            match happening {
                Happening::Ended(record) => {
                    self.history.push_front(record.clone());
                    self.history.truncate(SHOWN_HISTORY);
                    self.pending.push(Change::KeepEnded(record.clone()));
                    self.tell(Event::TransferEnded(record));
                }
                Happening::Started(state) => self.tell(Event::TransferStarted(state)),
                Happening::Visitor { site, key, first } => {
                    self.pending.push(Change::AddVisitor(site.clone(), key));
                    if first {
                        self.tell(Event::FirstVisitor(site));
                    }
                }
            }
        }
        self.limit_pending();
        // Which shows all of it.
        self.look_at_hand_overs();
    }

    pub(super) fn keep_running(&mut self) {
        let running = self.meter.ledger().older_than(KEEP, Now::read());
        self.pending
            .extend(running.into_iter().map(|(state, name)| Change::KeepRunning(state, name)));
        self.limit_pending();
        let left_out = std::mem::take(&mut self.left_out);
        if left_out > 0 {
            tracing::info!(left_out, "More happened than the history takes");
        }
    }

    /// Leaves out the oldest of what makes the history; everything else is needed.
    fn limit_pending(&mut self) {
        let mut beyond = self.pending.len().saturating_sub(MAX_PENDING);
        if beyond == 0 {
            return;
        }
        let before = self.pending.len();
        self.pending.retain(|change| {
            let is_history = matches!(
                change,
                Change::AddVisitor(..) | Change::KeepEnded(_) | Change::KeepRunning(..)
            );
            let goes = is_history && beyond > 0;
            beyond -= usize::from(goes);
            !goes
        });
        self.left_out += (before - self.pending.len()) as u64;
    }

    /// Writes what nobody waits for, if the disk has room for it.
    pub(super) fn keep_soon(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        if let Err(changes) = self.store.apply_soon(std::mem::take(&mut self.pending)) {
            self.pending = changes;
        }
    }

    /// Writes what somebody waits for, together with what came before it.
    pub(super) async fn keep_now(&mut self, changes: Vec<Change>) -> Result<(), PublishError> {
        let before = std::mem::take(&mut self.pending);
        let all = before.iter().cloned().chain(changes).collect();
        let done = match timeout(STORE_TIMEOUT, self.store.apply(all)).await {
            Ok(done) => done,
            Err(_) => Err(StoreFault::Silent),
        };
        if done.is_err() {
            // Writing a change twice is as good as once.
            self.pending = before;
        }
        done.map_err(PublishError::Store)
    }

    pub(super) fn show(&self) {
        let gateway = self.approach.gateway.origin();
        let at = Where { gateway: &gateway, identity: &self.identity };
        let ledger = self.meter.ledger();
        let book = self.letterbox.book();
        let state =
            |site: &Site| site.state(&at, ledger.visitors(site.id()), book.blocked(site.id()));
        let snapshot = Snapshot {
            link: self.link.clone(),
            paused: self.paused,
            sites: self.sites.iter().map(state).collect(),
            transfers: ledger.states(Now::read()),
            history: self.history.iter().cloned().collect(),
            notes: book.notes(),
            hand_overs: self.counter.states(Now::read()),
        };
        drop((ledger, book));
        self.snapshots.send_if_modified(|current| {
            let is_new = *current != snapshot;
            if is_new {
                *current = snapshot;
            }
            is_new
        });
    }

    pub(super) fn tell(&self, event: Event) {
        // Without listeners there is nobody to tell.
        let _ = self.events.send(event);
    }
}
