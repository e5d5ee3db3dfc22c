//! What is sent: one file as it is, or several as a zip archive that is made while it is sent.

use std::{
    collections::HashSet,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use crosstalk::transaction::{self, Body};
use http::{HeaderMap, HeaderValue, Method, Response, header};
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};

use super::{
    archive::Archive,
    name,
    original::Original,
    pages::{self, Word},
};
use crate::folder::{
    DISK_JOBS, DISK_TIMEOUT, ReadError,
    answer::{Content, Manner},
    disk::LookupError,
    media::attachment,
    pages::{BUSY, CHANGING, DENIED, DISK, METHOD, Notice},
    reading::{Changes, FileBody},
    validators::Validators,
};

/// How many files one parcel has at most: an archive's list of them is kept in memory.
pub const MAX_FILES: usize = 1000;

/// What may be asked of a parcel.
const ALLOW: HeaderValue = HeaderValue::from_static("GET, HEAD");

/// What a parcel is to a browser: something to keep, never to show, whatever is in it.
const KIND: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// Several files.
const ARCHIVE_KIND: HeaderValue = HeaderValue::from_static("application/zip");

/// Names the way in which archives are made. To be changed whenever the same files would become other
/// bytes: a visitor may have the beginning of one that an older program sent.
const ARCHIVE_MAKING: &str = "zip 1";

/// A browser that shows it all the same lets it do nothing.
const POLICY: HeaderValue = HeaderValue::from_static("sandbox; default-src 'none'");

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
    originals: Arc<[Original]>,
    /// What several files are sent as.
    archive: Option<Arc<Archive>>,
    jobs: Arc<Semaphore>,
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
        let paths = files;
        let originals =
            paths.iter().map(|path| Original::choose(path)).collect::<Result<Arc<[_]>, _>>()?;
        let mut taken = HashSet::new();
        let files: Vec<_> = originals
            .iter()
            .map(|original| ParcelFile {
                name: name::unlike(&original.safe_name(), &mut taken),
                size: original.size(),
            })
            .collect();
        let jobs = Arc::new(Semaphore::new(DISK_JOBS));
        let (name, size, archive) = match files.as_slice() {
            [] => return Err(ParcelError::Count),
            [file] => (file.name.clone(), file.size, None),
            [first, others @ ..] => {
                let names = files.iter().map(|file| file.name.as_str());
                let archive = Archive::new(names, Arc::clone(&originals), Arc::clone(&jobs));
                let archive = archive.ok_or_else(|| {
                    let path = paths.first().cloned().unwrap_or_default();
                    ParcelError::Other(path, io::ErrorKind::FileTooLarge.into())
                })?;
                let name = name::of_archive(&first.name, others.len());
                (name, archive.size(), Some(Arc::new(archive)))
            }
        };
        Ok(Self { shared: Arc::new(Shared { name, size, files, originals, archive, jobs }) })
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

    /// Returns what names the state that the files are in. Another one at the same paths, after the program
    /// was started again, is another content: what visitors have of the old one is no part of it.
    #[must_use]
    pub fn state(&self) -> String {
        self.shared.validators(SystemTime::now()).opaque().to_owned()
    }

    /// Answers GET and HEAD with the content as an attachment: never shown in the browser, ranges and
    /// `If-Range` by a strong validator (RFC 9110 §8.8, §14) for archives, too, so that a download that
    /// was cut goes on. It never fails: what goes wrong is a page with a status, 503 when a file is not
    /// there or not any more what it was at [`Parcel::open`]. The response's extensions hold a
    /// [`Delivery`](crate::Delivery); the body ends with a [`ReadError`] when a file changes while it is
    /// sent. Dropping the body ends the reading. Needs a tokio runtime.
    pub fn respond(
        &self,
        request: http::Request<Body>,
    ) -> impl Future<Output = http::Response<Body>> + Send + use<> {
        let shared = Arc::clone(&self.shared);
        let (parts, _) = request.into_parts();
        async move {
            let manner = Manner::of(&parts);
            let mut response = if parts.method == Method::GET || parts.method == Method::HEAD {
                let answered = timeout(DISK_TIMEOUT, async {
                    let permit = Arc::clone(&shared.jobs).acquire_owned().await.ok()?;
                    let answering = spawn_blocking(move || {
                        let _permit = permit;
                        shared.answer(manner, &parts.headers)
                    });
                    answering.await.ok()
                });
                match answered.await {
                    Ok(Some(response)) => response,
                    Ok(None) => notice(manner, &DISK),
                    Err(_) => notice(manner, &BUSY),
                }
            } else {
                let mut response = notice(manner, &METHOD);
                response.headers_mut().insert(header::ALLOW, ALLOW);
                response
            };
            pages::shield(response.headers_mut());
            response
        }
    }
}

