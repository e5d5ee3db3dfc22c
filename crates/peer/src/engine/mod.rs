//! The engine: one owner, one loop.

mod core;
pub(crate) mod goods;
mod hand_over;
mod site;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use carriers::{Carrier, tls::Roots, xmpp::Account};
use crosstalk::{
    address::{GatewayAddress, Invitation},
    proof::PrivateKey,
};
use sites::folder::Folder;
use tokio::{
    sync::{broadcast, mpsc, oneshot, watch},
    time::timeout,
};
use tokio_util::task::TaskTracker;

use self::{core::Core, hand_over::HandOverAsk};
use crate::{
    fault::{FolderFault, StoreFault},
    folders,
    keeper::Scope,
    model::{Event, LinkState, NoteId, PublishError, SiteId, Snapshot, TransferId},
    store::{Opened, Store},
};

/// How many wishes wait for the engine. They are few and quick; who comes later waits a moment.
const ASKS: usize = 64;

/// How many events a slow listener may be behind before it misses some: more than the transfers
/// of one look at a busy moment.
const EVENTS: usize = 1024;

/// How long [`Peer::shutdown`] waits for everything to end.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// How long opening a folder may take when it is published: a disk may have to spin up.
const OPEN_TIMEOUT: Duration = Duration::from_secs(20);

/// How to run a peer.
pub struct Config {
    /// The store's file; `None` keeps everything in memory.
    pub store: Option<PathBuf>,
    /// The identity's key.
    pub key: PrivateKey,
    /// The gateway to hold a link to.
    pub gateway: GatewayAddress,
    /// Which certificates to believe.
    pub roots: Roots,
    /// The owner's XMPP account, for a gateway that is reached by it.
    pub account: Option<Account>,
    /// What lets the owner in at a gateway that does not know the account yet.
    pub invite: Option<String>,
    /// Only this carrier, instead of the best that works.
    pub carrier: Option<Carrier>,
}

/// Why a peer does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store cannot be opened at all (a damaged one is kept aside and replaced instead).
    #[error("cannot open the store {0}: {1}")]
    Store(PathBuf, StoreFault),
}

/// A handle to a running peer; cheap to clone. When [`Peer::shutdown`] is called, or the last
/// handle is dropped, the engine ends.
#[derive(Clone)]
pub struct Peer {
    asks: mpsc::Sender<Ask>,
    snapshots: watch::Receiver<Snapshot>,
    // Weak, so that listeners learn when the engine ends.
    events: broadcast::WeakSender<Event>,
    kept_aside: Option<Arc<Path>>,
    store: Option<Arc<Path>>,
    tasks: TaskTracker,
}

/// What the owner can ask for.
enum Ask {
    ClearHistory(Answer<()>),
    HandOver(HandOverAsk),
    Publish { path: PathBuf, folder: Folder, answer: Answer<SiteId> },
    Note(NoteAsk, Answer<()>),
    Remove(SiteId, Answer<()>),
    Rename(SiteId, String, Answer<()>),
    Retry,
    SetHidden(SiteId, bool, Answer<()>),
    SetOn(SiteId, bool, Answer<()>),
    SetPaused(bool, Answer<()>),
    Shutdown,
    StopTransfer(TransferId),
    UseGateway(Invitation, Option<Account>),
}

/// What the owner can ask about notes.
enum NoteAsk {
    Block(NoteId),
    Forget(NoteId),
    Reply(NoteId, String),
    Seen(SiteId),
    Take(SiteId, bool),
    Unblock(SiteId),
}

type Answer<T> = oneshot::Sender<Result<T, PublishError>>;

