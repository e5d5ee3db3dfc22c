//! The cases: each says in a sentence what every carrier must do.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use crosstalk::transaction::{BodyError, boxed, empty, full};
use futures_util::{future::join_all, stream};
use http::{StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::mpsc,
    time::{Instant, timeout},
};

use crate::{
    site::{LONGEST, Noticed, pattern},
    table,
    world::{Answer, DEADLINE, Wire, World},
};

/// How soon the peer must know that a visitor left. It takes milliseconds, and longer where the machine is
/// busy; nothing else than that the visitor left ends what is under way, however long it takes.
pub const CANCEL_WITHIN: Duration = Duration::from_secs(20);

/// How long a visitor may wait who comes while others are stalled. Generous, because the machine
/// may be busy; a link that is frozen misses any deadline, until the gateway gives up those who are
/// stalled: after thirty seconds the first of them.
const NOT_SLOWED: Duration = Duration::from_secs(20);

/// The size of an upload that nobody reads: beyond every window, and beyond what the system keeps of it.
const UNREAD: usize = 3_000_000;

/// The sizes at which framing goes wrong, and one that needs flow control.
const SIZES: [usize; 7] = [0, 1, 255, 65_535, 65_536, 65_537, LONGEST];

/// Downloads of every size arrive equal and complete, with and without an announced length.
pub async fn downloads_are_equal(world: &mut World) -> Result<()> {
    for size in SIZES {
        for kind in ["bytes", "stream"] {
            let answer = world.visitor.get(&format!("/{kind}/{size}")).await?;
            ensure!(answer.status == StatusCode::OK && answer.complete, "{kind} {size}");
            ensure!(answer.body == pattern(size), "{kind} {size}: other bytes");
            if kind == "bytes" {
                ensure!(answer.headers[header::CONTENT_LENGTH] == size.to_string(), "{size}");
            }
        }
    }
    Ok(())
}

/// Uploads of every size arrive equal, with and without an announced length.
pub async fn uploads_are_equal(world: &mut World) -> Result<()> {
    for size in SIZES {
        let whole = pattern(size);
        let request = world.visitor.request("POST", "/echo").body(full(whole.clone()))?;
        let answer = world.visitor.fetch(request).await?;
        ensure!(answer.complete && answer.body == whole, "{size} announced");
        let chunks: Vec<_> = whole
            .chunks(10_000)
            .map(|c| Ok::<_, BodyError>(Frame::data(whole.slice_ref(c))))
            .collect();
        let body = boxed(StreamBody::new(stream::iter(chunks)));
        let answer =
            world.visitor.fetch(world.visitor.request("POST", "/echo").body(body)?).await?;
        ensure!(answer.complete && answer.body == whole, "{size} in chunks");
    }
    Ok(())
}

/// A request has its body whatever its method is, with and without an announced length. RFC 9110 §9.3.1
/// gives the content of a `GET` no meaning, which is for the site to know.
pub async fn bodies_go_with_every_method(world: &mut World) -> Result<()> {
    let whole = pattern(70_000);
    for method in ["GET", "HEAD", "DELETE", "OPTIONS", "PATCH", "PROPFIND"] {
        for is_announced in [true, false] {
            let what = format!("{method}, announced: {is_announced}");
            // The answer to HEAD has only the length of what it would say: how much arrived, in digits.
            let (path, is_head) = if method == "HEAD" { ("/sink", true) } else { ("/echo", false) };
            let request = world.visitor.request(method, path);
            let request = if is_announced {
                request.body(full(whole.clone()))?
            } else {
                let (head, tail) = (whole.slice(..30_000), whole.slice(30_000..));
                let pieces = [head, tail].map(|piece| Ok::<_, BodyError>(Frame::data(piece)));
                let body = boxed(StreamBody::new(stream::iter(pieces)));
                // hyper sends no body with some of these methods unless it is told to.
                request.header(header::TRANSFER_ENCODING, "chunked").body(body)?
            };
            let answer = world.visitor.fetch(request).await.with_context(|| what.clone())?;
            ensure!(answer.status == StatusCode::OK && answer.complete, "{what}: {answer:?}");
            if is_head {
                let length = answer.headers.get(header::CONTENT_LENGTH);
                ensure!(length.is_some_and(|length| length == "5"), "{what}: {length:?}");
            } else {
                ensure!(answer.body == whole, "{what}: {} bytes", answer.body.len());
            }
        }
    }
    Ok(())
}

