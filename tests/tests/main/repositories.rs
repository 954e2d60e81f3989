//! Repositories over real smart HTTP: credentials, errors in words, and one that hangs beside one that works.

use lab::git::Behaviour;
use serde_json::json;
use system_tests::{
    daemon::{self, Daemon},
    site::{Site, config_map},
    wait,
};

use crate::served::Served;

#[test]
fn a_repository_over_http_needs_the_right_credentials_and_says_so() {
    let served = Served::new("http-auth", Some(("ada", "correct horse")));
    let first = served.copy.commit_and_push(&[("app/a.yaml", &config_map("a", "k", "1"))], "One").expect("a push");
    served.repository(json!({ "secretRef": { "name": "git" } }));
    served.site.environment("app", "app", json!({}));
    let message = served.wait("False", "does not exist");
    assert!(message.contains("username and password"), "{message}");
    served.secret("wrong battery");
    let message = served.wait("False", "credentials");
    assert!(!message.contains("wrong battery"), "{message}");
    served.secret("correct horse");
    served.wait("True", &first[..7]);
    served.site.wait_applied("app", &first);
    let log = daemon::shared().log();
    assert!(!log.contains("correct horse") && !log.contains("wrong battery"), "a password is in the log");
}

#[test]
fn a_branch_that_is_not_there_is_named_with_those_that_are() {
    let served = Served::new("http-branch", None);
    served.copy.commit_and_push(&[("app/a.yaml", &config_map("a", "k", "1"))], "One").expect("a push");
    served.repository(json!({ "ref": { "branch": "production" } }));
    let message = served.wait("False", "production");
    assert!(message.contains("main"), "the branches that exist are named: {message}");
    served.repository(json!({ "ref": { "branch": "main" } }));
    served.wait("True", "at ");
}

#[test]
fn a_server_that_hangs_or_is_gone_costs_the_others_nothing() {
    let hanging = Served::new("http-hang", None);
    let first = hanging.copy.commit_and_push(&[("app/a.yaml", &config_map("a", "k", "1"))], "One").expect("a push");
    hanging.repository(json!({}));
    hanging.site.environment("app", "app", json!({}));
    hanging.site.wait_applied("app", &first);
    hanging.server.set(Behaviour::Hang).expect("a server that hangs");
    let second = hanging.copy.commit_and_push(&[("app/a.yaml", &config_map("a", "k", "2"))], "Two").expect("a push");
    hanging.wait("False", "");

    let works = Served::new("http-works", None);
    let commit = works.copy.commit_and_push(&[("app/a.yaml", &config_map("a", "k", "1"))], "One").expect("a push");
    works.repository(json!({}));
    works.site.environment("app", "app", json!({}));
    works.site.wait_applied("app", &commit);

    // Drift is still put back while the server hangs: the commit is in the mirror.
    hanging.site.kubectl(&["delete", "configmap", "a"]).expect("a deletion");
    wait::until_equal("the object to be back", &true, || hanging.site.get("configmap", "a").is_some());
    hanging.server.set(Behaviour::Refuse).expect("a server that is gone");
    hanging.wait("False", "");
    hanging.server.set(Behaviour::Serve).expect("a server that works again");
    hanging.site.wait_applied("app", &second);
}

#[test]
fn a_force_push_is_followed_and_a_deleted_branch_leaves_everything_as_it_is() {
    daemon::shared();
    let site = Site::new(lab::shared(), "force");
    site.push(&[("app/a.yaml", &config_map("a", "k", "1"))], "One");
    let good = site.push(&[("app/a.yaml", &config_map("a", "k", "2"))], "Two");
    site.environment("app", "app", json!({}));
    site.wait_applied("app", &good);
    site.copy.reset("HEAD~1").expect("a reset");
    site.copy.commit(&[("app/a.yaml", &config_map("a", "k", "3"))], "Another two").expect("a commit");
    site.copy.force_push().expect("a force push");
    let forced = site.copy.head().expect("a head");
    site.wait_applied("app", &forced);
    assert_eq!(site.get("configmap", "a").expect("it")["data"]["k"], "3");

    site.repository.git(&["update-ref", "-d", "refs/heads/main"]).expect("a branch deleted on the server");
    wait::until("the repository to say that its branch is gone", || {
        let repository = site.get("repositories.plumb.dev", "repo").unwrap_or_default();
        let condition = repository["status"]["conditions"][0].clone();
        if condition["status"] == "False" { Ok(()) } else { Err(condition.to_string()) }
    });
    assert_eq!(site.get("configmap", "a").expect("it")["data"]["k"], "3", "nothing is deleted because a branch is");
}

