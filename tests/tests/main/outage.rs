//! What breaks the control plane or the daemon itself: each test has both to itself.

use lab::ControlPlane;
use serde_json::json;
use system_tests::{
    daemon::Daemon,
    site::{Site, config_map, deployment},
    wait,
};

/// Returns a control plane that a test may break; it ends with the process.
fn own_plane() -> &'static ControlPlane {
    lab::own()
}

/// Returns a number of ConfigMaps as one file.
fn many(count: usize, value: &str) -> String {
    (0..count).map(|n| config_map(&format!("c{n:03}"), "k", value)).collect::<Vec<_>>().join("---\n")
}

/// Returns the names and resourceVersions of the ConfigMaps of a site that plumb owns.
fn versions(site: &Site) -> String {
    let columns = "jsonpath={range .items[*]}{.metadata.name}={.metadata.resourceVersion} {end}";
    let owned = "applyset.kubernetes.io/part-of";
    site.kubectl(&["get", "configmaps", "--selector", owned, "--output", columns]).expect("a list")
}

#[test]
fn drift_during_an_outage_of_the_api_server_is_found_after_it() {
    let plane = own_plane();
    let _daemon = Daemon::start(plane);
    let site = Site::new(plane, "outage");
    let first = site.push(&[("app/a.yaml", &many(3, "1"))], "Three");
    site.environment("app", "app", json!({}));
    site.wait_applied("app", &first);

    plane.stop_api_server().expect("a stop");
    let second = site.push(&[("app/a.yaml", &many(3, "2"))], "Changed while nobody answers");
    plane.start_api_server().expect("a start");
    site.kubectl(&["delete", "configmap", "c001"]).expect("a deletion, perhaps before plumb is back");
    site.wait_applied("app", &second);
    wait::until_equal("the deleted object to be back", &true, || site.get("configmap", "c001").is_some());
    site.kubectl(&["patch", "configmap", "c002", "--type=merge", "--patch", r#"{"data":{"k":"by hand"}}"#])
        .expect("a patch");
    wait::until_equal("the drift to be put back", &json!("2"), || {
        site.get("configmap", "c002").expect("it")["data"]["k"].clone()
    });
}

#[test]
fn a_daemon_killed_in_the_middle_of_a_sync_goes_on_and_a_restart_writes_nothing() {
    let plane = own_plane();
    let mut daemon = Daemon::start(plane);
    let site = Site::new(plane, "killed");
    let first = site.push(&[("app/a.yaml", &many(200, "1"))], "Two hundred");
    site.environment("app", "app", json!({}));
    // As soon as the first of them is there, most of them are not.
    wait::until_equal("the sync to have begun", &true, || !versions(&site).is_empty());
    daemon.kill();
    daemon.start_again();
    site.wait_applied("app", &first);
    assert_eq!(site.status("app")["inventory"]["objects"], 200);

    let before = versions(&site);
    let status = site.status("app");
    daemon.kill();
    daemon.start_again();
    let second = site.push(&[("other/b.yaml", &config_map("b", "k", "1"))], "Beside the environment");
    site.wait_applied("app", &second);
    assert_eq!(versions(&site), before, "a restart and a commit beside the path write nothing");
    assert_eq!(site.status("app")["inventory"], status["inventory"]);
}

#[test]
fn what_was_pruned_or_changed_while_the_daemon_was_down_is_settled_when_it_is_back() {
    let plane = own_plane();
    let mut daemon = Daemon::start(plane);
    let site = Site::new(plane, "down");
    let first = site.push(&[("app/a.yaml", &many(2, "1")), ("app/old.yaml", &config_map("old", "k", "1"))], "Three");
    site.environment("app", "app", json!({}));
    site.wait_applied("app", &first);
    daemon.kill();
    site.kubectl(&["patch", "configmap", "c000", "--type=merge", "--patch", r#"{"data":{"k":"by hand"}}"#])
        .expect("a patch");
    site.kubectl(&["delete", "configmap", "c001"]).expect("a deletion");
    site.copy.remove(&["app/old.yaml"]).expect("a removal");
    let second = site.push(&[("readme.md", "Nothing else.")], "Without the old one");
    daemon.start_again();
    site.wait_applied("app", &second);
    assert_eq!(site.get("configmap", "c000").expect("it")["data"]["k"], "1");
    assert!(site.get("configmap", "c001").is_some());
    wait::until_equal("the old one to be gone", &None, || site.get("configmap", "old"));
}

#[test]
fn environments_go_on_from_the_mirror_while_the_repository_is_gone() {
    let plane = own_plane();
    let mut daemon = Daemon::start(plane);
    let site = Site::new(plane, "mirror");
    let first = site.push(&[("app/a.yaml", &many(1, "1"))], "One");
    site.environment("app", "app", json!({}));
    site.wait_applied("app", &first);
    let aside = site.repository.path().with_extension("aside");
    std::fs::rename(site.repository.path(), &aside).expect("a repository set aside");
    daemon.kill();
    daemon.start_again();
    site.kubectl(&["delete", "configmap", "c000"]).expect("a deletion");
    wait::until_equal("the object to be back", &true, || site.get("configmap", "c000").is_some());
    wait::until("the repository to say what is wrong", || {
        let repository = site.get("repositories.plumb.dev", "repo").unwrap_or_default();
        let condition = repository["status"]["conditions"][0].clone();
        if condition["status"] == "False" { Ok(()) } else { Err(condition.to_string()) }
    });
    std::fs::rename(&aside, site.repository.path()).expect("the repository put back");
    let second = site.push(&[("app/a.yaml", &many(1, "2"))], "Again");
    site.wait_applied("app", &second);
}

#[test]
fn everything_is_listed_anew_as_often_as_resync_says_and_nothing_is_made_of_it() {
    let plane = own_plane();
    let daemon = Daemon::start_with(plane, &["--resync", "1s"]);
    let site = Site::new(plane, "resync");
    let commit = site.push(&[("app/a.yaml", &many(3, "1"))], "One");
    site.environment("app", "app", json!({}));
    site.wait_applied("app", &commit);
    let lists = || {
        let page = daemon.metrics();
        let line = page.lines().find_map(|line| line.strip_prefix("plumb_watch_lists_total ")).expect("the metric");
        line.parse::<u64>().expect("a number")
    };
    let begun = lists();
    wait::until("more lists", || if lists() >= begun + 5 { Ok(()) } else { Err(daemon.metrics()) });
    assert!(!daemon.log().contains("Drift"), "{}", daemon.log());
}

#[test]
fn the_bootstrap_directory_is_applied_and_followed_and_never_pruned() {
    let plane = own_plane();
    let daemon = Daemon::start(plane);
    let site = Site::new(plane, "bootstrap");
    site.push(&[("app/a.yaml", &many(1, "1"))], "One");
    let environment = |path: &str| {
        format!(
            "apiVersion: plumb.dev/v1alpha1\nkind: Environment\nmetadata: {{name: booted, namespace: {}}}\n\
             spec: {{repository: repo, path: {path}, target: {{namespace: {}}}}}\n",
            site.namespace, site.namespace
        )
    };
    daemon.bootstrap("env.yaml", Some(&environment("app")));
    wait::until_equal("the environment to be applied", &true, || site.get("configmap", "c000").is_some());
    daemon.bootstrap("env.yaml", Some(&environment("nowhere")));
    let message = site.wait_reason("booted", "SourceNotReady");
    assert!(message.contains("nowhere"), "{message}");
    daemon.bootstrap("env.yaml", None);
    daemon.bootstrap("bad.yaml", Some("a: [\n"));
    wait::until("the bad file to be named in the log", || {
        let log = daemon.log();
        if log.contains("bad.yaml:1:4") { Ok(()) } else { Err(log) }
    });
    assert!(site.get("environments.plumb.dev", "booted").is_some(), "what leaves the directory stays in the cluster");
}

#[test]
fn labels_that_controllers_copy_make_no_members_after_a_restart() {
    let plane = own_plane();
    let mut daemon = Daemon::start(plane);
    let site = Site::new(plane, "copied");
    let service =
        "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {app: web}, ports: [{port: 80}]}\n";
    let first =
        site.push(&[("app/web.yaml", &deployment("web", "web:1", 1)), ("app/service.yaml", service)], "A Service");
    site.environment("app", "app", json!({}));
    site.wait_applied("app", &first);
    let label = format!("applyset.kubernetes.io/part-of={}", site.part_of("app"));
    wait::until("the label to be copied onto an EndpointSlice", || {
        let slices = site.kubectl(&["get", "endpointslices", "--selector", &label, "--output", "name"])?;
        if slices.trim().is_empty() { Err("no EndpointSlice yet".to_owned()) } else { Ok(()) }
    });
    daemon.kill();
    daemon.start_again();
    let second = site.push(&[("app/web.yaml", &deployment("web", "web:2", 1))], "Another image");
    site.wait_applied("app", &second);
    assert_eq!(site.status("app")["problems"], json!(null));
    assert_eq!(site.status("app")["inventory"]["objects"], 2);
    assert!(!daemon.log().contains("Refused"), "{}", daemon.log());
}
