//! Who gives way when a gateway has as many sessions as it can: those who have the most, to those who
//! have less, and only where nobody waits. So a few networks that keep many sessions keep nobody else
//! out, however long those may last.

use std::{collections::HashMap, net::IpAddr, time::Instant};

use crate::limits;

/// A session as far as this needs it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held<K> {
    pub(super) id: K,
    /// Whose it is; nobody's is that of a program of this computer, which never gives way.
    pub(super) network: Option<IpAddr>,
    /// Since when nobody waits in it.
    pub(super) idle_since: Option<Instant>,
}

struct Network<K> {
    count: usize,
    idle: Vec<(Instant, K)>,
}

/// Returns which sessions end, [`limits::SESSIONS_GIVING_WAY`] at most, for somebody whose network has
/// `own` of them: of those networks that have the most, the sessions that were idle for the longest, and
/// of each only so many that it keeps as many as who asks will have.
pub(super) fn who_gives_way<K>(all: impl Iterator<Item = Held<K>>, own: usize) -> Vec<K> {
    let mut networks: HashMap<IpAddr, Network<K>> = HashMap::new();
    for Held { id, network, idle_since } in all {
        let Some(network) = network else { continue };
        let empty = || Network { count: 0, idle: Vec::new() };
        let network = networks.entry(network).or_insert_with(empty);
        network.count += 1;
        network.idle.extend(idle_since.map(|since| (since, id)));
    }
    let mut networks: Vec<_> = networks.into_values().collect();
    networks.sort_by_key(|network| std::cmp::Reverse(network.count));
    let mut chosen = Vec::new();
    for mut network in networks {
        let spare = network.count.saturating_sub(own + 1);
        let room = limits::SESSIONS_GIVING_WAY - chosen.len();
        if spare == 0 || room == 0 {
            break;
        }
        network.idle.sort_by_key(|(since, _)| *since);
        chosen.extend(network.idle.into_iter().take(spare.min(room)).map(|(_, id)| id));
    }
    chosen
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const MOST: usize = limits::SESSIONS_GIVING_WAY;

    /// Sessions of a network; a number says how many, the first of them idle for the longest.
    fn of(network: u8, idle: usize, waiting: usize) -> impl Iterator<Item = Held<(u8, usize)>> {
        let start = Instant::now();
        (0..idle + waiting).rev().map(move |number| Held {
            id: (network, number),
            network: (network > 0).then(|| IpAddr::from([192, 0, 2, network])),
            idle_since: (number < idle).then(|| start + Duration::from_secs(number as u64)),
        })
    }

    #[test]
    fn the_largest_gives_way_to_the_smaller_oldest_first() {
        let all = of(1, 3, 0).chain(of(2, 20, 0)).chain(of(3, 10, 0));
        let chosen = who_gives_way(all, 0);
        let second = (0..19).map(|number| (2, number));
        let third = (0..9).map(|number| (3, number));
        let first = (0..2).map(|number| (1, number));
        assert_eq!(chosen, second.chain(third).chain(first).collect::<Vec<_>>());
    }

    #[test]
    fn nobody_gives_way_to_who_has_as_many() {
        assert_eq!(who_gives_way(of(1, 7, 0), 6), []);
        assert_eq!(who_gives_way(of(1, 7, 0), 5), [(1, 0)]);
        assert_eq!(who_gives_way(of(1, 7, 0).chain(of(2, 1, 0)), 1).len(), 5);
    }

    #[test]
    fn where_somebody_waits_and_what_is_of_this_computer_stays() {
        assert_eq!(who_gives_way(of(1, 0, 9).chain(of(0, 9, 0)), 0), []);
        assert_eq!(who_gives_way(of(1, 2, 7), 0), [(1, 0), (1, 1)]);
    }

    #[test]
    fn so_many_go_at_once_and_no_more() {
        assert_eq!(who_gives_way(of(1, MOST + 50, 0), 0).len(), MOST);
        assert_eq!(who_gives_way(of(1, MOST / 2, 0).chain(of(2, MOST, 0)), 0).len(), MOST);
    }
}
