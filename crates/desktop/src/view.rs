//! What the window shows: one value, computed, never changed in place.

use serde::Serialize;
use ts_rs::TS;

use crate::language::Language;

mod hand_over;
#[cfg(test)]
pub(crate) mod tests;

pub use self::hand_over::{Direction, Draft, DraftFile, HandOver, Knock, Passing, Received, Stage};

/// Everything that the window and the tray show.
#[derive(Clone, Debug, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct View {
    /// What the window speaks: the language that all sentences here are in, too.
    pub language: Language,
    /// How far the app is.
    pub phase: Phase,
    /// The link to the gateway.
    pub connection: Connection,
    /// Which gateway is used.
    pub gateway: Gateway,
    /// The owner's XMPP account, if there is one.
    pub account: Option<Account>,
    /// The last try whether an XMPP account works, or the one under way.
    pub account_test: Option<AccountTest>,
    /// Where the password of an account is kept, or would be.
    pub passwords_in: PasswordsIn,
    /// Who publishes; `null` until there is a key.
    pub identity: Option<Identity>,
    /// Everything is switched off for now.
    pub paused: bool,
    /// What is published, in the order in which it was added.
    pub sites: Vec<Site>,
    /// What is under way, newest first; at most 100, the rest is counted in `more_transfers`.
    pub transfers: Vec<Transfer>,
    /// How many transfers are under way beyond those in `transfers`.
    pub more_transfers: u32,
    /// What is over, newest first; the last 200.
    pub history: Vec<Record>,
    /// Files that go to one person or come from others, newest first; at most 100.
    pub hand_overs: Vec<HandOver>,
    /// What the owner is about to hand over; until `sendFiles`, `askForFiles` or `cancelDraft`.
    pub draft: Option<Draft>,
    /// The owner's switches.
    pub settings: Settings,
    /// What went wrong and stays until it is dismissed or mended.
    pub problem: Option<Problem>,
    /// Something from the file manager is held over the window: let go, and folders are published,
    /// files about to be sent.
    pub drop_target: bool,
    /// The site whose notes the owner wants to see now, because of a click on a notification; until
    /// `seeNotes`.
    pub open_notes: Option<String>,
    /// The hand-over that the owner wants to see now, because of a click on a notification; until
    /// `seeHandOver`.
    pub open_hand_over: Option<String>,
}

/// How far the app is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Phase {
    /// The app cannot start; `retry` tries again.
    Failed {
        /// What is the matter and what to do about it.
        sentence: String,
    },
    /// The key cannot be used before the owner does something.
    NeedsKey {
        /// What is the matter.
        trouble: KeyTrouble,
        /// The same in a sentence.
        sentence: String,
    },
    /// Folders can be published.
    Ready,
    /// The key is being read and the gateway started.
    Starting,
}

/// Why there is no key yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum KeyTrouble {
    /// A key file is there and wants its passphrase.
    FileLocked,
    /// The keychain is there but did not let us in; trying again may help.
    KeychainLocked,
    /// This computer has no keychain; a key file can be made.
    NoKeychain,
}

/// The link to the gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Connection {
    /// Links work.
    Connected {
        /// How, for the curious.
        how: Wire,
        /// Since when, milliseconds since 1970.
        since: u64,
        /// Why it is none of the better wires, the best first.
        missed: Vec<MissedWire>,
        /// How fast it is, where something in between may be slower than the network and it was
        /// measured.
        pace: Option<Pace>,
    },
    /// Being set up.
    Connecting,
    /// Links do not work now.
    Lost {
        /// What is the matter and what to do about it.
        sentence: String,
        /// When the next try begins, milliseconds since 1970; `null` when the owner must act.
        retry_at: Option<u64>,
    },
}

/// By which wire the gateway is reached; see [`carriers::Carrier`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum Wire {
    /// Petrichor.
    Petrichor,
    /// JSON by long poll.
    Poll,
    /// Reversed HTTP/1.1.
    PtthHttp1,
    /// Reversed HTTP/2.
    PtthHttp2,
    /// TAXI on a WebSocket.
    Taxi,
    /// CrossTalk over XMPP.
    Xmpp,
}

/// How fast a way is, for somebody who waits for a photo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Pace {
    /// Bytes a second.
    pub rate: u64,
    /// How many seconds a photo of 1 MB takes.
    pub photo: u64,
    /// Whether it is so slow that the owner wants to know before giving links away.
    pub slow: bool,
}

