//! The book of notes: what visitors wrote to the owner, who may write, and how much. It does no IO and
//! is told the time.
//!
//! Notes come from anybody with a link, so everything in them is suspect: the text is made
//! printable, short and few before anybody sees it.

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use tokio::sync::Notify;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory as _};

use crate::{
    ledger::Now,
    model::{Note, NoteId, NoteReply, SiteId},
    naming,
    store::VisitorKey,
};

/// How many notes of one site are kept; a new one takes the place of the oldest.
pub(crate) const MAX_NOTES: usize = 200;

/// How many lines a note has at most; more is a picture made of letters, not a note.
const MAX_LINES: usize = 30;

/// How many notes of one visitor are taken within [`PACE`]: a thought often takes two or three.
const FROM_ONE: usize = 6;

/// How many notes are taken at one site within [`PACE`], whoever writes them: as many as an owner can
/// read.
const FROM_ALL: usize = 30;

/// See [`FROM_ONE`] and [`FROM_ALL`].
const PACE: Duration = Duration::from_secs(5 * 60);

/// How many writers can be blocked at one site; the oldest of more are forgotten.
pub(crate) const MAX_BLOCKED: usize = 500;

/// How much may happen before the engine looks; it looks at once, and what comes in is limited.
const MAX_HAPPENINGS: usize = 256;

/// The longest answer of the owner, in characters.
pub(crate) const MAX_REPLY: usize = 1000;

/// Who wrote, as far as anybody knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Author {
    pub(crate) address: VisitorKey,
    /// The name that the gateway gave; `None` when the visitor wrote without a connection.
    pub(crate) actor: Option<String>,
}

/// A note with what is needed to answer it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct KeptNote {
    pub(crate) note: Note,
    pub(crate) writer: Author,
}

/// A note as it comes in.
#[derive(Clone, Debug)]
pub(crate) struct Incoming {
    pub(crate) text: String,
    pub(crate) visitor: Option<IpAddr>,
    pub(crate) agent: String,
    pub(crate) actor: Option<String>,
}

/// Why a note is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("There is nothing in your note.")]
    Empty,
    #[error("The owner takes no notes here.")]
    Closed,
    #[error("That was a lot at once. Wait a few minutes before you write again.")]
    TooMany,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Happening {
    /// Somebody wrote.
    Written(Box<KeptNote>),
    /// An answer is on the visitor's page.
    Arrived(Box<KeptNote>),
    /// A visitor is back in this tab, and asks for answers.
    Back { site: SiteId, actor: String, tab: Option<String> },
    /// Notes gave way to new ones.
    Gone(Vec<NoteId>),
}

/// The book, shared by everybody who writes in it. It is held for moments only.
#[derive(Debug)]
pub(crate) struct Letterbox {
    book: Mutex<Book>,
    news: Notify,
}

/// What is in the book.
#[derive(Debug, Default)]
pub(crate) struct Book {
    last: i64,
    sites: HashMap<SiteId, Page>,
    happenings: Vec<Happening>,
}

/// The notes of one site.
#[derive(Debug, Default)]
struct Page {
    /// Oldest first.
    notes: VecDeque<KeptNote>,
    /// Oldest first.
    blocked: VecDeque<Author>,
    /// When notes were taken, and whose; oldest first.
    taken: VecDeque<(Instant, Author)>,
}

impl Letterbox {
    pub(crate) fn new(book: Book) -> Self {
        Self { book: Mutex::new(book), news: Notify::new() }
    }

    /// Opens the book.
    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        // Each entry is written whole before the next; a panic elsewhere leaves a readable book.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until something happened.
    pub(crate) async fn news(&self) {
        self.news.notified().await;
    }

    /// Takes a note of a visitor.
    pub(crate) fn take(&self, site: &SiteId, incoming: Incoming, now: Now) -> Result<(), Refused> {
        self.book().take(site, incoming, now)?;
        self.news.notify_one();
        Ok(())
    }

    /// Notes that the page of a visitor has the answer with this number.
    pub(crate) fn arrived(&self, site: &SiteId, actor: &str, number: &str) {
        let mut book = self.book();
        let Some(kept) = book.arrived(site, actor, number) else { return };
        if book.happenings.len() < MAX_HAPPENINGS {
            book.happenings.push(Happening::Arrived(Box::new(kept)));
        }
        drop(book);
        self.news.notify_one();
    }

    /// Notes that a visitor is back.
    pub(crate) fn back(&self, site: &SiteId, actor: &str, tab: Option<String>) {
        let mut book = self.book();
        let waits = book.unanswered(site, actor).next().is_some();
        if waits && book.happenings.len() < MAX_HAPPENINGS {
            let (site, actor) = (site.clone(), actor.to_owned());
            book.happenings.push(Happening::Back { site, actor, tab });
            drop(book);
            self.news.notify_one();
        }
    }
}

impl KeptNote {
    /// Returns the number of the answer: another one when something is added to it.
    pub(crate) fn number(&self) -> Option<String> {
        let written = self.note.reply.as_ref()?.at.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        Some(format!("{}-{}", self.note.id.0, written.as_millis()))
    }
}

