//! Files that go to one person, or come from others.

use std::{
    fs,
    path::{Path, PathBuf},
};

use desktop::{
    Choice, Connection, Direction, Draft, HandOver, NotificationKind, ProblemCode, Request, Stage,
    View,
};
use http::{HeaderMap, StatusCode, header};
use testkit::visitor::{Visitor, text};
use url::Url;

use crate::app::{App, Home};

/// Does not fit in the buffers between a peer and a visitor who does not read.
const LARGE: usize = 32 * 1024 * 1024;

fn content(size: usize) -> Vec<u8> {
    (0..size / 8).flat_map(|number| (number as u64).to_le_bytes()).collect()
}

fn file(home: &Home, name: &str, content: &[u8]) -> PathBuf {
    let path = home.folder("Files", &[]).join(name);
    fs::write(&path, content).expect("a file");
    path
}

/// Says what the owner chooses in the next dialogs.
fn will_choose(app: &App, paths: &[&Path]) {
    let paths = paths.iter().map(|path| path.to_path_buf()).collect();
    app.notes.send_modify(|notes| notes.choices = paths);
}

/// Waits for the newest hand-over to have a link that works, and returns both.
async fn linked(app: &App) -> (HandOver, String) {
    let works = |view: &View| {
        matches!(view.connection, Connection::Connected { .. })
            && view.hand_overs.first().is_some_and(|one| one.url.is_some())
    };
    let view = app.until_view("a link", works).await;
    let one = view.hand_overs.into_iter().next().expect("there is one");
    let url = one.url.clone().expect("there is one");
    (one, url)
}

/// Chooses files in the dialog and makes a link for them.
async fn send(app: &App, paths: &[&Path], ask_first: bool) -> (HandOver, String) {
    will_choose(app, paths);
    app.do_it(Request::ChooseFiles).await;
    let note = "For you".to_owned();
    app.do_it(Request::SendFiles { note, ask_first }).await;
    linked(app).await
}

async fn ask(app: &App, largest: u64, ask_first: bool) -> (HandOver, String) {
    app.do_it(Request::PrepareAsk).await;
    app.do_it(Request::AskForFiles { largest, note: String::new(), ask_first }).await;
    linked(app).await
}

fn path(url: &str) -> String {
    Url::parse(url).expect("a link").path().to_owned()
}

/// Presses the button of a landing page and returns where it leads.
async fn press(visitor: &Visitor, url: &str) -> String {
    let request = http::Request::post(format!("{}/take", path(url))).body(Default::default());
    let answer = visitor.ask(request.expect("a request")).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{}", text(&answer));
    let place = answer.headers().get(header::LOCATION).expect("a place").to_str().expect("text");
    Url::parse(url).expect("a link").join(place).expect("a place").path().to_owned()
}

async fn put(visitor: &Visitor, url: &str, name: &str, content: &'static [u8]) -> StatusCode {
    let request = http::Request::put(format!("{}/{name}", path(url))).body(content.into());
    visitor.ask(request.expect("a request")).await.expect("an answer").status()
}

