//! Random histories of commits, people, runs and troubles: what is built, how often, and what is removed.
//!
//! Always (`World::may_begin`, `World::may_remove`, `World::may_cancel`, `Ledger`): one number is of one commit, in whichever process;
//! the branch leads to one attempt for each change; no more runs are under way than may be; nothing is removed that is under way,
//! is the newest success, or whose end the status does not know; each fact is told once. Eventually (`World::is_settled`): what the
//! branch has last is built, or was passed over, or gave way; nothing waits, and another plan has nothing to say.

mod branch;
mod cluster;
mod daemon;
mod ledger;
mod world;

use plumb_core::trigger::{rules::Supersede, run::Outcome};
use proptest::prelude::*;
use world::{Deed, Trouble, World};

fn troubles() -> impl Strategy<Value = Trouble> {
    prop_oneof![
        2 => Just(Trouble::StatusUnwritable),
        2 => Just(Trouble::StatusAnswersLost),
        3 => Just(Trouble::Refusing),
        2 => Just(Trouble::AnswersLost),
        2 => Just(Trouble::Slow),
        3 => Just(Trouble::Lagging),
        1 => Just(Trouble::Unsynced),
        1 => Just(Trouble::Unreadable),
        1 => Just(Trouble::Suspended),
        1 => Just(Trouble::NoRoom),
    ]
}

fn deed() -> impl Strategy<Value = Deed> {
    let (of, content) = (0..2_usize, 0..3_u8);
    let outcomes = prop::sample::select(vec![
        Outcome::Succeeded,
        Outcome::Succeeded,
        Outcome::Failed,
        Outcome::Misconfigured,
        Outcome::Infrastructure,
    ]);
    let supersede = prop::sample::select(vec![Supersede::None, Supersede::DropQueued, Supersede::CancelRunning]);
    prop_oneof![
        10 => (of.clone(), content.clone(), prop::bool::weighted(0.15)).prop_map(|(of, content, skip)| Deed::Push(of, content, skip)),
        2 => (of.clone(), content).prop_map(|(of, content)| Deed::PushOwn(of, content)),
        3 => (1..4_usize).prop_map(Deed::Rewind),
        3 => (prop::option::of(of.clone()), 0..4_usize).prop_map(|(of, back)| Deed::Ask(of, back)),
        2 => (0..4_usize).prop_map(Deed::Delete),
        2 => (0..4_usize).prop_map(Deed::Cancel),
        2 => (of, prop::bool::ANY).prop_map(|(of, is_component)| Deed::Component(of, is_component)),
        4 => (1..12_i64, outcomes).prop_map(|(seconds, outcome)| Deed::Fate(seconds, outcome)),
        1 => (1..4_usize, supersede).prop_map(|(limit, supersede)| Deed::Rules(limit, supersede)),
        5 => (0..12_u32).prop_map(Deed::Crash),
        8 => (1..10_u32, troubles()).prop_map(|(seconds, trouble)| Deed::For(seconds, trouble)),
        1 => (1..60_i64).prop_map(Deed::Wait),
    ]
}

fn deeds() -> impl Strategy<Value = Vec<(u32, Deed)>> {
    prop::collection::vec((prop::sample::select(vec![0_u32, 0, 1, 1, 2, 4, 9]), deed()), 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_change_is_built_once_or_gives_way_and_nothing_is_removed_too_early(
        limit in 1..4_usize,
        supersede in prop::sample::select(vec![Supersede::None, Supersede::DropQueued, Supersede::CancelRunning]),
        skips in prop::bool::weighted(0.2),
        deeds in deeds(),
    ) {
        let mut world = World::new(limit, supersede, skips);
        for (seconds, deed) in deeds {
            world.run(seconds);
            world.meet(deed);
        }
        world.run_in_peace();
        world.is_settled();
    }
}

#[test]
fn killed_at_every_boundary_of_a_build_it_is_built_once() {
    for supersede in [Supersede::None, Supersede::DropQueued, Supersede::CancelRunning] {
        for boundary in 0..24 {
            let mut world = World::new(1, supersede, false);
            world.run(5);
            let before = world.built(0);
            world.meet(Deed::Push(0, 1, false));
            world.meet(Deed::Crash(boundary));
            world.run(2);
            world.meet(Deed::Push(1, 2, false));
            world.run_in_peace();
            world.is_settled();
            assert_eq!(world.built(0), before + 1, "{supersede:?} {boundary}");
        }
    }
}

#[test]
fn a_run_that_can_not_be_created_is_created_later_though_the_head_has_moved_on() {
    for supersede in [Supersede::None, Supersede::DropQueued, Supersede::CancelRunning] {
        let mut world = World::new(1, supersede, false);
        world.run(20);
        let before = world.built(0);
        world.meet(Deed::For(6, Trouble::Refusing));
        world.meet(Deed::Push(0, 1, false));
        world.run(3);
        world.meet(Deed::Push(0, 2, false));
        world.run_in_peace();
        world.is_settled();
        assert_eq!(world.built(0), before + 2, "{supersede:?}");
    }
}

#[test]
fn what_is_cancelled_for_a_newer_commit_is_built_again_if_the_branch_comes_back() {
    let mut world = World::new(1, Supersede::CancelRunning, false);
    world.run(20);
    let before = world.built(0);
    world.meet(Deed::Fate(30, Outcome::Succeeded));
    world.meet(Deed::Push(0, 1, false));
    world.run(5);
    world.meet(Deed::Push(0, 2, false));
    world.run(1);
    world.meet(Deed::Rewind(1));
    world.run_in_peace();
    world.is_settled();
    assert!(world.built(0) > before + 1, "its first run was ended");
}

#[test]
fn years_of_builds_leave_what_history_asks_for() {
    let mut world = World::new(2, Supersede::DropQueued, false);
    for round in 0..30_u8 {
        let outcome = if round % 3 == 0 { Outcome::Failed } else { Outcome::Succeeded };
        world.meet(Deed::Fate(2, outcome));
        world.meet(Deed::Push(0, round % 5, false));
        world.run(8);
    }
    world.run_in_peace();
    world.is_settled();
}
