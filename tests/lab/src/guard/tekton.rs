//! What Tekton Pipelines needs on a control plane without a Pod network: its objects, changed where they must be, and
//! the flags and environment of its processes. Starts nothing and asks nobody.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize as _;
use serde_json::{Value, json};

use super::layout::Layout;
use crate::tekton::Tekton;

/// The namespace of Tekton's settings.
const NAMESPACE: &str = "tekton-pipelines";

/// The name under which the webhook is called, and for which it makes its certificate.
const SERVICE: &str = "tekton-pipelines-webhook";

/// The webhook configuration that judges and completes; the others' names are made of it.
const ADMISSION: &str = "webhook.pipeline.tekton.dev";

/// Images that kwok takes for ready as soon as they are there.
const IMAGE: &str = "tekton-of-the-laboratory:1";

/// How many requests a second the controller may send: far more than a laboratory makes, so that nobody waits for it.
const REQUESTS: u32 = 1000;

/// How many runs the controller looks at side by side.
const THREADS: u32 = 8;

/// Why Tekton's objects can't be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ManifestError {
    #[error("reading {} failed: is it the folder `config` of Tekton Pipelines?", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is not YAML", path.display())]
    Yaml { path: PathBuf, source: serde_yaml::Error },
    #[error("{} has an object without apiVersion, kind or name", path.display())]
    Nameless { path: PathBuf },
}

/// Returns the objects to apply, in order; the API server finds the webhook at a port of this machine.
///
/// *Assumptions*: the folder is `config` of the pinned version, with the files that its release is made of.
pub(super) fn manifests(config: &Path, webhook_port: u16) -> Result<Vec<Value>, ManifestError> {
    let mut files = files(&config.join("100-namespace"), |_| true)?;
    files.extend(files_named(config, "config-")?);
    files.extend(self::files(&config.join("300-crds"), |_| true)?);
    // With these, whoever may edit a namespace may make runs there.
    files.extend(files_named(config, "clusterrole-aggregate-")?);
    files.push(config.join("500-webhooks.yaml"));
    let mut objects = Vec::new();
    for file in files {
        objects.extend(read(&file)?);
    }
    objects.push(service());
    for object in &mut objects {
        point_at(object, webhook_port);
        silence(object);
    }
    Ok(objects)
}

/// Returns the command line of a process.
pub(super) fn flags(process: Tekton) -> Vec<String> {
    // Alone, it needs no election: the lease of one that was killed would keep the next one waiting for a minute.
    let mut flags = vec!["-disable-ha".to_owned()];
    if process == Tekton::Controller {
        let images = ["entrypoint", "nop", "sidecarlogresults", "workingdirinit", "shell"];
        flags.extend(images.iter().map(|image| format!("-{image}-image={IMAGE}")));
        flags.push(format!("-shell-image-win={IMAGE}"));
        flags.extend([format!("-kube-api-qps={REQUESTS}"), format!("-kube-api-burst={REQUESTS}")]);
        flags.push(format!("-threads-per-controller={THREADS}"));
    }
    flags
}

/// Returns the environment of a process.
///
/// Probes and profiles get a port that the system chooses, since nobody asks for them: Tekton can't be told to listen on
/// loopback only, or not at all. Of the two, whichever is first takes 8080 too, which no variable changes.
pub(super) fn environment(process: Tekton, layout: &Layout, webhook_port: u16) -> Vec<(&'static str, String)> {
    let election = match process {
        Tekton::Controller => "config-leader-election-controller",
        Tekton::Webhook => "config-leader-election-webhook",
    };
    let mut environment = vec![
        ("KUBECONFIG", layout.system().display().to_string()),
        ("SYSTEM_NAMESPACE", NAMESPACE.to_owned()),
        ("KUBERNETES_MIN_VERSION", "v1.28.0".to_owned()),
        ("CONFIG_DEFAULTS_NAME", "config-defaults".to_owned()),
        ("CONFIG_FEATURE_FLAGS_NAME", "feature-flags".to_owned()),
        ("CONFIG_LEADERELECTION_NAME", election.to_owned()),
        ("CONFIG_LOGGING_NAME", "config-logging".to_owned()),
        ("CONFIG_OBSERVABILITY_NAME", "config-observability".to_owned()),
        ("CONFIG_SPIRE", "config-spire".to_owned()),
        ("METRICS_DOMAIN", "tekton.dev/pipeline".to_owned()),
        ("PROBES_PORT", "0".to_owned()),
        ("PROFILING_PORT", "0".to_owned()),
    ];
    if process == Tekton::Webhook {
        environment.extend([
            ("WEBHOOK_PORT", webhook_port.to_string()),
            ("WEBHOOK_SERVICE_NAME", SERVICE.to_owned()),
            ("WEBHOOK_SECRET_NAME", "webhook-certs".to_owned()),
            ("WEBHOOK_ADMISSION_CONTROLLER_NAME", ADMISSION.to_owned()),
        ]);
    }
    environment
}

