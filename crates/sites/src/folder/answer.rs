//! One request answered, from the path to the response.

use std::{sync::Arc, time::SystemTime};

use cap_std::fs::Dir;
use crosstalk::transaction::{self, Body};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header, request};
use tokio::sync::Semaphore;

use super::{
    FolderOptions,
    disk::{self, LookupError, Node, OpenFile, Root},
    listing,
    media::{attachment, content_type, path_part, wants_download},
    pages::{self, Notice},
    path::{PathError, SitePath, System, title},
    range::{self, Part},
    reading::{Changes, FileBody, ReadError, SMALL, read_small},
    validators::{Validators, Verdict},
};
use crate::{
    Delivery,
    note::{self, NoteBox},
};

/// What may be asked of a folder.
const ALLOW: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");

/// Every answer is for one visitor, and is asked about again before it is shown again: the file
/// may have changed, and the link may have been taken back.
const CACHE_CONTROL: HeaderValue = HeaderValue::from_static("private, no-cache");

/// When to ask again after a 503: a drive that is plugged in again, or a queue that is over.
pub(crate) const RETRY_AFTER: HeaderValue = HeaderValue::from_static("10");

/// The files that stand for their folder, the first that is there.
const INDEXES: [&str; 2] = ["index.html", "index.htm"];

/// How a visitor's program wants to be answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    is_head: bool,
    reads_pages: bool,
}

/// A request that concerns the disk.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) manner: Manner,
    path: SitePath,
    query: Option<String>,
    headers: HeaderMap,
    has_note: bool,
}

impl Manner {
    /// Reads it from a request.
    pub(crate) fn of(parts: &request::Parts) -> Self {
        Self { is_head: parts.method == Method::HEAD, reads_pages: reads_pages(&parts.headers) }
    }

    /// Returns a page that says what is wrong.
    pub(crate) fn notice(self, notice: &Notice) -> Response<Body> {
        let (kind, bytes) = if self.reads_pages {
            ("text/html; charset=utf-8", notice.page().into_string())
        } else {
            ("text/plain; charset=utf-8", notice.text())
        };
        let mut response = self.whole(notice.status, kind, bytes);
        response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
        if notice.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        response
    }

    /// Returns a page that says why a file is not sent.
    fn unreadable(self, error: &ReadError) -> Response<Body> {
        tracing::debug!(%error, "A file cannot be read");
        self.notice(match error {
            ReadError::Shorter | ReadError::Changed | ReadError::Stopped => &pages::CHANGING,
            ReadError::TimedOut => &pages::BUSY,
            ReadError::Disk(_) => &pages::DISK,
        })
    }

    /// Returns a response with something of ours in it.
    fn whole(self, status: StatusCode, kind: &'static str, text: String) -> Response<Body> {
        let length = text.len();
        let body = if self.is_head { transaction::empty() } else { transaction::full(text) };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        headers.insert(header::CONTENT_SECURITY_POLICY, pages::POLICY.clone());
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
        harden(headers);
        response
    }
}

