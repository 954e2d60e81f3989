//! A cluster that gets another name: its notes begin a new ref, and each of the two is complete in itself.

use std::{
    fs,
    process::{Command, Output, Stdio},
};

use lab::git::WorkingCopy;
use serde_json::{Value, json};
use system_tests::{
    daemon::Daemon,
    site::{Site, config_map},
    wait,
};

use super::records;

/// Returns the numbers of all records in the notes under a name of the cluster, in their order.
fn numbers(site: &Site, cluster: &str, commits: &[String]) -> Vec<u64> {
    let reference = format!("--ref=plumb/{cluster}");
    let notes = commits.iter().filter_map(|commit| site.repository.git(&["notes", &reference, "show", commit]).ok());
    let lines: Vec<Value> = notes
        .flat_map(|note| note.lines().map(str::to_owned).collect::<Vec<_>>())
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    assert!(lines.iter().all(|line| line["cluster"] == cluster), "{lines:#?}");
    let mut numbers: Vec<u64> = lines.iter().map(|line| line["sequence"].as_u64().expect("a number")).collect();
    numbers.sort_unstable();
    numbers
}

/// Expects everything in a clone to hold against the cluster.
fn verify(site: &Site) {
    let clone = WorkingCopy::clone(&site.repository.url()).expect("a clone");
    clone.git(&["fetch", "--quiet", "origin", "refs/notes/plumb/*:refs/notes/plumb/*"]).expect("a fetch");
    let mut command = Command::new(lab::process::plumb());
    command.args(["audit", "verify", "--live", "--kubeconfig"]).arg(site.kubeconfig()).current_dir(clone.path());
    let Output { status, stdout, stderr } = command.stdin(Stdio::null()).output().expect("plumb runs");
    let said = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(["refs/notes/plumb/old at ", "refs/notes/plumb/new at "].iter().all(|name| said.contains(name)), "{said}");
}

#[test]
fn under_another_name_of_the_cluster_numbers_begin_anew_and_all_notes_hold() {
    let plane = lab::own();
    let mut daemon = Daemon::start_with(plane, &["--cluster-name", "old"]);
    let site = records::site(plane, "renamed", json!({}));
    let mut commits = Vec::new();
    let mut push = |value: &str| {
        let commit = site.push(&[("app/a.yaml", &config_map("a", "k", value))], &format!("Use {value}"));
        commits.push(commit.clone());
        (commit, commits.clone())
    };
    let (first, _) = push("1");
    site.environment("app", "app", json!({}));
    site.wait_applied("app", &first);
    records::wait_published(&site, "app");

    // A record still waits as the name changes: it goes where its number is.
    let lock = site.repository.path().join("refs/notes/plumb/old.lock");
    fs::write(&lock, "").expect("a lock");
    let (second, _) = push("2");
    site.wait_applied("app", &second);
    let waits = site.status("app")["records"]["pending"].as_array().map_or(0, Vec::len);
    assert_eq!(waits, 1, "{:#}", site.status("app")["records"]);
    daemon.stop();
    fs::remove_file(&lock).expect("a lock");
    daemon.start_again_with(&["--cluster-name", "new"]);
    let (third, all) = push("3");
    site.wait_applied("app", &third);
    let is_new = |cluster: &str| {
        wait::until(&format!("records to be those of {cluster}"), || {
            let records = records::wait_published(&site, "app");
            if records["cluster"] == cluster { Ok(records) } else { Err(format!("{records:#}")) }
        })
    };
    let records = is_new("new");
    assert_eq!((&records["next"], &records["former"][0]["cluster"]), (&json!(2), &json!("old")), "{records:#}");
    assert_eq!((numbers(&site, "old", &all), numbers(&site, "new", &all)), (vec![1, 2], vec![1]));
    verify(&site);

    daemon.stop();
    daemon.start_again_with(&["--cluster-name", "old"]);
    let (fourth, all) = push("4");
    site.wait_applied("app", &fourth);
    assert_eq!(is_new("old")["next"], 4);
    assert_eq!((numbers(&site, "old", &all), numbers(&site, "new", &all)), (vec![1, 2, 3], vec![1]));
    verify(&site);
}
