//! What outlives a restart: sites, their links, and the history.
//!
//! The engine holds everything in memory and is the truth while it runs; the store is read once at
//! the start and then only written, by one thread that owns the database. What belongs together is
//! written in one transaction.

mod hand_over;
mod notes;
mod schema;
mod table;

use std::{
    collections::HashSet,
    io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use carriers::Carrier;
use crosstalk::label::Label;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use self::schema::Refusal;
use crate::{
    engine::StartError,
    fault::StoreFault,
    hand_over::KeptHandOver,
    keys,
    model::{HandOverId, NoteId, SiteId, TransferRecord, TransferState},
    notes::{Author, KeptNote},
    session::Token,
};

/// How many batches of changes wait for the disk. Each is small; when the disk is slower than
/// this, who has no hurry keeps its changes, and who has waits.
const QUEUE: usize = 32;

/// How many changes are kept in memory while the disk takes none; then the oldest are lost.
const MAX_OWED: usize = 4096;

/// How many transfers the history keeps.
pub(crate) const MAX_HISTORY: usize = 10_000;

/// How many transfers of the history are read at the start: what the owner is shown.
pub(crate) const SHOWN_HISTORY: usize = 200;

/// How many visitors of one site are told apart; the figure stays there.
pub(crate) const MAX_VISITORS: usize = 10_000;

/// How long to wait for another program that is just leaving the store.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// Everything that was kept.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    pub(crate) paused: bool,
    pub(crate) sites: Vec<StoredSite>,
    pub(crate) releases: Vec<Release>,
    pub(crate) rungs: Vec<StoredRung>,
    /// Newest first, at most [`SHOWN_HISTORY`].
    pub(crate) history: Vec<TransferRecord>,
    pub(crate) notes: Vec<KeptNote>,
    /// Oldest first.
    pub(crate) blocked: Vec<(SiteId, Author)>,
    /// The names of the desk, the newest last.
    pub(crate) desks: Vec<StoredLabel>,
    /// Oldest first.
    pub(crate) hand_overs: Vec<KeptHandOver>,
    /// The highest number that a transfer ever had.
    pub(crate) last_transfer: i64,
}

/// A site as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StoredSite {
    pub(crate) id: SiteId,
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) on: bool,
    pub(crate) hidden_files: bool,
    pub(crate) takes_notes: bool,
    /// The first is the one that the owner is shown.
    pub(crate) sessions: Vec<Token>,
    /// The newest last.
    pub(crate) labels: Vec<StoredLabel>,
    pub(crate) visitors: HashSet<VisitorKey>,
}

/// The name of a site, or of the desk, at a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredLabel {
    /// The gateway's address.
    pub(crate) gateway: String,
    /// The public key that claimed it.
    pub(crate) identity: String,
    pub(crate) label: Label,
    /// The origin, once the gateway confirmed the name.
    pub(crate) origin: Option<String>,
}

/// A name to give back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Release {
    pub(crate) gateway: String,
    pub(crate) identity: String,
    pub(crate) label: Label,
}

/// By which carrier a gateway was reached from a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredRung {
    pub(crate) network: String,
    /// The gateway's address.
    pub(crate) gateway: String,
    pub(crate) carrier: Carrier,
}

/// What tells one visitor of a site from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct VisitorKey(pub(crate) [u8; 16]);

impl VisitorKey {
    /// Takes an address; of IPv6 only the network, since one computer has many of its addresses.
    pub(crate) fn new(address: Option<std::net::IpAddr>) -> Self {
        use std::net::{IpAddr, Ipv6Addr};
        match address.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED)).to_canonical() {
            IpAddr::V4(address) => Self(address.to_ipv6_mapped().octets()),
            IpAddr::V6(address) => {
                let mut octets = address.octets();
                octets[8..].fill(0);
                Self(octets)
            }
        }
    }

    /// Returns whether the gateway said where the visitor is. All of whom it did not are alike here, and are
    /// not one and the same.
    pub(crate) fn is_known(self) -> bool {
        self != Self::new(None)
    }
}