impl Ask {
    /// Reads a request; the error is its response.
    #[expect(clippy::result_large_err, reason = "the response is what is returned in any case")]
    pub(super) fn read(parts: request::Parts) -> Result<Self, Response<Body>> {
        let manner = Manner::of(&parts);
        if parts.method == Method::OPTIONS {
            let mut response = Response::new(transaction::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            response.headers_mut().insert(header::ALLOW, ALLOW);
            return Err(response);
        }
        if parts.method != Method::GET && parts.method != Method::HEAD {
            let mut response = manner.notice(&pages::METHOD);
            response.headers_mut().insert(header::ALLOW, ALLOW);
            return Err(response);
        }
        let path =
            SitePath::parse(parts.uri.path(), System::HERE).map_err(|error| match error {
                PathError::Malformed => manner.notice(&pages::MALFORMED),
                PathError::Nowhere => manner.notice(&pages::NOT_FOUND),
            })?;
        let query = parts.uri.query().map(str::to_owned);
        let has_note = parts.extensions.get::<NoteBox>().is_some();
        Ok(Self { manner, path, query, headers: parts.headers, has_note })
    }

    /// Answers it. Waits for the disk.
    pub(super) fn answer(
        &self,
        root: &Root,
        options: FolderOptions,
        jobs: &Arc<Semaphore>,
    ) -> Response<Body> {
        let dir = match root.dir() {
            Ok(dir) => dir,
            Err(error) => {
                tracing::debug!(%error, "A folder is not there");
                return self.manner.notice(&pages::GONE);
            }
        };
        self.find(&dir, root, options, jobs).unwrap_or_else(|error| {
            self.manner.notice(match error {
                LookupError::NotFound => &pages::NOT_FOUND,
                LookupError::Denied => &pages::DENIED,
                LookupError::Busy => &pages::BUSY,
                LookupError::Disk(error) => {
                    tracing::debug!(%error, "A disk does not let us look");
                    &pages::DISK
                }
            })
        })
    }

    fn find(
        &self,
        dir: &Dir,
        root: &Root,
        options: FolderOptions,
        jobs: &Arc<Semaphore>,
    ) -> Result<Response<Body>, LookupError> {
        match disk::look_up(dir, &self.path, options.hidden)? {
            Node::File(_) if self.path.ends_in_slash() => Err(LookupError::NotFound),
            Node::File(open) => {
                let name = self.path.names().last().map_or(&[][..], Vec::as_slice);
                Ok(self.file_or_notice(open, name, self.path.printable(), jobs))
            }
            Node::Folder if !self.path.ends_in_slash() => Ok(self.redirect()),
            Node::Folder => {
                for index in INDEXES {
                    match disk::look_up_in(dir, &self.path, index) {
                        Ok(Node::File(open)) => {
                            let shown = self.printable_with(index);
                            return Ok(self.file_or_notice(open, index.as_bytes(), shown, jobs));
                        }
                        Ok(Node::Folder) | Err(LookupError::NotFound) => {}
                        // An index that is there and cannot be read hides what lies beside it.
                        Err(error) => return Err(error),
                    }
                }
                let (entries, is_cut) =
                    disk::entries(dir, &self.path, options.hidden, listing::MAX_ENTRIES)?;
                let title = title(root.path());
                let page = listing::page(&title, &self.path, entries, is_cut, self.has_note);
                let kind = "text/html; charset=utf-8";
                let mut response = self.manner.whole(StatusCode::OK, kind, page.into_string());
                if self.has_note {
                    let policy = note::policy(&self.headers);
                    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
                }
                Ok(response)
            }
        }
    }

    /// Sends a visitor who left out the slash to where it is. The address is relative and begins
    /// with a dot, so no name in it can be taken for a host or a scheme.
    fn redirect(&self) -> Response<Body> {
        let name = self.path.names().last().map_or(&[][..], Vec::as_slice);
        let mut location = format!("./{}/", path_part(name));
        if let Some(query) = &self.query {
            location.push('?');
            location.push_str(query);
        }
        let mut response = Response::new(transaction::empty());
        *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
        let headers = response.headers_mut();
        match HeaderValue::try_from(location) {
            Ok(location) => headers.insert(header::LOCATION, location),
            Err(_) => return self.manner.notice(&pages::MALFORMED),
        };
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(0));
        harden(headers);
        response
    }

    /// Returns the path of a file in this folder for people.
    fn printable_with(&self, index: &str) -> String {
        let mut shown = self.path.printable();
        if !shown.is_empty() {
            shown.push('/');
        }
        shown.push_str(index);
        shown
    }

    /// Answers it if that needs no waiting; see [`super::resident`].
    #[cfg(target_os = "linux")]
    pub(super) fn answer_at_once(
        &self,
        root: &Root,
        options: FolderOptions,
        jobs: &Arc<Semaphore>,
    ) -> Option<Response<Body>> {
        if !options.hidden && self.path.is_hidden() {
            return None;
        }
        let mut on_disk = self.path.on_disk()?;
        let (name, shown) = if self.path.ends_in_slash() {
            let index = INDEXES[0];
            on_disk.push(index);
            (index.as_bytes(), self.printable_with(index))
        } else {
            (self.path.names().last()?.as_slice(), self.path.printable())
        };
        let open = root.open_resident(&on_disk)?;
        let read = |open: OpenFile, offset, length| {
            if length <= super::reading::CHUNK as u64 {
                super::resident::read(&open, offset, length).map(transaction::full).ok_or(())
            } else {
                FileBody::new(open, offset, length, Changes::Growth, Arc::clone(jobs))
                    .map(transaction::boxed)
                    .map_err(|_| ())
            }
        };
        self.file(open, name, shown, read).ok()
    }

