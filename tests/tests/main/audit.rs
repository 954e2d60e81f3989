//! What the notes in a clone prove, by the command line alone: no cluster, no daemon. The notes are made with git, so that each
//! way of tampering is done as somebody with the right to push would do it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use lab::git::{SigningKey, WorkingCopy};
use plumb_core::{
    commit::{CommitId, Revision},
    environment::EnvironmentName,
    record::{
        Record, RecordKind,
        line::{Line, Origin},
    },
};
use serde_json::Value;
use tempfile::TempDir;

pub(super) const NOTES: &str = "refs/notes/plumb/eu-1";
const EMAIL: &str = "plumb@example.com";

/// A clone with environments in it, and with notes that are made on a branch of their own.
pub(super) struct Clone {
    _origin: lab::git::BareRepository,
    pub(super) copy: WorkingCopy,
    /// Keys that are trusted.
    pub(super) keys: TempDir,
    /// The key that signs, whose file goes with it.
    _key: SigningKey,
    commits: Vec<CommitId>,
}

fn revision(commit: &CommitId, number: usize) -> Revision {
    Revision {
        reference: None,
        commit: commit.clone(),
        author: "Ann <ann@example.com>".to_owned(),
        committed: "2026-11-21T20:00:00Z".parse().expect("a time"),
        subject: format!("Change {number}"),
        signer: None,
    }
}

/// Returns the line of one record, made a minute after the one before it.
pub(super) fn line(commit: &CommitId, sequence: u64, kind: RecordKind) -> String {
    let begin: jiff::Timestamp = "2026-11-21T20:00:00Z".parse().expect("a time");
    let minutes = i64::try_from(sequence).expect("a small number");
    let record = Record {
        at: begin + jiff::SignedDuration::from_mins(minutes),
        environment: EnvironmentName::new("team", "staging"),
        revision: Some(revision(commit, 1)),
        kind,
        objects: Vec::new(),
        message: format!("record {sequence}"),
        who: (kind == RecordKind::DriftCorrected).then(|| "unknown".to_owned()),
        attribution: None,
        related: None,
        count: None,
        again: false,
        class: None,
        took: Some(std::time::Duration::from_millis(40)),
    };
    let origin = Origin { cluster: "eu-1".to_owned(), environment: "env".to_owned(), repository: "repo".to_owned() };
    Line::of(&record, &origin, sequence).expect("a line").text()
}

fn path(commit: &CommitId) -> String {
    let (directory, file) = commit.as_str().split_at(2);
    format!("{directory}/{file}")
}

impl Clone {
    /// Makes three commits, and no notes yet.
    fn new() -> Self {
        let origin = lab::git::BareRepository::create().expect("a repository");
        let mut copy = WorkingCopy::clone(&origin.url()).expect("a clone").author("plumb", EMAIL);
        let commits = (1..=3).map(|number| {
            let text = copy.commit(&[("a.yaml", &number.to_string())], &format!("Change {number}")).expect("a commit");
            CommitId::parse(&text).expect("an id")
        });
        let commits = commits.collect();
        let key = SigningKey::ed25519().expect("a key");
        let keys = tempfile::tempdir().expect("a directory");
        let trusted = format!("{EMAIL} {}", key.public().expect("a public key"));
        fs::write(keys.path().join("allowed_signers"), trusted).expect("a file");
        copy.sign_with(Some(&key));
        copy.git(&["switch", "--quiet", "--orphan", "notes"]).expect("a branch");
        Self { _origin: origin, copy, keys, _key: key, commits }
    }

    /// Makes notes as plumb does: three links, five records.
    pub(super) fn with_notes() -> Self {
        let mut clone = Self::new();
        clone.link(&[(0, &[1])]);
        clone.link(&[(0, &[2]), (1, &[3])]);
        clone.link(&[(1, &[4]), (2, &[5])]);
        clone
    }

    /// Returns where the note on a commit is.
    pub(super) fn note_of(&self, commit: usize) -> String {
        path(&self.commits[commit])
    }

    fn note(&self, commit: usize) -> String {
        fs::read_to_string(self.copy.path().join(path(&self.commits[commit]))).unwrap_or_default()
    }

