//! What steps have written, read through the API server.

use lab::node::LEAKED_TOKEN;
use serde_json::json;
use system_tests::site::Site;

use crate::run::{create, run, task, task_run, wait_over};

#[test]
fn logs_of_steps_are_read_and_those_of_a_failing_one_leak_a_token() {
    let site = Site::without_plumb(lab::shared_with_tekton(), "logs");
    let check = |name: &str, step: &str, image: &str, expected: &[&str], unexpected: &[&str]| {
        create(&site, &run(name, &[task("build", step, image)], &json!({}))).expect("a run");
        wait_over(&site, name);
        let pod = task_run(&site, name, "build")["status"]["podName"].as_str().expect("a Pod").to_owned();
        let container = format!("step-{step}");
        let log = site.kubectl(&["logs", &pod, "--container", &container]).expect("a log");
        assert!(expected.iter().all(|part| log.contains(part)), "{name}: {log}");
        assert!(!unexpected.iter().any(|part| log.contains(part)), "{name}: {log}");
        let last = site.kubectl(&["logs", &pod, "--container", &container, "--tail=1"]).expect("a line");
        assert_eq!(last.lines().count(), 1, "{last}");
        assert!(log.ends_with(&last), "{last}");
    };
    check("good", "build", "lab/build:ok", &["pushed the image"], &["the build failed", LEAKED_TOKEN]);
    check("bad", "fail", "lab/build:fail", &["the build failed", LEAKED_TOKEN], &["pushed the image"]);
}
