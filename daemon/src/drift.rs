//! Explaining drift: who changed which field of an object, from what to what. Read before it is put back.

use std::collections::BTreeSet;

use futures::{FutureExt as _, StreamExt as _, stream};
use plumb_cluster::cluster::Cluster;
use plumb_core::{
    attribution::{Attribution, Change, Who, Writer},
    contention::{Corrections, Quarrel, Turn},
    environment::EnvironmentName,
    fields::path::FieldPath,
    foreign::Addition,
    object::{ObjectKey, PART_OF},
    plan::{Drift, DriftKind, Foreign, Plan},
    presence::Presence,
    text,
};
use serde_json::Value;

use crate::{act::Deeds, context::Context, gather::Gathered, memory::Memory, reconcile::Pass};

/// Reads for explanations under way at once.
const READS_MAX: usize = 8;
/// How many fields a sentence names before it only counts.
const FIELDS_NAMED: usize = 3;
/// Longest value shown in a sentence or a status, in characters.
const VALUE_LENGTH_MAX: usize = 120;

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// Its fields differ.
    Changed,
    /// It is gone.
    Deleted,
    /// It is there, without the label that marks it as owned.
    LabelRemoved,
    /// Others added fields to it.
    ForeignFields,
}

impl What {
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Changed => "Changed",
            Self::Deleted => "Deleted",
            Self::LabelRemoved => "LabelRemoved",
            Self::ForeignFields => "ForeignFields",
        }
    }
}

/// One drift, explained.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) drift: Drift,
    pub(crate) what: What,
    pub(crate) attribution: Attribution,
    /// What its correction was part of.
    pub(crate) turn: Turn,
}

impl Found {
    /// Returns whether it was put back, or taken away.
    pub(crate) fn is_undone(&self, deeds: &Deeds) -> bool {
        let done = if self.what == What::ForeignFields { &deeds.cleaned } else { &deeds.corrected };
        done.contains(&self.drift.key)
    }
}

/// Returns what others added to objects, as far as it was not said before.
pub(crate) fn additions(pass: &Pass, plan: &Plan) -> Vec<Found> {
    let new = plan
        .foreign
        .iter()
        .filter(|foreign| foreign.removed || pass.memory.added.get(&foreign.key) != Some(&foreign.additions));
    let found = new.flat_map(|foreign| foreign.additions.iter().map(move |addition| added(foreign, addition)));
    found.collect()
}

fn added(foreign: &Foreign, addition: &Addition) -> Found {
    let (name, operation) = (addition.manager.clone(), addition.operation);
    let who = Who::Manager(Writer { name, operation, time: None, subresource: None });
    let change = |path: &FieldPath| Change { path: path.clone(), before: None, after: None, who: who.clone() };
    Found {
        drift: Drift {
            key: foreign.key.clone(),
            what: DriftKind::Changed,
            corrected: foreign.removed,
            resting: false,
            found: None,
        },
        what: What::ForeignFields,
        attribution: Attribution { changes: addition.fields.iter().map(change).collect(), more: addition.more, who },
        turn: Turn::Usual,
    }
}

/// Notes what of others stays on objects, so that it is neither said again nor, where it could not be removed, tried again
/// until it changes.
pub(crate) fn leave(memory: &mut Memory, plan: &Plan, deeds: &Deeds) {
    let stays = || plan.foreign.iter().filter(|foreign| !deeds.cleaned.contains(&foreign.key));
    let stuck = |foreign: &&Foreign| {
        deeds.uncleaned.contains(&foreign.key) || memory.left.get(&foreign.key) == Some(&foreign.additions)
    };
    let of = |foreign: &Foreign| (foreign.key.clone(), foreign.additions.clone());
    memory.left = stays().filter(stuck).map(of).collect();
    memory.added = stays().map(of).collect();
}

/// Returns the objects whose drift is left for now, because somebody undoes every correction.
pub(crate) fn resting(context: &Context, memory: &Memory) -> BTreeSet<ObjectKey> {
    let now = context.clock.now();
    let resting = memory.corrections.iter().filter(|(_, corrections)| corrections.rest(now));
    resting.map(|(key, _)| key.clone()).collect()
}

/// Ends and returns the quarrels that are over.
pub(crate) fn settle(context: &Context, memory: &mut Memory) -> Vec<(ObjectKey, Quarrel)> {
    let now = context.clock.now();
    let mut over = Vec::new();
    memory.corrections.retain(|key, corrections| {
        over.extend(corrections.settle(now).map(|quarrel| (key.clone(), quarrel)));
        !corrections.is_empty()
    });
    over
}

/// Notes what was corrected, and says of each drift whether that was part of a quarrel.
pub(crate) fn reckon(context: &Context, memory: &mut Memory, deeds: &Deeds, found: &mut [Found]) {
    let now = context.clock.now();
    for found in found.iter_mut().filter(|found| found.is_undone(deeds)) {
        let mut fields: BTreeSet<String> =
            found.attribution.changes.iter().map(|change| change.path.to_string()).collect();
        if fields.is_empty() {
            // It was deleted, or nothing of it can be told: the object as a whole.
            fields.insert(String::new());
        }
        let corrections = memory.corrections.entry(found.drift.key.clone()).or_default();
        found.turn = corrections.correct(now, fields, &culprit(&found.attribution.who));
    }
}

