//! One fact of the audit trail. Event, counter and log line are made from the same value.

use std::time::Duration;

use serde::Serialize;

use crate::{
    attribution::Attribution, class::Class, commit::Revision, environment::EnvironmentName, object::ObjectKey,
};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum RecordKind {
    /// An operation applied a commit in full.
    Applied,
    /// An operation, a render or a fetch failed.
    Failed,
    /// Something was refused.
    Refused,
    /// A commit was not applied, because no trusted key has signed it.
    Untrusted,
    /// A commit's prunes wait for a person's word.
    Blocked,
    /// Objects were deleted.
    Pruned,
    /// An object made by another tool was taken over.
    Adopted,
    /// An object was given to another environment, which desires it.
    HandedOver,
    /// An object drifted, and was left.
    DriftFound,
    /// An object drifted, and was put back.
    DriftCorrected,
    /// Somebody undoes every correction of an object, or has ceased to.
    Contended,
    /// A person allowed a commit's prunes.
    Allowed,
    /// The environment was suspended.
    Suspended,
    /// The environment was resumed.
    Resumed,
    /// Objects were let go of.
    LetGo,
    /// A newer commit replaced one before all of it was applied.
    Superseded,
    /// Objects that can't be changed in place were deleted to be created anew.
    Replaced,
}

impl RecordKind {
    /// Every kind, in the order of the enum: for metrics that exist before they are counted.
    pub const ALL: [Self; 17] = [
        Self::Applied,
        Self::Failed,
        Self::Refused,
        Self::Untrusted,
        Self::Blocked,
        Self::Pruned,
        Self::Adopted,
        Self::HandedOver,
        Self::DriftFound,
        Self::DriftCorrected,
        Self::Contended,
        Self::Allowed,
        Self::Suspended,
        Self::Resumed,
        Self::LetGo,
        Self::Superseded,
        Self::Replaced,
    ];

    /// Returns the closed label value, which is also the Event's reason.
    pub fn label(self) -> &'static str {
        match self {
            Self::Applied => "Applied",
            Self::Failed => "Failed",
            Self::Refused => "Refused",
            Self::Untrusted => "Untrusted",
            Self::Blocked => "Blocked",
            Self::Pruned => "Pruned",
            Self::Adopted => "Adopted",
            Self::HandedOver => "HandedOver",
            Self::DriftFound => "DriftFound",
            Self::DriftCorrected => "DriftCorrected",
            Self::Contended => "Contended",
            Self::Allowed => "Allowed",
            Self::Suspended => "Suspended",
            Self::Resumed => "Resumed",
            Self::LetGo => "LetGo",
            Self::Superseded => "Superseded",
            Self::Replaced => "Replaced",
        }
    }

    /// Returns whether a person should look.
    pub fn warns(self) -> bool {
        matches!(
            self,
            Self::Failed
                | Self::Refused
                | Self::Untrusted
                | Self::Blocked
                | Self::DriftFound
                | Self::DriftCorrected
                | Self::Contended
        )
    }
}

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
    /// Who changed what, for drift.
    pub attribution: Option<Attribution>,
    /// What helps, for failures.
    pub class: Option<Class>,
    /// How long it took.
    pub took: Option<Duration>,
}
