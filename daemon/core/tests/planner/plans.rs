//! Properties of one plan: deterministic, order-free, prune-safe, foreign-safe, ordered.

use std::collections::BTreeMap;

use plumb_core::{
    inventory::Inventory,
    object::ObjectKey,
    operation::{Effect, Operation, Outcome, Step},
    order::Rank,
    plan::{Plan, Why},
    wave::Wave,
};
use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};

use crate::{
    generate::{Weather, worlds},
    oracle,
    universe::ours,
    world::{World, is_ours},
};

/// Returns every object that a plan would write, now or when a wave is healthy.
fn touched(plan: &Plan) -> Vec<&ObjectKey> {
    plan.all_applies().map(|apply| &apply.key).chain(plan.all_prunes().map(|prune| &prune.key)).collect()
}

proptest! {
    #[test]
    fn equal_worlds_give_equal_plans_in_any_order_of_files(
        world in worlds(Weather::Rough),
        order in proptest::collection::vec(any::<u32>(), 32),
    ) {
        let seen = world.look();
        let plan = world.plan(&seen);
        prop_assert_eq!(&plan, &world.plan(&seen));
        let mut shuffled = world.clone();
        let mut numbered: Vec<_> = order.iter().zip(shuffled.manifests.drain(..)).collect();
        numbered.sort_by_key(|(number, _)| **number);
        shuffled.manifests = numbered.into_iter().map(|(_, manifest)| manifest).collect();
        prop_assert_eq!(&plan, &shuffled.plan(&shuffled.look()));
    }

    #[test]
    fn nothing_is_pruned_that_must_stay(world in worlds(Weather::Rough)) {
        let seen = world.look();
        let plan = world.plan(&seen);
        prop_assert_eq!(oracle::unsafe_prunes(&world, &seen, &plan), Vec::<String>::new());
        prop_assert_eq!(oracle::unsafe_handovers(&world, &seen, &plan), Vec::<String>::new());
    }

    #[test]
    fn a_wave_waits_for_the_one_before_and_prunes_for_all(world in worlds(Weather::Rough)) {
        let seen = world.look();
        let plan = world.plan(&seen);
        prop_assert_eq!(oracle::out_of_order(&world, &seen, &plan), Vec::<String>::new());
    }

    #[test]
    fn nothing_is_touched_that_is_neither_desired_nor_labelled_ours(world in worlds(Weather::Rough)) {
        let seen = world.look();
        let plan = world.plan(&seen);
        for key in touched(&plan) {
            let labelled = world.cluster.get(key).is_some_and(|object| object.label == Some(ours().applyset_id()));
            prop_assert!(seen.desired.objects.contains_key(key) || labelled, "{}", key);
            let ours = world.cluster.get(key).is_none_or(is_ours);
            let held = world.claims.get(key).is_some_and(|claim| claim.held.is_some());
            prop_assert!(!held && (ours || !world.claims.contains_key(key)), "{} is another environment's", key);
            prop_assert!(!world.unknown.contains(&key.group_kind()), "{} is unknown", key);
        }
    }

    #[test]
    fn every_object_has_exactly_one_verdict(world in worlds(Weather::Rough)) {
        let seen = world.look();
        let plan = world.plan(&seen);
        let mut verdicts: BTreeMap<&ObjectKey, usize> = BTreeMap::new();
        let left = plan.drifts.iter().filter(|drift| !drift.corrected).map(|drift| &drift.key);
        let given = plan.handovers.iter().map(|hand_over| &hand_over.key);
        // That it is contested is no verdict: the object is judged all the same.
        let judged = plan.refusals.iter().filter(|refusal| !refusal.why.is_note());
        let refused = judged.filter_map(|refusal| refusal.key.as_ref());
        for key in touched(&plan).into_iter().chain(given).chain(refused).chain(left) {
            *verdicts.entry(key).or_default() += 1;
        }
        prop_assert!(verdicts.values().all(|count| *count == 1), "{:?}", verdicts);
        let desired = verdicts.keys().filter(|key| seen.desired.objects.contains_key(**key)).count();
        // All or nothing: what is not written for the sake of others is counted only.
        let unwritten = plan.refusals.iter().map(|refusal| match refusal.why {
            Why::Transaction { writes } => writes,
            _ => 0,
        });
        let tried = plan.refusals.iter().filter(|refusal| matches!(refusal.why, Why::Tried { .. })).count();
        let unwritten = unwritten.sum::<usize>().saturating_sub(tried);
        if !world.policy.suspended {
            prop_assert_eq!(desired + plan.unchanged + unwritten, seen.desired.objects.len());
        }
    }

    #[test]
    fn effects_come_in_order(world in worlds(Weather::Calm), picks in proptest::collection::vec(any::<usize>(), 64)) {
        let plan = world.plan(&world.look());
        let widen = plan.widen.clone();
        let started = started(plan, &picks);
        let wave = |key: &ObjectKey| world.look().desired.objects[key].place.wave;
        let steps: Vec<_> = started.iter().map(|effect| step(effect, widen.as_ref(), wave)).collect();
        prop_assert!(steps.is_sorted(), "{:?}", started);
    }
}

