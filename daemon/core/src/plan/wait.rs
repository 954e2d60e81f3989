//! Waves and health between them: what of a plan has to wait, and for which objects.
//!
//! Waiting is no task and no state: each plan looks at what is applied and healthy now, and leaves out what comes later.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::Serialize;

use super::{Apply, Pending, Plan, Prune, Why, input::Input};
use crate::{
    desired::DesiredObject,
    environment::GROUP,
    health::HealthStatus,
    live::{Live, LiveObject},
    object::ObjectKey,
    order::{Place, Rank},
    presence::Presence,
    wave::Wave,
};

/// A wave that is not applied and healthy yet, and what is left out of the plan until it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wait {
    /// The wave.
    pub wave: Wave,
    /// Its place among the waves of the commit, from 1.
    pub position: usize,
    /// How many waves the commit has.
    pub of: usize,
    /// Objects of it that this plan writes, or that are not healthy.
    pub awaited: BTreeSet<ObjectKey>,
    /// Whether something of it can't be settled or is refused: then looking again does not help by itself.
    pub stuck: bool,
    /// Applies of later waves.
    pub applies: BTreeMap<Place, Vec<Apply>>,
    /// Deletes, which come after the last wave.
    pub prunes: Vec<(Rank, Vec<Prune>)>,
}

impl Wait {
    /// Returns whether something is left out because of it.
    pub fn holds(&self) -> bool {
        !self.applies.is_empty() || !self.prunes.is_empty()
    }

    /// Returns whether all of it is there and healthy in this state of the cluster, so that the next plan goes on.
    pub fn is_over(&self, live: &Live) -> bool {
        !self.stuck && self.awaited.iter().all(|key| is_healthy(key, live))
    }

    /// Returns what is left out because of it, as a sentence; nothing where it holds nothing up.
    pub fn held(&self) -> Option<String> {
        let applies: usize = self.applies.values().map(Vec::len).sum();
        let prunes: usize = self.prunes.iter().map(|(_, prunes)| prunes.len()).sum();
        let what = match (applies, prunes) {
            (0, 0) => return None,
            (applies, 0) => format!("{applies} object(s) of later waves are not applied"),
            (0, prunes) => format!("{prunes} object(s) that left Git are not pruned"),
            (applies, prunes) => {
                format!("{applies} object(s) of later waves are not applied, and {prunes} that left Git are not pruned")
            }
        };
        Some(match self.wave {
            Wave::FIRST => format!("as long as the wave of an object can't be read, {what}"),
            _ => format!("until {self} is applied and healthy, {what}"),
        })
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.wave {
            wave if self.of > 1 => write!(f, "wave {wave} ({} of {})", self.position, self.of),
            _ => f.write_str("this commit"),
        }
    }
}

/// Returns whether an object's health counts: an Environment's would count itself, where a path holds its own.
pub fn counts(key: &ObjectKey) -> bool {
    key.group != GROUP
}

fn is_healthy(key: &ObjectKey, live: &Live) -> bool {
    let is_current = |live: &LiveObject| live.health.status == HealthStatus::Current || !counts(key) && !live.deleting;
    matches!(live.find(key), Presence::Present(found) if is_current(found))
}

/// Returns the first wave of which something is not healthy now, whatever this commit changes.
pub(super) fn first_unhealthy(input: &Input<'_>) -> Option<Wave> {
    let unhealthy = input.desired.objects.values().filter(|object| !is_healthy(&object.key, input.live));
    unhealthy.map(|object| object.place.wave).min()
}

/// Adds what the commit changes to a plan, up to the first wave that is not applied and healthy yet, and takes the prunes
/// out unless all of them are. Corrections of drift are in the plan already: they wait for nothing.
pub(super) fn order(input: &Input<'_>, plan: &mut Plan, pending: Pending) {
    let Some(mut wait) = first_wave_not_done(input, plan, &pending) else { return };
    for (place, applies) in pending {
        if place.wave > wait.wave {
            wait.applies.insert(place, applies);
        } else {
            let side_by_side = plan.applies.entry(place).or_default();
            side_by_side.extend(applies);
            side_by_side.sort_by(|a, b| a.key.cmp(&b.key));
        }
    }
    wait.prunes = std::mem::take(&mut plan.prunes);
    plan.wait = Some(wait);
}

/// Leaves out everything that the commit changes until its foundations, which are in the plan, are there.
pub(super) fn hold(input: &Input<'_>, plan: &mut Plan, pending: Pending, awaited: BTreeSet<ObjectKey>) {
    let Some(wait) = first_wave_not_done(input, plan, &pending) else { return };
    // A namespace without our label is not among what is live; it is there as soon as it is made.
    let awaited = awaited.into_iter().filter(|key| input.desired.objects.contains_key(key)).collect();
    plan.wait = Some(Wait { awaited, applies: pending, prunes: std::mem::take(&mut plan.prunes), ..wait });
}

/// Takes out the corrections that can't succeed: what they put back belongs into a namespace, or is of a kind, that the
/// commit has and that is not there, and that this plan does not make (it waits for a wave, or is refused).
pub(super) fn leave_groundless(input: &Input<'_>, plan: &mut Plan) {
    let made: BTreeSet<ObjectKey> = plan.applies.values().flatten().map(|apply| apply.key.clone()).collect();
    let is_groundless = |key: &ObjectKey| {
        let namespace = key.namespace.as_deref().map(ObjectKey::of_namespace);
        let definition = input.desired.objects.get(key).and_then(|desired| desired.kind.defined_by.clone());
        let is_missing = |ground: &ObjectKey| {
            let desired = input.desired.objects.contains_key(ground);
            desired && !made.contains(ground) && input.live.find(ground) == Presence::Absent
        };
        namespace.iter().chain(&definition).any(is_missing)
    };
    for drift in plan.drifts.iter_mut().filter(|drift| drift.corrected && is_groundless(&drift.key)) {
        drift.corrected = false;
        plan.applies.values_mut().for_each(|applies| applies.retain(|apply| apply.key != drift.key));
    }
    plan.applies.retain(|_, applies| !applies.is_empty());
}

fn first_wave_not_done(input: &Input<'_>, plan: &Plan, pending: &Pending) -> Option<Wait> {
    let pending: BTreeSet<&ObjectKey> = pending.values().flatten().map(|apply| &apply.key).collect();
    let refusals = plan.refusals.iter().filter(|refusal| !refusal.why.is_note());
    let refused: BTreeSet<&ObjectKey> = refusals.filter_map(|refusal| refusal.key.as_ref()).collect();
    let barred = plan.refusals.iter().any(|refusal| matches!(refusal.why, Why::Transaction { .. }));
    let is_open = |object: &&DesiredObject| {
        let key = &object.key;
        pending.contains(key) || refused.contains(key) || !is_healthy(key, input.live)
    };
    let open: Vec<&DesiredObject> = input.desired.objects.values().filter(is_open).collect();
    let unsettled = input.desired.unsettled_wave;
    let wave = open.iter().map(|object| object.place.wave).chain(unsettled).min()?;
    let waves = input.desired.objects.values().map(|object| object.place.wave).chain(unsettled);
    let waves: BTreeSet<Wave> = waves.collect();
    let awaited: BTreeSet<ObjectKey> =
        open.iter().filter(|object| object.place.wave == wave).map(|object| object.key.clone()).collect();
    Some(Wait {
        wave,
        position: waves.range(..=wave).count(),
        of: waves.len(),
        stuck: barred || unsettled == Some(wave) || awaited.iter().any(|key| refused.contains(key)),
        awaited,
        applies: BTreeMap::new(),
        prunes: Vec::new(),
    })
}
