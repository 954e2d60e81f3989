//! Reads an object of the API server into the few words that plans need.
//!
//! Looks into managedFields without parsing them where a look is enough: this runs for every event.

use std::{collections::BTreeMap, sync::Arc};

use plumb_core::{
    adoption,
    environment::{ApplySetId, FieldManager},
    fingerprint::Fingerprint,
    foreign,
    health::{health, rules::Rules},
    ignore::{Glob, Ignored},
    live::{self, LiveObject, PRUNE_ANNOTATION, PruneWish},
    object::{Gvk, ObjectKey, PART_OF},
};
use serde_json::Value;

/// Returns which object it is; nothing for what is no object.
pub(super) fn key(object: &Value) -> Option<ObjectKey> {
    let gvk = Gvk::new(object["apiVersion"].as_str()?, object["kind"].as_str()?);
    let namespace = object["metadata"]["namespace"].as_str().filter(|namespace| !namespace.is_empty());
    Some(ObjectKey {
        group: gvk.group,
        kind: gvk.kind,
        namespace: namespace.map(str::to_owned),
        name: object["metadata"]["name"].as_str()?.to_owned(),
    })
}

/// Returns what plans need of an object; nothing if it carries no label, or the label of an environment that has never
/// applied it: controllers copy labels (of a Service onto its EndpointSlices), and people may write them. `attention` says
/// what of it does not count and whose additions do, `rules` how well it is.
pub(super) fn read<'a>(
    key: &ObjectKey,
    object: &Value,
    attention: impl Fn(&ApplySetId) -> (Ignored, &'a [Glob]),
    rules: &BTreeMap<ApplySetId, Arc<Rules>>,
) -> Option<LiveObject> {
    let part_of = adoption::part_of(object)?;
    let manager = part_of.manager();
    let applied = applied(object, &manager)?;
    let (ignored, managers) = attention(&part_of);
    let metadata = &object["metadata"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let owners = metadata["ownerReferences"].as_array().map(Vec::as_slice).unwrap_or_default();
    Some(LiveObject {
        key: key.clone(),
        api_version: text(&object["apiVersion"]),
        uid: text(&metadata["uid"]),
        resource_version: text(&metadata["resourceVersion"]),
        label_is_ours: owns_label(applied),
        fingerprint: Fingerprint::of_owned(object, &manager, &ignored),
        foreign: foreign::additions(object, &manager, managers, &ignored),
        claimants: adoption::claimants(object, &manager).into_iter().collect(),
        owners: owners.iter().map(|owner| format!("{} {}", text(&owner["kind"]), text(&owner["name"]))).collect(),
        prune: PruneWish::parse(metadata["annotations"][PRUNE_ANNOTATION].as_str()),
        holds_data: live::holds_data(object),
        deleting: metadata["deletionTimestamp"].is_string(),
        health: rules.get(&part_of).map_or_else(|| health(object, &Rules::default()), |rules| health(object, rules)),
        part_of,
    })
}

/// Returns the `apiVersion` at which a manager applied the object; nothing if it did not.
pub(super) fn applied_at(object: &Value, manager: &FieldManager) -> Option<String> {
    applied(object, manager)?["apiVersion"].as_str().map(str::to_owned)
}

/// Returns the raw entry of what a manager applied.
fn applied<'a>(object: &'a Value, manager: &FieldManager) -> Option<&'a Value> {
    object["metadata"]["managedFields"].as_array()?.iter().find(|entry| {
        let subresource = entry["subresource"].as_str().unwrap_or_default();
        entry["manager"] == manager.as_str() && entry["operation"] == "Apply" && subresource.is_empty()
    })
}

fn owns_label(entry: &Value) -> bool {
    entry["fieldsV1"]["f:metadata"]["f:labels"].get(format!("f:{PART_OF}")).is_some()
}