    /// Appends records to notes, in one link; even numbers are corrected drifts.
    fn link(&mut self, notes: &[(usize, &[u64])]) {
        let grown = notes.iter().map(|(commit, sequences)| {
            let mut text = self.note(*commit);
            for sequence in *sequences {
                let kind = if sequence % 2 == 0 { RecordKind::DriftCorrected } else { RecordKind::Applied };
                text.push_str(&line(&self.commits[*commit], *sequence, kind));
                text.push('\n');
            }
            (path(&self.commits[*commit]), text)
        });
        let grown: Vec<(String, String)> = grown.collect();
        self.write(&grown);
    }

    /// Makes one link of notes that hold these texts.
    fn write(&mut self, notes: &[(String, String)]) {
        let files: Vec<(&str, &str)> = notes.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        self.copy.commit(&files, "Notes added by plumb").expect("a commit");
        self.publish();
    }

    fn rewrite(&mut self, commit: usize, edit: impl FnOnce(String) -> String) {
        let text = edit(self.note(commit));
        self.write(&[(path(&self.commits[commit]), text)]);
    }

    fn publish(&self) {
        self.copy.git(&["update-ref", NOTES, "HEAD"]).expect("a ref");
    }

    pub(super) fn head(&self) -> String {
        self.copy.head().expect("a commit")
    }

    /// Goes back by so many links.
    pub(super) fn cut_off(&self, links: usize) {
        self.copy.git(&["reset", "--quiet", "--hard", &format!("HEAD~{links}")]).expect("an older link");
        self.publish();
    }

    pub(super) fn run(&self, words: &[&str]) -> Output {
        plumb(self.copy.path(), words)
    }

    /// Verifies with the trusted keys; returns the tampering that was found, each once.
    pub(super) fn verify(&self, more: &[&str]) -> Vec<String> {
        let report = self.report(more);
        let findings = report["findings"].as_array().expect("a list");
        let mut found: Vec<String> = findings.iter().map(|finding| text(&finding["what"])).collect();
        found.dedup();
        assert_eq!(report["holds"], Value::Bool(found.is_empty()));
        found
    }

    pub(super) fn verify_signed(&self, more: &[&str]) -> Vec<String> {
        let keys = self.keys.path().to_str().expect("a path in UTF-8");
        self.verify(&[&["--keys", keys], more].concat())
    }

    pub(super) fn report(&self, more: &[&str]) -> Value {
        let output = self.run(&[&["audit", "verify", "-o", "json"], more].concat());
        let reports: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!("{error}: {}", String::from_utf8_lossy(&output.stderr));
        });
        let report = reports[0].clone();
        let expected = if report["holds"] == true { 0 } else { 1 };
        assert_eq!(output.status.code(), Some(expected), "{report:#}");
        report
    }
}

