//! A gateway for tests: it answers as it is told and remembers what it was asked.

use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use carriers::{Carrier, Link, accept};
use crosstalk::{
    address::GatewayAddress,
    control::{AUTHORITY, RECEIPT_HEADER, RECEIPTS_PATH, Receipt, Receipts, TRANSACTION_HEADER},
    forwarded,
    label::Label,
    members::{CONTROL_PATH, TELL_PATH},
    proof,
    registry::{Claimed, GatewayInfo, INFO_PATH, NAMES_PATH, PTTH_PATH, Reason, Refused, Told},
    taxi::TaxiMessage,
    transaction::{self, Body},
};
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpListener,
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::task::TaskTracker;

/// How long anything may take in these tests, on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(60);

pub(crate) struct Gateway {
    pub(crate) address: GatewayAddress,
    state: Arc<State>,
    _tasks: JoinSet<()>,
}

struct State {
    address: GatewayAddress,
    orders: Mutex<Orders>,
    links: watch::Sender<Vec<Link>>,
    tasks: TaskTracker,
}

/// What the gateway does, and what it saw.
#[derive(Default)]
pub(crate) struct Orders {
    /// Who has which name.
    pub(crate) names: HashMap<String, String>,
    /// Names that were given back.
    pub(crate) released: Vec<String>,
    /// How many times each path was asked for.
    pub(crate) asked: HashMap<String, usize>,
    /// Refuses everything with this.
    pub(crate) refuse: Option<(StatusCode, Reason)>,
    /// Refuses the next claims as taken.
    pub(crate) taken: usize,
    /// Messages of owners to visitors.
    pub(crate) told: Vec<TaxiMessage>,
    /// The visitors who are here, and by which tab.
    pub(crate) here: Vec<(String, String)>,
    /// What does not get through to it.
    pub(crate) blocked: Vec<Carrier>,
    /// What something on the way answers to that; nothing stands for who removes the upgrade.
    pub(crate) forbids: Option<StatusCode>,
    seen: HashSet<String>,
}

/// A response as a visitor sees it.
pub(crate) struct Seen {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
}

