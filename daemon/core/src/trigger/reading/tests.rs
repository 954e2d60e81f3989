//! Tables: what runs say of themselves, as Tekton and Kubernetes write it, and what is read from it.

use serde_json::json;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn condition(status: &str, reason: &str, message: &str) -> Value {
    json!([{"type": "Succeeded", "status": status, "reason": reason, "message": message, "lastTransitionTime": "2026-11-01T10:03:00Z"}])
}

fn pipeline(status: &str, reason: &str, message: &str) -> Value {
    json!({
        "metadata": {"name": "run", "creationTimestamp": "2026-11-01T10:00:00Z"},
        "status": {"startTime": "2026-11-01T10:01:00Z", "conditions": condition(status, reason, message)},
    })
}

fn task(name: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({
        "metadata": {"name": format!("run-{name}"), "labels": {"tekton.dev/pipelineTask": name}, "creationTimestamp": "2026-11-01T10:01:00Z"},
        "status": {"podName": format!("run-{name}-pod"), "conditions": condition(status, reason, message)},
    })
}

fn steps(mut task: Value, steps: &[(&str, i64, &str)]) -> Value {
    let step = |(name, code, reason): &(&str, i64, &str)| json!({"name": name, "container": format!("step-{name}"), "terminated": {"exitCode": code, "reason": reason}});
    task["status"]["steps"] = steps.iter().map(step).collect();
    task
}

fn pod(task: &str, status: Value) -> Value {
    json!({
        "metadata": {"name": format!("run-{task}-pod"), "creationTimestamp": "2026-11-01T10:01:30Z"},
        "spec": {"containers": [{"name": "step-push"}]},
        "status": status,
    })
}

