//! One row for each verdict of each kind.

use serde_json::{Value, json};

use super::{
    Health, HealthStatus,
    HealthStatus::{Current, Failed, InProgress, Terminating, Unknown},
    health,
    rules::Rules,
};

const UNSEEN: &str = "its controller has not seen the latest change yet";

pub(super) fn check(api_version: &str, kind: &str, spec: Value, status: Value, expected: (HealthStatus, &str)) {
    let metadata = json!({"name": "x", "generation": 2});
    let object = json!({"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec, "status": status});
    assert_eq!(
        health(&object, &Rules::default()),
        Health { status: expected.0, message: expected.1.to_owned(), unseen: expected.1 == UNSEEN },
        "{object}"
    );
}

pub(super) fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({"type": kind, "status": status, "reason": reason, "message": message})
}

#[test]
fn any_object_says_the_same_about_deletion_generation_and_conditions() {
    let of = |status: Value, expected| check("example.com/v1", "Database", json!({}), status, expected);
    of(json!({}), (Current, "exists"));
    of(Value::Null, (Current, "exists"));
    of(json!({"observedGeneration": 1}), (InProgress, UNSEEN));
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
    let unseen = (InProgress, UNSEEN);
    of(json!({"observedGeneration": 1, "conditions": [condition("Ready", "True", "", "")]}), unseen);
    for kind in ["Ready", "Stalled", "Reconciling"] {
        let mut older = condition(kind, "True", "", "");
        older["observedGeneration"] = json!(1);
        of(json!({"conditions": [older]}), unseen);
    }
    let mut other = condition("Synced", "True", "", "");
    other["observedGeneration"] = json!(1);
    of(json!({"conditions": [other]}), (Current, "exists"));
    let deleted = |finalizers: Value| {
        let object =
            json!({"kind": "X", "metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": finalizers}});
        health(&object, &Rules::default())
    };
    assert_eq!(
        deleted(json!([])),
        Health { status: Terminating, message: "is being deleted".to_owned(), unseen: false }
    );
    assert_eq!(deleted(json!(["a"])).message, "is being deleted, held by a");
    assert_eq!(deleted(json!(["a", "b", "c"])).message, "is being deleted, held by a, b, c");
    assert_eq!(deleted(json!(["a", "b", "c", "d", "e"])).message, "is being deleted, held by a, b, c and 2 more");
    let namespace = json!({"kind": "Namespace", "metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Terminating", "conditions": [
            condition("NamespaceContentRemaining", "True", "SomeResourcesRemain", "pods. has 1 resource instances."),
            condition("NamespaceDeletionContentFailure", "False", "ContentDeleted", "all deleted")]}});
    assert_eq!(
        health(&namespace, &Rules::default()).message,
        "is being deleted, held by kubernetes: pods. has 1 resource instances"
    );
}

/// A status of a controller that has seen the latest change.
fn seen(status: Value) -> Value {
    let mut seen = json!({"observedGeneration": 2});
    seen.as_object_mut().unwrap().extend(status.as_object().cloned().unwrap());
    seen
}

