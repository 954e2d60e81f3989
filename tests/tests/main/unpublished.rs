//! What can't be published waits, says why, and holds up nothing else.

use std::fs;

use serde_json::{Value, json};
use system_tests::{
    daemon,
    site::{Site, config_map},
    wait,
};

use super::records::{check_gapless, notes_ref, records, repository, site, unpublished, wait_for_kind, wait_published};

/// Drifts an object of the site by hand; what the same person changes once more would be counted.
fn drift(site: &Site, value: &str) {
    drift_by(site, &format!("person-{value}"), value);
}

fn drift_by(site: &Site, person: &str, value: &str) {
    let (by, patch) = (format!("--field-manager={person}"), json!({ "data": { "k": value } }).to_string());
    site.kubectl(&["patch", "configmap", "a", &by, "--type=merge", "--patch", &patch]).expect("a drift");
}

fn patch_status(site: &Site, environment: &str, records: &Value) {
    let patch = json!({ "status": { "records": records } }).to_string();
    let arguments = ["patch", "environments.plumb.dev", environment, "--subresource=status", "--type=merge", "--patch"];
    site.kubectl(&[&arguments[..], &[patch.as_str()]].concat()).expect("a status");
}

/// Waits until records wait for this reason, and returns what is said about it.
fn wait_unpublished(site: &Site, reason: &str) -> String {
    wait::until(&format!("the condition RecordsUnpublished to be {reason}"), || {
        let condition = unpublished(site).ok_or("there is none")?;
        let message = condition["message"].as_str().unwrap_or_default().to_owned();
        if condition["reason"] == reason { Ok(message) } else { Err(condition.to_string()) }
    })
}

fn wait_no_trouble(site: &Site) {
    wait::until("the condition to be gone", || match unpublished(site) {
        None => Ok(()),
        Some(condition) => Err(condition.to_string()),
    });
}

#[test]
fn a_note_that_takes_no_more_holds_up_its_own_lines_until_the_next_commit() {
    daemon::shared();
    let site = site(lab::shared(), "records-full", json!({}));
    let files = [("app/a.yaml", config_map("a", "k", "true")), ("other/b.yaml", config_map("b", "k", "1"))];
    let files = files.each_ref().map(|(path, text)| (*path, text.as_str()));
    let first = site.push(&files, "One");
    site.environment("app", "app", json!({}));
    site.wait_applied("app", &first);
    wait_published(&site, "app");
    let (name, _) = notes_ref(&site).expect("a notes ref");
    let noise = json!({ "kind": "Noise", "environment": { "name": "nobody" }, "noise": "x".repeat(5 << 20) });
    let file = site.copy.path().join("noise");
    fs::write(&file, format!("{noise}\n")).expect("a file");
    let (short, file) = (name.trim_start_matches("refs/notes/"), file.display().to_string());
    let ann = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com", "notes", "--ref", short];
    site.repository.git(&[&ann[..], &["append", "--file", &file, &first]].concat()).expect("a note");
    drift(&site, "2");
    let message = wait_unpublished(&site, "NoteUnwritable");
    assert!(message.contains(&first) && message.contains("takes no more: it has 52"), "{message}");
    let next = site.status("app")["records"]["next"].as_u64().expect("a number");

    let second = site.push(&[("other/b.yaml", &config_map("b", "k", "2"))], "Two");
    site.environment("other", "other", json!({}));
    site.wait_applied("other", &second);
    wait_published(&site, "other");
    // The commit changes nothing of this one, and what happens from now on is about it.
    drift(&site, "3");
    let status = wait_published(&site, "app");
    check_gapless(&site, (&[&first, &second], "app"), &status);
    let mine = records(&site, &second).into_iter().filter(|record| record["environment"]["name"] == "app");
    let counted: Vec<Value> = mine.filter(|record| record["kind"] == "RolledUp").collect();
    assert_eq!((counted.len(), &counted[0]["sequence"]), (1, &json!(next - 1)), "{counted:#?}");
    assert_eq!(counted[0]["kinds"], json!({ "DriftCorrected": 1 }));
    wait_no_trouble(&site);
}

