//! The fingerprint of what one manager owns of an object: equal means nothing of it changed.
//!
//! Owns: the hash, and what counts as equal between a manifest and the object that the API server
//! made of it. May touch: values handed to it. Must never do: call two things equal that the API
//! server might tell apart; a needless difference costs one dry-run, a needless equality loses a change.
//!
//! Whatever another manager changes, the API server takes from our set, so presence of a path in the
//! set is part of the hash. That is why an owned field that the server left out (it drops empty
//! values of built-in kinds) may stand for the empty value in the manifest.

mod canonical;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::{
    environment::FieldManager,
    fields::{
        FieldSet, managed,
        managed::ManagedFields,
        path::{FieldPath, Segment},
    },
    fingerprint::canonical::{Dialect, Side},
    ignore::Ignored,
    object::Gvk,
    redact,
};

/// Bytes kept of the SHA-256: enough that two of a billion objects never meet by chance, and half the memory.
const LENGTH: usize = 16;

/// What the API server removes from every owned set (its `stripSet`), below `metadata`.
const NEVER_OWNED: [&str; 9] = [
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "clusterName",
    "generation",
    "managedFields",
    "resourceVersion",
];

/// Built-in structs that the API server fills with defaults when they are applied as `{}`: owning the path then
/// does not mean owning the defaults.
const FILLED_WHEN_EMPTY: [(&str, &[&str]); 4] = [
    ("Deployment", &["spec", "strategy"]),
    ("StatefulSet", &["spec", "updateStrategy"]),
    ("DaemonSet", &["spec", "updateStrategy"]),
    ("Namespace", &["spec"]),
];

/// Maps and structs of built-in kinds that ask for nothing where they are empty, wherever they are: others may fill them.
const FILLED_BY_OTHERS: [&str; 3] = ["limits", "requests", "resources"];

/// A digest of the fields that one manager owns, with their values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; LENGTH]);

impl Fingerprint {
    /// Returns the fingerprint of what the manager's apply owns of a live object; nothing if it owns nothing, if
    /// managedFields cannot be read, or if it applied at another version than the object was read at. What is ignored
    /// does not count, owned or not.
    pub fn of_owned(object: &Value, manager: &FieldManager, ignored: &Ignored) -> Option<Self> {
        let raw = managed::entries(object);
        let mut applied = raw.iter().filter_map(|entry| ManagedFields::parse(entry).ok());
        let entry = applied.find(|entry| entry.is_apply_of(manager))?;
        let gvk = gvk_of(object);
        if entry.api_version != gvk.api_version() {
            return None;
        }
        let fields = if is_secret(&gvk) { with_string_data_as_data(&entry.fields) } else { entry.fields.clone() };
        let object = without_what_others_filled(raw, &entry, &fields, object);
        let mut owned = fields.project_marking(&object, &Value::Null, &ignored.steps());
        for (kind, path) in FILLED_WHEN_EMPTY {
            if kind == gvk.kind && fields.ends_at(&FieldPath::of_fields(path)) {
                set(&mut owned, path, Value::Null);
            }
        }
        Some(Self::of_canonical(owned, &gvk, Side::Live))
    }

    /// Returns the fingerprint that [`Fingerprint::of_owned`] gives right after applying exactly this manifest, as
    /// far as that can be known without the schema. Where the server changes what it is given in other ways than
    /// known here, the two differ though nothing changed: a dry-run decides then.
    pub fn of_manifest(manifest: &Value, ignored: &Ignored) -> Self {
        let gvk = gvk_of(manifest);
        Self::of_canonical(ignored.strip(&applied_part(manifest, &gvk)), &gvk, Side::Manifest)
    }

    fn of_canonical(mut owned: Value, gvk: &Gvk, side: Side) -> Self {
        forget_empty_maps(&mut owned, gvk);
        let mut text = Vec::new();
        canonical::write(&owned, Dialect::of(gvk), side, &mut text);
        let digest = Sha256::digest(&text);
        let mut kept = [0; LENGTH];
        kept.copy_from_slice(&digest[..LENGTH]);
        Self(kept)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut bytes = [0; LENGTH];
        let pairs: Vec<&str> = (0..text.len()).step_by(2).filter_map(|at| text.get(at..at + 2)).collect();
        if pairs.len() != LENGTH || text.len() != 2 * LENGTH {
            return Err(serde::de::Error::custom("a fingerprint has 32 hexadecimal digits"));
        }
        for (byte, pair) in bytes.iter_mut().zip(pairs) {
            *byte = u8::from_str_radix(pair, 16).map_err(serde::de::Error::custom)?;
        }
        Ok(Self(bytes))
    }
}

/// Leaves out maps that were applied empty and that others fill: annotations and labels, at the top and in templates of
/// built-in kinds, the resources of containers, and the data of ConfigMaps and Secrets. As soon as somebody adds an entry, the
/// API server takes such a map as a whole from our set, although nothing of ours has changed.
fn forget_empty_maps(value: &mut Value, gvk: &Gvk) {
    forget_empty_below(value, Dialect::of(gvk), 0);
    if let ("", "ConfigMap" | "Secret", Some(fields)) = (gvk.group.as_str(), gvk.kind.as_str(), value.as_object_mut()) {
        fields
            .retain(|name, value| !(is_empty(value) && matches!(name.as_str(), "data" | "binaryData" | "stringData")));
    }
}

