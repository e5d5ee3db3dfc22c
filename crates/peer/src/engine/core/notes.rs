//! What the engine does with notes of visitors: keeps them, tells them, sends the answers.

use std::{sync::Arc, time::SystemTime};

use super::{
    super::{NoteAsk, site::Where},
    Core,
};
use crate::{
    model::{Event, NoteId, PublishError, SiteId},
    notes::{Happening, KeptNote},
    registry,
    store::Change,
};

/// How many answers are on their way at once. An owner writes one after the other; only when a
/// visitor comes back there may be some.
const MAX_SENDING: usize = 8;

impl Core {
    /// Sees what happened to notes, tells it, and plans to keep it.
    pub(super) fn look_at_notes(&mut self) {
        let happenings = self.letterbox.book().take_happenings();
        for happening in happenings {
            match happening {
                Happening::Written(kept) => {
                    tracing::debug!("A visitor wrote a note");
                    self.tell(Event::Note(kept.note.clone()));
                    self.pending.push(Change::KeepNote(kept));
                }
                Happening::Arrived(kept) => self.pending.push(Change::KeepNote(kept)),
                Happening::Gone(notes) => self.pending.push(Change::DropNotes(notes)),
                Happening::Back { site, actor, tab } => {
                    let waiting = self.letterbox.book().waiting_for(&site, &actor);
                    for note in waiting {
                        self.send_reply(note, tab.clone());
                    }
                }
            }
        }
        self.show();
        // A note is not written twice, so it must not be lost.
        self.keep_soon();
    }

    pub(super) async fn asked_about_notes(&mut self, ask: NoteAsk) -> Result<(), PublishError> {
        match ask {
            NoteAsk::Block(note) => {
                let blocked = self.letterbox.book().block(note);
                let (site, writer, gone) = blocked.ok_or(PublishError::Unknown)?;
                self.keep_all(vec![Change::Block(site, writer), Change::DropNotes(gone)]).await
            }
            NoteAsk::Forget(note) => {
                if !self.letterbox.book().forget(note) {
                    return Err(PublishError::Unknown);
                }
                self.keep_all(vec![Change::DropNotes(vec![note])]).await
            }
            NoteAsk::Reply(note, text) => {
                let kept = self.letterbox.book().reply(note, &text, now());
                let kept = kept.ok_or(PublishError::Unknown)?;
                self.send_reply(note, None);
                self.keep_all(vec![Change::KeepNote(Box::new(kept))]).await
            }
            NoteAsk::Seen(site) => {
                self.site(&site).ok_or(PublishError::Unknown)?;
                let seen = self.letterbox.book().seen(&site);
                self.keep_all(changes(seen)).await
            }
            NoteAsk::Take(id, takes) => {
                let change = Change::SetNotes(id.clone(), takes);
                self.change(&id, change, |site| site.stored.takes_notes = takes).await
            }
            NoteAsk::Unblock(site) => {
                self.site(&site).ok_or(PublishError::Unknown)?;
                self.letterbox.book().unblock(&site);
                self.keep_all(vec![Change::Unblock(site)]).await
            }
        }
    }

    /// Keeps what has happened already, later if the disk cannot now.
    async fn keep_all(&mut self, changes: Vec<Change>) -> Result<(), PublishError> {
        if changes.is_empty() {
            return Ok(());
        }
        let done = self.keep_now(changes.clone()).await;
        if done.is_err() {
            self.pending.extend(changes);
        }
        self.show();
        done
    }

    /// Sends the answer of a note in the background, to one tab or to all that the visitor has open.
    fn send_reply(&mut self, note: NoteId, tab: Option<String>) {
        let kept = self.letterbox.book().find(note).cloned();
        let Some(kept) = kept.filter(|_| self.replies.len() < MAX_SENDING) else { return };
        let Some(number) = kept.number() else { return };
        let KeptNote { note, writer } = kept;
        let (Some(reply), Some(actor)) = (note.reply, writer.actor) else { return };
        if !self.is_here(&note.site) {
            return;
        }
        let (approach, key) = (self.approach.clone(), Arc::clone(&self.key));
        self.replies.spawn(async move {
            let answer = registry::Reply { actor, tab, number, text: reply.text };
            // Whether it arrived is what the visitor's page says, not what the gateway does.
            if let Err(error) = registry::reply(&approach, &key, &answer).await {
                tracing::debug!(%error, "An answer waits for its visitor");
            }
        });
    }

    /// Returns whether a site has its name at the gateway of now.
    fn is_here(&self, id: &SiteId) -> bool {
        let gateway = self.approach.gateway.origin();
        let at = Where { gateway: &gateway, identity: &self.identity };
        self.site(id).is_some_and(|site| site.label(&at).is_some())
    }
}

fn changes(notes: Vec<KeptNote>) -> Vec<Change> {
    notes.into_iter().map(|kept| Change::KeepNote(Box::new(kept))).collect()
}

/// Returns the time as the store keeps it, in milliseconds: what comes back is the same.
fn now() -> SystemTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH
        + std::time::Duration::from_millis(u64::try_from(since.as_millis()).unwrap_or(0))
}
