//! The other end of the page on which visitors send files: an inbox behind tus 1.0.0, that fails when it is
//! told to. What the peer makes of it is tested there; this is about the page.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    net::Ipv4Addr,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use crosstalk::transaction::{self, Body};
use http::{HeaderMap, Method, Request, Response};
use http_body_util::BodyExt as _;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use sites::hand_over::{
    Inbox,
    inbox::{InboxError, Rules},
    pages::{self, Wish},
};
use tokio::{net::TcpListener, sync::Semaphore, task::JoinSet};

/// Where the page is.
const LANDING: &str = "/h/AAECAwQFBgcICQoLDA0ODw";

/// What goes wrong with the next request, if it is one that this can go wrong with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A PATCH is read this far; then its connection is closed.
    Cut(u64),
    /// A PATCH is read this far, and on when [`Server::go_on`] says so.
    Hold(u64),
    /// A PATCH is read and kept, and its connection closed without an answer.
    LoseAnswer,
    /// A POST is answered at once.
    Status(u16),
}

/// What the page says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) note: &'static str,
    pub(crate) largest: u64,
    pub(crate) files_left: u32,
    pub(crate) asks_first: bool,
}

/// A server with an inbox. Dropping it ends it.
pub(crate) struct Server {
    shared: Arc<Shared>,
    port: u16,
    _tasks: JoinSet<()>,
}

struct Shared {
    inbox: Inbox,
    asked: Asked,
    uploads: Mutex<BTreeMap<String, Upload>>,
    faults: Mutex<VecDeque<Fault>>,
    seen: Mutex<Vec<String>>,
    held: Semaphore,
}

#[derive(Clone)]
struct Upload {
    name: String,
    size: u64,
    is_done: bool,
}

impl Server {
    pub(crate) async fn start(folder: &Path, asked: Asked) -> anyhow::Result<Self> {
        let inbox = Inbox::open(folder, Rules { largest: asked.largest, keep_free: 0 })?;
        let shared = Arc::new(Shared {
            inbox,
            asked,
            uploads: Mutex::default(),
            faults: Mutex::default(),
            seen: Mutex::default(),
            held: Semaphore::new(0),
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, Arc::clone(&shared)));
        Ok(Self { shared, port, _tasks: tasks })
    }

    /// Returns the address of the page.
    pub(crate) fn link(&self) -> String {
        format!("http://localhost:{}{LANDING}", self.port)
    }

    /// From now on this goes wrong, each once and in this order.
    pub(crate) fn fail(&self, faults: &[Fault]) {
        lock(&self.shared.faults).extend(faults);
    }

    /// Lets one request go on that is held.
    pub(crate) fn go_on(&self) {
        self.shared.held.add_permits(1);
    }

