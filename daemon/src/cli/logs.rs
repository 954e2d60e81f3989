//! `plumb logs`: what the steps of a run have written.

mod following;
mod letters;
mod printing;

use clap::Args;
use plumb_cluster::{error::ApiError, logs::Part};
use plumb_core::{
    object::ObjectKey,
    trigger::{
        anatomy::{self, Anatomy, Stage, Task},
        name::TriggerName,
        run::RunKind,
    },
};
use serde_json::Value;

use self::printing::Printer;
use super::{
    Outcome,
    connection::{ConnectionArgs, Session, with_session},
    error::CliError,
    screen,
    triggers::{
        WrittenName,
        live::{self, Live},
        pods,
    },
};

/// Show what the steps of a run have written
///
/// Task by task, in the order in which they began, each line with its task and step. With --follow until the run has ended, also what
/// is written by tasks that have yet to begin; tasks that run side by side are mixed then. The logs are those of the run's Pods: when
/// they are gone, so is what they wrote.
///
/// On a terminal only colours and tabs of a log have an effect; other control characters are left out. Piped, the bytes are passed on as
/// they are.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  plumb logs build-cart-1a2b3c4-0123abcd
  plumb logs build-cart-1a2b3c4-0123abcd -f
  plumb logs shop/build-cart-1a2b3c4-0123abcd --task compile --step test --tail 50

