mod hand_over;

use std::fs;

use super::*;
use crate::model::{Ended, TransferEnd, TransferId};

fn site(number: u32) -> StoredSite {
    StoredSite {
        id: SiteId(format!("site{number}")),
        name: format!("Photos {number}"),
        path: PathBuf::from(format!("/photos/{number}")),
        on: true,
        hidden_files: false,
        takes_notes: true,
        sessions: vec![Token::generate(), Token::generate()],
        labels: vec![stored_label("https://gateway.example", "photos-k3f9x")],
        visitors: HashSet::new(),
    }
}

fn stored_label(gateway: &str, label: &str) -> StoredLabel {
    StoredLabel {
        gateway: gateway.to_owned(),
        identity: "me".to_owned(),
        label: Label::parse(label).unwrap(),
        origin: None,
    }
}

fn moment(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
}

fn record(id: i64, end: TransferEnd) -> TransferRecord {
    TransferRecord {
        id: TransferId(id),
        site: SiteId("site1".to_owned()),
        site_name: "Photos".to_owned(),
        file: "a/b.jpg".to_owned(),
        visitor: Some("192.0.2.7".parse().unwrap()),
        agent: "Firefox on Windows".to_owned(),
        size: u64::MAX >> 1,
        delivered: 7,
        since: moment(0),
        until: moment(u64::try_from(id).unwrap()),
        end,
    }
}

fn running(id: i64) -> Change {
    let record = record(id, TransferEnd::Complete);
    let state = TransferState {
        id: record.id,
        site: record.site,
        file: record.file,
        visitor: record.visitor,
        agent: record.agent,
        size: record.size,
        sent: 100,
        delivered: record.delivered,
        rate: 1,
        since: record.since,
    };
    Change::KeepRunning(state, "Photos".to_owned())
}

/// Applies each batch, then returns what a program that starts afterwards finds.
async fn after(path: &Path, batches: Vec<Vec<Change>>) -> Contents {
    let opened = Store::open(Some(path.to_owned())).await.unwrap();
    for batch in batches {
        opened.store.apply(batch).await.unwrap();
    }
    opened.store.close().await;
    let again = Store::open(Some(path.to_owned())).await.unwrap();
    assert_eq!(again.kept_aside, None);
    again.store.close().await;
    again.contents
}

#[tokio::test]
async fn everything_comes_back_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (site(1), site(2));
    let mut other_gateway = stored_label("http://localhost:1", "photos-other");
    other_gateway.origin = Some("http://photos-other.localhost:1".to_owned());
    let key = VisitorKey::new(Some("192.0.2.7".parse().unwrap()));
    let release = Release {
        gateway: "https://gateway.example".to_owned(),
        identity: "me".to_owned(),
        label: Label::parse("gone-k3f9x").unwrap(),
    };
    let contents = after(
        &folder.path().join("deep/store"),
        vec![
            vec![Change::AddSite(Box::new(one.clone()))],
            vec![Change::AddSite(Box::new(two.clone())), Change::SetPaused(true)],
            vec![
                Change::SetLabel(one.id.clone(), other_gateway.clone()),
                Change::SetName(one.id.clone(), "Holiday".to_owned()),
                Change::SetOn(two.id.clone(), false),
                Change::SetHidden(two.id.clone(), true),
                Change::AddVisitor(one.id.clone(), key),
                Change::AddVisitor(one.id.clone(), key),
                Change::AddVisitor(SiteId("removed".to_owned()), key),
                Change::AddRelease(release.clone()),
                Change::KeepEnded(record(4, TransferEnd::Cut(Ended::Visitor))),
                Change::KeepEnded(record(5, TransferEnd::Complete)),
            ],
        ],
    )
    .await;
    let one = StoredSite {
        name: "Holiday".to_owned(),
        labels: vec![one.labels[0].clone(), other_gateway],
        visitors: HashSet::from([key]),
        ..one
    };
    let two = StoredSite { on: false, hidden_files: true, ..two };
    assert_eq!(contents.sites, [one, two]);
    assert!(contents.paused);
    assert_eq!(contents.releases, [release]);
    let history = [record(5, TransferEnd::Complete), record(4, TransferEnd::Cut(Ended::Visitor))];
    assert_eq!(contents.history, history);
    assert_eq!(contents.last_transfer, 5);
}

