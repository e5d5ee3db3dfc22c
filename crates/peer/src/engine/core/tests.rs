use std::path::PathBuf;

use carriers::tls::Roots;
use crosstalk::address::GatewayAddress;
use sites::folder::Folder;
use tokio::sync::oneshot;

use super::*;
use crate::{
    front::Presence,
    model::{PublishError, TransferEnd, TransferId},
    naming,
    session::Token,
    store::{StoredLabel, StoredSite},
};

const GATEWAY: &str = "http://localhost:1";

/// An engine with one site, whose store was closed under it: nothing can be written any more.
async fn without_store() -> Core {
    let store = Store::open(None).await.unwrap().store;
    store.close().await;
    let config = Config {
        store: None,
        key: PrivateKey::generate(),
        gateway: GatewayAddress::parse(GATEWAY).unwrap(),
        roots: Roots::default(),
        account: None,
        invite: None,
        carrier: None,
    };
    let site = StoredSite {
        id: SiteId("site".to_owned()),
        name: "Photos".to_owned(),
        path: PathBuf::from("/photos"),
        on: true,
        hidden_files: false,
        takes_notes: true,
        sessions: vec![Token::generate()],
        labels: vec![StoredLabel {
            gateway: GATEWAY.to_owned(),
            identity: config.key.public().to_string(),
            label: naming::label("Photos"),
            origin: Some("http://photos.localhost:1".to_owned()),
        }],
        visitors: std::collections::HashSet::new(),
    };
    let contents = Contents { sites: vec![site], ..Contents::default() };
    let (snapshots, _) = watch::channel(Snapshot {
        link: LinkState::Dialling,
        paused: false,
        sites: Vec::new(),
        transfers: Vec::new(),
        history: Vec::new(),
        notes: Vec::new(),
        hand_overs: Vec::new(),
    });
    let (events, _) = broadcast::channel(8);
    let core = Core::new(config, Scope::Identity, store, contents, snapshots, events);
    core.changed();
    core
}

fn is_off(core: &Core) -> bool {
    let routes = core.routes.borrow();
    matches!(routes["photos.localhost"].presence, Presence::Off)
}

fn ended() -> Change {
    let now = std::time::SystemTime::now();
    Change::KeepEnded(TransferRecord {
        id: TransferId(1),
        site: SiteId("site".to_owned()),
        site_name: "Photos".to_owned(),
        file: "a.jpg".to_owned(),
        visitor: None,
        agent: String::new(),
        size: 1,
        delivered: 1,
        since: now,
        until: now,
        end: TransferEnd::Complete,
    })
}

#[tokio::test]
async fn a_site_is_switched_off_even_when_that_cannot_be_kept() {
    let mut core = without_store().await;
    assert!(!is_off(&core));
    let (answer, answered) = oneshot::channel();
    core.asked(Ask::SetOn(SiteId("site".to_owned()), false, answer)).await;
    assert!(matches!(answered.await.unwrap(), Err(PublishError::Store(_))));
    assert!(is_off(&core));
    assert!(!core.snapshots.borrow().sites[0].on);
    assert!(matches!(core.pending[..], [Change::SetOn(_, false)]), "{:?}", core.pending);
}

#[tokio::test]
async fn everything_is_switched_off_even_when_that_cannot_be_kept() {
    let mut core = without_store().await;
    let (answer, answered) = oneshot::channel();
    core.asked(Ask::SetPaused(true, answer)).await;
    assert!(matches!(answered.await.unwrap(), Err(PublishError::Store(_))));
    assert!(is_off(&core));
    assert!(core.snapshots.borrow().paused);
    assert!(matches!(core.pending[..], [Change::SetPaused(true)]), "{:?}", core.pending);
}

#[tokio::test]
async fn what_waits_is_not_lost_with_a_change_that_cannot_be_kept() {
    let mut core = without_store().await;
    core.pending.push(ended());
    let (answer, answered) = oneshot::channel();
    core.asked(Ask::Rename(SiteId("site".to_owned()), "Holiday".to_owned(), answer)).await;
    assert!(matches!(answered.await.unwrap(), Err(PublishError::Store(_))));
    assert_eq!(core.sites[0].stored.name, "Photos");
    assert!(matches!(core.pending[..], [Change::KeepEnded(_)]), "{:?}", core.pending);
}

#[tokio::test]
async fn a_site_that_was_not_kept_in_time_is_not_published_later() {
    let mut core = without_store().await;
    let folder = tempfile::tempdir().unwrap();
    let opened =
        Folder::open(folder.path(), sites::folder::FolderOptions { hidden: false }).unwrap();
    let refused = core.publish(folder.path().to_owned(), opened).await;
    assert!(matches!(refused, Err(PublishError::Store(_))));
    assert_eq!(core.sites.len(), 1);
    assert!(matches!(core.pending[..], [Change::RemoveSite(_)]), "{:?}", core.pending);
}
