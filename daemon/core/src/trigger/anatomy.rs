//! A run taken apart, for people: its tasks and steps, how each stands and why, what went in and what came out.
//!
//! Read from the run and from what was made of it: TaskRuns of a PipelineRun, Pods of a Job. Must never do: decide anything by it; what
//! is built, retried or recorded goes by [`super::run`].

mod jobs;
mod stage;
mod task_runs;
#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

pub use self::stage::Stage;
use super::run::RunKind;
use crate::health::object::Object;

/// The label by which Tekton says of which task of a pipeline a TaskRun is.
pub const PIPELINE_TASK: &str = "tekton.dev/pipelineTask";
/// The label by which Tekton says of which PipelineRun a TaskRun is.
pub const PIPELINE_RUN: &str = "tekton.dev/pipelineRun";
/// What Tekton puts before the names of the containers of steps.
const STEP: &str = "step-";

/// A run, taken apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Anatomy {
    /// How it stands.
    #[serde(flatten)]
    pub standing: Standing,
    /// What it was given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<Named>,
    /// What it left behind.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<Named>,
    /// Its tasks, in the order in which they began; those that have not, behind them.
    pub tasks: Vec<Task>,
}

/// How a run, a task or a step stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    /// How far it is.
    pub stage: Stage,
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished: Option<Timestamp>,
    /// Why it stands so, in words; empty where there is nothing to say.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// One task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    /// Its name in the pipeline; of a Job the name of its Pod.
    pub name: String,
    /// The Pods that ran it, one for each try, the first one first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pods: Vec<String>,
    /// How it stands.
    #[serde(flatten)]
    pub standing: Standing,
    /// Its steps, in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// What it left behind.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<Named>,
}

/// One step of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Its name.
    pub name: String,
    /// How it stands.
    #[serde(flatten)]
    pub standing: Standing,
}

/// A param or a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Named {
    /// Its name.
    pub name: String,
    /// Its value: a text, a list or a map.
    pub value: Value,
}

/// Takes a run apart; `parts` are the TaskRuns of a PipelineRun, or the Pods of a Job, as far as they are known.
pub fn of(kind: RunKind, run: &Value, parts: &[Value]) -> Anatomy {
    let (params, results) = (named(run, "/spec/params"), named(run, "/status/results"));
    match kind {
        RunKind::PipelineRun => {
            let tasks = task_runs::tasks(run, parts);
            Anatomy { standing: explained(task_runs::standing(run), &tasks), params, results, tasks }
        }
        RunKind::TaskRun => {
            let task = task_runs::task(run, Object(run).text("/metadata/name"));
            Anatomy { standing: task.standing.clone(), params, results, tasks: vec![task] }
        }
        RunKind::Job => {
            let tasks = jobs::tasks(parts);
            Anatomy { standing: explained(jobs::standing(run), &tasks), params, results, tasks }
        }
    }
}

/// Has the first task that failed, or that can't go on, say why its run does not succeed: the run itself only counts.
fn explained(mut standing: Standing, tasks: &[Task]) -> Standing {
    let culprit = match standing.stage {
        Stage::Failed => tasks.iter().find(|task| task.standing.stage == Stage::Failed),
        Stage::Waiting | Stage::Running => tasks.iter().find(|task| is_stuck(&task.standing)),
        Stage::Succeeded | Stage::Cancelled | Stage::Skipped => None,
    };
    let told = culprit.filter(|task| !task.standing.reason.is_empty());
    if let Some(task) = told.filter(|_| !words::is_about_all(&standing.reason)) {
        standing.reason = format!("task {}: {}", task.name, task.standing.reason);
    }
    standing
}

fn is_stuck(standing: &Standing) -> bool {
    matches!(standing.stage, Stage::Running) && !standing.reason.is_empty()
}

/// Returns the entries of a list that have a name and a value.
fn named(object: &Value, pointer: &str) -> Vec<Named> {
    let list = object.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
    list.filter_map(|entry| Some(Named { name: entry["name"].as_str()?.to_owned(), value: entry["value"].clone() }))
        .collect()
}

/// Reads a time; absent where there is none.
fn time(object: &Value, pointer: &str) -> Option<Timestamp> {
    object.pointer(pointer)?.as_str()?.parse().ok()
}

/// Returns names without those that occur before.
fn distinct(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    names.into_iter().filter(|name| !name.is_empty() && seen.insert(name.clone())).collect()
}

/// Returns the containers of a Pod whose logs are those of a run, in their order, each with the name of its step: Tekton's own are left
/// out.
pub fn containers(pod: &Value) -> Vec<(String, String)> {
    let list = |pointer: &str| pod.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
    let names = |pointer: &str| list(pointer).filter_map(|found| found["name"].as_str()).map(str::to_owned);
    let steps: Vec<_> = names("/spec/containers")
        .filter_map(|name| Some((name.strip_prefix(STEP)?.to_owned(), name.clone())))
        .collect();
    if !steps.is_empty() {
        return steps;
    }
    names("/spec/initContainers").chain(names("/spec/containers")).map(|name| (name.clone(), name)).collect()
}
