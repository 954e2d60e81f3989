//! What the commands about triggers share: names as a person writes them, and the errors about what is not there.

pub(super) mod listing;
pub(super) mod live;

use std::str::FromStr;

use plumb_api::PipelineTrigger;
use plumb_cluster::resources;
use plumb_core::{
    kinds::Kind,
    name::is_subdomain,
    object::Gvk,
    trigger::{name::TriggerName, run::RunKind},
};

use super::{connection::Session, error::CliError};

/// Names that an error lists when one was not found.
pub(super) const NAMES_LISTED: usize = 10;

/// The kinds of runs, the most frequent first.
pub(super) const KINDS: [RunKind; 3] = [RunKind::PipelineRun, RunKind::TaskRun, RunKind::Job];

/// A trigger or a run as a person wrote it: `NAME` or `NAMESPACE/NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WrittenName {
    namespace: Option<String>,
    name: String,
}

/// A text that is no such name.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no name: write NAME or NAMESPACE/NAME, of lower-case letters, digits, - and .")]
pub(crate) struct InvalidName(String);

impl FromStr for WrittenName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let (namespace, name) = text.split_once('/').map_or((None, text), |(namespace, name)| (Some(namespace), name));
        let valid = namespace.is_none_or(is_subdomain) && is_subdomain(name);
        let (namespace, name) = (namespace.map(str::to_owned), name.to_owned());
        valid.then_some(Self { namespace, name }).ok_or_else(|| InvalidName(text.to_owned()))
    }
}

impl WrittenName {
    /// Returns namespace and name; without one of its own in that of the session.
    pub(super) fn within(&self, session: &Session) -> TriggerName {
        TriggerName::new(self.namespace.as_ref().unwrap_or(&session.namespace), &self.name)
    }
}

/// Returns namespace and name of a trigger.
pub(super) fn name(trigger: &PipelineTrigger) -> TriggerName {
    let metadata = &trigger.metadata;
    TriggerName::new(metadata.namespace.as_deref().unwrap_or_default(), metadata.name.as_deref().unwrap_or_default())
}

/// Returns a trigger, or an error that names those that exist.
pub(super) async fn get(session: &Session, name: &TriggerName) -> Result<PipelineTrigger, CliError> {
    match resources::get::<PipelineTrigger>(&session.cluster, &name.namespace, &name.name).await? {
        Some(found) => Ok(found),
        None => Err(missing(session, name).await),
    }
}

/// Returns the error for a trigger that does not exist.
pub(super) async fn missing(session: &Session, name: &TriggerName) -> CliError {
    let known = resources::list::<PipelineTrigger>(&session.cluster, Some(&name.namespace)).await.unwrap_or_default();
    let known = known.iter().map(|found| self::name(found).name).take(NAMES_LISTED).collect();
    CliError::NoTrigger { name: name.clone(), known }
}

/// Returns a kind of runs as the API server has it.
pub(super) fn kind(kind: RunKind) -> Kind {
    let (api_version, name, plural) = match kind {
        RunKind::PipelineRun => ("tekton.dev/v1", "PipelineRun", "pipelineruns"),
        RunKind::TaskRun => ("tekton.dev/v1", "TaskRun", "taskruns"),
        RunKind::Job => ("batch/v1", "Job", "jobs"),
    };
    Kind::namespaced(Gvk::new(api_version, name), plural)
}

/// Returns the kind of Pods.
pub(super) fn pods() -> Kind {
    Kind::namespaced(Gvk::new("v1", "Pod"), "pods")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_carry_their_namespace() {
        let check = |text: &str, expected: Option<(Option<&str>, &str)>| {
            let read = text.parse::<WrittenName>().ok();
            let read = read.as_ref().map(|written| (written.namespace.as_deref(), written.name.as_str()));
            assert_eq!(read, expected, "{text}");
        };
        check("build", Some((None, "build")));
        check("shop/build.cart", Some((Some("shop"), "build.cart")));
        for wrong in ["", "Build", "shop/", "/build", "a/b/c", "a b"] {
            check(wrong, None);
        }
    }
}
