//! What speaks of notes from outside of them: nothing of it is passed over, what anybody can write proves nothing, and
//! whoever is accused on its word is told what to look at first.

use serde_json::Value;

use super::audit::{Clone, NOTES, sentences};

const OTHERS: &str = "refs/notes/plumb/us-1";
const FETCH: &str = "first run git fetch origin 'refs/notes/plumb/*:refs/notes/plumb/*'";

/// What a person who verifies is told.
struct Answer {
    code: Option<i32>,
    reports: Vec<Value>,
}

impl Answer {
    fn of(clone: &Clone, more: &[&str]) -> Self {
        let output = clone.run(&[&["audit", "verify", "-o", "json"], more].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let reports = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
        Self { code: output.status.code(), reports }
    }

    /// Expects one thing to be wrong, of this ref, and returns it in words.
    fn wrong(&self, reference: &str, what: &str) -> String {
        let of = |report: &Value| report["findings"].as_array().expect("a list").clone();
        let found: Vec<(&Value, Value)> =
            self.reports.iter().flat_map(|report| of(report).into_iter().map(move |found| (report, found))).collect();
        let [(report, finding)] = found.as_slice() else { panic!("{found:#?}") };
        let names = (report["reference"].as_str(), finding["what"].as_str(), self.code);
        assert_eq!(names, (Some(reference), Some(what), Some(1)), "{finding:#}");
        finding["why"].as_str().expect("a sentence").to_owned()
    }

    /// Expects nothing to be wrong, and returns what is proved and what is not.
    fn right(&self) -> (String, String) {
        assert_eq!(self.code, Some(0), "{:#?}", self.reports);
        let all = |field: &str| self.reports.iter().map(|report| sentences(report, field)).collect::<String>();
        (all("proved"), all("unproved"))
    }
}

/// Writes a commit on main that says where the notes ended, and returns its first digits.
fn trailer(clone: &Clone, end: &str) -> String {
    clone.copy.git(&["switch", "--quiet", "main"]).expect("the branch");
    let commit = clone.copy.commit(&[], &format!("Anything\n\nPlumb-Records: {NOTES} {end}\n")).expect("a commit");
    clone.copy.git(&["switch", "--quiet", "notes"]).expect("the notes");
    commit[..7].to_owned()
}

/// Makes notes of another cluster beside those that are there.
fn with_others(clone: &Clone) {
    let note = clone.copy.git(&["show", &format!("{NOTES}:{}", clone.note_of(2))]).expect("a note");
    let note = note.replace("\"cluster\":\"eu-1\"", "\"cluster\":\"us-1\"").replace("\"sequence\":5", "\"sequence\":1");
    clone.copy.git(&["switch", "--quiet", "--orphan", "others"]).expect("a branch");
    clone.copy.commit(&[(&clone.note_of(2), &format!("{}\n", note.trim_end()))], "Notes").expect("a commit");
    clone.copy.git(&["update-ref", OTHERS, "HEAD"]).expect("a ref");
    clone.copy.git(&["switch", "--quiet", "notes"]).expect("the notes");
}

#[test]
fn a_head_that_no_chain_holds_is_found_also_where_there_are_several() {
    let clone = Clone::with_notes();
    with_others(&clone);
    let head = clone.head();
    let (proved, _) = Answer::of(&clone, &["--head", &head]).right();
    assert!(proved.contains("the first 3 of the 3 commits are those that an anchor"), "{proved}");
    let (_, unproved) = Answer::of(&clone, &["--head", &head, "--cluster", "us-1"]).right();
    assert!(unproved.contains("it is of refs/notes/plumb/eu-1, which --cluster leaves out"), "{unproved}");

    clone.cut_off(1);
    let why = Answer::of(&clone, &["--head", &head]).wrong(NOTES, "Truncated");
    assert!(why.contains(FETCH), "{why}");
    let nowhere = "1".repeat(40);
    let why = Answer::of(&clone, &["--head", &nowhere]).wrong("refs/notes/plumb/*", "Truncated");
    assert!(why.starts_with(&format!("one of {NOTES}, {OTHERS} ended at {nowhere} once")), "{why}");
    let branch = clone.copy.git(&["rev-parse", "main"]).expect("a commit");
    let why = Answer::of(&clone, &["--head", branch.trim()]).wrong("refs/notes/plumb/*", "Rewritten");
    assert!(why.contains(&format!("see whether it is an id of these notes: git log -1 {}", branch.trim())), "{why}");
}

#[test]
fn a_ref_that_is_gone_is_missed_where_a_trailer_names_it() {
    let clone = Clone::with_notes();
    with_others(&clone);
    let commit = trailer(&clone, &clone.head());
    Answer::of(&clone, &[]).right();
    clone.copy.git(&["update-ref", "-d", NOTES]).expect("no ref");
    let why = Answer::of(&clone, &[]).wrong(NOTES, "Truncated");
    assert!(why.contains("there is no refs/notes/plumb/eu-1") && why.contains(FETCH), "{why}");
    assert!(why.contains(&format!("git show {commit}")), "{why}");
    Answer::of(&clone, &["--cluster", "us-1"]).right();
}

#[test]
fn a_trailer_that_anybody_can_write_vouches_for_nothing() {
    let mut clone = Clone::with_notes();
    let keys = clone.keys.path().to_str().expect("a path in UTF-8").to_owned();
    // The notes are anybody's, and so is the commit that speaks for them.
    clone.copy.sign_with(None);
    clone.copy.git(&["commit", "--quiet", "--amend", "--allow-empty", "-m", "Forged"]).expect("a commit");
    clone.copy.git(&["update-ref", NOTES, "HEAD"]).expect("a ref");
    trailer(&clone, &clone.head());
    let (proved, unproved) = Answer::of(&clone, &[]).right();
    assert!(!proved.contains("an anchor outside of them"), "{proved}");
    for words in ["no trusted key signed their commits", "written anew as a whole", "the end was not cut off"] {
        assert!(unproved.contains(words), "{words}: {unproved}");
    }
    let report = clone.report(&["--keys", &keys]);
    assert!(!sentences(&report, "proved").contains("an anchor outside of them"), "{report:#}");
    assert!(sentences(&report, "unproved").contains("written anew as a whole"), "{report:#}");
}

#[test]
fn a_trailer_accuses_and_says_what_to_look_at_first() {
    let check = |signed: bool, expected: &str| {
        let mut clone = Clone::with_notes();
        let keys = clone.keys.path().to_str().expect("a path in UTF-8").to_owned();
        if !signed {
            clone.copy.sign_with(None);
        }
        // As in a clone whose branches were fetched after its notes.
        let commit = trailer(&clone, &"1".repeat(40));
        let why = Answer::of(&clone, &["--keys", &keys]).wrong(NOTES, "Truncated");
        for words in ["or fetched before", FETCH, expected, &format!("git show {commit}")] {
            assert!(why.contains(words), "{words}: {why}");
        }
    };
    check(true, "see whether that commit was made for this repository");
    check(false, "see whether plumb made that commit, since no trusted key signed it");
}
