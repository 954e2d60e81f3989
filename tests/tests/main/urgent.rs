//! A rollback is told at once: its note does not wait until ten seconds have passed since the push before.

use serde_json::json;
use system_tests::{
    canary::plumb,
    daemon,
    site::{Site, config_map},
    wait,
};

use super::records::{kinds, notes_ref, records, site, wait_for_kind};

/// Rollbacks that are tried: on a busy machine the pause may be over before one of them has begun.
const ROUNDS: usize = 8;
/// Seconds between commits of the notes ref of which the second has waited for the pause of ten seconds to end, at least. Git
/// knows whole seconds, and the pause begins when the first was pushed, which is after it was made.
const PAUSE: i64 = 10;

fn push(site: &Site, value: &str) -> String {
    let commit = site.push(&[("app/a.yaml", &config_map("a", "k", value))], &format!("Set {value}"));
    site.wait_applied("app", &commit);
    commit
}

/// Returns the seconds between the commit of the notes ref that brought the record `Held` on a commit, and the one before it.
fn waited(site: &Site, commit: &str) -> i64 {
    let (name, _) = notes_ref(site).expect("a notes ref");
    let note = format!("{}/{}", &commit[..2], &commit[2..]);
    let log = ["log", "--first-parent", "--reverse", "--format=%ct %P", r#"-S"kind":"Held""#, &name, "--", &note];
    let log = site.repository.git(&log).expect("a log");
    let (time, before) = log.lines().next().and_then(|line| line.split_once(' ')).expect("the commit that brought it");
    let before = site.repository.git(&["log", "-1", "--format=%ct", before]).expect("the commit before");
    let second = |text: &str| text.trim().parse::<i64>().expect("a time");
    second(time) - second(&before)
}

#[test]
fn the_note_of_a_rollback_does_not_wait_for_the_pause_between_pushes() {
    daemon::shared();
    let site = site(lab::shared(), "urgent", json!({}));
    site.environment("app", "app", json!({}));
    let first = push(&site, "first");
    let mut met = Vec::new();
    for round in 0..ROUNDS {
        let bad = push(&site, &format!("round {round}"));
        // An ordinary record, whose push begins the pause.
        let by = format!("--field-manager=round-{round}");
        let patch = r#"{"data":{"k":"by hand"}}"#;
        site.kubectl(&["patch", "configmap", "a", &by, "--type=merge", "--patch", patch]).expect("a drift");
        wait_for_kind(&site, &bad, "DriftCorrected");
        let said = plumb(&site, &["rollback", "app", "--to", &first]);
        wait::until("the record of the rollback", || {
            let noted = kinds(&records(&site, &bad));
            if noted.iter().any(|kind| kind == "Held") { Ok(()) } else { Err(format!("{noted:?}: {said:?}")) }
        });
        met.push(waited(&site, &bad));
        if met.last() < Some(&PAUSE) {
            return;
        }
    }
    panic!("each of {ROUNDS} rollbacks has waited for the pause: {met:?} seconds since the push before");
}
