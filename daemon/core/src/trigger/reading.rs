//! Reading: how far a run is, from its object and from those that it made (`TaskRun`s and Pods, where the caller has them).
//!
//! What a `PipelineRun` says of itself is often only that something failed; which task, which step and why its `TaskRun` and its Pod
//! know. Reasons are Tekton's of v1.15 (`pkg/apis/pipeline/v1`); one that is not known counts by its status alone.
//! Must never do: fail, or take a build's own fault for one of what it ran on.

mod job;
mod reason;
mod task;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use serde_json::Value;

use super::{
    memory::MESSAGE_MAX,
    run::{End, Outcome, RunKind, State, Wait},
};
use crate::{
    health::{object::Object, pod::pod_trouble},
    text,
};
use task::Task;

/// Failures that one message tells: a sentence, not a listing.
const FAILURES_TOLD: usize = 3;

/// Returns how far a run is.
pub fn read(kind: RunKind, object: &Value, children: &[Value]) -> State {
    let (object, children) = (Object(object), Children::of(children));
    match kind {
        RunKind::PipelineRun => pipeline_run(object, &children),
        RunKind::TaskRun => task_run(object, &children),
        RunKind::Job => job::read(object, &children.pods),
    }
}

/// What a run made.
struct Children<'a> {
    tasks: Vec<Object<'a>>,
    pods: Vec<Object<'a>>,
}

impl<'a> Children<'a> {
    /// Items of a list do not say of which kind they are: a Pod is what has containers.
    fn of(children: &'a [Value]) -> Self {
        let is_pod = |child: &Object<'_>| child.at("/spec/containers").is_some();
        let (pods, tasks) = children.iter().map(Object).partition(is_pod);
        Self { tasks, pods }
    }

    /// Returns the Pod of a task: that of its last try.
    fn pod(&self, task: Object<'_>) -> Option<Object<'a>> {
        let name = task.text("/status/podName");
        self.pods.iter().copied().find(|pod| !name.is_empty() && pod.text("/metadata/name") == name)
    }
}

fn pipeline_run(run: Object<'_>, children: &Children<'_>) -> State {
    let mut tasks: Vec<_> = children.tasks.iter().map(|task| Task::new(*task, children.pod(*task))).collect();
    tasks.sort_by_key(|task| (task.finished(), task.name()));
    let said = Said::of(run);
    let end = |outcome, message: String| ended(run, outcome, &message);
    match said.status {
        "True" => end(Outcome::Succeeded, String::new()),
        "False" => {
            let mut failed: Vec<_> = tasks.iter().filter_map(Task::failure).collect();
            // Those that were cut because another one failed explain nothing.
            if failed.iter().any(|(outcome, _)| *outcome != Outcome::Cancelled) {
                failed.retain(|(outcome, _)| *outcome != Outcome::Cancelled);
            }
            let told: Vec<&str> = failed.iter().map(|(_, words)| words.as_str()).take(FAILURES_TOLD).collect();
            let more = failed.len().saturating_sub(FAILURES_TOLD);
            let more = if more > 0 { format!(", and {more} more") } else { String::new() };
            let told = format!("{}{more}", told.join("; "));
            let said_or = |told: String| if told.is_empty() { said.words() } else { told };
            match reason::of_pipeline_run(said.reason, said.message) {
                Some(Outcome::Failed) if said.reason == reason::PIPELINE_TIMEOUT => {
                    let at_work: Vec<String> =
                        tasks.iter().filter(|task| task.was_cut()).map(|task| task.name().to_owned()).collect();
                    let at =
                        if at_work.is_empty() { String::new() } else { format!(" at task {}", at_work.join(", ")) };
                    end(Outcome::Failed, format!("timed out{at}: {}", said.message))
                }
                Some(outcome) => end(outcome, said.words()),
                None => end(blame(failed.iter().map(|(outcome, _)| *outcome)), said_or(told)),
            }
        }
        _ if said.reason.is_empty() => State::Pending(String::new()),
        _ if said.reason == reason::HELD_BACK => State::Pending("spec.status is PipelineRunPending".to_owned()),
        _ if reason::resolves(said.reason) => State::Resolving(bounded(said.message)),
        _ => State::Running { since: began(run), waits: tasks.iter().find_map(Task::waits) },
    }
}

fn task_run(run: Object<'_>, children: &Children<'_>) -> State {
    let task = Task::new(run, children.pod(run));
    let said = Said::of(run);
    match said.status {
        "True" => ended(run, Outcome::Succeeded, ""),
        "False" => {
            let (outcome, words) = task.failure().unwrap_or((Outcome::Succeeded, String::new()));
            ended(run, outcome, &words)
        }
        _ if said.reason.is_empty() => State::Pending(String::new()),
        _ if reason::resolves(said.reason) => State::Resolving(bounded(said.message)),
        _ => State::Running { since: began(run), waits: task.waits() },
    }
}

/// Returns whose fault it was: the build's own, if any of it was.
fn blame(outcomes: impl Iterator<Item = Outcome>) -> Outcome {
    let rank = |outcome: &Outcome| match outcome {
        Outcome::Failed => 4,
        Outcome::Misconfigured => 3,
        Outcome::Infrastructure => 2,
        // A task that was cut because another one failed says nothing.
        Outcome::Cancelled => 1,
        Outcome::Succeeded => 0,
    };
    let worst = outcomes.max_by_key(rank);
    // Without its tasks nobody knows better.
    worst.filter(|worst| rank(worst) > 1).unwrap_or(Outcome::Failed)
}

/// What the condition `Succeeded` of a run says.
struct Said<'a> {
    status: &'a str,
    reason: &'a str,
    message: &'a str,
}