/// Doubled names keep their order, values keep their bytes.
pub async fn response_heads_are_equal(world: &mut World) -> Result<()> {
    let answer = world.visitor.get("/heads").await?;
    let values = |name: &str| -> Vec<Vec<u8>> {
        answer.headers.get_all(name).iter().map(|v| v.as_bytes().to_vec()).collect()
    };
    ensure!(values("set-cookie") == [&b"a=1"[..], b"b=2; Path=/", b"c=3"], "{:?}", answer.headers);
    ensure!(values("x-twice") == [&b"first, with comma"[..], b"second"]);
    ensure!(values("x-empty") == [&b""[..]]);
    ensure!(values("x-utf8") == ["gr\u{fc}\u{df}e".as_bytes()]);
    ensure!(values("x-latin1") == [&b"\xe9t\xe9"[..]]);
    Ok(())
}

/// Method, path and headers of a request reach the site as the visitor sent them, save for what
/// belongs to one hop; who the visitor is cannot be forged.
pub async fn request_heads_are_equal(world: &mut World) -> Result<()> {
    let path = "/seen/a%2Fb%00/../%E9/?q=1?2&r=%zz+";
    let mut socket = world.visitor.socket().await?;
    let head = format!(
        "PROPFIND {path} HTTP/1.1\r\nHost: {}\r\nX-Twice: one\r\nX-Twice: two\r\nX-Bytes: \u{fc}\r\n\
         Connection: close, X-Hop\r\nX-Hop: gone\r\nTE: trailers\r\nForwarded: for=198.51.100.9\r\n\
         X-Forwarded-For: 198.51.100.9\r\nVeranda-Transaction: 7\r\n\r\n",
        world.visitor.authority()
    );
    socket.write_all(head.as_bytes()).await?;
    let mut answer = Vec::new();
    timeout(DEADLINE, socket.read_to_end(&mut answer)).await??;
    let text = String::from_utf8_lossy(&answer).into_owned();
    ensure!(text.contains(&format!("PROPFIND {path}\n")), "{text}");
    ensure!(text.contains(&format!("host: {}\n", world.visitor.authority())), "{text}");
    ensure!(text.contains("x-twice: one\nx-twice: two\n"), "{text}");
    ensure!(text.contains("x-bytes: \u{fc}\n"), "{text}");
    ensure!(text.contains("forwarded: for=127.0.0.1;"), "{text}");
    for hidden in ["x-hop", "\nte: ", "198.51.100.9", "veranda-transaction: 7"] {
        ensure!(!text.contains(hidden), "{hidden} passed: {text}");
    }
    Ok(())
}

/// A head of 60 KiB passes both ways; one that is too large gets a clean answer, and the link lives.
pub async fn large_heads_pass_and_larger_ones_are_refused(world: &mut World) -> Result<()> {
    let (large, larger) = (60 * 1000, 70 * 1024);
    let request =
        world.visitor.request("GET", "/seen").header("x-long", "r".repeat(large)).body(empty())?;
    let answer = world.visitor.fetch(request).await?;
    ensure!(answer.status == StatusCode::OK && answer.body.len() > large, "{:?}", answer.status);
    let request = world.visitor.request("GET", "/heads").header("x-want", large).body(empty())?;
    let answer = world.visitor.fetch(request).await?;
    ensure!(answer.headers.get("x-long").is_some_and(|v| v.len() == large), "{:?}", answer.status);
    let request =
        world.visitor.request("GET", "/seen").header("x-long", "r".repeat(larger)).body(empty())?;
    let answer = world.visitor.fetch(request).await?;
    ensure!(answer.status == StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "{:?}", answer.status);
    let request = world.visitor.request("GET", "/heads").header("x-want", larger).body(empty())?;
    let answer = world.visitor.fetch(request).await?;
    ensure!(answer.status.is_server_error() && answer.complete, "{:?}", answer.status);
    ensure!(world.visitor.get("/hello").await?.text() == "hello");
    Ok(())
}

/// Answers without a body have none, and the connection goes on behind them.
pub async fn answers_without_a_body_have_none(world: &mut World) -> Result<()> {
    for status in ["204", "304"] {
        let answer = world.visitor.get(&format!("/status/{status}")).await?;
        ensure!(answer.status.as_str() == status && answer.body.is_empty() && answer.complete);
    }
    let request = world.visitor.request("HEAD", "/bytes/12345").body(empty())?;
    let answer = world.visitor.fetch(request).await?;
    ensure!(answer.headers[header::CONTENT_LENGTH] == "12345", "{:?}", answer.headers);
    ensure!(answer.body.is_empty() && answer.complete);
    Ok(())
}

