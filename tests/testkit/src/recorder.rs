//! Somebody on the line who writes everything down and changes nothing.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinSet,
};

/// Stands before a server. Dropping it cuts the connections through it.
pub struct Recorder {
    address: SocketAddr,
    sent: Record,
    received: Record,
    _tasks: JoinSet<()>,
}

type Record = Arc<Mutex<Vec<u8>>>;

impl Recorder {
    /// Begins to listen for those who are to reach this port.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn before(server: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (sent, received) = (Record::default(), Record::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, server, Arc::clone(&sent), Arc::clone(&received)));
        Ok(Self { address, sent, received, _tasks: tasks })
    }

    /// Returns the port to use instead of the server's.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Returns what was said to the server so far.
    #[must_use]
    pub fn sent(&self) -> String {
        text(&self.sent)
    }

    /// Returns what the server said so far.
    #[must_use]
    pub fn received(&self) -> String {
        text(&self.received)
    }
}

fn text(record: &Record) -> String {
    String::from_utf8_lossy(&record.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
}

async fn accept(listener: TcpListener, server: u16, sent: Record, received: Record) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).await else { continue };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        connections.spawn(pass(from_client, to_server, Arc::clone(&sent)));
        connections.spawn(pass(from_server, to_client, Arc::clone(&received)));
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, record: Record) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        record.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&buffer[..read]);
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
