//! Taking an object over from another tool, giving it to another environment, letting go of it: as JSON
//! patches on label and managedFields, and the reading of the conflicts that lead there.
//!
//! Owns: which managers are taken over, and what the patches say. Must never do: touch a field's value (an empty
//! apply would delete what only we own), an entry with a subresource, or an object without a test of its uid.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    environment::{ApplySetId, FieldManager},
    fields::{
        FieldSet,
        managed::{self, ManagedFields},
        path::FieldPath,
    },
    object::PART_OF,
};

/// Tools whose objects an environment takes over when it applies them. Other kubectl managers are people's changes and
/// stay what they are.
const TAKEN_OVER: [&str; 6] = [
    "argocd-controller",
    "before-first-apply",
    "helm",
    "helm-controller",
    "kubectl-client-side-apply",
    "kustomize-controller",
];

/// Begins the managers of people at a command line: `kubectl-create`, `kubectl-edit`, `kubectl-replace`, `kubectl` …
const BY_HAND: &str = "kubectl";

/// What `kubectl apply` remembers; stale as soon as somebody else applies.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// A JSON patch that makes other tools' fields ours, so that the next forced apply removes what is no longer desired.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Migration {
    /// The operations (RFC 6902), with the preconditions first.
    pub patch: Vec<Value>,
    /// The managers whose fields become ours.
    pub from: BTreeSet<FieldManager>,
}

/// A JSON patch that lets go of an object.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LettingGo {
    /// The operations (RFC 6902), with the preconditions first.
    pub patch: Vec<Value>,
    /// Whether no manager is left: the next apply by anybody then meets `before-first-apply`.
    pub was_last: bool,
}

/// One conflict of an apply that was not forced.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Conflict {
    /// Who owns the field.
    pub manager: FieldManager,
    /// The field, as the API server writes paths.
    pub path: String,
}

impl Conflict {
    /// Returns whether it is about the label that says to which environment the object belongs.
    pub fn is_about_ownership(&self) -> bool {
        self.path == format!(".metadata.labels.{PART_OF}")
    }
}

/// Returns whether a manager is a tool whose objects are taken over.
pub fn is_taken_over(manager: &FieldManager) -> bool {
    TAKEN_OVER.contains(&manager.as_str())
}

/// Returns the conflicts that an answer with code 409 names; none if it is another kind of conflict.
pub fn conflicts(status: &Value) -> Vec<Conflict> {
    let causes = status.pointer("/details/causes").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let conflict = |cause: &Value| {
        let message = cause.get("message")?.as_str()?;
        let quoted = message.strip_prefix("conflict with ")?;
        let manager = serde_json::Deserializer::from_str(quoted).into_iter::<String>().next()?.ok()?;
        let path = match cause.get("field").and_then(Value::as_str) {
            Some(path) => path,
            None => message.rsplit_once(": ")?.1,
        };
        Some(Conflict { manager: FieldManager::new(&manager), path: path.to_owned() })
    };
    let ours = |cause: &&Value| cause.get("reason").is_some_and(|reason| reason == "FieldManagerConflict");
    causes.iter().filter(ours).filter_map(conflict).collect()
}

/// Returns the other environments that applied the object.
pub fn claimants(object: &Value, ours: &FieldManager) -> BTreeSet<FieldManager> {
    let entries = managed::entries(object).iter().filter_map(|entry| ManagedFields::parse(entry).ok());
    let others = entries.filter(|entry| entry.manager != *ours && entry.is_apply_of(&entry.manager));
    others.map(|entry| entry.manager).filter(FieldManager::is_environment).collect()
}

/// Returns the id that the object's label names.
pub fn part_of(object: &Value) -> Option<ApplySetId> {
    let labels = object.pointer("/metadata/labels")?;
    Some(ApplySetId::from_label(labels.get(PART_OF)?.as_str()?))
}

