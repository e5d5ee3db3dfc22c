//! Peers that poll.

use std::time::Duration;

use carriers::{Carrier, DialError, DialOptions, dial, tls::Roots};
use crosstalk::{label::Label, proof::PrivateKey};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::world::{Peer, Reply, SOON, World, read_reply, soon};

const FIXTURE: &str = include_str!("../../../crosstalk/fixtures/poll-response.json");

/// The POSTs of one peer on one connection.
pub(crate) struct Poller {
    stream: TcpStream,
    rest: Vec<u8>,
    path: String,
}

impl Poller {
    pub(crate) async fn new(world: &World, path: &str) -> Self {
        Self { stream: world.connect().await, rest: Vec::new(), path: path.to_owned() }
    }

    pub(crate) async fn send(&mut self, headers: &str, body: &str) {
        let (path, length) = (&self.path, body.len());
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        );
        self.stream.write_all(request.as_bytes()).await.unwrap();
    }

    pub(crate) async fn answer(&mut self) -> Reply {
        read_reply(&mut self.stream, &mut self.rest).await
    }

    pub(crate) async fn post(&mut self, headers: &str, body: &str) -> Reply {
        self.send(headers, body).await;
        self.answer().await
    }
}

fn proof(world: &World, key: &PrivateKey) -> String {
    format!("Authorization: Bearer {}\r\n", world.proof(key))
}

/// Begins a session, and returns the header by which it goes on.
pub(crate) async fn begin(world: &World, poller: &mut Poller, key: &PrivateKey) -> String {
    let headers = format!("{}Prefer: ptth-json=2, wait=0\r\n", proof(world, key));
    let reply = poller.post(&headers, "").await;
    assert_eq!(reply.status, 204, "{reply:?}");
    let token = reply.header("ptth-session").unwrap();
    assert_eq!(token.len(), 22);
    format!("Ptth-Session: {token}\r\n")
}

/// Links a peer of ours that polls.
async fn link(world: &World, key: &PrivateKey, label: Option<&str>) -> Result<Peer, DialError> {
    let local = format!("http://localhost:{}", world.address.port());
    let options = DialOptions {
        gateway: local.parse().unwrap(),
        proof: world.proof(key),
        label: label.map(|label| Label::parse(label).unwrap()),
        roots: Roots::System,
        account: None,
        invite: None,
    };
    let served = soon(dial(&options, Carrier::Poll)).await?;
    Ok(Peer::serve(served))
}

#[tokio::test]
async fn our_peer_serves_visitors_by_polling() {
    let world = World::start().await;
    let peer = link(&world, &PrivateKey::generate(), Some("photos")).await.unwrap();
    let reply = soon(world.get("photos.localhost", "/size/300000")).await;
    assert_eq!((reply.status, reply.body.len()), (200, 300_000));
    peer.site.last_receipt("/size/300000").await;
    peer.leave().await;
    world.end().await;
}

/// The whole trace of the wiki page of 2008, with a proof in each POST and nothing else.
#[tokio::test]
async fn a_classic_peer_answers_with_the_objects_of_2008() {
    let (world, key) = (World::start().await, PrivateKey::generate());
    let mut poller = Poller::new(&world, "/ptth/photos").await;
    poller.send(&proof(&world, &key), "").await;
    let visit = async {
        loop {
            let reply =
                world.get_with("photos.localhost", "/", "Accept: text/plain;q=1,*/*;q=0\r\n");
            let reply = soon(reply).await;
            // The name is claimed by the first poll, which may come later than the visitor.
            if reply.status != 404 {
                return reply;
            }
        }
    };
    let peer = async {
        let request = poller.answer().await;
        assert_eq!(request.status, 200, "{request:?}");
        assert_eq!(request.header("content-type"), Some("application/json"));
        let object = request.json();
        assert_eq!(object["http-version"], "PTTH/1.0");
        assert_eq!(object["method"], "GET");
        assert_eq!(object["request-uri"], "/");
        assert_eq!(object["body"], "");
        let headers = object["headers"].as_array().unwrap();
        assert!(headers.contains(&serde_json::json!(["Accept", "text/plain;q=1,*/*;q=0"])));
        let answer = FIXTURE.replace("xxx", object["message-id"].as_str().unwrap());
        let headers = format!("{}Content-type: application/json\r\n", proof(&world, &key));
        let reply = poller.post(&headers, &answer).await;
        assert_eq!((reply.status, reply.body.as_str()), (200, "{}"), "{reply:?}");
        let again = poller.post(&headers, &answer).await;
        // The proof is used up.
        assert_eq!(again.status, 403, "{again:?}");
        let again = poller.post(&proof(&world, &key), &answer).await;
        assert_eq!(again.status, 404, "{again:?}");
    };
    let (reply, ()) = tokio::join!(visit, peer);
    assert_eq!((reply.status, reply.body.as_str()), (200, "rdlrow ,olleH"), "{reply:?}");
    assert_eq!(reply.header("content-type"), Some("text/plain"));
    assert_eq!(reply.header("content-length"), Some("13"));
    world.end().await;
}

