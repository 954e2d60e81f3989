//! Forms of Tekton's earlier versions: where they stand in the object of a run, and how they are written today.
//!
//! The API server would refuse them when the run is created, with words that name no remedy (Tekton's
//! docs/migrating-v1beta1-to-v1.md and docs/pipelineresources.md have the forms).

use serde_json::Value;

use super::{Fault, fault};
use crate::trigger::run::RunKind;

/// How resources of Tekton v1alpha1 are written today.
const RESOURCES: &str = "PipelineResources are no more since Tekton v0.44: in place of a git resource write \
    `params: [{name: url, value: \"{{ repo_url }}\"}, {name: revision, value: \"{{ revision }}\"}]` and a task that clones into a \
    workspace, in place of an image resource a param and the task's results IMAGE_URL and IMAGE_DIGEST";

/// What a PipelineRun of v1beta1 has in other places than one of v1.
const MOVED: [(&str, &str); 3] = [
    ("serviceAccountName", "taskRunTemplate: {serviceAccountName: …}"),
    ("podTemplate", "taskRunTemplate: {podTemplate: …}"),
    ("timeout", "timeouts: {pipeline: …}"),
];

/// Returns every outdated form in the specification of a run.
pub(super) fn outdated(kind: RunKind, version: &str, spec: &Value) -> Vec<Fault> {
    let mut faults = Vec::new();
    match kind {
        RunKind::PipelineRun => {
            gone(".spec", spec, &["resources"], &mut faults);
            if version == "tekton.dev/v1" {
                let moved = MOVED.iter().filter(|(field, _)| !spec[field].is_null());
                faults.extend(moved.map(|(field, today)| {
                    fault(
                        &format!(".spec.{field}"),
                        format!("tekton.dev/v1 has it elsewhere: write `{today}` below spec"),
                    )
                }));
            }
            reference(".spec.pipelineRef", &spec["pipelineRef"], &mut faults);
            pipeline(".spec.pipelineSpec", version, &spec["pipelineSpec"], &mut faults);
        }
        RunKind::TaskRun => {
            gone(".spec", spec, &["resources", "inputs", "outputs"], &mut faults);
            reference(".spec.taskRef", &spec["taskRef"], &mut faults);
            task(".spec.taskSpec", version, &spec["taskSpec"], &mut faults);
        }
        RunKind::Job => {}
    }
    faults
}

fn pipeline(path: &str, version: &str, spec: &Value, faults: &mut Vec<Fault>) {
    gone(path, spec, &["resources"], faults);
    for list in ["tasks", "finally"] {
        for (index, item) in spec[list].as_array().into_iter().flatten().enumerate() {
            let path = format!("{path}.{list}[{index}]");
            gone(&path, item, &["resources"], faults);
            reference(&format!("{path}.taskRef"), &item["taskRef"], faults);
            task(&format!("{path}.taskSpec"), version, &item["taskSpec"], faults);
        }
    }
}

fn task(path: &str, version: &str, spec: &Value, faults: &mut Vec<Fault>) {
    gone(path, spec, &["resources", "inputs", "outputs"], faults);
    if version != "tekton.dev/v1" {
        return;
    }
    for list in ["steps", "sidecars"] {
        for (index, item) in spec[list].as_array().into_iter().flatten().enumerate() {
            if !item["resources"].is_null() {
                let path = format!("{path}.{list}[{index}].resources");
                faults.push(fault(&path, "tekton.dev/v1 calls it computeResources: write that"));
            }
        }
    }
}

fn reference(path: &str, reference: &Value, faults: &mut Vec<Fault>) {
    if !reference["bundle"].is_null() {
        let today = "write `resolver: bundles` with `params: [{name: bundle, value: …}, {name: name, value: …}, {name: kind, value: …}]`";
        faults.push(fault(&format!("{path}.bundle"), format!("bundles are read by a resolver: {today}")));
    }
    if reference["kind"] == "ClusterTask" {
        let today = "write `resolver: cluster` with `params: [{name: kind, value: task}, {name: name, value: …}, {name: namespace, value: …}]`";
        faults.push(fault(&format!("{path}.kind"), format!("ClusterTasks are no more: {today}")));
    }
}

