//! One visitor's request, from its head to its answer.

use std::{net::IpAddr, pin::pin, sync::Arc};

use carriers::{SendError, Tunnel};
use crosstalk::{
    control, hop,
    label::Label,
    members,
    transaction::{self, Body},
};
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header,
    request::Parts, uri::PathAndQuery,
};
use http_body::Body as _;
use hyper::{body::Incoming, upgrade::OnUpgrade};
use tokio::time::timeout;

use crate::{
    addresses::Turn,
    arriving::Arriving,
    body::{Progress, Upload},
    cama,
    headers::{self, Receipts, Visit},
    hosts::Route,
    limits,
    links::{NoPlace, PeerLink},
    meter::{Meter, Report},
    own,
    pages::{self, Page},
    shared::Connection,
};

/// What a visitor reads whose upload is not in order.
const BROKEN_BODY: &str = "what it sends with the request is not in order, or breaks off";

/// An answer to a visitor.
pub(crate) struct Answer {
    pub(crate) response: Response<Body>,
    /// Whom to tell how much of it the visitor took.
    pub(crate) report: Option<Box<dyn Report>>,
    /// What shall live as long as the body.
    pub(crate) held: Option<Box<dyn Send>>,
    /// Whether trailers of the body say that it is not complete.
    pub(crate) may_end_early: bool,
}

impl From<Response<Body>> for Answer {
    fn from(response: Response<Body>) -> Self {
        Self { response, report: None, held: None, may_end_early: false }
    }
}

/// Answers one request.
pub(crate) async fn answer(connection: &Connection, request: Request<Incoming>) -> Answer {
    let (parts, body) = request.into_parts();
    let shared = &connection.shared;
    let body = Arriving::new(body, &parts.headers, shared.visitors.clone());
    let route = match shared.hosts.route(&parts.uri, &parts.headers) {
        Ok(route) => route,
        Err(error) => {
            return Page::BadRequest { why: &error.to_string() }.answer(&parts.headers).into();
        }
    };
    let label = match route {
        Route::Own => return own::visit(connection, parts, body).await,
        Route::Site(label) => label,
        Route::NoSuchSite => return Page::NoSuchSite.answer(&parts.headers).into(),
        Route::Elsewhere => return Page::Elsewhere.answer(&parts.headers).into(),
    };
    if parts.uri.path() == "*" {
        return server_options(&parts);
    }
    if matches!(parts.method, Method::CONNECT | Method::TRACE) {
        return Page::Method.answer(&parts.headers).into();
    }
    if parts.uri.path() == members::SITE_PATH
        && headers::is_websocket(&parts.method, &parts.headers)
    {
        return crate::members::enter_site(connection, label, parts).into();
    }
    let visitor = connection.visitor(&parts.headers);
    let Some(turn) = connection.turn(&shared.transactions, visitor) else {
        return Page::TooMany.answer(&parts.headers).into();
    };
    let asked = Asked { accept: accept(&parts.headers), method: parts.method.clone() };
    match ask_peer(connection, &label, visitor, turn, parts, body).await {
        Ok(answer) => answer,
        Err(page) => {
            tracing::debug!(?page, %label, method = %asked.method, "A visit ended at the gateway");
            page.answer(&asked.accept).into()
        }
    }
}

/// What is still needed of a request when it is gone.
struct Asked {
    accept: HeaderMap,
    method: Method,
}

fn accept(headers: &HeaderMap) -> HeaderMap {
    let mut accept = HeaderMap::new();
    for value in headers.get_all(header::ACCEPT) {
        accept.append(header::ACCEPT, value.clone());
    }
    accept
}

/// Answers `OPTIONS *`, which asks about the server, not about a site (RFC 9110 §9.3.7).
fn server_options(parts: &Parts) -> Answer {
    if parts.method != Method::OPTIONS {
        return Page::BadRequest { why: "only OPTIONS asks for *" }.answer(&parts.headers).into();
    }
    let mut response = Response::new(transaction::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(pages::METHODS));
    response.into()
}

