//! The verdict on one desired object: leave it, apply it, or refuse it.

use super::{Apply, DriftKind, Reason, input::Applied, input::Input, refusal::Why, replace, wait};
use crate::{
    claims::{Claim, Stance},
    desired::DesiredObject,
    environment::EnvironmentName,
    live::LiveObject,
    object::ObjectKey,
    policy::DriftMode,
    presence::Presence,
};

/// What is to be done with one desired object.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    /// It is as it should be.
    Unchanged,
    /// It is as it should be, and this is how it looks.
    Learned(Applied),
    /// It has to be applied because of a commit.
    Apply(Apply),
    /// It differs without a commit; this would correct it.
    Drifted(DriftKind, Apply),
    /// It must not be touched.
    Refused(Why),
}

/// Returns the objects about which only a dry-run can tell whether they are as they should be: live, ours, not
/// remembered, and different from the manifest by the local comparison.
pub fn to_predict(input: &Input<'_>) -> Vec<ObjectKey> {
    // What has to wait for a wave is compared when its turn has come, unless it could be drift, which does not wait.
    let turn = if input.settled { None } else { wait::first_unhealthy(input) };
    let due = input.desired.objects.values().filter(|desired| turn.is_none_or(|wave| desired.place.wave <= wave));
    let undecided = due.filter(|desired| {
        let Presence::Present(live) = input.live.find(&desired.key) else { return false };
        !input.policy.is_held()
            && claimed(desired, input).is_none()
            && refused(live, input).is_none()
            && !input.applied.contains_key(&desired.key)
            && live.fingerprint.is_some()
            && live.fingerprint.as_ref() != Some(&desired.fingerprint)
    });
    undecided.map(|desired| desired.key.clone()).collect()
}

pub(super) fn judge(desired: &DesiredObject, input: &Input<'_>) -> Verdict {
    if let Some(why) = claimed(desired, input) {
        return Verdict::Refused(why);
    }
    match input.live.find(&desired.key) {
        // Also where this commit's own definition brings the kind's version: it may have objects at another one.
        Presence::Unknown => {
            let reason = input.live.unknown.get(&desired.key.group_kind()).cloned().unwrap_or_default();
            Verdict::Refused(Why::Unknown { reason })
        }
        Presence::Absent => missing(desired, input),
        Presence::Present(live) => match refused(live, input) {
            Some(why) => Verdict::Refused(why),
            None => compare(desired, live, input),
        },
    }
}

/// Returns another environment that desires an object which is and stays this environment's.
pub(super) fn contested<'a>(desired: &DesiredObject, input: &'a Input<'_>) -> Option<&'a EnvironmentName> {
    let by = input.claims.get(&desired.key)?.by.first()?;
    let known = !matches!(input.live.find(&desired.key), Presence::Unknown);
    (known && claimed(desired, input).is_none()).then_some(by)
}

/// Returns why an object that others desire or own too is not this environment's to apply: whoever has it keeps it, and
/// what nobody has nobody gets until only one of them desires it.
fn claimed(desired: &DesiredObject, input: &Input<'_>) -> Option<Why> {
    let Claim { by, held, .. } = input.claims.get(&desired.key)?;
    let owner = held.as_ref().map(|held| held.by.clone());
    let rival = by.iter().find(|by| Some(*by) != owner.as_ref());
    match (held, rival) {
        (Some(held), None) if held.stance == Stance::Keeps => Some(Why::Claimed { by: held.by.clone(), owner }),
        (Some(held), None) => Some(Why::Awaited { from: held.by.clone(), stance: held.stance }),
        (Some(_), Some(rival)) => Some(Why::Claimed { by: rival.clone(), owner }),
        (None, Some(rival)) if !keeps(desired, input) => Some(Why::Claimed { by: rival.clone(), owner: None }),
        (None, _) => None,
    }
}

/// Returns whether an object that others desire too is this environment's: by its label, or because it applied it before
/// the object went missing.
fn keeps(desired: &DesiredObject, input: &Input<'_>) -> bool {
    match input.live.find(&desired.key) {
        Presence::Present(live) => live.is_owned_by(&input.environment.applyset_id()),
        Presence::Absent => was_there(desired, input),
        // Whoever it belongs to, nothing is done about it.
        Presence::Unknown => true,
    }
}

fn refused(live: &LiveObject, input: &Input<'_>) -> Option<Why> {
    if live.deleting {
        return Some(Why::Deleting);
    }
    let claimant = live.claimants.iter().find_map(|manager| input.environments.get(manager));
    claimant.filter(|by| *by != input.environment).map(|by| Why::Claimed { by: by.clone(), owner: None })
}

/// Not there, or without our label: a first apply, which is never forced.
fn missing(desired: &DesiredObject, input: &Input<'_>) -> Verdict {
    let apply = |reason| Apply { key: desired.key.clone(), reason, clean: false, force: false, replace: None };
    // What we deleted ourselves did not drift.
    if was_there(desired, input) && !replace::is_due(desired, input) {
        Verdict::Drifted(DriftKind::Missing, apply(Reason::Correct))
    } else {
        Verdict::Apply(apply(Reason::Create))
    }
}

/// Returns whether an object that is not there was there as it is desired now.
fn was_there(desired: &DesiredObject, input: &Input<'_>) -> bool {
    match input.applied.get(&desired.key) {
        Some(applied) => applied.manifest == desired.fingerprint,
        None => input.settled,
    }
}

/// The dry-run failed that was to tell whether it drifted: applying is harmless where drift would be corrected; where it
/// would only be reported, nothing is known.
fn undecided(apply: Apply, input: &Input<'_>) -> Verdict {
    match input.policy.drift {
        DriftMode::Correct => Verdict::Apply(apply),
        DriftMode::Report => {
            let reason = "the dry-run that compares it with Git failed".to_owned();
            Verdict::Refused(Why::Unknown { reason })
        }
    }
}

fn compare(desired: &DesiredObject, live: &LiveObject, input: &Input<'_>) -> Verdict {
    // A label that somebody else wrote does not make the object ours to overwrite: it is taken like any other.
    let force = live.is_owned_by(&input.environment.applyset_id());
    let apply = |reason| Apply { key: desired.key.clone(), reason, clean: false, force, replace: None };
    match input.applied.get(&desired.key) {
        Some(applied) if applied.manifest != desired.fingerprint => Verdict::Apply(apply(Reason::Change)),
        Some(applied) if live.fingerprint.as_ref() == Some(&applied.left) => Verdict::Unchanged,
        Some(_) => Verdict::Drifted(DriftKind::Changed, apply(Reason::Correct)),
        None => {
            let same = live.fingerprint.as_ref() == Some(&desired.fingerprint)
                || live.fingerprint.is_some() && live.fingerprint.as_ref() == input.predictions.get(&desired.key);
            match (&live.fingerprint, same) {
                (Some(left), true) => Verdict::Learned(Applied { manifest: desired.fingerprint, left: *left }),
                _ if !input.settled => Verdict::Apply(apply(Reason::Change)),
                (Some(_), _) if !input.predictions.contains_key(&desired.key) => {
                    undecided(apply(Reason::Change), input)
                }
                _ => Verdict::Drifted(DriftKind::Changed, apply(Reason::Correct)),
            }
        }
    }
}
