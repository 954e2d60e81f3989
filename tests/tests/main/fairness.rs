//! One bad thing never stops the others: an admission webhook that hangs, for one environment alone; a wave that does not
//! become healthy.

use std::net::TcpListener;

use serde_json::json;
use system_tests::{
    daemon::{self, Daemon},
    site::{Site, config_map, deployment},
    wait,
};

/// Environments that hang: with 16 requests each, more than there are turns.
const HANGING: usize = 6;

#[test]
fn environments_that_hang_at_a_webhook_hold_up_nobody() {
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
            "timeoutSeconds": 5,
        }],
    }));
    // Together they could use up every turn at the API server.
    let stuck = (0..HANGING).fold(String::new(), |_, n| {
        let many: Vec<String> = (0..16).map(|m| config_map(&format!("c{n}-{m}"), "k", "1")).collect();
        hanging.push(&[(&format!("app{n}/many.yaml"), &many.join("---\n"))], "Many that hang")
    });
    (0..HANGING).for_each(|n| hanging.environment(&format!("app{n}"), &format!("app{n}"), json!({})));

    let free = Site::new(lab::shared(), "free");
    for round in 1..=5 {
        let commit = free.push(&[("app/a.yaml", &config_map("a", "round", &round.to_string()))], "A round");
        if round == 1 {
            free.environment("app", "app", json!({}));
        }
        free.wait_applied("app", &commit);
    }
    let hung = hanging.status("app0");
    assert_ne!(hung["lastApplied"]["commit"], stuck, "the other one went on while this one hung");
    lab::shared().kubectl(&["delete", "validatingwebhookconfiguration", &hanging.namespace]).expect("a deletion");
    (0..HANGING).for_each(|n| hanging.wait_applied(&format!("app{n}"), &stuck));
    wait::until_equal("all of them to be there", &json!(16), || hanging.status("app0")["inventory"]["objects"].clone());
    drop(silent);
}

#[test]
fn who_waits_for_health_holds_no_worker() {
    let plane = lab::own();
    let daemon = Daemon::start(plane);
    let site = Site::new(plane, "waits");
    let later = config_map("later", "k", "1")
        .replace("  name: later\n", "  name: later\n  annotations:\n    plumb.dev/wave: \"1\"\n");
    site.push(&[("app/web.yaml", &deployment("web", "lab/broken:1", 1)), ("app/later.yaml", &later)], "One");
    site.environment("app", "app", json!({}));
    wait::until("the wave to be waited for", || {
        let (_, reason, message) = site.condition("app", "Ready");
        if message.contains("lab/broken:1") { Ok(()) } else { Err(format!("{reason}: {message}")) }
    });
    wait::until("no pass to be under way", || {
        let metrics = daemon.metrics();
        if metrics.lines().any(|line| line == "plumb_passes_running 0") { Ok(()) } else { Err(metrics) }
    });
    assert_eq!(site.condition("app", "Reconciling").0, "True", "it waits still");
    assert_eq!(site.get("configmap", "later"), None);
}
