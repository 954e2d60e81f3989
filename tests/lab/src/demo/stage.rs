//! What the acts play on: the cluster, the repository, plumb as a process, and how things are shown.
#![allow(clippy::print_stdout)]

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use lab::{
    ControlPlane,
    git::{BareRepository, WorkingCopy},
};
use owo_colors::{OwoColorize as _, Stream::Stdout};
use tempfile::TempDir;

/// Longer than any step takes, even on a machine that does something else.
const DEADLINE: Duration = Duration::from_secs(60);
/// Between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(20);
/// The folder of this project whose files become the environment repository.
const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../manifests/examples");
/// What stands in the examples for the address of the repository.
const EXAMPLE_URL: &str = "https://git.example.com/platform/environments.git";

/// The name of the cluster in the ref of its notes.
pub(super) const CLUSTER: &str = "demo";
/// As much of a line as is shown: a record is one line of JSON.
const COLUMNS: usize = 180;

/// Everything that the acts play on.
pub(super) struct Stage {
    plane: ControlPlane,
    plumb: PathBuf,
    folder: TempDir,
    pub(super) repository: BareRepository,
    pub(super) copy: WorkingCopy,
    /// The repository of an application's source, and a clone of it.
    pub(super) source: BareRepository,
    pub(super) code: WorkingCopy,
    daemon: Child,
    metrics: String,
}

impl Drop for Stage {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

impl Stage {
    /// Fills the repository with the examples and starts plumb.
    pub(super) fn set(plane: ControlPlane, plumb: PathBuf) -> anyhow::Result<Self> {
        let folder = TempDir::with_prefix("plumb-demo-").context("no temporary folder can be made")?;
        let repository = BareRepository::create()?;
        let copy = WorkingCopy::clone(&repository.url())?.author("Ada Example", "ada@example.com");
        let files = read(&Path::new(EXAMPLES).join("environments"), "environments")?;
        let borrowed: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        copy.commit_and_push(&borrowed, "Three environments")?;
        good(&format!("a Git repository holds three environments: {}", repository.url()));
        let source = BareRepository::create()?;
        let code = WorkingCopy::clone(&source.url())?.author("Grace Example", "grace@example.com");
        let bootstrap = folder.path().join("bootstrap");
        fs::create_dir(&bootstrap)?;
        for (path, text) in read(&Path::new(EXAMPLES).join("plumb"), "")? {
            fs::write(bootstrap.join(path.replace('/', "-")), text.replace(EXAMPLE_URL, &repository.url()))?;
        }
        let log = File::create(folder.path().join("plumb.log"))?;
        shown(&format!(
            "plumb run --cluster-name {CLUSTER} --kubeconfig {} --bootstrap {} --allow-file-repositories",
            plane.kubeconfig().display(),
            bootstrap.display()
        ));
        let daemon = Command::new(&plumb)
            .args(["run", "--cluster-name", CLUSTER, "--allow-file-repositories", "--metrics", "127.0.0.1:0"])
            .arg("--kubeconfig")
            .arg(plane.kubeconfig())
            .arg("--bootstrap")
            .arg(&bootstrap)
            .arg("--data")
            .arg(folder.path().join("data"))
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| format!("{} does not start", plumb.display()))?;
        plane.adopt(daemon.id())?;
        let mut stage = Self { plane, plumb, folder, repository, copy, source, code, daemon, metrics: String::new() };
        stage.metrics = stage.until("plumb to start", || stage.metrics_address())?.0;
        Ok(stage)
    }

