//! Recording: what one pass found and did, as records (`report/scribe.rs`) and as the Environment's status
//! (`report/state.rs`).

pub(crate) mod state;

mod scribe;

use std::collections::BTreeSet;

use jiff::Timestamp;
use plumb_api::environment::WaitingStatus;
use plumb_core::{
    plan::Plan,
    record::RecordKind,
    standing::{self, Facts},
    wave::Waiting,
};

use crate::{act::Deeds, context::Context, drift::Found, reconcile::Pass};
use scribe::Scribe;

/// All that one pass led to.
pub(crate) struct Outcome {
    pub(crate) started: Timestamp,
    pub(crate) plan: Plan,
    pub(crate) deeds: Deeds,
    pub(crate) found: Vec<Found>,
    pub(crate) facts: Facts,
    /// The wave that is waited for.
    pub(crate) waiting: Option<Waiting>,
}

/// Records a pass that planned and acted.
pub(crate) async fn finish(context: &Context, pass: &mut Pass, outcome: Outcome) {
    let now = context.clock.now();
    let revision = outcome.facts.revision.clone().expect("because a plan has a commit");
    let mut status = pass.memory.status.clone();
    let mut scribe = Scribe { context, pass, revision: Some(revision.clone()), now };
    scribe.drifts(&outcome, &mut status);
    scribe.refusals(&outcome.plan);
    scribe.requests(&mut status);
    scribe.operation(&outcome, &revision, &mut status);
    status.waiting =
        outcome.waiting.map(|waiting| WaitingStatus { wave: waiting.wave.0, since: waiting.since.to_string() });
    scribe.late(&outcome, &status);
    let standing = standing::stand(&outcome.facts);
    let live = context.index().live(&pass.settings.name.applyset_id(), &BTreeSet::new());
    status.inventory = Some(state::inventory(pass.memory.recorded.as_ref(), &live));
    state::write(context, pass, status, &standing, now).await;
}

/// Records what a pass did that ends before its commit is judged: it was cut, or the next wave follows at once.
pub(crate) async fn interrupted(context: &Context, pass: &mut Pass, outcome: Outcome) {
    let now = context.clock.now();
    let revision = outcome.facts.revision.clone().expect("because a plan has a commit");
    let mut status = pass.memory.status.clone();
    let mut scribe = Scribe { context, pass, revision: Some(revision.clone()), now };
    scribe.deeds(&outcome.deeds);
    if !scribe.pass.settings.policy.suspended {
        scribe.pass.memory.unfinished = Some(scribe.go_on(&outcome, &revision, &mut status));
    }
    // What was found and not corrected any more is found again.
    let corrected = |found: &Found| outcome.deeds.corrected.contains(&found.drift.key);
    let found = outcome.found.iter().filter(|found| corrected(found)).cloned().collect();
    scribe.drifts(&Outcome { found, ..outcome }, &mut status);
    state::put(context, pass, status).await;
}

/// Records a pass that could not plan: the cluster was left as it is.
pub(crate) async fn unplanned(context: &Context, pass: &mut Pass, facts: Facts) {
    let now = context.clock.now();
    let mut status = pass.memory.status.clone();
    let standing = standing::stand(&facts);
    let mut scribe = Scribe { context, pass, revision: facts.revision.clone(), now };
    scribe.requests(&mut status);
    let text = standing.problems.join("\n");
    let class = facts.source.as_ref().or(facts.identity.as_ref()).map(|failure| failure.class);
    let key = format!("unplanned {} {text}", facts.revision.as_ref().map_or("", |revision| revision.commit.as_str()));
    if !text.is_empty() && scribe.pass.memory.refused.insert(key) {
        scribe.record(RecordKind::Failed, Vec::new(), standing.message.clone(), |record| record.class = class);
    }
    // A commit that may not begin is not begun by being wrong.
    let begun = !facts.problems.is_empty() && !scribe.pass.settings.policy.waiting;
    if let (Some(revision), true) = (&facts.revision, begun) {
        let inputs = scribe.pass.memory.wanted.digest();
        status.last_attempted =
            Some(state::attempt(scribe.pass, revision, inputs, status.last_attempted.as_ref(), now));
    }
    state::write(context, pass, status, &standing, now).await;
}
