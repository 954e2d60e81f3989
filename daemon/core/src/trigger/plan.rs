//! The plan of a trigger: what the branch, the status and the live runs say in, what is begun, cancelled and removed out.
//!
//! Total, deterministic, synchronous. Whoever acts writes [`Plan::memory`] before anything else, so that a run that was created and
//! is not seen, for whatever reason, is created again under the same name, or never.
//! Must never do: begin anything while the live runs are not known, or remove what the status does not know the end of.

pub mod fact;
pub mod input;
mod intake;
mod notice;
mod queue;
mod retention;
mod superseding;
#[cfg(test)]
mod tests;

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use super::{
    memory::Memory,
    run::{Attempt, Build, Run, RunKind},
};

pub use fact::Fact;
pub use input::{Asked, Head, Input};

/// Components that are none any more, and are remembered all the same, so that they are not built again when they come back: as
/// many as move in one restructuring of a repository.
const DEPARTED_MAX: usize = 100;

/// Everything that is to be done about a trigger, in its order: the memory, creates, cancels, removals.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[must_use]
pub struct Plan {
    /// What the status is to keep; to be written before anything else is done.
    pub memory: Memory,
    /// Runs to create: the same ones in each plan until they are seen.
    pub create: Vec<Create>,
    /// Runs to end.
    pub cancel: Vec<Cancel>,
    /// Runs to remove.
    pub remove: Vec<Remove>,
    /// What waits, in the order in which it begins.
    pub queued: Vec<Queued>,
    /// How many runs are under way once this is done; 0 while nobody knows them.
    pub running: usize,
    /// What is new since the memory that was given.
    pub facts: Vec<Fact>,
    /// When to look again at the latest, though nothing has happened.
    pub again: Option<Timestamp>,
    /// Requests that need not be asked again once the memory is written.
    pub handled: Vec<Handled>,
}

/// A run to create.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Create {
    /// What it builds.
    pub build: Build,
    /// Which of the component's builds it is.
    pub attempt: Attempt,
}

/// A run to end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cancel {
    /// Its name.
    pub run: String,
    /// Its UID: another one of that name is not meant.
    pub uid: String,
    /// What it is.
    pub kind: RunKind,
    /// Why, in words.
    pub reason: String,
}

/// A run to remove.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remove {
    /// Its name.
    pub run: String,
    /// Its UID; with the resourceVersion the precondition.
    pub uid: String,
    /// Its resourceVersion.
    pub resource_version: String,
    /// What it is.
    pub kind: RunKind,
}

/// A build that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Queued {
    /// What is to be built.
    pub build: Build,
    /// Since when.
    pub since: Timestamp,
    /// Who asked for it by hand: the id of the request.
    pub asked: Option<String>,
    /// What it waits for.
    pub why: Why,
}

/// What a build waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Why {
    /// The trigger is suspended.
    Suspended,
    /// The live runs are not known.
    RunsUnknown,
    /// The branch could not be read.
    Unreadable,
    /// As many runs of the trigger as may be are under way.
    Limit(usize),
    /// As many runs of the whole daemon as may be are under way.
    Room,
    /// What its last run ran on failed: it is tried again at this time.
    Pause(Timestamp),
}

/// A request that is handled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Handled {
    /// Its id.
    pub id: String,
    /// Why nothing came of it, in words.
    pub refused: Option<String>,
}

/// Plans what is to be done about a trigger.
pub fn plan(input: &Input<'_>) -> Plan {
    let mut plan = Plan { memory: input.memory.clone(), ..Plan::default() };
    if let Some(runs) = input.runs {
        intake::take_in(&mut plan.memory, runs, input.now, &mut plan.facts);
        if let (Some(head), false) = (input.head, input.rules.suspended) {
            notice::notice(&mut plan, input, head);
            notice::take_requests(&mut plan, input, head);
        }
        if !input.rules.suspended {
            superseding::give_way(&mut plan, runs, input.rules);
        }
    }
    queue::advance(&mut plan, input);
    if let Some(runs) = input.runs {
        if !input.rules.suspended {
            retention::remove(&mut plan, input, runs);
        }
        let alarms = runs.iter().filter_map(|run| super::alarm::next(run, input.now));
        plan.again = plan.again.into_iter().chain(alarms).min();
        plan.running = runs.iter().filter(|run| run.is_under_way()).count() + plan.create.len();
        forget_departed(&mut plan.memory, input.head, runs);
    }
    plan
}

impl Plan {
    fn look_again(&mut self, at: Timestamp) {
        self.again = Some(self.again.map_or(at, |earlier| earlier.min(at)));
    }
}

/// Forgets components that are none any more and have no run, the longest gone first, where more are remembered than are kept.
fn forget_departed(memory: &mut Memory, head: Option<&Head>, runs: &[Run]) {
    let Some(head) = head else { return };
    let mut departed: Vec<_> = memory
        .components
        .iter()
        .filter(|(name, known)| {
            let lives = runs.iter().any(|run| run.build.component == **name);
            !head.components.contains_key(*name) && !lives && known.entries().all(|entry| !entry.is_open())
        })
        .map(|(name, known)| (known.attempted.as_ref().map(|attempted| attempted.begun), name.clone()))
        .collect();
    departed.sort();
    for (_, name) in departed.iter().take(departed.len().saturating_sub(DEPARTED_MAX)) {
        memory.components.remove(name);
    }
}

impl fmt::Display for Why {
    /// Writes what follows "waits": `for one of 2 runs to end`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Suspended => f.write_str("until the trigger is not suspended any more"),
            Self::RunsUnknown => f.write_str("until it is known which runs are there"),
            Self::Unreadable => f.write_str("until the Repository can be read"),
            Self::Limit(limit) => write!(f, "for one of {limit} runs to end (spec.concurrency.limit)"),
            Self::Room => f.write_str("for a run of another trigger to end (--max-runs)"),
            Self::Pause(until) => write!(f, "until {until} to be tried again"),
        }
    }
}
