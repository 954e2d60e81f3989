//! Which applied fields the live object has otherwise, addressed as ownership addresses them.
//!
//! Lists are matched item by item where any manager's set shows their keys; all other lists are compared whole,
//! since nothing else tells what their items are.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::{
    fields::{
        FieldSet,
        managed::ManagedFields,
        path::{FieldPath, Literal, Segment},
    },
    fingerprint,
    ignore::Ignored,
    object::Gvk,
};

/// A path, what was applied there, what is live there.
pub(super) type Difference = (FieldPath, Option<Value>, Option<Value>);

/// Returns every field of `applied` that is not live as it was applied.
pub(super) fn compare(
    applied: &Value,
    live: &Value,
    ignored: &Ignored,
    known: &FieldSet,
    gvk: &Gvk,
    foreign: &[&ManagedFields],
) -> Vec<Difference> {
    let mut comparison = Comparison { gvk, foreign, found: Vec::new() };
    let mut applied = ignored.strip(&fingerprint::applied_part(applied, gvk));
    if let Some(fields) = applied.as_object_mut() {
        // The status of a custom kind is dropped from an apply if it has a subresource, which shows in who writes it.
        let status = FieldPath::of_fields(&["status"]);
        if live.get("status").is_none() || comparison.is_foreign(&status) {
            fields.remove("status");
        }
    }
    comparison.value(&FieldPath::default(), &applied, Some(live), Some(known));
    comparison.found
}

struct Comparison<'a> {
    gvk: &'a Gvk,
    foreign: &'a [&'a ManagedFields],
    found: Vec<Difference>,
}

impl Comparison<'_> {
    fn value(&mut self, path: &FieldPath, applied: &Value, live: Option<&Value>, known: Option<&FieldSet>) {
        if !path.segments().is_empty() && fingerprint::same(applied, live, path, self.gvk) {
            return;
        }
        let ends_here = known.is_some_and(|set| set.children().next().is_none());
        match (applied, live) {
            (Value::Object(applied), Some(Value::Object(live))) if !applied.is_empty() && !ends_here => {
                self.map(path, applied, live, known);
            }
            (Value::Array(applied), Some(Value::Array(live))) if known.is_some_and(has_items) => {
                self.list(path, applied, live, known);
            }
            // What was applied empty is filled with defaults by the server; only an owner shows that somebody did it.
            (Value::Object(_) | Value::Null, Some(_)) if is_empty(applied) && !self.is_foreign(path) => {}
            // Of a map that was applied empty every part is somebody else's.
            (Value::Object(map), Some(Value::Object(_))) if map.is_empty() && self.is_shared(path) => {}
            // An empty list whose items are owned one by one is dropped.
            (Value::Array(items), None) if items.is_empty() => {}
            _ => self.found.push((path.clone(), Some(applied.clone()), live.cloned())),
        }
    }

    fn map(
        &mut self,
        path: &FieldPath,
        applied: &Map<String, Value>,
        live: &Map<String, Value>,
        known: Option<&FieldSet>,
    ) {
        for (name, value) in applied {
            let segment = Segment::Field(name.clone());
            let below = known.and_then(|set| set.child(&segment));
            self.value(&path.join(segment), value, live.get(name), below);
        }
    }

    fn list(&mut self, path: &FieldPath, applied: &[Value], live: &[Value], known: Option<&FieldSet>) {
        let shapes: BTreeSet<Vec<String>> =
            known.into_iter().flat_map(FieldSet::children).filter_map(|(segment, _)| segment.key_names()).collect();
        for item in applied {
            let keyed = shapes.iter().find_map(|shape| key_of(item, shape));
            let segment = keyed.map_or_else(|| Segment::Value(Literal::new(item)), Segment::Key);
            let found = live.iter().find(|live| matches(&segment, live));
            // The set names the item with all its keys, the manifest may leave out those with a default.
            let segment = match found {
                Some(found) => shapes.iter().find_map(|shape| key_of(found, shape)).map_or(segment, Segment::Key),
                None => segment,
            };
            let below = known.and_then(|set| set.child(&segment));
            self.value(&path.join(segment), item, found, below);
        }
    }

    fn is_shared(&self, path: &FieldPath) -> bool {
        self.foreign.iter().any(|entry| entry.fields.goes_below(path))
    }

    fn is_foreign(&self, path: &FieldPath) -> bool {
        self.foreign.iter().any(|entry| entry.fields.touches(path))
    }
}

fn has_items(set: &FieldSet) -> bool {
    set.children().any(|(segment, _)| matches!(segment, Segment::Key(_) | Segment::Value(_)))
}

/// Returns those of the key fields that the item has; nothing if it has none.
fn key_of(item: &Value, shape: &[String]) -> Option<Literal> {
    let present: Map<String, Value> =
        shape.iter().filter_map(|name| item.get(name).map(|value| (name.clone(), value.clone()))).collect();
    (!present.is_empty()).then(|| Literal::new(&Value::Object(present)))
}

fn matches(segment: &Segment, item: &Value) -> bool {
    match segment {
        Segment::Key(key) => {
            key.value().as_object().into_iter().flatten().all(|(name, value)| item.get(name) == Some(value))
        }
        Segment::Value(wanted) => Literal::new(item) == *wanted,
        Segment::Field(_) | Segment::Index(_) => false,
    }
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_object().is_some_and(Map::is_empty)
}
