//! What the app says about files that go to one person or come from others.

use peer::{HandOver, HandOverError, HandOverTrouble, Knock, KnockId, Received};

use super::{sentence_of, shown, size};
use crate::{
    display, draft,
    notices::{Button, Notification},
    printable::{MAX_SENTENCE, MAX_SHOWN, printable},
    request::Request,
};

/// A line of the menu.
pub const PUBLISH_FOLDER: &str = "Publish a folder…";
/// A line of the menu.
pub const SEND_FILES: &str = "Send a file…";
/// A line of the menu.
pub const ASK_FOR_FILES: &str = "Ask for a file…";
/// A button of a notification.
pub const ALLOW: &str = "Allow";
/// A button of a notification.
pub const REFUSE: &str = "Refuse";

/// Says in the menu that somebody waits for an answer.
pub(crate) fn asking(count: usize) -> String {
    match count {
        0 | 1 => "Somebody asks you…".to_owned(),
        _ => format!("{count} people ask you…"),
    }
}

/// Says in the menu what the icon shows, where no folder is published.
pub(crate) fn open_links(count: usize) -> String {
    match count {
        1 => "1 link for files is open".to_owned(),
        _ => format!("{count} links for files are open"),
    }
}

/// Tells of visitors who ask whether they may, `last` being one of them.
pub(crate) fn knocks((hand_over, knock): &(HandOver, Knock), count: usize) -> Notification {
    let who = display::who(knock.visitor, &knock.agent);
    let (title, wish) = match &hand_over.direction {
        peer::Direction::Send { name, .. } => {
            let name = printable(name, MAX_SHOWN);
            (format!("May they have “{name}”?"), format!("would like “{name}”"))
        }
        peer::Direction::Ask { .. } => {
            ("May they send you files?".to_owned(), "would like to send you files".to_owned())
        }
    };
    let refuse = Request::AnswerKnock { knock: knock.id.0.to_string(), allow: false };
    let button = |word: &str, click| Button { word: word.to_owned(), click };
    let told = match count {
        0 | 1 => Notification {
            buttons: vec![button(ALLOW, allows(knock.id)), button(REFUSE, refuse)],
            ..Notification::new(title, format!("{who} waits for your answer."))
        },
        // One answer for several people would be a guess.
        _ => Notification::new(
            format!("{count} people wait for your answer"),
            format!("The last of them, {who}, {wish}."),
        ),
    };
    Notification { click: Some(opens(hand_over)), waits: true, ..told }
}

/// Tells of files that were delivered, `last` being one of them.
pub(crate) fn delivered(last: &HandOver, count: usize) -> Notification {
    let (name, bytes) = match &last.direction {
        peer::Direction::Send { name, size, .. } => (printable(name, MAX_SHOWN), size),
        peer::Direction::Ask { folder, largest, .. } => (shown(folder), largest),
    };
    let size = size(*bytes);
    let click = Some(opens(last));
    let told = match count {
        0 | 1 => Notification::new(
            "Your file was delivered",
            format!("“{name}” ({size}) arrived completely. The link is closed now."),
        ),
        _ => Notification::new(
            format!("{count} of your files were delivered"),
            format!("The last was “{name}” ({size})."),
        ),
    };
    Notification { click, ..told }
}

/// Tells of files that arrived, `last` being one of them.
pub(crate) fn received((hand_over, last): &(HandOver, Received), count: usize) -> Notification {
    let name = printable(&last.file, MAX_SHOWN);
    let (size, who) = (size(last.size), display::place(last.visitor));
    let folder = match &hand_over.direction {
        peer::Direction::Ask { folder, .. } => printable(&draft::name(folder), MAX_SHOWN),
        peer::Direction::Send { name, .. } => printable(name, MAX_SHOWN),
    };
    let told = match count {
        0 | 1 => Notification::new(
            "A file has arrived",
            format!("“{name}” ({size}) from {who} is in “{folder}”."),
        ),
        _ => Notification::new(
            format!("{count} files have arrived"),
            format!("The last is “{name}” ({size}) in “{folder}”."),
        ),
    };
    Notification { click: Some(opens(hand_over)), ..told }
}

/// Returns what the first button of a question's notification asks for.
pub(crate) fn allows(knock: KnockId) -> Request {
    Request::AnswerKnock { knock: knock.0.to_string(), allow: true }
}

fn opens(hand_over: &HandOver) -> Request {
    Request::OpenHandOver { hand_over: hand_over.id.0.to_string() }
}

pub(crate) fn hand_over_trouble(trouble: &HandOverTrouble) -> String {
    match trouble {
        HandOverTrouble::Away => "What belongs to this link is not there at the moment, or cannot \
                                  be used. Is the drive plugged in? As soon as it is back, the \
                                  link works again."
            .to_owned(),
        HandOverTrouble::Refused(sentence) => {
            format!("The gateway refuses it: {}", printable(sentence, MAX_SENTENCE))
        }
    }
}

pub(crate) fn not_handed_over(error: &HandOverError) -> String {
    match error {
        HandOverError::Files(error) => sentence_of(&error.to_string()),
        HandOverError::Folder(path, why) => {
            format!("{} cannot take files: {}.", shown(path), printable(why, MAX_SENTENCE))
        }
        HandOverError::TooMany => {
            "There are too many links for files already. Remove some of them first.".to_owned()
        }
        HandOverError::Store(why) => {
            format!("That could not be kept: {}. Is the disk full?", printable(why, MAX_SENTENCE))
        }
        HandOverError::Unknown => super::GONE.to_owned(),
    }
}

pub(crate) fn no_file(path: &std::path::Path) -> String {
    format!("{} is not a file that can be sent.", shown(path))
}

pub(crate) const NOT_BOTH: &str =
    "Folders are published and files are sent, so drop either folders or files. Nothing was done.";
pub(crate) const TOO_MANY_FILES: &str =
    "At most 1000 files can be sent together. Put them into a folder and publish that.";
pub(crate) const LONG_NOTE: &str = "A note has at most 1000 characters.";
pub(crate) const BAD_SIZE: &str = "The largest size has to be at least one byte.";
pub(crate) const NOBODY_ASKS: &str =
    "Nobody waits for this answer any more. They can open the link and ask again.";
