//! An audit of what a real plumb has written: against the cluster, and after somebody has cut it off.

use std::process::{Command, Output, Stdio};

use lab::git::WorkingCopy;
use serde_json::json;
use system_tests::{
    daemon,
    site::{Site, config_map},
    wait,
};

use super::audit::Clone;

/// Makes a site with an Environment whose first commit is applied, and whose records are kept in notes.
fn recorded(name: &str) -> Site {
    daemon::shared();
    let site = Site::new(lab::shared(), name);
    site.follow(json!({ "records": "Notes" }));
    let first = site.push(&[("app/a.yaml", &config_map("a", "value", "1"))], "First");
    site.environment("app", "app", json!({}));
    site.wait_applied("app", &first);
    site
}

/// Verifies the notes in a clone against the control plane of the tests.
fn verify(clone: &WorkingCopy, more: &[&str]) -> (Option<i32>, String) {
    let kubeconfig = lab::shared().kubeconfig().to_owned();
    let mut command = Command::new(lab::process::plumb());
    command.args(["audit", "verify"]).args(more).arg("--kubeconfig").arg(kubeconfig);
    let Output { status, stdout, stderr } =
        command.current_dir(clone.path()).stdin(Stdio::null()).output().expect("plumb runs");
    (status.code(), String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr))
}

#[test]
fn notes_hold_against_the_cluster_until_somebody_cuts_them_off() {
    let site = recorded("audited");
    let published = |more_than: u64| {
        wait::until("the records to be published", || {
            let records = site.status("app")["records"].clone();
            let waits = records.get("pending").is_some() || records.get("overflow").is_some();
            let next = records["next"].as_u64().filter(|next| !waits && *next > more_than);
            next.ok_or_else(|| format!("{records:#}"))
        })
    };
    let next = published(1);
    let clone = WorkingCopy::clone(&site.repository.url()).expect("a clone");
    let fetch = || clone.git(&["fetch", "--quiet", "--force", "origin", "refs/notes/plumb/*:refs/notes/plumb/*"]);
    fetch().expect("a fetch");
    let older = clone.git(&["for-each-ref", "--format=%(refname) %(objectname)", "refs/notes"]).expect("a ref");
    let (name, id) = older.trim().split_once(' ').expect("one ref");

    site.kubectl(&["patch", "configmap", "a", "--type", "merge", "--patch", r#"{"data":{"value":"by hand"}}"#])
        .expect("a patch");
    published(next);
    fetch().expect("a fetch");
    let (code, said) = verify(&clone, &["--live"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("are those that an anchor outside of them names"), "{said}");

    let next_head = clone.git(&["rev-parse", name]).expect("a commit").trim().to_owned();
    clone.git(&["update-ref", name, id]).expect("an older link");
    assert_eq!(verify(&clone, &[]).0, Some(0), "by itself it is a whole history");
    let (code, said) = verify(&clone, &["--live"]);
    assert_eq!(code, Some(1), "{said}");
    for words in ["Truncated", "status.records.head of", "its status says are published"] {
        assert!(said.contains(words), "{words}: {said}");
    }

    // Notes of another Repository in their place, as if this were another clone: what the cluster says of the old ones stays.
    let tree = clone.git(&["ls-tree", "-r", &next_head]).expect("a tree");
    let (entry, path) = tree.lines().next().and_then(|line| line.split_once('\t')).expect("a note");
    let note = clone.git(&["cat-file", "blob", entry.rsplit(' ').next().expect("an id")]).expect("a note");
    let uid = site.status("app")["records"]["repository"].as_str().expect("a UID").to_owned();
    clone.git(&["switch", "--quiet", "--orphan", "forged"]).expect("a branch");
    clone.commit(&[(path, &note.replace(&uid, "another"))], "Notes").expect("a commit");
    clone.git(&["update-ref", name, "HEAD"]).expect("a ref");
    let (code, said) = verify(&clone, &["--live"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("Rewritten") && said.contains("status.records.head of"), "{said}");
}

#[test]
fn what_the_cluster_says_of_notes_that_are_not_here_is_not_proved() {
    let site = recorded("audited-elsewhere");
    let uid = wait::until("the records to be published", || {
        let records = site.status("app")["records"].clone();
        let published = records.get("head").is_some() && records.get("pending").is_none();
        records["repository"].as_str().filter(|_| published).map(str::to_owned).ok_or_else(|| format!("{records:#}"))
    });
    let clone = Clone::with_notes();
    let (code, said) = verify(&clone.copy, &["--live"]);
    assert_eq!(code, Some(0), "{said}");
    let (_, unproved) = said.split_once("refs/notes/plumb/*\nnot proved:\n").expect("what is not proved of any ref");
    assert!(unproved.contains("no notes here are of their Repositories"), "{unproved}");
    let one_of = unproved.contains(&uid) || unproved.contains(", …");
    assert!(one_of, "{uid}: {unproved}");
}
