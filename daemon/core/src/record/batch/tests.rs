//! Notes only grow, and nothing is in them twice.

use proptest::prelude::*;

use super::*;
use crate::record::example;

fn line(environment: &str, commit: char, sequence: u64) -> Line {
    let commit = CommitId::parse(&commit.to_string().repeat(40)).expect("an id");
    example::line(environment, commit, sequence)
}

#[test]
fn lines_go_to_their_commits_in_the_order_of_their_numbers() {
    let batch =
        Batch::of([line("b", 'a', 2), line("a", 'a', 7), line("b", 'a', 1), line("b", 'c', 3), line("b", 'c', 3)]);
    let order: Vec<&str> = batch.notes.values().flatten().map(|line| line.message.as_str()).collect();
    assert_eq!(order, ["a 7", "b 1", "b 2", "b 3"]);
    assert_eq!((batch.len(), batch.sequences("b")), (4, BTreeSet::from([1, 2, 3])));
}

#[test]
fn a_note_gets_what_it_lacks_and_keeps_what_it_has() {
    let (one, two) = (line("a", 'a', 1), line("a", 'a', 2));
    let first = append(b"", std::slice::from_ref(&one)).expect("a new note");
    assert_eq!(first, format!("{}\n", one.text()).into_bytes());
    assert_eq!(append(&first, std::slice::from_ref(&one)), None, "it is there");
    let both = append(&first, &[one.clone(), two.clone()]).expect("one more");
    assert_eq!(both, [&first[..], format!("{}\n", two.text()).as_bytes()].concat());
    // What people write stays, also without a line break at its end, and what is no text.
    for said in [&b"a person's word\r\n"[..], b"\x00\xff\xfe\n"] {
        let edited = [said, one.text().as_bytes()].concat();
        let grown = [&edited[..], format!("\n{}\n", two.text()).as_bytes()].concat();
        assert_eq!(append(&edited, &[one.clone(), two.clone()]), Some(grown));
    }
    // Another environment of the same name, made anew, counts from 1 again.
    let mut anew = two.clone();
    anew.environment.uid = "another".to_owned();
    assert!(append(&both, &[anew]).is_some());
}

proptest! {
    #[test]
    fn whatever_is_cut_and_repeated_each_line_is_there_once(batches in prop::collection::vec(prop::collection::vec(1u64..20, 0..8), 0..8)) {
        let mut note = Vec::new();
        let mut wanted = BTreeSet::new();
        for batch in batches {
            wanted.extend(batch.iter().copied());
            let lines: Vec<Line> = batch.iter().map(|sequence| line("a", 'a', *sequence)).collect();
            let lines = Batch::of(lines).notes.into_values().next().unwrap_or_default();
            if let Some(grown) = append(&note, &lines) {
                prop_assert!(grown.starts_with(&note[..]));
                note = grown;
            }
        }
        let note = String::from_utf8(note).expect("a text");
        let found: Vec<u64> = note.lines().map(|text| Line::parse(text).expect("a line").sequence).collect();
        prop_assert_eq!(found.len(), wanted.len());
        prop_assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), wanted);
    }
}
