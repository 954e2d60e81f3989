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

/// The last round of an attempt: who builds the same commit once more after it begins a new attempt.
pub const ROUND_MAX: u32 = 99;

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
    /// It was created, and what it refers to is being looked up; with what is said of that, in words.
    Resolving(String),
    /// It is under way.
    Running {
        /// Since when.
        since: Timestamp,
        /// What it waits for (an image that can't be pulled); absent: it works.
        waits: Option<Wait>,
    },
    /// It has ended.
    Ended(End),
}

/// What a run that is under way waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wait {
    /// Since when.
    pub since: Timestamp,
    /// For what, in words.
    pub what: String,
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

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 5] =
        [Self::Succeeded, Self::Failed, Self::Misconfigured, Self::Infrastructure, Self::Cancelled];

    /// Returns the word for it in statuses.
    pub fn label(self) -> &'static str {
        match self {
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Misconfigured => "Misconfigured",
            Self::Infrastructure => "Infrastructure",
            Self::Cancelled => "Cancelled",
        }
    }

    /// Reads that word.
    pub fn parse(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.label() == label)
    }

    /// Returns what a component did, in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Misconfigured => "can't be built as it is written",
            Self::Infrastructure => "failed because of what it ran on",
            Self::Cancelled => "was cancelled",
        }
    }
}

impl Run {
    /// Returns whether it counts against limits: it has not ended, whatever was asked of it.
    pub fn is_under_way(&self) -> bool {
        self.end().is_none()
    }

    /// Returns how it ended, if it has.
    pub fn end(&self) -> Option<&End> {
        match &self.state {
            State::Ended(end) => Some(end),
            State::Pending(_) | State::Resolving(_) | State::Running { .. } => None,
        }
    }
}

impl RunKind {
    /// Returns the resource as `kubectl` takes it, without a doubt about its group.
    pub fn resource(self) -> &'static str {
        match self {
            Self::PipelineRun => "pipelinerun.tekton.dev",
            Self::TaskRun => "taskrun.tekton.dev",
            Self::Job => "job.batch",
        }
    }
}

#[cfg(test)]
impl Run {
    /// Makes a run of the component `cart` that nobody has begun with.
    pub(crate) fn example(name: &str, created: Timestamp) -> Self {
        let build = Build {
            component: ComponentName::parse("cart").expect("a name"),
            commit: CommitId::parse(&"a".repeat(40)).expect("an id"),
            inputs: InputsDigest("A".to_owned()),
            committed: created,
        };
        Self {
            name: name.to_owned(),
            uid: format!("uid-{name}"),
            resource_version: "1".to_owned(),
            kind: RunKind::PipelineRun,
            build,
            attempt: Attempt { number: 1, round: 1 },
            created,
            state: State::Pending(String::new()),
            ending: false,
            deleting: false,
        }
    }
}

#[cfg(test)]
impl End {
    /// Makes an end that was a success.
    pub(crate) fn example(finished: Timestamp) -> Self {
        Self { started: None, finished, outcome: Outcome::Succeeded, message: String::new() }
    }
}
