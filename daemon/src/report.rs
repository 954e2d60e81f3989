//! Recording: what one pass found and did, as records (`report/scribe.rs`) and as the Environment's status
//! (`report/state.rs`).

pub(crate) mod action;
pub(crate) mod ending;
pub(crate) mod state;

mod drifts;
mod rollbacks;
mod room;
mod scribe;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use plumb_api::{
    EnvironmentStatus,
    environment::WaitingStatus,
    request::{self, Request},
    rollback::RefusedStatus,
};
use plumb_core::{
    contention::Quarrel,
    live::Live,
    object::ObjectKey,
    plan::Plan,
    record::{Record, RecordKind},
    rollback::{hold::Rollback, pushing},
    standing::{self, Facts},
    wave::Waiting,
};

use crate::{
    act::Deeds,
    context::Context,
    drift::{Found, What},
    let_go::Released,
    reconcile::Pass,
    rollback::{self, Answer, Done, Judged},
};
use scribe::Scribe;

/// All that one pass led to.
pub(crate) struct Outcome {
    pub(crate) started: Timestamp,
    pub(crate) plan: Plan,
    pub(crate) deeds: Deeds,
    pub(crate) found: Vec<Found>,
    /// Quarrels that are over.
    pub(crate) peace: Vec<(ObjectKey, Quarrel)>,
    pub(crate) facts: Facts,
    /// The wave that is waited for.
    pub(crate) waiting: Option<Waiting>,
    /// Whether its commit is to blame for what is not healthy.
    pub(crate) judged: Judged,
}

/// Records a pass that planned and acted; `live` is what it was judged by, so that all of a status is of one moment. Returns
/// whether the cluster has it: only then a commit is rolled back.
pub(crate) async fn finish(context: &Context, pass: &mut Pass, outcome: Outcome, live: &Live) -> bool {
    let now = context.clock.now();
    let revision = outcome.facts.revision.clone().expect("because a plan has a commit");
    let mut status = pass.memory.status.clone();
    let mut scribe = Scribe { context, pass, revision: Some(revision.clone()), now };
    scribe.drifts(&outcome, &mut status);
    scribe.peace(&outcome.peace);
    scribe.refusals(&outcome.plan);
    scribe.requests(&mut status);
    scribe.operation(&outcome, &revision, &mut status);
    let held = scribe.judged(&outcome, &revision, &mut status);
    status.waiting =
        outcome.waiting.map(|waiting| WaitingStatus { wave: waiting.wave.0, since: waiting.since.to_string() });
    scribe.late(&outcome, &status);
    let standing = standing::stand(&outcome.facts);
    status.inventory = Some(state::inventory(pass.memory.recorded.as_ref(), live));
    state::stand(context, pass, &mut status, &standing, now);
    let written = put_with(context, pass, status, held.into_iter().collect()).await;
    if written && outcome.judged.rolls_back() {
        pass.memory.watch = None;
    }
    written
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
    outcome.judged.write(&mut status);
    // What was found and not corrected any more is found again.
    let told = |found: &Found| found.is_undone(&outcome.deeds) || found.what == What::ForeignFields;
    let found = outcome.found.iter().filter(|found| told(found)).cloned().collect();
    scribe.peace(&outcome.peace);
    scribe.drifts(&Outcome { found, ..outcome }, &mut status);
    state::put(context, pass, status).await;
}

/// Records that a commit may be applied again, with what the branch shows to have been taken back, and writes it before anything is
/// applied; returns whether it was written. A request that it answers is carried out by it.
pub(crate) async fn released(
    context: &Context,
    pass: &mut Pass,
    released: &Rollback,
    message: String,
    asked: Option<Request>,
) -> bool {
    let mut status = pass.memory.status.clone();
    rollback::state::write(&mut status, released, pass.memory.watch.as_ref());
    if let Some(asked) = &asked {
        status.handled.insert(request::RETRY.to_owned(), asked.id.clone());
    }
    let now = context.clock.now();
    let name = pass.settings.name.clone();
    let revision = pass.source.as_ref().ok().map(|source| source.revision.clone());
    let mut records = Vec::new();
    let held = rollback::state::rollback(&pass.memory.status);
    let answer = pass.done.take().filter(|answer| pushing::is_open(held.reverting.as_ref(), &answer.head));
    if let Some(Done { answer: Answer::Push(pushing::Outcome::Pushed { branch, taken }), .. }) = answer {
        rollbacks::mark(&taken, &mut status);
        records = rollbacks::reverted(now, &name, (&branch, &taken), held.held.as_ref());
    }
    let released = Record::new(now, name, revision, RecordKind::Released, message);
    records.push(Record { who: asked.map(|asked| asked.user), ..released });
    put_with(context, pass, status, records).await
}

