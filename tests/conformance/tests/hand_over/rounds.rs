//! What happens in which round.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use carriers::Carrier;
use futures_util::future::join_all;
use rand::{Rng as _, RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::process::Child;

use crate::programs::{Gateway, Owner, SOON};

/// How often somebody is killed at least and at most, and how long that goes on between the two.
const LEAST: usize = 6;
const MOST: usize = 60;
const PATIENCE: Duration = Duration::from_secs(15);

/// How much is handed over.
const SIZES: Range<usize> = 8 << 20..32 << 20;

/// How long to wait between two looks at a file that grows.
const LOOK: Duration = Duration::from_millis(1);

/// Set it to the seed that a failure names, to see the same rounds again.
const SEED: &str = "VERANDA_SEED";

/// Set it to see so many rounds, however long they take.
const ROUNDS: &str = "VERANDA_ROUNDS";

/// Each lane has programs of its own, and one of these after the other for its links.
const LANES: [&[Carrier]; 3] = [
    &[Carrier::Petrichor],
    &[Carrier::PtthHttp2],
    &[Carrier::PtthHttp1, Carrier::Taxi, Carrier::Poll],
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Victim {
    Gateway,
    Peer,
    Visitor,
}

/// What happens in a round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Begins the round's own random numbers.
    pub(crate) seed: u64,
    pub(crate) number: usize,
    #[expect(dead_code, reason = "a failure prints it")]
    pub(crate) carrier: Carrier,
    pub(crate) victim: Victim,
    pub(crate) size: usize,
    /// Somebody is killed when this much is on the disk.
    pub(crate) point: u64,
    /// How fast it goes, as curl understands it.
    pub(crate) rate: Option<&'static str>,
}

/// What came of a round: how much was on the disk and how much of it was told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) victim: Victim,
    pub(crate) had: u64,
    pub(crate) told: u64,
}

impl Plan {
    fn new(seed: u64, number: usize, carrier: Carrier) -> Self {
        let seed = seed.wrapping_add(number as u64);
        let mut random = StdRng::seed_from_u64(seed);
        let (turn, lane) = (number / LANES.len(), number % LANES.len());
        let victims = [Victim::Gateway, Victim::Peer, Victim::Visitor];
        let rates = [Some("20M"), Some("40M"), None];
        let size = random.random_range(SIZES);
        Self {
            seed,
            number,
            carrier,
            // So that each of them dies soon, and over each carrier, also where these take turns.
            victim: victims[(lane + turn + turn / victims.len()) % victims.len()],
            size,
            point: random.random_range(1..=size as u64 / 2),
            rate: rates[random.random_range(0..rates.len())],
        }
    }

    /// Returns what is handed over.
    pub(crate) fn content(&self) -> Vec<u8> {
        let mut content = vec![0; self.size];
        StdRng::seed_from_u64(self.seed).fill_bytes(&mut content);
        content
    }
}

/// An owner, her gateway, and a folder for the rest.
pub(crate) struct Lane {
    pub(crate) gateway: Gateway,
    pub(crate) owner: Owner,
    pub(crate) folder: tempfile::TempDir,
}

impl Lane {
    async fn start(carrier: Carrier) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let gateway = Gateway::start(folder.path().join("gateway")).await;
        let owner = Owner::new(folder.path().join("peer"), gateway.origin(), carrier);
        Self { gateway, owner, folder }
    }

    /// Kills who is to be killed when so much arrived; nobody when the visitor's program has ended before.
    pub(crate) async fn kill_in_time(
        &mut self,
        plan: Plan,
        arrived: impl Fn() -> u64,
        visitor: &mut Child,
    ) {
        let late = Instant::now() + SOON;
        while arrived() < plan.point {
            if visitor.try_wait().unwrap().is_some() {
                return;
            }
            assert!(Instant::now() < late, "{plan:?}: only {} came", arrived());
            tokio::time::sleep(LOOK).await;
        }
        match plan.victim {
            Victim::Gateway => self.gateway.kill().await,
            Victim::Peer => self.owner.kill().await,
            // It may just be done.
            Victim::Visitor => drop(visitor.kill().await),
        }
    }

    /// Ends a round in which all of it arrived, since nobody was killed in time or what was missing lay
    /// in the systems' buffers. The next one has new programs.
    pub(crate) async fn give_up(&mut self) -> Option<Seen> {
        *self = Self::start(self.owner.carrier).await;
        None
    }

    /// Starts again who was killed; a visitor comes again by herself.
    pub(crate) async fn revive(&mut self, victim: Victim) {
        match victim {
            Victim::Gateway => self.gateway.start_again().await,
            Victim::Peer => self.owner.run(),
            Victim::Visitor => {}
        }
    }
}

/// Runs rounds in lanes side by side, and prints what came of them.
pub(crate) async fn run(what: &str, round: impl AsyncFn(&mut Lane, Plan) -> Option<Seen>) {
    let wanted = |name| std::env::var(name).ok().map(|number| number.parse::<u64>().unwrap());
    let seed = wanted(SEED).unwrap_or_else(|| u64::from(rand::random::<u32>()));
    println!("{SEED}={seed}");
    let (rounds, began) = (wanted(ROUNDS), Instant::now());
    let goes_on = |number: usize| match rounds {
        Some(rounds) => (number as u64) < rounds,
        None => number < LEAST || (number < MOST && began.elapsed() < PATIENCE),
    };
    let lanes = LANES.iter().enumerate().map(async |(first, carriers)| {
        let mut lane = Lane::start(carriers[0]).await;
        let mut seen = Vec::new();
        let numbers = (first..).step_by(LANES.len()).take_while(|number| goes_on(*number));
        for (count, number) in numbers.enumerate() {
            let carrier = carriers[count % carriers.len()];
            lane.owner.carrier = carrier;
            let plan = Plan::new(seed, number, carrier);
            println!("{plan:?}");
            seen.extend(round(&mut lane, plan).await);
        }
        seen
    });
    let seen: Vec<Seen> = join_all(lanes).await.into_iter().flatten().collect();
    let killed = |victim| seen.iter().filter(move |seen| seen.victim == victim);
    let share = |victim| {
        let had: u64 = killed(victim).map(|seen| seen.had).sum();
        killed(victim).map(|seen| seen.told).sum::<u64>() * 100 / had.max(1)
    };
    assert!(!seen.is_empty(), "nobody was ever killed in time");
    println!(
        "{what}: {} gateways, {} peers and {} visitors were killed in {:.0} s; told were {} %, {} % and \
         {} % of what was there",
        killed(Victim::Gateway).count(),
        killed(Victim::Peer).count(),
        killed(Victim::Visitor).count(),
        began.elapsed().as_secs_f64(),
        share(Victim::Gateway),
        share(Victim::Peer),
        share(Victim::Visitor),
    );
}
