//! What the engine does with what is handed over: keeps it, tells it, holds the desk's name.

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use crosstalk::label::Label;
use sites::hand_over::{Inbox, Parcel};
use tokio::{sync::Semaphore, task::JoinSet, time::timeout};

use super::{
    super::{
        goods::{self, Found},
        hand_over::HandOverAsk,
        site::Where,
    },
    Core,
};
use crate::{
    fault::StoreFault,
    hand_over::{
        Book, Desk, FORGOTTEN_AFTER, Goods, Happening, KeptHandOver, MAX_HAND_OVERS, Presence,
        Removed,
    },
    ledger::Now,
    model::{
        Event, HandOver, HandOverError, HandOverId, HandOverTrouble, KnockId, PublishError,
        SiteTrouble, Stage, Terms,
    },
    names::{WantedName, Whose},
    naming,
    notes::readable,
    session::Token,
    store::{Change, Store, StoredLabel},
};

/// What the desk's name begins with.
const TITLE: &str = "Files";

/// The longest text of the owner on a landing page, in characters.
const MAX_NOTE: usize = 1000;

/// What is there is looked at again each time after so many looks at what is not.
const SELDOM: u32 = 10;

/// How long throwing away drafts may take when the program ends.
const THROW_TIMEOUT: Duration = Duration::from_secs(1);

/// The desk, and what the engine knows of it.
pub(super) struct Counter {
    pub(super) desk: Arc<Desk>,
    /// The desk's names, the newest last.
    labels: Vec<StoredLabel>,
    /// Why the gateway gives it none.
    pub(super) refused: Option<SiteTrouble>,
    pub(super) looking: JoinSet<(HandOverId, Found)>,
    /// Lets one look at a time be under way at each, and one thread.
    pub(super) turns: HashMap<HandOverId, Arc<Semaphore>>,
    looks: u32,
    /// At most one: what is newer must not be overtaken.
    pub(super) keeping: JoinSet<Kept>,
    /// Drafts that are removed from the disk.
    pub(super) throwing: JoinSet<()>,
}

/// What came of keeping.
#[derive(Debug)]
pub(super) enum Kept {
    /// The disk said no to these.
    Failed(Vec<HandOverId>, StoreFault),
    /// Everything up to this version of the book is kept.
    UpTo(u64),
}

impl Counter {
    pub(super) fn new(kept: Vec<KeptHandOver>, labels: Vec<StoredLabel>, paused: bool) -> Self {
        let mut book = Book::new(kept);
        book.set_paused(paused);
        Self {
            desk: Arc::new(Desk::new(book)),
            labels,
            refused: None,
            looking: JoinSet::new(),
            turns: HashMap::new(),
            looks: 0,
            keeping: JoinSet::new(),
            throwing: JoinSet::new(),
        }
    }

    fn label(&self, at: &Where<'_>) -> Option<&StoredLabel> {
        let mut labels = self.labels.iter();
        labels.find(|label| label.gateway == at.gateway && label.identity == at.identity)
    }

    fn set_label(&mut self, new: StoredLabel) {
        let same =
            |label: &StoredLabel| label.gateway == new.gateway && label.identity == new.identity;
        self.labels.retain(|label| !same(label));
        self.labels.push(new);
    }

    /// Returns which name to ask for: as long as anything is handed over, or was and is still shown.
    pub(super) fn wanted(&self, at: &Where<'_>) -> Option<WantedName> {
        if self.desk.book().is_empty() {
            return None;
        }
        let (label, settled) = match (self.label(at), self.labels.last()) {
            (Some(label), _) => (label.label.clone(), label.origin.is_some()),
            (None, elsewhere) => (elsewhere?.label.clone(), false),
        };
        Some(WantedName { whose: Whose::Desk, title: TITLE.to_owned(), label, settled })
    }

    pub(super) fn states(&self, now: Now) -> Vec<HandOver> {
        self.desk.states(self.refusal().as_ref(), now)
    }

    fn state(&self, id: HandOverId) -> Option<HandOver> {
        let now = Now::read();
        let passing = self.desk.passing(now);
        self.desk.book().state(id, &passing, self.refusal().as_ref(), now)
    }

    fn refusal(&self) -> Option<HandOverTrouble> {
        HandOverTrouble::of_desk(self.refused.as_ref()?)
    }

    /// Returns whether the desk's name is somebody else's, and no link depends on it any more.
    fn is_name_lost(&self) -> bool {
        self.refused == Some(SiteTrouble::NameTaken) && self.desk.book().are_all_done()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.desk.meter.ledger().is_idle() && self.desk.book().is_idle()
    }

    /// Cuts what is under way.
    pub(super) fn stop_all(&self, now: Now) {
        self.desk.meter.ledger().stop_all(None, now);
        self.desk.book().stop_uploads();
    }

