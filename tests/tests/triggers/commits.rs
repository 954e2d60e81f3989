//! Which commits build what: by what components read, and never by how the commits came.

use serde_json::json;
use system_tests::wait;

use crate::shop::{Shop, daemon, pairs};

#[test]
fn the_first_commit_builds_every_component_and_a_change_only_its_own() {
    daemon();
    let shop = Shop::new("commits");
    let first = shop.site.push(&[("cart/main.go", "1"), ("search/main.go", "1")], "two services");
    shop.trigger(&json!({}));
    shop.wait_ended("cart", &first, "Succeeded");
    shop.wait_ended("search", &first, "Succeeded");
    let second = shop.push("cart/main.go", "2");
    let build = shop.wait_ended("cart", &second, "Succeeded");
    assert_eq!(build["attempt"], 2);
    let text = shop.push("search/README.md", "not built from");
    wait::until_equal("the newest commit to be seen", &json!(text), || shop.status()["commit"].clone());
    assert_eq!(shop.built(), pairs(&[("cart", &first), ("search", &first), ("cart", &second)]));
    let run = build["run"].as_str().expect("a run").to_owned();
    assert!(run.starts_with(&format!("shop-cart-{}-", &second[..7])), "{run}");
    let run = shop.runs().into_iter().find(|found| found["metadata"]["name"] == *run).expect("the run");
    assert_eq!(run["spec"]["params"][0]["value"], second);
    assert_eq!(run["spec"]["pipelineSpec"]["tasks"][0]["taskSpec"]["steps"][0]["command"][1], "cart");
    let (ready, reason, message) = shop.ready();
    assert_eq!((ready.as_str(), reason.as_str()), ("True", "Built"), "{message}");
    shop.wait_metric("plumb_builds_total", "outcome=\"succeeded\",", 3);
    shop.wait_metric("plumb_builds_total", "outcome=\"failed\",", 0);
    shop.wait_metric("plumb_builds_running", "", 0);
    shop.wait_metric("plumb_trigger_reason", "reason=\"Built\",", 1);
    // Those of all triggers.
    let page = daemon().metrics();
    for family in ["plumb_build_queue_seconds_count", "plumb_build_seconds_count{outcome=\"succeeded\"}"] {
        let count = page.lines().find_map(|line| line.strip_prefix(family)?.trim().parse::<u32>().ok());
        assert!(count.is_some_and(|count| count >= 3), "{family}: {count:?}");
    }
}

#[test]
fn of_a_push_of_three_commits_the_first_one_counts_too() {
    daemon();
    let shop = Shop::new("three");
    let first = shop.site.push(&[("cart/main.go", "1"), ("search/main.go", "1")], "two services");
    shop.trigger(&json!({}));
    shop.wait_ended("cart", &first, "Succeeded");
    shop.site.copy.commit(&[("cart/main.go", "2")], "change the cart").expect("a commit");
    shop.site.copy.commit(&[("docs.md", "1")], "write").expect("a commit");
    let last = shop.push("docs.md", "2");
    shop.wait_ended("cart", &last, "Succeeded");
    assert_eq!(shop.built(), pairs(&[("cart", &first), ("search", &first), ("cart", &last)]));
}

#[test]
fn a_commit_that_asks_for_it_is_not_built_and_a_later_one_builds_only_what_it_changes() {
    daemon();
    let shop = Shop::new("skip");
    let first = shop.site.push(&[("cart/main.go", "1"), ("search/main.go", "1")], "two services");
    shop.trigger(&json!({}));
    shop.wait_ended("cart", &first, "Succeeded");
    let skipped = shop.site.push(&[("cart/main.go", "2")], "change the cart [skip ci]");
    wait::until_equal("the commit to be passed over", &json!(skipped), || {
        shop.component("cart")["seen"]["commit"].clone()
    });
    assert_eq!(shop.component("cart")["seen"]["passedOver"], true);
    let third = shop.push("search/main.go", "2");
    shop.wait_ended("search", &third, "Succeeded");
    assert_eq!(shop.built(), pairs(&[("cart", &first), ("search", &first), ("search", &third)]));
}

#[test]
fn what_the_branch_was_set_back_to_is_built_again() {
    daemon();
    let shop = Shop::new("back");
    let first = shop.site.push(&[("cart/main.go", "1"), ("search/main.go", "1")], "two services");
    shop.trigger(&json!({}));
    shop.wait_ended("cart", &first, "Succeeded");
    let second = shop.push("cart/main.go", "2");
    shop.wait_ended("cart", &second, "Succeeded");
    shop.site.copy.git(&["push", "--force", "origin", &format!("{first}:refs/heads/main")]).expect("a forced push");
    let build = shop.wait_ended("cart", &first, "Succeeded");
    assert_eq!(build["attempt"], 3);
}

#[test]
fn plumbs_own_commits_build_nothing_and_what_a_person_changed_below_them_is_built() {
    daemon();
    let shop = Shop::new("own");
    let first = shop.site.push(&[("cart/main.go", "1"), ("search/main.go", "1")], "two services");
    shop.trigger(&json!({}));
    shop.wait_ended("cart", &first, "Succeeded");
    shop.wait_ended("search", &first, "Succeeded");
    let own = "cart: an image\n\nPlumb-Source: shop/repo@1\nPlumb-Run: shop/run";
    let changed = shop.site.copy.commit(&[("search/main.go", "2")], "change the search").expect("a commit");
    shop.site.push(&[("cart/image.txt", "2")], own);
    shop.wait_ended("search", &changed, "Succeeded");
    shop.site.push(&[("cart/image.txt", "3")], own);
    shop.settle();
    assert_eq!(shop.built(), pairs(&[("cart", &first), ("search", &first), ("search", &changed)]));
}

#[test]
fn with_initial_skip_only_the_next_change_is_built() {
    daemon();
    let shop = Shop::new("initial");
    shop.site.push(&[("cart/main.go", "1"), ("search/main.go", "1")], "two services");
    shop.trigger(&json!({ "initial": "Skip" }));
    wait::until_equal("the first commit to be passed over", &json!(true), || {
        shop.component("search")["seen"]["passedOver"].clone()
    });
    let second = shop.push("cart/main.go", "2");
    shop.wait_ended("cart", &second, "Succeeded");
    assert_eq!(shop.built(), pairs(&[("cart", &second)]));
}
