//! Tags, ranges of versions and commits, over a file address, over http and over ssh alike.

use std::fs;

use lab::git::{SshKey, SshKeyKind, SshServer};
use plumb_core::{
    class::Class,
    commit::{CommitId, RepoPath},
    version_range::VersionRange,
};
use plumb_git::{
    error::GitError,
    mirror::Mirror,
    remote::{Advertised, Credentials, FileUrls, Login, RefSelector, Remote, RemoteUrl},
    workers::Workers,
};

use crate::{
    pool::{processes, remote},
    repository::TestRepository,
    server::{Behaviour, Server},
};

/// One repository, reached in three ways with a mirror each.
struct Followed {
    source: TestRepository,
    workers: Workers,
    ways: Vec<(Remote, Mirror)>,
    _servers: (Server, SshServer),
}

impl Followed {
    fn new() -> Self {
        let source = TestRepository::new();
        source.change("a.yaml", "first");
        let root = source.path().parent().expect("the home of the repository");
        let http = Server::start(Behaviour::Serve(root.to_owned()));
        let key = SshKey::generate(SshKeyKind::Ed25519).expect("a key");
        let ssh = SshServer::start(root, std::slice::from_ref(&key)).expect("a server");
        ssh.allow(&key);
        let credentials = Credentials {
            login: Some(Login::Key { identity: key.identity(), passphrase: None }),
            known_hosts: Some(ssh.known_hosts()),
            authority: None,
        };
        let url = RemoteUrl::parse(&ssh.url("repository/"), FileUrls::Refused).expect("an ssh address");
        let remotes =
            [remote(source.url()), remote(http.url("repository/.git")), Remote { credentials, ..remote(url) }];
        let mirror =
            |number: usize| Mirror::open_or_create(&source.beside(&format!("mirror-{number}"))).expect("a mirror");
        let ways = remotes.into_iter().enumerate().map(|(number, remote)| (remote, mirror(number))).collect();
        let homes = source.beside("homes");
        fs::create_dir(&homes).expect("a directory");
        Self { workers: processes(homes, 2), ways, source, _servers: (http, ssh) }
    }

    /// Expects each way to find a ref and the content that its commit has.
    async fn expect(&self, selector: &RefSelector, reference: &str, commit: &CommitId, content: &str) {
        for (remote, mirror) in &self.ways {
            let found = self.workers.advertised(remote, selector).await.expect("the ref is there");
            assert_eq!(found.reference.as_ref().map(|name| name.as_str()), Some(reference), "{}", remote.url);
            assert_eq!(&found.commit, commit, "{}", remote.url);
            let fetched = self.workers.fetch(remote, mirror.path(), &found).await.expect("it can be fetched");
            assert_eq!(fetched, found, "{}", remote.url);
            let tree = mirror.snapshot(commit).and_then(|it| it.read(&RepoPath::root())).expect("a snapshot");
            assert_eq!(&*tree.files[0].content, content.as_bytes(), "{}", remote.url);
        }
    }

    /// Expects each way to fail with a reason and these words.
    async fn expect_no(&self, selector: &RefSelector, reason: &str, words: &str) {
        for (remote, _) in &self.ways {
            let error = self.workers.advertised(remote, selector).await.expect_err(words);
            assert_eq!((error.reason(), error.class()), (reason, Class::Wait), "{error}");
            assert!(error.to_string().contains(words), "{words}: {error}");
        }
    }

    async fn pin(&self, commit: &CommitId) -> Vec<Result<Advertised, GitError>> {
        let mut answers = Vec::new();
        for (remote, mirror) in &self.ways {
            answers.push(self.workers.pin(remote, mirror.path(), commit).await);
        }
        answers
    }

    async fn expect_pinned(&self, commit: &CommitId, content: &str) {
        for (answer, (remote, mirror)) in self.pin(commit).await.into_iter().zip(&self.ways) {
            let expected = Advertised { reference: None, commit: commit.clone() };
            assert_eq!(answer, Ok(expected), "{}", remote.url);
            let tree = mirror.snapshot(commit).and_then(|it| it.read(&RepoPath::root())).expect("a snapshot");
            assert_eq!(&*tree.files[0].content, content.as_bytes(), "{}", remote.url);
        }
    }

    async fn expect_not_listed(&self, commit: &CommitId) {
        for answer in self.pin(commit).await {
            let error = answer.expect_err("no ref leads to it");
            assert_eq!((error.reason(), error.class()), ("CommitNotListed", Class::Wait), "{error}");
            assert!(error.to_string().contains(commit.as_str()), "{error}");
        }
    }
}

