use sites::hand_over::inbox::Given;

use super::*;
use crate::{
    hand_over::{Goods, KeptReceived, Standing, Ticket, Upload},
    model::{KnockId, Received, Stage, Terms},
};

fn key(last: u8) -> VisitorKey {
    VisitorKey::new(Some(std::net::IpAddr::from([192, 0, 2, last])))
}

fn ticket(last: u8, standing: Standing) -> Ticket {
    Ticket {
        secret: Token::generate(),
        key: key(last),
        standing,
        reached: u64::from(last) * 1000,
        perhaps_more: last.is_multiple_of(2),
        used: moment(u64::from(last)),
    }
}

fn send(id: i64) -> KeptHandOver {
    KeptHandOver {
        id: HandOverId(id),
        token: Token::generate(),
        goods: Goods::Send {
            files: vec![PathBuf::from("/photos/ü.jpg"), PathBuf::from("/b")],
            name: "ü.zip".to_owned(),
            size: u64::MAX >> 1,
            count: 2,
            state: "\"state\"".to_owned(),
        },
        terms: Terms { note: "Hello\n\"you\"".to_owned(), nod: true },
        stage: Stage::Waiting,
        since: moment(0),
        tickets: vec![ticket(1, Standing::Allowed), ticket(2, Standing::Refused)],
        refused: vec![key(2), key(3)],
        uploads: Vec::new(),
        received: Vec::new(),
    }
}

fn ask(id: i64) -> KeptHandOver {
    let upload = |number: u32, size| Upload {
        id: format!("draft{number}"),
        name: "a\u{202e}.bin".to_owned(),
        size,
        ticket: size.map(|_| Token::generate()),
        visitor: Some("2001:db8::1".parse().unwrap()),
        agent: "curl".to_owned(),
        offset: 77,
        touched: moment(5),
        given: size.map(|size| Given {
            name: "a (3).bin".to_owned(),
            size,
            written: moment(4) + Duration::from_millis(7),
        }),
    };
    let received =
        Received { file: "a (2).bin".to_owned(), size: 4711, visitor: None, at: moment(6) };
    KeptHandOver {
        id: HandOverId(id),
        token: Token::generate(),
        goods: Goods::Ask { folder: PathBuf::from("/inbox"), largest: 1_000_000, files_left: 3 },
        terms: Terms::default(),
        stage: Stage::Cut {
            file: "a.bin".to_owned(),
            arrived: 77,
            size: None,
            at: moment(7),
            by: Ended::Connection,
        },
        since: moment(1),
        tickets: Vec::new(),
        refused: Vec::new(),
        uploads: vec![upload(1, Some(100)), upload(2, None)],
        received: vec![KeptReceived { upload: "draft0".to_owned(), received }],
    }
}

fn added(kept: &KeptHandOver) -> Change {
    Change::AddHandOver(Box::new(kept.clone()))
}

fn changed(kept: &KeptHandOver) -> Change {
    Change::KeepHandOver(Box::new(kept.clone()))
}

#[tokio::test]
async fn what_is_handed_over_comes_back_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (send(1), ask(2));
    let mut desk = stored_label("https://gateway.example", "files-k3f9x");
    desk.origin = Some("https://files-k3f9x.example".to_owned());
    let other = stored_label("http://localhost:1", "files-other");
    let contents = after(
        &folder.path().join("store"),
        vec![
            vec![Change::SetDesk(StoredLabel { origin: None, ..desk.clone() }), added(&one)],
            vec![added(&two), Change::SetDesk(other.clone()), Change::SetDesk(desk.clone())],
        ],
    )
    .await;
    assert_eq!(contents.hand_overs, [one, two]);
    assert_eq!(contents.desks, [other, desk]);
}

#[tokio::test]
async fn a_change_replaces_what_was_and_what_is_forgotten_stays_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two, gone) = (send(1), ask(2), send(3));
    let mut later = KeptHandOver {
        stage: Stage::Done { at: moment(9), certain: false },
        tickets: vec![ticket(4, Standing::Asking(KnockId(1)))],
        refused: Vec::new(),
        ..one.clone()
    };
    let empty = KeptHandOver {
        goods: Goods::Ask { folder: PathBuf::from("/inbox"), largest: 1_000_000, files_left: 2 },
        stage: Stage::Waiting,
        uploads: Vec::new(),
        received: Vec::new(),
        ..two.clone()
    };
    let contents = after(
        &folder.path().join("store"),
        vec![
            vec![added(&one), added(&two), added(&gone)],
            vec![changed(&later), changed(&empty), Change::DropHandOver(gone.id)],
            // It was on its way to the disk when the owner ended it.
            vec![changed(&gone)],
        ],
    )
    .await;
    // After a restart nobody knows the question any more.
    later.tickets[0].standing = Standing::Unanswered;
    assert_eq!(contents.hand_overs, [later, empty]);
}

