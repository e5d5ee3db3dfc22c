//! One file, as it is.

use std::{fs, io::Write as _, path::Path, time::Duration};

use http::Method;
use http_body_util::BodyExt as _;
use sites::{
    Delivery,
    folder::ReadError,
    hand_over::{Parcel, ParcelError},
};

use crate::place::{Place, ask, drain, get, long_ago, pattern, respond, set_modified};

#[tokio::test]
async fn sends_a_file_that_no_browser_shows() {
    let place = Place::new();
    place.put("grüße.html", "<script>alert(1)</script>");
    let parcel = place.parcel(&["grüße.html"]);
    assert_eq!((parcel.name(), parcel.size(), parcel.files().len()), ("grüße.html", 25, 1));
    let answer = get(&parcel, &[("accept", "text/html")]).await;
    assert_eq!(
        (answer.status.as_u16(), answer.text().as_str()),
        (200, "<script>alert(1)</script>")
    );
    for (name, expected) in [
        ("content-type", "application/octet-stream"),
        ("content-length", "25"),
        (
            "content-disposition",
            "attachment; filename=\"gr__e.html\"; filename*=UTF-8''gr%C3%BC%C3%9Fe.html",
        ),
        ("content-security-policy", "sandbox; default-src 'none'"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
        ("x-robots-tag", "noindex, nofollow"),
        ("accept-ranges", "bytes"),
    ] {
        assert_eq!(answer.header(name), Some(expected), "{name}");
    }
    assert!(answer.header("etag").unwrap().starts_with('"'), "the tag is a strong one");
    let name = String::from("grüße.html");
    assert_eq!(answer.delivery, Some(Delivery { name, size: 25, offset: 0, length: 25 }));
    let head = ask(&parcel, Method::HEAD, &[]).await;
    assert_eq!((head.status, &head.headers), (answer.status, &answer.headers));
    assert_eq!((head.body.len(), head.delivery), (0, None));
    let post = ask(&parcel, Method::POST, &[]).await;
    assert_eq!((post.status.as_u16(), post.header("allow")), (405, Some("GET, HEAD")));
    assert!(!post.text().contains("Go to the start"), "{}", post.text());
}

#[tokio::test]
async fn goes_on_where_it_was_cut() {
    let place = Place::new();
    let bytes = pattern(3_000_000);
    place.put("a.bin", &bytes);
    let parcel = place.parcel(&["a.bin"]);
    let whole = get(&parcel, &[]).await;
    assert!(whole.cut.is_none() && whole.body == bytes);
    let tag = whole.header("etag").unwrap();
    for (range, expected) in [
        ("bytes=1000000-", 1_000_000..3_000_000),
        ("bytes=1-2999998", 1..2_999_999),
        ("bytes=2999999-", 2_999_999..3_000_000),
        ("bytes=-300000", 2_700_000..3_000_000),
    ] {
        // A parcel of the same file, opened again, goes on as well.
        for parcel in [&parcel, &place.parcel(&["a.bin"])] {
            let part = get(parcel, &[("range", range), ("if-range", tag)]).await;
            assert_eq!(part.status, 206);
            let delivery = part.delivery.unwrap();
            assert_eq!((delivery.offset, delivery.size), (expected.start as u64, 3_000_000));
            assert!(part.body == bytes[expected.clone()], "{range}");
        }
    }
    let other = get(&parcel, &[("range", "bytes=5-"), ("if-range", "\"other\"")]).await;
    assert_eq!((other.status.as_u16(), other.body.len()), (200, bytes.len()));
    let beyond = get(&parcel, &[("range", "bytes=3000000-")]).await;
    assert_eq!(
        (beyond.status.as_u16(), beyond.header("content-range")),
        (416, Some("bytes */3000000"))
    );
}

#[tokio::test]
async fn sends_an_empty_file() {
    let place = Place::new();
    place.put("empty", "");
    let answer = get(&place.parcel(&["empty"]), &[]).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-length")), (200, Some("0")));
    assert_eq!(answer.delivery.map(|delivery| delivery.length), Some(0));
}

#[tokio::test]
async fn what_is_not_what_it_was_is_not_sent() {
    let place = Place::new();
    let path = place.put("a.txt", "0123456789");
    let parcel = place.parcel(&["a.txt"]);
    let state = parcel.state();
    assert_eq!(place.parcel(&["a.txt"]).state(), state);
    let away = async |why: &str| {
        let answer = get(&parcel, &[]).await;
        assert_eq!(answer.status, 503, "{why}");
        assert!(answer.text().contains("Not there at the moment"), "{why}: {}", answer.text());
        assert_eq!((answer.header("retry-after"), &answer.delivery), (Some("10"), &None), "{why}");
        assert_eq!(answer.header("content-disposition"), None, "{why}");
    };
    fs::write(&path, "9876543210").unwrap();
    away("written to").await;
    assert_ne!(place.parcel(&["a.txt"]).state(), state);
    set_modified(&path, long_ago());
    assert_eq!(get(&parcel, &[]).await.status, 200, "no system can tell it now");
    fs::write(&path, "0123456789+").unwrap();
    set_modified(&path, long_ago());
    away("another size").await;
    place.put("b.txt", "0123456789");
    fs::rename(place.at("b.txt"), &path).unwrap();
    #[cfg(unix)]
    away("another file in its place").await;
    fs::remove_file(&path).unwrap();
    away("gone").await;
    fs::create_dir(&path).unwrap();
    away("a folder in its place").await;
}

#[cfg(unix)]
#[tokio::test]
async fn never_follows_a_link_that_takes_the_place_of_a_file() {
    let place = Place::new();
    let path = place.put("a.txt", "0123456789");
    // What the owner chooses may be a link.
    std::os::unix::fs::symlink(&path, place.at("link.txt")).unwrap();
    let chosen = place.parcel(&["link.txt"]);
    assert_eq!(chosen.name(), "link.txt");
    assert_eq!(get(&chosen, &[]).await.text(), "0123456789");
    let parcel = place.parcel(&["a.txt"]);
    // The very same file, by a link: still not what was chosen.
    fs::rename(&path, place.at("moved.txt")).unwrap();
    std::os::unix::fs::symlink("moved.txt", &path).unwrap();
    for parcel in [&parcel, &chosen] {
        assert_eq!(get(parcel, &[]).await.status, 503);
    }
}

#[tokio::test]
async fn a_file_that_changes_on_its_way_is_cut() {
    let place = Place::new();
    let bytes = pattern(8_000_000);
    type Change = fn(&Path);
    let changes: [(&str, Change); 3] = [
        ("shorter", |path| {
            fs::File::options().write(true).open(path).unwrap().set_len(1_000_000).unwrap();
        }),
        ("longer", |path| {
            fs::File::options().append(true).open(path).unwrap().write_all(b"more").unwrap();
        }),
        ("changed", |path| set_modified(path, long_ago() + Duration::from_secs(1))),
    ];
    for (how, change) in changes {
        let path = place.put("a.bin", &bytes);
        let parcel = place.parcel(&["a.bin"]);
        let mut body = respond(&parcel, Method::GET, &[]).await.into_body();
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        change(&path);
        let (rest, cut) = drain(body).await;
        assert!(matches!(cut, Some(ReadError::Shorter | ReadError::Changed)), "{how}: {cut:?}");
        assert!(first.len() + rest.len() < bytes.len(), "{how}");
        assert!(bytes.starts_with(&[&first[..], &rest].concat()), "{how}");
    }
}

#[test]
fn says_what_cannot_be_sent() {
    let place = Place::new();
    place.put("a.txt", "0");
    assert!(matches!(Parcel::open(&[]), Err(ParcelError::Count)));
    let many = vec![place.at("a.txt"); sites::hand_over::MAX_FILES + 1];
    assert!(matches!(Parcel::open(&many), Err(ParcelError::Count)));
    let failed = |name: &str| Parcel::open(&[place.at(name)]).unwrap_err();
    assert!(
        matches!(failed("nothing"), ParcelError::NotFound(path) if path == place.at("nothing"))
    );
    assert!(matches!(failed("a.txt/b"), ParcelError::NotFound(_)));
    assert!(matches!(failed("."), ParcelError::NotAFile(_)));
    #[cfg(unix)]
    {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        mknodat(CWD, place.at("fifo"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert!(matches!(failed("fifo"), ParcelError::NotAFile(_)));
        assert!(matches!(
            Parcel::open(&["/dev/zero".into()]).unwrap_err(),
            ParcelError::NotAFile(_)
        ));
    }
}
