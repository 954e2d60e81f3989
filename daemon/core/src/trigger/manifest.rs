//! The object that a trigger creates, as its specification has it: checked when it is read, and made into one run.
//!
//! Must never do: create what would not be followed (another kind, another namespace), or let a template write over what plumb
//! knows its runs by.

mod tekton;

use std::fmt;

use serde_json::{Map, Value, json};

use super::{
    naming::{self, Maker},
    run::{Attempt, Build, RunKind},
    template::{Template, Variables},
};

/// The annotation that says why a run was asked to end.
pub const CANCELLED: &str = "plumb.dev/cancelled";
/// What the names of plumb's labels and annotations begin with.
const OURS: &str = "plumb.dev/";
/// What the names of labels begin with by which an inventory is known.
const APPLY_SETS: &str = "applyset.kubernetes.io/";

/// The object of a run, before anything is filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    kind: RunKind,
    template: Template,
}

/// What is wrong with the object of a run: where, from its root on, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Such as `.spec.params[0].value`; empty: the object itself.
    pub path: String,
    /// What is wrong with it, and what helps.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

fn fault(path: &str, message: impl Into<String>) -> Fault {
    Fault { path: path.to_owned(), message: message.into() }
}

impl Manifest {
    /// Reads the object of a run that is to be created in a namespace.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(object: Value, namespace: &str) -> Result<Self, Vec<Fault>> {
        let (kind, mut faults) = judge(&object, namespace);
        let template = match Template::parse(object) {
            Ok(template) => Some(template),
            Err(unknown) => {
                faults.extend(unknown.iter().map(|unknown| fault(&unknown.path, unknown.to_string())));
                None
            }
        };
        match (kind, template) {
            (Some(kind), Some(template)) if faults.is_empty() => Ok(Self { kind, template }),
            _ => Err(faults),
        }
    }

    /// Returns what it creates.
    pub fn kind(&self) -> RunKind {
        self.kind
    }

    /// Returns the template.
    pub fn template(&self) -> &Template {
        &self.template
    }

    /// Makes the object of one run.
    pub fn object(&self, maker: &Maker<'_>, build: &Build, attempt: Attempt, variables: &Variables) -> Value {
        let mut object = self.template.fill(variables);
        let metadata = &mut object["metadata"];
        if !metadata.is_object() {
            *metadata = json!({});
        }
        metadata.as_object_mut().map(|metadata| metadata.remove("generateName"));
        metadata["name"] = naming::run_name(maker, build, attempt).into();
        metadata["namespace"] = maker.name.namespace.clone().into();
        put(&mut metadata["labels"], naming::labels(maker, build));
        put(&mut metadata["annotations"], naming::annotations(maker, build, attempt));
        object
    }
}

