//! What of rollbacks becomes records and part of the status: each fact once.

use std::{slice, time::Duration};

use jiff::Timestamp;
use plumb_api::{EnvironmentStatus, environment::HistoryEntry};
use plumb_core::{
    class::Class,
    commit::Revision,
    environment::EnvironmentName,
    record::{Record, RecordKind},
    rollback::{
        blame::Verdict,
        hold::Hold,
        proposing::{Pull, State},
        pushing::{self, Branch, Taken},
    },
};

use crate::rollback::Told;

use super::{Outcome, ending::Ending, scribe::Scribe, state::history_entry};

/// Commits of one rollback that get a record each, the newest first: the status has room for these beside others.
const REVERTED_MAX: usize = 20;

impl Scribe<'_> {
    /// Records what was decided about the commit in force, and puts it into the status. Returns the record of a rollback, which is
    /// one only once that status is written.
    pub(super) fn judged(
        &mut self,
        outcome: &Outcome,
        revision: &Revision,
        status: &mut EnvironmentStatus,
    ) -> Option<Record> {
        let judged = &outcome.judged;
        judged.write(status);
        match &judged.answered {
            Some(pushing::Outcome::Pushed { branch, taken }) => {
                mark(taken, status);
                let (name, hold) = (self.pass.settings.name.clone(), judged.rollback.held.as_ref());
                for record in reverted(self.now, &name, (branch, taken), hold) {
                    self.write_down(record);
                }
            }
            Some(pushing::Outcome::Refused(message)) => {
                let (about, hold) = (judged.culprit.clone(), judged.rollback.held.as_ref());
                self.about(about, hold, (RecordKind::Refused, Some(Class::Wait)), message.clone());
            }
            Some(pushing::Outcome::Raced | pushing::Outcome::Failed(_) | pushing::Outcome::Unsent(_)) | None => {}
        }
        if let Some(told) = &judged.proposed {
            self.proposed(told, judged.rollback.held.as_ref());
        }
        match &judged.verdict {
            Verdict::Blamed { object, reason } => {
                let message = judged.rollback.held.as_ref().map(ToString::to_string).unwrap_or_default();
                let entry = history_entry(revision, self.now, Duration::ZERO, Ending::RolledBack, reason.clone());
                self.enter(status, entry);
                let (name, about) = (self.pass.settings.name.clone(), self.revision.clone());
                let held = Record::new(self.now, name, about, RecordKind::Held, message);
                return Some(Record { objects: vec![object.clone()], class: Some(Class::Wait), ..held });
            }
            Verdict::NotTheCommit { why, .. } if judged.acquitted => {
                let message = format!("{}: {why}", revision.commit.short());
                self.record(RecordKind::HealthLost, Vec::new(), message, |record| record.class = Some(Class::Wait));
            }
            Verdict::NotTheCommit { .. } | Verdict::Idle | Verdict::Wait { .. } => {}
        }
        None
    }

    /// Records, on the commit that was rolled back, what became of the pull request for its reverts.
    fn proposed(&mut self, Told { pull, branch, revision }: &Told, hold: Option<&Hold>) {
        let Pull { state, message } = pull;
        let (kind, message) = match state {
            State::Opened => (RecordKind::PullRequested, format!("{message} for branch {branch}")),
            State::Retried | State::Stalled => {
                (RecordKind::Refused, format!("branch {branch} waits without a pull request: {message}"))
            }
        };
        self.about(revision.clone(), hold, (kind, state.class()), message);
    }

    /// Records something on the commit that was rolled back; on the one in force, where that can't be read any more.
    fn about(
        &mut self,
        culprit: Option<Revision>,
        hold: Option<&Hold>,
        (kind, class): (RecordKind, Option<Class>),
        message: String,
    ) {
        let revision = culprit.or_else(|| self.revision.clone());
        let who = hold.and_then(|hold| hold.by.clone());
        let record = Record::new(self.now, self.pass.settings.name.clone(), revision, kind, message);
        self.write_down(Record { class, who, ..record });
    }
}

/// Returns a record for each commit that was taken back in Git, which names what takes it back.
pub(super) fn reverted(
    now: Timestamp,
    environment: &EnvironmentName,
    (branch, taken): (&Branch, &[Taken]),
    hold: Option<&Hold>,
) -> Vec<Record> {
    let of = |one: &Taken| {
        let Taken { revision, by } = one;
        let (name, about) = (environment.clone(), Some(revision.clone()));
        let message = format!("{}: {}", revision.commit.short(), branch.said(slice::from_ref(one)));
        let record = Record::new(now, name, about, RecordKind::Reverted, message);
        Record { related: Some(by.clone()), who: hold.and_then(|hold| hold.by.clone()), ..record }
    };
    taken.iter().take(REVERTED_MAX).map(of).collect()
}

/// Returns what the history says of a rollback that a person asked for.
pub(super) fn by_hand(hold: &Hold, revision: &Revision, now: Timestamp) -> HistoryEntry {
    history_entry(revision, now, Duration::ZERO, Ending::RolledBack, hold.reason.clone())
}

/// Says in the history what takes commits back.
pub(super) fn mark(taken: &[Taken], status: &mut EnvironmentStatus) {
    for Taken { revision, by } in taken {
        for entry in status.history.iter_mut().filter(|entry| entry.revision.commit == revision.commit.as_str()) {
            entry.rolled_back_by = Some(by.to_string());
        }
    }
}