/// A visitor whose chunks make no sense is told that it is the visitor's fault: while the site does not
/// read them, at their very beginning, and while the site reads them.
pub async fn broken_uploads_are_the_visitors_fault(world: &mut World) -> Result<()> {
    for (path, first) in [("/hang", "4\r\nsome\r\n"), ("/sink", ""), ("/sink", "4\r\nsome\r\n")] {
        let mut socket = world.visitor.socket().await?;
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\n\r\n{first}",
            world.visitor.authority()
        );
        socket.write_all(head.as_bytes()).await?;
        if path == "/hang" {
            world.until(&arrived(path), DEADLINE).await?;
        }
        socket.write_all(b"no number\r\n").await?;
        let mut answer = Vec::new();
        let reading = socket.read_to_end(&mut answer);
        timeout(DEADLINE, reading).await.with_context(|| format!("{path} {first:?}"))??;
        let answer = String::from_utf8_lossy(&answer);
        ensure!(answer.starts_with("HTTP/1.1 400 "), "{path} {first:?}: {answer}");
        ensure!(world.visitor.get("/hello").await?.text() == "hello", "the link did not survive");
    }
    Ok(())
}

/// An answer may begin before the request has ended.
pub async fn answers_may_come_early(world: &mut World) -> Result<()> {
    let (send, receive) = mpsc::channel::<Result<Frame<Bytes>, BodyError>>(1);
    let body = boxed(StreamBody::new(stream::unfold(receive, |mut receive| async move {
        receive.recv().await.map(|frame| (frame, receive))
    })));
    send.send(Ok(Frame::data(Bytes::from_static(b"one")))).await?;
    let mut response =
        world.visitor.send(world.visitor.request("POST", "/early").body(body)?).await?;
    let mut seen = Vec::new();
    while !seen.ends_with(b"one") {
        let frame = timeout(DEADLINE, response.frame()).await?.context("ended early")??;
        seen.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
    }
    send.send(Ok(Frame::data(Bytes::from_static(b",two")))).await?;
    drop(send);
    let rest = Answer::read(response).await?;
    seen.extend_from_slice(&rest.body);
    ensure!(rest.complete && seen == b"early;one,two", "{:?}", String::from_utf8_lossy(&seen));
    Ok(())
}

