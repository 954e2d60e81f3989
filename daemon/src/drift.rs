//! Explaining drift: who changed which field of an object, from what to what. Read before it is put back.

use futures::{FutureExt as _, StreamExt as _, stream};
use plumb_cluster::cluster::Cluster;
use plumb_core::{
    attribution::{Attribution, Who},
    object::{ObjectKey, PART_OF},
    plan::{Drift, DriftKind},
    presence::Presence,
};
use serde_json::Value;

use crate::{context::Context, gather::Gathered, reconcile::Pass};

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
}

impl What {
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Changed => "Changed",
            Self::Deleted => "Deleted",
            Self::LabelRemoved => "LabelRemoved",
        }
    }
}

/// One drift, explained.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) drift: Drift,
    pub(crate) what: What,
    pub(crate) attribution: Attribution,
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
        drift.corrected || pass.memory.reported.get(&drift.key).is_none_or(|reported| *reported != drift.found)
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
    Found { drift, what, attribution }
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
    let text = value.to_string();
    match text.char_indices().nth(VALUE_LENGTH_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Returns the drift as a sentence.
pub(crate) fn sentence(found: &Found) -> String {
    let key = &found.drift.key;
    let who = &found.attribution.who;
    let by = culprit(who);
    match found.what {
        What::Deleted => format!("{key} was deleted{}", by_whom(who)),
        What::LabelRemoved => format!("{key} lost its label {PART_OF}{}", by_whom(who)),
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
