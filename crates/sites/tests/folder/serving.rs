//! What visitors get: files, parts of them, conditions, listings, and words when it goes wrong.

use std::{
    fs,
    path::Path,
    time::{Duration, SystemTime},
};

use crate::place::{Place, set_modified};
use http::Method;
use sites::{
    Delivery,
    folder::{Folder, FolderOptions, Health, OpenError},
};

#[tokio::test]
async fn serves_a_file_with_all_that_belongs_to_it() {
    let place = Place::new();
    place.put("docs/a b.txt", "0123456789");
    let answer = place.get("/docs/a%20b.txt").await;
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, "0123456789"));
    for (name, expected) in [
        ("content-type", "text/plain; charset=utf-8"),
        ("content-length", "10"),
        ("accept-ranges", "bytes"),
        ("last-modified", "Sun, 09 Sep 2001 01:46:40 GMT"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "private, no-cache"),
    ] {
        assert_eq!(answer.header(name), Some(expected), "{name}");
    }
    assert!(answer.header("etag").unwrap().starts_with('"'));
    assert_eq!(answer.header("content-disposition"), None);
    let name = String::from("docs/a b.txt");
    assert_eq!(answer.delivery, Some(Delivery { name, size: 10, offset: 0, length: 10 }));
}

#[tokio::test]
async fn answers_head_like_get_without_a_body() {
    let place = Place::new();
    place.put("a.txt", "0123456789");
    place.put("large.bin", vec![7; 1_000_000]);
    fs::create_dir(place.at("empty")).unwrap();
    for (target, headers) in [
        ("/a.txt", &[][..]),
        ("/large.bin?download", &[]),
        ("/", &[]),
        ("/empty/", &[]),
        ("/nothing", &[]),
        ("/nothing", &[("accept", "text/html")]),
        ("/%", &[]),
        ("/empty", &[]),
        ("/a.txt", &[("if-none-match", "*")]),
        ("/a.txt", &[("if-match", "\"x\"")]),
    ] {
        let get = place.ask(Method::GET, target, headers).await;
        let head = place.ask(Method::HEAD, target, headers).await;
        assert_eq!(get.status, head.status, "{target}");
        assert_eq!(get.headers, head.headers, "{target}");
        assert_eq!((head.body.len(), head.delivery), (0, None), "{target}");
        if get.status != 304 {
            assert_eq!(
                get.header("content-length"),
                Some(get.body.len().to_string().as_str()),
                "{target}"
            );
        }
    }
}

#[tokio::test]
async fn cuts_ranges() {
    let place = Place::new();
    place.put("a.txt", "0123456789");
    place.put("empty.txt", "");
    for (target, range, status, body, content_range) in [
        ("/a.txt", "bytes=0-0", 206, "0", Some("bytes 0-0/10")),
        ("/a.txt", "bytes=2-4", 206, "234", Some("bytes 2-4/10")),
        ("/a.txt", "bytes=7-", 206, "789", Some("bytes 7-9/10")),
        ("/a.txt", "bytes=-3", 206, "789", Some("bytes 7-9/10")),
        ("/a.txt", "bytes=-100", 206, "0123456789", Some("bytes 0-9/10")),
        ("/a.txt", "bytes=0-100", 206, "0123456789", Some("bytes 0-9/10")),
        ("/a.txt", "bytes=0-1,4-5", 200, "0123456789", None),
        ("/a.txt", "bytes=5-2", 200, "0123456789", None),
        ("/a.txt", "lines=0-1", 200, "0123456789", None),
        ("/empty.txt", "bytes=-5", 200, "", None),
    ] {
        let answer = place.ask(Method::GET, target, &[("range", range)]).await;
        assert_eq!(answer.status, status, "{range}");
        assert_eq!(answer.text(), body, "{range}");
        assert_eq!(answer.header("content-range"), content_range, "{range}");
        assert_eq!(
            answer.header("content-length"),
            Some(body.len().to_string().as_str()),
            "{range}"
        );
        let delivery = answer.delivery.unwrap();
        assert_eq!(delivery.length, body.len() as u64, "{range}");
    }
    for (target, range, content_range) in [
        ("/a.txt", "bytes=10-", "bytes */10"),
        ("/a.txt", "bytes=-0", "bytes */10"),
        ("/empty.txt", "bytes=0-0", "bytes */0"),
    ] {
        let answer =
            place.ask(Method::GET, target, &[("range", range), ("accept", "text/html")]).await;
        assert_eq!(answer.status, 416, "{range}");
        assert_eq!(answer.header("content-range"), Some(content_range), "{range}");
        assert!(answer.text().contains("This part is not there"), "{range}");
        assert_eq!(answer.delivery, None);
    }
    let middle = place.ask(Method::GET, "/a.txt", &[("range", "bytes=3-5")]).await;
    assert_eq!(middle.delivery.map(|delivery| (delivery.offset, delivery.size)), Some((3, 10)));
    // Ranges are for GET alone.
    let head = place.ask(Method::HEAD, "/a.txt", &[("range", "bytes=0-0")]).await;
    assert_eq!((head.status.as_u16(), head.header("content-length")), (200, Some("10")));
}

