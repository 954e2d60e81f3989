//! What holds up what, by cases and by random notes.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::record::{RecordKind, example, ledger::Ledger};

fn commit(digit: char) -> CommitId {
    CommitId::parse(&digit.to_string().repeat(40)).expect("an id")
}

fn line(environment: &str, on: char, sequence: u64) -> Line {
    example::line(environment, commit(on), sequence)
}

fn series() -> Series {
    example::origin("a", "repo").series()
}

/// Checks which lines go and which are held, each as `environment number`.
#[track_caller]
fn check(lines: &[Line], notes: &[(char, Result<Vec<u8>, String>)], go: &[&str], held: &[(&str, Hindrance)]) {
    let notes = notes.iter().map(|(on, note)| (commit(*on), note.clone())).collect();
    let sifted = sift(lines.to_vec(), &notes);
    let going: Vec<&str> = sifted.batch.notes.values().flatten().map(|line| line.message.as_str()).collect();
    assert_eq!(going, go);
    let waiting: Vec<(&str, Hindrance)> =
        sifted.held.iter().map(|(line, why)| (line.message.as_str(), why.clone())).collect();
    assert_eq!(waiting, held);
}

#[test]
fn a_note_that_takes_no_more_holds_up_its_own_lines_and_the_later_ones_of_their_environment() {
    let why = || "it is a directory".to_owned();
    let lines = [line("a", '1', 1), line("a", '2', 2), line("b", '1', 1), line("b", '2', 2), line("c", '1', 4)];
    let notes = [('1', Ok(Vec::new())), ('2', Err(why()))];
    let unwritable = Hindrance::Unwritable(why());
    check(&lines, &notes, &["a 1", "b 1", "c 4"], &[("a 2", unwritable.clone()), ("b 2", unwritable.clone())]);
    let notes = [('1', Err(why())), ('2', Ok(Vec::new()))];
    let held = [
        ("a 1", unwritable.clone()),
        ("a 2", Hindrance::Behind),
        ("b 1", unwritable.clone()),
        ("b 2", Hindrance::Behind),
        ("c 4", unwritable),
    ];
    check(&lines, &notes, &[], &held);
}

#[test]
fn a_note_is_not_let_grow_past_its_limit() {
    let full = vec![b'x'; NOTE_BYTES_MAX - 10];
    let why = format!("it has {} bytes, and plumb lets none grow past {NOTE_BYTES_MAX}", full.len());
    check(
        &[line("a", '1', 1), line("b", '2', 1)],
        &[('1', Ok(full.clone())), ('2', Ok(Vec::new()))],
        &["b 1"],
        &[("a 1", Hindrance::Unwritable(why))],
    );
    // What is there already is found, however large the note.
    let there = [full, format!("\n{}\n", line("a", '1', 1).text()).into_bytes()].concat();
    check(&[line("a", '1', 1)], &[('1', Ok(there))], &["a 1"], &[]);
}

#[test]
fn a_number_that_is_there_with_another_text_is_trouble_and_not_success() {
    let other = Line { message: "before the restore".to_owned(), ..line("a", '1', 2) };
    let note = [line("a", '1', 1).text(), other.text()].join("\n").into_bytes();
    let lines = [line("a", '1', 1), line("a", '1', 2), line("a", '2', 3), line("b", '1', 2)];
    let notes = [('1', Ok(note)), ('2', Ok(Vec::new()))];
    check(&lines, &notes, &["a 1", "b 2"], &[("a 2", Hindrance::Taken), ("a 3", Hindrance::Behind)]);
    // Under another name of the cluster numbers count anew.
    let renamed = Line { cluster: "before".to_owned(), ..line("a", '1', 2) };
    check(&[renamed], &[('1', Ok(line("a", '1', 2).text().into_bytes()))], &["a 2"], &[]);
    // One that stands for many has all of their numbers.
    let many = Line { from: Some(1), kind: RecordKind::RolledUp, ..line("a", '1', 9) };
    let notes = [('1', Ok(many.text().into_bytes()))];
    check(&[line("a", '1', 4)], &notes, &[], &[("a 4", Hindrance::Taken)]);
}

