//! Histories of a branch, told in a table and drawn at random, and what they build.

use std::slice;

use proptest::prelude::*;

use super::*;

fn commit(number: usize) -> CommitId {
    CommitId::parse(&format!("{number:040x}")).expect("an id")
}

fn inputs(text: &str) -> InputsDigest {
    InputsDigest(text.to_owned())
}

fn dealt(words: &str) -> Dealt {
    Dealt(words.split_whitespace().map(inputs).collect())
}

/// Reads a history, oldest first: `person:A skip:B image:B2 revert:A`, each with what the component reads from then on (`-`: no
/// files; nothing: it was not read).
fn history(text: &str) -> (Vec<Step>, Readings) {
    let (mut steps, mut readings) = (Vec::new(), Readings::new());
    for (number, word) in text.split_whitespace().enumerate() {
        let (part, reads) = word.split_once(':').unwrap_or((word, ""));
        let part = match part {
            "person" => Part::Change,
            "skip" => Part::Skip,
            "image" => Part::WriteBack,
            "revert" => Part::Revert,
            other => panic!("no part {other}"),
        };
        steps.insert(0, Step { commit: commit(number), part });
        if !reads.is_empty() {
            readings.insert(commit(number), (reads != "-").then(|| inputs(reads)));
        }
    }
    (steps, readings)
}

fn build(at: usize, reads: &str) -> Wanted {
    Wanted::Build { commit: commit(at), inputs: inputs(reads) }
}

fn passed(at: usize, reads: &str, counts: &str) -> Wanted {
    Wanted::Passed { commit: commit(at), inputs: inputs(reads), dealt: dealt(counts) }
}

fn built(counts: &str) -> Wanted {
    Wanted::Built(dealt(counts))
}

#[test]
fn a_history_builds_what_persons_changed() {
    #[track_caller]
    fn check(before: &str, text: &str, expected: &Wanted) {
        let (steps, readings) = history(text);
        assert_eq!(wanted(&steps, &readings, &dealt(before)), *expected);
    }
    // The first sight, and what is known already.
    check("", "person:A", &build(0, "A"));
    check("", "person:-", &Wanted::Absent);
    check("", "person", &Wanted::Unknown);
    check("", "", &Wanted::Unknown);
    check("", "image:A", &build(0, "A"));
    check("", "person:A image:A2", &build(0, "A"));
    check("", "skip:A", &passed(0, "A", "A"));
    check("A", "person:A", &built("A"));
    check("A", "person:-", &Wanted::Absent);
    // Persons.
    check("A", "person:A person:B", &build(1, "B"));
    check("A", "person:A person:B person:C", &build(2, "C"));
    check("A", "person:A person:B person:B", &build(2, "B"));
    check("A", "person:A person person:A", &built("A"));
    check("A", "person:B", &build(0, "B"));
    // A write-back inside what the component reads does not build it, then or later.
    check("A", "person:A image:A2", &built("A2 A"));
    check("A2 A", "person:A image:A2", &built("A2 A"));
    check("A", "person:A image:A2 person:A2", &built("A2 A"));
    check("A", "person:A image:A2 person:A2 image:A3", &built("A3 A2 A"));
    check("A", "person:A image:A", &built("A"));
    // A person's change right below it is built once, at the person's commit.
    check("A", "person:A person:B image:B", &build(1, "B"));
    check("A", "person:A person:B image:B2", &build(1, "B"));
    check("A", "person:A person:B image:B2 person:B2", &build(3, "B2"));
    check("A", "person:A image:A2 person:B image:B2", &build(2, "B"));
    check("B", "person:B image:B2", &built("B2 B"));
    check("B2", "person:B2 image:B3", &built("B3 B2"));
    // A person who takes a write-back back is not answered with another one; a change on top is one.
    check("A2 A", "person:A image:A2 person:A", &built("A2 A"));
    check("A2 A", "person:A image:A2 person:B", &build(2, "B"));
    // A revert of plumb's own builds nothing; a person who brings it back does.
    check("A", "person:A person:B revert:A", &built("A"));
    check("B", "person:B revert:A", &built("A"));
    check("A", "person:B revert:A person:B", &build(2, "B"));
    check("B2 B", "person:B image:B2 revert:A person:A", &built("A"));
    // What was not built yet below a revert is built as it is now.
    check("A", "person:A person:B person:C revert:B", &build(3, "B"));
    check("A", "person:A person:B person:C revert:B image:B2", &build(3, "B"));
    // Passed over: the newest commit of a person asks for it.
    check("A", "person:A skip:B", &passed(1, "B", "B A"));
    check("B A", "person:A skip:B person:B", &built("B A"));
    check("A", "person:A skip:B person:B", &built("B A"));
    check("A", "person:A skip:B person:C", &build(2, "C"));
    check("A", "person:A skip:B image:B2", &passed(1, "B", "B2 B A"));
    check("A", "person:A skip:A", &built("A"));
    check("A", "person:A skip:B revert:A", &built("A"));
    // The marker on the head is for everything below it that waits, as for one push; further down it is for its own commit.
    check("A", "person:A person:B skip:C", &passed(2, "C", "C"));
    check("A", "person:A person:B skip:B", &passed(2, "B", "B"));
    check("A", "person:A person:B skip:C person:C", &build(3, "C"));
    check("A", "person:A person:B skip:C image:C2", &passed(2, "C", "C2 C"));
    // Files that come and go.
    check("A", "person:A person:- image:X", &Wanted::Absent);
    check("A", "person:- image:X person:X", &built("X A"));
    check("A", "person:- person:A", &built("A"));
    // What was not read counts as a person's: it is built rather than lost.
    check("A", "person image:A2 person:A2", &build(2, "A2"));
    check("A", "image:A2 person:A2", &build(1, "A2"));
    check("A", "person:A image person:A2", &build(2, "A2"));
}

