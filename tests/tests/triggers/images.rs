//! Images on their way from a run into an environment: the commit, what deploys it, and what people decide about it.

use serde_json::{Value, json};
use system_tests::{site::deployment, wait};

use crate::shop::{Shop, daemon, run};

/// The environment's file.
const FILE: &str = "env/cart.yaml";
/// The image as manifests name it.
const IMAGE: &str = "registry.example.com/shop/cart";

/// A shop whose cart is written into an environment of the same repository, and deployed from there.
fn shop(name: &str, rollback: &Value) -> Shop {
    daemon();
    let shop = Shop::new(name);
    let manifest = deployment("cart", &format!("{IMAGE}:old"), 1);
    shop.site.push(&[("cart/main.go", "1"), (FILE, &manifest)], "a cart and where it runs");
    shop.site.environment("env", "env", json!({ "rollback": rollback }));
    shop
}

fn spec(image: &str) -> Value {
    let mut run = run("lab/build:ok");
    run["metadata"] = json!({ "annotations": { "lab.plumb.dev/image-url": image } });
    json!({
        "components": [{ "name": "cart", "paths": ["cart/**"] }],
        "run": run,
        "writeBack": { "repository": "repo", "images": [{
            "name": IMAGE, "file": FILE, "field": "spec.template.spec.containers[0].image",
        }] },
    })
}

impl Shop {
    /// Returns what the branch holds of the environment's file.
    fn file(&self) -> String {
        self.site.repository.git(&["show", &format!("main:{FILE}")]).expect("a file")
    }

    fn write_back(&self) -> Value {
        self.status()["writeBacks"][0].clone()
    }

    /// Waits until the image of this build has this outcome.
    fn wait_outcome(&self, attempt: u32, outcome: &str) -> Value {
        wait::until(&format!("the image of build {attempt} to be {outcome}"), || {
            let found = self.write_back();
            let fits = found["attempt"] == attempt && found["outcome"] == outcome;
            if fits { Ok(found) } else { Err(format!("{:#}", self.status())) }
        })
    }

    /// Takes what the branch has into the working copy, and pushes a change.
    fn push_on(&self, files: &[(&str, &str)], message: &str) -> String {
        self.site.copy.pull().expect("a pull");
        self.site.push(files, message)
    }