#[tokio::test]
async fn a_removed_site_takes_its_links_along_and_leaves_its_history() {
    let folder = tempfile::tempdir().unwrap();
    let contents = after(
        &folder.path().join("store"),
        vec![
            vec![
                Change::AddSite(Box::new(site(1))),
                Change::KeepEnded(record(1, TransferEnd::Complete)),
            ],
            vec![Change::RemoveSite(site(1).id)],
            // The same labels and the same id may come again.
            vec![Change::AddSite(Box::new(site(1)))],
        ],
    )
    .await;
    assert_eq!(contents.sites.len(), 1);
    assert_eq!(contents.sites[0].sessions.len(), 2);
    assert_eq!(contents.history.len(), 1);
}

#[tokio::test]
async fn a_transfer_that_a_crash_interrupted_was_cut() {
    let folder = tempfile::tempdir().unwrap();
    let contents = after(
        &folder.path().join("store"),
        vec![
            vec![running(1), running(2)],
            vec![Change::KeepEnded(record(1, TransferEnd::Complete))],
        ],
    )
    .await;
    let ends: Vec<_> = contents.history.iter().map(|record| (record.id.0, record.end)).collect();
    assert!(ends.contains(&(1, TransferEnd::Complete)), "{ends:?}");
    assert!(ends.contains(&(2, TransferEnd::Cut(Ended::Connection))), "{ends:?}");
}

#[tokio::test]
async fn clearing_the_history_keeps_what_is_under_way() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let ended = Change::KeepEnded(record(1, TransferEnd::Complete));
    let contents = after(&path, vec![vec![ended, running(2)], vec![Change::ClearHistory]]).await;
    assert_eq!(contents.history.iter().map(|record| record.id.0).collect::<Vec<_>>(), [2]);
    assert_eq!(contents.last_transfer, 2);
}

#[tokio::test]
async fn the_history_ends_where_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let many = i64::try_from(MAX_HISTORY).unwrap() + 50;
    let ended = |id| Change::KeepEnded(record(id, TransferEnd::Complete));
    let contents = after(&path, vec![(1..=many).map(ended).collect()]).await;
    assert_eq!(contents.history.len(), SHOWN_HISTORY);
    assert_eq!(contents.history[0].id.0, many);
    let connection = Connection::open(&path).unwrap();
    let left: i64 =
        connection.query_row("SELECT count(*) FROM transfers", [], |row| row.get(0)).unwrap();
    assert_eq!(left, i64::try_from(MAX_HISTORY).unwrap());
}

#[tokio::test]
async fn a_damaged_store_is_kept_aside_and_a_new_one_begins() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    // Not a database at all, and one whose pages are broken.
    let mut broken = {
        after(&path, vec![(0..200).map(|n| Change::AddSite(Box::new(site(n)))).collect()]).await;
        fs::read(&path).unwrap()
    };
    let length = broken.len();
    broken[4096..length].fill(0x5a);
    for damaged in [b"this is no database, by no means".repeat(100), broken] {
        fs::write(&path, &damaged).unwrap();
        let opened = Store::open(Some(path.clone())).await.unwrap();
        let aside = opened.kept_aside.clone().unwrap();
        assert!(aside.file_name().unwrap().to_str().unwrap().starts_with("store.damaged-"));
        assert_eq!(fs::read(&aside).unwrap(), damaged);
        assert_eq!(opened.contents.sites, []);
        opened.store.apply(vec![Change::AddSite(Box::new(site(1)))]).await.unwrap();
        opened.store.close().await;
        fs::remove_file(&path).unwrap();
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "both are kept");
}

