//! Links that come, go, are full or too many.

use std::time::Duration;

use carriers::{LinkEnd, ptth::Protocol};
use crosstalk::proof::PrivateKey;
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::world::{World, all, read_head, read_reply, soon};

#[tokio::test]
async fn a_site_is_away_without_its_peer_and_back_with_it() {
    let world = World::start().await;
    let key = PrivateKey::generate();
    world.claim(&key, "photos").await;
    let html = "accept: text/html\r\n";
    let away = world.get_with("photos.localhost", "/size/5", html).await;
    assert_eq!((away.status, away.header("retry-after")), (503, Some("10")));
    assert!(away.body.contains(r#"<meta http-equiv="refresh" content="10">"#));
    assert!(away.body.contains("The owner’s computer is away"));
    let text = world.get("photos.localhost", "/size/5").await;
    assert!(!text.body.contains('<'), "{}", text.body);
    let request = "HEAD / HTTP/1.1\r\nhost: photos.localhost\r\nconnection: close\r\n\r\n";
    let head = world.raw(request).await;
    assert_eq!((head.status, head.body.as_str()), (503, ""));
    let peer = world.link(&key, None, Protocol::Http2).await.unwrap();
    assert_eq!(world.get("photos.localhost", "/size/5").await.body, ".....");
    peer.leave().await;
    assert_eq!(world.get("photos.localhost", "/size/5").await.status, 503);
    world.end().await;
}

#[tokio::test]
async fn a_visitor_waits_for_a_peer_that_was_here_a_moment_ago() {
    let world = World::start().await;
    let key = PrivateKey::generate();
    world.claim(&key, "photos").await;
    let peer = world.link(&key, None, Protocol::Http1).await.unwrap();
    assert_eq!(world.get("photos.localhost", "/size/5").await.status, 200);
    peer.leave().await;
    let comeback = async {
        // Behind the visitor's request in the queue of the runtime, so it waits already.
        tokio::task::yield_now().await;
        world.link(&key, None, Protocol::Http1).await.unwrap()
    };
    let (reply, _peer) = tokio::join!(world.get("photos.localhost", "/size/5"), comeback);
    assert_eq!(reply.status, 200);
    world.end().await;
}

#[tokio::test]
async fn a_peer_that_leaves_before_its_answer_is_told_as_such() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let world = World::start().await;
        let key = PrivateKey::generate();
        world.claim(&key, "photos").await;
        let peer = world.link(&key, None, protocol).await.unwrap();
        let leaving = async {
            peer.site.has_seen("/never").await;
            peer.running.abort();
        };
        let (reply, ()) = tokio::join!(world.get("photos.localhost", "/never"), leaving);
        assert_eq!(reply.status, 502, "{protocol:?}");
        world.end().await;
    }
}

#[tokio::test]
async fn a_peer_that_does_not_answer_is_told_as_such() {
    let world = World::start().await;
    let peer = world.publish("photos").await;
    let mut visitor = world.connect().await;
    visitor.write_all(b"GET /never HTTP/1.1\r\nhost: photos.localhost\r\n\r\n").await.unwrap();
    peer.site.has_seen("/never").await;
    tokio::time::pause();
    // In steps, so that the link's own signs of life keep up.
    for _ in 0..gateway::limits::ANSWER_TIMEOUT.as_secs() + 1 {
        tokio::time::advance(Duration::from_secs(1)).await;
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }
    tokio::time::resume();
    assert_eq!(read_reply(&mut visitor, &mut Vec::new()).await.status, 504);
    peer.site.has_seen("dropped /never").await;
    world.end().await;
}

#[tokio::test]
async fn visitors_of_a_full_link_wait_their_turn_and_not_for_ever() {
    let world = World::start().await;
    let key = PrivateKey::generate();
    world.claim(&key, "photos").await;
    let peer = world.link(&key, None, Protocol::Http1).await.unwrap();
    let request = b"GET /hold HTTP/1.1\r\nhost: photos.localhost\r\n\r\n";
    let mut first = world.connect().await;
    first.write_all(request).await.unwrap();
    peer.site.has_seen("/hold").await;
    let mut second = world.connect().await;
    second.write_all(request).await.unwrap();
    let opening = async {
        tokio::task::yield_now().await;
        peer.site.open.send_replace(true);
    };
    let mut rests = [Vec::new(), Vec::new()];
    let [one, two] = &mut rests;
    let (first, second, ()) =
        tokio::join!(read_reply(&mut first, one), read_reply(&mut second, two), opening);
    assert_eq!((first.body.as_str(), second.body.as_str()), ("held", "held"));

    peer.site.open.send_replace(false);
    let mut holds = world.connect().await;
    holds.write_all(b"GET /hold/2 HTTP/1.1\r\nhost: photos.localhost\r\n\r\n").await.unwrap();
    peer.site.has_seen("/hold/2").await;
    let busy = world.get_with("photos.localhost", "/size/5", "accept: text/html\r\n").await;
    assert_eq!((busy.status, busy.header("retry-after")), (503, Some("10")));
    assert!(busy.body.contains("Many people are here at once"));
    world.end().await;
}

