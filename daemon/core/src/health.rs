//! How well an object is, as kstatus of kubernetes-sigs/cli-utils judges it, in plain words.
//!
//! Owns: the verdict of one object by itself. Must never do: wait, or look at a second object; the Pods of a workload
//! explain its verdict (`pod`), they do not change it.
//!
//! Departures from kstatus: a running Job is `InProgress` until it completes, and a load balancer without an address
//! is, since people who wait for health wait for exactly that.

mod cluster;
pub mod expression;
pub(crate) mod object;
pub mod pod;
pub mod rules;
mod storage;
#[cfg(test)]
mod tests;
mod workload;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::object::Gvk;
use object::Object;
use rules::Rules;

/// Finalizers named of an object that is being deleted.
const FINALIZERS_TOLD: usize = 3;

/// The conditions that kstatus knows on any object.
const STANDARD: [&str; 3] = ["Stalled", "Reconciling", "Ready"];

/// Conditions by which namespaces and definitions say what keeps them from going.
const WHILE_DELETED: [&str; 5] = [
    "NamespaceDeletionDiscoveryFailure",
    "NamespaceDeletionContentFailure",
    "NamespaceContentRemaining",
    "NamespaceFinalizersRemaining",
    "Terminating",
];

/// The verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum HealthStatus {
    /// It is what its specification says.
    Current,
    /// Its controller is still at work.
    InProgress,
    /// Its controller has given up, or says that it cannot succeed.
    Failed,
    /// It is being deleted.
    Terminating,
    /// It can't be judged.
    Unknown,
}

impl HealthStatus {
    /// Returns the closed label value of metrics and status counts.
    pub fn label(self) -> &'static str {
        match self {
            Self::Current => "Current",
            Self::InProgress => "InProgress",
            Self::Failed => "Failed",
            Self::Terminating => "Terminating",
            Self::Unknown => "Unknown",
        }
    }
}

/// The verdict with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// The verdict.
    pub status: HealthStatus,
    /// Why, as part of a sentence: no capital letter of its own, no full stop.
    pub message: String,
    /// Whether its controller has yet to see the latest change: what its Pods say may be about an older one.
    #[serde(default)]
    pub unseen: bool,
}

impl Health {
    fn new(status: HealthStatus, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), unseen: false }
    }

    fn current(message: impl Into<String>) -> Self {
        Self::new(HealthStatus::Current, message)
    }

    fn in_progress(message: impl Into<String>) -> Self {
        Self::new(HealthStatus::InProgress, message)
    }

    fn failed(message: impl Into<String>) -> Self {
        Self::new(HealthStatus::Failed, message)
    }
}

/// Returns how well an object is: by the rule of its environment for its kind, else by what is known of the kind.
pub fn health(object: &Value, rules: &Rules) -> Health {
    let object = Object(object);
    if object.at("/metadata/deletionTimestamp").is_some() {
        return terminating(object);
    }
    if let Some(unseen) = unobserved(object) {
        return unseen;
    }
    let gvk = Gvk::new(object.text("/apiVersion"), object.text("/kind"));
    if let Some(rule) = rules.find(&gvk) {
        return rule.judge(object.0);
    }
    if object.at("/status/conditions").is_some_and(|conditions| !conditions.is_array() && !conditions.is_null()) {
        return Health::new(HealthStatus::Unknown, "its conditions are not a list");
    }
    object
        .held_by("Stalled")
        .map(Health::failed)
        .or_else(|| object.held_by("Reconciling").map(Health::in_progress))
        .unwrap_or_else(|| of_kind(object, &gvk))
}

/// Says what keeps an object that is being deleted: finalizers, and what controllers say of it.
fn terminating(object: Object<'_>) -> Health {
    let finalizers = object.at("/metadata/finalizers").and_then(Value::as_array).into_iter().flatten();
    // A namespace's finalizer stands in its specification.
    let of_spec = object.at("/spec/finalizers").and_then(Value::as_array).into_iter().flatten();
    let held: Vec<&str> = finalizers.chain(of_spec).filter_map(Value::as_str).collect();
    let mut message = "is being deleted".to_owned();
    match held.len() {
        0 => {}
        n if n <= FINALIZERS_TOLD => message.push_str(&format!(", held by {}", held.join(", "))),
        n => {
            let told = held[..FINALIZERS_TOLD].join(", ");
            message.push_str(&format!(", held by {told} and {} more", n - FINALIZERS_TOLD));
        }
    }
    for condition in WHILE_DELETED.iter().filter_map(|kind| object.condition(kind)) {
        if condition.status == "True" && !condition.message.is_empty() {
            message.push_str(&format!(": {}", condition.message.trim_end_matches('.')));
        }
    }
    Health::new(HealthStatus::Terminating, message)
}

/// Says whether the controller has yet to see the latest change, by its own word: `status` may speak of an older one.
fn unobserved(object: Object<'_>) -> Option<Health> {
    let number = |pointer: &str| object.at(pointer).and_then(Value::as_i64);
    let (generation, observed) = (number("/metadata/generation"), number("/status/observedGeneration"));
    let behind = matches!((observed, generation), (Some(observed), Some(generation)) if observed != generation);
    let outdated = STANDARD.iter().filter_map(|kind| object.condition(kind)).any(|condition| condition.is_outdated);
    let unseen = || Health::in_progress("its controller has not seen the latest change yet");
    (behind || outdated).then(|| Health { unseen: true, ..unseen() })
}

fn of_kind(object: Object<'_>, gvk: &Gvk) -> Health {
    match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("apps", "Deployment") => workload::seen(object, workload::deployment(object)),
        ("apps", "StatefulSet") => workload::seen(object, workload::stateful_set(object)),
        ("apps", "DaemonSet") => workload::seen(object, workload::daemon_set(object)),
        ("apps", "ReplicaSet") | ("", "ReplicationController") => workload::seen(object, workload::replica_set(object)),
        ("batch", "Job") => workload::job(object),
        ("batch", "CronJob") => workload::cron_job(object),
        ("", "Pod") => pod::pod(object),
        ("", "Service") => cluster::service(object),
        ("", "PersistentVolumeClaim") => storage::claim(object),
        ("", "PersistentVolume") => storage::volume(object),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => cluster::definition(object),
        ("apiregistration.k8s.io", "APIService") => cluster::api_service(object),
        ("autoscaling", "HorizontalPodAutoscaler") => cluster::autoscaler(object),
        ("policy", "PodDisruptionBudget") => cluster::disruption_budget(object),
        ("certificates.k8s.io", "CertificateSigningRequest") => cluster::signing_request(object),
        _ => by_ready_condition(object),
    }
}

/// Judges what says only that it is ready, as most operators' objects do; what says nothing is well by existing.
fn by_ready_condition(object: Object<'_>) -> Health {
    match object.condition("Ready") {
        None => Health::current("exists"),
        Some(ready) if ready.holds() => Health::current("ready"),
        Some(ready) => Health::in_progress(format!("not ready{}", ready.because())),
    }
}
