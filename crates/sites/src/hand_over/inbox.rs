//! Where files that visitors send land: a folder of the owner's, in which nothing is ever
//! overwritten.
//!
//! A file on its way is a draft, hidden beside the others (`.veranda-….part`). It survives a cut and a
//! restart, and gets its name only when all of it is there.

mod disk;

use std::{
    future::poll_fn,
    io,
    path::Path,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use crosstalk::transaction::Body;
use http_body::Body as _;
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};

use self::disk::{Available, Hold, Writer};
use crate::folder::disk::Root;

/// How long a disk may take for one thing that is asked of it.
pub const DISK_TIMEOUT: Duration = Duration::from_secs(60);

/// How many threads of one inbox wait for its disk at once: as many as files come at the same time,
/// and few enough that a dead disk leaves threads to the others.
pub const DISK_JOBS: usize = 4;

/// How long a visitor may send nothing before it counts as a cut.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(120);

/// How much is collected before the disk is asked, if it comes that fast.
const PIECE: usize = 256 * 1024;

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
    root: Root,
    rules: Rules,
    available: Available,
    jobs: Arc<Semaphore>,
}

/// A file on its way into an [`Inbox`]. Dropping it leaves what is on the disk, for
/// [`Inbox::resume`].
#[derive(Debug)]
pub struct Draft {
    inbox: Inbox,
    id: String,
    offset: u64,
    /// Away while the disk is asked; does not come back when the disk does not answer.
    writer: Option<Writer>,
}

/// A file that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// The name that it has now: made safe for every system, printable, and not one that was there.
    pub name: String,
    /// How many bytes it has.
    pub size: u64,
}

/// The name that a file is about to get, as it is noted before that. Whoever finds the draft gone, because
/// the program was killed at this very moment or the disk answered too late, learns by it whether the file
/// arrived ([`Inbox::arrived`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// The name; nothing had it when it was chosen.
    pub name: String,
    /// How many bytes the file has.
    pub size: u64,
    /// When the last of them was written, as the drive says.
    pub written: SystemTime,
}

/// Why a file is not taken.
#[derive(Debug, thiserror::Error)]
pub enum InboxError {
    /// The folder is not there or cannot be written, or its disk does not answer.
    #[error("the folder cannot be written")]
    Folder(#[source] io::Error),
    /// Larger than [`Rules::largest`], or than the drive keeps.
    #[error("the file is too large")]
    TooLarge,
    /// It would leave less free than [`Rules::keep_free`].
    #[error("the drive is full")]
    NoSpace,
    /// There is no such draft (any more).
    #[error("there is no such upload")]
    NoDraft,
    /// Somebody else has the draft open and does not let go of it.
    #[error("the upload is still being written")]
    Busy,
    /// The body ended before all was there. What came is kept.
    #[error("the upload was cut after {0} bytes of the file")]
    Cut(u64),
    /// More came than was announced.
    #[error("more came than was announced")]
    TooMuch,
}

impl Inbox {
    /// Opens a folder of the owner's, and tries whether it can be written. Touches the disk and may wait
    /// for it.
    ///
    /// # Errors
    /// [`InboxError::Folder`]; [`InboxError::NoSpace`] when not even an empty file fits.
    pub fn open(folder: &Path, rules: Rules) -> Result<Self, InboxError> {
        Self::open_with(folder, rules, disk::available)
    }

    fn open_with(folder: &Path, rules: Rules, available: Available) -> Result<Self, InboxError> {
        let root = Root::open(folder).map_err(InboxError::Folder)?;
        let id = disk::new_id();
        let hold = Hold::try_take(&id).ok_or(InboxError::Busy)?;
        drop(disk::begin(&root, hold)?);
        let hold = Hold::try_take(&id).ok_or(InboxError::Busy)?;
        disk::discard(&root, &hold)?;
        let jobs = Arc::new(Semaphore::new(DISK_JOBS));
        Ok(Self { shared: Arc::new(Shared { root, rules, available, jobs }) })
    }

    /// Returns what it takes.
    #[must_use]
    pub fn rules(&self) -> Rules {
        self.shared.rules
    }

    /// Looks whether the folder is (still, or again) at its path.
    pub async fn is_there(&self) -> bool {
        self.on_disk(|shared| Ok(shared.root.is_there())).await.unwrap_or(false)
    }

