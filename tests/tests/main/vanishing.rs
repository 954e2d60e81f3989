//! What vanishes below an environment's feet: a definition with its instances, a namespace that can't end, an API group.

use std::sync::OnceLock;

use lab::ControlPlane;
use serde_json::{Value, json};
use system_tests::{
    daemon::{self, Daemon},
    site::{Site, config_map},
    wait,
};

/// Returns the definition of `Gadget` in a group of the site's own.
fn definition(site: &Site) -> Value {
    let group = group(site);
    let schema = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("gadgets.{group}") },
        "spec": {
            "group": group,
            "names": { "kind": "Gadget", "plural": "gadgets" },
            "scope": "Namespaced",
            "versions": [{ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": schema } }],
        },
    })
}

fn group(site: &Site) -> String {
    format!("{}.example.com", site.namespace)
}

fn gadget(site: &Site, name: &str, size: u32) -> String {
    let api_version = format!("{}/v1", group(site));
    json!({ "apiVersion": api_version, "kind": "Gadget", "metadata": { "name": name }, "spec": { "size": size } })
        .to_string()
}

fn size(site: &Site, name: &str) -> Value {
    site.get(&format!("gadgets.{}", group(site)), name).map(|gadget| gadget["spec"]["size"].clone()).unwrap_or_default()
}

fn wait_for_data(site: &Site, name: &str, expected: &Value) {
    wait::until_equal(&format!("{name} to be there"), expected, || {
        site.get("configmap", name).map(|object| object["data"]["k"].clone()).unwrap_or_default()
    });
}

#[test]
fn a_definition_that_is_removed_comes_back_with_its_instances() {
    daemon::shared();
    let plane = lab::shared();
    let site = Site::new(plane, "definition");
    let files = [("app/definition.yaml", definition(&site).to_string()), ("app/one.yaml", gadget(&site, "one", 1))];
    let commit =
        site.push(&files.each_ref().map(|(path, text)| (*path, text.as_str())), "A definition and an instance");
    site.environment("app", "app", json!({}));
    site.wait_applied("app", &commit);
    let before = plane.kubectl(&["get", "crd", &format!("gadgets.{}", group(&site)), "-o", "jsonpath={.metadata.uid}"]);
    plane.kubectl(&["delete", "crd", &format!("gadgets.{}", group(&site))]).expect("a deletion");
    wait::until("the definition and its instance to be back", || {
        let now =
            plane.kubectl(&["get", "crd", &format!("gadgets.{}", group(&site)), "-o", "jsonpath={.metadata.uid}"]);
        let back = now.is_ok() && now.as_ref().ok() != before.as_ref().ok();
        if back && site.kubectl(&["get", "gadgets", "one"]).is_ok() { Ok(()) } else { Err(format!("{now:?}")) }
    });
    site.sync("app");
    site.wait_applied("app", &commit);
    plane.kubectl(&["delete", "environments.plumb.dev", "app", "-n", &site.namespace]).expect("a deletion");
    plane.kubectl(&["delete", "crd", &format!("gadgets.{}", group(&site))]).expect("a deletion");
}

#[test]
fn a_definition_of_others_that_is_removed_prunes_nothing_and_holds_up_nothing_else() {
    daemon::shared();
    let plane = lab::shared();
    let site = Site::new(plane, "definition-of-others");
    let name = format!("gadgets.{}", group(&site));
    let define = || {
        site.apply(&definition(&site));
        plane.kubectl(&["wait", "--for=condition=Established", "crd", &name]).expect("a definition");
    };
    define();
    let one = gadget(&site, "one", 1);
    let commit = site.push(&[("app/one.yaml", &one), ("app/old.yaml", &config_map("old", "k", "1"))], "First");
    site.environment("app", "app", json!({}));
    site.wait_applied("app", &commit);
    plane.kubectl(&["delete", "crd", &name]).expect("a deletion");
    let message = site.wait_reason("app", "InvalidFiles");
    assert!(message.contains("the cluster does not serve"), "{message}");
    site.copy.remove(&["app/old.yaml"]).expect("a removal");
    let commit = site.push(&[("app/more.yaml", &config_map("more", "k", "2"))], "One for another");
    wait_for_data(&site, "more", &json!("2"));
    let message = site.sync_until_said("app", "could not be settled");
    assert!(message.contains("old"), "{message}");
    assert!(site.get("configmap", "old").is_some(), "nothing is pruned because a kind can't be settled");
    define();
    site.wait_applied("app", &commit);
    wait::until_equal("the instance to be back", &json!(1), || size(&site, "one"));
    wait::until_equal("the prune", &None, || site.get("configmap", "old"));
    plane.kubectl(&["delete", "environments.plumb.dev", "app", "-n", &site.namespace]).expect("a deletion");
    plane.kubectl(&["delete", "crd", &name]).expect("a deletion");
}

