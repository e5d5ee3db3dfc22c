//! What the owner asks for.

use std::{path::PathBuf, time::Duration};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use crosstalk::address::Invitation;
use sites::folder::Folder;
use tokio::{sync::oneshot, task::JoinSet, time::timeout};

use super::{
    super::{
        Ask,
        site::{Disk, Site},
    },
    Core,
};
use crate::{
    approach::Approach,
    ledger::Now,
    model::{LinkState, PublishError, SiteId},
    naming,
    session::Token,
    store::{Change, Release, StoredLabel, StoredSite},
};

/// How long opening a folder anew may keep the engine from everything else.
const REOPEN_TIMEOUT: Duration = Duration::from_secs(2);

impl Core {
    pub(super) async fn asked(&mut self, ask: Ask) {
        match ask {
            Ask::ClearHistory(answer) => {
                self.look_at_transfers();
                let done = self.keep_now(vec![Change::ClearHistory]).await;
                if done.is_ok() {
                    self.history.clear();
                }
                self.answer(answer, done);
            }
            Ask::HandOver(ask) => self.asked_about_hand_overs(ask).await,
            Ask::Publish { path, folder, answer } => {
                let done = self.publish(path, folder).await;
                self.answer(answer, done);
            }
            Ask::Note(ask, answer) => {
                let done = self.asked_about_notes(ask).await;
                self.answer(answer, done);
            }
            Ask::Remove(site, answer) => {
                let done = self.remove(&site).await;
                self.answer(answer, done);
            }
            Ask::Rename(site, name, answer) => {
                let done = match self.site(&site) {
                    None => Err(PublishError::Unknown),
                    Some(found) => {
                        let name = naming::readable(&name)
                            .unwrap_or_else(|| naming::title(&found.stored.path));
                        self.change(&site, Change::SetName(site.clone(), name.clone()), |site| {
                            site.stored.name = name;
                        })
                        .await
                    }
                };
                self.answer(answer, done);
            }
            Ask::Retry => self.signals.retry.notify_waiters(),
            Ask::SetHidden(id, hidden, answer) => {
                let change = Change::SetHidden(id.clone(), hidden);
                let done = self.change(&id, change, |site| site.stored.hidden_files = hidden).await;
                if done.is_ok() {
                    self.reopen(&id).await;
                }
                self.answer(answer, done);
            }
            Ask::SetOn(id, on, answer) => {
                let change = Change::SetOn(id.clone(), on);
                if !on {
                    // What the owner takes back is gone at once, whatever the disk says.
                    self.make(&id, |site| site.stored.on = false);
                    self.changed();
                    self.meter.ledger().stop_all(Some(&id), Now::read());
                }
                let done = self.change(&id, change.clone(), |site| site.stored.on = on).await;
                if !on && matches!(done, Err(PublishError::Store(_))) {
                    self.pending.push(change);
                }
                self.answer(answer, done);
            }
            Ask::SetPaused(paused, answer) => {
                let change = Change::SetPaused(paused);
                if paused {
                    // The same holds here.
                    self.paused = true;
                    self.pause_desk(true);
                    self.changed();
                    self.meter.ledger().stop_all(None, Now::read());
                }
                let done = self.keep_now(vec![change.clone()]).await;
                if done.is_ok() {
                    self.paused = paused;
                    self.pause_desk(paused);
                } else if paused {
                    self.pending.push(change);
                }
                self.answer(answer, done);
            }
            Ask::Shutdown => {}
            Ask::StopTransfer(transfer) => {
                self.meter.ledger().stop(transfer, Now::read());
                self.look_soon();
            }
            Ask::UseGateway(Invitation { gateway, invite }, account) => {
                // Over XMPP it may be the account or the invitation that is another.
                if gateway != self.approach.gateway || gateway.xmpp().is_some() {
                    let roots = self.approach.roots.clone();
                    self.approach = Approach { gateway, roots, account, invite };
                    self.link = LinkState::Dialling;
                    for site in &mut self.sites {
                        site.refused = None;
                    }
                    self.counter.refused = None;
                    self.start_keeper();
                    self.changed();
                }
            }
        }
    }

    /// Shows what changed, then answers: who asked finds it in the snapshot.
    pub(super) fn answer<T, E>(
        &mut self,
        answer: oneshot::Sender<Result<T, E>>,
        done: Result<T, E>,
    ) {
        if done.is_ok() {
            self.changed();
        }
        // Who asked may be gone.
        let _ = answer.send(done);
    }

    pub(super) async fn publish(
        &mut self,
        path: PathBuf,
        folder: Folder,
    ) -> Result<SiteId, PublishError> {
        if let Some(site) = self.sites.iter().find(|site| site.stored.path == path) {
            return Err(PublishError::Already(site.id().clone()));
        }
        let name = naming::title(&path);
        let id = SiteId(BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 9]>()));
        let label = StoredLabel {
            gateway: self.approach.gateway.origin(),
            identity: self.identity.clone(),
            label: naming::label(&name),
            origin: None,
        };
        let stored = StoredSite {
            id: id.clone(),
            name,
            path,
            on: true,
            hidden_files: false,
            takes_notes: true,
            sessions: vec![Token::generate()],
            labels: vec![label],
            visitors: std::collections::HashSet::new(),
        };
        if let Err(error) = self.keep_now(vec![Change::AddSite(Box::new(stored.clone()))]).await {
            // A slow disk may keep it later, and the next start would publish it.
            self.pending.push(Change::RemoveSite(id));
            return Err(error);
        }
        self.meter.ledger().add_site(id.clone(), std::collections::HashSet::new());
        self.sites.push(Site::new(stored, Disk::There(folder)));
        Ok(id)
    }

    async fn remove(&mut self, id: &SiteId) -> Result<(), PublishError> {
        let site = self.site(id).ok_or(PublishError::Unknown)?;
        let releases: Vec<Release> = site
            .stored
            .labels
            .iter()
            .map(|label| Release {
                gateway: label.gateway.clone(),
                identity: label.identity.clone(),
                label: label.label.clone(),
            })
            .collect();
        let mut changes = vec![Change::RemoveSite(id.clone())];
        changes.extend(releases.iter().cloned().map(Change::AddRelease));
        self.keep_now(changes).await?;
        self.releases.extend(releases);
        self.sites.retain(|site| site.id() != id);
        self.update_routes();
        self.letterbox.book().remove_site(id);
        let mut ledger = self.meter.ledger();
        ledger.stop_all(Some(id), Now::read());
        ledger.remove_site(id);
        Ok(())
    }

    /// Opens the folder of a site with the rules of now.
    async fn reopen(&mut self, id: &SiteId) {
        // What was asked under the old rules must not come back later.
        self.folders = JoinSet::new();
        let Some(site) = self.site(id) else { return };
        let opened = timeout(REOPEN_TIMEOUT, site.open()).await;
        // Nothing is served by the old rules; the next look opens it.
        self.found(id, opened.unwrap_or(Disk::Unknown));
    }

    /// Keeps a change of a site, then makes it.
    pub(super) async fn change(
        &mut self,
        id: &SiteId,
        change: Change,
        make: impl FnOnce(&mut Site),
    ) -> Result<(), PublishError> {
        self.site(id).ok_or(PublishError::Unknown)?;
        self.keep_now(vec![change]).await?;
        self.make(id, make);
        self.update_routes();
        Ok(())
    }
}
