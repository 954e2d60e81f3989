//! How many runs there are at once, which wait, which give way, and which are removed.

use serde_json::{Value, json};
use system_tests::wait;

use crate::shop::{Shop, daemon, run};

fn under_way(shop: &Shop) -> usize {
    let over = |run: &&Value| {
        ["True", "False"].contains(&run["status"]["conditions"][0]["status"].as_str().unwrap_or_default())
    };
    let runs = shop.runs();
    runs.len() - runs.iter().filter(over).count()
}

#[test]
fn what_is_above_the_limit_waits_for_its_turn() {
    daemon();
    let shop = Shop::new("limit");
    let first = shop.site.push(&[("cart/main.go", "1"), ("search/main.go", "1")], "two services");
    shop.trigger(&json!({ "concurrency": { "limit": 1 }, "run": run("lab/build:slow") }));
    wait::until_equal("one to wait", &json!(1), || shop.status()["queued"].clone());
    assert_eq!(under_way(&shop), 1);
    shop.wait_metric("plumb_builds_running", "", 1);
    shop.wait_metric("plumb_builds_queued", "", 1);
    shop.wait_ended("cart", &first, "Succeeded");
    shop.wait_ended("search", &first, "Succeeded");
    assert_eq!((shop.status()["queued"].clone(), shop.runs().len()), (json!(0), 2));
}

#[test]
fn a_newer_commit_ends_the_run_of_an_older_one_and_takes_its_place_within_the_limit() {
    daemon();
    let shop = Shop::new("supersede");
    let only = json!([{ "name": "cart", "paths": ["cart/**"] }]);
    shop.push("cart/main.go", "1");
    shop.trigger(&json!({
        "components": only, "concurrency": { "limit": 1, "supersede": "CancelRunning" }, "run": run("lab/build:hang"),
    }));
    wait::until_equal("the first run", &1, || under_way(&shop));
    let second = shop.push("cart/main.go", "2");
    wait::until_equal("the run of the second commit", &json!(second), || {
        let build = shop.component("cart")["lastAttempted"].clone();
        if build["run"].is_string() { build["commit"].clone() } else { Value::Null }
    });
    wait::until_equal("only one to go on", &1, || under_way(&shop));
    let cancelled =
        shop.runs().into_iter().filter(|run| run["status"]["conditions"][0]["reason"] == "Cancelled").count();
    assert_eq!(cancelled, 1);
}

#[test]
fn of_ended_runs_as_many_stay_as_are_to_be_kept_and_the_newest_success_always() {
    daemon();
    let shop = Shop::new("retention");
    let only = json!([{ "name": "cart", "paths": ["cart/**"] }]);
    let with =
        |image: &str| json!({ "components": only, "history": { "succeeded": 2, "failed": 1 }, "run": run(image) });
    let mut commits = Vec::new();
    shop.trigger(&with("lab/build:ok"));
    for number in 0..4 {
        commits.push(shop.push("cart/main.go", &format!("good {number}")));
        shop.wait_ended("cart", &commits[number], "Succeeded");
    }
    shop.trigger(&with("lab/build:fail"));
    for number in 0..3 {
        commits.push(shop.push("cart/main.go", &format!("bad {number}")));
        shop.wait_ended("cart", &commits[4 + number], "Failed");
    }
    let expected: Vec<&str> = [&commits[2], &commits[3], &commits[6]].map(String::as_str).to_vec();
    wait::until_equal(
        "the others to be removed",
        &crate::shop::pairs(&expected.iter().map(|commit| ("cart", *commit)).collect::<Vec<_>>()),
        || shop.built(),
    );
    assert_eq!(shop.component("cart")["lastSucceeded"]["commit"], commits[3]);
}
