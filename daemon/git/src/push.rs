//! Moving refs of a remote: what is wanted, and what became of it.

use plumb_core::commit::{CommitId, RefName};
use serde::{Deserialize, Serialize};

/// One ref that is to be moved or made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefUpdate {
    /// The ref, by its full name.
    pub name: RefName,
    /// What it has to hold before; nothing: it must not be there.
    pub expected: Option<CommitId>,
    /// What it shall hold; a commit that the mirror has with all that belongs to it.
    pub target: CommitId,
}

/// What became of a push.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PushOutcome {
    /// Every ref holds what it shall hold, also where it did so before (an earlier answer was lost).
    Pushed,
    /// A ref held something else than expected, and was left as it is. Look, judge again, and push again.
    Raced {
        /// The ref.
        name: RefName,
        /// What it holds; nothing: it is not there.
        actual: Option<CommitId>,
    },
    /// The remote would not move a ref (a protected branch, a hook, a local repository that plumb must not push to); asking
    /// again changes nothing.
    Refused {
        /// The ref.
        name: RefName,
        /// What the remote said, bounded and on one line.
        message: String,
    },
}
