//! Programs that others wrote, speaking with ours: npm `reverse-http` as an HTTP/1.1 peer, Python
//! `h2` as an HTTP/2 peer and as a gateway, Python `websockets` as a peer by TAXI.

mod partner;

use std::{fs, path::Path, time::Duration};

use anyhow::{Context as _, Result, ensure};
use carriers::{
    DialOptions,
    ptth::{Protocol, dial::dial},
    tls::Roots,
};
use conformance::{
    site::{self, pattern},
    world::{Answer, DEADLINE, LABEL, Wire, World},
};
use crosstalk::{
    address::GatewayAddress,
    transaction::{empty, full},
};
use futures_util::{SinkExt as _, StreamExt as _};
use http::StatusCode;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::Command,
    time::{Instant, timeout},
};
use tokio_tungstenite::{client_async, tungstenite::Message};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::partner::{PYTHON, Partner};

/// Links a foreign peer to our gateway and visits it.
async fn check_peer(program: &str, script: &str) -> Result<()> {
    let world = World::without_link(Wire::PtthHttp2).await?;
    let environment = [
        ("PORT", world.visitor.port().to_string()),
        ("LABEL", LABEL.to_owned()),
        ("PROOF", world.proof()),
    ];
    let mut partner = Partner::start(program, script, &environment)?;
    ensure!(partner.line().await? == "ready");
    let visitor = &world.visitor;
    let late = Instant::now() + DEADLINE;
    let mut answer = visitor.get("/a%20b?q=1").await?;
    while answer.status == StatusCode::SERVICE_UNAVAILABLE && Instant::now() < late {
        answer = visitor.get("/a%20b?q=1").await?;
    }
    ensure!(answer.text() == "hello by GET", "{answer:?}");
    ensure!(answer.headers["x-seen-host"] == visitor.authority(), "{:?}", answer.headers);
    ensure!(answer.headers["x-seen-url"] == "/a%20b?q=1", "{:?}", answer.headers);
    for size in [0, 1, 65_536, 300_000] {
        let whole = pattern(size);
        let answer: Answer =
            visitor.fetch(visitor.request("POST", "/echo").body(full(whole.clone()))?).await?;
        ensure!(answer.complete && answer.body == whole, "{size} bytes came back changed");
    }
    let head = visitor.fetch(visitor.request("HEAD", "/").body(empty())?).await?;
    ensure!(head.status == StatusCode::OK && head.body.is_empty());
    Ok(())
}

#[tokio::test]
async fn npm_reverse_http_is_a_peer() -> Result<()> {
    check_peer("node", "reverse-http-peer.js").await
}

#[tokio::test]
async fn python_h2_is_a_peer() -> Result<()> {
    check_peer(PYTHON, "h2_peer.py").await
}

#[tokio::test]
async fn python_websockets_is_a_peer() -> Result<()> {
    check_peer(PYTHON, "taxi_peer.py").await
}

/// A peer of the long poll as it was in 2008, with a fresh proof in each POST.
#[tokio::test]
async fn python_polls_as_in_2008() -> Result<()> {
    let world = World::without_link(Wire::Poll).await?;
    let environment = [("PORT", world.visitor.port().to_string()), ("LABEL", LABEL.to_owned())];
    let mut partner = Partner::start(PYTHON, "poll_peer.py", &environment)?;
    let visitor = &world.visitor;
    let visits = async {
        let late = Instant::now() + DEADLINE;
        let mut answer = visitor.get("/a%20b?q=1").await?;
        // Nobody has the name until the first poll.
        while answer.status == StatusCode::NOT_FOUND && Instant::now() < late {
            answer = visitor.get("/a%20b?q=1").await?;
        }
        ensure!(answer.text() == "hello by GET", "{answer:?}");
        ensure!(answer.headers["x-seen-host"] == visitor.authority(), "{:?}", answer.headers);
        ensure!(answer.headers["x-seen-url"] == "/a%20b?q=1", "{:?}", answer.headers);
        for text in ["", "x", &"grüße\r\n\"\0\u{1f600}".repeat(20_000)] {
            let request = visitor.request("POST", "/echo").body(full(text.to_owned()))?;
            let answer: Answer = visitor.fetch(request).await?;
            ensure!(answer.complete && answer.text() == text, "{} bytes changed", text.len());
        }
        let head = visitor.fetch(visitor.request("HEAD", "/").body(empty())?).await?;
        ensure!(head.status == StatusCode::OK && head.body.is_empty());
        let bytes = visitor.request("POST", "/echo").body(full(&b"\xff"[..]))?;
        let refused = visitor.fetch(bytes).await?;
        ensure!(refused.status == StatusCode::NOT_IMPLEMENTED, "{refused:?}");
        anyhow::Ok(())
    };
    let proofs = async {
        loop {
            ensure!(partner.line().await? == "proof");
            partner.say(&world.proof()).await?;
        }
    };
    tokio::select! {
        visited = visits => visited,
        ended = proofs => ended,
    }
}

/// The program at the end of `docs/protocols/poll.md`, letter for letter but for who it is.
#[tokio::test]
async fn the_polling_peer_in_the_document_is_one() -> Result<()> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/protocols/poll.md");
    let page = fs::read_to_string(page)?;
    let (_, rest) = page.split_once("```python\n").context("the page has no program")?;
    let (program, _) = rest.split_once("```").context("the program has no end")?;
    let world = World::without_link(Wire::Poll).await?;
    let program = program
        .replace("https://gateway.example", &format!("http://localhost:{}", world.visitor.port()))
        .replace("<label>", LABEL)
        .replace("<proof>", &world.proof());
    let _peer = Command::new(PYTHON).args(["-c", &program]).kill_on_drop(true).spawn()?;
    let late = Instant::now() + DEADLINE;
    for _ in 0..3 {
        let mut answer = world.visitor.get("/a?b").await?;
        while answer.status == StatusCode::NOT_FOUND && Instant::now() < late {
            answer = world.visitor.get("/a?b").await?;
        }
        ensure!(answer.complete && answer.text() == "you asked for /a?b\n", "{answer:?}");
    }
    Ok(())
}

