//! What may be deleted or handed over: the guards, one after the other, and the limits over all deletions.
//!
//! Nothing is ever deleted because something could not be read.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    HandOver, Plan, Prune,
    input::Input,
    refusal::{Refusal, Why},
};
use crate::{
    claims::Claim,
    desired::DesiredObject,
    environment::EnvironmentName,
    live::{LiveObject, PruneWish},
    object::ObjectKey,
    order::Rank,
    presence::Presence,
};

/// Returns the namespaces and definitions that would be pruned if they hold nothing of others: their contents have to
/// be read before planning.
pub fn to_inspect(input: &Input<'_>) -> Vec<ObjectKey> {
    let candidates = candidates(input).filter(|live| is_holder(&live.key) && live.prune != PruneWish::Force);
    candidates.filter(|live| fate(live, input, 0) == Fate::Pruned).map(|live| live.key.clone()).collect()
}

/// What is to become of an owned object that is no longer desired.
#[derive(Debug, Clone, PartialEq)]
enum Fate {
    Pruned,
    Handed(EnvironmentName),
    Kept(Why),
}

/// What is to become of all owned objects that are no longer desired.
#[derive(Debug, Default)]
pub(super) struct Sorted<'a> {
    /// They go to another environment.
    pub(super) handovers: Vec<HandOver>,
    /// They may be deleted, as far as each of them is concerned.
    pub(super) prunes: Vec<&'a LiveObject>,
    /// They stay.
    pub(super) kept: Vec<Refusal>,
}

/// Judges every owned object that is no longer desired; `refused` counts the desired objects that are not applied.
pub(super) fn sort<'a>(input: &'a Input<'_>, refused: usize) -> Sorted<'a> {
    let mut sorted = Sorted::default();
    for live in candidates(input) {
        let refuse = |why| Refusal { key: Some(live.key.clone()), why };
        match fate(live, input, refused) {
            Fate::Handed(to) => sorted.handovers.push(hand_over(live, to)),
            Fate::Kept(why) => sorted.kept.push(refuse(why)),
            Fate::Pruned => match contents(live, input) {
                Some(why) => sorted.kept.push(refuse(why)),
                None => sorted.prunes.push(live),
            },
        }
    }
    keep_full_holders(input, &mut sorted);
    sorted
}

/// Returns deletes by rank, those first that nothing else needs.
pub(super) fn in_order(prunes: &[&LiveObject]) -> Vec<(Rank, Vec<Prune>)> {
    let mut by_rank: BTreeMap<Rank, Vec<Prune>> = BTreeMap::new();
    for live in prunes {
        by_rank.entry(Rank::of(&live.key.group_kind())).or_default().push(Prune {
            key: live.key.clone(),
            api_version: live.api_version.clone(),
            uid: live.uid.clone(),
            resource_version: live.resource_version.clone(),
        });
    }
    by_rank.into_iter().rev().collect()
}

/// Adds the prunes to a plan that says already what is applied and what is refused: what a refused object replaces
/// stays until it is there.
pub(super) fn prune(input: &Input<'_>, plan: &mut Plan) {
    let Sorted { handovers, prunes, kept } = sort(input, plan.refused);
    plan.handovers.extend(handovers);
    let (awaiting, kept): (Vec<_>, Vec<_>) =
        kept.into_iter().partition(|refusal| matches!(refusal.why, Why::Undecided { .. }));
    plan.refusals.extend(kept);
    // What others have yet to speak for may be handed over: whether too much goes shows when they have spoken. Until
    // then nothing goes: every object awaits their word.
    if !awaiting.is_empty() {
        plan.refusals.extend(awaiting);
        return;
    }
    match limits(input, prunes.len()) {
        Some(why) => {
            plan.held = in_order(&prunes).into_iter().flat_map(|(_, prunes)| prunes).collect();
            plan.refusals.push(Refusal { key: None, why });
        }
        None => plan.prunes = in_order(&prunes),
    }
}

