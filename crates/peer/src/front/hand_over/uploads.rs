//! Files that visitors send: by tus 1.0.0 (<https://tus.io/protocols/resumable-upload>, core, creation and
//! termination), so that an upload that was cut goes on, or at once with `PUT`.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use crosstalk::transaction::{self, Body};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body as _;
use percent_encoding::percent_decode_str;
use sites::hand_over::{
    Inbox,
    inbox::{Draft, InboxError},
};
use tokio::time::timeout;

use super::{
    super::{Front, is_foreign},
    Visit, What,
};
use crate::{
    hand_over::{Coming, Desk, Finish, Full, Goods, MAX_NAME, Presence, StoppedBy, Upload, Worth},
    ledger::Now,
    model::{Ended, HandOverId},
    pages,
    session::Token,
};

const RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const VERSION: HeaderName = HeaderName::from_static("tus-version");
const EXTENSION: HeaderName = HeaderName::from_static("tus-extension");
const MAX_SIZE: HeaderName = HeaderName::from_static("tus-max-size");
const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const UPLOAD_METADATA: HeaderName = HeaderName::from_static("upload-metadata");

/// The only version of tus there is.
const TUS: &str = "1.0.0";

/// What `PATCH` carries.
const OFFSET_STREAM: &str = "application/offset+octet-stream";

/// How long a visitor who is here again waits until her upload over the old connection has ended; it ends
/// as soon as the disk has what came.
const TAKE_OVER: Duration = Duration::from_secs(30);

/// What a file is called whose visitor does not say it.
const NAMELESS: &str = "file";

impl Front {
    /// Answers what concerns uploads by tus.
    pub(super) async fn upload(
        &self,
        visit: &Visit,
        what: What<'_>,
        ticket: Option<(&str, Worth)>,
        request: Request<Body>,
    ) -> Response<Body> {
        let inbox = match self.inbox(visit, ticket) {
            Ok(inbox) => inbox,
            Err(refusal) => return refusal,
        };
        let mut response = if visit.method == Method::OPTIONS {
            options(&inbox)
        } else if visit.headers.get(RESUMABLE).is_none_or(|version| version != TUS) {
            let mut response = pages::bare(StatusCode::PRECONDITION_FAILED);
            response.headers_mut().insert(VERSION, HeaderValue::from_static(TUS));
            response
        } else if is_foreign(&visit.headers) {
            pages::bare(StatusCode::FORBIDDEN)
        } else {
            match (what, &visit.method) {
                (What::Files, &Method::POST) => self.begin_upload(visit, ticket, &inbox).await,
                (What::File(id), &Method::HEAD) => self.upload_offset(visit, id, &inbox).await,
                (What::File(id), &Method::PATCH) => {
                    self.go_on(visit, id, &inbox, request.into_body()).await
                }
                (What::File(id), &Method::DELETE) => self.discard(visit, id, &inbox).await,
                _ => pages::bare(StatusCode::METHOD_NOT_ALLOWED),
            }
        };
        response.headers_mut().insert(RESUMABLE, HeaderValue::from_static(TUS));
        response
    }

    /// Returns where files go, for a visitor who may send some.
    #[expect(clippy::result_large_err, reason = "the response is what is returned in any case")]
    fn inbox(&self, visit: &Visit, ticket: Option<(&str, Worth)>) -> Result<Inbox, Response<Body>> {
        let book = self.desk.book();
        let Some(entry) = book.entry(visit.id) else { return Err(pages::no_entry()) };
        let (Goods::Ask { .. }, Presence::Inbox(inbox)) = (&entry.goods, &entry.presence) else {
            return Err(pages::no_entry());
        };
        match (entry.terms.nod, ticket) {
            (false, None) => Ok(inbox.clone()),
            (true, Some((_, Worth::Allowed))) => Ok(inbox.clone()),
            (true, Some((ticket, worth))) => {
                let inbox = inbox.clone();
                drop((book, inbox));
                Err(self.word_for(visit, ticket, worth))
            }
            (false, Some(_)) | (true, None) => Err(pages::no_entry()),
        }
    }

