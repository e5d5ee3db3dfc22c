//! Fairness between visitors: how many of something one address has at the moment.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

use http::HeaderMap;

/// Counts what each address has under way, up to a limit.
#[derive(Clone)]
pub(crate) struct Addresses {
    counts: Arc<Mutex<HashMap<IpAddr, usize>>>,
    limit: usize,
}

/// One of what an address has under way; it counts until this is dropped.
pub(crate) struct Turn {
    counts: Arc<Mutex<HashMap<IpAddr, usize>>>,
    address: Option<IpAddr>,
}

impl Addresses {
    pub(crate) fn new(limit: usize) -> Self {
        Self { counts: Arc::default(), limit }
    }

    /// Counts one more for an address, or returns `None` when it has as many as it may.
    pub(crate) fn enter(&self, address: IpAddr) -> Option<Turn> {
        let address = group(address);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if *count >= self.limit {
            return None;
        }
        *count += 1;
        Some(Turn { counts: self.counts.clone(), address: Some(address) })
    }

    /// Returns a turn that counts for nobody.
    pub(crate) fn uncounted(&self) -> Turn {
        Turn { counts: self.counts.clone(), address: None }
    }
}

impl Turn {
    /// Returns for whom it counts; `None` for nobody.
    pub(crate) fn network(&self) -> Option<IpAddr> {
        self.address
    }

    /// Returns how many those have with this one; 0 when it counts for nobody.
    pub(crate) fn count(&self) -> usize {
        let Some(address) = self.address else { return 0 };
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(&address).copied().unwrap_or(0)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(address) = self.address else { return };
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&address);
            }
        }
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
        assert!(addresses.counts.lock().unwrap().is_empty());
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
