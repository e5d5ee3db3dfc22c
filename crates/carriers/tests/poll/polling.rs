//! Polls and acknowledgements: nothing is lost, nothing runs twice.

use carriers::SendError;
use crosstalk::{poll::Dialect, transaction::full};
use http::{StatusCode, header};
use serde_json::{Value, json};

use crate::{
    common::{bytes, get, request, soon},
    world::{Poller, TestGateway},
};

/// The head that a poll brought, alone.
fn only(objects: &[Value]) -> &Value {
    assert_eq!(objects.len(), 1, "{objects:?}");
    &objects[0]
}

fn id(object: &Value) -> String {
    object["message-id"].as_str().unwrap().to_owned()
}

fn answer(id: &str, body: &str) -> Value {
    json!({ "message-id": id, "status": 200, "headers": [["content-type", "text/plain"]], "body": body })
}

async fn gateway() -> (TestGateway, Poller) {
    let gateway = TestGateway::start(Dialect::Second).await;
    let peer = gateway.peer().await;
    (gateway, peer)
}

#[tokio::test]
async fn a_request_comes_in_a_poll_and_is_answered_by_a_post() {
    let (gateway, mut peer) = gateway().await;
    let visit = gateway.link.send(request("POST", "/a?b", full("hello")));
    let serve = async {
        let objects = peer.poll(&Value::Null).await;
        let head = only(&objects);
        assert_eq!((&head["seq"], &head["method"]), (&json!(0), &json!("POST")));
        assert_eq!((&head["request-uri"], &head["body"]), (&json!("/a?b"), &json!("hello")));
        assert_eq!(head.get("more"), None);
        let reply = peer.say(&answer(&id(head), "hi")).await;
        assert_eq!(reply.status, 200);
        assert!(reply.head.contains("content-type: application/json"), "{reply:?}");
        assert!(peer.look(&json!({ "ack": [format!("{}#0", id(head))] })).await.is_empty());
    };
    let (response, ()) = tokio::join!(soon(visit), serve);
    let response = response.unwrap();
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/plain");
    assert_eq!(bytes(response).await.unwrap(), "hi");
}

#[tokio::test]
async fn the_newest_poll_wins() {
    let (gateway, mut older) = gateway().await;
    let mut newer = gateway.peer().await;
    older.send("wait=20", "").await;
    newer.send("wait=20", "").await;
    // Which one is the newer one is for the gateway to say: it answers the other.
    let (reply, mut waiting) = tokio::select! {
        reply = older.answer() => (reply, newer),
        reply = newer.answer() => (reply, older),
    };
    assert_eq!((reply.status, reply.body.as_str()), (204, ""));
    let visit = gateway.link.send(get("/"));
    let serve = async {
        let reply = waiting.answer().await;
        let objects = reply.json();
        let id = id(&objects[0]);
        assert_eq!(waiting.say(&answer(&id, "x")).await.status, 200);
    };
    let (response, ()) = tokio::join!(soon(visit), serve);
    assert_eq!(bytes(response.unwrap()).await.unwrap(), "x");
}

/// The answer that had the head left, and nobody knows whether it arrived: a POST would run twice.
#[tokio::test]
async fn a_head_that_left_and_was_not_acknowledged_is_never_sent_again() {
    for acknowledges in [false, true] {
        let (gateway, mut peer) = gateway().await;
        let visit = gateway.link.send(request("POST", "/order", full("one film")));
        let lose = async {
            let objects = peer.poll(&Value::Null).await;
            let id = id(only(&objects));
            drop(peer);
            let mut peer = gateway.peer().await;
            if acknowledges {
                let ack = json!({ "ack": [format!("{id}#0")] });
                assert!(peer.look(&ack).await.is_empty());
                assert!(peer.look(&Value::Null).await.is_empty());
                assert_eq!(peer.say(&answer(&id, "done")).await.status, 200);
            } else {
                let told = peer.poll(&Value::Null).await;
                let told = only(&told);
                assert_eq!((&told["abort"], &told["message-id"]), (&json!("failed"), &json!(id)));
                let late = peer.say(&answer(&id, "done")).await;
                assert_eq!(late.json()["gone"], json!([id]), "{late:?}");
            }
            assert!(peer.look(&Value::Null).await.is_empty());
        };
        let (response, ()) = tokio::join!(soon(visit), lose);
        match response {
            Ok(response) => {
                assert!(acknowledges);
                assert_eq!(bytes(response).await.unwrap(), "done");
            }
            Err(error) => {
                assert!(!acknowledges);
                assert!(matches!(error, SendError::Lost(_)), "{error:?}");
            }
        }
    }
}

