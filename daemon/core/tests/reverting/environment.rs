//! One environment: what it asks for, what the API server and the cluster hold of it, and what only the process knows.

use std::collections::BTreeSet;

use plumb_core::{
    class::Class,
    commit::{CommitId, RepoPath},
    environment::EnvironmentName,
    operation::Failure,
    rollback::{Healthy, Mode, hold::Rollback, proposing::Pull, pushing::Outcome, watch::Watch},
    source::{Inputs, InputsDigest},
};

use crate::{git::Tree, world::Flight};

/// What failed is tried again after so many seconds.
const BACKOFF: i64 = 3;

/// What survives a crash.
#[derive(Debug, Clone, Default)]
pub(crate) struct Status {
    pub(crate) rollback: Rollback,
    pub(crate) healthy: Option<Healthy>,
    pub(crate) watch: Option<Watch>,
    pub(crate) attempted: Option<(CommitId, InputsDigest)>,
    pub(crate) handled_retry: u32,
    pub(crate) handled_by_hand: u32,
}

#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Push(Outcome),
    Proposal(Pull),
}

pub(crate) type Done = (CommitId, Answer);

/// What a crash takes.
#[derive(Debug, Default)]
pub(crate) struct Mind {
    pub(crate) watch: Option<Watch>,
    pub(crate) done: Option<Done>,
    pub(crate) flight: Option<Flight>,
    pub(crate) due: i64,
    /// What a push has done is told by a look at the branch from then on.
    pub(crate) unsure: Option<i64>,
    /// What the others were told: whether it is well, and what it reads.
    pub(crate) told: Option<(bool, Inputs)>,
}

#[derive(Debug)]
pub(crate) struct Environment {
    pub(crate) name: EnvironmentName,
    pub(crate) path: RepoPath,
    pub(crate) paths: BTreeSet<RepoPath>,
    pub(crate) mode: Mode,
    /// Whether it suffers from more than others do.
    pub(crate) delicate: bool,
    pub(crate) suspended: u32,
    pub(crate) flapping: u32,
    pub(crate) asked_retry: u32,
    pub(crate) by_hand: (u32, Option<CommitId>),
    pub(crate) status: Status,
    /// What the cluster has, and since when.
    pub(crate) live: Option<(Tree, i64)>,
    pub(crate) mind: Mind,
    /// How often a person has let a commit through again, or rolled back.
    pub(crate) asked: u32,
}

impl Environment {
    pub(crate) fn new(
        name: EnvironmentName,
        path: RepoPath,
        paths: BTreeSet<RepoPath>,
        mode: Mode,
        delicate: bool,
    ) -> Self {
        Self {
            name,
            path,
            paths,
            mode,
            delicate,
            suspended: 0,
            flapping: 0,
            asked_retry: 0,
            by_hand: (0, None),
            status: Status::default(),
            live: None,
            mind: Mind::default(),
            asked: 0,
        }
    }

    pub(crate) fn age(&mut self) {
        (self.suspended, self.flapping) = (self.suspended.saturating_sub(1), self.flapping.saturating_sub(1));
    }

    pub(crate) fn in_peace(&mut self) {
        (self.suspended, self.flapping) = (0, 0);
    }

    /// The process dies; returns the push that nobody waits for any more.
    pub(crate) fn crash(&mut self) -> Option<Flight> {
        let flight = self.mind.flight.take();
        self.mind = Mind { watch: self.status.watch.clone(), ..Mind::default() };
        flight
    }

    /// The spec or a request is new: what is under way is ended, and may land all the same.
    fn changed(&mut self) -> Option<Flight> {
        let flight = self.mind.flight.take()?;
        let message = "the push was ended".to_owned();
        let ended = Failure { class: Class::Retry, message };
        self.done(flight.head.clone(), Answer::Push(Outcome::Failed(ended)), flight.began);
        Some(flight)
    }

    pub(crate) fn suspend(&mut self, seconds: u32) -> Option<Flight> {
        self.suspended = seconds;
        self.changed()
    }

    pub(crate) fn ask(&mut self, mode: Mode) -> Option<Flight> {
        self.mode = mode;
        self.changed()
    }

    pub(crate) fn ask_to_roll_back(&mut self, target: CommitId) -> Option<Flight> {
        self.by_hand = (self.by_hand.0 + 1, Some(target));
        self.changed()
    }

    /// Returns the push that lands now.
    pub(crate) fn lands(&mut self, now: i64) -> Option<Flight> {
        self.mind.flight.take_if(|flight| flight.lands <= now)
    }

    pub(crate) fn done(&mut self, head: CommitId, answer: Answer, now: i64) {
        if let Answer::Push(outcome) = &answer {
            self.mind.unsure = Some(now);
            self.mind.due = if outcome.class().is_some() { now + BACKOFF } else { 0 };
        }
        self.mind.done = Some((head, answer));
    }

    /// A look at the branch has ended.
    pub(crate) fn looked(&mut self, now: i64) {
        self.mind.unsure.take_if(|pushed| *pushed <= now);
    }

    pub(crate) fn is_broken(&self, contents: &Tree) -> bool {
        contents.values().any(|content| content % 3 == 2 && (content % 2 == 0 || self.delicate))
    }
}
