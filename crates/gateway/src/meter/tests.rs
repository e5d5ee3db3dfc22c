//! A real hyper connection over a pipe of few bytes, so that every byte in flight is known.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use crosstalk::transaction::{self, Body, BodyError};
use futures_util::stream;
use http::{Request, Response, header};
use http_body::Frame;
use http_body_util::StreamBody;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    task::JoinSet,
};
use tokio_util::task::TaskTracker;

use super::*;
use crate::body::Counted;

mod next_request;

/// How much the pipe takes without being read.
const PIPE: usize = 1000;

impl Socket for Pipe {
    fn become_link(&mut self) {}
    fn reset_at_end(&mut self) {
        self.reset.store(true, Ordering::SeqCst);
    }
    fn duplicate(&self) -> io::Result<TcpStream> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// The gateway's end of a pipe, which remembers whether it was to end with a reset.
struct Pipe {
    io: TokioIo<DuplexStream>,
    reset: Arc<AtomicBool>,
}

impl Read for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl Write for Pipe {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

/// What was reported of one response.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<(u64, Option<ReceiptState>)>>);

impl Told {
    fn get(&self) -> (u64, Option<ReceiptState>) {
        *self.0.lock().unwrap()
    }
}

impl Report for Told {
    fn delivered(&self, bytes: u64) {
        let mut told = self.0.lock().unwrap();
        assert!(bytes > told.0 && told.1.is_none(), "figures grow until the end");
        told.0 = bytes;
    }
    fn finish(self: Box<Self>, delivered: u64, state: ReceiptState) {
        *self.0.lock().unwrap() = (delivered, Some(state));
    }
}

/// Answers `/<length>/<pieces>`, with `Content-Length` if `length` is not `chunked`.
struct Server {
    told: Arc<Mutex<Vec<Told>>>,
    tasks: JoinSet<()>,
    reset: Arc<AtomicBool>,
}

impl Server {
    fn start(
        answer: impl Fn(&Request<Incoming>) -> (Framing, Body) + Send + Sync + 'static,
    ) -> (Self, DuplexStream) {
        let (visitor, gateway) = duplex(PIPE);
        let told: Arc<Mutex<Vec<Told>>> = Arc::default();
        let meter: Arc<Meter> = Arc::default();
        let reset: Arc<AtomicBool> = Arc::default();
        let pipe = Pipe { io: TokioIo::new(gateway), reset: reset.clone() };
        let io = MeteredIo::new(pipe, meter.clone());
        let answer = Arc::new(answer);
        let service = service_fn({
            let told = told.clone();
            move |request: Request<Incoming>| {
                let (meter, told, answer) = (meter.clone(), told.clone(), answer.clone());
                async move {
                    let (framing, body) = answer(&request);
                    let ours = Told::default();
                    told.lock().unwrap().push(ours.clone());
                    let number = meter.begin(512, framing, Some(Box::new(ours)));
                    let tasks = TaskTracker::new();
                    let body = Counted::new(body, None, framing, meter, number, tasks);
                    let mut response = Response::new(body);
                    if let Framing::Length(length) = framing {
                        response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
                    }
                    Ok::<_, Infallible>(response)
                }
            }
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let _ = http1::Builder::new().serve_connection(io, service).await;
        });
        (Self { told, tasks, reset }, visitor)
    }

    fn told(&self, index: usize) -> (u64, Option<ReceiptState>) {
        self.told.lock().unwrap().get(index).map(Told::get).unwrap_or_default()
    }

