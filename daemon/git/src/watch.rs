//! Noticing commits to local repositories at once.
//!
//! Owns: a watch on HEAD, packed-refs and everything below refs/ of each of them. An event only says "look again"; what
//! changed is found by looking. The poll goes on beside it, so that a lost event costs an interval at most.

mod directory;
mod places;
mod shared;

use std::{
    mem,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time};

use crate::error::GitError;

pub use self::directory::DirectoryWatch;
use self::{places::Places, shared::Shared};

/// How long to wait for the rest of a commit's events: a push moves several files within a few milliseconds.
const DEBOUNCE: Duration = Duration::from_millis(10);

/// The watches on all local repositories; clones share them.
///
/// All of them together take one of the instances (`fs.inotify.max_user_instances`) of which a user has 128 by default.
#[derive(Clone, Default)]
pub struct LocalWatches {
    shared: Arc<Shared>,
}

impl LocalWatches {
    /// Starts to watch the repository at this path, bare or with a working tree.
    ///
    /// *Errors:* no repository there, or the system has no watch left (`fs.inotify.max_user_watches`).
    pub fn watch(&self, path: &Path) -> Result<LocalWatch, GitError> {
        let fault = |detail: String| GitError::Watch { path: path.display().to_string(), detail };
        let places = Places::of(path).map_err(|error| fault(error.to_string()))?;
        let signal = Arc::new(Signal::default());
        // From here on it ends itself, also when not all of it can be watched.
        let watch = LocalWatch {
            path: path.to_owned(),
            id: self.shared.listen(&places, &signal),
            signal,
            shared: Arc::clone(&self.shared),
        };
        self.shared.take_up(&places).map_err(|error| fault(error.to_string()))?;
        Ok(watch)
    }
}

/// A watch on one local repository; it ends when dropped.
pub struct LocalWatch {
    path: PathBuf,
    id: u64,
    signal: Arc<Signal>,
    shared: Arc<Shared>,
}

impl Drop for LocalWatch {
    fn drop(&mut self) {
        self.shared.leave(self.id);
    }
}

impl LocalWatch {
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

/// What one repository's watch has heard.
#[derive(Default)]
struct Signal {
    changed: Notify,
    lost: Mutex<Option<String>>,
}

impl Signal {
    fn lose(&self, detail: String) {
        *self.lost.lock().unwrap_or_else(PoisonError::into_inner) = Some(detail);
        self.changed.notify_one();
    }
}

/// A change that was heard and not yet told; dropped by a caller that stops waiting, it is heard again.
struct Heard<'signal>(&'signal Notify);

impl Drop for Heard<'_> {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}
