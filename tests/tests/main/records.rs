//! Records as Git notes: what happened to a commit is on that commit, for everybody who has a clone.

use std::{fs, os::unix::fs::PermissionsExt};

use lab::{ControlPlane, git::SigningKey};
use serde_json::{Value, json};
use system_tests::{
    daemon::{self, Daemon},
    schema,
    site::{Site, config_map},
    wait,
};

/// Makes a site whose Repository wants notes; `more` is merged into its spec.
pub(super) fn site(plane: &'static ControlPlane, name: &str, more: Value) -> Site {
    let site = Site::new(plane, name);
    repository(&site, more);
    site
}

pub(super) fn repository(site: &Site, more: Value) {
    let mut spec = json!({ "records": "Notes" });
    for (key, value) in more.as_object().expect("a map") {
        spec[key] = value.clone();
    }
    site.follow(spec);
}

/// Returns the notes ref, if there is one.
pub(super) fn notes_ref(site: &Site) -> Option<(String, String)> {
    let refs = site.repository.git(&["for-each-ref", "--format=%(refname) %(objectname)", "refs/notes/plumb"]);
    let refs = refs.expect("git");
    refs.split_once(' ').map(|(name, id)| (name.to_owned(), id.to_owned()))
}

/// Returns the lines on a commit, as plain Git shows them; each that is plumb's keeps to the schema.
pub(super) fn records(site: &Site, commit: &str) -> Vec<Value> {
    let shown = site.repository.git(&["log", "-1", "--notes=plumb/*", "--format=%N", commit]).expect("a log");
    let lines = shown.lines().filter(|line| !line.trim().is_empty());
    let line = |line: &str| {
        let read: Value = serde_json::from_str(line).expect("JSON");
        // Others may write what they like.
        if read.get("v").is_some() { schema::record(line) } else { read }
    };
    lines.map(line).collect()
}

pub(super) fn kinds(records: &[Value]) -> Vec<String> {
    records.iter().map(|record| record["kind"].as_str().unwrap_or_default().to_owned()).collect()
}

pub(super) fn wait_for_kind(site: &Site, commit: &str, kind: &str) -> Value {
    wait::until(&format!("a record {kind} on {commit}"), || {
        let records = records(site, commit);
        let found = records.iter().find(|record| record["kind"] == kind).cloned();
        found.ok_or_else(|| format!("{:?}; {:#}", kinds(&records), site.status("app")["records"]))
    })
}

/// Waits until nothing waits to be published.
pub(super) fn wait_published(site: &Site, environment: &str) -> Value {
    wait::until(&format!("all records of {environment} to be published"), || {
        let records = site.status(environment)["records"].clone();
        let waits = records.is_null() || records.get("pending").is_some() || records.get("overflow").is_some();
        if waits { Err(format!("{records:#}")) } else { Ok(records) }
    })
}

/// Checks that the numbers of all records of an environment are there once, from 1, up to what its status says.
pub(super) fn check_gapless(site: &Site, (commits, environment): (&[&str], &str), status: &Value) {
    let all: Vec<Value> = commits.iter().flat_map(|commit| records(site, commit)).collect();
    let all: Vec<Value> = all.into_iter().filter(|record| record["environment"]["name"] == environment).collect();
    let mut numbers: Vec<u64> = all
        .iter()
        .flat_map(|record| {
            let last = record["sequence"].as_u64().expect("a number");
            record["from"].as_u64().unwrap_or(last)..=last
        })
        .collect();
    numbers.sort_unstable();
    let next = status["next"].as_u64().expect("the next number");
    assert_eq!(numbers, (1..next).collect::<Vec<_>>(), "{:?}", kinds(&all));
}

