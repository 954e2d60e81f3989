//! Tekton's part: PipelineRuns and their TaskRuns (`tekton.dev/v1`).

use jiff::Timestamp;
use serde_json::Value;

use super::{PIPELINE_TASK, STEP, Stage, Standing, Step, Task, distinct, named, time, words};
use crate::health::object::Object;

/// Reasons of those that somebody ended.
const CANCELLED: [&str; 3] = ["Cancelled", "TaskRunCancelled", "CancelledRunningFinally"];

/// Returns how a PipelineRun or a TaskRun stands, by its condition `Succeeded`.
pub(super) fn standing(run: &Value) -> Standing {
    let object = Object(run);
    let condition = object.condition("Succeeded");
    let (started, finished) = (time(run, "/status/startTime"), time(run, "/status/completionTime"));
    let limits = ["/spec/timeouts/pipeline", "/spec/timeout"].map(|pointer| object.text(pointer));
    let limit = limits.into_iter().find(|limit| !limit.is_empty());
    let limit = limit.map(|limit| format!("its timeout of {limit}")).unwrap_or_default();
    let Some(condition) = condition else {
        return Standing {
            stage: Stage::Waiting,
            started,
            finished,
            reason: "Tekton has not looked at it yet".to_owned(),
        };
    };
    let told = || words::of_condition(condition.reason, condition.message, &limit);
    let (stage, reason) = match (condition.status, condition.reason) {
        ("True", _) => (Stage::Succeeded, String::new()),
        ("False", reason) if CANCELLED.contains(&reason) => (Stage::Cancelled, String::new()),
        ("False", _) => (Stage::Failed, told()),
        (_, "PipelineRunPending") => (Stage::Waiting, "it is held back: spec.status is PipelineRunPending".to_owned()),
        (_, reason) if CANCELLED.contains(&reason) => (Stage::Running, "it is being cancelled".to_owned()),
        (_, "Started" | "Running" | "Pending") => (Stage::Running, String::new()),
        (_, "ResolvingPipelineRef" | "ResolvingTaskRef" | "ResolvingStepActionRef") => {
            (Stage::Running, "its definition is being looked for".to_owned())
        }
        _ => (Stage::Running, told()),
    };
    Standing { stage, started, finished, reason }
}

/// Returns the tasks of a PipelineRun: those that have a TaskRun, those that were skipped, those that are still to come.
pub(super) fn tasks(run: &Value, task_runs: &[Value]) -> Vec<Task> {
    let mut begun: Vec<&Value> = task_runs.iter().collect();
    begun.sort_by_key(|task_run| order(task_run));
    let mut tasks: Vec<Task> = begun.iter().map(|task_run| task(task_run, &name(run, task_run, task_runs))).collect();
    let known = |tasks: &[Task], name: &str| {
        let labelled = |task_run: &&Value| label(task_run) == name;
        tasks.iter().any(|task| task.name == name) || begun.iter().any(labelled)
    };
    let without = |stage: Stage, name: &str, reason: String| Task {
        name: name.to_owned(),
        pods: Vec::new(),
        standing: Standing { stage, started: None, finished: None, reason },
        steps: Vec::new(),
        results: Vec::new(),
    };
    for skipped in list(run, "/status/skippedTasks") {
        let name = Object(skipped).text("/name");
        if !known(&tasks, name) {
            tasks.push(without(Stage::Skipped, name, Object(skipped).text("/reason").to_owned()));
        }
    }
    let ended = standing(run).stage.is_final();
    let to_come = ["/status/pipelineSpec/tasks", "/status/pipelineSpec/finally"];
    for named in to_come.into_iter().flat_map(|pointer| list(run, pointer)) {
        let name = Object(named).text("/name");
        if known(&tasks, name) {
            continue;
        }
        let custom = list(run, "/status/childReferences").find(|child| child["pipelineTaskName"] == *name);
        let task = match custom {
            Some(child) => {
                let (kind, object) = (Object(child).text("/kind"), Object(child).text("/name"));
                let said = format!("{kind} {object}; of others than TaskRuns plumb knows nothing");
                without(if ended { Stage::Skipped } else { Stage::Running }, name, said)
            }
            None if ended => without(Stage::Skipped, name, "the run ended before".to_owned()),
            None => without(Stage::Waiting, name, String::new()),
        };
        tasks.push(task);
    }
    tasks
}

