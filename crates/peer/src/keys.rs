//! Where an identity's private key is kept.
//!
//! The keychain is that of the operating system. On Linux this is the Secret Service on the
//! session bus; a computer without a desktop often has none. Whether there is one is found out
//! once per run: a keychain that is installed later is seen after a restart.

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use age::secrecy::SecretString;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use crosstalk::proof::PrivateKey;
use tokio::{
    sync::{Semaphore, oneshot},
    time::timeout,
};
use zeroize::Zeroizing;

pub mod passwords;

/// How long a keychain may take to answer; one that prompts its owner needs that long.
pub const KEYCHAIN_TIMEOUT: Duration = Duration::from_secs(60);

/// Under which name the keychain shows our entries to its owner.
pub const KEYCHAIN_SERVICE: &str = "Veranda";

/// What scrypt costs when a key file is written: 2^17 blocks of 1 KiB take about half a second.
/// Builds for development are many times slower, and their key files are for trying only.
const WORK_FACTOR: u8 = if cfg!(debug_assertions) { 10 } else { 17 };

/// The most that opening a key file may cost: 2^20 blocks are 1 GiB of memory and some seconds.
/// Beyond that it is an attack rather than a key file.
const MAX_WORK_FACTOR: u8 = 20;

/// The longest key file that is read; ours have about 250 bytes.
const MAX_FILE_BYTES: u64 = 16 * 1024;

/// What stands before the key wherever it is kept, so that a strange secret is not taken for one.
const PREFIX: &str = "veranda-key-1:";

/// One question to the keychain at a time: a stuck one holds at most one thread.
static KEYCHAIN: Semaphore = Semaphore::const_new(1);

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
    File(PathBuf, #[source] io::Error),
}

/// Reads the key of this identity from the keychain, or `None` when there is none yet. Waits at
/// most [`KEYCHAIN_TIMEOUT`], on a thread of its own.
///
/// # Errors
/// [`KeyError::NoKeychain`], [`KeyError::Locked`], [`KeyError::Damaged`].
pub async fn load_from_keychain(identity: &str) -> Result<Option<PrivateKey>, KeyError> {
    let identity = identity.to_owned();
    ask_keychain(move || read_entry(&identity)).await
}

/// Keeps the key of this identity in the keychain, and reads it back: some keychains say yes and
/// forget.
///
/// # Errors
/// [`KeyError::NoKeychain`], [`KeyError::Locked`], [`KeyError::Damaged`].
pub async fn save_to_keychain(identity: &str, key: &PrivateKey) -> Result<(), KeyError> {
    let identity = identity.to_owned();
    let text = to_text(key);
    ask_keychain(move || {
        let entry = entry(&identity)?;
        entry.set_password(&text).map_err(keychain_error)?;
        let back = Zeroizing::new(entry.get_password().map_err(keychain_error)?);
        if *back == *text {
            Ok(())
        } else {
            Err(KeyError::Damaged("the keychain gives back something else".to_owned()))
        }
    })
    .await
}

/// Opens an encrypted key file.
///
/// # Errors
/// [`KeyError::WrongPassphrase`], [`KeyError::Damaged`], [`KeyError::File`].
pub async fn load_from_file(path: &Path, passphrase: &str) -> Result<PrivateKey, KeyError> {
    let path = path.to_owned();
    let passphrase = SecretString::from(passphrase.to_owned());
    on_disk(path.clone(), move || read_file(&path, passphrase)).await
}

/// Writes an encrypted key file (mode 600); never over one that is there.
///
/// # Errors
/// [`KeyError::File`].
pub async fn save_to_file(path: &Path, passphrase: &str, key: &PrivateKey) -> Result<(), KeyError> {
    let path = path.to_owned();
    let passphrase = SecretString::from(passphrase.to_owned());
    let text = to_text(key);
    on_disk(path.clone(), move || write_file(&path, passphrase, &text)).await
}

async fn on_disk<T: Send + 'static>(
    path: PathBuf,
    work: impl FnOnce() -> Result<T, KeyError> + Send + 'static,
) -> Result<T, KeyError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(gone) => Err(KeyError::File(path, io::Error::other(gone))),
    }
}

