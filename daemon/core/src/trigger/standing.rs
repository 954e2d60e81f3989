//! How a trigger stands: one verdict in kstatus's vocabulary, with a reason for programs and a sentence for people.
//!
//! The worst trouble names the reason. What changes by itself with time is not in the message, or each second would be another status.

use std::{collections::BTreeSet, fmt};

use serde::Serialize;

use super::{
    alarm::Alarm,
    memory::{Attempted, Known, Memory},
    name::ComponentName,
    plan::{Queued, Why},
    run::{Outcome, Run, State},
};
use crate::{class::Class, operation::Failure, text};

/// How many lines of trouble, runs or builds that wait a message shows before it only counts.
const LINES_MAX: usize = 3;
/// Longest line of trouble, in characters.
const LINE_LENGTH_MAX: usize = 600;

/// What a trigger's standing is judged from.
#[derive(Debug, Clone, Copy)]
pub struct Picture<'a> {
    /// Whether it is suspended.
    pub suspended: bool,
    /// Why its Repository can't be read.
    pub source: Option<&'a Failure>,
    /// What is wrong with what it is to create, as sentences.
    pub problems: &'a [String],
    /// What it refers to and is not there, as sentences: nothing is begun until it is.
    pub missing: &'a [String],
    /// What could not be created, cancelled or removed.
    pub failures: &'a [Failure],
    /// Its components.
    pub components: &'a BTreeSet<ComponentName>,
    /// What is known of them.
    pub memory: &'a Memory,
    /// Its live runs; absent: nobody knows them.
    pub runs: Option<&'a [Run]>,
    /// What waits.
    pub queued: &'a [Queued],
    /// Runs that do not get on.
    pub alarms: &'a [Alarm],
}

/// How a trigger stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// Every component that was to be built is built.
    pub ready: bool,
    /// Something is under way, or is tried again by itself.
    pub reconciling: bool,
    /// A person or a commit has to help.
    pub stalled: bool,
    /// Why, for programs.
    pub reason: Reason,
    /// Why, for people.
    pub message: String,
}

/// Why a trigger stands as it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Reason {
    /// It is suspended.
    Suspended,
    /// What it is to create can't be made as it is written.
    InvalidRun,
    /// Its Repository can't be read.
    SourceNotReady,
    /// It refers to something that is not there.
    Missing,
    /// Something could not be created, cancelled or removed.
    ActFailed,
    /// The last build of a component did not succeed.
    BuildFailed,
    /// A run does not get on.
    Stuck,
    /// The live runs are not known.
    RunsUnknown,
    /// A component that was never built, or not for long, is being built.
    Building,
    /// The same, and has not begun.
    Queued,
    /// All is built.
    Built,
}

