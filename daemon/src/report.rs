//! Recording: what one pass found and did, as records and as the Environment's status.
//!
//! The status is written only when it changes; conflicts are read again and written again.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;
use plumb_api::{
    Environment, EnvironmentStatus, condition,
    environment::{Attempt, DriftStatus, FieldChange, HistoryEntry, InventoryStatus},
    repository::RevisionStatus,
    request,
};
use plumb_core::{
    commit::Revision,
    environment::EnvironmentName,
    fields::managed::ManagedBy,
    inventory::Inventory,
    live::Live,
    object::ObjectKey,
    operation::Failure,
    plan::{Plan, Refusal, Why},
    record::{Record, RecordKind},
    source::Inputs,
    standing::{self, Facts, Standing},
};
use sha2::{Digest as _, Sha256};

use crate::{
    act::Deeds,
    chain::chain,
    context::Context,
    drift::{self, Found},
    metrics::EnvironmentOverview,
    reconcile::Pass,
    settings,
    status::{self, Verdict},
    tally::Tally,
};

/// Drifts that a status keeps.
const DRIFTS_MAX: usize = 20;
/// Fields of one drift that a status keeps.
const FIELDS_MAX: usize = 10;
/// Operations that a status keeps.
const HISTORY_MAX: usize = 10;

/// All that one pass led to.
pub(crate) struct Outcome {
    pub(crate) started: Timestamp,
    pub(crate) plan: Plan,
    pub(crate) deeds: Deeds,
    pub(crate) found: Vec<Found>,
    pub(crate) facts: Facts,
}

/// Returns the digest of inputs under which a status remembers them.
pub(crate) fn digest(inputs: &Inputs) -> String {
    let text = serde_json::to_vec(&inputs.0).expect("because paths and ids always become JSON");
    Sha256::digest(text).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Returns a commit as a status shows it.
pub(crate) fn revision_status(revision: &Revision) -> RevisionStatus {
    RevisionStatus {
        reference: revision.reference.as_ref().map(ToString::to_string),
        commit: revision.commit.to_string(),
        author: revision.author.clone(),
        committed: revision.committed.to_string(),
        subject: revision.subject.clone(),
    }
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
    let standing = standing::stand(&outcome.facts);
    let live = context.index().live(&pass.settings.name.applyset_id(), &BTreeSet::new());
    status.inventory = Some(inventory(pass.memory.recorded.as_ref(), &live));
    write(context, pass, status, &standing, now).await;
}

/// Records a pass that could not plan: the cluster was left as it is.
pub(crate) async fn unplanned(context: &Context, pass: &mut Pass, facts: Facts) {
    let now = context.clock.now();
    let mut status = pass.memory.status.clone();
    let standing = standing::stand(&facts);
    let mut scribe = Scribe { context, pass, revision: facts.revision.clone(), now };
    scribe.requests(&mut status);
    let text = standing.problems.join("\n");
    let class = facts.source.as_ref().map(|failure| failure.class);
    let key = format!("unplanned {} {text}", facts.revision.as_ref().map_or("", |revision| revision.commit.as_str()));
    if !text.is_empty() && scribe.pass.memory.refused.insert(key) {
        scribe.record(RecordKind::Failed, Vec::new(), standing.message.clone(), |record| record.class = class);
    }
    if let (Some(revision), false) = (&facts.revision, facts.problems.is_empty()) {
        let inputs = scribe.pass.memory.rendered.as_ref().map(|rendered| digest(&rendered.inputs)).unwrap_or_default();
        status.last_attempted = Some(attempt(scribe.pass, revision, inputs, status.last_attempted.as_ref(), now));
    }
    write(context, pass, status, &standing, now).await;
}

struct Scribe<'a> {
    context: &'a Context,
    pass: &'a mut Pass,
    revision: Option<Revision>,
    now: Timestamp,
}

