//! The user's cache of built binaries: one folder per module, version, pins and platform.
//!
//! A folder appears whole, by rename, or not at all; who builds holds the file lock beside it.

use std::env;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::module::Module;

/// Why the cache can't be used.
#[derive(Debug, thiserror::Error)]
#[error("{doing} {}", path.display())]
pub struct CacheError {
    doing: &'static str,
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// The folder of all built binaries.
#[derive(Debug, Clone)]
pub(super) struct Cache {
    root: PathBuf,
}

impl Cache {
    /// Returns the cache of the user: below `XDG_CACHE_HOME`, else below `~/.cache`.
    pub(super) fn of_user() -> Option<Self> {
        let absolute = |variable: &str| env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))?;
        Some(Self { root: base.join("plumb/lab") })
    }

    /// Returns the folder that holds all entries.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the place of one module's binaries, there or not.
    pub(super) fn entry(&self, module: &Module) -> Entry {
        Entry { directory: self.root.join(module.cache_name()) }
    }
}

/// The place of one module's binaries.
#[derive(Debug)]
pub(super) struct Entry {
    directory: PathBuf,
}

impl Entry {
    /// Returns the folder that has the binaries once it is there.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Waits until no other process builds this entry, and keeps others from doing so until the lock is dropped.
    ///
    /// Calls `waiting` once if there is another builder.
    pub(super) fn lock(&self, waiting: impl FnOnce()) -> Result<Lock<'_>, CacheError> {
        let parent = self.directory.parent().expect("because an entry is inside the cache's root");
        fs::create_dir_all(parent).map_err(failed("creating", parent))?;
        let path = self.beside("lock");
        let file = File::create(&path).map_err(failed("creating", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                waiting();
                file.lock().map_err(failed("locking", &path))?;
            }
            Err(TryLockError::Error(source)) => return Err(failed("locking", &path)(source)),
        }
        Ok(Lock { entry: self, since: Instant::now(), _file: file })
    }

    fn beside(&self, extension: &str) -> PathBuf {
        let mut name = self.directory.clone().into_os_string();
        name.push(".");
        name.push(extension);
        PathBuf::from(name)
    }
}

/// The right to build one entry; given back on drop, and by the system when the process ends.
#[derive(Debug)]
pub(super) struct Lock<'a> {
    entry: &'a Entry,
    since: Instant,
    _file: File,
}

impl Lock<'_> {
    /// Returns an empty folder to build in; what a builder that was killed has left there is removed.
    pub(super) fn scratch(&self) -> Result<PathBuf, CacheError> {
        let path = self.entry.beside("building");
        clear(&path)?;
        fs::create_dir_all(&path).map_err(failed("creating", &path))?;
        Ok(path)
    }

    /// Makes a built folder visible as this entry, removes the rest of the scratch folder, and returns the time since
    /// the lock was taken.
    pub(super) fn publish(&self, built: &Path) -> Result<Duration, CacheError> {
        let directory = &self.entry.directory;
        // An incomplete entry (someone deleted a binary) would block the rename.
        clear(directory)?;
        fs::rename(built, directory).map_err(failed("renaming the build to", directory))?;
        clear(&self.entry.beside("building"))?;
        Ok(self.since.elapsed())
    }
}

fn clear(path: &Path) -> Result<(), CacheError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("removing", path)(error)),
        _ => Ok(()),
    }
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CacheError {
    move |source| CacheError { doing, path: path.to_owned(), source }
}