#[test]
fn what_counts_as_built_is_bounded_and_keeps_what_was_built() {
    let mut text = "person:0".to_owned();
    (1..20).for_each(|n| text.push_str(&format!(" image:{n}")));
    let (steps, readings) = history(&text);
    assert_eq!(wanted(&steps, &readings, &dealt("0")), built("19 18 17 16 15 14 13 0"));
    let digests = || (0..20).map(|n| inputs(&n.to_string()));
    assert_eq!(Dealt::of(digests()).digests(), digests().take(DEALT_MAX).collect::<Vec<_>>());
    assert_eq!(Dealt::of([inputs("b"), inputs("a"), inputs("b")]), dealt("a b"));
}

#[test]
fn what_is_read_is_what_decides() {
    #[track_caller]
    fn check(text: &str, expected: &[usize]) {
        let (steps, _) = history(text);
        let read: Vec<CommitId> = to_read(&steps).into_iter().cloned().collect();
        assert_eq!(read, expected.iter().map(|number| commit(*number)).collect::<Vec<_>>());
    }
    check("", &[]);
    check("person", &[0]);
    check("person person person", &[2]);
    check("person image", &[1, 0]);
    check("image", &[0]);
    check("person person image image person person", &[5, 3, 2, 1]);
    check("person person person revert skip image", &[5, 4, 3, 2]);
    let long = "person image ".repeat(STEPS_MAX / 2);
    let (steps, _) = history(&long);
    assert_eq!(to_read(&steps).len(), READ_MAX);
    assert_eq!(to_read(&steps)[0], &steps[0].commit);
}

#[test]
fn a_write_back_never_decides_where_there_is_another_commit() {
    #[track_caller]
    fn check(text: &str, expected: usize) {
        assert_eq!(decisive(&history(text).0), expected);
    }
    check("person", 0);
    check("person image image", 2);
    check("skip image", 1);
    check("person revert image", 1);
    check("image image", 0);
    check("", 0);
}

/// What happens to a branch. The component reads two files: the source, and the image that plumb writes.
#[derive(Debug, Clone)]
enum Event {
    Source(u8),
    Elsewhere,
    Skip(u8),
    WriteBack(u8),
    /// A person writes the image.
    Pin(u8),
    /// plumb takes the branch back to how it was so many commits ago.
    Revert(usize),
    /// plumb looks; whether a build that is wanted begins (or waits in the queue).
    Look(bool),
}

fn events(all: bool) -> BoxedStrategy<Vec<Event>> {
    let quiet = prop_oneof![
        3 => (0..3u8).prop_map(Event::Source),
        2 => Just(Event::Elsewhere),
        3 => (0..4u8).prop_map(Event::WriteBack),
        1 => (0..4u8).prop_map(Event::Pin),
        4 => any::<bool>().prop_map(Event::Look),
    ];
    let loud = prop_oneof![
        6 => quiet.clone(),
        1 => (0..3u8).prop_map(Event::Skip),
        1 => (1..4usize).prop_map(Event::Revert),
    ];
    if all { prop::collection::vec(loud, 1..25).boxed() } else { prop::collection::vec(quiet, 1..25).boxed() }
}

/// A commit of the history, with what the component reads there.
#[derive(Debug, Clone)]
struct Known {
    step: Step,
    tree: (u8, u8),
}

fn reads(tree: (u8, u8)) -> InputsDigest {
    inputs(&format!("{}.{}", tree.0, tree.1))
}

/// What plumb knows, and what the test knows about it.
struct World {
    history: Vec<Known>,
    dealt: Dealt,
    /// The commit with which that was remembered.
    base: usize,
    /// The source that was built last; none: nothing was.
    source: Option<u8>,
    /// The newest commit at which nothing was left to build.
    settled: Option<usize>,
}

impl World {
    fn new() -> Self {
        let mut world = Self { history: Vec::new(), dealt: Dealt::default(), base: 0, source: None, settled: None };
        world.commit(Part::Change, (0, 0));
        world
    }

    fn commit(&mut self, part: Part, tree: (u8, u8)) {
        self.history.push(Known { step: Step { commit: commit(self.history.len()), part }, tree });
    }

    fn tree(&self) -> (u8, u8) {
        self.history.last().expect("a commit").tree
    }

