//! Runs as Tekton v1.15 and Kubernetes leave them, and what is told of them.

use serde_json::{Value, json};

use super::*;

/// Returns how things stand, one line for each: the run, its tasks, their steps.
fn told(kind: RunKind, run: &Value, parts: &[Value]) -> Vec<String> {
    let anatomy = of(kind, run, parts);
    let line = |indent: &str, name: &str, standing: &Standing| {
        format!("{indent}{name} {} {}", standing.stage.label(), standing.reason).trim_end().to_owned()
    };
    let mut lines = vec![line("", "run", &anatomy.standing)];
    for task in &anatomy.tasks {
        lines.push(line(" ", &task.name, &task.standing));
        lines.extend(task.steps.iter().map(|step| line("  ", &step.name, &step.standing)));
    }
    lines
}

#[track_caller]
fn check(kind: RunKind, run: &Value, parts: &[Value], expected: &[&str]) {
    assert_eq!(told(kind, run, parts), expected);
}

fn condition(status: &str, reason: &str, message: &str) -> Value {
    json!([{ "type": "Succeeded", "status": status, "reason": reason, "message": message }])
}

fn task_run(task: &str, conditions: Value, steps: Value) -> Value {
    json!({
        "metadata": { "name": format!("r-{task}"), "labels": { PIPELINE_TASK: task, PIPELINE_RUN: "r" } },
        "spec": { "timeout": "1h0m0s" },
        "status": { "podName": format!("r-{task}-pod"), "startTime": "2026-11-20T10:00:00Z", "conditions": conditions, "steps": steps },
    })
}

fn ended(name: &str, code: i64, reason: &str) -> Value {
    // What Tekton adds to what the container says itself.
    let container = if code == 0 { "Completed" } else { "Error" };
    json!({ "name": name, "container": format!("step-{name}"), "terminationReason": reason, "terminated": { "exitCode": code, "reason": container,
        "startedAt": "2026-11-20T10:00:00Z", "finishedAt": "2026-11-20T10:00:05Z" } })
}

fn pipeline_run(conditions: Value) -> Value {
    json!({
        "metadata": { "name": "r" },
        "spec": { "timeouts": { "pipeline": "1h0m0s" }, "params": [{ "name": "revision", "value": "main" }] },
        "status": { "conditions": conditions, "startTime": "2026-11-20T10:00:00Z", "completionTime": "2026-11-20T10:01:00Z",
            "pipelineSpec": { "tasks": [{ "name": "clone" }, { "name": "build" }, { "name": "push" }], "finally": [{ "name": "tell" }] },
            "results": [{ "name": "IMAGE_URL", "value": "registry.example.com/cart" }] },
    })
}

#[test]
fn a_run_that_goes_well_shows_what_is_behind_and_before_it() {
    let clone = task_run(
        "clone",
        condition("True", "Succeeded", "All Steps have completed executing"),
        json!([ended("git", 0, "Completed")]),
    );
    let running = json!([
        { "name": "compile", "running": { "startedAt": "2026-11-20T10:00:10Z" } },
        { "name": "push", "waiting": { "reason": "PodInitializing" } },
    ]);
    let mut build = task_run(
        "build",
        condition("Unknown", "Running", "Not all Steps in the Task have finished executing"),
        running,
    );
    build["status"]["startTime"] = "2026-11-20T10:00:10Z".into();
    let run = pipeline_run(condition(
        "Unknown",
        "Running",
        "Tasks Completed: 1 (Failed: 0, Cancelled 0), Incomplete: 3, Skipped: 0",
    ));
    check(
        RunKind::PipelineRun,
        &run,
        &[build, clone],
        &[
            "run Running",
            " clone Succeeded",
            "  git Succeeded",
            " build Running",
            "  compile Running",
            "  push Waiting",
            " push Waiting",
            " tell Waiting",
        ],
    );
    let anatomy = of(RunKind::PipelineRun, &run, &[]);
    assert_eq!(
        (anatomy.params[0].name.as_str(), &anatomy.results[0].value),
        ("revision", &json!("registry.example.com/cart"))
    );
}

