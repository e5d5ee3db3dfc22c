//! Files that visitors send.

use std::path::Path;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use carriers::{Carrier, Link};
use crosstalk::transaction::{self, Body, BodyError};
use futures_util::stream;
use http::{Method, Request, StatusCode, header, request::Builder};
use http_body::Frame;
use http_body_util::StreamBody;
use peer::{Direction, Ended, Event, HandOver, Peer, Stage, Terms};
use tokio::sync::mpsc;

use crate::{
    Home,
    desk::{ANOTHER, SHE, at_desk, content, link_of, state},
    event,
    gateway::{Gateway, Seen},
};

/// Asks for files; returns the link.
async fn asked(home: &Home, peer: &Peer, largest: u64, files: u32, nod: bool) -> String {
    let terms = Terms { note: String::new(), nod };
    peer.ask_for_files(&home.photos(), largest, files, terms).await.unwrap();
    link_of(peer).await
}

fn tus(method: Method, url: &str) -> Builder {
    Request::builder().method(method).uri(url).header("tus-resumable", "1.0.0")
}

/// Begins an upload; returns where it goes on.
async fn begin(gateway: &Gateway, link: &Link, at: &str, name: &str, size: usize) -> String {
    let request = tus(Method::POST, &format!("{at}/files"))
        .header("upload-length", size)
        .header("upload-metadata", format!("filename {}", BASE64_STANDARD.encode(name)))
        .body(transaction::empty())
        .unwrap();
    let begun = gateway.ask(link, SHE, 1, request).await;
    assert_eq!(begun.status, StatusCode::CREATED);
    assert_eq!(begun.headers["tus-resumable"], "1.0.0");
    at_desk(at, begun.headers[header::LOCATION].to_str().unwrap())
}

fn patch(url: &str, offset: usize, body: Body) -> Request<Body> {
    tus(Method::PATCH, url)
        .header("upload-offset", offset)
        .header(header::CONTENT_TYPE, "application/offset+octet-stream")
        .body(body)
        .unwrap()
}

async fn offset(gateway: &Gateway, link: &Link, url: &str) -> Result<usize, StatusCode> {
    let request = tus(Method::HEAD, url).body(transaction::empty()).unwrap();
    let seen = gateway.ask(link, SHE, 2, request).await;
    match seen.headers.get("upload-offset") {
        Some(offset) => Ok(offset.to_str().unwrap().parse().unwrap()),
        None => Err(seen.status),
    }
}

/// A body that the test feeds; it breaks off when that ends without a word.
fn fed() -> (mpsc::Sender<Vec<u8>>, Body) {
    let (feed, mut food) = mpsc::channel::<Vec<u8>>(4);
    let frames = stream::poll_fn(move |cx| {
        food.poll_recv(cx).map(|piece| {
            Some(match piece {
                Some(piece) => Ok(Frame::data(piece.into())),
                None => Err::<_, BodyError>("the visitor left".into()),
            })
        })
    });
    (feed, transaction::boxed(StreamBody::new(frames)))
}

fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

async fn put(gateway: &Gateway, link: &Link, from: &str, url: &str, body: Vec<u8>) -> Seen {
    let request = Request::put(url).body(transaction::full(body)).unwrap();
    gateway.ask(link, from, 3, request).await
}