impl Shared {
    /// Answers a request. Waits for the disk.
    fn answer(&self, manner: Manner, asked: &HeaderMap) -> Response<Body> {
        let content = Content {
            manner,
            asked,
            validators: self.validators(SystemTime::now()),
            size: self.size,
            shown: self.name.clone(),
        };
        let mut response = match self.content(content) {
            Ok(response) => response,
            Err(error) => return refusal(manner, asked, error),
        };
        if response.status().is_success() {
            let headers = response.headers_mut();
            let kind = if self.archive.is_some() { ARCHIVE_KIND } else { KIND };
            headers.insert(header::CONTENT_TYPE, kind);
            headers.insert(header::CONTENT_DISPOSITION, attachment(self.name.as_bytes()));
            headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
        }
        response
    }

    fn content(&self, content: Content<'_>) -> Result<Response<Body>, Refusal> {
        if let Some(archive) = &self.archive {
            // Better no download than one that ends where a file is missing.
            for original in &*self.originals {
                original.open()?;
            }
            return content
                .answer(|offset, length| Ok(transaction::boxed(archive.body(offset, length))));
        }
        let Some(original) = self.originals.first() else { return Err(Refusal::Away) };
        let open = original.open()?;
        content.answer(|offset, length| {
            let jobs = Arc::clone(&self.jobs);
            let body = FileBody::begin(open, offset, length, Changes::Nothing, jobs)?;
            Ok(transaction::boxed(body))
        })
    }

    fn validators(&self, now: SystemTime) -> Validators {
        let parts = self.files.iter().zip(&*self.originals);
        let making = if self.archive.is_some() { ARCHIVE_MAKING } else { "" };
        Validators::of_all(
            making,
            parts.map(|(file, original)| (file.name.as_str(), original.validators(now))),
        )
    }
}

/// Why there is no content.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("a file is not there, or not what it was")]
    Away,
    #[error("a file may not be read")]
    Denied,
    #[error("too many files are open")]
    Busy,
    #[error(transparent)]
    Unreadable(#[from] ReadError),
}

impl From<LookupError> for Refusal {
    fn from(error: LookupError) -> Self {
        match error {
            LookupError::NotFound => Self::Away,
            LookupError::Denied => Self::Denied,
            LookupError::Busy => Self::Busy,
            LookupError::Disk(error) => Self::Unreadable(error.into()),
        }
    }
}

fn refusal(manner: Manner, asked: &HeaderMap, error: Refusal) -> Response<Body> {
    tracing::debug!(%error, "A parcel cannot be sent");
    notice(
        manner,
        match error {
            Refusal::Away => return pages::word(asked, &Word::Away),
            Refusal::Denied => &DENIED,
            Refusal::Busy | Refusal::Unreadable(ReadError::TimedOut) => &BUSY,
            Refusal::Unreadable(ReadError::Shorter | ReadError::Changed | ReadError::Stopped) => {
                &CHANGING
            }
            Refusal::Unreadable(ReadError::Disk(_)) => &DISK,
        },
    )
}

/// Returns a page that says what is wrong; a hand-over has no start to go to.
fn notice(manner: Manner, notice: &Notice) -> Response<Body> {
    manner.notice(&notice.without_start())
}

impl ParcelError {
    pub(super) fn new(path: &Path, error: io::Error) -> Self {
        let path = path.to_owned();
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "ErrorKind grows; the rest is told as it is"
        )]
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::NotFound(path),
            io::ErrorKind::PermissionDenied => Self::Denied(path),
            _ => Self::Other(path, error),
        }
    }
}
