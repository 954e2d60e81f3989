//! A process of Tekton that is away for a while. Each test has a control plane to itself.

use lab::tekton::Tekton;
use serde_json::json;
use system_tests::{site::Site, wait};

use crate::run::{condition, create, get, run, task, task_run, wait_over, wait_pod_running};

#[test]
fn nothing_is_created_while_the_webhook_is_away() {
    let plane = lab::own_with_tekton();
    let site = Site::without_plumb(plane, "webhook");
    let build = run("build", &[task("build", "build", "lab/build:ok")], &json!({}));
    create(&site, &run("before", &[task("build", "build", "lab/build:hang")], &json!({}))).expect("a run");
    plane.stop_tekton(Tekton::Webhook).expect("a stop");
    let refused = create(&site, &build).expect_err("a refusal");
    assert!(refused.contains("failed calling webhook"), "{refused}");
    assert_eq!(get(&site, "before")["metadata"]["name"], "before", "who only reads needs no webhook");
    let again = plane.stop_tekton(Tekton::Webhook).expect_err("a refusal").to_string();
    assert!(again.contains("does not run"), "{again}");
    plane.start_tekton(Tekton::Webhook).expect("a start");
    create(&site, &build).expect("a run");
    assert_eq!(condition(&wait_over(&site, "build")).0, "True");
    assert_eq!(plane.deaths(), Vec::<String>::new());
}

#[test]
fn a_run_ends_although_the_controller_was_away() {
    let plane = lab::own_with_tekton();
    let site = Site::without_plumb(plane, "controller");
    create(&site, &run("slow", &[task("build", "build", "lab/build:slow")], &json!({}))).expect("a run");
    wait_pod_running(&site, "slow");
    plane.stop_tekton(Tekton::Controller).expect("a stop");
    wait::until("the Pod to end without the controller", || {
        let pod = site.get("pod", "slow-build-pod").unwrap_or_default();
        if pod["status"]["phase"] == "Succeeded" { Ok(()) } else { Err(pod["status"].to_string()) }
    });
    assert_eq!(condition(&task_run(&site, "slow", "build")).0, "Unknown", "nobody has told");
    create(&site, &run("queued", &[task("build", "build", "lab/build:ok")], &json!({}))).expect("a run");
    assert_eq!(get(&site, "queued")["status"], json!(null));
    plane.start_tekton(Tekton::Controller).expect("a start");
    for name in ["slow", "queued"] {
        assert_eq!(condition(&wait_over(&site, name)).0, "True", "{name}");
    }
    assert_eq!(plane.deaths(), Vec::<String>::new());
}

#[test]
fn tekton_comes_back_with_the_api_server() {
    let plane = lab::own_with_tekton();
    plane.install_tekton().expect("that a second time does nothing");
    let site = Site::without_plumb(plane, "outage");
    plane.stop_api_server().expect("a stop");
    plane.start_api_server().expect("a start");
    create(&site, &run("after", &[task("build", "build", "lab/build:ok")], &json!({}))).expect("a run");
    assert_eq!(condition(&wait_over(&site, "after")).0, "True");
}