impl Gateway {
    pub(crate) async fn start() -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap()).await
    }

    pub(crate) async fn start_at(address: SocketAddr) -> Self {
        let listener = listen(address).await;
        let port = listener.local_addr().unwrap().port();
        let address = GatewayAddress::parse(&format!("http://localhost:{port}")).unwrap();
        let state = Arc::new(State {
            address: address.clone(),
            orders: Mutex::default(),
            links: watch::Sender::new(Vec::new()),
            tasks: TaskTracker::new(),
        });
        let mut tasks = JoinSet::new();
        let shared = Arc::clone(&state);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let state = Arc::clone(&shared);
                connections.spawn(async move {
                    let service = service_fn(move |request| answer(Arc::clone(&state), request));
                    let connection =
                        http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                    let _ = connection.with_upgrades().await;
                });
            }
        });
        Self { address, state, _tasks: tasks }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn orders(&self) -> MutexGuard<'_, Orders> {
        self.state.orders.lock().unwrap()
    }

    pub(crate) fn asked(&self, path: &str) -> usize {
        self.orders().asked.get(path).copied().unwrap_or_default()
    }

    /// Waits until this many links are open, and returns them.
    pub(crate) async fn links(&self, count: usize) -> Vec<Link> {
        let mut links = self.state.links.subscribe();
        let open = |links: &Vec<Link>| links.iter().filter(|link| link.is_open()).count() == count;
        let wait = async {
            loop {
                if open(&links.borrow_and_update()) {
                    return links.borrow().iter().filter(|link| link.is_open()).cloned().collect();
                }
                // Links close without a word here.
                let _ = timeout(Duration::from_millis(20), links.changed()).await;
            }
        };
        timeout(SOON, wait).await.unwrap_or_else(|_| {
            panic!(
                "{} links instead of {count}",
                self.state.links.borrow().iter().filter(|link| link.is_open()).count()
            )
        })
    }

    /// Sends a visitor's `GET` over the link.
    pub(crate) async fn visit(
        &self,
        link: &Link,
        url: &str,
        cookie: Option<&str>,
        number: u64,
    ) -> Seen {
        let uri: http::Uri = url.parse().unwrap();
        let host = uri.authority().unwrap().as_str().to_owned();
        let mut request = Request::get(uri.path_and_query().unwrap().as_str())
            .header(header::HOST, &host)
            .header(header::USER_AGENT, "curl/8.5.0")
            .header(
                forwarded::HEADER,
                forwarded::format("192.0.2.7".parse().unwrap(), &host, false),
            )
            .header(TRANSACTION_HEADER, number);
        if let Some(cookie) = cookie {
            request = request.header(header::COOKIE, cookie);
        }
        let request = request.body(transaction::empty()).unwrap();
        // A link that carries one at a time may not be done with the last one yet.
        let send = async { link.reserve().await.unwrap().send(request).await.unwrap() };
        let response = timeout(SOON, send).await.unwrap();
        let (head, body) = response.into_parts();
        Seen { status: head.status, headers: head.headers, body }
    }

    /// Waits until there are links, and returns one of them.
    pub(crate) async fn link(&self) -> Link {
        let mut links = self.state.links.subscribe();
        let wait = async {
            loop {
                let open = links.borrow_and_update().iter().rfind(|link| link.is_open()).cloned();
                if let Some(link) = open {
                    return link;
                }
                let _ = timeout(Duration::from_millis(20), links.changed()).await;
            }
        };
        timeout(SOON, wait).await.unwrap()
    }

    /// Waits until there is no link any more.
    pub(crate) async fn no_link(&self) {
        self.links(0).await;
    }

    /// Sends a visitor's request over the link; its URI is the whole URL.
    pub(crate) async fn ask(
        &self,
        link: &Link,
        from: &str,
        number: u64,
        mut request: Request<Body>,
    ) -> Seen {
        request.headers_mut().insert(TRANSACTION_HEADER, number.into());
        self.ask_unnumbered(link, from, request).await
    }

    /// The same as a gateway does it that knows nothing of receipts.
    pub(crate) async fn ask_unnumbered(
        &self,
        link: &Link,
        from: &str,
        request: Request<Body>,
    ) -> Seen {
        self.try_to_ask(link, from, request).await.unwrap()
    }

    /// The same for a visitor who leaves in the middle.
    pub(crate) async fn try_to_ask(
        &self,
        link: &Link,
        from: &str,
        mut request: Request<Body>,
    ) -> Option<Seen> {
        let uri = request.uri().clone();
        let host = uri.authority().unwrap().as_str();
        *request.uri_mut() = uri.path_and_query().unwrap().as_str().parse().unwrap();
        let forwarded = forwarded::format(from.parse().unwrap(), host, false);
        for (name, value) in [
            (header::HOST, host),
            (header::USER_AGENT, "curl/8.5.0"),
            (forwarded::HEADER, &forwarded),
        ] {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        let send = async { link.reserve().await.unwrap().send(request).await };
        let (head, body) = timeout(SOON, send).await.unwrap().ok()?.into_parts();
        Some(Seen { status: head.status, headers: head.headers, body })
    }

    /// Opens a session URL and returns the cookie.
    pub(crate) async fn enter(&self, link: &Link, url: &str) -> String {
        let entered = self.visit(link, url, None, 0).await;
        assert_eq!(entered.status, StatusCode::SEE_OTHER);
        let cookie = entered.headers[header::SET_COOKIE].to_str().unwrap();
        cookie.split(';').next().unwrap().to_owned()
    }

    /// Asks the peer whether a visitor's message is welcome; returns the status and the sentence.
    pub(crate) async fn message(
        &self,
        link: &Link,
        url: &str,
        cookie: &str,
        message: &str,
    ) -> (StatusCode, String) {
        let uri: http::Uri = url.parse().unwrap();
        let host = uri.authority().unwrap().as_str();
        let request = Request::post(CONTROL_PATH)
            .header(header::HOST, AUTHORITY)
            .header(header::COOKIE, cookie)
            .header(forwarded::HEADER, forwarded::format([192, 0, 2, 7].into(), host, false))
            .body(transaction::full(message.to_owned()))
            .unwrap();
        let response = timeout(SOON, link.send(request)).await.unwrap().unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    /// Waits until the owner told visitors this many messages.
    pub(crate) async fn told(&self, count: usize) {
        let wait = async {
            while self.orders().told.len() < count {
                tokio::task::yield_now().await;
            }
        };
        timeout(SOON, wait).await.unwrap();
    }

    /// Says that the page of the visitor has the last answer.
    pub(crate) async fn confirm(&self, link: &Link, url: &str, cookie: &str) {
        let message = {
            let orders = self.orders();
            let told = orders.told.last().unwrap();
            let text = String::from_utf8(told.write().unwrap().to_vec()).unwrap();
            let number = text.split_once(",n=").unwrap().1.split_once(',').unwrap().0.to_owned();
            let header = &told.header;
            let visitor = header.users.as_ref().unwrap().names[0].clone();
            format!("a={visitor},c=received,u=photos;{number}")
        };
        assert_eq!(self.message(link, url, cookie, &message).await.0, StatusCode::NO_CONTENT);
    }

    /// Tells the peer what a visitor's connection took.
    pub(crate) async fn receipt(&self, link: &Link, receipt: Receipt) {
        let receipts = Receipts { receipts: vec![receipt], missed: 0 };
        let request = Request::post(RECEIPTS_PATH)
            .header(header::HOST, AUTHORITY)
            .body(transaction::full(serde_json::to_vec(&receipts).unwrap()))
            .unwrap();
        let response = timeout(SOON, link.send(request)).await.unwrap().unwrap();
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
    }
}

impl Seen {
    pub(crate) fn wants_receipts(&self) -> bool {
        self.headers.contains_key(RECEIPT_HEADER)
    }

    pub(crate) async fn bytes(self) -> Vec<u8> {
        let body = timeout(SOON, self.body.collect()).await.unwrap().unwrap();
        body.to_bytes().to_vec()
    }

    pub(crate) async fn text(self) -> String {
        String::from_utf8(self.bytes().await).unwrap()
    }
}

/// The port may need a moment until it is free again.
async fn listen(address: SocketAddr) -> TcpListener {
    let deadline = tokio::time::Instant::now() + SOON;
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(error) => assert!(tokio::time::Instant::now() < deadline, "{error}"),
        }
        sleep(Duration::from_millis(20)).await;
    }
}

