//! Where an identity's private key is kept.

use std::path::{Path, PathBuf};

use crosstalk::proof::PrivateKey;

/// Why a key cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// This computer has no keychain that answers (on Linux: no Secret Service on the bus).
    #[error("this computer has no keychain")]
    NoKeychain,
    /// There is one, and it did not let us in (locked, the question was closed, no answer in time).
    #[error("the keychain is locked or did not answer")]
    Locked,
    /// The key file has another passphrase.
    #[error("the passphrase does not open the key file")]
    WrongPassphrase,
    /// What is stored is not a key.
    #[error("what is stored is not a key of Veranda: {0}")]
    Damaged(String),
    /// The key file cannot be read or written.
    #[error("cannot use the key file {0}")]
    File(PathBuf, #[source] std::io::Error),
}

/// Reads the key of this identity from the keychain, or `None` when there is none yet. Waits at
/// most [`KEYCHAIN_TIMEOUT`], on a thread of its own.
///
/// # Errors
/// [`KeyError::NoKeychain`], [`KeyError::Locked`], [`KeyError::Damaged`].
pub async fn load_from_keychain(identity: &str) -> Result<Option<PrivateKey>, KeyError> {
    let _ = identity;
    unimplemented!()
}

/// Keeps the key of this identity in the keychain.
///
/// # Errors
/// [`KeyError::NoKeychain`], [`KeyError::Locked`].
pub async fn save_to_keychain(identity: &str, key: &PrivateKey) -> Result<(), KeyError> {
    let _ = (identity, key);
    unimplemented!()
}

/// Opens an encrypted key file.
///
/// # Errors
/// [`KeyError::WrongPassphrase`], [`KeyError::Damaged`], [`KeyError::File`].
pub async fn load_from_file(path: &Path, passphrase: &str) -> Result<PrivateKey, KeyError> {
    let _ = (path, passphrase);
    unimplemented!()
}

/// Writes an encrypted key file (mode 600); never over one that is there.
///
/// # Errors
/// [`KeyError::File`].
pub async fn save_to_file(path: &Path, passphrase: &str, key: &PrivateKey) -> Result<(), KeyError> {
    let _ = (path, passphrase, key);
    unimplemented!()
}

/// How long a keychain may take to answer; one that prompts its owner needs that long.
pub const KEYCHAIN_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(60);
