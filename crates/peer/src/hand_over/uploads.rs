//! What is on its way from visitors: the uploads of one hand-over. It does no IO and is told the time.
//!
//! Where there is room for no more, those make room whose network has the most, to those who have less:
//! so one visitor with many uploads keeps nobody else out.

use std::{
    net::IpAddr,
    time::{Duration, Instant, SystemTime},
};

use sites::hand_over::inbox::Given;
use tokio_util::sync::CancellationToken;

use crate::{ledger::Now, model::Passing, naming, rate::Rate, session::Token, store::VisitorKey};

/// How many files come at once. A browser's page sends one after the other; more than a few only share
/// the line.
pub(crate) const MAX_AT_ONCE: usize = 4;

/// How many bytes a second one brings at least that keeps its place when somebody else wants it: slower, a
/// gigabyte takes longer than a day, and nobody could hold all places for ever with next to nothing.
pub(super) const SLOWEST: u64 = 8 * 1024;

/// Over how long that is measured, so that a weak signal for some seconds is no matter.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many files may be begun and not finished, those that were cut among them.
pub(crate) const MAX_DRAFTS: usize = 16;

/// After how long one that was cut makes room for a new one when there are too many.
pub(super) const MAY_GIVE_WAY: Duration = Duration::from_secs(60 * 60);

/// After how long one that was cut is thrown away.
pub(crate) const FORGOTTEN_AFTER: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The longest name that a visitor's word is kept of, in characters; the file's own is made of it.
pub(crate) const MAX_NAME: usize = 255;

/// A file that was begun.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Upload {
    /// The draft's name.
    pub(crate) id: String,
    /// What the visitor calls it.
    pub(crate) name: String,
    pub(crate) size: Option<u64>,
    /// The ticket that it was begun with; `None` where none is needed.
    pub(crate) ticket: Option<Token>,
    pub(crate) visitor: Option<IpAddr>,
    /// Her program, shortened and printable.
    pub(crate) agent: String,
    /// How much of it is on the disk, as far as is known.
    pub(crate) offset: u64,
    /// When something of it came for the last time.
    pub(crate) touched: SystemTime,
    /// The name that it was about to get when all of it was there.
    pub(crate) given: Option<Given>,
}

/// Why nothing is begun or continued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// It is not there (any more).
    Gone,
    /// It is coming already, over another connection.
    Coming,
    /// The owner switched everything off for now.
    Paused,
    /// Too much comes at once, or was begun.
    TooMany,
}

/// The uploads of one hand-over.
#[derive(Debug, Default)]
pub(crate) struct Uploads {
    /// Oldest first.
    all: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    upload: Upload,
    coming: Option<Coming>,
}

/// An upload that is coming now.
#[derive(Debug)]
struct Coming {
    rate: Rate,
    /// How far it was at two moments, [`PATIENCE`] apart; the first is at least that old, or the start.
    marks: [(Instant, u64); 2],
    since: SystemTime,
    stop: CancellationToken,
    stopped: Option<StoppedBy>,
}

/// Who ended an upload that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoppedBy {
    /// It made room for somebody else.
    Others,
    Owner,
    /// She is here again over another connection.
    Visitor,
}

impl Uploads {
    pub(crate) fn new(kept: Vec<Upload>) -> Self {
        Self { all: kept.into_iter().map(|upload| Entry { upload, coming: None }).collect() }
    }

    /// Returns whether this visitor can begin one more, and which draft has to go for it.
    pub(crate) fn room(&self, visitor: Option<IpAddr>, now: Now) -> Result<Option<String>, Full> {
        if self.all.len() < MAX_DRAFTS {
            return Ok(None);
        }
        let largest = largest_network(self.all(), visitor);
        let gives_way = |entry: &&Entry| {
            let is_old = age(&entry.upload, now) >= MAY_GIVE_WAY;
            entry.coming.is_none() && (is_old || largest == Some(entry.upload.network()))
        };
        let idle = self.all.iter().filter(gives_way);
        let old = idle.min_by_key(|entry| entry.upload.touched);
        old.map(|entry| Some(entry.upload.id.clone())).ok_or(Full::TooMany)
    }

    pub(crate) fn add(&mut self, upload: Upload) {
        self.all.push(Entry { upload, coming: None });
    }

