//! The book of what is handed over. It does no IO and is told the time.
//!
//! How the fetching of something that is sent ends:
//!
//! | what is known | stage |
//! | --- | --- |
//! | the last byte was in a response that was delivered completely, and what was before it had been handed over, too | done |
//! | the same, and something before it never was: a program that looked at the end first | as before |
//! | anything else | cut, at the begin of the range and what was delivered of it |
//!
//! A gateway that sends no receipts cannot say that anything arrived: each fetching ends as cut by
//! "unconfirmed" and can be done again, until the owner ends it.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use sites::hand_over::{
    Inbox,
    inbox::{Arrived, Given},
};

use super::{
    entry::{Entry, Fetching, Goods, KeptHandOver, KeptReceived, Presence},
    tickets::{Taken, Visitor},
    uploads::{Full, StoppedBy, Upload},
};
use crate::{
    front::host_of_origin,
    ledger::{Flow, Now},
    model::{
        Ended, HandOver, HandOverId, HandOverTrouble, Knock, KnockId, Received, Stage, TransferEnd,
        TransferId, TransferRecord, TransferState,
    },
    session::Token,
    store::VisitorKey,
};

/// How many there are at most, those that are done among them.
pub(crate) const MAX_HAND_OVERS: usize = 100;

/// How many files that arrived are shown of one hand-over; the oldest of more are not.
pub(crate) const MAX_RECEIVED: usize = 100;

/// How much may happen before the engine looks, which is at once; what is beyond is still in the
/// snapshot.
const MAX_HAPPENINGS: usize = 1024;

/// A part of the content that somebody wants.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) ticket: Token,
    pub(crate) visitor: Option<IpAddr>,
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// Whether something can be fetched now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// When this has ended, which was begun with the same ticket.
    After(TransferId),
    Free,
    /// Another visitor has it right now.
    Taken,
}

/// What the engine has to tell or to do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Happening {
    /// It is done, or was cut.
    Changed(HandOverId),
    Knock(HandOverId, Knock),
    Received(HandOverId, Received),
    /// Drafts that nobody will finish.
    Thrown(HandOverId, Vec<String>),
}

/// What is left to do of a hand-over that is forgotten.
#[derive(Debug)]
pub(crate) struct Removed {
    pub(crate) transfer: Option<TransferId>,
    pub(crate) inbox: Option<Inbox>,
    pub(crate) drafts: Vec<String>,
}

/// Where the desk is.
#[derive(Debug)]
struct Place {
    origin: String,
    host: String,
}

/// The book.
#[derive(Debug, Default)]
pub(crate) struct Book {
    entries: BTreeMap<HandOverId, Entry>,
    last: i64,
    last_knock: u64,
    place: Option<Place>,
    paused: bool,
    /// Those that are to be kept anew.
    changed: BTreeSet<HandOverId>,
    version: u64,
    happenings: Vec<Happening>,
}

impl Book {
    pub(crate) fn new(kept: Vec<KeptHandOver>) -> Self {
        let mut book = Self::default();
        for one in kept {
            book.add(one, Presence::Unknown);
        }
        book
    }

    /// The gateway confirmed the desk's name, or it is another gateway now.
    pub(crate) fn set_origin(&mut self, origin: Option<&str>) {
        self.place = origin.and_then(|origin| {
            let host = host_of_origin(origin)?;
            Some(Place { origin: origin.to_owned(), host })
        });
    }

    pub(crate) fn set_paused(&mut self, paused: bool) {
        self.paused = paused;
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.paused
    }

    pub(crate) fn is_desk(&self, host: &str) -> bool {
        self.place.as_ref().is_some_and(|place| place.host == host)
    }

