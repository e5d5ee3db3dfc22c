use std::path::PathBuf;

use carriers::tls::Roots;
use crosstalk::address::GatewayAddress;
use sites::folder::Folder;
use tokio::sync::{Semaphore, oneshot};

use super::*;
use crate::{
    front::Presence,
    hand_over::{Goods, KeptHandOver},
    model::{PublishError, Stage, Terms, TransferEnd, TransferId},
    naming,
    session::Token,
    store::{StoredLabel, StoredSite},
};

const GATEWAY: &str = "http://localhost:1";

/// An engine with one site, whose store was closed under it: nothing can be written any more.
async fn without_store() -> Core {
    with(&["site"], Vec::new()).await
}

/// The same with these sites and hand-overs.
async fn with(ids: &[&str], hand_overs: Vec<KeptHandOver>) -> Core {
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
    let site = |id: &str| StoredSite {
        id: SiteId(id.to_owned()),
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
    let contents = Contents {
        hand_overs,
        sites: ids.iter().map(|id| site(id)).collect(),
        ..Contents::default()
    };
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

fn a_request(id: i64) -> KeptHandOver {
    KeptHandOver {
        id: HandOverId(id),
        token: Token::generate(),
        goods: Goods::Ask { folder: PathBuf::from("/inbox"), largest: 1_000, files_left: 3 },
        terms: Terms::default(),
        stage: Stage::Waiting,
        since: std::time::SystemTime::now(),
        tickets: Vec::new(),
        refused: Vec::new(),
        uploads: Vec::new(),
        received: Vec::new(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_drive_holds_up_no_look_at_the_other_folders() {
    let mut core = with(&["dead", "there"], Vec::new()).await;
    // A thread that the drive does not answer.
    let _stuck = Arc::clone(&core.sites[0].opening).acquire_owned().await.unwrap();
    for _ in 0..3 {
        core.look_at_folders();
        let (id, disk) = core.folders.join_next().await.unwrap().unwrap();
        assert_eq!(id.0, "there");
        core.found(&id, disk);
        assert_eq!(core.folders.len(), 1, "one look at the dead drive");
    }
    let (id, disk) = core.folders.join_next().await.unwrap().unwrap();
    assert!(id.0 == "dead" && matches!(disk, Disk::Silent), "{disk:?}");
}

#[tokio::test(start_paused = true)]
async fn a_dead_drive_holds_up_no_look_at_other_hand_overs() {
    let mut core = with(&[], vec![a_request(1), a_request(2)]).await;
    // A thread that the drive does not answer.
    core.counter.turns.insert(HandOverId(1), Arc::new(Semaphore::new(0)));
    for _ in 0..3 {
        core.look_at_goods();
        let (id, found) = core.counter.looking.join_next().await.unwrap().unwrap();
        assert_eq!(id, HandOverId(2));
        core.found_goods(id, found);
        assert!(core.counter.looking.is_empty(), "no second look at the dead drive");
    }
}
