//! Every way in which a write can go wrong: the records are in the status once, their numbers without a gap.

use plumb_core::record::{RecordKind, ledger::PENDING_MAX, line::Line};
use proptest::prelude::*;

use super::{
    example::{origin, record},
    *,
};

const NOW: Until = Until::Now(Timestamp::UNIX_EPOCH);

fn notes() -> Keeping {
    Keeping::Notes(origin("repo"))
}

/// What happens on the way to the cluster and back.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// A record is made.
    Record,
    /// One that may share a line with others.
    Repetition,
    /// What is counted gets a number with the next write.
    Settle,
    /// The status is written, and the answer comes back.
    Write,
    /// It is written, and nobody hears of it.
    AnswerLost,
    /// It does not arrive.
    Failed,
    /// It arrives only after the next thing that happens.
    Late,
    /// A watch shows the newest state.
    Watch,
    /// A watch shows the state before the newest.
    WatchOld,
    /// What waits is published and taken out.
    Publish,
    /// Somebody writes the spec.
    Spec,
}

/// The API server's state, by version, and the notes.
struct World {
    versions: Vec<Option<RecordsStatus>>,
    late: Option<(usize, Option<RecordsStatus>)>,
    notes: Vec<Line>,
    until: Until,
}

impl World {
    fn newest(&self) -> (usize, Option<RecordsStatus>) {
        (self.versions.len(), self.versions.last().cloned().flatten())
    }

    /// Writes over one version; returns the new one.
    fn write(&mut self, version: usize, status: Option<RecordsStatus>) -> Option<usize> {
        (version == self.versions.len()).then(|| {
            self.versions.push(status);
            self.versions.len()
        })
    }

    fn publish(&mut self) {
        let (version, read) = self.newest();
        let mut ledger = ledger(read.as_ref());
        let lines = ledger.of("repo");
        ledger.published(&origin("repo").series(), &lines.iter().map(|line| line.sequence).collect());
        for line in lines {
            if !self.notes.iter().any(|there| there.sequence == line.sequence) {
                self.notes.push(line);
            }
        }
        self.write(version, status(&ledger, Some("head".to_owned())));
    }
}

/// Writes as `report::state::put` does: over the version that is known, and after a conflict over what is read.
fn write(world: &mut World, book: &mut Book, known: &mut usize, step: Step) {
    let mut draft = book.draft(&notes(), world.until);
    if *known != world.versions.len() {
        let (version, read) = world.newest();
        book.see(read.as_ref());
        draft = book.draft(&notes(), world.until);
        *known = version;
    }
    match step {
        Step::Write => {
            *known = world.write(*known, draft.clone()).expect("nobody wrote in between");
            book.written(draft.as_ref());
        }
        Step::AnswerLost => drop(world.write(*known, draft)),
        Step::Late => world.late = Some((*known, draft)),
        _ => {}
    }
}

fn watch(world: &World, book: &mut Book, known: &mut usize, back: usize) {
    let version = world.versions.len().saturating_sub(back);
    if version > *known {
        *known = version;
        book.see(world.versions[version - 1].as_ref());
    }
}

fn step() -> impl Strategy<Value = Step> {
    use Step::{AnswerLost, Failed, Late, Publish, Record, Repetition, Settle, Spec, Watch, WatchOld, Write};
    let mut steps = vec![Record, Repetition, Repetition, Settle, Write, Write];
    steps.extend([AnswerLost, Failed, Late, Watch, WatchOld, Publish, Spec]);
    prop::sample::select(steps)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn each_record_is_published_once_and_in_order(steps in prop::collection::vec(step(), 1..40)) {
        let mut world = World { versions: vec![None], late: None, notes: Vec::new(), until: NOW };
        let (mut book, mut known, mut made) = (Book::default(), 1, 0_u64);
        for step in steps {
            let late = world.late.take();
            match step {
                Step::Record => {
                    made += 1;
                    book.add(record(&made.to_string()));
                }
                Step::Repetition => {
                    made += 1;
                    book.add(Record { again: true, ..record(&made.to_string()) });
                }
                Step::Settle => world.until = Until::TheEnd,
                Step::Write | Step::AnswerLost | Step::Failed | Step::Late => write(&mut world, &mut book, &mut known, step),
                Step::Watch => watch(&world, &mut book, &mut known, 0),
                Step::WatchOld => watch(&world, &mut book, &mut known, 1),
                Step::Publish => world.publish(),
                Step::Spec => {
                    let (version, read) = world.newest();
                    world.write(version, read);
                }
            }
            if let Some((version, draft)) = late {
                world.write(version, draft);
            }
        }
        world.until = Until::TheEnd;
        write(&mut world, &mut book, &mut known, Step::Write);
        write(&mut world, &mut book, &mut known, Step::Write);
        world.publish();
        let numbers: Vec<u64> = world.notes.iter().map(|line| line.sequence).collect();
        prop_assert_eq!(numbers, (1..=world.notes.len() as u64).collect::<Vec<_>>());
        let counted: u64 = world.notes.iter().map(|line| line.count.unwrap_or(1)).sum();
        prop_assert_eq!(counted, made);
        // What has a line of its own has its own words, once.
        let whole = world.notes.iter().filter(|line| line.count.is_none()).map(|line| &line.message);
        let told: BTreeSet<&String> = whole.clone().collect();
        prop_assert_eq!(told.len(), whole.count());
    }
}

#[test]
fn without_notes_there_is_neither_a_number_nor_a_list() {
    let mut book = Book::default();
    book.add(record("1"));
    assert_eq!(book.draft(&Keeping::Nowhere("repo".to_owned()), NOW), None);
    book.written(None);
    assert_eq!(book.draft(&notes(), NOW), None, "it was not kept for later");
}

