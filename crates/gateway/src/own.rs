//! The gateway's own host: what it says of itself, names, and where links begin.

use axum::{
    Extension, Json, Router,
    extract::Request,
    response::{IntoResponse as _, Response},
    routing::{any, get, post, put},
};
use carriers::{
    Link,
    accept::{self, Offer},
};
use crosstalk::{
    label::Label,
    members,
    proof::PublicKey,
    registry::{self, Claimed, GatewayInfo, Reason, Told},
    transaction::{self, Body, BodyError},
};
use http::{Method, StatusCode, request::Parts};
use hyper::{body::Bytes, upgrade::OnUpgrade};
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use crate::{
    cama, limits,
    links::{Berth, Links},
    pages::{self, Page},
    polls, publish,
    refusal::Refusal,
    shared::Connection,
    visit::Answer,
};

/// Returns the routes of the gateway's own host. Requests bring their [`Connection`] along.
pub(crate) fn router() -> Router {
    Router::new()
        .route("/", any(front))
        .route(registry::INFO_PATH, get(info))
        .route(&format!("{}{{label}}", registry::NAMES_PATH), put(claim).delete(release))
        .route(registry::PTTH_PATH, any(link))
        .route(&format!("{}/{{label}}", registry::PTTH_PATH), any(link))
        .route(members::GATEWAY_PATH, get(member))
        .route(members::TELL_PATH, post(tell))
        .merge(publish::router())
        .merge(cama::router())
        .fallback(no_such_page)
        .method_not_allowed_fallback(wrong_method)
}

/// Answers a request for the gateway itself that came over a link.
pub(crate) async fn answer(
    connection: &Connection,
    parts: Parts,
    body: impl http_body::Body<Data = Bytes, Error: Into<BodyError>> + Send + 'static,
) -> http::Response<Body> {
    if parts.uri.path().starts_with(cama::PATH) {
        // Nothing tells there what a receiver got.
        let refusal = Refusal::not_found("relay sessions are on the gateway's port for HTTP");
        return refusal.into_response().map(transaction::boxed);
    }
    visit(connection, parts, body).await.response
}

/// Answers a request for the gateway itself.
pub(crate) async fn visit(
    connection: &Connection,
    parts: Parts,
    body: impl http_body::Body<Data = Bytes, Error: Into<BodyError>> + Send + 'static,
) -> Answer {
    let mut request = Request::from_parts(parts, axum::body::Body::new(body));
    request.extensions_mut().insert(connection.clone());
    let mut response = match connection.shared.router.clone().oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        pages::protect(response.headers_mut());
    }
    let receipt = response.extensions_mut().remove::<cama::Receipt>();
    let response = response.map(transaction::boxed);
    let may_end_early = receipt.is_some();
    let report = receipt.and_then(|receipt| receipt.report());
    Answer { response, report, held: None, may_end_early }
}

/// The page at the gateway's own address; old peers begin their links here too.
async fn front(Extension(connection): Extension<Connection>, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    match accept::read(&parts) {
        Ok(Some(offer)) => match begin(&connection, &mut parts, offer, None).await {
            Ok(response) => response,
            Err(refusal) => refusal.into_response(),
        },
        Err(refusal) => foreign(refusal.response()),
        Ok(None) if matches!(parts.method, Method::GET | Method::HEAD) => {
            let example = connection.shared.hosts.info().sites.replacen('*', "name", 1);
            foreign(Page::Welcome { example: &example }.answer(&parts.headers))
        }
        Ok(None) => wrong_method().await,
    }
}

async fn info(Extension(connection): Extension<Connection>) -> Json<GatewayInfo> {
    Json(connection.shared.hosts.info())
}

async fn claim(
    Extension(connection): Extension<Connection>,
    request: Request,
) -> Result<Json<Claimed>, Refusal> {
    let (key, label) = who_and_what(&connection, request).await?;
    let shared = &connection.shared;
    shared.names.claim(label.clone(), key).await?;
    let origin = shared.hosts.info().site_origin(&label);
    Ok(Json(Claimed { label, origin }))
}

async fn release(
    Extension(connection): Extension<Connection>,
    request: Request,
) -> Result<StatusCode, Refusal> {
    let (key, label) = who_and_what(&connection, request).await?;
    let shared = &connection.shared;
    shared.names.release(label.clone(), key).await?;
    shared.polls.release(&key, &label);
    shared.links.release(&key, &label);
    Ok(StatusCode::NO_CONTENT)
}

async fn who_and_what(
    connection: &Connection,
    request: Request,
) -> Result<(PublicKey, Label), Refusal> {
    let (parts, _) = request.into_parts();
    let key = connection.identify(&parts.headers).await?;
    Ok((key, label(parts.uri.path(), registry::NAMES_PATH)?))
}

