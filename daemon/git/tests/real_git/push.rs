//! Commits of plumb's own, pushed to real repositories by file, http and ssh; nobody else's are lost.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    time::{Duration, Instant},
};

use lab::git::{BareRepository, Behaviour, HttpServer, SigningKey as MadeKey, SshKey, SshKeyKind, SshServer};
use plumb_core::{
    class::Class,
    commit::{CommitId, RefName, TreeId},
    person::Person,
};
use plumb_git::{
    draft::Draft,
    error::GitError,
    mirror::Mirror,
    push::{PushOutcome, RefUpdate},
    remote::{Credentials, FileUrls, Login, RefSelector, Remote, RemoteUrl},
    worker::Settings,
    workers::Workers,
};
use plumb_signature::SigningKey;

use crate::{
    pool::{LONG, in_process, processes, remote},
    repository::TestRepository,
};

/// Each way to reach one and the same repository.
enum Way {
    File,
    Http(HttpServer),
    Ssh(SshServer, Box<SshKey>),
}

/// A bare repository with one commit on `main`, a mirror of it, and a way to it.
pub(crate) struct Desk {
    place: TestRepository,
    pub(crate) bare: BareRepository,
    way: Way,
    pub(crate) mirror: Mirror,
    workers: Workers,
}

pub(crate) fn name(text: &str) -> RefName {
    RefName::parse(text).expect("a good name")
}

fn notes() -> RefName {
    name("refs/notes/plumb/lab")
}

pub(crate) fn update(name: &RefName, expected: Option<&CommitId>, target: &CommitId) -> RefUpdate {
    RefUpdate { name: name.clone(), expected: expected.cloned(), target: target.clone() }
}

impl Desk {
    /// Makes a desk at a bare repository that only this way leads to.
    fn new(way: impl FnOnce(&Path) -> Way) -> Self {
        let place = TestRepository::new();
        place.change("a.yaml", "one");
        let root = place.beside("served");
        fs::create_dir(&root).expect("a directory");
        let bare = BareRepository::create_in(&root, "shop").expect("a repository");
        place.git(&["push", "-q", &bare.url(), "main"]);
        let mirror = Mirror::open_or_create(&place.beside("mirror")).expect("a mirror");
        let homes = place.beside("homes");
        fs::create_dir(&homes).expect("a directory");
        Self { way: way(&root), workers: processes(homes, 4), place, bare, mirror }
    }

    pub(crate) fn file() -> Self {
        Self::new(|_| Way::File)
    }

    pub(crate) fn http() -> Self {
        Self::new(|root| Way::Http(HttpServer::start(root, Some(("robot", "hunter2"))).expect("a server")))
    }

    fn ssh() -> Self {
        Self::new(|root| {
            let key = SshKey::generate(SshKeyKind::Ed25519).expect("a key");
            let server = SshServer::start(root, std::slice::from_ref(&key)).expect("a server");
            server.allow(&key);
            Way::Ssh(server, Box::new(key))
        })
    }

    fn remote(&self) -> Remote {
        let parse = |text: &str| RemoteUrl::parse(text, FileUrls::Allowed).expect("an address");
        match &self.way {
            Way::File => remote(parse(&self.bare.url())),
            Way::Http(server) => {
                Remote { credentials: Credentials::password("robot", "hunter2"), ..remote(parse(&server.url("shop"))) }
            }
            Way::Ssh(server, key) => {
                let login = Some(Login::Key { identity: key.identity(), passphrase: None });
                let credentials = Credentials { login, known_hosts: Some(server.known_hosts()), authority: None };
                Remote { credentials, ..remote(parse(&server.url("shop"))) }
            }
        }
    }

    /// Brings `main` into the mirror and returns its commit.
    pub(crate) async fn fetch(&self) -> CommitId {
        let remote = self.remote();
        let main = RefSelector::branch("main").expect("a good name");
        let found = self.workers.advertised(&remote, &main).await.expect("main is there");
        self.workers.fetch(&remote, self.mirror.path(), &found).await.expect("it can be fetched").commit
    }