#[tokio::test]
async fn answers_conditions() {
    let place = Place::new();
    place.put("a.txt", "0123456789");
    let tag = place.get("/a.txt").await.header("etag").unwrap().to_owned();
    let changed = "Sun, 09 Sep 2001 01:46:40 GMT";
    let before = "Sun, 09 Sep 2001 01:46:39 GMT";
    for (headers, status) in [
        (&[("if-none-match", tag.as_str())][..], 304),
        (&[("if-none-match", "\"x\"")], 200),
        (&[("if-modified-since", changed)], 304),
        (&[("if-modified-since", before)], 200),
        (&[("if-match", tag.as_str())], 200),
        (&[("if-match", "\"x\"")], 412),
        (&[("if-unmodified-since", before)], 412),
        (&[("if-range", tag.as_str()), ("range", "bytes=0-1")], 206),
        (&[("if-range", changed), ("range", "bytes=0-1")], 206),
        (&[("if-range", "\"x\""), ("range", "bytes=0-1")], 200),
        (&[("if-range", before), ("range", "bytes=0-1")], 200),
        // A condition that fails comes before the range.
        (&[("if-none-match", tag.as_str()), ("range", "bytes=0-1")], 304),
        (&[("if-match", "\"x\""), ("range", "bytes=100-")], 412),
        (&[("if-match", tag.as_str()), ("range", "bytes=100-")], 416),
        // And the wrong `If-Range` takes the impossible range away.
        (&[("if-range", "\"x\""), ("range", "bytes=100-")], 200),
    ] {
        let answer = place.ask(Method::GET, "/a.txt", headers).await;
        assert_eq!(answer.status, status, "{headers:?}");
        if status == 304 {
            assert_eq!(answer.header("etag"), Some(tag.as_str()));
            assert_eq!(answer.header("last-modified"), Some(changed));
            assert_eq!((answer.body.len(), answer.delivery), (0, None));
        }
    }
}

#[tokio::test]
async fn never_joins_parts_of_two_files() {
    let place = Place::new();
    place.put("a.txt", "0123456789");
    let tag = place.get("/a.txt").await.header("etag").unwrap().to_owned();
    // The same size and the same second.
    fs::write(place.at("a.txt"), "abcdefghij").unwrap();
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    set_modified(&place.at("a.txt"), at + Duration::from_nanos(100_000));
    let answer =
        place.ask(Method::GET, "/a.txt", &[("if-range", &tag), ("range", "bytes=5-")]).await;
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, "abcdefghij"));
    // What was changed a moment ago may change again without its time showing it.
    set_modified(&place.at("a.txt"), SystemTime::now());
    let answer = place.get("/a.txt").await;
    assert!(answer.header("etag").unwrap().starts_with("W/"));
}

#[tokio::test]
async fn allows_reading_alone() {
    let place = Place::new();
    place.put("a.txt", "0123456789");
    for method in ["POST", "PUT", "DELETE", "PATCH", "PROPFIND", "TRACE", "BREW"] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let answer = place.ask(method.clone(), "/a.txt", &[("accept", "text/html,*/*")]).await;
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.header("allow"), Some("GET, HEAD, OPTIONS"), "{method}");
        assert!(answer.text().contains("This can only be read"), "{method}");
    }
    let answer = place.ask(Method::OPTIONS, "/a.txt", &[]).await;
    assert_eq!((answer.status.as_u16(), answer.header("allow")), (204, Some("GET, HEAD, OPTIONS")));
    let answer = place.ask(Method::OPTIONS, "*", &[]).await;
    assert_eq!(answer.status, 204);
}

