//! What becomes of an environment's objects when it is deleted and `deletion` says `Prune`: one step at a time.
//!
//! The guards of every prune hold here too; only the limits do not, since a person has asked for all of it. What may not
//! or can't be deleted is let go of in the end: an Environment never stays for ever because of it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{
    HandOver, Input, Plan, Refusal, Why,
    prune::{self, Sorted},
};
use crate::{
    environment::GROUP,
    health::{Health, HealthStatus},
    live::LiveObject,
    object::ObjectKey,
};

/// What a departing environment does next.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Departure {
    /// These writes, and another look afterwards: what another environment desires goes to it first, then the kinds go one
    /// step after the other.
    Act(Box<Plan>),
    /// Nothing until something changes, for these reasons.
    Await(Vec<String>),
    /// All that could be deleted is gone: these are let go of, and why they were not deleted.
    LetGo(Vec<Leftover>),
}

/// An object that a departing environment leaves behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Leftover {
    /// Which.
    pub key: ObjectKey,
    /// The `apiVersion` it was read at.
    pub api_version: String,
    /// Why it is not deleted.
    pub why: String,
}

/// How far a departure has come.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// Objects that can't be deleted, and why.
    pub undeletable: BTreeMap<ObjectKey, String>,
    /// Why nothing at all may be deleted: a person has said so, or there is nobody with whose rights to do it.
    pub stopped: Option<String>,
    /// Why nothing is deleted, though it may be given to others first: another environment takes over from this one.
    pub spared: Option<String>,
    /// Whether it has waited long enough for what may pass by itself.
    pub impatient: bool,
}

/// Returns the next step. `input` desires nothing; its `claims` and `undecided` are those of all other environments.
pub fn next(input: &Input<'_>, progress: &Progress) -> Departure {
    let left: Vec<&LiveObject> =
        input.live.objects.values().filter(|live| !live.deleting && !is_itself(live, input)).collect();
    let leftovers = |why: &dyn Fn(&LiveObject) -> String| {
        let leftover = |live: &&LiveObject| Leftover {
            key: live.key.clone(),
            api_version: live.api_version.clone(),
            why: why(live),
        };
        Departure::LetGo(left.iter().map(leftover).collect())
    };
    if let Some(stopped) = &progress.stopped {
        return leftovers(&|_| stopped.clone());
    }
    let Sorted { handovers, prunes, kept } = prune::sort(input, 0);
    let may = |key: &ObjectKey| !progress.undeletable.contains_key(key);
    let handovers: Vec<HandOver> = handovers.into_iter().filter(|handover| may(&handover.key)).collect();
    if !handovers.is_empty() {
        return Departure::Act(Box::new(Plan { handovers, ..Plan::default() }));
    }
    let deletable = |live: &&&LiveObject| may(&live.key) && !is_itself(live, input) && keeps_none(live, progress);
    let prunes: Vec<&LiveObject> = match progress.spared {
        None => prunes.iter().filter(deletable).copied().collect(),
        Some(_) => Vec::new(),
    };
    let mut awaited = awaited(input, &kept, &prunes);
    // The next step of the kind order may still be needed by what is on its way out.
    let going = input.live.objects.values().any(|live| live.deleting && !is_itself(live, input));
    let unheard = input.unheard.first().filter(|_| !prunes.is_empty() && !going);
    awaited.extend(unheard.map(|other| Why::Undecided { other: other.clone() }.to_string()));
    if !progress.impatient {
        let first = prune::in_order(&prunes).into_iter().next();
        match first.filter(|_| !going && unheard.is_none() && is_complete(input)) {
            Some(first) => return Departure::Act(Box::new(Plan { prunes: vec![first], ..Plan::default() })),
            None if !awaited.is_empty() => return Departure::Await(awaited),
            None => {}
        }
    }
    let reasons: BTreeMap<&ObjectKey, &Why> =
        kept.iter().filter_map(|refusal| Some((refusal.key.as_ref()?, &refusal.why))).collect();
    leftovers(&|live| match (progress.undeletable.get(&live.key), reasons.get(&live.key)) {
        (Some(why), _) => why.clone(),
        (None, Some(why)) => why.to_string(),
        (None, None) if progress.spared.is_some() => progress.spared.clone().unwrap_or_default(),
        (None, None) => "what had to go before it is not gone yet".to_owned(),
    })
}

/// Returns in words what has to change before the departure goes on.
fn awaited(input: &Input<'_>, kept: &[Refusal], prunes: &[&LiveObject]) -> Vec<String> {
    let going = input.live.objects.values().filter(|live| live.deleting && !is_itself(live, input));
    let going = going.map(|live| format!("{}: it {}", live.key, on_its_way(&live.health)));
    let passing = kept.iter().filter(|refusal| refusal.why.passes()).map(ToString::to_string);
    let unknown = input.live.unknown.iter().map(|(kind, reason)| format!("{kind}: nothing is known of it ({reason})"));
    let lost = (!is_complete(input) && !prunes.is_empty()).then(|| Why::Unrecorded.to_string());
    going.chain(passing).chain(unknown).chain(lost).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Says of an object whose deletion has begun what holds it.
fn on_its_way(health: &Health) -> &str {
    // Between the deletion and its event the health is still that from before.
    if health.status == HealthStatus::Terminating { &health.message } else { "is being deleted" }
}

/// Returns whether it is known where the objects are.
fn is_complete(input: &Input<'_>) -> bool {
    input.recorded.is_some() || input.scanned
}

/// Returns whether deleting an object would delete nothing that can't be deleted, and so is to stay.
fn keeps_none(live: &LiveObject, progress: &Progress) -> bool {
    !progress.undeletable.keys().any(|key| prune::may_hold(&live.key, key))
}

/// An Environment may hold itself: it goes when all is done.
fn is_itself(live: &LiveObject, input: &Input<'_>) -> bool {
    let key = &live.key;
    let named = key.namespace.as_ref() == Some(&input.environment.namespace) && key.name == input.environment.name;
    named && key.group == GROUP && key.kind == "Environment"
}
