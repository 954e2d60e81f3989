//! Every folder below `tests/scenarios` is a case; a new case is a new folder and no code.
//!
//! All share one control plane and one daemon and keep apart by namespace, but for those that kill the daemon. They
//! mostly wait, so that more of them run side by side than there are cores.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use lab::ControlPlane;
use libtest_mimic::{Arguments, Failed, Trial};
use system_tests::{
    daemon::Daemon,
    scenario::{folder::Scenario, golden, player},
};

/// Scenarios at once: past it they only wait for each other's turns on two cores.
const AT_ONCE: usize = 8;

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    // Started by the first scenario that needs it; ended when all are over.
    let shared: Arc<Mutex<Option<Daemon>>> = Arc::default();
    let trials = folders().into_iter().map(|folder| {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let shared = Arc::clone(&shared);
        Trial::test(name, move || run(&folder, &shared).map_err(Failed::from))
    });
    if !arguments.list {
        // Once and first: if it can't be built, that is one failure and not one of each scenario.
        lab::process::plumb();
    }
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    drop(shared);
    conclusion.exit();
}

fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let entries = fs::read_dir(&root).expect("the folder of scenarios");
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    folders.retain(|path| path.is_dir());
    folders.sort();
    folders
}

fn run(folder: &Path, shared: &Mutex<Option<Daemon>>) -> Result<(), String> {
    let scenario = Scenario::read(folder)?;
    let transcript = if scenario.kills() {
        let plane = ControlPlane::start().map_err(|error| error.to_string())?;
        // A daemon is tied to one that lives as long as this process; it is ended, though, once it was needed.
        let plane: &'static ControlPlane = Box::leak(Box::new(plane));
        let mut daemon = Daemon::start(plane);
        let played = player::play(&scenario, plane, Some(&mut daemon));
        drop(daemon);
        plane.end();
        played?
    } else {
        let plane = lab::shared();
        shared.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| Daemon::start(plane));
        player::play(&scenario, plane, None)?
    };
    golden::compare(&folder.join("expected.txt"), &transcript)
}
