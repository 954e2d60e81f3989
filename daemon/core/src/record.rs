//! One fact of the audit trail. Event, counter, log line and the line of a Git note are made from the same value.
//!
//! Owns: what a record is, how it stands in a note (`line`), how records are numbered and kept until they are published
//! (`ledger`). May touch: values handed to it. Must never do: hold a value of a Secret, read a clock, decide by records.

pub mod batch;
pub mod cadence;
#[cfg(test)]
pub(crate) mod example;
pub mod farewell;
pub mod kind;
pub mod landing;
pub mod ledger;
pub mod line;
mod repetition;
pub mod sift;

use std::time::Duration;

use serde::Serialize;

pub use self::kind::RecordKind;
use crate::{
    attribution::Attribution,
    class::Class,
    commit::{CommitId, Revision},
    environment::EnvironmentName,
    object::ObjectKey,
};

/// One fact.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Record {
    /// When.
    pub at: jiff::Timestamp,
    /// Whose.
    pub environment: EnvironmentName,
    /// The commit concerned.
    pub revision: Option<Revision>,
    /// What happened.
    pub kind: RecordKind,
    /// The objects concerned.
    pub objects: Vec<ObjectKey>,
    /// In words.
    pub message: String,
    /// Who asked for it, as the request claims; for drift, `attribution` says who.
    pub who: Option<String>,
    /// Who changed what, for drift.
    pub attribution: Option<Attribution>,
    /// The commit that came of it, such as a revert, or that replaced the one concerned.
    pub related: Option<CommitId>,
    /// How often it happened, where one record stands for several times.
    pub count: Option<u64>,
    /// Whether it says of the same fields what was recorded shortly before: it may share a line with others that do.
    pub again: bool,
    /// What helps, for failures.
    pub class: Option<Class>,
    /// How long it took.
    pub took: Option<Duration>,
}

impl Record {
    /// Returns a record that says no more than this.
    pub fn new(
        at: jiff::Timestamp,
        environment: EnvironmentName,
        revision: Option<Revision>,
        kind: RecordKind,
        message: String,
    ) -> Self {
        Self {
            at,
            environment,
            revision,
            kind,
            objects: Vec::new(),
            message,
            who: None,
            attribution: None,
            related: None,
            count: None,
            again: false,
            class: None,
            took: None,
        }
    }

    /// Returns whether it says once more what an earlier record says: the status that was to hold that one could not be
    /// written, so the same state was found again. What was done to objects is done once, and never found again.
    pub fn repeats(&self, earlier: &Self) -> bool {
        let commit = |record: &Self| record.revision.as_ref().map(|revision| revision.commit.clone());
        let same = self.kind == earlier.kind && commit(self) == commit(earlier);
        match self.kind {
            RecordKind::Applied
            | RecordKind::Restored
            | RecordKind::Held
            | RecordKind::Reverted
            | RecordKind::PullRequested
            | RecordKind::Released => same,
            RecordKind::Failed | RecordKind::Refused | RecordKind::HealthLost | RecordKind::Allowed => {
                same && self.message == earlier.message
            }
            RecordKind::Untrusted
            | RecordKind::Blocked
            | RecordKind::Pruned
            | RecordKind::Adopted
            | RecordKind::HandedOver
            | RecordKind::DriftFound
            | RecordKind::DriftCorrected
            | RecordKind::Contended
            | RecordKind::Suspended
            | RecordKind::Resumed
            | RecordKind::LetGo
            | RecordKind::Superseded
            | RecordKind::Replaced
            | RecordKind::RolledUp
            | RecordKind::NotesRewritten => false,
        }
    }
}