    /// Something of it begins to come. The token says when it has to end.
    pub(crate) fn start(&mut self, id: &str, now: Now) -> Result<CancellationToken, Full> {
        let entry = self.find_entry(id).ok_or(Full::Gone)?;
        if entry.coming.is_some() {
            return Err(Full::Coming);
        }
        let visitor = entry.upload.visitor;
        if self.with_places().count() >= MAX_AT_ONCE {
            let stopped = self.who_gives_way(visitor, now.monotonic).ok_or(Full::TooMany)?;
            // It ends as soon as it hears of it; who asks need not come again for its place, which
            // somebody else would have then.
            stopped.stop(StoppedBy::Others);
        }
        let entry = self.find_entry(id).ok_or(Full::Gone)?;
        let stop = CancellationToken::new();
        let rate = Rate::new(entry.upload.offset, now.monotonic);
        let marks = [(now.monotonic, entry.upload.offset); 2];
        let coming = Coming { rate, marks, since: now.wall, stop: stop.clone(), stopped: None };
        entry.coming = Some(coming);
        Ok(stop)
    }

    /// Returns those that come and have not been told to end.
    fn with_places(&self) -> impl Iterator<Item = &Entry> {
        self.all.iter().filter(|entry| entry.has_place())
    }

    /// Returns who makes room for this visitor: who brings next to nothing, or else the newest of the
    /// network that has the most places.
    fn who_gives_way(&mut self, visitor: Option<IpAddr>, now: Instant) -> Option<&mut Entry> {
        let largest = largest_network(self.with_places().map(|entry| &entry.upload), visitor);
        let slow = self.all.iter().position(|entry| entry.has_place() && entry.is_slow(now));
        let newest = || {
            let of_largest = |(_, entry): &(usize, &Entry)| {
                entry.has_place() && largest == Some(entry.upload.network())
            };
            let those = self.all.iter().enumerate().filter(of_largest);
            Some(those.max_by_key(|(_, entry)| entry.coming.as_ref().map(|it| it.since))?.0)
        };
        let place = slow.or_else(newest)?;
        self.all.get_mut(place)
    }

    /// So much of it is on the disk now.
    pub(crate) fn advance(&mut self, id: &str, offset: u64, now: Now) {
        let Some(entry) = self.find_entry(id) else { return };
        // Who only asks how far it is brings nothing.
        if offset > entry.upload.offset {
            entry.upload.touched = now.wall;
        }
        entry.upload.offset = offset;
        if let Some(coming) = &mut entry.coming {
            coming.rate.note(offset, now.monotonic);
            let [_, last] = coming.marks;
            if now.monotonic.duration_since(last.0) >= PATIENCE {
                coming.marks = [last, (now.monotonic, offset)];
            }
        }
    }

    /// Nothing more of it comes for now; says who ended that from here.
    pub(crate) fn pause(&mut self, id: &str) -> Option<(&Upload, Option<StoppedBy>)> {
        let entry = self.find_entry(id)?;
        let stopped = entry.coming.take().and_then(|coming| coming.stopped);
        Some((&entry.upload, stopped))
    }

    pub(crate) fn remove(&mut self, id: &str) -> Option<Upload> {
        let place = self.all.iter().position(|entry| entry.upload.id == id)?;
        let Entry { upload, coming } = self.all.remove(place);
        if let Some(coming) = coming {
            coming.stop.cancel();
        }
        Some(upload)
    }

    /// Forgets all, ending those that come; returns the drafts.
    pub(crate) fn clear(&mut self) -> Vec<String> {
        self.stop_all();
        self.all.drain(..).map(|entry| entry.upload.id).collect()
    }

    /// Ends one that comes, as its visitor is here again over another connection.
    pub(crate) fn stop(&mut self, id: &str) {
        if let Some(entry) = self.find_entry(id) {
            entry.stop(StoppedBy::Visitor);
        }
    }

    /// Ends all that come.
    pub(crate) fn stop_all(&mut self) {
        for entry in &mut self.all {
            entry.stop(StoppedBy::Owner);
        }
    }

    /// Forgets what nobody continued for long; returns the drafts.
    pub(crate) fn expire(&mut self, now: Now) -> Vec<String> {
        let old = |entry: &mut Entry| {
            entry.coming.is_none() && age(&entry.upload, now) >= FORGOTTEN_AFTER
        };
        self.all.extract_if(.., old).map(|entry| entry.upload.id).collect()
    }

