//! Several files as one archive on its way: made while it is sent, from any place of it on.
//!
//! Whoever begins in the middle needs checksums of what was before. Those of what this program has sent
//! already are known; the rest is read, beside the sending.

use std::{
    ops::Range,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use crc32fast::Hasher;
use crosstalk::transaction::BodyError;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::{
    sync::Semaphore,
    task::{JoinSet, spawn_blocking},
    time::timeout,
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    layout::{Layout, Part},
    original::Original,
};
use crate::folder::{
    ReadError,
    disk::LookupError,
    reading::{Changes, FileBody, READ_TIMEOUT},
};

/// Files as an archive.
#[derive(Debug)]
pub(super) struct Archive {
    layout: Layout,
    originals: Arc<[Original]>,
    /// What is known of each file.
    known: Mutex<Vec<Known>>,
    jobs: Arc<Semaphore>,
}

/// The checksum of the beginning of a file.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    length: u64,
    sum: u32,
}

impl Archive {
    /// Makes the archive of files under these names. `None` when it would be larger than any file can be.
    pub(super) fn new<'a>(
        names: impl Iterator<Item = &'a str>,
        originals: Arc<[Original]>,
        jobs: Arc<Semaphore>,
    ) -> Option<Self> {
        let files = names
            .zip(&*originals)
            .map(|(name, original)| (name.to_owned(), original.size(), original.modified()));
        let layout = Layout::new(files)?;
        let known = Mutex::new(vec![Known::default(); originals.len()]);
        Some(Self { layout, originals, known, jobs })
    }

    /// Returns how many bytes it has.
    pub(super) fn size(&self) -> u64 {
        self.layout.size()
    }

    /// Returns a part of it.
    pub(super) fn body(self: &Arc<Self>, offset: u64, length: u64) -> ArchiveBody {
        let sending = Sending {
            archive: Arc::clone(self),
            first: None,
            at: offset,
            end: offset + length,
            open: None,
            tail: None,
            head: JoinSet::new(),
            before: JoinSet::new(),
        };
        ArchiveBody { left: length, step: (length > 0).then(|| sending.begin()) }
    }

    fn original_size(&self, index: usize) -> u64 {
        self.originals.get(index).map_or(0, Original::size)
    }

    fn known(&self, index: usize) -> Known {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(index).copied().unwrap_or_default()
    }

    /// Learns from a piece of a file.
    fn learn(&self, index: usize, offset: u64, bytes: &[u8]) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = known.get_mut(index) else { return };
        let fresh = known
            .length
            .checked_sub(offset)
            .and_then(|seen| usize::try_from(seen).ok())
            .and_then(|seen| bytes.get(seen..));
        if let Some(fresh) = fresh {
            let mut hasher = Hasher::new_with_initial(known.sum);
            hasher.update(fresh);
            *known = Known { length: known.length + fresh.len() as u64, sum: hasher.finalize() };
        }
    }

    /// Learns from the end of a file, if all that is before it is known.
    fn learn_tail(&self, tail: &Tail) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = known.get_mut(tail.index) else { return };
        if known.length == tail.start {
            let mut hasher = Hasher::new_with_initial_len(known.sum, known.length);
            hasher.combine(&tail.hasher);
            *known = Known { length: known.length + tail.length, sum: hasher.finalize() };
        }
    }

    /// Opens a file at a place, if it still is what it was.
    async fn open(&self, index: usize, offset: u64, length: u64) -> Result<FileBody, ReadError> {
        let opened = timeout(READ_TIMEOUT, async {
            let permit = Arc::clone(&self.jobs).acquire_owned().await;
            let permit = permit.map_err(|_| ReadError::Stopped)?;
            let (originals, jobs) = (Arc::clone(&self.originals), Arc::clone(&self.jobs));
            // Whoever leaves meanwhile leaves nothing in the queue.
            let opening = AbortOnDropHandle::new(spawn_blocking(move || {
                let _permit = permit;
                let open = originals.get(index).ok_or(ReadError::Stopped)?.open()?;
                FileBody::begin(open, offset, length, Changes::Nothing, jobs)
            }));
            opening.await.unwrap_or(Err(ReadError::Stopped))
        });
        opened.await.unwrap_or(Err(ReadError::TimedOut))
    }

    /// Reads a file until its first `length` bytes are known.
    async fn read_up_to(&self, index: usize, length: u64) -> Result<(), ReadError> {
        let mut at = self.known(index).length;
        if at >= length {
            return Ok(());
        }
        let mut body = self.open(index, at, length - at).await?;
        while let Some(bytes) = piece(&mut body).await? {
            self.learn(index, at, &bytes);
            at += bytes.len() as u64;
        }
        Ok(())
    }
}

/// A part of an archive on its way.
pub(super) struct ArchiveBody {
    /// Bytes that were not handed out.
    left: u64,
    /// What makes the next of them; none when the body is over.
    step: Option<Step>,
}

type Step = Pin<Box<dyn Future<Output = (Sending, Result<Bytes, ReadError>)> + Send>>;

