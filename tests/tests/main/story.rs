//! What whoever is on call reads of a rollback: three lines of `plumb status`, and Events in the order of what happened.

use std::{
    fs,
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use system_tests::{
    daemon,
    site::{Site, deployment},
    wait,
};

/// Returns what `plumb status` says of the rollback, without ages.
fn story(site: &Site) -> Vec<String> {
    let mut command = Command::new(lab::process::plumb());
    command.args(["status", "app", "--namespace", &site.namespace, "--kubeconfig"]).arg(site.kubeconfig());
    let output = command.stdin(Stdio::null()).output().expect("plumb runs");
    let said = String::from_utf8(output.stdout).expect("UTF-8");
    let told =
        |line: &&str| ["Rolled back ", "Because ", "Restored ", "Restoring "].iter().any(|name| line.starts_with(name));
    said.lines().filter(told).map(without_age).collect()
}

/// Returns a line without `, 12s ago`.
fn without_age(line: &str) -> String {
    match line.split_once(" ago") {
        Some((before, after)) => before.rsplit_once(", ").map_or(before, |(before, _)| before).to_owned() + after,
        None => line.to_owned(),
    }
}

/// Returns type, reason and words of the Events of the environment, in the order in which they were made.
fn events(site: &Site) -> Vec<String> {
    let selector = "involvedObject.kind=Environment,involvedObject.name=app";
    let list = site.kubectl(&["get", "events", "--field-selector", selector, "--output", "json"]).expect("Events");
    let list: Value = serde_json::from_str(&list).expect("JSON");
    let mut events: Vec<&Value> = list["items"].as_array().expect("a list").iter().collect();
    let number =
        |event: &&Value| event["metadata"]["resourceVersion"].as_str().and_then(|text| text.parse::<u64>().ok());
    events.sort_by_key(number);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let line = |event: &&Value| [&event["type"], &event["reason"], &event["message"]].map(text).join(" ");
    events.iter().map(line).collect()
}

#[test]
fn status_tells_a_rollback_in_three_lines_and_events_tell_it_in_order() {
    daemon::shared();
    let site = Site::new(lab::shared(), "story");
    let push = |image: &str| site.push(&[("app/web.yaml", &deployment("web", image, 1))], &format!("Use {image}"));
    let (good, bad_image) = ("registry.example.com/web:1", "lab/broken:2");
    let first = push(good);
    // Else there is an Event before the first one: that nothing was pushed yet.
    wait::until("the first commit to be seen", || {
        let seen = site.get("repository", "repo").unwrap_or_default()["status"]["revision"]["commit"].clone();
        if seen == json!(first) { Ok(()) } else { Err(seen.to_string()) }
    });
    site.environment("app", "app", json!({ "rollback": { "mode": "Revert", "failFast": { "after": "1s" } } }));
    site.wait_applied("app", &first);
    assert_eq!(story(&site), Vec::<String>::new());

    // As long as somebody else writes the branch, the revert is tried again.
    let bad = push(bad_image);
    let lock = site.repository.path().join("refs/heads/main.lock");
    fs::write(&lock, "").expect("a lock");
    wait::until("the revert to be tried again", || {
        let status = site.status("app");
        let restored = status["inventory"]["health"] == json!({ "Current": 1 });
        let told = status["rollback"]["reverting"]["message"].as_str().unwrap_or_default();
        let tried = restored && told.starts_with("not reverted in Git yet");
        if tried { Ok(()) } else { Err(format!("{status:#}")) }
    });
    let why = format!(
        "Deployment {}/web: 1 of 1 ready, 1 more still to go, container app: ImagePullBackOff {bad_image}",
        site.namespace
    );
    let (bad_short, first_short) = (&bad[..7], &first[..7]);
    let commit = |short: &str, image: &str| format!("{short} \"Use {image}\" by Lab <lab@example.com>");
    let (culprit, healthy) = (commit(bad_short, bad_image), commit(first_short, good));
    let told = story(&site);
    let restored = format!("Restored      {healthy}; not reverted in Git yet: ");
    assert_eq!(told[..2], [format!("Rolled back   {culprit}"), format!("Because       {why}")], "{told:#?}");
    assert!(told.len() == 3 && told[2].starts_with(&restored), "{restored}\n{told:#?}");
    // plumb goes on by itself: nobody has to be woken up.
    assert_eq!(site.condition("app", "Reconciling").0, "True");
    assert_eq!(site.condition("app", "Stalled").0, "");

    fs::remove_file(&lock).expect("a lock");
    let revert = wait::until("the branch to move", || {
        let tip = site.repository.branch("main").expect("a branch");
        if tip == bad { Err(format!("{:#}", site.status("app"))) } else { Ok(tip) }
    });
    site.wait_applied("app", &revert);
    let revert_short = &revert[..7];
    let expected = [
        format!("Rolled back   {culprit}"),
        format!("Because       {why}"),
        format!("Restored      {healthy}; reverted in Git by {revert_short}"),
    ];
    assert_eq!(story(&site), expected);
    let expected = [
        format!("Normal Applied {first_short}: 1 created"),
        format!("Normal Applied {bad_short}: 1 changed"),
        format!("Warning Held {culprit} was rolled back to {first_short}: {why}"),
        format!("Normal Restored {first_short}: 1 changed"),
        format!("Normal Reverted {bad_short}: reverted in Git by {revert_short} on main"),
        format!("Normal Released {revert_short} may be applied: the newest commit has another content"),
        format!("Normal Applied {revert_short}: 1 unchanged"),
    ];
    let all = wait::until("all Events to be written", || {
        let events = events(&site);
        if events.len() < expected.len() { Err(format!("{events:#?}")) } else { Ok(events) }
    });
    assert_eq!(all, expected);
}