    /// It is about to get this name.
    pub(crate) fn give(&mut self, id: &str, given: Given) {
        if let Some(entry) = self.find_entry(id) {
            entry.upload.given = Some(given);
        }
    }

    /// Returns those that were about to get their names, by their drafts.
    pub(crate) fn given(&self) -> Vec<(String, Given)> {
        let given = |upload: &Upload| Some((upload.id.clone(), upload.given.clone()?));
        self.all().filter_map(given).collect()
    }

    pub(crate) fn find(&self, id: &str) -> Option<&Upload> {
        self.all.iter().map(|entry| &entry.upload).find(|upload| upload.id == id)
    }

    pub(crate) fn is_coming(&self, id: &str) -> bool {
        self.all.iter().any(|entry| entry.upload.id == id && entry.coming.is_some())
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.all.iter().all(|entry| entry.coming.is_none())
    }

    /// Returns what comes now, oldest first.
    pub(crate) fn passing(&self, now: Now) -> impl Iterator<Item = Passing> {
        self.all.iter().filter_map(move |Entry { upload, coming }| {
            let coming = coming.as_ref()?;
            Some(Passing {
                file: shown(&upload.name),
                visitor: upload.visitor,
                agent: upload.agent.clone(),
                size: upload.size,
                arrived: upload.offset,
                rate: coming.rate.read(upload.offset, now.monotonic),
                since: coming.since,
            })
        })
    }

    /// Returns all, oldest first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Upload> {
        self.all.iter().map(|entry| &entry.upload)
    }

    fn find_entry(&mut self, id: &str) -> Option<&mut Entry> {
        self.all.iter_mut().find(|entry| entry.upload.id == id)
    }
}

impl Upload {
    fn network(&self) -> VisitorKey {
        network(self.visitor)
    }
}

/// Returns for whom an upload counts where there is no room: of IPv6, for the whole /48 that one person may
/// have.
fn network(visitor: Option<IpAddr>) -> VisitorKey {
    let VisitorKey(mut octets) = VisitorKey::new(visitor);
    // Of IPv4 these are 0.
    octets[6..8].fill(0);
    VisitorKey(octets)
}

/// Returns the network that has the most of these, if that is more than this visitor's has with one more.
/// Where the gateway does not say where visitors are, nobody is taken for another.
fn largest_network<'a>(
    uploads: impl Iterator<Item = &'a Upload>,
    visitor: Option<IpAddr>,
) -> Option<VisitorKey> {
    let asks = network(visitor);
    let mut counts: Vec<(VisitorKey, usize)> = vec![(asks, 1)];
    for network in uploads.map(Upload::network).filter(|network| network.is_known()) {
        match counts.iter_mut().find(|(known, _)| *known == network) {
            Some((_, count)) => *count += 1,
            None => counts.push((network, 1)),
        }
    }
    let own = counts[0].1;
    let (network, count) = counts.into_iter().max_by_key(|(_, count)| *count)?;
    (asks.is_known() && count > own).then_some(network)
}

impl Entry {
    fn has_place(&self) -> bool {
        self.coming.as_ref().is_some_and(|coming| coming.stopped.is_none())
    }

    fn is_slow(&self, now: Instant) -> bool {
        self.coming.as_ref().is_some_and(|coming| {
            let [(then, before), _] = coming.marks;
            let time = now.duration_since(then);
            time >= PATIENCE && self.upload.offset.saturating_sub(before) < SLOWEST * time.as_secs()
        })
    }

    fn stop(&mut self, by: StoppedBy) {
        if let Some(coming) = &mut self.coming {
            coming.stopped.get_or_insert(by);
            coming.stop.cancel();
        }
    }
}

/// Makes a visitor's word for a file fit for the owner's eyes.
pub(crate) fn shown(name: &str) -> String {
    let printable: String = name.chars().filter(|c| !naming::is_deceptive(*c)).collect();
    if printable.trim().is_empty() { "a file".to_owned() } else { printable }
}

fn age(upload: &Upload, now: Now) -> Duration {
    now.wall.duration_since(upload.touched).unwrap_or_default()
}