#[test]
fn a_repository_that_is_not_known_loses_nothing() {
    let mut book = Book::default();
    book.add(record("1"));
    let kept = book.draft(&notes(), NOW);
    book.written(kept.as_ref());
    assert_eq!(book.draft(&Keeping::Unknown, NOW), kept);
    let counted = book.draft(&Keeping::Nowhere("repo".to_owned()), NOW).expect("going back to notes goes on counting");
    assert_eq!((counted.next, counted.pending), (2, Vec::new()));
}

#[test]
fn what_is_new_waits_while_the_repository_is_not_known() {
    let mut book = Book::default();
    book.add(record("1"));
    assert_eq!(book.draft(&Keeping::Unknown, NOW), None);
    book.written(None);
    // A watch that lags behind shows what is written already.
    book.see(None);
    let kept = book.draft(&notes(), NOW).expect("it is kept now");
    assert_eq!((kept.next, kept.pending.len()), (2, 1));
}

#[test]
fn a_record_that_rides_on_a_write_that_failed_is_taken_back_with_it() {
    let tried = |arrives: bool| {
        let mut book = Book::default();
        book.add(record("before"));
        let released = record("released");
        book.add(released.clone());
        let draft = book.draft(&notes(), NOW);
        book.take_back(&released);
        book.see(draft.as_ref().filter(|_| arrives));
        let next = book.draft(&notes(), NOW).expect("there is one before it");
        (next.next, next.pending.len())
    };
    assert_eq!(tried(false), (2, 1));
    // The answer was lost: it is there with all that it rode on, and nothing is numbered anew.
    assert_eq!(tried(true), (3, 2));
    let mut book = Book::default();
    book.add(record("other"));
    book.take_back(&record("released"));
    assert!(book.tells(&record("other")), "only that record is taken back");
}

#[test]
fn what_could_not_be_written_is_not_told_again() {
    let mut book = Book::default();
    book.add(record("0123456: 2 created"));
    assert!(book.tells(&record("0123456: nothing to do")), "the commit was applied once");
    let failed = |message: &str| Record { kind: RecordKind::Failed, ..record(message) };
    book.add(failed("a webhook"));
    assert!(book.tells(&failed("a webhook")) && !book.tells(&failed("a quota")));
    let drift = Record { kind: RecordKind::DriftCorrected, ..record("put back") };
    book.add(drift.clone());
    assert!(!book.tells(&drift), "what was done twice happened twice");
    let written = book.draft(&notes(), NOW);
    book.written(written.as_ref());
    assert!(!book.tells(&record("0123456: nothing to do")), "later it is news");
}

#[test]
fn what_waits_for_a_repository_that_publishes_no_more_goes_and_the_rest_stays() {
    let notes = |repository: &str| Keeping::Notes(origin(repository));
    let mut book = Book::default();
    for repository in ["gone", "other", "repo"] {
        book.add(record(repository));
        let kept = book.draft(&notes(repository), NOW);
        book.written(kept.as_ref());
    }
    let names = ["gone", "other", "repo"].map(str::to_owned);
    assert_eq!(book.awaited(), BTreeSet::from(names));
    book.abandon(BTreeSet::from(["gone".to_owned()]));
    let left = book.draft(&notes("repo"), NOW);
    assert_eq!(ledger(left.as_ref()).awaited(), BTreeSet::from(["other".to_owned(), "repo".to_owned()]));
    // Not written: it is tried again.
    assert_eq!(book.draft(&notes("repo"), NOW), left);
    book.written(left.as_ref());
    // What this Repository does not want another one may.
    let left = book.draft(&Keeping::Nowhere("repo".to_owned()), NOW);
    assert_eq!(ledger(left.as_ref()).awaited(), BTreeSet::from(["other".to_owned()]));
}

#[test]
fn what_will_not_be_a_note_is_counted_once() {
    let mut book = Book::default();
    for number in 0..FRESH_MAX + 3 {
        book.add(record(&number.to_string()));
    }
    assert_eq!((book.take_lost(), book.take_lost()), (3, 0));
    let kept = book.draft(&notes(), NOW);
    book.written(kept.as_ref());
    book.draft(&Keeping::Nowhere("repo".to_owned()), NOW);
    assert_eq!(book.take_lost(), 0, "it was not written");
    let kept = book.draft(&Keeping::Nowhere("repo".to_owned()), NOW);
    book.written(kept.as_ref());
    assert_eq!(book.take_lost(), FRESH_MAX as u64, "those with a line of their own and the others");
    // Back and forth between Repositories that take no notes.
    for number in 0..2 * PENDING_MAX {
        book.add(record(&number.to_string()));
        let kept = book.draft(&Keeping::Notes(origin(if number % 2 == 0 { "a" } else { "b" })), NOW);
        book.written(kept.as_ref());
    }
    let lost = book.take_lost();
    assert!(lost > 0, "that is bounded");
    assert_eq!(book.take_lost(), 0);
}

#[test]
fn that_records_are_only_counted_is_told_once() {
    let mut book = Book::default();
    let mut told = Vec::new();
    for number in 0..PENDING_MAX + 3 {
        book.add(record(&number.to_string()));
        let kept = book.draft(&notes(), NOW);
        told.push(book.written(kept.as_ref()));
    }
    assert_eq!(told.iter().position(|told| *told), Some(PENDING_MAX));
    assert_eq!(told.iter().filter(|told| **told).count(), 1);
}
