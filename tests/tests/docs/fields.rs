//! `docs/configuration.md` and the schemas of the resources.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::page::{check_same, page, rows};

/// Returns every field that holds a value, with its schema: not the objects around it.
fn leaves(path: &str, schema: &Value, found: &mut BTreeMap<String, Value>) {
    let properties = schema["properties"].as_object();
    let items = &schema["items"];
    match properties {
        Some(properties) => {
            for (name, schema) in properties {
                let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                leaves(&below, schema, found);
            }
        }
        None if items["properties"].is_object() => leaves(&format!("{path}[]"), items, found),
        None => {
            found.insert(path.to_owned(), schema.clone());
        }
    }
}

/// Returns the default as a document writes it.
fn default(schema: &Value) -> Option<String> {
    match &schema["default"] {
        Value::Null => None,
        Value::String(text) => Some(format!("`{text}`")),
        other => Some(format!("`{other}`")),
    }
}

#[test]
fn every_field_of_the_resources_is_described_with_its_default() {
    let page = page("docs/configuration.md");
    for definition in plumb_api::definitions() {
        let kind = definition.spec.names.kind.clone();
        let version = serde_json::to_value(&definition.spec.versions[0]).expect("JSON");
        let schema = &version["schema"]["openAPIV3Schema"];
        let mut fields = BTreeMap::new();
        leaves("", schema, &mut fields);
        let section = page.section(&format!("## {kind}"));
        let described: BTreeMap<_, _> = rows(section).into_iter().collect();
        check_same(
            &format!("fields of {kind}"),
            &described.keys().cloned().collect(),
            &fields.keys().cloned().collect(),
        );
        let mut required = BTreeSet::new();
        required_fields("spec", &schema["properties"]["spec"], &mut required);
        for (field, schema) in fields.iter().filter(|(field, _)| field.starts_with("spec.")) {
            let cell = &described[field][0];
            let expected = if required.contains(field) { Some("required".to_owned()) } else { default(schema) };
            match expected {
                Some(expected) => assert_eq!(*cell, expected, "the default of {kind} {field}"),
                None => assert!(cell != "required" && !cell.is_empty(), "{kind} {field} is not required: {cell:?}"),
            }
        }
    }
}

/// Collects what has to be written: the required fields of the spec, and of the items of all lists below it.
fn required_fields(path: &str, schema: &Value, found: &mut BTreeSet<String>) {
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    for field in required {
        let path = format!("{path}.{field}");
        // What a required object requires has to be written, too.
        required_fields(&path, &schema["properties"][field], found);
        found.insert(path);
    }
    lists_below(path, schema, found);
}

fn lists_below(path: &str, schema: &Value, found: &mut BTreeSet<String>) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        required_fields(&format!("{path}[]"), &property["items"], found);
        lists_below(&path, property, found);
    }
}
