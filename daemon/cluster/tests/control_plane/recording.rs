//! The parent, statuses and Events.

use plumb_cluster::{
    error::ApiError,
    events::{Event, Events, Mood, Noted},
};
use plumb_core::{
    environment::{EnvironmentName, FieldManager},
    inventory::Inventory,
    kinds::Scope,
    object::{GroupKind, ObjectKey},
};
use serde_json::{Value, json};

use crate::bench::{Bench, DEADLINE, bench, eventually, kind};

/// The Environment of plumb as far as this crate knows it: named, with a spec and a status.
fn environments() -> Value {
    let open = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    let properties = json!({ "spec": open, "status": open });
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": "environments.plumb.dev" },
        "spec": {
            "group": "plumb.dev", "scope": "Namespaced",
            "names": { "kind": "Environment", "plural": "environments", "singular": "environment" },
            "versions": [{ "name": "v1alpha1", "served": true, "storage": true, "subresources": { "status": {} },
                "schema": { "openAPIV3Schema": { "type": "object", "required": ["spec"], "properties": properties } } }],
        },
    })
}

async fn environment(bench: &Bench) -> (EnvironmentName, Value) {
    bench.kubectl_apply(&environments());
    bench.cluster.established("environments.plumb.dev", DEADLINE).await.unwrap();
    let resource = resource(bench);
    bench.kubectl_apply(&resource);
    let name = EnvironmentName::new(&bench.namespace, "shop");
    let stored = bench.cluster.get(&kind_of(), &key(bench)).await.unwrap().unwrap();
    (name, stored)
}

fn resource(bench: &Bench) -> Value {
    json!({ "apiVersion": "plumb.dev/v1alpha1", "kind": "Environment", "spec": { "path": "here" },
        "metadata": { "name": "shop", "namespace": bench.namespace } })
}

fn kind_of() -> plumb_core::kinds::Kind {
    kind("plumb.dev/v1alpha1", "Environment", "environments", Scope::Namespaced)
}

fn key(bench: &Bench) -> ObjectKey {
    bench.key(&kind_of(), "shop")
}

#[tokio::test]
async fn the_parent_is_written_beside_what_others_apply() {
    let bench = bench("parent").await;
    let (name, stored) = environment(&bench).await;
    let uid = stored["metadata"]["uid"].as_str().unwrap();
    let inventory = Inventory {
        kinds: [GroupKind::new("apps", "Deployment"), GroupKind::new("", "ConfigMap")].into(),
        namespaces: [bench.namespace.clone(), "elsewhere".to_owned()].into(),
    };
    bench.cluster.write_parent(&name, uid, &inventory, "plumb/test").await.unwrap();
    // Whoever applies the Environment again, by either kind of apply, erases nothing.
    bench.kubectl_apply(&resource(&bench));
    let file = resource(&bench).to_string();
    bench.plane.kubectl_with_input(&["apply", "--server-side", "--force-conflicts", "-f", "-"], &file).unwrap();
    let written = bench.cluster.get(&kind_of(), &key(&bench)).await.unwrap().unwrap();
    assert_eq!(written["metadata"]["labels"]["applyset.kubernetes.io/id"], name.applyset_id().as_str());
    assert_eq!(written["spec"]["path"], "here");
    let annotations = serde_json::from_value(written["metadata"]["annotations"].clone()).unwrap();
    assert_eq!(Inventory::from_annotations(&annotations, &bench.namespace), Some(inventory.clone()));
    // A narrower scope replaces the wider one.
    let narrow = Inventory { kinds: [GroupKind::new("", "ConfigMap")].into(), ..inventory };
    let written = bench.cluster.write_parent(&name, uid, &narrow, "plumb/test").await.unwrap();
    assert_eq!(written["metadata"]["annotations"]["applyset.kubernetes.io/contains-group-kinds"], "ConfigMap");
}

#[tokio::test]
async fn a_deleted_environment_is_not_created_by_writing_its_parent() {
    let bench = bench("parent-gone").await;
    let (name, stored) = environment(&bench).await;
    let uid = stored["metadata"]["uid"].as_str().unwrap();
    bench.kubectl(&["delete", "environment", "shop"]);
    let error = bench.cluster.write_parent(&name, uid, &Inventory::default(), "plumb/test").await.unwrap_err();
    assert!(matches!(error, ApiError::Stale { .. }), "{error}");
    bench.kubectl_apply(&resource(&bench));
    let error = bench.cluster.write_parent(&name, uid, &Inventory::default(), "plumb/test").await.unwrap_err();
    assert!(matches!(error, ApiError::Stale { .. }), "{error}");
}

#[tokio::test]
async fn a_status_is_written_only_over_the_state_that_was_read() {
    let bench = bench("status").await;
    let (_, mut stored) = environment(&bench).await;
    let manager = FieldManager::new("plumb-status");
    let write = async |object: &Value| bench.cluster.replace_status(&kind_of(), &key(&bench), object, &manager).await;
    stored["status"] = json!({ "observedGeneration": 1 });
    let written = write(&stored).await.unwrap();
    assert_eq!(written["status"]["observedGeneration"], 1);
    stored["status"] = json!({ "observedGeneration": 2 });
    let error = write(&stored).await.unwrap_err();
    assert!(matches!(error, ApiError::Stale { .. }), "{error}");
}

#[tokio::test]
async fn equal_events_become_a_series() {
    let bench = bench("events").await;
    let (_, stored) = environment(&bench).await;
    let events = Events::new(bench.cluster.clone(), "plumb-0");
    let regarding = key(&bench);
    let event = |seconds: i64, note: &'static str| Event {
        regarding: &regarding,
        api_version: "plumb.dev/v1alpha1",
        uid: stored["metadata"]["uid"].as_str().unwrap(),
        mood: Mood::Warning,
        reason: "DriftCorrected",
        action: "Apply",
        note,
        at: jiff::Timestamp::from_second(1_800_000_000 + seconds).unwrap(),
    };
    let written = [
        events.write(&event(0, "kubectl changed replicas")).await.unwrap(),
        events.write(&event(60, "kubectl changed replicas")).await.unwrap(),
        events.write(&event(120, "kubectl changed replicas")).await.unwrap(),
        events.write(&event(120, "somebody changed an image")).await.unwrap(),
        events.write(&event(9_999, "kubectl changed replicas")).await.unwrap(),
    ];
    assert_eq!(written, [Noted::Created, Noted::Counted, Noted::Counted, Noted::Created, Noted::Created]);
    let path = "jsonpath={range .items[*]}{.series.count},{.note}{\"\\n\"}{end}";
    let shown = eventually("the Events are listed", async || {
        let shown = bench.kubectl(&["get", "events.v1.events.k8s.io", "-o", path]);
        (shown.lines().count() == 3).then_some(shown)
    });
    let mut shown: Vec<_> = shown.await.lines().map(str::to_owned).collect();
    shown.sort();
    assert_eq!(shown, [",kubectl changed replicas", ",somebody changed an image", "3,kubectl changed replicas"]);
}
