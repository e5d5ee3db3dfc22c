//! The operator's files: who may publish, and the codes of invitations.

use std::{
    collections::HashSet,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use crosstalk::{address::MAX_INVITE, xmpp::BareJid};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokio::{task::spawn_blocking, time::timeout};

use crate::limits;

/// How old a file's last change has to be before the same time and length mean the same text: the clocks
/// of file systems tick slowly.
const SETTLED: Duration = Duration::from_secs(2);

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// It is not there, or may not be read.
    #[error("cannot read {0}")]
    Unreadable(PathBuf, #[source] io::Error),
    /// It is larger than any such list.
    #[error("{0} is too large, or no text")]
    NoText(PathBuf),
    /// A line cannot be understood.
    #[error("line {line} of {file}: {why}")]
    Line {
        /// Which file.
        file: PathBuf,
        /// Which line, counted from one.
        line: usize,
        /// What is wrong with it. Nothing of the line itself, which may be a secret.
        why: &'static str,
    },
}

/// A file that is read again when it changes.
#[derive(Debug)]
pub(super) struct Watched<T> {
    file: PathBuf,
    last: Mutex<(Option<Stamp>, Arc<T>)>,
    /// What is wrong with it at the moment, as far as it was told.
    told: Mutex<Option<String>>,
}

/// What is different after a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    changed: SystemTime,
    length: u64,
}

/// What is in a file.
pub(super) trait Listed: Default + Send + Sync + 'static {
    /// Takes one line, without remarks and spaces around it.
    fn take(&mut self, line: &str) -> Result<(), &'static str>;
}

impl<T: Listed> Watched<T> {
    /// Reads the file for the first time.
    pub(super) fn open(file: &Path) -> Result<Self, ListError> {
        let last = read(file)?;
        Ok(Self { file: file.to_owned(), last: Mutex::new(last), told: Mutex::default() })
    }

    /// Returns what is in the file now. When that cannot be used, it is what was in it before.
    pub(super) async fn now(&self) -> Arc<T> {
        let (stamp, known) = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let file = self.file.clone();
        let look = spawn_blocking(move || {
            if stamp.is_some() && stamp_of(&file).ok().flatten() == stamp {
                return None;
            }
            Some(read::<T>(&file))
        });
        match timeout(limits::LIST_TIMEOUT, look).await {
            Ok(Ok(None)) => {
                self.is_news(None);
                known
            }
            Ok(Ok(Some(Ok(new)))) => {
                self.is_news(None);
                let list = Arc::clone(&new.1);
                *self.last.lock().unwrap_or_else(PoisonError::into_inner) = new;
                list
            }
            Ok(Ok(Some(Err(error)))) => {
                // Once, and not to whoever knocks.
                if self.is_news(Some(error.to_string())) {
                    tracing::error!("What was there before is still used: {error}");
                }
                known
            }
            Ok(Err(_)) | Err(_) => {
                if self.is_news(Some("it cannot be read in time".to_owned())) {
                    tracing::error!(file = %self.file.display(), "A list cannot be read in time");
                }
                known
            }
        }
    }

    /// Remembers what is wrong; returns whether it was something else before.
    fn is_news(&self, wrong: Option<String>) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = *told != wrong;
        *told = wrong;
        is_news
    }
}

fn stamp_of(file: &Path) -> io::Result<Option<Stamp>> {
    let about = file.metadata()?;
    let changed = about.modified()?;
    let is_settled = changed.elapsed().is_ok_and(|age| age >= SETTLED);
    Ok(is_settled.then_some(Stamp { changed, length: about.len() }))
}

fn read<T: Listed>(file: &Path) -> Result<(Option<Stamp>, Arc<T>), ListError> {
    let unreadable = |error| ListError::Unreadable(file.to_owned(), error);
    // Before the text: a change meanwhile is seen the next time.
    let stamp = stamp_of(file).map_err(unreadable)?;
    let mut bytes = Vec::new();
    let opened = File::open(file).map_err(unreadable)?;
    opened.take(limits::MAX_LIST_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    let no_text = || ListError::NoText(file.to_owned());
    if bytes.len() as u64 > limits::MAX_LIST_BYTES {
        return Err(no_text());
    }
    let text = String::from_utf8(bytes).map_err(|_| no_text())?;
    let mut list = T::default();
    for (number, line) in text.lines().enumerate() {
        // Editors of some systems put this before everything.
        let line = line.trim_start_matches('\u{feff}');
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        list.take(line).map_err(|why| ListError::Line {
            file: file.to_owned(),
            line: number + 1,
            why,
        })?;
    }
    Ok((stamp, Arc::new(list)))
}

/// Who may publish, and who may never.
#[derive(Debug, Default)]
pub(super) struct Allowed {
    yes: Group,
    never: Group,
}

/// Accounts, and whole servers.
#[derive(Debug, Default)]
struct Group(HashSet<BareJid>);

impl Group {
    fn has(&self, jid: &BareJid) -> bool {
        self.0.contains(jid) || self.0.contains(&BareJid::from_parts(None, jid.domain()))
    }
}

impl Allowed {
    pub(super) fn has(&self, jid: &BareJid) -> bool {
        self.yes.has(jid)
    }

    pub(super) fn forbids(&self, jid: &BareJid) -> bool {
        self.never.has(jid)
    }
}

impl Listed for Allowed {
    fn take(&mut self, line: &str) -> Result<(), &'static str> {
        let (group, who) = match line.strip_prefix('!') {
            Some(who) => (&mut self.never, who.trim()),
            None => (&mut self.yes, line),
        };
        let who = who.strip_prefix("xmpp:").unwrap_or(who);
        // Some would write a whole server so.
        let who = who.strip_prefix("*@").or(who.strip_prefix('@')).unwrap_or(who);
        let jid = who
            .parse()
            .map_err(|_| "this is no account (anna@chat.example) and no server (chat.example)")?;
        group.0.insert(jid);
        Ok(())
    }
}