/// Returns one task as its TaskRun has it.
pub(super) fn task(task_run: &Value, name: &str) -> Task {
    let object = Object(task_run);
    let mut standing = standing(task_run);
    let ended = standing.stage.is_final();
    let of_task = object.condition("Succeeded").map_or("", |condition| condition.reason);
    let steps: Vec<Step> = list(task_run, "/status/steps").map(|status| step(status, &standing, of_task)).collect();
    let blamed = |step: &&Step| match step.standing.stage {
        Stage::Failed => step.standing.reason != words::WITH_TASK,
        Stage::Waiting | Stage::Running => !ended && !step.standing.reason.is_empty(),
        Stage::Succeeded | Stage::Cancelled | Stage::Skipped => false,
    };
    // The condition says less than the step, unless it is about all of the task.
    let culprit = steps.iter().find(blamed).filter(|_| !words::is_about_all(&standing.reason));
    if let Some(step) = culprit.filter(|_| matches!(standing.stage, Stage::Failed | Stage::Running)) {
        standing.reason = format!("step {}: {}", step.name, step.standing.reason);
    }
    let before = list(task_run, "/status/retriesStatus").map(|tried| Object(tried).text("/podName").to_owned());
    let pods = distinct(before.chain([object.text("/status/podName").to_owned()]));
    let results = named(task_run, "/status/results");
    Task { name: name.to_owned(), pods, standing, steps, results }
}

fn step(status: &Value, task: &Standing, of_task: &str) -> Step {
    let object = Object(status);
    let name = Some(object.text("/name")).filter(|name| !name.is_empty());
    let name = name.or_else(|| object.text("/container").strip_prefix(STEP)).unwrap_or("?").to_owned();
    let ended = task.stage.is_final();
    let (stage, started, finished, reason) = match (status.get("terminated"), status.get("running")) {
        (Some(terminated), _) => {
            let (started, finished) = (time(terminated, "/startedAt"), time(terminated, "/finishedAt"));
            let termination = object.text("/terminationReason");
            let told = if termination.is_empty() { Object(terminated).text("/reason") } else { termination };
            let reason = words::of_ending(terminated, told, of_task);
            let stage = match (&reason, told, task.stage) {
                (None, ..) => Stage::Succeeded,
                (Some(_), "Skipped", _) => Stage::Skipped,
                (Some(_), "TaskRunCancelled" | "Cancelled", _) | (Some(_), _, Stage::Cancelled) => Stage::Cancelled,
                (Some(_), ..) => Stage::Failed,
            };
            (stage, started, finished, reason.unwrap_or_default())
        }
        (None, _) if ended => (Stage::Skipped, None, None, String::new()),
        (None, Some(running)) => (Stage::Running, time(running, "/startedAt"), None, String::new()),
        (None, None) => {
            let image = object.text("/imageID");
            let reason = status.get("waiting").and_then(|waiting| words::of_waiting(waiting, image));
            (Stage::Waiting, None, None, reason.unwrap_or_default())
        }
    };
    Step { name, standing: Standing { stage, started, finished, reason } }
}

/// Returns what a task is called: as in the pipeline, with the number of the combination where a matrix makes several of one.
fn name(run: &Value, task_run: &Value, all: &[Value]) -> String {
    let (label, own) = (label(task_run), Object(task_run).text("/metadata/name"));
    let several = all.iter().filter(|other| self::label(other) == label).count() > 1;
    match own.strip_prefix(&format!("{}-", Object(run).text("/metadata/name"))) {
        _ if !several && !label.is_empty() => label.to_owned(),
        Some(rest) if several => rest.to_owned(),
        _ => own.to_owned(),
    }
}

fn label(task_run: &Value) -> &str {
    task_run["metadata"]["labels"][PIPELINE_TASK].as_str().unwrap_or_default()
}

/// Orders by the beginning; those of one moment, by name.
fn order(task_run: &Value) -> (Timestamp, String) {
    let began = time(task_run, "/status/startTime").or_else(|| time(task_run, "/metadata/creationTimestamp"));
    (began.unwrap_or(Timestamp::MAX), Object(task_run).text("/metadata/name").to_owned())
}

fn list<'a>(object: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    object.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}
