//! What waits to be published, as the Environments' statuses say; shared by the loop, which sees them, and the publishers.
//!
//! A replica sees the Environments of all shards, so it can publish for a Repository whose environments another one reconciles.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use plumb_api::environment::RecordsStatus;
use plumb_core::{environment::EnvironmentName, record::line::Line};
use tokio::sync::watch;

/// The lines of one environment that wait for one Repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) environment: EnvironmentName,
    /// The Environment's UID.
    pub(crate) uid: String,
    pub(crate) lines: Vec<Line>,
}

/// What waits, by environment; clones share it.
#[derive(Clone)]
pub(crate) struct Backlog {
    waiting: Arc<Mutex<BTreeMap<EnvironmentName, Entry>>>,
    changed: Arc<watch::Sender<()>>,
}

struct Entry {
    uid: String,
    lines: Vec<Line>,
}

impl Default for Backlog {
    fn default() -> Self {
        Self { waiting: Arc::default(), changed: Arc::new(watch::channel(()).0) }
    }
}

impl Backlog {
    /// Takes in what the status of an Environment says.
    pub(crate) fn see(&self, environment: &EnvironmentName, uid: &str, records: Option<&RecordsStatus>) {
        let pending = records.map(|records| records.pending.as_slice()).unwrap_or_default();
        if pending.is_empty() {
            return self.forget(environment);
        }
        let lines = pending.iter().filter_map(|text| Line::parse(text).ok()).collect();
        self.waiting().insert(environment.clone(), Entry { uid: uid.to_owned(), lines });
        self.changed.send_replace(());
    }

    /// Takes down that nothing of an environment waits.
    pub(crate) fn forget(&self, name: &EnvironmentName) {
        if self.waiting().remove(name).is_some() {
            self.changed.send_replace(());
        }
    }

    /// Returns what waits for the Repository with this UID.
    pub(crate) fn of(&self, repository: &str) -> Vec<Waiting> {
        let waiting = self.waiting();
        let of_it = |entry: &Entry| -> Vec<Line> {
            entry.lines.iter().filter(|line| line.repository == repository).cloned().collect()
        };
        let all = waiting.iter().map(|(name, entry)| Waiting {
            environment: name.clone(),
            uid: entry.uid.clone(),
            lines: of_it(entry),
        });
        all.filter(|waiting| !waiting.lines.is_empty()).collect()
    }

    /// Returns what tells of every change from now on.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<EnvironmentName, Entry>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
