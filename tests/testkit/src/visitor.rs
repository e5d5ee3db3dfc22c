//! Visitors without a browser.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use url::Url;

/// How long an answer may take, all of it: some are large, and the machine is slow.
const ANSWER: Duration = Duration::from_secs(5 * 60);

/// How long a [`Download`] waits for its next bytes.
const NEXT_BYTES: Duration = Duration::from_secs(60);

/// The receive buffer of a [`Download`], in bytes: small, so that who does not read takes little.
const SMALL_BUFFER: u32 = 16 * 1024;

/// The longest head of an answer, in bytes; more is an error of the gateway.
const MAX_HEAD: usize = 64 * 1024;

/// Somebody who asks one site, and keeps its cookie.
///
/// It connects to 127.0.0.1 whatever the site is called: not every resolver knows that names below
/// `localhost` are this computer.
#[derive(Clone)]
pub struct Visitor {
    address: SocketAddr,
    authority: String,
    cookie: Option<String>,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Visitor {
    /// Makes a visitor of the site that this address belongs to, without its cookie.
    ///
    /// # Errors
    /// When the address is not an `http` address with a host.
    pub fn stranger(address: &str) -> anyhow::Result<Self> {
        let url = Url::parse(address)?;
        let host = url.host_str().with_context(|| format!("no host in {address}"))?;
        if url.scheme() != "http" {
            bail!("{address} is not a plain address");
        }
        let port = url.port().unwrap_or(80);
        Ok(Self {
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            authority: format!("{host}:{port}"),
            cookie: None,
            client: Client::builder(TokioExecutor::new()).build(HttpConnector::new()),
        })
    }

    /// Opens a session URL as a browser would: takes the cookie and follows the redirection.
    ///
    /// # Errors
    /// When the answer is not the redirection of a good session URL.
    pub async fn enter(session_url: &str) -> anyhow::Result<(Self, Response<Bytes>)> {
        let mut visitor = Self::stranger(session_url)?;
        let answer = visitor.get(Url::parse(session_url)?.path()).await?;
        if answer.status() != StatusCode::SEE_OTHER {
            bail!("the session URL answers {}: {}", answer.status(), text(&answer));
        }
        let cookie = answer.headers().get(header::SET_COOKIE).context("no cookie")?.to_str()?;
        let cookie = cookie.split(';').next().unwrap_or_default().trim().to_owned();
        let place = answer.headers().get(header::LOCATION).context("no place to go")?.to_str()?;
        let place = Url::parse(session_url)?.join(place)?;
        visitor.cookie = Some(cookie);
        let answer = visitor.get(place.path()).await?;
        Ok((visitor, answer))
    }

    /// Fetches what is at this path, as it stands in the address.
    ///
    /// # Errors
    /// When no whole answer arrives.
    pub async fn get(&self, path: &str) -> anyhow::Result<Response<Bytes>> {
        self.ask(Request::get(path).body(Bytes::new())?).await
    }

    /// Sends a request whose address is a path; `Host` and the cookie are added.
    ///
    /// # Errors
    /// When no whole answer arrives.
    pub async fn ask(&self, request: Request<Bytes>) -> anyhow::Result<Response<Bytes>> {
        let (mut head, body) = request.into_parts();
        head.uri = format!("http://{}{}", self.address, head.uri).parse()?;
        head.headers.insert(header::HOST, self.authority.parse()?);
        if let Some(cookie) = &self.cookie {
            head.headers.insert(header::COOKIE, cookie.parse()?);
        }
        let asked = self.client.request(Request::from_parts(head, Full::new(body)));
        timeout(ANSWER, async {
            let (head, body) = asked.await?.into_parts();
            Ok(Response::from_parts(head, body.collect().await?.to_bytes()))
        })
        .await
        .context("no whole answer in time")?
    }

    /// Begins to fetch a file and reads the head of the answer; the rest is read when it is taken,
    /// so this visitor is as slow as the test likes.
    ///
    /// # Errors
    /// When there is no answer with a length.
    pub async fn begin(&self, path: &str, more: &HeaderMap) -> anyhow::Result<Download> {
        let mut head = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n", self.authority);
        if let Some(cookie) = &self.cookie {
            head.push_str(&format!("Cookie: {cookie}\r\n"));
        }
        for (name, value) in more {
            head.push_str(&format!("{name}: {}\r\n", value.to_str()?));
        }
        head.push_str("\r\n");

        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(SMALL_BUFFER)?;
        let mut stream = socket.connect(self.address).await?;
        stream.write_all(head.as_bytes()).await?;
        timeout(ANSWER, Download::read_head(stream)).await.context("no answer in time")?
    }

    /// Returns the cookie, `name=value`.
    #[must_use]
    pub fn cookie(&self) -> Option<&str> {
        self.cookie.as_deref()
    }

    /// Puts another cookie in the place of the right one.
    pub fn set_cookie(&mut self, cookie: &str) {
        self.cookie = Some(cookie.to_owned());
    }
}

/// A file that is being fetched. Dropping it is the visitor leaving.
pub struct Download {
    stream: TcpStream,
    head: String,
    ready: Vec<u8>,
    left: u64,
}

impl Download {
    async fn read_head(mut stream: TcpStream) -> anyhow::Result<Self> {
        let mut ready = Vec::new();
        let end = loop {
            if let Some(end) = ready.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            if ready.len() > MAX_HEAD || stream.read_buf(&mut ready).await? == 0 {
                bail!("the answer has no head: {:?}", String::from_utf8_lossy(&ready));
            }
        };
        let body = ready.split_off(end + 4);
        let head = String::from_utf8_lossy(&ready).into_owned();
        let mut download = Self { stream, head, ready: body, left: 0 };
        let length = download.header("content-length").context("the answer has no length")?;
        download.left = length.parse()?;
        Ok(download)
    }

    /// Returns the status of the answer.
    #[must_use]
    pub fn status(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    /// Returns a header of the answer; the name is in small letters.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// Returns how many bytes are still to come.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Takes this many bytes; fewer when the file is at its end, or was cut ([`Self::left`] tells
    /// which).
    ///
    /// # Errors
    /// When nothing arrives for a long time.
    pub async fn take(&mut self, wanted: usize) -> anyhow::Result<Vec<u8>> {
        let wanted = wanted.min(usize::try_from(self.left)?);
        while self.ready.len() < wanted {
            let read = timeout(NEXT_BYTES, self.stream.read_buf(&mut self.ready)).await;
            // A connection that was reset is as cut as one that was closed.
            if read.context("no bytes in time")?.unwrap_or(0) == 0 {
                break;
            }
        }
        let rest = self.ready.split_off(wanted.min(self.ready.len()));
        let taken = std::mem::replace(&mut self.ready, rest);
        self.left -= taken.len() as u64;
        Ok(taken)
    }

    /// Takes everything that still comes.
    ///
    /// # Errors
    /// When nothing arrives for a long time.
    pub async fn take_all(&mut self) -> anyhow::Result<Vec<u8>> {
        self.take(usize::MAX).await
    }
}

/// Returns the body of an answer as text.
#[must_use]
pub fn text(answer: &Response<Bytes>) -> String {
    String::from_utf8_lossy(answer.body()).into_owned()
}
