//! What passes between visitors and peers.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::world::{World, read_head, read_reply, soon};

#[tokio::test]
async fn a_peer_sees_who_comes_and_nothing_that_was_made_up() {
    let world = World::start().await;
    let _peer = world.publish("photos").await;
    let headers = "forwarded: for=10.0.0.1\r\nx-forwarded-for: 10.0.0.1\r\nveranda-transaction: 9\r\n\
                   x-hop: 1\r\ncookie: a=b\r\nupgrade: h2c\r\nte: trailers\r\n";
    let request = format!(
        "GET /echo/%2e%2e/a%20b?q=%C3%A4&r HTTP/1.1\r\nhost: PHOTOS.localhost\r\n\
         connection: close, x-hop\r\n{headers}\r\n"
    );
    let seen = world.raw(&request).await.body;
    let port = world.address.port();
    assert!(seen.starts_with("GET /echo/%2e%2e/a%20b?q=%C3%A4&r\n"), "{seen}");
    assert!(seen.contains(&format!("host: photos.localhost:{port}\n")), "{seen}");
    let forwarded =
        format!("forwarded: for=127.0.0.1;host=\"photos.localhost:{port}\";proto=http\n");
    assert!(seen.contains(&forwarded), "{seen}");
    assert!(seen.contains("cookie: a=b\n") && seen.contains("veranda-transaction: 1\n"), "{seen}");
    for gone in ["10.0.0.1", "x-hop", "h2c", "trailers", "x-forwarded"] {
        assert!(!seen.contains(gone), "{gone} in {seen}");
    }
    world.end().await;
}

#[tokio::test]
async fn behind_a_proxy_the_visitor_is_whom_the_proxy_names() {
    let world = World::start_as("localhost", true, None).await;
    let _peer = world.publish("photos").await;
    let lines = "x-forwarded-for: 10.0.0.1, 192.0.2.7\r\nx-forwarded-proto: https\r\n";
    let seen = world.get_with("photos.localhost", "/echo", lines).await.body;
    let forwarded = "forwarded: for=192.0.2.7;host=\"photos.localhost\";proto=https\n";
    assert!(seen.contains(forwarded), "{seen}");
    world.end().await;
}

#[tokio::test]
async fn a_visitor_sees_nothing_that_reaches_beyond_the_site() {
    let world = World::start().await;
    let _peer = world.publish("photos").await;
    let reply = world.get("photos.localhost", "/hostile").await;
    assert_eq!(reply.header("set-cookie"), Some("a=1; Path=/"));
    assert_eq!(reply.header("x-kept"), Some("yes"));
    for gone in ["alt-svc", "service-worker-allowed", "veranda-"] {
        assert!(!reply.head.to_lowercase().contains(gone), "{}", reply.head);
    }
    world.end().await;
}

#[tokio::test]
async fn one_address_cannot_take_all_places() {
    let world = World::start_as("localhost", true, None).await;
    let peer = world.publish("photos").await;
    let line = |visitor: &str| {
        format!(
            "GET /hold HTTP/1.1\r\nhost: photos.localhost\r\nx-forwarded-for: {visitor}\r\n\r\n"
        )
    };
    let mut held = Vec::new();
    for _ in 0..gateway::limits::TRANSACTIONS_PER_ADDRESS {
        let mut visitor = world.connect().await;
        visitor.write_all(line("192.0.2.7").as_bytes()).await.unwrap();
        held.push(visitor);
    }
    let limit = gateway::limits::TRANSACTIONS_PER_ADDRESS;
    let all = async {
        while peer.site.seen().len() < limit {
            tokio::task::yield_now().await;
        }
    };
    soon(all).await;
    let too_many = world.get_with("photos.localhost", "/size/5", "x-forwarded-for: 192.0.2.7\r\n");
    let too_many = too_many.await;
    assert_eq!(too_many.status, 429);
    assert!(too_many.header("retry-after").is_some());
    let other = world.get_with("photos.localhost", "/size/5", "x-forwarded-for: 192.0.2.8\r\n");
    assert_eq!(other.await.status, 200);
    peer.site.open.send_replace(true);
    for mut visitor in held {
        assert_eq!(read_reply(&mut visitor, &mut Vec::new()).await.status, 200);
    }
    let again = world.get_with("photos.localhost", "/size/5", "x-forwarded-for: 192.0.2.7\r\n");
    assert_eq!(again.await.status, 200);
    world.end().await;
}

