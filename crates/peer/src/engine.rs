//! The engine: one owner, one loop.

use std::path::{Path, PathBuf};

use carriers::tls::Roots;
use crosstalk::{address::GatewayAddress, proof::PrivateKey};
use tokio::sync::{broadcast, watch};

use crate::model::{Event, PublishError, SiteId, Snapshot, TransferId};

/// How to run a peer.
pub struct Config {
    /// The store's file; `None` keeps everything in memory.
    pub store: Option<PathBuf>,
    /// The identity's key.
    pub key: PrivateKey,
    /// The gateway to hold a link to.
    pub gateway: GatewayAddress,
    /// Which certificates to believe.
    pub roots: Roots,
}

/// Why a peer does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store cannot be opened at all (a damaged one is kept aside and replaced instead).
    #[error("cannot open the store {0}: {1}")]
    Store(PathBuf, String),
}

/// A handle to a running peer; cheap to clone. When [`Peer::shutdown`] is called, or the last
/// handle is dropped, the engine ends.
#[derive(Clone)]
pub struct Peer {}

impl Peer {
    /// Opens the store and starts the engine; the link is dialled in the background.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let _ = config;
        unimplemented!()
    }

    /// Returns where a damaged store was moved to at the start, if there was one.
    #[must_use]
    pub fn kept_aside(&self) -> Option<&Path> {
        unimplemented!()
    }

    /// Returns the latest [`Snapshot`], and wakes up at each new one.
    #[must_use]
    pub fn snapshots(&self) -> watch::Receiver<Snapshot> {
        unimplemented!()
    }

    /// Returns what happens from now on. Who is too slow learns how many events it missed.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Event> {
        unimplemented!()
    }

    /// Publishes a folder: makes a site with a session. Returns as soon as it is kept; the URL
    /// comes with the snapshot in which the gateway has confirmed the name.
    ///
    /// # Errors
    /// See [`PublishError`].
    pub async fn publish(&self, folder: &Path) -> Result<SiteId, PublishError> {
        let _ = folder;
        unimplemented!()
    }

    /// Stops publishing and forgets the site, its link and its name.
    ///
    /// # Errors
    /// [`PublishError::Unknown`], [`PublishError::Store`].
    pub async fn remove(&self, site: &SiteId) -> Result<(), PublishError> {
        let _ = site;
        unimplemented!()
    }

    /// Switches a site; switching off cuts its transfers.
    ///
    /// # Errors
    /// [`PublishError::Unknown`], [`PublishError::Store`].
    pub async fn set_on(&self, site: &SiteId, on: bool) -> Result<(), PublishError> {
        let _ = (site, on);
        unimplemented!()
    }

    /// Changes the title of a site; its link stays.
    ///
    /// # Errors
    /// [`PublishError::Unknown`], [`PublishError::Store`].
    pub async fn rename(&self, site: &SiteId, name: &str) -> Result<(), PublishError> {
        let _ = (site, name);
        unimplemented!()
    }

    /// Changes whether hidden files of a site are served.
    ///
    /// # Errors
    /// [`PublishError::Unknown`], [`PublishError::Store`].
    pub async fn set_hidden_files(&self, site: &SiteId, shown: bool) -> Result<(), PublishError> {
        let _ = (site, shown);
        unimplemented!()
    }

    /// Switches everything off (cutting transfers) or back to what each site says; kept over
    /// restarts.
    ///
    /// # Errors
    /// [`PublishError::Store`].
    pub async fn set_paused(&self, paused: bool) -> Result<(), PublishError> {
        let _ = paused;
        unimplemented!()
    }

    /// Cuts a transfer; does nothing when it is over.
    pub async fn stop_transfer(&self, transfer: TransferId) {
        let _ = transfer;
        unimplemented!()
    }

    /// Forgets the history.
    ///
    /// # Errors
    /// [`PublishError::Store`].
    pub async fn clear_history(&self) -> Result<(), PublishError> {
        unimplemented!()
    }

    /// Uses another gateway from now on; links change.
    pub async fn use_gateway(&self, gateway: GatewayAddress) {
        let _ = gateway;
        unimplemented!()
    }

    /// Dials again at once.
    pub fn retry(&self) {
        unimplemented!()
    }

    /// Ends links and transfers and waits until everything is kept, at most a few seconds.
    pub async fn shutdown(&self) {
        unimplemented!()
    }
}
