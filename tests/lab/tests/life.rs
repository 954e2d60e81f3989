//! Control planes of one's own: side by side, broken and mended, and gone without a trace however they end.
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions that tests share

use std::fs;
use std::io::{BufRead, BufReader, Write, stderr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use lab::ControlPlane;
use lab::control_plane::{LabError, Settings};

/// How long anything may take before it counts as never: this machine may be busy.
const DEADLINE: Duration = Duration::from_secs(60);

fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < DEADLINE, "{what}: not within {} s", DEADLINE.as_secs());
        thread::sleep(Duration::from_millis(20));
    }
}

/// Returns the processes whose command line, working folder or environment names a folder.
fn processes_of(directory: &Path) -> Vec<u32> {
    let name = directory.to_str().unwrap().as_bytes();
    let mentions = |path: PathBuf| fs::read(path).is_ok_and(|bytes| bytes.windows(name.len()).any(|part| part == name));
    let works_in = |path: PathBuf| fs::read_link(path).is_ok_and(|folder| folder.starts_with(directory));
    let numbers = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    numbers
        .filter(|number: &u32| *number != std::process::id())
        .filter(|number| {
            let process = Path::new("/proc").join(number.to_string());
            mentions(process.join("cmdline")) || works_in(process.join("cwd"))
        })
        .collect()
}

fn assert_gone(directory: &Path) {
    eventually("every process is gone", || processes_of(directory).is_empty());
    eventually("the folder is gone", || !directory.exists());
}

/// Runs `lab` with a folder of temporary files of its own, so that `down` finds nothing but what its test has started.
fn lab(temporary: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
    command.args(arguments).env("TMPDIR", temporary).stdin(Stdio::null());
    command
}

fn lab_down(temporary: &Path) -> String {
    let down = lab(temporary, &["down"]).output().unwrap();
    assert!(down.status.success(), "{}", String::from_utf8_lossy(&down.stderr));
    String::from_utf8_lossy(&down.stdout).into_owned()
}

/// Starts `lab up` and returns it with the folder of its control plane, once that is up.
fn lab_up(temporary: &Path, arguments: &[&str]) -> (Child, PathBuf) {
    let mut up = lab(temporary, &["up"]).args(arguments).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(up.stdout.take().unwrap()).lines().map_while(Result::ok);
    let kubeconfig = lines.find_map(|line| line.trim().strip_prefix("export KUBECONFIG=").map(PathBuf::from)).unwrap();
    // Kept open: `lab up` must not fail because nobody reads any more.
    thread::spawn(move || lines.for_each(drop));
    (up, kubeconfig.parent().unwrap().to_owned())
}

/// Kills the process of a control plane that has this name.
fn kill(directory: &Path, name: &str) {
    let is_named =
        |process: &u32| fs::read_to_string(format!("/proc/{process}/comm")).is_ok_and(|found| found.trim() == name);
    let process = processes_of(directory).into_iter().find(is_named).unwrap();
    assert!(Command::new("kill").args(["-KILL", &process.to_string()]).status().unwrap().success());
}

fn signal(process: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &process.id().to_string()]).status().unwrap().success());
}

#[test]
fn two_live_side_by_side_and_end_with_their_values() {
    let begun = Instant::now();
    let one = ControlPlane::start().unwrap();
    writeln!(stderr(), "a control plane of one's own was there after {:.1} s", begun.elapsed().as_secs_f64()).unwrap();
    let two = ControlPlane::start().unwrap();
    one.kubectl(&["create", "namespace", "only-here"]).unwrap();
    let elsewhere = two.kubectl(&["get", "namespace", "only-here"]).unwrap_err().to_string();
    assert!(elsewhere.contains("NotFound"), "{elsewhere}");

    let (first, second) = (one.directory().to_owned(), two.directory().to_owned());
    assert_eq!(processes_of(&first).len(), 6, "five tools and their guard");
    drop(one);
    assert!(!first.exists());
    assert_gone(&first);
    two.kubectl(&["get", "namespace", "default"]).unwrap();
    drop(two);
    assert_gone(&second);
}

#[test]
fn a_panic_ends_it() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let panicked = thread::spawn(move || {
        let plane = ControlPlane::start().unwrap();
        sender.send(plane.directory().to_owned()).unwrap();
        panic!("on purpose");
    });
    let directory = receiver.recv().unwrap();
    assert!(panicked.join().is_err());
    assert_gone(&directory);
}

#[test]
fn the_api_server_comes_back_with_its_data() {
    let plane = ControlPlane::start().unwrap();
    plane.kubectl(&["create", "configmap", "kept", "--from-literal=colour=blue"]).unwrap();
    plane.stop_api_server().unwrap();
    let gone = plane.kubectl(&["get", "configmap", "kept", "--request-timeout=2s"]).unwrap_err().to_string();
    assert!(gone.contains("refused"), "{gone}");
    assert!(plane.stop_api_server().is_err());
    plane.start_api_server().unwrap();
    plane.start_api_server().unwrap();
    let colour = plane.kubectl(&["get", "configmap", "kept", "-o", "jsonpath={.data.colour}"]).unwrap();
    assert_eq!(colour, "blue");
    plane.kubectl(&["create", "deployment", "web", "--image=web:1"]).unwrap();
    plane.kubectl(&["rollout", "status", "deployment/web", "--timeout=60s"]).unwrap();
    assert_eq!(plane.deaths(), Vec::<String>::new());
}

#[test]
fn a_tool_that_dies_is_named_with_its_log() {
    let plane = ControlPlane::start().unwrap();
    kill(plane.directory(), "etcd");
    eventually("the death is known", || !plane.deaths().is_empty());
    let deaths = plane.deaths();
    assert!(deaths[0].starts_with("etcd ended with signal: 9"), "{deaths:?}");
    let failed = plane.kubectl(&["create", "namespace", "never", "--request-timeout=1s"]).unwrap_err().to_string();
    assert!(failed.contains("etcd ended with signal: 9"), "{failed}");
}