    async fn begin_upload(
        &self,
        visit: &Visit,
        ticket: Option<(&str, Worth)>,
        inbox: &Inbox,
    ) -> Response<Body> {
        let Some(size) = number(&visit.headers, &UPLOAD_LENGTH) else {
            return said(StatusCode::BAD_REQUEST, "Upload-Length is missing.");
        };
        let name = name_of(&visit.headers);
        let draft = match self.begin(visit, ticket, inbox, &name, Some(size)).await {
            Ok(draft) => draft,
            Err(refusal) => return refusal,
        };
        let id = draft.id().to_owned();
        if size == 0 {
            // It is complete already (tus 1.0.0, creation).
            if let Err(refusal) = self.complete(visit, draft, &name).await {
                return refusal;
            }
        } else {
            drop(draft);
            // Where she goes on holds after a crash.
            self.desk.kept().await;
        }
        let place = match ticket {
            Some((ticket, _)) => visit.behind(ticket, &format!("files/{id}")),
            None => format!("{}/files/{id}", visit.landing),
        };
        let mut response = pages::bare(StatusCode::CREATED);
        if let Ok(place) = HeaderValue::from_str(&place) {
            response.headers_mut().insert(header::LOCATION, place);
        }
        response
    }

    /// Makes a draft, if there is room for one more.
    async fn begin(
        &self,
        visit: &Visit,
        ticket: Option<(&str, Worth)>,
        inbox: &Inbox,
        name: &str,
        size: Option<u64>,
    ) -> Result<Draft, Response<Body>> {
        let now = Now::read();
        // A draft goes only for a file that is taken.
        self.desk.book().check_room(visit.id, visit.address(), now).map_err(refused)?;
        let draft = inbox.begin(size).await.map_err(|error| failed(&error))?;
        let upload = Upload {
            id: draft.id().to_owned(),
            name: name.to_owned(),
            size,
            ticket: ticket.and_then(|(ticket, _)| Token::parse(ticket)),
            visitor: visit.address(),
            agent: visit.caller.agent(),
            offset: 0,
            touched: now.wall,
            given: None,
        };
        let id = upload.id.clone();
        if let Err(full) = self.desk.change(|book| book.begin_upload(visit.id, upload, now)) {
            drop(draft);
            Leftover::new(&self.desk, visit.id, &id).throw(inbox).await;
            return Err(refused(full));
        }
        Ok(draft)
    }

    /// Tells that a file is there completely.
    pub(super) fn has_arrived(&self, visit: &Visit, id: &str) -> Option<Response<Body>> {
        let size = self.arrived(visit, id)?;
        let mut response = at(StatusCode::OK, size, Some(size));
        response.headers_mut().insert(RESUMABLE, HeaderValue::from_static(TUS));
        Some(response)
    }

    /// Tells how much of a file is there. Who asks has lost the connection before it.
    async fn upload_offset(&self, visit: &Visit, id: &str, inbox: &Inbox) -> Response<Body> {
        let Some(Upload { name, size, .. }) = self.known(visit, id) else {
            return pages::bare(StatusCode::NOT_FOUND);
        };
        if !self.take_over(visit, id).await {
            return pages::bare(StatusCode::LOCKED);
        }
        // The disk knows best.
        match inbox.resume(id).await {
            Ok(draft) => {
                let offset = draft.offset();
                if let Some(entry) = self.desk.book().look(visit.id) {
                    entry.uploads.advance(id, offset, Now::read());
                }
                // Who hears that all of it is there does not come again.
                if size == Some(offset)
                    && let Err(refusal) = self.complete(visit, draft, &name).await
                {
                    return refusal;
                }
                at(StatusCode::OK, offset, size)
            }
            Err(InboxError::NoDraft) => match self.look_for(visit, id, inbox).await {
                Ok(Some(size)) => at(StatusCode::OK, size, Some(size)),
                Ok(None) => failed(&InboxError::NoDraft),
                Err(error) => failed(&error),
            },
            Err(error) => failed(&error),
        }
    }

