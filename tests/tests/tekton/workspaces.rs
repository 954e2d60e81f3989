//! Volumes that a run claims for itself, as most real pipelines do to hand the source from task to task.

use serde_json::json;
use system_tests::site::Site;

use crate::run::{condition, create, run, task, wait_over};

#[test]
fn a_volume_that_a_run_claims_is_there_and_others_are_not() {
    let site = Site::without_plumb(lab::shared_with_tekton(), "workspaces");
    let claim = json!({ "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } });
    let plain = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": "plain" }, "spec": claim,
    });
    site.kubectl_with_input(&["create", "-f", "-"], &plain.to_string()).expect("a claim");
    let mut tasks = [task("fetch", "fetch", "lab/build:ok"), task("build", "build", "lab/build:ok")];
    for task in &mut tasks {
        task["workspaces"] = json!([{ "name": "source", "workspace": "source" }]);
        task["taskSpec"]["workspaces"] = json!([{ "name": "source" }]);
    }
    tasks[1]["runAfter"] = json!(["fetch"]);
    let volume = json!({ "workspaces": [{ "name": "source", "volumeClaimTemplate": { "spec": claim } }] });
    let mut run = run("claims", &tasks, &volume);
    run["spec"]["pipelineSpec"]["workspaces"] = json!([{ "name": "source" }]);
    create(&site, &run).expect("a run");
    let ended = wait_over(&site, "claims");
    assert_eq!(condition(&ended).0, "True", "{ended:#}");
    assert_eq!(site.get("persistentvolumeclaim", "plain").expect("it")["status"]["phase"], "Pending");
}
