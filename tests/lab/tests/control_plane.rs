//! The control plane that tests share: it comes up, runs Pods, and refuses who has no rights.
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions that tests share

use std::io::{Write, stderr};
use std::thread;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};
use lab::{ControlPlane, namespace, shared};

/// How long anything may take before it counts as never: this machine may be busy.
const DEADLINE: Duration = Duration::from_secs(60);

/// Asks kubectl until the answer is as expected.
fn eventually(plane: &ControlPlane, arguments: &[&str], expected: impl Fn(&str) -> bool) {
    let begun = Instant::now();
    loop {
        let answer = plane.kubectl(arguments);
        if answer.as_ref().is_ok_and(|answer| expected(answer)) {
            return;
        }
        assert!(begun.elapsed() < DEADLINE, "kubectl {}: {answer:?}", arguments.join(" "));
        thread::sleep(Duration::from_millis(50));
    }
}

fn new_namespace(prefix: &str) -> String {
    let name = namespace(prefix);
    shared().kubectl(&["create", "namespace", &name]).unwrap();
    name
}

#[test]
fn it_comes_up_and_says_which_version_it_is() {
    let begun = Instant::now();
    let plane = shared();
    writeln!(stderr(), "the shared control plane was there after {:.1} s", begun.elapsed().as_secs_f64()).unwrap();
    let version = plane.kubectl(&["version", "-o", "json"]).unwrap();
    let version: serde_json::Value = serde_json::from_str(&version).unwrap();
    for side in ["clientVersion", "serverVersion"] {
        assert_eq!(version[side]["gitVersion"], "v1.36.4", "{side}");
    }
    assert_eq!(plane.deaths(), Vec::<String>::new());
}

#[test]
fn a_deployment_becomes_ready() {
    let namespace = new_namespace("ready");
    shared().kubectl(&["-n", &namespace, "create", "deployment", "web", "--image=web:1", "--replicas=3"]).unwrap();
    shared().kubectl(&["-n", &namespace, "rollout", "status", "deployment/web", "--timeout=60s"]).unwrap();
    let ready = ["-n", &namespace, "get", "deployment", "web", "-o", "jsonpath={.status.readyReplicas}"];
    assert_eq!(shared().kubectl(&ready).unwrap(), "3");
}

#[test]
fn images_of_the_laboratory_behave_badly_on_purpose() {
    let namespace = new_namespace("bad");
    let waits = "jsonpath={.status.containerStatuses[0].state.waiting.reason}";
    let ready = r#"jsonpath={.status.phase} {.status.conditions[?(@.type=="Ready")].status}"#;
    let cases = [
        ("broken", waits, "ImagePullBackOff"),
        ("crash", waits, "CrashLoopBackOff"),
        ("unready", ready, "Running False"),
        ("slow", ready, "Running True"),
        ("never", "jsonpath={.status.phase} {.spec.nodeName}", "Pending lab"),
    ];
    for (name, ..) in cases {
        shared().kubectl(&["-n", &namespace, "run", name, &format!("--image=lab/{name}:1")]).unwrap();
    }
    for (name, path, expected) in cases {
        eventually(shared(), &["-n", &namespace, "get", "pod", name, "-o", path], |answer| answer == expected);
    }
}

#[test]
fn jobs_complete_or_fail_and_namespaces_end() {
    let namespace = new_namespace("job");
    for (name, image, end) in [("good", "tool:1", "Complete"), ("bad", "lab/fail:1", "Failed")] {
        let job = serde_json::json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "namespace": namespace},
            "spec": {"backoffLimit": 0, "template": {"spec": {
                "restartPolicy": "Never", "containers": [{"name": "app", "image": image}],
            }}},
        });
        shared().kubectl_with_input(&["apply", "-f", "-"], &job.to_string()).unwrap();
        let condition = format!("--for=condition={end}");
        shared().kubectl(&["-n", &namespace, "wait", &format!("job/{name}"), &condition, "--timeout=60s"]).unwrap();
    }
    shared().kubectl(&["delete", "namespace", &namespace, "--timeout=60s"]).unwrap();
}

#[test]
fn a_user_without_rights_is_refused_until_rbac_gives_them() {
    let namespace = new_namespace("rights");
    let kubeconfig = shared().kubeconfig_for("ann", &["developers", "auditors"]).unwrap();
    let kubeconfig = kubeconfig.to_str().unwrap();
    let list = ["--kubeconfig", kubeconfig, "-n", &namespace, "get", "configmaps"];
    let refused = shared().kubectl(&list).unwrap_err().to_string();
    assert!(refused.contains(r#"User "ann" cannot list resource "configmaps""#), "{refused}");
    for group in ["developers", "auditors"] {
        let who = shared().kubectl(&["--kubeconfig", kubeconfig, "auth", "whoami", "-o", "json"]).unwrap();
        assert!(who.contains(&format!("\"{group}\"")), "{who}");
    }
    let group = "--group=auditors";
    shared().kubectl(&["-n", &namespace, "create", "rolebinding", "view", "--clusterrole=view", group]).unwrap();
    eventually(shared(), &list, |_| true);
}

#[test]
fn a_user_in_more_groups_than_a_certificate_carries_is_an_error() {
    let refused = shared().kubeconfig_for("ann", &["one", "two", "three"]).unwrap_err().to_string();
    assert!(refused.contains("at most 2 groups"), "{refused}");
}

#[tokio::test]
async fn the_client_writes_what_kubectl_reads() {
    let plane = shared();
    let namespace = new_namespace("client");
    let config_maps = Api::<ConfigMap>::namespaced(plane.client().await, &namespace);
    let settings = ConfigMap {
        metadata: ObjectMeta { name: Some("settings".to_owned()), ..ObjectMeta::default() },
        data: Some([("colour".to_owned(), "blue".to_owned())].into()),
        ..ConfigMap::default()
    };
    config_maps.create(&PostParams::default(), &settings).await.unwrap();
    let read = ["-n", &namespace, "get", "configmap", "settings", "-o", "jsonpath={.data.colour}"];
    assert_eq!(plane.kubectl(&read).unwrap(), "blue");
}

#[test]
fn a_failing_kubectl_says_why() {
    let error = shared().kubectl_with_input(&["apply", "-f", "-"], "kind: Nonsense\napiVersion: v1\n").unwrap_err();
    assert!(error.to_string().contains("kubectl apply -f -"), "{error}");
    assert!(error.to_string().contains("Nonsense"), "{error}");
}
