//! One watch for each kind that holds owned objects, feeding the index.
//!
//! Owns: the tasks that list and watch, and the news of what has to be looked at again. Streams only objects that carry
//! the part-of label. May touch: the API server, the index. Must never do: hold the index's lock across an await, or
//! wait for whoever reads the news.

pub mod news;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use plumb_core::{
    kinds::Kind,
    object::{GroupKind, Gvk, PART_OF},
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    cluster::Cluster,
    follow::{Follow, Followed, Selected},
    index::{Index, Observation},
};
use news::{News, Sender};

/// The index, as watches and plans share it; locked only for moments.
pub type SharedIndex = Arc<Mutex<Index>>;

/// The watches of one cluster.
#[derive(Debug)]
pub struct Watches {
    cluster: Cluster,
    index: SharedIndex,
    sender: Sender,
    stop: CancellationToken,
    running: Mutex<Running>,
    /// How long after a list of a kind the next one is made at the latest; absent: only when the watch has lost its place.
    relist: Option<Duration>,
}

#[derive(Debug, Default)]
struct Running {
    tasks: JoinSet<()>,
    kinds: BTreeMap<Gvk, CancellationToken>,
    /// The watch of the autoscalers of the whole cluster.
    scalers: Option<CancellationToken>,
}

impl Watches {
    /// Makes the watches of a cluster, none of them started, and the place where their news arrive.
    pub fn new(cluster: Cluster, index: SharedIndex) -> (Self, News) {
        let (sender, news) = news::channel();
        let running = Mutex::default();
        (Self { cluster, index, sender, stop: CancellationToken::new(), running, relist: None }, news)
    }

    /// Has every kind listed again at least this often: what the events of its watch have missed is found then.
    pub fn relisting(self, every: Duration) -> Self {
        Self { relist: Some(every), ..self }
    }

