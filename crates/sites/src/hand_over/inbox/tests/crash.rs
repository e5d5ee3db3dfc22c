//! What is known of a file after the program was killed just when the file got its name.

use super::*;

impl World {
    /// A whole draft, which waits for its name.
    async fn whole(&self, text: &'static str) -> Draft {
        let size = Some(text.len() as u64);
        let mut draft = self.inbox.begin(size).await.unwrap();
        draft.append(transaction::full(text), size, |_| {}).await.unwrap();
        draft
    }

    /// Gives a whole draft its name, up to where that is noted.
    async fn noted(&self, draft: Draft, name: &str) -> Given {
        let (tell, mut told) = mpsc::channel(1);
        let finishing = draft.finish(name, |given| {
            let tell = tell.clone();
            async move {
                tell.send(given).await.unwrap();
                std::future::pending().await
            }
        });
        tokio::select! {
            ended = finishing => panic!("nobody noted it: {ended:?}"),
            given = told.recv() => given.unwrap(),
        }
    }

    /// Gives a whole draft its name; returns what was noted before.
    async fn named(&self, draft: Draft, name: &str) -> Given {
        let noted = Mutex::new(None);
        let finishing = draft.finish(name, |given| {
            *noted.lock().unwrap() = Some(given);
            std::future::ready(true)
        });
        let arrived = finishing.await.unwrap();
        let given = noted.into_inner().unwrap().unwrap();
        assert_eq!((&arrived.name, arrived.size), (&given.name, given.size));
        given
    }

    /// Returns what a program finds that is started afterwards.
    async fn found(&self, id: &str, given: &Given) -> Option<Arrived> {
        let inbox = Inbox::open(self.place.path(), RULES).unwrap();
        inbox.arrived(id, given).await.unwrap()
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.place.path().join(name)
    }
}

fn set_written(path: &Path, written: SystemTime) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(written).unwrap();
}

#[tokio::test]
async fn a_file_that_is_killed_before_its_name_goes_on_as_a_draft() {
    let world = World::new(RULES);
    let draft = world.whole("hello").await;
    let id = draft.id().to_owned();
    let given = world.noted(draft, "a.txt").await;
    assert_eq!((&*given.name, given.size), ("a.txt", 5));
    assert_eq!(world.files(), files([("draft", "hello")]), "it is noted before");
    // Another one of this name and size, at this moment: the draft is still there, so it is not that one.
    fs::write(world.path("a.txt"), "other").unwrap();
    set_written(&world.path("a.txt"), given.written);
    assert_eq!(world.found(&id, &given).await, None);
    let draft = world.inbox.resume(&id).await.unwrap();
    assert_eq!(draft.finish("a.txt", unnoted).await.unwrap().name, "a (2).txt");
    assert_eq!(world.files(), files([("a.txt", "other"), ("a (2).txt", "hello")]));
}

#[tokio::test]
async fn a_file_that_is_killed_after_its_name_is_known_to_be_there() {
    let world = World::new(RULES);
    let draft = world.whole("hello").await;
    let id = draft.id().to_owned();
    let given = world.named(draft, "a.txt").await;
    let arrived = Arrived { name: "a.txt".to_owned(), size: 5 };
    assert_eq!(world.found(&id, &given).await, Some(arrived.clone()));
    // FAT keeps only every second second.
    let second = Duration::from_secs(1);
    set_written(&world.path("a.txt"), given.written - second);
    assert_eq!(world.found(&id, &given).await, Some(arrived));
    // Another file in its place, as long and of another time; or longer; or nothing.
    set_written(&world.path("a.txt"), given.written + 10 * second);
    assert_eq!(world.found(&id, &given).await, None);
    fs::write(world.path("a.txt"), "hello!").unwrap();
    set_written(&world.path("a.txt"), given.written);
    assert_eq!(world.found(&id, &given).await, None);
    fs::rename(world.path("a.txt"), world.path("moved.txt")).unwrap();
    assert_eq!(world.found(&id, &given).await, None);
    fs::create_dir(world.path("a.txt")).unwrap();
    assert_eq!(world.found(&id, &given).await, None);
    assert_eq!(world.found("../../../../../../../etc", &given).await, None);
}

