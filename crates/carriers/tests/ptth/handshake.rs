//! The handshake at the gateway, and peers that are written by hand.

use carriers::{
    Carrier, LinkEnd, SendError, Timing,
    accept::{self, LinkError, Refusal},
    ptth::{Protocol, accept::read},
};
use crosstalk::registry::Refused;
use http::{HeaderMap, Request, Version, header};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
};

use crate::{
    common::{bytes, endless, get, request, soon},
    world::TestGateway,
};

fn parts(method: &str, headers: &[(&str, &str)]) -> http::request::Parts {
    let mut request = Request::builder().method(method).uri("/ptth");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

const UPGRADE: (&str, &str) = ("connection", "keep-alive, Upgrade");
const H2: (&str, &str) = ("alpn", "h2, http%2F1.1");

#[test]
fn what_is_granted() {
    use Protocol::{Http1, Http2};
    for (method, headers, protocol, alpn) in [
        ("GET", &[UPGRADE, ("upgrade", "ptth"), H2][..], Http2, Some("h2")),
        ("POST", &[UPGRADE, ("upgrade", "PTTH"), H2, ("content-length", "0")], Http2, Some("h2")),
        ("GET", &[UPGRADE, ("upgrade", "ptth"), ("alpn", "http%2F1.1, h2")], Http2, Some("h2")),
        ("GET", &[UPGRADE, ("upgrade", "ptth"), ("alpn", "http%2f1.1")], Http1, Some("http%2F1.1")),
        (
            "GET",
            &[UPGRADE, ("upgrade", "ptth"), ("alpn", "h3"), ("alpn", "%68%32")],
            Http2,
            Some("h2"),
        ),
        ("POST", &[("upgrade", "PTTH/1.0")], Http1, None),
        ("POST", &[UPGRADE, ("upgrade", "ptth/1.0")], Http1, None),
        ("GET", &[("upgrade", "PTTH/0.9")], Http1, None),
        ("GET", &[("upgrade", "Ptth/0.9"), H2], Http2, Some("h2")),
        ("GET", &[UPGRADE, ("upgrade", "h2c-reverse, PTTH/1.0, ptth")], Http1, None),
    ] {
        let offer = read(&parts(method, headers)).unwrap().unwrap();
        assert_eq!(offer.protocol(), protocol, "{headers:?}");
        let response = offer.response();
        assert_eq!(response.status(), 101);
        assert_eq!(response.headers()["connection"].as_bytes(), b"Upgrade");
        let token = response.headers()["upgrade"].to_str().unwrap();
        let asked = headers.iter().find(|(name, _)| *name == "upgrade").unwrap().1;
        assert!(asked.split(", ").any(|asked| asked == token), "{token} is not as in {asked}");
        assert_eq!(response.headers().get("alpn").map(|v| v.to_str().unwrap()), alpn);
        assert_eq!(response.headers().len(), 2 + usize::from(alpn.is_some()));
    }
}

#[test]
fn what_is_no_request_for_a_link() {
    for headers in [&[][..], &[UPGRADE], &[UPGRADE, ("upgrade", "websocket")], &[H2]] {
        assert!(read(&parts("GET", headers)).unwrap().is_none(), "{headers:?}");
    }
}

#[test]
fn what_is_refused() {
    let ptth = ("upgrade", "ptth");
    for (method, headers, refusal, status) in [
        ("GET", &[ptth, H2][..], Refusal::Connection, 400),
        ("GET", &[("connection", "close"), ptth, H2], Refusal::Connection, 400),
        ("GET", &[UPGRADE, ptth], Refusal::AlpnMissing, 400),
        ("GET", &[UPGRADE, ptth, ("alpn", "h3, http/1.0")], Refusal::AlpnUnknown, 400),
        ("GET", &[UPGRADE, ptth, ("alpn", "")], Refusal::AlpnUnknown, 400),
        ("PUT", &[UPGRADE, ptth, H2], Refusal::Method, 405),
        ("CONNECT", &[UPGRADE, ptth, H2], Refusal::Method, 405),
        ("POST", &[UPGRADE, ptth, H2, ("content-length", "3")], Refusal::Body, 400),
        ("POST", &[("upgrade", "PTTH/1.0"), ("transfer-encoding", "chunked")], Refusal::Body, 400),
    ] {
        assert_eq!(read(&parts(method, headers)).unwrap_err(), refusal, "{headers:?}");
        let response = refusal.response();
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(response.headers()["content-type"], "application/json");
    }
    for version in [Version::HTTP_10, Version::HTTP_2] {
        let mut parts = parts("GET", &[UPGRADE, ptth, H2]);
        parts.version = version;
        let refusal = read(&parts).unwrap_err();
        assert_eq!(refusal, Refusal::Version);
        assert_eq!(refusal.response().status(), 426);
        assert_eq!(refusal.response().headers()["upgrade"], "ptth");
    }
    assert_eq!(Refusal::NoUpgrade.status(), 426);
}

#[tokio::test]
async fn a_refusal_says_why() {
    let body = bytes(Refusal::AlpnMissing.response()).await.unwrap();
    let refused: Refused = serde_json::from_slice(&body).unwrap();
    assert_eq!(refused, Refusal::AlpnMissing.refused());
    assert!(refused.sentence.contains("ALPN"));
}

#[test]
fn where_the_proof_is() {
    for (value, proof) in [
        ("Bearer abc.def", Some("abc.def")),
        ("bearer  abc ", Some("abc")),
        // me:secret, secret:, :secret
        ("Basic bWU6c2VjcmV0", Some("secret")),
        ("BASIC c2VjcmV0Og==", Some("secret")),
        ("Basic OnNlY3JldA==", Some("secret")),
        ("Basic Og==", None),
        ("Basic !!", None),
        ("Bearer", None),
        ("Bearer ", None),
        ("Digest abc", None),
        ("", None),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        assert_eq!(accept::credentials(&headers).as_deref(), proof, "{value}");
    }
    let mut headers = HeaderMap::new();
    assert_eq!(accept::credentials(&headers), None);
    headers.append(header::AUTHORIZATION, "Bearer one".parse().unwrap());
    headers.append(header::AUTHORIZATION, "Bearer two".parse().unwrap());
    assert_eq!(accept::credentials(&headers), None);
    headers.insert(header::AUTHORIZATION, format!("Bearer {}", "x".repeat(9000)).parse().unwrap());
    assert_eq!(accept::credentials(&headers), None);
}

/// Writes to a gateway by hand and reads the head of its answer.
async fn say(gateway: &TestGateway, text: &str) -> (TcpStream, String) {
    let mut socket = TcpStream::connect(gateway.socket_address).await.unwrap();
    socket.write_all(text.as_bytes()).await.unwrap();
    let head = read_head(&mut socket).await;
    (socket, head)
}

async fn read_head(socket: &mut TcpStream) -> String {
    let mut head = Vec::new();
    soon(async {
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.read_u8().await.unwrap());
        }
    })
    .await;
    String::from_utf8(head).unwrap()
}