    pub(crate) async fn push(&self, updates: &[RefUpdate]) -> Result<PushOutcome, GitError> {
        self.workers.push(&self.remote(), self.mirror.path(), updates).await
    }

    /// Writes a commit with the files of another.
    fn draft(&self, files_of: &CommitId, parents: &[&CommitId], message: &str) -> Draft {
        let tree = self.bare.git(&["rev-parse", &format!("{files_of}^{{tree}}")]).expect("a tree");
        let plumb = Person::parse("plumb <plumb@example.com>").expect("somebody");
        Draft {
            tree: TreeId::parse(&tree).expect("a tree's id"),
            parents: parents.iter().map(|id| (*id).clone()).collect(),
            author: plumb.clone(),
            committer: plumb,
            at: "2026-01-02T03:04:05Z".parse().expect("a time"),
            message: message.to_owned(),
        }
    }

    fn write(&self, files_of: &CommitId, parents: &[&CommitId], message: &str) -> CommitId {
        self.mirror.write_commit(&self.draft(files_of, parents, message), None).expect("a commit")
    }

    /// Returns what a ref of the repository holds, as Git says.
    fn held(&self, name: &RefName) -> Option<CommitId> {
        let found = self.bare.git(&["for-each-ref", "--format=%(objectname)", name.as_str()]).expect("git");
        CommitId::parse(&found).ok()
    }