impl Scribe<'_> {
    fn record(&self, kind: RecordKind, objects: Vec<ObjectKey>, message: String, more: impl FnOnce(&mut Record)) {
        let mut record = Record {
            at: self.now,
            environment: self.pass.settings.name.clone(),
            revision: self.revision.clone(),
            kind,
            objects,
            message,
            attribution: None,
            class: None,
            took: None,
        };
        more(&mut record);
        self.context.journal.record(record, self.pass.resource.metadata.uid.as_deref().unwrap_or_default());
    }

    fn drifts(&mut self, outcome: &Outcome, status: &mut EnvironmentStatus) {
        let noticed = self.pass.noticed.unwrap_or(outcome.started);
        let took = Duration::try_from(self.now.duration_since(noticed)).unwrap_or_default();
        for found in &outcome.found {
            let corrected = outcome.deeds.corrected.contains(&found.drift.key);
            let kind = if corrected { RecordKind::DriftCorrected } else { RecordKind::DriftFound };
            let sentence = drift::sentence(found);
            let message = if corrected {
                format!("{sentence}; put back after {} ms", took.as_millis())
            } else {
                format!("{sentence}; left as it is")
            };
            let action = match (corrected, found.drift.corrected) {
                (true, _) => "Corrected",
                (false, true) => "Failed",
                (false, false) => "Reported",
            };
            // A correction that fails is tried again and again: that is one fact, not many.
            let object = found.drift.key.to_string();
            let failed_before = |entry: &DriftStatus| entry.object == object && entry.action == "Failed";
            let known = status.drift.iter().any(failed_before);
            status.drift.retain(|entry| !failed_before(entry));
            if !(known && action == "Failed") {
                let attribution = Some(found.attribution.clone());
                self.record(kind, vec![found.drift.key.clone()], message, |record| {
                    record.attribution = attribution;
                    record.took = corrected.then_some(took);
                });
            }
            if !found.drift.corrected {
                self.pass.memory.reported.insert(found.drift.key.clone(), found.drift.found);
            }
            status.drift.insert(0, drift_status(found, noticed, action, corrected.then_some(took)));
        }
        status.drift.truncate(DRIFTS_MAX);
    }

    /// Records every refusal once, until it goes away.
    fn refusals(&mut self, plan: &Plan) {
        let now: BTreeMap<String, &Why> = plan
            .refusals
            .iter()
            .filter(|refusal| !matches!(refusal.why, Why::Suspended { .. } | Why::Deleting | Why::Undecided { .. }))
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
    fn requests(&mut self, status: &mut EnvironmentStatus) {
        for (annotation, kind) in [(request::SYNC, None), (request::ALLOW_PRUNE, Some(RecordKind::Allowed))] {
            let Some(asked) = settings::request(&self.pass.resource, annotation) else { continue };
            let early = annotation == request::SYNC && !self.pass.synced;
            if early || status.handled.get(annotation) == Some(&asked.id) {
                continue;
            }
            if let Some(kind) = kind {
                let commit = asked.commit.as_deref().unwrap_or("no commit");
                self.record(kind, Vec::new(), format!("{} allowed the prunes of {commit}", asked.user), |_| {});
            }
            status.handled.insert(annotation.to_owned(), asked.id);
        }
        let suspended = self.pass.settings.policy.suspended;
        if suspended != self.pass.memory.suspended {
            let by = settings::request(&self.pass.resource, request::SUSPENDED);
            let who = by.map(|by| format!(" by {}", by.user)).unwrap_or_default();
            let reason = settings::request(&self.pass.resource, request::SUSPENDED).and_then(|by| by.reason);
            let why = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
            let (kind, message) = if suspended {
                (RecordKind::Suspended, format!("suspended{who}{why}"))
            } else {
                (RecordKind::Resumed, "resumed".to_owned())
            };
            self.record(kind, Vec::new(), message, |_| {});
            self.pass.memory.suspended = suspended;
        }
    }

    /// Records an operation of a commit: one entry of history for each commit and result, not for each pass.
    fn operation(&mut self, outcome: &Outcome, revision: &Revision, status: &mut EnvironmentStatus) {
        let deeds = &outcome.deeds;
        for warning in &deeds.warnings {
            tracing::warn!(environment = %self.pass.settings.name, "the API server warns: {warning}");
        }
        for (key, from) in &deeds.adopted {
            let message = format!("{key} was taken over from {}", from.join(", "));
            self.record(RecordKind::Adopted, vec![key.clone()], message, |_| {});
        }
        if !deeds.pruned.is_empty() {
            let names: Vec<_> = deeds.pruned.iter().take(10).map(ToString::to_string).collect();
            let rest = deeds.pruned.len() - names.len();
            let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
            let message = format!("pruned {}{more}", names.join(", "));
            self.record(RecordKind::Pruned, deeds.pruned.clone(), message, |_| {});
        }
        if self.pass.settings.policy.suspended {
            return;
        }
        let before = self.pass.memory.unfinished.take().filter(|(commit, _)| *commit == revision.commit);
        let tally = Tally::of(deeds, outcome.plan.unchanged).after(before.map(|(_, tally)| tally).unwrap_or_default());
        let result = self.result(outcome);
        let inputs = self.pass.memory.rendered.as_ref().map(|rendered| digest(&rendered.inputs)).unwrap_or_default();
        let attempted = attempt(self.pass, revision, inputs, status.last_attempted.as_ref(), self.now);
        let same = |before: &Attempt| before.inputs == attempted.inputs && before.generation == attempted.generation;
        let same_inputs = status.last_attempted.as_ref().is_some_and(same);
        if result == Some("Applied") {
            let applied = status.last_applied.as_ref();
            status.last_applied = Some(attempt(self.pass, revision, attempted.inputs.clone(), applied, self.now));
        }
        status.last_attempted = Some(attempted);
        let Some(result) = result else {
            self.pass.memory.unfinished = Some((revision.commit.clone(), tally));
            return;
        };
        let summary = tally.to_string();
        let wrote = tally.created + tally.changed + tally.pruned > 0;
        let failures = &self.pass.memory.failures;
        let before = status.history.first().map(|entry| (entry.revision.commit.as_str(), entry.result.as_str()));
        // A commit that leaves the inputs as they were is not an operation of this environment.
        let told = before == Some((revision.commit.as_str(), result));
        if !wrote && (told || same_inputs && before.is_some_and(|(_, before)| before == result)) {
            return;
        }
        let took = Duration::try_from(self.now.duration_since(outcome.started)).unwrap_or_default();
        let (kind, message) = match result {
            "Applied" => (RecordKind::Applied, format!("{}: {summary}", revision.commit.short())),
            _ => (RecordKind::Failed, failed(revision, failures, outcome)),
        };
        let class = failures.iter().map(|failure| failure.class).min();
        // Refusals have records of their own.
        if result != "Blocked" {
            self.record(kind, Vec::new(), message, |record| {
                record.class = class;
                record.took = Some(took);
            });
        }
        let entry = HistoryEntry {
            revision: revision_status(revision),
            at: self.now.to_string(),
            took_ms: u32::try_from(took.as_millis()).unwrap_or(u32::MAX),
            result: result.to_owned(),
            summary,
        };
        if before.is_some_and(|(commit, result)| commit == entry.revision.commit && result == entry.result) {
            status.history[0] = entry;
        } else {
            status.history.insert(0, entry);
        }
        status.history.truncate(HISTORY_MAX);
    }

    /// Returns what came of the operation; nothing while it only waits for something that passes by itself, such as
    /// another environment's word on what may be pruned.
    fn result(&self, outcome: &Outcome) -> Option<&'static str> {
        let Outcome { plan, facts, .. } = outcome;
        let refuses = |refusal: &Refusal| !refusal.why.harmless() && !refusal.why.passes();
        if plan.blocked().is_some() {
            Some("Blocked")
        } else if !self.pass.memory.failures.is_empty() || !facts.problems.is_empty() {
            Some("Failed")
        } else if plan.refused > 0 {
            plan.refusals.iter().any(refuses).then_some("Failed")
        } else if plan.refusals.iter().any(|refusal| matches!(refusal.why, Why::Undecided { .. })) {
            None
        } else {
            Some("Applied")
        }
    }
}

