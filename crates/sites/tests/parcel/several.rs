//! Several files, as an archive.

use std::{
    collections::BTreeMap,
    fs,
    io::{Cursor, Read as _},
    process::Command,
    time::Duration,
};

use http::Method;
use http_body_util::BodyExt as _;
use proptest::prelude::*;
use sites::folder::ReadError;
use tokio::{runtime::Runtime, time::timeout};

use crate::place::{
    Answer, DEADLINE, Place, ask, drain, get, long_ago, pattern, respond, set_modified,
};

const KIB: usize = 1024;

/// Files of all kinds, in the order in which they are sent.
fn garden(place: &Place) -> BTreeMap<&'static str, Vec<u8>> {
    let files = BTreeMap::from([
        ("a.txt", b"0123456789".to_vec()),
        ("b empty", Vec::new()),
        ("c grüße.bin", pattern(300 * KIB)),
        ("d 写真.jpg", pattern(3000 * KIB + 17)),
        ("e empty", Vec::new()),
        ("f.txt", b"last".to_vec()),
    ]);
    for (name, bytes) in &files {
        place.put(name, bytes);
    }
    files
}

/// Has another program read an archive.
fn unpacked(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut archive = zip::ZipArchive::new(Cursor::new(archive)).unwrap();
    (0..archive.len())
        .map(|index| {
            let mut file = archive.by_index(index).unwrap();
            let mut bytes = Vec::new();
            // Its checksum is compared on the way.
            file.read_to_end(&mut bytes).unwrap();
            (file.name().unwrap().into_owned(), bytes)
        })
        .collect()
}

#[tokio::test]
async fn sends_an_archive_that_other_programs_open() {
    let place = Place::new();
    let files = garden(&place);
    let parcel = place.parcel(&files.keys().copied().collect::<Vec<_>>());
    assert_eq!(parcel.name(), "a and 5 more.zip");
    assert_eq!(parcel.files().len(), 6);
    let answer = get(&parcel, &[]).await;
    assert!(answer.cut.is_none());
    assert_eq!((answer.status.as_u16(), answer.body.len() as u64), (200, parcel.size()));
    for (name, expected) in [
        ("content-type", "application/zip"),
        ("content-disposition", "attachment; filename=\"a and 5 more.zip\""),
        ("content-security-policy", "sandbox; default-src 'none'"),
        ("cache-control", "no-store"),
        ("accept-ranges", "bytes"),
        ("content-length", parcel.size().to_string().as_str()),
    ] {
        assert_eq!(answer.header(name), Some(expected), "{name}");
    }
    assert!(answer.header("etag").unwrap().starts_with('"'), "the tag is a strong one");
    let delivery = answer.delivery.unwrap();
    assert_eq!((delivery.offset, delivery.length), (0, parcel.size()));
    let found = unpacked(&answer.body);
    assert_eq!(found.len(), files.len());
    assert!(files.iter().all(|(name, bytes)| found[*name] == *bytes));
    let head = ask(&parcel, Method::HEAD, &[]).await;
    assert_eq!((head.status, head.headers, head.body.len()), (answer.status, answer.headers, 0));
}

/// As far as they are there, programs that people have.
#[tokio::test]
async fn programs_that_people_have_find_no_fault_in_it() {
    let place = Place::new();
    let files = garden(&place);
    let answer = get(&place.parcel(&files.keys().copied().collect::<Vec<_>>()), &[]).await;
    let archive = place.put("out.zip", &answer.body);
    let python = "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; \
                  print(*(f'{i.filename} {i.file_size} {i.date_time}' for i in z.infolist()), sep='\\n')";
    for (program, arguments, expected) in [
        ("unzip", &["-t"][..], "No errors detected"),
        (
            "python3",
            &["-X", "utf8", "-c", python][..],
            "d 写真.jpg 3072017 (2001, 9, 9, 1, 46, 40)",
        ),
        ("jar", &["tf"][..], "f.txt"),
        ("bsdtar", &["tf"][..], "f.txt"),
    ] {
        let Ok(output) = Command::new(program).args(arguments).arg(&archive).output() else {
            continue;
        };
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{program}: {output:?}");
        assert!(said.contains(expected), "{program}: {said}");
    }
}

