//! The view, computed from what the peer says and what the app remembers.

use std::time::{SystemTime, UNIX_EPOCH};

use carriers::Carrier;
use crosstalk::proof::PublicKey;
use peer::{
    Ended, LinkState, Missed, SiteState, Snapshot, TransferEnd, TransferRecord, TransferState,
};

mod hand_over;

pub(crate) use self::hand_over::name_of;
pub use self::hand_over::{MAX_DRAFT_FILES, MAX_RECEIVED};
use crate::{
    draft::Draft,
    keychain::KeptIn,
    printable::{MAX_NOTE, MAX_SENTENCE, MAX_SHOWN, printable, printable_lines},
    qr::QrCodes,
    settings::Kept,
    view::{
        Account, AccountTest, Connection, Cut, Gateway, Identity, MissedWire, Note, NoteAnswer,
        Obstacle, Pace, PasswordsIn, Phase, Problem, Record, RecordEnd, Settings, Site, Transfer,
        View, Wire,
    },
    words::Words,
};

/// How many transfers are shown one by one; nobody reads more, and the window stays quick.
pub const MAX_TRANSFERS: usize = 100;

/// How many notes of a site are shown; older ones come when these are put away.
pub const MAX_NOTES: usize = 50;

/// How many hand-overs are shown: as many as the peer keeps.
pub const MAX_HAND_OVERS: usize = 100;

/// How many records of the past are shown.
pub const MAX_HISTORY: usize = 200;

/// The longest rest of a transfer that is foretold; beyond it nobody can say.
const MAX_SECONDS_LEFT: u64 = 30 * 24 * 60 * 60;

/// How many bytes a photo has in what is said about a way: a small one from a telephone.
const PHOTO: u64 = 1_000_000;

/// Below how many bytes a second the owner is told that a way is slow: a photo takes more than four
/// seconds, and people believe that nothing happens.
const SLOW: u64 = 250_000;

/// The greatest whole number that JavaScript can hold.
const MAX_NUMBER: u64 = (1 << 53) - 1;

/// Everything that the view is computed from.
pub struct Facts<'a> {
    /// What says the sentences.
    pub words: Words,
    /// How far the app is.
    pub phase: Phase,
    /// What the peer says, once there is one.
    pub snapshot: Option<&'a Snapshot>,
    /// The address of the embedded gateway, once it listens.
    pub embedded: Option<String>,
    /// Who publishes, once there is a key.
    pub identity: Option<(PublicKey, KeptIn)>,
    /// What is remembered.
    pub kept: &'a Kept,
    /// Whether the password of the XMPP account is known.
    pub has_password: bool,
    /// The last try whether an XMPP account works.
    pub account_test: Option<&'a AccountTest>,
    /// Starts with the computer.
    pub start_at_login: bool,
    /// The problem to show.
    pub problem: Option<&'a Problem>,
    /// Something is held over the window.
    pub drop_target: bool,
    /// The site whose notes are to be opened.
    pub open_notes: Option<&'a str>,
    /// The hand-over that is to be opened.
    pub open_hand_over: Option<&'a str>,
    /// What the owner is about to hand over.
    pub draft: Option<&'a Draft>,
    /// The peer is turning to another gateway; what it says of the link is about the old one.
    pub moving: bool,
}

