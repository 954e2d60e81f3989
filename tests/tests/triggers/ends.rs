//! How builds end, and what is said of it.

use serde_json::{Value, json};
use system_tests::wait;

use crate::shop::{PIPELINE_RUNS, Shop, daemon, run};

fn whole(run: Value) -> Value {
    json!({ "components": [{ "name": "cart", "paths": ["cart/**"] }], "run": run })
}

#[test]
fn a_build_that_fails_names_task_and_step_and_is_not_built_again() {
    daemon();
    let shop = Shop::new("fails");
    let first = shop.push("cart/main.go", "1");
    shop.trigger(&whole(run("lab/build:fail")));
    let build = shop.wait_ended("cart", &first, "Failed");
    let message = build["message"].as_str().expect("a message").to_owned();
    assert!(message.contains("build") && message.contains("exit code 2"), "{message}");
    let message = shop.wait_reason("BuildFailed");
    assert!(message.contains("cart") && message.contains(&first[..7]), "{message}");
    shop.settle();
    assert_eq!(shop.runs().len(), 1, "the same again would fail the same way");
    // The next change is built, and heals it.
    shop.trigger(&whole(run("lab/build:ok")));
    let second = shop.push("cart/main.go", "2");
    shop.wait_ended("cart", &second, "Succeeded");
    shop.wait_reason("Built");
}

#[test]
fn a_run_that_hangs_ends_by_its_timeout() {
    daemon();
    let shop = Shop::new("hangs");
    let first = shop.push("cart/main.go", "1");
    let mut hangs = run("lab/build:hang");
    hangs["spec"]["timeouts"] = json!({ "pipeline": "3s" });
    shop.trigger(&whole(hangs));
    let build = shop.wait_ended("cart", &first, "Failed");
    assert!(build["message"].as_str().is_some_and(|message| message.contains("timed out")), "{build:#}");
}

#[test]
fn a_bad_parameter_is_no_failure_of_the_build() {
    daemon();
    let shop = Shop::new("parameter");
    let first = shop.push("cart/main.go", "1");
    let mut bad = run("lab/build:ok");
    bad["spec"]["params"] = json!([]);
    shop.trigger(&whole(bad));
    let build = shop.wait_ended("cart", &first, "Misconfigured");
    assert!(build["message"].as_str().is_some_and(|message| message.contains("revision")), "{build:#}");
}

#[test]
fn an_image_that_can_not_be_pulled_is_tried_again_once() {
    daemon();
    let shop = Shop::new("pull");
    let first = shop.push("cart/main.go", "1");
    shop.trigger(&whole(run("lab/build:broken")));
    let build = wait::until("the second round to have failed", || {
        let build = shop.component("cart")["lastAttempted"].clone();
        let over = build["round"] == 2 && build["outcome"] == "Infrastructure";
        if over { Ok(build) } else { Err(format!("{:#}", shop.status())) }
    });
    assert_eq!((&build["commit"], &build["retried"]), (&json!(first), &json!(1)));
    assert!(build["run"].as_str().is_some_and(|run| run.ends_with("-r2")), "{build:#}");
    shop.settle();
    assert_eq!(shop.runs().len(), 2);
}

#[test]
fn a_run_that_somebody_deletes_is_cancelled_and_not_built_again() {
    daemon();
    let shop = Shop::new("deleted");
    let first = shop.push("cart/main.go", "1");
    shop.trigger(&whole(run("lab/build:hang")));
    let name = wait::until("the run to be seen", || {
        let build = shop.component("cart")["lastAttempted"].clone();
        build["run"].as_str().map(str::to_owned).ok_or_else(|| format!("{build:#}"))
    });
    shop.site.kubectl(&["delete", PIPELINE_RUNS, &name]).expect("a deletion");
    shop.wait_ended("cart", &first, "Cancelled");
    shop.settle();
    assert!(shop.runs().is_empty());
}

#[test]
fn jobs_and_task_runs_are_followed_too() {
    daemon();
    let shop = Shop::new("kinds");
    let first = shop.push("cart/main.go", "1");
    let job = |image: &str| {
        json!({ "apiVersion": "batch/v1", "kind": "Job", "spec": { "backoffLimit": 0, "template": { "spec": {
            "restartPolicy": "Never", "containers": [{ "name": "build", "image": image, "args": ["{{ revision }}"] }] } } } })
    };
    shop.trigger(&whole(job("lab/build:ok")));
    shop.wait_ended("cart", &first, "Succeeded");
    let jobs = shop.runs_of("jobs.batch");
    assert_eq!(jobs[0]["spec"]["template"]["spec"]["containers"][0]["args"][0], first);
    shop.trigger(&whole(job("lab/build:fail")));
    let second = shop.push("cart/main.go", "2");
    shop.wait_ended("cart", &second, "Failed");
    let task = json!({ "apiVersion": "tekton.dev/v1", "kind": "TaskRun", "spec": { "taskSpec": {
        "steps": [{ "name": "build", "image": "lab/build:ok", "command": ["build"] }] } } });
    shop.trigger(&whole(task));
    let third = shop.push("cart/main.go", "3");
    shop.wait_ended("cart", &third, "Succeeded");
}

#[test]
fn a_build_that_a_person_asks_for_is_a_further_round_of_the_same_commit() {
    daemon();
    let shop = Shop::new("asked");
    let first = shop.push("cart/main.go", "1");
    shop.trigger(&whole(run("lab/build:ok")));
    shop.wait_ended("cart", &first, "Succeeded");
    let ask = |id: &str, more: &Value| {
        let mut request = json!({ "id": id, "user": "ann" });
        for (key, value) in more.as_object().expect("a map") {
            request[key] = value.clone();
        }
        let text = format!("plumb.dev/build={request}");
        shop.site.kubectl(&["annotate", "--overwrite", crate::shop::TRIGGERS, "shop", &text]).expect("an annotation");
        wait::until_equal("the request to be handled", &json!(id), || {
            shop.status()["handled"]["plumb.dev/build"].clone()
        });
    };
    ask("one", &json!({}));
    let again = wait::until("the second round to have ended", || {
        let build = shop.component("cart")["lastAttempted"].clone();
        if build["round"] == 2 && build["outcome"] == "Succeeded" { Ok(build) } else { Err(format!("{build:#}")) }
    });
    assert!(again["run"].as_str().is_some_and(|run| run.ends_with("-r2")), "{again:#}");
    let second = shop.push("cart/main.go", "2");
    shop.wait_ended("cart", &second, "Succeeded");
    ask("older", &json!({ "commit": first, "component": "cart" }));
    wait::until_equal("a third build of the first commit", &3, || {
        shop.runs().iter().filter(|run| run["metadata"]["labels"]["plumb.dev/commit"] == *first).count()
    });
    // What can't be built is handled, too, and said.
    ask("none", &json!({ "component": "search" }));
    ask("unknown", &json!({ "commit": "1".repeat(40) }));
    wait::until("both to be told", || {
        let events = shop.site.kubectl(&["get", "events", "--output", "json"]).expect("Events");
        let told = ["no component search", "is not in the mirror"].map(|words| events.contains(words));
        if told == [true, true] { Ok(()) } else { Err(format!("{told:?}")) }
    });
}
