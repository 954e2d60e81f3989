//! `List` and `ConfigMapList` and their like: each element is an object of its own.

use serde_json::{Map, Value};

use super::object::Checks;
use crate::yaml::{Document, Position};

/// The end of the kind of every list.
const LIST: &str = "List";

/// Returns the objects of a document and where they stand: the elements of a list, or the one object that it is.
///
/// As in kubectl, what ends in `List` is a list only if it has a sequence `items`, and the elements of a typed list
/// take the kind and version that they leave out from it.
pub(super) fn flatten(document: Document, checks: &mut Checks<'_, '_>) -> Vec<(Value, Position)> {
    let at = Position { line: document.origin.line, column: document.origin.column };
    let Value::Object(mut object) = document.value else { return vec![(document.value, at)] };
    let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
    let Some(element_kind) = kind.strip_suffix(LIST).map(str::to_owned) else {
        return vec![(Value::Object(object), at)];
    };
    match object.remove("items") {
        Some(Value::Array(items)) => {
            let version = object.remove("apiVersion");
            let defaults = (!element_kind.is_empty()).then_some((element_kind, version));
            let mut objects = Vec::with_capacity(items.len());
            for (index, mut item) in items.into_iter().enumerate() {
                // Elements that an alias repeats stand where the list stands.
                let at = document.items.get(index).copied().unwrap_or(at);
                if let (Some((kind, version)), Value::Object(item)) = (&defaults, &mut item) {
                    complete(item, kind, version.as_ref());
                }
                if is_list(&item) {
                    checks.report(
                        at,
                        "a List inside a List is not read, by kubectl neither",
                        "write its elements into the outer list",
                    );
                } else {
                    objects.push((item, at));
                }
            }
            objects
        }
        Some(Value::Null) => Vec::new(),
        None if element_kind.is_empty() => {
            checks.report(at, "the List has no items", "add items, or remove the document");
            Vec::new()
        }
        items => {
            if let Some(items) = items {
                object.insert("items".to_owned(), items);
            }
            vec![(Value::Object(object), at)]
        }
    }
}

fn complete(item: &mut Map<String, Value>, kind: &str, version: Option<&Value>) {
    if !item.contains_key("kind") && !item.contains_key("apiVersion") {
        item.insert("kind".to_owned(), Value::String(kind.to_owned()));
        if let Some(version) = version {
            item.insert("apiVersion".to_owned(), version.clone());
        }
    }
}

fn is_list(value: &Value) -> bool {
    let kind = value.get("kind").and_then(Value::as_str).unwrap_or_default();
    kind.ends_with(LIST) && value.get("items").is_some_and(Value::is_array)
}
