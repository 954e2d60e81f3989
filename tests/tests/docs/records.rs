//! The form of a record in a note is described: in words, and as a schema.

use std::collections::BTreeSet;

use plumb_core::record::{RecordKind, line::Line};
use serde_json::{Value, json};
use system_tests::schema;

use crate::page::{check_same, page, read, root, rows};

/// Lines of each form, which the tests of the core compare with what it writes.
const GOLDEN: &str = "daemon/core/src/record/line/golden";

/// Returns a line that has every field.
fn full() -> Value {
    let id = "1".repeat(40);
    json!({
        "v": 1, "time": "2026-11-21T20:04:30Z", "kind": "RolledUp", "sequence": 9, "from": 7, "cluster": "eu-1",
        "repository": "r", "environment": { "namespace": "team", "name": "shop", "uid": "e" }, "commit": id,
        "author": "Ann <ann@example.com>", "subject": "s", "signer": "Ann", "message": "m",
        "objects": [{ "group": "apps", "kind": "Deployment", "namespace": "shop", "name": "web" }], "moreObjects": 1,
        "fields": [{ "path": ".spec.replicas", "before": "1", "after": "2" }], "moreFields": 1, "who": "kubectl",
        "related": id, "count": 2, "kinds": { "Applied": 3 }, "since": "2026-11-21T20:04:00Z", "tookMs": 12,
        "class": "Retry",
    })
}

fn keys(value: &Value) -> BTreeSet<String> {
    value.as_object().expect("an object").keys().cloned().collect()
}

#[test]
fn every_field_of_a_line_is_in_the_schema_and_in_the_document() {
    let line: Line = serde_json::from_value(full()).expect("a line");
    let fields = keys(&serde_json::to_value(line).expect("JSON"));
    assert_eq!(fields, keys(&full()), "this test knows every field");
    let schema: Value = serde_json::from_str(&read("docs/schemas/record-v1.json")).expect("JSON");
    check_same("properties of record-v1.json", &keys(&schema["properties"]), &fields);
    for name in ["environment", "objects", "fields"] {
        let (shown, known) = (&full()[name], &schema["properties"][name]);
        let (shown, known) = if shown.is_array() { (&shown[0], &known["items"]) } else { (shown, known) };
        check_same(&format!("properties of {name}"), &keys(&known["properties"]), &keys(shown));
    }
    let page = page("docs/records.md");
    let described = rows(page.section("## A line"));
    let described = described.into_iter().map(|(code, _)| code).collect();
    check_same("fields in docs/records.md", &described, &fields);
}

#[test]
fn the_schema_knows_every_kind() {
    let schema: Value = serde_json::from_str(&read("docs/schemas/record-v1.json")).expect("JSON");
    let kinds: Vec<Value> = RecordKind::ALL.iter().map(|kind| kind.label().into()).collect();
    assert_eq!(schema["properties"]["kind"]["enum"], Value::from(kinds.clone()));
    assert_eq!(schema["properties"]["kinds"]["propertyNames"]["enum"], Value::from(kinds));
}

#[test]
fn the_example_in_the_document_is_a_line() {
    let page = page("docs/records.md");
    let blocks = page.blocks("json");
    let example = blocks.first().expect("an example").trim();
    Line::parse(example).expect("a line");
    // What is left out of it are the ends of ids.
    let uid = |text: &str| text.replace('…', "");
    schema::record(&uid(example));
}

#[test]
fn lines_of_each_form_keep_to_the_schema() {
    schema::record(&full().to_string());
    let entries = std::fs::read_dir(root().join(GOLDEN)).expect("golden lines");
    let mut met = BTreeSet::new();
    for entry in entries {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("a line");
        met.extend(keys(&schema::record(&text)));
    }
    let missing: Vec<String> = keys(&full()).difference(&met).cloned().collect();
    // A line of twenty objects or ten fields shows no more than these counts.
    assert_eq!(missing, ["moreFields", "moreObjects"], "no golden line has them");
}

#[test]
fn a_line_that_is_not_as_the_schema_says_is_found() {
    let check = |edit: &dyn Fn(&mut Value), place: &str| {
        let mut line = full();
        edit(&mut line);
        let problems = schema::Schema::record().problems(&line);
        assert!(problems.iter().any(|problem| problem.starts_with(place)), "{place}: {problems:?}");
    };
    check(&|line| line["v"] = json!(2), "/v:");
    check(&|line| line["sequence"] = json!(0), "/sequence:");
    check(&|line| line["commit"] = json!("abc"), "/commit:");
    check(&|line| line["time"] = json!("yesterday"), "/time:");
    check(&|line| line["kind"] = json!("Gone"), "/kind:");
    check(&|line| line["kinds"]["Gone"] = json!(1), "/kinds/Gone:");
    check(&|line| line["environment"]["owner"] = json!("Ann"), "/environment/owner is not provided for");
    check(&|line| line["objects"] = json!([{ "kind": "Pod" }]), "/objects/0:");
    check(&|line| line["fields"] = Value::from(vec![json!({ "path": "." }); 11]), "/fields:");
    check(&|line| line["secret"] = json!("s"), "/secret is not provided for");
}
