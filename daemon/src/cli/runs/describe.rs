//! `plumb runs describe`: one run with its tasks and steps.

use clap::Args;
use jiff::Timestamp;
use plumb_core::trigger::{
    anatomy::{Anatomy, Named, Stage, Standing, Task},
    name::{ATTEMPT, COMMIT, COMPONENT, ROUND, TRIGGER},
    run::RunKind,
};
use serde::Serialize;
use serde_json::Value;

use super::{ago, tone, took};
use crate::cli::{
    Outcome,
    connection::{ConnectionArgs, with_session},
    error::CliError,
    format::FormatArgs,
    screen,
    table::{Cell, Table},
    triggers::{WrittenName, live},
};

/// Show one run: every task and step, how long it took, and why it stands as it does
///
/// Reads the run, its TaskRuns or Pods. Of a run that is gone, the error says how it ended.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  plumb runs describe build-cart-1a2b3c4-0123abcd
  plumb runs describe build-cart-1a2b3c4-0123abcd -o json | jq '.results'")]
pub(crate) struct DescribeArgs {
    /// Run, as NAME or NAMESPACE/NAME
    #[arg(value_name = "RUN")]
    run: WrittenName,
    #[command(flatten)]
    format: FormatArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// All that is told of a run.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Description {
    namespace: String,
    name: String,
    kind: RunKind,
    trigger: String,
    component: String,
    commit: String,
    /// Which build of the component it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    /// Which run of that build.
    #[serde(skip_serializing_if = "Option::is_none")]
    round: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<Timestamp>,
    #[serde(flatten)]
    anatomy: Anatomy,
}

/// Prints all about one run.
pub(super) fn perform(arguments: &DescribeArgs) -> Result<Outcome, CliError> {
    with_session(&arguments.connection, |session| async move {
        let name = arguments.run.within(&session);
        let live = live::find(&session, &name).await?;
        let description = describe(&live);
        let now = session.clock.now();
        arguments.format.print(&description, || text(&description, now))?;
        if let Some(task) = failed(&description.anatomy) {
            screen::remark(&screen::plain(&format!("next: plumb logs {name} --task {task} shows what it said")))?;
        }
        Ok(Outcome::Yes)
    })
}

fn describe(live: &live::Live) -> Description {
    let metadata = &live.object["metadata"];
    let label = |name: &str| metadata["labels"][name].as_str().unwrap_or_default().to_owned();
    let number = |name: &str| metadata["annotations"][name].as_str().and_then(|number| number.parse().ok());
    Description {
        namespace: live.name.namespace.clone(),
        name: live.name.name.clone(),
        kind: live.kind,
        trigger: label(TRIGGER),
        component: label(COMPONENT),
        commit: label(COMMIT),
        attempt: number(ATTEMPT),
        round: number(ROUND),
        created: metadata["creationTimestamp"].as_str().and_then(|time| time.parse().ok()),
        anatomy: live.anatomy(),
    }
}

/// Returns the first task that failed and has a log to look at.
fn failed(anatomy: &Anatomy) -> Option<&str> {
    let failed = |task: &&Task| task.standing.stage == Stage::Failed && !task.pods.is_empty();
    anatomy.tasks.iter().find(failed).map(|task| task.name.as_str())
}

fn text(description: &Description, now: Timestamp) -> String {
    let Description { namespace, name, kind, trigger, component, commit, attempt, round, created, anatomy } =
        description;
    let Anatomy { standing, params, results, tasks } = anatomy;
    let state = tone(standing.stage).paint(standing.stage.label());
    let why =
        if standing.reason.is_empty() { String::new() } else { format!(": {}", screen::first_line(&standing.reason)) };
    let again = round.filter(|round| *round > 1).map(|round| format!(", run {round} of it")).unwrap_or_default();
    let at = |time: &Option<Timestamp>| time.map(|time| format!("{time:.0} ({} ago)", ago(time, now)));
    let lines = [
        ("Run", Some(format!("{namespace}/{name} ({kind:?})"))),
        ("Trigger", Some(format!("{namespace}/{trigger}"))),
        ("Component", Some(component.clone())),
        ("Commit", Some(commit.clone())),
        ("Attempt", attempt.map(|attempt| format!("{attempt}{again}"))),
        ("Created", at(created).filter(|_| standing.started.is_none())),
        ("Started", at(&standing.started)),
        ("Took", Some(took(standing, now)).filter(|took| !took.is_empty())),
        ("State", Some(state + &why)),
    ];
    let lines = lines.into_iter().filter_map(|(name, value)| Some((name, value?)));
    // What is painted was made plain before.
    let plain = |name: &str, value: String| if name == "State" { value } else { screen::first_line(&value) };
    let mut text: String = lines.map(|(name, value)| format!("{name:<11}{}\n", plain(name, value))).collect();
    section(&mut text, "Params", &values(params));
    section(&mut text, "Results", &values(results));
    section(&mut text, "Tasks", &steps(tasks, now));
    for task in tasks.iter().filter(|task| *kind != RunKind::TaskRun && !task.results.is_empty()) {
        section(&mut text, &screen::first_line(&format!("Results of {}", task.name)), &values(&task.results));
    }
    text
}

