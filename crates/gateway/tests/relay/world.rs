//! A gateway, and requests to its relay.

use std::{future::Future, net::SocketAddr, time::Duration};

use gateway::{Config, Gateway};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinHandle,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long a test waits for what must happen.
pub(crate) const SOON: Duration = Duration::from_secs(60);

#[track_caller]
pub(crate) fn soon<F: Future>(what: F) -> impl Future<Output = F::Output> {
    let place = std::panic::Location::caller();
    async move {
        match tokio::time::timeout(SOON, what).await {
            Ok(output) => output,
            Err(_) => panic!("this never happened: {place}"),
        }
    }
}

/// A running gateway.
pub(crate) struct World {
    pub(crate) address: SocketAddr,
    stop: CancellationToken,
    running: JoinHandle<()>,
    pub(crate) tasks: TaskTracker,
}

/// A session: its path, and the token of its host.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) path: String,
    pub(crate) token: String,
}

impl World {
    pub(crate) async fn start() -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let domain = "localhost".to_owned();
        let config = Config { listen, domain, behind_proxy: false, data: None };
        let gateway = Gateway::bind(config).await.unwrap();
        let address = gateway.local_addr();
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let running = tasks.spawn(gateway.run(stop.clone()));
        Self { address, stop, running, tasks }
    }

    pub(crate) async fn end(self) {
        self.stop.cancel();
        soon(self.running).await.unwrap();
    }

    pub(crate) async fn ask(&self, request: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        Answer::read(&mut stream).await
    }

    pub(crate) async fn allocate(&self) -> Session {
        session_of(&self.ask("PUT /cama/session HTTP/1.1\r\nhost: localhost\r\n\r\n").await)
    }

    pub(crate) fn url(&self, session: &Session) -> String {
        format!("http://{}{}", self.address, session.path)
    }
}

/// Reads the session that an answer tells of.
pub(crate) fn session_of(answer: &Answer) -> Session {
    assert_eq!(answer.status, 201, "{answer:?}");
    let cookie = answer.header("set-cookie").unwrap();
    let token = cookie.strip_prefix("token=").unwrap().split(';').next().unwrap();
    Session { path: answer.header("location").unwrap().to_owned(), token: token.to_owned() }
}

/// The head of an answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
}

impl Answer {
    /// Reads the head of an answer byte by byte, so that the body is left.
    pub(crate) async fn read(stream: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            bytes.push(soon(stream.read_u8()).await.unwrap());
        }
        Self::parse(bytes)
    }

    pub(crate) fn parse(bytes: Vec<u8>) -> Self {
        let head = String::from_utf8(bytes).unwrap();
        let status = head[9..12].parse().unwrap();
        Self { status, head }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(crate) fn delivered(&self) -> u64 {
        self.header("x-bytes-delivered").unwrap().parse().unwrap()
    }
}
