//! Every sentence, in every language.

mod causes;

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    io,
    net::IpAddr,
    path::Path,
    time::SystemTime,
};

use carriers::LinkEnd;
use crosstalk::address::{AddressError, GatewayAddress};
use peer::{
    Direction, FolderFault, GatewayFault, HandOver, HandOverError, HandOverId, HandOverTrouble,
    Knock, KnockId, LinkFault, LoginFault, NoteId, ParcelError, PublishError, Received, SiteId,
    SiteTrouble, Stage, StartError, StoreFault, TransferEnd, TransferId, keys::KeyError,
};
use tokio::time::Instant;

use super::*;
use crate::{
    account::{AccountError, NoPassword, OwnerJid},
    keychain::{KeptIn, NoKey},
    notices::{NOTIFY_INTERVAL, Notices},
    settings::Notifications,
    tray::{self, Entry, Menu},
    view::{
        Connection,
        tests::{a_hand_over, a_site, a_transfer, a_view},
    },
};

const ENGLISH: Words = Words::of(Language::English);
const GERMAN: Words = Words::of(Language::German);

thread_local! {
    /// Which messages were said in this test.
    static SAID: RefCell<BTreeSet<&'static str>> = const { RefCell::new(BTreeSet::new()) };
}

/// Notes that a message is said.
pub(super) fn note(id: &'static str) {
    SAID.with_borrow_mut(|said| said.insert(id));
}

/// Returns the messages of a language, and what their texts (of each attribute) have values for.
fn messages(language: Language) -> BTreeMap<String, BTreeSet<String>> {
    let (mut messages, mut message, mut part) = (BTreeMap::new(), String::new(), String::new());
    for line in locale::source(language).lines().filter(|line| !line.starts_with('#')) {
        if let Some((id, _)) = line.split_once(" = ").filter(|_| !line.starts_with(' ')) {
            (message, part) = (id.to_owned(), String::new());
            messages.insert(message.clone(), BTreeSet::new());
        } else if let Some((name, _)) =
            line.trim_start().strip_prefix('.').and_then(|line| line.split_once(" ="))
        {
            part = format!(".{name}");
        }
        let values = line.split('$').skip(1).filter_map(|rest| rest.split([' ', '}']).next());
        for value in values {
            let value = format!("{part} {value}");
            messages.get_mut(&message).expect("a message has a name").insert(value);
        }
    }
    messages
}

#[test]
fn every_language_has_the_same_messages_with_the_same_values() {
    let english = messages(Language::English);
    assert!(english.len() > 100, "{english:?}");
    assert!(english["notice-file-delivered"].contains(".body who"), "{english:?}");
    for language in Language::ALL {
        assert_eq!(messages(language), english, "{language:?}");
    }
}

/// Says everything that can be said, and returns it. A message that is missing, or that wants a value
/// which it is not given, panics.
fn everything(words: Words) -> Vec<String> {
    let mut said = menus(words);
    said.extend(notifications(words).into_iter().flat_map(|told| {
        let buttons = told.buttons.into_iter().map(|button| button.word);
        buttons.chain([told.title, told.body]).collect::<Vec<_>>()
    }));
    said.extend(visitors_and_sizes(words));
    said.extend(keys_and_accounts(words));
    said.extend(links(words));
    said.extend(folders_and_files(words));
    said.extend(others(words));
    said
}

fn menus(words: Words) -> Vec<String> {
    use crate::view::{KeyTrouble, Phase};
    let view = |sites| View { language: words.language(), ..a_view(sites) };
    let photos = || vec![a_site("7", "Photos")];
    let mut views = vec![view(vec![]), view((0..30).map(|_| a_site("7", "Photos")).collect())];
    let mut paused = view(photos());
    paused.paused = true;
    let mut connecting = view(photos());
    connecting.connection = Connection::Connecting;
    let mut offline = view(photos());
    offline.connection = Connection::Lost { sentence: String::new(), retry_at: None };
    let mut fetching = view(photos());
    fetching.transfers = vec![a_transfer("7")];
    let mut handing_over = view(vec![]);
    handing_over.hand_overs = vec![a_hand_over("3")];
    let mut asked = handing_over.clone();
    asked.hand_overs[0].knocks =
        vec![crate::view::Knock { id: "8".to_owned(), who: "192.0.2.7".to_owned(), at: 1 }];
    asked.hand_overs[0].passing = vec![crate::view::Passing {
        file: "film.mkv".to_owned(),
        who: "192.0.2.7".to_owned(),
        size: None,
        arrived: 10,
        rate: 1,
        seconds_left: None,
        since: 1,
    }];
    let mut starting = view(vec![]);
    starting.phase = Phase::Starting;
    let mut needs_key = view(vec![]);
    let sentence = String::new();
    needs_key.phase = Phase::NeedsKey { trouble: KeyTrouble::FileLocked, sentence };
    let mut failed = view(vec![]);
    failed.phase = Phase::Failed { sentence: String::new() };
    views.extend([paused, connecting, offline, fetching, handing_over, asked]);
    views.extend([starting, needs_key, failed]);
    let mut said: Vec<String> = views
        .iter()
        .flat_map(|view| {
            let tray = tray::tray(view);
            lines(&tray.menu).into_iter().chain([tray.status])
        })
        .collect();
    said.extend([Choice::Files, Choice::Folder, Choice::Inbox].map(|one| words.dialog(one)));
    said
}

