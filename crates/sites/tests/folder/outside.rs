//! Nothing outside the folder, ever.

use crate::place::{CANARY, Place};
use http::{Method, StatusCode, Uri};
use proptest::prelude::*;
use sites::folder::{FolderOptions, Health};

/// Paths that lead out somewhere, on some system, in some decoder.
const HOSTILE: &[&str] = &[
    "/../canary.txt",
    "/..",
    "/../",
    "/%2e%2e/canary.txt",
    "/%2E%2E/canary.txt",
    "/.%2e/canary.txt",
    "/%2e./canary.txt",
    "/%252e%252e/canary.txt",
    "/%25%32%65%25%32%65/canary.txt",
    "/..%2fcanary.txt",
    "/..%2Fcanary.txt",
    "/..%252fcanary.txt",
    "/%2e%2e%2fcanary.txt",
    "/..%5ccanary.txt",
    "/..%255ccanary.txt",
    "/..\\canary.txt",
    "/sub/../../canary.txt",
    "/sub/%2e%2e/%2e%2e/canary.txt",
    "/sub/..%2f..%2fcanary.txt",
    "/sub/..%5c..%5ccanary.txt",
    "/sub%2f..%2f..%2fcanary.txt",
    "/%c0%ae%c0%ae/canary.txt",
    "/%e0%80%ae%e0%80%ae/canary.txt",
    "/%f0%80%80%ae%f0%80%80%ae/canary.txt",
    "/..%c0%afcanary.txt",
    "/..%c1%9ccanary.txt",
    "/%uff0e%uff0e/canary.txt",
    "/%ef%bc%8e%ef%bc%8e/canary.txt",
    "/..;/canary.txt",
    "/...//canary.txt",
    "/....//canary.txt",
    "/a.txt/../../canary.txt",
    "/a.txt%00/../../canary.txt",
    "/%00/../canary.txt",
    "/..%00/canary.txt",
    "//etc/passwd",
    "//canary.txt",
    "/%2fetc%2fpasswd",
    "/%2Fetc/passwd",
    "/etc/passwd",
    "/C:/Windows/win.ini",
    "/C:%5CWindows%5Cwin.ini",
    "/c|/windows/win.ini",
    "/sub/C:/canary.txt",
    "/%5c%5cserver%5cshare%5ccanary.txt",
    "/%5c%5c%3f%5cC:%5ccanary.txt",
    "/a.txt::$DATA",
    "/a.txt:stream",
    "/a.txt%20",
    "/a.txt.",
    "/CON",
    "/COM%c2%b9.txt",
    "/./../canary.txt",
    "/.../canary.txt",
    "/..%0d%0a/canary.txt",
    "/..%09/canary.txt",
    "/proc/self/root/etc/passwd",
];

#[tokio::test]
async fn never_leaves_by_a_path() {
    let place = Place::with(FolderOptions { hidden: true });
    place.put("a.txt", "inside");
    place.put("sub/b.txt", "inside");
    for target in HOSTILE {
        let Ok(uri) = target.parse::<Uri>() else { continue };
        for method in [Method::GET, Method::HEAD] {
            let answer = place.ask(method, &uri.to_string(), &[]).await;
            assert!(
                matches!(answer.status, StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST),
                "{target}: {}",
                answer.status
            );
            assert!(
                !answer.text().contains(CANARY) && !answer.text().contains("root:"),
                "{target}"
            );
        }
    }
}

#[tokio::test]
async fn takes_only_the_path_of_an_absolute_address() {
    let place = Place::new();
    place.put("a.txt", "inside");
    assert_eq!(place.get("http://elsewhere.example/a.txt").await.text(), "inside");
    assert_eq!(place.get("http://elsewhere.example/../canary.txt").await.status, 400);
    assert_eq!(place.get("*").await.status, 400);
}

#[cfg(unix)]
mod links {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[tokio::test]
    async fn follows_links_that_stay_and_no_others() {
        let place = Place::new();
        place.put("sub/deep/b.txt", "inside");
        place.put("a.txt", "inside");
        fs::create_dir(place.outer().join("beside")).unwrap();
        fs::write(place.outer().join("beside/secret.txt"), CANARY).unwrap();
        for (target, link) in [
            ("../canary.txt", "relative"),
            ("sub/../../canary.txt", "winding"),
            ("../site/a.txt", "out-and-back"),
            ("..", "up"),
            ("../beside", "beside"),
            ("relative", "chain-1"),
            ("chain-1", "chain-2"),
            ("up/canary.txt", "through"),
            ("loop", "loop"),
            ("nowhere", "dangling"),
            ("/etc", "etc"),
            ("/etc/passwd", "passwd"),
            ("/proc/self/root", "magic"),
            ("/dev/zero", "zero"),
        ] {
            symlink(target, place.at(link)).unwrap();
        }
        symlink(place.outer().join("canary.txt"), place.at("absolute")).unwrap();
        symlink(place.outer(), place.at("absolute-folder")).unwrap();
        symlink("../../../canary.txt", place.at("sub/deep/from-below")).unwrap();
        symlink("../../canary.txt", place.at("index.html")).unwrap();

        for target in [
            "/relative",
            "/winding",
            "/out-and-back",
            "/up/canary.txt",
            "/up/",
            "/up",
            "/beside/",
            "/beside/secret.txt",
            "/chain-1",
            "/chain-2",
            "/through",
            "/loop",
            "/dangling",
            "/etc/",
            "/etc/passwd",
            "/passwd",
            "/magic/etc/passwd",
            "/zero",
            "/absolute",
            "/absolute-folder/",
            "/absolute-folder/canary.txt",
            "/up/site/a.txt",
            "/sub/deep/from-below",
            "/index.html",
        ] {
            let answer = place.get(target).await;
            assert_eq!(answer.status, 404, "{target}: {}", answer.text());
            assert!(!answer.text().contains(CANARY), "{target}");
        }

        symlink("a.txt", place.at("good-file")).unwrap();
        symlink("sub/deep", place.at("good-folder")).unwrap();
        symlink("../../a.txt", place.at("sub/deep/good-up")).unwrap();
        for target in
            ["/good-file", "/good-folder/b.txt", "/sub/deep/good-up", "/good-folder/good-up"]
        {
            assert_eq!(place.get(target).await.text(), "inside", "{target}");
        }

        // The listing shows what opens, and nothing else.
        let listing = place.get("/").await.text();
        for shown in ["good-file", "good-folder/", "a.txt", "sub/"] {
            assert!(listing.contains(&format!("href=\"{shown}\"")), "{shown} in {listing}");
        }
        for left_out in
            ["relative", "absolute", "up/", "etc/", "passwd", "zero", "loop", "dangling", "chain-1"]
        {
            assert!(!listing.contains(&format!("href=\"{left_out}\"")), "{left_out} in {listing}");
        }
    }

