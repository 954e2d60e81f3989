//! What a plan may prune and when it may write, said a second time and from the world's side: every guard as a question to
//! the cluster.

use plumb_core::{
    desired::DesiredObject,
    live::PruneWish,
    object::ObjectKey,
    plan::{Apply, Plan, Reason},
    policy::{OnError, PRUNE_LIMIT_FREE},
};

use crate::{
    universe::{commit, holds, is_definition, is_namespace},
    world::{Object, Seen, World, is_ours, served},
};

/// Returns everything that a plan writes because of a commit, or prunes, while an earlier wave is not applied and healthy.
pub(crate) fn out_of_order(world: &World, seen: &Seen, plan: &Plan) -> Vec<String> {
    let pending = plan.applies.values().flatten().filter(|apply| apply.reason != Reason::Correct);
    let pending: Vec<&ObjectKey> = pending.map(|apply| &apply.key).collect();
    let open: Vec<&DesiredObject> = seen
        .desired
        .objects
        .values()
        .filter(|object| !is_done(world, object) || pending.contains(&&object.key))
        .collect();
    let before = |first: &DesiredObject, then: &DesiredObject| first.place.wave < then.place.wave;
    // All or nothing: what others stand on goes first, whatever its wave.
    let founds =
        |key: &ObjectKey| world.policy.on_error == OnError::Transactional && (is_namespace(key) || is_definition(key));
    let written = pending.iter().filter(|key| !founds(key)).map(|key| &seen.desired.objects[*key]);
    let early = written
        .flat_map(|object| open.iter().filter(move |first| before(first, object)).map(move |first| (first, object)));
    let early = early.map(|(first, object)| format!("{} is written before {}", object.key, first.key));
    let pruned = plan.prunes.iter().flat_map(|(_, prunes)| prunes).filter(|_| !open.is_empty());
    early.chain(pruned.map(|prune| format!("{} is pruned before {}", prune.key, open[0].key))).collect()
}

/// Returns everything that a plan writes or prunes of a commit that is applied as a whole or not at all, although something
/// of it is refused.
pub(crate) fn half_applied(world: &World, seen: &Seen, plan: &Plan) -> Vec<String> {
    if world.policy.on_error == OnError::Partial {
        return Vec::new();
    }
    let commit = |apply: &&Apply| apply.reason != Reason::Correct;
    let written: Vec<&ObjectKey> = plan.applies.values().flatten().filter(commit).map(|apply| &apply.key).collect();
    let ground = |key: &ObjectKey| written.iter().any(|written| holds(written, key));
    let refused = seen.desired.objects.keys().find(|key| {
        let told = refuses(plan, key);
        let wanted = plan.all_applies().filter(commit).any(|apply| apply.key == **key);
        told || wanted && !ground(key) && !world.would_take(key, &seen.desired)
    });
    let problem = seen.desired.problems.first().map(ToString::to_string);
    let Some(why) = refused.map(ToString::to_string).or(problem) else { return Vec::new() };
    let pruned = plan.prunes.iter().flat_map(|(_, prunes)| prunes).map(|prune| &prune.key);
    written.into_iter().chain(pruned).map(|key| format!("{key} is written although {why} is refused")).collect()
}

/// Returns whether an object is there, healthy and as Git says, but for what was done to it since it was applied.
fn is_done(world: &World, desired: &DesiredObject) -> bool {
    let remembered = world.memory.get(&desired.key).is_some_and(|applied| applied.manifest == desired.fingerprint);
    world.cluster.get(&desired.key).is_some_and(|object| {
        let as_in_git = object.owned.as_ref() == Some(&served(&desired.manifest));
        // What others desire too is this environment's as long as it owns it.
        let free = !world.claims.contains_key(&desired.key) || is_ours(object) && object.claimants.is_empty();
        let known = !world.unknown.contains(&desired.key.group_kind()) && free;
        let labelled = object.label.as_ref() == Some(&crate::universe::ours().applyset_id());
        (as_in_git || remembered || world.settled) && known && labelled && object.healthy && !object.deleting
    })
}