async fn ask_peer(
    connection: &Connection,
    label: &Label,
    visitor: IpAddr,
    turn: Turn,
    mut parts: Parts,
    body: Arriving<Incoming>,
) -> Result<Answer, Page<'static>> {
    let shared = &connection.shared;
    let owner = shared.names.owner(label).ok_or(Page::NoSuchSite)?;
    let head_only = parts.method == Method::HEAD;
    let upgrade = websocket(&mut parts);
    let authority = shared.hosts.site_authority(label);
    let secure = shared.hosts.is_secure();
    headers::for_peer(&mut parts.headers, &Visit { visitor, authority: &authority, secure });
    if upgrade.is_some() {
        let upgrade = [(header::CONNECTION, "Upgrade"), (header::UPGRADE, "websocket")];
        for (name, value) in upgrade {
            parts.headers.insert(name, HeaderValue::from_static(value));
        }
    }
    let progress = Arc::<Progress>::default();
    let mut request = for_peer(parts, body, &progress);
    // A link may close between being chosen and being used; the request is then still ours.
    loop {
        let (link, place) = shared.links.place(&owner, label).await.map_err(no_place)?;
        let transaction = link.next_transaction();
        let number = HeaderValue::from(transaction);
        request.headers_mut().insert(control::TRANSACTION_HEADER, number);
        let sent = wait_for_answer(place.send(request), &progress).await;
        let unsent = match sent.ok_or(Page::TimedOut)? {
            Ok(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                let upgrade = upgrade.ok_or(Page::BadAnswer)?;
                return switch(connection, response, upgrade, turn, &link, transaction);
            }
            Ok(response) => {
                return fit(connection, response, head_only, turn, &link, transaction);
            }
            // It was not the link that failed.
            Err(_) if progress.is_broken() => return Err(Page::BadRequest { why: BROKEN_BODY }),
            Err(_) if progress.is_stalled() => return Err(Page::Stalled),
            Err(unsent) => unsent,
        };
        request = match (unsent.error, unsent.request) {
            (SendError::Closed | SendError::Busy, Some(request)) => *request,
            (SendError::Closed | SendError::Busy | SendError::Lost(_), _) => {
                return Err(Page::Lost);
            }
            // Nothing left, so it was the head.
            (SendError::TooLarge, Some(_)) => return Err(Page::TooLarge),
            // Nor did anything of a body: some wires learn only while they write how long a head is.
            (SendError::TooLarge, None) if progress.taken() == 0 => {
                return Err(Page::TooLarge);
            }
            (SendError::TooLarge, None) => return Err(Page::UploadTooLarge),
            (SendError::Unsupported, _) => return Err(Page::Unsupported),
        };
    }
}

/// Waits for the peer's answer, for at least [`limits::ANSWER_TIMEOUT`] and at most twice that after
/// it took the last of the request's body: a large upload is answered when it is there.
async fn wait_for_answer<F: Future>(answer: F, progress: &Progress) -> Option<F::Output> {
    let mut answer = pin!(answer);
    let mut before = progress.taken();
    loop {
        if let Ok(answer) = timeout(limits::ANSWER_TIMEOUT, answer.as_mut()).await {
            return Some(answer);
        }
        let now = progress.taken();
        if now == before {
            return None;
        }
        before = now;
    }
}

fn no_place(why: NoPlace) -> Page<'static> {
    match why {
        NoPlace::Away => Page::Away,
        NoPlace::Busy => Page::Busy,
    }
}

/// Takes the visitor's side of a WebSocket out of its request.
fn websocket(parts: &mut Parts) -> Option<OnUpgrade> {
    let upgrade = parts.extensions.remove::<OnUpgrade>();
    let is_websocket =
        parts.version == Version::HTTP_11 && headers::is_websocket(&parts.method, &parts.headers);
    upgrade.filter(|_| is_websocket)
}

/// Puts the request together anew: only the path and query of its target, no extensions.
fn for_peer(parts: Parts, body: Arriving<Incoming>, progress: &Arc<Progress>) -> Request<Body> {
    let path = parts.uri.into_parts().path_and_query;
    let path = path.unwrap_or_else(|| PathAndQuery::from_static("/"));
    let body = if body.is_end_stream() {
        transaction::empty()
    } else {
        transaction::boxed(Upload::new(body, progress.clone()))
    };
    let mut request = Request::new(body);
    *request.method_mut() = parts.method;
    *request.uri_mut() = Uri::from(path);
    *request.headers_mut() = parts.headers;
    request
}