    /// Ends everything; returns what is left to keep.
    pub(super) async fn quit(&mut self, store: &Store, now: Now) -> Vec<Change> {
        self.desk.meter.ledger().quit(now);
        self.desk.settle(now);
        // What is being kept must not come after what is kept now.
        let last = async { while self.keeping.join_next().await.is_some() {} };
        if timeout(THROW_TIMEOUT, last).await.is_err() {
            self.keeping.abort_all();
        }
        if timeout(THROW_TIMEOUT, self.end_files(store, now)).await.is_err() {
            tracing::debug!("The last file of a visitor may be noted too late");
            let mut book = self.desk.book();
            let ids = book.ids();
            book.keep_again(ids);
        }
        let thrown = async { while self.throwing.join_next().await.is_some() {} };
        if timeout(THROW_TIMEOUT, thrown).await.is_err() {
            tracing::debug!("Some drafts of visitors are still there");
        }
        let (kept, _) = self.desk.book().take_changed(&[], now);
        changes(kept)
    }

    /// Lets files that are all there get their names, which are kept before as always.
    async fn end_files(&self, store: &Store, now: Now) {
        loop {
            let (kept, version) = self.desk.book().take_changed(&[], now);
            let ids: Vec<HandOverId> = kept.iter().map(|kept| kept.id).collect();
            match store.apply(changes(kept)).await {
                Ok(()) => self.desk.note_kept(version),
                Err(error) => {
                    tracing::warn!(%error, "What is handed over cannot be kept now");
                    self.desk.book().keep_again(ids);
                }
            }
            tokio::select! {
                biased;
                () = self.desk.end() => return,
                () = self.desk.news() => {}
            }
        }
    }
}

fn changes(kept: Vec<KeptHandOver>) -> Vec<Change> {
    kept.into_iter().map(|kept| Change::KeepHandOver(Box::new(kept))).collect()
}

impl Core {
    pub(super) async fn asked_about_hand_overs(&mut self, ask: HandOverAsk) {
        match ask {
            HandOverAsk::Answer(knock, allow, answer) => {
                let done = self.answer_knock(knock, allow);
                self.answer(answer, done);
            }
            HandOverAsk::End(id, answer) => {
                let done = self.end_hand_over(id).await;
                self.answer(answer, done);
            }
            HandOverAsk::Request { folder, inbox, files, terms, answer } => {
                let done = self.request_files(folder, inbox, files, terms).await;
                self.answer_with_link(answer, done);
            }
            HandOverAsk::Send { files, parcel, state, terms, answer } => {
                let done = self.send_files(files, parcel, state, terms).await;
                self.answer_with_link(answer, done);
            }
        }
    }

    fn answer_with_link(
        &mut self,
        answer: tokio::sync::oneshot::Sender<Result<HandOverId, HandOverError>>,
        done: Result<HandOverId, HandOverError>,
    ) {
        let id = done.as_ref().ok().copied();
        self.answer(answer, done);
        if let Some(hand_over) = id.and_then(|id| self.counter.state(id))
            && hand_over.url.is_some()
        {
            self.tell(Event::HandOver(hand_over));
        }
    }

    async fn send_files(
        &mut self,
        files: Vec<PathBuf>,
        parcel: Parcel,
        state: String,
        terms: Terms,
    ) -> Result<HandOverId, HandOverError> {
        let goods = Goods::Send {
            files,
            name: parcel.name().to_owned(),
            size: parcel.size(),
            count: u32::try_from(parcel.files().len()).unwrap_or(u32::MAX),
            state,
        };
        self.hand_over(goods, Presence::Parcel(parcel), terms).await
    }

    async fn request_files(
        &mut self,
        folder: PathBuf,
        inbox: Inbox,
        files: u32,
        terms: Terms,
    ) -> Result<HandOverId, HandOverError> {
        let largest = inbox.rules().largest;
        // None at all would be done before it begins.
        let goods = Goods::Ask { folder, largest, files_left: files.max(1) };
        self.sweep(inbox.clone());
        self.hand_over(goods, Presence::Inbox(inbox), terms).await
    }