/// Takes the prunes out that would come now, as long as other repositories may have what is to be pruned.
pub(super) fn hear(input: &Input<'_>, plan: &mut Plan) {
    let Some(other) = input.unheard.first() else { return };
    let waiting = std::mem::take(&mut plan.prunes).into_iter().flat_map(|(_, prunes)| prunes);
    let refusal = |prune: Prune| Refusal { key: Some(prune.key), why: Why::Undecided { other: other.clone() } };
    plan.refusals.extend(waiting.map(refusal));
}

/// Returns owned objects that are neither desired nor on their way out.
///
/// One object may be served under two kinds (an aggregated API's, or a kind that has moved to another group): as long
/// as one of them is desired, it is.
fn candidates<'a>(input: &'a Input<'_>) -> impl Iterator<Item = &'a LiveObject> {
    let desired = |key: &ObjectKey| input.desired.objects.contains_key(key);
    let live = || input.live.objects.values();
    let kept: BTreeSet<&str> = live().filter(|live| desired(&live.key)).map(|live| live.uid.as_str()).collect();
    live().filter(move |live| !desired(&live.key) && !kept.contains(live.uid.as_str()) && !live.deleting)
}

fn hand_over(live: &LiveObject, to: EnvironmentName) -> HandOver {
    HandOver {
        key: live.key.clone(),
        api_version: live.api_version.clone(),
        uid: live.uid.clone(),
        resource_version: live.resource_version.clone(),
        to,
    }
}

/// Judges one object; `refused` counts the desired objects that are not applied.
fn fate(live: &LiveObject, input: &Input<'_>, refused: usize) -> Fate {
    if let Some(reason) = input.live.unknown.get(&live.key.group_kind()) {
        return Fate::Kept(Why::Unknown { reason: reason.clone() });
    }
    if let Some(claim) = input.claims.get(&live.key) {
        return wanted(live, claim, input);
    }
    match guard(live, input, refused) {
        Some(why) => Fate::Kept(why),
        None => Fate::Pruned,
    }
}

/// Judges an object that others desire: it goes to the one that does, once that one's parent says where it is. What is
/// refused of this environment does not hold it up: two environments that swap objects would wait for each other.
fn wanted(live: &LiveObject, claim: &Claim, input: &Input<'_>) -> Fate {
    if claim.powerless {
        return Fate::Kept(Why::Powerless { by: claim.by.iter().cloned().collect() });
    }
    let mut by = claim.by.iter();
    let (Some(to), None) = (by.next(), by.next()) else {
        return Fate::Kept(Why::Wanted { by: claim.by.iter().cloned().collect() });
    };
    let mut others = live.claimants.iter().filter_map(|manager| input.environments.get(manager));
    if let Some(other) = others.find(|other| *other != input.environment && *other != to) {
        return Fate::Kept(Why::Claimed { by: other.clone(), owner: None });
    }
    let problems = input.desired.problems.len();
    if problems > 0 {
        return Fate::Kept(Why::Incomplete { problems });
    }
    if let Some(other) = input.undecided.first() {
        return Fate::Kept(Why::Undecided { other: other.clone() });
    }
    if !live.is_owned_by(&input.environment.applyset_id()) {
        return Fate::Kept(Why::ForeignLabel);
    }
    if !claim.covered {
        return Fate::Kept(Why::HandingOver { to: to.clone() });
    }
    Fate::Handed(to.clone())
}

/// Returns why one object that nobody else desires must be kept, or nothing.
fn guard(live: &LiveObject, input: &Input<'_>, refused: usize) -> Option<Why> {
    let claimant = live.claimants.iter().find_map(|manager| input.environments.get(manager));
    if let Some(by) = claimant.filter(|by| *by != input.environment) {
        return Some(Why::Claimed { by: by.clone(), owner: None });
    }
    if !input.policy.prune {
        return Some(Why::PruneOff);
    }
    if input.policy.rolled_back {
        return Some(Why::RolledBack);
    }
    let problems = input.desired.problems.len() + refused;
    if problems > 0 {
        return Some(Why::Incomplete { problems });
    }
    if !live.is_owned_by(&input.environment.applyset_id()) {
        return Some(Why::ForeignLabel);
    }
    if let Some(by) = live.owners.first() {
        return Some(Why::Owned { by: by.clone() });
    }
    match &live.prune {
        PruneWish::Disabled => return Some(Why::Protected),
        PruneWish::Malformed(value) => return Some(Why::Malformed { value: value.clone() }),
        PruneWish::Usual | PruneWish::Force => {}
    }
    // Last, since it passes by itself: a reason that lasts is told whoever has yet to speak.
    input.undecided.first().map(|other| Why::Undecided { other: other.clone() })
}