impl<'a> Said<'a> {
    fn of(run: Object<'a>) -> Self {
        let found = run.condition("Succeeded");
        let (status, reason, message) = found.map_or(("", "", ""), |found| (found.status, found.reason, found.message));
        Self { status, reason, message: message.trim_start_matches("[User error] ") }
    }

    fn words(&self) -> String {
        match reason::explained(self.reason) {
            Some(words) if self.message.is_empty() => words.to_owned(),
            Some(words) => format!("{words}: {}", self.message),
            None if self.message.is_empty() => self.reason.to_owned(),
            None => format!("{}: {}", self.reason, self.message),
        }
    }
}

fn ended(run: Object<'_>, outcome: Outcome, message: &str) -> State {
    let finished = time(run, "/status/completionTime").or_else(|| changed(run, "Succeeded"));
    State::Ended(End {
        started: time(run, "/status/startTime"),
        finished: finished.unwrap_or_else(|| began(run)),
        outcome,
        message: bounded(message),
    })
}

fn bounded(message: &str) -> String {
    let line = text::line(message, MESSAGE_MAX + 1);
    text::shortened(line.trim(), MESSAGE_MAX)
}

fn time(object: Object<'_>, pointer: &str) -> Option<Timestamp> {
    object.text(pointer).parse().ok()
}

/// Returns when a run began, or was created; API servers write at least the latter.
fn began(run: Object<'_>) -> Timestamp {
    let began = time(run, "/status/startTime").or_else(|| created(run));
    began.unwrap_or(Timestamp::UNIX_EPOCH)
}

fn created(object: Object<'_>) -> Option<Timestamp> {
    time(object, "/metadata/creationTimestamp")
}

/// Returns when a condition changed last.
fn changed(object: Object<'_>, kind: &str) -> Option<Timestamp> {
    let conditions = object.at("/status/conditions")?.as_array()?;
    let found = conditions.iter().find(|condition| condition.get("type").is_some_and(|found| found == kind))?;
    time(Object(found), "/lastTransitionTime")
}

/// Returns what keeps a Pod from starting, since it was made.
fn held_up(pod: Object<'_>) -> Option<Wait> {
    let waits = matches!(pod.text("/status/phase"), "Pending" | "");
    let trouble = pod_trouble(pod.0).filter(|_| waits)?;
    let what = format!("Pod {}: {trouble}", pod.text("/metadata/name"));
    Some(Wait { since: created(pod)?, what: bounded(&what) })
}