/// Asks on a thread of its own, since a keychain may block for minutes and a runtime would wait
/// for such a thread when it ends.
async fn ask_keychain<T: Send + 'static>(
    question: impl FnOnce() -> Result<T, KeyError> + Send + 'static,
) -> Result<T, KeyError> {
    let answer = async {
        // Closed never: the semaphore is a static.
        let permit = KEYCHAIN.acquire().await.map_err(|_| KeyError::Locked)?;
        let (tell, told) = oneshot::channel();
        std::thread::Builder::new()
            .name("keychain".to_owned())
            .spawn(move || {
                let _permit = permit;
                // Nobody listens any more when the question took too long.
                let _ = tell.send(question());
            })
            .map_err(|_| KeyError::Locked)?;
        told.await.map_err(|_| KeyError::NoKeychain)?
    };
    timeout(KEYCHAIN_TIMEOUT, answer).await.unwrap_or(Err(KeyError::Locked))
}

fn entry(identity: &str) -> Result<keyring::v1::Entry, KeyError> {
    keyring::v1::Entry::new(KEYCHAIN_SERVICE, identity).map_err(keychain_error)
}

fn read_entry(identity: &str) -> Result<Option<PrivateKey>, KeyError> {
    match entry(identity)?.get_password() {
        Ok(text) => from_text(&Zeroizing::new(text)).map(Some),
        Err(keyring::v1::Error::NoEntry) => Ok(None),
        Err(error) => Err(keychain_error(error)),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the library may add errors at any time")]
fn keychain_error(error: keyring::v1::Error) -> KeyError {
    use keyring::v1::Error;
    match error {
        Error::NoDefaultStore | Error::NotSupportedByStore(_) => KeyError::NoKeychain,
        Error::NoStorageAccess(_) => KeyError::Locked,
        Error::BadEncoding(_) | Error::BadDataFormat(..) => {
            KeyError::Damaged("it is not text".to_owned())
        }
        Error::Ambiguous(_) => KeyError::Damaged("there are several".to_owned()),
        other => {
            // The library's own words hold names of entries, never their secrets.
            tracing::debug!(error = %other, "The keychain did not answer as expected");
            KeyError::Locked
        }
    }
}

fn to_text(key: &PrivateKey) -> Zeroizing<String> {
    let bytes = key.to_bytes();
    let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + 48));
    text.push_str(PREFIX);
    BASE64_URL_SAFE_NO_PAD.encode_string(bytes.as_slice(), &mut text);
    text
}

fn from_text(text: &str) -> Result<PrivateKey, KeyError> {
    let key = text
        .trim()
        .strip_prefix(PREFIX)
        .ok_or_else(|| KeyError::Damaged("it does not begin like one".to_owned()))?;
    let bytes = BASE64_URL_SAFE_NO_PAD
        .decode(key)
        .map(Zeroizing::new)
        .map_err(|_| KeyError::Damaged("it is not base64url".to_owned()))?;
    let bytes: &[u8; 32] = bytes
        .as_slice()
        .try_into()
        .map_err(|_| KeyError::Damaged("it is too long or too short".to_owned()))?;
    Ok(PrivateKey::from_bytes(bytes))
}

fn read_file(path: &Path, passphrase: SecretString) -> Result<PrivateKey, KeyError> {
    from_text(&open_sealed(path, passphrase)?)
}

/// Returns the text that is in an encrypted file.
fn open_sealed(path: &Path, passphrase: SecretString) -> Result<Zeroizing<String>, KeyError> {
    let file_error = |error| KeyError::File(path.to_owned(), error);
    let length = std::fs::metadata(path).map_err(file_error)?.len();
    if length > MAX_FILE_BYTES {
        return Err(KeyError::Damaged("the file is too long".to_owned()));
    }
    let sealed = std::fs::read(path).map_err(file_error)?;
    let mut identity = age::scrypt::Identity::new(passphrase);
    identity.set_max_work_factor(MAX_WORK_FACTOR);
    let text = match age::decrypt(&identity, &sealed) {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(age::DecryptError::DecryptionFailed | age::DecryptError::KeyDecryptionFailed) => {
            return Err(KeyError::WrongPassphrase);
        }
        Err(age::DecryptError::Io(error)) if error.kind() != io::ErrorKind::UnexpectedEof => {
            // Reading from memory fails only over what it holds.
            return Err(KeyError::Damaged(error.to_string()));
        }
        Err(other) => return Err(KeyError::Damaged(one_line(&other.to_string()))),
    };
    std::str::from_utf8(&text)
        .map(|text| Zeroizing::new(text.to_owned()))
        .map_err(|_| KeyError::Damaged("it is not text".to_owned()))
}

