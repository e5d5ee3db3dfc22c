//! The peer's side of every handshake that begins with `Upgrade` on the gateway's own host.

use std::{
    io,
    pin::pin,
    time::{Duration, SystemTime},
};

use crosstalk::{
    address::GatewayAddress,
    registry::{PTTH_PATH, Reason, Refused},
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{
    body::{Bytes, Incoming},
    client::conn::http1::{self as client, SendRequest},
    upgrade::Upgraded,
};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use url::Url;

use crate::{DialError, DialOptions, tls};

/// How long a gateway may take to answer once it is connected. It only looks at a signature.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// How long dialling may take in all, with a relay that asks for patience. Without one it takes at
/// most [`tls::CONNECT_TIMEOUT`] and twice [`ANSWER_WITHIN`].
const DIAL_WITHIN: Duration = Duration::from_secs(10 * 60);

/// How long a relay may take to answer that had nobody for us at first (204): it waits for a
/// visitor, and says 204 again about once a minute.
const RELAY_ANSWER_WITHIN: Duration = Duration::from_secs(90);

/// How often a relay is asked on one connection before it is dialled anew.
const MAX_RELAY_POLLS: usize = 16;

/// The longest answer that is read for its sentence.
const MAX_ANSWER_BYTES: usize = 16 * 1024;

/// The longest head of an answer.
pub(crate) const MAX_ANSWER_HEAD: usize = 16 * 1024;

/// The longest sentence of somebody else's that a person is shown, in characters.
const MAX_SENTENCE: usize = 300;

/// The longest time for which a gateway can send a peer away.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60 * 60);

/// Asks a gateway to turn a connection around. `headers` are those of the protocol, `Upgrade` among
/// them; `agreed` reads the headers of the 101.
///
/// # Errors
/// See [`DialError`], and those of `agreed`.
pub(crate) async fn upgrade<T>(
    options: &DialOptions,
    method: Method,
    headers: HeaderMap,
    agreed: impl Fn(&HeaderMap) -> Result<T, DialError>,
) -> Result<(T, Upgraded), DialError> {
    let handshake = Handshake::new(options, method, headers)?;
    let dialled = timeout(DIAL_WITHIN, async {
        let stream = tls::connect(&options.gateway, &options.roots).await?;
        let mut builder = client::Builder::new();
        // Relays of old compare header names letter for letter.
        builder.title_case_headers(true).max_header_size(MAX_ANSWER_HEAD);
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let mut connection = pin!(connection.with_upgrades());
        let mut exchange = pin!(handshake.exchange(sender, agreed));
        tokio::select! {
            biased;
            done = &mut exchange => done,
            // It is handed over, or broke: the exchange knows in the next moment.
            _ = &mut connection => exchange.await,
        }
    });
    dialled.await.unwrap_or(Err(DialError::TimedOut))
}

/// Returns an error for what cannot be in a request.
pub(crate) fn unfit(error: impl std::error::Error + Send + Sync + 'static) -> DialError {
    DialError::Unreachable(io::Error::new(io::ErrorKind::InvalidInput, error))
}

/// The request for a link.
struct Handshake<'a> {
    gateway: &'a GatewayAddress,
    method: Method,
    path: String,
    headers: HeaderMap,
}

impl<'a> Handshake<'a> {
    fn new(options: &'a DialOptions, method: Method, own: HeaderMap) -> Result<Self, DialError> {
        let mut headers = HeaderMap::new();
        let host = HeaderValue::from_str(&options.gateway.authority());
        headers.insert(header::HOST, host.map_err(unfit)?);
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.extend(own);
        if !options.proof.is_empty() {
            let bearer = HeaderValue::from_str(&format!("Bearer {}", options.proof));
            let mut bearer = bearer.map_err(unfit)?;
            bearer.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, bearer);
        }
        let path = match &options.label {
            Some(label) => format!("{PTTH_PATH}/{label}"),
            None => PTTH_PATH.to_owned(),
        };
        if method == Method::POST {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        Ok(Self { gateway: &options.gateway, method, path, headers })
    }

