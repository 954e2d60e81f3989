//! What has to be there before a run is created, and what is wrong with a trigger.

use serde_json::json;
use system_tests::wait;

use crate::shop::{Shop, daemon, run};

#[test]
fn a_run_waits_for_the_pipeline_that_it_names() {
    daemon();
    let shop = Shop::new("missing");
    let first = shop.push("cart/main.go", "1");
    let named =
        json!({ "apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "spec": { "pipelineRef": { "name": "build" } } });
    shop.trigger(&json!({ "components": [{ "name": "cart" }], "run": named }));
    let message = shop.wait_reason("Missing");
    assert!(message.contains("Pipeline") && message.contains("build"), "{message}");
    assert!(shop.runs().is_empty(), "Tekton would fail it for good");
    shop.site.apply(&json!({
        "apiVersion": "tekton.dev/v1", "kind": "Pipeline", "metadata": { "name": "build", "namespace": shop.site.namespace },
        "spec": { "tasks": [{ "name": "build", "taskRef": { "name": "steps" } }] },
    }));
    wait::until("its Task to be missed", || {
        let (_, reason, message) = shop.ready();
        if reason == "Missing" && message.contains("Task") { Ok(()) } else { Err(message) }
    });
    shop.site.apply(&json!({
        "apiVersion": "tekton.dev/v1", "kind": "Task", "metadata": { "name": "steps", "namespace": shop.site.namespace },
        "spec": { "steps": [{ "name": "build", "image": "lab/build:ok", "command": ["build"] }] },
    }));
    shop.wait_ended("cart", &first, "Succeeded");
}

#[test]
fn what_is_wrong_with_a_trigger_is_said_with_its_place_and_nothing_is_created() {
    daemon();
    let shop = Shop::new("wrong");
    shop.push("cart/main.go", "1");
    let mut wrong = run("lab/build:ok");
    wrong["spec"]["params"][0]["value"] = json!("{{ revison }}");
    shop.trigger(&json!({ "run": wrong }));
    let message = shop.wait_reason("InvalidRun");
    assert!(
        message.contains("spec.run.spec.params[0].value") && message.contains("did you mean revision"),
        "{message}"
    );
    assert!(shop.runs().is_empty());
    shop.trigger(&json!({}));
    shop.wait_reason("Built");
    shop.site.apply(&json!({
        "apiVersion": "plumb.dev/v1alpha1", "kind": "PipelineTrigger",
        "metadata": { "name": "astray", "namespace": shop.site.namespace },
        "spec": { "repository": "none", "run": run("lab/build:ok") },
    }));
    wait::until("the Repository to be missed", || {
        let object = shop.site.get(crate::shop::TRIGGERS, "astray").unwrap_or_default();
        let message = object["status"]["conditions"][0]["message"].as_str().unwrap_or_default().to_owned();
        if message.contains("there is no Repository") { Ok(()) } else { Err(message) }
    });
}

#[test]
fn a_suspended_trigger_begins_nothing() {
    daemon();
    let shop = Shop::new("suspended");
    let first = shop.push("cart/main.go", "1");
    shop.trigger(&json!({ "components": [{ "name": "cart" }], "suspend": true }));
    shop.wait_reason("Suspended");
    assert!(shop.runs().is_empty());
    shop.trigger(&json!({ "components": [{ "name": "cart" }], "suspend": false }));
    shop.wait_ended("cart", &first, "Succeeded");
}

#[test]
fn what_can_not_be_created_as_it_is_written_is_told_and_not_tried_for_ever() {
    daemon();
    let shop = Shop::new("refused");
    let first = shop.push("cart/main.go", "1");
    let mut empty = run("lab/build:ok");
    empty["spec"]["pipelineSpec"] = json!({ "tasks": [] });
    shop.trigger(&json!({ "components": [{ "name": "cart" }], "run": empty }));
    let build = shop.wait_ended("cart", &first, "Misconfigured");
    assert!(build["message"].as_str().is_some_and(|message| message.contains("tasks")), "{build:#}");
    let message = shop.wait_reason("BuildFailed");
    assert!(message.contains("cart"), "{message}");
    // Once it is mended, the next change is built.
    shop.trigger(&json!({ "components": [{ "name": "cart" }] }));
    let second = shop.push("cart/main.go", "2");
    shop.wait_ended("cart", &second, "Succeeded");
}

#[test]
fn while_tektons_webhook_is_away_nothing_is_lost_and_its_controller_may_begin_anew() {
    let plane = lab::own_with_tekton();
    let _daemon = system_tests::daemon::Daemon::start(plane);
    let shop = Shop::on(plane, "away");
    let only = json!([{ "name": "cart", "paths": ["cart/**"] }]);
    let first = shop.push("cart/main.go", "1");
    plane.stop_tekton(lab::tekton::Tekton::Webhook).expect("the webhook stops");
    shop.trigger(&json!({ "components": only, "run": run("lab/build:slow") }));
    let message = shop.wait_reason("ActFailed");
    assert!(message.contains("webhook"), "{message}");
    plane.start_tekton(lab::tekton::Tekton::Webhook).expect("the webhook starts");
    wait::until_equal("the run", &1, || shop.runs().len());
    plane.stop_tekton(lab::tekton::Tekton::Controller).expect("the controller stops");
    plane.start_tekton(lab::tekton::Tekton::Controller).expect("the controller starts");
    shop.wait_ended("cart", &first, "Succeeded");
    assert_eq!(shop.runs().len(), 1);
}

#[test]
fn a_trigger_is_ready_again_once_what_it_missed_is_there() {
    daemon();
    let shop = Shop::new("late");
    let first = shop.push("cart/main.go", "1");
    // With nothing to build, no run's end has the trigger looked at once more.
    shop.trigger(&json!({ "repository": "late", "initial": "Skip" }));
    wait::until("the Repository to be missed", || match shop.ready() {
        (_, _, message) if message.contains("there is no Repository") => Ok(()),
        other => Err(format!("{other:?}")),
    });
    shop.site.apply(&json!({
        "apiVersion": "plumb.dev/v1alpha1", "kind": "Repository",
        "metadata": { "name": "late", "namespace": shop.site.namespace },
        "spec": { "url": shop.site.repository.url(), "ref": { "branch": "main" } },
    }));
    wait::until("the trigger to be ready", || match shop.ready() {
        (status, _, _) if status == "True" => Ok(()),
        other => Err(format!("{other:?}")),
    });
    assert_eq!(shop.status()["commit"], first);
    assert!(shop.runs().is_empty());
}
