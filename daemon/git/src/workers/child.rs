//! Workers as child processes.

use std::{
    ffi::{OsStr, OsString},
    io,
    path::PathBuf,
    process::Stdio,
};

use tempfile::TempDir;
use tokio::process::{Child, Command};

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

/// Ends the process, then removes its home.
struct Guard {
    _child: Child,
    _home: TempDir,
}

impl WorkerCommand {
    /// Returns what starts one such process for each connection.
    ///
    /// *Guarantees:* the process is killed when its connection is dropped, and ends by itself when the daemon dies.
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
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| with_program(&error, self.program.as_os_str()))?;
        let (Some(writer), Some(reader)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("a worker was started without its pipes"));
        };
        Ok(Connection {
            reader: Box::new(reader),
            writer: Box::new(writer),
            guard: Box::new(Guard { _child: child, _home: home }),
        })
    }
}

fn with_program(error: &io::Error, program: &OsStr) -> io::Error {
    io::Error::new(error.kind(), format!("{} cannot be started: {error}", program.display()))
}