    fn apply(&mut self, event: &Event) {
        let (source, image) = self.tree();
        match event {
            Event::Source(new) => self.commit(Part::Change, (*new, image)),
            Event::Elsewhere => self.commit(Part::Change, (source, image)),
            Event::Skip(new) => self.commit(Part::Skip, (*new, image)),
            Event::WriteBack(new) => self.commit(Part::WriteBack, (source, *new)),
            Event::Pin(new) => self.commit(Part::Change, (source, *new)),
            Event::Revert(back) => {
                let before = self.history[self.history.len().saturating_sub(back + 1)].tree;
                self.commit(Part::Revert, before);
            }
            Event::Look(_) => {}
        }
    }

    fn wanted(&self) -> Wanted {
        let steps: Vec<Step> = self.history[self.base..].iter().rev().map(|known| known.step.clone()).collect();
        let read: Vec<&CommitId> = to_read(&steps);
        let known = self.history.iter().filter(|known| read.contains(&&known.step.commit));
        let readings = known.map(|known| (known.step.commit.clone(), Some(reads(known.tree)))).collect();
        wanted(&steps, &readings, &self.dealt)
    }

    fn position(&self, commit: &CommitId) -> usize {
        self.history.iter().position(|known| known.step.commit == *commit).expect("a commit of the branch")
    }

    fn look(&mut self, begins: bool) -> Wanted {
        let wanted = self.wanted();
        let head = self.history.len() - 1;
        match &wanted {
            Wanted::Built(dealt) => {
                if *dealt != self.dealt {
                    self.dealt = dealt.clone();
                    self.base = head;
                }
                self.settled = Some(head);
            }
            Wanted::Passed { commit, dealt, .. } => {
                self.base = self.position(commit);
                self.dealt = dealt.clone();
                self.settled = Some(head);
            }
            Wanted::Build { commit, inputs } if begins => {
                self.base = self.position(commit);
                self.dealt = Dealt::only(inputs.clone());
                self.source = Some(self.history[self.base].tree.0);
                self.settled = Some(head);
            }
            Wanted::Build { .. } | Wanted::Absent | Wanted::Unknown => {}
        }
        wanted
    }

    /// Returns whether a person has changed what the component reads since nothing was left to build.
    fn changed_by_a_person(&self) -> bool {
        let Some(settled) = self.settled else { return true };
        let changes = |two: &[Known]| two[1].step.part == Part::Change && two[0].tree != two[1].tree;
        self.history[settled..].windows(2).any(changes)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_person_s_change_is_built_and_nothing_else_is(events in events(false)) {
        let mut world = World::new();
        for event in events.iter().chain(slice::from_ref(&Event::Look(true))) {
            world.apply(event);
            let Event::Look(begins) = event else { continue };
            let (changed, source) = (world.changed_by_a_person(), world.source);
            let found = world.look(*begins);
            let building = matches!(found, Wanted::Build { .. });
            // Never lost: the source is another one than was built.
            prop_assert!(building || source == Some(world.tree().0), "{:?} was lost: {:?}", world.tree(), found);
            // Never because of plumb's own: a person has changed something.
            prop_assert!(!building || changed, "{:?} without a person", found);
            if let Wanted::Build { commit, inputs } = &found {
                let known = &world.history[world.position(commit)];
                prop_assert_eq!(known.step.part, Part::Change);
                prop_assert_eq!(&reads(known.tree), inputs);
                prop_assert_eq!(known.tree.0, world.tree().0, "what is built is not what is there");
            }
            // Once: whoever looks again finds nothing to do, and nothing new to remember.
            if *begins {
                let again = world.look(true);
                prop_assert!(matches!(again, Wanted::Built(_)), "{:?} after {:?}", again, found);
                prop_assert_eq!(world.look(true), again);
            }
        }
    }

    #[test]
    fn whatever_happens_a_look_settles_it(events in events(true)) {
        let mut world = World::new();
        world.look(true);
        for event in &events {
            world.apply(event);
            let Event::Look(begins) = event else { continue };
            let (changed, newest) = (world.changed_by_a_person(), world.history.iter().rfind(|known| !known.step.part.is_own()));
            let skipped = newest.is_some_and(|known| known.step.part == Part::Skip);
            let found = world.look(*begins);
            let building = matches!(found, Wanted::Build { .. });
            prop_assert!(!building || changed, "{:?} without a person", found);
            prop_assert!(!building || !skipped, "{:?} although it asks for none", found);
            if *begins {
                let again = world.look(true);
                prop_assert!(matches!(again, Wanted::Built(_)), "{:?} after {:?}", again, found);
                prop_assert_eq!(world.look(true), again);
                prop_assert!(world.dealt.contains(&reads(world.tree())));
            }
        }
    }

    #[test]
    fn how_often_plumb_looks_builds_nothing_less(events in events(false)) {
        let (mut often, mut once) = (World::new(), World::new());
        once.look(true);
        for event in &events {
            often.apply(event);
            once.apply(event);
            often.look(true);
        }
        once.look(true);
        prop_assert_eq!(often.source, once.source);
        prop_assert_eq!(once.source, Some(once.tree().0));
    }
}
