//! What the app remembers beside the peer's store: `settings.json` in the data folder.
//!
//! Fields that are missing get their default, so that older files stay good. Fields that this
//! version does not know are kept and written back, so that going back to an older version and
//! forward again loses nothing. A field of the wrong type makes the whole file a damaged one: it is
//! kept aside under another name, and the owner is told. Only the account, which the owner can type
//! again, is dropped alone: without it, the port and the gateway keep every link as it was.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use crosstalk::address::GatewayAddress;
use serde::{Deserialize, Serialize};

use crate::{account::KeptAccount, request::NotificationKind};

/// The file's name in the data folder.
pub const FILE_NAME: &str = "settings.json";

/// The longest file that is read; ours has less than 1 KiB.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// What is kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Kept {
    /// The display name of the identity; `None` until there is one.
    pub identity_name: Option<String>,
    /// The public key of the identity, to notice when a keychain forgot the private one.
    pub public_key: Option<String>,
    /// Another gateway than the one inside the app.
    pub gateway: Option<GatewayAddress>,
    /// What that gateway wants to hear from somebody it does not know yet.
    pub invite: Option<String>,
    /// The owner's XMPP account. Its password is where the key is.
    pub account: Option<KeptAccount>,
    /// The port of the embedded gateway: it stands in every link, so it stays.
    pub port: Option<u16>,
    /// Which notifications are shown.
    pub notifications: Notifications,
    /// The owner was told that closing the window leaves the app in the tray.
    pub told_of_tray: bool,
    /// What a newer version wrote.
    #[serde(flatten)]
    pub unknown: serde_json::Map<String, serde_json::Value>,
}

/// The switches of the notifications.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Notifications {
    /// The connection to the gateway was lost, or is back.
    pub connection: bool,
    /// The first visitor to a site.
    pub first_visitor: bool,
    /// Files were handed over.
    pub hand_over: bool,
    /// A visitor asks whether they may.
    pub knock: bool,
    /// A visitor wrote.
    pub note: bool,
    /// A transfer is finished.
    pub transfer_finished: bool,
}

impl Default for Notifications {
    fn default() -> Self {
        Self {
            connection: true,
            first_visitor: true,
            hand_over: true,
            knock: true,
            note: true,
            transfer_finished: true,
        }
    }
}

impl Notifications {
    /// Returns whether this kind is shown.
    #[must_use]
    pub fn has(&self, kind: NotificationKind) -> bool {
        match kind {
            NotificationKind::Connection => self.connection,
            NotificationKind::FirstVisitor => self.first_visitor,
            NotificationKind::HandOver => self.hand_over,
            NotificationKind::Knock => self.knock,
            NotificationKind::Note => self.note,
            NotificationKind::TransferFinished => self.transfer_finished,
        }
    }

    /// Switches one kind.
    pub fn set(&mut self, kind: NotificationKind, on: bool) {
        match kind {
            NotificationKind::Connection => self.connection = on,
            NotificationKind::FirstVisitor => self.first_visitor = on,
            NotificationKind::HandOver => self.hand_over = on,
            NotificationKind::Knock => self.knock = on,
            NotificationKind::Note => self.note = on,
            NotificationKind::TransferFinished => self.transfer_finished = on,
        }
    }
}

/// What a start finds.
#[derive(Debug)]
pub struct Loaded {
    /// The settings, or the defaults.
    pub kept: Kept,
    /// What was damaged, and where the file is as it was.
    pub kept_aside: Option<Aside>,
}

/// What of the settings was damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Aside {
    /// The account, which is dropped; here is a copy of the file.
    Account(PathBuf),
    /// All of it; here the file is now.
    Everything(PathBuf),
}

/// Reads the settings. A file that is not there gives the defaults; a damaged one is kept aside, and
/// one in which only the account is damaged is written anew without it.
///
/// # Errors
/// When the file is there and can be neither read nor kept: then nothing may be written over it.
pub fn load(folder: &Path) -> io::Result<Loaded> {
    let path = folder.join(FILE_NAME);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Loaded { kept: Kept::default(), kept_aside: None });
        }
        Err(error) => return Err(error),
    };
    let mut text = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut text)?;
    let whole = u64::try_from(text.len()).is_ok_and(|length| length <= MAX_FILE_BYTES);
    match serde_json::from_slice(&text) {
        Ok(kept) if whole => Ok(Loaded { kept, kept_aside: None }),
        Ok(_) | Err(_) => {
            let aside = place_aside(&path);
            if let Some(kept) = without_account(&text).filter(|_| whole) {
                fs::copy(&path, &aside)?;
                save(folder, &kept)?;
                return Ok(Loaded { kept, kept_aside: Some(Aside::Account(aside)) });
            }
            fs::rename(&path, &aside)?;
            Ok(Loaded { kept: Kept::default(), kept_aside: Some(Aside::Everything(aside)) })
        }
    }
}

