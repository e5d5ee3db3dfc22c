//! A gateway with one session, and a peer made of bytes.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use carriers::{
    DialOptions, Link, LinkEnd, Served, Timing,
    poll::{
        SESSION,
        accept::{self, Patience, Session},
        dial,
    },
    tls::Roots,
};
use crosstalk::{
    address::GatewayAddress,
    poll::Dialect,
    transaction::{self, Handler},
};
use http::{Request, Response};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::common::soon;

/// What is the token of the one session.
const TOKEN: &str = "the-only-session";

/// A gateway for one peer.
pub(crate) struct TestGateway {
    pub(crate) socket_address: SocketAddr,
    pub(crate) session: Session,
    pub(crate) link: Link,
    _tasks: TaskTracker,
    _accepting: JoinSet<()>,
}

impl TestGateway {
    pub(crate) async fn start(dialect: Dialect) -> Self {
        Self::with(dialect, Patience::default()).await
    }

    pub(crate) async fn with(dialect: Dialect, patience: Patience) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket_address = listener.local_addr().unwrap();
        let tasks = TaskTracker::new();
        let (session, link) = Session::begin_with(dialect, patience, &tasks);
        let mut accepting = JoinSet::new();
        let answering = session.clone();
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                connections.spawn(serve(socket, answering.clone()));
            }
        });
        Self { socket_address, session, link, _tasks: tasks, _accepting: accepting }
    }

    pub(crate) async fn peer(&self) -> Poller {
        Poller::connect(self.socket_address).await
    }
}

async fn serve(socket: TcpStream, session: Session) {
    socket.set_nodelay(true).unwrap();
    let service = service_fn(move |request: Request<Incoming>| {
        let session = session.clone();
        async move {
            let (head, body) = request.into_parts();
            let mut response = match head.headers.get(SESSION) {
                Some(token) if token != TOKEN => accept::over(),
                Some(_) | None => session.answer(&head, body).await,
            };
            response.headers_mut().insert(SESSION, TOKEN.parse().unwrap());
            Ok::<Response<transaction::Body>, Infallible>(response)
        }
    });
    let builder = hyper::server::conn::http1::Builder::new();
    let _ = builder.serve_connection(TokioIo::new(socket), service).await;
}

/// A peer of ours at a gateway, perhaps with something in between.
pub(crate) struct OurPeer {
    pub(crate) stop: CancellationToken,
    pub(crate) running: JoinSet<LinkEnd>,
}

impl OurPeer {
    pub(crate) async fn dial(address: SocketAddr, handler: Handler) -> Self {
        let served = dialled(address).await;
        let stop = CancellationToken::new();
        let (stopped, mut running) = (stop.clone(), JoinSet::new());
        running.spawn(async move { served.run(handler, stopped, Duration::from_secs(3)).await });
        Self { stop, running }
    }

    pub(crate) async fn end(&mut self) -> LinkEnd {
        soon(self.running.join_next()).await.unwrap().unwrap()
    }
}

async fn dialled(address: SocketAddr) -> Served {
    let options = DialOptions {
        gateway: GatewayAddress::parse(&format!("http://{address}")).unwrap(),
        proof: "proof".to_owned(),
        label: None,
        roots: Roots::System,
        account: None,
        invite: None,
    };
    soon(dial::dial_with(&options, Timing::default())).await.unwrap()
}

/// A peer made of bytes: one connection, POST by POST.
pub(crate) struct Poller {
    stream: TcpStream,
    rest: Vec<u8>,
}