#[test]
fn a_repository_without_a_commit_waits_for_its_first_one_and_another_default_branch_is_followed() {
    let served = Served::new("unborn", None);
    served.repository(json!({}));
    served.site.environment("app", "app", json!({}));
    served.wait("False", "has no commit yet; push a first one");
    let first = served.copy.commit_and_push(&[("app/a.yaml", &config_map("a", "k", "1"))], "One").expect("a push");
    served.site.wait_applied("app", &first);

    // A HEAD that names a branch which is not there yet, as when the default branch is renamed in two steps.
    served.bare.set_head("trunk").expect("another HEAD");
    let message = served.wait("False", "points at no commit");
    assert!(message.contains("main"), "{message}");
    assert!(served.site.get("configmap", "a").is_some(), "nothing is deleted because a branch has another name");
    served.bare.git(&["branch", "--move", "main", "trunk"]).expect("a renamed branch");
    served.wait("True", &first[..7]);
    served.copy.git(&["checkout", "--quiet", "-b", "trunk"]).expect("a branch");
    served.copy.commit(&[("app/a.yaml", &config_map("a", "k", "2"))], "Two").expect("a commit");
    served.copy.git(&["push", "--quiet", "origin", "trunk"]).expect("a push");
    let second = served.copy.head().expect("a head");
    served.site.wait_applied("app", &second);
    served.repository(json!({ "ref": { "branch": "main" } }));
    let message = served.wait("False", "has no branch main");
    assert!(message.contains("trunk"), "the new name is among those that exist: {message}");
    assert_eq!(served.site.get("configmap", "a").expect("it")["data"]["k"], "2");
}

#[test]
fn a_submodule_is_refused_by_name_and_nothing_is_lost_by_it() {
    let served = Served::new("submodule", None);
    let good = served.copy.commit_and_push(&[("app/a.yaml", &config_map("a", "k", "1"))], "One").expect("a push");
    served.repository(json!({}));
    served.site.environment("app", "app", json!({}));
    served.site.wait_applied("app", &good);
    served.copy.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{good},app/vendor")]).expect("an entry");
    served.copy.git(&["commit", "--quiet", "-m", "A submodule"]).expect("a commit");
    served.copy.push().expect("a push");
    let message = served.site.wait_reason("app", "InvalidFiles");
    assert!(message.contains("app/vendor") && message.contains("submodule"), "{message}");
    assert!(served.site.get("configmap", "a").is_some());
}

#[test]
fn a_server_that_sends_garbage_is_an_error_in_words_and_costs_the_others_nothing() {
    let babbling = Served::new("babble", None);
    let first = babbling.copy.commit_and_push(&[("app/a.yaml", &config_map("a", "k", "1"))], "One").expect("a push");
    babbling.repository(json!({}));
    babbling.site.environment("app", "app", json!({}));
    babbling.site.wait_applied("app", &first);
    babbling.server.set(Behaviour::Babble).expect("a server that babbles");
    babbling.wait("False", "did not answer as a Git server");
    let works = Served::new("beside-babble", None);
    let commit = works.copy.commit_and_push(&[("app/a.yaml", &config_map("a", "k", "1"))], "One").expect("a push");
    works.repository(json!({}));
    works.site.environment("app", "app", json!({}));
    works.site.wait_applied("app", &commit);
    babbling.site.kubectl(&["delete", "configmap", "a"]).expect("a deletion");
    wait::until_equal("the object to be back", &true, || babbling.site.get("configmap", "a").is_some());
    babbling.server.set(Behaviour::Serve).expect("a server that works again");
    let second = babbling.copy.commit_and_push(&[("app/a.yaml", &config_map("a", "k", "2"))], "Two").expect("a push");
    babbling.site.wait_applied("app", &second);
}