#[test]
fn a_namespace_that_can_not_end_holds_up_nothing_else_and_comes_back() {
    daemon::shared();
    let plane = lab::shared();
    let site = Site::new(plane, "stuck");
    let stuck = format!("{}-stuck", site.namespace);
    let inside =
        config_map("inside", "k", "1").replace("  name: inside", &format!("  name: inside\n  namespace: {stuck}"));
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": stuck } }).to_string();
    let commit = site.push(&[("app/namespace.yaml", &namespace), ("app/inside.yaml", &inside)], "A namespace");
    site.environment("app", "app", json!({}));
    site.wait_applied("app", &commit);
    site.apply(&json!({ "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": "holding", "namespace": stuck, "finalizers": ["example.com/hold"] } }));
    plane.kubectl(&["delete", "namespace", &stuck, "--wait=false"]).expect("a deletion");
    let inside = || plane.kubectl(&["get", "configmap", "inside", "-n", &stuck, "-o", "jsonpath={.data.k}"]);
    wait::until_equal("what is inside to be gone", &true, || inside().is_err());
    let commit = site.push(&[("app/more.yaml", &config_map("more", "k", "2"))], "Elsewhere");
    wait_for_data(&site, "more", &json!("2"));
    site.kubectl(&["delete", "configmap", "more"]).expect("a deletion");
    wait_for_data(&site, "more", &json!("2"));
    let phase = plane.kubectl(&["get", "namespace", &stuck, "-o", "jsonpath={.status.phase}"]).expect("a namespace");
    assert_eq!(phase, "Terminating");
    let release = r#"{"metadata":{"finalizers":null}}"#;
    plane.kubectl(&["patch", "configmap", "holding", "-n", &stuck, "--type=merge", "-p", release]).expect("a patch");
    site.wait_applied("app", &commit);
    assert_eq!(inside().expect("it is back"), "1");
}

#[test]
fn nothing_of_an_api_group_that_is_down_is_created_or_pruned_and_all_else_goes_on() {
    // Every namespace may hold something of the group: prunes of namespaces wait everywhere.
    static PLANE: OnceLock<ControlPlane> = OnceLock::new();
    let plane = PLANE.get_or_init(|| ControlPlane::start().expect("a control plane"));
    let mut daemon = Daemon::start(plane);
    let site = Site::new(plane, "down");
    site.apply(&definition(&site));
    plane.kubectl(&["wait", "--for=condition=Established", "crd", &format!("gadgets.{}", group(&site))]).expect("it");
    let (one, two) = (gadget(&site, "one", 1), gadget(&site, "two", 1));
    let files =
        [("app/one.yaml", one.as_str()), ("app/two.yaml", &two), ("app/old.yaml", &config_map("old", "k", "1"))];
    let commit = site.push(&files, "First");
    site.environment("app", "app", json!({}));
    site.push(&[("other/settings.yaml", &config_map("settings", "k", "1"))], "Another");
    site.environment("other", "other", json!({}));
    site.environment("leaving", "leaving", json!({ "deletion": "Prune" }));
    let commit = site.push(
        &[("leaving/gadget.yaml", &gadget(&site, "leaving", 1)), ("leaving/c.yaml", &config_map("leaving", "k", "1"))],
        &format!("And one that leaves after {commit}"),
    );
    ["app", "other", "leaving"].iter().for_each(|name| site.wait_applied(name, &commit));

    // The group now points at a Service that does not exist.
    let service = format!("v1.{}", group(&site));
    let automanaged = "kube-aggregator.kubernetes.io/automanaged";
    let backend = json!({ "namespace": site.namespace, "name": "absent", "port": 443 });
    let patch = json!({ "metadata": { "labels": { automanaged: null } },
        "spec": { "service": backend, "insecureSkipTLSVerify": true } });
    plane.kubectl(&["patch", "apiservice", &service, "--type=merge", "-p", &patch.to_string()]).expect("a patch");
    wait::until_equal("the group to be down", &true, || site.kubectl(&["get", "gadgets"]).is_err());
    // Also for a plumb that has never seen it up.
    daemon.kill();
    daemon.start_again();
    site.copy.remove(&["app/two.yaml"]).expect("a removal");
    site.copy.remove(&["app/old.yaml"]).expect("a removal");
    let commit = site.push(
        &[
            ("app/one.yaml", &gadget(&site, "one", 2)),
            ("app/three.yaml", &gadget(&site, "three", 1)),
            ("app/more.yaml", &config_map("more", "k", "2")),
            ("other/settings.yaml", &config_map("settings", "k", "2")),
        ],
        "All at once",
    );
    site.wait_applied("other", &commit);
    wait_for_data(&site, "settings", &json!("2"));
    wait_for_data(&site, "more", &json!("2"));
    site.kubectl(&["delete", "configmap", "settings"]).expect("a deletion");
    wait_for_data(&site, "settings", &json!("2"));
    site.kubectl(&["delete", "environments.plumb.dev", "leaving", "--wait=false"]).expect("a deletion");
    wait::until_equal("what can be deleted to be gone", &None, || site.get("configmap", "leaving"));
    let waits = site.wait_reason("leaving", "Deleting");
    assert!(waits.contains("Gadget"), "{waits}");
    let message = site.condition("app", "Ready").2;
    assert!(message.contains("Gadget"), "{message}");

    // It is back, since the API server makes its own entry anew: nothing of it was touched, and now it is as Git says.
    plane.kubectl(&["delete", "apiservice", &service]).expect("a deletion");
    site.wait_applied("app", &commit);
    let sizes = || (size(&site, "one"), size(&site, "two"), size(&site, "three"), size(&site, "leaving"));
    wait::until_equal("all gadgets to be as in Git", &(json!(2), Value::Null, json!(1), Value::Null), sizes);
    wait::until_equal("the Environment to be gone", &None, || site.get("environments.plumb.dev", "leaving"));
}
