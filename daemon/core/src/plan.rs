//! The planner: what is desired and what is live in, what would change and what is refused out.
//!
//! Total, deterministic, synchronous. A [`Plan`] is plain data and leaves nothing to choose while acting:
//! every write carries its precondition.

pub mod departure;
pub mod input;
pub mod judge;
pub mod namespace;
pub mod prune;
pub mod refusal;
pub mod replace;
#[cfg(test)]
mod tests;
pub mod transaction;
pub mod wait;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    desired::DesiredObject,
    environment::EnvironmentName,
    fields::path::FieldPath,
    fingerprint::Fingerprint,
    foreign::{self, Addition, ForeignMode},
    inventory::Inventory,
    object::{self, ObjectKey},
    order::{Place, Rank},
    policy::DriftMode,
};

pub use input::{Applied, Input};
use judge::Verdict;
pub use refusal::{Refusal, Why};
use transaction::Gate;
pub use wait::Wait;

/// Everything that one operation will do, in its order, and everything it will not do.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[must_use]
pub struct Plan {
    /// The parent's scope, to be written before anything is applied; absent: it already covers everything.
    pub widen: Option<Inventory>,
    /// Objects that go to another environment, which desires them, before anything is applied.
    pub handovers: Vec<HandOver>,
    /// The target namespace, to be made before anything is applied; absent: it is there, or nobody asked for it.
    pub namespace: Option<String>,
    /// Applies, by wave and rank; those of one place go side by side.
    pub applies: BTreeMap<Place, Vec<Apply>>,
    /// The wave that is not applied and healthy yet, and what is left out until it is.
    pub wait: Option<Wait>,
    /// Deletes in the order of reversed ranks; they start only when every apply succeeded.
    pub prunes: Vec<(Rank, Vec<Prune>)>,
    /// Deletes that wait for a person's word; nothing of them is carried out.
    pub held: Vec<Prune>,
    /// The parent's scope after everything that was to go is gone; absent: nothing to narrow.
    pub narrow: Option<Inventory>,
    /// Objects found to be as they should be.
    pub unchanged: usize,
    /// What was learned about objects that needed no write: to be remembered as applied.
    #[serde(serialize_with = "object::serialize_pairs")]
    pub learned: BTreeMap<ObjectKey, Applied>,
    /// Live objects that differ from what was last applied, without a commit.
    pub drifts: Vec<Drift>,
    /// Fields that others added to live objects.
    pub foreign: Vec<Foreign>,
    /// How many of the desired objects are refused; while there is one, the commit is not applied, whatever succeeds.
    pub refused: usize,
    /// What was not done, and why.
    pub refusals: Vec<Refusal>,
}

impl Plan {
    /// Returns whether acting on it would write nothing.
    pub fn is_empty(&self) -> bool {
        let scope = self.widen.is_none() && self.narrow.is_none();
        let first = self.handovers.is_empty() && self.namespace.is_none();
        scope && first && self.applies.is_empty() && self.prunes.is_empty()
    }

    /// Returns every apply, also those that wait for a wave.
    pub fn all_applies(&self) -> impl Iterator<Item = &Apply> {
        let waiting = self.wait.iter().flat_map(|wait| wait.applies.values());
        self.applies.values().chain(waiting).flatten()
    }

    /// Returns every delete that nothing but a wave may hold up.
    pub fn all_prunes(&self) -> impl Iterator<Item = &Prune> {
        let waiting = self.wait.iter().flat_map(|wait| &wait.prunes);
        self.prunes.iter().chain(waiting).flat_map(|(_, prunes)| prunes)
    }

    fn learn(&mut self, desired: &DesiredObject, verdict: Verdict) {
        if let Verdict::Learned(applied) = verdict {
            self.learned.insert(desired.key.clone(), applied);
        }
    }

    /// Returns whether a person has to allow its prunes first.
    pub fn blocked(&self) -> Option<&Refusal> {
        self.refusals.iter().find(|refusal| refusal.why.blocks())
    }
}

/// What a commit changes, by wave and rank, before it is put in order.
type Pending = BTreeMap<Place, Vec<Apply>>;

