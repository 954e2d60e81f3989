//! Fields that others added to an owned object: which they are, and the patch that takes them away.
//!
//! Owns: what belongs to the listed managers alone. Never looked at: the status, subresources, finalizers, owner references
//! and whatever else of the metadata is no label and no annotation, and what is ignored. Must never do: show a value, or
//! plan the removal of a field that anybody else owns too, or of one that can't be told apart for sure.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    adoption,
    environment::FieldManager,
    fields::{
        FieldSet,
        managed::{self, ManagedBy, ManagedFields},
        path::{FieldPath, Segment},
    },
    ignore::{Glob, Ignored},
    object::PART_OF,
};

/// Fields kept of one manager; the rest is counted.
pub const FIELDS_KEPT: usize = 20;

/// How the annotations begin that plumb itself reads.
const OUR_ANNOTATIONS: &str = "plumb.dev/";

/// What happens to fields that the listed managers added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum ForeignMode {
    /// They are not looked at.
    Ignore,
    /// They are named and left.
    Report,
    /// They are removed.
    Remove,
}

/// What an Environment asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ForeignPolicy {
    /// What happens to them.
    pub mode: ForeignMode,
    /// Whose fields count.
    pub managers: Vec<Glob>,
}

/// What one manager added to an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Addition {
    /// Who.
    pub manager: FieldManager,
    /// How it wrote.
    pub operation: ManagedBy,
    /// The fields, at most [`FIELDS_KEPT`]; an item of a list counts as one.
    pub fields: Vec<FieldPath>,
    /// How many more there are.
    pub more: usize,
}

/// Returns what the listed managers, and nobody else, own of an object.
pub fn additions(object: &Value, ours: &FieldManager, managers: &[Glob], ignored: &Ignored) -> Vec<Addition> {
    if !is_touched(object, ours, managers) {
        return Vec::new();
    }
    let Owners { listed, others, .. } = Owners::of(object, ours, managers);
    let additions = listed.iter().filter_map(|entry| {
        let mut fields = Vec::new();
        collect(&entry.fields, &others, &mut Vec::new(), &mut fields);
        fields.retain(|path| !ignored.covers(path));
        let more = fields.len().saturating_sub(FIELDS_KEPT);
        fields.truncate(FIELDS_KEPT);
        let (manager, operation) = (entry.manager.clone(), entry.operation);
        (!fields.is_empty()).then_some(Addition { manager, operation, fields, more })
    });
    additions.collect()
}

/// Plans the removal of what the listed managers, and nobody else, own of an object, but for what the manifest has too;
/// nothing if there is nothing, or if it can't be told for sure whose a field is.
pub fn removal(
    object: &Value,
    manifest: &Value,
    ours: &FieldManager,
    managers: &[Glob],
    ignored: &Ignored,
) -> Option<Vec<Value>> {
    let owners = Owners::of(object, ours, managers);
    if owners.doubtful {
        return None;
    }
    let mut fields = Vec::new();
    for entry in &owners.listed {
        collect(&entry.fields, &owners.others, &mut Vec::new(), &mut fields);
    }
    fields.retain(|path| !ignored.covers(path) && !is_wanted(manifest, path));
    let mut places: Vec<Vec<Step>> = fields.iter().filter_map(|path| place(object, path)).collect();
    // Later items of a list first, so that the places of the earlier ones stay.
    places.sort_by(|a, b| b.cmp(a));
    places.dedup();
    let mut patch = adoption::preconditions(object)?;
    let tests = patch.len();
    patch.extend(places.iter().map(|steps| json!({"op": "remove", "path": pointer(steps)})));
    (patch.len() > tests).then_some(patch)
}

/// Returns whether a manifest says something of a field, so that another value of it is drift and no addition.
pub fn is_wanted(manifest: &Value, path: &FieldPath) -> bool {
    let mut at = manifest;
    for segment in path.segments() {
        let next = match (segment, at) {
            (Segment::Field(name), Value::Object(map)) => map.get(name),
            // A manifest may leave out key fields that have a default.
            (Segment::Key(key), Value::Array(items)) => {
                let key = key.value();
                let agrees = |item: &&Value| {
                    let fields = || key.as_object().into_iter().flatten();
                    fields().any(|(name, _)| item.get(name).is_some())
                        && fields().all(|(name, value)| item.get(name).is_none_or(|own| own == value))
                };
                items.iter().find(agrees)
            }
            (segment, Value::Array(items)) => segment.step_into(items),
            _ => None,
        };
        let Some(next) = next else { return false };
        at = next;
    }
    true
}