/// An upload that the site does not read, larger than what may be under way, is answered also to a
/// visitor who sends all of it before looking for the answer; the connection goes on behind it, and the
/// link has all its room again.
pub async fn uploads_nobody_reads_are_answered(world: &mut World) -> Result<()> {
    let host = world.visitor.authority();
    let last = format!("GET /hello HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    // More than a poll carries at once, of the carriers with many places the one with the fewest. A link of
    // one transaction may be used up by each, so fewer than a world without a keeper has of them.
    let rounds = if world.wire == Wire::Poll { 72 } else { 30 };
    for round in 0..rounds {
        let answer = ["/status/405", "/bytes/1000000", "/none"][round % 3];
        let chunked = round % 2 == 1;
        let (length, end) = if chunked {
            (format!("Transfer-Encoding: chunked\r\n\r\n{UNREAD:x}\r\n"), "\r\n0\r\n\r\n")
        } else {
            (format!("Content-Length: {UNREAD}\r\n\r\n"), "")
        };
        let head = format!("POST {answer} HTTP/1.1\r\nHost: {host}\r\n{length}");
        let mut socket = world.visitor.socket().await?;
        // What was read by the deadline tells where it stood still.
        let (mut stage, mut answers) = ("writing", Vec::new());
        let asking = async {
            socket.write_all(head.as_bytes()).await?;
            socket.write_all(&pattern(UNREAD)).await?;
            socket.write_all(end.as_bytes()).await?;
            socket.write_all(last.as_bytes()).await?;
            stage = "reading";
            while socket.read_buf(&mut answers).await? > 0 {}
            anyhow::Ok(())
        };
        let asked = timeout(DEADLINE, asking).await;
        let what = || format!("{answer}, round {round}, {stage}, {} bytes", answers.len());
        asked.with_context(what)?.with_context(what)?;
        let status = ["HTTP/1.1 405", "HTTP/1.1 200", "HTTP/1.1 404"][round % 3];
        ensure!(answers.starts_with(status.as_bytes()), "{answer} in round {round}");
        ensure!(answers.ends_with(b"hello"), "{answer} in round {round}: {} bytes", answers.len());
        ensure!(
            round % 3 != 1 || answers.len() > 1_000_000,
            "round {round}: {} bytes",
            answers.len()
        );
    }
    Ok(())
}

/// A visitor who asks whether to send (RFC 9110 §10.1.1) is told to go on.
pub async fn expectations_are_answered(world: &mut World) -> Result<()> {
    let mut socket = world.visitor.socket().await?;
    let head = format!(
        "POST /echo HTTP/1.1\r\nHost: {}\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\
         Connection: close\r\n\r\n",
        world.visitor.authority()
    );
    socket.write_all(head.as_bytes()).await?;
    let mut answer = [0; 25];
    timeout(DEADLINE, socket.read_exact(&mut answer)).await??;
    ensure!(&answer == b"HTTP/1.1 100 Continue\r\n\r\n", "{:?}", String::from_utf8_lossy(&answer));
    socket.write_all(b"body").await?;
    let mut rest = String::new();
    timeout(DEADLINE, socket.read_to_string(&mut rest)).await??;
    ensure!(rest.starts_with("HTTP/1.1 200") && rest.ends_with("body"), "{rest}");
    Ok(())
}

/// A body that breaks at the site is seen as cut by the visitor, never as complete.
pub async fn cuts_are_seen_as_cuts(world: &mut World) -> Result<()> {
    for path in ["/cut/100000/40000", "/cut/100000/0", "/cut-stream/40000", "/cut-stream/0"] {
        match world.visitor.get(path).await {
            // Before any byte of the body the gateway may still turn it into an honest error.
            Ok(answer) => ensure!(
                !answer.complete || answer.status == StatusCode::BAD_GATEWAY,
                "{path} looks complete: {} bytes",
                answer.body.len()
            ),
            Err(error) => ensure!(!error.to_string().contains("time"), "{path}: {error}"),
        }
    }
    ensure!(world.visitor.get("/hello").await?.text() == "hello", "the link did not survive");
    Ok(())
}

/// A visitor who leaves, before the head or in the body, is noticed by the site at once.
pub async fn leaving_cancels(world: &mut World) -> Result<()> {
    let mut socket = world.visitor.socket().await?;
    let head = format!("GET /hang HTTP/1.1\r\nHost: {}\r\n\r\n", world.visitor.authority());
    socket.write_all(head.as_bytes()).await?;
    world.until(&arrived("/hang"), DEADLINE).await?;
    drop(socket);
    world.until(&cancelled("/hang"), CANCEL_WITHIN).await.context("before the head")?;
    let mut response =
        world.visitor.send(world.visitor.request("GET", "/endless").body(empty())?).await?;
    timeout(DEADLINE, response.frame()).await?.context("no body")??;
    drop(response);
    world.until(&cancelled("/endless"), CANCEL_WITHIN).await.context("in the body")?;
    ensure!(world.visitor.get("/hello").await?.text() == "hello", "the link did not survive");
    Ok(())
}

/// A link that is lost shows as 502 before the head and as a cut after it; then visitors are told
/// that the computer is away, and served again once it is back.
pub async fn losing_the_link_is_honest(world: &mut World) -> Result<()> {
    let visitor = world.visitor.clone();
    let mut body = visitor.send(visitor.request("GET", "/endless").body(empty())?).await?;
    timeout(DEADLINE, body.frame()).await?.context("no body")??;
    let hang = visitor.request("GET", "/hang").body(empty())?;
    let (answer, lost) = tokio::join!(visitor.fetch(hang), async {
        world.until(&arrived("/hang"), DEADLINE).await?;
        world.lose_links().await;
        anyhow::Ok(())
    });
    lost?;
    ensure!(answer?.status == StatusCode::BAD_GATEWAY, "before the head");
    ensure!(!Answer::read(body).await?.complete, "a body that was cut looks complete");
    let mut away = visitor.get("/hello").await?;
    let late = Instant::now() + DEADLINE;
    // Of many connections, the gateway may hear last that the one is gone which this visitor gets.
    while away.status == StatusCode::BAD_GATEWAY && Instant::now() < late {
        away = visitor.get("/hello").await?;
    }
    ensure!(away.status == StatusCode::SERVICE_UNAVAILABLE, "{:?}", away.status);
    ensure!(away.headers.contains_key(header::RETRY_AFTER), "{:?}", away.headers);
    world.link().await?;
    ensure!(visitor.get("/hello").await?.text() == "hello", "the site did not come back");
    Ok(())
}

/// A hundred visitors at once all get their own answer.
pub async fn a_hundred_at_once(world: &mut World) -> Result<()> {
    let visitor = &world.visitor;
    let answers = join_all((0..100).map(|n| async move {
        let whole = pattern(50_000 + n);
        let answer =
            visitor.fetch(visitor.request("POST", "/echo").body(full(whole.clone()))?).await?;
        ensure!(answer.complete && answer.body == whole, "visitor {n}: {:?}", answer.status);
        Ok(())
    }))
    .await;
    answers.into_iter().collect()
}

/// Thirty visitors who stop reading do not slow the next one, nor do thirty who stop sending.
pub async fn stalled_visitors_harm_nobody(world: &mut World) -> Result<()> {
    let visitor = &world.visitor;
    let mut stalled = Vec::new();
    for n in 0..30 {
        let mut socket = visitor.socket().await?;
        let head = if n % 2 == 0 {
            format!("GET /bytes/20000000 HTTP/1.1\r\nHost: {}\r\n\r\n", visitor.authority())
        } else {
            let host = visitor.authority();
            format!("POST /sink HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000000\r\n\r\nsome")
        };
        socket.write_all(head.as_bytes()).await?;
        if n % 2 == 0 {
            // The answer has begun, and this is all that is ever read of it.
            timeout(DEADLINE, socket.read_exact(&mut [0; 16])).await??;
        }
        stalled.push(socket);
    }
    for _ in 0..5 {
        let answer = timeout(NOT_SLOWED, visitor.get("/bytes/100000")).await;
        let answer = answer.context("a visitor was slowed by others who are stalled")??;
        ensure!(answer.complete && answer.body.len() == 100_000);
    }
    drop(stalled);
    Ok(())
}

/// Hundreds of visitors who click away at once do not end the link.
pub async fn bursts_of_aborts_harm_nobody(world: &mut World) -> Result<()> {
    let visitor = &world.visitor;
    for _ in 0..3 {
        let sockets: Vec<_> = join_all((0..200).map(|_| async move {
            let mut socket = visitor.socket().await?;
            let head =
                format!("GET /bytes/9000000 HTTP/1.1\r\nHost: {}\r\n\r\n", visitor.authority());
            socket.write_all(head.as_bytes()).await?;
            anyhow::Ok(socket)
        }))
        .await;
        drop(sockets.into_iter().collect::<Result<Vec<_>>>()?);
    }
    // A link of one transaction may be used up by that, and the peer's keeper, which is not in this
    // world, dials anew; a link of many must simply live.
    if !world.wire.multiplexes() {
        return world.link().await;
    }
    let late = Instant::now() + DEADLINE;
    while world.visitor.get("/hello").await?.status != StatusCode::OK {
        ensure!(Instant::now() < late, "the link did not survive");
    }
    Ok(())
}

/// A visitor's WebSocket is carried, bytes in both directions; where that cannot be, the visitor is
/// told so cleanly.
pub async fn websockets_are_carried(world: &mut World) -> Result<()> {
    let visitor = &world.visitor;
    let request = visitor
        .request("GET", "/socket")
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_VERSION, "13")
        .header(header::SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ==")
        .body(empty())?;
    let response = visitor.send(request).await?;
    if !table::carries(world.wire, "websockets_are_carried") {
        let answer = Answer::read(response).await?;
        ensure!(answer.status == StatusCode::NOT_IMPLEMENTED && answer.complete, "{answer:?}");
        ensure!(visitor.get("/hello").await?.text() == "hello", "the link did not survive");
        return Ok(());
    }
    ensure!(response.status() == StatusCode::SWITCHING_PROTOCOLS, "{:?}", response.status());
    let accept = response.headers().get(header::SEC_WEBSOCKET_ACCEPT);
    ensure!(accept.is_some_and(|v| v == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{accept:?}");
    let upgraded = timeout(DEADLINE, hyper::upgrade::on(response)).await??;
    let (mut read, mut write) = tokio::io::split(TokioIo::new(upgraded));
    let whole = pattern(1_000_000);
    let (sent, echoed) = tokio::join!(timeout(DEADLINE, write.write_all(&whole)), async {
        let mut echo = vec![0; whole.len()];
        timeout(DEADLINE, read.read_exact(&mut echo)).await??;
        anyhow::Ok(echo)
    });
    sent??;
    ensure!(echoed? == whole, "other bytes came back");
    Ok(())
}

fn arrived(path: &str) -> Noticed {
    Noticed::Arrived(path.to_owned())
}

fn cancelled(path: &str) -> Noticed {
    Noticed::Cancelled(path.to_owned())
}
