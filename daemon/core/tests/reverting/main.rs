//! Random histories of commits, people, robots, crashes and troubles: what is taken back in Git, and what never is.
//!
//! Always (`World::is_right`, `World::is_reverted_once`, `World::is_nobody_elses`): a push is for the state of the branch that it was
//! planned for, touches what its environment reads and leads back to what was healthy; what others pushed stays; nothing is taken
//! back twice unless a person asks again, nor more often than the guard allows, by whichever process; nothing is pushed while a
//! person has suspended the environment, nor what another one runs or may run. Eventually (`World::is_settled`): it is done, or it
//! waits on a branch, or the status says why not.

mod daemon;
mod environment;
mod git;
mod world;

use plumb_core::rollback::Mode;
use proptest::prelude::*;
use world::{Deed, Trouble, World};

fn troubles() -> impl Strategy<Value = Trouble> {
    prop_oneof![
        Just(Trouble::StatusUnwritable),
        Just(Trouble::Protected),
        Just(Trouble::Down),
        Just(Trouble::Hindered),
        Just(Trouble::AnswersLost),
        Just(Trouble::Blind),
        Just(Trouble::Slow),
        Just(Trouble::NodeBroken),
    ]
}

/// What may come at any time.
fn deed() -> impl Strategy<Value = Deed> {
    let (on, content, of) = (0..4_usize, 0..6_u8, 0..2_usize);
    let modes = vec![Mode::Revert, Mode::Revert, Mode::Branch, Mode::Restore, Mode::None];
    let push = (on.clone(), content.clone());
    prop_oneof![
        6 => push.clone().prop_map(|(on, content)| Deed::Push(on, content, false)),
        1 => push.clone().prop_map(|(on, content)| Deed::Push(on, content, true)),
        2 => push.clone().prop_map(|(on, content)| Deed::Merge(on, content)),
        2 => Just(Deed::RevertNewest),
        1 => Just(Deed::MergeOwn),
        3 => (1..4_usize, prop::option::of(push)).prop_map(|(steps, then)| Deed::Rewind(steps, then)),
        1 => (on, content, 1..40_u32).prop_map(|(on, content, seconds)| Deed::Robot(on, content, seconds)),
        1 => of.clone().prop_map(Deed::Retry),
        1 => (of.clone(), 0..5_usize).prop_map(|(of, back)| Deed::ByHand(of, back)),
        2 => (of.clone(), 1..20_u32).prop_map(|(of, seconds)| Deed::Suspend(of, seconds)),
        1 => (of.clone(), prop::sample::select(modes)).prop_map(|(of, mode)| Deed::Ask(of, mode)),
        6 => (0..20_u32).prop_map(Deed::Crash),
        8 => (1..20_u32, troubles()).prop_map(|(seconds, trouble)| Deed::For(seconds, trouble)),
        2 => (of, 1..20_u32).prop_map(|(of, seconds)| Deed::Flap(of, seconds)),
        1 => (1..5_i64).prop_map(Deed::Wait),
    ]
}

/// A few chapters: something becomes healthy, something breaks, and much happens while it is taken back.
fn deeds() -> impl Strategy<Value = Vec<(u32, Deed)>> {
    let bad = (prop::sample::select(vec![0, 0, 0, 1, 2]), prop::sample::select(&[2_u8, 5][..]), 1..9_u32);
    let meanwhile = prop::collection::vec((0..4_u32, deed()), 0..7);
    let chapter = (0..3_usize, 0..2_u8, bad, meanwhile, (0..30_u32, 0..7_i64));
    let chapter = chapter.prop_map(|(on, good, (bad_on, bad, after), meanwhile, (rest, hours))| {
        let before = [(0, Deed::Push(on, good, false)), (6, Deed::Push(bad_on, bad, false)), (after, Deed::Wait(0))];
        before.into_iter().chain(meanwhile).chain([(rest, Deed::Wait(hours))]).collect::<Vec<_>>()
    });
    prop::collection::vec(chapter, 1..6).prop_map(|chapters| chapters.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, ..ProptestConfig::default() })]

    #[test]
    fn what_is_taken_back_is_taken_back_once_and_what_others_pushed_stays(layout in prop::sample::select(vec![0, 0, 1, 2, 2, 2]), deeds in deeds()) {
        let mut world = World::new(layout);
        world.run(5);
        for (seconds, deed) in deeds {
            world.run(seconds);
            world.meet(deed);
        }
        world.run_in_peace();
        world.is_settled();
    }
}

/// A healthy content of a path that nobody else reads, and then so many bad ones.
fn broken(world: &mut World, bad: &[u8]) {
    for content in [&[1], bad].concat() {
        world.meet(Deed::Push(0, content, false));
        world.run(15);
    }
}

#[test]
fn two_pushes_in_six_hours_are_all_however_often_the_process_dies() {
    let mut world = World::new(2);
    broken(&mut world, &[2, 5]);
    assert_eq!((world.landed(0), world.content(0)), (2, 1));
    world.meet(Deed::Crash(0));
    world.run(1);
    // Another content each time: nothing of it is in quarantine.
    for (content, hours, landed) in [(8, 0, 2), (11, 5, 2), (14, 1, 3)] {
        world.meet(Deed::Wait(hours));
        world.meet(Deed::Push(0, content, false));
        world.meet(Deed::Crash(7));
        world.run(60);
        assert_eq!(world.landed(0), landed, "{content}");
        world.is_settled();
    }
    assert_eq!(world.content(0), 1);
}

#[test]
fn killed_at_every_boundary_of_a_rollback_it_is_reverted_once() {
    let mut world = World::new(2);
    broken(&mut world, &[2]);
    assert_eq!((world.landed(0), world.content(0)), (1, 1), "undisturbed");
    for boundary in 0..120 {
        let mut world = World::new(2);
        broken(&mut world, &[]);
        world.meet(Deed::Push(0, 2, false));
        world.meet(Deed::Crash(boundary));
        world.run(60);
        assert_eq!((world.landed(0), world.content(0)), (1, 1), "{boundary}");
        world.is_settled();
    }
}

#[test]
fn a_push_that_was_raced_after_it_had_arrived_counts() {
    let mut world = World::new(2);
    broken(&mut world, &[]);
    world.meet(Deed::Push(0, 2, false));
    world.run(5);
    world.meet(Deed::For(8, Trouble::AnswersLost));
    world.meet(Deed::For(16, Trouble::Blind));
    world.run(8);
    assert_eq!((world.landed(0), world.content(0)), (1, 1), "it has arrived, and nobody knows");
    world.meet(Deed::Push(3, 1, false));
    world.run(10);
    broken(&mut world, &[2, 5]);
    assert_eq!(world.landed(0), 2);
    world.is_settled();
}

#[test]
fn who_takes_reverts_away_by_rewriting_history_is_not_fought() {
    let mut world = World::new(2);
    broken(&mut world, &[]);
    world.meet(Deed::Push(0, 2, false));
    world.run(5);
    world.meet(Deed::For(20, Trouble::Blind));
    world.run(8);
    assert_eq!(world.landed(0), 1);
    world.meet(Deed::Rewind(1, None));
    world.run_in_peace();
    assert_eq!((world.landed(0), world.content(0)), (0, 2), "what was taken away does not count");
    world.is_settled();
}
