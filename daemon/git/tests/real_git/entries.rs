//! Every file of a commit, against what `git ls-tree` says, and trees that were made to be endless.

use std::{fs, io::Write as _, os::unix::fs::PermissionsExt as _, process::Stdio};

use plumb_core::commit::{CommitId, RepoPath};
use plumb_git::{entries::Limits, error::GitError, mirror::Mirror, snapshot::Snapshot};

use crate::repository::TestRepository;

fn snapshot(source: &TestRepository, commit: &CommitId) -> Snapshot {
    let mirror = Mirror::open_or_create(&source.path().join(".git")).expect("a repository");
    mirror.snapshot(commit).expect("the commit is there")
}

/// Returns the listing in the form of `git ls-tree -r`, without the types.
fn listed(snapshot: &Snapshot) -> Vec<String> {
    let entries = snapshot.entries(Limits::default()).expect("a listing");
    entries.iter().map(|entry| format!("{:06o} {} {}", entry.mode, entry.id, entry.path)).collect()
}

fn ls_tree(source: &TestRepository, commit: &CommitId) -> Vec<String> {
    let listing = source.git(&[
        "-c",
        "core.quotePath=false",
        "ls-tree",
        "-r",
        "--format=%(objectmode) %(objectname) %(path)",
        commit.as_str(),
    ]);
    let mut lines: Vec<String> = listing.lines().map(str::to_owned).collect();
    // By path as plumb sorts it: Git sorts each directory for itself.
    lines.sort_by(|one, other| one.splitn(3, ' ').nth(2).cmp(&other.splitn(3, ' ').nth(2)));
    lines
}

#[test]
fn files_links_and_submodules_are_listed_as_git_does() {
    let source = TestRepository::new();
    let other = TestRepository::new();
    let inner = other.change("inside", "not listed");
    source.git(&["submodule", "add", "-q", other.url().as_str(), "libs/module"]);
    source.write("services/cart/main.rs", "fn main() {}");
    source.write("services/cart/run", "#!/bin/sh");
    let run = source.path().join("services/cart/run");
    fs::set_permissions(&run, fs::Permissions::from_mode(0o755)).expect("its mode");
    source.write("services/cart.txt", "beside a directory of nearly this name");
    source.write("with a space/ü", "");
    source.link("services/shared", "../libs/directory");
    source.link("nowhere", "/etc/passwd");
    source.write("libs/directory/file", "reached by no link");
    let commit = source.commit("all");
    let found = listed(&snapshot(&source, &commit));
    assert_eq!(found, ls_tree(&source, &commit));
    assert!(found.contains(&format!("160000 {inner} libs/module")), "{found:#?}");
    assert!(!found.iter().any(|line| line.contains("services/shared/")), "{found:#?}");
    assert_eq!(found.len(), 9, "{found:#?}");
}

#[test]
fn an_empty_commit_lists_nothing() {
    let source = TestRepository::new();
    let commit = source.commit("nothing");
    assert_eq!(listed(&snapshot(&source, &commit)), [] as [&str; 0]);
}

/// Writes a tree as `git mktree -z` takes it.
fn tree(source: &TestRepository, entries: &[(&str, &str, Vec<u8>)]) -> String {
    let mut input = Vec::new();
    for (kind, id, name) in entries {
        let mode = if *kind == "tree" { "040000" } else { "100644" };
        input.extend_from_slice(format!("{mode} {kind} {id}\t").as_bytes());
        input.extend_from_slice(name);
        input.push(0);
    }
    let mut git = std::process::Command::new("git")
        .args(["mktree", "-z"])
        .current_dir(source.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("git is installed");
    git.stdin.take().expect("its input").write_all(&input).expect("it reads");
    let output = git.wait_with_output().expect("it ends");
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("an id").trim().to_owned()
}

fn committed(source: &TestRepository, tree: &str) -> CommitId {
    CommitId::parse(&source.git(&["commit-tree", "-m", "made by hand", tree])).expect("a commit")
}

#[test]
fn a_name_that_is_no_path_is_seen_all_the_same() {
    let source = TestRepository::new();
    let listing = |content: &str| {
        source.write("content", content);
        let blob = source.git(&["hash-object", "-w", "content"]);
        let names = [b"a\\b".to_vec(), b"good".to_vec(), b"\xff\xfe".to_vec()];
        let entries: Vec<_> = names.into_iter().map(|name| ("blob", blob.as_str(), name)).collect();
        let commit = committed(&source, &tree(&source, &entries));
        snapshot(&source, &commit).entries(Limits::default()).expect("a listing")
    };
    let (one, other) = (listing("one"), listing("other"));
    let paths: Vec<_> = one.iter().map(|entry| entry.path.as_str()).collect();
    assert_eq!(paths, ["a\u{fffd}b", "good", "\u{fffd}\u{fffd}"]);
    assert!(one.iter().zip(&other).all(|(one, other)| one.path == other.path && one.id != other.id));
}

#[test]
fn a_commit_that_is_made_to_have_no_end_is_refused() {
    let source = TestRepository::new();
    source.write("content", "small");
    let blob = source.git(&["hash-object", "-w", "content"]);
    // Ten to the twelfth files from thirteen objects; and as many directories without a file.
    for leaf in [vec![("blob", blob.as_str(), b"f".to_vec())], vec![]] {
        let mut bomb = tree(&source, &leaf);
        for _ in 0..12 {
            let entries: Vec<_> = (0..10).map(|n| ("tree", bomb.as_str(), format!("{n}").into_bytes())).collect();
            bomb = tree(&source, &entries);
        }
        let commit = committed(&source, &bomb);
        let error = snapshot(&source, &commit).entries(Limits::default()).expect_err("too many");
        let GitError::TooManyFiles { detail, .. } = &error else { panic!("{error}") };
        assert!(detail.contains("more than 250000 files"), "{error}");
        assert_eq!(error.reason(), "TooManyFiles");
    }
}

#[test]
fn each_limit_holds_and_is_named() {
    let source = TestRepository::new();
    source.write("a/b/c/file", "1");
    source.write("second", "2");
    let commit = source.commit("five entries");
    let check = |limits: Limits, expected: Option<&str>| {
        let found = snapshot(&source, &commit).entries(limits);
        match (found, expected) {
            (Ok(found), None) => {
                let paths: Vec<_> = found.iter().map(|entry| entry.path.clone()).collect();
                assert_eq!(paths, ["a/b/c/file", "second"].map(|path| RepoPath::parse(path).expect("a path")));
            }
            (Err(error), Some(words)) => {
                let text = error.to_string();
                assert!(text.contains(words) && text.contains(commit.short()) && text.contains("build from"), "{text}");
            }
            (found, expected) => panic!("{found:?} instead of {expected:?}"),
        }
    };
    let enough = Limits { entries: 5, depth: 3, path_bytes: 10 };
    check(enough, None);
    check(Limits { entries: 4, ..enough }, Some("more than 4 files and directories"));
    check(Limits { depth: 2, ..enough }, Some("nested deeper than 2, at a/b"));
    check(Limits { path_bytes: 9, ..enough }, Some("a path of more than 9 bytes, at a/b/c"));
}
