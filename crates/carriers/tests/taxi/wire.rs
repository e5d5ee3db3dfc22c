//! Our gateway, and a peer that is written by hand.

use bytes::Bytes;
use carriers::{Link, LinkEnd, SendError, Timing};
use crosstalk::taxi::wire::MAX_MESSAGE;
use tokio::{io::AsyncWriteExt as _, task::JoinSet};

use crate::{
    common::{bytes, get, soon, upgrades},
    raw::{BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, RSV1, Raw, TEXT},
    world::TestGateway,
};

async fn linked() -> (TestGateway, Link, Raw) {
    let mut gateway = TestGateway::start(Timing::default()).await;
    let peer = Raw::dial(gateway.socket_address).await;
    let link = gateway.link().await;
    (gateway, link, peer)
}

/// Sends a request over the link, and collects its answer.
fn visit(link: &Link) -> JoinSet<Result<Result<Bytes, String>, SendError>> {
    let link = link.clone();
    let mut visits = JoinSet::new();
    visits.spawn(async move { Ok(bytes(link.send(get("/a?b")).await?).await) });
    visits
}

const HEAD: &str = r#"{"statuscode":"200 OK","headers":[["content-type","text/plain"]]}"#;

#[tokio::test]
async fn a_peer_of_few_words_is_understood() {
    let (_gateway, link, mut peer) = linked().await;
    let mut visits = visit(&link);
    let request = peer.hear().await;
    assert_eq!(request.header.command.as_deref(), Some("request"));
    assert_eq!(request.header.further.get("e").and_then(|e| e.as_text()), Some("1"));
    let object: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(object["REQUEST_METHOD"], "GET");
    assert_eq!(object["REQUEST_URI"], "/a?b");
    assert_eq!(object["HTTP_HOST"], "site.gateway.example");
    let t = request.header.tab.unwrap();
    peer.say(&format!("c=response,t={t};{HEAD}")).await;
    peer.say(&format!("t={t}, d=r, c=data;half and ")).await;
    peer.frame(FIN | BINARY, format!("c=data,d=r,t={t};half").as_bytes()).await;
    peer.say(&format!("c=end,d=r,t={t};")).await;
    let body = soon(visits.join_next()).await.unwrap().unwrap().unwrap();
    assert_eq!(body.unwrap(), "half and half");
    assert!(link.is_open());
}

#[tokio::test]
async fn a_head_may_bring_as_much_as_may_be_sent_unasked() {
    let (_gateway, link, mut peer) = linked().await;
    let mut visits = visit(&link);
    let t = peer.hear().await.header.tab.unwrap();
    let body = "x".repeat(crosstalk::limits::STREAM_WINDOW as usize);
    peer.say(&format!("c=response,e=1,h={},t={t};{HEAD}{body}", HEAD.len())).await;
    let answer = soon(visits.join_next()).await.unwrap().unwrap().unwrap();
    assert!(answer.unwrap() == body);
    assert!(link.is_open());
}

