//! The command line against a real control plane: what a person types, what it prints, how it exits.

use std::process::{Command, Output};

use serde_json::{Value, json};
use system_tests::{
    daemon::{self, Daemon},
    site::{Site, config_map, deployment},
    wait,
};

/// Runs plumb as a person would, in the namespace of a site.
fn plumb(site: &Site, arguments: &[&str]) -> Output {
    Command::new(lab::process::plumb())
        .args(arguments)
        .args(["--namespace", &site.namespace])
        .env("KUBECONFIG", site.kubeconfig())
        .env("NO_COLOR", "1")
        .output()
        .expect("plumb runs")
}

/// Returns the exit code and everything that was printed.
fn said(output: &Output) -> (i32, String) {
    let both = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code().unwrap_or(-1), both)
}

#[test]
fn sync_waits_for_the_newest_commit_and_tells_how_it_went() {
    daemon::shared();
    let site = Site::new(lab::shared(), "cli-sync");
    site.push(&[("app/a.yaml", &config_map("a", "k", "1"))], "One");
    site.environment("app", "app", json!({}));
    let (code, text) = said(&plumb(&site, &["sync", "app", "--wait"]));
    assert_eq!(code, 0, "{text}");
    let second = site.push(&[("app/a.yaml", &config_map("a", "k", "2"))], "Two");
    let (code, text) = said(&plumb(&site, &["sync", "app", "--wait"]));
    assert_eq!(code, 0, "{text}");
    assert_eq!(site.status("app")["lastApplied"]["commit"], second, "a sync that was waited for has seen the push");
    site.push(&[("app/a.yaml", "a: [\n")], "A slip");
    let (code, text) = said(&plumb(&site, &["sync", "app", "--wait"]));
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("app/a.yaml:1:4"), "{text}");
    let (code, text) = said(&plumb(&site, &["sync", "nowhere"]));
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("nowhere") && text.contains("next:"), "{text}");
}

#[test]
fn a_sync_whose_look_fails_is_no_success() {
    daemon::shared();
    let site = Site::new(lab::shared(), "cli-unread");
    let first = site.push(&[("app/a.yaml", &config_map("a", "k", "1"))], "One");
    site.environment("app", "app", json!({}));
    site.wait_applied("app", &first);
    let (here, away) = (site.repository.path().to_owned(), site.repository.path().with_extension("away"));
    std::fs::rename(&here, &away).expect("the repository moves away");
    let (code, text) = said(&plumb(&site, &["sync", "app", "--wait"]));
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("newer commits are not seen") && text.contains("there is no repository"), "{text}");
    let (code, text) = said(&plumb(&site, &["status", "app"]));
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("repo: there is no repository") && text.contains("(FetchFailed)"), "{text}");
    std::fs::rename(&away, &here).expect("the repository comes back");
    let (code, text) = said(&plumb(&site, &["sync", "app", "--wait"]));
    assert_eq!(code, 0, "the look that follows is believed at once: {text}");
}

#[test]
fn who_waits_for_a_sync_is_told_what_it_waits_for() {
    daemon::shared();
    let site = Site::new(lab::shared(), "cli-waits");
    site.push(&[("app/a.yaml", &config_map("a", "k", "1"))], "One");
    site.environment("app", "app", json!({ "dependsOn": [{ "name": "base" }] }));
    site.wait_reason("app", "DependencyNotReady");
    let (code, text) = said(&plumb(&site, &["sync", "app", "--now", "--wait", "--timeout", "1s"]));
    assert_eq!(code, 1, "{text}");
    let last = text.lines().find(|line| line.contains("not ready in time")).expect("an answer");
    assert!(last.contains("base, which does not exist: create it"), "{text}");
}