#[track_caller]
fn check_end(kind: RunKind, object: &Value, children: &[Value], expected: (Outcome, &str)) {
    match read(kind, object, children) {
        State::Ended(End { outcome, message, .. }) => assert_eq!((outcome, message.as_str()), expected),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_run_that_succeeded_says_when() {
    let mut done = pipeline("True", "Completed", "Tasks Completed: 2 (Failed: 0, Cancelled 0), Skipped: 1");
    done["status"]["completionTime"] = json!("2026-11-01T10:02:30Z");
    let end = End {
        started: Some(at("2026-11-01T10:01:00Z")),
        finished: at("2026-11-01T10:02:30Z"),
        outcome: Outcome::Succeeded,
        message: String::new(),
    };
    assert_eq!(read(RunKind::PipelineRun, &done, &[]), State::Ended(end.clone()));
    assert_eq!(read(RunKind::TaskRun, &done, &[]), State::Ended(end));
    let job = json!({"status": {"startTime": "2026-11-01T10:01:00Z", "conditions": [
        {"type": "Complete", "status": "True", "lastTransitionTime": "2026-11-01T10:04:00Z"}]}});
    let State::Ended(end) = read(RunKind::Job, &job, &[]) else { panic!("it has ended") };
    assert_eq!((end.outcome, end.finished), (Outcome::Succeeded, at("2026-11-01T10:04:00Z")));
}

#[test]
fn reasons_of_a_pipeline_run_are_told_apart() {
    let check = |reason: &str, message: &str, outcome, words: &str| {
        check_end(RunKind::PipelineRun, &pipeline("False", reason, message), &[], (outcome, words));
    };
    check(
        "Cancelled",
        "PipelineRun \"run\" was cancelled",
        Outcome::Cancelled,
        "cancelled: PipelineRun \"run\" was cancelled",
    );
    check(
        "CouldntGetPipeline",
        "[User error] pipelines.tekton.dev \"build\" not found",
        Outcome::Misconfigured,
        "the Pipeline can't be got: pipelines.tekton.dev \"build\" not found",
    );
    check(
        "CouldntGetPipeline",
        "resolution took longer than global timeout of 1m0s",
        Outcome::Infrastructure,
        "the Pipeline can't be got: resolution took longer than global timeout of 1m0s",
    );
    check(
        "ParameterMissing",
        "missing parameters: [image]",
        Outcome::Misconfigured,
        "a parameter is missing: missing parameters: [image]",
    );
    check("PipelineInvalidGraph", "", Outcome::Misconfigured, "the Pipeline is not valid");
    check("InvalidMatrixParameterTypes", "no", Outcome::Misconfigured, "InvalidMatrixParameterTypes: no");
    check(
        "CouldntGetPipelineResult",
        "invalid result: IMAGE_URL",
        Outcome::Misconfigured,
        "every task succeeded, but a result that the Pipeline declares is missing: invalid result: IMAGE_URL",
    );
    check(
        "PipelineRunTimeout",
        "failed to finish within \"1h0m0s\"",
        Outcome::Failed,
        "timed out: failed to finish within \"1h0m0s\"",
    );
    check("Failed", "Tasks Completed: 1 (Failed: 1)", Outcome::Failed, "Failed: Tasks Completed: 1 (Failed: 1)");
    check("SomethingNew", "who knows", Outcome::Failed, "SomethingNew: who knows");
    let long = "x".repeat(9000);
    let State::Ended(end) = read(RunKind::PipelineRun, &pipeline("False", "Failed", &long), &[]) else {
        panic!("it has ended")
    };
    assert_eq!(end.message.chars().count(), MESSAGE_MAX + 1, "and an ellipsis");
}

#[test]
fn a_failed_run_names_task_step_and_what_it_said() {
    let failed = pipeline("False", "Failed", "Tasks Completed: 2 (Failed: 1, Cancelled 0), Skipped: 0");
    let check = |children: &[Value], expected| check_end(RunKind::PipelineRun, &failed, children, expected);
    let fine = task("clone", "True", "Succeeded", "");
    let broken = steps(
        task("build", "False", "StepFailed", "failed"),
        &[("compile", 0, "Completed"), ("push", 3, "Error"), ("tell", 1, "Error")],
    );
    check(&[fine.clone(), broken.clone()], (Outcome::Failed, "task build, step push: exit code 3"));
    check_end(RunKind::TaskRun, &broken, &[], (Outcome::Failed, "task build, step push: exit code 3"));
    let signal = steps(task("build", "False", "Failed", ""), &[("push", 143, "Error")]);
    check(&[signal], (Outcome::Failed, "task build, step push: exit code 143 (signal 15)"));
    let hungry = steps(task("build", "False", "StepOOM", ""), &[("push", 137, "OOMKilled")]);
    check(&[hungry], (Outcome::Failed, "task build, step push: out of memory"));
    let slow = steps(
        task("build", "False", "TaskRunTimeout", "TaskRun \"run-build\" failed to finish within \"5s\""),
        &[("push", 1, "Error")],
    );
    check(&[slow], (Outcome::Failed, "task build: timed out: TaskRun \"run-build\" failed to finish within \"5s\""));
    let cut = task("test", "False", "TaskRunCancelled", "TaskRun \"run-test\" was cancelled");
    check(&[cut.clone(), broken.clone()], (Outcome::Failed, "task build, step push: exit code 3"));
    check(&[cut], (Outcome::Failed, "task test: cancelled: TaskRun \"run-test\" was cancelled"));
    let mut again = broken.clone();
    again["status"]["retriesStatus"] = json!([{}, {}]);
    check(&[again], (Outcome::Failed, "task build, step push: exit code 3 (after 2 retries)"));
    let overlooked = steps(task("lint", "False", "FailureIgnored", ""), &[("lint", 1, "Error")]);
    check(&[overlooked, broken], (Outcome::Failed, "task build, step push: exit code 3"));
    let many: Vec<_> =
        ["a", "b", "c", "d", "e"].map(|name| steps(task(name, "False", "Failed", ""), &[("s", 1, "Error")])).into();
    let words = "task a, step s: exit code 1; task b, step s: exit code 1; task c, step s: exit code 1, and 2 more";
    check(&many, (Outcome::Failed, words));
}

#[test]
fn what_a_run_ran_on_is_told_from_what_it_did() {
    let failed = pipeline("False", "Failed", "Tasks Completed: 1 (Failed: 1)");
    let check = |reason: &str, message: &str, outcome, words: &str| {
        let task = task("build", "False", reason, message);
        check_end(RunKind::PipelineRun, &failed, std::slice::from_ref(&task), (outcome, words));
        check_end(RunKind::TaskRun, &task, &[], (outcome, words));
    };
    let account =
        "failed to create task run pod \"run-build\": serviceaccount \"builder\" not found. Maybe invalid TaskSpec";
    check(
        "PodCreationFailed",
        account,
        Outcome::Misconfigured,
        &format!("task build: its Pod can't be created: {account}"),
    );
    let quota = "pods \"run-build-pod\" is forbidden: exceeded quota: small";
    check(
        "PodCreationFailed",
        quota,
        Outcome::Infrastructure,
        &format!("task build: its Pod can't be created: {quota}"),
    );
    check(
        "TaskRunImagePullFailed",
        "the step \"push\" failed to pull image \"lab/no:1\"",
        Outcome::Infrastructure,
        "task build: an image can't be pulled: the step \"push\" failed to pull image \"lab/no:1\"",
    );
    check(
        "PodEvicted",
        "The node was low on resource: memory",
        Outcome::Infrastructure,
        "task build: its Pod was evicted: The node was low on resource: memory",
    );
    let own = "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi";
    check("PodEvicted", own, Outcome::Failed, &format!("task build: its Pod was evicted: {own}"));
    check(
        "CreateContainerConfigError",
        "secret \"x\" not found",
        Outcome::Misconfigured,
        "task build: a container can't be made as it is written: secret \"x\" not found",
    );

    let shut_down = json!({"phase": "Failed", "reason": "Terminated", "message": "Pod was terminated in response to imminent node shutdown."});
    let gone = steps(task("build", "False", "Failed", "failed"), &[("push", 137, "Error")]);
    let words = "task build: Pod run-build-pod: Terminated, Pod was terminated in response to imminent node shutdown";
    check_end(
        RunKind::PipelineRun,
        &failed,
        &[gone.clone(), pod("build", shut_down)],
        (Outcome::Infrastructure, words),
    );
    let preempted = json!({"phase": "Failed", "conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler", "message": ""}]});
    let words = "task build: Pod run-build-pod: PreemptionByScheduler";
    check_end(
        RunKind::PipelineRun,
        &failed,
        &[gone.clone(), pod("build", preempted)],
        (Outcome::Infrastructure, words),
    );
    let ordinary = json!({"phase": "Failed"});
    let words = "task build, step push: exit code 137 (signal 9)";
    check_end(RunKind::PipelineRun, &failed, &[gone.clone(), pod("build", ordinary)], (Outcome::Failed, words));
    // One that failed by itself is enough.
    let evicted = task("other", "False", "PodEvicted", "low");
    let words = "task build, step push: exit code 137 (signal 9); task other: its Pod was evicted: low";
    check_end(RunKind::PipelineRun, &failed, &[gone, evicted], (Outcome::Failed, words));
}

