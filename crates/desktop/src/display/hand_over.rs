//! The view of what is handed over.

use peer::Ended;

use super::{count, cut, milliseconds, number, seconds_left};
use crate::{
    draft::{self, Draft as Prepared},
    printable::{MAX_NOTE, MAX_SHOWN, printable, printable_lines},
    qr::QrCodes,
    view::{Direction, Draft, DraftFile, HandOver, Knock, Passing, Received, Stage},
    words::Words,
};

/// How many files that arrived are shown of one hand-over; the folder has them all.
pub const MAX_RECEIVED: usize = 20;

/// How many files that are about to be sent are shown one by one.
pub const MAX_DRAFT_FILES: usize = 50;

pub(super) fn hand_over(hand_over: &peer::HandOver, codes: &mut QrCodes, words: Words) -> HandOver {
    HandOver {
        id: hand_over.id.0.to_string(),
        direction: match &hand_over.direction {
            peer::Direction::Send { name, size, files } => Direction::Send {
                name: printable(name, MAX_SHOWN),
                size: number(*size),
                files: *files,
            },
            peer::Direction::Ask { folder, largest, files_left } => Direction::Ask {
                folder: printable(&folder.to_string_lossy(), MAX_SHOWN),
                largest: number(*largest),
                files_left: *files_left,
            },
        },
        note: printable_lines(&hand_over.note, MAX_NOTE),
        ask_first: hand_over.nod,
        url: hand_over.url.clone(),
        qr: hand_over.url.as_deref().and_then(|url| codes.of(url)),
        trouble: hand_over.trouble.as_ref().map(|trouble| words.hand_over_trouble(trouble)),
        stage: stage(&hand_over.stage),
        passing: hand_over.passing.iter().map(|one| passing(one, words)).collect(),
        knocks: hand_over.knocks.iter().map(|one| knock(one, words)).collect(),
        received: hand_over
            .received
            .iter()
            .take(MAX_RECEIVED)
            .map(|one| received(one, words))
            .collect(),
        more_received: count(hand_over.received.len().saturating_sub(MAX_RECEIVED)),
        since: milliseconds(hand_over.since),
    }
}

fn stage(stage: &peer::Stage) -> Stage {
    match stage {
        peer::Stage::Cut { file, arrived, size, at, by } => {
            let (arrived, size) = of(*arrived, *size);
            let by: Ended = *by;
            Stage::Cut {
                file: printable(file, MAX_SHOWN),
                arrived,
                size,
                at: milliseconds(*at),
                by: cut(by),
            }
        }
        peer::Stage::Done { at, certain } => {
            Stage::Done { at: milliseconds(*at), certain: *certain }
        }
        peer::Stage::Waiting => Stage::Waiting,
    }
}

fn passing(passing: &peer::Passing, words: Words) -> Passing {
    let (arrived, size) = of(passing.arrived, passing.size);
    Passing {
        file: printable(&passing.file, MAX_SHOWN),
        who: words.who(passing.visitor, &passing.agent),
        size,
        arrived,
        rate: number(passing.rate),
        seconds_left: size.and_then(|size| seconds_left(size - arrived, passing.rate)),
        since: milliseconds(passing.since),
    }
}

/// Returns how much of how much arrived; never more than there is.
fn of(arrived: u64, size: Option<u64>) -> (u64, Option<u64>) {
    let size = size.map(number);
    (number(arrived).min(size.unwrap_or(u64::MAX)), size)
}

fn knock(knock: &peer::Knock, words: Words) -> Knock {
    Knock {
        id: knock.id.0.to_string(),
        who: words.who(knock.visitor, &knock.agent),
        at: milliseconds(knock.at),
    }
}

/// Returns the name of a file that arrived as the window shows it, and asks for it.
pub(crate) fn name_of(received: &peer::Received) -> String {
    printable(&received.file, MAX_SHOWN)
}

fn received(received: &peer::Received, words: Words) -> Received {
    Received {
        file: name_of(received),
        size: number(received.size),
        who: words.place(received.visitor),
        at: milliseconds(received.at),
    }
}

