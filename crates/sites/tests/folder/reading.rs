//! Files on their way: whole, in parts, and cut so that it is seen.

use std::{fs, io::Write as _, time::SystemTime};

use crate::place::{Answer, DEADLINE, Place, pattern, set_modified};
use crosstalk::transaction::Body;
use http::Method;
use http_body_util::BodyExt as _;
use sites::folder::ReadError;
use tokio::time::timeout;

/// What a reader got of a body, and why it ended early.
async fn drain(mut body: Body) -> (Vec<u8>, Option<ReadError>) {
    let mut bytes = Vec::new();
    loop {
        match timeout(DEADLINE, body.frame()).await.expect("a piece in time") {
            Some(Ok(frame)) => bytes.extend_from_slice(&frame.into_data().unwrap()),
            Some(Err(error)) => return (bytes, Some(*error.downcast().unwrap())),
            None => return (bytes, None),
        }
    }
}

/// Returns the rest of `/a.bin` after its first piece was read and `change` was done to it.
async fn interrupted(place: &Place, change: impl FnOnce()) -> (Vec<u8>, Option<ReadError>) {
    let mut body = place.respond(Method::GET, "/a.bin", &[]).await.into_body();
    let first = timeout(DEADLINE, body.frame()).await.unwrap().unwrap().unwrap();
    change();
    let (rest, error) = drain(body).await;
    ([&first.into_data().unwrap()[..], &rest].concat(), error)
}

#[tokio::test]
async fn reads_files_of_every_size() {
    let place = Place::new();
    const KIB: usize = 1024;
    for size in [
        0,
        1,
        KIB,
        64 * KIB - 1,
        64 * KIB,
        64 * KIB + 1,
        256 * KIB - 1,
        256 * KIB,
        256 * KIB + 1,
        512 * KIB,
        3 * 1024 * KIB + 17,
    ] {
        let bytes = pattern(size);
        place.put("a.bin", &bytes);
        let answer = place.get("/a.bin").await;
        assert!(answer.body == bytes, "{size}");
        assert_eq!(answer.header("content-length"), Some(size.to_string().as_str()));
        assert_eq!(answer.delivery.unwrap().length, size as u64);
    }
}

#[tokio::test]
async fn reads_parts_of_large_files() {
    let place = Place::new();
    let bytes = pattern(2_000_000);
    place.put("a.bin", &bytes);
    for (range, expected) in [
        ("bytes=1000000-", 1_000_000..2_000_000),
        ("bytes=1-1999998", 1..1_999_999),
        ("bytes=-300000", 1_700_000..2_000_000),
        ("bytes=5-70000", 5..70_001),
        ("bytes=1999999-", 1_999_999..2_000_000),
    ] {
        let answer = place.ask(Method::GET, "/a.bin", &[("range", range)]).await;
        assert_eq!(answer.status, 206);
        assert!(answer.body == bytes[expected], "{range}");
    }
}

#[tokio::test]
async fn shows_a_file_that_became_shorter_as_cut() {
    for place in [Place::new(), Place::new().portable()] {
        place.put("a.bin", pattern(8_000_000));
        let path = place.at("a.bin");
        let (bytes, error) = interrupted(&place, || {
            fs::File::options().write(true).open(&path).unwrap().set_len(3_000_000).unwrap();
        })
        .await;
        assert!(matches!(error, Some(ReadError::Shorter)), "{error:?}");
        assert!(bytes.len() <= 3_000_000 && bytes == pattern(8_000_000)[..bytes.len()]);
    }
}

#[tokio::test]
async fn shows_a_file_that_was_written_over_as_cut() {
    for place in [Place::new(), Place::new().portable()] {
        place.put("a.bin", pattern(8_000_000));
        let path = place.at("a.bin");
        let (bytes, error) = interrupted(&place, || {
            let mut file = fs::File::options().write(true).open(&path).unwrap();
            file.write_all(&vec![1; 8_000_000]).unwrap();
            set_modified(&path, SystemTime::now());
        })
        .await;
        assert!(matches!(error, Some(ReadError::Changed)), "{error:?}");
        assert!(bytes.len() < 8_000_000);
    }
}

