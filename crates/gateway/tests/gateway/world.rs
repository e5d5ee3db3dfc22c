//! A gateway, peers and visitors for one test.

use std::{
    collections::HashMap,
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use carriers::{
    DialError, DialOptions, LinkEnd, Served,
    ptth::{Protocol, dial::dial},
    tls::Roots,
};
use crosstalk::{
    control::{self, Receipt, ReceiptState, Receipts},
    label::Label,
    members,
    proof::PrivateKey,
    taxi::TaxiMessage,
    transaction::{self, Body, BodyError, Handler},
};
use futures_util::StreamExt as _;
use gateway::{Config, Gateway};
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::{mpsc, watch},
    task::JoinHandle,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::{service_fn, util::BoxCloneSyncService};

pub(crate) use crate::common::{Reply, SOON, read_head, soon};

/// A running gateway.
pub(crate) struct World {
    pub(crate) address: SocketAddr,
    pub(crate) origin: String,
    pub(crate) stop: CancellationToken,
    pub(crate) running: JoinHandle<()>,
    _tasks: TaskTracker,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::start_as("localhost", false, None).await
    }

    pub(crate) async fn start_as(domain: &str, behind_proxy: bool, data: Option<PathBuf>) -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let config = Config { listen, domain: domain.to_owned(), behind_proxy, data };
        Self::run(Gateway::bind(config).await.unwrap())
    }

    /// Runs a gateway that listens already.
    pub(crate) fn run(gateway: Gateway) -> Self {
        let (address, origin) = (gateway.local_addr(), gateway.address().origin());
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let running = tasks.spawn(gateway.run(stop.clone()));
        Self { address, origin, stop, running, _tasks: tasks }
    }

    pub(crate) async fn end(self) {
        self.stop.cancel();
        soon(self.running).await.unwrap();
    }

    pub(crate) fn proof(&self, key: &PrivateKey) -> String {
        key.prove(&self.origin, SystemTime::now())
    }

    pub(crate) async fn claim(&self, key: &PrivateKey, label: &str) -> Reply {
        self.names("PUT", label, &self.proof(key)).await
    }

    pub(crate) async fn names(&self, method: &str, label: &str, proof: &str) -> Reply {
        let own = self.own_host();
        let request = format!(
            "{method} /veranda/names/{label} HTTP/1.1\r\nhost: {own}\r\n\
             authorization: Bearer {proof}\r\nconnection: close\r\n\r\n"
        );
        self.raw(&request).await
    }

    pub(crate) fn own_host(&self) -> &str {
        self.origin.split_once("://").unwrap().1
    }

    /// Sends bytes as they are and reads to the end of the connection.
    pub(crate) async fn raw(&self, request: &str) -> Reply {
        crate::common::raw(self.address, request).await
    }

    pub(crate) async fn get(&self, host: &str, path: &str) -> Reply {
        self.get_with(host, path, "").await
    }

    pub(crate) async fn get_with(&self, host: &str, path: &str, headers: &str) -> Reply {
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{headers}\r\n");
        self.raw(&request).await
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Asks the site `photos` for this, and reads nothing of the answer.
    pub(crate) async fn ask(&self, path: &str) -> TcpStream {
        let mut visitor = self.connect().await;
        let request = format!("GET {path} HTTP/1.1\r\nhost: photos.localhost\r\n\r\n");
        visitor.write_all(request.as_bytes()).await.unwrap();
        visitor
    }

    /// Claims a name and serves it over HTTP/2.
    pub(crate) async fn publish(&self, label: &str) -> Peer {
        let key = PrivateKey::generate();
        assert_eq!(self.claim(&key, label).await.status, 200);
        self.link(&key, None, Protocol::Http2).await.unwrap()
    }

    pub(crate) async fn link(
        &self,
        key: &PrivateKey,
        label: Option<&str>,
        protocol: Protocol,
    ) -> Result<Peer, DialError> {
        let local = format!("http://localhost:{}", self.address.port());
        let options = DialOptions {
            gateway: local.parse().unwrap(),
            proof: self.proof(key),
            label: label.map(|label| Label::parse(label).unwrap()),
            roots: Roots::System,
            account: None,
            invite: None,
        };
        Ok(Peer::serve(soon(dial(&options, &[protocol])).await?))
    }
}

/// A peer with one link.
pub(crate) struct Peer {
    pub(crate) site: Site,
    pub(crate) stop: CancellationToken,
    pub(crate) running: JoinHandle<LinkEnd>,
    _tasks: TaskTracker,
}

impl Peer {
    pub(crate) fn serve(served: Served) -> Self {
        let site = Site::new();
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let run = served.run(site.handler(), stop.clone(), Duration::from_secs(5));
        let running = tasks.spawn(run);
        Self { site, stop, running, _tasks: tasks }
    }

    pub(crate) async fn leave(self) {
        self.stop.cancel();
        soon(self.running).await.unwrap();
    }
}

