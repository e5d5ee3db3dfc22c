//! Asking a gateway for names.

use std::{
    pin::Pin,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use carriers::{DialError, Questions, SendError, petrichor, tls, xmpp};
use crosstalk::{
    address::GatewayAddress,
    label::Label,
    members::{MEDIA_TYPE, NUMBER, REPLY, TELL_PATH},
    proof::PrivateKey,
    registry::{Claimed, GatewayInfo, INFO_PATH, NAMES_PATH, Refused, Told},
    taxi::{Header, Recipients, TaxiMessage},
    transaction::{self, Body},
};
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Fuse},
};
use http::{Method, Request, Response, StatusCode, header, response::Parts};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::{approach::Approach, naming};

/// How long a gateway may take to answer one question.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// The same over XMPP, where a server that lets 10 KB a second through may hold the bytes of a visitor
/// before it.
const SLOW_ANSWER_TIMEOUT: Duration = Duration::from_secs(40);

/// The longest answer that is read; ours have a few hundred bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// The longest sentence of a gateway that is shown to the owner.
const MAX_SENTENCE: usize = 300;

/// A connection for questions, one after the other.
pub(crate) struct Registry {
    gateway: GatewayAddress,
    line: Line,
}

/// How the gateway is reached.
enum Line {
    Http {
        sender: http1::SendRequest<Full<Bytes>>,
        /// Moves the bytes; it is polled while a question is under way.
        connection: Fuse<Pin<Box<dyn Future<Output = ()> + Send>>>,
    },
    /// At an address where only this is spoken.
    Petrichor(Questions),
    /// At the gateway's account.
    Xmpp(Questions),
}

impl Registry {
    /// Connects to the gateway.
    pub(crate) async fn connect(approach: &Approach) -> Result<Self, DialError> {
        let Approach { gateway, roots, account, invite } = approach;
        if gateway.is_petrichor() {
            let line = Line::Petrichor(petrichor::dial::ask(gateway, roots).await?);
            return Ok(Self { gateway: gateway.clone(), line });
        }
        if gateway.xmpp().is_some() {
            let account = account.as_ref().ok_or(DialError::NoAccount)?;
            let questions = xmpp::dial::ask(gateway, account, invite.as_deref()).await?;
            return Ok(Self { gateway: gateway.clone(), line: Line::Xmpp(questions) });
        }
        let stream = tls::connect(gateway, roots).await?;
        let handshake = http1::handshake(TokioIo::new(stream));
        let (sender, connection) = timeout(ANSWER_TIMEOUT, handshake)
            .await
            .map_err(|_| DialError::TimedOut)?
            .map_err(lost)?;
        let connection: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(async {
            // How it ends shows in the answer that is missing.
            let _ = connection.await;
        });
        let line = Line::Http { sender, connection: connection.fuse() };
        Ok(Self { gateway: gateway.clone(), line })
    }

    /// Asks the gateway who it is.
    pub(crate) async fn info(&mut self) -> Result<GatewayInfo, DialError> {
        let info: GatewayInfo = self.ask(Method::GET, INFO_PATH, None).await?;
        if self.gateway.is_petrichor() || self.gateway.xmpp().is_some() {
            // What it says is its address for the web. Here proofs name the one that was dialled, and
            // so are good for nobody else.
            return Ok(GatewayInfo { origin: self.gateway.origin(), ..info });
        }
        Ok(info)
    }

    /// Asks for a name.
    pub(crate) async fn claim(&mut self, label: &Label, proof: &str) -> Result<Claimed, DialError> {
        let claimed: Claimed =
            self.ask(Method::PUT, &format!("{NAMES_PATH}{label}"), Some(proof)).await?;
        if claimed.label == *label && is_origin(&claimed.origin) {
            Ok(claimed)
        } else {
            Err(DialError::NotAGateway)
        }
    }

    /// Gives a name back. One that is not ours (any more) is as good as given back.
    pub(crate) async fn release(&mut self, label: &Label, proof: &str) -> Result<(), DialError> {
        match self
            .send(Method::DELETE, &format!("{NAMES_PATH}{label}"), Some(proof), Bytes::new())
            .await
        {
            Ok(_) => Ok(()),
            Err(DialError::Refused {
                status: StatusCode::NOT_FOUND | StatusCode::CONFLICT,
                ..
            }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Has the gateway send a message on to somebody.
    pub(crate) async fn tell(&mut self, message: Bytes, proof: &str) -> Result<Told, DialError> {
        let body = self.send(Method::POST, TELL_PATH, Some(proof), message).await?;
        serde_json::from_slice(&body).map_err(|_| DialError::NotAGateway)
    }

    async fn ask<T: DeserializeOwned>(
        &mut self,
        method: Method,
        path: &str,
        proof: Option<&str>,
    ) -> Result<T, DialError> {
        let body = self.send(method, path, proof, Bytes::new()).await?;
        serde_json::from_slice(&body).map_err(|_| DialError::NotAGateway)
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        proof: Option<&str>,
        body: Bytes,
    ) -> Result<Bytes, DialError> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.gateway.authority())
            .header(header::ACCEPT, "application/json")
            .header(header::USER_AGENT, concat!("veranda-peer/", env!("CARGO_PKG_VERSION")));
        if let Some(proof) = proof {
            request = request.header(header::AUTHORIZATION, format!("Bearer {proof}"));
        }
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, MEDIA_TYPE);
        }
        let request = request.body(Full::new(body)).map_err(|_| DialError::NotAGateway)?;
        let patience = self.line.patience();
        let (head, body) = timeout(patience, self.line.exchange(request))
            .await
            .map_err(|_| DialError::TimedOut)??;
        if head.status.is_success() {
            return Ok(body);
        }
        if head.status.is_redirection() {
            let target = head.headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
            let target = target.and_then(|target| target.parse::<http::Uri>().ok());
            let moved = target.and_then(|uri| {
                GatewayAddress::parse(&format!("{}://{}", uri.scheme_str()?, uri.authority()?)).ok()
            });
            return Err(moved.map_or(DialError::NotAGateway, DialError::Moved));
        }
        let refused: Refused = serde_json::from_slice(&body).map_err(|_| DialError::NotAGateway)?;
        let retry_after = head
            .headers
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .map(Duration::from_secs);
        Err(DialError::Refused { status: head.status, refused, retry_after })
    }
}

