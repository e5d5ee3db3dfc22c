//! One site, as the engine knows it.

use std::sync::Arc;

use sites::folder::{DISK_TIMEOUT, Folder, FolderOptions, Health};
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};

use crate::{
    folders,
    front::{Place, Presence, host_of_origin},
    model::{SiteId, SiteState, SiteTrouble},
    names::{WantedName, Whose},
    naming,
    session::{Door, Token},
    store::{StoredLabel, StoredSite},
};

/// A site and what is known of it in this run.
pub(super) struct Site {
    pub(super) stored: StoredSite,
    pub(super) disk: Disk,
    /// Why the gateway gives it no name.
    pub(super) refused: Option<SiteTrouble>,
    /// Lets one thread at a time open the folder: a drive that never answers keeps that one, and
    /// each further look would keep another.
    pub(super) opening: Arc<Semaphore>,
    /// Lets one look at a time be under way.
    pub(super) looking: Arc<Semaphore>,
}

/// Whether the folder is there.
#[derive(Clone, Debug)]
pub(super) enum Disk {
    /// It is not, or cannot be read.
    Gone,
    /// Its drive does not answer, or takes longer than any visitor waits.
    Silent,
    There(Folder),
    /// Nobody has looked yet.
    Unknown,
}

/// Which gateway the labels are for, and who we are there.
pub(super) struct Where<'a> {
    pub(super) gateway: &'a str,
    pub(super) identity: &'a str,
}

impl Site {
    pub(super) fn new(stored: StoredSite, disk: Disk) -> Self {
        let one = || Arc::new(Semaphore::new(1));
        Self { stored, disk, refused: None, opening: one(), looking: one() }
    }

    pub(super) fn id(&self) -> &SiteId {
        &self.stored.id
    }

    /// Returns the site's label at this gateway.
    pub(super) fn label(&self, at: &Where<'_>) -> Option<&StoredLabel> {
        let mut labels = self.stored.labels.iter();
        labels.find(|label| label.gateway == at.gateway && label.identity == at.identity)
    }

    /// Notes the site's label at its gateway.
    pub(super) fn set_label(&mut self, new: StoredLabel) {
        let same =
            |label: &StoredLabel| label.gateway == new.gateway && label.identity == new.identity;
        self.stored.labels.retain(|label| !same(label));
        self.stored.labels.push(new);
    }

    /// Returns the session URL, if the gateway confirmed the name.
    pub(super) fn url(&self, at: &Where<'_>) -> Option<String> {
        if self.refused.is_some() {
            return None;
        }
        let origin = self.label(at)?.origin.as_deref()?;
        Some(self.stored.sessions.first()?.url(origin))
    }

    /// Returns which name to ask for. At a new gateway it is the one that the site has elsewhere:
    /// people may remember it, and a gateway that only changed its port knows it.
    pub(super) fn wanted(&self, at: &Where<'_>) -> WantedName {
        let (label, settled) = match (self.label(at), self.stored.labels.last()) {
            (Some(label), _) => (label.label.clone(), label.origin.is_some()),
            (None, Some(elsewhere)) => (elsewhere.label.clone(), false),
            (None, None) => (naming::label(&self.stored.name), false),
        };
        let whose = Whose::Site(self.stored.id.clone());
        WantedName { whose, title: self.stored.name.clone(), label, settled }
    }

    /// Returns the site as requests meet it, and under which host name.
    pub(super) fn place(&self, at: &Where<'_>, paused: bool) -> Option<(String, Arc<Place>)> {
        let origin = self.label(at)?.origin.as_deref()?;
        let presence = match &self.disk {
            _ if paused || !self.stored.on => Presence::Off,
            Disk::Gone | Disk::Silent | Disk::Unknown => Presence::Gone,
            Disk::There(folder) => Presence::On(folder.clone()),
        };
        let tokens: Vec<Token> = self.stored.sessions.clone();
        let place = Place {
            id: self.stored.id.clone(),
            name: self.stored.name.as_str().into(),
            door: Door::new(tokens, &self.stored.id.0, origin.starts_with("https://")),
            presence,
            takes_notes: self.stored.takes_notes,
        };
        Some((host_of_origin(origin)?, Arc::new(place)))
    }

    pub(super) fn state(&self, at: &Where<'_>, visitors: u32, blocked: u32) -> SiteState {
        let away = match self.disk {
            Disk::Gone => Some(SiteTrouble::FolderGone),
            Disk::Silent => Some(SiteTrouble::FolderSilent),
            Disk::There(_) | Disk::Unknown => None,
        };
        SiteState {
            id: self.stored.id.clone(),
            name: self.stored.name.clone(),
            path: self.stored.path.clone(),
            on: self.stored.on,
            hidden_files: self.stored.hidden_files,
            url: self.url(at),
            trouble: away.or_else(|| self.refused.clone()),
            visitors,
            takes_notes: self.stored.takes_notes,
            blocked,
        }
    }

    /// Returns what looks whether the folder is there, in a task of its own.
    pub(super) fn look(&self) -> impl Future<Output = Disk> + Send + use<> {
        let known = match &self.disk {
            Disk::There(folder) => Some(folder.clone()),
            Disk::Gone | Disk::Silent | Disk::Unknown => None,
        };
        let open = self.open();
        async move {
            let Some(folder) = known else { return open.await };
            match folder.look().await {
                Health::There => Disk::There(folder),
                Health::Silent => Disk::Silent,
                // Another folder may be at the same path by now: it is opened anew.
                Health::Gone => open.await,
            }
        }
    }

    /// Opens the folder, or finds that it is not there; takes no longer than a visitor's request may.
    pub(super) fn open(&self) -> impl Future<Output = Disk> + Send + use<> {
        let path = self.stored.path.clone();
        let options = FolderOptions { hidden: self.stored.hidden_files };
        let turn = Arc::clone(&self.opening).acquire_owned();
        async move {
            let opened = timeout(DISK_TIMEOUT, async {
                let turn = turn.await.ok()?;
                let opening = spawn_blocking(move || {
                    let _turn = turn;
                    Folder::open(&path, options)
                });
                opening.await.ok()
            });
            match opened.await {
                Ok(Some(Ok(folder))) => Disk::There(folder),
                Ok(Some(Err(error))) => {
                    tracing::debug!(why = %folders::reason(&error), "A folder is not there");
                    Disk::Gone
                }
                Ok(None) => Disk::Gone,
                Err(_) => Disk::Silent,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_dead_drive_keeps_one_thread_however_often_it_is_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let site = Site::new(
            StoredSite {
                id: SiteId("site".to_owned()),
                name: "Photos".to_owned(),
                path: folder.path().to_owned(),
                on: true,
                hidden_files: false,
                takes_notes: true,
                sessions: Vec::new(),
                labels: Vec::new(),
                visitors: std::collections::HashSet::new(),
            },
            Disk::Unknown,
        );
        // A thread that the drive does not answer.
        let stuck = Arc::clone(&site.opening).acquire_owned().await.unwrap();
        for _ in 0..3 {
            assert!(matches!(site.look().await, Disk::Silent));
        }
        // It answers in time after all, slow as it is.
        let slow = async {
            sleep(DISK_TIMEOUT.saturating_sub(Duration::from_secs(5))).await;
            drop(stuck);
        };
        let (found, ()) = tokio::join!(site.look(), slow);
        assert!(matches!(found, Disk::There(_)), "{found:?}");
        assert_eq!(site.opening.available_permits(), 1);
    }
}
