//! One `TaskRun` with its Pod: whether it failed, at which step, and what it waits for.

use jiff::Timestamp;
use serde_json::Value;

use super::{Said, bounded, changed, created, held_up, reason, time};
use crate::{
    health::object::Object,
    trigger::run::{Outcome, Wait},
};

/// Exit codes above it mean that a signal ended the process (as shells count).
const SIGNALS: i64 = 128;

/// One `TaskRun`.
pub(super) struct Task<'a> {
    run: Object<'a>,
    pod: Option<Object<'a>>,
    said: Said<'a>,
}

impl<'a> Task<'a> {
    pub(super) fn new(run: Object<'a>, pod: Option<Object<'a>>) -> Self {
        Self { run, pod, said: Said::of(run) }
    }

    /// Returns what its Pipeline calls it; one that is of no Pipeline is called by its own name.
    pub(super) fn name(&self) -> &'a str {
        let in_pipeline = self.run.text("/metadata/labels/tekton.dev~1pipelineTask");
        if in_pipeline.is_empty() { self.run.text("/metadata/name") } else { in_pipeline }
    }

    pub(super) fn finished(&self) -> Option<Timestamp> {
        time(self.run, "/status/completionTime")
    }

    /// Returns whether it had not ended by itself.
    pub(super) fn was_cut(&self) -> bool {
        self.said.status != "True" && matches!(self.said.reason, reason::TASK_CANCELLED | reason::TASK_TIMEOUT)
    }

    /// Returns how it failed, in words; nothing if it did not, or if that is to be overlooked.
    pub(super) fn failure(&self) -> Option<(Outcome, String)> {
        if self.said.status != "False" || self.said.reason == reason::IGNORED {
            return None;
        }
        let Said { reason, message, .. } = self.said;
        let lost = self.pod.and_then(lost);
        let outcome = match reason::of_task_run(reason, message) {
            Outcome::Failed if lost.is_some() && reason != reason::TASK_TIMEOUT => Outcome::Infrastructure,
            outcome => outcome,
        };
        let step = self.step().filter(|_| outcome == Outcome::Failed && reason != reason::TASK_TIMEOUT);
        let what = match (step, lost) {
            (_, Some(lost)) if outcome == Outcome::Infrastructure => format!(": {lost}"),
            (Some(step), _) => format!(", {step}"),
            (None, _) => format!(": {}", self.said.words()),
        };
        let tries = self.run.at("/status/retriesStatus").and_then(Value::as_array).map_or(0, Vec::len);
        let tries = if tries > 0 { format!(" (after {tries} retries)") } else { String::new() };
        Some((outcome, bounded(&format!("task {}{what}{tries}", self.name()))))
    }

    /// Returns the first step that failed, and how: those behind it are said to have failed, too, since they were not begun.
    fn step(&self) -> Option<String> {
        let steps = self.run.at("/status/steps")?.as_array()?;
        steps.iter().map(Object).find_map(|step| {
            let ended = Object(step.at("/terminated")?);
            let code = ended.at("/exitCode").and_then(Value::as_i64)?;
            if code == 0 {
                return None;
            }
            let how = match ended.text("/reason") {
                "OOMKilled" => "out of memory".to_owned(),
                _ if self.said.reason == "StepOOM" => "out of memory".to_owned(),
                _ if code > SIGNALS => format!("exit code {code} (signal {})", code - SIGNALS),
                _ => format!("exit code {code}"),
            };
            Some(format!("step {}: {how}", step.text("/name")))
        })
    }

    /// Returns what it waits for, if it has not ended and does not get on.
    pub(super) fn waits(&self) -> Option<Wait> {
        if matches!(self.said.status, "True" | "False") {
            return None;
        }
        let prefixed = |wait: Wait| Wait { what: bounded(&format!("task {}: {}", self.name(), wait.what)), ..wait };
        if let Some(wait) = self.pod.and_then(held_up) {
            return Some(prefixed(wait));
        }
        if !reason::waits(self.said.reason) {
            return None;
        }
        let since = changed(self.run, "Succeeded").or_else(|| created(self.run))?;
        Some(prefixed(Wait { since, what: self.said.words() }))
    }
}

/// Returns what ended a Pod that did not end by itself.
pub(super) fn lost(pod: Object<'_>) -> Option<String> {
    let (reason, message) = (pod.text("/status/reason"), pod.text("/status/message"));
    let told = |reason: &str, message: &str| {
        let message = if message.is_empty() { String::new() } else { format!(", {}", message.trim_end_matches('.')) };
        format!("Pod {}: {reason}{message}", pod.text("/metadata/name"))
    };
    if reason::is_own_eviction(message) {
        return None;
    }
    if reason::is_of_nodes(reason, message) {
        return Some(told(reason, message));
    }
    let disrupted =
        pod.condition("DisruptionTarget").filter(|found| found.holds() && pod.text("/status/phase") == "Failed")?;
    Some(told(disrupted.reason, disrupted.message))
}
