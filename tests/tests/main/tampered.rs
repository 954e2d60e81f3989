//! Somebody with the right to push changes any byte of any object of the notes' history, and makes all that refers to it fit
//! again.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    process::{Command, Stdio},
};

use proptest::{prelude::*, sample::Index, test_runner::TestRunner};

use super::audit::{Clone, NOTES, sentences};

/// Changes of any bits of any byte of any object: each runs Git a dozen times and plumb three times.
const CASES: u32 = 64;

/// An object as Git has it.
struct Object {
    id: String,
    kind: String,
    content: Vec<u8>,
}

/// Runs git on bytes.
fn git(clone: &Clone, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut command = Command::new("git");
    command.arg("-C").arg(clone.copy.path()).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("git starts");
    child.stdin.take().expect("its input").write_all(input).expect("it reads");
    let output = child.wait_with_output().expect("git runs");
    assert!(output.status.success(), "git {arguments:?}");
    output.stdout
}

/// Returns every object of the notes' history, each after all that it refers to.
fn history(clone: &Clone) -> Vec<Object> {
    let listed = clone.copy.git(&["rev-list", "--objects", "--no-object-names", NOTES]).expect("a list");
    let objects = listed.lines().map(|id| {
        let kind = clone.copy.git(&["cat-file", "-t", id]).expect("a type").trim().to_owned();
        let content = git(clone, &["cat-file", &kind, id], b"");
        Object { id: id.to_owned(), kind, content }
    });
    let mut objects: Vec<Object> = objects.collect();
    // Folders of notes before the trees that hold them, commits from the oldest on.
    objects.reverse();
    objects.sort_by_key(|object| match (object.kind.as_str(), object.content.starts_with(b"40000 ")) {
        ("blob", _) => 0,
        ("tree", false) => 1,
        ("tree", true) => 2,
        _ => 3,
    });
    objects
}

/// Returns the bytes of an id that is written in hexadecimal digits.
fn bytes(id: &str) -> Vec<u8> {
    let pair = |at: usize| u8::from_str_radix(&id[at..at + 2], 16).expect("digits");
    (0..id.len()).step_by(2).map(pair).collect()
}

fn replace(content: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut changed = content.to_vec();
    for at in 0..content.len().saturating_sub(old.len() - 1) {
        if content[at..].starts_with(old) {
            changed[at..at + new.len()].copy_from_slice(new);
        }
    }
    changed
}

/// Bits of a byte of an object that are turned over.
#[derive(Debug, Clone, Copy)]
struct Change {
    object: usize,
    place: usize,
    bits: u8,
}

/// Writes the history with one byte of one object changed, and every id that follows from it; moves the ref there.
fn change(clone: &Clone, history: &[Object], Change { object, place, bits }: Change) {
    let mut renamed: BTreeMap<String, String> = BTreeMap::new();
    for (number, Object { id, kind, content }) in history.iter().enumerate() {
        let mut content = content.clone();
        for (old, new) in &renamed {
            content = match kind.as_str() {
                "tree" => replace(&content, &bytes(old), &bytes(new)),
                "commit" => replace(&content, old.as_bytes(), new.as_bytes()),
                _ => content,
            };
        }
        if number == object {
            content[place] ^= bits;
        }
        // What refers to nothing that has changed is there already.
        if content == history[number].content {
            continue;
        }
        // Whatever Git thinks of it.
        let written = git(clone, &["hash-object", "-w", "--stdin", "--literally", "-t", kind], &content);
        let written = String::from_utf8(written).expect("an id").trim().to_owned();
        renamed.insert(id.clone(), written);
    }
    let newest = &renamed[&history.last().expect("a commit").id];
    // Git itself refuses to end a ref at a commit that is none; whoever can write files does not ask it.
    fs::write(clone.copy.path().join(".git").join(NOTES), format!("{newest}\n")).expect("a ref");
}