    fn hook(&self, name: &str, script: &str) {
        let path = self.bare.path().join("hooks").join(name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a hook");
    }
}

/// What every way has to do.
async fn check_a_life(desk: Desk) {
    let main = desk.fetch().await;
    let remote = desk.remote();
    let fetched = desk.workers.fetch_ref(&remote, desk.mirror.path(), &notes()).await.expect("an answer");
    assert_eq!(fetched, None, "there are no notes yet");

    let first = desk.write(&main, &[], "first\n");
    let create = update(&notes(), None, &first);
    for time in ["made", "made again, after a lost answer"] {
        assert_eq!(desk.push(std::slice::from_ref(&create)).await.expect(time), PushOutcome::Pushed, "{time}");
        assert_eq!(desk.held(&notes()), Some(first.clone()), "{time}");
    }
    let other = desk.write(&main, &[], "other\n");
    let raced = |actual: Option<&CommitId>| PushOutcome::Raced { name: notes(), actual: actual.cloned() };
    let made = desk.push(&[update(&notes(), None, &other)]).await.expect("an answer");
    assert_eq!(made, raced(Some(&first)), "it was there");
    let second = desk.write(&main, &[&first], "second\n");
    assert_eq!(desk.push(&[update(&notes(), Some(&first), &second)]).await.expect("an answer"), PushOutcome::Pushed);

    // Somebody else moves it to a commit that the mirror has never seen.
    let tree = format!("{main}^{{tree}}");
    let ada = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"];
    let commit = ["commit-tree", &tree, "-p", second.as_str(), "-m", "theirs"];
    let theirs = desk.bare.git(&[&ada[..], &commit[..]].concat()).expect("a commit");
    let theirs = CommitId::parse(&theirs).expect("an id");
    desk.bare.git(&["update-ref", notes().as_str(), theirs.as_str()]).expect("a moved ref");
    let third = desk.write(&main, &[&second], "third\n");
    let outcome = desk.push(&[update(&notes(), Some(&second), &third)]).await.expect("an answer");
    assert_eq!(outcome, raced(Some(&theirs)));
    assert_eq!(desk.held(&notes()), Some(theirs.clone()), "theirs stays");
    let fetched = desk.workers.fetch_ref(&remote, desk.mirror.path(), &notes()).await.expect("an answer");
    assert_eq!(fetched.as_ref(), Some(&theirs));
    let fourth = desk.write(&main, &[&theirs], "fourth\n");
    assert_eq!(desk.push(&[update(&notes(), Some(&theirs), &fourth)]).await.expect("an answer"), PushOutcome::Pushed);

    // Several at once, and one that is expected and not there.
    let branch = name("refs/heads/plumb/revert-1");
    let revert = desk.write(&main, &[&main], "revert\n");
    let both = [update(&branch, None, &revert), update(&name("refs/heads/main"), Some(&main), &revert)];
    assert_eq!(desk.push(&both).await.expect("an answer"), PushOutcome::Pushed);
    assert_eq!((desk.held(&branch), desk.held(&both[1].name)), (Some(revert.clone()), Some(revert.clone())));
    let gone = name("refs/heads/gone");
    let outcome = desk.push(&[update(&gone, Some(&main), &revert)]).await.expect("an answer");
    assert_eq!(outcome, PushOutcome::Raced { name: gone, actual: None });
    desk.bare.git(&["fsck", "--full", "--strict", "--connectivity-only"]).expect("a sound repository");
}

#[tokio::test]
async fn refs_are_made_and_moved_by_file() {
    check_a_life(Desk::file()).await;
}

#[tokio::test]
async fn refs_are_made_and_moved_by_http() {
    check_a_life(Desk::http()).await;
}

#[tokio::test]
async fn refs_are_made_and_moved_by_ssh() {
    check_a_life(Desk::ssh()).await;
}

#[tokio::test]
async fn what_a_hook_refuses_is_refused_with_its_words() {
    for (desk, words) in [(Desk::http(), "main is protected here"), (Desk::ssh(), "main is protected here")] {
        let main = desk.fetch().await;
        desk.hook("update", r#"test "$1" != refs/heads/main || { echo "main is protected here" >&2; exit 1; }"#);
        let revert = desk.write(&main, &[&main], "revert\n");
        let protected = name("refs/heads/main");
        let outcome = desk.push(&[update(&protected, Some(&main), &revert)]).await.expect("an answer");
        let PushOutcome::Refused { name, message } = outcome else { panic!("{outcome:?}") };
        assert_eq!(name, protected);
        assert!(message.contains(words) && message.contains("hook declined"), "{message}");
        assert_eq!(desk.held(&protected), Some(main));
    }
    // By file nobody would run it.
    let desk = Desk::file();
    let main = desk.fetch().await;
    desk.hook("pre-receive", "exit 0");
    let revert = desk.write(&main, &[&main], "revert\n");
    let outcome = desk.push(&[update(&name("refs/heads/main"), Some(&main), &revert)]).await.expect("an answer");
    let PushOutcome::Refused { message, .. } = outcome else { panic!("{outcome:?}") };
    assert!(
        message.contains("has the hook pre-receive, which plumb does not run; use an ssh or http address"),
        "{message}"
    );
    assert_eq!(desk.held(&name("refs/heads/main")), Some(main));
}

#[tokio::test]
async fn a_local_repository_that_people_work_in_keeps_its_branch() {
    let source = TestRepository::new();
    let main = source.change("a.yaml", "one");
    source.git(&["branch", "other"]);
    source.git(&["worktree", "add", "-q", &source.beside("linked").display().to_string(), "other"]);
    let mirror = Mirror::open_or_create(&source.beside("mirror")).expect("a mirror");
    let (workers, _) = in_process(Settings::default());
    let remote = remote(source.url());
    let found = workers.advertised(&remote, &RefSelector::Head).await.expect("HEAD is there");
    workers.fetch(&remote, mirror.path(), &found).await.expect("it can be fetched");
    let tree = TreeId::parse(&source.git(&["rev-parse", "HEAD^{tree}"])).expect("a tree's id");
    let plumb = Person::parse("plumb <plumb@example.com>").expect("somebody");
    let draft = Draft {
        tree,
        parents: vec![main.clone()],
        author: plumb.clone(),
        committer: plumb,
        at: "2026-01-02T03:04:05Z".parse().expect("a time"),
        message: "revert\n".to_owned(),
    };
    let commit = mirror.write_commit(&draft, None).expect("a commit");
    for (branch, place) in [("main", ".git"), ("other", "linked")] {
        let wanted = [update(&name(&format!("refs/heads/{branch}")), Some(&main), &commit)];
        let outcome = workers.push(&remote, mirror.path(), &wanted).await.expect("an answer");
        let PushOutcome::Refused { message, .. } = outcome else { panic!("{outcome:?}") };
        assert!(
            message.contains(&format!("refs/heads/{branch} is checked out in ")) && message.contains(place),
            "{message}"
        );
    }
    // Notes are nobody's working tree.
    let pushed = workers.push(&remote, mirror.path(), &[update(&notes(), None, &commit)]).await;
    assert_eq!(pushed.expect("an answer"), PushOutcome::Pushed);
    // Git is just moving it.
    let lock = source.path().join(".git/refs/notes/plumb/lab.lock");
    fs::write(&lock, "").expect("a lock");
    let again = mirror.write_commit(&Draft { parents: vec![commit.clone()], ..draft }, None).expect("a commit");
    let locked = workers.push(&remote, mirror.path(), &[update(&notes(), Some(&commit), &again)]).await;
    let error = locked.expect_err("a locked ref");
    assert_eq!(error.class(), Class::Retry, "{error}");
    let advice = format!("if no git is at work there, remove {}", lock.display());
    assert!(error.to_string().contains(&advice), "{error}");
    fs::remove_file(lock).expect("a lock");
    let pushed = workers.push(&remote, mirror.path(), &[update(&notes(), Some(&commit), &again)]).await;
    assert_eq!(pushed.expect("an answer"), PushOutcome::Pushed);

    let reftable = TestRepository::with(&["-b", "main", "--bare"]);
    reftable.git(&["config", "core.repositoryFormatVersion", "1"]);
    reftable.git(&["config", "extensions.refStorage", "reftable"]);
    for target in [TestRepository::with(&["-b", "main", "--bare", "--object-format=sha256"]), reftable] {
        let remote = Remote { url: target.url(), ..remote.clone() };
        let error = workers.push(&remote, mirror.path(), &[update(&notes(), None, &commit)]).await;
        assert_eq!(error.expect_err("a format").reason(), "UnsupportedRepository");
    }
}

#[tokio::test]
async fn a_server_that_fails_moves_nothing_and_is_asked_again() {
    let desk = Desk::http();
    let main = desk.fetch().await;
    let commit = desk.write(&main, &[], "first\n");
    let wanted = [update(&notes(), None, &commit)];
    let Way::Http(server) = &desk.way else { panic!("http") };
    server.set(Behaviour::Fail).expect("a server");
    let error = desk.push(&wanted).await.expect_err("a failing server");
    assert_eq!(error.class(), Class::Retry, "{error}");
    server.set(Behaviour::Serve).expect("a server");
    let stranger = Remote { credentials: Credentials::password("robot", "wrong-one"), ..desk.remote() };
    let error = desk.workers.push(&stranger, desk.mirror.path(), &wanted).await.expect_err("a stranger");
    assert_eq!(error.reason(), "CredentialsRefused", "{error}");
    assert!(!error.to_string().contains("wrong-one"), "{error}");
    assert_eq!(desk.held(&notes()), None);
    assert_eq!(desk.push(&wanted).await.expect("an answer"), PushOutcome::Pushed);
}

/// Several write to one ref at the same time; whoever comes too late looks again.
async fn check_a_race(desk: Desk) {
    const EACH: usize = 15;
    let main = desk.fetch().await;
    let pusher = |who: usize| {
        let (desk, main) = (&desk, &main);
        async move {
            let mut expected: Option<CommitId> = None;
            for round in 0..EACH {
                loop {
                    let parents: Vec<&CommitId> = expected.iter().collect();
                    let commit = desk.write(main, &parents, &format!("{who} {round}\n"));
                    match desk.push(&[update(&notes(), expected.as_ref(), &commit)]).await {
                        Ok(PushOutcome::Pushed) => {
                            expected = Some(commit);
                            break;
                        }
                        Ok(PushOutcome::Raced { .. }) => {
                            let fetched = desk.workers.fetch_ref(&desk.remote(), desk.mirror.path(), &notes()).await;
                            expected = fetched.expect("an answer");
                        }
                        // Both were at the lock at once.
                        Err(error) if error.class() == Class::Retry => {}
                        other => panic!("{other:?}"),
                    }
                }
            }
        }
    };
    tokio::join!(pusher(1), pusher(2));
    let subjects = desk.bare.git(&["log", "--format=%s", notes().as_str()]).expect("a history");
    let mut subjects: Vec<&str> = subjects.lines().collect();
    subjects.sort_unstable();
    subjects.dedup();
    assert_eq!(subjects.len(), 2 * EACH, "{subjects:?}");
}

#[tokio::test]
async fn of_two_who_push_by_file_nobody_loses_a_commit() {
    check_a_race(Desk::file()).await;
}

#[tokio::test]
async fn of_two_who_push_by_http_nobody_loses_a_commit() {
    check_a_race(Desk::http()).await;
}

#[tokio::test]
async fn a_signed_commit_is_verified_by_git() {
    let desk = Desk::file();
    let main = desk.fetch().await;
    for (number, sort) in [&["-t", "ed25519"][..], &["-t", "rsa", "-b", "2048"]].into_iter().enumerate() {
        let made = MadeKey::make(sort).expect("a key");
        let key = SigningKey::parse(&fs::read_to_string(made.path()).expect("a key file"), None).expect("a key");
        let draft = desk.draft(&main, &[&main], "Signed\n\nWith a body.\n");
        let sign = |bytes: &[u8]| key.sign(bytes).map_err(|error| error.to_string());
        let commit = desk.mirror.write_commit(&draft, Some(&sign)).expect("a commit");
        let branch = name(&format!("refs/heads/signed-{number}"));
        let pushed = desk.push(&[update(&branch, None, &commit)]).await.expect("an answer");
        assert_eq!(pushed, PushOutcome::Pushed);
        let allowed = desk.place.beside("allowed_signers");
        fs::write(&allowed, format!("plumb@example.com {}\n", key.public())).expect("a file");
        let file = format!("gpg.ssh.allowedSignersFile={}", allowed.display());
        desk.bare.git(&["-c", &file, "verify-commit", commit.as_str()]).expect("a good signature");
        let shown =
            desk.bare.git(&["log", "-1", "--format=%an <%ae> %cn <%ce> %aI %B", commit.as_str()]).expect("a log");
        assert_eq!(
            shown,
            "plumb <plumb@example.com> plumb <plumb@example.com> 2026-01-02T03:04:05+00:00 Signed\n\nWith a body."
        );
        desk.bare.git(&["fsck", "--strict", "--no-dangling"]).expect("a sound repository");
        let failing = |_: &[u8]| Err("the key is broken".to_owned());
        let error = desk.mirror.write_commit(&draft, Some(&failing)).expect_err("no signature");
        assert_eq!(error.reason(), "NotSigned", "{error}");
    }
}

/// Moments at which a push is given up, between its begin and its end.
const CUTS: u32 = 60;

#[tokio::test]
async fn a_push_that_is_given_up_at_any_moment_leaves_no_ref_locked() {
    let desk = Desk::file();
    let main = desk.fetch().await;
    let notes = notes();
    let mut held = None;
    let mut whole = None;
    for step in 0..=CUTS {
        let draft = desk.draft(&main, &[held.as_ref().unwrap_or(&main)], "notes\n");
        let commit = desk.mirror.write_commit(&draft, None).expect("a commit");
        let wanted = [update(&notes, held.as_ref(), &commit)];
        let begun = Instant::now();
        match whole {
            Some(whole) => drop(tokio::time::timeout(whole * step / CUTS, desk.push(&wanted)).await),
            None => drop(desk.push(&wanted).await.expect("a first push")),
        }
        whole = whole.or_else(|| Some(begun.elapsed() * 3 / 2));
        let deadline = Instant::now() + LONG;
        let outcome = loop {
            match desk.push(&wanted).await {
                // The one that was given up is just about to end.
                Err(error) if error.class() == Class::Retry && Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                outcome => break outcome.expect("nothing is left in the way"),
            }
        };
        assert_eq!(outcome, PushOutcome::Pushed, "cut {step}");
        held = Some(commit);
    }
}