#[tokio::test]
async fn a_head_is_one_that_a_server_can_pass_on() {
    for (asked, status, length) in [(get("/"), "200", "4"), (upgrades::open("/"), "101", "0")] {
        let (_gateway, link, mut peer) = linked().await;
        let mut visits = JoinSet::new();
        visits.spawn(async move { link.send(asked).await });
        let t = peer.hear().await.header.tab.unwrap();
        let headers = format!(r#"[["content-length","{length}"],["transfer-encoding","x"]]"#);
        let head = format!(r#"{{"statuscode":{status},"headers":{headers}"#);
        peer.say(&format!("c=response,t={t};{head},\"SERVER_PROTOCOL\":\"HTTP/3\"}}")).await;
        let response = soon(visits.join_next()).await.unwrap().unwrap().unwrap();
        // hyper's server panics at versions that are not its own.
        assert_eq!(response.version(), http::Version::HTTP_11);
        assert!(!response.headers().contains_key("transfer-encoding"));
        assert_eq!(response.headers().contains_key("content-length"), status == "200");
    }
}

#[tokio::test]
async fn fragments_are_put_together_and_pings_answered_between_them() {
    let (_gateway, link, mut peer) = linked().await;
    let mut visits = visit(&link);
    let t = peer.hear().await.header.tab.unwrap();
    let answer = format!("c=response,e=1,h={},t={t};{HEAD}J\u{fc}rgen", HEAD.len());
    // Also in the middle of a letter.
    let (begin, end) = answer.as_bytes().split_at(answer.len() - 5);
    peer.frame(TEXT, begin).await;
    peer.frame(CONTINUATION, b"").await;
    peer.frame(FIN | PING, b"still there?").await;
    assert_eq!(peer.read().await, Some((FIN | PONG, b"still there?".to_vec())));
    peer.frame(FIN | CONTINUATION, end).await;
    let body = soon(visits.join_next()).await.unwrap().unwrap().unwrap();
    assert_eq!(body.unwrap(), "J\u{fc}rgen");
}

#[tokio::test]
async fn a_sign_of_life_is_given_when_asked() {
    let (_gateway, link, mut peer) = linked().await;
    peer.say("c=ping;").await;
    assert_eq!(peer.hear().await.header.command.as_deref(), Some("pong"));
    peer.frame(FIN | PONG, b"nobody asked").await;
    peer.say("c=ping;").await;
    assert_eq!(peer.hear().await.header.command.as_deref(), Some("pong"));
    assert!(link.is_open());
}

#[tokio::test]
async fn what_is_damaged_ends_the_link_with_a_code() {
    let long_header = format!("c=ping,x={};", "x".repeat(9000));
    for (first, message, code) in [
        (FIN | TEXT, "hello", 1007),
        (FIN | TEXT, "c=ping,p=13;", 1007),
        (FIN | TEXT, "c=hello;", 1007),
        (FIN | TEXT, "c=ping,c=ping;", 1007),
        (FIN | TEXT, "c=response,t=1;{", 1007),
        (FIN | TEXT, "c=text,u=jim;hey", 1007),
        (FIN | TEXT, &long_header, 1007),
        (FIN | BINARY, "", 1007),
        (FIN | RSV1 | BINARY, "c=ping;", 1002),
        (FIN | CONTINUATION, "c=ping;", 1002),
        (FIN | 3, "c=ping;", 1002),
        (PING, "", 1002),
        (FIN | PING, &"x".repeat(126), 1002),
    ] {
        let (gateway, link, mut peer) = linked().await;
        let mut visits = visit(&link);
        peer.hear().await;
        peer.frame(first, message.as_bytes()).await;
        assert_eq!(peer.closed().await, code, "{message:.60}");
        assert_eq!(soon(link.ended()).await, LinkEnd::Lost, "{message:.60}");
        let answer = soon(visits.join_next()).await.unwrap().unwrap();
        assert!(matches!(answer, Err(SendError::Lost(_))), "{answer:?}");
        drop(link);
        gateway.tasks.close();
        soon(gateway.tasks.wait()).await;
    }
    let (_gateway, link, mut peer) = linked().await;
    peer.frame(FIN | TEXT, b"c=ping,x=\xff;").await;
    assert_eq!(peer.closed().await, 1007);
    assert_eq!(soon(link.ended()).await, LinkEnd::Lost);
}

#[tokio::test]
async fn an_unmasked_frame_of_a_peer_ends_the_link() {
    let (_gateway, link, mut peer) = linked().await;
    peer.socket.write_all(b"\x81\x07c=ping;").await.unwrap();
    assert_eq!(peer.closed().await, 1002);
    assert_eq!(soon(link.ended()).await, LinkEnd::Lost);
}

#[tokio::test]
async fn what_is_too_long_is_refused_before_it_is_read() {
    let (_gateway, link, mut peer) = linked().await;
    // Four times as much as there is memory for, and not a byte of it comes.
    let head = peer.head(FIN | BINARY, MAX_MESSAGE + 1);
    peer.socket.write_all(&head).await.unwrap();
    peer.socket.write_all(&[0; 4]).await.unwrap();
    assert_eq!(peer.closed().await, 1009);
    assert_eq!(soon(link.ended()).await, LinkEnd::Lost);

    let (_gateway, link, mut peer) = linked().await;
    peer.frame(BINARY, &vec![b' '; MAX_MESSAGE]).await;
    peer.frame(CONTINUATION, b" ").await;
    assert_eq!(peer.closed().await, 1009);
    assert_eq!(soon(link.ended()).await, LinkEnd::Lost);
}

#[tokio::test]
async fn more_than_was_allowed_ends_the_link() {
    let (_gateway, link, mut peer) = linked().await;
    let sent = link.clone();
    let mut visits = JoinSet::new();
    visits.spawn(async move { sent.send(get("/")).await });
    let t = peer.hear().await.header.tab.unwrap();
    peer.say(&format!("c=response,t={t};{HEAD}")).await;
    // Nobody reads the answer, so nobody gives credit.
    let _unread = soon(visits.join_next()).await.unwrap().unwrap().unwrap();
    let data = [format!("c=data,d=r,t={t};").as_bytes(), &[7; 64 * 1024]].concat();
    for _ in 0..5 {
        peer.frame(FIN | BINARY, &data).await;
    }
    assert_eq!(soon(link.ended()).await, LinkEnd::Lost);
}

#[tokio::test]
async fn a_peer_that_closes_is_answered_and_gone() {
    let (_gateway, link, mut peer) = linked().await;
    peer.frame(FIN | CLOSE, &1000_u16.to_be_bytes()).await;
    assert_eq!(peer.read().await, Some((FIN | CLOSE, 1000_u16.to_be_bytes().to_vec())));
    assert_eq!(peer.read().await, None);
    assert_eq!(soon(link.ended()).await, LinkEnd::Lost);
}

#[tokio::test]
async fn a_gateway_that_drains_says_bye_and_closes() {
    let (_gateway, link, mut peer) = linked().await;
    link.drain();
    assert_eq!(peer.hear().await.header.command.as_deref(), Some("bye"));
    assert_eq!(peer.closed().await, 1000);
    assert_eq!(soon(link.ended()).await, LinkEnd::Closed);
}

/// Whoever breaks the rules and then neither reads nor goes does not keep the link.
#[tokio::test]
async fn a_peer_that_does_not_take_the_close_is_left() {
    let (gateway, link, mut peer) = linked().await;
    peer.say("hello").await;
    assert_eq!(soon(link.ended()).await, LinkEnd::Lost);
    drop(link);
    gateway.tasks.close();
    soon(gateway.tasks.wait()).await;
}