/// A poll that ends before there is anything to say loses nothing.
#[tokio::test]
async fn a_poll_that_broke_before_its_answer_loses_nothing() {
    let (gateway, mut peer) = gateway().await;
    peer.send("ptth-json=2, wait=20", "").await;
    drop(peer);
    let visit = gateway.link.send(get("/"));
    let serve = async {
        let mut peer = gateway.peer().await;
        let mut objects = Vec::new();
        while objects.is_empty() {
            objects = peer.poll(&Value::Null).await;
        }
        let id = id(only(&objects));
        assert_eq!(peer.say(&answer(&id, "x")).await.status, 200);
    };
    let (response, ()) = tokio::join!(soon(visit), serve);
    // The gateway may have written it to the first poll before it knew that nobody reads; then it
    // says so, and the second poll would have brought an abort.
    if let Ok(response) = response {
        assert_eq!(bytes(response).await.unwrap(), "x");
    }
}

#[tokio::test]
async fn chunks_are_sent_again_until_they_are_acknowledged() {
    let (gateway, mut peer) = gateway().await;
    let whole = crate::common::pattern(0, 150_000);
    let visit = gateway.link.send(request("PUT", "/file", full(whole.clone())));
    let serve = async {
        let (mut got, mut acks, mut name) = (Vec::new(), Vec::new(), String::new());
        let mut more = true;
        while more {
            for object in peer.poll(&json!({ "ack": acks })).await {
                name = id(&object);
                // Every object is acknowledged but those of the body.
                if object["seq"] == 0 {
                    acks.push(format!("{name}#0"));
                    got = decoded(&object);
                } else if object["seq"] == 1 && got.len() == 64 * 1024 {
                    got.extend(decoded(&object));
                } else if object["seq"] == 2 && got.len() == 128 * 1024 {
                    got.extend(decoded(&object));
                    more = object["more"].as_bool().unwrap_or(false);
                }
            }
        }
        assert_eq!(got, whole);
        let again = peer.poll(&json!({ "ack": acks })).await;
        let seqs: Vec<&Value> = again.iter().map(|object| &object["seq"]).collect();
        assert_eq!(seqs, [1, 2]);
        let again = peer.poll(&json!({ "ack": [format!("{name}#1")] })).await;
        assert_eq!(only(&again)["seq"], 2);
        assert!(peer.look(&json!({ "ack": [format!("{name}#2")] })).await.is_empty());
        assert_eq!(peer.say(&answer(&name, "stored")).await.status, 200);
    };
    let (response, ()) = tokio::join!(soon(visit), serve);
    assert_eq!(bytes(response.unwrap()).await.unwrap(), "stored");
}

pub(crate) fn decoded(object: &Value) -> Vec<u8> {
    use base64::Engine as _;
    let body = object["body"].as_str().unwrap_or_default();
    match object["body-encoding"].as_str() {
        None => body.as_bytes().to_vec(),
        Some(encoding) => {
            assert_eq!(encoding, "base64");
            base64::prelude::BASE64_STANDARD.decode(body).unwrap()
        }
    }
}

#[tokio::test]
async fn answers_that_come_twice_early_or_for_nobody_harm_nobody() {
    let (gateway, mut peer) = gateway().await;
    let unknown = peer.say(&answer("77", "x")).await;
    assert_eq!((unknown.status, &unknown.json()["gone"]), (200, &json!(["77"])));
    for name in ["+2", "02", "2 ", "two"] {
        assert_eq!(peer.say(&answer(name, "x")).await.json()["gone"], json!([name]));
    }
    let visit = gateway.link.send(get("/"));
    let serve = async {
        let objects = peer.poll(&Value::Null).await;
        let id = id(only(&objects));
        let chunk = |seq: u64, more: bool| json!({ "message-id": id, "seq": seq, "body": seq.to_string(), "more": more });
        let early = peer.say(&chunk(1, false)).await;
        assert_eq!(early.status, 409, "{early:?}");
        let mut head = answer(&id, "0");
        head["more"] = json!(true);
        for _ in 0..2 {
            assert_eq!(peer.say(&head).await.status, 200);
        }
        let early = peer.say(&json!([chunk(2, false), chunk(1, true)])).await;
        assert_eq!(early.status, 409, "{early:?}");
        for _ in 0..2 {
            assert_eq!(peer.say(&chunk(1, true)).await.status, 200);
        }
        let both = peer.say(&json!([chunk(1, true), chunk(2, false)])).await;
        assert_eq!(both.status, 200, "{both:?}");
        assert_eq!(peer.say(&chunk(2, false)).await.status, 200);
    };
    let (response, ()) = tokio::join!(soon(visit), serve);
    assert_eq!(bytes(response.unwrap()).await.unwrap(), "012");
}

