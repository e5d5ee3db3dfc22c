//! When a notification is shown: often enough to be of use, seldom enough not to shout.
//!
//! Told the time, does no IO.

use std::{collections::HashSet, time::Duration};

use peer::{
    Direction, HandOver, Knock, KnockId, LinkState, Note, Received, Stage, TransferEnd,
    TransferRecord,
};
use tokio::time::Instant;

use crate::{
    request::{NotificationKind, Request},
    settings::Notifications,
    words::Words,
};

/// How long the connection must be away before the owner is told; most losses are shorter.
pub const LOST_AFTER: Duration = Duration::from_secs(5);

/// How far two notifications of one kind are apart at least; what happens between is told together.
pub const NOTIFY_INTERVAL: Duration = Duration::from_secs(10);

/// How many questions of visitors wait to be told; the window has them all.
const MAX_KNOCKS: usize = 100;

/// A notification, as the desktop shows it. Plain text, already printable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// The first line.
    pub title: String,
    /// What follows.
    pub body: String,
    /// What a click on it asks for.
    pub click: Option<Request>,
    /// The note that can be answered in the notification itself, where the system offers that.
    pub answers: Option<String>,
    /// What can be pressed in the notification itself, where the system offers that.
    pub buttons: Vec<Button>,
    /// Somebody waits, so it stays for minutes where the system lets it.
    pub waits: bool,
}

/// A button of a notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Button {
    /// What it says.
    pub word: String,
    /// What it asks for.
    pub click: Request,
}

impl Notification {
    /// Makes one that only tells.
    #[must_use]
    pub fn new(title: impl Into<String>, body: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            body: body.into(),
            click: None,
            answers: None,
            buttons: Vec::new(),
            waits: false,
        }
    }
}

/// Gathers what happens and says when to tell.
#[derive(Default)]
pub struct Notices {
    connection: Link,
    visitors: Gathered<String>,
    notes: Gathered<(Note, String)>,
    transfers: Gathered<TransferRecord>,
    knocks: Knocks,
    /// With whether it is certain of all that are gathered, not of the last alone.
    delivered: Gathered<(HandOver, bool)>,
    received: Gathered<(HandOver, Received)>,
}

/// Who asks, and was not told of yet.
#[derive(Default)]
struct Knocks {
    waiting: Vec<(HandOver, Knock)>,
    /// Those that a picture of the peer had: an event may be ahead of the picture.
    seen: HashSet<KnockId>,
    /// Those whose notification may still be shown.
    told: HashSet<KnockId>,
    quiet_until: Option<Instant>,
}

impl Knocks {
    fn due(&self, now: Instant) -> Option<Instant> {
        self.waiting.first().map(|_| self.quiet_until.unwrap_or(now))
    }

    fn take(&mut self, now: Instant) -> Option<((HandOver, Knock), usize)> {
        if self.due(now)? > now {
            return None;
        }
        self.quiet_until = Some(now + NOTIFY_INTERVAL);
        let mut waiting = std::mem::take(&mut self.waiting);
        let count = waiting.len();
        self.told.extend(waiting.iter().map(|(_, knock)| knock.id));
        waiting.pop().map(|last| (last, count))
    }
}

/// What is known about the connection, and what the owner was told of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Link {
    /// Lost, and the owner knows.
    ToldLost,
    /// Was there and is away since then.
    Lost(Instant),
    /// There has been none.
    #[default]
    Never,
    /// There is one.
    Up,
}

/// Things of one kind that happened since the last notification.
struct Gathered<T> {
    last: Option<T>,
    count: usize,
    quiet_until: Option<Instant>,
}

impl<T> Default for Gathered<T> {
    fn default() -> Self {
        Self { last: None, count: 0, quiet_until: None }
    }
}

impl<T> Gathered<T> {
    fn add(&mut self, thing: T) {
        self.last = Some(thing);
        self.count = self.count.saturating_add(1);
    }

    /// Returns when something that waits may be told.
    fn due(&self, now: Instant) -> Option<Instant> {
        self.last.as_ref().map(|_| self.quiet_until.unwrap_or(now))
    }

    /// Takes what waits, when its time has come.
    fn take(&mut self, now: Instant) -> Option<(T, usize)> {
        if self.due(now)? > now {
            return None;
        }
        self.quiet_until = Some(now + NOTIFY_INTERVAL);
        Some((self.last.take()?, std::mem::take(&mut self.count)))
    }
}