    /// Makes an empty draft for a file of `size` bytes, if that is known.
    ///
    /// # Errors
    /// [`InboxError::Folder`], [`InboxError::TooLarge`], [`InboxError::NoSpace`].
    pub async fn begin(&self, size: Option<u64>) -> Result<Draft, InboxError> {
        if size.is_some_and(|size| size > self.shared.rules.largest) {
            return Err(InboxError::TooLarge);
        }
        let id = disk::new_id();
        let hold = Hold::try_take(&id).ok_or(InboxError::Busy)?;
        let writer = self
            .on_disk(move |shared| {
                let Shared { root, rules, available, jobs: _ } = shared;
                let dir = root.dir().map_err(InboxError::Folder)?;
                disk::room(root, &dir, *available, *rules, size.unwrap_or(0))?;
                disk::begin(root, hold)
            })
            .await?;
        Ok(Draft { inbox: self.clone(), id, offset: 0, writer: Some(writer) })
    }

    /// Opens a draft again: after a cut, or a restart. Only one at a time has it open: whoever goes on
    /// with a draft drops the one before first ([`Draft::append`] may be dropped at any time); this waits
    /// until what that one was just writing is written.
    ///
    /// # Errors
    /// [`InboxError::NoDraft`], [`InboxError::Busy`], [`InboxError::Folder`].
    pub async fn resume(&self, id: &str) -> Result<Draft, InboxError> {
        if !disk::is_id(id) {
            return Err(InboxError::NoDraft);
        }
        let hold = Hold::take(id).await.ok_or(InboxError::Busy)?;
        let writer = self.on_disk(move |shared| disk::resume(&shared.root, hold)).await?;
        let offset = writer.offset();
        Ok(Draft { inbox: self.clone(), id: id.to_owned(), offset, writer: Some(writer) })
    }

    /// Looks whether a draft that is gone got the name that was noted for it, and is still there by that
    /// name: the very file, not another one that came there since. `None` when it is not, or is still a
    /// draft.
    ///
    /// # Errors
    /// [`InboxError::Busy`], [`InboxError::Folder`].
    pub async fn arrived(&self, id: &str, given: &Given) -> Result<Option<Arrived>, InboxError> {
        if !disk::is_id(id) {
            return Ok(None);
        }
        let hold = Hold::try_take(id).ok_or(InboxError::Busy)?;
        let arrived = Arrived { name: given.name.clone(), size: given.size };
        let given = given.clone();
        let has_name = self.on_disk(move |shared| disk::has_name(&shared.root, &hold, &given));
        Ok(has_name.await?.then_some(arrived))
    }

    /// Removes a draft that nobody will finish; one that is not there is removed.
    ///
    /// # Errors
    /// [`InboxError::Busy`], [`InboxError::Folder`].
    pub async fn discard(&self, id: &str) -> Result<(), InboxError> {
        if !disk::is_id(id) {
            return Ok(());
        }
        let hold = Hold::take(id).await.ok_or(InboxError::Busy)?;
        self.on_disk(move |shared| disk::discard(&shared.root, &hold)).await
    }

    /// Removes the drafts in the folder that nobody has written to for as long as `age`, whoever began
    /// them: also those of which a crash let everybody forget. Returns how many.
    ///
    /// # Errors
    /// [`InboxError::Folder`].
    pub async fn sweep(&self, age: Duration) -> Result<usize, InboxError> {
        self.on_disk(move |shared| disk::sweep(&shared.root, age)).await
    }