    /// Gives a file its name of which all is there: an empty one, or one that could not get it before, as
    /// the program was killed just then or the disk failed.
    async fn complete(
        &self,
        visit: &Visit,
        draft: Draft,
        name: &str,
    ) -> Result<(), Response<Body>> {
        let coming = self.desk.start(visit.id, draft.id(), Now::read()).map_err(refused)?;
        self.desk.change(|book| book.coming(visit.id));
        self.finish(coming, draft, name).await.map(drop)
    }

    /// Looks for a file whose draft is gone, and returns its size if it is there: the last piece may just
    /// have given it its name, also when nobody noted it because the program was killed or the disk
    /// answered too late.
    async fn look_for(
        &self,
        visit: &Visit,
        id: &str,
        inbox: &Inbox,
    ) -> Result<Option<u64>, InboxError> {
        if let Some(size) = self.arrived(visit, id) {
            return Ok(Some(size));
        }
        let given = self.known(visit, id).and_then(|upload| upload.given);
        let Some(given) = given else { return Ok(None) };
        let Some(arrived) = inbox.arrived(id, &given).await? else { return Ok(None) };
        self.desk.change(|book| book.found(visit.id, id, arrived, Now::read()));
        Ok(Some(given.size))
    }

    async fn go_on(&self, visit: &Visit, id: &str, inbox: &Inbox, body: Body) -> Response<Body> {
        let kind = visit.headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
        if kind != Some(OFFSET_STREAM.as_bytes()) {
            return pages::bare(StatusCode::UNSUPPORTED_MEDIA_TYPE);
        }
        let Some(offset) = number(&visit.headers, &UPLOAD_OFFSET) else {
            return said(StatusCode::BAD_REQUEST, "Upload-Offset is missing.");
        };
        let Some(Upload { name, size, .. }) = self.known(visit, id) else {
            return match self.arrived(visit, id) {
                Some(size) => at(StatusCode::CONFLICT, size, Some(size)),
                None => pages::bare(StatusCode::NOT_FOUND),
            };
        };
        if !self.take_over(visit, id).await {
            return pages::bare(StatusCode::LOCKED);
        }
        let coming = match self.desk.start(visit.id, id, Now::read()) {
            Ok(coming) => coming,
            Err(full) => return refused(full),
        };
        let mut draft = match inbox.resume(id).await {
            Ok(draft) => draft,
            Err(error @ InboxError::NoDraft) => {
                coming.pause();
                return match self.look_for(visit, id, inbox).await {
                    Ok(Some(size)) => at(StatusCode::CONFLICT, size, Some(size)),
                    Ok(None) => {
                        // Somebody tidied up the folder.
                        self.desk.change(|book| book.discard_upload(visit.id, id));
                        failed(&error)
                    }
                    Err(error) => failed(&error),
                };
            }
            Err(error) => {
                coming.pause();
                return failed(&error);
            }
        };
        if draft.offset() != offset {
            coming.pause();
            return at(StatusCode::CONFLICT, draft.offset(), size);
        }
        let announced = body.size_hint().exact();
        let appended = coming.append(&mut draft, body, size).await;
        let so_far = draft.offset();
        match appended {
            Ok(()) => match self.finish(coming, draft, &name).await {
                Ok(_) => at(StatusCode::NO_CONTENT, so_far, size),
                Err(refusal) => refusal,
            },
            // A part of it, all of which is there: more comes with the next request.
            Err(Some(InboxError::Cut(_))) if announced == Some(so_far - offset) => {
                coming.pause();
                at(StatusCode::NO_CONTENT, so_far, size)
            }
            Err(why) => {
                let stopped = coming.cut(by(why.as_ref()));
                match why {
                    None => ended(stopped),
                    Some(InboxError::Cut(_)) => at(StatusCode::NO_CONTENT, so_far, size),
                    Some(error) => failed(&error),
                }
            }
        }
    }

    async fn discard(&self, visit: &Visit, id: &str, inbox: &Inbox) -> Response<Body> {
        if !self.desk.change(|book| book.discard_upload(visit.id, id)) {
            return pages::bare(StatusCode::NOT_FOUND);
        }
        let leftover = Leftover::new(&self.desk, visit.id, id);
        leftover.throw(inbox).await;
        pages::bare(StatusCode::NO_CONTENT)
    }

