//! Where binaries come from, with a stand-in for the Go command: the order of places, the three ways out, and two
//! builders at once.
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions that tests share

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

const DEADLINE: Duration = Duration::from_secs(60);

/// The binaries of the modules, under the names that they get.
const NAMES: [&str; 8] = [
    "etcd",
    "kwok",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubectl",
    "tekton-controller",
    "tekton-webhook",
];

/// What is kept of Tekton's source.
const TEKTON_CONFIG: &str = "tekton-config";

/// How many modules there are, each built once.
const MODULES: usize = 4;

/// A home without anything, and a search path with a stand-in for Go if the test wants one.
struct Machine {
    folder: TempDir,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["home", "bin"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts a `go` on the search path: a shell script that notes every build and makes a file for each package, and that
    /// knows of a source for every module.
    fn with_go(self, version: &str, build: &str) -> Self {
        let note = self.path("builds");
        let source = self.path("source");
        fs::create_dir_all(source.join("config/300-crds")).unwrap();
        fs::write(source.join("config/300-crds/300-task.yaml"), "kind: Task\n").unwrap();
        let script = format!(
            r#"#!/bin/sh
PATH=/usr/bin:/bin
if [ "$1" = env ]; then echo go{version}; exit 0; fi
if [ "$1" = list ]; then echo {source}; exit 0; fi
for last; do :; done
echo "$last" >> {note}
{build}
for argument; do
  case $argument in
    */etcd/server/v3) : > out/server;;
    */cmd/*) : > out/"${{argument##*/}}";;
  esac
done
"#,
            note = note.display(),
            source = source.display(),
        );
        let go = self.path("bin/go");
        fs::write(&go, script).unwrap();
        fs::set_permissions(&go, fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    fn lab_assets(&self) -> Command {
        self.lab("assets")
    }

    fn lab(&self, subcommand: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
        command.arg(subcommand).env_clear().env("HOME", self.path("home")).env("PATH", self.path("bin"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn builds(&self) -> Vec<String> {
        let noted = fs::read_to_string(self.path("builds")).unwrap_or_default();
        noted.lines().map(str::to_owned).collect()
    }

    fn cache(&self) -> PathBuf {
        self.path("home/.cache/plumb/lab")
    }
}

/// Makes a folder with some binaries.
fn binaries(folder: &Path, names: &[&str]) {
    fs::create_dir_all(folder).unwrap();
    for name in names {
        fs::write(folder.join(name), "").unwrap();
    }
}

fn listed(output: &Output) -> Vec<(String, PathBuf)> {
    assert!(output.status.success(), "{}", stderr(output));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = text.lines().map(|line| line.split_once('\t').unwrap());
    lines.map(|(name, path)| (name.to_owned(), PathBuf::from(path))).collect()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn wait_for(path: &Path, builder: &mut Child) {
    let begun = Instant::now();
    while !path.exists() {
        assert!(begun.elapsed() < DEADLINE && builder.try_wait().unwrap().is_none(), "{} never came", path.display());
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn without_go_and_binaries_there_are_three_ways_out() {
    let machine = Machine::new();
    let output = machine.lab_assets().output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    let cache = machine.cache();
    for part in [
        "there is no `go` on PATH",
        "1. install Go 1.26.0 or newer and run this again: they are built once, in about 8 min",
        "2. set PLUMB_LAB_ASSETS to a folder that has etcd, kwok, kube-apiserver",
        &format!("3. copy {} from a machine of this platform", cache.display()),
    ] {
        assert!(said.contains(part), "{part:?} is missing in:\n{said}");
    }
}

#[test]
fn who_has_all_but_tekton_is_told_what_tekton_needs() {
    let machine = Machine::new().with_go("1.26.0", "");
    let output = machine.lab_assets().output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    for part in [
        "is Go 1.26.0, older than the 1.26.4",
        "1. install Go 1.26.4 or newer",
        "2. set PLUMB_LAB_ASSETS to a folder that has tekton-controller, tekton-webhook, tekton-config\n",
    ] {
        assert!(said.contains(part), "{part:?} is missing in:\n{said}");
    }
    assert_eq!(machine.builds().len(), MODULES - 1, "all the others");
}

#[test]
fn only_who_asks_for_tekton_needs_it() {
    let machine = Machine::new();
    let given = machine.path("given");
    let without: Vec<&str> = NAMES.into_iter().filter(|name| !name.starts_with("tekton")).collect();
    binaries(&given, &without);
    let said = |arguments: &[&str]| {
        let mut up = machine.lab("up");
        up.args(arguments).env("PLUMB_LAB_ASSETS", &given).env("TMPDIR", machine.path("home"));
        stderr(&up.output().unwrap())
    };
    // They are empty files: it came as far as starting one.
    assert!(said(&[]).contains("starting ") && said(&[]).contains("etcd failed"), "{}", said(&[]));
    assert!(said(&["--tekton"]).contains("no binaries for the laboratory's control plane (tekton)"));
}

#[test]
fn a_source_that_go_does_not_know_is_an_error() {
    let machine = Machine::new().with_go("1.26.8", "");
    fs::remove_dir_all(machine.path("source")).unwrap();
    let said = stderr(&machine.lab_assets().output().unwrap());
    assert!(said.contains("building tekton 1.15.0 failed") && said.contains("source/config failed"), "{said}");
}

#[test]
fn a_go_that_is_too_old_is_named() {
    let machine = Machine::new().with_go("1.19.8", "");
    let said = stderr(&machine.lab_assets().output().unwrap());
    assert!(said.contains("is Go 1.19.8, older than the 1.26.0"), "{said}");
    assert!(said.contains("1. install Go 1.26.0 or newer"), "{said}");
    assert_eq!(machine.builds(), Vec::<String>::new());
}

#[test]
fn a_named_folder_comes_first() {
    let machine = Machine::new();
    let given = machine.path("given");
    binaries(&given, &NAMES);
    fs::create_dir(given.join(TEKTON_CONFIG)).unwrap();
    let output = machine.lab_assets().env("PLUMB_LAB_ASSETS", &given).output().unwrap();
    let listed = listed(&output);
    assert_eq!(listed.len(), NAMES.len() + 1);
    assert!(listed.iter().all(|(name, path)| *path == given.join(name)), "{listed:?}");
    assert_eq!(stderr(&output), "");
}

#[test]
fn a_module_is_taken_from_a_named_folder_only_in_full() {
    let machine = Machine::new().with_go("1.26.8", "");
    let given = machine.path("envtest");
    // Tekton lacks the folder with its kinds.
    binaries(&given, &["etcd", "kube-apiserver", "kubectl", "tekton-controller", "tekton-webhook"]);
    let output = machine.lab_assets().env("KUBEBUILDER_ASSETS", &given).output().unwrap();
    for (name, path) in listed(&output) {
        assert_eq!(path.starts_with(&given), name == "etcd", "{name}: {}", path.display());
    }
    let built =
        ["sigs.k8s.io/kwok/cmd/kwok", "k8s.io/kubernetes/cmd/kubectl", "github.com/tektoncd/pipeline/cmd/webhook"];
    assert_eq!(machine.builds(), built);
}

#[test]
fn a_named_folder_that_is_not_there_is_an_error() {
    let machine = Machine::new();
    let said = stderr(&machine.lab_assets().env("PLUMB_LAB_ASSETS", machine.path("nowhere")).output().unwrap());
    assert!(said.contains("PLUMB_LAB_ASSETS names ") && said.contains("which is not a folder"), "{said}");
}

#[test]
fn what_was_built_once_is_found_again() {
    let machine = Machine::new().with_go("1.26.8", "");
    let first = machine.lab_assets().output().unwrap();
    assert!(stderr(&first).contains("building kubernetes 1.36.4"), "{}", stderr(&first));
    assert!(stderr(&first).contains("usually 6 min"), "{}", stderr(&first));
    let listed_first = listed(&first);
    assert!(listed_first.iter().all(|(_, path)| path.starts_with(machine.cache()) && path.exists()));
    assert!(listed_first.iter().all(|(name, path)| path.is_file() || name == TEKTON_CONFIG));
    let (_, config) = listed_first.iter().find(|(name, _)| name == TEKTON_CONFIG).unwrap();
    assert_eq!(fs::read_to_string(config.join("300-crds/300-task.yaml")).unwrap(), "kind: Task\n");
    assert_eq!(machine.builds().len(), MODULES);

    let second = machine.lab_assets().output().unwrap();
    assert_eq!(listed(&second), listed_first);
    assert_eq!(stderr(&second), "");
    assert_eq!(machine.builds().len(), MODULES);

    // Someone cleans up by hand: that module, and no other, is built again.
    fs::remove_file(&listed_first[0].1).unwrap();
    assert_eq!(listed(&machine.lab_assets().output().unwrap()), listed_first);
    assert_eq!(machine.builds().len(), MODULES + 1);
}

#[test]
fn a_failed_build_shows_the_error_and_leaves_nothing() {
    let machine = Machine::new().with_go("1.26.8", "echo 'no space left on device' >&2; exit 1");
    let output = machine.lab_assets().output().unwrap();
    assert!(!output.status.success());
    let said = stderr(&output);
    assert!(said.contains("building etcd 3.7.3 failed") && said.contains("no space left on device"), "{said}");
    let entries: Vec<_> = fs::read_dir(machine.cache()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(entries.iter().all(|name| !name.to_string_lossy().ends_with("x86_64")), "{entries:?}");
}

#[test]
fn two_builders_at_once_build_once() {
    let machine = Machine::new();
    let (begun, go_on) = (machine.path("begun"), machine.path("go-on"));
    let hold = format!(": > {}; while [ ! -e {} ]; do sleep 0.02; done", begun.display(), go_on.display());
    let machine = machine.with_go("1.26.8", &hold);

    let mut one = machine.lab_assets().spawn().unwrap();
    wait_for(&begun, &mut one);
    let said = machine.path("said");
    let mut two = machine.lab_assets().stderr(fs::File::create(&said).unwrap()).spawn().unwrap();
    let waits = || fs::read_to_string(&said).unwrap().contains("another process is building etcd; waiting for it");
    let since = Instant::now();
    while !waits() {
        assert!(since.elapsed() < DEADLINE && two.try_wait().unwrap().is_none(), "the second builder never waited");
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(machine.builds().len(), 1);
    fs::write(&go_on, "").unwrap();

    let (one, two) = (one.wait_with_output().unwrap(), two.wait_with_output().unwrap());
    assert_eq!(listed(&one), listed(&two));
    assert_eq!(machine.builds().len(), MODULES, "each module once: {:?}", machine.builds());
}
