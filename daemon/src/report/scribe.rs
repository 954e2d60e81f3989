//! The scribe: which facts of a pass become records, each of them once, and the parts of the status that go with them.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use plumb_api::{
    EnvironmentStatus,
    environment::{Attempt, HistoryEntry},
    request,
};
use plumb_core::{
    class::Class,
    commit::Revision,
    object::ObjectKey,
    plan::{Plan, Refusal, Wait, Why},
    record::{Record, RecordKind},
    right, standing,
};

use super::{
    Outcome,
    ending::Ending,
    state::{attempt, history_entry},
};
use crate::{
    act::Deeds, context::Context, ledger::Keeping, memory::Unfinished, reconcile::Pass, settings, tally::Tally,
};

/// Operations that a status keeps.
const HISTORY_MAX: usize = 10;

/// Writes the records of one pass.
pub(super) struct Scribe<'a> {
    pub(super) context: &'a Context,
    pub(super) pass: &'a mut Pass,
    pub(super) revision: Option<Revision>,
    pub(super) now: Timestamp,
}

impl Scribe<'_> {
    pub(super) fn record(
        &mut self,
        kind: RecordKind,
        objects: Vec<ObjectKey>,
        message: String,
        more: impl FnOnce(&mut Record),
    ) {
        let (environment, revision) = (self.pass.settings.name.clone(), self.revision.clone());
        let mut record = Record { objects, ..Record::new(self.now, environment, revision, kind, message) };
        more(&mut record);
        self.write_down(record);
    }

    /// Keeps and tells a record, unless it only repeats one that waits for the status to be written.
    pub(super) fn write_down(&mut self, record: Record) {
        if !self.pass.memory.book.tells(&record) {
            self.keep(&record);
            self.tell(record);
        }
    }

    /// Has the next write of the status hold a record, where records become notes.
    pub(super) fn keep(&mut self, record: &Record) {
        if matches!(self.pass.keeping, Keeping::Notes(_)) {
            self.pass.memory.book.add(record.clone());
        }
    }

    /// Tells everybody else of a record.
    pub(super) fn tell(&self, record: Record) {
        let uid = self.pass.resource.metadata.uid.as_deref().unwrap_or_default();
        self.context.journal.record(record, uid, &self.pass.tenure);
    }

    /// Records every refusal once, until it goes away.
    pub(super) fn refusals(&mut self, plan: &Plan) {
        let now: BTreeMap<String, &Why> = plan
            .refusals
            .iter()
            .filter(|refusal| {
                !matches!(refusal.why, Why::Suspended { .. } | Why::Deleting) && !refusal.why.awaits_others()
            })
            .map(|refusal| (refusal.to_string(), &refusal.why))
            .collect();
        for (text, why) in &now {
            if !self.pass.memory.refused.contains(text) {
                let kind = if why.blocks() { RecordKind::Blocked } else { RecordKind::Refused };
                self.record(kind, Vec::new(), text.clone(), |_| {});
            }
        }
        self.pass.memory.refused = now.into_keys().collect();
    }

    /// Echoes the requests that this pass has carried out, and records those that change what is allowed.
    pub(super) fn requests(&mut self, status: &mut EnvironmentStatus) {
        for (annotation, kind) in
            [(request::SYNC, None), (request::RETRY, None), (request::ALLOW_PRUNE, Some(RecordKind::Allowed))]
        {
            let Some(asked) = settings::request(&self.pass.resource, annotation) else { continue };
            // What is to begin at any hour is asked for until it has begun: a dependency may hold it up.
            let held = asked.now && self.pass.held.is_some();
            // What releases a hold says so itself; until then it is asked for.
            let early = match annotation {
                request::SYNC => !self.pass.synced || held,
                request::RETRY => status.rollback.held.is_some(),
                _ => false,
            };
            if early || status.handled.get(annotation) == Some(&asked.id) {
                continue;
            }
            let why = asked.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            if let Some(kind) = kind {
                let commit = asked.commit.as_deref().unwrap_or("no commit");
                let message = format!("{} allowed the prunes of {commit}{why}", asked.user);
                self.record(kind, Vec::new(), message, |record| record.who = Some(asked.user.clone()));
            } else if asked.now {
                let message = format!("{} asked for the newest commit at any hour{why}", asked.user);
                self.record(RecordKind::Allowed, Vec::new(), message, |record| record.who = Some(asked.user.clone()));
            }
            status.handled.insert(annotation.to_owned(), asked.id);
        }
        let suspended = self.pass.settings.policy.suspended;
        if suspended != self.pass.memory.suspended {
            let by = settings::request(&self.pass.resource, request::SUSPENDED);
            let (user, reason) = by.map(|by| (by.user, by.reason)).unzip();
            let who = user.as_ref().map(|user| format!(" by {user}")).unwrap_or_default();
            let why = reason.flatten().map(|reason| format!(": {reason}")).unwrap_or_default();
            let (kind, message) = if suspended {
                (RecordKind::Suspended, format!("suspended{who}{why}"))
            } else {
                (RecordKind::Resumed, "resumed".to_owned())
            };
            self.record(kind, Vec::new(), message, |record| record.who = user);
            self.pass.memory.suspended = suspended;
        }
    }

    /// Records what was done to objects, whether or not all that was planned was done.
    pub(super) fn deeds(&mut self, deeds: &Deeds) {
        for warning in &deeds.warnings {
            tracing::warn!(environment = %self.pass.settings.name, "the API server warns: {warning}");
        }
        for (key, from) in &deeds.adopted {
            let message = format!("{key} was taken over from {}", from.join(", "));
            self.record(RecordKind::Adopted, vec![key.clone()], message, |_| {});
        }
        for (key, to) in &deeds.handed {
            self.record(RecordKind::HandedOver, vec![key.clone()], format!("{key} was handed over to {to}"), |_| {});
        }
        for key in deeds.replaced.keys() {
            let message = format!("{key} can't be changed in place: it was deleted to be created anew");
            self.record(RecordKind::Replaced, vec![key.clone()], message, |_| {});
        }
        if !deeds.pruned.is_empty() {
            let names: Vec<_> = deeds.pruned.iter().take(10).map(ToString::to_string).collect();
            let rest = deeds.pruned.len() - names.len();
            let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
            let message = format!("pruned {}{more}", names.join(", "));
            self.record(RecordKind::Pruned, deeds.pruned.clone(), message, |_| {});
        }
    }

    /// Returns the operation that this pass goes on with or begins; what it did is added. One that was for other inputs ends
    /// here, and is recorded.
    pub(super) fn go_on(
        &mut self,
        outcome: &Outcome,
        revision: &Revision,
        status: &mut EnvironmentStatus,
    ) -> Unfinished {
        let inputs = self.pass.memory.wanted.digest();
        let before = self.pass.memory.unfinished.take();
        if let Some(replaced) = before.as_ref().filter(|before| before.inputs != inputs) {
            self.superseded(replaced, revision, status);
        }
        let before = before.filter(|before| before.inputs == inputs);
        let started = before.as_ref().map_or(outcome.started, |before| before.started);
        let done = before.map(|before| before.tally).unwrap_or_default();
        let tally = Tally::of(&outcome.deeds, outcome.plan.unchanged).after(done);
        Unfinished { revision: revision.clone(), inputs, started, tally }
    }

    fn superseded(&mut self, replaced: &Unfinished, by: &Revision, status: &mut EnvironmentStatus) {
        let Unfinished { revision, tally, started, .. } = replaced;
        // It has failed, which the history says already.
        if status.history.first().is_some_and(|entry| revision.commit.as_str() == entry.revision.commit) {
            return;
        }
        let (commit, newer) = (revision.commit.short(), by.commit.short());
        let message = format!("{commit}: {tally}; {newer} replaced it before all of it was applied and healthy");
        let took = self.since(*started);
        self.record(RecordKind::Superseded, Vec::new(), message, |record| {
            (record.revision, record.took) = (Some(revision.clone()), Some(took));
            record.related = Some(by.commit.clone());
        });
        self.enter(status, history_entry(revision, self.now, took, Ending::Superseded, tally.to_string()));
    }

    /// Records an operation of a commit: one entry of history for each commit and result, not for each pass.
    pub(super) fn operation(&mut self, outcome: &Outcome, revision: &Revision, status: &mut EnvironmentStatus) {
        self.deeds(&outcome.deeds);
        if self.pass.settings.policy.is_held() {
            return;
        }
        let operation = self.go_on(outcome, revision, status);
        let ending = self.ending(outcome);
        let before = (status.last_attempted.as_ref(), status.last_applied.as_ref());
        let attempted = attempt(self.pass, revision, operation.inputs.clone(), before.0, self.now);
        let same = |before: &Attempt| before.inputs == attempted.inputs && before.generation == attempted.generation;
        // A commit that leaves the inputs as they were is not an operation of this environment.
        let same_inputs = if ending == Some(Ending::Applied) { before.1 } else { before.0 }.is_some_and(same);
        if ending == Some(Ending::Applied) {
            status.last_applied = Some(attempt(self.pass, revision, operation.inputs.clone(), before.1, self.now));
        }
        status.last_attempted = Some(attempted);
        if ending.is_none() || outcome.plan.wait.as_ref().is_some_and(Wait::holds) {
            self.pass.memory.unfinished = Some(operation.clone());
        }
        let Some(ending) = ending else { return };
        let restored = ending == Ending::Applied && self.pass.settings.policy.rolled_back;
        let ending = if restored { Ending::Restored } else { ending };
        let before = status.history.first().map(|entry| (entry.revision.commit.as_str(), entry.result.as_str()));
        let told = before == Some((revision.commit.as_str(), ending.label()));
        let nothing_new = told && !Tally::of(&outcome.deeds, 0).wrote();
        let again = before.is_some_and(|(_, before)| before == ending.label());
        if nothing_new || !operation.tally.wrote() && same_inputs && again {
            return;
        }
        let (took, summary) = (self.since(operation.started), operation.tally.to_string());
        let (kind, message) = match ending {
            Ending::Applied => (RecordKind::Applied, format!("{}: {summary}", revision.commit.short())),
            Ending::Restored => (RecordKind::Restored, format!("{}: {summary}", revision.commit.short())),
            Ending::Failed | Ending::Blocked | Ending::Superseded | Ending::RolledBack => {
                (RecordKind::Failed, failed(revision, outcome))
            }
        };
        let forbidden = self.pass.memory.forbidden.iter().map(|forbidden| &forbidden.failure);
        let class = self.pass.memory.failures.iter().chain(forbidden).map(|failure| failure.class).min();
        // Refusals have records of their own.
        if ending != Ending::Blocked {
            self.record(kind, Vec::new(), message, |record| {
                record.class = class;
                record.took = Some(took);
            });
        }
        self.enter(status, history_entry(revision, self.now, took, ending, summary));
    }

    /// Records once that what is applied in full does not become healthy in time.
    pub(super) fn late(&mut self, outcome: &Outcome, status: &EnvironmentStatus) {
        let late = outcome.facts.wait.late.is_some() && outcome.facts.wait.held.is_none();
        let since = status.waiting.clone().filter(|_| late);
        let told = self.pass.memory.late == since;
        self.pass.memory.late.clone_from(&since);
        let Some(commit) = outcome.facts.revision.as_ref().filter(|_| late && !told) else { return };
        let message = format!("{}: {}", commit.commit.short(), standing::stand(&outcome.facts).message);
        self.record(RecordKind::Failed, Vec::new(), message, |record| record.class = Some(Class::Wait));
    }

    fn since(&self, started: Timestamp) -> Duration {
        Duration::try_from(self.now.duration_since(started)).unwrap_or_default()
    }

    pub(super) fn enter(&self, status: &mut EnvironmentStatus, entry: HistoryEntry) {
        let same =
            |before: &HistoryEntry| before.revision.commit == entry.revision.commit && before.result == entry.result;
        if status.history.first().is_some_and(same) {
            status.history[0] = entry;
        } else {
            status.history.insert(0, entry);
        }
        status.history.truncate(HISTORY_MAX);
    }

    /// Returns what came of the operation; nothing while it only waits for something that passes by itself, such as
    /// another environment's word on what may be pruned, or the health of a wave.
    fn ending(&self, outcome: &Outcome) -> Option<Ending> {
        let Outcome { plan, facts, .. } = outcome;
        let refuses = |refusal: &Refusal| !refusal.why.harmless() && !refusal.why.passes();
        if plan.blocked().is_some() {
            Some(Ending::Blocked)
        } else if !outcome.deeds.replaced.is_empty()
            && self.pass.memory.failures.is_empty()
            && self.pass.memory.forbidden.is_empty()
        {
            None
        } else if !self.pass.memory.failures.is_empty()
            || !self.pass.memory.forbidden.is_empty()
            || !facts.problems.is_empty()
        {
            Some(Ending::Failed)
        } else if plan.refused > 0 {
            plan.refusals.iter().any(refuses).then_some(Ending::Failed)
        } else if plan.wait.as_ref().is_some_and(Wait::holds) {
            facts.wait.late.is_some().then_some(Ending::Failed)
        } else if plan.refusals.iter().any(|refusal| refusal.why.awaits_others()) {
            None
        } else {
            Some(Ending::Applied)
        }
    }
}

fn failed(revision: &Revision, outcome: &Outcome) -> String {
    let problems = outcome.facts.problems.iter().map(ToString::to_string);
    let forbidden = right::lines(&outcome.facts.forbidden).into_iter();
    let failures = outcome.facts.failures.iter().map(|failure| failure.message.clone());
    let refusals = outcome.plan.refusals.iter().filter(|refusal| !refusal.why.harmless()).map(ToString::to_string);
    let mut lines: Vec<String> = problems.chain(forbidden).chain(failures).chain(refusals).take(5).collect();
    if lines.is_empty() {
        lines.push(standing::stand(&outcome.facts).message);
    }
    format!("{}: {}", revision.commit.short(), lines.join("\n"))
}
