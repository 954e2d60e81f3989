//! Local repositories that cannot be used, and workers that fail.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use plumb_core::class::Class;
use plumb_git::{
    error::GitError,
    mirror::Mirror,
    remote::{FileUrls, RefSelector, Remote, RemoteUrl},
    worker::{Settings, serve},
    workers::{Spawner, Workers},
};

use crate::{
    pool::{LONG, connection, in_process, processes, program, remote},
    repository::TestRepository,
    server::{Behaviour, Server},
};

#[tokio::test]
async fn local_repositories_that_cannot_be_used_say_what_to_do() {
    let (workers, _) = in_process(Settings::default());
    let empty = TestRepository::new();
    let unborn = TestRepository::new();
    unborn.change("a", "a");
    unborn.git(&["symbolic-ref", "HEAD", "refs/heads/nothing"]);
    let sha256 = TestRepository::with(&["-b", "main", "--object-format=sha256"]);
    let reftable = TestRepository::new();
    reftable.git(&["config", "core.repositoryformatversion", "1"]);
    reftable.git(&["config", "extensions.refStorage", "reftable"]);
    let directory = empty.beside("directory");
    fs::create_dir(&directory).expect("a directory");
    let address = |path: &Path| {
        RemoteUrl::parse(&format!("file://{}", path.display()), FileUrls::Allowed).expect("a file address")
    };
    let cases = [
        (address(&directory), "RepositoryNotFound", "there is no repository at file://"),
        (address(&empty.beside("nothing")), "RepositoryNotFound", "check spec.url"),
        (empty.url(), "RepositoryEmpty", "push a first one"),
        (unborn.url(), "HeadUnborn", "it has main"),
        (sha256.url(), "UnsupportedRepository", "uses SHA-256"),
        (reftable.url(), "UnsupportedRepository", "uses reftable"),
    ];
    for (url, reason, words) in cases {
        let error = workers.advertised(&remote(url), &RefSelector::Head).await.expect_err(reason);
        assert_eq!((error.reason(), error.class()), (reason, Class::Wait), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn a_repository_of_another_user_needs_trust() {
    let source = TestRepository::new();
    let commit = source.change("a", "a");
    let owned = Command::new("chown").args(["-R", "12345"]).arg(source.path()).output().expect("chown is installed");
    if !owned.status.success() {
        // Only root may give files away; the rule itself is then covered where the tests run as root.
        return;
    }
    let error = in_process(Settings::default()).0.advertised(&remote(source.url()), &RefSelector::Head).await;
    let error = error.expect_err("it belongs to somebody else");
    let path = source.path().display();
    assert!(error.to_string().contains(&format!("trust it with --safe-directory {path},")), "{error}");
    for safe in [source.path(), Path::new("*")] {
        let (workers, _) = in_process(Settings { safe_directories: vec![safe.to_owned()] });
        let found = workers.advertised(&remote(source.url()), &RefSelector::Head).await;
        assert_eq!(found.expect("it is trusted").commit, commit);
    }
}

#[tokio::test]
async fn a_mirror_that_cannot_be_written_is_named() {
    let source = TestRepository::new();
    source.change("a", "a");
    let (workers, _) = in_process(Settings::default());
    let remote = remote(source.url());
    let advertised = workers.advertised(&remote, &RefSelector::Head).await.expect("HEAD is there");
    let missing = source.beside("mirror");
    let error = workers.fetch(&remote, &missing, &advertised).await.expect_err("there is no mirror");
    assert!(error.to_string().contains(&format!("the mirror at {}", missing.display())), "{error}");
    fs::create_dir_all(missing.join("objects")).expect("a directory");
    fs::write(missing.join("HEAD"), "garbage").expect("a file");
    let error = Mirror::open_or_create(&missing).err().expect("it is damaged");
    assert!(error.to_string().contains("remove it and it is fetched anew"), "{error}");
}

#[tokio::test]
async fn what_a_killed_worker_left_behind_does_not_stop_the_next() {
    let source = TestRepository::new();
    source.change("a", "a");
    let server = Server::start(Behaviour::Serve(source.path().parent().expect("its home").to_owned()));
    let mirror = Mirror::open_or_create(&source.beside("mirror")).expect("a mirror");
    let (workers, _) = in_process(Settings::default());
    for remote in [remote(source.url()), remote(server.url("repository/.git"))] {
        let advertised = workers.advertised(&remote, &RefSelector::Head).await.expect("HEAD is there");
        let lock = mirror.path().join("refs/plumb/upstream/heads%2Fmain.lock");
        fs::create_dir_all(lock.parent().expect("a directory")).expect("a directory");
        fs::write(&lock, "").expect("a lock");
        let pack = mirror.path().join("objects/pack/pack_git2_0123456789abcdef");
        fs::write(&pack, "half").expect("half a pack");
        workers.fetch(&remote, mirror.path(), &advertised).await.expect("leftovers are removed");
        assert!(!lock.exists() && !pack.exists());
        source.change("a", "b");
    }
}

/// A pool whose workers answer each request with these bytes; counts how many were started.
fn answering(bytes: &'static [u8]) -> (Workers, Arc<AtomicUsize>) {
    let started = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&started);
    let spawn: Spawner = Box::new(move || {
        count.fetch_add(1, Ordering::SeqCst);
        let (ours, theirs) = UnixStream::pair()?;
        thread::spawn(move || {
            let mut line = String::new();
            BufReader::new(&theirs).read_line(&mut line).and_then(|_| (&theirs).write_all(bytes))
        });
        connection(ours, Box::new(()))
    });
    (Workers::new(spawn, 2), started)
}

#[tokio::test]
async fn a_worker_that_talks_nonsense_is_an_error_and_not_used_again() {
    let endless = vec![b'x'; 1 << 20].leak();
    let foreign = br#"{"id":99,"outcome":{"Err":{"Empty":{"url":"x"}}}}"#;
    let foreign: &'static [u8] = [&foreign[..], b"\n"].concat().leak();
    for (bytes, words) in [
        (&b""[..], "ended before it answered"),
        (b"hello\n", "expected value"),
        (b"{\"id\":1", "cut off"),
        (endless, "too long"),
        (foreign, "another request"),
    ] {
        let (workers, started) = answering(bytes);
        let url = RemoteUrl::parse("http://git.example.com/a", FileUrls::Refused).expect("an address");
        for _ in 0..2 {
            let error = workers.advertised(&remote(url.clone()), &RefSelector::Head).await.expect_err(words);
            assert!(matches!(&error, GitError::Worker { detail } if detail.contains(words)), "{words}: {error}");
            assert_eq!(error.class(), Class::Retry);
        }
        assert_eq!(started.load(Ordering::SeqCst), 2, "{words}: each request had a fresh worker");
    }
}

#[tokio::test]
async fn a_worker_that_died_while_idle_is_replaced_unseen() {
    let source = TestRepository::new();
    let commit = source.change("a", "a");
    let started = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&started);
    let spawn: Spawner = Box::new(move || {
        let first = count.fetch_add(1, Ordering::SeqCst) == 0;
        let (ours, theirs) = UnixStream::pair()?;
        let output = theirs.try_clone()?;
        thread::spawn(move || {
            if first {
                // Serves one request and goes away.
                let mut line = Vec::new();
                let mut reader = BufReader::new(theirs.try_clone()?);
                reader.read_until(b'\n', &mut line)?;
                serve(&line[..], output, Settings::default())?;
                return Ok(());
            }
            serve(theirs, output, Settings::default())
        });
        connection(ours, Box::new(()))
    });
    let workers = Workers::new(spawn, 1);
    for _ in 0..3 {
        let found = workers.advertised(&remote(source.url()), &RefSelector::Head).await.expect("HEAD is there");
        assert_eq!(found.commit, commit);
    }
    assert_eq!(started.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_program_that_cannot_be_started_is_named() {
    let homes = tempfile::tempdir().expect("a directory");
    let program = homes.path().join("nothing");
    let workers = crate::pool::started_with(program.clone(), homes.path().to_owned(), 1);
    let url = RemoteUrl::parse("http://git.example.com/a", FileUrls::Refused).expect("an address");
    let error = workers.advertised(&remote(url.clone()), &RefSelector::Head).await.expect_err("no such program");
    assert!(error.to_string().contains(&format!("{} cannot be started", program.display())), "{error}");

    fs::write(&program, "#!/bin/sh\nexit 3\n").expect("a script");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("it may run");
    let error = workers.advertised(&remote(url), &RefSelector::Head).await.expect_err("it ends at once");
    assert!(matches!(error, GitError::Worker { .. }), "{error}");
}

#[tokio::test]
async fn a_busy_server_makes_others_of_it_wait_no_longer_than_the_deadline() {
    let hanging = Server::start(Behaviour::Hang);
    // Processes, because libgit2's timeout belongs to the process and the other tests have longer ones.
    let homes = tempfile::tempdir().expect("a directory");
    let workers = processes(homes.path().to_owned(), 4);
    let first = Remote { timeout: Duration::from_secs(3), ..remote(hanging.url("a")) };
    let second = Remote { timeout: Duration::from_secs(1), ..remote(hanging.url("b")) };
    let failed = workers.advertised(&second, &RefSelector::Head).await.expect_err("it never answers");
    assert!(matches!(failed, GitError::TimedOut { .. }), "{failed}");
    let (one, other) = tokio::join!(workers.advertised(&first, &RefSelector::Head), async {
        tokio::task::yield_now().await;
        workers.advertised(&second, &RefSelector::Head).await
    });
    assert!(matches!(one, Err(GitError::TimedOut { seconds: 3, .. })), "{one:?}");
    assert!(matches!(other, Err(GitError::Busy { seconds: 1, .. })), "{other:?}");
}

#[test]
fn a_worker_ends_when_its_daemon_is_gone_even_while_a_server_hangs() {
    let hanging = Server::start(Behaviour::Hang);
    let mut child = Command::new(program())
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the worker starts");
    let request = format!(
        r#"{{"id":1,"target":{{"url":"{}","credentials":{{"login":null,"known_hosts":null,"authority":null}},"timeout_milliseconds":600000}},"job":{{"Advertise":"Head"}}}}"#,
        hanging.url("a")
    );
    let mut input = child.stdin.take().expect("piped");
    writeln!(input, "{request}").expect("it reads");
    let start = Instant::now();
    while hanging.seen().is_empty() {
        assert!(start.elapsed() < LONG, "the worker asks the server");
        thread::yield_now();
    }
    drop(input);
    while child.try_wait().expect("it is our child").is_none() {
        assert!(start.elapsed() < LONG, "the worker ends by itself");
        thread::yield_now();
    }
}
