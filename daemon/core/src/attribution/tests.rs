//! Who is named for which change: rows of managedFields, applied and live state.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Attribution, CHANGES_KEPT, Who};
use crate::{environment::FieldManager, ignore::Ignored};

/// What was applied, and what was live after somebody changed it by kubectl (Kubernetes 1.36).
const CHANGED: &str = include_str!("cases.json");

fn ours() -> FieldManager {
    FieldManager::new("plumb-aaaaaaaaaaaa")
}

/// Writes an answer as one line: who, then each change with its own author where that is another.
fn told(attribution: &Attribution) -> Vec<String> {
    let name = |who: &Who| match who {
        Who::Manager(writer) => writer.name.to_string(),
        Who::Likely(writer) => format!("probably {}", writer.name),
        Who::Unknown { .. } => "unknown".to_owned(),
    };
    let changes = attribution.changes.iter().map(|change| format!("{}: {change}", name(&change.who)));
    [name(&attribution.who)].into_iter().chain(changes).collect()
}

#[test]
fn changes_by_kubectl_are_told_with_their_author() {
    let cases: BTreeMap<String, Value> = serde_json::from_str(CHANGED).expect("cases");
    let check = |name: &str, expected: &[&str]| {
        let case = &cases[name];
        assert_eq!(
            told(&Attribution::of(&case["applied"], &case["live"], &ours(), &Ignored::default())),
            expected,
            "{name}"
        );
    };
    let containers = ".spec.template.spec.containers";
    let app = format!("{containers}[name=\"app\"]");
    check("scaled", &["kubectl", "kubectl: .spec.replicas from 3 to 5"]);
    check("image", &["kubectl-set", &format!("kubectl-set: {app}.image from \"lab/web:1\" to \"lab/web:evil\"")]);
    check("env", &["kubectl-set", &format!("kubectl-set: {app}.env[name=\"A\"].value from \"1\" to \"9\"")]);
    check(
        "envremoved",
        &["unknown", &format!("unknown: {app}.env[name=\"B\"] removed, was {{\"name\":\"B\",\"value\":\"2\"}}")],
    );
    check("unlabelled", &["unknown", "unknown: .metadata.labels.app removed, was \"w\""]);
    check(
        "relabelled",
        &[
            "kubectl-label",
            "kubectl-label: .metadata.labels.applyset.kubernetes.io/part-of from \"applyset-aaa-v1\" to \"ZZ\"",
        ],
    );
    check(
        "sideremoved",
        &[
            "unknown",
            &format!(
                "unknown: {containers}[name=\"side\"] removed, was {{\"image\":\"lab/side:1\",\"name\":\"side\"}}"
            ),
        ],
    );
    check("limits", &["kubectl-patch", &format!("kubectl-patch: {app}.resources.limits.cpu from \"1000m\" to \"2\"")]);
    // Git says nothing of what is in it: that is an addition.
    check("recreate", &["unknown"]);
    check("foreign", &["unknown"]);
    check(
        "two",
        &[
            "kubectl-set",
            "kubectl: .spec.replicas from 3 to 5",
            &format!("kubectl-set: {app}.image from \"lab/web:1\" to \"lab/web:evil\""),
        ],
    );
    check("secret", &["kubectl-patch", "kubectl-patch: .data.a from \"(redacted)\" to \"(redacted, changed)\""]);
}

/// A ConfigMap that we applied at second 10, with entries of others: manager, second, subresource, fields.
fn config(data: &Value, others: &[(&str, u32, Option<&str>, Value)]) -> Value {
    let entry = |manager: &str, operation: &str, second: u32, subresource: Option<&str>, fields: &Value| {
        json!({"manager": manager, "operation": operation, "apiVersion": "v1", "subresource": subresource,
               "time": format!("2026-01-01T00:00:{second:02}Z"), "fieldsV1": fields})
    };
    let mut entries = vec![entry(ours().as_str(), "Apply", 10, None, &json!({"f:data": {"f:kept": {}}}))];
    entries.extend(others.iter().map(|(name, second, sub, fields)| entry(name, "Update", *second, *sub, fields)));
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "managedFields": entries}, "data": data})
}

#[test]
fn a_removed_field_is_laid_at_the_only_later_writers_door_as_likely() {
    let applied = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"kept": "1", "gone": "2"}});
    let check = |others: &[(&str, u32, Option<&str>, Value)], expected: &str| {
        let live = config(&json!({"kept": "1"}), others);
        let attribution = Attribution::of(&applied, &live, &ours(), &Ignored::default());
        assert_eq!(told(&attribution)[1], format!("{expected}: .data.gone removed, was \"2\""), "{others:?}");
    };
    let other = json!({"f:data": {"f:x": {}}});
    check(&[], "unknown");
    check(&[("kubectl-edit", 9, None, other.clone())], "unknown");
    check(&[("kubectl-edit", 10, None, other.clone())], "unknown");
    check(&[("kubectl-edit", 11, None, other.clone())], "probably kubectl-edit");
    check(&[("kubectl-edit", 11, None, other.clone()), ("x", 9, None, other.clone())], "probably kubectl-edit");
    check(&[("kubectl-edit", 11, None, other.clone()), ("x", 12, None, other.clone())], "unknown");
    check(&[("kubelet", 11, None, other.clone()), ("x", 12, Some("status"), other.clone())], "unknown");
}

#[test]
fn of_several_owners_the_latest_probably_wrote_the_value() {
    let applied = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "1"}});
    let owner = json!({"f:data": {"f:a": {}}});
    let live = config(&json!({"a": "2"}), &[("late", 30, None, owner.clone()), ("early", 20, None, owner)]);
    assert_eq!(told(&Attribution::of(&applied, &live, &ours(), &Ignored::default()))[0], "probably late");
}

#[test]
fn a_report_is_bounded_and_says_how_much_is_left_out() {
    let data: Value =
        (0..CHANGES_KEPT + 5).map(|n| (format!("k{n:02}"), json!("x"))).collect::<serde_json::Map<_, _>>().into();
    let applied = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": data});
    let attribution = Attribution::of(&applied, &config(&json!({"kept": "1"}), &[]), &ours(), &Ignored::default());
    assert_eq!((attribution.changes.len(), attribution.more), (CHANGES_KEPT, 5));
    let long = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "é".repeat(1000)}});
    let told =
        Attribution::of(&long, &config(&json!({"a": "b"}), &[]), &ours(), &Ignored::default()).changes[0].to_string();
    assert!(told.chars().count() < 120, "{told}");
}

#[test]
fn what_the_server_made_of_a_manifest_is_nobodys_change() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("../fingerprint/cases.json")).expect("cases");
    let changed: Vec<String> = cases
        .iter()
        .flat_map(|case| Attribution::of(&case["manifest"], &case["live"], &ours(), &Ignored::default()).changes)
        .map(|change| change.to_string())
        .collect();
    assert_eq!(changed, [""; 0]);
}
