//! The gateway's side of the handshake.

use std::{io, time::Duration};

use bytes::BytesMut;
use crosstalk::{
    petrichor::{Answer, Denial, Hello, Welcome},
    transaction::{self, Body, Handler},
    transactions::{Config, Numbers},
};
use http::{HeaderValue, Method, Response, StatusCode, Version, header, request::Parts};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    time::{Instant, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Connection, UPGRADE_TOKEN, connection,
    greeting::{AFTER_DENIAL, GREETING_TIMEOUT, read_pair, write_pair},
    pack::{Agreed, Share},
    wire::Wire,
};
use crate::{
    Carrier, Link, LinkEnd, Timing,
    accept::{LinkError, Refusal, list},
    line::LineHandle,
    messages::{self, Setup},
};

/// What the gateway says of itself.
const IDENT: &str = concat!("veranda-gateway/", env!("CARGO_PKG_VERSION"));

/// How many questions of one dialer are answered at the same time ([`Hello::asks`]). A peer asks one
/// after the other, and each may hold a window of memory for somebody who has proven nothing.
pub const MAX_QUESTIONS: usize = 8;

/// A peer's wish for a link by `Upgrade: petrichor/1`, read and found good.
#[derive(Clone, Debug)]
pub struct Offer {
    token: HeaderValue,
}

/// Reads a request for a link. `None` is any other request.
///
/// # Errors
/// When it is a request for a link and cannot be granted.
pub fn read(request: &Parts) -> Result<Option<Offer>, Refusal> {
    let headers = &request.headers;
    let is_ours = |token: &&str| token.eq_ignore_ascii_case(UPGRADE_TOKEN);
    let Some(token) = list(headers, header::UPGRADE).find(is_ours) else { return Ok(None) };
    if request.version != Version::HTTP_11 {
        return Err(Refusal::Version);
    }
    if request.method != Method::GET {
        return Err(Refusal::Method);
    }
    // What follows the head would be taken for the hello.
    let empty = headers.get_all(header::CONTENT_LENGTH).iter().all(|length| length == "0");
    if !empty || headers.contains_key(header::TRANSFER_ENCODING) {
        return Err(Refusal::Body);
    }
    if !list(headers, header::CONNECTION).any(|name| name.eq_ignore_ascii_case("upgrade")) {
        return Err(Refusal::Connection);
    }
    // The token came out of a header, so it fits into one.
    let token = HeaderValue::from_str(token).map_err(|_| Refusal::NoUpgrade)?;
    Ok(Some(Offer { token }))
}

impl Offer {
    /// Returns the answer that turns the connection around.
    #[must_use]
    pub fn response(&self) -> Response<Body> {
        let mut response = Response::new(transaction::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, self.token.clone());
        response
    }

    /// Waits until [`Offer::response`] was sent and makes the connection a link.
    ///
    /// Who it is was said in the request. So both ends say what they offer at once, and nobody waits
    /// for the other's word before their own.
    ///
    /// The link's tasks belong to `tasks`; they end with the link.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn link_with(
        self,
        upgrade: OnUpgrade,
        tasks: &TaskTracker,
        timing: Timing,
    ) -> Result<Link, LinkError> {
        let deadline = Instant::now() + GREETING_TIMEOUT;
        let greeting = async {
            let upgraded = upgrade.await.map_err(LinkError::Lost)?;
            let (mut connection, line) = connection(upgraded);
            let share = Share::take();
            let welcome = welcome(share.as_ref(), true, String::new());
            let mut arrived = BytesMut::new();
            let pair = welcome.to_pair();
            let told = write_pair(&mut connection, &pair);
            told.await.map_err(LinkError::Broken)?;
            let hello = read_hello(&mut connection, &mut arrived).await?;
            let agreed = agreed(&hello, share);
            Ok(link(Wire::new(connection, arrived, agreed), line, tasks, timing))
        };
        timeout_at(deadline, greeting).await.unwrap_or(Err(LinkError::TimedOut))
    }
}

/// A connection on Petrichor's own port whose dialer has said who it is, and waits for an answer.
pub struct Greeted {
    hello: Hello,
    connection: Connection,
    line: LineHandle,
    arrived: BytesMut,
}