    /// Returns plumb's log.
    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("plumb.log")).unwrap_or_default()
    }

    /// Puts Tekton on the cluster; returns how long that took.
    pub(super) fn install_tekton(&self) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        self.plane.install_tekton()?;
        Ok(begun.elapsed())
    }

    /// Writes a file for a command to read; returns where it is.
    pub(super) fn write(&self, name: &str, text: &str) -> anyhow::Result<PathBuf> {
        let path = self.folder.path().join(name);
        fs::write(&path, text).with_context(|| format!("{} can't be written", path.display()))?;
        Ok(path)
    }

    fn metrics_address(&self) -> Result<String, String> {
        let log = self.log();
        let line = log.lines().find(|line| line.contains("plumb starts")).ok_or_else(|| log.clone())?;
        let address = line.split("metrics=").nth(1).and_then(|rest| rest.split_whitespace().next());
        address.map(str::to_owned).ok_or_else(|| line.to_owned())
    }

    /// Runs a command as a person would type it, shows it and what it prints, and returns that.
    pub(super) fn run(&self, command: &str) -> anyhow::Result<String> {
        shown(command);
        let printed = self.ask(command)?;
        for line in printed.lines() {
            match line.char_indices().nth(COLUMNS) {
                Some((end, _)) => println!("    {}…", &line[..end]),
                None => println!("    {line}"),
            }
        }
        Ok(printed)
    }

    /// Runs a command in the working copy without showing it.
    pub(super) fn ask(&self, command: &str) -> anyhow::Result<String> {
        let words: Vec<String> = command.split_whitespace().map(|word| word.replace('\'', "")).collect();
        let mut words = words.iter().map(String::as_str);
        let program = match words.next() {
            Some("kubectl") => self.plane.kubectl_binary(),
            Some("plumb") => &self.plumb,
            Some("git") => return Ok(self.copy.git(&words.collect::<Vec<_>>())?),
            other => bail!("the demonstration knows kubectl, plumb and git, not {other:?}"),
        };
        let mut command_line = Command::new(program);
        command_line.args(words).current_dir(self.copy.path()).env("KUBECONFIG", self.plane.kubeconfig());
        let output = command_line.output()?;
        if !output.status.success() {
            bail!("{command}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Waits until `look` gives a value; returns it and how long that took.
    pub(super) fn until<T>(
        &self,
        what: &str,
        mut look: impl FnMut() -> Result<T, String>,
    ) -> anyhow::Result<(T, Duration)> {
        let begun = Instant::now();
        loop {
            match look() {
                Ok(value) => return Ok((value, begun.elapsed())),
                Err(reason) if begun.elapsed() > DEADLINE => {
                    bail!("waited for {what}, which did not happen: {reason}\n--- log of plumb\n{}", self.log());
                }
                Err(_) => thread::sleep(PAUSE),
            }
        }
    }

    /// Waits until a field of an object has a value.
    pub(super) fn until_field(&self, object: &str, path: &str, expected: &str) -> anyhow::Result<Duration> {
        let command = format!("kubectl get {object} -o jsonpath={{{path}}}");
        let ((), took) = self.until(&format!("{object} {path} to be {expected}"), || {
            let found = self.ask(&command).map_err(|error| error.to_string())?;
            if found == expected { Ok(()) } else { Err(format!("it is {found:?}")) }
        })?;
        Ok(took)
    }

    /// Says what stays up and what to try.
    pub(super) fn invite(&self) {
        title("It stays up until Ctrl-C. In another terminal:");
        let bin = self.plumb.parent().map(|path| path.display().to_string()).unwrap_or_default();
        let kubectl = self.plane.kubectl_binary().parent().map(|path| path.display().to_string()).unwrap_or_default();
        println!("  export KUBECONFIG={} PATH={bin}:{kubectl}:$PATH", self.plane.kubeconfig().display());
        println!("  cd {}  # the environments; change something, commit, push, and look", self.copy.path().display());
        println!("  plumb status -A                                      # how the environments stand");
        println!("  kubectl -n shop-staging scale deployment web --replicas=9   # then: plumb drift staging");
        println!("  git pull --quiet; plumb history staging --repo .           # what became of each commit");
        let code = self.code.path().display();
        println!(
            "  plumb runs shop                                      # what was built; commit and push in {code} for more"
        );
        println!("  curl http://{}/metrics", self.metrics);
        println!("  less {}", self.folder.path().join("plumb.log").display());
    }
}

/// Reads the files below a folder, with their paths below `prefix`.
fn read(folder: &Path, prefix: &str) -> anyhow::Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    let entries = fs::read_dir(folder).with_context(|| format!("the examples are missing: {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
        if entry.file_type()?.is_dir() {
            files.extend(read(&entry.path(), &path)?);
        } else {
            files.push((path, fs::read_to_string(entry.path())?));
        }
    }
    files.sort();
    Ok(files)
}

/// Shows the title of an act.
pub(super) fn title(text: &str) {
    println!("\n{}", text.if_supports_color(Stdout, |text| text.bold()));
}

/// Shows a command.
pub(super) fn shown(command: &str) {
    let command = format!("$ {command}");
    println!("  {}", command.if_supports_color(Stdout, |text| text.cyan()));
}

/// Shows what was observed.
pub(super) fn good(text: &str) {
    println!("  {} {text}", "✓".if_supports_color(Stdout, |text| text.green()));
}
