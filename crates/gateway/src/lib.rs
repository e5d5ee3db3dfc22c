//! The gateway: turns each visitor's request into a transaction for a peer.

use std::{net::SocketAddr, path::PathBuf};

use crosstalk::address::GatewayAddress;
use tokio_util::sync::CancellationToken;

/// How to run a gateway.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen for visitors and peers.
    pub listen: SocketAddr,
    /// The gateway's own host name; sites are below it. `localhost` for this computer only.
    pub domain: String,
    /// Whether a proxy in front speaks TLS to visitors: addresses are `https` without a port, and
    /// the last entry of `X-Forwarded-For` is the visitor.
    pub behind_proxy: bool,
    /// Where the names are kept; `None` keeps them in memory (tests).
    pub data: Option<PathBuf>,
}

/// A gateway that listens.
pub struct Gateway {}

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken or not ours.
    #[error("cannot listen on {0}")]
    Listen(SocketAddr, #[source] std::io::Error),
    /// The data folder or the database in it cannot be used.
    #[error("cannot use the data folder {0}: {1}")]
    Data(PathBuf, String),
    /// The domain is not a host name.
    #[error("{0:?} is not a host name")]
    Domain(String),
}

impl Gateway {
    /// Opens the names and listens; nothing is served before [`Gateway::run`].
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn bind(config: Config) -> Result<Self, StartError> {
        let _ = config;
        unimplemented!()
    }

    /// Returns the address it listens on, with the real port.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        unimplemented!()
    }

    /// Returns the address that peers use.
    #[must_use]
    pub fn address(&self) -> GatewayAddress {
        unimplemented!()
    }

    /// Serves until `stop` is cancelled, then finishes what is under way for a named time.
    pub async fn run(self, stop: CancellationToken) {
        let _ = stop;
        unimplemented!()
    }
}
