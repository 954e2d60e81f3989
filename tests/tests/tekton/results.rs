//! What a run that went well tells: the image, and what one task hands to another.

use serde_json::{Value, json};
use system_tests::site::Site;

use crate::run::{condition, create, result, run, task, task_run, wait_over};

/// Returns a run of one task that tells of the image in its own results, for a commit.
fn image_run(name: &str, commit: &str, annotations: &Value) -> Value {
    let mut run = run(name, &[task("build", "build", "lab/build:ok")], &json!({}));
    run["spec"]["pipelineSpec"]["results"] = json!([
        { "name": "IMAGE_URL", "value": "$(tasks.build.results.IMAGE_URL)" },
        { "name": "IMAGE_DIGEST", "value": "$(tasks.build.results.IMAGE_DIGEST)" },
    ]);
    run["metadata"]["labels"] = json!({ "example.com/commit": commit });
    run["metadata"]["annotations"] = annotations.clone();
    run
}

#[test]
fn a_run_tells_of_its_image_and_another_commit_is_another_image() {
    let site = Site::without_plumb(lab::shared_with_tekton(), "results");
    let image = json!({ "lab.plumb.dev/image-url": "registry.example.com/shop/cart" });
    let (one, two) = ("1".repeat(40), "2".repeat(40));
    for (name, commit) in [("one", &one), ("again", &one), ("two", &two)] {
        create(&site, &image_run(name, commit, &image)).expect("a run");
    }
    let digest = |name: &str| {
        let run = wait_over(&site, name);
        assert_eq!(condition(&run).0, "True", "{run:#}");
        assert_eq!(condition(&run).1, "Succeeded");
        assert_eq!(result(&run, "IMAGE_URL"), "registry.example.com/shop/cart");
        result(&run, "IMAGE_DIGEST")
    };
    let (first, again, other) = (digest("one"), digest("again"), digest("two"));
    let hex = first.strip_prefix("sha256:").expect("a digest");
    assert!(hex.len() == 64 && hex.chars().all(|digit| digit.is_ascii_hexdigit()), "{first}");
    assert_eq!(first, again, "the same commit");
    assert_ne!(first, other, "another commit");
}

#[test]
fn a_result_is_what_an_annotation_says_or_missing() {
    let site = Site::without_plumb(lab::shared_with_tekton(), "told");
    let told = json!({ "lab.plumb.dev/result.IMAGE_DIGEST": "sha256:none" });
    create(&site, &image_run("told", "a", &told)).expect("a run");
    let missing = json!({ "lab.plumb.dev/result.IMAGE_DIGEST": "-" });
    create(&site, &image_run("missing", "a", &missing)).expect("a run");
    assert_eq!(result(&wait_over(&site, "told"), "IMAGE_DIGEST"), "sha256:none");
    let run = wait_over(&site, "missing");
    assert_eq!(condition(&run).0, "False", "{run:#}");
}

#[test]
fn one_task_hands_its_result_to_the_next() {
    let site = Site::without_plumb(lab::shared_with_tekton(), "handed");
    let mut second = task("second", "check", "lab/build:ok");
    second["params"] = json!([{ "name": "image", "value": "$(tasks.first.results.IMAGE_DIGEST)" }]);
    second["taskSpec"]["params"] = json!([{ "name": "image" }]);
    create(&site, &run("handed", &[task("first", "build", "lab/build:ok"), second], &json!({}))).expect("a run");
    let ended = wait_over(&site, "handed");
    assert_eq!(condition(&ended).0, "True", "{ended:#}");
    let (first, second) = (task_run(&site, "handed", "first"), task_run(&site, "handed", "second"));
    assert_eq!(second["spec"]["params"], json!([{ "name": "image", "value": result(&first, "IMAGE_DIGEST") }]));
    let time = |run: &Value, field: &str| run["status"][field].as_str().expect("a time").to_owned();
    assert!(time(&first, "completionTime") <= time(&second, "startTime"), "one after the other");
}
