//! Tables of what is told of Pods.

use serde_json::{Value, json};

use super::{Part, Trouble, explain, pod_trouble};
use crate::{
    health::{
        Health,
        HealthStatus::{Current, Failed, InProgress, Unknown},
        tests::{check, condition},
    },
    object::ObjectKey,
};

fn container(name: &str, state: Value, last: Value) -> Value {
    json!({"name": name, "image": "lab/broken:1", "state": state, "lastState": last})
}

fn waiting(reason: &str) -> Value {
    json!({"waiting": {"reason": reason, "message": "Back-off pulling image"}})
}

#[test]
fn verdicts() {
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

/// Checks what is told of a Pod with this status and specification.
fn check_trouble(spec: Value, status: Value, expected: Option<&str>) {
    let pod = json!({"metadata": {"name": "web-0"}, "spec": spec, "status": status});
    assert_eq!(pod_trouble(&pod).map(|trouble| trouble.to_string()).as_deref(), expected, "{pod}");
}

#[test]
fn what_a_container_died_of_is_told_with_its_last_words() {
    let crash = |last: Value, expected| {
        let status = json!({"phase": "Running", "containerStatuses": [container("app", waiting("CrashLoopBackOff"), json!({"terminated": last}))]});
        check_trouble(json!({}), status, Some(expected));
    };
    crash(json!({"exitCode": 1, "reason": "Error"}), "container app: CrashLoopBackOff, exit code 1");
    crash(
        json!({"exitCode": 1, "reason": "Error", "message": "starting\n  no such host: db  \n\n"}),
        "container app: CrashLoopBackOff, exit code 1: no such host: db",
    );
    crash(json!({"exitCode": 137, "reason": "OOMKilled"}), "container app: CrashLoopBackOff, out of memory");
    crash(json!({"exitCode": 139, "reason": "Error"}), "container app: CrashLoopBackOff, exit code 139 (signal 11)");
    crash(json!({"exitCode": 0, "reason": "Completed"}), "container app: CrashLoopBackOff, exit code 0");
    crash(
        json!({"exitCode": 128, "reason": "StartError", "message": "exec: \"sevre\": not found"}),
        "container app: CrashLoopBackOff, exit code 128: exec: \"sevre\": not found",
    );
    let long = format!("container app: CrashLoopBackOff, exit code 1: {}…", "é".repeat(120));
    crash(json!({"exitCode": 1, "reason": "Error", "message": "é".repeat(4000)}), &long);
}

#[test]
fn what_a_container_lacks_is_told_by_name() {
    let stuck = |reason: &str, message: &str, expected| {
        let state = json!({"waiting": {"reason": reason, "message": message}});
        check_trouble(
            json!({}),
            json!({"phase": "Pending", "containerStatuses": [container("app", state, json!({}))]}),
            Some(expected),
        );
    };
    stuck(
        "CreateContainerConfigError",
        "secret \"db\" not found",
        "container app: CreateContainerConfigError, secret \"db\" not found",
    );
    stuck(
        "CreateContainerConfigError",
        "couldn't find key password in Secret shop/db",
        "container app: CreateContainerConfigError, couldn't find key password in Secret shop/db",
    );
    stuck("ErrImageNeverPull", "page of text", "container app: ErrImageNeverPull lab/broken:1");
    stuck("RunContainerError", "no such file", "container app: RunContainerError, no such file");
}

#[test]
fn init_containers_are_told_as_such() {
    let of = |init: Value, expected| {
        let main = container("app", waiting("PodInitializing"), json!({}));
        check_trouble(
            json!({"initContainers": [{"name": "migrate"}], "containers": [{"name": "app"}]}),
            json!({"phase": "Pending", "initContainerStatuses": [init], "containerStatuses": [main]}),
            expected,
        );
    };
    of(container("migrate", json!({"running": {}}), json!({})), None);
    of(
        container("migrate", waiting("ErrImagePull"), json!({})),
        Some("init container migrate: ErrImagePull lab/broken:1"),
    );
    of(
        container("migrate", waiting("CrashLoopBackOff"), json!({"terminated": {"exitCode": 2, "reason": "Error"}})),
        Some("init container migrate: CrashLoopBackOff, exit code 2"),
    );
}

#[test]
fn probes_are_told_while_they_fail() {
    let of = |probes: Value, alter: fn(&mut Value), expected| {
        let mut specification = json!({"name": "app"});
        specification.as_object_mut().unwrap().extend(probes.as_object().cloned().unwrap());
        let mut status = container("app", json!({"running": {}}), json!({}));
        (status["ready"], status["started"]) = (json!(false), json!(true));
        alter(&mut status);
        let spec = json!({"containers": [specification]});
        check_trouble(spec, json!({"phase": "Running", "containerStatuses": [status]}), expected);
    };
    let both = || json!({"startupProbe": {}, "readinessProbe": {}});
    of(json!({}), |_| {}, None);
    of(both(), |status| status["ready"] = json!(true), None);
    of(both(), |_| {}, Some("container app: NotReady, its readiness probe does not succeed"));
    of(
        both(),
        |status| status["started"] = json!(false),
        Some("container app: NotReady, its startup probe has not succeeded"),
    );
    of(
        json!({"livenessProbe": {}}),
        |status| status["lastState"] = json!({"terminated": {"exitCode": 137, "reason": "Error"}}),
        Some("container app: NotReady, ended before: exit code 137 (signal 9)"),
    );
}

#[test]
fn what_keeps_a_whole_pod_is_told_in_the_words_of_who_keeps_it() {
    let of = |status: Value, expected| check_trouble(json!({}), status, expected);
    let with = |kind: &str, status: &str, reason: &str, message: &str| json!({"phase": "Pending", "conditions": [condition(kind, status, reason, message)]});
    let scheduler = "0/3 nodes are available: 1 node(s) had untolerated taint {gpu: true}, 2 Insufficient memory. preemption: 0/3 nodes are available: 3 No preemption victims found for incoming pod.";
    of(
        with("PodScheduled", "False", "Unschedulable", scheduler),
        Some(
            "Unschedulable, 0/3 nodes are available: 1 node(s) had untolerated taint {gpu: true}, 2 Insufficient memory",
        ),
    );
    let claim = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. preemption: not helpful.";
    of(
        with("PodScheduled", "False", "Unschedulable", claim),
        Some("Unschedulable, 0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims"),
    );
    let gate = "corresponding condition of pod readiness gate \"lb\" does not exist.";
    of(
        with("Ready", "False", "ReadinessGatesNotReady", gate),
        Some("ReadinessGatesNotReady, corresponding condition of pod readiness gate \"lb\" does not exist"),
    );
    of(json!({"phase": "Failed", "reason": "Evicted", "message": "low on disk"}), Some("Evicted, low on disk"));
}

#[test]
fn a_pod_that_is_being_deleted_troubles_nobody_unless_its_node_keeps_it() {
    let of = |conditions: Value| {
        pod_trouble(&json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}, "status": {
            "phase": "Running", "conditions": conditions,
            "containerStatuses": [container("app", waiting("CrashLoopBackOff"), json!({}))]}}))
    };
    assert_eq!(of(json!([])), None);
    let taint = of(json!([condition("DisruptionTarget", "True", "DeletionByTaintManager", "node is unreachable")]));
    assert_eq!(taint.unwrap().to_string(), "DeletionByTaintManager, node is unreachable");
}

