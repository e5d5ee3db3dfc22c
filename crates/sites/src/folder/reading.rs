//! A file as a body: read in large pieces on threads that may wait, one piece ahead of what is
//! being sent, and never shown as complete when it was not.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use crosstalk::transaction::BodyError;
use http_body::{Body, Frame, SizeHint};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::{JoinHandle, spawn_blocking},
    time::{Sleep, sleep},
};
use tokio_util::sync::PollSemaphore;

use super::disk::OpenFile;

/// What is up to this long is read whole, before its response begins.
pub(super) const SMALL: u64 = 64 * 1024;

/// How much is read at once. Below this the calls cost more than the copying: 16 KiB reads reach
/// a sixth of what these reach.
pub(crate) const CHUNK: usize = 256 * 1024;

/// How many pieces of [`CHUNK`] there are in the whole process: 64 MiB, enough for 128 downloads
/// at full speed.
const CHUNKS: usize = 256;

/// How much is read at once while all [`CHUNKS`] are on their way: slower, but a visitor who
/// does not take what was read keeps nobody from reading.
const SCARCE_CHUNK: usize = 32 * 1024;

/// How many unused pieces are kept: making one costs more than reading into it.
const IDLE_CHUNKS: usize = 16;

/// How long a disk may take for one piece.
pub(crate) const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// Why a body ends before its file does.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file became shorter.
    #[error("the file became shorter while it was sent")]
    Shorter,
    /// The file was written to (other than at its end).
    #[error("the file was changed while it was sent")]
    Changed,
    /// The disk did not answer.
    #[error("the disk did not answer in time")]
    TimedOut,
    /// The disk failed.
    #[error("the file cannot be read")]
    Disk(#[from] io::Error),
    /// The program ends.
    #[error("reading was stopped")]
    Stopped,
}

/// Reads a part of a file that is at most [`SMALL`]. Waits for the disk.
pub(super) fn read_small(open: OpenFile, offset: u64, length: u64) -> Result<Bytes, ReadError> {
    let mut source = Source::begin(open, offset, Changes::Growth)?;
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    (&mut source.file).take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != length {
        return Err(ReadError::Shorter);
    }
    Ok(bytes.into())
}

/// What may happen to a file while it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Changes {
    /// Something may be added at its end, as to a log: its beginning stays what was announced.
    Growth,
    /// Nothing: the whole is sent as what it was, or not at all.
    Nothing,
}

/// A part of a file on its way.
pub(crate) struct FileBody {
    /// Bytes that were not handed out.
    left: u64,
    /// Read and not handed out.
    next: Option<Bytes>,
    state: State,
    jobs: PollSemaphore,
    deadline: Option<Pin<Box<Sleep>>>,
}

enum State {
    Resting(Source),
    Reading(JoinHandle<Result<(Source, Bytes), ReadError>>),
    Over,
}

impl FileBody {
    /// Makes the body; `length` is at least 1.
    pub(super) fn new(
        open: OpenFile,
        offset: u64,
        length: u64,
        changes: Changes,
        jobs: Arc<Semaphore>,
    ) -> Result<Self, ReadError> {
        Ok(Self {
            left: length,
            next: None,
            state: State::Resting(Source::begin(open, offset, changes)?),
            jobs: PollSemaphore::new(jobs),
            deadline: None,
        })
    }

    /// The same with the first piece read. Waits for the disk.
    pub(crate) fn begin(
        open: OpenFile,
        offset: u64,
        length: u64,
        changes: Changes,
        jobs: Arc<Semaphore>,
    ) -> Result<Self, ReadError> {
        let mut body = Self::new(open, offset, length, changes, jobs)?;
        if let State::Resting(source) = std::mem::replace(&mut body.state, State::Over) {
            let (source, first) = source.read(length, Room::take_or_little())?;
            body.next = Some(first);
            body.state = State::Resting(source);
        }
        Ok(body)
    }

    /// Begins to read the next piece when nothing is being read.
    fn begin_piece(&mut self, permit: OwnedSemaphorePermit, room: Room) {
        let unread = self.left;
        self.state = match std::mem::replace(&mut self.state, State::Over) {
            State::Resting(source) => State::Reading(spawn_blocking(move || {
                let _permit = permit;
                source.read(unread, room)
            })),
            other @ (State::Reading(_) | State::Over) => other,
        };
    }

