//! Fairness between visitors: how many of something one address has at the moment.

use std::{
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http::HeaderMap;

use crate::limits;

/// Counts what each address has under way, up to a limit, and what a network of many such has, up to
/// [`limits::LARGE_NETWORK`] times that.
#[derive(Clone)]
pub(crate) struct Addresses {
    counts: Arc<Mutex<Counts>>,
    limit: usize,
}

#[derive(Default)]
struct Counts {
    /// By [`group`].
    networks: HashMap<IpAddr, usize>,
    /// By [`large`].
    large: HashMap<Ipv6Addr, usize>,
}

/// What somebody may have of something. It is taken by whoever can first give back what is over.
#[derive(Clone)]
pub(crate) struct Share(Arc<dyn Fn() -> Option<Held> + Send + Sync>);

/// Counts for somebody until it is dropped.
pub(crate) type Held = Box<dyn Send>;

/// One of what an address has under way; it counts until this is dropped.
pub(crate) struct Turn {
    counts: Arc<Mutex<Counts>>,
    network: Option<IpAddr>,
}

impl Addresses {
    pub(crate) fn new(limit: usize) -> Self {
        Self { counts: Arc::default(), limit }
    }

    /// Counts one more for an address, or returns `None` when it or its network has as many as it may.
    pub(crate) fn enter(&self, address: IpAddr) -> Option<Turn> {
        let network = group(address);
        let mut counts = lock(&self.counts);
        let count = count_of(&counts.networks, &network);
        let of_large = large(network).map_or(0, |large| count_of(&counts.large, &large));
        if count >= self.limit || of_large >= self.limit.saturating_mul(limits::LARGE_NETWORK) {
            return None;
        }
        *counts.networks.entry(network).or_default() += 1;
        if let Some(large) = large(network) {
            *counts.large.entry(large).or_default() += 1;
        }
        Some(Turn { counts: self.counts.clone(), network: Some(network) })
    }

    /// Returns what an address may have, of which nothing is taken yet.
    pub(crate) fn share(&self, address: IpAddr) -> Share {
        let addresses = self.clone();
        Share::new(move || addresses.enter(address))
    }

    /// Returns a turn that counts for nobody.
    pub(crate) fn uncounted(&self) -> Turn {
        Turn { counts: self.counts.clone(), network: None }
    }
}

impl Share {
    /// Makes one of what takes one more, or returns `None` when there are as many as there may be.
    pub(crate) fn new<T: Send + 'static>(
        take: impl Fn() -> Option<T> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(move || take().map(|taken| Box::new(taken) as Held)))
    }

    /// Returns one of which everything counts for nobody.
    pub(crate) fn boundless() -> Self {
        Self::new(|| Some(()))
    }

    /// Counts one more, or returns `None` when there are as many as there may be.
    pub(crate) fn take(&self) -> Option<Held> {
        (self.0)()
    }
}

impl Turn {
    /// Returns for whom it counts; `None` for nobody.
    pub(crate) fn network(&self) -> Option<IpAddr> {
        self.network
    }

    /// Returns how many those have with this one; 0 when it counts for nobody.
    pub(crate) fn count(&self) -> usize {
        self.network.map_or(0, |network| count_of(&lock(&self.counts).networks, &network))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(network) = self.network else { return };
        let mut counts = lock(&self.counts);
        leave(&mut counts.networks, &network);
        if let Some(large) = large(network) {
            leave(&mut counts.large, &large);
        }
    }
}

fn lock(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

fn count_of<K: Eq + Hash>(counts: &HashMap<K, usize>, key: &K) -> usize {
    counts.get(key).copied().unwrap_or(0)
}

fn leave<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: &K) {
    let Some(count) = counts.get_mut(key) else { return };
    *count -= 1;
    if *count == 0 {
        counts.remove(key);
    }
}

