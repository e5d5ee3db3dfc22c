//! What the engine tells about itself.

use std::{fmt, net::IpAddr, path::PathBuf, time::SystemTime};

use crate::fault::{FolderFault, LinkFault, StoreFault};

/// Names a site, over restarts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SiteId(pub String);

/// Names a transfer, within one run and in the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransferId(pub i64);

/// Names a note, over restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NoteId(pub i64);

/// Names a hand-over, over restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HandOverId(pub i64);

/// Names a visitor who asks whether she may, within one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KnockId(pub u64);

/// Everything at one moment; a new one is published at each change, at most four times a second
/// while only figures of transfers change.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The link to the gateway.
    pub link: LinkState,
    /// Everything is switched off for now, whatever each site says.
    pub paused: bool,
    /// The sites, in the order in which they were added.
    pub sites: Vec<SiteState>,
    /// The transfers under way, newest first.
    pub transfers: Vec<TransferState>,
    /// What is over, newest first; the last 200.
    pub history: Vec<TransferRecord>,
    /// What visitors wrote, newest first; the last 200 of each site.
    pub notes: Vec<Note>,
    /// What is handed over, or was, newest first; at most 100.
    pub hand_overs: Vec<HandOver>,
}

/// The link to the gateway.
#[derive(Clone, Debug, PartialEq)]
pub enum LinkState {
    /// Requests come in.
    Up {
        /// Over which wire.
        carrier: carriers::Carrier,
        /// Since when.
        since: SystemTime,
        /// Why it is not one of the better wires, the best first.
        missed: Vec<Missed>,
        /// How many bytes a second the way carries, where it was measured
        /// ([`Served::rate`](carriers::Served::rate)).
        rate: Option<u64>,
    },
    /// A dial is under way.
    Dialling,
    /// No link.
    Down {
        /// Why.
        trouble: LinkTrouble,
        /// When the next dial begins; `None` when trying again is useless.
        retry_at: Option<SystemTime>,
    },
}

/// A wire that did not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missed {
    /// Which.
    pub carrier: carriers::Carrier,
    /// What was in the way.
    pub obstacle: Obstacle,
    /// When it was tried.
    pub at: SystemTime,
}

/// What is in the way of a wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// Something between here and the gateway does not let it through, or the gateway is an older one.
    Blocked,
    /// The connection was cut, on the way or as soon as it was there.
    Cut,
    /// No answer in time.
    NoAnswer,
    /// The gateway refuses it, in its words.
    Refused(String),
    /// It began and then nothing came any more.
    Silent,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blocked => f.write_str("something on the way does not let it through"),
            Self::Cut => f.write_str("the connection was cut"),
            Self::NoAnswer => f.write_str("there was no answer in time"),
            Self::Refused(sentence) => write!(f, "the gateway refuses it: {sentence}"),
            Self::Silent => f.write_str("it fell silent at once"),
        }
    }
}

/// Why there is no link, and what a program decides on. Written out, it is a sentence with what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkTrouble {
    /// What is the matter.
    pub fault: LinkFault,
    /// Whether it heals by itself.
    pub heals: bool,
    /// Whether the owner's XMPP account is the matter, and not the gateway.
    pub of_account: bool,
}

impl fmt::Display for LinkTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fault.fmt(f)
    }
}

/// One site.
#[derive(Clone, Debug, PartialEq)]
pub struct SiteState {
    /// Its id.
    pub id: SiteId,
    /// Its title.
    pub name: String,
    /// The folder.
    pub path: PathBuf,
    /// Switched on.
    pub on: bool,
    /// Whether hidden files are served.
    pub hidden_files: bool,
    /// The session URL, once the gateway confirmed the name.
    pub url: Option<String>,
    /// Why it cannot be visited although it is on.
    pub trouble: Option<SiteTrouble>,
    /// How many visitors (addresses) fetched something since it was added.
    pub visitors: u32,
    /// Whether visitors may write to the owner.
    pub takes_notes: bool,
    /// How many writers are blocked.
    pub blocked: u32,
}

/// Why a site cannot be visited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SiteTrouble {
    /// The folder is not there or cannot be read.
    FolderGone,
    /// The folder's drive does not answer, or takes longer than any visitor waits.
    FolderSilent,
    /// The gateway gives its name to somebody else.
    NameTaken,
    /// The gateway refused for another reason, in its words.
    Refused(String),
}

