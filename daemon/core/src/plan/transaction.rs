//! All or nothing (`sync.onError: Transactional`): a commit is applied only when dry-runs have accepted all of it.
//!
//! What belongs into a namespace, or is of a kind, that the commit itself makes can't be tried before that is there. So
//! everything else is tried first; if nothing is refused, these foundations are made, they alone and whatever their wave;
//! then the rest is tried. Corrections of drift are no part of it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{
    Apply, Pending, Plan, Refusal, Why,
    input::Input,
    judge_all,
    namespace::{self, NamespaceState},
};
use crate::{
    class::Class, desired::DesiredObject, health::HealthStatus, object::ObjectKey, policy::OnError, presence::Presence,
};

/// What a dry-run made of an apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Trial {
    /// It would be carried out.
    Accepted,
    /// It would not.
    Refused {
        /// What helps.
        class: Class,
        /// Why, in words, naming the object.
        message: String,
    },
}

/// How much of a commit may be applied.
pub(super) enum Gate {
    /// What is left of it, in its order.
    Open,
    /// Only what others stand on, which is in the plan already; these are waited for.
    Foundations(BTreeSet<ObjectKey>),
}

/// Returns the applies of a commit that have to be tried before it is planned, in the order of their keys.
pub fn to_try(input: &Input<'_>) -> Vec<Apply> {
    if input.policy.on_error == OnError::Partial || input.policy.is_held() {
        return Vec::new();
    }
    let mut plan = Plan::default();
    let mut pending = judge_all(input, &mut plan);
    namespace::prepare(input, &mut plan, &mut pending);
    let ground = Ground::of(input, &pending);
    let untried = pending.values().flatten().filter(|apply| !input.trials.contains_key(&apply.key));
    let mut to_try: Vec<Apply> = untried.filter(|apply| ground.needs(&apply.key).is_none()).cloned().collect();
    to_try.sort_by(|a, b| a.key.cmp(&b.key));
    to_try
}

/// Takes out of a commit what may not be applied yet; all of it, and says so, if something is refused.
pub(super) fn gate(input: &Input<'_>, plan: &mut Plan, pending: &mut Pending) -> Gate {
    if input.policy.on_error == OnError::Partial || pending.is_empty() {
        return Gate::Open;
    }
    for apply in pending.values().flatten() {
        if let Some(Trial::Refused { class, message }) = input.trials.get(&apply.key) {
            plan.refused += 1;
            let why = Why::Tried { class: *class, message: message.clone() };
            plan.refusals.push(Refusal { key: Some(apply.key.clone()), why });
        }
    }
    if plan.refused + input.desired.problems.len() > 0 {
        let writes = pending.values().map(Vec::len).sum();
        plan.refusals.push(Refusal { key: None, why: Why::Transaction { writes } });
        pending.clear();
        // Corrections of drift may need it all the same.
        plan.namespace.take_if(|_| plan.applies.is_empty());
        return Gate::Open;
    }
    let ground = Ground::of(input, pending);
    let untried = pending.values().flatten().filter(|apply| !input.trials.contains_key(&apply.key));
    let needed: BTreeMap<ObjectKey, Option<ObjectKey>> =
        untried.map(|apply| (apply.key.clone(), ground.needs(&apply.key))).collect();
    if needed.is_empty() {
        return Gate::Open;
    }
    let foundations: BTreeSet<ObjectKey> = needed.into_values().flatten().collect();
    for (place, applies) in pending.iter_mut() {
        let (first, rest): (Vec<Apply>, Vec<Apply>) =
            std::mem::take(applies).into_iter().partition(|apply| foundations.contains(&apply.key));
        *applies = rest;
        if !first.is_empty() {
            plan.applies.entry(*place).or_default().extend(first);
        }
    }
    pending.retain(|_, applies| !applies.is_empty());
    Gate::Foundations(foundations)
}

/// What a commit itself makes that its objects need before they can be tried.
struct Ground<'a> {
    input: &'a Input<'a>,
    /// Namespaces that are not there, and definitions that are changed or not there.
    makes: BTreeSet<ObjectKey>,
}

impl<'a> Ground<'a> {
    fn of(input: &'a Input<'a>, pending: &Pending) -> Self {
        let missing = |key: &ObjectKey| key.is_namespace() && input.live.find(key) == Presence::Absent;
        let makes = pending.values().flatten().map(|apply| &apply.key);
        let mut makes: BTreeSet<ObjectKey> = makes.filter(|key| key.is_definition() || missing(key)).cloned().collect();
        if input.namespace == NamespaceState::Missing {
            makes.extend(input.policy.create_namespace.as_deref().map(ObjectKey::of_namespace));
        }
        Self { input, makes }
    }

    /// Returns what has to be there before an object can be tried; nothing if it can be.
    fn needs(&self, key: &ObjectKey) -> Option<ObjectKey> {
        let namespace = key.namespace.as_deref().map(ObjectKey::of_namespace);
        let definition = self.input.desired.objects.get(key).and_then(|desired| self.definition(desired));
        namespace.into_iter().filter(|namespace| self.makes.contains(namespace)).chain(definition).next()
    }

    /// Returns the definition of an object's kind if this commit makes or changes it, or it is not Established yet.
    fn definition(&self, desired: &DesiredObject) -> Option<ObjectKey> {
        let named = ObjectKey {
            group: "apiextensions.k8s.io".to_owned(),
            kind: "CustomResourceDefinition".to_owned(),
            namespace: None,
            name: format!("{}.{}", desired.kind.plural, desired.key.group),
        };
        let live = self.input.live.objects.get(&named);
        let unborn = live.is_some_and(|live| live.health.status != HealthStatus::Current);
        (self.makes.contains(&named) || unborn && desired.kind.defined_by.is_some()).then_some(named)
    }
}
