//! Our peer at gateways made of bytes.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use carriers::{Carrier, DialError, DialOptions, Served, Timing, poll::dial, tls::Roots};
use crosstalk::{address::GatewayAddress, transaction::full};
use http::Response;
use serde_json::{Value, json};
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
    time::Duration,
};
use tokio_util::sync::CancellationToken;

use crate::{
    common::{handler, soon},
    world::read_message,
};

/// A gateway that answers each POST as the test says.
struct Scripted {
    address: GatewayAddress,
    _accepting: JoinSet<()>,
}

type Script = dyn Fn(&str, &str) -> String + Send + Sync;

impl Scripted {
    async fn start(script: impl Fn(&str, &str) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = GatewayAddress::parse(&format!("http://{}", listener.local_addr().unwrap()));
        let script: Arc<Script> = Arc::new(script);
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                connections.spawn(converse(socket, Arc::clone(&script)));
            }
        });
        Self { address: address.unwrap(), _accepting: accepting }
    }

    async fn dial(&self) -> Result<Served, DialError> {
        let options = DialOptions {
            gateway: self.address.clone(),
            proof: "proof".to_owned(),
            label: Some("photos".parse().unwrap()),
            roots: Roots::System,
            account: None,
            invite: None,
        };
        soon(dial::dial_with(&options, Timing::default())).await
    }
}

async fn converse(mut socket: TcpStream, script: Arc<Script>) {
    while let Some(request) = read_message(&mut socket).await {
        let request = String::from_utf8(request).unwrap();
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let answer = script(&head.to_ascii_lowercase(), body);
        if answer.is_empty() {
            return;
        }
        if socket.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}\r\n{body}")
}

const SESSION: &str = "Ptth-Session: abcdefghijklmnopqrstuv\r\n";

