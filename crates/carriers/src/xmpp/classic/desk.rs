//! The gateway's end.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crosstalk::xmpp::BareJid;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::task::TaskTracker;

use super::{
    Chat, HEARD_BYTES, HEARD_QUEUE,
    conversation::{self, Heard},
    wire::{Event, Events, Wire},
};
use crate::{
    Link,
    xmpp::{Login, LoginError},
};

/// A gateway's account, from which it asks counterparts of 2008. Cheap to clone; it logs out when the
/// last clone and the last link are gone.
#[derive(Clone)]
pub struct Desk(Arc<Inner>);

struct Inner {
    counterparts: Arc<HashMap<BareJid, Counterpart>>,
    sent: mpsc::Sender<Chat>,
    tasks: TaskTracker,
}

struct Counterpart {
    here: watch::Sender<bool>,
    /// Where its messages go while there is a link.
    heard: Mutex<Option<Ear>>,
}

/// The way to a conversation.
struct Ear {
    heard: mpsc::Sender<Heard>,
    /// How many bytes may still wait.
    room: Arc<Semaphore>,
}

impl Desk {
    /// Logs in and says so to these accounts, and asks for theirs to say when they are there: both
    /// have to be on each other's list, as the programs of 2008 want it. Nobody else is listened to.
    ///
    /// # Errors
    /// See [`LoginError`].
    pub async fn open(
        login: &Login,
        counterparts: Vec<BareJid>,
        tasks: &TaskTracker,
    ) -> Result<Self, LoginError> {
        let wire = Wire::open(login, &counterparts, tasks).await?;
        Ok(Self::over(wire, counterparts, tasks))
    }

    pub(super) fn over(wire: Wire, counterparts: Vec<BareJid>, tasks: &TaskTracker) -> Self {
        let all = counterparts.into_iter().map(|jid| (jid, Counterpart::new()));
        let counterparts: Arc<HashMap<_, _>> = Arc::new(all.collect());
        let Wire { events, sent } = wire;
        tasks.spawn(route(events, Arc::clone(&counterparts)));
        Self(Arc::new(Inner { counterparts, sent, tasks: tasks.clone() }))
    }

    /// Waits until a counterpart is there, and returns the link to it: one at a time. `None` when the
    /// session has ended, or the account is none of those that were named.
    pub async fn link(&self, with: &BareJid) -> Option<Link> {
        let Inner { counterparts, sent, tasks } = &*self.0;
        let counterpart = counterparts.get(with)?;
        let mut here = counterpart.here.subscribe();
        tokio::select! {
            biased;
            () = sent.closed() => return None,
            is_here = here.wait_for(|here| *here) => is_here.ok()?,
        };
        let (hear, heard) = mpsc::channel(HEARD_QUEUE);
        *counterpart.heard() =
            Some(Ear { heard: hear, room: Arc::new(Semaphore::new(HEARD_BYTES)) });
        // It may have left before the link could notice.
        if !*counterpart.here.borrow() {
            counterpart.heard().take();
        }
        Some(conversation::link(with.clone(), heard, sent.clone(), tasks))
    }

    /// Waits until the session has ended.
    pub async fn ended(&self) {
        self.0.sent.closed().await;
    }
}

impl Counterpart {
    fn new() -> Self {
        Self { here: watch::Sender::new(false), heard: Mutex::default() }
    }

    fn heard(&self) -> MutexGuard<'_, Option<Ear>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ear {
    /// Passes a message on; `false` when more waits already than is kept. Nobody waits for one who
    /// floods: the others are heard over the same session.
    fn hear(&self, chat: Chat) -> bool {
        let Ok(bytes) = u32::try_from(chat.body.len()) else { return false };
        let Ok(room) = Arc::clone(&self.room).try_acquire_many_owned(bytes) else { return false };
        let heard = self.heard.try_send(Heard { chat, _room: room });
        // A conversation that has ended needs to hear nothing.
        !matches!(heard, Err(mpsc::error::TrySendError::Full(_)))
    }
}

/// Leads what comes to the conversation that it belongs to.
async fn route(mut events: Events, counterparts: Arc<HashMap<BareJid, Counterpart>>) {
    while let Some(event) = events.next().await {
        match event {
            Event::Chat(chat) => {
                let Some(counterpart) = counterparts.get(&chat.with) else { continue };
                let mut heard = counterpart.heard();
                if heard.as_ref().is_some_and(|ear| !ear.hear(chat)) {
                    tracing::debug!("A classic counterpart says more than can be read");
                    heard.take();
                }
            }
            Event::Here(who) => {
                if let Some(counterpart) = counterparts.get(&who) {
                    counterpart.here.send_replace(true);
                }
            }
            Event::Gone(who) => {
                if let Some(counterpart) = counterparts.get(&who) {
                    counterpart.here.send_replace(false);
                    counterpart.heard().take();
                }
            }
        }
    }
    for counterpart in counterparts.values() {
        counterpart.here.send_replace(false);
        counterpart.heard().take();
    }
}
