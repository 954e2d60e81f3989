//! One run as it is in the cluster, with what was made of it.

use plumb_api::{PipelineTrigger, trigger::BuildStatus};
use plumb_cluster::{cluster::Precondition, error::ApiError, resources};
use plumb_core::{
    object::ObjectKey,
    trigger::{
        anatomy::{self, Anatomy, PIPELINE_RUN},
        manifest::CANCELLED,
        name::{TRIGGER, TriggerName},
        run::RunKind,
    },
};
use serde_json::Value;

use super::{KINDS, kind, listing, pods};
use crate::cli::{connection::Session, error::CliError};

/// The label by which Kubernetes says of which Job a Pod is.
const JOB_NAME: &str = "batch.kubernetes.io/job-name";

/// A run as it was last read.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Live {
    /// Namespace and name of the run.
    pub(in crate::cli) name: TriggerName,
    pub(in crate::cli) kind: RunKind,
    pub(in crate::cli) object: Value,
    /// TaskRuns of a PipelineRun, Pods of a Job.
    pub(in crate::cli) parts: Vec<Value>,
}

/// Reads a run and what was made of it.
pub(in crate::cli) async fn find(session: &Session, name: &TriggerName) -> Result<Live, CliError> {
    let mut refused = None;
    let mut foreign = None;
    for of in KINDS {
        match session.cluster.get(&kind(of), &key(of, name)).await {
            Ok(Some(object)) if object["metadata"]["labels"].get(TRIGGER).is_some() => {
                let parts = parts(session, of, name, &object).await?;
                return Ok(Live { name: name.clone(), kind: of, object, parts });
            }
            Ok(Some(_)) => foreign = Some(of),
            Ok(None) | Err(ApiError::NotServed { .. }) => {}
            Err(error @ ApiError::Forbidden { .. }) => refused = Some(error),
            Err(error) => return Err(error.into()),
        }
    }
    match (foreign, refused) {
        (Some(of), _) => Err(CliError::NotByTrigger { object: key(of, name).to_string() }),
        (None, Some(error)) => Err(error.into()),
        (None, None) => Err(missing(session, name).await),
    }
}

/// Returns the key of a run.
pub(in crate::cli) fn key(of: RunKind, name: &TriggerName) -> ObjectKey {
    let gvk = kind(of).gvk;
    ObjectKey { group: gvk.group, kind: gvk.kind, namespace: Some(name.namespace.clone()), name: name.name.clone() }
}

async fn parts(session: &Session, of: RunKind, name: &TriggerName, run: &Value) -> Result<Vec<Value>, CliError> {
    let (parts, label) = match of {
        RunKind::PipelineRun => (kind(RunKind::TaskRun), PIPELINE_RUN),
        RunKind::TaskRun => return Ok(Vec::new()),
        RunKind::Job => (pods(), JOB_NAME),
    };
    let selector = format!("{label}={}", name.name);
    let found = session.cluster.list(&parts, Some(&name.namespace), Some(&selector)).await?;
    // A label says what it likes, and a run of the same name may have been there before.
    Ok(found.into_iter().filter(|part| is_owned(part, run)).collect())
}

fn is_owned(part: &Value, run: &Value) -> bool {
    let owners = part["metadata"]["ownerReferences"].as_array().into_iter().flatten();
    owners.into_iter().any(|owner| owner["uid"].is_string() && owner["uid"] == run["metadata"]["uid"])
}

/// Returns the error for a run that is not there, with what is known of it all the same.
async fn missing(session: &Session, name: &TriggerName) -> CliError {
    let triggers =
        resources::list::<PipelineTrigger>(&session.cluster, Some(&name.namespace)).await.unwrap_or_default();
    let remembered = triggers.iter().find_map(|trigger| Some((super::name(trigger), remembered(trigger, &name.name)?)));
    if let Some((trigger, build)) = remembered {
        return CliError::RunGone { name: name.clone(), trigger, end: end(&build) };
    }
    let known = listing::names(session, &name.namespace).await;
    CliError::NoRun { name: name.clone(), known }
}

/// Returns what the status of a trigger keeps of a run.
fn remembered(trigger: &PipelineTrigger, run: &str) -> Option<BuildStatus> {
    let components = trigger.status.as_ref()?.components.iter();
    let builds = components.flat_map(|component| [&component.last_attempted, &component.last_succeeded]).flatten();
    builds.into_iter().find(|build| build.run.as_deref() == Some(run)).cloned()
}

/// Says how a build ended.
fn end(build: &BuildStatus) -> String {
    let BuildStatus { outcome, finished, message, .. } = build;
    let Some(outcome) = outcome else { return "its end is not known yet".to_owned() };
    let at = finished.as_ref().map(|at| format!(" at {at}")).unwrap_or_default();
    let why = if message.is_empty() { String::new() } else { format!(": {message}") };
    format!("{outcome}{at}{why}")
}

impl Live {
    /// Reads it anew; nothing if it is gone, or another one has its name.
    pub(in crate::cli) async fn again(&self, session: &Session) -> Result<Option<Self>, CliError> {
        let Self { name, kind: of, .. } = self;
        let Some(object) = session.cluster.get(&kind(*of), &key(*of, name)).await? else { return Ok(None) };
        if object["metadata"]["uid"] != self.object["metadata"]["uid"] {
            return Ok(None);
        }
        let parts = parts(session, *of, name, &object).await?;
        Ok(Some(Self { name: name.clone(), kind: *of, object, parts }))
    }

    /// Takes it apart.
    pub(in crate::cli) fn anatomy(&self) -> Anatomy {
        let mut anatomy = anatomy::of(self.kind, &self.object, &self.parts);
        blame(&mut anatomy.standing, &self.object);
        anatomy
    }

    /// Returns the state that was read, for a write.
    pub(in crate::cli) fn state(&self) -> Precondition {
        Precondition::of(&self.object)
    }
}

/// Says who ended a run, where it says so itself.
pub(super) fn blame(standing: &mut anatomy::Standing, run: &Value) {
    let by = run["metadata"]["annotations"][CANCELLED].as_str();
    if let Some(by) = by.filter(|_| standing.stage == anatomy::Stage::Cancelled) {
        standing.reason = by.to_owned();
    }
}
