//! Where passwords of accounts are kept: beside the key, in the keychain or in an encrypted file.

use std::{io, path::Path};

use age::secrecy::SecretString;
use carriers::xmpp::Password;
use crosstalk::proof::PrivateKey;
use zeroize::Zeroizing;

use super::{
    KeyError, ask_keychain, create_private, entry, keychain_error, on_disk, one_line, open_sealed,
    to_text,
};

/// What stands before a password in a file, so that a strange secret is not taken for one.
const PREFIX: &str = "veranda-password-1:";

/// What scrypt costs for a password file. Its passphrase is a whole key of 256 random bits, which
/// nobody guesses however little it costs.
const WORK_FACTOR: u8 = 10;

/// Reads a password from the keychain, or `None` when there is none. Waits at most
/// [`KEYCHAIN_TIMEOUT`](super::KEYCHAIN_TIMEOUT), on a thread of its own.
///
/// # Errors
/// [`KeyError::NoKeychain`], [`KeyError::Locked`], [`KeyError::Damaged`].
pub async fn load_from_keychain(user: &str) -> Result<Option<Password>, KeyError> {
    let user = user.to_owned();
    ask_keychain(move || match entry(&user)?.get_password() {
        Ok(text) => Ok(Some(Password::from(text))),
        Err(keyring::v1::Error::NoEntry) => Ok(None),
        Err(error) => Err(keychain_error(error)),
    })
    .await
}

/// Keeps a password in the keychain, and reads it back: some keychains say yes and forget.
///
/// # Errors
/// [`KeyError::NoKeychain`], [`KeyError::Locked`], [`KeyError::Damaged`].
pub async fn save_to_keychain(user: &str, password: &Password) -> Result<(), KeyError> {
    let (user, password) = (user.to_owned(), password.clone());
    ask_keychain(move || {
        let entry = entry(&user)?;
        entry.set_password(password.expose()).map_err(keychain_error)?;
        let back = Zeroizing::new(entry.get_password().map_err(keychain_error)?);
        if *back == password.expose() {
            Ok(())
        } else {
            Err(KeyError::Damaged("the keychain gives back something else".to_owned()))
        }
    })
    .await
}

/// Takes a password out of the keychain; one that is not there is gone already.
///
/// # Errors
/// [`KeyError::NoKeychain`], [`KeyError::Locked`], [`KeyError::Damaged`].
pub async fn forget_in_keychain(user: &str) -> Result<(), KeyError> {
    let user = user.to_owned();
    ask_keychain(move || match entry(&user)?.delete_credential() {
        Ok(()) | Err(keyring::v1::Error::NoEntry) => Ok(()),
        Err(error) => Err(keychain_error(error)),
    })
    .await
}

/// Reads the password of this user from a file that [`save_to_file`] wrote, or `None` when there is
/// no file, or one of another user or another key.
///
/// # Errors
/// [`KeyError::Damaged`], [`KeyError::File`].
pub async fn load_from_file(
    path: &Path,
    key: &PrivateKey,
    user: &str,
) -> Result<Option<Password>, KeyError> {
    let (path, passphrase, user) = (path.to_owned(), passphrase(key), user.to_owned());
    on_disk(path.clone(), move || {
        let text = match open_sealed(&path, passphrase) {
            Ok(text) => text,
            Err(KeyError::WrongPassphrase) => return Ok(None),
            Err(KeyError::File(_, error)) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let kept = text
            .strip_prefix(PREFIX)
            .and_then(|text| text.split_once('\n'))
            .ok_or_else(|| KeyError::Damaged("it does not begin like a password".to_owned()))?;
        Ok((kept.0 == user).then(|| Password::from(kept.1.to_owned())))
    })
    .await
}

/// Keeps the password of this user in a file (mode 600) that only this key opens, instead of what
/// was in it.
///
/// # Errors
/// [`KeyError::File`].
pub async fn save_to_file(
    path: &Path,
    key: &PrivateKey,
    user: &str,
    password: &Password,
) -> Result<(), KeyError> {
    let (path, passphrase) = (path.to_owned(), passphrase(key));
    let text = Zeroizing::new(format!("{PREFIX}{user}\n{}", password.expose()));
    on_disk(path.clone(), move || {
        let mut recipient = age::scrypt::Recipient::new(passphrase);
        recipient.set_work_factor(WORK_FACTOR);
        let file_error = |error| KeyError::File(path.clone(), error);
        let sealed = age::encrypt(&recipient, text.as_bytes())
            .map_err(|error| file_error(io::Error::other(one_line(&error.to_string()))))?;
        replace(&path, &sealed).map_err(file_error)
    })
    .await
}

/// Takes a password file away; one that is not there is gone already.
///
/// # Errors
/// [`KeyError::File`].
pub async fn forget_file(path: &Path) -> Result<(), KeyError> {
    let path = path.to_owned();
    on_disk(path.clone(), move || match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(KeyError::File(path, error)),
        Ok(()) | Err(_) => Ok(()),
    })
    .await
}

fn passphrase(key: &PrivateKey) -> SecretString {
    SecretString::from(to_text(key).to_string())
}

/// Writes a file so that whoever reads it sees the old content or the new one.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    use io::Write as _;
    let new = path.with_extension("new");
    // Left behind by a run that ended in the middle.
    let _ = std::fs::remove_file(&new);
    let mut file = create_private(&new)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: &str = "anna@chat.example";

    fn password(text: &str) -> Password {
        Password::from(text.to_owned())
    }

    #[tokio::test]
    async fn a_password_file_opens_with_its_key_and_for_its_user_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("account.age");
        let (key, other) = (PrivateKey::generate(), PrivateKey::generate());
        assert!(load_from_file(&path, &key, USER).await.unwrap().is_none());
        save_to_file(&path, &key, USER, &password("first")).await.unwrap();
        save_to_file(&path, &key, USER, &password("line\nfeed ü")).await.unwrap();
        let back = load_from_file(&path, &key, USER).await.unwrap().unwrap();
        assert_eq!(back.expose(), "line\nfeed ü");
        assert!(load_from_file(&path, &other, USER).await.unwrap().is_none());
        assert!(load_from_file(&path, &key, "otto@chat.example").await.unwrap().is_none());
        let raw = std::fs::read(&path).unwrap();
        assert!(!raw.windows(4).any(|part| part == b"line"));
        forget_file(&path).await.unwrap();
        forget_file(&path).await.unwrap();
        assert!(load_from_file(&path, &key, USER).await.unwrap().is_none());
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn only_the_owner_reads_a_password_file() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("account.age");
        save_to_file(&path, &PrivateKey::generate(), USER, &password("x")).await.unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[tokio::test]
    async fn what_is_no_password_file_is_said_to_be_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("account.age");
        std::fs::write(&path, b"hello").unwrap();
        let damaged = load_from_file(&path, &PrivateKey::generate(), USER).await;
        assert!(matches!(damaged, Err(KeyError::Damaged(_))), "{damaged:?}");
    }
}
