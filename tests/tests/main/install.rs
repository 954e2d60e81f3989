//! Installation: what `manifests/` says is taken by a real API server, and the rights that it gives are enough.

use lab::ControlPlane;
use serde_json::json;
use system_tests::{
    daemon::Daemon,
    site::{Site, config_map, deployment},
    wait,
};

const MANIFESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../manifests");

#[test]
fn the_manifests_install_and_their_rights_are_enough_for_the_main_job() {
    let plane: &'static ControlPlane = Box::leak(Box::new(ControlPlane::start().expect("a control plane")));
    plane.kubectl(&["apply", "--server-side", "--kustomize", MANIFESTS]).expect("manifests that the API server takes");
    plane.kubectl(&["apply", "--server-side", "--kustomize", MANIFESTS]).expect("a second time, too");
    let user = "system:serviceaccount:plumb-system:plumb";
    let kubeconfig = plane.kubeconfig_for(user, &["system:serviceaccounts"]).expect("a kubeconfig");
    let _daemon = Daemon::start_as(plane, &kubeconfig);

    let site = Site::new(plane, "installed");
    let files = [
        ("app/web.yaml", deployment("web", "registry.example.com/web:1", 1)),
        ("app/settings.yaml", config_map("settings", "colour", "blue")),
    ];
    let borrowed: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let first = site.push(&borrowed, "First");
    site.environment("app", "app", json!({}));
    site.wait_applied("app", &first);
    site.kubectl(&["delete", "configmap", "settings"]).expect("a deletion");
    wait::until_equal("the drift to be put back", &true, || site.get("configmap", "settings").is_some());
    site.copy.remove(&["app/settings.yaml"]).expect("a removal");
    let second = site.push(&[("app/note.txt", "one less")], "Second");
    site.wait_applied("app", &second);
    wait::until_equal("the pruned object to be gone", &None, || site.get("configmap", "settings"));
    wait::until("an Event about the environment", || {
        let events =
            site.kubectl(&["get", "events", "--field-selector", "involvedObject.kind=Environment", "--output", "name"]);
        let events = events.map_err(|error| error.to_string())?;
        if events.trim().is_empty() { Err("no Event yet".to_owned()) } else { Ok(()) }
    });
}

#[test]
fn the_examples_are_valid_resources() {
    let plane = lab::shared();
    system_tests::daemon::shared();
    let examples = format!("{MANIFESTS}/examples/plumb");
    plane.kubectl(&["apply", "--server-side", "--dry-run=server", "--filename", &examples]).expect("valid examples");
}

#[test]
fn the_api_server_refuses_what_the_schemas_forbid() {
    system_tests::daemon::shared();
    let plane = lab::shared();
    let check = |kind: &str, spec: serde_json::Value, text: &str| {
        let object = json!({
            "apiVersion": "plumb.dev/v1alpha1",
            "kind": kind,
            "metadata": { "name": "refused", "namespace": "default" },
            "spec": spec,
        });
        let refused = plane.kubectl_with_input(&["create", "--dry-run=server", "-f", "-"], &object.to_string());
        let message = refused.expect_err("it must be refused").to_string();
        assert!(message.contains(text), "{spec}: {message}");
    };
    check(
        "Repository",
        json!({ "url": "https://ada:secret@git.example.com/x.git" }),
        "credentials belong into a Secret",
    );
    check("Repository", json!({ "url": "git.example.com/x.git" }), "spec.url");
    check("Repository", json!({ "url": "https://git.example.com/x.git", "interval": "5" }), "spec.interval");
    check("Repository", json!({ "url": "https://git.example.com/x.git", "verify": {} }), "unknown field");
    check("Environment", json!({ "repository": "r", "path": "/a" }), "relative to the repository's root");
    check("Environment", json!({ "repository": "r", "path": "a/../b" }), "has no '..'");
    check("Environment", json!({ "repository": "r", "path": "a", "sync": { "pruneLimit": "150%" } }), "pruneLimit");
    check("Environment", json!({ "repository": "r", "path": "a", "drift": { "mode": "Ignore" } }), "Unsupported value");
    check("Environment", json!({ "path": "a" }), "spec.repository");
}
