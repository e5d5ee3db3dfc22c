//! Our peer behind a proxy that passes nothing but short requests.

use std::time::Duration;

use crosstalk::poll::Dialect;
use http::Response;

use crate::{
    common::{SOON, bytes, get, handler, pattern, request, soon, stream},
    world::{OurPeer, Proxy, TestGateway},
};

#[tokio::test]
async fn short_requests_are_enough() {
    let gateway = TestGateway::start(Dialect::Second).await;
    let proxy = Proxy::short_requests_only(gateway.socket_address, Duration::from_secs(2)).await;
    let site = handler(|request| async move {
        match request.uri().path() {
            "/film" => Response::new(stream(2_000_000)),
            _ => Response::new(request.into_body()),
        }
    });
    let _peer = OurPeer::dial(proxy.address, site).await;
    // The first poll is cut, and the peer asks for shorter ones.
    let late = tokio::time::Instant::now() + SOON;
    while *proxy.cuts.lock().unwrap() == 0 {
        assert!(tokio::time::Instant::now() < late, "no poll took too long");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let film = soon(gateway.link.send(get("/film"))).await.unwrap();
    assert_eq!(bytes(film).await.unwrap(), pattern(0, 2_000_000));
    let echo = soon(gateway.link.send(request("POST", "/echo", stream(700_000)))).await.unwrap();
    assert_eq!(bytes(echo).await.unwrap(), pattern(0, 700_000));
    let (before, opened) = (*proxy.cuts.lock().unwrap(), *proxy.connections.lock().unwrap());
    // From now on polls end in time: several of them, and none is cut.
    while *proxy.connections.lock().unwrap() < opened + 3 {
        assert!(tokio::time::Instant::now() < late + SOON, "nobody polls");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(*proxy.cuts.lock().unwrap() <= before + 1, "polls are cut again and again");
    assert_eq!(bytes(soon(gateway.link.send(get("/ping"))).await.unwrap()).await.unwrap(), "pong");
}
