//! One row for each verdict of each kind.

use serde_json::{Value, json};

use super::{
    Health, HealthStatus,
    HealthStatus::{Current, Failed, InProgress, Terminating, Unknown},
    health,
    pod::{Trouble, explain, pod_trouble},
};
use crate::object::ObjectKey;

fn check(api_version: &str, kind: &str, spec: Value, status: Value, expected: (HealthStatus, &str)) {
    let metadata = json!({"name": "x", "generation": 2});
    let object = json!({"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec, "status": status});
    assert_eq!(health(&object), Health { status: expected.0, message: expected.1.to_owned() }, "{object}");
}

fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({"type": kind, "status": status, "reason": reason, "message": message})
}

#[test]
fn any_object_says_the_same_about_deletion_generation_and_conditions() {
    let of = |status: Value, expected| check("example.com/v1", "Database", json!({}), status, expected);
    of(json!({}), (Current, "exists"));
    of(Value::Null, (Current, "exists"));
    of(json!({"observedGeneration": 1}), (InProgress, "its controller has not seen the latest change yet"));
    of(json!({"observedGeneration": 2}), (Current, "exists"));
    of(json!({"conditions": [condition("Ready", "True", "Up", "fine.")]}), (Current, "ready"));
    of(
        json!({"conditions": [condition("Ready", "False", "Down", "no disk.")]}),
        (InProgress, "not ready: Down, no disk"),
    );
    of(json!({"conditions": [condition("Ready", "Unknown", "", "")]}), (InProgress, "not ready"));
    let both = json!([condition("Ready", "True", "", ""), condition("Reconciling", "True", "Busy", "")]);
    of(json!({"conditions": both}), (InProgress, "reconciling: Busy"));
    let both = json!([condition("Reconciling", "True", "", ""), condition("Stalled", "True", "Bad", "broken")]);
    of(json!({"conditions": both}), (Failed, "stalled: Bad, broken"));
    of(json!({"conditions": [condition("Stalled", "False", "", "")]}), (Current, "exists"));
    of(json!({"conditions": "odd"}), (Unknown, "its conditions are not a list"));
    of(
        json!({"observedGeneration": 1, "conditions": [condition("Ready", "True", "", "")]}),
        (InProgress, "its controller has not seen the latest change yet"),
    );
    let deleted = |finalizers: Value| {
        health(
            &json!({"kind": "X", "metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": finalizers}}),
        )
    };
    assert_eq!(deleted(json!([])), Health { status: Terminating, message: "is being deleted".to_owned() });
    assert_eq!(deleted(json!(["a"])).message, "is being deleted, 1 finalizer is left");
    assert_eq!(deleted(json!(["a", "b"])).message, "is being deleted, 2 finalizers are left");
}

#[test]
fn deployments() {
    let of = |spec: Value, status: Value, expected| check("apps/v1", "Deployment", spec, status, expected);
    let counts = |replicas: i64, updated: i64, ready: i64, available: i64| {
        json!({"observedGeneration": 2, "replicas": replicas, "updatedReplicas": updated, "readyReplicas": ready,
               "availableReplicas": available, "conditions": [condition("Available", "True", "MinimumReplicasAvailable", "")]})
    };
    let three = || json!({"replicas": 3});
    of(three(), json!({}), (InProgress, "0 of 3 ready"));
    of(three(), counts(3, 3, 1, 1), (InProgress, "1 of 3 ready"));
    of(three(), counts(4, 1, 3, 3), (InProgress, "1 of 3 updated"));
    of(three(), counts(4, 3, 4, 4), (InProgress, "3 of 3 ready, 1 more still to go"));
    of(three(), counts(3, 3, 3, 2), (InProgress, "2 of 3 available"));
    of(three(), counts(3, 3, 3, 3), (Current, "3 of 3 ready"));
    of(json!({"replicas": 0}), counts(0, 0, 0, 0), (Current, "0 of 0 ready"));
    of(json!({}), counts(0, 0, 0, 0), (InProgress, "0 of 1 ready"));
    of(json!({"replicas": 3, "paused": true}), counts(3, 1, 3, 3), (InProgress, "paused, 1 of 3 updated"));
    let mut late = counts(3, 3, 0, 0);
    late["conditions"] = json!([condition(
        "Progressing",
        "False",
        "ProgressDeadlineExceeded",
        "ReplicaSet \"a\" has timed out progressing."
    )]);
    of(three(), late, (Failed, "0 of 3 ready: ProgressDeadlineExceeded, ReplicaSet \"a\" has timed out progressing"));
    let mut quota = counts(0, 0, 0, 0);
    quota["conditions"] = json!([condition("ReplicaFailure", "True", "FailedCreate", "exceeded quota")]);
    of(three(), quota, (InProgress, "0 of 3 ready: FailedCreate, exceeded quota"));
    let mut unavailable = counts(3, 3, 3, 3);
    unavailable["conditions"] = json!([condition("Available", "False", "MinimumReplicasUnavailable", "")]);
    of(three(), unavailable, (InProgress, "not available: MinimumReplicasUnavailable"));
}