#[tokio::test]
async fn a_file_is_chosen_sent_and_delivered() {
    let home = Home::with_own_port();
    let app = home.ready().await;
    let (film, film_content) = ("film \u{202E}&.mkv", content(1024 * 1024));
    let film = file(&home, film, &film_content);
    will_choose(&app, &[&film]);
    app.do_it(Request::ChooseFiles).await;
    let titled = (Choice::Files, "Choose files to send".to_owned());
    assert_eq!(app.notes.borrow().dialogs, [titled]);
    let draft = app.until_view("a draft", |view| view.draft.is_some()).await.draft;
    let Some(Draft::Send { files, more: 0, size }) = draft else { panic!("{draft:?}") };
    assert_eq!((files.len(), &*files[0].name), (1, "film \u{FFFD}&.mkv"));
    assert_eq!((files[0].size, size), (1024 * 1024, 1024 * 1024));

    let long = "x".repeat(1001);
    app.refused(Request::SendFiles { note: long, ask_first: false }, ProblemCode::BadName).await;
    let note = "For you\nonly".to_owned();
    app.do_it(Request::SendFiles { note, ask_first: false }).await;
    let (sent, url) = linked(&app).await;
    assert_eq!(
        (&*sent.note, sent.ask_first, &sent.stage),
        ("For you\nonly", false, &Stage::Waiting)
    );
    assert!(sent.qr.is_some());
    let shown = app.notes.borrow().view.clone().expect("a view");
    assert_eq!(shown.draft, None, "the sheet is closed");
    let id = || sent.id.clone();
    app.do_it(Request::CopyHandOverLink { hand_over: id() }).await;
    app.do_it(Request::OpenHandOverLink { hand_over: id() }).await;
    let notes = app.notes.borrow().clone();
    assert_eq!((notes.copied, notes.opened), (vec![url.clone()], vec![url.clone()]));

    let visitor = Visitor::stranger(&url).expect("a link");
    let landing = visitor.get(&path(&url)).await.expect("a page");
    assert!(text(&landing).contains("For you"), "{}", text(&landing));
    let place = press(&visitor, &url).await;
    let fetched = visitor.get(&place).await.expect("the file");
    assert!(fetched.body() == &film_content[..], "what arrived is not what was sent");
    let done = |view: &View| matches!(view.hand_overs[0].stage, Stage::Done { .. });
    let view = app.until_view("the end", done).await;
    assert_eq!(view.hand_overs[0].url, None);
    let told =
        app.until("a notification", |notes| notes.titles().contains(&"Your file was delivered"));
    let told = told.await.notifications.pop().expect("there is one");
    assert!(told.body.contains("&.mkv” (1.0 MB)") && !told.body.contains('\u{202E}'), "{told:?}");
    app.handle.click(told.click.expect("something to click on"));
    app.until_view("it in front", |view| view.open_hand_over.as_ref() == Some(&sent.id)).await;
    app.do_it(Request::SeeHandOver { hand_over: id() }).await;
    app.until_view("it seen", |view| view.open_hand_over.is_none()).await;

    app.refused(Request::CopyHandOverLink { hand_over: id() }, ProblemCode::NotReady).await;
    app.do_it(Request::RemoveFinished).await;
    app.until_view("nothing left", |view| view.hand_overs.is_empty()).await;
    app.refused(Request::EndHandOver { hand_over: id() }, ProblemCode::Unknown).await;
    app.refused(Request::EndHandOver { hand_over: "x".to_owned() }, ProblemCode::Unknown).await;
    assert!(film.exists());
    app.quit().await;
}

#[tokio::test]
async fn what_is_cut_says_where_and_goes_on_after_a_restart() {
    let home = Home::with_own_port();
    let app = home.ready().await;
    let film_content = content(LARGE);
    let (_, url) = send(&app, &[&file(&home, "film.mkv", &film_content)], false).await;
    let visitor = Visitor::stranger(&url).expect("a link");
    let place = press(&visitor, &url).await;
    let mut download = visitor.begin(&place, &HeaderMap::new()).await.expect("a download");
    let mut taken = download.take(LARGE / 4).await.expect("bytes");
    let passes =
        |view: &View| view.hand_overs[0].passing.first().is_some_and(|passing| passing.arrived > 0);
    let view = app.until_view("a file on its way", passes).await;
    let passing = &view.hand_overs[0].passing[0];
    assert_eq!((&*passing.file, passing.size), ("film.mkv", Some(LARGE as u64)));
    assert!(passing.who.contains("this computer"), "{passing:?}");
    drop(download);
    let is_cut = |view: &View| matches!(view.hand_overs[0].stage, Stage::Cut { .. });
    let view = app.until_view("a cut", is_cut).await;
    let Stage::Cut { arrived, size, .. } = view.hand_overs[0].stage else { panic!("it was cut") };
    assert_eq!(size, Some(LARGE as u64));
    assert!(arrived < LARGE as u64, "{arrived}");

    app.quit().await;
    let app = home.ready().await;
    let (again, same) = linked(&app).await;
    assert_eq!(same, url, "the link stays");
    assert!(matches!(again.stage, Stage::Cut { .. }), "{again:?}");
    let mut headers = HeaderMap::new();
    let range = format!("bytes={}-", taken.len());
    headers.insert(header::RANGE, range.parse().expect("a range"));
    let mut rest = visitor.begin(&place, &headers).await.expect("a download");
    assert_eq!(rest.status(), "206");
    taken.extend(rest.take_all().await.expect("bytes"));
    assert!(taken == film_content, "what arrived is not what was sent");
    let done = |view: &View| matches!(view.hand_overs[0].stage, Stage::Done { .. });
    app.until_view("the end", done).await;
    app.quit().await;
}

