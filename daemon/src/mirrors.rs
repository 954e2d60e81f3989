//! The folder of mirrors: where each is, who uses it, which are damaged, and which nobody has used for long.
//!
//! A mirror belongs to an address and a Secret. It is a cache: what is removed here is fetched again. Must never do: remove
//! one that somebody uses, or that somebody may use who is not known yet.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use plumb_api::Repository;
use plumb_git::remote::RemoteUrl;
use sha2::{Digest as _, Sha256};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::http::Readiness;

/// How long nobody has used what is removed: longer than a weekend for which plumb, or a Repository, was away.
const UNUSED_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long half a mirror is kept that a killed process was about to make anew: no fetch takes so long.
const UNFINISHED_MAX: Duration = Duration::from_secs(24 * 3600);
/// How often unused ones are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(3600);
/// How long a mirror that was made anew is not made anew again: if it is damaged so soon, the disk is to blame.
const RENEWAL_PAUSE: Duration = Duration::from_secs(10 * 60);

/// A file in each mirror whose age says when it was last in use.
const USED_MARK: &str = "plumb-used";

/// All mirrors of one daemon; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Mirrors {
    root: PathBuf,
    state: Arc<Mutex<State>>,
    told: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    /// By how many.
    used: BTreeMap<PathBuf, usize>,
    damaged: BTreeSet<PathBuf>,
    renewed: BTreeMap<PathBuf, Instant>,
}

/// The use of a mirror, until it is dropped.
#[derive(Debug)]
pub(crate) struct InUse {
    mirrors: Mirrors,
    path: PathBuf,
}

impl Drop for InUse {
    fn drop(&mut self) {
        mark(&self.path);
        let mut state = self.mirrors.state();
        if let Some(users) = state.used.get_mut(&self.path) {
            *users -= 1;
            if *users == 0 {
                state.used.remove(&self.path);
            }
        }
    }
}

impl Mirrors {
    /// Makes the mirrors below a folder that exists.
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root, state: Arc::default(), told: watch::Sender::new(()) }
    }

    /// Returns a mirror's folder: one for each address and Secret, so that two tenants share no objects, and a Secret whose
    /// content is rotated keeps its mirror.
    pub(crate) fn place(&self, repository: &Repository, url: &RemoteUrl) -> PathBuf {
        let mut digest = Sha256::new();
        digest.update(url.to_string());
        if let Some(reference) = &repository.spec.secret_ref {
            let namespace = repository.metadata.namespace.as_deref().unwrap_or_default();
            for part in [namespace, &reference.name] {
                digest.update([0]);
                digest.update(part);
            }
        }
        let name: String = digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        self.root.join(name + ".git")
    }

    /// Counts a user of a mirror in.
    pub(crate) fn take_up(&self, path: PathBuf) -> InUse {
        *self.state().used.entry(path.clone()).or_default() += 1;
        InUse { mirrors: self.clone(), path }
    }

    /// Takes down that something in a mirror can't be read.
    pub(crate) fn report(&self, path: &Path) {
        self.state().damaged.insert(path.to_owned());
        self.told.send_replace(());
    }

    /// Waits until a mirror is reported that may be made anew.
    pub(crate) async fn reported(&self, path: &Path) {
        let mut told = self.told.subscribe();
        while !self.is_to_renew(path, Instant::now()) {
            if told.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// Returns whether a mirror was reported, and was not made anew just before.
    pub(crate) fn is_to_renew(&self, path: &Path, now: Instant) -> bool {
        let state = self.state();
        let lately = state.renewed.get(path).is_some_and(|at| now < *at + RENEWAL_PAUSE);
        state.damaged.contains(path) && !lately
    }

    /// Takes down that a mirror was made anew, or that this was tried.
    pub(crate) fn renewed(&self, path: &Path) {
        let mut state = self.state();
        state.damaged.remove(path);
        state.renewed.insert(path.to_owned(), Instant::now());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes unused mirrors from time to time, but none before all Repositories are known.
    pub(crate) async fn keep_tidy(self, readiness: Readiness, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(SWEEP_EVERY) => {}
                () = stop.cancelled() => return,
            }
            if readiness.is_ready() {
                let mirrors = self.clone();
                // A sweep that panicked has removed what it had removed; the next one goes on.
                let _ = tokio::task::spawn_blocking(move || mirrors.sweep(SystemTime::now())).await;
            }
        }
    }

    /// Removes what nobody has used for long. What can't be looked at or removed stays, and is said.
    fn sweep(&self, now: SystemTime) {
        let entries = match fs::read_dir(&self.root) {
            Ok(entries) => entries,
            Err(error) => return tracing::warn!("{} can't be read: {error}", self.root.display()),
        };
        for path in entries.flatten().map(|entry| entry.path()) {
            if self.state().used.contains_key(&path) {
                mark(&path);
                continue;
            }
            let Some(most) = keeps(&path) else { continue };
            let age = last_used(&path).ok().and_then(|used| now.duration_since(used).ok());
            if age.is_none_or(|age| age < most) {
                continue;
            }
            match fs::remove_dir_all(&path) {
                Ok(()) => tracing::info!("{} was removed: nobody has used it for long", path.display()),
                Err(error) => tracing::warn!("{} can't be removed: {error}", path.display()),
            }
        }
    }
}

/// Returns for how long something is kept that nobody uses; nothing about what is not plumb's.
fn keeps(path: &Path) -> Option<Duration> {
    let name = path.file_name()?.to_str()?;
    let (id, kind) = name.split_once(".git")?;
    if id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    match kind {
        "" | plumb_git::renewal::DAMAGED => Some(UNUSED_MAX),
        other => other.starts_with(plumb_git::renewal::ANEW).then_some(UNFINISHED_MAX),
    }
}

fn last_used(path: &Path) -> io::Result<SystemTime> {
    let marked = fs::metadata(path.join(USED_MARK)).or_else(|_| fs::metadata(path))?;
    marked.modified()
}

/// Says that a mirror is in use; one that does not exist yet is not made.
fn mark(path: &Path) {
    if path.is_dir() {
        // Without the mark it is taken for older than it is, and fetched again at worst.
        let _ = fs::write(path.join(USED_MARK), "");
    }
}
