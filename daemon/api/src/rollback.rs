//! What an Environment asks for when a commit makes it unhealthy, and what its status keeps of that.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{duration::DurationText, repository::is_false};

/// What happens when an environment that was healthy is not any more after a commit.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rollback {
    /// What becomes of the commit that is to blame.
    #[serde(default)]
    pub mode: RollbackMode,
    /// When the Pods of what the commit changed end the wait before `sync.timeout` does.
    #[serde(default)]
    pub fail_fast: FailFast,
    /// How long after success a loss of health still counts against the commit.
    #[serde(default = "default_observe")]
    pub observe: DurationText,
}

/// What becomes of a commit that is to blame.
#[derive(JsonSchema, Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RollbackMode {
    /// Nothing: a person has to look.
    #[default]
    None,
    /// The last healthy commit is applied again; Git stays as it is, and the environment is held until a commit changes it.
    Restore,
    /// Besides, reverts of the commits are pushed to the branch.
    Revert,
    /// Besides, reverts of the commits are pushed to a branch of their own, for somebody to merge.
    Branch,
}

/// When Pods end the wait early.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailFast {
    /// How long a commit may suffer from one of these reasons, or from an object that has failed for good.
    #[serde(default = "default_after")]
    pub after: DurationText,
    /// Reasons as Kubernetes gives them for Pods and containers.
    #[schemars(length(max = 32), inner(length(min = 1, max = 128)))]
    #[serde(default = "default_reasons")]
    pub reasons: Vec<String>,
}

fn default_observe() -> DurationText {
    DurationText::parse("0s").expect("because the constant is a duration")
}

fn default_after() -> DurationText {
    DurationText::parse("60s").expect("because the constant is a duration")
}

fn default_reasons() -> Vec<String> {
    ["ImagePullBackOff", "ErrImagePull", "CrashLoopBackOff", "CreateContainerConfigError"].map(str::to_owned).to_vec()
}

impl Default for Rollback {
    fn default() -> Self {
        Self { mode: RollbackMode::default(), fail_fast: FailFast::default(), observe: default_observe() }
    }
}

impl Default for FailFast {
    fn default() -> Self {
        Self { after: default_after(), reasons: default_reasons() }
    }
}

/// A commit that was healthy.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HealthyStatus {
    /// The newest commit with these inputs.
    pub commit: String,
    /// Digest of the tree ids that were read.
    pub inputs: String,
    /// The generation of the Environment's spec.
    pub generation: i64,
    /// Since when it is not healthy any more, without a new commit (RFC 3339); absent: it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<String>,
}

/// What was rolled back, and what is watched for it.
#[derive(JsonSchema, Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RollbackStatus {
    /// What was rolled back last, while the environment is kept at an older commit because of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<HeldStatus>,
    /// Contents that are not applied again, newest first, at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quarantined: Vec<QuarantinedStatus>,
    /// What becomes of it in Git.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverting: Option<RevertingStatus>,
    /// Pushes of reverts within the last six hours, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pushes: Vec<PushStatus>,
    /// The newest request of `plumb rollback`, if it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<RefusedStatus>,
    /// The commits applied since the environment was healthy, while it is judged whether they are to blame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<WatchStatus>,
}

impl RollbackStatus {
    /// Returns whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A commit that was rolled back.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldStatus {
    /// The commit that the environment is kept at.
    pub healthy: String,
    /// The commit that was rolled back.
    pub commit: String,
    /// Its author.
    pub author: String,
    /// The first line of its message.
    pub subject: String,
    /// What failed, in words.
    pub reason: String,
    /// Since when (RFC 3339).
    pub since: String,
    /// Where the notes ref ended then, as `<ref> <commit>`: the trailer `Plumb-Records` of the reverts says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<String>,
    /// The person who asked for it with `plumb rollback`, as the request claims; absent: plumb decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// A request that was refused.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefusedStatus {
    /// Its id.
    pub id: String,
    /// Why.
    pub message: String,
}

/// A content that is not applied again.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QuarantinedStatus {
    /// The commit with which it was applied last.
    pub commit: String,
    /// Digest of the tree ids that were read.
    pub inputs: String,
}

/// What becomes of a rollback in Git.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RevertingStatus {
    /// The state of the branch that it is for.
    pub head: String,
    /// How far it is.
    pub progress: RevertProgress,
    /// In words.
    pub message: String,
    /// The branch on which it waits for somebody to merge it; absent: it goes onto the branch that is followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// What became of the pull request for that branch; absent: none was tried yet, or the Repository wants none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_request: Option<PullRequestStatus>,
}

/// What became of a pull request.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PullRequestStatus {
    /// How far it is.
    pub state: PullRequestState,
    /// In words.
    pub message: String,
}

/// How far a pull request is.
#[derive(JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PullRequestState {
    /// It is there.
    Opened,
    /// It could not be opened, and is tried again.
    Retried,
    /// It could not be opened before a person has helped; it is tried again from time to time.
    Stalled,
}

/// How far a revert is.
#[derive(JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RevertProgress {
    /// It is being pushed, or that is tried again.
    Begun,
    /// It is tried again, but a person has to help first.
    Hindered,
    /// The branch that is followed has it.
    Pushed,
    /// A branch of its own has it, for a person to merge.
    Proposed,
    /// A person has to do it.
    Stalled,
}

/// A push of reverts.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PushStatus {
    /// The state of the branch that it was for.
    pub head: String,
    /// When it began; of one that has arrived, when that was known (RFC 3339).
    pub at: String,
    /// The branch of its own that it was for; absent: the one that is followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
}

/// Commits that are watched.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WatchStatus {
    /// The first of them.
    pub commit: String,
    /// When it began (RFC 3339).
    pub began: String,
    /// From when on is counted: its beginning, that of the highest wave, or the loss of an observed health (RFC 3339).
    pub since: String,
    /// The highest wave that was waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wave: Option<i32>,
    /// Whether the environment was not healthy already as they began.
    #[serde(default, skip_serializing_if = "is_false")]
    pub ailing: bool,
    /// A success that is observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<ObservedStatus>,
    /// Why they are not rolled back although something fails, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acquitted: Option<String>,
    /// Whether something else was suspected when this was judged last: other environments suffered too, or somebody else had
    /// changed what fails. Once that is over, the time counts anew.
    #[serde(default, skip_serializing_if = "is_false")]
    pub suspected: bool,
}

/// A success that is observed before it counts.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObservedStatus {
    /// The commit.
    pub commit: String,
    /// Digest of the tree ids that were read.
    pub inputs: String,
    /// The generation of the Environment's spec.
    pub generation: i64,
    /// Since when (RFC 3339).
    pub at: String,
    /// Whether health was lost since.
    #[serde(default, skip_serializing_if = "is_false")]
    pub lost: bool,
}