fn lines(Menu(entries): &Menu) -> Vec<String> {
    entries
        .iter()
        .flat_map(|entry| match entry {
            Entry::Check { label, .. } | Entry::Item { label, .. } | Entry::Label(label) => {
                vec![label.clone()]
            }
            Entry::Separator => vec![],
            Entry::Submenu { menu, .. } => lines(menu),
        })
        .collect()
}

fn hand_over(direction: Direction) -> HandOver {
    HandOver {
        id: HandOverId(3),
        direction,
        note: String::new(),
        nod: true,
        url: None,
        trouble: None,
        stage: Stage::Waiting,
        passing: vec![],
        knocks: vec![],
        received: vec![],
        since: SystemTime::UNIX_EPOCH,
    }
}

fn film() -> HandOver {
    hand_over(Direction::Send { name: "film.mkv".to_owned(), size: 1_200_000_000, files: 1 })
}

fn inbox() -> HandOver {
    hand_over(Direction::Ask { folder: "/home/me/Downloads".into(), largest: 12, files_left: 1 })
}

fn a_visitor() -> Option<IpAddr> {
    Some([192, 0, 2, 7].into())
}

fn notifications(words: Words) -> Vec<Notification> {
    let (at, visitor, agent) = (SystemTime::UNIX_EPOCH, a_visitor(), "Firefox on Windows");
    let record = TransferRecord {
        id: TransferId(1),
        site: SiteId("7".to_owned()),
        site_name: "Photos".to_owned(),
        file: "cat.jpg".to_owned(),
        visitor,
        agent: agent.to_owned(),
        size: 1_200_000,
        delivered: 1_200_000,
        since: at,
        until: at,
        end: TransferEnd::Complete,
    };
    let note = Note {
        id: NoteId(4),
        site: SiteId("7".to_owned()),
        text: "Hello".to_owned(),
        visitor: None,
        agent: String::new(),
        at,
        answerable: true,
        seen: false,
        reply: None,
    };
    let knock = Knock { id: KnockId(8), visitor, agent: agent.to_owned(), at };
    let received = Received { file: "tax.pdf".to_owned(), size: 12, visitor, at };
    let mut told = vec![
        words.connection_lost(),
        words.connection_regained(),
        words.stays_in_tray(),
        words.waits_for_key(),
    ];
    for count in 1..=3 {
        told.extend([
            words.first_visitors("Photos", count),
            words.transfers_finished(&record, count),
            words.notes(&note, "Photos", count),
            words.knocks(&(film(), knock.clone()), count),
            words.knocks(&(inbox(), knock.clone()), count),
            words.delivered(&(film(), true), count),
            words.delivered(&(film(), false), count),
            words.received(&(inbox(), received.clone()), count),
        ]);
    }
    told
}

fn visitors_and_sizes(words: Words) -> Vec<String> {
    let here = Some([127, 0, 0, 1].into());
    vec![
        words.who(None, ""),
        words.who(here, "a browser on Linux"),
        words.who(here, "a browser"),
        words.who(here, "Firefox on Linux"),
        words.size(1),
        words.size(0),
        words.size(1_200),
        words.size(12_000),
        words.answer(),
        words.answer_here(),
        words.open(),
        words.first_name(),
    ]
}

fn error() -> io::Error {
    io::Error::other("no space left")
}

/// What systems often say.
fn known_errors() -> Vec<io::Error> {
    use io::ErrorKind::{NotFound, PermissionDenied, ReadOnlyFilesystem, StorageFull, TimedOut};
    [NotFound, PermissionDenied, ReadOnlyFilesystem, StorageFull, TimedOut]
        .map(|kind| io::Error::new(kind, "in English"))
        .into()
}

