//! Objects that move to Environments of another repository, or of another name.

use lab::git::{BareRepository, WorkingCopy};
use plumb_core::object::PART_OF;
use serde_json::json;
use system_tests::{
    daemon::{self, Daemon},
    site::{Site, config_map},
    wait,
};

#[test]
fn an_object_that_moves_to_another_repository_stays_the_same_object() {
    daemon::shared();
    let site = Site::new(lab::shared(), "moving");
    let second = BareRepository::create().expect("a repository");
    let copy = WorkingCopy::clone(&second.url()).expect("a working copy");
    site.apply(&json!({
        "apiVersion": "plumb.dev/v1alpha1",
        "kind": "Repository",
        "metadata": { "name": "second", "namespace": site.namespace },
        "spec": { "url": second.url(), "interval": "1h" },
    }));
    let moving = config_map("moving", "k", "1");
    let own = config_map("own", "k", "1");
    let first = site.push(&[("one/moving.yaml", &moving), ("one/own.yaml", &own)], "Here");
    let there = copy.commit_and_push(&[("two/other.yaml", &config_map("other", "k", "1"))], "There").expect("a push");
    site.environment("one", "one", json!({}));
    site.environment("two", "two", json!({ "repository": "second" }));
    site.wait_applied("one", &first);
    site.wait_applied("two", &there);
    let uid = || site.get("configmap", "moving").map(|object| object["metadata"]["uid"].clone());
    let before = uid();
    assert!(before.is_some());
    let there = copy.commit_and_push(&[("two/moving.yaml", &moving)], "It comes").expect("a push");
    site.copy.remove(&["one/moving.yaml"]).expect("a removal");
    let first = site.push(&[("one/more.yaml", &config_map("more", "k", "1"))], "It goes");
    site.wait_applied("one", &first);
    site.wait_applied("two", &there);
    assert_eq!(uid(), before, "it was handed over");
    let owner = site.get("configmap", "moving").expect("it")["metadata"]["labels"][PART_OF].clone();
    assert_eq!(owner, json!(site.part_of("two")));
    // What nobody wants goes, once the other repository was looked at.
    site.copy.remove(&["one/more.yaml"]).expect("a removal");
    let last = site.push(&[("one/own.yaml", &config_map("own", "k", "2"))], "One less");
    wait::until_equal("the prune", &None, || site.get("configmap", "more"));
    site.wait_applied("one", &last);
}

#[test]
fn an_environment_that_was_renamed_while_plumb_was_down_takes_over_all_that_the_old_one_left() {
    let plane = lab::own();
    let mut daemon = Daemon::start(plane);
    let site = Site::new(plane, "renamed");
    let kept = config_map("kept", "k", "1")
        .replace("  name: kept", "  name: kept\n  annotations: {plumb.dev/prune: disabled}");
    site.push(&[("app/a.yaml", &config_map("a", "k", "1")), ("app/kept.yaml", &kept)], "First");
    site.copy.remove(&["app/kept.yaml"]).expect("a removal");
    site.environment("old", "app", json!({}));
    wait::until_equal("what is kept to be there", &true, || site.get("configmap", "kept").is_some());
    let commit = site.push(&[("app/b.yaml", &config_map("b", "k", "1"))], "One leaves Git and stays in the cluster");
    site.wait_applied("old", &commit);
    let uid = |name: &str| site.get("configmap", name).map(|object| object["metadata"]["uid"].clone());
    let before = ["a", "b", "kept"].map(uid);
    daemon.kill();
    site.kubectl(&["delete", "environments.plumb.dev", "old"]).expect("a deletion");
    site.apply(&json!({
        "apiVersion": "plumb.dev/v1alpha1",
        "kind": "Environment",
        "metadata": {
            "name": "new",
            "namespace": site.namespace,
            "annotations": { "plumb.dev/adopt-from": format!("{}/old", site.namespace) },
        },
        "spec": { "repository": "repo", "path": "app", "target": { "namespace": site.namespace } },
    }));
    daemon.start_again();
    site.wait_applied("new", &commit);
    let owner = |name: &str| site.get("configmap", name).map(|object| object["metadata"]["labels"][PART_OF].clone());
    wait::until_equal("all of it to be the new one's", &[(); 3].map(|()| Some(json!(site.part_of("new")))), || {
        ["a", "b", "kept"].map(owner)
    });
    assert_eq!(["a", "b", "kept"].map(uid), before);
    // What Git no longer has is its own now, by its own rules.
    site.kubectl(&["annotate", "configmap", "kept", "plumb.dev/prune-"]).expect("a change");
    wait::until_equal("the prune", &None, || site.get("configmap", "kept"));
}
