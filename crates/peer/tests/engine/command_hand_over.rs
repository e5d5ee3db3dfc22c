//! `veranda-peer send` and `veranda-peer ask`, as a person or a script uses them.

use carriers::Link;
use crosstalk::{
    control::{Receipt, ReceiptState},
    transaction,
};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio::time::timeout;

use crate::{
    Home,
    command::{PASSPHRASE, Program, text},
    desk::{ANOTHER, SHE, at_desk},
    gateway::{Gateway, SOON},
};

fn start(home: &Home, gateway: &Gateway, command: &[&str], more: &[&str]) -> Program {
    let (data, key) = (home.folder.path().join("data"), home.folder.path().join("key"));
    let address = gateway.address.origin();
    let mut words = command.to_vec();
    words.extend(["--gateway", &address, "--data", text(&data), "--key-file", text(&key)]);
    words.extend(more);
    Program::start_with_input(home, &words, Some(PASSPHRASE))
}

/// Presses the button; returns where that leads.
async fn press(gateway: &Gateway, link: &Link, url: &str) -> String {
    let request = Request::post(format!("{url}/take")).body(transaction::empty()).unwrap();
    let taken = gateway.ask(link, SHE, 1, request).await;
    assert_eq!(taken.status, StatusCode::SEE_OTHER);
    at_desk(url, taken.headers[header::LOCATION].to_str().unwrap())
}

async fn object(program: &mut Program, word: &str) -> Value {
    loop {
        let object = program.object().await;
        // How far something is comes when it comes.
        if object["event"] != "passing" {
            assert_eq!(object["event"], word, "{object}");
            return object;
        }
    }
}

#[tokio::test]
async fn a_script_sends_a_file_and_goes_on_after_it_was_started_again() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    let file = home.photos().join("a.txt");
    let send = ["send", text(&file)];
    let mut program = start(&home, &gateway, &send, &["--json", "--note", "For you"]);
    let told = object(&mut program, "hand-over").await;
    assert_eq!((&told["state"], &told["name"]), (&"waiting".into(), &"a.txt".into()));
    assert_eq!((&told["size"], &told["files"]), (&5.into(), &1.into()));
    let url = told["url"].as_str().unwrap().to_owned();
    assert_eq!(object(&mut program, "link").await["state"], "up");
    let link = gateway.link().await;
    let place = press(&gateway, &link, &url).await;
    // As hard as a power cut.
    program.kill().await;
    gateway.no_link().await;
    let mut program = start(&home, &gateway, &send, &["--json", "--note", "For you"]);
    let told = object(&mut program, "hand-over").await;
    assert_eq!(told["url"], url.as_str());
    object(&mut program, "link").await;
    let link = gateway.link().await;
    let request = Request::get(&place).body(transaction::empty()).unwrap();
    let seen = gateway.ask(&link, SHE, 7, request).await;
    assert_eq!(seen.text().await, "hello");
    let receipt =
        Receipt { transaction: 7, delivered: 5, state: ReceiptState::Complete, read: None };
    gateway.receipt(&link, receipt).await;
    let done = object(&mut program, "hand-over").await;
    assert_eq!((&done["state"], &done["url"]), (&"done".into(), &Value::Null));
    assert_eq!(done["certain"], true);
    assert!(program.end().await.0.success());
}

#[tokio::test]
async fn another_note_makes_another_link() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    let file = home.photos().join("a.txt");
    let mut urls = Vec::new();
    for note in ["one", "two"] {
        let words = ["send", text(&file)];
        let mut program = start(&home, &gateway, &words, &["--json", "--note", note]);
        let told = object(&mut program, "hand-over").await;
        urls.push(told["url"].as_str().unwrap().to_owned());
        program.kill().await;
        gateway.no_link().await;
    }
    assert_ne!(urls[0], urls[1]);
    let host = |url: &str| url.split_once("/h/").unwrap().0.to_owned();
    assert_eq!(host(&urls[0]), host(&urls[1]), "the desk is the same");
}

