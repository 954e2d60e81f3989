//! How far a run, a task or a step is.

use serde::Serialize;

/// How far a run, a task or a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Stage {
    /// It has not begun.
    Waiting,
    /// It is under way.
    Running,
    /// It did what it is for.
    Succeeded,
    /// It did not.
    Failed,
    /// Somebody ended it.
    Cancelled,
    /// It is left out.
    Skipped,
}

impl Stage {
    /// Returns the word for it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Waiting => "Waiting",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Cancelled => "Cancelled",
            Self::Skipped => "Skipped",
        }
    }

    /// Returns whether nothing more comes of it.
    pub fn is_final(self) -> bool {
        match self {
            Self::Waiting | Self::Running => false,
            Self::Succeeded | Self::Failed | Self::Cancelled | Self::Skipped => true,
        }
    }
}