/// Records what came of a person's wish to roll back, and writes it before anything is done about it; returns whether it was
/// written.
pub(crate) async fn rolled_back_by_hand(
    context: &Context,
    pass: &mut Pass,
    asked: &Request,
    answer: Result<Rollback, String>,
) -> bool {
    let mut status = pass.memory.status.clone();
    let now = context.clock.now();
    let revision = pass.source.as_ref().ok().map(|source| source.revision.clone());
    let (kind, message) = match answer {
        Ok(rollback) => {
            status.rollback.refused = None;
            rollback::state::write(&mut status, &rollback, None);
            pass.memory.watch = None;
            let hold = rollback.held.as_ref();
            if let (Some(hold), Some(revision)) = (hold, &revision) {
                let entry = rollbacks::by_hand(hold, revision, now);
                Scribe { context, pass, revision: None, now }.enter(&mut status, entry);
            }
            (RecordKind::Held, hold.map(ToString::to_string).unwrap_or_default())
        }
        Err(message) => {
            let told = format!("{} asked for a rollback: {message}", asked.user);
            status.rollback.refused = Some(RefusedStatus { id: asked.id.clone(), message });
            (RecordKind::Refused, told)
        }
    };
    status.handled.insert(request::ROLLBACK.to_owned(), asked.id.clone());
    let record = Record::new(now, pass.settings.name.clone(), revision, kind, message);
    put_with(context, pass, status, vec![Record { who: Some(asked.user.clone()), ..record }]).await
}

/// Writes a status with records that are true from that write on, and ride on it; returns whether it was written.
async fn put_with(context: &Context, pass: &mut Pass, status: EnvironmentStatus, records: Vec<Record>) -> bool {
    let mut scribe = Scribe { context, pass, revision: None, now: context.clock.now() };
    records.iter().for_each(|record| scribe.keep(record));
    let written = state::put(context, scribe.pass, status).await;
    if written {
        records.into_iter().for_each(|record| scribe.tell(record));
    } else {
        records.iter().rev().for_each(|record| scribe.pass.memory.book.take_back(record));
    }
    written
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

/// Records a step of a departure, and says what it waits for.
pub(crate) async fn departing(context: &Context, pass: &mut Pass, deeds: &Deeds, mut lines: Vec<String>) {
    let now = context.clock.now();
    let mut status = pass.memory.status.clone();
    let revision = pass.source.as_ref().ok().map(|source| source.revision.clone());
    let mut scribe = Scribe { context, pass, revision: revision.clone(), now };
    scribe.deeds(deeds);
    if lines.is_empty() {
        lines.push("its objects are being deleted, as spec.deletion says".to_owned());
    }
    let facts = Facts { revision, departing: lines, ..Facts::default() };
    let live = context.index().live(&pass.settings.name.applyset_id(), &BTreeSet::new());
    status.inventory = Some(state::inventory(pass.memory.recorded.as_ref(), &live));
    state::write(context, pass, status, &standing::stand(&facts), now).await;
}

/// Records what a departure has let go of, and why it was not deleted. The Environment is about to vanish; its status is written
/// only where notes are made of its records.
pub(crate) async fn departed(
    context: &Context,
    pass: &mut Pass,
    Released { gone, failed }: &Released,
    whys: &BTreeMap<ObjectKey, String>,
) {
    let now = context.clock.now();
    let revision = pass.source.as_ref().ok().map(|source| source.revision.clone());
    let mut scribe = Scribe { context, pass, revision, now };
    let mut by_why: BTreeMap<&str, Vec<ObjectKey>> = BTreeMap::new();
    for key in gone {
        by_why.entry(whys.get(key).map_or("", String::as_str)).or_default().push(key.clone());
    }
    for (why, keys) in by_why {
        let message = format!("{} object(s) stay, no longer owned: {why}", keys.len());
        scribe.record(RecordKind::LetGo, keys, message, |_| {});
    }
    for (key, failure) in failed {
        let why = whys.get(key).map_or("", String::as_str);
        let message = format!("{key} stays ({why}) and keeps its label: {}", failure.message);
        scribe.record(RecordKind::Failed, vec![key.clone()], message, |record| record.class = Some(failure.class));
    }
    let status = pass.memory.status.clone();
    state::put(context, pass, status).await;
}
