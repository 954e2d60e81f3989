//! Noticing a commit to a local repository at once.
//!
//! Owns: a watch on HEAD, packed-refs and everything below refs/. An event only says "look again"; what changed is found
//! by looking. The poll goes on beside it, so that a lost event costs an interval at most.

mod directory;

use std::{
    ffi::OsStr,
    fs, io, mem,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::{sync::Notify, time};

use crate::error::GitError;

pub use self::directory::DirectoryWatch;

/// How long to wait for the rest of a commit's events: a push moves several files within a few milliseconds.
const DEBOUNCE: Duration = Duration::from_millis(10);

/// A watch on one local repository, bare or with a working tree; it ends when dropped.
pub struct LocalWatch {
    path: PathBuf,
    signal: Arc<Signal>,
    _watcher: RecommendedWatcher,
}

#[derive(Default)]
struct Signal {
    changed: Notify,
    lost: Mutex<Option<String>>,
}

impl LocalWatch {
    /// Starts to watch the repository at this path.
    ///
    /// *Errors:* no repository there, or the system has no watch left (`fs.inotify.max_user_watches`).
    pub fn new(path: &Path) -> Result<Self, GitError> {
        let fault = |detail: String| GitError::Watch { path: path.display().to_string(), detail };
        let places = Places::of(path).map_err(|error| fault(error.to_string()))?;
        let signal = Arc::new(Signal::default());
        let (heard, relevant) = (Arc::clone(&signal), places.clone());
        let mut watcher = notify::recommended_watcher(move |event| heard.hear(event, &relevant))
            .map_err(|error| fault(error.to_string()))?;
        for directory in places.directories() {
            watcher.watch(directory, RecursiveMode::NonRecursive).map_err(|error| fault(error.to_string()))?;
        }
        watcher.watch(&places.refs(), RecursiveMode::Recursive).map_err(|error| fault(error.to_string()))?;
        Ok(Self { path: path.to_owned(), signal, _watcher: watcher })
    }

    /// Waits until something moved since the last call; several changes at once are one.
    ///
    /// *Guarantees:* nothing that happens between two calls is lost; it may be cancelled at any point.
    ///
    /// *Errors:* the watch is lost (the repository was removed or replaced); make a new one.
    pub async fn changed(&mut self) -> Result<(), GitError> {
        self.signal.changed.notified().await;
        // Whatever comes during the wait is covered by the look that follows, and leaves at most one more turn.
        let heard = Heard(&self.signal.changed);
        time::sleep(DEBOUNCE).await;
        mem::forget(heard);
        match self.signal.lost.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(detail) => Err(GitError::Watch { path: self.path.display().to_string(), detail }),
            None => Ok(()),
        }
    }
}

/// A change that was heard and not yet told; dropped by a caller that stops waiting, it is heard again.
struct Heard<'signal>(&'signal Notify);

impl Drop for Heard<'_> {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl Signal {
    fn hear(&self, event: notify::Result<Event>, places: &Places) {
        let lost = match event {
            Ok(event) if event.kind.is_access() => return,
            Ok(event) if event.kind.is_remove() && event.paths.contains(&places.refs()) => {
                "its refs were removed".into()
            }
            Ok(event) if event.need_rescan() || event.paths.iter().any(|path| places.concern(path)) => {
                self.changed.notify_one();
                return;
            }
            Ok(_) => return,
            Err(error) => error.to_string(),
        };
        *self.lost.lock().unwrap_or_else(PoisonError::into_inner) = Some(lost);
        self.changed.notify_one();
    }
}

/// Where a repository keeps what says which commit it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Places {
    /// HEAD is here; a linked working tree has its own.
    own: PathBuf,
    /// refs/ and packed-refs are here.
    common: PathBuf,
}

impl Places {
    fn of(path: &Path) -> io::Result<Self> {
        let path = path.canonicalize()?;
        let dot_git = path.join(".git");
        let own = match fs::metadata(&dot_git) {
            Ok(metadata) if metadata.is_dir() => dot_git,
            Ok(_) => linked(&path, &dot_git, "gitdir:")?,
            Err(_) => path,
        };
        let common = own.join("commondir");
        let common = if common.exists() { linked(&own, &common, "")? } else { own.clone() };
        if !common.join("refs").is_dir() {
            return Err(io::Error::other("it is not a repository with files as refs"));
        }
        Ok(Self { own, common })
    }

    fn refs(&self) -> PathBuf {
        self.common.join("refs")
    }

    fn directories(&self) -> impl Iterator<Item = &Path> {
        let other = (self.own != self.common).then_some(self.own.as_path());
        [self.common.as_path()].into_iter().chain(other)
    }

    fn concern(&self, path: &Path) -> bool {
        path.starts_with(self.refs())
            || (path.file_name() == Some(OsStr::new("HEAD")) && path.parent() == Some(&self.own))
            || (path.file_name() == Some(OsStr::new("packed-refs")) && path.parent() == Some(&self.common))
    }
}

/// Reads a file that holds the path of a directory (gitrepository-layout).
fn linked(base: &Path, file: &Path, prefix: &str) -> io::Result<PathBuf> {
    let text = fs::read_to_string(file)?;
    let target = text.trim().strip_prefix(prefix).unwrap_or(text.trim());
    base.join(target.trim()).canonicalize()
}
