//! How sessions end.

use std::time::Duration;

use carriers::{
    LinkEnd, SendError,
    poll::accept::{Farewell, Patience},
};
use crosstalk::{poll::Dialect, transaction};
use http::Response;
use serde_json::{Value, json};

use crate::{
    common::{bytes, endless, get, handler, idle, pattern, soon, stream},
    world::{OurPeer, TestGateway},
};

/// Long enough for a peer on a busy machine to come again in time.
fn impatient() -> Patience {
    Patience {
        poll: Duration::from_millis(300),
        absence: Duration::from_secs(4),
        silence: Duration::from_secs(5),
    }
}

#[tokio::test]
async fn an_idle_session_ends_when_nobody_polls() {
    let gateway = TestGateway::with(Dialect::Second, impatient()).await;
    let mut peer = gateway.peer().await;
    let begun = std::time::Instant::now();
    assert_eq!(peer.post("ptth-json=2", "").await.status, 204);
    soon(gateway.link.ended()).await;
    assert!(begun.elapsed() >= impatient().silence);
    assert!(gateway.session.is_over());
    let late = peer.post("ptth-json=2", "").await;
    assert_eq!((late.status, &late.json()["reason"]), (410, &json!("not-found")), "{late:?}");
}

#[tokio::test]
async fn a_session_lives_while_somebody_polls() {
    let gateway = TestGateway::with(Dialect::Second, impatient()).await;
    let mut peer = gateway.peer().await;
    let begun = std::time::Instant::now();
    while begun.elapsed() < 2 * impatient().silence {
        assert_eq!(peer.post("ptth-json=2", "").await.status, 204);
    }
    assert!(gateway.link.is_open());
}

#[tokio::test]
async fn a_visitor_does_not_wait_long_for_a_peer_that_left() {
    let gateway = TestGateway::with(Dialect::Second, impatient()).await;
    let mut peer = gateway.peer().await;
    let visit = gateway.link.send(get("/"));
    let (answer, objects) = tokio::join!(soon(visit), peer.poll(&Value::Null));
    assert_eq!(objects.len(), 1);
    assert!(matches!(answer, Err(SendError::Lost(_))), "{answer:?}");
}

#[tokio::test]
async fn polls_that_wait_are_told_why_it_ends() {
    for (farewell, status) in
        [(Some(Farewell::Stopping), 503), (Some(Farewell::Released), 410), (None, 410)]
    {
        let gateway = TestGateway::start(Dialect::Second).await;
        let mut peer = gateway.peer().await;
        peer.send("wait=20", "").await;
        gateway.session.end(farewell);
        // The poll may come before the end or after it.
        assert_eq!(peer.answer().await.status, status);
        soon(gateway.link.ended()).await;
    }
}

#[tokio::test]
async fn a_link_that_drains_says_bye_and_finishes() {
    let gateway = TestGateway::start(Dialect::Second).await;
    let mut peer = gateway.peer().await;
    let visit = gateway.link.send(get("/"));
    let serve = async {
        let objects = peer.poll(&Value::Null).await;
        let id = &objects[0]["message-id"];
        gateway.link.drain();
        let told = peer.poll(&json!({ "ack": [format!("{}#0", id.as_str().unwrap())] })).await;
        assert_eq!(told.len(), 1);
        assert!(told[0]["bye"].is_string(), "{told:?}");
        let answer = json!({ "message-id": id, "status": 200, "body": "last" });
        assert_eq!(peer.say(&answer).await.status, 200);
    };
    let (response, ()) = tokio::join!(soon(visit), serve);
    assert_eq!(bytes(response.unwrap()).await.unwrap(), "last");
    assert_eq!(soon(gateway.link.ended()).await, LinkEnd::Closed);
    assert_eq!(peer.post("ptth-json=2", "").await.status, 410);
}

#[tokio::test]
async fn a_peer_that_says_bye_is_sent_nobody_any_more() {
    let gateway = TestGateway::start(Dialect::Second).await;
    let mut peer = gateway.peer().await;
    let said = peer.say(&json!({ "bye": "the page was closed" })).await;
    assert_eq!((said.status, said.body.as_str()), (200, "{}"));
    soon(gateway.link.ended()).await;
    assert!(matches!(gateway.link.send(get("/")).await, Err(SendError::Closed)));
}

#[tokio::test]
async fn our_peer_answers_and_leaves_in_order() {
    let gateway = TestGateway::start(Dialect::Second).await;
    let site = handler(|request| async move {
        match request.uri().path() {
            "/film" => Response::new(stream(3_000_000)),
            _ => Response::new(request.into_body()),
        }
    });
    let mut peer = OurPeer::dial(gateway.socket_address, site).await;
    let film = soon(gateway.link.send(get("/film"))).await.unwrap();
    assert_eq!(bytes(film).await.unwrap(), pattern_of_stream(3_000_000));
    let echo = crate::common::request("POST", "/echo", stream(1_000_000));
    let echo = soon(gateway.link.send(echo)).await.unwrap();
    assert_eq!(bytes(echo).await.unwrap(), pattern_of_stream(1_000_000));
    let film = soon(gateway.link.send(get("/film"))).await.unwrap();
    peer.stop.cancel();
    let (film, end) = tokio::join!(bytes(film), peer.end());
    assert_eq!(film.unwrap().len(), 3_000_000);
    assert_eq!(end, LinkEnd::Closed);
    soon(gateway.link.ended()).await;
}

/// What [`stream`] gives.
fn pattern_of_stream(length: usize) -> bytes::Bytes {
    pattern(0, length)
}

#[tokio::test]
async fn our_peer_hears_that_a_visitor_left() {
    let gateway = TestGateway::start(Dialect::Second).await;
    let (tell, told) = tokio::sync::oneshot::channel();
    let tell = std::sync::Mutex::new(Some(tell));
    let site = handler(move |_| {
        let alarm = crate::common::Alarm(tell.lock().unwrap().take());
        async move {
            let body = endless(vec!["beginning".into()]);
            let body = http_body_util::BodyExt::map_frame(body, move |frame| {
                let _ = &alarm;
                frame
            });
            Response::new(transaction::boxed(body))
        }
    });
    let _peer = OurPeer::dial(gateway.socket_address, site).await;
    let response = soon(gateway.link.send(get("/"))).await.unwrap();
    drop(response);
    soon(told).await.unwrap();
}

#[tokio::test]
async fn our_peer_notices_that_its_session_is_over() {
    let gateway = TestGateway::start(Dialect::Second).await;
    let mut peer = OurPeer::dial(gateway.socket_address, idle()).await;
    assert!(soon(gateway.link.send(get("/ping"))).await.is_ok());
    gateway.session.end(Some(Farewell::Released));
    assert_eq!(peer.end().await, LinkEnd::Lost);
}

/// Who is told no before all of the upload is here hears it.
#[tokio::test]
async fn our_peer_can_answer_before_it_has_the_whole_request() {
    let gateway = TestGateway::start(Dialect::Second).await;
    let site = handler(|_| async {
        let mut response = Response::new(transaction::full("too large for me"));
        *response.status_mut() = http::StatusCode::PAYLOAD_TOO_LARGE;
        response
    });
    let _peer = OurPeer::dial(gateway.socket_address, site).await;
    for _ in 0..20 {
        let upload = crate::common::request("POST", "/", endless(vec!["beginning".into()]));
        let response = soon(gateway.link.send(upload)).await.unwrap();
        assert_eq!(response.status(), http::StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(bytes(response).await.unwrap(), "too large for me");
    }
}