#[tokio::test]
async fn a_file_that_is_killed_between_two_names_keeps_its_own() {
    let world = World::new(RULES);
    let draft = world.whole("hello").await;
    let id = draft.id().to_owned();
    let given = world.noted(draft, "a.txt").await;
    // Where a drive cannot rename without overwriting, it has both for a moment.
    fs::hard_link(world.draft(&id), world.path("a.txt")).unwrap();
    let found = world.inbox.resume(&id).await;
    assert!(matches!(found, Err(InboxError::NoDraft)), "{found:?}");
    assert!(world.found(&id, &given).await.is_some());
    assert_eq!(world.files(), files([("a.txt", "hello")]));
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_is_not_the_file() {
    let world = World::new(RULES);
    let draft = world.whole("hello").await;
    let id = draft.id().to_owned();
    let given = world.named(draft, "a.txt").await;
    fs::rename(world.path("a.txt"), world.path("b.txt")).unwrap();
    std::os::unix::fs::symlink("b.txt", world.path("a.txt")).unwrap();
    assert_eq!(world.found(&id, &given).await, None);
}

#[tokio::test]
async fn what_could_not_be_noted_gets_no_name_and_can_be_finished_later() {
    let world = World::new(RULES);
    let draft = world.whole("hello").await;
    let id = draft.id().to_owned();
    let unkept = draft.finish("a.txt", |_| std::future::ready(false)).await;
    assert!(matches!(unkept, Err(InboxError::Busy)), "{unkept:?}");
    assert!(!world.path("a.txt").exists());
    let again = world.inbox.resume(&id).await.unwrap();
    assert_eq!(again.finish("a.txt", unnoted).await.unwrap().name, "a.txt");
    assert_eq!(world.files(), files([("a.txt", "hello")]));
}

#[tokio::test]
async fn a_name_that_somebody_takes_just_then_stays_theirs() {
    let world = World::new(RULES);
    let draft = world.whole("hello").await;
    let noted = Arc::new(Mutex::new(Vec::new()));
    let finishing = draft.finish("a.txt", |given| {
        let is_first = noted.lock().unwrap().is_empty();
        if is_first {
            fs::write(world.path(&given.name), "mine").unwrap();
        }
        noted.lock().unwrap().push(given.name);
        std::future::ready(true)
    });
    assert_eq!(finishing.await.unwrap().name, "a (2).txt");
    assert_eq!(*noted.lock().unwrap(), ["a.txt", "a (2).txt"]);
    assert_eq!(world.files(), files([("a.txt", "mine"), ("a (2).txt", "hello")]));
}

#[tokio::test]
async fn a_draft_that_goes_away_just_then_gets_no_name() {
    let world = World::new(RULES);
    let draft = world.whole("hello").await;
    let place = world.draft(draft.id());
    let finishing = draft.finish("a.txt", |_| {
        fs::remove_file(&place).unwrap();
        std::future::ready(true)
    });
    let found = finishing.await;
    assert!(matches!(found, Err(InboxError::NoDraft)), "{found:?}");
    assert_eq!(world.files(), files([]));
}

#[tokio::test]
async fn a_drive_that_is_away_says_nothing_about_what_is_on_it() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("inbox");
    fs::create_dir(&folder).unwrap();
    let inbox = Inbox::open(&folder, RULES).unwrap();
    let draft = inbox.begin(None).await.unwrap();
    let id = draft.id().to_owned();
    let given = Given { name: "a".to_owned(), size: 0, written: SystemTime::now() };
    let found = inbox.arrived(&id, &given).await;
    assert!(matches!(found, Err(InboxError::Busy)), "{found:?}");
    drop(draft);
    fs::rename(&folder, outer.path().join("away")).unwrap();
    let found = inbox.arrived(&id, &given).await;
    assert!(matches!(found, Err(InboxError::Folder(_))), "{found:?}");
}
