//! What a record can be about: the closed list that Events, counters, log lines and notes share.

use serde::{Deserialize, Serialize};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
    /// Something is not healthy in time, and it is not the commit's fault.
    HealthLost,
    /// A commit was rolled back: the environment is held at an older one.
    Held,
    /// The older commit is applied again.
    Restored,
    /// Reverts of the commits were pushed.
    Reverted,
    /// A pull request is open for reverts that wait on a branch.
    PullRequested,
    /// A commit of Git may be applied again.
    Released,
    /// More records than could be kept until they are published: one stands for a range of them.
    RolledUp,
    /// A notes ref no longer leads to where it was.
    NotesRewritten,
}

impl RecordKind {
    /// Every kind, in the order of the enum: for metrics that exist before they are counted.
    pub const ALL: [Self; 25] = [
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
        Self::HealthLost,
        Self::Held,
        Self::Restored,
        Self::Reverted,
        Self::PullRequested,
        Self::Released,
        Self::RolledUp,
        Self::NotesRewritten,
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
            Self::HealthLost => "HealthLost",
            Self::Held => "Held",
            Self::Restored => "Restored",
            Self::Reverted => "Reverted",
            Self::PullRequested => "PullRequested",
            Self::Released => "Released",
            Self::RolledUp => "RolledUp",
            Self::NotesRewritten => "NotesRewritten",
        }
    }

    /// Returns whether it is published at once: whoever is woken by a rollback wants to read why.
    pub fn is_urgent(self) -> bool {
        matches!(self, Self::Held | Self::Restored | Self::Reverted | Self::Released)
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
                | Self::HealthLost
                | Self::Held
                | Self::RolledUp
                | Self::NotesRewritten
        )
    }
}