/// Makes a peer's response fit for the visitor.
fn fit(
    connection: &Connection,
    response: Response<Body>,
    head_only: bool,
    turn: Turn,
    link: &PeerLink,
    transaction: u64,
) -> Result<Answer, Page<'static>> {
    let (mut parts, body) = response.into_parts();
    if parts.status.is_informational() {
        return Err(Page::BadAnswer);
    }
    let receipts = headers::for_visitor(&mut parts.headers);
    let length = headers::content_length(&parts.headers).map_err(|_| Page::BadAnswer)?;
    let has_body = !head_only && !is_bodiless(parts.status);
    if has_body && length.is_some_and(|length| length > 0) && body.is_end_stream() {
        return Err(Page::BadAnswer);
    }
    if let Some(length) = length {
        if is_bodiless(parts.status) {
            parts.headers.remove(header::CONTENT_LENGTH);
        } else {
            // One, even if the peer sent two that agree.
            parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
    }
    let is_content = has_body && length != Some(0);
    if connection.shared.behind_proxy && receipts != Receipts::No {
        headers::pass_on_at_once(&mut parts.headers);
    }
    let (body, report) = count(connection, body, is_content, receipts, link, transaction);
    let mut response = Response::new(body);
    *response.status_mut() = parts.status;
    *response.headers_mut() = parts.headers;
    Ok(Answer { response, report, held: Some(Box::new(turn)), may_end_early: false })
}

/// Returns the body as it goes to the visitor, and whom to tell how much of it she took.
fn count(
    connection: &Connection,
    body: Body,
    is_content: bool,
    receipts: Receipts,
    link: &PeerLink,
    transaction: u64,
) -> (Body, Option<Box<dyn Report>>) {
    if receipts == Receipts::No {
        return (body, None);
    }
    let ticket = link.ticket(transaction);
    // Of nothing, as much is read as is taken.
    if receipts == Receipts::Read && is_content {
        if let Some(turn) = link.hand_over() {
            let (body, report) = cama::hand_over(connection, body, ticket, turn);
            return (body, report);
        }
        tracing::debug!("A peer hands over too much at once: what is taken is told");
        ticket.tell_whether_read(false);
    }
    (body, Some(Box::new(ticket)))
}

/// Returns whether a response with this status never has a body.
pub(crate) fn is_bodiless(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

/// Joins a visitor's WebSocket with the peer's.
fn switch(
    connection: &Connection,
    mut response: Response<Body>,
    visitor: OnUpgrade,
    turn: Turn,
    link: &PeerLink,
    transaction: u64,
) -> Result<Answer, Page<'static>> {
    let tunnel = Tunnel::take(&mut response).ok_or(Page::BadAnswer)?;
    let (parts, _) = response.into_parts();
    let mut response = Response::new(transaction::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *response.headers_mut() = parts.headers;
    let headers = response.headers_mut();
    let receipts = headers::for_visitor(headers);
    hop::strip(headers);
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    let ticket = (receipts != Receipts::No).then(|| Box::new(link.ticket(transaction)));
    let held = (turn, connection.place.clone());
    let meter = connection.meter.clone();
    let cut = connection.shared.cut.clone();
    connection.shared.visitors.spawn(async move {
        let _held = held;
        let joined = tokio::select! {
            biased;
            () = cut.cancelled() => None,
            joined = tunnel.join(visitor) => joined.ok(),
            () = idle(&meter) => None,
        };
        // Without a ticket nobody wants to know; without an end in order it counts as cut.
        if let (Some(ticket), Some((_, to_visitor))) = (ticket, joined) {
            ticket.finish(to_visitor, control::ReceiptState::Complete);
        }
    });
    Ok(Answer::from(response))
}

/// Ends when a connection carried nothing for [`limits::TUNNEL_IDLE`].
async fn idle(meter: &Meter) {
    let mut before = meter.activity();
    loop {
        tokio::time::sleep(limits::TUNNEL_IDLE).await;
        let now = meter.activity();
        if now == before {
            return;
        }
        before = now;
    }
}
