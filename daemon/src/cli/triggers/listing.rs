//! The runs of triggers: those that are there, those of which only the status of their trigger is left, and builds that wait.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use jiff::Timestamp;
use plumb_api::{
    PipelineTrigger, PipelineTriggerStatus,
    trigger::{BuildStatus, WaitingBuild},
};
use plumb_cluster::{error::ApiError, resources};
use plumb_core::trigger::{
    anatomy::{self, PIPELINE_RUN, Stage, Standing},
    name::{COMMIT, COMPONENT, TRIGGER, TriggerName},
    run::{Outcome, RunKind},
};
use serde::Serialize;
use serde_json::Value;

use super::{KINDS, NAMES_LISTED, kind, live};
use crate::{
    chain::chain,
    cli::{connection::Session, error::CliError},
};

/// What is known of the runs of some triggers.
#[derive(Debug, Default, Serialize)]
pub(in crate::cli) struct Listing {
    /// The newest first.
    pub(in crate::cli) runs: Vec<Row>,
    /// Those triggers, by name.
    pub(in crate::cli) triggers: Vec<Summary>,
    /// Kinds that could not be read, and why.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(in crate::cli) unknown: BTreeMap<String, String>,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct Row {
    pub(in crate::cli) namespace: String,
    /// Empty as long as its build waits for room.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(in crate::cli) name: String,
    /// Absent where it is gone, or not there yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) kind: Option<RunKind>,
    pub(in crate::cli) trigger: String,
    pub(in crate::cli) component: String,
    pub(in crate::cli) commit: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) created: Option<Timestamp>,
    #[serde(flatten)]
    pub(in crate::cli) standing: Standing,
    /// The object is gone: what is told is what its trigger keeps of it.
    pub(in crate::cli) gone: bool,
}

/// How a trigger stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::cli) struct Summary {
    #[serde(flatten)]
    pub(in crate::cli) name: TriggerName,
    pub(in crate::cli) running: u32,
    pub(in crate::cli) queued: u32,
    /// What keeps it from being ready; absent where nothing does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) trouble: Option<String>,
}

