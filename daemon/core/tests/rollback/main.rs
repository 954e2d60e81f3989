//! Random histories of commits, failures, crashes and people: what is rolled back, and what never is.
//!
//! Always: what is in quarantine is not applied, a commit is rolled back once at most unless a person asks for it again, only what
//! is broken is rolled back, and only to what was healthy. Eventually: a broken commit is rolled back or it is said why not.

mod world;

use proptest::prelude::*;
use world::{Deed, World};

fn deeds() -> impl Strategy<Value = Vec<(u32, Deed)>> {
    let deed = prop_oneof![
        6 => (0..6_u8).prop_map(Deed::Push),
        1 => (0..6_u8).prop_map(Deed::PushWithTrailer),
        1 => Just(Deed::Retry),
        3 => Just(Deed::Crash),
        2 => (1..20_u32).prop_map(Deed::FailStatusWrites),
        2 => (1..40_u32).prop_map(Deed::BreakNode),
        1 => (1..40_u32).prop_map(Deed::Suspend),
        1 => Just(Deed::ChangeSpec),
        1 => (1..40_u32).prop_map(Deed::BreakAnother),
    ];
    prop::collection::vec((1..60_u32, deed), 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_rolled_back_but_what_is_broken_and_nothing_comes_again_by_itself(
        deeds in deeds(), observe in 0..30_u64,
    ) {
        let mut world = World::new(observe);
        for (seconds, deed) in deeds {
            world.run(seconds);
            world.meet(deed);
        }
        world.run_in_peace();
        world.is_settled();
    }

    #[test]
    fn a_broken_commit_after_a_healthy_one_is_rolled_back_once(crashes in prop::collection::vec(1..30_u32, 0..6)) {
        let mut world = World::new(0);
        world.meet(Deed::Push(0));
        world.run(60);
        world.meet(Deed::Push(2));
        for seconds in crashes {
            world.run(seconds);
            world.meet(Deed::Crash);
        }
        world.run_in_peace();
        prop_assert_eq!(world.rollbacks(), 1);
        prop_assert_eq!(world.in_force(), Some(0));
    }

    #[test]
    fn a_rollback_that_could_not_be_written_down_is_made_later(outages in prop::collection::vec((1..30_u32, 1..40_u32), 0..6)) {
        let mut world = World::new(0);
        world.meet(Deed::Push(0));
        world.run(60);
        world.meet(Deed::Push(2));
        for (seconds, unwritable) in outages {
            world.run(seconds);
            world.meet(Deed::FailStatusWrites(unwritable));
        }
        world.run_in_peace();
        prop_assert_eq!(world.rollbacks(), 1);
        prop_assert_eq!(world.in_force(), Some(0));
    }
}

#[test]
fn what_comes_during_an_outage_has_its_time_when_the_outage_is_over() {
    let mut world = World::new(0);
    world.meet(Deed::Push(0));
    world.run(5);
    world.meet(Deed::Push(1));
    world.run(1);
    world.meet(Deed::BreakNode(26));
    world.run(24);
    world.meet(Deed::Push(3));
    world.run(2);
    world.meet(Deed::Push(4));
    world.run_in_peace();
    assert_eq!((world.rollbacks(), world.in_force()), (0, Some(4)));
    world.is_settled();
}
