//! One hand-over: what it is, how it is kept, and how the owner sees it.

use std::{collections::VecDeque, path::PathBuf, sync::Arc, time::SystemTime};

use sites::hand_over::{Inbox, Parcel};

use super::{
    tickets::{Ticket, Tickets},
    uploads::{Upload, Uploads},
};
use crate::{
    ledger::{Flow, Now},
    model::{
        Direction, Ended, HandOver, HandOverId, HandOverTrouble, Passing, Received, Stage, Terms,
        TransferState,
    },
    session::Token,
    store::VisitorKey,
};

/// What is handed over.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Goods {
    Send {
        files: Vec<PathBuf>,
        name: String,
        size: u64,
        count: u32,
        /// Tells these very files from others at the same place ([`Parcel::state`]).
        state: String,
    },
    Ask {
        folder: PathBuf,
        largest: u64,
        files_left: u32,
    },
}

/// Whether it is there.
#[derive(Clone, Debug)]
pub(crate) enum Presence {
    /// The files are not there, or are others by now; the folder cannot be written.
    Away,
    Parcel(Parcel),
    Inbox(Inbox),
    /// Nobody has looked yet.
    Unknown,
}

/// A file that arrived, with the upload by which it came.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct KeptReceived {
    pub(crate) upload: String,
    pub(crate) received: Received,
}

/// A hand-over as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct KeptHandOver {
    pub(crate) id: HandOverId,
    pub(crate) token: Token,
    pub(crate) goods: Goods,
    pub(crate) terms: Terms,
    pub(crate) stage: Stage,
    pub(crate) since: SystemTime,
    /// Oldest first.
    pub(crate) tickets: Vec<Ticket>,
    /// Oldest first.
    pub(crate) refused: Vec<VisitorKey>,
    /// Oldest first.
    pub(crate) uploads: Vec<Upload>,
    /// Oldest first.
    pub(crate) received: Vec<KeptReceived>,
}

/// A hand-over.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) token: Token,
    pub(crate) goods: Goods,
    pub(crate) terms: Terms,
    pub(crate) stage: Stage,
    pub(super) since: SystemTime,
    pub(crate) presence: Presence,
    pub(crate) tickets: Tickets,
    /// What is being fetched.
    pub(super) current: Option<Fetching>,
    pub(crate) uploads: Uploads,
    /// How many files are about to get their names.
    pub(super) claimed: u32,
    /// Oldest first.
    pub(super) received: VecDeque<KeptReceived>,
}

/// Something that is being fetched.
#[derive(Debug)]
pub(super) struct Fetching {
    pub(super) flow: Arc<Flow>,
    pub(super) ticket: Token,
    pub(super) offset: u64,
    pub(super) length: u64,
    /// Whether what is before it had been handed over.
    pub(super) is_vouched: bool,
    pub(super) before: Stage,
}