#[test]
fn a_tag_a_range_and_a_commit_are_followed_and_only_one_of_them_is_taken() {
    let served = Served::new("refs", None);
    let commit = |value: &str| {
        let file = config_map("a", "k", value);
        served.copy.commit_and_push(&[("app/a.yaml", &file)], value).expect("a push")
    };
    let tag = |name: &str| {
        served.copy.git(&["tag", "--force", "-m", name, name]).expect("a tag");
        served.copy.git(&["push", "--quiet", "--force", "origin", &format!("refs/tags/{name}")]).expect("a push");
    };
    let first = commit("1");
    tag("v1.9.0");
    let second = commit("2");
    tag("v1.10.0");
    let third = commit("3");
    served.repository(json!({ "ref": { "semver": "1.x" } }));
    served.site.environment("app", "app", json!({}));
    served.site.wait_applied("app", &second);
    let repository = served.site.get("repositories.plumb.dev", "repo").expect("it");
    assert_eq!(repository["status"]["revision"]["ref"], "refs/tags/v1.10.0");
    tag("v1.11.0");
    served.site.wait_applied("app", &third);

    served.site.kubectl(&["delete", "repositories.plumb.dev", "repo"]).expect("a deletion");
    served.repository(json!({ "ref": { "commit": first } }));
    served.site.wait_applied("app", &first);
    served.site.kubectl(&["delete", "repositories.plumb.dev", "repo"]).expect("a deletion");
    served.repository(json!({ "ref": { "tag": "v1.10.0" } }));
    served.site.wait_applied("app", &second);
    served.copy.git(&["checkout", "--quiet", "main"]).expect("a checkout");
    tag("v1.10.0");
    served.site.wait_applied("app", &third);

    let both = json!({
        "apiVersion": "plumb.dev/v1alpha1",
        "kind": "Repository",
        "metadata": { "name": "both", "namespace": served.site.namespace },
        "spec": { "url": served.server.url("shop"), "ref": { "tag": "v1.9.0", "branch": "main" } },
    });
    let refused = lab::shared().kubectl_with_input(&["apply", "--server-side", "-f", "-"], &both.to_string());
    let refused = refused.expect_err("two refs").to_string();
    assert!(refused.contains("exactly one of branch, tag, semver and commit"), "{refused}");
}

#[test]
fn a_sync_asked_for_while_nobody_followed_is_carried_out_after_a_look() {
    let plane = lab::own();
    let mut daemon = Daemon::start(plane);
    let served = Served::on(plane, "sync-before", None);
    let first = served.copy.commit_and_push(&[("app/a.yaml", &config_map("a", "k", "1"))], "One").expect("a push");
    served.repository(json!({ "timeout": "5m" }));
    served.site.environment("app", "app", json!({}));
    served.site.wait_applied("app", &first);
    daemon.stop();
    let second = served.copy.commit_and_push(&[("app/a.yaml", &config_map("a", "k", "2"))], "Two").expect("a push");
    let annotation = format!("plumb.dev/sync={}", json!({ "id": "before", "user": "a test" }));
    served.site.kubectl(&["annotate", "environments.plumb.dev", "app", &annotation]).expect("a request");
    served.site.kubectl(&["delete", "configmap", "a"]).expect("a deletion");
    served.server.set(Behaviour::Hang).expect("a server that hangs");
    daemon.start_again();
    let deleted = || served.site.status("app")["drift"][0]["what"].clone();
    wait::until_equal("a pass of what is remembered", &json!("Deleted"), deleted);
    let handled = || served.site.status("app")["handled"]["plumb.dev/sync"].clone();
    assert_eq!(handled(), json!(null), "the newest commit was not looked for yet");
    served.server.set(Behaviour::Serve).expect("a server that answers");
    served.repository(json!({ "timeout": "10s" }));
    wait::until_equal("the sync to be carried out", &json!("before"), handled);
    served.site.wait_applied("app", &second);
}

#[test]
fn a_sync_that_waits_for_a_repository_is_carried_out_when_that_is_deleted_or_suspended() {
    let hanging = Served::new("http-sync", None);
    hanging.server.set(Behaviour::Hang).expect("a server that hangs");
    hanging.repository(json!({ "timeout": "5m" }));
    hanging.site.environment("app", "app", json!({}));
    let request = |id: &str| {
        let annotation = format!("plumb.dev/sync={}", json!({ "id": id, "user": "a test" }));
        let annotate = ["annotate", "--overwrite", "environments.plumb.dev", "app", &annotation];
        hanging.site.kubectl(&annotate).expect("a request");
    };
    let handled = || hanging.site.status("app")["handled"]["plumb.dev/sync"].clone();
    request("suspended");
    hanging.repository(json!({ "timeout": "5m", "suspend": true }));
    wait::until_equal("the sync to be carried out", &json!("suspended"), handled);
    hanging.repository(json!({ "timeout": "5m", "suspend": false }));
    request("deleted");
    hanging.site.kubectl(&["delete", "repositories.plumb.dev", "repo"]).expect("a deletion");
    wait::until_equal("the sync to be carried out", &json!("deleted"), handled);
}