#[tokio::test]
async fn names_in_an_archive_are_unlike_and_lead_nowhere() {
    let place = Place::new();
    for name in ["one/a.txt", "two/a.txt", "two/A.TXT", "two/nul.txt", "two/a (2).txt"] {
        place.put(name, name);
    }
    #[cfg(unix)]
    place.put("two/..\\..\\b\u{202e}:c.txt", "two/..\\..\\b\u{202e}:c.txt");
    let mut chosen = vec!["one/a.txt", "two/a.txt", "two/A.TXT", "two/nul.txt", "two/a (2).txt"];
    let mut expected = vec!["a.txt", "a (2).txt", "A (3).TXT", "_nul.txt", "a (2) (2).txt"];
    if cfg!(unix) {
        chosen.push("two/..\\..\\b\u{202e}:c.txt");
        expected.push("b_c.txt");
    }
    let parcel = place.parcel(&chosen);
    let names: Vec<_> = parcel.files().iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, expected);
    let found = unpacked(&get(&parcel, &[]).await.body);
    for (name, bytes) in expected.iter().zip(chosen) {
        assert_eq!(found[*name], bytes.as_bytes());
    }
}

#[tokio::test]
async fn goes_on_from_any_place() {
    let place = Place::new();
    let files = garden(&place);
    let names: Vec<_> = files.keys().copied().collect();
    let warm = place.parcel(&names);
    let whole = get(&warm, &[]).await;
    let tag = whole.header("etag").unwrap();
    let size = whole.body.len();
    let places = (0..600).chain((600..size - 800).step_by(97_003)).chain(size - 800..size);
    for from in places.step_by(7) {
        // One has sent all of it, the other nothing yet.
        for parcel in [&warm, &place.parcel(&names)] {
            let range = format!("bytes={from}-");
            let part = get(parcel, &[("range", &range), ("if-range", tag)]).await;
            assert_eq!((part.status.as_u16(), part.cut.is_none()), (206, true), "{range}");
            assert!(part.body == whole.body[from..], "{range}");
        }
    }
    let other = get(&warm, &[("range", "bytes=5-"), ("if-range", "\"other\"")]).await;
    assert_eq!((other.status.as_u16(), other.body.len()), (200, size));
    let beyond = get(&warm, &[("range", &format!("bytes={size}-"))]).await;
    assert_eq!(beyond.status, 416);
}

