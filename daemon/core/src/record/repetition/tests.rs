//! Repetitions are counted, nothing else is, and the numbers have no gap.

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::{
    commit::CommitId,
    object::ObjectKey,
    record::{
        Record, RecordKind, example,
        ledger::{Kept, Ledger, PENDING_MAX},
        line::{Line, Origin, Series},
        repetition::{COUNTS_FOR, REPEATED_MAX},
    },
};

fn series() -> Series {
    example::origin("env", "repo").series()
}

/// Returns a ledger that has one record.
fn begun() -> Ledger {
    let mut ledger = Ledger::default();
    append(&mut ledger, &Record { again: false, ..correction("first", '1', 0) });
    ledger
}

/// Returns a correction of an object on a commit, so many minutes after the beginning.
fn correction(name: &str, on: char, minute: i64) -> Record {
    let commit = CommitId::parse(&on.to_string().repeat(40)).expect("an id");
    let at = jiff::Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_mins(minute);
    let key = ObjectKey { group: String::new(), kind: "ConfigMap".to_owned(), namespace: None, name: name.to_owned() };
    let record = example::record("shop", commit, "put back");
    Record { at, kind: RecordKind::DriftCorrected, objects: vec![key], again: true, ..record }
}

fn append(ledger: &mut Ledger, record: &Record) -> Kept {
    ledger.append(record, &example::origin("env", "repo"))
}

fn minute(minute: i64) -> jiff::Timestamp {
    jiff::Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_mins(minute)
}

#[test]
fn corrections_of_the_same_fields_within_an_hour_are_one_line() {
    let mut ledger = Ledger::default();
    let first = Record { again: false, ..correction("a", '1', 0) };
    assert_eq!(append(&mut ledger, &first), Kept::Whole, "the first is told at once");
    for number in 1..=50 {
        assert_eq!(append(&mut ledger, &correction("a", '1', number)), Kept::Repeated);
        assert_eq!(append(&mut ledger, &correction("b", '1', number)), Kept::Repeated, "side by side");
    }
    assert_eq!((ledger.of("repo").len(), ledger.next, ledger.recorded), (1, 2, 101));
    assert_eq!(ledger.settles_at(), Some(minute(1) + COUNTS_FOR));
    ledger.settle(minute(60));
    assert_eq!(ledger.of("repo").len(), 1, "it may still change");
    ledger.settle(minute(61));
    let lines = ledger.of("repo");
    let counted: Vec<(u64, Option<u64>)> = lines.iter().map(|line| (line.sequence, line.count)).collect();
    assert_eq!(counted, [(1, None), (2, Some(50)), (3, Some(50))]);
    assert_eq!((lines[1].since, lines[1].time), (Some(minute(1)), minute(50)));
    assert_eq!(lines[1].message, "50 times since 1970-01-01T00:01:00Z; the last one: put back");
    assert_eq!(ledger.settles_at(), None);
}

#[test]
fn what_differs_is_not_counted_together() {
    let mut ledger = begun();
    let other = Record { who: Some("ann".to_owned()), ..correction("a", '1', 2) };
    for record in [correction("a", '1', 1), other, Record { kind: RecordKind::DriftFound, ..correction("a", '1', 3) }] {
        assert_eq!(append(&mut ledger, &record), Kept::Repeated);
    }
    assert_eq!(ledger.repeated.len(), 3);
    // Another commit ends what was about the one before, and comes after it.
    assert_eq!(append(&mut ledger, &Record { again: false, ..correction("a", '2', 4) }), Kept::Whole);
    let lines = ledger.of("repo");
    let commits: String = lines.iter().map(|line| &line.commit.as_str()[..1]).collect();
    assert_eq!((ledger.repeated.len(), commits.as_str()), (0, "11112"));
    assert!(lines.iter().all(|line| line.count.is_none() && line.since.is_none()), "each happened once");
}

#[test]
fn what_counts_is_bounded_and_goes_with_its_repository() {
    let mut ledger = begun();
    for number in 0..REPEATED_MAX {
        assert_eq!(append(&mut ledger, &correction(&number.to_string(), '1', 0)), Kept::Repeated);
    }
    assert_eq!(append(&mut ledger, &correction("more", '1', 0)), Kept::Whole);
    assert!(!ledger.is_empty() && ledger.awaited().contains("repo"));
    let mut gone = ledger.clone();
    assert_eq!((gone.abandon("repo").len(), gone.is_empty(), gone.recorded), (REPEATED_MAX + 2, true, 18));
    let kept = ledger.append(&correction("1", '1', 0), &example::origin("env", "other"));
    assert_eq!(kept, Kept::Whole, "another Repository has nothing yet that it would repeat");
    assert_eq!((ledger.of("repo").len(), ledger.of("other").len()), (REPEATED_MAX + 2, 1));
    assert_eq!(ledger.former, [(series(), 19)]);
    // Under another name of the cluster there is nothing either: what was counted is in the other ref.
    let mut renamed = begun();
    assert_eq!(append(&mut renamed, &correction("a", '1', 0)), Kept::Repeated);
    let origin = Origin { cluster: "another".to_owned(), ..example::origin("env", "repo") };
    assert_eq!(renamed.append(&correction("a", '1', 0), &origin), Kept::Whole);
    let numbers: Vec<_> = renamed.of("repo").into_iter().map(|line| (line.cluster, line.sequence)).collect();
    let expected = [("eu-1", 1), ("eu-1", 2), ("another", 1)].map(|(cluster, number)| (cluster.to_owned(), number));
    assert_eq!((numbers, renamed.repeated.len()), (expected.to_vec(), 0));
}

proptest! {
    #[test]
    fn every_correction_is_counted_once_and_numbers_have_no_gap(
        steps in prop::collection::vec((0..4_usize, 0..3_usize, any::<bool>(), 0..40_i64), 0..200),
    ) {
        let (mut ledger, mut git, mut now) = (Ledger::default(), Vec::<Line>::new(), 0);
        for (object, on, again, later) in &steps {
            now += later;
            let record = correction(&object.to_string(), ['1', '1', '2'][*on], now);
            append(&mut ledger, &Record { again: *again, ..record });
            ledger.settle(minute(now));
            if later % 7 == 0 {
                git.extend(ledger.of("repo"));
                let done: BTreeSet<u64> = ledger.of("repo").iter().map(|line| line.sequence).collect();
                ledger.published(&series(), &done);
            }
            prop_assert!(ledger.pending.len() <= PENDING_MAX && ledger.repeated.len() <= REPEATED_MAX);
        }
        ledger.settle_all();
        for _ in 0..2 {
            git.extend(ledger.of("repo"));
            let done: BTreeSet<u64> = ledger.of("repo").iter().map(|line| line.sequence).collect();
            ledger.published(&series(), &done);
        }
        prop_assert!(ledger.is_empty());
        let mut next = 1;
        for line in &git {
            prop_assert_eq!(line.first(), next);
            next = line.sequence + 1;
        }
        if git.iter().all(|line| line.kind != RecordKind::RolledUp) {
            let all: u64 = git.iter().map(|line| line.count.unwrap_or(1)).sum();
            prop_assert_eq!(all, steps.len() as u64);
        }
    }
}
