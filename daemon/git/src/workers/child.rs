//! Workers as child processes.

use std::{
    ffi::{OsStr, OsString},
    io,
    path::PathBuf,
    process::Stdio,
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    runtime::Handle,
};

use super::{Connection, Spawner};

/// How a worker process is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerCommand {
    /// The program, normally plumb itself.
    pub program: PathBuf,
    /// Its arguments, such as `git-worker`; never a secret.
    pub arguments: Vec<OsString>,
    /// The whole environment besides HOME and TMPDIR, such as `SSL_CERT_FILE`; never a secret.
    pub environment: Vec<(OsString, OsString)>,
    /// A directory of the daemon in which each worker gets a home of its own.
    pub homes: PathBuf,
}

/// How long a worker whose input is closed may take to end by itself before it is killed: a ref that it moves is not left locked.
const ENDS_WITHIN: Duration = Duration::from_secs(2);

/// Ends the process, whose pipes are closed by then, and removes its home.
struct Guard(Option<(Child, TempDir)>);

impl Drop for Guard {
    fn drop(&mut self) {
        let (Some((mut child, home)), Ok(runtime)) = (self.0.take(), Handle::try_current()) else { return };
        runtime.spawn(async move {
            if tokio::time::timeout(ENDS_WITHIN, child.wait()).await.is_err() {
                // One that has ended meanwhile needs no more.
                let _ = child.kill().await;
            }
            drop(home);
        });
    }
}

impl WorkerCommand {
    /// Returns what starts one such process for each connection.
    ///
    /// *Guarantees:* the process ends when its connection is dropped, also with the daemon; it is killed where it does not within
    /// two seconds.
    ///
    /// *Assumptions:* the connections are made inside a tokio runtime.
    pub fn spawner(self) -> Spawner {
        Box::new(move || self.start())
    }

    fn start(&self) -> io::Result<Connection> {
        let home = tempfile::Builder::new().prefix("git-worker-").tempdir_in(&self.homes)?;
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env("HOME", home.path())
            .env("TMPDIR", home.path())
            .current_dir(home.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A group of its own: Ctrl-C at a terminal is the daemon's to handle.
            .process_group(0)
            .spawn()
            .map_err(|error| with_program(&error, self.program.as_os_str()))?;
        let (Some(writer), Some(reader)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("a worker was started without its pipes"));
        };
        Ok(Connection {
            reader: Box::new(reader),
            writer: Box::new(writer),
            guard: Box::new(Guard(Some((child, home)))),
        })
    }
}

fn with_program(error: &io::Error, program: &OsStr) -> io::Error {
    io::Error::new(error.kind(), format!("{} cannot be started: {error}", program.display()))
}
