//! Large bodies and many sessions, and the memory that they take.

use std::time::Instant;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::world::{Answer, World, soon};

const PIECE: usize = 64 * 1024;

/// How much goes through; the benchmark sends 1 GiB.
const SIZE: usize = 64 * 1024 * 1024;

/// How much the whole process may grow meanwhile: two connections' buffers, and what other tests do.
const GROWTH: u64 = 48 * 1024 * 1024;

/// How many sessions are opened, and how much each may take.
const SESSIONS: u64 = 10_000;
const EACH: u64 = 2048;

/// What belongs to one place of the body.
fn pattern(piece: usize, bytes: &mut [u8]) {
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = ((piece * 31) ^ (index / 7) ^ index) as u8;
    }
}

/// Returns the memory of this process in bytes.
#[cfg(target_os = "linux")]
fn memory() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

#[cfg(not(target_os = "linux"))]
fn memory() -> u64 {
    0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_body_arrives_byte_for_byte_in_little_memory() {
    let world = World::start().await;
    for in_chunks in [false, true] {
        let session = world.allocate().await;
        let mut receiver = TcpStream::connect(world.address).await.unwrap();
        let request = format!("GET {} HTTP/1.1\r\nhost: localhost\r\n\r\n", session.path);
        receiver.write_all(request.as_bytes()).await.unwrap();
        let mut sender = TcpStream::connect(world.address).await.unwrap();
        let framing = if in_chunks {
            "transfer-encoding: chunked".to_owned()
        } else {
            format!("content-length: {SIZE}")
        };
        let request = format!(
            "POST {} HTTP/1.1\r\nhost: localhost\r\ncookie: token={}\r\n{framing}\r\n\r\n",
            session.path, session.token
        );
        sender.write_all(request.as_bytes()).await.unwrap();
        let (began, before) = (Instant::now(), memory());
        let sending = world.tasks.spawn(async move {
            let mut piece = vec![0; PIECE];
            for number in 0..SIZE / PIECE {
                pattern(number, &mut piece);
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
            Answer::read(&mut sender).await
        });
        let head = Answer::read(&mut receiver).await;
        assert_eq!(head.status, 200, "{head:?}");
        let mut body = Body { stream: receiver, in_chunks, left: 0 };
        let (mut got, mut expected, mut most) = (vec![0; PIECE], vec![0; PIECE], 0);
        for number in 0..SIZE / PIECE {
            soon(body.fill(&mut got)).await;
            pattern(number, &mut expected);
            assert!(got == expected, "piece {number} is another");
            most = most.max(memory());
        }
        let took = began.elapsed();
        let answer = soon(sending).await.unwrap();
        assert_eq!((answer.status, answer.delivered()), (200, SIZE as u64), "{answer:?}");
        let grew = most.saturating_sub(before);
        println!(
            "{} MiB {}: {:.0} MiB/s, memory grew by {} KiB",
            SIZE >> 20,
            if in_chunks { "in chunks" } else { "by length" },
            (SIZE >> 20) as f64 / took.as_secs_f64(),
            grew / 1024
        );
        assert!(grew < GROWTH, "memory grew by {grew} bytes");
    }
    world.end().await;
}

/// A body that is read as it is framed.
struct Body {
    stream: TcpStream,
    in_chunks: bool,
    /// How much is left of the chunk.
    left: usize,
}

impl Body {
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
                let mut end = [0; 2];
                self.stream.read_exact(&mut end).await.unwrap();
                assert_eq!(&end, b"\r\n");
            }
            buffer = rest;
        }
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
    let world = World::start().await;
    // One, so that what is there anyway is there.
    world.allocate().await;
    let before = memory();
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    for _ in 0..SESSIONS {
        stream.write_all(b"PUT /cama/session HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        assert_eq!(Answer::read(&mut stream).await.status, 201);
    }
    let each = memory().saturating_sub(before) / SESSIONS;
    println!("{SESSIONS} open sessions: {each} bytes each");
    // Other tests of this process grow and shrink meanwhile; a session that costs more shows.
    assert!(each < EACH, "a session costs {each} bytes");
    world.end().await;
}