#[tokio::test]
async fn the_oldest_of_too_many_links_gives_way_and_finishes_what_it_carries() {
    let world = World::start().await;
    let key = PrivateKey::generate();
    world.claim(&key, "photos").await;
    let oldest = world.link(&key, None, Protocol::Http2).await.unwrap();
    let mut visitor = world.connect().await;
    visitor.write_all(b"GET /hold HTTP/1.1\r\nhost: photos.localhost\r\n\r\n").await.unwrap();
    oldest.site.has_seen("/hold").await;
    let mut others = Vec::new();
    for _ in 0..gateway::limits::LINKS_PER_PEER {
        others.push(world.link(&key, None, Protocol::Http2).await.unwrap());
    }
    // All are up for sure once they were used; from then on the oldest takes nothing any more.
    let used = async {
        while others.iter().any(|other| other.site.seen().is_empty()) {
            all(32, |_| world.get("photos.localhost", "/size/5")).await;
        }
    };
    soon(used).await;
    let before = oldest.site.seen();
    let replies = all(64, |_| world.get("photos.localhost", "/size/5")).await;
    assert!(replies.iter().all(|reply| reply.status == 200));
    assert_eq!(oldest.site.seen(), before);
    oldest.site.open.send_replace(true);
    assert_eq!(read_reply(&mut visitor, &mut Vec::new()).await.body, "held");
    let end = soon(oldest.running).await.unwrap();
    assert!(matches!(end, LinkEnd::Closed | LinkEnd::Lost), "{end:?}");
    world.end().await;
}

#[tokio::test]
async fn a_burst_of_visitors_who_leave_at_once_harms_nobody() {
    let world = World::start().await;
    let peer = world.publish("photos").await;
    all(300, |_| async {
        let mut visitor = world.connect().await;
        visitor.write_all(b"GET /never HTTP/1.1\r\nhost: photos.localhost\r\n\r\n").await.unwrap();
    })
    .await;
    let replies = all(100, |_| world.get("photos.localhost", "/size/5000")).await;
    assert!(replies.iter().all(|reply| reply.body.len() == 5000));
    assert!(!peer.running.is_finished());
    world.end().await;
}

#[tokio::test]
async fn a_released_name_leads_nowhere_at_once() {
    let world = World::start().await;
    let key = PrivateKey::generate();
    let peer = world.link(&key, Some("photos"), Protocol::Http2).await.unwrap();
    assert_eq!(world.get("photos.localhost", "/size/5").await.status, 200);
    assert_eq!(world.names("DELETE", "photos", &world.proof(&key)).await.status, 204);
    assert_eq!(world.get("photos.localhost", "/size/5").await.status, 404);
    soon(peer.running).await.unwrap();
    world.end().await;
}

/// Asks for a link as a peer at this address does that comes through the proxy in front.
async fn ask_for_link(world: &World, address: &str) -> (TcpStream, u16) {
    let proof = world.proof(&PrivateKey::generate());
    let mut stream = world.connect().await;
    let request = format!(
        "GET /ptth HTTP/1.1\r\nhost: gateway.example\r\nupgrade: PTTH/1.0\r\n\
         authorization: Bearer {proof}\r\nx-forwarded-for: {address}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let (reply, _) = read_head(&mut stream).await;
    (stream, reply.status)
}

#[tokio::test]
async fn one_address_cannot_take_all_links() {
    let world = World::start_as("gateway.example", true, None).await;
    let mut links = Vec::new();
    for _ in 0..gateway::limits::LINKS_PER_ADDRESS {
        let (stream, status) = ask_for_link(&world, "192.0.2.7").await;
        assert_eq!(status, 101);
        links.push(stream);
    }
    assert_eq!(ask_for_link(&world, "192.0.2.7").await.1, 503);
    let (_other, status) = ask_for_link(&world, "192.0.2.8").await;
    assert_eq!(status, 101);
    links.pop();
    let again = async { while ask_for_link(&world, "192.0.2.7").await.1 != 101 {} };
    soon(again).await;
    drop(links);
    world.end().await;
}
