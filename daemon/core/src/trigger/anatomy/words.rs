//! Reasons of Tekton and Kubernetes in words that say what happened and, where plumb knows it, what helps.
//!
//! Source: the reasons in `pkg/apis/pipeline/v1` and `pkg/pod/status.go` of tektoncd/pipeline v1.15.

use serde_json::Value;

use crate::{health::object::Object, text};

/// Characters told of a message: registries answer with whole pages.
const MESSAGE_TOLD: usize = 300;
/// What Tekton puts before what whoever wrote the run can correct.
const USER_ERROR: &str = "[User error] ";
/// What Tekton adds to every Pod that it can't create.
const MAYBE: &str = ". Maybe ";
/// Exit codes above it mean that a signal ended the process (as shells count).
const SIGNALS: i64 = 128;
/// Reasons for waiting that every container passes through.
const ORDINARY: [&str; 2] = ["ContainerCreating", "PodInitializing"];
/// What is said of a step that Tekton has ended because all of the task was.
pub(super) const WITH_TASK: &str = "ended with its task";
/// How the words begin that tell of a run's own timeout.
const TOO_LONG: &str = "took longer than ";

/// Returns whether a reason is one of the whole run, so that none of its tasks is to blame.
pub(super) fn is_about_all(reason: &str) -> bool {
    reason.starts_with(TOO_LONG)
}

/// Says why something ended, or goes on, with this reason and message of its condition; `limit` is the timeout that it has.
pub(super) fn of_condition(reason: &str, message: &str, limit: &str) -> String {
    let told = told(message);
    match reason {
        "PipelineRunTimeout" | "TaskRunTimeout" | "DeadlineExceeded" if limit.is_empty() => format!("{TOO_LONG}it may"),
        "PipelineRunTimeout" | "TaskRunTimeout" | "DeadlineExceeded" => format!("{TOO_LONG}{limit}"),
        "PodCreationFailed" => match missing_account(message) {
            Some(account) => {
                format!("the ServiceAccount {account} does not exist: create it, or name another one in the run")
            }
            None => format!("its Pod can't be created: {told}"),
        },
        "TaskRunImagePullFailed" | "PullImageFailed" => format!("an image can't be pulled: {told}"),
        "CreateContainerConfigError" => format!("a container can't be made: {told}"),
        "PodEvicted" | "Evicted" => format!("its Pod was evicted: {told}"),
        "ExceededNodeResources" => format!("no node has room for it: {told}"),
        "ExceededResourceQuota" => format!("the quota of the namespace is used up: {told}"),
        "StepOOM" | "SidecarOOM" | "InitContainerOOM" => "out of memory: give it a higher limit".to_owned(),
        "CouldntGetPipeline" => format!("its Pipeline can't be had: {told}"),
        "CouldntGetTask" => format!("a Task can't be had: {told}"),
        _ if told.is_empty() => reason.to_owned(),
        _ => told,
    }
}

/// Says what a container waits for; nothing where every container waits for it.
pub(super) fn of_waiting(waiting: &Value, image: &str) -> Option<String> {
    let waiting = Object(waiting);
    let (reason, message) = (waiting.text("/reason"), told(waiting.text("/message")));
    let message = if message.is_empty() { String::new() } else { format!(": {message}") };
    match reason {
        "" => None,
        ordinary if ORDINARY.contains(&ordinary) => None,
        "ErrImagePull" | "ImagePullBackOff" | "ErrImageNeverPull" | "InvalidImageName" => {
            let image = if image.is_empty() { String::new() } else { format!(" {image}") };
            Some(format!("the image{image} can't be pulled{message}"))
        }
        "CreateContainerConfigError" | "CreateContainerError" => Some(format!("the container can't be made{message}")),
        _ => Some(format!("{reason}{message}")),
    }
}

/// Says how a container ended that is `told` to have ended for this reason, as its task did for that `of_task`; nothing where it ended
/// well.
pub(super) fn of_ending(terminated: &Value, told: &str, of_task: &str) -> Option<String> {
    let code = terminated["exitCode"].as_i64().unwrap_or_default();
    match (told, code) {
        ("OOMKilled", _) => Some("out of memory: give it a higher limit".to_owned()),
        (_, 0) => None,
        ("TaskRunCancelled" | "Cancelled", _) => Some("ended because the run was cancelled".to_owned()),
        (told, _) if told == of_task => Some(WITH_TASK.to_owned()),
        ("TimeoutExceeded", _) => Some(format!("{TOO_LONG}its step may")),
        ("Skipped", _) => Some("left out, because a step before it failed".to_owned()),
        (_, code) if code > SIGNALS && code <= SIGNALS + 64 => {
            Some(format!("exit code {code}: ended by signal {}", code - SIGNALS))
        }
        (_, code) => Some(format!("exit code {code}")),
    }
}

/// Returns what is told of a message: on one line, without what Tekton puts around it.
fn told(message: &str) -> String {
    let message = message.trim();
    let message = message.strip_prefix(USER_ERROR).unwrap_or(message);
    let message = message.split(MAYBE).next().unwrap_or_default();
    text::shortened(&message.replace(char::is_control, " "), MESSAGE_TOLD)
}

/// Returns the service account that the API server does not find.
fn missing_account(message: &str) -> Option<&str> {
    let starts = ["serviceaccounts \"", "serviceaccount \""];
    let (name, rest) = starts.into_iter().find_map(|start| message.split_once(start)?.1.split_once('"'))?;
    rest.trim_start().starts_with("not found").then_some(name)
}
