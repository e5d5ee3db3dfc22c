//! Who gives up a seat when a site has as many visitors as it can: one of those of whose messages its peer
//! has taken none, from the network that has the most of them. So a few networks keep nobody else out.

use std::{collections::HashMap, net::IpAddr};

use crate::addresses;

/// A seat as far as this needs it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    /// Whose it is; nobody's is that of a program of this computer, which never gives way.
    pub(super) network: Option<IpAddr>,
    /// Whether the peer took a message, so that its visitor is one of those who are invited.
    pub(super) is_welcome: bool,
}

/// Returns the place of the seat that is given up, in a row from the oldest to the newest, for somebody of
/// this network: the oldest one of the largest network, if that keeps as many as who asks will have.
pub(super) fn who_gives_way(row: &[Held], asks: Option<IpAddr>) -> Option<usize> {
    // How many each network has, and where the oldest one is.
    let mut networks: HashMap<IpAddr, (usize, usize)> = HashMap::new();
    for (place, seat) in row.iter().enumerate().filter(|(_, seat)| !seat.is_welcome) {
        let Some(network) = seat.network else { continue };
        networks.entry(addresses::whole(network)).or_insert((0, place)).0 += 1;
    }
    let own = asks.and_then(|network| networks.get(&addresses::whole(network)));
    let own = own.map_or(0, |(count, _)| *count);
    let (count, oldest) = networks.into_values().max_by_key(|(count, _)| *count)?;
    (count > own + 1).then_some(oldest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(network: &str, count: usize, is_welcome: bool) -> Vec<Held> {
        let network = (!network.is_empty()).then(|| network.parse().unwrap());
        vec![Held { network, is_welcome }; count]
    }

    #[test]
    fn the_largest_network_gives_way_and_no_other() {
        let [small, large, other] = ["192.0.2.1", "192.0.2.2", "192.0.2.3"];
        let row = [of(small, 2, false), of(large, 5, false), of(small, 1, false)].concat();
        let asks = |network: &str| who_gives_way(&row, network.parse().ok());
        assert_eq!(asks(other), Some(2));
        assert_eq!(asks(small), Some(2));
        assert_eq!(asks(large), None);
        assert_eq!(asks("of this computer"), Some(2));
        assert_eq!(who_gives_way(&of(small, 1, false), other.parse().ok()), None);
        assert_eq!(who_gives_way(&of("", 9, false), other.parse().ok()), None);
    }

    #[test]
    fn who_is_welcome_stays_and_counts_for_nobody() {
        let [first, second] = ["192.0.2.1", "192.0.2.2"];
        let row = [of(first, 9, true), of(second, 3, false)].concat();
        assert_eq!(who_gives_way(&row, first.parse().ok()), Some(9));
        assert_eq!(who_gives_way(&of(first, 9, true), second.parse().ok()), None);
    }

    #[test]
    fn a_large_network_of_ipv6_is_one() {
        let (one, other) = (of("2001:db8:1:2::", 1, false), of("2001:db8:1:3::", 1, false));
        let asks = |network: &str| who_gives_way(&[&*one, &*other].concat(), network.parse().ok());
        assert_eq!(asks("2001:db8:2::"), Some(0));
        assert_eq!(asks("2001:db8:1:4::"), None);
    }
}
