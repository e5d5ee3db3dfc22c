//! One relay session as a state: who waits in it, who may, and until when. No input, no output, no
//! clock.
//!
//! A session has two sides and so two lanes, one in each direction, each with a place for one who
//! receives and one who sends. `R` and `S` are whatever those who wait are reached by.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use crate::limits;

/// Who somebody is in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Who has the token.
    Host,
    /// Anybody else.
    Guest,
}

/// What somebody does in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Receives,
    Sends,
}

/// A place in a session that somebody has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    /// To whom the lane leads.
    to: Side,
    role: Role,
    number: u64,
}

/// Who of the guests may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Permission {
    /// All of them (a basic session).
    Anybody,
    /// Who comes from this address; without one, nobody yet (a secure session).
    Only(Option<IpAddr>),
}

/// Why somebody does not get a place, or a session no permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("there can be only one receiver at a time")]
    ReceiverThere,
    #[error("there can be only one sender at a time")]
    SenderThere,
    #[error("this session is not for you")]
    NotPermitted,
    #[error("a permission is for a session of the type secure")]
    NotSecure,
}

/// The state of a session.
#[derive(Debug)]
pub(crate) struct Session<R, S> {
    to_host: Lane<R, S>,
    to_guest: Lane<R, S>,
    permission: Permission,
    lifetime: Duration,
    born: Instant,
    /// Since when nobody has a place.
    idle_since: Option<Instant>,
    next: u64,
}

#[derive(Debug)]
struct Lane<R, S> {
    receiver: Option<Place<R>>,
    sender: Option<Place<S>>,
}

#[derive(Debug)]
struct Place<T> {
    number: u64,
    /// There while nobody has come who fits.
    waiting: Option<T>,
}

impl<R, S> Session<R, S> {
    /// Begins a session. `lifetime` is cut to what is allowed.
    pub(crate) fn new(now: Instant, lifetime: Duration, permission: Permission) -> Self {
        let lane = || Lane { receiver: None, sender: None };
        Self {
            to_host: lane(),
            to_guest: lane(),
            permission,
            lifetime: lifetime.clamp(limits::SESSION_SHORTEST, limits::SESSION_LONGEST),
            born: now,
            idle_since: Some(now),
            next: 0,
        }
    }

    /// Returns how long the session lasts while nobody waits in it.
    pub(crate) fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// Returns who may come.
    pub(crate) fn permission(&self) -> Permission {
        self.permission
    }

    /// Lets guests come from one address, and from no other any more.
    pub(crate) fn permit(&mut self, address: IpAddr) -> Result<(), Refused> {
        match &mut self.permission {
            Permission::Anybody => Err(Refused::NotSecure),
            Permission::Only(permitted) => {
                *permitted = Some(address.to_canonical());
                Ok(())
            }
        }
    }

    /// Checks whether somebody may use the session.
    pub(crate) fn check(&self, side: Side, address: IpAddr) -> Result<(), Refused> {
        match (side, self.permission) {
            (Side::Host, _) | (Side::Guest, Permission::Anybody) => Ok(()),
            (Side::Guest, Permission::Only(Some(only))) if only == address.to_canonical() => Ok(()),
            (Side::Guest, Permission::Only(_)) => Err(Refused::NotPermitted),
        }
    }

    /// Gives somebody the place to receive. If a sender waits, it is returned, and the two belong to
    /// each other until both leave.
    pub(crate) fn receive(&mut self, side: Side, me: R) -> Result<(Ticket, Option<S>), Refused> {
        let number = self.next;
        let lane = self.lane(side);
        if lane.receiver.is_some() {
            return Err(Refused::ReceiverThere);
        }
        let partner = lane.sender.as_mut().and_then(|place| place.waiting.take());
        let waiting = partner.is_none().then_some(me);
        lane.receiver = Some(Place { number, waiting });
        self.next += 1;
        self.idle_since = None;
        Ok((Ticket { to: side, role: Role::Receives, number }, partner))
    }

