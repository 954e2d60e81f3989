//! Runs of Tekton, written by a test, and what has become of them.

use serde_json::{Value, json};
use system_tests::{site::Site, wait};

/// The kind, in full: plumb's own kinds may have short names too.
pub(crate) const PIPELINE_RUNS: &str = "pipelineruns.tekton.dev";

/// Returns a task of one step, with the results that builds of images have.
pub(crate) fn task(name: &str, step: &str, image: &str) -> Value {
    json!({
        "name": name,
        "taskSpec": {
            "results": [{ "name": "IMAGE_URL" }, { "name": "IMAGE_DIGEST" }],
            "steps": [{ "name": step, "image": image, "command": ["build"] }],
        },
    })
}

/// Returns a run of some tasks; `more` is merged into its spec.
pub(crate) fn run(name: &str, tasks: &[Value], more: &Value) -> Value {
    let mut spec = json!({ "pipelineSpec": { "tasks": tasks } });
    for (key, value) in more.as_object().expect("a map") {
        spec[key] = value.clone();
    }
    json!({
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": { "name": name, "labels": {}, "annotations": {} },
        "spec": spec,
    })
}

/// Creates a run in a site's namespace.
pub(crate) fn create(site: &Site, run: &Value) -> Result<String, String> {
    site.kubectl_with_input(&["create", "-f", "-"], &run.to_string())
}

/// Returns the condition that says how a run, or a run of a task, goes: status, reason, message.
pub(crate) fn condition(object: &Value) -> (String, String, String) {
    let text = |field: &str| object["status"]["conditions"][0][field].as_str().unwrap_or_default().to_owned();
    (text("status"), text("reason"), text("message"))
}

/// Returns a run.
pub(crate) fn get(site: &Site, name: &str) -> Value {
    site.get(PIPELINE_RUNS, name).unwrap_or_default()
}

/// Waits until a run is over, and returns it.
pub(crate) fn wait_over(site: &Site, name: &str) -> Value {
    wait::until(&format!("the end of {name}"), || {
        let run = get(site, name);
        let (status, ..) = condition(&run);
        if status == "True" || status == "False" { Ok(run) } else { Err(format!("{:#}", run["status"])) }
    })
}

/// Waits until a run's only Pod runs, and returns the Pod.
pub(crate) fn wait_pod_running(site: &Site, name: &str) -> Value {
    wait::until(&format!("the Pod of {name} to run"), || {
        let pods = pods(site, name);
        let running = pods.iter().find(|pod| pod["status"]["phase"] == "Running");
        running.cloned().ok_or_else(|| pods.iter().map(|pod| format!("{:#}", pod["status"])).collect::<String>())
    })
}

/// Returns the Pods of a run.
pub(crate) fn pods(site: &Site, name: &str) -> Vec<Value> {
    list(site, "pods", &format!("tekton.dev/pipelineRun={name}"))
}

/// Returns the run of one task of a run.
pub(crate) fn task_run(site: &Site, name: &str, task: &str) -> Value {
    let selector = format!("tekton.dev/pipelineRun={name},tekton.dev/pipelineTask={task}");
    let found = list(site, "taskruns.tekton.dev", &selector);
    let [only] = &found[..] else { panic!("{} runs of {task}: {found:?}", found.len()) };
    only.clone()
}

fn list(site: &Site, kind: &str, selector: &str) -> Vec<Value> {
    let text = site.kubectl(&["get", kind, "--selector", selector, "--output", "json"]).expect("a list");
    let list: Value = serde_json::from_str(&text).expect("JSON");
    list["items"].as_array().cloned().unwrap_or_default()
}

/// Returns a result of a run, or of a run of a task.
pub(crate) fn result(object: &Value, name: &str) -> String {
    let results = object["status"]["results"].as_array().cloned().unwrap_or_default();
    let found = results.iter().find(|result| result["name"] == name);
    let found = found.unwrap_or_else(|| panic!("no result {name} in {:#}", object["status"]));
    found["value"].as_str().unwrap_or_default().to_owned()
}
