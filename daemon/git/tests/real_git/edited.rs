//! Trees with other contents of some files, by the eyes of `git`, and the commits that changed a value.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt as _};

use jiff::Timestamp;
use plumb_core::{
    commit::{CommitId, RepoPath},
    person::Person,
    trigger::change::{Ending, Lineage},
};
use plumb_git::{draft::Draft, edited::FILE_BYTES_MAX, error::GitError, mirror::Mirror};

use crate::repository::TestRepository;

fn mirror(source: &TestRepository) -> Mirror {
    Mirror::open_or_create(&source.path().join(".git")).expect("a repository")
}

fn path(text: &str) -> RepoPath {
    RepoPath::parse(text).expect("a path")
}

fn files(files: &[(&str, &str)]) -> BTreeMap<RepoPath, Vec<u8>> {
    files.iter().map(|(name, content)| (path(name), content.as_bytes().to_vec())).collect()
}

/// Commits these contents on top of a commit and returns it.
fn write(mirror: &Mirror, base: &CommitId, contents: &[(&str, &str)]) -> Result<CommitId, GitError> {
    let person = Person::parse("plumb <plumb@example.com>").expect("a person");
    let draft = Draft {
        tree: mirror.tree_with_files(base, &files(contents))?,
        parents: vec![base.clone()],
        author: person.clone(),
        committer: person,
        at: Timestamp::from_second(1_800_000_000).expect("a time"),
        message: "written\n".to_owned(),
    };
    mirror.write_commit(&draft, None)
}

#[test]
fn only_the_named_files_change_and_keep_their_mode() {
    let source = TestRepository::new();
    source.write("a/run.yaml", "1\n");
    let run = source.path().join("a/run.yaml");
    fs::set_permissions(run, fs::Permissions::from_mode(0o755)).expect("its mode");
    source.write("a/other", "kept");
    source.write("top", "kept");
    let base = source.commit("all");
    let mirror = mirror(&source);
    let contents = [("a/new/deep/file", "new"), ("a/run.yaml", "2\n"), ("top.yaml", "new")];
    let written = write(&mirror, &base, &contents).expect("a commit");
    assert_eq!(write(&mirror, &base, &contents), Ok(written.clone()), "the same commit each time");
    let changed = source.git(&["diff", "--raw", "--no-abbrev", "--no-renames", base.as_str(), written.as_str()]);
    let changed: Vec<Vec<&str>> = changed.lines().map(|line| line.split_whitespace().collect()).collect();
    let changed: Vec<_> = changed.iter().map(|row| (row[0], row[1], row[4], row[5])).collect();
    assert_eq!(
        changed,
        [
            (":000000", "100644", "A", "a/new/deep/file"),
            (":100755", "100755", "M", "a/run.yaml"),
            (":000000", "100644", "A", "top.yaml"),
        ]
    );
    assert_eq!(source.git(&["show", &format!("{written}:a/run.yaml")]), "2");
    source.git(&["fsck", "--strict"]);
    let snapshot = mirror.snapshot(&written).expect("a snapshot");
    assert_eq!(snapshot.file(&path("a/run.yaml")), Ok(Some(b"2\n".to_vec())));
    assert_eq!(snapshot.file(&path("a/none")), Ok(None));
    assert_eq!(snapshot.file(&path("none/at/all")), Ok(None));
}

#[test]
fn nothing_is_put_in_the_place_of_something_else() {
    let source = TestRepository::new();
    let other = TestRepository::new();
    other.change("x", "x");
    source.git(&["submodule", "add", "-q", other.url().as_str(), "module"]);
    source.write("directory/file", "content");
    source.link("link", "directory/file");
    source.link("linked", "directory");
    let base = source.commit("all");
    let mirror = mirror(&source);
    let snapshot = mirror.snapshot(&base).expect("a snapshot");
    let check = |name: &str, words: &str| {
        for error in [
            write(&mirror, &base, &[(name, "new")]).map(|_| ()).expect_err("refused"),
            snapshot.file(&path(name)).map(|_| ()).expect_err("refused"),
        ] {
            assert!(error.to_string().contains(words), "{error}");
            assert_eq!(error.reason(), "NotAFile");
        }
    };
    check("link", "link in commit");
    check("link", "is a symbolic link");
    check("directory", "is a directory");
    check("module", "is a submodule");
    check("linked/file", "is below linked, which is a symbolic link");
    check("module/x", "is below module, which is a submodule");
    check("directory/file/below", "is below directory/file, which is a file");
    check(".", "is a directory");
    let error = write(&mirror, &base, &[("new", "1"), ("new/below", "2")]).expect_err("both at once");
    assert!(error.to_string().contains("is below new, which is a file"), "{error}");
    source.write("large", vec![b'a'; FILE_BYTES_MAX + 1]);
    let base = source.commit("large");
    let error = mirror.snapshot(&base).expect("a snapshot").file(&path("large")).expect_err("too large");
    assert!(error.to_string().contains("is larger than 8 MiB"), "{error}");
}