#[tokio::test]
async fn what_is_no_gateway_is_told_from_one_that_refuses() {
    for (status, headers, body, expected) in [
        ("200 OK", "Content-Type: text/html\r\n", "<h1>Welcome to the hotel</h1>", "no gateway"),
        ("204 No Content", "", "", "no gateway"),
        ("200 OK", SESSION, "<h1>Welcome</h1>", "no gateway"),
        ("302 Found", "Location: http://127.0.0.1:1/\r\n", "", "no gateway"),
        ("308 Permanent Redirect", "Location: http://127.0.0.1:1/\r\n", "", "moved"),
        ("426 Upgrade Required", "", "", "UpgradeRequired"),
        ("401 Unauthorized", "", "", "Unknown"),
        ("409 Conflict", "", r#"{"reason":"taken","sentence":"it is\nsomebody's"}"#, "Taken"),
        ("503 Service Unavailable", "Retry-After: 7\r\n", "", "Unknown"),
    ] {
        let reply = answer(status, headers, body);
        let gateway = Scripted::start(move |head, body| {
            assert!(head.starts_with("post /ptth/photos http/1.1\r\n"), "{head}");
            assert!(head.contains("\r\nauthorization: bearer proof"), "{head}");
            assert!(head.contains("\r\nprefer: ptth-json=2, wait=0"), "{head}");
            assert!(!head.contains("\r\nupgrade:") && body.is_empty(), "{head}");
            reply.clone()
        });
        let got = match gateway.await.dial().await {
            Ok(served) => format!("linked by {}", served.carrier()),
            Err(DialError::NotAGateway) => "no gateway".to_owned(),
            Err(DialError::Moved(_)) => "moved".to_owned(),
            Err(DialError::Refused { refused, retry_after, .. }) => {
                assert!(!refused.sentence.contains('\n'));
                assert_eq!(retry_after.is_some(), status.starts_with("503"));
                format!("{:?}", refused.reason)
            }
            Err(error) => panic!("{status}: {error}"),
        };
        assert_eq!(got, expected, "{status}");
    }
}

/// Whatever comes twice runs once, and is acknowledged each time.
#[tokio::test]
async fn a_request_that_comes_twice_runs_once() {
    let (told, mut posts) = mpsc::channel::<Value>(64);
    let polls = AtomicUsize::new(0);
    let gateway = Scripted::start(move |head, body| {
        if head.contains("authorization") {
            return answer("204 No Content", SESSION, "");
        }
        assert!(head.contains("\r\nptth-session: abcdefghijklmnopqrstuv"), "{head}");
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        // Polls that say nothing would fill the channel.
        if body.is_array() || body.get("ack").is_some() {
            told.try_send(body.clone()).unwrap();
        }
        if body.is_array() {
            return answer("200 OK", "", "{}");
        }
        let request = json!({ "message-id": "an id of theirs", "seq": 0, "method": "POST",
            "request-uri": "/order", "headers": [["host", "a"]], "body": "one ", "more": true });
        let rest = json!({ "message-id": "an id of theirs", "seq": 4, "body": "film" });
        let objects = match polls.fetch_add(1, Ordering::SeqCst) {
            0 => json!([request, request]),
            // Nobody knows whether this answer arrives.
            1 => return String::new(),
            2 => json!([request, rest, rest]),
            3 => json!([rest, request]),
            _ => return answer("204 No Content", "", ""),
        };
        answer("200 OK", "Content-Type: application/json\r\n", &objects.to_string())
    });
    let served = gateway.await;
    let link = served.dial().await.unwrap();
    assert_eq!(link.carrier(), Carrier::Poll);
    let orders = Arc::new(Mutex::new(Vec::new()));
    let taken = Arc::clone(&orders);
    let site = handler(move |request| {
        let taken = Arc::clone(&taken);
        async move {
            let order = http_body_util::BodyExt::collect(request.into_body()).await.unwrap();
            taken.lock().unwrap().push(order.to_bytes());
            Response::new(full("thank you"))
        }
    });
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let mut running = JoinSet::new();
    running.spawn(async move { link.run(site, stopped, Duration::ZERO).await });
    let (head, rest) = ("an id of theirs#0", "an id of theirs#4");
    let (mut answered, mut acks) = (0, Vec::new());
    while answered == 0 || acks.iter().filter(|ack| **ack == rest).count() < 3 {
        let post = soon(posts.recv()).await.unwrap();
        for object in post.as_array().into_iter().flatten() {
            if object["status"] == 200 {
                assert_eq!(object["message-id"], "an id of theirs");
                assert_eq!(object["body"], "thank you");
                answered += 1;
            }
        }
        acks.extend(post["ack"].as_array().cloned().unwrap_or_default());
    }
    // The poll that got no answer was made again, with the same words.
    assert_eq!(acks[..4], [head, head, head, head]);
    assert_eq!(answered, 1);
    assert_eq!(*orders.lock().unwrap(), ["one film"]);
    stop.cancel();
    soon(running.join_next()).await.unwrap().unwrap();
}

/// A page of somebody in between is no answer of the gateway's.
#[tokio::test]
async fn an_answer_that_went_to_somebody_in_between_is_sent_again() {
    let (told, mut posts) = mpsc::channel::<String>(64);
    let (polls, answers) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let gateway = Scripted::start(move |head, body| {
        if head.contains("authorization") {
            return answer("204 No Content", SESSION, "");
        }
        let hotel = answer("200 OK", "Content-Type: text/html\r\n", "<h1>Welcome</h1>");
        if body.starts_with('[') {
            let _ = told.try_send(body.to_owned());
            let is_first = answers.fetch_add(1, Ordering::SeqCst) == 0;
            return if is_first { hotel } else { answer("200 OK", "", "{}") };
        }
        let request = json!([{ "message-id": "2", "seq": 0, "method": "GET", "request-uri": "/",
            "headers": [] }]);
        match polls.fetch_add(1, Ordering::SeqCst) {
            0 => hotel,
            1 => answer("200 OK", "", &request.to_string()),
            _ => answer("204 No Content", "", ""),
        }
    });
    let gateway = gateway.await;
    let link = gateway.dial().await.unwrap();
    let site = handler(|_| async { Response::new(full("hello")) });
    let mut running = JoinSet::new();
    running.spawn(async move { link.run(site, CancellationToken::new(), Duration::ZERO).await });
    let first = soon(posts.recv()).await.unwrap();
    assert!(first.contains("hello"), "{first}");
    assert_eq!(soon(posts.recv()).await.unwrap(), first);
}