/// Uploads a file, cuts it in the middle, starts the peer again, and goes on where it was.
async fn goes_on_after_a_cut_and_a_restart(carrier: Carrier) {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    let start =
        || Peer::start(peer::Config { carrier: Some(carrier), ..home.config(&gateway.address) });
    let peer = start().await.unwrap();
    let at = asked(&home, &peer, 10_000_000, 1, false).await;
    let link = gateway.link().await;
    let whole = content(3_000_000);
    let url = begin(&gateway, &link, &at, "a.txt", whole.len()).await;
    assert_eq!(offset(&gateway, &link, &url).await, Ok(0));
    let (feed, body) = fed();
    let sending = gateway.try_to_ask(&link, SHE, patch(&url, 0, body));
    let feeding = async {
        feed.send(whole[..1_000_000].to_vec()).await.unwrap();
        let is_here = |one: &HandOver| {
            one.passing.first().is_some_and(|passing| passing.arrived == 1_000_000)
        };
        let passing = state(&peer, "passing", is_here).await.passing;
        assert_eq!((&*passing[0].file, passing[0].size), ("a.txt", Some(3_000_000)));
        assert_eq!(passing[0].visitor, Some(SHE.parse().unwrap()));
        drop(feed);
        state(&peer, "cut", |one| matches!(one.stage, Stage::Cut { .. })).await
    };
    // Whatever she is answered, she has left.
    let (_, cut) = tokio::join!(sending, feeding);
    assert!(matches!(cut.stage, Stage::Cut { arrived: 1_000_000, size: Some(3_000_000), .. }));
    peer.shutdown().await;
    gateway.no_link().await;
    let peer = start().await.unwrap();
    let kept = state(&peer, "there", |one| one.url.is_some()).await;
    assert_eq!(kept.url.as_deref(), Some(&*at));
    assert!(matches!(kept.stage, Stage::Cut { arrived: 1_000_000, .. }), "{kept:?}");
    let link = gateway.link().await;
    assert_eq!(offset(&gateway, &link, &url).await, Ok(1_000_000), "{carrier}");
    let wrong = patch(&url, 999_999, transaction::full(whole[999_999..].to_vec()));
    assert_eq!(gateway.ask(&link, SHE, 5, wrong).await.status, StatusCode::CONFLICT);
    // A part, and then the rest.
    for (from, to) in [(1_000_000, 2_000_000), (2_000_000, 3_000_000)] {
        let part = patch(&url, from, transaction::full(whole[from..to].to_vec()));
        let done = gateway.ask(&link, SHE, 6, part).await;
        assert_eq!(done.status, StatusCode::NO_CONTENT);
        assert_eq!(done.headers["upload-offset"], to.to_string().as_str());
    }
    // There is one of this name already.
    let done = state(&peer, "done", |one| matches!(one.stage, Stage::Done { .. })).await;
    let name = &done.received[0].file;
    assert_ne!(name, "a.txt");
    assert_eq!(std::fs::read(home.photos().join(name)).unwrap(), whole, "{carrier}");
    assert_eq!(std::fs::read(home.photos().join("a.txt")).unwrap(), b"hello");
    assert_eq!(names_in(&home.photos()).len(), 2, "no draft is left");
    peer.shutdown().await;
}

#[tokio::test]
async fn an_upload_goes_on_after_a_cut_and_a_restart_by_petrichor() {
    goes_on_after_a_cut_and_a_restart(Carrier::Petrichor).await;
}

#[tokio::test]
async fn an_upload_goes_on_after_a_cut_and_a_restart_by_reversed_http2() {
    goes_on_after_a_cut_and_a_restart(Carrier::PtthHttp2).await;
}

#[tokio::test]
async fn people_with_curl_send_a_file_at_once() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    let peer = home.peer(&gateway).await;
    let at = asked(&home, &peer, 1000, 2, false).await;
    let link = gateway.link().await;
    let mut events = peer.events();
    let too_large = put(&gateway, &link, SHE, &format!("{at}/b.txt"), content(1001)).await;
    assert_eq!(too_large.status, StatusCode::PAYLOAD_TOO_LARGE);
    let done = put(&gateway, &link, SHE, &format!("{at}/%C3%BC%20b.txt"), content(1000)).await;
    assert_eq!(done.status, StatusCode::CREATED);
    assert_eq!(done.text().await, "ü b.txt has arrived.\n");
    let told = event(&mut events, "a file", |event| match event {
        Event::Received { file, .. } => Some(file),
        _ => None,
    });
    let told = told.await;
    assert_eq!((&*told.file, told.size), ("ü b.txt", 1000));
    let now = state(&peer, "one left", |one| one.received.len() == 1).await;
    assert!(matches!(now.direction, Direction::Ask { files_left: 1, .. }), "{now:?}");
    // Names of addresses are names of files, too.
    let last = put(&gateway, &link, SHE, &format!("{at}/take"), content(0)).await;
    assert_eq!(last.status, StatusCode::CREATED);
    state(&peer, "done", |one| matches!(one.stage, Stage::Done { .. })).await;
    let more = put(&gateway, &link, SHE, &format!("{at}/c.txt"), content(1)).await;
    assert_eq!(more.status, StatusCode::GONE);
    assert_eq!(names_in(&home.photos()), ["a.txt", "take", "ü b.txt"]);
    peer.shutdown().await;
}

#[tokio::test]
async fn no_more_than_four_come_at_once_and_ending_it_throws_drafts_away() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    let peer = home.peer(&gateway).await;
    let at = asked(&home, &peer, 1_000_000, 9, false).await;
    let link = gateway.link().await;
    let mut feeds = Vec::new();
    let mut sending = tokio::task::JoinSet::new();
    let gateway = std::sync::Arc::new(gateway);
    for number in 0..4 {
        let url = begin(&gateway, &link, &at, &format!("{number}.bin"), 1000).await;
        let (feed, body) = fed();
        feed.send(content(10)).await.unwrap();
        feeds.push(feed);
        let (gateway, link) = (std::sync::Arc::clone(&gateway), link.clone());
        sending.spawn(async move {
            gateway.ask(&link, SHE, 10 + number, patch(&url, 0, body)).await.status
        });
    }
    state(&peer, "four", |one| one.passing.len() == 4).await;
    let fifth = put(&gateway, &link, SHE, &format!("{at}/5.bin"), content(5)).await;
    assert_eq!(fifth.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(names_in(&home.photos()).len(), 5, "four drafts and what was there");
    // She keeps nobody else out: one of hers makes room.
    let fifth = put(&gateway, &link, ANOTHER, &format!("{at}/5.bin"), content(5)).await;
    assert_eq!(fifth.status, StatusCode::CREATED);
    assert_eq!(sending.join_next().await.unwrap().unwrap(), StatusCode::TOO_MANY_REQUESTS);
    let id = peer.snapshots().borrow().hand_overs[0].id;
    peer.end_hand_over(id).await.unwrap();
    while let Some(status) = sending.join_next().await {
        assert_ne!(status.unwrap(), StatusCode::NO_CONTENT);
    }
    // Throwing away is over when everything is.
    peer.shutdown().await;
    assert_eq!(names_in(&home.photos()), ["5.bin", "a.txt"]);
}