impl Peer {
    /// Opens the store and starts the engine; the link is dialled in the background.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(config: Config) -> Result<Self, StartError> {
        Self::start_with(config, Scope::Identity).await
    }

    /// The same with a say in which names its link carries.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start_with(config: Config, scope: Scope) -> Result<Self, StartError> {
        let Opened { store, contents, kept_aside } = Store::open(config.store.clone()).await?;
        let (asks, asked) = mpsc::channel(ASKS);
        let (events, _) = broadcast::channel(EVENTS);
        let (snapshots, watched) = watch::channel(Snapshot {
            link: LinkState::Dialling,
            paused: contents.paused,
            sites: Vec::new(),
            transfers: Vec::new(),
            history: Vec::new(),
            notes: Vec::new(),
            hand_overs: Vec::new(),
        });
        let tasks = TaskTracker::new();
        let weak = events.downgrade();
        let path = config.store.clone();
        let core = Core::new(config, scope, store, contents, snapshots, events);
        // Who asks at once finds what was kept.
        core.changed();
        tasks.spawn(core.run(asked));
        tasks.close();
        Ok(Self {
            asks,
            snapshots: watched,
            events: weak,
            kept_aside: kept_aside.map(Arc::from),
            store: path.map(Arc::from),
            tasks,
        })
    }

    /// Returns where a damaged store was moved to at the start, if there was one.
    #[must_use]
    pub fn kept_aside(&self) -> Option<&Path> {
        self.kept_aside.as_deref()
    }

    /// Returns the latest [`Snapshot`], and wakes up at each new one.
    #[must_use]
    pub fn snapshots(&self) -> watch::Receiver<Snapshot> {
        self.snapshots.clone()
    }

    /// Returns what happens from now on. Who is too slow learns how many events it missed. When
    /// the engine has ended, there are no more.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Event> {
        match self.events.upgrade() {
            Some(events) => events.subscribe(),
            None => broadcast::channel(1).1,
        }
    }

    /// Publishes a folder: makes a site with a session. Returns as soon as it is kept; the URL
    /// comes with the snapshot in which the gateway has confirmed the name.
    ///
    /// # Errors
    /// See [`PublishError`].
    pub async fn publish(&self, folder: &Path) -> Result<SiteId, PublishError> {
        let (asked, store) = (folder.to_owned(), self.store.clone());
        let choose = tokio::task::spawn_blocking(move || folders::choose(&asked, store.as_deref()));
        let (path, folder) = match timeout(OPEN_TIMEOUT, choose).await {
            Ok(Ok(chosen)) => chosen?,
            Ok(Err(_)) | Err(_) => {
                return Err(PublishError::Folder(folder.to_owned(), FolderFault::Silent));
            }
        };
        self.ask(|answer| Ask::Publish { path, folder, answer }).await
    }

    /// Stops publishing and forgets the site, its link and its name.
    ///
    /// # Errors
    /// [`PublishError::Unknown`], [`PublishError::Store`].
    pub async fn remove(&self, site: &SiteId) -> Result<(), PublishError> {
        self.ask(|answer| Ask::Remove(site.clone(), answer)).await
    }

    /// Switches a site; switching off cuts its transfers.
    ///
    /// # Errors
    /// [`PublishError::Unknown`], [`PublishError::Store`].
    pub async fn set_on(&self, site: &SiteId, on: bool) -> Result<(), PublishError> {
        self.ask(|answer| Ask::SetOn(site.clone(), on, answer)).await
    }

    /// Changes the title of a site; its link stays. What is not printable in it is left out, and
    /// when nothing is left, the title is the folder's name again.
    ///
    /// # Errors
    /// [`PublishError::Unknown`], [`PublishError::Store`].
    pub async fn rename(&self, site: &SiteId, name: &str) -> Result<(), PublishError> {
        self.ask(|answer| Ask::Rename(site.clone(), name.to_owned(), answer)).await
    }

    /// Changes whether hidden files of a site are served.
    ///
    /// # Errors
    /// [`PublishError::Unknown`], [`PublishError::Store`].
    pub async fn set_hidden_files(&self, site: &SiteId, shown: bool) -> Result<(), PublishError> {
        self.ask(|answer| Ask::SetHidden(site.clone(), shown, answer)).await
    }

    /// Switches everything off (cutting transfers) or back to what each site says; kept over
    /// restarts.
    ///
    /// # Errors
    /// [`PublishError::Store`].
    pub async fn set_paused(&self, paused: bool) -> Result<(), PublishError> {
        self.ask(|answer| Ask::SetPaused(paused, answer)).await
    }

    /// Cuts a transfer; does nothing when it is over.
    pub async fn stop_transfer(&self, transfer: TransferId) {
        self.tell(Ask::StopTransfer(transfer)).await;
    }

    /// Forgets the history.
    ///
    /// # Errors
    /// [`PublishError::Store`].
    pub async fn clear_history(&self) -> Result<(), PublishError> {
        self.ask(Ask::ClearHistory).await
    }

    /// Answers a note. The answer is kept and sent at once; when the visitor's page is not open any
    /// more, it waits until it is again ([`NoteReply::arrived`](crate::NoteReply::arrived)). What is not
    /// printable in it is left out, and so is what is longer than 1000 characters.
    ///
    /// # Errors
    /// [`PublishError::Unknown`] when there is no such note, nobody to answer, or nothing in the
    /// answer; [`PublishError::Store`].
    pub async fn reply(&self, note: NoteId, text: &str) -> Result<(), PublishError> {
        self.ask(|answer| Ask::Note(NoteAsk::Reply(note, text.to_owned()), answer)).await
    }

    /// Forgets a note.
    ///
    /// # Errors
    /// [`PublishError::Unknown`], [`PublishError::Store`].
    pub async fn forget_note(&self, note: NoteId) -> Result<(), PublishError> {
        self.ask(|answer| Ask::Note(NoteAsk::Forget(note), answer)).await
    }

    /// Takes no more notes at this site of whoever wrote this one (the same network or the same
    /// browser), and forgets those that are there.
    ///
    /// # Errors
    /// [`PublishError::Unknown`], [`PublishError::Store`].
    pub async fn block_writer(&self, note: NoteId) -> Result<(), PublishError> {
        self.ask(|answer| Ask::Note(NoteAsk::Block(note), answer)).await
    }

    /// Lets everybody who was blocked at a site write again.
    ///
    /// # Errors
    /// [`PublishError::Unknown`], [`PublishError::Store`].
    pub async fn unblock_writers(&self, site: &SiteId) -> Result<(), PublishError> {
        self.ask(|answer| Ask::Note(NoteAsk::Unblock(site.clone()), answer)).await
    }

    /// Notes that the owner has seen the notes of a site.
    ///
    /// # Errors
    /// [`PublishError::Unknown`], [`PublishError::Store`].
    pub async fn notes_seen(&self, site: &SiteId) -> Result<(), PublishError> {
        self.ask(|answer| Ask::Note(NoteAsk::Seen(site.clone()), answer)).await
    }

    /// Changes whether visitors of a site may write to the owner.
    ///
    /// # Errors
    /// [`PublishError::Unknown`], [`PublishError::Store`].
    pub async fn set_takes_notes(&self, site: &SiteId, takes: bool) -> Result<(), PublishError> {
        self.ask(|answer| Ask::Note(NoteAsk::Take(site.clone(), takes), answer)).await
    }

    /// Uses another gateway from now on; links change. The account is the owner's, for a gateway that
    /// is reached over XMPP, and for no other.
    pub async fn use_gateway(&self, gateway: impl Into<Invitation>, account: Option<Account>) {
        self.tell(Ask::UseGateway(gateway.into(), account)).await;
    }

    /// Dials again at once.
    pub fn retry(&self) {
        // When so much waits that there is no room, the engine is about to look anyway.
        let _ = self.asks.try_send(Ask::Retry);
    }

    /// Ends links and transfers and waits until everything is kept, at most a few seconds.
    pub async fn shutdown(&self) {
        self.tell(Ask::Shutdown).await;
        if timeout(SHUTDOWN_TIMEOUT, self.tasks.wait()).await.is_err() {
            tracing::warn!("The engine did not end in time");
        }
    }

    async fn ask<T>(&self, ask: impl FnOnce(Answer<T>) -> Ask) -> Result<T, PublishError> {
        let (answer, answered) = oneshot::channel();
        let ended = || PublishError::Store(StoreFault::Ended);
        self.asks.send(ask(answer)).await.map_err(|_| ended())?;
        answered.await.map_err(|_| ended())?
    }

    async fn tell(&self, ask: Ask) {
        // An engine that has ended has nothing left to do.
        let _ = self.asks.send(ask).await;
    }
}