#[test]
fn who_asks_while_no_plumb_runs_is_told_so() {
    let plane = lab::own();
    let mut daemon = Daemon::start(plane);
    let site = Site::new(plane, "cli-alone");
    let first = site.push(&[("app/a.yaml", &config_map("a", "k", "1"))], "One");
    site.environment("app", "app", json!({}));
    site.wait_applied("app", &first);
    let commands: [&[&str]; 4] = [&["status"], &["status", "app"], &["sync", "app"], &["status", "-o", "json"]];
    let note = "note: no plumb runs for this cluster";
    for command in commands {
        let (code, text) = said(&plumb(&site, command));
        assert!(code == 0 && !text.contains(note), "{command:?}: {text}");
    }
    daemon.stop();
    for command in commands {
        let output = plumb(&site, command);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && text.contains(note), "{command:?}: {output:?}");
        assert!(!String::from_utf8_lossy(&output.stdout).contains(note), "{command:?}: {output:?}");
    }
}

#[test]
fn diff_says_what_would_change_and_exits_accordingly() {
    daemon::shared();
    let site = Site::new(lab::shared(), "cli-diff");
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {password: hunter2}\n";
    let first = site.push(&[("app/a.yaml", &config_map("a", "k", "1")), ("app/s.yaml", secret)], "One");
    site.environment("app", "app", json!({}));
    site.wait_applied("app", &first);
    let (code, text) = said(&plumb(&site, &["diff", "app"]));
    assert_eq!(code, 0, "{text}");

    let directory = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).expect("a file");
    write("a.yaml", &config_map("a", "k", "2"));
    write("b.yaml", &config_map("b", "k", "1"));
    let path = directory.path().to_str().expect("a path in UTF-8");
    let (code, text) = said(&plumb(&site, &["diff", "app", "--path", path]));
    assert_eq!(code, 1, "{text}");
    for part in ["-  k: \"1\"", "+  k: \"2\"", "ConfigMap", "Secret"] {
        assert!(text.contains(part), "{part} is missing:\n{text}");
    }
    write("s.yaml", &secret.replace("hunter2", "correct horse"));
    let (code, text) = said(&plumb(&site, &["diff", "app", "--path", path]));
    assert_eq!(code, 1, "{text}");
    assert!(!text.contains("hunter2") && !text.contains("correct horse"), "a Secret's value is shown:\n{text}");
    write("a.yaml", "a: [\n");
    let (code, text) = said(&plumb(&site, &["diff", "app", "--path", path]));
    assert_eq!(code, 2, "{text}");
    assert_eq!(site.get("configmap", "a").expect("it")["data"]["k"], "1", "a diff changes nothing");
    assert_eq!(site.get("configmap", "b"), None);
}

#[test]
fn check_finds_health_rules_that_are_no_cel_with_file_line_and_column() {
    let folder = tempfile::TempDir::with_prefix("plumb-check-").expect("a folder");
    let environment = "apiVersion: plumb.dev/v1alpha1
kind: Environment
metadata: {name: app, namespace: shop}
spec:
  repository: repo
  path: app
  health:
    - {apiVersion: example.com/v1, kind: Database, current: self.ready}
    - apiVersion: example.com/v1
      kind: Table
      current: self.status.phase == Ready
";
    std::fs::write(folder.path().join("app.yaml"), environment).expect("a file");
    let output = Command::new(lab::process::plumb()).arg("check").arg(folder.path()).output().expect("plumb runs");
    let (code, text) = said(&output);
    assert_eq!(code, 1, "{text}");
    let fault = "spec.health[1].current: of Table: line 1, column 22: there is no Ready";
    assert!(text.contains("app.yaml:11:7") && text.contains(fault), "{text}");
}

