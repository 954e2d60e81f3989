//! The guard's process, seen from its parent: orders out, answers in.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex, MutexGuard, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::LabError;
use crate::guard::layout::Layout;
use crate::guard::order::{Answer, Order};
use crate::guard::tool;
use crate::planes::{self, Purpose};

/// How long an order may take. The guard itself gives each tool 90 s; this is for a guard that hangs.
const ANSWER_DEADLINE: Duration = Duration::from_secs(600);

/// How long a guard may take to kill its tools and remove its folder: usually a tenth of a second.
const END_DEADLINE: Duration = Duration::from_secs(30);

/// How often an ending guard is looked at.
const END_POLL: Duration = Duration::from_millis(5);

/// A guard that runs.
#[derive(Debug)]
pub(super) struct GuardProcess {
    child: Child,
    line: Mutex<Option<Line>>,
    deaths: Arc<Mutex<Vec<String>>>,
    listener: JoinHandle<()>,
    layout: Layout,
}

/// The two directions; one order at a time.
#[derive(Debug)]
struct Line {
    orders: ChildStdin,
    answers: mpsc::Receiver<Answer>,
}

impl GuardProcess {
    /// Starts a guard for a folder; from here on the folder is the guard's to remove.
    pub(super) fn spawn(binary: &Path, layout: &Layout, purpose: Purpose) -> Result<Self, LabError> {
        let log = layout.log("guard");
        let output = log.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| File::create(&log));
        let output = output.map_err(|source| LabError::Directory { directory: layout.root().to_owned(), source })?;
        let purpose = match purpose {
            Purpose::Person => "person",
            Purpose::Test => "test",
        };
        let spawned = Command::new(binary)
            .arg("guard")
            .args(["--purpose", purpose])
            .arg("--directory")
            .arg(layout.root())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(output)
            .spawn();
        let mut child = spawned.map_err(|error| {
            // Without a guard nobody else removes it; the error that matters is the other one.
            let _ = fs::remove_dir_all(layout.root());
            LabError::Guard { reason: format!("{} can't be started: {error}", binary.display()) }
        })?;
        let orders = child.stdin.take().expect("because stdin was asked for as a pipe");
        let stdout = child.stdout.take().expect("because stdout was asked for as a pipe");
        let deaths = Arc::default();
        let (answers, listener) = listen(stdout, Arc::clone(&deaths));
        Ok(Self { child, line: Mutex::new(Some(Line { orders, answers })), deaths, listener, layout: layout.clone() })
    }

    /// Gives an order and waits for the answer.
    pub(super) fn ask(&self, order: &Order) -> Result<Answer, LabError> {
        let mut line = lock(&self.line);
        let Some(Line { orders, answers }) = line.as_mut() else { return Err(self.gone("it has been ended")) };
        let mut text = serde_json::to_string(order).expect("because orders are plain data");
        text.push('\n');
        orders.write_all(text.as_bytes()).map_err(|error| self.gone(&format!("it does not read: {error}")))?;
        answers.recv_timeout(ANSWER_DEADLINE).map_err(|error| match error {
            RecvTimeoutError::Timeout => self.gone(&format!("it says nothing for {} s", ANSWER_DEADLINE.as_secs())),
            RecvTimeoutError::Disconnected => self.gone("it has ended"),
        })
    }

    /// Returns which tools ended by themselves, with the ends of their logs.
    pub(super) fn deaths(&self) -> Vec<String> {
        lock(&self.deaths).clone()
    }

    /// Returns whether the guard still holds the control plane up: it closes its end when it is told to end elsewhere.
    pub(super) fn is_up(&self) -> bool {
        !self.listener.is_finished()
    }

    /// Has the guard end the control plane, and returns when it has.
    pub(super) fn end(&self) {
        // Closing its stdin is the order to end.
        drop(lock(&self.line).take());
        let deadline = Instant::now() + END_DEADLINE;
        while self.is_up() && Instant::now() < deadline {
            thread::sleep(END_POLL);
        }
    }

    fn gone(&self, how: &str) -> LabError {
        let log = tool::last_lines(&self.layout.log("guard")).unwrap_or_default();
        LabError::Guard { reason: format!("{how}\n{log}").trim_end().to_owned() }
    }
}

impl Drop for GuardProcess {
    fn drop(&mut self) {
        // Closing its stdin is the order to end.
        drop(lock(&self.line).take());
        let deadline = Instant::now() + END_DEADLINE;
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                // It hangs; the system kills the tools with it.
                let _ = self.child.kill();
                let _ = self.child.wait();
                break;
            }
            thread::sleep(END_POLL);
        }
        if self.layout.root().exists() {
            // It was killed. What can't be removed now is left to `cargo lab down`.
            let _ = planes::remove_left(self.child.id(), self.layout.root());
        }
    }
}

/// Reads what the guard says until it is gone: deaths are kept, everything else is the answer to the order given last.
fn listen(stdout: ChildStdout, deaths: Arc<Mutex<Vec<String>>>) -> (mpsc::Receiver<Answer>, JoinHandle<()>) {
    let (sender, answers) = mpsc::channel();
    let listener = thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            match serde_json::from_str(&line) {
                Ok(Answer::Died { message }) => lock(&deaths).push(message),
                // Who no longer waits for an answer is ending the guard.
                Ok(answer) => drop(sender.send(answer)),
                // Not a line of the guard's: the order that waits for it learns that the guard is out of order.
                Err(_) => return,
            }
        }
    });
    (answers, listener)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere must not keep the tools from being ended.
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
