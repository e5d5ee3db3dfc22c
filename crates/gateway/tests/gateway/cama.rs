//! The relay as programs meet it, as data: each case is what is said, on which connection where there
//! are several, and what must come back. They follow the README of cama and, where it is silent, `docs/protocols/cama.md`.

mod answers;
mod cases;
mod public;

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use crosstalk::proof::PrivateKey;
use gateway::{Config, Gateway, RelayOrigin};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use self::{
    answers::{ANYTHING, Answers, HERE, PROXIED, PUBLIC, SHARED},
    cases::{
        CASES,
        Do::{self, Allocate, Ask, Begins, Ends, Free, Hear, Leave, Say, Shut, Taken, Wait},
        When::{After, Now},
    },
};
use crate::{
    common::Session,
    world::{Reply, World, soon},
};

#[tokio::test]
async fn the_relay_does_what_its_table_says() {
    let world = World::start().await;
    let cases = CASES.iter().map(|(name, steps)| {
        let world = &world;
        async move {
            let mut case = Case::new(world, name);
            for (number, step) in steps.iter().enumerate() {
                case.run(number, step).await;
            }
        }
    });
    futures_util::future::join_all(cases).await;
    answer(&world, HERE).await;
    world.end().await;
}

#[tokio::test]
async fn a_relay_for_everybody_asks_who_allocates_and_believes_nobody_where_they_are() {
    let world = World::start_as("gateway.example", false, None).await;
    answer(&world, PUBLIC).await;
    world.end().await;
}

#[tokio::test]
async fn a_relay_behind_a_proxy_believes_the_proxy_only() {
    let world = World::start_as("gateway.example", true, None).await;
    answer(&world, PROXIED).await;
    world.end().await;
}

#[tokio::test]
async fn pages_of_named_origins_may_use_the_relay_and_no_others() {
    let config = Config {
        listen: ([127, 0, 0, 1], 0).into(),
        domain: "gateway.example".to_owned(),
        behind_proxy: false,
        data: None,
    };
    let origins = ["https://other.example", "https://App.example/"];
    let origins = origins.map(|origin| RelayOrigin::parse(origin).unwrap()).to_vec();
    let world = World::run(Gateway::bind(config).await.unwrap().with_relay_origins(origins));
    answer(&world, SHARED).await;
    world.end().await;
}

/// Runs cases in which nobody waits.
async fn answer(world: &World, cases: &'static [Answers]) {
    let cases = cases.iter().map(|(name, allocation, tried)| async move {
        let mut case = Case::new(world, name);
        case.run(0, &Allocate(allocation)).await;
        for (number, (line, headers, status, head, body)) in tried.iter().enumerate() {
            case.run(number, &Ask("a", line, headers, None)).await;
            case.run(number, &Hear("a", *status, Now, head, body)).await;
            if headers.contains("connection: close") {
                case.run(number, &Leave("a")).await;
            }
        }
    });
    futures_util::future::join_all(cases).await;
}

/// A case that runs.
struct Case<'a> {
    world: &'a World,
    name: &'static str,
    /// Proves itself where a gateway asks for it.
    key: PrivateKey,
    session: Option<Session>,
    connections: HashMap<&'static str, Line>,
}

/// One connection of a case.
struct Line {
    stream: TcpStream,
    unread: Vec<u8>,
    /// When something was last said, or the last answer came.
    since: Instant,
}

impl<'a> Case<'a> {
    fn new(world: &'a World, name: &'static str) -> Self {
        let key = PrivateKey::generate();
        Self { world, name, key, session: None, connections: HashMap::new() }
    }

    fn fill(&self, text: &str) -> String {
        let mut text = text.to_owned();
        if let Some(Session { path, token }) = &self.session {
            text = text.replace("{S}", path).replace("{T}", token);
        }
        if text.contains("{P}") {
            text = text.replace("{P}", &self.world.proof(&self.key));
        }
        text
    }

    fn request(&self, line: &str, headers: &str, body: Option<&str>) -> String {
        let length = body.map(|body| format!("content-length: {}\r\n", body.len()));
        format!(
            "{} HTTP/1.1\r\nhost: {}\r\n{}{}\r\n{}",
            self.fill(line),
            self.world.own_host(),
            self.fill(headers),
            length.unwrap_or_default(),
            body.unwrap_or_default()
        )
    }

    /// Asks whether a place is free, without waiting in it: whoever comes for it meanwhile gets it.
    async fn probe(&self, method: &str, headers: &str) -> u16 {
        let headers = format!("{headers}connection: close\r\n");
        let body = (method == "POST").then_some("");
        let request = self.request(&format!("{method} {{S}}?timeout=0"), &headers, body);
        self.world.raw(&request).await.status
    }

    /// Waits until somebody has a place.
    async fn taken(&self, place: &str, method: &str, headers: &str) {
        let late = Instant::now() + crate::world::SOON;
        while self.probe(method, headers).await != 409 {
            assert!(Instant::now() < late, "{place}: nobody took the place");
        }
    }

    async fn line(&mut self, name: &'static str) -> &mut Line {
        if !self.connections.contains_key(name) {
            let stream = self.world.connect().await;
            let line = Line { stream, unread: Vec::new(), since: Instant::now() };
            self.connections.insert(name, line);
        }
        self.connections.get_mut(name).unwrap()
    }