/// Reads the label at the end of a path.
fn label(path: &str, prefix: &str) -> Result<Label, Refusal> {
    let text = path.strip_prefix(prefix).unwrap_or_default();
    Label::parse(text).map_err(|error| Refusal::not_found(error.to_string()))
}

async fn link(Extension(connection): Extension<Connection>, request: Request) -> Response {
    let path = request.uri().path();
    let name = path.strip_prefix(registry::PTTH_PATH).filter(|rest| !rest.is_empty());
    let name = name.map(|rest| label(rest, "/"));
    if polls::is_poll(&request) {
        let answer = polls::answer(&connection, name, request).await;
        return answer.unwrap_or_else(Refusal::into_response);
    }
    let (mut parts, _) = request.into_parts();
    let offer = match accept::read(&parts) {
        Ok(Some(offer)) => offer,
        Ok(None) => return foreign(accept::Refusal::NoUpgrade.response()),
        Err(refusal) => return foreign(refusal.response()),
    };
    begin(&connection, &mut parts, offer, name).await.unwrap_or_else(Refusal::into_response)
}

/// Turns a connection around, if its peer may have a link.
async fn begin(
    connection: &Connection,
    parts: &mut Parts,
    offer: Offer,
    name: Option<Result<Label, Refusal>>,
) -> Result<Response, Refusal> {
    let shared = &connection.shared;
    let key = connection.identify(&parts.headers).await?;
    let name = name.transpose()?;
    let turn = connection.turn(&shared.links_of_addresses, connection.visitor(&parts.headers));
    let turn = turn.ok_or_else(|| Refusal::busy("too many links come from this network"))?;
    let berth = shared.let_in(key, turn, name.as_ref()).await?;
    let Some(upgrade) = parts.extensions.remove::<OnUpgrade>() else {
        return Err(Refusal::new(
            StatusCode::UPGRADE_REQUIRED,
            Reason::UpgradeRequired,
            "this connection cannot become a link",
        ));
    };
    connection.meter.becomes_link();
    let response = offer.response();
    let (links, tasks) = (shared.links.clone(), shared.tasks.clone());
    shared.tasks.spawn(hold(links, tasks, offer, upgrade, name, berth));
    Ok(foreign(response))
}

/// Serves a link from the moment its connection turns around until it ends. It has nothing of the
/// connection any more, whose place is for the next visitor.
async fn hold(
    links: Links,
    tasks: TaskTracker,
    offer: Offer,
    upgrade: OnUpgrade,
    name: Option<Label>,
    berth: Berth,
) {
    let start = Box::pin(tokio::time::timeout(limits::LINK_START, offer.link(upgrade, &tasks)));
    let link = match start.await {
        Ok(Ok(link)) => link,
        Ok(Err(error)) => {
            tracing::debug!(%error, "A link did not begin");
            return;
        }
        Err(_) => {
            tracing::debug!("A link did not begin in time");
            return;
        }
    };
    drop(tasks);
    keep(links, berth, name, link).await;
}

/// Serves a link until it ends.
pub(crate) async fn keep(links: Links, berth: Berth, name: Option<Label>, link: Link) {
    let (key, carrier) = (berth.key(), link.carrier());
    tracing::info!(%key, %carrier, "A link is up");
    let end = links.hold(berth, name, link).await;
    tracing::info!(%key, %carrier, ?end, "A link has ended");
}

/// A program of an identity becomes a member.
async fn member(Extension(connection): Extension<Connection>, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    match crate::members::enter_gateway(&connection, &mut parts).await {
        Ok(response) => foreign(response),
        Err(refusal) => refusal.into_response(),
    }
}

/// An identity sends one message.
async fn tell(
    Extension(connection): Extension<Connection>,
    request: Request,
) -> Result<Json<Told>, Refusal> {
    let (parts, body) = request.into_parts();
    let shared = &connection.shared;
    let key = connection.identify(&parts.headers).await?;
    let reading = axum::body::to_bytes(body, crate::members::MAX_MESSAGE);
    let message = tokio::time::timeout(limits::TELL_TIMEOUT, reading).await;
    let Ok(Ok(message)) = message else {
        return Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            Reason::BadRequest,
            "the message is too long, or did not arrive",
        ));
    };
    crate::members::tell(shared, key, &message).await.map(|reached| Json(Told { reached }))
}

async fn no_such_page(request: Request) -> Response {
    if request.uri().path().starts_with("/veranda/") {
        return Refusal::not_found("there is nothing at this address").into_response();
    }
    foreign(Page::NotFound.answer(request.headers()))
}

async fn wrong_method() -> Response {
    Refusal::new(
        StatusCode::METHOD_NOT_ALLOWED,
        Reason::BadRequest,
        "this address does not answer this kind of request",
    )
    .into_response()
}

/// Takes a response that was not made by axum.
fn foreign(response: http::Response<Body>) -> Response {
    response.map(axum::body::Body::new)
}
