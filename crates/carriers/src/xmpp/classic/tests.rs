//! Both ends, with channels in the place of a server.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use crosstalk::{
    transaction::{self, Body, Handler},
    xmpp::{
        BareJid, Jid,
        classic::{self, Batch},
    },
};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, StreamBody};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Chat, Desk, MAX_REQUEST, MAX_SILENCE, MAX_WAITING,
    peer::serve_over,
    wire::{Events, Wire},
};
use crate::{
    Link, SendError,
    xmpp::arrivals::{Arrival, Arrivals, PresenceKind},
};

const PATIENCE: Duration = Duration::from_secs(20);

fn gateway() -> BareJid {
    BareJid::new("gateway@old.example").unwrap()
}

fn peer() -> BareJid {
    BareJid::new("peer@old.example").unwrap()
}

/// One end of a session, and the other end of its channels.
fn session(counterpart: &BareJid) -> (Wire, mpsc::Sender<Arrival>, mpsc::Receiver<Chat>) {
    let (say, arrivals) = mpsc::channel(64);
    let (sent, said) = mpsc::channel(64);
    let events = Events::new(Arrivals(arrivals), std::slice::from_ref(counterpart), None);
    (Wire { events, sent }, say, said)
}

fn chat(from: &str, thread: Option<&str>, body: &str) -> Arrival {
    let (from, thread) = (Jid::new(from).unwrap(), thread.map(str::to_owned));
    Arrival::Chat { from, thread, body: body.to_owned() }
}

/// A presence of the peer's session.
fn presence(kind: PresenceKind) -> Arrival {
    let from = Jid::new("peer@old.example/headstock-client1").unwrap();
    Arrival::Presence { from, kind }
}

fn passed_on(from: &BareJid, said: Chat) -> Arrival {
    chat(&format!("{from}/session"), said.thread.as_deref(), &said.body)
}

/// A gateway with one counterpart that the test plays itself.
struct Gateway {
    link: Link,
    say: mpsc::Sender<Arrival>,
    said: mpsc::Receiver<Chat>,
    _desk: Desk,
}

impl Gateway {
    async fn new() -> Self {
        let (wire, say, said) = session(&peer());
        let desk = Desk::over(wire, vec![peer()], &TaskTracker::new());
        say.send(presence(PresenceKind::Available)).await.unwrap();
        let link = within(desk.link(&peer())).await.unwrap();
        Self { link, say, said, _desk: desk }
    }

    /// Sends a request in a task.
    fn ask(&self, request: Request<Body>) -> JoinSet<Result<Response<Body>, SendError>> {
        let (mut asking, link) = (JoinSet::new(), self.link.clone());
        asking.spawn(async move { link.send(request).await });
        asking
    }

    /// Waits for a request without a body, and returns its name.
    async fn asked(&mut self) -> Batch {
        let chat = within(self.said.recv()).await.unwrap();
        let message = classic::Message::read(&chat.body).unwrap();
        assert!(message.request().unwrap().is_some());
        assert_eq!(chat.with, peer());
        let name = message.batch().unwrap().clone();
        assert_eq!(chat.thread.as_deref(), Some(name.as_str()));
        assert_eq!(within(self.said.recv()).await.unwrap().body, classic::end(&name));
        name
    }

    async fn answer(&self, thread: &str, body: &str) {
        let thread = (!thread.is_empty()).then_some(thread);
        self.say.send(chat("peer@old.example/a", thread, body)).await.unwrap();
    }
}

async fn within<F: Future>(future: F) -> F::Output {
    timeout(PATIENCE, future).await.expect("it takes too long")
}

fn get(path: &str) -> Request<Body> {
    let request = Request::get(path).header("host", "photos.example:8080");
    request.body(transaction::empty()).unwrap()
}

fn post(body: impl Into<Bytes>) -> Request<Body> {
    let body = transaction::full(body);
    Request::post("/form").header("host", "photos.example").body(body).unwrap()
}

async fn text(response: Response<Body>) -> (StatusCode, String) {
    let (head, body) = response.into_parts();
    let body = within(body.collect()).await.unwrap().to_bytes();
    (head.status, String::from_utf8(body.to_vec()).unwrap())
}