    /// Lets everything run that can, without time passing.
    async fn settle(&self) {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }
}

fn pieces(sizes: &[usize], end: Option<&'static str>) -> Body {
    let mut frames: Vec<Result<Frame<Bytes>, BodyError>> =
        sizes.iter().map(|size| Ok(Frame::data(Bytes::from(vec![b'.'; *size])))).collect();
    frames.extend(end.map(|error| Err(error.into())));
    transaction::boxed(StreamBody::new(stream::iter(frames)))
}

async fn ask(visitor: &mut DuplexStream, method: &str) {
    let request = format!("{method} / HTTP/1.1\r\nhost: a\r\n\r\n");
    visitor.write_all(request.as_bytes()).await.unwrap();
}

/// Counts the dots among what a visitor has read: they are body bytes, and a few in the head.
fn dots(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|b| **b == b'.').count() as u64
}

/// Reads in small steps and checks at each that no more is told than the visitor and the pipe have.
async fn read_watching(
    server: &Server,
    visitor: &mut DuplexStream,
    index: usize,
    mut read: Vec<u8>,
) {
    let mut step = [0; 97];
    loop {
        server.settle().await;
        let (delivered, state) = server.told(index);
        assert!(
            delivered <= dots(&read) + PIPE as u64,
            "{delivered} told, {} read, {PIPE} in the pipe at most",
            dots(&read)
        );
        if state.is_some() {
            return;
        }
        let count = visitor.read(&mut step).await.unwrap();
        assert!(count > 0, "the connection ended before the response did");
        read.extend_from_slice(&step[..count]);
    }
}

#[tokio::test]
async fn a_stalled_visitor_shows_less_than_the_size() {
    for framing in [Framing::Length(100_000), Framing::Chunks] {
        let (server, mut visitor) = Server::start(move |_| (framing, pieces(&[10_000; 10], None)));
        ask(&mut visitor, "GET").await;
        server.settle().await;
        let (delivered, state) = server.told(0);
        assert!(delivered < PIPE as u64, "{delivered}");
        assert_eq!(state, None);
        let mut some = vec![0; 50_000];
        visitor.read_exact(&mut some).await.unwrap();
        server.settle().await;
        let (delivered, state) = server.told(0);
        assert_eq!(state, None);
        // Never too high, and not far behind: the head is rounded up by less than 512 bytes.
        let at_most = dots(&some) + PIPE as u64;
        assert!(delivered <= at_most && delivered + 600 > at_most, "{delivered} of {at_most}");
        read_watching(&server, &mut visitor, 0, some).await;
        server.settle().await;
        assert_eq!(server.told(0), (100_000, Some(ReceiptState::Complete)), "{framing:?}");
    }
}

#[tokio::test]
async fn figures_are_never_too_high_whatever_the_pieces_are() {
    for sizes in [vec![1; 3000], vec![15, 16, 17, 255, 256, 257, 4095, 4096], vec![50_000], vec![]]
    {
        let total = sizes.iter().sum::<usize>() as u64;
        for framing in [Framing::Length(total), Framing::Chunks] {
            let sizes = sizes.clone();
            let (server, mut visitor) = Server::start(move |_| (framing, pieces(&sizes, None)));
            ask(&mut visitor, "GET").await;
            read_watching(&server, &mut visitor, 0, Vec::new()).await;
            assert_eq!(server.told(0), (total, Some(ReceiptState::Complete)), "{framing:?}");
        }
    }
}

#[tokio::test]
async fn a_body_that_ends_early_is_cut_and_never_looks_complete() {
    for (framing, body) in [
        (Framing::Length(30_000), (vec![10_000; 2], None)),
        (Framing::Length(30_000), (vec![10_000; 2], Some("the peer is gone"))),
        (Framing::Chunks, (vec![10_000; 2], Some("the peer is gone"))),
        (Framing::Connection, (vec![10_000; 2], Some("the peer is gone"))),
    ] {
        let (mut server, mut visitor) = Server::start(move |_| (framing, pieces(&body.0, body.1)));
        ask(&mut visitor, "GET").await;
        let mut read = Vec::new();
        visitor.read_to_end(&mut read).await.unwrap();
        assert!(!read.ends_with(b"0\r\n\r\n"), "{framing:?}");
        server.tasks.join_next().await;
        let (delivered, state) = server.told(0);
        assert_eq!(state, Some(ReceiptState::Cut), "{framing:?}");
        assert!(delivered <= dots(&read), "{delivered} of {}", dots(&read));
        let reset = server.reset.load(Ordering::SeqCst);
        assert_eq!(reset, framing == Framing::Connection, "{framing:?}");
    }
}

#[tokio::test]
async fn only_a_reset_shows_that_a_response_until_the_end_of_the_connection_was_cut() {
    for cut in [false, true] {
        let (mut server, mut visitor) =
            Server::start(|_| (Framing::Connection, pieces(&[10_000; 2], None)));
        visitor.write_all(b"GET / HTTP/1.0\r\nhost: a\r\n\r\n").await.unwrap();
        let mut read = Vec::new();
        if cut {
            // The body has given everything, yet the visitor has not: the gateway stops now.
            server.settle().await;
            server.tasks.shutdown().await;
        }
        visitor.read_to_end(&mut read).await.unwrap();
        while server.tasks.join_next().await.is_some() {}
        let state = if cut { ReceiptState::Cut } else { ReceiptState::Complete };
        assert_eq!(server.told(0).1, Some(state));
        assert_eq!(server.reset.load(Ordering::SeqCst), cut);
    }
}

#[tokio::test]
async fn a_visitor_who_leaves_is_told_as_cut_with_what_was_taken() {
    let (mut server, mut visitor) =
        Server::start(|_| (Framing::Length(100_000), pieces(&[10_000; 10], None)));
    ask(&mut visitor, "GET").await;
    let mut some = vec![0; 30_000];
    visitor.read_exact(&mut some).await.unwrap();
    server.settle().await;
    drop(visitor);
    server.tasks.join_next().await;
    let (delivered, state) = server.told(0);
    assert_eq!(state, Some(ReceiptState::Cut));
    let at_most = dots(&some) + PIPE as u64;
    assert!(delivered <= at_most && delivered + 600 > at_most, "{delivered} of {at_most}");
}

#[tokio::test]
async fn a_response_without_a_body_is_complete_with_nothing() {
    for (method, framing) in [("HEAD", Framing::None), ("GET", Framing::Length(0))] {
        let (server, mut visitor) = Server::start(move |_| (framing, pieces(&[10_000], None)));
        ask(&mut visitor, method).await;
        let mut head = [0; 12];
        visitor.read_exact(&mut head).await.unwrap();
        server.settle().await;
        assert_eq!(server.told(0), (0, Some(ReceiptState::Complete)), "{method}");
    }
}

#[tokio::test]
async fn a_body_longer_than_announced_is_not_passed_on_whole() {
    let (server, mut visitor) =
        Server::start(|_| (Framing::Length(15_000), pieces(&[10_000; 2], None)));
    ask(&mut visitor, "GET").await;
    read_watching(&server, &mut visitor, 0, Vec::new()).await;
    assert_eq!(server.told(0), (15_000, Some(ReceiptState::Complete)));
}

#[tokio::test]
async fn several_responses_on_one_connection_are_told_apart() {
    let (server, mut visitor) = Server::start(|request| match request.method().as_str() {
        "GET" => (Framing::Length(5_000), pieces(&[1_000; 5], None)),
        "POST" => (Framing::Chunks, pieces(&[7, 700, 70], None)),
        _ => (Framing::None, pieces(&[10], None)),
    });
    // All at once: the visitor does not wait for one answer before the next question.
    for method in ["POST", "GET", "HEAD", "POST", "GET"] {
        ask(&mut visitor, method).await;
    }
    server.settle().await;
    assert_eq!(server.told(1).1, None);
    assert_eq!(server.told(4), (0, None));
    for (index, total) in [777, 5_000, 0, 777, 5_000].into_iter().enumerate() {
        read_watching(&server, &mut visitor, index, Vec::new()).await;
        assert_eq!(server.told(index), (total, Some(ReceiptState::Complete)), "{index}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_takes_nothing_is_given_up() {
    let (mut server, mut visitor) =
        Server::start(|_| (Framing::Length(100_000), pieces(&[10_000; 10], None)));
    ask(&mut visitor, "GET").await;
    server.settle().await;
    let mut some = [0; 500];
    tokio::time::sleep(limits::WRITE_STALL - Duration::from_secs(1)).await;
    visitor.read_exact(&mut some).await.unwrap();
    tokio::time::sleep(limits::WRITE_STALL - Duration::from_secs(1)).await;
    assert_eq!(server.told(0).1, None);
    tokio::time::sleep(Duration::from_secs(2)).await;
    server.tasks.join_next().await;
    assert_eq!(server.told(0).1, Some(ReceiptState::Cut));
}