#[tokio::test]
async fn another_order_or_name_is_another_archive() {
    let place = Place::new();
    for name in ["a", "b", "c"] {
        place.put(name, "same");
    }
    let state = |names: &[&str]| place.parcel(names).state();
    let one = state(&["a", "b"]);
    assert_eq!(one, state(&["a", "b"]));
    for other in [&["b", "a"][..], &["a", "c"], &["a", "b", "c"], &["a"]] {
        assert_ne!(one, state(other), "{other:?}");
    }
    set_modified(&place.at("b"), long_ago() + Duration::from_secs(1));
    assert_ne!(one, state(&["a", "b"]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_part_is_that_part_of_the_whole(
        sizes in proptest::collection::vec(
            prop_oneof![Just(0), 1_usize..2000, 60_000_usize..700_000], 2..9
        ),
        ranges in proptest::collection::vec(any::<[proptest::sample::Index; 2]>(), 1..6),
    ) {
        Runtime::new().unwrap().block_on(async {
            let place = Place::new();
            let names: Vec<_> = (0..sizes.len()).map(|index| format!("{index}.bin")).collect();
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            for (name, size) in names.iter().zip(&sizes) {
                place.put(name, pattern(*size));
            }
            let whole = get(&place.parcel(&names), &[]).await;
            assert!(whole.cut.is_none());
            let found = unpacked(&whole.body);
            for (name, size) in names.iter().zip(&sizes) {
                assert!(found[*name] == pattern(*size));
            }
            // Each part is known to the parcel when the next one is asked for.
            let parcel = place.parcel(&names);
            for range in ranges {
                let mut ends = range.map(|index| index.index(whole.body.len()));
                ends.sort_unstable();
                let [first, last] = ends;
                let wanted = format!("bytes={first}-{last}");
                let part = get(&parcel, &[("range", &wanted)]).await;
                assert!(part.cut.is_none() && part.body == whole.body[first..=last], "{wanted}");
            }
        });
    }
}

#[tokio::test]
async fn does_not_begin_when_a_file_is_not_what_it_was() {
    let place = Place::new();
    let files = garden(&place);
    let parcel = place.parcel(&files.keys().copied().collect::<Vec<_>>());
    fs::remove_file(place.at("f.txt")).unwrap();
    for headers in [&[][..], &[("range", "bytes=0-3")]] {
        let answer = get(&parcel, headers).await;
        assert_eq!((answer.status.as_u16(), answer.header("etag")), (503, None));
        assert!(answer.text().contains("Not there at the moment"), "{}", answer.text());
    }
}

#[tokio::test]
async fn is_cut_where_a_file_changes_on_its_way() {
    type Change = fn(&Place);
    let changes: [(&str, Change); 4] = [
        ("shorter", |place| {
            let file = fs::File::options().write(true).open(place.at("d 写真.jpg")).unwrap();
            file.set_len(1_000_000).unwrap();
        }),
        ("written to", |place| {
            set_modified(&place.at("d 写真.jpg"), long_ago() + Duration::from_secs(1));
        }),
        ("gone, not begun", |place| fs::remove_file(place.at("f.txt")).unwrap()),
        ("changed, not begun", |place| fs::write(place.at("f.txt"), "LAST").unwrap()),
    ];
    for (how, change) in changes {
        let place = Place::new();
        let files = garden(&place);
        let parcel = place.parcel(&files.keys().copied().collect::<Vec<_>>());
        let whole = get(&parcel, &[]).await.body;
        let mut body = respond(&parcel, Method::GET, &[]).await.into_body();
        let mut got = Vec::new();
        while got.len() < 400 * KIB {
            let frame = timeout(DEADLINE, body.frame()).await.unwrap().unwrap().unwrap();
            got.extend_from_slice(&frame.into_data().unwrap());
        }
        change(&place);
        let (rest, cut) = drain(body).await;
        assert!(matches!(cut, Some(ReadError::Shorter | ReadError::Changed)), "{how}: {cut:?}");
        got.extend_from_slice(&rest);
        assert!(got.len() < whole.len() && whole.starts_with(&got), "{how}");
    }
}

/// What was before is read again only by a program that did not send it itself.
#[tokio::test]
async fn a_file_that_changed_before_the_part_is_found_out() {
    let place = Place::new();
    let files = garden(&place);
    let parcel = place.parcel(&files.keys().copied().collect::<Vec<_>>());
    let from = parcel.size() - 700;
    let range = format!("bytes={from}-");
    let response = respond(&parcel, Method::GET, &[("range", &range)]).await;
    assert_eq!(response.status(), 206);
    // Nothing of it was read yet: reading begins with the body.
    set_modified(&place.at("c grüße.bin"), long_ago() + Duration::from_secs(1));
    let answer = Answer::read(response).await;
    assert!(matches!(answer.cut, Some(ReadError::Changed)), "{:?}", answer.cut);
}

#[tokio::test]
async fn a_visitor_who_leaves_ends_the_reading() {
    let place = Place::new();
    place.put("a.bin", pattern(40_000 * KIB));
    place.put("b.txt", "last");
    let parcel = place.parcel(&["a.bin", "b.txt"]);
    for from in [0, 39_000 * KIB] {
        let range = format!("bytes={from}-");
        let mut body = respond(&parcel, Method::GET, &[("range", &range)]).await.into_body();
        timeout(DEADLINE, body.frame()).await.unwrap().unwrap().unwrap();
        drop(body);
    }
    // The next one gets everything.
    let answer = get(&parcel, &[]).await;
    assert!(answer.cut.is_none());
    assert_eq!(unpacked(&answer.body)["b.txt"], b"last");
}

/// Sparse files: only their ends are read.
#[cfg(unix)]
#[tokio::test]
async fn sends_parts_of_archives_that_are_larger_than_32_bits_can_say() {
    let place = Place::new();
    let large: u64 = 5 << 30;
    for name in ["a.bin", "b.bin"] {
        let path = place.put(name, "begin");
        fs::File::options().write(true).open(&path).unwrap().set_len(large).unwrap();
        set_modified(&path, long_ago());
    }
    let parcel = place.parcel(&["a.bin", "b.bin"]);
    assert!(parcel.size() > 2 * large && parcel.size() < 2 * large + 1000);
    let head = ask(&parcel, Method::HEAD, &[]).await;
    assert_eq!(head.header("content-length"), Some(parcel.size().to_string().as_str()));
    let begin = get(&parcel, &[("range", "bytes=0-99")]).await;
    assert!(begin.body.starts_with(b"PK\x03\x04") && begin.body.windows(5).any(|w| w == b"begin"));
    // After what is before and behind the first file: from where its checksum is not needed.
    let second = large + 64 + 24;
    let range = format!("bytes={second}-{}", second + 199);
    let part = get(&parcel, &[("range", &range)]).await;
    assert_eq!((part.status.as_u16(), part.body.len()), (206, 200));
    assert!(part.body.starts_with(b"PK\x03\x04") && part.body[64..].starts_with(b"begin"));
    let end = get(&parcel, &[("range", "bytes=-98")]).await;
    assert!(end.body.starts_with(b"PK\x06\x06"), "the record for large archives");
}
