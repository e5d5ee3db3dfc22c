//! What happens when somebody leaves, or something ends, at an awkward moment.

use crosstalk::control::{Receipt, ReceiptState, Receipts};
use tokio::time::sleep;

use super::*;
use crate::hand_over::{Full, Happening, MAX_DRAFTS, STILL_AFTER, TURN_TIMEOUT, TURNS_OF_ONE};

/// A body of which nothing more comes.
fn stalled() -> Body {
    transaction::boxed(http_body_util::StreamBody::new(futures_util::stream::pending::<
        Result<http_body::Frame<bytes::Bytes>, transaction::BodyError>,
    >()))
}

impl World {
    pub(super) async fn begun(&self) -> String {
        let files = format!("/h/{TOKEN}/files");
        let begun = self.send(Method::POST, &files, &tus(&[("upload-length", "10")])).await;
        begun.headers[header::LOCATION].to_str().unwrap().to_owned()
    }

    fn uploads(&self) -> Vec<String> {
        let book = self.front.desk.book();
        book.entry(ID).unwrap().uploads.all().map(|upload| upload.id.clone()).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_is_there_at_once_and_waits_where_it_asks_again() {
    let world = World::sending(true, "a.bin");
    let wait = world.take().await;
    let began = Instant::now();
    let first = world.send(Method::GET, &wait, &[("accept", "text/html")]).await;
    assert!(began.elapsed() < ANSWER_WAIT, "a visitor sees a page when she has pressed the button");
    let again = format!("{wait}?again");
    assert!(first.text().contains(&format!("url={again}\"")), "{}", first.text());
    let began = Instant::now();
    let page = world.get(&again).await;
    assert!(began.elapsed() >= ANSWER_WAIT && page.text().contains(&again));
    // The answer wakes it up.
    let knock = world.front.desk.book().entry(ID).unwrap().tickets.knocks().next().unwrap().id;
    let answer = async {
        sleep(ANSWER_WAIT / 2).await;
        world.front.desk.change(|book| book.answer(knock, true));
    };
    let (page, ()) = tokio::join!(world.get(&again), answer);
    assert!(page.text().contains("/a.bin"), "{}", page.text());
}

#[tokio::test(start_paused = true)]
async fn a_page_waits_for_the_owner_but_not_for_ever() {
    let world = World::sending(true, "a.bin");
    let wait = world.take().await;
    let wait = format!("{wait}?again");
    let began = Instant::now();
    let asks = world.get(&wait).await;
    assert_eq!(asks.status, StatusCode::OK);
    let waited = began.elapsed();
    assert!(waited >= ANSWER_WAIT && waited < ANSWER_WAIT * 2, "{waited:?}");
    assert!(asks.text().contains(&wait), "it asks again");
    let began = Instant::now();
    assert_eq!(world.send(Method::HEAD, &wait, &[]).await.status, StatusCode::OK);
    assert!(began.elapsed() < ANSWER_WAIT);
    let stolen = world.ask(ANOTHER, request(Method::GET, &wait, &[], Vec::new())).await;
    assert_eq!(stolen.status, StatusCode::FORBIDDEN);
    let content = wait.replace("/wait?again", "/a.bin");
    let early = world.get(&content).await;
    assert_ne!(early.body.len(), 1000, "nothing before the answer");
}

#[tokio::test(start_paused = true)]
async fn nobody_makes_all_answers_wait() {
    let world = World::sending(true, "a.bin");
    let again = format!("{}?again", world.take().await);
    let places = world.front.desk.waits.available_permits();
    let waiting = futures_util::future::join_all((0..places).map(|_| world.get(&again)));
    let one_more = async {
        sleep(ANSWER_WAIT / 2).await;
        let began = Instant::now();
        world.get(&again).await;
        began.elapsed()
    };
    let (_, waited) = tokio::join!(waiting, one_more);
    assert!(waited < ANSWER_WAIT / 2, "{waited:?}");
}

#[tokio::test]
async fn an_upload_that_begins_just_when_everything_is_switched_off_does_not_begin() {
    let world = World::asking(false, 3);
    world.begun().await;
    let id = world.uploads().remove(0);
    // It was let in before.
    world.front.desk.book().set_paused(true);
    let refused = world.front.desk.start(ID, &id, Now::read());
    assert_eq!(refused.unwrap_err(), Full::Paused);
}

#[tokio::test]
async fn who_is_there_again_just_when_all_has_arrived_undoes_nothing() {
    let world = World::sending(false, "a.bin");
    let place = world.take().await;
    let ticket = place.split('/').nth(3).unwrap();
    let first = world.get(&place).await;
    assert_eq!(first.body.len(), 1000);
    let receipt =
        Receipt { transaction: 7, delivered: 1000, state: ReceiptState::Complete, read: None };
    let receipts = Receipts { receipts: vec![receipt], missed: 0 };
    world.front.desk.meter.ledger().receipts(1, &receipts, Now::read());
    // Another connection that came before the receipt gets as far as this.
    let (desk, caller) = (&world.front.desk, Caller::take(&Method::GET, &mut HeaderMap::new()));
    let wish = Wish {
        ticket: Token::parse(ticket).unwrap(),
        visitor: Some(SHE.parse().unwrap()),
        offset: 0,
        length: 1000,
    };
    let delivery = Delivery { offset: 0, length: 1000, ..delivery(&world).await };
    let response = Response::new(transaction::full("x"));
    let turn = desk.turn(ID, &wish).await.expect("nothing is under way any more");
    assert!(desk.follow(1, turn, wish, &caller, delivery, response).is_none());
    assert!(matches!(world.stage(), Stage::Done { .. }));
}

impl World {
    /// Her connection took so much, as the gateway tells.
    fn took(&self, delivered: u64, state: ReceiptState) {
        let receipt = Receipt { transaction: 7, delivered, state, read: None };
        self.front.desk.meter.take(1, &Receipts { receipts: vec![receipt], missed: 0 });
        self.front.desk.settle(Now::read());
    }
}

#[tokio::test(start_paused = true)]
async fn a_download_that_moves_is_not_cut_for_another_part_of_it() {
    let world = World::sending(false, "a.bin");
    let place = world.take().await;
    let first = world.response(SHE, request(Method::GET, &place, &[], Vec::new())).await;
    let began = Instant::now();
    let part = request(Method::GET, &place, &[("range", "bytes=600-")], Vec::new());
    let moving = async {
        for delivered in 1.. {
            sleep(STILL_AFTER / 2).await;
            world.took(delivered, ReceiptState::Running);
        }
    };
    let refused = tokio::select! {
        refused = world.ask(SHE, part) => refused,
        () = moving => panic!("it waits for ever"),
    };
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert_eq!(began.elapsed(), TURN_TIMEOUT);
    let whole = first.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(whole.len(), 1000, "she goes on with the first");
}

#[tokio::test(start_paused = true)]
async fn one_ticket_takes_no_more_turns_than_its_hand_over_has() {
    let world = World::sending(false, "a.bin");
    let place = world.take().await;
    let _first = world.response(SHE, request(Method::GET, &place, &[], Vec::new())).await;
    let began = Instant::now();
    let part = || request(Method::GET, &place, &[("range", "bytes=600-")], Vec::new());
    let asks = (0..=TURNS_OF_ONE).map(|_| Box::pin(world.ask(SHE, part())));
    let (refused, ..) = futures_util::future::select_all(asks).await;
    assert_eq!((refused.status, began.elapsed()), (StatusCode::CONFLICT, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_download_that_died_a_moment_ago_gives_way() {
    let world = World::sending(false, "a.bin");
    let place = world.take().await;
    let _first = world.response(SHE, request(Method::GET, &place, &[], Vec::new())).await;
    let began = Instant::now();
    let part = request(Method::GET, &place, &[("range", "bytes=600-")], Vec::new());
    let moving = async {
        sleep(STILL_AFTER / 3).await;
        world.took(600, ReceiptState::Running);
    };
    let (rest, ()) = tokio::join!(world.ask(ANOTHER, part), moving);
    assert_eq!((rest.status, rest.body.len()), (StatusCode::PARTIAL_CONTENT, 400));
    assert_eq!(began.elapsed(), STILL_AFTER * 2);
}

#[tokio::test(start_paused = true)]
async fn who_closed_the_first_connection_goes_on_at_once() {
    let world = World::sending(false, "a.bin");
    let place = world.take().await;
    let first = world.response(SHE, request(Method::GET, &place, &[], Vec::new())).await;
    let began = Instant::now();
    let part = request(Method::GET, &place, &[("range", "bytes=600-")], Vec::new());
    let closing = async {
        sleep(STILL_AFTER / 3).await;
        drop(first);
        let receipt =
            Receipt { transaction: 7, delivered: 600, state: ReceiptState::Cut, read: None };
        world.front.desk.meter.take(1, &Receipts { receipts: vec![receipt], missed: 0 });
        world.front.desk.settle(Now::read());
    };
    let (rest, ()) = tokio::join!(world.ask(SHE, part), closing);
    assert_eq!((rest.status, rest.body.len()), (StatusCode::PARTIAL_CONTENT, 400));
    assert_eq!(began.elapsed(), STILL_AFTER / 3);
}

async fn delivery(world: &World) -> Delivery {
    let (_, parcel) = world.front.parcel(ID).unwrap();
    let request = request(Method::GET, "/", &[], Vec::new());
    parcel.respond(request).await.extensions_mut().remove().unwrap()
}

#[tokio::test]
async fn a_visitor_who_leaves_in_the_middle_of_a_put_leaves_no_draft() {
    let world = World::asking(false, 3);
    let put = Request::put(format!("/h/{TOKEN}/a.bin")).body(stalled()).unwrap();
    let mut changes = world.front.desk.changes();
    let sending = async {
        world.response(SHE, put).await;
    };
    let until_begun = async {
        while world.uploads().is_empty() {
            changes.changed().await.unwrap();
        }
        world.uploads().remove(0)
    };
    let id = tokio::select! {
        () = sending => panic!("nothing came"),
        id = until_begun => id,
    };
    assert_eq!(world.uploads(), Vec::<String>::new());
    let happenings = world.front.desk.book().take_happenings();
    assert!(happenings.contains(&Happening::Thrown(ID, vec![id])), "{happenings:?}");
}

#[tokio::test]
async fn a_visitor_who_does_not_wait_for_the_end_of_a_draft_ends_it_all_the_same() {
    let world = World::asking(false, 3);
    let place = world.begun().await;
    let id = world.uploads().remove(0);
    let presence = world.front.desk.book().entry(ID).unwrap().presence.clone();
    let Presence::Inbox(inbox) = presence else { panic!("{presence:?}") };
    // The disk is at it.
    let held = inbox.resume(&id).await.unwrap();
    let mut changes = world.front.desk.changes();
    let removing = async {
        world.send(Method::DELETE, &place, &tus(&[])).await;
    };
    let until_gone = async {
        while !world.uploads().is_empty() {
            changes.changed().await.unwrap();
        }
    };
    tokio::select! {
        () = removing => panic!("somebody has it open"),
        () = until_gone => {}
    }
    drop(held);
    let happenings = world.front.desk.book().take_happenings();
    assert!(happenings.contains(&Happening::Thrown(ID, vec![id])), "{happenings:?}");
}

#[tokio::test]
async fn no_draft_goes_for_a_file_that_is_not_taken() {
    let world = World::asking(false, 3);
    for _ in 0..MAX_DRAFTS {
        world.begun().await;
    }
    let begun = world.uploads();
    let files = format!("/h/{TOKEN}/files");
    let begin = async |length: &'static str| {
        let headers = tus(&[("upload-length", length)]);
        world.ask(ANOTHER, request(Method::POST, &files, &headers, Vec::new())).await.status
    };
    assert_eq!(begin("1001").await, StatusCode::PAYLOAD_TOO_LARGE);
    let name = format!("/h/{TOKEN}/a.bin");
    let put = world.ask(ANOTHER, request(Method::PUT, &name, &[], vec![b'x'; 1001])).await;
    assert_eq!(put.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(world.uploads(), begun, "a draft was thrown away for nothing");
    // It does go for one that is taken.
    assert_eq!(begin("10").await, StatusCode::CREATED);
    assert_eq!(world.uploads()[..MAX_DRAFTS - 1], begun[1..]);
    assert_eq!(world.uploads().len(), MAX_DRAFTS);
}