impl Entry {
    pub(super) fn new(kept: KeptHandOver, presence: Presence) -> Self {
        Self {
            token: kept.token,
            goods: kept.goods,
            tickets: Tickets::new(kept.terms.nod, kept.tickets, kept.refused),
            terms: kept.terms,
            stage: kept.stage,
            since: kept.since,
            presence,
            current: None,
            uploads: Uploads::new(kept.uploads),
            claimed: 0,
            received: kept.received.into(),
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        matches!(self.stage, Stage::Done { .. })
    }

    /// Returns how much a file has that came by this upload and is there.
    pub(crate) fn arrived_by(&self, upload: &str) -> Option<u64> {
        let found = self.received.iter().find(|kept| kept.upload == upload)?;
        Some(found.received.size)
    }

    /// Nobody fetches any more; returns the stage before that.
    pub(super) fn end_current(&mut self) -> Option<Stage> {
        let current = self.current.take()?;
        if let Some(ticket) = self.tickets.find_mut(&current.ticket) {
            let sent = current.offset + current.flow.sent();
            if current.is_vouched {
                ticket.reached = ticket.reached.max(sent);
            }
        }
        Some(current.before)
    }

    /// Returns it as it is to be kept now.
    pub(super) fn kept(&self, id: HandOverId, passing: &[TransferState], now: Now) -> KeptHandOver {
        let mut tickets = self.tickets.all().to_vec();
        let mut stage = self.stage.clone();
        // Should the program end now, this is what it knows after the next start.
        if let Some(current) = &self.current {
            for ticket in tickets.iter_mut().filter(|ticket| ticket.secret == current.ticket) {
                ticket.perhaps_more = true;
                if current.is_vouched {
                    ticket.reached = ticket.reached.max(current.offset + current.flow.sent());
                }
            }
            stage = match &self.goods {
                Goods::Send { name, size, .. } if current.is_vouched => Stage::Cut {
                    file: name.clone(),
                    arrived: current.arrived(passing),
                    size: Some(*size),
                    at: now.wall,
                    by: Ended::Connection,
                },
                Goods::Send { .. } | Goods::Ask { .. } => current.before.clone(),
            };
        } else if let Some(upload) =
            self.uploads.all().find(|upload| self.uploads.is_coming(&upload.id))
        {
            stage = Stage::Cut {
                file: super::uploads::shown(&upload.name),
                arrived: upload.offset,
                size: upload.size,
                at: now.wall,
                by: Ended::Connection,
            };
        }
        KeptHandOver {
            id,
            token: self.token.clone(),
            goods: self.goods.clone(),
            terms: self.terms.clone(),
            stage,
            since: self.since,
            tickets,
            refused: self.tickets.refused().collect(),
            uploads: self.uploads.all().cloned().collect(),
            received: self.received.iter().cloned().collect(),
        }
    }

    /// Returns how the owner sees it.
    pub(super) fn state(
        &self,
        id: HandOverId,
        origin: Option<&str>,
        passing: &[TransferState],
        refused: Option<&HandOverTrouble>,
        now: Now,
    ) -> HandOver {
        let is_done = self.is_done();
        let direction = match &self.goods {
            Goods::Send { name, size, count, .. } => {
                Direction::Send { name: name.clone(), size: *size, files: *count }
            }
            Goods::Ask { folder, largest, files_left } => Direction::Ask {
                folder: folder.clone(),
                largest: *largest,
                files_left: *files_left,
            },
        };
        let away = match self.presence {
            Presence::Away => Some(HandOverTrouble::Away),
            Presence::Inbox(_) | Presence::Parcel(_) | Presence::Unknown => None,
        };
        let refused = refused.cloned();
        let url = match (origin, &refused) {
            (Some(origin), None) if !is_done => {
                Some(format!("{origin}{}{}", super::PREFIX, self.token.secret()))
            }
            (Some(_) | None, _) => None,
        };
        let mut now_passing: Vec<Passing> = self.uploads.passing(now).collect();
        if let Some(current) = &self.current {
            now_passing.extend(current.state(&self.goods, passing));
        }
        HandOver {
            id,
            direction,
            note: self.terms.note.clone(),
            nod: self.terms.nod,
            url,
            trouble: if is_done { None } else { away.or(refused) },
            stage: self.stage.clone(),
            passing: now_passing,
            knocks: self.tickets.knocks().cloned().collect(),
            received: self.received.iter().rev().map(|kept| kept.received.clone()).collect(),
            since: self.since,
        }
    }
}

impl Fetching {
    fn arrived(&self, passing: &[TransferState]) -> u64 {
        let delivered = passing
            .iter()
            .find(|state| state.id == self.flow.id)
            .map_or(0, |state| state.delivered);
        self.offset + delivered
    }

    fn state(&self, goods: &Goods, passing: &[TransferState]) -> Option<Passing> {
        let state = passing.iter().find(|state| state.id == self.flow.id)?;
        let Goods::Send { name, size, .. } = goods else { return None };
        Some(Passing {
            file: name.clone(),
            visitor: state.visitor,
            agent: state.agent.clone(),
            size: Some(*size),
            // What somebody looks at in the middle of it says nothing about what is before it.
            arrived: if self.is_vouched { self.arrived(passing) } else { 0 },
            rate: state.rate,
            since: state.since,
        })
    }
}
