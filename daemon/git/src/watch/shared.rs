//! One watcher of the system for all local repositories.
//!
//! Owns: which directories are watched, by how many, and who hears of what happens there. Must never do: hold the listeners
//! while the watcher is asked for something, because it answers on the thread on which it tells them.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};

use super::{Places, Signal};

/// What all local repositories share.
#[derive(Default)]
pub(super) struct Shared {
    listeners: Arc<Mutex<Listeners>>,
    watching: Mutex<Watching>,
}

#[derive(Default)]
struct Listeners {
    next: u64,
    all: BTreeMap<u64, (Places, Arc<Signal>)>,
}

#[derive(Default)]
struct Watching {
    /// Made by the first who needs it.
    watcher: Option<RecommendedWatcher>,
    /// By how many each directory is watched.
    users: BTreeMap<PathBuf, usize>,
}

impl Shared {
    /// Takes in who hears of a repository from now on.
    pub(super) fn listen(&self, places: &Places, signal: &Arc<Signal>) -> u64 {
        let mut listeners = locked(&self.listeners);
        let id = listeners.next;
        listeners.next += 1;
        listeners.all.insert(id, (places.clone(), Arc::clone(signal)));
        id
    }

    /// Watches a repository; whoever listens to it leaves it, whatever comes of this.
    pub(super) fn take_up(&self, places: &Places) -> notify::Result<()> {
        let mut watching = locked(&self.watching);
        for (directory, _) in of(places) {
            *watching.users.entry(directory).or_default() += 1;
        }
        if watching.watcher.is_none() {
            let listeners = Arc::clone(&self.listeners);
            watching.watcher = Some(notify::recommended_watcher(move |event| locked(&listeners).hear(&event))?);
        }
        let watcher = watching.watcher.as_mut().expect("because it was just made");
        // What is watched already may have been replaced by another directory of that name.
        of(places).try_for_each(|(directory, mode)| watcher.watch(&directory, mode))
    }

    /// Ends what [`Shared::listen`] and [`Shared::take_up`] have begun.
    pub(super) fn leave(&self, id: u64) {
        let Some((places, _)) = locked(&self.listeners).all.remove(&id) else { return };
        let mut watching = locked(&self.watching);
        let Watching { watcher, users } = &mut *watching;
        for (directory, _) in of(&places) {
            let Some(left) = users.get_mut(&directory) else { continue };
            *left -= 1;
            if *left == 0 {
                users.remove(&directory);
                // What is gone is watched no longer.
                let _ = watcher.as_mut().map(|watcher| watcher.unwatch(&directory));
            }
        }
    }
}

impl Listeners {
    fn hear(&self, event: &notify::Result<Event>) {
        for (places, signal) in self.all.values() {
            match event {
                Ok(event) if event.kind.is_access() => {}
                Ok(event) if event.kind.is_remove() && event.paths.contains(&places.refs()) => {
                    signal.lose("its refs were removed".to_owned());
                }
                Ok(event) if event.need_rescan() || event.paths.iter().any(|path| places.concern(path)) => {
                    signal.changed.notify_one();
                }
                Ok(_) => {}
                Err(error) if error.paths.is_empty() || error.paths.iter().any(|path| places.hold(path)) => {
                    signal.lose(error.to_string());
                }
                Err(_) => {}
            }
        }
    }
}

/// Returns the directories to watch, and how.
fn of(places: &Places) -> impl Iterator<Item = (PathBuf, RecursiveMode)> {
    let alone = places.directories().map(|directory| (directory.to_owned(), RecursiveMode::NonRecursive));
    alone.chain([(places.refs(), RecursiveMode::Recursive)])
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
