//! An auditor has a clone, and nothing else: what a real plumb has written is read there, without a cluster.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

use lab::git::{SigningKey, WorkingCopy};
use serde_json::{Value, json};
use system_tests::{
    daemon,
    site::{Site, config_map},
};
use tempfile::TempDir;

use super::records::{notes_ref, repository, wait_for_kind, wait_published};

/// Whose commits are signed, as the laboratory's working copies say.
const EMAIL: &str = "lab@example.com";

/// Runs plumb in a directory, where no cluster can be found.
fn plumb(directory: &Path, words: &[&str]) -> Output {
    let home = tempfile::tempdir().expect("a directory");
    let mut command = Command::new(lab::process::plumb());
    command.args(words).current_dir(directory).stdin(Stdio::null());
    command.env_remove("KUBECONFIG").env("HOME", home.path()).output().expect("plumb runs")
}

/// Returns what plumb says, which ends well.
#[track_caller]
fn said(directory: &Path, words: &[&str]) -> String {
    let Output { status, stdout, stderr } = plumb(directory, words);
    assert!(status.success(), "{words:?}: {}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).expect("text")
}

#[track_caller]
fn answer(directory: &Path, words: &[&str]) -> Value {
    serde_json::from_str(&said(directory, words)).expect("JSON")
}

/// Returns all of a site's repository, as `git clone --mirror` takes it.
fn mirror(site: &Site) -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let place = directory.path().to_str().expect("a path in UTF-8");
    site.copy.git(&["clone", "--quiet", "--mirror", &site.repository.url(), place]).expect("a clone");
    directory
}

#[test]
fn a_mirror_clone_tells_and_proves_everything_and_who_signed_the_commits() {
    daemon::shared();
    let mut site = Site::new(lab::shared(), "cloned");
    let key = SigningKey::ed25519().expect("a key");
    site.copy.sign_with(Some(&key));
    let line = format!("{EMAIL} {}\n", key.public().expect("a public key"));
    site.apply(&json!({
        "apiVersion": "v1", "kind": "Secret", "stringData": { "allowed_signers": line },
        "metadata": { "name": "trusted-keys", "namespace": site.namespace },
    }));
    repository(&site, json!({ "verify": { "mode": "Head", "secretRef": { "name": "trusted-keys" } } }));
    let commit = site.push(&[("app/a.yaml", &config_map("a", "k", "true"))], "One");
    site.environment("app", "app", json!({}));
    site.wait_applied("app", &commit);
    let signer = wait_for_kind(&site, &commit, "Applied")["signer"].as_str().unwrap_or_default().to_owned();
    assert!(signer.starts_with("lab@example.com (SHA256:"), "{signer}");
    site.kubectl(&["patch", "configmap", "a", "--type=merge", "--patch", r#"{"data":{"k":"2"}}"#]).expect("a drift");
    assert_eq!(wait_for_kind(&site, &commit, "DriftCorrected")["signer"], json!(signer));
    wait_published(&site, "app");

    let clone = mirror(&site);
    let (_, head) = notes_ref(&site).expect("a notes ref");
    let clone = clone.path();
    let rows = answer(clone, &["history", "app", "--repo", ".", "-o", "json"]);
    let row = &rows[0];
    assert_eq!((&row["commit"], &row["result"], &row["drifts"]), (&json!(commit), &json!("Applied"), &json!(1)));
    let table = said(clone, &["history", "app", "--repo", "."]);
    let at = row["at"].as_str().and_then(|at| at.get(..19)).expect("a time");
    let (headers, cells) = table.split_once('\n').expect("a row");
    assert_eq!(
        headers.split("  ").map(str::trim).filter(|header| !header.is_empty()).collect::<Vec<_>>(),
        ["COMMIT", "AUTHOR", "SUBJECT", "APPLIED AT", "TOOK", "RESULT", "DRIFTS", "ROLLED BACK BY"]
    );
    assert!(cells.contains(&format!("{at}Z")), "{at}: {table}");

    let lines = answer(clone, &["history", "--repo", ".", "--commit", &commit[..7], "-o", "json"]);
    let of_commit = lines.as_array().expect("a list");
    assert!(of_commit.len() >= 2 && of_commit.iter().all(|line| line["signer"] == json!(signer)), "{lines:#}");
    let table = said(clone, &["history", "--repo", ".", "--commit", &commit]);
    let about = format!("{commit} \"One\" by Lab <{EMAIL}>, signed by {signer}\n\nTIME ");
    assert!(table.starts_with(&about), "{table}");

    let reports = answer(clone, &["audit", "verify", "--head", &head, "-o", "json"]);
    assert_eq!((&reports[0]["holds"], &reports[0]["head"]), (&json!(true), &json!(head)));
    assert_eq!(reports[0]["records"], json!(of_commit.len()));
    assert_eq!(answer(clone, &["audit", "export"]), lines, "there is one commit, so both are all records");
    let table = said(clone, &["audit", "export", "-o", "csv"]);
    assert!(table.contains(&signer) && table.contains(r#".data.k: ""true"" -> ""2"""#), "{table}");
}

#[test]
fn where_the_notes_are_missing_the_command_that_is_printed_fetches_them() {
    daemon::shared();
    let site = Site::new(lab::shared(), "not-cloned");
    repository(&site, json!({}));
    let commit = site.push(&[("app/a.yaml", &config_map("a", "k", "1"))], "One");
    // As the repository was before plumb wrote anything.
    let early = mirror(&site);
    site.environment("app", "app", json!({}));
    wait_for_kind(&site, &commit, "Applied");
    let late = WorkingCopy::clone(&site.repository.url()).expect("a clone");
    let commands: [&[&str]; 4] = [
        &["history", "app", "--repo", "."],
        &["history", "--repo", ".", "--commit", &commit],
        &["audit", "verify"],
        &["audit", "export"],
    ];
    for clone in [early.path(), late.path()] {
        let mut fetches = Vec::new();
        for words in commands {
            let Output { status, stdout, stderr } = plumb(clone, words);
            let stderr = String::from_utf8(stderr).expect("text");
            assert_eq!((status.code(), stdout.as_slice()), (Some(2), &b""[..]), "{words:?}: {stderr}");
            let begin = stderr.find("git fetch ").unwrap_or_else(|| panic!("{words:?}: {stderr}"));
            let end = stderr[begin..].rfind('\'').expect("the end of the refs") + 1;
            fetches.push(stderr[begin..begin + end].to_owned());
        }
        assert_eq!(fetches, ["git fetch origin 'refs/notes/plumb/*:refs/notes/plumb/*'"; 4]);
        let fetched = Command::new("sh").args(["-c", &fetches[0]]).current_dir(clone).output().expect("a shell");
        assert!(fetched.status.success(), "{}", String::from_utf8_lossy(&fetched.stderr));
        for words in commands {
            assert!(!said(clone, words).is_empty(), "{words:?}");
        }
    }
}
