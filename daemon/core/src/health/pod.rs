//! What is wrong with a Pod, and how that explains the workload it belongs to.
//!
//! What is told comes from the Pod alone: names, reasons, exit codes, and what kubelet, scheduler and a dying container
//! say themselves; never an environment variable or the content of a Secret, which a Pod does not hold.
//! Must never do: find out which Pods belong to a workload; the caller knows by their owners.

mod container;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    health::{
        Health, HealthStatus,
        object::{Condition, Object},
    },
    object::ObjectKey,
    text,
};
use container::Containers;

/// Troubles told of one workload: a sentence, not a listing.
const TROUBLES_TOLD: usize = 3;

/// Characters told of a message: enough for what a scheduler says of three pools of nodes; registries answer with whole
/// pages.
const MESSAGE_TOLD: usize = 240;

/// Reasons that are about the image: it is told, their message only repeats it.
const ABOUT_IMAGE: [&str; 4] = ["ErrImageNeverPull", "ErrImagePull", "ImagePullBackOff", "InvalidImageName"];

/// Ends the scheduler's sentence about this Pod; what follows is about others that might give way.
const SENTENCE_END: &str = ". ";

/// Labels by which a controller tells Pods of one template from those of another: Deployments, and the others.
const OF_TEMPLATE: [&str; 2] = ["/metadata/labels/pod-template-hash", "/metadata/labels/controller-revision-hash"];

/// The part of a Pod that a trouble is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Part {
    /// All of it.
    Pod,
    /// A container that has to end before the others start.
    InitContainer(String),
    /// A container.
    Container(String),
}

/// What keeps one Pod from being ready.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Trouble {
    /// What it is about.
    pub part: Part,
    /// The reason as Kubernetes spells it, such as `ImagePullBackOff`.
    pub reason: String,
    /// More about it; may be empty.
    pub message: String,
    /// The container's image; empty if it is the whole Pod.
    pub image: String,
    /// The template that its Pod was made from, as a label of the Pod names it; empty where none does.
    pub template: String,
}

/// Returns what is wrong with a Pod; nothing if it is well, or on its way.
pub fn pod_trouble(pod: &Value) -> Option<Trouble> {
    let template = OF_TEMPLATE.into_iter().map(|label| Object(pod).text(label)).find(|name| !name.is_empty());
    let found = trouble(Object(pod))?;
    Some(Trouble { template: template.unwrap_or_default().to_owned(), ..found })
}

fn trouble(object: Object<'_>) -> Option<Trouble> {
    if object.text("/status/phase") == "Succeeded" {
        return None;
    }
    let whole = |reason: &str, message: &str| {
        let (reason, message) = (reason.to_owned(), message.to_owned());
        Some(Trouble { part: Part::Pod, reason, message, image: String::new(), template: String::new() })
    };
    if object.at("/metadata/deletionTimestamp").is_some() {
        // Its successor is what counts, unless a node or an eviction keeps it from going.
        let disrupted = object.condition("DisruptionTarget").filter(Condition::holds)?;
        return whole(disrupted.reason, disrupted.message);
    }
    let containers = Containers::of(object);
    if let Some(found) = containers.stuck().or_else(|| containers.ended_badly()) {
        return Some(found);
    }
    if object.text("/status/phase") == "Failed" {
        let reason = Some(object.text("/status/reason")).filter(|reason| !reason.is_empty()).unwrap_or("Failed");
        return whole(reason, object.text("/status/message"));
    }
    if let Some(unscheduled) = object.condition("PodScheduled").filter(|condition| condition.status == "False") {
        let message = unscheduled.message.split(SENTENCE_END).next().unwrap_or_default();
        return whole(unscheduled.reason, message);
    }
    let gate = object.condition("Ready").filter(|ready| ready.reason == "ReadinessGatesNotReady");
    match gate {
        Some(gate) => whole(gate.reason, gate.message),
        None => containers.not_ready(),
    }
}

/// Returns the verdict of a Pod by itself.
pub(super) fn pod(object: Object<'_>) -> Health {
    let trouble = pod_trouble(object.0);
    let told = || trouble.as_ref().map(ToString::to_string);
    let or_told = |otherwise: &str| told().unwrap_or_else(|| otherwise.to_owned());
    match object.text("/status/phase") {
        "Succeeded" => Health::current("completed"),
        "Failed" => Health::failed(or_told("failed")),
        "Running" if object.condition("Ready").is_some_and(|ready| ready.holds()) => Health::current("ready"),
        "Running" if trouble.as_ref().is_some_and(|trouble| trouble.reason == "CrashLoopBackOff") => {
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
        match &self.part {
            Part::Pod => {}
            Part::InitContainer(name) => write!(f, "init container {name}: ")?,
            Part::Container(name) => write!(f, "container {name}: ")?,
        }
        f.write_str(&self.reason)?;
        if ABOUT_IMAGE.contains(&self.reason.as_str()) {
            return write!(f, " {}", self.image);
        }
        let message = self.message.trim_end_matches('.');
        if message.is_empty() { Ok(()) } else { write!(f, ", {}", text::shortened(message, MESSAGE_TOLD)) }
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