#[test]
fn replica_sets_and_stateful_sets() {
    let three = || json!({"replicas": 3});
    let replicas =
        |replicas: i64, ready: i64| json!({"replicas": replicas, "readyReplicas": ready, "availableReplicas": ready});
    check("apps/v1", "ReplicaSet", three(), replicas(3, 2), (InProgress, "2 of 3 ready"));
    check("apps/v1", "ReplicaSet", three(), replicas(4, 3), (InProgress, "3 of 3 ready, 1 more still to go"));
    check("apps/v1", "ReplicaSet", three(), replicas(3, 3), (Current, "3 of 3 ready"));
    let of = |spec: Value, status: Value, expected| check("apps/v1", "StatefulSet", spec, status, expected);
    let rolling = |updated: i64, ready: i64| json!({"replicas": 3, "readyReplicas": ready, "updatedReplicas": updated, "currentRevision": "a", "updateRevision": "b"});
    of(three(), json!({}), (InProgress, "0 of 3 ready"));
    of(three(), rolling(1, 3), (InProgress, "1 of 3 updated"));
    let strategy = |strategy: Value| json!({"replicas": 3, "updateStrategy": strategy});
    of(strategy(json!({"rollingUpdate": {"partition": 2}})), rolling(1, 3), (Current, "3 of 3 ready"));
    of(strategy(json!({"rollingUpdate": {"partition": 1}})), rolling(1, 3), (InProgress, "1 of 2 updated"));
    of(strategy(json!({"type": "OnDelete"})), rolling(0, 3), (Current, "3 of 3 ready"));
    of(three(), rolling(3, 2), (InProgress, "2 of 3 ready"));
    of(
        three(),
        json!({"replicas": 3, "readyReplicas": 3, "currentRevision": "a", "updateRevision": "a"}),
        (Current, "3 of 3 ready"),
    );
}

#[test]
fn daemon_sets_and_jobs() {
    let of = |spec: Value, status: Value, expected| check("apps/v1", "DaemonSet", spec, status, expected);
    let counts = |wanted: i64, updated: i64, ready: i64, available: i64| json!({"desiredNumberScheduled": wanted, "updatedNumberScheduled": updated, "numberReady": ready, "numberAvailable": available});
    of(json!({}), json!({}), (InProgress, "its nodes are not counted yet"));
    of(json!({}), counts(2, 2, 1, 1), (InProgress, "1 of 2 ready"));
    of(json!({}), counts(2, 1, 2, 2), (InProgress, "1 of 2 updated"));
    of(json!({"updateStrategy": {"type": "OnDelete"}}), counts(2, 1, 2, 2), (Current, "2 of 2 ready"));
    of(json!({}), counts(2, 2, 2, 1), (InProgress, "1 of 2 available"));
    of(json!({}), counts(0, 0, 0, 0), (Current, "0 of 0 ready"));
    let job = |spec: Value, status: Value, expected| check("batch/v1", "Job", spec, status, expected);
    job(json!({}), json!({}), (InProgress, "not started yet"));
    job(json!({"suspend": true}), json!({}), (Current, "suspended"));
    job(
        json!({"completions": 2}),
        json!({"startTime": "t", "succeeded": 1, "failed": 3}),
        (InProgress, "1 of 2 completed, 3 attempts failed"),
    );
    job(json!({}), json!({"conditions": [condition("Complete", "True", "", "")]}), (Current, "completed"));
    job(
        json!({}),
        json!({"conditions": [condition("Failed", "True", "BackoffLimitExceeded", "")]}),
        (Failed, "failed: BackoffLimitExceeded"),
    );
    check("batch/v1", "CronJob", json!({"suspend": true}), json!({}), (Current, "suspended"));
    check("batch/v1", "CronJob", json!({}), json!({}), (Current, "scheduled"));
}

