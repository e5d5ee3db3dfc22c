//! Upgrades of visitors' connections over both protocols.

use std::sync::Arc;

use carriers::{SendError, Tunnel, ptth::Protocol};
use crosstalk::transaction;
use http::{Response, StatusCode};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::mpsc,
    task::JoinSet,
};
use tokio_util::task::TaskTracker;

use crate::{
    common::{
        bytes, handler, pattern, soon,
        upgrades::{ACCEPT, KEY, echo, open, visitor},
    },
    world::{BOTH, Pair},
};

#[tokio::test]
async fn bytes_go_both_ways_as_long_as_both_want() {
    for protocol in BOTH {
        let tasks = TaskTracker::new();
        let (seen, mut heads) = mpsc::channel(1);
        let pair = Pair::new(protocol, echo(tasks.clone(), seen)).await;
        let room = pair.link.room();
        let mut response = pair.fetch(open("/chat?room=1")).await;

        let head = soon(heads.recv()).await.unwrap();
        assert_eq!(head.method, "GET", "{protocol:?}");
        assert_eq!(head.uri.to_string(), "/chat?room=1");
        for (name, value) in [
            ("host", "site.gateway.example"),
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-key", KEY),
            ("sec-websocket-version", "13"),
            ("sec-websocket-protocol", "chat"),
        ] {
            assert_eq!(head.headers[name], value, "{protocol:?} {name}");
        }

        assert_eq!(response.status(), 101, "{protocol:?}");
        for (name, value) in [
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-accept", ACCEPT),
            ("sec-websocket-protocol", "chat"),
        ] {
            assert_eq!(response.headers()[name], value, "{protocol:?} {name}");
        }
        let tunnel = Tunnel::take(&mut response).unwrap();
        assert!(Tunnel::take(&mut response).is_none());
        drop(response);
        assert_eq!(pair.link.room(), room - 1, "{protocol:?}: the WebSocket keeps its place");

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
        assert!(echoed == sent, "{protocol:?}");
        let counted = soon(joined.join_next()).await.unwrap().unwrap().unwrap();
        assert_eq!(counted, (2_000_000, 2_000_005));
        if protocol == Protocol::Http2 {
            assert_eq!(pair.link.room(), room);
            pair.ping().await;
        }
        pair.finish().await;
    }
}

#[tokio::test]
async fn a_link_that_ends_ends_its_websockets() {
    for protocol in BOTH {
        for by_gateway in [true, false] {
            let tasks = TaskTracker::new();
            let (seen, _heads) = mpsc::channel(1);
            let mut pair = Pair::new(protocol, echo(tasks.clone(), seen)).await;
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
}

#[tokio::test]
async fn a_site_that_declines_is_heard() {
    for protocol in BOTH {
        for (answered, expected) in [(404, 404), (200, 501)] {
            let pair = Pair::new(
                protocol,
                handler(move |_| async move {
                    let mut response = Response::new(transaction::full("no WebSocket here"));
                    *response.status_mut() = StatusCode::from_u16(answered).unwrap();
                    response
                }),
            )
            .await;
            let response = pair.fetch(open("/")).await;
            // HTTP/1.1 has the site's own word; over HTTP/2 a 200 would open the WebSocket.
            let expected = if protocol == Protocol::Http1 { answered } else { expected };
            assert_eq!(response.status().as_u16(), expected, "{protocol:?}");
            assert!(!response.headers().contains_key("upgrade"));
            assert!(!bytes(response).await.unwrap().is_empty());
            pair.ping().await;
            pair.finish().await;
        }
    }
}

#[tokio::test]
async fn a_stalled_websocket_holds_up_nobody_else() {
    let tasks = TaskTracker::new();
    let (seen, _heads) = mpsc::channel(1);
    let pair = Arc::new(Pair::new(Protocol::Http2, echo(tasks.clone(), seen)).await);
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
    Arc::into_inner(pair).unwrap().finish().await;
}

#[tokio::test]
async fn a_peer_without_websockets_gets_none() {
    let (mut gateway, mut peer) = crate::handshake::raw_http2_link(&[]).await;
    let link = soon(gateway.links.recv()).await.unwrap().unwrap();
    let place = link.reserve().await.unwrap();
    let unsent = soon(place.send(open("/chat"))).await.unwrap_err();
    assert!(matches!(unsent.error, SendError::Unsupported));
    let request = unsent.request.unwrap();
    assert_eq!(request.method(), "GET");
    assert_eq!(request.headers()["upgrade"], "websocket");
    link.close();
    peer.shutdown().await;
}