/// One server-side apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Apply {
    /// Which object.
    pub key: ObjectKey,
    /// Why it is applied.
    pub reason: Reason,
    /// Whether what others added is removed, too.
    pub clean: bool,
    /// Whether conflicts are overridden: only while the last state seen carried our label. Otherwise it is a first apply.
    pub force: bool,
    /// The state of it that is deleted instead, so that the next plan creates it anew: it can't be changed in place.
    pub replace: Option<Prune>,
}

/// Why an object is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Reason {
    /// It is not there.
    Create,
    /// A commit changed it.
    Change,
    /// It drifted.
    Correct,
    /// It is as it should be, but for what others added: only that is removed.
    Clean,
}

/// One delete with its preconditions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Prune {
    /// Which object.
    pub key: ObjectKey,
    /// The `apiVersion` it was read at.
    pub api_version: String,
    /// Precondition: its UID.
    pub uid: String,
    /// Precondition: its resourceVersion.
    pub resource_version: String,
}

/// One object that is given to another environment: it keeps its identity and every value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HandOver {
    /// Which object.
    pub key: ObjectKey,
    /// The `apiVersion` it was read at.
    pub api_version: String,
    /// Precondition: its UID.
    pub uid: String,
    /// Precondition: its resourceVersion.
    pub resource_version: String,
    /// Who gets it.
    pub to: EnvironmentName,
}

/// One live object that differs without a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Drift {
    /// Which object.
    pub key: ObjectKey,
    /// What happened to it, as far as the label-filtered watch can tell.
    pub what: DriftKind,
    /// Whether the plan corrects it.
    pub corrected: bool,
    /// Whether it is left only for now, because somebody undoes every correction.
    pub resting: bool,
    /// The fingerprint it has now; absent: it is not there.
    pub found: Option<Fingerprint>,
}

/// What others added to one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Foreign {
    /// Which object.
    pub key: ObjectKey,
    /// What, by manager; never empty.
    pub additions: Vec<Addition>,
    /// Whether the plan removes it.
    pub removed: bool,
}

/// How an object drifted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum DriftKind {
    /// Fields that plumb owned differ.
    Changed,
    /// It is gone, or lost its label; one GET tells which.
    Missing,
}

/// Plans one operation.
pub fn plan(input: &Input<'_>) -> Plan {
    let mut plan = Plan::default();
    let mut pending = judge_all(input, &mut plan);
    namespace::prepare(input, &mut plan, &mut pending);
    let gate = transaction::gate(input, &mut plan, &mut pending);
    prune::prune(input, &mut plan);
    match gate {
        Gate::Open => wait::order(input, &mut plan, pending),
        Gate::Foundations(awaited) => wait::hold(input, &mut plan, pending, awaited),
    }
    prune::hear(input, &mut plan);
    wait::leave_groundless(input, &mut plan);
    scope(input, &mut plan);
    if input.policy.is_held() {
        hold(&mut plan, input);
    }
    plan
}

/// Judges every desired object; returns what the commit changes, which has to be put in order, while corrections of drift
/// are in the plan already.
fn judge_all(input: &Input<'_>, plan: &mut Plan) -> Pending {
    let mut pending = Pending::new();
    for desired in input.desired.objects.values() {
        let contested = judge::contested(desired, input).map(|by| Why::Contested { by: by.clone() });
        plan.refusals.extend(contested.map(|why| Refusal { key: Some(desired.key.clone()), why }));
        let verdict = judge::judge(desired, input);
        let clean = !matches!(verdict, Verdict::Refused(_)) && foreign(plan, input, desired);
        match verdict {
            Verdict::Unchanged | Verdict::Learned(_) => {
                plan.unchanged += 1;
                plan.learn(desired, verdict);
                if clean {
                    let key = desired.key.clone();
                    let apply = Apply { key, reason: Reason::Clean, clean, force: true, replace: None };
                    plan.applies.entry(desired.place).or_default().push(apply);
                }
            }
            Verdict::Apply(apply) => {
                let apply = replace::instead(desired, Apply { clean, ..apply }, input);
                pending.entry(desired.place).or_default().push(apply);
            }
            Verdict::Drifted(what, apply) => {
                let apply = replace::instead(desired, Apply { clean, ..apply }, input);
                drifted(plan, input, what, apply, desired.place);
            }
            Verdict::Refused(why) => {
                plan.refused += 1;
                plan.refusals.push(Refusal { key: Some(desired.key.clone()), why });
            }
        }
    }
    pending
}