/// Plans the taking over of what other tools own of the object; nothing if they own nothing, or if the object lacks
/// the uid and resourceVersion that the patch must test.
pub fn migrate(object: &Value, ours: &FieldManager) -> Option<Migration> {
    let own = |entry: &ManagedFields| entry.manager == *ours && !entry.is_apply_of(ours);
    let taken = |entry: &ManagedFields| is_taken_over(&entry.manager) || own(entry);
    let (theirs, mut rest) = split(object, |entry| entry.subresource.is_none() && taken(entry));
    if theirs.is_empty() {
        return None;
    }
    let last_applied = FieldPath::of_fields(&["metadata", "annotations", LAST_APPLIED]);
    let mut gained = theirs.iter().fold(FieldSet::default(), |all, entry| all.union(&entry.fields));
    // The map of annotations itself stays unowned: giving it up later would touch those of others.
    gained =
        gained.difference(&FieldSet::from_paths([&last_applied, &FieldPath::of_fields(&["metadata", "annotations"])]));
    merge(&mut rest, ours, object, &gained, &theirs);
    let mut patch = preconditions(object)?;
    patch.push(json!({"op": "replace", "path": "/metadata/managedFields", "value": rest}));
    if last_applied.lookup(object).is_some() {
        patch.push(json!({"op": "remove", "path": format!("/metadata/annotations/{}", escaped(LAST_APPLIED))}));
    }
    let from = theirs.into_iter().map(|entry| entry.manager).filter(|manager| manager != ours).collect();
    Some(Migration { patch, from })
}

/// Plans that what the environment has applied is its own: people's commands own the same values beside it where they had
/// written them before, so that a field dropped from Git would stay. What only they own stays theirs. Nothing if they own
/// nothing besides, or if the environment has not applied the object.
pub fn stand_alone(object: &Value, ours: &FieldManager) -> Option<Migration> {
    let entries = managed::entries(object);
    let applied =
        entries.iter().filter_map(|raw| ManagedFields::parse(raw).ok()).find(|entry| entry.is_apply_of(ours))?;
    let mut from = BTreeSet::new();
    let rest = entries.iter().filter_map(|raw| {
        let by_hand =
            |entry: &ManagedFields| entry.subresource.is_none() && entry.manager.as_str().starts_with(BY_HAND);
        // What can't be read is not ours to change.
        let Some(entry) = ManagedFields::parse(raw).ok().filter(by_hand) else { return Some(raw.clone()) };
        let fields = entry.fields.beside(&applied.fields);
        if fields == entry.fields {
            return Some(raw.clone());
        }
        from.insert(entry.manager);
        let mut raw = raw.clone();
        raw["fieldsV1"] = fields.to_value();
        (!fields.is_empty()).then_some(raw)
    });
    let rest: Vec<Value> = rest.collect();
    if from.is_empty() {
        return None;
    }
    let mut patch = preconditions(object)?;
    patch.push(json!({"op": "replace", "path": "/metadata/managedFields", "value": rest}));
    Some(Migration { patch, from })
}

/// Plans the joining of what a manager has got by patches with what it applied: a patch that hands an object over leaves
/// the label in an entry of its own. Nothing if there is no such entry.
pub fn join(object: &Value, manager: &FieldManager) -> Option<Vec<Value>> {
    let patched = |entry: &ManagedFields| entry.manager == *manager && !entry.is_apply_of(manager);
    let (gained, mut rest) = split(object, |entry| entry.subresource.is_none() && patched(entry));
    if gained.is_empty() {
        return None;
    }
    let fields = gained.iter().fold(FieldSet::default(), |all, entry| all.union(&entry.fields));
    merge(&mut rest, manager, object, &fields, &gained);
    let mut patch = preconditions(object)?;
    patch.push(json!({"op": "replace", "path": "/metadata/managedFields", "value": rest}));
    Some(patch)
}