#[tokio::test]
async fn leads_to_the_slash_of_a_folder() {
    let place = Place::new();
    for (folder, target, location) in [
        ("a", "/a", "./a/"),
        ("a/b", "/a/b", "./b/"),
        ("a", "/a?x=1&y=%2F", "./a/?x=1&y=%2F"),
        ("javascript:x", "/javascript:x", "./javascript%3Ax/"),
        ("evil.example", "/evil.example", "./evil.example/"),
        ("a b", "/a%20b", "./a%20b/"),
        ("%2e%2e", "/%252e%252e", "./%252e%252e/"),
    ] {
        if cfg!(windows) && folder.contains(':') {
            continue;
        }
        fs::create_dir_all(place.at(folder)).unwrap();
        let answer = place.get(target).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("location")),
            (308, Some(location)),
            "{target}"
        );
    }
    place.put("file.txt", "x");
    assert_eq!(place.get("/file.txt/").await.status, 404);
    assert_eq!(place.get("/file.txt/more").await.status, 404);
}

#[tokio::test]
async fn shows_the_index_of_a_folder() {
    let place = Place::new();
    place.put("index.html", "<h1>Mine</h1>");
    place.put("old/index.htm", "old");
    place.put("both/index.htm", "old");
    place.put("both/index.html", "new");
    fs::create_dir_all(place.at("strange/index.html")).unwrap();
    let answer = place.get("/").await;
    assert_eq!(answer.text(), "<h1>Mine</h1>");
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(answer.delivery.unwrap().name, "index.html");
    assert_eq!(answer.headers.get("content-security-policy"), None);
    let old = place.get("/old/").await;
    assert_eq!(
        (old.text().as_str(), old.delivery.unwrap().name.as_str()),
        ("old", "old/index.htm")
    );
    assert_eq!(place.get("/both/").await.text(), "new");
    assert!(place.get("/strange/").await.text().contains("href=\"index.html/\""));
}

#[tokio::test]
async fn keeps_hidden_files_to_itself() {
    let hidden =
        [".env", ".git/config", "a/.secret/b.txt", "Thumbs.db", "desktop.ini", ".DS_Store", "a/.x"];
    for shows_hidden in [false, true] {
        let place = Place::with(FolderOptions { hidden: shows_hidden });
        place.put("a/b.txt", "x");
        for name in hidden {
            place.put(name, "secret");
        }
        for name in hidden {
            let status = if shows_hidden { 200 } else { 404 };
            assert_eq!(place.get(&format!("/{name}")).await.status, status, "{name}");
            let encoded = format!("/{}", name.replace('.', "%2E"));
            assert_eq!(place.get(&encoded).await.status, status, "{encoded}");
        }
        assert_eq!(place.get("/.git").await.status, if shows_hidden { 308 } else { 404 });
        let listing = place.get("/").await.text();
        for name in [".env", ".git/", "Thumbs.db", "desktop.ini", ".DS_Store"] {
            assert_eq!(listing.contains(&format!("href=\"{name}\"")), shows_hidden, "{name}");
        }
    }
}

#[tokio::test]
async fn names_downloads_when_asked() {
    let place = Place::new();
    place.put("grüße.txt", "x");
    let answer = place.get("/gr%C3%BC%C3%9Fe.txt?download").await;
    assert_eq!(
        answer.header("content-disposition"),
        Some("attachment; filename=\"gr__e.txt\"; filename*=UTF-8''gr%C3%BC%C3%9Fe.txt")
    );
}