    fn deployed(&self) -> String {
        let found = self.site.get("deployments.apps", "cart").unwrap_or_default();
        found["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap_or_default().to_owned()
    }
}

#[test]
fn an_image_becomes_one_commit_with_trailers_and_is_deployed() {
    let shop = shop("write", &json!({}));
    let before = shop.file();
    shop.trigger(&spec(IMAGE));
    let written = shop.wait_outcome(1, "Written");
    let image = written["image"].as_str().expect("an image").to_owned();
    assert!(image.starts_with(&format!("{IMAGE}@sha256:")), "{image}");
    assert_eq!(
        shop.file(),
        before.replace(&format!("{IMAGE}:old"), &image),
        "one text changes, and every other byte stays"
    );
    wait::until_equal("the image to be deployed", &image, || shop.deployed());
    let commit = written["commit"].as_str().expect("a commit");
    let message = shop.site.repository.git(&["log", "-1", "--format=%B", commit]).expect("a message");
    let source = written["source"].as_str().expect("a source");
    assert!(message.contains(&format!("Plumb-Source: {}/repo@{source}", shop.site.namespace)), "{message}");
    assert!(message.contains(&format!("Plumb-Run: {}/shop-cart-", shop.site.namespace)), "{message}");
    // Its own commit is seen and builds nothing.
    shop.push_on(&[("docs.md", "1")], "write");
    wait::until("the newest commit to be seen", || {
        let head = shop.site.repository.branch("main").expect("a branch");
        if shop.status()["commit"] == head { Ok(()) } else { Err(shop.status()["commit"].to_string()) }
    });
    assert_eq!(shop.runs().len(), 1);
    // The next build replaces it.
    shop.push_on(&[("cart/main.go", "2")], "change the cart");
    let second = shop.wait_outcome(2, "Written");
    assert_ne!(second["image"], image);
    assert!(shop.file().contains(second["image"].as_str().expect("an image")));
}

#[test]
fn what_a_person_puts_there_stays_until_the_next_commit_of_the_source() {
    let shop = shop("pinned", &json!({}));
    shop.trigger(&spec(IMAGE));
    let first = shop.wait_outcome(1, "Written");
    let image = first["image"].as_str().expect("an image").to_owned();
    let pinned = shop.file().replace(&image, &format!("{IMAGE}:by-hand"));
    shop.push_on(&[(FILE, &pinned)], "pin the cart");
    wait::until_equal("the pin to be deployed", &format!("{IMAGE}:by-hand"), || shop.deployed());
    assert_eq!(shop.file(), pinned);
    // Commits tell their time in seconds: of the same one, the pin counts.
    let second = || jiff::Timestamp::now().as_second();
    let pinned = second();
    wait::until("another second", || if second() > pinned { Ok(()) } else { Err("the same") });
    shop.push_on(&[("cart/main.go", "2")], "change the cart");
    let second = shop.wait_outcome(2, "Written");
    wait::until_equal("the next image to be deployed", &second["image"], || json!(shop.deployed()));
}

#[test]
fn an_image_that_is_not_healthy_is_taken_back_and_not_written_again() {
    let shop = shop("bad", &json!({ "mode": "Revert", "failFast": { "after": "500ms" } }));
    wait::until_equal("the first image to run", &format!("{IMAGE}:old"), || shop.deployed());
    wait::until("the environment to be healthy", || {
        let (ready, reason, message) = shop.site.condition("env", "Ready");
        if ready == "True" { Ok(()) } else { Err(format!("{reason}: {message}")) }
    });
    let before = shop.file();
    // The laboratory can't pull an image of this name.
    shop.trigger(&spec("lab/broken"));
    let written = shop.wait_outcome(1, "Written");
    wait::until_equal("the write-back to be taken back", &before, || shop.file());
    wait::until_equal("the image before it to run", &format!("{IMAGE}:old"), || shop.deployed());
    shop.push_on(&[("docs.md", "1")], "write");
    wait::until("the newest commit to be seen", || {
        let head = shop.site.repository.branch("main").expect("a branch");
        if shop.status()["commit"] == head { Ok(()) } else { Err(shop.status()["commit"].to_string()) }
    });
    assert_eq!(shop.file(), before);
    // Built once more by the same commit, it is the same image.
    assert_eq!(shop.write_back()["commit"], written["commit"]);
}

#[test]
fn a_success_without_an_image_is_an_error_to_see() {
    let shop = shop("none", &json!({}));
    let mut spec = spec(IMAGE);
    spec["run"]["spec"]["pipelineSpec"].as_object_mut().expect("a map").remove("results");
    spec["run"]["spec"]["pipelineSpec"]["tasks"][0]["taskSpec"]["results"] = json!([{ "name": "something" }]);
    shop.trigger(&spec);
    let problem = shop.wait_outcome(1, "Problem");
    assert!(problem["message"].as_str().is_some_and(|message| message.contains("tells no image")), "{problem:#}");
    let (ready, _, message) = shop.ready();
    assert!(ready == "False" && message.contains("tells no image"), "{ready} {message}");
}

#[test]
fn components_that_finish_together_are_one_commit() {
    daemon();
    let shop = Shop::new("together");
    let values = "cart: {image: old}\nsearch: {image: old} # both\n";
    shop.site.push(&[("cart/main.go", "1"), ("search/main.go", "1"), ("env/values.yaml", values)], "two services");
    let mut run = run("lab/build:ok");
    run["metadata"] =
        json!({ "annotations": { "lab.plumb.dev/image-url": "registry.example.com/shop/{{ component }}" } });
    let image = |name: &str| {
        json!({ "name": format!("registry.example.com/shop/{name}"), "component": name, "file": "env/values.yaml",
            "field": format!("{name}.image"), "form": "Digest" })
    };
    shop.trigger(
        &json!({ "run": run, "writeBack": { "repository": "repo", "images": [image("cart"), image("search")] } }),
    );
    wait::until("both to be written", || {
        let status = shop.status();
        let written = (0..2).all(|index| status["writeBacks"][index]["outcome"] == "Written");
        if written { Ok(()) } else { Err(format!("{status:#}")) }
    });
    let file = shop.site.repository.git(&["show", "main:env/values.yaml"]).expect("a file");
    assert!(file.trim_end().ends_with("} # both") && file.matches("sha256:").count() == 2, "{file}");
    let commits = shop.site.repository.git(&["rev-list", "--count", "main"]).expect("a number");
    let commits: u32 = commits.trim().parse().expect("a number");
    assert!((2..=3).contains(&commits), "{commits}: runs that end apart are two commits at most");
}

#[test]
fn with_the_mode_branch_somebody_has_to_merge_it() {
    let shop = shop("branch", &json!({}));
    let before = shop.file();
    let mut spec = spec(IMAGE);
    spec["writeBack"]["mode"] = json!("Branch");
    shop.trigger(&spec);
    let proposed = shop.wait_outcome(1, "Proposed");
    let message = proposed["message"].as_str().expect("a message");
    let branch =
        message.split_whitespace().find(|word| word.starts_with("plumb/images-")).expect("a branch").to_owned();
    assert_eq!(shop.file(), before);
    let file = shop.site.repository.git(&["show", &format!("{branch}:{FILE}")]).expect("a file");
    assert!(file.contains(&format!("{IMAGE}@sha256:")), "{file}");
}