fn write_file(path: &Path, passphrase: SecretString, text: &str) -> Result<(), KeyError> {
    let file_error = |error| KeyError::File(path.to_owned(), error);
    let mut recipient = age::scrypt::Recipient::new(passphrase);
    recipient.set_work_factor(WORK_FACTOR);
    let sealed = age::encrypt(&recipient, text.as_bytes())
        .map_err(|error| file_error(io::Error::other(error.to_string())))?;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(file_error)?;
    }
    let mut file = create_private(path).map_err(file_error)?;
    let written = file.write_all(&sealed).and_then(|()| file.sync_all());
    if let Err(error) = written {
        // Half a key file would look like a whole one to whoever comes next; we made it just now.
        let _ = std::fs::remove_file(path);
        return Err(file_error(error));
    }
    Ok(())
}

/// Creates a new file that only its owner can read.
pub(crate) fn create_private(path: &Path) -> io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}

fn one_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_key_file_opens_with_its_passphrase_only_and_is_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/key");
        let key = PrivateKey::generate();
        save_to_file(&path, "correct horse", &key).await.unwrap();
        let back = load_from_file(&path, "correct horse").await.unwrap();
        assert_eq!(back.public(), key.public());
        let wrong = load_from_file(&path, "battery staple").await;
        assert!(matches!(wrong, Err(KeyError::WrongPassphrase)), "{wrong:?}");
        let again = save_to_file(&path, "x", &PrivateKey::generate()).await;
        assert!(matches!(&again, Err(KeyError::File(at, _)) if *at == path), "{again:?}");
        let back = load_from_file(&path, "correct horse").await.unwrap();
        assert_eq!(back.public(), key.public());
        let raw = std::fs::read(&path).unwrap();
        assert!(!raw.windows(PREFIX.len()).any(|part| part == PREFIX.as_bytes()));
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn only_the_owner_reads_a_key_file() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        save_to_file(&path, "correct horse", &PrivateKey::generate()).await.unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[tokio::test]
    async fn what_is_no_key_file_is_said_to_be_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let missing = load_from_file(&path, "x").await;
        assert!(matches!(missing, Err(KeyError::File(..))), "{missing:?}");
        for content in [&b""[..], b"hello", b"age-encryption.org/v1\n", &[0xff; 900]] {
            std::fs::write(&path, content).unwrap();
            let damaged = load_from_file(&path, "x").await;
            assert!(matches!(damaged, Err(KeyError::Damaged(_))), "{damaged:?}");
        }
        std::fs::write(&path, vec![0; 17 * 1024]).unwrap();
        assert!(matches!(load_from_file(&path, "x").await, Err(KeyError::Damaged(_))));
    }

    #[test]
    fn a_key_survives_as_text_and_strange_text_is_refused() {
        let key = PrivateKey::generate();
        assert_eq!(from_text(&to_text(&key)).unwrap().public(), key.public());
        for strange in ["", "secret", "veranda-key-1:", "veranda-key-1:AAAA", "veranda-key-1:!"] {
            assert!(matches!(from_text(strange), Err(KeyError::Damaged(_))), "{strange}");
        }
    }

    #[test]
    fn what_the_keychain_says_becomes_what_the_owner_can_act_on() {
        use keyring::v1::Error;
        let locked = || Box::new(io::Error::other("no prompt"));
        assert!(matches!(keychain_error(Error::NoDefaultStore), KeyError::NoKeychain));
        assert!(matches!(keychain_error(Error::NoStorageAccess(locked())), KeyError::Locked));
        assert!(matches!(keychain_error(Error::PlatformFailure(locked())), KeyError::Locked));
        assert!(matches!(keychain_error(Error::BadEncoding(vec![])), KeyError::Damaged(_)));
    }
}