/// Returns whom an address counts for: one household has a whole IPv6 /64.
fn group(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

/// Returns the network of many such: a /48 is what anybody is given who asks for more (RFC 6177), and
/// has 65,536 of them.
fn large(network: IpAddr) -> Option<Ipv6Addr> {
    match network {
        IpAddr::V4(_) => None,
        IpAddr::V6(network) => {
            let [a, b, c, ..] = network.segments();
            Some(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
        }
    }
}

/// Returns for whom what one of these networks has counts where there is no room for everybody: of IPv6,
/// for all of the /48 that one person may have.
pub(crate) fn whole(network: IpAddr) -> IpAddr {
    large(network).map_or(network, IpAddr::V6)
}

/// Returns the visitor's address as the proxy in front tells it: the last entry of the last
/// `X-Forwarded-For`, which is the one that the proxy itself wrote.
pub(crate) fn forwarded_for(headers: &HeaderMap) -> Option<IpAddr> {
    let line = headers.get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?;
    let entry = line.rsplit(',').next()?.trim();
    let address: IpAddr = match entry.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0.parse().ok()?,
        None => entry
            .parse()
            .ok()
            .or_else(|| entry.rsplit_once(':').and_then(|(address, _)| address.parse().ok()))?,
    };
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_its_limit_and_gets_its_turns_back() {
        let addresses = Addresses::new(2);
        let first = addresses.enter(ip("192.0.2.7")).unwrap();
        let second = addresses.enter(ip("::ffff:192.0.2.7")).unwrap();
        assert_eq!((second.network(), second.count()), (Some(ip("192.0.2.7")), 2));
        assert_eq!(addresses.uncounted().count(), 0);
        assert!(addresses.enter(ip("192.0.2.7")).is_none());
        assert!(addresses.enter(ip("192.0.2.8")).is_some());
        drop(first);
        assert_eq!(second.count(), 1);
        assert!(addresses.enter(ip("192.0.2.7")).is_some());
    }

    #[test]
    fn one_household_of_ipv6_counts_as_one_and_nothing_is_left_behind() {
        let addresses = Addresses::new(1);
        let first = addresses.enter(ip("2001:db8::1")).unwrap();
        assert!(addresses.enter(ip("2001:db8::2")).is_none());
        assert!(addresses.enter(ip("2001:db8:0:1::2")).is_some());
        drop(first);
        assert!(addresses.counts.lock().unwrap().networks.is_empty());
        assert!(addresses.counts.lock().unwrap().large.is_empty());
    }

    #[test]
    fn who_has_many_networks_of_ipv6_has_not_as_many_times_the_limit() {
        let addresses = Addresses::new(2);
        let network = |number: usize| ip(&format!("2001:db8:1:{number:x}::1"));
        let full = 2 * limits::LARGE_NETWORK;
        let mut turns: Vec<_> = (0..full).map(|number| addresses.enter(network(number))).collect();
        assert!(turns.iter().all(Option::is_some));
        assert!(addresses.enter(network(full)).is_none());
        assert!(addresses.enter(network(0)).is_none());
        assert!(addresses.enter(ip("2001:db8:2::1")).is_some());
        assert!(addresses.enter(ip("192.0.2.7")).is_some());
        turns.pop();
        let last = addresses.enter(network(0)).unwrap();
        assert_eq!((last.network(), last.count()), (Some(ip("2001:db8:1::")), 2));
        assert!(addresses.enter(network(1)).is_none());
    }

    #[test]
    fn only_what_the_proxy_wrote_is_believed() {
        for (lines, expected) in [
            (vec!["192.0.2.7"], Some("192.0.2.7")),
            (vec!["10.0.0.1, 192.0.2.7"], Some("192.0.2.7")),
            (vec!["10.0.0.1", "192.0.2.7"], Some("192.0.2.7")),
            (vec!["192.0.2.7:4711"], Some("192.0.2.7")),
            (vec!["[2001:db8::1]:4711"], Some("2001:db8::1")),
            (vec!["2001:db8::1"], Some("2001:db8::1")),
            (vec!["192.0.2.7, unknown"], None),
            (vec![""], None),
            (vec![], None),
        ] {
            let mut headers = HeaderMap::new();
            for line in &lines {
                headers.append("x-forwarded-for", line.parse().unwrap());
            }
            assert_eq!(forwarded_for(&headers), expected.map(ip), "{lines:?}");
        }
    }
}
