//! Raw requests to a gateway, what came back, and relay sessions.

use std::{future::Future, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// How long a test waits for what must happen.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// Waits for what must happen.
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

/// Sends bytes as they are and reads to the end of the connection.
pub(crate) async fn raw(address: SocketAddr, request: &str) -> Reply {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    // A connection that is reset after its answer is fine here.
    let _ = soon(stream.read_to_end(&mut bytes)).await;
    Reply::read(&bytes)
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Reads the head of a response and as much of its body as came with it.
pub(crate) async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> (Reply, Vec<u8>) {
    read_head_if_any(stream).await.expect("the connection ended in the head")
}

/// The same, unless the connection ends before.
pub(crate) async fn read_head_if_any(
    stream: &mut (impl AsyncRead + Unpin),
) -> Option<(Reply, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Some((Reply::read(&bytes), rest));
        }
        let mut piece = [0; 4096];
        let count = soon(stream.read(&mut piece)).await.unwrap_or(0);
        if count == 0 {
            return None;
        }
        bytes.extend_from_slice(&piece[..count]);
    }
}

/// A relay session: its path, and the token of its host.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) path: String,
    pub(crate) token: String,
}

impl Session {
    /// Reads the session that an answer tells of.
    pub(crate) fn told(reply: &Reply) -> Self {
        assert_eq!(reply.status, 201, "{reply:?}");
        let cookie = reply.header("set-cookie").unwrap();
        let token = cookie.strip_prefix("token=").unwrap().split(';').next().unwrap();
        Self { path: reply.header("location").unwrap().to_owned(), token: token.to_owned() }
    }
}