#[test]
fn deployments() {
    let of = |spec: Value, status: Value, expected| check("apps/v1", "Deployment", spec, status, expected);
    let counts = |replicas: i64, updated: i64, ready: i64, available: i64| {
        seen(json!({"replicas": replicas, "updatedReplicas": updated, "readyReplicas": ready,
                    "availableReplicas": available,
                    "conditions": [condition("Available", "True", "MinimumReplicasAvailable", "")]}))
    };
    let three = || json!({"replicas": 3});
    of(three(), json!({}), (InProgress, "0 of 3 ready"));
    of(three(), counts(3, 3, 1, 1), (InProgress, "1 of 3 ready"));
    of(three(), counts(4, 1, 3, 3), (InProgress, "1 of 3 updated"));
    of(three(), counts(4, 3, 4, 4), (InProgress, "3 of 3 ready, 1 more still to go"));
    of(three(), counts(3, 3, 3, 2), (InProgress, "2 of 3 available"));
    of(three(), counts(3, 3, 3, 3), (Current, "3 of 3 ready"));
    of(json!({"replicas": 0}), counts(0, 0, 0, 0), (Current, "0 of 0 ready"));
    of(json!({"replicas": 0}), json!({}), (InProgress, "its controller has not seen it yet"));
    of(json!({}), counts(0, 0, 0, 0), (InProgress, "0 of 1 ready"));
    of(json!({"replicas": 3, "paused": true}), counts(3, 1, 3, 3), (InProgress, "paused, 1 of 3 updated"));
    let late = "ReplicaSet \"a\" has timed out progressing.";
    let mut status = counts(3, 3, 0, 0);
    status["conditions"] = json!([condition("Progressing", "False", "ProgressDeadlineExceeded", late)]);
    let told = "0 of 3 ready: ProgressDeadlineExceeded, ReplicaSet \"a\" has timed out progressing";
    of(three(), status, (Failed, told));
    let mut quota = counts(0, 0, 0, 0);
    quota["conditions"] = json!([condition("ReplicaFailure", "True", "FailedCreate", "exceeded quota")]);
    of(three(), quota, (InProgress, "0 of 3 ready: FailedCreate, exceeded quota"));
    let mut unavailable = counts(3, 3, 3, 3);
    unavailable["conditions"] = json!([condition("Available", "False", "MinimumReplicasUnavailable", "")]);
    of(three(), unavailable, (InProgress, "not available: MinimumReplicasUnavailable"));
}

#[test]
fn replica_sets_and_replication_controllers() {
    for (api_version, kind) in [("apps/v1", "ReplicaSet"), ("v1", "ReplicationController")] {
        let of = |status: Value, expected| check(api_version, kind, json!({"replicas": 3}), status, expected);
        let counts = |replicas: i64, ready: i64, available: i64| {
            seen(json!({"replicas": replicas, "readyReplicas": ready, "availableReplicas": available}))
        };
        of(counts(3, 2, 2), (InProgress, "2 of 3 ready"));
        of(counts(4, 3, 3), (InProgress, "3 of 3 ready, 1 more still to go"));
        of(counts(3, 3, 1), (InProgress, "1 of 3 available"));
        of(counts(3, 3, 3), (Current, "3 of 3 ready"));
        let mut refused = counts(0, 0, 0);
        refused["conditions"] = json!([condition("ReplicaFailure", "True", "FailedCreate", "forbidden")]);
        of(refused, (InProgress, "0 of 3 ready: FailedCreate, forbidden"));
    }
}

#[test]
fn stateful_sets() {
    let of = |spec: Value, status: Value, expected| check("apps/v1", "StatefulSet", spec, status, expected);
    let three = || json!({"replicas": 3});
    let rolling = |updated: i64, ready: i64| {
        seen(json!({"replicas": 3, "readyReplicas": ready, "availableReplicas": ready, "updatedReplicas": updated,
                    "currentRevision": "a", "updateRevision": "b"}))
    };
    of(three(), json!({}), (InProgress, "0 of 3 ready"));
    of(three(), rolling(1, 3), (InProgress, "1 of 3 updated"));
    let strategy = |strategy: Value| json!({"replicas": 3, "updateStrategy": strategy});
    of(strategy(json!({"rollingUpdate": {"partition": 2}})), rolling(1, 3), (Current, "3 of 3 ready"));
    of(strategy(json!({"rollingUpdate": {"partition": 1}})), rolling(1, 3), (InProgress, "1 of 2 updated"));
    of(strategy(json!({"type": "OnDelete"})), rolling(0, 3), (Current, "3 of 3 ready"));
    of(three(), rolling(3, 2), (InProgress, "2 of 3 ready"));
    let settled = |available: Value| {
        let mut status =
            seen(json!({"replicas": 3, "readyReplicas": 3, "currentRevision": "a", "updateRevision": "a"}));
        status["availableReplicas"] = available;
        status
    };
    of(three(), settled(json!(2)), (InProgress, "2 of 3 available"));
    of(three(), settled(json!(3)), (Current, "3 of 3 ready"));
    of(three(), settled(Value::Null), (Current, "3 of 3 ready"));
}