#[test]
fn what_happens_to_a_commit_is_a_note_on_it() {
    daemon::shared();
    let site = site(lab::shared(), "records", json!({}));
    let first = site.push(&[("app/a.yaml", &config_map("a", "k", "1"))], "One");
    site.environment("app", "app", json!({}));
    site.wait_applied("app", &first);
    let applied = wait_for_kind(&site, &first, "Applied");
    assert_eq!(applied["v"], 1);
    assert_eq!(applied["environment"]["name"], "app");
    assert_eq!(applied["commit"], first);
    assert_eq!(applied["subject"], "One");

    site.kubectl(&["patch", "configmap", "a", "--type=merge", "--patch", r#"{"data":{"k":"2"}}"#]).expect("a drift");
    let drift = wait_for_kind(&site, &first, "DriftCorrected");
    assert_eq!(drift["who"], "kubectl-patch");
    assert_eq!(drift["fields"][0]["path"], ".data.k");
    assert_eq!((&drift["fields"][0]["before"], &drift["fields"][0]["after"]), (&json!("\"1\""), &json!("\"2\"")));

    let second =
        site.push(&[("app/a.yaml", &config_map("a", "k", "3")), ("app/b.yaml", &config_map("b", "k", "1"))], "Two");
    site.wait_applied("app", &second);
    wait_for_kind(&site, &second, "Applied");
    let status = wait_published(&site, "app");
    check_gapless(&site, (&[&first, &second], "app"), &status);
    let (name, head) = notes_ref(&site).expect("a notes ref");
    assert_eq!(status["head"], head, "{name}");
    let paths = site.repository.git(&["ls-tree", "-r", "--name-only", &head]).expect("a tree");
    assert!(paths.lines().any(|path| path == format!("{}/{}", &first[..2], &first[2..])), "{paths}");
    site.repository.git(&["fsck", "--strict", "--no-dangling"]).expect("a sound repository");
}

/// Where a daemon is killed.
#[derive(Debug, Clone, Copy)]
enum Killed {
    /// The record is in the status, and nothing was pushed.
    BeforeThePush,
    /// It is in its note as well, and the status does not know.
    AfterThePush,
    /// Wherever it is when the drift is gone.
    Anywhere,
}

#[test]
fn killed_at_any_moment_no_record_is_lost_or_doubled() {
    let plane: &'static ControlPlane = lab::own();
    let mut daemon = Daemon::start_with(plane, &["--cluster-name", "lab"]);
    let site = site(plane, "records-killed", json!({}));
    let commit = site.push(&[("app/a.yaml", &config_map("a", "k", "true"))], "One");
    site.environment("app", "app", json!({}));
    site.wait_applied("app", &commit);
    wait_published(&site, "app");
    let lock = site.repository.path().join("refs/notes/plumb/lab.lock");
    for (round, killed) in [
        Killed::BeforeThePush,
        Killed::AfterThePush,
        Killed::Anywhere,
        Killed::AfterThePush,
        Killed::BeforeThePush,
        Killed::Anywhere,
    ]
    .into_iter()
    .enumerate()
    {
        let before = site.status("app")["records"]["next"].as_u64().expect("a number");
        if !matches!(killed, Killed::Anywhere) {
            fs::write(&lock, "").expect("a lock");
        }
        let patch = format!("{{\"data\":{{\"k\":\"{round}\"}}}}");
        // What the same writer changes once more would be counted.
        let by = format!("--field-manager=round-{round}");
        site.kubectl(&["patch", "configmap", "a", &by, "--type=merge", "--patch", &patch]).expect("a drift");
        wait::until("the drift to be gone", || {
            let found = site.get("configmap", "a").expect("it")["data"]["k"].clone();
            if found == "true" { Ok(()) } else { Err(found.to_string()) }
        });
        if !matches!(killed, Killed::Anywhere) {
            wait::until("its record to be in the status", || {
                let records = site.status("app")["records"].clone();
                if records["next"].as_u64() > Some(before) { Ok(()) } else { Err(records.to_string()) }
            });
        }
        daemon.kill();
        if !matches!(killed, Killed::Anywhere) {
            fs::remove_file(&lock).expect("a lock");
        }
        let left = site.status("app")["records"].clone();
        let pending: Vec<&str> = left["pending"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if matches!(killed, Killed::AfterThePush) {
            assert!(!pending.is_empty(), "{left:#}");
            let note = site.repository.git(&["notes", "--ref=plumb/lab", "show", &commit]).expect("a note");
            let file = site.copy.path().join("note");
            fs::write(&file, format!("{note}\n{}\n", pending.join("\n"))).expect("a file");
            let file = file.display().to_string();
            let write = ["notes", "--ref=plumb/lab", "add", "--force", "--file", &file, &commit];
            let named = ["-c", "user.name=plumb", "-c", "user.email=plumb@example.com"];
            site.repository.git(&[&named[..], &write[..]].concat()).expect("a note as the push has left it");
        }
        daemon.start_again();
        let status = wait_published(&site, "app");
        check_gapless(&site, (&[&commit], "app"), &status);
        let shown = site.repository.git(&["notes", "--ref=plumb/lab", "show", &commit]).expect("a note");
        for line in pending {
            assert_eq!(shown.lines().filter(|found| *found == line).count(), 1, "{killed:?}: {line}\n{shown}");
        }
    }
}

/// Returns the condition that says that records wait.
pub(super) fn unpublished(site: &Site) -> Option<Value> {
    let repository = site.get("repositories.plumb.dev", "repo").unwrap_or_default();
    let conditions = repository["status"]["conditions"].as_array().cloned().unwrap_or_default();
    conditions.into_iter().find(|condition| condition["type"] == "RecordsUnpublished")
}

#[test]
fn a_remote_that_refuses_notes_costs_a_condition_and_a_bounded_backlog() {
    const OBJECTS: usize = 25;
    let plumb = daemon::shared();
    let site = site(lab::shared(), "records-refused", json!({}));
    let hook = site.repository.path().join("hooks/pre-receive");
    let files: Vec<(String, String)> = (0..OBJECTS)
        .map(|number| (format!("app/c{number}.yaml"), config_map(&format!("c{number}"), "k", "1")))
        .collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let commit = site.push(&files, "Many");
    fs::create_dir_all(hook.parent().expect("a folder")).expect("a folder");
    fs::write(&hook, "#!/bin/sh\nexit 1\n").expect("a hook");
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).expect("a hook");
    site.environment("app", "app", json!({}));
    site.wait_applied("app", &commit);
    let condition = wait::until("the condition", || unpublished(&site).ok_or("there is none"));
    let message = condition["message"].as_str().unwrap_or_default();
    assert_eq!((&condition["status"], &condition["reason"]), (&json!("True"), &json!("PushFailed")));
    assert!(message.contains("has the hook pre-receive"), "{message}");

    // Everything else goes on; what does not fit is counted.
    let part_of = format!("applyset.kubernetes.io/part-of={}", site.part_of("app"));
    for round in 1..=3 {
        site.kubectl(&["delete", "configmap", "--selector", &part_of]).expect("deletions");
        let records = 1 + round * OBJECTS;
        wait::until(&format!("{records} records"), || {
            let records_of = site.status("app")["records"].clone();
            let next = records_of["next"].as_u64().unwrap_or_default();
            if next > records as u64 { Ok(()) } else { Err(format!("next is {next}")) }
        });
    }
    let records = site.status("app")["records"].clone();
    let pending = records["pending"].as_array().map(Vec::len).unwrap_or_default();
    assert!((50..=64).contains(&pending), "{pending} wait");
    let overflow: Value = serde_json::from_str(records["overflow"].as_str().expect("an overflow")).expect("a record");
    assert_eq!(overflow["kind"], "RolledUp");
    let told = site.kubectl(&["get", "events", "--field-selector=reason=RolledUp", "--output=name"]).expect("events");
    assert_eq!(told.lines().count(), 1, "it is told when it begins: {told}");
    let page = plumb.metrics();
    let counted =
        format!("plumb_records_pending{{form=\"counted\",namespace=\"{}\",repository=\"repo\"}}", site.namespace);
    let counted = page.lines().find_map(|line| line.strip_prefix(counted.as_str())).unwrap_or_default();
    assert!(counted.trim().parse::<u64>().is_ok_and(|counted| counted > 0), "{counted}");
    assert!(page.contains(&format!(
        "plumb_record_pushes_total{{namespace=\"{}\",repository=\"repo\",result=\"failed\"}}",
        site.namespace
    )));
    assert!(overflow["message"].as_str().unwrap_or_default().contains("DriftCorrected"), "{overflow}");
    assert_eq!(notes_ref(&site), None);

    fs::remove_file(&hook).expect("a hook");
    // A change of the Repository has it tried at once.
    repository(&site, json!({ "timeout": "50s" }));
    let status = wait_published(&site, "app");
    check_gapless(&site, (&[&commit], "app"), &status);
    wait::until("the condition to be gone", || match unpublished(&site) {
        None => Ok(()),
        Some(condition) => Err(condition.to_string()),
    });
    assert!(kinds(&self::records(&site, &commit)).contains(&"RolledUp".to_owned()));
}

#[test]
fn notes_are_signed_and_what_others_write_beside_them_stays() {
    daemon::shared();
    let site = Site::new(lab::shared(), "records-signed");
    let key = SigningKey::ed25519().expect("a key");
    let identity = fs::read_to_string(key.path()).expect("a key file");
    site.apply(&json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": { "name": "signing", "namespace": site.namespace },
        "stringData": { "identity": identity },
    }));
    let commit = json!({ "author": "Plumb Bob <bob@example.com>", "signingSecretRef": { "name": "signing" } });
    repository(&site, json!({ "commit": commit }));
    let first = site.push(&[("app/a.yaml", &config_map("a", "k", "true"))], "One");
    site.environment("app", "app", json!({}));
    site.wait_applied("app", &first);
    wait_published(&site, "app");
    let (name, head) = notes_ref(&site).expect("a notes ref");
    let allowed = site.copy.path().join("allowed_signers");
    fs::write(&allowed, format!("bob@example.com {}\n", key.public().expect("its public half"))).expect("a file");
    let file = format!("gpg.ssh.allowedSignersFile={}", allowed.display());
    site.repository.git(&["-c", &file, "verify-commit", &head]).expect("a good signature");
    let who = site.repository.git(&["log", "-1", "--format=%an <%ae> %cn", &head]).expect("a log");
    assert_eq!(who, "Plumb Bob <bob@example.com> Plumb Bob");

    // Somebody writes notes with Git itself, on the same commit and on another, while plumb knows the ref of before.
    let (short, other) = (name.trim_start_matches("refs/notes/"), site.push(&[("readme.md", "Nothing.")], "Two"));
    let ann = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com", "notes", "--ref", short];
    for (commit, verb) in [(&first, "append"), (&other, "add")] {
        site.repository.git(&[&ann[..], &[verb, "-m", "seen by Ann", commit]].concat()).expect("a note");
    }
    // The newest commit is the one in force, also where it changes nothing.
    site.wait_applied("app", &other);
    site.kubectl(&["patch", "configmap", "a", "--type=merge", "--patch", r#"{"data":{"k":"2"}}"#]).expect("a drift");
    let show = |commit: &str| site.repository.git(&["notes", "--ref", short, "show", commit]).expect("a note");
    wait::until("the drift's record beside Ann's words", || {
        let shown = show(&other);
        if shown.starts_with("seen by Ann") && shown.contains("DriftCorrected") { Ok(()) } else { Err(shown) }
    });
    assert!(show(&first).ends_with("seen by Ann") && show(&first).contains("Applied"), "{}", show(&first));
    let (_, head) = notes_ref(&site).expect("a notes ref");
    site.repository.git(&["-c", &file, "verify-commit", &head]).expect("a good signature");
    // A key that can't be read signs nothing, and nothing goes out unsigned.
    site.apply(&json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": { "name": "signing", "namespace": site.namespace },
        "stringData": { "identity": "no key" },
    }));
    site.kubectl(&[
        "patch",
        "configmap",
        "a",
        "--field-manager=ann",
        "--type=merge",
        "--patch",
        r#"{"data":{"k":"3"}}"#,
    ])
    .expect("a drift");
    let condition = wait::until("the condition", || unpublished(&site).ok_or("there is none"));
    let message = condition["message"].as_str().unwrap_or_default();
    assert!(message.contains("no private key in OpenSSH's format"), "{message}");
    assert_eq!(notes_ref(&site).map(|(_, head)| head), Some(head));
}