impl Notices {
    /// Hears of the state of the link.
    pub fn link(&mut self, state: &LinkState, now: Instant) -> Option<LinkNews> {
        match (state, self.connection) {
            (LinkState::Up { .. }, Link::ToldLost) => {
                self.connection = Link::Up;
                Some(LinkNews::Regained)
            }
            (LinkState::Up { .. }, Link::Lost(_) | Link::Never | Link::Up) => {
                self.connection = Link::Up;
                None
            }
            (LinkState::Dialling | LinkState::Down { .. }, Link::Up) => {
                self.connection = Link::Lost(now);
                None
            }
            (
                LinkState::Dialling | LinkState::Down { .. },
                Link::ToldLost | Link::Lost(_) | Link::Never,
            ) => None,
        }
    }

    /// Forgets the connection, because the owner changed the gateway.
    pub fn forget_connection(&mut self) {
        self.connection = Link::Never;
    }

    /// Hears of the first visitor to the site with this title.
    pub fn first_visitor(&mut self, title: String) {
        self.visitors.add(title);
    }

    /// Hears of a note about the site with this title.
    pub fn note(&mut self, note: Note, title: String) {
        self.notes.add((note, title));
    }

    /// Hears of a transfer that ended; only whole ones are told.
    pub fn transfer(&mut self, record: TransferRecord) {
        match record.end {
            TransferEnd::Complete => self.transfers.add(record),
            TransferEnd::Cut(_) => {}
        }
    }

    /// Hears of a hand-over that changed; only files that were delivered completely are told.
    pub fn hand_over(&mut self, hand_over: HandOver) {
        match (&hand_over.stage, &hand_over.direction) {
            (Stage::Done { certain, .. }, Direction::Send { .. }) => {
                let all = *certain && self.delivered.last.as_ref().is_none_or(|(_, all)| *all);
                self.delivered.add((hand_over, all));
            }
            // Each file that came was told by itself.
            (Stage::Done { .. }, Direction::Ask { .. })
            | (Stage::Cut { .. } | Stage::Waiting, _) => {}
        }
    }

    /// Hears of a visitor who asks whether she may.
    pub fn knock(&mut self, hand_over: HandOver, knock: Knock) {
        if self.knocks.waiting.len() < MAX_KNOCKS {
            self.knocks.waiting.push((hand_over, knock));
        }
    }

    /// Forgets questions that were answered, or that nobody asks any more, and returns those among
    /// them that were told.
    pub fn keep_knocks(&mut self, is_asked: impl Fn(KnockId) -> bool) -> Vec<KnockId> {
        let Knocks { waiting, seen, told, .. } = &mut self.knocks;
        let all = waiting.iter().map(|(_, knock)| &knock.id).chain(told.iter());
        seen.extend(all.filter(|id| is_asked(**id)).copied().collect::<Vec<_>>());
        let is_over = |id: &KnockId| seen.contains(id) && !is_asked(*id);
        waiting.retain(|(_, knock)| !is_over(&knock.id));
        let over: Vec<KnockId> = told.iter().copied().filter(is_over).collect();
        told.retain(|id| !over.contains(id));
        seen.retain(|id| is_asked(*id));
        over
    }

    /// Hears of a file that arrived.
    pub fn received(&mut self, hand_over: HandOver, file: Received) {
        self.received.add((hand_over, file));
    }

    /// Returns when [`Notices::poll`] has something to do.
    #[must_use]
    pub fn due(&self, now: Instant) -> Option<Instant> {
        let lost = match self.connection {
            Link::Lost(since) => Some(since + LOST_AFTER),
            Link::Never | Link::ToldLost | Link::Up => None,
        };
        let others = [
            self.visitors.due(now),
            self.notes.due(now),
            self.transfers.due(now),
            self.knocks.due(now),
            self.delivered.due(now),
            self.received.due(now),
        ];
        others.into_iter().chain([lost]).flatten().min()
    }