#[test]
fn services_storage_and_extensions() {
    check(
        "v1",
        "Service",
        json!({"type": "LoadBalancer"}),
        json!({"loadBalancer": {}}),
        (InProgress, "the load balancer has no address yet"),
    );
    check(
        "v1",
        "Service",
        json!({"type": "LoadBalancer"}),
        json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}),
        (Current, "exists"),
    );
    check("v1", "Service", json!({"type": "ClusterIP"}), json!({"loadBalancer": {}}), (Current, "exists"));
    check(
        "v1",
        "PersistentVolumeClaim",
        json!({}),
        json!({"phase": "Pending"}),
        (InProgress, "not bound to a volume yet"),
    );
    check("v1", "PersistentVolumeClaim", json!({}), json!({"phase": "Bound"}), (Current, "bound"));
    check("v1", "PersistentVolumeClaim", json!({}), json!({"phase": "Lost"}), (Failed, "its volume is lost"));
    check(
        "v1",
        "PersistentVolume",
        json!({}),
        json!({"phase": "Failed", "message": "busy"}),
        (Failed, "could not be reclaimed: busy"),
    );
    check("v1", "PersistentVolume", json!({}), json!({"phase": "Available"}), (Current, "exists"));
    check("v1", "Namespace", json!({}), json!({"phase": "Active"}), (Current, "exists"));
    check("v1", "ConfigMap", json!({}), Value::Null, (Current, "exists"));
    check("networking.k8s.io/v1", "Ingress", json!({}), json!({"loadBalancer": {}}), (Current, "exists"));
    check(
        "policy/v1",
        "PodDisruptionBudget",
        json!({}),
        json!({"conditions": [condition("Ready", "False", "", "")]}),
        (Current, "exists"),
    );
    let crd = |conditions: Value, expected| {
        check(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            json!({}),
            json!({"conditions": conditions}),
            expected,
        );
    };
    crd(json!([]), (InProgress, "not established yet"));
    crd(json!([condition("Established", "False", "Installing", "")]), (InProgress, "not established yet"));
    crd(json!([condition("Established", "False", "NotAccepted", "")]), (Failed, "not established: NotAccepted"));
    crd(
        json!([condition("NamesAccepted", "False", "PluralConflict", "\"x\" is taken")]),
        (Failed, "its names are not accepted: PluralConflict, \"x\" is taken"),
    );
    crd(
        json!([condition("NamesAccepted", "True", "", ""), condition("Established", "True", "", "")]),
        (Current, "established"),
    );
    let api = |conditions: Value, expected| {
        check("apiregistration.k8s.io/v1", "APIService", json!({}), json!({"conditions": conditions}), expected);
    };
    api(json!([]), (InProgress, "not available yet"));
    api(
        json!([condition("Available", "False", "MissingEndpoints", "")]),
        (InProgress, "not available: MissingEndpoints"),
    );
    api(json!([condition("Available", "True", "Passed", "")]), (Current, "available"));
    let hpa = |conditions: Value, expected| {
        check("autoscaling/v2", "HorizontalPodAutoscaler", json!({}), json!({"conditions": conditions}), expected);
    };
    hpa(json!([]), (Current, "exists"));
    hpa(
        json!([condition("AbleToScale", "False", "FailedGetScale", "not found")]),
        (InProgress, "cannot scale: FailedGetScale, not found"),
    );
    hpa(
        json!([condition("ScalingActive", "False", "FailedGetResourceMetric", "")]),
        (InProgress, "does not scale: FailedGetResourceMetric"),
    );
    hpa(json!([condition("ScalingActive", "False", "ScalingDisabled", "")]), (Current, "exists"));
}

fn container(name: &str, state: Value, last: Value) -> Value {
    json!({"name": name, "image": "lab/broken:1", "state": state, "lastState": last})
}

fn waiting(reason: &str) -> Value {
    json!({"waiting": {"reason": reason, "message": "Back-off pulling image"}})
}

