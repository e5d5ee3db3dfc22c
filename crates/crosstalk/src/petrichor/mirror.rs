//! What the receiver of bodies keeps of them, and the sender knows that it keeps.

use std::collections::{BTreeMap, HashMap};

use super::Hash;

/// What one kept piece counts beyond its bytes: its name and its places in the tables. So a great
/// many small pieces take no more memory than few large ones.
pub const ENTRY_COST: usize = 256;

/// Pieces of bodies by name, the least recently used of which go first.
///
/// Both ends of a link have one of the same capacity for each direction and do the same with it in
/// the same order, so that they always hold the same names: the receiver with the bytes, the sender
/// without. It belongs to one link, and with it to one identity.
#[derive(Debug)]
pub struct Mirror<V> {
    capacity: usize,
    used: usize,
    entries: HashMap<Hash, Entry<V>>,
    /// Names by when they were last used.
    order: BTreeMap<u64, Hash>,
    turn: u64,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    cost: usize,
    turn: u64,
}

impl<V> Mirror<V> {
    /// Begins with nothing. It will hold at most this many bytes, [`ENTRY_COST`] of each piece
    /// included.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { capacity, used: 0, entries: HashMap::new(), order: BTreeMap::new(), turn: 0 }
    }

    /// Returns how many bytes it holds at most.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Returns how many bytes it holds, [`ENTRY_COST`] of each piece included.
    #[must_use]
    pub fn used(&self) -> usize {
        self.used
    }

    /// Returns what is kept under a name, which is now the most recently used.
    pub fn recall(&mut self, hash: &Hash) -> Option<&V> {
        let entry = self.entries.get_mut(hash)?;
        self.order.remove(&entry.turn);
        self.turn += 1;
        entry.turn = self.turn;
        self.order.insert(self.turn, *hash);
        Some(&entry.value)
    }

    /// Keeps a piece of `size` bytes, and forgets older ones as far as there is no room for it.
    ///
    /// Returns `false` and keeps nothing when it has no room at all for such a piece, or the name is
    /// there already: a sender that asks for this lost count.
    #[must_use]
    pub fn keep(&mut self, hash: Hash, size: usize, value: V) -> bool {
        let cost = size.saturating_add(ENTRY_COST);
        if cost > self.capacity || self.entries.contains_key(&hash) {
            return false;
        }
        while self.used + cost > self.capacity {
            let Some((_, oldest)) = self.order.pop_first() else { break };
            if let Some(forgotten) = self.entries.remove(&oldest) {
                self.used -= forgotten.cost;
            }
        }
        self.turn += 1;
        self.used += cost;
        self.order.insert(self.turn, hash);
        self.entries.insert(hash, Entry { value, cost, turn: self.turn });
        true
    }
}