    /// Takes a file that is sent at once.
    pub(super) async fn put(
        &self,
        visit: &Visit,
        name: &str,
        ticket: Option<(&str, Worth)>,
        request: Request<Body>,
    ) -> Response<Body> {
        let inbox = match self.inbox(visit, ticket) {
            Ok(inbox) => inbox,
            Err(refusal) => return refusal,
        };
        if is_foreign(&visit.headers) {
            return pages::bare(StatusCode::FORBIDDEN);
        }
        if visit.headers.contains_key(header::CONTENT_RANGE) {
            // Taking a part for the whole would be worse (RFC 9110 §14.4).
            return said(StatusCode::BAD_REQUEST, "Send the whole file.");
        }
        let name: String =
            percent_decode_str(name).decode_utf8_lossy().chars().take(MAX_NAME).collect();
        let body = request.into_body();
        let size = body.size_hint().exact();
        let draft = match self.begin(visit, ticket, &inbox, &name, size).await {
            Ok(draft) => draft,
            Err(refusal) => return refusal,
        };
        let id = draft.id().to_owned();
        // It cannot be continued, so nobody will.
        let leftover = Leftover::new(&self.desk, visit.id, &id);
        match self.fill(visit, draft, &name, body, size).await {
            Ok(name) => {
                leftover.none_is_left();
                said(StatusCode::CREATED, &format!("{name} has arrived.\n"))
            }
            Err(refusal) => {
                self.desk.change(|book| book.discard_upload(visit.id, &id));
                leftover.throw(&inbox).await;
                refusal
            }
        }
    }

    /// Fills a draft at once, and lets go of it.
    async fn fill(
        &self,
        visit: &Visit,
        mut draft: Draft,
        name: &str,
        body: Body,
        size: Option<u64>,
    ) -> Result<String, Response<Body>> {
        let coming = self.desk.start(visit.id, draft.id(), Now::read()).map_err(refused)?;
        match coming.append(&mut draft, body, size).await {
            Ok(()) => self.finish(coming, draft, name).await,
            Err(why) => {
                let stopped = coming.cut(by(why.as_ref()));
                Err(why.map_or_else(|| ended(stopped), |why| failed(&why)))
            }
        }
    }

    /// Gives a file its name, if one more is wanted.
    async fn finish(
        &self,
        coming: Coming,
        draft: Draft,
        name: &str,
    ) -> Result<String, Response<Body>> {
        match coming.finish(draft, name).await {
            Finish::Arrived(name) => Ok(name),
            Finish::NoneWanted => Err(pages::bare(StatusCode::GONE)),
            Finish::Failed(error) => Err(failed(&error)),
        }
    }

    fn known(&self, visit: &Visit, id: &str) -> Option<Upload> {
        self.desk.book().entry(visit.id)?.uploads.find(id).cloned()
    }

    /// Returns how large a file is that came by this upload and is there.
    fn arrived(&self, visit: &Visit, id: &str) -> Option<u64> {
        self.desk.book().entry(visit.id)?.arrived_by(id)
    }

    /// Ends the same upload over another connection, which the visitor has lost. Returns whether it ended.
    async fn take_over(&self, visit: &Visit, id: &str) -> bool {
        let desk: &Desk = &self.desk;
        let mut changes = desk.changes();
        let is_coming = || {
            let mut book = desk.book();
            book.look(visit.id).is_some_and(|entry| {
                entry.uploads.stop(id);
                entry.uploads.is_coming(id)
            })
        };
        let ended = async {
            while is_coming() {
                if changes.changed().await.is_err() {
                    return;
                }
            }
        };
        timeout(TAKE_OVER, ended).await.is_ok()
    }
}

/// Returns whom a cut is owed to.
fn by(why: Option<&InboxError>) -> Ended {
    match why {
        // She goes on over another connection, or the owner ended it.
        None => Ended::Owner,
        Some(
            InboxError::Folder(_) | InboxError::NoDraft | InboxError::Busy | InboxError::NoSpace,
        ) => Ended::File,
        Some(InboxError::Cut(_) | InboxError::TooLarge | InboxError::TooMuch) => Ended::Visitor,
    }
}

