//! Files that are handed over to one visitor.

use std::path::PathBuf;

use carriers::{Carrier, Link};
use crosstalk::{
    control::{RECEIPT_HEADER, RECEIPT_READ, Receipt, ReceiptState},
    transaction::{self, Body},
};
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use peer::{
    Direction, Ended, Event, HandOver, HandOverError, HandOverId, HandOverTrouble, Knock, Peer,
    Stage, Terms,
};
use tokio::time::timeout;

use crate::{
    Home,
    desk::{ANOTHER, SHE, at_desk, content, link_of, state},
    event,
    gateway::{Gateway, SOON, Seen},
};

/// More than all windows and buffers on the way.
const LARGE: usize = 8 * 1024 * 1024;

fn file(home: &Home, name: &str, size: usize) -> PathBuf {
    let path = home.photos().join(name);
    std::fs::write(&path, content(size)).unwrap();
    path
}

fn asks_first() -> Terms {
    Terms { note: "Here you are".to_owned(), nod: true }
}

fn get(url: &str) -> Request<Body> {
    Request::get(url).body(transaction::empty()).unwrap()
}

fn part(url: &str, from: usize) -> Request<Body> {
    Request::get(url)
        .header(header::RANGE, format!("bytes={from}-"))
        .body(transaction::empty())
        .unwrap()
}

/// Presses the button; returns where that leads.
async fn press(
    gateway: &Gateway,
    link: &Link,
    from: &str,
    url: &str,
) -> Result<String, StatusCode> {
    let request = Request::post(format!("{url}/take")).body(transaction::empty()).unwrap();
    let taken = gateway.ask(link, from, 1, request).await;
    if taken.status != StatusCode::SEE_OTHER {
        return Err(taken.status);
    }
    Ok(at_desk(url, taken.headers[header::LOCATION].to_str().unwrap()))
}

async fn take_some(seen: &mut Seen, at_least: usize) -> Vec<u8> {
    let mut taken = Vec::new();
    while taken.len() < at_least {
        let frame = timeout(SOON, seen.body.frame()).await.unwrap().unwrap().unwrap();
        taken.extend_from_slice(&frame.into_data().unwrap());
    }
    taken
}

fn receipt(transaction: u64, delivered: usize, state: ReceiptState) -> Receipt {
    Receipt { transaction, delivered: delivered as u64, state, read: None }
}

async fn knock_of(events: &mut tokio::sync::broadcast::Receiver<Event>) -> Knock {
    event(events, "a knock", |event| match event {
        Event::Knock { knock, .. } => Some(knock),
        _ => None,
    })
    .await
}

/// Sends a file, cuts it in the middle, starts the peer again, and goes on with the same address.
async fn goes_on_after_a_cut_and_a_restart(carrier: Carrier) {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    let start =
        || Peer::start(peer::Config { carrier: Some(carrier), ..home.config(&gateway.address) });
    let peer = start().await.unwrap();
    let path = file(&home, "film.bin", LARGE);
    let id = peer.send_files(vec![path], Terms::default()).await.unwrap();
    let url = link_of(&peer).await;
    let link = gateway.link().await;
    // Previews of chat programs take nothing.
    for method in [Method::GET, Method::HEAD, Method::GET] {
        let request =
            Request::builder().method(method).uri(&url).body(transaction::empty()).unwrap();
        let seen = gateway.ask(&link, ANOTHER, 1, request).await;
        assert_eq!(seen.status, StatusCode::OK);
        assert_eq!(seen.headers["cache-control"], "no-store");
        assert_eq!(seen.headers["referrer-policy"], "no-referrer");
        assert!(!seen.headers.contains_key(RECEIPT_HEADER));
        seen.bytes().await;
    }
    assert_eq!(peer.snapshots().borrow().hand_overs[0].stage, Stage::Waiting);
    let place = press(&gateway, &link, SHE, &url).await.unwrap();
    let mut seen = gateway.ask(&link, SHE, 7, get(&place)).await;
    assert_eq!(seen.status, StatusCode::OK, "{carrier}");
    assert_eq!(seen.headers[RECEIPT_HEADER], RECEIPT_READ);
    let begin = take_some(&mut seen, LARGE / 4).await;
    gateway.receipt(&link, receipt(7, begin.len(), ReceiptState::Running)).await;
    let arrived = begin.len() as u64;
    let passing = state(&peer, "passing", |one| {
        one.passing.first().is_some_and(|passing| passing.arrived == arrived)
    });
    let passing = passing.await;
    assert_eq!((passing.id, &passing.stage), (id, &Stage::Waiting));
    assert_eq!(passing.passing[0].visitor, Some(SHE.parse().unwrap()));
    assert_eq!(passing.passing[0].size, Some(LARGE as u64));
    let now = peer.snapshots().borrow().clone();
    assert!(now.transfers.is_empty() && now.history.is_empty(), "it is no transfer of a site");
    // She is cut.
    drop(seen);
    gateway.receipt(&link, receipt(7, begin.len(), ReceiptState::Cut)).await;
    let cut = state(&peer, "cut", |one| matches!(one.stage, Stage::Cut { .. })).await;
    let Stage::Cut { file, arrived: told, size, by, .. } = &cut.stage else { panic!() };
    assert_eq!((&**file, *told, *size), ("film.bin", arrived, Some(LARGE as u64)));
    assert_eq!(*by, Ended::Visitor);
    peer.shutdown().await;
    gateway.no_link().await;
    let peer = start().await.unwrap();
    let kept = state(&peer, "kept", |one| one.url.is_some()).await;
    assert_eq!(kept.url.as_deref(), Some(&*url));
    assert!(matches!(kept.stage, Stage::Cut { arrived: kept, .. } if kept == arrived), "{kept:?}");
    let link = gateway.link().await;
    let seen = gateway.ask(&link, SHE, 8, part(&place, begin.len())).await;
    assert_eq!(seen.status, StatusCode::PARTIAL_CONTENT);
    let rest = seen.bytes().await;
    assert_eq!([&begin[..], &rest].concat(), content(LARGE), "{carrier}");
    gateway.receipt(&link, receipt(8, rest.len(), ReceiptState::Complete)).await;
    let done = state(&peer, "done", |one| matches!(one.stage, Stage::Done { .. })).await;
    assert_eq!((done.url, done.passing), (None, Vec::new()));
    for url in [&url, &place] {
        assert_eq!(gateway.ask(&link, SHE, 9, get(url)).await.status, StatusCode::GONE);
    }
    peer.shutdown().await;
}

