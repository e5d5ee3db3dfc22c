//! The gateway's front door: connections, and how they end.

use std::{io, net::SocketAddr, pin::pin, sync::Arc};

use crosstalk::{
    limits::{MAX_HEAD_BYTES, MAX_HEADERS},
    transaction::Body,
};
use http::{Method, Request, Response, Version, header};
use http_body::Body as _;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::sync::CancellationToken;

use crate::{
    body::{Counted, Framing},
    headers, limits,
    meter::MeteredIo,
    shared::{Connection, ConnectionPlace, Shared},
    socket,
    visit::{self, Answer},
};

/// Takes connections until `stop` is cancelled. Does nothing else, so that no visitor holds up
/// the next one.
pub(crate) async fn accept(listener: TcpListener, shared: Arc<Shared>, stop: CancellationToken) {
    let permits = Arc::new(Semaphore::new(limits::MAX_CONNECTIONS));
    accept_each(&listener, &permits, &stop, |permit, stream, address| {
        enter(&shared, permit, stream, address, &stop);
    })
    .await;
}

/// Takes connections, each with a permit, until `stop` is cancelled.
pub(crate) async fn accept_each(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
    stop: &CancellationToken,
    enter: impl Fn(OwnedSemaphorePermit, TcpStream, SocketAddr),
) {
    let next = || async {
        let permit = permits.clone().acquire_owned().await.map_err(io::Error::other)?;
        let (stream, address) = listener.accept().await?;
        Ok::<_, io::Error>((permit, stream, address))
    };
    while let Some(accepted) = stop.run_until_cancelled(next()).await {
        match accepted {
            Ok((permit, stream, address)) => enter(permit, stream, address),
            Err(error) if is_the_visitors(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "The system gives no more connections");
                stop.run_until_cancelled(tokio::time::sleep(limits::ACCEPT_PAUSE)).await;
            }
        }
    }
}

/// Returns whether the visitor went away before it was its turn, which says nothing about us.
fn is_the_visitors(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

fn enter(
    shared: &Arc<Shared>,
    permit: OwnedSemaphorePermit,
    stream: TcpStream,
    address: SocketAddr,
    stop: &CancellationToken,
) {
    let partner = address.ip().to_canonical();
    let turn = if partner.is_loopback() || shared.behind_proxy {
        shared.connections.uncounted()
    } else {
        match shared.connections.enter(partner) {
            Some(turn) => turn,
            None => {
                tracing::debug!(%partner, "Too many connections from one address");
                return;
            }
        }
    };
    let connection = Connection {
        shared: shared.clone(),
        meter: Arc::default(),
        partner,
        proofs: None,
        place: Arc::new(ConnectionPlace { _permit: permit, _turn: turn }),
    };
    shared.visitors.spawn(serve(stream, connection, stop.clone()));
}

/// Serves one connection until it ends, is idle while the gateway stops, or becomes something
/// else (a link, a WebSocket).
async fn serve(stream: TcpStream, connection: Connection, stop: CancellationToken) {
    if let Err(error) = socket::prepare(&stream) {
        tracing::debug!(%error, "The system does not take an option for a connection");
    }
    let io = MeteredIo::new(TokioIo::new(stream), connection.meter.clone());
    let cut = connection.shared.cut.clone();
    let service = service_fn(|request| respond(connection.clone(), request));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits::HEAD_TIMEOUT)
        .max_headers(MAX_HEADERS)
        .max_header_size(MAX_HEAD_BYTES)
        .max_buf_size(limits::WRITE_BUFFER);
    let mut served = pin!(http.serve_connection(io, service).with_upgrades());
    let ended = tokio::select! {
        biased;
        () = cut.cancelled() => return,
        ended = served.as_mut() => ended,
        () = stop.cancelled() => {
            served.as_mut().graceful_shutdown();
            match cut.run_until_cancelled(served).await {
                Some(ended) => ended,
                None => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "A connection ended early");
    }
}

async fn respond(
    connection: Connection,
    request: Request<Incoming>,
) -> Result<Response<Counted>, std::convert::Infallible> {
    let (version, head_only) = (request.version(), request.method() == Method::HEAD);
    let answer = visit::answer(&connection, request).await;
    Ok(count(answer, version, head_only, &connection))
}

/// Makes the connection's meter count what the visitor takes of an answer. Nothing may be waited
/// for afterwards: see [`Meter::begin`](crate::meter::Meter::begin).
fn count(
    answer: Answer,
    version: Version,
    head_only: bool,
    connection: &Connection,
) -> Response<Counted> {
    let Answer { response, report, held, may_end_early } = answer;
    let framing = framing(&response, version, head_only);
    let number = connection.meter.begin(longest_head(&response), framing, report);
    response.map(|body| {
        let (meter, tasks) = (connection.meter.clone(), connection.shared.visitors.clone());
        Counted::new(body, held, framing, meter, number, tasks).ending_early(may_end_early)
    })
}

fn framing(response: &Response<Body>, version: Version, head_only: bool) -> Framing {
    if head_only || response.status().is_informational() || visit::is_bodiless(response.status()) {
        return Framing::None;
    }
    let declared = headers::content_length(response.headers()).ok().flatten();
    match declared.or_else(|| response.body().size_hint().exact()) {
        Some(length) => Framing::Length(length),
        None if version == Version::HTTP_10 => Framing::Connection,
        None => Framing::Chunks,
    }
}

/// Returns how long the head can be at most, with what hyper adds: the status line, `Date`,
/// `Connection`, the framing's header, and a `100 Continue` before it.
fn longest_head(response: &Response<Body>) -> u64 {
    const ADDED: usize = 512;
    let line = |(name, value): (&header::HeaderName, &header::HeaderValue)| {
        name.as_str().len() + value.len() + ": \r\n".len()
    };
    (ADDED + response.headers().iter().map(line).sum::<usize>()) as u64
}
