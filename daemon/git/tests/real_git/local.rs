//! Local repositories, by `file://`.

use std::{fs, sync::atomic::Ordering};

use plumb_core::commit::{CommitId, RepoPath};
use plumb_git::{
    mirror::Mirror,
    remote::{Advertised, FileUrls, RefSelector, RemoteUrl},
    worker::Settings,
    workers::Workers,
};

use crate::{
    pool::{at_most, in_process, processes, remote},
    repository::TestRepository,
};

fn main_branch() -> RefSelector {
    RefSelector::branch("main").expect("a good name")
}

/// Looks up and fetches as the daemon does, and returns what came.
async fn sync(workers: &Workers, source: &TestRepository, mirror: &Mirror, selector: &RefSelector) -> Advertised {
    let remote = remote(source.url());
    let advertised = workers.advertised(&remote, selector).await.expect("the ref is there");
    let fetched = workers.fetch(&remote, mirror.path(), &advertised).await.expect("it can be fetched");
    assert_eq!(fetched, advertised);
    fetched
}

fn text(mirror: &Mirror, commit: &CommitId, path: &str) -> String {
    let tree = mirror.snapshot(commit).and_then(|snapshot| snapshot.read(&RepoPath::root())).expect("a snapshot");
    assert_eq!(tree.problems, []);
    let file = tree.files.iter().find(|file| file.path.as_str() == path).expect("the file is in the commit");
    String::from_utf8_lossy(&file.content).into_owned()
}

#[tokio::test]
async fn a_branch_and_head_are_looked_up_and_fetched() {
    let source = TestRepository::new();
    let first = source.change("a.yaml", "one");
    let mirror = Mirror::open_or_create(&source.beside("mirror")).expect("a mirror");
    let (workers, _) = in_process(Settings::default());
    let fetched = sync(&workers, &source, &mirror, &main_branch()).await;
    assert_eq!(fetched.commit, first);
    assert_eq!(text(&mirror, &first, "a.yaml"), "one");

    let second = source.change("a.yaml", "two");
    assert!(!mirror.holds(&second).expect("a readable mirror"));
    let fetched = sync(&workers, &source, &mirror, &RefSelector::Head).await;
    assert_eq!(fetched.reference.as_ref().map(|name| name.as_str()), Some("refs/heads/main"));
    assert!(mirror.holds(&second).expect("a readable mirror"));
    assert_eq!(text(&mirror, &second, "a.yaml"), "two");

    let revision = mirror.revision(&second).expect("the commit is there");
    assert_eq!(revision.author, "Ada Author <ada@example.com>");
    assert_eq!(revision.committed.to_string(), "2026-01-02T03:04:06Z");
    assert_eq!(revision.subject, "change a.yaml");
}

#[tokio::test]
async fn a_real_worker_process_stays_warm_for_the_next_commits() {
    let source = TestRepository::new();
    source.change("a.yaml", "0");
    let mirror = Mirror::open_or_create(&source.beside("mirror")).expect("a mirror");
    let homes = source.beside("homes");
    fs::create_dir(&homes).expect("a directory");
    let workers = processes(homes.clone(), 2);
    sync(&workers, &source, &mirror, &main_branch()).await;
    assert_eq!(fs::read_dir(&homes).expect("homes").count(), 1, "one worker is kept warm");

    for round in 1..=5 {
        let commit = source.change("a.yaml", &round.to_string());
        sync(&workers, &source, &mirror, &main_branch()).await;
        assert_eq!(text(&mirror, &commit, "a.yaml"), round.to_string());
        assert_eq!(fs::read_dir(&homes).expect("homes").count(), 1, "the same worker is asked");
    }
    drop(workers);
    at_most(&homes, 0, "their homes go with them").await;
}

