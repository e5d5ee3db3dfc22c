//! Which name belongs to which key, and which proofs were used.
//!
//! One task owns the database and is asked through a bounded queue; whoever routes a visitor reads
//! a copy in memory, which that task changes after the database did. So a visitor never waits for
//! the disk, and what was promised to a peer is on it.

mod store;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::SystemTime,
};

use crosstalk::{
    label::Label,
    proof::{Proven, PublicKey},
};
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

pub(crate) use store::OpenError;
use store::Store;

use crate::{addresses::Share, limits};

/// The names of a gateway. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Names {
    owners: Owners,
    /// Names of the gateway's own, which are in no list.
    reserved: Owners,
    asks: mpsc::Sender<Ask>,
}

/// Who owns each name that is in use.
type Owners = Arc<RwLock<HashMap<Label, PublicKey>>>;

/// Why a name is not given or not released, or a proof not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NameError {
    #[error("this name belongs to somebody else")]
    Taken,
    #[error("this name was given up a short time ago and rests before somebody else may have it")]
    Resting,
    #[error(
        "one identity may have {} names here, and this one has them",
        limits::NAMES_PER_IDENTITY
    )]
    TooMany,
    #[error("there is no such name")]
    Unknown,
    #[error("this proof of identity was used before")]
    Used,
    /// None from there until one of those that came expires; see [`limits::MAX_USED_PROOFS`].
    #[error(
        "too many proofs of identity came from this network or account; there is room for more within \
         two minutes"
    )]
    TooManyProofs,
    #[error("the gateway has no room for more at the moment")]
    Full,
    #[error("the gateway cannot reach its list of names at the moment")]
    Unavailable,
}

/// What the task that owns the database is asked.
struct Ask {
    what: What,
    answer: oneshot::Sender<Result<(), NameError>>,
}

enum What {
    Claim { label: Label, key: PublicKey, now: SystemTime },
    Release { label: Label, key: PublicKey, now: SystemTime },
    Use { proof: Proven, share: Share, now: SystemTime },
    IsGuest { account: String },
    Redeem { account: String, code: [u8; 32], now: SystemTime },
}

impl Names {
    /// Opens the names in a folder (or in memory) and starts the task that owns them; it ends
    /// when the last `Names` is dropped. Also returns where a damaged database was put aside.
    pub(crate) async fn open(
        folder: Option<PathBuf>,
        may_begin_anew: bool,
        tasks: &TaskTracker,
    ) -> Result<(Self, Option<PathBuf>), OpenError> {
        let opened = tasks
            .spawn_blocking(move || {
                Store::open(folder.as_deref().map(Path::new), may_begin_anew, SystemTime::now())
            })
            .await;
        let (store, damaged) = opened.map_err(|_| OpenError::Stopped)??;
        let owners: Owners = Arc::new(RwLock::new(store.owners()?));
        let (asks, queue) = mpsc::channel(limits::NAMES_QUEUE);
        tasks.spawn_blocking({
            let owners = owners.clone();
            move || answer_all(store, &owners, queue)
        });
        Ok((Self { owners, reserved: Owners::default(), asks }, damaged))
    }

    /// Returns whose a name is, if it is in use.
    pub(crate) fn owner(&self, label: &Label) -> Option<PublicKey> {
        self.reserved(label).or_else(|| {
            self.owners.read().unwrap_or_else(PoisonError::into_inner).get(label).copied()
        })
    }

    /// Gives a name to a key for as long as the gateway runs, whoever may claim it.
    pub(crate) fn reserve(&self, label: Label, key: PublicKey) {
        self.reserved.write().unwrap_or_else(PoisonError::into_inner).insert(label, key);
    }

    fn reserved(&self, label: &Label) -> Option<PublicKey> {
        self.reserved.read().unwrap_or_else(PoisonError::into_inner).get(label).copied()
    }

    /// Gives a name to a key: the first claim wins, and again and again for the same key.
    pub(crate) async fn claim(&self, label: Label, key: PublicKey) -> Result<(), NameError> {
        if self.owner(&label) == Some(key) {
            return Ok(());
        }
        if self.reserved(&label).is_some() {
            return Err(NameError::Taken);
        }
        self.ask(What::Claim { label, key, now: SystemTime::now() }).await
    }

    /// Releases a name; only its owner may take it back before it has rested.
    pub(crate) async fn release(&self, label: Label, key: PublicKey) -> Result<(), NameError> {
        if self.reserved(&label).is_some() {
            return Err(NameError::Taken);
        }
        self.ask(What::Release { label, key, now: SystemTime::now() }).await
    }

