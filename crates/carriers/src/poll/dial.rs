//! The peer's side of the handshake.

use std::{sync::Arc, time::Duration};

use crosstalk::{
    limits::STREAM_WINDOW,
    poll::{self, Dialect, Object},
    registry::PTTH_PATH,
    transaction::Handler,
    transactions::{Config, Numbers},
};
use http::{HeaderValue, StatusCode, header};
use tokio_util::sync::CancellationToken;

use super::{
    SESSION,
    caller::{Caller, Place},
    workers::Workers,
};
use crate::{
    Carrier, DialError, DialOptions, LinkEnd, Served, Timing,
    dialled::Kind,
    line::LineHandle,
    messages::{self, Setup},
    upgrade::{moved, refusal, unfit},
};

/// How long the first POST may take; it asks for an answer at once.
const BEGIN_WITHIN: Duration = Duration::from_secs(30);

/// How many transactions a gateway may have under way here.
const TRANSACTIONS: usize = 64;

/// After how much silence the gateway is thought dead, together with [`Timing::ping_timeout`]: a poll
/// may wait for 25 s, and a slow proxy may hold its answer.
const SILENCE: Duration = Duration::from_secs(50);

/// The longest token of a session that is sent back; ours have 22 characters.
const MAX_TOKEN: usize = 256;

/// A link that is up and not yet served.
pub(crate) struct Dialled {
    place: Arc<Place>,
    caller: Caller,
    first: Vec<Object>,
    timing: Timing,
}

impl Dialled {
    /// See [`Served::run`].
    pub(crate) async fn run(
        self,
        handler: Handler,
        stop: CancellationToken,
        grace: Duration,
    ) -> LinkEnd {
        let Self { place, caller, first, timing } = self;
        let line = LineHandle::alone();
        line.hear();
        let config = Config {
            max_opened: 0,
            max_accepted: TRANSACTIONS,
            window: STREAM_WINDOW,
            ping_every: SILENCE,
            ping_timeout: timing.ping_timeout,
            ..Config::new(Numbers::Odd)
        };
        let workers = Workers::start(caller, &place, line.clone(), first);
        let setup = Setup { carrier: Carrier::Poll, config, line, websockets: false };
        messages::serve(workers, setup, handler, stop, grace).await
    }
}

/// Dials a gateway.
///
/// # Errors
/// See [`DialError`].
pub async fn dial(options: &DialOptions) -> Result<Served, DialError> {
    dial_with(options, Timing::default()).await
}

/// The same with times of one's own.
///
/// # Errors
/// See [`DialError`].
pub async fn dial_with(options: &DialOptions, timing: Timing) -> Result<Served, DialError> {
    let path = match &options.label {
        Some(label) => format!("{PTTH_PATH}/{label}"),
        None => PTTH_PATH.to_owned(),
    };
    let mut bearer = HeaderValue::from_str(&format!("Bearer {}", options.proof)).map_err(unfit)?;
    bearer.set_sensitive(true);
    let place = Place {
        gateway: options.gateway.clone(),
        roots: options.roots.clone(),
        path: path.parse().map_err(|_| DialError::NotAGateway)?,
        key: (header::AUTHORIZATION, bearer),
    };
    let place = Arc::new(place);
    let mut caller = Caller::new(Arc::clone(&place));
    let prefer = HeaderValue::from_static("ptth-json=2, wait=0");
    // The proof is good for one use.
    let answer = caller.call(bytes::Bytes::new(), Some(prefer), BEGIN_WITHIN, true).await?;
    if !matches!(answer.status, StatusCode::OK | StatusCode::NO_CONTENT) {
        let is_elsewhere = matches!(
            answer.status,
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT
        );
        return Err(if is_elsewhere {
            moved(&options.gateway, &answer.headers)
        } else {
            refusal(answer.status, &answer.headers, &answer.body)
        });
    }
    let token = answer.headers.get(SESSION).filter(|token| token.len() <= MAX_TOKEN);
    let token = token.ok_or(DialError::NotAGateway)?;
    let first = poll::read(&answer.body, Dialect::Second).map_err(|_| DialError::NotAGateway)?;
    let place = Arc::new(place.in_session(token));
    let caller = caller.with_place(Arc::clone(&place));
    Ok(Served(Kind::Poll(Dialled { place, caller, first, timing })))
}
