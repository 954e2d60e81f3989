//! What a run refers to and has to be there before it is created: Tekton fails a run at once and for good where its Pipeline is
//! missing.
//!
//! What another resolver finds (Git, a bundle) is not looked for.

use std::collections::BTreeSet;

use plumb_cluster::{cluster::Cluster, error::ApiError};
use plumb_core::{
    kinds::Kind,
    object::{Gvk, ObjectKey},
    trigger::run::RunKind,
};
use serde_json::Value;

/// Something in the namespace of a run that it names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reference {
    Pipeline(String),
    Task(String),
    ServiceAccount(String),
}

impl Reference {
    fn kind(&self) -> Kind {
        match self {
            Self::Pipeline(_) => Kind::namespaced(Gvk::new("tekton.dev/v1", "Pipeline"), "pipelines"),
            Self::Task(_) => Kind::namespaced(Gvk::new("tekton.dev/v1", "Task"), "tasks"),
            Self::ServiceAccount(_) => Kind::namespaced(Gvk::new("v1", "ServiceAccount"), "serviceaccounts"),
        }
    }

    fn name(&self) -> &str {
        let (Self::Pipeline(name) | Self::Task(name) | Self::ServiceAccount(name)) = self;
        name
    }
}

/// Returns what of all that runs name is not there, in words.
///
/// # Errors
/// As every request.
pub(super) async fn missing(
    cluster: &Cluster,
    namespace: &str,
    runs: impl Iterator<Item = (RunKind, &Value)>,
) -> Result<Vec<String>, ApiError> {
    let mut wanted: BTreeSet<Reference> = runs.flat_map(|(kind, object)| named(kind, object)).collect();
    let (mut looked, mut missing) = (BTreeSet::new(), Vec::new());
    while let Some(reference) = wanted.pop_first() {
        let (kind, name) = (reference.kind(), reference.name().to_owned());
        let namespace = Some(namespace.to_owned());
        let key = ObjectKey { group: kind.gvk.group.clone(), kind: kind.gvk.kind.clone(), namespace, name };
        match cluster.get(&kind, &key).await? {
            None => missing.push(key.to_string()),
            Some(pipeline) if matches!(reference, Reference::Pipeline(_)) => {
                let tasks = tasks(&pipeline["spec"]);
                wanted.extend(tasks.filter(|task| !looked.contains(task)));
            }
            Some(_) => {}
        }
        looked.insert(reference);
    }
    Ok(missing)
}

/// Returns what one run names itself.
fn named(kind: RunKind, object: &Value) -> Vec<Reference> {
    let spec = &object["spec"];
    let mut named = Vec::new();
    let mut account = |account: &Value| {
        named.extend(account.as_str().map(|name| Reference::ServiceAccount(name.to_owned())));
    };
    match kind {
        RunKind::PipelineRun => {
            account(&spec["taskRunTemplate"]["serviceAccountName"]);
            // Where v1beta1 has it.
            account(&spec["serviceAccountName"]);
            for of_task in spec["taskRunSpecs"].as_array().into_iter().flatten() {
                account(&of_task["serviceAccountName"]);
                account(&of_task["taskServiceAccountName"]);
            }
            named.extend(reference(&spec["pipelineRef"]).map(Reference::Pipeline));
            named.extend(tasks(&spec["pipelineSpec"]));
        }
        RunKind::TaskRun => {
            account(&spec["serviceAccountName"]);
            named.extend(reference(&spec["taskRef"]).map(Reference::Task));
        }
        RunKind::Job => account(&spec["template"]["spec"]["serviceAccountName"]),
    }
    named
}

/// Returns the tasks that a Pipeline names.
fn tasks(pipeline: &Value) -> impl Iterator<Item = Reference> {
    let lists = [&pipeline["tasks"], &pipeline["finally"]];
    let tasks = lists.into_iter().filter_map(Value::as_array).flatten();
    tasks.filter_map(|task| reference(&task["taskRef"])).map(Reference::Task).collect::<Vec<_>>().into_iter()
}

/// Returns the name in a reference that is looked up in the namespace; nothing for what a resolver finds, or a custom task.
fn reference(reference: &Value) -> Option<String> {
    let elsewhere = reference.get("resolver").is_some() || reference.get("bundle").is_some();
    let custom = reference["kind"].as_str().is_some_and(|kind| kind != "Task" && kind != "Pipeline");
    reference["name"].as_str().filter(|_| !elsewhere && !custom).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_run_names_in_its_namespace_is_found() {
        #[track_caller]
        fn check(kind: RunKind, spec: &Value, expected: &[Reference]) {
            assert_eq!(named(kind, &json!({ "spec": spec })), expected, "{spec}");
        }
        let (task, account) =
            (|name: &str| Reference::Task(name.into()), |name: &str| Reference::ServiceAccount(name.into()));
        check(
            RunKind::PipelineRun,
            &json!({ "pipelineRef": { "name": "build" }, "taskRunTemplate": { "serviceAccountName": "builder" },
                "taskRunSpecs": [{ "pipelineTaskName": "push", "serviceAccountName": "pusher" }] }),
            &[account("builder"), account("pusher"), Reference::Pipeline("build".into())],
        );
        check(
            RunKind::PipelineRun,
            &json!({ "pipelineSpec": { "tasks": [{ "taskRef": { "name": "clone" } }, { "taskSpec": {} },
                { "taskRef": { "resolver": "git" } }, { "taskRef": { "apiVersion": "example.com/v1", "kind": "Custom", "name": "other" } }],
                "finally": [{ "taskRef": { "kind": "Task", "name": "tell" } }] } }),
            &[task("clone"), task("tell")],
        );
        check(RunKind::PipelineRun, &json!({ "pipelineRef": { "resolver": "git", "params": [] } }), &[]);
        check(
            RunKind::TaskRun,
            &json!({ "taskRef": { "name": "build" }, "serviceAccountName": "a" }),
            &[account("a"), task("build")],
        );
        check(
            RunKind::Job,
            &json!({ "template": { "spec": { "serviceAccountName": "a", "containers": [] } } }),
            &[account("a")],
        );
    }
}
