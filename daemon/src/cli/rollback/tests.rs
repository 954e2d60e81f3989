//! Where a rollback goes without --to, and how far one is.

use serde_json::{Value, json};

use super::*;

fn id(digit: char) -> String {
    digit.to_string().repeat(40)
}

fn attempt(digit: char) -> Value {
    json!({ "commit": id(digit), "inputs": format!("inputs {digit}"), "generation": 1, "at": "" })
}

fn entry(digit: char, result: &str, by: Option<char>) -> Value {
    let revision = json!({ "commit": id(digit), "author": "", "committed": "", "subject": "" });
    let mut entry = json!({ "revision": revision, "at": "", "tookMs": 0, "result": result, "summary": "" });
    if let Some(by) = by {
        entry["rolledBackBy"] = json!(id(by));
    }
    entry
}

fn environment(status: &Value, mode: &str) -> Environment {
    let spec = json!({ "repository": "r", "path": "p", "rollback": { "mode": mode } });
    let value = json!({ "apiVersion": "plumb.dev/v1alpha1", "kind": "Environment",
        "metadata": { "name": "a", "namespace": "b" }, "spec": spec, "status": status });
    serde_json::from_value(value).expect("an Environment")
}

#[test]
fn without_a_commit_it_goes_to_the_last_good_one_with_another_content() {
    #[track_caller]
    fn check(status: Value, expected: Option<char>) {
        let status = environment(&status, "None").status.expect("a status");
        assert_eq!(before(&status).map(|commit| commit.to_string()), expected.map(id));
    }
    let healthy = |digit: char| json!({ "commit": id(digit), "inputs": format!("inputs {digit}"), "generation": 1 });
    check(json!({}), None);
    check(json!({ "lastAttempted": attempt('1'), "history": [entry('1', "Applied", None)] }), None);
    // What is in force is not healthy.
    check(json!({ "lastAttempted": attempt('3'), "lastHealthy": healthy('2') }), Some('2'));
    let applied = [entry('3', "Applied", None), entry('2', "Applied", None), entry('1', "Applied", None)];
    check(json!({ "lastAttempted": attempt('3'), "lastHealthy": healthy('3'), "history": applied }), Some('2'));
    // What was taken back is no goal.
    let taken = [entry('3', "Applied", None), entry('2', "Applied", Some('3')), entry('1', "Applied", None)];
    check(json!({ "lastAttempted": attempt('3'), "lastHealthy": healthy('3'), "history": taken }), Some('1'));
    let held = [
        entry('1', "Restored", None),
        entry('2', "RolledBack", None),
        entry('2', "Applied", None),
        entry('1', "Applied", None),
        entry('0', "Applied", None),
    ];
    check(json!({ "lastAttempted": attempt('1'), "lastHealthy": healthy('1'), "history": held }), Some('0'));
    check(json!({ "lastAttempted": attempt('3'), "history": [entry('2', "Failed", None)] }), None);
}

#[test]
fn it_is_done_when_the_older_commit_is_applied_and_git_has_its_reverts() {
    let target = CommitId::parse(&id('1')).expect("an id");
    let check = |mode: &str, mut status: Value, expected: Progress| {
        let ready = if status["ready"].is_null() { json!("False") } else { status["ready"].take() };
        status["conditions"] = json!([{ "type": "Ready", "status": ready, "lastTransitionTime": "", "reason": "R",
            "message": "so it is" }]);
        if status["handled"].is_null() {
            status["handled"] = json!({ request::ROLLBACK: "mine" });
        }
        assert_eq!(progress(&environment(&status, mode), "mine", &target), expected);
    };
    let text = str::to_owned;
    check("Revert", json!({ "handled": {} }), Progress::Underway(text("waiting for the daemon; so far: so it is")));
    let other = json!({ "refused": { "id": "another", "message": "no" } });
    check("Revert", json!({ "rollback": other }), Progress::Underway(text("a newer commit counts: so it is")));
    check("Revert", json!({ "ready": "True" }), Progress::Ready(text("so it is")));
    let refused = json!({ "refused": { "id": "mine", "message": "it is suspended" } });
    check("Revert", json!({ "rollback": refused }), Progress::Stuck(text("it is suspended")));
    let held = json!({ "healthy": id('1'), "commit": id('3'), "author": "", "subject": "", "reason": "", "since": "" });
    let begun = json!({ "rollback": { "held": held }, "lastAttempted": attempt('3'), "lastApplied": attempt('3') });
    check("Revert", begun, Progress::Underway(text("going back to 1111111: so it is")));
    let restored = |reverting: Value| {
        let mut rollback = json!({ "held": held });
        if !reverting.is_null() {
            rollback["reverting"] = reverting;
        }
        json!({ "rollback": rollback, "lastAttempted": attempt('1'), "lastApplied": attempt('1') })
    };
    let reverting = |progress: &str| json!({ "head": id('3'), "progress": progress, "message": "words" });
    check("Revert", restored(Value::Null), Progress::Underway(text("held at 1111111; the reverts are prepared")));
    check("None", restored(Value::Null), Progress::Ready(text("held at 1111111; Git stays as it is")));
    check("Revert", restored(reverting("Begun")), Progress::Underway(text("held at 1111111; words")));
    check("Revert", restored(reverting("Hindered")), Progress::Stuck(text("held at 1111111; words")));
    check("Revert", restored(reverting("Pushed")), Progress::Ready(text("held at 1111111; words")));
    check("Branch", restored(reverting("Proposed")), Progress::Ready(text("held at 1111111; words")));
    check("Revert", restored(reverting("Stalled")), Progress::Stuck(text("held at 1111111; words")));
}
