//! What peers are told of what visitors' programs read, where they ask for that.

#[cfg(target_os = "linux")]
use std::time::Duration;

use crosstalk::control::ReceiptState;
#[cfg(target_os = "linux")]
use gateway::limits;
#[cfg(target_os = "linux")]
use tokio::time::timeout;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    receipts::all_are_told_apart,
    world::{World, read_head, soon},
};

/// More than lies in the buffers of a connection on one computer.
const MANY: u64 = 64 * 1024 * 1024;

/// Less than that.
const FEW: u64 = 100_000;

/// What a program may have read without having written it anywhere.
const IN_HAND: u64 = 256 * 1024;

/// Waits until so much has come, without reading it.
async fn has_come(visitor: &TcpStream, bytes: u64) {
    let mut all = vec![0; usize::try_from(bytes).unwrap()];
    let came = async { while visitor.peek(&mut all).await.unwrap() < all.len() {} };
    soon(came).await;
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn what_a_stalled_visitor_has_read_is_what_counts_also_when_she_leaves() {
    const READ: u64 = 3 * 1024 * 1024;
    for path in [format!("/size/{MANY}?read"), format!("/chunks/{MANY}?read")] {
        let world = World::start().await;
        let peer = world.publish("photos").await;
        let mut visitor = world.ask(&path).await;
        let (_, rest) = read_head(&mut visitor).await;
        let mut piece = vec![0; READ as usize - rest.len()];
        soon(visitor.read_exact(&mut piece)).await.unwrap();
        // Chunks have lines around them, which are no content.
        let content = READ - IN_HAND - 4096..=READ - IN_HAND;
        let running =
            peer.site.receipt(&path, |receipt| receipt.delivered >= *content.start()).await;
        assert_eq!(running.state, ReceiptState::Running);
        assert!(content.contains(&running.delivered), "{}", running.delivered);
        drop(visitor);
        let last = peer.site.last_receipt(&path).await;
        assert_eq!((last.delivered, last.state), (running.delivered, ReceiptState::Cut));
        world.end().await;
    }
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn what_came_and_was_never_read_is_not_delivered() {
    let world = World::start().await;
    let peer = world.publish("photos").await;
    let (taken, read) = (format!("/size/{FEW}"), format!("/size/{FEW}?read"));
    for (path, expected) in
        [(&taken, (FEW, ReceiptState::Complete)), (&read, (0, ReceiptState::Cut))]
    {
        let visitor = world.ask(path).await;
        has_come(&visitor, FEW).await;
        if path == &read {
            let first = peer.site.receipt(path, |_| true).await;
            assert_eq!((first.delivered, first.state), (0, ReceiptState::Running));
            assert_eq!(first.read, Some(true));
        }
        // With something unread, this is what the end of a killed program looks like.
        drop(visitor);
        let last = peer.site.last_receipt(path).await;
        assert_eq!((last.delivered, last.state), expected, "{path}");
    }
    world.end().await;
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn what_was_never_read_is_not_delivered_whatever_she_asks_meanwhile() {
    let world = World::start().await;
    let peer = world.publish("photos").await;
    let path = format!("/size/{FEW}?read");
    let mut visitor = world.ask(&path).await;
    has_come(&visitor, FEW).await;
    visitor.write_all(b"GET /size/900 HTTP/1.1\r\nhost: photos.localhost\r\n\r\n").await.unwrap();
    has_come(&visitor, FEW + 900).await;
    let early = timeout(Duration::from_millis(500), peer.site.last_receipt(&path)).await;
    assert!(early.is_err(), "{early:?}");
    drop(visitor);
    let last = peer.site.last_receipt(&path).await;
    assert_eq!((last.delivered, last.state), (0, ReceiptState::Cut));
    world.end().await;
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn a_program_that_stands_still_is_not_believed_in_the_end() {
    let world = World::start().await;
    let peer = world.publish("photos").await;
    let path = format!("/size/{FEW}?read");
    let visitor = world.ask(&path).await;
    has_come(&visitor, FEW).await;
    peer.site.receipt(&path, |_| true).await;
    tokio::time::pause();
    for _ in 0..limits::RELAY_SETTLE_LONGEST.as_secs() + 5 {
        tokio::time::advance(Duration::from_secs(1)).await;
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }
    tokio::time::resume();
    let last = peer.site.last_receipt(&path).await;
    assert_eq!((last.delivered, last.state), (0, ReceiptState::Cut));
    drop(visitor);
    world.end().await;
}

#[tokio::test]
async fn several_on_one_connection_are_complete_when_they_were_read() {
    all_are_told_apart(&[
        ("HEAD /size/1?read", 0),
        ("GET /size/2?read", 2),
        ("GET /status/304?read", 0),
        ("GET /status/204?read", 0),
        ("GET /size/300000?read", 300_000),
        ("GET /size/400000", 400_000),
        ("GET /size/0?read", 0),
        ("GET /chunks/0?read", 0),
        ("GET /chunks/70000?read", 70_000),
    ])
    .await;
}

#[tokio::test]
async fn what_ends_with_the_connection_counts_when_all_was_read() {
    let world = World::start().await;
    let peer = world.publish("photos").await;
    let path = "/chunks/5000000?read";
    let reply = world.raw(&format!("GET {path} HTTP/1.0\r\nhost: photos.localhost\r\n\r\n")).await;
    assert_eq!(reply.body.len(), 5_000_000);
    let last = peer.site.last_receipt(path).await;
    assert_eq!((last.delivered, last.state), (5_000_000, ReceiptState::Complete));
    world.end().await;
}

#[tokio::test]
async fn a_peer_that_cuts_what_it_hands_over_is_told_no_more_than_arrived() {
    let world = World::start().await;
    let peer = world.publish("photos").await;
    for path in ["/cut/9000000/4000000?read", "/cut/0/4000000?read", "/cut/9000000/0?read"] {
        let reply = world.get("photos.localhost", path).await;
        let last = peer.site.last_receipt(path).await;
        assert_eq!(last.state, ReceiptState::Cut, "{path}");
        assert!(last.delivered <= reply.body.len() as u64, "{path}: {}", last.delivered);
    }
    world.end().await;
}

#[tokio::test]
async fn a_peer_that_hands_over_too_much_at_once_is_served_and_counted_as_ever() {
    const TURNS: usize = gateway::limits::HAND_OVERS_PER_OWNER;
    let world = World::start().await;
    let peer = world.publish("photos").await;
    let mut visitors = Vec::new();
    for number in 0..TURNS + 8 {
        let path = format!("/size/{FEW}?read={number}");
        let visitor = world.ask(&path).await;
        has_come(&visitor, FEW).await;
        visitors.push((path, visitor));
    }
    let beyond = visitors.split_off(TURNS);
    for (path, _) in &beyond {
        let last = peer.site.last_receipt(path).await;
        assert_eq!((last.delivered, last.state), (FEW, ReceiptState::Complete), "{path}");
        assert_eq!(last.read, Some(false), "{path}");
    }
    // The others are complete when they are read, and their turns are free again.
    for (_, visitor) in &mut visitors {
        let (_, rest) = read_head(visitor).await;
        let mut body = vec![0; FEW as usize - rest.len()];
        soon(visitor.read_exact(&mut body)).await.unwrap();
    }
    for (path, _) in &visitors {
        let last = peer.site.last_receipt(path).await;
        assert_eq!((last.delivered, last.state), (FEW, ReceiptState::Complete), "{path}");
        assert_eq!(last.read, Some(cfg!(target_os = "linux")), "{path}");
    }
    let path = format!("/size/{FEW}?read=again");
    let visitor = world.ask(&path).await;
    has_come(&visitor, FEW).await;
    drop(visitor);
    #[cfg(target_os = "linux")]
    assert_eq!(peer.site.last_receipt(&path).await.state, ReceiptState::Cut);
    world.end().await;
}

#[tokio::test]
async fn a_gateway_that_stops_finishes_what_is_handed_over_and_says_so() {
    const SIZE: usize = 16 * 1024 * 1024;
    let world = World::start().await;
    let peer = world.publish("photos").await;
    let path = format!("/size/{SIZE}?read");
    let mut visitor = world.ask(&path).await;
    let (_, mut body) = read_head(&mut visitor).await;
    world.stop.cancel();
    soon(visitor.read_to_end(&mut body)).await.unwrap();
    assert_eq!(body.len(), SIZE);
    soon(world.running).await.unwrap();
    let last = peer.site.last_receipt(&path).await;
    assert_eq!((last.delivered, last.state), (SIZE as u64, ReceiptState::Complete));
    soon(peer.running).await.unwrap();
}
