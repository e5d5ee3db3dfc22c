//! What visitors send.

use sites::hand_over::inbox::{Arrived, Given};

use super::{super::uploads::StoppedBy, *};

fn upload(number: u32, now: Now) -> Upload {
    Upload {
        id: format!("draft{number}"),
        name: format!("{number}\u{202e}.bin"),
        size: Some(SIZE),
        ticket: None,
        visitor: visitor(7).address,
        agent: "curl".to_owned(),
        offset: 0,
        touched: now.wall,
        given: None,
    }
}

#[test]
fn drafts_are_few_and_old_ones_give_way() {
    let mut desk = Desk::new(wanted(100), false);
    for number in 0..16 {
        desk.book.begin_upload(ID, upload(number, desk.now), desk.now).unwrap();
    }
    assert_eq!(desk.book.begin_upload(ID, upload(16, desk.now), desk.now), Err(Full::TooMany));
    let uploads = |desk: &mut Desk| -> Vec<String> {
        desk.book.entry(ID).unwrap().uploads.all().map(|upload| upload.id.clone()).collect()
    };
    let hour = Duration::from_secs(60 * 60);
    let later = after(desk.now, hour);
    desk.book.look(ID).unwrap().uploads.advance("draft0", 1, later);
    // Asking how far it is, or beginning to go on, brings nothing.
    let asked = &mut desk.book.look(ID).unwrap().uploads;
    asked.advance("draft1", 0, later);
    asked.start("draft1", later).unwrap();
    asked.pause("draft1");
    desk.book.begin_upload(ID, upload(17, later), later).unwrap();
    assert!(
        !uploads(&mut desk).contains(&"draft1".to_owned()),
        "nobody went on with it for longest"
    );
    assert!(
        desk.book.take_happenings().contains(&Happening::Thrown(ID, vec!["draft1".to_owned()]))
    );
    // One that comes is not old, however long it takes.
    desk.book.look(ID).unwrap().uploads.start("draft2", desk.now).unwrap();
    desk.book.expire(after(desk.now, 24 * 7 * hour));
    let left = uploads(&mut desk);
    assert_eq!(left, ["draft0", "draft2", "draft17"]);
}

#[test]
fn four_come_at_once_and_each_only_once() {
    let mut desk = Desk::new(wanted(100), false);
    for number in 0..5 {
        desk.book.begin_upload(ID, upload(number, desk.now), desk.now).unwrap();
    }
    let now = desk.now;
    let uploads = &mut desk.book.look(ID).unwrap().uploads;
    let first = uploads.start("draft0", now).unwrap();
    for number in 1..4 {
        uploads.start(&format!("draft{number}"), now).unwrap();
    }
    assert_eq!(uploads.start("draft4", now).unwrap_err(), Full::TooMany);
    assert_eq!(uploads.start("draft0", now).unwrap_err(), Full::Coming);
    assert_eq!(uploads.start("draft9", now).unwrap_err(), Full::Gone);
    uploads.stop("draft0");
    assert!(first.is_cancelled());
    assert_eq!(uploads.pause("draft0").unwrap().1, Some(StoppedBy::Visitor));
    uploads.start("draft4", now).unwrap();
    uploads.advance("draft4", 250, after(now, Duration::from_secs(1)));
    let passing: Vec<_> = uploads.passing(after(now, Duration::from_secs(1))).collect();
    let last = passing.last().unwrap();
    assert_eq!((&*last.file, last.arrived, last.rate), ("4.bin", 250, 250));
    assert_eq!(passing.len(), 4);
}

#[test]
fn a_cut_upload_is_told_unless_she_is_here_again() {
    for (stopped, by, expected) in [
        (None, Some(Ended::Connection), Some(Ended::Connection)),
        (None, None, None),
        (Some(true), Some(Ended::Visitor), None),
        (Some(false), None, Some(Ended::Owner)),
    ] {
        let mut desk = Desk::new(wanted(1), false);
        desk.book.begin_upload(ID, upload(0, desk.now), desk.now).unwrap();
        desk.book.look(ID).unwrap().uploads.start("draft0", desk.now).unwrap();
        desk.book.coming(ID);
        desk.book.look(ID).unwrap().uploads.advance("draft0", 300, desk.now);
        match stopped {
            Some(true) => desk.book.look(ID).unwrap().uploads.stop("draft0"),
            Some(false) => desk.book.stop_uploads(),
            None => {}
        }
        desk.book.upload_ended(ID, "draft0", by, desk.now);
        assert_eq!(arrived(desk.stage()), expected.map(|by| (300, by)), "{stopped:?} {by:?}");
        assert!(desk.book.entry(ID).unwrap().uploads.is_idle());
    }
}

