//! Every way in which a write can go wrong: the records are in the status once, their numbers without a gap.

use plumb_core::{
    commit::{CommitId, Revision},
    environment::EnvironmentName,
    record::{RecordKind, line::Line},
};
use proptest::prelude::*;

use super::*;

fn record(message: &str) -> Record {
    Record::new(
        jiff::Timestamp::UNIX_EPOCH,
        EnvironmentName::new("team", "shop"),
        Some(Revision {
            reference: None,
            commit: CommitId::parse(&"a".repeat(40)).expect("an id"),
            author: "Ann <ann@example.com>".to_owned(),
            committed: jiff::Timestamp::UNIX_EPOCH,
            subject: "More".to_owned(),
            signer: None,
        }),
        RecordKind::Applied,
        message.to_owned(),
    )
}

fn notes() -> Keeping {
    Keeping::Notes(Origin { cluster: "lab".to_owned(), environment: "env".to_owned(), repository: "repo".to_owned() })
}

/// What happens on the way to the cluster and back.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// A record is made.
    Record,
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
        ledger.published("repo", &lines.iter().map(|line| line.sequence).collect());
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
    let mut draft = book.draft(&notes());
    if *known != world.versions.len() {
        let (version, read) = world.newest();
        book.see(read.as_ref());
        draft = book.draft(&notes());
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
    use Step::{AnswerLost, Failed, Late, Publish, Record, Spec, Watch, WatchOld, Write};
    prop::sample::select(vec![Record, Record, Write, AnswerLost, Failed, Late, Watch, WatchOld, Publish, Spec])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn each_record_is_published_once_and_in_order(steps in prop::collection::vec(step(), 1..40)) {
        let mut world = World { versions: vec![None], late: None, notes: Vec::new() };
        let (mut book, mut known, mut made) = (Book::default(), 1, 0);
        for step in steps {
            let late = world.late.take();
            match step {
                Step::Record => {
                    made += 1;
                    book.add(record(&made.to_string()));
                }
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
        write(&mut world, &mut book, &mut known, Step::Write);
        world.publish();
        let found: Vec<(u64, String)> = world.notes.iter().map(|line| (line.sequence, line.message.clone())).collect();
        let expected: Vec<(u64, String)> = (1..=made).map(|number| (number, number.to_string())).collect();
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn without_notes_there_is_neither_a_number_nor_a_list() {
    let mut book = Book::default();
    book.add(record("1"));
    assert_eq!(book.draft(&Keeping::Nowhere), None);
    book.written(None);
    assert_eq!(book.draft(&notes()), None, "it was not kept for later");
}

#[test]
fn a_repository_that_is_not_known_loses_nothing() {
    let mut book = Book::default();
    book.add(record("1"));
    let kept = book.draft(&notes());
    book.written(kept.as_ref());
    assert_eq!(book.draft(&Keeping::Unknown), kept);
    let counted = book.draft(&Keeping::Nowhere).expect("going back to notes goes on counting");
    assert_eq!((counted.next, counted.pending), (2, Vec::new()));
}
