//! The cluster: runs that get on by themselves, and a store that takes each name once.

use std::collections::BTreeMap;

use plumb_core::{
    commit::CommitId,
    trigger::{
        name::ComponentName,
        plan::Create,
        run::{Attempt, End, Outcome, Run, RunKind, State},
    },
};

use crate::world::at;

/// A run that was asked to end does so within so many seconds.
const ENDING: i64 = 2;

#[derive(Debug, Clone)]
pub(crate) struct Living {
    pub(crate) run: Run,
    /// When it ends, and how.
    ends: i64,
    outcome: Outcome,
}

pub(crate) struct Cluster {
    pub(crate) runs: BTreeMap<String, Living>,
    /// How long the next runs take, and how they end.
    pub(crate) fate: (i64, Outcome),
    made: u32,
}

pub(crate) fn name(component: &ComponentName, commit: &CommitId, attempt: Attempt) -> String {
    format!("shop-{component}-{}-{}-{}", commit.short(), attempt.number, attempt.round)
}

impl Cluster {
    pub(crate) fn new() -> Self {
        Self { runs: BTreeMap::new(), fate: (3, Outcome::Succeeded), made: 0 }
    }

    pub(crate) fn list(&self) -> Vec<Run> {
        self.runs.values().map(|living| living.run.clone()).collect()
    }

    pub(crate) fn under_way(&self) -> impl Iterator<Item = &Run> {
        self.runs.values().map(|living| &living.run).filter(|run| run.is_under_way())
    }

    /// Creates a run; returns whether it was not there.
    pub(crate) fn create(&mut self, create: &Create, now: i64) -> bool {
        let Create { build, attempt } = create;
        let name = name(&build.component, &build.commit, *attempt);
        if let Some(there) = self.runs.get(&name) {
            assert_eq!(
                (&there.run.build.inputs, there.run.attempt),
                (&build.inputs, *attempt),
                "{name} is another one"
            );
            return false;
        }
        self.made += 1;
        let run = Run {
            name: name.clone(),
            uid: format!("uid-{}", self.made),
            resource_version: self.made.to_string(),
            kind: RunKind::PipelineRun,
            build: build.clone(),
            attempt: *attempt,
            created: at(now),
            state: State::Pending(String::new()),
            ending: false,
            deleting: false,
        };
        let (seconds, outcome) = self.fate;
        self.runs.insert(name, Living { run, ends: now + seconds, outcome });
        true
    }

    /// A second passes; returns whether anything changed.
    pub(crate) fn age(&mut self, now: i64) -> bool {
        let mut changed = false;
        for living in self.runs.values_mut().filter(|living| living.run.is_under_way()) {
            let started = Some(living.run.created);
            if living.ends <= now {
                let outcome = if living.run.ending { Outcome::Cancelled } else { living.outcome };
                let message = format!("{outcome:?}");
                living.run.state = State::Ended(End { started, finished: at(now), outcome, message });
                changed = true;
            } else if matches!(living.run.state, State::Pending(_)) && at(now) > living.run.created {
                living.run.state = State::Running { since: at(now), waits: None };
                changed = true;
            }
        }
        changed
    }

    pub(crate) fn cancel(&mut self, uid: &str, now: i64) {
        let meant = self.runs.values_mut().find(|living| living.run.uid == uid && living.run.is_under_way());
        if let Some(living) = meant.filter(|living| !living.run.ending) {
            living.run.ending = true;
            // What is done a moment later ends as it would have.
            if living.ends > now + 1 {
                living.ends = living.ends.min(now + ENDING);
            } else {
                living.run.ending = living.outcome != Outcome::Succeeded;
            }
        }
    }
}
