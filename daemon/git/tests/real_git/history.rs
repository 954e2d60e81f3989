//! Which commits are new, and their bytes.

use plumb_core::commit::CommitId;
use plumb_git::{error::GitError, mirror::Mirror, remote::RefSelector, worker::Settings};

use crate::{
    pool::{in_process, remote},
    repository::TestRepository,
};

/// A repository whose main branch merges another, fetched into a mirror.
async fn merged() -> (TestRepository, Mirror, Vec<CommitId>) {
    let source = TestRepository::new();
    let first = source.change("a", "1");
    source.git(&["switch", "-q", "-c", "side"]);
    let side = source.change("b", "1");
    source.git(&["switch", "-q", "main"]);
    let second = source.change("a", "2");
    source.git(&["merge", "-q", "--no-ff", "-m", "merge", "side"]);
    let merge = CommitId::parse(source.git(&["rev-parse", "HEAD"]).trim()).expect("an id");
    let mirror = Mirror::open_or_create(&source.beside("mirror")).expect("a mirror");
    let (workers, _) = in_process(Settings::default());
    let remote = remote(source.url());
    let advertised = workers.advertised(&remote, &RefSelector::Head).await.expect("a head");
    workers.fetch(&remote, mirror.path(), &advertised).await.expect("a fetch");
    (source, mirror, vec![first, side, second, merge])
}

#[tokio::test]
async fn new_commits_are_those_of_merged_branches_too_parents_first() {
    let (_source, mirror, all) = merged().await;
    let [first, side, second, merge] = all.as_slice() else { panic!("four commits") };
    let check = |since: &CommitId, most: usize, expected: &[&CommitId]| {
        let mut found = mirror.commits_since(merge, since, most).expect("a readable mirror");
        if expected.len() == 3 {
            assert_eq!(found.last(), Some(merge), "the head comes last");
        }
        found.sort();
        let mut expected: Vec<CommitId> = expected.iter().copied().cloned().collect();
        expected.sort();
        assert_eq!(found, expected, "since {since}");
    };
    check(merge, 10, &[]);
    check(first, 10, &[side, second, merge]);
    check(second, 10, &[side, merge]);
    assert_eq!(mirror.commits_since(merge, first, 2).expect("a readable mirror").len(), 2);
    let unknown = CommitId::parse("0123456789abcdef0123456789abcdef01234567").expect("an id");
    let error = mirror.commits_since(merge, &unknown, 10).expect_err("a commit that is not there");
    assert_eq!(error, GitError::CommitMissing { commit: unknown });
}

#[tokio::test]
async fn a_commit_is_read_byte_for_byte_unless_it_is_too_long() {
    let (source, mirror, all) = merged().await;
    let [.., merge] = all.as_slice() else { panic!("four commits") };
    let raw = mirror.raw_commit(merge, 1 << 20).expect("a readable mirror").expect("a short commit");
    let shown = source.git(&["cat-file", "commit", merge.as_str()]);
    assert_eq!(String::from_utf8_lossy(&raw).trim_end(), shown.trim_end());
    assert_eq!(mirror.raw_commit(merge, raw.len() - 1).expect("a readable mirror"), None);
}
