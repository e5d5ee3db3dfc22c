//! One transaction as one end sees it: a body that goes out and a body that comes in.

use bytes::Bytes;
use http::{request, response};

use super::{AbortCode, MAX_DATA, Read, chunks::Chunks};

/// One transaction.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) outgoing: Outgoing,
    pub(super) incoming: Incoming,
    /// Whether its number stands in the queue of those that have something to say.
    pub(super) in_turn: bool,
    /// Whether it is counted among those that are only there to be read to their end.
    pub(super) lingers: bool,
}

/// A head that waits to be sent.
#[derive(Debug)]
pub(super) enum Head {
    Request(Box<request::Parts>),
    Response(Box<response::Parts>),
}

/// How far a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// At least one of the ends has something to say.
    UnderWay,
    /// Both ends have said everything, but not all is read here.
    Unread,
    /// Both ends have said everything and it is read.
    Over,
    /// This end has said everything, and wants no more of what the other end still says.
    Unwanted,
}

impl Transaction {
    /// One that this end opens.
    pub(super) fn opened(head: Box<request::Parts>, window: u32) -> Self {
        let outgoing = Outgoing::new(Sending::Flowing, Some(Head::Request(head)), window);
        Self::new(outgoing, Incoming::new(Receiving::Headless, window))
    }

    /// One that the other end opened.
    pub(super) fn accepted(window: u32) -> Self {
        let outgoing = Outgoing::new(Sending::Unanswered, None, window);
        Self::new(outgoing, Incoming::new(Receiving::Flowing, window))
    }

    fn new(outgoing: Outgoing, incoming: Incoming) -> Self {
        Self { outgoing, incoming, in_turn: false, lingers: false }
    }

    pub(super) fn standing(&self) -> Standing {
        if self.outgoing.stage != Sending::Over {
            return Standing::UnderWay;
        }
        match self.incoming.stage {
            Receiving::Finished => Standing::Over,
            Receiving::Ended => Standing::Unread,
            Receiving::Headless | Receiving::Flowing if self.incoming.stopped => Standing::Unwanted,
            Receiving::Headless | Receiving::Flowing => Standing::UnderWay,
        }
    }
}

/// How far what this end says is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sending {
    /// The request of the other end has no answer yet.
    Unanswered,
    /// The body can be written.
    Flowing,
    /// The body is complete but not sent.
    Ending,
    /// Everything is sent, or the other end wants no more.
    Over,
}

/// What this end says.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) stage: Sending,
    pub(super) head: Option<Head>,
    body: Chunks,
    /// How many bytes the other end still takes, those in `body` included. It may give as much as
    /// it likes: what is kept here is bounded by our own buffer.
    credit: u64,
    /// Whether the writer was left without room, and waits to hear of some.
    full: bool,
}

impl Outgoing {
    fn new(stage: Sending, head: Option<Head>, window: u32) -> Self {
        Self { stage, head, body: Chunks::default(), credit: u64::from(window), full: false }
    }

    fn credit(&self) -> usize {
        usize::try_from(self.credit).unwrap_or(usize::MAX)
    }

    /// Returns whether there is something that may be sent now.
    pub(super) fn has_to_say(&self) -> bool {
        self.head.is_some()
            || match self.stage {
                Sending::Unanswered | Sending::Over => false,
                Sending::Flowing => !self.body.is_empty() && self.credit > 0,
                Sending::Ending => self.body.is_empty() || self.credit > 0,
            }
    }

    pub(super) fn room(&self, buffer: usize) -> usize {
        match self.stage {
            Sending::Flowing => buffer.min(self.credit()).saturating_sub(self.body.len()),
            Sending::Unanswered | Sending::Ending | Sending::Over => 0,
        }
    }

    /// Takes the beginning of the body, all of it.
    pub(super) fn begin(&mut self, body: Bytes, end: bool, buffer: usize) {
        self.body.push(body);
        self.stage = if end { Sending::Ending } else { Sending::Flowing };
        self.full = self.room(buffer) == 0;
    }

    /// Takes what there is room for.
    pub(super) fn write(&mut self, bytes: &mut Bytes, end: bool, buffer: usize) {
        match self.stage {
            Sending::Unanswered => {}
            Sending::Flowing => {
                let room = self.room(buffer);
                self.body.push(bytes.split_to(room.min(bytes.len())));
                if end && bytes.is_empty() {
                    self.stage = Sending::Ending;
                }
                self.full = self.room(buffer) == 0;
            }
            Sending::Ending | Sending::Over => bytes.clear(),
        }
    }

    pub(super) fn add_credit(&mut self, bytes: u32) {
        self.credit = self.credit.saturating_add(u64::from(bytes));
    }

    /// Returns whether the writer has to be told that there is room again, and notes that it was.
    pub(super) fn take_writable(&mut self, buffer: usize) -> bool {
        let writable = self.full && self.room(buffer) > 0;
        self.full &= !writable;
        writable
    }

