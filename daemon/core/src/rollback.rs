//! Rollback: whether a commit is to blame for what is not healthy, and what keeps it away afterwards.
//!
//! Owns: the clock of a range of commits ([`watch`]), the verdict on it ([`blame`]), whether the cluster itself is
//! suspected ([`outage`]), what a person may ask for ([`by_hand`]), what is held and quarantined ([`hold`]), what is called for outside
//! of the cluster ([`errand`]): what is taken back in Git ([`revert`]), what was pushed of that ([`pushing`]), when what was left to a
//! person is looked at again ([`stalling`]), the pull request for it ([`proposing`]), and what of it has arrived unheard ([`arrival`]).
//! Must never do: doubt in favour of a rollback. What is not certain is not the commit's fault.

pub mod arrival;
pub mod blame;
pub mod by_hand;
pub mod errand;
pub mod hold;
pub mod outage;
pub mod proposing;
pub mod pushing;
pub mod revert;
pub mod stalling;
pub mod watch;

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;
use serde::Serialize;

use crate::{commit::CommitId, source::InputsDigest};

/// What becomes of a commit that is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Mode {
    /// Nothing.
    None,
    /// The last healthy commit is applied again, and Git stays as it is.
    Restore,
    /// Besides, reverts are pushed to the branch.
    Revert,
    /// Besides, reverts are pushed to a branch of their own, for people to look at.
    Branch,
}

/// When the Pods of a changed object end the wait early.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailFast {
    /// How long a commit may suffer from such a reason.
    pub after: Duration,
    /// Reasons as Kubernetes spells them, such as `ImagePullBackOff`.
    pub reasons: BTreeSet<String>,
}

/// What an Environment asks for, checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RollbackPolicy {
    /// What becomes of a commit that is to blame.
    pub mode: Mode,
    /// When Pods decide.
    pub fail_fast: FailFast,
    /// How long a wave may take to become healthy.
    pub timeout: Duration,
    /// How long after success a loss of health still counts against the commit.
    pub observe: Duration,
}

/// What was healthy, and whether it still is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Healthy {
    /// The newest commit with these inputs.
    pub commit: CommitId,
    /// What was read of it.
    pub inputs: InputsDigest,
    /// The generation of the spec that it was applied with.
    pub generation: i64,
    /// Since when it is not, without a new commit; absent: it is, as far as is known.
    pub lost: Option<Timestamp>,
}