/// Plans the handing over of an object to another environment, which applies it next; nothing if the giver owns nothing
/// of it.
pub fn hand_over(object: &Value, giver: &FieldManager, taker: &ApplySetId) -> Option<Vec<Value>> {
    let (given, mut rest) = split(object, |entry| entry.subresource.is_none() && entry.manager == *giver);
    if given.is_empty() {
        return None;
    }
    let fields = given.iter().fold(FieldSet::default(), |all, entry| all.union(&entry.fields));
    merge(&mut rest, &taker.manager(), object, &fields, &given);
    let mut patch = preconditions(object)?;
    // `add` replaces where there is a value; without labels there is no place to add to.
    if object.pointer("/metadata/labels").is_none() {
        patch.push(json!({"op": "add", "path": "/metadata/labels", "value": {}}));
    }
    patch.push(json!({"op": "add", "path": label_pointer(), "value": taker.as_str()}));
    patch.push(json!({"op": "replace", "path": "/metadata/managedFields", "value": rest}));
    Some(patch)
}

/// Plans the letting go of an object: every value stays, and nothing says any more that it is ours. Nothing if it
/// carries neither our label nor an entry of ours.
pub fn let_go(object: &Value, ours: &FieldManager) -> Option<LettingGo> {
    let (gone, rest) = split(object, |entry| entry.subresource.is_none() && entry.manager == *ours);
    let labelled = part_of(object).is_some_and(|id| id.manager() == *ours);
    if gone.is_empty() && !labelled {
        return None;
    }
    let mut patch = preconditions(object)?;
    if labelled {
        patch.push(json!({"op": "remove", "path": label_pointer()}));
    }
    if !gone.is_empty() {
        patch.push(json!({"op": "replace", "path": "/metadata/managedFields", "value": rest}));
    }
    Some(LettingGo { patch, was_last: rest.is_empty() })
}

/// Splits managedFields into the entries that are picked, read, and the others as they stand there.
fn split(object: &Value, pick: impl Fn(&ManagedFields) -> bool) -> (Vec<ManagedFields>, Vec<Value>) {
    let mut picked = Vec::new();
    let mut rest = Vec::new();
    for raw in managed::entries(object) {
        match ManagedFields::parse(raw) {
            Ok(entry) if pick(&entry) => picked.push(entry),
            // What can't be read is not ours to change.
            _ => rest.push(raw.clone()),
        }
    }
    (picked, rest)
}

/// Adds fields to the entry of what the manager applied, which is made if there is none.
fn merge(entries: &mut Vec<Value>, manager: &FieldManager, object: &Value, gained: &FieldSet, from: &[ManagedFields]) {
    let existing = entries.iter_mut().find_map(|raw| {
        let entry = ManagedFields::parse(raw).ok().filter(|entry| entry.is_apply_of(manager))?;
        Some((raw, entry))
    });
    if let Some((raw, entry)) = existing {
        raw["fieldsV1"] = entry.fields.union(gained).to_value();
        return;
    }
    let mut entry = json!({
        "manager": manager.as_str(),
        "operation": "Apply",
        "apiVersion": object.get("apiVersion"),
        "fieldsType": "FieldsV1",
        "fieldsV1": gained.to_value(),
    });
    if let Some(time) = from.iter().filter_map(|entry| entry.time).max() {
        entry["time"] = json!(time.to_string());
    }
    entries.push(entry);
}

/// Makes the patch fail if the object is another one by now, or was written since.
pub(crate) fn preconditions(object: &Value) -> Option<Vec<Value>> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
    Some(vec![
        json!({"op": "test", "path": "/metadata/uid", "value": text("/metadata/uid")?}),
        json!({"op": "replace", "path": "/metadata/resourceVersion", "value": text("/metadata/resourceVersion")?}),
    ])
}

fn label_pointer() -> String {
    format!("/metadata/labels/{}", escaped(PART_OF))
}

/// Escapes a field's name for a JSON pointer (RFC 6901).
pub(crate) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