    async fn hand_over(
        &mut self,
        goods: Goods,
        presence: Presence,
        terms: Terms,
    ) -> Result<HandOverId, HandOverError> {
        let (id, over) = {
            let book = self.counter.desk.book();
            let is_full = book.len() >= MAX_HAND_OVERS;
            // What is done makes room.
            let over = is_full.then(|| book.oldest_done().ok_or(HandOverError::TooMany));
            (book.next_id(), over.transpose()?)
        };
        let mut changes: Vec<Change> = over.map(Change::DropHandOver).into_iter().collect();
        if self.counter.labels.is_empty() || self.counter.is_name_lost() {
            let label = StoredLabel {
                gateway: self.approach.gateway.origin(),
                identity: self.identity.clone(),
                label: naming::label(TITLE),
                origin: None,
            };
            changes.push(Change::SetDesk(label.clone()));
            self.counter.set_label(label);
            self.counter.refused = None;
            self.place_desk();
        }
        let kept = KeptHandOver {
            id,
            token: Token::generate(),
            goods,
            terms: Terms { note: readable(&terms.note, MAX_NOTE).unwrap_or_default(), ..terms },
            stage: Stage::Waiting,
            since: Now::read().wall,
            tickets: Vec::new(),
            refused: Vec::new(),
            uploads: Vec::new(),
            received: Vec::new(),
        };
        changes.push(Change::AddHandOver(Box::new(kept.clone())));
        if let Err(error) = self.keep_now(changes).await {
            // A slow disk may keep it later, and the next start would offer it.
            self.pending.push(Change::DropHandOver(id));
            return Err(store_error(error));
        }
        self.counter.desk.change(|book| {
            if let Some(over) = over {
                book.remove(over);
            }
            book.add(kept, presence);
        });
        if let Some(over) = over {
            self.counter.turns.remove(&over);
        }
        Ok(id)
    }

    fn answer_knock(&mut self, knock: KnockId, allow: bool) -> Result<(), HandOverError> {
        if !self.counter.desk.change(|book| book.answer(knock, allow)) {
            return Err(HandOverError::Unknown);
        }
        self.look_at_hand_overs();
        Ok(())
    }

    async fn end_hand_over(&mut self, id: HandOverId) -> Result<(), HandOverError> {
        // What the owner takes back is gone at once, whatever the disk says.
        let removed = self.counter.desk.change(|book| book.remove(id));
        let Removed { transfer, inbox, drafts } = removed.ok_or(HandOverError::Unknown)?;
        if let Some(transfer) = transfer {
            self.counter.desk.meter.ledger().stop(transfer, Now::read());
        }
        self.counter.turns.remove(&id);
        self.throw(inbox, drafts);
        let done = self.keep_now(vec![Change::DropHandOver(id)]).await;
        if done.is_err() {
            self.pending.push(Change::DropHandOver(id));
        }
        done.map_err(store_error)
    }

    /// Removes drafts from the disk, in the background.
    fn throw(&mut self, inbox: Option<Inbox>, drafts: Vec<String>) {
        let Some(inbox) = inbox.filter(|_| !drafts.is_empty()) else { return };
        self.counter.throwing.spawn(async move {
            for draft in drafts {
                if let Err(error) = inbox.discard(&draft).await {
                    tracing::debug!(%error, "A draft of a visitor stays on the disk");
                }
            }
        });
    }

    /// Removes old drafts that everybody forgot, because of a crash, or as the drive was not there when
    /// their hand-over ended.
    fn sweep(&mut self, inbox: Inbox) {
        self.counter.throwing.spawn(async move {
            if let Err(error) = inbox.sweep(FORGOTTEN_AFTER).await {
                tracing::debug!(%error, "Old drafts of visitors stay on the disk");
            }
        });
    }

    pub(super) fn pause_desk(&mut self, paused: bool) {
        self.counter.desk.change(|book| book.set_paused(paused));
        if paused {
            self.counter.stop_all(Now::read());
        }
    }

    /// Sees what happened at the desk, tells it, and begins to keep it.
    pub(super) fn look_at_hand_overs(&mut self) {
        self.counter.desk.settle(Now::read());
        let happenings = self.counter.desk.book().take_happenings();
        for happening in happenings {
            match happening {
                Happening::Changed(id) => {
                    if let Some(hand_over) = self.counter.state(id) {
                        self.tell(Event::HandOver(hand_over));
                    }
                }
                Happening::Knock(id, knock) => {
                    if let Some(hand_over) = self.counter.state(id) {
                        self.tell(Event::Knock { hand_over, knock });
                    }
                }
                Happening::Received(id, file) => {
                    if let Some(hand_over) = self.counter.state(id) {
                        self.tell(Event::Received { hand_over, file });
                    }
                }
                Happening::Thrown(id, drafts) => {
                    let inbox = match self.counter.desk.book().entry(id).map(|one| &one.presence) {
                        Some(Presence::Inbox(inbox)) => Some(inbox.clone()),
                        Some(Presence::Away | Presence::Parcel(_) | Presence::Unknown) | None => {
                            None
                        }
                    };
                    self.throw(inbox, drafts);
                }
            }
        }
        self.keep_hand_overs();
        if !self.counter.is_idle() && self.look_at.is_none() {
            self.look_soon();
        }
        self.show();
    }

