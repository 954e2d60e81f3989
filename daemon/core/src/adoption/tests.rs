//! Tables of taking over, handing over and letting go: managedFields before and after each patch.

use serde_json::{Value, json};

use super::*;

const ID: &str = "applyset-aaaaaaaaaaaa-v1";

fn ours() -> FieldManager {
    FieldManager::new("plumb-aaaaaaaaaaaa")
}

fn entry(manager: &str, operation: &str, subresource: Option<&str>, fields: Value) -> Value {
    let mut entry = json!({"manager": manager, "operation": operation, "apiVersion": "v1", "fieldsType": "FieldsV1",
                           "time": "2026-01-01T00:00:00Z", "fieldsV1": fields});
    if let Some(subresource) = subresource {
        entry["subresource"] = json!(subresource);
    }
    entry
}

fn object(entries: Vec<Value>) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "1"},
           "metadata": {"name": "c", "uid": "u", "resourceVersion": "7", "managedFields": entries}})
}

/// The operations after the two preconditions, which every patch starts with.
fn effect(patch: &[Value]) -> &[Value] {
    assert_eq!(patch[0], json!({"op": "test", "path": "/metadata/uid", "value": "u"}));
    assert_eq!(patch[1], json!({"op": "replace", "path": "/metadata/resourceVersion", "value": "7"}));
    &patch[2..]
}

#[test]
fn conflicts_are_read_from_the_servers_answer() {
    let check = |causes: Value, expected: &[(&str, &str)]| {
        let status = json!({"kind": "Status", "code": 409, "reason": "Conflict", "details": {"causes": causes}});
        let found = conflicts(&status);
        let pairs: Vec<(&str, &str)> = found.iter().map(|c| (c.manager.as_str(), c.path.as_str())).collect();
        assert_eq!(pairs, expected, "{causes}");
    };
    let cause =
        |message: &str, field: &str| json!({"reason": "FieldManagerConflict", "message": message, "field": field});
    check(json!([cause("conflict with \"plumb-bbbbbbbbbbbb\"", ".data.a")]), &[("plumb-bbbbbbbbbbbb", ".data.a")]);
    check(
        json!([
            cause("conflict with \"kubectl-client-side-apply\" using apps/v1", ".spec.containers[name=\"app\"].image"),
            cause(
                "conflict with \"kube-controller-manager\" with subresource \"scale\" using apps/v1",
                ".spec.replicas"
            ),
            cause("conflict with \"a \\\"b\\\"\" using v1 at 2026-01-01T00:00:00Z", ".data.a"),
        ]),
        &[
            ("kubectl-client-side-apply", ".spec.containers[name=\"app\"].image"),
            ("kube-controller-manager", ".spec.replicas"),
            ("a \"b\"", ".data.a"),
        ],
    );
    check(
        json!([{"reason": "FieldManagerConflict", "message": "conflict with \"x\" using v1: .data.a"}]),
        &[("x", ".data.a")],
    );
    check(json!([{"reason": "Other", "message": "conflict with \"x\"", "field": ".a"}, cause("odd", ".a")]), &[]);
    assert_eq!(conflicts(&json!({"reason": "Conflict", "message": "the object has been modified"})), []);
}

#[test]
fn a_conflict_over_the_label_is_one_over_ownership() {
    let over = |path: &str| Conflict { manager: FieldManager::new("x"), path: path.to_owned() }.is_about_ownership();
    assert!(over(".metadata.labels.applyset.kubernetes.io/part-of"));
    assert!(!over(".metadata.labels.app"));
}

#[test]
fn only_applies_of_other_environments_claim_an_object() {
    let other = || json!({"f:data": {"f:a": {}}});
    let object = object(vec![
        entry("plumb-bbbbbbbbbbbb", "Apply", None, other()),
        entry("plumb-aaaaaaaaaaaa", "Apply", None, other()),
        entry("plumb-cccccccccccc", "Update", None, other()),
        entry("plumb-dddddddddddd", "Apply", Some("status"), other()),
        entry("plumb-inventory", "Apply", None, other()),
        entry("kubectl", "Apply", None, other()),
    ]);
    let found: Vec<String> = claimants(&object, &ours()).iter().map(ToString::to_string).collect();
    assert_eq!(found, ["plumb-bbbbbbbbbbbb"]);
}