#[tokio::test]
async fn a_session_is_one_identitys_at_one_address() {
    let (world, key) = (World::start().await, PrivateKey::generate());
    let mut poller = Poller::new(&world, "/ptth/photos").await;
    let session = begin(&world, &mut poller, &key).await;
    let poll = format!("{session}Prefer: wait=0\r\n");
    assert_eq!(poller.post(&poll, "").await.status, 204);

    for (path, headers, status) in [
        ("/ptth/photos", String::new(), 401),
        ("/ptth/photos", "Authorization: Bearer x\r\n".to_owned(), 403),
        ("/ptth/photos", "Ptth-Session: AAAAAAAAAAAAAAAAAAAAAA\r\n".to_owned(), 410),
        ("/ptth/photos", format!("{session}{session}"), 400),
        ("/ptth/others", poll.clone(), 403),
        ("/ptth", poll.clone(), 403),
        ("/ptth/photos", proof(&world, &PrivateKey::generate()), 409),
        ("/ptth/!", proof(&world, &key), 404),
    ] {
        let mut other = Poller::new(&world, path).await;
        let reply = other.post(&headers, "").await;
        assert_eq!(reply.status, status, "{path} {headers} {reply:?}");
        assert!(reply.json()["sentence"].is_string(), "{reply:?}");
        assert_eq!(reply.header("ptth-session"), None);
    }
    assert_eq!(poller.post(&poll, "").await.status, 204);
    world.end().await;
}

#[tokio::test]
async fn a_released_name_ends_its_session() {
    let (world, key) = (World::start().await, PrivateKey::generate());
    let mut poller = Poller::new(&world, "/ptth/photos").await;
    let session = begin(&world, &mut poller, &key).await;
    poller.send(&session, "").await;
    assert_eq!(world.names("DELETE", "photos", &world.proof(&key)).await.status, 204);
    let reply = soon(poller.answer()).await;
    assert_eq!((reply.status, reply.reason().as_str()), (410, "not-found"), "{reply:?}");
    assert_eq!(poller.post(&session, "").await.status, 410);
    world.end().await;
}

#[tokio::test]
async fn a_gateway_that_stops_does_not_wait_for_polls() {
    let (world, key) = (World::start().await, PrivateKey::generate());
    let mut older = Poller::new(&world, "/ptth/photos").await;
    let session = begin(&world, &mut older, &key).await;
    older.send(&session, "").await;
    let mut poller = Poller::new(&world, "/ptth/photos").await;
    poller.send(&session, "").await;
    // One of them is the newer one; it waits when the other has its answer.
    let (reply, mut poller) = tokio::select! {
        reply = older.answer() => (reply, poller),
        reply = poller.answer() => (reply, older),
    };
    assert_eq!(reply.status, 204);
    world.stop.cancel();
    let reply = soon(poller.answer()).await;
    assert_eq!(reply.status, 503, "{reply:?}");
    assert_eq!(reply.header("retry-after"), Some("10"));
    soon(world.end()).await;
}

#[tokio::test]
async fn a_page_that_is_loaded_again_takes_over() {
    let (world, key) = (World::start().await, PrivateKey::generate());
    let mut first = Poller::new(&world, "/ptth/photos").await;
    let old = begin(&world, &mut first, &key).await;
    first.send(&old, "").await;
    // The page goes, and nobody says so.
    drop(first);
    let late = tokio::time::Instant::now() + SOON;
    loop {
        // It counts as abandoned after a time without a poll.
        tokio::time::sleep(Duration::from_secs(4)).await;
        let mut second = Poller::new(&world, "/ptth/photos").await;
        let new = begin(&world, &mut second, &key).await;
        let over = second.post(&format!("{old}Prefer: wait=0\r\n"), "").await;
        if over.status == 410 {
            second.send(&new, "").await;
            break;
        }
        assert!(tokio::time::Instant::now() < late, "the old session stays: {over:?}");
    }
    world.end().await;
}

#[tokio::test]
async fn websockets_get_a_clean_no() {
    let world = World::start().await;
    let peer = link(&world, &PrivateKey::generate(), Some("photos")).await.unwrap();
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let request = format!("GET /socket HTTP/1.1\r\nhost: photos.localhost\r\n{upgrade}\r\n");
    let mut stream = world.connect().await;
    stream.write_all(request.as_bytes()).await.unwrap();
    let reply = read_reply(&mut stream, &mut Vec::new()).await;
    assert_eq!(reply.status, 501, "{reply:?}");
    peer.leave().await;
    world.end().await;
}

#[tokio::test]
async fn what_a_classic_peer_cannot_take_is_refused_by_name() {
    let (world, key) = (World::start().await, PrivateKey::generate());
    let mut poller = Poller::new(&world, "/ptth/photos").await;
    let headers = format!("{}Prefer: wait=0\r\n", proof(&world, &key));
    assert_eq!(poller.post(&headers, "").await.status, 204);
    for (body, status) in [(vec![b'x'; 1024 * 1024 + 1], 413), (b"\xff".to_vec(), 501)] {
        let length = body.len();
        let head = format!(
            "POST / HTTP/1.1\r\nHost: photos.localhost\r\nContent-Length: {length}\r\n\r\n"
        );
        let mut stream = world.connect().await;
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&body).await.unwrap();
        let reply = read_reply(&mut stream, &mut Vec::new()).await;
        assert_eq!(reply.status, status, "{reply:?}");
    }
    world.end().await;
}