    /// Returns what came of POST, HEAD, PATCH and DELETE: the method, and for PATCH where it began.
    pub(crate) fn seen(&self) -> Vec<String> {
        lock(&self.shared.seen).clone()
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        let service = service_fn(move |request| {
            let shared = Arc::clone(&shared);
            let closed = || io::Error::from(io::ErrorKind::ConnectionAborted);
            async move { shared.answer(request).await.ok_or_else(closed) }
        });
        connections.spawn(async move {
            // What visitors do to their connections is their business.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

impl Shared {
    /// Answers; `None` closes the connection.
    async fn answer(&self, request: Request<Incoming>) -> Option<Response<Body>> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path().to_owned();
        let is_upload = path.starts_with(&format!("{LANDING}/files"));
        if is_upload {
            let from = parts.headers.get("upload-offset").and_then(|value| value.to_str().ok());
            let line = from.map_or_else(
                || parts.method.to_string(),
                |from| format!("{} {from}", parts.method),
            );
            lock(&self.seen).push(line);
        }
        let id = path.strip_prefix(&format!("{LANDING}/files/"));
        Some(match (&parts.method, id) {
            (&Method::GET, _) if path == LANDING => self.page(&parts.headers),
            (&Method::POST, None) if is_upload => {
                match self.next_fault(|fault| matches!(fault, Fault::Status(_))) {
                    Some(Fault::Status(status)) => plain(status, &[]),
                    _ => self.begin(&parts.headers).await,
                }
            }
            (&Method::HEAD, Some(id)) => self.look(id).await,
            (&Method::PATCH, Some(id)) => return self.take(id, &parts.headers, body).await,
            (&Method::DELETE, Some(id)) => {
                lock(&self.uploads).remove(id);
                let discarded = self.inbox.discard(id).await;
                plain(if discarded.is_ok() { 204 } else { 500 }, &[])
            }
            _ => plain(404, &[]),
        })
    }

    fn page(&self, request: &HeaderMap) -> Response<Body> {
        let Asked { note, largest, files_left, asks_first } = self.asked;
        let uploads = &format!("{LANDING}/files");
        let take = &format!("{LANDING}/take");
        pages::wish(request, &Wish { note, largest, files_left, asks_first, take, uploads })
    }

    /// Takes the next fault if it is one that this request can have.
    fn next_fault(&self, is_mine: impl Fn(Fault) -> bool) -> Option<Fault> {
        let mut faults = lock(&self.faults);
        let next = *faults.front()?;
        is_mine(next).then(|| faults.pop_front())?
    }

    async fn begin(&self, headers: &HeaderMap) -> Response<Body> {
        let read = || {
            let size = headers.get("upload-length")?.to_str().ok()?.parse().ok()?;
            let name = headers.get("upload-metadata")?.to_str().ok()?.strip_prefix("filename ")?;
            Some((size, String::from_utf8(STANDARD.decode(name).ok()?).ok()?))
        };
        let (Some((size, name)), true) = (read(), headers["tus-resumable"] == "1.0.0") else {
            return plain(400, &[]);
        };
        let draft = match self.inbox.begin(Some(size)).await {
            Ok(draft) => draft,
            Err(error) => return refused(&error),
        };
        let id = draft.id().to_owned();
        let is_done = size == 0;
        if is_done && draft.finish(&name, |_| std::future::ready(true)).await.is_err() {
            return plain(500, &[]);
        }
        lock(&self.uploads).insert(id.clone(), Upload { name, size, is_done });
        plain(201, &[("location", format!("{LANDING}/files/{id}"))])
    }

    async fn look(&self, id: &str) -> Response<Body> {
        let Some(upload) = lock(&self.uploads).get(id).cloned() else { return plain(404, &[]) };
        let offset = if upload.is_done {
            upload.size
        } else {
            match self.inbox.resume(id).await {
                Ok(draft) => draft.offset(),
                Err(error) => return refused(&error),
            }
        };
        plain(200, &[("upload-offset", offset.to_string()), ("cache-control", "no-store".into())])
    }

    async fn take(&self, id: &str, headers: &HeaderMap, body: Incoming) -> Option<Response<Body>> {
        let Some(upload) = lock(&self.uploads).get(id).cloned() else {
            return Some(plain(404, &[]));
        };
        let from = headers["upload-offset"].to_str().ok()?.parse::<u64>().ok()?;
        if upload.is_done {
            return Some(plain(409, &[]));
        }
        let mut draft = match self.inbox.resume(id).await {
            Ok(draft) => draft,
            Err(error) => return Some(refused(&error)),
        };
        if from != draft.offset() {
            return Some(plain(409, &[]));
        }
        // Not before: Chromium sends a request again by itself when a connection that it used before
        // ends without an answer.
        let fault = self.next_fault(|fault| !matches!(fault, Fault::Status(_)));
        let appended = match fault {
            Some(Fault::Cut(limit)) => {
                let (mut first, _rest) = split(body, limit).await?;
                first.truncate(usize::try_from(limit).ok()?);
                // What goes wrong here is seen by the test.
                let _ = draft.append(transaction::full(first), Some(upload.size), |_| {}).await;
                return None;
            }
            Some(Fault::Hold(limit)) => {
                let (first, rest) = split(body, limit).await?;
                let first = draft.append(transaction::full(first), Some(upload.size), |_| {}).await;
                self.held.acquire().await.ok()?.forget();
                match first {
                    Err(InboxError::Cut(_)) => draft.append(rest, Some(upload.size), |_| {}).await,
                    other => other,
                }
            }
            Some(Fault::LoseAnswer | Fault::Status(_)) | None => {
                draft.append(transaction::boxed(body), Some(upload.size), |_| {}).await
            }
        };
        match appended {
            Ok(()) => {
                draft.finish(&upload.name, |_| std::future::ready(true)).await.ok()?;
                lock(&self.uploads).get_mut(id)?.is_done = true;
            }
            Err(InboxError::Cut(offset)) => {
                return Some(plain(204, &[("upload-offset", offset.to_string())]));
            }
            Err(error) => return Some(refused(&error)),
        }
        if fault == Some(Fault::LoseAnswer) {
            return None;
        }
        Some(plain(204, &[("upload-offset", upload.size.to_string())]))
    }
}

/// Reads at least so many bytes, and returns them and the rest.
async fn split(mut body: Incoming, limit: u64) -> Option<(Vec<u8>, Body)> {
    let mut first = Vec::new();
    while (first.len() as u64) < limit {
        first.extend_from_slice(&body.frame().await?.ok()?.into_data().ok()?);
    }
    Some((first, transaction::boxed(body)))
}

fn refused(error: &InboxError) -> Response<Body> {
    plain(
        match error {
            InboxError::TooLarge => 413,
            InboxError::NoSpace => 507,
            InboxError::NoDraft => 404,
            InboxError::Busy => 423,
            InboxError::TooMuch => 400,
            InboxError::Folder(_) | InboxError::Cut(_) => 503,
        },
        &[],
    )
}

fn plain(status: u16, headers: &[(&str, String)]) -> Response<Body> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, value);
    }
    response.body(transaction::empty()).unwrap_or_default()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
