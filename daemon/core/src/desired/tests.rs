//! What becomes of each manifest: its key, what is sent, or the problem with its place and its remedy.

use serde_json::{Value, json};

use super::{Desired, OBJECT_BYTES_MAX, resolve};
use crate::{
    commit::RepoPath,
    environment::EnvironmentName,
    kinds::{Kind, Kinds, Scope},
    object::{Gvk, Manifest, ObjectKey, Origin, PART_OF},
};

const PASSWORD: &str = "aHVudGVyMg==";

fn kinds() -> Kinds {
    let kind = |api_version: &str, kind: &str, plural: &str, scope: Scope, watchable: bool| Kind {
        gvk: Gvk::new(api_version, kind),
        plural: plural.into(),
        scope,
        watchable,
        defined_by: None,
    };
    let served = [
        kind("v1", "ConfigMap", "configmaps", Scope::Namespaced, true),
        kind("v1", "Secret", "secrets", Scope::Namespaced, true),
        kind("v1", "Namespace", "namespaces", Scope::Cluster, true),
        kind("v1", "Binding", "bindings", Scope::Namespaced, false),
        kind("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", Scope::Namespaced, true),
        kind("autoscaling/v1", "HorizontalPodAutoscaler", "horizontalpodautoscalers", Scope::Namespaced, true),
    ];
    Kinds::new(served, [("metrics.k8s.io".to_owned(), String::new())])
}

/// Makes a manifest of `apiVersion Kind name` with this metadata, at this line of `a.yaml`.
fn manifest(text: &str, metadata: Value, line: u32) -> Manifest {
    let [api_version, kind, name] = text.split(' ').collect::<Vec<_>>()[..] else { panic!("{text}") };
    let gvk = Gvk::new(api_version, kind);
    let mut value = json!({"apiVersion": api_version, "kind": kind, "metadata": metadata});
    value["metadata"]["name"] = json!(name);
    let key = ObjectKey {
        group: gvk.group.clone(),
        kind: gvk.kind.clone(),
        namespace: value["metadata"]["namespace"].as_str().map(str::to_owned),
        name: name.to_owned(),
    };
    let origin = Origin { file: RepoPath::parse("a.yaml").expect("a path"), line, column: 1 };
    Manifest { gvk, key, value: value.into(), origin }
}

fn settle(manifests: &[Manifest], namespace: Option<&str>) -> Desired {
    resolve(manifests, &kinds(), &EnvironmentName::new("team", "shop").applyset_id(), namespace)
}

#[test]
fn every_object_gets_the_namespace_of_its_scope() {
    let check = |text: &str, metadata: Value, target: Option<&str>, expected: &str| {
        let desired = settle(&[manifest(text, metadata, 1)], target);
        assert_eq!(desired.problems, []);
        let (key, object) = desired.objects.first_key_value().expect("an object");
        assert_eq!((key.to_string(), &object.key), (expected.to_owned(), key));
        assert_eq!(object.manifest["metadata"].get("namespace").and_then(Value::as_str), key.namespace.as_deref());
    };
    check("v1 ConfigMap a", json!({}), Some("shop"), "ConfigMap shop/a");
    check("v1 ConfigMap a", json!({"namespace": "own"}), Some("shop"), "ConfigMap own/a");
    check("v1 ConfigMap a", json!({"namespace": "own"}), None, "ConfigMap own/a");
    check("v1 ConfigMap a", json!({"namespace": ""}), Some("shop"), "ConfigMap shop/a");
    check("v1 Namespace a", json!({}), Some("shop"), "Namespace a");
    check("v1 Namespace a", json!({"namespace": "own"}), Some("shop"), "Namespace a");
}

#[test]
fn what_is_sent_says_whose_it_is_and_nothing_that_the_server_says() {
    let nulls = json!({"creationTimestamp": null, "uid": null, "resourceVersion": null, "labels": {"app": "web"}});
    let desired = settle(&[manifest("v1 ConfigMap a", nulls, 1)], Some("shop"));
    let id = EnvironmentName::new("team", "shop").applyset_id();
    let expected = json!({"name": "a", "namespace": "shop", "labels": {"app": "web", PART_OF: id.as_str()}});
    assert_eq!(desired.objects.values().map(|object| &object.manifest["metadata"]).collect::<Vec<_>>(), [&expected]);
    let without = settle(&[manifest("v1 ConfigMap a", json!({"labels": null}), 1)], Some("shop"));
    let labels = without.objects.values().map(|object| &object.manifest["metadata"]["labels"]);
    assert_eq!(labels.collect::<Vec<_>>(), [&json!({PART_OF: id.as_str()})]);
}

