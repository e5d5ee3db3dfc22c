//! What the gateway has to say of one transaction, until the peer has it.

use std::{collections::VecDeque, mem};

use bytes::{Bytes, BytesMut};
use crosstalk::{
    poll::{Dialect, MessageId, Object},
    transactions::{AbortCode, MAX_DATA},
};
use http::request;
use tokio::time::Instant;

/// How often a letter is sent that the peer does not acknowledge, before its transaction is given
/// up: enough for a bad line; a peer that never acknowledges would otherwise be sent it for ever.
const MAX_SENDINGS: u32 = 8;

/// Pieces of a body that are smaller than this share a letter while they wait, since a letter costs
/// far more memory than a byte: larger ones are a few hundred at most in what may be under way.
const CRUMB: usize = 1024;

/// The letters of one transaction, by their numbers.
#[derive(Default)]
pub(super) struct Letters {
    letters: VecDeque<Letter>,
    next: u64,
}

/// One object on its way.
struct Letter {
    seq: u64,
    object: Object,
    place: Place,
    sendings: u32,
    since: Instant,
}

/// Where a letter is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Here.
    Waits,
    /// In the answer to this poll, which the HTTP library has not taken yet.
    Leaves(u64),
    /// Taken by the HTTP library, and not acknowledged.
    Left,
}

/// What a new poll says of letters that it does not acknowledge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unacknowledged {
    /// There are none.
    Nothing,
    /// Some wait again.
    Again,
    /// The head left, and nobody knows whether it arrived.
    Lost,
}

impl Letters {
    pub(super) fn is_empty(&self) -> bool {
        self.letters.is_empty()
    }

    fn push(&mut self, now: Instant, object: impl FnOnce(u64) -> Object) {
        let seq = self.next;
        self.next += 1;
        let object = object(seq);
        let letter = Letter { seq, object, place: Place::Waits, sendings: 0, since: now };
        self.letters.push_back(letter);
    }

    pub(super) fn head(
        &mut self,
        now: Instant,
        id: &MessageId,
        head: Box<request::Parts>,
        body: Bytes,
        more: bool,
    ) {
        let id = id.clone();
        self.push(now, |_| Object::Request { id, head, body, more });
    }

    /// Adds more of the body.
    pub(super) fn data(&mut self, now: Instant, id: &MessageId, body: Bytes, end: bool) {
        if !self.join_crumb(&body, end) {
            self.push(now, |seq| Object::Chunk { id: id.clone(), seq, body, more: !end });
        }
    }

    /// Puts a crumb of the body to the one before it, if that was not sent yet.
    fn join_crumb(&mut self, crumb: &Bytes, end: bool) -> bool {
        let last = self.letters.back_mut();
        let last = last.filter(|last| last.place == Place::Waits && last.sendings == 0);
        let Some(Object::Chunk { body, more, .. }) = last.map(|last| &mut last.object) else {
            return false;
        };
        if crumb.len() >= CRUMB || body.len() + crumb.len() > MAX_DATA {
            return false;
        }
        let joined = mem::take(body).try_into_mut();
        let mut joined = joined.unwrap_or_else(|shared| BytesMut::from(&shared[..]));
        joined.extend_from_slice(crumb);
        *body = joined.freeze();
        *more = !end;
        true
    }

    /// Says how much of the response was taken.
    pub(super) fn taken(&mut self, now: Instant, id: &MessageId, bytes: u64) {
        let waits = |letter: &&mut Letter| letter.place == Place::Waits && letter.sendings == 0;
        let before = self.letters.iter_mut().filter(waits).find_map(|letter| {
            if let Object::Taken { bytes, .. } = &mut letter.object { Some(bytes) } else { None }
        });
        match before {
            Some(before) => *before = bytes,
            None => self.push(now, |seq| Object::Taken { id: id.clone(), seq: Some(seq), bytes }),
        }
    }

    /// Takes the word of how much was taken back, if it is still here. Its number stays unused.
    pub(super) fn take_back_taken(&mut self) {
        self.letters.retain(|letter| {
            letter.place != Place::Waits || !matches!(letter.object, Object::Taken { .. })
        });
    }

    /// Leaves nothing but the word that it is over, if the peer may know of the transaction.
    pub(super) fn abort(&mut self, now: Instant, id: &MessageId, code: AbortCode) {
        let unknown = self.letters.front().is_some_and(|first| {
            first.seq == 0 && first.place == Place::Waits && first.sendings == 0
        });
        self.letters.clear();
        if !unknown {
            self.push(now, |seq| Object::Abort { id: id.clone(), seq: Some(seq), code });
        }
    }

    /// Returns since when the head waits, if it does.
    pub(super) fn head_waits_since(&self) -> Option<Instant> {
        let first = self.letters.front()?;
        (first.seq == 0 && first.place == Place::Waits).then_some(first.since)
    }

    pub(super) fn any_waits(&self) -> bool {
        self.letters.iter().any(|letter| letter.place == Place::Waits)
    }

    /// Returns the next letter for the answer to a poll. None overtakes another that is about to
    /// leave in the answer to an earlier poll, and may come back.
    pub(super) fn next_waiting(&self, poll: u64) -> Option<(u64, &Object)> {
        for letter in &self.letters {
            match letter.place {
                Place::Waits => return Some((letter.seq, &letter.object)),
                Place::Leaves(other) if other != poll => return None,
                Place::Leaves(_) | Place::Left => {}
            }
        }
        None
    }

    pub(super) fn leaves(&mut self, seq: u64, poll: u64) {
        if let Some(letter) = self.letter(seq) {
            letter.place = Place::Leaves(poll);
        }
    }

    /// The HTTP library took a letter.
    pub(super) fn left(&mut self, seq: u64, dialect: Dialect) {
        let Some(letter) = self.letter(seq) else { return };
        letter.place = Place::Left;
        letter.sendings += 1;
        // An abort that gets lost is told again to whoever goes on.
        if dialect == Dialect::Classic || matches!(letter.object, Object::Abort { .. }) {
            self.acknowledge(seq);
        }
    }

    /// The HTTP library did not take a letter: nothing of it left.
    pub(super) fn came_back(&mut self, seq: u64) {
        if let Some(letter) = self.letter(seq)
            && matches!(letter.place, Place::Leaves(_))
        {
            letter.place = Place::Waits;
        }
    }

    pub(super) fn acknowledge(&mut self, seq: u64) {
        self.letters.retain(|letter| letter.seq != seq || letter.place != Place::Left);
    }

    /// Forgets what left; the peer said something that it can only say when it has it.
    pub(super) fn acknowledge_all(&mut self) {
        self.letters.retain(|letter| letter.place != Place::Left);
    }

    /// A new poll came that says nothing of the letters that left before.
    pub(super) fn unacknowledged(&mut self) -> Unacknowledged {
        let mut found = Unacknowledged::Nothing;
        for letter in &mut self.letters {
            if letter.place != Place::Left {
                continue;
            }
            if letter.seq == 0 || letter.sendings >= MAX_SENDINGS {
                return Unacknowledged::Lost;
            }
            letter.place = Place::Waits;
            found = Unacknowledged::Again;
        }
        found
    }

    fn letter(&mut self, seq: u64) -> Option<&mut Letter> {
        self.letters.iter_mut().find(|letter| letter.seq == seq)
    }
}
