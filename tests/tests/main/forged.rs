//! Objects that look like an Environment's and are not: copied with label and managed fields, or written under the name of its
//! field manager. They are neither deleted nor counted where the Environment has never put anything, and can't be used to
//! get real ones deleted.

use lab::ControlPlane;
use serde_json::{Value, json};
use system_tests::{
    daemon,
    site::{Site, config_map},
    wait,
};

/// Makes a ConfigMap under the name of an Environment's field manager, with its label.
fn forge(plane: &ControlPlane, namespace: &str, name: &str, label: &str, annotations: &Value) {
    let manager = format!("plumb-{}", &label["applyset-".len()..][..12]);
    let object = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name, "namespace": namespace, "annotations": annotations,
            "labels": { "applyset.kubernetes.io/part-of": label },
        },
        "data": { "forged": "yes" },
    });
    let manager = format!("--field-manager={manager}");
    plane
        .kubectl_with_input(&["apply", "--server-side", &manager, "-f", "-"], &object.to_string())
        .expect("an object under any manager's name");
}

/// Returns a file of ConfigMaps with these numbers.
fn many(numbers: std::ops::Range<usize>) -> String {
    let files: Vec<String> = numbers.map(|number| config_map(&format!("real-{number:02}"), "k", "1")).collect();
    files.join("---\n")
}

#[test]
fn what_lies_in_a_namespace_where_the_environment_never_was_is_neither_pruned_nor_counted() {
    daemon::shared();
    let (site, elsewhere) = (Site::new(lab::shared(), "forged"), Site::new(lab::shared(), "forger"));
    let first = site.push(&[("app/many.yaml", &many(0..10))], "Ten");
    site.environment("app", "app", json!({}));
    site.wait_applied("app", &first);
    let label = site.part_of("app");
    (0..3).for_each(|n| forge(lab::shared(), &elsewhere.namespace, &format!("fake-{n}"), &label, &json!({})));
    // As a backup does that is restored into another namespace: the managed fields come along.
    let mut copy = site.get("configmap", "real-00").expect("it was made");
    copy["metadata"] = json!({
        "name": "copied", "namespace": elsewhere.namespace,
        "labels": copy["metadata"]["labels"], "managedFields": copy["metadata"]["managedFields"],
    });
    lab::shared().kubectl_with_input(&["create", "-f", "-"], &copy.to_string()).expect("a copy");
    let second = site.push(&[("app/many.yaml", &many(0..9))], "Nine");
    site.wait_applied("app", &second);
    wait::until_equal("the real one to be pruned", &None, || site.get("configmap", "real-09"));
    site.sync("app");
    let inventory = site.status("app")["inventory"].clone();
    assert_eq!((&inventory["objects"], &inventory["namespaces"]), (&json!(9), &json!([site.namespace])), "{inventory}");
    for name in ["fake-0", "fake-1", "fake-2", "copied"] {
        assert!(elsewhere.get("configmap", name).is_some(), "{name} was pruned");
    }
}

#[test]
fn objects_that_are_added_to_be_counted_let_no_more_prunes_through() {
    daemon::shared();
    let site = Site::new(lab::shared(), "padded");
    let first = site.push(&[("app/many.yaml", &many(0..16))], "Sixteen");
    site.environment("app", "app", json!({ "sync": { "pruneLimit": "40%" } }));
    site.wait_applied("app", &first);
    let label = site.part_of("app");
    let kept = json!({ "plumb.dev/prune": "disabled" });
    (0..20).for_each(|n| forge(lab::shared(), &site.namespace, &format!("padding-{n}"), &label, &kept));
    // Eight of sixteen are more than the limit, of thirty-six they would not be.
    site.push(&[("app/many.yaml", &many(0..8))], "Eight");
    let message = site.wait_reason("app", "Blocked");
    assert!(message.contains("8 of 16 objects"), "{message}");
    (0..16).for_each(|n| assert!(site.get("configmap", &format!("real-{n:02}")).is_some(), "real-{n:02} is gone"));
}