#[test]
fn a_deleted_environment_waits_until_its_records_are_notes() {
    daemon::shared();
    let site = site(lab::shared(), "records-deleted", json!({}));
    let commit = site.push(&[("app/a.yaml", &config_map("a", "k", "true"))], "One");
    site.environment("app", "app", json!({}));
    site.wait_applied("app", &commit);
    wait_published(&site, "app");
    let (name, _) = notes_ref(&site).expect("a notes ref");
    let lock = site.repository.path().join(format!("{name}.lock"));
    fs::write(&lock, "").expect("a lock");
    site.kubectl(&["delete", "environments.plumb.dev", "app", "--wait=false"]).expect("a deletion");
    wait::until("the object to be let go of, and that to wait", || {
        let labels = site.get("configmap", "a").expect("it stays")["metadata"]["labels"].clone();
        let pending = site.status("app")["records"]["pending"].to_string();
        let done = labels.get("applyset.kubernetes.io/part-of").is_none() && pending.contains("LetGo");
        if done { Ok(()) } else { Err(format!("{labels} {pending}")) }
    });
    fs::remove_file(&lock).expect("a lock");
    wait::until_equal("the Environment to be gone", &None, || site.get("environments.plumb.dev", "app"));
    let found = records(&site, &commit);
    assert_eq!(kinds(&found).last().map(String::as_str), Some("LetGo"), "{:?}", kinds(&found));
    let numbers: Vec<u64> = found.iter().filter_map(|record| record["sequence"].as_u64()).collect();
    assert_eq!(numbers, (1..=found.len() as u64).collect::<Vec<_>>());
    assert_eq!(site.get("configmap", "a").expect("it stays")["data"]["k"], "true");
}