/// Computes the view. `codes` only spares drawing the same code again.
#[must_use]
pub fn view(facts: &Facts<'_>, codes: &mut QrCodes) -> View {
    let words = facts.words;
    let nothing =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), 0, false, Connection::Connecting);
    let (sites, hand_overs, transfers, history, more, paused, connection) = match facts.snapshot {
        None => nothing,
        Some(snapshot) => {
            let hand_overs = &snapshot.hand_overs;
            let links = snapshot.sites.iter().map(|site| &site.url);
            let links = links.chain(hand_overs.iter().map(|hand_over| &hand_over.url));
            codes.keep_only(links.filter_map(|url| url.as_deref()));
            let under_way = &snapshot.transfers;
            let shown = hand_overs.iter().take(MAX_HAND_OVERS);
            (
                snapshot
                    .sites
                    .iter()
                    .map(|site| self::site(site, snapshot, codes, words))
                    .collect(),
                shown.map(|hand_over| hand_over::hand_over(hand_over, codes, words)).collect(),
                under_way.iter().take(MAX_TRANSFERS).map(|one| transfer(one, words)).collect(),
                snapshot.history.iter().take(MAX_HISTORY).map(|one| record(one, words)).collect(),
                count(under_way.len().saturating_sub(MAX_TRANSFERS)),
                snapshot.paused,
                self::connection(&snapshot.link, words),
            )
        }
    };
    let notifications = &facts.kept.notifications;
    View {
        language: words.language(),
        phase: facts.phase.clone(),
        connection: if facts.moving { Connection::Connecting } else { connection },
        gateway: match &facts.kept.gateway {
            Some(address) => Gateway::Remote { address: address.to_string() },
            None => Gateway::Embedded { address: facts.embedded.clone() },
        },
        account: facts.kept.account.as_ref().map(|account| Account {
            jid: printable(&account.jid.to_string(), MAX_SHOWN),
            server: account.server.as_ref().map(|server| printable(&server.to_string(), MAX_SHOWN)),
            has_password: facts.has_password,
        }),
        account_test: facts.account_test.cloned(),
        passwords_in: match facts.identity {
            Some((_, KeptIn::File)) => PasswordsIn::File,
            Some((_, KeptIn::Keychain)) | None => PasswordsIn::Keychain,
        },
        identity: facts.identity.map(|(key, kept_in)| Identity {
            name: printable(facts.kept.identity_name.as_deref().unwrap_or_default(), MAX_SHOWN),
            fingerprint: fingerprint(&key),
            kept_in: words.kept_in(kept_in),
        }),
        paused,
        sites,
        transfers,
        more_transfers: more,
        history,
        hand_overs,
        draft: facts.draft.map(hand_over::draft),
        settings: Settings {
            start_at_login: facts.start_at_login,
            notify_connection: notifications.connection,
            notify_first_visitor: notifications.first_visitor,
            notify_hand_over: notifications.hand_over,
            notify_knock: notifications.knock,
            notify_note: notifications.note,
            notify_transfer_finished: notifications.transfer_finished,
        },
        problem: facts.problem.cloned(),
        drop_target: facts.drop_target,
        open_notes: facts.open_notes.map(str::to_owned),
        open_hand_over: facts.open_hand_over.map(str::to_owned),
    }
}

fn connection(link: &LinkState, words: Words) -> Connection {
    match link {
        LinkState::Dialling => Connection::Connecting,
        LinkState::Down { trouble, retry_at } => Connection::Lost {
            sentence: words.link_fault(&trouble.fault),
            retry_at: retry_at.map(milliseconds),
        },
        LinkState::Up { carrier, since, missed, rate } => Connection::Connected {
            how: wire(*carrier),
            since: milliseconds(*since),
            missed: missed.iter().map(missed_wire).collect(),
            pace: rate.and_then(pace),
        },
    }
}

/// Says what a rate means; nothing when nothing comes through.
pub(crate) fn pace(rate: u64) -> Option<Pace> {
    let rate = rounded(number(rate));
    let photo = PHOTO.checked_div(rate)?;
    Some(Pace { rate, photo, slow: rate < SLOW })
}

/// Rounds to two digits: a rate is not known better, and the window does not flicker with each measure.
fn rounded(rate: u64) -> u64 {
    let mut unit = 1;
    while rate / unit >= 100 {
        unit *= 10;
    }
    (rate + unit / 2) / unit * unit
}

fn wire(carrier: Carrier) -> Wire {
    match carrier {
        Carrier::Petrichor => Wire::Petrichor,
        Carrier::Poll => Wire::Poll,
        Carrier::PtthHttp1 => Wire::PtthHttp1,
        Carrier::PtthHttp2 => Wire::PtthHttp2,
        Carrier::Taxi => Wire::Taxi,
        Carrier::Xmpp => Wire::Xmpp,
    }
}

