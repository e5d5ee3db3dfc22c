//! Finds the identity's key, or makes one.

use std::{io, path::Path, time::Duration};

use crosstalk::proof::PrivateKey;
use peer::keys::{self, KeyError};
use zeroize::Zeroizing;

use super::{Failure, KEY, say};

/// Under which name the keychain has our key. The app has one of its own: two programs with one
/// identity would take each other's visitors.
const NAME: &str = "veranda-peer";

/// What opens a key file, when nobody is there to be asked.
const PASSPHRASE: &str = "VERANDA_PASSPHRASE";

/// The fewest characters of a new passphrase.
const MIN_PASSPHRASE: usize = 8;

/// When to say that the keychain takes its time.
const IMPATIENT: Duration = Duration::from_secs(3);

/// Who publishes.
pub(super) struct Identity {
    pub(super) key: PrivateKey,
    /// Whether the next run has the same.
    pub(super) lasts: bool,
}

/// Opens the key file, or asks the keychain; makes a new key where there is none.
pub(super) async fn open(file: Option<&Path>) -> Result<Identity, Failure> {
    let key = match file {
        Some(file) => from_file(file).await?,
        None => match from_keychain().await {
            Ok(key) => key,
            Err(KeyError::Damaged(why)) => {
                return Err(Failure::new(
                    KEY,
                    format!(
                        "The keychain has something else in the place of the key: {why}. Remove \
                         the entry {NAME} of {}, or use --key-file.",
                        keys::KEYCHAIN_SERVICE
                    ),
                ));
            }
            Err(error) => {
                say(&format!(
                    "Using an identity for this run only, as {error}: the next run gets another \
                     link. Use --key-file FILE to keep it."
                ));
                return Ok(Identity { key: PrivateKey::generate(), lasts: false });
            }
        },
    };
    Ok(Identity { key, lasts: true })
}

async fn from_keychain() -> Result<PrivateKey, KeyError> {
    let asking = async {
        if let Some(key) = keys::load_from_keychain(NAME).await? {
            return Ok(key);
        }
        let key = PrivateKey::generate();
        keys::save_to_keychain(NAME, &key).await?;
        Ok(key)
    };
    tokio::pin!(asking);
    match tokio::time::timeout(IMPATIENT, &mut asking).await {
        Ok(done) => done,
        Err(_) => {
            say("Waiting for the keychain; it may be asking for its password.");
            asking.await
        }
    }
}

async fn from_file(path: &Path) -> Result<PrivateKey, Failure> {
    let is_new = match path.try_exists() {
        Ok(exists) => !exists,
        Err(error) => return Err(failure(&KeyError::File(path.to_owned(), error))),
    };
    let passphrase = passphrase(path, is_new).await?;
    if is_new {
        let key = PrivateKey::generate();
        keys::save_to_file(path, &passphrase, &key).await.map_err(|error| failure(&error))?;
        return Ok(key);
    }
    keys::load_from_file(path, &passphrase).await.map_err(|error| failure(&error))
}

/// Takes the passphrase from the environment, or asks on the terminal without showing it.
async fn passphrase(path: &Path, is_new: bool) -> Result<Zeroizing<String>, Failure> {
    let given = match std::env::var(PASSPHRASE) {
        Ok(given) => Zeroizing::new(given),
        Err(_) if console::user_attended_stderr() => {
            let question = if is_new {
                format!("New passphrase for {}: ", path.display())
            } else {
                format!("Passphrase of {}: ", path.display())
            };
            let first = ask(question).await?;
            if is_new && *ask("The same again: ".to_owned()).await? != *first {
                return Err(Failure::new(KEY, "The two passphrases differ; nothing was written."));
            }
            first
        }
        Err(_) => {
            return Err(Failure::new(
                KEY,
                format!("The key file needs a passphrase: set {PASSPHRASE}, or use a terminal."),
            ));
        }
    };
    if is_new && given.chars().count() < MIN_PASSPHRASE {
        let sentence = format!("A passphrase has at least {MIN_PASSPHRASE} characters.");
        return Err(Failure::new(KEY, sentence));
    }
    Ok(given)
}

async fn ask(question: String) -> Result<Zeroizing<String>, Failure> {
    let asking = tokio::task::spawn_blocking(move || {
        let terminal = console::Term::stderr();
        terminal.write_str(&question)?;
        terminal.read_secure_line().map(Zeroizing::new)
    });
    let answer = asking.await.unwrap_or_else(|error| Err(io::Error::other(error)));
    answer.map_err(|error| Failure::new(KEY, format!("The terminal cannot be read: {error}")))
}

fn failure(error: &KeyError) -> Failure {
    let cause = match error {
        KeyError::File(_, error) => format!(": {error}"),
        KeyError::Damaged(_)
        | KeyError::Locked
        | KeyError::NoKeychain
        | KeyError::WrongPassphrase => String::new(),
    };
    let mut sentence = format!("{error}{cause}.");
    if let Some(first) = sentence.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    Failure::new(KEY, sentence)
}