#[test]
fn what_other_tools_own_becomes_ours() {
    let kubectl = json!({
        "f:data": {".": {}, "f:a": {}, "f:stale": {}},
        "f:metadata": {"f:annotations": {".": {}, "f:kubectl.kubernetes.io/last-applied-configuration": {}}},
    });
    let status = entry("kubectl-client-side-apply", "Update", Some("status"), json!({"f:status": {}}));
    let person = entry("kubectl-edit", "Update", None, json!({"f:data": {"f:b": {}}}));
    let mut live = object(vec![
        entry("helm", "Update", None, json!({"f:data": {"f:helm": {}}})),
        status.clone(),
        entry("kubectl-client-side-apply", "Update", None, kubectl),
        person.clone(),
        entry(ours().as_str(), "Apply", None, json!({"f:data": {"f:a": {}, "f:ours": {}}})),
    ]);
    live["metadata"]["annotations"] = json!({"kubectl.kubernetes.io/last-applied-configuration": "{}"});
    let migration = migrate(&live, &ours()).expect("a migration");
    let merged = json!({
        "f:data": {".": {}, "f:a": {}, "f:helm": {}, "f:ours": {}, "f:stale": {}},
    });
    assert_eq!(
        effect(&migration.patch),
        [
            json!({"op": "replace", "path": "/metadata/managedFields",
                   "value": [status, person, entry(ours().as_str(), "Apply", None, merged)]}),
            json!({"op": "remove", "path": "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration"}),
        ]
    );
    let from: Vec<&str> = migration.from.iter().map(FieldManager::as_str).collect();
    assert_eq!(from, ["helm", "kubectl-client-side-apply"]);
}

#[test]
fn before_our_first_apply_an_entry_is_made() {
    let fields = json!({"f:data": {"f:a": {}}});
    let migration = migrate(&object(vec![entry("before-first-apply", "Update", None, fields.clone())]), &ours());
    assert_eq!(
        effect(&migration.expect("a migration").patch),
        [json!({"op": "replace", "path": "/metadata/managedFields",
                "value": [entry(ours().as_str(), "Apply", None, fields)]})]
    );
}

#[test]
fn nothing_to_take_over_or_nothing_to_test_by_is_no_migration() {
    let fields = || json!({"f:data": {"f:a": {}}});
    let person = object(vec![
        entry("kubectl-edit", "Update", None, fields()),
        entry("helm", "Update", Some("status"), fields()),
    ]);
    assert_eq!(migrate(&person, &ours()), None);
    assert_eq!(migrate(&json!({}), &ours()), None);
    let mut nameless = object(vec![entry("helm", "Update", None, fields())]);
    nameless["metadata"]["uid"] = json!("");
    assert_eq!(migrate(&nameless, &ours()), None);
}

#[test]
fn letting_go_removes_label_and_entries_and_no_value() {
    let fields = || json!({"f:data": {"f:a": {}}});
    let status = entry(ours().as_str(), "Apply", Some("status"), json!({"f:status": {}}));
    let mine = [entry(ours().as_str(), "Apply", None, fields()), entry(ours().as_str(), "Update", None, fields())];
    let label = json!({"op": "remove", "path": "/metadata/labels/applyset.kubernetes.io~1part-of"});
    let check = |entries: Vec<Value>, id: Option<&str>, expected: Option<(Vec<Value>, bool)>| {
        let mut object = object(entries);
        if let Some(id) = id {
            object["metadata"]["labels"] = json!({(PART_OF): id});
        }
        let told = let_go(&object, &ours()).map(|letting| (effect(&letting.patch).to_vec(), letting.was_last));
        assert_eq!(told, expected, "{object}");
    };
    let left = |rest: Vec<Value>| json!({"op": "replace", "path": "/metadata/managedFields", "value": rest});
    check(mine.to_vec(), Some(ID), Some((vec![label.clone(), left(vec![])], true)));
    check(
        [mine.to_vec(), vec![status.clone()]].concat(),
        Some(ID),
        Some((vec![label.clone(), left(vec![status.clone()])], false)),
    );
    check(mine.to_vec(), Some("applyset-bbbbbbbbbbbb-v1"), Some((vec![left(vec![])], true)));
    check(vec![status], Some(ID), Some((vec![label], false)));
    check(vec![entry("kubectl", "Update", None, fields())], None, None);
}

