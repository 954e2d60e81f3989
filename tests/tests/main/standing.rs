//! What an environment says of itself is true, and stays quiet when nothing happens.

use serde_json::json;
use system_tests::{
    daemon::{self, Daemon},
    site::{Site, config_map, deployment},
    wait,
};

#[test]
fn a_failure_goes_with_the_commit_that_caused_it() {
    daemon::shared();
    let site = Site::new(lab::shared(), "revert");
    let good = site.push(&[("app/a.yaml", &config_map("a", "k", "1"))], "Good");
    site.environment("app", "app", json!({}));
    site.wait_applied("app", &good);
    let bad = config_map("b", "k", "1").replace("\ndata:", "\ndatta:");
    let commit = site.push(&[("app/b.yaml", &bad)], "Bad");
    let message = site.wait_reason("app", "ApplyFailed");
    assert!(message.contains("app/b.yaml:5:1") && message.contains("datta"), "{message}");
    let reverted = site.copy.revert(&commit).expect("a revert");
    site.copy.push().expect("a push");
    site.wait_applied("app", &reverted);
    assert_eq!(site.status("app")["problems"], json!(null));
}

#[test]
fn an_environment_that_holds_its_own_manifest_becomes_ready() {
    daemon::shared();
    let site = Site::new(lab::shared(), "self");
    let itself = format!(
        "apiVersion: plumb.dev/v1alpha1\nkind: Environment\nmetadata: {{name: app, namespace: {}}}\n\
         spec: {{repository: repo, path: app, target: {{namespace: {}}}}}\n",
        site.namespace, site.namespace
    );
    let files = [("app/self.yaml", itself), ("app/web.yaml", deployment("web", "lab/slow:1", 1))];
    let borrowed: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let commit = site.push(&borrowed, "Itself");
    site.environment("app", "app", json!({}));
    site.wait_applied("app", &commit);
}

#[test]
fn a_definition_that_somebody_deletes_is_missed_once_and_not_for_ever() {
    let plane = lab::own();
    let daemon = Daemon::start(plane);
    let site = Site::new(plane, "undefined");
    let schema = json!({ "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } });
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": "widgets.example.com" },
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": { "kind": "Widget", "plural": "widgets", "singular": "widget" },
            "versions": [{ "name": "v1", "served": true, "storage": true, "schema": schema }],
        },
    });
    site.apply(&definition);
    site.kubectl(&["wait", "crd/widgets.example.com", "--for=condition=Established", "--timeout=60s"]).expect("a kind");
    let widget = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w}\n";
    let commit = site.push(&[("app/w.yaml", widget), ("app/a.yaml", &config_map("a", "k", "1"))], "A widget");
    site.environment("app", "app", json!({}));
    site.wait_applied("app", &commit);
    site.kubectl(&["delete", "crd", "widgets.example.com"]).expect("a deletion");
    let message = site.wait_reason("app", "InvalidFiles");
    assert!(message.contains("app/w.yaml:1:1") && message.contains("example.com/v1 Widget"), "{message}");
    // Something that must happen later: by then a loop would have filled the log.
    site.apply(&definition);
    site.wait_applied("app", &commit);
    wait::until_equal("the widget to be back", &true, || site.get("widgets.example.com", "w").is_some());
    let lines = daemon.log().lines().filter(|line| line.contains("Widget")).count();
    assert!(lines < 40, "{lines} lines about one kind:\n{}", daemon.log());
}
