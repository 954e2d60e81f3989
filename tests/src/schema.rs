//! The JSON Schema of records, and whether a line keeps to it.
//!
//! Knows the keywords that `docs/schemas/record-v1.json` uses, and refuses every other: a rule that is passed over in silence
//! proves nothing. A library for all of JSON Schema brings some forty crates along, most of them for numbers and URIs that
//! records do not have.

use std::{fs, path::Path, sync::LazyLock};

use regex::Regex;
use serde_json::Value;

/// The schema, from the root of the repository.
const RECORD: &str = "docs/schemas/record-v1.json";

/// Keywords that explain and demand nothing.
const WORDS: [&str; 3] = ["$schema", "title", "description"];

/// A schema that uses only keywords that are known here.
#[derive(Debug, Clone)]
pub struct Schema(Value);

impl Schema {
    /// Returns the schema of Record v1.
    ///
    /// # Panics
    /// When it can't be read.
    pub fn record() -> &'static Self {
        static RECORD_V1: LazyLock<Schema> = LazyLock::new(|| {
            let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(RECORD);
            let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{RECORD}: {error}"));
            Schema::parse(&text).unwrap_or_else(|error| panic!("{RECORD}: {error}"))
        });
        &RECORD_V1
    }

    /// Reads a schema.
    ///
    /// # Errors
    /// It is no JSON, or has a keyword that is not known here.
    pub fn parse(text: &str) -> Result<Self, String> {
        let schema = serde_json::from_str(text).map_err(|error| error.to_string())?;
        known(&schema, "")?;
        Ok(Self(schema))
    }

    /// Returns everything in which a value does not keep to it.
    pub fn problems(&self, value: &Value) -> Vec<String> {
        let mut problems = Vec::new();
        judge(&self.0, value, "", &mut problems);
        problems
    }
}

/// Reads a line of a note, which has to keep to the schema of Record v1.
///
/// # Panics
/// When it doesn't.
#[track_caller]
pub fn record(line: &str) -> Value {
    let record: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    let problems = Schema::record().problems(&record);
    assert!(problems.is_empty(), "{line} does not keep to {RECORD}: {problems:#?}");
    record
}

/// Returns the schemas that a schema holds, each with its place.
fn parts(schema: &Value) -> impl Iterator<Item = (String, &Value)> {
    let named = schema["properties"].as_object().into_iter().flatten();
    let named = named.map(|(name, part)| (format!("properties/{name}"), part));
    let single = ["items", "additionalProperties", "propertyNames"];
    named.chain(single.into_iter().filter_map(|name| Some((name.to_owned(), schema.get(name)?))))
}

/// Checks that each keyword is one of those that [`judge`] goes by, and has a value that it can go by.
fn known(schema: &Value, place: &str) -> Result<(), String> {
    if schema.is_boolean() {
        return Ok(());
    }
    for (keyword, value) in schema.as_object().ok_or(format!("{place}: it is neither a map nor true or false"))? {
        let fits = match keyword.as_str() {
            "type" => value.as_str().is_some_and(|name| is_type(name, &Value::Null).is_some()),
            "enum" => value.is_array(),
            "required" => value.as_array().is_some_and(|names| names.iter().all(Value::is_string)),
            "properties" => value.is_object(),
            "minimum" | "maxItems" => value.is_u64(),
            "format" => value == "date-time",
            "pattern" => value.as_str().is_some_and(|pattern| Regex::new(pattern).is_ok()),
            "const" | "items" | "additionalProperties" | "propertyNames" => true,
            word => WORDS.contains(&word),
        };
        if !fits {
            return Err(format!("{place}/{keyword}: {value} is not understood here"));
        }
    }
    parts(schema).try_for_each(|(name, part)| known(part, &format!("{place}/{name}")))
}

/// Returns whether a value is of a type; nothing for a name that is none.
fn is_type(name: &str, value: &Value) -> Option<bool> {
    Some(match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        _ => return None,
    })
}