#[test]
fn pods() {
    let of = |status: Value, expected| check("v1", "Pod", json!({}), status, expected);
    let with = |phase: &str, container: Value| json!({"phase": phase, "containerStatuses": [container]});
    of(json!({"phase": "Pending"}), (InProgress, "not running yet"));
    of(json!({}), (InProgress, "not running yet"));
    of(json!({"phase": "Succeeded"}), (Current, "completed"));
    of(json!({"phase": "Unknown"}), (Unknown, "its node does not answer"));
    of(json!({"phase": "Running", "conditions": [condition("Ready", "True", "", "")]}), (Current, "ready"));
    of(json!({"phase": "Running"}), (InProgress, "running, not ready yet"));
    of(with("Pending", container("app", waiting("ContainerCreating"), json!({}))), (InProgress, "not running yet"));
    of(
        with("Pending", container("app", waiting("ImagePullBackOff"), json!({}))),
        (InProgress, "container app: ImagePullBackOff lab/broken:1"),
    );
    of(
        with("Pending", container("app", waiting("CreateContainerConfigError"), json!({}))),
        (InProgress, "container app: CreateContainerConfigError, Back-off pulling image"),
    );
    let ended = |code: i64, reason: &str| json!({"terminated": {"exitCode": code, "reason": reason}});
    of(
        with("Running", container("app", waiting("CrashLoopBackOff"), ended(3, "Error"))),
        (Failed, "container app: CrashLoopBackOff, exit code 3"),
    );
    of(
        with("Running", container("app", waiting("CrashLoopBackOff"), ended(137, "OOMKilled"))),
        (Failed, "container app: CrashLoopBackOff, out of memory"),
    );
    of(with("Failed", container("app", ended(1, "Error"), json!({}))), (Failed, "container app: Error, exit code 1"));
    of(with("Running", container("app", ended(0, "Completed"), json!({}))), (InProgress, "running, not ready yet"));
    of(
        json!({"phase": "Failed", "reason": "Evicted", "message": "low on memory."}),
        (Failed, "Evicted, low on memory"),
    );
    of(json!({"phase": "Failed"}), (Failed, "Failed"));
    of(
        json!({"phase": "Pending", "conditions": [condition("PodScheduled", "False", "Unschedulable", "0/3 nodes are available.")]}),
        (InProgress, "Unschedulable, 0/3 nodes are available"),
    );
}

#[test]
fn a_pods_trouble_is_that_of_its_first_container_in_trouble() {
    let pod = json!({"status": {
        "initContainerStatuses": [container("init", json!({"terminated": {"exitCode": 0}}), json!({}))],
        "containerStatuses": [container("a", json!({"running": {}}), json!({})), container("b", waiting("ErrImagePull"), json!({}))],
    }});
    let trouble = pod_trouble(&pod).expect("trouble");
    assert_eq!((trouble.container.as_deref(), trouble.reason.as_str()), (Some("b"), "ErrImagePull"));
    assert_eq!(pod_trouble(&json!({"status": {"phase": "Running"}})), None);
    let done = json!({"status": {"phase": "Succeeded", "containerStatuses": [container("a", waiting("ErrImagePull"), json!({}))]}});
    assert_eq!(pod_trouble(&done), None);
}

#[test]
fn a_workload_is_explained_by_its_pods_in_one_sentence() {
    let key = ObjectKey {
        group: "apps".into(),
        kind: "Deployment".into(),
        namespace: Some("shop".into()),
        name: "web".into(),
    };
    let trouble = |container: &str| Trouble {
        container: Some(container.to_owned()),
        reason: "ImagePullBackOff".to_owned(),
        message: "Back-off".to_owned(),
        image: "lab/broken:1".to_owned(),
    };
    let check = |troubles: &[Trouble], expected: &str| {
        let health = Health { status: InProgress, message: "0 of 3 ready".to_owned() };
        assert_eq!(explain(&key, &health, troubles), expected);
    };
    check(&[], "Deployment shop/web: 0 of 3 ready");
    let app = || trouble("app");
    check(&[app(), app(), app()], "Deployment shop/web: 0 of 3 ready, container app: ImagePullBackOff lab/broken:1");
    let many: Vec<Trouble> = ["a", "b", "c", "d", "e"].into_iter().map(trouble).collect();
    assert!(
        explain(&key, &Health { status: InProgress, message: String::new() }, &many)
            .ends_with("container c: ImagePullBackOff lab/broken:1, and 2 more")
    );
    let long = Trouble { reason: "CreateContainerError".to_owned(), message: "é".repeat(1000), ..app() };
    assert!(long.to_string().chars().count() < 200);
}
