//! The relay as programs meet it, as data: each case is what is said on which connection, and what must
//! come back. They follow the README of cama and, where it is silent, `docs/protocols/cama.md`.

mod cases;
mod public;

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use self::cases::{
    ANYTHING, CASES,
    Do::{self, Allocate, Ask, Ends, Free, Hear, Leave, Say, Shut, Taken},
    When::{After, Now},
};
use crate::world::{Reply, World, soon};

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
    world.end().await;
}

/// A case that runs.
struct Case<'a> {
    world: &'a World,
    name: &'static str,
    path: String,
    token: String,
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
        let (path, token) = (String::new(), String::new());
        Self { world, name, path, token, connections: HashMap::new() }
    }

    fn fill(&self, text: &str) -> String {
        text.replace("{S}", &self.path).replace("{T}", &self.token)
    }

    fn request(&self, line: &str, headers: &str, body: Option<&str>) -> String {
        let length = body.map(|body| format!("content-length: {}\r\n", body.len()));
        format!(
            "{} HTTP/1.1\r\nhost: localhost\r\n{}{}\r\n{}",
            self.fill(line),
            self.fill(headers),
            length.unwrap_or_default(),
            body.unwrap_or_default()
        )
    }

    /// Asks whether a place is free, without waiting in it.
    async fn probe(&self, method: &str, headers: &str) -> u16 {
        let headers = format!("{headers}connection: close\r\n");
        let body = (method == "POST").then_some("");
        let request = self.request(&format!("{method} {{S}}?timeout=0"), &headers, body);
        self.world.raw(&request).await.status
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
                assert_eq!(reply.status, 201, "{place}");
                self.path = reply.raw_header("location").unwrap().to_owned();
                let cookie = reply.raw_header("set-cookie").unwrap();
                let token = cookie.strip_prefix("token=").unwrap().split(';').next().unwrap();
                self.token = token.to_owned();
            }
            Ask(name, line, headers, body) => {
                let request = self.request(line, headers, *body);
                let line = self.line(name).await;
                line.since = Instant::now();
                line.stream.write_all(request.as_bytes()).await.unwrap();
            }
            Say(name, bytes) => {
                let line = self.line(name).await;
                line.since = Instant::now();
                line.stream.write_all(bytes.as_bytes()).await.unwrap();
            }
            Hear(name, status, when, head, body) => {
                let head: Vec<String> = head.iter().map(|text| self.fill(text)).collect();
                let line = self.line(name).await;
                let (reply, got) = line.reply(*status == 405 && body.is_empty()).await;
                let took = line.since.elapsed();
                line.since = Instant::now();
                assert_eq!(reply.status, *status, "{place}: {reply:?}");
                for text in &head {
                    let raw = reply.raw_head().to_owned();
                    match text.strip_prefix('!') {
                        Some(not) => assert!(reply.header(not).is_none(), "{place}: {raw}"),
                        None => assert!(contains(&raw, text), "{place}: {text} in {raw}"),
                    }
                }
                if *body != ANYTHING {
                    assert_eq!(got, *body, "{place}");
                }
                // The machine may be busy; a wait that was forgotten takes longer than that.
                let slack = Duration::from_secs(5);
                match when {
                    Now => assert!(took < slack, "{place}: after {took:?}"),
                    After(seconds) => {
                        let least = Duration::from_secs(*seconds);
                        let early = Duration::from_millis(50);
                        assert!(took + early >= least && took < least + slack, "{place}: {took:?}");
                    }
                }
            }
            Taken(method, headers) => {
                let late = Instant::now() + crate::world::SOON;
                while self.probe(method, headers).await != 409 {
                    assert!(Instant::now() < late, "{place}: nobody took the place");
                }
            }
            Free(method, headers) => {
                let late = Instant::now() + Duration::from_secs(5);
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