#[tokio::test]
async fn lists_a_folder_safely() {
    let place = Place::new();
    fs::create_dir(place.at("empty")).unwrap();
    place.put("b/c d/x&y.txt", "x");
    let answer = place.get("/b/c%20d/").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(answer.delivery, None);
    let page = answer.text();
    for part in [
        "<h1><bdi>c d</bdi></h1>",
        "href=\"x%26y.txt\"",
        "<bdi>x&amp;y.txt</bdi>",
        "href=\"../../\"",
        "href=\"../\"",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
    assert!(!page.contains("<script"), "{page}");
    assert!(place.get("/empty/").await.text().contains("This folder is empty."));
    assert!(place.get("/").await.text().contains("<h1><bdi>site</bdi></h1>"));
}

#[tokio::test]
async fn lists_ten_thousand_entries_and_says_when_there_are_more() {
    let place = Place::new();
    for index in 0..10_000 {
        fs::write(place.at(&format!("file {index}.txt")), "").unwrap();
    }
    let page = place.get("/").await.text();
    assert_eq!(page.matches("<li>").count(), 10_000);
    assert!(page.contains("10000 files") && !page.contains("There is more in this folder"));
    fs::write(place.at("one more.txt"), "").unwrap();
    let page = place.get("/").await.text();
    assert_eq!(page.matches("<li>").count(), 10_000);
    assert!(page.contains("There is more in this folder than the 10000 entries"));
}

#[tokio::test]
async fn speaks_to_people_and_to_programs() {
    let place = Place::new();
    for (target, status, title) in
        [("/nothing", 404, "Nothing is here"), ("/a/%2e%2e/b", 400, "This address is damaged")]
    {
        let page = place.ask(Method::GET, target, &[("accept", "text/html,*/*;q=0.8")]).await;
        assert_eq!(
            (page.status.as_u16(), page.header("content-type")),
            (status, Some("text/html; charset=utf-8"))
        );
        assert!(page.text().contains(&format!("<h1>{title}</h1>")), "{}", page.text());
        assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
        let text = place.ask(Method::GET, target, &[("accept", "*/*")]).await;
        assert_eq!(
            (text.status.as_u16(), text.header("content-type")),
            (status, Some("text/plain; charset=utf-8"))
        );
        assert!(text.text().starts_with(&format!("{status} {title}\n")), "{}", text.text());
        assert_eq!((page.header("vary"), text.header("vary")), (Some("accept"), Some("accept")));
    }
}

#[tokio::test]
async fn survives_its_folder_going_and_coming_back() {
    let place = Place::new();
    place.put("a.txt", "first");
    assert_eq!(place.folder.look().await, Health::There);
    fs::remove_dir_all(place.at("")).unwrap();
    let answer = place.ask(Method::GET, "/a.txt", &[("accept", "text/html")]).await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("retry-after"), Some("10"));
    assert!(answer.text().contains("The folder is away"));
    assert_eq!(place.get("/").await.status, 503);
    assert_eq!(place.folder.look().await, Health::Gone);
    fs::create_dir(place.at("")).unwrap();
    assert_eq!(place.folder.look().await, Health::There);
    place.put("a.txt", "second");
    assert_eq!(place.get("/a.txt").await.text(), "second");
    fs::remove_dir_all(place.at("")).unwrap();
    let site = place.outer().join("site");
    fs::write(&site, "a file now").unwrap();
    assert_eq!(place.get("/").await.status, 503);
}

#[test]
fn says_why_a_folder_does_not_open() {
    let place = Place::new();
    place.put("a.txt", "x");
    let open = |path: &Path| Folder::open(path, FolderOptions::default());
    assert!(matches!(open(&place.at("nothing")), Err(OpenError::NotFound(_))));
    assert!(matches!(open(&place.at("a.txt")), Err(OpenError::NotAFolder(_))));
    assert!(matches!(open(&place.at("a.txt/b")), Err(OpenError::NotAFolder(_))));
}

#[cfg(unix)]
#[tokio::test]
async fn serves_names_that_are_not_text() {
    use std::os::unix::ffi::OsStrExt as _;
    let place = Place::new();
    for name in
        [&b"\xff\xfe.txt"[..], b"new\nline.txt", b"back\\slash.txt", b"100%.txt", b"a:b", b" "]
    {
        fs::write(place.at("").join(std::ffi::OsStr::from_bytes(name)), "x").unwrap();
    }
    let page = place.get("/").await.text();
    for target in ["%FF%FE.txt", "new%0Aline.txt", "back%5Cslash.txt", "100%25.txt", "a%3Ab", "%20"]
    {
        assert!(page.contains(&format!("href=\"{target}\"")), "{target} in {page}");
        let answer = place.get(&format!("/{target}")).await;
        assert_eq!(answer.text(), "x", "{target}");
        let name = answer.delivery.unwrap().name;
        assert!(!name.contains(|letter: char| letter.is_control()), "{name:?}");
    }
}
