//! What may be deleted: the guards, one after the other, and the limits over all of them.
//!
//! Nothing is ever deleted because something could not be read.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Plan, Prune,
    input::Input,
    refusal::{Refusal, Why},
};
use crate::{
    live::{LiveObject, PruneWish},
    object::{GroupKind, ObjectKey},
    order::Rank,
    presence::Presence,
};

/// Returns the namespaces and definitions that would be pruned if they hold nothing of others: their contents have to
/// be read before planning.
pub fn to_inspect(input: &Input<'_>) -> Vec<ObjectKey> {
    let candidates = candidates(input).filter(|live| guard(live, input).is_none() && holder(&live.key));
    candidates.filter(|live| live.prune != PruneWish::Force).map(|live| live.key.clone()).collect()
}

pub(super) fn prune(input: &Input<'_>, plan: &mut Plan) {
    let mut prunes: Vec<&LiveObject> = Vec::new();
    for live in candidates(input) {
        let why = guard(live, input).or_else(|| contents(live, input));
        match why {
            Some(why) => plan.refusals.push(Refusal { key: Some(live.key.clone()), why }),
            None if live.deleting => {}
            None => prunes.push(live),
        }
    }
    keep_full_holders(input, plan, &mut prunes);
    if let Some(why) = limits(input, prunes.len()) {
        plan.refusals.push(Refusal { key: None, why });
        return;
    }
    let mut by_rank: BTreeMap<Rank, Vec<Prune>> = BTreeMap::new();
    for live in prunes {
        by_rank.entry(Rank::of(&live.key.group_kind())).or_default().push(Prune {
            key: live.key.clone(),
            api_version: live.api_version.clone(),
            uid: live.uid.clone(),
            resource_version: live.resource_version.clone(),
        });
    }
    plan.prunes = by_rank.into_iter().rev().collect();
}

/// Returns owned objects that are not desired.
fn candidates<'a>(input: &'a Input<'_>) -> impl Iterator<Item = &'a LiveObject> {
    input.live.objects.values().filter(|live| !input.desired.objects.contains_key(&live.key))
}

/// Returns why one object must be kept, or nothing.
fn guard(live: &LiveObject, input: &Input<'_>) -> Option<Why> {
    if let Some(reason) = input.live.unknown.get(&live.key.group_kind()) {
        return Some(Why::Unknown { reason: reason.clone() });
    }
    if let Some(by) = input.claims.get(&live.key) {
        return Some(Why::Claimed { by: by.clone() });
    }
    let claimant = live.claimants.iter().find_map(|manager| input.environments.get(manager));
    if let Some(by) = claimant.filter(|by| *by != input.environment) {
        return Some(Why::Claimed { by: by.clone() });
    }
    if !input.desired.problems.is_empty() {
        return Some(Why::Incomplete { problems: input.desired.problems.len() });
    }
    if !input.policy.prune {
        return Some(Why::PruneOff);
    }
    if let Some(other) = input.undecided.first() {
        return Some(Why::Undecided { other: other.clone() });
    }
    if !live.label_is_ours {
        return Some(Why::ForeignLabel);
    }
    if let Some(by) = live.owners.first() {
        return Some(Why::Owned { by: by.clone() });
    }
    match &live.prune {
        PruneWish::Disabled => Some(Why::Protected),
        PruneWish::Malformed(value) => Some(Why::Malformed { value: value.clone() }),
        PruneWish::Usual | PruneWish::Force => None,
    }
}

/// Takes namespaces and definitions out of `prunes` that hold something of this environment which stays: deleting them
/// would delete it too.
fn keep_full_holders(input: &Input<'_>, plan: &mut Plan, prunes: &mut Vec<&LiveObject>) {
    let going: BTreeSet<&ObjectKey> = prunes.iter().map(|live| &live.key).collect();
    let stays = |live: &&LiveObject| !going.contains(&live.key) && !live.deleting;
    let staying: Vec<(ObjectKey, Option<String>)> = input
        .live
        .objects
        .values()
        .filter(stays)
        .map(|live| (live.key.clone(), None))
        .chain(
            input.desired.objects.values().map(|d| (d.key.clone(), Some(format!("{}.{}", d.kind.plural, d.key.group)))),
        )
        .collect();
    prunes.retain(|holder| {
        let kind = holder.key.group_kind();
        let held = staying.iter().filter(|(key, definition)| {
            if kind == GroupKind::new("", "Namespace") {
                key.namespace.as_ref() == Some(&holder.key.name)
            } else {
                kind == definition_kind() && definition.as_ref() == Some(&holder.key.name)
            }
        });
        let objects: BTreeSet<ObjectKey> = held.map(|(key, _)| key.clone()).collect();
        if objects.is_empty() {
            return true;
        }
        let why = Why::HoldsOwn { objects: objects.into_iter().collect() };
        plan.refusals.push(Refusal { key: Some(holder.key.clone()), why });
        false
    });
}

fn definition_kind() -> GroupKind {
    GroupKind::new("apiextensions.k8s.io", "CustomResourceDefinition")
}

fn holder(key: &ObjectKey) -> bool {
    let kind = key.group_kind();
    kind == GroupKind::new("", "Namespace") || kind == definition_kind()
}

/// Returns why a namespace or definition must be kept because of what it holds.
fn contents(live: &LiveObject, input: &Input<'_>) -> Option<Why> {
    if !holder(&live.key) || live.prune == PruneWish::Force || live.deleting {
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
    if input.policy.prune_allowed.as_ref() == Some(input.commit) {
        return None;
    }
    let inventory = input.live.objects.len();
    if input.desired.objects.is_empty() {
        return Some(Why::Emptied { inventory });
    }
    if input.policy.prune_limit.exceeded(count, inventory) {
        return Some(Why::PruneLimit { count, inventory, percent: input.policy.prune_limit.percent() });
    }
    None
}
