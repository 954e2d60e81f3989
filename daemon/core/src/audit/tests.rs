//! Tables of histories: honest ones, and each way of tampering.

use std::fmt::Write as _;

use super::{
    anchor::{Whereabouts, Witness},
    *,
};
use crate::record::example;

fn commit(number: usize) -> CommitId {
    CommitId::parse(&format!("{number:040x}")).expect("an id")
}

fn text(environment: &str, sequence: u64, about: &CommitId) -> String {
    example::line(environment, about.clone(), sequence).text()
}

/// A chain in the making: one commit is annotated, and each link appends lines.
struct Chain {
    audit: Audit,
    note: String,
    links: usize,
}

const ABOUT: usize = 0xabc;

impl Chain {
    fn new() -> Self {
        Self { audit: Audit::of("eu-1"), note: String::new(), links: 0 }
    }

    fn appends(self, sequences: &[u64]) -> Self {
        let mut note = self.note.clone();
        for sequence in sequences {
            writeln!(note, "{}", text("shop", *sequence, &commit(ABOUT))).expect("a text");
        }
        self.becomes(&note)
    }

    fn becomes(mut self, note: &str) -> Self {
        let before = std::mem::replace(&mut self.note, note.to_owned());
        let bytes = |text: String| (!text.is_empty()).then(|| Version::of(text.into_bytes()));
        let (before, after) = (bytes(before), bytes(self.note.clone()));
        let path = commit(ABOUT).to_string();
        let change = NoteChange { path: format!("{}/{}", &path[..2], &path[2..]), before, after };
        self.link(Seal::Unsigned, vec![change])
    }

    fn link(mut self, seal: Seal, changes: Vec<NoteChange>) -> Self {
        let parents = usize::from(self.links > 0);
        self.links += 1;
        self.audit.link(Link { id: commit(self.links), parents, seal, changes });
        self
    }

    fn edited(self, edit: impl FnOnce(&mut Vec<String>)) -> Self {
        let mut lines: Vec<String> = self.note.lines().map(str::to_owned).collect();
        edit(&mut lines);
        self.becomes(&lines.iter().map(|line| format!("{line}\n")).collect::<String>())
    }

    fn check(self, expected: &[Tampering]) {
        let verdict = self.audit.finish(&[], &[]);
        let found: Vec<Tampering> = verdict.findings.iter().map(|finding| finding.what).collect();
        assert_eq!(found, expected, "{:#?}", verdict.findings);
    }
}

#[test]
fn a_chain_that_only_grew_holds() {
    let verdict = Chain::new().appends(&[1, 2]).appends(&[3]).appends(&[4, 5]).audit.finish(&[], &[]);
    assert_eq!(verdict.findings, []);
    assert_eq!((verdict.records, verdict.environments, verdict.links.len()), (5, 1, 3));
    let unproved = verdict.unproved().join("\n");
    for word in ["3 unsigned", "cut off", "written anew"] {
        assert!(unproved.contains(word), "{unproved}");
    }
}

#[test]
fn each_way_of_tampering_has_its_name() {
    use Tampering::{Doubled, Edited, Forged, Removed, Reordered};
    let grown = || Chain::new().appends(&[1, 2, 3]);
    grown().edited(|lines| drop(lines.remove(2))).check(&[Removed]);
    grown().edited(Vec::clear).check(&[Removed, Removed, Removed]);
    let other = text("shop", 2, &commit(ABOUT)).replace("shop 2", "record two");
    grown().edited(|lines| lines[1] = other).check(&[Edited]);
    grown().edited(|lines| lines.swap(0, 2)).check(&[Reordered]);
    grown().appends(&[3]).check(&[Doubled]);
    grown().appends(&[5]).check(&[Removed]);
    Chain::new().appends(&[1]).appends(&[3]).appends(&[2]).check(&[Reordered]);
    Chain::new().appends(&[2]).check(&[Removed]);
    grown().edited(|lines| lines.push("approved by the boss".to_owned())).check(&[Forged]);
    let elsewhere = text("shop", 4, &commit(7));
    grown().edited(|lines| lines.push(elsewhere)).check(&[Forged]);
    grown().link(Seal::Untrusted { why: "the key is revoked".to_owned() }, Vec::new()).check(&[Forged]);
    let note = grown().note;
    grown().becomes(note.trim_end()).check(&[Reordered]);
}