    /// Begins to write what changed, if nothing is being written.
    fn keep_hand_overs(&mut self) {
        if !self.counter.keeping.is_empty() {
            return;
        }
        let now = Now::read();
        let passing = self.counter.desk.passing(now);
        let (kept, version) = self.counter.desk.book().take_changed(&passing, now);
        if kept.is_empty() {
            self.counter.desk.note_kept(version);
            return;
        }
        let store = self.store.clone();
        self.counter.keeping.spawn(async move {
            let ids = kept.iter().map(|kept| kept.id).collect();
            match store.apply(changes(kept)).await {
                Ok(()) => Kept::UpTo(version),
                Err(error) => Kept::Failed(ids, error),
            }
        });
    }

    pub(super) fn hand_overs_kept(&mut self, kept: Kept) {
        match kept {
            Kept::UpTo(version) => {
                self.counter.desk.note_kept(version);
                self.keep_hand_overs();
            }
            Kept::Failed(ids, error) => {
                tracing::warn!(%error, "What is handed over cannot be kept now");
                // The next look tries again.
                self.counter.desk.book().keep_again(ids);
            }
        }
    }

    /// Gives up waiting where it took too long, and keeps what could not be kept before.
    pub(super) fn expire_hand_overs(&mut self) {
        self.counter.desk.change(|book| book.expire(Now::read()));
        self.keep_hand_overs();
    }

    /// Keeps how far everything under way is, lest a crash hides it.
    pub(super) fn keep_running_hand_overs(&mut self) {
        self.counter.desk.book().keep_passing();
        self.keep_hand_overs();
    }

    /// The gateway gave the desk its name.
    pub(super) fn desk_named(&mut self, label: Label, origin: String) {
        self.counter.refused = None;
        let new = StoredLabel {
            gateway: self.approach.gateway.origin(),
            identity: self.identity.clone(),
            label,
            origin: Some(origin),
        };
        let at = Where { gateway: &new.gateway, identity: &new.identity };
        let is_new = self.counter.label(&at) != Some(&new);
        if is_new {
            self.counter.set_label(new.clone());
            self.pending.push(Change::SetDesk(new));
        }
        self.place_desk();
        self.changed();
        if is_new {
            for hand_over in self.counter.states(Now::read()) {
                if hand_over.url.is_some() {
                    self.tell(Event::HandOver(hand_over));
                }
            }
            // A link that was shown must hold after a crash.
            self.keep_soon();
        }
    }

    /// The desk is where its name at the gateway of now says.
    pub(super) fn place_desk(&mut self) {
        let gateway = self.approach.gateway.origin();
        let at = Where { gateway: &gateway, identity: &self.identity };
        let origin = self.counter.label(&at).and_then(|label| label.origin.clone());
        self.counter.desk.book().set_origin(origin.as_deref());
    }

    /// Looks whether what is handed over is there.
    pub(super) fn look_at_goods(&mut self) {
        let all = self.counter.looks.is_multiple_of(SELDOM);
        self.counter.looks = self.counter.looks.wrapping_add(1);
        let book = self.counter.desk.book();
        for id in book.ids() {
            let Some(entry) = book.entry(id).filter(|entry| !entry.is_done()) else { continue };
            let is_there = matches!(entry.presence, Presence::Inbox(_) | Presence::Parcel(_));
            if is_there && !all {
                continue;
            }
            // A dead drive must not hold up the looks at the others.
            let turn = self.counter.turns.entry(id).or_insert_with(|| Arc::new(Semaphore::new(1)));
            let Ok(turn) = Arc::clone(turn).try_acquire_owned() else { continue };
            let (goods, presence) = (entry.goods.clone(), entry.presence.clone());
            let look = goods::look(goods, presence, entry.uploads.given(), turn);
            self.counter.looking.spawn(async move { (id, look.await) });
        }
    }

    pub(super) fn found_goods(&mut self, id: HandOverId, found: Found) {
        let Found { presence, arrived } = found;
        // Before any visitor is let in, who may ask for the last place.
        for (draft, file) in arrived {
            self.counter.desk.change(|book| book.found(id, &draft, file, Now::read()));
        }
        let before = match self.counter.desk.book().look(id) {
            Some(entry) => std::mem::replace(&mut entry.presence, presence.clone()),
            None => Presence::Unknown,
        };
        if let (Presence::Inbox(inbox), Presence::Away | Presence::Unknown) = (presence, before) {
            self.sweep(inbox);
        }
        self.show();
    }
}

fn store_error(error: PublishError) -> HandOverError {
    match error {
        PublishError::Store(why) => HandOverError::Store(why),
        PublishError::Already(_)
        | PublishError::Folder(..)
        | PublishError::TooMuch(_)
        | PublishError::Unknown => HandOverError::Unknown,
    }
}
