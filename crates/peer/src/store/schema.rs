//! The tables, and how older ones become today's.

use rusqlite::Connection;

use crate::fault::StoreFault;

/// One step per version, never changed once released; a new version is a new step.
pub(super) const STEPS: &[&str] = &[
    // 1: the first one.
    "CREATE TABLE settings (
        key   TEXT PRIMARY KEY,
        value TEXT NOT NULL
     ) STRICT;
     CREATE TABLE sites (
        id       TEXT PRIMARY KEY,
        position INTEGER NOT NULL,
        kind     TEXT NOT NULL CHECK (kind IN ('folder')),
        name     TEXT NOT NULL,
        path     BLOB NOT NULL,
        is_on    INTEGER NOT NULL,
        hidden   INTEGER NOT NULL
     ) STRICT;
     -- A session is one shareable link; a site may have many.
     CREATE TABLE sessions (
        token    TEXT PRIMARY KEY,
        site     TEXT NOT NULL REFERENCES sites (id) ON DELETE CASCADE,
        position INTEGER NOT NULL
     ) STRICT;
     CREATE INDEX sessions_of_a_site ON sessions (site);
     -- The name of a site at a gateway belongs to the identity that claimed it there.
     CREATE TABLE labels (
        site     TEXT NOT NULL REFERENCES sites (id) ON DELETE CASCADE,
        gateway  TEXT NOT NULL,
        identity TEXT NOT NULL,
        label    TEXT NOT NULL,
        origin   TEXT,
        changed  INTEGER NOT NULL,
        PRIMARY KEY (site, gateway, identity)
     ) STRICT, WITHOUT ROWID;
     -- Names of removed sites that their gateways have not heard of yet.
     CREATE TABLE releases (
        gateway  TEXT NOT NULL,
        identity TEXT NOT NULL,
        label    TEXT NOT NULL,
        PRIMARY KEY (gateway, identity, label)
     ) STRICT, WITHOUT ROWID;
     CREATE TABLE visitors (
        site    TEXT NOT NULL REFERENCES sites (id) ON DELETE CASCADE,
        address BLOB NOT NULL,
        PRIMARY KEY (site, address)
     ) STRICT, WITHOUT ROWID;
     -- Sites go, their history stays: no reference here.
     CREATE TABLE transfers (
        id        INTEGER PRIMARY KEY,
        site      TEXT NOT NULL,
        site_name TEXT NOT NULL,
        file      TEXT NOT NULL,
        visitor   TEXT,
        agent     TEXT NOT NULL,
        size      INTEGER NOT NULL,
        delivered INTEGER NOT NULL,
        since     INTEGER NOT NULL,
        until     INTEGER NOT NULL,
        ending    TEXT NOT NULL
     ) STRICT;",
    // 2: by which carrier a gateway was reached from which network.
    "CREATE TABLE rungs (
        network TEXT NOT NULL,
        gateway TEXT NOT NULL,
        carrier TEXT NOT NULL,
        changed INTEGER NOT NULL,
        PRIMARY KEY (network, gateway)
     ) STRICT, WITHOUT ROWID;",
    // 3: notes of visitors, and of whom no more are taken.
    "ALTER TABLE sites ADD COLUMN takes_notes INTEGER NOT NULL DEFAULT 1;
     CREATE TABLE notes (
        id            INTEGER PRIMARY KEY,
        site          TEXT NOT NULL REFERENCES sites (id) ON DELETE CASCADE,
        text          TEXT NOT NULL,
        visitor       TEXT,
        agent         TEXT NOT NULL,
        actor         TEXT,
        written       INTEGER NOT NULL,
        seen          INTEGER NOT NULL,
        reply         TEXT,
        replied       INTEGER,
        reply_arrived INTEGER NOT NULL
     ) STRICT;
     CREATE INDEX notes_of_a_site ON notes (site);
     CREATE TABLE blocked (
        number  INTEGER PRIMARY KEY,
        site    TEXT NOT NULL REFERENCES sites (id) ON DELETE CASCADE,
        address BLOB NOT NULL,
        actor   TEXT
     ) STRICT;
     CREATE INDEX blocked_of_a_site ON blocked (site);",
    // 4: what is handed over, who may, and what is on its way; and the desk's name at each gateway.
    "CREATE TABLE desks (
        gateway  TEXT NOT NULL,
        identity TEXT NOT NULL,
        label    TEXT NOT NULL,
        origin   TEXT,
        changed  INTEGER NOT NULL,
        PRIMARY KEY (gateway, identity)
     ) STRICT, WITHOUT ROWID;
     -- The size is that of what is sent, or the largest of what is asked for; the count is of the files
     -- in it, or of those that may still come.
     CREATE TABLE hand_overs (
        id          INTEGER PRIMARY KEY,
        token       TEXT NOT NULL UNIQUE,
        kind        TEXT NOT NULL CHECK (kind IN ('send', 'ask')),
        note        TEXT NOT NULL,
        nod         INTEGER NOT NULL,
        since       INTEGER NOT NULL,
        name        TEXT NOT NULL DEFAULT '',
        size        INTEGER NOT NULL DEFAULT 0,
        count       INTEGER NOT NULL DEFAULT 0,
        state       TEXT NOT NULL DEFAULT '',
        folder      BLOB NOT NULL DEFAULT x'',
        stage       TEXT NOT NULL DEFAULT 'waiting',
        at          INTEGER NOT NULL DEFAULT 0,
        cut_file    TEXT NOT NULL DEFAULT '',
        cut_arrived INTEGER NOT NULL DEFAULT 0,
        cut_size    INTEGER
     ) STRICT;
     CREATE TABLE sent_files (
        hand_over INTEGER NOT NULL REFERENCES hand_overs (id) ON DELETE CASCADE,
        position  INTEGER NOT NULL,
        path      BLOB NOT NULL,
        PRIMARY KEY (hand_over, position)
     ) STRICT, WITHOUT ROWID;
     CREATE TABLE tickets (
        hand_over    INTEGER NOT NULL REFERENCES hand_overs (id) ON DELETE CASCADE,
        position     INTEGER NOT NULL,
        secret       TEXT NOT NULL,
        address      BLOB NOT NULL,
        standing     TEXT NOT NULL,
        reached      INTEGER NOT NULL,
        perhaps_more INTEGER NOT NULL,
        used         INTEGER NOT NULL,
        PRIMARY KEY (hand_over, position)
     ) STRICT, WITHOUT ROWID;
     CREATE TABLE refused_visitors (
        hand_over INTEGER NOT NULL REFERENCES hand_overs (id) ON DELETE CASCADE,
        position  INTEGER NOT NULL,
        address   BLOB NOT NULL,
        PRIMARY KEY (hand_over, position)
     ) STRICT, WITHOUT ROWID;
     CREATE TABLE uploads (
        hand_over INTEGER NOT NULL REFERENCES hand_overs (id) ON DELETE CASCADE,
        position  INTEGER NOT NULL,
        draft     TEXT NOT NULL,
        name      TEXT NOT NULL,
        size      INTEGER,
        ticket    TEXT,
        visitor   TEXT,
        agent     TEXT NOT NULL,
        offset    INTEGER NOT NULL,
        touched   INTEGER NOT NULL,
        PRIMARY KEY (hand_over, position)
     ) STRICT, WITHOUT ROWID;
     CREATE TABLE received_files (
        hand_over INTEGER NOT NULL REFERENCES hand_overs (id) ON DELETE CASCADE,
        position  INTEGER NOT NULL,
        upload    TEXT NOT NULL,
        file      TEXT NOT NULL,
        size      INTEGER NOT NULL,
        visitor   TEXT,
        at        INTEGER NOT NULL,
        PRIMARY KEY (hand_over, position)
     ) STRICT, WITHOUT ROWID;",
    // 5: which name an upload is about to get, for who finds the draft gone after a crash.
    "ALTER TABLE uploads ADD COLUMN given_name TEXT;
     ALTER TABLE uploads ADD COLUMN given_size INTEGER;
     ALTER TABLE uploads ADD COLUMN given_written INTEGER;",
];

