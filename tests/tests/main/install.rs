//! Installation: what `manifests/` says is taken by a real API server, and what the schemas forbid is refused.

use serde_json::{Value, json};

const MANIFESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../manifests");

#[test]
fn the_examples_are_valid_resources() {
    let plane = lab::shared();
    system_tests::daemon::shared();
    let examples = format!("{MANIFESTS}/examples/plumb");
    plane.kubectl(&["apply", "--server-side", "--dry-run=server", "--filename", &examples]).expect("valid examples");
}

/// Expects the API server to refuse a resource with words that hold this text.
fn check(kind: &str, spec: Value, text: &str) {
    system_tests::daemon::shared();
    let object = json!({
        "apiVersion": "plumb.dev/v1alpha1",
        "kind": kind,
        "metadata": { "name": "refused", "namespace": "default" },
        "spec": spec,
    });
    let refused = lab::shared().kubectl_with_input(&["create", "--dry-run=server", "-f", "-"], &object.to_string());
    let message = refused.expect_err("it must be refused").to_string();
    assert!(message.contains(text), "{spec}: {message}");
}

#[test]
fn nothing_of_another_namespace_can_be_named() {
    let url = "https://git.example.com/x.git";
    for name in ["other/a", "other:a", "other a", "../a", "..", "a/../b", "A", "-a", ""] {
        let account = json!({ "serviceAccountName": name });
        check("Environment", json!({ "repository": name, "path": "a" }), "spec.repository");
        check(
            "Environment",
            json!({ "repository": "r", "path": "a", "target": account }),
            "spec.target.serviceAccountName",
        );
        check("Repository", json!({ "url": url, "secretRef": { "name": name } }), "spec.secretRef.name");
    }
    let elsewhere = json!({ "name": "a", "namespace": "other" });
    check("Repository", json!({ "url": url, "secretRef": elsewhere }), "unknown field \"spec.secretRef.namespace\"");
    check("Environment", json!({ "repository": elsewhere, "path": "a" }), "spec.repository");
    check(
        "Environment",
        json!({ "repository": "r", "path": "a", "target": { "serviceAccountName": elsewhere } }),
        "spec.target.serviceAccountName",
    );
}

#[test]
fn the_api_server_refuses_what_the_schemas_forbid() {
    check(
        "Repository",
        json!({ "url": "https://ada:secret@git.example.com/x.git" }),
        "credentials belong into a Secret",
    );
    check("Repository", json!({ "url": "git.example.com/x.git" }), "spec.url");
    check("Repository", json!({ "url": "https://git.example.com/x.git", "interval": "5" }), "spec.interval");
    check("Repository", json!({ "url": "https://git.example.com/x.git", "verify": {} }), "spec.verify.secretRef");
    check("Repository", json!({ "url": "https://git.example.com/x.git", "webhook": {} }), "unknown field");
    check("Environment", json!({ "repository": "r", "path": "/a" }), "relative to the repository's root");
    check("Environment", json!({ "repository": "r", "path": "a/../b" }), "has no '..'");
    check("Environment", json!({ "repository": "r", "path": "a", "sync": { "pruneLimit": "150%" } }), "pruneLimit");
    check("Environment", json!({ "repository": "r", "path": "a", "drift": { "mode": "Ignore" } }), "Unsupported value");
    check("Environment", json!({ "path": "a" }), "spec.repository");
    let rule = |current: &str| json!({ "apiVersion": "example.com/v1", "kind": "Database", "current": current });
    let with = |rules: Value| json!({ "repository": "r", "path": "a", "health": rules });
    check("Environment", with(json!([rule("true"), rule("false")])), "Duplicate value");
    check("Environment", with(json!([rule("")])), "spec.health[0].current");
    check("Environment", with(json!([rule(&"a".repeat(1025))])), "spec.health[0].current");
    check(
        "Environment",
        with(json!([{ "apiVersion": "a b", "kind": "c", "current": "d" }])),
        "spec.health[0].apiVersion",
    );
}
