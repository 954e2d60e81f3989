//! What waits to be published, as the Environments' statuses say; shared by the loop, which sees them, and the publishers.
//!
//! A replica sees the Environments of all shards, so it can publish for a Repository whose environments another one reconciles.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use plumb_api::environment::RecordsStatus;
use plumb_core::{
    commit::CommitId,
    environment::EnvironmentName,
    record::line::{Line, Series},
};
use tokio::sync::watch;

use crate::ledger;

/// The lines of one environment that wait for one Repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) environment: EnvironmentName,
    /// The Environment's UID.
    pub(crate) uid: String,
    pub(crate) lines: Vec<Line>,
}

impl Waiting {
    /// Returns those that count for this.
    pub(crate) fn of(&self, series: &Series) -> Self {
        let lines = self.lines.iter().filter(|line| line.series() == *series).cloned().collect();
        Self { environment: self.environment.clone(), uid: self.uid.clone(), lines }
    }
}

/// How many records there are, and since when.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Lot {
    /// Those with a line of their own.
    pub(crate) whole: u64,
    /// Those that are counted in a line that stands for many.
    pub(crate) counted: u64,
    /// When the oldest of them happened.
    pub(crate) oldest: Option<Timestamp>,
}

impl Lot {
    /// Counts the records that these lines stand for.
    pub(crate) fn of<'a>(lines: impl IntoIterator<Item = &'a Line>) -> Self {
        let mut lot = Self::default();
        for line in lines {
            match line.from {
                Some(from) => lot.counted += line.sequence.saturating_sub(from) + 1,
                None => lot.whole += 1,
            }
            lot.oldest = Some(line.since.unwrap_or(line.time)).into_iter().chain(lot.oldest).min();
        }
        lot
    }
}

/// What waits, by environment; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Backlog {
    waiting: Arc<Mutex<BTreeMap<EnvironmentName, Entry>>>,
    changed: Arc<watch::Sender<()>>,
}

#[derive(Debug, PartialEq, Eq)]
struct Entry {
    uid: String,
    lines: Vec<Line>,
    /// What stands for the rest, and may still change.
    overflow: Option<Line>,
    /// Where the notes ref ended when its records were published last, and for what that ref counts.
    anchor: Option<(Series, CommitId)>,
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
        let anchor = records.and_then(|records| {
            let head = CommitId::parse(records.head.as_deref()?).ok()?;
            Some((ledger::series(records), head))
        });
        if pending.is_empty() && anchor.is_none() {
            return self.forget(environment);
        }
        let lines = pending.iter().filter_map(|text| Line::parse(text).ok()).collect();
        let overflow = records.and_then(|records| Line::parse(records.overflow.as_deref()?).ok());
        let entry = Entry { uid: uid.to_owned(), lines, overflow, anchor };
        let mut waiting = self.waiting();
        if waiting.get(environment) != Some(&entry) {
            waiting.insert(environment.clone(), entry);
            self.changed.send_replace(());
        }
    }

    /// Takes down that nothing of an environment waits.
    pub(crate) fn forget(&self, name: &EnvironmentName) {
        if self.waiting().remove(name).is_some() {
            self.changed.send_replace(());
        }
    }

    /// Takes down that the Environment with this UID is gone: another one of its name may be there by now.
    pub(crate) fn gone(&self, name: &EnvironmentName, uid: &str) {
        let mut waiting = self.waiting();
        if waiting.get(name).is_some_and(|entry| entry.uid == uid) {
            waiting.remove(name);
            self.changed.send_replace(());
        }
    }

    /// Has a look at each line that waits for the Repository with this UID.
    pub(crate) fn each(&self, repository: &str, mut look: impl FnMut(&Line)) {
        let waiting = self.waiting();
        let lines = waiting.values().flat_map(|entry| &entry.lines);
        lines.filter(|line| line.repository == repository).for_each(&mut look);
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

    /// Returns where the notes ref that counts for this ended when records were published last, and whose.
    pub(crate) fn anchors(&self, series: &Series) -> BTreeMap<CommitId, Vec<EnvironmentName>> {
        let mut anchors: BTreeMap<CommitId, Vec<EnvironmentName>> = BTreeMap::new();
        for (name, entry) in self.waiting().iter() {
            if let Some((_, head)) = entry.anchor.as_ref().filter(|(of, _)| of.is(series)) {
                anchors.entry(head.clone()).or_default().push(name.clone());
            }
        }
        anchors
    }

    /// Returns how much waits for the Repository with this UID.
    pub(crate) fn lot(&self, repository: &str) -> Lot {
        let waiting = self.waiting();
        let lines = waiting.values().flat_map(|entry| entry.lines.iter().chain(&entry.overflow));
        Lot::of(lines.filter(|line| line.repository == repository))
    }

    /// Returns what tells of every change from now on.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<EnvironmentName, Entry>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_is_gone_takes_nothing_of_another_one_of_its_name_along() {
        let (backlog, name) = (Backlog::default(), EnvironmentName::new("team", "app"));
        let records = RecordsStatus { head: Some("a".repeat(40)), ..RecordsStatus::default() };
        let kept = || backlog.waiting().contains_key(&name);
        backlog.see(&name, "new", Some(&records));
        backlog.gone(&name, "old");
        assert!(kept());
        backlog.gone(&name, "new");
        assert!(!kept());
    }
}
