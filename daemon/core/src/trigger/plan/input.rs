//! What the plan of a trigger looks at: gathered before, never read while planning.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    commit::CommitId,
    source::InputsDigest,
    trigger::{memory::Memory, name::ComponentName, rules::Rules, run::Run},
};

/// Everything that one plan depends on.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The time.
    pub now: Timestamp,
    /// What the trigger asks for.
    pub rules: &'a Rules,
    /// What the branch has; absent: nobody could read it, and nothing is begun.
    pub head: Option<&'a Head>,
    /// What the status says, as it was last written.
    pub memory: &'a Memory,
    /// Every run of this trigger that is there; absent: nobody knows, and nothing is created, cancelled or removed.
    pub runs: Option<&'a [Run]>,
    /// How many runs the whole daemon may still begin.
    pub room: usize,
    /// Builds that people asked for and that no status calls handled.
    pub asked: &'a [Asked],
    /// Names of runs whose image is still to be written back.
    pub unwritten: &'a BTreeSet<String>,
    /// Inputs at the head that differ from those last seen only by what plumb itself has committed.
    pub absorbed: &'a BTreeMap<ComponentName, InputsDigest>,
}

/// A commit, and what each component reads of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Head {
    /// The commit.
    pub commit: CommitId,
    /// When it was made.
    pub committed: Timestamp,
    /// Whether it asks for nothing to be built.
    pub passed_over: bool,
    /// By component; nothing: it reads no file there. Which is not listed is no component any more.
    pub components: BTreeMap<ComponentName, Option<InputsDigest>>,
}

/// A build that a person asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Asked {
    /// Tells it from others; no two have the same.
    pub id: String,
    /// The component; absent: every one that reads anything.
    pub component: Option<ComponentName>,
    /// The commit.
    pub commit: CommitId,
    /// When it was made.
    pub committed: Timestamp,
    /// What each component reads of it; nothing: it reads no file there.
    pub components: BTreeMap<ComponentName, Option<InputsDigest>>,
}
