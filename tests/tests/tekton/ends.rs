//! The ways in which a run ends that does not go well, and one that takes its time.

use serde_json::json;
use system_tests::{site::Site, wait};

use crate::run::{PIPELINE_RUNS, condition, create, get, pods, run, task, task_run, wait_over, wait_pod_running};

#[test]
fn a_step_that_fails_is_named_and_the_next_ones_are_skipped() {
    let site = Site::without_plumb(lab::shared_with_tekton(), "fails");
    let mut build = task("build", "prepare", "lab/build:ok");
    build["taskSpec"]["steps"] = json!([
        { "name": "prepare", "image": "lab/build:ok", "command": ["prepare"] },
        { "name": "fail", "image": "lab/build:fail", "command": ["build"] },
        { "name": "push", "image": "lab/build:ok", "command": ["push"] },
    ]);
    create(&site, &run("fails", &[build], &json!({}))).expect("a run");
    let (status, reason, message) = condition(&wait_over(&site, "fails"));
    assert_eq!((status.as_str(), reason.as_str()), ("False", "Failed"), "{message}");
    let build = task_run(&site, "fails", "build");
    let (_, reason, message) = condition(&build);
    assert_eq!(reason, "StepFailed", "{message}");
    assert!(message.contains("\"step-fail\" exited with code 2"), "{message}");
    let steps = build["status"]["steps"].as_array().expect("steps");
    let ends: Vec<String> = steps.iter().map(|step| step["terminated"]["exitCode"].to_string()).collect();
    assert_eq!(ends, ["0", "2", "1"], "{steps:?}");
    assert_eq!(steps[2]["terminationReason"], "Skipped", "{steps:?}");
}

#[test]
fn an_image_that_can_not_be_pulled_is_said_by_the_task() {
    let site = Site::without_plumb(lab::shared_with_tekton(), "broken");
    create(&site, &run("broken", &[task("build", "build", "lab/build:broken")], &json!({}))).expect("a run");
    let (status, _, message) = condition(&wait_over(&site, "broken"));
    assert_eq!(status, "False", "{message}");
    let (_, reason, message) = condition(&task_run(&site, "broken", "build"));
    assert_eq!(reason, "TaskRunImagePullFailed", "{message}");
    assert!(message.contains("lab/build:broken"), "{message}");
}

#[test]
fn a_run_takes_as_long_as_its_image_or_annotation_says() {
    let site = Site::without_plumb(lab::shared_with_tekton(), "slow");
    let mut for_ever = run("for-ever", &[task("build", "build", "lab/build:ok")], &json!({}));
    for_ever["metadata"]["annotations"] = json!({ "lab.plumb.dev/takes": "1000h" });
    create(&site, &for_ever).expect("a run");
    wait_pod_running(&site, "for-ever");
    create(&site, &run("slow", &[task("build", "build", "lab/build:slow")], &json!({}))).expect("a run");
    let slow = wait_over(&site, "slow");
    assert_eq!(condition(&slow).0, "True", "{slow:#}");
    let time =
        |field: &str| -> jiff::Timestamp { slow["status"][field].as_str().expect("a time").parse().expect("a time") };
    assert!(time("startTime").as_second() + 5 <= time("completionTime").as_second(), "{slow:#}");
    assert_eq!(condition(&get(&site, "for-ever")).0, "Unknown", "it runs on");
}

#[test]
fn a_run_that_hangs_is_cancelled_with_its_pod() {
    let site = Site::without_plumb(lab::shared_with_tekton(), "hangs");
    create(&site, &run("hangs", &[task("build", "build", "lab/build:hang")], &json!({}))).expect("a run");
    wait_pod_running(&site, "hangs");
    let cancel = r#"{"spec":{"status":"Cancelled"}}"#;
    site.kubectl(&["patch", PIPELINE_RUNS, "hangs", "--type=merge", "--patch", cancel]).expect("a patch");
    let (status, reason, message) = condition(&wait_over(&site, "hangs"));
    assert_eq!((status.as_str(), reason.as_str()), ("False", "Cancelled"), "{message}");
    wait::until_equal("the Pod to be gone", &0, || pods(&site, "hangs").len());
}

#[test]
fn a_run_that_hangs_is_ended_by_its_timeout() {
    let site = Site::without_plumb(lab::shared_with_tekton(), "late");
    let limits = json!({ "timeouts": { "pipeline": "3s" } });
    create(&site, &run("late", &[task("build", "build", "lab/build:hang")], &limits)).expect("a run");
    let (status, reason, message) = condition(&wait_over(&site, "late"));
    assert_eq!((status.as_str(), reason.as_str()), ("False", "PipelineRunTimeout"), "{message}");
}

#[test]
fn a_run_without_tasks_is_refused_by_the_webhook() {
    let site = Site::without_plumb(lab::shared_with_tekton(), "refused");
    let refused = create(&site, &run("empty", &[], &json!({}))).expect_err("a refusal");
    assert!(refused.contains("validation.webhook.pipeline.tekton.dev"), "{refused}");
}
