//! The commands about runs, on runs that a test has made as a trigger would: what a person types, what it prints, how it exits.

use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};
use system_tests::{site::Site, wait};

use crate::run::{condition, create, get, run, task, wait_over, wait_pod_running};

/// The commit that the runs say they build.
const COMMIT: &str = "1a2b3c4d5e6f1a2b3c4d5e6f1a2b3c4d5e6f1a2b";

/// Makes a site with a trigger that no plumb acts on.
fn site(name: &str) -> Site {
    let site = Site::without_plumb(lab::shared_with_tekton(), name);
    let definitions =
        Command::new(lab::process::plumb()).args(["install", "--crds-only"]).output().expect("plumb runs");
    let definitions = String::from_utf8(definitions.stdout).expect("text");
    site.kubectl_with_input(&["apply", "--server-side", "--force-conflicts", "-f", "-"], &definitions)
        .expect("definitions");
    let definition = "crd/pipelinetriggers.plumb.dev";
    site.kubectl(&["wait", "--for=condition=Established", definition, "--timeout=60s"]).expect("a definition");
    site.apply(&json!({
        "apiVersion": "plumb.dev/v1alpha1",
        "kind": "PipelineTrigger",
        "metadata": { "name": "build", "namespace": site.namespace },
        "spec": {
            "repository": "repo",
            "components": [{ "name": "cart" }, { "name": "search" }],
            "run": { "apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "spec": { "pipelineRef": { "name": "build" } } },
        },
    }));
    site
}

/// Returns an object with the labels that a run of the trigger has.
fn labelled(mut object: Value, component: &str) -> Value {
    object["metadata"]["labels"] =
        json!({ "plumb.dev/trigger": "build", "plumb.dev/component": component, "plumb.dev/commit": COMMIT });
    object
}

/// Creates a run of one task as the trigger's.
fn begin(site: &Site, name: &str, step: &str, image: &str) {
    create(site, &labelled(run(name, &[task("build", step, image)], &json!({})), "cart")).expect("a run");
}

/// Returns what runs plumb as a person would, in the namespace of a site.
fn command(site: &Site, arguments: &[&str]) -> Command {
    let mut command = Command::new(lab::process::plumb());
    command
        .args(arguments)
        .args(["--namespace", &site.namespace])
        .env("KUBECONFIG", site.kubeconfig())
        .env("NO_COLOR", "1");
    command
}

/// Returns the exit code, what was printed, and what was said about it.
fn plumb(site: &Site, arguments: &[&str]) -> (i32, String, String) {
    said(&command(site, arguments).output().expect("plumb runs"))
}

fn said(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

fn start(site: &Site, arguments: &[&str]) -> Child {
    command(site, arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("plumb starts")
}

fn end(child: Child) -> (i32, String, String) {
    said(&child.wait_with_output().expect("plumb ends"))
}

#[test]
fn runs_are_listed_and_described_with_the_reason_in_words() {
    let site = site("cli-runs");
    begin(&site, "good", "build", "lab/build:ok");
    begin(&site, "bad", "fail", "lab/build:fail");
    begin(&site, "broken", "build", "lab/build:broken");
    create(&site, &run("foreign", &[task("build", "build", "lab/build:ok")], &json!({}))).expect("a run");
    for name in ["good", "bad", "broken"] {
        wait_over(&site, name);
    }
    let (code, text, remarks) = plumb(&site, &["runs"]);
    assert_eq!(code, 0, "{text}{remarks}");
    let row = |name: &str| {
        text.lines().find(|line| line.starts_with(&format!("{name} "))).map(str::to_owned).unwrap_or_default()
    };
    assert!(
        row("good").contains("cart") && row("good").contains(&COMMIT[..7]) && row("good").contains("Succeeded"),
        "{text}"
    );
    assert!(row("bad").contains("Failed") && row("bad").contains("task build: step fail: exit code 2"), "{text}");
    assert!(row("broken").contains("image") && row("broken").contains("can't be pulled"), "{text}");
    assert_eq!(text.lines().count(), 4, "no TaskRuns, and nothing of others:\n{text}");
    let (_, text, _) = plumb(&site, &["runs", "build", "--output", "json"]);
    let listing: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(listing["runs"].as_array().map(Vec::len), Some(3), "{text}");

    let (code, text, remarks) = plumb(&site, &["runs", "describe", "bad"]);
    assert_eq!(code, 0, "{text}{remarks}");
    assert!(text.contains("└─ fail") && text.contains("exit code 2"), "{text}");
    assert!(remarks.contains("plumb logs") && remarks.contains("--task build"), "{remarks}");
    let (_, text, _) = plumb(&site, &["runs", "describe", "good", "--output", "json"]);
    let described: Value = serde_json::from_str(&text).expect("JSON");
    let results = described["tasks"][0]["results"].as_array().expect("results");
    assert!(results.iter().any(|result| result["name"] == "IMAGE_URL"), "{text}");
    assert_eq!((&described["stage"], &described["commit"]), (&"Succeeded".into(), &COMMIT.into()));

    let (code, _, remarks) = plumb(&site, &["runs", "describe", "nowhere"]);
    assert!(code == 2 && remarks.contains("there is no run") && remarks.contains("name one of"), "{remarks}");
    let (code, _, remarks) = plumb(&site, &["runs", "cancel", "foreign"]);
    assert!(code == 2 && remarks.contains("was not made by a PipelineTrigger"), "{remarks}");
    let (code, _, remarks) = plumb(&site, &["runs", "nothing"]);
    assert!(code == 2 && remarks.contains("name one of build"), "{remarks}");
}

#[test]
fn logs_are_followed_through_pods_that_do_not_exist_yet() {
    let site = site("cli-logs");
    let mut second = task("second", "check", "lab/build:ok");
    second["runAfter"] = json!(["first"]);
    let two = run("two", &[task("first", "build", "lab/build:ok"), second], &json!({}));
    create(&site, &labelled(two, "cart")).expect("a run");
    let following = start(&site, &["logs", "two", "--follow"]);
    let (code, text, remarks) = end(following);
    assert_eq!(code, 0, "{text}{remarks}");
    assert!(remarks.contains("two: Succeeded"), "{remarks}");
    let of = |title: &str, text: &str| {
        text.lines().filter(|line| line.starts_with(title)).map(str::to_owned).collect::<Vec<_>>()
    };
    let (first, check) = (of("[first : build] ", &text), of("[second : check] ", &text));
    assert!(first.iter().any(|line| line.contains("pushed the image")), "{text}");
    assert!(!check.is_empty() && text.lines().count() == first.len() + check.len(), "{text}");
    assert!(text.find("[first") < text.find("[second"), "{text}");

    let (code, text, remarks) = plumb(&site, &["logs", "two", "--task", "first"]);
    assert_eq!(
        (code, &of("[first : build] ", &text)),
        (0, &first),
        "nothing is shown twice while following: {text}{remarks}"
    );
    let (_, text, _) = plumb(&site, &["logs", "two", "--tail", "1"]);
    assert_eq!(text.lines().count(), 2, "{text}");
    let (code, _, remarks) = plumb(&site, &["logs", "two", "--task", "third"]);
    assert!(code == 2 && remarks.contains("name one of first, second"), "{remarks}");
    let (code, _, remarks) = plumb(&site, &["logs", "two", "--step", "nothing"]);
    assert!(code == 2 && remarks.contains("no step \"nothing\""), "{remarks}");
}

#[test]
fn following_a_run_that_fails_ends_with_1_and_says_why() {
    let site = site("cli-fails");
    begin(&site, "bad", "fail", "lab/build:fail");
    let (code, text, remarks) = plumb(&site, &["logs", "bad", "-f"]);
    assert_eq!(code, 1, "{text}{remarks}");
    assert!(text.contains("[build : fail] ") && text.contains("the build failed"), "{text}");
    assert!(remarks.contains("bad: Failed: task build: step fail: exit code 2"), "{remarks}");
    let (code, ..) = plumb(&site, &["logs", "bad"]);
    assert_eq!(code, 0, "what there is was shown");
}

#[test]
fn a_run_is_cancelled_with_the_name_of_who_asked() {
    let site = site("cli-cancel");
    begin(&site, "hangs", "build", "lab/build:hang");
    wait_pod_running(&site, "hangs");
    let following = start(&site, &["logs", "hangs", "-f"]);
    let (code, text, remarks) = plumb(&site, &["runs", "cancel", "hangs", "--reason", "wrong branch"]);
    assert_eq!(code, 0, "{text}{remarks}");
    assert_eq!(condition(&wait_over(&site, "hangs")).1, "Cancelled");
    let by = get(&site, "hangs")["metadata"]["annotations"]["plumb.dev/cancelled"].clone();
    assert!(by.as_str().is_some_and(|by| by.starts_with("by ") && by.ends_with(": wrong branch")), "{by}");
    let (code, _, remarks) = end(following);
    assert!(code == 1 && remarks.contains("hangs: Cancelled: by "), "{code} {remarks}");
    let (_, text, _) = plumb(&site, &["runs"]);
    assert!(text.contains("Cancelled") && text.contains("wrong branch"), "{text}");
    let (code, text, _) = plumb(&site, &["runs", "cancel", "hangs"]);
    assert!(code == 0 && text.contains("was cancelled before"), "{text}");
}

#[test]
fn jobs_are_runs_too() {
    let site = site("cli-jobs");
    let job = |name: &str, image: &str| {
        let container = json!({ "name": "build", "image": image, "command": ["build"] });
        let pod = json!({ "spec": { "restartPolicy": "Never", "containers": [container] } });
        let spec = json!({ "backoffLimit": 0, "template": pod });
        let job = json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": name }, "spec": spec });
        create(&site, &labelled(job, "search")).expect("a Job");
    };
    job("good", "lab/build:ok");
    job("hangs", "lab/build:hang");
    let (code, text, remarks) = plumb(&site, &["logs", "good", "-f"]);
    assert_eq!(code, 0, "{text}{remarks}");
    assert!(text.contains(" : build] "), "{text}");
    let (code, text, remarks) = plumb(&site, &["runs", "cancel", "hangs"]);
    assert_eq!(code, 0, "{text}{remarks}");
    wait::until("the Job to have ended", || {
        let (_, text, _) = plumb(&site, &["runs", "describe", "hangs"]);
        if text.contains("Cancelled: by ") { Ok(()) } else { Err(text) }
    });
}

#[test]
fn a_build_is_asked_for_and_waited_for() {
    let site = site("cli-build");
    let status = |status: Value| {
        let patch = json!({ "status": status }).to_string();
        site.kubectl(&[
            "patch",
            "pipelinetriggers.plumb.dev",
            "build",
            "--subresource=status",
            "--type=merge",
            "--patch",
            &patch,
        ])
        .expect("a status");
    };
    let build = |asked: &str, outcome: Option<&str>| {
        let mut build = json!({ "commit": COMMIT, "committed": "2026-11-20T10:00:00Z", "inputs": "i", "attempt": 1, "round": 1,
            "begun": "2026-11-20T10:00:00Z", "branch": false, "asked": asked, "run": "fresh" });
        if let Some(outcome) = outcome {
            (build["outcome"], build["finished"]) = (outcome.into(), "2026-11-20T10:01:00Z".into());
            build["message"] = "step fail: exit code 2".into();
        }
        json!([{ "name": "cart", "attempt": 1, "lastAttempted": build }])
    };
    let (code, _, remarks) = plumb(&site, &["build", "build", "--component", "card"]);
    assert!(code == 2 && remarks.contains("name one of cart, search"), "{remarks}");
    let waiting =
        start(&site, &["build", "build", "--component", "cart", "--revision", COMMIT, "--reason", "again", "--wait"]);
    let asked = wait::until("the request", || {
        let trigger = site.get("pipelinetriggers.plumb.dev", "build").unwrap_or_default();
        let asked = trigger["metadata"]["annotations"]["plumb.dev/build"].as_str().ok_or("no annotation")?;
        serde_json::from_str::<Value>(asked).map_err(|error| error.to_string())
    });
    assert_eq!(
        (&asked["component"], &asked["commit"], &asked["reason"]),
        (&"cart".into(), &COMMIT.into(), &"again".into())
    );
    let id = asked["id"].as_str().expect("an id");
    status(json!({ "handled": { "plumb.dev/build": id }, "queued": 0, "running": 1, "components": build(id, None) }));
    status(json!({ "components": build(id, Some("Failed")) }));
    let (code, text, remarks) = end(waiting);
    assert_eq!(code, 1, "{text}{remarks}");
    assert!(text.contains("fresh failed: step fail: exit code 2"), "{text}");
    // Of a run that is gone, or that never was, there is what the status keeps.
    let (_, text, _) = plumb(&site, &["runs", "build"]);
    assert!(text.contains("(gone) step fail: exit code 2"), "{text}");
    let (code, _, remarks) = plumb(&site, &["logs", "fresh"]);
    assert!(code == 2 && remarks.contains("is gone, and its logs with it; it ended: Failed"), "{remarks}");
}
