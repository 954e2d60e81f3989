//! Noticing that the files of a directory changed: for `plumb run --bootstrap`.

use std::{path::Path, sync::Arc, time::Duration};

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::{sync::Notify, time};

use crate::error::GitError;

/// How long to wait for the rest of the events: an editor writes, renames and touches a file when it saves.
const DEBOUNCE: Duration = Duration::from_millis(100);

/// A watch on a directory and everything below it; it ends when dropped.
pub struct DirectoryWatch {
    changed: Arc<Notify>,
    _watcher: RecommendedWatcher,
}

impl DirectoryWatch {
    /// Starts to watch a directory.
    ///
    /// *Errors:* it is not there, or the system has no watch left (`fs.inotify.max_user_watches`).
    pub fn new(path: &Path) -> Result<Self, GitError> {
        let fault =
            |error: notify::Error| GitError::Watch { path: path.display().to_string(), detail: error.to_string() };
        let changed = Arc::new(Notify::new());
        let heard = Arc::clone(&changed);
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // An error of the watch is a reason to look again, too.
            if event.map_or(true, |event| !event.kind.is_access()) {
                heard.notify_one();
            }
        })
        .map_err(fault)?;
        watcher.watch(path, RecursiveMode::Recursive).map_err(fault)?;
        Ok(Self { changed, _watcher: watcher })
    }

    /// Waits until something changed since the last call; several changes at once are one.
    pub async fn changed(&mut self) {
        self.changed.notified().await;
        time::sleep(DEBOUNCE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_below_the_directory_is_noticed() {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(directory.path().join("below")).expect("a directory");
        let mut watch = DirectoryWatch::new(directory.path()).expect("a watch");
        std::fs::write(directory.path().join("below/a.yaml"), "a: 1\n").expect("a file");
        let noticed = time::timeout(Duration::from_secs(60), watch.changed()).await;
        assert!(noticed.is_ok(), "the change was not noticed");
    }
}