#[test]
fn numbers_that_git_has_already_are_trouble_and_no_record_passes_for_another() {
    daemon::shared();
    let site = site(lab::shared(), "records-restored", json!({}));
    let commit = site.push(&[("app/a.yaml", &config_map("a", "k", "true"))], "One");
    site.environment("app", "app", json!({}));
    site.wait_applied("app", &commit);
    drift(&site, "2");
    wait_for_kind(&site, &commit, "DriftCorrected");
    let next = wait_published(&site, "app")["next"].as_u64().expect("a number");
    // As a restore of etcd leaves it.
    patch_status(&site, "app", &json!({ "next": next - 1 }));
    drift(&site, "3");
    let message = wait_unpublished(&site, "NumberTaken");
    assert!(message.contains(&format!("record {} of Environment {}/app", next - 1, site.namespace)), "{message}");
    let status = site.status("app")["records"].clone();
    assert!(status["pending"].to_string().contains("DriftCorrected"), "it waits: {status}");
    // As docs/records.md says.
    patch_status(&site, "app", &json!({ "next": next, "pending": null }));
    drift(&site, "4");
    wait_no_trouble(&site);
    let status = wait::until("the next record to be published", || {
        let status = wait_published(&site, "app");
        if status["next"] == next + 1 { Ok(status) } else { Err(status.to_string()) }
    });
    check_gapless(&site, (&[&commit], "app"), &status);
}

#[test]
fn a_status_that_can_not_be_written_holds_up_no_other() {
    daemon::shared();
    let site = site(lab::shared(), "records-unwritten", json!({}));
    let commit = site.push(&[("app/a.yaml", &config_map("a", "k", "true"))], "One");
    site.environment("first", "app", json!({}));
    site.wait_applied("first", &commit);
    wait_published(&site, "first");
    let (name, _) = notes_ref(&site).expect("a notes ref");
    let lock = site.repository.path().join(format!("{name}.lock"));
    fs::write(&lock, "").expect("a lock");
    site.push(&[("more/b.yaml", &config_map("b", "k", "1"))], "Two");
    site.environment("second", "more", json!({}));
    let pending = |environment: &str| site.status(environment)["records"]["pending"].as_array().map_or(0, Vec::len);
    drift(&site, "2");
    wait::until("records of both to wait", || {
        let waiting = (pending("first"), pending("second"));
        if waiting.0 > 0 && waiting.1 > 0 { Ok(()) } else { Err(format!("{waiting:?}")) }
    });
    let policy = format!("{}-first", site.namespace);
    let admission = json!({ "apiVersion": "admissionregistration.k8s.io/v1", "metadata": { "name": policy } });
    let with = |kind: &str, spec: Value| {
        let mut object = admission.clone();
        (object["kind"], object["spec"]) = (json!(kind), spec);
        site.apply(&object);
    };
    with(
        "ValidatingAdmissionPolicy",
        json!({
            "failurePolicy": "Fail",
            "matchConstraints": { "resourceRules": [{
                "apiGroups": ["plumb.dev"], "apiVersions": ["*"], "operations": ["UPDATE"], "resources": ["environments/status"],
            }] },
            "matchConditions": [
                { "name": "site", "expression": format!("object.metadata.namespace == '{}'", site.namespace) },
            ],
            "validations": [{
                "expression": "object.metadata.name != 'first' || has(object.status.records.pending)", "message": "kept",
            }],
        }),
    );
    with("ValidatingAdmissionPolicyBinding", json!({ "policyName": policy, "validationActions": ["Deny"] }));
    let attempt = r#"[{"op": "remove", "path": "/status/records/pending"}]"#;
    let try_it =
        ["patch", "environments.plumb.dev", "first", "--subresource=status", "--dry-run=server", "--type=json"];
    wait::until("the policy to be in force", || {
        let tried = site.kubectl(&[&try_it[..], &["--patch", attempt]].concat());
        if tried.is_err() { Ok(()) } else { Err("it could be written") }
    });
    fs::remove_file(&lock).expect("a lock");
    repository(&site, json!({ "timeout": "50s" }));
    wait_published(&site, "second");
    let message = wait_unpublished(&site, "StatusUnwritten");
    assert!(message.contains(&format!("Environment {}/first", site.namespace)), "{message}");
    assert!(pending("first") > 0, "it is in Git, and its status does not know");
    site.kubectl(&["delete", "validatingadmissionpolicybinding,validatingadmissionpolicy", &policy])
        .expect("deletions");
    repository(&site, json!({ "timeout": "49s" }));
    let status = wait_published(&site, "first");
    let commits = site.repository.git(&["rev-list", "HEAD"]).expect("commits");
    check_gapless(&site, (&commits.lines().collect::<Vec<_>>(), "first"), &status);
    wait_no_trouble(&site);
}

