//! Properties of acting plans out: complete, crash-safe, and foreign objects left alone throughout.

use plumb_core::{
    class::Class,
    object::ObjectKey,
    operation::{Effect, Failure, Operation, Outcome, Step},
    plan::Why,
};
use proptest::prelude::*;

use crate::{
    generate::{Weather, worlds},
    oracle,
    universe::ours,
    world::{Seen, World, is_ours, served},
};

/// Plans that it takes at most: one for each of the four waves, one that prunes, one that narrows, two that are empty; and
/// three more for objects that had to be gone, or healthy, before they, or what waits for them, could come.
const ROUNDS: usize = 11;

/// What happens to one effect.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Luck {
    Fine,
    /// It is refused.
    Refused,
    /// It is done, and the answer gets lost.
    AnswerLost,
}

/// How an operation is cut short.
#[derive(Debug, Clone)]
struct Cut {
    /// Effects that get an outcome before the process dies.
    after: usize,
    picks: Vec<usize>,
    luck: Vec<Luck>,
    /// Whether effects under way at the end are done all the same.
    landing: Vec<bool>,
    /// Whether what was confirmed is forgotten too, as in a killed process.
    amnesia: bool,
}

fn cuts() -> impl Strategy<Value = Cut> {
    let luck = prop_oneof![8 => Just(Luck::Fine), 1 => Just(Luck::Refused), 1 => Just(Luck::AnswerLost)];
    let luck = proptest::collection::vec(luck, 48);
    let picks = proptest::collection::vec(any::<usize>(), 48);
    (0..48_usize, picks, luck, proptest::collection::vec(any::<bool>(), 16), any::<bool>())
        .prop_map(|(after, picks, luck, landing, amnesia)| Cut { after, picks, luck, landing, amnesia })
}

/// Carries a plan out in full; returns whether there was nothing to do.
fn round(world: &mut World) -> Result<bool, TestCaseError> {
    let cut = Cut { after: usize::MAX, picks: vec![0], luck: vec![Luck::Fine], landing: vec![], amnesia: false };
    let empty = run(world, &cut)?;
    world.pass_time();
    Ok(empty)
}

/// Carries a plan out as far as `cut` lets it, checking after every effect what must always hold.
fn run(world: &mut World, cut: &Cut) -> Result<bool, TestCaseError> {
    let seen = world.look();
    let plan = world.plan(&seen);
    prop_assert_eq!(oracle::unsafe_prunes(world, &seen, &plan), Vec::<String>::new());
    prop_assert_eq!(oracle::out_of_order(world, &seen, &plan), Vec::<String>::new());
    prop_assert_eq!(oracle::unsafe_handovers(world, &seen, &plan), Vec::<String>::new());
    prop_assert_eq!(oracle::half_applied(world, &seen, &plan), Vec::<String>::new());
    let empty = plan.is_empty();
    world.memory.extend(plan.learned.clone());
    let mut operation = Operation::start(plan);
    let mut under_way: Vec<(u32, Effect)> = Vec::new();
    let mut count = 0;
    while let Step::Start(effects) = operation.poll() {
        under_way.extend(effects);
        if count >= cut.after {
            break;
        }
        let (id, effect) = under_way.swap_remove(cut.picks[count % cut.picks.len()] % under_way.len());
        let outcome = suffer(world, &effect, &seen, cut.luck[count % cut.luck.len()])?;
        operation.on(id, outcome);
        count += 1;
    }
    for ((_, effect), lands) in under_way.iter().zip(&cut.landing) {
        if *lands {
            suffer(world, effect, &seen, Luck::AnswerLost)?;
        }
    }
    if cut.amnesia {
        world.memory.clear();
    }
    Ok(empty)
}

