//! The ladder: by which carrier a gateway is reached.
//!
//! Networks differ in what they let through. The peer tries the carriers from the best to the one
//! that passes everywhere, takes the first that works, and remembers it for this gateway and this
//! network. On a lower rung it looks now and then whether a better one works by now.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use carriers::{Carrier, DialError};
use crosstalk::{address::GatewayAddress, registry::Reason};
use http::StatusCode;

use super::network;
use crate::{
    model::{Missed, Obstacle},
    store::StoredRung,
};

/// How soon a better carrier is tried again for the first time.
const FIRST_LOOK_UP: Duration = Duration::from_secs(2 * 60);

/// How long the waits between such tries become, doubling.
const LAST_LOOK_UP: Duration = Duration::from_secs(60 * 60);

/// How many networks and gateways are remembered; beyond that the oldest are forgotten.
pub(crate) const MAX_REMEMBERED: usize = 200;

/// What worked where. Cheap to clone; all clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory(Arc<Mutex<HashMap<(String, String), Carrier>>>);

impl Memory {
    /// Takes what was kept.
    pub(crate) fn new(stored: Vec<StoredRung>) -> Self {
        let entries = stored.into_iter().map(|rung| ((rung.network, rung.gateway), rung.carrier));
        Self(Arc::new(Mutex::new(entries.collect())))
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<(String, String), Carrier>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The ladder to one gateway.
pub(super) struct Ladder {
    gateway: GatewayAddress,
    rungs: Vec<Carrier>,
    memory: Memory,
    network: String,
    /// Where the next climb begins.
    first: usize,
    missed: Vec<Missed>,
    /// How long to wait before the carriers above are tried again.
    next_look: Duration,
}

impl Ladder {
    /// Begins at the foot of it; `only` makes it a ladder of one rung, as does an address at which
    /// only Petrichor is spoken, or the gateway's account.
    pub(super) fn new(gateway: &GatewayAddress, only: Option<Carrier>, memory: Memory) -> Self {
        let only = if gateway.is_petrichor() {
            Some(Carrier::Petrichor)
        } else if gateway.xmpp().is_some() {
            Some(Carrier::Xmpp)
        } else {
            only
        };
        let mut ladder = Self {
            gateway: gateway.clone(),
            rungs: only.map_or_else(|| Carrier::LADDER.to_vec(), |only| vec![only]),
            memory,
            network: String::new(),
            first: 0,
            missed: Vec::new(),
            next_look: FIRST_LOOK_UP,
        };
        ladder.begin();
        ladder
    }

    /// Returns the carriers to try now, in this order: from the one that worked here the last time
    /// downwards, then those above it.
    pub(super) fn climb(&mut self) -> Vec<Carrier> {
        self.begin();
        let (above, below) = self.rungs.split_at(self.first);
        [below, above].concat()
    }

    /// Returns the carriers that are better than this one, the best first.
    pub(super) fn above(&self, carrier: Carrier) -> &[Carrier] {
        let rung = self.rungs.iter().position(|rung| *rung == carrier).unwrap_or(0);
        &self.rungs[..rung]
    }

    /// Notes that a carrier did not work, and why.
    pub(super) fn miss(&mut self, carrier: Carrier, obstacle: Obstacle) {
        self.missed.retain(|missed| missed.carrier != carrier);
        self.missed.push(Missed { carrier, obstacle, at: SystemTime::now() });
    }

    /// Notes that a carrier works; returns what has to be kept if that is news.
    pub(super) fn reach(&mut self, carrier: Carrier) -> Option<StoredRung> {
        self.first = self.rungs.iter().position(|rung| *rung == carrier).unwrap_or(0);
        self.missed.retain(|missed| missed.carrier != carrier);
        let key = (self.network.clone(), self.gateway.origin());
        let before = self.memory.entries().insert(key, carrier);
        (before != Some(carrier)).then(|| StoredRung {
            network: self.network.clone(),
            gateway: self.gateway.origin(),
            carrier,
        })
    }

    /// Notes that a link by this carrier came up and was of no use: the next climb begins below it,
    /// at a carrier of which nothing bad is known if there is one. What lets a carrier begin and
    /// then passes nothing on does so again, so the next look up comes later.
    pub(super) fn fall(&mut self, carrier: Carrier, obstacle: Obstacle) {
        self.miss(carrier, obstacle);
        let rung = self.rungs.iter().position(|rung| *rung == carrier).unwrap_or(0);
        let is_missed = |rung: &Carrier| self.missed.iter().any(|missed| missed.carrier == *rung);
        let below = self.rungs.iter().skip(rung + 1).position(|rung| !is_missed(rung));
        self.first = (rung + 1 + below.unwrap_or(0)) % self.rungs.len();
        self.look_later();
    }

    /// Returns how long to wait before the carriers above the one in use are tried.
    pub(super) fn next_look(&self) -> Duration {
        self.next_look
    }

    /// Notes that looking up was in vain.
    pub(super) fn look_later(&mut self) {
        self.next_look = (self.next_look * 2).min(LAST_LOOK_UP);
    }

    /// Notes that a link was of use until it ended.
    pub(super) fn served(&mut self) {
        self.next_look = FIRST_LOOK_UP;
    }

    /// Returns why the carriers above this one are not used, the best first.
    pub(super) fn why_not_better(&self, carrier: Carrier) -> Vec<Missed> {
        let of = |rung: &Carrier| self.missed.iter().find(|missed| missed.carrier == *rung);
        self.above(carrier).iter().filter_map(of).cloned().collect()
    }

    /// In another network other carriers work.
    fn begin(&mut self) {
        let network = network::here(&self.gateway);
        if network == self.network {
            return;
        }
        self.network = network;
        self.missed.clear();
        self.next_look = FIRST_LOOK_UP;
        let remembered =
            self.memory.entries().get(&(self.network.clone(), self.gateway.origin())).copied();
        let rung =
            remembered.and_then(|carrier| self.rungs.iter().position(|rung| *rung == carrier));
        self.first = rung.unwrap_or(0);
    }
}

/// Returns whether another carrier may work where this one failed so. Who is told no as a person,
/// or reaches nobody at all, need not try another way.
pub(super) fn may_work_otherwise(error: &DialError) -> bool {
    match error {
        DialError::NotAGateway | DialError::TimedOut | DialError::Unreachable(_) => true,
        DialError::Refused { status, refused, .. } => {
            let about_us = matches!(
                refused.reason,
                Reason::NotAdmitted | Reason::ProofMissing | Reason::ProofRefused | Reason::Taken
            );
            // Without a reason it was something on the way that said so.
            let busy = refused.reason != Reason::Unknown
                && matches!(
                    *status,
                    StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS
                );
            !about_us && !busy
        }
        DialError::Account(_)
        | DialError::Certificate(_)
        | DialError::Moved(_)
        | DialError::NoAccount => false,
    }
}

/// Returns what was in the way of a carrier.
pub(super) fn obstacle(error: &DialError) -> Obstacle {
    match error {
        DialError::Certificate(_) | DialError::Unreachable(_) => Obstacle::Cut,
        DialError::Account(_)
        | DialError::Moved(_)
        | DialError::NoAccount
        | DialError::NotAGateway => Obstacle::Blocked,
        DialError::Refused { refused, .. } if refused.reason == Reason::UpgradeRequired => {
            Obstacle::Blocked
        }
        DialError::Refused { refused, .. } => {
            Obstacle::Refused(crate::registry::printable(&refused.sentence))
        }
        DialError::TimedOut => Obstacle::NoAnswer,
    }
}

#[cfg(test)]
mod tests {
    use crosstalk::registry::Refused;

    use super::*;

    fn ladder(memory: &Memory) -> Ladder {
        let gateway = GatewayAddress::parse("http://localhost:1").unwrap();
        Ladder::new(&gateway, None, memory.clone())
    }

    #[test]
    fn the_best_is_tried_first_and_what_worked_is_remembered() {
        let memory = Memory::default();
        let mut first = ladder(&memory);
        assert_eq!(first.climb(), Carrier::LADDER);
        let kept = first.reach(Carrier::Taxi).unwrap();
        assert_eq!((kept.network.as_str(), kept.carrier), ("this computer", Carrier::Taxi));
        assert_eq!(first.reach(Carrier::Taxi), None, "it is no news");
        let again = ladder(&Memory::new(vec![kept])).climb();
        assert_eq!(again[..2], [Carrier::Taxi, Carrier::Poll]);
        assert_eq!(again[2..], Carrier::LADDER[..3]);
    }

    #[test]
    fn where_only_one_is_spoken_nothing_else_is_tried() {
        for (address, carrier) in [
            ("petrichor+tcp://localhost:1", Carrier::Petrichor),
            ("xmpp:gateway@chat.example", Carrier::Xmpp),
        ] {
            let gateway = GatewayAddress::parse(address).unwrap();
            for only in [None, Some(Carrier::Taxi)] {
                let mut ladder = Ladder::new(&gateway, only, Memory::default());
                assert_eq!(ladder.climb(), [carrier]);
                assert!(ladder.above(carrier).is_empty());
                ladder.fall(carrier, Obstacle::Silent);
                assert_eq!(ladder.climb(), [carrier]);
            }
        }
    }

    #[test]
    fn a_link_of_no_use_leads_further_down_and_from_the_bottom_to_the_top() {
        let mut ladder = ladder(&Memory::default());
        ladder.fall(Carrier::Petrichor, Obstacle::Cut);
        assert_eq!(ladder.climb()[0], Carrier::PtthHttp2);
        ladder.fall(Carrier::Poll, Obstacle::Cut);
        assert_eq!(ladder.climb()[0], Carrier::Petrichor);
    }

    /// A proxy may let a better carrier begin each time and then pass nothing on.
    #[test]
    fn what_falls_again_and_again_leads_back_to_what_works_and_is_tried_less_often() {
        let mut ladder = ladder(&Memory::default());
        let (worst, better) = Carrier::LADDER.split_last().unwrap();
        for carrier in better {
            ladder.fall(*carrier, Obstacle::Silent);
        }
        assert_eq!(ladder.climb()[0], *worst);
        ladder.reach(*worst);
        let mut before = ladder.next_look();
        for _ in 0..10 {
            ladder.reach(Carrier::Petrichor);
            ladder.fall(Carrier::Petrichor, Obstacle::Silent);
            assert_eq!(ladder.climb()[0], *worst, "the others are known to be of no use");
            ladder.reach(*worst);
            assert!(ladder.next_look() >= (before * 2).min(LAST_LOOK_UP));
            before = ladder.next_look();
        }
        assert_eq!(before, LAST_LOOK_UP);
        ladder.network = "another".to_owned();
        ladder.climb();
        assert_eq!(ladder.next_look(), FIRST_LOOK_UP);
    }

    #[test]
    fn the_owner_reads_why_not_better() {
        let mut ladder = ladder(&Memory::default());
        ladder.miss(Carrier::PtthHttp2, obstacle(&DialError::TimedOut));
        ladder.miss(Carrier::Petrichor, obstacle(&DialError::NotAGateway));
        ladder.miss(Carrier::Poll, obstacle(&DialError::NotAGateway));
        ladder.reach(Carrier::PtthHttp1);
        let missed = ladder.why_not_better(Carrier::PtthHttp1);
        let carriers: Vec<_> = missed.iter().map(|missed| missed.carrier).collect();
        assert_eq!(carriers, [Carrier::Petrichor, Carrier::PtthHttp2]);
        assert_eq!(missed[1].obstacle, Obstacle::NoAnswer);
        ladder.reach(Carrier::Petrichor);
        assert!(ladder.why_not_better(Carrier::Petrichor).is_empty());
    }

    #[test]
    fn only_what_is_about_the_way_leads_to_another_way() {
        let refused = |status, reason| DialError::Refused {
            status,
            refused: Refused { reason, sentence: String::new() },
            retry_after: None,
        };
        for (error, expected) in [
            (DialError::NotAGateway, true),
            (DialError::TimedOut, true),
            (refused(StatusCode::UPGRADE_REQUIRED, Reason::UpgradeRequired), true),
            (refused(StatusCode::BAD_GATEWAY, Reason::Busy), true),
            (refused(StatusCode::NOT_FOUND, Reason::NotFound), true),
            (refused(StatusCode::FORBIDDEN, Reason::Unknown), true),
            (refused(StatusCode::SERVICE_UNAVAILABLE, Reason::Unknown), true),
            (refused(StatusCode::FORBIDDEN, Reason::NotAdmitted), false),
            (refused(StatusCode::CONFLICT, Reason::Taken), false),
            (refused(StatusCode::SERVICE_UNAVAILABLE, Reason::Busy), false),
            (DialError::Certificate(std::io::Error::other("x")), false),
        ] {
            assert_eq!(may_work_otherwise(&error), expected, "{error}");
        }
    }
}