pub(super) fn plumb(directory: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(lab::process::plumb());
    command.args(words).current_dir(directory).env_remove("KUBECONFIG").stdin(Stdio::null());
    command.output().expect("plumb runs")
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

pub(super) fn sentences(report: &Value, field: &str) -> String {
    report[field].as_array().expect("a list").iter().map(|line| text(line) + "\n").collect()
}

#[test]
fn honest_notes_hold_and_what_is_not_proved_is_said() {
    let clone = Clone::with_notes();
    assert_eq!(clone.verify_signed(&[]), [""; 0]);
    let report = clone.report(&[]);
    assert_eq!((&report["records"], &report["commits"], &report["environments"]), (&5.into(), &3.into(), &1.into()));
    let unproved = sentences(&report, "unproved");
    for words in ["who wrote 3 signed commits", "that the end was not cut off", "written anew as a whole"] {
        assert!(unproved.contains(words), "{words}: {unproved}");
    }
    let keys = clone.keys.path().to_str().expect("a path in UTF-8");
    let report = clone.report(&["--keys", keys, "--head", &clone.head()]);
    let (proved, unproved) = (sentences(&report, "proved"), sentences(&report, "unproved"));
    for words in
        ["only adds lines", "numbered without a gap", "signed by a trusted key", "the first 3 of the 3 commits"]
    {
        assert!(proved.contains(words), "{words}: {proved}");
    }
    assert!(!unproved.contains("cut off") && !unproved.contains("who wrote"), "{unproved}");
    let shown = clone.run(&["audit", "verify", "--keys", keys]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("proved:\n  - each of the 3 commits"), "{shown}");
}

#[test]
fn each_way_of_tampering_is_found_and_named() {
    // By somebody who has the key, so that only the history itself can tell.
    let check = |tamper: &dyn Fn(&mut Clone), expected: &str| {
        let mut clone = Clone::with_notes();
        tamper(&mut clone);
        assert_eq!(clone.verify_signed(&[]), [expected]);
        assert_eq!(clone.verify(&[]), [expected], "without keys");
    };
    check(&|clone| clone.rewrite(0, |text| text.lines().next().unwrap_or_default().to_owned() + "\n"), "Removed");
    check(&|clone| clone.rewrite(0, |text| text.replace("record 1", "record one")), "Edited");
    check(
        &|clone| {
            clone.rewrite(0, |text| {
                let mut lines: Vec<&str> = text.lines().collect();
                lines.reverse();
                lines.join("\n") + "\n"
            });
        },
        "Reordered",
    );
    check(&|clone| clone.link(&[(2, &[5])]), "Doubled");
    check(&|clone| clone.link(&[(2, &[7])]), "Removed");
    check(&|clone| clone.rewrite(2, |text| text + "approved\n"), "Forged");
    check(
        &|clone| {
            let elsewhere = line(&clone.commits[0], 6, RecordKind::Applied);
            clone.rewrite(2, |text| format!("{text}{elsewhere}\n"));
        },
        "Forged",
    );
}

#[test]
fn a_link_that_no_trusted_key_signed_is_forged() {
    let mut clone = Clone::with_notes();
    clone.copy.sign_with(None);
    clone.link(&[(2, &[6])]);
    assert_eq!(clone.verify_signed(&[]), ["Forged"]);
    assert_eq!(clone.verify(&[]), [""; 0]);
    assert!(sentences(&clone.report(&[]), "unproved").contains("who wrote 1 unsigned commits"));
    let mut clone = Clone::with_notes();
    let stranger = SigningKey::ed25519().expect("a key");
    clone.copy.sign_with(Some(&stranger));
    clone.link(&[(2, &[6])]);
    assert_eq!(clone.verify_signed(&[]), ["Forged"]);
}

#[test]
fn a_history_that_was_cut_off_or_written_anew_shows_against_an_anchor() {
    let clone = Clone::with_notes();
    let head = clone.head();
    clone.cut_off(1);
    assert_eq!(clone.verify_signed(&[]), [""; 0], "by itself it is a whole history");
    assert_eq!(clone.verify_signed(&["--head", &head]), ["Truncated"]);
    // The same without the commit: the clone that was fetched later does not have it.
    assert_eq!(clone.verify_signed(&["--head", &"1".repeat(40)]), ["Truncated"]);

    let mut clone = Clone::with_notes();
    let head = clone.head();
    clone.cut_off(1);
    clone.link(&[(2, &[4])]);
    assert_eq!(clone.verify_signed(&["--head", &head]), ["Rewritten"]);

    // A revert of plumb's says what the newest link was.
    let clone = Clone::with_notes();
    let anchored = format!("Revert \"Change 2\"\n\nPlumb-Records: {NOTES} {}\n", clone.head());
    clone.copy.git(&["switch", "--quiet", "main"]).expect("the branch");
    clone.copy.commit(&[], &anchored).expect("a commit");
    clone.copy.git(&["switch", "--quiet", "notes"]).expect("the notes");
    let keys = clone.keys.path().to_str().expect("a path in UTF-8");
    assert!(sentences(&clone.report(&["--keys", keys]), "proved").contains("the first 3 of the 3 commits"));
    assert!(!sentences(&clone.report(&[]), "proved").contains("the first 3 of the 3 commits"), "anybody can say so");
    clone.cut_off(2);
    assert_eq!(clone.verify(&[]), ["Truncated"]);
    assert_eq!(clone.verify(&["--cluster", "eu-1"]), ["Truncated"]);
}

#[test]
fn any_byte_of_the_history_that_is_changed_is_found_with_a_key_or_with_the_head() {
    let mut clone = Clone::with_notes();
    let head = clone.head();
    let first = clone.copy.git(&["show", &format!("HEAD~2:{}", path(&clone.commits[0]))]).expect("a note");
    let notes: Vec<Vec<(String, String)>> = (0..3).rev().map(|age| clone.files(age)).collect();
    clone.copy.sign_with(None);
    // Steps of a prime number, so that every part of a line gets its turn.
    for place in (0..first.len()).step_by(37) {
        clone.copy.git(&["switch", "--quiet", "--orphan", &format!("forged-{place}")]).expect("a branch");
        for files in notes.clone() {
            let changed = |(path, text): (String, String)| {
                let mut bytes = text.into_bytes();
                // Every copy of the first record, in every link: a history that is whole in itself.
                if path == self::path(&clone.commits[0]) && bytes.len() > place {
                    bytes[place] = if bytes[place] == b'x' { b'y' } else { b'x' };
                }
                (path, String::from_utf8(bytes).expect("plain letters"))
            };
            let files: Vec<(String, String)> = files.into_iter().map(changed).collect();
            clone.write(&files);
        }
        assert!(!clone.verify_signed(&[]).is_empty(), "byte {place}, by its key");
        assert!(!clone.verify(&["--head", &head]).is_empty(), "byte {place}, by the head");
        let unproved = sentences(&clone.report(&[]), "unproved");
        assert!(unproved.contains("unsigned") && unproved.contains("written anew"), "byte {place}: {unproved}");
    }
}

impl Clone {
    /// Returns the notes of the link so many before the newest.
    fn files(&self, age: usize) -> Vec<(String, String)> {
        let link = format!("HEAD~{age}");
        let paths = self.copy.git(&["ls-tree", "-r", "--name-only", &link]).expect("a tree");
        let of = |path: &str| {
            let text = self.copy.git(&["show", &format!("{link}:{path}")]).expect("a note");
            (path.to_owned(), text.trim_end().to_owned() + "\n")
        };
        paths.lines().map(of).collect()
    }
}

#[test]
fn an_object_that_is_damaged_is_no_proof_of_anything() {
    let clone = Clone::with_notes();
    let blob = clone.copy.git(&["rev-parse", &format!("HEAD:{}", path(&clone.commits[1]))]).expect("a note");
    let (directory, file) = blob.trim().split_at(2);
    let object = clone.copy.path().join(".git/objects").join(directory).join(file);
    let mut bytes = fs::read(&object).expect("a loose object");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::remove_file(&object).expect("an object");
    fs::write(&object, bytes).expect("a damaged object");
    let output = clone.run(&["audit", "verify"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), &b""[..]), "{said}");
    assert!(said.contains("git fsck"), "{said}");
}

