//! The peer's side of a link.

use std::{fmt, io, time::Duration};

use crosstalk::{
    address::GatewayAddress,
    label::Label,
    registry::{Reason, Refused},
    transaction::Handler,
};
use http::StatusCode;
use hyper::upgrade::Upgraded;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    Timing,
    link::{Carrier, LinkEnd},
    petrichor, poll,
    ptth::{self, Protocol},
    taxi,
    tls::Roots,
    xmpp::{self, LoginError},
};

/// How to reach a gateway.
#[derive(Clone)]
pub struct DialOptions {
    /// Where the gateway is.
    pub gateway: GatewayAddress,
    /// A fresh proof of identity, for `Authorization: Bearer`.
    pub proof: String,
    /// Only this name, instead of all names of the identity.
    pub label: Option<Label>,
    /// Which certificates to believe.
    pub roots: Roots,
    /// The owner's XMPP account, for a gateway that is reached by it.
    pub account: Option<xmpp::Account>,
    /// What lets the owner in at a gateway that does not know the account yet; a secret of sorts.
    pub invite: Option<String>,
}

impl fmt::Debug for DialOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the proof: who reads it could use it for a minute.
        f.debug_struct("DialOptions")
            .field("gateway", &self.gateway)
            .field("label", &self.label)
            .finish_non_exhaustive()
    }
}

/// A link that is up: requests come in as soon as [`Served::run`] is polled. The gateway waits for
/// that some seconds only.
pub struct Served(pub(crate) Kind);

/// What is up, by carrier.
pub(crate) enum Kind {
    Petrichor(petrichor::dial::Dialled),
    Poll(poll::dial::Dialled),
    Ptth { protocol: Protocol, connection: Upgraded, timing: Timing },
    Taxi(taxi::dial::Dialled),
    Xmpp(Box<xmpp::dial::Dialled>),
}

impl Served {
    /// Returns which wire the link uses.
    #[must_use]
    pub fn carrier(&self) -> Carrier {
        match &self.0 {
            Kind::Petrichor(_) => Carrier::Petrichor,
            Kind::Poll(_) => Carrier::Poll,
            Kind::Ptth { protocol, .. } => (*protocol).into(),
            Kind::Taxi(_) => Carrier::Taxi,
            Kind::Xmpp(_) => Carrier::Xmpp,
        }
    }

    /// Returns how many bytes a second the way to the gateway carries, where something in between may
    /// be slower than the network (XMPP): measured when the link began and whenever much is sent; none
    /// before that. `None` for all other carriers.
    #[must_use]
    pub fn rate(&self) -> Option<watch::Receiver<Option<u64>>> {
        match &self.0 {
            Kind::Xmpp(link) => Some(link.rate()),
            Kind::Petrichor(_) | Kind::Poll(_) | Kind::Ptth { .. } | Kind::Taxi(_) => None,
        }
    }

    /// Answers requests with the handler until the link ends. When `stop` is cancelled, takes no
    /// more requests, finishes those under way (at most `grace`), and closes.
    ///
    /// The handler sees a URI in origin form, a `Host` header, and no headers that are for one hop
    /// only. Its future and its response's body are dropped when the visitor leaves. A request's
    /// body ends with an error when it was cut. A WebSocket comes as `GET` with
    /// `Upgrade: websocket` and an [`OnUpgrade`](hyper::upgrade::OnUpgrade) in the extensions, over
    /// HTTP/2 as well; the handler answers 101 and waits for it in a task of its own.
    pub async fn run(self, handler: Handler, stop: CancellationToken, grace: Duration) -> LinkEnd {
        match self.0 {
            Kind::Petrichor(link) => link.run(handler, stop, grace).await,
            Kind::Poll(link) => link.run(handler, stop, grace).await,
            Kind::Ptth { protocol: Protocol::Http2, connection, timing } => {
                ptth::serve_http2(connection, timing, handler, stop, grace).await
            }
            Kind::Ptth { protocol: Protocol::Http1, connection, .. } => {
                ptth::serve_http1(connection, handler, stop, grace).await
            }
            Kind::Taxi(link) => link.run(handler, stop, grace).await,
            Kind::Xmpp(link) => link.run(handler, stop, grace).await,
        }
    }
}

/// Dials a gateway by this carrier.
///
/// # Errors
/// See [`DialError`].
pub async fn dial(options: &DialOptions, carrier: Carrier) -> Result<Served, DialError> {
    let only = if options.gateway.is_petrichor() {
        Some(Carrier::Petrichor)
    } else {
        options.gateway.xmpp().map(|_| Carrier::Xmpp)
    };
    if only.is_some_and(|only| only != carrier) || (only.is_none() && carrier == Carrier::Xmpp) {
        // Nothing else is spoken there, and the proof is not for whoever tries.
        return Err(DialError::NotAGateway);
    }
    match carrier {
        Carrier::Petrichor => petrichor::dial::dial(options).await,
        Carrier::PtthHttp2 => ptth::dial::dial(options, &[Protocol::Http2]).await,
        Carrier::PtthHttp1 => ptth::dial::dial(options, &[Protocol::Http1]).await,
        Carrier::Taxi => taxi::dial::dial(options).await,
        Carrier::Poll => poll::dial::dial(options).await,
        Carrier::Xmpp => xmpp::dial::dial(options).await,
    }
}

/// Why there is no link.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// No connection: wrong address, no network, nobody listens.
    #[error("the gateway cannot be reached")]
    Unreachable(#[source] io::Error),
    /// The connection is not private: the certificate is wrong or unknown.
    #[error("the gateway's certificate is not valid")]
    Certificate(#[source] io::Error),
    /// The gateway answered no; see [`Refused::reason`].
    #[error("the gateway refused: {}", .refused.sentence)]
    Refused {
        /// Status of the answer.
        status: StatusCode,
        /// Why.
        refused: Refused,
        /// When to try again, if the gateway said so.
        retry_after: Option<Duration>,
    },
    /// The gateway names another one to use.
    #[error("the gateway moved to {0}")]
    Moved(GatewayAddress),
    /// Something answered that is no gateway, or a proxy in between removed the upgrade.
    #[error("what answers there is not a gateway, or something on the way blocks the connection")]
    NotAGateway,
    /// No answer in time.
    #[error("the gateway did not answer in time")]
    TimedOut,
    /// The owner's own XMPP account cannot be used.
    #[error("the XMPP account cannot be used: {0}")]
    Account(#[source] LoginError),
    /// The gateway is reached over XMPP, and there is no account to reach it by.
    #[error("this gateway is reached over XMPP, and there is no account for it")]
    NoAccount,
}

impl DialError {
    /// Returns whether trying again can help without anyone doing anything.
    #[must_use]
    pub fn is_worth_retrying(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::TimedOut => true,
            // A login page of a hotel, or a proxy that is being set up, comes and goes.
            Self::Certificate(_) | Self::NotAGateway => true,
            Self::Refused { status, refused, .. } => {
                refused.reason == Reason::Busy
                    || *status == StatusCode::TOO_MANY_REQUESTS
                    || status.is_server_error()
            }
            Self::Account(error) => error.is_worth_retrying(),
            // Not this gateway, but the one it names.
            Self::Moved(_) => false,
            Self::NoAccount => false,
        }
    }
}