/// Returns a run to be tried for what the webhook does to it, written in the version that has to be converted.
pub(super) fn trial_run(tasks: Value) -> Value {
    json!({
        "apiVersion": "tekton.dev/v1beta1",
        "kind": "PipelineRun",
        "metadata": { "name": "lab-is-the-webhook-ready", "namespace": "default" },
        "spec": { "pipelineSpec": { "tasks": tasks } },
    })
}

/// Returns the tasks of a run that the webhook lets pass.
pub(super) fn fair_tasks() -> Value {
    json!([{ "name": "one", "taskSpec": { "steps": [{ "name": "one", "image": IMAGE, "command": ["true"] }] } }])
}

/// Returns the YAML files of a folder whose names are wanted, in the order of their names.
fn files(folder: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>, ManifestError> {
    let failed = |source| ManifestError::Read { path: folder.to_owned(), source };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(".yaml") && wanted(&name) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn files_named(folder: &Path, prefix: &str) -> Result<Vec<PathBuf>, ManifestError> {
    files(folder, |name| name.starts_with(prefix))
}

fn read(path: &Path) -> Result<Vec<Value>, ManifestError> {
    let text = fs::read_to_string(path).map_err(|source| ManifestError::Read { path: path.to_owned(), source })?;
    let mut objects = Vec::new();
    for document in serde_yaml::Deserializer::from_str(&text) {
        let object =
            Value::deserialize(document).map_err(|source| ManifestError::Yaml { path: path.to_owned(), source })?;
        // Between two `---` there may be a comment only.
        if object.is_null() {
            continue;
        }
        if !["/apiVersion", "/kind", "/metadata/name"]
            .iter()
            .all(|field| object.pointer(field).is_some_and(Value::is_string))
        {
            return Err(ManifestError::Nameless { path: path.to_owned() });
        }
        objects.push(object);
    }
    Ok(objects)
}

/// The way from the API server to the webhook. Tekton insists on calling a Service, and there is no proxy for those: one
/// that is an alias of this machine needs none.
fn service() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": SERVICE, "namespace": NAMESPACE },
        "spec": {
            "type": "ExternalName",
            "externalName": "localhost",
            "ports": [{ "name": "https-webhook", "port": 443 }],
        },
    })
}

/// Has every call of the webhook that an object asks for go to this port.
fn point_at(object: &mut Value, webhook_port: u16) {
    let point = |client: Option<&mut Value>| {
        if let Some(service) = client.and_then(|client| client.get_mut("service")) {
            service["port"] = webhook_port.into();
        }
    };
    point(object.pointer_mut("/spec/conversion/webhook/clientConfig"));
    for webhook in object.get_mut("webhooks").and_then(Value::as_array_mut).into_iter().flatten() {
        point(webhook.get_mut("clientConfig"));
    }
}

/// Turns off the metrics, which would be served on every address of this machine.
fn silence(object: &mut Value) {
    if object["kind"] == "ConfigMap" && object["metadata"]["name"] == "config-observability" {
        object["data"]["metrics-protocol"] = "none".into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_go_to_the_port_and_nothing_else_changes() {
        let check = |before: Value, after: Value| {
            let mut object = before;
            point_at(&mut object, 20001);
            silence(&mut object);
            assert_eq!(object, after);
        };
        let service = |port: Option<u16>| match port {
            None => json!({ "service": { "name": "w", "namespace": "t" } }),
            Some(port) => json!({ "service": { "name": "w", "namespace": "t", "port": port } }),
        };
        let kind = |client: Value| json!({ "spec": { "conversion": { "webhook": { "clientConfig": client } } } });
        check(kind(service(None)), kind(service(Some(20001))));
        let hooks = |client: Value| json!({ "webhooks": [{ "clientConfig": client }, { "clientConfig": client }] });
        check(hooks(service(None)), hooks(service(Some(20001))));
        check(
            json!({ "spec": { "conversion": { "strategy": "None" } } }),
            json!({ "spec": { "conversion": { "strategy": "None" } } }),
        );
        let settings = |name: &str, protocol: &str| json!({ "kind": "ConfigMap", "metadata": { "name": name }, "data": { "metrics-protocol": protocol } });
        check(settings("config-observability", "prometheus"), settings("config-observability", "none"));
        check(settings("another", "prometheus"), settings("another", "prometheus"));
    }

    #[test]
    fn a_folder_of_something_else_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |part: &str| {
            let error = manifests(folder.path(), 1).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        };
        refused("100-namespace failed: is it the folder `config`");
        fs::create_dir(folder.path().join("100-namespace")).unwrap();
        fs::create_dir(folder.path().join("300-crds")).unwrap();
        refused("500-webhooks.yaml failed");
        let webhooks = folder.path().join("500-webhooks.yaml");
        fs::write(&webhooks, "# nothing\n---\nkind: Secret\n").unwrap();
        refused("500-webhooks.yaml has an object without");
        fs::write(&webhooks, "a: [\n").unwrap();
        refused("500-webhooks.yaml is not YAML");
        fs::write(&webhooks, "# nothing\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: certs}\n").unwrap();
        assert_eq!(manifests(folder.path(), 1).unwrap().len(), 2, "the Secret and the Service");
    }
}
