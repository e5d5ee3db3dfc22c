//! What holds whatever happens, in [`simulation`](super::simulation).

use proptest::{
    option,
    prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest},
    prop_assert, prop_assert_eq,
};

use super::{
    super::MAX_DATA,
    simulation::{Outcome, Plan, Side, Simulation, World},
};

/// How many days each property is tried on: seconds in all.
const CASES: u32 = 200;

/// Small ones, where every limit is met at once, and the real one.
fn windows() -> impl Strategy<Value = u32> {
    prop_oneof![4 => 1..64_u32, 4 => 64..4000_u32, 1 => Just(4 * MAX_DATA as u32)]
}

fn worlds() -> impl Strategy<Value = World> {
    let link = (1..=6_usize, 1..=20_u64, 1..=20_usize, any::<u64>());
    (windows(), 1..=200_usize, link).prop_map(|(window, buffer, (most, delay, batch, seed))| {
        World {
            window,
            // From a hundredth of the window to twice as much.
            send_buffer: (window as usize * buffer).div_ceil(100),
            most,
            delay,
            batch,
            dies: None,
            closes: None,
            seed,
        }
    })
}

/// A body of up to four windows, in hundredths of it.
fn sides(window: u32) -> impl Strategy<Value = Side> {
    let window = window as usize;
    let lengths = prop_oneof![2 => Just(0), 1 => Just(100), 4 => 1..=400_usize];
    let pieces = prop_oneof![1 => Just(100), 3 => 7..=150_usize];
    let asleep = prop_oneof![4 => Just(0), 1 => 1..=500_u64];
    (lengths, pieces, 1..=8_usize, asleep).prop_map(move |(length, piece, pace, asleep_until)| {
        Side {
            length: (window * length).div_ceil(100),
            piece: (window * piece).div_ceil(100),
            pace,
            asleep_until,
        }
    })
}

fn plans(window: u32) -> impl Strategy<Value = Plan> {
    let ends = || 0..=1_usize;
    let enough = option::weighted(0.2, 0..=2 * window as usize);
    let abort = option::weighted(0.25, (ends(), 1..=150_u64));
    (ends(), 0..=100_u64, (sides(window), sides(window)), any::<bool>(), enough, abort).prop_map(
        |(by, start, (request, response), early, enough, abort)| Plan {
            by,
            start,
            request,
            response,
            early,
            enough,
            abort,
        },
    )
}

fn days() -> impl Strategy<Value = (World, Vec<Plan>)> {
    worlds().prop_flat_map(|world| {
        let plans = proptest::collection::vec(plans(world.window), 1..12);
        (Just(world), plans)
    })
}

/// A transaction in which nobody sleeps and nobody leaves.
fn smooth(plan: Plan) -> Plan {
    let awake = |side: Side| Side { asleep_until: 0, ..side };
    let (request, response) = (awake(plan.request), awake(plan.response));
    Plan { request, response, enough: None, abort: None, ..plan }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    /// Every body arrives whole or its reader learns that it was cut; nothing stands still; in the
    /// end nothing is left.
    #[test]
    fn everything_arrives_or_is_cut((world, plans) in days()) {
        Simulation::new(&world, &plans).run();
    }

    /// Nothing is cut that nobody aborted.
    #[test]
    fn everything_arrives_when_nobody_aborts((world, plans) in days()) {
        let plans: Vec<Plan> = plans.into_iter().map(|plan| Plan { abort: None, ..plan }).collect();
        for outcome in Simulation::new(&world, &plans).run() {
            prop_assert!(matches!(outcome, Outcome::Complete(_)), "{:?}", outcome);
        }
    }

    /// An end that says bye finishes what is under way.
    #[test]
    fn bye_ends_in_order((world, plans) in days(), end in 0..=1_usize, time in 1..=150_u64) {
        let world = World { closes: Some((end, time)), ..world };
        Simulation::new(&world, &plans).run();
    }

    /// When the link dies both ends notice in time, and nothing short was taken for complete.
    #[test]
    fn a_dead_link_is_noticed((world, plans) in days(), time in 1..=300_u64) {
        let world = World { dies: Some(time), ..world };
        Simulation::new(&world, &plans).run();
    }

    /// Transactions whose readers sleep delay the others by what fits into their windows at most,
    /// and for no longer than that takes.
    #[test]
    fn who_sleeps_delays_nobody((world, plans) in days(), sleepers in 1..=4_usize) {
        let world = World { most: plans.len() + sleepers, ..world };
        let mut plans: Vec<Plan> = plans.into_iter().map(smooth).collect();
        let alone = Simulation::new(&world, &plans).run();
        let awake = plans.len();
        let window = world.window as usize;
        // An opening, a head, and a window in pieces, each way; the writer's own small buffer
        // cuts it into more of them. Behind each of them a message waits a step at most, and each
        // such wait can cost a turn on the wire there and back.
        let pieces = window.div_ceil(world.send_buffer.min(MAX_DATA)) + 3;
        let waits = (sleepers * pieces * 2).div_ceil(world.batch) as u64;
        let delayed = |time: u64| time + (waits + 4) * (2 * world.delay + 2);
        let times = alone.iter().map(|outcome| match outcome {
            Outcome::Complete(time) => *time,
            Outcome::Cut(_) | Outcome::NotOpened | Outcome::Lost => panic!("{outcome:?}"),
        });
        let times: Vec<u64> = times.collect();
        let night = times.iter().copied().map(delayed).max().unwrap_or_default() + 1;
        for sleeper in 0..sleepers {
            let side = Side { length: 3 * window, piece: window, pace: 1, asleep_until: night };
            plans.push(Plan {
                by: sleeper % 2,
                start: 0,
                request: side.clone(),
                response: side,
                early: true,
                enough: None,
                abort: None,
            });
        }
        let among = Simulation::new(&world, &plans).run();
        for (time, outcome) in times.iter().zip(&among[..awake]) {
            let in_time = matches!(outcome, Outcome::Complete(late) if *late <= delayed(*time));
            prop_assert!(in_time, "{} alone, {:?} among sleepers", time, outcome);
        }
        for outcome in &among[awake..] {
            prop_assert!(matches!(outcome, Outcome::Complete(time) if *time >= night));
        }
        prop_assert_eq!(among.len(), awake + sleepers);
    }
}