/// One change to what is kept.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    AddHandOver(Box<KeptHandOver>),
    AddRelease(Release),
    AddSite(Box<StoredSite>),
    AddVisitor(SiteId, VisitorKey),
    Block(SiteId, Author),
    ClearHistory,
    DropHandOver(HandOverId),
    DropNotes(Vec<NoteId>),
    DropRelease(Release),
    KeepEnded(TransferRecord),
    KeepHandOver(Box<KeptHandOver>),
    KeepNote(Box<KeptNote>),
    /// A transfer under way, so that a crash does not hide it.
    KeepRunning(TransferState, String),
    RemoveSite(SiteId),
    SetDesk(StoredLabel),
    SetHidden(SiteId, bool),
    SetLabel(SiteId, StoredLabel),
    SetName(SiteId, String),
    SetNotes(SiteId, bool),
    SetOn(SiteId, bool),
    SetPaused(bool),
    SetRung(StoredRung),
    Unblock(SiteId),
}

enum Command {
    Apply(Vec<Change>, Option<oneshot::Sender<Result<(), StoreFault>>>),
    Close(oneshot::Sender<()>),
}

/// The way to the thread that writes.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    commands: mpsc::Sender<Command>,
}

/// An opened store.
pub(crate) struct Opened {
    pub(crate) store: Store,
    pub(crate) contents: Contents,
    /// Where a damaged one was moved to.
    pub(crate) kept_aside: Option<PathBuf>,
}

impl Store {
    /// Opens the store, or makes a new one; `None` keeps it in memory.
    pub(crate) async fn open(path: Option<PathBuf>) -> Result<Opened, StartError> {
        let named = path.clone().unwrap_or_default();
        let failed = |why: StoreFault| StartError::Store(named.clone(), why);
        let (tell, told) = oneshot::channel();
        let (commands, received) = mpsc::channel(QUEUE);
        std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || match open(path.as_deref(), SystemTime::now()) {
                Ok((connection, contents, kept_aside)) => {
                    if tell.send(Ok((contents, kept_aside))).is_ok() {
                        write(connection, received);
                    }
                }
                Err(why) => drop(tell.send(Err(why))),
            })
            .map_err(|error| failed(StoreFault::of(&error)))?;
        let opened = told.await.map_err(|_| failed(StoreFault::Ended))?;
        let (contents, kept_aside) = opened.map_err(failed)?;
        Ok(Opened { store: Self { commands }, contents, kept_aside })
    }

    /// Writes these changes together, and returns when they are on the disk.
    pub(crate) async fn apply(&self, changes: Vec<Change>) -> Result<(), StoreFault> {
        let (tell, told) = oneshot::channel();
        let gone = || StoreFault::Ended;
        self.commands.send(Command::Apply(changes, Some(tell))).await.map_err(|_| gone())?;
        told.await.map_err(|_| gone())?
    }

    /// Writes these changes soon. Gives them back when too much waits for the disk already.
    pub(crate) fn apply_soon(&self, changes: Vec<Change>) -> Result<(), Vec<Change>> {
        match self.commands.try_send(Command::Apply(changes, None)) {
            Ok(()) => Ok(()),
            Err(
                mpsc::error::TrySendError::Full(command)
                | mpsc::error::TrySendError::Closed(command),
            ) => match command {
                Command::Apply(changes, _) => Err(changes),
                Command::Close(_) => Ok(()),
            },
        }
    }

    /// Writes everything that waits, and closes the file.
    pub(crate) async fn close(&self) {
        let (tell, told) = oneshot::channel();
        if self.commands.send(Command::Close(tell)).await.is_ok() {
            // An error is as good: the thread is gone.
            let _ = told.await;
        }
    }
}

/// Writes until everybody who could ask is gone.
fn write(connection: Connection, mut commands: mpsc::Receiver<Command>) {
    let mut writer = Writer { connection, owed: Vec::new() };
    while let Some(command) = commands.blocking_recv() {
        match command {
            // Who waited may be gone already.
            Command::Apply(changes, Some(tell)) => drop(tell.send(writer.write(&changes))),
            Command::Apply(changes, None) => writer.write_or_owe(changes),
            Command::Close(tell) => {
                writer.pay();
                drop(writer);
                let _ = tell.send(());
                return;
            }
        }
    }
}

