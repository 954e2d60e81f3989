//! Reverts in a mirror: what `git` makes of them, and what `git revert` would have made.

use std::collections::BTreeSet;

use jiff::Timestamp;
use plumb_core::{
    commit::{CommitId, RepoPath},
    person::Person,
    rollback::revert::{Apart, Revert, Step},
};
use plumb_git::{error::GitError, mirror::Mirror, push::RefUpdate, remote::RefSelector, worker::Settings};

use crate::{
    pool::{in_process, remote},
    repository::TestRepository,
};

fn paths(texts: &[&str]) -> BTreeSet<RepoPath> {
    texts.iter().map(|text| RepoPath::parse(text).expect("a path")).collect()
}

fn person() -> Person {
    Person::parse("plumb <plumb@example.com>").expect("a person")
}

fn reverts(steps: &[Step]) -> Vec<Revert> {
    let guilty = steps.iter().filter(|step| !step.changed.is_empty());
    guilty
        .map(|step| Revert {
            commit: step.commit.clone(),
            paths: step.changed.clone(),
            state: step.parent.clone(),
            message: format!("Revert {}\n", step.commit),
        })
        .collect()
}

async fn mirrored(source: &TestRepository) -> Mirror {
    let mirror = Mirror::open_or_create(&source.beside("mirror")).expect("a mirror");
    let (workers, _) = in_process(Settings::default());
    let remote = remote(source.url());
    let advertised = workers.advertised(&remote, &RefSelector::Head).await.expect("a head");
    workers.fetch(&remote, mirror.path(), &advertised).await.expect("a fetch");
    mirror
}

fn write(mirror: &Mirror, head: &CommitId, steps: &[Step]) -> CommitId {
    let at = Timestamp::from_second(1_800_000_000).expect("a time");
    mirror.write_reverts(head, &reverts(steps), &person(), at, None).expect("reverts").pop().expect("a revert")
}

#[tokio::test]
async fn commits_since_the_healthy_one_are_taken_back_and_everything_else_stays() {
    let source = TestRepository::new();
    source.write("app/web.yaml", "good");
    source.write("app/below/kept.yaml", "good");
    let healthy = source.commit("healthy");
    source.write("app/web.yaml", "bad");
    source.write("app/new/added.yaml", "bad");
    let bad = source.commit("bad");
    let elsewhere = source.change("other/file", "kept");
    source.git(&["rm", "-q", "app/below/kept.yaml"]);
    source.write("other/too", "kept");
    let worse = source.commit("worse");
    let mirror = mirrored(&source).await;
    let steps = mirror.first_parents(&worse, &healthy, &paths(&["app"]), 10).expect("a history").expect("an ancestor");
    let seen: Vec<_> = steps.iter().map(|step| (step.commit.clone(), step.changed.len(), step.merge)).collect();
    assert_eq!(seen, [(worse.clone(), 1, false), (elsewhere, 0, false), (bad, 1, false)]);
    assert_eq!(
        mirror.first_parents(&worse, &healthy, &paths(&["app"]), 2),
        Ok(Err(Apart::TooFar)),
        "not among the first two"
    );
    let tip = write(&mirror, &worse, &steps);
    assert_eq!(write(&mirror, &worse, &steps), tip, "the same commits");
    // By the eyes of git itself.
    let (workers, _) = in_process(Settings::default());
    let name = plumb_core::commit::RefName::parse("refs/heads/reverted").expect("a ref");
    let update = RefUpdate { name, expected: None, target: tip };
    workers.push(&remote(source.url()), mirror.path(), &[update]).await.expect("a push");
    assert_eq!(source.git(&["diff", "--name-only", healthy.as_str(), "reverted", "--", "app"]), "");
    assert_eq!(source.git(&["diff", "--name-only", worse.as_str(), "reverted", "--", "other"]), "");
    assert_eq!(source.git(&["rev-list", "--count", &format!("{worse}..reverted")]), "2");
    assert_eq!(source.git(&["log", "-1", "--format=%an <%ae> %cn", "reverted"]), "plumb <plumb@example.com> plumb");
    source.git(&["fsck", "--strict"]);
}

#[tokio::test]
async fn a_merge_is_one_unit_and_what_the_branch_had_before_stays() {
    let source = TestRepository::new();
    let healthy = source.change("app/web.yaml", "good");
    source.git(&["switch", "-q", "-c", "side"]);
    source.change("app/web.yaml", "bad");
    source.change("app/more.yaml", "bad");
    source.git(&["switch", "-q", "main"]);
    source.change("docs/text", "kept");
    source.git(&["merge", "-q", "--no-ff", "-m", "merge side", "side"]);
    let merge = source.head();
    let mirror = mirrored(&source).await;
    let steps = mirror.first_parents(&merge, &healthy, &paths(&["app"]), 10).expect("a history").expect("an ancestor");
    let seen: Vec<_> = steps.iter().map(|step| (step.merge, step.changed.len())).collect();
    assert_eq!(seen, [(true, 1)], "what came before has the paths as they were");
    let tip = write(&mirror, &merge, &steps);
    let snapshot = |commit: &CommitId| mirror.snapshot(commit).expect("a snapshot");
    let app = RepoPath::parse("app").expect("a path");
    assert_eq!(snapshot(&tip).tree_id(&app), snapshot(&healthy).tree_id(&app));
    let docs = RepoPath::parse("docs").expect("a path");
    assert_eq!(snapshot(&tip).tree_id(&docs), snapshot(&merge).tree_id(&docs));
}