fn judge(schema: &Value, value: &Value, place: &str, problems: &mut Vec<String>) {
    if *schema == Value::Bool(false) {
        problems.push(format!("{place} is not provided for"));
    }
    let rules = schema.as_object().into_iter().flatten();
    for (keyword, rule) in rules {
        let holds = match keyword.as_str() {
            "type" => is_type(rule.as_str().unwrap_or_default(), value) == Some(true),
            "const" => value == rule,
            "enum" => rule.as_array().is_some_and(|allowed| allowed.contains(value)),
            "required" => value.as_object().is_none_or(|map| {
                rule.as_array().into_iter().flatten().filter_map(Value::as_str).all(|name| map.contains_key(name))
            }),
            "minimum" => value.as_u64().is_some_and(|number| Some(number) >= rule.as_u64()),
            "maxItems" => value.as_array().is_none_or(|items| Some(items.len() as u64) <= rule.as_u64()),
            "pattern" => value.as_str().is_none_or(|text| {
                Regex::new(rule.as_str().unwrap_or_default()).is_ok_and(|pattern| pattern.is_match(text))
            }),
            "format" => value.as_str().is_none_or(is_date_time),
            _ => true,
        };
        if !holds {
            problems.push(format!("{place}: {value} is not as {keyword} demands: {rule}"));
        }
    }
    for (name, member) in value.as_object().into_iter().flatten() {
        let place = format!("{place}/{name}");
        match (schema["properties"].get(name), schema.get("additionalProperties")) {
            (Some(part), _) | (None, Some(part)) => judge(part, member, &place, problems),
            (None, None) => {}
        }
        if let Some(names) = schema.get("propertyNames") {
            judge(names, &Value::from(name.as_str()), &place, problems);
        }
    }
    if let (Some(part), Some(items)) = (schema.get("items"), value.as_array()) {
        for (number, item) in items.iter().enumerate() {
            judge(part, item, &format!("{place}/{number}"), problems);
        }
    }
}

/// Returns whether a text is a time of RFC 3339, which leaves less open than what `jiff` reads.
fn is_date_time(text: &str) -> bool {
    let form = Regex::new(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$").expect("a pattern");
    form.is_match(text) && text.parse::<jiff::Timestamp>().is_ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_keyword_that_is_not_known_is_refused_wherever_it_is() {
        let check = |schema: Value, place: &str| {
            let refused = Schema::parse(&schema.to_string()).expect_err("it is not known");
            assert!(refused.starts_with(place), "{refused}");
        };
        check(json!({ "oneOf": [] }), "/oneOf");
        check(json!({ "properties": { "a": { "maximum": 1 } } }), "/properties/a/maximum");
        check(json!({ "items": { "format": "email" } }), "/items/format");
        check(json!({ "additionalProperties": { "type": "number" } }), "/additionalProperties/type");
        check(json!({ "propertyNames": { "pattern": "(" } }), "/propertyNames/pattern");
        check(json!({ "minimum": "1" }), "/minimum");
    }

    #[test]
    fn each_rule_finds_what_breaks_it() {
        let check = |schema: Value, good: Value, bad: Value| {
            let known = Schema::parse(&schema.to_string()).expect("a schema");
            assert_eq!(known.problems(&good), [""; 0], "{schema}");
            assert_eq!(known.problems(&bad).len(), 1, "{schema}: {bad}");
        };
        check(json!({ "type": "object" }), json!({}), json!([]));
        check(json!({ "type": "integer" }), json!(1), json!(1.5));
        check(json!({ "type": "string" }), json!(""), json!(null));
        check(json!({ "const": 1 }), json!(1), json!(2));
        check(json!({ "enum": ["a", "b"] }), json!("b"), json!("c"));
        check(json!({ "required": ["a"] }), json!({ "a": 1 }), json!({ "b": 1 }));
        check(json!({ "minimum": 1 }), json!(1), json!(0));
        check(json!({ "minimum": 0 }), json!(0), json!(-1));
        check(json!({ "maxItems": 1 }), json!([1]), json!([1, 2]));
        check(json!({ "pattern": "^[0-9]$" }), json!("1"), json!("12"));
        check(json!({ "format": "date-time" }), json!("2026-11-21T20:04:30.5Z"), json!("2026-11-21"));
        check(json!({ "format": "date-time" }), json!("2026-11-21T20:04:30+01:00"), json!("2026-13-21T20:04:30Z"));
        check(json!({ "items": { "type": "string" } }), json!(["a"]), json!(["a", 1]));
        let closed = json!({ "properties": { "a": { "const": 1 } }, "additionalProperties": false });
        check(closed.clone(), json!({ "a": 1 }), json!({ "a": 2 }));
        check(closed, json!({}), json!({ "b": 1 }));
        let map = json!({ "propertyNames": { "enum": ["a"] }, "additionalProperties": { "minimum": 1 } });
        check(map.clone(), json!({ "a": 1 }), json!({ "b": 1 }));
        check(map, json!({}), json!({ "a": 0 }));
    }
}
