//! The commits that changed a value of a file: what decides whose value it is.

use jiff::Timestamp;
use serde::Serialize;

use crate::commit::CommitId;

/// A commit that changed a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change<V> {
    /// The commit.
    pub commit: CommitId,
    /// `Name <email>` of its author.
    pub author: String,
    /// The committer's time.
    pub committed: Timestamp,
    /// Its message, as far as it is read.
    pub message: String,
    /// The value before it.
    pub before: V,
    /// The value since.
    pub after: V,
}

/// The changes of a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lineage<V> {
    /// Newest first.
    pub changes: Vec<Change<V>>,
    /// Why there are no more.
    pub ending: Ending,
}

/// Why a lineage ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Ending {
    /// No more were wanted.
    Enough,
    /// The history has no more.
    Beginning,
    /// No more commits are looked at.
    TooFar,
}