    /// Takes the next message's head, bytes, and whether they are the last.
    pub(super) fn next(&mut self) -> (Option<Head>, Bytes, bool) {
        let bytes = self.body.take(self.credit().min(MAX_DATA));
        self.credit -= bytes.len() as u64;
        let end = self.stage == Sending::Ending && self.body.is_empty();
        if end {
            self.stage = Sending::Over;
        }
        (self.head.take(), bytes, end)
    }

    /// Takes everything that waits of the body.
    pub(super) fn take_back(&mut self) -> Vec<Bytes> {
        self.stage = Sending::Over;
        let mut pieces = Vec::new();
        while !self.body.is_empty() {
            pieces.push(self.body.take(usize::MAX));
        }
        pieces
    }

    /// Drops everything that waits.
    pub(super) fn give_up(&mut self) {
        self.stage = Sending::Over;
        self.head = None;
        self.body.clear();
    }
}

/// How far what the other end says is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Receiving {
    /// The request of this end has no answer yet.
    Headless,
    /// The body comes.
    Flowing,
    /// The body is here; its end is not read yet.
    Ended,
    /// Everything is read, or not wanted.
    Finished,
}

/// What the other end says.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) stage: Receiving,
    body: Chunks,
    /// How many bytes the other end may still send. Together with what waits in `body` and with
    /// `taken` this is always the window.
    credit: u32,
    /// How many bytes were read for which no credit was given yet.
    taken: u32,
    /// Whether its number stands in the queue of credits.
    pub(super) credit_waits: bool,
    /// Whether the reader was left without anything, and waits to hear of something.
    blocked: bool,
    /// Whether nobody reads any more.
    stopped: bool,
}

impl Incoming {
    fn new(stage: Receiving, window: u32) -> Self {
        Self {
            stage,
            body: Chunks::default(),
            credit: window,
            taken: 0,
            credit_waits: false,
            blocked: false,
            stopped: false,
        }
    }

    /// Takes a part of the body. Returns whether it is within what is allowed.
    pub(super) fn receive(&mut self, bytes: Bytes, end: bool) -> bool {
        let length = u32::try_from(bytes.len()).ok();
        let Some(credit) = length.and_then(|length| self.credit.checked_sub(length)) else {
            return false;
        };
        self.credit = credit;
        if !self.stopped {
            self.body.push_alone(bytes);
        }
        if end {
            self.stage = if self.stopped { Receiving::Finished } else { Receiving::Ended };
        }
        true
    }

    /// Returns whether the reader has to be told that there is something again, and notes that it
    /// was.
    pub(super) fn take_readable(&mut self) -> bool {
        let readable = self.blocked && (!self.body.is_empty() || self.stage == Receiving::Ended);
        self.blocked &= !readable;
        readable
    }

    /// Returns the next bytes.
    pub(super) fn read(&mut self) -> Read {
        if self.stopped {
            return Read::Aborted(AbortCode::Cancelled);
        }
        let bytes = self.body.take(usize::MAX);
        if !bytes.is_empty() {
            // Not more than the window, since `receive` let it in.
            self.taken = self.taken.saturating_add(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
            return Read::Data(bytes);
        }
        match self.stage {
            Receiving::Headless | Receiving::Flowing => {
                self.blocked = true;
                Read::Blocked
            }
            Receiving::Ended | Receiving::Finished => {
                self.stage = Receiving::Finished;
                Read::End
            }
        }
    }

    /// Returns how many bytes are left, once the end is here and not read.
    pub(super) fn unread(&self) -> Option<usize> {
        (self.stage == Receiving::Ended && !self.stopped).then(|| self.body.len())
    }

    /// Returns whether it is time to give credit and it does not wait to be given already. In
    /// portions: for every message would double the messages, and only when all is taken would
    /// stop the sender.
    pub(super) fn owes_credit(&self, window: u32) -> bool {
        self.stage == Receiving::Flowing
            && !self.stopped
            && !self.credit_waits
            && self.taken >= (window / 2).max(1)
    }

    /// Takes the credit to give.
    pub(super) fn take_credit(&mut self) -> u32 {
        self.credit_waits = false;
        let credit = std::mem::take(&mut self.taken);
        self.credit += credit;
        credit
    }

    /// Drops what is there and what still comes.
    pub(super) fn stop(&mut self) {
        self.stopped = true;
        self.body.clear();
        if self.stage == Receiving::Ended {
            self.stage = Receiving::Finished;
        }
    }

    /// Returns whether everything of the other end is here.
    pub(super) fn is_complete(&self) -> bool {
        match self.stage {
            Receiving::Headless | Receiving::Flowing => false,
            Receiving::Ended | Receiving::Finished => true,
        }
    }
}

#[cfg(test)]
impl Transaction {
    /// Returns how many bytes wait to be sent, and how many to be read.
    pub(super) fn held(&self) -> (usize, usize) {
        (self.outgoing.body.len(), self.incoming.body.len())
    }

    /// Returns in how many pieces the bytes are that wait to be read.
    pub(super) fn pieces(&self) -> usize {
        self.incoming.body.pieces()
    }
}
