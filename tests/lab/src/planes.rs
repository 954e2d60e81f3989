//! The control planes of this user on this machine: where their folders are, and a record of each that is up.
//!
//! A record is a file that its guard keeps locked: whoever gets the lock knows that the guard is gone, without trusting
//! a process number that may long belong to another process. Never touches the planes of other users.

use std::env;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, getuid, kill_process};
use serde::{Deserialize, Serialize};

/// How long a guard may take to end its tools: it kills them, so seconds are already a lot.
const END_DEADLINE: Duration = Duration::from_secs(30);

/// How often the lock of a guard that was told to end is tried.
const END_POLL: Duration = Duration::from_millis(50);

/// How long tools whose guard was killed may keep their folder busy: the system kills them at once, but not in an instant.
const REMOVE_DEADLINE: Duration = Duration::from_secs(5);

/// Why the records of control planes can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum PlanesError {
    /// A file or folder can't be used.
    #[error("{doing} {} failed: check its rights", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The folder belongs to someone else or others can write to it.
    #[error("{} is not this user's alone: remove it, or point TMPDIR at a folder of your own", path.display())]
    NotOurs {
        /// The folder.
        path: PathBuf,
    },
    /// A guard was told to end and did not.
    #[error("the guard {guard} of {} does not end: end it with `kill -9 {guard}`, then run `cargo lab down` again", directory.display())]
    Stuck {
        /// The guard's process number.
        guard: u32,
        /// The folder of its control plane.
        directory: PathBuf,
    },
}

/// Who wanted a control plane, and so who may end it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// A person, with `cargo lab up` or `cargo demo`.
    Person,
    /// A test or a benchmark: nobody but its own process ends it.
    Test,
}

/// What is known of a control plane that is up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Who wanted it.
    pub purpose: Purpose,
    /// The process number of its guard.
    pub guard: u32,
    /// Its folder.
    pub directory: PathBuf,
}

/// A record that this process keeps; removed on drop.
#[derive(Debug)]
pub struct Held {
    path: PathBuf,
    _lock: File,
}

impl Drop for Held {
    fn drop(&mut self) {
        // Nothing is lost when it stays: `down` finds it unlocked and removes it.
        let _ = fs::remove_file(&self.path);
    }
}

/// What `down` did with one control plane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// Its guard ended it when told to.
    Stopped(PathBuf),
    /// Its guard was gone; its folder was removed.
    Removed(PathBuf),
}

/// Returns the folder that holds the folders and records of this user's control planes, creating it at first use.
///
/// # Errors
/// When the folder can't be created, or is not this user's alone: it will hold private keys.
pub fn root() -> Result<PathBuf, PlanesError> {
    let path = env::temp_dir().join(format!("plumb-lab-{}", getuid().as_raw()));
    match DirBuilder::new().mode(0o700).create(&path) {
        Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
            return Err(PlanesError::Io { doing: "creating", path, source });
        }
        _ => {}
    }
    let about = fs::symlink_metadata(&path).map_err(failed("reading", &path))?;
    if !about.is_dir() || about.uid() != getuid().as_raw() || about.mode() & 0o022 != 0 {
        return Err(PlanesError::NotOurs { path });
    }
    Ok(path)
}

/// Writes and locks the record of a control plane.
///
/// # Errors
/// When the record can't be written.
pub fn hold(record: &Record) -> Result<Held, PlanesError> {
    let path = record_of(record.guard)?;
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        file.lock()?;
        file.write_all(serde_json::to_string(record)?.as_bytes())?;
        Ok(file)
    };
    let lock = write().map_err(failed("writing", &path))?;
    Ok(Held { path, _lock: lock })
}

/// Ends what `cargo lab up` started, and removes what guards left behind that were killed.
///
/// # Errors
/// When a guard does not end within half a minute, or a folder can't be removed.
pub fn end_left() -> Result<Vec<Ended>, PlanesError> {
    let root = root()?;
    let mut ended = Vec::new();
    let entries = fs::read_dir(&root).map_err(failed("reading", &root))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    for path in paths.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "json")) {
        ended.extend(end(&path)?);
    }
    Ok(ended)
}

fn end(path: &Path) -> Result<Option<Ended>, PlanesError> {
    // A record that is gone or not written yet belongs to a guard that ends or begins: not left behind.
    let Ok(file) = File::open(path) else { return Ok(None) };
    let Some(record) = read(path) else { return Ok(None) };
    match file.try_lock() {
        Ok(()) => clear(record, path).map(Some),
        Err(TryLockError::WouldBlock) if record.purpose == Purpose::Test => Ok(None),
        Err(TryLockError::WouldBlock) => stop(record, path, &file).map(Some),
        Err(TryLockError::Error(source)) => Err(failed("locking", path)(source)),
    }
}

/// Removes what a guard left behind that is gone.
fn clear(record: Record, path: &Path) -> Result<Ended, PlanesError> {
    remove(&record.directory)?;
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("removing", path)(error)),
        Ok(()) | Err(_) => Ok(Ended::Removed(record.directory)),
    }
}

fn stop(record: Record, path: &Path, file: &File) -> Result<Ended, PlanesError> {
    if let Some(guard) = i32::try_from(record.guard).ok().and_then(Pid::from_raw) {
        // Gone in the meantime is as good as told: the lock decides.
        let _ = kill_process(guard, Signal::TERM);
    }
    let deadline = Instant::now() + END_DEADLINE;
    while file.try_lock().is_err() {
        if Instant::now() > deadline {
            return Err(PlanesError::Stuck { guard: record.guard, directory: record.directory });
        }
        thread::sleep(END_POLL);
    }
    // One that was killed a moment before keeps its lock until the system has closed its files, and has removed nothing.
    if record.directory.exists() { clear(record, path) } else { Ok(Ended::Stopped(record.directory)) }
}

fn read(path: &Path) -> Option<Record> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Removes the folder and record of a control plane whose guard is known to be dead.
pub(crate) fn remove_left(guard: u32, directory: &Path) -> Result<(), PlanesError> {
    remove(directory)?;
    // Never written, or removed by somebody's `down`.
    let _ = fs::remove_file(record_of(guard)?);
    Ok(())
}

fn record_of(guard: u32) -> Result<PathBuf, PlanesError> {
    Ok(root()?.join(format!("{guard}.json")))
}

/// Removes a folder, against tools that write a last file while they are killed.
fn remove(directory: &Path) -> Result<(), PlanesError> {
    let deadline = Instant::now() + REMOVE_DEADLINE;
    loop {
        match fs::remove_dir_all(directory) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if Instant::now() > deadline => return Err(failed("removing", directory)(error)),
            Err(_) => thread::sleep(END_POLL),
        }
    }
}

fn failed<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> PlanesError + 'a {
    move |source| PlanesError::Io { doing, path: path.to_owned(), source }
}
