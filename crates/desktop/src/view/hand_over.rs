//! Files that go to one person, or come from others.

use serde::Serialize;
use ts_rs::TS;

use super::{Cut, QrCode};

/// Something that is handed over: files to one visitor, or from visitors into a folder.
#[derive(Clone, Debug, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct HandOver {
    /// Names it in requests.
    pub id: String,
    /// What goes where.
    pub direction: Direction,
    /// What the owner wrote to the visitor, printable, with line breaks.
    pub note: String,
    /// Whether only the first person may whom the owner allows.
    pub ask_first: bool,
    /// The link; `null` until the gateway confirmed the name, and when it is done.
    pub url: Option<String>,
    /// The link as a QR code.
    pub qr: Option<QrCode>,
    /// Why it cannot be had at the moment.
    pub trouble: Option<String>,
    /// How far it is.
    pub stage: Stage,
    /// What is on its way now.
    pub passing: Vec<Passing>,
    /// Who asks whether they may, in the order in which they came.
    pub knocks: Vec<Knock>,
    /// What arrived, newest first; at most 20, the rest is counted in `more_received`.
    pub received: Vec<Received>,
    /// How many files arrived beyond those in `received`.
    pub more_received: u32,
    /// When it was made, milliseconds since 1970.
    pub since: u64,
}

/// What goes where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Direction {
    /// From visitors to the owner.
    Ask {
        /// The folder, as the system writes it, made printable.
        folder: String,
        /// The most bytes of one file.
        largest: u64,
        /// How many files may still come.
        files_left: u32,
    },
    /// From the owner to a visitor.
    Send {
        /// What the visitor saves, printable.
        name: String,
        /// How many bytes that has.
        size: u64,
        /// How many files are in it.
        files: u32,
    },
}

/// How far a hand-over is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Stage {
    /// The last one was cut; it can be continued.
    Cut {
        /// Which file, printable.
        file: String,
        /// How many bytes of it arrived, counted from its beginning.
        arrived: u64,
        /// How many it has, if that is known.
        size: Option<u64>,
        /// When, milliseconds since 1970.
        at: u64,
        /// By whom or what.
        by: Cut,
    },
    /// All of it arrived: the link leads to nothing any more.
    Done {
        /// When, milliseconds since 1970.
        at: u64,
        /// Whether that is known; otherwise all of it was sent, and the gateway cannot see what arrived.
        certain: bool,
    },
    /// Nobody came yet, or somebody is here now.
    Waiting,
}

/// A file on its way to or from a visitor.
#[derive(Clone, Debug, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Passing {
    /// The file, printable. From a visitor it is text of a stranger.
    pub file: String,
    /// The visitor: address and, as far as it can be told, the browser.
    pub who: String,
    /// How many bytes the file has, if that is known.
    pub size: Option<u64>,
    /// How many bytes arrived, counted from the file's beginning.
    pub arrived: u64,
    /// Bytes a second, over the last seconds.
    pub rate: u64,
    /// Seconds that are left at that rate; `null` when nobody can say.
    pub seconds_left: Option<u64>,
    /// When it began, milliseconds since 1970.
    pub since: u64,
}

/// Somebody who asks whether they may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Knock {
    /// Names the question in requests.
    pub id: String,
    /// The visitor: address and, as far as it can be told, the browser.
    pub who: String,
    /// When they asked, milliseconds since 1970.
    pub at: u64,
}

/// A file that arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Received {
    /// The name that it has in the folder, printable.
    pub file: String,
    /// How many bytes it has.
    pub size: u64,
    /// The visitor: only the address.
    pub who: String,
    /// When it came, milliseconds since 1970.
    pub at: u64,
}

/// What the owner is about to hand over, before there is a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Draft {
    /// From visitors to the owner.
    Ask {
        /// The folder, as the system writes it, made printable.
        folder: String,
    },
    /// From the owner to a visitor.
    Send {
        /// The files; at most 50, the rest is counted in `more`.
        files: Vec<DraftFile>,
        /// How many files there are beyond those in `files`.
        more: u32,
        /// How many bytes all of them have.
        size: u64,
    },
}

/// A file that is about to be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct DraftFile {
    /// Its name, printable.
    pub name: String,
    /// How many bytes it has.
    pub size: u64,
}
