//! What the owner can do with what is handed over.

use std::path::{Path, PathBuf};

use sites::hand_over::{Inbox, Parcel};
use tokio::sync::oneshot;

use super::{
    Ask, Peer,
    goods::{self, Folder},
};
use crate::{
    fault::StoreFault,
    model::{HandOverError, HandOverId, KnockId, Terms},
};

/// What the owner can ask for.
pub(super) enum HandOverAsk {
    Answer(KnockId, bool, Answer<()>),
    End(HandOverId, Answer<()>),
    Request {
        folder: Folder,
        inbox: Inbox,
        files: u32,
        terms: Terms,
        answer: Answer<HandOverId>,
    },
    Send {
        files: Vec<PathBuf>,
        parcel: Parcel,
        state: String,
        terms: Terms,
        answer: Answer<HandOverId>,
    },
}

type Answer<T> = oneshot::Sender<Result<T, HandOverError>>;

impl Peer {
    /// Offers files to one visitor, once. Returns as soon as it is kept; the link comes with the snapshot
    /// in which the gateway has confirmed the name.
    ///
    /// # Errors
    /// See [`HandOverError`].
    pub async fn send_files(
        &self,
        files: Vec<PathBuf>,
        terms: Terms,
    ) -> Result<HandOverId, HandOverError> {
        let (files, parcel, state) = goods::choose_files(files).await?;
        self.ask_hand_over(|answer| HandOverAsk::Send { files, parcel, state, terms, answer }).await
    }

    /// Takes files of visitors into this folder, none larger than `largest` bytes, at most `files` of
    /// them.
    ///
    /// # Errors
    /// See [`HandOverError`].
    pub async fn ask_for_files(
        &self,
        folder: &Path,
        largest: u64,
        files: u32,
        terms: Terms,
    ) -> Result<HandOverId, HandOverError> {
        let (folder, inbox) = goods::choose_folder(folder, largest).await?;
        self.ask_hand_over(|answer| HandOverAsk::Request { folder, inbox, files, terms, answer })
            .await
    }

    /// Answers a visitor who asks whether she may. Who is allowed is the only one who may from then on;
    /// who is refused may not ask again from that address.
    ///
    /// # Errors
    /// [`HandOverError::Unknown`] when nobody waits for the answer any more; [`HandOverError::Store`].
    pub async fn answer_knock(&self, knock: KnockId, allow: bool) -> Result<(), HandOverError> {
        self.ask_hand_over(|answer| HandOverAsk::Answer(knock, allow, answer)).await
    }

    /// Ends a hand-over, cutting what is on its way, and forgets it with its link. Files that arrived
    /// stay, those that did not arrive completely go.
    ///
    /// # Errors
    /// [`HandOverError::Unknown`], [`HandOverError::Store`].
    pub async fn end_hand_over(&self, hand_over: HandOverId) -> Result<(), HandOverError> {
        self.ask_hand_over(|answer| HandOverAsk::End(hand_over, answer)).await
    }

    async fn ask_hand_over<T>(
        &self,
        ask: impl FnOnce(Answer<T>) -> HandOverAsk,
    ) -> Result<T, HandOverError> {
        let (answer, answered) = oneshot::channel();
        let ended = || HandOverError::Store(StoreFault::Ended);
        self.asks.send(Ask::HandOver(ask(answer))).await.map_err(|_| ended())?;
        answered.await.map_err(|_| ended())?
    }
}
