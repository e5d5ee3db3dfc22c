//! What holds whatever happens, in [`simulation`](super::simulation).

use proptest::{
    option,
    prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest},
    prop_assert,
};

use super::simulation::{Fault, Outcome, Plan, Simulation, World};

fn worlds() -> impl Strategy<Value = World> {
    let chunks = prop_oneof![Just(8_usize), 2..200_usize, 200..600_usize];
    (chunks, 1..=6000_usize, 1..=20_u64, any::<u64>()).prop_map(|(chunk, width, delay, seed)| {
        World { chunk, width: width.max(chunk / 4), delay, fault: None, seed }
    })
}

/// A body of up to three windows, in pieces from a crumb to more than a chunk.
fn bodies(chunk: usize) -> impl Strategy<Value = (usize, usize, u64)> {
    let lengths = prop_oneof![2 => Just(0), 4 => 1..=24 * chunk];
    let pieces = prop_oneof![1..=3_usize, 1..=4 * chunk];
    let asleep = prop_oneof![3 => Just(0), 1 => 1..=400_u64];
    // As many pieces as the steps of a simulation allow.
    (lengths, pieces, asleep)
        .prop_map(|(length, piece, asleep)| (length, piece.max(length / 300), asleep))
}

fn plans(chunk: usize) -> impl Strategy<Value = Plan> {
    let abort = option::weighted(0.3, (0..=1_usize, 1..=200_u64));
    (0..=1_usize, 1..=100_u64, [bodies(chunk), bodies(chunk)], abort)
        .prop_map(|(by, start, bodies, abort)| Plan { by, start, bodies, abort })
}

fn days() -> impl Strategy<Value = (World, Vec<Plan>)> {
    worlds().prop_flat_map(|world| {
        let plans = proptest::collection::vec(plans(world.chunk), 1..8);
        (Just(world), plans)
    })
}

fn faults() -> impl Strategy<Value = Fault> {
    prop_oneof![Just(Fault::Doubled), Just(Fault::Bounced)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Every body arrives whole or its reader learns that it was cut, credit never exceeds the window,
    /// and in the end nothing is left.
    #[test]
    fn everything_arrives_or_is_cut((world, plans) in days()) {
        let (outcomes, _) = Simulation::new(&world, &plans).run();
        for (outcome, plan) in outcomes.iter().zip(&plans) {
            prop_assert!(*outcome == Outcome::Complete || plan.abort.is_some());
        }
    }

    /// A stanza that is bounced or comes twice ends its own transaction and no other.
    #[test]
    fn a_fault_cuts_one_transaction(
        (world, plans) in days(), fault in faults(), at in 1..60_u64,
    ) {
        let world = World { fault: Some((fault, at)), ..world };
        let (outcomes, hit) = Simulation::new(&world, &plans).run();
        for (index, (outcome, plan)) in outcomes.iter().zip(&plans).enumerate() {
            let cut = plan.abort.is_some() || hit == Some(index);
            prop_assert!(*outcome == Outcome::Complete || cut);
        }
    }
}
