//! What a visitor hears whose file was all there when the program was killed.

use super::*;

const CONTENT: &[u8] = b"0123456789";

fn rest(place: &str, from: usize) -> Request<Body> {
    let offset = from.to_string();
    let stream = ("content-type", "application/offset+octet-stream");
    let headers = [("tus-resumable", "1.0.0"), stream, ("upload-offset", &offset)];
    request(Method::PATCH, place, &headers, CONTENT[from..].to_vec())
}

impl World {
    fn inbox(folder: &TempDir) -> Presence {
        let rules = Rules { largest: 1000, keep_free: 0 };
        Presence::Inbox(Inbox::open(folder.path(), rules).unwrap())
    }

    /// Takes a whole file; returns it as it is after a kill between the name and the note that it arrived,
    /// and where its upload is.
    async fn killed_when_it_has_its_name() -> (Self, String) {
        let world = Self::asking(false, 3);
        let place = world.begun().await;
        let desk = Arc::clone(&world.front.desk);
        // From here on nothing is kept unless it is said.
        for _ in 0..20 {
            desk.change(|book| book.coming(ID));
        }
        let mut changes = desk.changes();
        let mut sending = Box::pin(world.unkept_response(SHE, rest(&place, 0)));
        let until_noted = async {
            while desk.book().entry(ID).unwrap().uploads.given().is_empty() {
                changes.changed().await.unwrap();
            }
        };
        tokio::select! {
            ended = &mut sending => panic!("it was not noted: {ended:?}"),
            () = until_noted => {}
        }
        let [draft] = &world.files()[..] else { panic!("{:?}", world.files()) };
        assert!(draft.ends_with(".part"), "it has its name before that is kept: {draft}");
        let (kept, version) = desk.book().take_changed(&[], Now::read());
        desk.note_kept(version);
        assert_eq!(sending.await.status(), StatusCode::NO_CONTENT);
        assert_eq!(world.files(), ["file"]);
        let World { folder, front: _ } = world;
        let inbox = Self::inbox(&folder);
        let [kept] = &kept[..] else { panic!("{kept:?}") };
        (Self::with(folder, kept.clone(), inbox), place)
    }

    async fn head(&self, place: &str) -> (StatusCode, Option<String>) {
        let seen = self.send(Method::HEAD, place, &tus(&[])).await;
        let offset = seen.headers.get("upload-offset");
        (seen.status, offset.map(|at| at.to_str().unwrap().to_owned()))
    }

    /// How many files may still come, and how many came.
    fn count(&self) -> (u32, usize) {
        let book = self.front.desk.book();
        let now = book.state(ID, &[], None, Now::read()).unwrap();
        let crate::model::Direction::Ask { files_left, .. } = now.direction else { panic!() };
        (files_left, now.received.len())
    }
}

fn all() -> (StatusCode, Option<String>) {
    (StatusCode::OK, Some("10".to_owned()))
}

#[tokio::test]
async fn a_file_that_got_its_name_is_not_sent_again() {
    let (world, place) = World::killed_when_it_has_its_name().await;
    assert!(matches!(world.stage(), Stage::Cut { .. }), "{:?}", world.stage());
    assert_eq!(world.head(&place).await, all());
    assert_eq!((world.count(), world.stage()), ((2, 1), Stage::Waiting));
    // It counts once, however often she asks.
    assert_eq!(world.head(&place).await, all());
    assert_eq!(world.count(), (2, 1));
    assert_eq!(world.files(), ["file"]);
}

#[tokio::test]
async fn who_goes_on_with_a_file_that_got_its_name_hears_that_all_is_there() {
    let (world, place) = World::killed_when_it_has_its_name().await;
    for _ in 0..2 {
        let seen = world.ask(SHE, rest(&place, 5)).await;
        assert_eq!(seen.status, StatusCode::CONFLICT);
        assert_eq!(seen.headers["upload-offset"], "10");
    }
    assert_eq!((world.count(), world.files()), ((2, 1), vec!["file".to_owned()]));
}

#[tokio::test]
async fn a_file_that_the_owner_took_away_meanwhile_is_sent_again() {
    let (world, place) = World::killed_when_it_has_its_name().await;
    std::fs::remove_file(world.folder.path().join("file")).unwrap();
    // Another one of that name is not hers.
    std::fs::write(world.folder.path().join("file"), "theirs").unwrap();
    assert_eq!(world.head(&place).await, (StatusCode::NOT_FOUND, None));
    assert_eq!(world.ask(SHE, rest(&place, 5)).await.status, StatusCode::NOT_FOUND);
    assert_eq!(world.count(), (3, 0));
    let again = world.begun().await;
    assert_eq!(world.ask(SHE, rest(&again, 0)).await.status, StatusCode::NO_CONTENT);
    assert_eq!(world.files(), ["file", "file (2)"]);
    assert_eq!(world.count(), (2, 1));
}

#[tokio::test]
async fn while_the_drive_is_away_nobody_says_that_a_file_is_gone() {
    let (world, place) = World::killed_when_it_has_its_name().await;
    let aside = world.folder.path().with_extension("aside");
    std::fs::rename(world.folder.path(), &aside).unwrap();
    assert_eq!(world.head(&place).await, (StatusCode::SERVICE_UNAVAILABLE, None));
    let seen = world.ask(SHE, rest(&place, 5)).await;
    assert_eq!(seen.status, StatusCode::SERVICE_UNAVAILABLE);
    std::fs::rename(&aside, world.folder.path()).unwrap();
    assert_eq!(world.head(&place).await, all());
    assert_eq!(world.count(), (2, 1));
}

#[tokio::test]
async fn a_file_of_which_all_came_gets_its_name_when_she_asks() {
    let world = World::asking(false, 3);
    let place = world.begun().await;
    let id = begun_id(&place);
    // Killed before it got its name, which a slow drive makes a long time.
    let draft = world.folder.path().join(format!(".veranda-{id}.part"));
    std::fs::write(draft, CONTENT).unwrap();
    assert_eq!(world.head(&place).await, all());
    assert_eq!((world.count(), world.files()), ((2, 1), vec!["file".to_owned()]));
    assert_eq!(std::fs::read(world.folder.path().join("file")).unwrap(), CONTENT);
    assert_eq!(world.head(&place).await, all());
    assert_eq!(world.count(), (2, 1));
}