fn keys_and_accounts(words: Words) -> Vec<String> {
    let file = || KeyError::File("/x/identity.key".into(), error());
    let damaged = || KeyError::Damaged("too short".to_owned());
    let all =
        || [KeyError::NoKeychain, KeyError::Locked, KeyError::WrongPassphrase, damaged(), file()];
    let jid = OwnerJid::parse("anna@chat.example").unwrap();
    let mut said = vec![
        words.kept_in(KeptIn::File),
        words.kept_in(KeptIn::Keychain),
        words.no_key(&NoKey::FileLocked),
        words.no_key(&NoKey::Gone),
        words.no_password(&jid, &NoPassword::Gone),
        words.key_in_use(),
        words.short_passphrase(),
        words.needs_account(),
    ];
    said.extend(all().map(|error| words.no_key(&NoKey::Refused(error))));
    said.extend(all().map(|error| words.no_password(&jid, &NoPassword::Refused(error))));
    said.extend(all().map(|error| words.password_not_kept(&error)));
    said.extend(all().map(|error| words.not_forgotten(&error)));
    said.extend(known_errors().iter().map(|error| words.not_kept(error)));
    use AccountError::{Jid, LongPassword, NoPassword as Empty, Server};
    said.extend([Jid, LongPassword, Empty, Server].map(|error| words.bad_account(error)));
    said
}

fn links(words: Words) -> Vec<String> {
    let gateway = GatewayAddress::parse("https://gateway.example").unwrap();
    let other = GatewayAddress::parse("https://other.example").unwrap();
    let theirs = || "not today".to_owned();
    let ends = [LinkEnd::Closed, LinkEnd::Lost, LinkEnd::ServerLost, LinkEnd::Silent];
    let logins = [
        LoginFault::Busy,
        LoginFault::Certificate,
        LoginFault::NoMechanism,
        LoginFault::NoServer,
        LoginFault::NoTls,
        LoginFault::NotXmpp,
        LoginFault::Password,
        LoginFault::Refused(String::new()),
        LoginFault::Refused(theirs()),
        LoginFault::TimedOut,
        LoginFault::Unreachable,
    ];
    let faults = [
        GatewayFault::Certificate,
        GatewayFault::Desk(HandOverTrouble::NameTaken),
        GatewayFault::Moved(other),
        GatewayFault::Name(SiteTrouble::NameTaken),
        GatewayFault::NoAccount,
        GatewayFault::NotAdmitted(theirs()),
        GatewayFault::NotAGateway,
        GatewayFault::NotItsAccount,
        GatewayFault::Offline,
        GatewayFault::ProofRefused(theirs()),
        GatewayFault::Refused(theirs()),
        GatewayFault::TimedOut,
        GatewayFault::Unreachable,
    ];
    let faults = ends
        .map(LinkFault::Ended)
        .into_iter()
        .chain(logins.map(LinkFault::Account))
        .chain(faults.map(|fault| LinkFault::Gateway(gateway.clone(), fault)));
    let mut said: Vec<String> = faults.map(|fault| words.link_fault(&fault)).collect();
    use AddressError::{Account, Insecure, Port, Scheme, TooMuch, Unreadable};
    let addresses = [Account, Insecure, Port, Scheme, TooMuch, Unreadable];
    said.extend(addresses.map(|error| words.bad_address(error)));
    said.extend([
        words.gateway_ended(),
        words.no_answer(&gateway),
        words.gateway_has_another_address(&gateway, "https://other.example"),
        words.port_changed(28260, 28261),
    ]);
    said
}

