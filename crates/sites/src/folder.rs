//! A folder as a site: files as they are, and a page that lists what is there.

use std::path::{Path, PathBuf};

use crosstalk::transaction::Body;

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

/// A folder that answers requests; cheap to clone, and all clones are the same folder.
#[derive(Clone, Debug)]
pub struct Folder {}

impl Folder {
    /// Opens the folder at this path. Touches the disk and may wait for it.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(path: &Path, options: FolderOptions) -> Result<Self, OpenError> {
        let _ = (path, options);
        unimplemented!()
    }

    /// Returns the path it was opened at.
    #[must_use]
    pub fn path(&self) -> &Path {
        unimplemented!()
    }

    /// Answers a request. It never fails: what goes wrong is a page with a status. When the body
    /// of the response is (a part of) a file's contents, its extensions hold a
    /// [`Delivery`](crate::Delivery). Dropping the body ends the reading.
    pub fn respond(
        &self,
        request: http::Request<Body>,
    ) -> impl Future<Output = http::Response<Body>> + Send + use<> {
        let _ = request;
        async { unimplemented!() }
    }

    /// Looks whether the folder is still (or again) at its path and readable. Also lets a folder
    /// that went away and came back (an unplugged drive) be served again. Waits at most
    /// [`HEALTH_TIMEOUT`]; a disk that takes longer counts as not there.
    pub fn is_there(&self) -> impl Future<Output = bool> + Send + use<> {
        async { unimplemented!() }
    }
}

/// How long [`Folder::is_there`] waits for a disk that may have to spin up.
pub const HEALTH_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);