#[tokio::test]
async fn sends_what_was_announced_of_a_file_that_grows() {
    for place in [Place::new(), Place::new().portable()] {
        place.put("a.bin", pattern(8_000_000));
        let path = place.at("a.bin");
        let (bytes, error) = interrupted(&place, || {
            fs::File::options().append(true).open(&path).unwrap().write_all(b"more").unwrap();
        })
        .await;
        assert!(error.is_none(), "{error:?}");
        assert!(bytes == pattern(8_000_000));
    }
}

#[cfg(unix)]
#[tokio::test]
async fn finishes_a_file_that_was_replaced_or_removed() {
    for place in [Place::new(), Place::new().portable()] {
        for remove in [false, true] {
            place.put("a.bin", pattern(8_000_000));
            let path = place.at("a.bin");
            let other = place.at("other.bin");
            let (bytes, error) = interrupted(&place, || {
                if remove {
                    fs::remove_file(&path).unwrap();
                } else {
                    fs::write(&other, "other").unwrap();
                    fs::rename(&other, &path).unwrap();
                }
            })
            .await;
            assert!(error.is_none(), "{error:?}");
            assert!(bytes == pattern(8_000_000));
        }
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn stops_reading_when_nobody_wants_it() {
    for place in [Place::new(), Place::new().portable()] {
        place.put("a.bin", pattern(8_000_000));
        let path = fs::canonicalize(place.at("a.bin")).unwrap();
        let is_open = || {
            fs::read_dir("/proc/self/fd")
                .unwrap()
                .flatten()
                .any(|entry| fs::read_link(entry.path()).is_ok_and(|target| target == path))
        };
        let mut body = place.respond(Method::GET, "/a.bin", &[]).await.into_body();
        let _first = body.frame().await.unwrap().unwrap();
        assert!(is_open());
        drop(body);
        timeout(DEADLINE, async {
            while is_open() {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("the file is closed");
    }
}

#[tokio::test]
async fn lets_nobody_wait_for_visitors_who_do_not_read() {
    for place in [Place::new(), Place::new().portable()] {
        let bytes = pattern(2_000_000);
        place.put("a.bin", &bytes);
        // More than there are large pieces in the process, each with one read and not taken further.
        let mut stalled = Vec::new();
        for _ in 0..300 {
            let mut body = place.respond(Method::GET, "/a.bin", &[]).await.into_body();
            let first = timeout(DEADLINE, body.frame()).await.unwrap().unwrap().unwrap();
            stalled.push((first, body));
        }
        assert!(Answer::read(place.respond(Method::GET, "/a.bin", &[]).await).await.body == bytes);
        // And those who come back get the rest.
        for (first, body) in stalled {
            let (rest, error) = drain(body).await;
            assert!(error.is_none());
            assert!([&first.into_data().unwrap()[..], &rest].concat() == bytes);
        }
    }
}

/// What is in memory is served although every thread that may wait does so, on disks that can be
/// asked for it.
#[cfg(target_os = "linux")]
#[test]
fn serves_at_once_what_is_in_memory() {
    use std::{future::poll_fn, pin::pin, sync::mpsc, task::Poll};

    let place = Place::new();
    place.put("a.bin", pattern(100_000));
    place.put("index.html", "index");
    let disk = rustix::fs::statfs(place.at("")).unwrap().f_type;
    let can_be_asked = [0xef53, 0x5846_5342, 0x9123_683e].contains(&disk);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .unwrap();
    let (release, wait) = mpsc::channel::<()>();
    let busy = runtime.spawn_blocking(move || wait.recv());
    runtime.block_on(async {
        for (target, size) in [("/a.bin", 100_000), ("/", 5)] {
            let mut answering = pin!(place.respond(Method::GET, target, &[]));
            // Asked once: what needs a thread is not there yet.
            let answered = poll_fn(|context| Poll::Ready(answering.as_mut().poll(context))).await;
            assert_eq!(answered.is_ready(), can_be_asked, "{target}");
            if let Poll::Ready(response) = answered {
                assert_eq!(Answer::read(response).await.body.len(), size);
            }
        }
    });
    release.send(()).unwrap();
    runtime.block_on(busy).unwrap().unwrap();
}