/// Reads the runs of one trigger, or of all in a namespace, or of all.
pub(in crate::cli) async fn read(
    session: &Session,
    namespace: Option<&str>,
    trigger: Option<&TriggerName>,
) -> Result<Listing, CliError> {
    let triggers = match trigger {
        Some(name) => vec![super::get(session, name).await?],
        None => resources::list::<PipelineTrigger>(&session.cluster, namespace).await?,
    };
    let selector = trigger.map_or_else(|| TRIGGER.to_owned(), |name| format!("{TRIGGER}={}", name.name));
    let (mut live, mut unknown) = (Vec::new(), BTreeMap::new());
    for of in KINDS {
        let kind = kind(of);
        match session.cluster.list(&kind, namespace, Some(&selector)).await {
            Ok(found) => live.extend(found.into_iter().map(|object| (of, object))),
            // Where Tekton is not there, none of its runs is.
            Err(ApiError::NotServed { .. }) => {}
            Err(error @ ApiError::Forbidden { .. }) => {
                unknown.insert(kind.gvk.kind.clone(), chain(&error));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Listing { runs: rows(live, &triggers), triggers: triggers.iter().map(summary).collect(), unknown })
}

/// Returns the newest names of runs in a namespace; none where they can't be read.
pub(super) async fn names(session: &Session, namespace: &str) -> Vec<String> {
    let listing = read(session, Some(namespace), None).await.unwrap_or_default();
    listing.runs.into_iter().filter(|row| row.kind.is_some()).map(|row| row.name).take(NAMES_LISTED).collect()
}

/// Makes the rows of live runs, and of what statuses keep of others.
fn rows(live: Vec<(RunKind, Value)>, triggers: &[PipelineTrigger]) -> Vec<Row> {
    // TaskRuns of a PipelineRun carry its labels, too.
    let (parts, live): (Vec<_>, Vec<_>) = live.into_iter().partition(|(_, object)| pipeline_run(object).is_some());
    let mut of_run: BTreeMap<(String, String), Vec<Value>> = BTreeMap::new();
    for (_, part) in parts {
        let run = pipeline_run(&part).unwrap_or_default().to_owned();
        of_run.entry((text(&part, "namespace"), run)).or_default().push(part);
    }
    let row = |(of, object): (RunKind, Value)| {
        let parts = of_run.get(&(text(&object, "namespace"), text(&object, "name")));
        row(of, &object, parts.map(Vec::as_slice).unwrap_or_default())
    };
    let mut rows: Vec<Row> = live.into_iter().map(row).collect();
    let there: BTreeSet<(String, String)> = rows.iter().map(|row| (row.namespace.clone(), row.name.clone())).collect();
    let kept = triggers.iter().flat_map(kept);
    rows.extend(kept.filter(|row| !there.contains(&(row.namespace.clone(), row.name.clone()))));
    rows.extend(triggers.iter().flat_map(waiting));
    rows.sort_by_key(|row| {
        let begun = row.created.or(row.standing.started).or(row.standing.finished);
        (Reverse(begun), row.namespace.clone(), row.name.clone())
    });
    rows
}

fn row(of: RunKind, object: &Value, parts: &[Value]) -> Row {
    let label = |name: &str| object["metadata"]["labels"][name].as_str().unwrap_or_default().to_owned();
    let mut standing = anatomy::of(of, object, parts).standing;
    live::blame(&mut standing, object);
    Row {
        namespace: text(object, "namespace"),
        name: text(object, "name"),
        kind: Some(of),
        trigger: label(TRIGGER),
        component: label(COMPONENT),
        commit: label(COMMIT),
        created: object["metadata"]["creationTimestamp"].as_str().and_then(|time| time.parse().ok()),
        standing,
        gone: false,
    }
}

/// Returns what a trigger keeps of runs, each once.
fn kept(trigger: &PipelineTrigger) -> Vec<Row> {
    let name = super::name(trigger);
    let components = trigger.status.iter().flat_map(|status| &status.components);
    let mut rows: Vec<Row> = Vec::new();
    for component in components {
        let builds = [&component.last_attempted, &component.last_succeeded].into_iter().flatten();
        for build in builds.chain(&component.earlier) {
            let Some(run) = build.run.as_ref().filter(|run| rows.iter().all(|row| row.name != **run)) else { continue };
            rows.push(Row {
                namespace: name.namespace.clone(),
                name: run.clone(),
                kind: None,
                trigger: name.name.clone(),
                component: component.name.clone(),
                commit: build.commit.clone(),
                created: None,
                standing: remembered(build),
                gone: true,
            });
        }
    }
    rows
}

fn remembered(build: &BuildStatus) -> Standing {
    let outcome = build.outcome.as_deref();
    let stage = match outcome.and_then(Outcome::parse) {
        Some(Outcome::Succeeded) => Stage::Succeeded,
        Some(Outcome::Failed | Outcome::Misconfigured | Outcome::Infrastructure) => Stage::Failed,
        Some(Outcome::Cancelled) => Stage::Cancelled,
        None => Stage::Waiting,
    };
    let reason =
        if outcome.is_none() { "it is gone, and its end is not known yet".to_owned() } else { build.message.clone() };
    let finished = build.finished.as_ref().and_then(|time| time.parse().ok());
    Standing { stage, started: build.begun.parse().ok(), finished, reason }
}

/// Returns the builds that have no run yet.
fn waiting(trigger: &PipelineTrigger) -> Vec<Row> {
    let name = super::name(trigger);
    let components = trigger.status.iter().flat_map(|status| &status.components);
    let builds = components.flat_map(|component| component.waiting.iter().map(move |build| (component, build)));
    let row = |component: &str, WaitingBuild { commit, since, .. }: &WaitingBuild| Row {
        namespace: name.namespace.clone(),
        name: String::new(),
        kind: None,
        trigger: name.name.clone(),
        component: component.to_owned(),
        commit: commit.clone(),
        created: since.parse().ok(),
        standing: Standing {
            stage: Stage::Waiting,
            started: None,
            finished: None,
            reason: format!("for room in {}", name.name),
        },
        gone: false,
    };
    builds.map(|(component, build)| row(&component.name, build)).collect()
}

fn summary(trigger: &PipelineTrigger) -> Summary {
    let unknown = PipelineTriggerStatus::default();
    let status = trigger.status.as_ref().unwrap_or(&unknown);
    let ready = crate::cli::standing::find(&status.conditions, plumb_api::condition::READY);
    let trouble = ready.filter(|ready| ready.status == plumb_api::condition::ConditionStatus::False);
    Summary {
        name: super::name(trigger),
        running: status.running,
        queued: status.queued,
        trouble: trouble.map(|ready| ready.message.clone()),
    }
}

fn pipeline_run(object: &Value) -> Option<&str> {
    object["metadata"]["labels"][PIPELINE_RUN].as_str()
}

fn text(object: &Value, field: &str) -> String {
    object["metadata"][field].as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
pub(in crate::cli) mod tests {
    use serde_json::json;

    use super::*;

    /// Returns a run as the API server has it, with the status of its condition.
    pub(in crate::cli) fn run(name: &str, component: &str, created: &str, status: &str, reason: &str) -> Value {
        let labels = json!({ TRIGGER: "build", COMPONENT: component, COMMIT: "1a2b3c4d".to_owned() + &"0".repeat(32) });
        let condition = json!({ "type": "Succeeded", "status": status, "reason": reason, "message": "…" });
        json!({
            "apiVersion": "tekton.dev/v1", "kind": "PipelineRun",
            "metadata": { "namespace": "shop", "name": name, "uid": name, "creationTimestamp": created, "labels": labels },
            "status": { "startTime": created, "conditions": [condition] },
        })
    }

    /// Returns a trigger that keeps a build of one component.
    pub(in crate::cli) fn trigger(run: &str, outcome: Option<&str>, message: &str) -> PipelineTrigger {
        let build = json!({ "commit": "feed", "committed": "2026-11-20T08:00:00Z", "inputs": "i", "attempt": 1, "run": run, "round": 1, "begun": "2026-11-20T08:58:00Z", "branch": true,
            "outcome": outcome, "finished": "2026-11-20T09:00:00Z", "message": message });
        let waiting = json!({ "commit": "beef", "committed": "2026-11-20T09:00:00Z", "inputs": "j", "since": "2026-11-20T09:59:40Z", "branch": true });
        let condition = json!({ "type": "Ready", "status": "False", "reason": "R", "message": "Pipeline shop/build is missing",
            "lastTransitionTime": "" });
        serde_json::from_value(json!({
            "apiVersion": "plumb.dev/v1alpha1", "kind": "PipelineTrigger", "metadata": { "namespace": "shop", "name": "build" },
            "spec": { "repository": "shop", "run": { "apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "spec": {} } },
            "status": { "running": 1, "queued": 2, "conditions": [condition],
                "components": [{ "name": "cart", "attempt": 1, "lastAttempted": build, "lastSucceeded": build, "waiting": [waiting] }] },
        }))
        .expect("a trigger")
    }

    /// Returns rows of everything that there can be.
    pub(in crate::cli) fn listing() -> Listing {
        let (mut failed, mut part) = (
            run("b", "web", "2026-11-20T09:50:00Z", "False", "Failed"),
            run("b-x", "web", "2026-11-20T09:50:00Z", "False", "StepFailed"),
        );
        failed["status"]["completionTime"] = "2026-11-20T09:51:30Z".into();
        part["metadata"]["labels"][PIPELINE_RUN] = "b".into();
        part["metadata"]["labels"][anatomy::PIPELINE_TASK] = "compile".into();
        part["status"]["steps"] = json!([{ "name": "cc", "terminated": { "exitCode": 1 } }]);
        let mut cancelled = run("c", "web", "2026-11-20T09:40:00Z", "False", "Cancelled");
        cancelled["metadata"]["annotations"] = json!({ "plumb.dev/cancelled": "by ada: too slow" });
        let live = vec![
            (RunKind::PipelineRun, cancelled),
            (RunKind::TaskRun, part),
            (RunKind::PipelineRun, failed),
            (RunKind::PipelineRun, run("d", "cart", "2026-11-20T09:59:30Z", "Unknown", "Running")),
        ];
        let triggers = [trigger("a", Some("Failed"), "step x: exit code 2")];
        Listing {
            runs: rows(live, &triggers),
            triggers: triggers.iter().map(summary).collect(),
            unknown: BTreeMap::new(),
        }
    }

    #[test]
    fn live_runs_and_what_is_kept_of_others_stand_in_one_list() {
        let listing = listing();
        let told: Vec<_> = listing
            .runs
            .iter()
            .map(|row| (row.name.as_str(), row.standing.stage, row.standing.reason.as_str(), row.gone))
            .collect();
        assert_eq!(
            told,
            [
                ("", Stage::Waiting, "for room in build", false),
                ("d", Stage::Running, "", false),
                ("b", Stage::Failed, "task compile: step cc: exit code 1", false),
                ("c", Stage::Cancelled, "by ada: too slow", false),
                ("a", Stage::Failed, "step x: exit code 2", true),
            ]
        );
        let Summary { running, queued, trouble, .. } = &listing.triggers[0];
        assert_eq!((*running, *queued, trouble.as_deref()), (1, 2, Some("Pipeline shop/build is missing")));
        // One that is live is not told twice.
        let alive = rows(
            vec![(RunKind::PipelineRun, run("a", "cart", "2026-11-20T09:00:00Z", "Unknown", "Running"))],
            &[trigger("a", None, "")],
        );
        assert_eq!(alive.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["", "a"]);
        let gone = rows(Vec::new(), &[trigger("a", None, "")]);
        assert_eq!(
            (gone[1].standing.stage, gone[1].standing.reason.as_str()),
            (Stage::Waiting, "it is gone, and its end is not known yet")
        );
    }
}
