//! A visitor: HTTP/1.1 by hand, one connection a request, a jar for one cookie.

use crosstalk::address::GatewayAddress;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::app::DEADLINE;

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Returns the cookie that a session link gives.
    pub(crate) fn cookie(&self) -> &str {
        let Some(cookie) = self.header("set-cookie") else {
            panic!("no cookie: {} {}", self.head, String::from_utf8_lossy(&self.body));
        };
        cookie.split_once(';').map_or(cookie, |(cookie, _)| cookie)
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

/// Opens a session link as a browser does, and then this path of the site.
pub(crate) async fn visit(link: &str, path: &str) -> Answer {
    let (origin, _) = link.split_once("/s/").expect("a session link");
    let first = get(origin, &link[origin.len()..], None).await;
    get(origin, path, Some(first.cookie())).await
}

/// Asks once.
pub(crate) async fn get(origin: &str, path: &str, cookie: Option<&str>) -> Answer {
    timeout(DEADLINE, exchange(origin, path, cookie)).await.expect("an answer in time")
}

async fn exchange(origin: &str, path: &str, cookie: Option<&str>) -> Answer {
    let address = GatewayAddress::parse(origin).expect("an origin");
    let mut stream = TcpStream::connect(("127.0.0.1", address.port())).await.expect("a connection");
    let cookie = cookie.map(|cookie| format!("cookie: {cookie}\r\n")).unwrap_or_default();
    let host = address.authority();
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: {host}\r\nuser-agent: curl/8.0\r\n\
         connection: close\r\n{cookie}\r\n"
    );
    stream.write_all(request.as_bytes()).await.expect("room for a request");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("an answer");
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8(answer[..end].to_vec()).expect("a plain head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Answer { status: status.expect("a status"), head, body: answer[end + 4..].to_vec() }
}
