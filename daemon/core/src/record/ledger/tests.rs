//! Numbers and bounds of the ledger, by cases and by random histories.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{
    commit::CommitId,
    record::{RecordKind, example},
};

fn record(message: &str) -> Record {
    example::record("shop", CommitId::parse(&"1".repeat(40)).expect("an id"), message)
}

fn origin(repository: &str) -> Origin {
    example::origin("env", repository)
}

fn series(repository: &str) -> Series {
    origin(repository).series()
}

fn sequences(ledger: &Ledger, repository: &str) -> Vec<(u64, u64)> {
    ledger.of(repository).iter().map(|line| (line.first(), line.sequence)).collect()
}

#[test]
fn records_are_numbered_from_one() {
    let mut ledger = Ledger::default();
    for _ in 0..3 {
        assert_eq!(ledger.append(&record("x"), &origin("a")), Kept::Whole);
    }
    assert_eq!(sequences(&ledger, "a"), [(1, 1), (2, 2), (3, 3)]);
    ledger.published(&series("a"), &BTreeSet::from([1, 2]));
    assert_eq!(sequences(&ledger, "a"), [(3, 3)]);
    assert_eq!(ledger.next, 4);
}

#[test]
fn what_is_about_no_commit_has_no_number() {
    let mut ledger = Ledger::default();
    assert_eq!(ledger.append(&Record { revision: None, ..record("x") }, &origin("a")), Kept::Nowhere);
    assert_eq!(ledger, Ledger::default());
}

#[test]
fn what_does_not_fit_is_counted_in_one_line_that_is_published_last() {
    let mut ledger = Ledger::default();
    for number in 0..PENDING_MAX + 10 {
        let kept = ledger.append(&record("x"), &origin("a"));
        assert_eq!(kept, if number < PENDING_MAX { Kept::Whole } else { Kept::Counted }, "{number}");
    }
    assert_eq!(ledger.of("a").len(), PENDING_MAX, "what may still change is not for publishing");
    let all = (1..=PENDING_MAX as u64).collect();
    ledger.published(&series("a"), &all);
    assert_eq!(sequences(&ledger, "a"), [(65, 74)]);
    let line = &ledger.of("a")[0];
    assert_eq!((line.kind, line.kinds.get(&RecordKind::Applied)), (RecordKind::RolledUp, Some(&10)));
    assert!(line.message.contains("10 Applied"), "{}", line.message);
    ledger.append(&record("next"), &origin("a"));
    assert_eq!(sequences(&ledger, "a"), [(65, 74), (75, 75)]);
}

#[test]
fn going_back_to_a_repository_goes_on_counting() {
    let mut ledger = Ledger::default();
    ledger.append(&record("x"), &origin("a"));
    ledger.append(&record("x"), &origin("b"));
    ledger.append(&record("x"), &origin("a"));
    assert_eq!(sequences(&ledger, "a"), [(1, 1), (2, 2)]);
    assert_eq!(sequences(&ledger, "b"), [(1, 1)]);
    assert_eq!(ledger.abandon("b").len(), 1);
    assert_eq!(sequences(&ledger, "a"), [(1, 1), (2, 2)]);
}

#[test]
fn what_waits_for_a_former_repository_does_not_stand_in_the_way() {
    let mut ledger = Ledger::default();
    for _ in 0..PENDING_MAX + 10 {
        ledger.append(&record("x"), &origin("a"));
    }
    assert_eq!(ledger.append(&record("x"), &origin("b")), Kept::Counted);
    assert_eq!(ledger.append(&record("x"), &origin("b")), Kept::Counted);
    assert_eq!(sequences(&ledger, "a").last(), Some(&(65, 74)), "what did not fit is final");
    ledger.published(&series("a"), &(1..=PENDING_MAX as u64).collect());
    assert_eq!(sequences(&ledger, "b"), [(1, 2)]);
    // Back and forth with both full: that ends, and is said.
    let mut ledger = Ledger::default();
    for number in 0..PENDING_MAX + FORMER_LINES_MAX + 1 {
        let name = if number < PENDING_MAX || number % 2 == 0 { "a" } else { "b" };
        let kept = if number < PENDING_MAX { Kept::Whole } else { Kept::Counted };
        assert_eq!(ledger.append(&record("x"), &origin(name)), kept, "{number}");
    }
    let before = ledger.clone();
    assert_eq!(ledger.append(&record("x"), &origin("c")), Kept::Crowded);
    assert_eq!(ledger, before, "it has no number");
}

#[test]
fn what_is_published_ends_before_the_first_that_waits() {
    let mut ledger = Ledger::default();
    #[track_caller]
    fn check(ledger: &Ledger, expected: &[(&str, u64)]) {
        let reached: Vec<_> = ledger.reached().into_iter().map(|(of, last)| (of.repository.as_str(), last)).collect();
        assert_eq!(reached, expected);
    }
    check(&ledger, &[]);
    for repository in ["a", "a", "a", "b"] {
        ledger.append(&record("x"), &origin(repository));
    }
    check(&ledger, &[("a", 0), ("b", 0)]);
    ledger.published(&series("a"), &BTreeSet::from([1, 2]));
    check(&ledger, &[("a", 2), ("b", 0)]);
    ledger.published(&series("b"), &BTreeSet::from([1]));
    check(&ledger, &[("a", 2), ("b", 1)]);
}