#[test]
fn killing_the_parent_ends_it() {
    let temporary = tempfile::tempdir().unwrap();
    let (mut up, directory) = lab_up(temporary.path(), &[]);
    assert_eq!(processes_of(&directory).len(), 6);
    signal(&up, "-KILL");
    up.wait().unwrap();
    assert_gone(&directory);
}

#[test]
fn tekton_ends_with_the_rest() {
    let temporary = tempfile::tempdir().unwrap();
    let (mut up, directory) = lab_up(temporary.path(), &["--tekton"]);
    assert_eq!(processes_of(&directory).len(), 8, "five tools, two processes of Tekton and the guard");
    signal(&up, "-KILL");
    up.wait().unwrap();
    assert_gone(&directory);
}

#[test]
fn killing_the_guard_ends_the_tools_and_its_parent_removes_the_rest() {
    let temporary = tempfile::tempdir().unwrap();
    let (mut up, directory) = lab_up(temporary.path(), &[]);
    kill(&directory, "lab");
    assert!(!up.wait().unwrap().success());
    assert_gone(&directory);
    assert!(lab_down(temporary.path()).contains("none was left behind"));
}

#[test]
fn killing_guard_and_parent_leaves_only_what_down_removes() {
    let temporary = tempfile::tempdir().unwrap();
    let (mut up, directory) = lab_up(temporary.path(), &[]);
    // Stopped, so that it can't clear up before it is killed itself.
    signal(&up, "-STOP");
    kill(&directory, "lab");
    eventually("every tool is gone", || processes_of(&directory).is_empty());
    signal(&up, "-KILL");
    up.wait().unwrap();
    assert!(directory.exists());
    assert!(lab_down(temporary.path()).contains(&format!("Removed {}", directory.display())));
    assert!(!directory.exists());
    assert!(lab_down(temporary.path()).contains("none was left behind"));
}

#[test]
fn a_plane_without_its_guard_says_so() {
    let plane = ControlPlane::start().unwrap();
    let directory = plane.directory().to_owned();
    kill(&directory, "lab");
    assert!(matches!(plane.stop_api_server(), Err(LabError::Guard { .. })));
    eventually("the end of the guard is known", || !plane.is_up());
    drop(plane);
    assert_gone(&directory);
}

#[test]
fn ctrl_c_ends_up_and_a_chosen_folder_is_used_and_removed() {
    let root = tempfile::tempdir().unwrap();
    let chosen = root.path().join("here/cluster");
    let (mut up, directory) = lab_up(root.path(), &["--directory", chosen.to_str().unwrap()]);
    assert_eq!(directory, chosen);
    signal(&up, "-INT");
    assert!(up.wait().unwrap().success());
    assert_gone(&directory);
}

#[test]
fn down_ends_what_up_started_and_leaves_tests_alone() {
    let temporary = tempfile::tempdir().unwrap();
    let (mut up, directory) = lab_up(temporary.path(), &[]);
    // A guard of a test's, before it gets its first order.
    let tests = temporary.path().join("of-a-test");
    fs::create_dir(&tests).unwrap();
    let mut guard = lab(temporary.path(), &["guard", "--purpose", "test", "--directory", tests.to_str().unwrap()]);
    let mut guard = guard.stdin(Stdio::piped()).spawn().unwrap();
    let record = |guard: &Child| {
        let folders = fs::read_dir(temporary.path()).unwrap().map(|entry| entry.unwrap().path());
        folders.map(|folder| folder.join(format!("{}.json", guard.id()))).any(|record| record.exists())
    };
    eventually("the guard has written its record", || record(&guard));

    let said = lab_down(temporary.path());
    assert!(said.contains(&format!("Ended {}.", directory.display())), "{said}");
    assert!(!said.contains("of-a-test"), "{said}");
    assert_gone(&directory);
    up.wait().unwrap();
    assert!(guard.try_wait().unwrap().is_none());
    drop(guard.stdin.take());
    assert!(guard.wait().unwrap().success());
    assert!(!tests.exists() && !record(&guard));
}

#[test]
fn a_folder_in_use_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mine"), "text").unwrap();
    let settings = Settings { directory: Some(folder.path().to_owned()), ..Settings::default() };
    let refused = ControlPlane::start_with(&settings).unwrap_err().to_string();
    assert!(refused.contains("must be new or empty"), "{refused}");
    assert_eq!(fs::read_to_string(folder.path().join("mine")).unwrap(), "text");
}

#[test]
fn a_package_that_has_no_binary_is_named() {
    let error = lab::process::built("no-such-package").unwrap_err().to_string();
    assert!(error.contains("building no-such-package made no ") && error.contains("is there a [[bin]]"), "{error}");
}

#[test]
fn help_says_what_there_is() {
    let help = Command::new(env!("CARGO_BIN_EXE_lab")).arg("--help").output().unwrap();
    let text = String::from_utf8_lossy(&help.stdout).into_owned();
    for word in ["up", "down", "assets", "PLUMB_LAB_ASSETS", "kwok", "Tekton"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert!(!text.contains("guard"), "{text}");
}

#[test]
fn an_adopted_process_ends_with_it() {
    let plane = ControlPlane::start().unwrap();
    let mut companion = Command::new("sleep").arg("1000").spawn().unwrap();
    plane.adopt(companion.id()).unwrap();
    assert!(companion.try_wait().unwrap().is_none());
    drop(plane);
    let ended = companion.wait().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&ended), Some(9), "{ended}");
}