#[tokio::test]
async fn what_was_taken_back_already_is_not_again() {
    let source = TestRepository::new();
    let healthy = source.change("app/web.yaml", "good");
    let bad = source.change("app/web.yaml", "bad");
    let reverted = source.change("app/web.yaml", "good");
    source.change("docs/text", "kept");
    let worse = source.change("app/web.yaml", "worse");
    let mirror = mirrored(&source).await;
    let steps = |head: &CommitId| {
        let steps =
            mirror.first_parents(head, &healthy, &paths(&["app"]), 10).expect("a history").expect("an ancestor");
        steps.into_iter().map(|step| step.commit).collect::<Vec<_>>()
    };
    assert_eq!(steps(&worse), std::slice::from_ref(&worse));
    assert_eq!(steps(&reverted), [], "it is as it was");
    assert_eq!(steps(&bad), std::slice::from_ref(&bad));
    let all = mirror.first_parents(&worse, &healthy, &paths(&["app"]), 10).expect("a history").expect("an ancestor");
    let tip = write(&mirror, &worse, &all);
    let snapshot = |commit: &CommitId| mirror.snapshot(commit).expect("a snapshot");
    let app = RepoPath::parse("app").expect("a path");
    assert_eq!(snapshot(&tip).tree_id(&app), snapshot(&healthy).tree_id(&app));
}

#[tokio::test]
async fn directories_files_and_the_whole_repository_come_and_go() {
    let source = TestRepository::new();
    let first = source.change("only", "1");
    let mut before = first.clone();
    let check = |change: &str, path: &str, before: &mut CommitId| {
        let (source, healthy) = (&source, before.clone());
        let now = source.commit(change);
        *before = now.clone();
        let path = path.to_owned();
        async move {
            let mirror = mirrored(source).await;
            let read = paths(&[&path]);
            let steps = mirror.first_parents(&now, &healthy, &read, 10).expect("a history").expect("an ancestor");
            let tip = write(&mirror, &now, &steps);
            let at = |commit: &CommitId| {
                let path = RepoPath::parse(&path).expect("a path");
                mirror.snapshot(commit).expect("a snapshot").tree_id(&path).expect("an entry")
            };
            assert_eq!(at(&tip), at(&healthy), "{path}");
        }
    };
    source.write("deep/er/file", "1");
    check("a directory is added", "deep", &mut before).await;
    source.git(&["rm", "-q", "-r", "deep"]);
    source.write("deep", "a file");
    check("a file takes its place", "deep/er", &mut before).await;
    source.git(&["rm", "-q", "deep"]);
    check("all is gone", "deep", &mut before).await;
    source.write("only", "2");
    source.write("another", "2");
    check("the root", ".", &mut before).await;
    source.link("link", "only");
    check("a link", "link", &mut before).await;
}

#[tokio::test]
async fn a_history_that_was_rewritten_is_told_from_one_that_went_on() {
    let source = TestRepository::new();
    let first = source.change("app/web.yaml", "1");
    let healthy = source.change("app/web.yaml", "2");
    let mirror = mirrored(&source).await;
    source.git(&["reset", "-q", "--hard", first.as_str()]);
    let rewritten = source.change("app/web.yaml", "3");
    drop(mirror);
    let mirror = mirrored(&source).await;
    assert_eq!(mirror.first_parents(&rewritten, &healthy, &paths(&["app"]), 10), Ok(Err(Apart::Unrelated)));
    let unknown = CommitId::parse("0123456789abcdef0123456789abcdef01234567").expect("an id");
    let error =
        mirror.first_parents(&rewritten, &unknown, &paths(&["app"]), 10).expect_err("a commit that is not there");
    assert_eq!(error, GitError::CommitMissing { commit: unknown });
}

#[tokio::test]
async fn what_is_healthy_stays_reachable_when_the_branch_leaves_it() {
    let source = TestRepository::new();
    let (first, second) = (source.change("a", "1"), source.change("a", "2"));
    let mirror = mirrored(&source).await;
    let pinned = || {
        let output = std::process::Command::new("git")
            .args(["--git-dir", &mirror.path().display().to_string(), "rev-parse", "refs/plumb/1-2-3/healthy"])
            .output()
            .expect("git is installed");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    for commit in [&first, &second, &second, &first] {
        mirror.pin_healthy("1-2-3", commit).expect("a pin");
        assert_eq!(pinned(), commit.as_str());
    }
    // Messages between the two are found, and no others.
    let found =
        |text: &'static str, since| mirror.any_message(&second, since, 10, move |message| message.contains(text));
    assert_eq!(found("change a", &first), Ok(true));
    assert_eq!(found("change b", &first), Ok(false));
    assert_eq!(found("change a", &second), Ok(false));
}