#[test]
fn suspend_holds_everything_and_resume_lets_it_go_on() {
    daemon::shared();
    let site = Site::new(lab::shared(), "cli-suspend");
    let first = site.push(&[("app/a.yaml", &config_map("a", "k", "1"))], "One");
    site.environment("app", "app", json!({}));
    site.wait_applied("app", &first);
    let (code, text) = said(&plumb(&site, &["suspend", "app", "--reason", "a freeze"]));
    assert_eq!(code, 0, "{text}");
    site.wait_reason("app", "Suspended");
    site.kubectl(&["delete", "configmap", "a"]).expect("a deletion");
    wait::until("the held drift to be reported", || {
        let drift = site.status("app")["drift"][0].clone();
        if drift["what"] == "Deleted" && drift["action"] == "Reported" { Ok(()) } else { Err(drift.to_string()) }
    });
    let second = site.push(&[("app/a.yaml", &config_map("a", "k", "2"))], "Two");
    wait::until("the second commit to be seen", || {
        let repository = site.get("repositories.plumb.dev", "repo").unwrap_or_default();
        let seen = repository["status"]["revision"]["commit"].clone();
        if seen == second { Ok(()) } else { Err(seen.to_string()) }
    });
    assert_eq!(site.get("configmap", "a"), None, "nothing is written while suspended");
    let (code, text) = said(&plumb(&site, &["resume", "app"]));
    assert_eq!(code, 0, "{text}");
    site.wait_applied("app", &second);
    assert_eq!(site.get("configmap", "a").expect("it")["data"]["k"], "2");
}

#[test]
fn allow_lets_the_prunes_of_one_commit_through() {
    daemon::shared();
    let site = Site::new(lab::shared(), "cli-allow");
    let many: Vec<String> = (0..8).map(|n| config_map(&format!("c{n}"), "k", "1")).collect();
    let first = site.push(&[("app/many.yaml", &many.join("---\n"))], "Eight");
    site.environment("app", "app", json!({}));
    site.wait_applied("app", &first);
    let second = site.push(&[("app/many.yaml", &many[0])], "One");
    let message = site.wait_reason("app", "Blocked");
    assert!(message.contains("7 of 8") && message.contains("plumb allow"), "{message}");
    assert!(site.get("configmap", "c7").is_some());
    let (code, text) = said(&plumb(&site, &["diff", "app"]));
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("ConfigMap") && text.contains("once it is allowed"), "{text}");
    let (code, text) = said(&plumb(&site, &["allow", "app", "--prune", &second[..7], "--reason", "meant"]));
    assert_eq!(code, 0, "{text}");
    site.wait_applied("app", &second);
    wait::until_equal("the seven to be gone", &None, || site.get("configmap", "c7"));
    assert!(site.get("configmap", "c0").is_some());
}

#[test]
fn status_tree_and_drift_tell_what_is_wrong_and_why() {
    daemon::shared();
    let site = Site::new(lab::shared(), "cli-tree");
    let first = site.push(&[("app/web.yaml", &deployment("web", "lab/broken:1", 2))], "Broken");
    site.environment("app", "app", json!({}));
    wait::until("the Pods' reason", || {
        let problems = site.status("app")["problems"].to_string();
        if problems.contains("ImagePullBackOff lab/broken:1") { Ok(()) } else { Err(problems) }
    });
    let (code, text) = said(&plumb(&site, &["status"]));
    assert_eq!(code, 0, "{text}");
    assert!(text.contains(&first[..7]) && text.contains("0 of 2 ready"), "{text}");
    let (_, text) = said(&plumb(&site, &["tree", "app"]));
    assert!(text.contains("web") && text.contains("ImagePullBackOff"), "{text}");
    site.kubectl(&["scale", "deployment", "web", "--replicas=5"]).expect("a change by hand");
    wait::until("the drift to be recorded", || {
        let drift = site.status("app")["drift"][0].clone();
        if drift["action"] == "Corrected" { Ok(()) } else { Err(drift.to_string()) }
    });
    let (_, text) = said(&plumb(&site, &["drift", "app"]));
    assert!(text.contains(".spec.replicas") && text.contains("kubectl"), "{text}");
    let (_, text) = said(&plumb(&site, &["drift", "app", "--output", "json"]));
    let document: Value = serde_json::from_str(&text).expect("JSON");
    assert!(document.to_string().contains(".spec.replicas"), "{document:#}");
}