    /// Returns what is to be shown now, leaving out the kinds that are switched off.
    pub fn poll(
        &mut self,
        now: Instant,
        switches: &Notifications,
        words: Words,
    ) -> Vec<Notification> {
        let mut shown = Vec::new();
        if let Link::Lost(since) = self.connection
            && since + LOST_AFTER <= now
        {
            self.connection = Link::ToldLost;
            if switches.has(NotificationKind::Connection) {
                shown.push(words.connection_lost());
            }
        }
        if let Some((last, count)) = self.visitors.take(now)
            && switches.has(NotificationKind::FirstVisitor)
        {
            shown.push(words.first_visitors(&last, count));
        }
        if let Some(((last, title), count)) = self.notes.take(now)
            && switches.has(NotificationKind::Note)
        {
            shown.push(words.notes(&last, &title, count));
        }
        if let Some((last, count)) = self.transfers.take(now)
            && switches.has(NotificationKind::TransferFinished)
        {
            shown.push(words.transfers_finished(&last, count));
        }
        if let Some((last, count)) = self.knocks.take(now)
            && switches.has(NotificationKind::Knock)
        {
            shown.push(words.knocks(&last, count));
        }
        if let Some((last, count)) = self.delivered.take(now)
            && switches.has(NotificationKind::HandOver)
        {
            shown.push(words.delivered(&last, count));
        }
        if let Some((last, count)) = self.received.take(now)
            && switches.has(NotificationKind::HandOver)
        {
            shown.push(words.received(&last, count));
        }
        shown
    }
}

