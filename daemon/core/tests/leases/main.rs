//! Leases among several replicas whose clocks, network and lives are as bad as they may be.
//!
//! Always: at most one replica may write for a shard, and never two that divide the work differently. Eventually: every
//! shard has an owner, and shares differ by one at most.

mod world;

use proptest::prelude::*;
use world::{Fault, World};

/// Milliseconds of trouble, and of the peace that follows: several durations of a lease, which are 6 s.
const TROUBLE: u64 = 40_000;
const PEACE: u64 = 40_000;

fn faults() -> impl Strategy<Value = Vec<(u64, usize, Fault)>> {
    let fault = prop_oneof![
        3 => (100..15_000_u64).prop_map(Fault::Pause),
        3 => (100..15_000_u64).prop_map(Fault::CutOff),
        2 => Just(Fault::Kill),
        1 => Just(Fault::Stop),
        1 => Just(Fault::DeleteLease),
    ];
    prop::collection::vec((0..TROUBLE, 0..4_usize, fault), 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn nobody_writes_beside_another_and_everything_has_an_owner_in_the_end(
        seed in any::<u64>(), replicas in 1..4_usize, count in 1..5_u32, faults in faults(),
    ) {
        let mut world = World::new(seed, &vec![count; replicas]);
        world.run(TROUBLE, &faults);
        // Whoever was killed or stopped has been started anew, under another name.
        world.run_in_peace(PEACE);
        let shares = world.shares();
        prop_assert_eq!(shares.iter().sum::<usize>(), count as usize, "{:?}", shares);
        let (least, most) = (shares.iter().min().unwrap(), shares.iter().max().unwrap());
        prop_assert!(most - least <= 1, "{:?}", shares);
        let before = world.terms();
        world.run_in_peace(PEACE);
        prop_assert_eq!(before, world.terms(), "nothing changes hands without a reason");
    }

    #[test]
    fn replicas_that_divide_the_work_differently_never_write_at_once(
        seed in any::<u64>(), counts in prop::collection::vec(1..4_u32, 2..4), faults in faults(),
    ) {
        let mut world = World::new(seed, &counts);
        world.run(TROUBLE, &faults);
        world.run_in_peace(PEACE);
        // Those who were first write; the others stand by.
        let shares = world.shares();
        let owned = shares.iter().sum::<usize>();
        prop_assert!(counts.contains(&u32::try_from(owned).unwrap()), "{:?} of {:?}", shares, counts);
    }
}