fn failed(revision: &Revision, failures: &[Failure], outcome: &Outcome) -> String {
    let problems = outcome.facts.problems.iter().map(ToString::to_string);
    let failures = failures.iter().map(|failure| failure.message.clone());
    let refusals = outcome.plan.refusals.iter().filter(|refusal| !refusal.why.harmless()).map(ToString::to_string);
    let lines: Vec<String> = problems.chain(failures).chain(refusals).take(5).collect();
    format!("{}: {}", revision.commit.short(), lines.join("\n"))
}

/// Returns the attempt; the time of the one before is kept where nothing else differs, so that the status stays equal.
fn attempt(pass: &Pass, revision: &Revision, inputs: String, before: Option<&Attempt>, now: Timestamp) -> Attempt {
    let mut attempt = Attempt {
        commit: revision.commit.to_string(),
        inputs,
        generation: pass.resource.metadata.generation.unwrap_or_default(),
        at: now.to_string(),
    };
    if let Some(before) = before {
        let same = Attempt { at: before.at.clone(), ..attempt.clone() };
        if same == *before {
            attempt = same;
        }
    }
    attempt
}

fn drift_status(found: &Found, noticed: Timestamp, action: &str, took: Option<Duration>) -> DriftStatus {
    let writer = found.attribution.who.writer();
    let changes = &found.attribution.changes;
    let fields = changes.iter().take(FIELDS_MAX).map(|change| FieldChange {
        path: change.path.to_string(),
        before: change.before.as_ref().map(drift::short),
        after: change.after.as_ref().map(drift::short),
    });
    DriftStatus {
        object: found.drift.key.to_string(),
        what: found.what.label().to_owned(),
        by: drift::culprit(&found.attribution.who),
        operation: writer.map(|writer| {
            match writer.operation {
                ManagedBy::Apply => "Apply",
                ManagedBy::Update => "Update",
            }
            .to_owned()
        }),
        written: writer.and_then(|writer| writer.time).map(|time| time.to_string()),
        noticed: noticed.to_string(),
        action: action.to_owned(),
        took_ms: took.map(|took| u32::try_from(took.as_millis()).unwrap_or(u32::MAX)),
        fields: fields.collect(),
        more_fields: u32::try_from(changes.len().saturating_sub(FIELDS_MAX) + found.attribution.more)
            .unwrap_or(u32::MAX),
    }
}

