//! Whom a request is for, and what the gateway answers itself.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::world::{World, read_head, read_reply, soon};

#[tokio::test]
async fn the_host_of_a_request_must_be_one_and_ours() {
    let world = World::start().await;
    let _peer = world.publish("photos").await;
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.0\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: photos.localhost\r\nhost: other.localhost\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: photos.localhost\r\nhost: photos.localhost\r\n\r\n", 400),
        ("GET http://photos.localhost/echo HTTP/1.1\r\nhost: photos.localhost\r\n\r\n", 200),
        ("GET http://other.localhost/echo HTTP/1.1\r\nhost: photos.localhost\r\n\r\n", 400),
        ("GET http://me@photos.localhost/ HTTP/1.1\r\nhost: photos.localhost\r\n\r\n", 400),
        ("GET /echo HTTP/1.1\r\nhost: PHOTOS.localhost.:1\r\n\r\n", 200),
        ("GET /echo HTTP/1.1\r\nhost: nobody.localhost\r\n\r\n", 404),
        ("GET /echo HTTP/1.1\r\nhost: www.localhost\r\n\r\n", 404),
        ("GET / HTTP/1.1\r\nhost: a.photos.localhost\r\n\r\n", 421),
        ("GET / HTTP/1.1\r\nhost: rebind.example\r\n\r\n", 421),
        ("GET / HTTP/1.1\r\nhost: 192.0.2.7\r\n\r\n", 421),
        ("GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n", 200),
        ("GET / HTTP/1.1\r\nhost: [::1]:80\r\n\r\n", 200),
        ("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n", 200),
        ("OPTIONS * HTTP/1.1\r\nhost: photos.localhost\r\n\r\n", 204),
        ("CONNECT photos.localhost:80 HTTP/1.1\r\nhost: photos.localhost:80\r\n\r\n", 405),
        ("TRACE / HTTP/1.1\r\nhost: photos.localhost\r\n\r\n", 405),
    ] {
        let request = request.replacen("\r\n\r\n", "\r\nconnection: close\r\n\r\n", 1);
        assert_eq!(world.raw(&request).await.status, status, "{request}");
    }
    world.end().await;
}

#[tokio::test]
async fn the_gateways_own_pages_are_protected_and_its_facts_are_right() {
    let world = World::start().await;
    let own = format!("localhost:{}", world.address.port());
    let page = world.get_with(&own, "/", "accept: text/html\r\n").await;
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("x-frame-options", "DENY"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(page.header(name), Some(value));
    }
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    let facts = world.get(&own, "/veranda/gateway").await.json();
    assert_eq!(facts["origin"], world.origin);
    assert_eq!(facts["sites"], format!("http://*.localhost:{}", world.address.port()));
    let missing = world.get(&own, "/veranda/nothing").await;
    assert_eq!((missing.status, missing.reason().as_str()), (404, "not-found"));
    assert_eq!(world.get(&own, "/nothing").await.status, 404);
    let upgrade = world.get(&own, "/ptth").await;
    assert_eq!((upgrade.status, upgrade.header("upgrade")), (426, Some("ptth")));
    world.end().await;
}