    /// Runs something on a thread that may wait. What it had goes when it ends, also when nobody waits
    /// for it any more.
    async fn on_disk<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Shared) -> Result<T, InboxError> + Send + 'static,
    ) -> Result<T, InboxError> {
        let shared = Arc::clone(&self.shared);
        let done = timeout(DISK_TIMEOUT, async {
            let permit = Arc::clone(&shared.jobs).acquire_owned().await.ok()?;
            let working = spawn_blocking(move || {
                let _permit = permit;
                job(&shared)
            });
            working.await.ok()
        });
        match done.await {
            Ok(Some(result)) => result,
            Ok(None) => Err(InboxError::Folder(io::ErrorKind::Interrupted.into())),
            Err(_) => Err(InboxError::Folder(io::ErrorKind::TimedOut.into())),
        }
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
    /// much of the file is on the disk. Rules are enforced while it is read, whatever was announced. Can be
    /// dropped at any time.
    ///
    /// # Errors
    /// [`InboxError::Cut`] (also when a body ends well, and less than `size` bytes are there),
    /// [`InboxError::TooMuch`], [`InboxError::TooLarge`], [`InboxError::NoSpace`],
    /// [`InboxError::NoDraft`] when somebody removed it, [`InboxError::Folder`]. What is on the disk stays
    /// there, for [`Inbox::resume`] or [`Inbox::discard`].
    pub async fn append(
        &mut self,
        mut body: Body,
        size: Option<u64>,
        progress: impl Fn(u64) + Send,
    ) -> Result<(), InboxError> {
        if size.is_some_and(|size| size > self.inbox.shared.rules.largest) {
            return Err(InboxError::TooLarge);
        }
        self.check_size(body.size_hint().lower(), size)?;
        let mut piece = Vec::new();
        loop {
            let waited = timeout(
                BODY_TIMEOUT,
                poll_fn(|context| poll_piece(Pin::new(&mut body), context, &mut piece)),
            );
            let end = waited.await.unwrap_or(End::Cut);
            if !piece.is_empty() {
                self.check_size(piece.len() as u64, size)?;
                let before = self.offset;
                let written = self.write(&mut piece).await;
                if self.offset > before {
                    progress(self.offset);
                }
                written?;
            }
            match end {
                End::NotYet => {}
                End::Whole if size.is_none_or(|size| self.offset == size) => return Ok(()),
                End::Whole | End::Cut => return Err(InboxError::Cut(self.offset)),
            }
        }
    }

    /// Gives the draft its name, or one beside it when that is taken, and the mark of a file from
    /// elsewhere where the system has one. Which name it will be is told to `note` before, and waits for it:
    /// what is noted there lasts when the program is killed, and what could not be noted gets no name.
    ///
    /// # Errors
    /// [`InboxError::NoDraft`], [`InboxError::NoSpace`], [`InboxError::Folder`], and [`InboxError::Busy`] when
    /// `note` says that it could not. The draft stays, for
    /// [`Inbox::resume`]; only a disk that does not answer in time may finish it after all, which
    /// [`Inbox::arrived`] knows.
    pub async fn finish<F: Future<Output = bool>>(
        mut self,
        name: &str,
        note: impl Fn(Given) -> F,
    ) -> Result<Arrived, InboxError> {
        let writer = self.writer.take().ok_or(InboxError::NoDraft)?;
        let wanted = name.to_owned();
        let mut whole =
            self.inbox.on_disk(move |shared| writer.close(&shared.root, &wanted)).await?;
        loop {
            let choosing = self.inbox.on_disk(move |shared| {
                let given = whole.choose(&shared.root)?;
                Ok((whole, given))
            });
            let (chosen, given) = choosing.await?;
            if !note(given.clone()).await {
                return Err(InboxError::Busy);
            }
            let arrived = Arrived { name: given.name.clone(), size: given.size };
            let giving = self.inbox.on_disk(move |shared| chosen.give(&shared.root, &given));
            match giving.await? {
                None => return Ok(arrived),
                // Something else took it in between.
                Some(again) => whole = again,
            }
        }
    }

    fn check_size(&self, more: u64, size: Option<u64>) -> Result<(), InboxError> {
        let whole = self.offset.saturating_add(more);
        if whole > self.inbox.shared.rules.largest {
            return Err(InboxError::TooLarge);
        }
        if size.is_some_and(|size| whole > size) {
            return Err(InboxError::TooMuch);
        }
        Ok(())
    }

    /// Writes a piece, or as much of it as there is room for, and leaves it empty.
    async fn write(&mut self, piece: &mut Vec<u8>) -> Result<(), InboxError> {
        let mut writer = self.writer.take().ok_or(InboxError::NoDraft)?;
        let bytes = std::mem::take(piece);
        let (writer, mut bytes, written) = self
            .inbox
            .on_disk(move |shared| {
                let Shared { root, rules, available, jobs: _ } = shared;
                let written = writer.write(root, *available, *rules, &bytes);
                Ok((writer, bytes, written))
            })
            .await?;
        self.offset = writer.offset();
        self.writer = Some(writer);
        bytes.clear();
        *piece = bytes;
        written
    }
}

/// How a body went on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    NotYet,
    Whole,
    Cut,
}

/// Waits for the next bytes, and takes what else is there. Nothing that came stays behind in memory while
/// more is waited for: it would be lost by a cut.
fn poll_piece(
    mut body: Pin<&mut Body>,
    context: &mut Context<'_>,
    piece: &mut Vec<u8>,
) -> Poll<End> {
    while piece.len() < PIECE {
        match body.as_mut().poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                if let Ok(bytes) = frame.into_data() {
                    piece.extend_from_slice(&bytes);
                }
            }
            Poll::Ready(Some(Err(_))) => return Poll::Ready(End::Cut),
            Poll::Ready(None) => return Poll::Ready(End::Whole),
            Poll::Pending if piece.is_empty() => return Poll::Pending,
            Poll::Pending => break,
        }
    }
    Poll::Ready(End::NotYet)
}

#[cfg(test)]
mod tests;