#[test]
fn under_another_name_of_the_cluster_numbers_begin_anew_and_go_on_when_it_comes_back() {
    let named = |cluster: &str| Origin { cluster: cluster.to_owned(), ..origin("a") };
    let mut ledger = Ledger::default();
    for cluster in ["old", "old", "new", "old", "new"] {
        assert_eq!(ledger.append(&record("x"), &named(cluster)), Kept::Whole);
    }
    let numbers = |ledger: &Ledger, cluster: &str| -> Vec<u64> {
        let lines = ledger.of("a").into_iter().filter(|line| line.cluster == cluster);
        lines.map(|line| line.sequence).collect()
    };
    assert_eq!((numbers(&ledger, "old"), numbers(&ledger, "new")), (vec![1, 2, 3], vec![1, 2]));
    ledger.published(&named("old").series(), &BTreeSet::from([1, 2, 3]));
    assert_eq!((numbers(&ledger, "old"), numbers(&ledger, "new")), (vec![], vec![1, 2]));
    let reached: Vec<_> = ledger.reached().into_iter().map(|(of, last)| (of.cluster.as_str(), last)).collect();
    assert_eq!(reached, [("old", 3), ("new", 0)]);
}

#[test]
fn what_an_older_plumb_has_counted_goes_on_under_the_name_that_there_is() {
    let mut ledger = Ledger::default();
    ledger.append(&record("x"), &origin("a"));
    ledger.append(&record("x"), &origin("b"));
    ledger.series.cluster.clear();
    ledger.former[0].0.cluster.clear();
    ledger.append(&record("x"), &origin("b"));
    ledger.append(&record("x"), &origin("a"));
    assert_eq!((sequences(&ledger, "a"), sequences(&ledger, "b")), (vec![(1, 1), (2, 2)], vec![(1, 1), (2, 2)]));
    assert_eq!((&ledger.series, &ledger.former), (&series("a"), &vec![(series("b"), 3)]));
}

/// What can happen to a ledger.
#[derive(Debug, Clone)]
enum Step {
    Append {
        repository: usize,
        length: usize,
    },
    /// The first lines of a repository get into Git, and the status that says so may be lost.
    Publish {
        repository: usize,
        lines: usize,
        told: bool,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let append = (0..3_usize, 0..3_000_usize).prop_map(|(repository, length)| Step::Append { repository, length });
    let publish = (0..3_usize, 0..80_usize, any::<bool>()).prop_map(|(repository, lines, told)| Step::Publish {
        repository,
        lines,
        told,
    });
    prop::collection::vec(prop_oneof![8 => append, 1 => publish], 0..300)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_happens_each_number_is_in_git_or_pending_exactly_once(steps in steps()) {
        let names = ["a", "b", "c"];
        let mut ledger = Ledger::default();
        let mut git: BTreeMap<(usize, u64), String> = BTreeMap::new();
        let mut numbered = [0_u64; 3];
        for step in steps {
            match step {
                Step::Append { repository, length } => {
                    let kept = ledger.append(&record(&"x".repeat(length)), &origin(names[repository]));
                    numbered[repository] += u64::from(kept != Kept::Crowded);
                }
                Step::Publish { repository, lines, told } => {
                    let waiting = ledger.of(names[repository]);
                    let mut done = BTreeSet::new();
                    for line in waiting.iter().take(lines) {
                        // A line that is there already is skipped; it must be the same one.
                        let known = git.insert((repository, line.sequence), line.text());
                        prop_assert!(known.is_none_or(|known| known == line.text()));
                        done.insert(line.sequence);
                    }
                    if told {
                        ledger.published(&series(names[repository]), &done);
                    }
                }
            }
            prop_assert!(ledger.pending.len() <= PENDING_MAX + FORMER_LINES_MAX);
            let bytes = ledger.pending.iter().chain(&ledger.overflow).map(String::len).sum::<usize>();
            prop_assert!(bytes <= PENDING_BYTES_MAX + FORMER_LINES_MAX * OVERFLOW_BYTES, "{bytes}");
        }
        for (repository, name) in names.iter().enumerate() {
            let mut all: BTreeMap<u64, Line> = ledger.of(name).into_iter().map(|line| (line.sequence, line)).collect();
            for ((_, sequence), text) in git.iter().filter(|((of, _), _)| *of == repository) {
                all.insert(*sequence, Line::parse(text).expect("a line"));
            }
            if let Some(line) = ledger.overflow.as_deref().and_then(|text| Line::parse(text).ok())
                && line.repository == *name {
                    all.insert(line.sequence, line);
                }
            let mut next = 1;
            for line in all.values() {
                prop_assert_eq!(line.first(), next);
                next = line.sequence + 1;
            }
            prop_assert_eq!(next, numbered[repository] + 1);
        }
    }
}