/// Expects one manifest to be refused in these words, and its possible keys to be kept from others' prunes.
fn check_problem(text: &str, metadata: Value, target: Option<&str>, expected: &str, unsettled: &[&str]) {
    let desired = settle(&[manifest(text, metadata, 3)], target);
    assert_eq!(desired.problems.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
    assert!(desired.objects.is_empty());
    assert_eq!(desired.unsettled.iter().map(ToString::to_string).collect::<Vec<_>>(), unsettled);
}

#[test]
fn a_kind_that_is_not_served_is_refused_with_what_is() {
    check_problem(
        "v1 Confgmap a",
        json!({}),
        Some("shop"),
        "a.yaml:3:1: Confgmap a: the cluster does not serve v1 Confgmap (check apiVersion and kind, or add the \
         CustomResourceDefinition to this environment or install it)",
        &["Confgmap a", "Confgmap shop/a"],
    );
    check_problem(
        "autoscaling/v2beta2 HorizontalPodAutoscaler a",
        json!({"namespace": "own"}),
        Some("shop"),
        "a.yaml:3:1: HorizontalPodAutoscaler own/a: the cluster does not serve autoscaling/v2beta2 \
         HorizontalPodAutoscaler (this cluster serves HorizontalPodAutoscaler at v1, v2)",
        &["HorizontalPodAutoscaler a", "HorizontalPodAutoscaler own/a"],
    );
    let desired = settle(&[manifest("metrics.k8s.io/v1 PodMetrics a", json!({}), 1)], None);
    assert!(desired.unknown && desired.problems.len() == 1, "{desired:?}");
    assert!(!settle(&[manifest("v1 Confgmap a", json!({}), 1)], None).unknown);
}

#[test]
fn what_a_manifest_must_not_carry_is_refused() {
    let check = |metadata: Value, message: &str| {
        let expected = format!("a.yaml:3:1: ConfigMap a: {message}");
        check_problem("v1 ConfigMap a", metadata, Some("shop"), &expected, &["ConfigMap a", "ConfigMap shop/a"]);
    };
    let remove = "remove it (kubectl get -o yaml adds it)";
    for (field, value) in [
        ("uid", json!("u")),
        ("resourceVersion", json!("1")),
        ("managedFields", json!([])),
        ("generation", json!(1)),
        ("selfLink", json!("/a")),
    ] {
        check(json!({field: value}), &format!("metadata.{field} belongs to the API server ({remove})"));
    }
    check(
        json!({"labels": {PART_OF: "applyset-x-v1"}}),
        &format!("the label {PART_OF} says who owns an object, and plumb sets it (remove the label from the file)"),
    );
    check(json!({"labels": ["a"]}), "metadata.labels is not a map (write key: value pairs)");
    for (wish, shown) in [(json!("no"), "\"no\""), (json!(""), "\"\""), (json!(false), "false"), (json!(null), "null")]
    {
        let message = format!("the annotation plumb.dev/prune is {shown} (it can be \"disabled\" or \"force\")");
        check(json!({"annotations": {"plumb.dev/prune": wish}}), &message);
    }
    for wish in ["disabled", "force"] {
        let annotations = json!({"annotations": {"plumb.dev/prune": wish}});
        assert_eq!(settle(&[manifest("v1 ConfigMap a", annotations, 1)], Some("shop")).problems, []);
    }
}

#[test]
fn an_object_that_plumb_could_not_own_is_refused() {
    check_problem(
        "v1 ConfigMap a",
        json!({}),
        None,
        "a.yaml:3:1: ConfigMap a: it names no namespace and the environment has no default (set metadata.namespace \
         here, or spec.target.namespace of the Environment)",
        &["ConfigMap a"],
    );
    check_problem(
        "v1 Binding a",
        json!({}),
        Some("shop"),
        "a.yaml:3:1: Binding a: objects of kind v1 Binding can't be listed and watched, so plumb can't own one (take it \
         out of the environment)",
        &["Binding a", "Binding shop/a"],
    );
}

#[test]
fn an_object_can_be_too_large() {
    let of_size = |padding: usize| {
        let annotations = json!({"annotations": {"a": "x".repeat(padding)}});
        settle(&[manifest("v1 ConfigMap a", annotations, 1)], Some("shop"))
    };
    let empty = of_size(0).objects.values().map(|object| object.manifest.to_string().len()).sum::<usize>();
    assert_eq!(of_size(OBJECT_BYTES_MAX - empty).problems, []);
    let problems = of_size(OBJECT_BYTES_MAX - empty + 1).problems;
    let expected = "ConfigMap a: it is 1500001 bytes long; an object can't be larger than 1500000";
    assert_eq!(problems.iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>(), [expected]);
}

#[test]
fn an_object_that_stands_twice_is_refused_with_both_places_in_any_order() {
    let one = manifest("v1 ConfigMap a", json!({"annotations": {"n": "1"}}), 1);
    let two = manifest("v1 ConfigMap a", json!({"namespace": "shop", "annotations": {"n": "2"}}), 9);
    let check = |first: &Manifest, second: &Manifest| {
        let desired = settle(&[first.clone(), second.clone()], Some("shop"));
        let lines: Vec<_> = desired.problems.iter().map(ToString::to_string).collect();
        assert_eq!(lines, ["a.yaml:9:1: ConfigMap shop/a stands here and at a.yaml:1:1 (keep one of the two)"]);
        let kept = desired.objects.values().map(|object| &object.manifest["metadata"]["annotations"]["n"]);
        assert_eq!(kept.collect::<Vec<_>>(), [&json!("1")]);
    };
    check(&one, &two);
    check(&two, &one);
    let versions = ["autoscaling/v1", "autoscaling/v2"]
        .map(|version| manifest(&format!("{version} HorizontalPodAutoscaler a"), json!({}), 1));
    assert_eq!(settle(&versions, Some("shop")).problems.len(), 1, "one object, whatever its version");
}

#[test]
fn all_problems_are_reported_sorted_by_place() {
    let bad = [9, 2, 5].map(|line| manifest(&format!("v1 Confgmap a{line}"), json!({}), line));
    let lines: Vec<u32> = settle(&bad, None).problems.iter().map(|problem| problem.origin.line).collect();
    assert_eq!(lines, [2, 5, 9]);
}

#[test]
fn no_value_of_a_secret_is_shown() {
    let mut secret = manifest("v1 Secret a", json!({}), 1);
    let mut value = secret.value.as_ref().clone();
    value["data"] = json!({"password": PASSWORD});
    value["stringData"] = json!({"token": "hunter2"});
    value["metadata"]["annotations"] = json!({"kubectl.kubernetes.io/last-applied-configuration": "hunter2"});
    secret.value = value.into();
    let desired = settle(std::slice::from_ref(&secret), Some("shop"));
    let object = desired.objects.values().next().expect("an object");
    assert_eq!(object.manifest["data"]["password"], PASSWORD, "what is sent is whole");
    let texts = [
        format!("{secret:?}"),
        format!("{secret:#?}"),
        format!("{object:?}"),
        format!("{desired:?}"),
        serde_json::to_string(&secret).expect("JSON"),
        serde_json::to_string(&desired).expect("JSON"),
    ];
    for text in texts {
        assert!(text.contains("password") && text.contains("token"), "key names are shown: {text}");
        assert!(!text.contains(PASSWORD) && !text.contains("hunter2"), "a value is shown: {text}");
    }
}

#[test]
fn what_is_wrong_with_a_secret_is_said_without_its_values() {
    for metadata in [json!({"uid": "u"}), json!({"labels": 1}), json!({"annotations": {"plumb.dev/prune": "x"}})] {
        let mut secret = manifest("v1 Secret a", metadata, 1);
        let mut value = secret.value.as_ref().clone();
        value["data"] = json!({"password": PASSWORD});
        secret.value = value.into();
        let text = format!("{:?}", settle(&[secret.clone()], Some("shop")).problems);
        assert!(!text.contains(PASSWORD) && text.contains("Secret a"), "{text}");
    }
}

#[test]
fn a_secrets_plain_texts_are_sent_as_data() {
    let check = |parts: Value, expected: Value| {
        let mut secret = manifest("v1 Secret a", json!({}), 1);
        let mut value = secret.value.as_ref().clone();
        for (name, part) in parts.as_object().expect("a map") {
            value[name] = part.clone();
        }
        secret.value = value.into();
        let desired = settle(&[secret], Some("shop"));
        let sent = &desired.objects.first_key_value().expect("an object").1.manifest;
        assert_eq!(json!({"data": sent["data"], "stringData": sent["stringData"]}), expected);
    };
    check(json!({"stringData": {"k": "hunter2"}}), json!({"data": {"k": PASSWORD}, "stringData": null}));
    check(
        json!({"stringData": {"k": "hunter2"}, "data": {"k": "b2xk", "other": "b2xk"}}),
        json!({"data": {"k": PASSWORD, "other": "b2xk"}, "stringData": null}),
    );
    // What is no text is left for the API server to refuse.
    check(json!({"stringData": {"k": 5}}), json!({"data": null, "stringData": {"k": 5}}));
}