#[test]
fn a_chain_is_one_line_of_commits() {
    let check = |second_parents: usize, expected: &[Tampering]| {
        let mut chain = Chain::new().appends(&[1]);
        chain.audit.link(Link { id: commit(99), parents: second_parents, seal: Seal::Unsigned, changes: Vec::new() });
        chain.check(expected);
    };
    check(1, &[]);
    check(0, &[Tampering::Rewritten]);
    check(2, &[Tampering::Rewritten]);
}

#[test]
fn a_range_stands_for_its_numbers() {
    let about = commit(ABOUT);
    let range = text("shop", 9, &about).replace("\"sequence\":9", "\"sequence\":9,\"from\":3");
    let grown = || Chain::new().appends(&[1, 2]);
    grown().edited(|lines| lines.push(range.clone())).appends(&[10]).check(&[]);
    grown().edited(|lines| lines.push(range.clone())).appends(&[9]).check(&[Tampering::Doubled]);
    Chain::new().appends(&[1, 2, 3]).edited(|lines| lines.push(range.clone())).check(&[Tampering::Doubled]);
}

#[test]
fn numbers_that_no_plumb_gives_are_forged() {
    use Tampering::{Forged, Removed};
    let about = commit(ABOUT);
    let numbered = |fields: &str| text("shop", 4, &about).replace("\"sequence\":4", fields);
    let check = |fields: &str, expected: &[Tampering]| {
        Chain::new().appends(&[1, 2, 3]).edited(|lines| lines.push(numbered(fields))).check(expected);
    };
    check("\"sequence\":4", &[]);
    check("\"sequence\":0", &[Forged]);
    check("\"sequence\":4,\"from\":5", &[Forged]);
    check("\"sequence\":18446744073709551615", &[Forged]);
    check("\"sequence\":18446744073709551615,\"from\":4", &[Forged]);
    check("\"sequence\":18446744073709551614", &[Removed]);
}

#[test]
fn anchors_show_what_was_cut_off_or_written_anew() {
    let verdict = |id: usize, whereabouts: Option<Whereabouts>, witness: Witness| {
        let anchor = Anchor { id: commit(id), witness, whereabouts };
        Chain::new().appends(&[1]).appends(&[2]).audit.finish(&[anchor], &[])
    };
    let check = |id: usize, whereabouts: Option<Whereabouts>, expected: &[Tampering], anchored: usize| {
        let verdict = verdict(id, whereabouts, Witness::Head);
        let found: Vec<Tampering> = verdict.findings.iter().map(|finding| finding.what).collect();
        assert_eq!((found.as_slice(), verdict.anchored), (expected, anchored));
    };
    check(2, None, &[], 2);
    check(1, None, &[], 1);
    check(7, Some(Whereabouts::Beyond), &[Tampering::Truncated], 0);
    check(7, Some(Whereabouts::Beside), &[Tampering::Rewritten], 0);
    check(7, Some(Whereabouts::Nowhere), &[Tampering::Truncated], 0);

    // Whoever accuses, it is said what to look at first.
    let trailer = |trusted: bool| Witness::Trailer { commit: commit(0xfee), trusted };
    let status = Witness::Status { environment: "team/shop".to_owned() };
    for witness in [Witness::Head, status, trailer(true), trailer(false)] {
        for whereabouts in [Whereabouts::Beyond, Whereabouts::Beside, Whereabouts::Nowhere] {
            let verdict = verdict(7, Some(whereabouts), witness.clone());
            let [Finding { why, .. }] = verdict.findings.as_slice() else { panic!("{:?}", verdict.findings) };
            assert!(why.contains("first run git fetch origin") && why.contains(", and see whether"), "{why}");
        }
    }
}

