//! Where files that visitors send land: a folder of the owner's, in which nothing is ever
//! overwritten.
//!
//! A file on its way is a draft, hidden beside the others. It survives a cut and a restart, and gets
//! its name only when all of it is there.

use std::{io, path::Path, sync::Arc};

use crosstalk::transaction::Body;

/// Which files are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The most bytes of one file.
    pub largest: u64,
    /// How many bytes stay free on the drive.
    pub keep_free: u64,
}

/// A folder that takes files; cheap to clone.
#[derive(Clone, Debug)]
pub struct Inbox {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    rules: Rules,
}

/// A file on its way into an [`Inbox`].
#[derive(Debug)]
pub struct Draft {
    id: String,
    offset: u64,
}

/// A file that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// The name that it has now: made safe for every system, printable, and not one that was there.
    pub name: String,
    /// How many bytes it has.
    pub size: u64,
}

/// Why a file is not taken.
#[derive(Debug, thiserror::Error)]
pub enum InboxError {
    /// The folder is not there or cannot be written.
    #[error("the folder cannot be written")]
    Folder(#[source] io::Error),
    /// Larger than [`Rules::largest`].
    #[error("the file is too large")]
    TooLarge,
    /// It would leave less free than [`Rules::keep_free`].
    #[error("the drive is full")]
    NoSpace,
    /// There is no such draft (any more).
    #[error("there is no such upload")]
    NoDraft,
    /// The body ended before all was there. What came is kept.
    #[error("the upload was cut after {0} bytes of the file")]
    Cut(u64),
    /// More came than was announced.
    #[error("more came than was announced")]
    TooMuch,
}

impl Inbox {
    /// Opens a folder of the owner's. Touches the disk and may wait for it.
    ///
    /// # Errors
    /// [`InboxError::Folder`].
    pub fn open(folder: &Path, rules: Rules) -> Result<Self, InboxError> {
        let _ = (folder, rules);
        Err(InboxError::Folder(io::ErrorKind::NotFound.into()))
    }

    /// Returns what it takes.
    #[must_use]
    pub fn rules(&self) -> Rules {
        self.shared.rules
    }

    /// Makes an empty draft for a file of `size` bytes, if that is known.
    ///
    /// # Errors
    /// [`InboxError::Folder`], [`InboxError::TooLarge`], [`InboxError::NoSpace`].
    pub async fn begin(&self, size: Option<u64>) -> Result<Draft, InboxError> {
        let _ = size;
        Err(InboxError::Folder(io::ErrorKind::NotFound.into()))
    }

    /// Opens a draft again: after a cut, or a restart. Only one at a time has it open.
    ///
    /// # Errors
    /// [`InboxError::NoDraft`], [`InboxError::Folder`].
    pub async fn resume(&self, id: &str) -> Result<Draft, InboxError> {
        let _ = id;
        Err(InboxError::NoDraft)
    }

    /// Removes a draft that nobody will finish.
    ///
    /// # Errors
    /// [`InboxError::Folder`].
    pub async fn discard(&self, id: &str) -> Result<(), InboxError> {
        let _ = id;
        Ok(())
    }
}

impl Draft {
    /// Names the draft over restarts: 22 characters that nobody can guess.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns how much of the file is on the disk.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Appends a body, not beyond `size` bytes in all when that is known, and tells after each piece how
    /// much of the file is on the disk. Rules are enforced while it is read, whatever was announced.
    ///
    /// # Errors
    /// [`InboxError::Cut`], [`InboxError::TooMuch`], [`InboxError::TooLarge`], [`InboxError::NoSpace`],
    /// [`InboxError::Folder`]. What is on the disk stays there, for [`Inbox::resume`] or
    /// [`Inbox::discard`].
    pub async fn append(
        &mut self,
        body: Body,
        size: Option<u64>,
        progress: impl Fn(u64) + Send,
    ) -> Result<(), InboxError> {
        let _ = (body, size, progress);
        Err(InboxError::NoDraft)
    }

    /// Gives the draft its name, or one beside it when that is taken, and the mark of a file from
    /// elsewhere where the system has one.
    ///
    /// # Errors
    /// [`InboxError::Folder`].
    pub async fn finish(self, name: &str) -> Result<Arrived, InboxError> {
        let _ = name;
        Err(InboxError::NoDraft)
    }
}
