//! Repositories behind `git http-backend`, with and without credentials, and servers that fail.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use plumb_core::commit::RepoPath;
use plumb_git::{
    error::GitError,
    mirror::Mirror,
    remote::{Credentials, FileUrls, RefSelector, Remote, RemoteUrl},
    worker::Settings,
};

use crate::{
    pool::{LONG, at_most, in_process, processes, remote},
    repository::TestRepository,
    server::{Behaviour, Server},
};

/// `robot:hunter2` as HTTP writes it.
const BASIC: &str = "Basic cm9ib3Q6aHVudGVyMg==";

fn with_password(url: RemoteUrl, password: &str) -> Remote {
    Remote { credentials: Credentials::password("robot", password), ..remote(url) }
}

fn root(source: &TestRepository) -> &Path {
    source.path().parent().expect("the home of the repository")
}

#[tokio::test]
async fn a_protected_repository_is_fetched_by_a_real_worker() {
    let source = TestRepository::new();
    source.change("a.yaml", "one");
    let server = Server::start(Behaviour::Protect(root(&source).to_owned(), BASIC.into()));
    let mirror = Mirror::open_or_create(&source.beside("mirror")).expect("a mirror");
    let homes = source.beside("homes");
    fs::create_dir(&homes).expect("a directory");
    let workers = processes(homes, 2);
    let remote = with_password(server.url("repository/.git"), "hunter2");

    for content in ["two", "three"] {
        source.change("a.yaml", content);
        let advertised = workers.advertised(&remote, &RefSelector::Head).await.expect("HEAD is there");
        assert_eq!(advertised.reference.as_ref().map(|name| name.as_str()), Some("refs/heads/main"));
        assert_eq!(advertised.commit, source.head());
        let fetched = workers.fetch(&remote, mirror.path(), &advertised).await.expect("it can be fetched");
        let tree = mirror.snapshot(&fetched.commit).and_then(|it| it.read(&RepoPath::root())).expect("a snapshot");
        assert_eq!(&*tree.files[0].content, content.as_bytes());
    }

    // A force push, and a branch that goes away between the look-up and the fetch.
    source.git(&["reset", "-q", "--hard", "HEAD~2"]);
    source.change("a.yaml", "rewritten");
    source.git(&["branch", "short-lived"]);
    let selector = RefSelector::branch("short-lived").expect("a good name");
    let advertised = workers.advertised(&remote, &selector).await.expect("the branch is there");
    workers.fetch(&remote, mirror.path(), &advertised).await.expect("it can be fetched");
    source.git(&["branch", "-q", "-D", "short-lived"]);
    let error = workers.fetch(&remote, mirror.path(), &advertised).await.expect_err("the branch is gone");
    assert!(error.to_string().contains("has no branch short-lived; it has main"), "{error}");
}

#[tokio::test]
async fn a_fetch_takes_what_was_pushed_after_the_look_up() {
    let source = TestRepository::new();
    source.change("a.yaml", "one");
    let server = Server::start(Behaviour::Serve(root(&source).to_owned()));
    let mirror = Mirror::open_or_create(&source.beside("mirror")).expect("a mirror");
    let (workers, _) = in_process(Settings::default());
    let remote = remote(server.url("repository/.git"));
    let advertised = workers.advertised(&remote, &RefSelector::Head).await.expect("HEAD is there");
    let newer = source.change("a.yaml", "two");
    let fetched = workers.fetch(&remote, mirror.path(), &advertised).await.expect("it can be fetched");
    assert_eq!(fetched.commit, newer);
    assert!(mirror.holds(&newer).expect("a readable mirror"));

    source.git(&["checkout", "-q", "--detach"]);
    let detached = source.change("a.yaml", "three");
    let advertised = workers.advertised(&remote, &RefSelector::Head).await.expect("HEAD is a commit");
    assert_eq!((advertised.reference.clone(), &advertised.commit), (None, &detached));
    workers.fetch(&remote, mirror.path(), &advertised).await.expect("it can be fetched");
    assert!(mirror.holds(&detached).expect("a readable mirror"));
}