#[tokio::test]
async fn the_page_for_browser_tabs_is_the_gateways_own_and_has_a_policy_of_its_own() {
    let world = World::start().await;
    let own = format!("localhost:{}", world.address.port());
    let welcome = world.get_with(&own, "/", "accept: text/html\r\n").await;
    assert!(welcome.body.contains("href=\"/publish\""), "{}", welcome.body);
    for (path, kind, inside) in [
        ("/publish", "text/html; charset=utf-8", "/publish/publish.js"),
        ("/publish/publish.js", "text/javascript; charset=utf-8", "ptth-json=2"),
        ("/publish/publish.css", "text/css; charset=utf-8", ":root"),
    ] {
        let asset = world.get(&own, path).await;
        assert_eq!((asset.status, asset.header("content-type")), (200, Some(kind)), "{path}");
        assert!(asset.body.contains(inside), "{path}");
        assert_eq!(asset.header("cache-control"), Some("no-store"));
        assert_eq!(asset.header("x-content-type-options"), Some("nosniff"));
        let policy = asset.header("content-security-policy").unwrap();
        assert!(policy.contains("script-src 'self';"), "{policy}");
        assert!(policy.contains("connect-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
    }
    assert_eq!(world.get(&own, "/publish/other.js").await.status, 404);
    // A site may have a path of this name for itself.
    let _peer = world.publish("photos").await;
    let elsewhere = world.get("photos.localhost", "/publish").await;
    assert!(!elsewhere.body.contains("publish.js"));
    world.end().await;
}

#[tokio::test]
async fn heads_that_are_too_much_are_refused() {
    let world = World::start().await;
    let _peer = world.publish("photos").await;
    let start = "GET /echo HTTP/1.1\r\nhost: photos.localhost\r\nconnection: close\r\n";
    let cookie = |length: usize| format!("{start}cookie: {}\r\n\r\n", "c".repeat(length));
    assert_eq!(world.raw(&cookie(60_000)).await.status, 200);
    assert_eq!(world.raw(&cookie(70_000)).await.status, 431);
    let lines = |count: usize| format!("{start}{}\r\n", "x-line: 1\r\n".repeat(count));
    assert_eq!(world.raw(&lines(250)).await.status, 200);
    assert_eq!(world.raw(&lines(300)).await.status, 431);
    world.end().await;
}

#[tokio::test]
async fn requests_that_two_readers_could_read_differently_smuggle_nothing() {
    let world = World::start().await;
    let peer = world.publish("photos").await;
    let post = "POST /upload HTTP/1.1\r\nhost: photos.localhost\r\n";
    let hidden = "GET /smuggled HTTP/1.1\r\nhost: photos.localhost\r\n\r\n";
    for (headers, body, status) in [
        ("content-length: 4\r\ncontent-length: 5\r\n", "abcd", 400),
        ("content-length: +4\r\n", "abcd", 400),
        ("content-length: 4, 4\r\n", "abcd", 400),
        ("transfer-encoding: identity\r\n", "abcd", 400),
        ("transfer-encoding: chunked, identity\r\n", "0\r\n\r\n", 400),
        ("transfer-encoding : chunked\r\n", "0\r\n\r\n", 400),
        // By RFC 9112 §6.1 the chunks count, and the connection ends after the answer.
        ("content-length: 4\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n", 200),
        ("transfer-encoding: chunked\r\ncontent-length: 4\r\n", "0\r\n\r\n", 200),
    ] {
        let reply = world.raw(&format!("{post}{headers}\r\n{body}{hidden}")).await;
        assert_eq!(reply.status, status, "{headers}");
        assert!(!peer.site.seen().iter().any(|seen| seen.contains("smuggled")), "{headers}");
    }
    let old = "POST /upload HTTP/1.0\r\nhost: photos.localhost\r\ntransfer-encoding: chunked\r\n";
    assert_eq!(world.raw(&format!("{old}\r\n0\r\n\r\n{hidden}")).await.status, 400);
    assert!(!peer.site.seen().iter().any(|seen| seen.contains("smuggled")));
    world.end().await;
}

#[tokio::test]
async fn a_head_that_never_ends_is_given_up_and_so_is_an_idle_connection() {
    let world = World::start().await;
    let mut visitors = Vec::new();
    for rest in ["GET / HTTP/1.1\r\nhost: loc", ""] {
        let mut visitor = world.connect().await;
        visitor.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        read_reply(&mut visitor, &mut Vec::new()).await;
        visitor.write_all(rest.as_bytes()).await.unwrap();
        visitors.push(visitor);
    }
    tokio::time::pause();
    tokio::time::advance(gateway::limits::HEAD_TIMEOUT).await;
    tokio::time::resume();
    for mut visitor in visitors {
        let mut rest = Vec::new();
        let _ = soon(visitor.read_to_end(&mut rest)).await;
        assert_eq!(rest, b"");
    }
    world.end().await;
}

#[tokio::test]
async fn requests_that_come_all_at_once_are_answered_in_their_order() {
    let world = World::start().await;
    let _peer = world.publish("photos").await;
    let mut visitor = world.connect().await;
    let one = |path: &str, host: &str| format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n");
    let all = [
        one("/size/5000", "photos.localhost"),
        one("/", "localhost"),
        one("/size/7", "photos.localhost"),
        one("/", "nobody.localhost"),
        one("/size/90000", "photos.localhost"),
    ];
    visitor.write_all(all.concat().as_bytes()).await.unwrap();
    let mut rest = Vec::new();
    for (status, length) in [(200, 5000), (200, 0), (200, 7), (404, 0), (200, 90_000)] {
        let reply = read_reply(&mut visitor, &mut rest).await;
        assert_eq!(reply.status, status);
        if length > 0 {
            assert_eq!(reply.body.len(), length);
        }
    }
    world.end().await;
}

#[tokio::test]
async fn a_visitor_who_waits_for_a_go_ahead_gets_it() {
    let world = World::start().await;
    let _peer = world.publish("photos").await;
    let mut visitor = world.connect().await;
    let head = "POST /upload HTTP/1.1\r\nhost: photos.localhost\r\ncontent-length: 4\r\n\
                expect: 100-continue\r\n\r\n";
    visitor.write_all(head.as_bytes()).await.unwrap();
    let (reply, _) = read_head(&mut visitor).await;
    assert_eq!(reply.status, 100);
    visitor.write_all(b"four").await.unwrap();
    let reply = read_reply(&mut visitor, &mut Vec::new()).await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "took 4"));
    world.end().await;
}