async fn answer(
    state: Arc<State>,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let path = request.uri().path().to_owned();
    let refuse = {
        let mut orders = state.orders.lock().unwrap();
        *orders.asked.entry(path.clone()).or_default() += 1;
        orders.refuse
    };
    if let Some((status, reason)) = refuse {
        return Ok(refused(status, reason));
    }
    if path == INFO_PATH {
        let port = state.address.port();
        return Ok(json(&GatewayInfo {
            software: "a gateway for tests".to_owned(),
            origin: state.address.origin(),
            sites: format!("http://*.localhost:{port}"),
        }));
    }
    let Some(key) = prove(&state, request.headers()) else {
        return Ok(refused(StatusCode::UNAUTHORIZED, Reason::ProofRefused));
    };
    if let Some(label) = path.strip_prefix(NAMES_PATH) {
        return Ok(name(&state, request.method(), label, &key));
    }
    if path == TELL_PATH {
        let message = request.into_body().collect().await.unwrap().to_bytes();
        return Ok(tell(&state, &message));
    }
    assert!(path.starts_with(PTTH_PATH), "{path}");
    let upgrade = hyper::upgrade::on(&mut request);
    let (parts, _) = request.into_parts();
    let Some(offer) = accept::read(&parts).unwrap() else {
        return Ok(accept::Refusal::NoUpgrade.response());
    };
    let forbids = {
        let orders = state.orders.lock().unwrap();
        orders.blocked.contains(&offer.carrier()).then_some(orders.forbids)
    };
    if let Some(forbids) = forbids {
        let mut response = accept::Refusal::NoUpgrade.response();
        if let Some(status) = forbids {
            response = Response::new(transaction::full("<h1>Against our policy</h1>"));
            *response.status_mut() = status;
        }
        return Ok(response);
    }
    let response = offer.response();
    let shared = Arc::clone(&state);
    state.tasks.spawn(async move {
        let link = offer.link(upgrade, &shared.tasks).await.unwrap();
        shared.links.send_modify(|links| links.push(link.clone()));
        link.ended().await;
    });
    Ok(response)
}

fn prove(state: &State, headers: &HeaderMap) -> Option<String> {
    let token = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")?;
    let proven = proof::verify(token, &state.address.origin(), SystemTime::now()).unwrap();
    assert!(state.orders.lock().unwrap().seen.insert(proven.id), "a proof is used once");
    Some(proven.key.to_string())
}

fn name(state: &State, method: &Method, label: &str, key: &str) -> Response<Body> {
    let mut orders = state.orders.lock().unwrap();
    let owner = orders.names.get(label).cloned();
    if method == Method::DELETE {
        orders.names.remove(label);
        orders.released.push(label.to_owned());
        let mut response = Response::new(transaction::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        return response;
    }
    assert_eq!(method, Method::PUT);
    if orders.taken > 0 || owner.is_some_and(|owner| owner != key) {
        orders.taken = orders.taken.saturating_sub(1);
        return refused(StatusCode::CONFLICT, Reason::Taken);
    }
    orders.names.insert(label.to_owned(), key.to_owned());
    let origin = format!("http://{label}.localhost:{}", state.address.port());
    json(&Claimed { label: Label::parse(label).unwrap(), origin })
}

fn tell(state: &State, message: &Bytes) -> Response<Body> {
    let message = TaxiMessage::read(message).unwrap();
    let mut orders = state.orders.lock().unwrap();
    let users = &message.header.users.as_ref().unwrap().names;
    let is_for = |(name, tab): &&(String, String)| {
        users.contains(name) && message.header.tab.as_ref().is_none_or(|wanted| wanted == tab)
    };
    let reached = orders.here.iter().filter(is_for).count();
    if reached == 0 {
        return refused(StatusCode::NOT_FOUND, Reason::NotFound);
    }
    orders.told.push(message);
    json(&Told { reached })
}

fn json<T: serde::Serialize>(value: &T) -> Response<Body> {
    Response::new(transaction::full(serde_json::to_vec(value).unwrap()))
}

fn refused(status: StatusCode, reason: Reason) -> Response<Body> {
    let mut response = json(&Refused { reason, sentence: "no, not today".to_owned() });
    *response.status_mut() = status;
    response
}