fn forget_empty_below(value: &mut Value, dialect: Dialect, depth: usize) {
    if let (Value::Array(items), Dialect::BuiltIn) = (&mut *value, dialect) {
        return items.iter_mut().for_each(|item| forget_empty_below(item, dialect, depth + 1));
    }
    let Some(fields) = value.as_object_mut() else { return };
    if let Some(Value::Object(metadata)) = fields.get_mut("metadata") {
        metadata.retain(|name, value| !(is_empty(value) && matches!(name.as_str(), "annotations" | "labels")));
        if metadata.is_empty() {
            fields.remove("metadata");
        }
    }
    if dialect == Dialect::BuiltIn {
        for (name, below) in fields.iter_mut().filter(|(name, _)| name.as_str() != "metadata") {
            forget_empty_below(below, dialect.below(name, depth), depth + 1);
        }
        fields.retain(|name, value| !(is_empty(value) && FILLED_BY_OTHERS.contains(&name.as_str())));
    }
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_object().is_some_and(Map::is_empty)
}

/// Returns the object with null for what was applied empty and others own something of: the API server treats that as a map or
/// list of parts, and all of them are somebody else's.
fn without_what_others_filled<'a>(
    entries: &[Value],
    ours: &ManagedFields,
    fields: &FieldSet,
    object: &'a Value,
) -> Cow<'a, Value> {
    let mut object = Cow::Borrowed(object);
    for entry in entries.iter().filter_map(|entry| ManagedFields::parse(entry).ok()).filter(|entry| entry != ours) {
        if fields.is_filled_by(&entry.fields) {
            fields.blank_filled(&entry.fields, object.to_mut());
        }
    }
    object
}

/// Returns what of a manifest the manager that applies it owns afterwards.
pub(crate) fn applied_part(manifest: &Value, gvk: &Gvk) -> Value {
    let mut applied = if is_secret(gvk) { redact::merged(manifest) } else { manifest.clone() };
    let Some(fields) = applied.as_object_mut() else { return applied };
    fields.remove("apiVersion");
    fields.remove("kind");
    if drops_status(gvk, fields.get("status")) {
        fields.remove("status");
    }
    if let Some(Value::Object(metadata)) = fields.get_mut("metadata") {
        metadata.retain(|name, _| !NEVER_OWNED.contains(&name.as_str()));
        if metadata.is_empty() {
            fields.remove("metadata");
        }
    }
    applied
}

/// Returns whether the value that was applied to a field is the one that the live object has there, as far as the API
/// server tells them apart.
pub(crate) fn same(applied: &Value, live: Option<&Value>, path: &FieldPath, gvk: &Gvk) -> bool {
    let dialect = if path.starts_with(&["metadata"]) { Dialect::BuiltIn } else { Dialect::of(gvk) };
    let names: Vec<&str> = path.segments().iter().filter_map(Segment::field_name).collect();
    let (name, parent) = match names.as_slice() {
        [.., parent, name] => (*name, *parent),
        [name] => (*name, ""),
        [] => ("", ""),
    };
    let is_field = path.segments().last().is_some_and(|last| last.field_name().is_some());
    let text = |value: &Value, side: Side| {
        let mut text = Vec::new();
        if is_field {
            let field = Map::from_iter([(name.to_owned(), value.clone())]);
            canonical::write_below(parent, &Value::Object(field), dialect, side, &mut text);
        } else {
            canonical::write_below(name, value, dialect, side, &mut text);
        }
        text
    };
    text(applied, Side::Manifest) == text(live.unwrap_or(&Value::Null), Side::Live)
}

/// Returns the kind of an object; empty where it does not say.
pub(crate) fn gvk_of(object: &Value) -> Gvk {
    let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
    Gvk::new(text("apiVersion"), text("kind"))
}

fn is_secret(gvk: &Gvk) -> bool {
    gvk.group.is_empty() && gvk.kind == "Secret"
}

/// Every built-in kind keeps its status behind a subresource, so applying one has no effect. Of custom kinds only
/// an empty status is known to say nothing.
fn drops_status(gvk: &Gvk, status: Option<&Value>) -> bool {
    let empty = match status {
        Some(Value::Object(status)) => status.is_empty(),
        Some(status) => status.is_null(),
        None => true,
    };
    empty || Dialect::of(gvk) == Dialect::BuiltIn
}

/// The server turns `stringData` into `data` and keeps only `data`, while ownership stays at `stringData`.
fn with_string_data_as_data(fields: &FieldSet) -> FieldSet {
    let Value::Object(mut entries) = fields.to_value() else { return fields.clone() };
    let Some(Value::Object(texts)) = entries.remove("f:stringData") else { return fields.clone() };
    let mut data = match entries.remove("f:data") {
        Some(Value::Object(data)) => data,
        _ => Map::new(),
    };
    data.extend(texts);
    entries.insert("f:data".to_owned(), Value::Object(data));
    FieldSet::parse(&Value::Object(entries)).unwrap_or_else(|_| fields.clone())
}

fn set(object: &mut Value, path: &[&str], value: Value) {
    let mut node = object;
    for name in path {
        let Some(below) = node.get_mut(name) else { return };
        node = below;
    }
    *node = value;
}
