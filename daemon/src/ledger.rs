//! The records of one environment on their way into its status: those that are new are numbered with each try to write it,
//! until one arrives.
//!
//! Owns: what is kept between a record and the status that holds it. Must never do: number a record twice that has arrived.

use std::collections::BTreeSet;

use jiff::Timestamp;
use plumb_api::environment::{FormerRepository, RecordsStatus};
use plumb_core::record::{
    Record, landing,
    ledger::{Kept, Ledger},
    line::{Line, Origin, Series},
};

/// Records that wait for a status to be written, as long as that fails; more of them are only in the log and in Events.
const FRESH_MAX: usize = 256;

/// What is to become of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Keeping {
    /// They go into the status, and from there into notes.
    Notes(Origin),
    /// They are Events, counters and log lines only: the Repository with this UID wants no notes.
    Nowhere(String),
    /// The Repository, which would say so, is not known: what is there stays as it is.
    Unknown,
}

/// Up to when repetitions are counted in lines that still change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// What has counted for long enough by this moment gets its number.
    Now(Timestamp),
    /// Everything does: the Environment is being deleted.
    TheEnd,
}

/// The ledger of one environment between two passes.
#[derive(Debug, Default)]
pub(crate) struct Book {
    /// As last read or written.
    known: Option<RecordsStatus>,
    /// Records that are in no status yet.
    fresh: Vec<Record>,
    /// What was last tried to be written, and how many of them are in it.
    attempted: Option<(Ledger, usize)>,
    /// UIDs of Repositories that publish nothing any more.
    abandoned: BTreeSet<String>,
    /// Records that will not be notes and that nobody has counted yet.
    lost: u64,
    /// Those among what waited that go with the next write.
    going: u64,
}

impl Book {
    /// Starts from what a status says.
    pub(crate) fn of(status: Option<&RecordsStatus>) -> Self {
        Self { known: status.cloned(), ..Self::default() }
    }

    /// Takes a record in.
    pub(crate) fn add(&mut self, record: Record) {
        if self.fresh.len() < FRESH_MAX {
            self.fresh.push(record);
        } else {
            self.lost += 1;
            tracing::warn!(environment = %record.environment, "too many records wait for the status to be written: this one will not be a note");
        }
    }

    /// Takes the newest record back: what it tells of was to happen with a write that failed. If that write arrives all the
    /// same, so does the record.
    pub(crate) fn take_back(&mut self, record: &Record) {
        self.fresh.pop_if(|newest| newest == record);
    }

    /// Returns whether a record only repeats one that waits for the status to be written.
    pub(crate) fn tells(&self, record: &Record) -> bool {
        self.fresh.iter().any(|earlier| record.repeats(earlier))
    }

    /// Returns how many records are not kept since this was asked last, though they are about a commit and notes are wanted.
    pub(crate) fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    /// Returns the UIDs of the Repositories for which something waits.
    pub(crate) fn awaited(&self) -> BTreeSet<String> {
        ledger(self.known.as_ref()).awaited()
    }

    /// Takes down that these Repositories publish nothing any more: what waits for them goes with the next write.
    pub(crate) fn abandon(&mut self, repositories: BTreeSet<String>) {
        self.abandoned.extend(repositories);
    }

    /// Takes in what the cluster says: whoever publishes has taken lines out, or a write has arrived whose answer was lost.
    pub(crate) fn see(&mut self, read: Option<&RecordsStatus>) {
        if let Some((attempted, records)) = self.attempted.take() {
            // What was read may be older than that write: it is asked again of what is read next.
            if let Some(landed) = landing::landed(&attempted, records, &ledger(read)) {
                self.fresh.drain(..landed.min(self.fresh.len()));
                self.attempted = Some((attempted, records - landed));
            }
        }
        self.known = read.cloned();
    }

    /// Returns whether the next draft gives numbers to lines that have counted repetitions.
    pub(crate) fn is_unsettled(&self, keeping: &Keeping, until: Until) -> bool {
        let due = |at: Timestamp| matches!(until, Until::Now(now) if at <= now) || until == Until::TheEnd;
        matches!(keeping, Keeping::Notes(_)) && self.fresh.is_empty() && self.settles_at().is_some_and(due)
    }

    /// Returns when a line that counts repetitions is to get its number.
    pub(crate) fn settles_at(&self) -> Option<Timestamp> {
        ledger(self.known.as_ref()).settles_at()
    }