/// Both ends, with a handler at the peer's.
async fn world(handler: Handler) -> (Link, JoinSet<()>) {
    let (at_gateway, tell_gateway, mut from_gateway) = session(&peer());
    let (at_peer, tell_peer, mut from_peer) = session(&gateway());
    let mut tasks = JoinSet::new();
    let to_gateway = tell_gateway.clone();
    tasks.spawn(async move {
        while let Some(chat) = from_gateway.recv().await {
            assert_eq!(chat.with, peer());
            let _ = tell_peer.send(passed_on(&gateway(), chat)).await;
        }
    });
    tasks.spawn(async move {
        while let Some(chat) = from_peer.recv().await {
            assert_eq!(chat.with, gateway());
            let _ = to_gateway.send(passed_on(&peer(), chat)).await;
        }
    });
    tasks.spawn(async move {
        let host = HeaderValue::from_static("classic.invalid");
        let stop = CancellationToken::new();
        serve_over(at_peer, &gateway(), host, handler, stop, Duration::ZERO).await;
    });
    let desk = Desk::over(at_gateway, vec![peer()], &TaskTracker::new());
    tell_gateway.send(presence(PresenceKind::Available)).await.unwrap();
    let link = within(desk.link(&peer())).await.unwrap();
    (link, tasks)
}