/// The owner's XMPP account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// Its address.
    pub jid: String,
    /// Where its server is, when DNS does not say.
    pub server: Option<String>,
    /// Whether its password is known; if not, the owner has to type it again.
    pub has_password: bool,
}

/// Where passwords are kept: where the private key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum PasswordsIn {
    /// In a file that only the key opens.
    File,
    /// In the keychain of the computer.
    Keychain,
}

/// A try whether an XMPP account works.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct AccountTest {
    /// The account.
    pub jid: String,
    /// The gateway that is looked for, if any.
    pub gateway: Option<String>,
    /// How it goes.
    pub state: TestState,
}

/// How a try goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum TestState {
    /// Under way; all steps before this one are done.
    Running {
        /// What is being done.
        step: TestStep,
    },
    /// Everything is in order.
    Works,
    /// Something is wrong; all steps before this one went well.
    Failed {
        /// What did not work.
        step: TestStep,
        /// Why.
        trouble: AccountTrouble,
        /// The same in a sentence.
        sentence: String,
    },
}

/// The steps of a try, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum TestStep {
    /// The account's server is found and answers.
    Server,
    /// The connection to it is encrypted.
    Encryption,
    /// Name and password are right.
    Password,
    /// The gateway is online.
    Gateway,
    /// The gateway lets the owner publish.
    Admission,
}

/// What is wrong with an account or the gateway behind it; see [`peer::AccountStep`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum AccountTrouble {
    /// There is no server of this name.
    NoServer,
    /// Nobody answers there.
    Unreachable,
    /// What answers there does not speak XMPP.
    NotXmpp,
    /// It offers no encryption.
    NoEncryption,
    /// Its certificate is wrong.
    Certificate,
    /// Name or password is wrong.
    Password,
    /// The gateway's account is not online.
    GatewayAway,
    /// What is behind the gateway's account is no gateway.
    NotAGateway,
    /// The gateway does not let the owner publish.
    NotAdmitted,
    /// Something else, which only the sentence says.
    Other,
}

/// A wire that did not work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct MissedWire {
    /// Which.
    pub wire: Wire,
    /// What was in the way.
    pub obstacle: Obstacle,
    /// When it was tried, milliseconds since 1970.
    pub at: u64,
}

/// What is in the way of a wire; see [`peer::Obstacle`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum Obstacle {
    /// Something between here and the gateway does not let it through.
    Blocked,
    /// The connection was cut.
    Cut,
    /// No answer in time.
    NoAnswer,
    /// The gateway refuses it.
    Refused {
        /// In its words.
        sentence: String,
    },
    /// It began and fell silent.
    Silent,
}

/// Which gateway is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Gateway {
    /// The one inside the app: links work on this computer.
    Embedded {
        /// Its address, once it listens.
        address: Option<String>,
    },
    /// Another one.
    Remote {
        /// Its address.
        address: String,
    },
}

/// Who publishes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// The display name.
    pub name: String,
    /// The public key, shortened for people: `m3Xk 9aPq 7b_Z c-4d`.
    pub fingerprint: String,
    /// Where the private key is: in words, `the keychain of this computer`.
    pub kept_in: String,
}

/// One published folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Site {
    /// Names the site in requests.
    pub id: String,
    /// Its title.
    pub name: String,
    /// The folder, as the system writes it, made printable.
    pub path: String,
    /// Switched on by the owner (whatever `paused` says).
    pub on: bool,
    /// Whether files whose names begin with a dot are served.
    pub hidden_files: bool,
    /// The session URL; `null` until the gateway confirmed the name.
    pub url: Option<String>,
    /// The session URL as a QR code.
    pub qr: Option<QrCode>,
    /// Why it cannot be visited although it is on: the folder is gone, the name is taken.
    pub trouble: Option<String>,
    /// How many people (addresses) fetched something since it was added.
    pub visitors: u32,
    /// How many transfers are under way.
    pub active: u32,
    /// Whether visitors may write to the owner.
    pub takes_notes: bool,
    /// What visitors wrote, newest first.
    pub notes: Vec<Note>,
    /// How many of them the owner has not seen.
    pub new_notes: u32,
    /// How many writers are blocked.
    pub blocked: u32,
}

/// What a visitor wrote to the owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Note {
    /// Names the note in requests.
    pub id: String,
    /// The text, printable, with line breaks. Text of a stranger.
    pub text: String,
    /// The visitor: address and, as far as it can be told, the browser.
    pub who: String,
    /// When it came, milliseconds since 1970.
    pub at: u64,
    /// Whether the owner has seen it.
    pub seen: bool,
    /// Whether it can be answered.
    pub answerable: bool,
    /// The owner's answer.
    pub answer: Option<NoteAnswer>,
}

