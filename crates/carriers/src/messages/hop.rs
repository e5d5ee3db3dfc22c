//! A WebSocket at the end that answers.
//!
//! A handler expects hyper's [`OnUpgrade`](hyper::upgrade::OnUpgrade), which only a connection of
//! hyper's can give. So there is one, in memory, on which nothing is exchanged but a request and a
//! response that say "upgrade", whatever the real ones say; what follows are the bytes of the
//! WebSocket.

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    sync::{Mutex, PoisonError},
};

use crosstalk::transaction::{self, Body, Handler};
use http::{Request, Response, StatusCode};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, copy_bidirectional},
    sync::oneshot,
};

use super::{answers::call, tunnel::Channel};
use crate::websocket;

/// How many bytes of a WebSocket wait between the link and the site in each direction.
const BUFFER: usize = 64 * 1024;

/// The request that makes hyper give an `OnUpgrade`.
const REQUEST: &[u8] =
    b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";

/// The connection in memory, once the handler has answered.
pub(super) struct Hop {
    near: DuplexStream,
    connection: Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>,
}

impl Hop {
    /// Asks a handler for a WebSocket. When it answers 101, [`Hop::pass`] has to follow.
    pub(super) async fn ask(
        handler: Handler,
        request: Request<Body>,
    ) -> io::Result<(Response<Body>, Self)> {
        let (tell, mut told) = oneshot::channel();
        let asked = Mutex::new(Some((handler, request, tell)));
        let service = service_fn(move |mut unreal: Request<Incoming>| {
            let upgrade = hyper::upgrade::on(&mut unreal);
            let asked = asked.lock().unwrap_or_else(PoisonError::into_inner).take();
            async move {
                let mut unreal = Response::new(transaction::empty());
                *unreal.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
                websocket::announce(unreal.headers_mut());
                if let Some((handler, mut request, tell)) = asked {
                    request.extensions_mut().insert(upgrade);
                    // Whoever waits for it leaves only together with this connection.
                    let _ = tell.send(call(handler, request).await);
                }
                Ok::<_, Infallible>(unreal)
            }
        });
        let (mut near, far) = tokio::io::duplex(BUFFER);
        near.write_all(REQUEST).await?;
        let connection = http1::Builder::new().serve_connection(TokioIo::new(far), service);
        let mut connection: Pin<Box<dyn Future<Output = _> + Send>> =
            Box::pin(connection.with_upgrades());
        let response = tokio::select! {
            biased;
            response = &mut told => response.map_err(io::Error::other)?,
            ended = &mut connection => {
                ended.map_err(io::Error::other)?;
                // All was said and handed over in one go.
                connection = Box::pin(std::future::ready(Ok(())));
                told.try_recv().map_err(io::Error::other)?
            }
        };
        Ok((response, Self { near, connection }))
    }

    /// Passes bytes between channel and handler until both have ended.
    pub(super) async fn pass(self, mut channel: Channel) -> io::Result<()> {
        let pass = async {
            let mut near = BufReader::new(self.near);
            let mut line = String::new();
            // The head that says "upgrade" ends with an empty line.
            while line != "\r\n" {
                line.clear();
                if near.read_line(&mut line).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            copy_bidirectional(&mut near, &mut channel).await
        };
        let (handed_over, passed) = tokio::join!(self.connection, pass);
        handed_over.map_err(io::Error::other)?;
        passed?;
        Ok(())
    }
}
