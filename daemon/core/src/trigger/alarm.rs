//! Runs that do not get on: what keeps them, and what helps.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::run::{Run, RunKind, State};

/// How long a run may wait before anybody begins with it: a node that has to be made first needs a few minutes.
pub const PENDING_MAX: Duration = Duration::from_secs(300);
/// How long a run that is under way may wait for the same thing (an image, a volume): registries and volumes answer within less.
pub const WAITING_MAX: Duration = Duration::from_secs(300);
/// How long a reference may take to be resolved: Tekton itself gives up after one minute, if it runs.
pub const RESOLVING_MAX: Duration = Duration::from_secs(120);

/// A run that does not get on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Alarm {
    /// Its name.
    pub run: String,
    /// What keeps it, since when, and what to do about it.
    pub message: String,
}

/// Returns the runs that do not get on, in the order of their names.
pub fn alarms(runs: &[Run], now: Timestamp) -> Vec<Alarm> {
    let mut found: Vec<_> = runs.iter().filter_map(|run| alarm(run, now)).collect();
    found.sort_by(|one, other| one.run.cmp(&other.run));
    found
}

/// Returns when a run will have been where it is for too long; nothing if it has been already, or if it gets on.
pub fn next(run: &Run, now: Timestamp) -> Option<Timestamp> {
    due(run).filter(|due| *due > now)
}

fn due(run: &Run) -> Option<Timestamp> {
    match &run.state {
        State::Pending(_) => run.created.checked_add(PENDING_MAX).ok(),
        State::Resolving(_) => run.created.checked_add(RESOLVING_MAX).ok(),
        State::Running { since: _, waits } => waits.as_ref()?.since.checked_add(WAITING_MAX).ok(),
        State::Ended(_) => None,
    }
}

fn alarm(run: &Run, now: Timestamp) -> Option<Alarm> {
    due(run).filter(|due| *due <= now)?;
    let Run { name, kind, .. } = run;
    let show = format!("kubectl describe {} {name}", kind.resource());
    let message = match &run.state {
        State::Pending(what) => {
            let next = match kind {
                RunKind::PipelineRun | RunKind::TaskRun => {
                    format!("look whether Tekton's controller runs, then: {show}")
                }
                RunKind::Job => format!("look whether a node has room for it: {show}"),
            };
            format!("{name} has not begun for {}{}; {next}", lasted(PENDING_MAX), because(what))
        }
        State::Resolving(what) => format!(
            "{name} refers to what has not been found for {}{}; look whether Tekton's resolvers run, then: {show}",
            lasted(RESOLVING_MAX),
            because(what)
        ),
        State::Running { since: _, waits } => {
            let wait = waits.as_ref()?;
            format!("{name} has waited for {}{}; end it or help it: {show}", lasted(WAITING_MAX), because(&wait.what))
        }
        State::Ended(_) => return None,
    };
    Some(Alarm { run: name.clone(), message })
}

fn because(what: &str) -> String {
    if what.is_empty() { String::new() } else { format!(" ({what})") }
}

/// Returns the limit in words: the time itself would be another one in each status.
fn lasted(limit: Duration) -> String {
    format!("more than {} min", limit.as_secs() / 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trigger::run::Wait;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    #[test]
    fn a_run_that_does_not_get_on_is_named_with_what_to_do() {
        #[track_caller]
        fn check(kind: RunKind, state: State, limit: i64, expected: &str) {
            let run = Run { kind, state, ..Run::example("cart-1", at(0)) };
            assert_eq!(next(&run, at(limit - 1)), Some(at(limit)));
            assert_eq!(alarms(std::slice::from_ref(&run), at(limit - 1)), []);
            assert_eq!(next(&run, at(limit)), None, "it is there");
            let found = alarms(&[run], at(limit + 30));
            assert_eq!(found.iter().map(|alarm| alarm.message.as_str()).collect::<Vec<_>>(), [expected]);
        }
        check(
            RunKind::PipelineRun,
            State::Pending(String::new()),
            300,
            "cart-1 has not begun for more than 5 min; look whether Tekton's controller runs, then: kubectl describe pipelinerun.tekton.dev cart-1",
        );
        check(
            RunKind::Job,
            State::Pending("Pod cart-1-x: Unschedulable".to_owned()),
            300,
            "cart-1 has not begun for more than 5 min (Pod cart-1-x: Unschedulable); look whether a node has room for it: kubectl describe job.batch cart-1",
        );
        check(
            RunKind::TaskRun,
            State::Resolving("no answer".to_owned()),
            120,
            "cart-1 refers to what has not been found for more than 2 min (no answer); look whether Tekton's resolvers run, then: kubectl describe taskrun.tekton.dev cart-1",
        );
        let waits = Some(Wait { since: at(100), what: "task build: ImagePullBackOff lab/no".to_owned() });
        check(
            RunKind::PipelineRun,
            State::Running { since: at(10), waits },
            400,
            "cart-1 has waited for more than 5 min (task build: ImagePullBackOff lab/no); end it or help it: kubectl describe pipelinerun.tekton.dev cart-1",
        );
    }

    #[test]
    fn a_run_that_works_or_has_ended_is_no_alarm() {
        let works = Run { state: State::Running { since: at(0), waits: None }, ..Run::example("cart-1", at(0)) };
        let ended = Run { state: State::Ended(crate::trigger::run::End::example(at(5))), ..works.clone() };
        for run in [works, ended] {
            assert_eq!((next(&run, at(0)), alarms(&[run], at(100_000))), (None, Vec::new()));
        }
    }
}
