//! Large bodies and many sessions, and the memory that they take.

use std::time::Instant;

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
};

use crate::{
    common::{Session, read_head, soon},
    world::Gateway,
};

const PIECE: usize = 64 * 1024;

/// How much goes through each way; the benchmark sends 1 GiB.
const SIZE: usize = 256 * 1024 * 1024;

/// How much the gateway may grow meanwhile, by two connections' buffers.
const GROWTH: u64 = 16 * 1024 * 1024;

/// How many sessions are opened, and how much each may take.
const SESSIONS: u64 = 10_000;
const EACH: u64 = 2048;

/// What belongs to one place of the body: its number, and what repeats.
fn stamp(piece: usize, bytes: &mut [u8]) {
    bytes[..8].copy_from_slice(&(piece as u64).to_le_bytes());
}

fn blank() -> Vec<u8> {
    (0..PIECE).map(|index| ((index / 7) ^ index) as u8).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_body_arrives_byte_for_byte_in_little_memory() {
    let gateway = Gateway::start().await;
    for in_chunks in [false, true] {
        let Session { path, token } = gateway.allocate().await;
        // One way by its length, the other way in chunks.
        let cookie = format!("cookie: token={token}\r\n");
        let (from_host, to_host) = if in_chunks { ("", &cookie[..]) } else { (&cookie[..], "") };
        let mut receiver = TcpStream::connect(gateway.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{to_host}\r\n");
        receiver.write_all(request.as_bytes()).await.unwrap();
        let mut sender = TcpStream::connect(gateway.address).await.unwrap();
        // Each chunk is three small writes.
        sender.set_nodelay(true).unwrap();
        let framing = if in_chunks {
            "transfer-encoding: chunked".to_owned()
        } else {
            format!("content-length: {SIZE}")
        };
        let request =
            format!("POST {path} HTTP/1.1\r\nhost: localhost\r\n{from_host}{framing}\r\n\r\n");
        let began = Instant::now();
        let (before, _) = gateway.memory();
        let mut sending = JoinSet::new();
        sending.spawn(async move {
            sender.write_all(request.as_bytes()).await.unwrap();
            let mut piece = blank();
            for number in 0..SIZE / PIECE {
                stamp(number, &mut piece);
                if in_chunks {
                    sender.write_all(format!("{PIECE:x}\r\n").as_bytes()).await.unwrap();
                }
                sender.write_all(&piece).await.unwrap();
                if in_chunks {
                    sender.write_all(b"\r\n").await.unwrap();
                }
            }
            if in_chunks {
                sender.write_all(b"0\r\n\r\n").await.unwrap();
            }
            read_head(&mut sender).await.0
        });
        let (head, unread) = read_head(&mut receiver).await;
        assert_eq!(head.status, 200, "{head:?}");
        let mut body =
            Body { stream: std::io::Cursor::new(unread).chain(receiver), in_chunks, left: 0 };
        let (mut got, mut expected) = (vec![0; PIECE], blank());
        for number in 0..SIZE / PIECE {
            soon(body.fill(&mut got)).await;
            stamp(number, &mut expected);
            assert!(got == expected, "piece {number} is another");
        }
        if in_chunks {
            assert_eq!(body.chunk().await, 0);
            body.end_of_chunk().await;
        }
        let answer = soon(sending.join_next()).await.unwrap().unwrap();
        let took = began.elapsed();
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("x-bytes-delivered"), Some(SIZE.to_string().as_str()));
        let grew = gateway.memory().1.saturating_sub(before);
        println!(
            "{} MiB {}: {:.0} MiB/s, the gateway had {} KiB and grew by {} KiB",
            SIZE >> 20,
            if in_chunks { "in chunks" } else { "by length" },
            (SIZE >> 20) as f64 / took.as_secs_f64(),
            before / 1024,
            grew / 1024
        );
        assert!(grew < GROWTH, "the gateway grew by {grew} bytes");
    }
}

/// A body that is read as it is framed.
struct Body<S> {
    stream: S,
    in_chunks: bool,
    /// How much is left of the chunk.
    left: usize,
}

impl<S: AsyncRead + Unpin> Body<S> {
    async fn fill(&mut self, mut buffer: &mut [u8]) {
        if !self.in_chunks {
            self.stream.read_exact(buffer).await.unwrap();
            return;
        }
        while !buffer.is_empty() {
            if self.left == 0 {
                self.left = self.chunk().await;
            }
            let count = buffer.len().min(self.left);
            let (now, rest) = buffer.split_at_mut(count);
            self.stream.read_exact(now).await.unwrap();
            self.left -= count;
            if self.left == 0 {
                self.end_of_chunk().await;
            }
            buffer = rest;
        }
    }

    async fn end_of_chunk(&mut self) {
        let mut end = [0; 2];
        self.stream.read_exact(&mut end).await.unwrap();
        assert_eq!(&end, b"\r\n");
    }

    async fn chunk(&mut self) -> usize {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.push(self.stream.read_u8().await.unwrap());
        }
        let text = String::from_utf8(line).unwrap();
        usize::from_str_radix(text.trim_end(), 16).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_sessions_take_little_memory() {
    let gateway = Gateway::start().await;
    // One, so that what is there anyway is there.
    gateway.allocate().await;
    let (before, _) = gateway.memory();
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    for _ in 0..SESSIONS {
        stream.write_all(b"PUT /cama/session HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        assert_eq!(read_head(&mut stream).await.0.status, 201);
    }
    let each = gateway.memory().0.saturating_sub(before) / SESSIONS;
    println!("{SESSIONS} open sessions: {each} bytes each");
    assert!(each < EACH, "a session costs {each} bytes");
}