    /// Returns the id for the next one.
    pub(crate) fn next_id(&self) -> HandOverId {
        HandOverId(self.last + 1)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns the oldest that is over.
    pub(crate) fn oldest_done(&self) -> Option<HandOverId> {
        self.entries.iter().find(|(_, entry)| entry.is_done()).map(|(id, _)| *id)
    }

    /// Returns whether no link leads to anything any more.
    pub(crate) fn are_all_done(&self) -> bool {
        self.entries.values().all(Entry::is_done)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn add(&mut self, kept: KeptHandOver, presence: Presence) {
        self.last = self.last.max(kept.id.0);
        let id = kept.id;
        self.entries.insert(id, Entry::new(kept, presence));
        self.version += 1;
    }

    pub(crate) fn remove(&mut self, id: HandOverId) -> Option<Removed> {
        let mut entry = self.entries.remove(&id)?;
        self.changed.remove(&id);
        self.version += 1;
        Some(Removed {
            transfer: entry.current.map(|current| current.flow.id),
            drafts: entry.uploads.clear(),
            inbox: match entry.presence {
                Presence::Inbox(inbox) => Some(inbox),
                Presence::Away | Presence::Parcel(_) | Presence::Unknown => None,
            },
        })
    }

    /// Finds the hand-over of a link. Looks at every one, so that the time tells nothing.
    pub(crate) fn find(&self, offered: &str) -> Option<HandOverId> {
        let offered = offered.as_bytes();
        self.entries.iter().fold(
            None,
            |found, (id, entry)| if entry.token.is(offered) { Some(*id) } else { found },
        )
    }

    pub(crate) fn entry(&self, id: HandOverId) -> Option<&Entry> {
        self.entries.get(&id)
    }

    /// Returns the entry, which is about to change and to be kept anew.
    pub(crate) fn change(&mut self, id: HandOverId) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(&id)?;
        self.changed.insert(id);
        self.version += 1;
        Some(entry)
    }

    /// Returns the entry, of which only figures change.
    pub(crate) fn look(&mut self, id: HandOverId) -> Option<&mut Entry> {
        self.entries.get_mut(&id)
    }

    pub(crate) fn ids(&self) -> Vec<HandOverId> {
        self.entries.keys().copied().collect()
    }

    /// Grows with each change.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// The visitor pressed the button.
    pub(crate) fn take(&mut self, id: HandOverId, visitor: Visitor, now: Now) -> Option<Taken> {
        let knock_id = KnockId(self.last_knock + 1);
        let entry = self.change(id)?;
        let in_use = entry.current.as_ref().map(|current| &current.ticket);
        let taken = entry.tickets.take(visitor, knock_id, in_use, now);
        if let Taken::Knock(_, knock) = &taken {
            self.last_knock += 1;
            self.happened(Happening::Knock(id, knock.clone()));
        }
        Some(taken)
    }

    /// The owner answers somebody who asks. Returns whether anybody does.
    pub(crate) fn answer(&mut self, knock: KnockId, allow: bool) -> bool {
        let found = self
            .entries
            .iter_mut()
            .find_map(|(id, entry)| entry.tickets.answer(knock, allow).then_some(*id));
        if let Some(id) = found {
            self.change(id);
        }
        found.is_some()
    }

    /// Returns what has to end for this to begin.
    pub(crate) fn way(&self, id: HandOverId, wish: &Wish) -> Way {
        match self.entries.get(&id).and_then(|entry| entry.current.as_ref()) {
            None => Way::Free,
            // Programs open a second connection when the first is dead, perhaps in another network.
            Some(current) if current.ticket == wish.ticket => Way::After(current.flow.id),
            Some(_) => Way::Taken,
        }
    }

    /// Somebody begins to fetch.
    pub(crate) fn begin(&mut self, id: HandOverId, wish: Wish, flow: Arc<Flow>, now: Now) {
        let Some(entry) = self.change(id) else { return };
        let before = match entry.end_current() {
            Some(before) => before,
            None => entry.stage.clone(),
        };
        let key = VisitorKey::new(wish.visitor);
        let is_vouched = entry.tickets.vouch(&wish.ticket, key, wish.offset);
        let Some(ticket) = entry.tickets.find_mut(&wish.ticket) else { return };
        ticket.used = now.wall;
        entry.current = Some(Fetching {
            flow,
            is_vouched,
            ticket: wish.ticket,
            offset: wish.offset,
            length: wish.length,
            before,
        });
        entry.stage = Stage::Waiting;
    }

    /// A fetching is over.
    pub(crate) fn ended(&mut self, record: &TransferRecord) {
        let is_current = |entry: &Entry| {
            entry.current.as_ref().is_some_and(|current| current.flow.id == record.id)
        };
        // One that another took the place of is nobody's business any more.
        let Some(id) = self.entries.iter().find(|(_, entry)| is_current(entry)).map(|(id, _)| *id)
        else {
            return;
        };
        let Some(entry) = self.change(id) else { return };
        let Some(current) = &entry.current else { return };
        let (offset, end, is_vouched) =
            (current.offset, current.offset + current.length, current.is_vouched);
        let certain = !current.flow.is_only_taken();
        let Goods::Send { name, size, .. } = &entry.goods else { return };
        let (name, size) = (name.clone(), *size);
        let Some(before) = entry.end_current() else { return };
        entry.stage = if !is_vouched {
            before
        } else if record.end == TransferEnd::Complete && end >= size {
            entry.tickets.dismiss();
            Stage::Done { at: record.until, certain }
        } else {
            let by = match record.end {
                // A part was all that she wanted.
                TransferEnd::Complete => Ended::Visitor,
                TransferEnd::Cut(by) => by,
            };
            Stage::Cut {
                file: name,
                arrived: (offset + record.delivered).min(size),
                size: Some(size),
                at: record.until,
                by,
            }
        };
        self.happened(Happening::Changed(id));
    }

    /// All that was asked for is there, or an empty file was fetched.
    pub(crate) fn finish(&mut self, id: HandOverId, now: Now) {
        let Some(entry) = self.change(id).filter(|entry| !entry.is_done()) else { return };
        entry.stage = Stage::Done { at: now.wall, certain: true };
        entry.tickets.dismiss();
        let drafts = entry.uploads.clear();
        self.happened(Happening::Changed(id));
        self.throw(id, drafts);
    }

    /// Returns whether this visitor can begin one more file. Nothing makes room for it yet.
    pub(crate) fn check_room(
        &self,
        id: HandOverId,
        visitor: Option<IpAddr>,
        now: Now,
    ) -> Result<(), Full> {
        let entry = self.entries.get(&id).ok_or(Full::Gone)?;
        entry.uploads.room(visitor, now).map(drop)
    }

    /// A file is begun. A draft may go for it.
    pub(crate) fn begin_upload(
        &mut self,
        id: HandOverId,
        upload: Upload,
        now: Now,
    ) -> Result<(), Full> {
        let entry = self.entries.get(&id).filter(|entry| !entry.is_done()).ok_or(Full::Gone)?;
        let old = entry.uploads.room(upload.visitor, now)?;
        if let Some(entry) = self.change(id) {
            if let Some(old) = &old {
                entry.uploads.remove(old);
            }
            entry.uploads.add(upload);
        }
        self.throw(id, old.into_iter().collect());
        Ok(())
    }

    /// Something comes: whatever was cut before goes on, or is past.
    pub(crate) fn coming(&mut self, id: HandOverId) {
        if let Some(entry) = self.change(id).filter(|entry| !entry.is_done()) {
            entry.stage = Stage::Waiting;
        }
    }

    /// Nothing more of an upload comes over this connection; `by` when not all of it came that should
    /// have. Says who ended it from here.
    pub(crate) fn upload_ended(
        &mut self,
        id: HandOverId,
        upload: &str,
        by: Option<Ended>,
        now: Now,
    ) -> Option<StoppedBy> {
        let entry = self.change(id)?;
        let (upload, stopped) = entry.uploads.pause(upload)?;
        let by = match stopped {
            None => by,
            Some(StoppedBy::Owner) => Some(Ended::Owner),
            // It goes on over another connection, or when there is room again.
            Some(StoppedBy::Others | StoppedBy::Visitor) => None,
        };
        if let Some(by) = by.filter(|_| !matches!(entry.stage, Stage::Done { .. })) {
            entry.stage = Stage::Cut {
                file: super::uploads::shown(&upload.name),
                arrived: upload.offset,
                size: upload.size,
                at: now.wall,
                by,
            };
            self.happened(Happening::Changed(id));
        }
        stopped
    }

    /// Forgets an upload; returns whether there was one.
    pub(crate) fn discard_upload(&mut self, id: HandOverId, upload: &str) -> bool {
        let found = self.change(id).and_then(|entry| entry.uploads.remove(upload));
        found.is_some()
    }

    /// One more file is about to get its name. Returns whether it is wanted.
    pub(crate) fn claim(&mut self, id: HandOverId) -> bool {
        let Some(entry) = self.entries.get_mut(&id).filter(|entry| !entry.is_done()) else {
            return false;
        };
        let is_wanted = match entry.goods {
            Goods::Ask { files_left, .. } => entry.claimed < files_left,
            Goods::Send { .. } => false,
        };
        entry.claimed += u32::from(is_wanted);
        is_wanted
    }

    /// It did not get it.
    pub(crate) fn unclaim(&mut self, id: HandOverId) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.claimed = entry.claimed.saturating_sub(1);
        }
    }

    /// An upload is about to get this name, which is to be kept before it does.
    pub(crate) fn give(&mut self, id: HandOverId, upload: &str, given: Given) {
        if let Some(entry) = self.change(id) {
            entry.uploads.give(upload, given);
        }
    }

    /// A file is there of which nobody had noted that it arrived: the program was killed just then, or
    /// the disk answered too late.
    pub(crate) fn found(&mut self, id: HandOverId, upload: &str, arrived: Arrived, now: Now) {
        let Some(entry) = self.entries.get_mut(&id).filter(|entry| !entry.is_done()) else {
            return;
        };
        // Two may look at once, and it counts once; one that is just getting its name tells that itself.
        let is_coming = entry.uploads.is_coming(upload);
        let Some(known) = entry.uploads.find(upload).filter(|_| !is_coming) else { return };
        let received = Received {
            file: arrived.name,
            size: arrived.size,
            visitor: known.visitor,
            at: now.wall,
        };
        // That it was cut is what was kept of it last.
        let name = super::uploads::shown(&known.name);
        if matches!(&entry.stage, Stage::Cut { file, .. } if *file == name) {
            entry.stage = Stage::Waiting;
        }
        entry.claimed += 1;
        self.received(id, upload, received, now);
    }

    /// A file arrived.
    pub(crate) fn received(&mut self, id: HandOverId, upload: &str, received: Received, now: Now) {
        let Some(entry) = self.change(id) else { return };
        entry.uploads.remove(upload);
        if entry.received.len() >= MAX_RECEIVED {
            entry.received.pop_front();
        }
        let kept = KeptReceived { upload: upload.to_owned(), received: received.clone() };
        entry.received.push_back(kept);
        entry.claimed = entry.claimed.saturating_sub(1);
        let was_the_last = match &mut entry.goods {
            Goods::Ask { files_left, .. } => {
                *files_left = files_left.saturating_sub(1);
                *files_left == 0
            }
            Goods::Send { .. } => false,
        };
        self.happened(Happening::Received(id, received));
        if was_the_last {
            self.finish(id, now);
        }
    }

    /// Drafts are to be removed from the disk.
    pub(crate) fn throw(&mut self, id: HandOverId, drafts: Vec<String>) {
        if !drafts.is_empty() {
            self.happened(Happening::Thrown(id, drafts));
        }
    }

    /// Gives up waiting where it took too long.
    pub(crate) fn expire(&mut self, now: Now) {
        for id in self.ids() {
            let Some(entry) = self.entries.get_mut(&id) else { continue };
            let late = entry.tickets.expire(now.monotonic);
            let drafts = entry.uploads.expire(now);
            if late || !drafts.is_empty() {
                self.change(id);
            }
            self.throw(id, drafts);
        }
    }

    /// What is under way is to be kept as far as it is now, lest a crash hides it.
    pub(crate) fn keep_passing(&mut self) {
        let passing = |entry: &Entry| entry.current.is_some() || !entry.uploads.is_idle();
        for (id, _) in self.entries.iter().filter(|(_, entry)| passing(entry)) {
            self.changed.insert(*id);
        }
    }

    /// Ends uploads that come, as the owner wants; fetchings end through their meter.
    pub(crate) fn stop_uploads(&mut self) {
        for entry in self.entries.values_mut() {
            entry.uploads.stop_all();
        }
    }

    /// Returns whether nothing is under way and nobody waits for the owner.
    pub(crate) fn is_idle(&self) -> bool {
        self.entries.values().all(|entry| {
            entry.current.is_none()
                && entry.uploads.is_idle()
                && entry.tickets.knocks().next().is_none()
        })
    }

    /// Returns those that changed since the last time, as they are to be kept; and up to which version
    /// that is.
    pub(crate) fn take_changed(
        &mut self,
        passing: &[TransferState],
        now: Now,
    ) -> (Vec<KeptHandOver>, u64) {
        let changed = std::mem::take(&mut self.changed);
        let kept = changed
            .into_iter()
            .filter_map(|id| {
                let entry = self.entries.get(&id)?;
                Some(entry.kept(id, passing, now))
            })
            .collect();
        (kept, self.version)
    }

    /// Keeping these failed: they are to be kept again.
    pub(crate) fn keep_again(&mut self, ids: impl IntoIterator<Item = HandOverId>) {
        let there = ids.into_iter().filter(|id| self.entries.contains_key(id));
        self.changed.extend(there);
    }

    /// Takes what happened since the last time, oldest first.
    pub(crate) fn take_happenings(&mut self) -> Vec<Happening> {
        std::mem::take(&mut self.happenings)
    }

    /// Returns the state of all, newest first. `refused` is why the gateway gives the desk no name.
    pub(crate) fn states(
        &self,
        passing: &[TransferState],
        refused: Option<&HandOverTrouble>,
        now: Now,
    ) -> Vec<HandOver> {
        let ids = self.entries.keys().rev();
        ids.filter_map(|id| self.state(*id, passing, refused, now)).collect()
    }

    /// Returns the state of one.
    pub(crate) fn state(
        &self,
        id: HandOverId,
        passing: &[TransferState],
        refused: Option<&HandOverTrouble>,
        now: Now,
    ) -> Option<HandOver> {
        let origin = self.place.as_ref().map(|place| place.origin.as_str());
        Some(self.entries.get(&id)?.state(id, origin, passing, refused, now))
    }

    fn happened(&mut self, happening: Happening) {
        if self.happenings.len() < MAX_HAPPENINGS {
            self.happenings.push(happening);
        }
    }
}