fn handler<F, A>(answer: F) -> Handler
where
    F: Fn(Request<Body>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Response<Body>> + Send + 'static,
{
    Handler::new(tower::service_fn(move |request| {
        let answer = answer(request);
        async move { Ok::<_, Infallible>(answer.await) }
    }))
}

#[tokio::test]
async fn requests_and_answers_arrive_as_they_were() {
    let echo = handler(async |request: Request<Body>| {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let seen = format!("{} {} {:?} ", head.method, head.uri, head.headers["host"]);
        let body = [seen.as_bytes(), &body].concat();
        Response::builder()
            .header("set-cookie", "a=b; Path=/")
            .body(transaction::full(body))
            .unwrap()
    });
    let (link, _tasks) = world(echo).await;
    let response = within(link.send(get("/a?b=%2F?c"))).await.unwrap();
    assert_eq!(response.headers()["set-cookie"], "a=b; Path=/");
    let (status, said) = text(response).await;
    assert_eq!((status, &*said), (StatusCode::OK, "GET /a?b=%2F?c \"classic.invalid\" "));
    let form = "x=1&y=<&>\u{fc}\u{1f600}".repeat(20_000);
    let (_, said) = text(within(link.send(post(form.clone()))).await.unwrap()).await;
    assert_eq!(said, format!("POST /form \"classic.invalid\" {form}"));
}

#[tokio::test]
async fn long_text_arrives_and_the_head_of_it_too() {
    let long = "140 KB of text: \u{20ac}\n".repeat(8_000);
    let answer = long.clone();
    let site = handler(move |_| {
        let answer = answer.clone();
        async move {
            let response = Response::builder().header("content-length", answer.len());
            response.body(transaction::full(answer)).unwrap()
        }
    });
    let (link, _tasks) = world(site).await;
    let (_, said) = text(within(link.send(get("/"))).await.unwrap()).await;
    assert!(said == long);
    let mut head = get("/");
    *head.method_mut() = http::Method::HEAD;
    let response = within(link.send(head)).await.unwrap();
    assert_eq!(response.headers()["content-length"], long.len().to_string());
    assert_eq!(text(response).await, (StatusCode::OK, String::new()));
}

#[tokio::test]
async fn what_is_no_text_gets_a_page_that_says_so() {
    let site = handler(async |_| Response::new(transaction::full(&b"\x89PNG\r\n"[..])));
    let (link, _tasks) = world(site).await;
    let (status, page) = text(within(link.send(get("/a.png"))).await.unwrap()).await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    assert!(page.contains("only text"), "{page}");
}

#[tokio::test]
async fn what_turns_out_to_be_no_text_is_seen_as_a_cut() {
    let site = handler(async |_| {
        let frame = |bytes: &[u8]| Ok(http_body::Frame::data(Bytes::copy_from_slice(bytes)));
        let frames: [Result<_, transaction::BodyError>; 2] =
            [frame(&[b'a'; 300_000]), frame(b"\xff")];
        let body = StreamBody::new(futures_util::stream::iter(frames));
        let response = Response::builder().header("content-length", 300_001);
        response.body(transaction::boxed(body)).unwrap()
    });
    let (link, _tasks) = world(site).await;
    let response = within(link.send(get("/"))).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert!(within(response.into_body().collect()).await.is_err());
}

#[tokio::test]
async fn what_the_wire_cannot_say_is_refused_and_nothing_is_sent() {
    let mut world = Gateway::new().await;
    let mut put = post("x");
    *put.method_mut() = http::Method::PUT;
    let mut foreign = get("/");
    foreign.headers_mut().insert("x", HeaderValue::from_bytes(b"\xfc").unwrap());
    for (request, status, word) in [
        (put, StatusCode::NOT_IMPLEMENTED, "GET, HEAD and POST"),
        (post(&b"\x89PNG"[..]), StatusCode::NOT_IMPLEMENTED, "not text"),
        (post(&b"cut \xf0\x9f"[..]), StatusCode::NOT_IMPLEMENTED, "not text"),
        (foreign, StatusCode::NOT_IMPLEMENTED, "ASCII"),
    ] {
        let (answered, page) = text(within(world.link.send(request)).await.unwrap()).await;
        assert_eq!(answered, status);
        assert!(page.contains(word), "{page}");
    }
    let large = vec![b'a'; MAX_REQUEST + 1];
    assert!(matches!(within(world.link.send(post(large))).await, Err(SendError::TooLarge)));
    let mut websocket = get("/");
    for (name, value) in [("connection", "Upgrade"), ("upgrade", "websocket")] {
        websocket.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    let sent = within(world.link.send(websocket)).await;
    assert!(matches!(sent, Err(SendError::Unsupported)));
    assert!(world.said.try_recv().is_err(), "nothing was sent");
}

#[tokio::test]
async fn only_the_thread_of_the_request_is_believed() {
    let mut world = Gateway::new().await;
    let mut asking = world.ask(get("/"));
    let name = world.asked().await;
    let head = |text: &str, name: &Batch| {
        let head = Response::new(()).into_parts().0;
        classic::response(&head, text, name).unwrap()
    };
    let other = Batch::read("170").unwrap();
    // A guessed thread, none at all, and one that does not fit the batch in the message.
    world.answer("170", &head("guessed", &other)).await;
    world.answer("", &head("guessed", &other)).await;
    world.answer("170", &head("guessed", &name)).await;
    // Somebody else who knows it, even with an address that looks like the peer's.
    for other in ["other@old.example/x", "peer@old.example.evil.example", "old.example/peer"] {
        let answer = chat(other, Some(name.as_str()), &head("injected", &name));
        world.say.send(answer).await.unwrap();
    }
    world.answer("", "hello there").await;
    world.answer("170", "hello there").await;
    world.answer(name.as_str(), &head("true", &other)).await;
    world.answer("", &classic::end(&name)).await;
    let response = within(asking.join_next()).await.unwrap().unwrap().unwrap();
    assert_eq!(text(response).await, (StatusCode::OK, "true".to_owned()));
}

#[tokio::test]
async fn answers_of_all_kinds_end_the_wait() {
    let cut = None;
    let ended = |said: &str| Some(said.to_owned());
    let finish = r#"{"signal":"producerFinished"}"#;
    for (messages, expected) in [
        (vec![r#"{"statuscode":"200 OK","data":"a","signal":"producerFinished"}"#], ended("a")),
        (vec![r#"{"statuscode":404,"data":"a","complete":true}"#], ended("a")),
        (
            vec![r#"{"statuscode":"404"}"#, r#"{"data":"a"}"#, r#"{"data":"b"}"#, finish],
            ended("ab"),
        ),
        (vec![r#"{"statuscode":200,"length":3,"data":"ab"}"#, finish], cut.clone()),
        (
            vec![r#"{"statuscode":200,"data":"a"}"#, r#"{"signal":"shutdownMicroprocess"}"#],
            cut.clone(),
        ),
        (vec![r#"{"statuscode":200,"data":"a"}"#, r#"{"signal":"nobodyKnows"}"#], cut.clone()),
        (vec![r#"{"statuscode":200,"data":"a"}"#, r#"{"statuscode":200,"data":"b"}"#], cut.clone()),
        (vec![r#"{"statuscode":200,"data":"a"}"#, "broken"], cut),
    ] {
        let mut world = Gateway::new().await;
        let mut asking = world.ask(get("/"));
        let name = world.asked().await;
        for message in &messages {
            world.answer(name.as_str(), message).await;
        }
        let response = within(asking.join_next()).await.unwrap().unwrap();
        let body = match response {
            Ok(response) => within(response.into_body().collect()).await.ok(),
            Err(error) => {
                assert!(matches!(error, SendError::Lost(_)), "{error}");
                None
            }
        };
        let body = body.map(|body| String::from_utf8(body.to_bytes().to_vec()).unwrap());
        assert_eq!(body, expected, "{messages:?}");
    }
}

#[tokio::test]
async fn whoever_leaves_ends_what_was_asked() {
    let mut world = Gateway::new().await;
    let mut asking = world.ask(get("/"));
    world.asked().await;
    world.say.send(presence(PresenceKind::Unavailable)).await.unwrap();
    let lost = within(asking.join_next()).await.unwrap().unwrap();
    assert!(matches!(lost, Err(SendError::Lost(_))));
    within(world.link.ended()).await;
    // It comes back, with another link.
    let desk = world._desk.clone();
    world.say.send(presence(PresenceKind::Available)).await.unwrap();
    assert!(within(desk.link(&peer())).await.is_some());
    drop((world.say, world.said));
    assert!(within(desk.link(&peer())).await.is_none(), "the session has ended");
}

#[tokio::test]
async fn who_says_more_than_the_visitor_takes_is_cut() {
    let mut world = Gateway::new().await;
    let mut asking = world.ask(get("/"));
    let name = world.asked().await;
    let head = classic::response(&Response::new(()).into_parts().0, "a", &name).unwrap();
    world.answer(name.as_str(), &head).await;
    let response = within(asking.join_next()).await.unwrap().unwrap().unwrap();
    let more = classic::more(&"a".repeat(60_000), classic::Direction::Response, &name).unwrap();
    for _ in 0..=(MAX_WAITING + (1 << 20)) / 60_000 {
        world.answer(name.as_str(), &more).await;
    }
    assert!(within(response.into_body().collect()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn silence_is_a_cut() {
    let mut world = Gateway::new().await;
    let mut asking = world.ask(get("/"));
    let name = world.asked().await;
    let head = classic::response(&Response::new(()).into_parts().0, "a", &name).unwrap();
    world.answer(name.as_str(), &head).await;
    let response = asking.join_next().await.unwrap().unwrap().unwrap();
    let began = Instant::now();
    assert!(response.into_body().collect().await.is_err());
    assert!(began.elapsed() >= MAX_SILENCE - Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test]
async fn an_old_gateways_prefix_is_kept() {
    let site = handler(async |request: Request<Body>| {
        let seen = format!("{:?} {:?}", request.uri(), request.headers().get("forwarded"));
        Response::builder()
            .status(303)
            .header("location", "/clean")
            .header("set-cookie", "a=b; Path=/")
            .header("veranda-receipts", "1")
            .body(transaction::full(seen))
            .unwrap()
    });
    let (wire, say, mut said) = session(&gateway());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let host = HeaderValue::from_static("classic.invalid");
        let stop = CancellationToken::new();
        serve_over(wire, &gateway(), host, site, stop, Duration::ZERO).await;
    });
    let ask = async |with: BareJid, uri: &str| {
        let request = format!(
            r#"{{"REQUEST_METHOD":"GET","SCRIPT_NAME":"/mine","REQUEST_URI":"{uri}","REMOTE_ADDR":
            "192.0.2.7","HTTP_FORWARDED":"for=evil","HTTP_HOST":"veranda.invalid","batch":"170"}}"#
        );
        for body in [request, r#"{"signal":"producerFinished","batch":"170"}"#.to_owned()] {
            let thread = Some("something else");
            say.send(chat(with.as_str(), thread, &body)).await.unwrap();
        }
    };
    // Somebody else first, who gets no answer.
    ask(peer(), "/mine/other").await;
    for (uri, location, seen) in [
        ("/mine/s/x?y", "/mine/clean", "/s/x?y Some(\"for=192.0.2.7;host=\\\"\\\";proto=http\")"),
        ("/mine", "/mine/", ""),
    ] {
        ask(gateway(), uri).await;
        let chat = within(said.recv()).await.unwrap();
        assert_eq!(chat.thread.as_deref(), Some("170"), "it answers with the batch, as they do");
        let mut message = classic::Message::read(&chat.body).unwrap();
        let head = message.response().unwrap().unwrap().into_parts();
        assert_eq!(head.headers["location"], location);
        assert!(!head.headers.contains_key("veranda-receipts"));
        if !seen.is_empty() {
            assert_eq!(head.headers["set-cookie"], "a=b; Path=/mine");
        }
        assert_eq!(message.take_text(classic::Direction::Response).unwrap(), seen);
        let end = within(said.recv()).await.unwrap();
        assert_eq!(end.body, classic::end(&Batch::read("170").unwrap()));
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_no_whole_answer() {
    let site = handler(async |request: Request<Body>| {
        let length = if request.uri().path() == "/early" { 1 } else { 300_000 };
        let frames = [
            Ok(http_body::Frame::data(Bytes::from(vec![b'a'; length]))),
            Err(transaction::BodyError::from("broken")),
        ];
        let body = StreamBody::new(futures_util::stream::iter(frames));
        let response = Response::builder().header("content-length", 400_000);
        response.body(transaction::boxed(body)).unwrap()
    });
    let (link, _tasks) = world(site).await;
    let response = within(link.send(get("/early"))).await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    let response = within(link.send(get("/late"))).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert!(within(response.into_body().collect()).await.is_err());
}