#[test]
fn a_pods_trouble_is_that_of_its_first_container_in_trouble() {
    let pod = json!({"status": {
        "initContainerStatuses": [container("init", json!({"terminated": {"exitCode": 0}}), json!({}))],
        "containerStatuses": [container("a", json!({"running": {}}), json!({})), container("b", waiting("ErrImagePull"), json!({}))],
    }});
    let trouble = pod_trouble(&pod).expect("trouble");
    assert_eq!((trouble.part, trouble.reason.as_str()), (Part::Container("b".to_owned()), "ErrImagePull"));
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
        part: Part::Container(container.to_owned()),
        reason: "ImagePullBackOff".to_owned(),
        message: "Back-off".to_owned(),
        image: "lab/broken:1".to_owned(),
        template: String::new(),
    };
    let check = |troubles: &[Trouble], expected: &str| {
        let health = Health { status: InProgress, message: "0 of 3 ready".to_owned(), unseen: false };
        assert_eq!(explain(&key, &health, troubles), expected);
    };
    check(&[], "Deployment shop/web: 0 of 3 ready");
    let app = || trouble("app");
    check(&[app(), app(), app()], "Deployment shop/web: 0 of 3 ready, container app: ImagePullBackOff lab/broken:1");
    let many: Vec<Trouble> = ["a", "b", "c", "d", "e"].into_iter().map(trouble).collect();
    assert!(
        explain(&key, &Health { status: InProgress, message: String::new(), unseen: false }, &many)
            .ends_with("container c: ImagePullBackOff lab/broken:1, and 2 more")
    );
    let long = Trouble { reason: "CreateContainerError".to_owned(), message: "é".repeat(1000), ..app() };
    assert!(long.to_string().chars().count() < 300);
}

#[test]
fn a_trouble_names_the_template_of_its_pod() {
    let check = |labels: Value, expected: &str| {
        let waiting = json!({"name": "app", "state": {"waiting": {"reason": "ImagePullBackOff"}}});
        let pod = json!({"metadata": {"labels": labels}, "status": {"containerStatuses": [waiting]}});
        assert_eq!(pod_trouble(&pod).map(|trouble| trouble.template), Some(expected.to_owned()), "{pod}");
    };
    check(json!({"app": "web"}), "");
    check(json!({"app": "web", "pod-template-hash": "5d4"}), "5d4");
    check(json!({"controller-revision-hash": "db-77"}), "db-77");
}