/// Returns what is owned: also what is no longer desired and was kept.
fn inventory(recorded: Option<&Inventory>, live: &Live) -> InventoryStatus {
    let recorded = recorded.cloned().unwrap_or_default();
    let mut health = BTreeMap::new();
    for object in live.objects.values() {
        *health.entry(object.health.status.label().to_owned()).or_default() += 1;
    }
    InventoryStatus {
        objects: u32::try_from(live.objects.len()).unwrap_or(u32::MAX),
        kinds: recorded.kinds.iter().map(ToString::to_string).collect(),
        namespaces: recorded.namespaces.into_iter().collect(),
        health,
    }
}

/// Writes the status if it differs from what was last written.
async fn write(context: &Context, pass: &mut Pass, mut status: EnvironmentStatus, standing: &Standing, now: Timestamp) {
    let generation = pass.resource.metadata.generation;
    status.observed_generation = generation;
    status.problems.clone_from(&standing.problems);
    let before = std::mem::take(&mut status.conditions);
    let verdict = Verdict {
        holds: &[
            (condition::READY, standing.ready),
            (condition::RECONCILING, standing.reconciling),
            (condition::STALLED, standing.stalled),
        ],
        reason: standing.reason,
        message: &standing.message,
    };
    status.conditions = status::conditions(&verdict, &before, generation, now);
    let health = status.inventory.as_ref().map(|inventory| inventory.health.clone()).unwrap_or_default();
    let overview = EnvironmentOverview { ready: standing.ready, suspended: pass.settings.policy.suspended, health };
    context.metrics.overview().environments.insert(pass.settings.name.clone(), overview);
    if status == pass.memory.status {
        return;
    }
    let EnvironmentName { namespace, name } = &pass.settings.name;
    let uid = pass.resource.metadata.uid.as_deref().unwrap_or_default();
    let written =
        status::write::<Environment>(&context.cluster, (namespace, name), uid, &pass.memory.resource_version, &status);
    match written.await {
        Ok(Some(version)) => {
            pass.memory.resource_version = version;
            pass.memory.status = status;
        }
        // It was deleted: there is nothing left to say.
        Ok(None) => {}
        Err(error) => {
            tracing::warn!(environment = %pass.settings.name, "the status could not be written: {}", chain(&error));
            pass.unwritten = Some(error.class());
        }
    }
}
