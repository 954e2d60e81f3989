//! One `batch/v1` Job with its Pods.

use serde_json::Value;

use super::{began, bounded, changed, held_up, task, time};
use crate::{
    health::{object::Object, pod::pod_trouble},
    trigger::{
        manifest::CANCELLED,
        run::{End, Outcome, State},
    },
};

/// Conditions that say how a Job ended.
const ENDS: [(&str, bool); 4] =
    [("Complete", true), ("SuccessCriteriaMet", true), ("Failed", false), ("FailureTarget", false)];

/// Returns how far a Job is.
pub(super) fn read(job: Object<'_>, pods: &[Object<'_>]) -> State {
    let holds = |kind: &str| job.condition(kind).is_some_and(|condition| condition.holds());
    if let Some((kind, succeeded)) = ENDS.into_iter().find(|(kind, _)| holds(kind)) {
        let (outcome, message) = if succeeded { (Outcome::Succeeded, String::new()) } else { failure(job, kind, pods) };
        let finished = time(job, "/status/completionTime").or_else(|| changed(job, kind));
        return State::Ended(End {
            started: time(job, "/status/startTime"),
            finished: finished.unwrap_or_else(|| began(job)),
            outcome,
            message: bounded(&message),
        });
    }
    if job.at("/spec/suspend").and_then(Value::as_bool).unwrap_or_default() {
        return State::Pending("spec.suspend is true".to_owned());
    }
    if job.text("/status/startTime").is_empty() {
        return State::Pending(String::new());
    }
    let at_work = pods.iter().any(|pod| pod.text("/status/phase") == "Running");
    let waits = if at_work { None } else { pods.iter().find_map(|pod| held_up(*pod)) };
    State::Running { since: began(job), waits }
}

/// Whose fault it was says the last Pod that failed: earlier ones were tried again.
fn failure(job: Object<'_>, kind: &str, pods: &[Object<'_>]) -> (Outcome, String) {
    let said = job.condition(kind);
    let (reason, message) = said.map_or(("", ""), |said| (said.reason, said.message));
    // Its deadline is how plumb ends one.
    let cancelled = job.0["metadata"]["annotations"][CANCELLED].as_str();
    if let Some(why) = cancelled.filter(|_| reason == "DeadlineExceeded") {
        return (Outcome::Cancelled, why.to_owned());
    }
    if reason == "DeadlineExceeded" {
        return (Outcome::Failed, format!("timed out: {message}"));
    }
    let failed = pods.iter().filter(|pod| pod.text("/status/phase") == "Failed");
    let last = failed.max_by_key(|pod| (pod.text("/metadata/creationTimestamp"), pod.text("/metadata/name")));
    let Some(last) = last else { return (Outcome::Failed, format!("{reason}: {message}")) };
    if let Some(lost) = task::lost(*last) {
        return (Outcome::Infrastructure, lost);
    }
    let name = last.text("/metadata/name");
    match pod_trouble(last.0) {
        Some(trouble) => (Outcome::Failed, format!("Pod {name}: {trouble}")),
        None => (Outcome::Failed, format!("Pod {name}: {reason}, {message}")),
    }
}
