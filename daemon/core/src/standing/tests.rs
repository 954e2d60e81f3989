//! The verdict on an environment: one row for each kind of trouble, and which one names the reason.

use super::{Facts, Gated, LINE_LENGTH_MAX, PROBLEMS_MAX, Waited, stand};
use crate::{
    claims::Stance,
    class::Class,
    commit::{CommitId, RepoPath, Revision},
    dependency::Unmet,
    environment::EnvironmentName,
    gate::Wait,
    health::HealthStatus,
    object::{ObjectKey, Origin},
    operation::Failure,
    plan::{Refusal, Why},
    problem::Problem,
    rollback::{
        hold::Hold,
        pushing::{Progress, Reverting},
    },
};

fn failure(class: Class) -> Failure {
    Failure { class, message: "ConfigMap shop/a: refused".into() }
}

fn problem(message: &str) -> Problem {
    let origin = Origin { file: RepoPath::parse("a.yaml").expect("a path"), line: 1, column: 1 };
    Problem { origin, message: message.into(), remedy: String::new() }
}

fn refusal(why: Why) -> Refusal {
    let key = ObjectKey { group: String::new(), kind: "ConfigMap".into(), namespace: None, name: "a".into() };
    Refusal { key: Some(key), why }
}

fn gated(wait: Wait, kept: bool) -> Gated {
    Gated { commit: CommitId::parse(&"a".repeat(40)).expect("an id"), wait, kept, unread: None }
}

fn other() -> EnvironmentName {
    EnvironmentName::new("team", "other")
}

fn unknown() -> Why {
    Why::Unknown { reason: "its watch is not synced".into() }
}

/// Expects the reason and which of ready, reconciling and stalled hold.
#[track_caller]
fn check(expected: (&str, &str), change: impl FnOnce(&mut Facts)) {
    let mut facts = Facts { health: vec![(HealthStatus::Current, String::new())], ..Facts::default() };
    change(&mut facts);
    let standing = stand(&facts);
    let flags = [(standing.ready, "ready"), (standing.reconciling, "reconciling"), (standing.stalled, "stalled")];
    let flags: Vec<_> = flags.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect();
    assert_eq!((standing.reason, flags.join(" ").as_str()), expected, "{}", standing.message);
}

#[test]
fn every_trouble_has_a_reason_and_says_who_has_to_act() {
    check(("Applied", "ready"), |_| {});
    check(("SourceNotReady", "reconciling"), |f| f.source = Some(failure(Class::Retry)));
    check(("SourceNotReady", "stalled"), |f| f.source = Some(failure(Class::Wait)));
    check(("InvalidFiles", "stalled"), |f| f.problems = vec![problem("bad")]);
    check(("InvalidFiles", "reconciling"), |f| (f.problems, f.problems_unknown) = (vec![problem("bad")], true));
    check(("Blocked", "stalled"), |f| f.refusals = vec![refusal(Why::Emptied { inventory: 3 })]);
    let limit = Why::PruneLimit { count: 9, inventory: 10, percent: 25 };
    check(("Blocked", "stalled"), |f| f.refusals = vec![refusal(limit)]);
    check(("ApplyFailed", "reconciling"), |f| f.failures = vec![failure(Class::Wait), failure(Class::Retry)]);
    check(("ApplyFailed", "stalled"), |f| f.failures = vec![failure(Class::Wait)]);
    check(("Unhealthy", "stalled"), |f| f.health.push((HealthStatus::Failed, "Pod a: crashed".into())));
    for status in [HealthStatus::InProgress, HealthStatus::Terminating, HealthStatus::Unknown] {
        check(("Progressing", "reconciling"), |f| f.health.push((status, "Pod a: starting".into())));
    }
    let late = |f: &mut Facts| f.wait = Waited { held: Some("2 wait".into()), late: Some("5m".into()) };
    check(("Applied", "ready"), |f| f.wait.late = Some("5m".into()));
    check(("Progressing", "reconciling"), |f| f.wait.held = Some("2 wait".into()));
    check(("HealthTimeout", "stalled"), |f| {
        f.health.push((HealthStatus::InProgress, "Pod a: starting".into()));
        late(f);
    });
    check(("Unhealthy", "stalled"), |f| {
        f.health.push((HealthStatus::Failed, "Pod a: crashed".into()));
        late(f);
    });
    check(("Drifted", "stalled"), |f| f.drifted = vec!["ConfigMap a: differs".into()]);
    check(("Suspended", ""), |f| f.suspended = true);
    check(("Suspended", ""), |f| (f.suspended, f.source) = (true, Some(failure(Class::Retry))));
}