#[tokio::test]
async fn the_page_of_2008_works_letter_for_letter() {
    let mut gateway = TestGateway::start(Timing::default()).await;
    let (mut socket, head) = say(
        &gateway,
        "POST / HTTP/1.1\r\nHost: localhost:9999\r\nAccept-Encoding: identity\r\n\
         Upgrade: PTTH/0.9\r\n\r\n",
    )
    .await;
    assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
    let lines: Vec<_> =
        head.lines().map(|line| line.split_once(": ").unwrap_or((line, ""))).collect();
    let value = |name: &str| lines.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|l| l.1);
    assert_eq!(value("upgrade"), Some("PTTH/0.9"));
    assert_eq!(value("connection"), Some("Upgrade"));
    assert_eq!(value("content-length"), None);

    let link = soon(gateway.links.recv()).await.unwrap().unwrap();
    assert_eq!(link.carrier(), Carrier::PtthHttp1);
    let mut visits = JoinSet::new();
    visits.spawn(async move {
        let response = link.send(get("/")).await.unwrap();
        (bytes(response).await.unwrap(), link)
    });
    let head = read_head(&mut socket).await;
    assert!(head.starts_with("GET / HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("host: site.gateway.example\r\n"), "{head}");
    socket
        .write_all(b"HTTP/1.1 200 OK\r\nContent-type: text/plain\r\nContent-Length: 15\r\n\r\n!dlrow ,olleH\r\n")
        .await
        .unwrap();
    let (body, link) = soon(visits.join_next()).await.unwrap().unwrap();
    assert_eq!(body, "!dlrow ,olleH\r\n");
    assert!(link.is_open());
    drop(socket);
    assert_eq!(soon(link.ended()).await, LinkEnd::Lost);
}

#[tokio::test]
async fn http_1_0_is_told_to_upgrade_instead_of_being_left_alone() {
    let gateway = TestGateway::start(Timing::default()).await;
    let (_, head) =
        say(&gateway, "GET /ptth HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: PTTH/1.0\r\n\r\n")
            .await;
    assert!(head.contains(" 426 "), "{head}");
}

#[tokio::test]
async fn a_peer_that_promised_http2_and_speaks_something_else_is_no_link() {
    let mut gateway = TestGateway::start(Timing::default()).await;
    let (mut socket, _) = say(&gateway, &http2_request()).await;
    socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    let link = soon(gateway.links.recv()).await.unwrap();
    assert!(matches!(link, Err(LinkError::Protocol(_))), "{:?}", link.err());
    gateway.tasks.close();
    soon(gateway.tasks.wait()).await;
}

#[tokio::test]
async fn a_peer_that_goes_right_after_the_upgrade_leaves_nothing_behind() {
    let mut gateway = TestGateway::start(Timing::default()).await;
    let (socket, _) = say(&gateway, &http2_request()).await;
    drop(socket);
    assert!(soon(gateway.links.recv()).await.unwrap().is_err());
    gateway.tasks.close();
    soon(gateway.tasks.wait()).await;
}

fn http2_request() -> String {
    "GET /ptth HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: ptth\r\nALPN: h2\r\n\r\n"
        .into()
}

async fn http1_link(gateway: &mut TestGateway) -> (TcpStream, carriers::Link) {
    let text = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: PTTH/1.0\r\n\r\n";
    let (socket, _) = say(gateway, text).await;
    (socket, soon(gateway.links.recv()).await.unwrap().unwrap())
}

#[tokio::test]
async fn on_http1_only_a_response_with_an_end_is_complete() {
    for (answer, complete) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole", true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nwhole", false),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n", false),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwho", false),
        ("HTTP/1.1 200 OK\r\n\r\nwhole", false),
        ("HTTP/1.0 200 OK\r\n\r\nwhole", false),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nwhole", false),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\nContent-Length: 5\r\n\r\nwhole",
            false,
        ),
        ("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nwhole", true),
        ("HTTP/1.1 204 No Content\r\n\r\n", true),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", true),
    ] {
        let mut gateway = TestGateway::start(Timing::default()).await;
        let (mut socket, link) = http1_link(&mut gateway).await;
        let mut visits = JoinSet::new();
        visits.spawn(async move { bytes(link.send(get("/")).await.unwrap()).await });
        read_head(&mut socket).await;
        socket.write_all(answer.as_bytes()).await.unwrap();
        drop(socket);
        let body = soon(visits.join_next()).await.unwrap().unwrap();
        assert_eq!(body.is_ok(), complete, "{answer}: {body:?}");
    }
}

