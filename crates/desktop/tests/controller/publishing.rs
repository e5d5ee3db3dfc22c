//! A folder, its link, and who fetches.

use std::time::Duration;

use desktop::{
    Connection, Gateway, NotificationKind, Phase, ProblemCode, RecordEnd, Request, tray,
};

use crate::{
    app::Home,
    visitor::{self, visit},
};

#[tokio::test]
async fn a_folder_becomes_a_link_that_works() {
    let home = Home::new();
    let app = home.ready().await;
    let folder = home.folder("Photos", &[("a.txt", "hello")]);
    let site = app.publish(&folder).await;
    let url = site.url.unwrap();
    assert!(url.starts_with("http://photos"), "{url}");
    assert!(site.qr.is_some());
    assert_eq!(site.name, "Photos");

    app.do_it(Request::CopyLink { site: site.id.clone() }).await;
    app.do_it(Request::OpenLink { site: site.id.clone() }).await;
    let notes = app.notes.borrow().clone();
    assert_eq!((&notes.copied[..], &notes.opened[..]), (&[url.clone()][..], &[url.clone()][..]));

    let answer = visit(&url, "/a.txt").await;
    assert_eq!((answer.status, &answer.body[..]), (200, &b"hello"[..]));

    let view = app
        .until_view("the history", |view| view.history.iter().any(|record| record.file == "a.txt"))
        .await;
    let record = view.history.iter().find(|record| record.file == "a.txt").unwrap();
    assert_eq!((record.delivered, record.size, record.end), (5, 5, RecordEnd::Complete));
    assert!(record.who.starts_with("this computer"), "{}", record.who);

    let told = ["The first visitor is here", "A file was delivered"];
    let notes = app
        .until("both notifications", |notes| {
            told.iter().all(|title| notes.titles().contains(title))
        })
        .await;
    assert_eq!(notes.raised, 1, "nothing but the start raises the window");
    app.quit().await;
}

#[tokio::test]
async fn nothing_is_lost_over_a_restart() {
    let home = Home::with_own_port();
    let app = home.ready().await;
    let site = app.publish(&home.folder("Photos", &[("a.txt", "hello")])).await;
    app.do_it(Request::RenameIdentity { name: "Ada".to_owned() }).await;
    let before = app.until_view("a name", |view| {
        view.identity.as_ref().is_some_and(|identity| identity.name == "Ada")
    });
    let before = before.await;
    app.quit().await;

    let app = home.ready().await;
    let again = app.linked(&site.path).await;
    assert_eq!((&again.id, &again.url), (&site.id, &site.url));
    let after = app.notes.borrow().view.clone().unwrap();
    assert_eq!((after.identity, after.gateway), (before.identity, before.gateway));
    assert_eq!(visit(&again.url.unwrap(), "/a.txt").await.status, 200);
    app.quit().await;
}

#[tokio::test]
async fn nothing_is_lost_in_a_crash() {
    let home = Home::with_own_port();
    let app = home.ready().await;
    let site = app.publish(&home.folder("Photos", &[])).await;
    app.do_it(Request::SetNotification { kind: NotificationKind::Connection, on: false }).await;
    app.crash().await;

    let app = home.ready().await;
    assert_eq!(app.linked(&site.path).await.url, site.url);
    let view = app.until_view("settings", |view| view.phase == Phase::Ready).await;
    assert!(!view.settings.notify_connection);
    assert!(view.settings.notify_first_visitor);
    assert_eq!(view.problem, None);
    app.quit().await;
}

#[tokio::test]
async fn what_cannot_be_published_is_a_sentence() {
    let home = Home::new();
    let app = home.ready().await;
    let folder = home.folder("Photos", &[]);
    let site = app.publish(&folder).await;
    let add = |path: &str| Request::AddFolder { path: path.to_owned() };
    app.refused(add(&site.path), ProblemCode::AlreadyPublished).await;
    let missing = folder.join("missing");
    app.refused(add(missing.to_str().unwrap()), ProblemCode::FolderUnusable).await;
    app.refused(add("Photos"), ProblemCode::FolderUnusable).await;
    app.refused(add(""), ProblemCode::FolderUnusable).await;
    assert_eq!(app.notes.borrow().view.as_ref().unwrap().sites.len(), 1);
    app.quit().await;
}

#[tokio::test]
async fn a_site_is_switched_renamed_and_removed() {
    let home = Home::new();
    let app = home.ready().await;
    let site = app.publish(&home.folder("Photos", &[("a.txt", "hello")])).await;
    let url = site.url.clone().unwrap();
    let id = || site.id.clone();

    app.do_it(Request::RenameSite { site: id(), name: " Summer ".to_owned() }).await;
    app.do_it(Request::SetHiddenFiles { site: id(), shown: true }).await;
    app.do_it(Request::SetSiteOn { site: id(), on: false }).await;
    let view =
        app.until_view("the switch", |view| view.sites.first().is_some_and(|site| !site.on)).await;
    assert_eq!((&*view.sites[0].name, view.sites[0].hidden_files), ("Summer", true));
    app.until("the icon", |notes| {
        notes.tray.as_ref().is_some_and(|tray| tray.icon == tray::Icon::Idle)
    })
    .await;

    app.do_it(Request::SetSiteOn { site: id(), on: true }).await;
    app.linked(&site.path).await;
    assert_eq!(visit(&url, "/a.txt").await.status, 200);

    app.do_it(Request::PauseAll { paused: true }).await;
    app.until_view("the pause", |view| view.paused && view.sites[0].on).await;
    app.do_it(Request::PauseAll { paused: false }).await;
    app.until_view("the end of the pause", |view| !view.paused).await;

    app.do_it(Request::RemoveSite { site: id() }).await;
    app.until_view("no site", |view| view.sites.is_empty()).await;
    app.refused(Request::CopyLink { site: id() }, ProblemCode::Unknown).await;
    app.refused(Request::SetSiteOn { site: id(), on: true }, ProblemCode::Unknown).await;
    app.refused(Request::StopTransfer { transfer: "x".to_owned() }, ProblemCode::Unknown).await;
    let name = String::new();
    app.refused(Request::RenameSite { site: id(), name }, ProblemCode::BadName).await;
    app.quit().await;
}