/// Returns every prune that must not be, with the reason.
pub(crate) fn unsafe_prunes(world: &World, seen: &Seen, plan: &Plan) -> Vec<String> {
    let prunes: Vec<_> = plan.prunes.iter().flat_map(|(_, prunes)| prunes).collect();
    let going: Vec<&ObjectKey> = prunes.iter().map(|prune| &prune.key).collect();
    let mut found = Vec::new();
    for prune in &prunes {
        let mut must = |holds: bool, what: &str| {
            if !holds {
                found.push(format!("{}: {what}", prune.key));
            }
        };
        let Some(object) = world.cluster.get(&prune.key) else {
            must(false, "it is not there");
            continue;
        };
        must(is_ours(object), "our manager did not label it");
        must(!seen.desired.objects.contains_key(&prune.key), "it is desired");
        must(object.uid.to_string() == prune.uid, "the precondition names another object");
        must(object.version.to_string() == prune.resource_version, "the precondition names another state");
        must(object.owners.is_empty(), "something else owns it");
        must(object.claimants.is_empty(), "another environment owns fields of it");
        must(matches!(object.prune, PruneWish::Usual | PruneWish::Force), "its annotation protects it");
        must(!object.deleting, "it is being deleted already");
        must(!world.claims.contains_key(&prune.key), "another environment desires it");
        must(!world.unknown.contains(&prune.key.group_kind()), "its kind is unknown");
        for (key, held) in world.cluster.iter().filter(|(key, _)| holds(&prune.key, key)) {
            let stays = !going.contains(&key) && !held.deleting;
            must(!stays || may_cascade(object, held), &format!("it holds {key}, which stays"));
        }
        let desired = seen.desired.objects.keys().find(|key| holds(&prune.key, key));
        must(desired.is_none(), "something in it is desired");
        let holder = is_namespace(&prune.key) || is_definition(&prune.key);
        must(!holder || world.unknown.is_empty(), "what it holds is not known in full");
        must(!holder || world.answers || object.prune == PruneWish::Force, "what it holds could not be read");
    }
    if !prunes.is_empty() {
        found.extend(whole_plan(world, seen, plan, prunes.len()).into_iter().map(|what| format!("the plan: {what}")));
    }
    found
}

/// Returns whether a plan leaves an object as it is, with a reason; that it is contested is none.
pub(crate) fn refuses(plan: &Plan, key: &ObjectKey) -> bool {
    let judged = plan.refusals.iter().filter(|refusal| !refusal.why.is_note());
    judged.filter_map(|refusal| refusal.key.as_ref()).any(|refused| refused == key)
}

/// Returns every hand-over that must not be, with the reason.
pub(crate) fn unsafe_handovers(world: &World, seen: &Seen, plan: &Plan) -> Vec<String> {
    let mut found = Vec::new();
    for hand_over in &plan.handovers {
        let mut must = |holds: bool, what: &str| {
            if !holds {
                found.push(format!("{}: {what}", hand_over.key));
            }
        };
        let object = world.cluster.get(&hand_over.key);
        must(object.is_some_and(is_ours), "it is not ours to give");
        must(object.is_some_and(|object| object.version.to_string() == hand_over.resource_version), "it has changed");
        must(!seen.desired.objects.contains_key(&hand_over.key), "it is desired");
        let claim = world.claims.get(&hand_over.key);
        must(claim.is_some_and(|claim| claim.by.iter().eq([&hand_over.to])), "not only the taker desires it");
        must(claim.is_some_and(|claim| claim.covered), "the taker's parent does not say where it is");
        must(claim.is_some_and(|claim| !claim.powerless), "the taker may not write it");
        must(!world.unknown.contains(&hand_over.key.group_kind()), "its kind is unknown");
        must(world.undecided.is_empty(), "another environment is undecided");
        must(seen.desired.problems.is_empty(), "the commit did not settle in full");
        must(!world.policy.suspended, "it is suspended");
    }
    found
}

/// Returns whether a holder may take this object, which it holds and which stays, with it.
fn may_cascade(holder: &Object, held: &Object) -> bool {
    holder.prune == PruneWish::Force && !is_ours(held)
}

fn whole_plan(world: &World, seen: &Seen, plan: &Plan, count: usize) -> Vec<&'static str> {
    let allowed = world.policy.prune_allowed == Some(commit('1'));
    let refused = |key: &ObjectKey| refuses(plan, key);
    let share = count * 100 <= seen.live.objects.len() * usize::from(world.policy.prune_limit.percent());
    let rules = [
        (world.policy.prune && !world.policy.suspended, "pruning is off"),
        (world.undecided.is_empty(), "another environment is undecided"),
        (seen.desired.problems.is_empty(), "the commit did not settle in full"),
        (!seen.desired.objects.keys().any(refused), "something desired is refused"),
        (world.recorded.is_some() || world.scanned, "nobody knows what the environment owns"),
        (allowed || !seen.desired.objects.is_empty(), "the commit renders to nothing"),
        (allowed || count <= PRUNE_LIMIT_FREE || share, "it is more than the limit"),
    ];
    rules.into_iter().filter(|(holds, _)| !holds).map(|(_, what)| what).collect()
}