#[tokio::test]
async fn hostile_json_is_refused_and_the_session_goes_on() {
    let (gateway, mut peer) = gateway().await;
    for (body, status) in [
        ("{'message-id': '2'}".to_owned(), 400),
        ("{".to_owned(), 400),
        ("[".repeat(100_000), 400),
        (r#"{"message-id":"2","message-id":"4","status":200}"#.to_owned(), 400),
        (r#"{"message-id":"2","status":200,"method":"GET"}"#.to_owned(), 400),
        (r#"{"message-id":"2","method":"GET","request-uri":"/"}"#.to_owned(), 400),
        (r#"{"message-id":"2","status":200,"headers":[["a","b\r\nc: d"]]}"#.to_owned(), 400),
        (format!("[{}{{}}]", "{},".repeat(600)), 400),
        (format!(r#"{{"message-id":"2","status":200,"body":"{}"}}"#, "x".repeat(300_000)), 413),
    ] {
        let reply = peer.post("ptth-json=2", &body).await;
        assert_eq!(reply.status, status, "{}", &body[..body.len().min(80)]);
        assert!(reply.json()["sentence"].is_string(), "{reply:?}");
    }
    let mut other = gateway.peer().await;
    other.send("ptth-json=2", &" ".repeat(2 * 1024 * 1024 + 1)).await;
    assert_eq!(other.answer().await.status, 413);
    assert!(peer.look(&Value::Null).await.is_empty());
    assert!(gateway.link.is_open());
}

#[tokio::test]
async fn a_peer_may_say_no_and_a_visitor_may_leave() {
    let (gateway, mut peer) = gateway().await;
    let visit = gateway.link.send(get("/"));
    let refuse = async {
        let objects = peer.poll(&Value::Null).await;
        let id = id(only(&objects));
        let said = peer.say(&json!({ "message-id": id, "abort": "failed" })).await;
        assert_eq!((said.status, said.body.as_str()), (200, "{}"));
    };
    let (response, ()) = tokio::join!(soon(visit), refuse);
    assert!(matches!(response, Err(SendError::Lost(_))), "{response:?}");

    // One who leaves before any poll was never there.
    let early = tokio::time::timeout(std::time::Duration::ZERO, gateway.link.send(get("/early")));
    assert!(early.await.is_err());
    assert!(peer.look(&Value::Null).await.is_empty());

    let (leave, left) = tokio::sync::oneshot::channel::<()>();
    let visit = async {
        tokio::select! {
            answered = gateway.link.send(get("/")) => panic!("{answered:?}"),
            _ = left => {}
        }
    };
    let watch = async {
        let objects = peer.poll(&Value::Null).await;
        let name = id(only(&objects));
        leave.send(()).unwrap();
        let told = peer.poll(&json!({ "ack": [format!("{name}#0")] })).await;
        let told = only(&told);
        assert_eq!((&told["abort"], id(told)), (&json!("cancelled"), name.clone()));
        assert_eq!(peer.say(&answer(&name, "x")).await.json()["gone"], json!([name]));
    };
    tokio::join!(visit, watch);
}

#[tokio::test]
async fn a_status_that_cannot_be_passed_on_is_an_error_of_the_peer() {
    let (gateway, mut peer) = gateway().await;
    for status in [100, 101] {
        let visit = gateway.link.send(get("/"));
        let serve = async {
            let objects = peer.poll(&Value::Null).await;
            let id = id(objects.last().unwrap());
            let reply = peer.say(&json!({ "message-id": id, "status": status })).await;
            assert_eq!(reply.json()["gone"], json!([id]));
        };
        let (response, ()) = tokio::join!(soon(visit), serve);
        assert!(matches!(response, Err(SendError::Lost(_))), "{response:?}");
    }
}

#[tokio::test]
async fn websockets_are_not_carried() {
    let (gateway, _peer) = gateway().await;
    let mut upgrade = get("/socket");
    for (name, value) in [("connection", "Upgrade"), ("upgrade", "websocket")] {
        upgrade.headers_mut().insert(name, value.parse().unwrap());
    }
    let refused = soon(gateway.link.send(upgrade)).await;
    assert!(matches!(refused, Err(SendError::Unsupported)), "{refused:?}");
}

#[tokio::test]
async fn many_visitors_come_in_one_poll() {
    let (gateway, mut peer) = gateway().await;
    let visits = futures_util::future::join_all(
        (0..40).map(|n| gateway.link.send(get(&format!("/{n}")))).map(soon),
    );
    let serve = async {
        let (mut acks, mut answered, mut polls) = (Vec::new(), 0, 0);
        while answered < 40 {
            let objects = peer.poll(&json!({ "ack": acks })).await;
            acks = objects.iter().map(|object| format!("{}#0", id(object))).collect();
            let answers: Vec<Value> = objects
                .iter()
                .map(|object| answer(&id(object), object["request-uri"].as_str().unwrap()))
                .collect();
            answered += answers.len();
            polls += 1;
            assert_eq!(peer.say(&json!(answers)).await.status, 200);
        }
        assert!(polls < 10, "{polls} polls");
    };
    let (responses, ()) = tokio::join!(visits, serve);
    for (n, response) in responses.into_iter().enumerate() {
        let response = response.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(bytes(response).await.unwrap(), format!("/{n}"));
    }
}
