//! Ten thousand records, and each way of tampering with one of them: found, named, and said where. Once as they lie mostly, a
//! few on each commit, and once all on one commit, where each link writes the whole note anew.

use std::{fmt::Write as _, io};

use lab::git::BareRepository;
use plumb_core::{commit::CommitId, record::RecordKind};
use serde_json::Value;

use super::audit::{NOTES, line, plumb};

const RECORDS: u64 = 10_000;

/// How the records lie.
#[derive(Clone, Copy)]
struct Shape {
    per_link: u64,
    per_note: u64,
}

const SPREAD: Shape = Shape { per_link: 20, per_note: 10 };
const ONE_NOTE: Shape = Shape { per_link: 200, per_note: RECORDS };

impl Shape {
    /// Returns the commit that a record is about; ids are spread as Git's are.
    fn about(self, sequence: u64) -> CommitId {
        let number = u32::try_from((sequence - 1) / self.per_note + 1).expect("a small number");
        CommitId::parse(&format!("{:08x}{number:032x}", number.wrapping_mul(2_654_435_761))).expect("an id")
    }
}

/// The notes of ten thousand records, and what was done to them.
struct History {
    bare: BareRepository,
    shape: Shape,
    /// All records.
    lines: Vec<String>,
    /// Where they end, as plumb has made them.
    head: String,
}

impl History {
    fn of(shape: Shape) -> Self {
        let bare = BareRepository::create().expect("a repository");
        let text = |sequence| line(&shape.about(sequence), sequence, RecordKind::Applied);
        let mut history = Self { bare, shape, lines: (1..=RECORDS).map(text).collect(), head: String::new() };
        history.write(&history.lines);
        history.head = history.end();
        history
    }

    /// Returns the records that are on one commit with this one, and which of them it is.
    fn note(&self, sequence: u64) -> (Vec<String>, usize) {
        let place = |number: u64| usize::try_from(number).expect("a small number");
        let per_note = place(self.shape.per_note);
        let of_note = self.lines.chunks(per_note).nth(place(sequence - 1) / per_note).expect("a note");
        (of_note.to_vec(), place(sequence - 1) % per_note)
    }

    /// Writes all of it.
    fn write(&self, lines: &[String]) {
        let Shape { per_link, per_note } = self.shape;
        let written = self.bare.import(|import| {
            let mut note = String::new();
            for (sequence, text) in (1..).zip(lines) {
                if (sequence - 1) % per_note == 0 {
                    note.clear();
                }
                writeln!(note, "{text}").expect("a text");
                if (sequence - 1) % per_link == 0 {
                    begin(import)?;
                }
                if sequence % per_link == 0 || sequence % per_note == 0 {
                    put(import, &self.shape.about(sequence), &note)?;
                }
            }
            Ok(())
        });
        written.expect("a history");
    }

    /// Adds a link in which the note on a record's commit has these lines, and returns it.
    fn link(&self, sequence: u64, lines: &[String]) -> String {
        let note: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let written = self.bare.import(|import| {
            begin(import)?;
            writeln!(import, "from {NOTES}^0")?;
            put(import, &self.shape.about(sequence), &note)
        });
        written.expect("a link");
        self.end()
    }

    fn end(&self) -> String {
        self.bare.git(&["rev-parse", NOTES]).expect("a ref")
    }

    /// Makes the notes end at a commit.
    fn end_at(&self, commit: &str) {
        self.bare.git(&["update-ref", NOTES, commit]).expect("a ref");
    }

    /// Verifies; returns what was found, with the link where it shows.
    fn verify(&self, more: &[&str]) -> Vec<(String, Option<String>)> {
        let output = plumb(self.bare.path(), &[&["audit", "verify", "-o", "json"], more].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let reports: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
        let findings = reports[0]["findings"].as_array().expect("a list");
        assert_eq!(output.status.code(), Some(i32::from(!findings.is_empty())), "{said}");
        let text = |value: &Value| value.as_str().map(str::to_owned);
        findings.iter().map(|found| (text(&found["what"]).expect("a name"), text(&found["link"]))).collect()
    }

    /// Tampers with the note that a record in the middle is in; plumb goes on after it, and expects this to be found.
    fn check(&self, tamper: impl FnOnce(&mut Vec<String>, usize), expected: &[&str]) {
        let middle = RECORDS / 2;
        let (mut lines, place) = self.note(middle);
        tamper(&mut lines, place);
        let link = self.link(middle, &lines);
        lines.push(line(&self.shape.about(middle), RECORDS + 1, RecordKind::Applied));
        self.link(middle, &lines);
        let expected: Vec<_> = expected.iter().map(|what| ((*what).to_owned(), Some(link.clone()))).collect();
        assert_eq!(self.verify(&[]), expected);
        self.end_at(&self.head);
    }

    fn check_all(&self) {
        let head = self.head.as_str();
        assert_eq!(self.verify(&["--head", head]), []);
        let other = |text: &str| text.replace("record 5000", "record of old");
        self.check(|lines, place| drop(lines.remove(place)), &["Removed"]);
        self.check(|lines, place| lines[place] = other(&lines[place]), &["Edited"]);
        self.check(|lines, place| lines.swap(place, place - 1), &["Reordered"]);
        self.check(|lines, place| lines.push(other(&lines[place])), &["Doubled"]);
        self.check(|lines, _| lines.push("approved".to_owned()), &["Forged"]);

        // Gone in one link and back in the next: the newest notes are as they should be.
        let middle = RECORDS / 2;
        let (whole, _) = self.note(middle);
        let cut = self.link(middle, &whole[1..]);
        let back = self.link(middle, &whole);
        let found = self.verify(&[]);
        assert!(found.contains(&("Removed".to_owned(), Some(cut))), "{found:?}");
        assert!(found.contains(&("Doubled".to_owned(), Some(back))), "{found:?}");

        self.end_at(&format!("{head}~1"));
        assert_eq!(self.verify(&[]), [], "by itself it is a whole history");
        assert_eq!(self.verify(&["--head", head]), [("Truncated".to_owned(), None)]);
        self.bare.git(&["update-ref", "-d", NOTES]).expect("no ref");
        let mut lines = self.lines.clone();
        lines[0] = lines[0].replace("record 1", "record 0");
        self.write(&lines);
        assert_eq!(self.verify(&[]), [], "by itself it is a whole history");
        assert_eq!(self.verify(&["--head", head]), [("Rewritten".to_owned(), None)]);
    }
}

fn begin(import: &mut dyn io::Write) -> io::Result<()> {
    writeln!(import, "commit {NOTES}\ncommitter plumb <plumb@example.com> 1700000000 +0000\ndata 6\nnotes")
}

fn put(import: &mut dyn io::Write, about: &CommitId, note: &str) -> io::Result<()> {
    let (folder, file) = about.as_str().split_at(2);
    writeln!(import, "M 100644 inline {folder}/{file}\ndata {}\n{note}", note.len())
}

#[test]
fn each_way_of_tampering_with_one_of_ten_thousand_records_is_found() {
    History::of(SPREAD).check_all();
}

#[test]
fn each_way_of_tampering_with_a_note_of_ten_thousand_records_is_found() {
    History::of(ONE_NOTE).check_all();
}