#[tokio::test]
async fn every_ending_comes_back() {
    for by in [Ended::Connection, Ended::File, Ended::Owner, Ended::Unconfirmed, Ended::Visitor] {
        let folder = tempfile::tempdir().unwrap();
        let stage =
            Stage::Cut { file: "a".to_owned(), arrived: 1, size: Some(2), at: moment(3), by };
        let kept = KeptHandOver { stage, ..send(1) };
        let contents = after(&folder.path().join("store"), vec![vec![added(&kept)]]).await;
        assert_eq!(contents.hand_overs, [kept]);
    }
}

#[tokio::test]
async fn uploads_from_before_names_were_noted_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let connection = Connection::open(&path).unwrap();
    for step in &schema::STEPS[..4] {
        connection.execute_batch(step).unwrap();
    }
    connection.pragma_update(None, "user_version", 4).unwrap();
    connection
        .execute_batch(
            "INSERT INTO hand_overs (id, token, kind, note, nod, since, size, count, folder)
             VALUES (2, 'AAECAwQFBgcICQoLDA0ODw', 'ask', '', 0, 1800000001000, 1000000, 3,
                     x'2f696e626f78');
             INSERT INTO uploads VALUES (2, 0, 'draft1', 'a.bin', 100, NULL, '192.0.2.7', 'curl', 77,
                                         1800000005000);",
        )
        .unwrap();
    drop(connection);
    let contents = after(&path, Vec::new()).await;
    let upload = Upload {
        id: "draft1".to_owned(),
        name: "a.bin".to_owned(),
        size: Some(100),
        ticket: None,
        visitor: Some("192.0.2.7".parse().unwrap()),
        agent: "curl".to_owned(),
        offset: 77,
        touched: moment(5),
        given: None,
    };
    let kept = KeptHandOver {
        token: Token::parse("AAECAwQFBgcICQoLDA0ODw").unwrap(),
        stage: Stage::Waiting,
        uploads: vec![upload],
        received: Vec::new(),
        ..ask(2)
    };
    assert_eq!(contents.hand_overs, [kept]);
}

#[tokio::test]
async fn a_store_from_before_hand_overs_keeps_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let connection = Connection::open(&path).unwrap();
    for step in &schema::STEPS[..3] {
        connection.execute_batch(step).unwrap();
    }
    connection.pragma_update(None, "user_version", 3).unwrap();
    connection
        .execute_batch(
            "INSERT INTO sites (id, position, kind, name, path, is_on, hidden, takes_notes)
             VALUES ('site', 1, 'folder', 'Photos', x'2f70686f746f73', 1, 0, 0);
             INSERT INTO sessions VALUES ('AAECAwQFBgcICQoLDA0ODw', 'site', 0);
             INSERT INTO labels VALUES ('site', 'https://gateway.example', 'me', 'photos-k3f9x',
                                        'https://photos-k3f9x.example', 1);
             INSERT INTO notes VALUES (1, 'site', 'Hello', NULL, 'curl', NULL, 1, 1, NULL, NULL, 0);
             INSERT INTO settings VALUES ('paused', 'yes');",
        )
        .unwrap();
    drop(connection);
    let kept = send(1);
    let contents = after(&path, vec![vec![added(&kept)]]).await;
    assert!(contents.paused);
    assert_eq!(contents.sites.len(), 1);
    assert_eq!(contents.sites[0].sessions.len(), 1);
    assert!(!contents.sites[0].takes_notes);
    assert_eq!(contents.sites[0].labels[0].origin.as_deref(), Some("https://photos-k3f9x.example"));
    assert_eq!(contents.notes.len(), 1);
    assert_eq!(contents.hand_overs, [kept]);
    assert_eq!(contents.desks, []);
}