/// Checks that a change is found by a trusted key and by the end that was noted down, and that without either of them it is found
/// or what is not proved is said.
fn check(clone: &Clone, history: &[Object], head: &str, changed: Change) {
    let object = &history[changed.object];
    let what = format!("{changed:?} of {} {}", object.kind, object.id);
    change(clone, history, changed);
    let verified = |more: &[&str]| clone.run(&[&["audit", "verify", "-o", "json"], more].concat());
    let keys = clone.keys.path().to_str().expect("a path in UTF-8");
    for evidence in [["--keys", keys], ["--head", head]] {
        // 1: something is wrong; 2: it can't even be read.
        let code = verified(&evidence).status.code();
        assert!(matches!(code, Some(1 | 2)), "{what}: {evidence:?} says {code:?}");
    }
    if verified(&[]).status.success() {
        let unproved = sentences(&clone.report(&[]), "unproved");
        assert!(unproved.contains("written anew") && unproved.contains("who wrote"), "{what}: {unproved}");
    }
}

/// Makes notes, and returns them with where they end and every object of their history.
fn whole() -> (Clone, String, Vec<Object>) {
    let clone = Clone::with_notes();
    let (head, history) = (clone.head(), history(&clone));
    (clone, head, history)
}

#[test]
fn a_byte_of_each_object_of_the_history_that_is_changed_is_found_or_unproved() {
    let (clone, head, history) = whole();
    let kinds = |kind: &str| history.iter().filter(|object| object.kind == kind).count();
    assert!(kinds("commit") == 3 && kinds("tree") >= 6 && kinds("blob") == 5, "{} objects", history.len());
    for (number, object) in history.iter().enumerate() {
        // Another place in each.
        let place = number * 7 % object.content.len();
        check(&clone, &history, &head, Change { object: number, place, bits: 1 });
    }
    git(&clone, &["update-ref", NOTES, &head], b"");
    assert_eq!(clone.verify_signed(&["--head", &head]), [""; 0], "as it was it holds");
}

#[test]
fn any_change_of_any_byte_of_any_object_of_the_history_is_found_or_unproved() {
    let (clone, head, history) = whole();
    let config = ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() };
    let anywhere = (any::<Index>(), any::<Index>(), 1_u8..);
    let found = TestRunner::new(config).run(&anywhere, |(object, place, bits)| {
        let object = object.index(history.len());
        let place = place.index(history[object].content.len());
        check(&clone, &history, &head, Change { object, place, bits });
        Ok(())
    });
    found.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn what_is_shown_in_place_of_an_object_deceives_git_and_not_plumb() {
    let clone = Clone::with_notes();
    let head = clone.head();
    let history = history(&clone);
    let note = history.iter().find(|object| object.kind == "blob").expect("a note");
    let text = String::from_utf8(note.content.clone()).expect("a note").replace("record", "rumour");
    let other = git(&clone, &["hash-object", "-w", "--stdin"], text.as_bytes());
    let other = String::from_utf8(other).expect("an id");
    git(&clone, &["replace", &note.id, other.trim()], b"");
    let shown = |more: &[&str]| String::from_utf8(git(&clone, &[more, &["cat-file", "blob", &note.id]].concat(), b""));
    assert!(shown(&[]).expect("a note").contains("rumour"), "refs/replace come along with a mirror");
    assert!(!shown(&["--no-replace-objects"]).expect("a note").contains("rumour"));
    assert_eq!(clone.verify_signed(&["--head", &head]), [""; 0]);
    let exported = clone.run(&["audit", "export"]);
    assert!(!String::from_utf8_lossy(&exported.stdout).contains("rumour"));
}

#[test]
fn notes_of_another_cluster_are_forged_also_where_the_same_key_signed_them() {
    let clone = Clone::with_notes();
    clone.copy.git(&["update-ref", "refs/notes/plumb/us-1", NOTES]).expect("a ref");
    let report =
        clone.run(&["audit", "verify", "--cluster", "us-1", "--keys", &clone.keys.path().display().to_string()]);
    let said = String::from_utf8_lossy(&report.stdout).into_owned();
    assert_eq!(report.status.code(), Some(1), "{said}");
    assert!(said.contains("Forged") && said.contains(r#"is of cluster "eu-1""#), "{said}");
}