#[test]
fn a_run_that_has_not_ended_says_what_it_waits_for() {
    #[track_caller]
    fn check(kind: RunKind, object: &Value, children: &[Value], expected: State) {
        assert_eq!(read(kind, object, children), expected);
    }
    let fresh = json!({"metadata": {"name": "run", "creationTimestamp": "2026-11-01T10:00:00Z"}});
    for kind in [RunKind::PipelineRun, RunKind::TaskRun, RunKind::Job] {
        check(kind, &fresh, &[], State::Pending(String::new()));
        check(kind, &json!({}), &[], State::Pending(String::new()));
        check(kind, &json!("text"), &[json!(3)], State::Pending(String::new()));
    }
    let held = pipeline("Unknown", "PipelineRunPending", "");
    check(RunKind::PipelineRun, &held, &[], State::Pending("spec.status is PipelineRunPending".to_owned()));
    let resolving = pipeline("Unknown", "ResolvingPipelineRef", "looking");
    check(RunKind::PipelineRun, &resolving, &[], State::Resolving("looking".to_owned()));
    let running = pipeline("Unknown", "Running", "Tasks Completed: 0");
    let since = at("2026-11-01T10:01:00Z");
    let works = || State::Running { since, waits: None };
    check(RunKind::PipelineRun, &running, &[], works());
    check(RunKind::PipelineRun, &running, &[task("build", "Unknown", "Running", "")], works());
    check(RunKind::PipelineRun, &running, &[task("build", "True", "Succeeded", "")], works());
    let waits = |since: &str, what: &str| State::Running {
        since: at("2026-11-01T10:01:00Z"),
        waits: Some(Wait { since: at(since), what: what.to_owned() }),
    };
    let full = task("build", "Unknown", "ExceededNodeResources", "0/1 nodes are available");
    let words = "task build: no node has room for it: 0/1 nodes are available";
    check(RunKind::PipelineRun, &running, std::slice::from_ref(&full), waits("2026-11-01T10:03:00Z", words));
    let stuck = pod(
        "build",
        json!({"phase": "Pending", "containerStatuses": [
        {"name": "step-push", "image": "lab/no:1", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "back-off"}}}]}),
    );
    let words = "task build: Pod run-build-pod: container step-push: ImagePullBackOff lab/no:1";
    let pending = task("build", "Unknown", "Pending", "pod status \"Initialized\":\"False\"");
    check(RunKind::PipelineRun, &running, &[pending, stuck.clone()], waits("2026-11-01T10:01:30Z", words));
    let job = json!({"metadata": {"name": "run"}, "status": {"startTime": "2026-11-01T10:01:00Z", "active": 1}});
    let words = "Pod run-build-pod: container step-push: ImagePullBackOff lab/no:1";
    check(RunKind::Job, &job, &[stuck], waits("2026-11-01T10:01:30Z", words));
    check(RunKind::Job, &job, &[pod("build", json!({"phase": "Running"}))], works());
    let suspended = json!({"spec": {"suspend": true}, "status": {}});
    check(RunKind::Job, &suspended, &[], State::Pending("spec.suspend is true".to_owned()));
}