    #[tokio::test]
    async fn treats_hard_links_as_files() {
        let place = Place::new();
        place.put("a.txt", "inside");
        fs::hard_link(place.at("a.txt"), place.at("b.txt")).unwrap();
        assert_eq!(place.get("/b.txt").await.text(), "inside");
    }

    #[tokio::test]
    async fn never_waits_for_a_fifo_and_never_opens_a_socket() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let place = Place::new();
        mknodat(CWD, place.at("fifo"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        fs::create_dir(place.at("sub")).unwrap();
        mknodat(CWD, place.at("sub/index.html"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
            .unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(place.at("socket")).unwrap();
        symlink("fifo", place.at("to-fifo")).unwrap();
        for target in ["/fifo", "/socket", "/to-fifo", "/sub/index.html"] {
            assert_eq!(place.get(target).await.status, 404, "{target}");
            assert_eq!(place.ask(Method::HEAD, target, &[]).await.status, 404, "{target}");
        }
        let listing = place.get("/").await.text();
        assert!(!listing.contains("fifo") && !listing.contains("socket"), "{listing}");
        assert_eq!(place.get("/sub/").await.status, 200);
    }

    #[tokio::test]
    async fn does_not_take_a_link_for_the_folder_brought_back() {
        let place = Place::new();
        place.put("a.txt", "inside");
        let site = place.at("");
        let site = site.parent().unwrap().join("site");
        fs::rename(&site, place.outer().join("moved")).unwrap();
        assert_eq!(place.folder.look().await, Health::Gone);
        symlink(place.outer(), &site).unwrap();
        assert_eq!(place.get("/canary.txt").await.status, 503);
        assert_eq!(place.folder.look().await, Health::Gone);
        fs::remove_file(&site).unwrap();
        fs::rename(place.outer().join("moved"), &site).unwrap();
        assert_eq!(place.get("/a.txt").await.text(), "inside");
    }
}

fn hostile_path() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        12 => proptest::sample::select(vec![
            "..", "up", "down", "abs", "sub", "site", "canary.txt", "a.txt", "index.html", "%2e%2e", ".", "etc",
            "passwd", "C:", "%c0%ae%c0%ae", "..%00", "~", "",
        ]).prop_map(str::to_owned),
        1 => any::<u8>().prop_map(|byte| format!("%{byte:02x}")),
        1 => "[!-~]{1,3}",
    ];
    let separator = prop_oneof![
        12 => Just("/"),
        1 => proptest::sample::select(vec!["//", "%2f", "%5c", "\\", "%00", "%", "%25", "?", "#", ";", ""]),
    ];
    proptest::collection::vec((separator, name), 0..6)
        .prop_map(|parts| parts.iter().map(|(between, name)| format!("{between}{name}")).collect())
        .prop_map(|path: String| if path.starts_with('/') { path } else { format!("/{path}") })
}

#[test]
fn never_leaves_by_any_path() {
    let place = Place::with(FolderOptions { hidden: true });
    place.put("a.txt", "inside");
    place.put("sub/a.txt", "inside");
    #[cfg(unix)]
    {
        use std::os::unix::fs::symlink;
        symlink("..", place.at("up")).unwrap();
        symlink("sub", place.at("down")).unwrap();
        symlink(place.outer(), place.at("abs")).unwrap();
        symlink("../../canary.txt", place.at("sub/canary.txt")).unwrap();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config =
        ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(path in hostile_path())| {
        if path.parse::<Uri>().is_ok() {
            let answer = runtime.block_on(place.get(&path));
            prop_assert!(!answer.text().contains(CANARY), "{path}");
            prop_assert!(!answer.text().contains("root:"), "{path}");
            // A listing of the folder above would show the folder itself.
            prop_assert!(!answer.text().contains("href=\"site/\""), "{path}");
            prop_assert!(
                matches!(answer.status.as_u16(), 200 | 308 | 400 | 404),
                "{path}: {}", answer.status
            );
            if let Some(location) = answer.header("location") {
                prop_assert!(location.starts_with("./"), "{path}: {location}");
            }
        }
    });
}
