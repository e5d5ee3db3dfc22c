//! What visitors send.

use sites::hand_over::inbox::{Arrived, Given};

use super::{
    super::uploads::{MAX_AT_ONCE, MAX_DRAFTS},
    *,
};

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
    uploads.start("draft4", now).unwrap();
    let ended: Vec<bool> = stops.iter().map(|stop| stop.is_cancelled()).collect();
    assert_eq!(ended, [false, false, false, true]);
    // There is no other one like that, and all are of one network.
    uploads.pause("draft3");
    assert_eq!(uploads.start("draft3", now).unwrap_err(), Full::TooMany);
}

/// Begins uploads, each by a visitor of one of these networks, and lets them come as far as there are
/// places.
fn crowd(networks: &[u8]) -> Desk {
    let mut desk = Desk::new(wanted(100), false);
    for (number, network) in (0..).zip(networks) {
        let upload = Upload { visitor: visitor(*network).address, ..upload(number, desk.now) };
        desk.book.begin_upload(ID, upload, desk.now).unwrap();
        // Each a little later than the one before.
        desk.now = after(desk.now, Duration::from_secs(1));
        let uploads = &mut desk.book.look(ID).unwrap().uploads;
        if uploads.passing(desk.now).count() < MAX_AT_ONCE {
            uploads.start(&format!("draft{number}"), desk.now).unwrap();
        }
    }
    desk
}

#[test]
fn the_newest_of_the_network_with_the_most_places_makes_room() {
    // Whose uploads come; whose is begun; and which one ends for that.
    for (coming, asks, expected) in [
        ([7, 7, 7, 7], 8, Some("draft3")),
        ([7, 8, 7, 7], 9, Some("draft3")),
        ([7, 7, 8, 7], 8, Some("draft3")),
        ([7, 8, 8, 7], 9, Some("draft2")),
        ([8, 7, 8, 9], 6, Some("draft2")),
        // Nobody has more than she would have.
        ([7, 7, 7, 7], 7, None),
        ([7, 7, 8, 8], 8, None),
        ([7, 8, 9, 9], 7, None),
        ([6, 7, 8, 9], 5, None),
    ] {
        let mut desk = crowd(&[&coming[..], &[asks]].concat());
        let uploads = &mut desk.book.look(ID).unwrap().uploads;
        let started = uploads.start("draft4", desk.now).map(drop);
        let what = format!("{coming:?} {asks}");
        assert_eq!(started, expected.map(|_| ()).ok_or(Full::TooMany), "{what}");
        let ended: Vec<String> = (0..4)
            .map(|number| format!("draft{number}"))
            .filter(|id| uploads.pause(id).unwrap().1 == Some(StoppedBy::Others))
            .collect();
        assert_eq!(ended, Vec::from_iter(expected), "{what}");
    }
}

#[test]
fn one_that_was_told_to_end_has_no_place_and_is_told_once() {
    let mut desk = crowd(&[7, 7, 7, 7, 8, 9]);
    let uploads = &mut desk.book.look(ID).unwrap().uploads;
    for id in ["draft4", "draft5"] {
        uploads.start(id, desk.now).unwrap();
    }
    assert_eq!(uploads.pause("draft2").unwrap().1, Some(StoppedBy::Others));
    assert_eq!(uploads.pause("draft3").unwrap().1, Some(StoppedBy::Others));
    assert_eq!(uploads.start("draft3", desk.now).unwrap_err(), Full::TooMany);
    assert_eq!(uploads.pause("draft1").unwrap().1, None);
    // It is not told as cut: she goes on when there is room.
    let mut desk = crowd(&[7, 7, 7, 7, 8]);
    desk.book.look(ID).unwrap().uploads.start("draft4", desk.now).unwrap();
    let by = desk.book.upload_ended(ID, "draft3", Some(Ended::Owner), desk.now);
    assert_eq!((by, desk.stage()), (Some(StoppedBy::Others), &Stage::Waiting));
}

#[test]
fn all_networks_of_one_person_count_as_one() {
    for (second, expected) in [("2001:db8:0:1::1", Ok(())), ("2001:db8:1::1", Err(Full::TooMany))] {
        let addresses = ["2001:db8::1", second, "192.0.2.7", "192.0.2.8", "192.0.2.9"];
        let mut desk = Desk::new(wanted(100), false);
        for (number, address) in (0..).zip(addresses) {
            let visitor = Some(address.parse().unwrap());
            let upload = Upload { visitor, ..upload(number, desk.now) };
            desk.book.begin_upload(ID, upload, desk.now).unwrap();
        }
        let uploads = &mut desk.book.look(ID).unwrap().uploads;
        for number in 0..4 {
            uploads.start(&format!("draft{number}"), desk.now).unwrap();
        }
        assert_eq!(uploads.start("draft4", desk.now).map(drop), expected, "{second}");
    }
}

#[test]
fn where_nobody_knows_where_visitors_are_nobody_makes_room() {
    for (coming, asks) in [(None, visitor(8).address), (visitor(7).address, None)] {
        let mut desk = Desk::new(wanted(100), false);
        for number in 0..5 {
            let visitor = if number < 4 { coming } else { asks };
            let upload = Upload { visitor, ..upload(number, desk.now) };
            desk.book.begin_upload(ID, upload, desk.now).unwrap();
        }
        let uploads = &mut desk.book.look(ID).unwrap().uploads;
        for number in 0..4 {
            uploads.start(&format!("draft{number}"), desk.now).unwrap();
        }
        let refused = uploads.start("draft4", desk.now).unwrap_err();
        assert_eq!(refused, Full::TooMany, "{coming:?} {asks:?}");
    }
}

#[test]
fn nobody_keeps_others_out_with_uploads_that_were_only_begun() {
    let mut desk = crowd(&[7; MAX_DRAFTS]);
    let more = |number, network| Upload {
        visitor: visitor(network).address,
        ..upload(number, after(desk.now, Duration::from_secs(1)))
    };
    let (hers, his) = (more(100, 7), more(101, 8));
    assert_eq!(desk.book.begin_upload(ID, hers, desk.now), Err(Full::TooMany));
    desk.book.begin_upload(ID, his, desk.now).unwrap();
    let uploads = &desk.book.entry(ID).unwrap().uploads;
    assert_eq!(uploads.all().count(), MAX_DRAFTS);
    // The first four come; of the others nobody went on with the fifth for longest.
    assert!(uploads.find("draft4").is_none() && uploads.find("draft3").is_some());
    let thrown = Happening::Thrown(ID, vec!["draft4".to_owned()]);
    assert!(desk.book.take_happenings().contains(&thrown));
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
