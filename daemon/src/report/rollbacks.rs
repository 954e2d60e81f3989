//! What of rollbacks becomes records and part of the status: each fact once.

use std::time::Duration;

use plumb_api::EnvironmentStatus;
use plumb_core::{
    class::Class,
    commit::Revision,
    record::RecordKind,
    rollback::{blame::Verdict, hold::Hold, pushing},
};

use super::{Outcome, ending::Ending, scribe::Scribe, state::history_entry};

impl Scribe<'_> {
    /// Records what was decided about the commit in force, and puts it into the status.
    pub(super) fn judged(&mut self, outcome: &Outcome, revision: &Revision, status: &mut EnvironmentStatus) {
        let judged = &outcome.judged;
        judged.write(status);
        match &judged.answered {
            Some(pushing::Outcome::Pushed(message)) => match &judged.rollback.held {
                Some(hold) => self.reverted(hold, message.clone()),
                None => self.record(RecordKind::Reverted, Vec::new(), message.clone(), |_| {}),
            },
            Some(pushing::Outcome::Refused(message)) => {
                self.record(RecordKind::Failed, Vec::new(), message.clone(), |record| record.class = Some(Class::Wait));
            }
            Some(pushing::Outcome::Raced | pushing::Outcome::Failed(_)) | None => {}
        }
        match &judged.verdict {
            Verdict::Blamed { object, reason } => {
                let message = judged.rollback.held.as_ref().map(ToString::to_string).unwrap_or_default();
                self.record(RecordKind::Held, vec![object.clone()], message, |record| record.class = Some(Class::Wait));
                let entry = history_entry(revision, self.now, Duration::ZERO, Ending::RolledBack, reason.clone());
                self.enter(status, entry);
            }
            Verdict::NotTheCommit { why, .. } if judged.acquitted => {
                let message = format!("{}: {why}", revision.commit.short());
                self.record(RecordKind::HealthLost, Vec::new(), message, |record| record.class = Some(Class::Wait));
            }
            Verdict::NotTheCommit { .. } | Verdict::Idle | Verdict::Wait { .. } => {}
        }
    }

    /// Records what was taken back: it is about what was rolled back, not about what is in force.
    pub(super) fn reverted(&mut self, hold: &Hold, message: String) {
        self.record(RecordKind::Reverted, Vec::new(), message, |record| record.revision = Some(rolled_back(hold)));
    }
}

/// Returns the commit that was rolled back, as far as a hold knows it.
pub(super) fn rolled_back(hold: &Hold) -> Revision {
    Revision {
        reference: None,
        commit: hold.commit.clone(),
        author: hold.author.clone(),
        committed: hold.since,
        subject: hold.subject.clone(),
        signer: None,
    }
}
