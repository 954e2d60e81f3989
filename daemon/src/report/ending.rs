//! How an operation ended, as the history in a status says it.

/// What came of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// All of the commit is applied.
    Applied,
    /// All of the commit that was healthy last is applied again.
    Restored,
    /// Something was not applied, or did not become healthy in time.
    Failed,
    /// Its prunes wait for a person's word.
    Blocked,
    /// A newer commit replaced it before all of it was applied.
    Superseded,
    /// It was applied, and taken back.
    RolledBack,
}

impl Ending {
    /// Returns the word for it.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Applied => "Applied",
            Self::Restored => "Restored",
            Self::Failed => "Failed",
            Self::Blocked => "Blocked",
            Self::Superseded => "Superseded",
            Self::RolledBack => "RolledBack",
        }
    }
}