impl Author {
    pub(crate) fn new(visitor: Option<IpAddr>, actor: Option<String>) -> Self {
        Self { address: VisitorKey::new(visitor), actor }
    }

    /// Returns whether it may be the same person: the same household, or the same browser.
    fn may_be(&self, other: &Self) -> bool {
        self.address == other.address || (self.actor.is_some() && self.actor == other.actor)
    }
}

impl Book {
    /// Takes what was kept: notes in any order, blocked writers from the oldest to the newest.
    pub(crate) fn new(mut notes: Vec<KeptNote>, blocked: Vec<(SiteId, Author)>) -> Self {
        notes.sort_by_key(|kept| kept.note.id);
        let mut book =
            Self { last: notes.last().map_or(0, |kept| kept.note.id.0), ..Self::default() };
        for kept in notes {
            book.page(&kept.note.site.clone()).notes.push_back(kept);
        }
        for (site, writer) in blocked {
            book.page(&site).blocked.push_back(writer);
        }
        book
    }

    fn page(&mut self, site: &SiteId) -> &mut Page {
        self.sites.entry(site.clone()).or_default()
    }

    fn take(&mut self, site: &SiteId, incoming: Incoming, now: Now) -> Result<(), Refused> {
        let text = readable(&incoming.text, sites::note::MAX_CHARACTERS).ok_or(Refused::Empty)?;
        let writer = Author::new(incoming.visitor, incoming.actor);
        if self.happenings.len() >= MAX_HAPPENINGS {
            return Err(Refused::TooMany);
        }
        let (id, page) = (self.last + 1, self.page(site));
        if page.blocked.iter().any(|blocked| blocked.may_be(&writer)) {
            return Err(Refused::Closed);
        }
        while page.taken.front().is_some_and(|(at, _)| now.monotonic.duration_since(*at) >= PACE) {
            page.taken.pop_front();
        }
        let of_this_one = page.taken.iter().filter(|(_, other)| other.may_be(&writer)).count();
        if of_this_one >= FROM_ONE || page.taken.len() >= FROM_ALL {
            return Err(Refused::TooMany);
        }
        page.taken.push_back((now.monotonic, writer.clone()));
        let note = Note {
            id: NoteId(id),
            site: site.clone(),
            text,
            visitor: incoming.visitor,
            agent: incoming.agent,
            at: now.wall,
            answerable: writer.actor.is_some(),
            seen: false,
            reply: None,
        };
        let kept = KeptNote { note, writer };
        page.notes.push_back(kept.clone());
        let beyond = page.notes.len().saturating_sub(MAX_NOTES);
        let gone: Vec<NoteId> = page.notes.drain(..beyond).map(|kept| kept.note.id).collect();
        self.last = id;
        self.happenings.push(Happening::Written(Box::new(kept)));
        if !gone.is_empty() {
            self.happenings.push(Happening::Gone(gone));
        }
        Ok(())
    }

    /// Takes what happened since the last time.
    pub(crate) fn take_happenings(&mut self) -> Vec<Happening> {
        std::mem::take(&mut self.happenings)
    }

    /// Returns all notes, newest first.
    pub(crate) fn notes(&self) -> Vec<Note> {
        let mut notes: Vec<Note> = self
            .sites
            .values()
            .flat_map(|page| &page.notes)
            .map(|kept| kept.note.clone())
            .collect();
        notes.sort_by_key(|note| std::cmp::Reverse(note.id));
        notes
    }

    /// Returns the notes of one visitor whose answers did not arrive.
    fn unanswered(&self, site: &SiteId, actor: &str) -> impl Iterator<Item = &KeptNote> {
        let notes = self.sites.get(site).into_iter().flat_map(|page| &page.notes);
        notes.filter(move |kept| {
            let waits = kept.note.reply.as_ref().is_some_and(|reply| !reply.arrived);
            waits && kept.writer.actor.as_deref() == Some(actor)
        })
    }

    /// Returns which answers a visitor has not got yet, oldest first.
    pub(crate) fn waiting_for(&self, site: &SiteId, actor: &str) -> Vec<NoteId> {
        self.unanswered(site, actor).map(|kept| kept.note.id).collect()
    }

    pub(crate) fn find(&self, id: NoteId) -> Option<&KeptNote> {
        let mut notes = self.sites.values().flat_map(|page| &page.notes);
        notes.find(|kept| kept.note.id == id)
    }

    fn find_mut(&mut self, id: NoteId) -> Option<&mut KeptNote> {
        let mut notes = self.sites.values_mut().flat_map(|page| &mut page.notes);
        notes.find(|kept| kept.note.id == id)
    }

