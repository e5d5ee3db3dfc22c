//! A folder as a site: files as they are, and a page that lists what is there.

pub(crate) mod answer;
pub(crate) mod disk;
pub(crate) mod listing;
pub(crate) mod media;
pub(crate) mod pages;
pub(crate) mod path;
mod range;
pub(crate) mod reading;
#[cfg(target_os = "linux")]
mod resident;
pub(crate) mod validators;

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use crosstalk::transaction::Body;
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};

use self::{answer::Ask, disk::Root};

pub use self::reading::ReadError;

/// How long a disk may take until a response begins; then the visitor reads that it does not
/// keep up. A look at the folder takes no longer either: a drive that is slow, but quick enough for
/// visitors, is there.
pub const DISK_TIMEOUT: Duration = Duration::from_secs(30);

/// How many threads of one folder wait for its disk at once. Enough for a disk that is far away,
/// and few enough that a dead one leaves threads to the other folders.
pub const DISK_JOBS: usize = 16;

/// What of a folder is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FolderOptions {
    /// Whether hidden files are served and listed: names that begin with a dot, and what systems
    /// leave behind (`desktop.ini`, `Thumbs.db`).
    pub hidden: bool,
}

/// Why a folder cannot be published.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Nothing is there.
    #[error("{0} is not there")]
    NotFound(PathBuf),
    /// Something is there, and it is no folder.
    #[error("{0} is not a folder")]
    NotAFolder(PathBuf),
    /// We may not read it.
    #[error("{0} may not be read")]
    Denied(PathBuf),
    /// The system says something else.
    #[error("{0} cannot be opened: {1}")]
    Other(PathBuf, #[source] std::io::Error),
}

/// What a look at a folder found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It is not at its path, or cannot be read.
    Gone,
    /// Its disk did not answer in time, so nobody knows.
    Silent,
    /// It is there.
    There,
}

/// A folder that answers requests; cheap to clone, and all clones are the same folder.
#[derive(Clone, Debug)]
pub struct Folder {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    root: Root,
    options: FolderOptions,
    jobs: Arc<Semaphore>,
    /// Whether what is in memory is served without asking a thread that may wait.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "only Linux can do that"))]
    at_once: bool,
}

impl Folder {
    /// Opens the folder at this path. Touches the disk and may wait for it.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(path: &Path, options: FolderOptions) -> Result<Self, OpenError> {
        Self::open_as(path, options, true)
    }

    /// The same, answering every request as systems do that cannot tell what is in memory. For
    /// tests, which must see both.
    ///
    /// # Errors
    /// See [`OpenError`].
    #[doc(hidden)]
    pub fn open_portable(path: &Path, options: FolderOptions) -> Result<Self, OpenError> {
        Self::open_as(path, options, false)
    }

    fn open_as(path: &Path, options: FolderOptions, at_once: bool) -> Result<Self, OpenError> {
        let root = Root::open(path).map_err(|error| OpenError::new(path, error))?;
        let jobs = Arc::new(Semaphore::new(DISK_JOBS));
        Ok(Self { shared: Arc::new(Shared { root, options, jobs, at_once }) })
    }

    /// Returns the path it was opened at.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.shared.root.path()
    }

    /// Answers a request. It never fails: what goes wrong is a page with a status. When the body
    /// of the response is (a part of) a file's contents, its extensions hold a
    /// [`Delivery`](crate::Delivery), and the body ends with a [`ReadError`] when the file does
    /// not hold what was announced. With a [`NoteBox`](crate::note::NoteBox) in the request's extensions,
    /// listings have the box. Dropping the body ends the reading. Needs a tokio runtime.
    pub fn respond(
        &self,
        request: http::Request<Body>,
    ) -> impl Future<Output = http::Response<Body>> + Send + use<> {
        let shared = Arc::clone(&self.shared);
        let (parts, _) = request.into_parts();
        async move {
            let ask = match Ask::read(parts) {
                Ok(ask) => ask,
                Err(response) => return response,
            };
            #[cfg(target_os = "linux")]
            if shared.at_once
                && let Some(response) =
                    ask.answer_at_once(&shared.root, shared.options, &shared.jobs)
            {
                return response;
            }
            let manner = ask.manner;
            let answered = timeout(DISK_TIMEOUT, async {
                let permit = Arc::clone(&shared.jobs).acquire_owned().await.ok()?;
                let answering = spawn_blocking(move || {
                    let _permit = permit;
                    ask.answer(&shared.root, shared.options, &shared.jobs)
                });
                answering.await.ok()
            });
            match answered.await {
                Ok(Some(response)) => response,
                Ok(None) => manner.notice(&pages::DISK),
                Err(_) => manner.notice(&pages::BUSY),
            }
        }
    }

    /// Looks whether the folder is still (or again) at its path and readable. Waits at most
    /// [`DISK_TIMEOUT`]. A folder that was away is served again as soon as it is back, whether
    /// anybody asked this or not.
    pub fn look(&self) -> impl Future<Output = Health> + Send + use<> {
        let shared = Arc::clone(&self.shared);
        async move {
            let looked = timeout(DISK_TIMEOUT, async {
                let permit = Arc::clone(&shared.jobs).acquire_owned().await.ok()?;
                let looking = spawn_blocking(move || {
                    let _permit = permit;
                    shared.root.is_there()
                });
                looking.await.ok()
            });
            match looked.await {
                Ok(Some(true)) => Health::There,
                Ok(Some(false) | None) => Health::Gone,
                Err(_) => Health::Silent,
            }
        }
    }
}

impl OpenError {
    fn new(path: &Path, error: io::Error) -> Self {
        let path = path.to_owned();
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "ErrorKind grows; the rest is told as it is"
        )]
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotFound(path),
            io::ErrorKind::NotADirectory => Self::NotAFolder(path),
            io::ErrorKind::PermissionDenied => Self::Denied(path),
            _ => Self::Other(path, error),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_answers_slowly_is_there_and_who_does_not_answer_is_not_called_gone() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path(), FolderOptions::default()).unwrap();
        let jobs = u32::try_from(DISK_JOBS).unwrap();
        // All that wait for a disk that takes its time.
        let waiting = Arc::clone(&folder.shared.jobs).acquire_many_owned(jobs).await.unwrap();
        let slow = async {
            sleep(DISK_TIMEOUT.saturating_sub(Duration::from_secs(5))).await;
            drop(waiting);
        };
        let (found, ()) = tokio::join!(folder.look(), slow);
        assert_eq!(found, Health::There);
        let _waiting = Arc::clone(&folder.shared.jobs).acquire_many_owned(jobs).await.unwrap();
        assert_eq!(folder.look().await, Health::Silent);
    }
}