impl Greeted {
    /// Waits for a dialer to say who it is, for as long as a greeting may take.
    ///
    /// Who speaks another version is not answered.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn hear<S>(stream: S) -> Result<Self, LinkError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (mut connection, line) = connection(TokioIo::new(stream));
        let mut arrived = BytesMut::new();
        let deadline = Instant::now() + GREETING_TIMEOUT;
        let hello = timeout_at(deadline, read_hello(&mut connection, &mut arrived)).await;
        let hello = hello.unwrap_or(Err(LinkError::TimedOut))?;
        Ok(Self { hello, connection, line, arrived })
    }

    /// Returns what the dialer said.
    #[must_use]
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// Says no, with a sentence for a person, and closes.
    pub async fn deny(mut self, denial: Denial) {
        let pair = Answer::Denied(denial).to_pair();
        let deadline = Instant::now() + AFTER_DENIAL;
        let said = async {
            write_pair(&mut self.connection, &pair).await?;
            self.connection.shutdown().await?;
            // What is still said is not wanted.
            let mut rest = [0; 1024];
            while self.connection.read(&mut rest).await? > 0 {}
            Ok::<_, io::Error>(())
        };
        // Nobody is left to tell when this fails.
        let _ = timeout_at(deadline, said).await;
    }

    /// Says yes, and makes the connection a link.
    ///
    /// The link's tasks belong to `tasks`; they end with the link.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn link(self, sentence: String, tasks: &TaskTracker) -> Result<Link, LinkError> {
        self.link_with(sentence, tasks, Timing::default()).await
    }

    /// The same with times of one's own.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn link_with(
        self,
        sentence: String,
        tasks: &TaskTracker,
        timing: Timing,
    ) -> Result<Link, LinkError> {
        let share = self.hello.dedupe.and_then(|_| Share::take());
        let (wire, line) = self.allow(share, sentence).await?;
        Ok(link(wire, line, tasks, timing))
    }

    /// Says yes, and answers what the dialer asks ([`Hello::asks`]) until it leaves, or `stop` is
    /// cancelled and `grace` is over.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn answer(
        self,
        handler: Handler,
        stop: CancellationToken,
        grace: Duration,
    ) -> Result<LinkEnd, LinkError> {
        let (wire, line) = self.allow(None, String::new()).await?;
        let mut setup = setup(line, Numbers::Even, Timing::default(), false);
        setup.config.max_accepted = MAX_QUESTIONS;
        Ok(messages::serve(wire, setup, handler, stop, grace).await)
    }

    async fn allow(
        self,
        share: Option<Share>,
        sentence: String,
    ) -> Result<(Wire<Connection>, LineHandle), LinkError> {
        let Self { hello, mut connection, line, arrived } = self;
        let pair = welcome(share.as_ref(), hello.compress, sentence).to_pair();
        let deadline = Instant::now() + GREETING_TIMEOUT;
        let told = timeout_at(deadline, write_pair(&mut connection, &pair)).await;
        told.map_err(|_| LinkError::TimedOut)?.map_err(LinkError::Broken)?;
        Ok((Wire::new(connection, arrived, agreed(&hello, share)), line))
    }
}

async fn read_hello(
    connection: &mut Connection,
    arrived: &mut BytesMut,
) -> Result<Hello, LinkError> {
    let (header, body) = read_pair(connection, arrived).await.map_err(LinkError::Broken)?;
    Hello::read(&header, &body).map_err(|error| LinkError::Broken(error.into()))
}

fn welcome(share: Option<&Share>, compress: bool, sentence: String) -> Answer {
    Answer::Allowed(Welcome {
        ident: IDENT.to_owned(),
        compress,
        dedupe: share.map_or(0, Share::size),
        sentence,
    })
}

/// Returns what comes of the two offers: only what both have.
fn agreed(hello: &Hello, share: Option<Share>) -> Agreed {
    let keeps = share.filter(|_| hello.dedupe.is_some());
    Agreed { compress: hello.compress, keeps, kept: hello.dedupe.unwrap_or(0) }
}

fn link(wire: Wire<Connection>, line: LineHandle, tasks: &TaskTracker, timing: Timing) -> Link {
    messages::link(wire, setup(line, Numbers::Even, timing, true), None, tasks)
}

pub(super) fn setup(line: LineHandle, numbers: Numbers, timing: Timing, websockets: bool) -> Setup {
    let Timing { ping_every, ping_timeout } = timing;
    let config = Config { ping_every, ping_timeout, ..Config::new(numbers) };
    Setup { carrier: Carrier::Petrichor, config, line, websockets }
}