/// An answer to a POST.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Poller {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), rest: Vec::new() }
    }

    pub(crate) async fn send(&mut self, prefer: &str, body: &str) {
        let length = body.len();
        let request = format!(
            "POST /ptth HTTP/1.1\r\nHost: g\r\nPrefer: {prefer}\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        self.stream.write_all(request.as_bytes()).await.unwrap();
    }

    pub(crate) async fn answer(&mut self) -> Answer {
        loop {
            if let Some(answer) = self.whole_answer() {
                return answer;
            }
            let mut piece = [0; 64 * 1024];
            let count = soon(self.stream.read(&mut piece)).await.unwrap();
            assert!(count > 0, "the connection ended: {}", String::from_utf8_lossy(&self.rest));
            self.rest.extend_from_slice(&piece[..count]);
        }
    }

    fn whole_answer(&mut self) -> Option<Answer> {
        let end = self.rest.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        let head = String::from_utf8(self.rest[..end].to_vec()).unwrap().to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.map_or(0, |length| length.parse().unwrap());
        if self.rest.len() < end + length {
            return None;
        }
        let after = self.rest.split_off(end + length);
        let body = String::from_utf8(self.rest.split_off(end)).unwrap();
        self.rest = after;
        Some(Answer { status: head[9..12].parse().unwrap(), head, body })
    }

    pub(crate) async fn post(&mut self, prefer: &str, body: &str) -> Answer {
        self.send(prefer, body).await;
        self.answer().await
    }

    /// Posts JSON at once.
    pub(crate) async fn say(&mut self, body: &Value) -> Answer {
        self.post("ptth-json=2", &body.to_string()).await
    }

    /// Polls, and returns the objects of the answer.
    pub(crate) async fn poll(&mut self, body: &Value) -> Vec<Value> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.post("ptth-json=2, wait=5", &body).await;
        match answer.status {
            200 => answer.json().as_array().unwrap().clone(),
            204 => Vec::new(),
            status => panic!("{status} {answer:?}"),
        }
    }

    /// Polls without waiting.
    pub(crate) async fn look(&mut self, body: &Value) -> Vec<Value> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.post("ptth-json=2, wait=0", &body).await;
        if answer.status == 204 {
            return Vec::new();
        }
        answer.json().as_array().unwrap().clone()
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A place where a proxy of the tests listens.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    /// How many requests it cut for taking too long.
    pub(crate) cuts: Arc<Mutex<usize>>,
    pub(crate) connections: Arc<Mutex<usize>>,
    _accepting: JoinSet<()>,
}

impl Proxy {
    /// A proxy that passes one short request for each connection: it takes the whole request, waits
    /// for the whole answer, and closes. What takes longer than `limit` it answers with 504.
    pub(crate) async fn short_requests_only(gateway: SocketAddr, limit: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (cuts, connections) = (Arc::new(Mutex::new(0)), Arc::new(Mutex::new(0)));
        let (counted, opened) = (Arc::clone(&cuts), Arc::clone(&connections));
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                *opened.lock().unwrap() += 1;
                let counted = Arc::clone(&counted);
                open.spawn(async move { pass_one(socket, gateway, limit, &counted).await });
            }
        });
        Self { address, cuts, connections, _accepting: accepting }
    }
}

async fn pass_one(
    mut socket: TcpStream,
    gateway: SocketAddr,
    limit: Duration,
    cuts: &Mutex<usize>,
) -> Option<()> {
    let mut request = read_message(&mut socket).await?;
    let text = String::from_utf8_lossy(&request).to_ascii_lowercase();
    assert!(!text.contains("\r\nupgrade:"), "somebody tries to upgrade here");
    let mut upstream = TcpStream::connect(gateway).await.ok()?;
    // What the proxy says of its own connection.
    let first_line = request.windows(2).position(|window| window == b"\r\n")? + 2;
    request.splice(first_line..first_line, *b"Connection: close\r\n");
    let answer = tokio::time::timeout(limit, async {
        upstream.write_all(&request).await.ok()?;
        read_message(&mut upstream).await
    });
    let answer = match answer.await {
        Ok(answer) => answer?,
        Err(_) => {
            *cuts.lock().unwrap() += 1;
            let page = "<h1>Gateway time-out</h1>";
            let length = page.len();
            format!(
                "HTTP/1.1 504 Gateway Timeout\r\nContent-Type: text/html\r\n\
                 Connection: close\r\nContent-Length: {length}\r\n\r\n{page}"
            )
            .into_bytes()
        }
    };
    socket.write_all(&answer).await.ok()?;
    socket.shutdown().await.ok()
}

/// Reads a message with `Content-Length`, or without a body.
pub(crate) async fn read_message(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end + 4]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.and_then(|length| length.parse().ok()).unwrap_or(0);
            if bytes.len() >= end + 4 + length {
                return Some(bytes);
            }
        }
        let mut piece = [0; 64 * 1024];
        match stream.read(&mut piece).await {
            Ok(count @ 1..) => bytes.extend_from_slice(&piece[..count]),
            Ok(0) | Err(_) => return None,
        }
    }
}
