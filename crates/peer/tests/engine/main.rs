//! The engine with a gateway made for tests, over real sockets.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::wildcard_enum_match_arm, reason = "a test waits for one kind of event")]

#[cfg(unix)]
mod account;
mod command;
mod command_hand_over;
mod desk;
mod gateway;
mod hand_over;
mod links;
mod notes;
mod sites;
mod transfers;
mod uploads;

use std::path::{Path, PathBuf};

use crosstalk::{address::GatewayAddress, proof::PrivateKey};
use peer::{Config, Event, Peer, SiteId, Snapshot};
use tempfile::TempDir;
use tokio::{sync::broadcast, time::timeout};

use crate::gateway::{Gateway, SOON};

/// A computer at home: some folders, and what a peer keeps.
struct Home {
    folder: TempDir,
    key: PrivateKey,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("Photos 2026")).unwrap();
        std::fs::write(folder.path().join("Photos 2026/a.txt"), "hello").unwrap();
        Self { folder, key: PrivateKey::generate() }
    }

    fn photos(&self) -> PathBuf {
        self.folder.path().join("Photos 2026")
    }

    fn store(&self) -> PathBuf {
        self.folder.path().join("data/store")
    }

    fn config(&self, gateway: &GatewayAddress) -> Config {
        Config {
            store: Some(self.store()),
            key: PrivateKey::from_bytes(&self.key.to_bytes()),
            gateway: gateway.clone(),
            roots: carriers::tls::Roots::default(),
            account: None,
            invite: None,
            carrier: None,
        }
    }

    async fn peer(&self, gateway: &Gateway) -> Peer {
        Peer::start(self.config(&gateway.address)).await.unwrap()
    }

    /// Starts a peer with one published folder, and waits for its session URL.
    async fn publish(&self, gateway: &Gateway) -> (Peer, SiteId, String) {
        let peer = self.peer(gateway).await;
        let site = peer.publish(&self.photos()).await.unwrap();
        let url = url(&peer).await;
        (peer, site, url)
    }
}

/// Waits for a snapshot of which this is true.
async fn until(peer: &Peer, what: &str, is: impl FnMut(&Snapshot) -> bool) -> Snapshot {
    let mut snapshots = peer.snapshots();
    let waited = timeout(SOON, snapshots.wait_for(is)).await;
    match waited {
        Ok(snapshot) => snapshot.unwrap().clone(),
        Err(_) => panic!("never {what}: {:#?}", *peer.snapshots().borrow()),
    }
}

/// Waits for the session URL of the first site.
async fn url(peer: &Peer) -> String {
    let has_url =
        |snapshot: &Snapshot| snapshot.sites.first().is_some_and(|site| site.url.is_some());
    until(peer, "a session URL", has_url).await.sites[0].url.clone().unwrap()
}

/// Returns the address of a file of a site, from its session URL.
fn file(url: &str, path: &str) -> String {
    format!("{}/{path}", url.split_once("/s/").unwrap().0)
}

/// Waits for an event.
async fn event<T>(
    events: &mut broadcast::Receiver<Event>,
    what: &str,
    mut is: impl FnMut(Event) -> Option<T>,
) -> T {
    let wait = async {
        loop {
            if let Some(found) = is(events.recv().await.unwrap()) {
                return found;
            }
        }
    };
    timeout(SOON, wait).await.unwrap_or_else(|_| panic!("no event {what}"))
}

fn write(path: &Path, size: usize) {
    std::fs::write(path, vec![b'x'; size]).unwrap();
}