fn options(inbox: &Inbox) -> Response<Body> {
    let mut response = pages::bare(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    headers.insert(VERSION, HeaderValue::from_static(TUS));
    headers.insert(EXTENSION, HeaderValue::from_static("creation,termination"));
    headers.insert(MAX_SIZE, inbox.rules().largest.into());
    response
}

/// Says how far an upload is.
fn at(status: StatusCode, offset: u64, size: Option<u64>) -> Response<Body> {
    let mut response = pages::bare(status);
    response.headers_mut().insert(UPLOAD_OFFSET, offset.into());
    if let Some(size) = size {
        response.headers_mut().insert(UPLOAD_LENGTH, size.into());
    }
    response
}

fn said(status: StatusCode, line: &str) -> Response<Body> {
    let mut response = Response::new(transaction::full(line.to_owned()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// Answers over a connection on which no more is wanted.
fn ended(by: Option<StoppedBy>) -> Response<Body> {
    match by {
        Some(StoppedBy::Others) => refused(Full::TooMany),
        Some(StoppedBy::Owner | StoppedBy::Visitor) | None => pages::bare(StatusCode::CONFLICT),
    }
}

fn refused(full: Full) -> Response<Body> {
    match full {
        Full::Gone => pages::bare(StatusCode::NOT_FOUND),
        Full::Coming => pages::bare(StatusCode::LOCKED),
        Full::Paused => pages::bare(StatusCode::SERVICE_UNAVAILABLE),
        Full::TooMany => {
            said(StatusCode::TOO_MANY_REQUESTS, "Too many files at once. Wait for the others.\n")
        }
    }
}

fn failed(error: &InboxError) -> Response<Body> {
    let status = match error {
        InboxError::Folder(_) => StatusCode::SERVICE_UNAVAILABLE,
        InboxError::TooLarge | InboxError::TooMuch => StatusCode::PAYLOAD_TOO_LARGE,
        InboxError::NoSpace => StatusCode::INSUFFICIENT_STORAGE,
        InboxError::NoDraft => StatusCode::NOT_FOUND,
        InboxError::Busy => StatusCode::LOCKED,
        InboxError::Cut(_) => StatusCode::BAD_REQUEST,
    };
    tracing::debug!(%error, "A file of a visitor is not taken");
    said(status, &format!("{error}.\n"))
}

/// A draft that nobody will go on with. Should the visitor not wait until it is gone, the engine sees to it.
struct Leftover<'a> {
    desk: &'a Desk,
    hand_over: HandOverId,
    id: &'a str,
    is_left: bool,
}

impl<'a> Leftover<'a> {
    fn new(desk: &'a Desk, hand_over: HandOverId, id: &'a str) -> Self {
        Self { desk, hand_over, id, is_left: true }
    }

    async fn throw(mut self, inbox: &Inbox) {
        match inbox.discard(self.id).await {
            Ok(()) => self.is_left = false,
            // It is hidden, and swept away with other old ones.
            Err(error) => tracing::debug!(%error, "A draft of a visitor stays on the disk for now"),
        }
    }

    fn none_is_left(mut self) {
        self.is_left = false;
    }
}

impl Drop for Leftover<'_> {
    fn drop(&mut self) {
        if self.is_left {
            self.desk.change(|book| {
                book.discard_upload(self.hand_over, self.id);
                book.throw(self.hand_over, vec![self.id.to_owned()]);
            });
        }
    }
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    let text = headers.get(name)?.to_str().ok()?;
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| text.parse().ok()).flatten()
}

/// Reads what the visitor calls the file: `filename` in base64, among other pairs with commas between.
fn name_of(headers: &HeaderMap) -> String {
    let text = headers.get(UPLOAD_METADATA).and_then(|value| value.to_str().ok());
    let coded = text.unwrap_or_default().split(',').find_map(|pair| {
        let (key, value) = pair.trim().split_once(' ')?;
        key.eq_ignore_ascii_case("filename").then_some(value.trim())
    });
    let bytes = coded.and_then(|coded| BASE64_STANDARD.decode(coded).ok()).unwrap_or_default();
    let name: String = String::from_utf8_lossy(&bytes).chars().take(MAX_NAME).collect();
    if name.trim().is_empty() { NAMELESS.to_owned() } else { name }
}