fn tag(name: &str) -> RefSelector {
    RefSelector::tag(name).expect("a good name")
}

fn range(text: &str) -> RefSelector {
    RefSelector::Newest(VersionRange::parse(text).expect("a range"))
}

#[tokio::test]
async fn a_tag_is_followed_with_and_without_a_message_and_where_it_is_moved() {
    let followed = Followed::new();
    let source = &followed.source;
    followed.expect_no(&tag("v1"), "TagNotFound", "has no tag v1; it has no tags").await;
    let first = source.head();
    source.git(&["tag", "light"]);
    source.git(&["tag", "-a", "-m", "The first", "v1"]);
    let second = source.change("a.yaml", "second");
    followed.expect(&tag("light"), "refs/tags/light", &first, "first").await;
    followed.expect(&tag("v1"), "refs/tags/v1", &first, "first").await;
    source.git(&["tag", "-f", "light"]);
    source.git(&["tag", "-f", "-a", "-m", "The second", "v1"]);
    followed.expect(&tag("light"), "refs/tags/light", &second, "second").await;
    followed.expect(&tag("v1"), "refs/tags/v1", &second, "second").await;
    // A branch of the same name is another thing.
    source.git(&["branch", "v1", first.as_str()]);
    followed.expect(&tag("v1"), "refs/tags/v1", &second, "second").await;
    followed.expect_no(&tag("v2"), "TagNotFound", "has no tag v2; it has light, v1").await;
}

#[tokio::test]
async fn the_newest_tag_of_a_range_is_followed() {
    let followed = Followed::new();
    let source = &followed.source;
    source.git(&["tag", "release"]);
    followed.expect_no(&range("1.x"), "NoTagInRange", "none of its tags is a version").await;
    source.git(&["tag", "v1.9.0"]);
    let ten = source.change("a.yaml", "ten");
    source.git(&["tag", "-a", "-m", "Ten", "v1.10.0"]);
    let candidate = source.change("a.yaml", "candidate");
    source.git(&["tag", "v2.0.0-rc.1"]);
    followed.expect(&range("1.x"), "refs/tags/v1.10.0", &ten, "ten").await;
    followed.expect(&range(">=1"), "refs/tags/v1.10.0", &ten, "ten").await;
    followed.expect(&range(">=1-0"), "refs/tags/v2.0.0-rc.1", &candidate, "candidate").await;
    let words = "in the range \"^3\"; its newest are v2.0.0-rc.1, v1.10.0, v1.9.0";
    followed.expect_no(&range("^3"), "NoTagInRange", words).await;
    let eleven = source.change("a.yaml", "eleven");
    source.git(&["tag", "1.11.0"]);
    followed.expect(&range("1.x"), "refs/tags/1.11.0", &eleven, "eleven").await;
}

#[tokio::test]
async fn a_commit_is_read_while_a_ref_leads_to_it() {
    let followed = Followed::new();
    let source = &followed.source;
    // The server would give out whatever it has.
    source.git(&["config", "uploadpack.allowAnySHA1InWant", "true"]);
    let first = source.head();
    let second = source.change("a.yaml", "second");
    source.git(&["checkout", "-q", "-b", "side"]);
    let side = source.change("a.yaml", "side");
    source.change("a.yaml", "more of the side");
    source.git(&["checkout", "-q", "main"]);
    followed.expect_pinned(&first, "first").await;
    followed.expect_pinned(&second, "second").await;
    followed.expect_pinned(&side, "side").await;
    // Again: nothing has to be fetched.
    followed.expect_pinned(&first, "first").await;

    // Only a tag leads to it.
    source.git(&["checkout", "-q", "--detach"]);
    let tagged = source.change("a.yaml", "tagged");
    source.change("a.yaml", "past the tagged one");
    source.git(&["tag", "-a", "-m", "Kept", "kept"]);
    source.git(&["checkout", "-q", "main"]);
    followed.expect_pinned(&tagged, "tagged").await;

    // Nothing leads to it, though server and mirror have it.
    source.git(&["tag", "-d", "kept"]);
    followed.expect_not_listed(&tagged).await;
    source.git(&["branch", "-q", "-D", "side"]);
    followed.expect_not_listed(&side).await;
    source.git(&["checkout", "-q", "--detach"]);
    let hidden = source.change("a.yaml", "hidden");
    source.git(&["checkout", "-q", "main"]);
    followed.expect_not_listed(&hidden).await;
    followed.expect_not_listed(&CommitId::parse(&"0123".repeat(10)).expect("an id")).await;
    followed.expect_pinned(&first, "first").await;
    source.git(&["branch", "side", side.as_str()]);
    followed.expect_pinned(&side, "side").await;
}
