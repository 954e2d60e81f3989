//! Objects that move between Environments of different repositories.

use lab::git::{BareRepository, WorkingCopy};
use serde_json::json;
use system_tests::{
    daemon,
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
    let owner = site.get("configmap", "moving").expect("it")["metadata"]["labels"][plumb_core::object::PART_OF].clone();
    assert_eq!(owner, json!(site.part_of("two")));
    // What nobody wants goes, once the other repository was looked at.
    site.copy.remove(&["one/more.yaml"]).expect("a removal");
    let last = site.push(&[("one/own.yaml", &config_map("own", "k", "2"))], "One less");
    wait::until_equal("the prune", &None, || site.get("configmap", "more"));
    site.wait_applied("one", &last);
}