#[tokio::test]
async fn folders_of_the_command_line_wait_until_the_app_is_ready() {
    let home = Home::new();
    let folder = home.folder("Photos", &[]);
    let app = home.start_with(true, vec![folder.clone()]);
    app.linked(folder.to_str().unwrap()).await;
    assert_eq!(app.notes.borrow().raised, 0, "a hidden start stays hidden");
    let music = home.folder("Music", &[]);
    app.handle.drag_over(true);
    app.until_view("the highlight", |view| view.drop_target).await;
    app.handle.give(vec![music.clone()]);
    app.linked(music.to_str().unwrap()).await;
    app.until_view("no highlight", |view| !view.drop_target).await;
    app.quit().await;
}

#[tokio::test]
async fn a_flood_of_small_files_shouts_neither_in_the_tray_nor_in_notifications() {
    const FILES: usize = 60;
    let home = Home::new();
    let app = home.ready().await;
    let names: Vec<String> = (0..FILES).map(|n| format!("{n}.txt")).collect();
    let files: Vec<(&str, &str)> = names.iter().map(|name| (&**name, "x")).collect();
    let site = app.publish(&home.folder("Photos", &files)).await;
    let url = site.url.unwrap();
    let drawn_before = app.notes.borrow().trays_drawn;
    let began = std::time::Instant::now();
    for name in &names {
        assert_eq!(visit(&url, &format!("/{name}")).await.status, 200);
    }
    app.until_view("the history", |view| view.history.len() >= FILES).await;
    let seconds = began.elapsed().as_secs_f64();
    let notes = app.notes.borrow().clone();
    let told = notes.titles().iter().filter(|title| title.contains("delivered")).count();
    let most = 1.0 + seconds / desktop::notices::NOTIFY_INTERVAL.as_secs_f64();
    assert!(told as f64 <= most + 1.0, "{told} notifications in {seconds} s");
    let drawn = notes.trays_drawn - drawn_before;
    assert!(drawn as f64 <= 3.0 + 2.0 * seconds, "{drawn} trays in {seconds} s");
    app.quit().await;
}

#[tokio::test]
async fn quitting_waits_for_nobody_who_reads_slowly() {
    use tokio::{io::AsyncWriteExt as _, net::TcpStream};
    let home = Home::new();
    let app = home.ready().await;
    let folder = home.folder("Videos", &[]);
    let big = std::fs::File::create(folder.join("big.bin")).unwrap();
    big.set_len(200 << 20).unwrap();
    let site = app.publish(&folder).await;
    let url = site.url.unwrap();
    let origin = url.split("/s/").next().unwrap();
    let answer = visitor::get(origin, &url[origin.len()..], None).await;
    assert_eq!(answer.status, 303);
    let cookie = answer.cookie();
    let authority = origin.strip_prefix("http://").unwrap();
    let port: u16 = authority.rsplit(':').next().unwrap().parse().unwrap();
    let mut slow = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!("GET /big.bin HTTP/1.1\r\nhost: {authority}\r\ncookie: {cookie}\r\n\r\n");
    slow.write_all(request.as_bytes()).await.unwrap();
    let view = app.until_view("the transfer", |view| !view.transfers.is_empty()).await;
    assert_eq!(view.transfers[0].size, 200 << 20);
    app.until("the icon", |notes| {
        notes.tray.as_ref().is_some_and(|tray| tray.icon == tray::Icon::Active)
    })
    .await;
    let began = std::time::Instant::now();
    app.quit().await;
    // Eight seconds at most, and some for a busy machine; a gateway that waits for readers takes thirty.
    assert!(began.elapsed() < Duration::from_secs(25), "{:?}", began.elapsed());

    let app = home.ready().await;
    let view = app.until_view("the record", |view| !view.history.is_empty()).await;
    assert!(matches!(view.history[0].end, RecordEnd::Cut { .. }), "{:?}", view.history[0]);
    app.quit().await;
}

#[tokio::test]
async fn the_first_picture_says_which_gateway() {
    let home = Home::with_own_port();
    let app = home.ready().await;
    let view = app
        .until_view("a connection", |view| matches!(view.connection, Connection::Connected { .. }))
        .await;
    let Gateway::Embedded { address: Some(address) } = view.gateway else {
        panic!("{:?}", view.gateway)
    };
    assert!(address.starts_with("http://localhost:"), "{address}");
    app.quit().await;
}
