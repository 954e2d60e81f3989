//! plumb as a process, with the rights of its own user.

use std::{
    fs::{self, File},
    io,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;
use tempfile::TempDir;

use super::ground::Ground;

/// Longer than any step takes, on a machine that does something else and in the dev profile.
const DEADLINE: Duration = Duration::from_secs(180);
/// A stop in order takes two seconds at most; after this long it is none.
const STOP_WITHIN: Duration = Duration::from_secs(15);
/// Between two looks whether it has happened.
const STOP_PAUSE: Duration = Duration::from_millis(20);
/// Lines of the log that an error shows.
const LOG_LINES: usize = 30;
/// Clock ticks per second of /proc, fixed by the kernel's interface to programs.
const TICKS: f64 = 100.0;

/// A running plumb; ends when it is dropped.
pub(super) struct Daemon {
    child: Child,
    folder: TempDir,
}

/// What the process has used.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Usage {
    /// Seconds of CPU.
    pub(super) cpu_seconds: f64,
    /// The most memory that it held, in MiB.
    pub(super) peak_mib: u64,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.stop();
    }
}

impl Daemon {
    /// Starts plumb with an empty cache of its own.
    pub(super) fn start(ground: &Ground) -> anyhow::Result<Self> {
        Self::start_with(ground, &[])
    }

    /// Starts plumb with an empty cache of its own, and flags.
    pub(super) fn start_with(ground: &Ground, flags: &[&str]) -> anyhow::Result<Self> {
        let folder = TempDir::with_prefix("plumb-bench-").context("no temporary folder can be made")?;
        let bootstrap = folder.path().join("bootstrap");
        fs::create_dir(&bootstrap)?;
        let log = File::create(folder.path().join("plumb.log"))?;
        let child = Command::new(&ground.plumb)
            .args(["run", "--allow-file-repositories", "--metrics", "127.0.0.1:0", "--kubeconfig"])
            .arg(&ground.kubeconfig)
            .arg("--bootstrap")
            .arg(&bootstrap)
            .arg("--data")
            .arg(folder.path().join("data"))
            .args(flags)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| format!("{} does not start", ground.plumb.display()))?;
        Ok(Self { child, folder })
    }

    /// Waits for something that plumb is to do; fails with the end of its log.
    pub(super) async fn until<T>(
        &mut self,
        what: &str,
        happened: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        let result = tokio::time::timeout(DEADLINE, happened).await;
        if let Some(status) = self.child.try_wait()? {
            bail!("plumb ended with {status} while waiting for {what}\n{}", self.log());
        }
        match result {
            Ok(result) => result.with_context(|| format!("waiting for {what}\n{}", self.log())),
            Err(_) => bail!("waited {} s for {what}, which did not happen\n{}", DEADLINE.as_secs(), self.log()),
        }
    }

    /// Returns what the process has used so far, without its Git workers.
    pub(super) fn usage(&self) -> anyhow::Result<Usage> {
        let folder = format!("/proc/{}", self.child.id());
        let stat = fs::read_to_string(format!("{folder}/stat"))?;
        // Fields 14 and 15; the second field, in parentheses, may hold blanks (proc_pid_stat(5)).
        let (_, fields) = stat.rsplit_once(')').context("/proc has another format than expected")?;
        let ticks = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok());
        let status = fs::read_to_string(format!("{folder}/status"))?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or_default();
        Ok(Usage { cpu_seconds: ticks.sum::<f64>() / TICKS, peak_mib: peak / 1024 })
    }

    /// Ends plumb in order, so that the next one need not wait for its lease; by force if that takes too long.
    pub(super) fn stop(&mut self) -> io::Result<()> {
        let begun = Instant::now();
        let process = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        // One that has ended can't be told so.
        let told = process.is_some_and(|process| kill_process(process, Signal::TERM).is_ok());
        while told && begun.elapsed() < STOP_WITHIN {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            thread::sleep(STOP_PAUSE);
        }
        self.kill()
    }

    /// Ends plumb as a crash would.
    pub(super) fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }

    /// Waits until it has said something in its log.
    pub(super) async fn has_said(&mut self, words: &str) -> anyhow::Result<()> {
        let log = self.folder.path().join("plumb.log");
        let said = async {
            while !fs::read_to_string(&log)?.contains(words) {
                tokio::time::sleep(STOP_PAUSE).await;
            }
            Ok(())
        };
        self.until(&format!("the log to say {words:?}"), said).await
    }

    fn log(&self) -> String {
        let log = fs::read_to_string(self.folder.path().join("plumb.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        format!("--- end of plumb's log\n{}", lines[lines.len().saturating_sub(LOG_LINES)..].join("\n"))
    }
}