#[tokio::test]
async fn who_is_here_again_takes_over_her_own_upload() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    let peer = home.peer(&gateway).await;
    let at = asked(&home, &peer, 1_000_000, 1, false).await;
    let link = gateway.link().await;
    let url = begin(&gateway, &link, &at, "b.bin", 1000).await;
    let (feed, body) = fed();
    let old = gateway.ask(&link, SHE, 4, patch(&url, 0, body));
    let new = async {
        feed.send(content(400)).await.unwrap();
        let is_here =
            |one: &HandOver| one.passing.first().is_some_and(|passing| passing.arrived == 400);
        state(&peer, "passing", is_here).await;
        // The old connection says nothing any more, and does not end.
        assert_eq!(offset(&gateway, &link, &url).await, Ok(400));
        let rest = patch(&url, 400, transaction::full(content(1000)[400..].to_vec()));
        assert_eq!(gateway.ask(&link, SHE, 5, rest).await.status, StatusCode::NO_CONTENT);
    };
    let (old, ()) = tokio::join!(old, new);
    assert_eq!(old.status, StatusCode::CONFLICT);
    let done = state(&peer, "done", |one| matches!(one.stage, Stage::Done { .. })).await;
    assert_eq!(std::fs::read(home.photos().join(&done.received[0].file)).unwrap(), content(1000));
    // What the last answer would have said, had it arrived.
    assert_eq!(offset(&gateway, &link, &url).await, Ok(1000));
    peer.shutdown().await;
}

#[tokio::test]
async fn pausing_cuts_an_upload() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    let peer = home.peer(&gateway).await;
    let at = asked(&home, &peer, 1_000_000, 1, false).await;
    let link = gateway.link().await;
    let url = begin(&gateway, &link, &at, "b.bin", 1000).await;
    let (feed, body) = fed();
    let old = gateway.ask(&link, SHE, 4, patch(&url, 0, body));
    let pausing = async {
        feed.send(content(400)).await.unwrap();
        let is_here =
            |one: &HandOver| one.passing.first().is_some_and(|passing| passing.arrived == 400);
        state(&peer, "passing", is_here).await;
        peer.set_paused(true).await.unwrap();
        let cut = state(&peer, "cut", |one| matches!(one.stage, Stage::Cut { .. })).await;
        assert!(matches!(cut.stage, Stage::Cut { by: Ended::Owner, arrived: 400, .. }), "{cut:?}");
    };
    tokio::join!(old, pausing);
    assert_eq!(offset(&gateway, &link, &url).await, Err(StatusCode::SERVICE_UNAVAILABLE));
    peer.set_paused(false).await.unwrap();
    assert_eq!(offset(&gateway, &link, &url).await, Ok(400));
    let request = tus(Method::DELETE, &url).body(transaction::empty()).unwrap();
    assert_eq!(gateway.ask(&link, SHE, 5, request).await.status, StatusCode::NO_CONTENT);
    assert_eq!(offset(&gateway, &link, &url).await, Err(StatusCode::NOT_FOUND));
    assert_eq!(names_in(&home.photos()), ["a.txt"]);
    peer.shutdown().await;
}