fn folders_and_files(words: Words) -> Vec<String> {
    let path = || Path::new("/x/Photos").to_owned();
    let faults = [
        FolderFault::Denied,
        FolderFault::Full,
        FolderFault::NotAFolder,
        FolderFault::NotFound,
        FolderFault::ReadOnly,
        FolderFault::Silent,
        FolderFault::Other("the tape is torn".to_owned()),
    ];
    let mut said: Vec<String> = faults
        .into_iter()
        .flat_map(|fault| {
            [
                words.not_published(&PublishError::Folder(path(), fault.clone())),
                words.not_handed_over(&HandOverError::Folder(path(), fault)),
            ]
        })
        .collect();
    let files = [
        ParcelError::Count,
        ParcelError::NotFound(path()),
        ParcelError::NotAFile(path()),
        ParcelError::Denied(path()),
        ParcelError::Other(path(), error()),
    ];
    said.extend(files.map(|error| words.not_handed_over(&HandOverError::Files(error))));
    said.extend(store_faults().map(|fault| words.not_published(&PublishError::Store(fault))));
    let theirs = || "not today".to_owned();
    said.extend([
        words.not_published(&PublishError::Already(SiteId("7".to_owned()))),
        words.not_published(&PublishError::TooMuch(path())),
        words.not_published(&PublishError::Unknown),
        words.not_handed_over(&HandOverError::TooMany),
        words.hand_over_trouble(&HandOverTrouble::Away),
        words.hand_over_trouble(&HandOverTrouble::NameTaken),
        words.hand_over_trouble(&HandOverTrouble::Refused(theirs())),
        words.site_trouble(&SiteTrouble::FolderGone),
        words.site_trouble(&SiteTrouble::FolderSilent),
        words.site_trouble(&SiteTrouble::NameTaken),
        words.site_trouble(&SiteTrouble::Refused(theirs())),
        words.no_path(),
        words.no_file(&path()),
        words.not_shown(&path(), true),
        words.not_shown(&path(), false),
        words.not_both(),
        words.too_many_files(),
        words.long_note(),
        words.bad_size(),
        words.nobody_asks(),
    ]);
    said
}

fn store_faults() -> [StoreFault; 8] {
    [
        StoreFault::Denied,
        StoreFault::Ended,
        StoreFault::Full,
        StoreFault::InUse,
        StoreFault::Newer(4711),
        StoreFault::ReadOnly,
        StoreFault::Silent,
        StoreFault::Other("disk I/O error".to_owned()),
    ]
}

fn others(words: Words) -> Vec<String> {
    let deeds = [
        Deed::ChangeLoginStart,
        Deed::CopyLink,
        Deed::Look,
        Deed::OpenBrowser,
        Deed::OpenDialog,
        Deed::Start,
        Deed::StartGateway,
    ];
    let mut said: Vec<String> =
        deeds.map(|deed| words.system_refused(deed, &error().into())).into();
    let path = Path::new("/x/settings.json");
    said.extend([
        words.bad_answer(),
        words.bad_name(),
        words.damaged_account(path),
        words.damaged_folders(path),
        words.damaged_settings(path),
        words.ending(),
        words.engine_ended(),
        words.no_link_yet(),
        words.not_kept(&error()),
        words.not_ready(),
        words.settings_unreadable(&error()),
        words.start_takes_long(),
        words.strange_link(),
        words.too_busy(),
        words.too_late(),
    ]);
    said
}

#[test]
fn every_message_is_said_in_every_language() {
    for language in Language::ALL {
        SAID.take();
        for sentence in everything(Words::of(language)) {
            assert!(!sentence.trim().is_empty(), "{language:?}");
            assert!(!sentence.contains(['{', '}', '\u{2068}']), "{language:?}: {sentence}");
        }
        let said: BTreeSet<String> = SAID.take().into_iter().map(str::to_owned).collect();
        let there: BTreeSet<String> = messages(language).into_keys().collect();
        assert_eq!(said, there, "{language:?}");
    }
}

#[test]
fn no_sentence_is_left_in_english() {
    let (english, german) = (everything(ENGLISH), everything(GERMAN));
    assert_eq!(english.len(), german.len());
    // What is the same in both: names, and sizes without a decimal.
    let same: BTreeSet<&str> = english
        .iter()
        .zip(&german)
        .filter(|(english, german)| english == german)
        .map(|(english, _)| english.as_str())
        .collect();
    assert_eq!(same, BTreeSet::from(["12 kB"]));
}

#[test]
fn sizes_are_said_as_people_do() {
    for (bytes, english, german) in [
        (0, "0 bytes", "0 Byte"),
        (1, "1 byte", "1 Byte"),
        (999, "999 bytes", "999 Byte"),
        (1000, "1.0 kB", "1,0 kB"),
        (9_999, "9.9 kB", "9,9 kB"),
        (12_345, "12 kB", "12 kB"),
        (1_000_000, "1.0 MB", "1,0 MB"),
        (999_999, "999 kB", "999 kB"),
        (1_200_000_000, "1.2 GB", "1,2 GB"),
        (u64::MAX, "18446 PB", "18446 PB"),
    ] {
        assert_eq!((&*ENGLISH.size(bytes), &*GERMAN.size(bytes)), (english, german));
    }
}

