//! The same images in a plain Job, for those who build without Tekton.

use serde_json::{Value, json};
use system_tests::{site::Site, wait};

fn job(name: &str, image: &str) -> Value {
    json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": { "name": name },
        "spec": { "backoffLimit": 0, "template": { "spec": {
            "restartPolicy": "Never",
            "containers": [{ "name": "build", "image": image, "command": ["build"] }],
        } } },
    })
}

/// Returns which conditions of a Job hold.
fn conditions(site: &Site, name: &str) -> Vec<String> {
    let job = site.get("job", name).unwrap_or_default();
    let conditions = job["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let held = conditions.iter().filter(|condition| condition["status"] == "True");
    held.map(|condition| condition["type"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_job_completes_or_fails_as_its_image_says() {
    let site = Site::without_plumb(lab::shared_with_tekton(), "jobs");
    let create = |name: &str, image: &str| {
        site.kubectl_with_input(&["create", "-f", "-"], &job(name, image).to_string()).expect("a Job");
    };
    let ends = |name: &str, condition: &str| {
        wait::until(&format!("{name} to be {condition}"), || {
            let held = conditions(&site, name);
            if held.iter().any(|one| one == condition) { Ok(()) } else { Err(format!("{held:?}")) }
        });
    };
    create("hang", "lab/build:hang");
    create("ok", "lab/build:ok");
    create("fail", "lab/build:fail");
    create("slow", "lab/build:slow");
    ends("ok", "Complete");
    ends("fail", "Failed");
    ends("slow", "Complete");
    assert_eq!(conditions(&site, "hang"), Vec::<String>::new());
}
