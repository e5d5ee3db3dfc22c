//! Upgrades of visitors' connections.

use crosstalk::{
    transaction,
    transactions::{Config, Numbers},
};
use http::{Response, StatusCode};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::mpsc,
    task::JoinSet,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    GRACE, Pair, Wire,
    common::{
        bytes, handler, idle, pattern, soon,
        upgrades::{ACCEPT, KEY, echo, open, visitor},
    },
};
use crate::{SendError, Tunnel, messages};

#[tokio::test]
async fn bytes_go_both_ways_as_long_as_both_want() {
    let tasks = TaskTracker::new();
    let (seen, mut heads) = mpsc::channel(1);
    let pair = Pair::new(echo(tasks.clone(), seen));
    let room = pair.link.room();
    let mut response = pair.fetch(open("/chat?room=1")).await;

    let head = soon(heads.recv()).await.unwrap();
    assert_eq!(head.method, "GET");
    assert_eq!(head.uri.to_string(), "/chat?room=1");
    for (name, value) in [
        ("host", "site.gateway.example"),
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-key", KEY),
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "chat"),
    ] {
        assert_eq!(head.headers[name], value, "{name}");
    }

    assert_eq!(response.status(), 101);
    for (name, value) in [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-accept", ACCEPT),
        ("sec-websocket-protocol", "chat"),
    ] {
        assert_eq!(response.headers()[name], value, "{name}");
    }
    let tunnel = Tunnel::take(&mut response).unwrap();
    assert!(Tunnel::take(&mut response).is_none());
    drop(response);
    assert_eq!(pair.link.room(), room - 1, "the WebSocket keeps its place");

    let (browser, upgrade) = visitor(&tasks).await;
    let mut joined = JoinSet::new();
    joined.spawn(tunnel.join(upgrade));
    let (mut reading, mut writing) = tokio::io::split(browser);
    let mut hello = [0; 5];
    soon(reading.read_exact(&mut hello)).await.unwrap();
    assert_eq!(&hello, b"hello");
    let sent = pattern(0, 2_000_000);
    let to_send = sent.clone();
    let mut writer = JoinSet::new();
    writer.spawn(async move {
        writing.write_all(&to_send).await.unwrap();
        writing.shutdown().await.unwrap();
        writing
    });
    let mut echoed = Vec::new();
    soon(reading.read_to_end(&mut echoed)).await.unwrap();
    assert!(echoed == sent);
    let counted = soon(joined.join_next()).await.unwrap().unwrap().unwrap();
    assert_eq!(counted, (2_000_000, 2_000_005));
    assert_eq!(pair.link.room(), room);
    pair.ping().await;
    pair.finish().await;
}

#[tokio::test]
async fn a_link_that_ends_ends_its_websockets() {
    for by_gateway in [true, false] {
        let tasks = TaskTracker::new();
        let (seen, _heads) = mpsc::channel(1);
        let mut pair = Pair::new(echo(tasks.clone(), seen));
        let mut response = pair.fetch(open("/")).await;
        let tunnel = Tunnel::take(&mut response).unwrap();
        let (mut browser, upgrade) = visitor(&tasks).await;
        let mut joined = JoinSet::new();
        joined.spawn(tunnel.join(upgrade));
        let mut hello = [0; 5];
        soon(browser.read_exact(&mut hello)).await.unwrap();
        if by_gateway {
            pair.link.close();
        } else {
            pair.stop.cancel();
        }
        let rest = soon(browser.read_to_end(&mut Vec::new())).await;
        assert!(matches!(rest, Ok(0) | Err(_)));
        drop(browser);
        let _ = soon(joined.join_next()).await.unwrap().unwrap();
        soon(pair.link.ended()).await;
        pair.peer_end().await;
        tasks.close();
        soon(tasks.wait()).await;
    }
}

#[tokio::test]
async fn a_visitor_who_leaves_ends_the_websocket_at_the_site() {
    let tasks = TaskTracker::new();
    let (seen, _heads) = mpsc::channel(2);
    let pair = Pair::new(echo(tasks.clone(), seen));
    let room = pair.link.room();
    for takes in [true, false] {
        let mut response = pair.fetch(open("/")).await;
        if takes {
            drop(Tunnel::take(&mut response).unwrap());
        }
        drop(response);
        assert_eq!(pair.link.room(), room);
    }
    tasks.close();
    soon(tasks.wait()).await;
    pair.finish().await;
}