#[tokio::test]
async fn people_read_sentences_and_say_who_may() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    let file = home.photos().join("a.txt");
    let mut program = start(&home, &gateway, &["send", text(&file)], &["--ask-first"]);
    assert_eq!(program.line().await, "a.txt (5 B) can be fetched at");
    let url = program.line().await;
    assert_eq!(program.line().await, "Connected to the gateway by Petrichor.");
    let link = gateway.link().await;
    let wait = press(&gateway, &link, &url).await;
    let asked = program.line().await;
    assert_eq!(asked, "192.0.2.7 (curl) wants to fetch a.txt. May she, and nobody else? (y/n)");
    program.type_line("perhaps").await;
    assert_eq!(program.error_line().await, "Answer with y for yes or n for no.");
    // Another one asks too, and is no question yet: it must be seen which of them an answer is for.
    let request = Request::post(format!("{url}/take")).body(transaction::empty()).unwrap();
    gateway.ask(&link, ANOTHER, 1, request).await;
    program.type_line("y").await;
    let request = Request::get(format!("{wait}?again")).body(transaction::empty()).unwrap();
    let allowed = gateway.ask(&link, SHE, 2, request).await;
    assert!(allowed.text().await.contains("/a.txt"));
    let place = wait.replace("/wait", "/a.txt");
    let request = Request::get(&place).body(transaction::empty()).unwrap();
    let seen = gateway.ask(&link, SHE, 3, request).await;
    assert_eq!(program.line().await, "192.0.2.7 (curl) fetches a.txt (5 B).");
    assert_eq!(seen.body.collect().await.unwrap().to_bytes(), "hello");
    let receipt =
        Receipt { transaction: 3, delivered: 5, state: ReceiptState::Complete, read: None };
    gateway.receipt(&link, receipt).await;
    assert_eq!(program.line().await, "a.txt has arrived completely.");
    assert!(program.end().await.0.success());
}

#[tokio::test]
async fn nobody_reads_that_it_arrived_where_the_gateway_cannot_see_it() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    let file = home.photos().join("a.txt");
    let mut program = start(&home, &gateway, &["send", text(&file)], &[]);
    assert_eq!(program.line().await, "a.txt (5 B) can be fetched at");
    let url = program.line().await;
    assert_eq!(program.line().await, "Connected to the gateway by Petrichor.");
    let link = gateway.link().await;
    let request = Request::get(press(&gateway, &link, &url).await).body(transaction::empty());
    let seen = gateway.ask(&link, SHE, 3, request.unwrap()).await;
    assert_eq!(seen.text().await, "hello");
    assert_eq!(program.line().await, "192.0.2.7 (curl) fetches a.txt (5 B).");
    let (transaction, state) = (3, ReceiptState::Complete);
    gateway.receipt(&link, Receipt { transaction, delivered: 5, state, read: Some(false) }).await;
    let told = program.line().await;
    assert_eq!(
        told,
        "a.txt was sent completely. This gateway cannot see whether all of it arrived."
    );
    assert!(program.end().await.0.success());
}

#[tokio::test]
async fn a_script_asks_for_files_and_says_who_may() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    let folder = home.photos();
    let ask = ["ask", "--into", text(&folder), "--largest", "1K", "--ask-first", "--json"];
    let mut program = start(&home, &gateway, &ask, &[]);
    let told = object(&mut program, "hand-over").await;
    assert_eq!((&told["largest"], &told["files_left"]), (&1000.into(), &1.into()));
    let url = told["url"].as_str().unwrap().to_owned();
    object(&mut program, "link").await;
    let link = gateway.link().await;
    let wait = press(&gateway, &link, &url).await;
    let knock = object(&mut program, "knock").await;
    assert_eq!(knock["visitor"], SHE);
    program.type_line("allow everybody").await;
    assert!(program.error_line().await.contains("allow 1"));
    program.type_line(&format!("allow {}", knock["id"])).await;
    let request = Request::get(format!("{wait}?again")).body(transaction::empty()).unwrap();
    let allowed = gateway.ask(&link, SHE, 2, request).await;
    assert_eq!(allowed.status, StatusCode::SEE_OTHER);
    let place = wait.replace("/wait", "/b.txt");
    let put = Request::put(&place).body(transaction::full("12345")).unwrap();
    let sent = gateway.ask(&link, SHE, 3, put).await;
    assert_eq!(sent.status, StatusCode::CREATED);
    let received = object(&mut program, "received").await;
    assert_eq!((&received["file"], &received["size"]), (&"b.txt".into(), &5.into()));
    assert_eq!(object(&mut program, "hand-over").await["state"], "done");
    assert!(program.end().await.0.success());
    assert_eq!(std::fs::read(folder.join("b.txt")).unwrap(), b"12345");
}