    /// Reads one piece ahead, if there is room for it. It never queues for a thread: its turn might
    /// come while a visitor takes nothing, and be kept from the others until he does.
    fn read_ahead(&mut self) {
        if self.left > 0
            && matches!(self.state, State::Resting(_))
            && let Ok(permit) = self.jobs.clone_inner().try_acquire_owned()
            && let Some(room) = Room::take()
        {
            self.begin_piece(permit, room);
        }
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Bytes, ReadError>> {
        if matches!(self.state, State::Resting(_))
            && let Some(permit) = ready!(self.jobs.poll_acquire(context))
        {
            self.begin_piece(permit, Room::take_or_little());
        }
        match &mut self.state {
            State::Reading(reading) => match ready!(Pin::new(reading).poll(context)) {
                Ok(Ok((source, bytes))) => {
                    self.state = State::Resting(source);
                    Poll::Ready(Ok(bytes))
                }
                Ok(Err(error)) => Poll::Ready(Err(error)),
                Err(_) => Poll::Ready(Err(ReadError::Stopped)),
            },
            State::Resting(_) | State::Over => Poll::Ready(Err(ReadError::Stopped)),
        }
    }

    fn fail(&mut self, error: ReadError) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.state = State::Over;
        self.left = 0;
        Poll::Ready(Some(Err(error.into())))
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let body = self.get_mut();
        let bytes = match body.next.take() {
            Some(bytes) => bytes,
            None if body.left == 0 => return Poll::Ready(None),
            None => match body.poll_next(context) {
                Poll::Ready(Ok(bytes)) => {
                    body.deadline = None;
                    bytes
                }
                Poll::Ready(Err(error)) => return body.fail(error),
                Poll::Pending => {
                    let deadline =
                        body.deadline.get_or_insert_with(|| Box::pin(sleep(READ_TIMEOUT)));
                    ready!(deadline.as_mut().poll(context));
                    return body.fail(ReadError::TimedOut);
                }
            },
        };
        body.left -= bytes.len() as u64;
        body.read_ahead();
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

impl Drop for FileBody {
    fn drop(&mut self) {
        // A piece that is being read is read to its end; one that waits for a thread is not.
        if let State::Reading(reading) = &self.state {
            reading.abort();
        }
    }
}

/// An open file at a place in it, and what it was like when it was opened.
struct Source {
    file: File,
    size: u64,
    modified: Option<SystemTime>,
    changes: Changes,
}

impl Source {
    fn begin(open: OpenFile, offset: u64, changes: Changes) -> Result<Self, ReadError> {
        let OpenFile { mut file, size, modified, number: _ } = open;
        if offset > 0 {
            file.seek(SeekFrom::Start(offset))?;
        }
        Ok(Self { file, size, modified, changes })
    }

    /// Reads as much as there is room for of the `unread` bytes that are still to come.
    fn read(mut self, unread: u64, mut room: Room) -> Result<(Self, Bytes), ReadError> {
        let space = room.buffer.len();
        let wanted = usize::try_from(unread).map_or(space, |unread| unread.min(space));
        let mut filled = 0;
        while filled < wanted {
            match self.file.read(&mut room.buffer[filled..wanted]) {
                Ok(0) => return Err(ReadError::Shorter),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        if wanted as u64 == unread || self.changes == Changes::Nothing {
            self.check_unchanged()?;
        }
        Ok((self, room.filled(filled)))
    }

    /// Looks whether what was sent is one state of the file. What only grew has the same
    /// beginning, if it may; a file that was replaced (renamed over) is still what we have open.
    fn check_unchanged(&self) -> Result<(), ReadError> {
        let metadata = self.file.metadata()?;
        if metadata.len() < self.size {
            return Err(ReadError::Shorter);
        }
        let has_grown = metadata.len() > self.size;
        if has_grown && self.changes == Changes::Growth {
            return Ok(());
        }
        if has_grown || metadata.modified().ok() != self.modified {
            return Err(ReadError::Changed);
        }
        Ok(())
    }
}

/// Room for one piece; goes back to where it came from when nobody holds its bytes any more.
pub(super) struct Room {
    buffer: Vec<u8>,
    counted: bool,
}

/// The pieces of the whole process.
static STORE: Mutex<Store> = Mutex::new(Store { idle: Vec::new(), out: 0 });

struct Store {
    idle: Vec<Vec<u8>>,
    out: usize,
}

impl Room {
    /// Returns room for [`CHUNK`] bytes, if there is any.
    pub(super) fn take() -> Option<Self> {
        let mut store = STORE.lock().unwrap_or_else(PoisonError::into_inner);
        if store.out == CHUNKS {
            return None;
        }
        store.out += 1;
        let idle = store.idle.pop();
        drop(store);
        Some(Self { buffer: idle.unwrap_or_else(|| vec![0; CHUNK]), counted: true })
    }

    /// Returns the bytes, to be filled from the first on.
    #[cfg(target_os = "linux")]
    pub(super) fn buffer(&mut self) -> &mut [u8] {
        &mut self.buffer
    }

    /// Returns the first `length` bytes.
    pub(super) fn filled(self, length: usize) -> Bytes {
        Bytes::from_owner(self).slice(..length)
    }

    fn take_or_little() -> Self {
        Self::take().unwrap_or_else(|| Self { buffer: vec![0; SCARCE_CHUNK], counted: false })
    }
}

impl AsRef<[u8]> for Room {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if !self.counted {
            return;
        }
        let buffer = std::mem::take(&mut self.buffer);
        let mut store = STORE.lock().unwrap_or_else(PoisonError::into_inner);
        store.out -= 1;
        if store.idle.len() < IDLE_CHUNKS {
            store.idle.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn a_visitor_who_takes_nothing_keeps_no_thread_from_the_others() {
        let size = 4 * CHUNK;
        let file = tempfile::tempfile().unwrap();
        file.set_len(size as u64).unwrap();
        let metadata = file.metadata().unwrap();
        let modified = metadata.modified().ok();
        let open = OpenFile { file, size: metadata.len(), modified, number: 0 };
        let jobs = Arc::new(Semaphore::new(1));
        let mut body =
            FileBody::begin(open, 0, size as u64, Changes::Growth, Arc::clone(&jobs)).unwrap();
        // Another visitor has the only thread while the first piece is taken, and no more is.
        let other = Arc::clone(&jobs).acquire_owned().await.unwrap();
        let first = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await;
        assert_eq!(first.unwrap().unwrap().into_data().unwrap().len(), CHUNK);
        drop(other);
        let next = timeout(Duration::from_secs(30), jobs.acquire()).await;
        drop(next.expect("the thread is free for the next visitor").unwrap());
        // Who goes on later gets the rest.
        let mut rest = 0;
        while let Some(frame) =
            std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await
        {
            rest += frame.unwrap().into_data().unwrap().len();
        }
        assert_eq!(rest, size - CHUNK);
    }
}