Exit codes with --follow: 0 the run has succeeded, 1 it has not, 2 error")]
pub(crate) struct LogsArgs {
    /// Run, as NAME or NAMESPACE/NAME
    #[arg(value_name = "RUN")]
    run: WrittenName,
    /// Go on until the run has ended
    #[arg(short, long)]
    follow: bool,
    /// Only this task of the pipeline; of a Job this Pod
    #[arg(long, value_name = "TASK")]
    task: Option<String>,
    /// Only this step; of a Job this container
    #[arg(long, value_name = "STEP")]
    step: Option<String>,
    /// Only so many of the last lines of each step
    #[arg(long, value_name = "LINES")]
    tail: Option<u32>,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Which of a run's logs are wanted.
#[derive(Debug, Clone)]
struct Wanted {
    task: Option<String>,
    step: Option<String>,
    tail: Option<u32>,
}

/// Prints the logs.
pub(crate) fn perform(arguments: &LogsArgs) -> Result<Outcome, CliError> {
    with_session(&arguments.connection, |session| async move {
        let LogsArgs { run, follow, task, step, tail, connection: _ } = arguments;
        let wanted = Wanted { task: task.clone(), step: step.clone(), tail: *tail };
        let live = live::find(&session, &run.within(&session)).await?;
        if *follow { following::follow(&session, live, wanted).await } else { show(&session, &live, &wanted).await }
    })
}

/// Prints what there is.
async fn show(session: &Session, live: &Live, wanted: &Wanted) -> Result<Outcome, CliError> {
    let anatomy = live.anatomy();
    wanted.check_task(&live.name, &anatomy)?;
    let printer = Printer::new();
    let (mut steps, mut shown) = (Vec::new(), false);
    for task in anatomy.tasks.iter().filter(|task| wanted.is_task(task)) {
        for name in &task.pods {
            let Some(pod) = pod(session, &live.name.namespace, name).await? else {
                screen::remark(&format!("the Pod {name} of {} is gone, and its logs with it", task.name))?;
                continue;
            };
            for (step, container) in anatomy::containers(&pod) {
                steps.push(step.clone());
                if !wanted.is_step(&step) || begun(&pod, &container).is_none() {
                    continue;
                }
                shown = true;
                let title = title(live.kind, &task.name, &step);
                if !print(session, (&live.name.namespace, name, &container), wanted.tail, &printer, &title).await? {
                    return Ok(Outcome::Yes);
                }
            }
        }
    }
    wanted.check_step(&live.name, steps)?;
    if !shown {
        let (name, standing) = (&live.name, &anatomy.standing);
        let state = standing.stage.label();
        let more = if standing.stage.is_final() { "" } else { "; plumb logs -f waits for them" };
        screen::remark(&format!("{name} ({state}) has no logs{more}; plumb runs describe {name} tells how it stands"))?;
    }
    Ok(Outcome::Yes)
}

/// Prints what a container has written so far, and returns whether anybody still reads it.
async fn print(
    session: &Session,
    (namespace, pod, container): (&str, &str, &str),
    tail: Option<u32>,
    printer: &Printer,
    title: &str,
) -> Result<bool, CliError> {
    let part = Part { tail, ..Part::default() };
    let mut log = match session.cluster.log(namespace, pod, container, &part).await {
        Ok(log) => log,
        // Its node is gone, or the container has been removed: the other logs are there all the same.
        Err(error @ (ApiError::NotFound { .. } | ApiError::Server { .. })) => {
            screen::remark(&format!("[{title}] can't be read: {}", screen::plain(&crate::chain::chain(&error))))?;
            return Ok(true);
        }
        Err(error) => return Err(error.into()),
    };
    while let Some(line) = log.next().await? {
        if !printer.line(title, &line.text)? {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Wanted {
    fn is_task(&self, task: &Task) -> bool {
        self.task.as_ref().is_none_or(|wanted| *wanted == task.name)
    }

    fn is_step(&self, step: &str) -> bool {
        self.step.as_ref().is_none_or(|wanted| wanted == step)
    }

    /// Fails for a task that the run has not, as far as it is known which it has.
    fn check_task(&self, run: &TriggerName, anatomy: &Anatomy) -> Result<(), CliError> {
        let Some(written) = &self.task else { return Ok(()) };
        let known = !anatomy.tasks.is_empty() || anatomy.standing.stage.is_final();
        if !known || anatomy.tasks.iter().any(|task| self.is_task(task)) {
            return Ok(());
        }
        let known = anatomy.tasks.iter().map(|task| task.name.clone()).collect();
        Err(CliError::NoPart { run: run.clone(), part: "task", written: written.clone(), known })
    }

    /// Fails for a step that is not among those that were seen.
    fn check_step(&self, run: &TriggerName, seen: Vec<String>) -> Result<(), CliError> {
        match &self.step {
            Some(written) if !seen.is_empty() && !seen.contains(written) => {
                Err(CliError::NoPart { run: run.clone(), part: "step", written: written.clone(), known: seen })
            }
            _ => Ok(()),
        }
    }
}

/// Returns what stands before each line: task and step, of a TaskRun only the step.
fn title(kind: RunKind, task: &str, step: &str) -> String {
    match kind {
        RunKind::PipelineRun | RunKind::Job => screen::plain(&format!("{task} : {step}")),
        RunKind::TaskRun => screen::plain(step),
    }
}

/// Reads a Pod; nothing if it is gone.
async fn pod(session: &Session, namespace: &str, name: &str) -> Result<Option<Value>, ApiError> {
    let key = ObjectKey {
        group: String::new(),
        kind: "Pod".to_owned(),
        namespace: Some(namespace.to_owned()),
        name: name.to_owned(),
    };
    session.cluster.get(&pods(), &key).await
}

/// Returns whether a container has ended; nothing as long as it has not begun.
fn begun(pod: &Value, container: &str) -> Option<bool> {
    let lists = ["/status/initContainerStatuses", "/status/containerStatuses"];
    let mut statuses = lists.into_iter().filter_map(|list| pod.pointer(list)?.as_array()).flatten();
    let status = statuses.find(|status| status["name"] == *container)?;
    let is = |state: &str| status["state"].get(state).is_some();
    match (is("terminated"), is("running")) {
        (true, _) => Some(true),
        (false, true) => Some(false),
        (false, false) => None,
    }
}

/// Returns what a run that was followed came to.
fn outcome(stage: Stage) -> Outcome {
    match stage {
        Stage::Succeeded => Outcome::Yes,
        Stage::Waiting | Stage::Running | Stage::Failed | Stage::Cancelled | Stage::Skipped => Outcome::No,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_container_has_a_log_once_it_has_begun() {
        let pod = json!({ "status": {
            "initContainerStatuses": [{ "name": "prepare", "state": { "terminated": {} } }],
            "containerStatuses": [{ "name": "a", "state": { "running": {} } }, { "name": "b", "state": { "waiting": {} } }],
        } });
        let found: Vec<_> = ["prepare", "a", "b", "c"].iter().map(|name| begun(&pod, name)).collect();
        assert_eq!(found, [Some(true), Some(false), None, None]);
    }

    #[test]
    fn lines_carry_their_task_and_step() {
        assert_eq!(title(RunKind::PipelineRun, "build", "compile"), "build : compile");
        assert_eq!(title(RunKind::TaskRun, "r", "compile"), "compile");
        assert_eq!(title(RunKind::Job, "pod", "a\u{1b}"), "pod : a\u{fffd}");
    }

    #[test]
    fn parts_that_a_run_has_not_are_named_with_those_that_it_has() {
        let run = TriggerName::new("shop", "r");
        let wanted = |task: Option<&str>, step: Option<&str>| Wanted {
            task: task.map(str::to_owned),
            step: step.map(str::to_owned),
            tail: None,
        };
        let object = json!({ "status": { "pipelineSpec": { "tasks": [{ "name": "clone" }, { "name": "build" }] } } });
        let anatomy = anatomy::of(RunKind::PipelineRun, &object, &[]);
        let unknown = anatomy::of(RunKind::PipelineRun, &json!({}), &[]);
        assert!(wanted(None, None).check_task(&run, &anatomy).is_ok());
        assert!(wanted(Some("build"), None).check_task(&run, &anatomy).is_ok());
        assert!(wanted(Some("test"), None).check_task(&run, &unknown).is_ok(), "it may have it");
        let error = wanted(Some("test"), None).check_task(&run, &anatomy).expect_err("no such task");
        assert_eq!(
            (error.to_string().as_str(), error.next().as_str()),
            ("the run shop/r has no task \"test\"", "name one of clone, build")
        );
        let seen = || vec!["a".to_owned(), "b".to_owned()];
        assert!(wanted(None, Some("b")).check_step(&run, seen()).is_ok());
        assert!(wanted(None, Some("c")).check_step(&run, Vec::new()).is_ok(), "nothing was seen");
        let error = wanted(None, Some("c")).check_step(&run, seen()).expect_err("no such step");
        assert_eq!(error.to_string(), "the run shop/r has no step \"c\"");
    }
}