#[tokio::test]
async fn what_cannot_be_handed_over_has_a_sentence_and_a_code() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    let (missing, folder) = (home.photos().join("missing"), home.photos());
    for (command, words) in [
        (&["send", text(&missing)][..], "is not there"),
        (&["send", text(&folder)], "is not a file"),
        (&["ask", "--into", text(&missing)], "it is not there"),
    ] {
        let (status, said) = start(&home, &gateway, command, &[]).end().await;
        assert_eq!(status.code(), Some(3), "{said}");
        assert!(said.contains(words), "{said}");
    }
}

/// More than all windows and buffers on the way.
const LARGE: usize = 8 * 1024 * 1024;

#[tokio::test]
async fn a_download_goes_on_after_the_program_was_killed_in_the_middle_of_it() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    let file = home.photos().join("film.bin");
    let content: Vec<u8> = (0..LARGE).map(|place| u8::try_from(place % 251).unwrap()).collect();
    std::fs::write(&file, &content).unwrap();
    let send = ["send", text(&file)];
    let mut program = start(&home, &gateway, &send, &["--json"]);
    let url = object(&mut program, "hand-over").await["url"].as_str().unwrap().to_owned();
    let link = gateway.link().await;
    let place = press(&gateway, &link, &url).await;
    let request = Request::get(&place).body(transaction::empty()).unwrap();
    let mut seen = gateway.ask(&link, SHE, 7, request).await;
    let mut has = Vec::new();
    while has.len() < LARGE / 3 {
        let frame = timeout(SOON, seen.body.frame()).await.unwrap().unwrap().unwrap();
        has.extend_from_slice(&frame.into_data().unwrap());
    }
    // Nobody heard how much she has; what she has besides is cut off without a word.
    program.kill().await;
    gateway.no_link().await;
    while let Ok(Some(Ok(frame))) = timeout(SOON, seen.body.frame()).await {
        has.extend_from_slice(&frame.into_data().unwrap());
    }
    assert!(has.len() < LARGE, "it was cut");
    let mut program = start(&home, &gateway, &send, &["--json"]);
    let told = object(&mut program, "hand-over").await;
    assert_eq!((&told["url"], &told["state"]), (&url.as_str().into(), &"cut".into()));
    assert_eq!((&told["cut"]["arrived"], &told["cut"]["by"]), (&0.into(), &"connection".into()));
    object(&mut program, "link").await;
    let link = gateway.link().await;
    let request = Request::get(&place)
        .header(header::RANGE, format!("bytes={}-", has.len()))
        .body(transaction::empty())
        .unwrap();
    let rest = gateway.ask(&link, SHE, 8, request).await.bytes().await;
    assert!([&has[..], &rest].concat() == content, "it is the same file");
    let delivered = rest.len() as u64;
    let state = ReceiptState::Complete;
    gateway.receipt(&link, Receipt { transaction: 8, delivered, state, read: Some(false) }).await;
    // That somebody fetches again is told before.
    let mut told = object(&mut program, "hand-over").await;
    while told["state"] != "done" {
        told = object(&mut program, "hand-over").await;
    }
    assert_eq!(told["certain"], false);
    assert!(program.end().await.0.success());
}