#[test]
fn a_job_says_through_its_last_pod_why_it_failed() {
    let job = |reason: &str, message: &str| {
        json!({"metadata": {"name": "run"}, "status": {"conditions": [
            {"type": "Failed", "status": "True", "reason": reason, "message": message, "lastTransitionTime": "2026-11-01T10:03:00Z"}]}})
    };
    let check = |job: &Value, pods: &[Value], expected| check_end(RunKind::Job, job, pods, expected);
    let limit = job("BackoffLimitExceeded", "Job has reached the specified backoff limit");
    let failed = pod(
        "build",
        json!({"phase": "Failed", "containerStatuses": [
        {"name": "step-push", "state": {"terminated": {"exitCode": 2, "reason": "Error"}}}]}),
    );
    check(
        &limit,
        std::slice::from_ref(&failed),
        (Outcome::Failed, "Pod run-build-pod: container step-push: Error, exit code 2"),
    );
    check(&limit, &[], (Outcome::Failed, "BackoffLimitExceeded: Job has reached the specified backoff limit"));
    let late = job("DeadlineExceeded", "Job was active longer than specified deadline");
    check(&late, &[failed], (Outcome::Failed, "timed out: Job was active longer than specified deadline"));
    let evicted = pod(
        "build",
        json!({"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}),
    );
    let words = "Pod run-build-pod: Evicted, The node was low on resource: memory";
    check(&limit, &[evicted], (Outcome::Infrastructure, words));
}