/// Takes namespaces and definitions out of the prunes that hold something of this environment which stays: deleting them
/// would delete it too.
fn keep_full_holders(input: &Input<'_>, sorted: &mut Sorted<'_>) {
    let going: BTreeSet<&ObjectKey> = sorted.prunes.iter().map(|live| &live.key).collect();
    let live = input.live.objects.values().filter(|live| !going.contains(&live.key) && !live.deleting);
    let unwanted: Vec<&ObjectKey> =
        live.map(|live| &live.key).filter(|key| !input.desired.objects.contains_key(key)).collect();
    let kept = &mut sorted.kept;
    sorted.prunes.retain(|holder| {
        let desired = input.desired.objects.values().filter(|object| holds_desired(&holder.key, object));
        let staying = unwanted.iter().copied().filter(|key| may_hold(&holder.key, key));
        let objects: BTreeSet<ObjectKey> = desired.map(|object| &object.key).chain(staying).cloned().collect();
        if objects.is_empty() {
            return true;
        }
        let why = Why::HoldsOwn { objects: objects.into_iter().collect() };
        kept.push(Refusal { key: Some(holder.key.clone()), why });
        false
    });
}

/// Returns whether deleting `holder` deletes the desired object.
fn holds_desired(holder: &ObjectKey, object: &DesiredObject) -> bool {
    if holder.is_definition() {
        return holder.name == format!("{}.{}", object.kind.plural, object.key.group);
    }
    may_hold(holder, &object.key)
}

/// Returns whether deleting `holder` may delete the object. The plural of a kind that nobody desires any more is not
/// known, so a definition is taken to hold everything of its group.
pub(super) fn may_hold(holder: &ObjectKey, object: &ObjectKey) -> bool {
    if holder.is_definition() {
        return holder.name.split_once('.').is_some_and(|(_, group)| group == object.group);
    }
    holder.is_namespace() && object.namespace.as_ref() == Some(&holder.name)
}

pub(super) fn is_holder(key: &ObjectKey) -> bool {
    key.is_definition() || key.is_namespace()
}

/// Returns why a namespace or definition must be kept because of what it holds.
fn contents(live: &LiveObject, input: &Input<'_>) -> Option<Why> {
    if !is_holder(&live.key) {
        return None;
    }
    // Something of this environment that must stay may be in it, which not even `force` gives up.
    if !input.live.unknown.is_empty() {
        return Some(Why::HoldsUnknown);
    }
    if live.prune == PruneWish::Force {
        return None;
    }
    match input.contents.get(&live.key) {
        Some(Presence::Absent) => None,
        Some(Presence::Present(objects)) if objects.is_empty() => None,
        Some(Presence::Present(objects)) => Some(Why::Holds { objects: objects.clone() }),
        Some(Presence::Unknown) | None => Some(Why::HoldsUnknown),
    }
}

/// Returns why none of `count` prunes may go ahead.
fn limits(input: &Input<'_>, count: usize) -> Option<Why> {
    if count == 0 {
        return None;
    }
    if input.recorded.is_none() && !input.scanned {
        return Some(Why::Unrecorded);
    }
    if input.commit.is_some_and(|commit| input.policy.prune_allowed.as_ref() == Some(commit)) {
        return None;
    }
    if input.desired.objects.is_empty() {
        return Some(Why::Emptied { inventory: input.live.objects.len() });
    }
    // What is neither desired nor pruned does not count: whoever can copy a label could make the share small with it.
    let desired = input.live.objects.keys().filter(|key| input.desired.objects.contains_key(*key)).count();
    let inventory = desired + count;
    if input.policy.prune_limit.exceeded(count, inventory) {
        return Some(Why::PruneLimit { count, inventory, percent: input.policy.prune_limit.percent() });
    }
    None
}