#[test]
fn nothing_is_published_to_a_history_that_was_rewritten_until_a_person_accepts_it() {
    daemon::shared();
    let site = site(lab::shared(), "records-rewritten", json!({}));
    let commit = site.push(&[("app/a.yaml", &config_map("a", "k", "true"))], "One");
    site.environment("app", "app", json!({}));
    site.wait_applied("app", &commit);
    wait_published(&site, "app");
    drift(&site, "2");
    wait_for_kind(&site, &commit, "DriftCorrected");
    let status = wait_published(&site, "app");
    let (name, old) = notes_ref(&site).expect("a notes ref");
    assert_eq!(status["head"], old);
    // Another history with the same notes, which nobody can tell by its numbers.
    let tree = site.repository.git(&["rev-parse", &format!("{old}^{{tree}}")]).expect("a tree");
    let ann = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com", "commit-tree", "-m", "forged", &tree];
    let forged = site.repository.git(&ann).expect("a commit");
    site.repository.git(&["update-ref", &name, &forged]).expect("a ref");
    drift(&site, "3");
    let message = wait_unpublished(&site, "HistoryRewritten");
    assert!(message.contains(&old) && message.contains(&forged), "{message}");
    assert!(message.contains(&format!("{}/app", site.namespace)), "{message}");
    let told = ["get", "events", "--field-selector=reason=NotesRewritten", "--output=name"];
    wait::until("an Event", || {
        let told = site.kubectl(&told).expect("events");
        if told.lines().count() == 1 { Ok(()) } else { Err(told) }
    });
    let waits = site.status("app")["records"].clone();
    assert_eq!((&waits["head"], notes_ref(&site)), (&json!(old), Some((name.clone(), forged.clone()))));
    assert_eq!(waits["pending"].as_array().map(Vec::len), Some(1), "{waits}");

    // A ref that is gone is no better.
    site.repository.git(&["update-ref", "-d", &name]).expect("no ref");
    repository(&site, json!({ "timeout": "50s" }));
    wait::until("that to be said", || {
        let message = wait_unpublished(&site, "HistoryRewritten");
        if message.contains("is gone") { Ok(()) } else { Err(message) }
    });
    assert_eq!(notes_ref(&site), None);

    // As docs/records.md says.
    site.repository.git(&["update-ref", &name, &forged]).expect("a ref");
    patch_status(&site, "app", &json!({ "head": forged }));
    repository(&site, json!({ "timeout": "49s" }));
    let status = wait_published(&site, "app");
    check_gapless(&site, (&[&commit], "app"), &status);
    let (_, head) = notes_ref(&site).expect("a notes ref");
    assert_eq!(status["head"], head);
    site.repository.git(&["merge-base", "--is-ancestor", &forged, &head]).expect("built upon what was accepted");
    wait_no_trouble(&site);
}

#[test]
fn drift_that_repeats_itself_is_one_record_with_a_count() {
    daemon::shared();
    let site = site(lab::shared(), "records-repeated", json!({}));
    let commit = site.push(&[("app/a.yaml", &config_map("a", "k", "true"))], "One");
    site.environment("app", "app", json!({}));
    site.wait_applied("app", &commit);
    wait_published(&site, "app");
    for round in 0..4 {
        drift_by(&site, "ann", &round.to_string());
        wait::until_equal("it to be put back", &json!("true"), || {
            site.get("configmap", "a").map(|object| object["data"]["k"].clone()).unwrap_or_default()
        });
    }
    let status = wait::until("three repetitions to be counted", || {
        let records = site.status("app")["records"].clone();
        let line: Value = serde_json::from_str(records["repeated"][0].as_str().unwrap_or("null")).expect("a line");
        if line["count"] == 3 { Ok(records) } else { Err(records.to_string()) }
    });
    let first = wait_for_kind(&site, &commit, "DriftCorrected");
    assert_eq!((&first["count"], &status["next"]), (&Value::Null, &json!(3)), "the first was told at once");
    // Another commit ends it, and so it is told before that.
    let second = site.push(&[("app/a.yaml", &config_map("a", "k", "new"))], "Two");
    site.wait_applied("app", &second);
    wait_for_kind(&site, &second, "Applied");
    let status = wait_published(&site, "app");
    check_gapless(&site, (&[&commit, &second], "app"), &status);
    let counted: Vec<Value> = records(&site, &commit).into_iter().filter(|record| record["count"] == 3).collect();
    assert_eq!((counted.len(), &counted[0]["kind"]), (1, &json!("DriftCorrected")), "{counted:#?}");
    let (since, time) = (counted[0]["since"].as_str(), counted[0]["time"].as_str());
    assert!(since.is_some() && since < time, "{counted:#?}");
}