#[test]
fn no_more_files_get_a_name_than_were_asked_for() {
    let mut desk = Desk::new(wanted(2), false);
    for number in 0..3 {
        desk.book.begin_upload(ID, upload(number, desk.now), desk.now).unwrap();
    }
    assert!(desk.book.claim(ID) && desk.book.claim(ID));
    assert!(!desk.book.claim(ID), "two were asked for");
    desk.book.unclaim(ID);
    assert!(desk.book.claim(ID));
    for number in 0..2 {
        let received = crate::model::Received {
            file: format!("{number}.bin"),
            size: SIZE,
            visitor: None,
            at: desk.now.wall,
        };
        desk.book.received(ID, &format!("draft{number}"), received, desk.now);
    }
    let entry = desk.book.entry(ID).unwrap();
    assert!(entry.is_done());
    assert_eq!(entry.arrived_by("draft1"), Some(SIZE));
    assert_eq!(entry.arrived_by("draft2"), None);
    assert_eq!(entry.uploads.all().count(), 0);
    let happenings = desk.book.take_happenings();
    assert!(happenings.contains(&Happening::Thrown(ID, vec!["draft2".to_owned()])));
    assert!(!desk.book.claim(ID));
    let full = desk.book.begin_upload(ID, upload(4, desk.now), desk.now);
    assert_eq!(full, Err(Full::Gone));
}

#[test]
fn who_brings_next_to_nothing_keeps_nobody_out() {
    let mut desk = Desk::new(wanted(100), false);
    for number in 0..5 {
        desk.book.begin_upload(ID, upload(number, desk.now), desk.now).unwrap();
    }
    let mut now = desk.now;
    let uploads = &mut desk.book.look(ID).unwrap().uploads;
    let stops: Vec<_> =
        (0..4).map(|number| uploads.start(&format!("draft{number}"), now).unwrap()).collect();
    // Three that move, and one that sends a byte now and then.
    for second in 1..=300 {
        now = after(now, Duration::from_secs(1));
        for number in 0..3 {
            uploads.advance(&format!("draft{number}"), second * 20_000, now);
        }
        uploads.advance("draft3", second, now);
    }
    assert!(!stops[3].is_cancelled(), "it disturbs nobody");
    assert_eq!(uploads.start("draft4", now).unwrap_err(), Full::TooMany);
    let ended: Vec<bool> = stops.iter().map(|stop| stop.is_cancelled()).collect();
    assert_eq!(ended, [false, false, false, true]);
    uploads.pause("draft3");
    uploads.start("draft4", now).unwrap();
}

#[test]
fn a_file_that_is_found_counts_once() {
    let mut desk = Desk::new(wanted(2), false);
    for number in 0..2 {
        desk.book.begin_upload(ID, upload(number, desk.now), desk.now).unwrap();
    }
    let given = Given { name: "0.bin".to_owned(), size: SIZE, written: desk.now.wall };
    desk.book.look(ID).unwrap().uploads.start("draft0", desk.now).unwrap();
    desk.book.give(ID, "draft0", given.clone());
    let file = || Arrived { name: "0.bin".to_owned(), size: SIZE };
    // One that is just getting its name is told by who gives it.
    desk.book.found(ID, "draft0", file(), desk.now);
    assert_eq!(desk.book.entry(ID).unwrap().arrived_by("draft0"), None);
    desk.killed();
    assert_eq!(arrived(desk.stage()), Some((0, Ended::Connection)));
    assert_eq!(desk.book.entry(ID).unwrap().uploads.given(), [("draft0".to_owned(), given)]);
    // Another one is just getting its name.
    assert!(desk.book.claim(ID));
    for _ in 0..2 {
        desk.book.found(ID, "draft0", file(), desk.now);
    }
    let entry = desk.book.entry(ID).unwrap();
    assert_eq!(entry.arrived_by("draft0"), Some(SIZE));
    assert_eq!(entry.goods, wanted(1));
    assert_eq!(entry.stage, Stage::Waiting);
    assert_eq!(entry.received.len(), 1);
    assert!(!desk.book.claim(ID), "the last one is spoken for");
}