fn put(into: &mut Value, entries: impl IntoIterator<Item = (&'static str, String)>) {
    if !into.is_object() {
        *into = Value::Object(Map::new());
    }
    for (name, value) in entries {
        into[name] = value.into();
    }
}

/// Returns the merge patch (RFC 7386) that asks a run to end, in the words of its kind.
pub fn cancellation(kind: RunKind) -> Value {
    match kind {
        RunKind::PipelineRun => json!({ "spec": { "status": "Cancelled" } }),
        RunKind::TaskRun => json!({ "spec": { "status": "TaskRunCancelled" } }),
        // Nothing ends a Job but its deletion and its deadline; this way it is there to be read.
        RunKind::Job => json!({ "spec": { "activeDeadlineSeconds": 1 } }),
    }
}

/// Returns what an object is, as far as it can be created, and what is wrong with it.
fn judge(object: &Value, namespace: &str) -> (Option<RunKind>, Vec<Fault>) {
    let mut faults = Vec::new();
    let text = |field: &str| object[field].as_str().unwrap_or_default();
    let kind = match (text("apiVersion"), text("kind")) {
        ("tekton.dev/v1" | "tekton.dev/v1beta1", "PipelineRun") => Some(RunKind::PipelineRun),
        ("tekton.dev/v1" | "tekton.dev/v1beta1", "TaskRun") => Some(RunKind::TaskRun),
        ("batch/v1", "Job") => Some(RunKind::Job),
        (version, "PipelineResource") | (version @ "tekton.dev/v1alpha1", _) => {
            faults.push(fault(
                ".apiVersion",
                format!(
                    "{version} {} is no more since Tekton v0.44: write a tekton.dev/v1 PipelineRun with spec.params in place of resources",
                    text("kind")
                ),
            ));
            None
        }
        (version, kind) => {
            let message = format!(
                "{kind} of {version} can't be created: write a PipelineRun or TaskRun of tekton.dev/v1, or a Job of batch/v1"
            );
            faults.push(fault(".kind", message));
            None
        }
    };
    faults.extend(metadata(&object["metadata"], namespace));
    let spec = &object["spec"];
    if let Some(kind) = kind {
        faults.extend(tekton::outdated(kind, text("apiVersion"), spec));
    }
    if kind.is_some_and(|kind| kind != RunKind::Job) && !spec["status"].is_null() {
        faults.push(fault(".spec.status", "a run that begins ended or waiting is never followed: leave it out"));
    }
    if kind.is_some() && !spec["managedBy"].is_null() {
        faults.push(fault(".spec.managedBy", "such runs are left to somebody else: leave it out"));
    }
    if kind == Some(RunKind::Job) && spec["suspend"] == true {
        faults.push(fault(".spec.suspend", "a Job that is suspended never ends: leave it out"));
    }
    if !object["status"].is_null() {
        faults.push(fault(".status", "what is to be created has no status: leave it out"));
    }
    (kind, faults)
}

fn metadata(metadata: &Value, namespace: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    if !metadata["name"].is_null() {
        faults.push(fault(".metadata.name", "plumb names each run after what it builds: leave it out"));
    }
    match &metadata["namespace"] {
        Value::Null => {}
        Value::String(written) if written == namespace => {}
        _ => faults.push(fault(
            ".metadata.namespace",
            format!(
                "runs are created in the trigger's namespace, {namespace}: leave it out, or make the trigger elsewhere"
            ),
        )),
    }
    for field in ["ownerReferences", "finalizers"] {
        if !metadata[field].is_null() {
            faults.push(fault(&format!(".metadata.{field}"), "it would keep runs from being removed: leave it out"));
        }
    }
    for field in ["labels", "annotations"] {
        let path = format!(".metadata.{field}");
        match &metadata[field] {
            Value::Null => {}
            Value::Object(entries) => {
                faults.extend(entries.iter().filter_map(|(name, value)| carried(&path, name, value)));
            }
            _ => faults.push(fault(&path, "it is no map: write names with their values")),
        }
    }
    faults
}

/// Returns what is wrong with a label or an annotation.
fn carried(path: &str, name: &str, value: &Value) -> Option<Fault> {
    if name.starts_with(OURS) {
        return Some(fault(path, format!("{name} is plumb's own: choose another name")));
    }
    if name.starts_with(APPLY_SETS) {
        return Some(fault(
            path,
            format!("{name} says what an Environment owns, and runs are no Environment's: leave it out"),
        ));
    }
    (!value.is_string()).then(|| fault(path, format!("the value of {name} is no text: put it into quotes")))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{
        commit::CommitId,
        source::InputsDigest,
        trigger::name::{ATTEMPT, COMPONENT, ComponentName, TRIGGER, TriggerName},
    };

    #[track_caller]
    fn check(object: Value, expected: &[&str]) {
        let faults = Manifest::read(object.clone(), "shop").err().unwrap_or_default();
        let paths: Vec<&str> = faults.iter().map(|fault| fault.path.as_str()).collect();
        assert_eq!(paths, expected, "{object}: {faults:?}");
    }

    fn run(more: Value) -> Value {
        let mut run = json!({ "apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "spec": { "pipelineRef": { "name": "build" } } });
        for (key, value) in more.as_object().expect("a map") {
            run[key] = value.clone();
        }
        run
    }

    #[test]
    fn what_would_not_be_followed_is_not_created() {
        check(run(json!({})), &[]);
        check(run(json!({ "apiVersion": "tekton.dev/v1beta1" })), &[]);
        check(run(json!({ "kind": "TaskRun" })), &[]);
        check(json!({ "apiVersion": "batch/v1", "kind": "Job", "spec": {} }), &[]);
        check(json!({ "apiVersion": "batch/v1", "kind": "Job", "spec": { "suspend": true } }), &[".spec.suspend"]);
        check(json!({ "apiVersion": "v1", "kind": "Pod", "spec": {} }), &[".kind"]);
        check(run(json!({ "apiVersion": "tekton.dev/v1alpha1" })), &[".apiVersion"]);
        check(run(json!({ "kind": "PipelineResource" })), &[".apiVersion"]);
        check(run(json!({ "spec": { "resources": [] } })), &[".spec.resources"]);
        check(
            run(json!({ "spec": { "status": "Cancelled", "managedBy": "kueue" } })),
            &[".spec.status", ".spec.managedBy"],
        );
        check(run(json!({ "status": {} })), &[".status"]);
        check(
            run(json!({ "metadata": { "name": "a", "namespace": "other" } })),
            &[".metadata.name", ".metadata.namespace"],
        );
        check(
            run(json!({ "metadata": { "namespace": "shop", "generateName": "a-", "labels": { "team": "a" } } })),
            &[],
        );
        check(run(json!({ "metadata": { "labels": { "plumb.dev/trigger": "b" } } })), &[".metadata.labels"]);
        check(
            run(
                json!({ "metadata": { "labels": { "applyset.kubernetes.io/part-of": "a" }, "annotations": { "a": 5 } } }),
            ),
            &[".metadata.labels", ".metadata.annotations"],
        );
        check(run(json!({ "metadata": { "labels": ["a"] } })), &[".metadata.labels"]);
        check(run(json!({ "spec": { "serviceAccountName": "a" } })), &[".spec.serviceAccountName"]);
        check(
            json!({ "apiVersion": "batch/v1", "kind": "Job", "spec": { "managedBy": "kueue" } }),
            &[".spec.managedBy"],
        );
        check(run(json!({ "metadata": { "ownerReferences": [{}] } })), &[".metadata.ownerReferences"]);
        check(
            run(json!({ "spec": { "params": [{ "name": "a", "value": "{{ revison }}" }] } })),
            &[".spec.params[0].value"],
        );
    }

    #[test]
    fn a_run_carries_what_it_is_known_by_and_keeps_what_else_is_written() {
        let object = run(json!({ "metadata": { "generateName": "a-", "labels": { "team": "a" } },
            "spec": { "params": [{ "name": "revision", "value": "{{ revision }}" }] } }));
        let manifest = Manifest::read(object, "shop").expect("a run");
        let name = TriggerName::new("shop", "build");
        let build = Build {
            component: ComponentName::parse("cart").expect("a name"),
            commit: CommitId::parse(&"a".repeat(40)).expect("an id"),
            inputs: InputsDigest("1f".to_owned()),
            committed: Timestamp::UNIX_EPOCH,
        };
        let (maker, attempt) = (Maker { name: &name, uid: "u" }, Attempt { number: 2, round: 1 });
        let variables = Variables { revision: "a".repeat(40), ..Variables::default() };
        let made = manifest.object(&maker, &build, attempt, &variables);
        assert_eq!(made["metadata"]["name"], naming::run_name(&maker, &build, attempt));
        assert_eq!(made["metadata"]["namespace"], "shop");
        assert!(made["metadata"]["generateName"].is_null());
        let (labels, annotations) = (&made["metadata"]["labels"], &made["metadata"]["annotations"]);
        assert_eq!(
            (&labels["team"], &labels[TRIGGER], &labels[COMPONENT]),
            (&json!("a"), &json!("build"), &json!("cart"))
        );
        assert_eq!(annotations[ATTEMPT], "2");
        assert_eq!(made["spec"]["params"][0]["value"], "a".repeat(40));
    }
}
