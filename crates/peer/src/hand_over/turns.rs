//! Requests that wait to see whether another connection with their ticket lives.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::model::HandOverId;

/// How many requests wait so at once, of all hand-overs, since each holds a place on the link; who finds no
/// room is told at once that the other connection lives.
const MAX_TURNS: usize = 32;

/// How many of those may be of one hand-over: more than the parts that a browser on a phone asks for at
/// once, and nobody with one ticket takes the turns of all others.
pub(crate) const TURNS_OF_ONE: usize = 8;

/// How many requests of each hand-over wait.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<HashMap<HandOverId, usize>>);

/// One that waits, until this is dropped.
pub(super) struct Waits<'a> {
    turns: &'a Turns,
    id: HandOverId,
}

impl Turns {
    /// Counts one more, or returns `None` when there is no room for it.
    pub(super) fn enter(&self, id: HandOverId) -> Option<Waits<'_>> {
        let mut waiting = self.waiting();
        let of_one = waiting.get(&id).copied().unwrap_or(0);
        if of_one >= TURNS_OF_ONE || waiting.values().sum::<usize>() >= MAX_TURNS {
            return None;
        }
        waiting.insert(id, of_one + 1);
        Some(Waits { turns: self, id })
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<HandOverId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        let mut waiting = self.turns.waiting();
        let Some(count) = waiting.get_mut(&self.id) else { return };
        *count -= 1;
        if *count == 0 {
            waiting.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_hand_over_has_its_share_and_all_have_a_limit() {
        let turns = Turns::default();
        let enter = |id: i64| turns.enter(HandOverId(id));
        let mut first: Vec<_> = (0..TURNS_OF_ONE).map(|_| enter(1).unwrap()).collect();
        assert!(enter(1).is_none());
        let mut others: Vec<_> =
            (0..MAX_TURNS - TURNS_OF_ONE).map(|number| enter(2 + number as i64).unwrap()).collect();
        assert!(enter(99).is_none());
        others.pop();
        assert!(enter(1).is_none());
        first.pop();
        assert!(enter(1).is_some());
        drop((first, others));
        assert!(turns.waiting().is_empty());
    }
}
