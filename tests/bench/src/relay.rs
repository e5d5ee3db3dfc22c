//! One long body from one program to another: through a relay session, and through nginx, which passes an
//! upload on as it comes.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

/// How long nothing may move.
const PATIENCE: Duration = Duration::from_secs(60);

/// The largest head that we read.
const MAX_HEAD: usize = 64 * 1024;

/// What the body repeats, but for the number that each piece begins with.
const PIECE: usize = 256 * 1024;

/// Which way a body goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    pub(crate) name: &'static str,
    sender: Sender,
    in_chunks: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sender {
    /// Who has the session's token.
    Host,
    Guest,
    /// Somebody who uploads through nginx.
    Visitor,
}

/// What all others are shares of.
pub(crate) const REFERENCE: &str = "nginx hop, upload";

/// All of them, each in a turn of its own.
pub(crate) const WAYS: [Way; 4] = [
    Way { name: REFERENCE, sender: Sender::Visitor, in_chunks: false },
    Way { name: "relay, host to guest", sender: Sender::Host, in_chunks: false },
    Way { name: "relay, guest to host", sender: Sender::Guest, in_chunks: false },
    Way { name: "relay, in chunks", sender: Sender::Host, in_chunks: true },
];

impl Way {
    pub(crate) fn is_nginx(self) -> bool {
        self.sender == Sender::Visitor
    }
}

/// Where uploads through nginx end.
pub(crate) struct Sink(TcpListener);

impl Sink {
    pub(crate) fn open() -> Result<Self> {
        Ok(Self(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?))
    }

    pub(crate) fn address(&self) -> Result<SocketAddr> {
        Ok(self.0.local_addr()?)
    }

    /// Takes one upload and answers it.
    fn take(&self, bytes: u64) -> Result<()> {
        let (stream, _) = self.0.accept()?;
        let mut line = Line::new(stream)?;
        let head = line.head()?;
        if !head.starts_with("POST ") {
            bail!("nginx passes on {head:?}");
        }
        line.compare(bytes, false)?;
        line.stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")?;
        Ok(())
    }
}

/// Sends a body and compares what arrives byte for byte; returns how long it took until the sender was
/// told so.
pub(crate) fn transfer(
    gateway: SocketAddr,
    nginx: SocketAddr,
    sink: &Sink,
    way: Way,
    bytes: u64,
) -> Result<Duration> {
    if way.is_nginx() {
        let framing = format!("Content-Length: {bytes}\r\n");
        let head = format!("POST /upload HTTP/1.1\r\nHost: {nginx}\r\n{framing}\r\n");
        let begun = Instant::now();
        let answer = both(|| send(nginx, &head, way, bytes), || sink.take(bytes))?;
        return match status(&answer) {
            204 => Ok(begun.elapsed()),
            _ => bail!("nginx answers {answer:?}"),
        };
    }
    let (path, cookie) = allocate(gateway)?;
    let (sender, receiver) = match way.sender {
        Sender::Host => (cookie.as_str(), ""),
        Sender::Guest | Sender::Visitor => ("", cookie.as_str()),
    };
    let framing = match way.in_chunks {
        true => "Transfer-Encoding: chunked\r\n".to_owned(),
        false => format!("Content-Length: {bytes}\r\n"),
    };
    let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\n{sender}{framing}\r\n");
    let mut line = Line::new(TcpStream::connect(gateway)?)?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{receiver}\r\n");
    line.stream.write_all(request.as_bytes())?;
    let begun = Instant::now();
    let receive = || {
        let answer = line.head()?;
        if status(&answer) != 200 {
            bail!("the receiver gets {answer:?}");
        }
        line.compare(bytes, way.in_chunks)
    };
    let answer = both(|| send(gateway, &head, way, bytes), receive)?;
    let took = begun.elapsed();
    let delivered = header(&answer, "x-bytes-delivered").and_then(|text| text.parse().ok());
    if status(&answer) != 200 || delivered != Some(bytes) {
        bail!("the sender is told {answer:?}");
    }
    Ok(took)
}

/// Runs who sends and who receives at the same time.
fn both(
    send: impl FnOnce() -> Result<String> + Send,
    receive: impl FnOnce() -> Result<()> + Send,
) -> Result<String> {
    thread::scope(|scope| {
        let sending = scope.spawn(send);
        let received = receive();
        let answer = sending.join().map_err(|_| anyhow::anyhow!("the sender failed"))?;
        received?;
        answer
    })
}

