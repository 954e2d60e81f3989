//! Properties of claims over all orders of commits, looks and passes: two or three environments, of one to three
//! repositories, among which files move.
//!
//! The law: what some environment has desired in the newest commit of its repository ever since the removal was pushed is
//! never deleted.

mod world;

use proptest::prelude::*;
use world::{Step, World, steps};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn no_order_of_commits_and_looks_deletes_what_the_newest_commits_desire(
        (repositories, steps) in (1..=3_usize).prop_flat_map(|count| (Just(count), steps(count)))
    ) {
        let mut world = World::new(repositories);
        for step in &steps {
            world.take(step)?;
        }
        // Once nothing is pushed any more, everything ends: nobody waits for ever.
        world.settle()?;
    }
}

#[test]
fn a_move_between_repositories_is_a_move_if_the_addition_is_pushed_first() {
    let mut world = World::new(2);
    let x = [0].into();
    let play = |world: &mut World, steps: &[Step]| steps.iter().for_each(|step| world.take(step).expect("the law"));
    play(&mut world, &[Step::Push { environment: 0, desired: x }]);
    world.settle().expect("the law");
    assert_eq!(world.owner(0), Some(0));
    // The addition in the other repository, then the removal; only the removal is seen, and its environment passes at once.
    let (added, removed) = ([0].into(), [].into());
    play(&mut world, &[Step::Push { environment: 1, desired: added }, Step::Push { environment: 0, desired: removed }]);
    play(&mut world, &[Step::Begin { repository: 0 }, Step::End { repository: 0 }, Step::Pass { environment: 0 }]);
    assert_eq!(world.owner(0), Some(0), "it is kept until the other repository was looked at");
    world.settle().expect("the law");
    assert_eq!(world.owner(0), Some(1), "and then it is handed over");
}
