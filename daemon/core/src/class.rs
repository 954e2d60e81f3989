//! The class of an error: what is to be done about it. Retry, condition, alert and metric label derive from it.

use serde::{Deserialize, Serialize};

/// What helps against an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Class {
    /// Trying again may help: a timeout, a refused connection, a conflict.
    Retry,
    /// A person or a change has to help first: bad input, missing rights.
    Wait,
    /// Only a fix of plumb helps.
    Bug,
}

impl Class {
    /// Returns the closed label value of metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Wait => "wait",
            Self::Bug => "bug",
        }
    }
}
