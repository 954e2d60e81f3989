//! Acting on the plan of a trigger: runs are created, ended and removed, with the rights of its service account.
//!
//! Every answer goes into what is known of live runs, so that the next plan sees it. Must never do: create what was not planned,
//! or remove another state of a run than the one that the plan has seen.

use futures::{StreamExt as _, stream};
use plumb_cluster::{
    cluster::{Cluster, Precondition},
    error::ApiError,
};
use plumb_core::class::Class;
use plumb_core::{
    environment::FieldManager,
    kinds::Kind,
    object::{Gvk, ObjectKey},
    operation::Failure,
    trigger::{
        manifest::{self, CANCELLED},
        name::TriggerName,
        plan::Create,
        run::RunKind,
    },
};
use serde_json::{Value, json};

use crate::chain::chain;

use super::Builder;

/// The field manager of runs.
const MANAGER: &str = "plumb-trigger";
/// Runs of one trigger that are created at once: past that the API server gains nothing, and others have their turns.
const AT_ONCE: usize = 16;

/// Returns the kind of runs as they are watched.
pub(super) fn watched(kind: RunKind) -> Kind {
    at_version(kind, None)
}

/// Returns the kind of runs at the version that a manifest is written in; it may differ from the one that is watched.
pub(super) fn at_version(kind: RunKind, api_version: Option<&str>) -> Kind {
    let (api, name, plural) = match kind {
        RunKind::PipelineRun => ("tekton.dev/v1", "PipelineRun", "pipelineruns"),
        RunKind::TaskRun => ("tekton.dev/v1", "TaskRun", "taskruns"),
        RunKind::Job => ("batch/v1", "Job", "jobs"),
    };
    Kind::namespaced(Gvk::new(api_version.unwrap_or(api), name), plural)
}

pub(super) fn key(kind: &Kind, trigger: &TriggerName, name: &str) -> ObjectKey {
    let namespace = Some(trigger.namespace.clone());
    ObjectKey { group: kind.gvk.group.clone(), kind: kind.gvk.kind.clone(), namespace, name: name.to_owned() }
}

/// A run that could not be created.
pub(super) struct Uncreated {
    pub(super) create: Create,
    pub(super) failure: Failure,
    /// As it is written, it never will be.
    pub(super) hopeless: bool,
}

/// Creates runs, and returns those that could not be.
pub(super) async fn create(
    (cluster, builder): (&Cluster, &Builder),
    trigger: &TriggerName,
    kind: RunKind,
    objects: Vec<(Create, Value)>,
) -> Vec<Uncreated> {
    let created = stream::iter(objects).map(|(create, object)| async move {
        let (failure, hopeless) = create_one((cluster, builder), trigger, kind, object).await.err()?;
        Some(Uncreated { create, failure, hopeless })
    });
    created.buffer_unordered(AT_ONCE).filter_map(|failure| async { failure }).collect().await
}

async fn create_one(
    (cluster, builder): (&Cluster, &Builder),
    trigger: &TriggerName,
    kind: RunKind,
    object: Value,
) -> Result<(), (Failure, bool)> {
    let written = at_version(kind, object["apiVersion"].as_str());
    let watched = watched(kind);
    let key = key(&watched, trigger, object["metadata"]["name"].as_str().unwrap_or_default());
    let live = match cluster.create(&written, &key, &object, &FieldManager::new(MANAGER)).await {
        Ok(live) => live,
        // The name says what it builds: it was created before, and the answer was lost.
        Err(ApiError::AlreadyExists { .. }) => match cluster.get(&watched, &key).await {
            Ok(Some(live)) if is_the_same(&live, &object) => live,
            Ok(Some(_)) => {
                let message = format!(
                    "{key} is there already and was not made for this trigger: delete it, or give the trigger another name"
                );
                return Err((Failure { class: Class::Wait, message }, false));
            }
            Ok(None) => {
                let message = format!("{key} went away while it was looked at");
                return Err((Failure { class: Class::Retry, message }, false));
            }
            Err(error) => return Err((failure(&error), false)),
        },
        Err(error) => {
            let hopeless =
                matches!(error, ApiError::Invalid { .. } | ApiError::TooLarge { .. } | ApiError::Denied { .. });
            return Err((failure(&error), hopeless));
        }
    };
    builder.runs.learn(&watched.gvk, live);
    Ok(())
}

/// Returns whether a live run carries the labels and annotations of the one that was to be created.
fn is_the_same(live: &Value, wanted: &Value) -> bool {
    let alike = |field: &str| {
        let wanted = wanted["metadata"][field].as_object().into_iter().flatten();
        let ours = |name: &str| name.starts_with("plumb.dev/");
        wanted.filter(|(name, _)| ours(name)).all(|(name, value)| live["metadata"][field][name] == *value)
    };
    alike("labels") && alike("annotations")
}

/// Asks a run to end, in the words of its kind, and notes why.
///
/// # Errors
/// As every request; one that is gone has ended.
pub(super) async fn cancel(
    (cluster, builder): (&Cluster, &Builder),
    trigger: &TriggerName,
    (kind, name, uid): (RunKind, &str, &str),
    reason: &str,
) -> Result<(), Failure> {
    let watched = watched(kind);
    let key = key(&watched, trigger, name);
    let mut patch = manifest::cancellation(kind);
    patch["metadata"] = json!({ "uid": uid, "annotations": { CANCELLED: reason } });
    match cluster.merge_patch(&watched, &key, &patch, &FieldManager::new(MANAGER)).await {
        Ok(live) => builder.runs.learn(&watched.gvk, live),
        Err(ApiError::NotFound { .. }) => {}
        Err(error) => return Err(failure(&error)),
    }
    Ok(())
}

/// Removes an ended run in the state that the plan has seen; its Pods, volumes and TaskRuns go with it.
///
/// # Errors
/// As every request; one that has changed since is left for the next plan.
pub(super) async fn remove(
    cluster: &Cluster,
    trigger: &TriggerName,
    (kind, name): (RunKind, &str),
    state: &Precondition,
) -> Result<(), Failure> {
    let watched = watched(kind);
    match cluster.delete(&watched, &key(&watched, trigger, name), state).await {
        Ok(_) | Err(ApiError::Stale { .. }) => Ok(()),
        Err(error) => Err(failure(&error)),
    }
}

fn failure(error: &ApiError) -> Failure {
    Failure { class: error.class(), message: chain(error) }
}