fn section(text: &mut String, title: &str, body: &str) {
    if !body.is_empty() {
        text.push_str(&format!("\n{title}:\n"));
        text.extend(body.lines().map(|line| format!("  {line}\n")));
    }
}

/// Returns names and values, each on one line.
fn values(named: &[Named]) -> String {
    let width = named.iter().map(|named| named.name.chars().count()).max().unwrap_or_default();
    let value =
        |value: &Value| value.as_str().map_or_else(|| value.to_string(), |text| text.trim_end().replace('\n', "\\n"));
    let line = |named: &Named| screen::first_line(&format!("{:<width$}   {}", named.name, value(&named.value))) + "\n";
    named.iter().map(line).collect()
}

fn steps(tasks: &[Task], now: Timestamp) -> String {
    let mut table = Table::new(&["TASK", "STATE", "TOOK", "REASON"]);
    let cells = |name: String, standing: &Standing| {
        [
            Cell::from(name),
            Cell::toned(standing.stage.label(), tone(standing.stage)),
            Cell::from(took(standing, now)),
            Cell::from(&standing.reason),
        ]
    };
    for task in tasks {
        let tries = task.pods.len();
        let tried = if tries > 1 { format!(" ({tries} tries)") } else { String::new() };
        table.row(cells(format!("{}{tried}", task.name), &task.standing));
        for (index, step) in task.steps.iter().enumerate() {
            let branch = if index + 1 == task.steps.len() { "└─" } else { "├─" };
            table.row(cells(format!("{branch} {}", step.name), &step.standing));
        }
    }
    if tasks.is_empty() { String::new() } else { table.text() }
}

#[cfg(test)]
mod tests {
    use plumb_core::trigger::{anatomy::PIPELINE_TASK, name::TriggerName};
    use serde_json::json;

    use super::*;
    use crate::cli::{
        status::tests::{now, plain},
        triggers::listing::tests::run,
    };

    fn description() -> Description {
        let mut object = run("b", "web", "2026-11-20T09:50:00Z", "False", "Failed");
        object["metadata"]["annotations"] = json!({ ATTEMPT: "3", ROUND: "2" });
        object["spec"] = json!({ "params": [{ "name": "revision", "value": "main\u{1b}[2J" }, { "name": "paths", "value": ["a", "b"] }] });
        object["status"]["completionTime"] = "2026-11-20T09:51:30Z".into();
        object["status"]["pipelineSpec"] = json!({ "tasks": [{ "name": "compile" }, { "name": "push" }] });
        let mut part = run("b-x", "web", "2026-11-20T09:50:10Z", "False", "StepFailed");
        part["metadata"]["labels"][PIPELINE_TASK] = "compile".into();
        part["status"]["podName"] = "b-x-pod-retry1".into();
        part["status"]["retriesStatus"] = json!([{ "podName": "b-x-pod" }]);
        part["status"]["completionTime"] = "2026-11-20T09:51:10Z".into();
        part["status"]["results"] = json!([{ "name": "IMAGE_URL", "value": "registry.example.com/web\n" }]);
        let ended = |name: &str, code: i64| {
            json!({ "name": name, "terminated": { "exitCode": code,
            "startedAt": "2026-11-20T09:50:10Z", "finishedAt": "2026-11-20T09:50:40Z" } })
        };
        part["status"]["steps"] = json!([ended("fetch", 0), ended("cc", 2)]);
        let name = TriggerName::new("shop", "b");
        describe(&live::Live { name, kind: RunKind::PipelineRun, object, parts: vec![part] })
    }

    #[test]
    fn a_run_is_told_with_its_tasks_and_steps() {
        assert_eq!(
            plain(&text(&description(), now())),
            "Run        shop/b (PipelineRun)\n\
             Trigger    shop/build\n\
             Component  web\n\
             Commit     1a2b3c4d00000000000000000000000000000000\n\
             Attempt    3, run 2 of it\n\
             Started    2026-11-20T09:50:00Z (10m ago)\n\
             Took       90s\n\
             State      Failed: task compile: step cc: exit code 2\n\
             \n\
             Params:\n  \
               revision   main\u{fffd}[2J\n  \
               paths      [\"a\",\"b\"]\n\
             \n\
             Tasks:\n  \
               TASK                STATE       TOOK   REASON\n  \
               compile (2 tries)   Failed      60s    step cc: exit code 2\n  \
               ├─ fetch            Succeeded   30s    -\n  \
               └─ cc               Failed      30s    exit code 2\n  \
               push                Skipped     -      the run ended before\n\
             \n\
             Results of compile:\n  \
               IMAGE_URL   registry.example.com/web\n"
        );
        assert_eq!(failed(&description().anatomy), Some("compile"));
    }

    #[test]
    fn programs_get_the_same() {
        let value = serde_json::to_value(description()).unwrap();
        assert_eq!((&value["stage"], &value["attempt"]), (&"Failed".into(), &3.into()));
        assert_eq!(value["tasks"][0]["steps"][1]["reason"], "exit code 2");
        assert_eq!(value["params"][1]["value"], json!(["a", "b"]));
    }
}