/// What the owner answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct NoteAnswer {
    /// The text.
    pub text: String,
    /// When it was written, milliseconds since 1970.
    pub at: u64,
    /// Whether the visitor's page has it; if not, it waits until the visitor comes back.
    pub arrived: bool,
}

/// A QR code to draw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct QrCode {
    /// Modules on each side, with the quiet zone.
    pub size: u32,
    /// The dark modules as an SVG path in a box of `size` by `size`.
    pub path: String,
}

/// A file on its way to a visitor.
#[derive(Clone, Debug, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Transfer {
    /// Names the transfer in requests.
    pub id: String,
    /// Which site.
    pub site: String,
    /// The file, printable. Text that a visitor may have influenced.
    pub file: String,
    /// The visitor: address and, as far as it can be told, the browser.
    pub who: String,
    /// How many bytes the response has.
    pub size: u64,
    /// How many bytes the visitor's connection took.
    pub delivered: u64,
    /// Bytes a second, over the last seconds.
    pub rate: u64,
    /// Seconds that are left at that rate; `null` when nobody can say.
    pub seconds_left: Option<u64>,
    /// When it began, milliseconds since 1970.
    pub since: u64,
}

/// A transfer that is over.
#[derive(Clone, Debug, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Names the record.
    pub id: String,
    /// The title of the site at that time.
    pub site_name: String,
    /// The file, printable.
    pub file: String,
    /// The visitor.
    pub who: String,
    /// How many bytes the response had.
    pub size: u64,
    /// How many bytes the visitor's connection took.
    pub delivered: u64,
    /// When it began, milliseconds since 1970.
    pub since: u64,
    /// When it ended, milliseconds since 1970.
    pub until: u64,
    /// How it ended.
    pub end: RecordEnd,
}

/// How a transfer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum RecordEnd {
    /// All of it was delivered.
    Complete,
    /// It was cut.
    Cut {
        /// By whom or what.
        by: Cut,
    },
}

/// What cut a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum Cut {
    /// The link to the gateway was lost.
    Connection,
    /// The file became shorter or unreadable while it was sent.
    File,
    /// The owner pressed stop, switched the site off, or quit.
    Owner,
    /// The gateway never said how it ended; `delivered` is what is known.
    Unconfirmed,
    /// The visitor left.
    Visitor,
}

/// The owner's switches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// Starts with the computer, hidden.
    pub start_at_login: bool,
    /// Tells when the connection is lost or back.
    pub notify_connection: bool,
    /// Tells of the first visitor to a site.
    pub notify_first_visitor: bool,
    /// Tells when files were handed over.
    pub notify_hand_over: bool,
    /// Tells of visitors who ask whether they may.
    pub notify_knock: bool,
    /// Tells of notes of visitors.
    pub notify_note: bool,
    /// Tells when a transfer is finished.
    pub notify_transfer_finished: bool,
}

/// Something that went wrong, for a person and for a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// What a program decides on.
    pub code: ProblemCode,
    /// What happened and what can be done about it.
    pub sentence: String,
}

/// What kind of problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum ProblemCode {
    /// The XMPP account does not work, or the gateway cannot be used by it: the view's test says where.
    AccountFailed,
    /// The folder is published already.
    AlreadyPublished,
    /// What was typed is no XMPP account.
    BadAccount,
    /// The pasted text is no address of a gateway, or no gateway answers there.
    BadGateway,
    /// A name of a site or identity, or an answer to a note, is empty or too long.
    BadName,
    /// The password of the XMPP account is missing, or cannot be kept or read.
    BadPassword,
    /// What was typed is no name of a server.
    BadServer,
    /// A damaged file was kept aside, and a new one begun.
    DamagedFile,
    /// The files cannot be sent, or not together with what else was dropped.
    FilesUnusable,
    /// The folder is not there, is no folder, or cannot be read; or files cannot be put there.
    FolderUnusable,
    /// Something that the app did not foresee; the sentence has the details.
    Internal,
    /// Not possible yet: the key is missing, or the gateway did not confirm the link.
    NotReady,
    /// The passphrase is too short, or does not open the key file.
    Passphrase,
    /// The port of the embedded gateway was taken, so links have changed.
    PortChanged,
    /// The thing was removed meanwhile.
    Unknown,
}
