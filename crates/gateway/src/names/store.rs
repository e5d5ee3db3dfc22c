//! The database of names: SQLite in one file.

use std::{
    collections::{BTreeMap, HashMap},
    fs, io,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use crosstalk::{
    label::Label,
    proof::{Proven, PublicKey},
};
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, params};

use super::NameError;
use crate::{
    addresses::{Held, Share},
    limits,
};

/// The file in the data folder.
const FILE: &str = "names.sqlite";

/// The version of the tables, in SQLite's `user_version`.
const VERSION: i64 = 2;

const TABLES: &str = "
    CREATE TABLE names (
        label TEXT PRIMARY KEY,
        key BLOB NOT NULL,
        claimed INTEGER NOT NULL,
        released INTEGER
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX names_of_key ON names (key);
    CREATE TABLE used_proofs (
        key BLOB NOT NULL,
        id TEXT NOT NULL,
        expires INTEGER NOT NULL,
        PRIMARY KEY (key, id)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX used_proofs_by_time ON used_proofs (expires);
";

/// What the second version added: the accounts that came in with an invitation, and which. An invitation
/// is for one account, and an account needs one.
const GUESTS: &str = "
    CREATE TABLE guests (
        code BLOB PRIMARY KEY,
        account TEXT NOT NULL UNIQUE,
        since INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    PRAGMA user_version = 2;
";

/// The open database.
pub(super) struct Store {
    connection: Connection,
    /// How many names there are, those that rest included.
    names: i64,
    used_proofs: i64,
    /// For whom those count that came since the start, by when they expire.
    turns: BTreeMap<i64, Vec<Held>>,
}

/// Why the names cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Database(#[from] rusqlite::Error),
    #[error(
        "the list of names in {0} is damaged. Put a copy of it back from a backup, or move the \
         file away to begin with no names; then everybody can claim every name again, and \
         invitations that were used are good again"
    )]
    Damaged(PathBuf),
    #[error("the list of names was written by a newer version of this program")]
    Newer,
    #[error("the program is stopping")]
    Stopped,
}

impl Store {
    /// Opens the database in a folder, or one in memory.
    ///
    /// A damaged file is kept. When the names only matter on this computer (`may_begin_anew`), it
    /// is moved aside and its new place is returned with a fresh database: their owner claims
    /// them again at once. Otherwise it is an error, because with an empty list anybody could
    /// claim anybody's name.
    pub(super) fn open(
        folder: Option<&Path>,
        may_begin_anew: bool,
        now: SystemTime,
    ) -> Result<(Self, Option<PathBuf>), OpenError> {
        let Some(folder) = folder else {
            return Ok((Self::prepare(Connection::open_in_memory()?, now)?, None));
        };
        fs::create_dir_all(folder)?;
        let file = folder.join(FILE);
        match Self::open_file(&file, now) {
            Err(OpenError::Damaged(_)) if may_begin_anew => {
                let aside = set_aside(&file, now)?;
                Ok((Self::open_file(&file, now)?, Some(aside)))
            }
            result => Ok((result?, None)),
        }
    }

    fn open_file(file: &Path, now: SystemTime) -> Result<Self, OpenError> {
        let open = || {
            let connection = Connection::open(file)?;
            let health: String = connection.query_row("PRAGMA quick_check(1)", [], |r| r.get(0))?;
            if health != "ok" {
                return Err(OpenError::Damaged(file.to_owned()));
            }
            Self::prepare(connection, now)
        };
        open().map_err(|error| match &error {
            OpenError::Database(database) if is_damage(database) => {
                OpenError::Damaged(file.to_owned())
            }
            OpenError::Io(_)
            | OpenError::Database(_)
            | OpenError::Damaged(_)
            | OpenError::Newer
            | OpenError::Stopped => error,
        })
    }