pub(super) fn draft(draft: &Prepared) -> Draft {
    match draft {
        Prepared::Ask(folder) => {
            Draft::Ask { folder: printable(&folder.to_string_lossy(), MAX_SHOWN) }
        }
        Prepared::Send(files) => Draft::Send {
            files: files
                .iter()
                .take(MAX_DRAFT_FILES)
                .map(|file| DraftFile {
                    name: printable(&draft::name(&file.path), MAX_SHOWN),
                    size: number(file.size),
                })
                .collect(),
            more: count(files.len().saturating_sub(MAX_DRAFT_FILES)),
            size: number(files.iter().fold(0, |sum, file| sum.saturating_add(file.size))),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use super::*;
    use crate::{draft::FileToSend, language::Language, view::Cut};

    const ENGLISH: Words = Words::of(Language::English);

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn an_ask() -> peer::HandOver {
        let received = |n: u64| peer::Received {
            file: format!("{n}\u{202E}.jpg"),
            size: n,
            visitor: Some([192, 0, 2, 7].into()),
            at: at(n),
        };
        peer::HandOver {
            id: peer::HandOverId(3),
            direction: peer::Direction::Ask {
                folder: "/home/me/Down\u{1b}loads".into(),
                largest: u64::MAX,
                files_left: 5,
            },
            note: "The photos,\nplease\u{202E}".to_owned(),
            nod: true,
            url: Some("http://files.localhost:28260/h/0123456789abcdefghijkl".to_owned()),
            trouble: None,
            stage: peer::Stage::Cut {
                file: "a\nb".to_owned(),
                arrived: 9,
                size: Some(5),
                at: at(4),
                by: Ended::Visitor,
            },
            passing: vec![peer::Passing {
                file: "a\u{2028}b".to_owned(),
                visitor: None,
                agent: "curl\n".to_owned(),
                size: Some(1000),
                arrived: 400,
                rate: 300,
                since: at(5),
            }],
            knocks: vec![peer::Knock {
                id: peer::KnockId(8),
                visitor: Some([192, 0, 2, 7].into()),
                agent: "Fire\u{202E}fox".to_owned(),
                at: at(6),
            }],
            received: (0..23).map(received).collect(),
            since: at(1),
        }
    }

    #[test]
    fn a_hand_over_is_printable_and_its_figures_are_possible() {
        let shown = hand_over(&an_ask(), &mut QrCodes::default(), ENGLISH);
        let Direction::Ask { folder, largest, .. } = &shown.direction else { panic!("{shown:?}") };
        assert_eq!((folder.as_str(), *largest), ("/home/me/Down\u{FFFD}loads", (1 << 53) - 1));
        assert_eq!(shown.note, "The photos,\nplease\u{FFFD}");
        assert_eq!(shown.knocks[0].who, "192.0.2.7 · Fire\u{FFFD}fox");
        assert_eq!((shown.received.len(), shown.more_received), (MAX_RECEIVED, 3));
        assert_eq!(shown.received[0].file, "0\u{FFFD}.jpg");
        let passing = &shown.passing[0];
        assert_eq!((passing.seconds_left, &*passing.who), (Some(2), "somebody · curl"));
        assert_eq!(passing.file, "a\u{FFFD}b");
        let file = "a\u{FFFD}b".to_owned();
        let cut = Stage::Cut { file, arrived: 5, size: Some(5), at: 4000, by: Cut::Visitor };
        assert_eq!(shown.stage, cut);
        assert!(shown.qr.is_some());
    }

    #[test]
    fn nobody_foretells_an_upload_of_unknown_size() {
        let mut ask = an_ask();
        ask.passing[0].size = None;
        let shown = hand_over(&ask, &mut QrCodes::default(), ENGLISH);
        assert_eq!((shown.passing[0].seconds_left, shown.passing[0].arrived), (None, 400));
    }

    #[test]
    fn a_draft_shows_some_files_and_counts_all() {
        let file = |n: usize| FileToSend { path: format!("/x/{n}\n.jpg").into(), size: 10 };
        let Draft::Send { files, more, size } = draft(&Prepared::Send((0..70).map(file).collect()))
        else {
            panic!("a draft to send")
        };
        assert_eq!((files.len(), more, size), (MAX_DRAFT_FILES, 20, 700));
        assert_eq!(files[0].name, "0\u{FFFD}.jpg");
    }
}
