//! What may be shown of a Secret: the names of its keys, and which of them differ. The one place that knows.
//!
//! Must never do: let a value through, nor its length, nor a digest of it.

use base64::Engine as _;
use serde::{Serialize as _, Serializer};
use serde_json::{Map, Value};

use crate::fields::path::{FieldPath, Segment};

/// Stands for a value that is not shown.
pub const REDACTED: &str = "(redacted)";

/// Stands for a value that is not shown and differs from the one it is compared with.
pub const REDACTED_CHANGED: &str = "(redacted, changed)";

/// Holds a whole former manifest, Secret values and all.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// An annotation of a Secret that is longer than this, or holds a document, may hold a whole former manifest, values and all, as
/// kubectl, kapp and Rancher leave it there, one of them compressed. What people write to be read is shorter.
const ANNOTATION_SHOWN: usize = 100;

/// Shorter texts are in ordinary words too, and no secrets.
const VALUE_LENGTH_MIN: usize = 4;

/// The fields of a Secret that hold values.
const VALUES: [&str; 2] = ["data", "stringData"];

/// Returns whether an object is a Secret.
pub fn is_secret(object: &Value) -> bool {
    object.get("kind").is_some_and(|kind| kind == "Secret") && object.get("apiVersion").is_some_and(|api| api == "v1")
}

/// Returns every value of a Secret, as it is written and as it is sent, to be looked for in the words of others; nothing for other
/// kinds. Values that are too short to be told from ordinary words are left out.
pub fn values(object: &Value) -> Vec<String> {
    if !is_secret(object) {
        return Vec::new();
    }
    let fields = VALUES.iter().filter_map(|name| Some((*name, object.get(*name)?)));
    let texts = fields.flat_map(|(name, value)| {
        let mut found = Vec::new();
        texts(value, &mut found);
        found.into_iter().flat_map(move |text| [Some(text.to_owned()), other_notation(name, text)])
    });
    let mut values: Vec<String> = texts.flatten().filter(|text| text.len() >= VALUE_LENGTH_MIN).collect();
    // A longer one may hold a shorter one.
    values.sort_by_key(|text| std::cmp::Reverse(text.len()));
    values
}

