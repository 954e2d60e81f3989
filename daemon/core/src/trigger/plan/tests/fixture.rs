//! A trigger of a few components, its runs, and what the next plan says.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;

use crate::{
    commit::CommitId,
    source::InputsDigest,
    trigger::{
        memory::Memory,
        name::ComponentName,
        plan::{Asked, Head, Input, Plan, plan},
        rules::{History, Initial, Rules, Supersede},
        run::{Attempt, End, Outcome, Run, State},
    },
};

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a time")
}

pub(super) fn name(text: &str) -> ComponentName {
    ComponentName::parse(text).expect("a name")
}

pub(super) fn commit(number: u32) -> CommitId {
    CommitId::parse(&format!("{number:07x}{}", "0".repeat(33))).expect("an id")
}

pub(super) fn inputs(text: &str) -> InputsDigest {
    InputsDigest(text.to_owned())
}

/// A trigger as it stands between two plans.
pub(super) struct Trigger {
    pub(super) now: i64,
    pub(super) rules: Rules,
    pub(super) head: Option<Head>,
    pub(super) memory: Memory,
    pub(super) runs: Option<Vec<Run>>,
    pub(super) room: usize,
    pub(super) asked: Vec<Asked>,
    pub(super) unwritten: BTreeSet<String>,
    pub(super) absorbed: BTreeMap<ComponentName, InputsDigest>,
}

impl Trigger {
    /// Makes one that has one run at a time, and nothing to read yet.
    pub(super) fn new() -> Self {
        let history = History { succeeded: 2, failed: 1, age: Duration::from_secs(1000) };
        Self {
            now: 1000,
            rules: Rules {
                limit: 1,
                supersede: Supersede::DropQueued,
                initial: Initial::Build,
                retries: 2,
                history,
                suspended: false,
            },
            head: None,
            memory: Memory::default(),
            runs: Some(Vec::new()),
            room: 10,
            asked: Vec::new(),
            unwritten: BTreeSet::new(),
            absorbed: BTreeMap::new(),
        }
    }

    /// The branch has this commit now: components with their inputs, of which an empty one is no file.
    pub(super) fn push(&mut self, number: u32, components: &[(&str, &str)]) {
        let read = |(component, text): &(&str, &str)| (name(component), (!text.is_empty()).then(|| inputs(text)));
        self.head = Some(Head {
            commit: commit(number),
            committed: at(i64::from(number)),
            passed_over: false,
            components: components.iter().map(read).collect(),
        });
    }

    pub(super) fn ask(&mut self, id: &str, component: Option<&str>, number: u32, components: &[(&str, &str)]) {
        let before = self.head.take();
        self.push(number, components);
        let head = self.head.take().expect("it was pushed");
        self.head = before;
        let Head { commit, committed, passed_over: _, components } = head;
        self.asked = vec![Asked { id: id.to_owned(), component: component.map(name), commit, committed, components }];
    }

    pub(super) fn plan(&self) -> Plan {
        plan(&Input {
            now: at(self.now),
            rules: &self.rules,
            head: self.head.as_ref(),
            memory: &self.memory,
            runs: self.runs.as_deref(),
            room: self.room,
            asked: &self.asked,
            unwritten: &self.unwritten,
            absorbed: &self.absorbed,
        })
    }

    /// Plans, writes the memory and creates what is planned; returns what was new, in words.
    pub(super) fn step(&mut self) -> Vec<String> {
        let planned = self.write();
        let runs = self.runs.get_or_insert_default();
        for create in planned.create {
            let Attempt { number, round } = create.attempt;
            let run = Run {
                build: create.build.clone(),
                attempt: create.attempt,
                ..Run::example(&format!("{}-{number}-{round}", create.build.component), at(self.now))
            };
            if runs.iter().all(|there| there.name != run.name) {
                runs.push(run);
            }
        }
        for cancel in planned.cancel {
            runs.iter_mut().filter(|run| run.uid == cancel.uid).for_each(|run| run.ending = true);
        }
        runs.retain(|run| planned.remove.iter().all(|remove| remove.uid != run.uid));
        planned.facts.iter().map(ToString::to_string).collect()
    }

    /// Plans and writes the memory, and is killed then.
    pub(super) fn write(&mut self) -> Plan {
        let planned = self.plan();
        self.memory = planned.memory.clone();
        self.asked.retain(|asked| planned.handled.iter().all(|handled| handled.id != asked.id));
        planned
    }

    /// A run has ended.
    pub(super) fn end(&mut self, run: &str, outcome: Outcome) {
        let finished = at(self.now);
        let found = self.runs.iter_mut().flatten().find(|found| found.name == run);
        let found = found.unwrap_or_else(|| panic!("{run} is not there"));
        found.state =
            State::Ended(End { started: Some(finished), finished, outcome, message: "it says why".to_owned() });
    }

    /// Returns the names of the live runs.
    pub(super) fn names(&self) -> Vec<&str> {
        self.runs.iter().flatten().map(|run| run.name.as_str()).collect()
    }

    /// Builds a component once, successfully.
    pub(super) fn build(&mut self, number: u32, components: &[(&str, &str)]) {
        self.push(number, components);
        for _ in 0..components.len() {
            self.step();
            let under_way: Vec<String> =
                self.runs.iter().flatten().filter(|run| run.is_under_way()).map(|run| run.name.clone()).collect();
            for run in under_way {
                self.end(&run, Outcome::Succeeded);
            }
            self.step();
        }
    }
}

/// Expects another plan to have nothing to say.
#[track_caller]
pub(super) fn rests(trigger: &Trigger) {
    let Plan { memory, create, cancel, remove, facts, handled, .. } = trigger.plan();
    assert_eq!((create, cancel, remove, facts, handled), Default::default());
    assert_eq!(memory, trigger.memory);
}
