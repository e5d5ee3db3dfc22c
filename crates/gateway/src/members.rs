//! Members: visitors and identities who send each other messages by TAXI.
//!
//! A member is a WebSocket (`socket`) with a seat in the [`Members`]. What it sends is routed
//! (`route`): to seats, or to the owner of a site, whose peer decides (`owner`).

mod crowd;
mod entrance;
mod owner;
pub(crate) mod pace;
mod route;
mod socket;

use std::{
    collections::HashMap,
    fmt::Write as _,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use crosstalk::{label::Label, members::VISITOR_PREFIX, proof::PublicKey};
use http::HeaderMap;
use sha2::{Digest as _, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

pub(crate) use self::{
    entrance::{enter_gateway, enter_site},
    route::{MAX_MESSAGE, tell},
};
use crate::{
    addresses::{Addresses, Turn},
    limits,
};

/// All members of a gateway. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Members {
    seats: Arc<Mutex<Seats>>,
    permits: Arc<Semaphore>,
    addresses: Addresses,
    closed: CancellationToken,
}

#[derive(Default)]
struct Seats {
    next: u64,
    visitors: HashMap<Label, Vec<Seat>>,
    identities: HashMap<PublicKey, Vec<Seat>>,
}

/// What is known of a member's connection.
struct Seat {
    number: u64,
    /// The visitor's name; an identity's seats are all the same person.
    name: String,
    /// The tab that the member itself named last.
    tab: Option<String>,
    queue: mpsc::Sender<Bytes>,
    /// For whom it counts where there are too few.
    network: Option<IpAddr>,
    /// What is known of a visitor.
    visit: Option<Arc<Visit>>,
}

/// Who a member is.
#[derive(Clone)]
pub(crate) enum Who {
    /// Somebody at a site, and what the peer judges by.
    Visitor { label: Label, name: String, visit: Arc<Visit> },
    /// Somebody who proved to have a key.
    Identity(PublicKey),
}

/// What a visitor's handshake said.
pub(crate) struct Visit {
    pub(crate) visitor: IpAddr,
    /// Only what the peer judges by.
    pub(crate) headers: HeaderMap,
    /// Whether the peer has taken a message.
    welcome: AtomicBool,
}

/// A member's seat; it is given back when this is dropped.
pub(crate) struct Membership {
    members: Members,
    pub(crate) who: Who,
    number: u64,
    pub(crate) queue: mpsc::Receiver<Bytes>,
    _permit: OwnedSemaphorePermit,
    _turn: Turn,
}

/// Where a seat is.
#[derive(Clone, Copy)]
pub(crate) enum At<'a> {
    /// A visitor of the site with this name.
    Visitor(&'a Label, &'a str),
    /// All visitors of a site.
    Site(&'a Label),
    /// An identity.
    Identity(&'a PublicKey),
}

impl Members {
    pub(crate) fn new() -> Self {
        Self {
            seats: Arc::default(),
            permits: Arc::new(Semaphore::new(limits::MAX_MEMBERS)),
            addresses: Addresses::new(limits::MEMBERS_PER_ADDRESS),
            closed: CancellationToken::new(),
        }
    }

    /// Ends all members, because the gateway stops.
    pub(crate) fn close(&self) {
        self.closed.cancel();
    }

    pub(crate) fn closed(&self) -> &CancellationToken {
        &self.closed
    }

    pub(crate) fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives somebody a seat, if there is one, or one that is [given up](crowd) for it: its queue ends.
    pub(crate) fn enter(&self, who: Who, turn: Turn) -> Option<Membership> {
        let permit = self.permits.clone().try_acquire_owned().ok()?;
        let (sender, queue) = mpsc::channel(limits::MEMBER_QUEUE);
        let mut seats = self.seats();
        seats.next += 1;
        let number = seats.next;
        let (row, most) = seats.row(&who);
        let visit = who.visit().cloned();
        if row.len() >= most {
            // The seats of an identity are all the same person's.
            visit.as_ref()?;
            let held: Vec<_> = row.iter().map(Seat::held).collect();
            row.remove(crowd::who_gives_way(&held, turn.network())?);
        }
        let network = turn.network();
        row.push(Seat { number, name: who.name(), tab: None, queue: sender, network, visit });
        drop(seats);
        Some(Membership { members: self.clone(), who, number, queue, _permit: permit, _turn: turn })
    }

    /// Returns the sites at which a visitor with this name is.
    pub(crate) fn sites_of(&self, name: &str) -> Vec<Label> {
        let seats = self.seats();
        let has = |row: &Vec<Seat>| row.iter().any(|seat| seat.name == name);
        let sites = seats.visitors.iter().filter(|(_, row)| has(row));
        sites.map(|(label, _)| label.clone()).collect()
    }

    /// Puts a message into the queue of everybody it is for, and returns how many took it. With a tab
    /// it is only for the seats that named it.
    pub(crate) fn deliver(&self, at: At<'_>, tab: Option<&str>, message: &Bytes) -> usize {
        let seats = self.seats();
        let (row, name) = match at {
            At::Visitor(label, name) => (seats.visitors.get(label), Some(name)),
            At::Site(label) => (seats.visitors.get(label), None),
            At::Identity(key) => (seats.identities.get(key), None),
        };
        row.into_iter()
            .flatten()
            .filter(|seat| name.is_none_or(|name| seat.name == name))
            .filter(|seat| tab.is_none_or(|tab| seat.tab.as_deref() == Some(tab)))
            .filter(|seat| seat.queue.try_send(message.clone()).is_ok())
            .count()
    }
}

impl Seats {
    /// Returns the row in which somebody sits, and how many fit into it.
    fn row(&mut self, who: &Who) -> (&mut Vec<Seat>, usize) {
        match who {
            Who::Visitor { label, .. } => {
                (self.visitors.entry(label.clone()).or_default(), limits::MEMBERS_PER_SITE)
            }
            Who::Identity(key) => {
                (self.identities.entry(*key).or_default(), limits::MEMBERS_PER_IDENTITY)
            }
        }
    }

    fn leave(&mut self, who: &Who, number: u64) {
        let (row, _) = self.row(who);
        row.retain(|seat| seat.number != number);
        if row.is_empty() {
            match who {
                Who::Visitor { label, .. } => drop(self.visitors.remove(label)),
                Who::Identity(key) => drop(self.identities.remove(key)),
            }
        }
    }
}

impl Seat {
    fn held(&self) -> crowd::Held {
        let is_welcome = self.visit.as_ref().is_some_and(|visit| visit.is_welcome());
        crowd::Held { network: self.network, is_welcome }
    }
}

impl Visit {
    pub(crate) fn new(visitor: IpAddr, headers: HeaderMap) -> Self {
        Self { visitor, headers, welcome: AtomicBool::new(false) }
    }

    fn is_welcome(&self) -> bool {
        self.welcome.load(Ordering::Relaxed)
    }

    /// Notes that the peer has taken a message.
    pub(crate) fn welcome(&self) {
        self.welcome.store(true, Ordering::Relaxed);
    }
}

impl Membership {
    /// Notes by which tab the member wants to be found.
    pub(crate) fn set_tab(&self, tab: &str) {
        let mut seats = self.members.seats();
        let (row, _) = seats.row(&self.who);
        if let Some(seat) = row.iter_mut().find(|seat| seat.number == self.number) {
            seat.tab = Some(tab.to_owned());
        }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.members.seats().leave(&self.who, self.number);
    }
}

impl Who {
    /// Returns the name by which messages of this member are signed.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Visitor { name, .. } => name.clone(),
            Self::Identity(key) => key.to_string(),
        }
    }

    fn visit(&self) -> Option<&Arc<Visit>> {
        match self {
            Self::Visitor { visit, .. } => Some(visit),
            Self::Identity(_) => None,
        }
    }
}

