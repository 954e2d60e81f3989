//! What is wrong with a Pod, and how that explains the workload it belongs to.
//!
//! Must never do: find out which Pods belong to a workload; the caller knows by their owners.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    health::{Health, HealthStatus, Object},
    object::ObjectKey,
};

/// Troubles told of one workload: a sentence, not a listing.
const TROUBLES_TOLD: usize = 3;

/// Characters told of a container's message; registries answer with whole pages.
const MESSAGE_TOLD: usize = 120;

/// Reasons for waiting that every Pod passes through.
const ORDINARY: [&str; 2] = ["ContainerCreating", "PodInitializing"];

/// Reasons that are about the image: it is told, their message only repeats it.
const ABOUT_IMAGE: [&str; 4] = ["ErrImageNeverPull", "ErrImagePull", "ImagePullBackOff", "InvalidImageName"];

/// What keeps one Pod from being ready.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Trouble {
    /// Which container; absent if it is the whole Pod.
    pub container: Option<String>,
    /// The reason as Kubernetes spells it, such as `ImagePullBackOff`.
    pub reason: String,
    /// More about it; may be empty.
    pub message: String,
    /// The container's image; empty if it is the whole Pod.
    pub image: String,
}

/// Returns what is wrong with a Pod; nothing if it is well or just starting.
pub fn pod_trouble(pod: &Value) -> Option<Trouble> {
    let object = Object(pod);
    if object.text("/status/phase") == "Succeeded" {
        return None;
    }
    let statuses = ["/status/initContainerStatuses", "/status/containerStatuses"];
    let containers: Vec<&Value> =
        statuses.iter().filter_map(|pointer| object.at(pointer)?.as_array()).flatten().collect();
    let waiting = containers.iter().find_map(|container| waiting(container));
    let found = waiting.or_else(|| containers.iter().find_map(|container| terminated(container)));
    found.or_else(|| whole_pod(object))
}

fn waiting(container: &Value) -> Option<Trouble> {
    let state = container.pointer("/state/waiting")?;
    let reason = state.get("reason")?.as_str().filter(|reason| !ORDINARY.contains(reason))?;
    // A crash loop's own message says how long the pause is; the last end says what happened.
    let message = match container.pointer("/lastState/terminated") {
        Some(last) if reason == "CrashLoopBackOff" => ending(last),
        _ => state.get("message").and_then(Value::as_str).unwrap_or_default().to_owned(),
    };
    Some(trouble(container, reason, message))
}

fn terminated(container: &Value) -> Option<Trouble> {
    let state = container.pointer("/state/terminated")?;
    let failed = state.get("exitCode").and_then(Value::as_i64) != Some(0);
    let reason = state.get("reason").and_then(Value::as_str).filter(|reason| !reason.is_empty()).unwrap_or("Error");
    failed.then(|| trouble(container, reason, ending(state)))
}

fn ending(terminated: &Value) -> String {
    let reason = terminated.get("reason").and_then(Value::as_str).unwrap_or_default();
    let code = terminated.get("exitCode").and_then(Value::as_i64);
    match (reason, code) {
        ("OOMKilled", _) => "out of memory".to_owned(),
        (_, Some(code)) => format!("exit code {code}"),
        (reason, None) => reason.to_owned(),
    }
}

fn trouble(container: &Value, reason: &str, message: String) -> Trouble {
    let text = |name: &str| container.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    Trouble { container: Some(text("name")), reason: reason.to_owned(), message, image: text("image") }
}

fn whole_pod(object: Object<'_>) -> Option<Trouble> {
    let whole = |reason: &str, message: &str| {
        Some(Trouble { container: None, reason: reason.to_owned(), message: message.to_owned(), image: String::new() })
    };
    if object.text("/status/phase") == "Failed" {
        let reason = Some(object.text("/status/reason")).filter(|reason| !reason.is_empty()).unwrap_or("Failed");
        return whole(reason, object.text("/status/message"));
    }
    let unscheduled = object.condition("PodScheduled").filter(|condition| condition.status == "False")?;
    whole(unscheduled.reason, unscheduled.message)
}

/// Returns the verdict of a Pod by itself.
pub(super) fn pod(pod: &Value) -> Health {
    let object = Object(pod);
    let told = pod_trouble(pod).map(|trouble| trouble.to_string());
    let or_told = |otherwise: &str| told.clone().unwrap_or_else(|| otherwise.to_owned());
    match object.text("/status/phase") {
        "Succeeded" => Health::current("completed"),
        "Failed" => Health::failed(or_told("failed")),
        "Running" if object.condition("Ready").is_some_and(|ready| ready.status == "True") => Health::current("ready"),
        "Running" if told.as_deref().is_some_and(|told| told.contains("CrashLoopBackOff")) => {
            Health::failed(or_told("crashing"))
        }
        "Running" => Health::in_progress(or_told("running, not ready yet")),
        "Unknown" => Health::new(HealthStatus::Unknown, "its node does not answer"),
        _ => Health::in_progress(or_told("not running yet")),
    }
}

impl std::fmt::Display for Trouble {
    /// Writes `container app: ImagePullBackOff lab/broken:1`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(container) = &self.container {
            write!(f, "container {container}: ")?;
        }
        f.write_str(&self.reason)?;
        if ABOUT_IMAGE.contains(&self.reason.as_str()) {
            return write!(f, " {}", self.image);
        }
        let message = self.message.trim_end_matches('.');
        match message.char_indices().nth(MESSAGE_TOLD) {
            Some((end, _)) => write!(f, ", {}…", &message[..end]),
            None if message.is_empty() => Ok(()),
            None => write!(f, ", {message}"),
        }
    }
}

/// Returns one sentence about an object and what its Pods suffer from:
/// `Deployment shop/web: 0 of 3 ready, container app: ImagePullBackOff lab/broken:1`.
pub fn explain(key: &ObjectKey, health: &Health, troubles: &[Trouble]) -> String {
    let mut sentence = format!("{key}: {}", health.message);
    // Replicas mostly suffer from the same; one of each is enough, and a Pod's own verdict tells it already.
    let told: BTreeSet<String> =
        troubles.iter().map(ToString::to_string).filter(|told| !health.message.contains(told.as_str())).collect();
    for trouble in told.iter().take(TROUBLES_TOLD) {
        sentence.push_str(", ");
        sentence.push_str(trouble);
    }
    match told.len().saturating_sub(TROUBLES_TOLD) {
        0 => sentence,
        more => sentence + &format!(", and {more} more"),
    }
}