/// What a visitor wrote to the owner.
#[derive(Clone, Debug, PartialEq)]
pub struct Note {
    /// Its id.
    pub id: NoteId,
    /// Which site.
    pub site: SiteId,
    /// The text, printable: no controls, at most 1000 characters and 30 lines. Whoever shows it still
    /// has to keep it from being markup.
    pub text: String,
    /// The visitor's address, as the gateway tells it.
    pub visitor: Option<IpAddr>,
    /// The visitor's program, shortened and printable.
    pub agent: String,
    /// When it came.
    pub at: SystemTime,
    /// Whether the owner can answer; not when it came by a form without a connection.
    pub answerable: bool,
    /// Whether the owner has seen it.
    pub seen: bool,
    /// The owner's answer.
    pub reply: Option<NoteReply>,
}

/// What the owner answered.
#[derive(Clone, Debug, PartialEq)]
pub struct NoteReply {
    /// The text.
    pub text: String,
    /// When the owner wrote it.
    pub at: SystemTime,
    /// Whether the visitor's page has it. If not, it waits until the visitor opens the page again.
    pub arrived: bool,
}

/// A file on its way.
#[derive(Clone, Debug, PartialEq)]
pub struct TransferState {
    /// Its id.
    pub id: TransferId,
    /// Which site.
    pub site: SiteId,
    /// The file, printable.
    pub file: String,
    /// The visitor's address, as the gateway tells it.
    pub visitor: Option<IpAddr>,
    /// The visitor's program, shortened and printable: `Firefox on Windows`, `curl`; empty when it
    /// does not say.
    pub agent: String,
    /// Bytes of the response.
    pub size: u64,
    /// Bytes handed to the link.
    pub sent: u64,
    /// Bytes the visitor's connection took, by receipt.
    pub delivered: u64,
    /// Delivered bytes a second, over the last seconds.
    pub rate: u64,
    /// When it began.
    pub since: SystemTime,
}

/// A transfer that is over.
#[derive(Clone, Debug, PartialEq)]
pub struct TransferRecord {
    /// Its id.
    pub id: TransferId,
    /// Which site; it may be gone by now.
    pub site: SiteId,
    /// The site's title at that time.
    pub site_name: String,
    /// The file, printable.
    pub file: String,
    /// The visitor's address.
    pub visitor: Option<IpAddr>,
    /// The visitor's program.
    pub agent: String,
    /// Bytes of the response.
    pub size: u64,
    /// Bytes the visitor's connection took.
    pub delivered: u64,
    /// When it began.
    pub since: SystemTime,
    /// When it ended.
    pub until: SystemTime,
    /// How it ended.
    pub end: TransferEnd,
}

/// How a transfer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferEnd {
    /// All of it was delivered.
    Complete,
    /// It was cut.
    Cut(Ended),
}

/// What cut a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The link was lost.
    Connection,
    /// The file became shorter or unreadable while it was sent.
    File,
    /// The owner stopped it, switched the site off, or quit.
    Owner,
    /// The gateway never said how it ended.
    Unconfirmed,
    /// The visitor left.
    Visitor,
}

/// How somebody may take or give.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// What the visitor reads on the landing page; what is not printable in it is left out, and so is
    /// what is longer than 1000 characters.
    pub note: String,
    /// Whether the owner is asked first, and only the visitor whom she allows may, from the address that
    /// she came from.
    pub nod: bool,
}

/// Something that is handed over: files to one visitor, or from visitors into a folder.
#[derive(Clone, Debug, PartialEq)]
pub struct HandOver {
    /// Its id.
    pub id: HandOverId,
    /// What goes where.
    pub direction: Direction,
    /// What the owner wrote to the visitor.
    pub note: String,
    /// Whether the owner is asked first.
    pub nod: bool,
    /// The link to the landing page, once the gateway confirmed the name. `None` again when it is done.
    pub url: Option<String>,
    /// Why it cannot be had at the moment.
    pub trouble: Option<HandOverTrouble>,
    /// How far it is.
    pub stage: Stage,
    /// What is on its way now: at most one to a visitor, at most four from visitors.
    pub passing: Vec<Passing>,
    /// Who asks whether she may, in the order in which they came; at most eight.
    pub knocks: Vec<Knock>,
    /// What arrived in the folder, newest first; at most 100.
    pub received: Vec<Received>,
    /// When the owner made it.
    pub since: SystemTime,
}

/// What goes where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the owner to a visitor.
    Send {
        /// What the visitor saves, printable.
        name: String,
        /// How many bytes that has.
        size: u64,
        /// How many files are in it.
        files: u32,
    },
    /// From visitors to the owner.
    Ask {
        /// Where it goes.
        folder: PathBuf,
        /// The most bytes of one file.
        largest: u64,
        /// How many files may still come.
        files_left: u32,
    },
}

