//! Relay sessions (cama): two programs that can make nothing but HTTP requests meet at a path, and what
//! one of them POSTs is what the other one GETs. Nothing is kept here.
//!
//! The wire is in `docs/protocols/cama.md`. `session` is the state of one session, without input or
//! output; `sessions` finds and counts them, and `crowd` says who gives way when there are too many;
//! `transfer` is one body on its way and what arrived of it; `socket` is what the system knows of a
//! receiver's connection; `request` reads requests; `origins` says which pages of others may make them.
//! `hand_over` is a peer's answer to a visitor that goes the same way.

mod crowd;
mod hand_over;
mod origins;
mod request;
mod session;
mod sessions;
mod socket;
mod transfer;

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::{Path, Request},
    middleware,
    response::{IntoResponse as _, Response},
    routing::any,
};
use crosstalk::{
    registry::Reason,
    transaction::{self, Body},
};
use http::{HeaderValue, Method, StatusCode, Version, header, request::Parts};
use http_body::Body as _;
use tokio::{
    sync::oneshot,
    time::{Instant, sleep_until},
};

pub use self::origins::{OriginError, RelayOrigin};
pub(crate) use self::{hand_over::hand_over, sessions::Sessions, transfer::Receipt};
use self::{
    request::{Asker, BYTES_DELIVERED, BYTES_RELAYED, Misuse, TYPE, empty},
    session::{Permission, Refused, Side},
    sessions::{Entry, NoSession, Seat, Secret},
    transfer::{Outcome, Parcel, Relayed, begin, follow, left},
};
use crate::{body::Upload, headers::pass_on_at_once, limits, refusal::Refusal, shared::Connection};

/// Where sessions are.
pub(crate) const PATH: &str = "/cama/session";

/// The answer says nothing that a browser may run or show within the gateway's own origin.
const POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; sandbox");

/// Returns the routes of the relay.
pub(crate) fn router() -> Router {
    Router::new()
        .route(PATH, any(allocate))
        .route(&format!("{PATH}/"), any(allocate))
        .route(&format!("{PATH}/{{id}}"), any(session))
        .layer(middleware::from_fn(origins::tell))
}

/// Answers at the path where sessions begin.
async fn allocate(Extension(connection): Extension<Connection>, request: Request) -> Response {
    const METHODS: &str = "OPTIONS, PUT";
    let (parts, _) = request.into_parts();
    match parts.method {
        Method::PUT => {}
        Method::OPTIONS => return options(METHODS),
        _ => return wrong_method(METHODS),
    }
    let begun = async {
        let permission = request::permission(&parts).map_err(Misuse::response)?;
        let lifetime = request::time(&parts, limits::SESSION_IDLE).map_err(Misuse::response)?;
        begin_session(&connection, &parts, lifetime, permission)
            .await
            .map_err(Refusal::into_response)
    };
    match begun.await {
        Ok(entry) => {
            let mut response = empty(StatusCode::CREATED);
            let headers = response.headers_mut();
            if let Ok(location) = HeaderValue::from_str(&format!("{PATH}/{}", entry.id.text())) {
                headers.insert(header::LOCATION, location);
            }
            let is_secure = connection.shared.hosts.is_secure();
            headers.insert(header::SET_COOKIE, request::cookie(&entry, is_secure));
            headers.insert(TYPE, kind(entry.permission()));
            response
        }
        Err(refused) => refused,
    }
}

fn kind(permission: Permission) -> HeaderValue {
    HeaderValue::from_static(match permission {
        Permission::Anybody => "basic",
        Permission::Only(_) => "secure",
    })
}

/// Begins a session for whoever may: on a gateway for this computer its programs, else who proves an
/// identity.
async fn begin_session(
    connection: &Connection,
    parts: &Parts,
    lifetime: std::time::Duration,
    permission: Permission,
) -> Result<Arc<Entry>, Refusal> {
    let shared = &connection.shared;
    // Its name is no proof of where somebody is: it may listen for others, or a proxy may.
    let is_program_of_this_computer =
        shared.hosts.is_this_computer() && !shared.behind_proxy && connection.partner.is_loopback();
    let owner = if is_program_of_this_computer {
        None
    } else {
        // Pages of others may, if they are named; browsers ask first about `PUT`.
        let proof = carriers::accept::credentials(&parts.headers);
        let proofs = connection.proofs(&parts.headers);
        Some(shared.auth.identify_by(proof.as_deref(), proofs).await?)
    };
    let turn = connection.turn(&shared.sessions_of_addresses, connection.visitor(&parts.headers));
    let turn = turn.ok_or_else(|| too_many("too many sessions come from this network"))?;
    let begun = shared.sessions.allocate(owner, turn, lifetime, permission);
    begun.map_err(|why| match why {
        NoSession::TooMany => too_many(&why.to_string()),
        NoSession::Full | NoSession::Stopping => Refusal::busy(why.to_string()),
    })
}

