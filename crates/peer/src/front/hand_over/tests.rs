use std::{collections::HashMap, path::PathBuf, sync::Arc, time::SystemTime};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use crosstalk::{control::TRANSACTION_HEADER, forwarded};
use http_body_util::BodyExt as _;
use sites::hand_over::{Inbox, inbox::Rules};
use tempfile::TempDir;
use tokio::sync::watch;

use super::*;
use crate::{
    front::Routes,
    hand_over::{Book, Desk, KeptHandOver},
    ledger::Ledger,
    meter::Meter,
    model::{Stage, Terms},
    notes::{self, Letterbox},
};

mod endings;
mod killed;

const HOST: &str = "files.localhost:8080";
const TOKEN: &str = "AAECAwQFBgcICQoLDA0ODw";
const UNKNOWN: &str = "_____________________w";
const ID: HandOverId = HandOverId(1);

/// A front with one hand-over.
struct World {
    folder: TempDir,
    front: Front,
}

struct Seen {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Seen {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn place(&self) -> String {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.text());
        self.headers[header::LOCATION].to_str().unwrap().to_owned()
    }
}

impl World {
    fn new(nod: bool, goods: impl FnOnce(PathBuf) -> (Goods, Presence)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (goods, presence) = goods(folder.path().to_owned());
        let kept = KeptHandOver {
            id: ID,
            token: Token::parse(TOKEN).unwrap(),
            goods,
            terms: Terms { note: "<b>For you</b>".to_owned(), nod },
            stage: Stage::Waiting,
            since: SystemTime::now(),
            tickets: Vec::new(),
            refused: Vec::new(),
            uploads: Vec::new(),
            received: Vec::new(),
        };
        Self::with(folder, kept, presence)
    }

    fn with(folder: TempDir, kept: KeptHandOver, presence: Presence) -> Self {
        let mut book = Book::default();
        book.set_origin(Some("http://files.localhost:8080"));
        book.add(kept, presence);
        // The last value stays readable when the sender is gone.
        let (_, routes) = watch::channel(Arc::new(Routes::new()));
        let front = Front {
            routes,
            meter: Arc::new(Meter::new(Ledger::new(0))),
            letterbox: Arc::new(Letterbox::new(notes::Book::default())),
            desk: Arc::new(Desk::new(book)),
        };
        Self { folder, front }
    }

    /// Sends a file of a thousand bytes.
    fn sending(nod: bool, name: &str) -> Self {
        let name = name.to_owned();
        Self::new(nod, |folder| {
            let path = folder.join(&name);
            std::fs::write(&path, [b'x'; 1000]).unwrap();
            let parcel = Parcel::open(std::slice::from_ref(&path)).unwrap();
            let goods = Goods::Send {
                files: vec![path],
                name: parcel.name().to_owned(),
                size: parcel.size(),
                count: 1,
                state: parcel.state(),
            };
            (goods, Presence::Parcel(parcel))
        })
    }

    /// Asks for files of at most a thousand bytes.
    fn asking(nod: bool, files_left: u32) -> Self {
        Self::new(nod, |folder| {
            let rules = Rules { largest: 1000, keep_free: 0 };
            let inbox = Inbox::open(&folder, rules).unwrap();
            (Goods::Ask { folder, largest: 1000, files_left }, Presence::Inbox(inbox))
        })
    }

    async fn response(&self, from: &str, request: Request<Body>) -> Response<Body> {
        // Nobody keeps anything here.
        let version = self.front.desk.book().version() + 10;
        self.front.desk.note_kept(version);
        self.unkept_response(from, request).await
    }

    /// Answers where somebody has to say what is kept.
    async fn unkept_response(&self, from: &str, mut request: Request<Body>) -> Response<Body> {
        let headers = request.headers_mut();
        headers.insert(header::HOST, HOST.parse().unwrap());
        headers.insert(TRANSACTION_HEADER, 7.into());
        let value = forwarded::format(from.parse().unwrap(), HOST, false);
        headers.insert(forwarded::HEADER, value.parse().unwrap());
        self.front.answer(1, request).await
    }

    async fn ask(&self, from: &str, request: Request<Body>) -> Seen {
        let (head, body) = self.response(from, request).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Seen { status: head.status, headers: head.headers, body }
    }

