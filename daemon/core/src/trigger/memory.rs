//! What a trigger's status keeps, so that nothing is built twice when runs are gone.
//!
//! It is written before anything is created: what it says of a run that nobody has seen yet is that its number is spent.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::{
    name::ComponentName,
    run::{Attempt, Build, Outcome, Run},
};
use crate::{commit::CommitId, source::InputsDigest, text};

/// Characters kept of why a run ended as it did: a task, a step and a sentence, many times over in one status.
pub const MESSAGE_MAX: usize = 400;

/// What is known of every component.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Memory {
    /// By name.
    pub components: BTreeMap<ComponentName, Known>,
}

/// What is known of one component.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Known {
    /// The number of its last attempt; 0: there was none.
    pub attempt: u32,
    /// What the branch was last seen to have; absent: the component was never seen.
    pub seen: Option<Seen>,
    /// The inputs of the last attempt that the branch led to; absent where there was none, or it gave way to another that gave way
    /// in turn.
    pub tried: Option<InputsDigest>,
    /// What waits to begin, in the order in which it came.
    pub waiting: Vec<Waiting>,
    /// What was last attempted.
    pub attempted: Option<Attempted>,
    /// Earlier attempts that have not ended, in their order.
    pub earlier: Vec<Attempted>,
    /// The latest attempt that succeeded.
    pub succeeded: Option<Attempted>,
}

/// What the branch was seen to have of a component, and somebody has dealt with: it waits, it was begun, or it was passed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// The commit.
    pub commit: CommitId,
    /// What the component reads of it; absent: nothing counts as dealt with, and whatever comes is looked at anew.
    pub inputs: Option<InputsDigest>,
    /// Nothing is built for it: the commit asked for that, or it was the first one.
    pub passed_over: bool,
}

/// A build that has not begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// What is to be built.
    pub build: Build,
    /// Since when it waits.
    pub since: Timestamp,
    /// The branch leads to it.
    pub branch: bool,
    /// Who asked for it by hand: the id of the request.
    pub asked: Option<String>,
    /// A run was asked to end so that it can begin: it comes first.
    pub next: bool,
}

/// One attempt to build a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attempted {
    /// What was built.
    pub build: Build,
    /// The number of the attempt.
    pub number: u32,
    /// The round of it.
    pub round: u32,
    /// How many of its rounds were begun in a row because of what they ran on.
    pub retried: u32,
    /// When it was decided.
    pub begun: Timestamp,
    /// The branch led to it.
    pub branch: bool,
    /// Who asked for it by hand: the id of the request.
    pub asked: Option<String>,
    /// The name of its run, once it was seen.
    pub run: Option<String>,
    /// The newer commit for which it was asked to end.
    pub superseded: Option<CommitId>,
    /// How it ended; absent as long as it has not.
    pub outcome: Option<(Outcome, Timestamp)>,
    /// Why, in words; empty where there is nothing to say.
    pub message: String,
}

impl Memory {
    /// Takes down that a run can't be created as it is written, so that it is not tried for ever; returns whether that is news.
    ///
    /// Only for what no repetition helps against; the next plan goes on as after any failure.
    pub fn refuse(&mut self, component: &ComponentName, attempt: Attempt, message: &str, now: Timestamp) -> bool {
        let known = self.components.get_mut(component);
        let unseen = |entry: &&mut Attempted| entry.attempt() == attempt && entry.is_open() && entry.run.is_none();
        let Some(entry) = known.and_then(|known| known.entries_mut().find(unseen)) else { return false };
        entry.end(Outcome::Misconfigured, now, message);
        true
    }
}

impl Known {
    /// Returns the attempts of which it is remembered how far they are.
    pub fn entries(&self) -> impl Iterator<Item = &Attempted> {
        self.earlier.iter().chain(&self.attempted)
    }

    pub(super) fn entries_mut(&mut self) -> impl Iterator<Item = &mut Attempted> {
        self.earlier.iter_mut().chain(&mut self.attempted)
    }

    /// Returns what is remembered of a run.
    pub fn entry(&self, run: &Run) -> Option<&Attempted> {
        self.entries().find(|entry| entry.is_of(run))
    }

    pub(super) fn entry_mut(&mut self, run: &Run) -> Option<&mut Attempted> {
        self.entries_mut().find(|entry| entry.is_of(run))
    }

    /// Returns whether it is remembered how a run ended: its object may go.
    pub fn has_told(&self, run: &Run) -> bool {
        match self.entry(run) {
            Some(entry) => entry.outcome.is_some(),
            // What ended before a later attempt began is not listed any more.
            None => self.attempted.as_ref().is_some_and(|newest| run.attempt <= newest.attempt()),
        }
    }
}

impl Attempted {
    /// Returns which of the component's builds it is.
    pub fn attempt(&self) -> Attempt {
        Attempt { number: self.number, round: self.round }
    }

    /// Returns whether nobody knows of its end.
    pub fn is_open(&self) -> bool {
        self.outcome.is_none()
    }

    /// Returns whether a run is the one that it is about.
    pub fn is_of(&self, run: &Run) -> bool {
        self.attempt() == run.attempt && self.build.commit == run.build.commit
    }

    /// Makes one that has just begun, led to by the branch.
    pub(super) fn begin(build: Build, attempt: Attempt, now: Timestamp) -> Self {
        let Attempt { number, round } = attempt;
        Self {
            build,
            number,
            round,
            retried: 0,
            begun: now,
            branch: true,
            asked: None,
            run: None,
            superseded: None,
            outcome: None,
            message: String::new(),
        }
    }

    /// Returns whether it was asked to end for a newer commit, and did.
    pub(super) fn gave_way(&self) -> bool {
        self.superseded.is_some() && matches!(self.outcome, Some((Outcome::Cancelled, _)))
    }

    pub(super) fn end(&mut self, outcome: Outcome, at: Timestamp, message: &str) {
        self.outcome = Some((outcome, at));
        self.message = text::shortened(message, MESSAGE_MAX);
    }
}