#[test]
fn daemon_sets() {
    let of = |spec: Value, status: Value, expected| check("apps/v1", "DaemonSet", spec, status, expected);
    let counts = |wanted: i64, updated: i64, ready: i64, available: i64| {
        json!({"desiredNumberScheduled": wanted, "updatedNumberScheduled": updated, "numberReady": ready,
               "numberAvailable": available})
    };
    of(json!({}), json!({}), (InProgress, "its nodes are not counted yet"));
    // As the API server makes it, before the controller has looked.
    of(json!({}), counts(0, 0, 0, 0), (InProgress, "its controller has not seen it yet"));
    of(json!({}), seen(counts(2, 2, 1, 1)), (InProgress, "1 of 2 ready"));
    of(json!({}), seen(counts(2, 1, 2, 2)), (InProgress, "1 of 2 updated"));
    of(json!({"updateStrategy": {"type": "OnDelete"}}), seen(counts(2, 1, 2, 2)), (Current, "2 of 2 ready"));
    of(json!({}), seen(counts(2, 2, 2, 1)), (InProgress, "1 of 2 available"));
    of(json!({}), seen(counts(0, 0, 0, 0)), (Current, "0 of 0 ready"));
}

#[test]
fn jobs() {
    let of = |spec: Value, status: Value, expected| check("batch/v1", "Job", spec, status, expected);
    let with =
        |kind: &str, reason: &str, message: &str| json!({"conditions": [condition(kind, "True", reason, message)]});
    of(json!({}), json!({}), (InProgress, "not started yet"));
    of(json!({"suspend": true}), json!({}), (Current, "suspended"));
    of(
        json!({"completions": 2}),
        json!({"startTime": "t", "succeeded": 1, "failed": 3}),
        (InProgress, "1 of 2 completed, 3 attempts failed"),
    );
    of(json!({}), with("Complete", "", ""), (Current, "completed"));
    of(json!({}), with("Failed", "BackoffLimitExceeded", ""), (Failed, "failed: BackoffLimitExceeded"));
    let told = "failed: DeadlineExceeded, Job was active longer than specified deadline";
    of(json!({}), with("Failed", "DeadlineExceeded", "Job was active longer than specified deadline."), (Failed, told));
    of(json!({}), with("FailureTarget", "PodFailurePolicy", ""), (InProgress, "failing: PodFailurePolicy"));
}

#[test]
fn cron_jobs() {
    check("batch/v1", "CronJob", json!({"suspend": true}), json!({}), (Current, "suspended"));
    check("batch/v1", "CronJob", json!({}), json!({}), (Current, "scheduled"));
}

#[test]
fn services() {
    let of = |kind: &str, status: Value, expected| check("v1", "Service", json!({"type": kind}), status, expected);
    let at = |address: Value| json!({"loadBalancer": {"ingress": [address]}});
    of("LoadBalancer", json!({"loadBalancer": {}}), (InProgress, "the load balancer has no address yet"));
    of("LoadBalancer", at(json!({"ip": "192.0.2.1"})), (Current, "reachable at 192.0.2.1"));
    of("LoadBalancer", at(json!({"hostname": "lb.example.com"})), (Current, "reachable at lb.example.com"));
    of("LoadBalancer", at(json!({})), (Current, "has a load balancer"));
    of("ClusterIP", json!({"loadBalancer": {}}), (Current, "exists"));
    of("ExternalName", Value::Null, (Current, "exists"));
}

#[test]
fn claims_and_volumes() {
    let claim = |status: Value, expected| check("v1", "PersistentVolumeClaim", json!({}), status, expected);
    claim(json!({"phase": "Pending"}), (InProgress, "not bound to a volume yet"));
    claim(json!({}), (InProgress, "not bound to a volume yet"));
    claim(json!({"phase": "Bound"}), (Current, "bound"));
    claim(json!({"phase": "Lost"}), (Failed, "its volume is lost"));
    let volume = |status: Value, expected| check("v1", "PersistentVolume", json!({}), status, expected);
    volume(json!({"phase": "Failed", "message": "busy"}), (Failed, "could not be reclaimed: busy"));
    for phase in ["Available", "Bound", "Released"] {
        volume(json!({"phase": phase}), (Current, "exists"));
    }
}

