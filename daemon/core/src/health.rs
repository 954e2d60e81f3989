//! How well an object is, as kstatus of kubernetes-sigs/cli-utils judges it, in plain words.
//!
//! Owns: the verdict of one object by itself. Must never do: wait, or look at a second object; the Pods of a workload
//! explain its verdict (`pod`), they do not change it.
//!
//! Departures from kstatus: a running Job is `InProgress` until it completes, and a load balancer without an address
//! is, since people who wait for health wait for exactly that.

pub mod pod;
mod storage;
#[cfg(test)]
mod tests;
mod workload;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{health::pod::pod, object::Gvk};

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
}

impl Health {
    fn new(status: HealthStatus, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
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

/// Returns how well an object is.
pub fn health(object: &Value) -> Health {
    let object = Object(object);
    if object.at("/metadata/deletionTimestamp").is_some() {
        let finalizers = object.at("/metadata/finalizers").and_then(Value::as_array).map_or(0, Vec::len);
        let message = match finalizers {
            0 => "is being deleted".to_owned(),
            1 => "is being deleted, 1 finalizer is left".to_owned(),
            n => format!("is being deleted, {n} finalizers are left"),
        };
        return Health::new(HealthStatus::Terminating, message);
    }
    if object.at("/status/conditions").is_some_and(|conditions| !conditions.is_array() && !conditions.is_null()) {
        return Health::new(HealthStatus::Unknown, "its conditions are not a list");
    }
    unobserved(object)
        .or_else(|| object.held_by("Stalled").map(Health::failed))
        .or_else(|| object.held_by("Reconciling").map(Health::in_progress))
        .unwrap_or_else(|| of_kind(object))
}

fn unobserved(object: Object<'_>) -> Option<Health> {
    let observed = object.at("/status/observedGeneration")?.as_i64()?;
    let generation = object.at("/metadata/generation")?.as_i64()?;
    (observed != generation).then(|| Health::in_progress("its controller has not seen the latest change yet"))
}

fn of_kind(object: Object<'_>) -> Health {
    let gvk = Gvk::new(object.text("/apiVersion"), object.text("/kind"));
    match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("apps", "Deployment") => workload::deployment(object),
        ("apps", "StatefulSet") => workload::stateful_set(object),
        ("apps", "DaemonSet") => workload::daemon_set(object),
        ("apps", "ReplicaSet") | ("", "ReplicationController") => workload::replica_set(object),
        ("batch", "Job") => workload::job(object),
        ("batch", "CronJob") => workload::cron_job(object),
        ("", "Pod") => pod(object.0),
        ("", "Service") => service(object),
        ("", "Namespace") => Health::current("exists"),
        ("", "PersistentVolumeClaim") => storage::claim(object),
        ("", "PersistentVolume") => storage::volume(object),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => custom_resource_definition(object),
        ("apiregistration.k8s.io", "APIService") => api_service(object),
        ("autoscaling", "HorizontalPodAutoscaler") => autoscaler(object),
        ("policy", "PodDisruptionBudget") => Health::current("exists"),
        _ => by_ready_condition(object),
    }
}

fn by_ready_condition(object: Object<'_>) -> Health {
    match object.condition("Ready") {
        None => Health::current("exists"),
        Some(ready) if ready.status == "True" => Health::current("ready"),
        Some(ready) => Health::in_progress(format!("not ready{}", ready.because())),
    }
}

fn service(object: Object<'_>) -> Health {
    let addresses = object.at("/status/loadBalancer/ingress").and_then(Value::as_array);
    if object.text("/spec/type") == "LoadBalancer" && addresses.is_none_or(Vec::is_empty) {
        return Health::in_progress("the load balancer has no address yet");
    }
    Health::current("exists")
}

fn custom_resource_definition(object: Object<'_>) -> Health {
    if let Some(refused) = object.condition("NamesAccepted").filter(|condition| condition.status == "False") {
        return Health::failed(format!("its names are not accepted{}", refused.because()));
    }
    match object.condition("Established") {
        Some(established) if established.status == "True" => Health::current("established"),
        Some(established) if established.status == "False" && established.reason != "Installing" => {
            Health::failed(format!("not established{}", established.because()))
        }
        _ => Health::in_progress("not established yet"),
    }
}

fn api_service(object: Object<'_>) -> Health {
    match object.condition("Available") {
        Some(available) if available.status == "True" => Health::current("available"),
        Some(available) => Health::in_progress(format!("not available{}", available.because())),
        None => Health::in_progress("not available yet"),
    }
}

fn autoscaler(object: Object<'_>) -> Health {
    for (kind, what) in [("AbleToScale", "cannot scale"), ("ScalingActive", "does not scale")] {
        let Some(condition) = object.condition(kind) else { continue };
        // Scaling is disabled on purpose while the target has zero replicas.
        if condition.status == "False" && condition.reason != "ScalingDisabled" {
            return Health::in_progress(format!("{what}{}", condition.because()));
        }
    }
    Health::current("exists")
}

/// A JSON object with the few ways of looking into it that verdicts need.
#[derive(Clone, Copy)]
struct Object<'a>(&'a Value);

/// One entry of `status.conditions`.
struct Condition<'a> {
    status: &'a str,
    reason: &'a str,
    message: &'a str,
}

impl<'a> Object<'a> {
    fn at(self, pointer: &str) -> Option<&'a Value> {
        self.0.pointer(pointer)
    }

    fn text(self, pointer: &str) -> &'a str {
        self.at(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// Returns a count; the API server leaves out those that are 0.
    fn count(self, pointer: &str) -> i64 {
        self.at(pointer).and_then(Value::as_i64).unwrap_or_default()
    }

    fn condition(self, kind: &str) -> Option<Condition<'a>> {
        let conditions = self.at("/status/conditions")?.as_array()?;
        let found = conditions.iter().find(|condition| condition.get("type").is_some_and(|found| found == kind))?;
        let text = |name: &str| found.get(name).and_then(Value::as_str).unwrap_or_default();
        Some(Condition { status: text("status"), reason: text("reason"), message: text("message") })
    }

    /// Returns why the object is held up, if the condition says that it is.
    fn held_by(self, kind: &str) -> Option<String> {
        let condition = self.condition(kind).filter(|condition| condition.status == "True")?;
        Some(format!("{}{}", kind.to_lowercase(), condition.because()))
    }
}

impl Condition<'_> {
    /// Returns `: reason, message` with what of both is there.
    fn because(&self) -> String {
        let parts: Vec<&str> =
            [self.reason, self.message.trim_end_matches('.')].into_iter().filter(|part| !part.is_empty()).collect();
        if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) }
    }
}