impl fmt::Display for Reason {
    /// Writes the word of the condition.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

struct Trouble {
    reason: Reason,
    /// Whether it may go away by itself.
    passes: bool,
    lines: Vec<String>,
}

/// Returns how a trigger stands.
pub fn stand(picture: &Picture<'_>) -> Standing {
    let troubles: Vec<_> = troubles(picture).into_iter().filter(|trouble| !trouble.lines.is_empty()).collect();
    let progress = progress(picture);
    let moves = !progress.is_empty();
    if picture.suspended {
        let message = [vec!["suspended: nothing is begun, ended or removed".to_owned()], progress].concat().join("; ");
        return Standing { ready: false, reconciling: false, stalled: false, reason: Reason::Suspended, message };
    }
    let Some(worst) = troubles.first() else {
        let message = [vec![built(picture)], progress].concat().join("; ");
        return Standing { ready: true, reconciling: moves, stalled: false, reason: Reason::Built, message };
    };
    let lines: Vec<String> = troubles.iter().flat_map(|trouble| trouble.lines.clone()).collect();
    let message = [vec![shown(&lines, "\n")], progress].concat().join("\n");
    Standing { ready: false, reconciling: worst.passes, stalled: !worst.passes, reason: worst.reason, message }
}

/// Returns what is wrong, worst first.
fn troubles(picture: &Picture<'_>) -> Vec<Trouble> {
    let told = |failure: &Failure| failure.message.clone();
    let retries = |failure: &Failure| failure.class == Class::Retry;
    let known = |name: &ComponentName| picture.memory.components.get(name);
    let of_all = picture.components.iter().filter_map(|name| Some((name, known(name)?)));
    let (mut failed, mut building, mut queued) = (Vec::new(), Vec::new(), Vec::new());
    let mut retried = true;
    for (name, known) in of_all {
        let again = picture.queued.iter().find(|queued| queued.build.component == *name);
        match last_word(known) {
            Word::Failed(last, outcome) => {
                retried &= again.is_some();
                failed.push(failure(last, outcome, again.map(|queued| queued.why)));
            }
            Word::Unproven(last) => building.push(format!("{name} of {} is being built", last.build.commit.short())),
            Word::Nothing if !known.waiting.is_empty() => {
                let commit = known.waiting.last().map_or("", |waiting| waiting.build.commit.short());
                queued.push(format!("{name} of {commit} waits to be built for the first time"));
            }
            Word::Nothing | Word::Fine => {}
        }
    }
    let unknown = picture.runs.is_none().then(|| "the runs in the cluster are not known yet".to_owned());
    let trouble = |reason, passes, lines| Trouble { reason, passes, lines };
    vec![
        trouble(Reason::InvalidRun, false, picture.problems.to_vec()),
        trouble(
            Reason::SourceNotReady,
            picture.source.is_some_and(retries),
            picture.source.map(told).into_iter().collect(),
        ),
        trouble(Reason::Missing, false, picture.missing.to_vec()),
        trouble(Reason::ActFailed, picture.failures.iter().any(retries), picture.failures.iter().map(told).collect()),
        trouble(Reason::BuildFailed, retried, failed),
        trouble(Reason::Stuck, false, picture.alarms.iter().map(|alarm| alarm.message.clone()).collect()),
        trouble(Reason::RunsUnknown, true, unknown.into_iter().collect()),
        trouble(Reason::Building, true, building),
        trouble(Reason::Queued, true, queued),
    ]
}

/// What is to be said of a component's builds.
enum Word<'a> {
    /// It was never built, and is not being built.
    Nothing,
    /// Its last build succeeded, or the next one is under way after one that did.
    Fine,
    /// It is being built, and the build before did not succeed.
    Unproven(&'a Attempted),
    /// Its last build did not succeed.
    Failed(&'a Attempted, Outcome),
}

fn last_word(known: &Known) -> Word<'_> {
    let Some(last) = &known.attempted else { return Word::Nothing };
    let before = known.succeeded.as_ref().is_some_and(|succeeded| succeeded.number + 1 >= last.number);
    match last.outcome {
        Some((Outcome::Succeeded, _)) => Word::Fine,
        // The newer one that it gave way to is told of instead.
        Some(_) if last.gave_way() => Word::Nothing,
        Some((outcome, _)) => Word::Failed(last, outcome),
        None if before || !known.earlier.is_empty() && known.succeeded.is_some() => Word::Fine,
        None => Word::Unproven(last),
    }
}

fn failure(last: &Attempted, outcome: Outcome, again: Option<Why>) -> String {
    let Attempted { build, run, message, .. } = last;
    let what = format!("{} of {} {}", build.component, build.commit.short(), outcome.words());
    let why = if message.is_empty() { String::new() } else { format!(": {message}") };
    let run = run.as_ref().map(|run| format!(" ({run})")).unwrap_or_default();
    let again = match again {
        Some(Why::Pause(until)) => format!("; it is tried again at {until}"),
        Some(_) => "; the next build waits".to_owned(),
        None => String::new(),
    };
    format!("{what}{why}{run}{again}")
}

fn built(picture: &Picture<'_>) -> String {
    let known =
        |name: &&ComponentName| picture.memory.components.get(*name).is_some_and(|known| known.succeeded.is_some());
    let count = picture.components.iter().filter(known).count();
    let never = picture.components.len() - count;
    let rest = if never > 0 { format!(", {never} not built yet: nothing has called for it") } else { String::new() };
    format!("{count} component(s) built{rest}")
}

/// Returns what is under way, and what waits for it.
fn progress(picture: &Picture<'_>) -> Vec<String> {
    let line = |run: &Run| match &run.state {
        State::Ended(_) => None,
        _ if run.ending || run.deleting => Some(format!("{} is ending", run.name)),
        State::Pending(_) => Some(format!("{} has not begun yet", run.name)),
        State::Resolving(_) => Some(format!("{} is looking up what it refers to", run.name)),
        State::Running { since, waits: None } => Some(format!("{} runs since {since}", run.name)),
        State::Running { since, waits: Some(wait) } => {
            Some(format!("{} runs since {since} and waits ({})", run.name, wait.what))
        }
    };
    let runs: Vec<_> = picture.runs.unwrap_or_default().iter().filter_map(line).collect();
    let wait =
        |queued: &Queued| format!("{} of {} waits {}", queued.build.component, queued.build.commit.short(), queued.why);
    let queued: Vec<_> = picture.queued.iter().map(wait).collect();
    [shown(&runs, "; "), shown(&queued, "; ")].into_iter().filter(|line| !line.is_empty()).collect()
}

/// Returns the first lines, and how many more there are.
fn shown(lines: &[String], between: &str) -> String {
    let shown: Vec<_> = lines.iter().take(LINES_MAX).map(|line| text::shortened(line, LINE_LENGTH_MAX)).collect();
    let more = lines.len() - shown.len();
    let rest = if more > 0 { format!("{between}and {more} more") } else { String::new() };
    shown.join(between) + &rest
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::trigger::{
        memory::{Seen, Waiting},
        run::{Attempt, Wait},
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn attempted(number: u32, outcome: Option<Outcome>, message: &str) -> Attempted {
        let build = Run::example("cart-1", at(0)).build;
        let entry = Attempted::begin(build, Attempt { number, round: 1 }, at(0));
        let (outcome, message) = (outcome.map(|outcome| (outcome, at(9))), message.to_owned());
        Attempted { run: Some(format!("cart-{number}")), outcome, message, ..entry }
    }

    struct World {
        components: BTreeSet<ComponentName>,
        memory: Memory,
    }

    fn of(known: Known) -> World {
        let name = ComponentName::parse("cart").expect("a name");
        World { components: [name.clone()].into(), memory: Memory { components: [(name, known)].into() } }
    }

    /// Judges one component after `change`.
    #[track_caller]
    fn check<'a>(world: &'a World, change: impl FnOnce(&mut Picture<'a>), expected: (Reason, [bool; 3], &str)) {
        let mut picture = Picture {
            suspended: false,
            source: None,
            problems: &[],
            missing: &[],
            failures: &[],
            components: &world.components,
            memory: &world.memory,
            runs: Some(&[]),
            queued: &[],
            alarms: &[],
        };
        change(&mut picture);
        let Standing { ready, reconciling, stalled, reason, message } = stand(&picture);
        assert_eq!((reason, [ready, reconciling, stalled], message.as_str()), expected);
    }

    fn built() -> Known {
        let done = attempted(1, Some(Outcome::Succeeded), "");
        Known { attempt: 1, attempted: Some(done.clone()), succeeded: Some(done), ..Known::default() }
    }

    #[test]
    fn what_is_built_is_ready_while_the_next_is_on_its_way() {
        const READY: [bool; 3] = [true, false, false];
        const MOVES: [bool; 3] = [true, true, false];
        check(&of(built()), |_| {}, (Reason::Built, READY, "1 component(s) built"));
        check(
            &of(Known::default()),
            |_| {},
            (Reason::Built, READY, "0 component(s) built, 1 not built yet: nothing has called for it"),
        );
        let run = Run { state: State::Running { since: at(60), waits: None }, ..Run::example("cart-2", at(50)) };
        let next = Known { attempt: 2, attempted: Some(attempted(2, None, "")), ..built() };
        let words = "1 component(s) built; cart-2 runs since 1970-01-01T00:01:00Z";
        check(
            &of(next.clone()),
            |picture| picture.runs = Some(std::slice::from_ref(&run)),
            (Reason::Built, MOVES, words),
        );
        let wait = Some(Wait { since: at(61), what: "no room".to_owned() });
        let waits = Run { state: State::Running { since: at(60), waits: wait }, ..run.clone() };
        let words = "1 component(s) built; cart-2 runs since 1970-01-01T00:01:00Z and waits (no room)";
        check(&of(next), |picture| picture.runs = Some(std::slice::from_ref(&waits)), (Reason::Built, MOVES, words));
        let queued = Queued { build: run.build.clone(), since: at(0), asked: None, why: Why::Limit(1) };
        let (ending, queued) = ([Run { ending: true, ..run }], [queued]);
        let words = "1 component(s) built; cart-2 is ending; cart of aaaaaaa waits for one of 1 runs to end (spec.concurrency.limit)";
        check(
            &of(built()),
            |picture| (picture.runs, picture.queued) = (Some(ending.as_slice()), &queued),
            (Reason::Built, MOVES, words),
        );
    }

    #[test]
    fn a_component_that_was_not_built_before_is_not_ready_while_it_is() {
        const MOVES: [bool; 3] = [false, true, false];
        let first = Known { attempt: 1, attempted: Some(attempted(1, None, "")), ..Known::default() };
        check(&of(first), |_| {}, (Reason::Building, MOVES, "cart of aaaaaaa is being built"));
        // Two attempts after the last success: the one between did not succeed.
        let repair = Known { attempt: 3, attempted: Some(attempted(3, None, "")), ..built() };
        check(&of(repair), |_| {}, (Reason::Building, MOVES, "cart of aaaaaaa is being built"));
        let build = Run::example("cart-1", at(0)).build;
        let seen = Some(Seen { commit: build.commit.clone(), inputs: Some(build.inputs.clone()), passed_over: false });
        let waiting = vec![Waiting { build, since: at(0), branch: true, asked: None, next: false }];
        let waits = Known { seen, waiting, ..Known::default() };
        check(&of(waits), |_| {}, (Reason::Queued, MOVES, "cart of aaaaaaa waits to be built for the first time"));
    }

    #[test]
    fn what_failed_says_so_first() {
        const STALLED: [bool; 3] = [false, false, true];
        const MOVES: [bool; 3] = [false, true, false];
        let failed = |outcome| Known {
            attempt: 2,
            attempted: Some(attempted(2, Some(outcome), "task build, step push: exit code 1")),
            ..built()
        };
        let words = "cart of aaaaaaa failed: task build, step push: exit code 1 (cart-2)";
        check(&of(failed(Outcome::Failed)), |_| {}, (Reason::BuildFailed, STALLED, words));
        let words = "cart of aaaaaaa was cancelled: task build, step push: exit code 1 (cart-2)";
        check(&of(failed(Outcome::Cancelled)), |_| {}, (Reason::BuildFailed, STALLED, words));
        let build = Run::example("cart-1", at(0)).build;
        let queued = [Queued { build, since: at(0), asked: None, why: Why::Pause(at(30)) }];
        let words = "cart of aaaaaaa failed because of what it ran on: task build, step push: exit code 1 (cart-2); it is tried again at 1970-01-01T00:00:30Z\ncart of aaaaaaa waits until 1970-01-01T00:00:30Z to be tried again";
        check(
            &of(failed(Outcome::Infrastructure)),
            |picture| picture.queued = &queued,
            (Reason::BuildFailed, MOVES, words),
        );
        let alarms = [Alarm { run: "cart-3".to_owned(), message: "cart-3 has not begun".to_owned() }];
        let words = "cart of aaaaaaa failed: task build, step push: exit code 1 (cart-2)\ncart-3 has not begun";
        check(&of(failed(Outcome::Failed)), |picture| picture.alarms = &alarms, (Reason::BuildFailed, STALLED, words));
        let mut gone = attempted(2, Some(Outcome::Cancelled), "");
        gone.superseded = Some(gone.build.commit.clone());
        check(
            &of(Known { attempted: Some(gone), ..built() }),
            |_| {},
            (Reason::Built, [true, false, false], "1 component(s) built"),
        );
    }

    #[test]
    fn what_keeps_anything_from_being_begun_says_so() {
        const STALLED: [bool; 3] = [false, false, true];
        const MOVES: [bool; 3] = [false, true, false];
        let failure = |class| [Failure { class, message: "it does not answer".to_owned() }];
        let (retry, wait) = (failure(Class::Retry), failure(Class::Wait));
        let words = "it does not answer";
        check(&of(built()), |picture| picture.source = Some(&retry[0]), (Reason::SourceNotReady, MOVES, words));
        check(&of(built()), |picture| picture.source = Some(&wait[0]), (Reason::SourceNotReady, STALLED, words));
        check(&of(built()), |picture| picture.failures = &retry, (Reason::ActFailed, MOVES, words));
        check(&of(built()), |picture| picture.failures = &wait, (Reason::ActFailed, STALLED, words));
        let lines: Vec<_> = (1..=5).map(|number| format!("no {number}")).collect();
        let words = "no 1\nno 2\nno 3\nand 2 more";
        check(&of(built()), |picture| picture.missing = &lines, (Reason::Missing, STALLED, words));
        check(&of(built()), |picture| picture.problems = &lines, (Reason::InvalidRun, STALLED, words));
        check(
            &of(built()),
            |picture| picture.runs = None,
            (Reason::RunsUnknown, MOVES, "the runs in the cluster are not known yet"),
        );
        let words = "suspended: nothing is begun, ended or removed";
        check(&of(built()), |picture| picture.suspended = true, (Reason::Suspended, [false, false, false], words));
        assert_eq!(Reason::SourceNotReady.to_string(), "SourceNotReady");
    }
}
