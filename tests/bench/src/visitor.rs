//! A visitor of our own, for what the load programs do not tell: the cookie, and the time of the
//! first byte.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use crate::systems::System;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The largest head that we read.
const MAX_HEAD: usize = 64 * 1024;

/// A connection that is kept open.
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
    first_byte: Duration,
}

impl Connection {
    fn open(system: &System) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&system.address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream, buffer: vec![0; 256 * 1024] })
    }

    fn get(&mut self, request: &str) -> Result<Answer> {
        let begun = Instant::now();
        self.stream.write_all(request.as_bytes())?;
        let mut bytes = Vec::new();
        let mut first_byte = None;
        let end = loop {
            let count = self.stream.read(&mut self.buffer)?;
            first_byte.get_or_insert_with(|| begun.elapsed());
            if count == 0 {
                bail!("the connection ended in the middle of a head");
            }
            bytes.extend_from_slice(&self.buffer[..count]);
            if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            if bytes.len() > MAX_HEAD {
                bail!("the head never ends");
            }
        };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let length = header(&head, "content-length").and_then(|length| length.parse().ok());
        let length: usize = length.context("an answer without a length")?;
        let mut body = bytes.split_off(end);
        while body.len() < length {
            let count = self.stream.read(&mut self.buffer)?;
            if count == 0 {
                bail!("the connection ended in the middle of a body");
            }
            body.extend_from_slice(&self.buffer[..count]);
        }
        Ok(Answer {
            status: status.context("an answer without a status")?,
            head,
            body,
            first_byte: first_byte.unwrap_or_default(),
        })
    }
}

fn request(system: &System, path: &str) -> String {
    let mut request = format!("GET /{path} HTTP/1.1\r\n");
    for (name, value) in &system.headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    request
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// Returns status and body.
pub(crate) fn fetch(system: &System, path: &str) -> Result<(u16, Vec<u8>)> {
    let answer = Connection::open(system)?.get(&request(system, path))?;
    Ok((answer.status, answer.body))
}

/// Opens a session URL and returns the cookie that it gives.
pub(crate) fn cookie(system: &System, path: &str) -> Result<String> {
    let answer = Connection::open(system)?.get(&request(system, path))?;
    let cookie = header(&answer.head, "set-cookie").and_then(|cookie| cookie.split(';').next());
    cookie.map(str::to_owned).with_context(|| format!("no cookie: {}", answer.status))
}

/// Returns the median time until the first byte of an answer, one request after the other.
pub(crate) fn first_byte(system: &System, path: &str, requests: usize) -> Result<Duration> {
    let request = request(system, path);
    let mut connection = Connection::open(system)?;
    let mut times = Vec::with_capacity(requests);
    for _ in 0..requests {
        let answer = connection.get(&request)?;
        if answer.status != 200 {
            bail!("an answer with {}", answer.status);
        }
        times.push(answer.first_byte);
    }
    times.sort_unstable();
    times.get(times.len() / 2).copied().context("no requests, no time")
}
