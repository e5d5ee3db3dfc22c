//! The relay and strangers: of a gateway for the public, behind a proxy, and their pages in a browser.

use std::time::Instant;

use crosstalk::proof::PrivateKey;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    common::Session,
    world::{Reply, SOON, World, read_head, soon},
};

const HOME: &str = "192.0.2.1";
const ELSEWHERE: &str = "198.51.100.1";

/// As many as one address may have under way.
const MANY: usize = gateway::limits::TRANSACTIONS_PER_ADDRESS;

/// Asks for a session.
async fn asks(world: &World, key: &PrivateKey, from: &str) -> Reply {
    let proof = world.proof(key);
    let headers = format!("authorization: Bearer {proof}\r\nconnection: close\r\n");
    world.raw(&request("PUT", "/cama/session", from, &headers)).await
}

async fn allocate(world: &World, key: &PrivateKey, from: &str) -> Session {
    Session::told(&asks(world, key, from).await)
}

fn request(method: &str, path: &str, from: &str, headers: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nhost: gateway.example\r\nx-forwarded-for: {from}\r\n{headers}\r\n"
    )
}

/// Asks whether something is there, without waiting for it.
async fn probe(world: &World, path: &str, from: &str) -> Reply {
    let path = format!("{path}?timeout=0");
    world.raw(&request("GET", &path, from, "connection: close\r\n")).await
}

/// Asks until the answer has this status.
async fn comes_to(world: &World, path: &str, from: &str, status: u16) {
    let late = Instant::now() + SOON;
    loop {
        let reply = probe(world, path, from).await;
        if reply.status == status {
            return;
        }
        assert!(Instant::now() < late, "{status} never came: {reply:?}");
    }
}