impl Line {
    fn patience(&self) -> Duration {
        match self {
            Self::Http { .. } | Self::Petrichor(_) => ANSWER_TIMEOUT,
            Self::Xmpp(_) => SLOW_ANSWER_TIMEOUT,
        }
    }

    async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<(Parts, Bytes), DialError> {
        match self {
            Self::Http { sender, connection } => {
                let exchange = async {
                    sender.ready().await.map_err(lost)?;
                    let response = sender.send_request(request).await.map_err(lost)?;
                    collect(response.map(transaction::boxed)).await
                };
                tokio::pin!(exchange);
                tokio::select! {
                    biased;
                    answer = &mut exchange => answer,
                    // The last bytes may hold the whole answer.
                    () = connection => exchange.await,
                }
            }
            Self::Petrichor(questions) | Self::Xmpp(questions) => {
                answered(questions.send(request.map(transaction::boxed)).await).await
            }
        }
    }
}

async fn answered(answer: Result<Response<Body>, SendError>) -> Result<(Parts, Bytes), DialError> {
    match answer {
        Ok(response) => collect(response).await,
        Err(error) => Err(DialError::Unreachable(std::io::Error::other(error))),
    }
}

async fn collect(response: Response<Body>) -> Result<(Parts, Bytes), DialError> {
    let (head, body) = response.into_parts();
    // Boxed, since the compiler cannot see through the error of this body that it may be sent.
    let body: BoxFuture<'_, _> = Box::pin(Limited::new(body, MAX_ANSWER_BYTES).collect());
    Ok((head, body.await.map_err(|_| DialError::NotAGateway)?.to_bytes()))
}

/// An owner's answer to a note.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    /// The visitor's name at the gateway.
    pub(crate) actor: String,
    /// The only tab that shall have it.
    pub(crate) tab: Option<String>,
    /// What the visitor's page says when it has the answer.
    pub(crate) number: String,
    pub(crate) text: String,
}

/// Sends the owner's answer to a visitor.
///
/// # Errors
/// When the gateway cannot be asked, or the visitor is not there.
pub(crate) async fn reply(
    approach: &Approach,
    key: &PrivateKey,
    reply: &Reply,
) -> Result<(), DialError> {
    let mut registry = Registry::connect(approach).await?;
    let info = registry.info().await?;
    let users = Some(Recipients::one(reply.actor.as_str()));
    // A number of digits and a dash is always a header.
    let numbered = Header::parse(&format!("c={REPLY},{NUMBER}={}", reply.number));
    let numbered = numbered.map_err(|_| DialError::NotAGateway)?;
    let header = Header { users, tab: reply.tab.clone(), ..numbered };
    let body = Bytes::copy_from_slice(reply.text.as_bytes());
    // Too long only when the gateway gave the visitor a very strange name.
    let message = TaxiMessage { header, body }.write().map_err(|_| DialError::NotAGateway)?;
    let proof = key.prove(&info.origin, SystemTime::now());
    registry.tell(message, &proof).await.map(drop)
}

/// Returns whether this is the origin of a web site and nothing else: links begin with it, and the
/// owner's computer opens them.
fn is_origin(text: &str) -> bool {
    let Ok(uri) = text.parse::<http::Uri>() else { return false };
    let (Some(scheme @ ("http" | "https")), Some(authority)) = (uri.scheme_str(), uri.authority())
    else {
        return false;
    };
    !authority.as_str().contains('@') && text == format!("{scheme}://{authority}")
}

/// Makes a gateway's sentence fit to be shown.
pub(crate) fn printable(sentence: &str) -> String {
    let printable: String =
        sentence.chars().filter(|c| !naming::is_deceptive(*c)).take(MAX_SENTENCE).collect();
    printable.trim().to_owned()
}

fn lost(error: hyper::Error) -> DialError {
    if error.is_parse() {
        return DialError::NotAGateway;
    }
    DialError::Unreachable(std::io::Error::other(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_web_site_is_an_origin() {
        for origin in ["https://a-1.gateway.example", "http://a.localhost:8080", "http://[::1]:1"] {
            assert!(is_origin(origin), "{origin}");
        }
        for other in [
            "",
            "a.gateway.example",
            "//a.gateway.example",
            "file:///etc",
            "file://a",
            "javascript:alert(1)",
            "ms-settings://a",
            "https://",
            "https://a/",
            "https://a/x",
            "https://a?x",
            "https://a#x",
            "https://good.example@evil.example",
            "https://a b",
            "https://a\n",
        ] {
            assert!(!is_origin(other), "{other}");
        }
    }
}
