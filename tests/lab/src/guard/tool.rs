//! One running tool: a process with a log, watched until it is killed or dies by itself.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use tokio::process::Command;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::layout::Layout;
use super::leash;

/// How many of the last lines of a log an error shows: the cause is among them, a Go panic's first lines too.
const SHOWN_LINES: usize = 25;

/// How much of a log's end is read to find these lines.
const SHOWN_BYTES: u64 = 16 * 1024;

/// A tool that ended although nobody killed it.
#[derive(Debug)]
pub(super) struct Death {
    pub(super) tool: &'static str,
    pub(super) status: Option<ExitStatus>,
    pub(super) last_lines: String,
}

impl Death {
    /// Returns the death in words, with the end of the log.
    pub(super) fn message(&self) -> String {
        let how = self.status.map_or_else(|| "for an unknown reason".to_owned(), |status| format!("with {status}"));
        format!("{} ended {how}; its last lines were:\n{}", self.tool, self.last_lines)
    }

    /// Returns whether another process had taken the port before the tool did.
    pub(super) fn port_was_taken(&self) -> bool {
        self.last_lines.contains("address already in use")
    }
}

/// What a tool is started with.
#[derive(Debug, Clone, Copy)]
pub(super) struct CommandLine<'a> {
    pub(super) binary: &'a Path,
    pub(super) flags: &'a [String],
    pub(super) environment: &'a [(&'static str, String)],
}

/// A tool that runs.
#[derive(Debug)]
pub(super) struct Tool {
    kill: Option<oneshot::Sender<()>>,
    ended: JoinHandle<()>,
}

impl Tool {
    /// Starts a tool. It sees none of the guard's environment: etcd, for one, reads flags from there.
    pub(super) fn spawn(
        name: &'static str,
        CommandLine { binary, flags, environment }: CommandLine<'_>,
        layout: &Layout,
        deaths: mpsc::UnboundedSender<Death>,
    ) -> io::Result<Self> {
        let log = layout.log(name);
        let output = open_log(&log)?;
        let mut command = Command::new(binary);
        command
            .args(flags)
            .current_dir(layout.root())
            .env_clear()
            .env("HOME", layout.root())
            .env("PATH", "/usr/bin:/bin")
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .kill_on_drop(true);
        leash::tie(&mut command);
        let mut child = command.spawn()?;
        let (kill, killed) = oneshot::channel();
        let ended = tokio::spawn(async move {
            let status = tokio::select! {
                status = child.wait() => status.ok(),
                _ = killed => {
                    // SIGKILL: on SIGTERM the API server takes seconds to drain what nobody waits for.
                    let _ = child.kill().await;
                    return;
                }
            };
            let last_lines = last_lines(&log).unwrap_or_else(|error| format!("({}: {error})", log.display()));
            // Who no longer listens is ending everything.
            let _ = deaths.send(Death { tool: name, status, last_lines });
        });
        Ok(Self { kill: Some(kill), ended })
    }

    /// Tells the tool to die, without waiting.
    pub(super) fn kill(&mut self) {
        if let Some(kill) = self.kill.take() {
            // An error means that it has ended already.
            let _ = kill.send(());
        }
    }

    /// Waits until the tool is dead and reaped.
    pub(super) async fn ended(mut self) {
        self.kill();
        let _ = self.ended.await;
    }
}

fn open_log(path: &Path) -> io::Result<File> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

/// Returns the last lines of a log.
pub(crate) fn last_lines(log: &Path) -> io::Result<String> {
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(SHOWN_BYTES)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    Ok(lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n"))
}