    /// Returns what the status shall say now.
    pub(crate) fn draft(&mut self, keeping: &Keeping, until: Until) -> Option<RecordsStatus> {
        let mut ledger = ledger(self.known.as_ref());
        let unwanted = match keeping {
            Keeping::Nowhere(repository) => Some(repository),
            Keeping::Notes(_) | Keeping::Unknown => None,
        };
        self.going = 0;
        for repository in self.abandoned.iter().chain(unwanted) {
            let gone = ledger.abandon(repository);
            let gone = gone.iter().filter_map(|text| Line::parse(text).ok());
            let lost: u64 = gone.map(|line| line.sequence.saturating_sub(line.first()) + 1).sum();
            if lost > 0 {
                self.going += lost;
                tracing::warn!(
                    "{lost} record(s) will not be notes: their Repository is gone, or its spec.records is None"
                );
            }
        }
        let records = match keeping {
            Keeping::Notes(origin) => {
                let mut crowded = 0;
                self.fresh.retain(|record| {
                    let kept = ledger.append(record, origin);
                    crowded += u64::from(kept == Kept::Crowded);
                    !matches!(kept, Kept::Nowhere | Kept::Crowded)
                });
                if crowded > 0 {
                    self.lost += crowded;
                    tracing::warn!(
                        "{crowded} record(s) will not be notes: too much waits for Repositories that the Environment had before"
                    );
                }
                self.fresh.len()
            }
            Keeping::Nowhere(_) => {
                self.fresh.clear();
                0
            }
            Keeping::Unknown => 0,
        };
        // Not together with what is new: one try would give it other numbers than the next one.
        match (keeping, until) {
            (Keeping::Notes(_), Until::Now(now)) if records == 0 => ledger.settle(now),
            (Keeping::Notes(_), Until::TheEnd) if records == 0 => ledger.settle_all(),
            (Keeping::Notes(_) | Keeping::Nowhere(_) | Keeping::Unknown, _) => {}
        }
        // A head is that of the ref which counts.
        let same = self.known.as_ref().filter(|known| series(known).is(&ledger.series));
        let status = status(&ledger, same.and_then(|known| known.head.clone()));
        self.attempted = Some((ledger, records));
        status
    }

    /// Takes down that the last draft was written; returns whether records are only counted from now on.
    pub(crate) fn written(&mut self, status: Option<&RecordsStatus>) -> bool {
        let counts = |records: Option<&RecordsStatus>| records.is_some_and(|records| records.overflow.is_some());
        let rolls_up = counts(status) && !counts(self.known.as_ref());
        let (_, records) = self.attempted.take().unwrap_or_default();
        self.fresh.drain(..records.min(self.fresh.len()));
        self.abandoned.clear();
        self.lost += std::mem::take(&mut self.going);
        self.known = status.cloned();
        rolls_up
    }
}

/// Returns the ledger of a status.
pub(crate) fn ledger(status: Option<&RecordsStatus>) -> Ledger {
    let Some(records) = status.cloned() else { return Ledger::default() };
    let series = series(&records);
    let RecordsStatus { head: _, repository: _, cluster: _, next, pending, overflow, repeated, recorded, former } =
        records;
    let one = |FormerRepository { repository, cluster, next }| (Series { repository, cluster }, next);
    let former = former.into_iter().map(one).collect();
    Ledger { series, next, pending, overflow, repeated, recorded, former }
}

/// Returns what the numbers of a status count for.
pub(crate) fn series(RecordsStatus { repository, cluster, .. }: &RecordsStatus) -> Series {
    Series { repository: repository.clone(), cluster: cluster.clone() }
}

/// Returns a ledger as a status has it; nothing if there was never a record.
pub(crate) fn status(ledger: &Ledger, head: Option<String>) -> Option<RecordsStatus> {
    let Ledger { series, next, pending, overflow, repeated, recorded, former } = ledger.clone();
    if next == 0 {
        return None;
    }
    let one = |(Series { repository, cluster }, next)| FormerRepository { repository, cluster, next };
    let former = former.into_iter().map(one).collect();
    let Series { repository, cluster } = series;
    Some(RecordsStatus { head, repository, cluster, next, pending, overflow, repeated, recorded, former })
}

#[cfg(test)]
pub(crate) mod example;
#[cfg(test)]
mod tests;