#[tokio::test]
async fn who_asks_is_told_with_buttons_and_gets_what_the_owner_allows() {
    let home = Home::with_own_port();
    let app = home.ready().await;
    let (sent, url) = send(&app, &[&file(&home, "film.mkv", b"film")], true).await;
    assert!(sent.ask_first);
    let visitor = Visitor::stranger(&url).expect("a link");
    let wait = press(&visitor, &url).await;
    let view = app.until_view("a question", |view| !view.hand_overs[0].knocks.is_empty()).await;
    let knock = view.hand_overs[0].knocks[0].clone();
    assert!(knock.who.contains("this computer"), "{knock:?}");
    let title = "May they have “film.mkv”?";
    let told = app.until("a notification", |notes| notes.titles().contains(&title)).await;
    let told = told.notifications.iter().find(|told| told.title == title).expect("it is there");
    assert_eq!(told.buttons.len(), 2);
    let asking = app.until("a line in the menu", |notes| {
        notes.tray.as_ref().is_some_and(|tray| format!("{tray:?}").contains("Somebody asks you…"))
    });
    asking.await;
    // The button of the notification.
    app.handle.click(told.buttons[0].click.clone());
    app.until_view("no question", |view| view.hand_overs[0].knocks.is_empty()).await;
    let allow = &told.buttons[0].click;
    app.until("it withdrawn", |notes| notes.withdrawn.contains(allow)).await;
    let page = visitor.get(&wait).await.expect("a page");
    assert_eq!(page.status(), StatusCode::OK, "{}", text(&page));
    let content = wait.strip_suffix("wait").expect("the page of a wait").to_owned() + "film.mkv";
    assert_eq!(visitor.get(&content).await.expect("the file").body().as_ref(), b"film");
    let again = Request::AnswerKnock { knock: knock.id, allow: true };
    let sentence = app.refused(again, ProblemCode::Unknown).await;
    assert!(sentence.contains("Nobody waits"), "{sentence}");
    let no_number = Request::AnswerKnock { knock: "x".to_owned(), allow: true };
    app.refused(no_number, ProblemCode::Unknown).await;
    app.quit().await;
}

#[tokio::test]
async fn who_is_refused_gets_nothing() {
    let home = Home::with_own_port();
    let app = home.ready().await;
    app.do_it(Request::SetNotification { kind: NotificationKind::Knock, on: false }).await;
    let (_, url) = send(&app, &[&file(&home, "film.mkv", b"film")], true).await;
    let visitor = Visitor::stranger(&url).expect("a link");
    let wait = press(&visitor, &url).await;
    let view = app.until_view("a question", |view| !view.hand_overs[0].knocks.is_empty()).await;
    let knock = view.hand_overs[0].knocks[0].id.clone();
    app.do_it(Request::AnswerKnock { knock, allow: false }).await;
    app.until_view("no question", |view| view.hand_overs[0].knocks.is_empty()).await;
    let content = wait.strip_suffix("wait").expect("the page of a wait").to_owned() + "film.mkv";
    assert_eq!(visitor.get(&content).await.expect("a page").status(), StatusCode::FORBIDDEN);
    let notes = app.quit().await;
    assert!(!notes.titles().iter().any(|title| title.starts_with("May they")));
}