/// Returns a sentence for each quarrel: over what, and between whom.
pub(crate) fn quarrels(name: &EnvironmentName, memory: &Memory) -> Vec<String> {
    let ours = name.applyset_id().manager();
    let quarrel = |(key, corrections): (&ObjectKey, &Corrections)| {
        let quarrel = corrections.quarrel()?;
        let (by, fields) = (&quarrel.by, quarrel.fields());
        Some(format!("{key}: {by} and {ours} (this environment) keep changing {fields}; see plumb drift {name}"))
    };
    memory.corrections.iter().filter_map(quarrel).collect()
}

/// Explains the drifts that were not reported before.
pub(crate) async fn explain(
    context: &Context,
    pass: &Pass,
    gathered: &Gathered,
    acting: &Cluster,
    drifts: &[Drift],
) -> Vec<Found> {
    let new = drifts.iter().filter(|drift| {
        // Of a quarrel everything is said when it begins.
        !drift.resting
            && (drift.corrected || pass.memory.reported.get(&drift.key).is_none_or(|reported| *reported != drift.found))
    });
    let explained: Vec<_> =
        new.cloned().map(|drift| explain_one(context, pass, gathered, acting, drift).boxed()).collect();
    stream::iter(explained).buffered(READS_MAX).collect().await
}

async fn explain_one(context: &Context, pass: &Pass, gathered: &Gathered, acting: &Cluster, drift: Drift) -> Found {
    let id = pass.settings.name.applyset_id();
    let kept = context.index().object(&drift.key);
    let live = match (drift.what, kept) {
        (DriftKind::Changed, Some(object)) => Presence::Present(object),
        _ => read(context, gathered, acting, &drift.key).await,
    };
    let desired = &gathered.desired.objects[&drift.key];
    let unknown = |why: &str| Attribution { who: Who::Unknown { why: why.to_owned() }, changes: Vec::new(), more: 0 };
    let (what, attribution) = match (&live, drift.what) {
        (Presence::Present(live), DriftKind::Changed) => {
            (What::Changed, Attribution::of(&desired.manifest, live, &id.manager(), &desired.ignored))
        }
        (Presence::Present(live), DriftKind::Missing) if label_of(live) == Some(id.as_str()) => {
            // Deleted and made again, or labelled again, in the meantime: the next event tells.
            (What::Changed, Attribution::of(&desired.manifest, live, &id.manager(), &desired.ignored))
        }
        (Presence::Present(live), DriftKind::Missing) => {
            (What::LabelRemoved, Attribution::of(&desired.manifest, live, &id.manager(), &desired.ignored))
        }
        (Presence::Absent, _) => (What::Deleted, unknown("the API server does not say who deletes an object")),
        (Presence::Unknown, _) => (What::Changed, unknown("the object could not be read")),
    };
    Found { drift, what, attribution, turn: Turn::Usual }
}

/// Reads an object with the rights of the environment: without its label it may be somebody else's, with values that its users
/// may not see.
async fn read(context: &Context, gathered: &Gathered, acting: &Cluster, key: &ObjectKey) -> Presence<Value> {
    let desired = &gathered.desired.objects[key];
    let _turn = context.turns.acquire().await.expect("because the semaphore is never closed");
    match acting.get_permitted(&desired.kind, key).await {
        Ok(Some(object)) => Presence::Present(object),
        Ok(None) => Presence::Absent,
        Err(_) => Presence::Unknown,
    }
}

fn label_of(object: &Value) -> Option<&str> {
    object.get("metadata")?.get("labels")?.get(PART_OF)?.as_str()
}

/// Returns who did it, as a sentence's subject.
pub(crate) fn culprit(who: &Who) -> String {
    match who {
        Who::Manager(writer) => writer.name.to_string(),
        Who::Likely(writer) => format!("{} (likely)", writer.name),
        Who::Unknown { .. } => "unknown".to_owned(),
    }
}

fn by_whom(who: &Who) -> String {
    match who {
        Who::Unknown { why } => format!(" ({why})"),
        known => format!(" by {}", culprit(known)),
    }
}

/// Returns a value as short JSON.
pub(crate) fn short(value: &Value) -> String {
    text::shortened(&value.to_string(), VALUE_LENGTH_MAX)
}

/// Returns the drift as a sentence.
pub(crate) fn sentence(found: &Found) -> String {
    let key = &found.drift.key;
    let who = &found.attribution.who;
    let by = culprit(who);
    match found.what {
        What::Deleted => format!("{key} was deleted{}", by_whom(who)),
        What::LabelRemoved => format!("{key} lost its label {PART_OF}{}", by_whom(who)),
        What::ForeignFields => {
            let changes = &found.attribution.changes;
            let named: Vec<String> = changes.iter().take(FIELDS_NAMED).map(|change| change.path.to_string()).collect();
            let rest = changes.len() - named.len() + found.attribution.more;
            let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
            format!("{key} has fields of {by} that are not in Git: {}{more}", named.join(", "))
        }
        What::Changed => {
            let changes = &found.attribution.changes;
            let named: Vec<String> = changes.iter().take(FIELDS_NAMED).map(change).collect();
            let rest = changes.len() - named.len() + found.attribution.more;
            let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
            match who {
                Who::Unknown { why } => format!("{key} was changed ({why}): {}{more}", named.join(", ")),
                _ => format!("{key} was changed by {by}: {}{more}", named.join(", ")),
            }
        }
    }
}

fn change(change: &plumb_core::attribution::Change) -> String {
    let side = |value: &Option<Value>| value.as_ref().map_or_else(|| "nothing".to_owned(), short);
    format!("{} from {} to {}", change.path, side(&change.before), side(&change.after))
}
