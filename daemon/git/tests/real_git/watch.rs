//! A commit to a local repository is noticed at once.

use std::{fs, time::Duration};

use plumb_git::watch::{LocalWatch, LocalWatches};
use tokio::time;

use crate::{pool::LONG, repository::TestRepository};

async fn noticed(watch: &mut LocalWatch, what: &str) {
    time::timeout(LONG, watch.changed()).await.unwrap_or_else(|_| panic!("{what} is noticed")).expect(what);
}

/// Waits until all events so far have been heard, so that the next one belongs to the next change.
async fn settled(watch: &mut LocalWatch) {
    while time::timeout(Duration::from_millis(100), watch.changed()).await.is_ok() {}
}

#[tokio::test]
async fn commits_branches_and_packed_refs_are_noticed_and_a_working_tree_is_not() {
    let source = TestRepository::new();
    source.change("a", "1");
    let mut watch = LocalWatches::default().watch(source.path()).expect("a watch");

    for round in 2..7 {
        source.change("a", &round.to_string());
        noticed(&mut watch, "a commit").await;
        settled(&mut watch).await;
    }

    source.git(&["branch", "team/feature"]);
    noticed(&mut watch, "a branch in a new directory").await;
    settled(&mut watch).await;
    source.git(&["update-ref", "refs/heads/team/feature", "HEAD~1"]);
    noticed(&mut watch, "a change in that directory").await;
    settled(&mut watch).await;
    source.git(&["pack-refs", "--all"]);
    noticed(&mut watch, "packed refs").await;
    settled(&mut watch).await;
    source.git(&["symbolic-ref", "HEAD", "refs/heads/team/feature"]);
    noticed(&mut watch, "another HEAD").await;
    settled(&mut watch).await;

    source.write("b", "not committed");
    source.git(&["add", "b"]);
    let quiet = time::timeout(Duration::from_millis(200), watch.changed()).await;
    assert!(quiet.is_err(), "an index that changes is no commit");
}

#[tokio::test]
async fn bare_repositories_and_linked_working_trees_are_watched_where_their_refs_are() {
    let source = TestRepository::new();
    source.change("a", "1");
    let bare = source.beside("bare.git");
    source.git(&["clone", "-q", "--bare", ".", &bare.display().to_string()]);
    let linked = source.beside("linked");
    source.git(&["worktree", "add", "-q", "-b", "other", &linked.display().to_string()]);
    let mut in_bare = LocalWatches::default().watch(&bare).expect("a watch");
    let mut in_linked = LocalWatches::default().watch(&linked).expect("a watch");

    source.change("a", "2");
    source.git(&["push", "-q", &bare.display().to_string(), "main"]);
    noticed(&mut in_bare, "a push").await;
    noticed(&mut in_linked, "a commit in the main working tree").await;
}

#[tokio::test]
async fn a_repository_that_is_missing_or_goes_away_is_said_so() {
    let source = TestRepository::new();
    let nothing = LocalWatches::default().watch(&source.beside("nothing")).err().expect("nothing is there");
    assert!(nothing.to_string().contains("cannot watch"), "{nothing}");
    let mut watch = LocalWatches::default().watch(source.path()).expect("a watch");
    fs::remove_dir_all(source.path()).expect("it can be removed");
    let lost = async { while watch.changed().await.is_ok() {} };
    time::timeout(LONG, lost).await.expect("the loss is reported");
}

#[tokio::test]
async fn a_caller_that_stops_waiting_loses_nothing() {
    let source = TestRepository::new();
    source.change("a", "1");
    let mut watch = LocalWatches::default().watch(source.path()).expect("a watch");
    source.change("a", "2");
    for _ in 0..20 {
        // Shorter than the time in which events are gathered.
        if time::timeout(Duration::from_millis(5), watch.changed()).await.is_ok() {
            return;
        }
    }
    noticed(&mut watch, "the commit").await;
}

#[tokio::test]
async fn one_watcher_serves_more_repositories_than_a_user_has_watchers() {
    let limit = fs::read_to_string("/proc/sys/fs/inotify/max_user_instances").expect("Linux");
    let limit: usize = limit.trim().parse().expect("a number");
    let folder = tempfile::tempdir().expect("a directory");
    let watches = LocalWatches::default();
    // Enough of a repository to be watched. Where the limit was raised, a thousand have to do.
    let all = (0..limit.min(1000) + 1).map(|number| {
        let path = folder.path().join(number.to_string());
        fs::create_dir_all(path.join("refs/heads")).expect("a directory");
        let watch = watches.watch(&path).unwrap_or_else(|error| panic!("repository {number}: {error}"));
        (path, watch)
    });
    let mut all: Vec<_> = all.collect();
    let (path, mut last) = all.pop().expect("the last one");
    fs::write(path.join("HEAD"), "ref: refs/heads/other").expect("a file");
    noticed(&mut last, "another HEAD").await;
    settled(&mut last).await;
    let (path, first) = &mut all[0];
    assert!(time::timeout(Duration::from_millis(100), first.changed()).await.is_err(), "each hears of its own only");
    fs::write(path.join("refs/heads/main"), "0").expect("a file");
    noticed(first, "a commit").await;
}

#[tokio::test]
async fn one_of_two_who_watch_a_repository_may_leave() {
    let source = TestRepository::new();
    source.change("a", "1");
    let watches = LocalWatches::default();
    let mut stays = watches.watch(source.path()).expect("a watch");
    drop(watches.watch(source.path()).expect("another"));
    source.change("a", "2");
    noticed(&mut stays, "a commit").await;
    settled(&mut stays).await;
    drop(stays);
    let mut comes = watches.watch(source.path()).expect("a watch");
    source.change("a", "3");
    noticed(&mut comes, "a commit").await;
}
