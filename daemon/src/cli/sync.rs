//! `plumb sync`: look now, and say how it went.

use std::collections::BTreeMap;

use clap::Args;
use plumb_api::{
    Environment, EnvironmentStatus, Repository,
    condition::{self, ConditionStatus},
    duration::DurationText,
    request,
};
use plumb_core::environment::EnvironmentName;

use super::{
    Outcome,
    asking::{self, Wish},
    connection::{ConnectionArgs, Session, Written, with_session},
    error::CliError,
    screen, standing,
    waiting::{self, Progress},
    writers,
};

/// Reconcile Environments now
///
/// plumb notices commits and drift by itself; this only makes it sooner, and with --wait it tells how it went.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  plumb sync staging
  plumb sync staging production --wait --timeout 2m
  plumb sync production --now --reason hotfix
  plumb sync production --retry --reason outage

Exit codes with --wait: 0 all are ready, 1 one is not or the time is up, 2 error")]
pub(crate) struct SyncArgs {
    /// Environments, as NAME or NAMESPACE/NAME
    #[arg(required = true, value_name = "ENV")]
    environments: Vec<Written>,
    /// Wait until each is as its commit says and healthy, or until a person has to act
    #[arg(long)]
    wait: bool,
    /// Begin the newest commit now, whatever the sync windows say
    #[arg(long)]
    now: bool,
    /// Apply the newest commit once more although its content was rolled back
    #[arg(long)]
    retry: bool,
    /// How long to wait
    #[arg(long, value_name = "DURATION", default_value = "5m", requires = "wait", value_parser = DurationText::parse)]
    timeout: DurationText,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Writes the requests and waits if that is wanted.
pub(crate) fn perform(arguments: &SyncArgs) -> Result<Outcome, CliError> {
    with_session(&arguments.connection, |session| async move {
        let mut asked = BTreeMap::new();
        for written in &arguments.environments {
            let name = session.name(written)?;
            let wish = Wish { reason: arguments.reason.clone(), now: arguments.now, ..Wish::default() };
            if arguments.retry {
                // First, so that the look that is asked for next finds it.
                asking::ask(&session, &name, request::RETRY, Wish { now: false, ..wish.clone() }).await?;
            }
            let (id, _) = asking::ask(&session, &name, request::SYNC, wish).await?;
            if !arguments.wait {
                screen::print(&format!("{name}: asked to sync; plumb status {name} shows how it goes\n"))?;
            }
            asked.insert(name, id);
        }
        writers::remark(&session).await?;
        if !arguments.wait {
            return Ok(Outcome::Yes);
        }
        let look = async |name: &_, id: &str| look(&session, name, id).await;
        waiting::wait(asked, arguments.timeout.get(), waiting::NEXT_OF_ENVIRONMENTS, look).await
    })
}

/// Reads how far a request is.
async fn look(session: &Session, name: &EnvironmentName, id: &str) -> Result<Progress, CliError> {
    let environment = session.environment(name).await?;
    match progress(&environment, id) {
        Progress::Ready(message) => Ok(seen(message, session.repository(&environment).await.as_ref())),
        other => Ok(other),
    }
}

/// Judges an environment that is as the last commit seen says: whether a newer one would have been seen.
fn seen(message: String, repository: Option<&Repository>) -> Progress {
    let conditions = repository.and_then(|found| found.status.as_ref()).map(|status| status.conditions.as_slice());
    let ready = conditions.and_then(|conditions| standing::find(conditions, condition::READY));
    match (repository, ready.filter(|ready| ready.status == ConditionStatus::False)) {
        (Some(repository), Some(ready)) => {
            let name = repository.metadata.name.as_deref().unwrap_or_default();
            let why = ready.message.replace('\n', "\n  ");
            Progress::Stuck(format!("{message}, but newer commits are not seen\n  Repository {name}: {why}"))
        }
        _ => Progress::Ready(message),
    }
}

/// Judges how far the request with this id is.
fn progress(environment: &Environment, id: &str) -> Progress {
    let unknown = EnvironmentStatus::default();
    let status = environment.status.as_ref().unwrap_or(&unknown);
    let holds = |type_: &str| standing::status(&status.conditions, type_) == Some(ConditionStatus::True);
    let message = standing::message(&status.conditions).replace('\n', "\n  ");
    if status.handled.get(request::SYNC).map(String::as_str) != Some(id) {
        // A request that waits for other environments, or for a deletion, is carried out when they are ready: the status says so.
        let troubled = !status.conditions.is_empty() && !holds(condition::READY);
        let so_far = if troubled { format!("; so far: {message}") } else { String::new() };
        return Progress::Underway(format!("waiting for the daemon{so_far}"));
    }
    if status.observed_generation != environment.metadata.generation {
        return Progress::Underway("the daemon has not seen the latest spec yet".to_owned());
    }
    if holds(condition::READY) {
        Progress::Ready(message)
    } else if holds(condition::RECONCILING) {
        Progress::Underway(message)
    } else {
        // The condition tells one problem of all.
        let all = status.problems.join("\n").replace('\n', "\n  ");
        Progress::Stuck(if status.problems.len() > 1 { all } else { message })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn environment(handled: Option<&str>, observed: i64, conditions: &[(&str, &str)]) -> Environment {
        let conditions: Vec<Value> = conditions
            .iter()
            .map(|(type_, status)| {
                json!({ "type": type_, "status": status, "lastTransitionTime": "", "reason": "R", "message": "words" })
            })
            .collect();
        let mut status = json!({ "observedGeneration": observed, "conditions": conditions });
        if let Some(id) = handled {
            status["handled"] = json!({ request::SYNC: id });
        }
        let metadata = json!({ "name": "a", "namespace": "b", "generation": 2 });
        let spec = json!({ "repository": "r", "path": "p" });
        let (api, kind) = ("plumb.dev/v1alpha1", "Environment");
        let value = json!({ "apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec, "status": status });
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_sync_is_done_when_its_own_request_was_and_nothing_is_under_way() {
        let words = || "words".to_owned();
        let check = |environment: Environment, expected: Progress| assert_eq!(progress(&environment, "mine"), expected);
        let ready = &[("Ready", "True")];
        check(environment(Some("mine"), 2, ready), Progress::Ready(words()));
        check(
            environment(Some("mine"), 2, &[("Ready", "False"), ("Reconciling", "True")]),
            Progress::Underway(words()),
        );
        check(environment(Some("mine"), 2, &[("Ready", "False"), ("Stalled", "True")]), Progress::Stuck(words()));
        check(environment(Some("mine"), 2, &[("Ready", "False")]), Progress::Stuck(words()));
        for unseen in
            [environment(None, 2, ready), environment(Some("other"), 2, ready), environment(Some("mine"), 1, ready)]
        {
            assert!(matches!(progress(&unseen, "mine"), Progress::Underway(_)), "{unseen:?}");
        }
    }

    #[test]
    fn who_waits_is_told_what_the_status_says() {
        let check = |conditions: &[(&str, &str)], expected: &str| {
            let told = Progress::Underway(expected.to_owned());
            assert_eq!(progress(&environment(None, 2, conditions), "mine"), told);
        };
        check(&[], "waiting for the daemon");
        check(&[("Ready", "True")], "waiting for the daemon");
        check(&[("Ready", "False"), ("Stalled", "True")], "waiting for the daemon; so far: words");
    }

    #[test]
    fn every_problem_is_told_where_there_are_several() {
        let mut several = environment(Some("mine"), 2, &[("Ready", "False"), ("Stalled", "True")]);
        several.status.as_mut().unwrap().problems = vec!["words".to_owned(), "more words\nand more".to_owned()];
        assert_eq!(progress(&several, "mine"), Progress::Stuck("words\n  more words\n  and more".to_owned()));
    }

    #[test]
    fn a_repository_that_is_not_read_is_no_success() {
        let check = |status: Option<&str>, expected: Progress| {
            let spec = json!({ "url": "https://git.example.com/a.git" });
            let condition = |status| json!({ "type": "Ready", "status": status, "lastTransitionTime": "", "reason": "R", "message": "no\nway" });
            let conditions: Vec<Value> = status.map(condition).into_iter().collect();
            let value = json!({ "apiVersion": "plumb.dev/v1alpha1", "kind": "Repository", "metadata": { "name": "r" },
                "spec": spec, "status": { "conditions": conditions } });
            let repository: Repository = serde_json::from_value(value).unwrap();
            assert_eq!(seen("as in Git".to_owned(), Some(&repository)), expected);
        };
        let ready = || Progress::Ready("as in Git".to_owned());
        check(Some("True"), ready());
        check(None, ready());
        assert_eq!(seen("as in Git".to_owned(), None), ready());
        let stuck = "as in Git, but newer commits are not seen\n  Repository r: no\n  way";
        check(Some("False"), Progress::Stuck(stuck.to_owned()));
    }
}