/// The codes that let somebody in, as hashes: all have the same length then.
#[derive(Default)]
pub(super) struct Invites(Vec<[u8; 32]>);

impl Invites {
    /// Returns what a code is remembered as when it is one of these, in a time that does not depend on
    /// how much of it is right.
    pub(super) fn find(&self, code: &str) -> Option<[u8; 32]> {
        let asked = hash(code);
        let mut found = false;
        for known in &self.0 {
            found |= bool::from(known.ct_eq(&asked));
        }
        found.then_some(asked)
    }
}

impl Listed for Invites {
    fn take(&mut self, line: &str) -> Result<(), &'static str> {
        if !(limits::MIN_INVITE..=MAX_INVITE).contains(&line.len()) {
            return Err("a code has 8 to 64 characters");
        }
        if !line.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) {
            return Err("a code is made of letters of English, digits, - and _");
        }
        self.0.push(hash(line));
        Ok(())
    }
}

fn hash(code: &str) -> [u8; 32] {
    Sha256::digest(code).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("list");
        std::fs::write(&file, text).unwrap();
        (folder, file)
    }

    fn jid(text: &str) -> BareJid {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn accounts_and_servers_are_let_in_and_never_is_stronger() {
        let text = "\u{feff}# friends\nAnna@Chat.Example # the aunt\n\n  school.example\r\n\
                    !ben@school.example\n! bad.example\n@work.example\nxmpp:eve@b.example\n";
        let (_folder, file) = written(text);
        let list = Watched::<Allowed>::open(&file).unwrap().now().await;
        for yes in ["anna@chat.example", "x@school.example", "ben@school.example", "y@work.example"]
        {
            assert!(list.has(&jid(yes)), "{yes}");
        }
        for no in ["ben@chat.example", "anna@sub.school.example", "eve@bad.example"] {
            assert!(!list.has(&jid(no)), "{no}");
        }
        assert!(list.forbids(&jid("ben@school.example")));
        assert!(list.forbids(&jid("anybody@bad.example")));
        assert!(!list.forbids(&jid("anna@chat.example")));
    }

    #[tokio::test]
    async fn a_change_counts_at_once_and_a_mistake_changes_nothing() {
        let (_folder, file) = written("anna@a.example");
        let watched = Watched::<Allowed>::open(&file).unwrap();
        std::fs::write(&file, "ben@a.example").unwrap();
        assert!(watched.now().await.has(&jid("ben@a.example")));
        assert!(!watched.now().await.has(&jid("anna@a.example")));
        for mistake in ["anna@a.example\nno account", "\u{0}", "a b@c"] {
            std::fs::write(&file, mistake).unwrap();
            assert!(watched.now().await.has(&jid("ben@a.example")), "{mistake:?}");
            let told = watched.told.lock().unwrap().clone();
            assert!(told.is_some() && !watched.is_news(told), "it is told once");
        }
        std::fs::remove_file(&file).unwrap();
        assert!(watched.now().await.has(&jid("ben@a.example")));
        std::fs::write(&file, "").unwrap();
        assert!(!watched.now().await.has(&jid("ben@a.example")));
        assert_eq!(*watched.told.lock().unwrap(), None, "the next mistake is told again");
    }

    #[test]
    fn a_mistake_at_the_start_names_its_line_and_nothing_of_it() {
        let (_folder, file) = written("# codes\nlong-enough-1\nshort");
        let error = Watched::<Invites>::open(&file).err().unwrap().to_string();
        assert!(error.starts_with("line 3 of ") && !error.contains("short"), "{error}");
        assert!(Watched::<Invites>::open(Path::new("/nonexistent")).is_err());
        let large = vec![b'#'; usize::try_from(limits::MAX_LIST_BYTES).unwrap() + 1];
        std::fs::write(&file, large).unwrap();
        assert!(matches!(Watched::<Invites>::open(&file), Err(ListError::NoText(_))));
    }

    #[tokio::test]
    async fn a_code_is_found_only_as_a_whole() {
        let (_folder, file) = written("code-of-anna\ncode_of_ben # for Ben\n");
        let codes = Watched::<Invites>::open(&file).unwrap().now().await;
        assert_eq!(codes.find("code-of-anna"), Some(hash("code-of-anna")));
        assert!(codes.find("code_of_ben").is_some());
        for other in ["", "code-of-ann", "code-of-annab", "CODE-OF-ANNA"] {
            assert_eq!(codes.find(other), None, "{other}");
        }
    }
}
