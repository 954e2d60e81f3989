//! Files of a commit and of a working directory, links included.

use std::{collections::BTreeMap, fs};

use plumb_core::{
    commit::{CommitId, RepoPath},
    source::SourceTree,
};
use plumb_git::{
    directory,
    mirror::Mirror,
    snapshot::{PathEntry, Snapshot},
};

use crate::repository::TestRepository;

fn path(text: &str) -> RepoPath {
    RepoPath::parse(text).expect("a path")
}

/// Returns the snapshot straight from the repository, which has the form of a mirror.
fn snapshot(source: &TestRepository, commit: &CommitId) -> Snapshot {
    let mirror = Mirror::open_or_create(&source.path().join(".git")).expect("a repository");
    mirror.snapshot(commit).expect("the commit is there")
}

fn files(tree: &SourceTree) -> BTreeMap<&str, String> {
    let text = |content: &[u8]| String::from_utf8_lossy(content).into_owned();
    tree.files.iter().map(|file| (file.path.as_str(), text(&file.content))).collect()
}

fn inputs(tree: &SourceTree) -> Vec<&str> {
    tree.inputs.0.keys().map(RepoPath::as_str).collect()
}

#[test]
fn links_inside_the_repository_are_followed_and_their_targets_are_inputs() {
    let source = TestRepository::new();
    source.write("env/a.yaml", "a");
    source.write("env/sub/b.yaml", "b");
    source.write("shared/c.yaml", "c");
    source.write("base/d.yaml", "d");
    source.link("env/file.yaml", "../shared/c.yaml");
    source.link("env/directory", "../linked");
    source.link("env/inner.yaml", "sub/b.yaml");
    source.link("linked", "./base");
    source.link("production", "env");
    let commit = source.commit("all");
    let snapshot = snapshot(&source, &commit);

    let tree = snapshot.read(&path("env")).expect("a directory");
    assert_eq!(tree.problems, []);
    let expected = [
        ("env/a.yaml", "a"),
        ("env/directory/d.yaml", "d"),
        ("env/file.yaml", "c"),
        ("env/inner.yaml", "b"),
        ("env/sub/b.yaml", "b"),
    ];
    assert_eq!(files(&tree), expected.map(|(name, content)| (name, content.to_owned())).into());
    assert_eq!(inputs(&tree), ["base", "env", "linked", "shared/c.yaml"]);
    for file in &tree.files {
        let blob = source.git(&["hash-object", &file.path.to_string()]);
        assert_eq!(file.blob.as_str(), blob, "{}", file.path);
    }
    for (path, id) in &tree.inputs.0 {
        assert_eq!(id.as_str(), source.git(&["rev-parse", &format!("HEAD:{path}")]), "{path}");
    }

    let through_link = snapshot.read(&path("production")).expect("a link to a directory");
    assert_eq!(through_link.files.len(), tree.files.len());
    assert!(through_link.files.iter().all(|file| file.path.as_str().starts_with("production/")));
    assert_eq!(inputs(&through_link), ["base", "env", "linked", "production", "shared/c.yaml"]);

    let in_directory = directory::read(&source.path().join("env")).expect("a directory");
    assert_eq!((in_directory.files, in_directory.problems), (tree.files, tree.problems));
}

#[test]
fn a_change_outside_the_inputs_needs_no_reading() {
    let source = TestRepository::new();
    source.write("env/a.yaml", "a");
    source.write("shared/c.yaml", "c");
    source.link("env/c.yaml", "../shared/c.yaml");
    let commit = source.commit("all");
    let inputs = snapshot(&source, &commit).read(&path("env")).expect("a directory").inputs;
    let check = |file: &str, unchanged: bool| {
        let commit = source.change(file, "changed");
        assert_eq!(snapshot(&source, &commit).unchanged(&inputs), Ok(unchanged), "{file}");
        source.git(&["reset", "-q", "--hard", "HEAD~1"]);
    };
    check("README.md", true);
    check("shared/other.yaml", true);
    check("shared/c.yaml", false);
    check("env/a.yaml", false);
    check("env/new.yaml", false);
}

