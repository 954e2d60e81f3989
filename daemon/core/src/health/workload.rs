//! Verdicts of workloads: how many Pods there should be, and how many of them are as they should be.

use serde_json::Value;

use crate::health::{
    Health, HealthStatus,
    object::{Condition, Object},
};

/// Returns the verdict, unless it is that all is well although the controller has yet to see the object: an object that
/// was just made counts nothing, and so misses nothing.
pub(super) fn seen(object: Object<'_>, health: Health) -> Health {
    if health.status == HealthStatus::Current && object.at("/status/observedGeneration").is_none() {
        return Health::in_progress("its controller has not seen it yet");
    }
    health
}

pub(super) fn deployment(object: Object<'_>) -> Health {
    let progressing = object.condition("Progressing");
    if let Some(failed) = progressing.as_ref().filter(|condition| condition.reason == "ProgressDeadlineExceeded") {
        return Health::failed(format!("{}{}", ready(object), failed.because()));
    }
    if let Some(failed) = object.condition("ReplicaFailure").filter(Condition::holds) {
        return Health::in_progress(format!("{}{}", ready(object), failed.because()));
    }
    let wanted = wanted(object);
    let updated = object.count("/status/updatedReplicas");
    let health = rollout(object, wanted, updated, object.count("/status/availableReplicas"));
    if let Some(waiting) = health {
        let paused = object.at("/spec/paused").is_some_and(|paused| paused == true);
        return if paused { Health::in_progress(format!("paused, {}", waiting.message)) } else { waiting };
    }
    // Not reported by every controller: the counts decide where the condition is missing.
    if let Some(waiting) = object.condition("Available").filter(|condition| condition.status != "True") {
        return Health::in_progress(format!("not available{}", waiting.because()));
    }
    Health::current(ready(object))
}

pub(super) fn replica_set(object: Object<'_>) -> Health {
    if let Some(failed) = object.condition("ReplicaFailure").filter(Condition::holds) {
        return Health::in_progress(format!("{}{}", ready(object), failed.because()));
    }
    let replicas = object.count("/status/replicas");
    rollout(object, wanted(object), replicas, object.count("/status/availableReplicas"))
        .unwrap_or_else(|| Health::current(ready(object)))
}

pub(super) fn stateful_set(object: Object<'_>) -> Health {
    let wanted = wanted(object);
    let updated = object.count("/status/updatedReplicas");
    if object.text("/spec/updateStrategy/type") != "OnDelete"
        && object.text("/status/updateRevision") != object.text("/status/currentRevision")
    {
        let partition = object.count("/spec/updateStrategy/rollingUpdate/partition");
        let due = (wanted - partition).max(0);
        if updated < due {
            return Health::in_progress(format!("{updated} of {due} updated"));
        }
    }
    let replicas = object.count("/status/replicas");
    let ready_replicas = object.count("/status/readyReplicas");
    // Servers before 1.22 do not count those that are ready long enough.
    let available = object.at("/status/availableReplicas").and_then(Value::as_i64).unwrap_or(ready_replicas);
    rollout(object, wanted, replicas, available).unwrap_or_else(|| Health::current(ready(object)))
}

pub(super) fn daemon_set(object: Object<'_>) -> Health {
    if object.at("/status/desiredNumberScheduled").is_none() {
        return Health::in_progress("its nodes are not counted yet");
    }
    let wanted = object.count("/status/desiredNumberScheduled");
    let ready = object.count("/status/numberReady");
    let updated = object.count("/status/updatedNumberScheduled");
    if ready < wanted {
        return Health::in_progress(format!("{ready} of {wanted} ready"));
    }
    if updated < wanted && object.text("/spec/updateStrategy/type") != "OnDelete" {
        return Health::in_progress(format!("{updated} of {wanted} updated"));
    }
    let available = object.count("/status/numberAvailable");
    if available < wanted {
        return Health::in_progress(format!("{available} of {wanted} available"));
    }
    Health::current(format!("{ready} of {wanted} ready"))
}

pub(super) fn job(object: Object<'_>) -> Health {
    let holds = |kind: &str| object.condition(kind).filter(Condition::holds);
    if let Some(failed) = holds("Failed") {
        return Health::failed(format!("failed{}", failed.because()));
    }
    if holds("Complete").is_some() {
        return Health::current("completed");
    }
    // The verdict is made; the last Pods are still going.
    if let Some(failing) = holds("FailureTarget") {
        return Health::in_progress(format!("failing{}", failing.because()));
    }
    if object.at("/spec/suspend").is_some_and(|suspend| suspend == true) {
        return Health::current("suspended");
    }
    if object.at("/status/startTime").is_none() {
        return Health::in_progress("not started yet");
    }
    let wanted = object.at("/spec/completions").and_then(Value::as_i64).unwrap_or(1);
    let failed = match object.count("/status/failed") {
        0 => String::new(),
        failed => format!(", {failed} attempts failed"),
    };
    Health::in_progress(format!("{} of {wanted} completed{failed}", object.count("/status/succeeded")))
}

pub(super) fn cron_job(object: Object<'_>) -> Health {
    let suspended = object.at("/spec/suspend").is_some_and(|suspend| suspend == true);
    Health::current(if suspended { "suspended" } else { "scheduled" })
}

/// Returns what is still missing: Pods that are ready, of the new template, available, and gone.
fn rollout(object: Object<'_>, wanted: i64, updated: i64, available: i64) -> Option<Health> {
    let replicas = object.count("/status/replicas");
    if object.count("/status/readyReplicas") < wanted {
        return Some(Health::in_progress(ready(object)));
    }
    if updated < wanted {
        return Some(Health::in_progress(format!("{updated} of {wanted} updated")));
    }
    if replicas > wanted {
        let extra = replicas - wanted;
        return Some(Health::in_progress(format!("{} ready, {extra} more still to go", of(wanted, wanted))));
    }
    (available < wanted).then(|| Health::in_progress(format!("{} available", of(available, wanted))))
}

/// Returns `0 of 3 ready`.
fn ready(object: Object<'_>) -> String {
    format!("{} ready", of(object.count("/status/readyReplicas"), wanted(object)))
}

fn of(have: i64, wanted: i64) -> String {
    format!("{have} of {wanted}")
}

/// Returns the number of Pods asked for; a workload that does not say asks for one.
fn wanted(object: Object<'_>) -> i64 {
    object.at("/spec/replicas").and_then(Value::as_i64).unwrap_or(1)
}
