//! A run as it was last seen in the cluster: what it builds, and how far it is.

use jiff::Timestamp;
use serde::Serialize;

use super::name::ComponentName;
use crate::{commit::CommitId, source::InputsDigest};

/// What a run builds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Build {
    /// The component.
    pub component: ComponentName,
    /// The commit.
    pub commit: CommitId,
    /// What of it the component reads.
    pub inputs: InputsDigest,
    /// When the commit was made, by its committer.
    pub committed: Timestamp,
}

/// Which of the builds of one component a run is: the later attempt is the newer one, whatever the commits say of their times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Attempt {
    /// Counts the builds of a component, from 1.
    pub number: u32,
    /// Counts the runs of one build, from 1: more than one where it was tried again.
    pub round: u32,
}

/// The kinds of objects that a trigger makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum RunKind {
    /// `tekton.dev` `PipelineRun`.
    PipelineRun,
    /// `tekton.dev` `TaskRun`.
    TaskRun,
    /// `batch` `Job`.
    Job,
}

/// One run of a trigger, as it was last seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Run {
    /// Its name; its namespace is the trigger's.
    pub name: String,
    /// Its UID: with the resourceVersion the precondition of its deletion.
    pub uid: String,
    /// Its resourceVersion.
    pub resource_version: String,
    /// What it is.
    pub kind: RunKind,
    /// What it builds.
    pub build: Build,
    /// Which of the component's builds it is.
    pub attempt: Attempt,
    /// When it was created.
    pub created: Timestamp,
    /// How far it is.
    pub state: State,
    /// Somebody has asked it to end.
    pub ending: bool,
    /// Its deletion has begun.
    pub deleting: bool,
}

/// How far a run is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum State {
    /// It was created, and nobody has begun with it; with what it waits for, in words, as far as that is known.
    Pending(String),
    /// It is under way.
    Running {
        /// Since when.
        since: Timestamp,
        /// What it waits for, in words (an image that can't be pulled); empty: it works.
        waits: String,
    },
    /// It has ended.
    Ended(End),
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct End {
    /// When it began; absent where it never did.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub finished: Timestamp,
    /// How.
    pub outcome: Outcome,
    /// Why, in words: of a failure the task, the step and what they said.
    pub message: String,
}

/// In which way a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Outcome {
    /// It did what it is for.
    Succeeded,
    /// A step failed, or took too long: the same again would fail the same way.
    Failed,
    /// What it asks for can't be done as it is written: a reference, a parameter, a workspace.
    Misconfigured,
    /// What it ran on failed (an eviction, a node, a registry): the same again may succeed.
    Infrastructure,
    /// Somebody ended it.
    Cancelled,
}

impl Run {
    /// Returns how it ended, if it has.
    pub fn end(&self) -> Option<&End> {
        match &self.state {
            State::Ended(end) => Some(end),
            State::Pending(_) | State::Running { .. } => None,
        }
    }
}
