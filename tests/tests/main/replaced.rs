//! A newer commit replaces the operation of an older one, and what that one did is not forgotten.

use std::net::TcpListener;

use serde_json::json;
use system_tests::{
    daemon,
    site::{Site, config_map},
    wait,
};

/// Objects of the first commit: more than are under way at once.
const MANY: usize = 40;

#[test]
fn a_newer_commit_cuts_a_slow_operation_and_the_history_says_how_far_it_came() {
    daemon::shared();
    // Takes connections and never answers: each write takes as long as the API server waits for it.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("an address");
    let site = Site::new(lab::shared(), "replaced");
    site.apply(&json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": { "name": site.namespace },
        "webhooks": [{
            "name": "silent.example.com",
            "clientConfig": { "url": format!("https://{address}/") },
            "rules": [{ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"] }],
            "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": site.namespace } },
            "failurePolicy": "Ignore",
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "timeoutSeconds": 5,
        }],
    }));
    let many: Vec<String> = (0..MANY).map(|n| config_map(&format!("c{n}"), "k", "1")).collect();
    let first = site.push(&[("app/many.yaml", &many.join("---\n"))], "Many");
    site.environment("app", "app", json!({ "sync": { "prune": false } }));
    let objects = || {
        let selector = format!("applyset.kubernetes.io/part-of={}", site.part_of("app"));
        let names = site.kubectl(&["get", "configmaps", "--selector", &selector, "--output", "name"]).expect("a list");
        names.lines().count()
    };
    wait::until("the first of them to be there", || match site.get("environments.plumb.dev", "app") {
        Some(environment) if environment["metadata"]["labels"].is_object() && objects() > 0 => Ok(()),
        environment => Err(format!("{environment:?}")),
    });
    let second = site.push(&[("app/many.yaml", &config_map("one", "k", "2"))], "One");
    site.wait_applied("app", &second);
    let history = site.status("app")["history"].clone();
    assert_eq!((&history[0]["result"], &history[0]["revision"]["commit"]), (&json!("Applied"), &json!(second)));
    assert_eq!((&history[1]["result"], &history[1]["revision"]["commit"]), (&json!("Superseded"), &json!(first)));
    let summary = history[1]["summary"].as_str().expect("a summary");
    let created: usize = summary.split(' ').next().and_then(|count| count.parse().ok()).expect("a count");
    assert!(created > 0 && created < MANY, "{summary}");
    assert_eq!(created + 1, objects(), "what the cut operation made is counted: {summary}");
    lab::shared().kubectl(&["delete", "validatingwebhookconfiguration", &site.namespace]).expect("a deletion");
    drop(silent);
}