#[test]
fn what_cannot_be_read_is_a_problem_with_its_file_and_a_remedy() {
    let source = TestRepository::new();
    let other = TestRepository::new();
    other.change("x", "x");
    source.git(&["submodule", "add", "-q", other.url().as_str(), "env/module"]);
    source.write("env/good.yaml", "good");
    source.link("env/absolute", "/etc/passwd");
    source.link("env/leaves", "../../../etc/passwd");
    source.link("env/missing", "nothing");
    source.link("env/loop", "loop");
    source.link("env/up", "..");
    source.link("env/self", "../env");
    source.link("env/through", "good.yaml/more");
    source.link("env/into", "module/x");
    source.link("env/git", "../.git/config");
    let commit = source.commit("all");
    let expected = [
        ("env/absolute", "absolute target"),
        ("env/git", "is a link to .git/config, which does not exist"),
        ("env/into", "into a submodule"),
        ("env/leaves", "leaves the repository"),
        ("env/loop", "more than 40 others"),
        ("env/missing", "is a link to env/nothing, which does not exist"),
        ("env/module", "is a submodule"),
        ("env/self", "a link inside itself"),
        ("env/through", "not a directory"),
        ("env/up/env", "a link inside itself"),
    ];
    let commit = snapshot(&source, &commit).read(&path("env")).expect("a directory");
    let directory = directory::read(&source.path().join("env")).expect("a directory");
    for tree in [commit, directory] {
        let found: Vec<_> = tree.problems.iter().map(|it| (it.origin.file.as_str(), it.message.as_str())).collect();
        for (file, words) in expected {
            let words = if file == "env/git" { "does not exist" } else { words };
            assert!(found.iter().any(|(at, message)| *at == file && message.contains(words)), "{file}: {found:#?}");
        }
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        assert!(tree.problems.iter().all(|problem| !problem.remedy.is_empty()));
        assert!(files(&tree).contains_key("env/good.yaml"));
        assert!(tree.files.iter().all(|file| !file.content.starts_with(b"root:")));
    }
}

#[test]
fn a_path_is_a_tree_a_file_a_link_or_missing() {
    let source = TestRepository::new();
    source.write("env/a.yaml", "a");
    source.link("link", "env");
    let commit = source.commit("all");
    let snapshot = snapshot(&source, &commit);
    let id = |name: &str| plumb_core::commit::TreeId::parse(&source.git(&["rev-parse", name])).expect("an id");
    let check = |name: &str, expected: PathEntry| assert_eq!(snapshot.tree_id(&path(name)), Ok(expected), "{name}");
    check("", PathEntry::Tree(id("HEAD^{tree}")));
    check("env", PathEntry::Tree(id("HEAD:env")));
    check("env/a.yaml", PathEntry::File(id("HEAD:env/a.yaml")));
    check("link", PathEntry::Link(id("HEAD:link")));
    check("nothing", PathEntry::Missing);
    check("env/a.yaml/b", PathEntry::Missing);

    let refused = |name: &str| snapshot.read(&path(name)).expect_err(name).to_string();
    let short = commit.short();
    assert_eq!(refused("nothing"), format!("there is no directory nothing in commit {short}; check spec.path"));
    assert_eq!(refused("env/a.yaml"), format!("env/a.yaml in commit {short} is a file; spec.path names a directory"));
    assert!(refused("env/a.yaml/b").contains("is a file"));
}

#[test]
fn a_directory_is_read_as_its_commit_would_be() {
    let source = TestRepository::new();
    source.write(".gitignore", "ignored/\n*.log\n");
    source.write("env/a.yaml", "a");
    source.write("env/kept.log", "tracked although it matches");
    source.git(&["add", "-f", "env/kept.log"]);
    let commit = source.commit("all");
    source.write("env/ignored/b.yaml", "b");
    source.write("env/debug.log", "noise");
    source.write("env/nested/.git/HEAD", "ref: refs/heads/main");

    let tree = directory::read(&source.path().join("env")).expect("a directory");
    assert_eq!(tree.files, snapshot(&source, &commit).read(&path("env")).expect("a directory").files);
    assert_eq!(tree.problems.len(), 1, "the nested repository: {:?}", tree.problems);
    assert_eq!(inputs(&tree), ["env"]);

    let before = tree.inputs;
    assert_eq!(directory::read(&source.path().join("env")).expect("a directory").inputs, before);
    source.write("env/a.yaml", "changed");
    assert_ne!(directory::read(&source.path().join("env")).expect("a directory").inputs, before);

    let file = directory::read(&source.path().join("env/a.yaml")).expect("a file");
    assert_eq!(files(&file), [("env/a.yaml", "changed".to_owned())].into());
    let nothing = directory::read(&source.path().join("nothing")).expect_err("it does not exist");
    assert!(nothing.to_string().contains("cannot read"), "{nothing}");

    let loose = source.beside("loose");
    fs::create_dir(&loose).expect("a directory");
    fs::write(loose.join("c.yaml"), "c").expect("a file");
    std::os::unix::fs::symlink("../repository/env/a.yaml", loose.join("out.yaml")).expect("a link");
    let tree = directory::read(&loose).expect("a directory outside of any repository");
    assert_eq!(files(&tree), [("c.yaml", "c".to_owned())].into());
    assert!(tree.problems[0].message.contains("leaves the repository"));
}

#[test]
fn a_commit_that_is_not_there_is_said_so() {
    let source = TestRepository::new();
    source.change("a", "a");
    let mirror = Mirror::open_or_create(&source.beside("mirror")).expect("a mirror");
    let error = mirror.revision(&source.head()).expect_err("nothing was fetched");
    assert!(error.to_string().ends_with("is not in the mirror; it is fetched with its branch"), "{error}");
    assert!(!mirror.holds(&source.head()).expect("a readable mirror"));
    let again = Mirror::open_or_create(&source.beside("mirror")).expect("it exists by now");
    assert!(!again.holds(&source.head()).expect("a readable mirror"));
}