    /// Returns the index that the watches feed, locked.
    pub fn index(&self) -> MutexGuard<'_, Index> {
        lock(&self.index)
    }

    /// Tells the readers of the news what a call of the index has returned.
    pub fn tell(&self, changes: Vec<crate::index::change::Change>) {
        self.sender.send(changes);
    }

    /// Starts the watches of these kinds that do not run yet, also of those whose watch ended because the server had no
    /// such kind. Kinds that can't be watched are left out.
    ///
    /// *Assumptions:* runs inside a tokio runtime.
    pub fn ensure(&self, kinds: impl IntoIterator<Item = Kind>) {
        let mut running = lock(&self.running);
        for kind in kinds.into_iter().filter(|kind| kind.watchable) {
            if self.stop.is_cancelled() {
                return;
            }
            let ended = running.kinds.get(&kind.gvk).is_some_and(CancellationToken::is_cancelled);
            if running.kinds.contains_key(&kind.gvk) && !ended {
                continue;
            }
            let stop = self.stop.child_token();
            running.kinds.insert(kind.gvk.clone(), stop.clone());
            // Known as unknown from here on, so that a plan made before the first list is careful.
            self.observe(Observation::Lost(kind.gvk.clone(), format!("{} is being listed", kind.gvk)));
            running.tasks.spawn(self.follow(kind, stop));
        }
    }

    /// Returns the task that follows a kind until it is told to stop or the server no longer has the kind.
    fn follow(&self, kind: Kind, stop: CancellationToken) -> impl Future<Output = ()> + Send + 'static {
        let (index, sender, stopped) = (Arc::clone(&self.index), self.sender.clone(), stop.clone());
        let tell = move |observation| {
            let mut index = lock(&index);
            // Looked at under the lock: `retain` cancels before it takes the kind out of the index.
            let changes = if stopped.is_cancelled() { Vec::new() } else { index.observe(observation) };
            drop(index);
            sender.send(changes);
        };
        let followed = Followed { kind, namespace: None, selected: Selected::Labels(PART_OF.to_owned()) };
        let follow = self.relisted(Follow::new(self.cluster.clone(), followed, tell));
        // Woken in any case, a panic too: somebody may be waiting for tasks that ended.
        let wake = WakeOnDrop(self.sender.clone());
        async move {
            let _wake = wake;
            tokio::select! {
                () = stop.cancelled() => {}
                // Marks the kind as to be started anew by the next `ensure`.
                () = follow.run() => stop.cancel(),
            }
        }
    }

    fn relisted<F: FnMut(Observation)>(&self, follow: Follow<F>) -> Follow<F> {
        match self.relist {
            Some(every) => follow.relisting(every),
            None => follow,
        }
    }

    /// Starts the watch of the autoscalers, unless it runs: all of them, whoever made them.
    ///
    /// *Assumptions:* runs inside a tokio runtime.
    pub fn ensure_scalers(&self, kind: &Kind) {
        let mut running = lock(&self.running);
        if self.stop.is_cancelled() || running.scalers.as_ref().is_some_and(|stop| !stop.is_cancelled()) {
            return;
        }
        self.index().scalers_begin();
        let stop = self.stop.child_token();
        running.scalers = Some(stop.clone());
        let (index, sender) = (Arc::clone(&self.index), self.sender.clone());
        let wake = WakeOnDrop(self.sender.clone());
        let tell = move |observation| {
            let changes = lock(&index).observe_scaler(observation);
            sender.send(changes);
        };
        let followed = Followed { kind: kind.clone(), namespace: None, selected: Selected::Labels(String::new()) };
        let follow = self.relisted(Follow::new(self.cluster.clone(), followed, tell));
        running.tasks.spawn(async move {
            let _wake = wake;
            tokio::select! {
                () = stop.cancelled() => {}
                () = follow.run() => stop.cancel(),
            }
        });
    }

    /// Waits until the autoscalers are known, and returns whether they were in time.
    pub async fn wait_scalers(&self, deadline: Duration) -> bool {
        let mut told = self.sender.told();
        let known = async { while !self.index().scalers_known() && told.changed().await.is_ok() {} };
        tokio::time::timeout(deadline, known).await.is_ok()
    }

    /// Stops the watches of all other kinds.
    pub fn retain(&self, keep: &BTreeSet<Gvk>) {
        let mut running = lock(&self.running);
        running.kinds.retain(|gvk, stop| {
            let kept = keep.contains(gvk);
            if !kept {
                stop.cancel();
                lock(&self.index).drop_kind(gvk);
            }
            kept
        });
    }

    /// Returns the kinds and versions that are watched.
    pub fn watched(&self) -> BTreeSet<Gvk> {
        lock(&self.running).kinds.keys().cloned().collect()
    }

    /// Waits until all these kinds are known, and returns those that are not by then, with the reason.
    pub async fn wait_synced(&self, kinds: &BTreeSet<GroupKind>, deadline: Duration) -> BTreeMap<GroupKind, String> {
        let mut told = self.sender.told();
        let unknown = || {
            let index = self.index();
            let unknown = kinds.iter().filter_map(|kind| Some((kind.clone(), index.unknown(kind)?)));
            unknown.collect::<BTreeMap<_, _>>()
        };
        let synced = async {
            while !unknown().is_empty() {
                if told.changed().await.is_err() {
                    break;
                }
            }
        };
        // Whether in time or not, what counts is what is known now.
        let _ = tokio::time::timeout(deadline, synced).await;
        unknown()
    }

    /// Returns when a watch has panicked; its daemon must end then, since drift would go unseen.
    pub async fn panicked(&self) -> String {
        let mut told = self.sender.told();
        loop {
            if let Some(panic) = self.reap() {
                return panic;
            }
            if told.changed().await.is_err() {
                return "the news of the watches have ended".to_owned();
            }
        }
    }

    fn reap(&self) -> Option<String> {
        let mut running = lock(&self.running);
        while let Some(ended) = running.tasks.try_join_next() {
            if let Err(error) = ended
                && error.is_panic()
            {
                return Some(error.to_string());
            }
        }
        None
    }

    /// Stops all watches and returns when they have ended.
    pub async fn stop(&self) {
        self.stop.cancel();
        let mut tasks = std::mem::take(&mut lock(&self.running).tasks);
        while tasks.join_next().await.is_some() {}
    }

    fn observe(&self, observation: Observation) {
        let changes = lock(&self.index).observe(observation);
        self.sender.send(changes);
    }
}

/// Locks, also after a panic of somebody else: that panic ends the process in an orderly way, which still needs this.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Wakes those who wait for news when it is dropped.
struct WakeOnDrop(Sender);

impl Drop for WakeOnDrop {
    fn drop(&mut self) {
        self.0.wake();
    }
}