    /// Gives somebody the place to send to the other side. Nothing is sent yet.
    pub(crate) fn send(&mut self, side: Side) -> Result<Ticket, Refused> {
        let (number, to) = (self.next, side.other());
        let lane = self.lane(to);
        if lane.sender.is_some() {
            return Err(Refused::SenderThere);
        }
        lane.sender = Some(Place { number, waiting: None });
        self.next += 1;
        self.idle_since = None;
        Ok(Ticket { to, role: Role::Sends, number })
    }

    /// Offers what a sender has: to the receiver that waits, which is returned with it, or to the next
    /// one that comes. Nothing happens when the sender has left.
    pub(crate) fn offer(&mut self, sender: Ticket, what: S) -> Option<(R, S)> {
        let lane = self.lane(sender.to);
        let place = lane.sender.as_mut().filter(|place| place.number == sender.number)?;
        match lane.receiver.as_mut().and_then(|receiver| receiver.waiting.take()) {
            Some(receiver) => Some((receiver, what)),
            None => {
                place.waiting = Some(what);
                None
            }
        }
    }

    /// Takes back what a sender offered, unless a receiver has it already.
    pub(crate) fn withdraw(&mut self, sender: Ticket) -> Option<S> {
        let place = self.lane(sender.to).sender.as_mut();
        place.filter(|place| place.number == sender.number)?.waiting.take()
    }

    /// Frees a place.
    pub(crate) fn leave(&mut self, ticket: Ticket, now: Instant) {
        let lane = self.lane(ticket.to);
        match ticket.role {
            Role::Receives => {
                lane.receiver.take_if(|place| place.number == ticket.number);
            }
            Role::Sends => {
                lane.sender.take_if(|place| place.number == ticket.number);
            }
        }
        if self.idle_since.is_none() && self.to_host.is_empty() && self.to_guest.is_empty() {
            self.idle_since = Some(now);
        }
    }

    /// Returns whether its time is over: nobody waited for its lifetime, or it is as old as a session
    /// gets.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        let idle = self.idle_since.map(|since| now.saturating_duration_since(since));
        idle.is_some_and(|idle| idle >= self.lifetime)
            || now.saturating_duration_since(self.born) >= limits::SESSION_LONGEST
    }

    /// Returns since when nobody waits in it.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        self.idle_since
    }

    fn lane(&mut self, to: Side) -> &mut Lane<R, S> {
        match to {
            Side::Host => &mut self.to_host,
            Side::Guest => &mut self.to_guest,
        }
    }
}