    /// Answers a note; returns it as it is now. An answer that did not arrive yet is continued.
    /// `None` when there is no such note, or nobody to answer.
    pub(crate) fn reply(&mut self, id: NoteId, text: &str, at: SystemTime) -> Option<KeptNote> {
        let kept = self.find_mut(id).filter(|kept| kept.note.answerable)?;
        let text = readable(text, MAX_REPLY)?;
        let text = match &kept.note.reply {
            Some(reply) if !reply.arrived => {
                let both = format!("{}\n{text}", reply.text);
                both.chars().take(MAX_REPLY).collect()
            }
            Some(_) | None => text,
        };
        kept.note.reply = Some(NoteReply { text, at, arrived: false });
        kept.note.seen = true;
        Some(kept.clone())
    }

    /// Notes that an answer arrived, if it is this visitor's and nothing was added to it meanwhile;
    /// returns the note as it is now.
    fn arrived(&mut self, site: &SiteId, actor: &str, number: &str) -> Option<KeptNote> {
        let notes = self.sites.get_mut(site).into_iter().flat_map(|page| &mut page.notes);
        let mut of_actor = notes.filter(|kept| kept.writer.actor.as_deref() == Some(actor));
        let kept = of_actor.find(|kept| kept.number().as_deref() == Some(number))?;
        let reply = kept.note.reply.as_mut().filter(|reply| !reply.arrived)?;
        reply.arrived = true;
        Some(kept.clone())
    }

    /// Notes that the owner has seen all notes of a site; returns those that changed.
    pub(crate) fn seen(&mut self, site: &SiteId) -> Vec<KeptNote> {
        let page = self.sites.get_mut(site);
        let new = page.into_iter().flat_map(|page| &mut page.notes).filter(|kept| !kept.note.seen);
        new.map(|kept| {
            kept.note.seen = true;
            kept.clone()
        })
        .collect()
    }

    /// Forgets a note; returns whether it was there.
    pub(crate) fn forget(&mut self, id: NoteId) -> bool {
        self.sites.values_mut().any(|page| {
            let before = page.notes.len();
            page.notes.retain(|kept| kept.note.id != id);
            page.notes.len() < before
        })
    }

    /// Takes no more notes of whoever wrote this one, and forgets those that are there. Returns the
    /// writer and what was forgotten.
    pub(crate) fn block(&mut self, id: NoteId) -> Option<(SiteId, Author, Vec<NoteId>)> {
        let kept = self.find(id)?;
        let (site, writer) = (kept.note.site.clone(), kept.writer.clone());
        let page = self.page(&site);
        let mut gone = Vec::new();
        page.notes.retain(|kept| {
            let goes = kept.writer.may_be(&writer);
            if goes {
                gone.push(kept.note.id);
            }
            !goes
        });
        if !page.blocked.contains(&writer) {
            page.blocked.push_back(writer.clone());
        }
        let beyond = page.blocked.len().saturating_sub(MAX_BLOCKED);
        page.blocked.drain(..beyond);
        Some((site, writer, gone))
    }

    /// Lets everybody write again.
    pub(crate) fn unblock(&mut self, site: &SiteId) {
        self.page(site).blocked.clear();
    }

    /// Returns how many writers are blocked.
    pub(crate) fn blocked(&self, site: &SiteId) -> u32 {
        let count = self.sites.get(site).map_or(0, |page| page.blocked.len());
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Forgets everything about a site.
    pub(crate) fn remove_site(&mut self, site: &SiteId) {
        self.sites.remove(site);
    }
}

/// Makes a text of somebody else fit to be read: no controls, nothing that hides or turns the
/// direction, no towers of accents, a limited number of characters and lines. `None` when nothing is left.
pub(crate) fn readable(text: &str, longest: usize) -> Option<String> {
    /// More marks on one letter than any script has.
    const MAX_MARKS: usize = 4;
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut clean = String::new();
    let (mut breaks, mut lines, mut marks) = (0, 0, 0);
    for c in text.trim().chars().take(longest) {
        match c {
            '\n' => {
                breaks += 1;
                // One empty line is a paragraph; more are only a way to push something out of sight.
                if breaks > 2 {
                    continue;
                }
                lines += 1;
                if lines >= MAX_LINES {
                    clean.push(' ');
                    continue;
                }
            }
            '\t' => {
                clean.push(' ');
                continue;
            }
            // Persian, Hindi and emoji need the joiners.
            '\u{200c}' | '\u{200d}' => {}
            c if naming::is_deceptive(c) => continue,
            c if is_mark(c) => {
                marks += 1;
                if marks > MAX_MARKS {
                    continue;
                }
            }
            _ => {
                marks = 0;
                if !c.is_whitespace() {
                    breaks = 0;
                }
            }
        }
        clean.push(c);
    }
    let visible =
        clean.chars().any(|c| !c.is_whitespace() && !matches!(c, '\u{200c}' | '\u{200d}'));
    let clean = clean.trim();
    visible.then(|| clean.to_owned())
}

/// Returns whether a letter stands above, below or around the one before it.
fn is_mark(c: char) -> bool {
    use GeneralCategory::{EnclosingMark, NonspacingMark};
    matches!(c.general_category(), EnclosingMark | NonspacingMark)
}

#[cfg(test)]
mod tests;