#[tokio::test]
async fn a_store_with_nonsense_in_it_is_kept_aside_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    after(&path, vec![vec![Change::AddSite(Box::new(site(1)))]]).await;
    let connection = Connection::open(&path).unwrap();
    connection.execute("UPDATE labels SET label = 'NOT A LABEL'", []).unwrap();
    drop(connection);
    let opened = Store::open(Some(path)).await.unwrap();
    assert!(opened.kept_aside.is_some());
}

#[tokio::test]
async fn a_store_of_a_newer_program_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    after(&path, vec![]).await;
    let connection = Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 4711).unwrap();
    drop(connection);
    let before = fs::read(&path).unwrap();
    let Err(StartError::Store(at, why)) = Store::open(Some(path.clone())).await else {
        panic!("opened a store of version 4711");
    };
    assert_eq!(at, path);
    assert_eq!(why, StoreFault::Newer(4711));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn two_programs_do_not_share_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let first = Store::open(Some(path.clone())).await.unwrap();
    first.store.apply(vec![Change::SetPaused(true)]).await.unwrap();
    let Err(StartError::Store(_, why)) = Store::open(Some(path.clone())).await else {
        panic!("two programs opened one store");
    };
    assert_eq!(why, StoreFault::InUse);
    first.store.close().await;
    assert!(Store::open(Some(path)).await.unwrap().contents.paused);
}

#[tokio::test]
async fn an_empty_database_and_one_of_each_version_become_todays() {
    for version in 0..=schema::STEPS.len() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let connection = Connection::open(&path).unwrap();
        for step in &schema::STEPS[..version] {
            connection.execute_batch(step).unwrap();
        }
        connection.pragma_update(None, "user_version", i64::try_from(version).unwrap()).unwrap();
        drop(connection);
        let contents = after(&path, vec![vec![Change::AddSite(Box::new(site(1)))]]).await;
        assert_eq!(
            contents.sites,
            [site(1)].map(|new| StoredSite { sessions: contents.sites[0].sessions.clone(), ..new })
        );
    }
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_reads_the_store() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let opened = Store::open(Some(path.clone())).await.unwrap();
    opened.store.apply(vec![Change::AddSite(Box::new(site(1)))]).await.unwrap();
    for entry in fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{entry:?}");
    }
    opened.store.close().await;
}

#[test]
fn one_visitor_is_counted_once() {
    let key = |text: &str| VisitorKey::new(Some(text.parse().unwrap()));
    assert_eq!(key("2001:db8::1"), key("2001:db8::dead:beef"));
    assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
    assert_eq!(key("192.0.2.7"), key("::ffff:192.0.2.7"));
    assert_ne!(key("192.0.2.7"), key("192.0.2.8"));
}

#[test]
fn what_a_full_disk_did_not_take_is_written_when_there_is_room() {
    let connection = Connection::open_in_memory().unwrap();
    let (connection, _) = begin(connection, moment(0)).unwrap();
    let mut writer = Writer { connection, owed: Vec::new() };
    let ended = |id| Change::KeepEnded(record(id, TransferEnd::Complete));
    writer.connection.pragma_update(None, "query_only", true).unwrap();
    writer.write_or_owe(vec![ended(1)]);
    writer.write_or_owe(vec![ended(2)]);
    writer.write(&[Change::SetPaused(true)]).unwrap_err();
    for id in 0..5000 {
        writer.write_or_owe(vec![ended(id)]);
    }
    assert_eq!(writer.owed.len(), MAX_OWED);
    writer.connection.pragma_update(None, "query_only", false).unwrap();
    writer.write_or_owe(vec![ended(5000)]);
    assert!(writer.owed.is_empty());
    let count: i64 = writer
        .connection
        .query_row("SELECT count(*) FROM transfers", [], |row| row.get(0))
        .unwrap();
    assert_eq!(count, i64::try_from(MAX_OWED).unwrap() + 1);
    let contents = table::read(&writer.connection).unwrap();
    assert!(!contents.paused, "who waited was told that it failed");
    assert_eq!(contents.last_transfer, 5000);
}
