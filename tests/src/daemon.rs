//! The daemon as a process: started, killed, started again, with its log in reach.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

use lab::ControlPlane;
use tempfile::TempDir;

use crate::{http, wait};

/// Names the file that has plumb abort; `plumb_cluster::crash` says how.
const CRASH: &str = "PLUMB_TEST_CRASH";

/// A running `plumb run`; killed on drop, and with the control plane.
pub struct Daemon {
    plane: &'static ControlPlane,
    child: Child,
    folder: TempDir,
    kubeconfig: PathBuf,
    flags: Vec<String>,
    /// Counts the starts, each of which has a log of its own.
    starts: u32,
}

impl Daemon {
    /// Starts plumb on a control plane, with plumb's definitions installed, and waits until it is ready.
    pub fn start(plane: &'static ControlPlane) -> Self {
        Self::start_with(plane, &[])
    }

    /// Starts plumb with further flags.
    pub fn start_with(plane: &'static ControlPlane, flags: &[&str]) -> Self {
        Self::start_through(plane, plane.kubeconfig(), flags)
    }

    /// Starts plumb with further flags and another way to the API server.
    pub fn start_through(plane: &'static ControlPlane, kubeconfig: &Path, flags: &[&str]) -> Self {
        let folder = TempDir::with_prefix("plumb-daemon-").expect("a folder");
        let bootstrap = folder.path().join("bootstrap");
        fs::create_dir(&bootstrap).expect("a folder");
        let bootstrap = ["--bootstrap", bootstrap.to_str().expect("a path in UTF-8")];
        let flags = bootstrap.iter().chain(flags).map(|flag| (*flag).to_owned()).collect();
        Self::spawn(plane, kubeconfig.to_owned(), folder, flags)
    }

    /// Starts plumb as another user, on a control plane where it is installed already.
    pub fn start_as(plane: &'static ControlPlane, kubeconfig: &Path, flags: &[&str]) -> Self {
        let folder = TempDir::with_prefix("plumb-daemon-").expect("a folder");
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        Self::spawn(plane, kubeconfig.to_owned(), folder, flags)
    }

    fn spawn(plane: &'static ControlPlane, kubeconfig: PathBuf, folder: TempDir, flags: Vec<String>) -> Self {
        let child = spawn(plane, folder.path(), &kubeconfig, &flags, 0);
        let daemon = Self { plane, child, folder, kubeconfig, flags, starts: 0 };
        daemon.wait_ready();
        daemon
    }

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) {
        self.child.kill().expect("a process to kill");
        self.child.wait().expect("an end");
    }

    /// Has it abort right `before` or `after` its N-th effect from now on whose description contains one of these texts.
    pub fn crash(&self, moment: &str, number: u32, texts: &[&str]) {
        let written = fs::write(crash(self.folder.path()), format!("{moment} {number} {}", texts.join(" ")));
        written.expect("a file that arms the switch");
    }

    /// Returns whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("its state").is_some()
    }

    /// Stops it from running, as a machine does that swaps or sleeps.
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    /// Has it run again.
    pub fn go_on(&self) {
        self.signal("-CONT");
    }

    /// Stops it in order, with SIGTERM, and waits for its end.
    pub fn stop(&mut self) {
        self.signal("-TERM");
        self.child.wait().expect("an end");
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.id().to_string()]).status().expect("kill runs");
        assert!(sent.success(), "kill {signal}: {sent}");
    }

    /// Starts it again, with the same data, and with nothing left that has it abort.
    pub fn start_again(&mut self) {
        let _ = fs::remove_file(crash(self.folder.path()));
        self.starts += 1;
        self.child = spawn(self.plane, self.folder.path(), &self.kubeconfig, &self.flags, self.starts);
        self.wait_ready();
    }

    /// Starts it again, with the same data and other values of flags that it was given before.
    pub fn start_again_with(&mut self, flags: &[&str]) {
        for pair in flags.chunks(2) {
            let place = self.flags.iter().position(|flag| flag == pair[0]).expect("a flag that it was given");
            pair[1].clone_into(&mut self.flags[place + 1]);
        }
        self.start_again();
    }

    /// Returns what it has logged since it was last started.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join(format!("log-{}", self.starts))).unwrap_or_default()
    }

    /// Returns the page of metrics.
    pub fn metrics(&self) -> String {
        http::get(&self.metrics_address(), "/metrics").expect("the page of metrics")
    }

    /// Returns where that page is.
    pub fn metrics_address(&self) -> String {
        self.address().expect("an address once it is ready")
    }

    /// Writes a file of the directory that it bootstraps from, or removes it.
    pub fn bootstrap(&self, name: &str, text: Option<&str>) {
        let path = self.folder.path().join("bootstrap").join(name);
        match text {
            Some(text) => fs::write(path, text),
            None => fs::remove_file(path),
        }
        .expect("a file of the directory");
    }

    /// Returns the directory in which it keeps mirrors and homes of workers.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Returns its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns the process ids of its workers.
    pub fn workers(&self) -> Vec<u32> {
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        ids.filter(|id| parent(*id) == Some(self.id())).collect()
    }

    fn address(&self) -> Option<String> {
        let log = self.log();
        let line = log.lines().find(|line| line.contains("plumb starts"))?;
        // As text or, with --log-format json, as JSON.
        let rest = line.split("metrics=").nth(1).or_else(|| line.split("\"metrics\":\"").nth(1))?;
        Some(rest.split([' ', '"']).next()?.to_owned())
    }

    fn wait_ready(&self) {
        wait::until("plumb to be ready", || {
            let address = self.address().ok_or_else(|| self.log())?;
            http::get(&address, "/readyz").map_err(|error| format!("{error}\n{}", self.log()))
        });
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            // Nobody is left to tell if that fails.
            let _ = writeln!(std::io::stderr(), "--- log of plumb\n{}\n---", self.log());
        }
    }
}

fn spawn(plane: &ControlPlane, folder: &Path, kubeconfig: &Path, flags: &[String], start: u32) -> Child {
    let log = File::create(folder.join(format!("log-{start}"))).expect("a log");
    let child = Command::new(lab::process::plumb())
        .args(["run", "--allow-file-repositories", "--metrics", "127.0.0.1:0", "--kubeconfig"])
        .arg(kubeconfig)
        .arg("--data")
        .arg(folder.join("data"))
        .args(flags)
        .env("NO_COLOR", "1")
        .env(CRASH, crash(folder))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("plumb starts");
    plane.adopt(child.id()).expect("a process that has just started");
    child
}

fn crash(folder: &Path) -> PathBuf {
    folder.join("crash")
}

/// Returns the parent of a process (proc(5)).
fn parent(id: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name before it may hold anything.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// Returns the daemon that all tests of one binary share, on the control plane that they share.
pub fn shared() -> &'static Daemon {
    static SHARED: OnceLock<Daemon> = OnceLock::new();
    SHARED.get_or_init(|| Daemon::start(lab::shared()))
}