#[tokio::test]
async fn a_file_goes_on_after_a_cut_and_a_restart_by_petrichor() {
    goes_on_after_a_cut_and_a_restart(Carrier::Petrichor).await;
}

#[tokio::test]
async fn a_file_goes_on_after_a_cut_and_a_restart_by_reversed_http2() {
    goes_on_after_a_cut_and_a_restart(Carrier::PtthHttp2).await;
}

#[tokio::test]
async fn a_file_goes_on_after_a_cut_and_a_restart_by_taxi() {
    goes_on_after_a_cut_and_a_restart(Carrier::Taxi).await;
}

#[tokio::test]
async fn the_owner_lets_one_visitor_have_it_and_nobody_else() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    let peer = home.peer(&gateway).await;
    let mut events = peer.events();
    peer.send_files(vec![file(&home, "a.bin", 1000)], asks_first()).await.unwrap();
    let url = link_of(&peer).await;
    let link = gateway.link().await;
    let wait = press(&gateway, &link, SHE, &url).await.unwrap();
    let knock = knock_of(&mut events).await;
    assert_eq!((knock.visitor, &*knock.agent), (Some(SHE.parse().unwrap()), "curl"));
    assert_eq!(press(&gateway, &link, SHE, &url).await.unwrap(), wait, "she asks once");
    let another = press(&gateway, &link, ANOTHER, &url).await.unwrap();
    let other_knock = knock_of(&mut events).await;
    let asking = peer.snapshots().borrow().hand_overs[0].knocks.clone();
    assert_eq!(asking, [knock.clone(), other_knock.clone()]);
    // Her page waits for the answer.
    let again = format!("{wait}?again");
    let waiting = gateway.ask(&link, SHE, 2, get(&again));
    let answer = async {
        peer.answer_knock(knock.id, true).await.unwrap();
    };
    let (seen, ()) = tokio::join!(waiting, answer);
    assert_eq!(seen.status, StatusCode::OK);
    let page = seen.text().await;
    let content_at = wait.replace("/wait", "/a.bin");
    let path = &content_at[content_at.find("/h/").unwrap()..];
    assert!(page.contains(path), "{page}");
    // Nobody else, whatever they have.
    let refused = peer.answer_knock(other_knock.id, true).await;
    assert!(matches!(refused, Err(HandOverError::Unknown)));
    for url in [&another, &content_at, &url] {
        let seen = gateway.ask(&link, ANOTHER, 3, get(url)).await;
        assert_eq!(seen.status, StatusCode::FORBIDDEN, "{url}");
    }
    assert_eq!(press(&gateway, &link, ANOTHER, &url).await.unwrap_err(), StatusCode::FORBIDDEN);
    assert_eq!(press(&gateway, &link, SHE, &url).await.unwrap(), content_at);
    let seen = gateway.ask(&link, SHE, 4, get(&content_at)).await;
    assert_eq!(seen.bytes().await, content(1000));
    gateway.receipt(&link, receipt(4, 1000, ReceiptState::Complete)).await;
    state(&peer, "done", |one| matches!(one.stage, Stage::Done { .. })).await;
    peer.shutdown().await;
}