    async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Seen {
        self.ask(SHE, request(method, path, headers, Vec::new())).await
    }

    async fn get(&self, path: &str) -> Seen {
        self.send(Method::GET, path, &[]).await
    }

    async fn take(&self) -> String {
        self.send(Method::POST, &format!("/h/{TOKEN}/take"), &[]).await.place()
    }

    fn stage(&self) -> Stage {
        self.front.desk.book().entry(ID).unwrap().stage.clone()
    }

    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

const SHE: &str = "192.0.2.7";
const ANOTHER: &str = "198.51.100.9";

fn request(method: Method, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(transaction::full(body)).unwrap()
}

#[tokio::test]
async fn nobody_learns_whether_there_is_anything() {
    let world = World::sending(false, "a.bin");
    let nowhere = world.get("/").await;
    assert_eq!(nowhere.status, StatusCode::NOT_FOUND);
    let long = format!("/h/{TOKEN}/{}", "a".repeat(5000));
    let place = world.take().await;
    for (method, path) in [
        (Method::GET, format!("/h/{UNKNOWN}")),
        (Method::OPTIONS, format!("/h/{UNKNOWN}/files")),
        (Method::POST, format!("/h/{UNKNOWN}/take")),
        (Method::PUT, format!("/h/{UNKNOWN}/a.bin")),
        (Method::GET, format!("/h/{TOKEN}/{UNKNOWN}/a.bin")),
        (Method::GET, format!("/h/{TOKEN}/{UNKNOWN}/wait")),
        (Method::GET, format!("/h/{TOKEN}/a.bin")),
        (Method::GET, format!("/h/{TOKEN}/a/b/c/d/e")),
        (Method::GET, format!("/h/{}", TOKEN.to_ascii_lowercase())),
        (Method::GET, format!("/h/{TOKEN}x")),
        (Method::GET, format!("//h/{TOKEN}")),
        (Method::GET, format!("/h//{TOKEN}")),
        (Method::GET, "/h/".to_owned()),
        (Method::GET, "/h".to_owned()),
        (Method::GET, long),
        // The right ticket for another name, or for uploads.
        (Method::GET, place.replace("a.bin", "b.bin")),
        (Method::GET, place.replace("a.bin", "..")),
        (Method::PUT, format!("/h/{TOKEN}/b.bin")),
        (Method::POST, format!("/h/{TOKEN}/files")),
    ] {
        let seen = world.send(method.clone(), &path, &[]).await;
        assert_eq!(seen.status, StatusCode::NOT_FOUND, "{method} {path}");
        assert_eq!(seen.headers, nowhere.headers, "{method} {path}");
        assert_eq!(seen.body, nowhere.body, "{method} {path}");
    }
}

#[tokio::test]
async fn previews_take_nothing_and_everything_is_private() {
    let world = World::sending(false, "a.bin");
    let landing = format!("/h/{TOKEN}");
    for _ in 0..20 {
        let seen = world.send(Method::HEAD, &landing, &[("user-agent", "WhatsApp/2")]).await;
        assert_eq!((seen.status, seen.body.len()), (StatusCode::OK, 0));
        let seen = world.send(Method::GET, &landing, &[("accept", "text/html")]).await;
        assert_eq!(seen.status, StatusCode::OK);
        assert!(seen.text().contains(&format!("{landing}/take")));
        assert!(!seen.text().contains("<b>For you"), "the note is text");
        for (name, value) in [
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("x-robots-tag", "noindex"),
            ("x-content-type-options", "nosniff"),
        ] {
            assert_eq!(seen.headers[name], value);
        }
        let policy = seen.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    }
    assert_eq!(world.front.desk.book().entry(ID).unwrap().tickets.all().len(), 0);
    assert_eq!(world.stage(), Stage::Waiting);
    let place = world.take().await;
    let head = world.send(Method::HEAD, &place, &[]).await;
    assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
    assert_eq!(head.headers["content-length"], "1000");
    assert_eq!(world.stage(), Stage::Waiting);
    assert!(world.front.desk.passing(Now::read()).is_empty());
    let content = world.get(&place).await;
    assert_eq!(content.headers["cache-control"], "no-store");
    assert_eq!(content.headers["veranda-receipt"], "read");
    assert!(content.headers["content-disposition"].to_str().unwrap().starts_with("attachment"));
}

#[tokio::test]
async fn the_button_is_for_people_on_this_page() {
    let world = World::sending(false, "a.bin");
    let take = format!("/h/{TOKEN}/take");
    for headers in [
        &[("origin", "https://evil.example")][..],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("origin", "null"), ("sec-fetch-site", "cross-site")],
        &[("origin", "http://files.localhost:8080"), ("sec-fetch-site", "cross-site")],
        &[("origin", "http://photos.localhost:8080")],
    ] {
        let refused = world.send(Method::POST, &take, headers).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{headers:?}");
    }
    for headers in [
        &[][..],
        &[("origin", "http://files.localhost:8080")],
        &[("origin", "null")],
        &[("origin", "null"), ("sec-fetch-site", "same-origin")],
    ] {
        let taken = world.send(Method::POST, &take, headers).await;
        assert_eq!(taken.status, StatusCode::SEE_OTHER, "{headers:?}");
    }
    assert_eq!(world.get(&take).await.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_part_is_a_part_and_what_cannot_be_is_refused() {
    let world = World::sending(false, "a.bin");
    let place = world.take().await;
    for (range, status, length) in [
        ("bytes=0-9", StatusCode::PARTIAL_CONTENT, 10),
        ("bytes=990-", StatusCode::PARTIAL_CONTENT, 10),
        ("bytes=-5", StatusCode::PARTIAL_CONTENT, 5),
        ("bytes=1000-", StatusCode::RANGE_NOT_SATISFIABLE, 0),
        ("lines=1-2", StatusCode::OK, 1000),
        ("bytes=9-1", StatusCode::OK, 1000),
    ] {
        let seen = world.send(Method::GET, &place, &[("range", range)]).await;
        assert_eq!(seen.status, status, "{range}");
        if status.is_success() {
            assert_eq!(seen.body.len(), length, "{range}");
        }
    }
    let changed = [("range", "bytes=500-"), ("if-range", "\"another\"")];
    assert_eq!(world.send(Method::GET, &place, &changed).await.body.len(), 1000);
}

#[tokio::test]
async fn names_that_are_addresses_or_odd_can_be_fetched() {
    for name in ["wait", "files", "ü b%2f.bin", "take", "#?&.bin"] {
        let world = World::sending(false, name);
        let place = world.take().await;
        let seen = world.get(&place).await;
        assert_eq!((seen.status, seen.body.len()), (StatusCode::OK, 1000), "{name} {place}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_fetches_at_a_time() {
    let world = World::sending(false, "a.bin");
    let (hers, his) = (world.take().await, world.take().await);
    let first = world.response(SHE, request(Method::GET, &hers, &[], Vec::new())).await;
    assert_eq!(first.status(), StatusCode::OK);
    for from in [ANOTHER, SHE] {
        let busy = world.ask(from, request(Method::GET, &his, &[], Vec::new())).await;
        assert_eq!(busy.status, StatusCode::CONFLICT);
    }
    // The landing page and a question about the content disturb nobody.
    assert_eq!(world.send(Method::HEAD, &his, &[]).await.status, StatusCode::OK);
    // Nothing of hers moves, as when a phone leaves the house.
    let again = world.response(ANOTHER, request(Method::GET, &hers, &[], Vec::new())).await;
    assert_eq!(again.status(), StatusCode::OK);
    assert!(first.into_body().collect().await.is_err(), "the first is cut");
    assert_eq!(again.into_body().collect().await.unwrap().to_bytes().len(), 1000);
}

#[tokio::test]
async fn an_empty_file_is_done_when_it_was_fetched() {
    let world = World::new(false, |folder| {
        let path = folder.join("empty");
        std::fs::write(&path, "").unwrap();
        let parcel = Parcel::open(std::slice::from_ref(&path)).unwrap();
        let goods = Goods::Send {
            files: vec![path],
            name: parcel.name().to_owned(),
            size: 0,
            count: 1,
            state: parcel.state(),
        };
        (goods, Presence::Parcel(parcel))
    });
    let place = world.take().await;
    assert_eq!(world.get(&place).await.status, StatusCode::OK);
    for path in [&place, &format!("/h/{TOKEN}")] {
        assert_eq!(world.get(path).await.status, StatusCode::GONE);
    }
}

#[tokio::test]
async fn what_is_off_away_or_over_says_so() {
    let world = World::sending(false, "a.bin");
    let place = world.take().await;
    let landing = format!("/h/{TOKEN}");
    let both = async |status: StatusCode| {
        for path in [&landing, &place] {
            assert_eq!(world.get(path).await.status, status, "{path}");
        }
    };
    world.front.desk.book().set_paused(true);
    both(StatusCode::SERVICE_UNAVAILABLE).await;
    world.front.desk.book().set_paused(false);
    let parcel =
        std::mem::replace(&mut world.front.desk.book().look(ID).unwrap().presence, Presence::Away);
    both(StatusCode::SERVICE_UNAVAILABLE).await;
    world.front.desk.book().look(ID).unwrap().presence = parcel;
    both(StatusCode::OK).await;
    world.front.desk.change(|book| book.finish(ID, Now::read()));
    both(StatusCode::GONE).await;
    world.front.desk.change(|book| book.remove(ID)).unwrap();
    both(StatusCode::NOT_FOUND).await;
}

fn tus(more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    [&[("tus-resumable", "1.0.0")], more].concat()
}

#[tokio::test]
async fn tus_says_what_it_can_and_refuses_what_it_cannot_read() {
    let world = World::asking(false, 3);
    let files = format!("/h/{TOKEN}/files");
    let options = world.send(Method::OPTIONS, &files, &[]).await;
    assert_eq!(options.status, StatusCode::NO_CONTENT);
    assert_eq!(options.headers["tus-version"], "1.0.0");
    assert_eq!(options.headers["tus-max-size"], "1000");
    assert_eq!(options.headers["tus-extension"], "creation,termination");
    for (headers, status) in [
        (vec![("upload-length", "5")], StatusCode::PRECONDITION_FAILED),
        (vec![("tus-resumable", "0.2.2"), ("upload-length", "5")], StatusCode::PRECONDITION_FAILED),
        (tus(&[]), StatusCode::BAD_REQUEST),
        (tus(&[("upload-length", "-5")]), StatusCode::BAD_REQUEST),
        (tus(&[("upload-length", "+5")]), StatusCode::BAD_REQUEST),
        (tus(&[("upload-length", "99999999999999999999")]), StatusCode::BAD_REQUEST),
        (tus(&[("upload-length", "1001")]), StatusCode::PAYLOAD_TOO_LARGE),
        (tus(&[("upload-length", "5"), ("origin", "https://evil.example")]), StatusCode::FORBIDDEN),
    ] {
        let seen = world.send(Method::POST, &files, &headers).await;
        assert_eq!(seen.status, status, "{headers:?}");
        assert_eq!(seen.headers["tus-resumable"], "1.0.0");
    }
    assert_eq!(world.files(), Vec::<String>::new(), "nothing was begun");
}

#[tokio::test]
async fn an_upload_goes_by_its_offset_and_its_length() {
    let world = World::asking(false, 3);
    let files = format!("/h/{TOKEN}/files");
    let begun = world.send(Method::POST, &files, &tus(&[("upload-length", "10")])).await;
    assert_eq!(begun.status, StatusCode::CREATED);
    let place = begun.headers[header::LOCATION].to_str().unwrap().to_owned();
    let stream = ("content-type", "application/offset+octet-stream");
    let patch = async |headers: &[(&str, &str)], body: &[u8]| {
        world.ask(SHE, request(Method::PATCH, &place, headers, body.to_vec())).await
    };
    let at_zero = tus(&[stream, ("upload-offset", "0")]);
    for (headers, body, status) in [
        (tus(&[("upload-offset", "0")]), 10, StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (tus(&[stream]), 10, StatusCode::BAD_REQUEST),
        (tus(&[stream, ("upload-offset", "x")]), 10, StatusCode::BAD_REQUEST),
        (tus(&[stream, ("upload-offset", "1")]), 9, StatusCode::CONFLICT),
        (tus(&[stream, ("upload-offset", "11")]), 1, StatusCode::CONFLICT),
        (vec![stream, ("upload-offset", "0")], 10, StatusCode::PRECONDITION_FAILED),
        // More than was announced.
        (at_zero.clone(), 11, StatusCode::PAYLOAD_TOO_LARGE),
        (at_zero.clone(), 5000, StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let seen = patch(&headers, &vec![b'x'; body]).await;
        assert_eq!(seen.status, status, "{headers:?} {body}");
    }
    let offset = async || {
        let seen = world.send(Method::HEAD, &place, &tus(&[])).await;
        (seen.status, seen.headers.get("upload-offset").map(|at| at.to_str().unwrap().to_owned()))
    };
    let (status, begin) = offset().await;
    assert_eq!((status, begin.as_deref()), (StatusCode::OK, Some("0")));
    assert_eq!(patch(&at_zero, b"01234").await.headers["upload-offset"], "5");
    assert_eq!(offset().await.1.as_deref(), Some("5"));
    assert_eq!(patch(&at_zero, b"01234").await.status, StatusCode::CONFLICT);
    let last = patch(&tus(&[stream, ("upload-offset", "5")]), b"56789").await;
    assert_eq!(
        (last.status, &last.headers["upload-offset"]),
        (StatusCode::NO_CONTENT, &"10".parse().unwrap())
    );
    assert_eq!(offset().await.1.as_deref(), Some("10"), "also when the last answer got lost");
    let [name] = &world.files()[..] else { panic!() };
    assert_eq!(std::fs::read(world.folder.path().join(name)).unwrap(), b"0123456789");
    for path in [format!("{files}/unknown"), format!("{files}/..%2f..%2fetc"), format!("{files}/")]
    {
        let seen = world.send(Method::HEAD, &path, &tus(&[])).await;
        assert_eq!(seen.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn what_a_file_is_called_is_only_a_word() {
    for (metadata, expected) in [
        (None, "file"),
        (Some("filename ".to_owned()), "file"),
        (Some("filename !!!".to_owned()), "file"),
        (Some("filetype eA==,filename eC50eHQ=".to_owned()), "x.txt"),
        (Some(format!("filename {}", BASE64_STANDARD.encode("../../etc/passwd"))), "passwd"),
        (Some(format!("filename {}", BASE64_STANDARD.encode("é".repeat(1000)))), ""),
    ] {
        let world = World::asking(false, 1);
        let mut headers = HashMap::from([("tus-resumable", "1.0.0"), ("upload-length", "0")]);
        if let Some(metadata) = &metadata {
            headers.insert("upload-metadata", metadata);
        }
        let headers: Vec<(&str, &str)> = headers.into_iter().collect();
        let begun = world.send(Method::POST, &format!("/h/{TOKEN}/files"), &headers).await;
        assert_eq!(begun.status, StatusCode::CREATED, "{metadata:?}");
        let [name] = &world.files()[..] else { panic!("{:?}", world.files()) };
        assert!(name.ends_with(expected), "{metadata:?}: {name}");
        assert!(matches!(world.stage(), Stage::Done { .. }));
    }
}

#[tokio::test]
async fn an_upload_that_is_given_up_leaves_nothing() {
    let world = World::asking(false, 3);
    let files = format!("/h/{TOKEN}/files");
    let begun = world.send(Method::POST, &files, &tus(&[("upload-length", "10")])).await;
    let place = begun.headers[header::LOCATION].to_str().unwrap().to_owned();
    assert_eq!(world.files().len(), 1);
    assert_eq!(world.send(Method::DELETE, &place, &tus(&[])).await.status, StatusCode::NO_CONTENT);
    assert_eq!(world.files(), Vec::<String>::new());
    assert_eq!(world.send(Method::DELETE, &place, &tus(&[])).await.status, StatusCode::NOT_FOUND);
    // A part for the whole.
    let put = request(
        Method::PUT,
        &format!("/h/{TOKEN}/a.bin"),
        &[("content-range", "bytes 5-9/10")],
        b"56789".to_vec(),
    );
    assert_eq!(world.ask(SHE, put).await.status, StatusCode::BAD_REQUEST);
    let put = request(Method::PUT, &format!("/h/{TOKEN}/a.bin"), &[], vec![b'x'; 1001]);
    assert_eq!(world.ask(SHE, put).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(world.files(), Vec::<String>::new());
}

#[tokio::test]
async fn what_is_sent_takes_no_files_and_what_is_asked_for_gives_none() {
    let world = World::asking(false, 1);
    let landing = format!("/h/{TOKEN}");
    assert_eq!(world.send(Method::POST, &format!("{landing}/take"), &[]).await.place(), landing);
    for path in ["/a.bin", "/file", "/.."] {
        assert_eq!(world.get(&format!("{landing}{path}")).await.status, StatusCode::NOT_FOUND);
    }
    let page = world.get(&landing).await;
    assert_eq!(page.status, StatusCode::OK);
}

#[tokio::test]
async fn odd_and_huge_headers_change_nothing() {
    let huge = "a,".repeat(30_000);
    let odd = HeaderValue::from_bytes(b"\xff\xfe; \xc3\x28").unwrap();
    let names = [
        "range",
        "if-range",
        "origin",
        "accept",
        "user-agent",
        "upload-length",
        "upload-offset",
        "upload-metadata",
        "tus-resumable",
        "content-type",
        "content-range",
        "sec-fetch-site",
        "cookie",
        "authorization",
    ];
    for (world, path) in [
        (World::sending(false, "a.bin"), "/a.bin"),
        (World::asking(false, 1), "/files"),
        (World::asking(false, 1), "/files/unknown"),
    ] {
        let ticket = match path {
            "/a.bin" => world.take().await,
            _ => format!("/h/{TOKEN}{path}"),
        };
        for value in [HeaderValue::from_str(&huge).unwrap(), odd.clone()] {
            for method in [Method::GET, Method::HEAD, Method::POST, Method::PATCH, Method::DELETE] {
                for place in [format!("/h/{TOKEN}"), format!("/h/{TOKEN}/take"), ticket.clone()] {
                    let mut request = request(method.clone(), &place, &[], Vec::new());
                    for name in names {
                        request.headers_mut().insert(name, value.clone());
                    }
                    let seen = world.ask(SHE, request).await;
                    assert!(!seen.status.is_server_error(), "{method} {place}: {}", seen.status);
                    assert!(seen.headers.values().all(|answer| answer.len() < 4096));
                }
            }
        }
        assert_eq!(world.stage(), Stage::Waiting);
        let left: Vec<String> = world.files().into_iter().filter(|name| name != "a.bin").collect();
        assert_eq!(left, Vec::<String>::new(), "no draft was begun");
    }
}

#[tokio::test]
async fn a_stalled_upload_holds_up_nobody_else() {
    let world = World::asking(false, 3);
    let files = format!("/h/{TOKEN}/files");
    let begun = world.send(Method::POST, &files, &tus(&[("upload-length", "10")])).await;
    let place = begun.headers[header::LOCATION].to_str().unwrap().to_owned();
    let stalled = http_body_util::StreamBody::new(futures_util::stream::pending::<
        Result<http_body::Frame<bytes::Bytes>, crosstalk::transaction::BodyError>,
    >());
    let mut patch = request(
        Method::PATCH,
        &place,
        &tus(&[("upload-offset", "0"), ("content-type", "application/offset+octet-stream")]),
        Vec::new(),
    );
    *patch.body_mut() = transaction::boxed(stalled);
    let mut stalled = Box::pin(world.ask(SHE, patch));
    // Until it has the draft open.
    while !world.front.desk.book().entry(ID).unwrap().uploads.is_coming(begun_id(&place)) {
        assert!(futures_util::poll!(&mut stalled).is_pending());
        tokio::task::yield_now().await;
    }
    let put = request(Method::PUT, &format!("/h/{TOKEN}/b.bin"), &[], b"hello".to_vec());
    let other = tokio::select! {
        other = world.ask(ANOTHER, put) => other,
        _ = &mut stalled => panic!("it goes on waiting"),
    };
    assert_eq!(other.status, StatusCode::CREATED);
    let headers = tus(&[]);
    let given_up = world.send(Method::DELETE, &place, &headers);
    let (ended, given_up) = tokio::join!(stalled, given_up);
    assert_eq!((ended.status, given_up.status), (StatusCode::CONFLICT, StatusCode::NO_CONTENT));
    assert_eq!(world.files(), ["b.bin"]);
}

fn begun_id(place: &str) -> &str {
    place.rsplit('/').next().unwrap()
}