/// Why a store is not used as it is.
#[derive(Debug)]
pub(super) enum Refusal {
    /// What is in it cannot be trusted; it is kept aside.
    Damaged(String),
    /// Nothing is wrong with it: a newer program made it, another program holds it, or the disk says no.
    Unusable(StoreFault),
}

/// The marks of a broken file; everything else is the disk's or another program's business.
impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged(error.to_string())
            }
            _ => Self::Unusable(fault(&error)),
        }
    }
}

/// Says what the database means.
pub(super) fn fault(error: &rusqlite::Error) -> StoreFault {
    use rusqlite::ErrorCode;
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreFault::InUse,
        Some(ErrorCode::DiskFull) => StoreFault::Full,
        Some(ErrorCode::PermissionDenied) => StoreFault::Denied,
        _ => StoreFault::Other(error.to_string()),
    }
}

/// Checks what is there and brings it to the newest version.
pub(super) fn prepare(connection: &mut Connection) -> Result<(), Refusal> {
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        return Err(Refusal::Damaged(verdict));
    }
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let Some(missing) = usize::try_from(version).ok().and_then(|version| STEPS.get(version..))
    else {
        return Err(Refusal::Unusable(StoreFault::Newer(version)));
    };
    for (step, number) in missing.iter().zip(version + 1..) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", number)?;
        transaction.commit()?;
    }
    Ok(())
}
