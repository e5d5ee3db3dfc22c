//! What is handed over, on the disk.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use sites::hand_over::{
    Inbox, Parcel, ParcelError,
    inbox::{self, Arrived, Given, InboxError, Rules},
};
use tokio::{sync::OwnedSemaphorePermit, task::spawn_blocking, time::timeout};

use super::OPEN_TIMEOUT;
use crate::{
    fault::FolderFault,
    folders,
    hand_over::{Goods, Presence},
    model::HandOverError,
};

/// How much stays free on a drive into which visitors put files: what a system needs to go on working,
/// on a small drive as on a large one.
pub(crate) const KEEP_FREE: u64 = 1024 * 1024 * 1024;

/// A folder that takes files, by its full path.
pub(super) type Folder = PathBuf;

/// Opens files that the owner sends; returns their full paths, and what tells them from others.
pub(super) async fn choose_files(
    files: Vec<PathBuf>,
) -> Result<(Vec<PathBuf>, Parcel, String), HandOverError> {
    let first = files.first().cloned().unwrap_or_default();
    let opening = spawn_blocking(move || {
        // Whatever the program's folder is after the next start.
        let absolute = |file: &PathBuf| std::path::absolute(file).unwrap_or_else(|_| file.clone());
        let files: Vec<PathBuf> = files.iter().map(absolute).collect();
        Parcel::open(&files).map(|parcel| (files, parcel))
    });
    match timeout(OPEN_TIMEOUT, opening).await {
        Ok(Ok(opened)) => {
            let (files, parcel) = opened?;
            let state = parcel.state();
            Ok((files, parcel, state))
        }
        Ok(Err(_)) | Err(_) => {
            let why = io::Error::new(io::ErrorKind::TimedOut, "the disk does not answer");
            Err(ParcelError::Other(first, why).into())
        }
    }
}

/// Opens a folder into which visitors put files; returns its full path.
pub(super) async fn choose_folder(
    folder: &Path,
    largest: u64,
) -> Result<(PathBuf, Inbox), HandOverError> {
    let asked = folder.to_owned();
    let opening = spawn_blocking(move || {
        let folder = folders::canonical(&asked).map_err(InboxError::Folder)?;
        let inbox = Inbox::open(&folder, rules(largest))?;
        Ok::<_, InboxError>((folder, inbox))
    });
    let why = match timeout(OPEN_TIMEOUT, opening).await {
        Ok(Ok(Ok(opened))) => return Ok(opened),
        Ok(Ok(Err(InboxError::Folder(error)))) => cannot_take(&error),
        Ok(Ok(Err(InboxError::NoSpace))) => FolderFault::Full,
        Ok(Ok(Err(error))) => FolderFault::Other(error.to_string()),
        Ok(Err(_)) | Err(_) => FolderFault::Silent,
    };
    Err(HandOverError::Folder(folder.to_owned(), why))
}

/// What a look found.
pub(super) struct Found {
    pub(super) presence: Presence,
    /// Files that arrived when nobody noted it, each with its draft.
    pub(super) arrived: Vec<(String, Arrived)>,
}

impl From<Presence> for Found {
    fn from(presence: Presence) -> Self {
        Self { presence, arrived: Vec::new() }
    }
}

/// Looks whether it is there, and where it was not before also for files that were about to get these names;
/// in a task of its own. Whoever has the turn looks, and a drive that never answers keeps it with its thread.
pub(super) fn look(
    goods: Goods,
    known: Presence,
    given: Vec<(String, Given)>,
    turn: OwnedSemaphorePermit,
) -> impl Future<Output = Found> + Send {
    let at_most = patience(&goods);
    let turn = Arc::new(turn);
    let look = async move {
        // Also while what a thread found is looked at.
        let for_thread = Arc::clone(&turn);
        match goods {
            Goods::Send { files, state: wanted, .. } => {
                let opening = spawn_blocking(move || {
                    let _turn = for_thread;
                    Parcel::open(&files)
                });
                let parcel = opening.await.ok()?.ok()?;
                // What was begun can only be continued with the very same files.
                let is_same = parcel.state() == wanted;
                let presence = match known {
                    Presence::Parcel(known) => Presence::Parcel(known),
                    Presence::Away | Presence::Inbox(_) | Presence::Unknown => {
                        Presence::Parcel(parcel)
                    }
                };
                is_same.then(|| presence.into())
            }
            Goods::Ask { folder, largest, .. } => {
                if let Presence::Inbox(known) = known
                    && known.is_there().await
                {
                    return Some(Presence::Inbox(known).into());
                }
                let opening = spawn_blocking(move || {
                    let _turn = for_thread;
                    Inbox::open(&folder, rules(largest))
                });
                let inbox = opening.await.ok()?.ok()?;
                let mut arrived = Vec::new();
                for (draft, given) in given {
                    // What the disk does not say now, it is asked when the visitor comes.
                    if let Ok(Some(file)) = inbox.arrived(&draft, &given).await {
                        arrived.push((draft, file));
                    }
                }
                Some(Found { presence: Presence::Inbox(inbox), arrived })
            }
        }
    };
    async move {
        let found = timeout(at_most, look).await.ok().flatten();
        found.unwrap_or_else(|| Presence::Away.into())
    }
}

/// Returns how long a look may take: as long as the disk may for what visitors want of it, lest one that is
/// slow, but quick enough for them, counts as not there.
fn patience(goods: &Goods) -> Duration {
    match goods {
        Goods::Ask { .. } => inbox::DISK_TIMEOUT,
        Goods::Send { .. } => sites::folder::DISK_TIMEOUT,
    }
}

/// Says why a folder cannot take files.
fn cannot_take(error: &io::Error) -> FolderFault {
    match FolderFault::of(error) {
        FolderFault::Denied => FolderFault::ReadOnly,
        fault @ (FolderFault::Full
        | FolderFault::NotAFolder
        | FolderFault::NotFound
        | FolderFault::Other(_)
        | FolderFault::ReadOnly
        | FolderFault::Silent) => fault,
    }
}

fn rules(largest: u64) -> Rules {
    Rules { largest, keep_free: KEEP_FREE }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drives_that_take_no_files_are_told_by_what_is_the_matter() {
        for (kind, fault) in [
            (io::ErrorKind::NotADirectory, FolderFault::NotAFolder),
            (io::ErrorKind::NotFound, FolderFault::NotFound),
            (io::ErrorKind::PermissionDenied, FolderFault::ReadOnly),
            (io::ErrorKind::QuotaExceeded, FolderFault::Full),
            (io::ErrorKind::ReadOnlyFilesystem, FolderFault::ReadOnly),
            (io::ErrorKind::StorageFull, FolderFault::Full),
            (io::ErrorKind::TimedOut, FolderFault::Silent),
            (io::ErrorKind::Other, FolderFault::Other("torn".to_owned())),
        ] {
            assert_eq!(cannot_take(&io::Error::new(kind, "torn")), fault, "{kind}");
        }
    }
}