    /// Answers with a file. Waits for the disk.
    fn file_or_notice(
        &self,
        open: OpenFile,
        name: &[u8],
        shown: String,
        jobs: &Arc<Semaphore>,
    ) -> Response<Body> {
        let read = |open, offset, length| {
            if length <= SMALL {
                read_small(open, offset, length).map(transaction::full)
            } else {
                FileBody::begin(open, offset, length, Changes::Growth, Arc::clone(jobs))
                    .map(transaction::boxed)
            }
        };
        self.file(open, name, shown, read).unwrap_or_else(|error| self.manner.unreadable(&error))
    }

    /// Answers with a file whose part (offset, length) is read by `read`.
    fn file<E>(
        &self,
        open: OpenFile,
        name: &[u8],
        shown: String,
        read: impl FnOnce(OpenFile, u64, u64) -> Result<Body, E>,
    ) -> Result<Response<Body>, E> {
        let content = Content {
            manner: self.manner,
            asked: &self.headers,
            validators: Validators::new(open.size, open.modified, open.number, SystemTime::now()),
            size: open.size,
            shown,
        };
        let mut response = content.answer(|offset, length| read(open, offset, length))?;
        if response.status().is_success() {
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, content_type(name));
            if wants_download(self.query.as_deref()) {
                headers.insert(header::CONTENT_DISPOSITION, attachment(name));
            }
        }
        Ok(response)
    }
}

/// Something of which all or a part is sent.
pub(crate) struct Content<'a> {
    pub(crate) manner: Manner,
    /// The headers of the request.
    pub(crate) asked: &'a HeaderMap,
    pub(crate) validators: Validators,
    /// How many bytes all of it has.
    pub(crate) size: u64,
    /// What the owner reads of it.
    pub(crate) shown: String,
}

impl Content<'_> {
    /// Answers with the part (offset, length) that was asked for, read by `read`, or with what conditions
    /// come to. What it is (its type, its name) is left to the caller.
    pub(crate) fn answer<E>(
        self,
        read: impl FnOnce(u64, u64) -> Result<Body, E>,
    ) -> Result<Response<Body>, E> {
        let Self { manner, asked, validators, size, shown } = self;
        match validators.judge(asked) {
            Verdict::Proceed => {}
            Verdict::NotModified => {
                let mut response = Response::new(transaction::empty());
                *response.status_mut() = StatusCode::NOT_MODIFIED;
                validators.write(response.headers_mut());
                harden(response.headers_mut());
                return Ok(response);
            }
            Verdict::Failed => {
                let mut response = manner.notice(&pages::CONDITION);
                validators.write(response.headers_mut());
                return Ok(response);
            }
        }
        // Ranges are defined for GET alone (RFC 9110, section 14.2).
        let part = if manner.is_head || !validators.allow_range(asked) {
            Part::Whole
        } else {
            range::part(asked, size)
        };
        let (offset, length) = match part {
            Part::Whole => (0, size),
            Part::Range { offset, length } => (offset, length),
            Part::Nothing => {
                let mut response = manner.notice(&pages::RANGE);
                let range = HeaderValue::try_from(format!("bytes */{size}"));
                response.headers_mut().extend(range.map(|range| (header::CONTENT_RANGE, range)));
                response
                    .headers_mut()
                    .insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
                return Ok(response);
            }
        };
        let body = if manner.is_head || length == 0 {
            transaction::empty()
        } else {
            read(offset, length)?
        };
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        validators.write(headers);
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        harden(headers);
        if let Part::Range { .. } = part {
            let last = offset + length - 1;
            let range = HeaderValue::try_from(format!("bytes {offset}-{last}/{size}"));
            headers.extend(range.map(|range| (header::CONTENT_RANGE, range)));
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        }
        if !manner.is_head {
            response.extensions_mut().insert(Delivery { name: shown, size, offset, length });
        }
        Ok(response)
    }
}

/// Returns whether a visitor's program shows pages.
pub(crate) fn reads_pages(asked: &HeaderMap) -> bool {
    asked.get_all(header::ACCEPT).iter().any(|value| {
        value.as_bytes().windows(9).any(|word| word.eq_ignore_ascii_case(b"text/html"))
    })
}

fn harden(headers: &mut HeaderMap) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, CACHE_CONTROL);
}
