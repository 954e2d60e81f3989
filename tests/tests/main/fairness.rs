//! One bad thing never stops the others: an admission webhook that hangs, for one environment alone.

use std::net::TcpListener;

use serde_json::json;
use system_tests::{
    daemon,
    site::{Site, config_map},
    wait,
};

#[test]
fn an_environment_that_hangs_at_a_webhook_holds_up_nobody() {
    daemon::shared();
    // Takes connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("an address");
    let hanging = Site::new(lab::shared(), "hang");
    hanging.apply(&json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": { "name": hanging.namespace },
        "webhooks": [{
            "name": "silent.example.com",
            "clientConfig": { "url": format!("https://{address}/") },
            "rules": [{ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"] }],
            "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": hanging.namespace } },
            "failurePolicy": "Fail",
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "timeoutSeconds": 10,
        }],
    }));
    let many: Vec<String> = (0..40).map(|n| config_map(&format!("c{n}"), "k", "1")).collect();
    let stuck = hanging.push(&[("app/many.yaml", &many.join("---\n"))], "Many that hang");
    hanging.environment("app", "app", json!({}));

    let free = Site::new(lab::shared(), "free");
    for round in 1..=5 {
        let commit = free.push(&[("app/a.yaml", &config_map("a", "round", &round.to_string()))], "A round");
        if round == 1 {
            free.environment("app", "app", json!({}));
        }
        free.wait_applied("app", &commit);
    }
    let hung = hanging.status("app");
    assert_ne!(hung["lastApplied"]["commit"], stuck, "the other one went on while this one hung");
    lab::shared().kubectl(&["delete", "validatingwebhookconfiguration", &hanging.namespace]).expect("a deletion");
    hanging.wait_applied("app", &stuck);
    wait::until_equal("all of them to be there", &json!(40), || hanging.status("app")["inventory"]["objects"].clone());
    drop(silent);
}