/// What a peer publishes in these tests.
#[derive(Clone)]
pub(crate) struct Site {
    /// The paths that were asked for, and what became of them.
    seen: Arc<watch::Sender<Vec<String>>>,
    receipts: Arc<watch::Sender<Vec<Receipt>>>,
    messages: Arc<watch::Sender<Vec<(HeaderMap, TaxiMessage)>>>,
    /// Transactions by path.
    numbers: Arc<Mutex<HashMap<String, u64>>>,
    tasks: TaskTracker,
    pub(crate) open: Arc<watch::Sender<bool>>,
}

impl Site {
    fn new() -> Self {
        Self {
            seen: Arc::default(),
            receipts: Arc::default(),
            messages: Arc::default(),
            numbers: Arc::default(),
            tasks: TaskTracker::new(),
            open: Arc::default(),
        }
    }

    fn handler(&self) -> Handler {
        let site = self.clone();
        BoxCloneSyncService::new(service_fn(move |request: Request<Body>| {
            let site = site.clone();
            async move { Ok::<_, Infallible>(site.answer(request).await) }
        }))
    }

    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.borrow().clone()
    }

    /// Takes a message of a visitor: what it says is what becomes of it.
    async fn take(&self, parts: &http::request::Parts, body: Body) -> Response<Body> {
        let message = body.collect().await.unwrap().to_bytes();
        let message = TaxiMessage::read(&message).unwrap();
        let text = String::from_utf8_lossy(&message.body).into_owned();
        let mut response = Response::new(transaction::empty());
        match text.as_str() {
            "refuse me" => {
                *response.status_mut() = StatusCode::FORBIDDEN;
                *response.body_mut() = transaction::full("Not today.\u{7}");
            }
            "what is this" => *response.status_mut() = StatusCode::NOT_FOUND,
            "wait" => {
                self.note("wait");
                soon(self.open.subscribe().wait_for(|open| *open)).await.unwrap();
            }
            _ => {}
        }
        self.messages.send_modify(|all| all.push((parts.headers.clone(), message)));
        response
    }

    /// Waits for this many messages of visitors.
    pub(crate) async fn messages(&self, count: usize) -> Vec<(HeaderMap, TaxiMessage)> {
        let mut messages = self.messages.subscribe();
        soon(messages.wait_for(|all| all.len() >= count)).await.unwrap().clone()
    }

    fn note(&self, what: impl Into<String>) {
        self.seen.send_modify(|seen| seen.push(what.into()));
    }

    /// Waits until something was seen.
    pub(crate) async fn has_seen(&self, what: &str) {
        let mut seen = self.seen.subscribe();
        soon(seen.wait_for(|seen| seen.iter().any(|seen| seen == what))).await.unwrap();
    }

    /// Waits for a receipt of the transaction that asked for this path.
    pub(crate) async fn receipt(&self, path: &str, fits: impl Fn(&Receipt) -> bool) -> Receipt {
        self.has_seen(path).await;
        let number = self.numbers.lock().unwrap()[path];
        let mut receipts = self.receipts.subscribe();
        let fits = |receipt: &&Receipt| receipt.transaction == number && fits(receipt);
        let found = soon(receipts.wait_for(|all| all.iter().any(|one| fits(&one)))).await;
        *found.unwrap().iter().find(fits).unwrap()
    }

    pub(crate) async fn last_receipt(&self, path: &str) -> Receipt {
        self.receipt(path, |receipt| receipt.state != ReceiptState::Running).await
    }

    pub(crate) fn all_receipts(&self) -> Vec<Receipt> {
        self.receipts.borrow().clone()
    }

    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let host = request.headers()[header::HOST].to_str().unwrap().to_owned();
        let (parts, body) = request.into_parts();
        if host == control::AUTHORITY && parts.uri == members::CONTROL_PATH {
            return self.take(&parts, body).await;
        }
        if host == control::AUTHORITY {
            assert_eq!(parts.uri, control::RECEIPTS_PATH);
            let json = body.collect().await.unwrap().to_bytes();
            let batch: Receipts = serde_json::from_slice(&json).unwrap();
            assert_eq!(batch.missed, 0);
            self.receipts.send_modify(|all| all.extend(batch.receipts));
            return Response::new(transaction::empty());
        }
        let path = parts.uri.to_string();
        let number = parts.headers[control::TRANSACTION_HEADER].to_str().unwrap().parse().unwrap();
        self.numbers.lock().unwrap().insert(path.clone(), number);
        self.note(path.clone());
        let mut words = path.split(['/', '?']).skip(1);
        let kind = words.next().unwrap_or_default().to_owned();
        let mut number = || words.next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
        let mut response = Response::new(transaction::empty());
        let receipts = if path.contains("?read") { control::RECEIPT_READ } else { "1" };
        response.headers_mut().insert(control::RECEIPT_HEADER, receipts.parse().unwrap());
        match kind.as_str() {
            "size" => {
                let size = number();
                response.headers_mut().insert(header::CONTENT_LENGTH, size.into());
                *response.body_mut() = dots(size, None);
            }
            "chunks" => *response.body_mut() = dots(number(), None),
            "cut" => {
                let (size, given) = (number(), number());
                if size > 0 {
                    response.headers_mut().insert(header::CONTENT_LENGTH, size.into());
                }
                *response.body_mut() = dots(given, Some("cut"));
            }
            "status" => {
                *response.status_mut() = StatusCode::from_u16(number() as u16).unwrap();
                response.headers_mut().insert(header::ETAG, "\"1\"".parse().unwrap());
            }
            "hold" => {
                let noted = Noted(self.clone(), format!("dropped {path}"));
                soon(self.open.subscribe().wait_for(|open| *open)).await.unwrap();
                std::mem::forget(noted);
                *response.body_mut() = transaction::full("held");
            }
            "never" => {
                let _noted = Noted(self.clone(), format!("dropped {path}"));
                std::future::pending::<()>().await;
            }
            "echo" => {
                let mut text = format!("{} {}\n", parts.method, parts.uri);
                for (name, value) in &parts.headers {
                    text.push_str(&format!("{name}: {}\n", value.to_str().unwrap()));
                }
                *response.body_mut() = transaction::full(text);
            }
            "upload" => {
                let text = match body.collect().await {
                    Ok(body) => format!("took {}", body.to_bytes().len()),
                    Err(_) => "cut".to_owned(),
                };
                self.note(format!("{path} {text}"));
                *response.body_mut() = transaction::full(text);
            }
            "take" => {
                let mut body = body;
                while let Some(Ok(frame)) = body.frame().await {
                    let length = frame.data_ref().map_or(0, bytes::Bytes::len);
                    self.note(format!("{path} took {length}"));
                }
                std::future::pending::<()>().await;
            }
            "hostile" => {
                for (name, value) in [
                    ("set-cookie", "a=1; Domain=localhost; Path=/"),
                    ("alt-svc", "h3=\":443\""),
                    ("service-worker-allowed", "/"),
                    ("veranda-other", "1"),
                    ("x-kept", "yes"),
                ] {
                    response.headers_mut().append(name, value.parse().unwrap());
                }
            }
            "socket" => {
                let upgrade = parts.extensions.get::<hyper::upgrade::OnUpgrade>().cloned().unwrap();
                *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
                for name in ["connection", "upgrade"] {
                    let value = parts.headers[name].clone();
                    response.headers_mut().insert(name, value);
                }
                self.tasks.spawn(async move {
                    let mut io = hyper_util::rt::TokioIo::new(upgrade.await.unwrap());
                    let mut bytes = [0; 1024];
                    while let Ok(count @ 1..) = io.read(&mut bytes).await {
                        io.write_all(&bytes[..count].to_ascii_uppercase()).await.unwrap();
                    }
                });
            }
            _ => *response.status_mut() = StatusCode::NOT_FOUND,
        }
        response
    }
}

