//! The status of a trigger: what of it core remembers, and back.
//!
//! What can't be read of a status is as if it were not there: live runs say what was built, and what nobody knows of is built.

use jiff::Timestamp;
use plumb_api::{
    PipelineTrigger, PipelineTriggerStatus,
    trigger::{BuildStatus, ComponentStatus, SeenStatus, WaitingBuild},
};
use plumb_core::{
    commit::CommitId,
    operation::Failure,
    source::InputsDigest,
    trigger::{
        memory::{Attempted, Known, Memory, Seen, Waiting},
        name::ComponentName,
        plan::Create,
        run::{Build, Outcome},
    },
};

/// What one pass leaves for the next.
#[derive(Debug, Clone)]
pub(crate) struct State {
    /// The status as it was last read or written.
    pub(super) status: PipelineTriggerStatus,
    /// The resourceVersion with it; empty: the newest is to be read.
    pub(super) version: String,
    /// What could not be done at the end of the last pass: the next status says so.
    pub(super) failures: Vec<Failure>,
    /// Builds that can't be created as they are written, and why: the next status ends them.
    pub(super) hopeless: Vec<(Create, String)>,
    /// Why images could not be written the last time.
    pub(super) unwritten: Option<Failure>,
}

impl State {
    /// Takes what a resource holds.
    pub(crate) fn of(trigger: &PipelineTrigger) -> Self {
        let version = trigger.metadata.resource_version.clone().unwrap_or_default();
        Self {
            status: trigger.status.clone().unwrap_or_default(),
            version,
            failures: Vec::new(),
            hopeless: Vec::new(),
            unwritten: None,
        }
    }

    /// Returns how many runs go on.
    pub(crate) fn running(&self) -> u32 {
        self.status.running
    }

    /// Returns the commit that components were last compared at.
    pub(crate) fn commit(&self) -> Option<&str> {
        self.status.commit.as_deref()
    }
}

/// Reads what a status remembers.
pub(super) fn memory(status: &PipelineTriggerStatus) -> Memory {
    Memory { components: status.components.iter().filter_map(known).collect() }
}

fn known(status: &ComponentStatus) -> Option<(ComponentName, Known)> {
    let ComponentStatus { name, attempt, seen, tried, waiting, last_attempted, earlier, last_succeeded } = status;
    let name = ComponentName::parse(name).ok()?;
    let one = |build: &Option<BuildStatus>| build.as_ref().and_then(|build| attempted(&name, build));
    let known = Known {
        attempt: *attempt,
        seen: seen.as_ref().and_then(seen_of),
        tried: tried.clone().map(InputsDigest),
        waiting: waiting.iter().filter_map(|build| waiting_of(&name, build)).collect(),
        attempted: one(last_attempted),
        earlier: earlier.iter().filter_map(|build| attempted(&name, build)).collect(),
        succeeded: one(last_succeeded),
    };
    Some((name, known))
}

fn seen_of(SeenStatus { commit, inputs, passed_over }: &SeenStatus) -> Option<Seen> {
    let commit = CommitId::parse(commit).ok()?;
    Some(Seen { commit, inputs: inputs.clone().map(InputsDigest), passed_over: *passed_over })
}

fn waiting_of(component: &ComponentName, status: &WaitingBuild) -> Option<Waiting> {
    let WaitingBuild { commit, committed, inputs, since, branch, asked, next } = status;
    let build = build(component, (commit, committed, inputs))?;
    Some(Waiting { build, since: since.parse().ok()?, branch: *branch, asked: asked.clone(), next: *next })
}

fn build(component: &ComponentName, (commit, committed, inputs): (&str, &str, &str)) -> Option<Build> {
    let (component, inputs) = (component.clone(), InputsDigest(inputs.to_owned()));
    Some(Build { component, commit: CommitId::parse(commit).ok()?, inputs, committed: committed.parse().ok()? })
}

fn attempted(component: &ComponentName, status: &BuildStatus) -> Option<Attempted> {
    let BuildStatus {
        commit,
        committed,
        inputs,
        attempt,
        round,
        retried,
        begun,
        branch,
        asked,
        run,
        superseded,
        outcome,
        finished,
        message,
    } = status;
    let finished = finished.as_ref().and_then(|finished| finished.parse::<Timestamp>().ok());
    Some(Attempted {
        build: build(component, (commit, committed, inputs))?,
        number: *attempt,
        round: *round,
        retried: *retried,
        begun: begun.parse().ok()?,
        branch: *branch,
        asked: asked.clone(),
        run: run.clone(),
        superseded: superseded.as_ref().and_then(|commit| CommitId::parse(commit).ok()),
        outcome: outcome.as_deref().and_then(Outcome::parse).zip(finished),
        message: message.clone(),
    })
}

/// Writes what is to be remembered, sorted by name.
pub(super) fn components(memory: &Memory) -> Vec<ComponentStatus> {
    memory.components.iter().map(|(name, known)| component(name, known)).collect()
}

fn component(name: &ComponentName, known: &Known) -> ComponentStatus {
    let Known { attempt, seen, tried, waiting, attempted, earlier, succeeded } = known;
    let seen = seen.as_ref().map(|Seen { commit, inputs, passed_over }| SeenStatus {
        commit: commit.to_string(),
        inputs: inputs.clone().map(|inputs| inputs.0),
        passed_over: *passed_over,
    });
    ComponentStatus {
        name: name.to_string(),
        attempt: *attempt,
        seen,
        tried: tried.clone().map(|inputs| inputs.0),
        waiting: waiting.iter().map(waiting_status).collect(),
        last_attempted: attempted.as_ref().map(build_status),
        earlier: earlier.iter().map(build_status).collect(),
        last_succeeded: succeeded.as_ref().map(build_status),
    }
}

fn waiting_status(Waiting { build, since, branch, asked, next }: &Waiting) -> WaitingBuild {
    let Build { component: _, commit, inputs, committed } = build;
    WaitingBuild {
        commit: commit.to_string(),
        committed: committed.to_string(),
        inputs: inputs.0.clone(),
        since: since.to_string(),
        branch: *branch,
        asked: asked.clone(),
        next: *next,
    }
}

fn build_status(attempted: &Attempted) -> BuildStatus {
    let Attempted { build, number, round, retried, begun, branch, asked, run, superseded, outcome, message } =
        attempted;
    let Build { component: _, commit, inputs, committed } = build;
    BuildStatus {
        commit: commit.to_string(),
        committed: committed.to_string(),
        inputs: inputs.0.clone(),
        attempt: *number,
        round: *round,
        retried: *retried,
        begun: begun.to_string(),
        branch: *branch,
        asked: asked.clone(),
        run: run.clone(),
        superseded: superseded.as_ref().map(ToString::to_string),
        outcome: outcome.map(|(outcome, _)| outcome.label().to_owned()),
        finished: outcome.map(|(_, finished)| finished.to_string()),
        message: message.clone(),
    }
}