    async fn exchange<T>(
        &self,
        mut sender: SendRequest<Empty<Bytes>>,
        agreed: impl Fn(&HeaderMap) -> Result<T, DialError>,
    ) -> Result<(T, Upgraded), DialError> {
        let mut patience = ANSWER_WITHIN;
        for _ in 0..MAX_RELAY_POLLS {
            let mut request = Request::new(Empty::new());
            *request.method_mut() = self.method.clone();
            *request.uri_mut() = self.path.parse().map_err(|_| DialError::NotAGateway)?;
            *request.headers_mut() = self.headers.clone();
            let answer = timeout(patience, async {
                sender.ready().await.map_err(broken)?;
                sender.send_request(request).await.map_err(broken)
            });
            let response = answer.await.map_err(|_| DialError::TimedOut)??;
            match response.status() {
                StatusCode::SWITCHING_PROTOCOLS => {
                    let agreed = agreed(response.headers())?;
                    let upgraded = hyper::upgrade::on(response).await.map_err(broken)?;
                    return Ok((agreed, upgraded));
                }
                // Nobody is there for us; ask again on the same connection.
                StatusCode::NO_CONTENT => patience = RELAY_ANSWER_WITHIN,
                StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => {
                    return Err(moved(self.gateway, response.headers()));
                }
                _ => return Err(refused(response).await),
            }
        }
        Err(DialError::TimedOut)
    }
}

/// Returns the error of a connection to a gateway.
pub(crate) fn broken(error: hyper::Error) -> DialError {
    if error.is_parse() {
        return DialError::NotAGateway;
    }
    DialError::Unreachable(io::Error::other(error))
}

/// Reads where a gateway sends us.
pub(crate) fn moved(gateway: &GatewayAddress, headers: &HeaderMap) -> DialError {
    let location = headers.get(header::LOCATION).and_then(|location| location.to_str().ok());
    let there = location
        .and_then(|location| Url::parse(location).ok())
        .and_then(|url| GatewayAddress::parse(&url.origin().ascii_serialization()).ok());
    match there {
        // Nobody sends a proof from a private line to an open one.
        Some(there) if there.is_secure() >= gateway.is_secure() && there != *gateway => {
            DialError::Moved(there)
        }
        Some(_) | None => DialError::NotAGateway,
    }
}

async fn refused(response: Response<Incoming>) -> DialError {
    let (parts, body) = response.into_parts();
    let body = timeout(ANSWER_WITHIN, Limited::new(body, MAX_ANSWER_BYTES).collect());
    let body = match body.await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(_)) | Err(_) => Bytes::new(),
    };
    refusal(parts.status, &parts.headers, &body)
}

/// Reads an answer that is none of those that were hoped for.
pub(crate) fn refusal(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> DialError {
    let refused = if status.is_client_error() || status.is_server_error() {
        serde_json::from_slice::<Refused>(body).ok().map(tidy).or_else(|| sentence(status))
    } else {
        None
    };
    match refused {
        Some(refused) => DialError::Refused { status, refused, retry_after: retry_after(headers) },
        None => DialError::NotAGateway,
    }
}

/// Makes somebody else's sentence one that can be shown: one line, not too long.
fn tidy(refused: Refused) -> Refused {
    let visible = refused.sentence.chars().map(|c| if c.is_control() { ' ' } else { c });
    Refused { sentence: visible.take(MAX_SENTENCE).collect(), ..refused }
}

/// Says what a status means when the answer itself does not. It is probably not the gateway that
/// says so, which would give its reason: a proxy on the way forbids a carrier with 403 or 503, and
/// another carrier may pass.
fn sentence(status: StatusCode) -> Option<Refused> {
    let (reason, sentence) = match status.as_u16() {
        401 => (Reason::Unknown, "it wants to know who this is"),
        403 => (Reason::Unknown, "it, or something on the way, does not admit this connection"),
        404 => (Reason::NotFound, "nothing takes links there; is this the address of a gateway?"),
        409 => (Reason::Unknown, "the name belongs to somebody else"),
        426 => (Reason::UpgradeRequired, "something on the way blocks the connection"),
        429 => (Reason::Unknown, "it was asked too often; this goes on by itself in a while"),
        503 => (Reason::Unknown, "it has no room now; this goes on by itself in a while"),
        500 | 502 | 504 => {
            (Reason::Unknown, "it does not work now; this goes on by itself in a while")
        }
        _ => return None,
    };
    Some(Refused { reason, sentence: sentence.to_owned() })
}

/// Reads `Retry-After`: seconds or a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match value.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let date = httpdate::parse_http_date(value).ok()?;
            date.duration_since(SystemTime::now()).unwrap_or_default()
        }
    };
    Some(wait.min(MAX_RETRY_AFTER))
}
