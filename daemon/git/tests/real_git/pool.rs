//! Pools of workers for the tests: threads of this process, or real child processes.

use std::{
    any::Any,
    env, fs, io,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use plumb_git::{
    remote::{Credentials, Remote, RemoteUrl},
    worker::{self, Settings},
    workers::{Connection, Spawner, WorkerCommand, Workers},
};

/// A deadline that no test reaches unless it wants to.
pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) fn remote(url: RemoteUrl) -> Remote {
    Remote { url, credentials: Credentials::default(), timeout: LONG }
}

/// Workers as threads of this process; counts how many were started.
pub(crate) fn in_process(settings: Settings) -> (Workers, Arc<AtomicUsize>) {
    let started = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&started);
    let spawn: Spawner = Box::new(move || {
        count.fetch_add(1, Ordering::SeqCst);
        let (ours, theirs) = UnixStream::pair()?;
        let settings = settings.clone();
        let output = theirs.try_clone()?;
        thread::spawn(move || worker::serve(theirs, output, settings));
        connection(ours, Box::new(()))
    });
    (Workers::new(spawn, 4), started)
}

/// Turns one end of a socket into a connection.
pub(crate) fn connection(socket: UnixStream, guard: Box<dyn Any + Send>) -> io::Result<Connection> {
    socket.set_nonblocking(true)?;
    let (reader, writer) = tokio::net::UnixStream::from_std(socket)?.into_split();
    Ok(Connection { reader: Box::new(reader), writer: Box::new(writer), guard })
}

/// Real worker processes, each with its home in the given directory.
pub(crate) fn processes(homes: PathBuf, limit: usize) -> Workers {
    started_with(program(), homes, limit)
}

pub(crate) fn started_with(program: PathBuf, homes: PathBuf, limit: usize) -> Workers {
    let command = WorkerCommand { program, arguments: Vec::new(), environment: Vec::new(), homes };
    Workers::new(command.spawner(), limit)
}

/// Waits until so many workers have their homes at most: one that is dropped ends by itself, a moment later.
pub(crate) async fn at_most(homes: &Path, most: usize, why: &str) {
    let count = || fs::read_dir(homes).expect("homes").count();
    let fewer = async {
        while count() > most {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(LONG, fewer).await.is_ok(), "{} workers are left: {why}", count());
}

/// Returns the worker program of these tests.
pub(crate) fn program() -> PathBuf {
    let test = env::current_exe().expect("the path of this test");
    let profile = test.parent().and_then(|deps| deps.parent()).expect("target/<profile>/deps");
    let program = profile.join("examples/git_worker");
    assert!(program.exists(), "{} is built by `cargo test -p plumb-git`", program.display());
    program
}