fn suffer(world: &mut World, effect: &Effect, seen: &Seen, luck: Luck) -> Result<Outcome, TestCaseError> {
    let lost = Outcome::Failed(Failure { class: Class::Retry, message: "no answer".to_owned() });
    if luck == Luck::Refused {
        return Ok(lost);
    }
    let outcome = world.carry_out(effect, &seen.desired);
    prop_assert_eq!(world.forgotten(), Vec::<&ObjectKey>::new(), "after {:?}", effect);
    if luck == Luck::AnswerLost {
        return Ok(lost);
    }
    if outcome == Outcome::Done {
        world.remember(effect, &seen.desired);
    }
    Ok(outcome)
}

/// Expects empty plans after some rounds, and then a cluster that is as Git says wherever nothing is refused.
fn converges(world: &mut World) -> Result<(), TestCaseError> {
    let mut empty = 0;
    for _ in 0..ROUNDS {
        empty = if round(world)? { empty + 1 } else { 0 };
        // The first may only have waited for what time has brought since.
        if empty == 2 {
            break;
        }
    }
    let seen = world.look();
    let plan = world.plan(&seen);
    prop_assert!(empty == 2 && plan.is_empty(), "{:#?}", plan);
    // What a refused object of an earlier wave holds up waits as long as that one is refused.
    let waits = |key: &ObjectKey| {
        let applies = plan.all_applies().map(|apply| &apply.key);
        applies.chain(plan.all_prunes().map(|prune| &prune.key)).any(|waiting| waiting == key)
    };
    let left = |key: &ObjectKey| plan.drifts.iter().any(|drift| drift.key == *key && !drift.corrected);
    let barred = plan.refusals.iter().any(|refusal| matches!(refusal.why, Why::Transaction { .. }));
    let refused = |key: &ObjectKey| barred || waits(key) || left(key) || oracle::refuses(&plan, key);
    prop_assert!(plan.wait.as_ref().is_none_or(|wait| wait.stuck), "{:#?}", plan);
    for (key, object) in &world.cluster {
        let unwanted = is_ours(object) && !seen.desired.objects.contains_key(key) && !object.deleting;
        prop_assert!(!unwanted || refused(key), "{} is left", key);
    }
    for (key, desired) in &seen.desired.objects {
        let live = world.cluster.get(key).and_then(|object| object.owned.clone());
        prop_assert!(refused(key) || live == Some(served(&desired.manifest)), "{} is not as in Git", key);
    }
    Ok(())
}

/// Returns what is nobody's business of ours: objects without our label that are not desired.
fn foreign(world: &World) -> Vec<(ObjectKey, crate::world::Object)> {
    let seen = world.look();
    let ours = ours().applyset_id();
    let forced = world.cluster.values().any(|object| object.prune == plumb_core::live::PruneWish::Force);
    let objects = world.cluster.iter().filter(|(key, object)| {
        !forced && object.label.as_ref() != Some(&ours) && !seen.desired.objects.contains_key(*key)
    });
    objects.map(|(key, object)| (key.clone(), object.clone())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn acting_a_plan_out_leaves_nothing_to_plan(world in worlds(Weather::Calm)) {
        let mut world = world;
        let before = foreign(&world);
        converges(&mut world)?;
        for (key, object) in before {
            prop_assert_eq!(world.cluster.get(&key), Some(&object), "{}", key);
        }
    }

    #[test]
    fn an_operation_may_be_cut_anywhere(world in worlds(Weather::Calm), cuts in proptest::collection::vec(cuts(), 1..4)) {
        let mut world = world;
        let before = foreign(&world);
        for cut in &cuts {
            run(&mut world, cut)?;
        }
        world.pass_time();
        converges(&mut world)?;
        for (key, object) in before {
            prop_assert_eq!(world.cluster.get(&key), Some(&object), "{}", key);
        }
    }

    #[test]
    fn rough_worlds_stay_safe_round_after_round(world in worlds(Weather::Rough), cut in cuts()) {
        let mut world = world;
        // A lost record that no scan has replaced covers nothing that was there before.
        world.scanned |= world.recorded.is_none();
        let before = foreign(&world);
        run(&mut world, &cut)?;
        for _ in 0..2 {
            round(&mut world)?;
        }
        for (key, object) in before {
            prop_assert_eq!(world.cluster.get(&key), Some(&object), "{}", key);
        }
    }
}