#[test]
fn what_has_no_controller_is_well_by_existing() {
    let exists = |api_version, kind, status| check(api_version, kind, json!({}), status, (Current, "exists"));
    exists("v1", "Namespace", json!({"phase": "Active"}));
    exists("v1", "ConfigMap", Value::Null);
    exists("v1", "Secret", Value::Null);
    exists("v1", "ServiceAccount", Value::Null);
    exists("v1", "ResourceQuota", json!({"hard": {"pods": "10"}, "used": {"pods": "10"}}));
    exists("v1", "LimitRange", Value::Null);
    exists("networking.k8s.io/v1", "Ingress", json!({"loadBalancer": {}}));
    exists("networking.k8s.io/v1", "NetworkPolicy", Value::Null);
    exists("rbac.authorization.k8s.io/v1", "ClusterRole", Value::Null);
    exists("storage.k8s.io/v1", "StorageClass", Value::Null);
}

#[test]
fn disruption_budgets() {
    let of = |reason: &str, message: &str, expected| {
        let status = json!({"conditions": [condition("DisruptionAllowed", "False", reason, message)]});
        check("policy/v1", "PodDisruptionBudget", json!({}), status, expected);
    };
    of("InsufficientPods", "", (Current, "exists"));
    let told = "not computed: SyncFailed, jobs.batch does not implement the scale subresource";
    of("SyncFailed", "jobs.batch does not implement the scale subresource", (InProgress, told));
}

#[test]
fn definitions() {
    let of = |conditions: Value, expected| {
        let status = json!({"conditions": conditions});
        check("apiextensions.k8s.io/v1", "CustomResourceDefinition", json!({}), status, expected);
    };
    of(json!([]), (InProgress, "not established yet"));
    of(json!([condition("Established", "False", "Installing", "")]), (InProgress, "not established yet"));
    of(json!([condition("Established", "False", "NotAccepted", "")]), (Failed, "not established: NotAccepted"));
    let taken = json!([condition("NamesAccepted", "False", "PluralConflict", "\"x\" is taken")]);
    of(taken, (Failed, "its names are not accepted: PluralConflict, \"x\" is taken"));
    let good = json!([condition("NamesAccepted", "True", "", ""), condition("Established", "True", "", "")]);
    of(good, (Current, "established"));
}

#[test]
fn aggregated_apis() {
    let of = |conditions: Value, expected| {
        let status = json!({"conditions": conditions});
        check("apiregistration.k8s.io/v1", "APIService", json!({}), status, expected);
    };
    of(json!([]), (InProgress, "not available yet"));
    let down = json!([condition("Available", "False", "MissingEndpoints", "")]);
    of(down, (InProgress, "not available: MissingEndpoints"));
    of(json!([condition("Available", "True", "Passed", "")]), (Current, "available"));
}

#[test]
fn autoscalers() {
    let of = |conditions: Value, expected| {
        let status = json!({"conditions": conditions});
        check("autoscaling/v2", "HorizontalPodAutoscaler", json!({}), status, expected);
    };
    of(json!([]), (Current, "exists"));
    let no_scale = json!([condition("AbleToScale", "False", "FailedGetScale", "not found")]);
    of(no_scale, (InProgress, "cannot scale: FailedGetScale, not found"));
    let no_metric = json!([condition("ScalingActive", "False", "FailedGetResourceMetric", "")]);
    of(no_metric, (InProgress, "does not scale: FailedGetResourceMetric"));
    of(json!([condition("ScalingActive", "False", "ScalingDisabled", "")]), (Current, "exists"));
}

#[test]
fn signing_requests() {
    let of = |status: Value, expected| {
        check("certificates.k8s.io/v1", "CertificateSigningRequest", json!({}), status, expected);
    };
    let approved = || json!([condition("Approved", "True", "ByPerson", "")]);
    of(json!({}), (InProgress, "not approved yet"));
    of(json!({"conditions": approved()}), (InProgress, "approved, not signed yet"));
    of(json!({"conditions": approved(), "certificate": "LS0="}), (Current, "signed"));
    of(json!({"conditions": [condition("Denied", "True", "ByPerson", "no.")]}), (Failed, "denied: ByPerson, no"));
    of(json!({"conditions": [condition("Failed", "True", "SignerError", "")]}), (Failed, "failed: SignerError"));
}