#[test]
fn the_task_and_the_step_say_why_a_run_failed() {
    let run = |skipped: Value| {
        let mut run =
            pipeline_run(condition("False", "Failed", "Tasks Completed: 1 (Failed: 1, Cancelled 0), Skipped: 2"));
        run["status"]["skippedTasks"] = skipped;
        run
    };
    let check = |conditions: Value, steps: Value, reason: &str| {
        let skipped = json!([{ "name": "build", "reason": "PipelineRun was stopping" }]);
        let lines = told(RunKind::PipelineRun, &run(skipped), &[task_run("clone", conditions, steps)]);
        assert_eq!(lines[0], format!("run Failed task clone: {reason}"));
        assert_eq!(lines[1], format!(" clone Failed {reason}"));
        assert!(lines.contains(&" build Skipped PipelineRun was stopping".to_owned()), "{lines:?}");
        assert!(lines.contains(&" push Skipped the run ended before".to_owned()), "{lines:?}");
    };
    let failed = |reason: &str, message: &str| condition("False", reason, message);
    check(
        failed("StepFailed", "\"step-git\" exited with code 128"),
        json!([ended("git", 128, "Error"), ended("b", 1, "Skipped")]),
        "step git: exit code 128",
    );
    check(
        failed("StepOOM", "…"),
        json!([ended("git", 137, "OOMKilled")]),
        "step git: out of memory: give it a higher limit",
    );
    check(
        failed("StepFailed", "…"),
        json!([ended("git", 143, "Error")]),
        "step git: exit code 143: ended by signal 15",
    );
    check(
        failed(
            "PodCreationFailed",
            "failed to create task run pod \"r-clone\": translating TaskSpec to Pod: serviceaccounts \"builder\" not found. Maybe invalid TaskSpec",
        ),
        json!([]),
        "the ServiceAccount builder does not exist: create it, or name another one in the run",
    );
    check(
        failed("PodCreationFailed", "quota\nexceeded. Maybe invalid TaskSpec"),
        json!([]),
        "its Pod can't be created: quota exceeded",
    );
    check(
        failed("TaskRunTimeout", "TaskRun \"r-clone\" failed to finish within \"1h0m0s\""),
        json!([ended("git", 1, "TaskRunTimeout")]),
        "took longer than its timeout of 1h0m0s",
    );
    check(
        failed("TaskRunImagePullFailed", "The step \"git\" in TaskRun \"r\" failed to pull the image \"x:1\""),
        json!([ended("git", 1, "TaskRunImagePullFailed")]),
        "an image can't be pulled: The step \"git\" in TaskRun \"r\" failed to pull the image \"x:1\"",
    );
    check(
        failed("PodEvicted", "The node was low on resource: memory."),
        json!([]),
        "its Pod was evicted: The node was low on resource: memory.",
    );
    check(failed("TaskValidationFailed", "[User error] missing values"), json!([]), "missing values");
    check(failed("SomethingNew", ""), json!([]), "SomethingNew");
}

#[test]
fn what_a_run_waits_for_is_told_while_it_waits() {
    let waiting = json!([{ "name": "git", "waiting": { "reason": "ImagePullBackOff", "message": "Back-off pulling image \"x:1\"" } }]);
    let pending = condition("Unknown", "Pending", "pod status \"Ready\":\"False\"");
    let run = pipeline_run(condition("Unknown", "Running", "…"));
    let lines = told(RunKind::PipelineRun, &run, &[task_run("clone", pending, waiting)]);
    assert_eq!(lines[0], "run Running task clone: step git: the image can't be pulled: Back-off pulling image \"x:1\"");
    let full = condition("Unknown", "ExceededNodeResources", "TaskRun Pod \"p\" exceeded available resources");
    let lines = told(RunKind::PipelineRun, &run, &[task_run("clone", full, json!([]))]);
    assert_eq!(
        lines[0],
        "run Running task clone: no node has room for it: TaskRun Pod \"p\" exceeded available resources"
    );
    check(
        RunKind::TaskRun,
        &json!({ "metadata": { "name": "t" } }),
        &[],
        &["run Waiting Tekton has not looked at it yet", " t Waiting Tekton has not looked at it yet"],
    );
    let held = pipeline_run(condition("Unknown", "PipelineRunPending", "…"));
    assert_eq!(
        told(RunKind::PipelineRun, &held, &[])[0],
        "run Waiting it is held back: spec.status is PipelineRunPending"
    );
}

#[test]
fn a_run_says_itself_what_no_task_can() {
    let check = |reason: &str, message: &str, expected: &str| {
        let failed = task_run(
            "clone",
            condition("False", "TaskRunCancelled", "…"),
            json!([ended("git", 1, "TaskRunCancelled")]),
        );
        let lines = told(RunKind::PipelineRun, &pipeline_run(condition("False", reason, message)), &[failed]);
        assert_eq!(
            lines[..3],
            [
                format!("run {expected}"),
                " clone Cancelled".to_owned(),
                "  git Cancelled ended because the run was cancelled".to_owned()
            ]
        );
    };
    check("Cancelled", "PipelineRun \"r\" was cancelled", "Cancelled");
    check(
        "PipelineRunTimeout",
        "PipelineRun \"r\" failed to finish within \"1h0m0s\"",
        "Failed took longer than its timeout of 1h0m0s",
    );
    check(
        "CouldntGetPipeline",
        "Pipeline shop/build can't be found",
        "Failed its Pipeline can't be had: Pipeline shop/build can't be found",
    );
    check(
        "ParameterMissing",
        "[User error] PipelineRun shop/r parameters is missing: [image]",
        "Failed PipelineRun shop/r parameters is missing: [image]",
    );
}

