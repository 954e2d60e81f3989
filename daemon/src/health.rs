//! Health as people read it: owned objects from the index, workloads that are not well with the reason from their Pods.
//!
//! Pods are not owned objects. Those of a workload are watched only while it is not healthy.

use std::sync::PoisonError;

use plumb_cluster::pods;
use plumb_core::{
    desired::Desired,
    environment::EnvironmentName,
    health::{HealthStatus, pod},
    live::Live,
    object::ObjectKey,
    plan::wait::{Wait, counts},
};
use serde_json::Value;

use crate::context::Context;

/// A workload that is not healthy, and how to find its Pods.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Workload {
    pub(crate) key: ObjectKey,
    pub(crate) namespace: String,
    /// A label selector, as in URLs.
    pub(crate) selector: String,
}

/// Returns the environment's workloads that are not healthy.
pub(crate) fn unhealthy(desired: &Desired, live: &Live) -> Vec<Workload> {
    let sick = desired.objects.values().filter(|object| {
        let found = live.objects.get(&object.key);
        found.is_some_and(|live| matches!(live.health.status, HealthStatus::InProgress | HealthStatus::Failed))
    });
    sick.filter_map(|object| {
        let namespace = object.key.namespace.clone()?;
        let selector = selector(&object.key, &object.manifest)?;
        Some(Workload { key: object.key.clone(), namespace, selector })
    })
    .collect()
}

/// Returns the selector of a workload's Pods; nothing for kinds that have none.
pub(crate) fn selector(key: &ObjectKey, manifest: &Value) -> Option<String> {
    match (key.group.as_str(), key.kind.as_str()) {
        // The API server makes a Job's selector itself.
        ("batch", "Job") => Some(format!("batch.kubernetes.io/job-name={}", key.name)),
        _ if pods::explains(key) => pods::selector(manifest),
        _ => None,
    }
}

/// Returns the health of every desired object that is there, each with a sentence, which says so where others wait for it.
pub(crate) fn sentences(
    context: &Context,
    name: &EnvironmentName,
    desired: &Desired,
    live: &Live,
    wait: Option<&Wait>,
) -> Vec<(HealthStatus, String)> {
    let troubles = context.troubles.lock().unwrap_or_else(PoisonError::into_inner);
    let known = desired.objects.keys().filter(|key| counts(key)).filter_map(|key| live.objects.get(key));
    known
        .map(|live| {
            let of_pods = troubles.get(&(name.clone(), live.key.clone())).map(Vec::as_slice).unwrap_or_default();
            let sentence = pod::explain(&live.key, &live.health, of_pods);
            let wait =
                wait.filter(|wait| wait.awaited.contains(&live.key) && live.health.status != HealthStatus::Current);
            let sentence = wait.map_or(sentence.clone(), |wait| format!("{wait} waits for {sentence}"));
            (live.health.status, sentence)
        })
        .collect()
}
