//! Bodies: classic ones are whole and text, others flow.

use carriers::SendError;
use crosstalk::{
    poll::{Dialect, MAX_CLASSIC_BODY},
    transaction::full,
};
use http::header;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use crate::{
    common::{bytes, endless, get, pattern, request, soon, stream},
    polling::decoded,
    world::TestGateway,
};

const WINDOW: usize = 256 * 1024;

#[tokio::test]
async fn classic_requests_are_whole_and_text() {
    let gateway = TestGateway::start(Dialect::Classic).await;
    let mut peer = gateway.peer().await;
    let text = "grüße, ".repeat(100_000);
    let visit = gateway.link.send(request("POST", "/", stream_of(&text)));
    let serve = async {
        let object = peer.post("wait=5", "").await.json();
        assert_eq!(object["body"], json!(text));
        assert_eq!((object.get("seq"), object.get("more")), (None, None));
        let id = object["message-id"].as_str().unwrap();
        // The length is one of characters, as scripts have it.
        let answer = json!({ "message-id": id, "http-version": "PTTH/1.0", "status": "200", "reason": "OK",
            "headers": [["Content-Length", "4"], ["Connection", "close"]], "body": "grün" });
        let reply = peer.post("", &answer.to_string()).await;
        assert_eq!((reply.status, reply.body.as_str()), (200, "{}"));
        // To send it again is to answer nobody.
        assert_eq!(peer.post("", &answer.to_string()).await.status, 404);
    };
    let (response, ()) = tokio::join!(soon(visit), serve);
    let response = response.unwrap();
    assert_eq!(response.headers()[header::CONTENT_LENGTH], "5");
    assert!(!response.headers().contains_key(header::CONNECTION));
    assert_eq!(bytes(response).await.unwrap(), "grün");
}

fn stream_of(text: &str) -> crosstalk::transaction::Body {
    let pieces: Vec<_> = text
        .as_bytes()
        .chunks(10_000)
        .map(|piece| {
            Ok::<_, std::convert::Infallible>(hyper::body::Frame::data(piece.to_vec().into()))
        })
        .collect();
    crosstalk::transaction::boxed(http_body_util::StreamBody::new(futures_util::stream::iter(
        pieces,
    )))
}

#[tokio::test]
async fn what_a_classic_peer_cannot_get_is_refused() {
    let gateway = TestGateway::start(Dialect::Classic).await;
    let refused = soon(gateway.link.send(request("POST", "/", full(&b"a\xffb"[..])))).await;
    assert!(matches!(refused, Err(SendError::Unsupported)), "{refused:?}");
    let large = soon(gateway.link.send(request("POST", "/", stream(MAX_CLASSIC_BODY + 1)))).await;
    assert!(matches!(large, Err(SendError::TooLarge)), "{large:?}");
    let mut announced = request("POST", "/", endless(vec!["a".into()]));
    announced.headers_mut().insert(header::CONTENT_LENGTH, (MAX_CLASSIC_BODY + 1).into());
    let large = soon(gateway.link.send(announced)).await;
    assert!(matches!(large, Err(SendError::TooLarge)), "{large:?}");
    let mut peer = gateway.peer().await;
    assert_eq!(peer.post("wait=0", "").await.status, 204);
}

#[tokio::test]
async fn a_classic_answer_to_head_keeps_its_length() {
    let gateway = TestGateway::start(Dialect::Classic).await;
    let mut peer = gateway.peer().await;
    let visit = gateway.link.send(request("HEAD", "/", crosstalk::transaction::empty()));
    let serve = async {
        let object = peer.post("wait=5", "").await.json();
        let answer = json!({ "message-id": object["message-id"], "status": 200,
            "headers": [["Content-Length", "123456"]], "body": "" });
        assert_eq!(peer.post("", &answer.to_string()).await.status, 200);
    };
    let (response, ()) = tokio::join!(soon(visit), serve);
    assert_eq!(response.unwrap().headers()[header::CONTENT_LENGTH], "123456");
}

