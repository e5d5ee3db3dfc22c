//! What peers are told of what visitors took.

use carriers::ptth::Protocol;
use crosstalk::{control::ReceiptState, proof::PrivateKey};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::world::{World, read_head, read_reply, soon};

const MANY: u64 = 64 * 1024 * 1024;

#[tokio::test]
async fn a_stalled_visitor_shows_less_than_the_size_and_then_all_of_it() {
    let world = World::start().await;
    let peer = world.publish("photos").await;
    let path = format!("/size/{MANY}");
    let mut visitor = world.ask(&path).await;
    let (_, rest) = read_head(&mut visitor).await;
    let running = peer.site.receipt(&path, |receipt| receipt.delivered > 0).await;
    assert_eq!(running.state, ReceiptState::Running);
    assert!(running.delivered < MANY / 2, "{}", running.delivered);
    let mut left = MANY - rest.len() as u64;
    let mut piece = vec![0; 256 * 1024];
    while left > 0 {
        let count = soon(visitor.read(&mut piece)).await.unwrap();
        assert!(count > 0);
        left -= count as u64;
    }
    let last = peer.site.last_receipt(&path).await;
    assert_eq!((last.delivered, last.state), (MANY, ReceiptState::Complete));
    let mut before = 0;
    for receipt in peer.site.all_receipts() {
        assert!(receipt.delivered >= before, "figures only grow");
        before = receipt.delivered;
    }
    world.end().await;
}

#[tokio::test]
async fn a_visitor_who_leaves_is_told_as_cut_with_less_than_the_size() {
    let world = World::start().await;
    let peer = world.publish("photos").await;
    let path = format!("/chunks/{MANY}");
    let mut visitor = world.ask(&path).await;
    let mut some = vec![0; 1024 * 1024];
    soon(visitor.read_exact(&mut some)).await.unwrap();
    drop(visitor);
    let last = peer.site.last_receipt(&path).await;
    assert_eq!(last.state, ReceiptState::Cut);
    assert!((1..MANY / 2).contains(&last.delivered), "{}", last.delivered);
    world.end().await;
}

#[tokio::test]
async fn a_proxy_is_asked_not_to_take_more_than_the_visitor() {
    for behind_proxy in [false, true] {
        let world = World::start_as("localhost", behind_proxy, None).await;
        let _peer = world.publish("photos").await;
        for path in ["/size/9", "/size/9?read"] {
            let reply = world.get("photos.localhost", path).await;
            let asked = reply.header("x-accel-buffering");
            assert_eq!(asked, behind_proxy.then_some("no"), "{path}");
        }
        world.end().await;
    }
}

#[tokio::test]
async fn a_peer_that_cuts_its_own_answer_is_told_so() {
    let world = World::start().await;
    let peer = world.publish("photos").await;
    let reply = world.get("photos.localhost", "/cut/90000/40000").await;
    let last = peer.site.last_receipt("/cut/90000/40000").await;
    assert_eq!(last.state, ReceiptState::Cut);
    assert!(last.delivered <= reply.body.len() as u64, "{} {}", last.delivered, reply.body.len());
    world.end().await;
}

#[tokio::test]
async fn several_on_one_connection_are_told_apart_over_both_kinds_of_links() {
    all_are_told_apart(&[
        ("HEAD /size/1", 0),
        ("GET /size/2", 2),
        ("GET /status/304", 0),
        ("GET /size/300000", 300_000),
        ("GET /size/0", 0),
        ("GET /chunks/70000", 70_000),
    ])
    .await;
}

#[tokio::test]
async fn nobody_is_told_who_did_not_ask() {
    let world = World::start().await;
    let peer = world.publish("photos").await;
    let mut visitor = world.connect().await;
    // The gateway's own answers on the same connection must not disturb the figures.
    let mut rest = Vec::new();
    for host in ["localhost", "photos.localhost", "nobody.localhost"] {
        let request = format!("GET /size/9 HTTP/1.1\r\nhost: {host}\r\n\r\n");
        visitor.write_all(request.as_bytes()).await.unwrap();
        read_reply(&mut visitor, &mut rest).await;
    }
    assert_eq!(peer.site.last_receipt("/size/9").await.delivered, 9);
    assert_eq!(peer.site.all_receipts().len(), 1);
    world.end().await;
}

/// Asks for all of these on one connection, the last of them in chunks, over each kind of link, and reads
/// the answers. Each is told as complete, with so many bytes.
pub(crate) async fn all_are_told_apart(requests: &[(&str, u64)]) {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let world = World::start().await;
        let key = PrivateKey::generate();
        world.claim(&key, "photos").await;
        let peer = world.link(&key, None, protocol).await.unwrap();
        let mut visitor = world.connect().await;
        for (line, _) in requests {
            let request = format!("{line} HTTP/1.1\r\nhost: photos.localhost\r\n\r\n");
            visitor.write_all(request.as_bytes()).await.unwrap();
        }
        let mut all = Vec::new();
        // The dot tells it from one in chunks that is empty.
        while !all.ends_with(b".\r\n0\r\n\r\n") {
            let mut piece = [0; 64 * 1024];
            let count = soon(visitor.read(&mut piece)).await.unwrap();
            assert!(count > 0);
            all.extend_from_slice(&piece[..count]);
        }
        for (line, size) in requests {
            let path = line.split_once(' ').unwrap().1;
            let last = peer.site.last_receipt(path).await;
            assert_eq!((last.delivered, last.state), (*size, ReceiptState::Complete), "{line}");
        }
        world.end().await;
    }
}
