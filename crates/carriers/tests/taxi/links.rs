//! Both ends against each other.

use std::time::Duration;

use carriers::{LinkEnd, SendError, Timing, Tunnel};
use crosstalk::{
    limits,
    transaction::{self, Body, Handler},
};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::timeout,
};
use tokio_util::task::TaskTracker;

use crate::{
    common::{
        Alarm, broken, bytes, endless, get, handler, idle, pattern, reader, request, soon, stream,
        upgrades,
    },
    raw::Raw,
    world::{Pair, TestGateway},
};

/// A handler that sends back what it gets.
fn echo() -> Handler {
    handler(async |request: Request<Body>| Response::new(request.into_body()))
}

#[tokio::test]
async fn bodies_of_every_size_arrive_as_they_were_sent() {
    let pair = Pair::new(echo()).await;
    for length in [0, 1, 255, 65_535, 65_536, 65_537, 262_144, 262_145, 3_000_000] {
        for body in [transaction::full(pattern(0, length)), stream(length)] {
            let response = pair.fetch(request("POST", "/echo", body)).await;
            assert!(bytes(response).await.unwrap() == pattern(0, length), "{length}");
        }
    }
    pair.finish().await;
}

#[tokio::test]
async fn heads_up_to_the_limit_pass_and_larger_ones_harm_nobody() {
    let pair = Pair::new(handler(async |request: Request<Body>| {
        let mut response = Response::new(transaction::full("ok"));
        let length = request.uri().query().map_or(0, |query| query.parse().unwrap());
        if let Some(cookie) = request.headers().get("cookie") {
            response.headers_mut().insert("x-cookie", cookie.len().into());
        }
        if length > 0 {
            let long = http::HeaderValue::from_bytes(&vec![0xff; length]).unwrap();
            response.headers_mut().insert("set-cookie", long);
        }
        response
    }))
    .await;
    let with_cookie = |length: usize| {
        let mut asked = get("/");
        asked.headers_mut().insert("cookie", "\"".repeat(length).parse().unwrap());
        asked
    };
    // A visitor's largest head, and what a gateway adds.
    for length in [60 * 1024, limits::MAX_HEAD_BYTES, limits::MAX_HEAD_BYTES + 3 * 1024] {
        let response = pair.fetch(with_cookie(length)).await;
        assert_eq!(response.headers()["x-cookie"], length.to_string());
        assert_eq!(bytes(response).await.unwrap(), "ok");
    }
    let place = pair.link.reserve().await.unwrap();
    let unsent = soon(place.send(with_cookie(70 * 1024))).await.unwrap_err();
    assert!(matches!(unsent.error, SendError::TooLarge));

    let response = pair.fetch(get(&format!("/?{}", limits::MAX_HEAD_BYTES))).await;
    assert_eq!(response.headers()["set-cookie"].len(), limits::MAX_HEAD_BYTES);
    let response = pair.fetch(get(&format!("/?{}", 70 * 1024))).await;
    assert_eq!(response.status(), 500);
    let mut many = get("/");
    for _ in 0..limits::MAX_HEADERS {
        many.headers_mut().append("x", "y".parse().unwrap());
    }
    let response = pair.fetch(many).await;
    assert_eq!(bytes(response).await.unwrap(), "ok");
    pair.ping().await;
    pair.finish().await;
}

#[tokio::test]
async fn one_line_too_many_harms_nobody() {
    let pair = Pair::new(handler(async |request: Request<Body>| {
        let mut response = Response::new(transaction::full("ok"));
        let lines = request.uri().query().map_or(0, |query| query.parse().unwrap());
        for _ in 0..lines {
            response.headers_mut().append("x", "y".parse().unwrap());
        }
        if request.headers().contains_key("upgrade") {
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        }
        response
    }))
    .await;
    let most = limits::MAX_LINK_HEADERS;
    for lines in most - 4..=most + 1 {
        for mut asked in
            [get("/"), request("POST", "/", transaction::full("body")), upgrades::open("/")]
        {
            while asked.headers().len() < lines {
                asked.headers_mut().append("x", "y".parse().unwrap());
            }
            let place = soon(pair.link.reserve()).await.unwrap();
            if let Err(unsent) = soon(place.send(asked)).await {
                assert!(matches!(unsent.error, SendError::TooLarge), "{lines}: {unsent}");
            }
        }
        for asked in [get(&format!("/?{lines}")), upgrades::open(&format!("/?{lines}"))] {
            let status = pair.fetch(asked).await.status();
            assert!(matches!(status.as_u16(), 101 | 200 | 500), "{lines}: {status}");
        }
        pair.ping().await;
    }
    pair.finish().await;
}

#[tokio::test]
async fn what_breaks_off_is_never_complete() {
    let pair = Pair::new(handler(async |_| Response::new(broken(vec![pattern(0, 30_000)])))).await;
    let response = pair.fetch(get("/")).await;
    assert!(bytes(response).await.is_err());
    pair.ping().await;
    pair.finish().await;

    let (handler, mut told) = reader(|| None);
    let pair = Pair::new(handler).await;
    let place = pair.link.reserve().await.unwrap();
    let sent = soon(place.send(request("POST", "/", broken(vec![pattern(0, 1000)])))).await;
    assert!(sent.is_err());
    while !soon(told.recv()).await.expect("the upload looked complete") {}
    pair.finish().await;
}