#[tokio::test]
async fn a_peer_may_close_after_every_answer() {
    let mut gateway = TestGateway::start(Timing::default()).await;
    let (mut socket, link) = http1_link(&mut gateway).await;
    let visited = link.clone();
    let mut visits = JoinSet::new();
    visits.spawn(async move { bytes(visited.send(get("/")).await.unwrap()).await });
    read_head(&mut socket).await;
    socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
    assert_eq!(soon(visits.join_next()).await.unwrap().unwrap().unwrap(), "ok");
    drop(socket);
    assert_eq!(soon(link.ended()).await, LinkEnd::Lost);
    assert!(matches!(link.send(get("/")).await, Err(SendError::Closed)));
}

#[tokio::test]
async fn a_peer_that_goes_before_it_answers_is_lost_and_not_asked_again() {
    let mut gateway = TestGateway::start(Timing::default()).await;
    let (mut socket, link) = http1_link(&mut gateway).await;
    let visited = link.clone();
    let mut visits = JoinSet::new();
    visits.spawn(async move {
        visited.send(request("POST", "/", crosstalk::transaction::full("buy"))).await
    });
    read_head(&mut socket).await;
    drop(socket);
    let answer = soon(visits.join_next()).await.unwrap().unwrap();
    assert!(matches!(answer, Err(SendError::Lost(_))), "{:?}", answer.err());
}