/// News about the link that are told at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkNews {
    /// It is back, after the owner was told that it is lost.
    Regained,
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use carriers::LinkEnd;
    use peer::{Ended, LinkFault, LinkTrouble, SiteId, TransferId};

    use super::*;
    use crate::language::Language;

    const ENGLISH: Words = Words::of(Language::English);
    const ON: Notifications = Notifications {
        connection: true,
        first_visitor: true,
        hand_over: true,
        knock: true,
        note: true,
        transfer_finished: true,
    };

    fn up() -> LinkState {
        let since = SystemTime::UNIX_EPOCH;
        LinkState::Up {
            carrier: carriers::Carrier::PtthHttp2,
            since,
            missed: Vec::new(),
            rate: None,
        }
    }

    fn down() -> LinkState {
        let fault = LinkFault::Ended(LinkEnd::Lost);
        let trouble = LinkTrouble { fault, heals: true, of_account: false };
        LinkState::Down { trouble, retry_at: None }
    }

    fn record(file: &str, end: TransferEnd) -> TransferRecord {
        TransferRecord {
            id: TransferId(1),
            site: SiteId("7".to_owned()),
            site_name: "Photos".to_owned(),
            file: file.to_owned(),
            visitor: Some([192, 0, 2, 7].into()),
            agent: "Firefox on Windows".to_owned(),
            size: 1_200_000,
            delivered: 1_200_000,
            since: SystemTime::UNIX_EPOCH,
            until: SystemTime::UNIX_EPOCH,
            end,
        }
    }

    #[track_caller]
    fn check(shown: &[Notification], titles: &[&str]) {
        let shown: Vec<&str> = shown.iter().map(|notification| &*notification.title).collect();
        assert_eq!(shown, titles);
    }

    #[test]
    fn a_blink_of_the_connection_is_not_told() {
        let (mut notices, start) = (Notices::default(), Instant::now());
        notices.link(&up(), start);
        notices.link(&down(), start);
        assert_eq!(notices.due(start), Some(start + LOST_AFTER));
        let back = start + LOST_AFTER - Duration::from_millis(1);
        check(&notices.poll(back, &ON, ENGLISH), &[]);
        assert_eq!(notices.link(&up(), back), None);
        assert_eq!(notices.due(back), None);
    }

    #[test]
    fn a_loss_is_told_once_and_its_end_once() {
        let (mut notices, start) = (Notices::default(), Instant::now());
        notices.link(&up(), start);
        notices.link(&down(), start);
        notices.link(&LinkState::Dialling, start + Duration::from_secs(1));
        check(&notices.poll(start + LOST_AFTER, &ON, ENGLISH), &["Your links do not work now"]);
        notices.link(&down(), start + LOST_AFTER);
        check(&notices.poll(start + 9 * LOST_AFTER, &ON, ENGLISH), &[]);
        assert_eq!(notices.link(&up(), start + 9 * LOST_AFTER), Some(LinkNews::Regained));
        assert_eq!(notices.link(&up(), start + 9 * LOST_AFTER), None);
    }

    #[test]
    fn a_start_without_connection_is_no_loss() {
        let (mut notices, start) = (Notices::default(), Instant::now());
        notices.link(&LinkState::Dialling, start);
        notices.link(&down(), start);
        assert_eq!(notices.due(start), None);
    }

    #[test]
    fn a_hundred_small_files_make_two_notifications() {
        let (mut notices, start) = (Notices::default(), Instant::now());
        let mut shown = Vec::new();
        for n in 0..100 {
            notices.transfer(record(&format!("{n}.jpg"), TransferEnd::Complete));
            shown.extend(notices.poll(start + Duration::from_millis(n), &ON, ENGLISH));
        }
        check(&shown, &["A file was delivered"]);
        assert_eq!(notices.due(start), Some(start + NOTIFY_INTERVAL));
        let shown = notices.poll(start + NOTIFY_INTERVAL, &ON, ENGLISH);
        check(&shown, &["99 files were delivered"]);
        assert!(shown[0].body.contains("“99.jpg” (1.2 MB), to 192.0.2.7 (Firefox"), "{shown:?}");
        assert_eq!(notices.due(start + NOTIFY_INTERVAL), None);
    }

    #[test]
    fn a_cut_transfer_is_not_called_finished() {
        let mut notices = Notices::default();
        notices.transfer(record("a.jpg", TransferEnd::Cut(Ended::Visitor)));
        check(&notices.poll(Instant::now(), &ON, ENGLISH), &[]);
    }

    fn a_note(text: &str, answerable: bool) -> Note {
        Note {
            id: peer::NoteId(4),
            site: SiteId("7".to_owned()),
            text: text.to_owned(),
            visitor: Some([192, 0, 2, 7].into()),
            agent: "Firefox on Windows".to_owned(),
            at: SystemTime::UNIX_EPOCH,
            answerable,
            seen: false,
            reply: None,
        }
    }

    #[test]
    fn a_note_is_told_with_its_text_and_can_be_answered_there() {
        let (mut notices, start) = (Notices::default(), Instant::now());
        notices.note(a_note("Hello\nthe third\u{202E} photo", true), "Photos".to_owned());
        let shown = notices.poll(start, &ON, ENGLISH);
        check(&shown, &["A note about “Photos”"]);
        assert!(shown[0].body.starts_with("Hello the third\u{FFFD} photo"), "{shown:?}");
        assert_eq!(shown[0].click, Some(Request::OpenNotes { site: "7".to_owned() }));
        assert_eq!(shown[0].answers.as_deref(), Some("4"));
        // A flood makes one more.
        for _ in 0..30 {
            notices.note(a_note("Buy now", true), "Photos".to_owned());
            check(&notices.poll(start, &ON, ENGLISH), &[]);
        }
        let shown = notices.poll(start + NOTIFY_INTERVAL, &ON, ENGLISH);
        check(&shown, &["30 notes of visitors"]);
        assert_eq!(shown[0].answers, None);
        notices.note(a_note("Hello", false), "Photos".to_owned());
        let shown = notices.poll(start + 2 * NOTIFY_INTERVAL, &ON, ENGLISH);
        assert_eq!(shown[0].answers, None);
    }

    #[test]
    fn the_first_visitors_of_many_sites_are_told_together() {
        let (mut notices, now) = (Notices::default(), Instant::now());
        notices.first_visitor("Photos".to_owned());
        notices.first_visitor("Music".to_owned());
        let shown = notices.poll(now, &ON, ENGLISH);
        check(&shown, &["The first visitor is here"]);
        assert!(shown[0].body.contains("Music"), "{shown:?}");
    }

    #[test]
    fn what_is_switched_off_is_not_told_later_either() {
        let (mut notices, now) = (Notices::default(), Instant::now());
        let off = Notifications {
            connection: false,
            first_visitor: false,
            hand_over: false,
            knock: false,
            note: false,
            transfer_finished: false,
        };
        notices.first_visitor("Photos".to_owned());
        notices.transfer(record("a.jpg", TransferEnd::Complete));
        notices.link(&up(), now);
        notices.link(&down(), now);
        check(&notices.poll(now + LOST_AFTER, &off, ENGLISH), &[]);
        check(&notices.poll(now + 9 * NOTIFY_INTERVAL, &ON, ENGLISH), &[]);
    }

    fn a_hand_over(direction: Direction, stage: Stage) -> HandOver {
        HandOver {
            id: peer::HandOverId(3),
            direction,
            note: String::new(),
            nod: true,
            url: None,
            trouble: None,
            stage,
            passing: vec![],
            knocks: vec![],
            received: vec![],
            since: SystemTime::UNIX_EPOCH,
        }
    }

    fn film(stage: Stage) -> HandOver {
        let name = "fi\u{202E}lm.mkv".to_owned();
        a_hand_over(Direction::Send { name, size: 1_200_000, files: 1 }, stage)
    }

    fn a_knock(id: u64) -> Knock {
        Knock {
            id: KnockId(id),
            visitor: Some([192, 0, 2, 7].into()),
            agent: "Fire\u{202E}fox".to_owned(),
            at: SystemTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn who_asks_is_told_with_buttons_and_without_tricks() {
        let (mut notices, start) = (Notices::default(), Instant::now());
        notices.knock(film(Stage::Waiting), a_knock(8));
        let shown = notices.poll(start, &ON, ENGLISH);
        check(&shown, &["May they have “fi\u{FFFD}lm.mkv”?"]);
        assert_eq!(shown[0].body, "192.0.2.7 · Fire\u{FFFD}fox waits for your answer.");
        assert_eq!(shown[0].click, Some(Request::OpenHandOver { hand_over: "3".to_owned() }));
        let words: Vec<&str> = shown[0].buttons.iter().map(|button| &*button.word).collect();
        assert_eq!(words, ["Allow", "Refuse"]);
        let allow = Request::AnswerKnock { knock: "8".to_owned(), allow: true };
        assert_eq!(shown[0].buttons[0].click, allow);
        assert!(shown[0].waits);
    }

    #[test]
    fn several_who_ask_are_told_together_and_those_who_left_are_not() {
        let (mut notices, start) = (Notices::default(), Instant::now());
        notices.knock(film(Stage::Waiting), a_knock(1));
        notices.poll(start, &ON, ENGLISH);
        for id in 2..=4 {
            notices.knock(film(Stage::Waiting), a_knock(id));
        }
        check(&notices.poll(start, &ON, ENGLISH), &[]);
        // A picture that is older than the question.
        assert_eq!(notices.keep_knocks(|_| false), []);
        assert_eq!(notices.keep_knocks(|_| true), []);
        assert_eq!(notices.keep_knocks(|knock| knock != KnockId(3)), [], "it was not told");
        let shown = notices.poll(start + NOTIFY_INTERVAL, &ON, ENGLISH);
        check(&shown, &["2 people wait for your answer"]);
        assert!(shown[0].buttons.is_empty(), "one answer for two people would be a guess");
        notices.knock(film(Stage::Waiting), a_knock(5));
        notices.keep_knocks(|_| true);
        let mut over = notices.keep_knocks(|_| false);
        over.sort();
        assert_eq!(over, [1, 2, 4].map(KnockId));
        assert_eq!(notices.keep_knocks(|_| false), [], "once");
        assert_eq!(notices.due(start), None);
    }

    #[test]
    fn what_was_delivered_and_what_arrived_is_told() {
        let (mut notices, start) = (Notices::default(), Instant::now());
        let at = SystemTime::UNIX_EPOCH;
        notices.hand_over(film(Stage::Waiting));
        check(&notices.poll(start, &ON, ENGLISH), &[]);
        notices.hand_over(film(Stage::Done { at, certain: true }));
        let direction =
            Direction::Ask { folder: "/home/me/Downloads".into(), largest: 5, files_left: 1 };
        let ask = a_hand_over(direction, Stage::Done { at, certain: true });
        notices.hand_over(ask.clone());
        let file = Received {
            file: "a\n.jpg".to_owned(),
            size: 3_000,
            visitor: Some([192, 0, 2, 7].into()),
            at,
        };
        notices.received(ask, file);
        let shown = notices.poll(start, &ON, ENGLISH);
        check(&shown, &["Your file was delivered", "A file has arrived"]);
        assert!(shown[0].body.contains("“fi\u{FFFD}lm.mkv” (1.2 MB)"), "{shown:?}");
        let arrived = "“a\u{FFFD}.jpg” (3.0 kB) from 192.0.2.7 is in “Downloads”.";
        assert_eq!(shown[1].body, arrived);
    }

    #[test]
    fn the_name_of_a_file_is_shown_without_tricks() {
        let (mut notices, now) = (Notices::default(), Instant::now());
        notices.transfer(record("a\u{202E}gpj\n.exe", TransferEnd::Complete));
        let shown = notices.poll(now, &ON, ENGLISH);
        assert!(!shown[0].body.contains(['\u{202E}', '\n']), "{shown:?}");
    }
}
