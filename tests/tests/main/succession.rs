//! Commits that keep coming while the health of one is waited for: they do not put off its verdict, and what has nothing to do with
//! it stays.

use serde_json::{Value, json};
use system_tests::{
    daemon,
    site::{Site, config_map, deployment},
    wait,
};

/// Long enough for some more commits to come, one after the other.
const AFTER: &str = "6s";

/// Pushes commits, each as soon as the one before is in force, until one of them is rolled back; returns what the history says of that,
/// and the last of them.
fn go_on_until_blamed(site: &Site, bad: &str) -> (Value, String) {
    let (mut newest, mut number) = (bad.to_owned(), 0);
    let blamed = wait::until("the commit to be blamed although others keep coming", || {
        let status = site.status("app");
        let blamed = rollbacks(&status).first().cloned();
        if blamed.is_none() && status["lastApplied"]["commit"] == newest {
            number += 1;
            let (note, settings) = (format!("{number}\n"), config_map("settings", "k", "later"));
            // One of them is the environment's own.
            let files = [("docs.txt", &*note), ("app/settings.yaml", &*settings)];
            let files = &files[..if number == 1 { 2 } else { 1 }];
            // The revert may be faster.
            newest =
                site.copy.commit_and_push(files, &format!("Number {number}")).map_err(|error| error.to_string())?;
        }
        blamed.ok_or_else(|| format!("{number} commits came: {status:#}"))
    });
    (blamed, newest)
}

/// Returns what a status says of rollbacks.
fn rollbacks(status: &Value) -> Vec<Value> {
    let history = status["history"].as_array().into_iter().flatten();
    history.filter(|entry| entry["result"] == "RolledBack").cloned().collect()
}

#[test]
fn commits_that_keep_coming_do_not_put_off_the_verdict_and_what_is_not_the_environments_stays() {
    daemon::shared();
    let site = Site::new(lab::shared(), "succession");
    let good = deployment("web", "registry.example.com/web:1", 1);
    let settings = config_map("settings", "k", "first");
    let first = site.push(&[("app/web.yaml", &good), ("app/settings.yaml", &settings)], "Good");
    site.environment("app", "app", json!({ "rollback": { "mode": "Revert", "failFast": { "after": AFTER } } }));
    site.wait_applied("app", &first);

    let bad = site.push(&[("app/web.yaml", &deployment("web", "lab/broken:2", 1))], "Bad");
    let (blamed, newest) = go_on_until_blamed(&site, &bad);
    assert_ne!(blamed["revision"]["commit"], bad, "newer ones were in force by then");

    let tip = wait::until("the end of the rollback", || {
        let (tip, status) = (site.repository.branch("main").expect("a branch"), site.status("app"));
        let ready = site.condition("app", "Ready").0 == "True";
        let is_over = tip != newest && ready && status["lastApplied"]["commit"] == tip;
        if is_over { Ok(tip) } else { Err(format!("{status:#}")) }
    });
    let git = |arguments: &[&str]| site.repository.git(arguments).expect("git");
    // Newest first: whatever touched the path was taken back, each by itself, the oldest last.
    let of_people = git(&["log", "--reverse", "--format=Revert \"%s\"", &format!("{first}..{newest}"), "--", "app"]);
    assert_eq!(of_people, "Revert \"Bad\"\nRevert \"Number 1\"");
    assert_eq!(git(&["log", "--format=%s", &format!("{newest}..{tip}")]), of_people);
    assert_eq!(git(&["diff", "--name-only", &first, &tip, "--", "app"]), "");
    assert_eq!(git(&["diff", "--name-only", &newest, &tip, "--", "docs.txt"]), "");
    let rollbacks = rollbacks(&site.status("app"));
    assert_eq!(rollbacks.len(), 1, "{rollbacks:#?}");
}
