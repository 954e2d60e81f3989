//! The thinnest path: a commit in a local repository becomes objects in the cluster, and the next one changes them.

use serde_json::json;
use system_tests::{
    daemon,
    site::{Site, config_map, deployment},
    wait,
};

#[test]
fn a_commit_becomes_objects_and_the_next_one_changes_them() {
    daemon::shared();
    let site = Site::new(lab::shared(), "first");
    let web = deployment("web", "registry.example.com/web:1", 2);
    let first =
        site.push(&[("app/web.yaml", &web), ("app/settings.yaml", &config_map("settings", "colour", "blue"))], "First");
    site.environment("app", "app", json!({}));
    site.wait_applied("app", &first);
    assert_eq!(site.get("configmap", "settings").expect("it")["data"]["colour"], "blue");
    assert_eq!(site.status("app")["inventory"]["objects"], 2);

    let second = site.push(&[("app/settings.yaml", &config_map("settings", "colour", "green"))], "Change the colour");
    site.wait_applied("app", &second);
    assert_eq!(site.get("configmap", "settings").expect("it")["data"]["colour"], "green");
    let history = site.status("app")["history"].clone();
    assert_eq!(history[0]["revision"]["subject"], "Change the colour");
    assert_eq!(history[0]["summary"], "1 changed, 1 unchanged");
}

#[test]
fn an_object_that_leaves_git_is_pruned_last() {
    daemon::shared();
    let site = Site::new(lab::shared(), "prune");
    let first =
        site.push(&[("app/a.yaml", &config_map("a", "k", "1")), ("app/b.yaml", &config_map("b", "k", "1"))], "Two");
    site.environment("app", "app", json!({}));
    site.wait_applied("app", &first);
    site.copy.remove(&["app/b.yaml"]).expect("a removal");
    let second = site.push(&[("app/a.yaml", &config_map("a", "k", "2"))], "One");
    site.wait_applied("app", &second);
    wait::until_equal("b to be gone", &None, || site.get("configmap", "b"));
    assert!(site.get("configmap", "a").is_some());
}