/// The peer says how much it took; without that no more than a window comes.
#[tokio::test]
async fn uploads_wait_until_the_peer_took_them() {
    let gateway = TestGateway::start(Dialect::Second).await;
    let mut peer = gateway.peer().await;
    let whole = pattern(0, 3 * WINDOW + 5);
    let visit = gateway.link.send(request("PUT", "/", full(whole.clone())));
    let serve = async {
        let (mut got, mut acks, mut id, mut more) = (Vec::new(), Vec::new(), String::new(), true);
        let mut taken = 0;
        while more {
            let mut report = json!({ "ack": acks, "taken": {} });
            if taken > 0 {
                report["taken"][&id] = json!(taken);
            }
            let objects = peer.post("ptth-json=2, wait=1", &report.to_string()).await;
            acks = Vec::new();
            if objects.status == 204 {
                assert_eq!(got.len(), taken + WINDOW, "it stopped before its window was full");
                taken = got.len();
                continue;
            }
            for object in objects.json().as_array().unwrap() {
                id = object["message-id"].as_str().unwrap().to_owned();
                acks.push(format!("{id}#{}", object["seq"]));
                got.extend(decoded(object));
                more = object["more"].as_bool().unwrap_or(false);
            }
            assert!(got.len() <= taken + WINDOW, "more than the window");
        }
        assert_eq!(got, whole);
        // It may be said twice, and it may be said in a POST that is no poll.
        for _ in 0..2 {
            let said = peer.say(&json!({ "message-id": id, "taken": got.len() })).await;
            assert_eq!((said.status, said.body.as_str()), (200, "{}"));
        }
        let answer = json!({ "message-id": id, "status": 201 });
        assert_eq!(peer.say(&answer).await.status, 200);
    };
    let (response, ()) = tokio::join!(soon(visit), serve);
    assert_eq!(response.unwrap().status(), 201);
}

#[tokio::test]
async fn a_stalled_visitor_costs_one_window_and_holds_up_nobody() {
    let gateway = TestGateway::start(Dialect::Second).await;
    let mut peer = gateway.peer().await;
    let chunk = "x".repeat(WINDOW / 2);
    let visit = gateway.link.send(get("/film"));
    let begin = async {
        let objects = peer.poll(&Value::Null).await;
        let id = objects[0]["message-id"].as_str().unwrap().to_owned();
        let head = json!({ "message-id": id, "status": 200, "body": chunk, "more": true });
        assert_eq!(peer.say(&head).await.status, 200);
        id
    };
    let (response, id) = tokio::join!(soon(visit), begin);
    let mut film = response.unwrap().into_body();

    let more = json!({ "message-id": id, "seq": 1, "body": chunk, "more": true });
    let held = std::time::Instant::now();
    let reply = peer.post("ptth-json=2, wait=1", &more.to_string()).await;
    assert!(held.elapsed() >= std::time::Duration::from_secs(1), "there is no room");
    assert_eq!(reply.json()["taken"][&id], json!(0));

    // Somebody else comes and goes meanwhile.
    let visit = gateway.link.send(get("/page"));
    let serve = async {
        let objects = peer.poll(&Value::Null).await;
        let name = &objects[0]["message-id"];
        assert_ne!(name, &json!(id));
        let answer = json!({ "message-id": name, "status": 200, "body": "page" });
        assert_eq!(peer.say(&answer).await.status, 200);
    };
    let (response, ()) = tokio::join!(soon(visit), serve);
    assert_eq!(bytes(response.unwrap()).await.unwrap(), "page");

    // He reads on: the peer is told in its next poll, and goes on.
    let mut read = 0;
    while read < WINDOW {
        read += soon(film.frame()).await.unwrap().unwrap().into_data().unwrap().len();
    }
    let mut taken = 0;
    let mut acks = Vec::new();
    while taken < WINDOW as u64 / 2 {
        for object in peer.poll(&json!({ "ack": acks })).await {
            acks.push(format!("{}#{}", object["message-id"].as_str().unwrap(), object["seq"]));
            taken = object["taken"].as_u64().unwrap_or(taken);
        }
    }
    let last = json!({ "message-id": id, "seq": 2, "body": "end" });
    assert_eq!(peer.say(&last).await.status, 200);
    assert_eq!(soon(film.collect()).await.unwrap().to_bytes(), "end");
}

#[tokio::test]
async fn more_than_the_window_ends_the_transaction_and_nothing_else() {
    let gateway = TestGateway::start(Dialect::Second).await;
    let mut peer = gateway.peer().await;
    let chunk = "x".repeat(WINDOW);
    let visit = gateway.link.send(get("/film"));
    let serve = async {
        let objects = peer.poll(&Value::Null).await;
        let id = objects[0]["message-id"].clone();
        let head = json!({ "message-id": id, "status": 200, "body": chunk, "more": true });
        assert_eq!(peer.say(&head).await.status, 200);
        id
    };
    let (response, id) = tokio::join!(soon(visit), serve);
    let response = response.unwrap();
    let more = json!({ "message-id": id, "seq": 1, "body": "x", "more": true });
    assert_eq!(peer.say(&more).await.json()["gone"], json!([id]));
    assert!(bytes(response).await.is_err(), "a body that was cut looks complete");
    assert!(gateway.link.is_open());
}