#[tokio::test]
async fn only_whom_the_owner_allowed_may_send() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    let peer = home.peer(&gateway).await;
    let at = asked(&home, &peer, 1000, 2, true).await;
    let link = gateway.link().await;
    let mut events = peer.events();
    for url in [format!("{at}/b.txt"), format!("{at}/AAAAAAAAAAAAAAAAAAAAAA/b.txt")] {
        let refused = put(&gateway, &link, SHE, &url, content(1)).await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND, "{url}");
    }
    let request = Request::post(format!("{at}/take")).body(transaction::empty()).unwrap();
    let taken = gateway.ask(&link, SHE, 1, request).await;
    assert_eq!(taken.status, StatusCode::SEE_OTHER);
    let wait = at_desk(&at, taken.headers[header::LOCATION].to_str().unwrap());
    let behind = wait.strip_suffix("wait").unwrap().to_owned();
    let asks = put(&gateway, &link, SHE, &format!("{behind}b.txt"), content(1)).await;
    assert_ne!(asks.status, StatusCode::CREATED);
    let knock = event(&mut events, "a knock", |event| match event {
        Event::Knock { knock, .. } => Some(knock.id),
        _ => None,
    });
    peer.answer_knock(knock.await, true).await.unwrap();
    let request = Request::get(&wait).body(transaction::empty()).unwrap();
    let allowed = gateway.ask(&link, SHE, 1, request).await;
    assert_eq!(allowed.status, StatusCode::SEE_OTHER);
    assert!(behind.ends_with(allowed.headers[header::LOCATION].to_str().unwrap()));
    let done = put(&gateway, &link, SHE, &format!("{behind}b.txt"), content(1)).await;
    assert_eq!(done.status, StatusCode::CREATED);
    let stolen = put(&gateway, &link, ANOTHER, &format!("{behind}c.txt"), content(1)).await;
    assert_eq!(stolen.status, StatusCode::FORBIDDEN);
    assert_eq!(names_in(&home.photos()), ["a.txt", "b.txt"]);
    peer.shutdown().await;
}

#[tokio::test]
async fn old_drafts_that_everybody_forgot_go_when_the_folder_is_used_again() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    let forgotten = home.photos().join(".veranda-AAECAwQFBgcICQoLDA0ODw.part");
    let file = std::fs::File::create(&forgotten).unwrap();
    let week = std::time::Duration::from_secs(8 * 24 * 60 * 60);
    file.set_modified(std::time::SystemTime::now() - week).unwrap();
    drop(file);
    let peer = home.peer(&gateway).await;
    asked(&home, &peer, 1000, 1, false).await;
    let gone = async {
        while forgotten.exists() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(crate::gateway::SOON, gone).await.unwrap();
    peer.shutdown().await;
}

/// Leaves everything as a program does that is killed when a file has its name, and nobody has noted yet
/// that it arrived.
fn kill_between_name_and_note(home: &Home, draft: &str, name: &str, rest: &[u8]) {
    let (draft, file) =
        (home.photos().join(format!(".veranda-{draft}.part")), home.photos().join(name));
    let mut whole = std::fs::read(&draft).unwrap();
    whole.extend_from_slice(rest);
    std::fs::write(&draft, &whole).unwrap();
    std::fs::rename(&draft, &file).unwrap();
    let written = std::fs::metadata(&file).unwrap().modified().unwrap();
    let millis = written.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    let store = rusqlite::Connection::open(home.store()).unwrap();
    let noted = store.execute(
        "UPDATE uploads SET given_name = ?, given_size = ?, given_written = ?",
        rusqlite::params![
            name,
            i64::try_from(whole.len()).unwrap(),
            i64::try_from(millis).unwrap()
        ],
    );
    assert_eq!(noted.unwrap(), 1);
}

#[tokio::test]
async fn a_file_that_got_its_name_when_the_program_was_killed_arrived_once() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    let peer = home.peer(&gateway).await;
    let at = asked(&home, &peer, 1000, 2, false).await;
    let link = gateway.link().await;
    let whole = content(1000);
    let url = begin(&gateway, &link, &at, "b.bin", whole.len()).await;
    let part = patch(&url, 0, transaction::full(whole[..600].to_vec()));
    assert_eq!(gateway.ask(&link, SHE, 4, part).await.status, StatusCode::NO_CONTENT);
    peer.shutdown().await;
    gateway.no_link().await;
    kill_between_name_and_note(&home, url.rsplit('/').next().unwrap(), "b.bin", &whole[600..]);
    let peer = home.peer(&gateway).await;
    // Also when the visitor never comes again.
    let found = state(&peer, "the file", |one| !one.received.is_empty()).await;
    assert_eq!((&*found.received[0].file, found.received[0].size), ("b.bin", 1000));
    assert_eq!(found.received[0].visitor, Some(SHE.parse().unwrap()));
    assert!(matches!(found.direction, Direction::Ask { files_left: 1, .. }), "{found:?}");
    link_of(&peer).await;
    let link = gateway.link().await;
    assert_eq!(offset(&gateway, &link, &url).await, Ok(1000));
    assert_eq!(names_in(&home.photos()), ["a.txt", "b.bin"]);
    peer.shutdown().await;
    // And it stays so.
    gateway.no_link().await;
    let peer = home.peer(&gateway).await;
    let kept = state(&peer, "kept", |one| !one.received.is_empty()).await;
    assert_eq!((kept.received.len(), &kept.direction), (1, &found.direction));
    peer.shutdown().await;
}
