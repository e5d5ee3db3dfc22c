//! Visitors and sites of WebSockets.

use crosstalk::transaction::{self, Body, Handler};
use http::{Request, Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream},
    sync::mpsc,
};
use tokio_util::task::TaskTracker;

use super::{get, handler, soon};

pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub(crate) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A request for a WebSocket.
pub(crate) fn open(path: &str) -> Request<Body> {
    let mut request = get(path);
    for (name, value) in [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-key", KEY),
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "chat"),
    ] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    request
}

/// A site that says hello and then sends everything back, as a WebSocket server would that skips
/// the frames.
pub(crate) fn echo(tasks: TaskTracker, seen: mpsc::Sender<http::request::Parts>) -> Handler {
    handler(move |mut request: Request<Body>| {
        let (tasks, seen) = (tasks.clone(), seen.clone());
        async move {
            let upgrade = hyper::upgrade::on(&mut request);
            seen.send(request.into_parts().0).await.unwrap();
            tasks.spawn(async move {
                let mut socket = TokioIo::new(upgrade.await.unwrap());
                socket.write_all(b"hello").await.unwrap();
                let mut buffer = vec![0; 10_000];
                while let Ok(length @ 1..) = socket.read(&mut buffer).await {
                    if socket.write_all(&buffer[..length]).await.is_err() {
                        return;
                    }
                }
                let _ = socket.shutdown().await;
            });
            let mut response = Response::new(transaction::empty());
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            for (name, value) in [
                ("connection", "Upgrade"),
                ("upgrade", "websocket"),
                ("sec-websocket-accept", ACCEPT),
                ("sec-websocket-protocol", "chat"),
            ] {
                response.headers_mut().insert(name, value.parse().unwrap());
            }
            response
        }
    })
}

/// A visitor's end whose `OnUpgrade` is real: hyper makes one only for its own connections.
pub(crate) async fn visitor(tasks: &TaskTracker) -> (DuplexStream, OnUpgrade) {
    let (mut browser, server) = tokio::io::duplex(64 * 1024);
    let (give, mut take) = mpsc::channel(1);
    tasks.spawn(async move {
        let service = hyper::service::service_fn(move |mut request: Request<_>| {
            let (give, upgrade) = (give.clone(), hyper::upgrade::on(&mut request));
            async move {
                give.send(upgrade).await.unwrap();
                let response = Response::builder().status(101).header("upgrade", "websocket");
                Ok::<_, std::convert::Infallible>(response.body(transaction::empty()).unwrap())
            }
        });
        let builder = hyper::server::conn::http1::Builder::new();
        builder.serve_connection(TokioIo::new(server), service).with_upgrades().await.unwrap();
    });
    browser
        .write_all(
            b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        )
        .await
        .unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(browser.read_u8().await.unwrap());
    }
    (browser, soon(take.recv()).await.unwrap())
}
