//! A site: a namespace, a Git repository and the Environments that point at it. Tests keep apart by site.

use std::{
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
};

use lab::{
    ControlPlane,
    git::{BareRepository, WorkingCopy},
};
use serde_json::{Value, json};

use crate::wait;

/// The request for a pass.
const SYNC: &str = "plumb.dev/sync";

/// A namespace with a repository of its own.
pub struct Site {
    plane: &'static ControlPlane,
    /// The namespace of its resources and of its objects.
    pub namespace: String,
    /// What plumb reads.
    pub repository: BareRepository,
    /// Where commits are made.
    pub copy: WorkingCopy,
}

impl Site {
    /// Makes a namespace, an empty repository, and a Repository `repo` that follows it.
    pub fn new(plane: &'static ControlPlane, name: &str) -> Self {
        let site = Self::without_plumb(plane, name);
        site.follow(json!({}));
        site
    }

    /// Makes a namespace and an empty repository, on a control plane that need not know plumb.
    pub fn without_plumb(plane: &'static ControlPlane, name: &str) -> Self {
        let namespace = lab::namespace(name);
        plane.kubectl(&["create", "namespace", &namespace]).expect("a namespace");
        let repository = BareRepository::create().expect("a repository");
        let copy = WorkingCopy::clone(&repository.url()).expect("a working copy");
        Self { plane, namespace, repository, copy }
    }

    /// Has the Repository `repo` follow it; `more` is merged into its spec.
    pub fn follow(&self, more: Value) {
        let mut spec = json!({ "url": self.repository.url(), "interval": "5s" });
        for (key, value) in more.as_object().expect("a map") {
            spec[key] = value.clone();
        }
        self.apply(&json!({
            "apiVersion": "plumb.dev/v1alpha1",
            "kind": "Repository",
            "metadata": { "name": "repo", "namespace": self.namespace },
            "spec": spec,
        }));
    }

    /// Commits files and pushes; returns the commit.
    pub fn push(&self, files: &[(&str, &str)], message: &str) -> String {
        self.copy.commit_and_push(files, message).expect("a push")
    }

    /// Makes an Environment of a path; `more` is merged into its spec.
    pub fn environment(&self, name: &str, path: &str, more: Value) {
        let mut spec = json!({
            "repository": "repo",
            "path": path,
            "target": { "namespace": self.namespace },
        });
        for (key, value) in more.as_object().expect("a map") {
            spec[key] = value.clone();
        }
        self.apply(&json!({
            "apiVersion": "plumb.dev/v1alpha1",
            "kind": "Environment",
            "metadata": { "name": name, "namespace": self.namespace },
            "spec": spec,
        }));
    }

    /// Applies an object as an administrator.
    pub fn apply(&self, object: &Value) {
        self.plane
            .kubectl_with_input(&["apply", "--server-side", "--force-conflicts", "-f", "-"], &object.to_string())
            .expect("an object that the API server takes");
    }

    /// Returns an administrator's kubeconfig.
    pub fn kubeconfig(&self) -> &Path {
        self.plane.kubeconfig()
    }

    /// Runs kubectl in the namespace.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String, String> {
        let all: Vec<&str> = ["--namespace", &self.namespace].into_iter().chain(arguments.iter().copied()).collect();
        self.plane.kubectl(&all).map_err(|error| error.to_string())
    }

    /// Runs kubectl in the namespace with something on its stdin.
    pub fn kubectl_with_input(&self, arguments: &[&str], input: &str) -> Result<String, String> {
        let all: Vec<&str> = ["--namespace", &self.namespace].into_iter().chain(arguments.iter().copied()).collect();
        self.plane.kubectl_with_input(&all, input).map_err(|error| error.to_string())
    }

    /// Returns an object, or nothing if there is none.
    pub fn get(&self, kind: &str, name: &str) -> Option<Value> {
        let text = self.kubectl(&["get", kind, name, "--output", "json", "--ignore-not-found"]).expect("an answer");
        (!text.trim().is_empty()).then(|| serde_json::from_str(&text).expect("JSON"))
    }

    /// Returns an Environment.
    pub fn status(&self, environment: &str) -> Value {
        self.get("environments.plumb.dev", environment).map(|object| object["status"].clone()).unwrap_or_default()
    }

    /// Returns one condition of an Environment: its status, reason and message.
    pub fn condition(&self, environment: &str, name: &str) -> (String, String, String) {
        let status = self.status(environment);
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        let condition = conditions.into_iter().find(|condition| condition["type"] == name).unwrap_or_default();
        let text = |field: &str| condition[field].as_str().unwrap_or_default().to_owned();
        (text("status"), text("reason"), text("message"))
    }

    /// Asks for a pass, as `plumb sync` does, and waits until it is over.
    pub fn sync(&self, environment: &str) {
        static IDS: AtomicU32 = AtomicU32::new(0);
        let id = format!("{}-{}", std::process::id(), IDS.fetch_add(1, Ordering::Relaxed));
        let request = json!({ "id": id, "user": "a test" });
        let annotation = format!("{SYNC}={request}");
        self.kubectl(&["annotate", "--overwrite", "environments.plumb.dev", environment, &annotation])
            .expect("a request");
        wait::until(&format!("{environment} to be looked at"), || {
            let status = self.status(environment);
            if status["handled"][SYNC] == id { Ok(()) } else { Err(format!("{status:#}")) }
        });
    }

    /// Asks for passes until the Ready condition's message contains a text, and returns the message; for what takes a moment
    /// until the API server knows it, such as a new binding.
    pub fn sync_until_said(&self, environment: &str, text: &str) -> String {
        wait::until(&format!("{environment} to say {text:?}"), || {
            self.sync(environment);
            let (_, reason, message) = self.condition(environment, "Ready");
            if message.contains(text) { Ok(message) } else { Err(format!("{reason}: {message}")) }
        })
    }

    /// Returns the id that the objects of an Environment are labelled with.
    pub fn part_of(&self, environment: &str) -> String {
        let environment = self.get("environments.plumb.dev", environment).expect("an environment");
        environment["metadata"]["labels"]["applyset.kubernetes.io/id"].as_str().expect("an id").to_owned()
    }

    /// Waits until an Environment has applied a commit and is Ready.
    pub fn wait_applied(&self, environment: &str, commit: &str) {
        wait::until(&format!("{environment} to be ready at {commit}"), || {
            let status = self.status(environment);
            let ready = self.condition(environment, "Ready").0 == "True";
            if ready && status["lastApplied"]["commit"] == commit { Ok(()) } else { Err(format!("{status:#}")) }
        });
    }

    /// Waits until the Ready condition of an Environment has this reason, and returns its message.
    pub fn wait_reason(&self, environment: &str, reason: &str) -> String {
        wait::until(&format!("{environment} to say {reason}"), || {
            let (status, found, message) = self.condition(environment, "Ready");
            if found == reason { Ok(message) } else { Err(format!("{status} {found}: {message}")) }
        })
    }
}

/// Returns a ConfigMap as a file.
pub fn config_map(name: &str, key: &str, value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  {key}: {value:?}\n")
}

/// Returns a Deployment of one container as a file; images below `lab/` misbehave as their name says.
pub fn deployment(name: &str, image: &str, replicas: u32) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {name}\nspec:\n  replicas: {replicas}\n  selector:\n    \
         matchLabels:\n      app: {name}\n  template:\n    metadata:\n      labels:\n        app: {name}\n    spec:\n      \
         containers:\n        - name: app\n          image: {image}\n"
    )
}
