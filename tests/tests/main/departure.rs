//! Environments that are deleted together with what they need.

use serde_json::json;
use system_tests::{
    daemon,
    site::{Site, config_map},
    wait,
};

#[test]
fn a_namespace_ends_although_its_environment_was_to_prune_elsewhere() {
    daemon::shared();
    let plane = lab::shared();
    let site = Site::new(plane, "ending");
    let elsewhere = format!("{}-elsewhere", site.namespace);
    plane.kubectl(&["create", "namespace", &elsewhere]).expect("a namespace");
    site.apply(&json!({ "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": { "name": "deployer", "namespace": site.namespace } }));
    let subject = format!("--serviceaccount={}:deployer", site.namespace);
    let bind = |namespace: &str| {
        plane
            .kubectl(&["create", "rolebinding", "deployer", "--clusterrole=edit", &subject, "--namespace", namespace])
            .expect("a binding");
    };
    bind(&site.namespace);
    bind(&elsewhere);
    let there =
        config_map("there", "k", "1").replace("  name: there", &format!("  name: there\n  namespace: {elsewhere}"));
    let commit = site.push(&[("app/here.yaml", &config_map("here", "k", "1")), ("app/there.yaml", &there)], "First");
    let target = json!({ "namespace": site.namespace, "serviceAccountName": "deployer" });
    site.environment("app", "app", json!({ "deletion": "Prune", "target": target }));
    site.wait_applied("app", &commit);
    plane.kubectl(&["delete", "namespace", &site.namespace, "--wait=false"]).expect("a deletion");
    wait::until("the namespace to be gone", || match plane.kubectl(&["get", "namespace", &site.namespace]) {
        Err(error) if error.to_string().contains("NotFound") => Ok(()),
        other => Err(format!("{other:?}")),
    });
    // Whichever went first, the Environment or the service account with whose rights it deletes: the object is deleted, or it
    // is nobody's.
    let listed = plane.kubectl(&[
        "get",
        "configmap",
        "there",
        "--namespace",
        &elsewhere,
        "--output",
        "json",
        "--ignore-not-found",
    ]);
    let listed = listed.expect("an answer");
    assert!(!listed.contains("applyset.kubernetes.io/part-of"), "{listed}");
    plane.kubectl(&["delete", "namespace", &elsewhere, "--wait=false"]).expect("a deletion");
}