/// The first line of a file is its value.
fn first_line(content: Option<&[u8]>) -> Option<String> {
    String::from_utf8_lossy(content?).lines().next().map(str::to_owned)
}

/// Returns the changes of a value as `message: before>after`, newest first.
fn changes(source: &TestRepository, most: usize, wanted: usize) -> (Vec<String>, Ending) {
    let lineage =
        mirror(source).lineage(&source.head(), &path("k.yaml"), most, &first_line, &|found| found.len() < wanted);
    let Lineage { changes, ending } = lineage.expect("a history");
    let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
    let line = |message: &str| message.lines().next().unwrap_or_default().to_owned();
    let changes = changes.iter();
    let changes = changes.map(|it| format!("{}: {}>{}", line(&it.message), shown(&it.before), shown(&it.after)));
    (changes.collect(), ending)
}

fn commit(source: &TestRepository, content: &str, message: &str) -> CommitId {
    source.write("k.yaml", content);
    source.commit(message)
}

#[test]
fn the_commits_that_changed_a_value_are_found() {
    let source = TestRepository::new();
    source.change("other", "1");
    commit(&source, "a\n", "first");
    source.change("other", "2");
    let second = commit(&source, "b\nmore\n", "second\n\nPlumb-Run: x/y\n");
    commit(&source, "b\nless\n", "not the value");
    source.change("other", "3");
    assert_eq!(changes(&source, 100, 1), (vec!["second: a>b".to_owned()], Ending::Enough));
    let all = vec!["second: a>b".to_owned(), "first: none>a".to_owned()];
    assert_eq!(changes(&source, 100, 10), (all, Ending::Beginning));
    assert_eq!(changes(&source, 2, 1), (vec![], Ending::TooFar));
    assert_eq!(changes(&source, 100, 0), (vec![], Ending::Enough));
    let found = mirror(&source).lineage(&source.head(), &path("k.yaml"), 100, &first_line, &|found| found.is_empty());
    let found = found.expect("a history").changes.remove(0);
    assert_eq!((found.commit, found.author.as_str()), (second, "Ada Author <ada@example.com>"));
    assert!(found.message.contains("Plumb-Run: x/y"), "{}", found.message);
    assert_eq!(found.committed.to_string(), "2026-01-02T03:04:06Z");
    // A file that is gone, and one that was never there.
    source.git(&["rm", "-q", "k.yaml"]);
    source.commit("gone");
    assert_eq!(changes(&source, 100, 1).0, ["gone: b>none"]);
    let never =
        mirror(&source).lineage(&source.head(), &path("never"), 100, &first_line, &|_| true).expect("a history");
    assert_eq!(never, Lineage { changes: vec![], ending: Ending::Beginning });
}

#[test]
fn what_a_merge_brought_is_the_doing_of_the_merged_commit() {
    let source = TestRepository::new();
    commit(&source, "a\n", "first");
    source.git(&["switch", "-q", "-c", "side"]);
    commit(&source, "b\n", "on the side");
    source.change("side", "1");
    source.git(&["switch", "-q", "main"]);
    source.change("other", "1");
    source.git(&["merge", "-q", "--no-ff", "-m", "merge", "side"]);
    source.change("other", "2");
    assert_eq!(changes(&source, 100, 10).0, ["on the side: a>b", "first: none>a"]);
    // A merge that takes an older state back is what its author wants.
    source.git(&["switch", "-q", "-c", "old", "HEAD~1^1"]);
    source.change("old", "1");
    source.git(&["switch", "-q", "main"]);
    source.git(&["merge", "-q", "--no-commit", "old"]);
    commit(&source, "a\n", "back by a merge");
    assert_eq!(changes(&source, 100, 1).0, ["back by a merge: b>a"]);
    // And so is one that has a value of its own.
    source.git(&["switch", "-q", "-c", "third", "HEAD~1"]);
    commit(&source, "c\n", "third");
    source.git(&["switch", "-q", "main"]);
    source.git(&["merge", "-q", "-s", "ours", "--no-commit", "third"]);
    commit(&source, "d\n", "neither");
    assert_eq!(changes(&source, 100, 1).0, ["neither: a>d"]);
}

#[test]
fn what_stands_in_the_place_of_the_file_is_no_value() {
    let source = TestRepository::new();
    commit(&source, "a\n", "first");
    source.git(&["rm", "-q", "k.yaml"]);
    source.link("k.yaml", "elsewhere");
    source.commit("a link");
    assert_eq!(changes(&source, 100, 10).0, ["a link: a>none", "first: none>a"]);
}