fn send(to: SocketAddr, head: &str, way: Way, bytes: u64) -> Result<String> {
    let mut line = Line::new(TcpStream::connect(to)?)?;
    line.stream.write_all(head.as_bytes())?;
    let start = format!("{PIECE:x}\r\n");
    let mut piece = [start.as_bytes(), &blank(), b"\r\n"].concat();
    for number in 0..bytes / PIECE as u64 {
        stamp(number, &mut piece[start.len()..]);
        let part = if way.in_chunks { &piece[..] } else { &piece[start.len()..][..PIECE] };
        line.stream.write_all(part)?;
    }
    if way.in_chunks {
        line.stream.write_all(b"0\r\n\r\n")?;
    }
    line.head()
}

fn blank() -> Vec<u8> {
    (0..PIECE).map(|at| (at.wrapping_mul(40_503) >> 8) as u8).collect()
}

fn stamp(number: u64, piece: &mut [u8]) {
    piece[..8].copy_from_slice(&number.to_le_bytes());
}

fn allocate(gateway: SocketAddr) -> Result<(String, String)> {
    let mut line = Line::new(TcpStream::connect(gateway)?)?;
    line.stream.write_all(b"PUT /cama/session HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    let answer = line.head()?;
    let path = header(&answer, "location").context("there is no session")?.to_owned();
    let cookie = header(&answer, "set-cookie").and_then(|cookie| cookie.split(';').next());
    Ok((path, format!("Cookie: {}\r\n", cookie.context("the session has no token")?)))
}

fn status(head: &str) -> u16 {
    head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// A connection, with what was read and not used.
struct Line {
    stream: TcpStream,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Line {
    fn new(stream: TcpStream) -> Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream, buffer: vec![0; PIECE], start: 0, end: 0 })
    }

    /// Returns at least one byte that was not used.
    fn more(&mut self) -> Result<&[u8]> {
        if self.start == self.end {
            self.start = 0;
            self.end = self.stream.read(&mut self.buffer)?;
            if self.end == 0 {
                bail!("the connection ended too early");
            }
        }
        Ok(&self.buffer[self.start..self.end])
    }

    /// Reads to the end of a line and returns it without that.
    fn line(&mut self) -> Result<String> {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.push(self.more()?[0]);
            self.start += 1;
            if line.len() > MAX_HEAD {
                bail!("a line never ends");
            }
        }
        line.truncate(line.len() - 2);
        Ok(String::from_utf8(line)?)
    }

    fn head(&mut self) -> Result<String> {
        let mut head = String::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(head);
            }
            head.push_str(&line);
            head.push('\n');
            if head.len() > MAX_HEAD {
                bail!("the head never ends");
            }
        }
    }

    /// Reads a body and compares it with what is sent.
    fn compare(&mut self, bytes: u64, in_chunks: bool) -> Result<()> {
        let (mut expected, mut at) = (blank(), 0_u64);
        let mut chunk = if in_chunks { 0 } else { bytes };
        while at < bytes {
            if chunk == 0 {
                chunk = u64::from_str_radix(&self.line()?, 16)?;
            }
            let place = usize::try_from(at % PIECE as u64)?;
            if place == 0 {
                stamp(at / PIECE as u64, &mut expected);
            }
            let most = usize::try_from(chunk)?.min(PIECE - place);
            let got = self.more()?;
            let got = &got[..got.len().min(most)];
            if got != &expected[place..place + got.len()] {
                bail!("another byte arrived, after {at}");
            }
            let count = got.len();
            self.start += count;
            at += count as u64;
            chunk -= count as u64;
            if in_chunks && chunk == 0 && !self.line()?.is_empty() {
                bail!("a chunk is longer than it says");
            }
        }
        if in_chunks && (self.line()? != "0" || !self.line()?.is_empty()) {
            bail!("the body does not end");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns whether what one end writes passes as the body.
    fn check(in_chunks: bool, change: impl FnOnce(&mut Vec<u8>)) -> bool {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut body = Vec::new();
        for number in 0..2 {
            let mut piece = blank();
            stamp(number, &mut piece);
            if in_chunks {
                body.extend(format!("{PIECE:x}\r\n").bytes());
            }
            body.extend(piece);
            if in_chunks {
                body.extend(b"\r\n");
            }
        }
        if in_chunks {
            body.extend(b"0\r\n\r\n");
        }
        change(&mut body);
        let mut sender = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut line = Line::new(listener.accept().unwrap().0).unwrap();
        // With the receiver's end, which goes first, the sender's wait for it ends.
        thread::scope(move |scope| {
            scope.spawn(move || sender.write_all(&body));
            line.compare(2 * PIECE as u64, in_chunks).is_ok()
        })
    }

    #[test]
    fn one_other_byte_is_seen() {
        for in_chunks in [false, true] {
            assert!(check(in_chunks, |_| {}));
            assert!(!check(in_chunks, |body| body[PIECE + 7_000] ^= 1));
            assert!(!check(in_chunks, |body| {
                body.pop();
            }));
        }
        // The number of the second piece.
        assert!(!check(false, |body| body[PIECE] ^= 1));
    }
}
