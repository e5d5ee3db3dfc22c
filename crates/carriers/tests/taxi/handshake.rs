//! The handshake, read and written by both ends.

use std::net::SocketAddr;

use carriers::{
    DialError, Timing,
    accept::Refusal,
    taxi::{accept::read, dial},
};
use http::{Method, Request, Version, request::Parts};
use tokio::{io::AsyncWriteExt as _, net::TcpListener, task::JoinSet};

use crate::{
    common::soon,
    raw::{ACCEPT, KEY, REQUEST, read_head},
    world::{TestGateway, options},
};

const GOOD: [(&str, &str); 5] = [
    ("connection", "keep-alive, Upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", KEY),
    ("sec-websocket-protocol", "taxi"),
];

/// A request like [`GOOD`] with these headers instead; an empty one is left out.
fn parts(instead: &[(&str, &str)]) -> Parts {
    let mut request = Request::get("/ptth");
    for (name, value) in GOOD {
        let replaced = instead.iter().any(|(other, _)| *other == name);
        if !replaced {
            request = request.header(name, value);
        }
    }
    for (name, value) in instead.iter().filter(|(_, value)| !value.is_empty()) {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

#[test]
fn what_is_granted() {
    for instead in [
        &[][..],
        &[("upgrade", "h2c, WebSocket")],
        &[("sec-websocket-protocol", "chat,taxi")],
        &[("sec-websocket-protocol", "chat"), ("sec-websocket-protocol", "taxi")],
        &[("sec-websocket-extensions", "permessage-deflate")],
        &[("content-length", "0")],
    ] {
        let offer = read(&parts(instead)).unwrap().unwrap();
        let response = offer.response();
        assert_eq!(response.status(), 101, "{instead:?}");
        let headers = response.headers();
        assert_eq!(headers["connection"], "Upgrade");
        assert_eq!(headers["upgrade"], "websocket");
        assert_eq!(headers["sec-websocket-accept"], ACCEPT);
        assert_eq!(headers["sec-websocket-protocol"], "taxi");
        assert_eq!(headers.len(), 4, "nothing that was not agreed on: {headers:?}");
    }
}

#[test]
fn what_is_no_request_for_a_link() {
    for instead in [
        &[("sec-websocket-protocol", "")][..],
        &[("sec-websocket-protocol", "chat")],
        &[("sec-websocket-protocol", "TAXI, taxis")],
        &[("upgrade", "")],
        &[("upgrade", "websockets")],
    ] {
        assert!(read(&parts(instead)).unwrap().is_none(), "{instead:?}");
    }
    let mut post = parts(&[]);
    post.method = Method::POST;
    assert!(read(&post).unwrap().is_none());
}

#[test]
fn what_is_refused() {
    for (instead, refusal, status) in [
        (&[("connection", "close")][..], Refusal::Connection, 400),
        (&[("connection", "")], Refusal::Connection, 400),
        (&[("content-length", "3")], Refusal::Body, 400),
        (&[("transfer-encoding", "chunked")], Refusal::Body, 400),
        (&[("sec-websocket-key", "")], Refusal::WebSocketKey, 400),
        (&[("sec-websocket-key", "dGhlIHNhbXBsZQ==")], Refusal::WebSocketKey, 400),
        (&[("sec-websocket-key", "!")], Refusal::WebSocketKey, 400),
        (&[("sec-websocket-key", KEY), ("sec-websocket-key", KEY)], Refusal::WebSocketKey, 400),
        (&[("sec-websocket-version", "")], Refusal::WebSocketVersion, 426),
        (&[("sec-websocket-version", "8")], Refusal::WebSocketVersion, 426),
    ] {
        assert_eq!(read(&parts(instead)).unwrap_err(), refusal, "{instead:?}");
        let response = refusal.response();
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(response.headers()["content-type"], "application/json");
        let version = response.headers().get("sec-websocket-version");
        assert_eq!(version.is_some_and(|version| version == "13"), status == 426);
    }
    for version in [Version::HTTP_10, Version::HTTP_2] {
        let mut parts = parts(&[]);
        parts.version = version;
        assert_eq!(read(&parts).unwrap_err(), Refusal::Version);
    }
}

#[tokio::test]
async fn a_browsers_request_becomes_a_link() {
    let mut gateway = TestGateway::start(Timing::default()).await;
    let mut socket = tokio::net::TcpStream::connect(gateway.socket_address).await.unwrap();
    socket.write_all(REQUEST.as_bytes()).await.unwrap();
    let head = read_head(&mut socket).await.to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 101 switching protocols\r\n"), "{head}");
    assert!(!head.contains("extensions"), "{head}");
    let accept = format!("sec-websocket-accept: {}\r\n", ACCEPT.to_ascii_lowercase());
    assert!(head.contains(&accept), "{head}");
    assert!(gateway.link().await.is_open());
}

/// A server that answers the first request with this head; `{accept}` is what fits its key.
async fn server(answer: &'static str) -> (SocketAddr, JoinSet<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let head = read_head(&mut socket).await;
        let key = head.lines().find_map(|line| line.strip_prefix("Sec-Websocket-Key: ")).unwrap();
        let answer = answer.replace("{accept}", &crate::peer::accept(key)).replace('\n', "\r\n");
        socket.write_all(answer.as_bytes()).await.unwrap();
        socket.shutdown().await.unwrap();
        head
    });
    (address, serving)
}