    /// Remembers a proof, which is one of `share` until it expires; an error when it was used before.
    pub(crate) async fn use_once(&self, proof: Proven, share: Share) -> Result<(), NameError> {
        self.ask(What::Use { proof, share, now: SystemTime::now() }).await
    }

    /// Returns whether an account came in with an invitation once; [`NameError::Unknown`] if not.
    pub(crate) async fn is_guest(&self, account: &str) -> Result<(), NameError> {
        self.ask(What::IsGuest { account: account.to_owned() }).await
    }

    /// Uses the invitation with this hash up for an account, and remembers the account;
    /// [`NameError::Used`] when another one did before.
    pub(crate) async fn redeem(&self, account: String, code: [u8; 32]) -> Result<(), NameError> {
        self.ask(What::Redeem { account, code, now: SystemTime::now() }).await
    }

    async fn ask(&self, what: What) -> Result<(), NameError> {
        let (answer, answered) = oneshot::channel();
        self.asks.try_send(Ask { what, answer }).map_err(|_| NameError::Full)?;
        match tokio::time::timeout(limits::NAMES_TIMEOUT, answered).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) | Err(_) => Err(NameError::Unavailable),
        }
    }
}

fn answer_all(mut store: Store, owners: &Owners, mut queue: mpsc::Receiver<Ask>) {
    while let Some(Ask { what, answer }) = queue.blocking_recv() {
        let result = answer_one(&mut store, owners, what).unwrap_or_else(|error| {
            tracing::error!(%error, "The database of names does not work");
            Err(NameError::Unavailable)
        });
        // Whoever asked may have given up waiting.
        let _ = answer.send(result);
    }
}

fn answer_one(
    store: &mut Store,
    owners: &Owners,
    what: What,
) -> rusqlite::Result<Result<(), NameError>> {
    let change = |apply: &dyn Fn(&mut HashMap<Label, PublicKey>)| {
        apply(&mut owners.write().unwrap_or_else(PoisonError::into_inner));
    };
    Ok(match what {
        What::Claim { label, key, now } => {
            let result = store.claim(&label, &key, now)?;
            if result.is_ok() {
                change(&|owners| {
                    owners.insert(label.clone(), key);
                });
            }
            result
        }
        What::Release { label, key, now } => {
            let result = store.release(&label, &key, now)?;
            if result.is_ok() {
                change(&|owners| {
                    owners.remove(&label);
                });
            }
            result
        }
        What::Use { proof, share, now } => store.use_once(&proof, &share, now)?,
        What::IsGuest { account } => store.is_guest(&account)?,
        What::Redeem { account, code, now } => store.redeem(&account, &code, now)?,
    })
}

#[cfg(test)]
mod tests {
    use crosstalk::proof::PrivateKey;

    use super::*;

    #[tokio::test]
    async fn names_outlive_the_gateway() {
        let folder = tempfile::tempdir().unwrap();
        let (anna, ben) = (PrivateKey::generate().public(), PrivateKey::generate().public());
        let label: Label = "photos".parse().unwrap();
        for round in 0..2 {
            let tasks = TaskTracker::new();
            let path = Some(folder.path().to_owned());
            let (names, damaged) = Names::open(path, false, &tasks).await.unwrap();
            assert_eq!(damaged, None);
            if round == 0 {
                assert_eq!(names.owner(&label), None);
                assert_eq!(names.claim(label.clone(), anna).await, Ok(()));
            }
            assert_eq!(names.owner(&label), Some(anna));
            assert_eq!(names.claim(label.clone(), ben).await, Err(NameError::Taken));
            assert_eq!(names.release(label.clone(), ben).await, Err(NameError::Taken));
            drop(names);
            tasks.close();
            tasks.wait().await;
        }
    }

    #[tokio::test]
    async fn a_released_name_is_nobodys_at_once() {
        let tasks = TaskTracker::new();
        let (names, _) = Names::open(None, false, &tasks).await.unwrap();
        let key = PrivateKey::generate().public();
        let label: Label = "photos".parse().unwrap();
        names.claim(label.clone(), key).await.unwrap();
        names.release(label.clone(), key).await.unwrap();
        assert_eq!(names.owner(&label), None);
        names.claim(label.clone(), key).await.unwrap();
        assert_eq!(names.owner(&label), Some(key));
    }
}