/// How far a hand-over is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Nobody came yet, or somebody is here now ([`HandOver::passing`]).
    Waiting,
    /// The last one was cut; it can be continued.
    Cut {
        /// Of what: the name of a file.
        file: String,
        /// How many bytes of it arrived, counted from its beginning. Never too high.
        arrived: u64,
        /// How many it has, if that is known.
        size: Option<u64>,
        /// When.
        at: SystemTime,
        /// By whom.
        by: Ended,
    },
    /// All of it arrived, or all files came that were asked for: the link leads to nothing any more.
    Done {
        /// When.
        at: SystemTime,
        /// `false` where the gateway said that it saw only its own connection take all of it, and not the
        /// visitor's program read it ([`Receipt::read`](crosstalk::control::Receipt::read)).
        certain: bool,
    },
}

/// Why a hand-over cannot be had at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandOverTrouble {
    /// A file is not there, or the folder cannot be written.
    Away,
    /// The gateway gives the name of its link, which all hand-overs share, to somebody else.
    NameTaken,
    /// The gateway gives no name, in its words.
    Refused(String),
}

impl HandOverTrouble {
    /// Says what it means for all that is handed over that the desk has no name for this reason.
    pub(crate) fn of_desk(trouble: &SiteTrouble) -> Option<Self> {
        match trouble {
            SiteTrouble::FolderGone | SiteTrouble::FolderSilent => None,
            SiteTrouble::NameTaken => Some(Self::NameTaken),
            SiteTrouble::Refused(words) => Some(Self::Refused(words.clone())),
        }
    }
}

/// A file on its way.
#[derive(Clone, Debug, PartialEq)]
pub struct Passing {
    /// The file, printable; from a visitor it is the visitor's word.
    pub file: String,
    /// The visitor's address, as the gateway tells it.
    pub visitor: Option<IpAddr>,
    /// The visitor's program, shortened and printable; empty when it does not say.
    pub agent: String,
    /// How many bytes the file has, if that is known.
    pub size: Option<u64>,
    /// How many arrived, counted from the file's beginning, also of one that is continued.
    pub arrived: u64,
    /// Bytes a second, over the last seconds.
    pub rate: u64,
    /// Since when.
    pub since: SystemTime,
}

/// A visitor who asks whether she may.
#[derive(Clone, Debug, PartialEq)]
pub struct Knock {
    /// Its id.
    pub id: KnockId,
    /// The visitor's address, as the gateway tells it.
    pub visitor: Option<IpAddr>,
    /// The visitor's program, shortened and printable; empty when it does not say.
    pub agent: String,
    /// When she asked.
    pub at: SystemTime,
}

/// A file that arrived.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    /// The name that it has now, printable.
    pub file: String,
    /// How many bytes it has.
    pub size: u64,
    /// The visitor's address, as the gateway tells it.
    pub visitor: Option<IpAddr>,
    /// When.
    pub at: SystemTime,
}

/// Why nothing is handed over.
#[derive(Debug, thiserror::Error)]
pub enum HandOverError {
    /// The files cannot be sent.
    #[error(transparent)]
    Files(#[from] sites::hand_over::ParcelError),
    /// The folder cannot take files.
    #[error("{0} cannot take files: {1}")]
    Folder(PathBuf, FolderFault),
    /// There are too many already.
    #[error("there are too many links already; end some first")]
    TooMany,
    /// The store cannot be written.
    #[error("cannot keep it: {0}")]
    Store(StoreFault),
    /// There is no such hand-over, or nobody asks any more.
    #[error("this is over")]
    Unknown,
}

/// Something that happened, for notifications and for `--json`.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Somebody fetched something from this site for the first time since it was added.
    FirstVisitor(SiteId),
    /// A hand-over has (or changed) its link, is done, or was cut.
    HandOver(HandOver),
    /// A visitor asks whether she may.
    Knock {
        /// What she wants.
        hand_over: HandOver,
        /// Who.
        knock: Knock,
    },
    /// The link came up (again) or went down.
    Link(LinkState),
    /// A visitor wrote to the owner.
    Note(Note),
    /// A file arrived.
    Received {
        /// Which one was asked for.
        hand_over: HandOver,
        /// What came.
        file: Received,
    },
    /// A site has (or changed) its session URL.
    Published {
        /// Which site.
        site: SiteId,
        /// Its session URL.
        url: String,
    },
    /// A transfer is over.
    TransferEnded(TransferRecord),
    /// A transfer began.
    TransferStarted(TransferState),
}

/// Why a folder is not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// It is published already.
    #[error("this folder is published already")]
    Already(SiteId),
    /// It is not there, is no folder, or cannot be read.
    #[error("{0} cannot be published: {1}")]
    Folder(PathBuf, FolderFault),
    /// It is a whole drive, the home folder, or a system folder: surely a mistake.
    #[error("{0} holds far more than you want to publish; choose a folder inside it")]
    TooMuch(PathBuf),
    /// The store cannot be written.
    #[error("cannot keep the site: {0}")]
    Store(StoreFault),
    /// No such site.
    #[error("there is no such site any more")]
    Unknown,
}