/// Returns everything but the account, if that is what is damaged.
fn without_account(text: &[u8]) -> Option<Kept> {
    let mut fields: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(text).ok()?;
    fields.remove("account")?;
    serde_json::from_value(fields.into()).ok()
}

/// Writes the settings: whoever reads them, at any moment and after any crash, sees the old ones or
/// the new ones.
///
/// # Errors
/// When the disk is full, or the folder cannot be written.
pub fn save(folder: &Path, kept: &Kept) -> io::Result<()> {
    let mut text = serde_json::to_vec_pretty(kept).map_err(io::Error::other)?;
    text.push(b'\n');
    fs::create_dir_all(folder)?;
    let new = folder.join(format!("{FILE_NAME}.new"));
    let mut file = File::create(&new)?;
    file.write_all(&text)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&new, folder.join(FILE_NAME))?;
    sync_folder(folder)
}

/// Makes a rename last. Windows has no such call, and needs none on NTFS.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

fn place_aside(path: &Path) -> PathBuf {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    path.with_file_name(format!("settings.damaged-{}.json", now.as_millis()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let folder = folder();
        let mut kept = Kept { port: Some(28260), told_of_tray: true, ..Kept::default() };
        kept.gateway = Some(GatewayAddress::parse("https://gateway.example").unwrap());
        kept.notifications.set(NotificationKind::FirstVisitor, false);
        save(folder.path(), &kept).unwrap();
        let loaded = load(folder.path()).unwrap();
        assert_eq!((loaded.kept, loaded.kept_aside), (kept, None));
    }

    #[test]
    fn a_first_start_has_every_notification_on() {
        let loaded = load(folder().path()).unwrap();
        assert!(loaded.kept.notifications.has(NotificationKind::Connection));
        assert_eq!(loaded.kept_aside, None);
    }

    #[test]
    fn what_a_newer_version_wrote_stays() {
        let folder = folder();
        let newer = r#"{"port": 5, "theme": {"dark": true}}"#;
        fs::write(folder.path().join(FILE_NAME), newer).unwrap();
        let mut kept = load(folder.path()).unwrap().kept;
        kept.port = Some(6);
        save(folder.path(), &kept).unwrap();
        let text = fs::read_to_string(folder.path().join(FILE_NAME)).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["theme"]["dark"], true);
        assert_eq!(value["port"], 6);
    }

    #[track_caller]
    fn check_damaged(text: &[u8]) {
        let folder = folder();
        fs::write(folder.path().join(FILE_NAME), text).unwrap();
        let loaded = load(folder.path()).unwrap();
        assert_eq!(loaded.kept, Kept::default());
        let Some(Aside::Everything(aside)) = loaded.kept_aside else { panic!() };
        assert_eq!(fs::read(aside).unwrap(), text, "not a byte is lost");
    }

    #[test]
    fn a_damaged_account_is_dropped_alone() {
        for account in [r#"{"jid": "anna"}"#, r#"{"jid": "anna@a.example", "server": "a b"}"#, "7"]
        {
            let folder = folder();
            let text = format!(r#"{{"port": 28260, "theme": "dark", "account": {account}}}"#);
            fs::write(folder.path().join(FILE_NAME), &text).unwrap();
            let loaded = load(folder.path()).unwrap();
            assert_eq!((loaded.kept.port, &loaded.kept.account), (Some(28260), &None));
            assert_eq!(loaded.kept.unknown["theme"], "dark");
            let Some(Aside::Account(aside)) = loaded.kept_aside else { panic!("{account}") };
            assert_eq!(fs::read_to_string(aside).unwrap(), text, "not a byte is lost");
            let again = load(folder.path()).unwrap();
            assert_eq!((again.kept, again.kept_aside), (loaded.kept, None), "it is told once");
        }
    }

    #[test]
    fn a_damaged_file_is_kept_aside() {
        check_damaged(b"");
        check_damaged(b"{\"port\": 28260");
        check_damaged(b"{\"port\": \"many\"}");
        check_damaged(b"{\"gateway\": \"http://gateway.example\"}");
        check_damaged(b"{\"port\": \"many\", \"account\": 7}");
        check_damaged(&[b' '; 70_000]);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_not_written_over() {
        let folder = folder();
        fs::create_dir(folder.path().join(FILE_NAME)).unwrap();
        assert!(load(folder.path()).is_err() || folder.path().join(FILE_NAME).exists());
    }
}