    async fn run(&mut self, number: usize, step: &Do) {
        let place = format!("{}, step {number}", self.name);
        match step {
            Allocate(headers) => {
                let headers = format!("{headers}connection: close\r\n");
                let reply =
                    self.world.raw(&self.request("PUT /cama/session", &headers, None)).await;
                self.session = Some(Session::told(&reply));
            }
            Ask(name, line, headers, body) => {
                let request = self.request(line, headers, *body);
                self.line(name).await.say(&request).await;
            }
            Say(name, bytes) => self.line(name).await.say(bytes).await,
            Hear(name, status, when, head, body) => {
                let head: Vec<String> = head.iter().map(|text| self.fill(text)).collect();
                let line = self.line(name).await;
                let (reply, got) = line.reply(*status == 405 && body.is_empty()).await;
                let took = line.since.elapsed();
                line.since = Instant::now();
                assert_eq!(reply.status, *status, "{place}: {reply:?}");
                for text in &head {
                    let raw = &reply.head;
                    match text.strip_prefix('!') {
                        Some(not) => assert!(reply.header(not).is_none(), "{place}: {raw}"),
                        None => assert!(contains(raw, text), "{place}: {text} in {raw}"),
                    }
                }
                if *body != ANYTHING {
                    assert_eq!(got, *body, "{place}");
                }
                // The machine may be busy; a wait that was forgotten takes longer than that.
                let slack = Duration::from_secs(30);
                match when {
                    Now => assert!(took < slack, "{place}: after {took:?}"),
                    After(seconds) => {
                        let least = Duration::from_secs(*seconds);
                        let early = Duration::from_millis(50);
                        assert!(took + early >= least && took < least + slack, "{place}: {took:?}");
                    }
                }
            }
            Wait(name, method, headers, body) => {
                let request = self.request(&format!("{method} {{S}}"), headers, *body);
                self.line(name).await.say(&request).await;
                self.taken(&place, method, headers).await;
            }
            Begins(name) => assert!(self.line(name).await.more().await, "{place}"),
            Taken(method, headers) => self.taken(&place, method, headers).await,
            Free(method, headers) => {
                let late = Instant::now() + crate::world::SOON;
                while self.probe(method, headers).await == 409 {
                    assert!(Instant::now() < late, "{place}: the place is not free");
                }
            }
            Leave(name) => drop(self.connections.remove(name).unwrap()),
            Shut(name) => self.line(name).await.stream.shutdown().await.unwrap(),
            Ends(name) => {
                let line = self.line(name).await;
                let mut bytes = Vec::new();
                let _ = soon(line.stream.read_to_end(&mut bytes)).await;
                let text = String::from_utf8_lossy(&bytes);
                assert!(text.is_empty() || text.starts_with("HTTP/1.1 504"), "{place}: {text}");
            }
        }
    }
}

/// Header names have no case; what follows them has.
fn contains(head: &str, text: &str) -> bool {
    match text.split_once(": ") {
        Some((name, value)) if !name.contains([';', ' ']) => head.lines().any(|line| {
            line.split_once(": ").is_some_and(|(found, rest)| {
                found.eq_ignore_ascii_case(name) && rest.starts_with(value)
            })
        }),
        Some(_) | None => head.contains(text),
    }
}

impl Line {
    async fn say(&mut self, bytes: &str) {
        self.since = Instant::now();
        self.stream.write_all(bytes.as_bytes()).await.unwrap();
    }

    /// Reads one answer. Of a body that ends too soon there is what came, and `<cut>`.
    async fn reply(&mut self, no_body: bool) -> (Reply, String) {
        let end = loop {
            if let Some(end) = find(&self.unread, b"\r\n\r\n") {
                break end + 4;
            }
            assert!(self.more().await, "the connection ended: {:?}", self.unread);
        };
        let head = Reply::read(&self.unread[..end]);
        self.unread.drain(..end);
        if head.header("transfer-encoding") == Some("chunked") {
            let end = loop {
                // No chunk in these cases has such an end in it.
                if let Some(last) = find(&self.unread, b"0\r\n")
                    && let Some(end) = find(&self.unread[last..], b"\r\n\r\n")
                {
                    break last + end + 4;
                }
                if !self.more().await {
                    return (head, format!("{}<cut>", self.text(self.unread.len())));
                }
            };
            return (head, self.text(end));
        }
        let length = head.header("content-length").and_then(|text| text.parse().ok());
        let length = if no_body { 0 } else { length.unwrap_or(0) };
        while self.unread.len() < length {
            if !self.more().await {
                return (head, format!("{}<cut>", self.text(self.unread.len())));
            }
        }
        (head, self.text(length))
    }

    fn text(&mut self, length: usize) -> String {
        String::from_utf8_lossy(&self.unread.drain(..length).collect::<Vec<u8>>()).into_owned()
    }

    async fn more(&mut self) -> bool {
        let mut piece = [0; 4096];
        let count = soon(self.stream.read(&mut piece)).await.unwrap_or(0);
        self.unread.extend_from_slice(&piece[..count]);
        count > 0
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