/// Writes what is wanted, and what could not be written before: a full disk has room again.
struct Writer {
    connection: Connection,
    /// What nobody waits for and could not be written, oldest first.
    owed: Vec<Change>,
}

impl Writer {
    fn write(&mut self, changes: &[Change]) -> Result<(), StoreFault> {
        self.pay();
        table::apply(&mut self.connection, changes).map_err(|error| schema::fault(&error))?;
        // What can be written no more when the disk writes must not undo what came after it.
        self.owed.clear();
        Ok(())
    }

    fn write_or_owe(&mut self, changes: Vec<Change>) {
        if let Err(error) = self.write(&changes) {
            tracing::warn!(%error, changes = changes.len(), "The store cannot be written");
            self.owed.extend(changes);
            let beyond = self.owed.len().saturating_sub(MAX_OWED);
            self.owed.drain(..beyond);
        }
    }

    fn pay(&mut self) {
        if !self.owed.is_empty() && table::apply(&mut self.connection, &self.owed).is_ok() {
            self.owed.clear();
        }
    }
}

fn open(
    path: Option<&Path>,
    now: SystemTime,
) -> Result<(Connection, Contents, Option<PathBuf>), StoreFault> {
    let Some(path) = path else {
        let connection = Connection::open_in_memory().map_err(|error| schema::fault(&error))?;
        let (connection, contents) = begin(connection, now).map_err(fault)?;
        return Ok((connection, contents, None));
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| StoreFault::of(&error))?;
    }
    match open_file(path, now) {
        Ok((connection, contents)) => Ok((connection, contents, None)),
        Err(Refusal::Damaged(why)) => {
            let aside = keep_aside(path, now).map_err(|error| StoreFault::of(&error))?;
            tracing::warn!(why, "The store was damaged and is kept aside; a new one begins");
            let (connection, contents) = open_file(path, now).map_err(fault)?;
            Ok((connection, contents, Some(aside)))
        }
        Err(refusal) => Err(fault(refusal)),
    }
}

fn fault(refusal: Refusal) -> StoreFault {
    match refusal {
        // A new one, just made.
        Refusal::Damaged(words) => StoreFault::Other(words),
        Refusal::Unusable(fault) => fault,
    }
}

fn open_file(path: &Path, now: SystemTime) -> Result<(Connection, Contents), Refusal> {
    // Made by us and private from its first byte: links are in it.
    match keys::create_private(path) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(Refusal::Unusable(StoreFault::of(&error))),
    }
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // One program at a time: two engines with the same sites would answer for each other.
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    begin(connection, now)
}

fn begin(mut connection: Connection, now: SystemTime) -> Result<(Connection, Contents), Refusal> {
    connection.pragma_update(None, "foreign_keys", true)?;
    schema::prepare(&mut connection)?;
    table::end_what_a_crash_left(&connection, now)?;
    let contents = table::read(&connection).map_err(|error| {
        // A row that does not fit its type was not written by us.
        let is_nonsense = matches!(
            error,
            rusqlite::Error::FromSqlConversionFailure(..) | rusqlite::Error::InvalidColumnType(..)
        );
        if is_nonsense { Refusal::Damaged(error.to_string()) } else { error.into() }
    })?;
    Ok((connection, contents))
}

/// Moves the file and its journal to a name that says when.
fn keep_aside(path: &Path, now: SystemTime) -> io::Result<PathBuf> {
    let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let with = |path: &Path, more: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(more);
        PathBuf::from(name)
    };
    let mut aside = with(path, &format!(".damaged-{seconds}"));
    let mut number = 1;
    while aside.exists() {
        number += 1;
        aside = with(path, &format!(".damaged-{seconds}-{number}"));
    }
    std::fs::rename(path, &aside)?;
    for journal in ["-wal", "-shm"] {
        match std::fs::rename(with(path, journal), with(&aside, journal)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(aside)
}

#[cfg(test)]
mod tests;