#[tokio::test]
async fn a_101_that_nobody_asked_for_ends_the_link() {
    let mut gateway = TestGateway::start(Timing::default()).await;
    let (mut socket, link) = http1_link(&mut gateway).await;
    let visited = link.clone();
    let mut visits = JoinSet::new();
    visits.spawn(async move {
        let answer = visited.send(get("/")).await.map(|response| response.status());
        // Whoever looks for a link in this moment must not find this one again and again.
        assert!(!visited.is_open());
        assert!(matches!(visited.try_reserve(), Err(SendError::Closed)));
        answer
    });
    // The next visitor waits already.
    let waiting = link.clone();
    let mut next = JoinSet::new();
    next.spawn(async move { waiting.reserve().await.map(drop) });
    read_head(&mut socket).await;
    socket
        .write_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
        .await
        .unwrap();
    let answer = soon(visits.join_next()).await.unwrap().unwrap();
    assert!(matches!(answer, Err(SendError::Lost(_))), "{answer:?}");
    let next = soon(next.join_next()).await.unwrap().unwrap();
    assert!(matches!(next, Err(SendError::Closed)), "{next:?}");
    soon(link.ended()).await;
}

/// A peer that speaks HTTP/2 frame by frame. `settings` follow its empty SETTINGS.
pub(crate) async fn raw_http2_link(settings: &[(u16, u32)]) -> (TestGateway, RawPeer) {
    let gateway = TestGateway::start(Timing::default()).await;
    let (mut socket, _) = say(&gateway, &http2_request()).await;
    let mut payload = Vec::new();
    for (name, value) in settings {
        payload.extend(name.to_be_bytes());
        payload.extend(value.to_be_bytes());
    }
    write_frame(&mut socket, 4, 0, 0, &payload).await;
    let mut preface = [0; 24];
    soon(socket.read_exact(&mut preface)).await.unwrap();
    assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    (gateway, RawPeer(socket))
}

pub(crate) struct RawPeer(pub(crate) TcpStream);

pub(crate) async fn write_frame(
    socket: &mut TcpStream,
    kind: u8,
    flags: u8,
    stream: u32,
    payload: &[u8],
) {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    socket.write_all(&frame).await.unwrap();
}

impl RawPeer {
    /// Reads frames until one of this kind comes, and returns its flags, stream and payload.
    pub(crate) async fn next(&mut self, kind: u8) -> (u8, u32, Vec<u8>) {
        soon(async {
            loop {
                let mut head = [0; 9];
                self.0.read_exact(&mut head).await.unwrap();
                let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
                let mut payload = vec![0; length as usize];
                self.0.read_exact(&mut payload).await.unwrap();
                // Settings and pings want an answer.
                if matches!(head[3], 4 | 6) && head[4] & 1 == 0 {
                    let answer = if head[3] == 6 { &payload[..] } else { &[] };
                    write_frame(&mut self.0, head[3], 1, 0, answer).await;
                }
                if head[3] == kind {
                    let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
                    return (head[4], stream, payload);
                }
            }
        })
        .await
    }

    pub(crate) async fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        write_frame(&mut self.0, kind, flags, stream, payload).await;
    }

    pub(crate) async fn shutdown(&mut self) {
        let _ = self.0.shutdown().await;
    }
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// `:status: 200` in HPACK.
const STATUS_200: &[u8] = &[0x88];

