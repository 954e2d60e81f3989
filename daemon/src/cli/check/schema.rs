//! An object against the structural schema of its CustomResourceDefinition.
//!
//! Owns: the part of OpenAPI v3 that Kubernetes' structural schemas consist of and that plumb's own schemas use. CEL rules
//! are left to the API server. Must never do: call something wrong that the API server takes.

use regex::Regex;
use serde_json::{Map, Value};

/// One field that the API server would refuse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// The field, such as `spec.sync.pruneLimit`.
    pub(super) field: String,
    /// What is wrong with it.
    pub(super) message: String,
    /// What to do; may be empty.
    pub(super) remedy: String,
}

/// Returns everything in `value` that the schema does not allow.
pub(super) fn faults(schema: &Value, value: &Value) -> Vec<Fault> {
    let mut found = Vec::new();
    check(schema, value, "", &mut found);
    found
}

fn check(schema: &Value, value: &Value, field: &str, found: &mut Vec<Fault>) {
    let mut add = |message: String, remedy: String| found.push(Fault { field: field.to_owned(), message, remedy });
    if value.is_null() && schema["nullable"] == true {
        return;
    }
    if let Some(wanted) = schema["type"].as_str()
        && !is_of(value, wanted)
    {
        add(format!("is {}, not {}", described(value), article(wanted)), String::new());
        return;
    }
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        let allowed: Vec<String> = allowed.iter().map(text).collect();
        add(format!("{} is not one of {}", value, allowed.join(", ")), String::new());
        return;
    }
    match value {
        Value::String(value) => check_text(schema, value, add),
        Value::Object(map) => check_map(schema, map, field, found),
        Value::Array(items) => {
            if let Some(most) = schema["maxItems"].as_u64().filter(|most| items.len() as u64 > *most) {
                add(format!("has {} entries, {most} are allowed", items.len()), String::new());
            }
            for (index, item) in items.iter().enumerate() {
                check(&schema["items"], item, &format!("{field}[{index}]"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn check_text(schema: &Value, value: &str, mut add: impl FnMut(String, String)) {
    let length = u64::try_from(value.chars().count()).unwrap_or(u64::MAX);
    if schema["minLength"].as_u64().is_some_and(|least| length < least) {
        add("is empty or too short".to_owned(), String::new());
    } else if let Some(most) = schema["maxLength"].as_u64().filter(|most| length > *most) {
        add(format!("has {length} characters, {most} are allowed"), String::new());
    } else if let Some(pattern) = schema["pattern"].as_str()
        // A pattern that only the API server's engine understands is left to it.
        && Regex::new(pattern).is_ok_and(|pattern| !pattern.is_match(value))
    {
        add(format!("{value:?} is not of the form that is asked for"), format!("it must match {pattern}"));
    }
}

fn check_map(schema: &Value, map: &Map<String, Value>, field: &str, found: &mut Vec<Fault>) {
    let below = |name: &str| if field.is_empty() { name.to_owned() } else { format!("{field}.{name}") };
    let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
    for name in required.iter().filter_map(Value::as_str).filter(|name| !map.contains_key(*name)) {
        let (message, remedy) = (format!("{name} is missing"), "add it".to_owned());
        found.push(Fault { field: if field.is_empty() { name.to_owned() } else { field.to_owned() }, message, remedy });
    }
    let Some(known) = schema["properties"].as_object() else {
        if let Some(each @ Value::Object(_)) = schema.get("additionalProperties") {
            for (name, value) in map {
                check(each, value, &below(name), found);
            }
        }
        return;
    };
    // apiVersion and kind were read already, and a definition says nothing of metadata.
    let implied = |name: &str| field.is_empty() && ["apiVersion", "kind", "metadata"].contains(&name);
    for (name, value) in map {
        match known.get(name) {
            Some(schema) => check(schema, value, &below(name), found),
            None if implied(name) || schema["x-kubernetes-preserve-unknown-fields"] == true => {}
            None => {
                let names: Vec<&str> = known.keys().map(String::as_str).collect();
                let (message, remedy) =
                    ("there is no such field".to_owned(), format!("known are {}", names.join(", ")));
                found.push(Fault { field: below(name), message, remedy });
            }
        }
    }
}

fn is_of(value: &Value, wanted: &str) -> bool {
    match wanted {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        _ => true,
    }
}

fn described(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

fn article(wanted: &str) -> &str {
    match wanted {
        "object" => "a map",
        "array" => "a list",
        "string" => "a text (write it in quotes)",
        "boolean" => "true or false",
        "integer" => "a whole number",
        "number" => "a number",
        other => other,
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn verdicts(value: &Value) -> Vec<String> {
        let definition = plumb_api::definitions().remove(0);
        let schema = definition.spec.versions[0].schema.as_ref().unwrap().open_api_v3_schema.as_ref().unwrap();
        let found = faults(&serde_json::to_value(schema).unwrap(), value);
        found.into_iter().map(|fault| format!("{}: {}", fault.field, fault.message)).collect()
    }

    fn environment(spec: &Value) -> Value {
        let metadata = json!({ "name": "a", "labels": { "a": "b" } });
        json!({ "apiVersion": "plumb.dev/v1alpha1", "kind": "Environment", "metadata": metadata, "spec": spec })
    }

    #[test]
    fn what_the_api_server_refuses_is_found() {
        let check = |spec: Value, expected: &[&str]| assert_eq!(verdicts(&environment(&spec)), expected, "{spec}");
        check(json!({ "repository": "r", "path": "p" }), &[]);
        let full = json!({ "repository": "r", "path": "p", "target": { "namespace": "shop" }, "suspend": true,
            "sync": { "prune": false, "pruneLimit": "100%" }, "drift": { "mode": "Report" }, "deletion": "Orphan" });
        check(full, &[]);
        check(json!({ "path": "p" }), &["spec: repository is missing"]);
        check(json!({ "repository": "", "path": "p" }), &["spec.repository: is empty or too short"]);
        check(json!({ "repository": "r", "path": 7 }), &["spec.path: is a number, not a text (write it in quotes)"]);
        let sync = json!({ "pruneLimit": "a lot", "prun": true });
        check(
            json!({ "repository": "r", "path": "p", "sync": sync }),
            &[
                "spec.sync.prun: there is no such field",
                "spec.sync.pruneLimit: \"a lot\" is not of the form that is asked for",
            ],
        );
        check(
            json!({ "repository": "r", "path": "p", "drift": { "mode": "Ignore" }, "target": [] }),
            &["spec.drift.mode: \"Ignore\" is not one of Correct, Report", "spec.target: is a list, not a map"],
        );
    }

    #[test]
    fn a_resource_without_a_spec_is_incomplete() {
        let mut value = environment(&json!({}));
        value.as_object_mut().unwrap().remove("spec");
        assert_eq!(verdicts(&value), ["spec: spec is missing"]);
    }
}
