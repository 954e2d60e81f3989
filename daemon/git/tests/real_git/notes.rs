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
        let edit = |note: &[u8]| {
            let has = note.windows(line.len()).any(|part| part == line.as_bytes());
            (!has).then(|| [note, line.as_bytes(), b"\n"].concat())
        };
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
async fn nothing_is_written_over_what_is_no_note() {
    let desk = Desk::new().await;
    let (first, name) = (desk.source.head(), Desk::name());
    let (folder, file) = first.as_str().split_at(2);
    let blob = |bytes: &[u8]| {
        std::fs::write(desk.source.beside("blob"), bytes).expect("a file");
        desk.source.git(&["hash-object", "-w", &desk.source.beside("blob").display().to_string()])
    };
    let (binary, other) = (blob(b"\x00\xff no line break"), blob(b"x"));
    let large = blob(&vec![b'x'; 17 << 20]);
    // A tree of one entry, at each of these places.
    let head = async |path: &str, blob: &str| {
        desk.source.git(&["read-tree", "--empty"]);
        desk.source.git(&["update-index", "--add", "--cacheinfo", &format!("100644,{blob},{path}")]);
        let tree = desk.source.git(&["write-tree"]);
        let commit = desk.source.git(&["commit-tree", "-m", "notes", &tree]);
        desk.source.git(&["update-ref", name.as_str(), &commit]);
        desk.workers.fetch_ref(&desk.remote, desk.mirror.path(), &name).await.expect("an answer")
    };
    let noted = |head: &Option<CommitId>| {
        let notes = desk.mirror.notes(head.as_ref(), [first.clone()]).expect("a readable tree");
        notes[&first].clone()
    };
    let taken = head(&format!("{folder}/{file}"), &binary).await;
    assert_eq!(noted(&taken), Ok(b"\x00\xff no line break".to_vec()), "what is no text is added to like any note");
    assert!(desk.add(taken.as_ref(), &first, "one").is_some());
    for (path, blob, why) in [
        (folder.to_owned(), &other, format!("{folder} of the tree of notes is no directory")),
        (format!("{folder}/{file}/x"), &other, format!("{folder}/{file} of the tree of notes is no file")),
        (format!("{folder}/{file}"), &large, "it has 17825792 bytes, more than plumb reads".to_owned()),
    ] {
        let head = head(&path, blob).await;
        assert_eq!(noted(&head), Err(why), "{path}");
        let edit = |_: &[u8]| Some(Vec::new());
        assert!(desk.mirror.add_notes(head.as_ref(), &[Addition { commit: &first, edit: &edit }]).is_err(), "{path}");
    }
}

#[tokio::test]
async fn commits_that_a_ref_does_not_lead_to_any_more_are_told() {
    let desk = Desk::new().await;
    let commit = desk.source.head();
    let (one, two) = (desk.append(&commit, "one").await, desk.append(&commit, "two").await);
    let missing = |head: Option<&CommitId>, commits: &[&CommitId]| {
        let commits = commits.iter().map(|commit| (*commit).clone()).collect();
        desk.mirror.missing(head, commits).expect("a walk").into_iter().collect::<Vec<_>>()
    };
    assert_eq!(missing(Some(&two), &[&one, &two]), []);
    assert_eq!(missing(Some(&one), &[&one, &two]), std::slice::from_ref(&two), "the end was cut off");
    assert_eq!(missing(Some(&commit), &[&two]), std::slice::from_ref(&two));
    assert_eq!(missing(None, &[&two]), std::slice::from_ref(&two));
    let unknown = CommitId::parse(&"1".repeat(40)).expect("an id");
    assert_eq!(missing(Some(&two), &[&unknown]), std::slice::from_ref(&unknown));
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
