//! What is still to be answered.

use std::{collections::VecDeque, ops::Range};

use super::value::{Condition, Place, Stanza};

/// The answers of a link that wait to be sent, those in a row as one.
#[derive(Debug, Default)]
pub(super) struct Answers {
    queue: VecDeque<Answer>,
}

/// What is to be answered.
#[derive(Debug)]
enum Answer {
    /// These stanzas of a transaction, with a result or with an error.
    Parts {
        number: u64,
        seqs: Range<u64>,
        taken: bool,
    },
    Result(Place),
}

impl Answers {
    /// Returns how many wait.
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Returns whether none waits.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Adds a result for something else.
    pub(super) fn result(&mut self, place: Place) {
        self.queue.push_back(Answer::Result(place));
    }

    /// Adds stanzas of a transaction.
    pub(super) fn parts(&mut self, number: u64, seqs: Range<u64>, taken: bool) {
        if seqs.is_empty() {
            return;
        }
        if let Some(Answer::Parts { number: before, seqs: range, taken: same }) =
            self.queue.back_mut()
            && *before == number
            && range.end == seqs.start
            && *same == taken
        {
            range.end = seqs.end;
            return;
        }
        self.queue.push_back(Answer::Parts { number, seqs, taken });
    }

    /// Takes the next.
    pub(super) fn next(&mut self) -> Option<Stanza> {
        loop {
            match self.queue.front_mut()? {
                Answer::Parts { number, seqs, taken } => {
                    let (number, taken) = (*number, *taken);
                    let Some(seq) = seqs.next() else {
                        self.queue.pop_front();
                        continue;
                    };
                    if seqs.is_empty() {
                        self.queue.pop_front();
                    }
                    let place = Place::Part { number, seq };
                    return Some(if taken {
                        Stanza::Result(place)
                    } else {
                        Stanza::Error(place, Condition::NotFound)
                    });
                }
                Answer::Result(place) => {
                    let answer = Stanza::Result(*place);
                    self.queue.pop_front();
                    return Some(answer);
                }
            }
        }
    }
}
