//! Measures how long it takes to add a line to the note on one commit, where a hundred thousand commits have notes, for
//! `cargo lab bench notes`: what it prints are the samples, as JSON.
//!
//! The floor is `git notes append` in the same repository, a process each time.
#![expect(clippy::print_stdout, reason = "it prints its measurement")]

use std::{fmt::Write as _, time::Instant};

use lab::git::BareRepository;
use plumb_core::{commit::CommitId, person::Person};
use plumb_git::{draft::Draft, mirror::Mirror, notes::Addition};

/// Commits that have a note.
const NOTES: u32 = 100_000;
/// Commits to which one is added, by each of the two.
const ROUNDS: usize = 50;
const REF: &str = "refs/notes/plumb/bench";
/// Whose the commits of Git are, which asks for nobody's settings here.
const SOMEBODY: [&str; 4] = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
/// Of the length that a record has.
const LINE: &str = r#"{"v":1,"time":"2026-11-21T20:04:30Z","kind":"DriftCorrected","sequence":7,"cluster":"bench","repository":"5f0c6d1e-0000-4000-8000-000000000000","environment":{"namespace":"team","name":"shop","uid":"9a41c2d3-0000-4000-8000-000000000000"},"commit":"0123456789abcdef0123456789abcdef01234567","author":"Ann <ann@example.com>","subject":"More replicas","message":"Deployment shop/web was changed by kubectl-edit"}"#;

fn main() {
    let repository = BareRepository::create().expect("a repository");
    repository.import(|import| import.write_all(history().as_bytes())).expect("a history that git takes");
    let log = repository.git(&["log", "--format=%H", "refs/heads/main"]).expect("a log");
    let commits: Vec<CommitId> = log.lines().map(|id| CommitId::parse(id).expect("an id")).collect();
    let (mut floors, mut appends) = (Vec::new(), Vec::new());
    for pair in commits.chunks_exact(2) {
        let [one, other] = pair else { unreachable!("because they come in pairs") };
        let begun = Instant::now();
        repository
            .git(&[&SOMEBODY[..], &["notes", "--ref", REF, "append", "-m", LINE, one.as_str()]].concat())
            .expect("a note");
        floors.push(milliseconds(begun));
        let head = repository.git(&["rev-parse", REF]).expect("a ref");
        let begun = Instant::now();
        let added = append(&repository, CommitId::parse(head.trim()).expect("an id"), other);
        appends.push(milliseconds(begun));
        repository.git(&["update-ref", REF, added.as_str()]).expect("a ref");
    }
    println!("{}", serde_json::json!({ "commits": NOTES, "floorMs": floors, "plumbMs": appends }));
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

/// Adds a line to a note in a commit of its own, as a publisher does.
fn append(repository: &BareRepository, head: CommitId, commit: &CommitId) -> CommitId {
    let mirror = Mirror::open_or_create(repository.path()).expect("a repository");
    let edit = |note: &[u8]| Some([note, LINE.as_bytes(), b"\n"].concat());
    let tree = mirror.add_notes(Some(&head), &[Addition { commit, edit: &edit }]).expect("a tree of notes");
    let plumb = Person::parse("plumb <plumb@example.com>").expect("somebody");
    let draft = Draft {
        tree: tree.expect("a new line"),
        parents: vec![head],
        author: plumb.clone(),
        committer: plumb,
        at: jiff::Timestamp::UNIX_EPOCH,
        message: "notes\n".to_owned(),
    };
    mirror.write_commit(&draft, None).expect("a commit")
}

/// Returns commits, and notes on them and on a hundred thousand others, as `git fast-import` reads them.
fn history() -> String {
    let mut history = format!("blob\nmark :1\ndata {}\n{LINE}\n\n", LINE.len() + 1);
    for number in 0..ROUNDS * 2 {
        writeln!(history, "commit refs/heads/main\ncommitter a <a@example.com> {number} +0000\ndata 1\nx\n")
            .expect("text");
    }
    writeln!(history, "commit {REF}\ncommitter a <a@example.com> 0 +0000\ndata 5\nnotes").expect("text");
    for number in 0..NOTES {
        // Spread as ids are.
        let id = format!("{:08x}{}", number.wrapping_mul(2_654_435_761), "0".repeat(32));
        writeln!(history, "M 100644 :1 {}/{}", &id[..2], &id[2..]).expect("text");
    }
    history
}
