//! A file that comes from a visitor, from the first byte of a request to its end.

use std::{net::IpAddr, sync::Arc};

use crosstalk::transaction::Body;
use sites::hand_over::inbox::{Arrived, Draft, InboxError};
use tokio_util::sync::CancellationToken;

use super::{
    desk::Desk,
    uploads::{Full, StoppedBy, Upload},
};
use crate::{
    ledger::Now,
    model::{Ended, HandOverId, Received},
};

/// An upload while somebody sends. When it is dropped in the middle, the connection was lost.
#[derive(Debug)]
pub(crate) struct Coming {
    desk: Arc<Desk>,
    hand_over: HandOverId,
    id: String,
    visitor: Option<IpAddr>,
    stop: CancellationToken,
    is_open: bool,
}

/// What came of the end of a file.
#[derive(Debug)]
pub(crate) enum Finish {
    /// It has this name now.
    Arrived(String),
    Failed(InboxError),
    /// All that was asked for is there already, or nothing is wanted any more.
    NoneWanted,
}

impl Desk {
    /// Something of an upload begins to come.
    pub(crate) fn start(
        self: &Arc<Self>,
        hand_over: HandOverId,
        id: &str,
        now: Now,
    ) -> Result<Coming, Full> {
        let (stop, visitor) = self.change(|book| {
            if book.is_paused() {
                return Err(Full::Paused);
            }
            let entry = book.change(hand_over).ok_or(Full::Gone)?;
            let stop = entry.uploads.start(id, now)?;
            let visitor = entry.uploads.find(id).and_then(|upload: &Upload| upload.visitor);
            Ok((stop, visitor))
        })?;
        let desk = Arc::clone(self);
        Ok(Coming { desk, hand_over, id: id.to_owned(), visitor, stop, is_open: true })
    }
}

impl Coming {
    /// Appends a body. The error is `None` when it was ended from here.
    pub(crate) async fn append(
        &self,
        draft: &mut Draft,
        body: Body,
        size: Option<u64>,
    ) -> Result<(), Option<InboxError>> {
        self.desk.change(|book| book.coming(self.hand_over));
        let progress = |offset| {
            if let Some(entry) = self.desk.book().look(self.hand_over) {
                entry.uploads.advance(&self.id, offset, Now::read());
            }
        };
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(None),
            done = draft.append(body, size, progress) => done.map_err(Some),
        }
    }

    /// All of a part is there, and more comes with another request.
    pub(crate) fn pause(mut self) {
        self.close(None);
    }

    /// It was cut. Says who ended it from here.
    pub(crate) fn cut(mut self, by: Ended) -> Option<StoppedBy> {
        self.close(Some(by))
    }

    /// All of it is there: gives it its name, if one more is wanted. That name is kept before, so that a
    /// program that is killed then knows at its next start whether the file arrived.
    pub(crate) async fn finish(mut self, draft: Draft, name: &str) -> Finish {
        if !self.desk.change(|book| book.claim(self.hand_over)) {
            drop(draft);
            self.close(None);
            return Finish::NoneWanted;
        }
        let (desk, name) = (Arc::clone(&self.desk), name.to_owned());
        // Who leaves now must not keep it from being noted that the file is there.
        let finishing = desk.tasks.spawn(async move {
            let finishing = draft.finish(&name, |given| {
                self.desk.change(|book| book.give(self.hand_over, &self.id, given));
                self.desk.kept()
            });
            let finished = finishing.await;
            let now = Now::read();
            match finished {
                Ok(Arrived { name, size }) => {
                    let received =
                        Received { file: name.clone(), size, visitor: self.visitor, at: now.wall };
                    self.is_open = false;
                    self.desk.change(|book| book.received(self.hand_over, &self.id, received, now));
                    Finish::Arrived(name)
                }
                Err(error) => {
                    self.desk.change(|book| book.unclaim(self.hand_over));
                    self.close(Some(Ended::File));
                    Finish::Failed(error)
                }
            }
        });
        finishing.await.unwrap_or_else(|_| {
            // Only when everything ends.
            Finish::Failed(InboxError::Folder(std::io::ErrorKind::Interrupted.into()))
        })
    }

    fn close(&mut self, by: Option<Ended>) -> Option<StoppedBy> {
        if !std::mem::replace(&mut self.is_open, false) {
            return None;
        }
        self.desk.change(|book| book.upload_ended(self.hand_over, &self.id, by, Now::read()))
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        self.close(Some(Ended::Connection));
    }
}