fn too_many(sentence: &str) -> Refusal {
    Refusal::new(StatusCode::TOO_MANY_REQUESTS, Reason::Busy, sentence)
}

/// Answers at a session.
async fn session(
    Extension(connection): Extension<Connection>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    const METHODS: &str = "DELETE, GET, OPTIONS, POST, PUT";
    let (parts, body) = request.into_parts();
    match parts.method {
        Method::GET | Method::POST | Method::PUT | Method::DELETE => {}
        Method::OPTIONS => return options(METHODS),
        _ => return wrong_method(METHODS),
    }
    let is_secure = connection.shared.hosts.is_secure();
    let id = Secret::parse(&id);
    let Some(entry) = id.and_then(|id| connection.shared.sessions.find(&id)) else {
        let sentence = "there is no such session".to_owned();
        let mut response = Misuse(StatusCode::NOT_FOUND, sentence).response();
        if let Some(id) = id {
            let cookie = request::no_cookie(id, is_secure);
            response.headers_mut().insert(header::SET_COOKIE, cookie);
        }
        return response;
    };
    let asker = match request::asker(&parts.headers, &entry) {
        Ok(asker) => asker,
        Err(misuse) => return misuse.response(),
    };
    let answer = answer(&connection, &entry, asker, &parts, body).await;
    let mut response = answer.unwrap_or_else(Misuse::response);
    let headers = response.headers_mut();
    if asker.by_cookie && !headers.contains_key(header::SET_COOKIE) {
        headers.insert(header::SET_COOKIE, request::cookie(&entry, is_secure));
    }
    response
}

async fn answer(
    connection: &Connection,
    entry: &Arc<Entry>,
    asker: Asker,
    parts: &Parts,
    body: axum::body::Body,
) -> Result<Response, Misuse> {
    let is_host = asker.side == Side::Host;
    if (parts.method == Method::PUT || parts.method == Method::DELETE) && !is_host {
        let sentence = "only the session's host may do this".to_owned();
        return Err(Misuse(StatusCode::FORBIDDEN, sentence));
    }
    if parts.method == Method::DELETE {
        connection.shared.sessions.delete(entry);
        let mut response = empty(StatusCode::OK);
        let cookie = request::no_cookie(entry.id, connection.shared.hosts.is_secure());
        response.headers_mut().insert(header::SET_COOKIE, cookie);
        return Ok(response);
    }
    if parts.method == Method::PUT {
        let address = request::peer_address(parts)?;
        entry.permit(address).map_err(refused)?;
        return Ok(empty(StatusCode::OK));
    }
    let visitor = connection.visitor(&parts.headers);
    entry.check(asker.side, visitor).map_err(refused)?;
    let wait = request::wait(parts)?;
    let until = (!wait.is_zero()).then(|| Instant::now() + wait);
    let turn = connection.turn(&connection.shared.transactions, visitor).ok_or_else(|| {
        let sentence = "too many requests from this network are under way".to_owned();
        Misuse(StatusCode::TOO_MANY_REQUESTS, sentence)
    })?;
    if parts.method == Method::GET {
        let (seat, parcel) = entry.receive(asker.side, turn).map_err(refused)?;
        Ok(receive(connection, entry, seat, parcel, parts.version, until).await)
    } else {
        let seat = entry.send(asker.side, turn).map_err(refused)?;
        Ok(send(connection, entry, seat, parts, body, until).await)
    }
}

fn refused(why: Refused) -> Misuse {
    let status = match why {
        Refused::ReceiverThere | Refused::SenderThere | Refused::NotSecure => StatusCode::CONFLICT,
        Refused::NotPermitted => StatusCode::FORBIDDEN,
    };
    Misuse(status, why.to_string())
}

/// Waits for what the other side sends. Without a wait, the place is free again before anybody else is
/// looked at: who only looks keeps nobody from waiting.
async fn receive(
    connection: &Connection,
    entry: &Arc<Entry>,
    seat: Seat,
    mut parcel: oneshot::Receiver<Box<Parcel>>,
    version: Version,
    until: Option<Instant>,
) -> Response {
    if let Some(until) = until {
        tokio::select! {
            biased;
            () = entry.over.cancelled() => return empty(StatusCode::GONE),
            parcel = &mut parcel => {
                // Its sender may have gone with it in hand.
                return match parcel {
                    Ok(parcel) => deliver(connection, entry, seat, *parcel, version),
                    Err(_) => empty(StatusCode::GATEWAY_TIMEOUT),
                };
            }
            () = left(connection.meter.lend()) => {
                parcel.close();
                if let Ok(parcel) = parcel.try_recv() {
                    drop(seat);
                    entry.offer(parcel);
                }
                return closing(empty(StatusCode::GATEWAY_TIMEOUT));
            }
            () = sleep_until(until) => {}
        }
    }
    parcel.close();
    match parcel.try_recv() {
        Ok(parcel) => deliver(connection, entry, seat, *parcel, version),
        Err(_) => empty(StatusCode::GATEWAY_TIMEOUT),
    }
}

