//! Where the private key of the identity comes from.

use std::path::{Path, PathBuf};

use carriers::xmpp::Password;
use crosstalk::proof::PrivateKey;
use peer::keys::{self, KeyError, passwords};

use crate::{request::Passphrase, shell::Answer};

/// The key file's name in the data folder, when there is no keychain.
pub const KEY_FILE: &str = "identity.key";

/// The keychain of the computer; memory in tests.
pub trait Keychain: Send + Sync + 'static {
    /// Reads the key, or `None` when there is none yet.
    fn load(&self) -> Answer<'_, Result<Option<PrivateKey>, KeyError>>;

    /// Keeps the key.
    fn save<'a>(&'a self, key: &'a PrivateKey) -> Answer<'a, Result<(), KeyError>>;

    /// Reads the password of an XMPP account, or `None` when there is none.
    fn load_password<'a>(&'a self, jid: &'a str) -> Answer<'a, Result<Option<Password>, KeyError>>;

    /// Keeps the password of an XMPP account.
    fn save_password<'a>(
        &'a self,
        jid: &'a str,
        password: &'a Password,
    ) -> Answer<'a, Result<(), KeyError>>;

    /// Forgets the password of an XMPP account.
    fn forget_password<'a>(&'a self, jid: &'a str) -> Answer<'a, Result<(), KeyError>>;
}

/// The real one: Secret Service, Keychain, Credential Manager.
pub struct SystemKeychain {
    entry: String,
}

impl SystemKeychain {
    /// Uses the entry of this name. Data folders that are to be apart need names of their own.
    #[must_use]
    pub fn new(entry: String) -> Self {
        Self { entry }
    }

    /// Names the entry of a password, so that its owner knows what it is.
    fn entry_of(&self, jid: &str) -> String {
        format!("xmpp:{jid} ({})", self.entry)
    }
}

impl Keychain for SystemKeychain {
    fn load(&self) -> Answer<'_, Result<Option<PrivateKey>, KeyError>> {
        Box::pin(keys::load_from_keychain(&self.entry))
    }

    fn save<'a>(&'a self, key: &'a PrivateKey) -> Answer<'a, Result<(), KeyError>> {
        Box::pin(keys::save_to_keychain(&self.entry, key))
    }

    fn load_password<'a>(&'a self, jid: &'a str) -> Answer<'a, Result<Option<Password>, KeyError>> {
        Box::pin(async move { passwords::load_from_keychain(&self.entry_of(jid)).await })
    }

    fn save_password<'a>(
        &'a self,
        jid: &'a str,
        password: &'a Password,
    ) -> Answer<'a, Result<(), KeyError>> {
        Box::pin(async move { passwords::save_to_keychain(&self.entry_of(jid), password).await })
    }

    fn forget_password<'a>(&'a self, jid: &'a str) -> Answer<'a, Result<(), KeyError>> {
        Box::pin(async move { passwords::forget_in_keychain(&self.entry_of(jid)).await })
    }
}

/// Where a key was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeptIn {
    /// In the encrypted key file.
    File,
    /// In the keychain.
    Keychain,
}

/// A key, and where it is kept.
#[derive(Debug)]
pub(crate) struct Found {
    /// The key.
    pub(crate) key: PrivateKey,
    /// Where it is kept.
    pub(crate) kept_in: KeptIn,
}

/// Why there is no key.
#[derive(Debug)]
pub(crate) enum NoKey {
    /// A key file is there and wants its passphrase.
    FileLocked,
    /// The keychain answers, but the key that was in it is gone.
    Gone,
    /// The keychain or the key file said no.
    Refused(KeyError),
}

/// Finds the key, or makes the first one. `known` says that there has been a key before: then a
/// keychain without one is no reason to make another, since names and links belong to the key.
///
/// # Errors
/// See [`NoKey`].
pub(crate) async fn find(
    keychain: &dyn Keychain,
    data: &Path,
    known: bool,
) -> Result<Found, NoKey> {
    if key_file(data).exists() {
        return Err(NoKey::FileLocked);
    }
    let kept_in = KeptIn::Keychain;
    if let Some(key) = keychain.load().await.map_err(NoKey::Refused)? {
        return Ok(Found { key, kept_in });
    }
    if known {
        return Err(NoKey::Gone);
    }
    let key = PrivateKey::generate();
    keychain.save(&key).await.map_err(NoKey::Refused)?;
    Ok(Found { key, kept_in })
}

/// Makes a key and keeps it in a new key file.
///
/// # Errors
/// When the file cannot be written, or is there already.
pub(crate) async fn create_file(data: &Path, passphrase: &Passphrase) -> Result<Found, NoKey> {
    let key = PrivateKey::generate();
    let written = keys::save_to_file(&key_file(data), passphrase.expose(), &key).await;
    written.map_err(NoKey::Refused)?;
    Ok(Found { key, kept_in: KeptIn::File })
}

/// Opens the key file.
///
/// # Errors
/// When the passphrase is another, or the file cannot be read.
pub(crate) async fn open_file(data: &Path, passphrase: &Passphrase) -> Result<Found, NoKey> {
    let key = keys::load_from_file(&key_file(data), passphrase.expose()).await;
    Ok(Found { key: key.map_err(NoKey::Refused)?, kept_in: KeptIn::File })
}

/// Returns where the key file is, or would be.
pub(crate) fn key_file(data: &Path) -> PathBuf {
    data.join(KEY_FILE)
}