/// The program at the end of `docs/protocols/taxi.md`, letter for letter but for who it is.
#[tokio::test]
async fn the_peer_in_the_document_is_one() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(folder.join("../../docs/protocols/taxi.md"))?;
    let (_, rest) = page.rsplit_once("```python\n").context("the page has no program")?;
    let (program, _) = rest.split_once("```").context("the program has no end")?;
    let world = World::without_link(Wire::Taxi).await?;
    let program = program
        .replace("wss://", "ws://")
        .replace("gateway.example", &format!("127.0.0.1:{}", world.visitor.port()))
        .replace("<label>", LABEL)
        .replace("<proof>", &world.proof());
    let _peer = Command::new(PYTHON)
        .args(["-c", &program])
        .env("PYTHONPATH", folder.join("partners/python_modules"))
        .kill_on_drop(true)
        .spawn()?;
    let late = Instant::now() + DEADLINE;
    let mut answer = world.visitor.get("/a?b").await?;
    // Nobody has the name until the program has begun.
    while answer.status != StatusCode::OK && Instant::now() < late {
        answer = world.visitor.get("/a?b").await?;
    }
    ensure!(answer.complete && answer.text() == "you asked for /a?b\n", "{answer:?}");
    ensure!(answer.headers["content-type"] == "text/plain", "{:?}", answer.headers);
    Ok(())
}

/// The first program of that page: it answers visitors who write to the owner.
#[tokio::test]
async fn the_member_in_the_document_is_one() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(folder.join("../../docs/protocols/taxi.md"))?;
    let (_, rest) = page.split_once("```python\n").context("the page has no program")?;
    let (program, _) = rest.split_once("```").context("the program has no end")?;
    let world = World::without_link(Wire::Taxi).await?;
    let own = format!("localhost:{}", world.visitor.port());
    let claim = format!("PUT /veranda/names/{LABEL}");
    ensure!(ask(&world, &own, &claim, "").await?.starts_with("HTTP/1.1 200"), "no name");
    let program = program
        .replace("wss://", "ws://")
        .replace("gateway.example", &own.replace("localhost", "127.0.0.1"))
        .replace("<proof>", &world.proof());
    let _member = Command::new(PYTHON)
        .args(["-c", &program])
        .env("PYTHONPATH", folder.join("partners/python_modules"))
        .kill_on_drop(true)
        .spawn()?;
    // Nobody hears a word to the owner until the program has begun.
    let word = format!("c=ping,u={LABEL};");
    let late = Instant::now() + DEADLINE;
    while !ask(&world, &own, "POST /veranda/taxi", &word).await?.starts_with("HTTP/1.1 200") {
        ensure!(Instant::now() < late, "the program does not come");
    }
    let site = world.visitor.authority();
    let request = http::Request::get(format!("ws://{site}/.well-known/veranda/taxi"))
        .header("host", &site)
        .header("origin", format!("http://{site}"))
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("sec-websocket-protocol", "taxi")
        .body(())?;
    let (mut page, _) = client_async(request, world.visitor.socket().await?).await?;
    page.send(Message::text(format!("c=note,t=1,u={LABEL};the third photo"))).await?;
    let reply = async {
        while let Some(message) = page.next().await {
            let message = message?.into_text()?;
            if message.contains("c=reply") {
                return Ok(message.split_once(';').context("no body")?.1.to_owned());
            }
        }
        anyhow::bail!("the connection ended")
    };
    ensure!(timeout(DEADLINE, reply).await?? == "Thank you for: the third photo");
    Ok(())
}

/// Asks the gateway itself, with a proof, and returns its answer as it is.
async fn ask(world: &World, host: &str, line: &str, body: &str) -> Result<String> {
    let mut socket = world.visitor.socket().await?;
    let request = format!(
        "{line} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {}\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{body}",
        world.proof(),
        body.len()
    );
    socket.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    timeout(DEADLINE, socket.read_to_string(&mut answer)).await??;
    Ok(answer)
}

#[tokio::test]
async fn python_h2_is_a_gateway() -> Result<()> {
    let mut partner = Partner::start(PYTHON, "h2_gateway.py", &[])?;
    let line = partner.line().await?;
    let port = line.strip_prefix("listening ").context("no port")?;
    let options = DialOptions {
        gateway: GatewayAddress::parse(&format!("http://127.0.0.1:{port}"))?,
        proof: "unread".to_owned(),
        label: None,
        roots: Roots::default(),
        account: None,
        invite: None,
    };
    let served = timeout(DEADLINE, dial(&options, &[Protocol::Http2])).await??;
    let (notices, _noticed) = tokio::sync::mpsc::channel(16);
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let handler = site::handler(notices, tasks.clone());
    let _end = stop.clone().drop_guard();
    tasks.spawn(served.run(handler, stop, Duration::from_secs(1)));
    for (request, size) in [("GET /bytes/300000 0", 300_000), ("POST /echo 200000", 200_000)] {
        partner.say(request).await?;
        let bytes = if request.starts_with("GET") {
            pattern(size)
        } else {
            (0..size).map(|i| (i % 256) as u8).collect()
        };
        let sum: u64 = bytes.iter().map(|b| u64::from(*b)).sum();
        ensure!(partner.line().await? == format!("200 {size} {sum}"), "{request}");
    }
    Ok(())
}