#[tokio::test]
async fn failures_of_a_server_say_what_to_do() {
    let source = TestRepository::new();
    source.change("a.yaml", "one");
    let place = root(&source).to_owned();
    let (workers, _) = in_process(Settings::default());
    let sha256 = TestRepository::with(&["-b", "main", "--object-format=sha256"]);
    sha256.write("a", "a");
    sha256.git(&["add", "-A"]);
    sha256.git(&["commit", "-q", "-m", "a"]);
    let empty = TestRepository::new();
    let protected = Server::start(Behaviour::Protect(place.clone(), BASIC.into())).url("repository/.git");
    let serving = |repository: &TestRepository| Server::start(Behaviour::Serve(root(repository).to_owned()));
    let status = |line| Server::start(Behaviour::Status(line)).url("repository");
    let nobody = RemoteUrl::parse("http://127.0.0.1:1/a", FileUrls::Refused).expect("an address");
    let cases = [
        (remote(protected.clone()), "CredentialsMissing", "spec.secretRef"),
        (with_password(protected, "hunter3"), "CredentialsRefused", "check username and password"),
        (with_password(status("403 Forbidden"), "hunter3"), "CredentialsRefused", "right to read"),
        (remote(status("404 Not Found")), "RepositoryNotFound", "check spec.url"),
        (remote(status("503 Service Unavailable")), "ServerFailed", "503"),
        (remote(serving(&source).url("other.git")), "RepositoryNotFound", "there is no repository"),
        (remote(serving(&empty).url("repository/.git")), "RepositoryEmpty", "push a first one"),
        (remote(serving(&sha256).url("repository/.git")), "UnsupportedRepository", "SHA-256"),
        (remote(Server::start(Behaviour::Garbage).url("a")), "ServerFailed", "did not answer as a Git server"),
        (remote(Server::start(Behaviour::Html).url("a")), "ServerFailed", "text/html"),
        (remote(nobody), "Unreachable", "cannot reach http://127.0.0.1:1/a"),
    ];
    for (remote, reason, words) in cases {
        let error = workers.advertised(&remote, &RefSelector::Head).await.expect_err(reason);
        assert_eq!(error.reason(), reason, "{error}");
        assert!(error.to_string().contains(words), "{error}");
        assert!(!format!("{error:?} {error}").contains("hunter"), "{error}");
    }
    let main = RefSelector::branch("release").expect("a good name");
    let error = workers.advertised(&remote(serving(&source).url("repository/.git")), &main).await;
    assert!(error.expect_err("no such branch").to_string().ends_with("has no branch release; it has main"));
}

#[tokio::test]
async fn credentials_do_not_follow_a_redirect_to_another_host() {
    let source = TestRepository::new();
    source.change("a.yaml", "one");
    let target = Server::start(Behaviour::Protect(root(&source).to_owned(), BASIC.into()));
    let redirecting = Server::start(Behaviour::Redirect(target.origin("localhost")));
    let (workers, _) = in_process(Settings::default());
    let remote = with_password(redirecting.url("repository/.git"), "hunter2");
    let error = workers.advertised(&remote, &RefSelector::Head).await.expect_err("it leads to another host");
    assert!(matches!(error, GitError::Redirected { .. }), "{error}");
    assert!(target.seen().iter().all(|request| !request.headers.contains_key("authorization")));
    assert!(redirecting.seen().iter().all(|request| !request.headers.contains_key("authorization")));
}

#[tokio::test]
async fn a_redirect_is_followed_where_there_is_nothing_to_lose() {
    let source = TestRepository::new();
    let commit = source.change("a.yaml", "one");
    let target = Server::start(Behaviour::Serve(root(&source).to_owned()));
    let redirecting = Server::start(Behaviour::Redirect(target.origin("localhost")));
    let (workers, _) = in_process(Settings::default());
    let found = workers.advertised(&remote(redirecting.url("repository/.git")), &RefSelector::Head).await;
    assert_eq!(found.expect("the redirect is followed").commit, commit);
}

#[tokio::test]
async fn a_server_that_hangs_costs_one_worker_until_the_deadline_and_nobody_else() {
    let source = TestRepository::new();
    let commit = source.change("a.yaml", "one");
    let hanging = Server::start(Behaviour::Hang);
    let good = Server::start(Behaviour::Serve(root(&source).to_owned()));
    let homes = source.beside("homes");
    fs::create_dir(&homes).expect("a directory");
    let workers = processes(homes.clone(), 2);
    let hung = Remote { timeout: Duration::from_secs(2), ..remote(hanging.url("a")) };

    let start = Instant::now();
    let waiting = {
        let (workers, hung) = (workers.clone(), hung.clone());
        tokio::spawn(async move { workers.advertised(&hung, &RefSelector::Head).await })
    };
    let asked = async {
        while hanging.seen().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, asked).await.expect("the hanging server is asked");
    for _ in 0..3 {
        let found = workers.advertised(&remote(good.url("repository/.git")), &RefSelector::Head).await;
        assert_eq!(found.expect("the other server answers").commit, commit);
    }
    assert!(!waiting.is_finished(), "the others did not wait for the deadline");
    let error = waiting.await.expect("no panic").expect_err("it never answers");
    assert!(matches!(error, GitError::TimedOut { seconds: 2, .. }), "{error}");
    assert!(start.elapsed() < Duration::from_secs(30), "the deadline held");
    at_most(&homes, 1, "only that of the good server is").await;
}