#[test]
fn visitors_are_named_by_what_is_known() {
    let here = Some([127, 0, 0, 1].into());
    let mapped: IpAddr = "::ffff:192.0.2.7".parse().unwrap();
    for (visitor, agent, english, german) in [
        (None, "", "somebody", "jemand"),
        (here, "curl", "this computer · curl", "jemand an diesem Computer · curl"),
        (Some(mapped), "", "192.0.2.7", "192.0.2.7"),
        (
            a_visitor(),
            "Firefox on Windows",
            "192.0.2.7 · Firefox on Windows",
            "192.0.2.7 · Firefox, Windows",
        ),
        (None, "Fire\u{202E}fox", "somebody · Fire\u{FFFD}fox", "jemand · Fire\u{FFFD}fox"),
    ] {
        assert_eq!(ENGLISH.who(visitor, agent), english);
        assert_eq!(GERMAN.who(visitor, agent), german);
    }
}

#[test]
fn a_german_tray_and_its_notifications_are_german() {
    let mut view = a_view(vec![a_site("7", "Fotos")]);
    view.language = Language::German;
    let expected = [
        "1 Ordner ist veröffentlicht",
        "Link kopieren",
        "An",
        "Ordner veröffentlichen …",
        "Datei senden …",
        "Um eine Datei bitten …",
        "Alles anhalten",
        "Veranda öffnen",
        "Beenden",
    ];
    assert_eq!(lines(&tray::menu(&view)), expected);
    view.sites.push(a_site("8", "Musik"));
    assert_eq!(tray::tray(&view).status, "2 Ordner sind veröffentlicht");

    let knock = Knock {
        id: KnockId(8),
        visitor: a_visitor(),
        agent: "Firefox on Windows".to_owned(),
        at: SystemTime::UNIX_EPOCH,
    };
    let told = GERMAN.knocks(&(film(), knock), 1);
    assert_eq!(told.title, "Darf jemand „film.mkv“ haben?");
    assert_eq!(told.body, "Auf deine Antwort wartet 192.0.2.7 · Firefox, Windows.");
    let buttons: Vec<&str> = told.buttons.iter().map(|button| &*button.word).collect();
    assert_eq!(buttons, ["Erlauben", "Ablehnen"]);
    let told = GERMAN.delivered(&(film(), true), 1);
    let body = "„film.mkv“ (1,2 GB) ist vollständig angekommen. Der Link ist jetzt geschlossen.";
    assert_eq!((&*told.title, &*told.body), ("Deine Datei wurde zugestellt", body));
    let told = GERMAN.delivered(&(film(), false), 1);
    assert_eq!(told.title, "Deine Datei wurde gesendet");
}

#[test]
fn files_are_called_delivered_when_all_of_them_certainly_are() {
    let (mut notices, mut now) = (Notices::default(), Instant::now());
    let mut told = |batch: &[bool]| {
        for &certain in batch {
            let stage = Stage::Done { at: SystemTime::UNIX_EPOCH, certain };
            notices.hand_over(HandOver { stage, ..film() });
        }
        now += NOTIFY_INTERVAL;
        let told = notices.poll(now, &Notifications::default(), ENGLISH);
        told.into_iter().map(|told| told.title).collect::<Vec<_>>()
    };
    for (batch, title) in [
        (&[false, true] as &[bool], "2 of your files were sent"),
        (&[true, false], "2 of your files were sent"),
        (&[false, true, true], "3 of your files were sent"),
        (&[false, false], "2 of your files were sent"),
        (&[false], "Your file was sent"),
        (&[true, true], "2 of your files were delivered"),
        (&[true], "Your file was delivered"),
    ] {
        assert_eq!(told(batch), [title], "{batch:?}");
    }
}

#[test]
fn a_desk_without_a_name_is_no_matter_of_folders() {
    let gateway = GatewayAddress::parse("https://gateway.example").unwrap();
    for words in [ENGLISH, GERMAN] {
        let trouble = HandOverTrouble::NameTaken;
        let fault = LinkFault::Gateway(gateway.clone(), GatewayFault::Desk(trouble.clone()));
        let said = words.link_fault(&fault);
        assert_eq!(said, words.hand_over_trouble(&trouble));
        assert_ne!(said, words.site_trouble(&SiteTrouble::NameTaken));
    }
}

#[test]
fn what_others_say_is_no_template() {
    let words = "{ $gateway } { 1 }\nnot today";
    let fault = LinkFault::Gateway(
        GatewayAddress::parse("https://gateway.example").unwrap(),
        GatewayFault::Refused(words.to_owned()),
    );
    let said = GERMAN.link_fault(&fault);
    let expected =
        "Das Gateway https://gateway.example lehnt ab: „{ $gateway } { 1 }\u{FFFD}not today“";
    assert_eq!(said, expected);
}