#[tokio::test]
async fn who_is_refused_stays_refused_after_a_restart() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    let peer = home.peer(&gateway).await;
    let mut events = peer.events();
    peer.send_files(vec![file(&home, "a.bin", 1000)], asks_first()).await.unwrap();
    let url = link_of(&peer).await;
    let link = gateway.link().await;
    let wait = press(&gateway, &link, SHE, &url).await.unwrap();
    let knock = knock_of(&mut events).await;
    peer.answer_knock(knock.id, false).await.unwrap();
    let told = gateway.ask(&link, SHE, 2, get(&wait)).await;
    assert_eq!(told.status, StatusCode::FORBIDDEN);
    state(&peer, "no knocks", |one| one.knocks.is_empty()).await;
    peer.shutdown().await;
    gateway.no_link().await;
    let peer = home.peer(&gateway).await;
    link_of(&peer).await;
    let link = gateway.link().await;
    assert_eq!(gateway.ask(&link, SHE, 2, get(&wait)).await.status, StatusCode::FORBIDDEN);
    let refused = press(&gateway, &link, SHE, &url).await.unwrap_err();
    assert_eq!(refused, StatusCode::FORBIDDEN);
    assert!(press(&gateway, &link, ANOTHER, &url).await.is_ok());
    peer.shutdown().await;
}

#[tokio::test]
async fn ending_it_and_pausing_cut_what_is_on_its_way() {
    for pause in [true, false] {
        let (home, gateway) = (Home::new(), Gateway::start().await);
        let peer = home.peer(&gateway).await;
        let path = file(&home, "film.bin", LARGE);
        let id = peer.send_files(vec![path], Terms::default()).await.unwrap();
        let url = link_of(&peer).await;
        let link = gateway.link().await;
        let place = press(&gateway, &link, SHE, &url).await.unwrap();
        let mut seen = gateway.ask(&link, SHE, 7, get(&place)).await;
        take_some(&mut seen, 1000).await;
        if pause {
            peer.set_paused(true).await.unwrap();
            let cut = state(&peer, "cut", |one| matches!(one.stage, Stage::Cut { .. })).await;
            assert!(matches!(cut.stage, Stage::Cut { by: Ended::Owner, .. }), "{cut:?}");
        } else {
            peer.end_hand_over(id).await.unwrap();
            assert_eq!(peer.snapshots().borrow().hand_overs, []);
            let again = peer.end_hand_over(id).await;
            assert!(matches!(again, Err(HandOverError::Unknown)));
        }
        assert!(timeout(SOON, seen.body.collect()).await.unwrap().is_err(), "it was cut");
        let expected = if pause { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::NOT_FOUND };
        for url in [&url, &place] {
            assert_eq!(gateway.ask(&link, SHE, 9, get(url)).await.status, expected);
        }
        if pause {
            peer.set_paused(false).await.unwrap();
            assert_eq!(gateway.ask(&link, SHE, 9, get(&url)).await.status, StatusCode::OK);
        }
        peer.shutdown().await;
        let peer = home.peer(&gateway).await;
        let left = peer.snapshots().borrow().hand_overs.len();
        assert_eq!(left, usize::from(pause));
        peer.shutdown().await;
    }
}

#[tokio::test]
async fn a_second_visitor_waits_and_the_same_one_takes_over() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    let peer = home.peer(&gateway).await;
    peer.send_files(vec![file(&home, "film.bin", LARGE)], Terms::default()).await.unwrap();
    let url = link_of(&peer).await;
    let link = gateway.link().await;
    let hers = press(&gateway, &link, SHE, &url).await.unwrap();
    let his = press(&gateway, &link, ANOTHER, &url).await.unwrap();
    assert_ne!(hers, his);
    let mut seen = gateway.ask(&link, SHE, 7, get(&hers)).await;
    let begin = take_some(&mut seen, 100_000).await;
    let busy = gateway.ask(&link, ANOTHER, 8, get(&his)).await;
    assert_eq!(busy.status, StatusCode::CONFLICT);
    // A phone that lost its connection without a word.
    let again = gateway.ask(&link, SHE, 9, part(&hers, begin.len())).await;
    assert_eq!(again.status, StatusCode::PARTIAL_CONTENT);
    assert!(timeout(SOON, seen.body.collect()).await.unwrap().is_err(), "the first is cut");
    let rest = again.bytes().await;
    assert_eq!([&begin[..], &rest].concat(), content(LARGE));
    gateway.receipt(&link, receipt(9, rest.len(), ReceiptState::Complete)).await;
    state(&peer, "done", |one| matches!(one.stage, Stage::Done { .. })).await;
    peer.shutdown().await;
}