impl Body for ArchiveBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let body = self.get_mut();
        let Some(step) = &mut body.step else { return Poll::Ready(None) };
        let (sending, made) = ready!(step.as_mut().poll(context));
        body.step = None;
        Poll::Ready(Some(match made {
            Ok(bytes) => {
                body.left -= bytes.len() as u64;
                body.step = (body.left > 0).then(|| sending.begin());
                Ok(Frame::data(bytes))
            }
            Err(error) => {
                body.left = 0;
                Err(error.into())
            }
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.step.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// What is between two pieces of an archive.
struct Sending {
    archive: Arc<Archive>,
    /// Where it began: the file there, or how many files there are.
    first: Option<usize>,
    at: u64,
    end: u64,
    /// The file that is being sent.
    open: Option<FileBody>,
    tail: Option<Tail>,
    /// Reads, beside the sending and no longer than that, what comes before in the first file, and the
    /// files before it.
    head: JoinSet<Result<(), ReadError>>,
    before: JoinSet<Result<(), ReadError>>,
}

/// The checksum of the end of the file in whose middle the sending began.
struct Tail {
    index: usize,
    start: u64,
    length: u64,
    hasher: Hasher,
}

impl Sending {
    fn begin(mut self) -> Step {
        Box::pin(async move {
            let made = self.piece().await;
            if let Ok(bytes) = &made {
                self.at += bytes.len() as u64;
            }
            (self, made)
        })
    }

    async fn piece(&mut self) -> Result<Bytes, ReadError> {
        let archive = Arc::clone(&self.archive);
        let (part, span) = archive.layout.at(self.at);
        if self.first.is_none() {
            self.first = Some(self.read_before(part, &span));
        }
        let around = match part {
            Part::Data(index) => return self.data(index, self.at - span.start, span.end).await,
            Part::Header(index) => archive.layout.header(index),
            Part::Descriptor(index) => archive.layout.descriptor(index, self.sum(index).await?),
            Part::Directory => {
                let mut sums = Vec::with_capacity(archive.originals.len());
                for index in 0..archive.originals.len() {
                    sums.push(self.sum(index).await?);
                }
                archive.layout.directory(&sums)
            }
            Part::End => archive.layout.end(),
        };
        let within =
            |place: u64| usize::try_from(place - span.start).map_err(|_| ReadError::Stopped);
        let wanted = within(self.at)?..within(span.end.min(self.end))?;
        let bytes = Bytes::from(around);
        // Anything else would be a mistake of ours, and is shown as cut.
        if wanted.is_empty() || wanted.end > bytes.len() {
            return Err(ReadError::Stopped);
        }
        Ok(bytes.slice(wanted))
    }

    /// Returns the next piece of a file that is sent from `offset` in it, and in the archive ends at `end`.
    async fn data(&mut self, index: usize, offset: u64, end: u64) -> Result<Bytes, ReadError> {
        if self.open.is_none() {
            if self.archive.known(index).length < offset {
                let hasher = Hasher::new();
                self.tail = Some(Tail { index, start: offset, length: 0, hasher });
            }
            let length = end.min(self.end) - self.at;
            self.open = Some(self.archive.open(index, offset, length).await?);
        }
        let open = self.open.as_mut().ok_or(ReadError::Stopped)?;
        let bytes = piece(open).await?.ok_or(ReadError::Stopped)?;
        self.archive.learn(index, offset, &bytes);
        if let Some(tail) = self.tail.as_mut().filter(|tail| tail.index == index) {
            tail.hasher.update(&bytes);
            tail.length += bytes.len() as u64;
        }
        if offset + bytes.len() as u64 == self.archive.original_size(index) {
            self.open = None;
        }
        Ok(bytes)
    }

    /// Begins to read what was before, as far as it will be needed and is not known. Returns the file
    /// where the sending begins.
    fn read_before(&mut self, part: Part, span: &Range<u64>) -> usize {
        let (first, head) = match part {
            Part::Header(index) => (index, 0),
            Part::Data(index) => {
                (index, if self.end > span.end { self.at - span.start } else { 0 })
            }
            Part::Descriptor(index) => (index, self.archive.original_size(index)),
            Part::Directory | Part::End => (self.archive.originals.len(), 0),
        };
        if self.archive.known(first).length < head {
            let archive = Arc::clone(&self.archive);
            self.head.spawn(async move { archive.read_up_to(first, head).await });
        }
        let is_known =
            |index| self.archive.known(index).length == self.archive.original_size(index);
        let needs_all = part != Part::End && self.end > self.archive.layout.directory_begins();
        if needs_all && !(0..first).all(is_known) {
            let archive = Arc::clone(&self.archive);
            self.before.spawn(async move {
                for index in 0..first {
                    archive.read_up_to(index, archive.original_size(index)).await?;
                }
                Ok(())
            });
        }
        first
    }

    /// Returns the checksum of a whole file.
    async fn sum(&mut self, index: usize) -> Result<u32, ReadError> {
        let archive = Arc::clone(&self.archive);
        let size = archive.original_size(index);
        let beside = if self.first == Some(index) { &mut self.head } else { &mut self.before };
        // How far that came is seen by what is known; what it failed at fails once more below.
        while archive.known(index).length < size && beside.join_next().await.is_some() {}
        if let Some(tail) = self.tail.take_if(|tail| tail.index == index) {
            archive.read_up_to(index, tail.start).await?;
            archive.learn_tail(&tail);
        }
        archive.read_up_to(index, size).await?;
        let known = archive.known(index);
        if known.length == size { Ok(known.sum) } else { Err(ReadError::Shorter) }
    }
}

async fn piece(body: &mut FileBody) -> Result<Option<Bytes>, ReadError> {
    match body.frame().await {
        Some(Ok(frame)) => frame.into_data().map(Some).map_err(|_| ReadError::Stopped),
        Some(Err(error)) => Err(error.downcast().map_or(ReadError::Stopped, |error| *error)),
        None => Ok(None),
    }
}

impl From<LookupError> for ReadError {
    fn from(error: LookupError) -> Self {
        match error {
            LookupError::NotFound => Self::Changed,
            LookupError::Denied => Self::Disk(std::io::ErrorKind::PermissionDenied.into()),
            LookupError::Busy => Self::Disk(std::io::ErrorKind::ResourceBusy.into()),
            LookupError::Disk(error) => Self::Disk(error),
        }
    }
}