#[test]
fn history_and_export_need_no_cluster() {
    let clone = Clone::with_notes();
    let output = clone.run(&["history", "staging", "--repo", ".", "-o", "json"]);
    let rows: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let shown: Vec<_> = rows.as_array().expect("a list").iter().map(|row| (&row["commit"], &row["drifts"])).collect();
    let id = |commit: usize| Value::from(clone.commits[commit].to_string());
    assert_eq!(shown, [(&id(2), &0.into()), (&id(1), &1.into()), (&id(0), &1.into())]);
    let table = clone.run(&["history", "team/staging", "--repo", "."]);
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    assert!(table.starts_with("COMMIT ") && table.contains("Applied"), "{table}");
    let other = clone.run(&["history", "production", "--repo", "."]);
    assert!(String::from_utf8_lossy(&other.stderr).contains("nothing is recorded of production"));

    let short = clone.commits[1].short();
    let output = clone.run(&["history", "--repo", ".", "--commit", short, "-o", "json"]);
    let lines: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let sequences: Vec<_> = lines.as_array().expect("a list").iter().map(|line| line["sequence"].clone()).collect();
    assert_eq!(sequences, [3, 4]);

    let window = ["--since", "2026-11-21T20:02:00Z", "--until", "2026-11-21T20:04:00Z"];
    let output = clone.run(&[&["audit", "export", "-o", "csv"], &window[..]].concat());
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(table.lines().count(), 3, "{table}");
    assert!(table.starts_with("time,cluster,namespace,environment,sequence,kind,commit,"), "{table}");
    let output = clone.run(&["audit", "export"]);
    let all: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(all.as_array().map(Vec::len), Some(5));
    let output = clone.run(&["audit", "export", "--since", "yesterday"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn without_notes_the_command_that_fetches_them_is_shown() {
    let clone = Clone::new();
    let check = |directory: &Path, words: &[&str], expected: &[&str]| {
        let output = plumb(directory, words);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        for words in expected {
            assert!(said.contains(words), "{said}");
        }
    };
    let fetch = "git fetch origin 'refs/notes/plumb/*:refs/notes/plumb/*'";
    for words in [&["audit", "verify"][..], &["audit", "export"], &["history", "staging", "--repo", "."]] {
        check(clone.copy.path(), words, &["has no notes of plumb", fetch]);
    }
    let empty = tempfile::tempdir().expect("a directory");
    check(empty.path(), &["audit", "verify"], &["it is no Git repository"]);
    let clone = Clone::with_notes();
    check(clone.copy.path(), &["audit", "verify", "--cluster", "us-1"], &["has no notes of us-1", "--cluster: eu-1"]);
    check(clone.copy.path(), &["audit", "verify", "--keys", "absent"], &["absent"]);
}

/// Returns the recipes of a document: its blocks in a language.
fn recipes(document: &str, language: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(document);
    let text = fs::read_to_string(path).expect("the document");
    let fence = format!("```{language}\n");
    let blocks = text.split(&fence).skip(1);
    blocks.map(|block| block.split("```").next().unwrap_or_default().to_owned()).collect()
}

/// Returns where jq is: this workspace's own, which is always there, and the one that is installed, if there is one.
fn jqs() -> Vec<PathBuf> {
    let built = lab::process::example("jq").unwrap_or_else(|error| panic!("jq is needed here: {error}"));
    let places = env::var_os("PATH").unwrap_or_default();
    let installed = env::split_paths(&places).map(|place| place.join("jq")).find(|jq| jq.is_file());
    [built].into_iter().chain(installed).collect()
}

#[test]
fn the_recipes_for_git_and_jq_work_as_they_are_written() {
    jqs().iter().for_each(|jq| check_recipes(jq));
}

/// Runs every recipe, with one jq.
fn check_recipes(jq: &Path) {
    let clone = Clone::with_notes();
    let programs = tempfile::tempdir().expect("a directory");
    std::os::unix::fs::symlink(jq, programs.path().join("jq")).expect("a link");
    let others = env::var_os("PATH").unwrap_or_default();
    let places = [programs.path().to_owned()].into_iter().chain(env::split_paths(&others));
    let places = env::join_paths(places).expect("paths");
    let kept = clone.copy.path().join("keys");
    fs::create_dir(&kept).expect("a directory");
    fs::copy(clone.keys.path().join("allowed_signers"), kept.join("allowed_signers")).expect("a copy");
    let recipes = recipes("docs/audit.md", "bash");
    let records = recipes.iter().find(|recipe| recipe.starts_with("records()")).expect("a function");
    let function = records.lines().next().expect("a line");
    let run = |recipe: &str| {
        // The last of several programs must not hide that one before it has failed.
        let script = format!("set -e -o pipefail\n{function}\n{recipe}").replace("1a2b3c4", clone.commits[1].short());
        let mut bash = Command::new("bash");
        let output = bash.args(["-c", &script]).env("PATH", &places).current_dir(clone.copy.path()).output();
        let output = output.expect("bash");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && said.is_empty(), "{}: {recipe}: {said}", jq.display());
        String::from_utf8(output.stdout).expect("text")
    };
    let answer = |words: &str| run(recipes.iter().find(|recipe| recipe.contains(words)).expect("a recipe"));
    assert!(answer("git notes --ref").contains("\"sequence\": 4"));
    assert_eq!(answer("sort -rn"), "      2 unknown\n");
    assert_eq!(answer("group_by"), "", "no number is missing");
    assert_eq!(answer("%G?").matches(" G plumb@example.com plumb ").count(), 3);
    assert_eq!(answer("--numstat"), "", "nothing was changed");
    for recipe in &recipes {
        run(recipe);
    }
    // What finds a gap finds one.
    let mut clone = clone;
    clone.link(&[(2, &[7])]);
    let gap = recipes.iter().find(|recipe| recipe.contains("group_by")).expect("a recipe");
    let script = format!("{function}\n{gap}");
    let mut bash = Command::new("bash");
    let output = bash.args(["-c", &script]).env("PATH", &places).current_dir(clone.copy.path()).output().expect("bash");
    assert!(String::from_utf8_lossy(&output.stdout).contains("\"staging\""), "{}: 6 is missing", jq.display());
}