#[tokio::test]
async fn a_gateway_without_receipts_never_makes_it_done() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    let peer = home.peer(&gateway).await;
    peer.send_files(vec![file(&home, "a.bin", 1000)], Terms::default()).await.unwrap();
    let url = link_of(&peer).await;
    let link = gateway.link().await;
    let place = press(&gateway, &link, SHE, &url).await.unwrap();
    for _ in 0..2 {
        let seen = gateway.ask_unnumbered(&link, SHE, get(&place)).await;
        assert_eq!(seen.bytes().await, content(1000));
        let cut = state(&peer, "cut", |one| matches!(one.stage, Stage::Cut { .. })).await;
        let Stage::Cut { arrived, by, .. } = cut.stage else { panic!() };
        assert_eq!((arrived, by), (0, Ended::Unconfirmed));
    }
    peer.shutdown().await;
}

#[tokio::test]
async fn files_that_changed_or_left_are_not_offered_and_come_back() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    let path = file(&home, "a.bin", 1000);
    let peer = home.peer(&gateway).await;
    peer.send_files(vec![path.clone()], Terms::default()).await.unwrap();
    let url = link_of(&peer).await;
    peer.shutdown().await;
    gateway.no_link().await;
    let aside = path.with_extension("aside");
    std::fs::rename(&path, &aside).unwrap();
    let peer = home.peer(&gateway).await;
    let away = state(&peer, "away", |one| one.trouble.is_some()).await;
    assert_eq!(away.trouble, Some(HandOverTrouble::Away));
    link_of(&peer).await;
    let link = gateway.link().await;
    assert_eq!(gateway.ask(&link, SHE, 1, get(&url)).await.status, StatusCode::SERVICE_UNAVAILABLE);
    std::fs::rename(&aside, &path).unwrap();
    state(&peer, "back", |one| one.trouble.is_none()).await;
    assert_eq!(gateway.ask(&link, SHE, 1, get(&url)).await.status, StatusCode::OK);
    let nothing = peer.send_files(vec![aside], Terms::default()).await;
    assert!(matches!(nothing, Err(HandOverError::Files(_))), "{nothing:?}");
    peer.shutdown().await;
}

#[tokio::test]
async fn the_desk_has_one_name_which_is_claimed_like_those_of_sites() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    let peer = home.peer(&gateway).await;
    let mut events = peer.events();
    let one = peer.send_files(vec![file(&home, "a.bin", 10)], Terms::default()).await.unwrap();
    let told = event(&mut events, "a link", |event| match event {
        Event::HandOver(hand_over) => hand_over.url.map(|url| (hand_over.id, url)),
        _ => None,
    });
    let (id, url) = told.await;
    assert_eq!(id, one);
    let two = peer.send_files(vec![file(&home, "b.bin", 10)], Terms::default()).await.unwrap();
    assert_eq!(two, HandOverId(one.0 + 1));
    let other_url = link_of(&peer).await;
    let host = |url: &str| url.split_once("/h/").unwrap().0.to_owned();
    assert_eq!(host(&url), host(&other_url));
    assert!(host(&url).starts_with("http://files-"), "{url}");
    assert_eq!(gateway.orders().names.len(), 1);
    let now = peer.snapshots().borrow().clone();
    let Direction::Send { name, size, files } = &now.hand_overs[0].direction else { panic!() };
    assert_eq!((&**name, *size, *files), ("b.bin", 10, 1));
    peer.shutdown().await;
}

#[tokio::test]
async fn who_lost_the_name_of_all_links_gets_another_one_when_they_are_ended() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    let peer = home.peer(&gateway).await;
    let send = async |peer: &Peer, name| {
        peer.send_files(vec![file(&home, name, 10)], Terms::default()).await.unwrap()
    };
    send(&peer, "a.bin").await;
    let lost = link_of(&peer).await;
    peer.shutdown().await;
    for owner in gateway.orders().names.values_mut() {
        *owner = "somebody else".to_owned();
    }
    let peer = home.peer(&gateway).await;
    let taken = |one: &HandOver| one.trouble == Some(HandOverTrouble::NameTaken);
    let first = state(&peer, "a lost name", taken).await;
    // As long as somebody has a link with that name, new ones share its fate.
    let second = send(&peer, "b.bin").await;
    state(&peer, "the same fate", |one| one.id == second && taken(one)).await;
    for id in [first.id, second] {
        peer.end_hand_over(id).await.unwrap();
    }
    send(&peer, "c.bin").await;
    let link = link_of(&peer).await;
    assert_ne!(at_desk(&link, ""), at_desk(&lost, ""));
}
