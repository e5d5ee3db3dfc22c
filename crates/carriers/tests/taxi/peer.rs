//! Our peer, and a gateway that is written by hand.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use carriers::{LinkEnd, Timing, taxi::dial};
use crosstalk::transaction::{self, Body, Handler};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use sha1::{Digest as _, Sha1};
use tokio::{io::AsyncWriteExt as _, net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    common::{handler, idle, soon},
    raw::{CLOSE, FIN, PING, PONG, Raw, read_head},
    world::{GRACE, options},
};

/// Returns the answer to a key (RFC 6455 §4.2.2).
pub(crate) fn accept(key: &str) -> String {
    let digest = Sha1::new()
        .chain_update(key.as_bytes())
        .chain_update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11")
        .finalize();
    BASE64_STANDARD.encode(digest)
}

/// A peer on a link to a gateway that is written by hand.
struct Peer {
    gateway: Raw,
    ends: JoinSet<LinkEnd>,
    stop: CancellationToken,
}

impl Peer {
    async fn new(handler: Handler) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let mut ends = JoinSet::new();
        ends.spawn(async move {
            let served = dial::dial_with(&options(address), Timing::default()).await.unwrap();
            served.run(handler, stopped, GRACE).await
        });
        let (mut socket, _) = soon(listener.accept()).await.unwrap();
        let head = read_head(&mut socket).await;
        let key = head.lines().find_map(|line| line.strip_prefix("Sec-Websocket-Key: ")).unwrap();
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {}\r\nSec-WebSocket-Protocol: taxi\r\n\r\n",
            accept(key)
        );
        socket.write_all(answer.as_bytes()).await.unwrap();
        Self { gateway: Raw::server(socket), ends, stop }
    }

    async fn end(&mut self) -> LinkEnd {
        soon(self.ends.join_next()).await.unwrap().unwrap()
    }
}

/// The smallest request object.
const GET: &str = r#"{"REQUEST_METHOD":"GET","REQUEST_URI":"/ping","headers":[["host","x"]]}"#;

#[tokio::test]
async fn a_gateway_of_few_words_is_answered() {
    let mut peer = Peer::new(idle()).await;
    peer.gateway.say(&format!("c=request,e=1,t=2;{GET}")).await;
    let answer = peer.gateway.hear().await;
    assert_eq!(answer.header.command.as_deref(), Some("response"));
    assert_eq!(answer.header.tab.as_deref(), Some("2"));
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    assert!(text.contains(r#""statuscode":"200 OK""#) && text.ends_with("}pong"), "{text}");

    // Each thing by itself.
    peer.gateway.say(&format!("c=request,t=4;{GET}")).await;
    peer.gateway.say("c=end,d=q,t=4;").await;
    let answer = peer.gateway.hear().await;
    assert_eq!(answer.header.tab.as_deref(), Some("4"));
    peer.gateway.frame(FIN | CLOSE, &1001_u16.to_be_bytes()).await;
    assert_eq!(peer.end().await, LinkEnd::Closed);
}

#[tokio::test]
async fn an_upload_is_heard_from_both_kinds_of_messages() {
    let echo = handler(async |request: Request<Body>| {
        let body = request.into_body().collect().await.unwrap().to_bytes();
        Response::new(transaction::full(body))
    });
    let mut peer = Peer::new(echo).await;
    let post = r#"{"REQUEST_METHOD":"POST","REQUEST_URI":"/","headers":[["host","x"]]}"#;
    peer.gateway.say(&format!("c=request,h={},t=2;{post}one,", post.len())).await;
    peer.gateway.say("c=data,d=q,t=2;two,").await;
    peer.gateway.frame(FIN | crate::raw::BINARY, b"c=end,d=q,t=2;\xff\x00").await;
    let answer = peer.gateway.hear_command("response").await;
    assert!(answer.body.ends_with(b"}one,two,\xff\x00"), "{:?}", answer.body);
}

#[tokio::test]
async fn who_closes_in_order_is_closed_and_who_does_not_is_lost() {
    for (code, expected) in [
        (None, LinkEnd::Closed),
        (Some(1000_u16), LinkEnd::Closed),
        (Some(1001), LinkEnd::Closed),
        (Some(1002), LinkEnd::Lost),
        (Some(1007), LinkEnd::Lost),
        (Some(1011), LinkEnd::Lost),
        (Some(4000), LinkEnd::Lost),
    ] {
        let mut peer = Peer::new(idle()).await;
        let payload = code.map_or(vec![], |code| code.to_be_bytes().to_vec());
        peer.gateway.frame(FIN | CLOSE, &payload).await;
        assert_eq!(peer.gateway.read().await, Some((FIN | CLOSE, payload)), "{code:?}");
        drop(peer.gateway);
        let end = soon(peer.ends.join_next()).await.unwrap().unwrap();
        assert_eq!(end, expected, "{code:?}");
    }
    let mut peer = Peer::new(idle()).await;
    peer.gateway.socket.shutdown().await.unwrap();
    assert_eq!(peer.end().await, LinkEnd::Lost);
}

#[tokio::test]
async fn a_peer_that_stops_says_bye_and_closes() {
    let mut peer = Peer::new(idle()).await;
    peer.gateway.frame(FIN | PING, b"there?").await;
    assert_eq!(peer.gateway.read().await, Some((FIN | PONG, b"there?".to_vec())));
    peer.stop.cancel();
    assert_eq!(peer.gateway.hear().await.header.command.as_deref(), Some("bye"));
    assert_eq!(peer.gateway.read().await, Some((FIN | CLOSE, 1000_u16.to_be_bytes().to_vec())));
    peer.gateway.frame(FIN | CLOSE, &1000_u16.to_be_bytes()).await;
    assert_eq!(peer.end().await, LinkEnd::Closed);
    assert_eq!(peer.gateway.read().await, None);
}

#[tokio::test]
async fn a_masked_frame_of_a_gateway_ends_the_link() {
    let mut peer = Peer::new(idle()).await;
    peer.gateway.socket.write_all(b"\x81\x8c\x00\x00\x00\x00c=ping,p=12;").await.unwrap();
    assert_eq!(peer.gateway.closed().await, 1002);
    assert_eq!(soon(peer.ends.join_next()).await.unwrap().unwrap(), LinkEnd::Lost);
}