#[tokio::test]
async fn files_of_others_come_into_the_folder_and_are_shown_there() {
    let home = Home::with_own_port();
    let app = home.ready().await;
    app.do_it(Request::PrepareAsk).await;
    let draft = app.until_view("a draft", |view| view.draft.is_some()).await.draft;
    let folder = home.downloads().display().to_string();
    assert_eq!(draft, Some(Draft::Ask { folder }));
    let elsewhere = home.folder("From others", &[]);
    will_choose(&app, &[&elsewhere]);
    app.do_it(Request::ChooseInbox).await;
    let titled = (Choice::Inbox, "Choose a folder for the files of others".to_owned());
    assert_eq!(app.notes.borrow().dialogs, [titled]);
    let nothing = Request::AskForFiles { largest: 0, note: String::new(), ask_first: false };
    app.refused(nothing, ProblemCode::FilesUnusable).await;
    let asked = Request::AskForFiles { largest: 10, note: String::new(), ask_first: false };
    app.do_it(asked).await;
    let (asked, url) = linked(&app).await;
    let Direction::Ask { folder, largest, .. } = &asked.direction else { panic!("{asked:?}") };
    assert_eq!((folder.as_str(), *largest), (elsewhere.to_str().expect("text"), 10));

    let visitor = Visitor::stranger(&url).expect("a link");
    assert_eq!(put(&visitor, &url, "a.txt", b"0123456789").await, StatusCode::CREATED);
    let too_large = put(&visitor, &url, "b.txt", b"0123456789a").await;
    assert_eq!(too_large, StatusCode::PAYLOAD_TOO_LARGE);
    let view = app.until_view("a file", |view| !view.hand_overs[0].received.is_empty()).await;
    let file = view.hand_overs[0].received[0].clone();
    assert_eq!((&*file.file, file.size), ("a.txt", 10));
    assert_eq!(fs::read(elsewhere.join("a.txt")).expect("the file"), b"0123456789");
    let told =
        app.until("a notification", |notes| notes.titles().contains(&"A file has arrived")).await;
    let told = told.notifications.last().expect("there is one");
    assert_eq!(told.body, "“a.txt” (10 bytes) from this computer is in “From others”.");

    let show = |file: Option<&str>| Request::ShowReceived {
        hand_over: asked.id.clone(),
        file: file.map(str::to_owned),
    };
    app.do_it(show(Some("a.txt"))).await;
    app.do_it(show(None)).await;
    app.refused(show(Some("../../secret")), ProblemCode::Unknown).await;
    // The window knows a name as it is shown there: shortened, and with signs for what hides.
    let long = format!("a\u{ad}{}.txt", "b".repeat(180));
    let sent = format!("a%C2%AD{}.txt", "b".repeat(180));
    assert_eq!(put(&visitor, &url, &sent, b"long").await, StatusCode::CREATED);
    let view = app.until_view("both", |view| view.hand_overs[0].received.len() == 2).await;
    let shown = view.hand_overs[0].received[0].file.clone();
    assert!(shown.starts_with("a\u{FFFD}b") && shown.ends_with('…'), "{shown}");
    app.do_it(show(Some(&shown))).await;
    let revealed = app.notes.borrow().revealed.clone();
    assert_eq!(revealed, [elsewhere.join("a.txt"), elsewhere.clone(), elsewhere.join(&long)]);

    app.notes.send_modify(|notes| notes.has_no_file_manager = true);
    let why = app.refused(show(None), ProblemCode::Internal).await;
    assert!(why.contains("no file manager") && why.contains("From others"), "{why}");
    fs::remove_file(elsewhere.join(&long)).expect("it is there");
    let why = app.refused(show(Some(&shown)), ProblemCode::Internal).await;
    assert!(why.contains("not there any more"), "{why}");

    app.do_it(Request::EndHandOver { hand_over: asked.id.clone() }).await;
    app.until_view("nothing left", |view| view.hand_overs.is_empty()).await;
    assert!(elsewhere.join("a.txt").exists(), "what arrived stays");
    app.quit().await;
}