#[test]
fn tasks_of_a_matrix_and_tries_are_told_apart() {
    let mut one = task_run("clone", condition("True", "Succeeded", ""), json!([]));
    let mut other = one.clone();
    one["metadata"]["name"] = "r-clone-0".into();
    other["metadata"]["name"] = "r-clone-1".into();
    other["status"]["retriesStatus"] = json!([{ "podName": "first" }, { "podName": "first-retry1" }]);
    let anatomy = of(RunKind::PipelineRun, &pipeline_run(condition("Unknown", "Running", "")), &[other, one]);
    let named: Vec<_> = anatomy.tasks.iter().map(|task| task.name.as_str()).collect();
    assert_eq!(named, ["clone-0", "clone-1", "build", "push", "tell"]);
    assert_eq!(anatomy.tasks[1].pods, ["first", "first-retry1", "r-clone-pod"]);
}

#[test]
fn jobs_stand_as_their_conditions_and_pods_say() {
    let job = |status: Value| json!({ "metadata": { "name": "j" }, "spec": { "activeDeadlineSeconds": 600 }, "status": status });
    let pod = |phase: &str, state: Value| {
        json!({ "metadata": { "name": "j-x" }, "spec": { "containers": [{ "name": "build" }] },
            "status": { "phase": phase, "containerStatuses": [{ "name": "build", "image": "x:1", "state": state }] } })
    };
    let failed = |reason: &str| {
        json!({ "startTime": "2026-11-20T10:00:00Z", "conditions": [{ "type": "Failed", "status": "True", "reason": reason,
        "message": "Job has reached the specified backoff limit", "lastTransitionTime": "2026-11-20T10:01:00Z" }] })
    };
    let ended = |code: i64| json!({ "terminated": { "exitCode": code, "reason": "Error" } });
    check(RunKind::Job, &job(json!({})), &[], &["run Waiting"]);
    check(
        RunKind::Job,
        &job(json!({ "startTime": "2026-11-20T10:00:00Z" })),
        &[pod("Pending", json!({ "waiting": { "reason": "ErrImagePull", "message": "no such image" } }))],
        &[
            "run Running task j-x: container build: ErrImagePull x:1",
            " j-x Running container build: ErrImagePull x:1",
            "  build Waiting the image x:1 can't be pulled: no such image",
        ],
    );
    check(
        RunKind::Job,
        &job(failed("BackoffLimitExceeded")),
        &[pod("Failed", ended(2))],
        &[
            "run Failed task j-x: container build: Error, exit code 2",
            " j-x Failed container build: Error, exit code 2",
            "  build Failed exit code 2",
        ],
    );
    check(
        RunKind::Job,
        &job(failed("DeadlineExceeded")),
        &[],
        &["run Failed took longer than activeDeadlineSeconds (600 s)"],
    );
    let mut cancelled = job(failed("DeadlineExceeded"));
    cancelled["metadata"]["annotations"] = json!({ "plumb.dev/cancelled": "by ada" });
    check(RunKind::Job, &cancelled, &[], &["run Cancelled"]);
    let complete =
        json!({ "startTime": "2026-11-20T10:00:00Z", "conditions": [{ "type": "Complete", "status": "True" }] });
    check(
        RunKind::Job,
        &job(complete),
        &[pod("Succeeded", json!({ "terminated": { "exitCode": 0 } }))],
        &["run Succeeded", " j-x Succeeded", "  build Succeeded"],
    );
}

#[test]
fn logs_are_those_of_steps_and_of_all_containers_elsewhere() {
    let pod = |init: &[&str], main: &[&str]| {
        let containers = |names: &[&str]| names.iter().map(|name| json!({ "name": name })).collect::<Vec<_>>();
        json!({ "spec": { "initContainers": containers(init), "containers": containers(main) } })
    };
    let check = |pod: &Value, expected: &[(&str, &str)]| {
        let found = containers(pod);
        assert_eq!(
            found.iter().map(|(step, container)| (step.as_str(), container.as_str())).collect::<Vec<_>>(),
            expected
        );
    };
    check(&pod(&["prepare"], &["step-a", "step-b", "sidecar-c"]), &[("a", "step-a"), ("b", "step-b")]);
    check(&pod(&["fetch"], &["build"]), &[("fetch", "fetch"), ("build", "build")]);
    check(&json!({}), &[]);
}