#[test]
fn what_anybody_can_say_proves_nothing() {
    let check = |trusted: bool, anchored: usize, claimed: usize| {
        let witness = Witness::Trailer { commit: commit(0xfee), trusted };
        let anchor = Anchor { id: commit(2), witness, whereabouts: None };
        let verdict = Chain::new().appends(&[1]).appends(&[2]).audit.finish(&[anchor], &[]);
        assert_eq!((verdict.anchored, verdict.claimed, verdict.findings.as_slice()), (anchored, claimed, &[][..]));
        let (proved, unproved) = (verdict.proved().join("\n"), verdict.unproved().join("\n"));
        assert_eq!(proved.contains("an anchor outside of them"), trusted, "{proved}");
        assert_eq!(unproved.contains("whoever may push can have written these"), !trusted, "{unproved}");
        assert_eq!(unproved.contains("written anew as a whole"), !trusted, "{unproved}");
    };
    check(true, 2, 0);
    check(false, 0, 2);
}

#[test]
fn a_status_knows_how_many_records_were_published() {
    let check = |environment: &str, published: u64, expected: usize| {
        let count = Count {
            name: "team/shop".to_owned(),
            environment: environment.to_owned(),
            repository: "repo".to_owned(),
            published,
        };
        let verdict = Chain::new().appends(&[1, 2]).audit.finish(&[], &[count]);
        assert_eq!(verdict.findings.len(), expected, "{:?}", verdict.findings);
    };
    check("shop", 2, 0);
    check("shop", 3, 1);
    check("another", 0, 0);
    check("another", 1, 1);
}

#[test]
fn trusted_signatures_prove_who_and_say_so() {
    let trusted = || Seal::Trusted { signer: "plumb".to_owned() };
    let verdict = Chain::new().link(trusted(), Vec::new()).link(trusted(), Vec::new()).audit.finish(&[], &[]);
    assert!(verdict.proved().join("\n").contains("each of the 2 commits is signed"), "{:?}", verdict.proved());
    assert!(!verdict.unproved().join("\n").contains("written anew"), "{:?}", verdict.unproved());
    let verdict = Chain::new().link(Seal::Unjudged, Vec::new()).audit.finish(&[], &[]);
    assert!(verdict.unproved().join("\n").contains("--keys"), "{:?}", verdict.unproved());
}

#[test]
fn lines_of_a_newer_plumb_are_unproved_and_no_forgery() {
    let newer = text("shop", 2, &commit(ABOUT)).replacen("\"v\":1", "\"v\":2", 1);
    let verdict = Chain::new().appends(&[1]).edited(|lines| lines.push(newer)).audit.finish(&[], &[]);
    assert_eq!((verdict.findings.as_slice(), verdict.strange), (&[][..], 1));
    assert!(verdict.unproved().join("\n").contains("newer plumb"), "{:?}", verdict.unproved());
}

#[test]
fn a_note_that_moves_to_another_depth_is_the_same_note() {
    let mut chain = Chain::new().appends(&[1, 2]);
    let (about, note) = (commit(ABOUT).to_string(), Version::of(chain.note.clone().into_bytes()));
    let moved = |path: String, before: Option<Version>, after: Option<Version>| NoteChange { path, before, after };
    let deep = format!("{}/{}/{}", &about[..2], &about[2..4], &about[4..]);
    let flat = format!("{}/{}", &about[..2], &about[2..]);
    chain = chain.link(Seal::Unsigned, vec![moved(deep, None, Some(note.clone())), moved(flat, Some(note), None)]);
    chain.check(&[]);
}