#[tokio::test]
async fn a_site_that_declines_is_heard() {
    for answered in [404, 200] {
        let pair = Pair::new(handler(move |_| async move {
            let mut response = Response::new(transaction::full("no WebSocket here"));
            *response.status_mut() = StatusCode::from_u16(answered).unwrap();
            response
        }));
        let room = pair.link.room();
        let response = pair.fetch(open("/")).await;
        assert_eq!(response.status().as_u16(), answered);
        assert!(!response.headers().contains_key("upgrade"));
        assert_eq!(bytes(response).await.unwrap(), "no WebSocket here");
        assert_eq!(pair.link.room(), room);
        pair.ping().await;
        pair.finish().await;
    }
}

#[tokio::test]
async fn a_stalled_websocket_holds_up_nobody_else() {
    let tasks = TaskTracker::new();
    let (seen, _heads) = mpsc::channel(1);
    let pair = Pair::new(echo(tasks.clone(), seen));
    let mut response = pair.fetch(open("/")).await;
    let tunnel = Tunnel::take(&mut response).unwrap();
    let (mut browser, upgrade) = visitor(&tasks).await;
    let mut joined = JoinSet::new();
    joined.spawn(tunnel.join(upgrade));
    // Writes until nobody takes any more: nobody reads the echo.
    let filled = tokio::time::timeout(std::time::Duration::from_secs(2), async {
        loop {
            browser.write_all(&[7; 10_000]).await.unwrap();
        }
    });
    assert!(filled.await.is_err());
    pair.ping().await;
    drop(browser);
    let _ = soon(joined.join_next()).await.unwrap().unwrap();
    pair.finish().await;
}

#[tokio::test]
async fn a_visitor_who_goes_on_talking_to_a_site_that_is_gone_is_let_go() {
    let tasks = TaskTracker::new();
    let tracker = tasks.clone();
    let pair = Pair::new(handler(move |mut request| {
        let upgrade = hyper::upgrade::on(&mut request);
        tracker.spawn(async move { drop(upgrade.await.unwrap()) });
        async {
            let mut response = Response::new(transaction::empty());
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            response
        }
    }));
    let room = pair.link.room();
    let mut response = pair.fetch(open("/")).await;
    let tunnel = Tunnel::take(&mut response).unwrap();
    drop(response);
    let (mut browser, upgrade) = visitor(&tasks).await;
    let mut joined = JoinSet::new();
    joined.spawn(tunnel.join(upgrade));
    soon(browser.read_to_end(&mut Vec::new())).await.unwrap();
    // The visitor does not close, and has more to say than fits anywhere.
    let _ = soon(browser.write_all(&[7; 1_000_000])).await;
    soon(joined.join_next()).await.unwrap().unwrap().unwrap_err();
    assert_eq!(pair.link.room(), room);
    pair.finish().await;
}

#[tokio::test]
async fn a_websocket_has_no_length() {
    let (seen, mut heads) = mpsc::channel(1);
    let tasks = TaskTracker::new();
    let pair = Pair::new(echo(tasks, seen));
    let mut request = open("/");
    request.headers_mut().insert("content-length", "5".parse().unwrap());
    *request.body_mut() = transaction::full("never");
    let response = pair.fetch(request).await;
    assert_eq!(response.status(), 101);
    let head = soon(heads.recv()).await.unwrap();
    assert!(!head.headers.contains_key("content-length"), "{:?}", head.headers);
    drop(response);
    pair.finish().await;
}

#[tokio::test]
async fn without_websockets_the_request_comes_back() {
    for at_gateway in [true, false] {
        let (near, far) = Wire::pair(&std::sync::Arc::default());
        let tasks = TaskTracker::new();
        let mut setup = near.setup(Config::new(Numbers::Even));
        setup.websockets = !at_gateway;
        let link = messages::link(near, setup, None, &tasks);
        let mut setup = far.setup(Config::new(Numbers::Odd));
        setup.websockets = at_gateway;
        let mut peer = JoinSet::new();
        peer.spawn(messages::serve(far, setup, idle(), CancellationToken::new(), GRACE));
        let unsent = soon(link.reserve().await.unwrap().send(open("/chat"))).await.unwrap_err();
        assert!(matches!(unsent.error, SendError::Unsupported));
        if at_gateway {
            let request = unsent.request.unwrap();
            assert_eq!(request.method(), "GET");
            assert_eq!(request.headers()["upgrade"], "websocket");
        }
        assert!(link.is_open());
    }
}
