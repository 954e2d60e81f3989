//! Tekton's reasons and kubelet's, and whose fault each one is.

use crate::trigger::run::Outcome;

/// The reason of a `PipelineRun` that took longer than it may.
pub(super) const PIPELINE_TIMEOUT: &str = "PipelineRunTimeout";
/// The reason of a `PipelineRun` that was created not to begin.
pub(super) const HELD_BACK: &str = "PipelineRunPending";
/// The reason of a `TaskRun` that took longer than it may.
pub(super) const TASK_TIMEOUT: &str = "TaskRunTimeout";
/// The reason of a `TaskRun` that was ended.
pub(super) const TASK_CANCELLED: &str = "TaskRunCancelled";
/// The reason of a `TaskRun` whose failure the Pipeline asks to be overlooked.
pub(super) const IGNORED: &str = "FailureIgnored";

/// What Tekton says of a reference that nobody looked up in time: a resolver that does not run, or a server that does not answer.
const UNRESOLVED: &str = "longer than global timeout";
/// What API servers say of a Pod for which there is no quota now.
const QUOTA: &str = "exceeded quota";
/// What kubelet says of a Pod that was evicted because it took more than it had asked for.
const OWN_EVICTION: [&str; 3] =
    ["exceeds the total limit", "exceeded its local ephemeral storage limit", "exceeds the limit"];

/// Reasons of a Pod that its node or the cluster ended.
const OF_NODES: [&str; 9] = [
    "Evicted",
    "NodeLost",
    "NodeShutdown",
    "OutOfcpu",
    "OutOfmemory",
    "OutOfpods",
    "Preempting",
    "Terminated",
    "UnexpectedAdmissionError",
];

/// Returns the outcome of a `PipelineRun` that did not succeed; nothing: its tasks know.
pub(super) fn of_pipeline_run(reason: &str, message: &str) -> Option<Outcome> {
    match reason {
        "Cancelled" | "CancelledRunFinally" | "StoppedRunFinally" | "PipelineRunCancelled" => Some(Outcome::Cancelled),
        PIPELINE_TIMEOUT => Some(Outcome::Failed),
        "CouldntGetPipeline" | "CouldntGetTask" if message.contains(UNRESOLVED) => Some(Outcome::Infrastructure),
        "CELEvaluationFailed"
        | "CouldntGetPipeline"
        | "CouldntGetPipelineResult"
        | "CouldntGetTask"
        | "CreateRunFailed"
        | "InvalidMatrixParameterTypes"
        | "InvalidParamValue"
        | "InvalidPipelineResourceBindings"
        | "InvalidPipelineResultReference"
        | "InvalidTaskResultReference"
        | "InvalidTaskRunSpecs"
        | "InvalidWorkspaceBindings"
        | "ObjectParameterMissKeys"
        | "ParamArrayIndexingInvalid"
        | "ParameterMissing"
        | "ParameterTypeMismatch"
        | "PipelineInvalidGraph"
        | "PipelineValidationFailed"
        | "RequiredWorkspaceMarkedOptional"
        | "ResourceVerificationFailed" => Some(Outcome::Misconfigured),
        _ => None,
    }
}

/// Returns the outcome of a `TaskRun` that did not succeed.
pub(super) fn of_task_run(reason: &str, message: &str) -> Outcome {
    match reason {
        TASK_CANCELLED => Outcome::Cancelled,
        "PodEvicted" if is_own_eviction(message) => Outcome::Failed,
        "ExceededNodeResources"
        | "ExceededResourceQuota"
        | "PodEvicted"
        | "PullImageFailed"
        | "TaskRunImagePullFailed" => Outcome::Infrastructure,
        "PodCreationFailed" if message.contains(QUOTA) => Outcome::Infrastructure,
        "TaskRunResolutionFailed" if message.contains(UNRESOLVED) => Outcome::Infrastructure,
        "CreateContainerConfigError"
        | "InvalidParamValue"
        | "PodCreationFailed"
        | "ResourceVerificationFailed"
        | "TaskRunResolutionFailed"
        | "TaskRunValidationFailed"
        | "TaskValidationFailed" => Outcome::Misconfigured,
        _ => Outcome::Failed,
    }
}

/// Returns whether a Pod ended because of its node or the cluster, and not for what it did itself.
pub(super) fn is_of_nodes(reason: &str, message: &str) -> bool {
    OF_NODES.contains(&reason) && !is_own_eviction(message)
}

pub(super) fn is_own_eviction(message: &str) -> bool {
    OWN_EVICTION.iter().any(|words| message.contains(words))
}

/// Returns whether something is being looked up.
pub(super) fn resolves(reason: &str) -> bool {
    matches!(reason, "ResolvingPipelineRef" | "ResolvingTaskRef" | "ResolvingStepActionRef")
}

/// Returns whether a `TaskRun` that has not ended does not get on.
pub(super) fn waits(reason: &str) -> bool {
    let keeps =
        ["CreateContainerConfigError", "ExceededNodeResources", "ExceededResourceQuota", "Pending", "PullImageFailed"];
    keeps.contains(&reason) || resolves(reason)
}

/// Returns a reason in words, where it needs any.
pub(super) fn explained(reason: &str) -> Option<&'static str> {
    Some(match reason {
        "Cancelled" | "CancelledRunFinally" | "StoppedRunFinally" | "PipelineRunCancelled" | TASK_CANCELLED => {
            "cancelled"
        }
        "CouldntGetPipeline" => "the Pipeline can't be got",
        "CouldntGetTask" => "a Task can't be got",
        "CouldntGetPipelineResult" => "every task succeeded, but a result that the Pipeline declares is missing",
        "CreateContainerConfigError" => "a container can't be made as it is written",
        "CreateRunFailed" => "a TaskRun can't be created",
        "ExceededNodeResources" => "no node has room for it",
        "ExceededResourceQuota" => "the quota of the namespace is used up",
        "InvalidWorkspaceBindings" => "a workspace is not bound as the Pipeline needs it",
        "ParameterMissing" => "a parameter is missing",
        "ParameterTypeMismatch" => "a parameter is of another type",
        "PipelineInvalidGraph" | "PipelineValidationFailed" => "the Pipeline is not valid",
        "PodCreationFailed" => "its Pod can't be created",
        "PodEvicted" => "its Pod was evicted",
        "PullImageFailed" | "TaskRunImagePullFailed" => "an image can't be pulled",
        "ResourceVerificationFailed" => "it is not signed as it has to be",
        "TaskRunResolutionFailed" => "its Task can't be got",
        "TaskRunResultLargerThanAllowedLimit" => "its results are larger than they may be",
        "TaskRunValidationFailed" | "TaskValidationFailed" => "its Task is not valid",
        TASK_TIMEOUT | PIPELINE_TIMEOUT => "timed out",
        _ => return None,
    })
}
