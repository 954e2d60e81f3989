//! Waves and health between them: what of a plan has to wait, and for which objects.
//!
//! Waiting is no task and no state: each plan looks at what is applied and healthy now, and leaves out what comes later.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::Serialize;

use super::{Apply, Plan, Prune, input::Input};
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
pub(super) fn order(input: &Input<'_>, plan: &mut Plan, pending: BTreeMap<Place, Vec<Apply>>) {
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
    wait_for_holders(input, plan, &mut wait);
    plan.wait = Some(wait);
}

/// Takes out of the plan what is in a namespace, or of a definition, that waits: it can't be there before.
fn wait_for_holders(input: &Input<'_>, plan: &mut Plan, wait: &mut Wait) {
    let waiting: BTreeSet<ObjectKey> = wait.applies.values().flatten().map(|apply| apply.key.clone()).collect();
    let held = |apply: &Apply| {
        let namespace = apply.key.namespace.clone().map(|name| ObjectKey {
            group: String::new(),
            kind: "Namespace".to_owned(),
            namespace: None,
            name,
        });
        let definition = input.desired.objects.get(&apply.key).and_then(|object| object.kind.defined_by.clone());
        namespace.into_iter().chain(definition).any(|holder| waiting.contains(&holder))
    };
    for (place, applies) in &mut plan.applies {
        let (held, rest): (Vec<_>, Vec<_>) = std::mem::take(applies).into_iter().partition(|apply| held(apply));
        *applies = rest;
        if !held.is_empty() {
            wait.applies.entry(*place).or_default().extend(held);
        }
    }
    plan.applies.retain(|_, applies| !applies.is_empty());
}

fn first_wave_not_done(input: &Input<'_>, plan: &Plan, pending: &BTreeMap<Place, Vec<Apply>>) -> Option<Wait> {
    let pending: BTreeSet<&ObjectKey> = pending.values().flatten().map(|apply| &apply.key).collect();
    let refusals = plan.refusals.iter().filter(|refusal| !refusal.why.is_note());
    let refused: BTreeSet<&ObjectKey> = refusals.filter_map(|refusal| refusal.key.as_ref()).collect();
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
        stuck: unsettled == Some(wave) || awaited.iter().any(|key| refused.contains(key)),
        awaited,
        applies: BTreeMap::new(),
        prunes: Vec::new(),
    })
}