#[test]
fn only_one_of_two_replicas_publishes_and_the_other_goes_on_where_it_was_killed() {
    let plane = lab::own();
    let flags = ["--lease-duration", "3s", "--cluster-name", "lab"];
    let mut first = Daemon::start_with(plane, &flags);
    let second = Daemon::start_with(plane, &flags);
    let site = site(plane, "records-replicas", json!({}));
    let commit = site.push(&[("app/a.yaml", &config_map("a", "k", "true"))], "One");
    site.environment("app", "app", json!({}));
    site.wait_applied("app", &commit);
    let before = wait_published(&site, "app")["next"].as_u64().expect("a number");
    let lock = site.repository.path().join("refs/notes/plumb/lab.lock");
    fs::write(&lock, "").expect("a lock");
    site.kubectl(&["patch", "configmap", "a", "--type=merge", "--patch", r#"{"data":{"k":"2"}}"#]).expect("a drift");
    wait::until("its record to be in the status", || {
        let records = site.status("app")["records"].clone();
        if records["next"].as_u64() > Some(before) { Ok(()) } else { Err(records.to_string()) }
    });
    first.kill();
    fs::remove_file(&lock).expect("a lock");
    let status = wait_published(&site, "app");
    check_gapless(&site, (&[&commit], "app"), &status);
    assert_eq!(kinds(&records(&site, &commit)).last().map(String::as_str), Some("DriftCorrected"));
    drop(second);
}

#[test]
fn what_waits_for_a_repository_that_is_gone_is_given_up_and_what_can_not_be_known_is_not() {
    daemon::shared();
    let site = site(lab::shared(), "records-gone", json!({}));
    let commit = site.push(&[("app/a.yaml", &config_map("a", "k", "true"))], "One");
    site.environment("app", "app", json!({}));
    site.wait_applied("app", &commit);
    let next = wait_published(&site, "app")["next"].as_u64().expect("a number");
    let (name, _) = notes_ref(&site).expect("a notes ref");
    let lock = site.repository.path().join(format!("{name}.lock"));
    fs::write(&lock, "").expect("a lock");
    site.kubectl(&["patch", "configmap", "a", "--type=merge", "--patch", r#"{"data":{"k":"2"}}"#]).expect("a drift");
    wait::until("its record to wait", || {
        let records = site.status("app")["records"].clone();
        let waits = records["pending"].as_array().is_some_and(|pending| pending.len() == 1);
        if waits { Ok(()) } else { Err(records.to_string()) }
    });
    // Suspended and unable to publish, the Repository is there all the same.
    repository(&site, json!({ "suspend": true }));
    site.sync("app");
    assert_eq!(site.status("app")["records"]["pending"].as_array().map(Vec::len), Some(1));
    site.kubectl(&["delete", "repositories.plumb.dev", "repo"]).expect("a deletion");
    wait::until("what waits for it to be given up", || {
        let records = site.status("app")["records"].clone();
        if records.get("pending").is_none() && records.is_object() { Ok(()) } else { Err(records.to_string()) }
    });
    assert_eq!(site.status("app")["records"]["next"], next + 1, "the numbers are kept");
    fs::remove_file(&lock).expect("a lock");
    // One of the same name is another one, and counts from 1.
    repository(&site, json!({}));
    site.wait_applied("app", &commit);
    site.kubectl(&["patch", "configmap", "a", "--type=merge", "--patch", r#"{"data":{"k":"3"}}"#]).expect("a drift");
    let status = wait::until("a record for the new Repository", || {
        let status = wait_published(&site, "app");
        if status["former"].is_array() { Ok(status) } else { Err(status.to_string()) }
    });
    assert_eq!(status["former"][0]["next"], next + 1, "{status}");
    assert!(status["next"].as_u64() >= Some(2), "{status}");
}
