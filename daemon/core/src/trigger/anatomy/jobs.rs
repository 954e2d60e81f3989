//! Jobs (`batch/v1`): each Pod is a task, each of its containers a step.

use jiff::Timestamp;
use serde_json::Value;

use super::{Stage, Standing, Step, Task, containers, time, words};
use crate::health::{object::Object, pod::pod_trouble};

/// Returns how a Job stands.
pub(super) fn standing(job: &Value) -> Standing {
    let object = Object(job);
    let started = time(job, "/status/startTime");
    let holds = |name: &str| object.condition(name).filter(|condition| condition.status == "True");
    if let Some(failed) = holds("Failed") {
        let limit = job["spec"]["activeDeadlineSeconds"].as_u64();
        let limit = limit.map(|seconds| format!("activeDeadlineSeconds ({seconds} s)")).unwrap_or_default();
        let reason = words::of_condition(failed.reason, failed.message, &limit);
        let finished = ended_at(job, "Failed");
        let cancelled = job["metadata"]["annotations"].get(crate::trigger::manifest::CANCELLED).is_some();
        let stage = if cancelled { Stage::Cancelled } else { Stage::Failed };
        return Standing { stage, started, finished, reason: if cancelled { String::new() } else { reason } };
    }
    if holds("Complete").is_some() {
        let finished = time(job, "/status/completionTime").or_else(|| ended_at(job, "Complete"));
        return Standing { stage: Stage::Succeeded, started, finished, reason: String::new() };
    }
    let suspended = job["spec"]["suspend"] == true;
    let stage = if started.is_some() && !suspended { Stage::Running } else { Stage::Waiting };
    let reason = if suspended { "it is held back: spec.suspend is true" } else { "" };
    Standing { stage, started, finished: None, reason: reason.to_owned() }
}

fn ended_at(job: &Value, condition: &str) -> Option<Timestamp> {
    let conditions = job["status"]["conditions"].as_array()?;
    let found = conditions.iter().find(|found| found["type"] == *condition)?;
    time(found, "/lastTransitionTime")
}

/// Returns the Pods as tasks, in the order in which they were created.
pub(super) fn tasks(pods: &[Value]) -> Vec<Task> {
    let mut pods: Vec<&Value> = pods.iter().collect();
    pods.sort_by_key(|pod| (time(pod, "/metadata/creationTimestamp"), Object(pod).text("/metadata/name").to_owned()));
    pods.into_iter().map(task).collect()
}

fn task(pod: &Value) -> Task {
    let name = Object(pod).text("/metadata/name").to_owned();
    let stage = match Object(pod).text("/status/phase") {
        "Succeeded" => Stage::Succeeded,
        "Failed" => Stage::Failed,
        "Running" => Stage::Running,
        _ => Stage::Waiting,
    };
    let steps: Vec<Step> = containers(pod).into_iter().map(|(_, container)| step(pod, container)).collect();
    let trouble = pod_trouble(pod).filter(|_| stage != Stage::Succeeded);
    let ends = steps.iter().map(|step| step.standing.finished);
    let finished = if stage.is_final() { ends.max().flatten() } else { None };
    let reason = trouble.map(|trouble| trouble.to_string()).unwrap_or_default();
    // A Pod that waits for an image counts as one that works on it: its run says why it does not go on.
    let stage = if stage == Stage::Waiting && !reason.is_empty() { Stage::Running } else { stage };
    let started = time(pod, "/status/startTime");
    Task {
        pods: vec![name.clone()],
        name,
        standing: Standing { stage, started, finished, reason },
        steps,
        results: Vec::new(),
    }
}

fn step(pod: &Value, container: String) -> Step {
    let lists = ["/status/initContainerStatuses", "/status/containerStatuses"];
    let mut statuses = lists.into_iter().filter_map(|list| pod.pointer(list)?.as_array()).flatten();
    let status = statuses.find(|status| status["name"] == *container);
    let state = |name: &str| status.and_then(|status| status["state"].get(name));
    let standing = match (state("terminated"), state("running"), state("waiting")) {
        (Some(ended), ..) => {
            let reason = words::of_ending(ended, Object(ended).text("/reason"), "");
            let stage = if reason.is_some() { Stage::Failed } else { Stage::Succeeded };
            let (started, finished) = (time(ended, "/startedAt"), time(ended, "/finishedAt"));
            Standing { stage, started, finished, reason: reason.unwrap_or_default() }
        }
        (None, Some(running), _) => {
            let started = time(running, "/startedAt");
            Standing { stage: Stage::Running, started, finished: None, reason: String::new() }
        }
        (None, None, waiting) => {
            let image = status.map_or("", |status| Object(status).text("/image"));
            let reason = waiting.and_then(|waiting| words::of_waiting(waiting, image)).unwrap_or_default();
            Standing { stage: Stage::Waiting, started: None, finished: None, reason }
        }
    };
    Step { name: container, standing }
}