#[tokio::test]
async fn on_http2_a_reset_is_never_an_end() {
    // NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, CANCEL
    for reason in [0u32, 1, 2, 8] {
        let (mut gateway, mut peer) = raw_http2_link(&[]).await;
        let link = soon(gateway.links.recv()).await.unwrap().unwrap();
        let mut visits = JoinSet::new();
        visits.spawn(async move { bytes(link.send(get("/")).await.unwrap()).await });
        let (_, stream, _) = peer.next(HEADERS).await;
        peer.write(HEADERS, END_HEADERS, stream, STATUS_200).await;
        peer.write(DATA, 0, stream, b"part").await;
        peer.write(RST_STREAM, 0, stream, &reason.to_be_bytes()).await;
        let body = soon(visits.join_next()).await.unwrap().unwrap();
        assert!(body.is_err(), "{reason}: {body:?}");
    }
}

#[tokio::test]
async fn a_reset_after_the_end_of_an_early_answer_is_in_order() {
    for length in [false, true] {
        let (mut gateway, mut peer) = raw_http2_link(&[]).await;
        let link = soon(gateway.links.recv()).await.unwrap().unwrap();
        let mut visits = JoinSet::new();
        visits.spawn(async move {
            let upload = request("POST", "/", endless(vec!["x".into()]));
            link.send(upload).await.unwrap()
        });
        let (_, stream, _) = peer.next(HEADERS).await;
        let mut head = STATUS_200.to_vec();
        if length {
            // content-length: 5, literal, name 28 of the static table
            head.extend(*b"\x0f\x0d\x015");
        }
        peer.write(HEADERS, END_HEADERS, stream, &head).await;
        let response = soon(visits.join_next()).await.unwrap().unwrap();
        peer.write(DATA, END_STREAM, stream, b"whole").await;
        peer.write(RST_STREAM, 0, stream, &0u32.to_be_bytes()).await;
        // The answer to a ping says that all of it has been taken in before anybody reads.
        peer.write(PING, 0, 0, &[7; 8]).await;
        while peer.next(PING).await.2 != [7; 8] {}
        let body = bytes(response).await;
        assert_eq!(body.as_deref(), Ok(&b"whole"[..]));
    }
}

#[tokio::test]
async fn a_peer_that_takes_fewer_at_once_is_not_overrun() {
    for (streams, room) in [(100, 84), (8, 6), (1, 1)] {
        let (mut gateway, _peer) = raw_http2_link(&[(3, streams)]).await;
        let link = soon(gateway.links.recv()).await.unwrap().unwrap();
        assert_eq!(link.room(), room);
    }
    let (mut gateway, _peer) = raw_http2_link(&[(3, 0)]).await;
    assert!(soon(gateway.links.recv()).await.unwrap().is_err());
}

#[tokio::test]
async fn what_the_peer_did_not_begin_may_be_sent_elsewhere() {
    // REFUSED_STREAM for this request, or GOAWAY with an earlier last stream
    for refuse in [true, false] {
        let (mut gateway, mut peer) = raw_http2_link(&[]).await;
        let link = soon(gateway.links.recv()).await.unwrap().unwrap();
        let sent = link.clone();
        let mut visits = JoinSet::new();
        visits.spawn(async move { sent.send(get("/")).await.map(|_| ()) });
        let (_, stream, _) = peer.next(HEADERS).await;
        if refuse {
            peer.write(RST_STREAM, 0, stream, &7u32.to_be_bytes()).await;
        } else {
            peer.write(GOAWAY, 0, 0, &[0; 8]).await;
        }
        let answer = soon(visits.join_next()).await.unwrap().unwrap();
        assert!(matches!(answer, Err(SendError::Closed)), "refuse={refuse}: {answer:?}");
        if !refuse {
            let place = link.reserve().await;
            if let Ok(place) = place {
                let unsent = soon(place.send(get("/again"))).await.unwrap_err();
                assert!(matches!(unsent.error, SendError::Closed), "{:?}", unsent.error);
                assert_eq!(unsent.request.unwrap().uri().path(), "/again");
            }
            assert!(!link.is_open());
        }
    }
}