#[test]
fn a_rollback_waits_for_a_person_unless_its_revert_is_on_its_way() {
    let commit = || CommitId::parse(&"a".repeat(40)).expect("an id");
    #[track_caller]
    fn check_with(wait: Wait, reverting: Option<Reverting>, flag: &str, said: &str) {
        let facts = Facts { gated: Some(gated(wait, true)), reverting, ..Facts::default() };
        check(("RolledBack", flag), |f| f.clone_from(&facts));
        let message = stand(&facts).message;
        assert!(message.lines().last().is_some_and(|line| line.starts_with(said)), "{message}");
    }
    let hold = || Hold {
        healthy: CommitId::parse(&"b".repeat(40)).expect("an id"),
        commit: commit(),
        author: String::new(),
        subject: String::new(),
        reason: String::new(),
        since: jiff::Timestamp::UNIX_EPOCH,
        records: None,
        by: None,
    };
    let held = |progress: Option<Progress>, flag, said| {
        let reverting = |progress| Reverting::new(commit(), progress, "so it is".into());
        check_with(Wait::RolledBack(Box::new(hold())), progress.map(reverting), flag, said);
    };
    held(None, "stalled", "push a commit with another content");
    held(Some(Progress::Begun), "reconciling", "so it is");
    held(Some(Progress::Pushed), "reconciling", "so it is");
    held(Some(Progress::Hindered), "stalled", "so it is");
    held(Some(Progress::Proposed), "stalled", "so it is");
    held(Some(Progress::Stalled), "stalled", "so it is");
    check_with(Wait::Quarantined(commit()), None, "stalled", "push a commit with another content");
    let wrong = Gated {
        commit: CommitId::parse(&"c".repeat(40)).expect("an id"),
        unread: Some("a.yaml:1:1: no YAML".into()),
        ..gated(Wait::RolledBack(Box::new(hold())), true)
    };
    let told = stand(&Facts { gated: Some(wrong), ..Facts::default() });
    assert!(told.message.contains("ccccccc can't be applied: a.yaml:1:1: no YAML"), "{}", told.message);
    assert!(!told.message.contains("has the content of"), "{}", told.message);
}

#[test]
fn a_refusal_is_harmless_or_passes_or_waits_for_a_person() {
    let claimed = || Why::Claimed { by: other(), owner: None };
    let awaited = |stance| Why::Awaited { from: other(), stance };
    let contested = [Why::Contested { by: other() }, Why::Wanted { by: vec![other()] }];
    let meant = [Why::PruneOff, Why::Protected, Why::Suspended { writes: 1 }, Why::Deleting];
    for why in meant.into_iter().chain(contested) {
        check(("Applied", "ready"), |f| f.refusals = vec![refusal(why)]);
    }
    let others = [Why::Undecided { other: other() }, Why::HandingOver { to: other() }];
    for why in others.into_iter().chain([awaited(Stance::Gives), awaited(Stance::Undecided)]) {
        check(("Progressing", "reconciling"), |f| f.refusals = vec![refusal(why)]);
    }
    for why in [unknown(), Why::HoldsUnknown, Why::Unrecorded, Why::Incomplete { problems: 1 }] {
        check(("Refused", "reconciling"), |f| f.refusals = vec![refusal(why)]);
    }
    let waiting = [
        claimed(),
        awaited(Stance::Suspended),
        awaited(Stance::Unreadable),
        Why::ForeignLabel,
        Why::Owned { by: "Database a".into() },
        Why::Malformed { value: "no".into() },
        Why::Holds { objects: Vec::new() },
        Why::HoldsOwn { objects: Vec::new() },
    ];
    for why in waiting {
        check(("Refused", "stalled"), |f| f.refusals = vec![refusal(why.clone())]);
        check(("Refused", "stalled"), |f| f.refusals = vec![refusal(unknown()), refusal(why)]);
    }
    check(("Refused", "reconciling"), |f| f.refusals = vec![refusal(Why::PruneOff), refusal(unknown())]);
}

