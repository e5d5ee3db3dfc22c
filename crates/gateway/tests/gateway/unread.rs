//! Uploads that nobody reads, from visitors who send all of them before they look for the answer.

use std::time::Duration;

use crosstalk::{limits::STREAM_WINDOW, proof::PrivateKey};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{
    polls::{Poller, begin},
    world::{World, soon},
};

/// More than what may be under way to a peer, less than what is thrown away.
const UPLOAD: usize = 3_000_000;

/// Sends an upload, all of it, and after it another request on the same connection; then reads what is
/// answered, and returns the statuses.
async fn visit(world: &World, host: &str) -> Vec<String> {
    let mut visitor = world.connect().await;
    let head = format!("POST / HTTP/1.1\r\nhost: {host}\r\ncontent-length: {UPLOAD}\r\n\r\n");
    let next = format!("GET /next HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    for bytes in [head.as_bytes(), &vec![b'x'; UPLOAD], next.as_bytes()] {
        visitor.write_all(bytes).await.unwrap();
    }
    let mut answers = String::new();
    visitor.read_to_string(&mut answers).await.unwrap();
    answers.split("HTTP/1.1 ").skip(1).map(|answer| answer[..3].to_owned()).collect()
}

#[tokio::test]
async fn the_gateways_own_answers_arrive() {
    let world = World::start().await;
    let own = world.origin.split_once("://").unwrap().1;
    for (host, status) in [
        ("nobody.localhost", ["404", "404"]),
        ("elsewhere.example", ["421", "421"]),
        (own, ["405", "404"]),
    ] {
        assert_eq!(soon(visit(&world, host)).await, status, "{host}");
    }
    world.end().await;
}

/// A peer that polls, as a browser tab is one: it answers and reads nothing.
struct Tab {
    poller: Poller,
    session: String,
    /// What the next poll acknowledges.
    came: Vec<String>,
}

impl Tab {
    async fn link(world: &World) -> Self {
        let mut poller = Poller::new(world, "/ptth/photos").await;
        let session = begin(world, &mut poller, &PrivateKey::generate()).await;
        Self { poller, session, came: Vec::new() }
    }

    async fn ask(&mut self, wait: u64) {
        let ack = json!({ "ack": std::mem::take(&mut self.came) }).to_string();
        self.poller.send(&format!("{}Prefer: wait={wait}\r\n", self.session), &ack).await;
    }

    /// Returns what came; nothing after the time that was asked for.
    async fn hear(&mut self) -> Vec<Value> {
        let reply = self.poller.answer().await;
        assert!([200, 204].contains(&reply.status), "{reply:?}");
        let objects = reply.json().as_array().cloned().unwrap_or_default();
        let names = objects
            .iter()
            .map(|object| format!("{}#{}", object["message-id"].as_str().unwrap(), object["seq"]));
        self.came.extend(names);
        objects
    }

    /// Polls until something like this comes.
    async fn until(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        loop {
            self.ask(5).await;
            if let Some(object) = self.hear().await.into_iter().find(|object| fits(object)) {
                return object;
            }
        }
    }

    async fn say(&mut self, object: &Value) {
        let session = self.session.clone();
        let reply = self.poller.post(&session, &object.to_string()).await;
        assert_eq!(reply.status, 200, "{reply:?}");
    }

    async fn answer(&mut self, request: &Value, status: u16) {
        let headers = json!([["content-length", "0"]]);
        let id = &request["message-id"];
        self.say(&json!({ "message-id": id, "seq": 0, "status": status, "headers": headers }))
            .await;
    }
}

#[tokio::test]
async fn a_peer_that_wants_no_more_says_so_and_its_visitor_goes_on() {
    let world = World::start().await;
    let mut tab = Tab::link(&world).await;
    let serve = async {
        let upload = tab.until(|object| object["method"] == "POST").await;
        assert_eq!(upload["more"], true);
        tab.answer(&upload, 405).await;
        tab.say(&json!({ "message-id": upload["message-id"], "abort": "cancelled" })).await;
        let next = tab.until(|object| object["request-uri"] == "/next").await;
        tab.answer(&next, 204).await;
    };
    let (replies, ()) =
        soon(async { tokio::join!(visit(&world, "photos.localhost"), serve) }).await;
    assert_eq!(replies, ["405", "204"]);
    world.end().await;
}

#[tokio::test]
async fn a_peer_that_takes_nothing_for_long_is_asked_no_more() {
    let world = World::start().await;
    let mut tab = Tab::link(&world).await;
    let serve = async {
        let mut upload = Value::Null;
        let mut window = STREAM_WINDOW as usize;
        while window > 0 {
            tab.ask(5).await;
            for object in tab.hear().await {
                window -= object["body"].as_str().unwrap_or_default().len();
                if object["method"] == "POST" {
                    upload = object;
                }
            }
        }
        tab.answer(&upload, 405).await;
        tab.ask(25).await;
        tokio::time::pause();
        for _ in 0..20 {
            tokio::time::advance(Duration::from_secs(1)).await;
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
        }
        tokio::time::resume();
        let mut heard = tab.hear().await;
        assert_eq!(heard.remove(0)["abort"], "cancelled");
        let next = match heard.pop() {
            Some(next) => next,
            None => tab.until(|object| object["method"] == "GET").await,
        };
        tab.answer(&next, 204).await;
    };
    let (replies, ()) = tokio::join!(visit(&world, "photos.localhost"), serve);
    assert_eq!(replies, ["405", "204"]);
    world.end().await;
}