/// Looks without parsing, since this runs for every event.
fn is_touched(object: &Value, ours: &FieldManager, managers: &[Glob]) -> bool {
    managed::entries(object).iter().any(|entry| {
        let manager = entry["manager"].as_str().unwrap_or_default();
        manager != ours.as_str() && managers.iter().any(|glob| glob.matches(manager))
    })
}

struct Owners {
    /// What the listed managers wrote to the object itself, at the version that it was read at.
    listed: Vec<ManagedFields>,
    /// What everybody else owns.
    others: FieldSet,
    /// Whether something of that is not known.
    doubtful: bool,
}

impl Owners {
    fn of(object: &Value, ours: &FieldManager, managers: &[Glob]) -> Self {
        let version = object["apiVersion"].as_str().unwrap_or_default();
        let mut owners = Self { listed: Vec::new(), others: FieldSet::default(), doubtful: false };
        for raw in managed::entries(object) {
            let Ok(entry) = ManagedFields::parse(raw) else {
                owners.doubtful = true;
                continue;
            };
            let named = managers.iter().any(|glob| glob.matches(entry.manager.as_str()));
            let is_listed =
                named && entry.manager != *ours && !entry.manager.is_environment() && entry.subresource.is_none();
            if is_listed && entry.api_version == version {
                owners.listed.push(entry);
            } else {
                // Paths of another version may mean another field, or the same field by another name.
                owners.doubtful |= entry.api_version != version && entry.subresource.as_deref() != Some("status");
                owners.others = owners.others.union(&entry.fields);
            }
        }
        owners
    }
}

/// Collects what is in `set` and touched by nobody else: leaves, and items of lists as a whole.
fn collect(set: &FieldSet, others: &FieldSet, at: &mut Vec<Segment>, found: &mut Vec<FieldPath>) {
    for (segment, below) in set.children() {
        at.push(segment.clone());
        let path = FieldPath::new(at.clone());
        let is_whole = below.children().next().is_none() || below.is_member() && !is_map_of_metadata(at);
        if is_protected(at) {
            // Nobody's business.
        } else if is_whole && !others.touches(&path) {
            found.push(path);
        } else {
            collect(below, others, at, found);
        }
        at.pop();
    }
}

/// Of the metadata only labels and annotations count, and never the one that says whose the object is, nor what people ask
/// of plumb: without `plumb.dev/prune: disabled` an object may be deleted.
fn is_protected(at: &[Segment]) -> bool {
    let names: Vec<&str> = at.iter().map_while(Segment::field_name).collect();
    match names.as_slice() {
        ["apiVersion" | "kind" | "status", ..] => true,
        ["metadata", "labels", name, ..] => *name == PART_OF,
        ["metadata", "annotations", name, ..] => name.starts_with(OUR_ANNOTATIONS),
        ["metadata", "annotations" | "labels"] | ["metadata"] => false,
        ["metadata", ..] => true,
        _ => at.last().is_some_and(|last| matches!(last, Segment::Index(_))),
    }
}

/// Labels and annotations are named one by one.
fn is_map_of_metadata(at: &[Segment]) -> bool {
    at.len() <= 2 && at.first().and_then(Segment::field_name) == Some("metadata")
}

/// One step of a JSON pointer.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Name(String),
    Place(usize),
}

/// Returns where a path leads in exactly this state of an object; nothing if it leads nowhere, or to a field that is part
/// of an item's key.
fn place(object: &Value, path: &FieldPath) -> Option<Vec<Step>> {
    let mut at = object;
    let mut steps = Vec::new();
    let mut key = BTreeSet::new();
    for segment in path.segments() {
        match (segment, at) {
            (Segment::Field(name), Value::Object(map)) => {
                if key.contains(name) {
                    return None;
                }
                at = map.get(name)?;
                steps.push(Step::Name(name.clone()));
            }
            (segment, Value::Array(items)) => {
                let found = segment.step_into(items)?;
                steps.push(Step::Place(items.iter().position(|item| std::ptr::eq(item, found))?));
                at = found;
            }
            _ => return None,
        }
        key = segment.key_names().into_iter().flatten().collect();
    }
    Some(steps)
}

fn pointer(steps: &[Step]) -> String {
    let texts = steps.iter().map(|step| match step {
        Step::Name(name) => format!("/{}", adoption::escaped(name)),
        Step::Place(place) => format!("/{place}"),
    });
    texts.collect()
}