/// Runs a plan in which everything succeeds, in this order of outcomes; returns the effects as they were started.
fn started(plan: Plan, picks: &[usize]) -> Vec<Effect> {
    let mut operation = Operation::start(plan);
    let (mut trace, mut under_way) = (Vec::new(), Vec::new());
    let mut picks = picks.iter().cycle();
    while let Step::Start(effects) = operation.poll() {
        for (id, effect) in effects {
            trace.push(effect);
            under_way.push(id);
        }
        let pick = picks.next().expect("a cycle") % under_way.len();
        operation.on(under_way.swap_remove(pick), Outcome::Done);
    }
    trace
}

/// Returns the place of an effect in an operation: widen, hand over, apply by wave and rank with definitions awaited, prune
/// by reversed rank, narrow.
fn step(effect: &Effect, widen: Option<&Inventory>, wave: impl Fn(&ObjectKey) -> Wave) -> (u8, Wave, u8) {
    let rank = |key: &ObjectKey| Rank::of(&key.group_kind()) as u8;
    match effect {
        Effect::Record(scope) if Some(scope) == widen => (0, Wave::default(), 0),
        Effect::Record(_) => (4, Wave::default(), 0),
        Effect::HandOver(_) => (1, Wave::default(), 0),
        Effect::Apply(apply) => (2, wave(&apply.key), 2 * rank(&apply.key)),
        Effect::Await(definition) => (2, wave(definition), 2 * rank(definition) + 1),
        Effect::Namespace(_) | Effect::Replace(_) => unreachable!("no world asks for it"),
        Effect::Prune(prune) => (3, Wave::default(), u8::MAX - rank(&prune.key)),
    }
}

/// The worlds are worth looking at: prunes, and every reason against one, are among them.
#[test]
fn worlds_hold_every_refusal_and_many_prunes() {
    let mut runner = TestRunner::deterministic();
    let mut refusals: BTreeMap<&'static str, usize> = BTreeMap::new();
    let mut prunes = 0;
    for _ in 0..600 {
        let world: World = worlds(Weather::Rough).new_tree(&mut runner).expect("a world").current();
        let plan = world.plan(&world.look());
        prunes += usize::from(plan.all_prunes().next().is_some());
        for refusal in plan.refusals {
            *refusals.entry(refusal.why.label()).or_default() += 1;
        }
    }
    assert!(prunes > 60, "{prunes} of 600 plans prune");
    let expected = [
        "Claimed",
        "Contested",
        "Deleting",
        "Emptied",
        "ForeignLabel",
        "HandingOver",
        "Holds",
        "HoldsOwn",
        "HoldsUnknown",
        "Incomplete",
        "Malformed",
        "Owned",
        "Powerless",
        "Protected",
        "PruneLimit",
        "PruneOff",
        "Suspended",
        "Transaction",
        "Tried",
        "Undecided",
        "Unknown",
        "Unrecorded",
    ];
    assert_eq!(refusals.keys().copied().collect::<Vec<_>>(), expected, "{refusals:?}");
}