#[tokio::test]
async fn a_peer_asks_as_a_browser_does() {
    let answer = "HTTP/1.1 101 Switching Protocols\nUpgrade: WebSocket\nConnection: upgrade\n\
                  Sec-WebSocket-Accept: {accept}\nSec-WebSocket-Protocol: taxi\n\n";
    let (address, mut serving) = server(answer).await;
    soon(dial::dial(&options(address))).await.unwrap();
    let head = soon(serving.join_next()).await.unwrap().unwrap();
    let mut lines: Vec<&str> = head.trim_end().lines().collect();
    let key = lines.iter().position(|line| line.starts_with("Sec-Websocket-Key: ")).unwrap();
    assert_eq!(lines.remove(key).len(), "Sec-Websocket-Key: ".len() + 24);
    assert_eq!(
        lines,
        [
            "GET /ptth HTTP/1.1",
            &format!("Host: {address}"),
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-Websocket-Version: 13",
            "Sec-Websocket-Protocol: taxi",
            "Authorization: Bearer proof",
        ]
    );
}

#[tokio::test]
async fn what_is_not_the_websocket_that_was_asked_for_is_no_link() {
    for answer in [
        "HTTP/1.1 101 X\nUpgrade: websocket\nConnection: upgrade\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\nSec-WebSocket-Protocol: taxi\n\n",
        "HTTP/1.1 101 X\nUpgrade: websocket\nConnection: upgrade\nSec-WebSocket-Protocol: taxi\n\n",
        "HTTP/1.1 101 X\nUpgrade: websocket\nConnection: upgrade\n\
         Sec-WebSocket-Accept: {accept}\n\n",
        "HTTP/1.1 101 X\nUpgrade: websocket\nConnection: upgrade\n\
         Sec-WebSocket-Accept: {accept}\nSec-WebSocket-Protocol: chat\n\n",
        "HTTP/1.1 101 X\nUpgrade: ptth\nConnection: upgrade\n\
         Sec-WebSocket-Accept: {accept}\nSec-WebSocket-Protocol: taxi\n\n",
        "HTTP/1.1 101 X\nUpgrade: websocket\nConnection: upgrade\n\
         Sec-WebSocket-Extensions: permessage-deflate\n\
         Sec-WebSocket-Accept: {accept}\nSec-WebSocket-Protocol: taxi\n\n",
        "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    ] {
        let (address, _serving) = server(answer).await;
        let dialled = soon(dial::dial(&options(address))).await;
        assert!(matches!(dialled, Err(DialError::NotAGateway)), "{answer}: {:?}", dialled.err());
    }
}