/// Notes something when it is dropped.
struct Noted(Site, String);

impl Drop for Noted {
    fn drop(&mut self) {
        self.0.note(self.1.clone());
    }
}

/// A body of dots in pieces of 16 KiB, and perhaps an accident at its end.
fn dots(size: u64, end: Option<&'static str>) -> Body {
    const PIECE: u64 = 16 * 1024;
    let pieces = (0..size.div_ceil(PIECE)).map(move |piece| {
        let length = (size - piece * PIECE).min(PIECE);
        Ok(Frame::data(Bytes::from(vec![b'.'; length as usize])))
    });
    let end = end.map(|error| Err::<_, BodyError>(error.into()));
    let all = futures_util::stream::iter(pieces.chain(end));
    // One after the other, as a file is read.
    transaction::boxed(StreamBody::new(all.then(|piece| async {
        tokio::task::yield_now().await;
        piece
    })))
}

impl Reply {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    pub(crate) fn reason(&self) -> String {
        self.json()["reason"].as_str().unwrap_or_default().to_owned()
    }
}

/// Reads one response with `Content-Length`; returns what came after it, too.
pub(crate) async fn read_reply(stream: &mut TcpStream, before: &mut Vec<u8>) -> Reply {
    let mut bytes = std::mem::take(before);
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = Reply::read(&bytes[..end + 4]);
            let length = head.header("content-length").and_then(|l| l.parse().ok()).unwrap_or(0);
            if bytes.len() >= end + 4 + length {
                *before = bytes.split_off(end + 4 + length);
                return Reply::read(&bytes);
            }
        }
        let mut piece = vec![0; 64 * 1024];
        let count = soon(stream.read(&mut piece)).await.unwrap();
        assert!(count > 0, "the connection ended in a response");
        bytes.extend_from_slice(&piece[..count]);
    }
}

/// Runs something for each number at the same time.
pub(crate) async fn all<T, F>(count: usize, make: impl Fn(usize) -> F) -> Vec<T>
where
    F: Future<Output = T>,
{
    let (sender, mut receiver) = mpsc::channel(count.max(1));
    let futures = futures_util::future::join_all((0..count).map(|index| {
        let (future, sender) = (make(index), sender.clone());
        async move {
            let _ = sender.send(future.await).await;
        }
    }));
    soon(futures).await;
    drop(sender);
    let mut outputs = Vec::new();
    while let Some(output) = receiver.recv().await {
        outputs.push(output);
    }
    outputs
}