#[tokio::test]
async fn a_handler_learns_at_once_that_its_visitor_left() {
    let (handler, mut told) = reader(|| Some(Response::new(endless(vec!["some".into()]))));
    let pair = Pair::new(handler).await;
    let body = endless(vec!["some".into()]);
    let mut response = pair.fetch(request("POST", "/", body)).await;
    soon(response.body_mut().frame()).await.unwrap().unwrap();
    assert!(!soon(told.recv()).await.unwrap());
    drop(response);
    assert!(soon(told.recv()).await.unwrap());
    pair.ping().await;
    pair.finish().await;
}

#[tokio::test]
async fn a_handler_that_has_not_answered_is_dropped_with_its_visitor() {
    let (tell, mut alarms) = mpsc::channel(1);
    let pair = Pair::new(handler(move |_| {
        let tell = tell.clone();
        async move {
            let (alarm, dropped) = oneshot::channel();
            let _alarm = Alarm(Some(alarm));
            tell.send(dropped).await.unwrap();
            std::future::pending().await
        }
    }))
    .await;
    let place = pair.link.reserve().await.unwrap();
    let dropped = tokio::select! {
        dropped = soon(alarms.recv()) => dropped.unwrap(),
        _ = place.send(get("/wait")) => panic!("nobody answers"),
    };
    soon(dropped).await.unwrap();
    pair.ping().await;
    pair.finish().await;
}

#[tokio::test]
async fn websockets_are_carried_as_two_open_bodies() {
    let tasks = TaskTracker::new();
    let (seen, mut heads) = mpsc::channel(1);
    let pair = Pair::new(upgrades::echo(tasks.clone(), seen)).await;
    let room = pair.link.room();
    let mut response = pair.fetch(upgrades::open("/chat?room=1")).await;
    let head = soon(heads.recv()).await.unwrap();
    assert_eq!((head.method.as_str(), head.uri.to_string().as_str()), ("GET", "/chat?room=1"));
    assert_eq!(head.headers["sec-websocket-key"], upgrades::KEY);
    assert_eq!(response.status(), 101);
    assert_eq!(response.headers()["sec-websocket-accept"], upgrades::ACCEPT);
    let tunnel = Tunnel::take(&mut response).unwrap();
    drop(response);
    assert_eq!(pair.link.room(), room - 1, "the WebSocket keeps its place");

    let (browser, upgrade) = upgrades::visitor(&tasks).await;
    let mut joined = JoinSet::new();
    joined.spawn(tunnel.join(upgrade));
    let (mut reading, mut writing) = tokio::io::split(browser);
    let mut hello = [0; 5];
    soon(reading.read_exact(&mut hello)).await.unwrap();
    assert_eq!(&hello, b"hello");
    let sent = pattern(0, 1_000_000);
    let to_send = sent.clone();
    let mut writer = JoinSet::new();
    writer.spawn(async move {
        writing.write_all(&to_send).await.unwrap();
        writing.shutdown().await.unwrap();
    });
    let mut echoed = Vec::new();
    soon(reading.read_to_end(&mut echoed)).await.unwrap();
    assert!(echoed == sent);
    let counted = soon(joined.join_next()).await.unwrap().unwrap().unwrap();
    assert_eq!(counted, (1_000_000, 1_000_005));
    pair.ping().await;
    pair.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stalled_downloads_hold_up_nobody_else() {
    let pair = Pair::new(handler(async |_| Response::new(stream(5_000_000)))).await;
    let mut stalled = Vec::new();
    for _ in 0..100 {
        let mut response = pair.fetch(get("/film")).await;
        // The first bytes come, and then this visitor reads no more.
        let first = soon(response.body_mut().frame()).await.unwrap().unwrap();
        stalled.push((first.into_data().unwrap().len(), response));
    }
    pair.ping().await;
    let response = pair.fetch(get("/film")).await;
    assert_eq!(bytes(response).await.unwrap().len(), 5_000_000);
    for (first, response) in stalled {
        assert_eq!(first + bytes(response).await.unwrap().len(), 5_000_000);
    }
    pair.finish().await;
}

#[tokio::test]
async fn a_peer_that_stops_finishes_what_is_under_way() {
    let (begun, mut begins) = mpsc::channel(1);
    let mut pair = Pair::new(handler(move |_| {
        let begun = begun.clone();
        async move {
            begun.send(()).await.unwrap();
            Response::new(stream(1_000_000))
        }
    }))
    .await;
    let response = pair.fetch(get("/")).await;
    soon(begins.recv()).await.unwrap();
    pair.stop.cancel();
    assert_eq!(bytes(response).await.unwrap().len(), 1_000_000);
    assert_eq!(pair.peer_end().await, LinkEnd::Closed);
    assert_eq!(soon(pair.link.ended()).await, LinkEnd::Lost);
}

#[tokio::test]
async fn a_link_that_nobody_holds_ends() {
    let mut pair = Pair::new(idle()).await;
    pair.ping().await;
    drop(pair.link);
    assert_eq!(soon(pair.peer.join_next()).await.unwrap().unwrap(), LinkEnd::Closed);
}

#[tokio::test]
async fn a_silent_end_is_noticed() {
    let timing =
        Timing { ping_every: Duration::from_millis(200), ping_timeout: Duration::from_secs(6) };
    // Two ends that answer each other live on.
    let pair = Pair::with(idle(), timing).await;
    let alive = timeout(timing.ping_timeout * 2, pair.link.ended()).await;
    assert!(alive.is_err(), "{alive:?}");
    pair.finish().await;

    let mut gateway = TestGateway::start(timing).await;
    let _mute = Raw::dial(gateway.socket_address).await;
    let link = gateway.link().await;
    assert_eq!(soon(link.ended()).await, LinkEnd::Silent);
}