fn texts<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(map) => map.values().for_each(|value| texts(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn other_notation(field: &str, text: &str) -> Option<String> {
    let base64 = base64::engine::general_purpose::STANDARD;
    if field == "data" { String::from_utf8(base64.decode(text).ok()?).ok() } else { Some(base64.encode(text)) }
}

/// Returns the object as it may be shown; all kinds but Secret are unchanged.
pub fn object(object: &Value) -> Value {
    if is_secret(object) { shown(&mut Vec::new(), object, &|_, _| REDACTED) } else { object.clone() }
}

/// Serialises the object as it may be shown.
pub(crate) fn serialize<S: Serializer>(object: &Value, serializer: S) -> Result<S::Ok, S::Error> {
    self::object(object).serialize(serializer)
}

/// Returns two states of an object as they may be shown: equal values are equal in both, different ones are marked in
/// the second. `stringData` counts as the `data` that the API server makes of it.
pub fn pair(before: &Value, after: &Value) -> (Value, Value) {
    if !is_secret(before) && !is_secret(after) {
        return (before.clone(), after.clone());
    }
    let (before, after) = (merged(before), merged(after));
    let marker = |path: &[String], value: &Value| {
        let old = path.iter().try_fold(&before, |node, name| node.get(name));
        if old.is_some_and(|old| old != value) { REDACTED_CHANGED } else { REDACTED }
    };
    (shown(&mut Vec::new(), &before, &|_, _| REDACTED), shown(&mut Vec::new(), &after, &marker))
}

/// Returns the old and the new value at a path of a Secret as they may be shown; they are known to differ.
pub fn change(path: &FieldPath, before: Option<&Value>, after: Option<&Value>) -> (Option<Value>, Option<Value>) {
    let field = |segment: &Segment| match segment {
        Segment::Field(name) => name.clone(),
        other => other.to_string(),
    };
    let mut at: Vec<String> = path.segments().iter().map(field).collect();
    let changed = if before.is_some() { REDACTED_CHANGED } else { REDACTED };
    let before = before.map(|value| shown(&mut at, value, &|_, _| REDACTED));
    (before, after.map(|value| shown(&mut at, value, &|_, _| changed)))
}

/// Moves `stringData` to where the API server puts it.
pub(crate) fn merged(secret: &Value) -> Value {
    let mut secret = secret.clone();
    let Some(fields) = secret.as_object_mut() else { return secret };
    let Some(Value::Object(texts)) = fields.remove("stringData") else { return secret };
    let data = fields.entry("data").or_insert_with(|| Value::Object(Map::new()));
    if !data.is_object() {
        *data = Value::Object(Map::new());
    }
    for (name, text) in texts {
        let encoded = base64::engine::general_purpose::STANDARD.encode(text.as_str().unwrap_or_default());
        data[name] = Value::String(encoded);
    }
    secret
}

/// Copies a value that stands at `at`, with the marker in place of each value of the Secret.
fn shown(at: &mut Vec<String>, value: &Value, marker: &dyn Fn(&[String], &Value) -> &'static str) -> Value {
    if holds_value(at, value) {
        return Value::String(marker(at, value).to_owned());
    }
    let Value::Object(map) = value else { return value.clone() };
    let mut copy = Map::new();
    for (name, value) in map {
        at.push(name.clone());
        copy.insert(name.clone(), shown(at, value, marker));
        at.pop();
    }
    Value::Object(copy)
}

fn holds_value(at: &[String], value: &Value) -> bool {
    match at {
        [field] => VALUES.contains(&field.as_str()) && !value.is_object() && !value.is_null(),
        [field, ..] if VALUES.contains(&field.as_str()) => true,
        [metadata, annotations, name, ..] => {
            metadata == "metadata" && annotations == "annotations" && (name == LAST_APPLIED || !is_shown(value))
        }
        _ => false,
    }
}

/// Returns whether an annotation of a Secret can be shown.
fn is_shown(annotation: &Value) -> bool {
    let Some(text) = annotation.as_str() else { return annotation.is_null() };
    text.len() <= ANNOTATION_SHOWN && !text.trim_start().starts_with(['{', '['])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PASSWORD: &str = "aHVudGVyMg==";

    fn secret(data: Value) -> Value {
        let annotations = json!({LAST_APPLIED: "{\"data\":{\"a\":\"hunter2\"}}", "a": "b"});
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"annotations": annotations}, "data": data})
    }

    #[test]
    fn only_key_names_of_a_secret_are_shown() {
        let shown = object(&secret(json!({"password": PASSWORD, "odd": {"deep": "hunter2"}})));
        assert_eq!(shown["data"], json!({"password": REDACTED, "odd": REDACTED}));
        assert_eq!(shown["metadata"]["annotations"], json!({LAST_APPLIED: REDACTED, "a": "b"}));
        assert_eq!(object(&secret(json!("hunter2")))["data"], json!(REDACTED));
        assert_eq!(object(&secret(json!(["hunter2"])))["data"], json!(REDACTED));
        let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "b"}});
        assert_eq!(object(&config), config);
    }

    #[test]
    fn values_are_known_in_both_notations() {
        let mut object = secret(json!({"password": PASSWORD, "short": "YQ==", "odd": ["not base64"]}));
        object["stringData"] = json!({"token": "correct horse"});
        let expected = ["Y29ycmVjdCBob3JzZQ==", "correct horse", PASSWORD, "not base64", "hunter2", "YQ=="];
        assert_eq!(values(&object), expected);
        assert_eq!(values(&json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "hunter2"}})), [""; 0]);
    }

    #[test]
    fn two_states_show_which_keys_differ() {
        let before = secret(json!({"same": PASSWORD, "changed": "YQ==", "gone": "YQ=="}));
        let mut after = secret(json!({"changed": "Yg==", "added": "YQ=="}));
        after["stringData"] = json!({"same": "hunter2"});
        let (before, after) = pair(&before, &after);
        assert_eq!(before["data"], json!({"same": REDACTED, "changed": REDACTED, "gone": REDACTED}));
        assert_eq!(after["data"], json!({"same": REDACTED, "changed": REDACTED_CHANGED, "added": REDACTED}));
        assert!(after.get("stringData").is_none());
        let (absent, created) = pair(&Value::Null, &secret(json!({"a": PASSWORD})));
        assert_eq!((absent, created["data"]["a"].clone()), (Value::Null, json!(REDACTED)));
    }

    #[test]
    fn a_changed_field_of_a_secret_is_named_without_its_values() {
        let check = |names: &[&str], before: Value, expected: (Value, Value)| {
            let (old, new) = change(&FieldPath::of_fields(names), Some(&before), Some(&before));
            assert_eq!((old, new), (Some(expected.0), Some(expected.1)), "{names:?}");
        };
        check(&["data", "a"], json!(PASSWORD), (json!(REDACTED), json!(REDACTED_CHANGED)));
        check(&["data"], json!({"a": PASSWORD}), (json!({"a": REDACTED}), json!({"a": REDACTED_CHANGED})));
        check(&["stringData", "a"], json!("hunter2"), (json!(REDACTED), json!(REDACTED_CHANGED)));
        let annotation = ["metadata", "annotations", LAST_APPLIED];
        check(&annotation, json!("{\"data\":\"hunter2\"}"), (json!(REDACTED), json!(REDACTED_CHANGED)));
        let applied = ["metadata", "annotations", "objectset.rio.cattle.io/applied"];
        check(&applied, json!("H4sIAAAA".repeat(20)), (json!(REDACTED), json!(REDACTED_CHANGED)));
        check(&["metadata", "annotations", "a"], json!("b"), (json!("b"), json!("b")));
        check(&["type"], json!("Opaque"), (json!("Opaque"), json!("Opaque")));
        assert_eq!(
            change(&FieldPath::of_fields(&["data", "a"]), None, Some(&json!("x"))),
            (None, Some(json!(REDACTED)))
        );
    }
}
