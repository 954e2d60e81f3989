//! An audit of what a real plumb has written: against the cluster, and after somebody has cut it off.

use std::process::{Command, Output, Stdio};

use lab::git::WorkingCopy;
use serde_json::json;
use system_tests::{
    daemon,
    site::{Site, config_map},
    wait,
};

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
    daemon::shared();
    let site = Site::new(lab::shared(), "audited");
    site.follow(json!({ "records": "Notes" }));
    let first = site.push(&[("app/a.yaml", &config_map("a", "value", "1"))], "First");
    site.environment("app", "app", json!({}));
    site.wait_applied("app", &first);
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

    clone.git(&["update-ref", name, id]).expect("an older link");
    assert_eq!(verify(&clone, &[]).0, Some(0), "by itself it is a whole history");
    let (code, said) = verify(&clone, &["--live"]);
    assert_eq!(code, Some(1), "{said}");
    for words in ["Truncated", "status.records.head of", "its status says are published"] {
        assert!(said.contains(words), "{words}: {said}");
    }
}