#[tokio::test]
async fn who_wants_to_send_asks_first_where_the_owner_wants_it() {
    let home = Home::with_own_port();
    let app = home.ready().await;
    let (_, url) = ask(&app, 1000, true).await;
    let visitor = Visitor::stranger(&url).expect("a link");
    assert_ne!(put(&visitor, &url, "a.txt", b"a").await, StatusCode::CREATED);
    let wait = press(&visitor, &url).await;
    let view = app.until_view("a question", |view| !view.hand_overs[0].knocks.is_empty()).await;
    let title = "May they send you files?";
    app.until("a notification", |notes| notes.titles().contains(&title)).await;
    let knock = view.hand_overs[0].knocks[0].id.clone();
    app.do_it(Request::AnswerKnock { knock, allow: true }).await;
    let allowed = wait.strip_suffix("/wait").expect("the page of a wait");
    let allowed = Url::parse(&url).expect("a link").join(allowed).expect("a place");
    assert_eq!(put(&visitor, allowed.as_str(), "a.txt", b"a").await, StatusCode::CREATED);
    app.until_view("a file", |view| !view.hand_overs[0].received.is_empty()).await;
    app.quit().await;
}

#[tokio::test]
async fn files_that_are_dropped_open_the_sheet_and_folders_are_published() {
    let home = Home::with_own_port();
    let (one, two) = (file(&home, "a.txt", b"a"), file(&home, "b.txt", b"bb"));
    // Given at the start, before the app is ready.
    let app = home.start_with(false, vec![one.clone()]);
    let count = |view: &View| match &view.draft {
        Some(Draft::Send { files, .. }) => files.len(),
        Some(Draft::Ask { .. }) | None => 0,
    };
    app.until_view("a sheet", |view| count(view) == 1).await;
    app.handle.give(vec![two.clone(), one.clone()]);
    app.until_view("both", |view| count(view) == 2).await;

    let folder = home.folder("Photos", &[("a.txt", "a")]);
    app.handle.give(vec![two.clone(), folder.clone()]);
    let view = app.until_view("a sentence", |view| view.problem.is_some()).await;
    let problem = view.problem.clone().expect("there is one");
    assert_eq!(problem.code, ProblemCode::FilesUnusable);
    assert!(problem.sentence.contains("either folders or files"), "{problem:?}");
    assert_eq!((view.sites.len(), count(&view)), (0, 2), "nothing was done");
    app.do_it(Request::DismissProblem).await;

    app.do_it(Request::CancelDraft).await;
    app.until_view("no sheet", |view| view.draft.is_none()).await;
    let send = Request::SendFiles { note: String::new(), ask_first: false };
    app.refused(send, ProblemCode::Unknown).await;
    app.handle.give(vec![folder.clone()]);
    app.linked(folder.to_str().expect("text")).await;
    app.quit().await;
}

#[tokio::test]
async fn a_file_that_is_gone_is_a_sentence_and_the_sheet_stays() {
    let home = Home::with_own_port();
    let app = home.ready().await;
    let film = file(&home, "film.mkv", b"film");
    will_choose(&app, &[]);
    app.do_it(Request::ChooseFiles).await;
    will_choose(&app, &[&film]);
    app.do_it(Request::ChooseFiles).await;
    fs::remove_file(&film).expect("it was there");
    let send = Request::SendFiles { note: String::new(), ask_first: false };
    let sentence = app.refused(send, ProblemCode::FilesUnusable).await;
    assert!(sentence.contains("film.mkv is not there."), "{sentence}");
    let view = app.notes.borrow().view.clone().expect("a view");
    assert!(view.draft.is_some() && view.hand_overs.is_empty());
    let home_folder = home.folder("Photos", &[("a.txt", "a")]);
    will_choose(&app, &[&home_folder]);
    app.do_it(Request::ChooseFolder).await;
    app.linked(home_folder.to_str().expect("text")).await;
    app.quit().await;
}
