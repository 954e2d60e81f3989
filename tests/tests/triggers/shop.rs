//! A shop: a repository with two services, and a trigger that builds them.

use std::collections::BTreeSet;

use lab::ControlPlane;
use serde_json::{Value, json};
use system_tests::{daemon::Daemon, site::Site, wait};

/// Kinds in full: plumb's own may have short names too.
pub(crate) const PIPELINE_RUNS: &str = "pipelineruns.tekton.dev";
pub(crate) const TRIGGERS: &str = "pipelinetriggers.plumb.dev";

/// Returns the control plane of these tests.
pub(crate) fn plane() -> &'static ControlPlane {
    lab::shared_with_tekton()
}

/// Returns the daemon of all tests that kill none.
pub(crate) fn daemon() -> &'static Daemon {
    static DAEMON: std::sync::OnceLock<Daemon> = std::sync::OnceLock::new();
    DAEMON.get_or_init(|| Daemon::start(plane()))
}

/// A site with a trigger.
pub(crate) struct Shop {
    pub(crate) site: Site,
}

/// Returns a PipelineRun of one step with this image.
pub(crate) fn run(image: &str) -> Value {
    json!({
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "spec": {
            "params": [{ "name": "revision", "value": "{{ revision }}" }],
            "pipelineSpec": {
                "params": [{ "name": "revision" }],
                "results": [
                    { "name": "IMAGE_URL", "value": "$(tasks.build.results.IMAGE_URL)" },
                    { "name": "IMAGE_DIGEST", "value": "$(tasks.build.results.IMAGE_DIGEST)" },
                ],
                "tasks": [{
                    "name": "build",
                    "taskSpec": {
                        "results": [{ "name": "IMAGE_URL" }, { "name": "IMAGE_DIGEST" }],
                        "steps": [{ "name": "build", "image": image, "command": ["build", "{{ component }}"] }],
                    },
                }],
            },
        },
    })
}

impl Shop {
    /// Makes a site with a Repository; plumb need not run.
    pub(crate) fn new(name: &str) -> Self {
        Self::on(plane(), name)
    }

    /// Makes it on another control plane.
    pub(crate) fn on(plane: &'static ControlPlane, name: &str) -> Self {
        Self { site: Site::new(plane, name) }
    }

    /// Makes the trigger `shop` with the components `cart` and `search`; `more` is merged into its spec.
    pub(crate) fn trigger(&self, more: &Value) {
        let mut spec = json!({
            "repository": "repo",
            "components": [
                { "name": "cart", "paths": ["cart/**", "!**/*.md"] },
                { "name": "search", "paths": ["search/**", "!**/*.md"] },
            ],
            "run": run("lab/build:ok"),
        });
        for (key, value) in more.as_object().expect("a map") {
            spec[key] = value.clone();
        }
        self.site.apply(&json!({
            "apiVersion": "plumb.dev/v1alpha1",
            "kind": "PipelineTrigger",
            "metadata": { "name": "shop", "namespace": self.site.namespace },
            "spec": spec,
        }));
    }

    /// Commits one file and pushes; returns the commit.
    pub(crate) fn push(&self, file: &str, content: &str) -> String {
        self.site.push(&[(file, content)], &format!("change {file}"))
    }

    /// Returns the status of the trigger.
    pub(crate) fn status(&self) -> Value {
        self.site.get(TRIGGERS, "shop").map(|object| object["status"].clone()).unwrap_or_default()
    }

    /// Returns status, reason and message of the condition `Ready`.
    pub(crate) fn ready(&self) -> (String, String, String) {
        let status = self.status();
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        let ready = conditions.into_iter().find(|condition| condition["type"] == "Ready").unwrap_or_default();
        let text = |field: &str| ready[field].as_str().unwrap_or_default().to_owned();
        (text("status"), text("reason"), text("message"))
    }

    /// Waits until the condition `Ready` has this reason, and returns its message.
    pub(crate) fn wait_reason(&self, reason: &str) -> String {
        wait::until(&format!("the reason {reason}"), || match self.ready() {
            (_, found, message) if found == reason => Ok(message),
            other => Err(format!("{other:?}")),
        })
    }

    /// Returns what is known of a component.
    pub(crate) fn component(&self, name: &str) -> Value {
        let status = self.status();
        let components = status["components"].as_array().cloned().unwrap_or_default();
        components.into_iter().find(|component| component["name"] == name).unwrap_or_default()
    }

    /// Waits until the last build of a component is of this commit and has ended like this; returns it.
    pub(crate) fn wait_ended(&self, component: &str, commit: &str, outcome: &str) -> Value {
        wait::until(&format!("{component} of {commit} to have {outcome}"), || {
            let build = self.component(component)["lastAttempted"].clone();
            if build["commit"] == commit && build["outcome"] == outcome {
                Ok(build)
            } else {
                Err(format!("{:#}", self.status()))
            }
        })
    }

    /// Waits until the daemon's page of metrics has this value; `label` stands between namespace and trigger.
    pub(crate) fn wait_metric(&self, family: &str, label: &str, value: u32) {
        let line = format!("{family}{{namespace=\"{}\",{label}trigger=\"shop\"}} {value}", self.site.namespace);
        wait::until(&line, || {
            let page = daemon().metrics();
            if page.lines().any(|found| found == line) { Ok(()) } else { Err(page) }
        });
    }

    /// Returns the runs of a kind, sorted by name.
    pub(crate) fn runs_of(&self, kind: &str) -> Vec<Value> {
        let text = self.site.kubectl(&["get", kind, "--selector", "plumb.dev/trigger=shop", "--output", "json"]);
        let list: Value = serde_json::from_str(&text.expect("a list")).expect("JSON");
        list["items"].as_array().cloned().unwrap_or_default()
    }

    /// Returns the PipelineRuns.
    pub(crate) fn runs(&self) -> Vec<Value> {
        self.runs_of(PIPELINE_RUNS)
    }

    /// Returns component and commit of every PipelineRun.
    pub(crate) fn built(&self) -> BTreeSet<(String, String)> {
        let label = |run: &Value, name: &str| run["metadata"]["labels"][name].as_str().unwrap_or_default().to_owned();
        self.runs().iter().map(|run| (label(run, "plumb.dev/component"), label(run, "plumb.dev/commit"))).collect()
    }

    /// Has the trigger looked at again, and waits until that has happened: a commit that changes nothing of it is seen.
    pub(crate) fn settle(&self) -> String {
        let commit = self.push("settled.txt", &format!("{:?}", std::time::SystemTime::now()));
        wait::until_equal("the trigger to have seen the newest commit", &Value::from(commit.clone()), || {
            self.status()["commit"].clone()
        });
        commit
    }
}

/// Returns a set of component and commit.
pub(crate) fn pairs(pairs: &[(&str, &str)]) -> BTreeSet<(String, String)> {
    pairs.iter().map(|(component, commit)| ((*component).to_owned(), (*commit).to_owned())).collect()
}