#[test]
fn the_worst_trouble_names_the_reason_and_all_of_it_is_told() {
    let mut facts = Facts {
        source: Some(failure(Class::Retry)),
        problems: vec![problem("bad")],
        refusals: vec![refusal(Why::Emptied { inventory: 3 }), refusal(Why::ForeignLabel)],
        failures: vec![failure(Class::Wait)],
        drifted: vec!["drifted".into()],
        health: vec![(HealthStatus::Failed, "failed".into()), (HealthStatus::InProgress, "starting".into())],
        ..Facts::default()
    };
    let mut reasons = Vec::new();
    let steps: [fn(&mut Facts); 8] = [
        |_| {},
        |f| f.source = None,
        |f| f.problems.clear(),
        |f| _ = f.refusals.remove(0),
        |f| f.failures.clear(),
        |f| f.refusals.clear(),
        |f| _ = f.health.remove(0),
        |f| f.health.clear(),
    ];
    for (step, lines) in steps.iter().zip((1..=8).rev()) {
        step(&mut facts);
        let standing = stand(&facts);
        assert_eq!(standing.problems.len(), lines, "{:?}", standing.problems);
        reasons.push(standing.reason);
    }
    let expected =
        ["SourceNotReady", "InvalidFiles", "Blocked", "ApplyFailed", "Refused", "Unhealthy", "Progressing", "Drifted"];
    assert_eq!(reasons, expected);
}

#[test]
fn messages_are_sentences_with_the_next_step() {
    let revision = Revision {
        reference: None,
        commit: CommitId::parse(&"a".repeat(40)).expect("an id"),
        author: "A <a@example.com>".into(),
        committed: jiff::Timestamp::UNIX_EPOCH,
        subject: "subject".into(),
        signer: None,
    };
    let check = |facts: Facts, expected: &str| {
        assert_eq!(stand(&Facts { revision: Some(revision.clone()), ..facts }).message, expected);
    };
    let health = vec![(HealthStatus::Current, String::new()); 3];
    check(Facts { health, ..Facts::default() }, "3 object(s) as in Git at aaaaaaa, all healthy");
    check(
        Facts { suspended: true, ..Facts::default() },
        "suspended at aaaaaaa: drift is reported, nothing is written (plumb resume)",
    );
    check(
        Facts {
            environment: "team/shop".into(),
            refusals: vec![Refusal { key: None, why: Why::Emptied { inventory: 3 } }],
            ..Facts::default()
        },
        "this commit renders to no objects at all, and the environment owns 3; nothing is pruned until it is allowed \
         (plumb allow team/shop --prune aaaaaaa)",
    );
    let drifted = ["one", "two", "three", "four", "five"].map(str::to_owned).to_vec();
    check(Facts { drifted, ..Facts::default() }, "one\ntwo\nthree\nand 2 more (plumb status shows them)");
}

#[test]
fn what_a_status_keeps_is_bounded() {
    let drifted = vec!["ü".repeat(LINE_LENGTH_MAX + 1); PROBLEMS_MAX + 5];
    let standing = stand(&Facts { drifted, ..Facts::default() });
    assert_eq!(standing.problems.len(), PROBLEMS_MAX);
    assert!(standing.problems.iter().all(|line| line.chars().count() == LINE_LENGTH_MAX + 1 && line.ends_with('…')));
    assert!(standing.message.ends_with(&format!("and {} more (plumb status shows them)", PROBLEMS_MAX + 2)));
}

#[test]
fn a_commit_that_waits_is_told_and_only_a_planned_wait_is_no_trouble() {
    let opens: jiff::Timestamp = "2026-11-21T09:00:00Z".parse().expect("a time");
    let window = |opens, kept| Some(gated(Wait::Window(opens), kept));
    let unmet = |unmet, kept| Some(gated(Wait::Dependency(unmet), kept));
    check(("WindowClosed", "ready"), |f| f.gated = window(Some(opens), true));
    check(("WindowClosed", "reconciling"), |f| f.gated = window(Some(opens), false));
    check(("WindowClosed", "stalled"), |f| f.gated = window(None, true));
    check(("DependencyNotReady", "reconciling"), |f| f.gated = unmet(Unmet::Behind(other()), true));
    check(("DependencyNotReady", "stalled"), |f| f.gated = unmet(Unmet::Missing(other()), false));
    check(("Drifted", "stalled"), |f| {
        (f.gated, f.drifted) = (window(Some(opens), true), vec!["ConfigMap a".into()]);
    });
    let facts = Facts { gated: window(Some(opens), true), ..Facts::default() };
    let message = "0 object(s) as in Git, all healthy; aaaaaaa waits for its window, which opens at 2026-11-21T09:00:00Z \
                   (plumb sync --now)";
    assert_eq!(stand(&facts).message, message);
}