/// Makes a visitor's name, the same for the same ticket at the same site: nobody can find the ticket
/// by the name, and owners of different sites cannot see that it is the same visitor.
pub(crate) fn visitor_name(label: &Label, ticket: &[u8]) -> String {
    let mut hash = Sha256::new();
    for part in [b"veranda visitor\0".as_slice(), label.as_str().as_bytes(), b"\0", ticket] {
        hash.update(part);
    }
    hash.finalize().iter().take(8).fold(VISITOR_PREFIX.to_owned(), |mut name, byte| {
        // Writing to a text never fails.
        let _ = write!(name, "{byte:02x}");
        name
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visitor(label: &str, name: &str) -> Who {
        let visit = Visit::new([192, 0, 2, 7].into(), HeaderMap::new());
        let (label, name) = (label.parse().unwrap(), name.to_owned());
        Who::Visitor { label, name, visit: Arc::new(visit) }
    }

    fn enter(members: &Members, who: Who) -> Option<Membership> {
        members.enter(who, members.addresses().uncounted())
    }

    #[test]
    fn messages_find_a_visitor_a_tab_or_a_whole_site() {
        let members = Members::new();
        let label: Label = "photos".parse().unwrap();
        let mut first = enter(&members, visitor("photos", "visitor-1")).unwrap();
        let mut second = enter(&members, visitor("photos", "visitor-1")).unwrap();
        let mut other = enter(&members, visitor("photos", "visitor-2")).unwrap();
        let elsewhere = enter(&members, visitor("music", "visitor-1")).unwrap();
        second.set_tab("2");
        let message = Bytes::from_static(b";hello");
        let one = At::Visitor(&label, "visitor-1");
        assert_eq!(members.deliver(one, None, &message), 2);
        assert_eq!(members.deliver(one, Some("2"), &message), 1);
        assert_eq!(members.deliver(one, Some("3"), &message), 0);
        assert_eq!(members.deliver(At::Site(&label), None, &message), 3);
        assert_eq!(members.deliver(At::Visitor(&label, "visitor-3"), None, &message), 0);
        let waiting =
            |member: &mut Membership| std::iter::from_fn(|| member.queue.try_recv().ok()).count();
        assert_eq!((waiting(&mut first), waiting(&mut second), waiting(&mut other)), (2, 3, 1));
        drop((first, second, other, elsewhere));
        assert!(members.seats().visitors.is_empty());
    }

    #[test]
    fn a_site_and_a_queue_have_their_limits() {
        let members = Members::new();
        let label: Label = "photos".parse().unwrap();
        let seats: Vec<_> = (0..limits::MEMBERS_PER_SITE)
            .map(|_| enter(&members, visitor("photos", "visitor-1")).unwrap())
            .collect();
        assert!(enter(&members, visitor("photos", "visitor-1")).is_none());
        assert!(enter(&members, visitor("music", "visitor-1")).is_some());
        let message = Bytes::from_static(b";");
        for _ in 0..limits::MEMBER_QUEUE {
            assert_eq!(members.deliver(At::Site(&label), None, &message), seats.len());
        }
        assert_eq!(members.deliver(At::Site(&label), None, &message), 0);
    }

    #[test]
    fn a_site_that_is_full_has_a_seat_for_who_comes_from_elsewhere() {
        let members = Members::new();
        let addresses = Addresses::new(2 * limits::MEMBERS_PER_SITE);
        let from = |host: u8| {
            let turn = addresses.enter([192, 0, 2, host].into()).unwrap();
            members.enter(visitor("photos", "visitor-1"), turn)
        };
        let mut first = from(1).unwrap();
        first.who.visit().unwrap().welcome();
        let mut rest: Vec<_> = (1..limits::MEMBERS_PER_SITE).map(|_| from(1).unwrap()).collect();
        assert!(from(1).is_none());
        let mut other = from(2).unwrap();
        let is_over = |member: &mut Membership| {
            member.queue.try_recv() == Err(mpsc::error::TryRecvError::Disconnected)
        };
        assert!(is_over(&mut rest[0]) && !is_over(&mut rest[1]));
        assert!(!is_over(&mut first) && !is_over(&mut other));
        // What gave way is no seat any more, and its end makes no room.
        rest.remove(0);
        assert!(from(1).is_none());
        drop((first, rest, other));
        assert!(members.seats().visitors.is_empty());
    }

    #[test]
    fn a_ticket_makes_one_name_at_one_site() {
        let (photos, music): (Label, Label) = ("photos".parse().unwrap(), "music".parse().unwrap());
        let name = visitor_name(&photos, b"secret");
        assert_eq!(name, visitor_name(&photos, b"secret"));
        assert_ne!(name, visitor_name(&photos, b"other"));
        assert_ne!(name, visitor_name(&music, b"secret"));
        assert_eq!(name.len(), VISITOR_PREFIX.len() + 16);
    }
}
