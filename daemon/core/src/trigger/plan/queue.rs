//! The queue: who waits, in which order, and who begins.
//!
//! Nothing is ever counted but what is live and what this plan adds.

use std::{cmp::Reverse, time::Duration};

use jiff::Timestamp;

use super::{
    Create, Plan, Queued, Why,
    fact::{Event, Fact},
    input::{Head, Input},
    superseding,
};
use crate::trigger::{
    memory::{Attempted, Known, Memory, Waiting},
    name::ComponentName,
    run::{Attempt, Build, Outcome, ROUND_MAX},
};

/// First pause before a build is tried again: a node that went away has its successor by then, more often than not.
const PAUSE_FIRST: Duration = Duration::from_secs(10);
/// Longest pause before a build is tried again: somebody may be waiting for it.
const PAUSE_LONGEST: Duration = Duration::from_secs(300);

/// What may begin.
enum Turn {
    /// It was begun, and nobody has seen its run: it is created, or created again.
    Unseen(Attempt),
    /// What its last run ran on failed.
    Retry(Timestamp),
    /// It has not begun yet.
    Waiting,
}

struct Place {
    turn: Turn,
    build: Build,
    since: Timestamp,
    asked: Option<String>,
    branch: bool,
    order: Order,
}

/// What is begun comes first, then what others were asked to end for, then the older commit.
type Order = (Reverse<bool>, Reverse<bool>, Timestamp, ComponentName);

/// Begins what may begin, and says of the others what they wait for.
pub(super) fn advance(plan: &mut Plan, input: &Input<'_>) {
    let runs = input.runs.unwrap_or_default();
    let under_way = runs.iter().filter(|run| run.is_under_way()).count();
    let mut ceded = superseding::Ceded::default();
    for place in line(&plan.memory, input.head, input.rules.retries) {
        let begun = plan.create.len();
        let why = match place.turn {
            _ if input.rules.suspended => Why::Suspended,
            _ if input.runs.is_none() => Why::RunsUnknown,
            _ if input.head.is_none() => Why::Unreadable,
            Turn::Retry(due) if input.now < due => {
                plan.look_again(due);
                Why::Pause(due)
            }
            _ if under_way + begun >= input.rules.limit => Why::Limit(input.rules.limit),
            _ if begun >= input.room => Why::Room,
            _ => {
                begin(plan, input, place);
                continue;
            }
        };
        let Place { turn, build, since, asked, branch, order: _ } = place;
        if matches!((&turn, why), (Turn::Waiting, Why::Limit(_) | Why::Room)) && branch {
            superseding::cede(plan, input, (&build, under_way), &mut ceded);
        }
        plan.queued.push(Queued { build, since, asked, why });
    }
}

/// Returns whether an attempt was begun and nobody has seen its run.
pub(super) fn is_unseen(entry: &Attempted) -> bool {
    entry.is_open() && entry.run.is_none()
}

/// Returns all that may begin, in its order.
fn line(memory: &Memory, head: Option<&Head>, retries: u32) -> Vec<Place> {
    let mut line = Vec::new();
    for (name, known) in &memory.components {
        let order = |unseen, next, committed| (Reverse(unseen), Reverse(next), committed, name.clone());
        // Whatever came since: it may have been created, with nobody having seen it yet.
        line.extend(known.entries().filter(|entry| is_unseen(entry)).map(|entry| Place {
            turn: Turn::Unseen(entry.attempt()),
            build: entry.build.clone(),
            since: entry.begun,
            asked: entry.asked.clone(),
            branch: entry.branch,
            order: order(true, false, entry.build.committed),
        }));
        let mut latest = Timestamp::MIN;
        for Waiting { build, since, branch, asked, next } in &known.waiting {
            // Whatever the commits say of their times: of one component the earlier seen one begins first.
            latest = latest.max(build.committed);
            let (turn, build, since, asked) = (Turn::Waiting, build.clone(), *since, asked.clone());
            line.push(Place { turn, build, since, asked, branch: *branch, order: order(false, *next, latest) });
        }
        let is_component = head.is_none_or(|head| head.components.contains_key(name));
        if let (Some((last, due)), true, true) = (retry(known, retries), is_component, known.waiting.is_empty()) {
            line.push(Place {
                turn: Turn::Retry(due),
                build: last.build.clone(),
                since: last.outcome.map_or(due, |(_, at)| at),
                asked: last.asked.clone(),
                branch: last.branch,
                order: order(false, false, last.build.committed),
            });
        }
    }
    line.sort_by(|one, other| one.order.cmp(&other.order));
    line
}

/// Returns the last attempt, and when it is tried again, if it is.
fn retry(known: &Known, retries: u32) -> Option<(&Attempted, Timestamp)> {
    let last = known.attempted.as_ref()?;
    let (outcome, at) = last.outcome?;
    let again = outcome == Outcome::Infrastructure && last.retried < retries && last.round < ROUND_MAX;
    let pause = PAUSE_FIRST.saturating_mul(2_u32.saturating_pow(last.retried)).min(PAUSE_LONGEST);
    // At the end of time nothing is tried again.
    let due = at.checked_add(pause).ok()?;
    again.then_some((last, due))
}

fn begin(plan: &mut Plan, input: &Input<'_>, place: Place) {
    let known = plan.memory.components.entry(place.build.component.clone()).or_default();
    match place.turn {
        Turn::Unseen(attempt) => plan.create.push(Create { build: place.build, attempt }),
        Turn::Retry(_) => {
            let Some(last) = &mut known.attempted else { return };
            let again = Attempted {
                retried: last.retried.saturating_add(1),
                branch: last.branch,
                asked: last.asked.clone(),
                ..Attempted::begin(place.build, following(last), input.now)
            };
            plan.facts.push(Fact::about(&again, Event::Retried(again.retried)));
            plan.create.push(Create { build: again.build.clone(), attempt: again.attempt() });
            *last = again;
        }
        Turn::Waiting => {
            let Some(at) = known.waiting.iter().position(|waiting| waiting.build == place.build) else { return };
            let waiting = known.waiting.remove(at);
            let begun = begin_waiting(known, &waiting, input, &mut plan.facts);
            plan.create.push(begun);
        }
    }
}

fn following(last: &Attempted) -> Attempt {
    Attempt { number: last.number, round: last.round.saturating_add(1) }
}

fn begin_waiting(known: &mut Known, waiting: &Waiting, input: &Input<'_>, facts: &mut Vec<Fact>) -> Create {
    let Waiting { build, since, branch, asked, next: _ } = waiting;
    let same = |last: &&Attempted| asked.is_some() && last.build.commit == build.commit && last.round < ROUND_MAX;
    let attempt = match known.attempted.as_ref().filter(same) {
        Some(last) => following(last),
        None => Attempt { number: known.attempt.saturating_add(1), round: 1 },
    };
    known.attempt = known.attempt.max(attempt.number);
    if *branch {
        known.tried = Some(build.inputs.clone());
    }
    let begun =
        Attempted { branch: *branch, asked: asked.clone(), ..Attempted::begin(build.clone(), attempt, input.now) };
    let event = Event::Began { since: Some(*since), asked: asked.clone() };
    facts.push(Fact::about(&begun, event));
    let before = known.attempted.replace(begun);
    known.earlier.extend(before.filter(Attempted::is_open));
    Create { build: build.clone(), attempt }
}
