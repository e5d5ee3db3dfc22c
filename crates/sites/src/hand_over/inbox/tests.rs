//! An inbox on a real disk, with a drive that is as full as a test wants it.

use std::{
    collections::{BTreeMap, VecDeque},
    fs,
    sync::Mutex,
    sync::atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use cap_std::fs::Dir;
use crosstalk::transaction::{self, BodyError};
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::sync::mpsc;

use super::*;

mod crash;

const RULES: Rules = Rules { largest: 1000, keep_free: 0 };

struct World {
    place: tempfile::TempDir,
    inbox: Inbox,
}

impl World {
    fn new(rules: Rules) -> Self {
        let place = tempfile::tempdir().unwrap();
        let inbox = Inbox::open(place.path(), rules).unwrap();
        Self { place, inbox }
    }

    fn with_drive(rules: Rules, available: Available) -> Self {
        let place = tempfile::tempdir().unwrap();
        let inbox = Inbox::open_with(place.path(), rules, available).unwrap();
        Self { place, inbox }
    }

    /// Returns what is in the folder, drafts as `draft`.
    fn files(&self) -> BTreeMap<String, String> {
        let entries = fs::read_dir(self.place.path()).unwrap();
        entries
            .map(|entry| {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                let is_draft = name.starts_with(".veranda-") && name.ends_with(".part");
                let shown = if is_draft { "draft".to_owned() } else { name };
                (shown, String::from_utf8(fs::read(&path).unwrap()).unwrap())
            })
            .collect()
    }

    fn draft(&self, id: &str) -> std::path::PathBuf {
        self.place.path().join(format!(".veranda-{id}.part"))
    }

    async fn send(&self, name: &str, text: &'static str) -> Result<Arrived, InboxError> {
        let mut draft = self.inbox.begin(Some(text.len() as u64)).await?;
        draft.append(transaction::full(text), Some(text.len() as u64), |_| {}).await?;
        draft.finish(name, unnoted).await
    }
}

fn files<const N: usize>(expected: [(&str, &str); N]) -> BTreeMap<String, String> {
    expected.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect()
}

/// For tests in which nothing is killed.
fn unnoted(_: Given) -> std::future::Ready<bool> {
    std::future::ready(true)
}

type Sender = mpsc::Sender<Result<Frame<Bytes>, BodyError>>;

/// A body that comes when it is told to.
fn slow() -> (Sender, Body) {
    let (sender, mut receiver) = mpsc::channel(1);
    let frames = futures_util::stream::poll_fn(move |context| receiver.poll_recv(context));
    (sender, transaction::boxed(StreamBody::new(frames)))
}

async fn give(sender: &Sender, text: &'static str) {
    sender.send(Ok(Frame::data(Bytes::from_static(text.as_bytes())))).await.unwrap();
}

/// A body that breaks after a text.
fn broken(text: &'static str) -> Body {
    let frames: [Result<_, BodyError>; 2] =
        [Ok(Frame::data(Bytes::from_static(text.as_bytes()))), Err("cut".into())];
    transaction::boxed(StreamBody::new(futures_util::stream::iter(frames)))
}

#[tokio::test]
async fn a_file_gets_its_name_when_all_of_it_is_there() {
    let world = World::new(RULES);
    assert_eq!(world.files(), files([]));
    let told = Mutex::new(Vec::new());
    let mut draft = world.inbox.begin(Some(5)).await.unwrap();
    assert_eq!(draft.offset(), 0);
    assert_eq!(world.files(), files([("draft", "")]));
    let body = transaction::full("hello");
    draft.append(body, Some(5), |offset| told.lock().unwrap().push(offset)).await.unwrap();
    assert_eq!(world.files(), files([("draft", "hello")]));
    let arrived = draft.finish("../../note.txt", unnoted).await.unwrap();
    assert_eq!(arrived, Arrived { name: "note.txt".to_owned(), size: 5 });
    assert_eq!(world.files(), files([("note.txt", "hello")]));
    assert_eq!(*told.lock().unwrap(), [5]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_arrived_may_not_be_run() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::new(RULES);
    world.send("run.sh", "#!/bin/sh").await.unwrap();
    let mode = fs::metadata(world.place.path().join("run.sh")).unwrap().permissions().mode();
    assert_eq!(mode & 0o111, 0, "{mode:o}");
}

#[tokio::test]
async fn nothing_is_overwritten() {
    let world = World::new(RULES);
    fs::write(world.place.path().join("a.txt"), "mine").unwrap();
    fs::create_dir(world.place.path().join("b")).unwrap();
    assert_eq!(world.send("a.txt", "1").await.unwrap().name, "a (2).txt");
    assert_eq!(world.send("a.txt", "2").await.unwrap().name, "a (3).txt");
    assert_eq!(world.send("b", "3").await.unwrap().name, "b (2)");
    fs::remove_dir(world.place.path().join("b")).unwrap();
    let expected = [("a.txt", "mine"), ("a (2).txt", "1"), ("a (3).txt", "2"), ("b (2)", "3")];
    assert_eq!(world.files(), files(expected));
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_in_the_folder_is_not_followed() {
    let world = World::new(RULES);
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("x"), "theirs").unwrap();
    let link = |target: &Path, name: &str| {
        std::os::unix::fs::symlink(target, world.place.path().join(name)).unwrap();
    };
    link(&outside.path().join("x"), "x");
    link(&outside.path().join("new"), "y");
    assert_eq!(world.send("x", "1").await.unwrap().name, "x (2)");
    assert_eq!(world.send("y", "2").await.unwrap().name, "y (2)");
    // Nor one in the place of a draft, inside or outside.
    let draft = world.inbox.begin(None).await.unwrap();
    let id = draft.id().to_owned();
    drop(draft);
    for target in [outside.path().join("x"), world.place.path().join("x (2)")] {
        fs::remove_file(world.draft(&id)).unwrap();
        std::os::unix::fs::symlink(&target, world.draft(&id)).unwrap();
        let found = world.inbox.resume(&id).await;
        assert!(matches!(found, Err(InboxError::NoDraft)), "{found:?}");
    }
    assert_eq!(fs::read_to_string(outside.path().join("x")).unwrap(), "theirs");
    assert!(!outside.path().join("new").exists());
}

#[tokio::test]
async fn files_of_one_name_that_end_together_all_arrive() {
    let world = World::new(RULES);
    let sending: Vec<_> = (0..16).map(|_| world.send("photo.jpg", "x")).collect();
    let arrived = futures_util::future::join_all(sending).await;
    let names: Vec<_> = arrived.into_iter().map(|arrived| arrived.unwrap().name).collect();
    let different: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(different.len(), 16, "{names:?}");
    assert_eq!(world.files().len(), 16);
}

#[tokio::test]
async fn goes_on_after_a_cut_and_a_restart() {
    let world = World::new(RULES);
    let mut draft = world.inbox.begin(Some(8)).await.unwrap();
    let cut = draft.append(broken("hel"), Some(8), |_| {}).await;
    assert!(matches!(cut, Err(InboxError::Cut(3))), "{cut:?}");
    assert_eq!(draft.offset(), 3);
    let id = draft.id().to_owned();
    drop(draft);
    // Another inbox: as after a restart.
    let inbox = Inbox::open(world.place.path(), RULES).unwrap();
    let mut draft = inbox.resume(&id).await.unwrap();
    assert_eq!(draft.offset(), 3);
    // A body that ends well, and not with all of the file.
    let cut = draft.append(transaction::full("lo "), Some(8), |_| {}).await;
    assert!(matches!(cut, Err(InboxError::Cut(6))), "{cut:?}");
    draft.append(transaction::full("yo"), Some(8), |_| {}).await.unwrap();
    draft.finish("a", unnoted).await.unwrap();
    assert_eq!(world.files(), files([("a", "hello yo")]));
    let found = inbox.resume(&id).await;
    assert!(matches!(found, Err(InboxError::NoDraft)), "{found:?}");
}

#[tokio::test]
async fn what_came_is_written_before_more_is_waited_for() {
    let world = World::new(RULES);
    let mut draft = world.inbox.begin(None).await.unwrap();
    let id = draft.id().to_owned();
    let (sender, body) = slow();
    let (told, mut heard) = mpsc::channel(4);
    {
        let appending = draft.append(body, None, |offset| told.try_send(offset).unwrap());
        let mut appending = std::pin::pin!(appending);
        let steps = async {
            give(&sender, "abc").await;
            assert_eq!(heard.recv().await, Some(3));
            give(&sender, "de").await;
            assert_eq!(heard.recv().await, Some(5));
        };
        tokio::select! {
            biased;
            ended = &mut appending => panic!("ended: {ended:?}"),
            () = steps => {}
        }
    }
    // Dropped in the middle, as when another connection takes over.
    drop(draft);
    assert_eq!(world.inbox.resume(&id).await.unwrap().offset(), 5);
}

#[tokio::test]
async fn a_draft_has_one_writer() {
    let world = World::new(RULES);
    let draft = world.inbox.begin(None).await.unwrap();
    let id = draft.id().to_owned();
    assert!(Hold::try_take(&id).is_none());
    {
        let mut discarding = std::pin::pin!(world.inbox.discard(&id));
        assert!(futures_util::poll!(&mut discarding).is_pending());
    }
    assert!(world.draft(&id).exists());
    // Who waits has it as soon as the first lets go.
    let (resumed, ()) = tokio::join!(world.inbox.resume(&id), async { drop(draft) });
    drop(resumed.unwrap());
    world.inbox.discard(&id).await.unwrap();
    world.inbox.discard(&id).await.unwrap();
    assert_eq!(world.files(), files([]));
}

#[tokio::test]
async fn only_ids_come_near_the_disk() {
    let world = World::new(RULES);
    let outside = world.place.path().join(".veranda-x.part");
    fs::write(&outside, "").unwrap();
    for id in
        ["", "x", "../../../../../../../etc", "0123456789/12345678901", "aaaaaaaaaaaaaaaaaaaaa\0"]
    {
        let found = world.inbox.resume(id).await;
        assert!(matches!(found, Err(InboxError::NoDraft)), "{id:?}: {found:?}");
        world.inbox.discard(id).await.unwrap();
    }
    assert!(outside.exists());
}

#[tokio::test]
async fn rules_hold_whatever_was_announced() {
    let world = World::new(Rules { largest: 10, keep_free: 0 });
    let found = world.inbox.begin(Some(11)).await;
    assert!(matches!(found, Err(InboxError::TooLarge)), "{found:?}");
    assert_eq!(world.files(), files([]));

    let mut draft = world.inbox.begin(Some(3)).await.unwrap();
    // By its length, before a byte is read.
    let found = draft.append(transaction::full("four"), Some(3), |_| {}).await;
    assert!(matches!(found, Err(InboxError::TooMuch)), "{found:?}");
    // And while it is read.
    for (size, expected) in [(Some(3), "TooMuch"), (None, "TooLarge")] {
        let (sender, body) = slow();
        let sending = async move {
            for _ in 0..12 {
                if sender.send(Ok(Frame::data(Bytes::from_static(b"x")))).await.is_err() {
                    return;
                }
            }
        };
        let (found, ()) = tokio::join!(draft.append(body, size, |_| {}), sending);
        assert_eq!(format!("{:?}", found.unwrap_err()), expected);
        assert!(draft.offset() <= size.unwrap_or(10));
    }
    let length = fs::metadata(world.draft(draft.id())).unwrap().len();
    assert_eq!(length, draft.offset());
}

#[tokio::test]
async fn the_drive_does_not_run_full() {
    /// What the drive says, each time that it is asked.
    static LOOKS: Mutex<VecDeque<u64>> = Mutex::new(VecDeque::new());
    let says = |looks: &[u64]| LOOKS.lock().unwrap().extend(looks);
    let drive: Available = |_, _| Ok(Some(LOOKS.lock().unwrap().pop_front().unwrap()));
    let world = World::with_drive(Rules { largest: u64::MAX, keep_free: 100 }, drive);
    says(&[105]);
    let found = world.inbox.begin(Some(6)).await;
    assert!(matches!(found, Err(InboxError::NoSpace)), "{found:?}");
    says(&[105]);
    let mut draft = world.inbox.begin(Some(5)).await.unwrap();
    // Somebody else writes to the drive meanwhile: what fits is kept, and told.
    says(&[105, 102, 100]);
    let told = AtomicU64::new(0);
    let body = transaction::full("123456789");
    let tell = |offset| told.store(offset, Ordering::SeqCst);
    let found = draft.append(body, None, tell).await;
    assert!(matches!(found, Err(InboxError::NoSpace)), "{found:?}");
    assert_eq!((draft.offset(), told.load(Ordering::SeqCst)), (7, 7));
    says(&[99]);
    let found = draft.append(transaction::full("8"), None, |_| {}).await;
    assert!(matches!(found, Err(InboxError::NoSpace)), "{found:?}");
    // There is room again.
    says(&[1000]);
    draft.append(transaction::full("89"), None, |_| {}).await.unwrap();
    draft.finish("a", unnoted).await.unwrap();
    assert_eq!(world.files(), files([("a", "123456789")]));
}

#[tokio::test]
async fn many_at_once_do_not_fill_the_drive_together() {
    static FREE: AtomicU64 = AtomicU64::new(u64::MAX);
    let drive: Available = |_, _| Ok(Some(FREE.load(Ordering::SeqCst)));
    let world = World::with_drive(Rules { largest: u64::MAX, keep_free: 100 }, drive);
    // As many as can come: four of each of a hundred hand-overs, of which some will do here.
    let mut drafts = Vec::new();
    for _ in 0..8 {
        let mut draft = world.inbox.begin(None).await.unwrap();
        draft.append(transaction::full("x"), None, |_| {}).await.unwrap();
        drafts.push(draft);
    }
    FREE.store(100, Ordering::SeqCst);
    let mut more = 0;
    for draft in &mut drafts {
        let body = transaction::full(vec![b'x'; 2 * 1024 * 1024]);
        let found = draft.append(body, None, |_| {}).await;
        assert!(matches!(found, Err(InboxError::NoSpace)), "{found:?}");
        more += draft.offset() - 1;
    }
    // All of 400 stay below the gigabyte that is kept free.
    assert!(more / 8 * 400 < 1024 * 1024 * 1024, "{more}");
}

#[tokio::test]
async fn a_folder_that_goes_away_keeps_nothing_silently() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("inbox");
    fs::create_dir(&folder).unwrap();
    let inbox = Inbox::open(&folder, RULES).unwrap();
    assert!(inbox.is_there().await);
    let mut draft = inbox.begin(None).await.unwrap();
    draft.append(transaction::full("abc"), None, |_| {}).await.unwrap();
    let id = draft.id().to_owned();
    let away = outer.path().join("away");
    fs::rename(&folder, &away).unwrap();
    assert!(!inbox.is_there().await);
    for found in [draft.finish("a", unnoted).await.map(drop), inbox.begin(None).await.map(drop)] {
        assert!(matches!(found, Err(InboxError::Folder(_))), "{found:?}");
    }
    let found = inbox.resume(&id).await;
    assert!(matches!(found, Err(InboxError::Folder(_))), "{found:?}");
    // It comes back, and everything goes on.
    fs::rename(&away, &folder).unwrap();
    let draft = inbox.resume(&id).await.unwrap();
    assert_eq!(draft.offset(), 3);
    // Somebody tidies up: what was removed does not arrive.
    fs::remove_file(folder.join(format!(".veranda-{id}.part"))).unwrap();
    let found = draft.finish("a", unnoted).await;
    assert!(matches!(found, Err(InboxError::NoDraft)), "{found:?}");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_says_so() {
    let outer = tempfile::tempdir().unwrap();
    fs::write(outer.path().join("file"), "").unwrap();
    for name in ["file", "nothing"] {
        let found = Inbox::open(&outer.path().join(name), RULES);
        assert!(matches!(found, Err(InboxError::Folder(_))), "{found:?}");
    }
}

#[tokio::test]
async fn old_drafts_are_swept_up_and_nothing_else() {
    let world = World::new(RULES);
    let old = world.inbox.begin(None).await.unwrap().id().to_owned();
    let new = world.inbox.begin(None).await.unwrap().id().to_owned();
    let open = world.inbox.begin(None).await.unwrap();
    fs::write(world.place.path().join(".veranda-mine.part"), "").unwrap();
    fs::write(world.place.path().join("a"), "").unwrap();
    let week = Duration::from_secs(7 * 24 * 3600);
    let then = std::time::SystemTime::now() - week;
    for name in [format!(".veranda-{old}.part"), format!(".veranda-{}.part", open.id()), "a".into()]
    {
        let file = fs::File::options().write(true).open(world.place.path().join(name)).unwrap();
        file.set_modified(then).unwrap();
    }
    assert_eq!(world.inbox.sweep(week).await.unwrap(), 1);
    assert!(!world.draft(&old).exists() && world.draft(&new).exists());
    assert!(world.draft(open.id()).exists());
    assert_eq!(fs::read_dir(world.place.path()).unwrap().count(), 4);
}

/// Gives a draft its name without a look at what is there: all of it may have come since.
fn give_name(
    dir: &Dir,
    draft: &str,
    wanted: &str,
    place: impl Fn(&Dir, &str, &str) -> io::Result<()>,
) -> io::Result<String> {
    let mut names = disk::Names::new(wanted);
    loop {
        let name = names.name();
        match place(dir, draft, &name) {
            Ok(()) => return Ok(name),
            Err(error) => names.after(error)?,
        }
    }
}

/// The ways that other systems and drives leave us.
#[test]
fn no_way_to_a_name_overwrites() {
    type Way = fn(&Dir, &str, &str) -> io::Result<()>;
    let ways: [(&str, Way); 3] = [
        ("at once", disk::place),
        ("by a link", disk::place_by_link),
        ("by a placeholder", disk::place_by_placeholder),
    ];
    for (way, place) in ways {
        let folder = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(folder.path(), cap_std::ambient_authority()).unwrap();
        for (draft, expected) in [("1", "a.txt"), ("2", "a (2).txt"), ("3", "a (3).txt")] {
            dir.write(draft, draft).unwrap();
            let name = give_name(&dir, draft, "a.txt", place).unwrap();
            assert_eq!(name, expected, "{way}");
            assert_eq!(dir.read_to_string(&name).unwrap(), draft, "{way}");
            assert!(!dir.exists(draft), "{way}");
        }
        // What cannot be named leaves no empty file behind.
        give_name(&dir, "nothing", "b.txt", place).unwrap_err();
        assert_eq!(dir.entries().unwrap().count(), 3, "{way}");
    }
}

#[test]
fn a_drive_that_keeps_short_names_gets_one() {
    let folder = tempfile::tempdir().unwrap();
    let dir = Dir::open_ambient_dir(folder.path(), cap_std::ambient_authority()).unwrap();
    dir.write("draft", "").unwrap();
    let long = format!("{}.txt", "a".repeat(300));
    let name = give_name(&dir, "draft", &long, |dir, draft, name| {
        if name.len() > 143 {
            return Err(io::ErrorKind::InvalidFilename.into());
        }
        disk::place(dir, draft, name)
    });
    assert_eq!(name.unwrap(), format!("{}.txt", "a".repeat(96)));
}

#[tokio::test]
async fn a_disk_that_hangs_keeps_nobody_else_waiting() {
    /// Waits until the test lets go of it.
    static DISK: Mutex<()> = Mutex::new(());
    let hanging: Available = |_, _| {
        drop(DISK.lock().unwrap());
        Ok(None)
    };
    let world = World::with_drive(RULES, hanging);
    let other = World::new(RULES);
    let mut stuck = tokio::task::JoinSet::new();
    {
        let (locked, is_locked) = tokio::sync::oneshot::channel();
        let (release, released) = std::sync::mpsc::channel::<()>();
        let holder = std::thread::spawn(move || {
            let _held = DISK.lock().unwrap();
            locked.send(()).unwrap();
            released.recv().unwrap();
        });
        is_locked.await.unwrap();
        for _ in 0..3 * DISK_JOBS {
            let inbox = world.inbox.clone();
            stuck.spawn(async move { inbox.begin(None).await.map(drop) });
        }
        // All threads of this inbox are taken.
        while world.inbox.shared.jobs.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(other.send("a", "b").await.unwrap().name, "a");
        assert!(stuck.try_join_next().is_none());
        release.send(()).unwrap();
        holder.join().unwrap();
    }
    while let Some(ended) = stuck.join_next().await {
        ended.unwrap().unwrap();
    }
}