    fn prepare(connection: Connection, now: SystemTime) -> Result<Self, OpenError> {
        connection.busy_timeout(limits::NAMES_TIMEOUT / 2)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        // A name that was promised survives a power cut.
        connection.pragma_update(None, "synchronous", "full")?;
        match connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0))? {
            0 => connection.execute_batch(&format!("BEGIN; {TABLES} {GUESTS} COMMIT;"))?,
            1 => connection.execute_batch(&format!("BEGIN; {GUESTS} COMMIT;"))?,
            VERSION => {}
            _ => return Err(OpenError::Newer),
        }
        let rested = seconds(now) - limits::NAME_REST.as_secs().cast_signed();
        connection.execute("DELETE FROM names WHERE released <= ?1", [rested])?;
        let names = connection.query_row("SELECT count(*) FROM names", [], |row| row.get(0))?;
        let used_proofs =
            connection.query_row("SELECT count(*) FROM used_proofs", [], |row| row.get(0))?;
        Ok(Self { connection, names, used_proofs, turns: BTreeMap::new() })
    }

    /// Returns all names in use.
    pub(super) fn owners(&self) -> Result<HashMap<Label, PublicKey>, OpenError> {
        let mut statement =
            self.connection.prepare("SELECT label, key FROM names WHERE released IS NULL")?;
        let rows = statement
            .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, [u8; 32]>(1)?)))?;
        let mut owners = HashMap::new();
        for row in rows {
            let (label, key) = row?;
            match Label::parse(&label) {
                Ok(label) => {
                    owners.insert(label, PublicKey::from_bytes(key));
                }
                // The rules of names may become stricter than when it was claimed.
                Err(error) => tracing::warn!(label, %error, "A name in the list is not usable"),
            }
        }
        Ok(owners)
    }

    pub(super) fn claim(
        &mut self,
        label: &Label,
        key: &PublicKey,
        now: SystemTime,
    ) -> rusqlite::Result<Result<(), NameError>> {
        let known = self
            .connection
            .query_row(
                "SELECT key, released FROM names WHERE label = ?1",
                [label.as_str()],
                |row| Ok((row.get::<_, [u8; 32]>(0)?, row.get::<_, Option<i64>>(1)?)),
            )
            .optional()?;
        let now = seconds(now);
        let is_known = known.is_some();
        let is_theirs = known.as_ref().is_some_and(|(owner, _)| owner == key.as_bytes());
        match known {
            Some((_, None)) if is_theirs => return Ok(Ok(())),
            Some((_, None)) => return Ok(Err(NameError::Taken)),
            Some((_, Some(released)))
                if !is_theirs && now < released + limits::NAME_REST.as_secs().cast_signed() =>
            {
                return Ok(Err(NameError::Resting));
            }
            Some((_, Some(_))) | None => {}
        }
        if !is_theirs {
            let theirs: i64 = self.connection.query_row(
                "SELECT count(*) FROM names WHERE key = ?1",
                [key.as_bytes()],
                |row| row.get(0),
            )?;
            if theirs >= limits::NAMES_PER_IDENTITY {
                return Ok(Err(NameError::TooMany));
            }
        }
        if !is_known && self.names >= limits::MAX_NAMES {
            return Ok(Err(NameError::Full));
        }
        self.connection.execute(
            "INSERT INTO names (label, key, claimed) VALUES (?1, ?2, ?3)
             ON CONFLICT (label) DO UPDATE SET key = ?2, claimed = ?3, released = NULL",
            params![label.as_str(), key.as_bytes(), now],
        )?;
        self.names += i64::from(!is_known);
        Ok(Ok(()))
    }

    pub(super) fn release(
        &mut self,
        label: &Label,
        key: &PublicKey,
        now: SystemTime,
    ) -> rusqlite::Result<Result<(), NameError>> {
        let released = self.connection.execute(
            "UPDATE names SET released = ?3 WHERE label = ?1 AND key = ?2 AND released IS NULL",
            params![label.as_str(), key.as_bytes(), seconds(now)],
        )?;
        if released == 1 {
            return Ok(Ok(()));
        }
        let owner: Option<[u8; 32]> = self
            .connection
            .query_row(
                "SELECT key FROM names WHERE label = ?1 AND released IS NULL",
                [label.as_str()],
                |row| row.get(0),
            )
            .optional()?;
        Ok(Err(if owner.is_some() { NameError::Taken } else { NameError::Unknown }))
    }

    pub(super) fn use_once(
        &mut self,
        proof: &Proven,
        share: &Share,
        now: SystemTime,
    ) -> rusqlite::Result<Result<(), NameError>> {
        // First what expired, since perhaps nobody else ever comes. Whoever is refused here costs the
        // disk nothing.
        self.turns = self.turns.split_off(&seconds(now));
        let Some(turn) = share.take() else { return Ok(Err(NameError::TooManyProofs)) };
        // A proof lives for a minute and a power cut takes longer, so it need not reach the disk
        // itself, only the system: a restart of the program does not forget it.
        self.connection.pragma_update(None, "synchronous", "normal")?;
        let result = self.use_once_quickly(proof, turn, now);
        self.connection.pragma_update(None, "synchronous", "full")?;
        result
    }

    pub(super) fn is_guest(&self, account: &str) -> rusqlite::Result<Result<(), NameError>> {
        let found = self
            .connection
            .prepare_cached("SELECT 1 FROM guests WHERE account = ?1")?
            .exists([account])?;
        Ok(if found { Ok(()) } else { Err(NameError::Unknown) })
    }

    pub(super) fn redeem(
        &mut self,
        account: &str,
        code: &[u8; 32],
        now: SystemTime,
    ) -> rusqlite::Result<Result<(), NameError>> {
        // Who is a guest already keeps the invitation for somebody else.
        if self.is_guest(account)?.is_ok() {
            return Ok(Ok(()));
        }
        let added = self.connection.execute(
            "INSERT INTO guests (code, account, since) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
            params![code, account, seconds(now)],
        )?;
        Ok(if added == 1 { Ok(()) } else { Err(NameError::Used) })
    }

    fn use_once_quickly(
        &mut self,
        proof: &Proven,
        turn: Held,
        now: SystemTime,
    ) -> rusqlite::Result<Result<(), NameError>> {
        let expired = self
            .connection
            .prepare_cached("DELETE FROM used_proofs WHERE expires < ?1")?
            .execute([seconds(now)])?;
        self.used_proofs = (self.used_proofs - i64::try_from(expired).unwrap_or(i64::MAX)).max(0);
        // Forgetting one that is still good would let it be used twice.
        if self.used_proofs >= limits::MAX_USED_PROOFS {
            return Ok(Err(NameError::Full));
        }
        let added = self
            .connection
            .prepare_cached(
                "INSERT INTO used_proofs (key, id, expires) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO NOTHING",
            )?
            .execute(params![proof.key.as_bytes(), proof.id, seconds(proof.expires)])?;
        if added == 0 {
            return Ok(Err(NameError::Used));
        }
        self.used_proofs += 1;
        self.turns.entry(seconds(proof.expires)).or_default().push(turn);
        Ok(Ok(()))
    }
}

