//! Repositories over real smart HTTP: credentials, errors in words, and one that hangs beside one that works.

use lab::git::{BareRepository, Behaviour, HttpServer, WorkingCopy};
use serde_json::{Value, json};
use system_tests::{
    daemon,
    site::{Site, config_map},
    wait,
};
use tempfile::TempDir;

/// A site whose Repository `repo` is served over HTTP.
struct Served {
    site: Site,
    server: HttpServer,
    copy: WorkingCopy,
    _folder: TempDir,
}

impl Served {
    fn new(name: &str, credentials: Option<(&str, &str)>) -> Self {
        daemon::shared();
        let folder = TempDir::new().expect("a folder");
        let bare = BareRepository::create_in(folder.path(), "shop").expect("a repository");
        let copy = WorkingCopy::clone(&bare.url()).expect("a working copy");
        let server = HttpServer::start(folder.path(), credentials).expect("a server");
        Self { site: Site::new(lab::shared(), name), server, copy, _folder: folder }
    }

    fn repository(&self, more: Value) {
        let mut spec = json!({ "url": self.server.url("shop"), "interval": "2s", "timeout": "3s" });
        for (key, value) in more.as_object().expect("a map") {
            spec[key] = value.clone();
        }
        self.site.apply(&json!({
            "apiVersion": "plumb.dev/v1alpha1",
            "kind": "Repository",
            "metadata": { "name": "repo", "namespace": self.site.namespace },
            "spec": spec,
        }));
    }

    fn secret(&self, password: &str) {
        self.site.apply(&json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": { "name": "git", "namespace": self.site.namespace },
            "stringData": { "username": "ada", "password": password },
        }));
    }

    /// Waits until the Repository's Ready condition is this and its message holds the text; returns the message.
    fn wait(&self, status: &str, text: &str) -> String {
        wait::until(&format!("the repository to be {status}: {text}"), || {
            let repository = self.site.get("repositories.plumb.dev", "repo").unwrap_or_default();
            let condition = repository["status"]["conditions"][0].clone();
            let message = condition["message"].as_str().unwrap_or_default().to_owned();
            let met = condition["status"] == status && message.contains(text);
            let current = repository["status"]["observedGeneration"] == repository["metadata"]["generation"];
            if met && current { Ok(message) } else { Err(condition.to_string()) }
        })
    }
}

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