#[tokio::test]
async fn a_force_pushed_branch_is_followed_and_the_old_commit_stays_readable() {
    let source = TestRepository::new();
    source.change("a.yaml", "base");
    let old = source.change("a.yaml", "old");
    let mirror = Mirror::open_or_create(&source.beside("mirror")).expect("a mirror");
    let (workers, _) = in_process(Settings::default());
    sync(&workers, &source, &mirror, &main_branch()).await;

    source.git(&["reset", "-q", "--hard", "HEAD~1"]);
    let new = source.change("a.yaml", "new");
    source.git(&["reflog", "expire", "--expire=now", "--all"]);
    source.git(&["gc", "-q", "--prune=now"]);
    sync(&workers, &source, &mirror, &main_branch()).await;
    assert_eq!(text(&mirror, &new, "a.yaml"), "new");
    assert_eq!(text(&mirror, &old, "a.yaml"), "old");
}

#[tokio::test]
async fn a_deleted_branch_is_an_error_and_its_name_can_become_a_directory() {
    let source = TestRepository::new();
    let first = source.change("a.yaml", "one");
    source.git(&["branch", "feature"]);
    let mirror = Mirror::open_or_create(&source.beside("mirror")).expect("a mirror");
    let (workers, started) = in_process(Settings::default());
    let feature = RefSelector::branch("feature").expect("a good name");
    let advertised = sync(&workers, &source, &mirror, &feature).await;

    source.git(&["branch", "-q", "-D", "feature"]);
    let remote = remote(source.url());
    for error in [
        workers.advertised(&remote, &feature).await.expect_err("the branch is gone"),
        workers.fetch(&remote, mirror.path(), &advertised).await.expect_err("the branch is gone"),
    ] {
        assert!(error.to_string().ends_with("has no branch feature; it has main"), "{error}");
    }
    assert_eq!(text(&mirror, &first, "a.yaml"), "one");
    assert_eq!(started.load(Ordering::SeqCst), 2, "a worker is replaced after each error");

    source.git(&["branch", "feature/part"]);
    sync(&workers, &source, &mirror, &RefSelector::branch("feature/part").expect("a good name")).await;
}

#[tokio::test]
async fn the_first_fetch_copies_packed_loose_and_borrowed_objects() {
    let source = TestRepository::new();
    source.change("packed/a.yaml", "one");
    source.git(&["gc", "-q"]);
    let commit = source.change("loose/b.yaml", "two");
    let borrowing = TestRepository::new();
    borrowing.git(&["clone", "-q", "--shared", source.url().as_str(), "inner"]);
    let inner = borrowing.path().join("inner");
    let borrowed = RemoteUrl::parse(&format!("file://{}", inner.display()), FileUrls::Allowed).expect("an address");
    let (workers, _) = in_process(Settings::default());
    for (number, url) in [source.url(), borrowed].into_iter().enumerate() {
        let mirror = Mirror::open_or_create(&source.beside(&format!("mirror-{number}"))).expect("a mirror");
        // What a first fetch that was cut off may leave: the commit without its files.
        let name = format!("objects/{}/{}", &commit.as_str()[..2], &commit.as_str()[2..]);
        fs::create_dir_all(mirror.path().join(&name).parent().expect("a directory")).expect("a directory");
        fs::copy(source.path().join(".git").join(&name), mirror.path().join(&name)).expect("an object");
        assert!(!mirror.holds(&commit).expect("a readable mirror"), "without its files it is not there");
        let remote = remote(url);
        let advertised = workers.advertised(&remote, &RefSelector::Head).await.expect("HEAD is there");
        let fetched = workers.fetch(&remote, mirror.path(), &advertised).await.expect("it can be fetched");
        assert_eq!(fetched.commit, commit);
        assert_eq!(text(&mirror, &commit, "packed/a.yaml"), "one");
        assert_eq!(text(&mirror, &commit, "loose/b.yaml"), "two");
        let checked = source.git(&["--git-dir", &mirror.path().display().to_string(), "fsck", "--full", "--strict"]);
        assert_eq!(checked, "");
    }
}