/// Moves a damaged database and what belongs to it out of the way, and returns its new place.
fn set_aside(file: &Path, now: SystemTime) -> io::Result<PathBuf> {
    let suffix = format!("damaged-{}", seconds(now));
    let aside = file.with_extension(&suffix);
    fs::rename(file, &aside)?;
    for side in ["sqlite-wal", "sqlite-shm"] {
        let (from, to) =
            (file.with_extension(side), file.with_extension(format!("{suffix}-{side}")));
        match fs::rename(from, to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(aside)
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

fn seconds(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crosstalk::proof::{self, PrivateKey};

    use super::*;
    use crate::addresses::Addresses;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    fn store() -> Store {
        Store::open(None, false, now()).unwrap().0
    }

    fn key() -> PublicKey {
        PrivateKey::generate().public()
    }

    fn label(text: &str) -> Label {
        text.parse().unwrap()
    }

    #[test]
    fn the_first_claim_wins_and_a_released_name_rests() {
        let (mut store, anna, ben) = (store(), key(), key());
        let photos = label("photos");
        assert_eq!(store.claim(&photos, &anna, now()), Ok(Ok(())));
        assert_eq!(store.claim(&photos, &anna, now()), Ok(Ok(())));
        assert_eq!(store.claim(&photos, &ben, now()), Ok(Err(NameError::Taken)));
        assert_eq!(store.release(&photos, &ben, now()), Ok(Err(NameError::Taken)));
        assert_eq!(store.release(&label("nobody"), &ben, now()), Ok(Err(NameError::Unknown)));
        assert_eq!(store.release(&photos, &anna, now()), Ok(Ok(())));
        assert_eq!(store.release(&photos, &anna, now()), Ok(Err(NameError::Unknown)));
        let just_before = now() + limits::NAME_REST - Duration::from_secs(1);
        assert_eq!(store.claim(&photos, &ben, just_before), Ok(Err(NameError::Resting)));
        assert_eq!(store.claim(&photos, &ben, now() + limits::NAME_REST), Ok(Ok(())));
        assert_eq!(
            store.claim(&photos, &anna, now() + limits::NAME_REST),
            Ok(Err(NameError::Taken))
        );
    }

    #[test]
    fn the_owner_takes_a_resting_name_back_at_once() {
        let (mut store, anna) = (store(), key());
        let photos = label("photos");
        store.claim(&photos, &anna, now()).unwrap().unwrap();
        store.release(&photos, &anna, now()).unwrap().unwrap();
        assert!(store.owners().unwrap().is_empty());
        assert_eq!(store.claim(&photos, &anna, now()), Ok(Ok(())));
        assert_eq!(store.owners().unwrap().get(&photos), Some(&anna));
    }

    #[test]
    fn one_identity_cannot_have_every_name_by_letting_them_rest() {
        let (mut store, anna, ben) = (store(), key(), key());
        for number in 0..limits::NAMES_PER_IDENTITY {
            let name = label(&format!("name-{number}"));
            assert_eq!(store.claim(&name, &anna, now()), Ok(Ok(())));
            assert_eq!(store.release(&name, &anna, now()), Ok(Ok(())));
        }
        assert_eq!(store.claim(&label("one-more"), &anna, now()), Ok(Err(NameError::TooMany)));
        assert_eq!(store.claim(&label("name-0"), &anna, now()), Ok(Ok(())));
        assert_eq!(store.claim(&label("one-more"), &ben, now()), Ok(Ok(())));
    }

    #[test]
    fn a_proof_counts_once_until_it_expires_and_is_then_forgotten() {
        let mut store = store();
        let token = PrivateKey::generate().prove("http://localhost", now());
        let proof = proof::verify(&token, "http://localhost", now()).unwrap();
        assert_eq!(store.use_once(&proof, &Share::boundless(), now()), Ok(Ok(())));
        assert_eq!(store.use_once(&proof, &Share::boundless(), now()), Ok(Err(NameError::Used)));
        assert_eq!(
            store.use_once(&proof, &Share::boundless(), proof.expires),
            Ok(Err(NameError::Used))
        );
        let mut other = proof.clone();
        other.key = key();
        let later = proof.expires + Duration::from_secs(1);
        assert_eq!(store.use_once(&other, &Share::boundless(), later), Ok(Ok(())));
        assert_eq!(store.used_proofs, 1);
    }

    #[test]
    fn a_proof_counts_for_its_network_as_long_as_it_is_remembered() {
        let (mut store, addresses) = (store(), Addresses::new(1));
        let hers = addresses.share([192, 0, 2, 7].into());
        let token = PrivateKey::generate().prove("http://localhost", now());
        let first = proof::verify(&token, "http://localhost", now()).unwrap();
        let another = |id: &str, expires| Proven { id: id.to_owned(), expires, ..first.clone() };
        assert_eq!(store.use_once(&first, &hers, now()), Ok(Ok(())));
        // Nobody else comes, so nobody else makes room.
        let until = first.expires;
        let next = another("next", until + DAY);
        for while_it_lives in [now(), until] {
            let refused = Ok(Err(NameError::TooManyProofs));
            assert_eq!(store.use_once(&next, &hers, while_it_lives), refused);
        }
        let later = until + Duration::from_secs(1);
        assert_eq!(store.use_once(&next, &hers, later), Ok(Ok(())));
        assert!(hers.take().is_none());
        // Others have their own, and what is not remembered anew counts for nobody.
        let theirs = addresses.share([192, 0, 2, 8].into());
        assert_eq!(store.use_once(&next, &theirs, later), Ok(Err(NameError::Used)));
        assert_eq!(store.use_once(&another("b", until + DAY), &theirs, later), Ok(Ok(())));
    }

    #[test]
    fn a_full_memory_of_proofs_refuses_rather_than_forgets() {
        let mut store = store();
        let token = PrivateKey::generate().prove("http://localhost", now());
        let proof = proof::verify(&token, "http://localhost", now()).unwrap();
        store.used_proofs = limits::MAX_USED_PROOFS;
        assert_eq!(store.use_once(&proof, &Share::boundless(), now()), Ok(Err(NameError::Full)));
    }

    #[test]
    fn a_damaged_list_is_kept_and_never_silently_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE);
        fs::write(&file, "this is no database, but somebody's names all the same").unwrap();
        let public = Store::open(Some(folder.path()), false, now());
        assert!(matches!(public, Err(OpenError::Damaged(path)) if path == file));
        assert!(file.exists());
        let (store, aside) = Store::open(Some(folder.path()), true, now()).unwrap();
        assert!(store.owners().unwrap().is_empty());
        let kept = fs::read_to_string(aside.unwrap()).unwrap();
        assert!(kept.starts_with("this is no database"));
    }

    #[test]
    fn a_list_of_a_newer_version_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        Store::open(Some(folder.path()), false, now()).unwrap();
        let connection = Connection::open(folder.path().join(FILE)).unwrap();
        connection.pragma_update(None, "user_version", VERSION + 1).unwrap();
        drop(connection);
        let newer = Store::open(Some(folder.path()), true, now());
        assert!(matches!(newer, Err(OpenError::Newer)));
    }

    #[test]
    fn an_invitation_is_for_one_account_which_is_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Store::open(Some(folder.path()), false, now()).unwrap().0;
        let mut store = open();
        let (anna, ben, code) = ("anna@a.example", "ben@b.example", [7; 32]);
        assert_eq!(store.is_guest(anna), Ok(Err(NameError::Unknown)));
        assert_eq!(store.redeem(anna, &code, now()), Ok(Ok(())));
        drop(store);
        let mut store = open();
        assert_eq!(store.is_guest(anna), Ok(Ok(())));
        assert_eq!(store.redeem(ben, &code, now()), Ok(Err(NameError::Used)));
        assert_eq!(store.redeem(anna, &code, now()), Ok(Ok(())), "both at once are no mistake");
        assert_eq!(store.redeem(anna, &[8; 32], now()), Ok(Ok(())));
        assert_eq!(store.redeem(ben, &[8; 32], now()), Ok(Ok(())), "a guest uses up no other");
    }

    #[test]
    fn a_list_of_the_first_version_gets_guests_and_keeps_its_names() {
        let folder = tempfile::tempdir().unwrap();
        let owner = key();
        let connection = Connection::open(folder.path().join(FILE)).unwrap();
        connection.execute_batch(TABLES).unwrap();
        connection.pragma_update(None, "user_version", 1).unwrap();
        connection
            .execute(
                "INSERT INTO names (label, key, claimed) VALUES ('photos', ?1, 0)",
                [owner.as_bytes()],
            )
            .unwrap();
        drop(connection);
        let (mut store, _) = Store::open(Some(folder.path()), false, now()).unwrap();
        assert_eq!(store.owners().unwrap().get(&label("photos")), Some(&owner));
        assert_eq!(store.redeem("anna@a.example", &[7; 32], now()), Ok(Ok(())));
    }

    #[test]
    fn names_that_rested_long_enough_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let (mut store, _) = Store::open(Some(folder.path()), false, now()).unwrap();
        store.claim(&label("photos"), &key(), now()).unwrap().unwrap();
        let owner = key();
        store.claim(&label("videos"), &owner, now()).unwrap().unwrap();
        store.release(&label("videos"), &owner, now()).unwrap().unwrap();
        drop(store);
        let later = now() + limits::NAME_REST;
        let (store, _) = Store::open(Some(folder.path()), false, later).unwrap();
        assert_eq!(store.names, 1);
    }
}
