//! The target namespace that an environment asks for (`target.createNamespace`): made first, and never pruned, since it does
//! not carry the environment's label. Where the environment has a manifest of it, that one counts.

use serde::Serialize;

use super::{
    Apply, Pending, Plan,
    input::Input,
    judge::{self, Verdict},
    refusal::{Refusal, Why},
};
use crate::{object::ObjectKey, policy::DriftMode};

/// How it stands with a namespace that the environment does not own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum NamespaceState {
    /// It is there, or does not matter.
    There,
    /// It is not there.
    Missing,
    /// Its deletion has begun.
    Terminating,
    /// It could not be read, for this reason.
    Unknown(String),
}

/// Returns the namespace that has to be looked at before planning: something is to be written into it, and no object of
/// the environment shows that it is there.
pub fn to_look<'a>(input: &Input<'a>) -> Option<&'a str> {
    let name = asked_for(input)?;
    let inside = |key: &ObjectKey| key.namespace.as_deref() == Some(name);
    if input.policy.is_held() || input.live.objects.values().any(|live| inside(&live.key) && !live.deleting) {
        return None;
    }
    let written = |verdict: Verdict| match verdict {
        Verdict::Apply(_) => true,
        Verdict::Drifted(..) => input.policy.drift == DriftMode::Correct,
        Verdict::Unchanged | Verdict::Learned(_) | Verdict::Refused(_) => false,
    };
    let mut desired = input.desired.objects.values().filter(|desired| inside(&desired.key));
    desired.any(|desired| written(judge::judge(desired, input))).then_some(name)
}

fn asked_for<'a>(input: &Input<'a>) -> Option<&'a str> {
    let name = input.policy.create_namespace.as_deref()?;
    (!input.desired.objects.contains_key(&ObjectKey::of_namespace(name))).then_some(name)
}

/// Has the namespace made first, or takes out of the plan what belongs into it as long as it goes away.
pub(super) fn prepare(input: &Input<'_>, plan: &mut Plan, pending: &mut Pending) {
    let Some(name) = asked_for(input) else { return };
    let outside = |apply: &Apply| apply.key.namespace.as_deref() != Some(name);
    if plan.applies.values().chain(pending.values()).flatten().all(outside) {
        return;
    }
    let why: fn(usize, &NamespaceState) -> Option<Why> = |writes, state| match state {
        NamespaceState::There | NamespaceState::Missing => None,
        NamespaceState::Terminating => Some(Why::NamespaceTerminating { writes }),
        NamespaceState::Unknown(reason) => Some(Why::Unknown { reason: reason.clone() }),
    };
    if input.namespace == NamespaceState::Missing {
        plan.namespace = Some(name.to_owned());
    }
    if why(0, &input.namespace).is_none() {
        return;
    }
    let mut writes = 0;
    for applies in [&mut plan.applies, pending] {
        let before: usize = applies.values().map(Vec::len).sum();
        applies.values_mut().for_each(|side_by_side| side_by_side.retain(outside));
        applies.retain(|_, side_by_side| !side_by_side.is_empty());
        writes += before - applies.values().map(Vec::len).sum::<usize>();
    }
    plan.refused += writes;
    let key = Some(ObjectKey::of_namespace(name));
    plan.refusals.extend(why(writes, &input.namespace).map(|why| Refusal { key, why }));
}