async fn wait(world: &World, path: &str) -> TcpStream {
    let mut stream = world.connect().await;
    stream.write_all(request("GET", path, HOME, "").as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn one_address_waits_in_so_many_sessions_and_no_more() {
    let world = World::start_as("gateway.example", true, None).await;
    let key = PrivateKey::generate();
    let mut waiting = Vec::new();
    for _ in 0..MANY {
        let session = allocate(&world, &key, HOME).await;
        waiting.push(wait(&world, &session.path).await);
        comes_to(&world, &session.path, ELSEWHERE, 409).await;
    }
    let session = allocate(&world, &key, HOME).await.path;
    let reply = probe(&world, &session, HOME).await;
    assert_eq!(reply.status, 429, "{reply:?}");
    assert_eq!(reply.body, "too many requests from this network are under way\n");
    assert_eq!(probe(&world, &session, ELSEWHERE).await.status, 504);
    waiting.pop();
    comes_to(&world, &session, HOME, 504).await;
    drop(waiting);
    world.end().await;
}

#[tokio::test]
async fn who_only_looks_stands_in_nobodys_way() {
    let world = World::start_as("gateway.example", true, None).await;
    let session = allocate(&world, &PrivateKey::generate(), HOME).await;
    let say = format!("{}?timeout=0", session.path);
    let headers = "content-length: 0\r\nconnection: close\r\n";
    let looks = (0..MANY / 2).map(|_| async {
        let looked = probe(&world, &session.path, ELSEWHERE).await.status;
        (looked, world.raw(&request("POST", &say, ELSEWHERE, headers)).await.status)
    });
    for answers in futures_util::future::join_all(looks).await {
        assert_eq!(answers, (504, 504));
    }
    world.end().await;
}

#[tokio::test]
async fn one_identity_has_so_many_sessions_wherever_it_is() {
    let world = World::start_as("gateway.example", true, None).await;
    let (key, other) = (PrivateKey::generate(), PrivateKey::generate());
    let first = allocate(&world, &key, HOME).await;
    for _ in 1..gateway::limits::SESSIONS_PER_OWNER {
        allocate(&world, &key, HOME).await;
    }
    for from in [HOME, ELSEWHERE] {
        let reply = asks(&world, &key, from).await;
        assert_eq!(reply.status, 429, "{reply:?}");
        assert!(reply.body.contains("as many sessions as you may"), "{reply:?}");
    }
    allocate(&world, &other, HOME).await;
    delete(&world, &first).await;
    allocate(&world, &key, ELSEWHERE).await;
    assert_eq!(asks(&world, &key, ELSEWHERE).await.status, 429);
    world.end().await;
}

#[tokio::test]
async fn one_network_has_so_many_sessions_whoever_is_there() {
    let world = World::start_as("gateway.example", true, None).await;
    let keys = || std::iter::repeat_with(PrivateKey::generate);
    let [one, two, three] = ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"];
    let mut sessions = Vec::new();
    for key in keys().take(gateway::limits::SESSIONS_PER_ADDRESS / 32) {
        for number in 0..32 {
            // Two computers of one household.
            let from = if number % 2 == 0 { one } else { two };
            sessions.push(allocate(&world, &key, from).await);
        }
    }
    let late = PrivateKey::generate();
    for from in [one, two] {
        let reply = asks(&world, &late, from).await;
        assert_eq!(reply.status, 429, "{reply:?}");
        assert!(reply.body.contains("too many sessions come from this network"), "{reply:?}");
    }
    allocate(&world, &late, three).await;
    delete(&world, &sessions[0]).await;
    allocate(&world, &late, two).await;
    assert_eq!(asks(&world, &late, one).await.status, 429);
    world.end().await;
}

async fn delete(world: &World, session: &Session) {
    let headers = format!("authorization: Bearer {}\r\nconnection: close\r\n", session.token);
    let reply = world.raw(&request("DELETE", &session.path, ELSEWHERE, &headers)).await;
    assert_eq!(reply.status, 200, "{reply:?}");
}

#[tokio::test]
async fn a_gateway_called_localhost_behind_a_proxy_wants_a_proof() {
    let world = World::start_as("localhost", true, None).await;
    for from in [HOME, "127.0.0.1"] {
        let allocate = format!(
            "PUT /cama/session HTTP/1.1\r\nhost: localhost\r\nx-forwarded-for: {from}\r\nconnection: close\r\n\r\n"
        );
        let reply = world.raw(&allocate).await;
        assert_eq!(reply.status, 401, "{reply:?}");
    }
    world.end().await;
}

#[tokio::test]
async fn a_cut_body_is_cut_where_a_proxy_may_lose_its_trailer() {
    let world = World::start_as("gateway.example", true, None).await;
    let Session { path: session, token } = allocate(&world, &PrivateKey::generate(), HOME).await;
    let mut receiver = wait(&world, &session).await;
    comes_to(&world, &session, ELSEWHERE, 409).await;
    let mut sender = world.connect().await;
    let headers = format!("authorization: Bearer {token}\r\ntransfer-encoding: chunked\r\n");
    let request = request("POST", &session, ELSEWHERE, &headers);
    sender.write_all(format!("{request}5\r\nHello\r\n").as_bytes()).await.unwrap();
    let (head, mut body) = read_head(&mut receiver).await;
    assert_eq!((head.status, head.header("trailer")), (200, None), "{head:?}");
    drop(sender);
    soon(receiver.read_to_end(&mut body)).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&body), "5\r\nHello\r\n");
    world.end().await;
}

/// A page may make a browser send anything that needs no preflight, under names of its own too.
#[tokio::test]
async fn a_strangers_page_begins_no_session_on_this_computer() {
    let world = World::start().await;
    let asks = "connection: close\r\norigin: http://stranger.example\r\n";
    for host in ["stranger.example", "photos.localhost", "stranger.localhost.example"] {
        let allocate = format!("PUT /cama/session HTTP/1.1\r\nhost: {host}\r\n{asks}\r\n");
        let reply = world.raw(&allocate).await;
        assert!(reply.status >= 400 && reply.header("location").is_none(), "{reply:?}");
    }
    let preflight = format!(
        "OPTIONS /cama/session HTTP/1.1\r\nhost: localhost\r\n{asks}\
         access-control-request-method: PUT\r\naccess-control-request-private-network: true\r\n\r\n"
    );
    let reply = world.raw(&preflight).await;
    assert_eq!(reply.status, 204);
    assert!(!reply.head.to_lowercase().contains("access-control"), "{reply:?}");
    // What needs no preflight begins none.
    for method in ["GET", "POST", "HEAD"] {
        let request = format!("{method} /cama/session HTTP/1.1\r\nhost: localhost\r\n{asks}\r\n");
        assert_eq!(world.raw(&request).await.status, 405, "{method}");
    }
    world.end().await;
}