fn missed_wire(missed: &Missed) -> MissedWire {
    MissedWire {
        wire: wire(missed.carrier),
        obstacle: match &missed.obstacle {
            peer::Obstacle::Blocked => Obstacle::Blocked,
            peer::Obstacle::Cut => Obstacle::Cut,
            peer::Obstacle::NoAnswer => Obstacle::NoAnswer,
            peer::Obstacle::Refused(sentence) => {
                Obstacle::Refused { sentence: printable(sentence, MAX_SENTENCE) }
            }
            peer::Obstacle::Silent => Obstacle::Silent,
        },
        at: milliseconds(missed.at),
    }
}

fn site(site: &SiteState, snapshot: &Snapshot, codes: &mut QrCodes, words: Words) -> Site {
    let active = snapshot.transfers.iter().filter(|transfer| transfer.site == site.id).count();
    let notes = || snapshot.notes.iter().filter(|note| note.site == site.id);
    Site {
        id: site.id.0.clone(),
        name: printable(&site.name, MAX_SHOWN),
        path: printable(&site.path.to_string_lossy(), MAX_SHOWN),
        on: site.on,
        hidden_files: site.hidden_files,
        url: site.url.clone(),
        qr: site.url.as_deref().and_then(|url| codes.of(url)),
        trouble: site.trouble.as_ref().map(|trouble| words.site_trouble(trouble)),
        visitors: site.visitors,
        active: count(active),
        takes_notes: site.takes_notes,
        notes: notes().take(MAX_NOTES).map(|one| note(one, words)).collect(),
        new_notes: count(notes().filter(|note| !note.seen).count()),
        blocked: site.blocked,
    }
}

fn note(note: &peer::Note, words: Words) -> Note {
    Note {
        id: note.id.0.to_string(),
        text: printable_lines(&note.text, MAX_NOTE),
        who: words.who(note.visitor, &note.agent),
        at: milliseconds(note.at),
        seen: note.seen,
        answerable: note.answerable,
        answer: note.reply.as_ref().map(|reply| NoteAnswer {
            text: printable_lines(&reply.text, MAX_NOTE),
            at: milliseconds(reply.at),
            arrived: reply.arrived,
        }),
    }
}

fn transfer(transfer: &TransferState, words: Words) -> Transfer {
    // A receipt that says more than there is would show as more than 100 %.
    let delivered = transfer.delivered.min(transfer.size);
    Transfer {
        id: transfer.id.0.to_string(),
        site: transfer.site.0.clone(),
        file: printable(&transfer.file, MAX_SHOWN),
        who: words.who(transfer.visitor, &transfer.agent),
        size: number(transfer.size),
        delivered: number(delivered),
        rate: number(transfer.rate),
        seconds_left: seconds_left(transfer.size - delivered, transfer.rate),
        since: milliseconds(transfer.since),
    }
}

fn seconds_left(bytes: u64, rate: u64) -> Option<u64> {
    let seconds = bytes.div_ceil(Some(rate).filter(|rate| *rate > 0)?);
    Some(seconds).filter(|seconds| *seconds <= MAX_SECONDS_LEFT)
}

fn record(record: &TransferRecord, words: Words) -> Record {
    Record {
        id: record.id.0.to_string(),
        site_name: printable(&record.site_name, MAX_SHOWN),
        file: printable(&record.file, MAX_SHOWN),
        who: words.who(record.visitor, &record.agent),
        size: number(record.size),
        delivered: number(record.delivered.min(record.size)),
        since: milliseconds(record.since),
        until: milliseconds(record.until),
        end: match record.end {
            TransferEnd::Complete => RecordEnd::Complete,
            TransferEnd::Cut(by) => RecordEnd::Cut { by: cut(by) },
        },
    }
}

fn cut(by: Ended) -> Cut {
    match by {
        Ended::Connection => Cut::Connection,
        Ended::File => Cut::File,
        Ended::Owner => Cut::Owner,
        Ended::Unconfirmed => Cut::Unconfirmed,
        Ended::Visitor => Cut::Visitor,
    }
}

/// Shortens a public key for people: what two of them can compare over the telephone.
fn fingerprint(key: &PublicKey) -> String {
    let text = key.to_string();
    let groups: Vec<&str> = (0..4).filter_map(|group| text.get(group * 4..group * 4 + 4)).collect();
    groups.join(" ")
}

fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    number(u64::try_from(since.as_millis()).unwrap_or(MAX_NUMBER))
}

fn number(number: u64) -> u64 {
    number.min(MAX_NUMBER)
}

fn count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use peer::{LinkFault, LinkTrouble, LoginFault, SiteId, TransferId};

    use super::*;
    use crate::{
        language::Language,
        view::{KeyTrouble, ProblemCode},
    };

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn snapshot(transfers: usize) -> Snapshot {
        let id = SiteId("7".to_owned());
        let site = SiteState {
            id: id.clone(),
            name: "Pho\u{202E}tos\n".to_owned(),
            path: "/home/me/Pho\u{1b}tos".into(),
            on: true,
            hidden_files: false,
            url: Some("http://photos.localhost:28260/s/0123456789abcdefghijkl".to_owned()),
            trouble: None,
            visitors: 3,
            takes_notes: true,
            blocked: 0,
        };
        let transfer = |n: usize| TransferState {
            id: TransferId(i64::try_from(n).unwrap()),
            site: id.clone(),
            file: "a\u{2028}b".to_owned(),
            visitor: Some([192, 0, 2, 7].into()),
            agent: "curl\n".to_owned(),
            size: 1000,
            sent: 900,
            delivered: 500,
            rate: 200,
            since: at(5),
        };
        Snapshot {
            link: LinkState::Up {
                carrier: Carrier::PtthHttp2,
                since: at(2),
                missed: vec![],
                rate: None,
            },
            paused: false,
            sites: vec![site],
            transfers: (0..transfers).map(transfer).collect(),
            history: vec![],
            notes: vec![peer::Note {
                id: peer::NoteId(4),
                site: id,
                text: "Hello\u{202E}\n<b>you</b>\u{1b}".to_owned(),
                visitor: None,
                agent: String::new(),
                at: at(9),
                answerable: true,
                seen: false,
                reply: None,
            }],
            hand_overs: vec![],
        }
    }

    fn compute(snapshot: Option<&Snapshot>) -> View {
        let kept = Kept { identity_name: Some("Ada".to_owned()), ..Kept::default() };
        let facts = Facts {
            words: Words::of(Language::English),
            phase: Phase::Ready,
            snapshot,
            embedded: Some("http://localhost:28260".to_owned()),
            identity: Some((PublicKey::from_bytes([7; 32]), KeptIn::Keychain)),
            kept: &kept,
            has_password: false,
            account_test: None,
            start_at_login: false,
            problem: None,
            drop_target: false,
            open_notes: None,
            open_hand_over: None,
            draft: None,
            moving: false,
        };
        view(&facts, &mut QrCodes::default())
    }

    #[test]
    fn what_is_delivered_is_what_is_shown() {
        let snapshot = snapshot(1);
        let view = compute(Some(&snapshot));
        let expected = Transfer {
            id: "0".to_owned(),
            site: "7".to_owned(),
            file: "a\u{FFFD}b".to_owned(),
            who: "192.0.2.7 · curl".to_owned(),
            size: 1000,
            delivered: 500,
            rate: 200,
            seconds_left: Some(3),
            since: 5000,
        };
        assert_eq!(view.transfers, [expected]);
        assert_eq!(view.sites[0].active, 1);
        let connected =
            Connection::Connected { how: Wire::PtthHttp2, since: 2000, missed: vec![], pace: None };
        assert_eq!(view.connection, connected);
    }

    #[test]
    fn a_measured_rate_says_how_long_a_photo_takes() {
        let mut snapshot = snapshot(0);
        let LinkState::Up { rate, .. } = &mut snapshot.link else { unreachable!("it is up") };
        *rate = Some(7_649);
        let Connection::Connected { pace, .. } = compute(Some(&snapshot)).connection else {
            panic!("not connected")
        };
        assert_eq!(pace, Some(Pace { rate: 7_600, photo: 131, slow: true }));
    }

    #[test]
    fn a_rate_is_rounded_and_only_a_slow_one_is_slow() {
        assert_eq!(super::pace(0), None);
        assert_eq!(super::pace(3), Some(Pace { rate: 3, photo: 333_333, slow: true }));
        assert_eq!(super::pace(250_400), Some(Pace { rate: 250_000, photo: 4, slow: false }));
        assert_eq!(super::pace(12_345_678), Some(Pace { rate: 12_000_000, photo: 0, slow: false }));
        assert!(super::pace(u64::MAX).is_some_and(|pace| pace.rate <= MAX_NUMBER));
    }

    #[test]
    fn hostile_names_are_printable() {
        let snapshot = snapshot(0);
        let view = compute(Some(&snapshot));
        assert_eq!(view.sites[0].name, "Pho\u{FFFD}tos\u{FFFD}");
        assert_eq!(view.sites[0].path, "/home/me/Pho\u{FFFD}tos");
    }

    #[test]
    fn a_link_has_a_code_and_a_site_without_one_has_none() {
        let mut snapshot = snapshot(0);
        assert!(compute(Some(&snapshot)).sites[0].qr.is_some());
        snapshot.sites[0].url = None;
        assert_eq!(compute(Some(&snapshot)).sites[0].qr, None);
    }

    #[test]
    fn more_than_a_hundred_transfers_are_counted() {
        let snapshot = snapshot(130);
        let view = compute(Some(&snapshot));
        assert_eq!((view.transfers.len(), view.more_transfers), (MAX_TRANSFERS, 30));
        assert_eq!(view.sites[0].active, 130);
    }

    #[test]
    fn nobody_foretells_a_transfer_that_stands_still() {
        assert_eq!(seconds_left(10, 0), None);
        assert_eq!(seconds_left(u64::MAX, 1), None);
        assert_eq!(seconds_left(10, 3), Some(4));
        assert_eq!(seconds_left(0, 3), Some(0));
    }

    #[test]
    fn a_receipt_that_says_too_much_is_not_believed() {
        let mut snapshot = snapshot(1);
        snapshot.transfers[0].delivered = u64::MAX;
        assert_eq!(compute(Some(&snapshot)).transfers[0].delivered, 1000);
    }

    #[test]
    fn numbers_stay_exact_in_javascript() {
        let mut snapshot = snapshot(1);
        snapshot.transfers[0].size = u64::MAX;
        assert_eq!(compute(Some(&snapshot)).transfers[0].size, 9_007_199_254_740_991);
    }

    #[test]
    fn a_lost_connection_says_why_and_when_it_is_tried_again() {
        let mut snapshot = snapshot(0);
        let fault = LinkFault::Account(LoginFault::Refused("not\nnow".to_owned()));
        let trouble = LinkTrouble { fault, heals: true, of_account: true };
        snapshot.link = LinkState::Down { trouble, retry_at: Some(at(9)) };
        let sentence =
            "Your XMPP server does not let this account log in: not\u{FFFD}now. Ask its \
                        operator."
                .to_owned();
        let lost = Connection::Lost { sentence, retry_at: Some(9000) };
        assert_eq!(compute(Some(&snapshot)).connection, lost);
    }

    #[test]
    fn before_there_is_a_peer_the_window_has_something_to_show() {
        let view = compute(None);
        assert!(view.sites.is_empty());
        assert_eq!(view.identity.unwrap().fingerprint, "BwcH BwcH BwcH BwcH");
    }

    #[test]
    fn codes_for_programs_are_camel_case() {
        let json = |value: serde_json::Value| value.to_string();
        let code = serde_json::to_value(ProblemCode::PortChanged).unwrap();
        assert_eq!(json(code), r#""portChanged""#);
        let needs = Phase::NeedsKey { trouble: KeyTrouble::NoKeychain, sentence: "x".to_owned() };
        let phase = serde_json::to_value(needs).unwrap();
        assert_eq!(phase["type"], "needsKey");
        assert_eq!(phase["trouble"], "noKeychain");
    }

    #[test]
    fn a_note_is_text_on_its_lines_and_nothing_else() {
        let view = compute(Some(&snapshot(0)));
        let site = &view.sites[0];
        assert_eq!((site.new_notes, site.notes.len()), (1, 1));
        assert_eq!(site.notes[0].text, "Hello\u{FFFD}\n<b>you</b>\u{FFFD}");
    }
}