/// Gives a sender's body to a receiver.
fn deliver(
    connection: &Connection,
    entry: &Entry,
    seat: Seat,
    parcel: Parcel,
    version: Version,
) -> Response {
    let Parcel { content_type, length, body, started, .. } = parcel;
    let (start, receipt, early) = begin(&connection.meter);
    // The sender may have gone; then its body ends early.
    drop(started.send(start));
    // A proxy may lose the trailer, and then a body that was cut would look complete.
    let may_trail =
        length.is_none() && version == Version::HTTP_11 && !connection.shared.behind_proxy;
    let relayed =
        Relayed::new(body, may_trail, entry.cut.clone().cancelled_owned(), early, Some(seat));
    let mut response = Response::new(axum::body::Body::new(relayed));
    let headers = response.headers_mut();
    if let Some(content_type) = content_type {
        headers.insert(header::CONTENT_TYPE, content_type);
    }
    match length {
        Some(length) => {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        None if may_trail => {
            headers.insert(header::TRAILER, HeaderValue::from_name(transfer::COMPLETE));
        }
        None => {}
    }
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    if connection.shared.behind_proxy {
        pass_on_at_once(headers);
    }
    response.extensions_mut().insert(receipt);
    response
}

/// Sends to whom the other side has waiting, or gets. Without a wait, its place is free again at once, too.
async fn send(
    connection: &Connection,
    entry: &Arc<Entry>,
    seat: Seat,
    parts: &Parts,
    body: axum::body::Body,
    until: Option<Instant>,
) -> Response {
    let length = body.size_hint().exact();
    let body: Body = match length {
        Some(0) => transaction::empty(),
        Some(_) | None => transaction::boxed(Upload::new(body, Arc::default())),
    };
    let content_type = parts.headers.get(header::CONTENT_TYPE).cloned();
    let (sender, mut started) = oneshot::channel();
    let parcel = Parcel { sender: seat.ticket(), content_type, length, body, started: sender };
    entry.offer(Box::new(parcel));
    let start = match until {
        Some(until) => tokio::select! {
            biased;
            start = &mut started => Some(start),
            () = entry.over.cancelled() => None,
            () = left(connection.meter.lend()) => None,
            () = sleep_until(until) => None,
        },
        None => None,
    };
    let start = match start {
        Some(start) => start,
        None if seat.withdraw() => {
            let gone = entry.over.is_cancelled();
            let status = if gone { StatusCode::GONE } else { StatusCode::GATEWAY_TIMEOUT };
            return closing(counted(status, 0, length));
        }
        // Somebody has it, or just had it and left.
        None => started.await,
    };
    let Ok(start) = start else { return closing(counted(StatusCode::BAD_GATEWAY, 0, length)) };
    let under_way = connection.shared.sessions.under_way();
    match follow(start, &entry.cut, &under_way, &|_| {}).await {
        Outcome { bytes, complete: true, .. } => counted(StatusCode::OK, bytes, length),
        Outcome { bytes, complete: false, .. } => {
            let is_gone = entry.cut.is_cancelled();
            let status = if is_gone { StatusCode::GONE } else { StatusCode::BAD_GATEWAY };
            closing(counted(status, bytes, length))
        }
    }
}

/// Answers a sender: how many bytes were delivered.
fn counted(status: StatusCode, bytes: u64, length: Option<u64>) -> Response {
    let mut response = empty(status);
    let headers = response.headers_mut();
    headers.insert(BYTES_DELIVERED, HeaderValue::from(bytes));
    if status == StatusCode::OK && length.is_none() {
        headers.insert(BYTES_RELAYED, HeaderValue::from(bytes));
    }
    response
}

/// Ends the connection after an answer that came before the request's body did.
fn closing(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

fn options(methods: &'static str) -> Response {
    let mut response = empty(StatusCode::NO_CONTENT);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(methods));
    response
}

fn wrong_method(methods: &'static str) -> Response {
    let sentence = "this address does not answer this kind of request".to_owned();
    let mut response = Misuse(StatusCode::METHOD_NOT_ALLOWED, sentence).response();
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(methods));
    response
}