#[test]
fn handing_over_renames_the_entry_and_the_label() {
    let taker = ApplySetId::from_label("applyset-bbbbbbbbbbbb-v1");
    let fields = json!({"f:data": {"f:a": {}}});
    let mut live = object(vec![entry(ours().as_str(), "Apply", None, fields.clone())]);
    let renamed = json!({"op": "replace", "path": "/metadata/managedFields",
                         "value": [entry("plumb-bbbbbbbbbbbb", "Apply", None, fields)]});
    let label =
        json!({"op": "add", "path": "/metadata/labels/applyset.kubernetes.io~1part-of", "value": taker.as_str()});
    let labels = json!({"op": "add", "path": "/metadata/labels", "value": {}});
    let patch = |live: &Value| hand_over(live, &ours(), &taker).expect("a patch");
    assert_eq!(effect(&patch(&live)), [labels, label.clone(), renamed.clone()]);
    live["metadata"]["labels"] = json!({(PART_OF): ID});
    assert_eq!(effect(&patch(&live)), [label, renamed]);
    assert_eq!(hand_over(&live, &FieldManager::new("plumb-cccccccccccc"), &taker), None);
}

#[test]
fn what_a_patch_left_in_an_entry_of_its_own_is_joined() {
    let label = || json!({"f:metadata": {"f:labels": {(format!("f:{PART_OF}")): {}}}});
    let data = || json!({"f:data": {"f:a": {}}});
    let person = entry("kubectl-edit", "Update", None, json!({"f:data": {"f:b": {}}}));
    let status = entry(ours().as_str(), "Update", Some("status"), json!({"f:status": {}}));
    let mut both = data();
    both["f:metadata"] = label()["f:metadata"].clone();
    let live = object(vec![
        person.clone(),
        entry(ours().as_str(), "Update", None, label()),
        status.clone(),
        entry(ours().as_str(), "Apply", None, data()),
    ]);
    assert_eq!(
        effect(&join(&live, &ours()).expect("a patch")),
        [json!({"op": "replace", "path": "/metadata/managedFields",
                "value": [person.clone(), status, entry(ours().as_str(), "Apply", None, both)]})]
    );
    assert_eq!(join(&object(vec![person, entry(ours().as_str(), "Apply", None, data())]), &ours()), None);
}

#[test]
fn what_people_wrote_and_git_says_too_is_ours_alone() {
    let ours = || entry("plumb-aaaaaaaaaaaa", "Apply", None, json!({"f:data": {"f:a": {}}}));
    let check = |theirs: Vec<Value>, expected: Option<Vec<Value>>| {
        let live = object(theirs.iter().cloned().chain([ours()]).collect());
        let migration = stand_alone(&live, &FieldManager::new("plumb-aaaaaaaaaaaa"));
        let expected = expected.map(|left| {
            let left: Vec<Value> = left.into_iter().chain([ours()]).collect();
            vec![json!({"op": "replace", "path": "/metadata/managedFields", "value": left})]
        });
        assert_eq!(migration.map(|migration| effect(&migration.patch).to_vec()), expected, "{theirs:?}");
    };
    let fields = |fields: Value| json!({"f:data": fields});
    let create = |of: Value| entry("kubectl-create", "Update", None, fields(of));
    check(vec![create(json!({".": {}, "f:a": {}}))], Some(vec![]));
    check(vec![create(json!({".": {}, "f:a": {}, "f:b": {}}))], Some(vec![create(json!({".": {}, "f:b": {}}))]));
    check(vec![create(json!({"f:b": {}}))], None);
    check(vec![entry("kubectl", "Apply", None, fields(json!({"f:a": {}})))], Some(vec![]));
    // A controller's entry, and what was written to a subresource, are nobody's by hand.
    check(vec![entry("autoscaler", "Update", None, fields(json!({"f:a": {}})))], None);
    check(vec![entry("kubectl-scale", "Update", Some("scale"), fields(json!({"f:a": {}})))], None);
    assert_eq!(stand_alone(&object(vec![create(json!({"f:a": {}}))]), &FieldManager::new("plumb-aaaaaaaaaaaa")), None);
}