/// Tells the fields that were PipelineResources.
fn gone(path: &str, spec: &Value, fields: &[&str], faults: &mut Vec<Fault>) {
    let there = fields.iter().filter(|field| !spec[**field].is_null());
    faults.extend(there.map(|field| fault(&format!("{path}.{field}"), RESOURCES)));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(kind: RunKind, version: &str, spec: &Value, expected: &[(&str, &str)]) {
        let found = outdated(kind, version, spec);
        let paths: Vec<&str> = found.iter().map(|fault| fault.path.as_str()).collect();
        assert_eq!(paths, expected.iter().map(|(path, _)| *path).collect::<Vec<_>>());
        for (fault, (_, today)) in found.iter().zip(expected) {
            assert!(fault.message.contains(today), "{fault}");
        }
    }

    #[test]
    fn resources_are_refused_wherever_they_stand() {
        let params = "{name: revision, value: \"{{ revision }}\"}";
        let spec = json!({
            "resources": [{ "name": "source", "resourceRef": { "name": "shop" } }],
            "pipelineSpec": {
                "resources": [{ "name": "source", "type": "git" }],
                "tasks": [{ "name": "a" }, { "name": "b", "resources": {}, "taskSpec": { "inputs": {}, "steps": [] } }],
                "finally": [{ "name": "c", "taskSpec": { "resources": {} } }],
            },
        });
        let places = [
            ".spec.resources",
            ".spec.pipelineSpec.resources",
            ".spec.pipelineSpec.tasks[1].resources",
            ".spec.pipelineSpec.tasks[1].taskSpec.inputs",
            ".spec.pipelineSpec.finally[0].taskSpec.resources",
        ];
        for version in ["tekton.dev/v1", "tekton.dev/v1beta1"] {
            check(RunKind::PipelineRun, version, &spec, &places.map(|place| (place, params)));
        }
        let spec = json!({ "inputs": {}, "outputs": {}, "taskSpec": { "outputs": {} } });
        let places = [".spec.inputs", ".spec.outputs", ".spec.taskSpec.outputs"].map(|place| (place, "IMAGE_DIGEST"));
        check(RunKind::TaskRun, "tekton.dev/v1", &spec, &places);
    }

    #[test]
    fn what_has_moved_is_told_with_its_place_today() {
        let spec = json!({
            "serviceAccountName": "builder", "podTemplate": {}, "timeout": "1h",
            "pipelineRef": { "name": "build", "bundle": "registry.example.com/b" },
            "pipelineSpec": { "tasks": [{ "taskRef": { "name": "clone", "kind": "ClusterTask" },
                "taskSpec": { "steps": [{ "resources": {} }], "sidecars": [{}, { "resources": {} }] } }] },
        });
        let expected = [
            (".spec.serviceAccountName", "`taskRunTemplate: {serviceAccountName: …}`"),
            (".spec.podTemplate", "`taskRunTemplate: {podTemplate: …}`"),
            (".spec.timeout", "`timeouts: {pipeline: …}`"),
            (".spec.pipelineRef.bundle", "`resolver: bundles`"),
            (".spec.pipelineSpec.tasks[0].taskRef.kind", "`resolver: cluster`"),
            (".spec.pipelineSpec.tasks[0].taskSpec.steps[0].resources", "computeResources"),
            (".spec.pipelineSpec.tasks[0].taskSpec.sidecars[1].resources", "computeResources"),
        ];
        check(RunKind::PipelineRun, "tekton.dev/v1", &spec, &expected);
        // v1beta1 has them so.
        check(RunKind::PipelineRun, "tekton.dev/v1beta1", &spec, &expected[3..5]);
    }

    #[test]
    fn what_is_written_as_today_passes() {
        let run = json!({
            "pipelineRef": { "name": "build" }, "params": [], "taskRunTemplate": { "serviceAccountName": "builder" },
            "timeouts": { "pipeline": "1h" }, "taskRunSpecs": [{ "computeResources": {} }],
        });
        check(RunKind::PipelineRun, "tekton.dev/v1", &run, &[]);
        let task = json!({ "serviceAccountName": "a", "podTemplate": {}, "timeout": "1h", "taskSpec": { "steps": [{ "computeResources": {} }] } });
        check(RunKind::TaskRun, "tekton.dev/v1", &task, &[]);
        check(RunKind::Job, "batch/v1", &json!({ "template": { "spec": { "resources": {} } }, "resources": {} }), &[]);
        check(RunKind::PipelineRun, "tekton.dev/v1", &Value::Null, &[]);
    }
}
