//! What the app says about files that go to one person or come from others.

use peer::{
    Direction, HandOver, HandOverError, HandOverTrouble, Knock, KnockId, ParcelError, Received,
};

use super::{
    Words, sentences,
    trouble::{quoted, shown},
};
use crate::{
    draft,
    notices::{Button, Notification},
    printable::{MAX_SHOWN, printable},
    request::Request,
};

sentences! {
    not_both = "hand-over-not-both";
    too_many_files = "hand-over-too-many-files";
    long_note = "hand-over-long-note";
    bad_size = "hand-over-bad-size";
    nobody_asks = "hand-over-nobody-asks";
}

impl Words {
    /// Tells of visitors who ask whether they may, `last` being one of them.
    pub(crate) fn knocks(
        self,
        (hand_over, knock): &(HandOver, Knock),
        count: usize,
    ) -> Notification {
        let (who, number) = (self.who(knock.visitor, &knock.agent), count);
        let (who, count) = (("who", who.into()), ("count", number.into()));
        let name = |name: &str| ("name", printable(name, MAX_SHOWN).into());
        let told = match (&hand_over.direction, number) {
            (Direction::Send { name: file, .. }, 0 | 1) => {
                self.notification("notice-may-fetch", &[name(file), who])
            }
            (Direction::Ask { .. }, 0 | 1) => self.notification("notice-may-send", &[who]),
            (Direction::Send { name: file, .. }, _) => {
                self.notification("notice-many-ask-to-fetch", &[name(file), who, count])
            }
            (Direction::Ask { .. }, _) => {
                self.notification("notice-many-ask-to-send", &[who, count])
            }
        };
        let button = |word, click| Button { word: self.say(word, &[]), click };
        let refuse = Request::AnswerKnock { knock: knock.id.0.to_string(), allow: false };
        let buttons = match number {
            0 | 1 => {
                vec![button("notice-allow", allows(knock.id)), button("notice-refuse", refuse)]
            }
            // One answer for several people would be a guess.
            _ => Vec::new(),
        };
        Notification { click: Some(opens(hand_over)), waits: true, buttons, ..told }
    }

    /// Tells of files that were delivered, `last` being one of them; they are called only sent when
    /// that is not certain of all.
    pub(crate) fn delivered(
        self,
        (last, all_certain): &(HandOver, bool),
        count: usize,
    ) -> Notification {
        let (name, bytes) = match &last.direction {
            Direction::Send { name, size, .. } => (printable(name, MAX_SHOWN), size),
            Direction::Ask { folder, largest, .. } => (shown(folder), largest),
        };
        let (name, size) = (("name", name.into()), ("size", self.size(*bytes).into()));
        let number = ("count", count.into());
        let told = match (count, *all_certain) {
            (0 | 1, true) => self.notification("notice-handed-over", &[name, size]),
            (0 | 1, false) => self.notification("notice-only-sent", &[name, size]),
            (_, true) => self.notification("notice-many-handed-over", &[name, size, number]),
            (_, false) => self.notification("notice-many-only-sent", &[name, size, number]),
        };
        Notification { click: Some(opens(last)), ..told }
    }

    /// Tells of files that arrived, `last` being one of them.
    pub(crate) fn received(
        self,
        (hand_over, last): &(HandOver, Received),
        count: usize,
    ) -> Notification {
        let folder = match &hand_over.direction {
            Direction::Ask { folder, .. } => printable(&draft::name(folder), MAX_SHOWN),
            Direction::Send { name, .. } => printable(name, MAX_SHOWN),
        };
        let file = ("file", printable(&last.file, MAX_SHOWN).into());
        let (size, folder) = (("size", self.size(last.size).into()), ("folder", folder.into()));
        let told = match count {
            0 | 1 => {
                let who = ("who", self.place(last.visitor).into());
                self.notification("notice-received", &[file, size, folder, who])
            }
            _ => {
                let count = ("count", count.into());
                self.notification("notice-many-received", &[file, size, folder, count])
            }
        };
        Notification { click: Some(opens(hand_over)), ..told }
    }

    pub(crate) fn hand_over_trouble(self, trouble: &HandOverTrouble) -> String {
        match trouble {
            HandOverTrouble::Away => self.say("hand-over-away", &[]),
            HandOverTrouble::NameTaken => self.say("hand-over-name-taken", &[]),
            HandOverTrouble::Refused(words) => {
                self.say("site-refused", &[("words", quoted(words).into())])
            }
        }
    }

    pub(crate) fn not_handed_over(self, error: &HandOverError) -> String {
        match error {
            HandOverError::Files(error) => self.not_a_parcel(error),
            HandOverError::Folder(path, fault) => {
                let why = self.folder_fault(fault);
                let values = [("path", shown(path).into()), ("why", why.into())];
                self.say("folder-cannot-take-files", &values)
            }
            HandOverError::TooMany => self.say("hand-over-too-many", &[]),
            HandOverError::Store(why) => self.store(why),
            HandOverError::Unknown => self.gone(),
        }
    }

    fn not_a_parcel(self, error: &ParcelError) -> String {
        let about = |id, path| self.say(id, &[("path", shown(path).into())]);
        match error {
            ParcelError::Count => self.say("file-count", &[]),
            ParcelError::NotFound(path) => about("file-not-found", path),
            ParcelError::NotAFile(path) => about("file-not-a-file", path),
            ParcelError::Denied(path) => about("file-denied", path),
            ParcelError::Other(path, error) => {
                let why = self.cause(error);
                self.say("file-other", &[("path", shown(path).into()), ("why", why.into())])
            }
        }
    }

    pub(crate) fn no_file(self, path: &std::path::Path) -> String {
        self.say("hand-over-no-file", &[("path", shown(path).into())])
    }

    /// Says why what arrived is not shown: nothing shows it, or it is not there.
    pub(crate) fn not_shown(self, path: &std::path::Path, is_there: bool) -> String {
        let id = if is_there { "hand-over-not-shown" } else { "hand-over-moved" };
        self.say(id, &[("path", shown(path).into())])
    }
}

/// Returns what the first button of a question's notification asks for.
pub(crate) fn allows(knock: KnockId) -> Request {
    Request::AnswerKnock { knock: knock.0.to_string(), allow: true }
}

fn opens(hand_over: &HandOver) -> Request {
    Request::OpenHandOver { hand_over: hand_over.id.0.to_string() }
}