fn drifted(plan: &mut Plan, input: &Input<'_>, what: DriftKind, apply: Apply, place: Place) {
    let resting = input.resting.contains(&apply.key);
    let corrected = input.policy.drift == DriftMode::Correct && !input.policy.is_held() && !resting;
    let found = input.live.objects.get(&apply.key).and_then(|object| object.fingerprint);
    plan.drifts.push(Drift { key: apply.key.clone(), what, corrected, resting, found });
    if corrected {
        plan.applies.entry(place).or_default().push(apply);
    }
}

/// Notes what others added to an object and returns whether it is removed.
fn foreign(plan: &mut Plan, input: &Input<'_>, desired: &DesiredObject) -> bool {
    let policy = &input.policy.foreign;
    let Some(live) = input.live.objects.get(&desired.key) else { return false };
    // Of what Git has too, another value is drift.
    let unwanted = |addition: &Addition| {
        let is_unwanted = |path: &&FieldPath| !foreign::is_wanted(&desired.manifest, path);
        let fields: Vec<FieldPath> = addition.fields.iter().filter(is_unwanted).cloned().collect();
        (!fields.is_empty()).then(|| Addition { fields, ..addition.clone() })
    };
    let additions: Vec<Addition> = live.foreign.iter().filter_map(unwanted).collect();
    if policy.mode == ForeignMode::Ignore || additions.is_empty() || !live.is_owned_by(&input.environment.applyset_id())
    {
        return false;
    }
    let removed = policy.mode == ForeignMode::Remove
        && input.policy.drift == DriftMode::Correct
        && !input.policy.is_held()
        && !input.resting.contains(&desired.key)
        && input.left.get(&desired.key) != Some(&additions);
    plan.foreign.push(Foreign { key: desired.key.clone(), additions, removed });
    removed
}

/// Widens the parent before anything new is applied; narrows it in a plan that prunes nothing, once every kind is
/// known: what is still listed then is what is still there.
fn scope(input: &Input<'_>, plan: &mut Plan) {
    // Where the record is lost, kinds that can't be seen now are looked for until they can.
    let lost = || Inventory { kinds: input.live.unknown.keys().cloned().collect(), ..Inventory::default() };
    let recorded = input.recorded.clone().unwrap_or_else(lost);
    let owned = input.live.objects.keys().chain(input.incoming);
    let needed = Inventory::of(input.desired.objects.keys().chain(owned));
    if input.recorded.is_none() || !input.annotated || !recorded.covers(&needed) {
        plan.widen = Some(recorded.union(&needed));
        return;
    }
    let settled =
        plan.all_prunes().next().is_none() && input.live.unknown.is_empty() && input.desired.problems.is_empty();
    let narrower = recorded.kinds != needed.kinds || !extra_is_parent(input, &recorded, &needed);
    if settled && narrower {
        plan.narrow = Some(needed);
    }
}

/// Returns whether all that `recorded` names beyond `needed` is the parent's own namespace, which annotations imply.
fn extra_is_parent(input: &Input<'_>, recorded: &Inventory, needed: &Inventory) -> bool {
    recorded.namespaces.difference(&needed.namespaces).all(|namespace| *namespace == input.environment.namespace)
}

fn hold(plan: &mut Plan, input: &Input<'_>) {
    plan.widen = None;
    plan.namespace = None;
    plan.narrow = None;
    let corrections = if input.policy.drift == DriftMode::Correct { plan.drifts.len() } else { 0 };
    let held = corrections + plan.all_applies().count() + plan.all_prunes().count() + plan.handovers.len();
    plan.handovers.clear();
    plan.applies.clear();
    plan.prunes.clear();
    plan.wait = None;
    // What a commit waits for that may not begin yet is told by its gate.
    if held > 0 && input.policy.suspended {
        plan.refusals.push(Refusal { key: None, why: Why::Suspended { writes: held } });
    }
}
