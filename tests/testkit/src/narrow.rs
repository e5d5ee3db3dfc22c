//! A way between a visitor and a gateway that passes as many bytes as a test allows, and can be cut.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::Context as _;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};
use url::Url;

/// How many bytes are passed on at once: few, so that what is on the way when it is cut is little.
const PIECE: u64 = 16 * 1024;

/// The way. Dropping it cuts everything.
pub struct Narrow {
    port: u16,
    down: watch::Sender<u64>,
    up: watch::Sender<u64>,
    whole: watch::Sender<bool>,
    _accepting: JoinSet<()>,
}

/// One direction: how much may pass in all, over all connections, and how much did.
#[derive(Clone)]
struct Lane {
    allowed: watch::Receiver<u64>,
    passed: Arc<AtomicU64>,
}

impl Narrow {
    /// Begins to listen in front of the gateway that this link leads to. Everything passes until
    /// something else is said.
    ///
    /// # Errors
    /// When there is no port, or the link has none.
    pub async fn before(link: &str) -> anyhow::Result<Self> {
        let gateway = Url::parse(link)?.port().context("the link has no port")?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let (down, up) = (watch::Sender::new(u64::MAX), watch::Sender::new(u64::MAX));
        let whole = watch::Sender::new(true);
        let lane = |allowed: &watch::Sender<u64>| Lane {
            allowed: allowed.subscribe(),
            passed: Arc::default(),
        };
        let (to_visitor, to_gateway) = (lane(&down), lane(&up));
        let gateway = SocketAddr::from((Ipv4Addr::LOCALHOST, gateway));
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, gateway, to_visitor, to_gateway, whole.subscribe()));
        Ok(Self { port, down, up, whole, _accepting: accepting })
    }

    /// Returns the port at which visitors find it.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Lets so many bytes pass to visitors, counted from the beginning.
    pub fn allow_down(&self, bytes: u64) {
        self.down.send_replace(bytes);
    }

    /// Lets so many bytes pass to the gateway, counted from the beginning.
    pub fn allow_up(&self, bytes: u64) {
        self.up.send_replace(bytes);
    }

    /// Cuts all connections. New ones get no answer until [`Self::mend`], as where a network is gone:
    /// browsers try again by themselves.
    pub fn cut(&self) {
        self.whole.send_replace(false);
    }

    /// Lets connections through again.
    pub fn mend(&self) {
        self.whole.send_replace(true);
    }
}

async fn accept(
    listener: TcpListener,
    gateway: SocketAddr,
    to_visitor: Lane,
    to_gateway: Lane,
    mut whole: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((visitor, _)) = accepted else { continue };
                let (to_visitor, to_gateway) = (to_visitor.clone(), to_gateway.clone());
                let mut whole = whole.clone();
                connections.spawn(async move {
                    if whole.wait_for(|whole| *whole).await.is_ok() {
                        pass(visitor, gateway, to_visitor, to_gateway).await;
                    }
                });
            }
            Some(_) = connections.join_next() => {}
            changed = whole.changed() => match changed {
                Ok(()) if *whole.borrow_and_update() => {}
                Ok(()) => connections.shutdown().await,
                Err(_) => return,
            },
        }
    }
}

async fn pass(visitor: TcpStream, gateway: SocketAddr, to_visitor: Lane, to_gateway: Lane) {
    // A gateway that is not there is a connection that ends.
    let Ok(gateway) = TcpStream::connect(gateway).await else { return };
    let (from_visitor, visitor) = visitor.into_split();
    let (from_gateway, gateway) = gateway.into_split();
    // An end of one direction is passed on; a failure ends both.
    let _ = tokio::try_join!(
        pump(from_visitor, gateway, to_gateway),
        pump(from_gateway, visitor, to_visitor)
    );
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut lane: Lane,
) -> std::io::Result<()> {
    let mut piece = Vec::new();
    loop {
        let passed = lane.passed.load(Ordering::Relaxed);
        let left = lane.allowed.borrow_and_update().saturating_sub(passed);
        if left == 0 {
            // The test is over when nobody is left to allow more.
            let Ok(()) = lane.allowed.changed().await else { return Ok(()) };
            continue;
        }
        piece.clear();
        let read = (&mut from).take(left.min(PIECE)).read_buf(&mut piece).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        lane.passed.fetch_add(read as u64, Ordering::Relaxed);
        to.write_all(&piece).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn passes_what_is_allowed_and_cuts() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let link = format!("http://a.localhost:{}/h/x", listener.local_addr().unwrap().port());
        let narrow = Narrow::before(&link).await.unwrap();
        narrow.allow_down(3);
        let mut visitor = TcpStream::connect((Ipv4Addr::LOCALHOST, narrow.port())).await.unwrap();
        let (mut gateway, _) = listener.accept().await.unwrap();
        gateway.write_all(b"abcdef").await.unwrap();
        let mut three = [0; 3];
        visitor.read_exact(&mut three).await.unwrap();
        assert_eq!(&three, b"abc");
        narrow.allow_down(4);
        assert_eq!(visitor.read_u8().await.unwrap(), b'd');
        visitor.write_all(b"x").await.unwrap();
        assert_eq!(gateway.read_u8().await.unwrap(), b'x');
        narrow.cut();
        assert!(visitor.read_u8().await.is_err(), "it was cut");
        narrow.mend();
        narrow.allow_down(5);
        let mut visitor = TcpStream::connect((Ipv4Addr::LOCALHOST, narrow.port())).await.unwrap();
        let (mut gateway, _) = listener.accept().await.unwrap();
        gateway.write_all(b"e").await.unwrap();
        assert_eq!(visitor.read_u8().await.unwrap(), b'e');
    }
}