impl<R, S> Lane<R, S> {
    fn is_empty(&self) -> bool {
        self.receiver.is_none() && self.sender.is_none()
    }
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Host => Self::Guest,
            Self::Guest => Self::Host,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn session(now: Instant) -> Session<&'static str, &'static str> {
        Session::new(now, HOUR, Permission::Anybody)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn who_waits_meets_who_comes_in_both_orders_and_directions() {
        let now = Instant::now();
        for side in [Side::Host, Side::Guest] {
            let mut session = session(now);
            let (receiver, partner) = session.receive(side, "receiver").unwrap();
            assert_eq!(partner, None);
            let sender = session.send(side.other()).unwrap();
            assert_eq!(session.offer(sender, "parcel"), Some(("receiver", "parcel")));
            session.leave(receiver, now);
            session.leave(sender, now);

            let sender = session.send(side.other()).unwrap();
            assert_eq!(session.offer(sender, "parcel"), None);
            let (_, partner) = session.receive(side, "receiver").unwrap();
            assert_eq!(partner, Some("parcel"));
            assert_eq!(session.withdraw(sender), None);
        }
    }

    #[test]
    fn the_four_places_are_there_at_once_and_each_once() {
        let mut session = session(Instant::now());
        for side in [Side::Host, Side::Guest] {
            session.receive(side, "waits").unwrap();
            assert_eq!(session.receive(side, "second"), Err(Refused::ReceiverThere));
        }
        for side in [Side::Host, Side::Guest] {
            session.send(side).unwrap();
            assert_eq!(session.send(side), Err(Refused::SenderThere));
        }
    }

    #[test]
    fn a_place_is_free_at_once_when_its_holder_leaves_and_only_then() {
        let now = Instant::now();
        let mut session = session(now);
        let (first, _) = session.receive(Side::Guest, "first").unwrap();
        session.leave(first, now);
        let (second, _) = session.receive(Side::Guest, "second").unwrap();
        // The first says it twice, which frees nobody else's place.
        session.leave(first, now);
        assert_eq!(session.receive(Side::Guest, "third"), Err(Refused::ReceiverThere));
        session.leave(second, now);
        let sender = session.send(Side::Host).unwrap();
        assert_eq!(session.offer(sender, "parcel"), None);
        session.leave(sender, now);
        assert_eq!(session.receive(Side::Guest, "fourth").unwrap().1, None);
    }

    #[test]
    fn what_a_vanished_receiver_did_not_take_waits_for_the_next() {
        let now = Instant::now();
        let mut session = session(now);
        let (gone, _) = session.receive(Side::Guest, "gone").unwrap();
        let sender = session.send(Side::Host).unwrap();
        let (_, parcel) = session.offer(sender, "parcel").unwrap();
        assert_eq!(session.offer(sender, parcel), None);
        session.leave(gone, now);
        assert_eq!(session.receive(Side::Guest, "next").unwrap().1, Some("parcel"));
    }

    #[test]
    fn an_offer_that_was_taken_cannot_be_withdrawn() {
        let mut session = session(Instant::now());
        let sender = session.send(Side::Guest).unwrap();
        session.offer(sender, "parcel");
        assert_eq!(session.withdraw(sender), Some("parcel"));
        assert_eq!(session.withdraw(sender), None);
        assert_eq!(session.receive(Side::Host, "receiver").unwrap().1, None);
    }

    #[test]
    fn the_timer_stands_while_somebody_waits() {
        let start = Instant::now();
        let mut session = session(start);
        assert!(!session.is_over(start + HOUR - Duration::from_secs(1)));
        assert!(session.is_over(start + HOUR));
        let (ticket, _) = session.receive(Side::Guest, "waits").unwrap();
        assert!(!session.is_over(start + 5 * HOUR));
        session.leave(ticket, start + 5 * HOUR);
        assert!(!session.is_over(start + 6 * HOUR - Duration::from_secs(1)));
        assert!(session.is_over(start + 6 * HOUR));
        session.receive(Side::Guest, "waits").unwrap();
        assert!(!session.is_over(start + limits::SESSION_LONGEST - Duration::from_secs(1)));
        assert!(session.is_over(start + limits::SESSION_LONGEST));
    }

    #[test]
    fn lifetimes_are_cut_to_what_is_allowed() {
        for (asked, given) in [(0, 30), (29, 30), (31, 31), (90_000, 86_400)] {
            let session = Session::<(), ()>::new(
                Instant::now(),
                Duration::from_secs(asked),
                Permission::Anybody,
            );
            assert_eq!(session.lifetime(), Duration::from_secs(given));
        }
    }

    #[test]
    fn a_secure_session_is_for_one_address() {
        let now = Instant::now();
        let mut session = Session::<(), ()>::new(now, HOUR, Permission::Only(None));
        assert_eq!(session.check(Side::Guest, ip("192.0.2.7")), Err(Refused::NotPermitted));
        assert_eq!(session.check(Side::Host, ip("198.51.100.1")), Ok(()));
        session.permit(ip("::ffff:192.0.2.7")).unwrap();
        assert_eq!(session.check(Side::Guest, ip("192.0.2.7")), Ok(()));
        assert_eq!(session.check(Side::Guest, ip("192.0.2.8")), Err(Refused::NotPermitted));
        session.permit(ip("2001:db8::1")).unwrap();
        assert_eq!(session.check(Side::Guest, ip("192.0.2.7")), Err(Refused::NotPermitted));
        assert_eq!(session.check(Side::Guest, ip("2001:db8::1")), Ok(()));
        let mut basic = Session::<(), ()>::new(now, HOUR, Permission::Anybody);
        assert_eq!(basic.permit(ip("192.0.2.7")), Err(Refused::NotSecure));
        assert_eq!(basic.check(Side::Guest, ip("192.0.2.7")), Ok(()));
    }
}
