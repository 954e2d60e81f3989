//! Notes that plumb writes and the real `git notes` reads, and the other way round.

use std::fmt::Write as _;

use plumb_core::commit::{CommitId, RefName, TreeId};
use plumb_git::{
    draft::Draft,
    mirror::Mirror,
    notes::Addition,
    push::{PushOutcome, RefUpdate},
    remote::{RefSelector, Remote},
    worker::Settings,
    workers::Workers,
};

use crate::{
    pool::{in_process, remote},
    repository::TestRepository,
};

struct Desk {
    source: TestRepository,
    mirror: Mirror,
    workers: Workers,
    remote: Remote,
}

impl Desk {
    async fn new() -> Self {
        let source = TestRepository::new();
        source.change("a.yaml", "one");
        let mirror = Mirror::open_or_create(&source.beside("mirror")).expect("a mirror");
        let (workers, _) = in_process(Settings::default());
        let remote = remote(source.url());
        let found = workers.advertised(&remote, &RefSelector::Head).await.expect("HEAD is there");
        workers.fetch(&remote, mirror.path(), &found).await.expect("it can be fetched");
        Self { source, mirror, workers, remote }
    }

    fn name() -> RefName {
        RefName::parse("refs/notes/plumb/lab").expect("a good name")
    }

    fn add(&self, head: Option<&CommitId>, commit: &CommitId, line: &str) -> Option<TreeId> {
        let edit = |note: &str| (!note.contains(line)).then(|| format!("{note}{line}\n"));
        self.mirror.add_notes(head, &[Addition { commit, edit: &edit }]).expect("a readable tree")
    }

    /// Adds a line to the note on a commit and pushes; returns what the ref holds then.
    async fn append(&self, commit: &CommitId, line: &str) -> CommitId {
        let name = Self::name();
        let head = self.workers.fetch_ref(&self.remote, self.mirror.path(), &name).await.expect("an answer");
        let tree = self.add(head.as_ref(), commit, line).expect("a new line");
        let plumb = plumb_core::person::Person::parse("plumb <plumb@example.com>").expect("somebody");
        let draft = Draft {
            tree,
            parents: head.iter().cloned().collect(),
            author: plumb.clone(),
            committer: plumb,
            at: "2026-01-02T03:04:05Z".parse().expect("a time"),
            message: "notes\n".to_owned(),
        };
        let target = self.mirror.write_commit(&draft, None).expect("a commit");
        let update = [RefUpdate { name, expected: head, target: target.clone() }];
        let outcome = self.workers.push(&self.remote, self.mirror.path(), &update).await.expect("an answer");
        assert_eq!(outcome, PushOutcome::Pushed);
        target
    }

    fn git(&self, arguments: &[&str]) -> String {
        self.source.git(&[&["notes", "--ref=plumb/lab"], arguments].concat())
    }
}

#[tokio::test]
async fn git_and_plumb_add_to_the_same_notes() {
    let desk = Desk::new().await;
    let first = desk.source.head();
    let head = desk.append(&first, "one").await;
    assert_eq!(desk.git(&["show", first.as_str()]), "one");
    let path = format!("{}/{}", &first.as_str()[..2], &first.as_str()[2..]);
    assert_eq!(desk.source.git(&["ls-tree", "-r", "--name-only", head.as_str()]), path);
    assert_eq!(desk.add(Some(&head), &first, "one"), None, "it is there already");

    // Few notes, and Git keeps them without folders.
    desk.git(&["append", "-m", "by Ann", first.as_str()]);
    let flat = desk.source.git(&["ls-tree", "-r", "--name-only", "refs/notes/plumb/lab"]);
    assert_eq!(flat, first.as_str());
    let head = desk.append(&first, "two").await;
    assert_eq!(desk.git(&["show", first.as_str()]), "one\n\nby Ann\ntwo");
    assert_eq!(desk.source.git(&["ls-tree", "-r", "--name-only", head.as_str()]), path);
    assert_eq!(desk.git(&["list"]).lines().count(), 1);
    desk.source.git(&["fsck", "--strict", "--no-dangling"]);
}

#[tokio::test]
async fn one_more_note_among_many_thousands_writes_a_handful_of_objects() {
    const NOTES: u32 = 20_000;
    let desk = Desk::new().await;
    let mut history = String::from(
        "blob\nmark :1\ndata 4\nnote\ncommit refs/notes/plumb/lab\ncommitter a <a@b> 0 +0000\ndata 5\nnotes",
    );
    for number in 0..NOTES {
        // Spread as ids are.
        let id = format!("{:08x}{}", number.wrapping_mul(2_654_435_761), "0".repeat(32));
        write!(history, "\nM 100644 :1 {}/{}", &id[..2], &id[2..]).expect("a text");
    }
    history.push('\n');
    let file = desk.source.beside("history");
    std::fs::write(&file, history).expect("a file");
    let import = format!("fast-import --quiet < {}", file.display());
    desk.source.git(&["-c", &format!("alias.import=!git {import}"), "import"]);
    let name = Desk::name();
    let head =
        desk.workers.fetch_ref(&desk.remote, desk.mirror.path(), &name).await.expect("an answer").expect("a ref");
    let objects = || {
        let counted = desk.source.git(&["--git-dir", &desk.mirror.path().display().to_string(), "count-objects"]);
        counted.split(' ').next().and_then(|count| count.parse::<u32>().ok()).expect("a count")
    };
    let before = objects();
    desk.add(Some(&head), &desk.source.head(), "one more").expect("a new tree");
    assert_eq!(objects() - before, 3, "the note, its folder and the root");
}