#[test]
fn what_no_note_takes_is_counted_on_the_next_commit() {
    let text = |lines: &[Line]| lines.iter().map(Line::text).collect::<Vec<_>>();
    let stepped = |pending: &[Line], overflow: Option<Line>, unwritable: &[char]| {
        let mut ledger = Ledger { next: 10, pending: text(pending), ..Ledger::default() };
        ledger.overflow = overflow.map(|line| line.text());
        ledger.step_over(&series(), &unwritable.iter().map(|on| commit(*on)).collect());
        ledger.of("repo")
    };
    let shape = |lines: &[Line]| -> Vec<(u64, u64, char)> {
        lines.iter().map(|line| (line.first(), line.sequence, line.commit.as_str().as_bytes()[0] as char)).collect()
    };
    let lines = [line("a", '1', 1), line("a", '1', 2), line("a", '2', 3), line("a", '1', 4)];
    let left = stepped(&lines, None, &['1']);
    assert_eq!(shape(&left), [(1, 2, '2'), (3, 3, '2'), (4, 4, '1')], "what is last waits on");
    assert_eq!((left[0].kind, left[0].kinds.get(&RecordKind::Applied)), (RecordKind::RolledUp, Some(&2)));
    assert_eq!(left[0].message, "the note on 1111111 takes no more: 2 (2 Applied)");
    assert_eq!(left[1..], lines[2..], "a line that is not concerned stays as it is");
    assert_eq!(stepped(&lines, None, &['3']), lines);
    let renamed: Vec<Line> = lines.iter().map(|line| Line { cluster: "before".to_owned(), ..line.clone() }).collect();
    assert_eq!(stepped(&renamed, None, &['1']), renamed, "another ref has other notes");
    // What did not fit is about a later commit.
    let end = line("a", '2', 5).rolled_up(None);
    assert_eq!(shape(&stepped(&lines[..2], Some(end), &['1'])), [(1, 2, '2'), (5, 5, '2')]);
    // A line that stands for others already is counted as what they were.
    let again = [left[0].clone(), line("a", '3', 3)];
    assert_eq!(stepped(&again, None, &['2'])[0].kinds.get(&RecordKind::Applied), Some(&2));
}

proptest! {
    #[test]
    fn numbers_are_published_in_their_order_without_a_gap_whatever_notes_are_like(
        commits in prop::collection::vec(0..4_usize, 1..20),
        unwritable in prop::collection::btree_set(0..4_usize, 0..4),
        rounds in 1..4_usize,
    ) {
        const ON: [char; 4] = ['1', '2', '3', '4'];
        let lines: Vec<Line> = (1..).zip(&commits).map(|(number, on)| line("a", ON[*on], number)).collect();
        let mut ledger =
            Ledger { next: 100, pending: lines.iter().map(Line::text).collect(), ..Ledger::default() };
        let unwritable: BTreeSet<CommitId> = unwritable.into_iter().map(|on| commit(ON[on])).collect();
        let notes: BTreeMap<CommitId, Result<Vec<u8>, String>> = ON.map(|on| {
            let on = commit(on);
            let note = if unwritable.contains(&on) { Err("no".to_owned()) } else { Ok(Vec::new()) };
            (on, note)
        }).into();
        let mut published = Vec::new();
        for _ in 0..rounds + 1 {
            let sifted = sift(ledger.of("repo"), &notes);
            let going = sifted.batch.sequences("a");
            published.extend(ledger.of("repo").into_iter().filter(|line| going.contains(&line.sequence)));
            ledger.published(&series(), &going);
            ledger.step_over(&series(), &unwritable);
        }
        let left = ledger.of("repo");
        prop_assert!(left.iter().all(|line| unwritable.contains(&line.commit)), "only what nothing waits for is left");
        prop_assert!(published.iter().all(|line| !unwritable.contains(&line.commit)));
        let mut next = 1;
        for line in published.iter().chain(&left) {
            prop_assert_eq!(line.first(), next);
            next = line.sequence + 1;
        }
        prop_assert_eq!(next, lines.len() as u64 + 1);
    }
}
