//! POSTs to a gateway, one after the other, on a connection that is made anew when it is gone.

use std::{io, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use crosstalk::{address::GatewayAddress, poll::MAX_DOCUMENT};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    body::Incoming,
    client::conn::http1::{Builder, SendRequest},
};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, timeout};

use super::SESSION;
use crate::{
    DialError,
    tls::{self, Roots},
    upgrade::{MAX_ANSWER_HEAD, broken, unfit},
};

/// How long a connection may rest before a new one is made instead: routers at home forget it after a
/// while without a word, and a POST over it would wait for its deadline.
const FRESH: Duration = Duration::from_secs(20);

/// Where a peer's POSTs go, and how they are marked.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) gateway: GatewayAddress,
    pub(super) roots: Roots,
    pub(super) path: Uri,
    /// `Authorization` or [`SESSION`].
    pub(super) key: (header::HeaderName, HeaderValue),
}

/// Makes POSTs, one at a time.
pub(super) struct Caller {
    place: Arc<Place>,
    connection: Option<Connection>,
}

struct Connection {
    sender: SendRequest<Full<Bytes>>,
    used: Instant,
    /// `None` when the connection has ended.
    driver: Option<Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>>,
}

/// What a gateway (or something before it) answered.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Caller {
    pub(super) fn new(place: Arc<Place>) -> Self {
        Self { place, connection: None }
    }

    /// Goes on elsewhere, on the same connection.
    pub(super) fn with_place(self, place: Arc<Place>) -> Self {
        Self { place, ..self }
    }

    /// Makes a POST and reads the answer to its end. A connection that was there already may be
    /// gone: a POST that gets no answer on it goes again over a new one. `once` forbids that.
    ///
    /// # Errors
    /// When there is no answer within the time.
    pub(super) async fn call(
        &mut self,
        document: Bytes,
        prefer: Option<HeaderValue>,
        within: Duration,
        once: bool,
    ) -> Result<Answer, DialError> {
        self.connection.take_if(|connection| connection.used.elapsed() > FRESH);
        let was_there = self.connection.is_some();
        let first = self.attempt(document.clone(), prefer.clone(), within).await;
        match first {
            Err(DialError::Unreachable(_)) if was_there && !once => {
                self.attempt(document, prefer, within).await
            }
            first => first,
        }
    }

    async fn attempt(
        &mut self,
        document: Bytes,
        prefer: Option<HeaderValue>,
        within: Duration,
    ) -> Result<Answer, DialError> {
        let connection = self.connection.take();
        let call = async {
            let mut connection = match connection {
                Some(connection) => connection,
                None => self.place.connect().await?,
            };
            let request = self.place.request(document, prefer)?;
            let answer = connection.exchange(request).await?;
            Ok((answer, connection))
        };
        let (answer, mut connection) =
            timeout(within, call).await.unwrap_or(Err(DialError::TimedOut))?;
        connection.used = Instant::now();
        self.connection = (!connection.sender.is_closed()).then_some(connection);
        Ok(answer)
    }
}

impl Connection {
    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, DialError> {
        let Self { sender, driver, .. } = self;
        let driven = async {
            if let Some(driving) = driver {
                // How it ended, the exchange says.
                let _ = driving.await;
            }
            // Whoever waits for the connection hears of its end when it is dropped.
            *driver = None;
        };
        let exchange = async {
            sender.ready().await.map_err(broken)?;
            read(sender.send_request(request).await.map_err(broken)?).await
        };
        tokio::pin!(exchange);
        tokio::select! {
            biased;
            answer = &mut exchange => answer,
            () = driven => exchange.await,
        }
    }
}

async fn read(response: Response<Incoming>) -> Result<Answer, DialError> {
    let (head, body) = response.into_parts();
    let body = Limited::new(body, MAX_DOCUMENT).collect().await;
    let body = body.map_err(|error| DialError::Unreachable(io::Error::other(error)))?.to_bytes();
    Ok(Answer { status: head.status, headers: head.headers, body })
}

impl Place {
    async fn connect(&self) -> Result<Connection, DialError> {
        let stream = tls::connect(&self.gateway, &self.roots).await?;
        let mut builder = Builder::new();
        builder.max_header_size(MAX_ANSWER_HEAD);
        let (sender, driver) = builder.handshake(TokioIo::new(stream)).await.map_err(broken)?;
        Ok(Connection { sender, used: Instant::now(), driver: Some(Box::pin(driver)) })
    }

    fn request(
        &self,
        document: Bytes,
        prefer: Option<HeaderValue>,
    ) -> Result<Request<Full<Bytes>>, DialError> {
        let mut request = Request::new(Full::new(document));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.path.clone();
        let headers = request.headers_mut();
        let host = HeaderValue::from_str(&self.gateway.authority()).map_err(unfit)?;
        headers.insert(header::HOST, host);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let (name, value) = &self.key;
        headers.insert(name.clone(), value.clone());
        if let Some(prefer) = prefer {
            headers.insert("prefer", prefer);
        }
        Ok(request)
    }

    /// Returns the same place, known by a session.
    pub(super) fn in_session(&self, token: &HeaderValue) -> Self {
        let mut token = token.clone();
        token.set_sensitive(true);
        Self { key: (SESSION, token), ..self.clone() }
    }
}