#[tokio::test]
async fn a_response_that_was_cut_never_looks_complete() {
    let world = World::start().await;
    let _peer = world.publish("photos").await;
    let whole = world.get("photos.localhost", "/chunks/40000").await;
    assert!(whole.body.ends_with("0\r\n\r\n"));
    let chunks = world.get("photos.localhost", "/cut/0/40000").await;
    assert!(!chunks.body.ends_with("0\r\n\r\n"));
    let length = world.get("photos.localhost", "/cut/90000/40000").await;
    assert!(length.body.len() < 90_000);
    // HTTP/1.0 ends a body with the connection, so only a reset tells.
    let mut visitor = world.connect().await;
    let old = "GET /cut/0/40000 HTTP/1.0\r\nhost: photos.localhost\r\n\r\n";
    visitor.write_all(old.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let end = soon(visitor.read_to_end(&mut bytes)).await;
    assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    world.end().await;
}

#[tokio::test]
async fn head_and_304_have_no_body_and_keep_the_connection() {
    let world = World::start().await;
    let _peer = world.publish("photos").await;
    let mut visitor = world.connect().await;
    let mut rest = Vec::new();
    for (line, status, length) in [
        ("HEAD /size/5000", 200, Some("5000")),
        ("GET /status/304", 304, None),
        ("GET /status/204", 204, None),
        ("GET /size/0", 200, Some("0")),
    ] {
        let request = format!("{line} HTTP/1.1\r\nhost: photos.localhost\r\n\r\n");
        visitor.write_all(request.as_bytes()).await.unwrap();
        let (reply, more) = read_head(&mut visitor).await;
        assert_eq!((reply.status, reply.header("content-length")), (status, length), "{line}");
        rest.extend(more);
    }
    assert_eq!(rest, b"");
    world.end().await;
}

#[tokio::test]
async fn a_visitor_who_leaves_is_noticed_by_the_peer() {
    let world = World::start().await;
    let peer = world.publish("photos").await;
    let mut visitor = world.connect().await;
    visitor.write_all(b"GET /never HTTP/1.1\r\nhost: photos.localhost\r\n\r\n").await.unwrap();
    peer.site.has_seen("/never").await;
    drop(visitor);
    peer.site.has_seen("dropped /never").await;
    world.end().await;
}

#[tokio::test]
async fn an_upload_that_was_cut_or_stalls_is_cut_at_the_peer() {
    let world = World::start().await;
    let peer = world.publish("photos").await;
    let post = |path: &str| {
        format!("POST {path} HTTP/1.1\r\nhost: photos.localhost\r\ncontent-length: 10\r\n\r\nfive!")
    };
    let mut leaves = world.connect().await;
    leaves.write_all(post("/upload/1").as_bytes()).await.unwrap();
    peer.site.has_seen("/upload/1").await;
    drop(leaves);
    let mut stalls = world.connect().await;
    stalls.write_all(post("/upload/2").as_bytes()).await.unwrap();
    peer.site.has_seen("/upload/2").await;
    tokio::time::pause();
    tokio::time::advance(gateway::limits::REQUEST_IDLE).await;
    tokio::time::resume();
    peer.site.has_seen("/upload/2 cut").await;
    world.end().await;
}

#[tokio::test]
async fn a_visitor_whose_upload_stalls_is_told_that_it_did_not_arrive() {
    let world = World::start().await;
    let peer = world.publish("photos").await;
    let mut stalls = world.connect().await;
    let head = "POST /take HTTP/1.1\r\nhost: photos.localhost\r\ncontent-length: 10\r\n\r\n";
    stalls.write_all(format!("{head}five!").as_bytes()).await.unwrap();
    peer.site.has_seen("/take took 5").await;
    // Once another visit came to its end, the gateway waits for the rest.
    assert_eq!(world.get("photos.localhost", "/echo").await.status, 200);
    tokio::time::pause();
    tokio::time::advance(gateway::limits::REQUEST_IDLE).await;
    tokio::time::resume();
    let (reply, _) = read_head(&mut stalls).await;
    assert_eq!(reply.status, 400);
    drop(stalls);
    assert_eq!(
        world.get("photos.localhost", "/echo").await.status,
        200,
        "the link is as good as before"
    );
    world.end().await;
}

#[tokio::test]
async fn a_websocket_is_carried_both_ways() {
    let world = World::start().await;
    let _peer = world.publish("photos").await;
    let mut visitor = world.connect().await;
    let head = "GET /socket HTTP/1.1\r\nhost: photos.localhost\r\nconnection: keep-alive, Upgrade\r\n\
                upgrade: websocket\r\nsec-websocket-version: 13\r\n\
                sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    visitor.write_all(head.as_bytes()).await.unwrap();
    let (reply, _) = read_head(&mut visitor).await;
    assert_eq!((reply.status, reply.header("upgrade")), (101, Some("websocket")));
    let accept = reply.header("sec-websocket-accept").unwrap();
    assert!(accept.eq_ignore_ascii_case("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{accept}");
    for word in ["hello", "again"] {
        visitor.write_all(word.as_bytes()).await.unwrap();
        let mut echo = [0; 5];
        soon(visitor.read_exact(&mut echo)).await.unwrap();
        assert_eq!(echo, word.to_ascii_uppercase().as_bytes());
    }
    visitor.shutdown().await.unwrap();
    assert_eq!(soon(visitor.read(&mut [0])).await.unwrap(), 0);
    world.end().await;
}

#[tokio::test]
async fn a_websocket_that_carries_nothing_for_long_ends() {
    let world = World::start().await;
    let _peer = world.publish("photos").await;
    let mut visitor = world.connect().await;
    let head = "GET /socket HTTP/1.1\r\nhost: photos.localhost\r\nconnection: Upgrade\r\n\
                upgrade: websocket\r\nsec-websocket-version: 13\r\n\
                sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    visitor.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(read_head(&mut visitor).await.0.status, 101);
    visitor.write_all(b"x").await.unwrap();
    soon(visitor.read_exact(&mut [0])).await.unwrap();
    tokio::time::pause();
    // Once to notice what was carried, once to notice that nothing was.
    for _ in 0..2 {
        tokio::time::advance(gateway::limits::TUNNEL_IDLE).await;
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }
    tokio::time::resume();
    let _ = soon(visitor.read(&mut [0])).await;
    world.end().await;
}

#[tokio::test]
async fn an_upload_may_take_longer_than_an_answer() {
    const STEPS: u64 = 6;
    let world = World::start().await;
    let peer = world.publish("photos").await;
    let mut visitor = world.connect().await;
    let head = format!(
        "POST /upload HTTP/1.1\r\nhost: photos.localhost\r\ncontent-length: {}\r\n\r\n",
        STEPS + 1
    );
    visitor.write_all(head.as_bytes()).await.unwrap();
    peer.site.has_seen("/upload").await;
    tokio::time::pause();
    for _ in 0..STEPS {
        visitor.write_all(b".").await.unwrap();
        // In steps, so that the link's own signs of life keep up.
        for _ in 0..gateway::limits::REQUEST_IDLE.as_secs() - 5 {
            tokio::time::advance(Duration::from_secs(1)).await;
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
        }
    }
    tokio::time::resume();
    visitor.write_all(b".").await.unwrap();
    let reply = read_reply(&mut visitor, &mut Vec::new()).await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "took 7"));
    world.end().await;
}
